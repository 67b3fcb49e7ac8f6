//! The field `headers` of an output: what the stored object says of itself.

use serde_json::{Map, Value};

use super::fields::{JobFields, kind_of};
use crate::failure::Failure;
use crate::storage::Headers;

/// The name of the field.
const FIELD: &str = "headers";
/// What stands for those of the source.
const COPY: &str = "copy";
/// Among the headers, the object of tags.
const TAGS: &str = "tags";
const ACCEPTED: &str = "expected \"copy\", or an object of cache-control, content-disposition, content-language, \
                        x-amz-meta-* and tags";

/// What a stored object says of itself, besides its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputHeaders {
    /// This.
    Given(Headers),
    /// What the source says of itself. Tags are not read, and so not copied.
    Copy,
}

impl Default for OutputHeaders {
    fn default() -> Self {
        Self::Given(Headers::default())
    }
}

impl OutputHeaders {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Given(headers) if headers.is_empty())
    }

    /// What is stored with an output, given what the source says of itself.
    #[must_use]
    pub fn resolve(&self, source: &Headers) -> Headers {
        match self {
            Self::Given(headers) => headers.clone(),
            Self::Copy => source.clone(),
        }
    }

    /// Reads the field of an output.
    pub(super) fn read(fields: &mut JobFields<'_>) -> Result<Self, Failure> {
        let path = fields.path(FIELD);
        let object = match fields.take(FIELD) {
            None => return Ok(Self::default()),
            Some(Value::String(word)) if word == COPY => return Ok(Self::Copy),
            Some(Value::String(word)) => return Err(fields.unaccepted(FIELD, word, &ACCEPTED[9..])),
            Some(Value::Object(object)) => object,
            Some(other) => return Err(Failure::bad_job(format!("{path} is {}; {ACCEPTED}", kind_of(other)))),
        };
        let mut headers = Headers::default();
        for (name, value) in object {
            if name == TAGS {
                let Some(tags) = value.as_object() else {
                    let found = kind_of(value);
                    return Err(Failure::bad_job(format!("{path}.{TAGS} is {found}; expected an object of texts")));
                };
                for (key, value) in tags {
                    insert(&format!("{path}.{TAGS}"), key, value, |value| headers.insert_tag(key, value))?;
                }
            } else {
                insert(&path, name, value, |value| headers.insert(name, value))?;
            }
        }
        Ok(Self::Given(headers))
    }

    /// The field as it is read; none where nothing is asked for.
    pub(super) fn value(&self) -> Option<Value> {
        let headers = match self {
            Self::Copy => return Some(COPY.into()),
            Self::Given(headers) if headers.is_empty() => return None,
            Self::Given(headers) => headers,
        };
        let texts = |(name, value): (&str, &str)| (name.to_owned(), Value::from(value));
        let mut object: Map<String, Value> = headers.fields().map(texts).collect();
        let tags: Map<String, Value> = headers.tags().map(texts).collect();
        if !tags.is_empty() {
            object.insert(TAGS.to_owned(), tags.into());
        }
        Some(object.into())
    }
}

fn insert<E: std::fmt::Display>(
    path: &str,
    name: &str,
    value: &Value,
    into: impl FnOnce(&str) -> Result<(), E>,
) -> Result<(), Failure> {
    let shown: String = name.chars().take(140).collect();
    let Some(text) = value.as_str() else {
        return Err(Failure::bad_job(format!("{path}.{shown} is {}; expected a string", kind_of(value))));
    };
    into(text).map_err(|error| Failure::bad_job(format!("{path}.{shown} {error}")))
}
