//! A mixed load for a while: what grows, and whether everything comes back. Eight seconds, as many as
//! `SOAK=20` says, or three minutes with `SLOW=1`.

use std::{sync::Arc, time::Duration};

use handler::event::FIFO_SUFFIX;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::process::{Caller, Process};

const QUEUES: [&str; 3] = ["one", "two", "three.fifo"];
/// What may be resident at the end beyond what is counted as stored, over what was after the warm-up.
const GROWTH_KIB_MAX: usize = 32 * 1024;

fn duration() -> Duration {
    let plain = if std::env::var_os("SLOW").is_some() { 180 } else { 8 };
    Duration::from_secs(std::env::var("SOAK").map_or(plain, |seconds| seconds.parse().unwrap()))
}

/// Sends batches of ten messages of many sizes.
async fn produce(process: Arc<Process>, queue: &'static str, seed: u64, stop: watch::Receiver<bool>) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut caller, mut sent) = (process.connect().await, 0);
    while !*stop.borrow() {
        let entry = |index: usize| {
            let body = "x".repeat([10, 100, 1_000, 5_000][random.usize(..4)]);
            let attributes = json!({ "a": { "DataType": "String", "StringValue": sent.to_string() } });
            let mut entry = json!({ "Id": index.to_string(), "MessageBody": body, "MessageAttributes": attributes });
            if queue.ends_with(FIFO_SUFFIX) {
                entry["MessageGroupId"] = format!("group-{}", random.usize(..5_000)).into();
                entry["MessageDeduplicationId"] = format!("{seed}-{sent}-{index}").into();
            } else if random.usize(..10) == 0 {
                entry["DelaySeconds"] = 2.into();
            }
            entry
        };
        let entries = (0..10).map(entry).collect::<Vec<_>>();
        caller.ok("SendMessageBatch", &json!({ "QueueUrl": queue, "Entries": entries })).await;
        sent += 10;
        // A load, not the most that goes.
        sleep(Duration::from_millis(10)).await;
        if sent % 2_000 == 0 {
            caller = process.connect().await;
        }
    }
    sent
}

/// Receives and deletes; now and then a batch is left to its visibility timeout.
async fn consume(process: Arc<Process>, queue: &'static str, seed: u64, stop: watch::Receiver<bool>) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut caller, mut deleted) = (process.connect().await, 0);
    while !*stop.borrow() {
        let receive = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1 });
        let received = caller.ok("ReceiveMessage", &receive).await;
        let Some(messages) = received["Messages"].as_array() else { continue };
        if random.usize(..30) > 0 {
            delete(&mut caller, queue, messages).await;
            deleted += messages.len();
        }
    }
    deleted
}

async fn delete(caller: &mut Caller, queue: &str, messages: &[Value]) {
    let entry = |(index, message): (usize, &Value)| json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
    let entries = messages.iter().enumerate().map(entry).collect::<Vec<_>>();
    caller.ok("DeleteMessageBatch", &json!({ "QueueUrl": queue, "Entries": entries })).await;
}

/// Queues that come and go, and clients that leave in a long poll.
async fn churn(process: Arc<Process>, stop: watch::Receiver<bool>) -> usize {
    let mut created = 0;
    while !*stop.borrow() {
        let mut caller = process.connect().await;
        let queue = format!("churn-{created}");
        caller.ok("CreateQueue", &json!({ "QueueName": queue })).await;
        caller.ok("SendMessage", &json!({ "QueueUrl": queue, "MessageBody": "x".repeat(1_000) })).await;
        assert_eq!(caller.receive(&queue).await.len(), 1);
        caller.ok("DeleteQueue", &json!({ "QueueUrl": queue })).await;
        created += 1;
        let poll = process.request("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":20}"#);
        caller.client.write(&poll.repeat(2)).await;
        sleep(Duration::from_millis(20)).await;
    }
    created
}

