use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::failure::Blame;

/// A runner that does what the body says and writes down what it did.
#[derive(Default)]
struct Script {
    log: Mutex<Vec<String>>,
    running: AtomicUsize,
    running_max: AtomicUsize,
}

impl Script {
    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Runner for Script {
    type Job = (String, Value);
    type Output = String;

    fn parse(&self, body: &str) -> Result<Self::Job, Failure> {
        let value: Value = serde_json::from_str(body).map_err(|error| Failure::bad_job(error.to_string()))?;
        let action = value["do"].as_str().ok_or_else(|| Failure::bad_job("do is missing"))?;
        assert_ne!(action, "panic-in-parse", "asked to");
        Ok((action.to_owned(), value))
    }

    async fn run(&self, (action, value): Self::Job, context: &JobContext) -> Result<String, Failure> {
        let name = value["name"].as_str().unwrap_or("?").to_owned();
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_max.fetch_max(running, Ordering::SeqCst);
        self.log.lock().unwrap().push(format!("start {name}"));
        let seconds = value["seconds"].as_u64().unwrap_or(0);
        // The job's work, in the paused time of its test.
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        match action.as_str() {
            "panic" => panic!("asked to"),
            "permanent" => Err(Failure::permanent(Blame::Source, "poison", "asked to")),
            "transient" => Err(Failure::transient(Blame::Environment, "timeout", "asked to")),
            "no-memory" => Err(Failure::new(Blame::Limits, Retry::NextAttempt, "no-memory", "asked to")),
            _ => {
                self.log.lock().unwrap().push(format!("done {name}"));
                Ok(context.message.body.clone())
            }
        }
    }
}

/// A sink that takes, refuses, panics or hangs, and writes down what it was asked.
#[derive(Default)]
struct Recorder {
    mode: &'static str,
    dead: Mutex<Vec<(String, &'static str)>>,
    pauses: Mutex<HashMap<String, Duration>>,
}

impl FailureSink for Arc<Recorder> {
    async fn dead_letter(&self, message: &Message, failure: &Failure) -> Result<Routed, SinkError> {
        match self.mode {
            "fails" => return Err(SinkError("asked to".to_owned())),
            "panics" => panic!("asked to"),
            "hangs" => std::future::pending().await,
            "unset" => return Ok(Routed::NotTaken),
            _ => {}
        }
        self.dead.lock().unwrap().push((message.body.clone(), failure.kind));
        Ok(Routed::DeadLettered)
    }

    async fn change_visibility(&self, changes: &[VisibilityChange]) -> Result<(), SinkError> {
        match self.mode {
            "slow" => std::future::pending().await,
            "pauses-panic" => panic!("asked to"),
            _ => {}
        }
        for change in changes {
            let id = change.message.id.clone().unwrap_or_default();
            self.pauses.lock().unwrap().insert(id, change.visible_in);
        }
        Ok(())
    }
}

/// One batch handler with all that watches it.
struct Scene {
    batch: Batch<Script, Arc<Recorder>>,
    sink: Arc<Recorder>,
}

fn scene(mode: &'static str) -> Scene {
    let sink = Arc::new(Recorder { mode, ..Recorder::default() });
    let options = BatchOptions { seed: Some(1), ..BatchOptions::default() };
    Scene { batch: Batch::with_sink(Script::default(), sink.clone()).options(options), sink }
}

impl Scene {
    async fn reported(&self, records: &[Value], deadline: Deadline) -> Vec<String> {
        let event = json!({ "Records": records }).to_string();
        let response = self.batch.handle(&event, deadline).await.unwrap();
        response.item_identifiers().map(ToOwned::to_owned).collect()
    }

