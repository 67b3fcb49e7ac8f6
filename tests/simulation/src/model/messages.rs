//! Actions on messages.

use std::{ops::RangeInclusive, rc::Rc, time::Duration};

use local_queue_engine::{
    DeduplicationScope, EngineError, FifoThroughputLimit, MessageAttributeValue, Place, QuotaAction, ReceiptHandle,
    Receive, SendMessage, Time, WaiterId,
};
use sha2::{Digest, Sha256};

use super::{
    Answer, Given, Handle, Message, Model, Queue, Waiter,
    queue::{Attempt, Deduplication, Seen},
};

/// Where the id and the sequence number of a sent message are kept.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) id: usize,
    pub(crate) number: Option<usize>,
}

/// The answer to a receive.
#[derive(Debug)]
pub(crate) enum Received {
    Now(Vec<Given>),
    /// The number of the wait.
    Waiting(u64),
}

/// A message on its way into a queue, with nothing behind it.
pub(super) fn new_message(arrival: u64, id: usize, number: Option<usize>, sent: SendMessage, now: Time) -> Message {
    Message {
        arrival,
        id,
        number,
        sent: Rc::new(sent),
        deduplication: Deduplication::None,
        sent_at: now,
        source: None,
        enqueued_at: now,
        place: Place::Ready,
        visible_at: now,
        received_at: now,
        first_received_at: None,
        receive_count: 0,
        receives_here: 0,
        changed: false,
    }
}

impl Model {
    pub(crate) fn admit(&mut self, arn: &str, action: QuotaAction) -> Answer<()> {
        let Some(calls_per_second) = self.limits.fifo_calls_per_second else { return Ok(()) };
        let (place, second) = (self.place(arn)?, self.now.as_secs());
        let queue = self.at(place);
        if !queue.settings.fifo.is_some_and(|fifo| fifo.throughput_limit == FifoThroughputLimit::PerQueue) {
            return Ok(());
        }
        if queue.calls.0 != second {
            queue.calls = (second, Vec::new());
        }
        if queue.calls.1.iter().filter(|call| **call == action).count() >= calls_per_second as usize {
            return Err(vec![EngineError::Throttled { calls_per_second }]);
        }
        queue.calls.1.push(action);
        Ok(())
    }

    pub(crate) fn send(&mut self, arn: &str, request: SendMessage) -> Answer<Sent> {
        let (place, now) = (self.place(arn)?, self.now);
        let faults = self.send_faults(place, &request);
        if !faults.is_empty() {
            return Err(faults);
        }
        let interval = self.limits.deduplication_interval;
        let queue = self.at(place);
        let fifo = queue.settings.fifo;
        let key = fifo.map(|fifo| {
            let id = request.deduplication_id.clone().unwrap_or_else(|| content_id(request.body.as_str()));
            let by_group = fifo.deduplication_scope == DeduplicationScope::MessageGroup;
            (by_group.then(|| request.group_id.clone()).flatten(), Rc::from(id))
        });
        if let Some((group, id)) = &key
            && let Some(seen) =
                queue.seen.iter().find(|it| it.group == *group && it.id == *id && it.at + interval > now)
        {
            return Ok(Sent { id: seen.message_id, number: Some(seen.number) });
        }
        // On a FIFO queue a message's own delay can only be zero, and the queue's holds.
        let delay = request.delay.filter(|_| fifo.is_none()).unwrap_or(queue.settings.delay);
        let (arrival, id) = (self.new_arrival(), self.new_id());
        let number = fifo.map(|_| self.new_number());
        let mut message = new_message(arrival, id, number, request, now);
        message.visible_at = now + delay;
        message.place = if delay.is_zero() { Place::Ready } else { Place::Delayed };
        let queue = self.at(place);
        if let (Some((group, deduplication_id)), Some(number)) = (key, number) {
            message.deduplication = Deduplication::Text(Rc::clone(&deduplication_id));
            queue.seen.retain(|seen| seen.at + interval > now);
            queue.seen.push(Seen { group, id: deduplication_id, at: now, message_id: id, number });
        }
        queue.arrive(message, now);
        self.settle(place);
        Ok(Sent { id, number })
    }

    fn send_faults(&self, place: usize, request: &SendMessage) -> Vec<EngineError> {
        let mut faults = Vec::new();
        let settings = &self.places[place].as_ref().expect("the place is taken").settings;
        let (bytes, bytes_max) = (size(request), settings.maximum_message_size);
        if bytes > bytes_max {
            faults.push(EngineError::MessageTooLong { bytes, bytes_max });
        }
        faults.extend(request.delay.and_then(|delay| out_of("DelaySeconds", delay, &self.limits.delay_seconds)));
        faults.extend(bad_token("MessageGroupId", request.group_id.as_ref()));
        faults.extend(bad_token("MessageDeduplicationId", request.deduplication_id.as_ref()));
        let Some(fifo) = settings.fifo else {
            faults.extend(request.deduplication_id.clone().map(|value| {
                let parameter = "MessageDeduplicationId";
                EngineError::ParameterNotValidForQueueType { parameter, value }
            }));
            return faults;
        };
        if request.group_id.is_none() {
            faults.push(EngineError::MessageGroupIdMissing);
        }
        if request.deduplication_id.is_none() && !fifo.content_based_deduplication {
            faults.push(EngineError::DeduplicationIdMissing);
        }
        if let Some(delay) = request.delay.filter(|delay| !delay.is_zero()) {
            let value = delay.as_secs().to_string();
            faults.push(EngineError::ParameterNotValidForQueueType { parameter: "DelaySeconds", value });
        }
        faults
    }

