//! Resources, read into what can be run.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use super::{
    Logging, Options, Problem, Stack, StackFunction, StackMapping,
    document::{Node, Value},
    evaluate::{TemplateContext, kind, refused},
};
use crate::{
    declaration::{self, DeclarationError, QueueDeclaration, Redrive},
    engine::{self, AttributeName, Engine, Limits, QueueArn, QueueName, Time},
    event_source_mapping::{EventSourceMapping, FilterCriteria, ProvisionedPollers},
    protocol::{
        self,
        attributes::{check_tag, parse_flag},
    },
};

/// Lambda's defaults (SAM specification, `AWS::Serverless::Function`).
const TIMEOUT_SECONDS: u64 = 3;
const MEMORY_MEGABYTES: u32 = 128;

/// Reads all resources that matter here, and collects what is wrong with each.
pub(super) fn read(root: &Node, options: &Options, limits: &Limits) -> Result<Stack, Vec<Problem>> {
    let resources = root.get("Resources").filter(|resources| !resources.entries().is_empty());
    let Some(resources) = resources else {
        return Err(vec![refused(root, "it has no Resources".to_owned())]);
    };
    let scope = TemplateContext::new(root, options)?;
    let mut reader = Reader { scope, limits, stack: Stack::default(), problems: Vec::new(), lines: BTreeMap::new() };
    let mut mappings = Vec::new();
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
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => reader.function(id, resource),
            // Its function may come later.
            "AWS::Lambda::EventSourceMapping" => {
                mappings.push((id, resource));
                Ok(())
            }
            "" => Err(refused(resource, "it has no Type".to_owned())),
            _ => Ok(()),
        };
        if let Err(problem) = done {
            reader.refuse(id, problem);
        }
    }
    for (id, resource) in mappings {
        if let Err(problem) = reader.mapping_resource(id, resource) {
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

    fn finish(mut self) -> Result<Stack, Vec<Problem>> {
        let names: Vec<_> = self.stack.queues.iter().map(|queue| queue.name.clone()).collect();
        for queue in &self.stack.queues {
            let Some(redrive) = &queue.redrive else { continue };
            if !names.contains(&redrive.dead_letter_queue) {
                let (id, _, line) = self.lines[queue.name.as_str()].clone();
                let text = format!(
                    "RedrivePolicy names queue {}, which the template does not declare; it declares {}",
                    redrive.dead_letter_queue,
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
                declaration::create(&mut trial, Time::EPOCH, &scope, &self.stack.queues)
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
            let Some(value) = self.scope.evaluate(node)? else { continue };
            let at = |text: String| Problem { line: node.line, logical_id: None, text };
            match property.as_str() {
                "QueueName" => {}
                "FifoQueue" => {
                    if (value.as_text().and_then(parse_flag) == Some(true)) != queue.name.is_fifo() {
                        return Err(at(format!(
                            "FifoQueue and the queue's name {name} do not agree: only the names of FIFO queues end in .fifo"
                        )));
                    }
                }
                "RedrivePolicy" => {
                    redrive_line = node.line;
                    queue.redrive = Some(self.redrive(&value)?);
                }
                "Tags" => {
                    for tag in value.as_list().unwrap_or_default() {
                        let part = |key| tag.get(key).and_then(Node::as_text).map(ToOwned::to_owned);
                        let pair = part("Key").zip(part("Value"));
                        let (key, text) = pair.ok_or_else(|| at("a tag has a Key and a Value".to_owned()))?;
                        check_tag(&key, &text).map_err(|problem| at(problem.to_owned()))?;
                        queue.tags.insert(key, text);
                    }
                }
                other => {
                    let known = AttributeName::parse(other);
                    let known = known.ok_or_else(|| at(format!("an AWS::SQS::Queue has no property {other}")))?;
                    let text = match &value.value {
                        Value::Scalar { text, .. } => text.clone(),
                        _ => value.to_json().to_string(),
                    };
                    let parsed = protocol::attributes::parse(known.as_str(), &text);
                    queue.attributes.push(parsed.map_err(|_| at(format!("{other} does not take {text:?}")))?);
                }
            }
        }
        if let Some((other, ..)) = self.lines.get(&name) {
            return Err(refused(resource, format!("queue {name} is declared by {other} too")));
        }
        self.lines.insert(name, (id.to_owned(), resource.line, redrive_line));
        self.stack.queues.push(queue);
        Ok(())
    }

    fn redrive(&self, policy: &Node) -> Result<Redrive, Problem> {
        let needs = |what: &str| refused(policy, format!("RedrivePolicy needs {what}"));
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
        let timeout = number(property("Timeout")?, "Timeout")?.unwrap_or(TIMEOUT_SECONDS);
        let architecture =
            property("Architectures")?.and_then(|list| list.as_list()?.first()?.as_text().map(String::from));
        let logging = property("LoggingConfig")?;
        let logging = |name| logging.as_ref().and_then(|it| it.get(name)?.as_text().map(ToOwned::to_owned));
        let mut environment = BTreeMap::new();
        let of_globals = global.and_then(|global| global.get("Environment")).map(|node| self.scope.evaluate(node));
        for variables in [of_globals.transpose()?.flatten(), self.property(resource, "Environment")?].iter().flatten() {
            for (name, value) in variables.get("Variables").map_or(&[][..], Node::entries) {
                let text = value.as_text();
                let text =
                    text.ok_or_else(|| refused(value, format!("variable {name} takes a text, not {}", value.kind())))?;
                environment.insert(name.clone(), text.to_owned());
            }
        }
        let build = resource.get("Metadata").and_then(|metadata| metadata.get("BuildProperties"));
        let mut function = StackFunction {
            logical_id: id.to_owned(),
            line: resource.line,
            name: self.scope.physical_name(id, resource)?,
            runtime: text("Runtime")?,
            handler: text("Handler")?.unwrap_or_else(|| "bootstrap".to_owned()),
            code_uri: text("CodeUri")?,
            binary: build.and_then(|build| build.get("Binary")?.as_text().map(ToOwned::to_owned)),
            architecture: architecture.unwrap_or_else(|| "x86_64".to_owned()),
            timeout: Duration::from_secs(timeout),
            memory_megabytes: number(property("MemorySize")?, "MemorySize")?.unwrap_or(MEMORY_MEGABYTES),
            reserved_concurrency: number(property("ReservedConcurrentExecutions")?, "ReservedConcurrentExecutions")?,
            environment,
            logging: Logging {
                format: logging("LogFormat"),
                application_level: logging("ApplicationLogLevel"),
                group: logging("LogGroup"),
            },
            mappings: Vec::new(),
        };
        let events = resource.get("Properties").and_then(|properties| properties.get("Events"));
        for (name, event) in events.filter(|_| serverless).map_or(&[][..], Node::entries) {
            if event.get("Type").and_then(Node::as_text) != Some("SQS") {
                continue;
            }
            let properties = event.get("Properties").map_or(Ok(None), |node| self.scope.evaluate(node))?;
            let properties = properties.unwrap_or_else(|| event.clone());
            let mapping = mapping(&function, name, "Queue", &properties)?;
            function.mappings.push(mapping);
        }
        self.stack.functions.push(function);
        Ok(())
    }

    fn mapping_resource(&mut self, id: &str, resource: &Node) -> Result<(), Problem> {
        let missing = |what: &str| refused(resource, format!("it has no {what}"));
        let properties = resource.get("Properties").map_or(Ok(None), |node| self.scope.evaluate(node))?;
        let properties = properties.ok_or_else(|| missing("Properties"))?;
        let source = properties.get("EventSourceArn").and_then(Node::as_text).unwrap_or_default();
        // Streams and topics have mappings too.
        if source.split(':').nth(2).is_some_and(|service| service != "sqs") {
            return Ok(());
        }
        let wanted = properties.get("FunctionName").and_then(Node::as_text).ok_or_else(|| missing("FunctionName"))?;
        let wanted = wanted.rsplit("function:").next().unwrap_or(wanted);
        let functions = &mut self.stack.functions;
        let Some(function) = functions.iter_mut().find(|function| function.name == wanted) else {
            return Err(refused(resource, format!("FunctionName {wanted} is no function of the template")));
        };
        let mapping = mapping(function, id, "EventSourceArn", &properties)?;
        function.mappings.push(mapping);
        Ok(())
    }
}

/// The mapping that properties describe; those that only matter to AWS are passed over.
fn mapping(
    function: &StackFunction,
    logical_id: &str,
    queue_property: &str,
    properties: &Node,
) -> Result<StackMapping, Problem> {
    let text = |name: &str| properties.get(name).and_then(Node::as_text);
    let queue = text(queue_property).unwrap_or_default();
    let queue = QueueArn::parse(queue).ok_or_else(|| {
        refused(properties, format!("{queue_property} of event {logical_id} takes the ARN of a queue, not {queue:?}"))
    })?;
    let own = |name: &str| properties.get(name).cloned();
    let defaults = EventSourceMapping::new(function.name.clone());
    let scaling = properties.get("ScalingConfig").and_then(|scaling| scaling.get("MaximumConcurrency")).cloned();
    let window = number::<u64>(own("MaximumBatchingWindowInSeconds"), "MaximumBatchingWindowInSeconds")?;
    let filters = properties.get("FilterCriteria").map(|node| (node, FilterCriteria::from_json(&node.to_json())));
    let filters = filters.map(|(node, read)| read.map_err(|error| refused(node, error.to_string()))).transpose()?;
    let response_types = properties.get("FunctionResponseTypes").and_then(Node::as_list).unwrap_or_default();
    let mapping = EventSourceMapping {
        batch_size: number(own("BatchSize"), "BatchSize")?.unwrap_or(defaults.batch_size),
        maximum_batching_window: window.map_or(defaults.maximum_batching_window, Duration::from_secs),
        maximum_concurrency: number(scaling, "MaximumConcurrency")?,
        provisioned_pollers: properties.get("ProvisionedPollerConfig").map(provisioned_pollers).transpose()?,
        report_batch_item_failures: response_types.iter().any(|it| it.as_text() == Some("ReportBatchItemFailures")),
        function_timeout: function.timeout,
        filter_criteria: filters.unwrap_or_default(),
        ..defaults
    };
    mapping.validate(&queue).map_err(|error| refused(properties, error.to_string()))?;
    let enabled = text("Enabled").and_then(parse_flag) != Some(false);
    Ok(StackMapping { logical_id: logical_id.to_owned(), line: properties.line, queue, mapping, enabled })
}

fn provisioned_pollers(node: &Node) -> Result<ProvisionedPollers, Problem> {
    let own = |name| number(node.get(name).cloned(), name);
    Ok(ProvisionedPollers { minimum: own("MinimumPollers")?, maximum: own("MaximumPollers")? })
}

fn number<T: FromStr>(node: Option<Node>, name: &str) -> Result<Option<T>, Problem> {
    let Some(node) = node else { return Ok(None) };
    let number = node.as_text().and_then(|text| text.parse().ok());
    let found = || node.as_text().unwrap_or(node.kind()).to_owned();
    Ok(Some(number.ok_or_else(|| refused(&node, format!("{name} takes a whole number, not {:?}", found())))?))
}
