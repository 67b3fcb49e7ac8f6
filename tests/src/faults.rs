//! A storage that misbehaves as it was planned to, and takes its time.
//!
//! A fault is planned for one operation on one object and a number of times; after that the object is fine. How long an
//! operation takes depends only on the seed, the operation, the object and how often it was asked for, so a run does not
//! change because other things happen in another order.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use handler::storage::{About, Grant, Head, Object, PutMode, Store, StoreError};

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Read an object.
    Get,
    /// Say whether an object is there, and since when.
    Head,
    /// Write an object.
    Put,
}

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer is this HTTP status.
    Status(u16),
    /// No answer for so long, and then an error.
    TimesOut(Duration),
    /// The connection breaks before the answer.
    Reset,
    /// Of a read: half of the body comes, and then the connection breaks.
    ResetInBody,
    /// Of a read: half of the body comes, and then it ends as if that were all.
    ShortBody,
    /// Of a write: the object is stored, and the answer is lost.
    AnswerLost,
    /// It works, after so long.
    Slow(Duration),
    /// No answer, ever.
    Hangs,
    /// Access is denied.
    Denied,
    /// The code of the store panics.
    Panics,
}

/// How often, for a fault that does not go away.
pub const FOR_EVER: usize = usize::MAX;

/// The plan of all faults, and how far it has come.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    latency_millis: RangeInclusive<u64>,
    state: Mutex<HashMap<(Operation, String), FaultPlan>>,
}

#[derive(Debug, Default)]
struct FaultPlan {
    calls: u64,
    fault: Option<(Fault, usize)>,
}

impl Faults {
    /// No fault yet; each operation takes a number of milliseconds from the range.
    #[must_use]
    pub fn new(seed: u64, latency_millis: RangeInclusive<u64>) -> Self {
        Self { seed, latency_millis, state: Mutex::default() }
    }

    /// Lets an operation on an object fail so many times.
    pub fn plan(&self, operation: Operation, key: &str, fault: Fault, times: usize) {
        self.lock().entry((operation, key.to_owned())).or_default().fault = Some((fault, times));
    }

    /// Faults that were planned and have not all happened: a test that meant something by them has not tested it.
    #[must_use]
    pub fn unspent(&self) -> Vec<String> {
        let state = self.lock();
        let unspent = state.iter().filter_map(|((operation, key), plan)| match plan.fault {
            Some((fault, times)) if times != 0 && times != FOR_EVER => {
                Some(format!("{operation:?} {key} should have failed {times} more times: {fault:?}"))
            }
            _ => None,
        });
        unspent.collect()
    }

    /// Lets an operation take its time, and says how it misbehaves.
    async fn meet(&self, operation: Operation, key: &str) -> Result<Option<Fault>, StoreError> {
        let (fault, latency) = self.next(operation, key);
        tokio::time::sleep(latency).await;
        match fault {
            Some(Fault::Status(status @ (408 | 425 | 429 | 500..))) => {
                Err(StoreError::Unreachable(format!("status {status}")))
            }
            Some(Fault::Status(status)) => Err(StoreError::Refused(format!("status {status}"))),
            Some(Fault::TimesOut(after)) => {
                tokio::time::sleep(after).await;
                Err(StoreError::Unreachable("timed out".to_owned()))
            }
            Some(Fault::Reset) => Err(reset()),
            Some(Fault::Slow(for_so_long)) => {
                tokio::time::sleep(for_so_long).await;
                Ok(None)
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Denied) => Err(StoreError::Denied("AccessDenied".to_owned())),
            Some(Fault::Panics) => panic!("the plan says that {operation:?} {key} panics"),
            None | Some(Fault::ResetInBody | Fault::ShortBody | Fault::AnswerLost) => Ok(fault),
        }
    }

    fn next(&self, operation: Operation, key: &str) -> (Option<Fault>, Duration) {
        let mut state = self.lock();
        let plan = state.entry((operation, key.to_owned())).or_default();
        plan.calls += 1;
        let fault = match &mut plan.fault {
            None | Some((_, 0)) => None,
            Some((fault, FOR_EVER)) => Some(*fault),
            Some((fault, times)) => {
                *times -= 1;
                Some(*fault)
            }
        };
        let mut hasher = DefaultHasher::new();
        (self.seed, operation, key, plan.calls).hash(&mut hasher);
        let millis = fastrand::Rng::with_seed(hasher.finish()).u64(self.latency_millis.clone());
        (fault, Duration::from_millis(millis))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Operation, String), FaultPlan>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reset() -> StoreError {
    StoreError::Unreachable("the connection was reset".to_owned())
}

/// A store behind its faults.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    faults: Arc<Faults>,
}

impl Faulty {
    /// Puts a store behind faults.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        let fault = self.faults.meet(Operation::Head, key).await?;
        let head = self.inner.head(key).await?;
        if fault == Some(Fault::AnswerLost) { Err(reset()) } else { Ok(head) }
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        let fault = self.faults.meet(Operation::Put, key).await?;
        self.inner.put(key, body, about, mode).await?;
        if fault == Some(Fault::AnswerLost) { Err(reset()) } else { Ok(()) }
    }

    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        let fault = self.faults.meet(Operation::Get, key).await?;
        let object = self.inner.get(key, grant).await?;
        let Some(fault) = fault else { return Ok(object) };
        let Object { bytes, headers, body } = object;
        let whole: Vec<Bytes> = body.try_collect().await?;
        let whole = whole.concat();
        let mut body = vec![Ok(Bytes::copy_from_slice(&whole[..whole.len() / 2]))];
        if fault == Fault::ResetInBody {
            body.push(Err(reset()));
        }
        Ok(Object { bytes, headers, body: futures_util::stream::iter(body).boxed() })
    }
}
