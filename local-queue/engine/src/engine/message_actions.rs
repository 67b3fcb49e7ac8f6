//! Actions on messages.

use std::{ops::RangeInclusive, time::Duration};

use sha2::{Digest, Sha256};

use super::Engine;
use crate::{
    DeduplicationScope, Delivery, EngineError, FifoThroughputLimit, Message, QuotaAction, ReceiptHandle, Receive,
    Received, SendMessage, Sent, SequenceNumber, Time, WaiterId,
    fifo::Handed,
    history::Transition,
    message::DeduplicationKey,
    queue::{Entry, Queue},
};

/// What was taken from a queue.
pub(super) struct Taken {
    pub(super) deliveries: Vec<Delivery>,
    /// The dead-letter queue, if messages went there.
    pub(super) dead_letters_in: Option<u32>,
}

impl Engine {
    /// Spends one call of a FIFO queue's throughput quota, if there is one.
    pub fn admit(&mut self, now: Time, arn: &str, action: QuotaAction) -> Result<(), EngineError> {
        let Some(calls_per_second) = self.limits.fifo_calls_per_second else { return Ok(()) };
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        match queue.settings.fifo {
            Some(fifo) if fifo.throughput_limit == FifoThroughputLimit::PerQueue => {
                queue.quota.spend(self.now, action, calls_per_second)
            }
            _ => Ok(()),
        }
    }

