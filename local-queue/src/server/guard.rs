//! Who may send requests: not a web page that its reader merely visits.
//!
//! A browser lets any page send requests to this machine. Four checks tell them from those of an SDK, and each is the
//! only one that sees some attack:
//! - `Host`: after DNS rebinding the page's own name leads here, and a plain GET carries nothing else to know it by;
//! - `Origin`: a WebSocket's handshake carries no `Sec-Fetch-Site`;
//! - `Sec-Fetch-Site`: an image or script tag carries no `Origin`, and a GET is enough for `DeleteQueue`;
//! - `Authorization`: to a name that is not of this machine, over plain HTTP, browsers send no `Sec-Fetch-Site` either. So
//!   there a GET that changes something needs a header that a page cannot add without being asked for permission first.
//!   A POST does not: browsers name the origin of each.
//!
//! The port of a `Host` says nothing about who sends it - a mapped port is not ours, and no page can choose it for another
//! name - so any will do. The origin is compared with what we are called, never with a name that only `*` allows: after
//! rebinding a page's origin and its `Host` agree. There the port counts, because a page of another port is another page.
//! SDKs and the AWS CLI send neither `Origin` nor `Sec-Fetch-Site`.
//!
//! Everything here is a function of method, target, header and the address that was reached; no body has been read.

mod forwarded;
mod host;

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION,
        CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN, VARY,
    },
    request::Parts,
};

use self::host::{AllowedHost, Host};
use super::{refusal::Refusal, signature};
use crate::protocol::{self, Endpoint};

static SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const JSON: &str = "application/x-amz-json-1.0";
const FORM: &str = "application/x-www-form-urlencoded";
/// What SDKs in a browser send, from the lists of the JavaScript SDK.
const CORS_HEADERS: &str = "authorization, content-type, content-md5, range, amz-sdk-invocation-id, amz-sdk-request, \
                            x-amz-checksum-crc32, x-amz-client-context, x-amz-content-sha256, x-amz-date, \
                            x-amz-invocation-type, x-amz-log-type, x-amz-sdk-checksum-algorithm, x-amz-security-token, \
                            x-amz-target, x-amz-user-agent, x-amzn-query-mode, x-amzn-trace-id";
/// What they read, of all services.
const EXPOSED_HEADERS: &str = "etag, x-amz-executed-version, x-amz-function-error, x-amz-log-result, x-amz-request-id, \
                               x-amz-version-id, x-amzn-errortype, x-amzn-query-error, x-amzn-requestid";

/// The names by which the server may be called, and the web pages that may call it.
///
/// Without settings these are `localhost`, `*.localhost`, `127.0.0.1`, `[::1]` and the address that was reached, with any
/// port or none, and no pages but the server's own.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<AllowedHost>,
    origins: Vec<HeaderValue>,
    trusts_network: bool,
    /// It is for who comes by HTTPS.
    is_secure: bool,
}

/// The web pages that an API is for.
pub(super) trait Pages {
    /// Whether those of this origin are.
    fn names(&self, origin: &HeaderValue) -> bool;

    /// Whether all are.
    fn are_all(&self) -> bool;
}

/// A name or origin that cannot be allowed.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Not a name or address, with a port or without.
    #[error(
        "{0:?} is not a host; expected NAME, *.NAME or ADDRESS, with :PORT for that port only, or * for every host"
    )]
    Host(String),
    /// Not an origin, or one of the two that stand for anybody.
    #[error(
        "{0:?} is not an origin; expected http://HOST[:PORT] or https://HOST[:PORT]; * and null would allow every page"
    )]
    Origin(String),
}

/// What the header says about a sender who is let in.
#[derive(Debug)]
pub(super) struct Sender {
    /// The allowed origin of the page that sends, if it is one.
    pub(super) origin: Option<HeaderValue>,
    /// By what the server is called.
    host: Host,
    port: Option<u16>,
    /// Whether it may be called anything.
    any_host: bool,
}

impl Guard {
    /// Also answers to `host`: `NAME`, `*.NAME` or an address with any port (`NAME:*` says the same), or only with that of
    /// `NAME:PORT`. `*` is every host, which gives up the protection from DNS rebinding.
    pub fn allow_host(mut self, host: &str) -> Result<Self, GuardError> {
        self.hosts.push(AllowedHost::parse(host).ok_or_else(|| GuardError::Host(host.to_owned()))?);
        Ok(self)
    }

    /// Also answers pages of `origin`, and lets them read the answers. Never with the browser's own credentials.
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, GuardError> {
        let refuse = || GuardError::Origin(origin.to_owned());
        let lower = origin.to_ascii_lowercase();
        let host = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")).ok_or_else(refuse)?;
        Host::parse(host).ok_or_else(refuse)?;
        self.origins.push(HeaderValue::try_from(lower).map_err(|_| refuse())?);
        Ok(self)
    }

