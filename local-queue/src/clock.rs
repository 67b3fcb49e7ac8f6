//! Where queue time comes from: the system, tokio's clock (which tests pause), or a test's own hand.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::engine::Time;

/// A source of queue time that can also be waited for.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Tokio { epoch: Time, origin: tokio::time::Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The wall clock of this machine.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Tokio's clock, beginning now at `epoch`. Under `start_paused` it jumps to the next thing that anybody waits for,
    /// so that a visibility timeout of twelve hours passes at once.
    #[must_use]
    pub fn tokio(epoch: Time) -> Self {
        Self(Source::Tokio { epoch, origin: tokio::time::Instant::now() })
    }

    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn manual(clock: &ManualClock) -> Self {
        Self(Source::Manual(clock.clone()))
    }

    /// What time it is.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take the time from")]
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::System => {
                let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Time::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
            }
            // Rounded down, so that no timeout seems over before it is.
            Source::Tokio { epoch, origin } => {
                let millis = u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX);
                Time::from_millis(epoch.as_millis().saturating_add(millis))
            }
            Source::Manual(clock) => clock.now(),
        }
    }

    /// The clock to be moved by hand, if this is one.
    #[must_use]
    pub const fn as_manual(&self) -> Option<&ManualClock> {
        match &self.0 {
            Source::Manual(clock) => Some(clock),
            Source::System | Source::Tokio { .. } => None,
        }
    }

    /// What kind of clock this is: `system`, `tokio` or `manual`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.0 {
            Source::System => "system",
            Source::Tokio { .. } => "tokio",
            Source::Manual(_) => "manual",
        }
    }

    /// Waits until `at`.
    pub async fn sleep_until(&self, at: Time) {
        match &self.0 {
            // The wall clock may be set while we wait, so it is asked again.
            Source::System => loop {
                let remaining = at.since(self.now());
                if remaining.is_zero() {
                    return;
                }
                // By tokio's timer, which a test can pause.
                tokio::time::sleep(remaining).await;
            },
            Source::Tokio { epoch, origin } => tokio::time::sleep_until(*origin + at.since(*epoch)).await,
            Source::Manual(clock) => {
                let mut now = clock.now.subscribe();
                // The sender lives in this clock: waiting cannot fail.
                let _ = now.wait_for(|now| *now >= at).await;
            }
        }
    }
}

/// A clock that a test moves by hand.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<watch::Sender<Time>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)) }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Time {
        *self.now.borrow()
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = *now + by);
    }

    /// Sets the clock, forwards only: an earlier time leaves it where it is.
    pub fn set(&self, to: Time) {
        self.now.send_modify(|now| *now = (*now).max(to));
    }
}
