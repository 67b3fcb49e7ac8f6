//! The function's answer and what it means for each message of its batch.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use local_queue_terminal::one_line;
use serde_json::{Map, Value};

use super::{invoker::FunctionError, source::SourceMessage};

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Every message is done and is deleted.
    Succeeded,
    /// The function reported these messages, by their place in the batch; the others are deleted.
    PartiallyFailed {
        /// The reported messages; possibly all.
        failed: BTreeSet<usize>,
    },
    /// Nothing is deleted: every message becomes visible again at the end of its visibility timeout.
    Failed(BatchFailure),
}

/// Why a whole batch failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchFailure {
    /// The function failed.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The reply is not JSON.
    #[error("reply is not JSON: {error}")]
    NotJson {
        /// What the JSON reader says.
        error: String,
    },
    /// The reply is JSON, but not an object.
    #[error("reply is {found}, not an object")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// `batchItemFailures` is not a list.
    #[error("batchItemFailures is {found}, not an array")]
    NotAnArray {
        /// What it is.
        found: &'static str,
    },
    /// An entry of `batchItemFailures` is not an object.
    #[error("batchItemFailures[{index}] is {found}, not an object")]
    ItemNotAnObject {
        /// Which entry.
        index: usize,
        /// What it is.
        found: &'static str,
    },
    /// An entry has no `itemIdentifier`.
    #[error("batchItemFailures[{index}] has no itemIdentifier, only {keys:?}")]
    IdentifierMissing {
        /// Which entry.
        index: usize,
        /// The first keys that it has instead.
        keys: Vec<String>,
    },
    /// An `itemIdentifier` is null or anything else but a string.
    #[error("itemIdentifier of batchItemFailures[{index}] is {found}, not a string")]
    IdentifierNotAString {
        /// Which entry.
        index: usize,
        /// What it is.
        found: &'static str,
    },
    /// An `itemIdentifier` is the empty string.
    #[error("itemIdentifier of batchItemFailures[{index}] is empty")]
    IdentifierEmpty {
        /// Which entry.
        index: usize,
    },
    /// An `itemIdentifier` is that of no message of the batch.
    #[error("itemIdentifier {identifier:?} of batchItemFailures[{index}] is not in the batch")]
    IdentifierUnknown {
        /// Which entry.
        index: usize,
        /// The identifier, shortened if it is very long.
        identifier: String,
    },
}

impl BatchFailure {
    /// The line of the log about it: whose batch, how large, and why, cut and with control characters escaped.
    pub(super) fn line(&self, function: &str, queue: &str, messages: usize, request_id: &str) -> String {
        let cause = self.to_string();
        let end = cause.char_indices().nth(CAUSE_CHARS_MAX).map_or(cause.len(), |(end, _)| end);
        let (cut, dots) = (one_line(&cause[..end]), if end < cause.len() { "..." } else { "" });
        let error_type = match self {
            Self::Function(error) => error.error_type(),
            _ => "invalid batch response",
        };
        format!(
            "{function}: a batch of {} of {queue} failed: {cut}{dots} ({}, request {request_id})",
            count_of(messages),
            one_line(error_type)
        )
    }
}

/// `1 message`, `2 messages`.
pub(super) fn count_of(messages: usize) -> String {
    format!("{messages} message{}", if messages == 1 { "" } else { "s" })
}

/// What a function says about its failure may be long.
const CAUSE_CHARS_MAX: usize = 1_000;

impl BatchOutcome {
    /// Reads what the function made of a batch. With `report_batch_item_failures` off, any reply is a success (developer
    /// guide).
    #[must_use]
    pub fn from_reply(
        reply: Result<Bytes, FunctionError>,
        messages: &[SourceMessage],
        report_batch_item_failures: bool,
    ) -> Self {
        let failed = match reply {
            Err(error) => return Self::Failed(error.into()),
            Ok(_) if !report_batch_item_failures => return Self::Succeeded,
            Ok(payload) => reported_messages(&payload, messages),
        };
        match failed {
            Err(failure) => Self::Failed(failure),
            Ok(failed) if failed.is_empty() => Self::Succeeded,
            Ok(failed) => Self::PartiallyFailed { failed },
        }
    }

    /// Whether the message at this place of the batch is to be deleted.
    #[must_use]
    pub fn deletes(&self, index: usize) -> bool {
        match self {
            Self::Succeeded => true,
            Self::PartiallyFailed { failed } => !failed.contains(&index),
            Self::Failed(_) => false,
        }
    }
}

/// The places of the messages that a reply reports.
///
/// One entry that cannot be matched to a message fails the whole batch, however good the others are (developer guide,
/// "Reporting batch item failures"; recorded for an entry without the right key).
fn reported_messages(payload: &[u8], messages: &[SourceMessage]) -> Result<BTreeSet<usize>, BatchFailure> {
    // Inferred from "an empty EventResponse" in the guide's list of successes: no reply at all is one.
    if payload.is_empty() {
        return Ok(BTreeSet::new());
    }
    let reply = serde_json::from_slice(payload).map_err(|error| BatchFailure::NotJson { error: error.to_string() })?;
    let items = match reply {
        Value::Null => return Ok(BTreeSet::new()),
        Value::Object(mut reply) => match reply.remove("batchItemFailures") {
            None | Some(Value::Null) => return Ok(BTreeSet::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(BatchFailure::NotAnArray { found: kind(&other) }),
        },
        other => return Err(BatchFailure::NotAnObject { found: kind(&other) }),
    };
    // A queue may hand out a message twice, so one identifier can stand for several places.
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, message) in messages.iter().enumerate() {
        places.entry(&message.message_id).or_default().push(place);
    }
    let mut failed = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let identifier = identifier(index, item)?;
        let places = places.get(identifier);
        let places =
            places.ok_or_else(|| BatchFailure::IdentifierUnknown { index, identifier: shortened(identifier) })?;
        failed.extend(places);
    }
    Ok(failed)
}

fn identifier(index: usize, item: &Value) -> Result<&str, BatchFailure> {
    let Value::Object(item) = item else {
        return Err(BatchFailure::ItemNotAnObject { index, found: kind(item) });
    };
    match item.get("itemIdentifier") {
        None => Err(BatchFailure::IdentifierMissing { index, keys: first_keys(item) }),
        Some(Value::String(identifier)) if identifier.is_empty() => Err(BatchFailure::IdentifierEmpty { index }),
        Some(Value::String(identifier)) => Ok(identifier),
        Some(other) => Err(BatchFailure::IdentifierNotAString { index, found: kind(other) }),
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn first_keys(item: &Map<String, Value>) -> Vec<String> {
    item.keys().take(5).map(|key| shortened(key)).collect()
}

/// A reply may have six megabytes; a log line may not.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    match text.char_indices().nth(CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
