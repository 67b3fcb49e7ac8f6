//! Functions, with their variables and the events that queues are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use super::{
    Code, Diagnostic, Logging, Options, StackFunction, api_parts, buckets,
    code::asset_path,
    document::{Yaml, YamlData, kind, refused},
    evaluate::Text,
    mapping::{self, Form, Place, keep, number},
    parts::BucketEvents,
    resources::made_up_name,
    rules,
    runtimes::{is_retired, is_runtime},
    stack::{Reader, attach},
};
use crate::{apis::ApiKind, declaration::QueueDeclaration};

/// Lambda's defaults (SAM specification, `AWS::Serverless::Function`).
const TIMEOUT_SECONDS: u64 = 3;
const MEMORY_MEGABYTES: u32 = 128;
/// What Lambda takes (API reference, `CreateFunction`).
const TIMEOUT_SECONDS_RANGE: RangeInclusive<u64> = 1..=900;
const MEMORY_MEGABYTES_RANGE: RangeInclusive<u32> = 128..=10_240;
/// All variables of a function together (quotas of Lambda).
const VARIABLES_BYTES_MAX: usize = 4096;
/// The longest names (API references).
const FUNCTION_NAME_MAX: usize = 64;
const QUEUE_NAME_MAX: usize = 80;

impl<'a> Reader<'a> {
    pub(super) fn function(&mut self, id: &str, resource: &'a Yaml) -> Result<(), Diagnostic> {
        let mut diagnostics = Vec::new();
        let serverless = kind(resource) == "AWS::Serverless::Function";
        let global = self.scope.root.get("Globals").and_then(|globals| globals.get("Function")).filter(|_| serverless);
        let property = |name: &str| -> Result<Option<Yaml>, Diagnostic> {
            match self.property(resource, name)? {
                Some(own) => Ok(Some(own)),
                None => global.and_then(|global| global.get(name)).map_or(Ok(None), |node| self.scope.evaluate(node)),
            }
        };
        let text = |name: &str| -> Result<Option<String>, Diagnostic> {
            Ok(property(name)?.and_then(|node| node.as_text().map(ToOwned::to_owned)))
        };
        let timeout = within(property("Timeout"), "Timeout", "seconds", TIMEOUT_SECONDS_RANGE);
        let timeout = keep(&mut diagnostics, timeout);
        let memory = within(property("MemorySize"), "MemorySize", "MB", MEMORY_MEGABYTES_RANGE);
        let memory = keep(&mut diagnostics, memory);
        let reserved = property("ReservedConcurrentExecutions");
        let reserved = reserved.and_then(|node| number(node, "ReservedConcurrentExecutions"));
        let architecture =
            property("Architectures")?.and_then(|list| list.as_list()?.first()?.as_text().map(String::from));
        let logging = property("LoggingConfig")?;
        let logging = |name| logging.as_ref().and_then(|it| it.get(name)?.as_text().map(ToOwned::to_owned));
        let (code, runtime, handler) = (self.scope.code(resource, global)?, text("Runtime")?, text("Handler")?);
        diagnostics.extend(self.missing_properties(resource, &code, runtime.is_some(), handler.is_some()));
        if let Some(runtime) = runtime.as_deref().filter(|_| code != Code::Image) {
            diagnostics.extend(self.check_runtime(id, resource, runtime));
        }
        let build = resource.get("Metadata").and_then(|metadata| metadata.get("BuildProperties"));
        let mut function = StackFunction {
            logical_id: id.to_owned(),
            file: None,
            line: resource.line,
            name: self.scope.physical_name(id, resource)?,
            runtime,
            handler: handler.unwrap_or_else(|| "bootstrap".to_owned()),
            code,
            asset_path: asset_path(resource).map(|path| self.scope.input.path_of(&path)),
            layers: self.scope.layers(resource, global)?,
            binary: build.and_then(|build| build.get("Binary")?.as_text().map(ToOwned::to_owned)),
            architecture: architecture.unwrap_or_else(|| "x86_64".to_owned()),
            timeout: Duration::from_secs(timeout.unwrap_or(TIMEOUT_SECONDS)),
            memory_megabytes: memory.unwrap_or(MEMORY_MEGABYTES),
            reserved_concurrency: keep(&mut diagnostics, reserved),
            environment: BTreeMap::new(),
            logging: Logging {
                format: logging("LogFormat"),
                application_level: logging("ApplicationLogLevel"),
                group: logging("LogGroup"),
            },
            mappings: Vec::new(),
        };
        check_function_name(&function.name).map_err(|text| refused(resource, text))?;
        function.environment = self.environment(&function, resource, global, &mut diagnostics);
        if resource.get("Properties").is_some_and(|own| own.get("TenancyConfig").is_some()) {
            self.parts.tenanted.insert(id.to_owned());
        }
        if serverless {
            self.events(&mut function, resource, &mut diagnostics);
        }
        for diagnostic in diagnostics {
            self.refuse(id, diagnostic);
        }
        self.parts.stack.functions.push(function);
        Ok(())
    }

