//! `GetQueueAttributes` and `SetQueueAttributes`.

use serde_json::json;

use crate::{
    errors::{INVALID_ATTRIBUTE_NAME, INVALID_ATTRIBUTE_VALUE, MISSING_PARAMETER, QUEUE_DOES_NOT_EXIST},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    asking(rules);
    setting(rules);
    encryption(rules);
    effects(rules);
}

fn asking(rules: &mut Section<'_>) {
    rules.both(Documented, "without names there is no Attributes member", |sqs| {
        sqs.jobs();
        assert_eq!(sqs.ok("GetQueueAttributes", &json!({ "QueueUrl": "jobs" })), json!({}));
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": [] });
        assert_eq!(sqs.ok("GetQueueAttributes", &parameters), json!({}));
    });
    rules.both(Validated, "an unknown name is named", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["DelaySeconds", "Foobar"] });
        sqs.call("GetQueueAttributes", &parameters).refused(INVALID_ATTRIBUTE_NAME, "Unknown Attribute Foobar.");
    });
    // aws-sdk-ruby#1350.
    rules.both(Quoted, "FifoQueue is an unknown attribute to those who ask a standard queue for it", |sqs| {
        sqs.jobs();
        sqs.jobs_fifo();
        for names in [json!(["FifoQueue"]), json!(["All", "FifoQueue"])] {
            let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": names });
            sqs.call("GetQueueAttributes", &parameters).refused(INVALID_ATTRIBUTE_NAME, "Unknown Attribute FifoQueue.");
        }
        let parameters = json!({ "QueueUrl": "jobs.fifo", "AttributeNames": ["FifoQueue"] });
        assert_eq!(sqs.ok("GetQueueAttributes", &parameters), json!({ "Attributes": { "FifoQueue": "true" } }));
    });
    rules.both(Documented, "only what is asked for and exists is answered", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["Policy", "DelaySeconds", "DelaySeconds"] });
        let answer = sqs.ok("GetQueueAttributes", &parameters);
        assert_eq!(answer, json!({ "Attributes": { "DelaySeconds": "0" } }));
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["RedrivePolicy"] });
        assert_eq!(sqs.ok("GetQueueAttributes", &parameters), json!({}));
    });
    rules.both(Validated, "on a FIFO queue messages behind a locked group still count as visible", |sqs| {
        sqs.jobs_fifo();
        for (group, body) in [("1", "a"), ("1", "b"), ("2", "c"), ("2", "d"), ("3", "e"), ("3", "f")] {
            sqs.send_to_group("jobs.fifo", group, body);
        }
        assert_eq!(sqs.counts("jobs.fifo"), [6, 0, 0]);
        sqs.receive_with("jobs.fifo", &json!({ "MaxNumberOfMessages": 1 }));
        sqs.receive_with("jobs.fifo", &json!({ "MaxNumberOfMessages": 1 }));
        assert_eq!(sqs.counts("jobs.fifo"), [4, 2, 0]);
    });
}

