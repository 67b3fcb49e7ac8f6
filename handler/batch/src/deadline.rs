//! Until when a batch may work. Time is tokio's, so a paused test decides how fast it passes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Whether it was reported that a reserve was cut; a function with a short timeout would report it with every batch.
static RESERVE_CUT: AtomicBool = AtomicBool::new(false);

/// When the answer must be out, and how much earlier work has to stop for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Option<Instant>,
    reserve: Duration,
}

impl Deadline {
    /// No end: for a worker that stops on request.
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
                 reserved instead; expected a longer function timeout or a smaller reserve"
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
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
