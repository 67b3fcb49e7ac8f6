//! Queue, dead-letter queue, event source mapping and the handler's batch, wired up in memory and in virtual time.
//!
//! Everything between the queue and the storage is what runs in production: the mapping, the batch, the resizer, the
//! dead-lettering through the real SDK's client. Only the two ends are watched: what the mapping receives and deletes
//! goes through [`Watched`], and the storage through [`crate::faults`].
//!
//! Tests run under `start_paused`, on one thread. Tokio does not move a paused clock on while work of `spawn_blocking` is
//! under way, so rendering an image takes no virtual time.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use handler::{
    batch::{Batch, BatchOptions},
    budget::Deadline,
    dead_letter::SqsSink,
    event::body::BodyReader,
    resize::{ResizeOptions, Resizer},
    storage::{MemoryStore, Storage},
};
use local_queue::{
    LocalQueue,
    clock::Clock,
    engine::{Attribute, MessageBody, QueueArn, Receive, RedrivePolicy, SendMessage, Time},
    event_source_mapping::{
        BatchOutcome, DeleteFailure, Depth, EventSourceMapping, FunctionError, InProcess, Invocation, Observation,
        QueueSource, Source, SourceError, SourceMessage,
    },
};
use tokio::time::Instant;

use crate::{
    faults::{Faults, Faulty},
    jobs::{Job, PHOTOS, THUMBS},
    ledger::{Explained, Ledger},
};

const START: Time = Time::from_millis(1_800_000_000_000);
/// Longer than any test takes, shorter than the queue keeps messages.
const DRAINED_MAX: Duration = Duration::from_hours(48);

/// How a stack is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Whether the handler knows the dead-letter queue; otherwise only the queue's redrive policy does.
    pub direct_dead_letters: bool,
    /// Of the redrive policy.
    pub max_receive_count: u32,
    /// Of the queue, when the mapping is connected.
    pub visibility_timeout: Duration,
    /// Of the queue, once the mapping is connected: a mapping refuses one shorter than the function's timeout, but does
    /// not see a later change.
    pub visibility_timeout_later: Option<Duration>,
    /// Of the function.
    pub function_timeout: Duration,
    /// How long before its deadline the function stops to work; `None` for one that does not look at its deadline.
    pub deadline_reserve: Option<Duration>,
    /// Of the mapping.
    pub batch_size: u32,
    /// Of the mapping.
    pub batching_window: Duration,
    /// Of the mapping.
    pub maximum_concurrency: u32,
    /// How long each storage operation takes.
    pub latency_millis: RangeInclusive<u64>,
    /// How many of a hundred deliveries are followed by a second one of the same message, up to a minute later.
    pub copies_percent: u8,
}

impl Setup {
    /// The usual one: the template's timeouts, batches of ten, and a storage that answers within a second.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            direct_dead_letters: true,
            max_receive_count: 5,
            visibility_timeout: Duration::from_secs(180),
            visibility_timeout_later: None,
            function_timeout: Duration::from_secs(30),
            deadline_reserve: Some(Duration::from_secs(1)),
            batch_size: 10,
            batching_window: Duration::ZERO,
            maximum_concurrency: 2,
            latency_millis: 1..=999,
            copies_percent: 0,
        }
    }
}

/// What a function is to the mapping.
pub type Reply = BoxFuture<'static, Result<Bytes, FunctionError>>;

/// One invocation and its answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The ids of the messages it was given.
    pub messages: Vec<String>,
    /// The ids of those that came back.
    pub reported: Vec<String>,
    /// Why the invocation as a whole failed, if it did.
    pub error: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// The stack.
