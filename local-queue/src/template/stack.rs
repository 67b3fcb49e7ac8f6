//! Resources, read into what can be run.

use std::time::Duration;

use super::{
    Diagnostic, Options, Stack, StackFunction, StackMapping, StackResource, api_parts,
    buckets::{self, QueuePolicy},
    check,
    document::{self, UNKNOWN_BEGINS, Yaml, YamlData, kind, refused},
    evaluate::{TemplateContext, Text},
    expand::{self, Said},
    input::Input,
    mapping::{self, Form, Outcome, Place},
    nested::is_nested,
    parts::{BucketEvents, MappingResource, Nested, Parts},
    properties::unknown_properties,
    rules,
};
use crate::{
    declaration::{self, DeclarationError, QueueDeclaration, Redrive},
    engine::{self, Attribute, AttributeName, Engine, Limits, QueueArn, QueueName, Time},
    event_source_mapping::EventSourceMappingError,
    protocol::{self, attributes::check_tag},
};

/// SQS's default.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads all resources that matter here, and collects what is wrong with each.
pub(super) fn read(input: &Input<'_>, text: &str) -> Parts {
    let failed = |diagnostics| {
        let mut parts = Parts { diagnostics, ..Parts::default() };
        parts.prefix(&input.prefix);
        parts
    };
    let mut said = Said::default();
    let root = match expanded(input, text, &mut said) {
        Ok(root) => root,
        Err(diagnostics) => return failed(diagnostics.into_iter().chain(said.diagnostics).collect()),
    };
    if root.get("Resources").is_none_or(|resources| resources.entries().is_empty()) {
        said.diagnostics.push(refused(&root, "it has no Resources".to_owned()));
        return failed(said.diagnostics);
    }
    let scope = match TemplateContext::new(&root, input) {
        Ok(scope) => scope,
        Err(diagnostics) => return failed(diagnostics.into_iter().chain(said.diagnostics).collect()),
    };
    let mut parts = Parts { diagnostics: said.diagnostics, ..Parts::default() };
    parts.stack.warnings = said.warnings;
    parts.diagnostics.extend(check::structure(&scope, &mut parts.stack.warnings));
    let mut reader = Reader {
        scope,
        limits: input.limits,
        parts,
        nested: Vec::new(),
        policies: Vec::new(),
        found: api_parts::Found::default(),
    };
    for (id, resource) in root.get("Resources").map_or(&[][..], Yaml::entries) {
        if let Err(diagnostic) = reader.resource(id, resource) {
            reader.refuse(id, diagnostic);
        }
    }
    // Their queues may have come later.
    for (id, resource) in std::mem::take(&mut reader.policies) {
        if let Err(diagnostic) = reader.queue_policy(id, resource) {
            reader.refuse(id, diagnostic);
        }
    }
    reader.apis();
    reader.parts.diagnostics.extend(check::references(&reader.scope));
    if input.path.is_some() {
        reader.outputs();
    } else {
        reader.api_outputs();
    }
    let Reader { mut parts, nested, .. } = reader;
    parts.prefix(&input.prefix);
    for nested in nested {
        parts.add(nested);
    }
    parts
}

/// The template after its macros.
fn expanded(input: &Input<'_>, text: &str, said: &mut Said) -> Result<Yaml, Vec<Diagnostic>> {
    let document = input.sources.parse(input.path.as_deref(), text).map_err(|diagnostic| vec![diagnostic])?;
    let root = expand::include(&TemplateContext::new(&document.root, input)?, input, said);
    Ok(expand::loops(&TemplateContext::new(&root, input)?, said))
}

