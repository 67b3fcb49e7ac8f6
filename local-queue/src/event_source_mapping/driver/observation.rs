//! What a mapping tells its observer.

use std::time::Duration;

use crate::{
    engine::Time,
    event_source_mapping::{
        planner::{CloseReason, DropReason},
        response::BatchOutcome,
        source::{SourceError, SourceMessage},
    },
};

/// Something that happened in a mapping, told to its observer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// Messages were received.
    Polled {
        /// How many.
        count: usize,
    },
    /// The filter refused some of the messages that were received; they are deleted.
    FilteredOut {
        /// How many.
        count: usize,
    },
    /// No messages could be received. The log says so too, once a minute.
    ReceiveFailed {
        /// Why.
        error: &'a SourceError,
        /// When it is tried again.
        retry_at: Time,
    },
    /// A batch was given to the function.
    Invoked {
        /// The invocation.
        request_id: &'a str,
        /// The batch.
        messages: &'a [SourceMessage],
        /// Why the batch was closed.
        closed_by: CloseReason,
    },
    /// The function has ended.
    Finished {
        /// The invocation.
        request_id: &'a str,
        /// The batch.
        messages: &'a [SourceMessage],
        /// What came of it.
        outcome: &'a BatchOutcome,
        /// How long the function took.
        duration: Duration,
    },
    /// The function did not run: it may not run as often at the same time.
    Throttled {
        /// The attempt.
        request_id: &'a str,
        /// The batch.
        messages: &'a [SourceMessage],
        /// What was said about it.
        reason: &'a str,
        /// When the batch is given to it again, with another request id; `None` if it is not.
        retry_at: Option<Time>,
    },
    /// Messages were dropped without an invocation; they become visible again at the end of their visibility timeout.
    Dropped {
        /// Which.
        messages: &'a [SourceMessage],
        /// Why.
        reason: &'a DropReason,
    },
    /// Messages that the function has done were deleted.
    Deleted {
        /// How many.
        count: usize,
    },
    /// Messages are done, or refused by the filter, but could not be deleted: they will be received again.
    DeleteFailed {
        /// How many.
        count: usize,
        /// Why; of several reasons the first.
        error: &'a SourceError,
    },
    /// Messages were given back: they are visible again, because the mapping stops.
    GivenBack {
        /// How many.
        count: usize,
    },
    /// Messages could not be given back: they are visible again at the end of their visibility timeout.
    GiveBackFailed {
        /// How many.
        count: usize,
        /// Why; of several reasons the first.
        error: &'a SourceError,
    },
}
