//! Deletes messages ten at a time.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::sync::{mpsc, oneshot};

use super::held::Held;

/// AWS: a batch request has at most 10 entries (documentation: "Amazon SQS message quotas").
const ENTRIES_MAX: usize = 10;
/// How long the first of a batch waits for others: far less than a job takes, far more than a request.
const LINGER: Duration = Duration::from_millis(50);
/// Tries after the SDK's own; then the message comes back and is done a second time.
const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

enum Wish {
    Delete(String),
    Flush(oneshot::Sender<()>),
}

/// The way to the task that deletes. It ends with the last of these.
#[derive(Clone)]
pub(super) struct Deletes {
    wishes: mpsc::Sender<Wish>,
}

impl Deletes {
    pub(super) fn start(client: Client, queue_url: String, held: Arc<Held>) -> Self {
        let (wishes, arriving) = mpsc::channel(1024);
        tokio::spawn(Deleting { client, queue_url, held, arriving }.run());
        Self { wishes }
    }

    /// Asks for one message to be deleted, soon. It stays held until then.
    pub(super) async fn delete(&self, receipt_handle: String) {
        // The task ends only after the last of its senders.
        let _ = self.wishes.send(Wish::Delete(receipt_handle)).await;
    }

    /// Waits until everything that was asked for is deleted, or was tried.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.wishes.send(Wish::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

struct Deleting {
    client: Client,
    queue_url: String,
    held: Arc<Held>,
    arriving: mpsc::Receiver<Wish>,
}

impl Deleting {
    async fn run(mut self) {
        while let Some(first) = self.arriving.recv().await {
            let (mut handles, mut flushed) = (Vec::new(), None);
            let mut next = Some(first);
            let until = tokio::time::Instant::now() + LINGER;
            while let Some(wish) = next {
                match wish {
                    Wish::Delete(handle) => handles.push(handle),
                    Wish::Flush(done) => flushed = Some(done),
                }
                if handles.len() == ENTRIES_MAX || flushed.is_some() {
                    break;
                }
                next = tokio::time::timeout_at(until, self.arriving.recv()).await.ok().flatten();
            }
            if !handles.is_empty() {
                self.delete(handles).await;
            }
            if let Some(flushed) = flushed {
                let _ = flushed.send(());
            }
        }
    }

    async fn delete(&self, handles: Vec<String>) {
        let mut left = handles.clone();
        for attempt in 1..=TRIES_MAX {
            match self.try_delete(&left).await {
                Ok(()) => break,
                Err((still_left, reason)) if attempt == TRIES_MAX => {
                    tracing::warn!(
                        "{} messages whose jobs are done could not be deleted and come back: {reason}",
                        still_left.len()
                    );
                }
                Err((still_left, _)) => {
                    left = still_left;
                    // What refused a delete gets some time; the messages stay held meanwhile.
                    tokio::time::sleep(PAUSE * attempt).await;
                }
            }
        }
        self.held.let_go(&handles).await;
    }

    /// What is left, and why.
    async fn try_delete(&self, handles: &[String]) -> Result<(), (Vec<String>, String)> {
        let entry = |(index, receipt_handle): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt_handle)
                .build()
                .expect("id and receipt handle are given")
        };
        let entries = handles.iter().enumerate().map(entry).collect();
        let request = self.client.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(entries));
        match request.send().await {
            Err(error) => Err((handles.to_vec(), DisplayErrorContext(error).to_string())),
            Ok(answer) => match answer.failed() {
                [] => Ok(()),
                [first, ..] => {
                    let reason = format!("{}: {}", first.code(), first.message().unwrap_or_default());
                    let index = |id: &str| id.parse::<usize>().ok();
                    let left = answer.failed().iter().filter_map(|failed| handles.get(index(failed.id())?).cloned());
                    Err((left.collect(), reason))
                }
            },
        }
    }
}
