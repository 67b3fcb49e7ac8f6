//! Requests to APIs: from pages that may not, for routes that are none, longer than any may be, unsigned.

use local_queue::{
    LocalQueue,
    apis::{Api, ApiKind, Apis, Cors, Integration, Mapping, QueueAction, Route, Stage},
    server::{KeyPair, Server},
};

use super::harness::{BODY_BYTES_MAX, Outcome, Running, chunked, short};

/// An API whose every route sends its body to the queue `jobs`, for pages of these origins.
fn api(id: &str, origins: &[&str]) -> Api {
    let parameters = [("QueueUrl", "http://localhost/000000000000/jobs"), ("MessageBody", "$request.body")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), Mapping::parse(value).unwrap()));
    let mut api = Api::new(id, ApiKind::Http);
    api.routes.push(Route {
        method: None,
        path: "$default".to_owned(),
        integration: Integration::Queue { action: QueueAction::SendMessage, parameters: parameters.into() },
        timeout: None,
    });
    api.stages.push(Stage { name: "$default".to_owned(), variables: std::collections::BTreeMap::new() });
    if !origins.is_empty() {
        let origins = origins.iter().map(ToString::to_string).collect();
        api.cors = Some(Cors { origins, methods: vec!["*".to_owned()], ..Cors::default() });
    }
    api
}

fn apis() -> Vec<Api> {
    vec![api("closed", &[]), api("named", &["https://a.example"]), api("open", &["*"])]
}

/// Beside the queues of the server itself, whose clock and messages they share.
fn beside(server: Server, queues: &LocalQueue) -> Server {
    server.apis(Apis::new(queues, apis()))
}

async fn start() -> (Running, LocalQueue) {
    let queues = LocalQueue::builder().build();
    queues.create_queue("jobs", &[]).unwrap();
    let shared = queues.clone();
    (Running::start_with(short(), |server| beside(server, &shared)).await, queues)
}

