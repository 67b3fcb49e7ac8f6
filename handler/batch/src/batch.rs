//! An SQS batch in, a partial batch response out, for any kind of job.
//!
//! Lambda hands a function up to 10,000 messages at once and deletes all that the answer does not name. This module is
//! everything between the event and the answer: it reads the event leniently, runs the jobs side by side, keeps the
//! order of FIFO groups, stays within the deadline, catches panics, gets hopeless messages out of the way, and names
//! exactly those that are to be retried. What a job *is* it does not know: that is a [`Runner`], which parses a body,
//! runs it, and says how it failed.
//!
//! ```
//! use sqs_batch::batch::{Batch, JobContext, Runner};
//! use sqs_batch::deadline::Deadline;
//! use sqs_batch::failure::Failure;
//!
//! struct Shout;
//!
//! impl Runner for Shout {
//!     type Job = String;
//!     type Output = String;
//!
//!     fn parse(&self, body: &str) -> Result<String, Failure> {
//!         if body.is_ascii() { Ok(body.to_owned()) } else { Err(Failure::bad_job("only ASCII can shout")) }
//!     }
//!
//!     async fn run(&self, job: String, _: &JobContext) -> Result<String, Failure> {
//!         Ok(job.to_uppercase())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let event = r#"{"Records":[{"messageId":"1","body":"hey"},{"messageId":"2","body":"h\u00e9"}]}"#;
//! let response = Batch::new(Shout).handle(event, Deadline::NEVER).await.unwrap();
//! assert_eq!(serde_json::to_string(&response).unwrap(), r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#);
//! # });
//! ```
//!
//! Rules, each with a test of its name:
//! - a message is named in the answer, *or* its job is done, *or* it is in the dead-letter queue: never none of these;
//! - the answer names only messages of its batch, each once, and never by an empty id;
//! - one message's failure or panic changes nothing for its neighbours, except in its own FIFO group;
//! - the answer is ready before the deadline; what was not started or not done by then is named.
//!
//! A record without `messageId` is run like any other. If it is done, or dead-lettered, nothing needs to be said. If it
//! is to be retried, [`BatchReport::response`] is an error ([`Unnameable`]).

mod backoff;
mod drive;
mod order;
mod report;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::event::{self, EventError, Message, Record};
use crate::failure::{Failure, Retry};

use drive::{Item, RecordProgress};

pub use backoff::{Backoff, INVISIBLE_MAX};
pub use report::{BatchReport, BatchResponse, Counts, Outcome, RecordReport, Unnameable};

/// What a job is.
pub trait Runner: Send + Sync + 'static {
    /// A body that has been understood.
    type Job: Send + 'static;
    /// What a done job leaves for the report.
    type Output: Send + 'static;

    /// Reads a message body. Each body stands alone: a refusal costs only its own message.
    fn parse(&self, body: &str) -> Result<Self::Job, Failure>;

    /// Does the job.
    ///
    /// A message can be delivered more than once, so doing a job twice must leave what doing it once leaves. The future
    /// is dropped when the time is up; work it has handed to other threads should look at the context's deadline.
    fn run(&self, job: Self::Job, context: &JobContext) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// What a running job may know of its surroundings.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// Its message.
    pub message: Arc<Message>,
    /// Until when it may work.
    pub deadline: Deadline,
}

/// Where failures go besides the answer.
pub trait FailureSink: Send + Sync + 'static {
    /// Puts a message that can never succeed where people find it. After [`Routed::DeadLettered`] the message counts as
    /// done and is deleted, so it must not be said before the copy is safe.
    fn dead_letter(
        &self,
        message: &Message,
        failure: &Failure,
    ) -> impl Future<Output = Result<Routed, SinkError>> + Send;

    /// Asks that messages be visible again after their pauses. Without it they are retried after the queue's
    /// visibility timeout.
    fn change_visibility(&self, changes: &[VisibilityChange]) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// What a [`FailureSink`] did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// A copy is in the dead-letter queue.
    DeadLettered,
    /// Nothing: the message is retried, and the queue's redrive policy decides.
    NotTaken,
}

