//! What a mapping does next: when to receive how much, when to invoke, what to delete.
//!
//! Like the engine it has no clock, async or I/O. Its contract:
//! - **Time is an argument**, and never runs backwards.
//! - **Effects are results.** After each input, take [`Planner::poll_action`] until it is empty and carry the actions
//!   out; each is answered by one input.
//! - **The next wake-up is a result.** Call [`Planner::advance`] once to start, and then no later than
//!   [`Planner::next_wakeup`].
//!
//! Invariants:
//! - At most `Concurrency::limit` batches are collected, invoked or deleted at a time. A batch that is being collected
//!   already has its place, so no message is in flight that could not be invoked.
//! - While a batch is collected, one receive is waiting for it, or a retry is due. A receive never waits beyond the end
//!   of the batching window, so the window's end needs no timer of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{
    invoker::FunctionError,
    response::{BatchFailure, BatchOutcome},
    scaling::Concurrency,
    source::{ENTRIES_MAX, SourceMessage},
};
use crate::engine::{Receive, Time};

/// The longest wait of one receive (`ReceiveMessage` in the API reference), which Lambda uses (developer guide).
const LONG_POLL: Duration = Duration::from_secs(20);

/// After a receive that failed, the wait before the next; it doubles with each further failure.
const RETRY_DELAY_MIN: Duration = Duration::from_secs(1);
/// Where the doubling ends.
const RETRY_DELAY_MAX: Duration = Duration::from_mins(1);

/// What a planner needs to know about its mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannerSettings {
    /// The most messages in a batch.
    pub batch_size: usize,
    /// How long to collect a batch; zero takes what the first receive brings.
    pub batching_window: Duration,
    /// The most batches at a time; `None` for what Lambda does without a setting.
    pub maximum_concurrency: Option<u32>,
    /// Whether the function's reply names the messages that failed.
    pub report_batch_item_failures: bool,
    /// What receives ask for; `None` leaves it to the queue.
    pub visibility_timeout: Option<Duration>,
}

/// Names a batch; never used again by its planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(u64);

/// Messages that are given to the function together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// At least one, in the order in which they were received.
    pub messages: Vec<SourceMessage>,
    /// Why it takes no more.
    pub closed_by: CloseReason,
}

/// Why a batch takes no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It has as many messages as a batch may have.
    BatchSize,
    /// The batching window ended, or there is none.
    BatchingWindow,
    /// The mapping stops: what it has received it still gives to the function.
    Stopping,
}

/// Something for the driver to do, answered by one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Receive messages; answered by [`Planner::received`] or [`Planner::receive_failed`].
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
    /// Give a batch to the function; answered by [`Planner::invoked`].
    Invoke(Arc<Batch>),
    /// Delete messages; answered by [`Planner::deleted`].
    Delete {
        /// Of which batch.
        batch: BatchId,
        /// By their receipt handles; at least one, possibly more than one request can name.
        receipt_handles: Vec<String>,
    },
}

/// The state of a mapping.
#[derive(Debug)]
pub struct Planner {
    settings: PlannerSettings,
    concurrency: Concurrency,
    batches: u64,
    collecting: Option<Collecting>,
    /// Batches that are invoked or deleted.
    working: BTreeMap<BatchId, Arc<Batch>>,
    receives_failed: u32,
    stopping: bool,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct Collecting {
    id: BatchId,
    messages: Vec<SourceMessage>,
    window_ends_at: Time,
    poll: Poll,
}

#[derive(Debug)]
enum Poll {
    Waiting,
    RetryAt(Time),
}

impl Planner {
    /// A mapping that has not started.
    #[must_use]
    pub fn new(settings: PlannerSettings) -> Self {
        let concurrency = Concurrency::new(settings.maximum_concurrency, settings.report_batch_item_failures);
        Self {
            settings,
            concurrency,
            batches: 0,
            collecting: None,
            working: BTreeMap::new(),
            receives_failed: 0,
            stopping: false,
            actions: VecDeque::new(),
        }
    }

