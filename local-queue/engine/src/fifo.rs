//! Which messages of a FIFO queue are next: in order within each message group, groups taking turns.
//!
//! Rules, validated against AWS:
//! - A receive takes as many messages as it can from the first available group, then goes on with the next.
//! - What can be received of a group is what comes before its first hidden message. So a group with messages in flight is
//!   locked, and when some of them come back early, those before the first one still in flight can be received.
//! - A group that becomes available goes to the end of the line.

mod image;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    num::NonZeroU64,
    time::Duration,
};

use crate::{
    Limits, MessageId, SequenceNumber, Time, footprint,
    message::DeduplicationKey,
    order::{Arrival, Order},
    slab::Slab,
};

#[derive(Debug, Default)]
struct Group {
    name: String,
    messages: BTreeSet<Arrival>,
    hidden: BTreeSet<Arrival>,
    /// Its place in the line of available groups.
    turn: Option<u64>,
}

impl Group {
    fn is_available(&self) -> bool {
        !self.messages.is_empty() && self.messages.first() != self.hidden.first()
    }
}

/// The message groups of a FIFO queue.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_key: Slab<Group>,
    by_name: HashMap<String, u32>,
    line: BTreeMap<u64, u32>,
    turns: u64,
    name_bytes: u64,
}

impl Groups {
    /// The group of this name, made if need be.
    pub(crate) fn enter(&mut self, name: &str) -> u32 {
        if let Some(key) = self.by_name.get(name) {
            return *key;
        }
        let key = self.by_key.insert(Group { name: name.to_owned(), ..Group::default() });
        self.by_name.insert(name.to_owned(), key);
        self.name_bytes += footprint::of_group(name);
        key
    }

    pub(crate) fn insert(&mut self, key: u32, Order { arrival, .. }: Order, is_hidden: bool) {
        let group = &mut self.by_key[key];
        group.messages.insert(arrival);
        if is_hidden {
            group.hidden.insert(arrival);
        }
        self.update_turn(key);
    }

    pub(crate) fn remove(&mut self, key: u32, Order { arrival, .. }: Order) {
        let group = &mut self.by_key[key];
        group.messages.remove(&arrival);
        group.hidden.remove(&arrival);
        if canary!(GroupUnlockedByDelete) {
            group.hidden.clear();
        }
        self.update_turn(key);
        if self.by_key[key].messages.is_empty() {
            let group = self.by_key.remove(key).expect("the group is in use");
            self.by_name.remove(&group.name);
            self.name_bytes -= footprint::of_group(&group.name);
        }
    }

    pub(crate) fn hide(&mut self, key: u32, Order { arrival, .. }: Order) {
        self.by_key[key].hidden.insert(arrival);
        self.update_turn(key);
    }

    pub(crate) fn show(&mut self, key: u32, Order { arrival, .. }: Order) {
        self.by_key[key].hidden.remove(&arrival);
        self.update_turn(key);
    }

    /// What the groups take of memory.
    pub(crate) const fn name_bytes(&self) -> u64 {
        self.name_bytes
    }

    pub(crate) fn has_available(&self) -> bool {
        !self.line.is_empty()
    }

    /// The slots of the next messages to hand out: up to `max` of the first available group.
    pub(crate) fn next(&self, max: usize, slots: &mut Vec<u32>) {
        let Some(key) = self.line.values().next() else { return };
        let group = &self.by_key[*key];
        let until = group.hidden.first().filter(|_| !canary!(HiddenMessagesHandedOut));
        let available = group.messages.iter().take_while(|arrival| Some(*arrival) != until);
        slots.extend(available.take(max).map(|arrival| arrival.slot()));
    }

    /// The slot of the first message of a group that cannot be received, behind which the others wait.
    pub(crate) fn first_hidden(&self, key: u32) -> Option<u32> {
        self.by_key[key].hidden.first().map(|arrival| arrival.slot())
    }

    fn update_turn(&mut self, key: u32) {
        let group = &mut self.by_key[key];
        match (group.turn, group.is_available()) {
            (None, true) => {
                self.turns += 1;
                let turn = if canary!(NewestGroupFirst) { u64::MAX - self.turns } else { self.turns };
                group.turn = Some(turn);
                self.line.insert(turn, key);
            }
            (Some(turn), false) => {
                group.turn = None;
                self.line.remove(&turn);
            }
            _ => {}
        }
    }
}

/// What a FIFO queue remembers of the messages sent in the last five minutes.
///
/// A busy queue remembers hundreds of thousands. So they stand in a line by age, and are found by the hashes of their keys,
/// which a map that grows can move without looking at a key.
#[derive(Debug, Default)]
pub(crate) struct Deduplication {
    by_age: VecDeque<Seen>,
    /// How many have been forgotten. Messages are numbered from 1.
    forgotten: u64,
    /// The number of the last message whose key has this hash.
    by_hash: HashMap<u64, NonZeroU64, BuildHasherDefault<AsItIs>>,
    hashes: RandomState,
    bytes: u64,
}

