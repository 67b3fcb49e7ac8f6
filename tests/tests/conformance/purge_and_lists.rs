//! `GetQueueUrl`, `ListQueues`, `DeleteQueue`, `PurgeQueue`.

use serde_json::{Value, json};

use crate::{
    client::{Protocol, Sqs},
    errors::{INVALID_PARAMETER_VALUE, PURGE_QUEUE_IN_PROGRESS, QUEUE_DOES_NOT_EXIST},
    rules::{
        Evidence::{Documented, Recorded, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    missing(rules);
    lists(rules);
    purges(rules);
    deletes(rules);
}

fn missing(rules: &mut Section<'_>) {
    rules.both(Recorded, "a missing queue is worded differently in each protocol", |sqs| {
        let text = match sqs.protocol {
            Protocol::Json => "The specified queue does not exist.",
            Protocol::Query => "The specified queue does not exist for this wsdl version.",
        };
        sqs.call("GetQueueUrl", &json!({ "QueueName": "jobs" })).refused(QUEUE_DOES_NOT_EXIST, text);
        sqs.call("PurgeQueue", &json!({ "QueueUrl": "jobs" })).refused(QUEUE_DOES_NOT_EXIST, text);
    });
    rules.both(Recorded, "deleting a missing queue is refused, although old documentation says otherwise", |sqs| {
        sqs.call("DeleteQueue", &json!({ "QueueUrl": "jobs" })).refused_somehow(QUEUE_DOES_NOT_EXIST);
    });
}

fn create_many(sqs: &Sqs, count: usize) -> Vec<Value> {
    (0..count).map(|number| json!(sqs.create(&format!("queue-{number:04}"), &json!({})))).collect()
}

fn lists(rules: &mut Section<'_>) {
    rules.both(Recorded, "a list without a result has no QueueUrls member", |sqs| {
        assert_eq!(sqs.ok("ListQueues", &json!({})), json!({}));
        sqs.jobs();
        assert_eq!(sqs.ok("ListQueues", &json!({ "QueueNamePrefix": "x" })), json!({}));
    });
    rules.both(Recorded, "pages are given only to those who ask for them, and the last has no token", |sqs| {
        let urls = create_many(sqs, 5);
        assert_eq!(sqs.ok("ListQueues", &json!({})), json!({ "QueueUrls": urls }));
        let mut seen = Vec::new();
        let mut parameters = json!({ "MaxResults": 2, "QueueNamePrefix": "queue-" });
        for last in [false, false, true] {
            let page = sqs.ok("ListQueues", &parameters);
            assert_eq!(page.get("NextToken").is_none(), last);
            seen.extend(page["QueueUrls"].as_array().unwrap().clone());
            parameters["NextToken"] = page["NextToken"].clone();
        }
        assert_eq!(seen, urls);
        let exact = sqs.ok("ListQueues", &json!({ "MaxResults": 5 }));
        assert_eq!(exact, json!({ "QueueUrls": urls }));
    });
    rules.both(Documented, "a list has at most 1,000 queues", |sqs| {
        create_many(sqs, 1_001);
        for parameters in [json!({}), json!({ "MaxResults": 1_000 })] {
            let page = sqs.ok("ListQueues", &parameters);
            assert_eq!(page["QueueUrls"].as_array().unwrap().len(), 1_000);
            assert_eq!(page.get("NextToken").is_some(), parameters.get("MaxResults").is_some());
        }
    });
    rules.both(Unverified, "the texts about a bad token and about MaxResults outside of 1 to 1,000", |sqs| {
        sqs.create("dead", &json!({}));
        for operation in ["ListQueues", "ListDeadLetterSourceQueues"] {
            let call = |more: Value| {
                let mut parameters = json!({ "QueueUrl": "dead" });
                parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                sqs.call(operation, &parameters)
            };
            for token in ["garbage!", "am9icw==", "x"] {
                let answer = call(json!({ "NextToken": token, "MaxResults": 1 }));
                answer.refused(INVALID_PARAMETER_VALUE, "Invalid or expired next token.");
            }
            let text = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and \
                        1000.";
            for max in [0, 1_001, -1] {
                call(json!({ "MaxResults": max })).refused(INVALID_PARAMETER_VALUE, text);
            }
        }
    });
    rules.both(Documented, "sources of a dead-letter queue come in pages too", |sqs| {
        sqs.create("dead", &json!({}));
        let policy = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1 });
        for name in ["a", "b", "c"] {
            sqs.create(name, &json!({ "RedrivePolicy": policy.to_string() }));
        }
        let first = sqs.ok("ListDeadLetterSourceQueues", &json!({ "QueueUrl": "dead", "MaxResults": 2 }));
        assert_eq!(first["queueUrls"].as_array().unwrap().len(), 2);
        let parameters = json!({ "QueueUrl": "dead", "MaxResults": 2, "NextToken": first["NextToken"] });
        let last = sqs.ok("ListDeadLetterSourceQueues", &parameters);
        assert_eq!(last, json!({ "queueUrls": ["http://localhost:9324/000000000000/c"] }));
    });
}

