//! A storage that misbehaves as it was planned to, and takes its time.
//!
//! A fault is planned for one operation on one object and a number of times; after that the object is fine. How long an
//! operation takes depends only on the seed, the operation, the object and how often it was asked for, so a run does not
//! change because other things happen in another order.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Read an object.
    Get,
    /// Write an object.
    Put,
}

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer is this HTTP status, in the words of `object_store`.
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
    state: Mutex<HashMap<(Operation, String), Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
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
    async fn meet(&self, operation: Operation, path: &Path) -> Result<Option<Fault>> {
        let (fault, latency) = self.next(operation, path);
        tokio::time::sleep(latency).await;
        let source: Box<dyn std::error::Error + Send + Sync> = match fault {
            Some(Fault::Status(status)) => format!("Server returned non-2xx status code: {status} : ").into(),
            Some(Fault::TimesOut(after)) => {
                tokio::time::sleep(after).await;
                "operation timed out".into()
            }
            Some(Fault::Reset) => reset(),
            Some(Fault::Slow(for_so_long)) => {
                tokio::time::sleep(for_so_long).await;
                return Ok(None);
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Denied) => {
                return Err(Error::PermissionDenied { path: path.to_string(), source: "AccessDenied".into() });
            }
            Some(Fault::Panics) => panic!("the plan says that {operation:?} {path} panics"),
            None | Some(Fault::ResetInBody | Fault::ShortBody | Fault::AnswerLost) => return Ok(fault),
        };
        Err(generic(source))
    }

    fn next(&self, operation: Operation, path: &Path) -> (Option<Fault>, Duration) {
        let mut state = self.lock();
        let plan = state.entry((operation, path.to_string())).or_default();
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
        (self.seed, operation, path.as_ref(), plan.calls).hash(&mut hasher);
        let millis = fastrand::Rng::with_seed(hasher.finish()).u64(self.latency_millis.clone());
        (fault, Duration::from_millis(millis))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Operation, String), Plan>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reset() -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: "Faulty", source }
}

/// A store behind its faults.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Faults>,
}

impl Faulty {
    /// Puts a store behind faults.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, body: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.faults.meet(Operation::Put, path).await?;
        let stored = self.inner.put_opts(path, body, options).await?;
        if fault == Some(Fault::AnswerLost) { Err(generic(reset())) } else { Ok(stored) }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.faults.meet(Operation::Get, path).await?;
        let mut result = self.inner.get_opts(path, options.clone()).await?;
        if let Some(fault) = fault {
            let whole = self.inner.get_opts(path, options).await?.bytes().await?;
            let mut body: Vec<Result<Bytes>> = vec![Ok(whole.slice(..whole.len() / 2))];
            if fault == Fault::ResetInBody {
                body.push(Err(generic(reset())));
            }
            result.payload = GetResultPayload::Stream(futures_util::stream::iter(body).boxed());
        }
        Ok(result)
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
