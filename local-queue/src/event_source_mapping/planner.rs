//! Decides the next step of a mapping: when to receive and how much, when to invoke, what to delete and what to release.
//!
//! Like the engine it has no clock, async or I/O. Its contract:
//! - **Time is an argument**, and never runs backwards.
//! - **Effects are results.** After each input, take [`Planner::poll_action`] until it is empty and carry the actions
//!   out; each but [`PlannerAction::Drop`] is answered by one input.
//! - **The next wake-up is a result.** Call [`Planner::advance`] once to start, and then no later than
//!   [`Planner::next_wakeup`].
//!
//! Invariants:
//! - At most `Concurrency::limit` batches are collected, invoked or deleted at a time. A batch that is being collected
//!   already has its place, so no message is in flight that could not be invoked - but for those that did not fit into the
//!   event of their batch. These are *held*: they begin the next batch, and nothing is received before.
//! - While a batch is collected, one receive is waiting for it, or a retry is due, or it waits for deletes. A receive never
//!   waits beyond the end of the batching window, so the window's end needs no timer of its own.
//! - Of a message group of a FIFO queue at most one batch is invoked. What else of the group has been received is held, and
//!   released when the batch leaves a message of the group in the queue: that message is next.
//! - A batch that is throttled keeps its place until it is invoked or its visibility timeout has ended.

mod actions;
pub(super) mod backoff;
mod holding;
mod stopping;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

pub use self::actions::{Arrival, Batch, BatchId, CloseReason, DropReason, PlannerAction, Settled};
use self::{backoff::Backoff, holding::HeldMessage};
use super::{
    event::EVENT_BYTES_EMPTY,
    invoker::FunctionError,
    response::{BatchFailure, BatchOutcome},
    scaling::{Concurrency, Scaling},
    source::{ENTRIES_MAX, SourceMessage},
};
use crate::engine::{Receive, Time};

/// The longest wait of one receive (`ReceiveMessage` in the API reference), which Lambda uses (developer guide).
const LONG_POLL: Duration = Duration::from_secs(20);

/// Receives wait while so many deletes of messages that the filter refused are not answered.
const FILTER_DELETES_MAX: usize = 8;

/// What a planner needs to know about its mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannerSettings {
    /// The most messages in a batch.
    pub batch_size: usize,
    /// How long to collect a batch; zero takes what the first receive brings.
    pub batching_window: Duration,
    /// How many batches at a time.
    pub scaling: Scaling,
    /// Whether the function's reply names the messages that failed.
    pub report_batch_item_failures: bool,
    /// What receives ask for; `None` leaves it to the queue.
    pub visibility_timeout: Option<Duration>,
    /// How long a received message is hidden: what receives ask for, or the queue's own.
    pub hidden_for: Duration,
    /// Whether message groups have an order.
    pub is_fifo: bool,
}

/// The state of a mapping.
#[derive(Debug)]
pub struct Planner {
    settings: PlannerSettings,
    concurrency: Concurrency,
    batches: u64,
    collecting: Option<Collecting>,
    /// Received, and in no batch yet; in the order in which they were received.
    held: VecDeque<HeldMessage>,
    /// Batches that are invoked, throttled or deleted.
    working: BTreeMap<BatchId, Working>,
    /// Batches that are throttled, by when they are looked at again.
    throttled: BTreeSet<(Time, BatchId)>,
    /// The message groups of the batches that are worked on; of FIFO queues only.
    busy_groups: BTreeSet<String>,
    filter_deletes: usize,
    give_backs: usize,
    receives: Backoff,
    random: fastrand::Rng,
    stopping: bool,
    actions: VecDeque<PlannerAction>,
}

#[derive(Debug)]
struct Collecting {
    id: BatchId,
    messages: Vec<SourceMessage>,
    event_bytes: usize,
    /// The next message did not fit into the event.
    is_cut: bool,
    /// When the first of its messages is no longer hidden.
    hidden_until: Option<Time>,
    window_ends_at: Time,
    poll: Poll,
}

#[derive(Debug)]
enum Poll {
    Waiting {
        asked: usize,
    },
    RetryAt(Time),
    /// Until fewer deletes are under way.
    AfterDeletes,
}

