//! The command line on any SQS and S3 endpoint: submit, work, look at what failed, mend it, send it back, work again.
//!
//! One scenario, against two pairs of servers: the emulator with an S3 server over a folder, always; and LocalStack with the
//! stack of `infra/template.yaml`, when `LOCALSTACK_STACK` names a file that says where it is (`.ci/run` starts it).

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, Output, Stdio},
};

use local_queue::{
    LocalQueue,
    engine::{Attribute, RedrivePolicy},
    server::{Bounds, Server},
};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde_json::{Value, json};
use tests::{
    binaries,
    s3_folder::{KEY_PAIR, S3Folder, bucket},
};

const PHOTOS: u8 = 30;

/// Where everything is.
struct Place {
    region: String,
    sqs: String,
    s3: String,
    queue_url: String,
    dead_letter_queue_url: String,
    source_bucket: String,
    target_bucket: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_done_and_failures_mended_on_the_emulator() {
    let queues = LocalQueue::builder().build();
    let dead_letters = queues.create_queue("dead-letters", &[]).unwrap();
    let redrive = RedrivePolicy { dead_letter_target: dead_letters, max_receive_count: 5 };
    queues.create_queue("jobs", &[Attribute::RedrivePolicy(Some(redrive))]).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, queues, Bounds::default()).await.unwrap();
    let sqs = format!("http://{}", server.local_address().unwrap());
    let serving = tokio::spawn(server.run(std::future::pending()));
    let folder = tempfile::tempdir().unwrap();
    for bucket in ["photos", "thumbs"] {
        fs::create_dir(folder.path().join(bucket)).unwrap();
    }
    let s3 = S3Folder::serve(folder.path()).await;
    let place = Place {
        region: "us-east-1".to_owned(),
        s3: s3.endpoint_url(),
        queue_url: format!("{sqs}/000000000000/jobs"),
        dead_letter_queue_url: format!("{sqs}/000000000000/dead-letters"),
        source_bucket: "photos".to_owned(),
        target_bucket: "thumbs".to_owned(),
        sqs,
    };
    scenario(place).await;
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_done_and_failures_mended_on_localstack() {
    let Some(path) = std::env::var_os("LOCALSTACK_STACK") else {
        let line = "skipped: LocalStack, because LOCALSTACK_STACK names no stack; .ci/run does where it can\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    let stack: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let text = |name: &str| stack[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {stack}")).to_owned();
    let place = Place {
        region: text("region"),
        sqs: text("endpoint"),
        s3: text("endpoint"),
        queue_url: text("queueUrl"),
        dead_letter_queue_url: text("deadLetterQueueUrl"),
        source_bucket: text("sourceBucket"),
        target_bucket: text("targetBucket"),
    };
    scenario(place).await;
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn scenario(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("photos")).unwrap();
    let names = write_photos(&at("photos"));
    // What is made offline is what has to be made anywhere.
    let of = |target: &str| {
        json!([
            { "target": format!("{target}{{stem}}/320.webp"), "width": 320, "format": "webp" },
            { "target": format!("{target}{{stem}}/64.jpg"), "width": 64, "height": 64, "format": "jpeg" },
        ])
    };
    fs::write(at("offline.json"), of("").to_string()).unwrap();
    fs::write(at("renditions.json"), of(&format!("s3://{}/", place.target_bucket)).to_string()).unwrap();
    let run =
        [path(at("photos")), "--renditions".into(), path(at("offline.json")), "--out".into(), path(at("offline"))];
    let offline = place.resize("run", &run);
    assert_eq!(offline.status.code(), Some(0), "{offline:?}");

    let (sources, targets) = (place.bucket(&place.source_bucket), place.bucket(&place.target_bucket));
    for name in &names {
        put(&sources, name, fs::read(at("photos").join(name)).unwrap()).await;
    }
    // Cut off, no image at all, and not there.
    let cut = fs::read(at("photos").join(&names[0])).unwrap();
    put(&sources, "poison-cut.jpg", cut[..cut.len() / 2].to_vec()).await;
    put(&sources, "poison-text.jpg", b"once upon a time".to_vec()).await;
    let poison = ["poison-cut.jpg", "poison-missing.jpg", "poison-text.jpg"];

