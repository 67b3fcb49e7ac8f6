//! The page of the clock, of what happens next, and of faults.

use askama::Template;

use super::page::{Page, QueueLink, Rendered, When};
use crate::{
    LocalQueue,
    action::Action,
    developer::upcoming,
    engine::Place,
    faults::{Effect, FailedEntries, Fault, Injected},
};

/// Events that are listed.
const EVENTS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "time.html")]
struct TimePage<'a> {
    page: Page<'a>,
    is_manual: bool,
    events: Vec<Event>,
    faults: Vec<FaultRow>,
    struck: Vec<(String, u64)>,
    actions: Vec<&'static str>,
}

struct Event {
    at: When,
    queue: QueueLink,
    id: String,
    what: &'static str,
}

struct FaultRow {
    id: u64,
    effect: String,
    action: String,
    queue: String,
    times: String,
    probability: String,
    struck: u64,
}

pub(super) fn render(page: Page<'_>, queues: &LocalQueue) -> Rendered {
    let events = queues.call(|engine, now| upcoming::next(engine, now, EVENTS_MAX));
    let events = events.into_iter().map(|event| Event {
        at: page.when(event.at),
        queue: QueueLink::new(&event.queue),
        id: event.message_id.to_string(),
        what: match event.place {
            Place::InFlight => "becomes visible again, unless it is deleted",
            Place::Delayed | Place::Ready => "becomes visible: its delay ends",
        },
    });
    Rendered::of(&TimePage {
        is_manual: queues.clock().as_manual().is_some(),
        events: events.collect(),
        faults: queues.faults().list().iter().map(fault).collect(),
        struck: queues.faults().struck().into_iter().map(|(effect, count)| (effect.to_owned(), count)).collect(),
        actions: Action::ALL.iter().map(|action| action.name()).collect(),
        page,
    })
}

fn fault(injected: &Injected) -> FaultRow {
    let Injected { id, fault, struck } = injected;
    let effect = match fault.effect() {
        Effect::Latency(latency) => format!("latency of {} ms", latency.as_millis()),
        Effect::PartialFailure(FailedEntries::Share(share)) => format!("partial_failure of a share of {share}"),
        Effect::PartialFailure(FailedEntries::Ids(ids)) => {
            format!("partial_failure of {}", ids.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        effect => effect.name().to_owned(),
    };
    FaultRow {
        id: id.0,
        effect,
        action: fault.action.clone().unwrap_or_else(|| "any".to_owned()),
        queue: queue(fault),
        times: fault.times.map_or_else(|| "until removed".to_owned(), |times| times.to_string()),
        probability: fault.probability.map_or_else(|| "always".to_owned(), |probability| probability.to_string()),
        struck: *struck,
    }
}

/// The queues that a fault strikes.
fn queue(fault: &Fault) -> String {
    let queue = fault.queue.as_deref().unwrap_or("any");
    fault.account.as_ref().map_or_else(|| queue.to_owned(), |account| format!("{queue} of account {account}"))
}
