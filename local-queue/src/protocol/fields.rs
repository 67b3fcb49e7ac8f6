//! The parameters of a request, whatever protocol they came in.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    error::{ErrorKind, WireError},
    query::{self, FormNode},
};
use crate::json::{Json, Object};

/// The parameters of a request, or of one structure inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fields<'a> {
    /// In AWS JSON.
    Json(&'a Object<'a>),
    /// In Query, where the names of some lists depend on the operation.
    Query { node: &'a FormNode<'a>, operation: &'static str },
}

/// The entries of a map from text to text.
pub(crate) type TextMap<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl<'a> Fields<'a> {
    /// Whether the request came in the Query protocol.
    pub(crate) const fn is_query(&self) -> bool {
        matches!(self, Self::Query { .. })
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, WireError> {
        match self {
            Self::Json(members) => present(members, name).map(text).transpose(),
            Self::Query { node, .. } => Ok(node.text(name).map(Cow::Borrowed)),
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&self, name: &str) -> Result<Cow<'a, str>, WireError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| WireError::missing(name))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, WireError> {
        match self {
            Self::Json(members) => present(members, name).map(integer).transpose(),
            Self::Query { node, .. } => node.text(name).map(|text| integer_text(name, text)).transpose(),
        }
    }

    pub(crate) fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, WireError> {
        let Some(encoded) = self.text(name)? else { return Ok(None) };
        let decoded = BASE64_STANDARD.decode(encoded.as_bytes());
        decoded.map(Some).map_err(|_| malformed(format!("{name} is not base64")))
    }

    /// What an error calls a list that lacks: Query has names of its own for them.
    pub(crate) fn list_name(&self, name: &'static str) -> &'static str {
        match (self, name) {
            (Self::Query { .. }, "Actions") => "ActionName",
            (Self::Query { .. }, "TagKeys") => "TagKey",
            _ => name,
        }
    }

    /// A list of texts; empty when absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<Cow<'a, str>>, WireError> {
        match self {
            Self::Json(members) => list(members, name)?.unwrap_or_default().iter().map(text).collect(),
            Self::Query { .. } => {
                let items = self.items(name).unwrap_or_default();
                let texts = items.into_iter().filter_map(|item| item.value.as_deref()).map(Cow::Borrowed);
                let texts = texts.collect::<Vec<_>>();
                // Old SDKs send an empty list as a parameter without a value.
                Ok(if texts == [""] { Vec::new() } else { texts })
            }
        }
    }

    /// A list of structures.
    pub(crate) fn structures(&self, name: &str) -> Result<Option<Vec<Fields<'a>>>, WireError> {
        match self {
            Self::Json(members) => {
                let Some(items) = list(members, name)? else { return Ok(None) };
                items.iter().map(structure).map(|item| item.map(Fields::Json)).collect::<Result<_, _>>().map(Some)
            }
            // In Query an empty list cannot be told from an absent one; a batch without entries is an empty batch.
            Self::Query { operation, .. } => {
                let items = self.items(name).unwrap_or_default();
                Ok(Some(items.into_iter().map(|node| Fields::Query { node, operation }).collect()))
            }
        }
    }

    /// A map from text to text.
    pub(crate) fn text_map(&self, name: &str) -> Result<Option<TextMap<'a>>, WireError> {
        match self {
            Self::Json(members) => {
                let Some(value) = present(members, name) else { return Ok(None) };
                let entries = structure(value)?.iter();
                entries.map(|(name, value)| Ok((name, text(value)?))).collect::<Result<_, _>>().map(Some)
            }
            Self::Query { .. } => {
                let Some(items) = self.items(name) else { return Ok(None) };
                let is_tags = matches!(name, "tags" | "Tags");
                // An empty map, as old SDKs send it.
                let items = items.into_iter().filter(|item| !item.is_blank());
                let entry = |item: &'a FormNode<'a>| {
                    let key = item.text("Name").or_else(|| item.text("Key"));
                    let key =
                        key.ok_or_else(|| WireError::missing(if is_tags { "Tag.Key" } else { "Attribute.Name" }))?;
                    // The value of a tag may be empty, but that of an attribute removes it.
                    let value = item.text("Value").or(is_tags.then_some(""));
                    Ok((key, Cow::Borrowed(value.ok_or_else(|| WireError::missing("Attribute.Value"))?)))
                };
                items.map(entry).collect::<Result<_, _>>().map(Some)
            }
        }
    }

    /// A map from text to structures; empty when absent.
    pub(crate) fn structure_map(&self, name: &str) -> Result<Vec<(&'a str, Fields<'a>)>, WireError> {
        match self {
            Self::Json(members) => {
                let Some(value) = present(members, name) else { return Ok(Vec::new()) };
                let entries = structure(value)?.iter();
                entries.map(|(name, value)| Ok((name, Fields::Json(structure(value)?)))).collect()
            }
            Self::Query { operation, .. } => {
                let items = self.items(name).unwrap_or_default().into_iter().filter(|item| !item.is_blank());
                let entry = |item: &'a FormNode<'a>| {
                    let node = item.child("Value").unwrap_or(&query::EMPTY);
                    (item.text("Name").unwrap_or_default(), Fields::Query { node, operation })
                };
                Ok(items.map(entry).collect())
            }
        }
    }

    /// Whether a list of this name is there and has something in it.
    pub(crate) fn has_items(&self, name: &str) -> Result<bool, WireError> {
        match self {
            Self::Json(members) => Ok(list(members, name)?.is_some_and(|items| !items.is_empty())),
            Self::Query { .. } => Ok(self.items(name).is_some_and(|items| !items.is_empty())),
        }
    }

    /// The items of a list of the Query protocol.
    fn items(&self, name: &str) -> Option<Vec<&'a FormNode<'a>>> {
        match self {
            Self::Json(_) => None,
            Self::Query { node, operation } => {
                let names = query::list_names(name, operation);
                let lists = names.iter().filter_map(|name| node.child(name)).collect::<Vec<_>>();
                let items = lists.iter().flat_map(|list| {
                    // Old clients leave the number out when there is but one.
                    let is_alone = list.value.is_some() || list.child("Name").or_else(|| list.child("Key")).is_some();
                    if is_alone { vec![*list] } else { list.items() }
                });
                (!lists.is_empty()).then(|| items.collect())
            }
        }
    }
}

