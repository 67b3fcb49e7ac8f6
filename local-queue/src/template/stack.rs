//! Resources, read into what can be run.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Logging, Options, Problem, Stack, StackFunction, StackMapping, StackResource,
    buckets::{self, QueuePolicy},
    code::asset_path,
    document::{Node, Value},
    evaluate::{TemplateContext, Text, kind, refused},
    mapping::{self, Form, Outcome, Place, keep, number},
    resources::made_up_name,
};
use crate::{
    declaration::{self, DeclarationError, QueueDeclaration, Redrive},
    engine::{self, AttributeName, Engine, Limits, QueueArn, QueueName, Time},
    protocol::{self, attributes::check_tag},
};

/// Lambda's defaults (SAM specification, `AWS::Serverless::Function`).
const TIMEOUT_SECONDS: u64 = 3;
const MEMORY_MEGABYTES: u32 = 128;
/// The longest names (API references).
const FUNCTION_NAME_MAX: usize = 64;
const QUEUE_NAME_MAX: usize = 80;

/// Reads all resources that matter here, and collects what is wrong with each.
pub(super) fn read(root: &Node, options: &Options, limits: &Limits) -> Result<Stack, Vec<Problem>> {
    let resources = root.get("Resources").filter(|resources| !resources.entries().is_empty());
    let Some(resources) = resources else {
        return Err(vec![refused(root, "it has no Resources".to_owned())]);
    };
    let scope = TemplateContext::new(root, options)?;
    let mut reader = Reader { scope, limits, stack: Stack::default(), problems: Vec::new(), lines: BTreeMap::new() };
    let (mut mappings, mut policies) = (Vec::new(), Vec::new());
    for (id, resource) in resources.entries() {
        match reader.scope.exists(resource) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(problem) => {
                reader.refuse(id, problem);
                continue;
            }
        }
        let done = match kind(resource) {
            "AWS::SQS::Queue" => reader.queue(id, resource),
            "AWS::S3::Bucket" => reader.bucket(id, resource),
            // Its queues may come later.
            "AWS::SQS::QueuePolicy" => {
                policies.push((id, resource));
                Ok(())
            }
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => reader.function(id, resource),
            // Its function may come later.
            "AWS::Lambda::EventSourceMapping" => {
                mappings.push((id, resource));
                Ok(())
            }
            "AWS::Serverless::Application" | "AWS::CloudFormation::Stack" => {
                reader.warn(id, resource.line, format!("passed over: nested stacks are not read ({})", kind(resource)));
                Ok(())
            }
            "" if id.starts_with("Fn::ForEach") => {
                Err(refused(resource, "Fn::ForEach is not supported; write its resources out".to_owned()))
            }
            "" => Err(refused(resource, "it has no Type".to_owned())),
            other => {
                let (logical_id, kind) = (id.clone(), other.to_owned());
                reader.stack.others.push(StackResource { logical_id, kind, line: resource.line });
                Ok(())
            }
        };
        if let Err(problem) = done {
            reader.refuse(id, problem);
        }
    }
    for (id, resource) in mappings {
        for problem in reader.mapping_resource(id, resource).err().unwrap_or_default() {
            reader.refuse(id, problem);
        }
    }
    for (id, resource) in policies {
        if let Err(problem) = reader.queue_policy(id, resource) {
            reader.refuse(id, problem);
        }
    }
    reader.finish()
}

struct Reader<'a> {
    scope: TemplateContext<'a>,
    limits: &'a Limits,
    stack: Stack,
    problems: Vec<Problem>,
    /// The logical id of each queue by name, with the lines of the queue and of its redrive policy.
    lines: BTreeMap<String, (String, usize, usize)>,
}

impl<'a> Reader<'a> {
    fn refuse(&mut self, id: &str, problem: Problem) {
        let logical_id = problem.logical_id.or(Some(id.to_owned()));
        self.problems.push(Problem { logical_id, ..problem });
    }

