//! One queue: where each of its messages is, and when that changes.
//!
//! Invariants:
//! - Every message is in exactly one place: *ready* (in `ready`), *delayed* or *in flight* (both in `hidden`).
//! - `hidden` is ordered by when its messages become ready, `by_age` by when they expire.
//! - No operation walks over messages that it does not change.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Delivery, Message, QueueArn, QueueAttributes, QueueSettings, ReceiptHandle, Time, slab::Slab, waiters::WaiterId,
};

/// The place of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Ready,
    Delayed,
    InFlight,
}

/// A message in its queue.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    /// Unique in the engine, so that a receipt handle can tell this message from a later one in its slot.
    sequence: u64,
    /// When it becomes, or became, ready.
    visible_at: Time,
    /// What its retention period is counted from.
    enqueued_at: Time,
    received_at: Time,
    first_received_at: Time,
    receive_count: u32,
    /// Receives from this queue, which alone count towards its redrive policy.
    receive_count_here: u32,
    place: Place,
}

/// Orders messages by a moment, and within it by arrival.
type Order = (Time, u64, u32);

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) arn: QueueArn,
    pub(super) settings: QueueSettings,
    pub(super) created_at: Time,
    pub(super) modified_at: Time,
    pub(super) purged_at: Option<Time>,
    /// Receives that wait for a message, the longest waiting first.
    pub(super) waiting: BTreeSet<WaiterId>,
    /// When the engine is to look at this queue again; kept by the engine.
    pub(super) wakeup: Option<Time>,
    /// This queue's number in the engine; never used again.
    number: u32,
    messages: Slab<Entry>,
    /// In the order in which they became ready, so that a message that keeps coming back does not hold up the others.
    ready: BTreeSet<Order>,
    hidden: BTreeSet<Order>,
    by_age: BTreeSet<Order>,
    delayed: usize,
}

