//! Queues declared in TOML.
//!
//! ```toml
//! [queues.jobs]
//! attributes = { VisibilityTimeout = 90, ReceiveMessageWaitTimeSeconds = 20 }
//! redrive = { dead_letter_queue = "jobs-dlq", max_receive_count = 3 }
//! tags = { team = "photos" }
//!
//! [queues.jobs-dlq]
//! attributes = { MessageRetentionPeriod = 1_209_600 }
//!
//! [queues."orders.fifo"]
//! attributes = { ContentBasedDeduplication = true }
//! ```
//!
//! Attributes are those of SQS, by their names there. A name that ends in `.fifo` makes a FIFO queue.
//!
//! Queues that are created when a request names them have attributes by pattern; in the name of their dead-letter queue a `*`
//! stands for their own:
//!
//! ```toml
//! [auto_create."jobs-*"]
//! attributes = { VisibilityTimeout = 90 }
//! redrive = { dead_letter_queue = "*-dlq", max_receive_count = 3 }
//! ```
//!
//! ```
//! use local_queue::{LocalQueue, config, engine::Limits};
//!
//! let queues = LocalQueue::builder().build();
//! let declared = config::parse("[queues.jobs]\nattributes = { DelaySeconds = 5 }", &Limits::STRICT)?;
//! queues.declare(&declared.queues)?;
//! assert_eq!(queues.list_queues()[0].name(), "jobs");
//!
//! let error = config::parse("[queues.jobs]\nattributes = { DelaySeconds = 1000 }", &Limits::STRICT).unwrap_err();
//! assert_eq!(error.to_string(), "line 2: DelaySeconds takes a number of seconds from 0 to 900, not 1000");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auto_create;
mod elasticmq;
mod hocon;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use self::{auto_create::parse_auto_create, elasticmq::parse_elasticmq};
use crate::{
    declaration::{self, AutoCreate, DeclarationError, QueueDeclaration, Redrive},
    engine::{Attribute, AttributeName, Engine, EngineError, Limits, QueueName, Scope, Time},
    protocol,
};

/// What can be set, in the order of their names. The redrive policy has its own words.
const SETTABLE: [AttributeName; 13] = [
    AttributeName::ContentBasedDeduplication,
    AttributeName::DeduplicationScope,
    AttributeName::DelaySeconds,
    AttributeName::FifoThroughputLimit,
    AttributeName::KmsDataKeyReusePeriodSeconds,
    AttributeName::KmsMasterKeyId,
    AttributeName::MaximumMessageSize,
    AttributeName::MessageRetentionPeriod,
    AttributeName::Policy,
    AttributeName::ReceiveMessageWaitTimeSeconds,
    AttributeName::RedriveAllowPolicy,
    AttributeName::SqsManagedSseEnabled,
    AttributeName::VisibilityTimeout,
];
const REDRIVE: &str = "redrive = { dead_letter_queue = \"NAME\", max_receive_count = 3 }";

/// What a configuration has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The queues that it declares, for [`LocalQueue::declare`](crate::LocalQueue::declare).
    pub queues: Vec<QueueDeclaration>,
    /// The queues that are created when they are named, for [`Builder::auto_create`](crate::Builder::auto_create).
    pub auto_create: Vec<AutoCreate>,
    /// Settings skipped in a file of another program, and the option that replaces each.
    pub passed_over: Vec<ConfigProblem>,
}

/// Everything that is wrong with a configuration, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<ConfigProblem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, and what would be accepted.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ConfigProblem { line, text }) in self.problems.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}line {line}: {text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads and checks a configuration. What comes out can be created, by an emulator with these limits.
pub fn parse(text: &str, limits: &Limits) -> Result<Configuration, ConfigError> {
    let mut reader = Reader { text, limits, problems: Vec::new(), dead_letter_name: None };
    let (queues, auto_create) = match DeTable::parse(text) {
        Ok(root) => reader.root(root.get_ref()),
        Err(error) => {
            reader.refuse(error.span().map_or(0, |span| span.start), error.message().to_owned());
            Default::default()
        }
    };
    reader.finish(queues).map(|queues| Configuration { queues, auto_create, ..Configuration::default() })
}

