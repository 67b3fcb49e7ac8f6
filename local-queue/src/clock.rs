//! Where queue time comes from: the system, tokio's clock (which tests pause), or a test's own hand.
//!
//! The system's queue time is read from the wall clock once, at the start, and from then on follows the clock of the
//! machine that nobody can set and that goes on in suspend. So a wall clock that is set back holds up no timer, one that is
//! set ahead ends none too early and expires nothing, and a laptop that wakes finds what came due while it slept. What
//! queues show as times differs from the wall clock by as much as somebody has set that since the start; the steady
//! corrections of a time service reach both.

mod machine;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use self::machine::{Machine, ThisMachine};
use crate::engine::Time;

/// How long one sleep lasts at most. Tokio's timers stand still in suspend, so that this is by how much a wake-up that came
/// due meanwhile is late after it.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// A source of queue time that can also be waited for.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(SystemClock),
    Tokio { epoch: Time, origin: tokio::time::Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The time of this machine: the wall clock's of this moment, and from here on as much later as time has passed, in
    /// suspend too. It never goes backwards, and does not follow when the wall clock is set.
    #[must_use]
    pub fn system() -> Self {
        Self::on_machine(Arc::new(ThisMachine))
    }

    fn on_machine(machine: Arc<dyn Machine>) -> Self {
        let (start, origin) = (machine.since_epoch(), machine.running());
        Self(Source::System(SystemClock { machine, start, origin }))
    }

    /// What the wall clock of this machine says, for what others compare with theirs: dates of signatures, deadlines of
    /// functions. It may be set, backwards too, so nothing is timed by it.
    #[must_use]
    pub fn wall_now() -> Time {
        time(ThisMachine.since_epoch())
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
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::System(clock) => clock.now(),
            // Rounded down, so that no timeout seems over before it is.
            Source::Tokio { epoch, origin } => {
                let millis = u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX);
                Time::from_millis(epoch.as_millis().saturating_add(millis))
            }
            Source::Manual(clock) => clock.now(),
        }
    }

    /// The same clock, set ahead to `time` if it is behind.
    #[cfg(feature = "journal")]
    pub(crate) fn not_before(mut self, time: Time) -> Self {
        let behind = time.since(self.now());
        match &mut self.0 {
            Source::System(clock) => clock.start = clock.start.saturating_add(behind),
            Source::Tokio { epoch, .. } => *epoch = *epoch + behind,
            Source::Manual(clock) => clock.set(time),
        }
        self
    }

    /// The clock to be moved by hand, if this is one.
    #[must_use]
    pub const fn as_manual(&self) -> Option<&ManualClock> {
        match &self.0 {
            Source::Manual(clock) => Some(clock),
            Source::System(_) | Source::Tokio { .. } => None,
        }
    }

    /// What kind of clock this is: `system`, `tokio` or `manual`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.0 {
            Source::System(_) => "system",
            Source::Tokio { .. } => "tokio",
            Source::Manual(_) => "manual",
        }
    }

    /// Waits until `at`.
    pub async fn sleep_until(&self, at: Time) {
        match &self.0 {
            Source::System(clock) => loop {
                let remaining = at.since(clock.now());
                if remaining.is_zero() {
                    return;
                }
                // By tokio's timer, which a test can pause.
                tokio::time::sleep(remaining.min(SLEEP_MAX)).await;
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

/// The wall clock of the start, and what has passed since.
#[derive(Clone, Debug)]
struct SystemClock {
    machine: Arc<dyn Machine>,
    start: Duration,
    origin: Duration,
}

impl SystemClock {
    fn now(&self) -> Time {
        time(self.start.saturating_add(self.machine.running().saturating_sub(self.origin)))
    }
}

/// Rounded down, so that no timeout seems over before it is.
fn time(since_epoch: Duration) -> Time {
    Time::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const START: Duration = Duration::from_secs(1_800_000_000);

    /// A machine whose wall clock is set and which is suspended by a test. Awake it lives by tokio's clock.
    #[derive(Debug)]
    struct Laptop {
        switched_on: tokio::time::Instant,
        suspended: Mutex<Duration>,
        wall_set_to: Mutex<Duration>,
    }

    impl Laptop {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                switched_on: tokio::time::Instant::now(),
                suspended: Mutex::default(),
                wall_set_to: Mutex::new(START),
            })
        }

        fn suspend(&self, duration: Duration) {
            *self.suspended.lock().unwrap() += duration;
        }
    }

    impl Machine for Laptop {
        fn since_epoch(&self) -> Duration {
            *self.wall_set_to.lock().unwrap()
        }

        fn running(&self) -> Duration {
            self.switched_on.elapsed() + *self.suspended.lock().unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_set_moves_neither_time_nor_timers() {
        let laptop = Laptop::new();
        let clock = Clock::on_machine(laptop.clone());
        for set_to in [1_800_000_000 - 3_600, 1_800_000_000 + 30 * 86_400].map(Duration::from_secs) {
            let (now, began) = (clock.now(), tokio::time::Instant::now());
            *laptop.wall_set_to.lock().unwrap() = set_to;
            assert_eq!(clock.now(), now);
            clock.sleep_until(now + Duration::from_secs(30)).await;
            assert_eq!((clock.now(), began.elapsed().as_secs()), (now + Duration::from_secs(30), 30));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn suspend_counts_and_a_wake_up_that_came_due_in_it_is_not_late_by_it() {
        let laptop = Laptop::new();
        let clock = Clock::on_machine(laptop.clone());
        let due = clock.now() + Duration::from_secs(60);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(due).await;
                clock.now()
            }
        });
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        assert!(!sleeper.is_finished());
        laptop.suspend(Duration::from_secs(8 * 3_600));
        let (woke, resumed) = (clock.now(), tokio::time::Instant::now());
        assert_eq!(woke.since(time(START)), Duration::from_millis(8 * 3_600_000 + 10_500));
        let seen = sleeper.await.unwrap();
        assert!(resumed.elapsed() <= SLEEP_MAX, "{:?} after the resume", resumed.elapsed());
        assert!(seen.since(woke) <= SLEEP_MAX);
    }

    #[cfg(feature = "journal")]
    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_behind_is_set_ahead_and_no_other() {
        let laptop = Laptop::new();
        let now = time(START);
        let clocks = [Clock::on_machine(laptop), Clock::tokio(now), Clock::manual(&ManualClock::new(now))];
        for clock in clocks {
            let ahead = now + Duration::from_secs(3_600);
            assert_eq!(clock.clone().not_before(Time::EPOCH).now(), now, "{}", clock.kind());
            assert_eq!(clock.clone().not_before(ahead).now(), ahead, "{}", clock.kind());
        }
    }

    #[test]
    fn the_system_clock_begins_with_the_wall_clock_and_goes_on_from_there() {
        let clock = Clock::system();
        let (before, wall) = (clock.now(), Clock::wall_now());
        assert!(before.since(wall).max(wall.since(before)) < Duration::from_secs(5));
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= before);
        }
    }
}
