//! What HTTP APIs answer to web pages by themselves (developer guide, "Configure CORS for HTTP APIs").

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
    request::Parts,
};

use super::declaration::{Api, Cors};

static PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
/// Headers that are the API's own to say, where it says any of them.
const OWN: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// A page that may read answers of all that the server has, whatever the API says.
#[derive(Clone, Debug)]
pub(crate) struct AllowedOrigin(pub(crate) HeaderValue);

impl Api {
    /// Whether its settings let pages of this origin call it.
    pub(super) fn names_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let of_cors = self.cors.iter().flat_map(|cors| &cors.origins);
        of_cors.chain(&self.origins).any(|allowed| is_allowed(allowed, origin))
    }

    /// Whether any page may call it.
    pub(super) fn names_every_origin(&self) -> bool {
        let of_cors = self.cors.iter().flat_map(|cors| &cors.origins);
        of_cors.chain(&self.origins).any(|allowed| matches!(allowed.as_str(), "*" | "http://*" | "https://*"))
    }
}

/// An origin as settings name it: itself, `*`, or a scheme with `*` behind it.
fn is_allowed(allowed: &str, origin: &str) -> bool {
    match allowed.strip_suffix('*') {
        Some(scheme) if matches!(scheme, "" | "http://" | "https://") => origin.starts_with(scheme),
        _ => allowed.trim_end_matches('/').eq_ignore_ascii_case(origin),
    }
}

/// Whether a browser asks what a page may do.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a browser that asks what a page may do, if it is not for a route to say.
pub(super) fn answer_preflight(api: &Api, parts: &Parts) -> Option<Response<Bytes>> {
    if !is_preflight(&parts.method, &parts.headers) {
        return None;
    }
    let allowed = parts.extensions.get::<AllowedOrigin>();
    if let Some(cors) = &api.cors
        && (allowed.is_none() || parts.headers.get(ORIGIN).is_some_and(|origin| api.names_origin(origin)))
    {
        return Some(preflight(cors, &parts.headers));
    }
    allowed.map(|allowed| preflight_of_allowed(allowed, &parts.headers))
}

/// The answer to a browser that asks what a page may do.
fn preflight(cors: &Cors, request: &HeaderMap) -> Response<Bytes> {
    let mut response = no_content();
    let Some(origin) = origin(cors, request) else { return response };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let mut list = |name: HeaderName, values: &[String]| {
        if let Some(value) = Some(values.join(",")).filter(|it| !it.is_empty()).and_then(|it| it.try_into().ok()) {
            headers.insert(name, value);
        }
    };
    list(ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
    list(ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers);
    list(ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed);
    if let Some(seconds) = cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    finish(cors, request, headers);
    response
}

/// The answer to a browser that asks for a page of an origin that the server allows.
fn preflight_of_allowed(origin: &AllowedOrigin, request: &HeaderMap) -> Response<Bytes> {
    let mut response = no_content();
    add_allowed(origin, request, response.headers_mut());
    let echoed = [
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
    ];
    for (asked, allowed) in echoed {
        if let Some(value) = request.get(asked) {
            response.headers_mut().insert(allowed, value.clone());
        }
    }
    response
}

/// Lets the page read an answer, if it may; what the integration says of that does not count.
pub(super) fn add(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) {
    for name in &OWN {
        answer.remove(name);
    }
    let Some(origin) = origin(cors, request) else { return };
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if let Ok(exposed) = cors.exposed.join(",").try_into()
        && !cors.exposed.is_empty()
    {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    finish(cors, request, answer);
}

/// Lets a page of an origin that the server allows read an answer that says nothing of that.
pub(super) fn add_allowed(origin: &AllowedOrigin, request: &HeaderMap, answer: &mut HeaderMap) {
    if !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.0.clone());
        answer.append(VARY, HeaderValue::from_static("origin"));
        private_network(request, answer);
    }
}

fn origin(cors: &Cors, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let allowed = cors.origins.iter().find(|allowed| is_allowed(allowed, text))?;
    Some(if allowed == "*" { HeaderValue::from_static("*") } else { origin.clone() })
}

fn finish(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) {
    if cors.credentials {
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|origin| origin != "*") {
        answer.append(VARY, HeaderValue::from_static("origin"));
    }
    private_network(request, answer);
}

/// Chromium asks this of servers on a private network, which AWS is not.
fn private_network(request: &HeaderMap, answer: &mut HeaderMap) {
    if request.contains_key("access-control-request-private-network") {
        answer.insert(PRIVATE_NETWORK.clone(), HeaderValue::from_static("true"));
    }
}

fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
