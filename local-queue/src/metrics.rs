//! What is counted of requests, and the numbers of those who stand beside the queues.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;

use crate::action::Action;

/// How often each action was requested, by the status of its answer.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    /// Requests that succeeded, by action: what nearly all are, and counted without a lock.
    successes: [AtomicU64; Action::ALL.len()],
    others: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl RequestCounts {
    /// Counts a request, whose action SQS may not have.
    pub(crate) fn count(&self, action: Option<Action>, status: StatusCode) {
        match action.and_then(|action| self.successes.get(action as usize)) {
            Some(successes) if status == StatusCode::OK => _ = successes.fetch_add(1, Ordering::Relaxed),
            _ => {
                let name = action.map_or("unknown", Action::name);
                *self.lock().entry((name, status.as_u16())).or_default() += 1;
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.successes.iter().for_each(|successes| successes.store(0, Ordering::Relaxed));
        self.lock().clear();
    }

    /// By name and status, without those that never came.
    pub(crate) fn all(&self) -> BTreeMap<(&'static str, u16), u64> {
        let successes = Action::ALL
            .iter()
            .zip(&self.successes)
            .map(|(action, successes)| ((action.name(), StatusCode::OK.as_u16()), successes.load(Ordering::Relaxed)));
        successes.filter(|(_, count)| *count > 0).chain(self.lock().clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, u16), u64>> {
        self.others.lock().expect("nobody panics while counting")
    }
}

/// How long requests took, from when they were there to their answers.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Of requests that were answered as soon as could be.
    by_action: [Durations; Action::ALL.len()],
    /// Of receives that waited for a message.
    long_polls: Durations,
}

/// A histogram that is counted without a lock.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    steps: [AtomicU64; Durations::BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Durations {
    /// The longest of each step but the last, which has no bound: from 10 microseconds to the longest wait of a receive and a
    /// little more.
    pub(crate) const BOUNDS: [Duration; 18] = [
        Duration::from_micros(10),
        Duration::from_micros(25),
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_millis(20_500),
    ];

    fn count(&self, duration: Duration) {
        // Most are in one of the first steps.
        let step = Self::BOUNDS.iter().position(|bound| duration <= *bound).unwrap_or(Self::BOUNDS.len());
        self.steps[step].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many were in each step.
    pub(crate) fn steps(&self) -> [u64; Self::BOUNDS.len() + 1] {
        self.steps.each_ref().map(|step| step.load(Ordering::Relaxed))
    }

    /// The durations of all.
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn clear(&self) {
        self.steps.iter().chain([&self.nanos]).for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

impl Latencies {
    /// Counts a request, if SQS has its action.
    pub(crate) fn count(&self, action: Option<Action>, has_waited: bool, duration: Duration) {
        let Some(of_action) = action.and_then(|action| self.by_action.get(action as usize)) else { return };
        if has_waited { self.long_polls.count(duration) } else { of_action.count(duration) }
    }

    /// By action, of those that have come.
    pub(crate) fn by_action(&self) -> impl Iterator<Item = (Action, &Durations)> {
        let all = Action::ALL.iter().copied().zip(&self.by_action);
        all.filter(|(_, durations)| durations.steps().iter().any(|count| *count > 0))
    }

    pub(crate) const fn long_polls(&self) -> &Durations {
        &self.long_polls
    }

    pub(crate) fn clear(&self) {
        self.by_action.iter().chain([&self.long_polls]).for_each(Durations::clear);
    }
}

/// A number that somebody beside the queues has: a mapping, a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Such as `local_queue_mapping_polled_total`; samples of one name come one after the other.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// What it belongs to.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// What is asked for samples when somebody looks at the metrics.
pub(crate) type Sampler = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Those who have samples.
#[derive(Default)]
pub(crate) struct Samplers(Mutex<Vec<Sampler>>);

impl Samplers {
    pub(crate) fn add(&self, sampler: Sampler) {
        self.0.lock().expect("nobody panics while adding").push(sampler);
    }

    /// By name, so that each family is described once.
    pub(crate) fn samples(&self) -> BTreeMap<&'static str, Vec<Sample>> {
        let mut families: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
        for sample in self.0.lock().expect("nobody panics while sampling").iter().flat_map(|sampler| sampler()) {
            families.entry(sample.name).or_default().push(sample);
        }
        families
    }
}

impl fmt::Debug for Samplers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samplers").finish_non_exhaustive()
    }
}
