//! `CreateQueue`: names, types, attributes, repetition.

use serde_json::{Value, json};

use crate::{
    errors::{
        INVALID_ATTRIBUTE_NAME, INVALID_ATTRIBUTE_VALUE, INVALID_PARAMETER_VALUE, OVER_LIMIT, QUEUE_DELETED_RECENTLY,
        QUEUE_NAME_EXISTS,
    },
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    names(rules);
    fifo(rules);
    repetition(rules);
    values(rules);
    defaults(rules);
}

fn names(rules: &mut Section<'_>) {
    // brenda#19.
    rules.both(Quoted, "the text about a bad queue name", |sqs| {
        let text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        for name in ["a b", "a.b", "\u{fc}", "a/b", &"q".repeat(81), ".fifo"] {
            let answer = sqs.call("CreateQueue", &json!({ "QueueName": name }));
            answer.refused(INVALID_PARAMETER_VALUE, text);
        }
    });
    rules.both(Recorded, "a name is 1 to 80 letters, digits, hyphens or underscores, and .fifo counts", |sqs| {
        let longest = ["q".repeat(80), format!("{}.fifo", "q".repeat(75))];
        for name in ["a", "Jobs-2_x", &longest[0]] {
            sqs.create(name, &json!({}));
        }
        sqs.create(&longest[1], &json!({ "FifoQueue": "true" }));
        let attributes = json!({ "FifoQueue": "true" });
        for name in ["q".repeat(81), format!("{}.fifo", "q".repeat(76))] {
            let parameters = json!({ "QueueName": name, "Attributes": attributes });
            sqs.call("CreateQueue", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
        }
    });
    rules.both(Unverified, "no name, or an empty one, is a bad parameter and not a missing one", |sqs| {
        let text = "Value for parameter QueueName is invalid. Reason: Must specify a queue name.";
        for operation in ["CreateQueue", "GetQueueUrl"] {
            sqs.call(operation, &json!({})).refused(INVALID_PARAMETER_VALUE, text);
            sqs.call(operation, &json!({ "QueueName": "" })).refused(INVALID_PARAMETER_VALUE, text);
        }
    });
}

fn fifo(rules: &mut Section<'_>) {
    rules.both(Recorded, "the suffix .fifo and FifoQueue=true need each other", |sqs| {
        let cases = [
            ("jobs.fifo", json!({})),
            ("jobs.fifo", json!({ "FifoQueue": "false" })),
            ("jobs", json!({ "FifoQueue": "true" })),
        ];
        for (name, attributes) in cases {
            let parameters = json!({ "QueueName": name, "Attributes": attributes });
            sqs.call("CreateQueue", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
        }
    });
    rules.both(Validated, "booleans are read in any case", |sqs| {
        let flags =
            json!({ "FifoQueue": "True", "ContentBasedDeduplication": "TRUE", "SqsManagedSseEnabled": "False" });
        sqs.create("jobs.fifo", &flags);
        let expected =
            [("FifoQueue", "true"), ("ContentBasedDeduplication", "true"), ("SqsManagedSseEnabled", "false")];
        for (name, value) in expected {
            assert_eq!(sqs.attributes("jobs.fifo")[name], value);
        }
        sqs.set("jobs.fifo", &json!({ "ContentBasedDeduplication": "False" })).ok();
        assert_eq!(sqs.attributes("jobs.fifo")["ContentBasedDeduplication"], "false");
        let text = "Invalid value for the parameter ContentBasedDeduplication.";
        for value in ["yes", "1", "", " true"] {
            let answer = sqs.set("jobs.fifo", &json!({ "ContentBasedDeduplication": value }));
            answer.refused(INVALID_ATTRIBUTE_VALUE, text);
        }
        let parameters = json!({ "QueueName": "jobs", "Attributes": { "FifoQueue": "False" } });
        sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_NAME, "Unknown Attribute FifoQueue.");
    });
    rules.both(Recorded, "FifoQueue=false is an unknown attribute of a standard queue", |sqs| {
        let parameters = json!({ "QueueName": "jobs", "Attributes": { "FifoQueue": "false" } });
        sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_NAME, "Unknown Attribute FifoQueue.");
    });
    rules.both(Recorded, "ContentBasedDeduplication is an unknown attribute of a standard queue", |sqs| {
        let parameters = json!({ "QueueName": "jobs", "Attributes": { "ContentBasedDeduplication": "true" } });
        let answer = sqs.call("CreateQueue", &parameters);
        answer.refused(INVALID_ATTRIBUTE_NAME, "Unknown Attribute ContentBasedDeduplication.");
        sqs.jobs();
        sqs.call("CreateQueue", &parameters).refused_somehow(INVALID_ATTRIBUTE_NAME);
    });
    rules.both(Recorded, "the two attributes of high throughput say that they need FifoQueue", |sqs| {
        for (name, value) in [("DeduplicationScope", "queue"), ("FifoThroughputLimit", "perQueue")] {
            let parameters = json!({ "QueueName": "jobs", "Attributes": { name: value } });
            let text = format!("You can specify the {name} only when FifoQueue is set to true.");
            sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_NAME, &text);
        }
    });
    rules.both(Unverified, "perMessageGroupId without the scope messageGroup is a bad attribute value", |sqs| {
        let attributes = json!({ "FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId" });
        let parameters = json!({ "QueueName": "jobs.fifo", "Attributes": attributes });
        let text = "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup";
        sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_VALUE, text);
    });
}