fn post(server: &Running, path: &str, headers: &str) -> Vec<u8> {
    server.request(&format!("POST {path} HTTP/1.1"), &format!("{headers}Content-Length: 1\r\n"), b"m")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_reaches_the_routes_of_apis_that_name_it_and_nothing_else() {
    let (server, queues) = start().await;
    let a = "Origin: https://a.example\r\nSec-Fetch-Site: cross-site\r\n";
    let b = "Origin: http://b.example\r\nSec-Fetch-Site: cross-site\r\n";
    let cross = "Sec-Fetch-Site: cross-site\r\n";
    let [closed, named, open] = ["closed", "named", "open"].map(|id| format!("/_local-queue/apis/{id}/x"));
    let mut taken = 0;
    for (path, headers, expected) in [
        (&closed, "", 200),
        (&closed, a, 403),
        (&named, a, 200),
        (&named, b, 403),
        (&open, a, 200),
        (&open, b, 200),
        (&open, "Origin: null\r\n", 200),
        (&open, cross, 403),
        (&named, cross, 403),
        (&open, "Origin: http://b.example\r\nOrigin: http://b.example\r\n", 403),
    ] {
        let outcome = server.send(&post(&server, path, headers)).await;
        assert_eq!(outcome.status(), expected, "{path} {headers}: {outcome:?}");
        for name in ["content-security-policy: sandbox", "x-content-type-options: nosniff"] {
            assert!(outcome.header().contains(name), "{outcome:?}");
        }
        if expected == 403 {
            assert!(outcome.body().starts_with("{\"message\":\""), "{outcome:?}");
            assert!(!outcome.header().contains("access-control-allow-origin"), "{outcome:?}");
        }
        taken += usize::from(expected == 200);
    }
    assert_eq!(queues.peek(&queues.scope().arn("jobs"), 0, 100).unwrap().len(), taken);
    // What is open is open for itself.
    for path in ["/_local-queue/queues", "/_local-queue/apis/none/x", "/_local-queue/health", "/", "/000000000000/jobs"]
    {
        let outcome = server.send(&server.request(&format!("GET {path} HTTP/1.1"), b, b"")).await;
        assert_eq!(outcome.status(), 403, "{path}: {outcome:?}");
    }
    let rebound = server
        .send(b"POST /_local-queue/apis/open/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1\r\n\r\nm")
        .await;
    assert_eq!(rebound.status(), 421, "{rebound:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_of_anybody_is_answered_or_ends() {
    let (server, _) = start().await;
    let path = |rest: &str| format!("POST /_local-queue/apis/closed{rest} HTTP/1.1");
    let long = BODY_BYTES_MAX + BODY_BYTES_MAX / 4 + 1;
    let sized = |bytes: usize| format!("Content-Length: {bytes}\r\n");
    let request = |line: &str, headers: &str, body: &[u8]| server.request(line, headers, body);
    let body = vec![b'x'; long];
    server
        .check(vec![
            ("bytes that are no text", request(&path("/a%ff%00%"), &sized(1), b"m"), &[200]),
            ("dots", request(&path("/../../queues"), &sized(1), b"m"), &[200]),
            ("slashes", request(&path(&"/".repeat(2_000)), &sized(1), b"m"), &[200]),
            ("a query of nothing", request(&path("?&&=&a&=b&%"), &sized(1), b"m"), &[200]),
            ("a query of many", request(&path(&format!("?{}", "a=b&".repeat(4_000))), &sized(1), b"m"), &[200]),
            ("no body", request(&path("/"), "", b""), &[400]),
            ("no text", request(&path("/"), &sized(2), b"\xff\xfe"), &[400]),
            (
                "a compressed body",
                request(&path("/"), "Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"\x1f\x8b"),
                &[400],
            ),
            ("too long", request(&path("/"), &sized(long), &body), &[413]),
            (
                "too long in chunks",
                request(&path("/"), "Transfer-Encoding: chunked\r\n", &chunked(&body, 60_000)),
                &[413],
            ),
            ("longer than a message", request(&path("/"), &sized(long - 1), &body[1..]), &[400]),
            ("a body that ends early", request(&path("/"), &sized(5), b"m"), &[408]),
            ("a method of its own", request("BREW /_local-queue/apis/closed/ HTTP/1.1", &sized(1), b"m"), &[200]),
            (
                "an upgrade",
                request(&path("/"), "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", b"m"),
                &[200],
            ),
        ])
        .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_signatures_are_required_an_api_needs_its_own() {
    let queues = LocalQueue::builder().build();
    let key_pair = KeyPair::new("AKIDEXAMPLE", "a secret").unwrap();
    let shared = queues.clone();
    let server = Running::start_with(short(), |server| beside(server, &shared).require_signature(key_pair)).await;
    let signed = |service: &str| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}\r\nX-Amz-Date: 20260101T000000Z\r\n",
            "0".repeat(64)
        )
    };
    let refused = |outcome: &Outcome| (outcome.status(), outcome.body().to_owned());
    for (headers, part) in
        [(String::new(), "message"), (signed("sqs"), "execute-api"), (signed("execute-api"), "message")]
    {
        let outcome = server.send(&post(&server, "/_local-queue/apis/closed/x", &headers)).await;
        let (status, body) = refused(&outcome);
        assert!(status == 403 && body.starts_with("{\"message\":") && body.contains(part), "{headers}: {outcome:?}");
    }
    server.stop_without_asking().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_an_api_has_that_api_only() {
    let queues = LocalQueue::builder().build();
    queues.create_queue("jobs", &[]).unwrap();
    let shared = queues.clone();
    let alone = |server: Server| server.only_api(Apis::new(&shared, apis()), "closed").unwrap();
    let server = Running::start_with(short(), alone).await;
    for path in
        ["/", "/jobs?Action=DeleteQueue", "/_local-queue/reset", "/_local-queue/apis/open/x", "/2015-03-31/functions"]
    {
        let outcome = server.send(&post(&server, path, "")).await;
        assert_eq!(outcome.status(), 200, "{path}: {outcome:?}");
        assert!(outcome.body().contains("<SendMessageResponse"), "{outcome:?}");
        assert!(!outcome.header().contains("sandbox"), "{outcome:?}");
    }
    assert_eq!(queues.peek(&queues.scope().arn("jobs"), 0, 100).unwrap().len(), 5);
    server.stop_without_asking().await;
}
