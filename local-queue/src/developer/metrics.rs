//! Numbers in the text format of Prometheus, those of SQS also by the names that they have in `CloudWatch`.
//!
//! Everything is counted without a lock of its own, where it happens: in the engine, which is locked anyway, or in atomic
//! numbers. What is written here is read when somebody asks.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use super::response;
use crate::{
    LocalQueue,
    engine::{MessageSizes, QueueArn, QueueAttributes, QueueCounts, Time},
    metrics::{Durations, Sample},
    recorded::Recorded,
};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What is to be said about one queue.
struct Depth {
    attributes: QueueAttributes,
    oldest_age: Duration,
    counts: QueueCounts,
}

impl Depth {
    fn read(engine: &mut Recorded<'_>, now: Time, queue: &QueueArn) -> Option<Self> {
        let attributes = engine.queue_attributes(now, queue.as_str()).ok()?;
        let oldest = engine.peek(now, queue.as_str(), 0, 1).ok()?;
        let oldest_age = oldest.first().map_or(Duration::ZERO, |oldest| now.since(oldest.message.sent_at));
        let counts = *engine.counts(queue.as_str())?;
        Some(Self { attributes, oldest_age, counts })
    }
}

pub(super) fn respond(queues: &LocalQueue) -> Response<Bytes> {
    let (depths, long_polls, storage) = queues.call(|engine, now| {
        let arns = engine.queues().cloned().collect::<Vec<_>>();
        let depths = arns.iter().filter_map(|arn| Depth::read(engine, now, arn)).collect::<Vec<_>>();
        let storage = (engine.stored_bytes(), engine.limits().stored_bytes_max, engine.refused_for_room());
        (depths, engine.waiting_receives(), storage)
    });
    let mut text = Text(String::new());
    text.family("local_queue_messages", "gauge", "Messages of a queue, by their place.");
    for Depth { attributes, .. } in &depths {
        for (place, count) in [
            ("ready", attributes.messages),
            ("delayed", attributes.messages_delayed),
            ("in_flight", attributes.messages_not_visible),
        ] {
            let [region, account, queue] = labels(&attributes.arn);
            text.sample("local_queue_messages", &[region, account, queue, ("place", place)], count);
        }
    }
    text.family("local_queue_oldest_message_age_seconds", "gauge", "Age of the oldest message; 0 without one.");
    for Depth { attributes, oldest_age, .. } in &depths {
        let labels = labels(&attributes.arn);
        text.sample("local_queue_oldest_message_age_seconds", &labels, oldest_age.as_secs_f64());
    }
    text.cloud_watch(&depths);
    text.family("local_queue_long_polls_waiting", "gauge", "Receives that wait for a message.");
    text.sample("local_queue_long_polls_waiting", &[], long_polls);
    text.storage(storage);
    #[cfg(feature = "journal")]
    if let Some((records, syncs)) = queues.journal_figures() {
        text.family("local_queue_journal_records_total", "counter", "Records of the journal, since it was begun.");
        text.sample("local_queue_journal_records_total", &[], records);
        text.family("local_queue_journal_syncs_total", "counter", "Syncs of the journal, since this process began.");
        text.sample("local_queue_journal_syncs_total", &[], syncs);
    }
    text.family("local_queue_requests_total", "counter", "Requests to SQS, by action and status of the answer.");
    for ((action, status), count) in queues.request_counts().all() {
        let labels = [("action", action), ("status", &*status.to_string())];
        text.sample("local_queue_requests_total", &labels, count);
    }
    text.latencies(queues);
    text.family("local_queue_faults_total", "counter", "Faults that have struck, by effect.");
    for (effect, count) in queues.faults().struck() {
        text.sample("local_queue_faults_total", &[("effect", effect)], count);
    }
    for (name, samples) in queues.samplers().samples() {
        text.family(name, samples[0].kind, samples[0].help);
        for Sample { labels, value, .. } in &samples {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(label, value)| (*label, value.as_str())).collect();
            text.sample(name, &labels, value);
        }
    }
    response(StatusCode::OK, CONTENT_TYPE, text.0)
}

