//! Objects by [`Location`]: fetched within a bound, stored whole or not at all.
//!
//! One small type over `object_store`. It knows no images and no queues. Invariants:
//! - a fetch never holds more bytes than it was allowed, whatever the other side declares;
//! - a store is atomic: readers see the old object or the whole new one. S3's put is atomic by itself; a file is written
//!   beside its place and renamed;
//! - a file outside the configured roots is neither read nor written, symbolic links included.
//!
//! The check for links resolves the path before it is opened. Somebody who can replace a folder below a root by a link at
//! that very moment can still win that race; give the roots to nobody else.

mod location;
mod s3;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{Attribute, GetResult, ObjectStore, ObjectStoreExt, PutOptions};

use crate::failure::{Blame, Failure, Retry};

pub use location::{Location, LocationError, Scheme};
pub use s3::{S3, install_crypto_provider};

/// Wraps a store in another, for faults, counting or limits.
type Decorator = Arc<dyn Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync>;

/// All places objects can be in. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    roots: Vec<PathBuf>,
    files: Arc<dyn ObjectStore>,
    memory: Arc<dyn ObjectStore>,
    s3: Option<S3>,
    buckets: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    decorate: Decorator,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("roots", &self.inner.roots)
            .field("s3", &self.inner.s3.is_some())
            .finish_non_exhaustive()
    }
}

/// Says which places a [`Storage`] has. Without a call there is only `memory://`.
#[derive(Default)]
pub struct StorageBuilder {
    roots: Vec<PathBuf>,
    s3: Option<S3>,
    buckets: HashMap<String, Arc<dyn ObjectStore>>,
    decorate: Option<Decorator>,
}

impl StorageBuilder {
    /// Allows files below this folder, which must exist. May be called for several folders.
    pub fn file_root(mut self, root: impl AsRef<FilePath>) -> std::io::Result<Self> {
        let root = root.as_ref().canonicalize()?;
        if !root.is_dir() {
            return Err(std::io::Error::new(std::io::ErrorKind::NotADirectory, "not a folder"));
        }
        self.roots.push(root);
        Ok(self)
    }

    /// Allows S3.
    #[must_use]
    pub fn s3(mut self, s3: S3) -> Self {
        self.s3 = Some(s3);
        self
    }

