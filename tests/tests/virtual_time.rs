//! The real `aws_sdk_sqs::Client`, in process and in virtual time: hours pass at once, and nothing sleeps.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName, QueueAttributeName},
};
use local_queue::{LocalQueue, clock::Clock, engine::Time};
use tokio::time::Instant;

/// Queues that live by tokio's clock, which the test pauses.
fn client() -> Client {
    LocalQueue::builder().clock(Clock::tokio(Time::from_millis(1_800_000_000_000))).seed(1).build().client()
}

async fn create(client: &Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
    let mut request = client.create_queue().queue_name(name);
    for (name, value) in attributes {
        request = request.attributes(name.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

async fn send(client: &Client, url: &str, body: &str) {
    client.send_message().queue_url(url).message_body(body).send().await.unwrap();
}

async fn receive(client: &Client, url: &str, wait_seconds: i32) -> Vec<Message> {
    let request = client.receive_message().queue_url(url).wait_time_seconds(wait_seconds).max_number_of_messages(10);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    request.send().await.unwrap().messages.unwrap_or_default()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

fn receive_count(message: &Message) -> &str {
    &message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount]
}

async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_is_woken_by_a_send_at_the_millisecond() {
    let client = client();
    let url = create(&client, "jobs", &[]).await;
    let start = Instant::now();
    let receiver = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { (bodies(&receive(&client, &url, 20).await).join(","), Instant::now()) }
    });
    tokio::time::sleep_until(start + Duration::from_millis(7_301)).await;
    send(&client, &url, "a").await;
    let (bodies, at) = receiver.await.unwrap();
    assert_eq!((bodies.as_str(), at - start), ("a", Duration::from_millis(7_301)));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_is_woken_by_the_end_of_a_delay_at_the_millisecond() {
    let client = client();
    let url = create(&client, "jobs", &[]).await;
    client.send_message().queue_url(&url).message_body("a").delay_seconds(13).send().await.unwrap();
    pass(Duration::from_millis(250)).await;
    let start = Instant::now();
    assert_eq!(bodies(&receive(&client, &url, 20).await), ["a"]);
    assert_eq!(start.elapsed(), Duration::from_millis(12_750));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_is_woken_by_the_end_of_a_visibility_timeout_at_the_millisecond() {
    let client = client();
    let url = create(&client, "jobs", &[(QueueAttributeName::VisibilityTimeout, "11")]).await;
    send(&client, &url, "a").await;
    assert_eq!(receive_count(&receive(&client, &url, 0).await[0]), "1");
    pass(Duration::from_millis(1)).await;
    let start = Instant::now();
    let received = receive(&client, &url, 20).await;
    assert_eq!((bodies(&received), receive_count(&received[0])), (vec!["a"], "2"));
    assert_eq!(start.elapsed(), Duration::from_millis(10_999));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_for_nothing_ends_after_its_wait_and_the_queues_own_wait_counts_too() {
    let client = client();
    let url = create(&client, "jobs", &[(QueueAttributeName::ReceiveMessageWaitTimeSeconds, "3")]).await;
    let start = Instant::now();
    assert!(receive(&client, &url, 20).await.is_empty());
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert!(client.receive_message().queue_url(&url).send().await.unwrap().messages.is_none());
    assert_eq!(start.elapsed(), Duration::from_secs(23));
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_of_twelve_hours_passes_at_once() {
    #[expect(clippy::disallowed_methods, reason = "the test shows that real time does not pass")]
    let real_start = std::time::Instant::now();
    let client = client();
    let url = create(&client, "jobs", &[(QueueAttributeName::VisibilityTimeout, "43200")]).await;
    send(&client, &url, "a").await;
    assert_eq!(receive(&client, &url, 0).await.len(), 1);
    let start = Instant::now();
    let received = loop {
        let received = receive(&client, &url, 20).await;
        if !received.is_empty() {
            break received;
        }
    };
    assert_eq!(start.elapsed(), Duration::from_secs(43_200));
    assert_eq!(receive_count(&received[0]), "2");
    assert!(real_start.elapsed() < Duration::from_secs(3_600));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_long_poll_takes_no_message() {
    let client = client();
    let url = create(&client, "jobs", &[]).await;
    let abandoned = tokio::time::timeout(Duration::from_secs(5), receive(&client, &url, 20)).await;
    assert!(abandoned.is_err());
    send(&client, &url, "a").await;
    assert_eq!(bodies(&receive(&client, &url, 0).await), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_receivers_gets_its_own_message() {
    let client = client();
    let url = create(&client, "jobs", &[]).await;
    let receivers = (0..50).map(|_| {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            let request = client.receive_message().queue_url(&url).wait_time_seconds(20);
            request.send().await.unwrap().messages.unwrap_or_default().remove(0).body.unwrap()
        })
    });
    let receivers = receivers.collect::<Vec<_>>();
    pass(Duration::from_secs(1)).await;
    for number in 0..50 {
        send(&client, &url, &number.to_string()).await;
    }
    let mut received = Vec::new();
    for receiver in receivers {
        received.push(receiver.await.unwrap().parse::<u32>().unwrap());
    }
    received.sort_unstable();
    assert_eq!(received, (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_message_expires_with_the_retention_period() {
    let client = client();
    let url = create(&client, "jobs", &[(QueueAttributeName::MessageRetentionPeriod, "60")]).await;
    send(&client, &url, "a").await;
    pass(Duration::from_millis(59_999)).await;
    let count = async || {
        let request = client.get_queue_attributes().queue_url(&url);
        let answer = request.attribute_names(QueueAttributeName::ApproximateNumberOfMessages).send().await.unwrap();
        answer.attributes.unwrap()[&QueueAttributeName::ApproximateNumberOfMessages].clone()
    };
    assert_eq!(count().await, "1");
    pass(Duration::from_millis(1)).await;
    assert_eq!(count().await, "0");
}

#[tokio::test(start_paused = true)]
async fn after_max_receive_count_receives_the_next_one_moves_the_message() {
    let client = client();
    let dead = create(&client, "dead", &[]).await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"2"}"#;
    let attributes = [(QueueAttributeName::RedrivePolicy, policy), (QueueAttributeName::VisibilityTimeout, "5")];
    let jobs = create(&client, "jobs", &attributes).await;
    send(&client, &jobs, "poison").await;
    for _ in 0..2 {
        assert_eq!(bodies(&receive(&client, &jobs, 20).await), ["poison"]);
    }
    pass(Duration::from_secs(5)).await;
    assert!(receive(&client, &dead, 0).await.is_empty(), "the end of the timeout alone moves nothing");
    assert!(receive(&client, &jobs, 0).await.is_empty());
    let received = receive(&client, &dead, 0).await;
    assert_eq!((bodies(&received), receive_count(&received[0])), (vec!["poison"], "3"));
    let source = &received[0].attributes().unwrap()[&MessageSystemAttributeName::DeadLetterQueueSourceArn];
    assert_eq!(source, "arn:aws:sqs:us-east-1:000000000000:jobs");
}

#[tokio::test(start_paused = true)]
async fn changing_the_visibility_brings_a_message_back_when_it_says() {
    let client = client();
    let url = create(&client, "jobs", &[]).await;
    send(&client, &url, "a").await;
    let handle = receive(&client, &url, 0).await[0].receipt_handle.clone().unwrap();
    let change = client.change_message_visibility().queue_url(&url).receipt_handle(&handle);
    change.visibility_timeout(2).send().await.unwrap();
    let start = Instant::now();
    assert_eq!(bodies(&receive(&client, &url, 20).await), ["a"]);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn errors_come_as_the_sdks_own_types() {
    let client = client();
    let missing = client.get_queue_url().queue_name("nothing").send().await.unwrap_err().into_service_error();
    assert!(missing.is_queue_does_not_exist(), "{missing:?}");
    let url = create(&client, "jobs", &[]).await;
    let delete = client.delete_message().queue_url(&url).receipt_handle("garbage").send().await;
    assert!(delete.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
    client.purge_queue().queue_url(&url).send().await.unwrap();
    let again = client.purge_queue().queue_url(&url).send().await.unwrap_err().into_service_error();
    assert!(again.is_purge_queue_in_progress());
    pass(Duration::from_secs(60)).await;
    client.purge_queue().queue_url(&url).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn batches_answer_for_each_entry() {
    use aws_sdk_sqs::types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry,
    };
    let client = client();
    let url = create(&client, "jobs", &[(QueueAttributeName::MaximumMessageSize, "1024")]).await;
    let entry =
        |id: &str, body: String| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap();
    let request = client.send_message_batch().queue_url(&url);
    let request = request.entries(entry("good", "a".to_owned())).entries(entry("long", "x".repeat(1_025)));
    let answer = request.entries(entry("bad", "\u{1}".to_owned())).send().await.unwrap();
    assert_eq!(answer.successful[0].id, "good");
    let failed = answer.failed.iter().map(|it| (it.id.as_str(), it.code.as_str(), it.message().unwrap()));
    let failed = failed.collect::<Vec<_>>();
    assert_eq!(failed[0].1, "InvalidParameterValue");
    assert_eq!(
        failed[0].2,
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
    );
    assert_eq!((failed[1].0, failed[1].1), ("bad", "InvalidMessageContents"));

    let handle = receive(&client, &url, 0).await[0].receipt_handle.clone().unwrap();
    let change = |id: &str, handle: &str| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(handle);
        entry.visibility_timeout(0).build().unwrap()
    };
    let request = client.change_message_visibility_batch().queue_url(&url);
    let answer = request.entries(change("1", &handle)).entries(change("2", "garbage")).send().await.unwrap();
    assert_eq!((answer.successful.len(), answer.failed[0].code.as_str()), (1, "ReceiptHandleIsInvalid"));

    let handle = receive(&client, &url, 0).await[0].receipt_handle.clone().unwrap();
    let delete = DeleteMessageBatchRequestEntry::builder().id("1").receipt_handle(handle).build().unwrap();
    let answer = client.delete_message_batch().queue_url(&url).entries(delete).send().await.unwrap();
    assert!(answer.failed.is_empty());
    pass(Duration::from_secs(31)).await;
    assert!(receive(&client, &url, 0).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn attributes_travel_with_their_message_and_the_sdk_agrees_with_every_digest() {
    use aws_sdk_sqs::{primitives::Blob, types::MessageAttributeValue};
    let client = client();
    let url = create(&client, "jobs", &[]).await;
    let text = MessageAttributeValue::builder().data_type("String").string_value("red").build().unwrap();
    let blob = MessageAttributeValue::builder().data_type("Binary.png").binary_value(Blob::new([0, 255]));
    let request = client.send_message().queue_url(&url).message_body("h\u{e4}llo \"world\"\r\n\t\\");
    let request = request.message_attributes("color", text).message_attributes("blob", blob.build().unwrap());
    let sent = request.send().await.unwrap();
    let request = client.receive_message().queue_url(&url).message_attribute_names("All");
    let received = request.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(received.body(), Some("h\u{e4}llo \"world\"\r\n\t\\"));
    assert_eq!(received.md5_of_message_attributes, sent.md5_of_message_attributes);
    let attributes = received.message_attributes.unwrap();
    assert_eq!(attributes["color"].string_value(), Some("red"));
    assert_eq!(attributes["blob"].binary_value().unwrap().as_ref(), [0, 255]);
    assert_eq!(attributes["blob"].data_type(), "Binary.png");
}
