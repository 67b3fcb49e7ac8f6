//! What comes of a template, before its parts are brought together.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Diagnostic, Stack, StackNotification, document::Yaml};

/// What one template has, nested ones included, before its parts are brought together.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) stack: Stack,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The logical id of each queue by name, with the lines of the queue and of its redrive policy.
    pub(super) lines: BTreeMap<String, (String, usize, usize)>,
    /// Mappings that are resources. Their functions may come later, or in the stack around.
    pub(super) mappings: Vec<MappingResource>,
    /// What other resources want of buckets. The buckets may come later.
    pub(super) bucket_events: Vec<BucketEvents>,
    /// Functions for tenants, which no queue can invoke.
    pub(super) tenanted: BTreeSet<String>,
    /// The outputs of a nested stack.
    pub(super) outputs: BTreeMap<String, Yaml>,
}

/// What another resource wants of a bucket.
pub(super) struct BucketEvents {
    /// The bucket's name.
    pub(super) bucket: String,
    /// Of who wants it.
    pub(super) logical_id: String,
    pub(super) line: usize,
    pub(super) notifications: Vec<StackNotification>,
    /// Whether the events are to go to EventBridge too.
    pub(super) event_bridge: bool,
}

/// An event source mapping that is a resource.
pub(super) struct MappingResource {
    pub(super) logical_id: String,
    pub(super) properties: Yaml,
}

impl Parts {
    /// Takes what a nested stack has.
    pub(super) fn add(&mut self, nested: Self) {
        for (name, (id, line, redrive_line)) in nested.lines {
            if let Some((other, ..)) = self.lines.get(&name) {
                let text = format!("queue {name} is declared by {other} too");
                let logical_id = Some(id);
                self.diagnostics.push(Diagnostic { line, logical_id, text, ..Diagnostic::default() });
            } else {
                self.lines.insert(name, (id, line, redrive_line));
            }
        }
        self.stack.queues.extend(nested.stack.queues);
        self.stack.buckets.extend(nested.stack.buckets);
        self.stack.functions.extend(nested.stack.functions);
        self.stack.rules.extend(nested.stack.rules);
        self.stack.apis.extend(nested.stack.apis);
        self.stack.warnings.extend(nested.stack.warnings);
        self.stack.others.extend(nested.stack.others);
        self.diagnostics.extend(nested.diagnostics);
        self.mappings.extend(nested.mappings);
        self.bucket_events.extend(nested.bucket_events);
        self.tenanted.extend(nested.tenanted);
    }

    /// Puts the name of the stack before all logical ids.
    pub(super) fn prefix(&mut self, prefix: &str) {
        if prefix.is_empty() {
            return;
        }
        let add = |id: &mut String| id.insert_str(0, prefix);
        for diagnostic in self.diagnostics.iter_mut().chain(&mut self.stack.warnings) {
            match &mut diagnostic.logical_id {
                Some(id) => add(id),
                None => diagnostic.logical_id = Some(prefix.trim_end_matches('/').to_owned()),
            }
        }
        self.stack.functions.iter_mut().for_each(|function| add(&mut function.logical_id));
        self.stack.buckets.iter_mut().for_each(|bucket| add(&mut bucket.logical_id));
        self.stack.apis.iter_mut().for_each(|api| add(&mut api.logical_id));
        self.stack.others.iter_mut().for_each(|other| add(&mut other.logical_id));
        self.lines.values_mut().for_each(|(id, ..)| add(id));
        self.mappings.iter_mut().for_each(|mapping| add(&mut mapping.logical_id));
        self.bucket_events.iter_mut().for_each(|events| add(&mut events.logical_id));
        self.stack.rules.iter_mut().for_each(|rule| add(&mut rule.logical_id));
        self.tenanted = self.tenanted.iter().map(|id| format!("{prefix}{id}")).collect();
    }
}

/// A nested stack.
pub(super) enum Nested {
    /// It is elsewhere; why it is not read.
    PassedOver(String),
    Read {
        outputs: BTreeMap<String, Yaml>,
        /// Its queues and functions, until the stack around it takes them.
        parts: RefCell<Option<Box<Parts>>>,
    },
}

/// Nested stacks by their logical ids; nothing while one is read, so that a circle is noticed.
pub(super) type NestedStacks = RefCell<BTreeMap<String, Option<Rc<Nested>>>>;
