//! The example of the README, word for word.

use std::time::Duration;

use local_queue::{LocalQueue, clock::Clock, engine::Time};

#[tokio::test(start_paused = true)]
async fn a_message_comes_back_after_its_visibility_timeout() {
    let clock = Clock::tokio(Time::from_millis(1_800_000_000_000));
    let sqs = LocalQueue::builder().clock(clock).build().client(); // an aws_sdk_sqs::Client
    let url = sqs.create_queue().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    sqs.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    sqs.receive_message().queue_url(&url).visibility_timeout(43_200).send().await.unwrap();
    tokio::time::advance(Duration::from_hours(12)).await;
    let again = sqs.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(again.messages()[0].body(), Some("hello"));
}