#[derive(Debug)]
struct Seen {
    message_id: MessageId,
    sequence_number: SequenceNumber,
    sent_at: Time,
    key: DeduplicationKey,
    /// The number of the message before whose key has the same hash; it may be forgotten.
    before: Option<NonZeroU64>,
}

impl Deduplication {
    pub(crate) fn advance(&mut self, now: Time, limits: &Limits) {
        let now = if canary!(DeduplicationOffByOne) { now - Duration::from_millis(1) } else { now };
        while let Some(Seen { sent_at, .. }) = self.by_age.front()
            && *sent_at + limits.deduplication_interval <= now
        {
            if let Some(Seen { key, .. }) = self.by_age.pop_front() {
                self.forgotten += 1;
                self.bytes -= footprint::of_deduplication(&key);
                if self.by_hash.get(&key.hash).is_some_and(|last| last.get() <= self.forgotten) {
                    self.by_hash.remove(&key.hash);
                }
            }
        }
    }

    /// The key of this text.
    pub(crate) fn key(&self, text: impl Into<Box<str>>) -> DeduplicationKey {
        let text = text.into();
        DeduplicationKey { hash: self.hashes.hash_one(&text), text }
    }

    /// The first message that was sent with this key, if it was within the interval.
    pub(crate) fn find(&self, key: &DeduplicationKey) -> Option<(MessageId, SequenceNumber)> {
        let mut number = *self.by_hash.get(&key.hash)?;
        loop {
            let place = number.get().checked_sub(self.forgotten + 1)?;
            let seen = self.by_age.get(usize::try_from(place).ok()?)?;
            if seen.key.text == key.text {
                return Some((seen.message_id, seen.sequence_number));
            }
            number = seen.before?;
        }
    }

    /// AWS (validated): this outlives the message. A late repetition is a duplicate also after a delete.
    pub(crate) fn remember(
        &mut self,
        key: DeduplicationKey,
        (message_id, sequence_number): (MessageId, SequenceNumber),
        now: Time,
    ) {
        self.bytes += footprint::of_deduplication(&key);
        let number = NonZeroU64::MIN.saturating_add(self.forgotten + self.by_age.len() as u64);
        let before = self.by_hash.insert(key.hash, number);
        self.by_age.push_back(Seen { message_id, sequence_number, sent_at: now, key, before });
    }

    /// What this takes of memory.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Takes a number that is a hash already for its own hash.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not for what is hashed here, but right for all.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What a FIFO queue remembers of receives that named themselves.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_id: HashMap<String, (Time, Vec<Handed>)>,
    by_age: VecDeque<(Time, String)>,
    bytes: u64,
}

/// One message that a receive was handed: its slot, its sequence, and which receive of it that was.
pub(crate) type Handed = (u32, u64, u32);

impl Attempts {
    pub(crate) fn advance(&mut self, now: Time, limits: &Limits) {
        while let Some((received_at, _)) = self.by_age.front()
            && !canary!(AttemptNeverForgotten)
            && *received_at + limits.deduplication_interval <= now
        {
            // An attempt id that was used anew since then lives on.
            if let Some((received_at, id)) = self.by_age.pop_front()
                && self.by_id.get(&id).is_some_and(|attempt| attempt.0 == received_at)
            {
                self.forget(&id);
            }
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<&[Handed]> {
        self.by_id.get(id).map(|attempt| attempt.1.as_slice())
    }

    /// The id of the receive that handed out a message; looks at all that are remembered.
    pub(crate) fn id_of(&self, message: Handed) -> Option<&str> {
        let mut attempts = self.by_id.iter();
        attempts.find(|(_, (_, handed))| handed.contains(&message)).map(|(id, _)| id.as_str())
    }

    pub(crate) fn forget(&mut self, id: &str) {
        if let Some((_, handed)) = self.by_id.remove(id) {
            self.bytes -= footprint::of_attempt(id, handed.len());
        }
    }

    pub(crate) fn remember(&mut self, id: String, handed: Vec<Handed>, now: Time) {
        // One that is used anew is in the line by age twice, for which there is room.
        self.forget(&id);
        self.bytes += footprint::of_attempt(&id, handed.len());
        self.by_age.push_back((now, id.clone()));
        self.by_id.insert(id, (now, handed));
    }

    /// What this takes of memory.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_hash_are_told_apart_and_forgotten_by_age() {
        let mut seen = Deduplication::default();
        let limits = Limits::STRICT;
        let message = |number: u64| (MessageId::from_random(number, number), SequenceNumber(number));
        let at = |seconds: u64| Time::from_millis(seconds * 1_000);
        let key = |number: u64| DeduplicationKey { text: format!("id-{number}").into(), hash: number % 2 };
        for number in 0..6 {
            assert_eq!(seen.find(&key(number)), None);
            seen.remember(key(number), message(number), at(number));
        }
        for forgotten in 0..=6 {
            for number in 0..6 {
                let expected = (number >= forgotten).then(|| message(number));
                assert_eq!(seen.find(&key(number)), expected, "{number} when {forgotten} are forgotten");
            }
            seen.advance(at(forgotten) + limits.deduplication_interval, &limits);
        }
        assert_eq!((seen.bytes(), seen.by_age.len(), seen.by_hash.len()), (0, 0, 0));
    }
}
