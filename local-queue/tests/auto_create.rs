//! Queues that are created when a request names them, over the real client in process and by the binary.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod process;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use local_queue::{LocalQueue, config, engine::Limits};

use self::process::{Running, address, ask, post};

fn queues(rules: &[&str]) -> LocalQueue {
    let rule = |text: &&str| config::parse_auto_create(text, &Limits::STRICT).unwrap();
    LocalQueue::builder().auto_create(rules.iter().map(rule).collect()).build()
}

fn names(queues: &LocalQueue) -> Vec<String> {
    queues.list_queues().iter().map(|queue| queue.name().to_owned()).collect()
}

#[tokio::test]
async fn what_makes_sense_of_an_empty_queue_creates_it() {
    let queues = queues(&["*"]);
    let client = queues.client();
    let url = client.get_queue_url().queue_name("looked-up").send().await.unwrap().queue_url.unwrap();
    assert!(url.ends_with("/looked-up"), "{url}");
    client.send_message().queue_url("sent").message_body("a").send().await.unwrap();
    let entry = SendMessageBatchRequestEntry::builder().id("a").message_body("a").build().unwrap();
    client.send_message_batch().queue_url("sent-in-a-batch").entries(entry).send().await.unwrap();
    assert!(client.receive_message().queue_url("received").send().await.unwrap().messages.is_none());
    client.purge_queue().queue_url("purged").send().await.unwrap();
    client.tag_queue().queue_url("tagged").tags("a", "b").send().await.unwrap();
    client.list_queue_tags().queue_url("tags-read").send().await.unwrap();
    client.get_queue_attributes().queue_url("read").send().await.unwrap();
    let delay = client.set_queue_attributes().queue_url("set").attributes(QueueAttributeName::DelaySeconds, "5");
    delay.send().await.unwrap();
    let fifo = client.send_message().queue_url("sent.fifo").message_body("a").message_group_id("g");
    fifo.message_deduplication_id("1").send().await.unwrap();
    let expected = [
        "looked-up",
        "purged",
        "read",
        "received",
        "sent",
        "sent-in-a-batch",
        "sent.fifo",
        "set",
        "tagged",
        "tags-read",
    ];
    assert_eq!(names(&queues), expected);
}

#[tokio::test]
async fn what_needs_a_queue_that_has_been_used_creates_none() {
    let queues = queues(&["*"]);
    let client = queues.client();
    assert!(client.delete_queue().queue_url("a").send().await.is_err());
    assert!(client.delete_message().queue_url("a").receipt_handle("x").send().await.is_err());
    let visibility = client.change_message_visibility().queue_url("a").receipt_handle("x").visibility_timeout(1);
    assert!(visibility.send().await.is_err());
    assert!(client.list_dead_letter_source_queues().queue_url("a").send().await.is_err());
    assert!(client.get_queue_url().queue_name("no name").send().await.is_err());
    assert_eq!(names(&queues), [""; 0]);
}

#[tokio::test]
async fn without_a_rule_for_a_name_nothing_is_created() {
    for rules in [&[][..], &["jobs-*"]] {
        let queues = queues(rules);
        let error = queues.client().send_message().queue_url("other").message_body("a").send().await.unwrap_err();
        assert!(error.into_service_error().is_queue_does_not_exist());
        assert_eq!(names(&queues), [""; 0]);
    }
}

#[tokio::test]
async fn attributes_are_those_of_the_longest_pattern() {
    let queues = queues(&["*:DelaySeconds=1,ContentBasedDeduplication=true", "jobs-*:DelaySeconds=2"]);
    let client = queues.client();
    for (queue, delay, is_fifo) in [("other", "1", false), ("jobs-a", "2", false), ("orders.fifo", "1", true)] {
        let attributes = client.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All);
        let attributes = attributes.send().await.unwrap().attributes.unwrap();
        assert_eq!(attributes[&QueueAttributeName::DelaySeconds], delay, "{queue}");
        let has_fifo_attribute = attributes.contains_key(&QueueAttributeName::ContentBasedDeduplication);
        assert_eq!(has_fifo_attribute, is_fifo, "{queue}");
    }
}

#[test]
fn serve_says_what_it_creates_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queues.toml");
    let redrive = "redrive = { dead_letter_queue = \"*-dlq\", max_receive_count = 3 }";
    std::fs::write(&file, format!("[auto_create.\"jobs-*\"]\n{redrive}\n")).unwrap();
    let start = |automatic: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local-queue"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        if automatic {
            command.args(["--auto-create", "tmp-*:VisibilityTimeout=90", "--config"]).arg(&file);
        }
        let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut lines = BufReader::new(running.0.stdout.take().unwrap());
        let address = address(&mut lines);
        let mut second = String::new();
        lines.read_line(&mut second).unwrap();
        (running, address, second)
    };
    let (running, address, second) = start(true);
    assert_eq!(second, "  auto-create: queues that requests name: tmp-*, jobs-*\n");
    let sent = post(&address, "SendMessage", r#"{"QueueUrl":"jobs-a","MessageBody":"kept"}"#);
    assert!(sent.starts_with("HTTP/1.1 200 "), "{sent}");
    let looked = post(&address, "GetQueueUrl", r#"{"QueueName":"tmp-a"}"#);
    assert!(looked.ends_with(&format!("\"http://{address}/000000000000/tmp-a\"}}")), "{looked}");
    assert!(post(&address, "GetQueueUrl", r#"{"QueueName":"other"}"#).contains("QueueDoesNotExist"));
    drop(running);
    // It was killed; what was answered is there, and nothing new is made without the option.
    let (_running, address, _) = start(false);
    let listed = ask(&address, "GET", "queues", "");
    let listed: serde_json::Value = serde_json::from_str(listed.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let kept = listed["queues"].as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap());
    assert_eq!(kept.collect::<Vec<_>>(), ["jobs-a", "jobs-a-dlq", "tmp-a"]);
    assert!(post(&address, "GetQueueUrl", r#"{"QueueName":"jobs-b"}"#).contains("QueueDoesNotExist"));
    let received = post(&address, "ReceiveMessage", r#"{"QueueUrl":"jobs-a"}"#);
    assert!(received.contains(r#""Body":"kept""#), "{received}");
}

#[test]
fn a_rule_that_cannot_be_is_refused_with_what_would_be() {
    for (rule, expected) in [
        ("a b", "is no pattern: letters, digits"),
        ("*:VisibilityTimeout=90000", "VisibilityTimeout takes a number of seconds from 0 to 43200"),
        ("*:Colour=red", "unknown attribute Colour: those that can be set are"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_local-queue")).args(["serve", "--auto-create", rule]).output();
        let output = output.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(expected), "{rule}: {stderr}");
    }
}
