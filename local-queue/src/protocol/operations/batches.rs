//! Batch operations: rules for the batch as a whole, then each entry on its own.

use std::collections::BTreeSet;

use super::{
    Answer, Call,
    messages::{self, Prepared},
};
use crate::{
    engine::{Engine, EngineError, Limits, QueueArn, QuotaAction, Time},
    protocol::{
        document::{Document, members},
        error::{ErrorKind, WireError},
        fields::Fields,
    },
};

type Members = Vec<(&'static str, Document)>;

pub(super) fn send_message_batch(call: &Call<'_>) -> Answer {
    batch(call, QuotaAction::Send, "SendMessageBatch", |queue, limits, entries| {
        let requests = entries
            .iter()
            .map(|entry| {
                if entry.fields.text("MessageBody")?.is_none_or(|body| body.is_empty()) {
                    return Err(WireError::missing(&format!(
                        "SendMessageBatchRequestEntry.{}.MessageBody",
                        entry.number
                    )));
                }
                Prepared::parse(&entry.fields, limits, call.trace_header, "SendMessageBatch")
            })
            .collect::<Vec<_>>();
        // AWS (quoted by users): list values fail the whole batch, and so does what cannot be read.
        let is_whole =
            |error: &&WireError| matches!(error.kind, ErrorKind::UnsupportedOperation | ErrorKind::MalformedInput);
        if let Some(error) = requests.iter().filter_map(|request| request.as_ref().err()).find(is_whole) {
            return Err(error.clone());
        }
        check_total(entries, &requests, limits)?;
        call.queues.call(|engine, now| {
            if queue.is_fifo() {
                check_fifo(engine, now, queue, &requests)?;
            }
            Ok(requests.into_iter().map(|request| request?.send(engine, now, queue)).collect())
        })
    })
}

/// AWS (recorded): one entry without group or deduplication id fails the whole batch, and both by this kind of error,
/// although a single send without a group is a missing parameter.
fn check_fifo(
    engine: &mut Engine,
    now: Time,
    queue: &QueueArn,
    requests: &[Result<Prepared, WireError>],
) -> Result<(), WireError> {
    let settings = engine.queue_attributes(now, queue.as_str())?.settings;
    let content_based = settings.fifo.is_some_and(|fifo| fifo.content_based_deduplication);
    for Prepared { request, .. } in requests.iter().flatten() {
        let missing = if request.group_id.is_none() {
            EngineError::MessageGroupIdMissing
        } else if request.deduplication_id.is_none() && !content_based {
            EngineError::DeduplicationIdMissing
        } else {
            continue;
        };
        let message = WireError::from(missing).message;
        return Err(WireError::new(ErrorKind::InvalidParameterValue, message));
    }
    Ok(())
}

/// The total is compared with the service's limit, never with the queue's own (validated against AWS).
fn check_total(
    entries: &[Entry<'_>],
    requests: &[Result<Prepared, WireError>],
    limits: &Limits,
) -> Result<(), WireError> {
    let mut total = 0;
    for (entry, request) in entries.iter().zip(requests) {
        total += match request {
            Ok(message) => message.request.bytes(),
            Err(_) => entry.fields.text("MessageBody")?.map_or(0, |body| body.len() as u64),
        };
    }
    let max = *limits.message_bytes.end();
    if total > max {
        let message = format!("Batch requests cannot be longer than {max} bytes. You have sent {total} bytes.");
        return Err(WireError::new(ErrorKind::BatchRequestTooLong, message));
    }
    Ok(())
}

pub(super) fn delete_message_batch(call: &Call<'_>) -> Answer {
    batch(call, QuotaAction::Delete, "DeleteMessageBatch", |queue, _, entries| {
        call.queues.call(|engine, now| {
            let delete = |entry: &Entry<'_>| {
                let missing = format!("DeleteMessageBatchRequestEntry.{}.ReceiptHandle", entry.number);
                let handle = messages::parse_handle(&entry.fields, &missing, call.queues.seal());
                messages::delete(engine, now, queue, handle).map(|()| Vec::new())
            };
            Ok(entries.iter().map(delete).collect())
        })
    })
}

pub(super) fn change_message_visibility_batch(call: &Call<'_>) -> Answer {
    batch(call, QuotaAction::ChangeVisibility, "ChangeMessageVisibilityBatch", |queue, _, entries| {
        call.queues.call(|engine, now| {
            let change = |entry: &Entry<'_>| {
                let prefix = format!("ChangeMessageVisibilityBatchRequestEntry.{}.", entry.number);
                let handle =
                    messages::parse_handle(&entry.fields, &format!("{prefix}ReceiptHandle"), call.queues.seal());
                messages::change_visibility(engine, now, queue, handle, &entry.fields, &prefix).map(|()| Vec::new())
            };
            Ok(entries.iter().map(change).collect())
        })
    })
}

