//! Rules by which queues are created when they are named: `[auto_create."jobs-*"]`, or an option of the command line.

use toml::Spanned;

use super::{ConfigError, Located, Reader, Value, parse};
use crate::{
    declaration::{AutoCreate, is_for_fifo},
    engine::{AttributeName, Limits},
};

/// What stands for the `*` of a pattern while its rule is checked.
const STAND_IN: &str = "x";

impl Reader<'_> {
    pub(super) fn auto_create(&mut self, value: &Value<'_>) -> Vec<AutoCreate> {
        let mut rules = Vec::new();
        for (pattern, value) in self.table("auto_create", value).into_iter().flatten() {
            rules.extend(self.rule(pattern, value));
        }
        rules
    }

    fn rule(&mut self, pattern: &Spanned<std::borrow::Cow<'_, str>>, value: &Value<'_>) -> Option<AutoCreate> {
        let Some(rule) = AutoCreate::named(pattern.get_ref()) else {
            let text = format!(
                "{:?} is no pattern: letters, digits, hyphens, underscores, * for any of them, and .fifo at the end",
                pattern.get_ref()
            );
            self.refuse(pattern.span().start, text);
            return None;
        };
        // It is checked as a queue of a name that it is for: a FIFO queue if it has something for these.
        let mut name = pattern.get_ref().replace('*', STAND_IN);
        if pattern.get_ref().ends_with('*') && has_fifo_attribute(value) {
            name.push_str(".fifo");
        }
        let stand_in = Spanned::new(pattern.span(), name.into());
        self.dead_letter_name = Some(String::new());
        let queue = self.queue(&stand_in, value);
        let dead_letter_queue = self.dead_letter_name.take().unwrap_or_default();
        let Located { declaration, .. } = queue?;
        let rule = rule.attributes(declaration.attributes).tags(declaration.tags);
        Some(match declaration.redrive {
            Some(redrive) => rule.redrive(&dead_letter_queue, redrive.max_receive_count),
            None => rule,
        })
    }

    /// The name of a dead-letter queue to be checked; in a rule a `*` may stand for the name of the queue.
    pub(super) fn dead_letter_name<'t>(&mut self, text: &'t str) -> std::borrow::Cow<'t, str> {
        match &mut self.dead_letter_name {
            Some(name) => {
                text.clone_into(name);
                text.replacen('*', STAND_IN, 1).into()
            }
            None => text.into(),
        }
    }
}

fn has_fifo_attribute(rule: &Value<'_>) -> bool {
    let attributes = rule.get_ref().as_table().and_then(|rule| rule.get("attributes")?.get_ref().as_table());
    let mut names = attributes.into_iter().flatten().map(|(name, _)| AttributeName::parse(name.get_ref()));
    names.any(|name| name.is_some_and(is_for_fifo))
}

/// Reads a rule as the command line has it: `PATTERN`, or `PATTERN:NAME=VALUE,NAME=VALUE` with attributes of SQS.
pub fn parse_auto_create(text: &str, limits: &Limits) -> Result<AutoCreate, ConfigError> {
    let refuse = |text: String| ConfigError { problems: vec![super::ConfigProblem { line: 1, text }] };
    let (pattern, attributes) = text.split_once(':').unwrap_or((text, ""));
    let mut toml = format!("[auto_create.{}.attributes]\n", quoted(pattern));
    for attribute in attributes.split(',').filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute
            .split_once('=')
            .ok_or_else(|| refuse(format!("expected PATTERN:NAME=VALUE,NAME=VALUE, not {attribute:?}")))?;
        toml.extend([&*quoted(name), " = ", &*quoted(value), "\n"]);
    }
    let rules = parse(&toml, limits)?.auto_create;
    rules.into_iter().next().ok_or_else(|| refuse(format!("{text:?} is no pattern")))
}

/// A text as TOML spells it, which is as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
