//! The examples in Rust, word for word.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use local_queue::{LocalQueue, clock::Clock, engine::Time};

use super::documents::named;

#[tokio::test(start_paused = true)]
async fn a_message_is_visible_again_after_its_visibility_timeout() {
    let clock = Clock::tokio(Time::from_millis(1_800_000_000_000));
    let sqs = LocalQueue::builder().clock(clock).build().client(); // an aws_sdk_sqs::Client
    let url = sqs.create_queue().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    sqs.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    sqs.receive_message().queue_url(&url).visibility_timeout(43_200).send().await.unwrap();
    tokio::time::advance(Duration::from_hours(12)).await;
    let again = sqs.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(again.messages()[0].body(), Some("hello"));
}

/// Works on one message. A message whose work fails becomes visible again after the queue's visibility timeout.
async fn work(sqs: &Client, queue_url: &str, job: impl AsyncFn(&str) -> Result<(), String>) -> anyhow::Result<()> {
    let received = sqs.receive_message().queue_url(queue_url).wait_time_seconds(20).send().await?;
    for message in received.messages() {
        if job(message.body().unwrap_or_default()).await.is_ok() {
            let handle = message.receipt_handle().unwrap_or_default();
            sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send().await?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_three_times_is_a_dead_letter() {
    let queues = LocalQueue::virtual_time();
    let sqs = queues.client();
    sqs.create_queue().queue_name("dead").send().await.unwrap();
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":3}"#;
    let jobs = sqs.create_queue().queue_name("jobs").attributes(QueueAttributeName::VisibilityTimeout, "3600");
    jobs.attributes(QueueAttributeName::RedrivePolicy, redrive).send().await.unwrap();
    sqs.send_message().queue_url("jobs").message_body("hello").send().await.unwrap();

    for _ in 0..4 {
        work(&sqs, "jobs", async |_| Err("no luck".to_owned())).await.unwrap();
        tokio::time::advance(Duration::from_hours(1)).await;
    }

    let dead = sqs.receive_message().queue_url("dead").send().await.unwrap();
    assert_eq!(dead.messages()[0].body(), Some("hello"));
}

#[test]
fn they_stand_in_the_documents_word_for_word() {
    let tested = include_str!("examples.rs");
    for name in ["README.md", "local-queue/GUIDES.md"] {
        let rust = named(name).blocks(None).into_iter().filter(|block| block.language == "rust");
        let untested = rust.filter(|block| !tested.contains(&block.text)).map(|block| block.text).collect::<Vec<_>>();
        assert_eq!(untested, Vec::<String>::new(), "{name} has examples that are not here");
    }
}
