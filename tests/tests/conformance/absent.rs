//! What is absent, null, or empty: every parameter of every action.

use serde_json::{Value, json};

use crate::{
    client::{Protocol, Sqs},
    errors::{
        EMPTY_BATCH_REQUEST, Error, INVALID_BATCH_ENTRY_ID, INVALID_PARAMETER_VALUE, MALFORMED_INPUT,
        QUEUE_DOES_NOT_EXIST,
    },
    rules::{
        Evidence::{Recorded, Unverified},
        Section,
    },
};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

/// Every action with every parameter.
fn requests() -> [(&'static str, Value); 23] {
    let attributes = json!({ "n": { "DataType": "String", "StringValue": "v" } });
    let trace = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } });
    let sent = json!({
        "MessageBody": "a", "DelaySeconds": 0, "MessageAttributes": attributes, "MessageSystemAttributes": trace,
        "MessageDeduplicationId": "d", "MessageGroupId": "g",
    });
    let of = |queue: &str, more: Value| {
        let mut parameters = more;
        parameters["QueueUrl"] = json!(queue);
        parameters
    };
    let entry = |more: &Value| {
        let mut entry = more.clone();
        entry["Id"] = json!("1");
        json!({ "Entries": [entry] })
    };
    let handle = json!({ "ReceiptHandle": "garbage" });
    let hidden = json!({ "ReceiptHandle": "garbage", "VisibilityTimeout": 1 });
    let page = json!({ "MaxResults": 1, "NextToken": "YWZ0ZXI6YQ==" });
    let received = json!({
        "AttributeNames": ["All"], "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"],
        "MaxNumberOfMessages": 1, "VisibilityTimeout": 1, "WaitTimeSeconds": 0, "ReceiveRequestAttemptId": "a",
    });
    let permission = json!({ "Label": "l", "AWSAccountIds": ["111122223333"], "Actions": ["SendMessage"] });
    let mut queues = page.clone();
    queues["QueueNamePrefix"] = json!("jobs");
    let moved = json!({ "SourceArn": QUEUE, "DestinationArn": QUEUE, "MaxNumberOfMessagesPerSecond": 1 });
    [
        ("AddPermission", of("jobs", permission)),
        ("CancelMessageMoveTask", json!({ "TaskHandle": "garbage" })),
        ("ChangeMessageVisibility", of("jobs", hidden.clone())),
        ("ChangeMessageVisibilityBatch", of("jobs", entry(&hidden))),
        ("CreateQueue", json!({ "QueueName": "new", "Attributes": { "DelaySeconds": "1" }, "tags": { "a": "b" } })),
        ("DeleteMessage", of("jobs", handle.clone())),
        ("DeleteMessageBatch", of("jobs", entry(&handle))),
        ("DeleteQueue", of("jobs", json!({}))),
        ("GetQueueAttributes", of("jobs", json!({ "AttributeNames": ["All"] }))),
        ("GetQueueUrl", json!({ "QueueName": "jobs", "QueueOwnerAWSAccountId": "000000000000" })),
        ("ListDeadLetterSourceQueues", of("dead", page)),
        ("ListMessageMoveTasks", json!({ "SourceArn": QUEUE, "MaxResults": 1 })),
        ("ListQueueTags", of("jobs", json!({}))),
        ("ListQueues", queues),
        ("PurgeQueue", of("jobs", json!({}))),
        ("ReceiveMessage", of("jobs.fifo", received)),
        ("RemovePermission", of("jobs", json!({ "Label": "l" }))),
        ("SendMessage", of("jobs.fifo", sent.clone())),
        ("SendMessageBatch", of("jobs.fifo", entry(&sent))),
        ("SetQueueAttributes", of("jobs", json!({ "Attributes": { "DelaySeconds": "1" } }))),
        ("StartMessageMoveTask", moved),
        ("TagQueue", of("jobs", json!({ "Tags": { "a": "b" } }))),
        ("UntagQueue", of("jobs", json!({ "TagKeys": ["a"] }))),
    ]
}

