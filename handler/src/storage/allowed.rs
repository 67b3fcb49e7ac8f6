//! Which locations jobs may name: the setting `ALLOWED_LOCATIONS`, the option `--allow`.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::location::resolved;
use super::{Location, Scheme};

/// Prefixes of locations.
///
/// - `s3://photos/` is a whole bucket; `s3://photos` is the same.
/// - `s3://photos/in/` is everything below a folder.
/// - `s3://photos/in` is that object and everything below it, but not `s3://photos/in-2`.
///
/// A location has to be within a prefix as it is spelled and, if it has `.` or `..` segments, also once they are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Vec<Prefix>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Prefix {
    scheme: Scheme,
    bucket: String,
    key: String,
}

impl Allowed {
    /// Reads prefixes between commas and white space; the error says which of them is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let separator = |character: char| character == ',' || character.is_whitespace();
        Self::of(text.split(separator).filter(|prefix| !prefix.is_empty()))
    }

    /// Takes prefixes one by one, so that they may have blanks and commas.
    pub fn of<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let prefixes = prefixes.into_iter().map(Prefix::parse).collect::<Result<Vec<_>, _>>()?;
        if prefixes.is_empty() { Err(format!("names no location; {ACCEPTED}")) } else { Ok(Self(prefixes)) }
    }

    /// Whether a location is within one of the prefixes.
    #[must_use]
    pub fn allows(&self, location: &Location) -> bool {
        let spelled = location.key();
        let resolved = resolved(spelled);
        let within = |key: &str| self.0.iter().any(|prefix| prefix.holds(location, key));
        within(spelled) && (resolved == spelled || within(&resolved))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Prefix { scheme, bucket, key }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}://{bucket}/{key}", scheme.as_str())?;
        }
        Ok(())
    }
}

const ACCEPTED: &str = "expected prefixes such as s3://bucket/folder/ or file:///folder/";

impl Prefix {
    fn parse(text: &str) -> Result<Self, String> {
        let refused = |reason: &str| format!("{text:?} {reason}; {ACCEPTED}");
        let (scheme, rest) = [Scheme::S3, Scheme::File, Scheme::Memory]
            .into_iter()
            .find_map(|scheme| Some((scheme, text.strip_prefix(scheme.as_str())?.strip_prefix("://")?)))
            .ok_or_else(|| refused("is not a prefix of locations"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let key = match scheme {
            Scheme::File => percent_decode_str(key).decode_utf8().map_err(|_| refused("is not UTF-8"))?,
            Scheme::S3 | Scheme::Memory => key.into(),
        };
        let folder = key.strip_suffix('/').unwrap_or(&key);
        // What is below the prefix has to be a location, and one that nobody has to resolve.
        let below = format!("{folder}{}x", if folder.is_empty() { "" } else { "/" });
        let example = match scheme {
            Scheme::S3 => Location::s3(bucket, &below),
            Scheme::Memory => Location::memory(bucket, &below),
            Scheme::File if !bucket.is_empty() => return Err(refused("names a host")),
            Scheme::File => Location::file(&std::path::Path::new("/").join(&below)),
        };
        let example = example.map_err(|error| format!("{text:?} is not a prefix of locations: {error}"))?;
        if resolved(example.key()) != example.key() {
            return Err(refused("has '.' or '..' segments"));
        }
        Ok(Self { scheme, bucket: bucket.to_owned(), key: key.into_owned() })
    }

    fn holds(&self, location: &Location, key: &str) -> bool {
        if (self.scheme, self.bucket.as_str()) != (location.scheme(), location.bucket()) {
            return false;
        }
        let Some(rest) = key.strip_prefix(self.key.as_str()) else { return false };
        self.key.is_empty() || self.key.ends_with('/') || rest.is_empty() || rest.starts_with('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let allowed = Allowed::parse("s3://photos/in/, s3://thumbs/a\n s3://whole,file:///srv/out/").unwrap();
        for (location, expected) in [
            ("s3://photos/in/a.jpg", true),
            ("s3://photos/in/deep//a.jpg", true),
            ("s3://photos/in", false),
            ("s3://photos/in-private/a.jpg", false),
            ("s3://photos/a.jpg", false),
            ("s3://photos/in/../secret.jpg", false),
            ("s3://photos/x/../in/a.jpg", false),
            ("s3://photos/in/x/../a.jpg", true),
            ("s3://photos-private/in/a.jpg", false),
            ("s3://thumbs/a", true),
            ("s3://thumbs/a/b.jpg", true),
            ("s3://thumbs/ab.jpg", false),
            ("s3://whole/a", true),
            ("s3://whole-2/a", false),
            ("file:///srv/out/a.jpg", true),
            ("file:///srv/out-2/a.jpg", false),
            ("file:///srv/outer", false),
            ("file:///etc/passwd", false),
            ("memory://photos/in/a.jpg", false),
        ] {
            assert_eq!(allowed.allows(&Location::parse(location).unwrap()), expected, "{location}");
        }
        assert_eq!(allowed.to_string(), "s3://photos/in/, s3://thumbs/a, s3://whole/, file:///srv/out/");
    }

    #[test]
    fn a_wrong_prefix_is_named() {
        for (text, expected) in [
            ("", "names no location"),
            ("photos/", "\"photos/\" is not a prefix"),
            ("s3://ok-bucket/ s3://Photos/", "\"s3://Photos/\" is not a prefix of locations"),
            ("s3://photos/a/../b/", "has '.' or '..' segments"),
            ("s3://photos/../b/", "leads out of its bucket"),
            ("file://host/a", "names a host"),
            ("file:///a/../b/", "'.' or '..'"),
        ] {
            let error = Allowed::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        assert_eq!(Allowed::of(["s3://photos/a, b/"]).unwrap().to_string(), "s3://photos/a, b/");
    }
}
