//! The state machine: all queues of all accounts and regions.

mod commands;
mod delivery_faults;
mod image;
mod looking;
mod message_actions;
mod move_tasks;
mod queue_actions;
mod storage;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use self::{
    commands::{Command, Fingerprint},
    looking::{Located, Peeked},
};
use crate::{
    Delivery, EngineError, IdSource, Limits, QueueArn, Time, WaiterId, history::History, queue::Queue, slab::Slab,
    waiters::Waiters,
};

/// The answer to a receive.
#[derive(Debug)]
pub enum Received {
    /// What there was, possibly nothing.
    Now(Vec<Delivery>),
    /// Nothing yet: an [`Output::Answer`] will come for this waiter.
    Waiting(WaiterId),
}

/// An effect for the driver to carry out.
#[derive(Debug)]
pub enum Output {
    /// The answer to a waiting receive: empty when its time is over, an error when its queue was deleted.
    Answer {
        /// Which receive.
        waiter: WaiterId,
        /// What it gets.
        result: Result<Vec<Delivery>, EngineError>,
    },
}

/// All queues of all accounts and regions.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    store: u64,
    ids: IdSource,
    now: Time,
    sequence: u64,
    queues: Slab<Queue>,
    by_arn: BTreeMap<QueueArn, u32>,
    /// When queues were deleted whose names cannot be used again yet.
    deleted: BTreeMap<QueueArn, Time>,
    queues_created: u32,
    /// Which queues name a queue as their dead-letter queue, whether it exists or not.
    sources_by_target: BTreeMap<QueueArn, BTreeSet<QueueArn>>,
    /// Queues that a running task moves messages away from, by when it moves the next.
    moving: BTreeSet<(Time, u32)>,
    waiters: Waiters,
    /// What all queues take of memory.
    stored_bytes: u64,
    /// How often something was refused for want of room.
    refused_for_room: u64,
    /// When queues were last looked through for what has expired, for want of room.
    forgotten_at: Option<Time>,
    /// Queues that somebody waits for, by when a message of theirs next becomes ready or expires.
    wakeups: BTreeSet<(Time, u32)>,
    outputs: VecDeque<Output>,
    history: History,
}