    /// Puts a message into a queue. On a FIFO queue a duplicate is answered like its first, and not put in.
    pub fn send(&mut self, now: Time, arn: &str, mut request: SendMessage) -> Result<Sent, EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &self.queues[slot];
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
        if let Some(deduplication_id) = &request.deduplication_id {
            check_token("MessageDeduplicationId", deduplication_id)?;
        }
        let duplication = if queue.is_fifo() {
            Some(prepare_fifo(queue, &mut request)?)
        } else if let Some(value) = request.deduplication_id {
            let parameter = "MessageDeduplicationId";
            return Err(EngineError::ParameterNotValidForQueueType { parameter, value });
        } else {
            None
        };
        if let Some((message_id, sequence_number)) = duplication.as_ref().and_then(|key| queue.deduplication.find(key))
        {
            return Ok(Sent { message_id, sequence_number: Some(sequence_number) });
        }
        self.check_room(request.footprint(duplication.as_ref()))?;
        let queue = &self.queues[slot];
        let delay = request.delay.filter(|_| !canary!(QueueDelayWins)).unwrap_or(queue.settings.delay);
        let delay = if canary!(FifoDelayIgnored) && queue.is_fifo() { Duration::ZERO } else { delay };
        let message_id = self.ids.next_uuid();
        self.sequence += 1;
        let sequence_number = duplication.is_some().then_some(SequenceNumber(self.sequence));
        let message = Message::new(message_id, self.now, sequence_number, request);
        let queue = &mut self.queues[slot];
        queue.insert(message, self.sequence, self.now, delay);
        queue.counts.count_sent(bytes);
        let sent = Transition::Sent { visible_at: self.now + delay };
        self.history.note(self.now, &queue.arn, message_id, 0, sent);
        if let Some((key, sequence_number)) = duplication.zip(sequence_number) {
            queue.deduplication.remember(key, (message_id, sequence_number), self.now);
        }
        self.settle(slot);
        Ok(Sent { message_id, sequence_number })
    }

    /// Receives messages, or waits for one if the request or the queue says so.
    pub fn receive(&mut self, now: Time, arn: &str, request: Receive) -> Result<Received, EngineError> {
        let slot = self.enter(now, arn)?;
        self.check_receive(&request)?;
        if let Some(again) = self.repeat_attempt(slot, &request) {
            self.queues[slot].counts.count_receive(again.len());
            return Ok(Received::Now(again));
        }
        let queue = &self.queues[slot];
        let queue_wait = if canary!(QueueWaitIgnored) { Duration::ZERO } else { queue.settings.wait_time };
        let wait = request.wait_time.unwrap_or(queue_wait);
        let (in_flight, in_flight_max) = (queue.in_flight(), self.limits.in_flight_max);
        // AWS (documentation of ReceiveMessage): at the limit of messages in flight a short poll of a standard queue gets
        // OverLimit; a long poll, or any receive of a FIFO queue, gets no error and no message.
        let is_short = wait.is_zero() || canary!(LongPollOverLimit);
        if is_short && in_flight >= in_flight_max && !queue.is_fifo() {
            return Err(EngineError::OverLimit { in_flight_max });
        }
        let Taken { deliveries, dead_letters_in } = self.take(slot, &request);
        let received = if !deliveries.is_empty() || wait.is_zero() {
            self.queues[slot].counts.count_receive(deliveries.len());
            Ok(Received::Now(deliveries))
        } else if self.waiters.len() >= self.limits.waiting_receives_max {
            Err(EngineError::TooManyWaiting { waiting_max: self.limits.waiting_receives_max })
        } else {
            let waiter = self.waiters.park(slot, request, self.now + wait);
            self.queues[slot].waiting.insert(waiter);
            Ok(Received::Waiting(waiter))
        };
        self.settle(slot);
        if let Some(dead_letter_slot) = dead_letters_in.filter(|_| !canary!(DeadLettersWakeNobody)) {
            self.settle(dead_letter_slot);
        }
        received
    }

    fn check_receive(&self, request: &Receive) -> Result<(), EngineError> {
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
        if let Some(attempt_id) = &request.attempt_id {
            check_token("ReceiveRequestAttemptId", attempt_id)?;
        }
        Ok(())
    }

    /// AWS (documentation of ReceiveMessage): the same attempt id within five minutes gets the same messages and handles
    /// again, with a new visibility timeout, unless one of them was deleted, changed, or has come back. A standard queue
    /// ignores it.
    fn repeat_attempt(&mut self, slot: u32, request: &Receive) -> Option<Vec<Delivery>> {
        let queue = &mut self.queues[slot];
        if !queue.is_fifo() {
            return None;
        }
        let handed = queue.attempts.find(request.attempt_id.as_deref()?)?.to_vec();
        let timeout = request.visibility_timeout.unwrap_or(queue.settings.visibility_timeout);
        let again = queue.repeat(&handed, self.now, timeout)?;
        let delivered = Transition::Delivered { visible_at: self.now + timeout };
        for delivery in &again {
            self.history.note(self.now, &queue.arn, delivery.message.id, delivery.receive_count, delivered);
        }
        self.settle(slot);
        Some(again)
    }

    /// Takes up to `max` ready messages. On the way, messages that have used up their receives go to the dead-letter
    /// queue: AWS moves them on the receive after the last (recorded), not when their timeout ends. The caller settles
    /// both queues.
    pub(super) fn take(&mut self, slot: u32, request: &Receive) -> Taken {
        let in_flight_extra = usize::from(canary!(InFlightOneTooMany));
        let (now, in_flight_max) = (self.now, self.limits.in_flight_max + in_flight_extra);
        let queue = &mut self.queues[slot];
        let timeout = request.visibility_timeout.unwrap_or(queue.settings.visibility_timeout);
        let dead_letter_target = queue.settings.redrive_policy.as_ref().map(|policy| &policy.dead_letter_target);
        let dead_letter_slot = dead_letter_target.and_then(|target| self.by_arn.get(target)).copied();
        let max = usize::try_from(request.max_messages).unwrap_or(usize::MAX);
        let (mut deliveries, mut dead, mut next) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let room = (max - deliveries.len()).min(in_flight_max.saturating_sub(queue.in_flight()));
            if room == 0 {
                break;
            }
            next.clear();
            queue.next(room, now, &mut next);
            if next.is_empty() {
                break;
            }
            // A policy whose target has been deleted moves nothing: the message stays where it can be found.
            let is_spent = |queue: &Queue, message: &u32| dead_letter_slot.is_some() && queue.is_spent(*message);
            if next.iter().any(|message| is_spent(queue, message)) {
                // Those behind them in their group move up.
                next.retain(|message| is_spent(queue, message));
                dead.extend(next.iter().map(|message| queue.remove(*message)));
            } else {
                let delivered = Transition::Delivered { visible_at: now + timeout };
                deliveries.extend(next.iter().map(|message| {
                    let delivery = queue.deliver(*message, now, timeout);
                    self.history.note(now, &queue.arn, delivery.message.id, delivery.receive_count, delivered);
                    delivery
                }));
            }
        }
        if let Some(attempt_id) = request.attempt_id.as_ref().filter(|_| queue.is_fifo() && !deliveries.is_empty()) {
            let handed = deliveries.iter().map(|delivery| delivery.receipt_handle);
            let handed: Vec<Handed> = handed.map(|handle| (handle.slot, handle.sequence, handle.receive)).collect();
            queue.attempts.remember(attempt_id.clone(), handed, now);
        }
        let dead_letters_in = dead_letter_slot.filter(|_| !dead.is_empty());
        if let Some(dead_letter_slot) = dead_letters_in {
            self.move_to_dead_letter_queue(slot, dead_letter_slot, dead);
        }
        Taken { deliveries, dead_letters_in }
    }

    fn move_to_dead_letter_queue(&mut self, slot: u32, dead_letter_slot: u32, dead: Vec<Entry>) {
        let source = self.queues[slot].arn.clone();
        // What became ready there before comes before.
        if !canary!(DeadLettersJumpTheLine) {
            self.queues[dead_letter_slot].advance(self.now, &self.limits, &mut self.history);
        }
        self.queues[slot].dead_lettered += dead.len() as u64;
        for entry in dead {
            self.sequence += 1;
            let transition = Transition::DeadLettered { to: &self.queues[dead_letter_slot].arn };
            self.history.note(self.now, &source, entry.message.id, entry.receive_count, transition);
            self.queues[dead_letter_slot].insert_dead_letter(entry, &source, self.sequence, self.now);
        }
    }

    /// Forgets a waiting receive whose caller has gone, so that no message is handed to nobody.
    pub fn cancel(&mut self, waiter: WaiterId) {
        if canary!(CancelledWaiterServed) {
            return;
        }
        if let Some(slot) = self.forget(waiter) {
            self.update_wakeup(slot);
        }
    }

    /// Takes back messages that were just received and did not reach their receiver, as if they had not been received.
    pub fn take_back(
        &mut self,
        now: Time,
        arn: &str,
        handles: impl Iterator<Item = ReceiptHandle>,
        attempt_id: Option<&str>,
    ) {
        // With its queue, a message has gone too.
        let Ok(slot) = self.enter(now, arn) else { return };
        let queue = &mut self.queues[slot];
        for handle in handles {
            if let Some((message_id, receive_count)) = queue.take_back(handle) {
                self.history.note(self.now, &queue.arn, message_id, receive_count, Transition::Returned);
            }
        }
        if let Some(attempt_id) = attempt_id {
            self.queues[slot].attempts.forget(attempt_id);
        }
        self.settle(slot);
    }

    /// Deletes a received message. On a standard queue, deleting it again, or after its visibility timeout, succeeds too.
    pub fn delete(&mut self, now: Time, arn: &str, handle: ReceiptHandle) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        if handle.queue != queue.number() && !canary!(ForeignHandleAccepted) {
            return Err(EngineError::ReceiptHandleIsInvalid);
        }
        let Some(message) = queue.find(handle) else {
            queue.counts.deleted += 1;
            return Ok(());
        };
        if queue.is_expired(handle) {
            return Err(EngineError::ReceiptHandleExpired);
        }
        let entry = queue.remove(message);
        queue.counts.deleted += 1;
        self.history.note(self.now, &queue.arn, entry.message.id, entry.receive_count, Transition::Deleted);
        let received_at = entry.received_at();
        self.history.keep(self.now, &queue.arn, entry.message, received_at);
        if canary!(DeduplicationForgottenOnDelete) {
            queue.deduplication = crate::fifo::Deduplication::default();
        }
        self.settle(slot);
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
        if queue.is_expired(handle) {
            return Err(EngineError::ReceiptHandleExpired);
        }
        let visible_at = self.now + timeout;
        // AWS (quoted from real answers): the total counts from the receive, and nothing is shortened to fit.
        let total_max = self.limits.visibility_timeout_total_max;
        let total_max =
            if canary!(TotalOffByOne) { total_max.saturating_sub(Duration::from_millis(1)) } else { total_max };
        if visible_at > queue.received_at(message) + total_max {
            return Err(EngineError::VisibilityTimeoutTotal { timeout, total_max });
        }
        queue.hide(message, visible_at);
        let entry = queue.entry(message);
        let changed = Transition::VisibilityChanged { visible_at };
        self.history.note(self.now, &queue.arn, entry.message.id, entry.receive_count, changed);
        self.settle(slot);
        Ok(())
    }
}

