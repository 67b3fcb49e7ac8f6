//! What is said of buckets and objects, as it is written down.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    sync::Arc,
};

use md5::{Digest as _, Md5};
use s3s::dto::{Checksum, ChecksumType, Expires, NotificationConfiguration, TimestampFormat};
use serde::{Deserialize, Serialize};

use super::{super::receive::Share, Content, Object, Settings, hex, names::Place};
use crate::{
    buckets::{
        object::Properties,
        receive::{ALGORITHMS, value},
    },
    engine::Time,
};

/// By what a file is known again that nobody has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) bytes: u64,
    modified_nanos: i64,
}

impl Identity {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        let nanos = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
        Ok(Self { bytes: found.len(), modified_nanos: nanos })
    }
}

/// What is said of a bucket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketRecord {
    created_millis: u64,
    is_versioned: bool,
    #[serde(default)]
    tags: Vec<(String, String)>,
    #[serde(default)]
    notifications: NotificationConfiguration,
}

impl BucketRecord {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            created_millis: settings.created.as_millis(),
            is_versioned: settings.is_versioned,
            tags: settings.tags.clone(),
            notifications: settings.notifications.clone(),
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    pub(super) fn settings(self) -> Settings {
        Settings {
            created: Time::from_millis(self.created_millis),
            is_versioned: self.is_versioned,
            notifications: self.notifications,
            tags: self.tags,
        }
    }
}

/// What is said of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectRecord {
    pub(super) key: String,
    /// Its file, from the bucket's folder on.
    pub(super) file: String,
    pub(super) bytes: u64,
    file_modified_nanos: i64,
    pub(super) etag: String,
    modified_millis: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
    /// By their algorithms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    checksums: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum_type: Option<String>,
    /// By the names of the headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl ObjectRecord {
    pub(super) fn new(key: &str, place: &Place, identity: &Identity, object: &Object) -> Self {
        let checksums = ALGORITHMS
            .into_iter()
            .filter_map(|algorithm| Some((algorithm.to_owned(), value(&object.checksum, algorithm)?.to_owned())));
        let properties = &object.properties;
        let expires = properties.expires.as_ref().and_then(|expires| {
            let mut text = Vec::new();
            expires.format(TimestampFormat::DateTime, &mut text).ok()?;
            String::from_utf8(text).ok()
        });
        let headers = [
            ("cache-control", properties.cache_control.clone()),
            ("content-disposition", properties.content_disposition.clone()),
            ("content-encoding", properties.content_encoding.clone()),
            ("content-language", properties.content_language.clone()),
            ("content-type", properties.content_type.clone()),
            ("expires", expires),
        ];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self {
            key: key.to_owned(),
            file: place.path(),
            bytes: identity.bytes,
            file_modified_nanos: identity.modified_nanos,
            etag: object.etag.clone(),
            modified_millis: object.modified.as_millis(),
            version_id: object.version_id.clone(),
            parts: object.parts.clone(),
            tags: object.tags.clone(),
            checksums: checksums.collect(),
            checksum_type: object.checksum.checksum_type.as_ref().map(|kind| kind.as_str().to_owned()),
            headers: headers.collect(),
            metadata: properties.metadata.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    pub(super) fn place(&self) -> Result<Place, String> {
        Place::parse(&self.file)
    }

    pub(super) fn identity(&self) -> Identity {
        Identity { bytes: self.bytes, modified_nanos: self.file_modified_nanos }
    }

    /// Makes it one about other bytes, of which nobody has said anything.
    pub(super) fn become_one(&mut self, etag: String, identity: &Identity) {
        self.etag = etag;
        self.bytes = identity.bytes;
        self.modified_millis = u64::try_from(identity.modified_nanos / 1_000_000).unwrap_or_default();
        self.parts.clear();
        self.checksums.clear();
        self.checksum_type = None;
    }

    pub(super) fn object(mut self, content: Content, share: Arc<Share>) -> Object {
        let mut header = |name: &str| self.headers.remove(name);
        let expires = header("expires").and_then(|text| Expires::parse(TimestampFormat::DateTime, &text).ok());
        let properties = Properties {
            cache_control: header("cache-control"),
            content_disposition: header("content-disposition"),
            content_encoding: header("content-encoding"),
            content_language: header("content-language"),
            content_type: header("content-type"),
            expires,
            metadata: (!self.metadata.is_empty()).then(|| self.metadata.into_iter().collect()),
        };
        let mut checksum = |algorithm: &str| self.checksums.remove(algorithm);
        let checksum = Checksum {
            checksum_crc32: checksum("CRC32"),
            checksum_crc32c: checksum("CRC32C"),
            checksum_crc64nvme: checksum("CRC64NVME"),
            checksum_sha1: checksum("SHA1"),
            checksum_sha256: checksum("SHA256"),
            checksum_type: self.checksum_type.map(ChecksumType::from),
        };
        Object {
            content,
            etag: self.etag,
            modified: Time::from_millis(self.modified_millis),
            properties,
            tags: self.tags,
            checksum,
            version_id: self.version_id,
            parts: self.parts,
            _share: share,
        }
    }
}

/// The entity tag of a file that came in one piece, or in parts of these lengths.
pub(super) fn etag_of(file: &File, bytes: u64, parts: &[u64]) -> io::Result<String> {
    let mut file = file.try_clone()?;
    io::Seek::rewind(&mut file)?;
    let mut digest = |bytes: u64| {
        let (mut md5, mut left, mut piece) = (Md5::new(), bytes, vec![0; 64 * 1024]);
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(piece.len()).min(piece.len());
            let read = file.read(&mut piece[..wanted])?;
            if read == 0 {
                break;
            }
            md5.update(&piece[..read]);
            left -= read as u64;
        }
        io::Result::Ok(md5.finalize())
    };
    if parts.is_empty() {
        return Ok(hex(&digest(bytes)?));
    }
    let mut whole = Md5::new();
    for bytes in parts {
        whole.update(digest(*bytes)?);
    }
    Ok(format!("{}-{}", hex(&whole.finalize()), parts.len()))
}
