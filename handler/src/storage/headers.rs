//! What an object says of itself besides its bytes and their type.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Those that S3 keeps with an object and gives to whoever reads it, besides the user's own.
const NAMES: [&str; 3] = ["cache-control", "content-disposition", "content-language"];
/// What names of a user's own headers begin with.
const USER_PREFIX: &str = "x-amz-meta-";
/// The header that carries tags.
const TAGGING: &str = "x-amz-tagging";

/// Bytes of one value.
const VALUE_BYTES_MAX: usize = 1024;
/// AWS: names without their prefix and values of a user's own headers (documentation: "Working with object metadata").
const USER_BYTES_MAX: usize = 2048;
/// AWS: tags of one object, and characters of each (documentation: "Categorizing your storage using tags").
const TAGS_MAX: usize = 10;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// What stays as it is in the header of tags, which is like the query of a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Headers and tags of an object.
///
/// - Names are in lower case and of those that S3 keeps.
/// - Values are visible ASCII and blanks within, so that every server takes them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

/// Why a header or a tag cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It is not one that an object keeps.
    #[error(
        "is not a header of an object; expected cache-control, content-disposition, content-language or x-amz-meta-*"
    )]
    UnknownName,
    /// It has a value that not every server takes as it is.
    #[error(
        "has a value that is not plain; expected 1 to {VALUE_BYTES_MAX} characters of visible ASCII, blanks only within"
    )]
    Value,
    /// The user's own are too much.
    #[error("makes the x-amz-meta-* headers longer than {USER_BYTES_MAX} bytes in all, which is the limit")]
    TooLong,
    /// It is not a tag.
    #[error(
        "is not a tag; expected up to {TAG_KEY_CHARS_MAX} characters with a value of up to {TAG_VALUE_CHARS_MAX}: letters, \
         digits, blanks and + - = . _ : / @"
    )]
    Tag,
    /// There are too many tags.
    #[error("exceeds the limit of {TAGS_MAX} tags")]
    TooManyTags,
}

impl Headers {
    /// Adds a header.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        if !is_kept(name) {
            return Err(HeaderError::UnknownName);
        }
        let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if value.is_empty() || value.len() > VALUE_BYTES_MAX || !is_plain || value.trim() != value {
            return Err(HeaderError::Value);
        }
        self.fields.insert(name.to_owned(), value.to_owned());
        let user = self.fields.iter().filter_map(|(name, value)| Some((name.strip_prefix(USER_PREFIX)?, value)));
        if user.map(|(name, value)| name.len() + value.len()).sum::<usize>() > USER_BYTES_MAX {
            return Err(HeaderError::TooLong);
        }
        Ok(())
    }

    /// Adds a tag.
    pub fn insert_tag(&mut self, key: &str, value: &str) -> Result<(), HeaderError> {
        let is_tag = |text: &str| text.chars().all(|char| char.is_alphanumeric() || " +-=._:/@".contains(char));
        let (key_chars, value_chars) = (key.chars().count(), value.chars().count());
        if key_chars == 0 || key_chars > TAG_KEY_CHARS_MAX || value_chars > TAG_VALUE_CHARS_MAX {
            return Err(HeaderError::Tag);
        }
        // AWS: the prefix aws: is reserved.
        if !is_tag(key) || !is_tag(value) || key.starts_with("aws:") {
            return Err(HeaderError::Tag);
        }
        self.tags.insert(key.to_owned(), value.to_owned());
        if self.tags.len() > TAGS_MAX { Err(HeaderError::TooManyTags) } else { Ok(()) }
    }

    /// Those of an object as a server gives them. What could not be stored again is left out.
    pub(crate) fn of_answer<'a>(answer: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut headers = Self::default();
        for (name, value) in answer {
            let mut with = headers.clone();
            if with.insert(name, value).is_ok() {
                headers = with;
            }
        }
        headers
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.tags.is_empty()
    }

    /// Names and values, without tags.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Keys and values of tags.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// As they are sent: tags are one header.
    pub(super) fn sent(&self) -> Vec<(String, String)> {
        let mut sent: Vec<_> = self.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut tagging = String::new();
        for (key, value) in self.tags() {
            let separator = if tagging.is_empty() { "" } else { "&" };
            let (key, value) = (utf8_percent_encode(key, ENCODED), utf8_percent_encode(value, ENCODED));
            let _ = write!(tagging, "{separator}{key}={value}");
        }
        if !tagging.is_empty() {
            sent.push((TAGGING.to_owned(), tagging));
        }
        sent
    }
}

