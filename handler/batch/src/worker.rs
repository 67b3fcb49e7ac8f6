//! The pull worker: what an event source mapping and a Lambda do together, as one process beside any SQS endpoint.
//!
//! ```text
//! queue     receive (long poll, as many messages as there is room for)
//!   leases    their visibility timeouts are extended while they are worked on
//!   Batch     the same batch code as in the Lambda: runs, backs off, dead-letters
//!   deletes   what is done, ten at a time
//! outage    receives that fail: when to try again, and when to say so
//! ```
//!
//! - A message is deleted after its job is done, or after a copy with the reason is in the dead-letter queue.
//! - Messages of a standard queue are worked on one by one, so that none waits for another. What one receive of a FIFO
//!   queue returns is worked on as one batch, in the order of its groups.
//! - Each message is under lease while it is worked on. However the work ends, by a panic too, the lease ends with it: the
//!   message is deleted, left to its retry, or given back, which is to say visible to others at once.
//! - When told to stop, the worker receives nothing more and lets running jobs end. What has not ended in time is given
//!   back. All of it together takes no longer than [`WorkerOptions::stop_within`].
//! - A worker that is killed gives nothing back, and loses nothing: its messages are visible again when their timeout ends.

mod deletes;
mod leases;
mod outage;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::aws::REQUEST_MESSAGES_MAX;
use crate::batch::{
    Batch, BatchOptions, BatchReport, FailureSink, Observer, Outcome, Routed, Runner, SinkError, VisibilityChange,
};
use crate::deadline::Deadline;
use crate::event::{Message, Record};
use crate::failure::Failure;

use deletes::Deletes;
use leases::{Lease, Leases};
use outage::Outage;
use queue::{Queue, ReceiveError};

/// The longest that a receive may wait (documentation: `ReceiveMessage`).
const WAIT: Duration = Duration::from_secs(20);
/// How long a receive waits while the queue is drained: nobody wants to wait longer for "there is nothing left".
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// The part of the time to stop that is kept for deletes and for giving messages back, and the most that they need.
const SETTLE_PART: u32 = 5;
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// How long a stopping worker waits for a running receive: for the response in transit, not for messages.
const LAST_RECEIVE: Duration = Duration::from_millis(250);

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Messages worked on at once.
    pub concurrency_max: usize,
    /// How long stopping may take in all. The last fifth, at most 5 seconds, is for deletes and for giving back the
    /// messages of jobs that have not ended by then.
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

/// What no observer can tell about the work of a [`Worker`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// Attempts that ended by a panic outside of their jobs: a defect of ours. Their messages were given back.
    pub panics: usize,
}

/// Why a worker stopped or could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The queue could not be asked what it is: one line of [`crate::aws::explain`].
    #[error("{0}")]
    Call(String),
    /// The queue does not say what it is.
    #[error("queue {queue_url} cannot be used: {reason}")]
    Queue {
        /// As it was given.
        queue_url: String,
        /// What is missing.
        reason: String,
    },
    /// The queue went away.
    #[error("queue {queue_url} no longer exists")]
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
    leases: Arc<Leases>,
    batch: Batch<R, LeasedSink<S>>,
}

/// The attempts under way, and those that ended badly.
#[derive(Default)]
struct Attempts {
    tasks: JoinSet<()>,
    report: WorkerReport,
}

impl<R: Runner, S: FailureSink> Worker<R, S> {
    /// Asks the queue for its name and visibility timeout. `observer` is notified of the outcome of every message.
    pub async fn connect(
        client: Client,
        queue_url: &str,
        runner: R,
        sink: S,
        observer: Arc<dyn Observer<R::Output>>,
        options: WorkerOptions,
    ) -> Result<Self, WorkerError> {
        let queue = Queue::ask(&client, queue_url).await?;
        let leases = Arc::new(Leases::new(client.clone(), queue.url.clone(), queue.lease));
        let sink = LeasedSink { leases: leases.clone(), sink };
        let batch_options = BatchOptions { concurrency_max: options.concurrency_max, ..BatchOptions::default() };
        let batch = Batch::with_sink(runner, sink).options(batch_options).observer(observer);
        Ok(Self { shared: Arc::new(Shared { client, queue, leases, batch }), options })
    }

