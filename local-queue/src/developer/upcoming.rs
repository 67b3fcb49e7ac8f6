//! What will happen by time alone.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Answer, ApiError, json_response, messages::parameters};
use crate::{
    LocalQueue,
    engine::{MessageId, Place, QueueArn, Time},
    recorded::Recorded,
};

const EVENTS_MAX: usize = 1_000;
const EVENTS_DEFAULT: usize = 20;
/// Messages that are looked at, of all queues together.
const LOOKED_AT_MAX: usize = 100_000;
const BATCH: usize = 1_000;

/// A message that becomes visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Time,
    pub(crate) queue: QueueArn,
    pub(crate) message_id: MessageId,
    /// Where it is until then: delayed or in flight.
    pub(crate) place: Place,
}

pub(super) fn respond(queues: &LocalQueue, request: &Request<Bytes>) -> Answer {
    let mut max = EVENTS_DEFAULT;
    for (parameter, value) in parameters(request) {
        if parameter != "max" {
            return Err(ApiError::bad(format!("{parameter}: is unknown. There is max.")));
        }
        let given = value.parse().ok().filter(|max| (1..=EVENTS_MAX).contains(max));
        max = given.ok_or_else(|| ApiError::bad(format!("max: must be a whole number from 1 to {EVENTS_MAX}.")))?;
    }
    let events = queues.call(|engine, now| next(engine, now, max));
    let events = events.iter().map(|event| {
        json!({
            "at": event.at.as_millis(),
            "what": match event.place { Place::InFlight => "visibility_timeout_ends", Place::Delayed | Place::Ready => "delay_ends" },
            "queue": event.queue.as_str(),
            "message_id": event.message_id.to_string(),
        })
    });
    Ok(json_response(StatusCode::OK, &json!({ "events": events.collect::<Vec<Value>>() })))
}

/// Up to `max` messages that become visible next, the first one first.
pub(crate) fn next(engine: &mut Recorded<'_>, now: Time, max: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let mut left = LOOKED_AT_MAX;
    let queues = engine.queues().cloned().collect::<Vec<_>>();
    for queue in queues {
        let mut skip = 0;
        while left > 0 {
            let Ok(batch) = engine.peek(now, queue.as_str(), skip, BATCH) else { break };
            (skip, left) = (skip + batch.len(), left.saturating_sub(batch.len()));
            let is_last = batch.len() < BATCH;
            let hidden = batch.into_iter().filter(|peeked| peeked.place != Place::Ready);
            events.extend(hidden.map(|peeked| Event {
                at: peeked.visible_at,
                queue: queue.clone(),
                message_id: peeked.message.id,
                place: peeked.place,
            }));
            if is_last {
                break;
            }
        }
    }
    events.sort_by_key(|event| event.at);
    events.truncate(max);
    events
}
