//! The pull worker: what an event source mapping and a Lambda do together, as one process beside any SQS endpoint.
//!
//! ```text
//! receive (long poll, as many as there is room for)
//!   held      their visibility timeout is extended while they are worked on
//!   Batch     the same batch code as in the Lambda: runs, backs off, dead-letters
//!   deletes   what is done, ten at a time
//! ```
//!
//! - A message is deleted after its job is done, or after a copy with the reason is in the dead-letter queue.
//! - Messages of a standard queue are worked on one by one, so that none waits for another. What one receive of a FIFO
//!   queue returns is worked on as one batch, in the order of its groups.
//! - When told to stop, the worker receives nothing more and lets running jobs end. What has not ended in time is given
//!   back: its message is visible to others at once.
//! - A worker that is killed gives nothing back, and loses nothing: its messages are visible again when their timeout ends.

mod deletes;
mod held;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::batch::{
    Batch, BatchOptions, BatchReport, FailureSink, Observer, Outcome, Routed, Runner, SinkError, VisibilityChange,
};
use crate::budget::Deadline;
use crate::event::{AttributeValue, FIFO_SUFFIX, Message, MessageAttribute, Record};
use crate::failure::Failure;

use deletes::Deletes;
use held::Held;

/// AWS: a receive returns at most 10 messages (documentation: `ReceiveMessage`).
const MESSAGES_MAX: usize = 10;
/// The longest that a receive may wait (documentation: `ReceiveMessage`).
const WAIT: Duration = Duration::from_secs(20);
/// How long a receive waits while the queue is drained: nobody wants to wait longer for "there is nothing left".
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// How long a message stays invisible without being extended. Shorter, and a slow network loses it to another worker;
/// longer, and what a killed worker held comes back late.
const LEASE: std::ops::RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_mins(5);
/// The pauses after receives that failed: doubled from the first to the second, each by full jitter.
const RECEIVE_PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
/// An endpoint that stays down is mentioned so often.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Messages worked on at once.
    pub concurrency_max: usize,
    /// How long running jobs may go on after the worker was told to stop.
    pub stop_within: Duration,
    /// Whether to stop by itself when the queue is empty: nothing in it visible, delayed or in flight. On AWS these
    /// numbers are approximate (documentation: `GetQueueAttributes`).
    pub drain: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { concurrency_max: 10, stop_within: Duration::from_secs(30), drain: false }
    }
}

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The queue could not be asked what it is.
    #[error("queue {queue_url} cannot be used: {reason}")]
    Queue {
        /// As it was given.
        queue_url: String,
        /// What the endpoint, or the way to it, says.
        reason: String,
    },
    /// The queue went away.
    #[error("queue {queue_url} does not exist any more")]
    QueueGone {
        /// As it was given.
        queue_url: String,
    },
}

/// Takes messages from one queue and runs them through a [`Batch`].
pub struct Worker<R: Runner, S> {
    shared: Arc<Shared<R, S>>,
    options: WorkerOptions,
}

struct Shared<R: Runner, S> {
    client: Client,
    queue: Queue,
    held: Arc<Held>,
    batch: Batch<R, GivingBack<S>>,
}

/// What the worker needs to know of its queue.
#[derive(Clone, Debug)]
struct Queue {
    url: String,
    arn: String,
    /// The visibility timeout that messages are received with and extended by.
    lease: Duration,
}

impl<R: Runner, S: FailureSink> Worker<R, S> {
    /// Asks the queue for its name and visibility timeout. `observer` is told what becomes of every message.
    pub async fn connect(
        client: Client,
        queue_url: &str,
        runner: R,
        sink: S,
        observer: Arc<dyn Observer<R::Output>>,
        options: WorkerOptions,
    ) -> Result<Self, WorkerError> {
        let queue = Queue::ask(&client, queue_url).await?;
        let held = Arc::new(Held::new(client.clone(), queue.url.clone(), queue.lease));
        let sink = GivingBack { held: held.clone(), sink };
        let batch_options = BatchOptions { concurrency_max: options.concurrency_max, ..BatchOptions::default() };
        let batch = Batch::with_sink(runner, sink).options(batch_options).observer(observer);
        Ok(Self { shared: Arc::new(Shared { client, queue, held, batch }), options })
    }

    /// Works until `stop` is ready, or until the queue is drained if that was asked for.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let deletes =
            Deletes::start(self.shared.client.clone(), self.shared.queue.url.clone(), self.shared.held.clone());
        // In a set of its own, so that it ends when this future is dropped: what nobody works on must not be held.
        let mut extending = JoinSet::new();
        extending.spawn({
            let held = self.shared.held.clone();
            async move { held.extend().await }
        });
        let mut working = JoinSet::new();
        let ended = self.receive(&mut working, &deletes, stop).await;

