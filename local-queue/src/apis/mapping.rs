//! Parameters of an HTTP API's integration, with what they take from the request (developer guide, "Transform API requests
//! and responses").

use std::borrow::Cow;

use super::{
    json_path::{self, JsonPath},
    seen::Seen,
};

/// Of a longer body a path sees only the beginning, which is no JSON then (same page).
const BODY_BYTES_MAX: usize = 100 * 1024;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Selection(Selection),
}

/// Something of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selection {
    Header(String),
    Query(String),
    Body,
    BodyPath(JsonPath),
    Path,
    PathParameter(String),
    Context(String),
    StageVariable(String),
}

impl Mapping {
    /// Reads a value: `$request.body.name` as a whole, or a text with `${request.header.name}` in it. Gives what is no
    /// selection of those that API Gateway knows.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(selection) = text.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
            let selection = Selection::parse(selection).ok_or_else(|| text.to_owned())?;
            return Ok(Self(vec![Part::Selection(selection)]));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (selection, after) = after.split_once('}').ok_or_else(|| rest.to_owned())?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let selection = Selection::parse(selection).ok_or_else(|| format!("${{{selection}}}"))?;
            parts.push(Part::Selection(selection));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The value, if it is the same for all requests.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value for a request; none if it is all of something that the request has not.
    pub(super) fn value<'v>(&'v self, request: &'v dyn Seen) -> Option<Cow<'v, str>> {
        match self.0.as_slice() {
            [Part::Text(text)] => return Some(Cow::Borrowed(text)),
            [Part::Selection(selection)] => return selection.value(request),
            _ => {}
        }
        let text = |part: &'v Part| match part {
            Part::Text(text) => Cow::Borrowed(text.as_str()),
            Part::Selection(selection) => selection.value(request).unwrap_or_default(),
        };
        Some(Cow::Owned(self.0.iter().map(text).collect()))
    }
}

impl Selection {
    fn parse(text: &str) -> Option<Self> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let (root, rest) = text.split_once('.')?;
        match root {
            "context" => named(rest).map(Self::Context),
            "stageVariables" => named(rest).map(Self::StageVariable),
            "request" => match rest.split_once('.') {
                None if rest == "body" => Some(Self::Body),
                None if rest == "path" => Some(Self::Path),
                None if rest.starts_with("body[") => JsonPath::parse(rest.strip_prefix("body")?).map(Self::BodyPath),
                Some(("body", path)) if !path.starts_with('.') => JsonPath::parse(path).map(Self::BodyPath),
                Some(("header", name)) => named(name).map(Self::Header),
                Some(("querystring", name)) => named(name).map(Self::Query),
                Some(("path", name)) => named(name).map(Self::PathParameter),
                _ => None,
            },
            _ => None,
        }
    }

    fn value<'v>(&self, request: &'v dyn Seen) -> Option<Cow<'v, str>> {
        match self {
            Self::Header(name) => request.header(name).map(Cow::Owned),
            Self::Query(name) => request.query_parameter(name).map(Cow::Owned),
            Self::Body => request.text().filter(|text| !text.is_empty()).map(Cow::Borrowed),
            Self::BodyPath(path) => request.json(path, BODY_BYTES_MAX).map(json_path::text).map(Cow::Owned),
            Self::Path => Some(Cow::Borrowed(request.path())),
            Self::PathParameter(name) => request.path_parameter(name).map(Cow::Borrowed),
            Self::Context(name) => request.context(name).map(Cow::Owned),
            Self::StageVariable(name) => request.stage_variable(name).map(Cow::Borrowed),
        }
    }
}
