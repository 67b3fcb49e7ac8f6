//! Faults on purpose: what a client must survive, made to happen when a test says so.
//!
//! ```
//! use local_queue::{Fault, LocalQueue};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queues = LocalQueue::virtual_time();
//! queues.create_queue("jobs", &[])?;
//! // The next two sends to this queue are throttled. The SDK waits and tries again, in no time at all.
//! queues.faults().inject(Fault::throttle().on("SendMessage").queue("jobs").times(2))?;
//!
//! let client = queues.client();
//! client.send_message().queue_url("jobs").message_body("hello").send().await?;
//! assert!(queues.faults().list().is_empty(), "both have struck");
//! # Ok(())
//! # }
//! ```
//!
//! A fault strikes requests of every action, queue and account, or of those that it names; always, the next few times, or by a
//! probability whose dice are seeded by [`Builder::seed`](crate::Builder::seed). The same seed and the same requests in
//! the same order give the same faults. What strikes a whole request strikes those that come through the SDK or over
//! HTTP; duplicate delivery and reordering also strike [`LocalQueue::receive`](crate::LocalQueue::receive).

mod fault;
mod request_faults;

use std::{
    cell::LazyCell,
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

pub use self::fault::{Effect, FailedEntries, Fault, FaultError};
pub(crate) use self::request_faults::Shuffle;
pub(crate) use self::request_faults::{EntryFailures, RequestFaults};
use self::request_faults::{Next, below, unit};
use crate::{
    action::Action,
    engine::{Delivery, IdSource, QueueArn, Time},
    recorded::Recorded,
};

/// Kept apart from the seed of identifiers, so that a fault changes no message's id.
const DICE: u64 = 0xfa17;
/// Faults at the same time; each is asked about each request.
const FAULTS_MAX: usize = 1_000;
/// What asks for messages.
const RECEIVE: Option<Action> = Some(Action::ReceiveMessage);
/// Messages that may be overtaken at once by reordering.
const OVERTAKEN_MAX: u64 = 9;

/// The number of an injected fault, by which it can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u64);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A fault at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Injected {
    /// Its number.
    pub id: FaultId,
    /// What it does to whom; its `times` are those that are left.
    pub fault: Fault,
    /// How often it has struck.
    pub struck: u64,
}

