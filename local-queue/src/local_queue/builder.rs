//! How a [`LocalQueue`] is made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
};

use super::{LocalQueue, Refusals, Shared, State, timers::Timers};
use crate::{
    clock::Clock,
    declaration::AutoCreate,
    engine::{Engine, IdSource, Limits, Scope},
    faults::Faults,
    metrics::{Latencies, RequestCounts, Samplers},
    receipt_handle::{Seal, Secret},
    recorded::{Journal, Tape},
};

/// How to make a [`LocalQueue`].
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) scope: Scope,
    pub(super) seed: Option<u64>,
    departures_max: usize,
    auto_create: Vec<AutoCreate>,
}

impl Default for Builder {
    fn default() -> Self {
        let (clock, limits, scope) = (Clock::system(), Limits::STRICT, Scope::default());
        Self { clock, limits, scope, seed: None, departures_max: DEPARTURES_MAX, auto_create: Vec::new() }
    }
}

/// Under a megabyte when it is full, and nothing before messages leave.
const DEPARTURES_MAX: usize = 8_192;

impl Builder {
    /// Where time comes from; the system clock if this is not called.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Other limits than those of AWS.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The region and account of typed calls and of requests that do not say.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Makes every identifier, and every fault by probability, the same in every run. The receipt handles too: one of an
    /// earlier run with the same seed may be valid for another message.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Of how many messages that left a queue, whichever it was, [`LocalQueue::locate`] knows how: the last 8,192 if this is
    /// not called. Each takes about 100 bytes when it has left; with 0 nothing is remembered.
    #[must_use]
    pub fn remember_departures(self, departures_max: usize) -> Self {
        Self { departures_max, ..self }
    }

    /// Queues that are created when a request of SQS names them, and are not there; none if this is not called. Typed calls create
    /// nothing by themselves.
    #[must_use]
    pub fn auto_create(self, rules: Vec<AutoCreate>) -> Self {
        Self { auto_create: rules, ..self }
    }

    /// The emulator, without queues.
    #[must_use]
    pub fn build(self) -> LocalQueue {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let secret = self.seed.map_or_else(Secret::random, Secret::seeded);
        let engine = Engine::new(self.limits.clone(), seed).with_store(secret.store());
        self.build_around(engine, seed, &secret, None)
    }

    pub(super) fn build_around(
        self,
        mut engine: Engine,
        seed: u64,
        secret: &Secret,
        journal: Option<Arc<Journal>>,
    ) -> LocalQueue {
        engine.remember_departures(self.departures_max);
        engine.forget_counts();
        let state = State {
            engine,
            tape: journal.clone().map(Tape::new),
            refusals: Refusals::default(),
            parked: HashMap::new(),
            timers: Timers::default(),
            declared: Vec::new(),
        };
        let shared = Shared {
            clock: self.clock,
            limits: self.limits,
            scope: self.scope,
            auto_create: self.auto_create,
            seal: Seal::new(secret),
            faults: Faults::seeded(seed),
            request_counts: RequestCounts::default(),
            latencies: Latencies::default(),
            samplers: Samplers::default(),
            state: Mutex::new(state),
            journal,
            requests: (IdSource::mix(seed), AtomicU64::new(0)),
        };
        LocalQueue { shared: Arc::new(shared) }
    }
}
