//! Where an object is: `s3://bucket/key`, `file:///path`, `memory://name/key`.

mod bucket;

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, PercentEncode, percent_decode_str, utf8_percent_encode};

use crate::failure::{Blame, Failure};

use super::Role;

/// Bytes of a whole key. AWS: object keys are at most 1,024 bytes of UTF-8 (documentation: "Naming Amazon S3 objects").
const KEY_BYTES_MAX: usize = 1024;
/// Bytes of one segment of a file's path: what the usual file systems allow for a name.
const SEGMENT_BYTES_MAX: usize = 255;
/// Bytes of a file's path: what Linux allows for one.
const PATH_BYTES_MAX: usize = 4095;
/// What a `file://` location shows encoded.
const FILE_ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'#').add(b'?').add(b'"').add(b'<').add(b'>');

/// What kind of place a location is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// An S3 bucket.
    S3,
    /// A file below one of the configured roots.
    File,
    /// The process's memory, for tests.
    Memory,
}

impl Scheme {
    /// The word before `://`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

/// One object, by scheme, bucket and key.
///
/// Invariants, on which everything after parsing may rely:
/// - no key is empty or has a NUL character;
/// - an S3 key is at most 1,024 bytes. It may have empty, `.` and `..` segments, which S3 takes as they are, but never one
///   that leads out of its bucket where somebody resolves them;
/// - the key of a file or of memory has no empty, `.` or `..` segment, so it neither starts nor ends with `/`; a file's
///   segments are at most 255 bytes each;
/// - the bucket of an S3 location is a name that S3 gives to buckets, and empty for a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    scheme: Scheme,
    bucket: String,
    key: String,
}

/// Why a string is not a [`Location`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// No scheme, or one that is not supported.
    #[error("{found:?} has no supported scheme; expected s3://bucket/key or file:///path")]
    Scheme {
        /// The text.
        found: String,
    },
    /// The bucket is missing or has a name that S3 gives to no bucket.
    #[error("{found:?} is not a bucket name: it {reason}")]
    Bucket {
        /// The bucket.
        found: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// No place has such a key.
    #[error("the key {found:?} {reason}")]
    Key {
        /// The key, shortened.
        found: String,
        /// What is wrong with it, and what would do.
        reason: &'static str,
    },
    /// S3 may have such a key, but it is no path of a file.
    #[error("the file {found:?} {reason}")]
    FileKey {
        /// The path, shortened.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl LocationError {
    /// The failure of a job with this location; `field` says where it is in the job.
    #[must_use]
    pub fn failure(&self, role: Role, field: &str) -> Failure {
        let (blame, kind) = match self {
            Self::Scheme { .. } | Self::Bucket { .. } | Self::Key { .. } => (Blame::Job, "bad-location"),
            // A legal key that a file cannot have is nobody's mistake in the job.
            Self::FileKey { .. } => (role.blame(), "unsupported-key"),
        };
        Failure::permanent(blame, kind, format!("{field}: {self}"))
    }
}

impl Location {
    /// Reads `s3://bucket/key` (the key as it is), `file:///path` (percent-encoded) or `memory://name/key`.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if let Some(rest) = text.strip_prefix("s3://") {
            Self::in_bucket(Scheme::S3, rest)
        } else if let Some(rest) = text.strip_prefix("memory://") {
            Self::in_bucket(Scheme::Memory, rest)
        } else if let Some(rest) = text.strip_prefix("file://") {
            let Some(path) = rest.strip_prefix('/') else {
                let reason = "names a host; expected file:/// and an absolute path";
                return Err(LocationError::Key { found: shortened(rest), reason });
            };
            let path = percent_decode_str(path).decode_utf8().map_err(|_| LocationError::FileKey {
                found: shortened(path),
                reason: "is not UTF-8 after percent-decoding",
            })?;
            Self::new(Scheme::File, "", &path)
        } else {
            Err(LocationError::Scheme { found: shortened(text) })
        }
    }

    /// An object in S3, from its bucket and its decoded key.
    pub fn s3(bucket: &str, key: &str) -> Result<Self, LocationError> {
        Self::new(Scheme::S3, bucket, key)
    }

    /// An object in memory.
    pub fn memory(name: &str, key: &str) -> Result<Self, LocationError> {
        Self::new(Scheme::Memory, name, key)
    }

    /// A file, from its absolute path.
    pub fn file(path: &std::path::Path) -> Result<Self, LocationError> {
        let wrong = |found: &str, reason| Err(LocationError::FileKey { found: shortened(found), reason });
        let Some(text) = path.to_str() else {
            return wrong(&path.to_string_lossy(), "is not UTF-8");
        };
        let Some(key) = text.strip_prefix('/') else {
            return wrong(text, "is not an absolute path");
        };
        Self::new(Scheme::File, "", key)
    }

    fn in_bucket(scheme: Scheme, rest: &str) -> Result<Self, LocationError> {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(scheme, bucket, key)
    }

    fn new(scheme: Scheme, bucket: &str, key: &str) -> Result<Self, LocationError> {
        check_bucket(scheme, bucket)?;
        let found = || shortened(key);
        let checked = match scheme {
            Scheme::S3 => check_s3_key(key).map_err(|reason| LocationError::Key { found: found(), reason }),
            Scheme::Memory => check_path(key).map_err(|reason| LocationError::Key { found: found(), reason }),
            Scheme::File => check_path(key)
                .and_then(|()| check_segments(key))
                .map_err(|reason| LocationError::FileKey { found: found(), reason }),
        };
        checked.map(|()| Self { scheme, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// What kind of place it is in.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bucket; empty for a file.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key, decoded; for a file the absolute path without its leading slash.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The one spelling by which locations are compared.
    ///
    /// To S3 the keys `a/../b` and `b` are two, but servers over folders, and what stands between, resolve them to one. So
    /// for comparing, and only for that, `.` and `..` are resolved; a comparison that has to be right either way looks at
    /// both spellings.
    #[must_use]
    pub fn canonical(&self) -> Self {
        Self { scheme: self.scheme, bucket: self.bucket.clone(), key: resolved(&self.key).into_owned() }
    }

    /// The part of the key before its last slash; empty when there is none.
    #[must_use]
    pub fn dir(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(dir, _)| dir)
    }

    /// The part of the key after its last slash.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.key.rsplit_once('/').map_or(self.key.as_str(), |(_, name)| name)
    }

    /// The file's name without its extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.split_name().0
    }

    /// The extension without its dot; empty when there is none.
    #[must_use]
    pub fn extension(&self) -> &str {
        self.split_name().1
    }

    fn split_name(&self) -> (&str, &str) {
        let name = self.file_name();
        match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, extension),
            _ => (name, ""),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::S3 => write!(f, "s3://{}/{}", self.bucket, self.key),
            Scheme::Memory => write!(f, "memory://{}/{}", self.bucket, self.key),
            Scheme::File => write!(f, "file:///{}", file_encoded(&self.key)),
        }
    }
}

