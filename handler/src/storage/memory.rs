//! Objects in the process's memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::Headers;
use super::store::{About, Grant, Object, Store, StoreError};

/// A bucket in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<String, Kept>>);

/// An object, its content type, and what else it says of itself.
type Kept = (Bytes, String, Headers);

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object there, whatever the faults in front of the store say.
    pub fn insert(&self, key: &str, body: impl Into<Bytes>, content_type: &str) {
        self.lock().insert(key.to_owned(), (body.into(), content_type.to_owned(), Headers::default()));
    }

    /// An object and its content type.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<(Bytes, String)> {
        self.lock().get(key).map(|(body, content_type, _)| (body.clone(), content_type.clone()))
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
        let (body, _, headers) = self.lock().get(key).cloned().ok_or(StoreError::NotFound)?;
        Ok(Object { headers, ..Object::whole(body) })
    }

    async fn put(&self, key: &str, body: Bytes, about: &About) -> Result<(), StoreError> {
        let About { content_type, headers } = about.clone();
        self.lock().insert(key.to_owned(), (body, content_type.to_owned(), headers));
        Ok(())
    }
}