        let all_ended = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.stop_within, all_ended).await.is_err() {
            working.shutdown().await;
        }
        deletes.flush().await;
        extending.shutdown().await;
        self.shared.held.give_back_all().await;
        ended
    }

    /// Receives and starts work until it is time to stop.
    async fn receive(
        &self,
        working: &mut JoinSet<()>,
        deletes: &Deletes,
        stop: impl Future<Output = ()>,
    ) -> Result<(), WorkerError> {
        let mut stop = std::pin::pin!(stop);
        let room = Arc::new(Semaphore::new(self.options.concurrency_max.max(1)));
        let mut trouble = Trouble::default();
        loop {
            while working.try_join_next().is_some() {}
            let permits = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                permits = some_of(&room) => permits,
            };
            let received = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                received = self.shared.receive(permits.num_permits(), self.options.drain) => received,
            };
            let idle = match received {
                Ok(messages) if messages.is_empty() => self.options.drain && working.is_empty(),
                Ok(messages) => {
                    trouble = Trouble::default();
                    self.start(messages, permits, working, deletes).await;
                    continue;
                }
                Err(ReceiveError::QueueGone) => {
                    return Err(WorkerError::QueueGone { queue_url: self.shared.queue.url.clone() });
                }
                Err(ReceiveError::Other(reason)) => {
                    let pause = trouble.note(&self.shared.queue.url, &reason);
                    tokio::select! {
                        () = &mut stop => return Ok(()),
                        // An endpoint that is down is not asked without end.
                        () = tokio::time::sleep(pause) => continue,
                    }
                }
            };
            drop(permits);
            if idle && self.shared.queue.is_empty(&self.shared.client).await.unwrap_or(false) {
                return Ok(());
            }
        }
    }

    /// Starts work on what one receive has returned.
    async fn start(
        &self,
        messages: Vec<Message>,
        mut permits: OwnedSemaphorePermit,
        working: &mut JoinSet<()>,
        deletes: &Deletes,
    ) {
        self.shared.held.hold(messages.iter().filter_map(|message| message.receipt_handle.clone())).await;
        if self.shared.queue.url.ends_with(FIFO_SUFFIX) {
            working.spawn(self.shared.clone().work(messages, permits, deletes.clone()));
            return;
        }
        for message in messages {
            // There are as many permits as messages were asked for.
            let Some(permit) = permits.split(1) else { return };
            working.spawn(self.shared.clone().work(vec![message], permit, deletes.clone()));
        }
    }
}

impl<R: Runner, S: FailureSink> Shared<R, S> {
    async fn receive(&self, messages_max: usize, drain: bool) -> Result<Vec<Message>, ReceiveError> {
        let wait = if drain { DRAIN_WAIT } else { WAIT };
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.queue.url)
            .max_number_of_messages(i32::try_from(messages_max).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(self.queue.lease))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                // A server that sends more than it was asked for: there is no room for the rest, which comes back by itself.
                let messages = answer.messages.unwrap_or_default().into_iter().take(messages_max);
                Ok(messages.map(|message| of_sdk(message, &self.queue.arn)).collect())
            }
            Err(error) => match error.as_service_error() {
                Some(ReceiveMessageError::QueueDoesNotExist(_)) => Err(ReceiveError::QueueGone),
                _ => Err(ReceiveError::Other(DisplayErrorContext(error).to_string())),
            },
        }
    }

    /// Works on some messages and deletes what is done.
    async fn work(self: Arc<Self>, messages: Vec<Message>, _room: OwnedSemaphorePermit, deletes: Deletes) {
        let records = messages.into_iter().map(Record::from).collect();
        let report = self.batch.run(records, Deadline::NEVER).await;
        let (mut come_back, mut done) = (Vec::new(), Vec::new());
        for (index, record) in report.records.iter().enumerate() {
            let list = if comes_back(&report, index) { &mut come_back } else { &mut done };
            list.extend(record.message.receipt_handle.clone());
        }
        drop(report);
        self.held.let_go(&come_back).await;
        for receipt_handle in done {
            deletes.delete(receipt_handle).await;
        }
    }
}

/// Whether a record's message is not to be deleted.
fn comes_back<T>(report: &BatchReport<T>, index: usize) -> bool {
    match &report.records[index].outcome {
        Outcome::Done(_) | Outcome::DeadLettered(_) => false,
        Outcome::Reported { .. } => true,
        Outcome::Duplicate { of } => comes_back(report, *of),
    }
}