/// Whether S3 keeps a header of this name, which is in lower case.
fn is_kept(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let own = name.strip_prefix(USER_PREFIX).is_some_and(|own| !own.is_empty() && own.bytes().all(is_token));
    own || NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_object_keeps_is_a_header_of_it() {
        let insert = |name: &str, value: &str| Headers::default().insert(name, value);
        for name in ["cache-control", "content-disposition", "content-language", "x-amz-meta-a", "x-amz-meta-a_b.c-1"] {
            assert_eq!(insert(name, "a b; c=\"d\""), Ok(()), "{name}");
        }
        for name in
            ["", "Cache-Control", "content-type", "x-amz-acl", "x-amz-meta-", "x-amz-meta-a b", "x-amz-meta-\u{e9}"]
        {
            assert_eq!(insert(name, "a"), Err(HeaderError::UnknownName), "{name}");
        }
        for value in ["", " a", "a ", "a\nb", "a\r\nx-amz-acl: public-read", "\u{e9}", "\u{7f}", &"a".repeat(1025)] {
            assert_eq!(insert("cache-control", value), Err(HeaderError::Value), "{value:?}");
        }
        let mut headers = Headers::default();
        assert_eq!(headers.insert("x-amz-meta-a", &"a".repeat(1024)), Ok(()));
        assert_eq!(headers.insert("x-amz-meta-b", &"a".repeat(1022)), Ok(()));
        assert_eq!(headers.insert("x-amz-meta-c", "a"), Err(HeaderError::TooLong));
    }

    #[test]
    fn tags_are_one_header_and_bounded_as_by_s3() {
        let mut headers = Headers::default();
        headers.insert("cache-control", "no-cache").unwrap();
        headers.insert_tag("project", "a & b").unwrap_err();
        headers.insert_tag("project", "caf\u{e9}/a b=1").unwrap();
        headers.insert_tag("empty", "").unwrap();
        let sent = headers.sent();
        let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(sent, [("cache-control", "no-cache"), ("x-amz-tagging", "empty=&project=caf%C3%A9%2Fa%20b%3D1")]);
        let long = ("k".repeat(129), "v".repeat(257));
        for (key, value) in [("", "a"), ("aws:a", "b"), ("a&b", ""), (long.0.as_str(), ""), ("k", long.1.as_str())] {
            assert_eq!(headers.insert_tag(key, value), Err(HeaderError::Tag), "{key}");
        }
        for number in 2..10 {
            headers.insert_tag(&number.to_string(), "").unwrap();
        }
        assert_eq!(headers.insert_tag("eleventh", ""), Err(HeaderError::TooManyTags));
    }

    #[test]
    fn of_an_answer_only_what_can_be_stored_is_kept() {
        let answer = [
            ("content-type", "image/jpeg"),
            ("cache-control", "max-age=60"),
            ("x-amz-meta-name", "\u{e9}"),
            ("x-amz-meta-owner", "somebody"),
            ("x-amz-version-id", "1"),
        ];
        let headers = Headers::of_answer(answer.into_iter());
        let kept: Vec<_> = headers.fields().collect();
        assert_eq!(kept, [("cache-control", "max-age=60"), ("x-amz-meta-owner", "somebody")]);
    }
}
