//! What is counted of requests, and the numbers of those who stand beside the queues.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
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