    /// Puts a given store behind `s3://name/`, for tests of S3 events without S3.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>, store: Arc<dyn ObjectStore>) -> Self {
        self.buckets.insert(name.into(), store);
        self
    }

    /// Wraps every store once, where it is opened: the hook by which tests inject faults.
    #[must_use]
    pub fn decorate(
        mut self,
        decorator: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync + 'static,
    ) -> Self {
        self.decorate = Some(Arc::new(decorator));
        self
    }

    /// The storage.
    #[must_use]
    pub fn build(self) -> Storage {
        let decorate = self.decorate.unwrap_or_else(|| Arc::new(|store| store));
        let buckets = self.buckets.into_iter().map(|(name, store)| (name, decorate(store))).collect();
        Storage {
            inner: Arc::new(Inner {
                roots: self.roots,
                files: decorate(Arc::new(LocalFileSystem::new())),
                memory: decorate(Arc::new(InMemory::new())),
                s3: self.s3,
                buckets: Mutex::new(buckets),
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

/// An object that has been found and can be read.
pub struct Download {
    result: GetResult,
    bytes_max: u64,
    location: Location,
}

impl Download {
    /// Bytes the other side declares. A promise that [`read`](Self::read) enforces, not a fact.
    #[must_use]
    pub fn declared_bytes(&self) -> u64 {
        self.result.meta.size
    }

    /// Reads the body, holding at most the declared bytes.
    pub async fn read(self) -> Result<Bytes, Failure> {
        let Self { result, bytes_max, location } = self;
        let declared = result.meta.size;
        let mut stream = result.into_stream();
        let mut body = BytesMut::with_capacity(usize::try_from(declared.min(bytes_max)).unwrap_or(0));
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| failure(Role::Source, &location, &error))?;
            let total = body.len() as u64 + chunk.len() as u64;
            if total > declared {
                let text = format!("{location} sent more than the {declared} bytes it declared");
                return Err(Failure::transient(Blame::Source, "body-too-long", text));
            }
            body.extend_from_slice(&chunk);
        }
        if (body.len() as u64) < declared {
            let text = format!("{location} ended after {} of {declared} bytes", body.len());
            return Err(Failure::transient(Blame::Source, "short-read", text));
        }
        Ok(body.freeze())
    }
}

impl Storage {
    /// Starts to say which places there are.
    #[must_use]
    pub fn builder() -> StorageBuilder {
        StorageBuilder::default()
    }

    /// Only memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::builder().build()
    }

    /// Whether the location is in a place this storage has, and why not. Looks at links but at no object.
    pub fn check(&self, location: &Location) -> Result<(), String> {
        match location.scheme() {
            Scheme::Memory => Ok(()),
            Scheme::S3 if self.inner.s3.is_some() || self.has_bucket(location.bucket()) => Ok(()),
            Scheme::S3 => Err("s3:// is not configured here".to_owned()),
            Scheme::File => self.confine(location).map(|_| ()),
        }
    }

    /// Finds an object. More than `bytes_max` declared bytes are refused before any is read.
    pub async fn open(&self, location: &Location, bytes_max: u64) -> Result<Download, Failure> {
        let (store, path) = self.resolve(Role::Source, location).await?;
        let result = store.get(&path).await.map_err(|error| failure(Role::Source, location, &error))?;
        if result.meta.size > bytes_max {
            let text = format!("{location} has {} bytes; at most {bytes_max} are accepted", result.meta.size);
            return Err(Failure::permanent(Blame::Limits, "source-too-large", text));
        }
        Ok(Download { result, bytes_max, location: location.clone() })
    }

    /// Finds and reads an object of at most `bytes_max` bytes.
    pub async fn fetch(&self, location: &Location, bytes_max: u64) -> Result<Bytes, Failure> {
        self.open(location, bytes_max).await?.read().await
    }

    /// Stores a whole object, replacing what is there.
    pub async fn store(&self, location: &Location, body: Bytes, content_type: &'static str) -> Result<(), Failure> {
        let (store, path) = self.resolve(Role::Target, location).await?;
        let mut options = PutOptions::default();
        // A file has no place for a content type, and its store refuses one.
        if location.scheme() != Scheme::File {
            options.attributes.insert(Attribute::ContentType, content_type.into());
        }
        let stored = store.put_opts(&path, body.into(), options).await;
        stored.map(|_| ()).map_err(|error| failure(Role::Target, location, &error))
    }

    async fn resolve(&self, role: Role, location: &Location) -> Result<(Arc<dyn ObjectStore>, StorePath), Failure> {
        let unusable = |reason: String| {
            Failure::permanent(role.blame(), "bad-location", format!("{location} cannot be used: {reason}"))
        };
        let (store, key) = match location.scheme() {
            Scheme::Memory => (self.inner.memory.clone(), format!("{}/{}", location.bucket(), location.key())),
            Scheme::S3 => (self.open_bucket(location.bucket()).map_err(unusable)?, location.key().to_owned()),
            Scheme::File => {
                let storage = self.clone();
                let asked = location.clone();
                let confined = tokio::task::spawn_blocking(move || storage.confine(&asked)).await;
                let path = confined.map_err(|error| unusable(error.to_string()))?.map_err(unusable)?;
                (self.inner.files.clone(), path)
            }
        };
        let path = StorePath::parse(&key).map_err(|error| unusable(error.to_string()))?;
        Ok((store, path))
    }

    /// The real path of a file, if it is below a root once every link is followed. What does not exist yet is judged by
    /// the nearest folder above it that does.
    fn confine(&self, location: &Location) -> Result<String, String> {
        let asked = FilePath::new("/").join(location.key());
        let mut existing = asked.as_path();
        let mut missing = Vec::new();
        let real = loop {
            match existing.canonicalize() {
                Ok(real) => break real,
                // A link to nothing is not a free name: writing "through" it would leave the root.
                Err(error) if existing.is_symlink() => return Err(format!("a link leads nowhere: {error}")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
                        return Err("there is no such place".to_owned());
                    };
                    missing.push(name.to_owned());
                    existing = parent;
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        if !self.inner.roots.iter().any(|root| real.starts_with(root)) {
            return Err(self.outside());
        }
        let real = missing.iter().rev().fold(real, |path, name| path.join(name));
        let text = real.to_str().ok_or_else(|| "the path is not UTF-8".to_owned())?;
        Ok(text.trim_start_matches('/').to_owned())
    }

    fn outside(&self) -> String {
        let roots: Vec<_> = self.inner.roots.iter().map(|root| root.display().to_string()).collect();
        match roots.as_slice() {
            [] => "file:// is not configured here".to_owned(),
            roots => format!("it is outside the folder {}", roots.join(" and ")),
        }
    }

    fn has_bucket(&self, name: &str) -> bool {
        self.inner.buckets.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    fn open_bucket(&self, name: &str) -> Result<Arc<dyn ObjectStore>, String> {
        let mut buckets = self.inner.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(name) {
            return Ok(store.clone());
        }
        let Some(s3) = &self.inner.s3 else {
            return Err("s3:// is not configured here".to_owned());
        };
        let store = (self.inner.decorate)(s3.bucket(name).map_err(|error| error.to_string())?);
        // Names come from strangers' messages: more buckets than this are opened anew each time instead of kept.
        if buckets.len() < BUCKETS_KEPT_MAX {
            buckets.insert(name.to_owned(), store.clone());
        }
        Ok(store)
    }
}

/// Open buckets that are kept, each with its connections.
const BUCKETS_KEPT_MAX: usize = 64;

/// Decides by the type of a storage error.
#[must_use]
pub fn failure(role: Role, location: &Location, error: &object_store::Error) -> Failure {
    use object_store::Error as E;
    let text = |what: &str| format!("{} {location} {what}", role.as_str());
    let permanent = |kind, what: &str| Failure::permanent(role.blame(), kind, text(what));
    match error {
        E::NotFound { .. } => permanent(role.kind("source-not-found", "target-not-found"), "was not found"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } if is_about_time(error) => {
            let what = format!("was refused for the moment: {}", deepest(error));
            Failure::transient(Blame::Environment, "credentials", text(&what))
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            permanent(role.kind("source-access-denied", "target-access-denied"), "may not be accessed")
        }
        E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
            permanent("bad-location", &format!("cannot be used: {}", deepest(error)))
        }
        // Two writers met, or a condition did not hold any more: the next try sees what the other left.
        E::Precondition { .. } | E::AlreadyExists { .. } | E::NotModified { .. } => {
            Failure::transient(role.blame(), "conflict", text("was changed by somebody else"))
        }
        other => unsorted(role, location, other),
    }
}

/// What `object_store` does not sort: statuses besides the common ones, connections, files, credentials.
fn unsorted(role: Role, location: &Location, error: &object_store::Error) -> Failure {
    let text = |what: &str| format!("{} {location} {what}: {}", role.as_str(), deepest(error));
    if chain(error).any(<dyn std::error::Error>::is::<s3::CredentialsFailed>) || is_about_time(error) {
        return Failure::transient(Blame::Environment, "credentials", text("could not be asked for"));
    }
    let cause = chain(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    if let Some(kind) = cause {
        use std::io::ErrorKind as K;
        match kind {
            K::PermissionDenied | K::ReadOnlyFilesystem => {
                let kind = role.kind("source-access-denied", "target-access-denied");
                return Failure::permanent(role.blame(), kind, text("may not be accessed"));
            }
            K::NotADirectory | K::IsADirectory | K::InvalidFilename | K::InvalidInput => {
                return Failure::permanent(role.blame(), "bad-location", text("cannot be used"));
            }
            K::StorageFull | K::QuotaExceeded => {
                return Failure::new(Blame::Environment, Retry::Later, "storage-full", text("has no room"));
            }
            _ => {}
        }
    }
    match chain(error).find_map(|cause| status_in(&cause.to_string())) {
        Some(408 | 425 | 429) | None => Failure::transient(Blame::Environment, "storage", text("could not be reached")),
        Some(status @ 300..=499) => {
            Failure::permanent(role.blame(), "storage-refused", text(&format!("was refused with status {status}")))
        }
        Some(status) => {
            Failure::transient(Blame::Environment, "storage", text(&format!("was answered with status {status}")))
        }
    }
}

/// The HTTP status in an error's text. `object_store` keeps the type that has it private, so the text is all there is;
/// without a match the failure counts as transient, which loses nothing.
fn status_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// AWS answers 400 or 403 to a signature made with credentials that ended or a clock that is off (documentation: "Error
/// responses", Amazon S3 API Reference). Nothing is wrong with the object then.
fn is_about_time(error: &object_store::Error) -> bool {
    chain(error).any(|cause| {
        let text = cause.to_string();
        ["ExpiredToken", "RequestTimeTooSkewed", "TokenRefreshRequired"].iter().any(|code| text.contains(code))
    })
}

fn chain(error: &object_store::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |cause| cause.source())
}

/// The text of the innermost cause, which is the plain one.
fn deepest(error: &object_store::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests;
