//! `DeleteMessage` and `ChangeMessageVisibility`: handles that are old, expired, foreign, or of deleted messages.

use serde_json::{Value, json};

use crate::{
    client::{Sqs, bodies},
    errors::{INVALID_PARAMETER_VALUE, MISSING_PARAMETER, RECEIPT_HANDLE_IS_INVALID},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    deleting(rules);
    fifo(rules);
    bad_handles(rules);
    changing(rules);
    limits(rules);
}

/// Sends a message and receives it; its handle.
fn received(sqs: &Sqs, queue: &str) -> Value {
    sqs.send_to_group(queue, "g", "a");
    sqs.receive(queue)[0]["ReceiptHandle"].clone()
}

fn deleting(rules: &mut Section<'_>) {
    rules.both(Recorded, "on a standard queue an expired handle deletes the message", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.pass(31);
        assert_eq!(sqs.counts("jobs"), [1, 0, 0]);
        sqs.delete("jobs", &handle).ok();
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
    rules.both(Recorded, "deleting a message twice succeeds", |sqs| {
        sqs.jobs();
        sqs.jobs_fifo();
        for queue in ["jobs", "jobs.fifo"] {
            let handle = received(sqs, queue);
            sqs.delete(queue, &handle).ok();
            sqs.delete(queue, &handle).ok();
        }
    });
    rules.both(Unverified, "on a standard queue an older handle deletes a message that was received again", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.pass(30);
        assert_eq!(sqs.receive("jobs").len(), 1);
        sqs.delete("jobs", &handle).ok();
        sqs.pass(30);
        assert!(sqs.receive("jobs").is_empty());
    });
}

fn fifo(rules: &mut Section<'_>) {
    rules.both(Recorded, "on a FIFO queue an expired handle is refused, and shown", |sqs| {
        sqs.jobs_fifo();
        let handle = received(sqs, "jobs.fifo");
        sqs.pass(30);
        let shown = handle.as_str().unwrap();
        let text =
            format!("Value {shown} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.");
        sqs.delete("jobs.fifo", &handle).refused(INVALID_PARAMETER_VALUE, &text);
        assert_eq!(sqs.receive("jobs.fifo").len(), 1);
        sqs.delete("jobs.fifo", &handle).refused(INVALID_PARAMETER_VALUE, &text);
    });
    rules.both(Recorded, "on a FIFO queue a handle that was extended works", |sqs| {
        sqs.jobs_fifo();
        let handle = received(sqs, "jobs.fifo");
        sqs.hide("jobs.fifo", &handle, 60).ok();
        sqs.pass(59);
        sqs.delete("jobs.fifo", &handle).ok();
        assert_eq!(sqs.counts("jobs.fifo"), [0, 0, 0]);
    });
}

fn bad_handles(rules: &mut Section<'_>) {
    rules.both(Unverified, "a garbage handle is shown", |sqs| {
        sqs.jobs();
        let text = "The input receipt handle \"garbage\" is not a valid receipt handle.";
        sqs.delete("jobs", &json!("garbage")).refused(RECEIPT_HANDLE_IS_INVALID, text);
        sqs.hide("jobs", &json!("garbage"), 1).refused(RECEIPT_HANDLE_IS_INVALID, text);
        let shown = "\u{e4}".repeat(1_024);
        let text = format!("The input receipt handle \"{shown}\" is not a valid receipt handle.");
        sqs.delete("jobs", &json!("\u{e4}".repeat(9_999))).refused(RECEIPT_HANDLE_IS_INVALID, &text);
    });
    // PyQS#24, aws-sdk-java-v2#3101.
    rules.both(Quoted, "a handle of another queue is shown", |sqs| {
        sqs.jobs();
        sqs.create("other", &json!({}));
        let handle = received(sqs, "other");
        let text = format!("The receipt handle {handle} is not valid for this queue.");
        sqs.delete("jobs", &handle).refused(RECEIPT_HANDLE_IS_INVALID, &text);
        sqs.hide("jobs", &handle, 1).refused(RECEIPT_HANDLE_IS_INVALID, &text);
        let entries = json!([{ "Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": 1 }]);
        for action in ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
            let failed = sqs.ok(action, &json!({ "QueueUrl": "jobs", "Entries": entries }))["Failed"][0].clone();
            assert_eq!((&failed["Code"], &failed["Message"]), (&json!("ReceiptHandleIsInvalid"), &json!(text)));
        }
        assert_eq!(sqs.counts("other"), [0, 1, 0]);
    });
    rules.both(Recorded, "a handle or a timeout that lacks is a missing parameter", |sqs| {
        sqs.jobs();
        sqs.call("DeleteMessage", &json!({ "QueueUrl": "jobs" })).refused_somehow(MISSING_PARAMETER);
        let parameters = json!({ "QueueUrl": "jobs", "ReceiptHandle": received(sqs, "jobs") });
        sqs.call("ChangeMessageVisibility", &parameters).refused_somehow(MISSING_PARAMETER);
    });
    // aws-sdk-js-v3#5478, aws-sdk-js-v3#6092.
    rules.both(Quoted, "DeleteMessage calls the handle that lacks MessageHandle", |sqs| {
        sqs.jobs();
        let text = "The request must contain the parameter MessageHandle.";
        sqs.call("DeleteMessage", &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, text);
    });
    rules.both(Unverified, "the texts about a handle or a timeout that a change of visibility lacks", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        let text = "The request must contain the parameter ReceiptHandle.";
        let parameters = json!({ "QueueUrl": "jobs", "VisibilityTimeout": 1 });
        sqs.call("ChangeMessageVisibility", &parameters).refused(MISSING_PARAMETER, text);
        let parameters = json!({ "QueueUrl": "jobs", "ReceiptHandle": handle });
        let text = "The request must contain the parameter VisibilityTimeout.";
        sqs.call("ChangeMessageVisibility", &parameters).refused(MISSING_PARAMETER, text);
    });
}

