//! Message move tasks.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    client::{START_MILLIS, Sqs, bodies},
    errors::{INVALID_PARAMETER_VALUE, MISSING_PARAMETER, RESOURCE_NOT_FOUND},
    rules::{
        Evidence::{Documented, Recorded, Unverified},
        Section,
    },
};

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

pub(crate) fn rules(rules: &mut Section<'_>) {
    starting(rules);
    wording(rules);
    moving(rules);
    statuses(rules);
    cancelling(rules);
    handles(rules);
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

/// Creates `dead`, and queues that give up their messages to it after one receive.
fn create(sqs: &Sqs, sources: &[&str]) {
    sqs.create("dead", &json!({}));
    let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": 1 }).to_string();
    for source in sources {
        sqs.create(source, &json!({ "RedrivePolicy": policy }));
    }
}

/// Lets a queue give up a message.
fn bury(sqs: &Sqs, queue: &str, body: &str) {
    sqs.send(queue, body);
    let handle = sqs.receive(queue)[0]["ReceiptHandle"].clone();
    sqs.hide(queue, &handle, 0).ok();
    assert!(sqs.receive(queue).is_empty());
}

fn start(sqs: &Sqs, parameters: &Value) -> String {
    let started = sqs.ok("StartMessageMoveTask", parameters);
    started["TaskHandle"].as_str().unwrap().to_owned()
}

fn tasks(sqs: &Sqs) -> Vec<Value> {
    let listed = sqs.ok("ListMessageMoveTasks", &json!({ "SourceArn": DEAD, "MaxResults": 10 }));
    listed["Results"].as_array().unwrap().clone()
}

fn starting(rules: &mut Section<'_>) {
    rules.both(Recorded, "only a dead-letter queue can be a source", |sqs| {
        sqs.jobs();
        let text = "Source queue must be configured as a Dead Letter Queue.";
        sqs.call("StartMessageMoveTask", &json!({ "SourceArn": arn("jobs") })).refused(INVALID_PARAMETER_VALUE, text);
    });
    rules.both(Recorded, "a source or a destination that is not there is named", |sqs| {
        create(sqs, &["jobs"]);
        let text = "The resource that you specified for the SourceArn parameter doesn't exist.";
        for operation in ["StartMessageMoveTask", "ListMessageMoveTasks"] {
            sqs.call(operation, &json!({ "SourceArn": arn("nothing") })).refused(RESOURCE_NOT_FOUND, text);
        }
        let parameters = json!({ "SourceArn": DEAD, "DestinationArn": arn("nothing") });
        let text = "The resource that you specified for the DestinationArn parameter doesn't exist.";
        sqs.call("StartMessageMoveTask", &parameters).refused(RESOURCE_NOT_FOUND, text);
    });
    rules.both(Recorded, "a source has one task at a time", |sqs| {
        create(sqs, &["jobs"]);
        for body in ["a", "b"] {
            bury(sqs, "jobs", body);
        }
        start(sqs, &json!({ "SourceArn": DEAD, "MaxNumberOfMessagesPerSecond": 1 }));
        let text = "There is already a task running. Only one active task is allowed for a source queue arn at a given \
                    time.";
        sqs.call("StartMessageMoveTask", &json!({ "SourceArn": DEAD })).refused(INVALID_PARAMETER_VALUE, text);
        sqs.pass(1);
        start(sqs, &json!({ "SourceArn": DEAD }));
    });
}

fn wording(rules: &mut Section<'_>) {
    rules.both(Unverified, "an ARN that is none is told how to look", |sqs| {
        create(sqs, &["jobs"]);
        let format = "arn:<partition>:<service>:<region>:<account-id>:<resource-id>";
        for name in ["SourceArn", "DestinationArn"] {
            let mut parameters = json!({ "SourceArn": DEAD });
            parameters[name] = json!("dead");
            let text = format!("You must use this format to specify the {name}: {format}");
            sqs.call("StartMessageMoveTask", &parameters).refused(INVALID_PARAMETER_VALUE, &text);
        }
        let text = "The request must contain the parameter SourceArn.";
        sqs.call("StartMessageMoveTask", &json!({})).refused(MISSING_PARAMETER, text);
    });
    rules.both(Unverified, "the texts about one queue twice, another type, and a rate outside of 1 to 500", |sqs| {
        create(sqs, &["jobs"]);
        sqs.jobs_fifo();
        let refused = |more: Value, text: &str| {
            let mut parameters = json!({ "SourceArn": DEAD });
            parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            sqs.call("StartMessageMoveTask", &parameters).refused(INVALID_PARAMETER_VALUE, text);
        };
        let text = "Source queue arn and destination queue arn cannot be the same.";
        refused(json!({ "DestinationArn": DEAD }), text);
        let text = "The source queue and destination queue must be of the same queue type.";
        refused(json!({ "DestinationArn": arn("jobs.fifo") }), text);
        let text = "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's \
                    between 1 and 500.";
        for rate in [0, 501, -1] {
            refused(json!({ "MaxNumberOfMessagesPerSecond": rate }), text);
        }
    });
    rules.both(Unverified, "the texts about a list outside of 1 to 10, and of a queue that is no dead-letter queue", |sqs| {
        create(sqs, &["jobs"]);
        for max in [0, 11, -1] {
            let text = "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and \
                        10.";
            let parameters = json!({ "SourceArn": DEAD, "MaxResults": max });
            sqs.call("ListMessageMoveTasks", &parameters).refused(INVALID_PARAMETER_VALUE, text);
        }
        let text = "Source queue must be configured as a Dead Letter Queue.";
        sqs.call("ListMessageMoveTasks", &json!({ "SourceArn": arn("jobs") })).refused(INVALID_PARAMETER_VALUE, text);
        assert_eq!(sqs.ok("ListMessageMoveTasks", &json!({ "SourceArn": DEAD })), json!({}));
    });
}

fn moving(rules: &mut Section<'_>) {
    rules.both(Recorded, "without a destination every message goes back to its own source", |sqs| {
        create(sqs, &["one", "two"]);
        bury(sqs, "one", "1");
        bury(sqs, "two", "2");
        assert_eq!(sqs.counts("dead"), [2, 0, 0]);
        start(sqs, &json!({ "SourceArn": DEAD }));
        assert_eq!(sqs.counts("dead"), [0, 0, 0]);
        assert_eq!((bodies(&sqs.receive("one")), bodies(&sqs.receive("two"))), (vec!["1"], vec!["2"]));
    });
    rules.both(Documented, "with a destination every message goes there, at the rate that was asked for", |sqs| {
        create(sqs, &["jobs"]);
        sqs.create("other", &json!({}));
        for body in ["a", "b", "c"] {
            bury(sqs, "jobs", body);
        }
        start(sqs, &json!({ "SourceArn": DEAD, "DestinationArn": arn("other"), "MaxNumberOfMessagesPerSecond": 1 }));
        for moved in [1, 2, 3] {
            assert_eq!(sqs.counts("other"), [moved, 0, 0]);
            sqs.pass(1);
        }
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
    rules.both(
        Documented,
        "a message that was moved is as one sent anew: it has an id, a time and counts of its own",
        |sqs| {
            create(sqs, &["jobs"]);
            bury(sqs, "jobs", "a");
            let dead = sqs.receive("dead").remove(0);
            sqs.pass(30);
            start(sqs, &json!({ "SourceArn": DEAD }));
            let moved = sqs.receive("jobs").remove(0);
            assert_ne!(moved["MessageId"], dead["MessageId"]);
            assert_eq!(moved["Attributes"]["ApproximateReceiveCount"], "1");
            assert_eq!(moved["Attributes"]["SentTimestamp"], (START_MILLIS + 30_000).to_string());
            assert!(moved["Attributes"].get("DeadLetterQueueSourceArn").is_none());
        },
    );
}

fn statuses(rules: &mut Section<'_>) {
    rules.both(Recorded, "a running task shows its handle, one that has ended does not, nor what was not asked for", |sqs| {
        create(sqs, &["jobs"]);
        for body in ["a", "b"] {
            bury(sqs, "jobs", body);
        }
        let handle = start(sqs, &json!({ "SourceArn": DEAD, "MaxNumberOfMessagesPerSecond": 1 }));
        let mut expected = json!({
            "ApproximateNumberOfMessagesMoved": 1, "ApproximateNumberOfMessagesToMove": 2,
            "MaxNumberOfMessagesPerSecond": 1, "SourceArn": DEAD, "StartedTimestamp": START_MILLIS,
            "Status": "RUNNING", "TaskHandle": handle,
        });
        assert_eq!(tasks(sqs), [expected.clone()]);
        sqs.pass(1);
        expected["Status"] = json!("COMPLETED");
        expected["ApproximateNumberOfMessagesMoved"] = json!(2);
        expected.as_object_mut().unwrap().remove("TaskHandle");
        assert_eq!(tasks(sqs), [expected.clone()]);
        start(sqs, &json!({ "SourceArn": DEAD, "DestinationArn": arn("jobs") }));
        let newest = sqs.ok("ListMessageMoveTasks", &json!({ "SourceArn": DEAD }))["Results"].clone();
        let expected_newest = json!([{
            "ApproximateNumberOfMessagesMoved": 0, "ApproximateNumberOfMessagesToMove": 0, "DestinationArn": arn("jobs"),
            "SourceArn": DEAD, "StartedTimestamp": START_MILLIS + 1_000, "Status": "COMPLETED",
        }]);
        assert_eq!(newest, expected_newest, "one task, the newest, unless more are asked for");
        assert_eq!(tasks(sqs).len(), 2);
    });
    rules.both(Recorded, "a task fails when its destination is deleted, and says so", |sqs| {
        create(sqs, &["jobs"]);
        for body in ["a", "b"] {
            bury(sqs, "jobs", body);
        }
        start(sqs, &json!({ "SourceArn": DEAD, "MaxNumberOfMessagesPerSecond": 1 }));
        sqs.ok("DeleteQueue", &json!({ "QueueUrl": "jobs" }));
        sqs.pass(1);
        let task = tasks(sqs).remove(0);
        assert_eq!((&task["Status"], task.get("TaskHandle")), (&json!("FAILED"), None));
        assert_eq!(task["FailureReason"], "AWS.SimpleQueueService.NonExistentQueue");
    });
    rules.both(Unverified, "a task without destination fails at a message that no queue gave up", |sqs| {
        create(sqs, &["jobs"]);
        sqs.send("dead", "a");
        start(sqs, &json!({ "SourceArn": DEAD }));
        let task = tasks(sqs).remove(0);
        assert_eq!(
            (&task["Status"], &task["FailureReason"]),
            (&json!("FAILED"), &json!("CouldNotDetermineMessageSource"))
        );
        assert_eq!(sqs.counts("dead"), [1, 0, 0]);
    });
}

fn cancelling(rules: &mut Section<'_>) {
    rules.both(Recorded, "cancelling answers what was moved so far, and the task is CANCELLED", |sqs| {
        create(sqs, &["jobs"]);
        for body in ["a", "b", "c"] {
            bury(sqs, "jobs", body);
        }
        let handle = start(sqs, &json!({ "SourceArn": DEAD, "MaxNumberOfMessagesPerSecond": 1 }));
        sqs.pass(1);
        let cancelled = sqs.ok("CancelMessageMoveTask", &json!({ "TaskHandle": handle }));
        assert_eq!(cancelled, json!({ "ApproximateNumberOfMessagesMoved": 2 }));
        sqs.pass(10);
        let task = tasks(sqs).remove(0);
        assert_eq!((&task["Status"], task.get("TaskHandle")), (&json!("CANCELLED"), None));
        assert_eq!(sqs.counts("dead"), [1, 0, 0]);
    });
    rules.both(Unverified, "a task that has ended cannot be cancelled", |sqs| {
        create(sqs, &["jobs"]);
        let handle = start(sqs, &json!({ "SourceArn": DEAD }));
        let text = "Only active tasks can be cancelled.";
        sqs.call("CancelMessageMoveTask", &json!({ "TaskHandle": handle })).refused(INVALID_PARAMETER_VALUE, text);
    });
    rules.not_covered(
        Recorded,
        "after a cancel the count may still have grown, from 2 to 8 of 10",
        "real asynchrony: here a task that is cancelled has stopped",
    );
}

fn handles(rules: &mut Section<'_>) {
    fn cancel(sqs: &Sqs, handle: &str) -> crate::client::Answer {
        sqs.call("CancelMessageMoveTask", &json!({ "TaskHandle": handle }))
    }
    rules.both(Recorded, "a handle is base64 of a JSON object of task and source, in this order", |sqs| {
        create(sqs, &["jobs"]);
        let handle = start(sqs, &json!({ "SourceArn": DEAD }));
        let text = String::from_utf8(BASE64_STANDARD.decode(handle).unwrap()).unwrap();
        let id = text.strip_prefix("{\"taskId\":\"").unwrap().strip_suffix(&format!("\",\"sourceArn\":\"{DEAD}\"}}"));
        assert_eq!(id.unwrap().len(), 36);
    });
    rules.both(Recorded, "a handle of garbage, of no task, or of no queue is told apart", |sqs| {
        create(sqs, &["jobs"]);
        let encode = |text: String| BASE64_STANDARD.encode(text);
        for garbage in ["garbage", "!", &encode("{}".to_owned()), &encode("x".to_owned())] {
            cancel(sqs, garbage).refused(INVALID_PARAMETER_VALUE, "Value for parameter TaskHandle is invalid.");
        }
        let id = "10000000-0000-4000-8000-000000000000";
        let handle = |source: &str| encode(format!("{{\"taskId\":\"{id}\",\"sourceArn\":\"{source}\"}}"));
        cancel(sqs, &handle(DEAD)).refused(RESOURCE_NOT_FOUND, "Task does not exist.");
        let text = "The resource that you specified for the SourceArn parameter doesn't exist.";
        cancel(sqs, &handle(&arn("nothing"))).refused(RESOURCE_NOT_FOUND, text);
    });
}
