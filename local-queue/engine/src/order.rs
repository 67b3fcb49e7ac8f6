//! The order of messages in an index.

use crate::Time;

/// Slots of one queue: 67 million messages, which would take 30 GB.
const SLOT_BITS: u32 = 26;

/// Orders messages by a moment, and within it by arrival. It also says where the message is, in 16 bytes: an index has
/// one of these for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) time: Time,
    pub(crate) arrival: Arrival,
}

impl Order {
    pub(crate) fn new(time: Time, sequence: u64, slot: u32) -> Self {
        Self { time, arrival: Arrival::new(sequence, slot) }
    }

    pub(crate) const fn slot(self) -> u32 {
        self.arrival.slot()
    }

    /// Whether a message can have these two.
    pub(crate) const fn fits(sequence: u64, slot: u32) -> bool {
        slot < 1 << SLOT_BITS && sequence < 1 << (u64::BITS - SLOT_BITS)
    }
}

/// Orders messages by arrival alone. The upper bits are the sequence, the lower ones the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival(u64);

impl Arrival {
    pub(crate) fn new(sequence: u64, slot: u32) -> Self {
        assert!(slot < 1 << SLOT_BITS, "a queue has fewer than 2^{SLOT_BITS} messages");
        assert!(sequence < 1 << (u64::BITS - SLOT_BITS), "an engine sees fewer than 2^38 messages");
        Self(sequence << SLOT_BITS | u64::from(slot))
    }

    pub(crate) const fn slot(self) -> u32 {
        (self.0 & ((1 << SLOT_BITS) - 1)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_counts_before_the_arrival_and_the_slot_comes_back() {
        let order = |time, sequence, slot| Order::new(Time::from_millis(time), sequence, slot);
        let last_slot = (1 << SLOT_BITS) - 1;
        let sorted = [order(1, 9, 0), order(2, 3, last_slot), order(2, 4, 0), order(2, (1 << 38) - 1, 7)];
        assert!(sorted.is_sorted());
        assert_eq!(sorted.map(Order::slot), [0, last_slot, 0, 7]);
    }
}