    fn warn(&mut self, id: &str, line: usize, text: String) {
        self.stack.warnings.push(Problem { line, logical_id: Some(id.to_owned()), text });
    }

    fn finish(mut self) -> Result<Stack, Vec<Problem>> {
        let mut names: Vec<_> = self.stack.queues.iter().map(|queue| queue.name.clone()).collect();
        let mut trial_queues = self.stack.queues.clone();
        for existing in &self.scope.options.existing_queues {
            if let Ok(existing) = QueueDeclaration::named(existing, self.limits)
                && !names.contains(&existing.name)
            {
                names.push(existing.name.clone());
                trial_queues.push(existing);
            }
        }
        for queue in &self.stack.queues {
            let Some(redrive) = &queue.redrive else { continue };
            if !names.contains(&redrive.dead_letter_queue) {
                let (id, _, line) = self.lines[queue.name.as_str()].clone();
                let queue = &redrive.dead_letter_queue;
                let text = format!(
                    "RedrivePolicy names queue {queue}, which the template does not declare; create it with --create \
                     {queue}, or name one of {}",
                    names.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ")
                );
                self.problems.push(Problem { line, logical_id: Some(id), text });
            }
        }
        if self.problems.is_empty() {
            let Options { region, account, .. } = self.scope.options;
            let mut trial = Engine::new(self.limits.clone(), 0);
            let scope = engine::Scope::new(region, account);
            if let Err(DeclarationError::Refused { queue, error }) =
                declaration::create(&mut trial, Time::EPOCH, &scope, &trial_queues)
            {
                let (id, line, _) = self.lines[queue.as_str()].clone();
                self.problems.push(Problem { line, logical_id: Some(id), text: error.to_string() });
            }
        }
        if self.problems.is_empty() { Ok(self.stack) } else { Err(self.problems) }
    }

    /// A property without functions; none when it is not there.
    fn property(&self, resource: &Node, name: &str) -> Result<Option<Node>, Problem> {
        let property = resource.get("Properties").and_then(|properties| properties.get(name));
        property.map_or(Ok(None), |node| self.scope.evaluate(node))
    }

    fn queue(&mut self, id: &str, resource: &'a Node) -> Result<(), Problem> {
        let name = self.scope.physical_name(id, resource)?;
        let mut queue =
            QueueDeclaration::named(&name, self.limits).map_err(|error| refused(resource, error.to_string()))?;
        let mut redrive_line = resource.line;
        for (property, node) in resource.get("Properties").map_or(&[][..], Node::entries) {
            match self.scope.evaluate(node) {
                Ok(Some(value)) if property == "KmsMasterKeyId" && value.first_unknown().is_some() => {
                    let what = value.first_unknown().unwrap_or_default();
                    self.warn(id, node.line, format!("the queue is not encrypted by {what}"));
                }
                Ok(Some(value)) => {
                    if property == "RedrivePolicy" {
                        redrive_line = node.line;
                    }
                    if let Err(problem) = self.queue_property(&mut queue, property, &value) {
                        self.refuse(id, Problem { line: node.line, ..problem });
                    }
                }
                Ok(None) => {}
                Err(problem) => self.refuse(id, problem),
            }
        }
        if let Some((other, ..)) = self.lines.get(&name) {
            return Err(refused(resource, format!("queue {name} is declared by {other} too")));
        }
        self.lines.insert(name, (id.to_owned(), resource.line, redrive_line));
        self.stack.queues.push(queue);
        Ok(())
    }

