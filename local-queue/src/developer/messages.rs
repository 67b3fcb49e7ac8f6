//! Queues and their messages, looked at without touching them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, ApiError, json_response, why};
use crate::{
    LocalQueue,
    engine::{EngineError, Located, MessageAttributeValue, MessageId, Peeked, Place, QueueArn, Time},
    recorded::Recorded,
};

/// Messages of one page.
const MESSAGES_MAX: usize = 1_000;
const MESSAGES_DEFAULT: usize = 100;
/// Bytes of the bodies of one page, beside its first message.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) fn list_queues(queues: &LocalQueue) -> Response<Bytes> {
    let listed = queues.call(|engine, now| {
        let arns = engine.queues().cloned().collect::<Vec<_>>();
        arns.iter().filter_map(|arn| engine.queue_attributes(now, arn.as_str()).ok()).collect::<Vec<_>>()
    });
    let listed = listed.iter().map(|queue| {
        json!({
            "name": queue.arn.name(),
            "arn": queue.arn.as_str(),
            "ready": queue.messages,
            "delayed": queue.messages_delayed,
            "in_flight": queue.messages_not_visible,
        })
    });
    json_response(StatusCode::OK, &json!({ "queues": listed.collect::<Vec<_>>() }))
}

/// What is to be looked at.
struct Page {
    queue: QueueArn,
    place: Option<Place>,
    skip: usize,
    max: usize,
}

impl Page {
    fn parse(queues: &LocalQueue, request: &Request<Bytes>, name: &str) -> Result<Self, ApiError> {
        let mut scope = queues.scope().clone();
        let (mut place, mut skip, mut max) = (None, 0, MESSAGES_DEFAULT);
        for (parameter, value) in parameters(request) {
            let number = || value.parse().map_err(|_| ApiError::bad(format!("{parameter}: must be a whole number.")));
            match parameter {
                "region" => scope.region = value.into(),
                "account" => scope.account = value.into(),
                "place" => place = Some(parse_place(value)?),
                "skip" => skip = number()?,
                "max" => max = number()?,
                other => {
                    let sentence = format!("{other}: is unknown. There are place, skip, max, region and account.");
                    return Err(ApiError::bad(sentence));
                }
            }
        }
        if !(1..=MESSAGES_MAX).contains(&max) {
            return Err(ApiError::bad(format!("max: must be from 1 to {MESSAGES_MAX}, not {max}.")));
        }
        Ok(Self { queue: scope.arn(name), place, skip, max })
    }

    /// The messages, and how many to skip for the next page if this is not the last.
    fn take(&self, engine: &mut Recorded<'_>, now: Time) -> Result<(Vec<Peeked>, Option<usize>), EngineError> {
        let (mut found, mut skip, mut bytes) = (Vec::new(), self.skip, 0);
        loop {
            // One more than fits shows whether there is a next page.
            let batch = engine.peek(now, self.queue.as_str(), skip, MESSAGES_MAX)?;
            let is_last = batch.len() < MESSAGES_MAX;
            for peeked in batch {
                if self.place.is_none_or(|place| place == peeked.place) {
                    bytes += peeked.message.body.as_str().len();
                    if found.len() == self.max || (bytes > PAGE_BYTES_MAX && !found.is_empty()) {
                        return Ok((found, Some(skip)));
                    }
                    found.push(peeked);
                }
                skip += 1;
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }
}

pub(super) fn parameters(request: &Request<Bytes>) -> impl Iterator<Item = (&str, &str)> {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').filter_map(|pair| pair.split_once('='))
}

fn parse_place(value: &str) -> Result<Place, ApiError> {
    match value {
        "ready" => Ok(Place::Ready),
        "delayed" => Ok(Place::Delayed),
        "in_flight" => Ok(Place::InFlight),
        other => Err(ApiError::bad(format!("place: must be ready, delayed or in_flight, not {other:?}."))),
    }
}

pub(super) fn peek(queues: &LocalQueue, request: &Request<Bytes>, name: &str) -> Answer {
    let page = Page::parse(queues, request, name)?;
    let (now, taken) = queues.call(|engine, now| (now, page.take(engine, now)));
    let (messages, next) = taken.map_err(|_| no_queue(&page.queue))?;
    let messages = messages.iter().map(|peeked| render(peeked, now)).collect::<Vec<_>>();
    Ok(json_response(StatusCode::OK, &json!({ "messages": messages, "next_skip": next })))
}

pub(super) fn no_queue(queue: &QueueArn) -> ApiError {
    ApiError::not_found(format!("There is no queue {queue}."))
}

/// The queue of a path, in the region and account that the query says.
pub(super) fn queue_of(queues: &LocalQueue, request: &Request<Bytes>, name: &str) -> Result<QueueArn, ApiError> {
    let mut scope = queues.scope().clone();
    for (parameter, value) in parameters(request) {
        match parameter {
            "region" => scope.region = value.into(),
            "account" => scope.account = value.into(),
            other => return Err(ApiError::bad(format!("{other}: is unknown. There are region and account."))),
        }
    }
    Ok(scope.arn(name))
}

pub(super) fn message_id(id: &str) -> Result<MessageId, ApiError> {
    MessageId::parse(id).ok_or_else(|| ApiError::bad(format!("{id} is not the id of a message.")))
}

/// One message by its id: what is to be seen of it, or how it left the queue.
pub(super) fn locate(queues: &LocalQueue, queue: &QueueArn, id: &str) -> Answer {
    let message_id = message_id(id)?;
    let (now, located) = queues.call(|engine, now| (now, engine.locate(now, queue.as_str(), message_id)));
    match located.map_err(|_| no_queue(queue))? {
        Located::Here(peeked) => Ok(json_response(StatusCode::OK, &render(&peeked, now))),
        Located::Gone(departure) => {
            let id = departure.message_id.to_string();
            let why = why::gone(&departure, now);
            let count = departure.receive_count;
            Ok(json_response(
                StatusCode::OK,
                &json!({ "message_id": id, "place": "gone", "receive_count": count, "why": why }),
            ))
        }
        Located::Unknown => Err(ApiError::not_found(format!(
            "There is no message {message_id} in {queue}, and it is not among those that left a queue last."
        ))),
    }
}

fn render(peeked: &Peeked, now: Time) -> Value {
    let message = &peeked.message;
    let attributes = message.attributes().iter().map(|(name, attribute)| {
        let value = match &attribute.value {
            MessageAttributeValue::Text(text) => text.clone(),
            MessageAttributeValue::Binary(bytes) => BASE64_STANDARD.encode(bytes),
        };
        (name.to_owned(), json!({ "type": attribute.data_type, "value": value }))
    });
    json!({
        "message_id": message.id.to_string(),
        "place": why::place(peeked.place),
        "body": message.body.as_str(),
        "attributes": attributes.collect::<Map<_, _>>(),
        "sent_at": message.sent_at.as_millis(),
        "visible_at": peeked.visible_at.as_millis(),
        "why": why::here(&peeked.visibility, now),
        "receive_count": peeked.receive_count,
        "first_received_at": peeked.first_received_at.map(Time::as_millis),
        "group_id": message.group_id(),
        "deduplication_id": message.deduplication_id(),
        "sequence_number": message.sequence_number().map(|number| number.to_string()),
        "dead_letter_source": message.dead_letter_source().map(QueueArn::as_str),
        "trace_header": message.trace_header(),
    })
}
