//! The SQS event of a Lambda invocation, read leniently: one bad record costs one record.
//!
//! Typed envelopes fail as a whole when one field of one record is not as expected, and every message of the batch comes
//! back. Here each record is kept as raw JSON until it stands alone, and a record that cannot be read is still a
//! [`Record`], with as much of its [`Message`] as could be saved and the [`Failure`] that says what is wrong.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// How the name, ARN and URL of a FIFO queue end.
pub const FIFO_SUFFIX: &str = ".fifo";

/// One message as SQS delivered it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Never empty; `None` when the record had none.
    pub id: Option<String>,
    /// The token of this receive.
    pub receipt_handle: Option<String>,
    /// The body as sent; the raw JSON of the record when it has no readable body.
    pub body: String,
    /// The system attributes, such as `ApproximateReceiveCount`.
    pub attributes: BTreeMap<String, String>,
    /// The sender's own attributes.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    /// The queue's ARN.
    pub queue_arn: Option<String>,
}

/// One of the sender's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, perhaps with a custom suffix.
    pub data_type: String,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// Of data type `String` or `Number`.
    Text(String),
    /// Of data type `Binary`.
    Binary(Vec<u8>),
}

impl Message {
    /// How often the message was received, this time included.
    #[must_use]
    pub fn receive_count(&self) -> u32 {
        self.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1).max(1)
    }

    /// Whether it comes from a FIFO queue. AWS: a FIFO queue's name ends with `.fifo` (documentation: "Amazon SQS FIFO
    /// queues"); a group id alone proves nothing, since standard queues have them too, for fairness.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.queue_arn.as_deref().is_some_and(|arn| arn.ends_with(FIFO_SUFFIX))
    }

    /// The message group, if it has one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.attributes.get("MessageGroupId").map(String::as_str)
    }
}

/// One record of the event: its message, and what is wrong with it, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The message, or as much of it as could be read.
    pub message: Message,
    /// Why the record cannot be processed.
    pub problem: Option<Failure>,
}

impl From<Message> for Record {
    fn from(message: Message) -> Self {
        Self { message, problem: None }
    }
}

/// The payload is not an SQS event, so there are no records to report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON.
    #[error("the event is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not an object with records.
    #[error("the event is not an SQS event: expected an object with a list \"Records\", found {found}")]
    NoRecords {
        /// What was there instead.
        found: String,
    },
    /// Records of another service, so the function has the wrong trigger.
    #[error("the event is not an SQS event: its records are of {found:?}; expected \"aws:sqs\"")]
    OtherSource {
        /// The records' event source.
        found: String,
    },
}

type RawObject<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the records of an SQS event.
pub fn parse(event: &str) -> Result<Vec<Record>, EventError> {
    let whole: &RawValue = serde_json::from_str(event).map_err(|error| EventError::NotJson(error.to_string()))?;
    let Ok(top) = serde_json::from_str::<RawObject<'_>>(whole.get()) else {
        return Err(EventError::NoRecords { found: kind_of(whole).to_owned() });
    };
    let Some(records) = top.get("Records") else {
        let keys: Vec<_> = top.keys().take(8).map(|key| key.chars().take(40).collect::<String>()).collect();
        return Err(EventError::NoRecords { found: format!("an object with the keys {keys:?}") });
    };
    let Ok(records) = serde_json::from_str::<Vec<&RawValue>>(records.get()) else {
        return Err(EventError::NoRecords { found: format!("\"Records\" that is {}", kind_of(records)) });
    };
    let sources: Vec<_> = records.iter().map(|record| event_source(record)).collect();
    if let Some(Some(found)) = sources.first()
        && sources.iter().all(|source| source.as_deref().is_some_and(|source| source != SQS))
    {
        return Err(EventError::OtherSource { found: found.clone() });
    }
    Ok(records.into_iter().map(record).collect())
}

const SQS: &str = "aws:sqs";

/// S3 and SQS call it `eventSource`, SNS calls it `EventSource`.
fn event_source(record: &RawValue) -> Option<String> {
    let fields = serde_json::from_str::<RawObject<'_>>(record.get()).ok()?;
    fields.get("eventSource").or_else(|| fields.get("EventSource")).and_then(|value| read(value))
}

fn record(raw: &RawValue) -> Record {
    let Ok(fields) = serde_json::from_str::<RawObject<'_>>(raw.get()) else {
        let message = Message { body: raw.get().to_owned(), ..Message::default() };
        let problem = bad_record(format!("the record is {}; expected an object", kind_of(raw)));
        return Record { message, problem: Some(problem) };
    };
    let text = |name: &str| fields.get(name).and_then(|value| read::<String>(value)).filter(|text| !text.is_empty());
    let body = text("body");
    let problem = match (&body, fields.get("body"), event_source(raw)) {
        (_, _, Some(source)) if source != SQS => {
            Some(bad_record(format!("the record is of {source:?}, not of {SQS:?}")))
        }
        (Some(_), _, _) => None,
        (None, None, _) => Some(bad_record("the record has no body".to_owned())),
        (None, Some(value), _) => {
            Some(bad_record(format!("the record's body is {}; expected a string that is not empty", kind_of(value))))
        }
    };
    let message = Message {
        id: text("messageId"),
        receipt_handle: text("receiptHandle"),
        body: body.unwrap_or_else(|| raw.get().to_owned()),
        attributes: fields.get("attributes").map(|value| attributes(value)).unwrap_or_default(),
        message_attributes: fields.get("messageAttributes").map(|value| message_attributes(value)).unwrap_or_default(),
        queue_arn: text("eventSourceARN"),
    };
    Record { message, problem }
}

fn bad_record(message: String) -> Failure {
    Failure::permanent(crate::failure::Blame::Job, "bad-record", message)
}

/// Those that are strings; anything else is not what SQS sends and is left out.
fn attributes(raw: &RawValue) -> BTreeMap<String, String> {
    let fields = read::<RawObject<'_>>(raw).unwrap_or_default();
    fields.into_iter().filter_map(|(name, value)| Some((name, read(value)?))).collect()
}

fn message_attributes(raw: &RawValue) -> BTreeMap<String, MessageAttribute> {
    let fields = read::<RawObject<'_>>(raw).unwrap_or_default();
    fields.into_iter().filter_map(|(name, value)| Some((name, message_attribute(value)?))).collect()
}

fn message_attribute(raw: &RawValue) -> Option<MessageAttribute> {
    let fields = read::<RawObject<'_>>(raw)?;
    let text = |name: &str| fields.get(name).and_then(|value| read::<String>(value));
    let value = match (text("stringValue"), text("binaryValue")) {
        (Some(value), _) => AttributeValue::Text(value),
        (None, Some(value)) => AttributeValue::Binary(BASE64_STANDARD.decode(value).ok()?),
        (None, None) => return None,
    };
    Some(MessageAttribute { data_type: text("dataType")?, value })
}

fn read<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// What a raw value is, for people; its first character decides.
fn kind_of(raw: &RawValue) -> &'static str {
    match raw.get().bytes().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests;
