//! What goes into a planner and comes out of it.

use std::sync::Arc;

use crate::{
    engine::{Receive, Time},
    event_source_mapping::{response::BatchOutcome, source::SourceMessage},
};

/// Names a batch; never used again by its planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub(super) u64);

/// A message that was received, and what the planner has to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The message.
    pub message: SourceMessage,
    /// How many bytes its record has in an event ([`record_bytes`](crate::event_source_mapping::record_bytes)).
    pub record_bytes: usize,
    /// Whether the mapping's filter lets it pass; otherwise it is deleted, and the function never sees it.
    pub is_wanted: bool,
}

/// Messages that are given to the function together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// At least one, in the order in which they were received.
    pub messages: Vec<SourceMessage>,
    /// Why the batch is closed.
    pub closed_by: CloseReason,
}

impl Batch {
    /// The message groups of its messages, each as often as it has messages.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().filter_map(|message| message.system_attributes.group_id.as_deref())
    }
}

/// Why a batch is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It has as many messages as a batch may have.
    BatchSize,
    /// The batching window ended, or there is none.
    BatchingWindow,
    /// The next message would have made the event larger than
    /// [`EVENT_BYTES_MAX`](crate::event_source_mapping::EVENT_BYTES_MAX).
    PayloadSize,
}

/// Something for the driver to do, answered by one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannerAction {
    /// Receive messages; answered by [`Planner::received`](super::Planner::received) or
    /// [`Planner::receive_failed`](super::Planner::receive_failed).
    Receive {
        /// For which batch.
        batch: BatchId,
        /// How many, and how long to wait.
        request: Receive,
    },
    /// Give up waiting for messages. The receive is still answered, with what it may have got.
    CancelReceive {
        /// For which batch.
        batch: BatchId,
    },
    /// Give a batch to the function, possibly not for the first time; answered by
    /// [`Planner::invoked`](super::Planner::invoked).
    Invoke(Arc<Batch>),
    /// Delete messages; answered by [`Planner::deleted`](super::Planner::deleted).
    Delete {
        /// Of which batch.
        batch: BatchId,
        /// By their receipt handles; at least one, possibly more than one request can name.
        receipt_handles: Vec<String>,
    },
    /// Delete messages that the filter refused; answered by
    /// [`Planner::filtered_deleted`](super::Planner::filtered_deleted).
    DeleteFiltered {
        /// By their receipt handles; one to ten.
        receipt_handles: Vec<String>,
    },
    /// Make messages visible again that the function has not seen, or not to the end, because the mapping stops; answered by
    /// [`Planner::given_back`](super::Planner::given_back).
    GiveBack {
        /// By their receipt handles; at least one, possibly more than one request can name.
        receipt_handles: Vec<String>,
    },
    /// Forget received messages: they stay in the queue and become visible again by themselves. Not answered.
    Drop {
        /// At least one.
        messages: Vec<SourceMessage>,
        /// Why.
        reason: DropReason,
    },
}

/// Why received messages were dropped without an invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// The function was throttled until their visibility timeout ended.
    #[error("function was throttled until the visibility timeout ended: {reason}")]
    Throttled {
        /// What was said last.
        reason: String,
    },
    /// They did not fit into their batch, and their visibility timeout ended before there was a place for another.
    #[error("no capacity for another batch within the visibility timeout")]
    HeldTooLong,
    /// They follow a message of their group that stays in the queue, so it is not their turn.
    #[error("an earlier message of the group stays in the queue")]
    GroupLeft,
}

/// What an invocation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The function ran.
    Finished(BatchOutcome),
    /// It did not.
    Throttled {
        /// What was said about it.
        reason: String,
        /// When the batch is given to it again; `None` if it is not.
        retry_at: Option<Time>,
    },
}