fn changing(rules: &mut Section<'_>) {
    rules.both(Documented, "the new timeout begins at the call", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.pass(20);
        sqs.hide("jobs", &handle, 15).ok();
        sqs.pass(14);
        assert!(sqs.receive("jobs").is_empty());
        sqs.pass(1);
        assert_eq!(sqs.receive("jobs").len(), 1);
    });
    rules.both(Validated, "on a standard queue an older handle still changes the visibility", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let first = sqs.receive_with("jobs", &json!({ "VisibilityTimeout": 0 }))[0]["ReceiptHandle"].clone();
        assert_eq!(sqs.receive("jobs").len(), 1);
        assert_eq!(sqs.counts("jobs"), [0, 1, 0]);
        sqs.hide("jobs", &first, 0).ok();
        assert_eq!(sqs.counts("jobs"), [1, 0, 0]);
    });
    rules.both(Recorded, "a timeout that has ended can be set again, and the message is hidden anew", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.pass(30);
        assert_eq!(sqs.counts("jobs"), [1, 0, 0]);
        sqs.hide("jobs", &handle, 10).ok();
        assert_eq!(sqs.counts("jobs"), [0, 1, 0]);
        assert!(sqs.receive("jobs").is_empty());
    });
    rules.both(Validated, "a deleted message's visibility cannot be changed, and the handle is shown", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.delete("jobs", &handle).ok();
        let shown = handle.as_str().unwrap();
        let text = format!(
            "Value {shown} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
             for visibility timeout change."
        );
        sqs.hide("jobs", &handle, 10).refused(INVALID_PARAMETER_VALUE, &text);
    });
    rules.both(Validated, "a change changes neither the count of receives nor the timeouts to come", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.hide("jobs", &handle, 0).ok();
        let again = sqs.receive("jobs");
        assert_eq!(bodies(&again), ["a"]);
        assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
        sqs.pass(29);
        assert!(sqs.receive("jobs").is_empty());
        sqs.pass(1);
        assert_eq!(sqs.receive("jobs").len(), 1);
    });
}

fn limits(rules: &mut Section<'_>) {
    rules.both(Quoted, "a message is hidden for at most 43,200 seconds from its receive, and nothing is shortened", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        sqs.hide("jobs", &handle, 43_200).ok();
        sqs.pass(10);
        for seconds in [43_200, 43_191] {
            let text = format!(
                "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the \
                 message is beyond the limit [43200 seconds]"
            );
            sqs.hide("jobs", &handle, seconds).refused(INVALID_PARAMETER_VALUE, &text);
        }
        sqs.hide("jobs", &handle, 43_190).ok();
    });
    rules.both(Unverified, "a timeout outside of 0 to 43200 is shown", |sqs| {
        sqs.jobs();
        let handle = received(sqs, "jobs");
        for seconds in [-20, 43_201] {
            let text = format!(
                "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an \
                 integer between 0 and 43200."
            );
            sqs.hide("jobs", &handle, seconds).refused(INVALID_PARAMETER_VALUE, &text);
        }
    });
}
