//! The handler itself under both emulators: the very same file, with S3 as it is in production but for the address.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::{binaries, s3_folder::S3Folder};

use super::rival::{Ours, Outcome, Rival, Theirs};

/// What is made of what S3 announces.
const RENDITIONS: &str = r#"[{"target":"s3://thumbs/{stem}-{width}.{format}","width":48,"format":"webp"}]"#;

/// Sends one batch to the program under each emulator: a job and an announcement that work, an image that is cut off, and
/// one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn the_handler_does_the_same_batch_with_s3_under_both() {
    let Some(emulator) = super::emulator("the handler under AWS's emulator and under ours") else { return };
    let package = tempfile::tempdir().unwrap();
    let bootstrap = package.path().join("bootstrap");
    fs::copy(tokio::task::block_in_place(binaries::handler), &bootstrap).unwrap();
    let digest = sha256(&bootstrap);

    let mut found = Vec::new();
    for is_ours in [false, true] {
        let buckets = Buckets::new().await;
        let endpoint_url = buckets.server.endpoint_url();
        // Credentials both give their functions themselves, and ours the region too.
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint_url.as_str()),
            ("RENDITIONS", RENDITIONS),
            ("RUST_LOG", "off"),
            ("AWS_REGION", "us-east-1"),
        ];
        let outcome = if is_ours {
            Ours::program(&bootstrap, &environment[..3]).invoke(batch()).await
        } else {
            Theirs::program(&emulator, &bootstrap, &environment).invoke(batch()).await
        };
        found.push((payload(outcome.unwrap()), buckets.made(), sha256(&bootstrap)));
    }

    let [theirs, ours] = <[_; 2]>::try_from(found).unwrap();
    assert_eq!(ours, theirs);
    let (reply, made, ran) = ours;
    assert_eq!(ran, digest, "the file that ran under both");
    assert_eq!(reply, json!({ "batchItemFailures": [{ "itemIdentifier": "cut" }, { "itemIdentifier": "missing" }] }));
    assert_eq!(made.keys().map(String::as_str).collect::<Vec<_>>(), ["lighthouse-48.webp", "own.png"]);
    assert!(made["own.png"].starts_with(b"\x89PNG") && made["lighthouse-48.webp"].starts_with(b"RIFF"));
    super::say(&format!("the same handler under AWS's emulator and under ours: sha256 {digest}"));
}

/// An S3 server with a bucket of photos and one for what is made of them.
struct Buckets {
    folder: tempfile::TempDir,
    server: S3Folder,
}

impl Buckets {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in ["photos", "thumbs"] {
            fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
        for (from, to) in [("portrait/lighthouse.jpg", "lighthouse.jpg"), ("broken/torn-in-half.jpg", "cut.jpg")] {
            fs::copy(photos.join(from), folder.path().join("photos").join(to)).unwrap();
        }
        let server = S3Folder::serve(folder.path()).await;
        Self { folder, server }
    }

    /// The objects made, by their keys.
    fn made(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = self.folder.path().join("thumbs").read_dir().unwrap().map(|entry| entry.unwrap().path());
        let object = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        entries.map(object).collect()
    }
}

fn payload(outcome: Outcome) -> Value {
    let Outcome::Payload(payload) = outcome else { panic!("{outcome:?}") };
    serde_json::from_str(&payload).unwrap()
}

fn sha256(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn batch() -> Bytes {
    let job = |source: &str, target: &str| {
        json!({
            "source": format!("s3://photos/{source}"),
            "outputs": [{ "target": format!("s3://thumbs/{target}"), "width": 32, "format": "png" }],
        })
    };
    let announced = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "photos" }, "object": { "key": "lighthouse.jpg", "size": 1 } } }] });
    let records = [
        ("own", job("lighthouse.jpg", "own.png")),
        ("announced", announced),
        ("cut", job("cut.jpg", "cut.png")),
        ("missing", job("missing.jpg", "missing.png")),
    ];
    let records = records.map(|(id, body)| {
        json!({
            "messageId": id,
            "receiptHandle": "handle",
            "body": body.to_string(),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000", "SenderId": "me",
                            "ApproximateFirstReceiveTimestamp": "1700000000000" },
            "messageAttributes": {},
            "md5OfBody": "0",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
            "awsRegion": "us-east-1",
        })
    });
    json!({ "Records": records }).to_string().into()
}
