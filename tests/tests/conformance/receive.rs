//! `ReceiveMessage`: ranges, what a message shows, long polls.

use serde_json::{Value, json};

use crate::{
    client::{Protocol, START_MILLIS, bodies},
    errors::INVALID_PARAMETER_VALUE,
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    ranges(rules);
    shapes(rules);
    system_attributes(rules);
    timeouts(rules);
    waiting(rules);
}

fn ranges(rules: &mut Section<'_>) {
    fn refused(sqs: &crate::client::Sqs, name: &str, values: &[i64], reason: &str) {
        sqs.jobs();
        for value in values {
            let text = format!("Value {value} for parameter {name} is invalid. Reason: {reason}");
            let parameters = json!({ "QueueUrl": "jobs", name: value });
            sqs.call("ReceiveMessage", &parameters).refused(INVALID_PARAMETER_VALUE, &text);
        }
    }
    rules.both(Recorded, "MaxNumberOfMessages is 1 to 10", |sqs| {
        refused(sqs, "MaxNumberOfMessages", &[11, 0, -1], "Must be between 1 and 10, if provided.");
    });
    rules.both(Recorded, "WaitTimeSeconds is 0 to 20", |sqs| {
        refused(sqs, "WaitTimeSeconds", &[21, -1], "Must be >= 0 and <= 20, if provided.");
    });
    rules.both(Unverified, "VisibilityTimeout is 0 to 43200, in these words", |sqs| {
        refused(sqs, "VisibilityTimeout", &[43_201, -1], "Must be >= 0 and <= 43200, if provided.");
    });
}

fn shapes(rules: &mut Section<'_>) {
    rules.both(Recorded, "nothing to receive is no Messages member", |sqs| {
        sqs.jobs();
        assert_eq!(sqs.ok("ReceiveMessage", &json!({ "QueueUrl": "jobs" })), json!({}));
    });
    rules.both(Recorded, "a message that is asked for nothing shows body, digest, id and handle", |sqs| {
        sqs.jobs();
        let attributes = json!({ "x": { "DataType": "String", "StringValue": "v" } });
        sqs.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "a", "MessageAttributes": attributes }));
        let message = sqs.ok("ReceiveMessage", &json!({ "QueueUrl": "jobs" }))["Messages"][0].clone();
        let names = message.as_object().unwrap().keys().collect::<Vec<_>>();
        assert_eq!(names, ["Body", "MD5OfBody", "MessageId", "ReceiptHandle"]);
    });
    rules.both(Recorded, "a receipt handle is 412 characters of base64 that begin with AQEB", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let message = sqs.receive("jobs").remove(0);
        let handle = message["ReceiptHandle"].as_str().unwrap();
        assert!(handle.starts_with("AQEB") && handle.len() == 412, "{handle}");
        assert!(handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)), "{handle}");
    });
    rules.both(Documented, "one message is handed out unless more are asked for", |sqs| {
        sqs.jobs();
        for body in ["a", "b"] {
            sqs.send("jobs", body);
        }
        let received = sqs.ok("ReceiveMessage", &json!({ "QueueUrl": "jobs" }));
        assert_eq!(received["Messages"].as_array().unwrap().len(), 1);
    });
    rules.both(Validated, "on a standard queue a message that comes back is next, by when it was first sent", |sqs| {
        sqs.jobs();
        for body in ["a", "b", "c", "d"] {
            sqs.send("jobs", body);
        }
        let one =
            |timeout: i64| sqs.receive_with("jobs", &json!({ "MaxNumberOfMessages": 1, "VisibilityTimeout": timeout }));
        let (first, second, third) = (one(20), one(10), one(30));
        assert_eq!(bodies(&[first, second, third.clone()].concat()), ["a", "b", "c"]);
        sqs.pass(20);
        sqs.hide("jobs", &third[0]["ReceiptHandle"], 0).ok();
        sqs.send("jobs", "e");
        let received = sqs.receive_with("jobs", &json!({ "MaxNumberOfMessages": 10 }));
        assert_eq!(bodies(&received), ["a", "b", "c", "d", "e"]);
    });
    rules.both(Unverified, "on a standard queue a message whose delay ends stands before those sent after it", |sqs| {
        sqs.jobs();
        sqs.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "a", "DelaySeconds": 5 }));
        sqs.send("jobs", "b");
        sqs.pass(5);
        let received = sqs.receive_with("jobs", &json!({ "MaxNumberOfMessages": 10 }));
        assert_eq!(bodies(&received), ["a", "b"]);
    });
    rules.not_covered(
        Recorded,
        "the order of a standard queue is not strict: five messages came as 1, 2, 4, 5, 3",
        "not an order that could be promised; here it is that of arrival, save for fair queues",
    );
}

