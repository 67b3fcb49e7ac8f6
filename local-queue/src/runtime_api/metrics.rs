//! What has come of a function's invocations, in numbers: Lambda's own metrics by their names, and a few more.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long invocations took: how many of them up to each of some durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations([u64; Durations::BOUNDS.len() + 1]);

impl Durations {
    /// The longest of each step but the last, which has no bound.
    pub const BOUNDS: [Duration; 18] = [
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
        Duration::from_secs(60),
        Duration::from_secs(120),
        Duration::from_secs(300),
        Duration::from_secs(900),
    ];

    /// The longest durations of the steps, and how many were in each; the last has none.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = Self::BOUNDS.into_iter().map(Some).chain([None]).collect::<Vec<_>>();
        bounds.into_iter().zip(self.0)
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        self.0[step(duration)] += 1;
    }
}

fn step(duration: Duration) -> usize {
    Durations::BOUNDS.partition_point(|bound| *bound < duration)
}

/// The numbers of a function since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionMetrics {
    /// Invocations that ran, to whatever end. Those that were throttled did not.
    pub invocations: u64,
    /// Invocations that ended without a reply; timeouts are among them.
    pub errors: u64,
    /// Invocations that took longer than they may.
    pub timeouts: u64,
    /// Invocations throttled because no process was free.
    pub throttles: u64,
    /// Processes that were started for an invocation.
    pub cold_starts: u64,
    /// Time in invocations, without the time to start a process.
    pub duration: Duration,
    /// Time from the start of processes until they asked for their first invocation.
    pub init_duration: Duration,
    /// The most memory that a process had in use, in bytes.
    pub memory_peak_bytes: u64,
    /// Invocations that are running now.
    pub concurrent_executions: u64,
    /// Lines of the log that nobody has seen, because they came faster than they were taken.
    pub log_lines_dropped: u64,
    /// How long the invocations took that have ended.
    pub durations: Durations,
}

/// The same, to be counted in.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) invocations: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) throttles: AtomicU64,
    pub(super) cold_starts: AtomicU64,
    duration_micros: AtomicU64,
    init_micros: AtomicU64,
    memory_peak_bytes: AtomicU64,
    durations: [AtomicU64; Durations::BOUNDS.len() + 1],
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn add_duration(&self, duration: Duration) {
        self.duration_micros.fetch_add(micros(duration), Ordering::Relaxed);
        count(&self.durations[step(duration)]);
    }

    pub(super) fn add_init(&self, duration: Duration) {
        self.init_micros.fetch_add(micros(duration), Ordering::Relaxed);
    }

    pub(super) fn saw_memory(&self, bytes: u64) {
        self.memory_peak_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, concurrent_executions: u64, log_lines_dropped: u64) -> FunctionMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FunctionMetrics {
            invocations: read(&self.invocations),
            errors: read(&self.errors),
            timeouts: read(&self.timeouts),
            throttles: read(&self.throttles),
            cold_starts: read(&self.cold_starts),
            duration: Duration::from_micros(read(&self.duration_micros)),
            init_duration: Duration::from_micros(read(&self.init_micros)),
            memory_peak_bytes: read(&self.memory_peak_bytes),
            concurrent_executions,
            log_lines_dropped,
            durations: Durations(self.durations.each_ref().map(read)),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_up_to_the_next_bound() {
        let counters = Counters::default();
        let mut durations = Durations::default();
        for millis in [0, 1, 2, 250, 251, 899_999, 900_000, 900_001] {
            counters.add_duration(Duration::from_millis(millis));
            durations.add(Duration::from_millis(millis));
        }
        let told = counters.snapshot(0, 0).durations;
        assert_eq!((told, told.count()), (durations, 8));
        let steps = told.steps().filter(|(_, count)| *count > 0);
        let steps = steps.map(|(bound, count)| (bound.map(|bound| bound.as_micros()), count)).collect::<Vec<_>>();
        let expected = [
            (Some(1_000), 2),
            (Some(2_500), 1),
            (Some(250_000), 1),
            (Some(500_000), 1),
            (Some(900_000_000), 2),
            (None, 1),
        ];
        assert_eq!(steps, expected);
    }
}
