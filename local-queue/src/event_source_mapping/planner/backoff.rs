//! Waits that grow from one failure to the next.

use std::time::Duration;

/// Exponential backoff with full jitter: any wait up to a bound that doubles.
#[derive(Clone, Debug)]
pub(in crate::event_source_mapping) struct Backoff {
    bound: Duration,
    bound_max: Duration,
}

impl Backoff {
    /// For receives that fail: the queue's server is down, or the queue is gone.
    pub(in crate::event_source_mapping) const RECEIVES: Self =
        Self { bound: Duration::from_secs(1), bound_max: Duration::from_secs(30) };

    /// For invocations that are throttled. AWS documents that there is a backoff, not its times.
    pub(super) const THROTTLES: Self = Self { bound: Duration::from_secs(1), bound_max: Duration::from_mins(1) };

    /// The next wait: at least a millisecond.
    pub(in crate::event_source_mapping) fn next(&mut self, random: &mut fastrand::Rng) -> Duration {
        let bound_millis = u64::try_from(self.bound.as_millis()).expect("the bounds are minutes at most");
        self.bound = self.bound.saturating_mul(2).min(self.bound_max);
        Duration::from_millis(random.u64(1..=bound_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_drawn_from_a_range_that_doubles_up_to_its_bound() {
        let (mut largest, mut smallest) = ([0_u128; 8], [u128::MAX; 8]);
        for seed in 0..500 {
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::RECEIVES;
            for index in 0..8 {
                let millis = backoff.next(random).as_millis();
                largest[index] = largest[index].max(millis);
                smallest[index] = smallest[index].min(millis);
            }
        }
        for (index, bound) in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000].into_iter().enumerate() {
            assert!((bound * 9 / 10..=bound).contains(&largest[index]), "{largest:?}");
            assert!((1..bound / 10).contains(&smallest[index]), "{smallest:?}");
        }
    }
}