fn repetition(rules: &mut Section<'_>) {
    rules.both(
        Validated,
        "creating a queue again compares only the attributes that are named, as they are now",
        |sqs| {
            let url = sqs.create("jobs", &json!({ "DelaySeconds": "1", "VisibilityTimeout": "2" }));
            assert_eq!(sqs.create("jobs", &json!({})), url);
            assert_eq!(sqs.create("jobs", &json!({ "DelaySeconds": "1" })), url);
            sqs.set("jobs", &json!({ "DelaySeconds": "3" })).ok();
            assert_eq!(sqs.create("jobs", &json!({ "DelaySeconds": "3" })), url);
            let parameters = json!({ "QueueName": "jobs", "Attributes": { "DelaySeconds": "1" } });
            sqs.call("CreateQueue", &parameters).refused_somehow(QUEUE_NAME_EXISTS);
        },
    );
    rules.both(Recorded, "the first attribute that differs is named, without a full stop", |sqs| {
        sqs.jobs();
        let attributes = json!({ "DelaySeconds": "2", "VisibilityTimeout": "2" });
        let text = "A queue already exists with the same name and a different value for attribute DelaySeconds";
        let parameters = json!({ "QueueName": "jobs", "Attributes": attributes });
        sqs.call("CreateQueue", &parameters).refused(QUEUE_NAME_EXISTS, text);
    });
    rules.query(Unverified, "the first attribute is the first by name, in whatever order they are given", |sqs| {
        sqs.jobs();
        let form = "Action=CreateQueue&QueueName=jobs&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=2\
                    &Attribute.2.Name=DelaySeconds&Attribute.2.Value=2";
        let text = "A queue already exists with the same name and a different value for attribute DelaySeconds";
        sqs.raw(crate::client::form_request("/", form.to_owned())).refused(QUEUE_NAME_EXISTS, text);
    });
    rules.both(Validated, "a name can be used again 60 seconds after the queue was deleted", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        sqs.ok("DeleteQueue", &json!({ "QueueUrl": "jobs" }));
        sqs.pass(59);
        let text = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        sqs.call("CreateQueue", &json!({ "QueueName": "jobs" })).refused(QUEUE_DELETED_RECENTLY, text);
        sqs.pass(1);
        sqs.jobs();
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
}

fn values(rules: &mut Section<'_>) {
    // airflow#65592.
    rules.both(Quoted, "a number out of its range is a bad attribute value, which is named", |sqs| {
        let cases = [
            ("DelaySeconds", ["901", "-1", "abc"]),
            ("VisibilityTimeout", ["43201", "-1", ""]),
            ("MessageRetentionPeriod", ["59", "1209601", "1.5"]),
            ("MaximumMessageSize", ["1023", "1048577", "abc"]),
            ("ReceiveMessageWaitTimeSeconds", ["21", "-1", "abc"]),
            ("KmsDataKeyReusePeriodSeconds", ["59", "86401", "abc"]),
        ];
        for (name, values) in cases {
            for value in values {
                let parameters = json!({ "QueueName": "jobs", "Attributes": { name: value } });
                let text = format!("Invalid value for the parameter {name}.");
                sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_VALUE, &text);
            }
        }
    });
    rules.both(Documented, "the ends of each range are in it", |sqs| {
        let lowest = json!({
            "DelaySeconds": "0", "VisibilityTimeout": "0", "MessageRetentionPeriod": "60", "MaximumMessageSize": "1024",
            "ReceiveMessageWaitTimeSeconds": "0", "KmsDataKeyReusePeriodSeconds": "60",
        });
        let highest = json!({
            "DelaySeconds": "900", "VisibilityTimeout": "43200", "MessageRetentionPeriod": "1209600",
            "MaximumMessageSize": "1048576", "ReceiveMessageWaitTimeSeconds": "20",
            "KmsDataKeyReusePeriodSeconds": "86400",
        });
        sqs.create("low", &lowest);
        sqs.create("high", &highest);
    });
    rules.both(Unverified, "an attribute is checked before it is compared with that of a queue that is there", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueName": "jobs", "Attributes": { "DelaySeconds": "901" } });
        sqs.call("CreateQueue", &parameters).refused_somehow(INVALID_ATTRIBUTE_VALUE);
    });
    rules.both(Unverified, "a policy has at most 20 statements", |sqs| {
        let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*" });
        let policy = |count| json!({ "Statement": vec![statement.clone(); count] }).to_string();
        sqs.create("jobs", &json!({ "Policy": policy(20) }));
        let parameters = json!({ "QueueName": "more", "Attributes": { "Policy": policy(22) } });
        let text = "22 statements were found in the submitted policy, max allowed is 20";
        sqs.call("CreateQueue", &parameters).refused(OVER_LIMIT, text);
    });
}

