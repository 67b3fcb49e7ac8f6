//! What is known of a bucket and of an object, wherever it is kept.

use std::sync::Arc;

use s3s::dto::{Checksum, Expires, Metadata, NotificationConfiguration};

use super::{content::Content, receive::Share};
use crate::engine::Time;

/// What is said of a bucket.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) created: Time,
    /// Whether each object is given a version. Only the newest one is kept.
    pub(super) is_versioned: bool,
    pub(super) notifications: NotificationConfiguration,
    pub(super) tags: Vec<(String, String)>,
}

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) content: Content,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) modified: Time,
    pub(super) properties: Properties,
    pub(super) tags: Vec<(String, String)>,
    pub(super) checksum: Checksum,
    pub(super) version_id: Option<String>,
    /// How many bytes each part has, if it was uploaded in parts.
    pub(super) parts: Vec<u64>,
    /// Its share of what all buckets may hold, which copies have too.
    pub(super) _share: Arc<Share>,
}

/// What a client says of an object, and gets to hear again.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<Expires>,
    pub(super) metadata: Option<Metadata>,
}

impl Settings {
    pub(super) fn new(created: Time) -> Self {
        Self { created, is_versioned: false, notifications: NotificationConfiguration::default(), tags: Vec::new() }
    }
}
