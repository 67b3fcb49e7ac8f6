//! What a batch may spend: time and memory. Both are values that are spent, not numbers that are compared.
//!
//! Time is tokio's, so a paused test decides how fast it passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::failure::{Blame, Failure, Retry};

/// Whether it was reported that a reserve was cut; a function with a short timeout would report it with every batch.
static RESERVE_CUT: AtomicBool = AtomicBool::new(false);

/// When the answer must be out, and how much earlier work has to stop for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Option<Instant>,
    reserve: Duration,
}

impl Deadline {
    /// No end: for a worker that stops when it is told to.
    pub const NEVER: Self = Self { at: None, reserve: Duration::ZERO };

    /// Ends at an instant; work stops `reserve` earlier.
    #[must_use]
    pub fn at(at: Instant, reserve: Duration) -> Self {
        Self { at: Some(at), reserve }
    }

    /// Ends after a duration from now. The reserve is at most half of it: whoever has little time still has time to work.
    #[must_use]
    pub fn after(remaining: Duration, reserve: Duration) -> Self {
        let half = remaining / 2;
        if half < reserve && !remaining.is_zero() && !RESERVE_CUT.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{remaining:?} are left for the batch, which is too little for a reserve of {reserve:?}: half of it is \
                 reserved instead; expected a longer function timeout or a smaller DEADLINE_RESERVE_MS"
            );
        }
        Instant::now().checked_add(remaining).map_or(Self::NEVER, |at| Self::at(at, reserve.min(half)))
    }

    /// The deadline of a Lambda invocation, which AWS gives as a wall-clock time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the invocation's deadline is a time of the wall clock")]
    pub fn of_invocation(deadline: std::time::SystemTime, reserve: Duration) -> Self {
        let remaining = deadline.duration_since(std::time::SystemTime::now()).unwrap_or_default();
        Self::after(remaining, reserve)
    }

    /// When work stops; `None` when never.
    #[must_use]
    pub fn work_until(&self) -> Option<Instant> {
        self.at.map(|at| at.checked_sub(self.reserve).unwrap_or(at))
    }

    /// When the answer has to be ready: half of the reserve is left to send it.
    #[must_use]
    pub fn answer_until(&self) -> Option<Instant> {
        self.at.map(|at| at.checked_sub(self.reserve / 2).unwrap_or(at))
    }

    /// Whether work has to stop now.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.work_until().is_some_and(|until| Instant::now() >= until)
    }

    /// Waits until work has to stop.
    pub async fn reached(&self) {
        sleep_until(self.work_until()).await;
    }
}

/// Sleeps until an instant, or for ever.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

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
            let text = format!("the job needs {} of memory and there are {total} in all", mib(bytes));
            Failure::permanent(Blame::Limits, "memory-too-small", text)
        })?;
        let waited = Instant::now() + self.wait_max;
        let until = deadline.work_until().map_or(waited, |work_until| work_until.min(waited));
        if let Ok(Ok(permit)) = tokio::time::timeout_at(until, self.permits.clone().acquire_many_owned(units)).await {
            return Ok(MemoryPermit(permit));
        }
        let text = format!("timed out waiting for {} of image memory", mib(bytes));
        Err(Failure::new(Blame::Limits, Retry::Elsewhere, "no-memory", text))
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
        assert_eq!(failure.message, "the job needs 65 MiB of memory and there are 64 MiB in all");
        assert!(memory.spend(u64::MAX, &Deadline::NEVER).await.is_err());
        assert!(memory.spend(64 * MIB, &Deadline::NEVER).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_limit_and_before_the_deadline() {
        let memory = Memory::new(64 * MIB, Duration::from_secs(30));
        let _held = memory.spend(60 * MIB, &Deadline::NEVER).await.unwrap();
        let before = Instant::now();
        let failure = memory.spend(8 * MIB, &Deadline::NEVER).await.unwrap_err();
        assert_eq!((failure.retry, before.elapsed()), (Retry::Elsewhere, Duration::from_secs(30)));
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

    #[tokio::test(start_paused = true)]
    async fn work_stops_before_the_answer_and_the_answer_before_the_deadline() {
        let deadline = Deadline::after(Duration::from_secs(10), Duration::from_secs(1));
        let before = Instant::now();
        deadline.reached().await;
        assert_eq!(before.elapsed(), Duration::from_secs(9));
        assert!(deadline.is_reached());
        assert_eq!(deadline.answer_until().unwrap() - before, Duration::from_millis(9500));
        assert!(!Deadline::NEVER.is_reached());
        assert_eq!(Deadline::after(Duration::MAX, Duration::ZERO), Deadline::NEVER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reserve_takes_no_more_than_half_of_the_time_that_is_left() {
        for (remaining_ms, reserve_ms, work_ms, answer_ms) in [
            (1000, 1000, 500, 750),
            (500, 1000, 250, 375),
            (2000, 1000, 1000, 1500),
            (3000, 1000, 2000, 2500),
            (0, 1000, 0, 0),
        ] {
            let now = Instant::now();
            let deadline = Deadline::after(Duration::from_millis(remaining_ms), Duration::from_millis(reserve_ms));
            let after = |at: Option<Instant>| u64::try_from((at.unwrap() - now).as_millis()).unwrap();
            assert_eq!(after(deadline.work_until()), work_ms, "{remaining_ms} with {reserve_ms}");
            assert_eq!(after(deadline.answer_until()), answer_ms, "{remaining_ms} with {reserve_ms}");
        }
    }
}