/// The faults of one emulator.
#[derive(Debug)]
pub struct Faults {
    /// How many there are, to be read without the lock on the way of every request.
    count: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    injected: Vec<Injected>,
    last_id: u64,
    dice: IdSource,
    /// How often each effect has struck, also by faults that are gone.
    struck: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(crate) fn seeded(seed: u64) -> Self {
        let (injected, struck) = (Vec::new(), BTreeMap::new());
        let state = State { injected, last_id: 0, dice: IdSource::seeded(seed ^ DICE), struck };
        Self { count: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    /// Puts a fault to work, from the next request on.
    pub fn inject(&self, fault: Fault) -> Result<FaultId, FaultError> {
        fault.check()?;
        let mut state = self.lock();
        if state.injected.len() == FAULTS_MAX {
            return Err(FaultError { field: "effect", problem: format!("there are already {FAULTS_MAX} faults") });
        }
        state.last_id += 1;
        let id = FaultId(state.last_id);
        state.injected.push(Injected { id, fault, struck: 0 });
        self.count.store(state.injected.len(), Ordering::Release);
        Ok(id)
    }

    /// The faults at work, in the order in which they were injected. One that has struck for the last time is gone.
    #[must_use]
    pub fn list(&self) -> Vec<Injected> {
        self.lock().injected.clone()
    }

    /// Ends a fault; says whether it was there.
    pub fn remove(&self, id: FaultId) -> bool {
        let mut state = self.lock();
        let before = state.injected.len();
        state.injected.retain(|injected| injected.id != id);
        self.count.store(state.injected.len(), Ordering::Release);
        state.injected.len() < before
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.lock().injected.clear();
        self.count.store(0, Ordering::Release);
    }

    /// Ends all faults, and forgets how often each effect has struck.
    pub(crate) fn reset(&self) {
        self.clear();
        self.lock().struck.clear();
    }

    /// How often each effect has struck since the start or the last reset, by its name.
    #[must_use]
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.lock().struck.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no call into the faults has panicked")
    }

    /// Whether there is none: the quick way for requests when nothing was injected.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Lets every fault strike that `is_meant` and whose dice say so, until one says that it was the last.
    fn strike(&self, is_meant: impl Fn(&Fault) -> bool, mut apply: impl FnMut(&Effect, &mut IdSource) -> Next) {
        let mut state = self.lock();
        let State { injected, dice, struck, .. } = &mut *state;
        for injected in injected.iter_mut().filter(|injected| is_meant(&injected.fault)) {
            let fault = &mut injected.fault;
            if fault.probability.is_some_and(|probability| unit(dice) >= probability) {
                continue;
            }
            injected.struck += 1;
            *struck.entry(fault.effect.name()).or_default() += 1;
            fault.times = fault.times.map(|times| times - 1);
            if apply(&fault.effect, dice) == Next::Stop {
                break;
            }
        }
        injected.retain(|injected| injected.fault.times != Some(0));
        self.count.store(injected.len(), Ordering::Release);
    }

    /// Decides what happens to a request of an account, whose action SQS may not have. The queue's name is asked for only if
    /// there is a fault.
    pub(crate) fn of_request(
        &self,
        action: Option<Action>,
        account: &str,
        queue: impl FnOnce() -> Option<String>,
    ) -> RequestFaults {
        let mut faults = RequestFaults::default();
        if self.is_empty() {
            return faults;
        }
        let queue = LazyCell::new(queue);
        let is_meant =
            |fault: &Fault| !fault.effect.is_of_delivery() && fault.is_about(action, account, || queue.as_deref());
        self.strike(is_meant, |effect, dice| faults.apply(effect, dice));
        faults
    }

    /// Lets messages be overtaken before a receive, and says by which dice those of the receive are to be shuffled.
    pub(crate) fn reorder(&self, engine: &mut Recorded<'_>, now: Time, arn: &QueueArn) -> Option<Shuffle> {
        if arn.is_fifo() {
            return None;
        }
        let ready = engine.queue_attributes(now, arn.as_str()).map_or(0, |queue| queue.messages as u64);
        let is_meant = |fault: &Fault| {
            ready > 1
                && fault.effect == Effect::Reordering
                && fault.is_about(RECEIVE, arn.account(), || Some(arn.name()))
        };
        let mut shuffle = None;
        self.strike(is_meant, |_, dice| {
            shuffle = Some(Shuffle(IdSource::seeded(dice.next_u64())));
            Next::Stop
        });
        if let Some(Shuffle(dice)) = &mut shuffle {
            let overtaken = 1 + below(dice, (ready - 1).min(OVERTAKEN_MAX));
            // The queue was there a line ago, under the same lock.
            let _ = engine.postpone(now, arn.as_str(), usize::try_from(overtaken).unwrap_or(1));
        }
        shuffle
    }

    /// Lets received messages be delivered again.
    pub(crate) fn duplicate(&self, engine: &mut Recorded<'_>, now: Time, arn: &QueueArn, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            return;
        }
        let mut is_duplicated = false;
        let is_meant = |fault: &Fault| {
            fault.effect == Effect::DuplicateDelivery && fault.is_about(RECEIVE, arn.account(), || Some(arn.name()))
        };
        self.strike(is_meant, |_, _| {
            is_duplicated = true;
            Next::Stop
        });
        for delivery in deliveries.iter().filter(|_| is_duplicated) {
            // A message that is gone by now, or in other hands, cannot be delivered to these again.
            let _ = engine.duplicate(now, arn.as_str(), delivery.receipt_handle);
        }
    }
}

/// Marks an answer that the client must not get: whoever carries it breaks the connection instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response is lost: a fault was injected")]
pub struct ResponseLost;
