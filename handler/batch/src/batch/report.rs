//! What became of a batch: for Lambda the identifiers to keep, for people everything.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::event::Message;
use crate::failure::{Failure, Retry};

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The job is done.
    Done(T),
    /// It can never be done, and is in the dead-letter queue with its reason.
    DeadLettered(Failure),
    /// It is retried.
    Reported {
        /// Why.
        failure: Failure,
        /// When, as far as we asked for it; otherwise after the queue's visibility timeout.
        visible_in: Option<Duration>,
    },
    /// The same message as an earlier record of the batch, whose outcome it shares.
    Duplicate {
        /// The earlier record's place in the batch.
        of: usize,
    },
}

/// One record and its outcome.
#[derive(Clone, Debug)]
pub struct RecordReport<T> {
    /// The message.
    pub message: std::sync::Arc<Message>,
    /// What became of it.
    pub outcome: Outcome<T>,
    /// Time it was worked on; zero when it was never started.
    pub elapsed: Duration,
}

/// A whole batch, record by record, in the order of the event.
#[derive(Clone, Debug)]
pub struct BatchReport<T> {
    /// One for each record of the event.
    pub records: Vec<RecordReport<T>>,
    /// From the first look at the event until the answer was ready.
    pub elapsed: Duration,
}

/// How many records ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Done.
    pub done: usize,
    /// In the dead-letter queue.
    pub dead_lettered: usize,
    /// Retried because of their own failure.
    pub failed: usize,
    /// Retried because there was no time, no memory, or an earlier message of their group is retried first.
    pub postponed: usize,
    /// Copies of other records.
    pub duplicates: usize,
}

/// The answer to Lambda: the messages that are not to be deleted.
///
/// Can only be made from a [`BatchReport`], so it holds only identifiers of that batch, each once, none empty. AWS: an
/// empty or unknown identifier makes the whole batch fail (documentation: "Handling errors for an SQS event source in
/// Lambda").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

impl BatchResponse {
    /// The identifiers of the messages to retry.
    #[must_use]
    pub fn item_identifiers(&self) -> impl ExactSizeIterator<Item = &str> {
        self.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str())
    }
}

/// A record without `messageId` is to be retried, and the response has no way to say so.
///
/// Leaving it out would delete it; an empty identifier would make the whole batch fail without saying why. So the
/// invocation fails, the whole batch is retried, and what was done already is done again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index} has no messageId, so its failure ({}) cannot be reported alone and the batch fails", .failure.kind)]
pub struct Unnameable {
    /// The record's place in the batch.
    pub index: usize,
    /// Why it must be retried.
    pub failure: Failure,
}

impl<T> BatchReport<T> {
    /// The answer to Lambda.
    pub fn response(&self) -> Result<BatchResponse, Unnameable> {
        let mut named = BTreeSet::new();
        let mut batch_item_failures = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let Outcome::Reported { failure, .. } = &record.outcome else {
                continue;
            };
            let Some(id) = record.message.id.as_deref().filter(|id| !id.is_empty()) else {
                return Err(Unnameable { index, failure: failure.clone() });
            };
            if named.insert(id) {
                batch_item_failures.push(BatchItemFailure { item_identifier: id.to_owned() });
            }
        }
        Ok(BatchResponse { batch_item_failures })
    }

    /// How the records ended.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for record in &self.records {
            let count = match &record.outcome {
                Outcome::Done(_) => &mut counts.done,
                Outcome::DeadLettered(_) => &mut counts.dead_lettered,
                Outcome::Reported { failure, .. } if failure.retry == Retry::NextAttempt => &mut counts.postponed,
                Outcome::Reported { .. } => &mut counts.failed,
                Outcome::Duplicate { .. } => &mut counts.duplicates,
            };
            *count += 1;
        }
        counts
    }
}
