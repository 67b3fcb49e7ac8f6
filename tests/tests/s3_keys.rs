//! Every key that S3 has: on the wire as it is, signed so that somebody else's server verifies it, and back.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use handler::failure::{Blame, Retry};
use handler::storage::{About, Grant, Headers, Location, Storage};
use local_queue::{
    LocalQueue,
    engine::{Attribute, RedrivePolicy},
    server::{Bounds, Server},
};
use serde_json::{Value, json};
use tests::{
    binaries,
    s3_folder::{KEY_PAIR, s3},
    s3_recording::{Answer, Asked, RecordingS3},
};

/// Keys, and how each stands in the path of a request.
const KEYS: &[(&str, &str)] = &[
    ("plain/cat.jpg", "plain/cat.jpg"),
    ("a//b.jpg", "a//b.jpg"),
    ("//a.jpg", "//a.jpg"),
    ("a\\b.jpg", "a%5Cb.jpg"),
    ("dir/../x.jpg", "dir/../x.jpg"),
    ("dir/./x.jpg", "dir/./x.jpg"),
    ("./x.jpg", "./x.jpg"),
    ("x.jpg", "x.jpg"),
    ("folder.jpg/", "folder.jpg/"),
    ("folder.jpg//", "folder.jpg//"),
    ("a b+c=d&e?f#g.jpg", "a%20b%2Bc%3Dd%26e%3Ff%23g.jpg"),
    ("100%25%2e%2e%2F.jpg", "100%2525%252e%252e%252F.jpg"),
    ("~-_.!*'();:@,$[].jpg", "~-_.%21%2A%27%28%29%3B%3A%40%2C%24%5B%5D.jpg"),
    ("caf\u{e9}/\u{5199}\u{771f}.jpg", "caf%C3%A9/%E5%86%99%E7%9C%9F.jpg"),
    ("cafe\u{301}.jpg", "cafe%CC%81.jpg"),
    ("line\nfeed\t\u{7f}\u{1}.jpg", "line%0Afeed%09%7F%01.jpg"),
    ("ExpiredToken 503.jpg", "ExpiredToken%20503.jpg"),
];

fn storage(server: &RecordingS3) -> Storage {
    Storage::builder().s3(s3(&server.endpoint_url(), "us-east-1")).build()
}

/// Headers come to S3 as they are given, signed like all others, and go with an object that is read.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_says_of_itself_is_stored_and_found_again() {
    let server = RecordingS3::serve().await;
    let storage = storage(&server);
    let mut headers = Headers::default();
    headers.insert("cache-control", "public, max-age=31536000, immutable").unwrap();
    headers.insert("content-disposition", "inline; filename=\"a b.jpg\"").unwrap();
    headers.insert("content-language", "de").unwrap();
    headers.insert("x-amz-meta-album", "summer = 2026").unwrap();
    let mut tagged = headers.clone();
    tagged.insert_tag("project", "a/b c").unwrap();
    let location = Location::s3("photos", "a.jpg").unwrap();
    let about = About { content_type: "image/jpeg", headers: tagged };
    storage.store_with(&location, Bytes::from_static(b"bytes"), &about).await.unwrap();
    let said = server.said("photos", "a.jpg").unwrap();
    assert_eq!(said.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(said.cache_control.as_deref(), Some("public, max-age=31536000, immutable"));
    assert_eq!(said.content_disposition.as_deref(), Some("inline; filename=\"a b.jpg\""));
    assert_eq!(said.content_language.as_deref(), Some("de"));
    assert_eq!(said.metadata.unwrap().get("album").map(String::as_str), Some("summer = 2026"));
    assert_eq!(said.tagging.as_deref(), Some("project=a%2Fb%20c"));
    // Tags are no headers of an answer.
    let found = storage.open(&location, 10, Grant::none()).await.unwrap();
    assert_eq!(found.headers(), &headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_sent_as_it_is_with_a_signature_that_verifies() {
    let server = RecordingS3::serve().await;
    let storage = storage(&server);
    let longest = ("\u{e9}".repeat(512), "%C3%A9".repeat(512));
    let keys = KEYS.iter().copied().chain([(longest.0.as_str(), longest.1.as_str())]);
    for (key, on_the_wire) in keys.clone() {
        let location = Location::s3("photos", key).unwrap();
        let body = Bytes::from(format!("the bytes of {key}"));
        storage.store(&location, body.clone(), "image/jpeg").await.unwrap();
        assert_eq!(server.object("photos", key).as_ref(), Some(&body), "{key:?}");
        assert_eq!(storage.fetch(&location, 10_000).await.unwrap(), body, "{key:?}");
        let asked = |method: &str| Asked { method: method.to_owned(), path: format!("/photos/{on_the_wire}") };
        assert_eq!(server.take_asked(), [asked("PUT"), asked("GET")]);
    }
    let listed = s3(&server.endpoint_url(), "us-east-1").list("photos", "").await.unwrap();
    let mut expected: Vec<_> = keys.map(|(key, _)| key.to_owned()).collect();
    expected.sort();
    assert_eq!(listed, expected, "a listing has them all, page by page");
    let below = s3(&server.endpoint_url(), "us-east-1").list("photos", "dir/").await.unwrap();
    assert_eq!(below, ["dir/../x.jpg", "dir/./x.jpg"]);

    // The server that said yes to all of them says no to another key pair.
    let config = handler::aws::SdkConfig::builder()
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(
            aws_sdk_sqs::config::Credentials::new(KEY_PAIR[0], "wrong", None, None, "test"),
        ))
        .build();
    let wrong = handler::storage::S3::new(&config, Some(server.endpoint_url())).unwrap();
    let storage = Storage::builder().s3(wrong).build();
    let failure = storage.fetch(&Location::s3("photos", "x.jpg").unwrap(), 100).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry), ("source-access-denied", Retry::Never), "{failure}");
}

