//! What is done to one message by its id, or to dead letters of one kind, without receiving them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Answer, ApiError,
    dead_letters::{self, NotSentBack},
    json_response,
    messages::{message_id, no_queue},
    no_content, number,
};
use crate::{
    LocalQueue,
    engine::{EngineError, Located, MessageBody, MessageId, Peeked, Place, QueueArn, Time},
    recorded::Recorded,
};

/// Dead letters that one request sends back.
const REDRIVEN_MAX: u64 = 1_000;
const REDRIVEN_DEFAULT: u64 = 100;

pub(super) fn delete(queues: &LocalQueue, queue: &QueueArn, id: &str) -> Answer {
    on_message(queues, queue, id, |engine, now, peeked| {
        engine.delete(now, queue.as_str(), peeked.receipt_handle).map_err(|error| match error {
            EngineError::ReceiptHandleExpired => conflict("A FIFO queue deletes a message only while it is in flight."),
            other => conflict(format!("The message was not deleted: {other}.")),
        })
    })?;
    Ok(no_content())
}

pub(super) fn set_visibility(queues: &LocalQueue, queue: &QueueArn, id: &str, members: &Map<String, Value>) -> Answer {
    let [Some(seconds)] = number(members, &["seconds"])? else {
        return Err(ApiError::bad("seconds: is missing. It takes 0 to 43200."));
    };
    on_message(queues, queue, id, |engine, now, peeked| {
        // What is not in flight has no visibility timeout, although a handle of before would give it one.
        if peeked.place != Place::InFlight {
            return Err(conflict("The message is not in flight; only messages in flight have a visibility timeout."));
        }
        let timeout = Duration::from_secs(seconds);
        engine
            .change_visibility(now, queue.as_str(), peeked.receipt_handle, timeout)
            .map_err(|error| ApiError::bad(format!("The visibility timeout was not changed: {error}.")))
    })?;
    Ok(no_content())
}

/// Sends one dead letter back, as it is or with another body.
pub(super) fn redrive(queues: &LocalQueue, queue: &QueueArn, id: &str, members: &Map<String, Value>) -> Answer {
    let [body, to] = texts(members, ["body", "to"])?;
    let body = body.map(MessageBody::parse).transpose();
    let body = body.map_err(|error| ApiError::bad(format!("body: {error}.")))?;
    let to = to.map(|to| QueueArn::parse(&to).unwrap_or_else(|| queues.scope().arn(&to)));
    let (to, sent) = on_message(queues, queue, id, |engine, now, peeked| {
        dead_letters::send_back(engine, now, queue, peeked, body, to).map_err(not_sent)
    })?;
    Ok(json_response(StatusCode::OK, &json!({ "message_id": sent.message_id.to_string(), "to": to.as_str() })))
}

/// Sends dead letters of one kind back. What cannot be sent back stays where it is, and so does what is in flight.
pub(super) fn redrive_kind(queues: &LocalQueue, queue: &QueueArn, members: &Map<String, Value>) -> Answer {
    let mut others = members.clone();
    let kind = others.remove("kind").unwrap_or(Value::Null);
    let kind = match &kind {
        Value::String(kind) => Some(kind.as_str()),
        Value::Null => None,
        other => return Err(ApiError::bad(format!("kind: must be text or null, not {other}."))),
    };
    let [max] = number(&others, &["max"])?;
    let max = max.unwrap_or(REDRIVEN_DEFAULT);
    if !(1..=REDRIVEN_MAX).contains(&max) {
        return Err(ApiError::bad(format!("max: must be from 1 to {REDRIVEN_MAX}, not {max}.")));
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let moved = queues.call(|engine, now| dead_letters::send_kind_back(engine, now, queue, kind, max));
    let moved = moved.map_err(|error| match error {
        NotSentBack::Refused(EngineError::QueueDoesNotExist { .. }) => no_queue(queue),
        other => not_sent(other),
    })?;
    Ok(json_response(StatusCode::OK, &json!({ "moved": moved.count, "is_last": moved.is_last })))
}

/// Acts on a message that is in the queue.
fn on_message<T>(
    queues: &LocalQueue,
    queue: &QueueArn,
    id: &str,
    act: impl FnOnce(&mut Recorded<'_>, Time, &Peeked) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let id = message_id(id)?;
    queues.call(|engine, now| match engine.locate(now, queue.as_str(), id) {
        Err(_) => Err(no_queue(queue)),
        Ok(Located::Here(peeked)) => act(engine, now, &peeked),
        Ok(Located::Gone(_) | Located::Unknown) => Err(no_message(queue, id)),
    })
}

fn no_message(queue: &QueueArn, id: MessageId) -> ApiError {
    ApiError::not_found(format!("There is no message {id} in {queue}."))
}

fn conflict(sentence: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, sentence)
}

fn not_sent(error: NotSentBack) -> ApiError {
    conflict(match error {
        NotSentBack::Nowhere => "The message does not say which queue it comes from: name one as to.".to_owned(),
        NotSentBack::Refused(error) => format!("The message was not sent back: {error}."),
    })
}

/// The texts of these names, which are all that may be there.
fn texts<const N: usize>(members: &Map<String, Value>, names: [&str; N]) -> Result<[Option<String>; N], ApiError> {
    if let Some(unknown) = members.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(ApiError::bad(format!("{unknown}: is unknown. There is {}.", names.join(" and "))));
    }
    let mut texts = [const { None }; N];
    for (text, name) in texts.iter_mut().zip(names) {
        *text = match members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => return Err(ApiError::bad(format!("{name}: must be text, not {other}."))),
        };
    }
    Ok(texts)
}