/// A queue, and where in the text its parts are.
struct Located {
    declaration: QueueDeclaration,
    at: usize,
    attributes_at: BTreeMap<AttributeName, usize>,
    redrive_at: usize,
}

struct Reader<'a> {
    text: &'a str,
    limits: &'a Limits,
    problems: Vec<ConfigProblem>,
    /// The dead-letter queue of the rule that is being read, as it is written there.
    dead_letter_name: Option<String>,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    /// The queues, if they can be created together and nothing is wrong.
    fn finish(mut self, queues: Vec<Located>) -> Result<Vec<QueueDeclaration>, ConfigError> {
        if self.problems.is_empty() {
            self.check_together(&queues);
        }
        if self.problems.is_empty() {
            return Ok(queues.into_iter().map(|queue| queue.declaration).collect());
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(ConfigError { problems: self.problems })
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text[..at].bytes().filter(|byte| *byte == b'\n').count()
    }

    fn refuse(&mut self, at: usize, text: String) {
        let line = self.line(at);
        self.problems.push(ConfigProblem { line, text });
    }

    /// The table of a value; something else is refused.
    fn table<'v, 'i>(&mut self, what: &str, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.refuse(value.span().start, format!("{what} expects a table, not {}", shown(value)));
        }
        table
    }

    fn root(&mut self, root: &DeTable<'_>) -> (Vec<Located>, Vec<AutoCreate>) {
        let (mut queues, mut auto_create) = (Vec::new(), Vec::new());
        for (key, value) in root {
            match key.get_ref().as_ref() {
                "queues" => {}
                "auto_create" => {
                    auto_create = self.auto_create(value);
                    continue;
                }
                other => {
                    let text = format!("unknown key {other:?}: there are [queues.NAME] and [auto_create.\"PATTERN\"]");
                    self.refuse(key.span().start, text);
                    continue;
                }
            }
            for (name, value) in self.table("queues", value).into_iter().flatten() {
                queues.extend(self.queue(name, value));
            }
        }
        for queue in &queues {
            let Some(redrive) = &queue.declaration.redrive else { continue };
            let target = &redrive.dead_letter_queue;
            if !queues.iter().any(|other| other.declaration.name == *target) {
                self.refuse(queue.redrive_at, format!("queue {target} is not declared here: add [queues.{target}]"));
            }
        }
        (queues, auto_create)
    }

    fn queue(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, value: &Value<'_>) -> Option<Located> {
        let at = name.span().start;
        let declaration = match QueueDeclaration::named(name.get_ref(), self.limits) {
            Ok(declaration) => declaration,
            Err(error) => {
                self.refuse(at, error.to_string());
                return None;
            }
        };
        let mut queue = Located { declaration, at, attributes_at: BTreeMap::new(), redrive_at: at };
        for (key, value) in self.table(&format!("queue {}", name.get_ref()), value)? {
            match key.get_ref().as_ref() {
                "attributes" => self.attributes(&mut queue, value),
                "redrive" => self.redrive(&mut queue, value),
                "tags" => self.tags(&mut queue, value),
                other => {
                    let text = format!("unknown key {other:?}: a queue has attributes, redrive and tags");
                    self.refuse(key.span().start, text);
                }
            }
        }
        self.check_alone(&queue);
        Some(queue)
    }

    fn attributes(&mut self, queue: &mut Located, value: &Value<'_>) {
        for (key, value) in self.table("attributes", value).into_iter().flatten() {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let parsed = AttributeName::parse(name);
            if parsed == Some(AttributeName::RedrivePolicy) {
                self.refuse(at, format!("RedrivePolicy is written by the name of the dead-letter queue: {REDRIVE}"));
                continue;
            }
            let settable = parsed.filter(|it| SETTABLE.contains(it) || *it == AttributeName::FifoQueue);
            let Some(attribute) = settable else {
                let known = SETTABLE.map(AttributeName::as_str).join(", ");
                self.refuse(at, format!("unknown attribute {name}: those that can be set are {known}"));
                continue;
            };
            match scalar(value).and_then(|text| protocol::attributes::parse(name, &text).ok()) {
                Some(parsed) => {
                    queue.attributes_at.insert(attribute, at);
                    queue.declaration.attributes.push(parsed);
                }
                None => self.refuse(at, takes(attribute, self.limits, &shown(value))),
            }
        }
    }

    fn redrive(&mut self, queue: &mut Located, value: &Value<'_>) {
        queue.redrive_at = value.span().start;
        let Some(table) = self.table("redrive", value) else { return };
        let (mut target, mut count) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "dead_letter_queue" => target = Some(value),
                "max_receive_count" => count = Some(value),
                other => self.refuse(key.span().start, format!("unknown key {other:?}: write {REDRIVE}")),
            }
        }
        let (Some(target), Some(count)) = (target, count) else {
            return self.refuse(queue.redrive_at, format!("redrive needs both of its keys: {REDRIVE}"));
        };
        let name = target.get_ref().as_str().map(|name| self.dead_letter_name(name));
        let name = name.and_then(|name| QueueName::parse(&name, self.limits).ok());
        if name.is_none() {
            self.refuse(target.span().start, format!("dead_letter_queue takes a queue's name, not {}", shown(target)));
        }
        let range = self.limits.receive_count.clone();
        let number = integer(count).and_then(|digits| digits.parse::<u64>().ok()).filter(|it| range.contains(it));
        let number = number.and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            let (min, max) = (range.start(), range.end());
            let text = format!("max_receive_count takes a number from {min} to {max}, not {}", shown(count));
            self.refuse(count.span().start, text);
        }
        queue.declaration.redrive = name
            .zip(number)
            .map(|(dead_letter_queue, max_receive_count)| Redrive { dead_letter_queue, max_receive_count });
    }

    fn tags(&mut self, queue: &mut Located, value: &Value<'_>) {
        for (key, value) in self.table("tags", value).into_iter().flatten() {
            match value.get_ref().as_str() {
                Some(text) => match protocol::attributes::check_tag(key.get_ref(), text) {
                    Ok(()) => {
                        queue.declaration.tags.insert(key.get_ref().to_string(), text.to_owned());
                    }
                    Err(problem) => self.refuse(key.span().start, problem.to_owned()),
                },
                None => self.refuse(key.span().start, format!("a tag expects a quoted string, not {}", shown(value))),
            }
        }
    }

    /// What the engine says to a queue without its redrive policy, which needs the others. An attribute that it refuses is
    /// left out then, to hear about the next.
    fn check_alone(&mut self, queue: &Located) {
        let mut alone = QueueDeclaration { redrive: None, ..queue.declaration.clone() };
        while let Some(error) = self.trial(&alone) {
            let attribute = culprit(&error);
            let at = attribute.and_then(|attribute| queue.attributes_at.get(&attribute)).unwrap_or(&queue.at);
            let given = alone.attributes.iter().position(|given| Some(given.name()) == attribute);
            let given = given.map(|index| alone.attributes.remove(index));
            let text = match (&error, &given) {
                (EngineError::AttributeValueInvalid { .. }, Some(given)) => {
                    takes(given.name(), self.limits, &given_number(given))
                }
                (EngineError::AttributeUnknown { .. }, Some(given)) if !alone.name.is_fifo() => {
                    format!("{} is for FIFO queues, whose names end in .fifo", given.name())
                }
                _ => error.to_string(),
            };
            self.refuse(*at, text);
            if given.is_none() {
                break;
            }
        }
    }

    fn check_together(&mut self, queues: &[Located]) {
        let declarations = queues.iter().map(|queue| queue.declaration.clone()).collect::<Vec<_>>();
        let mut trial = Engine::new(self.limits.clone(), 0);
        let created = declaration::try_out(&mut trial, Time::EPOCH, &Scope::default(), &declarations);
        let Err(DeclarationError::Refused { queue: name, error }) = created else { return };
        let queue = queues.iter().find(|queue| queue.declaration.name == name);
        let text = match &error {
            EngineError::DeadLetterTargetOfOtherType { .. } => {
                "the dead-letter queue of a FIFO queue is a FIFO queue, and that of a standard queue a standard queue"
                    .to_owned()
            }
            EngineError::DeadLetterTargetDenies { .. } => {
                "the RedriveAllowPolicy of the dead-letter queue does not allow this queue".to_owned()
            }
            other => other.to_string(),
        };
        self.refuse(queue.map_or(0, |queue| queue.redrive_at), text);
    }

    fn trial(&self, queue: &QueueDeclaration) -> Option<EngineError> {
        let mut trial = Engine::new(self.limits.clone(), 0);
        match declaration::try_out(&mut trial, Time::EPOCH, &Scope::default(), std::slice::from_ref(queue)) {
            Err(DeclarationError::Refused { error, .. }) => Some(error),
            _ => None,
        }
    }
}