fn document(code: &str, inner: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>{inner}</Error>")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed_and_where_the_bucket_is_is_said() {
    let server = RecordingS3::serve().await;
    server.insert("photos", "stolen.jpg", "secret");
    let to = ("location", format!("{}/photos/stolen.jpg", server.endpoint_url()));
    let region = ("x-amz-bucket-region", "eu-west-1".to_owned());
    let moved = document("PermanentRedirect", "<Message>elsewhere</Message>");
    let malformed = document("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>");
    for (status, headers, body, names) in [
        (301, vec![to.clone(), region], moved, "is in the region eu-west-1, and was asked for in us-east-1 at http://"),
        (302, vec![to.clone()], String::new(), "(region us-east-1) answers for the bucket photos"),
        (307, vec![to.clone()], String::new(), "check AWS_REGION and AWS_ENDPOINT_URL_S3"),
        (308, vec![to], String::new(), "not followed"),
        (400, vec![], malformed, "is in the region eu-west-1"),
    ] {
        server.answer("/photos/a.jpg", Answer { status, headers, body });
        let location = Location::s3("photos", "a.jpg").unwrap();
        let storage = storage(&server);
        for failure in [
            storage.fetch(&location, 100).await.unwrap_err(),
            storage.store(&location, Bytes::new(), "image/jpeg").await.unwrap_err(),
        ] {
            assert_eq!((failure.kind, failure.blame, failure.retry), ("redirected", Blame::Environment, Retry::Never));
            assert!(failure.message.contains(names), "{status}: {failure}");
        }
        let asked = server.take_asked();
        assert!(asked.len() == 2 && asked.iter().all(|asked| asked.path == "/photos/a.jpg"), "{status}: {asked:?}");
    }
}

