//! One hour of traffic through an event source mapping, in virtual time: throttles, crashes, timeouts, replies that make no
//! sense, partial failures, filters, standard and FIFO queues, in process and behind the SDK. At its end every message was
//! deleted after it was done, or deleted by the filter, or is in the dead-letter queue.
//!
//! `cargo test -p tests --test mapping_hour -- --nocapture` prints a line for each seed; `SEED=7` repeats one.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "mapping_hour/buckets.rs"]
mod buckets;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use local_queue::{
    LocalQueue,
    clock::Clock,
    engine::{Attribute, MessageBody, QueueArn, Receive, RedrivePolicy, SendMessage, Time},
    event_source_mapping::{
        DeleteFailure, Depth, EventSourceMapping, FilterCriteria, FunctionError, InProcess, Invocation, Metrics,
        QueueSource, SdkSource, Source, SourceError, SourceMessage,
    },
};
use serde_json::{Value, json};
use tests::{SeedOnFailure, seeds};

const START: Time = Time::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_hours(1);
/// The queue is empty at the latest so long after the traffic has ended.
const DRAINED_MAX: Duration = Duration::from_hours(12);
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_RECEIVE_COUNT: u32 = 5;
const GROUPS: usize = 12;

/// What a run is like, drawn from its seed.
#[derive(Clone, Debug)]
struct Setup {
    seed: u64,
    is_fifo: bool,
    behind_sdk: bool,
    batch_size: u32,
    window: Duration,
    maximum_concurrency: u32,
    reserved_concurrency: usize,
    report: bool,
    visibility_timeout: Duration,
    /// After how many receives the queue loses a message: a bug that has to be found.
    loses: Option<usize>,
}

impl Setup {
    fn draw(seed: u64) -> Self {
        let random = &mut Rng::with_seed(seed);
        let is_fifo = seed.is_multiple_of(2);
        let window = if is_fifo { 0 } else { [0, 0, 2, 5][random.usize(..4)] };
        Self {
            seed,
            is_fifo,
            behind_sdk: seed.is_multiple_of(3),
            batch_size: if window == 0 { random.u32(1..=10) } else { random.u32(5..=60) },
            window: Duration::from_secs(window),
            maximum_concurrency: random.u32(2..=8),
            reserved_concurrency: random.usize(2..=8),
            report: !seed.is_multiple_of(5),
            visibility_timeout: Duration::from_secs([12, 60][random.usize(..2)]),
            loses: None,
        }
    }