#[derive(Debug)]
struct Working {
    batch: Arc<Batch>,
    hidden_until: Time,
    throttles: Backoff,
    reason: String,
}

impl Planner {
    /// A mapping that has not started.
    #[must_use]
    pub fn new(settings: PlannerSettings) -> Self {
        let concurrency = Concurrency::new(settings.scaling, settings.report_batch_item_failures);
        Self {
            settings,
            concurrency,
            batches: 0,
            collecting: None,
            held: VecDeque::new(),
            working: BTreeMap::new(),
            throttled: BTreeSet::new(),
            busy_groups: BTreeSet::new(),
            filter_deletes: 0,
            give_backs: 0,
            receives: Backoff::RECEIVES,
            random: fastrand::Rng::with_seed(0),
            stopping: false,
            actions: VecDeque::new(),
        }
    }

    /// What the jitter of retries is drawn from.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), ..self }
    }

    // Outputs.

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<PlannerAction> {
        self.actions.pop_front()
    }

    /// When [`Planner::advance`] is to be called at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let collecting = self.collecting.as_ref().and_then(|collecting| {
            let window = Some(collecting.window_ends_at).filter(|_| !collecting.messages.is_empty());
            match collecting.poll {
                Poll::Waiting { .. } => None,
                Poll::RetryAt(at) => Some(window.map_or(at, |window| window.min(at))),
                Poll::AfterDeletes => window,
            }
        });
        let throttled = self.throttled.first().map(|(at, _)| *at);
        let step = self.concurrency.next_step().filter(|_| self.is_saturated());
        [collecting, throttled, step].into_iter().flatten().min()
    }

    /// Whether no message is in this mapping's hands.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.working.is_empty()
            && self.held.is_empty()
            && self.filter_deletes == 0
            && self.give_backs == 0
            && self.collecting.as_ref().is_none_or(|collecting| collecting.messages.is_empty())
    }

    /// Whether the mapping was stopped and nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stopping && self.is_idle() && self.collecting.is_none() && self.actions.is_empty()
    }

    /// How many batches may be worked on at the moment.
    #[must_use]
    pub fn concurrency_limit(&self) -> usize {
        self.concurrency.limit()
    }

    // Inputs.

    /// Lets time pass.
    pub fn advance(&mut self, now: Time) {
        while let Some(&(at, id)) = self.throttled.first().filter(|(at, _)| *at <= now) {
            self.throttled.remove(&(at, id));
            let working = &self.working[&id];
            if working.hidden_until <= now {
                self.drop_batch(id);
            } else {
                self.actions.push_back(PlannerAction::Invoke(Arc::clone(&working.batch)));
            }
        }
        if self.is_saturated() {
            self.concurrency.step(now);
        }
        let is_due = self.collecting.as_ref().is_some_and(|collecting| match collecting.poll {
            Poll::Waiting { .. } => false,
            Poll::RetryAt(at) => at <= now || collecting.window_has_ended(now),
            Poll::AfterDeletes => collecting.window_has_ended(now),
        });
        if is_due {
            self.collect(now);
        }
        self.fill(now);
    }

    /// Takes in what a receive got, possibly nothing.
    pub fn received(&mut self, now: Time, batch: BatchId, arrivals: Vec<Arrival>) {
        let Poll::Waiting { asked } = self.collecting_mut(batch).poll else {
            panic!("only a batch whose receive is under way receives")
        };
        assert!(arrivals.len() <= asked, "a receive gets no more than it asked for");
        self.receives = Backoff::RECEIVES;
        self.concurrency.polled(now, arrivals.len() == asked);
        if arrivals.is_empty() && self.working.is_empty() {
            self.concurrency.idle();
        }
        let (wanted, unwanted): (Vec<_>, Vec<_>) = arrivals.into_iter().partition(|arrival| arrival.is_wanted);
        if !unwanted.is_empty() {
            self.filter_deletes += 1;
            let receipt_handles = unwanted.into_iter().map(|arrival| arrival.message.receipt_handle).collect();
            self.actions.push_back(PlannerAction::DeleteFiltered { receipt_handles });
        }
        if self.stopping {
            self.collecting = None;
            self.give_back(wanted.into_iter().map(|arrival| arrival.message));
            return;
        }
        let hidden_until = now + self.settings.hidden_for;
        self.held.extend(wanted.into_iter().map(|arrival| HeldMessage::new(arrival, hidden_until)));
        self.take_held(now);
        self.collect(now);
        self.fill(now);
    }

    /// Takes note of a receive that failed, and says when it is tried again.
    pub fn receive_failed(&mut self, now: Time, batch: BatchId) -> Time {
        let retry_at = now + self.receives.next(&mut self.random);
        self.collecting_mut(batch).poll = Poll::RetryAt(retry_at);
        if self.stopping {
            self.collecting = None;
        }
        retry_at
    }

    /// Takes in what the function made of a batch, and says what that means.
    pub fn invoked(&mut self, now: Time, batch: BatchId, reply: Result<Bytes, FunctionError>) -> Settled {
        let reply = match reply {
            Err(FunctionError::Throttled { reason }) => return self.throttled(now, batch, reason),
            reply => reply,
        };
        let working = self.working.get(&batch).expect("only batches that were given out are invoked");
        let messages = &Arc::clone(&working.batch).messages;
        let outcome = BatchOutcome::from_reply(reply, messages, self.settings.report_batch_item_failures);
        match outcome {
            BatchOutcome::Failed(BatchFailure::Function(_)) => self.concurrency.failed(),
            BatchOutcome::Failed(_) => {}
            BatchOutcome::Succeeded | BatchOutcome::PartiallyFailed { .. } => self.concurrency.succeeded(),
        }
        let (done, left): (Vec<_>, Vec<_>) =
            messages.iter().enumerate().partition(|(index, _)| outcome.deletes(*index));
        self.drop_held_of_groups(left.into_iter().map(|(_, message)| message));
        let receipt_handles: Vec<String> =
            done.into_iter().map(|(_, message)| message.receipt_handle.clone()).collect();
        if receipt_handles.is_empty() {
            self.deleted(now, batch);
        } else {
            self.actions.push_back(PlannerAction::Delete { batch, receipt_handles });
        }
        Settled::Finished(outcome)
    }

    /// Notes that the deletes of a batch are complete. Messages that were not deleted become visible again by themselves.
    pub fn deleted(&mut self, now: Time, batch: BatchId) {
        self.release(batch);
        self.fill(now);
    }

    /// Takes note that the deleting of messages that the filter refused is over.
    pub fn filtered_deleted(&mut self, now: Time) {
        self.filter_deletes -= 1;
        if matches!(self.collecting, Some(Collecting { poll: Poll::AfterDeletes, .. })) {
            self.collect(now);
            self.fill(now);
        }
    }

    // Inside.

    /// Whether every place is taken. What is collected waits for messages, so there is a place that nobody needed yet.
    fn is_saturated(&self) -> bool {
        !self.stopping && self.collecting.is_none() && self.working.len() >= self.concurrency.limit()
    }

    /// Starts to collect a batch if there is a place for it; first of what is held.
    ///
    /// One is collected at a time: together they would share what arrives, and all be smaller.
    fn fill(&mut self, now: Time) {
        while self.collecting.is_none() && self.working.len() < self.concurrency.limit() && !self.stopping {
            self.batches += 1;
            self.collecting = Some(Collecting {
                id: BatchId(self.batches),
                messages: Vec::new(),
                event_bytes: EVENT_BYTES_EMPTY,
                is_cut: false,
                hidden_until: None,
                // AWS (developer guide): the next window starts as soon as an invocation has ended.
                window_ends_at: now + self.settings.batching_window,
                poll: Poll::AfterDeletes,
            });
            self.take_held(now);
            let is_empty = self.collecting.as_ref().is_some_and(|collecting| collecting.messages.is_empty());
            if is_empty && !self.held.is_empty() {
                // All of it waits for message groups that are worked on.
                self.collecting = None;
                return;
            }
            self.collect(now);
        }
    }

    /// Invokes the batch that is collected, or goes on collecting.
    fn collect(&mut self, now: Time) {
        let Some(mut collecting) = self.collecting.take() else { return };
        if let Some(closed_by) = self.close_reason(now, &collecting) {
            let Collecting { id, messages, hidden_until, .. } = collecting;
            let batch = Arc::new(Batch { id, messages, closed_by });
            if self.settings.is_fifo {
                self.busy_groups.extend(batch.groups().map(str::to_owned));
            }
            let (hidden_until, reason) = (hidden_until.unwrap_or(now), String::new());
            let throttles = Backoff::THROTTLES;
            self.working.insert(id, Working { batch: Arc::clone(&batch), hidden_until, throttles, reason });
            self.actions.push_back(PlannerAction::Invoke(batch));
            return;
        }
        let window = self.settings.batching_window;
        // A window in which nothing came is followed by the next.
        if collecting.window_ends_at <= now {
            collecting.window_ends_at = now + window;
        }
        if self.filter_deletes >= FILTER_DELETES_MAX {
            self.collecting = Some(Collecting { poll: Poll::AfterDeletes, ..collecting });
            return;
        }
        let wait_time = if window.is_zero() { LONG_POLL } else { LONG_POLL.min(collecting.window_ends_at.since(now)) };
        let asked = (self.settings.batch_size - collecting.messages.len()).min(ENTRIES_MAX);
        let request = Receive {
            max_messages: asked as u64,
            visibility_timeout: self.settings.visibility_timeout,
            wait_time: Some(wait_time),
            attempt_id: None,
        };
        self.actions.push_back(PlannerAction::Receive { batch: collecting.id, request });
        self.collecting = Some(Collecting { poll: Poll::Waiting { asked }, ..collecting });
    }

    fn close_reason(&self, now: Time, collecting: &Collecting) -> Option<CloseReason> {
        if collecting.messages.is_empty() {
            None
        } else if collecting.is_cut {
            Some(CloseReason::PayloadSize)
        } else if collecting.messages.len() >= self.settings.batch_size {
            Some(CloseReason::BatchSize)
        } else {
            (collecting.window_ends_at <= now).then_some(CloseReason::BatchingWindow)
        }
    }

    /// The function did not run. AWS (developer guide, "Backoff strategy for failed invocations"): the batch is tried again
    /// until its messages' visibility timeout has passed, and then dropped. With a window that is the timeout of the message
    /// that was received first (inferred: from then on it may be received again).
    fn throttled(&mut self, now: Time, batch: BatchId, reason: String) -> Settled {
        self.concurrency.throttled();
        let working = self.working.get_mut(&batch).expect("only batches that were given out are invoked");
        working.reason.clone_from(&reason);
        if self.stopping {
            self.given_up(batch);
            return Settled::Throttled { reason, retry_at: None };
        }
        if working.hidden_until <= now {
            self.drop_batch(batch);
            self.fill(now);
            return Settled::Throttled { reason, retry_at: None };
        }
        let at = (now + working.throttles.next(&mut self.random)).min(working.hidden_until);
        self.throttled.insert((at, batch));
        Settled::Throttled { reason, retry_at: Some(at).filter(|at| *at < working.hidden_until) }
    }

    /// Drops a batch that the function could not take. Its messages become visible again; the receive counts.
    fn drop_batch(&mut self, id: BatchId) {
        let working = self.release(id);
        let messages = &working.batch.messages;
        self.drop_held_of_groups(messages.iter());
        let reason = DropReason::Throttled { reason: working.reason };
        self.actions.push_back(PlannerAction::Drop { messages: messages.clone(), reason });
    }

    fn release(&mut self, id: BatchId) -> Working {
        let working = self.working.remove(&id).expect("only batches that were given out end");
        if self.settings.is_fifo {
            for group in working.batch.groups() {
                self.busy_groups.remove(group);
            }
        }
        working
    }

    fn collecting_mut(&mut self, batch: BatchId) -> &mut Collecting {
        let collecting = self.collecting.as_mut().filter(|collecting| collecting.id == batch);
        collecting.expect("only a batch that is collected has a receive")
    }
}

impl Collecting {
    fn window_has_ended(&self, now: Time) -> bool {
        !self.messages.is_empty() && self.window_ends_at <= now
    }
}

#[cfg(test)]
mod tests;
