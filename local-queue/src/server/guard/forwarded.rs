//! What a proxy says about the request that it passes on: where the client believes the server to be.
//!
//! It is used for queue URLs and for nothing else. Whoever is refused by its `Host` stays refused, and a forwarded host is
//! followed only if it could have been the `Host`.

use http::HeaderMap;

use super::host::{Host, parse_port};
use crate::protocol::Endpoint;

/// Bytes of a path before a queue's own.
const PREFIX_BYTES_MAX: usize = 256;

/// Whether a proxy says that it has passed the request on.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    let by_a_proxy = |name: &str| name == "forwarded" || name == "via" || name.starts_with("x-forwarded-");
    headers.keys().any(|name| by_a_proxy(name.as_str()) || name == "x-real-ip")
}

/// What queue URLs begin with, for a request that came by this scheme and names `host` and a port.
pub(super) fn endpoint(
    headers: &HeaderMap,
    scheme: &'static str,
    (host, port): (&Host, Option<u16>),
    is_allowed: impl Fn(&Host, Option<u16>) -> bool,
) -> Endpoint {
    // The first of several is what the proxy next to the client has said.
    let first = |name| headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim);
    let forwarded = first("x-forwarded-host").map(Host::parse);
    let (host, port, is_followed) = match &forwarded {
        Some(Some((host, port))) if is_allowed(host, *port) => (host, *port, true),
        Some(_) => (host, port, false),
        None => (host, port, true),
    };
    let unless_refused = |name| first(name).filter(|_| is_followed);
    let scheme = match unless_refused("x-forwarded-proto") {
        Some(forwarded) if forwarded.eq_ignore_ascii_case("https") => "https",
        Some(forwarded) if forwarded.eq_ignore_ascii_case("http") => "http",
        _ => scheme,
    };
    let forwarded_port = unless_refused("x-forwarded-port").and_then(parse_port);
    let port = if forwarded.is_some() { forwarded_port.or(port) } else { port.or(forwarded_port) };
    let default_port = if scheme == "https" { 443 } else { 80 };
    let port = port.filter(|port| *port != default_port).map(|port| format!(":{port}")).unwrap_or_default();
    let prefix = unless_refused("x-forwarded-prefix").and_then(prefix).unwrap_or_default();
    Endpoint::new(format!("{scheme}://{host}{port}{prefix}"))
}

/// The path before the queue's own, if it can stand in a URL as it is.
fn prefix(path: &str) -> Option<&str> {
    let path = path.trim_end_matches('/');
    (path.len() <= PREFIX_BYTES_MAX && crate::protocol::is_plain_path(path)).then_some(path)
}