/// What a stranger calls an object must not decide what becomes of the job.
#[tokio::test(flavor = "multi_thread")]
async fn only_status_and_code_of_an_answer_decide() {
    let server = RecordingS3::serve().await;
    let storage = storage(&server);
    let strange = "<Key>ExpiredToken</Key><Message>credential ExpiredToken status code: 503 SlowDown</Message>";
    for (status, body, kind, retry) in [
        (404, document("NoSuchKey", strange), "source-not-found", Retry::Never),
        (404, "status code: 503 &lt;Code>SlowDown".to_owned(), "source-not-found", Retry::Never),
        (403, document("AccessDenied", strange), "source-access-denied", Retry::Never),
        (400, document("InvalidRequest", strange), "storage-refused", Retry::Never),
        (400, document("ExpiredToken", "<Message>404 NoSuchKey</Message>"), "credentials", Retry::Later),
        (403, document("RequestTimeTooSkewed", ""), "credentials", Retry::Later),
        (412, String::new(), "conflict", Retry::Later),
        (503, document("SlowDown", "<Message>NoSuchKey AccessDenied</Message>"), "storage", Retry::Later),
    ] {
        for (key, path) in [("ExpiredToken.jpg", "/photos/ExpiredToken.jpg"), ("503", "/photos/503")] {
            server.answer(path, Answer { status, headers: Vec::new(), body: body.clone() });
            let failure = storage.fetch(&Location::s3("photos", key).unwrap(), 100).await.unwrap_err();
            assert_eq!((failure.kind, failure.retry), (kind, retry), "{status} for {key}: {failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_a_head_and_a_creation_has_its_condition() {
    let server = RecordingS3::serve().await;
    let storage = storage(&server);
    let location = Location::s3("photos", "a b.jpg").unwrap();
    let about = About::content_type("image/jpeg");
    assert_eq!(storage.existing(&location).await.unwrap(), None);
    assert!(storage.create(&location, Bytes::from_static(b"first"), &about).await.unwrap());
    assert!(!storage.create(&location, Bytes::from_static(b"second"), &about).await.unwrap());
    assert_eq!(server.object("photos", "a b.jpg").unwrap(), "first");
    let asked: Vec<_> = server.take_asked().into_iter().map(|asked| asked.method).collect();
    assert_eq!(asked, ["HEAD", "PUT", "PUT"]);

    assert_eq!(storage.head(&location).await.unwrap().modified, None, "this server does not say it");
    server.set_modified("photos", "a b.jpg", 1_700_000_000);
    let since = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    assert_eq!(storage.existing(&location).await.unwrap().unwrap().modified, Some(since));
    storage.store(&location, Bytes::from_static(b"third"), "image/jpeg").await.unwrap();
    assert_eq!(server.object("photos", "a b.jpg").unwrap(), "third");
}

/// A HEAD that fails has no document: the reason is asked for by a GET.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_refused_says_why_and_which_permission_is_missing() {
    let server = RecordingS3::serve().await;
    let storage = storage(&server);
    let location = Location::s3("photos", "a.jpg").unwrap();
    let answer = |method: &str, status: u16, body: String| {
        server.answer(&format!("{method} /photos/a.jpg"), Answer { status, headers: Vec::new(), body });
    };
    answer("HEAD", 403, String::new());
    answer("GET", 403, document("AccessDenied", "<Message>Access Denied</Message>"));
    assert_eq!(storage.existing(&location).await.unwrap(), None, "so S3 answers for what is not there");
    let failure = storage.head(&location).await.unwrap_err();
    assert_eq!(failure.kind, "source-access-denied");
    assert!(failure.message.contains("s3:GetObject, and s3:ListBucket on the bucket to tell"), "{failure}");
    assert!(storage.create(&location, Bytes::new(), &About::content_type("image/jpeg")).await.unwrap());

    for (head, body, kind, retry) in [
        (400, document("ExpiredToken", ""), "credentials", Retry::Later),
        (403, document("RequestTimeTooSkewed", ""), "credentials", Retry::Later),
        (400, document("InvalidRequest", ""), "storage-refused", Retry::Never),
    ] {
        answer("HEAD", head, String::new());
        answer("GET", head, body);
        let failure = storage.existing(&location).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry), (kind, retry), "{failure}");
    }
    // A server without puts that have a condition.
    answer("PUT", 501, document("NotImplemented", ""));
    let failure = storage.create(&location, Bytes::new(), &About::content_type("image/jpeg")).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry), ("storage-refused", Retry::Never), "{failure}");
    answer("PUT", 409, document("ConditionalRequestConflict", ""));
    let failure = storage.create(&location, Bytes::new(), &About::content_type("image/jpeg")).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry), ("conflict", Retry::Later), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_denied_names_the_permissions_it_takes() {
    let server = RecordingS3::serve().await;
    let storage = storage(&server);
    let location = Location::s3("thumbs", "a.jpg").unwrap();
    let mut tagged = Headers::default();
    tagged.insert_tag("project", "a").unwrap();
    for (code, headers, needed) in [
        ("AccessDenied", Headers::default(), Some("; it takes s3:PutObject")),
        ("AccessDenied", tagged, Some("; it takes s3:PutObject, and s3:PutObjectTagging for the tags")),
        ("SignatureDoesNotMatch", Headers::default(), None),
    ] {
        server.answer("/thumbs/a.jpg", Answer { status: 403, headers: Vec::new(), body: document(code, "") });
        let about = About { content_type: "image/jpeg", headers };
        let failure = storage.store_with(&location, Bytes::new(), &about).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry), ("target-access-denied", Retry::Never));
        match needed {
            Some(needed) => assert!(failure.message.ends_with(needed), "{failure}"),
            None => assert!(!failure.message.contains("it takes"), "{failure}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_gone_on_with() {
    let server = RecordingS3::serve().await;
    let body: Bytes = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    server.insert("photos", "a//b.jpg", body.clone());
    server.break_once("a//b.jpg");
    let read = storage(&server).fetch(&Location::s3("photos", "a//b.jpg").unwrap(), 2_000_000).await.unwrap();
    assert!(read == body, "{} bytes instead of {}", read.len(), body.len());
    assert_eq!(server.take_asked().len(), 2);
}

struct Place {
    s3: RecordingS3,
    sqs: String,
}

impl Place {
    async fn serve() -> (Self, tokio::task::JoinHandle<()>) {
        let queues = LocalQueue::builder().build();
        let dead_letters = queues.create_queue("dead-letters", &[]).unwrap();
        let redrive_policy = RedrivePolicy { dead_letter_target: dead_letters, max_receive_count: 3 };
        queues.create_queue("jobs", &[Attribute::RedrivePolicy(Some(redrive_policy))]).unwrap();
        let (sqs, serving) = serve_queues(queues).await;
        (Self { s3: RecordingS3::serve().await, sqs }, serving)
    }

    fn resize(&self, command: &str, arguments: &[&str]) -> Output {
        let queue_url = format!("{}/000000000000/jobs", self.sqs);
        let mut resize = Command::new(binaries::resize());
        resize.arg(command).args(["--queue-url", &queue_url]).args(arguments);
        resize.stdin(Stdio::null()).env_remove("RUST_LOG");
        resize.env("AWS_ENDPOINT_URL_SQS", &self.sqs).env("AWS_ENDPOINT_URL_S3", self.s3.endpoint_url());
        resize.env("AWS_REGION", "us-east-1").env("AWS_ACCESS_KEY_ID", KEY_PAIR[0]);
        resize.env("AWS_SECRET_ACCESS_KEY", KEY_PAIR[1]);
        tokio::task::block_in_place(|| resize.output().unwrap())
    }

    fn work(&self, arguments: &[&str]) -> Output {
        let dead_letters = format!("{}/000000000000/dead-letters", self.sqs);
        let drain = ["--drain", "--dead-letter-queue-url", &dead_letters];
        self.resize("work", &[&drain, arguments].concat())
    }

    /// Sources and kinds of all dead letters.
    fn dead(&self) -> Vec<(String, String)> {
        let mut list = Command::new(binaries::resize());
        let queue_url = format!("{}/000000000000/dead-letters", self.sqs);
        list.args(["dead-letters", "list", "--json", "--queue-url", &queue_url]);
        list.env("AWS_ENDPOINT_URL", &self.sqs).env("AWS_REGION", "us-east-1");
        list.env("AWS_ACCESS_KEY_ID", KEY_PAIR[0]).env("AWS_SECRET_ACCESS_KEY", KEY_PAIR[1]);
        let listed = tokio::task::block_in_place(|| list.output().unwrap());
        let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
        let letter = |letter: &Value| {
            let body: Value = serde_json::from_str(letter["body"].as_str().unwrap()).unwrap();
            let source = body["source"].as_str().unwrap_or_default().to_owned();
            (source, letter["kind"].as_str().unwrap_or_default().to_owned())
        };
        let mut dead: Vec<_> = listed.iter().map(letter).collect();
        dead.sort();
        dead
    }
}

async fn serve_queues(queues: LocalQueue) -> (String, tokio::task::JoinHandle<()>) {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, queues, Bounds::default()).await.unwrap();
    let sqs = format!("http://{}", server.local_address().unwrap());
    (sqs, tokio::spawn(server.run(std::future::pending())))
}

