//! One queue: where each of its messages is, and when that changes.
//!
//! Invariants:
//! - Every message is in exactly one place: *ready*, *delayed* or *in flight*. The last two are *hidden*.
//! - `hidden` is ordered by when its messages become ready, `by_age` by when they expire.
//! - Which ready message is next is decided by `line`: fair tenants on a standard queue, message groups on a FIFO queue. In
//!   both a message keeps its place by when it came into the queue, however often it is received and comes back.
//! - No operation walks over messages that it does not change.

mod image;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{
    Delivery, Limits, Message, MessageId, MoveTask, Place, QueueArn, QueueAttributes, QueueCounts, QueueNumber,
    QueueSettings, ReceiptHandle, Time,
    fifo::{Attempts, Deduplication, Groups, Handed},
    footprint::{self, of_bytes, of_text},
    history::{History, Transition},
    order::{Arrival, Order},
    ordered_set::OrderedSet,
    quota::Quota,
    slab::Slab,
    standard::Tenants,
    waiters::WaiterId,
};

/// A message in its queue.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    /// Unique in the engine, so that a receipt handle can tell this message from a later one in its slot.
    pub(crate) sequence: u64,
    /// When it becomes, or became, ready.
    pub(crate) visible_at: Time,
    /// What its retention period is counted from.
    enqueued_at: Time,
    received_at: Time,
    pub(crate) first_received_at: Time,
    pub(crate) receive_count: u32,
    /// Receives from this queue, which alone count towards its redrive policy.
    receive_count_here: u32,
    /// Its tenant or its message group.
    group: u32,
    pub(crate) place: Place,
    /// Whether its visibility was changed since it was received.
    changed: bool,
}

impl Entry {
    pub(crate) const fn received_at(&self) -> Time {
        self.received_at
    }
}

/// How many messages have come into a queue and gone from it since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sent, moved or dead-lettered into it, with those that were there at the start.
    pub entered: u64,
    /// Deleted, moved away, expired or purged.
    pub left: u64,
    /// Those of them that went to the dead-letter queue.
    pub dead_lettered: u64,
}

/// Who is next among the ready messages.
#[derive(Debug)]
enum Line {
    Standard(Tenants),
    Fifo(Groups),
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) arn: QueueArn,
    pub(crate) settings: QueueSettings,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_at: Time,
    pub(crate) modified_at: Time,
    pub(crate) purged_at: Option<Time>,
    /// Receives that wait for a message, the longest waiting first.
    pub(crate) waiting: BTreeSet<WaiterId>,
    /// When the engine is to look at this queue again; kept by the engine.
    pub(crate) wakeup: Option<Time>,
    pub(crate) deduplication: Deduplication,
    pub(crate) attempts: Attempts,
    pub(crate) quota: Quota,
    /// Tasks that move messages away from here, the newest last.
    pub(crate) move_tasks: Vec<MoveTask>,
    /// What the engine has last counted this queue as.
    pub(crate) weighed: u64,
    pub(crate) counts: QueueCounts,
    /// What it takes of memory without its messages, and what these take.
    own_bytes: u64,
    message_bytes: u64,
    /// Messages that have come in, counted from those on that were here when the process began.
    entered: u64,
    pub(crate) dead_lettered: u64,
    number: QueueNumber,
    messages: Slab<Entry>,
    line: Line,
    /// The ranks of messages of a standard queue that are not their own sequences: of copies and of those that a fault has
    /// put off. By slot; empty without faults.
    ranks: HashMap<u32, u64>,
    hidden: OrderedSet<Order>,
    by_age: OrderedSet<Order>,
    delayed: usize,
}

impl Queue {
    pub(crate) fn new(arn: QueueArn, number: QueueNumber, settings: QueueSettings, now: Time) -> Self {
        let mut queue = Self {
            line: new_line(&arn),
            arn,
            settings,
            tags: BTreeMap::new(),
            created_at: now,
            modified_at: now,
            purged_at: None,
            waiting: BTreeSet::new(),
            wakeup: None,
            deduplication: Deduplication::default(),
            attempts: Attempts::default(),
            quota: Quota::default(),
            move_tasks: Vec::new(),
            weighed: 0,
            counts: QueueCounts::default(),
            own_bytes: 0,
            message_bytes: 0,
            entered: 0,
            dead_lettered: 0,
            number,
            messages: Slab::default(),
            ranks: HashMap::new(),
            hidden: OrderedSet::default(),
            by_age: OrderedSet::default(),
            delayed: 0,
        };
        queue.change_own(|_| ());
        queue
    }

