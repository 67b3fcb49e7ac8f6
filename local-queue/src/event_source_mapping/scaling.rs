//! How many batches a mapping works on at once.

use std::time::Duration;

use crate::engine::Time;

/// The fewest a mapping backs off to: the fewest that AWS documents for any mapping.
const BACKED_OFF_MIN: usize = 2;

/// How a mapping's concurrency grows while there is a backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// How many batches at a time a mapping begins with, and has again after it was idle.
    pub start: usize,
    /// The most batches at a time.
    pub max: usize,
    /// While there is a backlog, this is how long one more takes.
    pub step: Duration,
}

impl Scaling {
    /// A standard queue (developer guide, "Scaling"): five batches at first, up to 300 more each minute while messages are
    /// available, up to 1,250.
    pub const STANDARD: Self = Self { start: 5, max: 1_250, step: Duration::from_millis(60_000 / 300) };

    /// At most `max` at a time.
    #[must_use]
    pub fn at_most(self, max: usize) -> Self {
        Self { start: self.start.min(max), max: self.max.min(max), ..self }
    }

    /// The most batches from the beginning.
    #[must_use]
    pub const fn at_once(self) -> Self {
        Self { start: self.max, ..self }
    }
}

/// The number of batches that may be collected and invoked at the same time.
///
/// **Growth.** AWS documents the rate, not its steps: here it is one at a time, evenly. There is a backlog while receives
/// bring as many messages as they ask for and every place is taken. A receive that finds nothing while nothing is worked on
/// ends the growth: the mapping begins anew.
///
/// **Backing off** (developer guide, "Backoff strategy for failed invocations"): after a function error, and when the
/// function is throttled, Lambda "gradually backs off, reducing the amount of concurrency". Its steps are not documented;
/// here one failed invocation takes one away, and one that worked gives one back. With partial batch responses it "doesn't
/// scale down the message polling when function invocations fail"; being throttled is not that.
#[derive(Clone, Debug)]
pub(super) struct Concurrency {
    scaling: Scaling,
    scale: usize,
    taken_away: usize,
    errors_take_away: bool,
    step_due: Option<Time>,
}

impl Concurrency {
    pub(super) const fn new(scaling: Scaling, report_batch_item_failures: bool) -> Self {
        let errors_take_away = !report_batch_item_failures;
        Self { scaling, scale: scaling.start, taken_away: 0, errors_take_away, step_due: None }
    }

    pub(super) fn limit(&self) -> usize {
        (self.scale - self.taken_away.min(self.scale)).max(BACKED_OFF_MIN.min(self.scale))
    }

    pub(super) fn succeeded(&mut self) {
        self.taken_away = self.taken_away.saturating_sub(1);
    }

    pub(super) fn failed(&mut self) {
        if self.errors_take_away {
            self.take_one_away();
        }
    }

    pub(super) fn throttled(&mut self) {
        self.take_one_away();
    }

    fn take_one_away(&mut self) {
        self.taken_away = (self.taken_away + 1).min(self.scale.saturating_sub(BACKED_OFF_MIN));
    }

    /// Takes note of whether a receive brought all that it asked for.
    pub(super) fn polled(&mut self, now: Time, is_full: bool) {
        self.step_due = if is_full { self.step_due.or(Some(now + self.scaling.step)) } else { None };
    }

    /// There was nothing to do at all.
    pub(super) fn idle(&mut self) {
        self.scale = self.scaling.start;
        self.taken_away = self.taken_away.min(self.scale.saturating_sub(BACKED_OFF_MIN));
    }

    /// When the limit is one higher if every place stays taken until then.
    pub(super) fn next_step(&self) -> Option<Time> {
        self.step_due.filter(|_| self.taken_away == 0 && self.scale < self.scaling.max)
    }

    /// Grows if it is time.
    pub(super) fn step(&mut self, now: Time) {
        if self.next_step().is_some_and(|at| at <= now) {
            self.scale += 1;
            self.step_due = Some(now + self.scaling.step);
        }
    }
}
