//! Fair queues, messages in flight, throughput.

use local_queue::{Fault, LocalQueue, engine::Limits, faults::Effect};
use serde_json::{Value, json};

use crate::{
    client::{Protocol, Sqs, bodies},
    errors::{OVER_LIMIT, REQUEST_THROTTLED, SERVICE_UNAVAILABLE},
    rules::{
        Evidence::{Documented, Quoted, Unverified},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    fair_queues(rules);
    in_flight(rules);
    throughput(rules);
}

/// Sends as many messages of a tenant, whose name is their body.
fn send_many(sqs: &Sqs, tenant: &str, count: usize) {
    for _ in 0..count {
        sqs.send_to_group("jobs", tenant, tenant);
    }
}

fn receive_many(sqs: &Sqs, count: usize) -> Vec<Value> {
    let receive = |_| sqs.receive_with("jobs", &json!({ "MaxNumberOfMessages": 1 })).pop();
    (0..count).filter_map(receive).collect()
}

fn fair_queues(rules: &mut Section<'_>) {
    const NOISY: &str = "a tenant is noisy with 30 messages in flight that are more than a tenth, and others go first";
    rules.both(Documented, NOISY, |sqs| {
        sqs.jobs();
        send_many(sqs, "noisy", 60);
        send_many(sqs, "quiet", 2);
        sqs.send("jobs", "alone");
        assert!(bodies(&receive_many(sqs, 30)).iter().all(|body| *body == "noisy"));
        assert_eq!(bodies(&receive_many(sqs, 4)), ["quiet", "quiet", "alone", "noisy"]);
    });
    rules.both(Documented, "a tenant with fewer than 30 messages in flight waits for nobody", |sqs| {
        sqs.jobs();
        send_many(sqs, "busy", 31);
        send_many(sqs, "quiet", 1);
        receive_many(sqs, 29);
        assert_eq!(bodies(&receive_many(sqs, 3)), ["busy", "quiet", "busy"]);
    });
    rules.both(Documented, "among noisy tenants the one with the fewest messages in flight goes first", |sqs| {
        sqs.jobs();
        send_many(sqs, "one", 50);
        send_many(sqs, "two", 50);
        let first = receive_many(sqs, 60);
        let count = |name: &str| bodies(&first).into_iter().filter(|body| *body == name).count();
        assert_eq!((count("one"), count("two")), (30, 30));
        assert_eq!(bodies(&receive_many(sqs, 4)).iter().filter(|body| **body == "one").count(), 2);
    });
    rules.both(Documented, "a noisy tenant that sends nothing for five minutes is quiet again", |sqs| {
        sqs.create("jobs", &json!({ "VisibilityTimeout": "3600" }));
        send_many(sqs, "noisy", 40);
        receive_many(sqs, 30);
        sqs.pass(1);
        send_many(sqs, "quiet", 2);
        assert_eq!(bodies(&receive_many(sqs, 1)), ["quiet"]);
        sqs.pass(299);
        assert_eq!(bodies(&receive_many(sqs, 1)), ["noisy"]);
    });
    rules.not_covered(
        Documented,
        "a tenant is noisy too with more than a tenth of the recent processing time",
        "how AWS measures processing time is not documented; only messages in flight count here",
    );
}

fn limited(limits: &Limits, rule: fn(&Sqs)) {
    for protocol in [Protocol::Json, Protocol::Query] {
        rule(&Sqs::with_limits(protocol, limits.clone()));
    }
}

#[expect(clippy::too_many_lines, reason = "one rule after the other")]
fn in_flight(rules: &mut Section<'_>) {
    const WAITING: &str = "a receive that would wait beside as many as may wait is 503 ServiceUnavailable";
    const DISK: &str = "what cannot be kept, because the disk takes nothing, is 503 ServiceUnavailable";
    const MEMORY: &str = "what would take more memory than there may be is 503 ServiceUnavailable";

    rules.once(Documented, "at most 120,000 messages of a queue are in flight", || {
        assert_eq!(Limits::STRICT.in_flight_max, 120_000);
    });
    rules.once(Documented, "at the limit in flight a short poll of a standard queue is over the limit", || {
        limited(&Limits { in_flight_max: 2, ..Limits::STRICT }, |sqs| {
            sqs.jobs();
            send_many(sqs, "a", 3);
            assert_eq!(sqs.receive("jobs").len(), 2);
            sqs.call("ReceiveMessage", &json!({ "QueueUrl": "jobs" })).refused_somehow(OVER_LIMIT);
        });
    });
    rules.once(Documented, "at the limit in flight a long poll of a standard queue gets nothing, and no error", || {
        limited(&Limits { in_flight_max: 2, ..Limits::STRICT }, |sqs| {
            sqs.jobs();
            send_many(sqs, "a", 3);
            sqs.receive("jobs");
            let waiting = sqs.start("ReceiveMessage", &json!({ "QueueUrl": "jobs", "WaitTimeSeconds": 5 }));
            sqs.pass(5);
            sqs.counts("jobs");
            assert_eq!(waiting.answer().ok(), json!({}));
        });
    });
    rules.once(Documented, "at the limit in flight a FIFO queue hands out nothing, and there is no error", || {
        limited(&Limits { in_flight_max: 2, ..Limits::STRICT }, |sqs| {
            sqs.jobs_fifo();
            for group in ["1", "2", "3"] {
                sqs.send_to_group("jobs.fifo", group, group);
            }
            assert_eq!(sqs.receive("jobs.fifo").len(), 2);
            assert!(sqs.receive("jobs.fifo").is_empty());
        });
    });
    // pressureNET-server#74.
    rules.once(Quoted, "the text about too many messages in flight", || {
        limited(&Limits { in_flight_max: 1, ..Limits::STRICT }, |sqs| {
            sqs.jobs();
            send_many(sqs, "a", 2);
            sqs.receive("jobs");
            let text = "Too many messages have been received without being deleted. Please delete your received messages \
                        or let them timeout before receiving more.";
            sqs.call("ReceiveMessage", &json!({ "QueueUrl": "jobs" })).refused(OVER_LIMIT, text);
        });
    });
    rules.once(Unverified, WAITING, || {
        limited(&Limits { waiting_receives_max: 1, ..Limits::STRICT }, |sqs| {
            sqs.jobs();
            let receive = json!({ "QueueUrl": "jobs", "WaitTimeSeconds": 5 });
            let waiting = sqs.start("ReceiveMessage", &receive);
            let text = "1 receives wait for a message already, which is the limit (--waiting-max).";
            sqs.call("ReceiveMessage", &receive).refused(SERVICE_UNAVAILABLE, text);
            assert!(sqs.receive("jobs").is_empty(), "one that does not wait is answered");
            sqs.send("jobs", "a");
            waiting.answer().ok();
        });
    });
    rules.once(Unverified, DISK, || {
        for protocol in [Protocol::Json, Protocol::Query] {
            let folder = tempfile::tempdir().unwrap();
            let (queues, _) = LocalQueue::builder().data(folder.path()).open().unwrap();
            queues.create_queue("jobs", &[]).unwrap();
            let sqs = Sqs { queues, ..Sqs::with_limits(protocol, Limits::STRICT) };
            sqs.queues.close().unwrap();
            for (operation, parameters) in [
                ("SendMessage", json!({ "QueueUrl": "jobs", "MessageBody": "a" })),
                ("ReceiveMessage", json!({ "QueueUrl": "jobs" })),
                ("ListQueues", json!({})),
            ] {
                sqs.call(operation, &parameters).refused_somehow(SERVICE_UNAVAILABLE);
            }
        }
    });
    rules.once(Unverified, MEMORY, || {
        limited(&Limits { stored_bytes_max: 100_000, ..Limits::STRICT }, |sqs| {
            sqs.jobs();
            let message = json!({ "QueueUrl": "jobs", "MessageBody": "a".repeat(10_000) });
            while sqs.call("SendMessage", &message).status == 200 {}
            sqs.call("SendMessage", &message).refused_somehow(SERVICE_UNAVAILABLE);
            let entries = json!({ "QueueUrl": "jobs", "Entries": [{ "Id": "a", "MessageBody": "a".repeat(10_000) }] });
            let failed = sqs.ok("SendMessageBatch", &entries)["Failed"][0].clone();
            assert_eq!((&failed["Code"], &failed["SenderFault"]), (&json!("ServiceUnavailable"), &json!(false)));
            // What makes room goes on, and is enough.
            let received = sqs.receive("jobs");
            sqs.ok("DeleteMessage", &json!({ "QueueUrl": "jobs", "ReceiptHandle": received[0]["ReceiptHandle"] }));
            sqs.ok("SendMessage", &message);
            sqs.call("SendMessage", &message).refused_somehow(SERVICE_UNAVAILABLE);
            sqs.ok("PurgeQueue", &json!({ "QueueUrl": "jobs" }));
            for _ in 0..8 {
                sqs.ok("SendMessage", &message);
            }
            // Also what nobody asks for makes room when its time is over.
            sqs.create("other", &json!({}));
            while sqs.call("SendMessage", &message).status == 200 {}
            sqs.pass(345_601);
            sqs.ok("SendMessage", &json!({ "QueueUrl": "other", "MessageBody": "a".repeat(10_000) }));
        });
    });
    rules.not_covered(
        Documented,
        "a FIFO receive looks for available groups among the first 120,000 messages only",
        "a bound on AWS's search; here groups are found at any depth",
    );
}

fn throughput(rules: &mut Section<'_>) {
    rules.both(
        Unverified,
        "injected faults are 500 InternalError, 503 ServiceUnavailable and 400 ThrottlingException",
        |sqs| {
            let faults = [
                (Fault::internal_error(), 500, "InternalError;Receiver"),
                (Fault::service_unavailable(), 503, "ServiceUnavailable;Receiver"),
                (Fault::new(Effect::ThrottlingException), 400, "ThrottlingException;Sender"),
            ];
            for (fault, status, code) in faults {
                sqs.queues.faults().inject(fault.times(1)).unwrap();
                let answer = sqs.call("ListQueues", &json!({}));
                assert_eq!(answer.status, status);
                match sqs.protocol {
                    Protocol::Json => assert_eq!(answer.header("x-amzn-query-error"), code),
                    Protocol::Query => {
                        let (code, fault) = code.split_once(';').unwrap();
                        let expected = format!("<Type>{fault}</Type><Code>{code}</Code>");
                        assert!(answer.body.contains(&expected), "{}", answer.body);
                    }
                }
                sqs.ok("ListQueues", &json!({}));
            }
        },
    );
    rules.once(
        Unverified,
        "over the quota, if it is switched on, a FIFO queue's action is 403 RequestThrottled",
        || {
            limited(&Limits { fifo_calls_per_second: Some(2), ..Limits::STRICT }, |sqs| {
                sqs.jobs_fifo();
                let parameters = json!({ "QueueUrl": "jobs.fifo", "MessageBody": "a", "MessageGroupId": "g" });
                for _ in 0..2 {
                    sqs.ok("SendMessage", &parameters);
                }
                sqs.call("SendMessage", &parameters).refused(REQUEST_THROTTLED, "Request is throttled.");
                sqs.receive("jobs.fifo");
                sqs.pass(1);
                sqs.ok("SendMessage", &parameters);
            });
        },
    );
    // docs.particular.net#3438, async-aws#1227.
    rules.both(Quoted, "the text about throttling", |sqs| {
        sqs.queues.faults().inject(Fault::throttle().times(1)).unwrap();
        sqs.call("ListQueues", &json!({})).refused(REQUEST_THROTTLED, "Request is throttled.");
    });
    rules.once(
        Documented,
        "each action of a FIFO queue has a quota of its own, and high throughput has none here",
        || {
            limited(&Limits { fifo_calls_per_second: Some(1), ..Limits::STRICT }, |sqs| {
                let attributes = json!({
                    "FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup",
                    "FifoThroughputLimit": "perMessageGroupId",
                });
                sqs.create("fast.fifo", &attributes);
                for body in ["a", "b", "c"] {
                    sqs.send_to_group("fast.fifo", "g", body);
                }
                sqs.jobs_fifo();
                sqs.send_to_group("jobs.fifo", "g", "a");
                assert_eq!(sqs.receive("jobs.fifo").len(), 1);
            });
        },
    );
    rules.not_covered(
        Documented,
        "high throughput has limits for each partition, which depend on the region",
        "a region's numbers change; only the quota of 300 calls a second can be switched on",
    );
}
