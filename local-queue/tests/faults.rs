//! Faults, as a client of the AWS SDK meets them: in process and in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::{Credentials, retry::RetryConfig},
    error::ProvideErrorMetadata,
    types::{Message, MessageSystemAttributeName, SendMessageBatchRequestEntry},
};
use local_queue::{
    Fault, LocalQueue,
    engine::{Attribute, Place, QueueArn},
    faults::{Effect, FailedEntries},
};
use tokio::time::Instant;

fn jobs() -> (LocalQueue, QueueArn, Client) {
    let queues = LocalQueue::virtual_time();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let client = queues.client();
    (queues, jobs, client)
}

/// A client that gives up at the first error.
fn without_retries(queues: &LocalQueue) -> Client {
    Client::from_conf(queues.client_config().retry_config(RetryConfig::disabled()).build())
}

async fn send(client: &Client, body: &str) {
    client.send_message().queue_url("jobs").message_body(body).send().await.unwrap();
}

async fn receive(client: &Client, queue: &str, max: i32) -> Vec<Message> {
    let request = client.receive_message().queue_url(queue).max_number_of_messages(max);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    request.send().await.unwrap().messages.unwrap_or_default()
}

async fn delete(client: &Client, message: &Message) {
    let handle = message.receipt_handle().unwrap();
    client.delete_message().queue_url("jobs").receipt_handle(handle).send().await.unwrap();
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

fn entry(id: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(id).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_sdk_tries_again_after_each_fault_that_is_over_in_time_and_the_message_is_sent_once() {
    for effect in [Effect::Throttle, Effect::ThrottlingException, Effect::InternalError, Effect::ServiceUnavailable] {
        let (queues, jobs, client) = jobs();
        queues.faults().inject(Fault::new(effect.clone()).on("SendMessage").queue("jobs").times(2)).unwrap();
        let start = Instant::now();
        send(&client, "a").await;
        assert!(start.elapsed() > Duration::ZERO, "{effect:?}: the SDK waits before it tries again");
        assert_eq!(queues.peek(&jobs, 0, 10).unwrap().len(), 1, "{effect:?}");
        assert_eq!((queues.faults().list().len(), queues.faults().struck()[effect.name()]), (0, 2), "{effect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_gets_aws_code_and_status_and_changes_nothing() {
    for (effect, code, status) in [
        (Effect::Throttle, "RequestThrottled", 403),
        (Effect::ThrottlingException, "ThrottlingException", 400),
        (Effect::InternalError, "InternalError", 500),
        (Effect::ServiceUnavailable, "ServiceUnavailable", 503),
    ] {
        let (queues, jobs, _) = jobs();
        let client = without_retries(&queues);
        let id = queues.faults().inject(Fault::new(effect)).unwrap();
        let error = client.send_message().queue_url("jobs").message_body("a").send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status, "{code}");
        assert_eq!(error.code(), Some(code));
        assert!(queues.peek(&jobs, 0, 10).unwrap().is_empty(), "{code}");
        assert!(queues.faults().remove(id), "a fault without end stays until it is removed");
        assert!(!queues.faults().remove(id));
        send(&client, "a").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_to_a_send_makes_a_second_message_on_a_standard_queue() {
    let (queues, jobs, client) = jobs();
    queues.faults().inject(Fault::lost_response().on("SendMessage").times(1)).unwrap();
    send(&client, "a").await;
    let messages = queues.peek(&jobs, 0, 10).unwrap();
    assert_eq!(messages.len(), 2);
    assert_ne!(messages[0].message.id, messages[1].message.id);
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_to_a_send_makes_no_second_message_on_a_fifo_queue() {
    let queues = LocalQueue::virtual_time();
    let orders = queues.create_queue("orders.fifo", &[Attribute::FifoQueue(true)]).unwrap();
    let client = queues.client();
    queues.faults().inject(Fault::lost_response().on("SendMessage").times(1)).unwrap();
    let request = client.send_message().queue_url("orders.fifo").message_body("a");
    let sent = request.message_group_id("g").message_deduplication_id("1").send().await.unwrap();
    let messages = queues.peek(&orders, 0, 10).unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(sent.message_id().unwrap(), messages[0].message.id.to_string());
    assert_eq!(queues.faults().struck()["lost_response"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_to_a_receive_leaves_its_message_in_flight() {
    let (queues, jobs, client) = jobs();
    send(&client, "a").await;
    queues.faults().inject(Fault::lost_response().on("ReceiveMessage").times(1)).unwrap();
    assert!(receive(&client, "jobs", 10).await.is_empty(), "the retry finds nothing");
    assert_eq!(queues.peek(&jobs, 0, 1).unwrap()[0].place, Place::InFlight);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_delivered_once_more_although_the_first_was_deleted() {
    let (queues, jobs, client) = jobs();
    send(&client, "a").await;
    queues.faults().inject(Fault::duplicate_delivery().queue("jobs").times(1)).unwrap();
    assert_eq!(queues.faults().list()[0].struck, 0);
    let first = receive(&client, "jobs", 1).await;
    delete(&client, &first[0]).await;
    let second = receive(&client, "jobs", 1).await;
    assert_eq!(first[0].message_id, second[0].message_id);
    delete(&client, &second[0]).await;
    assert!(queues.peek(&jobs, 0, 10).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_wakes_another_long_poll_and_an_empty_receive_uses_no_fault_up() {
    let (queues, _, client) = jobs();
    queues.faults().inject(Fault::duplicate_delivery().times(1)).unwrap();
    assert!(receive(&client, "jobs", 1).await.is_empty());
    let poll = || {
        let client = client.clone();
        tokio::spawn(async move {
            let request = client.receive_message().queue_url("jobs").wait_time_seconds(20);
            request.send().await.unwrap().messages.unwrap_or_default().len()
        })
    };
    let (first, second) = (poll(), poll());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    send(&client, "a").await;
    assert_eq!((first.await.unwrap(), second.await.unwrap(), start.elapsed()), (1, 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_on_a_fifo_queue_is_an_early_end_of_the_visibility_timeout() {
    let queues = LocalQueue::virtual_time();
    queues.create_queue("orders.fifo", &[Attribute::FifoQueue(true)]).unwrap();
    let client = queues.client();
    for body in ["a", "b"] {
        let request = client.send_message().queue_url("orders.fifo").message_body(body);
        request.message_group_id("g").message_deduplication_id(body).send().await.unwrap();
    }
    queues.faults().inject(Fault::duplicate_delivery().times(1)).unwrap();
    let first = receive(&client, "orders.fifo", 1).await;
    let handle = first[0].receipt_handle().unwrap();
    assert!(client.delete_message().queue_url("orders.fifo").receipt_handle(handle).send().await.is_err());
    assert_eq!(bodies(&receive(&client, "orders.fifo", 10).await), ["a", "b"], "the order is kept");
}

#[tokio::test(start_paused = true)]
async fn reordering_lets_a_later_message_come_first_and_loses_none() {
    let (queues, _, client) = jobs();
    for body in ["a", "b", "c", "d"] {
        send(&client, body).await;
    }
    queues.faults().inject(Fault::reordering().times(1)).unwrap();
    let first = receive(&client, "jobs", 1).await;
    assert_ne!(bodies(&first), ["a"]);
    assert!(queues.faults().list().is_empty());
    let rest = receive(&client, "jobs", 10).await;
    let seen = bodies(&first).into_iter().chain(bodies(&rest)).collect::<BTreeSet<_>>();
    assert_eq!(seen, BTreeSet::from(["a", "b", "c", "d"]));
}

#[tokio::test(start_paused = true)]
async fn reordering_waits_for_two_messages_and_spares_fifo_queues() {
    let (queues, _, client) = jobs();
    queues.create_queue("orders.fifo", &[Attribute::FifoQueue(true)]).unwrap();
    queues.faults().inject(Fault::reordering().times(1)).unwrap();
    send(&client, "a").await;
    for body in ["a", "b", "c"] {
        let request = client.send_message().queue_url("orders.fifo").message_body(body);
        request.message_group_id("g").message_deduplication_id(body).send().await.unwrap();
    }
    assert_eq!(bodies(&receive(&client, "jobs", 10).await), ["a"]);
    assert_eq!(bodies(&receive(&client, "orders.fifo", 10).await), ["a", "b", "c"]);
    assert_eq!(queues.faults().list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn latency_passes_on_the_emulators_clock_before_anything_is_done() {
    let (queues, jobs, client) = jobs();
    queues.faults().inject(Fault::latency(Duration::from_secs(2)).on("SendMessage").times(1)).unwrap();
    let (start, begun) = (Instant::now(), queues.clock().now());
    send(&client, "a").await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(queues.peek(&jobs, 0, 1).unwrap()[0].message.sent_at, begun + Duration::from_secs(2));
    send(&client, "b").await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_fails_the_named_entries_by_no_fault_of_the_sender_and_does_the_others() {
    let (queues, jobs, client) = jobs();
    queues.faults().inject(Fault::failed_entries(["b"]).times(1)).unwrap();
    send(&client, "no batch, and so not concerned").await;
    let request = client.send_message_batch().queue_url("jobs");
    let answer = request.set_entries(Some(vec![entry("a"), entry("b"), entry("c")])).send().await.unwrap();
    let successful =
        answer.successful().iter().map(aws_sdk_sqs::types::SendMessageBatchResultEntry::id).collect::<Vec<_>>();
    assert_eq!(successful, ["a", "c"]);
    let failed = &answer.failed()[0];
    assert_eq!((failed.id(), failed.code(), failed.sender_fault()), ("b", "InternalError", false));
    assert_eq!(queues.peek(&jobs, 0, 10).unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_by_share_fails_that_many_entries_and_the_same_ones_in_every_run() {
    let failed = async |share: f64| {
        let (queues, _, client) = jobs();
        queues.faults().inject(Fault::partial_failure(share)).unwrap();
        let entries = (0..10).map(|number| entry(&number.to_string())).collect();
        let answer = client.send_message_batch().queue_url("jobs").set_entries(Some(entries)).send().await.unwrap();
        answer.failed().iter().map(|it| it.id().to_owned()).collect::<Vec<_>>()
    };
    for (share, count) in [(0.0, 1), (0.3, 3), (0.5, 5), (1.0, 10)] {
        assert_eq!(failed(share).await.len(), count, "{share}");
        assert_eq!(failed(share).await, failed(share).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_by_probability_strikes_about_as_often_and_in_every_run_the_same_requests() {
    let struck = async |seed| {
        let queues = LocalQueue::builder().seed(seed).build();
        queues.create_queue("jobs", &[]).unwrap();
        let client = without_retries(&queues);
        queues.faults().inject(Fault::throttle().on("SendMessage").probability(0.25)).unwrap();
        let mut struck = Vec::new();
        for _ in 0..400 {
            struck.push(client.send_message().queue_url("jobs").message_body("a").send().await.is_err());
        }
        struck
    };
    let first = struck(7).await;
    let count = first.iter().filter(|struck| **struck).count();
    assert!((70..=130).contains(&count), "{count}");
    assert_eq!(first, struck(7).await);
    assert_ne!(first, struck(8).await);
}

#[tokio::test(start_paused = true)]
async fn a_fault_spares_other_actions_and_other_queues() {
    let (queues, _, client) = jobs();
    queues.create_queue("other", &[]).unwrap();
    queues.faults().inject(Fault::throttle().on("SendMessage").queue("other")).unwrap();
    queues.faults().inject(Fault::throttle().on("DeleteQueue")).unwrap();
    let start = Instant::now();
    send(&client, "a").await;
    receive(&client, "jobs", 1).await;
    receive(&client, "other", 1).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing had to be tried again");
    assert!(without_retries(&queues).send_message().queue_url("other").message_body("a").send().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_an_account_spares_the_others() {
    let (queues, _, client) = jobs();
    let keys = Credentials::new("111122223333", "secret", None, None, "test");
    let config = queues.client_config().credentials_provider(keys).retry_config(RetryConfig::disabled());
    let theirs = Client::from_conf(config.build());
    theirs.create_queue().queue_name("jobs").send().await.unwrap();
    let url = theirs.get_queue_url().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    queues.faults().inject(Fault::throttle().on("SendMessage").account("111122223333")).unwrap();
    queues.faults().inject(Fault::throttle().on("ListQueues").account("111122223333")).unwrap();
    queues.faults().inject(Fault::duplicate_delivery().account("111122223333")).unwrap();

    send(&client, "ours").await;
    assert!(without_retries(&queues).list_queues().send().await.is_ok());
    delete(&client, &receive(&client, "jobs", 1).await[0]).await;
    assert!(receive(&client, "jobs", 1).await.is_empty(), "it is not delivered again");

    assert!(theirs.list_queues().send().await.is_err(), "a request without a queue is the account's too");
    assert!(theirs.send_message().queue_url(&url).message_body("theirs").send().await.is_err());
    let batch = theirs.send_message_batch().queue_url(&url).entries(entry("theirs")).send().await.unwrap();
    assert_eq!(batch.successful().len(), 1);
    for _ in 0..2 {
        let received = receive(&theirs, &url, 1).await;
        assert_eq!(bodies(&received), ["theirs"]);
        let handle = received[0].receipt_handle().unwrap();
        theirs.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn typed_receives_meet_the_faults_of_deliveries() {
    use local_queue::engine::Receive;
    let (queues, jobs, client) = jobs();
    send(&client, "a").await;
    queues.faults().inject(Fault::duplicate_delivery().times(1)).unwrap();
    let first = queues.receive(&jobs, Receive::default()).await.unwrap();
    queues.delete(&jobs, first[0].receipt_handle).unwrap();
    let second = queues.receive(&jobs, Receive::default()).await.unwrap();
    assert_eq!(first[0].message.id, second[0].message.id);
    assert!(queues.receive(&jobs, Receive::default()).await.unwrap().is_empty());
}

#[test]
fn a_fault_that_could_never_strike_is_refused_by_field() {
    let queues = LocalQueue::builder().build();
    for (fault, text) in [
        (Fault::throttle().on("SendMessge"), "action: \"SendMessge\" is not an action of SQS"),
        (Fault::duplicate_delivery().on("SendMessage"), "action: duplicate_delivery does not apply to SendMessage"),
        (Fault::partial_failure(0.5).on("SendMessage"), "action: partial_failure does not apply to SendMessage"),
        (Fault::throttle().account("12345678901x"), "account: must have 12 digits, not \"12345678901x\""),
        (Fault::throttle().times(0), "times: must be at least 1"),
        (Fault::throttle().probability(1.5), "probability: must be from 0 to 1, not 1.5"),
        (Fault::partial_failure(-0.5), "share: must be from 0 to 1, not -0.5"),
        (
            Fault::new(Effect::PartialFailure(FailedEntries::Ids(BTreeSet::new()))),
            "entries: must name at least one entry",
        ),
    ] {
        assert_eq!(queues.faults().inject(fault).unwrap_err().to_string(), text);
    }
    assert!(queues.faults().list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_of_the_query_protocol_is_refused_in_xml_and_its_lost_answer_is_marked() {
    use local_queue::{faults::ResponseLost, protocol};
    let (queues, jobs, _) = jobs();
    let ask = async || {
        let request = http::Request::post("/000000000000/jobs");
        let request = request.body(bytes::Bytes::from_static(b"Action=SendMessage&MessageBody=a")).unwrap();
        protocol::respond(&queues, request).await
    };
    queues.faults().inject(Fault::internal_error().on("SendMessage").queue("jobs").times(1)).unwrap();
    let refused = ask().await;
    let body = std::str::from_utf8(refused.body()).unwrap();
    assert_eq!(refused.status(), 500);
    assert!(body.contains("<Type>Receiver</Type><Code>InternalError</Code>"), "{body}");
    assert!(queues.peek(&jobs, 0, 10).unwrap().is_empty());

    queues.faults().inject(Fault::lost_response().queue("jobs").times(1)).unwrap();
    let lost = ask().await;
    assert_eq!((lost.status().as_u16(), lost.extensions().get()), (200, Some(&ResponseLost)));
    assert_eq!(queues.peek(&jobs, 0, 10).unwrap().len(), 1);
    assert_eq!(ask().await.extensions().get::<ResponseLost>(), None);
}
