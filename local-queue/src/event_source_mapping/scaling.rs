//! How many batches a mapping works on at once.

/// Where a mapping without a maximum concurrency starts, and stays while it is idle: five concurrent batches
/// (developer guide, "Scaling").
const STANDARD: usize = 5;

/// The fewest a mapping backs off to: the fewest that AWS documents for any mapping.
const BACKED_OFF_MIN: usize = 2;

/// The number of batches that may be collected and invoked at the same time.
///
/// AWS (developer guide, "Backoff strategy for failed invocations"): after a function error Lambda "gradually backs off,
/// reducing the amount of concurrency". Its steps are not documented; here one failed invocation takes one away, and
/// one that worked gives one back. With partial batch responses it "doesn't scale down the message polling when function
/// invocations fail".
#[derive(Clone, Debug)]
pub(super) struct Concurrency {
    limit_max: usize,
    limit: usize,
    backs_off: bool,
}

impl Concurrency {
    pub(super) fn new(maximum_concurrency: Option<u32>, report_batch_item_failures: bool) -> Self {
        let limit_max = maximum_concurrency.map_or(STANDARD, |maximum| maximum as usize);
        Self { limit_max, limit: limit_max, backs_off: !report_batch_item_failures }
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn succeeded(&mut self) {
        self.limit = (self.limit + 1).min(self.limit_max);
    }

    pub(super) fn failed(&mut self) {
        if self.backs_off {
            self.limit = (self.limit - 1).max(BACKED_OFF_MIN.min(self.limit_max));
        }
    }
}