    // Outputs.

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Planner::advance`] is to be called at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let collecting = self.collecting.as_ref()?;
        match collecting.poll {
            Poll::Waiting => None,
            Poll::RetryAt(at) if collecting.messages.is_empty() => Some(at),
            Poll::RetryAt(at) => Some(at.min(collecting.window_ends_at)),
        }
    }

    /// Whether no message is in this mapping's hands.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.working.is_empty() && self.collecting.as_ref().is_none_or(|collecting| collecting.messages.is_empty())
    }

    /// Whether the mapping was stopped and nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stopping && self.working.is_empty() && self.collecting.is_none() && self.actions.is_empty()
    }

    // Inputs.

    /// Lets time pass.
    pub fn advance(&mut self, now: Time) {
        if self.next_wakeup().is_some_and(|at| at <= now) {
            self.collect(now);
        }
        self.fill(now);
    }

    /// Takes in what a receive got, possibly nothing.
    pub fn received(&mut self, now: Time, batch: BatchId, messages: Vec<SourceMessage>) {
        let room = self.room(batch);
        assert!(messages.len() <= room, "a receive gets no more than it asked for");
        self.receives_failed = 0;
        self.collecting_mut(batch).messages.extend(messages);
        self.collect(now);
        self.fill(now);
    }

    /// Takes note of a receive that failed, and says when it is tried again.
    pub fn receive_failed(&mut self, now: Time, batch: BatchId) -> Time {
        let factor = 1_u32.checked_shl(self.receives_failed).unwrap_or(u32::MAX);
        let retry_at = now + RETRY_DELAY_MIN.saturating_mul(factor).min(RETRY_DELAY_MAX);
        self.receives_failed = (self.receives_failed + 1).min(u32::BITS);
        let stopping = self.stopping;
        self.collecting_mut(batch).poll = Poll::RetryAt(retry_at);
        if stopping {
            self.collect(now);
        }
        retry_at
    }

    /// Takes in what the function made of a batch, and says what that means.
    pub fn invoked(&mut self, now: Time, batch: BatchId, reply: Result<Bytes, FunctionError>) -> BatchOutcome {
        let working = Arc::clone(self.working.get(&batch).expect("only batches that were given out are invoked"));
        let outcome = BatchOutcome::of(reply, &working.messages, self.settings.report_batch_item_failures);
        match outcome {
            BatchOutcome::Failed(BatchFailure::Function(_)) => self.concurrency.failed(),
            BatchOutcome::Failed(_) => {}
            BatchOutcome::Succeeded | BatchOutcome::PartiallyFailed { .. } => self.concurrency.succeeded(),
        }
        let done = working.messages.iter().enumerate().filter(|(index, _)| outcome.deletes(*index));
        let receipt_handles: Vec<String> = done.map(|(_, message)| message.receipt_handle.clone()).collect();
        if receipt_handles.is_empty() {
            self.deleted(now, batch);
        } else {
            self.actions.push_back(Action::Delete { batch, receipt_handles });
        }
        outcome
    }

    /// Takes note that the deleting of a batch's messages is over. What could not be deleted comes back by itself.
    pub fn deleted(&mut self, now: Time, batch: BatchId) {
        self.working.remove(&batch).expect("only batches that were invoked are deleted");
        self.fill(now);
    }

    /// Receives nothing more. Batches that have begun are brought to their end.
    pub fn stop(&mut self, now: Time) {
        self.stopping = true;
        match &self.collecting {
            Some(Collecting { id, poll: Poll::Waiting, .. }) => {
                self.actions.push_back(Action::CancelReceive { batch: *id });
            }
            Some(_) => self.collect(now),
            None => {}
        }
    }

    // Inside.

    /// Starts to collect a batch if there is a place for it.
    ///
    /// One is collected at a time: together they would share what arrives, and all be smaller.
    fn fill(&mut self, now: Time) {
        if self.stopping || self.collecting.is_some() || self.working.len() >= self.concurrency.limit() {
            return;
        }
        self.batches += 1;
        // AWS (developer guide): the next window starts as soon as an invocation has ended.
        let window_ends_at = now + self.settings.batching_window;
        let id = BatchId(self.batches);
        self.collecting = Some(Collecting { id, messages: Vec::new(), window_ends_at, poll: Poll::Waiting });
        self.collect(now);
    }

    /// Invokes the batch that is collected, or goes on collecting, or gives it up if it is empty and no longer wanted.
    fn collect(&mut self, now: Time) {
        let Some(mut collecting) = self.collecting.take() else { return };
        if let Some(closed_by) = self.close_reason(now, &collecting) {
            let batch = Arc::new(Batch { id: collecting.id, messages: collecting.messages, closed_by });
            self.working.insert(batch.id, Arc::clone(&batch));
            self.actions.push_back(Action::Invoke(batch));
            return;
        }
        if self.stopping {
            return;
        }
        let window = self.settings.batching_window;
        // A window in which nothing came is followed by the next.
        if collecting.window_ends_at <= now {
            collecting.window_ends_at = now + window;
        }
        let wait_time = if window.is_zero() { LONG_POLL } else { LONG_POLL.min(collecting.window_ends_at.since(now)) };
        let room = self.settings.batch_size - collecting.messages.len();
        let request = Receive {
            max_messages: room.min(ENTRIES_MAX) as u64,
            visibility_timeout: self.settings.visibility_timeout,
            wait_time: Some(wait_time),
            attempt_id: None,
        };
        self.actions.push_back(Action::Receive { batch: collecting.id, request });
        self.collecting = Some(Collecting { poll: Poll::Waiting, ..collecting });
    }

    fn close_reason(&self, now: Time, collecting: &Collecting) -> Option<CloseReason> {
        if collecting.messages.is_empty() {
            None
        } else if collecting.messages.len() >= self.settings.batch_size {
            Some(CloseReason::BatchSize)
        } else if collecting.window_ends_at <= now {
            Some(CloseReason::BatchingWindow)
        } else {
            self.stopping.then_some(CloseReason::Stopping)
        }
    }

    fn room(&mut self, batch: BatchId) -> usize {
        let batch_size = self.settings.batch_size;
        (batch_size - self.collecting_mut(batch).messages.len()).min(ENTRIES_MAX)
    }

    fn collecting_mut(&mut self, batch: BatchId) -> &mut Collecting {
        let collecting = self.collecting.as_mut().filter(|collecting| collecting.id == batch);
        collecting.expect("only a batch that is collected has a receive")
    }
}

#[cfg(test)]
mod tests;
