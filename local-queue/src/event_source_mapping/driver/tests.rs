//! The mapping on a real engine, in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::{
    LocalQueue,
    engine::{Attribute, MessageBody, QueueArn, RedrivePolicy, SendMessage},
    event_source_mapping::{
        BatchFailure, DeleteFailure, Depth, DrainError, EventSourceMapping, EventSourceMappingError, InProcess,
        QueueSource,
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
        let queues = LocalQueue::builder().clock(Clock::tokio(START)).seed(seed).build();
        let dead_letters = queues.create_queue("dead-letters", &[]).unwrap();
        let policy = RedrivePolicy { dead_letter_target: dead_letters.clone(), max_receive_count: MAX_RECEIVE_COUNT };
        let attributes = [Attribute::RedrivePolicy(Some(policy)), Attribute::VisibilityTimeout(VISIBILITY_TIMEOUT)];
        let jobs = queues.create_queue("jobs", &attributes).unwrap();
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

async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_wakes_the_mapping_at_its_millisecond_and_is_deleted() {
    let world = World::new(1);
    let running = world.connect(mapping(), fails_bad()).await;
    pass(Duration::from_millis(54_321)).await;
    world.send("good");
    settle().await;
    assert_eq!(world.log(), ["54321 polled 1", "54321 invoked 1 BatchingWindow", "54321 succeeded", "54321 deleted 1"]);
    assert_eq!(world.depth(), (0, 0));
    running.drain_and_stop().await;
    assert_eq!(world.now_millis(), 54_321, "neither draining nor stopping waits for a long poll");
}

#[tokio::test(start_paused = true)]
async fn a_window_closes_at_the_exact_millisecond() {
    let world = World::new(1);
    let windowed = EventSourceMapping { maximum_batching_window: Duration::from_secs(7), batch_size: 100, ..mapping() };
    let running = world.connect(windowed, takes(world.queues.clock().clone(), Duration::from_millis(500))).await;
    pass(Duration::from_millis(1_001)).await;
    world.send_all(25);
    pass(Duration::from_millis(5_997)).await;
    world.send("last moment");
    running.handle.drained().await.unwrap();
    let expected = [
        "1001 polled 1",
        "1001 polled 10",
        "1001 polled 10",
        "1001 polled 4",
        "6998 polled 1",
        "7000 invoked 26 BatchingWindow",
        "7500 succeeded",
        "7500 deleted 26",
    ];
    assert_eq!(world.log(), expected);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_no_more_than_its_size() {
    let world = World::new(1);
    world.send_all(23);
    let small = EventSourceMapping { batch_size: 4, ..mapping() };
    let running = world.connect(small, fails_bad()).await;
    running.drain_and_stop().await;
    let sizes: Vec<String> = world.log().into_iter().filter(|line| line.contains("invoked")).collect();
    let full = ["0 invoked 4 BatchSize"; 5];
    assert_eq!(sizes[..5], full);
    assert_eq!(sizes[5..], ["0 invoked 3 BatchingWindow"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_run_than_the_maximum_concurrency_and_no_message_waits_in_flight() {
    for (maximum, limit) in [(Some(2), 2), (Some(3), 3), (Some(5), 5)] {
        let world = World::new(1);
        world.send_all(200);
        let (running_now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = (Arc::clone(&running_now), Arc::clone(&most));
        let function = InProcess::new(move |_| {
            let (running_now, most) = counted.clone();
            async move {
                most.fetch_max(running_now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                running_now.fetch_sub(1, Ordering::SeqCst);
                Ok(Bytes::new())
            }
        });
        let running = world.connect(EventSourceMapping { maximum_concurrency: maximum, ..mapping() }, function).await;
        settle().await;
        assert_eq!(world.depth(), (200 - 10 * limit, 10 * limit), "in flight is what is invoked");
        running.drain_and_stop().await;
        assert_eq!(most.load(Ordering::SeqCst), limit);
        assert_eq!(world.now_millis(), 20_usize.div_ceil(limit) as u128 * 1_000, "and it was used all the time");
    }
}

#[tokio::test(start_paused = true)]
async fn reported_messages_come_back_at_their_visibility_timeout_and_end_in_the_dead_letter_queue() {
    let world = World::new(1);
    for body in ["good 1", "bad 1", "good 2", "bad 2"] {
        world.send(body);
    }
    let running = world.connect(mapping(), fails_bad()).await;
    running.drain_and_stop().await;
    let expected = [
        "0 polled 4",
        "0 invoked 4 BatchingWindow",
        "0 partially failed {1, 3}",
        "0 deleted 2",
        "30000 polled 2",
        "30000 invoked 2 BatchingWindow",
        "30000 partially failed {0, 1}",
        "60000 polled 2",
        "60000 invoked 2 BatchingWindow",
        "60000 partially failed {0, 1}",
    ];
    assert_eq!(world.log(), expected);
    assert_eq!(world.now_millis(), 90_000, "moved when they would have been received a fourth time");
    assert_eq!(world.dead_letters().await, BTreeSet::from(["bad 1".to_owned(), "bad 2".to_owned()]));
}

/// Runs one batch of three through a function that fails as a whole the first time, and checks that all come back.
async fn fails_whole_batch<Reply>(first_reply: fn(Invocation) -> Reply, reason: &str, ends_at: u64)
where
    Reply: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
{
    let world = World::new(1);
    world.send_all(3);
    let calls = AtomicUsize::new(0);
    let function = InProcess::new(move |invocation| {
        let reply = (calls.fetch_add(1, Ordering::SeqCst) == 0).then(|| first_reply(invocation));
        async move {
            match reply {
                Some(reply) => reply.await,
                None => Ok(Bytes::new()),
            }
        }
    });
    let running = world.connect(mapping(), function).await;
    running.drain_and_stop().await;
    let expected = [
        "0 polled 3".to_owned(),
        "0 invoked 3 BatchingWindow".to_owned(),
        format!("{ends_at} failed: {reason}"),
        "30000 polled 3".to_owned(),
        "30000 invoked 3 BatchingWindow".to_owned(),
        "30000 succeeded".to_owned(),
        "30000 deleted 3".to_owned(),
    ];
    assert_eq!(world.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn after_a_function_error_nothing_is_deleted_and_the_messages_return() {
    let reply = |_| async { Err(FunctionError::Failed { error_type: "Oops".to_owned(), message: "no".to_owned() }) };
    fails_whole_batch(reply, "function failed with Oops: no", 0).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_function_timeout_the_invocation_is_dropped_and_the_messages_return() {
    let reply = |_| async {
        tokio::time::sleep(NEVER).await;
        Ok(Bytes::new())
    };
    fails_whole_batch(reply, "function timed out after 10.00 seconds", 10_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_at_the_very_deadline_still_counts() {
    // Many times, because without the rule it would be a matter of chance.
    for _ in 0..20 {
        let world = World::new(1);
        world.send("one");
        let running = world.connect(mapping(), takes(world.queues.clock().clone(), Duration::from_secs(10))).await;
        running.drain_and_stop().await;
        assert_eq!(world.log()[2], "10000 succeeded");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_nothing_is_deleted_and_the_next_invocation_works() {
    let reply = |_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        panic!("the {} failed", "pixels");
    };
    fails_whole_batch(reply, "function crashed: the pixels failed", 1_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_function_returns_a_future_is_a_crash_too() {
    fn reply(_: Invocation) -> std::future::Ready<Result<Bytes, FunctionError>> {
        panic!("at once")
    }
    fails_whole_batch(reply, "function crashed: at once", 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_reply_deletes_nothing_although_other_items_are_named_well() {
    let reply = |invocation: Invocation| async move {
        let known = records(&invocation).remove(0).0;
        Ok(report(&[known, "of another batch".to_owned()]))
    };
    let reason = "itemIdentifier \"of another batch\" of batchItemFailures[1] is not in the batch";
    fails_whole_batch(reply, reason, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_too_large_is_a_function_error() {
    let reply = |_| async { Ok(Bytes::from(vec![b' '; crate::event_source_mapping::RESPONSE_BYTES_MAX + 1])) };
    let reason = "response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)";
    fails_whole_batch(reply, reason, 0).await;
}

#[tokio::test(start_paused = true)]
async fn the_functions_own_visibility_change_of_a_reported_message_survives() {
    let world = World::new(1);
    world.send("bad");
    let queue = world.clone();
    let function = InProcess::new(move |invocation: Invocation| {
        let queue = queue.clone();
        async move {
            let event: serde_json::Value = serde_json::from_slice(&invocation.event).unwrap();
            let record = &event["Records"][0];
            let handle = crate::protocol::receipt_handle::decode(record["receiptHandle"].as_str().unwrap()).unwrap();
            queue.queues.change_visibility(&queue.jobs, handle, Duration::from_secs(77)).unwrap();
            Ok(report(&[record["messageId"].as_str().unwrap().to_owned()]))
        }
    });
    let running = world.connect(mapping(), function).await;
    running.drain_and_stop().await;
    let polled: Vec<String> = world.log().into_iter().filter(|line| line.contains("polled")).collect();
    assert_eq!(polled, ["0 polled 1", "77000 polled 1", "154000 polled 1"]);
}

#[tokio::test(start_paused = true)]
async fn with_a_window_messages_stay_hidden_long_enough_for_window_and_function() {
    let world = World::new(1);
    world.send("bad");
    let windowed = EventSourceMapping { maximum_batching_window: Duration::from_secs(25), ..mapping() };
    let running = world.connect(windowed, fails_bad()).await;
    running.drain_and_stop().await;
    let log = world.log();
    // 25 s window + 10 s timeout do not fit into 30 s: 65 s from the receive.
    let polled: Vec<&String> = log.iter().filter(|line| line.contains("polled")).collect();
    assert_eq!(polled, ["0 polled 1", "65000 polled 1", "130000 polled 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_function_gets_its_event_a_request_id_a_deadline_and_its_arn() {
    let world = World::new(1);
    world.send("one");
    let (seen, expected_event) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let keep = Arc::clone(&seen);
    let function = InProcess::new(move |invocation: Invocation| {
        keep.lock().unwrap().push(invocation);
        async { Ok(Bytes::new()) }
    });
    let (driver, handle) = mapping().connect(world.source(), function, world.queues.clock().clone()).await.unwrap();
    let (keep, queue) = (Arc::clone(&expected_event), world.jobs.clone());
    let driver = driver.seed(7).observe(move |observation| {
        if let Observation::Invoked { messages, .. } = observation {
            *keep.lock().unwrap() = event_json(messages, &queue, Duration::ZERO);
        }
    });
    Running { handle, task: tokio::spawn(driver.run()) }.drain_and_stop().await;
    let invocations = std::mem::take(&mut *seen.lock().unwrap());
    let [invocation] = &invocations[..] else { panic!("one invocation: {invocations:?}") };
    assert_eq!(invocation.event, *expected_event.lock().unwrap());
    assert_eq!(invocation.deadline, START + Duration::from_secs(10));
    assert_eq!(&*invocation.function_arn, "arn:aws:lambda:us-east-1:000000000000:function:resize");
    assert_eq!((invocation.request_id.len(), &invocation.request_id[14..15]), (36, "4"));
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_running_invocations_end_and_loses_nothing() {
    let world = World::new(1);
    world.send_all(35);
    let two = EventSourceMapping { maximum_concurrency: Some(2), ..mapping() };
    let running = world.connect(two, takes(world.queues.clock().clone(), Duration::from_secs(4))).await;
    pass(Duration::from_secs(5)).await;
    assert_eq!(world.depth(), (0, 15), "the second round is running");
    world.send("after the stop");
    running.stop().await;
    assert_eq!(world.now_millis(), 8_000);
    assert_eq!(world.depth(), (1, 0), "what was running is done and deleted, the rest is untouched");
}

#[tokio::test(start_paused = true)]
async fn stopping_invokes_at_once_what_an_open_window_has_collected() {
    let world = World::new(1);
    world.send("one");
    let windowed = EventSourceMapping { maximum_batching_window: Duration::from_mins(5), ..mapping() };
    let running = world.connect(windowed, fails_bad()).await;
    pass(Duration::from_secs(1)).await;
    running.stop().await;
    let expected = ["0 polled 1", "1000 invoked 1 Stopping", "1000 succeeded", "1000 deleted 1"];
    assert_eq!(world.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_driver_gives_the_messages_back_at_their_visibility_timeout() {
    let world = World::new(1);
    world.send("one");
    let running = world.connect(mapping(), takes(world.queues.clock().clone(), Duration::from_secs(9))).await;
    pass(Duration::from_secs(1)).await;
    running.task.abort();
    assert!(matches!(running.handle.drained().await, Err(DrainError::Stopped)));
    running.handle.stopped().await;
    pass(Duration::from_secs(29)).await;
    assert_eq!(world.depth(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn drained_waits_for_delayed_messages_and_those_in_flight_elsewhere() {
    let world = World::new(1);
    let body = MessageBody::parse("later").unwrap();
    let delayed = SendMessage { delay: Some(Duration::from_secs(40)), ..SendMessage::new(body) };
    world.queues.send(&world.jobs, delayed).unwrap();
    let running = world.connect(mapping(), fails_bad()).await;
    running.handle.drained().await.unwrap();
    assert_eq!(world.now_millis(), 40_000);

    running.handle.stop();
    running.task.await.unwrap();
    world.send("elsewhere");
    let other = world.queues.receive(&world.jobs, Receive::default()).await.unwrap();
    let running = world.connect(mapping(), fails_bad()).await;
    let (queues, jobs) = (world.queues.clone(), world.jobs.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(12_345)).await;
        queues.delete(&jobs, other[0].receipt_handle).unwrap();
    });
    running.drain_and_stop().await;
    assert_eq!(world.now_millis(), 53_000, "noticed within a second");
}

#[tokio::test(start_paused = true)]
async fn drained_waits_for_an_invocation_whose_messages_are_gone_already() {
    let world = World::new(1);
    world.send("one");
    let queue = world.clone();
    let function = InProcess::new(move |_| {
        let queue = queue.clone();
        async move {
            queue.queues.purge_queue(&queue.jobs).unwrap();
            tokio::time::sleep(Duration::from_millis(4_567)).await;
            Ok(Bytes::new())
        }
    });
    let running = world.connect(mapping(), function).await;
    pass(Duration::from_secs(1)).await;
    running.handle.drained().await.unwrap();
    assert_eq!(world.now_millis(), 4_567);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_spins_while_the_queue_is_empty() {
    let world = World::new(1);
    let receives = Arc::new(AtomicUsize::new(0));
    let source = Faulty { inner: world.source(), receives: Arc::clone(&receives), fault: Fault::None };
    let (driver, handle) = mapping().connect(source, fails_bad(), world.queues.clock().clone()).await.unwrap();
    let task = tokio::spawn(driver.run());
    pass(Duration::from_mins(10)).await;
    handle.stop();
    task.await.unwrap();
    assert_eq!(receives.load(Ordering::SeqCst), 31, "one long poll of 20 seconds after the other");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_reached_is_tried_ever_more_slowly() {
    let world = World::new(1);
    let receives = Arc::new(AtomicUsize::new(0));
    let source = Faulty { inner: world.source(), receives: Arc::clone(&receives), fault: Fault::Receive };
    let (driver, handle) = mapping().connect(source, fails_bad(), world.queues.clock().clone()).await.unwrap();
    let task = tokio::spawn(driver.run());
    pass(Duration::from_mins(10)).await;
    handle.stop();
    task.await.unwrap();
    let receives = receives.load(Ordering::SeqCst);
    assert!((25..=80).contains(&receives), "{receives}: every 15 seconds on average");
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_deleted_are_told_and_come_back() {
    let world = World::new(1);
    world.send_all(2);
    let source = Faulty { inner: world.source(), receives: Arc::default(), fault: Fault::Delete };
    let (driver, handle) = mapping().connect(source, fails_bad(), world.queues.clock().clone()).await.unwrap();
    let log = Arc::clone(&world.log);
    let driver = driver.observe(move |observation| log.lock().unwrap().push(line(observation)));
    let task = tokio::spawn(driver.run());
    settle().await;
    let expected = ["polled 2", "invoked 2 BatchingWindow", "succeeded", "delete failed 2: queue jobs is on fire"];
    assert_eq!(world.log(), expected);
    assert_eq!(world.depth(), (0, 2));
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mapping_is_refused_with_the_words_of_aws() {
    let world = World::new(1);
    let clock = world.queues.clock().clone();
    let slow = EventSourceMapping { function_timeout: Duration::from_mins(1), ..mapping() };
    let error = slow.connect(world.source(), fails_bad(), clock.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds");
    let equal = EventSourceMapping { function_timeout: VISIBILITY_TIMEOUT, ..mapping() };
    assert!(equal.connect(world.source(), fails_bad(), clock.clone()).await.is_ok());

    world.queues.delete_queue(&world.jobs).unwrap();
    let error = mapping().connect(world.source(), fails_bad(), clock).await.unwrap_err();
    assert!(matches!(error, EventSourceMappingError::QueueDoesNotExist { .. }));
    assert_eq!(
        error.to_string(),
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
         Message: The specified queue does not exist."
    );
}

/// A function that fails in every way, decided by a seed; it keeps what it has done.
#[derive(Clone)]
struct Mixed {
    random: Arc<Mutex<fastrand::Rng>>,
    done: Arc<Mutex<BTreeMap<String, usize>>>,
    running: Arc<AtomicUsize>,
    most_running: Arc<AtomicUsize>,
}

impl Mixed {
    async fn invoke(self, invocation: Invocation) -> Result<Bytes, FunctionError> {
        let (kind, millis) = {
            let mut random = self.random.lock().unwrap();
            (random.u32(0..10), random.u64(0..9_000))
        };
        self.most_running.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let running = Defer(Arc::clone(&self.running));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let records = records(&invocation);
        match kind {
            0 => return Err(FunctionError::Failed { error_type: "Mixed".to_owned(), message: String::new() }),
            1 => panic!("a planned panic"),
            2 => tokio::time::sleep(NEVER).await,
            3 => return Ok(report(&[records[0].0.clone(), String::new()])),
            _ => {}
        }
        let (failed, done): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|(_, body)| body.contains("poison") || self.random.lock().unwrap().u8(..) < 50);
        for (_, body) in done {
            *self.done.lock().unwrap().entry(body).or_default() += 1;
        }
        drop(running);
        Ok(report(failed.iter().map(|(id, _)| id)))
    }
}

struct Defer(Arc<AtomicUsize>);

impl Drop for Defer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn mixed_run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(seed);
    let concurrency = random.u32(2..=8);
    let window = Duration::from_secs(random.u64(0..4));
    let settings = EventSourceMapping {
        batch_size: if window.is_zero() { random.u32(1..=10) } else { random.u32(1..=40) },
        maximum_batching_window: window,
        maximum_concurrency: Some(concurrency),
        ..mapping()
    };
    let mixed = Mixed {
        random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
        done: Arc::default(),
        running: Arc::default(),
        most_running: Arc::default(),
    };
    let function = mixed.clone();
    let running =
        world.connect(settings.clone(), InProcess::new(move |invocation| function.clone().invoke(invocation))).await;
    let mut sent = BTreeSet::new();
    for i in 0..300 {
        let body = format!("{i} {}", if random.u8(..) < 25 { "poison" } else { "good" });
        world.send(&body);
        sent.insert(body);
        if random.u8(..) < 40 {
            tokio::time::sleep(Duration::from_millis(random.u64(0..20_000))).await;
        }
    }
    running.drain_and_stop().await;

    let context = format!("seed {seed}, {settings:?}");
    let dead = world.dead_letters().await;
    let most_running = mixed.most_running.load(Ordering::SeqCst);
    assert!(most_running <= concurrency as usize, "{most_running} ran at once: {context}");
    let done = mixed.done.lock().unwrap();
    assert!(done.values().all(|count| *count == 1), "a message that is done is not given out again: {context}");
    let done: BTreeSet<String> = done.keys().cloned().collect();
    assert!(done.is_disjoint(&dead), "what is done is deleted, not dead-lettered: {context}");
    assert_eq!(&done | &dead, sent, "nothing is lost: {context}");
    assert!(sent.iter().filter(|body| body.contains("poison")).all(|body| dead.contains(body)), "{context}");
    assert!(!done.is_empty() && !dead.is_empty(), "{context}");
}

#[tokio::test(start_paused = true)]
async fn every_message_ends_deleted_after_success_or_dead_lettered() {
    for seed in 0..20 {
        mixed_run(seed).await;
    }
}

/// A source that goes wrong in one way.
struct Faulty {
    inner: QueueSource,
    receives: Arc<AtomicUsize>,
    fault: Fault,
}

#[derive(PartialEq)]
enum Fault {
    None,
    Receive,
    Delete,
}

fn on_fire() -> SourceError {
    SourceError::Other("queue jobs is on fire".into())
}

impl Source for Faulty {
    fn queue_arn(&self) -> &QueueArn {
        self.inner.queue_arn()
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        self.inner.visibility_timeout().await
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        self.receives.fetch_add(1, Ordering::SeqCst);
        if self.fault == Fault::Receive {
            return Err(on_fire());
        }
        self.inner.receive(request).await
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        if self.fault == Fault::Delete {
            return Err(on_fire());
        }
        self.inner.delete(receipt_handles).await
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        self.inner.depth().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_reason_of_a_failed_batch_reaches_the_observer() {
    let world = World::new(1);
    world.send("one");
    let failures = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&failures);
    let function = InProcess::new(|_| async { Ok(Bytes::from_static(b"[]")) });
    let (driver, handle) = mapping().connect(world.source(), function, world.queues.clock().clone()).await.unwrap();
    let driver = driver.observe(move |observation| {
        if let Observation::Finished { outcome: BatchOutcome::Failed(failure), .. } = observation {
            keep.lock().unwrap().push(failure.clone());
        }
    });
    Running { handle, task: tokio::spawn(driver.run()) }.drain_and_stop().await;
    assert_eq!(*failures.lock().unwrap(), vec![BatchFailure::NotAnObject { found: "an array" }; 3]);
}
