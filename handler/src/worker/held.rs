//! The messages that are worked on, and their visibility timeouts.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::batch::INVISIBLE_MAX;

/// AWS: a batch request has at most 10 entries (documentation: "Amazon SQS message quotas").
const ENTRIES_MAX: usize = 10;
/// A message is extended after this part of its timeout, so that one lost request does not lose it.
const PART: u32 = 3;

/// Extends the visibility timeout of what is held.
///
/// The lock is kept while requests are under way: whoever lets go of a message can be sure that no extension of it
/// arrives afterwards and undoes what is asked for next.
pub(super) struct Held {
    client: Client,
    queue_url: String,
    lease: Duration,
    messages: Mutex<HashMap<String, Hold>>,
}

#[derive(Clone, Copy)]
struct Hold {
    received_at: Instant,
    extended_at: Instant,
}

impl Held {
    pub(super) fn new(client: Client, queue_url: String, lease: Duration) -> Self {
        Self { client, queue_url, lease, messages: Mutex::default() }
    }

    /// Holds messages that were received just now.
    pub(super) async fn hold(&self, receipt_handles: impl Iterator<Item = String>) {
        let now = Instant::now();
        let hold = Hold { received_at: now, extended_at: now };
        self.messages.lock().await.extend(receipt_handles.map(|receipt_handle| (receipt_handle, hold)));
    }

    /// Stops extending messages.
    pub(super) async fn let_go(&self, receipt_handles: &[String]) {
        let mut messages = self.messages.lock().await;
        for receipt_handle in receipt_handles {
            messages.remove(receipt_handle);
        }
    }

    /// Makes everything that is still held visible to others.
    pub(super) async fn give_back_all(&self) {
        let handles: Vec<String> = self.messages.lock().await.drain().map(|(handle, _)| handle).collect();
        for handles in handles.chunks(ENTRIES_MAX) {
            self.change(handles, Duration::ZERO).await;
        }
    }

    /// Extends whatever needs it, for ever.
    pub(super) async fn extend(&self) {
        let pause = self.lease / PART;
        loop {
            // Nothing is due before: a lease lasts for several of these.
            tokio::time::sleep(pause).await;
            let mut messages = self.messages.lock().await;
            let now = Instant::now();
            // AWS: a message is invisible for at most 12 hours after it was received, and asking for more is an error.
            let may_stay = |hold: &Hold| now - hold.received_at + self.lease <= INVISIBLE_MAX;
            let due = messages.iter().filter(|(_, hold)| now - hold.extended_at >= pause / 2 && may_stay(hold));
            let due: Vec<String> = due.map(|(handle, _)| handle.clone()).collect();
            for handles in due.chunks(ENTRIES_MAX) {
                if !self.change(handles, self.lease).await {
                    continue;
                }
                for handle in handles {
                    if let Some(hold) = messages.get_mut(handle) {
                        hold.extended_at = now;
                    }
                }
            }
        }
    }

    /// Whether the request arrived. Entries that are refused are no longer in flight: there is nothing to extend.
    async fn change(&self, receipt_handles: &[String], visible_in: Duration) -> bool {
        let entry = |(index, receipt_handle): (usize, &String)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt_handle)
                .visibility_timeout(super::seconds(visible_in))
                .build()
                .expect("id and receipt handle are given")
        };
        let entries = receipt_handles.iter().enumerate().map(entry).collect();
        let request = self.client.change_message_visibility_batch().queue_url(&self.queue_url);
        match request.set_entries(Some(entries)).send().await {
            Ok(answer) => {
                for refused in answer.failed() {
                    tracing::debug!(code = refused.code(), "a message could not be kept invisible");
                }
                true
            }
            Err(error) => {
                tracing::warn!("could not change visibility timeouts: {}", DisplayErrorContext(error));
                false
            }
        }
    }
}
