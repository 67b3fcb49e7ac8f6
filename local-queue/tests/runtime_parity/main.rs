//! The Runtime API beside AWS's own Runtime Interface Emulator: the same requests to both, and the same answers.
//!
//! That emulator is a program inside the Python package `aws-sam-cli`, which `.ci/run` installs into `.cache/clients`.
//! Without it each test says what it skips.
//!
//! Two differences are known and evened out: it tells extensions no handler, and it does not trace.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod foreign;
mod http;
mod rival;
mod scenarios;

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use self::rival::{Ours, Outcome, Rival, Theirs};

/// Where the emulator is, unless `RUNTIME_INTERFACE_EMULATOR` says otherwise; nothing if it is not installed.
fn emulator(test: &str) -> Option<PathBuf> {
    let beside_the_workspace = || {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients");
        packages.join("aws-sam-cli/samcli/local/rapid/aws-lambda-rie-x86_64")
    };
    let path = env::var_os("RUNTIME_INTERFACE_EMULATOR").map_or_else(beside_the_workspace, PathBuf::from);
    is_there(test, &path).then(|| path.canonicalize().unwrap())
}

/// Whether something is there; else says that a test does not run.
fn is_there(test: &str, path: &Path) -> bool {
    let is_there = path.exists();
    if !is_there {
        // Written past the test runner, which shows what a passed test prints to nobody.
        let line = format!("skipped: {test}, because {} is not there; .ci/run installs it\n", path.display());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    is_there
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered_as_by_the_emulator_of_aws() {
    let Some(emulator) = emulator("the Runtime API beside AWS's emulator") else { return };
    let mut requests = 0;
    for scenario in scenarios::ALL {
        let theirs = scenario.run(&mut Theirs::puppet(&emulator)).await;
        let ours = scenario.run(&mut Ours::puppet()).await;
        assert_eq!(ours, theirs, "{}", scenario.name);
        requests += ours.len();
    }
    println!("{} scenarios with {requests} answers are the same", scenarios::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_end_in_the_words_of_the_emulator_of_aws() {
    let Some(emulator) = emulator("ends of processes beside AWS's emulator") else { return };
    let table = [
        ("exit 3", false),
        ("exit 0", false),
        ("kill -9 $$", false),
        ("kill -6 $$", false),
        ("exit 0", true),
        ("exit 3", true),
    ];
    for (script, answers) in table {
        let theirs = scenarios::end(&Theirs::puppet(&emulator), script, answers).await;
        let ours = scenarios::end(&Ours::puppet(), script, answers).await;
        assert_eq!(ours, theirs, "{script}, answers: {answers}");
        assert_eq!(matches!(ours, Outcome::Payload(_)), answers, "{ours:?}");
    }
}

/// The handler itself, the very same file under both: the batch has a job that works and one that cannot.
#[tokio::test(flavor = "multi_thread")]
async fn the_handler_does_the_same_batch_under_both() {
    let name = "the handler under AWS's emulator and under ours";
    let Some(emulator) = emulator(name) else { return };
    let Some(handler) = handler(name) else { return };
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/photos");
    let mut made = Vec::new();
    for is_ours in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::copy(photos.join("portrait/lighthouse.jpg"), root.join("in.jpg")).unwrap();
        std::fs::copy(photos.join("broken/torn-in-half.jpg"), root.join("broken.jpg")).unwrap();
        let environment = [("FILE_ROOT", root.to_str().unwrap()), ("AWS_REGION", "us-east-1"), ("RUST_LOG", "off")];
        let event = Bytes::from(batch(&root).to_string());
        let reply = if is_ours {
            Ours::program(&handler, &environment[..1]).invoke(event).await
        } else {
            Theirs::program(&emulator, &handler, &environment).invoke(event).await
        };
        let Ok(Outcome::Payload(reply)) = reply else { panic!("{reply:?}") };
        made.push((reply, std::fs::read(root.join("out/thumb.png")).unwrap()));
    }
    assert_eq!(made[0], made[1]);
    assert_eq!(made[1].0, "{\"batchItemFailures\":[{\"itemIdentifier\":\"id-1\"}]}");
    assert!(made[1].1.starts_with(b"\x89PNG"));
}

/// The handler's program, if it is built: `cargo build -p handler --bin handler`, or `HANDLER`.
fn handler(test: &str) -> Option<PathBuf> {
    let beside_the_tests = || env::current_exe().unwrap().parent().unwrap().join("../handler");
    let path = env::var_os("HANDLER").map_or_else(beside_the_tests, PathBuf::from);
    is_there(test, &path).then(|| path.canonicalize().unwrap())
}

fn batch(root: &Path) -> serde_json::Value {
    let record = |number: usize, source: &str, target: &str| {
        let location = |name: &str| format!("file://{}", root.join(name).display());
        let job = serde_json::json!({
            "source": location(source),
            "outputs": [{ "target": location(target), "width": 32, "format": "png" }],
        });
        serde_json::json!({
            "messageId": format!("id-{number}"),
            "receiptHandle": "handle",
            "body": job.to_string(),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000", "SenderId": "me",
                            "ApproximateFirstReceiveTimestamp": "1700000000000" },
            "messageAttributes": {},
            "md5OfBody": "0",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
            "awsRegion": "us-east-1",
        })
    };
    serde_json::json!({ "Records": [record(0, "in.jpg", "out/thumb.png"), record(1, "nothing.jpg", "out/none.png")] })
}