fn purges(rules: &mut Section<'_>) {
    rules.both(Recorded, "a queue can be purged once in 60 seconds, and the error has its name", |sqs| {
        sqs.jobs();
        let purge = || sqs.call("PurgeQueue", &json!({ "QueueUrl": "jobs" }));
        purge().ok();
        sqs.pass(59);
        let text = "Only one PurgeQueue operation on jobs is allowed every 60 seconds.";
        purge().refused(PURGE_QUEUE_IN_PROGRESS, text);
        sqs.pass(1);
        purge().ok();
    });
    rules.both(
        Validated,
        "a purge removes messages in every place, and forgets what was sent for deduplication",
        |sqs| {
            sqs.jobs();
            sqs.send("jobs", "in flight");
            sqs.receive("jobs");
            sqs.send("jobs", "visible");
            sqs.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "delayed", "DelaySeconds": 5 }));
            assert_eq!(sqs.counts("jobs"), [1, 1, 1]);
            sqs.ok("PurgeQueue", &json!({ "QueueUrl": "jobs" }));
            assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
            sqs.pass(60);
            assert!(sqs.receive("jobs").is_empty());

            sqs.jobs_fifo();
            let first = sqs.send_to_group("jobs.fifo", "1", "a");
            assert_eq!(sqs.send_to_group("jobs.fifo", "1", "a")["MessageId"], first["MessageId"]);
            sqs.ok("PurgeQueue", &json!({ "QueueUrl": "jobs.fifo" }));
            assert_ne!(sqs.send_to_group("jobs.fifo", "1", "a")["MessageId"], first["MessageId"]);
            assert_eq!(sqs.receive("jobs.fifo").len(), 1);
        },
    );
    rules.not_covered(
        Documented,
        "a purge takes up to 60 seconds, within which messages can still be received, and new ones vanish",
        "real asynchrony: here a purge is done when it is answered",
    );
}

fn deletes(rules: &mut Section<'_>) {
    rules.both(Unverified, "a receive that waits for a queue ends with an error when the queue is deleted", |sqs| {
        sqs.jobs();
        let mut waiting = sqs.start("ReceiveMessage", &json!({ "QueueUrl": "jobs", "WaitTimeSeconds": 20 }));
        assert!(waiting.is_waiting());
        sqs.ok("DeleteQueue", &json!({ "QueueUrl": "jobs" }));
        waiting.answer().refused_somehow(QUEUE_DOES_NOT_EXIST);
    });
    rules.not_covered(
        Documented,
        "requests may still succeed for up to 60 seconds after DeleteQueue",
        "real asynchrony: here a queue is gone when DeleteQueue is answered",
    );
}