fn setting(rules: &mut Section<'_>) {
    rules.both(Recorded, "an unknown name cannot be set", |sqs| {
        sqs.jobs();
        sqs.set("jobs", &json!({ "Foobar": "1" })).refused(INVALID_ATTRIBUTE_NAME, "Unknown Attribute Foobar.");
    });
    rules.both(Unverified, "a name that is only for reading is unknown to those who set it", |sqs| {
        sqs.jobs();
        for name in ["QueueArn", "CreatedTimestamp", "ApproximateNumberOfMessages", "All"] {
            let text = format!("Unknown Attribute {name}.");
            sqs.set("jobs", &json!({ name: "1" })).refused(INVALID_ATTRIBUTE_NAME, &text);
        }
    });
    rules.both(Recorded, "a value out of its range is refused, and nothing is changed", |sqs| {
        sqs.jobs();
        let answer = sqs.set("jobs", &json!({ "DelaySeconds": "5", "VisibilityTimeout": "43201" }));
        answer.refused_somehow(INVALID_ATTRIBUTE_VALUE);
        assert_eq!(sqs.attributes("jobs")["DelaySeconds"], "0");
    });
    rules.both(Recorded, "the type of a FIFO queue can be set to what it is, and not changed", |sqs| {
        sqs.jobs_fifo();
        sqs.set("jobs.fifo", &json!({ "FifoQueue": "true" })).ok();
        let text = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
        sqs.set("jobs.fifo", &json!({ "FifoQueue": "false" })).refused(INVALID_ATTRIBUTE_VALUE, text);
    });
    rules.both(Recorded, "FifoQueue is an unknown attribute of a standard queue, whatever its value", |sqs| {
        sqs.jobs();
        for value in ["true", "false", "maybe"] {
            let text = "Unknown Attribute FifoQueue.";
            sqs.set("jobs", &json!({ "FifoQueue": value })).refused(INVALID_ATTRIBUTE_NAME, text);
            let parameters = json!({ "QueueName": "more", "Attributes": { "FifoQueue": value } });
            if value != "true" {
                sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_NAME, text);
            }
        }
    });
    rules.both(Validated, "an empty text removes a policy", |sqs| {
        sqs.create("dead", &json!({}));
        let redrive = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":1}";
        let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
        sqs.create("jobs", &json!({ "Policy": policy, "RedrivePolicy": redrive }));
        let before = sqs.attributes("jobs");
        assert_eq!((before["Policy"].as_str(), before["RedrivePolicy"].as_str()), (Some(&*policy), Some(redrive)));
        sqs.set("jobs", &json!({ "Policy": "", "RedrivePolicy": "" })).ok();
        let after = sqs.attributes("jobs");
        assert_eq!((after.get("Policy"), after.get("RedrivePolicy")), (None, None));
        assert_eq!(sqs.ok("ListDeadLetterSourceQueues", &json!({ "QueueUrl": "dead" })), json!({}));
    });
    // pulumi-aws#5959.
    rules.both(Quoted, "no attributes to set, or an empty map of them, is a missing parameter", |sqs| {
        sqs.jobs();
        let text = "The request must contain the parameter Attribute.Name.";
        sqs.call("SetQueueAttributes", &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, text);
        sqs.set("jobs", &json!({})).refused(MISSING_PARAMETER, text);
    });
    rules.both(Recorded, "a queue that is not there has no attributes to ask for or to set", |sqs| {
        sqs.set("jobs", &json!({ "DelaySeconds": "1" })).refused_somehow(QUEUE_DOES_NOT_EXIST);
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["All"] });
        sqs.call("GetQueueAttributes", &parameters).refused_somehow(QUEUE_DOES_NOT_EXIST);
    });
}

fn encryption(rules: &mut Section<'_>) {
    rules.both(
        Recorded,
        "a key turns the queue's own encryption off, and removing it does not turn it on again",
        |sqs| {
            let shown = |names: [&str; 3]| {
                let attributes = sqs.attributes("jobs");
                names.map(|name| attributes[name].as_str().map(str::to_owned))
            };
            let names = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];
            let some = |text: &str| Some(text.to_owned());
            sqs.jobs();
            sqs.set("jobs", &json!({ "KmsMasterKeyId": "alias/aws/sqs" })).ok();
            assert_eq!(shown(names), [some("alias/aws/sqs"), some("300"), some("false")]);
            sqs.set("jobs", &json!({ "KmsMasterKeyId": "", "KmsDataKeyReusePeriodSeconds": "300" })).ok();
            assert_eq!(shown(names), [None, None, some("false")]);
        },
    );
    rules.both(Recorded, "both kinds of encryption in one request are refused", |sqs| {
        sqs.jobs();
        let text = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or \
                    SQS SSE.";
        let attributes = json!({ "KmsMasterKeyId": "alias/aws/sqs", "SqsManagedSseEnabled": "true" });
        sqs.set("jobs", &attributes).refused(INVALID_ATTRIBUTE_NAME, text);
        let parameters = json!({ "QueueName": "more", "Attributes": attributes });
        sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_NAME, text);
    });
}

fn effects(rules: &mut Section<'_>) {
    rules.both(Documented, "a shorter retention period holds for messages that are already there", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        sqs.pass(59);
        sqs.set("jobs", &json!({ "MessageRetentionPeriod": "60" })).ok();
        assert_eq!(sqs.counts("jobs"), [1, 0, 0]);
        sqs.pass(1);
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
    rules.both(Documented, "setting an attribute moves LastModifiedTimestamp, not CreatedTimestamp", |sqs| {
        sqs.jobs();
        sqs.pass(100);
        sqs.set("jobs", &json!({ "DelaySeconds": "1" })).ok();
        let attributes = sqs.attributes("jobs");
        assert_eq!(attributes["CreatedTimestamp"], "1800000000");
        assert_eq!(attributes["LastModifiedTimestamp"], "1800000100");
    });
    rules.not_covered(
        Recorded,
        "a new DeduplicationScope does not take effect within the seconds observed",
        "when it does is not known; here every change holds at once",
    );
}
