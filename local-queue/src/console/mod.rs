//! The console: pages that say what is waiting, what is stuck, why, and what happens next.
//!
//! Pages are made here, by templates that escape every text; what a page does, it does by the [developer's
//! API](crate::developer), which anybody can use. Looking changes nothing: no count and no visibility. Without JavaScript
//! pages can be read; the one module sends what is written into forms and renews the parts of a page that change.
//!
//! Bodies, names and attributes are strangers' texts. Against those:
//! - no page has a script or a style of its own, and its `Content-Security-Policy` allows none;
//! - the module writes texts and never markup, which the policy (trusted types) would refuse;
//! - no page is shown in a frame, and none keeps a cookie.

mod activity;
mod dead_letters;
mod drawing;
mod functions;
mod live;
mod message;
mod overview;
mod page;
mod picture;
mod pictures;
mod queue;
mod rates;
mod settings;
mod stack;
mod subject;
#[cfg(test)]
mod tests;
mod time;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

pub(crate) use self::live::Live;
use self::page::{Page, Parameters, Rendered};
use crate::{LocalQueue, apis::Apis, buckets::Buckets, developer::activity::Activity, lambda_api::LambdaApi};

const ROOT: &str = "/_local-queue/";
const PREFIX: &str = "/_local-queue/console/";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Whoever opens a page, of whatever origin, sees nothing of it.
    (HeaderName::from_static("cross-origin-opener-policy"), "noopener-allow-popups"),
];

/// What pages show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) queues: &'a LocalQueue,
    /// What stands beside the queues, if it does.
    pub(crate) buckets: Option<&'a Buckets>,
    pub(crate) apis: Option<&'a Apis>,
    pub(crate) lambda: Option<&'a LambdaApi>,
    /// What open pages have in common.
    pub(crate) live: &'a Live,
    /// The last requests.
    pub(crate) activity: &'a Activity,
}

/// Whether a request is for the events of what a page shows, which [`Live`] answers.
pub(crate) fn is_events(method: &Method, path: &str) -> bool {
    *method == Method::GET && path.strip_prefix(PREFIX) == Some("events")
}

/// Whether a path has nothing that a stranger must not see: what every page is made with, and that something has changed.
pub(crate) fn is_public(path: &str) -> bool {
    let name = path.strip_prefix(PREFIX);
    name.is_some_and(|name| ["console.css", "console.js", "events", "icon.svg"].contains(&name))
}

/// Answers a request for a page or for what belongs to pages; `None` if it is none of these. The token is what the page says
/// with what it changes.
pub(crate) fn respond(shown: Shown<'_>, request: &Request<Bytes>, token: &str) -> Option<Response<Bytes>> {
    let queues = shown.queues;
    let path = request.uri().path();
    let name = if path == ROOT { "" } else { path.strip_prefix(PREFIX)? };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response =
            answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "A page is asked with GET.\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default());
    let page = |title: &str, part: &'static str| Page::new(queues, token, title, part);
    let rendered = match name {
        "" => overview::render(page("Queues", "queues"), shown, &parameters),
        "queue" => queue::render(page("Queue", "queues"), queues, &parameters),
        "message" => message::render(page("Message", "queues"), shown, &parameters),
        "pictures" => pictures::render(page("Pictures", "pictures"), shown),
        "picture" => return Some(pictures::respond(shown, &parameters)),
        "functions" => functions::render_all(page("Functions", "functions"), shown),
        "function" => functions::render(page("Function", "functions"), shown, &parameters),
        "activity" => activity::render(page("Activity", "activity"), shown, request.headers(), &parameters),
        "time" => time::render(page("Time and faults", "time"), queues),
        "console.js" => {
            return Some(answer(StatusCode::OK, "text/javascript; charset=utf-8", include_str!("console.js")));
        }
        "console.css" => return Some(answer(StatusCode::OK, "text/css; charset=utf-8", include_str!("console.css"))),
        "icon.svg" => return Some(answer(StatusCode::OK, "image/svg+xml", include_str!("icon.svg"))),
        _ => page::not_found(page("Nothing here", ""), "There is no such page."),
    };
    let Rendered { status, html } = rendered;
    Some(answer(status, "text/html; charset=utf-8", html))
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    add_headers(&mut response);
    response
}

/// What every answer of the console says to the browser, and every other one that a browser may show.
pub(crate) fn add_headers<B>(response: &mut Response<B>) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
