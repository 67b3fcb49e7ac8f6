//! Who may send requests: not a web page that its reader merely visits.
//!
//! A browser lets any page send requests to this machine. Three checks tell them from those of an SDK, and each is the
//! only one that sees some attack:
//! - `Host`: after DNS rebinding the page's own name leads here, and a plain GET carries nothing else to know it by;
//! - `Origin`: a WebSocket's handshake carries no `Sec-Fetch-Site`;
//! - `Sec-Fetch-Site`: an image or script tag carries no `Origin`, and a GET is enough for `DeleteQueue`.
//!
//! The origin is compared with what we are called, never with the request's own `Host`: after rebinding these two agree.
//! SDKs and the AWS CLI send neither `Origin` nor `Sec-Fetch-Site`.
//!
//! Everything here is a function of method, target, header and the address that was reached; no body has been read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_ENCODING,
        CONTENT_TYPE, HOST, ORIGIN, VARY,
    },
};

use super::refusal::Refusal;

const JSON: &str = "application/x-amz-json-1.0";
const FORM: &str = "application/x-www-form-urlencoded";
/// What SDKs in a browser send, from the lists of the JavaScript SDK.
const CORS_HEADERS: &str = "authorization, content-type, amz-sdk-invocation-id, amz-sdk-request, x-amz-content-sha256, \
                            x-amz-date, x-amz-security-token, x-amz-target, x-amz-user-agent, x-amzn-query-mode, \
                            x-amzn-trace-id";

/// The names by which the server may be called, and the web pages that may call it.
///
/// Without settings these are `localhost`, `*.localhost`, `127.0.0.1`, `[::1]` and the address that was reached, with
/// the port that was reached, and no pages but the server's own.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<AllowedHost>,
    origins: Vec<HeaderValue>,
}

/// A name or origin that cannot be allowed.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Not a name or address, with a port or without.
    #[error("{0:?} is not a host: NAME, *.NAME or ADDRESS, and :PORT if it is not the server's own")]
    Host(String),
    /// Not an origin, or one of the two that stand for anybody.
    #[error("{0:?} is not an origin: http://HOST[:PORT] or https://HOST[:PORT]; * and null would be anybody")]
    Origin(String),
}

#[derive(Clone, Debug)]
struct AllowedHost {
    host: Host,
    /// Any name below `host` instead of itself.
    is_suffix: bool,
    /// The server's own, if none is said.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Guard {
    /// Also answers to `host`: `NAME`, `*.NAME` or an address, with `:PORT` where another port leads here.
    pub fn allow_host(mut self, host: &str) -> Result<Self, GuardError> {
        let refuse = || GuardError::Host(host.to_owned());
        let (is_suffix, rest) = host.strip_prefix("*.").map_or((false, host), |rest| (true, rest));
        let (parsed, port) = parse_host(rest).ok_or_else(refuse)?;
        if is_suffix && matches!(parsed, Host::Address(_)) {
            return Err(refuse());
        }
        self.hosts.push(AllowedHost { host: parsed, is_suffix, port });
        Ok(self)
    }

    /// Also answers pages of `origin`, and lets them read the answers. Never with the browser's own credentials.
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, GuardError> {
        let refuse = || GuardError::Origin(origin.to_owned());
        let lower = origin.to_ascii_lowercase();
        let host = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")).ok_or_else(refuse)?;
        parse_host(host).ok_or_else(refuse)?;
        self.origins.push(HeaderValue::try_from(lower).map_err(|_| refuse())?);
        Ok(self)
    }