#[derive(Debug)]
pub struct Stack {
    setup: Setup,
    queues: LocalQueue,
    jobs: QueueArn,
    photos: Arc<MemoryStore>,
    storage: Storage,
    faults: Arc<Faults>,
    ledger: Arc<Ledger>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Stack {
    /// Queues without messages, buckets without objects.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let queues = LocalQueue::builder().clock(Clock::tokio(START)).seed(setup.seed).build();
        let dead_letters = queues.create_queue("dead-letters", &[]).unwrap();
        let redrive =
            RedrivePolicy { dead_letter_target: dead_letters.clone(), max_receive_count: setup.max_receive_count };
        let attributes =
            [Attribute::VisibilityTimeout(setup.visibility_timeout), Attribute::RedrivePolicy(Some(redrive))];
        let jobs = queues.create_queue("jobs", &attributes).unwrap();
        let (photos, thumbs) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
        let faults = Arc::new(Faults::new(setup.seed, setup.latency_millis.clone()));
        let storage = Storage::builder().bucket(PHOTOS, photos.clone()).bucket(THUMBS, thumbs.clone());
        let storage = storage.decorate({
            let faults = faults.clone();
            move |store| Arc::new(Faulty::new(store, faults.clone()))
        });
        let ledger = Arc::new(Ledger::new(queues.clone(), dead_letters, photos.clone(), thumbs));
        Self { setup, queues, jobs, photos, storage: storage.build(), faults, ledger, answers: Arc::default() }
    }

    /// Puts a job's photo into its bucket, its fault into the plan and its message into the queue; returns the
    /// message's id.
    pub fn submit(&self, job: Job) -> String {
        if let Some((key, bytes)) = &job.photo {
            self.photos.insert(key, bytes.clone(), "image/jpeg");
        }
        if let Some(fault) = &job.fault {
            self.faults.plan(fault.operation, &fault.key, fault.fault, fault.times);
        }
        let message = SendMessage::new(MessageBody::parse(job.body.as_str()).unwrap());
        let id = self.queues.send(&self.jobs, message).unwrap().message_id.to_string();
        self.ledger.submitted(id.clone(), job);
        id
    }

    /// The Lambda function, as its binary makes it.
    pub async fn function(&self) -> impl Fn(Invocation) -> Reply + Clone + Send + Sync + 'static {
        let client = self.queues.client();
        let url = async |name| client.get_queue_url().queue_name(name).send().await.unwrap().queue_url;
        let dead_letter_queue_url = if self.setup.direct_dead_letters { url("dead-letters").await } else { None };
        let sink = SqsSink::new(client.clone(), dead_letter_queue_url).queue_url(url("jobs").await);
        let resizer = Resizer::new(self.storage.clone(), BodyReader::default(), ResizeOptions::default());
        let options = BatchOptions { seed: Some(self.setup.seed), ..BatchOptions::default() };
        let batch = Arc::new(Batch::with_sink(resizer, sink).options(options));
        let (clock, reserve) = (self.queues.clock().clone(), self.setup.deadline_reserve);
        move |invocation: Invocation| -> Reply {
            let (batch, clock) = (batch.clone(), clock.clone());
            Box::pin(async move {
                let remaining = invocation.deadline.since(clock.now());
                let deadline = reserve.map_or(Deadline::NEVER, |reserve| Deadline::after(remaining, reserve));
                let event = std::str::from_utf8(&invocation.event).unwrap();
                let answer = batch.handle(event, deadline).await.map_err(|error| FunctionError::Failed {
                    error_type: error.error_type().to_owned(),
                    message: error.to_string(),
                })?;
                Ok(serde_json::to_vec(&answer).unwrap().into())
            })
        }
    }

    /// Lets the handler work until the queue is empty.
    pub async fn run(&self) {
        self.run_with(self.function().await).await;
    }

    /// Lets another function work until the queue is empty.
    pub async fn run_with(&self, function: impl Fn(Invocation) -> Reply + Send + Sync + 'static) {
        let mapping = EventSourceMapping {
            batch_size: self.setup.batch_size,
            maximum_batching_window: self.setup.batching_window,
            maximum_concurrency: Some(self.setup.maximum_concurrency),
            report_batch_item_failures: true,
            function_timeout: self.setup.function_timeout,
            ..EventSourceMapping::new("resize")
        };
        let clock = self.queues.clock().clone();
        let (driver, handle) = mapping.connect(self.watched(), InProcess::new(function), clock).await.unwrap();
        if let Some(timeout) = self.setup.visibility_timeout_later {
            self.queues.set_queue_attributes(&self.jobs, &[Attribute::VisibilityTimeout(timeout)]).unwrap();
        }
        let answers = self.answers.clone();
        let driver = driver.seed(self.setup.seed).observe(move |observation| {
            if let Observation::Finished { messages, outcome, duration, .. } = observation {
                lock(&answers).push(answer(messages, outcome, *duration));
            }
        });
        let driving = tokio::spawn(driver.run());
        let drained = tokio::time::timeout(DRAINED_MAX, handle.drained()).await;
        drained.expect("the queue is empty in the end").unwrap();
        handle.stop();
        driving.await.unwrap();
    }

    /// Every invocation so far, in the order in which they ended.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        lock(&self.answers).clone()
    }

    /// What was delivered and what became of it.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Everything that is not as it should be; empty when all is well.
    pub async fn violations(&self, explained: Explained) -> Vec<String> {
        let mut violations = self.ledger.violations(explained).await;
        violations.extend(self.faults.unspent());
        let left = self.queues.queue_attributes(&self.jobs).unwrap();
        if (left.messages, left.messages_delayed, left.messages_not_visible) != (0, 0, 0) {
            violations.push(format!("the queue is not empty: {left:?}"));
        }
        violations
    }

    /// Panics with everything that is not as it should be.
    pub async fn assert_all_is_well(&self, explained: Explained) {
        let violations = self.violations(explained).await;
        assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
    }

    fn watched(&self) -> Watched {
        Watched {
            source: QueueSource::new(self.queues.clone(), self.jobs.clone()),
            ledger: self.ledger.clone(),
            copies_percent: self.setup.copies_percent,
            copies: Mutex::new((fastrand::Rng::with_seed(self.setup.seed), Vec::new())),
        }
    }
}

