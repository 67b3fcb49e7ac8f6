//! Dead letters: of which kinds they are, and the way back to the queue that gave them up.
//!
//! A batch runner that dead-letters a message itself says why by its attributes `FailureKind`, `FailureBlame` and
//! `FailureMessage`. A message that SQS has moved, because its receives were used up, has none of these.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Answer, json_response, messages::no_queue};
use crate::{
    LocalQueue,
    engine::{EngineError, MessageAttributeValue, MessageBody, Peeked, Place, QueueArn, SendMessage, Sent, Time},
    recorded::Recorded,
};

/// Messages that are looked at for what kinds there are.
pub(crate) const LOOKED_AT_MAX: usize = 10_000;
/// Messages that are looked at at once.
const BATCH: usize = 1_000;

/// Dead letters of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// `None` for those whose receives were used up.
    pub(crate) kind: Option<String>,
    pub(crate) blame: Option<String>,
    pub(crate) count: usize,
    /// What the oldest says of its failure.
    pub(crate) reason: Option<String>,
}

/// The groups of a dead-letter queue, the largest first, and whether all messages were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
    pub(crate) is_all: bool,
}

/// How many were sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) count: usize,
    /// Whether nothing is left that could be sent back.
    pub(crate) is_last: bool,
}

/// Why a message was not sent back.
#[derive(Debug)]
pub(crate) enum NotSentBack {
    /// It does not say where it comes from.
    Nowhere,
    Refused(EngineError),
}

pub(super) fn respond(queues: &LocalQueue, queue: &QueueArn) -> Answer {
    let groups = queues.call(|engine, now| groups(engine, now, queue)).map_err(|_| no_queue(queue))?;
    Ok(render(&groups))
}

fn render(groups: &Groups) -> Response<Bytes> {
    let listed = groups
        .groups
        .iter()
        .map(|group| json!({ "kind": group.kind, "blame": group.blame, "count": group.count, "reason": group.reason }));
    let listed = listed.collect::<Vec<Value>>();
    json_response(StatusCode::OK, &json!({ "groups": listed, "is_all": groups.is_all }))
}

/// An attribute of a message that is a text.
pub(crate) fn text<'a>(peeked: &'a Peeked, name: &str) -> Option<&'a str> {
    match &peeked.message.attributes().get(name)?.value {
        MessageAttributeValue::Text(text) => Some(text),
        MessageAttributeValue::Binary(_) => None,
    }
}

/// Of what kinds the messages of a queue are.
pub(crate) fn groups(engine: &mut Recorded<'_>, now: Time, queue: &QueueArn) -> Result<Groups, EngineError> {
    let mut groups = BTreeMap::<(Option<String>, Option<String>), Group>::new();
    let mut looked_at = 0;
    loop {
        let batch = engine.peek(now, queue.as_str(), looked_at, BATCH)?;
        for peeked in &batch {
            let [kind, blame] = ["FailureKind", "FailureBlame"].map(|name| text(peeked, name).map(str::to_owned));
            let reason = || text(peeked, "FailureMessage").map(str::to_owned);
            let group = groups.entry((kind.clone(), blame.clone()));
            group.or_insert_with(|| Group { kind, blame, count: 0, reason: reason() }).count += 1;
        }
        looked_at += batch.len();
        if batch.len() < BATCH || looked_at >= LOOKED_AT_MAX {
            let mut groups = groups.into_values().collect::<Vec<_>>();
            groups.sort_by_key(|group| std::cmp::Reverse(group.count));
            return Ok(Groups { groups, is_all: batch.len() < BATCH });
        }
    }
}

/// Sends a message of a dead-letter queue back as a new one, and deletes it here: both or none.
pub(crate) fn send_back(
    engine: &mut Recorded<'_>,
    now: Time,
    queue: &QueueArn,
    peeked: &Peeked,
    body: Option<MessageBody>,
    to: Option<QueueArn>,
) -> Result<(QueueArn, Sent), NotSentBack> {
    let to = to.or_else(|| origin(engine, queue, peeked)).ok_or(NotSentBack::Nowhere)?;
    let message = &peeked.message;
    if queue.is_fifo() && peeked.place != Place::InFlight {
        // A FIFO queue deletes only what is in flight: a move task is what sends such messages back.
        return Err(NotSentBack::Refused(EngineError::ReceiptHandleExpired));
    }
    let back = SendMessage {
        attributes: message.attributes().clone(),
        trace_header: message.trace_header().map(str::to_owned),
        group_id: message.group_id().map(str::to_owned),
        // As a message of its own: what it was known by may not have been forgotten yet.
        deduplication_id: to.is_fifo().then(|| format!("{}-{}", message.id, now.as_millis())),
        ..SendMessage::new(body.unwrap_or_else(|| message.body.clone()))
    };
    let sent = engine.send(now, to.as_str(), back).map_err(NotSentBack::Refused)?;
    engine.delete(now, queue.as_str(), peeked.receipt_handle).map_err(NotSentBack::Refused)?;
    Ok((to, sent))
}

/// Sends back up to `max` messages of a kind that are ready; those that say no kind if there is none.
pub(crate) fn send_kind_back(
    engine: &mut Recorded<'_>,
    now: Time,
    queue: &QueueArn,
    kind: Option<&str>,
    max: usize,
) -> Result<Moved, NotSentBack> {
    let (mut count, mut skip) = (0, 0);
    loop {
        let batch = engine.peek(now, queue.as_str(), skip, BATCH).map_err(NotSentBack::Refused)?;
        let is_end = batch.len() < BATCH;
        let mut stays = 0;
        for peeked in batch {
            if peeked.place != Place::Ready || text(&peeked, "FailureKind") != kind {
                stays += 1;
                continue;
            }
            if count == max {
                return Ok(Moved { count, is_last: false });
            }
            send_back(engine, now, queue, &peeked, None, None)?;
            count += 1;
        }
        if is_end {
            return Ok(Moved { count, is_last: true });
        }
        // Those that were sent back are no longer there to be skipped.
        skip += stays;
    }
}

/// The queue that gave a message up: it says so itself if SQS has moved it, else there may be only one that it can be.
pub(crate) fn origin(engine: &Recorded<'_>, queue: &QueueArn, peeked: &Peeked) -> Option<QueueArn> {
    peeked.message.dead_letter_source().cloned().or_else(|| {
        let mut sources = engine.dead_letter_sources(queue.as_str())?.iter();
        sources.next().filter(|_| sources.next().is_none()).cloned()
    })
}
