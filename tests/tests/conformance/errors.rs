//! The table of errors: status, `__type` of AWS JSON, code of the Query protocol; each row with a request that gets it.

use serde_json::json;

use crate::rules::{
    Evidence::{Documented, Recorded, Validated},
    Section,
};

/// How an error looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) json_type: &'static str,
    pub(crate) code: &'static str,
}

const fn row(status: u16, json_type: &'static str, code: &'static str) -> Error {
    Error { status, json_type, code }
}

pub(crate) const QUEUE_DOES_NOT_EXIST: Error =
    row(400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue");
pub(crate) const QUEUE_NAME_EXISTS: Error = row(400, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists");
pub(crate) const QUEUE_DELETED_RECENTLY: Error =
    row(400, "com.amazonaws.sqs#QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently");
pub(crate) const PURGE_QUEUE_IN_PROGRESS: Error =
    row(403, "com.amazonaws.sqs#PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress");
pub(crate) const OVER_LIMIT: Error = row(403, "com.amazonaws.sqs#OverLimit", "OverLimit");
pub(crate) const REQUEST_THROTTLED: Error = row(403, "com.amazonaws.sqs#RequestThrottled", "RequestThrottled");
pub(crate) const SERVICE_UNAVAILABLE: Error =
    row(503, "com.amazon.coral.service#ServiceUnavailableException", "ServiceUnavailable");
pub(crate) const INVALID_PARAMETER_VALUE: Error =
    row(400, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue");
pub(crate) const MISSING_PARAMETER: Error =
    row(400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter");
pub(crate) const INVALID_ATTRIBUTE_NAME: Error =
    row(400, "com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName");
pub(crate) const INVALID_ATTRIBUTE_VALUE: Error =
    row(400, "com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue");
pub(crate) const INVALID_MESSAGE_CONTENTS: Error =
    row(400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents");
pub(crate) const RECEIPT_HANDLE_IS_INVALID: Error =
    row(404, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid");
pub(crate) const EMPTY_BATCH_REQUEST: Error =
    row(400, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest");
pub(crate) const TOO_MANY_ENTRIES: Error =
    row(400, "com.amazonaws.sqs#TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
pub(crate) const BATCH_ENTRY_IDS_NOT_DISTINCT: Error =
    row(400, "com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct");
pub(crate) const INVALID_BATCH_ENTRY_ID: Error =
    row(400, "com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId");
pub(crate) const BATCH_REQUEST_TOO_LONG: Error =
    row(400, "com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong");
pub(crate) const UNSUPPORTED_OPERATION: Error =
    row(400, "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation");
pub(crate) const RESOURCE_NOT_FOUND: Error =
    row(404, "com.amazonaws.sqs#ResourceNotFoundException", "ResourceNotFoundException");
pub(crate) const UNKNOWN_OPERATION: Error =
    row(400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction");
pub(crate) const MALFORMED_INPUT: Error = row(400, "com.amazon.coral.service#SerializationException", "MalformedInput");

pub(crate) fn rules(rules: &mut Section<'_>) {
    queues(rules);
    parameters(rules);
    batches(rules);
    not_covered(rules);
}

fn queues(rules: &mut Section<'_>) {
    rules.both(Recorded, "a missing queue is 400 NonExistentQueue, also when the QueueUrl itself is missing", |sqs| {
        for parameters in [json!({ "QueueUrl": "jobs", "MessageBody": "a" }), json!({ "MessageBody": "a" })] {
            sqs.call("SendMessage", &parameters).refused_somehow(QUEUE_DOES_NOT_EXIST);
        }
    });
    rules.both(Recorded, "a queue with other attributes is 400 QueueAlreadyExists", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueName": "jobs", "Attributes": { "DelaySeconds": "1" } });
        sqs.call("CreateQueue", &parameters).refused_somehow(QUEUE_NAME_EXISTS);
    });
    rules.both(Validated, "a queue created again too early is 400 QueueDeletedRecently", |sqs| {
        sqs.jobs();
        sqs.ok("DeleteQueue", &json!({ "QueueUrl": "jobs" }));
        sqs.call("CreateQueue", &json!({ "QueueName": "jobs" })).refused_somehow(QUEUE_DELETED_RECENTLY);
    });
    rules.both(Recorded, "a second purge too early is 403 PurgeQueueInProgress", |sqs| {
        sqs.jobs();
        sqs.ok("PurgeQueue", &json!({ "QueueUrl": "jobs" }));
        sqs.call("PurgeQueue", &json!({ "QueueUrl": "jobs" })).refused_somehow(PURGE_QUEUE_IN_PROGRESS);
    });
    rules.both(Recorded, "an unknown attribute name is 400 InvalidAttributeName", |sqs| {
        sqs.jobs();
        sqs.set("jobs", &json!({ "Foobar": "1" })).refused_somehow(INVALID_ATTRIBUTE_NAME);
    });
    rules.both(Recorded, "a bad attribute value is 400 InvalidAttributeValue", |sqs| {
        sqs.jobs();
        sqs.set("jobs", &json!({ "DelaySeconds": "901" })).refused_somehow(INVALID_ATTRIBUTE_VALUE);
    });
    rules.both(Recorded, "a missing resource of a move task is 404 ResourceNotFoundException", |sqs| {
        let parameters = json!({ "SourceArn": "arn:aws:sqs:us-east-1:000000000000:nothing" });
        sqs.call("StartMessageMoveTask", &parameters).refused_somehow(RESOURCE_NOT_FOUND);
    });
    rules.both(Documented, "more than a limit is 403 OverLimit", |sqs| {
        sqs.jobs();
        let actions = ["*"; 8];
        let parameters =
            json!({ "QueueUrl": "jobs", "Label": "a", "AWSAccountIds": ["111122223333"], "Actions": actions });
        sqs.call("AddPermission", &parameters).refused_somehow(OVER_LIMIT);
    });
}

fn parameters(rules: &mut Section<'_>) {
    rules.both(Recorded, "a bad parameter is 400 InvalidParameterValue", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueUrl": "jobs", "MaxNumberOfMessages": 11 });
        sqs.call("ReceiveMessage", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
    });
    rules.both(Recorded, "a missing parameter is 400 MissingParameter", |sqs| {
        sqs.jobs();
        sqs.call("SendMessage", &json!({ "QueueUrl": "jobs" })).refused_somehow(MISSING_PARAMETER);
    });
    rules.both(Recorded, "a bad character in a body is 400 InvalidMessageContents", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueUrl": "jobs", "MessageBody": "\u{ffff}" });
        sqs.call("SendMessage", &parameters).refused_somehow(INVALID_MESSAGE_CONTENTS);
    });
    rules.both(Recorded, "a garbage receipt handle is 404 ReceiptHandleIsInvalid", |sqs| {
        sqs.jobs();
        sqs.delete("jobs", &json!("garbage")).refused_somehow(RECEIPT_HANDLE_IS_INVALID);
    });
    rules.both(Recorded, "list values of a message attribute are 400 UnsupportedOperation", |sqs| {
        sqs.jobs();
        let attributes = json!({ "x": { "DataType": "String", "StringListValues": ["a"] } });
        let parameters = json!({ "QueueUrl": "jobs", "MessageBody": "a", "MessageAttributes": attributes });
        sqs.call("SendMessage", &parameters).refused_somehow(UNSUPPORTED_OPERATION);
    });
    rules.both(Recorded, "an unknown operation is 400 UnknownOperationException with the code InvalidAction", |sqs| {
        sqs.call("DropQueue", &json!({})).refused_somehow(UNKNOWN_OPERATION);
    });
    rules.json(Recorded, "malformed JSON, or JSON that is no object, is 400 SerializationException", |sqs| {
        for body in ["{", "[]", "\"\"", "1", "null", "{\"QueueName\":}", "{} {}"] {
            let request = crate::client::json_request("CreateQueue", body.to_owned());
            sqs.raw(request).refused_somehow(MALFORMED_INPUT);
        }
    });
}

fn batches(rules: &mut Section<'_>) {
    rules.both(Recorded, "the errors of a whole batch are 400 and have names of their own", |sqs| {
        sqs.jobs();
        let send = |entries| sqs.call("SendMessageBatch", &json!({ "QueueUrl": "jobs", "Entries": entries }));
        let entry = |id: &str| json!({ "Id": id, "MessageBody": "a" });
        let long = json!({ "Id": "1", "MessageBody": "x".repeat(1_048_577) });
        let eleven = (0..11).map(|id| entry(&id.to_string())).collect::<Vec<_>>();
        send(json!([])).refused_somehow(EMPTY_BATCH_REQUEST);
        send(json!(eleven)).refused_somehow(TOO_MANY_ENTRIES);
        send(json!([entry("1"), entry("1")])).refused_somehow(BATCH_ENTRY_IDS_NOT_DISTINCT);
        send(json!([entry("a b")])).refused_somehow(INVALID_BATCH_ENTRY_ID);
        send(json!([long])).refused_somehow(BATCH_REQUEST_TOO_LONG);
    });
}

fn not_covered(rules: &mut Section<'_>) {
    rules.not_covered(
        Documented,
        "a message that is not in flight is 400 MessageNotInflight",
        "recordings show other answers in every known case: an expired timeout is 200, a deleted message is \
         InvalidParameterValue",
    );
    rules.not_covered(
        Recorded,
        "credentials that lack, are unknown, badly signed or malformed have four errors of their own",
        "requests are not authenticated: the emulator serves this machine only (AccessDenied, InvalidClientTokenId and \
         SignatureDoesNotMatch would be 403, IncompleteSignature 400)",
    );
}