    /// Answers SDKs by whatever host they use: a POST, PUT or DELETE with an `Authorization` header of AWS and without an origin.
    /// Browsers name the origin of all but a GET, so none of them comes from a page, not even after DNS rebinding.
    #[must_use]
    pub fn trust_network(mut self) -> Self {
        self.trusts_network = true;
        self
    }

    /// The same for who comes by HTTPS: pages of ours have that in their origin.
    #[must_use]
    pub(super) fn over_https(mut self) -> Self {
        self.is_secure = true;
        self
    }

    /// What URLs of ours begin with, and the port that these need not name.
    const fn scheme(&self) -> (&'static str, u16) {
        if self.is_secure { ("https", 443) } else { ("http", 80) }
    }

    /// Checks who sends: `Host`, `Origin`, `Sec-Fetch-Site`, `Authorization`. With `checks_signature` a signature will be
    /// checked once the body is there, and who carries one may use any host. A request for an API is also for the pages that the
    /// API names.
    pub(super) fn check_sender(
        &self,
        parts: &Parts,
        reached: SocketAddr,
        checks_signature: bool,
        api: Option<&dyn Pages>,
    ) -> Result<Sender, Refusal> {
        let headers = &parts.headers;
        let is_sdk = self.trusts_network
            && !matches!(parts.method, Method::GET | Method::HEAD)
            && has_aws_authorization(headers)
            && !headers.contains_key(ORIGIN);
        let any_host = is_sdk || (checks_signature && signature::is_there(parts));
        let (host, port) = self.check_host(parts, reached, any_host)?;
        let origin = self.check_origin(headers, reached, port, api)?;
        let mut sites = headers.get_all(&SITE).iter();
        // An allowed page is another site's, as a rule.
        if origin.is_none() && !sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
            return Err(foreign_origin(headers));
        }
        // Browsers tell where a request comes from if they know that the server is on this machine. They do not know it
        // of another name, nor of what a proxy passes on.
        let is_told = || {
            headers.contains_key(ORIGIN)
                || headers.contains_key(&SITE)
                || (host.is_loopback() && !forwarded::is_forwarded(headers))
        };
        let is_signed = || checks_signature || has_aws_authorization(headers);
        // What a GET does to an API is not known, but to one that is for all pages each may do it.
        let only_reads = || api.map_or_else(|| protocol::is_read_only(&parts.uri), Pages::are_all);
        if parts.method == Method::GET && !is_told() && !is_signed() && !only_reads() {
            return Err(unsigned_get());
        }
        Ok(Sender { origin, host, port, any_host })
    }

    /// Whether pages of this origin may call whatever there is.
    pub(super) fn allows_origin(&self, origin: &HeaderValue) -> bool {
        self.origins.contains(origin)
    }

    /// What queue URLs begin with in the answer to a sender who was let in.
    pub(super) fn endpoint(&self, headers: &HeaderMap, sender: &Sender, reached: SocketAddr) -> Endpoint {
        let is_allowed = |host: &Host, port| sender.any_host || self.allows(host, port, reached);
        forwarded::endpoint(headers, self.scheme().0, (&sender.host, sender.port), is_allowed)
    }

    /// The host that the request names, if it is one of ours.
    fn check_host(&self, parts: &Parts, reached: SocketAddr, any_host: bool) -> Result<(Host, Option<u16>), Refusal> {
        let mut hosts = parts.headers.get_all(HOST).iter();
        let named = hosts.next().and_then(|host| Host::parse(host.to_str().ok()?));
        let Some((host, port)) = named.filter(|_| hosts.next().is_none()) else {
            let message = "The request needs one Host header: a name or an address, with a port or without.";
            return Err(misdirected(message.to_owned()));
        };
        // A target in absolute form names the host as well, and comes before the header.
        let target = parts.uri.authority().map(|authority| {
            Host::parse(authority.as_str())
                .ok_or_else(|| misdirected("The request's target is not a URL of this server.".to_owned()))
        });
        let (named, target) = ((host, port), target.transpose()?);
        for (host, port) in [Some(&named), target.as_ref()].into_iter().flatten() {
            if !any_host && !self.allows(host, *port, reached) {
                return Err(misdirected(format!(
                    "The host {host} is not allowed. To allow it, start local-queue with --allow-host {host}"
                )));
            }
        }
        // Of the two, the one that a browser may know less about.
        Ok(target.filter(|_| named.0.is_loopback()).unwrap_or(named))
    }

    fn allows(&self, host: &Host, port: Option<u16>, reached: SocketAddr) -> bool {
        let port = port.or(Some(self.scheme().1));
        host.is_default(reached) || self.hosts.iter().any(|allowed| allowed.allows(host, port))
    }

    /// The origin that was allowed, if the request needs one.
    fn check_origin(
        &self,
        headers: &HeaderMap,
        reached: SocketAddr,
        host_port: Option<u16>,
        api: Option<&dyn Pages>,
    ) -> Result<Option<HeaderValue>, Refusal> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(None) };
        if origins.next().is_some() {
            return Err(foreign_origin(headers));
        }
        if self.allows_origin(origin) || api.is_some_and(|api| api.names(origin)) {
            return Ok(Some(origin.clone()));
        }
        let (scheme, default_port) = self.scheme();
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix(scheme)?.strip_prefix("://"));
        match host.and_then(Host::parse) {
            Some((host, port)) if self.is_own_page(&host, port.unwrap_or(default_port), reached, host_port) => Ok(None),
            _ => Err(foreign_origin(headers)),
        }
    }

    /// Whether a page of this origin is the server's own: it comes from the port that was reached, or from the one in
    /// front of it by which the browser has just reached us.
    fn is_own_page(&self, host: &Host, port: u16, reached: SocketAddr, host_port: Option<u16>) -> bool {
        let is_our_port = port == reached.port() || port == host_port.unwrap_or(self.scheme().1);
        let mut specific = self.hosts.iter().filter(|allowed| allowed.is_specific());
        is_our_port && (host.is_default(reached) || specific.any(|allowed| allowed.allows(host, Some(port))))
    }
}

