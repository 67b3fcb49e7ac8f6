//! Faults as JSON.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, ApiError, json_response};
use crate::{
    LocalQueue,
    faults::{Effect, FailedEntries, Fault, Injected},
};

const EFFECTS: &str = "throttle, throttling_exception, internal_error, service_unavailable, lost_response, \
                       duplicate_delivery, reordering, latency or partial_failure";
const FIELDS: [&str; 9] =
    ["account", "action", "effect", "entries", "milliseconds", "probability", "queue", "share", "times"];

pub(super) fn list(queues: &LocalQueue) -> Response<Bytes> {
    let faults = queues.faults().list().iter().map(render).collect::<Vec<_>>();
    json_response(StatusCode::OK, &json!({ "faults": faults, "struck": queues.faults().struck() }))
}

pub(super) fn inject(queues: &LocalQueue, members: &Map<String, Value>) -> Answer {
    let fault = parse(members)?;
    let id = queues.faults().inject(fault.clone()).map_err(|error| ApiError::bad(format!("{error}.")))?;
    Ok(json_response(StatusCode::CREATED, &render(&Injected { id, fault, struck: 0 })))
}

fn render(injected: &Injected) -> Value {
    let Injected { id, fault, struck } = injected;
    let mut members = Map::new();
    members.insert("id".to_owned(), id.0.into());
    members.insert("effect".to_owned(), fault.effect.name().into());
    match &fault.effect {
        Effect::Latency(latency) => {
            let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
            members.insert("milliseconds".to_owned(), millis.into());
        }
        Effect::PartialFailure(FailedEntries::Share(share)) => {
            members.insert("share".to_owned(), (*share).into());
        }
        Effect::PartialFailure(FailedEntries::Ids(ids)) => {
            members.insert("entries".to_owned(), ids.iter().cloned().collect::<Vec<_>>().into());
        }
        _ => {}
    }
    let narrowed = [
        ("action", fault.action.clone().map(Value::from)),
        ("queue", fault.queue.clone().map(Value::from)),
        ("account", fault.account.clone().map(Value::from)),
        ("times", fault.times.map(Value::from)),
        ("probability", fault.probability.map(Value::from)),
        ("struck", Some((*struck).into())),
    ];
    members.extend(narrowed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(members)
}

fn parse(members: &Map<String, Value>) -> Result<Fault, ApiError> {
    if let Some(unknown) = members.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(ApiError::bad(format!("{unknown}: is unknown. A fault has {}.", FIELDS.join(", "))));
    }
    let fields = FaultMembers(members);
    let effect = effect(&fields)?;
    for (field, belongs) in [
        ("milliseconds", matches!(effect, Effect::Latency(_))),
        ("share", matches!(effect, Effect::PartialFailure(_))),
        ("entries", matches!(effect, Effect::PartialFailure(_))),
    ] {
        if !belongs && members.contains_key(field) {
            return Err(ApiError::bad(format!("{field}: is not for {}.", effect.name())));
        }
    }
    let times = fields.read("times", "a whole number", Value::as_u64)?;
    let times = times.map(u32::try_from).transpose();
    Ok(Fault {
        action: fields.text("action")?,
        queue: fields.text("queue")?,
        account: fields.text("account")?,
        times: times.map_err(|_| ApiError::bad(format!("times: is at most {}.", u32::MAX)))?,
        probability: fields.read("probability", "a number from 0 to 1", Value::as_f64)?,
        ..Fault::new(effect)
    })
}

fn effect(fields: &FaultMembers<'_>) -> Result<Effect, ApiError> {
    let name = fields.text("effect")?.ok_or_else(|| ApiError::bad(format!("effect: is missing. It is {EFFECTS}.")))?;
    Ok(match name.as_str() {
        "throttle" => Effect::Throttle,
        "throttling_exception" => Effect::ThrottlingException,
        "internal_error" => Effect::InternalError,
        "service_unavailable" => Effect::ServiceUnavailable,
        "lost_response" => Effect::LostResponse,
        "duplicate_delivery" => Effect::DuplicateDelivery,
        "reordering" => Effect::Reordering,
        "latency" => {
            let millis = fields.read("milliseconds", "a whole number", Value::as_u64)?;
            let missing = || ApiError::bad("milliseconds: is missing. latency says how long.");
            Effect::Latency(Duration::from_millis(millis.ok_or_else(missing)?))
        }
        "partial_failure" => Effect::PartialFailure(failed_entries(fields)?),
        other => return Err(ApiError::bad(format!("effect: {other:?} is unknown. It is {EFFECTS}."))),
    })
}

fn failed_entries(fields: &FaultMembers<'_>) -> Result<FailedEntries, ApiError> {
    let share = fields.read("share", "a number from 0 to 1", Value::as_f64)?;
    let ids = fields.read("entries", "a list of the ids of entries", |value| {
        value.as_array()?.iter().map(|id| id.as_str().map(str::to_owned)).collect()
    })?;
    match (share, ids) {
        (Some(share), None) => Ok(FailedEntries::Share(share)),
        (None, Some(ids)) => Ok(FailedEntries::Ids(ids)),
        _ => Err(ApiError::bad("share: partial_failure takes either a share or entries.")),
    }
}

/// The members of a request, by name and type.
struct FaultMembers<'a>(&'a Map<String, Value>);

impl FaultMembers<'_> {
    fn read<T>(&self, name: &str, kind: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, ApiError> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| ApiError::bad(format!("{name}: must be {kind}, not {value}.")))
    }

    fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.read(name, "text", |value| value.as_str().map(str::to_owned))
    }
}
