//! Runs the sequences of a batch, bounded, until they are done or the time is up.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::{Batch, FailureSink, JobContext, Outcome, Routed, Runner};
use crate::deadline::Deadline;
use crate::event::{Message, Record};
use crate::failure::{Blame, Failure, Retry};

/// One record on its way through the batch.
pub(super) struct Item {
    pub(super) message: Arc<Message>,
    problem: Option<Failure>,
}

impl Item {
    pub(super) fn new(record: Record) -> Arc<Self> {
        Arc::new(Self { message: Arc::new(record.message), problem: record.problem })
    }
}

/// What the driver knows of a record.
#[derive(Debug)]
pub(super) enum RecordProgress<T> {
    Waiting,
    Started(Instant),
    Ended(Outcome<T>, Duration),
}

/// What a sequence tells the driver.
enum Note<T> {
    Started(usize, Instant),
    Ended(usize, Outcome<T>, Duration),
}

/// Runs the sequences and says how far each record came. Returns no later than the deadline's end of work.
pub(super) async fn drive<R: Runner, S: FailureSink>(
    batch: &Batch<R, S>,
    items: &[Arc<Item>],
    sequences: &[Vec<usize>],
    deadline: Deadline,
) -> Vec<RecordProgress<R::Output>> {
    let mut progress: Vec<_> = items.iter().map(|_| RecordProgress::Waiting).collect();
    // Two notes a record at most, so a sequence never waits for the driver.
    let (notes, mut inbox) = mpsc::channel(items.len() * 2 + 1);
    let mut waiting = sequences.iter();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < batch.options.concurrency_max.max(1) && !deadline.is_reached() {
            let Some(sequence) = waiting.next() else { break };
            let sequence: Vec<_> = sequence.iter().map(|&index| (index, items[index].clone())).collect();
            tasks.spawn(run_sequence(batch.runner.clone(), batch.sink.clone(), sequence, deadline, notes.clone()));
        }
        if tasks.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some(note) = inbox.recv() => take(batch, items, &mut progress, note),
            () = deadline.reached() => break,
            // A sequence that panicked outside its jobs has left a record started and not ended; that is reported.
            _ = tasks.join_next() => {}
        }
    }
    tasks.abort_all();
    while let Ok(note) = inbox.try_recv() {
        take(batch, items, &mut progress, note);
    }
    progress
}

fn take<R: Runner, S: FailureSink>(
    batch: &Batch<R, S>,
    items: &[Arc<Item>],
    progress: &mut [RecordProgress<R::Output>],
    note: Note<R::Output>,
) {
    match note {
        Note::Started(index, at) => {
            progress[index] = RecordProgress::Started(at);
            batch.observe(|observer| observer.started(&items[index].message));
        }
        Note::Ended(index, outcome, elapsed) => {
            batch.observe(|observer| observer.ended(&items[index].message, &outcome));
            progress[index] = RecordProgress::Ended(outcome, elapsed);
        }
    }
}

async fn run_sequence<R: Runner, S: FailureSink>(
    runner: Arc<R>,
    sink: Arc<S>,
    sequence: Vec<(usize, Arc<Item>)>,
    deadline: Deadline,
    notes: mpsc::Sender<Note<R::Output>>,
) {
    for (index, item) in sequence {
        if deadline.is_reached() {
            return;
        }
        let started = Instant::now();
        if notes.send(Note::Started(index, started)).await.is_err() {
            return;
        }
        let message = &item.message;
        let span = tracing::info_span!("message", id = message.id, receive_count = message.receive_count());
        if let Some(trace) = message.attributes.get("AWSTraceHeader") {
            tracing::debug!(parent: &span, trace, "linked to its sender's trace");
        }
        let outcome = run_item(&*runner, &*sink, &item, deadline).instrument(span).await;
        // AWS: when a function reports failures of a FIFO queue it must stop at the first one of a group and report the rest
        // (documentation: "Handling errors for an SQS event source in Lambda").
        let is_retried = matches!(outcome, Outcome::Reported { .. });
        if notes.send(Note::Ended(index, outcome, started.elapsed())).await.is_err() || is_retried {
            return;
        }
    }
}

async fn run_item<R: Runner, S: FailureSink>(
    runner: &R,
    sink: &S,
    item: &Item,
    deadline: Deadline,
) -> Outcome<R::Output> {
    let result = match &item.problem {
        Some(problem) => Err(problem.clone()),
        None => run_job(runner, &item.message, deadline).await,
    };
    let failure = match result {
        Ok(output) => return Outcome::Done(output),
        Err(failure) => failure,
    };
    // The text may name keys, which are not for everyone who reads logs; it goes where the message goes.
    tracing::warn!(kind = failure.kind, blame = %failure.blame, "the job failed");
    tracing::debug!(kind = failure.kind, "{failure}");
    if !failure.is_permanent() {
        return Outcome::Reported { failure, visible_in: None };
    }
    match caught(sink.dead_letter(&item.message, &failure)).await {
        Ok(Ok(Routed::DeadLettered)) => Outcome::DeadLettered(failure),
        Ok(Ok(Routed::NotTaken)) => Outcome::Reported { failure, visible_in: None },
        Ok(Err(error)) => {
            tracing::error!("dead-lettering failed; the message will be retried: {error}");
            Outcome::Reported { failure, visible_in: None }
        }
        Err(panic) => {
            tracing::error!("dead-lettering failed; the message will be retried: {}", Failure::panic(&*panic));
            Outcome::Reported { failure, visible_in: None }
        }
    }
}

async fn run_job<R: Runner>(runner: &R, message: &Arc<Message>, deadline: Deadline) -> Result<R::Output, Failure> {
    let context = JobContext { message: message.clone(), deadline };
    let run = async {
        let job = runner.parse(&message.body)?;
        runner.run(job, &context).await
    };
    caught(run).await.unwrap_or_else(|panic| Err(Failure::panic(&*panic)))
}

/// A panic belongs to its job: it is caught here, where the job runs, and not by the runtime, which would answer for the
/// whole invocation.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    AssertUnwindSafe(work).catch_unwind().await
}

/// The kind of the failure of a message that was not tried because one before it in its group is retried.
pub(super) const GROUP_ORDER: &str = "group-order";

/// Why an unfinished record is retried, and how long it was processed.
pub(super) fn unfinished<T>(
    progress: &RecordProgress<T>,
    group_is_retried: bool,
    deadline: &Deadline,
) -> (Failure, Duration) {
    match progress {
        RecordProgress::Started(at) if deadline.is_reached() => {
            (Failure::deadline("the time was up before the job was done"), at.elapsed())
        }
        RecordProgress::Started(at) => (Failure::panic(&"outside the job"), at.elapsed()),
        _ if group_is_retried => {
            let text = "an earlier message of its group is retried first";
            (Failure::new(Blame::Environment, Retry::NextAttempt, GROUP_ORDER, text), Duration::ZERO)
        }
        _ => (Failure::deadline("the time was up before the job was started"), Duration::ZERO),
    }
}