/// When one message should be visible again.
#[derive(Clone, Debug)]
pub struct VisibilityChange {
    /// The message; its receipt handle and queue say which.
    pub message: Arc<Message>,
    /// From now.
    pub visible_in: Duration,
}

/// Why a [`FailureSink`] failed to dead-letter a message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Leaves everything to the queue: failures are reported and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportOnly;

impl FailureSink for ReportOnly {
    async fn dead_letter(&self, _: &Message, _: &Failure) -> Result<Routed, SinkError> {
        Ok(Routed::NotTaken)
    }

    async fn change_visibility(&self, _: &[VisibilityChange]) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Watches a batch: for progress bars, metrics and tests. Called from the task that drives the batch, so it must not
/// block. A panic of it is logged and changes nothing.
pub trait Observer<T>: Send + Sync {
    /// Work on a message has begun.
    fn started(&self, message: &Message) {
        let _ = message;
    }

    /// A message that was started has its outcome; when it is retried, if it is, is not decided yet.
    fn ended(&self, message: &Message, outcome: &Outcome<T>) {
        let _ = (message, outcome);
    }

    /// The batch has its answer. Every record is in it, also those that were never started.
    fn finished(&self, report: &BatchReport<T>) {
        let _ = report;
    }
}

/// Limits and pauses of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// Messages (of a FIFO queue: groups) worked on at once.
    pub concurrency_max: usize,
    /// Pauses of messages that may work later.
    pub backoff: Backoff,
    /// The longest pause of a message for which there was no time or no memory, and which another invocation may do: short,
    /// since it has not failed, and drawn from one second, since whoever is short of something now is so a moment later.
    pub postponement_max: Duration,
    /// Makes the pauses repeat, for tests.
    pub seed: Option<u64>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        let postponement_max = Duration::from_secs(5);
        Self { concurrency_max: 10, backoff: Backoff::default(), postponement_max, seed: None }
    }
}

/// Handles batches of one kind of job. One of these serves all invocations of a process.
pub struct Batch<R: Runner, S = ReportOnly> {
    runner: Arc<R>,
    sink: Arc<S>,
    observer: Option<Arc<dyn Observer<R::Output>>>,
    options: BatchOptions,
    random: Mutex<fastrand::Rng>,
}

/// The invocation as a whole failed: nothing is deleted and every message is retried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There are no records to report.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A record is to be retried and cannot be named.
    #[error(transparent)]
    Unnameable(#[from] Unnameable),
}

impl BatchError {
    /// The word for Lambda's `errorType`.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Event(_) => "Function.NotAnSqsEvent",
            Self::Unnameable(_) => "Function.RecordWithoutMessageId",
        }
    }
}

impl<R: Runner> Batch<R> {
    /// Reports failures and leaves the rest to the queue.
    #[must_use]
    pub fn new(runner: R) -> Self {
        Self::with_sink(runner, ReportOnly)
    }
}

impl<R: Runner, S: FailureSink> Batch<R, S> {
    /// Routes failures through a sink.
    #[must_use]
    pub fn with_sink(runner: R, sink: S) -> Self {
        let options = BatchOptions::default();
        Self {
            runner: Arc::new(runner),
            sink: Arc::new(sink),
            observer: None,
            options,
            random: Mutex::new(fastrand::Rng::new()),
        }
    }