    /// Works until `stop` is ready, or until the queue is drained if that was asked for.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<WorkerReport, WorkerError> {
        let deletes = Deletes::start(self.shared.client.clone(), self.shared.queue.url.clone());
        // In a set of its own, so that it ends when this future is dropped: what nobody works on must not be extended.
        let mut keeping = JoinSet::new();
        keeping.spawn({
            let leases = self.shared.leases.clone();
            async move { leases.keep().await }
        });
        let mut attempts = Attempts::default();
        let ended = self.receive(&mut attempts, &deletes, stop).await;
        let since = ended.as_ref().map_or_else(|_| Instant::now(), |since| *since);
        self.stop(since, &mut attempts, &deletes, &mut keeping).await;
        ended.map(|_| attempts.report)
    }

    /// Lets running jobs end, deletes what is done and gives back the rest, all within the time to stop.
    async fn stop(&self, since: Instant, attempts: &mut Attempts, deletes: &Deletes, keeping: &mut JoinSet<()>) {
        let (stop_within, leases) = (self.options.stop_within, &self.shared.leases);
        let stopped = since + stop_within;
        let settle = (stop_within / SETTLE_PART).min(SETTLE_MAX);
        if tokio::time::timeout_at(stopped - settle, attempts.all_ended()).await.is_err() {
            let running = attempts.tasks.len();
            tracing::warn!("{running} attempts did not finish before the stop deadline; their messages are released");
            attempts.tasks.abort_all();
        }
        let settling = async {
            attempts.all_ended().await;
            deletes.flush().await;
            leases.close();
            while keeping.join_next().await.is_some() {}
            leases.give_back_all().await;
        };
        if tokio::time::timeout_at(stopped, settling).await.is_err() && leases.len() > 0 {
            let (left, queue_url) = (leases.len(), &self.shared.queue.url);
            tracing::warn!(
                "no time was left to delete or release {left} messages of {queue_url}; they become visible again within {:?}",
                self.shared.queue.lease
            );
        }
    }

    /// Receives and starts work until it is time to stop. Returns when that was.
    async fn receive(
        &self,
        attempts: &mut Attempts,
        deletes: &Deletes,
        stop: impl Future<Output = ()>,
    ) -> Result<Instant, WorkerError> {
        let Shared { client, queue, .. } = &*self.shared;
        let wait = if self.options.drain { DRAIN_WAIT } else { WAIT };
        let mut stop = std::pin::pin!(stop);
        let room = Arc::new(Semaphore::new(self.options.concurrency_max.max(1)));
        let mut outage = Outage::default();
        loop {
            let permits = tokio::select! {
                biased;
                () = &mut stop => return Ok(Instant::now()),
                permits = attempts.watched(some_of(&room)) => permits,
            };
            let mut receiving = std::pin::pin!(queue.receive(client, permits.num_permits(), wait));
            let received = tokio::select! {
                biased;
                () = &mut stop => {
                    let since = Instant::now();
                    self.give_back_last(receiving).await;
                    return Ok(since);
                }
                received = attempts.watched(&mut receiving) => received,
            };
            let is_idle = match received {
                Ok(messages) => {
                    outage.ended(&queue.url);
                    let is_idle = messages.is_empty() && attempts.tasks.is_empty();
                    self.start(messages, permits, attempts, deletes);
                    is_idle
                }
                Err(ReceiveError::QueueGone) => {
                    return Err(WorkerError::QueueGone { queue_url: queue.url.clone() });
                }
                Err(ReceiveError::Other(reason)) => {
                    let pause = outage.failed(&reason);
                    tokio::select! {
                        () = &mut stop => return Ok(Instant::now()),
                        // An endpoint that is away is not asked all the time: the pause grows with each failure.
                        () = tokio::time::sleep(pause) => continue,
                    }
                }
            };
            if self.options.drain && is_idle && queue.is_empty(client).await.unwrap_or(false) {
                return Ok(Instant::now());
            }
        }
    }

    /// Releases messages in transit when the worker stops: dropped, it would be invisible for its whole timeout,
    /// and with it its group.
    async fn give_back_last(&self, receiving: impl Future<Output = Result<Vec<Message>, ReceiveError>>) {
        let patience = LAST_RECEIVE.min(self.options.stop_within / SETTLE_PART);
        if let Ok(Ok(messages)) = tokio::time::timeout(patience, receiving).await {
            for receipt_handle in messages.iter().filter_map(|message| message.receipt_handle.as_deref()) {
                drop(self.shared.leases.lease(receipt_handle));
            }
        }
    }

    /// Starts work on what one receive has returned.
    fn start(
        &self,
        messages: Vec<Message>,
        mut permits: OwnedSemaphorePermit,
        attempts: &mut Attempts,
        deletes: &Deletes,
    ) {
        let leased = messages.into_iter().map(|message| {
            let lease =
                message.receipt_handle.as_deref().map(|receipt_handle| self.shared.leases.lease(receipt_handle));
            (message, lease)
        });
        let leased: Vec<_> = leased.collect();
        if self.shared.queue.is_fifo() {
            if !leased.is_empty() {
                attempts.tasks.spawn(self.shared.clone().work(leased, permits, deletes.clone()));
            }
            return;
        }
        for message in leased {
            // There are as many permits as messages were asked for.
            let Some(permit) = permits.split(1) else { return };
            attempts.tasks.spawn(self.shared.clone().work(vec![message], permit, deletes.clone()));
        }
    }
}