fn system_attributes(rules: &mut Section<'_>) {
    rules.both(Recorded, "All shows the attributes that exist, with times in milliseconds", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        sqs.pass(2);
        let expected = json!({
            "ApproximateFirstReceiveTimestamp": (START_MILLIS + 2_000).to_string(),
            "ApproximateReceiveCount": "1",
            "SenderId": "000000000000",
            "SentTimestamp": START_MILLIS.to_string(),
        });
        assert_eq!(sqs.receive("jobs")[0]["Attributes"], expected);
        sqs.pass(30);
        let again = sqs.receive("jobs")[0]["Attributes"].clone();
        assert_eq!(again["ApproximateReceiveCount"], "2");
        assert_eq!(again["ApproximateFirstReceiveTimestamp"], expected["ApproximateFirstReceiveTimestamp"]);
    });
    rules.both(Recorded, "All of a FIFO message shows group, deduplication id and sequence number too", |sqs| {
        sqs.jobs_fifo();
        sqs.send_to_group("jobs.fifo", "g", "a");
        let attributes = sqs.receive("jobs.fifo")[0]["Attributes"].clone();
        let names = attributes.as_object().unwrap().keys().collect::<Vec<_>>();
        let expected = [
            "ApproximateFirstReceiveTimestamp",
            "ApproximateReceiveCount",
            "MessageDeduplicationId",
            "MessageGroupId",
            "SenderId",
            "SentTimestamp",
            "SequenceNumber",
        ];
        assert_eq!(names, expected);
    });
    rules.both(Recorded, "of the two lists of names JSON follows both, and Query only AttributeNames", |sqs| {
        sqs.create("jobs", &json!({ "VisibilityTimeout": "0" }));
        sqs.send("jobs", "a");
        let names = |parameters: Value| {
            let mut parameters = parameters;
            parameters["QueueUrl"] = json!("jobs");
            let received = sqs.ok("ReceiveMessage", &parameters)["Messages"][0]["Attributes"].clone();
            received.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let old = json!({ "AttributeNames": ["SenderId"] });
        let new = json!({ "MessageSystemAttributeNames": ["SentTimestamp"] });
        let both = json!({ "AttributeNames": ["SenderId"], "MessageSystemAttributeNames": ["SentTimestamp"] });
        assert_eq!((names(old), names(new)), (vec!["SenderId".to_owned()], vec!["SentTimestamp".to_owned()]));
        let expected: &[&str] = match sqs.protocol {
            Protocol::Json => &["SenderId", "SentTimestamp"],
            Protocol::Query => &["SenderId"],
        };
        assert_eq!(names(both), expected);
    });
    // boto3#4272, aws-sdk-js#1988, aws-sdk-js#292.
    rules.both(Quoted, "names of attributes that messages do not have are ignored", |sqs| {
        sqs.create("jobs", &json!({ "VisibilityTimeout": "0" }));
        sqs.send("jobs", "a");
        for list in ["AttributeNames", "MessageSystemAttributeNames"] {
            for unknown in ["Foobar", "All ", "VisibilityTimeout", "Policy | VisibilityTimeout"] {
                let received = sqs.ok("ReceiveMessage", &json!({ "QueueUrl": "jobs", list: [unknown] }));
                assert!(received["Messages"][0].get("Attributes").is_none(), "{unknown}");
                let received = sqs.ok("ReceiveMessage", &json!({ "QueueUrl": "jobs", list: [unknown, "SenderId"] }));
                assert_eq!(received["Messages"][0]["Attributes"], json!({ "SenderId": "000000000000" }), "{unknown}");
            }
        }
    });
}

fn timeouts(rules: &mut Section<'_>) {
    rules.both(Validated, "a receive with a timeout of zero hands a message out once and leaves it visible", |sqs| {
        sqs.jobs();
        sqs.jobs_fifo();
        for body in ["a", "b", "c"] {
            sqs.send("jobs", body);
            sqs.send_to_group("jobs.fifo", "g", body);
        }
        for queue in ["jobs", "jobs.fifo"] {
            for _ in 0..2 {
                let parameters = json!({ "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
                let received = sqs.receive_with(queue, &parameters);
                assert_eq!(bodies(&received), ["a", "b", "c"]);
                assert_eq!(sqs.counts(queue), [3, 0, 0]);
            }
        }
    });
    rules.both(Documented, "a timeout of the request goes before the queue's", |sqs| {
        sqs.create("jobs", &json!({ "VisibilityTimeout": "10" }));
        sqs.send("jobs", "a");
        assert_eq!(sqs.receive("jobs").len(), 1);
        sqs.pass(10);
        assert_eq!(sqs.receive_with("jobs", &json!({ "VisibilityTimeout": 20 })).len(), 1);
        sqs.pass(19);
        assert!(sqs.receive("jobs").is_empty());
        sqs.pass(1);
        assert_eq!(sqs.receive("jobs").len(), 1);
    });
}

fn waiting(rules: &mut Section<'_>) {
    rules.both(Documented, "a receive that waits is answered by the next message, or with nothing in the end", |sqs| {
        sqs.jobs();
        let wait = || sqs.start("ReceiveMessage", &json!({ "QueueUrl": "jobs", "WaitTimeSeconds": 20 }));
        let (mut first, mut second) = (wait(), wait());
        assert!(first.is_waiting() && second.is_waiting());
        sqs.pass(19);
        sqs.send("jobs", "a");
        assert!(second.is_waiting(), "the one that waits longest is served");
        assert_eq!(first.answer().ok()["Messages"][0]["Body"], "a");
        sqs.pass(1);
        sqs.counts("jobs");
        assert_eq!(second.answer().ok(), json!({}));
    });
    rules.both(
        Documented,
        "the queue's own wait holds for a receive that does not say, and zero does not wait",
        |sqs| {
            sqs.create("jobs", &json!({ "ReceiveMessageWaitTimeSeconds": "3" }));
            let mut waiting = sqs.start("ReceiveMessage", &json!({ "QueueUrl": "jobs" }));
            assert!(waiting.is_waiting());
            let parameters = json!({ "QueueUrl": "jobs", "WaitTimeSeconds": 0 });
            assert_eq!(sqs.ok("ReceiveMessage", &parameters), json!({}));
        },
    );
}