/// Brings the parts together: mappings and their functions, queues and their dead-letter queues.
pub(super) fn finish(mut parts: Parts, input: &Input<'_>) -> Result<Stack, Vec<Diagnostic>> {
    for mapping in std::mem::take(&mut parts.mappings) {
        attach_resource(&mut parts, mapping, input);
    }
    for BucketEvents { bucket: name, logical_id, line, notifications, event_bridge } in
        std::mem::take(&mut parts.bucket_events)
    {
        if let Some(bucket) = parts.stack.buckets.iter_mut().find(|bucket| bucket.name == name) {
            bucket.notifications.extend(notifications);
            bucket.event_bridge |= event_bridge;
        } else {
            let line = notifications.first().map_or(line, |notification| notification.line);
            let text = format!("an event of type S3 needs a bucket of the template, which {name} is not");
            parts.diagnostics.push(Diagnostic { line, logical_id: Some(logical_id), text, ..Diagnostic::default() });
        }
    }
    let limits = input.limits;
    let mut names: Vec<_> = parts.stack.queues.iter().map(|queue| queue.name.clone()).collect();
    let mut trial_queues = parts.stack.queues.clone();
    for existing in &input.options.existing_queues {
        if let Ok(existing) = QueueDeclaration::named(existing, limits)
            && !names.contains(&existing.name)
        {
            names.push(existing.name.clone());
            trial_queues.push(existing);
        }
    }
    let wrong = parts.stack.functions.iter().flat_map(|function| too_long_for_queues(function, &parts.stack.queues));
    parts.diagnostics.extend(wrong.collect::<Vec<_>>());
    for queue in &parts.stack.queues {
        let Some(redrive) = &queue.redrive else { continue };
        if !names.contains(&redrive.dead_letter_queue) {
            let (id, _, line) = parts.lines[queue.name.as_str()].clone();
            let queue = &redrive.dead_letter_queue;
            let text = format!(
                "RedrivePolicy names queue {queue}, which the template does not declare; create it with --create \
                 {queue}, or name one of {}",
                names.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ")
            );
            parts.diagnostics.push(Diagnostic { line, logical_id: Some(id), text, ..Diagnostic::default() });
        }
    }
    if parts.diagnostics.is_empty() {
        let Options { region, account, .. } = input.options;
        let mut trial = Engine::new(limits.clone(), 0);
        let scope = engine::Scope::new(region, account);
        if let Err(DeclarationError::Refused { queue, error }) =
            declaration::try_out(&mut trial, Time::EPOCH, &scope, &trial_queues)
        {
            let (id, line, _) = parts.lines[queue.as_str()].clone();
            let (logical_id, text) = (Some(id), error.to_string());
            parts.diagnostics.push(Diagnostic { line, logical_id, text, ..Diagnostic::default() });
        }
    }
    if parts.diagnostics.is_empty() { Ok(parts.stack) } else { Err(parts.diagnostics) }
}

/// Mappings whose messages would become visible while the function still processes them; Lambda does not create these.
fn too_long_for_queues(function: &StackFunction, queues: &[QueueDeclaration]) -> Vec<Diagnostic> {
    let too_long = |mapping: &StackMapping| {
        let queue = queues.iter().find(|queue| queue.name.as_str() == mapping.queue.name())?;
        let own = queue.attributes.iter().find_map(|attribute| match attribute {
            Attribute::VisibilityTimeout(timeout) => Some(*timeout),
            _ => None,
        });
        let (visibility_timeout, function_timeout) = (own.unwrap_or(VISIBILITY_TIMEOUT), function.timeout);
        let error = EventSourceMappingError::VisibilityTimeoutTooShort { visibility_timeout, function_timeout };
        let (line, logical_id, text) = (mapping.line, Some(function.logical_id.clone()), error.to_string());
        let diagnostic = Diagnostic { line, logical_id, text, ..Diagnostic::default() };
        (function_timeout > visibility_timeout).then_some(diagnostic)
    };
    function.mappings.iter().filter_map(too_long).collect()
}

