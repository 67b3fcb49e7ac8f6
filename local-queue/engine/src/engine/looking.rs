//! Looking at messages without touching them.

use std::sync::Arc;

use super::Engine;
use crate::{
    Deleted, Departure, EngineError, Message, MessageId, Place, QueueCounts, ReceiptHandle, Time, Traffic, Visibility,
};

/// A message as somebody sees it who only looks.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// The message.
    pub message: Arc<Message>,
    /// Where it is.
    pub place: Place,
    /// When it becomes, or became, ready.
    pub visible_at: Time,
    /// How often it has been received, over all queues it was in.
    pub receive_count: u32,
    /// When it was received for the first time.
    pub first_received_at: Option<Time>,
    /// Whether the next receive can get it, and if not, why.
    pub visibility: Visibility,
    /// The handle of its last receive from this queue, or one of no receive: a standard queue deletes by either.
    pub receipt_handle: ReceiptHandle,
}

/// Where a message is.
#[derive(Clone, Debug)]
pub enum Located {
    /// In the queue.
    Here(Peeked),
    /// It has left the queue.
    Gone(Departure),
    /// It is not in the queue, and not among those that are remembered to have left.
    Unknown,
}

impl Engine {
    /// Looks at messages of a queue in whatever place, the oldest first, and changes nothing.
    pub fn peek(&mut self, now: Time, arn: &str, skip: usize, max: usize) -> Result<Vec<Peeked>, EngineError> {
        let slot = self.enter(now, arn)?;
        Ok(self.look(slot, |_| true, skip, max))
    }

    /// Looks for a message in a queue, and if it has left, for how. Of a message that was copied by
    /// [`duplicate`](Self::duplicate) it finds one that is left.
    ///
    /// This looks at every message of the queue: an index of ids would take memory for each. What has left is known as far
    /// as [`remember_departures`](Self::remember_departures) goes back, also of a queue that was deleted.
    pub fn locate(&mut self, now: Time, arn: &str, message_id: MessageId) -> Result<Located, EngineError> {
        let found = match self.enter(now, arn) {
            Ok(slot) => self.look(slot, |message| message.id == message_id, 0, 1).pop(),
            Err(error) if self.history.find(arn, message_id).is_none() => return Err(error),
            Err(_) => None,
        };
        let departure = || self.history.find(arn, message_id).cloned().map_or(Located::Unknown, Located::Gone);
        Ok(found.map_or_else(departure, Located::Here))
    }

    /// Remembers how so many messages left their queues, those that left last, for [`locate`](Self::locate): each takes
    /// about 100 bytes, which [`stored_bytes`](Self::stored_bytes) does not count. None if this is not called. Of the last
    /// ones that a receiver deleted, the messages are remembered too: up to 256, in up to 2 MiB.
    pub fn remember_departures(&mut self, departures_max: usize) {
        self.history.remember(departures_max);
    }

    /// The messages that receivers deleted last, the newest first, as far as they are
    /// [remembered](Self::remember_departures).
    pub fn deleted(&self) -> impl Iterator<Item = &Deleted> {
        self.history.deleted()
    }

    /// How many messages have come into a queue and gone from it.
    #[must_use]
    pub fn traffic(&self, arn: &str) -> Option<Traffic> {
        let slot = self.by_arn.get(arn)?;
        Some(self.queues[*slot].traffic())
    }

    /// What has happened in a queue since the process began.
    #[must_use]
    pub fn counts(&self, arn: &str) -> Option<&QueueCounts> {
        let slot = self.by_arn.get(arn)?;
        Some(&self.queues[*slot].counts)
    }

    /// Begins to count anew, after what was only done again: the commands of a journal.
    pub fn forget_counts(&mut self) {
        for slot in self.by_arn.values() {
            self.queues[*slot].counts = QueueCounts::default();
        }
    }

    fn look(&self, slot: u32, wanted: impl Fn(&Message) -> bool, skip: usize, max: usize) -> Vec<Peeked> {
        let queue = &self.queues[slot];
        let target = queue.settings.redrive_policy.as_ref().map(|policy| &policy.dead_letter_target);
        let redrives = target.is_some_and(|target| self.by_arn.contains_key(target));
        let view = queue.view(self.now, &self.limits, redrives);
        let slots = queue.slots().filter(|slot| wanted(&queue.entry(*slot).message)).skip(skip).take(max);
        slots
            .map(|slot| {
                let entry = queue.entry(slot);
                Peeked {
                    message: Arc::clone(&entry.message),
                    place: entry.place,
                    visible_at: entry.visible_at,
                    receive_count: entry.receive_count,
                    first_received_at: (entry.receive_count > 0).then_some(entry.first_received_at),
                    visibility: view.visibility(slot),
                    receipt_handle: queue.last_handle(slot),
                }
            })
            .collect()
    }
}