    fn describe(&self) -> String {
        let kind = if self.is_fifo { "FIFO" } else { "standard" };
        let place = if self.behind_sdk { "behind the SDK" } else { "in process" };
        format!(
            "{kind} queue {place}, batches of {}, window {} s, concurrency {} of {} reserved, visibility {} s, {}",
            self.batch_size,
            self.window.as_secs(),
            self.maximum_concurrency,
            self.reserved_concurrency,
            self.visibility_timeout.as_secs(),
            if self.report { "partial responses" } else { "whole responses" },
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Job,
    Poison,
    Noise,
}

/// One message, by its number.
#[derive(Clone, Debug)]
struct Letter {
    kind: Kind,
    group: usize,
    received: u32,
    hidden_until: Time,
    /// When it was done for the first time, among all that was done.
    done: Option<usize>,
    /// Deletes that the queue has confirmed: while the message was hidden, and after that.
    deleted_in_time: bool,
    deleted_late: bool,
    /// The last invocation that it was part of, among all that was done.
    last_invoked: usize,
}

/// What has happened, and what should not have.
#[derive(Debug, Default)]
struct Book {
    letters: BTreeMap<usize, Letter>,
    handles: HashMap<String, usize>,
    steps: usize,
    running: usize,
    most_running: usize,
    running_groups: BTreeSet<usize>,
    runs: BTreeMap<&'static str, usize>,
    violations: Vec<String>,
}

#[derive(Clone, Debug)]
struct World {
    setup: Setup,
    queues: LocalQueue,
    jobs: QueueArn,
    dead_letters: QueueArn,
    book: Arc<Mutex<Book>>,
    random: Arc<Mutex<Rng>>,
}

/// The number in a body.
fn number(body: &str) -> usize {
    serde_json::from_str::<Value>(body).unwrap()["number"].as_u64().unwrap().try_into().unwrap()
}

impl World {
    fn new(setup: Setup) -> Self {
        let queues = LocalQueue::builder().clock(Clock::tokio(START)).seed(setup.seed).build();
        let name = |stem: &str| if setup.is_fifo { format!("{stem}.fifo") } else { stem.to_owned() };
        let fifo = setup.is_fifo.then_some(Attribute::FifoQueue(true));
        let dead_letters = queues.create_queue(&name("dead-letters"), fifo.as_slice()).unwrap();
        let policy = RedrivePolicy { dead_letter_target: dead_letters.clone(), max_receive_count: MAX_RECEIVE_COUNT };
        let mut attributes = vec![Attribute::RedrivePolicy(Some(policy))];
        attributes.push(Attribute::VisibilityTimeout(setup.visibility_timeout));
        attributes.extend(fifo);
        let jobs = queues.create_queue(&name("jobs"), &attributes).unwrap();
        let random = Arc::new(Mutex::new(Rng::with_seed(setup.seed)));
        Self { setup, queues, jobs, dead_letters, book: Arc::default(), random }
    }

    fn now(&self) -> Time {
        self.queues.clock().now()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }

    /// Sends messages for an hour: calm times and bursts.
    async fn traffic(&self) {
        let end = self.now() + HOUR;
        for number in 0.. {
            let (kind, group, wait) = self.draw(|random| {
                let kind = match random.u8(..50) {
                    0 => Kind::Poison,
                    1..6 => Kind::Noise,
                    _ => Kind::Job,
                };
                let wait = match random.u8(..200) {
                    0 => random.u64(..120_000),
                    1..100 => random.u64(..100),
                    _ => random.u64(..1_500),
                };
                (kind, random.usize(..GROUPS), wait)
            });
            let text = if kind == Kind::Noise { "noise" } else { "job" };
            let body = json!({ "number": number, "kind": text }).to_string();
            let letter = Letter {
                kind,
                group,
                received: 0,
                hidden_until: START,
                done: None,
                deleted_in_time: false,
                deleted_late: false,
                last_invoked: 0,
            };
            self.book().letters.insert(number, letter);
            let message = SendMessage::new(MessageBody::parse(body).unwrap());
            let ordered = SendMessage {
                group_id: Some(format!("g{group}")),
                deduplication_id: Some(number.to_string()),
                ..message.clone()
            };
            self.queues.send(&self.jobs, if self.setup.is_fifo { ordered } else { message }).unwrap();
            self.queues.clock().sleep_until(self.now() + Duration::from_millis(wait)).await;
            if self.now() >= end {
                return;
            }
        }
    }

    /// The function: throttled, failing in every way, or working.
    async fn invoke(self, invocation: Invocation) -> Result<Bytes, FunctionError> {
        // For some minutes of each quarter of an hour others use up the account's concurrency.
        let minute = self.now().since(START).as_secs() / 60 % 15;
        let (is_contended, way, millis) = self
            .draw(|random| ((10..13).contains(&minute) && random.u8(..4) > 0, random.u8(..20), random.u64(..4_000)));
        if is_contended || self.book().running >= self.setup.reserved_concurrency {
            let reason = "ReservedFunctionConcurrentInvocationLimitExceeded".to_owned();
            return Err(FunctionError::Throttled { reason });
        }
        let event: Value = serde_json::from_slice(&invocation.event).unwrap();
        let records = event["Records"].as_array().unwrap();
        let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
        let records: Vec<(String, usize)> =
            records.iter().map(|record| (text(record, "messageId"), number(&text(record, "body")))).collect();
        let _running = Running::start(&self, &records);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let name = match way {
            0 => "crashed before",
            1 => "crashed after",
            2 => "failed",
            3 => "timed out",
            4 => "answered nonsense",
            _ => "worked",
        };
        *self.book().runs.entry(name).or_default() += 1;
        match name {
            "crashed before" => return Err(crashed()),
            "failed" => return Err(failed_with("everything")),
            _ => {}
        }
        let failed = self.work(&records, name == "worked");
        match name {
            "crashed after" => return Err(crashed()),
            "timed out" => std::future::pending().await,
            // Without partial responses nobody looks at a reply: whoever replies has done everything.
            _ if !self.setup.report && !failed.is_empty() => return Err(failed_with("some messages")),
            "answered nonsense" => return Ok(Bytes::from_static(b"{\"batchItemFailures\":[{\"id\":\"\"}]}")),
            _ => {}
        }
        let failed: Vec<Value> = failed.iter().map(|id| json!({ "itemIdentifier": id })).collect();
        Ok(json!({ "batchItemFailures": failed }).to_string().into())
    }

    /// Does the messages in their order, as a good function does: after one that fails the rest of its group is left.
    fn work(&self, records: &[(String, usize)], may_fail: bool) -> Vec<String> {
        let (mut failed, mut failed_groups) = (Vec::new(), BTreeSet::new());
        for (id, number) in records {
            let is_unlucky = may_fail && self.draw(|random| random.u8(..40) == 0);
            let mut book = self.book();
            book.steps += 1;
            let step = book.steps;
            let letter = book.letters.get_mut(number).unwrap();
            let is_blocked = self.setup.is_fifo && failed_groups.contains(&letter.group);
            if is_unlucky || is_blocked || letter.kind == Kind::Poison {
                failed_groups.insert(letter.group);
                failed.push(id.clone());
            } else {
                letter.done.get_or_insert(step);
            }
        }
        failed
    }
}

fn crashed() -> FunctionError {
    FunctionError::Crashed { message: "planned".to_owned() }
}

fn failed_with(message: &str) -> FunctionError {
    FunctionError::Failed { error_type: "Planned".to_owned(), message: message.to_owned() }
}

/// An invocation that runs.
struct Running {
    book: Arc<Mutex<Book>>,
    groups: BTreeSet<usize>,
}

impl Running {
    fn start(world: &World, records: &[(String, usize)]) -> Self {
        let mut book = world.book();
        book.running += 1;
        book.most_running = book.most_running.max(book.running);
        book.steps += 1;
        let step = book.steps;
        let mut groups = BTreeSet::new();
        for (_, number) in records {
            let letter = book.letters.get_mut(number).unwrap();
            letter.last_invoked = step;
            groups.insert(letter.group);
            if letter.kind == Kind::Noise {
                book.violations.push(format!("{number} was invoked although the filter refuses it"));
            }
        }
        if world.setup.is_fifo {
            for group in &groups {
                if !book.running_groups.insert(*group) {
                    book.violations.push(format!("two batches of group {group} were in flight"));
                }
            }
        }
        Self { book: Arc::clone(&world.book), groups }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap();
        book.running -= 1;
        book.running_groups.retain(|group| !self.groups.contains(group));
    }
}

/// The queue as the mapping sees it; receives and deletes are written down.
#[derive(Debug)]
struct Watched<S> {
    source: S,
    world: World,
    receives: AtomicUsize,
}

impl<S: Source> Source for Watched<S> {
    fn queue_arn(&self) -> &QueueArn {
        self.source.queue_arn()
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        self.source.visibility_timeout().await
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        let hidden_for = request.visibility_timeout.unwrap_or(self.world.setup.visibility_timeout);
        let mut messages = self.source.receive(request).await?;
        let receives = self.receives.fetch_add(1, Ordering::SeqCst);
        let loses = self.world.setup.loses.is_some_and(|every| receives.is_multiple_of(every));
        if let Some(lost) = messages.pop_if(|_| loses) {
            self.source.delete(vec![lost.receipt_handle]).await?;
        }
        let hidden_until = self.world.now() + hidden_for;
        let mut book = self.world.book();
        for message in &messages {
            let number = number(&message.body);
            book.handles.insert(message.receipt_handle.clone(), number);
            let letter = book.letters.get_mut(&number).unwrap();
            letter.received += 1;
            letter.hidden_until = hidden_until;
        }
        Ok(messages)
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        let failures = self.source.delete(receipt_handles.clone()).await?;
        let now = self.world.now();
        let mut book = self.world.book();
        for (index, handle) in receipt_handles.iter().enumerate() {
            if failures.iter().any(|failure| failure.index == index) {
                continue;
            }
            let number = book.handles[handle];
            let letter = book.letters.get_mut(&number).unwrap();
            if now < letter.hidden_until {
                letter.deleted_in_time = true;
            } else {
                letter.deleted_late = true;
            }
            if letter.kind != Kind::Noise && letter.done.is_none() {
                book.violations.push(format!("{number} was deleted before it was done"));
            }
        }
        Ok(failures)
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        self.source.depth().await
    }
}

/// What an hour came to.
struct Outcome {
    summary: String,
    violations: Vec<String>,
}

async fn hour(setup: Setup) -> Outcome {
    let world = World::new(setup.clone());
    if setup.behind_sdk {
        let client = world.queues.client();
        let clock = world.queues.clock().clone();
        let source = SdkSource::connect(client, world.jobs.name(), clock).await.unwrap();
        drive(world, source).await
    } else {
        let source = QueueSource::new(world.queues.clone(), world.jobs.clone());
        drive(world, source).await
    }
}

async fn drive<S: Source>(world: World, source: S) -> Outcome {
    let setup = world.setup.clone();
    let mapping = EventSourceMapping {
        batch_size: setup.batch_size,
        maximum_batching_window: setup.window,
        maximum_concurrency: Some(setup.maximum_concurrency),
        report_batch_item_failures: setup.report,
        function_timeout: FUNCTION_TIMEOUT,
        filter_criteria: FilterCriteria::parse([r#"{"body":{"kind":[{"anything-but":"noise"}]}}"#]).unwrap(),
        ..EventSourceMapping::new("resize")
    };
    let source = Watched { source, world: world.clone(), receives: AtomicUsize::new(0) };
    let function = world.clone();
    let function = InProcess::new(move |invocation| function.clone().invoke(invocation));
    let clock = world.queues.clock().clone();
    let (driver, handle) = mapping.connect(source, function, clock).await.unwrap();
    let running = tokio::spawn(driver.seed(setup.seed).run());
    world.traffic().await;
    tokio::time::timeout(DRAINED_MAX, handle.drained()).await.expect("the queue is empty in the end").unwrap();
    handle.stop();
    running.await.unwrap();
    let dead = dead_letters(&world).await;
    judge(&world, &dead, &handle.metrics())
}

/// The numbers in the dead-letter queue.
async fn dead_letters(world: &World) -> BTreeMap<usize, usize> {
    let mut dead = BTreeMap::new();
    loop {
        let request = Receive { max_messages: 10, wait_time: Some(Duration::ZERO), ..Receive::default() };
        let received = world.queues.receive(&world.dead_letters, request).await.unwrap();
        if received.is_empty() {
            return dead;
        }
        for delivery in received {
            *dead.entry(number(delivery.message.body.as_str())).or_default() += 1;
            world.queues.delete(&world.dead_letters, delivery.receipt_handle).unwrap();
        }
    }
}

fn judge(world: &World, dead: &BTreeMap<usize, usize>, metrics: &Metrics) -> Outcome {
    let (book, setup) = (world.book(), &world.setup);
    let mut violations = book.violations.clone();
    let (mut done, mut filtered, mut late) = (0, 0, 0);
    for (number, letter) in &book.letters {
        let is_dead = dead.contains_key(number);
        let is_deleted = letter.deleted_in_time || letter.deleted_late;
        late += usize::from(is_dead && letter.deleted_late);
        let mut say = |wrong: &str| violations.push(format!("{number} {wrong}: {letter:?}"));
        match (is_dead, is_deleted) {
            (false, false) => say("was lost"),
            // A function that still runs when its messages are no longer hidden deletes what may be elsewhere by then.
            (true, _) if letter.deleted_in_time => say("was deleted and is a dead letter"),
            (true, _) if letter.received < MAX_RECEIVE_COUNT => say("was dead-lettered too early"),
            (true, _) if letter.kind == Kind::Noise => say("was dead-lettered although the filter refuses it"),
            (true, _) => {}
            (false, true) if letter.kind == Kind::Poison => say("can never be done and is not dead-lettered"),
            (false, true) if letter.kind == Kind::Noise => filtered += 1,
            (false, true) => done += 1,
        }
        if letter.received > MAX_RECEIVE_COUNT {
            say("was received too often");
        }
    }
    violations.extend(dead.iter().filter(|(_, copies)| **copies > 1).map(|(number, _)| format!("{number} died twice")));
    let limit = setup.reserved_concurrency.min(setup.maximum_concurrency as usize);
    if book.most_running > limit {
        violations.push(format!("{} ran at once, and {limit} may", book.most_running));
    }
    if setup.is_fifo {
        violations.extend(out_of_order(&book));
    }
    violations.extend(wrong_counts(&book, metrics));
    let sent = book.letters.len();
    let mut summary = format!(
        "seed {}: {}\n  {sent} sent = {done} done + {filtered} filtered out + {} dead ({late} of these deleted late); at \
         most {} ran at once; {metrics:?}\n  ",
        setup.seed,
        setup.describe(),
        dead.len(),
        book.most_running
    );
    for (way, count) in &book.runs {
        let _ = write!(summary, "{count} {way}, ");
    }
    let _ = write!(summary, "{:.1} h until the queue was empty", world.now().since(START).as_secs_f64() / 3_600.0);
    if sent != done + filtered + dead.len() {
        violations.push("the numbers do not add up".to_owned());
    }
    Outcome { summary, violations }
}

/// Messages of one group that were done before an earlier one was done or given up.
fn out_of_order(book: &Book) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut before: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (number, letter) in book.letters.iter().filter(|(_, letter)| letter.kind != Kind::Noise) {
        let (after, earlier) = before.get(&letter.group).copied().unwrap_or_default();
        if letter.done.is_some_and(|done| done < after) {
            wrong.push(format!("{number} was done before {earlier} of its group {}", letter.group));
        }
        // One that was never done has been given up after its last invocation.
        let over = letter.done.unwrap_or(letter.last_invoked);
        if over > after {
            before.insert(letter.group, (over, *number));
        }
    }
    wrong
}

fn wrong_counts(book: &Book, metrics: &Metrics) -> Option<String> {
    let polled: u64 = book.letters.values().map(|letter| u64::from(letter.received)).sum();
    let given = metrics.polled - metrics.filtered_out;
    let is_right = metrics.polled == polled
        && metrics.invoked >= given - metrics.dropped
        && metrics.deleted + metrics.failed_invoke + metrics.dropped <= given
        && metrics.dropped > 0
        && metrics.failed_invoke > 0;
    (!is_right).then(|| format!("{polled} were received, but {metrics:?}"))
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "how much of the machine's own time an hour takes")]
async fn after_an_hour_every_message_is_done_filtered_out_or_dead() {
    for seed in seeds(3) {
        let _seed = SeedOnFailure(seed);
        let began = std::time::Instant::now();
        let outcome = hour(Setup::draw(seed)).await;
        println!("{}\n  {:.2} s of real time", outcome.summary, began.elapsed().as_secs_f64());
        let count = outcome.violations.len();
        assert!(count == 0, "{count} violations\n{}\n{}", outcome.summary, outcome.violations.join("\n"));
    }
}

/// The judge is judged: a queue that loses messages is found out.
#[tokio::test(start_paused = true)]
async fn a_queue_that_loses_messages_is_found_out() {
    let mut setup = Setup::draw(1);
    setup.loses = Some(50);
    let violations = hour(setup).await.violations;
    assert!(violations.iter().any(|line| line.contains("was lost")), "{violations:?}");
}