    /// Changes tags or settings, which take memory.
    pub(crate) fn change_own(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.own_bytes = self.footprint();
    }

    /// What this queue takes of memory with everything in it.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let names = match &self.line {
            Line::Standard(tenants) => tenants.name_bytes(),
            Line::Fifo(groups) => groups.name_bytes(),
        };
        self.own_bytes + self.message_bytes + names + self.deduplication.bytes() + self.attempts.bytes()
    }

    /// How many messages have come and gone.
    pub(crate) fn traffic(&self) -> Traffic {
        let left = self.entered.saturating_sub(self.messages.len() as u64);
        Traffic { entered: self.entered, left, dead_lettered: self.dead_lettered }
    }

    pub(crate) const fn number(&self) -> QueueNumber {
        self.number
    }

    pub(crate) fn is_fifo(&self) -> bool {
        matches!(self.line, Line::Fifo(_))
    }

    pub(crate) fn attributes(&self) -> QueueAttributes {
        QueueAttributes {
            arn: self.arn.clone(),
            settings: self.settings.clone(),
            messages: self.ready(),
            messages_delayed: self.delayed,
            messages_not_visible: self.in_flight(),
            created_at: self.created_at,
            modified_at: self.modified_at,
        }
    }

    pub(crate) fn ready(&self) -> usize {
        self.messages.len() - self.hidden.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.hidden.len() - self.delayed
    }

    /// Whether a receive would find something.
    pub(crate) fn has_available(&self) -> bool {
        match &self.line {
            Line::Standard(tenants) => tenants.has_ready(),
            Line::Fifo(groups) => groups.has_available(),
        }
    }

    /// When the next hidden message becomes ready or the next message expires, which may make way for others.
    pub(crate) fn next_change(&self) -> Option<Time> {
        let visible_at = self.hidden.first().map(|order| order.time);
        [visible_at, self.next_expiry()].into_iter().flatten().min()
    }

    fn next_expiry(&self) -> Option<Time> {
        let extra = Duration::from_millis(u64::from(canary!(RetentionOffByOne)));
        self.by_age.first().map(|order| order.time + self.settings.retention_period + extra)
    }

    /// Makes true what time alone brings, each at its own moment: expired messages go, hidden ones whose time has come
    /// become ready. The order decides whose turn is next on a FIFO queue.
    pub(crate) fn advance(&mut self, now: Time, limits: &Limits, history: &mut History) {
        while let Some(at) = self.next_change().filter(|at| *at <= now) {
            if self.next_expiry() == Some(at) {
                let oldest = self.by_age.first().expect("a message expires").slot();
                let entry = self.remove(oldest);
                history.note(at, &self.arn, entry.message.id, entry.receive_count, Transition::Expired);
            } else {
                let first = self.hidden.first().expect("a message becomes ready").slot();
                let entry = &self.messages[first];
                let is_back = entry.place == Place::InFlight;
                let transition = if is_back { Transition::Returned } else { Transition::DelayEnded };
                history.note(at, &self.arn, entry.message.id, entry.receive_count, transition);
                self.move_to(first, Place::Ready, at);
            }
        }
        if self.is_fifo() {
            self.deduplication.advance(now, limits);
            self.attempts.advance(now, limits);
        }
    }

    /// The receive that has waited longest.
    pub(crate) fn next_waiter(&self) -> Option<WaiterId> {
        if canary!(NewestWaiterFirst) { self.waiting.last().copied() } else { self.waiting.first().copied() }
    }

    /// Takes in a message that nobody has received yet.
    pub(crate) fn insert(&mut self, message: Message, sequence: u64, now: Time, delay: Duration) {
        let place = if delay.is_zero() { Place::Ready } else { Place::Delayed };
        self.link(
            Entry {
                message: Arc::new(message),
                sequence,
                visible_at: now + delay,
                enqueued_at: now,
                received_at: now,
                first_received_at: now,
                receive_count: 0,
                receive_count_here: 0,
                group: 0,
                place,
                changed: false,
            },
            now,
        );
    }

    /// Takes in a message that another queue gave up, with its past.
    ///
    /// A standard dead-letter queue keeps the time from which the retention is counted, a FIFO one counts anew (developer
    /// guide, "Using dead-letter queues").
    pub(crate) fn insert_dead_letter(&mut self, mut entry: Entry, source: &QueueArn, sequence: u64, now: Time) {
        Arc::make_mut(&mut entry.message).set_dead_letter_source(source.clone());
        let counts_anew = if canary!(DeadLetterAgeSwapped) { !self.is_fifo() } else { self.is_fifo() };
        let enqueued_at = if counts_anew { now } else { entry.enqueued_at };
        if canary!(DeadLetterCountStartsAnew) {
            entry.receive_count = 0;
        }
        let place = Place::Ready;
        self.link(Entry { sequence, place, visible_at: now, enqueued_at, receive_count_here: 0, ..entry }, now);
    }

    fn link(&mut self, entry: Entry, now: Time) -> u32 {
        let slot = self.messages.insert(entry);
        self.index(slot, now);
        slot
    }

    /// Makes a message known that has its slot.
    fn index(&mut self, slot: u32, now: Time) {
        let entry = &mut self.messages[slot];
        self.message_bytes += entry.message.footprint();
        self.entered += 1;
        let group = entry.message.group_id();
        entry.group = match &mut self.line {
            Line::Standard(tenants) => tenants.enter(group, now),
            Line::Fifo(groups) => groups.enter(group.unwrap_or_default()),
        };
        let (group, place, enqueued_at) = (entry.group, entry.place, entry.enqueued_at);
        let (visible_at, sequence) = (entry.visible_at, entry.sequence);
        let order = Order::new(visible_at, sequence, slot);
        self.by_age.insert(Order::new(enqueued_at, sequence, slot));
        if let Line::Fifo(groups) = &mut self.line {
            groups.insert(group, order, place != Place::Ready);
        }
        self.enter_place(group, place, order);
    }

    /// Where a message stands among those of a standard queue: AWS (validated) hands out, as far as it keeps an order, by
    /// when a message was first sent, so that one that comes back is next.
    fn rank(&self, order: Order) -> Arrival {
        match self.ranks.get(&order.slot()) {
            Some(&sequence) => Arrival::new(sequence, order.slot()),
            None => order.arrival,
        }
    }

    fn enter_place(&mut self, group: u32, place: Place, order: Order) {
        if place == Place::Ready {
            let rank = self.rank(order);
            match &mut self.line {
                Line::Standard(tenants) => tenants.insert_ready(group, rank),
                Line::Fifo(groups) => groups.show(group, order),
            }
            return;
        }
        self.hidden.insert(order);
        self.delayed += usize::from(place == Place::Delayed);
        match &mut self.line {
            Line::Standard(tenants) if place == Place::InFlight => tenants.enter_flight(group),
            Line::Standard(_) => {}
            Line::Fifo(groups) => groups.hide(group, order),
        }
    }

    /// A message that leaves a place enters another or leaves the queue, which a message group is told then.
    fn leave_place(&mut self, group: u32, place: Place, order: Order) {
        if place != Place::Ready {
            self.hidden.remove(&order);
            self.delayed -= usize::from(place == Place::Delayed);
        }
        let rank = self.rank(order);
        if let Line::Standard(tenants) = &mut self.line {
            match place {
                Place::Ready => tenants.remove_ready(group, rank),
                Place::InFlight => tenants.leave_flight(group),
                Place::Delayed => {}
            }
        }
    }

    fn move_to(&mut self, slot: u32, place: Place, visible_at: Time) {
        let entry = &mut self.messages[slot];
        let (group, before) = (entry.group, entry.place);
        let order_before = Order::new(entry.visible_at, entry.sequence, slot);
        let order = Order::new(visible_at, entry.sequence, slot);
        entry.place = place;
        entry.visible_at = visible_at;
        if canary!(ReturnedStandsLast) && (before, place) == (Place::InFlight, Place::Ready) {
            self.ranks.insert(slot, entry.sequence + (1 << 37));
        }
        self.leave_place(group, before, order_before);
        self.enter_place(group, place, order);
    }

    /// The slots of the next messages to hand out, in order: at least one if there is any, at most `max`.
    pub(crate) fn next(&mut self, max: usize, now: Time, slots: &mut Vec<u32>) {
        let in_flight = self.in_flight();
        match &mut self.line {
            Line::Standard(tenants) => slots.extend(tenants.next(now, in_flight)),
            Line::Fifo(groups) => groups.next(max, slots),
        }
    }

    /// Whether a message has used up its receives.
    pub(crate) fn is_spent(&self, slot: u32) -> bool {
        let policy = self.settings.redrive_policy.as_ref();
        let extra = u32::from(canary!(DeadLetterOneReceiveLate));
        policy.is_some_and(|policy| self.messages[slot].receive_count_here >= policy.max_receive_count + extra)
    }

    /// Hands out a ready message.
    pub(crate) fn deliver(&mut self, slot: u32, now: Time, visibility_timeout: Duration) -> Delivery {
        let extra = Duration::from_millis(u64::from(canary!(VisibilityOffByOne)));
        self.move_to(slot, Place::InFlight, now + visibility_timeout + extra);
        let entry = &mut self.messages[slot];
        if entry.receive_count == 0 {
            entry.first_received_at = now;
        }
        entry.received_at = now;
        entry.receive_count += 1;
        entry.receive_count_here += 1;
        entry.changed = false;
        self.delivery(slot)
    }

    fn delivery(&self, slot: u32) -> Delivery {
        let entry = &self.messages[slot];
        Delivery {
            message: Arc::clone(&entry.message),
            receipt_handle: self.last_handle(slot),
            receive_count: entry.receive_count,
            first_received_at: entry.first_received_at,
        }
    }

    /// The handle that the last receive of a message has given, or one of no receive.
    pub(crate) fn last_handle(&self, slot: u32) -> ReceiptHandle {
        let entry = &self.messages[slot];
        let (queue, sequence, receive) = (self.number, entry.sequence, entry.receive_count_here);
        ReceiptHandle { queue, slot, sequence, receive }
    }

    /// Hands out again what an attempt was handed, if nothing of it has changed since.
    pub(crate) fn repeat(&mut self, handed: &[Handed], now: Time, timeout: Duration) -> Option<Vec<Delivery>> {
        let unchanged = handed.iter().all(|&(slot, sequence, receive)| {
            self.messages.get(slot).is_some_and(|entry| {
                (entry.sequence, entry.receive_count_here) == (sequence, receive)
                    && (entry.place == Place::InFlight || canary!(AttemptSurvivesReturn))
                    && (!entry.changed || canary!(AttemptSurvivesChange))
            })
        });
        unchanged.then(|| {
            let again = handed.iter().map(|&(slot, ..)| {
                let timeout = if canary!(RepeatKeepsTimeout) { Duration::from_secs(30) } else { timeout };
                self.move_to(slot, Place::InFlight, now + timeout);
                self.messages[slot].received_at = now;
                self.delivery(slot)
            });
            again.collect()
        })
    }

    /// The slot of the message that a handle stands for, if the message is still here.
    ///
    /// An older handle of a message that was received again still works on a standard queue (validated against AWS for
    /// a visibility change).
    pub(crate) fn find(&self, handle: ReceiptHandle) -> Option<u32> {
        self.messages.get(handle.slot).filter(|entry| entry.sequence == handle.sequence).map(|_| handle.slot)
    }

    /// Undoes the receive of this handle, if the message is as that has left it, and says which message that is and how
    /// often it was received without it.
    pub(crate) fn take_back(&mut self, handle: ReceiptHandle) -> Option<(MessageId, u32)> {
        let slot = self.find(handle).filter(|_| handle.queue == self.number)?;
        let entry = &mut self.messages[slot];
        if entry.receive_count_here != handle.receive || entry.place != Place::InFlight || entry.changed {
            return None;
        }
        entry.receive_count -= 1;
        entry.receive_count_here -= 1;
        // Before those that have come since.
        let (enqueued_at, taken_back) = (entry.enqueued_at, (entry.message.id, entry.receive_count));
        self.move_to(slot, Place::Ready, enqueued_at);
        Some(taken_back)
    }

    /// Whether a handle of a message that is still here has lost its right. That is a matter of FIFO queues (recorded).
    pub(crate) fn is_expired(&self, handle: ReceiptHandle) -> bool {
        let entry = &self.messages[handle.slot];
        let is_old = entry.receive_count_here != handle.receive && !canary!(OldHandleAccepted);
        self.is_fifo() && (is_old || (entry.place != Place::InFlight && !canary!(ExpiredHandleAccepted)))
    }

    /// Takes in a copy of a message, which can be received at once, where the message would stand, and has a handle of its
    /// own.
    pub(crate) fn copy(&mut self, slot: u32, sequence: u64, now: Time) {
        let entry = &self.messages[slot];
        let rank = self.ranks.get(&slot).copied().unwrap_or(entry.sequence);
        let message = Arc::clone(&entry.message);
        let copy = Entry { message, sequence, visible_at: now, place: Place::Ready, changed: false, ..*entry };
        let copy = self.link(copy, now);
        self.stand(copy, rank);
    }

    /// Lets a ready message of a standard queue come after all others that are there now, for which `rank` is a sequence
    /// that no message has.
    pub(crate) fn postpone(&mut self, slot: u32, rank: u64) {
        self.stand(slot, rank);
    }

    fn stand(&mut self, slot: u32, rank: u64) {
        let entry = &self.messages[slot];
        let (group, place) = (entry.group, entry.place);
        let order = Order::new(entry.visible_at, entry.sequence, slot);
        self.leave_place(group, place, order);
        self.ranks.insert(slot, rank);
        self.enter_place(group, place, order);
    }

    pub(crate) fn received_at(&self, slot: u32) -> Time {
        self.messages[slot].received_at
    }

    /// Hides a received message until `visible_at`, also if its timeout had ended before (recorded).
    pub(crate) fn hide(&mut self, slot: u32, visible_at: Time) {
        self.move_to(slot, Place::InFlight, visible_at);
        self.messages[slot].changed = true;
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Entry {
        let entry = self.messages.remove(slot).expect("the slot is in use");
        self.message_bytes -= entry.message.footprint();
        let order = Order::new(entry.visible_at, entry.sequence, slot);
        self.by_age.remove(&Order::new(entry.enqueued_at, entry.sequence, slot));
        self.leave_place(entry.group, entry.place, order);
        match &mut self.line {
            Line::Standard(tenants) => tenants.leave(entry.group),
            Line::Fifo(groups) => groups.remove(entry.group, order),
        }
        if !self.ranks.is_empty() {
            self.ranks.remove(&slot);
        }
        entry
    }

    /// Removes every message, and what is remembered for deduplication (validated).
    pub(crate) fn purge(&mut self, now: Time) {
        self.messages.clear();
        self.message_bytes = 0;
        self.line = new_line(&self.arn);
        self.ranks.clear();
        self.hidden.clear();
        self.by_age.clear();
        if !canary!(DelayedCountedAfterPurge) {
            self.delayed = 0;
        }
        if !canary!(DeduplicationOutlivesPurge) {
            self.deduplication = Deduplication::default();
        }
        self.attempts = Attempts::default();
        self.purged_at = Some(now);
    }

    /// Its messages by age, the oldest first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        self.by_age.iter().map(|order| order.slot())
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots().map(|slot| &self.messages[slot])
    }

    pub(crate) fn entry(&self, slot: u32) -> &Entry {
        &self.messages[slot]
    }

    /// A queue without its messages: itself, its name, which other indexes have as well, its tags and its long texts.
    fn footprint(&self) -> u64 {
        let tags = self.tags.iter().map(|(key, value)| 64 + of_bytes(key.len()) + of_bytes(value.len()));
        let texts = [&self.settings.policy, &self.settings.kms_master_key_id].map(|text| of_text(text.as_deref()));
        footprint::QUEUE + 4 * of_bytes(self.arn.as_str().len()) + tags.sum::<u64>() + texts.iter().sum::<u64>()
    }

    /// Panics if an invariant does not hold. For tests.
    pub(crate) fn check(&self) {
        assert_eq!(self.messages.len(), self.by_age.len(), "every message has an age");
        for &order in self.hidden.iter() {
            let entry = &self.messages[order.slot()];
            assert_eq!(Order::new(entry.visible_at, entry.sequence, order.slot()), order, "the index is true");
            assert_ne!(entry.place, Place::Ready, "a hidden message is not ready");
        }
        let message_bytes = self.entries().map(|entry| entry.message.footprint()).sum::<u64>();
        assert_eq!(self.message_bytes, message_bytes, "the memory of messages is counted");
        assert_eq!(self.own_bytes, self.footprint(), "the memory of a queue is counted");
        let count = |place| self.entries().filter(|entry| entry.place == place).count();
        assert_eq!(self.delayed, count(Place::Delayed), "delayed messages are counted");
        assert_eq!(self.ready(), count(Place::Ready), "ready messages are counted");
    }
}

fn new_line(arn: &QueueArn) -> Line {
    if arn.is_fifo() { Line::Fifo(Groups::default()) } else { Line::Standard(Tenants::new()) }
}