fn photo() -> Vec<u8> {
    let mut photo = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_pixel(64, 48, image::Rgb([9, 99, 199]));
    image.write_to(&mut photo, image::ImageFormat::Jpeg).unwrap();
    photo.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_with_every_key_is_submitted_and_worked_on() {
    let (place, serving) = Place::serve().await;
    let images: Vec<&str> = KEYS.iter().map(|(key, _)| *key).filter(|key| !key.ends_with('/')).collect();
    for (key, _) in KEYS {
        place.s3.insert("photos", &format!("in/{key}"), photo());
    }
    let submit = ["s3://photos/in/", "--target", "s3://thumbs/{key}", "--width", "8", "--format", "jpeg"];
    let sent = place.resize("submit", &submit);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let stdout = String::from_utf8_lossy(&sent.stdout);
    assert!(stdout.starts_with(&format!("{} jobs sent to ", images.len())), "{sent:?}");
    assert!(String::from_utf8_lossy(&sent.stderr).contains("2 objects below s3://photos/in/ skipped"), "{sent:?}");

    let worked = place.work(&[]);
    assert_eq!(worked.status.code(), Some(0), "{worked:?}");
    let mut expected: Vec<_> = images.iter().map(|key| format!("in/{key}")).collect();
    expected.sort();
    assert_eq!(place.s3.keys("thumbs"), expected);
    assert_eq!(place.dead(), []);

    // The same again is a backfill: whatever is there is not made, nor is its source read.
    let gone = &expected[expected.len() / 2];
    place.s3.remove("thumbs", gone);
    let sent = place.resize("submit", &[&submit[..], &["--if-exists", "skip"]].concat());
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let _ = place.s3.take_asked();
    let worked = place.work(&[]);
    assert_eq!(worked.status.code(), Some(0), "{worked:?}");
    let mut asked = std::collections::BTreeMap::<_, usize>::new();
    for Asked { method, .. } in place.s3.take_asked() {
        *asked.entry(method).or_default() += 1;
    }
    let count = |method: &str, count| (method.to_owned(), count);
    assert_eq!(asked, [count("GET", 1), count("HEAD", images.len()), count("PUT", 1)].into());
    assert_eq!((place.s3.keys("thumbs"), place.dead()), (expected, vec![]));
    assert!(String::from_utf8_lossy(&worked.stderr).contains(" done: nothing; 1 output there already"), "{worked:?}");

    // Where the outputs are files, some of the keys can have none: that is counted, and the rest goes on.
    let as_files = ["s3://photos/in/", "--target", "file:///out/{key}", "--width", "8", "--format", "jpeg"];
    let sent = place.resize("submit", &as_files);
    let (stdout, stderr) = (String::from_utf8_lossy(&sent.stdout), String::from_utf8_lossy(&sent.stderr));
    let unsupported = images.iter().filter(|key| key.contains("//") || key.contains("./")).count();
    assert_eq!(sent.status.code(), Some(1), "{sent:?}");
    assert!(stdout.starts_with(&format!("{} jobs sent to ", images.len() - unsupported)), "{sent:?}");
    assert!(stdout.contains(&format!("{unsupported} objects not sent: no valid job is possible for them")), "{sent:?}");
    assert!(stderr.contains("s3://photos/in/a//b.jpg not sent: unsupported-key: "), "{sent:?}");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_only_what_it_was_opted_in_to() {
    let (place, serving) = Place::serve().await;
    for (bucket, key) in [("photos", "in/a.jpg"), ("photos", "private.jpg"), ("secret", "x.jpg")] {
        place.s3.insert(bucket, key, photo());
    }
    let jobs = [
        ("s3://photos/in/a.jpg", "s3://thumbs/a.jpg"),
        ("s3://photos/in/a.jpg", "memory://lost/a.jpg"),
        ("memory://m/a.jpg", "s3://thumbs/m.jpg"),
        ("s3://photos/private.jpg", "s3://thumbs/p.jpg"),
        ("s3://photos/in/../private.jpg", "s3://thumbs/q.jpg"),
        ("s3://secret/x.jpg", "s3://thumbs/s.jpg"),
        ("s3://photos/in/a.jpg", "s3://thumbs-2/a.jpg"),
        ("s3://photos/in/a.jpg", "file:///tmp/a.jpg"),
    ];
    let lines = jobs.iter().map(|(source, target)| {
        json!({ "source": source, "outputs": [{ "target": target, "width": 8, "format": "jpeg" }] }).to_string()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs");
    std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let sent = place.resize("submit", &["--jobs", file.to_str().unwrap()]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let _ = place.s3.take_asked();
    let worked = place.work(&["--allow", "s3://photos/in/", "--allow", "s3://thumbs"]);
    assert_eq!(worked.status.code(), Some(0), "{worked:?}");
    assert_eq!(place.s3.keys("thumbs"), ["a.jpg"]);
    assert_eq!(place.s3.take_asked().len(), 2, "nothing else was asked for");
    let expected = [
        ("memory://m/a.jpg", "bad-location"),
        ("s3://photos/in/../private.jpg", "location-not-allowed"),
        ("s3://photos/in/a.jpg", "bad-location"),
        ("s3://photos/in/a.jpg", "bad-location"),
        ("s3://photos/in/a.jpg", "location-not-allowed"),
        ("s3://photos/private.jpg", "location-not-allowed"),
        ("s3://secret/x.jpg", "location-not-allowed"),
    ];
    assert_eq!(place.dead(), expected.map(|(source, kind)| (source.to_owned(), kind.to_owned())));
    let wrong = place.work(&["--allow", "photos"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("cannot use --allow: \"photos\""), "{wrong:?}");
    serving.abort();
}
