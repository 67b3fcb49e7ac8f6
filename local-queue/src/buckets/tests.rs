mod notifications;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::engine::{Attribute, Receive};

struct Fixture {
    queues: LocalQueue,
    buckets: Buckets,
    /// Where the objects are, if not in memory.
    _folder: Option<tempfile::TempDir>,
}

/// An answer, as a client sees it.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> &str {
        element(&self.body, "Code")
    }
}

fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    document.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map_or("", |(text, _)| text)
}

fn elements<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    document.split(&start).skip(1).filter_map(|rest| Some(rest.split_once(&end)?.0)).collect()
}

impl Fixture {
    fn new() -> Self {
        let queues = LocalQueue::virtual_time();
        let buckets = Buckets::new(&queues);
        Self::with(queues, buckets, None)
    }

    fn with(queues: LocalQueue, buckets: Buckets, folder: Option<tempfile::TempDir>) -> Self {
        buckets.create_bucket("photos").unwrap();
        Self { queues, buckets, _folder: folder }
    }

    /// One for each place where objects can be: whatever a client sees is the same.
    fn kinds() -> Vec<Self> {
        let mut kinds = vec![Self::new()];
        if cfg!(unix) {
            let (queues, folder) = (LocalQueue::virtual_time(), tempfile::tempdir().unwrap());
            let (buckets, _) = Buckets::builder(&queues).open(folder.path()).unwrap();
            kinds.push(Self::with(queues, buckets, Some(folder)));
        }
        kinds
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        let mut request = Request::builder().method(method).uri(format!("http://localhost{target}"));
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.buckets.respond(request.body(body).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn put(&self, key: &str, body: &'static str) -> Answer {
        self.send("PUT", &format!("/photos/{key}"), &[], body).await
    }

    async fn get(&self, key: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", &format!("/photos/{key}"), headers, "").await
    }

    /// A queue that S3 may send to.
    fn open_queue(&self, name: &str) -> QueueArn {
        let queue = self.queues.create_queue(name, &[]).unwrap();
        let policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" }, "Action": "sqs:SendMessage", "Resource": queue.as_str(),
        } });
        self.queues.set_queue_attributes(&queue, &[Attribute::Policy(Some(policy.to_string()))]).unwrap();
        queue
    }

    fn notify(&self, queue: &QueueArn, event: &str, rules: &[(&str, &str)]) -> Result<(), BucketError> {
        let rules = rules.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (id, destination) = (Some("new".to_owned()), Destination::Queue(queue.clone()));
        let notification = Notification { id, destination, events: vec![event.to_owned()], rules };
        self.buckets.notify("photos", vec![notification])
    }

    /// All messages of a queue, taken from it.
    async fn messages(&self, queue: &QueueArn) -> Vec<Value> {
        let mut bodies = Vec::new();
        loop {
            let received =
                self.queues.receive(queue, Receive { max_messages: 10, ..Receive::default() }).await.unwrap();
            if received.is_empty() {
                return bodies;
            }
            for delivery in received {
                bodies.push(serde_json::from_str(delivery.message.body.as_str()).unwrap());
                self.queues.delete(queue, delivery.receipt_handle).unwrap();
            }
        }
    }
}

/// What happened to which key.
fn summary(message: &Value) -> (String, String) {
    let record = &message["Records"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&record["eventName"]), text(&record["s3"]["object"]["key"]))
}

