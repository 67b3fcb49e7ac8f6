//! The mapping on a real engine, in virtual time.

mod batching;
mod failures;
mod lifecycle;
mod mixed;
mod panics;
mod sources;
mod throttles_and_filters;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use super::*;
use crate::{
    LocalQueue,
    engine::{Attribute, MessageBody, QueueArn, Receive, RedrivePolicy, SendMessage},
    event_source_mapping::{
        BatchFailure, DeleteFailure, Depth, DrainError, EventSourceMapping, EventSourceMappingError, InProcess,
        QueueSource, SourceError,
    },
};

const START: Time = Time::from_millis(1_700_000_000_000);
const NEVER: Duration = Duration::from_hours(100);
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RECEIVE_COUNT: u32 = 3;

/// An emulator with a queue and its dead-letter queue, and what a mapping on it has done so far.
#[derive(Clone)]
struct World {
    queues: LocalQueue,
    jobs: QueueArn,
    dead_letters: QueueArn,
    log: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self::with(seed, "", None)
    }

    /// With FIFO queues.
    fn fifo(seed: u64) -> Self {
        Self::with(seed, ".fifo", Some(Attribute::FifoQueue(true)))
    }

    fn with(seed: u64, suffix: &str, attribute: Option<Attribute>) -> Self {
        let queues = LocalQueue::builder().clock(Clock::tokio(START)).seed(seed).build();
        let dead_letters = queues.create_queue(&format!("dead-letters{suffix}"), attribute.as_slice()).unwrap();
        let policy = RedrivePolicy { dead_letter_target: dead_letters.clone(), max_receive_count: MAX_RECEIVE_COUNT };
        let mut attributes =
            vec![Attribute::RedrivePolicy(Some(policy)), Attribute::VisibilityTimeout(VISIBILITY_TIMEOUT)];
        attributes.extend(attribute);
        let jobs = queues.create_queue(&format!("jobs{suffix}"), &attributes).unwrap();
        Self { queues, jobs, dead_letters, log: Arc::default() }
    }

    fn send(&self, body: &str) {
        self.queues.send(&self.jobs, SendMessage::new(MessageBody::parse(body).unwrap())).unwrap();
    }

    fn send_all(&self, count: usize) {
        (0..count).for_each(|i| self.send(&format!("m{i:03}")));
    }

    fn source(&self) -> QueueSource {
        QueueSource::new(self.queues.clone(), self.jobs.clone())
    }

    async fn connect<I: Invoker>(&self, mapping: EventSourceMapping, function: I) -> Running {
        let clock = self.queues.clock().clone();
        let (driver, handle) = mapping.connect(self.source(), function, clock).await.unwrap();
        let (queues, log) = (self.queues.clone(), Arc::clone(&self.log));
        let driver = driver.seed(1).observe(move |observation| {
            let millis = queues.clock().now().since(START).as_millis();
            log.lock().unwrap().push(format!("{millis} {}", line(observation)));
        });
        Running { handle, task: tokio::spawn(driver.run()) }
    }

    /// What the mapping did since this was asked last, each line with its milliseconds.
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn now_millis(&self) -> u128 {
        self.queues.clock().now().since(START).as_millis()
    }

    fn depth(&self) -> (usize, usize) {
        let attributes = self.queues.queue_attributes(&self.jobs).unwrap();
        (attributes.messages, attributes.messages_not_visible)
    }

    async fn dead_letters(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        loop {
            let request = Receive {
                max_messages: 10,
                visibility_timeout: None,
                wait_time: Some(Duration::ZERO),
                attempt_id: None,
            };
            let received = self.queues.receive(&self.dead_letters, request).await.unwrap();
            if received.is_empty() {
                return found;
            }
            for delivery in received {
                let body = delivery.message.body.as_str();
                assert!(found.insert(body.to_owned()), "{body} is dead-lettered once");
            }
        }
    }
}

struct Running {
    handle: Handle<QueueSource>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.handle.stop();
        self.task.await.unwrap();
        self.handle.stopped().await;
    }

    async fn drain_and_stop(self) {
        self.handle.drained().await.unwrap();
        self.stop().await;
    }
}

fn line(observation: &Observation<'_>) -> String {
    match observation {
        Observation::Polled { count } => format!("polled {count}"),
        Observation::ReceiveFailed { error, .. } => format!("receive failed: {error}"),
        Observation::Invoked { messages, closed_by, .. } => format!("invoked {} {closed_by:?}", messages.len()),
        Observation::Finished { outcome, .. } => match outcome {
            BatchOutcome::Succeeded => "succeeded".to_owned(),
            BatchOutcome::PartiallyFailed { failed } => format!("partially failed {failed:?}"),
            BatchOutcome::Failed(failure) => format!("failed: {failure}"),
        },
        Observation::FilteredOut { count } => format!("filtered out {count}"),
        Observation::Throttled { reason, retry_at, .. } => {
            format!("throttled: {reason}{}", if retry_at.is_none() { ", for the last time" } else { "" })
        }
        Observation::Dropped { messages, reason } => format!("dropped {}: {reason}", messages.len()),
        Observation::Deleted { count } => format!("deleted {count}"),
        Observation::DeleteFailed { count, error } => format!("delete failed {count}: {error}"),
        Observation::GivenBack { count } => format!("given back {count}"),
        Observation::GiveBackFailed { count, error } => format!("give back failed {count}: {error}"),
    }
}

fn mapping() -> EventSourceMapping {
    EventSourceMapping {
        report_batch_item_failures: true,
        function_timeout: Duration::from_secs(10),
        ..EventSourceMapping::new("resize")
    }
}

/// The message ids and bodies of an event.
fn records(invocation: &Invocation) -> Vec<(String, String)> {
    let event: serde_json::Value = serde_json::from_slice(&invocation.event).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let records = event["Records"].as_array().unwrap();
    records.iter().map(|record| (text(&record["messageId"]), text(&record["body"]))).collect()
}

fn report<'a>(ids: impl IntoIterator<Item = &'a String>) -> Bytes {
    let items: Vec<_> = ids.into_iter().map(|id| serde_json::json!({ "itemIdentifier": id })).collect();
    serde_json::to_vec(&serde_json::json!({ "batchItemFailures": items })).unwrap().into()
}

/// A function whose messages fail that are called so.
fn fails_bad() -> impl Invoker {
    InProcess::new(|invocation: Invocation| async move {
        let records = records(&invocation);
        Ok(report(records.iter().filter(|(_, body)| body.starts_with("bad")).map(|(id, _)| id)))
    })
}

/// A function that takes `duration` for each batch and does everything.
fn takes(clock: Clock, duration: Duration) -> impl Invoker {
    InProcess::new(move |_| {
        let clock = clock.clone();
        async move {
            clock.sleep_until(clock.now() + duration).await;
            Ok(Bytes::new())
        }
    })
}

/// Lets everything happen that can happen without time passing.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Lets paused time pass.
async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
    settle().await;
}