    pub(crate) fn receive(&mut self, arn: &str, request: &Receive) -> Answer<Received> {
        let place = self.place(arn)?;
        let limits = &self.limits;
        let count = Duration::from_secs(request.max_messages);
        let timeout = request.visibility_timeout;
        let faults = [
            out_of("MaxNumberOfMessages", count, &limits.receive_messages),
            timeout.and_then(|timeout| out_of("VisibilityTimeout", timeout, &limits.visibility_timeout_seconds)),
            request.wait_time.and_then(|wait| out_of("WaitTimeSeconds", wait, &limits.wait_time_seconds)),
            bad_token("ReceiveRequestAttemptId", request.attempt_id.as_ref()),
        ];
        let faults: Vec<EngineError> = faults.into_iter().flatten().collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        if let Some(again) = self.repeat(place, request) {
            self.settle(place);
            return Ok(Received::Now(again));
        }
        let in_flight_max = self.limits.in_flight_max;
        let queue = self.at(place);
        let wait = request.wait_time.unwrap_or(queue.settings.wait_time);
        if !queue.is_fifo() && wait.is_zero() && queue.count(Place::InFlight) >= in_flight_max {
            return Err(vec![EngineError::OverLimit { in_flight_max }]);
        }
        let (given, buried_in) = self.take(place, request);
        let waits = given.is_empty() && !wait.is_zero();
        if waits {
            self.waits += 1;
            let deadline = self.now + wait;
            let request = request.clone();
            self.waiters.push(Waiter { id: None, number: self.waits, place, request, deadline });
        }
        let number = self.waits;
        self.settle(place);
        if let Some(dead_letter_place) = buried_in {
            self.settle(dead_letter_place);
        }
        Ok(if waits { Received::Waiting(number) } else { Received::Now(given) })
    }

    /// What a receive of the same name got within the interval, if all of it is still as it was handed out.
    fn repeat(&mut self, place: usize, request: &Receive) -> Option<Vec<Given>> {
        let (now, interval) = (self.now, self.limits.deduplication_interval);
        let queue = self.at(place);
        let id = request.attempt_id.as_ref().filter(|_| queue.is_fifo())?;
        let attempt = queue.attempts.iter().find(|attempt| attempt.id == *id && attempt.at + interval > now)?;
        let untouched = |handle: &Handle| {
            let position = queue.position(handle.arrival)?;
            let message = &queue.messages[position];
            let same = message.place == Place::InFlight && message.receives_here == handle.receive && !message.changed;
            same.then_some(position)
        };
        let positions = attempt.given.iter().map(untouched).collect::<Option<Vec<usize>>>()?;
        let timeout = request.visibility_timeout.unwrap_or(queue.settings.visibility_timeout);
        let again = positions.into_iter().map(|position| {
            queue.messages[position].received_at = now;
            queue.hide(position, now + timeout);
            queue.given(position)
        });
        Some(again.collect())
    }

    /// Hands out messages: of a FIFO queue as many as possible of each group whose turn it is. Those that have used up
    /// their receives go to the dead-letter queue instead, which is named if that happened.
    pub(super) fn take(&mut self, place: usize, request: &Receive) -> (Vec<Given>, Option<usize>) {
        let (now, in_flight_max) = (self.now, self.limits.in_flight_max);
        let policy = self.at(place).settings.redrive_policy.clone();
        // A target that has been deleted takes nothing: the message is handed out once more.
        let target = policy.and_then(|policy| self.find(policy.dead_letter_target.as_str()));
        let queue = self.at(place);
        let timeout = request.visibility_timeout.unwrap_or(queue.settings.visibility_timeout);
        let (mut given, mut dead) = (Vec::new(), Vec::new());
        let is_full = |queue: &Queue, given: &[Given]| {
            given.len() as u64 == request.max_messages || queue.count(Place::InFlight) >= in_flight_max
        };
        while queue.has_available() && !is_full(queue, &given) {
            for arrival in queue.next(now) {
                let position = queue.position(arrival).expect("it is next");
                if is_full(queue, &given) {
                    break;
                }
                if target.is_some() && queue.is_spent(position) {
                    dead.push(queue.remove(position));
                } else {
                    given.push(queue.deliver(position, now, timeout));
                }
            }
        }
        if let Some(id) = request.attempt_id.clone().filter(|_| queue.is_fifo() && !given.is_empty()) {
            queue.attempts.retain(|attempt| attempt.id != id);
            queue.attempts.push(Attempt { id, at: now, given: given.iter().map(|given| given.handle).collect() });
        }
        let buried_in = target.filter(|_| !dead.is_empty());
        for message in dead {
            self.bury(place, target.expect("only a target makes dead letters"), message);
        }
        (given, buried_in)
    }

