//! Memory has a bound, whatever clients do.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    harness::Outcome,
    process::{Caller, Process},
};

/// What the process may take beside the memory that was allowed: itself, its threads, its connections, and what the
/// allocator has not given back.
const BESIDE_KIB: usize = 64 * 1024;
const MEMORY_MAX: &str = "64M";
const MEMORY_MAX_KIB: usize = 64 * 1024;

fn assert_bounded(process: &Process, after: &str) {
    let most = process.status_kib("VmHWM");
    println!("{after}: {} KiB resident, {most} at the most", process.status_kib("VmRSS"));
    assert!(most <= MEMORY_MAX_KIB + BESIDE_KIB, "{after}: {most} KiB were resident");
}

/// Sends batches made by `entry` until one is refused, and says how many messages were accepted.
async fn fill(caller: &mut Caller, queue: &str, entry: impl Fn(usize) -> Value) -> usize {
    let mut accepted = 0;
    loop {
        let entries = (0..10).map(|index| entry(accepted + index)).collect::<Vec<_>>();
        let outcome = caller.call("SendMessageBatch", &json!({ "QueueUrl": queue, "Entries": entries })).await;
        assert_eq!(outcome.status(), 200, "{outcome:?}");
        let answer: Value = serde_json::from_str(outcome.body()).unwrap();
        accepted += answer["Successful"].as_array().map_or(0, Vec::len);
        if let Some(failed) = answer["Failed"].as_array() {
            assert_eq!((&failed[0]["Code"], &failed[0]["SenderFault"]), (&json!("ServiceUnavailable"), &json!(false)));
            return accepted;
        }
    }
}

