//! What runs, as parts and what passes between them: APIs and buckets before queues, functions behind them, dead-letter
//! queues at the end.

use std::collections::BTreeMap;

use super::{Shown, page::QueueLink};
use crate::{
    apis::{ApiKind, FlowTarget},
    buckets::Destination,
    engine::{QueueArn, QueueAttributes, Traffic},
};

/// What a part is, in the order of their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Api,
    Bucket,
    Queue,
    Function,
    DeadLetterQueue,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Bucket => "bucket",
            Self::Queue => "queue",
            Self::Function => "function",
            Self::DeadLetterQueue => "dead letters",
        }
    }

    /// The class of its box.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Bucket => "bucket",
            Self::Queue => "queue",
            Self::Function => "function",
            Self::DeadLetterQueue => "dead",
        }
    }
}

/// Something that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What is in it.
    pub(super) holds: String,
    /// Its page, if it has one.
    pub(super) href: Option<String>,
    /// Whether somebody should look at it.
    pub(super) is_stuck: bool,
}

/// What passes from one part to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// How much, as it stands on the arrow.
    pub(super) count: u64,
    /// What happens, between the names of the two.
    pub(super) verb: &'static str,
    /// How much, in words.
    pub(super) words: String,
}

/// Parts in the order of their columns, each column by name, and what passes between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) parts: Vec<Part>,
    pub(super) flows: Vec<Flow>,
}

/// A part by what it is and what it is called; queues by their ARNs.
type Key = (Kind, String);

#[derive(Default)]
struct Reading {
    parts: BTreeMap<Key, Part>,
    flows: Vec<(Key, Key, u64, &'static str, String)>,
}

/// A queue of the engine.
struct Seen {
    attributes: QueueAttributes,
    is_dead_letter_queue: bool,
    traffic: Traffic,
}

impl Stack {
    /// What runs here; none if there are more parts than are drawn.
    pub(super) fn read(shown: Shown<'_>, parts_max: usize) -> Option<Self> {
        let queues = queues(shown, parts_max)?;
        let mut reading = Reading::default();
        for seen in queues.values() {
            reading.add_queue(seen, &queues);
        }
        reading.add_apis(shown, &queues);
        reading.add_buckets(shown, &queues);
        reading.add_functions(shown, &queues);
        if reading.parts.len() > parts_max {
            return None;
        }
        let places =
            reading.parts.keys().enumerate().map(|(index, key)| (key.clone(), index)).collect::<BTreeMap<_, _>>();
        let flows = reading.flows.into_iter().filter_map(|(from, to, count, verb, words)| {
            Some(Flow { from: *places.get(&from)?, to: *places.get(&to)?, count, verb, words })
        });
        Some(Self { flows: flows.collect(), parts: reading.parts.into_values().collect() })
    }
}

/// The queues, by their ARNs; none if there are more than so many.
fn queues(shown: Shown<'_>, queues_max: usize) -> Option<BTreeMap<QueueArn, Seen>> {
    shown.queues.call(|engine, now| {
        let arns = engine.queues().take(queues_max + 1).cloned().collect::<Vec<_>>();
        let seen = arns.iter().filter_map(|arn| {
            let seen = Seen {
                attributes: engine.queue_attributes(now, arn.as_str()).ok()?,
                is_dead_letter_queue: engine.dead_letter_sources(arn.as_str()).is_some(),
                traffic: engine.traffic(arn.as_str())?,
            };
            Some((arn.clone(), seen))
        });
        let seen = seen.collect::<BTreeMap<_, _>>();
        (arns.len() <= queues_max).then_some(seen)
    })
}

impl Seen {
    fn kind(&self) -> Kind {
        if self.is_dead_letter_queue { Kind::DeadLetterQueue } else { Kind::Queue }
    }

