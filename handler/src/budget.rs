//! What jobs may spend: time and memory. Both are values that are spent, not numbers that are compared.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::failure::{Blame, Failure, Retry};

pub use sqs_batch::deadline::Deadline;

/// Bytes to a permit: a semaphore's permits are counted in `u32`, memory in gigabytes.
const UNIT_BYTES: u64 = 4096;

/// Memory that jobs share. Cheap to clone.
///
/// - First come, first served: a large job is not overtaken for ever by small ones.
/// - A job larger than all of it is refused at once and for good, so no wait is endless.
/// - Waiting is bounded by a timeout and by the deadline.
///
/// Whoever needs two kinds of memory takes them from two of these, always in the same order.
#[derive(Clone, Debug)]
pub struct Memory {
    permits: Arc<Semaphore>,
    units_total: u32,
    wait_max: Duration,
}

/// Memory that is taken; given back when dropped. It moves into the thread that uses the memory.
#[derive(Debug)]
pub struct MemoryPermit(OwnedSemaphorePermit);

impl Memory {
    /// So many bytes in all, and how long a job waits for its share.
    #[must_use]
    pub fn new(bytes_total: u64, wait_max: Duration) -> Self {
        let units_max = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units_total = u32::try_from(bytes_total / UNIT_BYTES).unwrap_or(u32::MAX).clamp(1, units_max);
        Self { permits: Arc::new(Semaphore::new(units_total as usize)), units_total, wait_max }
    }

    /// Takes bytes, waiting for others to give theirs back.
    ///
    /// Fails for good when there will never be as many, and for another invocation when there were not in time.
    pub async fn spend(&self, bytes: u64, deadline: &Deadline) -> Result<MemoryPermit, Failure> {
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        let units = u32::try_from(units).ok().filter(|units| *units <= self.units_total).ok_or_else(|| {
            let total = mib(self.total_bytes());
            let text = format!("the job needs {} of memory; {total} are configured", mib(bytes));
            Failure::permanent(Blame::Limits, "memory-too-small", text)
        })?;
        let waited = Instant::now() + self.wait_max;
        let until = deadline.work_until().map_or(waited, |work_until| work_until.min(waited));
        if let Ok(Ok(permit)) = tokio::time::timeout_at(until, self.permits.clone().acquire_many_owned(units)).await {
            return Ok(MemoryPermit(permit));
        }
        let text = format!("timed out waiting for {} of image memory", mib(bytes));
        Err(Failure::new(Blame::Limits, Retry::NextAttempt, "no-memory", text))
    }

    /// Raises what was taken to so many bytes in all, if they are free at once: nobody who waits is overtaken.
    #[must_use]
    pub fn try_raise(&self, permit: &mut MemoryPermit, bytes: u64) -> bool {
        let Ok(units) = u32::try_from(bytes.div_ceil(UNIT_BYTES)) else { return false };
        let held = u32::try_from(permit.0.num_permits()).unwrap_or(u32::MAX);
        let Ok(more) = self.permits.clone().try_acquire_many_owned(units.saturating_sub(held)) else { return false };
        permit.0.merge(more);
        true
    }

    /// All bytes, held or not.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        u64::from(self.units_total) * UNIT_BYTES
    }

    /// Bytes that nobody holds.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.permits.available_permits() as u64 * UNIT_BYTES
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[tokio::test(start_paused = true)]
    async fn a_job_larger_than_all_memory_fails_for_good_at_once() {
        let memory = Memory::new(64 * MIB, Duration::from_mins(1));
        let before = Instant::now();
        let failure = memory.spend(65 * MIB, &Deadline::NEVER).await.unwrap_err();
        assert_eq!((failure.blame, failure.retry, before.elapsed()), (Blame::Limits, Retry::Never, Duration::ZERO));
        assert_eq!(failure.message, "the job needs 65 MiB of memory; 64 MiB are configured");
        assert!(memory.spend(u64::MAX, &Deadline::NEVER).await.is_err());
        assert!(memory.spend(64 * MIB, &Deadline::NEVER).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_limit_and_before_the_deadline() {
        let memory = Memory::new(64 * MIB, Duration::from_secs(30));
        let _held = memory.spend(60 * MIB, &Deadline::NEVER).await.unwrap();
        let before = Instant::now();
        let failure = memory.spend(8 * MIB, &Deadline::NEVER).await.unwrap_err();
        assert_eq!((failure.retry, before.elapsed()), (Retry::NextAttempt, Duration::from_secs(30)));
        let deadline = Deadline::after(Duration::from_secs(5), Duration::from_secs(1));
        let before = Instant::now();
        assert!(memory.spend(8 * MIB, &deadline).await.is_err());
        assert_eq!(before.elapsed(), Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_job_is_not_overtaken_for_ever() {
        let memory = Memory::new(64 * MIB, Duration::from_hours(1));
        let first = memory.spend(32 * MIB, &Deadline::NEVER).await.unwrap();
        let large = tokio::spawn({
            let memory = memory.clone();
            async move { memory.spend(64 * MIB, &Deadline::NEVER).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let small = tokio::spawn({
            let memory = memory.clone();
            async move { memory.spend(MIB, &Deadline::NEVER).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!small.is_finished(), "a small job went past a waiting large one");
        drop(first);
        large.await.unwrap().unwrap();
        small.await.unwrap().unwrap();
        assert_eq!(memory.free_bytes(), 64 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_is_raised_only_by_what_is_free_at_once() {
        let memory = Memory::new(64 * MIB, Duration::from_mins(1));
        let mut first = memory.spend(MIB, &Deadline::NEVER).await.unwrap();
        assert!(memory.try_raise(&mut first, 40 * MIB));
        assert!(memory.try_raise(&mut first, MIB), "it holds more already");
        assert_eq!(memory.free_bytes(), 24 * MIB);
        assert!(!memory.try_raise(&mut first, 65 * MIB));
        assert!(!memory.try_raise(&mut first, u64::MAX));
        let waiting = tokio::spawn({
            let memory = memory.clone();
            async move { memory.spend(32 * MIB, &Deadline::NEVER).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!memory.try_raise(&mut first, 41 * MIB), "somebody waits for what is free");
        drop(first);
        waiting.await.unwrap().unwrap();
        assert_eq!(memory.free_bytes(), 64 * MIB);
    }
}
