//! What a place of objects must be able to do, and how it says that it could not.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::{Headers, Location, Role};
use crate::failure::{Blame, Failure};

/// One place of objects: a bucket, the files of this machine, memory. The seam at which tests put faults.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Finds an object. Its body is read by then only if that is granted and costs no more than finding it.
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError>;

    /// Says what there is to know about an object without its bytes. A link in the place of a file counts as what it is.
    async fn head(&self, key: &str) -> Result<Head, StoreError>;

    /// Stores a whole object: whoever reads sees what was there before, or all of it.
    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError>;
}

/// What is known about an object without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was stored, as exactly as the place keeps it: in whole seconds by S3. None where that is not said.
    pub modified: Option<SystemTime>,
}

impl Head {
    /// Whether this has to be assumed to be newer than another: unless it is known to be older.
    #[must_use]
    pub fn may_be_newer_than(self, other: Self) -> bool {
        match (self.modified, other.modified) {
            (Some(own), Some(other)) => own >= other,
            _ => true,
        }
    }
}

/// What a put does about an object that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// It is replaced.
    Replace,
    /// It stays, and the put fails with [`StoreError::AlreadyExists`]. Of several at once, one succeeds.
    Create,
}

/// What is stored with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The media type.
    pub content_type: &'static str,
    /// What else the object says of itself. A file of this machine says nothing.
    pub headers: Headers,
}

impl About {
    /// A type and nothing else.
    #[must_use]
    pub fn content_type(content_type: &'static str) -> Self {
        Self { content_type, headers: Headers::default() }
    }
}

/// Asks whoever wants an object whether there is memory for its body, which may then come along at once.
pub struct Grant(Box<dyn FnOnce(u64) -> bool + Send>);

impl Grant {
    /// Granted if this says so of the body's bytes. It must not wait.
    pub fn new(ask: impl FnOnce(u64) -> bool + Send + 'static) -> Self {
        Self(Box::new(ask))
    }

    /// Never granted.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| false)
    }

    /// Whether a body of so many bytes may be read.
    #[must_use]
    pub fn ask(self, bytes: u64) -> bool {
        self.0(bytes)
    }
}

/// An object that was found.
pub struct Object {
    /// Bytes that are promised.
    pub bytes: u64,
    /// What it says of itself.
    pub headers: Headers,
    /// What comes, which need not be what was promised.
    pub body: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl Object {
    /// One whose body is there.
    #[must_use]
    pub fn whole(body: Bytes) -> Self {
        let bytes = body.len() as u64;
        Self { bytes, headers: Headers::default(), body: futures_util::stream::iter([Ok(body)]).boxed() }
    }
}

/// Why an object could not be read or written. The variant decides the outcome of the job; the text does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object, bucket or folder.
    #[error("was not found")]
    NotFound,
    /// Whoever asks may not.
    #[error("may not be accessed: {0}")]
    Denied(String),
    /// There is one, which is not to be replaced.
    #[error("already exists")]
    AlreadyExists,
    /// Two writers met, or the object was replaced while it was read.
    #[error("was changed by another process")]
    Conflict,
    /// Something else than a file has the name.
    #[error("is {0}; expected a file")]
    NotAFile(&'static str),
    /// The place cannot have such a key.
    #[error("has a key that is not supported: {0}")]
    UnsupportedKey(String),
    /// The place is not one of those that may be used.
    #[error("cannot be used: {0}")]
    BadLocation(String),
    /// No room is left.
    #[error("has no room: {0}")]
    Full(String),
    /// There are no credentials, or they ended, or this machine's clock is off.
    #[error("cannot be requested: {0}")]
    Credentials(String),
    /// The bucket is elsewhere than this client was told.
    #[error("is at another endpoint: {0}")]
    Redirected(String),
    /// The server will not do it, now or later.
    #[error("was refused: {0}")]
    Refused(String),
    /// Nobody answered, or the answer was that it did not work for the moment.
    #[error("is unreachable: {0}")]
    Unreachable(String),
}

impl StoreError {
    /// The failure of a job.
    #[must_use]
    pub fn failure(&self, role: Role, location: &Location) -> Failure {
        let text = format!("{} {location} {self}", role.as_str());
        let permanent = |kind| Failure::permanent(role.blame(), kind, text.as_str());
        let environment = |kind| Failure::transient(Blame::Environment, kind, text.as_str());
        match self {
            Self::NotFound => permanent(role.kind("source-not-found", "target-not-found")),
            Self::Denied(_) => permanent(role.kind("source-access-denied", "target-access-denied")),
            Self::NotAFile(_) => permanent("not-a-file"),
            Self::UnsupportedKey(_) => permanent("unsupported-key"),
            Self::BadLocation(_) => permanent("bad-location"),
            Self::Refused(_) => permanent("storage-refused"),
            Self::Redirected(_) => Failure::permanent(Blame::Environment, "redirected", text),
            Self::Conflict | Self::AlreadyExists => Failure::transient(role.blame(), "conflict", text),
            Self::Full(_) => environment("storage-full"),
            Self::Credentials(_) => environment("credentials"),
            Self::Unreachable(_) => environment("storage"),
        }
    }
}