/// Where the parameters of a request are: at the top, in the first entry, and in message attributes.
fn places(request: &Value) -> Vec<String> {
    let members = |at: &str| {
        let names = request.pointer(at).and_then(Value::as_object).into_iter().flat_map(|members| members.keys());
        names.map(|name| format!("{at}/{name}")).collect::<Vec<_>>()
    };
    let inside = ["", "/Entries/0", "/MessageAttributes/n", "/Entries/0/MessageAttributes/n"];
    inside.into_iter().flat_map(members).collect()
}

/// A request in which the parameter at this place is another value, or is not there.
fn with(request: &Value, place: &str, value: Option<Value>) -> Value {
    let mut request = request.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let members = request.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    request
}

/// The answer of an emulator that has just begun, so that answers can be compared.
fn ask(protocol: Protocol, action: &str, request: &Value) -> (u16, String) {
    let answer = prepared(protocol).call(action, request);
    (answer.status, answer.body)
}

fn prepared(protocol: Protocol) -> Sqs {
    let sqs = Sqs::new(protocol);
    sqs.create("dead", &json!({}));
    let redrive = json!({ "deadLetterTargetArn": QUEUE, "maxReceiveCount": 1 }).to_string();
    sqs.create("jobs", &json!({ "RedrivePolicy": redrive }));
    sqs.jobs_fifo();
    sqs.send_to_group("jobs.fifo", "g", "a");
    sqs
}

fn empty(value: &Value) -> Value {
    match value {
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
        _ => json!(""),
    }
}

/// How an empty value is refused that is not as one that is absent.
fn refusal(protocol: Protocol, place: &str, value: &Value) -> Option<Error> {
    match place.rsplit('/').next().unwrap() {
        _ if value.is_number() => Some(MALFORMED_INPUT),
        "Entries" if protocol == Protocol::Json => Some(EMPTY_BATCH_REQUEST),
        "Id" => Some(INVALID_BATCH_ENTRY_ID),
        "NextToken" | "ReceiveRequestAttemptId" => Some(INVALID_PARAMETER_VALUE),
        "QueueOwnerAWSAccountId" => Some(QUEUE_DOES_NOT_EXIST),
        _ => None,
    }
}

const EMPTY: &str = "an empty value is absence, but for numbers, entries, ids, tokens and accounts, of every action";

pub(crate) fn rules(rules: &mut Section<'_>) {
    rules.json(Unverified, "null is absence, for every parameter of every action", |_| {
        for (action, request) in requests() {
            for place in places(&request) {
                let null = ask(Protocol::Json, action, &with(&request, &place, Some(Value::Null)));
                let absent = ask(Protocol::Json, action, &with(&request, &place, None));
                assert_eq!(null, absent, "{action} {place}");
            }
        }
    });
    rules.both(Unverified, EMPTY, |sqs| {
        for (action, request) in requests() {
            for place in places(&request) {
                let value = request.pointer(&place).unwrap();
                let empty = with(&request, &place, Some(empty(value)));
                // The ids of groups and duplicates have a rule of their own.
                if place.ends_with("MessageGroupId") || place.ends_with("MessageDeduplicationId") {
                    continue;
                }
                if let Some(error) = refusal(sqs.protocol, &place, value) {
                    prepared(sqs.protocol).call(action, &empty).refused_somehow(error);
                    continue;
                }
                let absent = ask(sqs.protocol, action, &with(&request, &place, None));
                assert_eq!(ask(sqs.protocol, action, &empty), absent, "{action} {place}");
            }
        }
    });
    rules.both(Recorded, "an empty id of a group or a duplicate is shown, and not absent", |sqs| {
        let sqs = prepared(sqs.protocol);
        for name in ["MessageGroupId", "MessageDeduplicationId"] {
            let (_, request) = requests().into_iter().find(|(action, _)| *action == "SendMessage").unwrap();
            let text = format!(
                "Value  for parameter {name} is invalid. Reason: {name} can only include alphanumeric and punctuation \
                 characters. 1 to 128 in length."
            );
            let request = with(&request, &format!("/{name}"), Some(json!("")));
            sqs.call("SendMessage", &request).refused(INVALID_PARAMETER_VALUE, &text);
        }
    });
}
