//! Characters that no name has and no XML can hold, in every place where a request can have text.

use serde_json::{Value, json};

use crate::{
    client::{Protocol, Sqs, encode, get_request},
    errors::{INVALID_ATTRIBUTE_VALUE, INVALID_PARAMETER_VALUE, UNKNOWN_OPERATION},
    rules::{
        Evidence::{Documented, Unverified},
        Section,
    },
    xml::Element,
};

const HOSTILE: [&str; 16] = [
    "\0",
    "a\u{1}b",
    "\u{8}",
    "\u{b}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{fffe}",
    "\u{ffff}",
    "\r\n",
    "<b>",
    "&#0;",
    "]]>",
    "\"'",
    "\u{202e}",
    "\u{10ffff}",
];

pub(crate) fn rules(rules: &mut Section<'_>) {
    rules.both(Documented, "an answer can be read, whatever characters a request has in whatever place", |sqs| {
        for (operation, parameters) in requests() {
            for text in HOSTILE {
                let mut place = 0;
                while let Some(changed) = with_text(&parameters, place, text) {
                    set_up(sqs);
                    read(sqs, operation, &changed);
                    for (operation, parameters) in reads() {
                        read(sqs, operation, &parameters);
                    }
                    place += 1;
                }
                assert!(place > 0, "{operation} has text");
            }
        }
    });
    rules.query(Documented, "an answer can be read, whatever action is asked for and however", |sqs| {
        for text in HOSTILE {
            let target = format!("/000000000000/jobs?Action={}&{}=a", encode(text), encode(text));
            let answer = sqs.raw(get_request(&target));
            Element::parse(&answer.body);
            let shown = text.replace(|character: char| !is_xml(character), "\u{fffd}");
            answer.refused(UNKNOWN_OPERATION, &format!("The action {shown} is not valid for this endpoint."));
            let mut request = get_request(&target);
            request.headers_mut().insert("accept", "application/json".parse().unwrap());
            let answer = sqs.raw(request);
            let error: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(error["Error"]["Message"], format!("The action {text} is not valid for this endpoint."));
        }
    });
    rules.both(Unverified, "tags have no control characters", |sqs| {
        sqs.jobs();
        for text in ["\u{1}", "a\nb", "\u{7f}", "\u{fffe}"] {
            for tags in [json!({ text: "value" }), json!({ "key": text })] {
                let tagged = sqs.call("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": tags }));
                tagged.refused_somehow(INVALID_PARAMETER_VALUE);
                let created = sqs.call("CreateQueue", &json!({ "QueueName": "more", "tags": tags }));
                created.refused_somehow(INVALID_PARAMETER_VALUE);
            }
        }
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": { "k\u{e4}y +-=._:/@": "\u{1f600} #" } }));
    });
    rules.both(Unverified, "attributes have no characters that XML does not have", |sqs| {
        sqs.jobs();
        for (name, value) in [("KmsMasterKeyId", "a\u{1}"), ("Policy", "{\"Id\":\"\u{fffe}\"}")] {
            sqs.set("jobs", &json!({ name: value })).refused_somehow(INVALID_ATTRIBUTE_VALUE);
        }
    });
}