    /// A dead letter keeps its id, its count and its first receive. A standard queue counts its retention on, a FIFO
    /// queue anew, and there its id is what it is known by.
    fn bury(&mut self, from: usize, to: usize, message: Message) {
        let (now, arrival) = (self.now, self.new_arrival());
        let source = Some(self.at(from).arn.clone());
        let queue = self.at(to);
        let (enqueued_at, deduplication) = if queue.is_fifo() {
            (now, Deduplication::IdOf(message.id))
        } else {
            (message.enqueued_at, message.deduplication.clone())
        };
        let (place, visible_at) = (Place::Ready, now);
        let message =
            Message { arrival, source, enqueued_at, deduplication, place, visible_at, receives_here: 0, ..message };
        // What was handed out for no time at all is ready again before the dead letters arrive.
        queue.pass(now);
        queue.arrive(message, now);
        queue.pass(now);
    }

    pub(crate) fn cancel(&mut self, id: WaiterId) {
        self.waiters.retain(|waiter| waiter.id != Some(id));
    }

    /// The message of a handle: an error if the handle is another queue's or has expired; nothing if it is gone.
    fn handled(&mut self, place: usize, text: ReceiptHandle) -> Answer<Option<usize>> {
        let handle = self.handles.get(&text).copied();
        let queue = self.at(place);
        let Some(handle) = handle.filter(|handle| handle.queue == queue.incarnation) else {
            return Err(vec![EngineError::ReceiptHandleIsInvalid]);
        };
        let Some(position) = queue.position(handle.arrival) else { return Ok(None) };
        let message = &queue.messages[position];
        let holds = message.place == Place::InFlight && message.receives_here == handle.receive;
        if queue.is_fifo() && !holds {
            return Err(vec![EngineError::ReceiptHandleExpired]);
        }
        Ok(Some(position))
    }

    pub(crate) fn delete(&mut self, arn: &str, handle: ReceiptHandle) -> Answer<()> {
        let place = self.place(arn)?;
        if let Some(position) = self.handled(place, handle)? {
            self.at(place).remove(position);
            self.settle(place);
        }
        Ok(())
    }

    pub(crate) fn change_visibility(&mut self, arn: &str, handle: ReceiptHandle, timeout: Duration) -> Answer<()> {
        let place = self.place(arn)?;
        let mut faults: Vec<EngineError> =
            out_of("VisibilityTimeout", timeout, &self.limits.visibility_timeout_seconds).into_iter().collect();
        let position = match self.handled(place, handle) {
            Ok(position) => position,
            Err(more) => {
                faults.extend(more);
                return Err(faults);
            }
        };
        let (now, total_max) = (self.now, self.limits.visibility_timeout_total_max);
        let queue = self.at(place);
        match position {
            None => faults.push(EngineError::MessageNotAvailable),
            Some(position) if now + timeout > queue.messages[position].received_at + total_max => {
                faults.push(EngineError::VisibilityTimeoutTotal { timeout, total_max });
            }
            Some(position) if faults.is_empty() => {
                queue.hide(position, now + timeout);
                queue.messages[position].changed = true;
                self.settle(place);
                return Ok(());
            }
            Some(_) => {}
        }
        Err(faults)
    }

    pub(crate) fn peek(&self, arn: &str, skip: usize, max: usize) -> Answer<Vec<Message>> {
        let queue = self.places[self.place(arn)?].as_ref().expect("it was just found");
        Ok(queue.by_age().into_iter().skip(skip).take(max).cloned().collect())
    }
}

/// The SHA-256 of the body, in lower-case hex.
fn content_id(body: &str) -> String {
    Sha256::digest(body)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(b"0123456789abcdef"[usize::from(half)]))
        .collect()
}

/// UTF-8 bytes of the body and of each attribute's name, type and value.
fn size(request: &SendMessage) -> u64 {
    let attributes = request.attributes.iter().map(|(name, attribute)| {
        let value = match &attribute.value {
            MessageAttributeValue::Text(text) => text.len(),
            MessageAttributeValue::Binary(bytes) => bytes.len(),
        };
        name.len() + attribute.data_type.len() + value
    });
    (request.body.as_str().len() + attributes.sum::<usize>()) as u64
}

fn out_of(parameter: &'static str, value: Duration, range: &RangeInclusive<u64>) -> Option<EngineError> {
    let (min, max, value) = (*range.start(), *range.end(), value.as_secs());
    let fault = EngineError::OutOfRange { parameter, value: value.try_into().unwrap_or(i64::MAX), min, max };
    (value < min || value > max).then_some(fault)
}

/// 1 to 128 characters that ASCII can print, no blank among them.
fn bad_token(parameter: &'static str, value: Option<&String>) -> Option<EngineError> {
    let value = value?;
    let fits = !value.is_empty() && value.len() <= 128 && value.chars().all(|it| ('!'..='~').contains(&it));
    (!fits).then(|| EngineError::TokenInvalid { parameter, value: value.clone() })
}
