//! The parameters of a request, whatever protocol they came in.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use super::error::{ErrorKind, WireError};

/// The parameters of a request, or of one structure inside it.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    members: &'a Map<String, Value>,
}

/// The entries of a map from text to text.
pub(crate) type TextMap<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl<'a> Fields<'a> {
    pub(crate) const fn json(members: &'a Map<String, Value>) -> Self {
        Self { members }
    }

    /// What is there under a name; JSON's null is absence.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, WireError> {
        self.get(name).map(text).transpose()
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&self, name: &str) -> Result<Cow<'a, str>, WireError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| WireError::missing(name))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, WireError> {
        self.get(name).map(integer).transpose()
    }

    pub(crate) fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, WireError> {
        let Some(encoded) = self.text(name)? else { return Ok(None) };
        let decoded = BASE64_STANDARD.decode(encoded.as_bytes());
        decoded.map(Some).map_err(|_| malformed(format!("{name} is not base64")))
    }

    /// A list of texts; empty when absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<Cow<'a, str>>, WireError> {
        let items = self.list(name)?.unwrap_or_default();
        items.iter().map(text).collect()
    }

    /// A list of structures.
    pub(crate) fn structures(&self, name: &str) -> Result<Option<Vec<Fields<'a>>>, WireError> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        items.iter().map(structure).collect::<Result<_, _>>().map(Some)
    }

    /// A map from text to text.
    pub(crate) fn text_map(&self, name: &str) -> Result<Option<TextMap<'a>>, WireError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let entries = structure(value)?.members.iter();
        entries.map(|(name, value)| Ok((name.as_str(), text(value)?))).collect::<Result<_, _>>().map(Some)
    }

    /// A map from text to structures; empty when absent.
    pub(crate) fn structure_map(&self, name: &str) -> Result<Vec<(&'a str, Fields<'a>)>, WireError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let entries = structure(value)?.members.iter();
        entries.map(|(name, value)| Ok((name.as_str(), structure(value)?))).collect()
    }

    /// Whether a list of this name is there and has something in it.
    pub(crate) fn has_items(&self, name: &str) -> Result<bool, WireError> {
        Ok(self.list(name)?.is_some_and(|items| !items.is_empty()))
    }

    fn list(&self, name: &str) -> Result<Option<&'a [Value]>, WireError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(Value::Object(_)) => Err(unexpected_structure()),
            Some(other) => Err(malformed(format!("Unexpected field type: {} for {name}", kind(other)))),
        }
    }
}

fn structure(value: &Value) -> Result<Fields<'_>, WireError> {
    match value {
        Value::Object(members) => Ok(Fields { members }),
        Value::Array(_) => Err(unexpected_list()),
        other => Err(malformed(format!("Unexpected field type: {}", kind(other)))),
    }
}

fn text(value: &Value) -> Result<Cow<'_, str>, WireError> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Object(_) => Err(unexpected_structure()),
        Value::Array(_) => Err(unexpected_list()),
        other => Err(malformed(format!("{} can not be converted to a String", kind(other)))),
    }
}

fn integer(value: &Value) -> Result<i64, WireError> {
    match value {
        Value::Number(number) => {
            number.as_i64().ok_or_else(|| malformed("NUMBER_VALUE can not be converted to an Integer"))
        }
        Value::Object(_) => Err(unexpected_structure()),
        Value::Array(_) => Err(unexpected_list()),
        other => Err(malformed(format!("{} can not be converted to an Integer", kind(other)))),
    }
}

/// The kinds of JSON values as AWS's deserialiser calls them.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

fn malformed(message: impl Into<Cow<'static, str>>) -> WireError {
    WireError::new(ErrorKind::MalformedInput, message)
}

fn unexpected_structure() -> WireError {
    malformed("Start of structure or map found where not expected.")
}

fn unexpected_list() -> WireError {
    malformed("Start of list found where not expected")
}
