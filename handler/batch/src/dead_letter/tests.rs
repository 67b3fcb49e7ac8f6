use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::failure::Blame;
use crate::tests::client;

/// The actions and bodies that were requested.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// A sink on a queue that writes down each request and gives the same answers to all.
fn sink(dead_letter_queue_url: Option<&str>, status: u16) -> (SqsSink, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let client = client(move |action, body| {
        let answer = match action.as_str() {
            "GetQueueUrl" => json!({ "QueueUrl": format!("http://queues/{}", body["QueueName"].as_str().unwrap()) }),
            "SendMessage" => json!({ "MessageId": "copy" }),
            _ => json!({ "Successful": [], "Failed": [] }),
        };
        seen.lock().unwrap().push((action, body));
        std::future::ready((status, answer))
    });
    (SqsSink::new(client, dead_letter_queue_url.map(ToOwned::to_owned)), requests)
}

fn message(id: &str) -> Message {
    Message {
        id: Some(id.to_owned()),
        receipt_handle: Some(format!("handle-{id}")),
        body: "\u{e9} not JSON".to_owned(),
        attributes: [("ApproximateReceiveCount".to_owned(), "3".to_owned())].into(),
        message_attributes: BTreeMap::new(),
        queue_arn: Some("arn:aws:sqs:eu-central-1:000000000000:jobs".to_owned()),
    }
}

fn poison() -> Failure {
    Failure::permanent(Blame::Source, "bad-image", "JPEG is truncated")
}

fn attribute(value: &str) -> MessageAttribute {
    MessageAttribute { data_type: "String".to_owned(), value: AttributeValue::Text(value.to_owned()) }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_its_body_and_names_its_reason() {
    let (sink, requests) = sink(Some("http://queues/dead"), 200);
    let mut message = message("m1");
    message.message_attributes.insert("trace".to_owned(), attribute("t"));
    let binary = MessageAttribute { data_type: "Binary".to_owned(), value: AttributeValue::Binary(vec![1, 2, 3]) };
    message.message_attributes.insert("bytes".to_owned(), binary);
    assert_eq!(sink.dead_letter(&message, &poison()).await.unwrap(), Routed::DeadLettered);
    let requests = requests.lock().unwrap();
    let (target, body) = &requests[0];
    let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
    assert_eq!(target, "SendMessage");
    assert_eq!(
        *body,
        json!({
            "QueueUrl": "http://queues/dead",
            "MessageBody": "\u{e9} not JSON",
            "MessageAttributes": {
                "FailureKind": text("bad-image"), "FailureBlame": text("source"),
                "FailureMessage": text("JPEG is truncated"), "OriginalMessageId": text("m1"),
                "OriginalReceiveCount": { "DataType": "Number", "StringValue": "3" },
                "trace": text("t"), "bytes": { "DataType": "Binary", "BinaryValue": "AQID" },
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_fifo_dead_letter_queue_gets_the_group_and_a_deduplication_id() {
    let (sink, requests) = sink(Some("http://queues/dead.fifo"), 200);
    let mut message = message("m1");
    message.attributes.insert("MessageGroupId".to_owned(), "g".to_owned());
    sink.dead_letter(&message, &poison()).await.unwrap();
    let body = requests.lock().unwrap()[0].1.clone();
    assert_eq!((&body["MessageGroupId"], &body["MessageDeduplicationId"]), (&json!("g"), &json!("m1")));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nothing_is_taken_and_a_failed_send_is_said() {
    let (unset, requests) = sink(None, 200);
    assert_eq!(unset.dead_letter(&message("m1"), &poison()).await.unwrap(), Routed::NotTaken);
    assert!(requests.lock().unwrap().is_empty());
    let (broken, _) = sink(Some("http://queues/dead"), 503);
    let error = broken.dead_letter(&message("m1"), &poison()).await.unwrap_err();
    assert!(error.to_string().starts_with("SendMessage"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn visibility_is_changed_ten_at_a_time_by_queue() {
    let (sink, requests) = sink(None, 200);
    let change = |index: u64, queue: &str| {
        let mut message = message(&format!("m{index}"));
        message.queue_arn = Some(format!("arn:aws:sqs:eu-central-1:000000000000:{queue}"));
        VisibilityChange { message: Arc::new(message), visible_in: Duration::from_secs(index) }
    };
    let mut changes: Vec<_> = (0..23).map(|index| change(index, "jobs")).collect();
    changes.push(change(7, "others"));
    let mut without_handle = message("x");
    without_handle.receipt_handle = None;
    changes.push(VisibilityChange { message: Arc::new(without_handle), visible_in: Duration::ZERO });
    sink.change_visibility(&changes).await.unwrap();
    let requests = requests.lock().unwrap();
    let mut sizes = Vec::new();
    for (target, body) in &*requests {
        if target == "GetQueueUrl" {
            assert_eq!(body["QueueOwnerAWSAccountId"], "000000000000");
        } else {
            let entries = body["Entries"].as_array().unwrap();
            sizes.push((body["QueueUrl"].as_str().unwrap().to_owned(), entries.len()));
            assert!(entries.iter().all(|entry| {
                let seconds = entry["VisibilityTimeout"].as_u64().unwrap();
                entry["ReceiptHandle"] == format!("handle-m{seconds}")
            }));
        }
    }
    sizes.sort();
    let jobs = |size| ("http://queues/jobs".to_owned(), size);
    assert_eq!(sizes, [jobs(3), jobs(10), jobs(10), ("http://queues/others".to_owned(), 1)]);
}

#[test]
fn the_senders_attributes_are_kept_as_far_as_the_limits_allow() {
    let mut full = message("m1");
    for index in 0..10 {
        full.message_attributes.insert(format!("a{index}"), attribute("v"));
    }
    full.message_attributes.insert("FailureKind".to_owned(), attribute("of an earlier time"));
    let kept = attributes(&full, &poison(), false).unwrap();
    assert_eq!(kept.len(), ATTRIBUTES_MAX);
    assert_eq!(kept["FailureKind"], attribute("bad-image"));
    assert!(kept.contains_key("a4") && !kept.contains_key("a5"));

    let mut large = message("m1");
    large.body = "x".repeat(MESSAGE_BYTES_MAX - 400);
    large.message_attributes.insert("big".to_owned(), attribute(&"v".repeat(400)));
    large.message_attributes.insert("small".to_owned(), attribute("v"));
    let kept = attributes(&large, &poison(), false).unwrap();
    assert!(!kept.contains_key("big") && kept.contains_key("small") && kept.contains_key("FailureMessage"));

    large.body = "x".repeat(MESSAGE_BYTES_MAX);
    assert_eq!(attributes(&large, &poison(), false), None);
    large.body = "x".repeat(MESSAGE_BYTES_MAX + 1);
    assert_eq!(attributes(&large, &poison(), false), None);
}
