//! Which route answers a request.
//!
//! HTTP APIs: of the routes whose method and path match, the one whose path is the most definite, segment by segment - a
//! literal before a parameter before `{proxy+}` - and of two such the one that names its method; `$default` if there is
//! none. REST APIs look for the path first: if its most definite match has another method, nothing answers.

use std::{borrow::Cow, cmp::Ordering};

use bytes::Bytes;
use http::{Method, Response, Uri, request::Parts};

use super::{
    answers,
    declaration::{Api, ApiKind, DEFAULT, Route, Stage},
    percent::decode,
};

/// Where in an API a request has come.
pub(super) struct Place<'a> {
    pub(super) stage: &'a Stage,
    pub(super) matched: Matched<'a>,
    /// Bytes of the path before what is below the stage.
    before: usize,
}

impl<'a> Place<'a> {
    /// The place of a request, of whose path so many bytes lead to the API.
    pub(super) fn find(api: &'a Api, parts: &Parts, prefix_bytes: usize) -> Result<Self, NoPlace> {
        let whole = parts.uri.path();
        let found = stage(api, whole.get(prefix_bytes..).unwrap_or_default());
        let (stage, below) = found.ok_or(NoPlace::Stage)?;
        let before = whole.len() - below.len();
        let path = if below.is_empty() { "/" } else { below };
        let matched = find(api, &parts.method, path).ok_or(NoPlace::Route)?;
        Ok(Self { stage, matched, before })
    }

    /// The path below the stage.
    pub(super) fn path<'u>(&self, uri: &'u Uri) -> &'u str {
        uri.path().get(self.before..).filter(|path| !path.is_empty()).unwrap_or("/")
    }
}

/// There is no such place: what of it is not there.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoPlace {
    Stage,
    Route,
}

impl NoPlace {
    /// What the API answers.
    pub(super) fn answer(self, kind: ApiKind) -> Response<Bytes> {
        match self {
            Self::Stage => answers::no_stage(kind),
            Self::Route => answers::no_route(kind),
        }
    }
}

/// A route that answers.
pub(super) struct Matched<'a> {
    pub(super) route: &'a Route,
    pub(super) parameters: Vec<(String, String)>,
}

/// How definite a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Literal,
    Parameter,
    Greedy,
}

/// The route of an API for a path below its stage, as it came.
pub(super) fn find<'a>(api: &'a Api, method: &Method, path: &str) -> Option<Matched<'a>> {
    let has_method = |route: &Route| route.method.as_ref().is_none_or(|own| own == method);
    let more_definite = |one: &&Route, other: &&Route| {
        compare(&one.path, &other.path).then(one.method.is_none().cmp(&other.method.is_none()))
    };
    let matches = || api.routes.iter().filter(|route| is_match(api.kind, &route.path, path));
    let found = match api.kind {
        ApiKind::Http => matches().filter(|route| has_method(route)).min_by(more_definite),
        ApiKind::Rest => {
            let best = matches().min_by(|one, other| compare(&one.path, &other.path))?;
            let same = matches().filter(|route| compare(&route.path, &best.path).is_eq() && has_method(route));
            same.min_by(more_definite)
        }
    };
    let default = || api.routes.iter().find(|route| route.path == DEFAULT);
    let route = found.or_else(default)?;
    Some(Matched { route, parameters: parameters(api.kind, &route.path, path) })
}

/// A segment of a route's path.
#[derive(Clone, Copy)]
enum Segment<'a> {
    Literal(&'a str),
    Parameter(&'a str),
    Greedy(&'a str),
}

impl Segment<'_> {
    const fn rank(self) -> Rank {
        match self {
            Self::Literal(_) => Rank::Literal,
            Self::Parameter(_) => Rank::Parameter,
            Self::Greedy(_) => Rank::Greedy,
        }
    }
}

/// The segments of a route's path, of which there are none if it is no path.
fn segments(pattern: &str) -> impl Iterator<Item = Segment<'_>> {
    pattern.strip_prefix('/').into_iter().flat_map(|pattern| pattern.split('/')).map(|segment| {
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if name.ends_with('+') => Segment::Greedy(name.trim_end_matches('+')),
            Some(name) => Segment::Parameter(name),
            None => Segment::Literal(segment),
        }
    })
}

/// Which of two routes' paths, both of which match, is the more definite: the lesser one.
fn compare(one: &str, other: &str) -> Ordering {
    segments(one).map(Segment::rank).cmp(segments(other).map(Segment::rank))
}

/// The path as it is matched.
fn matched_path(kind: ApiKind, path: &str) -> &str {
    // REST APIs do not look at a slash at the end (recorded).
    let path = if kind == ApiKind::Rest { path.trim_end_matches('/') } else { path };
    path.strip_prefix('/').unwrap_or(path)
}

/// The first segment of a path, and what is behind it.
fn split_first(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(own, after)| (own, Some(after)))
}

/// Whether a route's path matches.
fn is_match(kind: ApiKind, pattern: &str, path: &str) -> bool {
    if !pattern.starts_with('/') {
        return false;
    }
    let mut rest = Some(matched_path(kind, path));
    for segment in segments(pattern) {
        let Some(left) = rest else { return false };
        let (own, after) = split_first(left);
        let (is_match, after) = match segment {
            Segment::Greedy(_) => (!left.is_empty(), None),
            Segment::Parameter(_) => (!own.is_empty(), after),
            Segment::Literal(literal) => (decode(own) == literal, after),
        };
        if !is_match {
            return false;
        }
        rest = after;
    }
    rest.is_none()
}

