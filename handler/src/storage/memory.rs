//! Objects in the process's memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use super::Headers;
use super::store::{About, Grant, Head, Object, PutMode, Store, StoreError};

/// A bucket in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<String, Kept>>);

/// An object, its content type, what else it says of itself, and since when it is there.
#[derive(Clone, Debug)]
struct Kept {
    body: Bytes,
    content_type: String,
    headers: Headers,
    modified: SystemTime,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object there, whatever the faults in front of the store say.
    pub fn insert(&self, key: &str, body: impl Into<Bytes>, content_type: &str) {
        self.insert_at(key, body, content_type, now());
    }

    /// The same with the time since when it is there.
    pub fn insert_at(&self, key: &str, body: impl Into<Bytes>, content_type: &str, modified: SystemTime) {
        let (body, content_type) = (body.into(), content_type.to_owned());
        self.lock().insert(key.to_owned(), Kept { body, content_type, headers: Headers::default(), modified });
    }

    /// Takes an object away.
    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    /// An object and its content type.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<(Bytes, String)> {
        self.lock().get(key).map(|kept| (kept.body.clone(), kept.content_type.clone()))
    }

    /// All keys, in their order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str, _: Grant) -> Result<Object, StoreError> {
        let Kept { body, headers, .. } = self.lock().get(key).cloned().ok_or(StoreError::NotFound)?;
        Ok(Object { headers, ..Object::whole(body) })
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        let modified = self.lock().get(key).map(|kept| kept.modified).ok_or(StoreError::NotFound)?;
        Ok(Head { modified: Some(modified) })
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        let About { content_type, headers } = about.clone();
        let kept = Kept { body, content_type: content_type.to_owned(), headers, modified: now() };
        let mut objects = self.lock();
        if mode == PutMode::Create && objects.contains_key(key) {
            return Err(StoreError::AlreadyExists);
        }
        objects.insert(key.to_owned(), kept);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "objects are dated by the wall clock, as everywhere")]
fn now() -> SystemTime {
    SystemTime::now()
}