struct Entry<'a> {
    /// From 1, as errors count them.
    number: usize,
    id: String,
    fields: Fields<'a>,
}

/// Carries a batch out. The queues are locked for as long as `run` does it.
fn batch<F>(call: &Call<'_>, action: QuotaAction, operation: &str, run: F) -> Answer
where
    F: FnOnce(&QueueArn, &Limits, &[Entry<'_>]) -> Result<Vec<Result<Members, WireError>>, WireError>,
{
    let queue = call.queue()?;
    let (limits, entries) = call.queues.call(|engine, now| {
        engine.find_queue(queue.as_str())?;
        let entries = parse_entries(call, operation, engine.limits())?;
        engine.admit(now, queue.as_str(), action)?;
        Ok::<_, WireError>((engine.limits().clone(), entries))
    })?;
    let ids = call.failed_entries.map(|failures| failures.choose(entries.iter().map(|entry| entry.id.as_str())));
    let is_doomed = |entry: &Entry<'_>| ids.as_ref().is_some_and(|ids| ids.contains(&entry.id));
    let (doomed, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_doomed);
    let results = run(&queue, &limits, &entries)?;
    let doomed = doomed.into_iter().map(|entry| failure(("Id", Document::Text(entry.id)), WireError::internal()));
    let (mut failed, mut successful) = (doomed.collect::<Vec<_>>(), Vec::new());
    for (entry, result) in entries.into_iter().zip(results) {
        let id = ("Id", Document::Text(entry.id));
        match result {
            Ok(mut members) => {
                members.push(id);
                members.sort_by_key(|(name, _)| *name);
                successful.push(Document::Struct(members));
            }
            Err(error) => failed.push(failure(id, error.in_batch_entry())),
        }
    }
    // Each list is left out when it is empty (recorded).
    Ok(Some(Document::Struct(members! {
        "Failed": (!failed.is_empty()).then_some(Document::List(failed)),
        "Successful": (!successful.is_empty()).then_some(Document::List(successful)),
    })))
}

fn failure(id: (&'static str, Document), error: WireError) -> Document {
    let row = error.kind.row();
    Document::Struct(vec![
        ("Code", Document::text(row.code)),
        id,
        ("Message", Document::text(error.message)),
        ("SenderFault", Document::Boolean(row.fault() == "Sender")),
    ])
}

fn parse_entries<'a>(call: &Call<'a>, operation: &str, limits: &Limits) -> Result<Vec<Entry<'a>>, WireError> {
    let entries = call.fields.structures("Entries")?.ok_or_else(|| WireError::missing("Entries"))?;
    if entries.is_empty() {
        // The changes of visibility are said to be named without "RequestEntry" here.
        let of_entries = if operation == "ChangeMessageVisibilityBatch" { "" } else { "RequestEntry" };
        let message = format!("There should be at least one {operation}{of_entries} in the request.");
        return Err(WireError::new(ErrorKind::EmptyBatchRequest, message));
    }
    let (count, count_max) = (entries.len(), limits.batch_entries_max);
    if count > count_max {
        let message = format!("Maximum number of entries per request are {count_max}. You have sent {count}.");
        return Err(WireError::new(ErrorKind::TooManyEntriesInBatchRequest, message));
    }
    let mut ids = BTreeSet::new();
    let mut parsed = Vec::with_capacity(count);
    for (index, fields) in entries.into_iter().enumerate() {
        // AWS (quoted by users): an id that is absent is another error than one that is empty. It is what old SDKs get who
        // send an empty list, as an entry with nothing in it.
        let missing = || WireError::missing(&format!("{operation}RequestEntry.{}.Id", index + 1));
        let id = fields.text("Id")?.ok_or_else(missing)?.into_owned();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=limits.batch_entry_id_chars_max).contains(&id.len()) || !id.bytes().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be \
                           at most 80 letters long.";
            return Err(WireError::new(ErrorKind::InvalidBatchEntryId, message));
        }
        if !ids.insert(id.clone()) {
            return Err(WireError::new(ErrorKind::BatchEntryIdsNotDistinct, format!("Id {id} repeated.")));
        }
        check_types(operation, &fields)?;
        parsed.push(Entry { number: index + 1, id, fields });
    }
    Ok(parsed)
}

/// What cannot be read fails the request, before any of its entries is looked at. Messages are read as a whole first.
fn check_types(operation: &str, entry: &Fields<'_>) -> Result<(), WireError> {
    if operation != "SendMessageBatch" {
        entry.text("ReceiptHandle")?;
    }
    if operation == "ChangeMessageVisibilityBatch" {
        entry.integer("VisibilityTimeout")?;
    }
    Ok(())
}
