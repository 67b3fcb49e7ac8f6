//! The bound on memory, over all queues.

use std::time::Duration;

use super::Engine;
use crate::EngineError;

/// How often queues are looked through for what has expired, when there is no room.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

impl Engine {
    /// What all queues and messages take of memory, and all that is remembered of them: an estimate from above.
    #[must_use]
    pub const fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// How often something was refused because it would have taken [`stored_bytes`](Self::stored_bytes) over its bound.
    #[must_use]
    pub const fn refused_for_room(&self) -> u64 {
        self.refused_for_room
    }

    /// Bounds [`stored_bytes`](Self::stored_bytes), whatever the limits said: what would take more is refused.
    pub fn bound_storage(&mut self, stored_bytes_max: u64) {
        self.limits.stored_bytes_max = self.limits.stored_bytes_max.min(stored_bytes_max);
    }

    /// Brings the sum up to date after a change of a queue.
    pub(super) fn weigh(&mut self, slot: u32) {
        let queue = &mut self.queues[slot];
        let (before, after) = (queue.weighed, queue.stored_bytes());
        queue.weighed = after;
        self.stored_bytes = self.stored_bytes - before + after;
    }

    /// Refuses what would take the sum over its bound.
    pub(super) fn check_room(&mut self, bytes: u64) -> Result<(), EngineError> {
        let stored_bytes_max = self.limits.stored_bytes_max;
        let fits = |stored: u64| stored.saturating_add(bytes) <= stored_bytes_max;
        if fits(self.stored_bytes) || (self.forget_what_has_expired() && fits(self.stored_bytes)) {
            return Ok(());
        }
        self.refused_for_room += 1;
        Err(EngineError::StorageFull { stored_bytes: self.stored_bytes, stored_bytes_max })
    }

    /// Lets go what has expired in queues that nobody asks for; at most once a second, because it looks at every queue.
    fn forget_what_has_expired(&mut self) -> bool {
        if self.forgotten_at.is_some_and(|at| self.now.since(at) < FORGET_INTERVAL) {
            return false;
        }
        self.forgotten_at = Some(self.now);
        let slots = self.by_arn.values().copied().collect::<Vec<_>>();
        for slot in slots {
            self.queues[slot].advance(self.now, &self.limits, &mut self.history);
            self.settle(slot);
        }
        true
    }
}
