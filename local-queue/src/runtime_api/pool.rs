//! The processes of a function that wait, and when the next one may be started: decisions, without a process or a clock.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The pause before the third start of a process of which the first two died; it doubles with each further one.
const RESTART_PAUSE_BASE: Duration = Duration::from_millis(100);
/// The longest such pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What waits, each since a moment.
#[derive(Debug)]
pub(super) struct Pool<T> {
    /// The one that has waited longest is the first.
    waiting: VecDeque<(Instant, T)>,
    keep_warm: Duration,
    /// Nothing waits any more.
    is_closed: bool,
    /// Processes that died one after the other.
    deaths: u32,
    start_at: Option<Instant>,
}

impl<T> Pool<T> {
    /// An empty pool in which nothing waits longer than `keep_warm`.
    pub(super) const fn new(keep_warm: Duration) -> Self {
        Self { waiting: VecDeque::new(), keep_warm, is_closed: false, deaths: 0, start_at: None }
    }

    /// Lets one wait; gives it back if it is not to.
    pub(super) fn put(&mut self, now: Instant, one: T) -> Option<T> {
        if self.is_closed || self.keep_warm.is_zero() {
            return Some(one);
        }
        self.waiting.push_back((now, one));
        None
    }

    /// The one that has waited shortest: so the others may turn out not to be needed.
    pub(super) fn take(&mut self) -> Option<T> {
        self.waiting.pop_back().map(|(_, one)| one)
    }

    /// Those that have waited long enough.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<T> {
        let is_over = |(since, _): &(Instant, T)| now.saturating_duration_since(*since) >= self.keep_warm;
        let count = self.waiting.iter().take_while(|one| is_over(one)).count();
        self.waiting.drain(..count).map(|(_, one)| one).collect()
    }

    /// When the next one has waited long enough.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.waiting.front().and_then(|(since, _)| since.checked_add(self.keep_warm))
    }

    /// Takes all that wait.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.waiting.drain(..).map(|(_, one)| one).collect()
    }

    /// Ends all waiting.
    pub(super) fn close(&mut self) -> Vec<T> {
        self.is_closed = true;
        self.drain()
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// When the next process may be started, if not at once.
    pub(super) const fn start_at(&self) -> Option<Instant> {
        self.start_at
    }

    pub(super) const fn lives(&mut self) {
        (self.deaths, self.start_at) = (0, None);
    }

    /// A process has died. When that happens again and again, the next one is started after a pause.
    pub(super) fn died(&mut self, now: Instant) {
        self.deaths = self.deaths.saturating_add(1);
        let pause = restart_pause(self.deaths);
        if !pause.is_zero() {
            self.start_at = Some(now + pause);
        }
    }
}

/// The pause after so many deaths in a row. After the first the next start is at once, as it is in Lambda.
fn restart_pause(deaths: u32) -> Duration {
    match deaths {
        0 | 1 => Duration::ZERO,
        deaths => RESTART_PAUSE_BASE.saturating_mul(1_u32 << (deaths - 2).min(20)).min(RESTART_PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_waits_longer_than_it_is_kept_warm_is_over_and_the_youngest_works_first() {
        let start = Instant::now();
        let at = |seconds: u32| start + SECOND * seconds;
        let mut pool = Pool::new(SECOND * 60);
        assert_eq!(pool.next_expiry(), None);
        for (second, one) in [(0, "a"), (10, "b"), (20, "c")] {
            assert_eq!(pool.put(at(second), one), None);
        }
        assert_eq!(pool.next_expiry(), Some(at(60)));
        assert_eq!(pool.expired(at(59)), [""; 0]);
        assert_eq!(pool.take(), Some("c"));
        assert_eq!(pool.put(at(65), "c"), None, "it has worked, and waits anew");
        assert_eq!(pool.expired(at(70)), ["a", "b"]);
        assert_eq!(pool.next_expiry(), Some(at(125)));
        assert_eq!(pool.expired(at(125)), ["c"]);
        assert_eq!((pool.take(), pool.next_expiry()), (None, None));
    }

    #[test]
    fn nothing_waits_in_a_pool_that_is_closed_or_keeps_nothing_warm() {
        let now = Instant::now();
        assert_eq!(Pool::new(Duration::ZERO).put(now, "a"), Some("a"));
        let mut pool = Pool::new(SECOND);
        pool.put(now, "a");
        assert_eq!(pool.close(), ["a"]);
        assert!(pool.is_closed());
        assert_eq!(pool.put(now, "b"), Some("b"));
        let mut longest = Pool::new(Duration::MAX);
        longest.put(now, "a");
        assert_eq!(longest.next_expiry(), None, "it waits for ever");
    }

    #[test]
    fn starts_slow_down_with_each_death_until_one_lives() {
        let now = Instant::now();
        let mut pool = Pool::<()>::new(SECOND);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            pool.died(now);
            pauses.push(pool.start_at().map_or(0, |at| (at - now).as_millis()));
        }
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        pool.lives();
        assert_eq!(pool.start_at(), None);
    }
}