impl std::str::FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A part of a path as it stands in a `file://` location.
pub(crate) fn file_encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, FILE_ENCODED)
}

/// The key without `.` segments, and without `..` segments and what they take back. The rules of keys see to it that no
/// `..` takes back more than there is.
pub(super) fn resolved(key: &str) -> Cow<'_, str> {
    if key.split('/').all(|segment| !matches!(segment, "." | "..")) {
        return Cow::Borrowed(key);
    }
    let mut segments = Vec::new();
    for segment in key.split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    Cow::Owned(segments.join("/"))
}

fn check_bucket(scheme: Scheme, name: &str) -> Result<(), LocationError> {
    let checked = match scheme {
        Scheme::File => Ok(()),
        Scheme::S3 => bucket::check(name),
        Scheme::Memory => bucket::check_memory(name),
    };
    checked.map_err(|reason| LocationError::Bucket { found: shortened(name), reason })
}

/// What S3 takes for a key. AWS: any UTF-8 of up to 1,024 bytes; "keys that contain relative path elements are valid if,
/// parsed from left to right, the cumulative count of relative path segments never exceeds the number of non-relative path
/// elements encountered" (documentation: "Naming Amazon S3 objects").
fn check_s3_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("is empty");
    }
    if key.len() > KEY_BYTES_MAX {
        return Err("is longer than 1,024 bytes");
    }
    if key.contains('\0') {
        return Err("has a NUL character");
    }
    let mut depth = 0_u32;
    for segment in key.split('/') {
        match segment {
            // An empty one counts for nothing: many servers leave it out.
            "" | "." => {}
            ".." => depth = depth.checked_sub(1).ok_or("leads out of its bucket by '..' segments, which S3 refuses")?,
            _ => depth += 1,
        }
    }
    let names_the_bucket = depth == 0 && key.split('/').any(|segment| matches!(segment, "." | ".."));
    if names_the_bucket { Err("means the bucket itself once its '.' and '..' segments are resolved") } else { Ok(()) }
}

/// What a path below a folder is.
fn check_path(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("is empty");
    }
    if key.len() > PATH_BYTES_MAX {
        return Err("is longer than 4,095 bytes");
    }
    if key.contains('\0') {
        return Err("has a NUL character");
    }
    for segment in key.split('/') {
        match segment {
            "" => return Err("has an empty segment: it starts or ends with '/', or has '//'"),
            "." | ".." => return Err("has a '.' or '..' segment"),
            _ => {}
        }
    }
    Ok(())
}

fn check_segments(key: &str) -> Result<(), &'static str> {
    let too_long = key.split('/').any(|segment| segment.len() > SEGMENT_BYTES_MAX);
    if too_long { Err("has a segment longer than 255 bytes") } else { Ok(()) }
}

/// Enough of a stranger's text to recognise it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