    /// What a function cannot do without (template reference, and what Lambda says when it is created).
    fn missing_properties(
        &self,
        resource: &Yaml,
        code: &Code,
        has_runtime: bool,
        has_handler: bool,
    ) -> Vec<Diagnostic> {
        let mut missing = Vec::new();
        if kind(resource) == "AWS::Lambda::Function" {
            let is_there = |name: &str| !self.property(resource, name).is_ok_and(|own| own.is_none());
            let names = ["Code", "Role"].into_iter().filter(|name| !is_there(name));
            missing.extend(names.map(|name| refused(resource, format!("required key [{name}] not found"))));
        }
        // Images say in themselves what runs them.
        if *code != Code::Image && !(has_runtime && has_handler) {
            let names = [("Runtime", has_runtime), ("Handler", has_handler)];
            let names: Vec<_> = names.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect();
            let text = "Runtime and Handler are mandatory parameters for functions created with deployment packages";
            missing.push(refused(resource, format!("{text}; it has no {}", names.join(" and no "))));
        }
        missing
    }

    /// Refuses what is no runtime, and warns of one of the past.
    fn check_runtime(&mut self, id: &str, resource: &Yaml, runtime: &str) -> Option<Diagnostic> {
        if is_retired(runtime) {
            self.warn(id, resource.line, format!("AWS creates no functions of {runtime} any more"));
        }
        if is_runtime(runtime) {
            return None;
        }
        let own = resource.get("Properties").and_then(|own| own.get("Runtime")).unwrap_or(resource);
        let text = format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set, such as python3.13, \
             nodejs22.x or provided.al2023"
        );
        Some(refused(own, text))
    }

    /// The variables, with placeholders for what is not known here.
    fn environment(
        &mut self,
        function: &StackFunction,
        resource: &Yaml,
        global: Option<&Yaml>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut line = resource.line;
        let given = self.given_variables(function);
        for of in [global, resource.get("Properties")].into_iter().flatten() {
            let Some(of) = of.get("Environment") else { continue };
            // Each variable on its own, unless one function makes all of them.
            let variables = if let Some(variables) = of.get("Variables") {
                mapping::evaluated(&self.scope, &without(variables, &given), diagnostics)
            } else {
                let all = mapping::evaluated(&self.scope, of, diagnostics);
                all.get("Variables").cloned().unwrap_or_else(|| Yaml::text(of.line, ""))
            };
            for (name, value) in variables.entries().iter().filter(|(name, _)| !given.contains(name)) {
                if !is_variable_name(name) {
                    // AWS: "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: ...]".
                    let text = format!("variable {name:?} needs a name that matches [a-zA-Z]([a-zA-Z0-9_])+");
                    diagnostics.push(refused(value, text));
                }
                let Some(Text { text, unknown: what }) = Text::of(value) else {
                    diagnostics.push(refused(value, format!("variable {name} expects a string, not {}", value.kind())));
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
            let id = function.logical_id.clone();
            self.warn(&id, line, format!("variables with a placeholder, for what they need: {}", unknown.join("; ")));
        }
        let bytes = environment.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes > VARIABLES_BYTES_MAX {
            let text = "Lambda was unable to configure your environment variables because the environment variables you have \
                        provided exceeded the 4KB limit.";
            diagnostics.push(refused(resource, text.to_owned()));
        }
        environment
    }

    /// Variables that the function gets from elsewhere.
    fn given_variables(&self, function: &StackFunction) -> BTreeSet<String> {
        let Options { given_variables, given_variables_of, .. } = self.scope.options;
        let full_id = format!("{}{}", self.scope.input.prefix, function.logical_id);
        let own =
            [&full_id, &function.logical_id, &function.name].into_iter().filter_map(|id| given_variables_of.get(id));
        given_variables.iter().chain(own.flatten()).cloned().collect()
    }

    fn function_arn(&self, name: &str, alias: Option<&str>) -> String {
        let Options { region, account, .. } = self.scope.options;
        let qualifier = alias.map(|alias| format!(":{alias}")).unwrap_or_default();
        format!("arn:aws:lambda:{region}:{account}:function:{name}{qualifier}")
    }

    /// Keeps an event that is no queue's, for what it is of; the function has this ARN.
    fn event_of_others(
        &mut self,
        id: &str,
        (name, kind, line): (&str, &str, usize),
        properties: &Yaml,
        arn: String,
    ) -> Result<(), Diagnostic> {
        match kind {
            "S3" => {
                let (bucket, notifications) = buckets::event(properties, &arn)?;
                let (logical_id, event_bridge) = (id.to_owned(), false);
                self.parts.bucket_events.push(BucketEvents { bucket, logical_id, line, notifications, event_bridge });
            }
            "Api" | "HttpApi" => {
                let kind = if kind == "Api" { ApiKind::Rest } else { ApiKind::Http };
                let (owner, properties) = (id.to_owned(), properties.clone());
                self.found.events.push(api_parts::Event { kind, owner, function_arn: arn, properties });
            }
            _ => match rules::event(properties, &format!("{id}{name}"), &arn) {
                Ok(rule) => self.parts.stack.rules.push(rule),
                Err(why) => self.warn(id, line, format!("event {name} ({kind}) is skipped: {why}")),
            },
        }
        Ok(())
    }

    fn events(&mut self, function: &mut StackFunction, resource: &Yaml, diagnostics: &mut Vec<Diagnostic>) {
        let events = resource.get("Properties").and_then(|properties| properties.get("Events"));
        // SAM lets the mappings aim at the alias that it publishes.
        let alias = keep(diagnostics, self.scope.auto_publish_alias(resource));
        let mut others = Vec::new();
        for (name, event) in events.map_or(&[][..], Yaml::entries) {
            let raw = event.get("Properties");
            let properties = match event.get("Type").and_then(Yaml::as_text) {
                Some("SQS") => raw.map(|raw| mapping::evaluated(&self.scope, raw, diagnostics)),
                Some("SNS") if raw.is_some_and(|raw| raw.get("SqsSubscription").is_some()) => {
                    let subscription = raw.map(|raw| self.subscription(&function.logical_id, name, raw));
                    match keep(diagnostics, subscription.transpose()).flatten() {
                        Some(properties) => Some(properties),
                        None => continue,
                    }
                }
                Some(kind @ ("S3" | "EventBridgeRule" | "CloudWatchEvent" | "Api" | "HttpApi")) => {
                    let evaluated = mapping::evaluated(&self.scope, raw.unwrap_or(event), diagnostics);
                    let properties = if raw.is_some() { evaluated } else { empty(event) };
                    let arn = self.function_arn(&function.name, alias.as_deref());
                    let wrong = self.event_of_others(&function.logical_id, (name, kind, event.line), &properties, arn);
                    diagnostics.extend(wrong.err());
                    continue;
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
            let is_tenanted = self.parts.tenanted.contains(&function.logical_id);
            match attach(&mut function.mappings, is_tenanted, &place, &properties, self.scope.input) {
                Ok(None) => {}
                Ok(Some(why)) => {
                    let text = format!("mapping {name} is skipped: {why}");
                    self.warn(&function.logical_id, properties.line, text);
                }
                Err(more) => diagnostics.extend(more),
            }
        }
        if !others.is_empty() {
            let id = function.logical_id.clone();
            let text = format!("events skipped (only queues, buckets and APIs are emulated): {}", others.join(", "));
            self.warn(&id, events.unwrap_or(resource).line, text);
        }
    }

    /// The properties of the mapping that SAM makes for a topic whose messages go through a queue (`SqsSubscription`), and
    /// the queue if it makes that too; none without a queue.
    fn subscription(&mut self, id: &str, event: &str, raw: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        let Some(subscription) = raw.get("SqsSubscription") else { return Ok(None) };
        let Some(value) = self.scope.evaluate(subscription)? else { return Ok(None) };
        let line = subscription.line;
        let mut entries = Vec::new();
        if let Some(wanted) = value.as_flag() {
            if !wanted {
                self.warn(id, line, format!("event skipped (topics are not emulated): {event} (SNS)"));
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
            entries.push(("Queue".to_owned(), Yaml::text(line, format!("arn:aws:sqs:{region}:{account}:{name}"))));
            self.parts.lines.insert(name, (queue_id, line, line));
            self.parts.stack.queues.push(queue);
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
        Ok(Some(Yaml { line, data: YamlData::Map(entries) }))
    }
}

/// No properties.
const fn empty(event: &Yaml) -> Yaml {
    Yaml { line: event.line, data: YamlData::Map(Vec::new()) }
}

/// What Lambda takes for the name of a function (API reference, `CreateFunction`).
fn check_function_name(name: &str) -> Result<(), String> {
    let is_right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=FUNCTION_NAME_MAX).contains(&name.len()) && name.chars().all(is_right) {
        return Ok(());
    }
    Err(format!("FunctionName takes 1 to {FUNCTION_NAME_MAX} letters, digits, - and _, not {name:?}"))
}

/// A number in a range; none of nothing.
fn within<T: FromStr + PartialOrd + Display>(
    node: Result<Option<Yaml>, Diagnostic>,
    name: &str,
    unit: &str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, Diagnostic> {
    let node = node?;
    let found = number(node.clone(), name)?;
    match (&found, &node) {
        (Some(number), Some(node)) if !range.contains(number) => {
            let (start, end) = (range.start(), range.end());
            Err(refused(node, format!("{name} takes {start} to {end} {unit}, not {number}")))
        }
        _ => Ok(found),
    }
}

/// A mapping without some of its keys, which are then not evaluated.
fn without(node: &Yaml, keys: &BTreeSet<String>) -> Yaml {
    let YamlData::Map(entries) = &node.data else { return node.clone() };
    let left = entries.iter().filter(|(name, _)| !keys.contains(name)).cloned();
    Yaml { line: node.line, data: YamlData::Map(left.collect()) }
}

fn is_variable_name(name: &str) -> bool {
    let is_right = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() >= 2 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_right)
}
