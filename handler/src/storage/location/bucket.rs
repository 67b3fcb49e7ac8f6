//! The rules of bucket names.

use std::net::Ipv4Addr;

/// AWS: a name must not start with these, nor end with the others; they are for names of other things, such as access
/// points, which are second names of buckets (documentation: "General purpose bucket naming rules").
const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// AWS: 3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit, no two dots side
/// by side, not formatted as an IP address (documentation: "General purpose bucket naming rules").
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !(3..=63).contains(&name.len()) {
        return Err("is not 3 to 63 characters long");
    }
    if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')) {
        return Err("has another character than lower-case letters, digits, '.' and '-'");
    }
    if !outer(name.bytes().next()) || !outer(name.bytes().last()) {
        return Err("does not begin and end with a letter or digit");
    }
    if name.contains("..") {
        return Err("has two dots side by side");
    }
    if name.parse::<Ipv4Addr>().is_ok() || is_like_an_address(name) {
        return Err("is formatted as an IP address");
    }
    if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err("begins with xn--, sthree- or amzn-s3-demo-, which AWS reserves");
    }
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        return Err("ends with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3, which AWS reserves");
    }
    Ok(())
}

/// Names in memory are for tests, so they may be short.
pub(super) fn check_memory(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 63 || name.bytes().all(|byte| byte == b'.') {
        return Err("is not a name of 1 to 63 characters");
    }
    let known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if name.bytes().all(known) {
        Ok(())
    } else {
        Err("has another character than lower-case letters, digits, '.', '-' and '_'")
    }
}

/// Four numbers between dots, in range or not.
fn is_like_an_address(name: &str) -> bool {
    let parts = || name.split('.');
    parts().count() == 4 && parts().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