impl Queue {
    pub(super) fn new(arn: QueueArn, number: u32, settings: QueueSettings, now: Time) -> Self {
        Self {
            arn,
            settings,
            created_at: now,
            modified_at: now,
            purged_at: None,
            waiting: BTreeSet::new(),
            wakeup: None,
            number,
            messages: Slab::default(),
            ready: BTreeSet::new(),
            hidden: BTreeSet::new(),
            by_age: BTreeSet::new(),
            delayed: 0,
        }
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn attributes(&self) -> QueueAttributes {
        QueueAttributes {
            arn: self.arn.clone(),
            settings: self.settings.clone(),
            messages: self.ready.len(),
            messages_delayed: self.delayed,
            messages_not_visible: self.in_flight(),
            created_at: self.created_at,
            modified_at: self.modified_at,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.hidden.len() - self.delayed
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next hidden message becomes ready.
    pub(super) fn next_visible_at(&self) -> Option<Time> {
        self.hidden.first().map(|order| order.0)
    }

    /// Makes true what time alone brings: expired messages go, hidden ones whose time has come become ready.
    pub(super) fn advance(&mut self, now: Time) {
        while let Some(&(enqueued_at, _, slot)) = self.by_age.first()
            && enqueued_at + self.settings.retention_period <= now
        {
            self.remove(slot);
        }
        while let Some(&(visible_at, _, slot)) = self.hidden.first()
            && visible_at <= now
        {
            self.place(slot, Place::Ready, visible_at);
        }
    }

    /// Takes in a message that nobody has received yet.
    pub(super) fn insert(&mut self, message: Message, sequence: u64, now: Time, delay: Duration) {
        let entry = Entry {
            message: Arc::new(message),
            sequence,
            visible_at: now,
            enqueued_at: now,
            received_at: now,
            first_received_at: now,
            receive_count: 0,
            receive_count_here: 0,
            place: Place::Ready,
        };
        let place = if delay.is_zero() { Place::Ready } else { Place::Delayed };
        self.link(Entry { place, visible_at: now + delay, ..entry });
    }

    /// Takes in a message that another queue gave up, with its past.
    ///
    /// A standard dead-letter queue keeps the time from which the retention is counted (developer guide, "Using
    /// dead-letter queues").
    pub(super) fn insert_dead_letter(&mut self, mut entry: Entry, source: &QueueArn, sequence: u64, now: Time) {
        Arc::make_mut(&mut entry.message).set_dead_letter_source(source.clone());
        self.link(Entry { sequence, place: Place::Ready, visible_at: now, receive_count_here: 0, ..entry });
    }

    fn link(&mut self, entry: Entry) {
        let (sequence, visible_at, enqueued_at, place) =
            (entry.sequence, entry.visible_at, entry.enqueued_at, entry.place);
        let slot = self.messages.insert(entry);
        self.by_age.insert((enqueued_at, sequence, slot));
        self.index_insert(place, (visible_at, sequence, slot));
    }

    fn index_insert(&mut self, place: Place, order: Order) {
        match place {
            Place::Ready => self.ready.insert(order),
            Place::Delayed => {
                self.delayed += 1;
                self.hidden.insert(order)
            }
            Place::InFlight => self.hidden.insert(order),
        };
    }

    fn index_remove(&mut self, place: Place, order: Order) {
        match place {
            Place::Ready => self.ready.remove(&order),
            Place::Delayed => {
                self.delayed -= 1;
                self.hidden.remove(&order)
            }
            Place::InFlight => self.hidden.remove(&order),
        };
    }

    fn place(&mut self, slot: u32, place: Place, visible_at: Time) {
        let entry = &mut self.messages[slot];
        let before = (entry.place, (entry.visible_at, entry.sequence, slot));
        entry.place = place;
        entry.visible_at = visible_at;
        let after = (visible_at, entry.sequence, slot);
        self.index_remove(before.0, before.1);
        self.index_insert(place, after);
    }

    /// The slot of the next message to hand out, and whether it has used up its receives.
    pub(super) fn next_ready(&self) -> Option<(u32, bool)> {
        let &(_, _, slot) = self.ready.first()?;
        let spent = self.settings.redrive_policy.as_ref();
        let spent = spent.is_some_and(|policy| self.messages[slot].receive_count_here >= policy.max_receive_count);
        Some((slot, spent))
    }

    /// Hands out a ready message.
    pub(super) fn deliver(&mut self, slot: u32, now: Time, visibility_timeout: Duration) -> Delivery {
        self.place(slot, Place::InFlight, now + visibility_timeout);
        let entry = &mut self.messages[slot];
        if entry.receive_count == 0 {
            entry.first_received_at = now;
        }
        entry.received_at = now;
        entry.receive_count += 1;
        entry.receive_count_here += 1;
        let (sequence, receive) = (entry.sequence, entry.receive_count_here);
        Delivery {
            message: Arc::clone(&entry.message),
            receipt_handle: ReceiptHandle { queue: self.number, slot, sequence, receive },
            receive_count: entry.receive_count,
            first_received_at: entry.first_received_at,
        }
    }

    /// The slot of the message that a handle stands for, if the message is still here.
    ///
    /// An older handle of a message that was received again still works on a standard queue (validated against AWS for
    /// a visibility change).
    pub(super) fn find(&self, handle: ReceiptHandle) -> Option<u32> {
        self.messages.get(handle.slot).filter(|entry| entry.sequence == handle.sequence).map(|_| handle.slot)
    }

    pub(super) fn received_at(&self, slot: u32) -> Time {
        self.messages[slot].received_at
    }

    /// Hides a received message until `visible_at`, also if its timeout had ended before (recorded).
    pub(super) fn hide(&mut self, slot: u32, visible_at: Time) {
        self.place(slot, Place::InFlight, visible_at);
    }

    pub(super) fn remove(&mut self, slot: u32) -> Entry {
        let entry = self.messages.remove(slot).expect("the slot is in use");
        self.by_age.remove(&(entry.enqueued_at, entry.sequence, slot));
        self.index_remove(entry.place, (entry.visible_at, entry.sequence, slot));
        entry
    }

    pub(super) fn purge(&mut self, now: Time) {
        self.messages.clear();
        self.ready.clear();
        self.hidden.clear();
        self.by_age.clear();
        self.delayed = 0;
        self.purged_at = Some(now);
    }

    /// Panics if an invariant does not hold. For tests.
    pub(super) fn check(&self) {
        assert_eq!(self.messages.len(), self.ready.len() + self.hidden.len(), "every message is in one place");
        assert_eq!(self.messages.len(), self.by_age.len(), "every message has an age");
        for &(visible_at, sequence, slot) in self.ready.iter().chain(&self.hidden) {
            let entry = &self.messages[slot];
            assert_eq!((entry.visible_at, entry.sequence), (visible_at, sequence), "the index is true");
        }
        let delayed = self.hidden.iter().filter(|order| self.messages[order.2].place == Place::Delayed).count();
        assert_eq!(self.delayed, delayed, "delayed messages are counted");
    }
}