impl Engine {
    /// An engine without queues. The seed decides every identifier it will give, and what makes its receipt handles its own.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            store: IdSource::mix(seed),
            ids: IdSource::seeded(seed),
            now: Time::EPOCH,
            sequence: 0,
            queues: Slab::default(),
            by_arn: BTreeMap::new(),
            deleted: BTreeMap::new(),
            queues_created: 0,
            sources_by_target: BTreeMap::new(),
            moving: BTreeSet::new(),
            waiters: Waiters::default(),
            stored_bytes: 0,
            refused_for_room: 0,
            forgotten_at: None,
            wakeups: BTreeSet::new(),
            outputs: VecDeque::new(),
            history: History::default(),
        }
    }

    /// The same, with a number by which its receipt handles are told from those of every other engine: one that knows a
    /// handle by another number refuses it. To be called before there is a queue.
    #[must_use]
    pub fn with_store(self, store: u64) -> Self {
        debug_assert!(self.by_arn.is_empty(), "handles of a queue that is there would lose their right");
        Self { store, ..self }
    }

    /// The limits that this engine enforces.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The latest time that the engine was told.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Lets at most so many receives wait at the same time, whatever the limits said.
    pub fn bound_waiting(&mut self, waiting_max: usize) {
        self.limits.waiting_receives_max = self.limits.waiting_receives_max.min(waiting_max);
    }

    // Outputs.

    /// The next effect to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Engine::advance`] is to be called at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let visible_at = self.wakeups.first().map(|wakeup| wakeup.0);
        let move_at = self.moving.first().map(|next| next.0);
        [visible_at, self.waiters.next_deadline(), move_at].into_iter().flatten().min()
    }

    /// Whether a message move task is at work.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        !self.moving.is_empty()
    }

    // Inputs.

    /// Lets time pass. Everything that becomes true on the way happens at its own moment, in order.
    pub fn advance(&mut self, now: Time) {
        while let Some(at) = self.next_wakeup().filter(|at| *at <= now) {
            self.now = self.now.max(at);
            while let Some(&(visible_at, queue)) = self.wakeups.first()
                && visible_at <= at
            {
                self.settle(queue);
            }
            while let Some(&(move_at, queue)) = self.moving.first()
                && move_at <= at
            {
                self.moving.remove(&(move_at, queue));
                self.move_next(queue);
            }
            while let Some(waiter) = self.waiters.overdue(at) {
                self.answer(waiter, Ok(Vec::new()));
            }
        }
        self.now = self.now.max(now);
    }

    // Inside.

    /// Lets time pass and finds the queue that a call is about.
    fn enter(&mut self, now: Time, arn: &str) -> Result<u32, EngineError> {
        self.advance(now);
        let slot = self.slot(arn)?;
        self.queues[slot].advance(self.now, &self.limits, &mut self.history);
        self.weigh(slot);
        Ok(slot)
    }

    fn slot(&self, arn: &str) -> Result<u32, EngineError> {
        self.by_arn.get(arn).copied().ok_or_else(|| EngineError::QueueDoesNotExist { queue: arn.to_owned() })
    }

    /// Serves the receives that wait for a queue, as long as it has messages for them.
    ///
    /// This ends: a message that moves to a dead-letter queue starts with no receives there, so it is delivered before
    /// it can move again.
    fn settle(&mut self, slot: u32) {
        if self.queues[slot].waiting.is_empty() {
            return self.update_wakeup(slot);
        }
        let mut dead_letters_in = None;
        self.queues[slot].advance(self.now, &self.limits, &mut self.history);
        while let Some(waiter) = self.queues[slot].next_waiter()
            && self.queues[slot].has_available()
            && self.queues[slot].in_flight() < self.limits.in_flight_max
        {
            let request = self.waiters.get(waiter).request.clone();
            let taken = self.take(slot, &request);
            dead_letters_in = dead_letters_in.or(taken.dead_letters_in);
            if !taken.deliveries.is_empty() {
                self.answer(waiter, Ok(taken.deliveries));
            }
            self.queues[slot].advance(self.now, &self.limits, &mut self.history);
        }
        self.update_wakeup(slot);
        // Only now, with everybody here answered: dead letters may come back here in the same moment.
        if let Some(dead_letter_slot) = dead_letters_in {
            self.settle(dead_letter_slot);
        }
    }

    fn answer(&mut self, waiter: WaiterId, result: Result<Vec<Delivery>, EngineError>) {
        if let Some(slot) = self.forget(waiter) {
            if let Ok(deliveries) = &result {
                self.queues[slot].counts.count_receive(deliveries.len());
            }
            self.outputs.push_back(Output::Answer { waiter, result });
            self.update_wakeup(slot);
        }
    }

    fn forget(&mut self, waiter: WaiterId) -> Option<u32> {
        let slot = self.waiters.remove(waiter)?.queue;
        self.queues[slot].waiting.remove(&waiter);
        Some(slot)
    }

    /// Brings up to date what the engine knows of a queue.
    fn update_wakeup(&mut self, slot: u32) {
        self.weigh(slot);
        let queue = &mut self.queues[slot];
        let is_deaf = canary!(DelayWakesNobody) && queue.in_flight() == 0;
        let wakeup = if queue.waiting.is_empty() || is_deaf { None } else { queue.next_change() };
        if queue.wakeup != wakeup {
            if let Some(before) = queue.wakeup {
                self.wakeups.remove(&(before, slot));
            }
            if let Some(after) = wakeup {
                self.wakeups.insert((after, slot));
            }
            queue.wakeup = wakeup;
        }
    }

    /// Panics if an invariant does not hold. For tests, which call it after every step.
    pub fn check(&self) {
        for slot in self.by_arn.values() {
            let queue = &self.queues[*slot];
            queue.check();
            let can_serve = queue.has_available() && queue.in_flight() < self.limits.in_flight_max;
            assert!(queue.waiting.is_empty() || !can_serve, "nobody waits for a queue that has messages");
            assert_eq!(queue.weighed, queue.stored_bytes(), "a queue is weighed after each change");
        }
        let weighed = self.by_arn.values().map(|slot| self.queues[*slot].weighed).sum::<u64>();
        assert_eq!(self.stored_bytes, weighed, "the sum is that of all queues");
    }
}
