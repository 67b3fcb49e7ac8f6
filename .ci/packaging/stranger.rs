//! A project that has the crate from a registry, and tests its code in virtual time.

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use local_queue::LocalQueue;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_delayed_message_comes_after_ten_minutes() {
        let queues = LocalQueue::virtual_time();
        queues.create_queue("jobs", &[]).unwrap();
        let client = queues.client(); // the real aws_sdk_sqs::Client, without a socket
        let began = Instant::now();
        client.send_message().queue_url("jobs").message_body("hello").delay_seconds(600).send().await.unwrap();
        let received = loop {
            let received = client.receive_message().queue_url("jobs").wait_time_seconds(20).send().await.unwrap();
            if let Some(message) = received.messages().first() {
                break message.clone();
            }
        };
        assert_eq!(received.body(), Some("hello"));
        assert_eq!(began.elapsed(), Duration::from_secs(600));
    }
}