/// Gives a mapping that is a resource to its function, or says why not.
fn attach_resource(parts: &mut Parts, resource: MappingResource, input: &Input<'_>) {
    let MappingResource { logical_id, properties } = resource;
    let said = |text: String| {
        let (line, logical_id) = (properties.line, Some(logical_id.clone()));
        Diagnostic { line, logical_id, text, ..Diagnostic::default() }
    };
    let Some(wanted) = properties.get("FunctionName") else {
        return parts.diagnostics.push(said("it has no FunctionName".to_owned()));
    };
    let Some(name) = wanted.as_text() else {
        return parts.stack.warnings.push(said(format!("skipped: its function is {}", wanted.kind())));
    };
    // A name, the end of an ARN, or a whole one; each can have an alias or a version.
    let qualified = name.rsplit("function:").next().unwrap_or(name);
    let plain = qualified.split(':').next().unwrap_or(qualified);
    let Some(function) = parts.stack.functions.iter_mut().find(|function| function.name == plain) else {
        let text = format!("skipped: FunctionName {name} is not a function of the template");
        return parts.stack.warnings.push(said(text));
    };
    let place = Place {
        logical_id: &logical_id,
        function_name: qualified.to_owned(),
        function_timeout: function.timeout,
        form: Form::Resource,
    };
    let is_tenanted = parts.tenanted.contains(&function.logical_id);
    match attach(&mut function.mappings, is_tenanted, &place, &properties, input) {
        Ok(None) => {}
        Ok(Some(why)) => {
            let (logical_id, line) = (Some(function.logical_id.clone()), properties.line);
            let text = format!("mapping {} is skipped: {why}", place.logical_id);
            parts.stack.warnings.push(Diagnostic { line, logical_id, text, ..Diagnostic::default() });
        }
        Err(wrong) => parts.diagnostics.extend(wrong.into_iter().map(|diagnostic| {
            let logical_id = diagnostic.logical_id.or_else(|| Some(logical_id.clone()));
            Diagnostic { logical_id, ..diagnostic }
        })),
    }
}

/// Adds a mapping to those of a function; or says why it is skipped.
pub(super) fn attach(
    mappings: &mut Vec<StackMapping>,
    is_tenanted: bool,
    place: &Place<'_>,
    properties: &Yaml,
    input: &Input<'_>,
) -> Result<Option<String>, Vec<Diagnostic>> {
    let mapping = match mapping::read(place, properties)? {
        Outcome::Mapping(mapping) => *mapping,
        Outcome::PassedOver(why) => return Ok(Some(why)),
    };
    let one = |text: String| vec![refused(properties, text)];
    if is_tenanted {
        return Err(one(
            "Event source 'SQS' is not supported for functions enabled with tenancy configuration. Only Api and HttpApi event \
             sources are supported."
                .to_owned(),
        ));
    }
    let name = &mapping.mapping.function_name;
    let same = |other: &&StackMapping| other.queue == mapping.queue && other.mapping.function_name == *name;
    if let Some(other) = mappings.iter().find(same) {
        // Recorded, but for the UUID that a mapping has there.
        return Err(one(format!(
            "ResourceConflictException: An event source mapping with SQS arn (\" {} \") and function (\" {name} \") already \
             exists. Please update or delete the existing mapping {} of {}",
            mapping.queue,
            other.logical_id,
            input.sources.describe(other.line)
        )));
    }
    mappings.push(mapping);
    Ok(None)
}

