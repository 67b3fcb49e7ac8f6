//! The two clocks of a machine: one that people set, and one that nobody can.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// What the system clock reads.
pub(super) trait Machine: fmt::Debug + Send + Sync {
    /// The wall clock. It may be set in either direction.
    fn since_epoch(&self) -> Duration;
    /// How long the machine has been running since some moment, in suspend too. It never goes back.
    fn running(&self) -> Duration;
}

/// The machine that this program runs on.
#[derive(Debug)]
pub(super) struct ThisMachine;

impl Machine for ThisMachine {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take the time from")]
    fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    #[cfg(unix)]
    fn running(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};

        // What counts suspend: on Linux a clock of its own, on Apple's systems the monotonic one.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: ClockId = ClockId::Monotonic;

        let read = clock_gettime(CLOCK);
        let nanos = u32::try_from(read.tv_nsec).unwrap_or_default();
        Duration::new(u64::try_from(read.tv_sec).unwrap_or_default(), nanos)
    }

    #[cfg(not(unix))]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take the time from")]
    fn running(&self) -> Duration {
        use std::{sync::LazyLock, time::Instant};

        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        ORIGIN.elapsed()
    }
}