/// Checks what a FIFO queue asks of a message, and says by what it is recognised when it is sent again.
fn prepare_fifo(queue: &Queue, request: &mut SendMessage) -> Result<DeduplicationKey, EngineError> {
    let fifo = queue.settings.fifo.unwrap_or_default();
    if request.group_id.is_none() {
        return Err(EngineError::MessageGroupIdMissing);
    }
    // AWS (recorded): a delay of zero is accepted, and the queue's own delay holds.
    match request.delay.take() {
        Some(delay) if !delay.is_zero() => {
            let value = delay.as_secs().to_string();
            return Err(EngineError::ParameterNotValidForQueueType { parameter: "DelaySeconds", value });
        }
        _ => {}
    }
    if request.deduplication_id.is_none() && fifo.content_based_deduplication {
        request.deduplication_id = Some(content_id(request.body.as_str()));
    }
    let id = request.deduplication_id.as_deref().ok_or(EngineError::DeduplicationIdMissing)?;
    Ok(match (fifo.deduplication_scope, &request.group_id) {
        (DeduplicationScope::MessageGroup, Some(group_id)) if !canary!(GroupScopeIgnored) => {
            queue.deduplication.key([group_id, "\0", id].concat())
        }
        _ => queue.deduplication.key(id),
    })
}

/// The deduplication id of a body: its SHA-256 in lower-case hex; attributes do not count (recorded).
fn content_id(body: &str) -> String {
    use std::fmt::Write as _;
    let mut id = String::with_capacity(64);
    for byte in Sha256::digest(body.as_bytes()) {
        write!(id, "{byte:02x}").expect("a string can be written to");
    }
    id
}

fn in_range(parameter: &'static str, value: Duration, range: &RangeInclusive<u64>) -> Result<(), EngineError> {
    if range.contains(&value.as_secs()) {
        return Ok(());
    }
    Err(out_of_range(parameter, i64::try_from(value.as_secs()).unwrap_or(i64::MAX), range))
}

fn out_of_range(parameter: &'static str, value: i64, range: &RangeInclusive<u64>) -> EngineError {
    EngineError::OutOfRange { parameter, value, min: *range.start(), max: *range.end() }
}

/// 1 to 128 alphanumeric and punctuation characters (`SendMessage` in the API reference).
fn check_token(parameter: &'static str, value: &str) -> Result<(), EngineError> {
    let fits = (1..=128).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(EngineError::TokenInvalid { parameter, value: value.to_owned() }) }
}
