//! What SQS allows itself and seldom does: to deliver a message again, or later than others. Done on purpose here, so
//! that a receiver can be tested against it.

use std::time::Duration;

use super::{Engine, EngineError, ReceiptHandle, Time};

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
            self.queues[slot].copy(message, self.sequence, self.now);
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
            queue.postpone(message, self.now);
        }
        Ok(())
    }

    /// How many receives wait for a message.
    #[must_use]
    pub fn waiting_receives(&self) -> usize {
        self.waiters.len()
    }
}
