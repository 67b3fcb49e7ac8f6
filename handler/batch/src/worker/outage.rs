//! Receives that fail: how long to pause before the next, and when to say so.

use std::time::Duration;

use tokio::time::Instant;

use crate::batch::Backoff;

/// The pauses after receives that failed, each by full jitter.
const PAUSES: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(30) };
/// The shortest of all: an endpoint that refuses at once is not asked without end.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// An endpoint that stays down is reported so often.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// Failures in a row.
#[derive(Default)]
pub(super) struct Outage {
    failures: u32,
    reported_at: Option<Instant>,
}

impl Outage {
    /// Reports a failure, the first of a row at once, and returns how long to pause.
    pub(super) fn failed(&mut self, reason: &str) -> Duration {
        let now = Instant::now();
        if self.reported_at.is_none_or(|at| now - at >= REPORT_INTERVAL) {
            self.reported_at = Some(now);
            tracing::warn!("{reason}; retrying");
        }
        let longest = self.longest_pause();
        self.failures += 1;
        longest.mul_f64(fastrand::f64()).max(PAUSE_MIN)
    }

    /// A receive has succeeded, whether it returned messages or none.
    pub(super) fn ended(&mut self, queue_url: &str) {
        if self.reported_at.is_some() {
            tracing::warn!("receiving from {queue_url} succeeded after {} failures", self.failures);
        }
        *self = Self::default();
    }

    fn longest_pause(&self) -> Duration {
        PAUSES.ceiling(self.failures.saturating_add(1), Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_failures_in_a_row_and_begin_anew_after_any_success() {
        let mut outage = Outage::default();
        let mut longest = Vec::new();
        for _ in 0..7 {
            longest.push(outage.longest_pause().as_secs());
            let pause = outage.failed("down");
            assert!((PAUSE_MIN..=PAUSES.max).contains(&pause), "{pause:?}");
        }
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
        outage.ended("queue");
        assert_eq!(outage.longest_pause(), Duration::from_secs(1));
        assert_eq!(outage.reported_at, None, "the next failure is reported at once");
    }
}
