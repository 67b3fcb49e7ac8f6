//! Clients that reach the server by other names than it knows, through mapped ports and proxies.

use local_queue::server::{Guard, KeyPair};

use super::harness::{Running, json_headers, short};

/// A request whose header is given whole.
fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request, \
                      SignedHeaders=host, Signature=00\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_port_of_a_name_of_this_machine_is_answered_and_queue_urls_follow_it() {
    let server = Running::start(short()).await;
    for host in ["127.0.0.1", "localhost", "[::1]", "localhost:49213", "127.0.0.1:80", "sqs.localhost:1"] {
        let headers = format!("Host: {host}\r\n{}", json_headers("GetQueueUrl"));
        let outcome = server.send(&request("POST /", &headers, r#"{"QueueName":"jobs"}"#)).await;
        assert_eq!(outcome.status(), 200, "{host}: {outcome:?}");
        let shown = host.strip_suffix(":80").unwrap_or(host);
        assert_eq!(outcome.body(), format!("{{\"QueueUrl\":\"http://{shown}/000000000000/jobs\"}}"));
    }
    let headers = format!("Host: sqs:9324\r\n{SIGNED}{}", json_headers("ListQueues"));
    let outcome = server.send(&request("POST /", &headers, "{}")).await;
    assert_eq!(outcome.status(), 421, "{outcome:?}");
    assert!(outcome.body().contains("start local-queue with --allow-host sqs\""), "{outcome:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_trusts_the_network_answers_sdks_by_any_name() {
    let server = Running::start_with(short(), |server| server.guard(Guard::default().trust_network())).await;
    for (host, headers, status) in [
        ("sqs:9324", SIGNED, 200),
        ("host.docker.internal:21000", SIGNED, 200),
        ("sqs:9324", "", 421),
        ("sqs:9324", "Authorization: Basic YTpi\r\n", 421),
        ("a b:9324", SIGNED, 421),
    ] {
        let headers = format!("Host: {host}\r\n{headers}{}", json_headers("GetQueueUrl"));
        let outcome = server.send(&request("POST /", &headers, r#"{"QueueName":"jobs"}"#)).await;
        assert_eq!(outcome.status(), status, "{host}: {outcome:?}");
        assert_eq!(outcome.body().contains(&format!("http://{host}/000000000000/jobs")), status == 200, "{outcome:?}");
    }
    let page = format!("Host: sqs:9324\r\nOrigin: http://sqs:9324\r\n{SIGNED}{}", json_headers("ListQueues"));
    assert_eq!(server.send(&request("POST /", &page, "{}")).await.status(), 421);
    server.stop().await;
}

/// What an image on a page sends to a server that is called by a name: nothing that tells where it comes from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_cannot_delete_a_queue_of_a_server_with_a_name() {
    const DELETE: &str = "/000000000000/jobs?Action=DeleteQueue";

    let guard = Guard::default().allow_host("sqs.example").unwrap();
    let server = Running::start_with(short(), |server| server.guard(guard)).await;
    let get = |host: &str, more: &str, target: &str| {
        request(&format!("GET {target}"), &format!("Host: {host}\r\n{more}"), "")
    };
    for (host, more) in [
        ("sqs.example:9324", ""),
        ("sqs.example", "Authorization: Basic YTpi\r\n"),
        ("127.0.0.1", "X-Forwarded-Host: sqs.example\r\n"),
        ("127.0.0.1", "Via: 1.1 proxy\r\n"),
    ] {
        let outcome = server.send(&get(host, more, DELETE)).await;
        assert_eq!(outcome.status(), 403, "{host} {more}: {outcome:?}");
        assert!(outcome.body().contains("<Code>UnsignedGet</Code>"), "{outcome:?}");
        assert_eq!(server.send(&get(host, more, "/?Action=ListQueues")).await.status(), 200);
    }
    assert_eq!(server.queues.list_queues().len(), 1);
    assert_eq!(server.send(&get("sqs.example:9324", SIGNED, DELETE)).await.status(), 200);
    assert!(server.queues.list_queues().is_empty());
    server.stop().await;
}

/// A proxy that takes its own path away and says so, and one that leaves it in place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_url_that_was_given_through_a_proxy_leads_through_it_again() {
    let guard = Guard::default().allow_host("queues.example").unwrap();
    let server = Running::start_with(short(), |server| server.guard(guard)).await;
    let strips = "Host: 127.0.0.1:9324\r\nX-Forwarded-Host: queues.example\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Prefix: /sqs\r\n";
    let leaves = "Host: queues.example\r\nX-Forwarded-Proto: https\r\n";
    for (headers, endpoint, path) in [(strips, "/", "/000000000000/jobs"), (leaves, "/sqs/", "/sqs/000000000000/jobs")]
    {
        let json = |action| format!("{headers}{}", json_headers(action));
        let line = format!("POST {endpoint}");
        let created = server.send(&request(&line, &json("CreateQueue"), r#"{"QueueName":"jobs"}"#)).await;
        let url = "https://queues.example/sqs/000000000000/jobs";
        assert_eq!(created.body(), format!("{{\"QueueUrl\":\"{url}\"}}"), "{created:?}");
        let send = format!("{{\"QueueUrl\":\"{url}\",\"MessageBody\":\"a\"}}");
        assert_eq!(server.send(&request(&line, &json("SendMessage"), &send)).await.status(), 200);
        // Clients of the Query protocol post to the queue URL itself.
        let form = format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n");
        let outcome = server.send(&request(&format!("POST {path}"), &form, "Action=SendMessage&MessageBody=a")).await;
        assert_eq!(outcome.status(), 200, "{outcome:?}");
        let outcome = server.send(&request(&line, &form, "Action=ListQueues")).await;
        assert!(outcome.body().contains(&format!("<QueueUrl>{url}</QueueUrl>")), "{outcome:?}");
    }
    let jobs = server.queues.list_queues().remove(0);
    assert_eq!(server.queues.queue_attributes(&jobs).unwrap().messages, 4);
    // A host that is none of ours is not repeated.
    let foreign = "Host: 127.0.0.1:9324\r\nX-Forwarded-Host: attacker.example\r\nX-Forwarded-Proto: https\r\n";
    let outcome = server.send(&request("GET /?Action=ListQueues", foreign, "")).await;
    assert!(outcome.body().contains("<QueueUrl>http://127.0.0.1:9324/000000000000/jobs</QueueUrl>"), "{outcome:?}");
    // It lets nobody in who is not.
    let rebound = format!("Host: attacker.example\r\nX-Forwarded-Host: localhost\r\n{}", json_headers("ListQueues"));
    assert_eq!(server.send(&request("POST /", &rebound, "{}")).await.status(), 421);
    server.stop().await;
}

/// The endpoints of other emulators read only, and no page may read them either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_does_not_read_the_endpoints_of_other_emulators() {
    let server = Running::start(short()).await;
    let own = format!("Host: {}\r\n", server.address);
    let visited = format!("{own}Sec-Fetch-Site: cross-site\r\n");
    let foreign = format!("{own}Origin: http://evil.example\r\n");
    let script = format!("{own}Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n");
    let rebound = "Host: evil.example\r\n".to_owned();
    for path in [
        "/_localstack/health",
        "/_localstack/init/ready",
        "/_aws/sqs/messages?QueueUrl=jobs",
        "/_aws/sqs/messages/us-east-1/000000000000/jobs",
        "/health",
        "/statistics/queues",
        "/statistics/queues/jobs",
    ] {
        for (headers, status) in [(&own, 200), (&visited, 403), (&foreign, 403), (&script, 403), (&rebound, 421)] {
            let outcome = server.send(&request(&format!("GET {path}"), headers, "")).await;
            assert_eq!(outcome.status(), status, "{path} {headers}: {outcome:?}");
        }
    }
    server.stop().await;

    let key_pair = KeyPair::new("local", "secret").unwrap();
    let server = Running::start_with(short(), |server| server.require_signature(key_pair)).await;
    let own = format!("Host: {}\r\n", server.address);
    for path in ["/_localstack/health", "/_aws/sqs/messages?QueueUrl=jobs", "/statistics/queues"] {
        let outcome = server.send(&request(&format!("GET {path}"), &own, "")).await;
        assert_eq!(outcome.status(), 401, "{path}: {outcome:?}");
    }
    server.stop_without_asking().await;
}

/// As the tools of LocalStack and ElasticMQ spell queue URLs, in the parameter and as the path.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_urls_of_other_emulators_are_answered() {
    let server = Running::start(short()).await;
    let own = format!("Host: {}\r\n", server.address);
    let form = format!("{own}Content-Type: application/x-www-form-urlencoded\r\n");
    for path in ["/jobs", "/queue/jobs", "/000000000000/jobs", "/queue/us-east-1/000000000000/jobs"] {
        let body = "Action=SendMessage&MessageBody=hello";
        let outcome = server.send(&request(&format!("POST {path}"), &form, body)).await;
        assert_eq!(outcome.status(), 200, "{path}: {outcome:?}");
        let outcome = server.send(&request(&format!("GET {path}?Action=ReceiveMessage"), &own, "")).await;
        assert!(outcome.body().contains("<Body>hello</Body>"), "{path}: {outcome:?}");
        for host in ["localhost:4566", "sqs.us-east-1.localhost.localstack.cloud:4566"] {
            let headers = format!("{own}{}", json_headers("SendMessage"));
            let body = format!("{{\"QueueUrl\":\"http://{host}{path}\",\"MessageBody\":\"hello\"}}");
            let outcome = server.send(&request("POST /", &headers, &body)).await;
            assert_eq!(outcome.status(), 200, "{host}{path}: {outcome:?}");
        }
    }
    server.stop().await;
}