    fn key(&self) -> Key {
        (self.kind(), self.attributes.arn.as_str().to_owned())
    }
}

/// The queue of this name in the server's own region and account.
fn named(shown: Shown<'_>, queues: &BTreeMap<QueueArn, Seen>, name: &str) -> Option<Key> {
    queues.get(&shown.queues.scope().arn(name)).map(Seen::key)
}

fn count(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

impl Reading {
    fn add_queue(&mut self, seen: &Seen, queues: &BTreeMap<QueueArn, Seen>) {
        let QueueAttributes { arn, settings, messages, messages_delayed, messages_not_visible, .. } = &seen.attributes;
        let places = [(*messages, "ready"), (*messages_delayed, "delayed"), (*messages_not_visible, "in flight")];
        let held = places.iter().filter(|(count, place)| *count > 0 || *place == "ready");
        let held = held.map(|(count, place)| format!("{count} {place}")).collect::<Vec<_>>();
        let part = Part {
            kind: seen.kind(),
            name: arn.name().to_owned(),
            holds: held.join(", "),
            href: Some(QueueLink::new(arn).href()),
            is_stuck: seen.is_dead_letter_queue && messages + messages_delayed + messages_not_visible > 0,
        };
        self.parts.insert(seen.key(), part);
        if let Some(policy) = &settings.redrive_policy
            && let Some(target) = queues.get(&policy.dead_letter_target)
        {
            let words = count(seen.traffic.dead_lettered, "message", "messages");
            let flow = (seen.key(), target.key(), seen.traffic.dead_lettered, "gives up to", words);
            self.flows.push(flow);
        }
    }

    fn add_apis(&mut self, shown: Shown<'_>, queues: &BTreeMap<QueueArn, Seen>) {
        let Some(apis) = shown.apis else { return };
        for api in apis.all() {
            let holds = match api.kind {
                ApiKind::Http => "HTTP API",
                ApiKind::Rest => "REST API",
            };
            self.add(Kind::Api, &api.id, holds.to_owned());
        }
        for flow in apis.flows() {
            let from = (Kind::Api, flow.api.clone());
            let words = count(flow.requests, "request", "requests");
            let (to, verb) = match &flow.to {
                FlowTarget::Queue(name) => (named(shown, queues, name), "sends to"),
                FlowTarget::Function(name) => (Some(self.function(name)), "invokes"),
            };
            if let Some(to) = to {
                self.flows.push((from, to, flow.requests, verb, words));
            }
        }
    }

    fn add_buckets(&mut self, shown: Shown<'_>, queues: &BTreeMap<QueueArn, Seen>) {
        let Some(buckets) = shown.buckets else { return };
        for name in buckets.buckets() {
            let objects = u64::try_from(buckets.object_count(&name).unwrap_or_default()).unwrap_or(u64::MAX);
            self.add(Kind::Bucket, &name, count(objects, "object", "objects"));
        }
        for flow in buckets.flows() {
            let from = (Kind::Bucket, flow.bucket.clone());
            let words = count(flow.events, "event", "events");
            let to = match &flow.to {
                Destination::Queue(arn) => queues.get(arn).map(Seen::key),
                Destination::Function(arn) => {
                    let name = arn.split_once("function:").map_or(arn.as_str(), |(_, name)| name);
                    Some(self.function(name.split(':').next().unwrap_or_default()))
                }
            };
            if let Some(to) = to {
                self.flows.push((from, to, flow.events, "announces objects to", words));
            }
        }
    }

    fn add_functions(&mut self, shown: Shown<'_>, queues: &BTreeMap<QueueArn, Seen>) {
        let Some(lambda) = shown.lambda else { return };
        for name in lambda.function_names() {
            self.function(&name);
        }
        for mapping in lambda.mapping_metrics() {
            let Some(from) = named(shown, queues, &mapping.queue) else { continue };
            let to = self.function(&mapping.function);
            let (done, failed) = (mapping.metrics.deleted, mapping.metrics.failed_invoke);
            let words = format!("{} done, {failed} failed", count(done, "message", "messages"));
            self.flows.push((from, to, done, "is read by", words));
        }
    }

    fn add(&mut self, kind: Kind, name: &str, holds: String) {
        let part = Part { kind, name: name.to_owned(), holds, href: None, is_stuck: false };
        self.parts.insert((kind, name.to_owned()), part);
    }

    /// The function of a name, which may be in another process.
    fn function(&mut self, name: &str) -> Key {
        let key = (Kind::Function, name.to_owned());
        if !self.parts.contains_key(&key) {
            self.add(Kind::Function, name, String::new());
        }
        key
    }
}