/// Stored bytes for each of a thousand deduplication ids, when their messages are gone.
async fn deduplication_bytes(process: &Process) -> u64 {
    const IDS: u64 = 1_000;
    let mut caller = process.connect().await;
    let attributes = json!({ "FifoQueue": "true" });
    caller.ok("CreateQueue", &json!({ "QueueName": "ids.fifo", "Attributes": attributes })).await;
    let before = process.metric("local_queue_stored_bytes").await;
    for index in 0..IDS {
        // As long as a UUID, which is what most use.
        let message = json!({
            "QueueUrl": "ids.fifo", "MessageBody": "x", "MessageGroupId": "g",
            "MessageDeduplicationId": format!("{index:036}"),
        });
        caller.ok("SendMessage", &message).await;
        let messages = caller.receive("ids.fifo").await;
        delete(&mut caller, "ids.fifo", &messages).await;
    }
    (process.metric("local_queue_stored_bytes").await - before) / IDS
}

/// The line of least squares through points, by its slope.
#[expect(clippy::cast_precision_loss, reason = "kilobytes and samples of minutes")]
fn slope_kib_per_minute(samples: &[(Duration, usize)]) -> f64 {
    let points = samples.iter().map(|(at, kib)| (at.as_secs_f64() / 60.0, *kib as f64)).collect::<Vec<_>>();
    let count = points.len() as f64;
    let (mean_x, mean_y) =
        (points.iter().map(|it| it.0).sum::<f64>() / count, points.iter().map(|it| it.1).sum::<f64>() / count);
    let covariance = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    covariance / points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_load_leaves_nothing_behind() {
    let process = Arc::new(Process::start(&[]));
    let mut caller = process.connect().await;
    for queue in QUEUES {
        let fifo = if queue.ends_with(FIFO_SUFFIX) { json!({ "FifoQueue": "true" }) } else { json!({}) };
        caller.ok("CreateQueue", &json!({ "QueueName": queue, "Attributes": fifo })).await;
    }
    let each = deduplication_bytes(&process).await;
    let start = process.descriptors_and_threads();
    let (stop, stopped) = watch::channel(false);
    let (mut producers, mut others) = (JoinSet::new(), JoinSet::new());
    for (seed, queue) in (0..).zip(QUEUES.iter().cycle().take(6)) {
        producers.spawn(produce(Arc::clone(&process), queue, seed, stopped.clone()));
        others.spawn(consume(Arc::clone(&process), queue, 100 + seed, stopped.clone()));
    }
    others.spawn(churn(Arc::clone(&process), stopped));

    // Of the time, two fifths are to warm up.
    let (began, mut samples) = (Instant::now(), Vec::new());
    while began.elapsed() < duration() {
        sleep(Duration::from_millis(500)).await;
        let stored = usize::try_from(process.metric("local_queue_stored_bytes").await / 1024).unwrap();
        if began.elapsed() > duration() * 2 / 5 {
            samples.push((began.elapsed(), process.status_kib("VmRSS"), stored));
        }
    }
    stop.send_replace(true);
    let sent = producers.join_all().await.into_iter().sum::<usize>();
    let done = others.join_all().await;
    println!("{sent} messages sent, {done:?} deleted by each consumer and queues made and deleted");
    let resident = samples.iter().map(|(at, resident, _)| (*at, *resident)).collect::<Vec<_>>();
    let stored = samples.iter().map(|(at, _, stored)| (*at, *stored)).collect::<Vec<_>>();
    println!(
        "after the warm-up: resident {:+.0} KiB a minute, of it stored {:+.0}; {each} bytes for a deduplication id",
        slope_kib_per_minute(&resident),
        slope_kib_per_minute(&stored)
    );
    let beside = |(_, resident, stored): &(Duration, usize, usize)| resident.saturating_sub(*stored);
    let (first, last) = (beside(&samples[0]), beside(&samples[samples.len() - 1]));
    assert!(last <= first + GROWTH_KIB_MAX, "beside what is stored, {first} KiB became {last}");

    drop(caller);
    process.until_metric("local_queue_connections", 1).await;
    process.until_metric("local_queue_long_polls_waiting", 0).await;
    let end = process.descriptors_and_threads();
    println!("descriptors and threads: {start:?} at the start, {end:?} at the end");
    assert!(end.0 <= start.0, "descriptors: {start:?} at the start, {end:?} at the end");
}
