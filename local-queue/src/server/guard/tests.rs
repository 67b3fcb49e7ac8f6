//! The guard as tables: which requests are let in.

use super::*;

type Headers<'a> = &'a [(&'static str, &'a str)];

const REACHED: &str = "127.0.0.1:9324";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
    let mut headers = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

fn status_of_sender(guard: &Guard, reached: &str, target: &str, pairs: &[(&'static str, &str)]) -> u16 {
    let verdict = guard.check_sender(&target.parse().unwrap(), &headers(pairs), reached.parse().unwrap());
    verdict.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
}

#[test]
fn only_our_own_names_with_our_port_are_answered() {
    let ours = [
        "localhost:9324",
        "LocalHost:9324",
        "127.0.0.1:9324",
        "[::1]:9324",
        "[0:0:0:0:0:0:0:1]:9324",
        "sqs.us-east-1.localhost:9324",
        "a_b.LOCALHOST:9324",
    ];
    let foreign = [
        "attacker.example",
        "attacker.example:9324",
        "localhost.attacker.example:9324",
        "localhostattacker.example:9324",
        "notlocalhost:9324",
        ".localhost:9324",
        "a..localhost:9324",
        "localhost.:9324",
        "localhost",
        "localhost:80",
        "localhost:9325",
        "localhost:",
        "localhost:+9324",
        "localhost:09324",
        "localhost:9324:9324",
        "localhost:9324/",
        "localhost:9324@attacker.example",
        "user@localhost:9324",
        "user:localhost@attacker.example:9324",
        "localhost %:9324",
        "local%68ost:9324",
        "127.0.0.1",
        "127.1:9324",
        "127.0.0.2:9324",
        "0177.0.0.1:9324",
        "0x7f000001:9324",
        "2130706433:9324",
        "0.0.0.0:9324",
        "192.168.0.1:9324",
        "::1:9324",
        "[::1]",
        "[::1:9324",
        "[::1]9324",
        "[::ffff:127.0.0.1]:9324",
        "[::]:9324",
        "",
        " ",
        "localhost:9324, localhost:9324",
        "l\u{f6}calhost:9324",
    ];
    let guard = Guard::default();
    let status = |host: &str| status_of_sender(&guard, REACHED, "/", &[("host", host)]);
    for host in ours {
        assert_eq!(status(host), 200, "{host:?}");
    }
    for host in foreign {
        assert_eq!(status(host), 421, "{host:?}");
    }
    assert_eq!(status_of_sender(&guard, REACHED, "/", &[]), 421, "no Host");
    let double = [("host", "localhost:9324"), ("host", "localhost:9324")];
    assert_eq!(status_of_sender(&guard, REACHED, "/", &double), 421, "two Hosts");
}

#[test]
fn a_target_in_absolute_form_must_name_us_as_well() {
    let status = |target: &str| status_of_sender(&Guard::default(), REACHED, target, &[("host", "localhost:9324")]);
    assert_eq!(status("http://localhost:9324/"), 200);
    assert_eq!(status("http://attacker.example:9324/"), 421);
    assert_eq!(status("http://user@localhost:9324/"), 421);
    assert_eq!(status("attacker.example:9324"), 421);
}

#[test]
fn the_port_of_a_host_that_says_none_is_80() {
    for host in ["localhost", "127.0.0.1", "[::1]", "localhost:80"] {
        assert_eq!(status_of_sender(&Guard::default(), "127.0.0.1:80", "/", &[("host", host)]), 200, "{host}");
    }
}

#[test]
fn the_address_that_was_reached_is_a_name_of_ours() {
    let status = |reached, host| status_of_sender(&Guard::default(), reached, "/", &[("host", host)]);
    assert_eq!(status("192.168.0.1:9324", "192.168.0.1:9324"), 200);
    assert_eq!(status("192.168.0.1:9324", "192.168.0.2:9324"), 421);
    assert_eq!(status("[fe80::1]:9324", "[fe80::1]:9324"), 200);
}

#[test]
fn configured_names_are_answered() {
    let guard = Guard::default().allow_host("queue.example").unwrap().allow_host("*.cloud.example").unwrap();
    let guard = guard.allow_host("localhost:4566").unwrap().allow_host("10.1.2.3").unwrap();
    let status = |host: &str| status_of_sender(&guard, REACHED, "/", &[("host", host)]);
    for host in [
        "queue.example:9324",
        "Queue.Example:9324",
        "sqs.cloud.example:9324",
        "a.b.cloud.example:9324",
        "localhost:4566",
        "localhost:9324",
        "10.1.2.3:9324",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "queue.example",
        "queue.example:4566",
        "x.queue.example:9324",
        "cloud.example:9324",
        "evilcloud.example:9324",
        "10.1.2.4:9324",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    for host in ["", "*", "*.", "a b", "http://localhost", "a/b", "*.1.2.3.4", "a:b", "a:99999", "user@a"] {
        assert!(Guard::default().allow_host(host).is_err(), "{host:?}");
    }
}

/// The requests that a browser was seen to send for each kind of attack.
#[test]
fn what_a_hostile_page_sends_is_refused() {
    let attacks: &[(&str, u16, Headers<'_>)] = &[
        ("image or script tag", 403, &[("host", REACHED), ("sec-fetch-site", "cross-site")]),
        ("image tag on a page of another port", 403, &[("host", REACHED), ("sec-fetch-site", "same-site")]),
        (
            "form post, beacon, fetch",
            403,
            &[("host", REACHED), ("origin", "https://attacker.example"), ("sec-fetch-site", "cross-site")],
        ),
        ("sandboxed frame", 403, &[("host", REACHED), ("origin", "null"), ("sec-fetch-site", "cross-site")]),
        ("file on disk, old browser", 403, &[("host", REACHED), ("origin", "null")]),
        ("WebSocket", 403, &[("host", REACHED), ("origin", "https://attacker.example")]),
        ("rebinding, POST", 421, &[("host", "attacker.example:9324"), ("origin", "http://attacker.example:9324")]),
        ("rebinding, GET", 421, &[("host", "attacker.example:9324")]),
        ("rebinding, GET with fetch metadata", 421, &[("host", "attacker.example:9324"), ("sec-fetch-site", "none")]),
        ("two origins", 403, &[("host", REACHED), ("origin", "http://127.0.0.1:9324"), ("origin", "http://a.example")]),
        ("two sites", 403, &[("host", REACHED), ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")]),
        ("unknown site", 403, &[("host", REACHED), ("sec-fetch-site", "Same-Origin")]),
        ("empty origin", 403, &[("host", REACHED), ("origin", "")]),
        ("our name over TLS", 403, &[("host", REACHED), ("origin", "https://localhost:9324")]),
        ("our name, other port", 403, &[("host", REACHED), ("origin", "http://localhost:3000")]),
        ("origin with a path", 403, &[("host", REACHED), ("origin", "http://localhost:9324/")]),
    ];
    for (attack, status, headers) in attacks {
        assert_eq!(status_of_sender(&Guard::default(), REACHED, "/?Action=DeleteQueue", headers), *status, "{attack}");
    }
    let own: &[Headers<'_>] = &[
        &[("host", REACHED)],
        &[("host", REACHED), ("sec-fetch-site", "none")],
        &[("host", REACHED), ("sec-fetch-site", "same-origin")],
        &[("host", REACHED), ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:9324")],
    ];
    for headers in own {
        assert_eq!(status_of_sender(&Guard::default(), REACHED, "/", headers), 200, "{headers:?}");
    }
}

#[test]
fn an_allowed_origin_is_answered_and_told_so_by_name() {
    let guard = Guard::default().allow_origin("https://App.example:8443").unwrap();
    let from = |origin: &str| {
        let headers = headers(&[("host", REACHED), ("origin", origin), ("sec-fetch-site", "cross-site")]);
        guard.check_sender(&Uri::from_static("/"), &headers, REACHED.parse().unwrap())
    };
    let allowed = from("https://app.example:8443").unwrap().unwrap();
    assert_eq!(allowed, "https://app.example:8443");
    for origin in ["https://app.example", "http://app.example:8443", "https://app.example:8443.evil.example", "null"] {
        assert_eq!(from(origin).unwrap_err().status, 403, "{origin}");
    }
    for is_preflight in [false, true] {
        let mut answer = HeaderMap::new();
        add_cors(&mut answer, allowed.clone(), is_preflight);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example:8443");
        assert_eq!(answer[VARY], "origin");
        assert!(!answer.contains_key("access-control-allow-credentials"));
        assert!(answer.values().all(|value| value != "*"));
        assert_eq!(answer.contains_key(ACCESS_CONTROL_ALLOW_METHODS), is_preflight);
    }
    for origin in
        ["*", "null", "", "app.example", "http://", "https://a.example/", "ftp://a.example", "http://*.example"]
    {
        assert!(Guard::default().allow_origin(origin).is_err(), "{origin:?}");
    }
}

#[test]
fn only_what_sdks_send_is_read() {
    let target = ("x-amz-target", "AmazonSQS.ListQueues");
    let json = ("content-type", "application/x-amz-json-1.0");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cases: &[(u16, Method, Headers<'_>)] = &[
        (200, Method::POST, &[target, json]),
        (200, Method::POST, &[target, ("content-type", "Application/X-Amz-Json-1.0 ; charset=utf-8")]),
        (200, Method::POST, &[form]),
        (200, Method::POST, &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]),
        (200, Method::POST, &[form, ("content-encoding", "identity")]),
        (200, Method::GET, &[]),
        (200, Method::GET, &[form]),
        (200, Method::GET, &[("content-type", "text/plain")]),
        (415, Method::POST, &[]),
        (415, Method::POST, &[json]),
        (415, Method::GET, &[json]),
        (415, Method::POST, &[target]),
        (415, Method::GET, &[target]),
        (415, Method::POST, &[target, form]),
        (415, Method::POST, &[target, ("content-type", "text/plain")]),
        (415, Method::POST, &[target, ("content-type", "application/json")]),
        (415, Method::POST, &[target, ("content-type", "application/x-amz-json-1.1")]),
        (415, Method::POST, &[target, ("content-type", "application/x-amz-json-1.0, text/plain")]),
        (415, Method::POST, &[target, json, form]),
        (415, Method::POST, &[("content-type", "text/plain")]),
        (415, Method::POST, &[("content-type", "multipart/form-data; boundary=x")]),
        (415, Method::POST, &[("content-type", "")]),
        (415, Method::POST, &[form, ("content-encoding", "gzip")]),
        (405, Method::PUT, &[form]),
        (405, Method::DELETE, &[]),
        (405, Method::HEAD, &[]),
        (405, Method::OPTIONS, &[]),
        (405, Method::TRACE, &[]),
        (405, Method::CONNECT, &[]),
    ];
    for (status, method, pairs) in cases {
        let verdict = check_content(method, &headers(pairs));
        assert_eq!(verdict.map_or_else(|refusal| refusal.status.as_u16(), |()| 200), *status, "{method} {pairs:?}");
    }
}
