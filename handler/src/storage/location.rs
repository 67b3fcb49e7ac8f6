//! Where an object is: `s3://bucket/key`, `file:///path`, `memory://name/key`.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

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

/// One object, by scheme, bucket and key.
///
/// Invariants, on which everything after parsing may rely:
/// - the key has no empty, `.` or `..` segment, no control character, no backslash, and neither starts nor ends with `/`;
/// - the key is at most 1,024 bytes in S3 and memory; a file's segments are at most 255 bytes each;
/// - the bucket is not empty unless the scheme is `file`, and has only the characters that bucket names have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    scheme: Scheme,
    bucket: String,
    key: String,
}

/// Why a text is not a [`Location`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// No scheme, or one that is not supported.
    #[error("{found:?} has no supported scheme; expected s3://bucket/key or file:///path")]
    Scheme {
        /// The text.
        found: String,
    },
    /// The bucket is missing or has a character that no bucket name has.
    #[error("{found:?} is not a bucket name; expected letters, digits, '.', '-' and '_'")]
    Bucket {
        /// The bucket.
        found: String,
    },
    /// The key cannot be used.
    #[error("the key {found:?} {reason}")]
    Key {
        /// The key, shortened.
        found: String,
        /// What is wrong with it, and what would do.
        reason: &'static str,
    },
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
                return Err(key_error(rest, "names a host; expected file:/// and an absolute path"));
            };
            let path = percent_decode_str(path)
                .decode_utf8()
                .map_err(|_| key_error(path, "is not UTF-8 after percent-decoding"))?;
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
        let Some(text) = path.to_str() else {
            return Err(key_error(&path.to_string_lossy(), "is not UTF-8"));
        };
        let Some(key) = text.strip_prefix('/') else {
            return Err(key_error(text, "is not an absolute path"));
        };
        Self::new(Scheme::File, "", key)
    }

    fn in_bucket(scheme: Scheme, rest: &str) -> Result<Self, LocationError> {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(scheme, bucket, key)
    }

    fn new(scheme: Scheme, bucket: &str, key: &str) -> Result<Self, LocationError> {
        let bucket_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if scheme != Scheme::File && (bucket.is_empty() || !bucket.bytes().all(bucket_char)) {
            return Err(LocationError::Bucket { found: shortened(bucket) });
        }
        check_key(scheme, key).map_err(|reason| key_error(key, reason))?;
        Ok(Self { scheme, bucket: bucket.to_owned(), key: key.to_owned() })
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
            Scheme::File => write!(f, "file:///{}", utf8_percent_encode(&self.key, FILE_ENCODED)),
        }
    }
}

impl std::str::FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The rules of a key, in the order in which they are explained best.
fn check_key(scheme: Scheme, key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("is empty");
    }
    if scheme != Scheme::File && key.len() > KEY_BYTES_MAX {
        return Err("is longer than 1,024 bytes");
    }
    if scheme == Scheme::File && key.len() > PATH_BYTES_MAX {
        return Err("is longer than 4,095 bytes");
    }
    if key.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if key.contains('\\') {
        return Err("has a backslash; segments are separated by '/'");
    }
    for segment in key.split('/') {
        match segment {
            "" => return Err("has an empty segment: it starts or ends with '/', or has '//'"),
            "." | ".." => return Err("has a '.' or '..' segment"),
            long if scheme == Scheme::File && long.len() > SEGMENT_BYTES_MAX => {
                return Err("has a segment longer than 255 bytes");
            }
            _ => {}
        }
    }
    Ok(())
}

fn key_error(found: &str, reason: &'static str) -> LocationError {
    LocationError::Key { found: shortened(found), reason }
}

/// Enough of a stranger's text to recognise it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const REFUSED: &[&str] = &[
        "s3://b/..", "s3://b/../c", "s3://b/a/../c", "s3://b/a/..", "s3://b/.", "s3://b/./a", "s3://b/a/.",
        "s3://b//a", "s3://b/a//b", "s3://b/a/", "s3://b/", "s3://b", "s3://b/a\u{0}", "s3://b/a\nb",
        "s3://b/a\u{7f}", "s3://b/a\u{85}b", "s3://b/a\\b", "s3://b/..\\a", "s3:///a", "s3://", "s3://b c/a",
        "s3://b%2f/a", "s3://u@b/a", "s3://b:80/a", "s3://\u{fc}/a", "memory:///a", "memory://m/../a", "file:///..",
        "file:///../etc/passwd", "file:///a/../b", "file:///a/%2e%2e/b", "file:///%2E%2E/b", "file:///a/.%2e/b",
        "file:///a%2f..%2fb", "file:///a/%2e/b", "file:///a%00b", "file:///a%0ab", "file:///a%5c..%5cb",
        "file:///a%ff", "file:////etc/passwd", "file:///", "file://", "file://host/a", "file://localhost/a",
        "file:/a", "file:a", "/etc/passwd", "a/b", "", "s3:b/a", "S3://b/a", "s3//b/a", "http://h/a", "https://h/a",
        "ftp://h/a", "data:,a", "javascript:a", "file:///a//b", "file:///a/", "gs://b/a", " s3://b/a",
        "s3://b\u{0}/a", "file:///./a", "file:///a/..%00/b",
    ];

    #[test]
    fn keys_that_leave_or_confuse_are_refused() {
        let long_segment = format!("file:///{}", "a".repeat(256));
        let long_path = format!("file:///{}", "a/".repeat(2100) + "a");
        let long_key = format!("s3://b/{}", "a".repeat(1025));
        let long = [long_segment.as_str(), &long_path, &long_key];
        for text in REFUSED.iter().copied().chain(long) {
            assert!(Location::parse(text).is_err(), "accepted {text:?}");
        }
    }

    #[test]
    fn ordinary_locations_are_read_and_written_back() {
        for text in [
            "s3://photos/2026/cat.jpg",
            "s3://photos/a b+c%20d.jpg",
            "s3://photos/...",
            "s3://p/a..b/c.",
            "memory://m/a",
            "file:///tmp/photos/caf%C3%A9.png",
            "file:///tmp/100%25%20sure%23.png",
        ] {
            assert_eq!(Location::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_key_is_taken_apart_for_templates() {
        for (key, dir, stem, extension) in [
            ("2026/05/cat.final.jpg", "2026/05", "cat.final", "jpg"),
            ("cat", "", "cat", ""),
            (".hidden", "", ".hidden", ""),
            ("a.b/c", "a.b", "c", ""),
        ] {
            let location = Location::s3("b", key).unwrap();
            assert_eq!((location.dir(), location.stem(), location.extension()), (dir, stem, extension));
        }
    }
}
