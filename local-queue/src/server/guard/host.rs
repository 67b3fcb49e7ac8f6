//! Names of servers as `Host`, `Origin` and options spell them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Reads `NAME`, `ADDRESS` or `[ADDRESS]`, with `:PORT` or without. No user, no trailing dot, no other spelling of an
    /// address, nothing percent-encoded.
    pub(super) fn parse(text: &str) -> Option<(Self, Option<u16>)> {
        let (host, port) = split_port(text)?;
        match port.strip_prefix(':') {
            None => port.is_empty().then_some((host, None)),
            Some(digits) => Some((host, Some(parse_port(digits)?))),
        }
    }

    /// Whether every resolver leads this to the machine that asks, so that no page can make the name its own.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }

    /// Whether a server that was reached at this address is called so without any option.
    pub(super) fn is_default(&self, reached: SocketAddr) -> bool {
        match self {
            Self::Name(_) => self.is_loopback(),
            // A name can be made to lead anywhere, but an address is the place itself.
            Self::Address(address) => {
                *address == Ipv4Addr::LOCALHOST || *address == Ipv6Addr::LOCALHOST || *address == reached.ip()
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(formatter, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

/// A name that is allowed by an option.
#[derive(Clone, Debug)]
pub(super) enum AllowedHost {
    /// `*`.
    Any,
    /// `NAME` or `*.NAME`, with one port or any.
    One { host: Host, is_suffix: bool, port: Option<u16> },
}

impl AllowedHost {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let (is_suffix, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let (host, port) = Host::parse(rest.strip_suffix(":*").unwrap_or(rest))?;
        let is_name = matches!(host, Host::Name(_));
        let has_one_port = !(rest.ends_with(":*") && port.is_some());
        ((is_name || !is_suffix) && has_one_port).then_some(Self::One { host, is_suffix, port })
    }

    /// Whether this allows a `Host`. The port says nothing about who sends; it is looked at only if the option names one.
    pub(super) fn allows(&self, host: &Host, port: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::One { port: Some(wanted), .. } if port.unwrap_or(80) != *wanted => false,
            Self::One { host: Host::Name(suffix), is_suffix: true, .. } => match host {
                Host::Name(name) => name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.')),
                Host::Address(_) => false,
            },
            Self::One { host: allowed, .. } => allowed == host,
        }
    }

    /// Whether this is a name of the server itself. `*` is everybody's, and so no reason to trust a page.
    pub(super) const fn is_specific(&self) -> bool {
        matches!(self, Self::One { .. })
    }
}

/// The host, and what is left: nothing, or a colon and more.
fn split_port(text: &str) -> Option<(Host, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return Some((Host::Address(IpAddr::V6(address.parse().ok()?)), port));
    }
    let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
    let host = match name.parse::<Ipv4Addr>() {
        Ok(address) => Host::Address(IpAddr::V4(address)),
        Err(_) => Host::Name(parse_name(name)?),
    };
    Some((host, port))
}

/// Reads a port in its one spelling.
pub(super) fn parse_port(digits: &str) -> Option<u16> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    if is_plain { digits.parse().ok() } else { None }
}

fn parse_name(name: &str) -> Option<String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= 253 && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}