/// What is there under a name; JSON's null is absence.
fn present<'a>(members: &'a Object<'a>, name: &str) -> Option<&'a Json<'a>> {
    members.get(name).filter(|value| !value.is_null())
}

fn list<'a>(members: &'a Object<'a>, name: &str) -> Result<Option<&'a [Json<'a>]>, WireError> {
    match present(members, name) {
        None => Ok(None),
        Some(Json::List(items)) => Ok(Some(items)),
        Some(Json::Object(_)) => Err(unexpected_structure()),
        Some(other) => Err(malformed(format!("Unexpected field type: {} for {name}", kind(other)))),
    }
}

fn integer_text(name: &str, text: &str) -> Result<i64, WireError> {
    text.parse().map_err(|_| malformed(format!("The value of {name} can not be converted to an Integer")))
}

fn structure<'a>(value: &'a Json<'a>) -> Result<&'a Object<'a>, WireError> {
    match value {
        Json::Object(members) => Ok(members),
        Json::List(_) => Err(unexpected_list()),
        other => Err(malformed(format!("Unexpected field type: {}", kind(other)))),
    }
}

fn text<'a>(value: &'a Json<'a>) -> Result<Cow<'a, str>, WireError> {
    match value {
        Json::Text(text) => Ok(Cow::Borrowed(text)),
        Json::Object(_) => Err(unexpected_structure()),
        Json::List(_) => Err(unexpected_list()),
        other => Err(malformed(format!("{} can not be converted to a String", kind(other)))),
    }
}

fn integer(value: &Json<'_>) -> Result<i64, WireError> {
    match value {
        Json::Number(number) => {
            number.as_i64().ok_or_else(|| malformed("NUMBER_VALUE can not be converted to an Integer"))
        }
        Json::Object(_) => Err(unexpected_structure()),
        Json::List(_) => Err(unexpected_list()),
        other => Err(malformed(format!("{} can not be converted to an Integer", kind(other)))),
    }
}

/// The kinds of JSON values as AWS's deserialiser calls them.
const fn kind(value: &Json<'_>) -> &'static str {
    match value {
        Json::Null => "NULL_VALUE",
        Json::Boolean(true) => "TRUE_VALUE",
        Json::Boolean(false) => "FALSE_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        Json::Text(_) => "STRING_VALUE",
        Json::List(_) => "START_ARRAY",
        Json::Object(_) => "START_OBJECT",
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