    /// Checks who sends: `Host`, `Origin`, `Sec-Fetch-Site`. Gives the origin that was allowed, if one was needed.
    pub(super) fn check_sender(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        reached: SocketAddr,
    ) -> Result<Option<HeaderValue>, Refusal> {
        self.check_host(uri, headers, reached)?;
        let mut origins = headers.get_all(ORIGIN).iter();
        if let Some(origin) = origins.next() {
            if origins.next().is_some() {
                return Err(foreign_origin());
            }
            if self.origins.contains(origin) {
                return Ok(Some(origin.clone()));
            }
            let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            if !host.is_some_and(|host| self.is_ours(host, reached)) {
                return Err(foreign_origin());
            }
        }
        let mut sites = headers.get_all("sec-fetch-site").iter();
        if !sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
            return Err(foreign_origin());
        }
        Ok(None)
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap, reached: SocketAddr) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (host, second) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
        let is_ours = second.is_none() && host.is_some_and(|host| self.is_ours(host, reached));
        // A target in absolute form names the host as well, and comes before the header.
        if is_ours && uri.authority().is_none_or(|authority| self.is_ours(authority.as_str(), reached)) {
            return Ok(());
        }
        let message = "The request's Host is not a name of this server, or not with its port. If it should be one, \
                       start local-queue with --allow-host HOST.";
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "MisdirectedRequest", message))
    }

    fn is_ours(&self, host: &str, reached: SocketAddr) -> bool {
        let Some((host, port)) = parse_host(host) else { return false };
        let port = port.unwrap_or(80);
        let is_default = port == reached.port()
            && match &host {
                Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
                // A name can be made to lead anywhere, but an address is the place itself.
                Host::Address(address) => {
                    *address == Ipv4Addr::LOCALHOST || *address == Ipv6Addr::LOCALHOST || *address == reached.ip()
                }
            };
        is_default
            || self.hosts.iter().any(|allowed| {
                port == allowed.port.unwrap_or(reached.port())
                    && match (&allowed.host, &host) {
                        (Host::Name(suffix), Host::Name(name)) if allowed.is_suffix => {
                            name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
                        }
                        (allowed, host) => allowed == host,
                    }
            })
    }
}

/// Checks that the request is one that an SDK could have sent: a form, or JSON with its target.
pub(super) fn check_content(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if !matches!(*method, Method::GET | Method::POST) {
        let message = "Only GET and POST are answered.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    let coding = headers.get_all(CONTENT_ENCODING).iter();
    if coding.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported_media_type("The body must not be compressed."));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = types.next().map(|content_type| {
        let media_type = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    });
    if types.next().is_some() {
        return Err(unsupported_media_type("The request has more than one Content-Type."));
    }
    match content_type.as_deref() {
        Some(JSON) if headers.contains_key("x-amz-target") => Ok(()),
        Some(JSON) => Err(unsupported_media_type("A request in JSON needs the header X-Amz-Target.")),
        _ if headers.contains_key("x-amz-target") => Err(unsupported_media_type(
            "A request with X-Amz-Target needs the Content-Type application/x-amz-json-1.0.",
        )),
        Some(FORM) => Ok(()),
        // Its parameters are in the target; some old SDKs name a type all the same.
        _ if *method == Method::GET => Ok(()),
        _ => Err(unsupported_media_type(
            "A POST needs the Content-Type application/x-amz-json-1.0 or application/x-www-form-urlencoded.",
        )),
    }
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
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_HEADERS));
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        // Chromium asks this of servers on a private network.
        answer.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    } else {
        let exposed = HeaderValue::from_static("x-amzn-requestid, x-amzn-query-error");
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Reads `NAME`, `ADDRESS` or `[ADDRESS]`, with `:PORT` or without. No user, no trailing dot, no other spelling of an
/// address, nothing percent-encoded.
fn parse_host(text: &str) -> Option<(Host, Option<u16>)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (Host::Address(IpAddr::V6(address.parse().ok()?)), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let host = match name.parse::<Ipv4Addr>() {
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) => Host::Name(parse_name(name)?),
        };
        (host, port)
    };
    match port.strip_prefix(':') {
        None => port.is_empty().then_some((host, None)),
        Some(digits) => {
            let port = digits.parse::<u16>().ok().filter(|port| port.to_string() == digits)?;
            Some((host, Some(port)))
        }
    }
}

fn parse_name(name: &str) -> Option<String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= 253 && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}

fn foreign_origin() -> Refusal {
    let message = "The request comes from a web page of another origin. If it should be answered, start local-queue with \
                   --allow-origin ORIGIN.";
    Refusal::new(StatusCode::FORBIDDEN, "ForeignOrigin", message)
}

fn unsupported_media_type(message: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
}

#[cfg(test)]
mod tests;
