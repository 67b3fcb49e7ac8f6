//! One level of a JSON text, with what is below left as it is written.
//!
//! So only what a pattern asks for is read, and numbers keep their spelling.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The members of an object. Of a key that is there twice the last counts.
pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Clone, Debug)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// As it is spelt.
    Number(&'a str),
    String(String),
    Array(Vec<&'a RawValue>),
    Object(Members<'a>),
}

impl<'a> Json<'a> {
    /// Reads a whole text; it is checked to its end.
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        Self::read(serde_json::from_str(text)?)
    }

    /// Reads one level.
    pub(super) fn read(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b'[') => Self::Array(serde_json::from_str(text)?),
            Some(b'{') => Self::Object(serde_json::from_str(text)?),
            _ => Self::Number(text),
        })
    }

    /// What it is, in words.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}
