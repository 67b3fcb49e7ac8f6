//! Deletes messages ten at a time.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::sync::{mpsc, oneshot};

use super::leases::Lease;
use crate::aws::{REQUEST_MESSAGES_MAX, explain};

/// How long the first of a batch waits for others: far less than a job takes, far more than a request.
const LINGER: Duration = Duration::from_millis(50);
/// Attempts after the SDK's own; then the message is received again and its job done a second time.
const ATTEMPTS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

enum Request {
    Delete(Lease),
    Flush(oneshot::Sender<()>),
}

/// The way to the task that deletes. It ends with the last of these.
#[derive(Clone)]
pub(super) struct Deletes(mpsc::Sender<Request>);

impl Deletes {
    pub(super) fn start(client: Client, queue_url: String) -> Self {
        let (requests, arriving) = mpsc::channel(1024);
        tokio::spawn(Deleting { client, queue_url, arriving }.run());
        Self(requests)
    }

    /// Asks for one message to be deleted, soon. Its lease is kept until then.
    pub(super) async fn delete(&self, lease: Lease) {
        // The task ends only after the last of its senders; if it is not there, the lease is dropped and given back.
        drop(self.0.send(Request::Delete(lease)).await);
    }

    /// Waits until everything that was asked for is deleted, or was tried.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.send(Request::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

struct Deleting {
    client: Client,
    queue_url: String,
    arriving: mpsc::Receiver<Request>,
}

impl Deleting {
    async fn run(mut self) {
        while let Some(first) = self.arriving.recv().await {
            let (mut leases, mut flushed) = (Vec::new(), None);
            let mut next = Some(first);
            let until = tokio::time::Instant::now() + LINGER;
            while let Some(request) = next {
                match request {
                    Request::Delete(lease) => leases.push(lease),
                    Request::Flush(done) => flushed = Some(done),
                }
                if leases.len() == REQUEST_MESSAGES_MAX || flushed.is_some() {
                    break;
                }
                next = tokio::time::timeout_at(until, self.arriving.recv()).await.ok().flatten();
            }
            if !leases.is_empty() {
                self.delete(leases).await;
            }
            if let Some(flushed) = flushed {
                let _ = flushed.send(());
            }
        }
    }

    async fn delete(&self, leases: Vec<Lease>) {
        let mut left: Vec<&str> = leases.iter().map(Lease::receipt_handle).collect();
        for attempt in 1..=ATTEMPTS_MAX {
            match self.try_delete(&left).await {
                Ok(()) => break,
                Err((still_left, reason)) if attempt == ATTEMPTS_MAX => {
                    let messages = still_left.len();
                    tracing::warn!(
                        "failed to delete {messages} messages whose jobs are done; they will be retried: {reason}"
                    );
                }
                Err((still_left, _)) => {
                    left = still_left;
                    // What refused a delete gets some time; the leases are kept meanwhile.
                    tokio::time::sleep(PAUSE * attempt).await;
                }
            }
        }
        leases.into_iter().for_each(Lease::end);
    }

    /// What is left, and why.
    async fn try_delete<'a>(&self, receipt_handles: &[&'a str]) -> Result<(), (Vec<&'a str>, String)> {
        let entry = |(index, receipt_handle): (usize, &&str)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(*receipt_handle)
                .build()
                .expect("id and receipt handle are given")
        };
        let entries = receipt_handles.iter().enumerate().map(entry).collect();
        let request = self.client.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(entries));
        match request.send().await {
            Err(error) => Err((receipt_handles.to_vec(), explain("DeleteMessageBatch", &self.queue_url, &error))),
            Ok(answer) => match answer.failed() {
                [] => Ok(()),
                [first, ..] => {
                    let reason = format!("{}: {}", first.code(), first.message().unwrap_or_default());
                    let index = |id: &str| id.parse::<usize>().ok();
                    let failed = answer.failed().iter();
                    let left = failed.filter_map(|failed| receipt_handles.get(index(failed.id())?).copied());
                    Err((left.collect(), reason))
                }
            },
        }
    }
}
