use std::time::Duration;

use http::header::ACCEPT;

use super::*;
use crate::{
    clock::{Clock, ManualClock},
    engine::{Attribute, MessageBody, Receive, SendMessage, Time},
};

fn queues() -> (LocalQueue, ManualClock) {
    let clock = ManualClock::new(Time::from_millis(1_000_000));
    (LocalQueue::builder().clock(Clock::manual(&clock)).seed(7).build(), clock)
}

fn ask(queues: &LocalQueue, request: http::request::Builder, body: &'static str) -> (StatusCode, String) {
    let response = respond(queues, &request.body(Bytes::from(body)).unwrap(), InUse::default());
    (response.status(), String::from_utf8(response.into_body().to_vec()).unwrap())
}

fn get(queues: &LocalQueue, target: &str) -> (StatusCode, String) {
    ask(queues, Request::get(target), "")
}

/// The bodies of the messages of an answer in JSON, each with the attributes that say where it is.
fn seen(text: &str) -> Vec<String> {
    let answer: Value = serde_json::from_str(text).unwrap();
    let messages = answer["ReceiveMessageResponse"]["ReceiveMessageResult"]["Message"].as_array().unwrap();
    let seen = messages.iter().map(|message| {
        let marks = message["Attribute"].as_array().unwrap().iter().filter_map(|attribute| {
            let name = attribute["Name"].as_str()?;
            name.starts_with("Is").then(|| format!(" {name}={}", attribute["Value"].as_str().unwrap()))
        });
        format!("{}{}", message["Body"].as_str().unwrap(), marks.collect::<String>())
    });
    seen.collect()
}

async fn with_messages(name: &str, attributes: &[Attribute]) -> LocalQueue {
    let (queues, _) = queues();
    let queue = queues.create_queue(name, attributes).unwrap();
    let is_fifo = queue.is_fifo();
    let message = |body: &str| SendMessage {
        group_id: is_fifo.then(|| "g".to_owned()),
        deduplication_id: is_fifo.then(|| body.to_owned()),
        ..SendMessage::new(MessageBody::parse(body).unwrap())
    };
    queues.send(&queue, message("held")).unwrap();
    queues.receive(&queue, Receive { max_messages: 1, ..Receive::default() }).await.unwrap();
    queues.send(&queue, message("ready")).unwrap();
    if !is_fifo {
        queues.send(&queue, SendMessage { delay: Some(Duration::from_secs(60)), ..message("delayed") }).unwrap();
    }
    queues
}