fn defaults(rules: &mut Section<'_>) {
    fn standard() -> Value {
        json!({
            "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0", "CreatedTimestamp": "1800000000", "DelaySeconds": "0",
            "LastModifiedTimestamp": "1800000000", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
            "QueueArn": "arn:aws:sqs:us-east-1:000000000000:jobs", "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
        })
    }
    rules.both(Recorded, "a new standard queue shows twelve attributes, and no policy or key", |sqs| {
        sqs.jobs();
        assert_eq!(sqs.attributes("jobs"), standard());
    });
    rules.both(Recorded, "a new FIFO queue shows four more", |sqs| {
        sqs.create("jobs.fifo", &json!({ "FifoQueue": "true" }));
        let mut expected = standard();
        expected["QueueArn"] = json!("arn:aws:sqs:us-east-1:000000000000:jobs.fifo");
        let fifo = json!({
            "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoQueue": "true",
            "FifoThroughputLimit": "perQueue",
        });
        expected.as_object_mut().unwrap().extend(fifo.as_object().unwrap().clone());
        assert_eq!(sqs.attributes("jobs.fifo"), expected);
    });
    rules.both(Quoted, "tags of a new queue are stored at once", |sqs| {
        sqs.ok("CreateQueue", &json!({ "QueueName": "jobs", "tags": { "team": "images", "empty": "" } }));
        let tags = sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" }));
        assert_eq!(tags, json!({ "Tags": { "empty": "", "team": "images" } }));
    });
    rules.both(Unverified, "too many tags create no queue", |sqs| {
        let many = (0..51).map(|tag| (format!("t{tag:02}"), json!("v"))).collect::<serde_json::Map<_, _>>();
        let parameters = json!({ "QueueName": "jobs", "tags": many });
        sqs.call("CreateQueue", &parameters).refused(INVALID_PARAMETER_VALUE, "Too many tags added for queue jobs.");
        assert_eq!(sqs.ok("ListQueues", &json!({})), json!({}));
    });
    // dramatiq_sqs#13, amazon-sqs-java-temporary-queues-client#70.
    rules.both(Quoted, "a queue with other tags, or without any, is not created again with tags", |sqs| {
        let create = |tags: Value| sqs.call("CreateQueue", &json!({ "QueueName": "jobs", "tags": tags }));
        sqs.jobs();
        create(json!({ "team": "first" })).refused_somehow(QUEUE_NAME_EXISTS);
        let tags = json!({ "team": "first", "stage": "test" });
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": tags }));
        for other in [json!({ "team": "second", "stage": "test" }), json!({ "team": "first" }), json!({ "x": "y" })] {
            create(other).refused_somehow(QUEUE_NAME_EXISTS);
        }
        create(tags.clone()).ok();
        sqs.jobs();
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({ "Tags": tags }));
    });
}
