//! The leases of a worker: messages that it has received, and whose visibility timeouts it extends while it works on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use futures_util::StreamExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::aws::{REQUEST_MESSAGES_MAX, explain};
use crate::batch::INVISIBLE_MAX;

/// A message is extended after this part of its timeout, so that one lost request does not lose it.
const PART: u32 = 3;
/// Requests under way at once: with more messages than one request holds, none waits for a slow one.
const REQUESTS_MAX: usize = 8;

/// Extends the visibility timeouts of all messages under lease.
///
/// - A [`Lease`] is dropped with the task that works on its message, however that task ends: the message is then given
///   back, visible to others at once.
/// - Whoever ends a lease can be sure that no extension arrives afterwards and undoes what is asked for next: ending
///   waits for the one request that may still extend this message, and for no other.
/// - No lock is held while a request is under way.
pub(super) struct Leases {
    client: Client,
    queue_url: String,
    timeout: Duration,
    state: Mutex<State>,
    /// Something is abandoned, or closed.
    changed: Notify,
}

#[derive(Default)]
struct State {
    active: HashMap<String, LeaseState>,
    /// Of leases that were dropped, with the extensions that are under way.
    abandoned: HashMap<String, Option<Extension>>,
    is_closed: bool,
}

struct LeaseState {
    received_at: Instant,
    extended_at: Instant,
    extension: Option<Extension>,
}

/// Closed when the request has ended.
type Extension = watch::Receiver<()>;

/// The right to work on one message.
pub(super) struct Lease {
    leases: Arc<Leases>,
    receipt_handle: String,
}

impl Lease {
    pub(super) fn receipt_handle(&self) -> &str {
        &self.receipt_handle
    }

    /// Extends the message no more, and leaves its visibility as it is.
    pub(super) fn end(self) {
        self.leases.state().active.remove(&self.receipt_handle);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.leases.state();
        // Not active: it has ended as it should.
        if let Some(lease) = state.active.remove(&self.receipt_handle) {
            state.abandoned.insert(std::mem::take(&mut self.receipt_handle), lease.extension);
            self.leases.changed.notify_one();
        }
    }
}

impl Leases {
    pub(super) fn new(client: Client, queue_url: String, timeout: Duration) -> Self {
        Self { client, queue_url, timeout, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease of a message that was received just now.
    pub(super) fn lease(self: &Arc<Self>, receipt_handle: &str) -> Lease {
        let now = Instant::now();
        let lease = LeaseState { received_at: now, extended_at: now, extension: None };
        self.state().active.insert(receipt_handle.to_owned(), lease);
        Lease { leases: self.clone(), receipt_handle: receipt_handle.to_owned() }
    }

    /// Messages under lease.
    pub(super) fn len(&self) -> usize {
        self.state().active.len()
    }

    /// Extends messages no more, and waits until no extension of them is under way.
    pub(super) async fn end<'a>(&self, receipt_handles: impl Iterator<Item = &'a str>) {
        let extensions: Vec<_> = {
            let mut state = self.state();
            receipt_handles.filter_map(|receipt_handle| state.active.remove(receipt_handle)?.extension).collect()
        };
        for extension in extensions {
            ended(extension).await;
        }
    }

    /// Extends what needs it and gives back what was abandoned, until it is closed.
    pub(super) async fn keep(&self) {
        let interval = self.timeout / PART;
        let mut next = Instant::now() + interval;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {
                    self.extend().await;
                    next = Instant::now() + interval;
                }
                () = self.changed.notified() => {}
            }
            let (abandoned, is_closed) = {
                let mut state = self.state();
                (std::mem::take(&mut state.abandoned), state.is_closed)
            };
            self.give_back(abandoned.into_iter().collect()).await;
            if is_closed {
                return;
            }
        }
    }

    /// Lets [`Leases::keep`] end what it has begun, and nothing more.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// Makes everything that is still under lease visible to others.
    pub(super) async fn give_back_all(&self) {
        let all = {
            let mut state = self.state();
            let active: Vec<_> = state.active.drain().map(|(handle, lease)| (handle, lease.extension)).collect();
            state.abandoned.drain().chain(active).collect()
        };
        self.give_back(all).await;
    }

    async fn give_back(&self, messages: Vec<(String, Option<Extension>)>) {
        let mut receipt_handles = Vec::with_capacity(messages.len());
        for (receipt_handle, extension) in messages {
            if let Some(extension) = extension {
                ended(extension).await;
            }
            receipt_handles.push(receipt_handle);
        }
        let requests: Vec<_> =
            receipt_handles.chunks(REQUEST_MESSAGES_MAX).map(|handles| self.change(handles, Duration::ZERO)).collect();
        futures_util::stream::iter(requests).buffer_unordered(REQUESTS_MAX).collect::<Vec<_>>().await;
    }

    async fn extend(&self) {
        let now = Instant::now();
        let requests: Vec<_> =
            self.due(now).into_iter().map(|(handles, underway)| self.extend_some(now, handles, underway)).collect();
        futures_util::stream::iter(requests).buffer_unordered(REQUESTS_MAX).collect::<Vec<_>>().await;
    }

    /// The messages to extend, a request's worth at a time, each marked with the request that will be under way.
    fn due(&self, now: Instant) -> Vec<(Vec<String>, watch::Sender<()>)> {
        let mut state = self.state();
        // AWS: a message is invisible for at most 12 hours after it was received, and asking for more is an error.
        let may_stay = |lease: &LeaseState| now - lease.received_at + self.timeout <= INVISIBLE_MAX;
        let is_due = |lease: &LeaseState| now - lease.extended_at >= self.timeout / PART / 2 && may_stay(lease);
        let mut due: Vec<_> = state.active.iter_mut().filter(|(_, lease)| is_due(lease)).collect();
        let request = |some: &mut [(&String, &mut LeaseState)]| {
            let (underway, extension) = watch::channel(());
            let marked = some.iter_mut().map(|(handle, lease)| {
                lease.extension = Some(extension.clone());
                (*handle).clone()
            });
            (marked.collect(), underway)
        };
        due.chunks_mut(REQUEST_MESSAGES_MAX).map(request).collect()
    }

    async fn extend_some(&self, now: Instant, receipt_handles: Vec<String>, underway: watch::Sender<()>) {
        let is_extended = self.change(&receipt_handles, self.timeout).await;
        let mut state = self.state();
        for receipt_handle in &receipt_handles {
            if let Some(lease) = state.active.get_mut(receipt_handle) {
                lease.extension = None;
                if is_extended {
                    lease.extended_at = now;
                }
            }
        }
        drop(state);
        drop(underway);
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
        let request = request.set_entries(Some(entries)).send();
        // What takes longer comes too late for the messages of the next request.
        match tokio::time::timeout(self.timeout / PART, request).await {
            Ok(Ok(answer)) => {
                for refused in answer.failed() {
                    tracing::debug!(code = refused.code(), "failed to change a visibility timeout");
                }
                true
            }
            Ok(Err(error)) => {
                tracing::warn!("{}", explain("ChangeMessageVisibilityBatch", &self.queue_url, &error));
                false
            }
            Err(_) => {
                let queue_url = &self.queue_url;
                tracing::warn!(
                    "ChangeMessageVisibilityBatch on {queue_url} failed: timed out after {:?}",
                    self.timeout / PART
                );
                false
            }
        }
    }
}

/// Waits until a request has ended, in whatever way.
async fn ended(mut extension: Extension) {
    // Nothing is ever sent: the channel is closed with the request.
    while extension.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests;