    fn log(&self) -> Vec<String> {
        self.batch.runner().log()
    }
}

fn record(id: &str, action: &str, seconds: u64) -> Value {
    json!({
        "messageId": id, "receiptHandle": format!("handle-{id}"), "eventSource": "aws:sqs",
        "body": json!({ "do": action, "name": id, "seconds": seconds }).to_string(),
        "attributes": { "ApproximateReceiveCount": "1" }, "messageAttributes": {},
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:jobs",
    })
}

fn fifo(id: &str, group: &str, action: &str, seconds: u64) -> Value {
    let mut record = record(id, action, seconds);
    record["attributes"]["MessageGroupId"] = group.into();
    record["eventSourceARN"] = "arn:aws:sqs:eu-central-1:000000000000:jobs.fifo".into();
    record
}

fn none() -> Vec<String> {
    Vec::new()
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_of_ten_jobs_is_one_failure_and_the_next_batch_works() {
    let scene = scene("");
    for action in ["panic", "panic-in-parse"] {
        let mut records: Vec<_> = (0..10).map(|index| record(&format!("m{index}"), "work", 1)).collect();
        records[4] = record("m4", action, 1);
        assert_eq!(scene.reported(&records, Deadline::NEVER).await, ["m4"], "{action}");
    }
    assert_eq!(scene.log().iter().filter(|line| line.starts_with("done")).count(), 18);
    assert_eq!(scene.reported(&[record("next", "work", 1)], Deadline::NEVER).await, none());
}

#[tokio::test(start_paused = true)]
async fn the_answer_comes_before_the_deadline_and_names_what_was_not_done() {
    let scene = scene("");
    let records: Vec<_> = (0..40).map(|index| record(&format!("m{index}"), "work", 4)).collect();
    let deadline = Deadline::after(Duration::from_secs(10), Duration::from_secs(1));
    let began = Instant::now();
    let reported = scene.reported(&records, deadline).await;
    // Ten at once, four seconds each, nine seconds of work: two rounds are done, one is cut off, one is never started.
    assert_eq!(began.elapsed(), Duration::from_secs(9));
    assert_eq!(reported, (20..40).map(|index| format!("m{index}")).collect::<Vec<_>>());
    let pauses = scene.sink.pauses.lock().unwrap();
    assert_eq!(pauses.len(), 20);
    assert!(
        pauses.values().all(|pause| (1..=5).contains(&pause.as_secs())),
        "what had no time is soon visible: {pauses:?}"
    );
    assert!(pauses.values().any(|pause| *pause != pauses["m20"]), "and not all at once: {pauses:?}");
    assert_eq!(scene.log().iter().filter(|line| line.starts_with("start")).count(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_past_starts_nothing() {
    let scene = scene("");
    let deadline = Deadline::after(Duration::ZERO, Duration::from_secs(1));
    assert_eq!(scene.reported(&[record("a", "work", 0)], deadline).await, ["a"]);
    assert_eq!(scene.log(), none());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_does_not_hold_the_answer() {
    let deadline = || Deadline::after(Duration::from_secs(10), Duration::from_secs(1));
    let began = Instant::now();
    let reported = scene("slow").reported(&[record("a", "transient", 0)], deadline()).await;
    assert_eq!((reported, began.elapsed()), (vec!["a".to_owned()], Duration::from_millis(9500)));
    let began = Instant::now();
    let reported = scene("hangs").reported(&[record("a", "permanent", 0), record("b", "work", 0)], deadline()).await;
    assert_eq!((reported, began.elapsed()), (vec!["a".to_owned()], Duration::from_secs(9)));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_over_a_pause_does_not_cost_the_answer() {
    let records = [record("a", "transient", 0), record("b", "work", 0)];
    assert_eq!(scene("pauses-panic").reported(&records, Deadline::NEVER).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_dead_lettered_and_counts_as_done() {
    let scene = scene("");
    let records = [record("a", "permanent", 0), record("b", "work", 0)];
    assert_eq!(scene.reported(&records, Deadline::NEVER).await, none());
    let body = records[0]["body"].as_str().unwrap().to_owned();
    assert_eq!(*scene.sink.dead.lock().unwrap(), [(body, "poison")]);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_that_cannot_be_dead_lettered_is_reported() {
    for mode in ["fails", "panics", "unset"] {
        let scene = scene(mode);
        let records = [record("a", "permanent", 0), record("b", "work", 0)];
        assert_eq!(scene.reported(&records, Deadline::NEVER).await, ["a"], "{mode}");
        assert!(scene.sink.pauses.lock().unwrap().is_empty(), "{mode}: the queue's own redrive is left to it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_reported_and_pauses_within_its_backoff() {
    let scene = scene("");
    let mut late = record("late", "transient", 0);
    late["attributes"]["ApproximateReceiveCount"] = "6".into();
    let records = [record("early", "transient", 0), late, record("memory", "no-memory", 0)];
    assert_eq!(scene.reported(&records, Deadline::NEVER).await, ["early", "late", "memory"]);
    let pauses = scene.sink.pauses.lock().unwrap();
    assert!(pauses["early"] <= Duration::from_secs(5), "{pauses:?}");
    assert!(pauses["late"] <= Duration::from_secs(160), "{pauses:?}");
    assert!((1..=5).contains(&pauses["memory"].as_secs()), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fifo_group_runs_in_order_and_groups_run_side_by_side() {
    let scene = scene("");
    let records = [
        fifo("a1", "a", "work", 3),
        fifo("b1", "b", "work", 1),
        fifo("a2", "a", "work", 1),
        fifo("b2", "b", "work", 1),
    ];
    let began = Instant::now();
    assert_eq!(scene.reported(&records, Deadline::NEVER).await, none());
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    let expected =
        ["start a1", "start b1", "done b1", "start b2", "done b2", "done a1", "start a2", "done a2"].map(str::to_owned);
    assert_eq!(scene.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_rest_of_its_fifo_group_is_reported_untouched() {
    for action in ["transient", "panic", "no-memory"] {
        let scene = scene("");
        let records = [
            fifo("a1", "a", "work", 0),
            fifo("a2", "a", action, 0),
            fifo("b1", "b", "work", 0),
            fifo("a3", "a", "work", 0),
            fifo("b2", "b", "work", 0),
            fifo("a4", "a", "work", 0),
        ];
        assert_eq!(scene.reported(&records, Deadline::NEVER).await, ["a2", "a3", "a4"], "{action}");
        let log = scene.log();
        assert!(!log.contains(&"start a3".to_owned()) && log.contains(&"done b2".to_owned()), "{action}: {log:?}");
        let pauses = scene.sink.pauses.lock().unwrap();
        assert!(
            pauses["a3"].is_zero() && pauses["a4"].is_zero(),
            "they wait for the one before them anyway: {pauses:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fifo_group_goes_on_after_a_dead_letter_but_not_after_one_that_could_not_be_sent() {
    let records = [fifo("a1", "a", "permanent", 0), fifo("a2", "a", "work", 0)];
    assert_eq!(scene("").reported(&records, Deadline::NEVER).await, none());
    assert_eq!(scene("fails").reported(&records, Deadline::NEVER).await, ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_id_on_a_standard_queue_orders_nothing() {
    let scene = scene("");
    let mut first = record("a1", "transient", 0);
    first["attributes"]["MessageGroupId"] = "a".into();
    let mut second = record("a2", "work", 0);
    second["attributes"]["MessageGroupId"] = "a".into();
    assert_eq!(scene.reported(&[first, second], Deadline::NEVER).await, ["a1"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_in_the_batch_twice_runs_once_and_is_named_once() {
    let scene = scene("");
    let mut copy = record("a", "transient", 0);
    copy["receiptHandle"] = "handle-of-the-copy".into();
    let records = [record("a", "transient", 0), copy, record("b", "work", 0), record("b", "work", 0)];
    assert_eq!(scene.reported(&records, Deadline::NEVER).await, ["a"]);
    assert_eq!(scene.log().iter().filter(|line| line.starts_with("start")).count(), 2);
    // What only claims to be the same message is not taken for it.
    let liar = record("c", "transient", 0);
    assert_eq!(scene.reported(&[record("c", "work", 0), liar], Deadline::NEVER).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_an_id_fails_the_batch_only_if_it_is_to_be_retried() {
    let nameless = |action: &str| {
        let mut nameless = record("x", action, 0);
        nameless.as_object_mut().unwrap().remove("messageId");
        nameless
    };
    let empty = |action: &str| {
        let mut empty = record("x", action, 0);
        empty["messageId"] = "".into();
        empty
    };
    for broken in [nameless, empty] {
        let scene = scene("");
        for action in ["work", "permanent"] {
            let records = [record("a", "work", 0), broken(action)];
            assert_eq!(scene.reported(&records, Deadline::NEVER).await, none(), "{action}");
        }
        let event = json!({ "Records": [record("a", "work", 0), broken("transient")] }).to_string();
        let error = scene.batch.handle(&event, Deadline::NEVER).await.unwrap_err();
        let BatchError::Unnameable(unnameable) = &error else { panic!("{error}") };
        assert_eq!((unnameable.index, unnameable.failure.kind), (1, "timeout"));
        assert_eq!(error.error_type(), "Function.RecordWithoutMessageId");
    }
}

/// Inputs on which typed envelopes or the usual patterns lose or punish messages. The neighbours of each are done.
#[tokio::test(start_paused = true)]
async fn one_bad_record_costs_exactly_one_item_identifier() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut record = record("x", "work", 0);
        change(&mut record);
        record
    };
    let table: Vec<(&str, Value, bool)> = vec![
        ("a body that is not JSON", with(&|r| r["body"] = "nonsense".into()), true),
        ("an empty body", with(&|r| r["body"] = "".into()), true),
        ("a body that is an object", with(&|r| r["body"] = json!({ "do": "work" })), true),
        ("a body that is a number", with(&|r| r["body"] = 7.into()), true),
        ("no body", with(&|r| drop(r.as_object_mut().unwrap().remove("body"))), true),
        ("a body that lacks a field", with(&|r| r["body"] = "{}".into()), true),
        ("an attribute that is a number", with(&|r| r["attributes"]["ApproximateReceiveCount"] = 3.into()), false),
        ("an attribute that is null", with(&|r| r["attributes"]["SentTimestamp"] = Value::Null), false),
        ("attributes that are null", with(&|r| r["attributes"] = Value::Null), false),
        ("md5OfMessageAttributes null", with(&|r| r["md5OfMessageAttributes"] = Value::Null), false),
        (
            "stringListValues null",
            with(&|r| r["messageAttributes"] = json!({ "a": { "stringListValues": null } })),
            false,
        ),
        (
            "bad base64",
            with(&|r| r["messageAttributes"] = json!({ "a": { "binaryValue": "!", "dataType": "Binary" } })),
            false,
        ),
        ("no stringValue", with(&|r| r["messageAttributes"] = json!({ "a": { "dataType": "String" } })), false),
        ("an unknown field", with(&|r| r["new"] = json!([{ "deep": [] }])), false),
        ("a record of another service", with(&|r| r["eventSource"] = "aws:s3".into()), true),
        ("a panic", record("x", "panic", 0), true),
    ];
    for (name, bad, costs) in table {
        let records = [record("a", "work", 0), bad, record("b", "work", 0)];
        let scene = scene("unset");
        let reported = scene.reported(&records, Deadline::NEVER).await;
        assert_eq!(reported, if costs { vec!["x".to_owned()] } else { none() }, "{name}");
        assert!(scene.log().contains(&"done a".to_owned()) && scene.log().contains(&"done b".to_owned()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_object_goes_to_the_dead_letter_queue_as_it_is() {
    let scene = scene("");
    assert_eq!(scene.reported(&[record("a", "work", 0), json!([1, 2])], Deadline::NEVER).await, none());
    assert_eq!(*scene.sink.dead.lock().unwrap(), [("[1,2]".to_owned(), "bad-record")]);
}

#[tokio::test(start_paused = true)]
async fn work_is_bounded() {
    let scene = scene("");
    let records: Vec<_> = (0..35).map(|index| record(&format!("m{index}"), "work", 1)).collect();
    let began = Instant::now();
    assert_eq!(scene.reported(&records, Deadline::NEVER).await, none());
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    assert_eq!(scene.batch.runner().running_max.load(Ordering::SeqCst), 10);
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_each_start_each_end_and_the_whole_report() {
    #[derive(Default)]
    struct Watcher(Mutex<Vec<String>>);
    impl Observer<String> for Watcher {
        fn started(&self, message: &Message) {
            self.0.lock().unwrap().push(message.id.clone().unwrap());
        }
        fn ended(&self, message: &Message, outcome: &Outcome<String>) {
            let done = matches!(outcome, Outcome::Done(_));
            self.0.lock().unwrap().push(format!("{} {done}", message.id.clone().unwrap()));
        }
        fn finished(&self, report: &BatchReport<String>) {
            self.0.lock().unwrap().push(format!("{:?}", report.counts()));
        }
    }
    let watcher = Arc::new(Watcher::default());
    let batch = Batch::new(Script::default()).observer(watcher.clone());
    let records =
        [record("a", "work", 1), record("b", "transient", 0), record("a", "work", 1), record("c", "no-memory", 0)];
    let event = json!({ "Records": records }).to_string();
    batch.handle(&event, Deadline::NEVER).await.unwrap();
    let counts = Counts { done: 1, dead_lettered: 0, failed: 1, postponed: 1, duplicates: 1 };
    let seen = watcher.0.lock().unwrap();
    let expected = ["a", "b", "b false", "c", "c false", "a true", &format!("{counts:?}")];
    assert_eq!(*seen, expected.map(str::to_owned));
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_costs_no_message() {
    struct Panics;
    impl Observer<String> for Panics {
        fn started(&self, _: &Message) {
            panic!("asked to");
        }
        fn ended(&self, _: &Message, _: &Outcome<String>) {
            panic!("asked to");
        }
        fn finished(&self, _: &BatchReport<String>) {
            panic!("asked to");
        }
    }
    let batch = Batch::new(Script::default()).observer(Arc::new(Panics));
    let event = json!({ "Records": [record("a", "work", 1), record("b", "transient", 0)] }).to_string();
    let response = batch.handle(&event, Deadline::NEVER).await.unwrap();
    assert_eq!(response.item_identifiers().collect::<Vec<_>>(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_records_are_one_batch() {
    let scene = scene("");
    let records: Vec<_> = (0..10_000).map(|index| record(&format!("m{index}"), "work", 0)).collect();
    assert_eq!(scene.reported(&records, Deadline::NEVER).await, none());
}

mod junk {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{1,3}", inner, 0..3).prop_map(|map| json!(map)),
            ]
        })
    }

    fn records() -> impl Strategy<Value = Vec<Value>> {
        let actions = ["work", "permanent", "transient", "no-memory", "panic", "panic-in-parse", "?"];
        let good = ("[a-c]{1}", proptest::sample::select(actions.to_vec()), any::<bool>(), 0..3_u64).prop_map(
            |(id, action, is_fifo, seconds)| {
                if is_fifo { fifo(&id, "g", action, seconds) } else { record(&id, action, seconds) }
            },
        );
        let fields = ["messageId", "receiptHandle", "body", "attributes", "messageAttributes", "eventSourceARN", "x"];
        let spoiled = (good.clone(), proptest::sample::select(fields.to_vec()), anything()).prop_map(
            |(mut record, field, value)| {
                record[field] = value;
                record
            },
        );
        proptest::collection::vec(prop_oneof![4 => good, 4 => spoiled, 1 => anything()], 0..12)
    }

    proptest! {
        #[test]
        fn the_answer_names_only_messages_of_its_batch(
            records in records(),
            mode in proptest::sample::select(vec!["", "fails", "unset", "panics"]),
            seconds in 0..5_u64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let event = json!({ "Records": records }).to_string();
            let ids: BTreeSet<&str> = records.iter().filter_map(|record| record["messageId"].as_str()).collect();
            let deadline = Duration::from_secs(seconds);
            runtime.block_on(async {
                let scene = scene(mode);
                let began = Instant::now();
                let answer = scene.batch.handle(&event, Deadline::after(deadline, Duration::from_millis(500))).await;
                prop_assert!(began.elapsed() <= deadline);
                if let Ok(response) = answer {
                    let named: Vec<&str> = response.item_identifiers().collect();
                    prop_assert!(named.iter().all(|id| !id.is_empty() && ids.contains(id)), "{named:?} of {ids:?}");
                    prop_assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
                }
                Ok(())
            })?;
        }
    }
}