fn answer(messages: &[SourceMessage], outcome: &BatchOutcome, duration: Duration) -> Answer {
    let messages: Vec<String> = messages.iter().map(|message| message.message_id.clone()).collect();
    let (reported, error) = match outcome {
        BatchOutcome::Succeeded => (Vec::new(), None),
        BatchOutcome::PartiallyFailed { failed } => {
            (failed.iter().map(|&index| messages[index].clone()).collect(), None)
        }
        BatchOutcome::Failed(failure) => (messages.clone(), Some(failure.to_string())),
    };
    Answer { messages, reported, error, duration }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The queue as the mapping sees it: every delivery and every deletion is written into the ledger, and some messages are
/// delivered twice, as SQS may ("at-least-once delivery"), with the same receipt handle and also after their deletion.
#[derive(Debug)]
struct Watched {
    source: QueueSource,
    ledger: Arc<Ledger>,
    copies_percent: u8,
    copies: Mutex<(fastrand::Rng, Vec<(Instant, SourceMessage)>)>,
}

impl Watched {
    fn take_due_copies(&self, count_max: usize) -> Vec<SourceMessage> {
        let now = Instant::now();
        let copies = &mut lock(&self.copies).1;
        let mut due: Vec<_> = copies.extract_if(.., |(at, _)| *at <= now).collect();
        copies.extend(due.drain(count_max.min(due.len())..));
        due.into_iter().map(|(_, message)| message).collect()
    }

    async fn next_copy_is_due(&self) {
        let next = lock(&self.copies).1.iter().map(|(at, _)| *at).min();
        match next {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn deliver(&self, messages: &[SourceMessage], may_be_copied: bool) {
        for message in messages {
            self.ledger.received(&message.message_id, &message.receipt_handle);
            let (random, copies) = &mut *lock(&self.copies);
            if may_be_copied && random.u8(..100) < self.copies_percent {
                let at = Instant::now() + Duration::from_millis(random.u64(..60_000));
                copies.push((at, message.clone()));
            }
        }
    }
}

impl Source for Watched {
    fn queue_arn(&self) -> &QueueArn {
        self.source.queue_arn()
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        self.source.visibility_timeout().await
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        let count_max = usize::try_from(request.max_messages).unwrap();
        let received = tokio::select! {
            biased;
            () = self.next_copy_is_due() => None,
            received = self.source.receive(request) => Some(received?),
        };
        let messages = if let Some(messages) = received {
            self.deliver(&messages, true);
            messages
        } else {
            let copies = self.take_due_copies(count_max);
            self.deliver(&copies, false);
            copies
        };
        Ok(messages)
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        for handle in &receipt_handles {
            self.ledger.deleting(handle).await;
        }
        self.source.delete(receipt_handles).await
    }

    /// A copy that is still to come counts as ready.
    async fn depth(&self) -> Result<Depth, SourceError> {
        let depth = self.source.depth().await?;
        let copies = lock(&self.copies).1.len() as u64;
        Ok(Depth { ready: depth.ready + copies, ..depth })
    }
}