enum ReceiveError {
    QueueGone,
    Other(String),
}

/// Waits for room for one message, and takes room for as many more as there is, up to what one receive returns.
async fn some_of(room: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let acquired = room.clone().acquire_owned().await;
    let mut permits = acquired.expect("the semaphore is never closed");
    while permits.num_permits() < MESSAGES_MAX
        && let Ok(one) = room.clone().try_acquire_owned()
    {
        permits.merge(one);
    }
    permits
}

impl Queue {
    async fn ask(client: &Client, queue_url: &str) -> Result<Self, WorkerError> {
        let unusable = |reason: String| WorkerError::Queue { queue_url: queue_url.to_owned(), reason };
        let answer = client
            .get_queue_attributes()
            .queue_url(queue_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .send()
            .await
            .map_err(|error| unusable(DisplayErrorContext(error).to_string()))?;
        let attribute = |name: &QueueAttributeName| answer.attributes().and_then(|attributes| attributes.get(name));
        let arn = attribute(&QueueAttributeName::QueueArn)
            .ok_or_else(|| unusable("GetQueueAttributes answered without QueueArn".to_owned()))?;
        let visibility_timeout = attribute(&QueueAttributeName::VisibilityTimeout)
            .and_then(|seconds| seconds.parse().ok())
            .ok_or_else(|| unusable("GetQueueAttributes answered without VisibilityTimeout".to_owned()))?;
        let lease = Duration::from_secs(visibility_timeout).clamp(*LEASE.start(), *LEASE.end());
        Ok(Self { url: queue_url.to_owned(), arn: arn.clone(), lease })
    }

    /// Whether nothing is in the queue.
    async fn is_empty(&self, client: &Client) -> Option<bool> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(counts.to_vec()));
        let attributes = request.send().await.ok()?.attributes?;
        Some(counts.iter().all(|name| attributes.get(name).is_some_and(|count| count == "0")))
    }
}

/// Receives that fail one after the other.
#[derive(Default)]
struct Trouble {
    failures: u32,
    mentioned_at: Option<Instant>,
}

impl Trouble {
    /// Says so, but not again and again, and says how long to pause.
    fn note(&mut self, queue_url: &str, reason: &str) -> Duration {
        let now = Instant::now();
        if self.mentioned_at.is_none_or(|at| now - at >= COMPLAINT_INTERVAL) {
            self.mentioned_at = Some(now);
            tracing::warn!("cannot receive from {queue_url}, and keep trying: {reason}");
        }
        let longest = RECEIVE_PAUSES.start().saturating_mul(1 << self.failures.min(10)).min(*RECEIVE_PAUSES.end());
        self.failures += 1;
        longest.mul_f64(fastrand::f64()).max(Duration::from_millis(50))
    }
}

/// A sink that stops extending a message before somebody else's wish for its visibility is carried out.
struct GivingBack<S> {
    held: Arc<Held>,
    sink: S,
}

impl<S: FailureSink> FailureSink for GivingBack<S> {
    async fn dead_letter(&self, message: &Message, failure: &Failure) -> Result<Routed, SinkError> {
        self.sink.dead_letter(message, failure).await
    }

    async fn change_visibility(&self, changes: &[VisibilityChange]) -> Result<(), SinkError> {
        let handles = changes.iter().filter_map(|change| change.message.receipt_handle.clone());
        self.held.let_go(&handles.collect::<Vec<_>>()).await;
        self.sink.change_visibility(changes).await
    }
}

/// A message as the SDK has it, in the words of an event.
fn of_sdk(message: aws_sdk_sqs::types::Message, queue_arn: &str) -> Message {
    let attributes = message.attributes.unwrap_or_default().into_iter();
    let message_attributes = message.message_attributes.unwrap_or_default().into_iter();
    Message {
        id: message.message_id.filter(|id| !id.is_empty()),
        receipt_handle: message.receipt_handle,
        body: message.body.unwrap_or_default(),
        attributes: attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
        message_attributes: message_attributes
            .filter_map(|(name, attribute)| {
                let value = match (attribute.string_value, attribute.binary_value) {
                    (Some(text), _) => AttributeValue::Text(text),
                    (None, Some(blob)) => AttributeValue::Binary(blob.into_inner()),
                    (None, None) => return None,
                };
                Some((name, MessageAttribute { data_type: attribute.data_type, value }))
            })
            .collect(),
        queue_arn: Some(queue_arn.to_owned()),
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
