//! What a mapping has done so far, in numbers.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

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
    /// Received and let go without a run of the function: it was throttled until their visibility timeout ended, or there
    /// was no place for them.
    #[serde(rename = "DroppedEventCount")]
    pub dropped: u64,
    /// Deleted because the function has done them.
    #[serde(rename = "DeletedEventCount")]
    pub deleted: u64,
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
}
