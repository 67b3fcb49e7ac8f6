//! How long a message that may work later stays invisible.

use std::time::Duration;

/// AWS: a message may stay invisible for 12 hours in all, counted from its receive; a longer change is refused
/// (documentation: "Amazon SQS visibility timeout").
pub const INVISIBLE_MAX: Duration = Duration::from_hours(12);

/// Kept free at the end of the 12 hours, for clocks and for the time the change takes to arrive.
const INVISIBLE_MARGIN: Duration = Duration::from_mins(1);

/// Exponential backoff with full jitter: any time from nothing to a ceiling that doubles with each receive.
///
/// Full jitter spreads messages that failed together over the whole range, so that they are not retried together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling after the first receive.
    pub base: Duration,
    /// The ceiling of the ceiling.
    pub max: Duration,
}

impl Default for Backoff {
    /// 5 seconds, doubling up to 15 minutes.
    fn default() -> Self {
        Self { base: Duration::from_secs(5), max: Duration::from_mins(15) }
    }
}

impl Backoff {
    /// The longest pause after a message was received so many times and has been invisible for so long since this receive.
    #[must_use]
    pub fn ceiling(&self, receive_count: u32, invisible_for: Duration) -> Duration {
        let doublings = receive_count.saturating_sub(1).min(31);
        let grown = self.base.saturating_mul(1 << doublings);
        let left = INVISIBLE_MAX.saturating_sub(invisible_for).saturating_sub(INVISIBLE_MARGIN);
        grown.min(self.max).min(left)
    }

    /// A pause in whole seconds, which is what SQS takes: any from none to the ceiling.
    #[must_use]
    pub fn pause(&self, receive_count: u32, invisible_for: Duration, random: &mut fastrand::Rng) -> Duration {
        Duration::from_secs(random.u64(0..=self.ceiling(receive_count, invisible_for).as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_to_its_maximum_and_never_passes_twelve_hours() {
        let backoff = Backoff::default();
        let seconds = Duration::from_secs;
        for (receive_count, invisible_for, expected) in [
            (0, Duration::ZERO, seconds(5)),
            (1, Duration::ZERO, seconds(5)),
            (2, Duration::ZERO, seconds(10)),
            (5, Duration::ZERO, seconds(80)),
            (8, Duration::ZERO, seconds(640)),
            (9, Duration::ZERO, seconds(900)),
            (u32::MAX, Duration::ZERO, seconds(900)),
            (9, seconds(43_200 - 60 - 30), seconds(30)),
            (9, seconds(43_200 - 60), Duration::ZERO),
            (9, Duration::MAX, Duration::ZERO),
        ] {
            assert_eq!(backoff.ceiling(receive_count, invisible_for), expected, "{receive_count} {invisible_for:?}");
        }
        let long = Backoff { base: seconds(3600), max: Duration::MAX };
        assert_eq!(long.ceiling(40, Duration::ZERO), seconds(43_200 - 60));
    }

    #[test]
    fn jitter_is_full_and_in_whole_seconds() {
        let backoff = Backoff::default();
        let pauses = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..1000).map(|_| backoff.pause(5, Duration::ZERO, &mut random).as_secs()).collect::<Vec<_>>()
        };
        let drawn: std::collections::BTreeSet<u64> = pauses(7).into_iter().collect();
        assert_eq!(drawn, (0..=80).collect(), "every second from none to the ceiling occurs, and no other");
        assert_eq!(pauses(7), pauses(7), "the same seed draws the same pauses");
        assert_ne!(pauses(7), pauses(8));
        let none = backoff.pause(9, Duration::MAX, &mut fastrand::Rng::with_seed(7));
        assert_eq!(none, Duration::ZERO);
    }
}
