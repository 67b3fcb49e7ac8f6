//! Dead-letter queues: when a message goes there, and what it takes along.

use serde_json::{Value, json};

use crate::{
    client::{START_MILLIS, Sqs, bodies},
    rules::{
        Evidence::{Documented, Recorded},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    moving(rules);
    contents(rules);
    retention(rules);
    sources(rules);
}

/// Creates `dead` and `jobs`, or both as FIFO queues, whose messages give up after `max` receives.
fn create(sqs: &Sqs, suffix: &str, max: u32) -> [String; 2] {
    let (dead, jobs) = (format!("dead{suffix}"), format!("jobs{suffix}"));
    let target = format!("arn:aws:sqs:us-east-1:000000000000:{dead}");
    let policy = json!({ "deadLetterTargetArn": target, "maxReceiveCount": max }).to_string();
    let mut attributes = json!({});
    if suffix == ".fifo" {
        attributes = json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" });
    }
    sqs.create(&dead, &attributes);
    attributes["RedrivePolicy"] = json!(policy);
    sqs.create(&jobs, &attributes);
    [dead, jobs]
}

/// Receives the only message of a queue so many times, and lets its timeout end.
fn receive_times(sqs: &Sqs, queue: &str, times: u32) -> Value {
    let mut last = Value::Null;
    for _ in 0..times {
        last = sqs.receive(queue).remove(0);
        sqs.pass(30);
    }
    last
}

fn moving(rules: &mut Section<'_>) {
    rules.both(Recorded, "a message moves on the receive after the last, which returns nothing", |sqs| {
        for max in [1, 3] {
            create(sqs, "", max);
            sqs.send("jobs", "a");
            receive_times(sqs, "jobs", max);
            assert_eq!((sqs.counts("jobs"), sqs.counts("dead")), ([1, 0, 0], [0, 0, 0]), "no timeout moves a message");
            assert!(sqs.receive("jobs").is_empty());
            assert_eq!((sqs.counts("jobs"), sqs.counts("dead")), ([0, 0, 0], [1, 0, 0]));
            for queue in ["jobs", "dead"] {
                sqs.ok("DeleteQueue", &json!({ "QueueUrl": queue }));
            }
            sqs.pass(60);
        }
    });
    rules.both(Recorded, "a message that was made visible early moves too", |sqs| {
        create(sqs, "", 1);
        sqs.send("jobs", "a");
        let handle = sqs.receive("jobs")[0]["ReceiptHandle"].clone();
        sqs.hide("jobs", &handle, 0).ok();
        assert!(sqs.receive("jobs").is_empty());
        assert_eq!(bodies(&sqs.receive("dead")), ["a"]);
    });
    rules.both(Recorded, "a FIFO group goes on after its first message has moved", |sqs| {
        create(sqs, ".fifo", 1);
        for body in ["a", "b"] {
            sqs.send_to_group("jobs.fifo", "g", body);
        }
        sqs.receive_with("jobs.fifo", &json!({ "MaxNumberOfMessages": 1 }));
        sqs.pass(30);
        assert_eq!(bodies(&sqs.receive("jobs.fifo")), ["b"]);
        assert_eq!(bodies(&sqs.receive("dead.fifo")), ["a"]);
    });
}

fn contents(rules: &mut Section<'_>) {
    rules.both(
        Recorded,
        "a dead letter keeps id, body, attributes, digests, times and counts, and adds its source",
        |sqs| {
            create(sqs, "", 1);
            let parameters = json!({
                "QueueUrl": "jobs", "MessageBody": "hello",
                "MessageAttributes": { "test-key": { "DataType": "String", "StringValue": "test-value" } },
                "MessageSystemAttributes": { "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } },
            });
            sqs.ok("SendMessage", &parameters);
            let mut expected = receive_times(sqs, "jobs", 1);
            assert!(sqs.receive("jobs").is_empty());
            let dead = sqs.receive("dead").remove(0);
            expected["ReceiptHandle"] = dead["ReceiptHandle"].clone();
            expected["Attributes"]["ApproximateReceiveCount"] = json!("2");
            expected["Attributes"]["DeadLetterQueueSourceArn"] = json!("arn:aws:sqs:us-east-1:000000000000:jobs");
            assert_eq!(dead, expected);
            assert_eq!(dead["Attributes"]["SentTimestamp"], START_MILLIS.to_string());
            assert_eq!(dead["MD5OfMessageAttributes"], "befa18540a897f7d022bf07057754a03");
        },
    );
}

fn retention(rules: &mut Section<'_>) {
    const WORDS: &str =
        "the retention in a standard dead-letter queue counts from the send, in a FIFO one from the move";
    rules.both(Documented, WORDS, |sqs| {
        for (suffix, left) in [("", 0), (".fifo", 1)] {
            let [dead, jobs] = create(sqs, suffix, 1);
            sqs.set(&dead, &json!({ "MessageRetentionPeriod": "60" })).ok();
            sqs.send_to_group(&jobs, "g", "a");
            sqs.pass(20);
            receive_times(sqs, &jobs, 1);
            assert!(sqs.receive(&jobs).is_empty());
            sqs.pass(9);
            assert_eq!(sqs.counts(&dead), [1, 0, 0]);
            sqs.pass(1);
            assert_eq!(sqs.counts(&dead), [left, 0, 0], "{dead}");
        }
    });
}

fn sources(rules: &mut Section<'_>) {
    rules.both(Recorded, "a queue that no other names as its target has no sources member", |sqs| {
        sqs.jobs();
        assert_eq!(sqs.ok("ListDeadLetterSourceQueues", &json!({ "QueueUrl": "jobs" })), json!({}));
    });
    rules.both(Documented, "the sources of a dead-letter queue are listed", |sqs| {
        create(sqs, "", 1);
        let sources = sqs.ok("ListDeadLetterSourceQueues", &json!({ "QueueUrl": "dead" }));
        assert_eq!(sources, json!({ "queueUrls": ["http://localhost:9324/000000000000/jobs"] }));
    });
    rules.not_covered(
        Recorded,
        "a source created seconds before may be missing from the list",
        "real asynchrony: here a list is complete at once",
    );
}