    // Half as S3 announces them, the rest as jobs.
    let (announced, submitted) = names.split_at(names.len() / 2);
    let client = place.client();
    for name in announced {
        let event = json!({ "Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": place.source_bucket }, "object": { "key": name.replace(' ', "+"), "size": 1 } },
        }] });
        client.send_message().queue_url(&place.queue_url).message_body(event.to_string()).send().await.unwrap();
    }
    let source = |name: &str| format!("s3://{}/{name}", place.source_bucket);
    let mut submit: Vec<_> = submitted.iter().map(String::as_str).chain(poison).map(source).collect();
    submit.extend(["--renditions".into(), path(at("renditions.json")), "--queue-url".into(), place.queue_url.clone()]);
    let sent = place.resize("submit", &submit);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert!(text(&sent.stdout).starts_with("18 jobs sent to "), "{sent:?}");

    let work = [
        "--queue-url".into(),
        place.queue_url.clone(),
        "--dead-letter-queue-url".into(),
        place.dead_letter_queue_url.clone(),
        "--renditions".into(),
        path(at("renditions.json")),
        "--drain".into(),
    ];
    let worked = place.resize("work", &work);
    assert_eq!(worked.status.code(), Some(0), "{worked:?}");

    let expected = files(&at("offline"));
    assert_eq!(expected.len(), names.len() * 2);
    for (name, bytes) in &expected {
        let made =
            targets.get(&name.as_str().into()).await.unwrap_or_else(|error| panic!("{name}: {error}\n{worked:?}"));
        assert!(made.bytes().await.unwrap() == *bytes, "{name} differs from what is made offline");
    }

    // What could not be done says why, once or, where the bucket announced it too, twice.
    let dead = |place: &Place| -> BTreeMap<String, String> {
        let list = ["list".into(), "--json".into(), "--queue-url".into(), place.dead_letter_queue_url.clone()];
        let listed = place.resize("dead-letters", &list);
        assert_eq!(listed.status.code(), Some(0), "{listed:?}");
        let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
        let source = |letter: &Value| {
            let body: Value = serde_json::from_str(letter["body"].as_str().unwrap()).unwrap();
            match body["source"].as_str() {
                Some(source) => source.rsplit('/').next().unwrap().to_owned(),
                None => body["Records"][0]["s3"]["object"]["key"].as_str().unwrap().to_owned(),
            }
        };
        listed.iter().map(|letter| (source(letter), letter["reason"].as_str().unwrap().to_owned())).collect()
    };
    let reasons = dead(&place);
    assert_eq!(reasons.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(poison));
    assert!(reasons["poison-cut.jpg"].contains("truncated"), "{reasons:?}");
    assert!(reasons["poison-text.jpg"].contains("not a known image format"), "{reasons:?}");
    assert!(reasons["poison-missing.jpg"].contains("not found"), "{reasons:?}");

    // Mended and sent back, they are done like the others.
    for name in poison {
        put(&sources, name, fs::read(at("photos").join(&names[0])).unwrap()).await;
    }
    let redriven =
        place.resize("dead-letters", &["redrive".into(), "--queue-url".into(), place.dead_letter_queue_url.clone()]);
    assert_eq!(redriven.status.code(), Some(0), "{redriven:?}");
    let worked = place.resize("work", &work);
    assert_eq!(worked.status.code(), Some(0), "{worked:?}");
    assert_eq!(dead(&place), BTreeMap::new());
    let whole = format!("{}/320.webp", names[0].trim_end_matches(".jpg"));
    for name in poison {
        let made = targets.get(&format!("{}/320.webp", name.trim_end_matches(".jpg")).into()).await.unwrap();
        assert!(made.bytes().await.unwrap() == expected[&whole], "{name}");
    }
}

impl Place {
    fn resize(&self, command: &str, arguments: &[String]) -> Output {
        let mut resize = Command::new(binaries::resize());
        resize.arg(command).args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG");
        resize
            .env("AWS_ENDPOINT_URL_SQS", &self.sqs)
            .env("AWS_ENDPOINT_URL_S3", &self.s3)
            .env("AWS_REGION", &self.region);
        resize.env("AWS_ACCESS_KEY_ID", KEY_PAIR[0]).env("AWS_SECRET_ACCESS_KEY", KEY_PAIR[1]);
        tokio::task::block_in_place(|| resize.output().unwrap())
    }

    fn client(&self) -> aws_sdk_sqs::Client {
        use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
        let http_client = aws_smithy_http_client::Builder::new().build_http();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(&self.sqs)
            .credentials_provider(Credentials::new(KEY_PAIR[0], KEY_PAIR[1], None, None, "test"))
            .http_client(http_client)
            .build();
        aws_sdk_sqs::Client::from_conf(config)
    }

    fn bucket(&self, name: &str) -> impl ObjectStore + use<> {
        bucket(&self.s3, &self.region, name)
    }
}

/// Small photos, each of its own, with names that a URL has to escape.
fn write_photos(folder: &Path) -> Vec<String> {
    let names = (0..PHOTOS).map(|number| {
        let name = format!("photo {number:02}.jpg");
        let number = u32::from(number);
        let byte = |value: u32| value.to_le_bytes()[0];
        let pixel = |x: u32, y: u32| image::Rgb([x + number * 8, y * 2 + number, x * y / 64 + number * 3].map(byte));
        let photo = image::RgbImage::from_fn(480 + 4 * number, 360, pixel);
        photo.save(folder.join(&name)).unwrap();
        name
    });
    names.collect()
}

async fn put(store: &impl ObjectStore, key: &str, bytes: Vec<u8>) {
    store.put(&key.into(), PutPayload::from(bytes)).await.unwrap();
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in next.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                files.insert(path(entry.strip_prefix(folder).unwrap()), fs::read(&entry).unwrap());
            }
        }
    }
    files
}

fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
