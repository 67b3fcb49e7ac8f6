//! What a mapping has done so far, in numbers.

use std::{
    ops::Add,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use super::{invoker::FunctionError, response::BatchFailure};

/// Counts of messages since the mapping began, with the names of Lambda's event source mapping metrics (`EventCount` in
/// the developer guide, "Event source mapping metrics").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// Received, as often as they were.
    #[serde(rename = "PolledEventCount")]
    pub polled: u64,
    /// Refused by the filter, and deleted for that.
    #[serde(rename = "FilteredOutEventCount")]
    pub filtered_out: u64,
    /// Given to the function; several times if it was throttled, or failed, and they were given to it again.
    #[serde(rename = "InvokedEventCount")]
    pub invoked: u64,
    /// In a batch that failed as a whole, or reported by the function. Being throttled is no failure.
    #[serde(rename = "FailedInvokeEventCount")]
    pub failed_invoke: u64,
    /// Received and dropped without an invocation: it was throttled until their visibility timeout ended, or there
    /// was no place for them.
    #[serde(rename = "DroppedEventCount")]
    pub dropped: u64,
    /// Deleted because the function has done them.
    #[serde(rename = "DeletedEventCount")]
    pub deleted: u64,
    /// Given back when the mapping stopped, to be received again at once. Not a metric of Lambda.
    #[serde(rename = "GivenBackEventCount")]
    pub given_back: u64,
    /// Batches that failed as a whole, by the reason. Not a metric of Lambda.
    #[serde(rename = "FailedBatchCount")]
    pub failed_batches: FailedBatches,
}

/// Batches that failed as a whole. The log has a line for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedBatches {
    /// The function reported an error, or cannot be started.
    pub function_error: u64,
    /// The function ended without an answer.
    pub crash: u64,
    /// The function took longer than it may.
    pub timeout: u64,
    /// The reply was larger than a reply may be.
    pub response_too_large: u64,
    /// The reply was no batch response, or named messages that are not in the batch.
    pub invalid_response: u64,
}

impl Add for Metrics {
    type Output = Self;

    /// What two mappings have done together, or one under two settings.
    fn add(self, other: Self) -> Self {
        let (one, two) = (self.failed_batches, other.failed_batches);
        Self {
            polled: self.polled + other.polled,
            filtered_out: self.filtered_out + other.filtered_out,
            invoked: self.invoked + other.invoked,
            failed_invoke: self.failed_invoke + other.failed_invoke,
            dropped: self.dropped + other.dropped,
            deleted: self.deleted + other.deleted,
            given_back: self.given_back + other.given_back,
            failed_batches: FailedBatches {
                function_error: one.function_error + two.function_error,
                crash: one.crash + two.crash,
                timeout: one.timeout + two.timeout,
                response_too_large: one.response_too_large + two.response_too_large,
                invalid_response: one.invalid_response + two.invalid_response,
            },
        }
    }
}

/// The counts of a mapping that runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<Mutex<Metrics>>);

impl Counters {
    pub(super) fn get(&self) -> Metrics {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to one of the counts.
    pub(super) fn count(&self, which: impl FnOnce(&mut Metrics) -> &mut u64, messages: usize) {
        *which(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)) += messages as u64;
    }

    /// Counts a batch that failed as a whole.
    pub(super) fn count_failed_batch(&self, failure: &BatchFailure) {
        let batches = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).failed_batches;
        let count = match failure {
            BatchFailure::Function(FunctionError::Failed { .. } | FunctionError::Throttled { .. }) => {
                &mut batches.function_error
            }
            BatchFailure::Function(FunctionError::Crashed { .. }) => &mut batches.crash,
            BatchFailure::Function(FunctionError::TimedOut { .. }) => &mut batches.timeout,
            BatchFailure::Function(FunctionError::ResponseTooLarge { .. }) => &mut batches.response_too_large,
            _ => &mut batches.invalid_response,
        };
        *count += 1;
    }
}
