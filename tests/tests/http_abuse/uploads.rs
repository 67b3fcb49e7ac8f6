//! Uploads that no SDK would send: slow, torn, without an end, too large.

use std::time::Duration;

use local_queue::{LocalQueue, buckets::Buckets};
use tokio::time::sleep;

use super::harness::{Running, chunked, short};

const OBJECT_BYTES_MAX: usize = 3 * 1024 * 1024;

async fn start() -> (Running, Buckets) {
    let buckets = Buckets::builder(&LocalQueue::builder().build()).object_bytes_max(OBJECT_BYTES_MAX as u64).build();
    buckets.create_bucket("photos").unwrap();
    let served = buckets.clone();
    (Running::start_with(short(), |server| server.buckets(served)).await, buckets)
}

/// Waits until nothing of what was given up is left.
async fn until_empty(buckets: &Buckets) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while buckets.used_bytes() > 0 {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{} bytes are left", buckets.used_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_may_take_longer_than_a_request_of_sqs() {
    let (server, buckets) = start().await;
    let mut client = server.connect().await;
    let body = vec![b'x'; 100_000];
    client.write(&server.request("PUT /photos/slow HTTP/1.1", "Content-Length: 100000\r\n", b"")).await;
    // Twice the time that a body of SQS has, in pieces.
    for piece in body.chunks(20_000) {
        client.write(piece).await;
        // What is waited for is that time passes.
        sleep(short().body_timeout * 2 / 5).await;
    }
    assert_eq!(client.read().await.status(), 200);
    // The connection goes on, for as long as any other: longer than a header would have.
    sleep(short().header_timeout * 4 / 3).await;
    client.write(&server.request("GET /photos/slow HTTP/1.1", "Range: bytes=99990-\r\n", b"")).await;
    let end = client.read().await;
    assert_eq!((end.status(), end.body()), (206, "xxxxxxxxxx"));
    client.write(&server.json("ListQueues", "{}")).await;
    assert_eq!(client.read().await.status(), 200, "the same connection, to queues");
    assert_eq!(buckets.used_bytes(), 100_000);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_without_an_end_leave_nothing() {
    let (server, buckets) = start().await;
    let part = vec![b'x'; 50_000];
    let put = |headers: &str, body: &[u8]| server.request("PUT /photos/torn HTTP/1.1", headers, body);
    for head in [
        put("Content-Length: 100000\r\n", &part),
        put("Transfer-Encoding: chunked\r\n", b"c350\r\n"),
        put("Transfer-Encoding: chunked\r\n", &chunked(&part, 1_000)[..20_000]),
        put("Content-Length: 100000\r\nX-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n", b"c350\r\nxxx"),
    ] {
        let mut client = server.connect().await;
        client.write(&head).await;
        drop(client);
    }
    until_empty(&buckets).await;
    assert!(buckets.keys("photos").is_empty());
    server.assert_answers("torn uploads").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_answered_before_the_connection_ends() {
    let (server, buckets) = start().await;
    let long = vec![b'x'; OBJECT_BYTES_MAX + 1];
    let length = format!("Content-Length: {}\r\n", long.len());
    let document = format!("<Delete>{}</Delete>", " ".repeat(9 * 1024 * 1024));
    let document_length = format!("Content-Length: {}\r\n", document.len());
    let framed = "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nContent-Length: 13\r\n";
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("an object that is too large", server.request("PUT /photos/a HTTP/1.1", &length, &long), &[400]),
        (
            "one of which nobody knows how large it is",
            server.request("PUT /photos/a HTTP/1.1", "Transfer-Encoding: chunked\r\n", &chunked(&long, 100_000)),
            &[400],
        ),
        ("a bucket that is not there", server.request("PUT /none/a HTTP/1.1", &length, &long), &[404]),
        ("a name that is none", server.request("PUT /Photos/a HTTP/1.1", &length, &long), &[400]),
        (
            "a document that is too long",
            server.request("POST /photos?delete HTTP/1.1", &document_length, document.as_bytes()),
            &[400],
        ),
        ("frames that are none", server.request("PUT /photos/a HTTP/1.1", framed, b"5\r\nhello, wor"), &[400]),
        ("a key that is no text", server.request("PUT /photos/%ff HTTP/1.1", "Content-Length: 1\r\n", b"x"), &[400]),
        ("a range that is none", server.request("GET /photos/a HTTP/1.1", "Range: bytes=9-1\r\n", b""), &[404]),
        ("a service nobody has", server.request("PATCH /photos/a HTTP/1.1", "", b""), &[400, 405, 501]),
    ];
    server.check(cases).await;
    assert_eq!(buckets.used_bytes(), 0);
    // An object as large as may be comes back whole.
    let whole = &long[1..];
    let length = format!("Content-Length: {}\r\n", whole.len());
    assert_eq!(server.send(&server.request("PUT /photos/a HTTP/1.1", &length, whole)).await.status(), 200);
    let got = server.send(&server.request("GET /photos/a HTTP/1.1", "", b"")).await;
    assert_eq!((got.status(), got.body().len()), (200, whole.len()));
    assert!(got.header().contains("content-security-policy: sandbox"), "{}", got.header());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_uploads_nothing() {
    let (server, buckets) = start().await;
    let evil = |line: &str, more: &str| server.request(line, &format!("Origin: http://evil.example\r\n{more}"), b"x");
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("PUT", evil("PUT /photos/a HTTP/1.1", "Content-Length: 1\r\n"), &[403]),
        (
            "POST",
            evil("POST /photos HTTP/1.1", "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1\r\n"),
            &[403],
        ),
        ("DELETE", evil("DELETE /photos HTTP/1.1", "Content-Length: 1\r\n"), &[403]),
        (
            "an image of another page",
            server.request("GET /photos/a HTTP/1.1", "Sec-Fetch-Site: cross-site\r\n", b""),
            &[403],
        ),
        (
            "DNS rebinding",
            format!("GET /photos HTTP/1.1\r\nHost: evil.example:{}\r\n\r\n", server.address.port()).into_bytes(),
            &[421],
        ),
    ];
    server.check(cases).await;
    assert_eq!((buckets.used_bytes(), buckets.has_bucket("photos")), (0, true));
    server.stop().await;
}