fn entry(index: usize, body: &str) -> Value {
    json!({ "Id": (index % 10).to_string(), "MessageBody": body })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_sends_until_there_is_room_again() {
    let process = Process::start(&["--memory-max", MEMORY_MAX, "--relaxed"]);
    let mut caller = process.connect().await;
    caller.ok("CreateQueue", &json!({ "QueueName": "jobs.fifo", "Attributes": { "FifoQueue": "true" } })).await;

    let small = fill(&mut caller, "jobs", |index| entry(index, &"x".repeat(200))).await;
    println!("{small} messages of 200 bytes");
    assert!(small > 30_000, "{small}");
    assert_bounded(&process, "messages of 200 bytes");
    let refused = caller.call("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "x".repeat(200) })).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.header().contains("serviceunavailable;receiver"), "{refused:?}");
    assert!(refused.body().contains("--memory-max"), "{refused:?}");
    assert!(process.metric("local_queue_refused_for_memory_total").await > 1);
    let (stored, stored_max) =
        (process.metric("local_queue_stored_bytes").await, process.metric("local_queue_stored_bytes_max").await);
    assert!(stored <= stored_max && stored > stored_max - 10_000, "{stored} of {stored_max}");
    let log = process.until_log("sends are refused").await;
    assert_eq!(log.matches("sends are refused").count(), 1, "{log}");

    // What makes room goes on.
    let received = caller.receive("jobs").await;
    assert_eq!(received.len(), 10);
    for message in received {
        let handle = &message["ReceiptHandle"];
        caller.ok("DeleteMessage", &json!({ "QueueUrl": "jobs", "ReceiptHandle": handle })).await;
    }
    caller.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "x".repeat(200) })).await;

    // What was freed can be used again, for messages of other sizes and kinds, by whichever thread.
    let is_slow = std::env::var_os("SLOW").is_some();
    for round in 0..if is_slow { 3 } else { 1 } {
        for bytes in if is_slow { vec![5_000, 100_000, 1] } else { vec![5_000, 100_000] } {
            caller.ok("PurgeQueue", &json!({ "QueueUrl": "jobs" })).await;
            caller = process.connect().await;
            let purged = Instant::now();
            caller.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "x".repeat(200) })).await;
            assert!(purged.elapsed() < Duration::from_secs(1), "{:?}", purged.elapsed());
            let count = fill(&mut caller, "jobs", |index| entry(index, &"x".repeat(bytes))).await;
            assert_bounded(&process, &format!("round {round}, {count} messages of {bytes} bytes"));
        }
        caller.ok("PurgeQueue", &json!({ "QueueUrl": "jobs" })).await;
        let grouped = fill(&mut caller, "jobs.fifo", |index| {
            let mut entry = entry(index, "x");
            entry["MessageGroupId"] = format!("group-{}", index / 3).into();
            entry["MessageDeduplicationId"] = format!("{round}-{index}").into();
            entry
        });
        let count = grouped.await;
        assert_bounded(&process, &format!("round {round}, {count} messages of groups"));
        caller.ok("PurgeQueue", &json!({ "QueueUrl": "jobs.fifo" })).await;
        let attributes = fill(&mut caller, "jobs", |index| {
            let mut entry = entry(index, "x");
            let number = json!({ "DataType": "Number", "StringValue": index.to_string() });
            entry["MessageAttributes"] = json!({ "a": number, "b": { "DataType": "String", "StringValue": "text" } });
            entry["MessageGroupId"] = format!("tenant-{}", index / 3).into();
            entry
        });
        let count = attributes.await;
        assert_bounded(&process, &format!("round {round}, {count} messages of tenants with attributes"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_and_their_tags_count_too() {
    let process = Process::start(&["--memory-max", "64M"]);
    let mut caller = process.connect().await;
    let tags = (0..40).map(|index| (index.to_string(), json!("x".repeat(250)))).collect::<serde_json::Map<_, _>>();
    let mut created = 0;
    loop {
        let parameters = json!({ "QueueName": format!("queue-{created}"), "tags": tags });
        let outcome = caller.call("CreateQueue", &parameters).await;
        if outcome.status() != 200 {
            assert_eq!(outcome.status(), 503, "{outcome:?}");
            break;
        }
        created += 1;
    }
    println!("{created} queues");
    assert!(created > 1_000, "{created}");
    let most = process.status_kib("VmHWM");
    assert!(most <= 64 * 1024 + BESIDE_KIB, "{most} KiB were resident");
    caller.ok("ListQueues", &json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_bounded_and_nothing_is_lost_with_them() {
    const CLIENTS: usize = 100;
    let process = Process::start(&["--memory-max", MEMORY_MAX, "--answer-timeout", "5"]);
    let mut caller = process.connect().await;
    for _ in 0..10 {
        // In JSON twice as long.
        caller.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "\"".repeat(1_048_500) })).await;
    }
    let receive =
        process.request("ReceiveMessage", r#"{"QueueUrl":"jobs","MaxNumberOfMessages":10,"VisibilityTimeout":0}"#);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = process.connect().await;
        client.client.write(&receive).await;
        clients.push(client);
    }
    // Each is answered or refused; those that are answered do not read, and the others are told what to do.
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(4) {
        caller.ok("ListQueues", &json!({})).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_bounded(&process, "100 answers of 20 MB that nobody reads");
    let mut refused = 0;
    for client in &mut clients {
        let mut first = [0; 64];
        let count = client.client.stream.try_read(&mut first).unwrap_or(0);
        refused += usize::from(first[..count].starts_with(b"HTTP/1.1 503"));
    }
    println!("{refused} of {CLIENTS} refused");
    assert!(refused > CLIENTS / 2, "{refused}");
    drop(clients);
    process.until_metric("local_queue_connections", 2).await;
    process.until_metric("local_queue_under_way_bytes", 0).await;
    let received = caller.receive("jobs").await;
    assert_eq!(received.len(), 10, "messages of refused receives stay");
    assert_bounded(&process, "one who reads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receive_that_gets_no_memory_has_taken_nothing() {
    let process = Process::start(&["--memory-max", "64M"]);
    let mut caller = process.connect().await;
    let poll = json!({ "QueueUrl": "jobs", "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20 });
    // All the memory for what is under way is taken by bodies that do not end.
    let mut holders = Vec::new();
    let body = b"{".iter().chain(std::iter::repeat_n(&b' ', 2_000_000)).copied().collect::<Vec<_>>();
    let mut half = process.request("SendMessage", &body);
    half.truncate(half.len() - 1);
    let mut under_way = process.metric("local_queue_under_way_bytes").await;
    while under_way < 27 * 1024 * 1024 {
        let mut holder = process.connect().await;
        holder.client.write(&half).await;
        holders.push(holder);
        // Each is counted before the next begins, so that a little is left.
        let counted = under_way + 1_900_000;
        while under_way < counted {
            under_way = process.metric("local_queue_under_way_bytes").await;
        }
    }
    let mut waiting = process.connect().await;
    let request = process.request("ReceiveMessage", poll.to_string());
    waiting.client.write(&request).await;
    process.until_metric("local_queue_long_polls_waiting", 1).await;
    caller.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "x".repeat(1_000_000) })).await;
    // The message alone would take what is left and more.
    for _ in 0..9 {
        // A body that is refused before its end costs its connection.
        let mut sender = process.connect().await;
        let outcome =
            sender.call("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "x".repeat(1_000_000) })).await;
        assert!([200, 503].contains(&outcome.status()), "{outcome:?}");
    }
    let outcome = waiting.client.read().await;
    let mut caller = process.connect().await;
    let depth = caller.ok("GetQueueAttributes", &json!({ "QueueUrl": "jobs", "AttributeNames": ["All"] })).await;
    let in_flight = depth["Attributes"]["ApproximateNumberOfMessagesNotVisible"].as_str().unwrap().to_owned();
    match outcome {
        Outcome::Answer { status: 503, .. } => assert_eq!(in_flight, "0", "what was refused was not taken"),
        Outcome::Answer { status: 200, .. } => assert_eq!(in_flight, "1"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_countless_parts_are_refused_before_they_take_memory() {
    const AT_ONCE: usize = 16;
    let process = Process::start(&["--memory-max", MEMORY_MAX]);
    let mut caller = process.connect().await;
    let members = (0..700_000).map(|index| format!("\"{index:x}\":{{}}")).collect::<Vec<_>>().join(",");
    let attributes = format!(r#"{{"QueueUrl":"jobs","MessageBody":"a","MessageAttributes":{{{members}}}}}"#);
    let list = format!(r#"{{"QueueUrl":"jobs","Entries":[{}1]}}"#, "1,".repeat(4_000_000));
    let pairs = (0..500_000).map(|index| format!("a.{index}=1")).collect::<Vec<_>>().join("&");
    let form = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        process.address,
        pairs.len()
    );
    let kinds = [
        ("attributes", process.request("SendMessage", attributes)),
        ("entries", process.request("SendMessageBatch", list)),
        ("pairs of a form", [form.as_bytes(), pairs.as_bytes()].concat()),
    ];
    for (kind, request) in kinds {
        let mut bombs = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (request, mut client) = (request.clone(), process.connect().await);
            bombs.spawn(async move {
                client.client.write(&request).await;
                client.client.read().await.status()
            });
        }
        let mut took = Vec::new();
        while !bombs.is_empty() {
            let asked = Instant::now();
            caller.ok("ListQueues", &json!({})).await;
            took.push(asked.elapsed());
            while let Some(status) = bombs.try_join_next() {
                assert!([0, 400, 404, 503].contains(&status.unwrap()), "{kind}");
            }
            tokio::task::yield_now().await;
        }
        took.sort();
        println!("{kind}: beside them a normal client took {:?} at the 99th of 100", took[took.len() * 99 / 100]);
        assert_bounded(&process, kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receives_that_wait_do_not_keep_anybody_out() {
    /// How many are sent to.
    const FIRST: usize = 200;
    let process = Process::start(&[]);
    let connections = usize::try_from(process.metric("local_queue_connections_max").await).unwrap();
    // Both this process and that one have their descriptors.
    let count = 10_000.min(descriptors_here().saturating_sub(200)).min(connections * 7 / 8);
    let poll = process.request("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":20}"#);
    let before = process.status_kib("VmRSS");
    let mut waiting = Vec::new();
    for index in 0..count {
        if index == FIRST {
            // Connections are served on several threads, so that only what has come can be said to have come before.
            process.until_metric("local_queue_long_polls_waiting", FIRST as u64).await;
        }
        let mut client = process.connect().await;
        client.client.write(&poll).await;
        waiting.push(client);
        // Threads of the server take up connections as they come to it: these are to be before all others.
        if waiting.len() == 200 {
            process.until_metric("local_queue_long_polls_waiting", 200).await;
        }
    }
    process.until_metric("local_queue_long_polls_waiting", count as u64).await;
    let resident = process.status_kib("VmRSS");
    println!("{count} receives wait: {resident} KiB resident, {before} before");
    // What ships is smaller than what is built for tests, whose futures are not optimised.
    let resident_mib_max = if cfg!(debug_assertions) { 300 } else { 150 };
    assert!(resident <= resident_mib_max * 1024, "{resident} KiB are resident");
    let mut took = Vec::new();
    for index in 0..FIRST {
        let asked = Instant::now();
        let mut caller = process.connect().await;
        caller.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": index.to_string() })).await;
        took.push(asked.elapsed());
    }
    took.sort();
    println!("beside them a new client's send took {:?} at the median, {:?} at the 99th of 100", took[100], took[198]);
    assert!(took[198] < Duration::from_secs(2), "{:?}", took[198]);
    let mut delivered = 0;
    for client in waiting.iter_mut().take(FIRST) {
        delivered += usize::from(client.client.read().await.body().contains("MessageId"));
    }
    assert_eq!(delivered, FIRST, "the longest waiting come first");
}

/// How many files this process may open.
fn descriptors_here() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(1_024)
}
