//! Folders of queues that earlier versions have left, each of which this one opens: `tests/stored/VERSION`.
//!
//! `STORE=1 cargo test -p local-queue --test stored` makes the folder of this version: once when it is released, and until then
//! when its format changes.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use local_queue::{
    LocalQueue,
    clock::{Clock, ManualClock},
    engine::{
        Attribute, Limits, MessageAttribute, MessageAttributes, MessageBody, QueueArn, Receive, RedrivePolicy,
        SendMessage, Time,
    },
    journal::Opened,
};

/// When the folders were made, whenever that was.
const MADE_AT: Time = Time::from_millis(1_800_000_000_000);
/// Of visibility timeouts that do not end while a test looks.
const LONG: Duration = Duration::from_secs(36_000);

/// Opens the queues of a folder so many seconds after it was made.
fn open(folder: &Path, seconds: u64) -> (LocalQueue, Opened) {
    let clock = Clock::manual(&ManualClock::new(MADE_AT + Duration::from_secs(seconds)));
    LocalQueue::builder().clock(clock).seed(7).data(folder).open().unwrap()
}

fn message(body: &str) -> SendMessage {
    SendMessage::new(MessageBody::parse(body).unwrap())
}

fn in_group(body: &str, group: &str, deduplication_id: &str) -> SendMessage {
    let (group_id, deduplication_id) = (Some(group.into()), Some(deduplication_id.into()));
    SendMessage { group_id, deduplication_id, ..message(body) }
}

async fn receive(queues: &LocalQueue, queue: &QueueArn, timeout: Duration) -> Vec<String> {
    let request = Receive { visibility_timeout: Some(timeout), ..Receive::default() };
    let received = queues.receive(queue, request).await.unwrap();
    received.iter().map(|delivery| delivery.message.body.as_str().to_owned()).collect()
}

/// Each message of a queue: its body, where it is, and how often it was received.
fn messages(queues: &LocalQueue, queue: &str) -> Vec<String> {
    let peeked = queues.peek(&queues.scope().arn(queue), 0, 100).unwrap();
    peeked.iter().map(|it| format!("{}: {:?}, {}", it.message.body.as_str(), it.place, it.receive_count)).collect()
}

/// Leaves a snapshot, and behind it the records of a process that was killed. Gives a receipt handle as a client has it.
async fn fill(folder: &Path) -> String {
    let (queues, _) = open(folder, 0);
    let dead = queues.create_queue("dead", &[]).unwrap();
    let policy = RedrivePolicy { dead_letter_target: dead, max_receive_count: 2 };
    let attributes = [Attribute::RedrivePolicy(Some(policy)), Attribute::RetentionPeriod(Duration::from_secs(86_400))];
    let jobs = queues.create_queue("jobs", &attributes).unwrap();
    queues.tag_queue(&jobs, BTreeMap::from([("team".to_owned(), "images".to_owned())])).unwrap();
    queues.send(&jobs, message("poison")).unwrap();
    for expected in [1, 1, 0] {
        assert_eq!(receive(&queues, &jobs, Duration::ZERO).await.len(), expected, "the third receive moves it");
    }
    queues.send(&jobs, message("in flight")).unwrap();
    let receiving = queues.client().receive_message().queue_url("jobs").visibility_timeout(36_000).send();
    let handle = receiving.await.unwrap().messages.unwrap().remove(0).receipt_handle.unwrap();
    let attributes = BTreeMap::from([("kind".to_owned(), MessageAttribute::string("photo"))]);
    let attributes = MessageAttributes::parse(attributes, &Limits::STRICT).unwrap();
    let delay = Some(Duration::from_secs(600));
    queues.send(&jobs, SendMessage { attributes, delay, ..message("delayed \u{e9}") }).unwrap();
    let fifo = queues.create_queue("jobs.fifo", &[Attribute::FifoQueue(true)]).unwrap();
    for (body, group, id) in [("a1", "a", "1"), ("a2", "a", "2"), ("b1", "b", "3")] {
        queues.send(&fifo, in_group(body, group, id)).unwrap();
    }
    assert_eq!(receive(&queues, &fifo, LONG).await, ["a1"]);
    queues.close().unwrap();
    drop(queues);

    let (queues, _) = open(folder, 10);
    queues.send(&jobs, message("after")).unwrap();
    queues.send(&jobs, message("last")).unwrap();
    assert_eq!(receive(&queues, &jobs, LONG).await, ["after"]);
    queues.tag_queue(&jobs, BTreeMap::from([("owner".to_owned(), "me".to_owned())])).unwrap();
    // What a process that is killed now would leave.
    let left = folder.with_extension("left");
    copy(folder, &left);
    queues.close().unwrap();
    fs::remove_dir_all(folder).unwrap();
    fs::rename(left, folder).unwrap();
    handle
}