#[test]
fn health_is_what_wait_scripts_look_for_as_text() {
    let (queues, _) = queues();
    for path in ["/_localstack/health", "/_localstack/health/", "/health"] {
        let (status, text) = get(&queues, path);
        assert_eq!(status, StatusCode::OK, "{path}");
        for part in ["\"sqs\": \"available\"", "\"s3\": \"available\"", "\"lambda\": \"available\"", "\"version\": \""]
        {
            assert!(text.contains(part), "{text} has {part}");
        }
    }
    queues.create_queue("jobs", &[]).unwrap();
    let request = Request::get("/_localstack/health").body(Bytes::new()).unwrap();
    let response = respond(&queues, &request, InUse { s3: true, lambda: false });
    let health: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(health["services"], json!({ "sqs": "running", "s3": "running", "lambda": "available" }));
    assert_eq!(health["edition"], "local-queue");
    assert!(get(&queues, "/_localstack/init/ready").1.contains("\"completed\": true,"));
    let init: Value = serde_json::from_str(&get(&queues, "/_localstack/init").1).unwrap();
    assert_eq!(init["completed"], json!({ "BOOT": true, "START": true, "READY": true, "SHUTDOWN": false }));
    assert_eq!(ask(&queues, Request::head("/_localstack/health"), "").0, StatusCode::OK);
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let (queues, _) = queues();
    for path in ["/_localstack/nothing", "/_localstack/init/lunch", "/_aws/ses", "/_aws/sqs/messages/a", "/_aws/"] {
        let (status, text) = get(&queues, path);
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(text.contains("/_aws/sqs/messages/REGION/ACCOUNT/NAME"), "{text}");
    }
    for (method, path, allow) in [
        ("POST", "/_localstack/health", "GET, HEAD"),
        ("DELETE", "/_aws/sqs/messages?QueueUrl=jobs", "GET, HEAD, POST"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
        let response = respond(&queues, &request, InUse::default());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(response.headers()["allow"], allow);
    }
}

#[tokio::test]
async fn messages_are_looked_at_by_place_and_not_touched() {
    let queues = with_messages("jobs", &[]).await;
    let look = |parameters: &str| {
        let target = format!("/_aws/sqs/messages?QueueUrl=http://localhost:4566/000000000000/jobs{parameters}");
        let (status, text) = ask(&queues, Request::get(target).header(ACCEPT, "application/json"), "");
        assert_eq!(status, StatusCode::OK, "{text}");
        seen(&text)
    };
    for _ in 0..2 {
        assert_eq!(look(""), ["ready"]);
        assert_eq!(look("&ShowInvisible=true"), ["held IsVisible=false", "ready IsVisible=true"]);
        assert_eq!(look("&ShowDelayed=1"), ["ready IsDelayed=false", "delayed IsDelayed=true"]);
        let all = ["held IsDelayed=false IsVisible=false", "ready IsDelayed=false IsVisible=true"];
        let delayed = "delayed IsDelayed=true IsVisible=true";
        assert_eq!(look("&ShowInvisible=True&ShowDelayed=true"), [all[0], all[1], delayed]);
    }
    let fifo = with_messages("jobs.fifo", &[Attribute::FifoQueue(true)]).await;
    let target = "/_aws/sqs/messages/us-east-1/000000000000/jobs.fifo";
    let json = |target: &str| ask(&fifo, Request::get(target).header(ACCEPT, "application/json"), "").1;
    // The message behind one in flight is as invisible as that.
    assert_eq!(seen(&json(target)), [""; 0]);
    let all = seen(&json(&format!("{target}?ShowInvisible=true")));
    assert_eq!(all, ["held IsVisible=false", "ready IsVisible=false"]);
}

#[tokio::test]
async fn messages_come_in_the_protocol_of_the_request() {
    let queues = with_messages("jobs", &[]).await;
    let url = "QueueUrl=http%3A%2F%2Fsqs.us-east-1.localhost.localstack.cloud%3A4566%2F000000000000%2Fjobs";
    let (status, xml) = get(&queues, &format!("/_aws/sqs/messages?{url}"));
    assert_eq!(status, StatusCode::OK);
    let parts = [
        "<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult><Message>",
        "<Attribute><Name>ApproximateFirstReceiveTimestamp</Name><Value>0</Value></Attribute>",
        "<Attribute><Name>ApproximateReceiveCount</Name><Value>0</Value></Attribute>",
        "<Attribute><Name>SentTimestamp</Name><Value>1000000</Value></Attribute>",
        "<Body>ready</Body>",
        "<ReceiptHandle>SQS/BACKDOOR/ACCESS</ReceiptHandle></Message></ReceiveMessageResult>",
    ];
    assert!(parts.iter().all(|part| xml.contains(part)), "{xml}");
    // A client of SQS, in either protocol.
    let form = Request::post("/_aws/sqs/messages").header("content-type", "application/x-www-form-urlencoded");
    let (_, form) = ask(&queues, form, "Action=ReceiveMessage&QueueUrl=jobs&ShowDelayed=true");
    assert!(form.contains("<Body>delayed</Body>"), "{form}");
    let aws_json =
        |action: &str| Request::post("/_aws/sqs/messages").header("x-amz-target", format!("AmazonSQS.{action}"));
    let (_, text) = ask(&queues, aws_json("ReceiveMessage"), r#"{"QueueUrl":"jobs"}"#);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["Messages"][0]["Body"], "ready");
    assert_eq!(answer["Messages"][0]["Attributes"]["ApproximateReceiveCount"], "0");
    let (status, text) = ask(&queues, aws_json("DeleteQueue"), r#"{"QueueUrl":"jobs"}"#);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("ReceiveMessage only"), "{text}");
}

#[test]
fn a_queue_that_is_not_there_is_said_in_the_words_of_sqs() {
    let (queues, _) = queues();
    for target in [
        "/_aws/sqs/messages",
        "/_aws/sqs/messages?QueueUrl=",
        "/_aws/sqs/messages?QueueUrl=nothing",
        "/_aws/sqs/messages/us-east-1/000000000000/nothing",
    ] {
        let (status, text) = get(&queues, target);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{target}");
        assert!(text.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"), "{target}: {text}");
    }
    queues.create_queue("empty", &[]).unwrap();
    let target = "/_aws/sqs/messages?QueueUrl=empty";
    let (_, text) = ask(&queues, Request::get(target).header(ACCEPT, "application/json"), "");
    assert_eq!(seen(&text), [""; 0]);
}

#[test]
fn an_answer_that_is_cut_says_so() {
    let (queues, _) = queues();
    let queue = queues.create_queue("jobs", &[]).unwrap();
    let body = "x".repeat(1024 * 1024 - 1024);
    for _ in 0..18 {
        queues.send(&queue, SendMessage::new(MessageBody::parse(body.as_str()).unwrap())).unwrap();
    }
    let request = Request::get("/_aws/sqs/messages?QueueUrl=jobs").body(Bytes::new()).unwrap();
    let response = respond(&queues, &request, InUse::default());
    assert_eq!(response.headers()["x-local-queue-truncated"], "true");
    let text = std::str::from_utf8(response.body()).unwrap();
    assert_eq!(text.matches("<Message>").count(), 16);
}

#[tokio::test]
async fn statistics_are_those_of_elasticmq() {
    let queues = with_messages("jobs", &[Attribute::VisibilityTimeout(Duration::from_secs(90))]).await;
    let all: Value = serde_json::from_str(&get(&queues, "/statistics/queues").1).unwrap();
    let statistics = json!({
        "approximateNumberOfVisibleMessages": 1,
        "approximateNumberOfInvisibleMessages": 1,
        "approximateNumberOfMessagesDelayed": 1,
    });
    assert_eq!(all, json!([{ "name": "jobs", "statistics": statistics }]));
    let one: Value = serde_json::from_str(&get(&queues, "/statistics/queues/jobs").1).unwrap();
    assert_eq!((&one["name"], &one["attributes"]["VisibilityTimeout"]), (&json!("jobs"), &json!("90")));
    assert_eq!(get(&queues, "/statistics/queues/nothing").0, StatusCode::NOT_FOUND);
}
