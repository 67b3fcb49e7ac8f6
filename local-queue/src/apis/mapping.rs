//! Parameters of an HTTP API's integration, with what they take from the request (developer guide, "Transform API requests
//! and responses").

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
    pub(super) fn value(&self, request: &dyn Seen) -> Option<String> {
        if let [Part::Selection(selection)] = self.0.as_slice() {
            return selection.value(request);
        }
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Selection(selection) => selection.value(request).unwrap_or_default(),
        };
        Some(self.0.iter().map(text).collect())
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

    fn value(&self, request: &dyn Seen) -> Option<String> {
        match self {
            Self::Header(name) => request.header(name),
            Self::Query(name) => request.query_parameter(name),
            Self::Body => request.text().filter(|text| !text.is_empty()).map(ToOwned::to_owned),
            Self::BodyPath(path) => request.json(path, BODY_BYTES_MAX).map(json_path::text),
            Self::Path => Some(request.path().to_owned()),
            Self::PathParameter(name) => request.path_parameter(name).map(ToOwned::to_owned),
            Self::Context(name) => request.context(name),
            Self::StageVariable(name) => request.stage_variable(name).map(ToOwned::to_owned),
        }
    }
}
