//! No receipt handle is valid for a message that it was not given for.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::ProvideErrorMetadata,
    types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry},
};
use local_queue::{
    LocalQueue,
    engine::{EngineError, Receive},
    event_source_mapping::{QueueSource, Source, SourceError},
};

async fn send_and_receive(client: &Client, queue: &str) -> String {
    client.send_message().queue_url(queue).message_body("precious").send().await.unwrap();
    let received = client.receive_message().queue_url(queue).visibility_timeout(600).send().await.unwrap();
    received.messages()[0].receipt_handle().unwrap().to_owned()
}

async fn emulator(queues: LocalQueue) -> (LocalQueue, Client, String) {
    queues.create_queue("jobs", &[]).unwrap();
    let client = queues.client();
    let handle = send_and_receive(&client, "jobs").await;
    (queues, client, handle)
}

/// What each action that takes a handle answers: an error code, or nothing.
async fn answers(client: &Client, queue: &str, handle: &str) -> [Option<String>; 4] {
    let change = client.change_message_visibility().queue_url(queue).receipt_handle(handle).visibility_timeout(600);
    let change = change.send().await.err().and_then(|error| error.code().map(str::to_owned));
    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id("a").receipt_handle(handle);
    let entry = entry.visibility_timeout(600).build().unwrap();
    let changes = client.change_message_visibility_batch().queue_url(queue).entries(entry).send().await.unwrap();
    let entry = DeleteMessageBatchRequestEntry::builder().id("a").receipt_handle(handle).build().unwrap();
    let deletes = client.delete_message_batch().queue_url(queue).entries(entry).send().await.unwrap();
    let delete = client.delete_message().queue_url(queue).receipt_handle(handle).send().await;
    let delete = delete.err().and_then(|error| error.code().map(str::to_owned));
    let changes = changes.failed().first().map(|entry| entry.code().to_owned());
    [change, changes, deletes.failed().first().map(|entry| entry.code().to_owned()), delete]
}

const REFUSED: &str = "ReceiptHandleIsInvalid";

#[tokio::test(start_paused = true)]
async fn a_handle_of_another_emulator_is_refused_by_every_action() {
    let (_first, old, old_handle) = emulator(LocalQueue::builder().build()).await;
    let (second, new, new_handle) = emulator(LocalQueue::builder().build()).await;
    assert_ne!(old_handle, new_handle);
    let refused = || [(); 4].map(|()| Some(REFUSED.to_owned()));
    assert_eq!(answers(&new, "jobs", &old_handle).await, refused());
    let jobs = second.list_queues().remove(0);
    let source = QueueSource::new(second.clone(), jobs.clone());
    let failed = source.delete(vec![old_handle.clone()]).await.unwrap();
    assert!(matches!(failed[0].error, SourceError::ReceiptHandleIsInvalid));
    assert_eq!(second.peek(&jobs, 0, 10).unwrap().len(), 1, "the message is kept");
    // Where they were given for, all of them succeed, but for the visibility of what is deleted.
    assert_eq!(answers(&old, "jobs", &old_handle).await, [(); 4].map(|()| None));
    assert_eq!(answers(&new, "jobs", &new_handle).await, [(); 4].map(|()| None));
}

#[tokio::test(start_paused = true)]
async fn a_handle_of_another_queue_or_of_before_a_reset_is_refused() {
    let (queues, client, handle) = emulator(LocalQueue::builder().build()).await;
    queues.create_queue("others", &[]).unwrap();
    let other_handle = send_and_receive(&client, "others").await;
    let refused = || [(); 4].map(|()| Some(REFUSED.to_owned()));
    assert_eq!(answers(&client, "others", &handle).await, refused());
    assert_eq!(answers(&client, "jobs", &other_handle).await, refused());
    queues.reset();
    queues.create_queue("jobs", &[]).unwrap();
    send_and_receive(&client, "jobs").await;
    assert_eq!(answers(&client, "jobs", &handle).await, refused());
    assert_eq!(queues.peek(&queues.list_queues()[0], 0, 10).unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_typed_handle_of_another_emulator_is_refused() {
    let typed = |queues: LocalQueue| async move {
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        let client = queues.client();
        client.send_message().queue_url("jobs").message_body("precious").send().await.unwrap();
        let received = queues.receive(&jobs, Receive::default()).await.unwrap();
        (queues, jobs, received[0].receipt_handle)
    };
    let (_first, _, old) = typed(LocalQueue::builder().build()).await;
    let (second, jobs, new) = typed(LocalQueue::builder().build()).await;
    assert_eq!(second.delete(&jobs, old), Err(EngineError::ReceiptHandleIsInvalid));
    let changed = second.change_visibility(&jobs, old, Duration::ZERO);
    assert_eq!(changed, Err(EngineError::ReceiptHandleIsInvalid));
    second.delete(&jobs, new).unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_a_seed_makes_two_emulators_give_the_same_handles() {
    let (_first, _, old) = emulator(LocalQueue::builder().seed(7).build()).await;
    let (_second, new, same) = emulator(LocalQueue::builder().seed(7).build()).await;
    assert_eq!(old, same);
    assert_eq!(answers(&new, "jobs", &old).await, [(); 4].map(|()| None));
    let (_third, _, other) = emulator(LocalQueue::builder().seed(8).build()).await;
    assert_ne!(old, other);
}
