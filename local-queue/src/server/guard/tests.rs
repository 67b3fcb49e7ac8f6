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

fn parts(method: Method, target: &str, pairs: &[(&'static str, &str)]) -> Parts {
    let (mut parts, ()) = http::Request::builder().method(method).uri(target).body(()).unwrap().into_parts();
    parts.headers = headers(pairs);
    parts
}

fn status_of(verdict: Result<Sender, Refusal>) -> u16 {
    verdict.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
}

fn status_of_sender(guard: &Guard, reached: &str, target: &str, pairs: &[(&'static str, &str)]) -> u16 {
    status_of(guard.check_sender(&parts(Method::GET, target, pairs), reached.parse().unwrap(), false, None))
}

#[test]
fn only_our_own_names_are_answered_whatever_port_is_said() {
    let ours = [
        "localhost:9324",
        "LocalHost:9324",
        "127.0.0.1:9324",
        "[::1]:9324",
        "[0:0:0:0:0:0:0:1]:9324",
        "sqs.us-east-1.localhost:9324",
        "a_b.LOCALHOST:9324",
        // Old clients leave the port out; a mapped port is another one.
        "localhost",
        "127.0.0.1",
        "[::1]",
        "localhost:80",
        "localhost:9325",
        "127.0.0.1:49213",
        "[::1]:49213",
        "sqs.localhost:49213",
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
        "127.1:9324",
        "127.0.0.2:9324",
        "0177.0.0.1:9324",
        "0x7f000001:9324",
        "2130706433:9324",
        "0.0.0.0:9324",
        "192.168.0.1:9324",
        "::1:9324",
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
fn the_address_that_was_reached_is_a_name_of_ours() {
    let status = |reached, host| status_of_sender(&Guard::default(), reached, "/", &[("host", host)]);
    assert_eq!(status("192.168.0.1:9324", "192.168.0.1:9324"), 200);
    assert_eq!(status("192.168.0.1:9324", "192.168.0.2:9324"), 421);
    assert_eq!(status("[fe80::1]:9324", "[fe80::1]:9324"), 200);
}

#[test]
fn configured_names_are_answered() {
    let guard = Guard::default().allow_host("queue.example").unwrap().allow_host("*.cloud.example").unwrap();
    let guard = guard.allow_host("sqs:*").unwrap().allow_host("mapped.example:4566").unwrap();
    let guard = guard.allow_host("10.1.2.3").unwrap().allow_host("*.dev.example:80").unwrap();
    let status = |host: &str| status_of_sender(&guard, REACHED, "/", &[("host", host)]);
    for host in [
        "queue.example:9324",
        "Queue.Example:9324",
        "queue.example",
        "queue.example:4566",
        "sqs.cloud.example:9324",
        "a.b.cloud.example:1",
        "sqs:9324",
        "sqs",
        "mapped.example:4566",
        "localhost:9324",
        "10.1.2.3:9324",
        "10.1.2.3",
        "a.dev.example",
        "a.dev.example:80",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "x.queue.example:9324",
        "cloud.example:9324",
        "evilcloud.example:9324",
        "mapped.example",
        "mapped.example:9324",
        "a.dev.example:81",
        "10.1.2.4:9324",
        "attacker.example:9324",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    for host in [
        "",
        "*.",
        "**",
        "*:80",
        "a b",
        "http://localhost",
        "a/b",
        "*.1.2.3.4",
        "*.[::1]",
        "a:b",
        "a:99999",
        "a:",
        "a:*:80",
        "a:80:*",
        "user@a",
        "*.*.example",
        "sqs*",
    ] {
        assert!(Guard::default().allow_host(host).is_err(), "{host:?}");
    }
}

#[test]
fn every_host_is_answered_where_that_is_said_and_a_page_of_it_is_not() {
    let guard = Guard::default().allow_host("*").unwrap();
    let status = |pairs: &[(&'static str, &str)]| status_of_sender(&guard, REACHED, "/", pairs);
    for host in ["sqs:9324", "host.docker.internal:21000", "10.1.2.3", "[fe80::1]:80"] {
        assert_eq!(status(&[("host", host)]), 200, "{host}");
    }
    for host in ["", "a b", "a:b", "user@a:9324", "a.:9324"] {
        assert_eq!(status(&[("host", host)]), 421, "{host:?}");
    }
    let rebound = [("host", "attacker.example:9324"), ("origin", "http://attacker.example:9324")];
    assert_eq!(status(&rebound), 403, "a page's own name does not become ours");
    let own = [("host", "localhost:9324"), ("origin", "http://localhost:9324")];
    assert_eq!(status(&own), 200);
}

const DELETE: &str = "/000000000000/jobs?Action=DeleteQueue";
const SIGNED: (&str, &str) = ("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request");

/// A browser sends neither `Origin` nor `Sec-Fetch-Site` with a GET to such a host.
#[test]
fn a_get_that_changes_something_needs_a_signature_by_any_name_but_those_of_this_machine() {
    let guard = Guard::default().allow_host("sqs.example").unwrap().allow_host("*.cloud.example").unwrap();
    let named: &[(&str, &str)] = &[
        ("sqs.example:9324", "127.0.0.1:9324"),
        ("sqs.example", "127.0.0.1:9324"),
        ("a.cloud.example:9324", "127.0.0.1:9324"),
        ("192.168.0.1:9324", "192.168.0.1:9324"),
    ];
    for (host, reached) in named {
        let status = |target: &str, more: &[(&'static str, &str)]| {
            status_of_sender(&guard, reached, target, &[&[("host", *host)], more].concat())
        };
        for target in [
            DELETE,
            "/?Action=SendMessage&QueueUrl=jobs&MessageBody=a",
            "/?Action=ReceiveMessage&QueueUrl=jobs",
            "/?Version=2012-11-05&Action=PurgeQueue",
            "/?A%63tion=DeleteQueue",
            "/?Action=Delete%51ueue",
            "/?Action=ListQueues&Action=DeleteQueue",
            "/?Action=DeleteQueue&Action=ListQueues",
            "/?Action=NoSuchAction",
            "/?Action=%zz",
            "/?Action",
            "/_local-queue/reset?Action=DeleteQueue",
            "/?Action=DeleteQueue&X-Amz-Signature=00&X-Amz-Algorithm=AWS4-HMAC-SHA256",
        ] {
            assert_eq!(status(target, &[]), 403, "{host} {target}");
            assert_eq!(status(target, &[SIGNED]), 200, "{host} {target}, signed");
            // A browser adds these by itself, from a URL or from what was entered for a proxy.
            for authorization in ["Basic YTpi", "Digest username=\"a\"", "Negotiate a", "Bearer a", ""] {
                assert_eq!(status(target, &[("authorization", authorization)]), 403, "{host} {authorization}");
            }
        }
        for target in [
            "/",
            "/favicon.ico",
            "/?Action=ListQueues",
            "/?Action=GetQueueUrl&QueueName=jobs",
            "/000000000000/jobs?Action=GetQueueAttributes&AttributeName.1=All",
            "/?Action=ListQueueTags&QueueUrl=jobs",
            "/?Action=ListDeadLetterSourceQueues&QueueUrl=jobs",
            "/?Action=ListMessageMoveTasks&SourceArn=a",
            "/_local-queue/metrics",
        ] {
            assert_eq!(status(target, &[]), 200, "{host} {target}");
        }
        // A browser names the origin of every POST.
        let post = |more: &[(&'static str, &str)]| {
            let parts = parts(Method::POST, "/", &[&[("host", *host)], more].concat());
            status_of(guard.check_sender(&parts, reached.parse().unwrap(), false, None))
        };
        assert_eq!(post(&[]), 200);
        assert_eq!(post(&[("origin", "http://attacker.example")]), 403);
        assert_eq!(post(&[("origin", "null")]), 403);
        // It is the signature that is checked then.
        let parts = parts(Method::GET, DELETE, &[("host", host)]);
        assert_eq!(status_of(guard.check_sender(&parts, reached.parse().unwrap(), true, None)), 200);
    }
    for host in ["localhost:9324", "127.0.0.1", "[::1]:1", "sqs.localhost"] {
        assert_eq!(status_of_sender(&guard, REACHED, DELETE, &[("host", host)]), 200, "{host}");
    }
}

/// The browser sees the proxy's name, which need not be one of this machine.
#[test]
fn what_a_proxy_passes_on_counts_as_coming_by_another_name() {
    let status =
        |target, more| status_of_sender(&Guard::default(), REACHED, target, &[("host", "127.0.0.1:9324"), more]);
    for header in ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"] {
        assert_eq!(status(DELETE, (header, "a")), 403, "{header}");
        assert_eq!(status("/?Action=ListQueues", (header, "a")), 200, "{header}");
    }
    assert_eq!(status(DELETE, ("x-forwarding", "a")), 200);
}

#[test]
fn who_trusts_the_network_answers_sdks_by_any_name_and_pages_by_none() {
    let status = |guard: Guard, method, more: &[(&'static str, &str)]| {
        let parts = parts(method, "/?Action=ListQueues", &[&[("host", "sqs:9324")], more].concat());
        status_of(guard.check_sender(&parts, "172.17.0.2:9324".parse().unwrap(), false, None))
    };
    let trusting = || Guard::default().trust_network();
    assert_eq!(status(Guard::default(), Method::POST, &[SIGNED]), 421);
    assert_eq!(status(trusting(), Method::POST, &[SIGNED]), 200);
    assert_eq!(status(trusting(), Method::POST, &[]), 421);
    assert_eq!(status(trusting(), Method::POST, &[("authorization", "Basic YTpi")]), 421);
    // After rebinding a page may add any header to its own requests, but its origin is with each POST, not with a GET.
    assert_eq!(status(trusting(), Method::GET, &[SIGNED]), 421);
    assert_eq!(status(trusting(), Method::POST, &[SIGNED, ("origin", "http://sqs:9324")]), 421);
}

#[test]
fn who_checks_signatures_answers_by_any_name_who_carries_one() {
    let status = |target, more: &[(&'static str, &str)]| {
        let parts = parts(Method::GET, target, &[&[("host", "sqs:9324")], more].concat());
        status_of(Guard::default().check_sender(&parts, REACHED.parse().unwrap(), true, None))
    };
    assert_eq!(status("/", &[]), 421);
    assert_eq!(status("/", &[SIGNED]), 200);
    assert_eq!(status("/?a=1&X-Amz-Signature=00", &[]), 200);
    assert_eq!(status("/", &[SIGNED, ("origin", "http://sqs:9324")]), 403);
}

#[test]
fn a_refused_host_or_origin_is_told_which_option_lets_it_in() {
    let refuse = |pairs: &[(&'static str, &str)]| {
        let parts = parts(Method::GET, "/", pairs);
        Guard::default().check_sender(&parts, REACHED.parse().unwrap(), false, None).unwrap_err().message.into_owned()
    };
    for (host, option) in [
        ("sqs:9324", "--allow-host sqs"),
        ("Host.Docker.Internal:21000", "--allow-host host.docker.internal"),
        ("10.1.2.3", "--allow-host 10.1.2.3"),
        ("[fe80::1]:80", "--allow-host [fe80::1]"),
    ] {
        let message = refuse(&[("host", host)]);
        assert!(message.ends_with(&format!("start local-queue with {option}")), "{message}");
        // What it says to do helps.
        let guard = Guard::default().allow_host(option.split(' ').next_back().unwrap()).unwrap();
        assert_eq!(status_of_sender(&guard, REACHED, "/", &[("host", host)]), 200, "{option}");
    }
    for host in ["<script>", "a b", "a\""] {
        let message = refuse(&[("host", host)]);
        assert!(!message.contains(host) && message.contains("one Host header"), "{message}");
    }
    let message = refuse(&[("host", REACHED), ("origin", "https://app.example:8443")]);
    assert!(message.ends_with("--allow-origin https://app.example:8443"), "{message}");
    let message = refuse(&[("host", REACHED), ("origin", "null")]);
    assert!(message.ends_with("--allow-origin ORIGIN"), "{message}");
}

#[test]
fn queue_urls_begin_where_the_client_has_found_the_server() {
    let guard = Guard::default().allow_host("sqs.example").unwrap();
    let cases: &[(Headers<'_>, &str)] = &[
        (&[("host", "localhost:9324")], "http://localhost:9324"),
        (&[("host", "127.0.0.1")], "http://127.0.0.1"),
        (&[("host", "[::1]:49213")], "http://[::1]:49213"),
        (&[("host", "sqs.example:80")], "http://sqs.example"),
        (&[("host", "sqs.example"), ("x-forwarded-proto", "https")], "https://sqs.example"),
        (&[("host", "sqs.example:443"), ("x-forwarded-proto", "HTTPS")], "https://sqs.example"),
        (
            &[("host", "sqs.example"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")],
            "https://sqs.example:8443",
        ),
        (&[("host", REACHED), ("x-forwarded-host", "sqs.example")], "http://sqs.example"),
        (&[("host", REACHED), ("x-forwarded-host", "sqs.example:8080")], "http://sqs.example:8080"),
        (
            &[
                ("host", REACHED),
                ("x-forwarded-host", "sqs.example, inner.example"),
                ("x-forwarded-proto", "https,http"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-prefix", "/queues/"),
            ],
            "https://sqs.example/queues",
        ),
        // Not a name of ours: as if the proxy had said nothing.
        (
            &[
                ("host", REACHED),
                ("x-forwarded-host", "attacker.example"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-port", "1"),
                ("x-forwarded-prefix", "/x"),
            ],
            "http://127.0.0.1:9324",
        ),
        (&[("host", REACHED), ("x-forwarded-host", "sqs.example@attacker.example")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-host", "")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-proto", "javascript")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-port", "9@a")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-prefix", "//attacker.example")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-prefix", "/a/../b")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-prefix", "a")], "http://127.0.0.1:9324"),
        (&[("host", REACHED), ("x-forwarded-prefix", "/a?b")], "http://127.0.0.1:9324"),
    ];
    for (pairs, expected) in cases {
        let (parts, reached) = (parts(Method::POST, "/", pairs), REACHED.parse().unwrap());
        let sender = guard.check_sender(&parts, reached, false, None).unwrap();
        assert_eq!(guard.endpoint(&parts.headers, &sender, reached).as_str(), *expected, "{pairs:?}");
    }
    // A forwarded host lets nobody in.
    let forwarded = [("host", "attacker.example"), ("x-forwarded-host", "localhost:9324"), SIGNED];
    assert_eq!(status_of_sender(&guard, REACHED, "/", &forwarded), 421);
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
        ("our name, no port", 403, &[("host", REACHED), ("origin", "http://localhost")]),
        (
            "our name, a port before a mapped one",
            403,
            &[("host", "localhost:49213"), ("origin", "http://localhost:3000")],
        ),
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
        &[("host", "localhost:49213"), ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:49213")],
    ];
    for headers in own {
        assert_eq!(status_of_sender(&Guard::default(), REACHED, "/", headers), 200, "{headers:?}");
    }
}

#[test]
fn an_allowed_origin_is_answered_and_told_so_by_name() {
    let guard = Guard::default().allow_origin("https://App.example:8443").unwrap();
    let from = |origin: &str| {
        let headers = [("host", REACHED), ("origin", origin), ("sec-fetch-site", "cross-site")];
        guard.check_sender(&parts(Method::GET, "/", &headers), REACHED.parse().unwrap(), false, None)
    };
    let allowed = from("https://app.example:8443").unwrap().origin.unwrap();
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
        // What a page sends to SQS, S3 and Lambda, and what it reads of them.
        let (list, names) = if is_preflight {
            let sent =
                ["x-amz-target", "content-md5", "x-amz-invocation-type", "x-amz-log-type", "x-amz-client-context"];
            (ACCESS_CONTROL_ALLOW_HEADERS, sent.to_vec())
        } else {
            let read = [
                "x-amzn-query-error",
                "x-amz-version-id",
                "x-amz-function-error",
                "x-amz-log-result",
                "x-amzn-errortype",
            ];
            (ACCESS_CONTROL_EXPOSE_HEADERS, read.to_vec())
        };
        let listed: Vec<_> = answer[list].to_str().unwrap().split(", ").collect();
        assert!(names.iter().all(|name| listed.contains(name)), "{listed:?} lacks one of {names:?}");
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

#[test]
fn over_https_our_own_pages_and_urls_say_so() {
    let reached: SocketAddr = "127.0.0.1:9324".parse().unwrap();
    let secure = Guard::default().allow_host("sqs.example:443").unwrap().over_https();
    for (host, origin, status) in [
        ("127.0.0.1:9324", "https://127.0.0.1:9324", 200),
        ("127.0.0.1:9324", "http://127.0.0.1:9324", 403),
        ("localhost", "https://localhost", 200),
        ("localhost", "https://localhost:443", 200),
        ("localhost", "https://localhost:80", 403),
        ("sqs.example", "https://sqs.example", 200),
        ("sqs.example:80", "https://sqs.example:80", 421),
        ("127.0.0.1:9324", "https://evil.example", 403),
        ("evil.example", "https://evil.example", 421),
    ] {
        let pairs = [("host", host), ("origin", origin)];
        let parts = parts(Method::POST, "/", &pairs);
        assert_eq!(status_of(secure.check_sender(&parts, reached, false, None)), status, "{host} {origin}");
    }
    for (pairs, expected) in [
        (&[("host", "localhost:9324")][..], "https://localhost:9324"),
        (&[("host", "localhost:443")], "https://localhost"),
        (&[("host", "localhost:80")], "https://localhost:80"),
        (&[("host", "localhost"), ("x-forwarded-proto", "http")], "http://localhost"),
        (&[("host", "localhost"), ("x-forwarded-proto", "gopher")], "https://localhost"),
    ] {
        let parts = parts(Method::POST, "/", pairs);
        let sender = secure.check_sender(&parts, reached, false, None).unwrap();
        assert_eq!(secure.endpoint(&parts.headers, &sender, reached).as_str(), expected, "{pairs:?}");
    }
}