/// Whether the header `Authorization` is one that SDKs make. Others, such as Basic, a browser may add by itself.
fn has_aws_authorization(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"))
}

/// Checks that the request is one that an SDK could have sent: a form, or JSON with its target.
pub(super) fn check_content(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if !matches!(*method, Method::GET | Method::POST) {
        let message = "Only GET and POST are answered.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    check_coding(headers)?;
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = types.next().map(|content_type| {
        let media_type = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim()
    });
    if types.next().is_some() {
        return Err(unsupported_media_type("The request has more than one Content-Type."));
    }
    let is_type = |wanted: &str| content_type.is_some_and(|given| given.eq_ignore_ascii_case(wanted));
    let has_target = headers.contains_key(&protocol::TARGET);
    match (is_type(JSON), is_type(FORM)) {
        (true, _) if has_target => Ok(()),
        (true, _) => Err(unsupported_media_type("A request in JSON needs the header X-Amz-Target.")),
        _ if has_target => Err(unsupported_media_type(
            "A request with X-Amz-Target needs the Content-Type application/x-amz-json-1.0.",
        )),
        (_, true) => Ok(()),
        // Its parameters are in the target; some old SDKs name a type all the same.
        _ if *method == Method::GET => Ok(()),
        _ => Err(unsupported_media_type(
            "A POST needs the Content-Type application/x-amz-json-1.0 or application/x-www-form-urlencoded.",
        )),
    }
}

/// Checks that the request is one that an SDK could have sent to Lambda. No type is asked for: clients name several or none.
pub(super) fn check_lambda_content(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if !matches!(*method, Method::GET | Method::POST | Method::PUT | Method::DELETE) {
        let message = "Only GET, POST, PUT and DELETE are answered.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    check_coding(headers)
}

fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut coding = headers.get_all(CONTENT_ENCODING).iter();
    if coding.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported_media_type("The body must not be compressed."));
    }
    Ok(())
}

/// Whether a browser asks what an allowed page may do.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Lets a page of the allowed origin read the answer. Without an allowed origin there is nothing to add.
pub(super) fn add_cors(answer: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.insert(VARY, HeaderValue::from_static("origin"));
    if is_preflight {
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE"));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_HEADERS));
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        // Chromium asks this of servers on a private network.
        answer.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    } else {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
}

/// The origin is shown, because the person at the keyboard may want to allow it.
fn foreign_origin(headers: &HeaderMap) -> Refusal {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).and_then(Host::parse);
    let origin = if host.is_some() { origin } else { "ORIGIN" };
    let message = format!(
        "The request comes from a web page of another origin. If it should be answered, start local-queue with \
         --allow-origin {origin}"
    );
    Refusal::new(StatusCode::FORBIDDEN, "ForeignOrigin", message)
}

fn misdirected(message: String) -> Refusal {
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, "MisdirectedRequest", message)
}

fn unsigned_get() -> Refusal {
    let message = "A GET that changes something could come from any web page, unless this server is called localhost or \
                   127.0.0.1. Send it as a POST, or with the Authorization header that SDKs send.";
    Refusal::new(StatusCode::FORBIDDEN, "UnsignedGet", message)
}

fn unsupported_media_type(message: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
}

#[cfg(test)]
mod tests;