fn labels(queue: &QueueArn) -> [(&'static str, &str); 3] {
    [("region", queue.region()), ("account", queue.account()), ("queue", queue.name())]
}

/// The text as it is written.
struct Text(String);

impl Text {
    /// The metrics of SQS in `CloudWatch`, by its names (developer guide, "Available `CloudWatch` metrics for Amazon SQS").
    fn cloud_watch(&mut self, depths: &[Depth]) {
        self.of_queues("NumberOfMessagesSent", "counter", "Messages sent.", depths, |it| it.counts.sent);
        self.of_queues("NumberOfMessagesReceived", "counter", "Messages that receives brought.", depths, |it| {
            it.counts.received
        });
        self.of_queues("NumberOfMessagesDeleted", "counter", "Messages that receivers deleted.", depths, |it| {
            it.counts.deleted
        });
        self.of_queues("NumberOfEmptyReceives", "counter", "Receives that brought nothing.", depths, |it| {
            it.counts.empty_receives
        });
        let help = "Age of the oldest message in seconds; 0 without one.";
        self.of_queues("ApproximateAgeOfOldestMessage", "gauge", help, depths, |it| it.oldest_age.as_secs_f64());
        self.of_queues("ApproximateNumberOfMessagesVisible", "gauge", "Messages that are ready.", depths, |it| {
            it.attributes.messages
        });
        let help = "Messages in flight.";
        self.of_queues("ApproximateNumberOfMessagesNotVisible", "gauge", help, depths, |it| {
            it.attributes.messages_not_visible
        });
        self.of_queues("ApproximateNumberOfMessagesDelayed", "gauge", "Messages that are delayed.", depths, |it| {
            it.attributes.messages_delayed
        });
        self.family("SentMessageSize", "histogram", "Bytes of the messages sent.");
        for depth in depths {
            let sizes = &depth.counts.sent_sizes;
            let labels = labels(&depth.attributes.arn);
            self.histogram("SentMessageSize", &labels, &MessageSizes::BOUNDS, sizes.steps(), sizes.bytes());
        }
    }

    fn of_queues<V: fmt::Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        depths: &[Depth],
        value: impl Fn(&Depth) -> V,
    ) {
        self.family(name, kind, help);
        for depth in depths {
            self.sample(name, &labels(&depth.attributes.arn), value(depth));
        }
    }

    /// How long requests took: those that were answered at once by action, and receives that waited.
    fn latencies(&mut self, queues: &LocalQueue) {
        let bounds = Durations::BOUNDS.map(|bound| bound.as_secs_f64());
        let name = "local_queue_request_duration_seconds";
        self.family(name, "histogram", "Time to the answer of a request that did not wait, by action.");
        for (action, durations) in queues.latencies().by_action() {
            let labels = [("action", action.name())];
            self.histogram(name, &labels, &bounds, &durations.steps(), durations.sum().as_secs_f64());
        }
        let name = "local_queue_long_poll_duration_seconds";
        self.family(name, "histogram", "Time to the answer of a receive that waited.");
        let durations = queues.latencies().long_polls();
        self.histogram(name, &[], &bounds, &durations.steps(), durations.sum().as_secs_f64());
    }

    /// A histogram: how many there were up to each bound, the sum of all, and how many there were.
    fn histogram<B: fmt::Display>(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        bounds: &[B],
        steps: &[u64],
        sum: impl fmt::Display,
    ) {
        let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let (mut count, bucket) = (0, format!("{name}_bucket"));
        for (bound, step) in bounds.zip(steps) {
            count += step;
            self.sample(&bucket, &[labels, &[("le", bound.as_str())]].concat(), count);
        }
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count);
    }

    fn storage(&mut self, (bytes, bytes_max, refused): (u64, u64, u64)) {
        self.family("local_queue_stored_bytes", "gauge", "Memory of queues and messages, estimated from above.");
        self.sample("local_queue_stored_bytes", &[], bytes);
        if bytes_max < u64::MAX {
            self.family("local_queue_stored_bytes_max", "gauge", "Memory that queues and messages may take.");
            self.sample("local_queue_stored_bytes_max", &[], bytes_max);
        }
        let help = "Messages and queues refused because there was no memory for them.";
        self.family("local_queue_refused_for_memory_total", "counter", help);
        self.sample("local_queue_refused_for_memory_total", &[], refused);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("a string can be written to");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            write!(self.0, "{label}=\"").expect("a string can be written to");
            escape(value, &mut self.0);
            self.0.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        writeln!(self.0, "{end} {value}").expect("a string can be written to");
    }
}

/// A region is what a client signed with, and could be any text.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}