/// The attribute that an error is about.
fn culprit(error: &EngineError) -> Option<AttributeName> {
    match error {
        EngineError::AttributeUnknown { attribute } | EngineError::AttributeValueInvalid { attribute } => {
            Some(*attribute)
        }
        EngineError::QueueTypeCannotChange | EngineError::QueueTypeMismatch { .. } => Some(AttributeName::FifoQueue),
        EngineError::ThroughputLimitNeedsGroupScope => Some(AttributeName::FifoThroughputLimit),
        EngineError::TwoKindsOfEncryption => Some(AttributeName::KmsMasterKeyId),
        _ => None,
    }
}

/// What an attribute accepts, and that this is not it.
fn takes(attribute: AttributeName, limits: &Limits, given: &str) -> String {
    let range = |what: &str, range: &std::ops::RangeInclusive<u64>| {
        format!("a number of {what} from {} to {}", range.start(), range.end())
    };
    let accepted = match attribute {
        AttributeName::DelaySeconds => range("seconds", &limits.delay_seconds),
        AttributeName::KmsDataKeyReusePeriodSeconds => range("seconds", &limits.kms_reuse_seconds),
        AttributeName::MaximumMessageSize => range("bytes", &limits.message_bytes),
        AttributeName::MessageRetentionPeriod => range("seconds", &limits.retention_period_seconds),
        AttributeName::ReceiveMessageWaitTimeSeconds => range("seconds", &limits.wait_time_seconds),
        AttributeName::VisibilityTimeout => range("seconds", &limits.visibility_timeout_seconds),
        AttributeName::DeduplicationScope => "\"queue\" or \"messageGroup\"".to_owned(),
        AttributeName::FifoThroughputLimit => "\"perQueue\" or \"perMessageGroupId\"".to_owned(),
        AttributeName::KmsMasterKeyId => "a quoted string".to_owned(),
        AttributeName::Policy => "an access policy as a JSON string".to_owned(),
        AttributeName::RedriveAllowPolicy => {
            "JSON text such as '{\"redrivePermission\":\"denyAll\"}' or one with sourceQueueArns".to_owned()
        }
        _ => "true or false".to_owned(),
    };
    format!("{attribute} takes {accepted}, not {given}")
}

/// The number of an attribute that is out of its range.
fn given_number(attribute: &Attribute) -> String {
    match attribute {
        Attribute::MaximumMessageSize(bytes) => bytes.to_string(),
        Attribute::Delay(it)
        | Attribute::KmsDataKeyReusePeriod(it)
        | Attribute::RetentionPeriod(it)
        | Attribute::VisibilityTimeout(it)
        | Attribute::WaitTime(it) => it.as_secs().to_string(),
        _ => String::new(),
    }
}

fn integer(value: &Value<'_>) -> Option<String> {
    let integer = value.get_ref().as_integer()?;
    (integer.radix() == 10).then(|| integer.as_str().trim_start_matches('+').to_owned())
}

/// A value as it would be on the wire, where every attribute is text.
fn scalar(value: &Value<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => integer(value),
    }
}

/// A value as an error shows it.
fn shown(value: &Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