fn is_xml(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// A queue with a message, and one that dead letters go to.
fn set_up(sqs: &Sqs) {
    sqs.queues.reset();
    sqs.create("dead", &json!({}));
    let policy = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":1}";
    sqs.create("jobs", &json!({ "RedrivePolicy": policy }));
    sqs.jobs_fifo();
    sqs.send("jobs", "hello");
}

/// A request of each action, with text wherever it can have any.
fn requests() -> Vec<(&'static str, Value)> {
    let attribute = json!({ "DataType": "String.kind", "StringValue": "value" });
    let binary = json!({ "DataType": "Binary", "BinaryValue": "aGVsbG8=" });
    let trace = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } });
    let message = json!({
        "MessageBody": "body", "MessageAttributes": { "name": attribute, "other": binary }, "MessageSystemAttributes": trace,
    });
    let fifo = json!({
        "QueueUrl": "jobs.fifo", "MessageBody": "body", "MessageGroupId": "group", "MessageDeduplicationId": "id",
    });
    let mut send = message.clone();
    send["QueueUrl"] = json!("jobs");
    let mut entry = message;
    entry["Id"] = json!("one");
    let source = "arn:aws:sqs:us-east-1:000000000000:dead";
    let handle = json!({ "QueueUrl": "jobs", "ReceiptHandle": "handle" });
    let attributes = json!({
        "VisibilityTimeout": "30", "Policy": "{}", "KmsMasterKeyId": "key", "RedrivePolicy": "{}", "RedriveAllowPolicy": "{}",
    });
    vec![
        (
            "AddPermission",
            json!({ "QueueUrl": "jobs", "Label": "a", "AWSAccountIds": ["111122223333"], "Actions": ["*"] }),
        ),
        ("CancelMessageMoveTask", json!({ "TaskHandle": "handle" })),
        ("ChangeMessageVisibility", json!({ "QueueUrl": "jobs", "ReceiptHandle": "handle", "VisibilityTimeout": 1 })),
        (
            "ChangeMessageVisibilityBatch",
            json!({ "QueueUrl": "jobs", "Entries": [{ "Id": "a", "ReceiptHandle": "b" }] }),
        ),
        ("CreateQueue", json!({ "QueueName": "new", "Attributes": attributes, "tags": { "key": "value" } })),
        ("DeleteMessage", handle),
        ("DeleteMessageBatch", json!({ "QueueUrl": "jobs", "Entries": [{ "Id": "a", "ReceiptHandle": "b" }] })),
        ("DeleteQueue", json!({ "QueueUrl": "http://localhost/000000000000/jobs" })),
        ("GetQueueAttributes", json!({ "QueueUrl": "jobs", "AttributeNames": ["All"] })),
        ("GetQueueUrl", json!({ "QueueName": "jobs", "QueueOwnerAWSAccountId": "000000000000" })),
        ("ListDeadLetterSourceQueues", json!({ "QueueUrl": "dead", "NextToken": "token", "MaxResults": 1 })),
        ("ListMessageMoveTasks", json!({ "SourceArn": source, "MaxResults": 1 })),
        ("ListQueueTags", json!({ "QueueUrl": "jobs" })),
        ("ListQueues", json!({ "QueueNamePrefix": "j", "NextToken": "token", "MaxResults": 1 })),
        ("PurgeQueue", json!({ "QueueUrl": "jobs" })),
        (
            "ReceiveMessage",
            json!({
                "QueueUrl": "jobs", "AttributeNames": ["All"], "MessageAttributeNames": ["name"],
                "MessageSystemAttributeNames": ["All"], "ReceiveRequestAttemptId": "id",
            }),
        ),
        ("RemovePermission", json!({ "QueueUrl": "jobs", "Label": "a" })),
        ("SendMessage", send),
        ("SendMessage", fifo),
        ("SendMessageBatch", json!({ "QueueUrl": "jobs", "Entries": [entry] })),
        ("SetQueueAttributes", json!({ "QueueUrl": "jobs", "Attributes": attributes })),
        ("StartMessageMoveTask", json!({ "SourceArn": source, "DestinationArn": source })),
        ("TagQueue", json!({ "QueueUrl": "jobs", "Tags": { "key": "value" } })),
        ("UntagQueue", json!({ "QueueUrl": "jobs", "TagKeys": ["key"] })),
    ]
}

/// What shows again what was stored.
fn reads() -> [(&'static str, Value); 5] {
    let all = json!(["All"]);
    let receive =
        json!({ "QueueUrl": "jobs", "AttributeNames": all, "MessageAttributeNames": all, "VisibilityTimeout": 0 });
    [
        ("ReceiveMessage", receive),
        ("GetQueueAttributes", json!({ "QueueUrl": "jobs", "AttributeNames": all })),
        ("GetQueueAttributes", json!({ "QueueUrl": "new", "AttributeNames": all })),
        ("ListQueueTags", json!({ "QueueUrl": "jobs" })),
        ("ListQueues", json!({})),
    ]
}

/// Asks, and reads the answer as its protocol is read.
fn read(sqs: &Sqs, operation: &str, parameters: &Value) {
    let answer = sqs.call(operation, parameters);
    match sqs.protocol {
        Protocol::Json if answer.body.is_empty() => {}
        Protocol::Json => drop(serde_json::from_str::<Value>(&answer.body).unwrap()),
        Protocol::Query => drop(Element::parse(&answer.body)),
    }
}

/// The parameters with the text in the place of the member, name or value of this number, if there are so many.
fn with_text(parameters: &Value, place: usize, text: &str) -> Option<Value> {
    let mut left = place;
    let changed = change(parameters, &mut left, text);
    (changed != *parameters).then_some(changed)
}

/// Counts down to the place that is meant.
fn is_here(left: &mut usize) -> bool {
    let is_here = *left == 0;
    *left = left.wrapping_sub(1);
    is_here
}

fn change(value: &Value, left: &mut usize, text: &str) -> Value {
    match value {
        Value::Object(members) => {
            let mut changed = serde_json::Map::new();
            for (name, value) in members {
                let name = if is_here(left) { format!("{name}{text}") } else { name.clone() };
                changed.insert(name, change(value, left, text));
            }
            Value::Object(changed)
        }
        Value::Array(items) => items.iter().map(|item| change(item, left, text)).collect(),
        plain if is_here(left) => match plain {
            Value::String(plain) => json!(format!("{plain}{text}")),
            _ => json!(text),
        },
        plain => plain.clone(),
    }
}
