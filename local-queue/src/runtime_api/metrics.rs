//! What has come of a function's invocations, in numbers: Lambda's own metrics by their names, and a few more.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

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
    /// Invocations for which no process was left.
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
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn add_duration(&self, duration: Duration) {
        self.duration_micros.fetch_add(micros(duration), Ordering::Relaxed);
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
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
