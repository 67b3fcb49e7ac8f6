//! Objects by [`Location`]: fetched within a bound, stored whole or not at all.
//!
//! It knows no images and no queues. Invariants:
//! - nothing can be reached that was not opted in: S3, folders of files, memory, each by a call of the builder, and within
//!   these only what [`Allowed`] names, if it names anything;
//! - a fetch never holds more bytes than it was allowed, whatever the other side declares;
//! - a store is atomic: readers see the old object or the whole new one;
//! - a file outside the configured roots is neither read nor written, whoever exchanges folders for symbolic links.

mod allowed;
mod files;
mod headers;
mod location;
mod memory;
mod s3;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::failure::{Blame, Failure};

use files::{Files, Links, Root};

pub use allowed::Allowed;
pub use files::{NotAFile, open_regular};
pub use headers::{HeaderError, Headers};
pub(crate) use location::file_encoded;
pub use location::{Location, LocationError, Scheme};
pub use memory::MemoryStore;
pub use s3::{S3, S3Error};
pub use store::{About, Grant, Head, Object, PutMode, Store, StoreError};

/// Wraps a store in another, for faults, counting or limits.
type Decorator = Arc<dyn Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync>;

/// All places objects can be in. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    paths: Files,
    files: Arc<dyn Store>,
    memory: Option<Arc<dyn Store>>,
    s3: Option<S3>,
    buckets: HashMap<String, Arc<dyn Store>>,
    allowed: Option<Allowed>,
    decorate: Decorator,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("files", &self.inner.paths)
            .field("memory", &self.inner.memory.is_some())
            .field("s3", &self.inner.s3.is_some())
            .finish_non_exhaustive()
    }
}

/// Says which places a [`Storage`] has. Without a call there are none.
#[derive(Default)]
pub struct StorageBuilder {
    roots: Vec<Root>,
    memory: bool,
    s3: Option<S3>,
    buckets: HashMap<String, Arc<dyn Store>>,
    allowed: Option<Allowed>,
    decorate: Option<Decorator>,
}

impl StorageBuilder {
    /// Allows files below this folder, which must exist and is opened now: what is made of its name later changes nothing.
    /// The folder itself may be a symbolic link; below it none is followed. May be called for several folders.
    pub fn file_root(mut self, root: impl AsRef<FilePath>) -> std::io::Result<Self> {
        self.roots.push(Root::open(root.as_ref(), Links::Refuse)?);
        Ok(self)
    }

    /// Allows all files of this machine, symbolic links followed: for jobs of one's own, never for those of others.
    pub fn all_files(mut self) -> std::io::Result<Self> {
        self.roots.push(Root::open(FilePath::new("/"), Links::Follow)?);
        Ok(self)
    }

    /// Allows S3.
    #[must_use]
    pub fn s3(mut self, s3: S3) -> Self {
        self.s3 = Some(s3);
        self
    }

    /// Allows `memory://`, for tests: what is stored there is in this process and nowhere else.
    #[must_use]
    pub fn memory(mut self) -> Self {
        self.memory = true;
        self
    }

    /// Puts a given store behind `s3://name/`, for tests of S3 events without S3.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>, store: Arc<dyn Store>) -> Self {
        self.buckets.insert(name.into(), store);
        self
    }

    /// Limits all of them to some locations.
    #[must_use]
    pub fn allowed(mut self, allowed: Option<Allowed>) -> Self {
        self.allowed = allowed;
        self
    }

    /// Wraps every store where it is opened: the hook by which tests inject faults.
    #[must_use]
    pub fn decorate(mut self, decorator: impl Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        self.decorate = Some(Arc::new(decorator));
        self
    }

    /// The storage.
    #[must_use]
    pub fn build(self) -> Storage {
        let decorate = self.decorate.unwrap_or_else(|| Arc::new(|store| store));
        let paths = Files::new(self.roots);
        Storage {
            inner: Arc::new(Inner {
                files: decorate(Arc::new(paths.clone())),
                paths,
                memory: self.memory.then(|| decorate(Arc::new(MemoryStore::new()))),
                s3: self.s3,
                buckets: self.buckets.into_iter().map(|(name, store)| (name, decorate(store))).collect(),
                allowed: self.allowed,
                decorate,
            }),
        }
    }
}