/// The values of the parameters of a route's path, which matches.
fn parameters(kind: ApiKind, pattern: &str, path: &str) -> Vec<(String, String)> {
    let value = |text: &str| if kind == ApiKind::Http { decode(text) } else { Cow::Borrowed(text) }.into_owned();
    let (mut rest, mut parameters) = (matched_path(kind, path), Vec::new());
    for segment in segments(pattern) {
        let (own, after) = split_first(rest);
        match segment {
            Segment::Greedy(name) => parameters.push((name.to_owned(), value(rest))),
            Segment::Parameter(name) => parameters.push((name.to_owned(), value(own))),
            Segment::Literal(_) => {}
        }
        rest = after.unwrap_or_default();
    }
    parameters
}

/// The stage of a path of an API, and the path below it.
pub(super) fn stage<'a, 'p>(api: &'a Api, path: &'p str) -> Option<(&'a Stage, &'p str)> {
    let own = path.strip_prefix('/').unwrap_or(path);
    let first = own.split('/').next().unwrap_or_default();
    let find = |name: &str| api.stages.iter().find(|stage| stage.name == name);
    let named = Some(first).filter(|name| !name.is_empty() && *name != DEFAULT).and_then(find);
    match named {
        Some(stage) => Some((stage, own.get(first.len()..).unwrap_or_default())),
        None if api.kind == ApiKind::Http => find(DEFAULT).map(|stage| (stage, path)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::declaration::Integration;

    fn api(kind: ApiKind, routes: &[&str]) -> Api {
        let mut api = Api::new("a", kind);
        api.routes = routes
            .iter()
            .map(|key| {
                let (method, path) = key.split_once(' ').unwrap_or(("ANY", key));
                let method = (method != "ANY").then(|| method.parse().unwrap());
                let integration = Integration::Missing(String::new());
                Route { method, path: path.to_owned(), integration, timeout: None }
            })
            .collect();
        api
    }

    fn ask(api: &Api, method: &str, path: &str) -> String {
        let Some(found) = find(api, &method.parse().unwrap(), path) else { return "none".to_owned() };
        let key = found.route.key();
        found.parameters.iter().fold(key, |text, (name, value)| format!("{text} {name}={value}"))
    }

    #[test]
    fn the_most_definite_route_answers_and_then_the_default() {
        let routes = [
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "POST /pets",
            "ANY /pets",
            "GET /",
            "$default",
        ];
        let api = api(ApiKind::Http, &routes);
        for (method, path, expected) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id} id=2"),
            ("GET", "/pets/dog/a%20b", "GET /pets/dog/{id} id=a b"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+} proxy=cat/1"),
            ("POST", "/pets/cat/1", "ANY /{proxy+} proxy=pets/cat/1"),
            ("POST", "/pets", "POST /pets"),
            ("PUT", "/pets", "ANY /pets"),
            ("PUT", "/p%65ts", "ANY /pets"),
            ("GET", "/", "GET /"),
            ("GET", "", "GET /"),
            ("PUT", "/", "$default"),
            ("GET", "/pets/", "ANY /{proxy+} proxy=pets/"),
        ] {
            assert_eq!(ask(&api, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_rest_api_looks_for_the_path_first() {
        let api = api(ApiKind::Rest, &["GET /pets/{id}", "ANY /{proxy+}", "GET /pets", "ANY /pets"]);
        for (method, path, expected) in [
            ("GET", "/pets/1", "GET /pets/{id} id=1"),
            ("GET", "/pets/1/", "GET /pets/{id} id=1"),
            ("GET", "/pets/test%2Balias@x", "GET /pets/{id} id=test%2Balias@x"),
            ("POST", "/pets/1", "none"),
            ("POST", "/pets/1/2", "ANY /{proxy+} proxy=pets/1/2"),
            ("GET", "/pets", "GET /pets"),
            ("POST", "/pets", "ANY /pets"),
            ("POST", "/", "none"),
        ] {
            assert_eq!(ask(&api, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_stage_is_in_the_path_but_for_the_default() {
        let stages = |kind, names: &[&str]| {
            let variables = std::collections::BTreeMap::new();
            let stage = |name: &&str| super::super::Stage { name: (*name).to_owned(), variables: variables.clone() };
            Api { stages: names.iter().map(stage).collect(), ..Api::new("a", kind) }
        };
        let both = stages(ApiKind::Http, &["$default", "dev"]);
        let rest = stages(ApiKind::Rest, &["Prod"]);
        for (api, path, expected) in [
            (&both, "/dev/jobs", Some(("dev", "/jobs"))),
            (&both, "/dev", Some(("dev", ""))),
            (&both, "/jobs", Some(("$default", "/jobs"))),
            (&both, "/$default/jobs", Some(("$default", "/$default/jobs"))),
            (&rest, "/Prod/jobs", Some(("Prod", "/jobs"))),
            (&rest, "/jobs", None),
            (&rest, "/", None),
        ] {
            let found = stage(api, path).map(|(stage, path)| (stage.name.as_str(), path));
            assert_eq!(found, expected, "{path}");
        }
    }
}