    /// Sets limits and pauses.
    #[must_use]
    pub fn options(mut self, options: BatchOptions) -> Self {
        self.options = options;
        self.random = Mutex::new(options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed));
        self
    }

    /// Adds the watcher.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer<R::Output>>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// What runs the jobs.
    #[must_use]
    pub fn runner(&self) -> &R {
        &self.runner
    }

    /// Handles the event of one invocation and returns the answer to Lambda.
    pub async fn handle(&self, event: &str, deadline: Deadline) -> Result<BatchResponse, BatchError> {
        let records = event::parse(event)?;
        Ok(self.run(records, deadline).await.response()?)
    }

    /// Handles records that are already read, and says all that became of them.
    pub async fn run(&self, records: Vec<Record>, deadline: Deadline) -> BatchReport<R::Output> {
        let began = Instant::now();
        let order = order::arrange(&records);
        let items: Vec<_> = records.into_iter().map(Item::new).collect();
        let mut progress = drive::drive(self, &items, &order.sequences, deadline).await;
        for sequence in &order.sequences {
            finish_sequence(sequence, &mut progress, &deadline);
        }
        let records = progress.into_iter().zip(&items).zip(order.duplicate_of);
        let records = records.map(|((progress, item), duplicate_of)| {
            let (outcome, elapsed) = match (progress, duplicate_of) {
                (_, Some(of)) => (Outcome::Duplicate { of }, Duration::ZERO),
                (RecordProgress::Ended(outcome, elapsed), None) => (outcome, elapsed),
                (_, None) => unreachable!("each record is a duplicate or in a sequence, and each sequence is finished"),
            };
            RecordReport { message: item.message.clone(), outcome, elapsed }
        });
        let mut report = BatchReport { records: records.collect(), elapsed: Duration::ZERO };
        self.pause_reported(&mut report, began, &deadline).await;
        report.elapsed = began.elapsed();
        self.observe(|observer| observer.finished(&report));
        report
    }

    /// Lets the observer see something. Its panic is its own: it must not cost a message.
    fn observe(&self, see: impl FnOnce(&dyn Observer<R::Output>)) {
        let Some(observer) = &self.observer else { return };
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| see(&**observer))) {
            tracing::error!("an observer panicked: {}", Failure::panic(&*panic));
        }
    }

    /// Decides when each reported message is retried, and asks for it as long as there is time to.
    async fn pause_reported(&self, report: &mut BatchReport<R::Output>, began: Instant, deadline: &Deadline) {
        let mut changes = Vec::new();
        for index in 0..report.records.len() {
            let record = &mut report.records[index];
            if let Outcome::Reported { failure, visible_in } = &mut record.outcome {
                *visible_in = visible_in.or_else(|| self.pause(failure, &record.message, began));
                let change = |visible_in| VisibilityChange { message: record.message.clone(), visible_in };
                changes.extend(visible_in.map(change));
            }
        }
        if changes.is_empty() {
            return;
        }
        let until = deadline.answer_until().unwrap_or_else(|| Instant::now() + VISIBILITY_TIMEOUT);
        let asked = tokio::time::timeout_at(until, drive::caught(self.sink.change_visibility(&changes))).await;
        let reason = match asked {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(panic)) => Failure::panic(&*panic).to_string(),
            Err(_) => "there was no time left".to_owned(),
        };
        tracing::warn!("failed to set the retry delay of {} messages: {reason}", changes.len());
    }

    fn pause(&self, failure: &Failure, message: &Message, began: Instant) -> Option<Duration> {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.retry {
            Retry::Never => None,
            Retry::NextAttempt => {
                let seconds = random.u64(1..=self.options.postponement_max.as_secs().max(1));
                Some(Duration::from_secs(seconds))
            }
            Retry::Later => Some(self.options.backoff.pause(message.receive_count(), began.elapsed(), &mut random)),
        }
    }
}

/// How long a batch without a deadline waits for its visibility changes.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(10);

/// Ends what did not end by itself, in the sequence's order, so that what follows a message that is retried says so.
fn finish_sequence<T>(sequence: &[usize], progress: &mut [RecordProgress<T>], deadline: &Deadline) {
    let mut group_is_retried = false;
    for &index in sequence {
        if !matches!(progress[index], RecordProgress::Ended(..)) {
            let (failure, elapsed) = drive::unfinished(&progress[index], group_is_retried, deadline);
            // A group waits for all of its messages that are invisible: those that only follow another one add no pause.
            let visible_in = (group_is_retried && failure.kind == drive::GROUP_ORDER).then_some(Duration::ZERO);
            progress[index] = RecordProgress::Ended(Outcome::Reported { failure, visible_in }, elapsed);
        }
        group_is_retried |= matches!(progress[index], RecordProgress::Ended(Outcome::Reported { .. }, _));
    }
}

#[cfg(test)]
mod tests;
