//! The last lines of a function's log, for who looks later than they were written.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::engine::Time;

/// Lines that are kept of a function.
pub const RECENT_LINES_MAX: usize = 2_000;
/// Bytes that these lines may have together.
pub const RECENT_BYTES_MAX: usize = 512 * 1024;
/// What is kept of one line.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// What a line costs beside its bytes, so that empty lines are bounded too.
const LINE_BYTES_EXTRA: usize = size_of::<RecentLine>();

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogSource {
    /// The function, on its standard output.
    Stdout,
    /// The function, on its standard error.
    Stderr,
    /// What runs the function: START, END and REPORT, and why a process ended.
    Platform,
}

/// A line that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentLine {
    /// Its number: one more than that of the line before it.
    pub number: u64,
    /// When it was read, by the clock of this machine.
    pub at: Time,
    /// The invocation that was going on; none outside of one.
    pub request_id: Option<Arc<str>>,
    /// Who wrote it.
    pub source: LogSource,
    /// Its text. Of a long line, the beginning.
    pub text: String,
    /// Whether the rest of a long line is missing.
    pub is_cut: bool,
}

/// The last lines of a function's log: up to [`RECENT_LINES_MAX`], of up to [`RECENT_BYTES_MAX`] together. Whoever does not
/// take lines keeps nobody from writing more of them: the oldest go.
#[derive(Debug, Default)]
pub struct RecentLog(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<RecentLine>,
    bytes: usize,
    /// The number of the last line.
    last: u64,
}

fn cost(line: &RecentLine) -> usize {
    line.text.len() + LINE_BYTES_EXTRA
}

impl RecentLog {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a line that was read at this time.
    pub fn push(&self, at: Time, source: LogSource, request_id: Option<Arc<str>>, text: &str) {
        let kept = &text[..text.floor_char_boundary(LINE_BYTES_MAX)];
        let is_cut = kept.len() < text.len();
        let mut ring = self.lock();
        ring.last += 1;
        let line = RecentLine { number: ring.last, at, request_id, source, text: kept.to_owned(), is_cut };
        ring.bytes += cost(&line);
        ring.lines.push_back(line);
        while ring.lines.len() > RECENT_LINES_MAX || ring.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = ring.lines.pop_front() else { return };
            ring.bytes -= cost(&oldest);
        }
    }

    /// The number of the last line; 0 if there was none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// The last `max` lines after the one of this number, or of one invocation only, the oldest first.
    #[must_use]
    pub fn lines(&self, after: u64, request_id: Option<&str>, max: usize) -> Vec<RecentLine> {
        let ring = self.lock();
        let newer = ring.lines.iter().rev().take_while(|line| line.number > after);
        let wanted = newer.filter(|line| request_id.is_none_or(|id| line.request_id.as_deref() == Some(id)));
        let mut lines = wanted.take(max).cloned().collect::<Vec<_>>();
        lines.reverse();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(log: &RecentLog, request_id: Option<&str>, text: &str) {
        log.push(Time::from_millis(7), LogSource::Stdout, request_id.map(Arc::from), text);
    }

    fn texts(log: &RecentLog, after: u64, request_id: Option<&str>, max: usize) -> Vec<String> {
        log.lines(after, request_id, max).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_found_by_number_and_invocation() {
        let log = RecentLog::default();
        for (request_id, text) in [(Some("a"), "one"), (None, "two"), (Some("b"), "three"), (Some("a"), "four")] {
            push(&log, request_id, text);
        }
        assert_eq!(texts(&log, 0, None, 9), ["one", "two", "three", "four"]);
        assert_eq!(texts(&log, 0, None, 2), ["three", "four"]);
        assert_eq!(texts(&log, 3, None, 9), ["four"]);
        assert_eq!(texts(&log, 0, Some("a"), 9), ["one", "four"]);
        assert!(texts(&log, 0, Some("none"), 9).is_empty() && texts(&log, log.last(), None, 9).is_empty());
    }

    #[test]
    fn the_oldest_lines_go_when_there_are_too_many_or_too_long_ones() {
        let log = RecentLog::default();
        for number in 0..RECENT_LINES_MAX + 5 {
            push(&log, None, &number.to_string());
        }
        let lines = log.lines(0, None, usize::MAX);
        assert_eq!((lines.len(), lines[0].number, &*lines[0].text), (RECENT_LINES_MAX, 6, "5"));
        for _ in 0..100 {
            push(&log, None, &"\u{e9}".repeat(LINE_BYTES_MAX));
        }
        let lines = log.lines(0, None, usize::MAX);
        let bytes = lines.iter().map(cost).sum::<usize>();
        assert!(bytes <= RECENT_BYTES_MAX && lines.len() >= RECENT_BYTES_MAX / (LINE_BYTES_MAX * 2), "{bytes}");
        assert!(lines.iter().all(|line| line.is_cut && line.text.len() <= LINE_BYTES_MAX));
    }
}