pub(super) struct Reader<'a> {
    pub(super) scope: TemplateContext<'a>,
    pub(super) limits: &'a Limits,
    pub(super) parts: Parts,
    nested: Vec<Parts>,
    /// Policies of queues.
    policies: Vec<(&'a str, &'a Yaml)>,
    /// Parts of APIs.
    pub(super) found: api_parts::Found<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn refuse(&mut self, id: &str, diagnostic: Diagnostic) {
        let logical_id = diagnostic.logical_id.or(Some(id.to_owned()));
        self.parts.diagnostics.push(Diagnostic { logical_id, ..diagnostic });
    }

    pub(super) fn warn(&mut self, id: &str, line: usize, text: String) {
        let logical_id = Some(id.to_owned());
        self.parts.stack.warnings.push(Diagnostic { line, logical_id, text, ..Diagnostic::default() });
    }

    fn resource(&mut self, id: &'a str, resource: &'a Yaml) -> Result<(), Diagnostic> {
        if !self.scope.exists(resource)? {
            return Ok(());
        }
        for diagnostic in unknown_properties(resource) {
            self.refuse(id, diagnostic);
        }
        match kind(resource) {
            "AWS::SQS::Queue" => self.queue(id, resource),
            "AWS::S3::Bucket" => self.bucket(id, resource),
            "Custom::S3BucketNotifications" => self.bucket_notifications(id, resource),
            "AWS::Events::Rule" => self.rule(id, resource),
            "AWS::SQS::QueuePolicy" => {
                self.policies.push((id, resource));
                Ok(())
            }
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => self.function(id, resource),
            "AWS::Lambda::EventSourceMapping" => self.mapping_resource(id, resource),
            part if api_parts::is_part(part) => {
                self.found.resources.push((id, resource));
                Ok(())
            }
            _ if is_nested(resource) => self.nested(id, resource),
            "" if resource.first_unknown().is_some() => {
                let what = resource.first_unknown().unwrap_or_default();
                self.warn(id, resource.line, format!("skipped: it is {what}"));
                Ok(())
            }
            "" if id == "Fn::Transform" => {
                let name = resource.get("Name").and_then(Yaml::as_text).unwrap_or("without a name");
                self.warn(id, resource.line, format!("macro {name} is not run: its resources are missing"));
                Ok(())
            }
            "" => Err(refused(resource, "it has no Type".to_owned())),
            other => {
                let (logical_id, kind) = (id.to_owned(), other.to_owned());
                self.parts.stack.others.push(StackResource { logical_id, kind, line: resource.line });
                Ok(())
            }
        }
    }

    fn bucket(&mut self, id: &str, resource: &Yaml) -> Result<(), Diagnostic> {
        let read = buckets::bucket(&self.scope, id, resource)?;
        read.notes.into_iter().for_each(|(line, note)| self.warn(id, line, note));
        self.parts.stack.buckets.push(read.value);
        Ok(())
    }

    /// What CDK has in place of a bucket's own property.
    fn bucket_notifications(&mut self, id: &str, resource: &Yaml) -> Result<(), Diagnostic> {
        let read = buckets::custom_notifications(&self.scope, resource)?;
        read.notes.into_iter().for_each(|(line, note)| self.warn(id, line, note));
        self.parts.bucket_events.push(BucketEvents { logical_id: id.to_owned(), ..read.value });
        Ok(())
    }

    fn rule(&mut self, id: &str, resource: &Yaml) -> Result<(), Diagnostic> {
        let read = rules::rule(&self.scope, id, resource)?;
        read.notes.into_iter().for_each(|(line, note)| self.warn(id, line, note));
        match read.rule {
            Ok(rule) => self.parts.stack.rules.push(rule),
            Err(why) => self.warn(id, resource.line, format!("skipped: {why}")),
        }
        Ok(())
    }

    /// Gives queues their policy. What it names is of no consequence here, but for who may send.
    fn queue_policy(&mut self, id: &str, resource: &Yaml) -> Result<(), Diagnostic> {
        let QueuePolicy { line, queues, document } = buckets::queue_policy(&self.scope, resource)?;
        let policy = protocol::attributes::parse(AttributeName::Policy.as_str(), &document);
        let Ok(policy) = policy else {
            // It may be for what is unknown here.
            if document.contains(UNKNOWN_BEGINS) {
                self.warn(id, line, "skipped: SQS does not accept its PolicyDocument".to_owned());
                return Ok(());
            }
            let text = "Invalid value for the parameter Policy: SQS does not accept the PolicyDocument".to_owned();
            return Err(Diagnostic { line, text, ..Diagnostic::default() });
        };
        for name in queues {
            match self.parts.stack.queues.iter_mut().find(|queue| queue.name.as_str() == name) {
                Some(queue) => queue.attributes.push(policy.clone()),
                None => self.warn(id, line, format!("skipped: the template declares no queue {name}")),
            }
        }
        Ok(())
    }

    fn nested(&mut self, id: &str, resource: &Yaml) -> Result<(), Diagnostic> {
        match &*self.scope.nested(id, resource)? {
            Nested::PassedOver(why) => {
                self.warn(id, resource.line, format!("skipped, with its resources: {why}"));
            }
            Nested::Read { parts, .. } => self.nested.extend(parts.take().map(|parts| *parts)),
        }
        Ok(())
    }

    /// What a nested stack gives to the one around.
    fn outputs(&mut self) {
        for (name, output) in self.scope.root.get("Outputs").map_or(&[][..], Yaml::entries) {
            let value = self.scope.exists(output).and_then(|exists| {
                let value = output.get("Value").filter(|_| exists);
                value.map_or(Ok(None), |value| self.scope.evaluate(value))
            });
            match value {
                Ok(value) => self.parts.outputs.extend(value.map(|value| (name.clone(), value))),
                Err(diagnostic) => {
                    let unknown = Yaml::unknown(output.line, &format!("output {name}"), "");
                    self.parts.outputs.insert(name.clone(), unknown);
                    self.refuse(&format!("Outputs.{name}"), diagnostic);
                }
            }
        }
    }

    fn mapping_resource(&mut self, id: &str, resource: &'a Yaml) -> Result<(), Diagnostic> {
        let raw = resource.get("Properties").ok_or_else(|| refused(resource, "it has no Properties".to_owned()))?;
        let mut diagnostics = Vec::new();
        let properties = mapping::evaluated(&self.scope, raw, &mut diagnostics);
        if !diagnostics.is_empty() {
            for diagnostic in diagnostics {
                self.refuse(id, diagnostic);
            }
            return Ok(());
        }
        let source = properties.get("EventSourceArn");
        let service = source.and_then(Yaml::as_text).and_then(|arn| arn.split(':').nth(2));
        let passed_over = match (source.map(|source| &source.data), service) {
            (Some(YamlData::Unknown { what, .. }), _) => Some(format!("its source is {what}")),
            (_, Some(service)) if service != "sqs" => {
                Some(format!("its source is of {service}, which is not emulated"))
            }
            (None, _) => Some("its source is not a queue".to_owned()),
            _ => None,
        };
        match passed_over {
            Some(why) => self.warn(id, resource.line, format!("skipped: {why}")),
            None => self.parts.mappings.push(MappingResource { logical_id: id.to_owned(), properties }),
        }
        Ok(())
    }

    /// A property without functions; none when it is not there.
    pub(super) fn property(&self, resource: &Yaml, name: &str) -> Result<Option<Yaml>, Diagnostic> {
        let property = resource.get("Properties").and_then(|properties| properties.get(name));
        property.map_or(Ok(None), |node| self.scope.evaluate(node))
    }

    fn queue(&mut self, id: &str, resource: &'a Yaml) -> Result<(), Diagnostic> {
        let name = self.scope.physical_name(id, resource)?;
        let mut queue =
            QueueDeclaration::named(&name, self.limits).map_err(|error| refused(resource, error.to_string()))?;
        let mut redrive_line = resource.line;
        for (property, node) in resource.get("Properties").map_or(&[][..], Yaml::entries) {
            match self.scope.evaluate(node) {
                Ok(Some(value)) if property == "KmsMasterKeyId" && value.first_unknown().is_some() => {
                    let what = value.first_unknown().unwrap_or_default();
                    self.warn(id, node.line, format!("the queue is not encrypted by {what}"));
                }
                Ok(Some(value)) => {
                    if property == "RedrivePolicy" {
                        redrive_line = node.line;
                    }
                    if let Err(diagnostic) = self.queue_property(&mut queue, property, &value) {
                        self.refuse(id, Diagnostic { line: node.line, ..diagnostic });
                    }
                }
                Ok(None) => {}
                Err(diagnostic) => self.refuse(id, diagnostic),
            }
        }
        if let Some((other, ..)) = self.parts.lines.get(&name) {
            return Err(refused(resource, format!("queue {name} is declared by {other} too")));
        }
        self.parts.lines.insert(name, (id.to_owned(), resource.line, redrive_line));
        self.parts.stack.queues.push(queue);
        Ok(())
    }

    fn queue_property(&self, queue: &mut QueueDeclaration, property: &str, value: &Yaml) -> Result<(), Diagnostic> {
        let at = |text: String| refused(value, text);
        match property {
            "QueueName" => {}
            "FifoQueue" => {
                let fifo = value.as_flag();
                let fifo = fifo.ok_or_else(|| at(format!("FifoQueue takes true or false, not {}", shown(value))))?;
                if fifo != queue.name.is_fifo() {
                    return Err(at(format!(
                        "FifoQueue and the queue's name {} do not agree: only the names of FIFO queues end in .fifo",
                        queue.name
                    )));
                }
            }
            "RedrivePolicy" => queue.redrive = Some(self.redrive(&of_json_text(value))?),
            "Tags" => {
                for tag in value.as_list().unwrap_or_default() {
                    let part = |key| tag.get(key).and_then(Text::of).map(|text| text.text);
                    let pair = part("Key").zip(part("Value"));
                    let (key, text) = pair.ok_or_else(|| at("a tag has a Key and a Value".to_owned()))?;
                    check_tag(&key, &text).map_err(|diagnostic| at(diagnostic.to_owned()))?;
                    queue.tags.insert(key, text);
                }
            }
            other => {
                // One that no queue has was refused with those of all resources.
                let Some(known) = AttributeName::parse(other) else { return Ok(()) };
                if let Some(what) = value.first_unknown() {
                    return Err(at(format!("{other} needs {what}")));
                }
                let text = match &value.data {
                    YamlData::Scalar { text, .. } => text.clone(),
                    _ => value.to_json().to_string(),
                };
                let parsed = protocol::attributes::parse(known.as_str(), &text);
                queue.attributes.push(parsed.map_err(|_| at(format!("{other} does not take {text:?}")))?);
            }
        }
        Ok(())
    }

    fn redrive(&self, policy: &Yaml) -> Result<Redrive, Diagnostic> {
        let needs = |what: &str| refused(policy, format!("RedrivePolicy needs {what}"));
        if let Some(what) = policy.first_unknown() {
            return Err(needs(&format!("deadLetterTargetArn and maxReceiveCount, and has {what}")));
        }
        let target = policy.get("deadLetterTargetArn").and_then(Yaml::as_text);
        let target = target.ok_or_else(|| needs("deadLetterTargetArn, the ARN of a queue"))?;
        let arn = QueueArn::parse(target).ok_or_else(|| needs(&format!("the ARN of a queue, not {target:?}")))?;
        let count = policy.get("maxReceiveCount").and_then(Yaml::as_text).and_then(|text| text.parse::<u32>().ok());
        let range = self.limits.receive_count.clone();
        let count = count.filter(|count| range.contains(&u64::from(*count)));
        let count =
            count.ok_or_else(|| needs(&format!("maxReceiveCount from {} to {}", range.start(), range.end())))?;
        let name = QueueName::parse(arn.name(), self.limits).map_err(|error| refused(policy, error.to_string()))?;
        Ok(Redrive { dead_letter_queue: name, max_receive_count: count })
    }
}

/// What a text of JSON has in it; anything else as it is. `CloudFormation` takes a policy in either form.
fn of_json_text(node: &Yaml) -> Yaml {
    let is_json = |text: &&str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    let parsed = node.as_text().filter(is_json).and_then(|text| document::parse(text, node.line).ok());
    parsed.map_or_else(|| node.clone(), |document| document.root)
}

/// A value, for refusals.
fn shown(node: &Yaml) -> String {
    node.as_text().map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"))
}