/// What a job does with a location: decides who is to blame when it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is read.
    Source,
    /// It is written.
    Target,
}

impl Role {
    fn blame(self) -> Blame {
        match self {
            Self::Source => Blame::Source,
            Self::Target => Blame::Target,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }

    fn kind(self, source: &'static str, target: &'static str) -> &'static str {
        match self {
            Self::Source => source,
            Self::Target => target,
        }
    }
}

/// Why jobs may not use a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// This storage has no such place.
    #[error("{0}")]
    NotHere(String),
    /// It has, but it is not one of those that are allowed.
    #[error("{location} is not within the allowed locations: {allowed}")]
    NotAllowed {
        /// What was asked for.
        location: Location,
        /// What may be.
        allowed: Allowed,
    },
}

impl Unusable {
    /// The stable word of the failure.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotHere(_) => "bad-location",
            Self::NotAllowed { .. } => "location-not-allowed",
        }
    }
}

/// An object that has been found and can be read.
pub struct Download {
    object: Object,
    location: Location,
}

impl Download {
    /// Bytes the other side declares. A promise that [`read`](Self::read) enforces, not a fact.
    #[must_use]
    pub fn declared_bytes(&self) -> u64 {
        self.object.bytes
    }

    /// What the object says of itself.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.object.headers
    }

    /// Reads the body, holding at most the declared bytes and what comes at once.
    pub async fn read(self) -> Result<Bytes, Failure> {
        let Self { object: Object { bytes: declared, mut body, .. }, location } = self;
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut total = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| error.failure(Role::Source, &location))?;
            total += chunk.len() as u64;
            if total > declared {
                let text = format!("{location} sent more than the {declared} bytes it declared");
                return Err(Failure::transient(Blame::Source, "body-too-long", text));
            }
            // What comes whole is not copied.
            if total == declared && all.is_empty() {
                first = chunk;
            } else if !chunk.is_empty() {
                all.reserve(usize::try_from(declared).unwrap_or(0).saturating_sub(all.len()));
                all.extend_from_slice(&chunk);
            }
        }
        if total < declared {
            let text = format!("{location} ended after {total} of {declared} bytes");
            return Err(Failure::transient(Blame::Source, "short-read", text));
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

impl Storage {
    /// Starts to say which places there are.
    #[must_use]
    pub fn builder() -> StorageBuilder {
        StorageBuilder::default()
    }

    /// Only memory, for tests.
    #[must_use]
    pub fn memory() -> Self {
        Self::builder().memory().build()
    }

    /// Whether jobs may name the location here. Nothing is opened for it.
    pub fn check(&self, location: &Location) -> Result<(), Unusable> {
        let inner = &self.inner;
        match location.scheme() {
            Scheme::Memory if inner.memory.is_some() => {}
            Scheme::S3 if inner.s3.is_some() || inner.buckets.contains_key(location.bucket()) => {}
            Scheme::File => inner.paths.check(location.key()).map_err(Unusable::NotHere)?,
            scheme => return Err(Unusable::NotHere(format!("{}:// is not configured here", scheme.as_str()))),
        }
        match &inner.allowed {
            Some(allowed) if !allowed.allows(location) && !allowed.allows(&self.canonical(location)) => {
                Err(Unusable::NotAllowed { location: location.clone(), allowed: allowed.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The one spelling by which locations are compared, here: as [`Location::canonical`], and of a file the path with the
    /// links of its root resolved. Below a root no link is followed, so there is no other.
    #[must_use]
    pub fn canonical(&self, location: &Location) -> Location {
        let real = match location.scheme() {
            Scheme::File => self.inner.paths.real_path(location.key()),
            Scheme::S3 | Scheme::Memory => None,
        };
        real.and_then(|path| Location::file(&path).ok()).unwrap_or_else(|| location.canonical())
    }

    /// Finds an object. More than `bytes_max` declared bytes are refused before any is read.
    pub async fn open(&self, location: &Location, bytes_max: u64, grant: Grant) -> Result<Download, Failure> {
        let store = self.store_of(Role::Source, location)?;
        let grant = Grant::new(move |bytes| bytes <= bytes_max && grant.ask(bytes));
        let object = store.get(location.key(), grant).await.map_err(|error| error.failure(Role::Source, location))?;
        if object.bytes > bytes_max {
            let text = format!("{location} has {} bytes; at most {bytes_max} are accepted", object.bytes);
            return Err(Failure::permanent(Blame::Limits, "source-too-large", text));
        }
        Ok(Download { object, location: location.clone() })
    }

    /// Finds and reads an object of at most `bytes_max` bytes.
    pub async fn fetch(&self, location: &Location, bytes_max: u64) -> Result<Bytes, Failure> {
        self.open(location, bytes_max, Grant::new(|_| true)).await?.read().await
    }

    /// Stores a whole object, replacing what is there.
    pub async fn store(&self, location: &Location, body: Bytes, content_type: &'static str) -> Result<(), Failure> {
        self.store_with(location, body, &About::content_type(content_type)).await
    }

    /// Stores a whole object with what it says of itself, replacing what is there.
    pub async fn store_with(&self, location: &Location, body: Bytes, about: &About) -> Result<(), Failure> {
        let store = self.store_of(Role::Target, location)?;
        let stored = store.put(location.key(), body, about, PutMode::Replace).await;
        stored.map_err(|error| error.failure(Role::Target, location))
    }

    /// Stores a whole object where there is none, and says whether it did. Of several at once, one does.
    pub async fn create(&self, location: &Location, body: Bytes, about: &About) -> Result<bool, Failure> {
        let store = self.store_of(Role::Target, location)?;
        match store.put(location.key(), body, about, PutMode::Create).await {
            Ok(()) => Ok(true),
            Err(StoreError::AlreadyExists) => Ok(false),
            Err(error) => Err(error.failure(Role::Target, location)),
        }
    }

    /// What is known about a source without reading it.
    pub async fn head(&self, source: &Location) -> Result<Head, Failure> {
        let store = self.store_of(Role::Source, source)?;
        store.head(source.key()).await.map_err(|error| error.failure(Role::Source, source))
    }

    /// What is at a target; none also where that may not be asked, because S3 gives whoever may not list a bucket the same
    /// answer for what is not there.
    pub async fn existing(&self, target: &Location) -> Result<Option<Head>, Failure> {
        let store = self.store_of(Role::Target, target)?;
        match store.head(target.key()).await {
            Ok(head) => Ok(Some(head)),
            Err(StoreError::NotFound) => Ok(None),
            Err(StoreError::Denied(reason)) => {
                tracing::debug!("whether {target} is there may not be asked: {reason}");
                Ok(None)
            }
            Err(error) => Err(error.failure(Role::Target, target)),
        }
    }

    fn store_of(&self, role: Role, location: &Location) -> Result<Arc<dyn Store>, Failure> {
        let refused = |kind, reason: String| {
            Failure::permanent(role.blame(), kind, format!("{} {location} cannot be used: {reason}", role.as_str()))
        };
        self.check(location).map_err(|unusable| refused(unusable.kind(), unusable.to_string()))?;
        let inner = &self.inner;
        let store = match location.scheme() {
            Scheme::File => Some(inner.files.clone()),
            Scheme::Memory => inner.memory.as_ref().map(|memory| {
                let within: Arc<dyn Store> =
                    Arc::new(Within { name: location.bucket().to_owned(), all: memory.clone() });
                within
            }),
            Scheme::S3 => inner.buckets.get(location.bucket()).cloned().or_else(|| {
                let s3 = inner.s3.as_ref()?;
                Some((inner.decorate)(Arc::new(s3.bucket(location.bucket()))))
            }),
        };
        store.ok_or_else(|| refused("bad-location", "not configured".to_owned()))
    }
}

/// One name of the memory that all names share.
#[derive(Debug)]
struct Within {
    name: String,
    all: Arc<dyn Store>,
}

#[async_trait::async_trait]
impl Store for Within {
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        self.all.get(&format!("{}/{key}", self.name), grant).await
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        self.all.head(&format!("{}/{key}", self.name)).await
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        self.all.put(&format!("{}/{key}", self.name), body, about, mode).await
    }
}

#[cfg(test)]
mod tests;
