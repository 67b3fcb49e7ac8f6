//! What of a request or an answer is taken from another one.

use http::HeaderMap;

use crate::apis::{
    json_path::{self, JsonPath},
    seen::Seen,
};

/// What is in a body is looked for up to here.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A part of an integration's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestParameter {
    place: Place,
    value: Value,
}

/// Where a part goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::apis) enum Place {
    Header(String),
    Query(String),
    Path(String),
}

/// A header of an answer: what it is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseParameter(Value);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// In single quotes.
    Text(String),
    Header(String),
    Query(String),
    Path(String),
    Body(JsonPath),
    Context(String),
    StageVariable(String),
}

impl RequestParameter {
    /// Reads `integration.request.header.NAME` and what it is: `'text'`, `method.request.header.NAME`, `context.NAME` and the
    /// like.
    #[must_use]
    pub fn parse(name: &str, value: &str) -> Option<Self> {
        let place = name.strip_prefix("integration.request.")?;
        let (kind, name) = place.split_once('.')?;
        let name = name.to_owned();
        let place = match kind {
            "header" => Place::Header(name),
            "querystring" => Place::Query(name),
            "path" => Place::Path(name),
            _ => return None,
        };
        Some(Self { place, value: Value::parse(value, "method.request.")? })
    }

    pub(in crate::apis) const fn place(&self) -> &Place {
        &self.place
    }

    pub(in crate::apis) fn value(&self, request: &dyn Seen) -> Option<String> {
        match &self.value {
            Value::Body(path) if path.is_root() => request.text().map(ToOwned::to_owned),
            Value::Body(path) => request.json(path, BODY_BYTES_MAX).map(json_path::text),
            Value::Header(name) => request.header(name),
            Value::Query(name) => request.query_parameter(name),
            Value::Path(name) => request.path_parameter(name).map(ToOwned::to_owned),
            other => other.of_api(request),
        }
    }
}

impl ResponseParameter {
    /// Reads `method.response.header.NAME`, for the name, and what it is: `'text'`, `integration.response.header.NAME` and the
    /// like.
    #[must_use]
    pub fn parse(name: &str, value: &str) -> Option<(String, Self)> {
        let name = name.strip_prefix("method.response.header.")?.to_owned();
        Some((name, Self(Value::parse(value, "integration.response.")?)))
    }

    /// The text, if it is always the same.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        if let Value::Text(text) = &self.0 { Some(text) } else { None }
    }

    pub(in crate::apis) fn value(&self, request: &dyn Seen, headers: &HeaderMap, body: &str) -> Option<String> {
        match &self.0 {
            Value::Header(name) => {
                headers.get(name.as_str()).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            }
            Value::Body(path) if path.is_root() => Some(body.to_owned()),
            Value::Body(path) => {
                let body = body.get(..BODY_BYTES_MAX.min(body.len()))?;
                path.find(&serde_json::from_str(body).ok()?).map(json_path::text)
            }
            other => other.of_api(request),
        }
    }
}

impl Value {
    /// Reads a value; what is of a request or an answer begins with `own`.
    fn parse(text: &str, own: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(literal) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Some(Self::Text(literal.to_owned()));
        }
        if let Some(name) = text.strip_prefix("context.") {
            return Some(Self::Context(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("stageVariables.") {
            return Some(Self::StageVariable(name.to_owned()));
        }
        let part = text.strip_prefix(own)?;
        if part == "body" {
            return Some(Self::Body(JsonPath::default()));
        }
        let (kind, name) = part.split_once('.')?;
        let named = || name.to_owned();
        match kind {
            "header" | "multivalueheader" => Some(Self::Header(named())),
            "querystring" | "multivaluequerystring" => Some(Self::Query(named())),
            "path" => Some(Self::Path(named())),
            "body" => JsonPath::parse(name).map(Self::Body),
            _ => None,
        }
    }

    /// What does not depend on what came back.
    fn of_api(&self, request: &dyn Seen) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Context(name) => request.context(name),
            Self::StageVariable(name) => request.stage_variable(name).map(ToOwned::to_owned),
            Self::Header(_) | Self::Query(_) | Self::Path(_) | Self::Body(_) => None,
        }
    }
}
