//! What the engine answered against what the model expects. Identifiers that the model cannot know it learns here.

use std::fmt::Debug;

use local_queue_engine::{self as engine, Delivery, EngineError, MoveTask, Peeked, Place};

use crate::model::{Answer, Deduplication, Given, Message, Model, Sent, Task};

pub(super) fn same<T: Debug + PartialEq>(seen: &T, expected: &T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("seen {seen:?}, expected {expected:?}")) }
}

/// Both succeed, or the error is one of the faults.
pub(super) fn agree<T: Debug, U: Debug>(
    seen: Result<T, EngineError>,
    expected: Answer<U>,
) -> Result<Option<(T, U)>, String> {
    match (seen, expected) {
        (Ok(seen), Ok(expected)) => Ok(Some((seen, expected))),
        (Err(error), Err(faults)) if faults.contains(&error) => Ok(None),
        (seen, expected) => Err(format!("answered {seen:?}, expected {expected:?}")),
    }
}

pub(super) fn equal<T: Debug + PartialEq>(seen: Result<T, EngineError>, expected: Answer<T>) -> Result<(), String> {
    agree(seen, expected)?.map_or(Ok(()), |(seen, expected)| same(&seen, &expected))
}

pub(super) fn sent(model: &mut Model, expected: &Sent, seen: &engine::Sent) -> Result<(), String> {
    model.learn_id(expected.id, seen.message_id)?;
    match (expected.number, seen.sequence_number) {
        (None, None) => Ok(()),
        (Some(index), Some(number)) => model.learn_number(index, number),
        (expected, seen) => Err(format!("sequence number {seen:?}, expected {expected:?}")),
    }
}

fn message(model: &mut Model, expected: &Message, seen: &engine::Message) -> Result<(), String> {
    model.learn_id(expected.id, seen.id)?;
    match (expected.number, seen.sequence_number()) {
        (None, None) => {}
        (Some(index), Some(number)) => model.learn_number(index, number)?,
        (expected, seen) => return Err(format!("sequence number {seen:?}, expected {expected:?}")),
    }
    let deduplication_id = seen.deduplication_id();
    match &expected.deduplication {
        Deduplication::None => same(&deduplication_id, &None)?,
        Deduplication::Text(id) => same(&deduplication_id, &Some(&**id))?,
        Deduplication::IdOf(index) => {
            let id = model.id(*index).map(|id| id.to_string());
            same(&deduplication_id, &id.as_deref().or(deduplication_id))?;
        }
    }
    let sent = &expected.sent;
    same(&seen.body.as_str(), &sent.body.as_str())?;
    same(&seen.attributes(), &&sent.attributes)?;
    same(&seen.trace_header(), &sent.trace_header.as_deref())?;
    same(&seen.group_id(), &sent.group_id.as_deref())?;
    same(&seen.sent_at, &expected.sent_at)?;
    same(&seen.dead_letter_source(), &expected.source.as_ref())
}

pub(super) fn deliveries(model: &mut Model, expected: &[Given], seen: &[Delivery]) -> Result<(), String> {
    let count = (seen.len(), expected.len());
    if count.0 != count.1 {
        return Err(format!("{} messages, expected {}: {seen:?} against {expected:?}", count.0, count.1));
    }
    for (expected, seen) in expected.iter().zip(seen) {
        message(model, &expected.message, &seen.message)?;
        model.learn_handle(expected.handle, seen.receipt_handle)?;
        same(&seen.receive_count, &expected.message.receive_count)?;
        same(&Some(seen.first_received_at), &expected.message.first_received_at)?;
    }
    Ok(())
}

pub(super) fn peeked(model: &mut Model, expected: &[Message], seen: &[Peeked]) -> Result<(), String> {
    if seen.len() != expected.len() {
        return Err(format!("{} messages are there, expected {}", seen.len(), expected.len()));
    }
    for (expected, seen) in expected.iter().zip(seen) {
        message(model, expected, &seen.message)?;
        let state = |place: Place, visible_at, count, first| (place, visible_at, count, first);
        same(
            &state(seen.place, seen.visible_at, seen.receive_count, seen.first_received_at),
            &state(expected.place, expected.visible_at, expected.receive_count, expected.first_received_at),
        )?;
    }
    Ok(())
}

pub(super) fn tasks(seen: &[MoveTask], expected: &[Task]) -> Result<(), String> {
    same(&seen.len(), &expected.len())?;
    for (seen, expected) in seen.iter().zip(expected) {
        same(&Some(seen.id), &expected.id)?;
        same(&seen.destination, &expected.destination)?;
        same(&seen.messages_per_second, &expected.rate)?;
        same(&(seen.started_at, seen.status), &(expected.started_at, expected.status))?;
        same(&(seen.moved, seen.to_move), &(expected.moved, expected.to_move))?;
    }
    Ok(())
}
