//! FIFO queues: what a message needs, deduplication, order, groups, repeated receives.

use serde_json::{Value, json};

use crate::{
    client::{Sqs, bodies},
    errors::{INVALID_PARAMETER_VALUE, MISSING_PARAMETER},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Validated},
        Section,
    },
};

const QUEUE: &str = "jobs.fifo";

pub(crate) fn rules(rules: &mut Section<'_>) {
    sending(rules);
    deduplication(rules);
    content(rules);
    order(rules);
    locks(rules);
    attempts(rules);
}

fn message(more: &Value) -> Value {
    let mut parameters = json!({ "QueueUrl": QUEUE, "MessageBody": "a", "MessageGroupId": "g" });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    parameters
}

/// Sends messages whose bodies begin with the name of their group.
fn send_all(sqs: &Sqs, messages: &[&str]) {
    for body in messages {
        sqs.send_to_group(QUEUE, body.split('-').next().unwrap(), body);
    }
}

fn receive(sqs: &Sqs, max: u32) -> Vec<Value> {
    sqs.receive_with(QUEUE, &json!({ "MaxNumberOfMessages": max }))
}

fn sending(rules: &mut Section<'_>) {
    rules.both(Recorded, "a delay of a message is refused unless it is zero, and then the queue's holds", |sqs| {
        sqs.create(QUEUE, &json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true", "DelaySeconds": "5" }));
        let text = "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not \
                    valid for this queue type.";
        sqs.call("SendMessage", &message(&json!({ "DelaySeconds": 2 }))).refused(INVALID_PARAMETER_VALUE, text);
        sqs.ok("SendMessage", &message(&json!({ "DelaySeconds": 0 })));
        assert_eq!(sqs.counts(QUEUE), [0, 0, 1]);
        sqs.pass(5);
        assert_eq!(sqs.counts(QUEUE), [1, 0, 0]);
    });
    rules.both(Recorded, "a message without a group is a missing parameter", |sqs| {
        sqs.jobs_fifo();
        let text = "The request must contain the parameter MessageGroupId.";
        let parameters = json!({ "QueueUrl": QUEUE, "MessageBody": "a", "MessageDeduplicationId": "1" });
        sqs.call("SendMessage", &parameters).refused(MISSING_PARAMETER, text);
    });
    rules.both(Recorded, "a message needs a deduplication id unless the queue makes it from the content", |sqs| {
        sqs.create(QUEUE, &json!({ "FifoQueue": "true" }));
        let text = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                    explicitly";
        sqs.call("SendMessage", &message(&json!({}))).refused(INVALID_PARAMETER_VALUE, text);
        sqs.set(QUEUE, &json!({ "ContentBasedDeduplication": "true" })).ok();
        sqs.ok("SendMessage", &message(&json!({})));
    });
    rules.both(Recorded, "a bad deduplication id is shown", |sqs| {
        sqs.jobs_fifo();
        for id in ["", "a b", &"x".repeat(129)] {
            let text = format!(
                "Value {id} for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only \
                 include alphanumeric and punctuation characters. 1 to 128 in length."
            );
            let parameters = message(&json!({ "MessageDeduplicationId": id }));
            sqs.call("SendMessage", &parameters).refused(INVALID_PARAMETER_VALUE, &text);
        }
    });
    rules.both(
        Recorded,
        "a send answers a sequence number of 20 digits that grows and stays with the message",
        |sqs| {
            sqs.jobs_fifo();
            let numbers = ["a", "b", "c"].map(|body| {
                let sent = sqs.send_to_group(QUEUE, "g", body);
                sent["SequenceNumber"].as_str().unwrap().to_owned()
            });
            assert!(numbers.is_sorted() && numbers.iter().all(|number| number.len() == 20), "{numbers:?}");
            for _ in 0..2 {
                let received = sqs.receive(QUEUE);
                let seen = received.iter().map(|message| message["Attributes"]["SequenceNumber"].as_str().unwrap());
                assert_eq!(seen.collect::<Vec<_>>(), numbers);
                sqs.pass(30);
            }
        },
    );
}

fn deduplication(rules: &mut Section<'_>) {
    rules.both(Validated, "a duplicate gets the id and number of the first, and digests of its own", |sqs| {
        sqs.jobs_fifo();
        let send = |body: &str| {
            sqs.ok("SendMessage", &message(&json!({ "MessageBody": body, "MessageDeduplicationId": "1" })))
        };
        let (first, second) = (send("hello"), send("other"));
        assert_eq!((&first["MessageId"], &first["SequenceNumber"]), (&second["MessageId"], &second["SequenceNumber"]));
        assert_eq!(first["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(second["MD5OfMessageBody"], "795f3202b17cb6bc3d4b771d8c6c9eaf");
        assert_eq!(bodies(&sqs.receive(QUEUE)), ["hello"]);
    });
    rules.both(Documented, "deduplication ends after five minutes", |sqs| {
        sqs.jobs_fifo();
        let first = sqs.send_to_group(QUEUE, "g", "a");
        sqs.pass(299);
        assert_eq!(sqs.send_to_group(QUEUE, "g", "a")["MessageId"], first["MessageId"]);
        sqs.pass(1);
        assert_ne!(sqs.send_to_group(QUEUE, "g", "a")["MessageId"], first["MessageId"]);
    });
    rules.both(Validated, "deduplication holds after the first was received and deleted", |sqs| {
        sqs.jobs_fifo();
        let first = sqs.send_to_group(QUEUE, "g", "a");
        let handle = sqs.receive(QUEUE)[0]["ReceiptHandle"].clone();
        sqs.delete(QUEUE, &handle).ok();
        assert_eq!(sqs.send_to_group(QUEUE, "g", "a")["MessageId"], first["MessageId"]);
        assert!(sqs.receive(QUEUE).is_empty());
    });
    rules.both(Recorded, "deduplication is across groups, or within each if that is the queue's scope", |sqs| {
        sqs.jobs_fifo();
        let first = sqs.send_to_group(QUEUE, "1", "a");
        assert_eq!(sqs.send_to_group(QUEUE, "2", "a")["MessageId"], first["MessageId"]);
        for (name, limit) in [("slow.fifo", "perQueue"), ("fast.fifo", "perMessageGroupId")] {
            let attributes = json!({
                "FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": limit,
            });
            sqs.create(name, &attributes);
            let first = sqs.send_to_group(name, "1", "a");
            assert_ne!(sqs.send_to_group(name, "2", "a")["MessageId"], first["MessageId"]);
            assert_eq!(sqs.send_to_group(name, "1", "a")["MessageId"], first["MessageId"]);
        }
    });
}

fn content(rules: &mut Section<'_>) {
    const SAME: &str = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5";
    rules.both(Recorded, "the id made from content is the SHA-256 of the body, and is returned", |sqs| {
        sqs.jobs_fifo();
        sqs.send_to_group(QUEUE, "g", "same");
        assert_eq!(sqs.receive(QUEUE)[0]["Attributes"]["MessageDeduplicationId"], SAME);
    });
    rules.both(Documented, "attributes do not count, and an id that is given and equal is the same", |sqs| {
        sqs.jobs_fifo();
        let first = sqs.send_to_group(QUEUE, "g", "same");
        let attributes = json!({ "x": { "DataType": "String", "StringValue": "v" } });
        for more in [
            json!({ "MessageBody": "same", "MessageAttributes": attributes }),
            json!({ "MessageDeduplicationId": SAME }),
        ] {
            assert_eq!(sqs.ok("SendMessage", &message(&more))["MessageId"], first["MessageId"]);
        }
    });
}

fn order(rules: &mut Section<'_>) {
    rules.both(Validated, "a receive takes what it can of the first group, then of the next", |sqs| {
        sqs.jobs_fifo();
        send_all(sqs, &["g1-m1", "g2-m1", "g1-m2", "g2-m2", "g1-m3"]);
        assert_eq!(bodies(&receive(sqs, 4)), ["g1-m1", "g1-m2", "g1-m3", "g2-m1"]);
    });
    rules.both(Validated, "a group whose message comes back goes to the end of the line", |sqs| {
        sqs.jobs_fifo();
        send_all(sqs, &["g1-m1", "g1-m2", "g2-m1"]);
        let received = receive(sqs, 2);
        assert_eq!(bodies(&received), ["g1-m1", "g1-m2"]);
        sqs.hide(QUEUE, &received[0]["ReceiptHandle"], 0).ok();
        assert_eq!(bodies(&receive(sqs, 3)), ["g2-m1", "g1-m1"]);
    });
    rules.both(Quoted, "a delayed message does not lock those before it", |sqs| {
        sqs.jobs_fifo();
        send_all(sqs, &["g-m1"]);
        sqs.set(QUEUE, &json!({ "DelaySeconds": "10" })).ok();
        send_all(sqs, &["g-m2"]);
        let received = sqs.receive(QUEUE);
        assert_eq!(bodies(&received), ["g-m1"]);
        sqs.delete(QUEUE, &received[0]["ReceiptHandle"]).ok();
        sqs.pass(10);
        assert_eq!(bodies(&sqs.receive(QUEUE)), ["g-m2"]);
    });
}

fn locks(rules: &mut Section<'_>) {
    rules.both(Validated, "a group is locked while any of its messages is in flight", |sqs| {
        sqs.jobs_fifo();
        send_all(sqs, &["g-m1", "g-m2", "g-m3"]);
        let received = receive(sqs, 2);
        assert!(sqs.receive(QUEUE).is_empty());
        sqs.delete(QUEUE, &received[0]["ReceiptHandle"]).ok();
        assert!(sqs.receive(QUEUE).is_empty(), "deleting some of them keeps the lock");
        send_all(sqs, &["g-m4"]);
        assert!(sqs.receive(QUEUE).is_empty(), "and so do new messages");
        sqs.delete(QUEUE, &received[1]["ReceiptHandle"]).ok();
        assert_eq!(bodies(&sqs.receive(QUEUE)), ["g-m3", "g-m4"]);
    });
    rules.both(Recorded, "a message that stays hidden longer lets those before it come back, and no others", |sqs| {
        let cases: [(usize, &[&str]); 3] = [(0, &[]), (1, &["g-foo"]), (2, &["g-foo", "g-bar"])];
        sqs.jobs_fifo();
        for (extended, expected) in cases {
            send_all(sqs, &["g-foo", "g-bar", "g-baz"]);
            let received = receive(sqs, 3);
            sqs.hide(QUEUE, &received[extended]["ReceiptHandle"], 60).ok();
            sqs.pass(30);
            assert_eq!(bodies(&sqs.receive(QUEUE)), expected, "{extended}");
            sqs.pass(60);
            sqs.ok("PurgeQueue", &json!({ "QueueUrl": QUEUE }));
        }
    });
}

fn attempts(rules: &mut Section<'_>) {
    fn attempt(sqs: &Sqs, queue: &str, id: &str) -> Vec<Value> {
        sqs.receive_with(queue, &json!({ "MaxNumberOfMessages": 10, "ReceiveRequestAttemptId": id }))
    }
    rules.both(
        Documented,
        "a receive is repeated by its attempt id: same messages, same handles, timeout anew",
        |sqs| {
            sqs.jobs_fifo();
            send_all(sqs, &["1-a", "2-b"]);
            let first = attempt(sqs, QUEUE, "once");
            assert_eq!(bodies(&first), ["1-a", "2-b"]);
            sqs.pass(20);
            let again = attempt(sqs, QUEUE, "once");
            let handles =
                |messages: &[Value]| messages.iter().map(|it| it["ReceiptHandle"].clone()).collect::<Vec<_>>();
            assert_eq!(handles(&first), handles(&again));
            assert!(attempt(sqs, QUEUE, "other").is_empty());
            sqs.pass(29);
            assert_eq!(sqs.counts(QUEUE), [0, 2, 0]);
            sqs.pass(1);
            assert_eq!(sqs.counts(QUEUE), [2, 0, 0]);
        },
    );
    rules.both(Documented, "an attempt is not repeated once a message of it was deleted or changed", |sqs| {
        sqs.jobs_fifo();
        for change in ["delete", "hide"] {
            send_all(sqs, &["1-a", "2-b"]);
            let first = attempt(sqs, QUEUE, "once");
            let handle = &first[0]["ReceiptHandle"];
            match change {
                "delete" => sqs.delete(QUEUE, handle).ok(),
                _ => sqs.hide(QUEUE, handle, 40).ok(),
            };
            assert!(attempt(sqs, QUEUE, "once").is_empty(), "{change}");
            sqs.pass(60);
            sqs.ok("PurgeQueue", &json!({ "QueueUrl": QUEUE }));
        }
    });
    rules.both(Quoted, "a standard queue accepts an attempt id and ignores it", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        assert_eq!(attempt(sqs, "jobs", "once").len(), 1);
        assert!(attempt(sqs, "jobs", "once").is_empty());
    });
}
