//! Which route answers a request.
//!
//! HTTP APIs: of the routes whose method and path match, the one whose path is the most definite, segment by segment - a
//! literal before a parameter before `{proxy+}` - and of two such the one that names its method; `$default` if there is
//! none. REST APIs look for the path first: if its most definite match has another method, nothing answers.

use http::Method;

use super::{
    declaration::{Api, ApiKind, DEFAULT, Route},
    percent::decode,
};

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
    let matches = api.routes.iter().filter_map(|route| {
        let (ranks, parameters) = matched(api.kind, &route.path, path)?;
        Some((ranks, route.method.is_none(), Matched { route, parameters }))
    });
    let mut matches = matches.filter(|(.., it)| api.kind == ApiKind::Rest || has_method(it.route)).collect::<Vec<_>>();
    if api.kind == ApiKind::Rest {
        let best = matches.iter().map(|(ranks, ..)| ranks).min()?.clone();
        matches.retain(|(ranks, _, it)| *ranks == best && has_method(it.route));
    }
    let found = matches.into_iter().min_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let default = || {
        let route = api.routes.iter().find(|route| route.path == DEFAULT)?;
        Some(Matched { route, parameters: Vec::new() })
    };
    found.map(|(.., matched)| matched).or_else(default)
}

type Parameters = Vec<(String, String)>;

/// How definite each segment is by which a route's path matches, and the values of its parameters.
fn matched(kind: ApiKind, pattern: &str, path: &str) -> Option<(Vec<Rank>, Parameters)> {
    let value = |text: &str| if kind == ApiKind::Http { decode(text) } else { text.to_owned() };
    // REST APIs do not look at a slash at the end (recorded).
    let path = if kind == ApiKind::Rest { path.trim_end_matches('/') } else { path };
    let pattern = pattern.strip_prefix('/')?;
    let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
    let (mut ranks, mut parameters) = (Vec::new(), Vec::new());
    for segment in pattern.split('/') {
        let left = rest?;
        let (own, after) = left.split_once('/').map_or((left, None), |(own, after)| (own, Some(after)));
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if name.ends_with('+') => {
                if left.is_empty() {
                    return None;
                }
                ranks.push(Rank::Greedy);
                parameters.push((name.trim_end_matches('+').to_owned(), value(left)));
                rest = None;
            }
            Some(name) => {
                if own.is_empty() {
                    return None;
                }
                ranks.push(Rank::Parameter);
                parameters.push((name.to_owned(), value(own)));
                rest = after;
            }
            None => {
                if decode(own) != segment {
                    return None;
                }
                ranks.push(Rank::Literal);
                rest = after;
            }
        }
    }
    rest.is_none().then_some((ranks, parameters))
}

/// The stage of a path of an API, and the path below it.
pub(super) fn stage<'a, 'p>(api: &'a Api, path: &'p str) -> Option<(&'a super::Stage, &'p str)> {
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