    fn queue_property(&self, queue: &mut QueueDeclaration, property: &str, value: &Node) -> Result<(), Problem> {
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
            "RedrivePolicy" => queue.redrive = Some(self.redrive(value)?),
            "Tags" => {
                for tag in value.as_list().unwrap_or_default() {
                    let part = |key| tag.get(key).and_then(Text::of).map(|text| text.text);
                    let pair = part("Key").zip(part("Value"));
                    let (key, text) = pair.ok_or_else(|| at("a tag has a Key and a Value".to_owned()))?;
                    check_tag(&key, &text).map_err(|problem| at(problem.to_owned()))?;
                    queue.tags.insert(key, text);
                }
            }
            other => {
                let known = AttributeName::parse(other);
                let known = known.ok_or_else(|| at(format!("an AWS::SQS::Queue has no property {other}")))?;
                if let Some(what) = value.first_unknown() {
                    return Err(at(format!("{other} needs {what}")));
                }
                let text = match &value.value {
                    Value::Scalar { text, .. } => text.clone(),
                    _ => value.to_json().to_string(),
                };
                let parsed = protocol::attributes::parse(known.as_str(), &text);
                queue.attributes.push(parsed.map_err(|_| at(format!("{other} does not take {text:?}")))?);
            }
        }
        Ok(())
    }

    fn redrive(&self, policy: &Node) -> Result<Redrive, Problem> {
        let needs = |what: &str| refused(policy, format!("RedrivePolicy needs {what}"));
        if let Some(what) = policy.first_unknown() {
            return Err(needs(&format!("deadLetterTargetArn and maxReceiveCount, and has {what}")));
        }
        let target = policy.get("deadLetterTargetArn").and_then(Node::as_text);
        let target = target.ok_or_else(|| needs("deadLetterTargetArn, the ARN of a queue"))?;
        let arn = QueueArn::parse(target).ok_or_else(|| needs(&format!("the ARN of a queue, not {target:?}")))?;
        let count = policy.get("maxReceiveCount").and_then(Node::as_text).and_then(|text| text.parse::<u32>().ok());
        let range = self.limits.receive_count.clone();
        let count = count.filter(|count| range.contains(&u64::from(*count)));
        let count =
            count.ok_or_else(|| needs(&format!("maxReceiveCount from {} to {}", range.start(), range.end())))?;
        let name = QueueName::parse(arn.name(), self.limits).map_err(|error| refused(policy, error.to_string()))?;
        Ok(Redrive { dead_letter_queue: name, max_receive_count: count })
    }

    fn bucket(&mut self, id: &str, resource: &Node) -> Result<(), Problem> {
        let read = buckets::bucket(&self.scope, id, resource)?;
        read.notes.into_iter().for_each(|(line, note)| self.warn(id, line, note));
        self.stack.buckets.push(read.value);
        Ok(())
    }

    /// Gives queues their policy. What it names is of no consequence here, but for who may send.
    fn queue_policy(&mut self, id: &str, resource: &Node) -> Result<(), Problem> {
        let QueuePolicy { line, queues, document } = buckets::queue_policy(&self.scope, resource)?;
        let policy = protocol::attributes::parse(AttributeName::Policy.as_str(), &document);
        let Ok(policy) = policy else {
            // AWS would refuse it, if it is not for what is unknown here.
            self.warn(id, line, "passed over: its PolicyDocument is none that SQS takes".to_owned());
            return Ok(());
        };
        for name in queues {
            match self.stack.queues.iter_mut().find(|queue| queue.name.as_str() == name) {
                Some(queue) => queue.attributes.push(policy.clone()),
                None => self.warn(id, line, format!("passed over: the template declares no queue {name}")),
            }
        }
        Ok(())
    }

    fn function(&mut self, id: &str, resource: &'a Node) -> Result<(), Problem> {
        let serverless = kind(resource) == "AWS::Serverless::Function";
        let global = self.scope.root.get("Globals").and_then(|globals| globals.get("Function")).filter(|_| serverless);
        let property = |name: &str| -> Result<Option<Node>, Problem> {
            match self.property(resource, name)? {
                Some(own) => Ok(Some(own)),
                None => global.and_then(|global| global.get(name)).map_or(Ok(None), |node| self.scope.evaluate(node)),
            }
        };
        let text = |name: &str| -> Result<Option<String>, Problem> {
            Ok(property(name)?.and_then(|node| node.as_text().map(ToOwned::to_owned)))
        };
        let mut problems = Vec::new();
        let timeout = keep(&mut problems, property("Timeout").and_then(|node| number(node, "Timeout")));
        let memory = keep(&mut problems, property("MemorySize").and_then(|node| number(node, "MemorySize")));
        let reserved = property("ReservedConcurrentExecutions");
        let reserved = reserved.and_then(|node| number(node, "ReservedConcurrentExecutions"));
        let architecture =
            property("Architectures")?.and_then(|list| list.as_list()?.first()?.as_text().map(String::from));
        let logging = property("LoggingConfig")?;
        let logging = |name| logging.as_ref().and_then(|it| it.get(name)?.as_text().map(ToOwned::to_owned));
        let build = resource.get("Metadata").and_then(|metadata| metadata.get("BuildProperties"));
        let mut function = StackFunction {
            logical_id: id.to_owned(),
            line: resource.line,
            name: self.scope.physical_name(id, resource)?,
            runtime: text("Runtime")?,
            handler: text("Handler")?.unwrap_or_else(|| "bootstrap".to_owned()),
            code: self.scope.code(resource, global)?,
            asset_path: asset_path(resource),
            layers: self.scope.layers(resource, global)?,
            binary: build.and_then(|build| build.get("Binary")?.as_text().map(ToOwned::to_owned)),
            architecture: architecture.unwrap_or_else(|| "x86_64".to_owned()),
            timeout: Duration::from_secs(timeout.unwrap_or(TIMEOUT_SECONDS)),
            memory_megabytes: memory.unwrap_or(MEMORY_MEGABYTES),
            reserved_concurrency: keep(&mut problems, reserved),
            environment: BTreeMap::new(),
            logging: Logging {
                format: logging("LogFormat"),
                application_level: logging("ApplicationLogLevel"),
                group: logging("LogGroup"),
            },
            mappings: Vec::new(),
        };
        check_function_name(&function.name).map_err(|text| refused(resource, text))?;
        function.environment = self.environment(id, resource, global, &mut problems);
        if serverless {
            self.events(&mut function, resource, &mut problems);
        }
        for problem in problems {
            self.refuse(id, problem);
        }
        self.stack.functions.push(function);
        Ok(())
    }

    /// The variables, with placeholders for what is not known here.
    fn environment(
        &mut self,
        id: &str,
        resource: &Node,
        global: Option<&Node>,
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut line = resource.line;
        for of in [global, resource.get("Properties")].into_iter().flatten() {
            let Some(of) = of.get("Environment") else { continue };
            // Each variable on its own, unless one function makes all of them.
            let variables = if let Some(variables) = of.get("Variables") {
                mapping::evaluated(&self.scope, variables, problems)
            } else {
                let all = mapping::evaluated(&self.scope, of, problems);
                all.get("Variables").cloned().unwrap_or_else(|| Node::text(of.line, ""))
            };
            for (name, value) in variables.entries() {
                let Some(Text { text, unknown: what }) = Text::of(value) else {
                    problems.push(refused(value, format!("variable {name} takes a text, not {}", value.kind())));
                    continue;
                };
                if let Some(what) = what {
                    line = variables.line;
                    unknown.push(format!("{name} {what}"));
                }
                environment.insert(name.clone(), text);
            }
        }
        if !unknown.is_empty() {
            self.warn(id, line, format!("variables with a placeholder, for what they need: {}", unknown.join("; ")));
        }
        environment
    }

    fn events(&mut self, function: &mut StackFunction, resource: &Node, problems: &mut Vec<Problem>) {
        let events = resource.get("Properties").and_then(|properties| properties.get("Events"));
        // SAM lets the mappings aim at the alias that it publishes.
        let alias = keep(problems, self.scope.auto_publish_alias(resource));
        let mut others = Vec::new();
        for (name, event) in events.map_or(&[][..], Node::entries) {
            let raw = event.get("Properties");
            let properties = match event.get("Type").and_then(Node::as_text) {
                Some("SQS") => raw.map(|raw| mapping::evaluated(&self.scope, raw, problems)),
                Some("SNS") if raw.is_some_and(|raw| raw.get("SqsSubscription").is_some()) => {
                    let subscription = raw.map(|raw| self.subscription(&function.logical_id, name, raw));
                    match keep(problems, subscription.transpose()).flatten() {
                        Some(properties) => Some(properties),
                        None => continue,
                    }
                }
                kind => {
                    others.push(format!("{name} ({})", kind.unwrap_or("without a type")));
                    continue;
                }
            };
            let properties = properties.unwrap_or_else(|| event.clone());
            let qualified =
                alias.as_ref().map_or_else(|| function.name.clone(), |it| format!("{}:{it}", function.name));
            let (form, timeout) = (Form::Event, function.timeout);
            let place = Place { logical_id: name, function_name: qualified, function_timeout: timeout, form };
            match self.attach(function, resource, &place, &properties) {
                Ok(()) => {}
                Err(more) => problems.extend(more),
            }
        }
        if !others.is_empty() {
            let id = function.logical_id.clone();
            let text = format!("events passed over, because only queues are emulated: {}", others.join(", "));
            self.warn(&id, events.unwrap_or(resource).line, text);
        }
    }

    /// The properties of the mapping that SAM makes for a topic whose messages go through a queue (`SqsSubscription`), and
    /// the queue if it makes that too; none without a queue.
    fn subscription(&mut self, id: &str, event: &str, raw: &Node) -> Result<Option<Node>, Problem> {
        let Some(subscription) = raw.get("SqsSubscription") else { return Ok(None) };
        let Some(value) = self.scope.evaluate(subscription)? else { return Ok(None) };
        let line = subscription.line;
        let mut entries = Vec::new();
        if let Some(wanted) = value.as_flag() {
            if !wanted {
                self.warn(id, line, format!("event passed over, because only queues are emulated: {event} (SNS)"));
                return Ok(None);
            }
            let topic = raw.get("Topic").and_then(|topic| self.scope.resource(topic.get("Ref")?.as_text()?));
            let fifo = topic.and_then(|topic| topic.get("Properties")?.get("FifoTopic"));
            let fifo = fifo.map_or(Ok(false), |fifo| self.scope.truth(fifo))?;
            let queue_id = format!("{id}{event}Queue");
            let ending = if fifo { ".fifo" } else { "" };
            let Options { stack_name, region, account, .. } = self.scope.options;
            let name = made_up_name(stack_name, &queue_id, ending, QUEUE_NAME_MAX);
            let queue = QueueDeclaration::named(&name, self.limits);
            let queue = queue.map_err(|error| refused(subscription, error.to_string()))?;
            entries.push(("Queue".to_owned(), Node::text(line, format!("arn:aws:sqs:{region}:{account}:{name}"))));
            self.lines.insert(name, (queue_id, line, line));
            self.stack.queues.push(queue);
        } else {
            let (Some(queue), Some(_)) = (value.get("QueueArn"), value.get("QueueUrl")) else {
                return Err(refused(
                    subscription,
                    "SqsSubscription needs QueueArn and QueueUrl, or is true".to_owned(),
                ));
            };
            // SAM (its source): the mapping is enabled, whatever is said here.
            entries.push(("Queue".to_owned(), queue.clone()));
            entries.extend(value.get("BatchSize").map(|size| ("BatchSize".to_owned(), size.clone())));
        }
        self.warn(id, line, format!("the topic of event {event} is not emulated: send to its queue"));
        Ok(Some(Node { line, value: Value::Map(entries) }))
    }

    /// Adds a mapping to a function, or says that it is passed over.
    fn attach(
        &mut self,
        function: &mut StackFunction,
        resource: &Node,
        place: &Place<'_>,
        properties: &Node,
    ) -> Result<(), Vec<Problem>> {
        let logical_id = place.logical_id.to_owned();
        let mapping = match mapping::read(place, properties)? {
            Outcome::Mapping(mapping) => *mapping,
            Outcome::PassedOver(why) => {
                self.warn(&function.logical_id, properties.line, format!("mapping {logical_id} is passed over: {why}"));
                return Ok(());
            }
        };
        let one = |text: String| vec![refused(properties, text)];
        if resource.get("Properties").is_some_and(|own| own.get("TenancyConfig").is_some()) {
            return Err(one(
                "Event source 'SQS' is not supported for functions enabled with tenancy configuration. Only Api and HttpApi \
                 event sources are supported."
                    .to_owned(),
            ));
        }
        let name = &mapping.mapping.function_name;
        let same = |other: &&StackMapping| other.queue == mapping.queue && other.mapping.function_name == *name;
        if let Some(other) = function.mappings.iter().find(same) {
            // Recorded, but for the UUID that a mapping has there.
            return Err(one(format!(
                "ResourceConflictException: An event source mapping with SQS arn (\" {} \") and function (\" {name} \") \
                 already exists. Please update or delete the existing mapping {} of line {}",
                mapping.queue, other.logical_id, other.line
            )));
        }
        function.mappings.push(mapping);
        Ok(())
    }

    fn mapping_resource(&mut self, id: &str, resource: &'a Node) -> Result<(), Vec<Problem>> {
        let missing = |what: &str| vec![refused(resource, format!("it has no {what}"))];
        let mut problems = Vec::new();
        let raw = resource.get("Properties").ok_or_else(|| missing("Properties"))?;
        let properties = mapping::evaluated(&self.scope, raw, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let source = properties.get("EventSourceArn");
        let service = source.and_then(Node::as_text).and_then(|arn| arn.split(':').nth(2));
        let passed_over = match (source.map(|source| &source.value), service) {
            (Some(Value::Unknown { what, .. }), _) => Some(format!("its source is {what}")),
            (_, Some(service)) if service != "sqs" => {
                Some(format!("its source is of {service}, which is not emulated"))
            }
            (None, _) => Some("its source is not a queue".to_owned()),
            _ => None,
        };
        if let Some(why) = passed_over {
            self.warn(id, resource.line, format!("passed over: {why}"));
            return Ok(());
        }
        let wanted = properties.get("FunctionName").ok_or_else(|| missing("FunctionName"))?;
        let Some(name) = wanted.as_text() else {
            self.warn(id, resource.line, format!("passed over: its function is {}", wanted.kind()));
            return Ok(());
        };
        // A name, the end of an ARN, or a whole one; each can have an alias or a version.
        let qualified = name.rsplit("function:").next().unwrap_or(name);
        let plain = qualified.split(':').next().unwrap_or(qualified);
        let Some(at) = self.stack.functions.iter().position(|function| function.name == plain) else {
            let text = format!("passed over: FunctionName {name} is no function of the template");
            self.warn(id, resource.line, text);
            return Ok(());
        };
        let mut function = self.stack.functions.remove(at);
        let (function_name, function_timeout) = (qualified.to_owned(), function.timeout);
        let place = Place { logical_id: id, function_name, function_timeout, form: Form::Resource };
        let declared = self.scope.resource(&function.logical_id).unwrap_or(resource);
        let attached = self.attach(&mut function, declared, &place, &properties);
        self.stack.functions.insert(at, function);
        attached
    }
}

/// What Lambda takes for the name of a function (API reference, `CreateFunction`).
fn check_function_name(name: &str) -> Result<(), String> {
    let is_right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=FUNCTION_NAME_MAX).contains(&name.len()) && name.chars().all(is_right) {
        return Ok(());
    }
    Err(format!("FunctionName takes 1 to {FUNCTION_NAME_MAX} letters, digits, - and _, not {name:?}"))
}

/// A value, for refusals.
fn shown(node: &Node) -> String {
    node.as_text().map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"))
}
