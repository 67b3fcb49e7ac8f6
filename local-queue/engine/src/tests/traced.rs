//! What is traced of messages.

use std::{
    env,
    fmt::{self, Write as _},
    process::Command,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;

/// The events of the engine, a line for each: what happened, then the fields that are not the same in every line.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("local_queue_engine")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(format!("{}{}", line.message, line.fields));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => write!(self.message, "{value:?}").unwrap(),
            "message_id" | "new_message_id" => assert_eq!(format!("{value:?}").len(), 36),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}

/// Set in the process in which the transitions are recorded.
const ALONE: &str = "LOCAL_QUEUE_ENGINE_TRACED_ALONE";

/// In a process of its own: which subscriber wants an event is looked up once for all threads, and a test beside this one that
/// reaches an event at the moment at which the recorder comes would have it looked up without the recorder.
#[test]
fn every_transition_of_a_message_is_traced() {
    if env::var_os(ALONE).is_some() {
        return record_every_transition();
    }
    let name = "tests::traced::every_transition_of_a_message_is_traced";
    let mut alone = Command::new(env::current_exe().unwrap());
    let output = alone.args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn record_every_transition() {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        let mut it = scenario();
        it.now = Time::from_millis(0);
        let it = it.create("dead", &[]).create("jobs", &[]).dead_letters_to("jobs", "dead", 2);
        let it = it.send_delayed("jobs", "a", seconds(5)).advance(seconds(5)).receive("jobs", &["a"]);
        let it = it.hide("jobs", seconds(1)).advance(seconds(1)).receive("jobs", &["a"]).advance(seconds(30));
        let mut it = it.receive("jobs", &[]);
        let dead = it.arn("dead");
        it.engine.start_move_task(it.now, &dead, None, None).unwrap();
        let it = it.receive("jobs", &["a"]).delete("jobs").send("dead", "b").advance(seconds(4 * 24 * 3600));
        let mut it = it.receive("dead", &[]).send("dead", "c");
        it.engine.purge_queue(it.now, &dead).unwrap();
        let mut it = it.send("dead", "d");
        it.engine.delete_queue(it.now, &dead).unwrap();
    });
    let (jobs, dead) =
        ("queue=arn:aws:sqs:us-east-1:000000000000:jobs", "queue=arn:aws:sqs:us-east-1:000000000000:dead");
    let expected = [
        format!("message sent at=0 {jobs} receive_count=0 visible_at=5000"),
        format!("message delay ended at=5000 {jobs} receive_count=0"),
        format!("message delivered at=5000 {jobs} receive_count=1 visible_at=35000"),
        format!("message visibility changed at=5000 {jobs} receive_count=1 visible_at=6000"),
        format!("message returned at=6000 {jobs} receive_count=1"),
        format!("message delivered at=6000 {jobs} receive_count=2 visible_at=36000"),
        format!("message returned at=36000 {jobs} receive_count=2"),
        format!("message dead-lettered at=36000 {jobs} receive_count=2 to=\"arn:aws:sqs:us-east-1:000000000000:dead\""),
        format!("message moved at=36000 {dead} receive_count=2 to=\"arn:aws:sqs:us-east-1:000000000000:jobs\""),
        format!("message sent at=36000 {jobs} receive_count=0 visible_at=36000"),
        format!("message delivered at=36000 {jobs} receive_count=1 visible_at=66000"),
        format!("message deleted at=36000 {jobs} receive_count=1"),
        format!("message sent at=36000 {dead} receive_count=0 visible_at=36000"),
        format!("message expired at=345636000 {dead} receive_count=0"),
        format!("message sent at=345636000 {dead} receive_count=0 visible_at=345636000"),
        format!("message purged at=345636000 {dead} receive_count=0"),
        format!("message sent at=345636000 {dead} receive_count=0 visible_at=345636000"),
        format!("message deleted with its queue at=345636000 {dead} receive_count=0"),
    ];
    assert_eq!(*recorder.0.lock().unwrap(), expected);
}
