//! What SQS allows itself and seldom does: to deliver a message again, or later than others. Done on purpose here, so
//! that a receiver can be tested against it.

use std::time::Duration;

use super::Engine;
use crate::{EngineError, ReceiptHandle, Time, history::Transition};

impl Engine {
    /// Lets a message be delivered again that was just received.
    ///
    /// On a standard queue by a copy that can be received at once and outlives the delete of the first, as happens when
    /// one of SQS's servers is away during the delete (developer guide, "At-least-once delivery"). On a FIFO queue, which
    /// keeps no such copies, its visibility timeout ends at once, and the handle has expired.
    pub fn duplicate(&mut self, now: Time, arn: &str, handle: ReceiptHandle) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        if self.queues[slot].is_fifo() {
            return self.change_visibility(now, arn, handle, Duration::ZERO);
        }
        if let Some(message) = self.queues[slot].find(handle) {
            self.sequence += 1;
            let queue = &mut self.queues[slot];
            queue.copy(message, self.sequence, self.now);
            let entry = queue.entry(message);
            self.history.note(self.now, &queue.arn, entry.message.id, entry.receive_count, Transition::Copied);
            self.settle(slot);
        }
        Ok(())
    }

    /// Lets the next `count` ready messages of a standard queue come after all others that are ready now. A FIFO queue
    /// keeps its order.
    pub fn postpone(&mut self, now: Time, arn: &str, count: usize) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        if queue.is_fifo() {
            return Ok(());
        }
        let mut next = Vec::new();
        for _ in 0..count.min(queue.ready()) {
            next.clear();
            queue.next(1, self.now, &mut next);
            let Some(&message) = next.first() else { break };
            self.sequence += 1;
            queue.postpone(message, self.sequence);
        }
        Ok(())
    }

    /// How many receives wait for a message.
    #[must_use]
    pub fn waiting_receives(&self) -> usize {
        self.waiters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Attribute, Delivery, Limits, MessageBody, Place, QueueArn, QueueName, Receive, Received, Scope, SendMessage,
    };

    const NOW: Time = Time::from_millis(1_000_000);

    fn engine(name: &str, bodies: &[&str]) -> (Engine, QueueArn) {
        let mut engine = Engine::new(Limits::STRICT, 1);
        let name = QueueName::parse(name, &Limits::STRICT).unwrap();
        let attributes = if name.is_fifo() { vec![Attribute::FifoQueue(true)] } else { Vec::new() };
        let queue = engine.create_queue(NOW, &Scope::default(), &name, &attributes).unwrap();
        for body in bodies {
            let id = name.is_fifo().then(|| (*body).to_owned());
            let message = SendMessage::new(MessageBody::parse(*body).unwrap());
            let group_id = Some("g".to_owned());
            engine.send(NOW, queue.as_str(), SendMessage { group_id, deduplication_id: id, ..message }).unwrap();
        }
        (engine, queue)
    }

    fn receive(engine: &mut Engine, queue: &QueueArn) -> Option<Delivery> {
        let received = engine.receive(NOW, queue.as_str(), Receive::default()).unwrap();
        engine.check();
        match received {
            Received::Now(mut deliveries) => deliveries.pop(),
            Received::Waiting(_) => None,
        }
    }

    #[test]
    fn a_copy_has_its_own_handle_and_keeps_the_past_of_the_message() {
        let (mut engine, queue) = engine("jobs", &["a"]);
        let first = receive(&mut engine, &queue).unwrap();
        engine.duplicate(NOW, queue.as_str(), first.receipt_handle).unwrap();
        engine.check();
        let second = receive(&mut engine, &queue).unwrap();
        assert_eq!((first.message.id, second.receive_count), (second.message.id, 2));
        assert_ne!(first.receipt_handle, second.receipt_handle);
        engine.delete(NOW, queue.as_str(), first.receipt_handle).unwrap();
        assert_eq!(engine.peek(NOW, queue.as_str(), 0, 10).unwrap().len(), 1);
        engine.delete(NOW, queue.as_str(), second.receipt_handle).unwrap();
        engine.check();
        assert!(engine.peek(NOW, queue.as_str(), 0, 10).unwrap().is_empty());
        engine.duplicate(NOW, queue.as_str(), second.receipt_handle).unwrap();
        assert!(receive(&mut engine, &queue).is_none(), "what is gone is not delivered again");
    }

    #[test]
    fn postponed_messages_come_last_on_a_standard_queue_and_in_their_order_on_a_fifo_queue() {
        for (name, expected) in [("jobs", "cab"), ("jobs.fifo", "abc")] {
            let (mut engine, queue) = engine(name, &["a", "b", "c"]);
            engine.postpone(NOW, queue.as_str(), 2).unwrap();
            engine.check();
            let ready = engine.peek(NOW, queue.as_str(), 0, 10).unwrap();
            assert!(ready.iter().all(|peeked| peeked.place == Place::Ready));
            let mut seen = String::new();
            while let Some(delivery) = receive(&mut engine, &queue) {
                seen.push_str(delivery.message.body.as_str());
                engine.delete(NOW, queue.as_str(), delivery.receipt_handle).unwrap();
            }
            assert_eq!(seen, expected, "{name}");
        }
    }
}