impl Attempts {
    /// Waits for something, and notices attempts that end meanwhile.
    async fn watched<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => self.note(ended),
                done = &mut work => return done,
            }
        }
    }

    async fn all_ended(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            self.report.panics += 1;
            tracing::error!(
                "an attempt failed outside its job; its messages are released: {}",
                Failure::panic(&*panic)
            );
        }
    }
}

impl<R: Runner, S: FailureSink> Shared<R, S> {
    /// Works on some messages and deletes what is done.
    async fn work(
        self: Arc<Self>,
        messages: Vec<(Message, Option<Lease>)>,
        _room: OwnedSemaphorePermit,
        deletes: Deletes,
    ) {
        let (records, leases): (Vec<_>, Vec<_>) =
            messages.into_iter().map(|(message, lease)| (Record::from(message), lease)).unzip();
        let report = self.batch.run(records, Deadline::NEVER).await;
        let retried: Vec<_> = (0..leases.len()).map(|index| is_retried(&report, index)).collect();
        // What the jobs have left may be large, and deleting takes its time.
        drop(report);
        for (lease, is_retried) in leases.into_iter().zip(retried) {
            match lease {
                Some(lease) if is_retried => lease.end(),
                Some(lease) => deletes.delete(lease).await,
                None => {}
            }
        }
    }
}

/// Whether a record's message is to be received again, and so must not be deleted.
fn is_retried<T>(report: &BatchReport<T>, index: usize) -> bool {
    match &report.records[index].outcome {
        Outcome::Done(_) | Outcome::DeadLettered(_) => false,
        Outcome::Reported { .. } => true,
        Outcome::Duplicate { of } => is_retried(report, *of),
    }
}

/// Waits for room for one message, and takes room for as many more as there is, up to what one receive returns.
async fn some_of(room: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let acquired = room.clone().acquire_owned().await;
    let mut permits = acquired.expect("the semaphore is never closed");
    while permits.num_permits() < REQUEST_MESSAGES_MAX
        && let Ok(one) = room.clone().try_acquire_owned()
    {
        permits.merge(one);
    }
    permits
}

/// A sink that ends the leases of messages before their visibility timeouts are changed.
struct LeasedSink<S> {
    leases: Arc<Leases>,
    sink: S,
}

impl<S: FailureSink> FailureSink for LeasedSink<S> {
    async fn dead_letter(&self, message: &Message, failure: &Failure) -> Result<Routed, SinkError> {
        self.sink.dead_letter(message, failure).await
    }

    async fn change_visibility(&self, changes: &[VisibilityChange]) -> Result<(), SinkError> {
        let receipt_handles = changes.iter().filter_map(|change| change.message.receipt_handle.as_deref());
        self.leases.end(receipt_handles).await;
        self.sink.change_visibility(changes).await
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