#[tokio::test(start_paused = true)]
async fn an_object_comes_back_as_it_was_put() {
    for fixture in Fixture::kinds() {
        let headers = [
            ("content-type", "image/jpeg"),
            ("cache-control", "max-age=60"),
            ("content-disposition", "inline"),
            ("content-language", "de"),
            ("x-amz-meta-owner", "me"),
            ("x-amz-tagging", "a=1&b=two%20words"),
        ];
        let put = fixture.send("PUT", "/photos/a/cat%20%C3%A4+1.jpg", &headers, "meow").await;
        // The MD5 of "meow".
        assert_eq!((put.status, put.header("etag")), (200, "\"4a4be40c96ac6314e91d93f38043a634\""));
        assert_eq!((put.header("x-amz-request-id").len(), put.header("server")), (16, "AmazonS3"));

        let get = fixture.get("a/cat%20%C3%A4+1.jpg", &[]).await;
        assert_eq!((get.status, &*get.body), (200, "meow"));
        for (name, value) in &headers[..5] {
            assert_eq!(get.header(name), *value);
        }
        assert_eq!((get.header("x-amz-tagging-count"), get.header("accept-ranges")), ("2", "bytes"));
        assert_eq!(
            (get.header("content-security-policy"), get.header("x-content-type-options")),
            ("sandbox", "nosniff")
        );
        let head = fixture.send("HEAD", "/photos/a/cat%20%C3%A4+1.jpg", &[], "").await;
        assert_eq!((head.status, head.header("content-length"), &*head.body), (200, "4", ""));
        assert_eq!(fixture.buckets.keys("photos"), ["a/cat \u{e4}+1.jpg"]);

        fixture.put("plain", "x").await;
        assert_eq!(fixture.get("plain", &[]).await.header("content-type"), "binary/octet-stream");
        let shown = fixture.get("plain?response-content-type=text/plain", &[]).await;
        assert_eq!(shown.header("content-type"), "text/plain");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_any_text() {
    for fixture in Fixture::kinds() {
        for (encoded, key) in [
            ("a//b", "a//b"),
            ("a/./b", "a/./b"),
            ("a/../b", "a/../b"),
            ("%2Fabc", "/abc"),
            ("a%2Fb%3Fc%23d%25", "a/b?c#d%"),
            ("a+b", "a+b"),
            ("a%20b%0Ac", "a b\nc"),
            ("%F0%9F%90%88", "\u{1f408}"),
            ("dir/", "dir/"),
        ] {
            assert_eq!(fixture.put(encoded, "x").await.status, 200, "{key:?}");
            assert_eq!(fixture.buckets.keys("photos"), [key], "{encoded}");
            assert_eq!(fixture.get(encoded, &[]).await.body, "x");
            assert_eq!(fixture.send("DELETE", &format!("/photos/{encoded}"), &[], "").await.status, 204);
        }
        let long = fixture.put(&"k".repeat(1_025), "x").await;
        assert_eq!((long.status, long.code()), (400, "KeyTooLongError"));
        assert_eq!(fixture.put(&"k".repeat(1_024), "x").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn ranges_and_conditions_are_those_of_http() {
    for fixture in Fixture::kinds() {
        fixture.put("digits", "0123456789").await;
        for (range, status, body, content_range) in [
            ("bytes=0-0", 206, "0", "bytes 0-0/10"),
            ("bytes=2-4", 206, "234", "bytes 2-4/10"),
            ("bytes=7-", 206, "789", "bytes 7-9/10"),
            ("bytes=-3", 206, "789", "bytes 7-9/10"),
            ("bytes=5-100", 206, "56789", "bytes 5-9/10"),
            ("bytes=4-2", 200, "0123456789", ""),
            ("bytes=0-1,3-4", 200, "0123456789", ""),
            ("lines=1-2", 200, "0123456789", ""),
        ] {
            let get = fixture.get("digits", &[("range", range)]).await;
            assert_eq!((get.status, &*get.body, get.header("content-range")), (status, body, content_range), "{range}");
        }
        let beyond = fixture.get("digits", &[("range", "bytes=10-")]).await;
        assert_eq!((beyond.status, beyond.code()), (416, "InvalidRange"));
        assert_eq!(element(&beyond.body, "ActualObjectSize"), "10");

        let etag = fixture.get("digits", &[]).await.header("etag").to_owned();
        let modified = fixture.get("digits", &[]).await.header("last-modified").to_owned();
        let (old, new) = ("Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
        for (name, value, status) in [
            ("if-match", &*etag, 200),
            ("if-match", "*", 200),
            ("if-match", "\"other\"", 412),
            ("if-none-match", &*etag, 304),
            ("if-none-match", "\"other\"", 200),
            ("if-modified-since", &*modified, 304),
            ("if-modified-since", old, 200),
            ("if-modified-since", new, 304),
            ("if-unmodified-since", old, 412),
            ("if-unmodified-since", new, 200),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = fixture.send(method, "/photos/digits", &[(name, value)], "").await;
                assert_eq!(answer.status, status, "{method} {name}: {value}");
                assert!(
                    status == 200
                        || answer.header("content-length") != "10" && (method == "GET" || answer.body.is_empty())
                );
            }
        }

        for (headers, status) in
            [(("if-none-match", "*"), 412), (("if-match", "\"other\""), 412), (("if-match", &*etag), 200)]
        {
            assert_eq!(
                fixture.send("PUT", "/photos/digits", &[headers], "0123456789").await.status,
                status,
                "{headers:?}"
            );
        }
        assert_eq!(fixture.send("PUT", "/photos/new", &[("if-none-match", "*")], "x").await.status, 200);
        assert_eq!(fixture.send("PUT", "/photos/none", &[("if-match", &*etag)], "x").await.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_named() {
    for fixture in Fixture::kinds() {
        for (method, target, status, code) in [
            ("GET", "/photos/none", 404, "NoSuchKey"),
            ("GET", "/nowhere/none", 404, "NoSuchBucket"),
            ("PUT", "/nowhere/none", 404, "NoSuchBucket"),
            ("DELETE", "/nowhere", 404, "NoSuchBucket"),
            ("GET", "/nowhere?list-type=2", 404, "NoSuchBucket"),
            ("PUT", "/Upper", 400, "InvalidBucketName"),
            ("GET", "/photos/none?uploadId=abc", 404, "NoSuchUpload"),
            ("GET", "/photos?tagging", 404, "NoSuchTagSet"),
            ("GET", "/photos?acl", 501, "NotImplemented"),
        ] {
            let answer = fixture.send(method, target, &[], "").await;
            assert_eq!((answer.status, answer.code()), (status, code), "{method} {target}: {}", answer.body);
            assert_eq!(element(&answer.body, "RequestId"), answer.header("x-amz-request-id"), "{}", answer.body);
        }
        let head = fixture.send("HEAD", "/photos/none", &[], "").await;
        assert_eq!((head.status, &*head.body), (404, ""));
        assert_eq!(fixture.send("DELETE", "/photos/none", &[], "").await.status, 204, "there is none, as was wanted");

        fixture.put("a", "x").await;
        let full = fixture.send("DELETE", "/photos", &[], "").await;
        assert_eq!((full.status, full.code()), (409, "BucketNotEmpty"));
        fixture.send("DELETE", "/photos/a", &[], "").await;
        assert_eq!(fixture.send("DELETE", "/photos", &[], "").await.status, 204);
        assert!(!fixture.buckets.has_bucket("photos"));
    }
}

#[tokio::test(start_paused = true)]
async fn listings_are_in_order_and_in_pages() {
    for fixture in Fixture::kinds() {
        for key in ["a/1", "a/2", "b", "c%20d", "z/1"] {
            fixture.put(key, "x").await;
        }
        let all = fixture.send("GET", "/photos?list-type=2", &[], "").await;
        assert_eq!(elements(&all.body, "Key"), ["a/1", "a/2", "b", "c d", "z/1"]);
        assert_eq!((element(&all.body, "KeyCount"), element(&all.body, "IsTruncated")), ("5", "false"));
        let folders = fixture.send("GET", "/photos?list-type=2&delimiter=/&encoding-type=url", &[], "").await;
        assert_eq!(elements(&folders.body, "Key"), ["b", "c%20d"]);
        assert_eq!(elements(&folders.body, "Prefix"), ["", "a/", "z/"]);
        let first = fixture.send("GET", "/photos?list-type=2&max-keys=2&delimiter=/", &[], "").await;
        assert_eq!((elements(&first.body, "Key"), element(&first.body, "IsTruncated")), (vec!["b"], "true"));
        let token = element(&first.body, "NextContinuationToken").replace('=', "%3D");
        let target = format!("/photos?list-type=2&max-keys=2&delimiter=/&continuation-token={token}");
        let second = fixture.send("GET", &target, &[], "").await;
        assert_eq!((elements(&second.body, "Key"), element(&second.body, "IsTruncated")), (vec!["c d"], "false"));
        let after = fixture.send("GET", "/photos?list-type=2&start-after=b", &[], "").await;
        assert_eq!(elements(&after.body, "Key"), ["c d", "z/1"]);
        let first = fixture.send("GET", "/photos?max-keys=1&delimiter=/", &[], "").await;
        assert_eq!((element(&first.body, "NextMarker"), element(&first.body, "IsTruncated")), ("a/", "true"));
        let second = fixture.send("GET", "/photos?marker=a/&delimiter=/", &[], "").await;
        assert_eq!(elements(&second.body, "Key"), ["b", "c d"]);
        let nothing = fixture.send("GET", "/photos?list-type=2&max-keys=0", &[], "").await;
        assert_eq!((element(&nothing.body, "KeyCount"), element(&nothing.body, "IsTruncated")), ("0", "false"));
    }
}

#[tokio::test(start_paused = true)]
async fn parts_become_one_object() {
    for fixture in Fixture::kinds() {
        let begun = fixture.send("POST", "/photos/film?uploads", &[("content-type", "video/mp4")], "").await;
        let id = element(&begun.body, "UploadId").to_owned();
        let block = "0123456789abcdef".repeat(5 * 1024 * 1024 / 16);
        let mut etags = Vec::new();
        for (number, body) in [(3, "end"), (1, &*block), (2, &*block)] {
            let target = format!("/photos/film?partNumber={number}&uploadId={id}");
            let part = fixture.send("PUT", &target, &[], body.to_owned()).await;
            assert_eq!(part.status, 200, "{}", part.body);
            etags.push((number, part.header("etag").to_owned()));
        }
        etags.sort_unstable();
        let complete = |parts: &[(i32, String)]| {
            let parts = parts.iter().map(|(number, etag)| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", etag.replace('"', "&quot;"))
            });
            format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>())
        };
        let target = format!("/photos/film?uploadId={id}");
        let other = |number: i32| (number, "\"0123456789abcdef0123456789abcdef\"".to_owned());
        for (parts, code) in [
            (vec![etags[1].clone(), etags[0].clone()], "InvalidPartOrder"),
            (vec![etags[0].clone(), other(2)], "InvalidPart"),
            (vec![etags[0].clone(), other(9)], "InvalidPart"),
            (vec![], "MalformedXML"),
        ] {
            let refused = fixture.send("POST", &target, &[], complete(&parts)).await;
            assert_eq!((refused.status, refused.code()), (400, code), "{}", refused.body);
        }
        assert_eq!(fixture.send("GET", &target, &[], "").await.body.matches("<Part>").count(), 3);
        assert_eq!(elements(&fixture.send("GET", "/photos?uploads", &[], "").await.body, "Key"), ["film"]);
        let made = fixture.send("POST", &target, &[], complete(&etags)).await;
        assert_eq!(made.status, 200, "{}", made.body);
        assert!(element(&made.body, "ETag").contains("-3"), "{}", made.body);

        let get = fixture.get("film", &[]).await;
        assert_eq!((get.body.len(), get.header("content-type")), (2 * block.len() + 3, "video/mp4"));
        assert!(get.body.ends_with("end") && get.body.starts_with(&block));
        let end = fixture.get("film?partNumber=3", &[]).await;
        assert_eq!((end.status, &*end.body, end.header("x-amz-mp-parts-count")), (206, "end", "3"));
        assert_eq!(fixture.get("film?partNumber=4", &[]).await.status, 416);
        assert_eq!(fixture.send("POST", &target, &[], complete(&etags)).await.code(), "NoSuchUpload");

        // A part that is too small for one that is not the last.
        let begun = fixture.send("POST", "/photos/film?uploads", &[], "").await;
        let id = element(&begun.body, "UploadId").to_owned();
        for number in [1, 2] {
            fixture.send("PUT", &format!("/photos/film?partNumber={number}&uploadId={id}"), &[], "x").await;
        }
        let etag = "\"9dd4e461268c8034f5c8564e155c67a6\"".to_owned();
        let target = format!("/photos/film?uploadId={id}");
        let small = fixture.send("POST", &target, &[], complete(&[(1, etag.clone()), (2, etag)])).await;
        assert_eq!((small.status, small.code()), (400, "EntityTooSmall"), "{}", small.body);
        let used = fixture.buckets.used_bytes();
        assert_eq!(fixture.send("DELETE", &target, &[], "").await.status, 204);
        assert_eq!(fixture.buckets.used_bytes(), used - 2);
        assert_eq!(fixture.send("GET", "/photos?uploads", &[], "").await.body.matches("<Upload>").count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn copies_keep_or_replace_what_is_said_of_the_source() {
    for fixture in Fixture::kinds() {
        let headers = [("content-type", "text/plain"), ("x-amz-meta-a", "1"), ("x-amz-tagging", "k=v")];
        fixture.send("PUT", "/photos/from", &headers, "text").await;
        let from = ("x-amz-copy-source", "/photos/from");
        let copy = fixture.send("PUT", "/photos/to", &[from], "").await;
        assert_eq!((copy.status, copy.body.contains("LastModified")), (200, true), "{}", copy.body);
        let to = fixture.get("to", &[]).await;
        assert_eq!((&*to.body, to.header("x-amz-meta-a"), to.header("x-amz-tagging-count")), ("text", "1", "1"));
        let replaced = [from, ("x-amz-metadata-directive", "REPLACE"), ("content-type", "text/html")];
        fixture.send("PUT", "/photos/to", &replaced, "").await;
        let to = fixture.get("to", &[]).await;
        assert_eq!((to.header("x-amz-meta-a"), to.header("content-type")), ("", "text/html"));
        let itself = fixture.send("PUT", "/photos/from", &[from], "").await;
        assert_eq!((itself.status, itself.code()), (400, "InvalidRequest"));
        let none = fixture.send("PUT", "/photos/to", &[("x-amz-copy-source", "/photos/none")], "").await;
        assert_eq!((none.status, none.code()), (404, "NoSuchKey"));
        let not = fixture.send("PUT", "/photos/to", &[from, ("x-amz-copy-source-if-match", "\"x\"")], "").await;
        assert_eq!((not.status, not.code()), (412, "PreconditionFailed"));
        fixture.send("DELETE", "/photos/from", &[], "").await;
        assert_eq!(fixture.get("to", &[]).await.body, "text", "a copy outlives its source");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_what_was_said_is_no_object() {
    for fixture in Fixture::kinds() {
        let framed = "4\r\nmeow\r\n0\r\nx-amz-checksum-crc32:CHECKSUM\r\n\r\n";
        let streaming = [
            ("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("content-encoding", "gzip,aws-chunked"),
            ("x-amz-decoded-content-length", "4"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        // CRC-32 of "meow", by Python's zlib.
        for (headers, body, code) in [
            (&[("content-md5", "Sku")][..], "meow".to_owned(), "InvalidDigest"),
            (&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], "meow".to_owned(), "BadDigest"),
            (&[("x-amz-checksum-crc32", "AAAAAA==")], "meow".to_owned(), "BadDigest"),
            (&[("x-amz-checksum-sha256", "AAAAAA==")], "meow".to_owned(), "BadDigest"),
            (&[("x-amz-sdk-checksum-algorithm", "CRC16")], "meow".to_owned(), "InvalidRequest"),
            (&streaming, framed.replace("CHECKSUM", "AAAAAA=="), "BadDigest"),
            (&streaming, "4\r\nmeow\r\n0\r\n\r\n".to_owned(), "InvalidRequest"),
            (&streaming, "5\r\nmeow".to_owned(), "IncompleteBody"),
        ] {
            let put = fixture.send("PUT", "/photos/cat", headers, body).await;
            assert_eq!((put.status, put.code()), (400, code), "{headers:?}: {}", put.body);
            assert_eq!(fixture.buckets.keys("photos").len(), 0, "{headers:?}");
            assert_eq!(fixture.buckets.used_bytes(), 0, "{headers:?}");
        }
        let checksum = "ihBq/g==";
        let put = fixture.send("PUT", "/photos/cat", &streaming, framed.replace("CHECKSUM", checksum)).await;
        assert_eq!((put.status, put.header("x-amz-checksum-crc32")), (200, checksum), "{}", put.body);
        let get = fixture.get("cat", &[("x-amz-checksum-mode", "ENABLED")]).await;
        assert_eq!((&*get.body, get.header("x-amz-checksum-crc32")), ("meow", checksum));
        assert_eq!(get.header("content-encoding"), "gzip");
        assert_eq!(fixture.get("cat", &[]).await.header("x-amz-checksum-crc32"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn objects_have_bounds_and_give_back_what_they_took() {
    let queues = LocalQueue::virtual_time();
    let buckets = Buckets::builder(&queues).object_bytes_max(10).bytes_max(15).build();
    let fixture = Fixture::with(queues, buckets, None);
    for (key, body, expected) in
        [("a", "0123456789", 200), ("b", "0123456789a", 400), ("b", "012345", 400), ("b", "01234", 200)]
    {
        let put = fixture.put(key, body).await;
        assert_eq!(put.status, expected, "{key} {body}");
        assert!(expected == 200 || put.code() == "EntityTooLarge", "{}", put.body);
    }
    assert_eq!(fixture.buckets.used_bytes(), 15);
    fixture.send("DELETE", "/photos/a", &[], "").await;
    assert_eq!(fixture.buckets.used_bytes(), 5);
    fixture.buckets.reset().unwrap();
    assert_eq!(fixture.buckets.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_more_is_not_waited_for() {
    for fixture in Fixture::kinds() {
        let piece = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"me"))]);
        let stalled = futures_util::StreamExt::chain(piece, futures_util::stream::pending());
        let body = Body::from(StreamingBlob::wrap(Box::pin(stalled)));
        let put = Request::put("http://localhost/photos/cat").header("content-length", 4).body(body).unwrap();
        let began = fixture.queues.clock().now();
        let response = fixture.buckets.respond_streamed(put).await;
        assert_eq!(response.status(), 400);
        assert_eq!(fixture.queues.clock().now().since(began), Duration::from_secs(30));
        assert_eq!((fixture.buckets.keys("photos").len(), fixture.buckets.used_bytes()), (0, 0));
    }
}

/// A form as browsers send it, with a key and a file.
fn form(key: &str, file: &str) -> String {
    let part =
        |name: &str, text: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    let file = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n{file}\r\n"
    );
    format!("{}{file}--x--\r\n", part("key", key))
}

#[tokio::test(start_paused = true)]
async fn a_page_uploads_by_a_form() {
    let queues = LocalQueue::virtual_time();
    let buckets = Buckets::builder(&queues).object_bytes_max(100).build();
    let fixture = Fixture::with(queues, buckets, None);
    let queue = fixture.open_queue("events");
    fixture.notify(&queue, "s3:ObjectCreated:Post", &[]).unwrap();
    fixture.messages(&queue).await;
    let header = [("content-type", "multipart/form-data; boundary=x")];
    let post = fixture.send("POST", "/photos", &header, form("in/a.txt", "meow")).await;
    assert!(matches!(post.status, 200..=204), "{post:?}");
    assert_eq!(fixture.get("in/a.txt", &[]).await.body, "meow");
    let messages = fixture.messages(&queue).await;
    assert_eq!(
        messages.iter().map(summary).collect::<Vec<_>>(),
        [("ObjectCreated:Post".to_owned(), "in/a.txt".to_owned())]
    );
    let long = fixture.send("POST", "/photos", &header, form("b", &"x".repeat(101))).await;
    assert_eq!((long.status, fixture.buckets.keys("photos").len()), (400, 1), "{long:?}");
}

#[tokio::test(start_paused = true)]
async fn documents_that_mean_harm_are_refused() {
    for fixture in Fixture::kinds() {
        fixture.put("a", "x").await;
        // One that is too long is not read to its end.
        let long = format!("<Delete><Object><Key>a</Key></Object>{}</Delete>", " ".repeat(DOCUMENT_BYTES_MAX));
        let length = long.len();
        let pieces = long
            .into_bytes()
            .chunks(65_536)
            .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
            .collect::<Vec<_>>();
        let body = Body::from(StreamingBlob::wrap(futures_util::stream::iter(pieces)));
        let request =
            Request::post("http://localhost/photos?delete").header("content-length", length).body(body).unwrap();
        assert_eq!(fixture.buckets.respond_streamed(request).await.status(), 400);

        let deep = format!("<Delete>{}", "<Object>".repeat(100_000));
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><Delete><Object><Key>&b;</Key></Object></Delete>";
        for body in [deep, bomb.to_owned(), "no document".to_owned(), String::new(), "<Delete/>".to_owned()] {
            let answer = fixture.send("POST", "/photos?delete", &[], body.clone()).await;
            assert!((400..500).contains(&answer.status), "{}: {answer:?}", &body[..body.len().min(60)]);
        }
        assert_eq!(fixture.buckets.keys("photos"), ["a"], "nothing was deleted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_versioned_bucket_gives_versions_and_keeps_the_newest() {
    for fixture in Fixture::kinds() {
        let queue = fixture.open_queue("events");
        fixture.notify(&queue, "s3:ObjectRemoved:*", &[]).unwrap();
        fixture.messages(&queue).await;
        fixture.buckets.set_versioning("photos", true).unwrap();
        assert_eq!(element(&fixture.send("GET", "/photos?versioning", &[], "").await.body, "Status"), "Enabled");
        let first = fixture.put("a", "one").await.header("x-amz-version-id").to_owned();
        let second = fixture.put("a", "two").await.header("x-amz-version-id").to_owned();
        assert!(!first.is_empty() && first != second);
        assert_eq!(fixture.get(&format!("a?versionId={second}"), &[]).await.body, "two");
        assert_eq!(fixture.get(&format!("a?versionId={first}"), &[]).await.code(), "NoSuchVersion");
        let deleted = fixture.send("DELETE", "/photos/a", &[], "").await;
        assert_eq!(deleted.header("x-amz-delete-marker"), "true");
        assert_eq!(fixture.get("a", &[]).await.status, 404);
        let messages = fixture.messages(&queue).await;
        assert_eq!(
            messages.iter().map(summary).collect::<Vec<_>>(),
            [("ObjectRemoved:DeleteMarkerCreated".to_owned(), "a".to_owned())]
        );
        assert_eq!(messages[0]["Records"][0]["s3"]["object"]["versionId"], deleted.header("x-amz-version-id"));
    }
}

#[tokio::test(start_paused = true)]
async fn signatures_are_looked_at_where_they_are_required() {
    for fixture in Fixture::kinds() {
        fixture.put("a", "x").await;
        let signed = [(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
        )];
        let presigned = "a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fs3%2Faws4_request\
                     &X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
        assert_eq!(fixture.get("a", &signed).await.status, 200);
        assert_eq!(fixture.get(presigned, &[]).await.status, 200);
        let buckets = fixture.buckets.require_signature("AKID", "secret");
        let fixture = Fixture { buckets, ..fixture };
        for answer in [fixture.get("a", &[]).await, fixture.get("a", &signed).await, fixture.get(presigned, &[]).await]
        {
            assert!((400..404).contains(&answer.status) && !answer.body.contains("<Key>"), "{answer:?}");
            assert_ne!(answer.body, "x");
        }
    }
}