/// Copies what a journal is read from.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "log" || extension == "snapshot") {
            let mut bytes = fs::read(&path).unwrap();
            // Room that no record has taken.
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if path.extension().is_some_and(|extension| extension == "log") {
                bytes.truncate(end);
            }
            fs::write(to.join(file.file_name()), bytes).unwrap();
        }
    }
}

/// Looks at everything that [`fill`] has left.
async fn check(folder: &Path, handle: &str) {
    let (queues, opened) = open(folder, 20);
    assert_eq!((opened.queues, opened.snapshot.is_some(), opened.replayed > 0), (3, true, true), "{opened:?}");
    let expected = ["in flight: InFlight, 1", "delayed \u{e9}: Delayed, 0", "after: InFlight, 1", "last: Ready, 0"];
    assert_eq!(messages(&queues, "jobs"), expected);
    assert_eq!(messages(&queues, "dead"), ["poison: Ready, 2"]);
    let expected = ["a1: InFlight, 1", "a2: Ready, 0", "b1: Ready, 0"];
    assert_eq!(messages(&queues, "jobs.fifo"), expected);

    let [jobs, fifo] = ["jobs", "jobs.fifo"].map(|name| queues.scope().arn(name));
    let settings = queues.queue_attributes(&jobs).unwrap().settings;
    assert_eq!(settings.retention_period, Duration::from_secs(86_400));
    assert_eq!(settings.redrive_policy.unwrap().max_receive_count, 2);
    let tags = queues.tags(&jobs).unwrap();
    assert_eq!(tags, [("owner", "me"), ("team", "images")].map(|(key, value)| (key.into(), value.into())).into());
    let delayed = &queues.peek(&jobs, 1, 1).unwrap()[0].message;
    assert_eq!(delayed.attributes().iter().map(|(name, _)| name).collect::<Vec<_>>(), ["kind"]);

    let first = &queues.peek(&fifo, 0, 1).unwrap()[0];
    let again = queues.send(&fifo, in_group("a1 again", "a", "1")).unwrap();
    assert_eq!(again.message_id, first.message.id, "it is known by its deduplication id");
    let sent = queues.send(&fifo, in_group("b2", "b", "4")).unwrap();
    assert!(sent.sequence_number > first.message.sequence_number(), "sequence numbers go on");
    assert_eq!(receive(&queues, &fifo, LONG).await, ["b1"], "group a is locked");
    queues.client().delete_message().queue_url("jobs").receipt_handle(handle).send().await.unwrap();
    assert_eq!(messages(&queues, "jobs")[0], "delayed \u{e9}: Delayed, 0", "an old handle deletes its message");
    queues.close().unwrap();
    drop(queues);

    let (queues, _) = open(folder, 700);
    assert_eq!(messages(&queues, "jobs")[0], "delayed \u{e9}: Ready, 0", "its delay has ended meanwhile");
    assert_eq!(messages(&queues, "jobs.fifo"), ["a1: InFlight, 1", "a2: Ready, 0", "b1: InFlight, 1", "b2: Ready, 0"]);
}

#[tokio::test]
async fn folders_that_earlier_versions_have_left_are_opened() {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored");
    if std::env::var_os("STORE").is_some() {
        let here = stored.join(env!("CARGO_PKG_VERSION"));
        let _ = fs::remove_dir_all(&here);
        fs::create_dir_all(&here).unwrap();
        let handle = fill(&here.join("queues")).await;
        fs::write(here.join("receipt-handle"), handle).unwrap();
    }
    let mut versions = fs::read_dir(&stored).unwrap().map(|version| version.unwrap().path()).collect::<Vec<PathBuf>>();
    versions.sort();
    assert!(!versions.is_empty());
    for version in versions {
        let folder = tempfile::tempdir().unwrap();
        copy(&version.join("queues"), folder.path());
        check(folder.path(), &fs::read_to_string(version.join("receipt-handle")).unwrap()).await;
    }
}
