//! The pure state machine behind every way in: queues, messages, long polls, redrive.
//!
//! It has no clock, randomness, async, socket, file or log. Its contract:
//! - **Time is an argument.** Every call says what time it is; time never runs backwards. What became true since the
//!   last call (a delay ended, a wait was over) happens first, each at its own moment.
//! - **Effects are results.** After a call, take [`Engine::poll_output`] until it is empty: these are the answers to
//!   receives that were waiting.
//! - **The next wake-up is a result.** Call [`Engine::advance`] no later than [`Engine::next_wakeup`]. There is one
//!   only while a receive waits: a queue that nobody waits for needs no timer.
//! - **Nothing is scanned.** Every call costs O(log n) in messages, queues and waiting receives, amortised over the
//!   messages that it moves.

mod attributes;
mod error;
mod ids;
mod limits;
mod message;
mod names;
mod queue;
mod slab;
#[cfg(test)]
mod tests;
mod time;
mod waiters;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

pub(crate) use self::ids::mix;
pub use self::{
    attributes::{Attribute, AttributeName, QueueAttributes, QueueSettings, RedrivePolicy},
    error::{EngineError, MessageAttributeProblem},
    ids::{IdSource, MessageId},
    limits::Limits,
    message::{
        Delivery, Message, MessageAttribute, MessageAttributeValue, MessageAttributes, MessageBody, ReceiptHandle,
        Receive, SendMessage, Sent,
    },
    names::{QueueArn, QueueName, Scope},
    time::Time,
    waiters::WaiterId,
};
use self::{queue::Queue, slab::Slab, waiters::Waiters};

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
    ids: IdSource,
    now: Time,
    sequence: u64,
    queues: Slab<Queue>,
    by_arn: BTreeMap<QueueArn, u32>,
    /// When queues were deleted whose names cannot be used again yet.
    deleted: BTreeMap<QueueArn, Time>,
    queues_created: u32,
    waiters: Waiters,
    /// Queues that somebody waits for, by when their next hidden message becomes ready.
    wakeups: BTreeSet<(Time, u32)>,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine without queues. The seed decides every identifier it will give.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            ids: IdSource::seeded(seed),
            now: Time::EPOCH,
            sequence: 0,
            queues: Slab::default(),
            by_arn: BTreeMap::new(),
            deleted: BTreeMap::new(),
            queues_created: 0,
            waiters: Waiters::default(),
            wakeups: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
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

    // Outputs.

    /// The next effect to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Engine::advance`] is to be called at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let visible_at = self.wakeups.first().map(|wakeup| wakeup.0);
        [visible_at, self.waiters.next_deadline()].into_iter().flatten().min()
    }

    /// A new identifier for a request.
    pub fn next_request_id(&mut self) -> MessageId {
        self.ids.next_message_id()
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
            while let Some(waiter) = self.waiters.overdue(at) {
                self.answer(waiter, Ok(Vec::new()));
            }
        }
        self.now = self.now.max(now);
    }

    /// Creates a queue, or finds the one that is there with the attributes named in the request.
    pub fn create_queue(
        &mut self,
        now: Time,
        scope: &Scope,
        name: &QueueName,
        attributes: &[Attribute],
    ) -> Result<QueueArn, EngineError> {
        self.advance(now);
        let arn = scope.arn(name.as_str());
        if let Some(&queue) = self.by_arn.get(&arn) {
            let settings = &self.queues[queue].settings;
            return match attributes.iter().find(|attribute| !settings.has(attribute)) {
                Some(differs) => Err(EngineError::QueueNameExists { attribute: differs.name() }),
                None => Ok(arn),
            };
        }
        let interval = self.limits.recreate_interval;
        self.deleted.retain(|_, deleted_at| *deleted_at + interval > now);
        if self.deleted.contains_key(&arn) {
            return Err(EngineError::QueueDeletedRecently { queue: arn });
        }
        if name.is_fifo() {
            return Err(EngineError::QueueTypeMismatch { name: name.as_str().to_owned() });
        }
        let mut settings = QueueSettings::default();
        self.apply(&mut settings, &arn, attributes)?;
        self.queues_created += 1;
        let queue = Queue::new(arn.clone(), self.queues_created, settings, self.now);
        let queue = self.queues.insert(queue);
        self.by_arn.insert(arn.clone(), queue);
        Ok(arn)
    }

    fn apply(&self, settings: &mut QueueSettings, arn: &QueueArn, attributes: &[Attribute]) -> Result<(), EngineError> {
        for attribute in attributes {
            attribute.check(&self.limits)?;
            if let Attribute::RedrivePolicy(Some(policy)) = attribute {
                self.check_redrive_policy(policy, arn)?;
            }
            settings.set(attribute.clone());
        }
        Ok(())
    }

    fn check_redrive_policy(&self, policy: &RedrivePolicy, arn: &QueueArn) -> Result<(), EngineError> {
        let (target, max_receive_count) = (policy.dead_letter_target.clone(), policy.max_receive_count);
        if target.is_fifo() != arn.is_fifo() {
            return Err(EngineError::DeadLetterTargetOfOtherType { target, max_receive_count });
        }
        if target != *arn && !self.by_arn.contains_key(&target) {
            return Err(EngineError::DeadLetterTargetDoesNotExist { target, max_receive_count });
        }
        Ok(())
    }

    /// Finds a queue by its ARN.
    pub fn find_queue(&self, arn: &str) -> Result<QueueArn, EngineError> {
        let found = self.by_arn.get_key_value(arn).map(|(arn, _)| arn.clone());
        found.ok_or_else(|| EngineError::QueueDoesNotExist { queue: arn.to_owned() })
    }

    /// The queues of a scope in the order of their names: those that start with `prefix` and come after the name
    /// `after`, at most `max`.
    #[must_use]
    pub fn list_queues(&self, scope: &Scope, prefix: &str, after: Option<&str>, max: usize) -> Vec<QueueArn> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let first = scope.arn(prefix);
        let from = match after.map(|name| scope.arn(name)) {
            Some(after) if after >= first => Excluded(after),
            _ => Included(first.clone()),
        };
        let matching = self.by_arn.range((from, Unbounded)).map(|(arn, _)| arn);
        matching.take_while(|arn| arn.as_str().starts_with(first.as_str())).take(max).cloned().collect()
    }

    /// Deletes a queue with its messages. Receives that wait for it get an error.
    pub fn delete_queue(&mut self, now: Time, arn: &str) -> Result<(), EngineError> {
        self.advance(now);
        let slot = self.slot(arn)?;
        let queue = self.queues.remove(slot).expect("a registered queue exists");
        for waiter in &queue.waiting {
            self.waiters.remove(*waiter);
            let result = Err(EngineError::QueueDoesNotExist { queue: arn.to_owned() });
            self.outputs.push_back(Output::Answer { waiter: *waiter, result });
        }
        if let Some(wakeup) = queue.wakeup {
            self.wakeups.remove(&(wakeup, slot));
        }
        self.by_arn.remove(arn);
        self.deleted.insert(queue.arn, self.now);
        Ok(())
    }

    /// What there is to know about a queue.
    pub fn queue_attributes(&mut self, now: Time, arn: &str) -> Result<QueueAttributes, EngineError> {
        let slot = self.enter(now, arn)?;
        Ok(self.queues[slot].attributes())
    }

    /// Changes settings of a queue, all or none. They hold from now on, also for messages that are already in it.
    pub fn set_queue_attributes(&mut self, now: Time, arn: &str, attributes: &[Attribute]) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &self.queues[slot];
        let mut settings = queue.settings.clone();
        self.apply(&mut settings, &queue.arn, attributes)?;
        let queue = &mut self.queues[slot];
        queue.settings = settings;
        queue.modified_at = self.now;
        self.settle(slot);
        Ok(())
    }

    /// Deletes all messages of a queue, also delayed ones and those in flight.
    pub fn purge_queue(&mut self, now: Time, arn: &str) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        if queue.purged_at.is_some_and(|purged_at| purged_at + self.limits.purge_interval > self.now) {
            return Err(EngineError::PurgeQueueInProgress { queue: queue.arn.clone() });
        }
        queue.purge(self.now);
        self.settle(slot);
        Ok(())
    }

    /// Puts a message into a queue.
    pub fn send(&mut self, now: Time, arn: &str, request: SendMessage) -> Result<Sent, EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        let (bytes, bytes_max) = (request.bytes(), queue.settings.maximum_message_size);
        if bytes > bytes_max {
            return Err(EngineError::MessageTooLong { bytes, bytes_max });
        }
        if let Some(delay) = request.delay {
            in_range("DelaySeconds", delay, &self.limits.delay_seconds)?;
        }
        if let Some(group_id) = &request.group_id {
            check_token("MessageGroupId", group_id)?;
        }
        let delay = request.delay.unwrap_or(queue.settings.delay);
        let message_id = self.ids.next_message_id();
        self.sequence += 1;
        queue.insert(Message::new(message_id, self.now, request), self.sequence, self.now, delay);
        self.settle(slot);
        Ok(Sent { message_id })
    }

    /// Receives messages, or waits for one if the request or the queue says so.
    pub fn receive(&mut self, now: Time, arn: &str, request: Receive) -> Result<Received, EngineError> {
        let slot = self.enter(now, arn)?;
        let limits = &self.limits;
        if !limits.receive_messages.contains(&request.max_messages) {
            let value = i64::try_from(request.max_messages).unwrap_or(i64::MAX);
            return Err(out_of_range("MaxNumberOfMessages", value, &limits.receive_messages));
        }
        if let Some(timeout) = request.visibility_timeout {
            in_range("VisibilityTimeout", timeout, &limits.visibility_timeout_seconds)?;
        }
        if let Some(wait) = request.wait_time {
            in_range("WaitTimeSeconds", wait, &limits.wait_time_seconds)?;
        }
        let wait = request.wait_time.unwrap_or(self.queues[slot].settings.wait_time);
        // AWS (documentation of ReceiveMessage): at the limit of messages in flight a short poll gets OverLimit, a long
        // poll gets no error and no message.
        if wait.is_zero() && self.queues[slot].in_flight() >= self.limits.in_flight_max {
            return Err(EngineError::OverLimit { in_flight_max: self.limits.in_flight_max });
        }
        let deliveries = self.take(slot, request.max_messages, request.visibility_timeout);
        if !deliveries.is_empty() || wait.is_zero() {
            self.settle(slot);
            return Ok(Received::Now(deliveries));
        }
        let waiter = self.waiters.park(slot, request.max_messages, request.visibility_timeout, self.now + wait);
        self.queues[slot].waiting.insert(waiter);
        self.settle(slot);
        Ok(Received::Waiting(waiter))
    }

    /// Forgets a waiting receive whose caller has gone, so that no message is handed to nobody.
    pub fn cancel(&mut self, waiter: WaiterId) {
        if let Some(slot) = self.forget(waiter) {
            self.update_wakeup(slot);
        }
    }

    /// Deletes a received message. Deleting it again, or after its visibility timeout, succeeds too.
    pub fn delete(&mut self, now: Time, arn: &str, handle: ReceiptHandle) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        if handle.queue != queue.number() {
            return Err(EngineError::ReceiptHandleIsInvalid);
        }
        if let Some(message) = queue.find(handle) {
            queue.remove(message);
            self.settle(slot);
        }
        Ok(())
    }

    /// Lets a received message become visible `timeout` from now; at once for zero.
    pub fn change_visibility(
        &mut self,
        now: Time,
        arn: &str,
        handle: ReceiptHandle,
        timeout: Duration,
    ) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        in_range("VisibilityTimeout", timeout, &self.limits.visibility_timeout_seconds)?;
        let queue = &mut self.queues[slot];
        if handle.queue != queue.number() {
            return Err(EngineError::ReceiptHandleIsInvalid);
        }
        let message = queue.find(handle).ok_or(EngineError::MessageNotAvailable)?;
        let visible_at = self.now + timeout;
        // AWS (quoted from real answers): the total counts from the receive, and nothing is shortened to fit.
        let total_max = self.limits.visibility_timeout_total_max;
        if visible_at > queue.received_at(message) + total_max {
            return Err(EngineError::VisibilityTimeoutTotal { timeout, total_max });
        }
        queue.hide(message, visible_at);
        self.settle(slot);
        Ok(())
    }

    // Inside.

    /// Lets time pass and finds the queue that a call is about.
    fn enter(&mut self, now: Time, arn: &str) -> Result<u32, EngineError> {
        self.advance(now);
        let slot = self.slot(arn)?;
        self.queues[slot].advance(self.now);
        Ok(slot)
    }

    fn slot(&self, arn: &str) -> Result<u32, EngineError> {
        self.by_arn.get(arn).copied().ok_or_else(|| EngineError::QueueDoesNotExist { queue: arn.to_owned() })
    }

    /// Takes up to `max` ready messages. On the way, messages that have used up their receives go to the dead-letter
    /// queue: AWS moves them on the receive after the last (recorded), not when their timeout ends.
    fn take(&mut self, slot: u32, max: u64, visibility_timeout: Option<Duration>) -> Vec<Delivery> {
        let now = self.now;
        let in_flight_max = self.limits.in_flight_max;
        let queue = &mut self.queues[slot];
        let timeout = visibility_timeout.unwrap_or(queue.settings.visibility_timeout);
        let dead_letter_target = queue.settings.redrive_policy.as_ref().map(|policy| &policy.dead_letter_target);
        let dead_letter_slot = dead_letter_target.and_then(|target| self.by_arn.get(target)).copied();
        let mut deliveries = Vec::new();
        let mut dead = Vec::new();
        while (deliveries.len() as u64) < max
            && queue.in_flight() < in_flight_max
            && let Some((message, spent)) = queue.next_ready()
        {
            // A policy whose target has been deleted moves nothing: the message stays where it can be found.
            if spent && dead_letter_slot.is_some() {
                dead.push(queue.remove(message));
            } else {
                deliveries.push(queue.deliver(message, now, timeout));
            }
        }
        if let Some(dead_letter_slot) = dead_letter_slot.filter(|_| !dead.is_empty()) {
            self.move_to_dead_letter_queue(slot, dead_letter_slot, dead);
        }
        deliveries
    }

    fn move_to_dead_letter_queue(&mut self, slot: u32, dead_letter_slot: u32, dead: Vec<queue::Entry>) {
        let source = self.queues[slot].arn.clone();
        for entry in dead {
            self.sequence += 1;
            self.queues[dead_letter_slot].insert_dead_letter(entry, &source, self.sequence, self.now);
        }
        // A queue can be its own dead-letter queue (accepted by AWS); the caller settles it.
        if dead_letter_slot != slot {
            self.settle(dead_letter_slot);
        }
    }

    /// Serves the receives that wait for a queue, as long as it has messages for them.
    ///
    /// This ends: a message that moves to a dead-letter queue starts with no receives there, so it is delivered before
    /// it can move again.
    fn settle(&mut self, slot: u32) {
        self.queues[slot].advance(self.now);
        while self.queues[slot].has_ready()
            && let Some(&waiter) = self.queues[slot].waiting.first()
        {
            if self.queues[slot].in_flight() >= self.limits.in_flight_max {
                break;
            }
            let request = self.waiters.get(waiter);
            let (max, timeout) = (request.max_messages, request.visibility_timeout);
            let deliveries = self.take(slot, max, timeout);
            if !deliveries.is_empty() {
                self.answer(waiter, Ok(deliveries));
            }
            self.queues[slot].advance(self.now);
        }
        self.update_wakeup(slot);
    }

    fn answer(&mut self, waiter: WaiterId, result: Result<Vec<Delivery>, EngineError>) {
        if let Some(slot) = self.forget(waiter) {
            self.outputs.push_back(Output::Answer { waiter, result });
            self.update_wakeup(slot);
        }
    }

    fn forget(&mut self, waiter: WaiterId) -> Option<u32> {
        let slot = self.waiters.remove(waiter)?.queue;
        self.queues[slot].waiting.remove(&waiter);
        Some(slot)
    }

    fn update_wakeup(&mut self, slot: u32) {
        let queue = &mut self.queues[slot];
        let wakeup = if queue.waiting.is_empty() { None } else { queue.next_visible_at() };
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
            let can_serve = queue.has_ready() && queue.in_flight() < self.limits.in_flight_max;
            assert!(queue.waiting.is_empty() || !can_serve, "nobody waits for a queue that has messages");
        }
    }
}

fn in_range(
    parameter: &'static str,
    value: Duration,
    range: &std::ops::RangeInclusive<u64>,
) -> Result<(), EngineError> {
    if range.contains(&value.as_secs()) {
        return Ok(());
    }
    Err(out_of_range(parameter, i64::try_from(value.as_secs()).unwrap_or(i64::MAX), range))
}

fn out_of_range(parameter: &'static str, value: i64, range: &std::ops::RangeInclusive<u64>) -> EngineError {
    EngineError::OutOfRange { parameter, value, min: *range.start(), max: *range.end() }
}

/// 1 to 128 alphanumeric and punctuation characters (`SendMessage` in the API reference).
fn check_token(parameter: &'static str, value: &str) -> Result<(), EngineError> {
    let fits = (1..=128).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(EngineError::TokenInvalid { parameter, value: value.to_owned() }) }
}
