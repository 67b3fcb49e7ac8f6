//! Batch operations: rules for the batch as a whole, then each entry on its own.

use std::borrow::Cow;

use super::{
    Answer, Call,
    messages::{self, Prepared},
};
use crate::{
    engine::{EngineError, Limits, QueueArn, QuotaAction, Time},
    protocol::{
        document::{Document, members},
        error::{ErrorKind, WireError},
        fields::Fields,
    },
    recorded::Recorded,
};

type Members = Vec<(&'static str, Document)>;
/// What came of each entry, or why the batch fails as a whole.
type Results<T> = Result<Vec<Result<T, WireError>>, WireError>;

pub(super) fn send_message_batch(call: &Call<'_>) -> Answer {
    batch(
        call,
        (QuotaAction::Send, "SendMessageBatch"),
        |entries| prepare_sends(call, entries),
        |engine, now, queue, requests| {
            if queue.is_fifo() {
                check_fifo(engine, now, queue, &requests)?;
            }
            let send = |request: Result<Prepared, WireError>| {
                let Prepared { request, digests } = request?;
                Ok((digests, engine.send(now, queue.as_str(), request)?))
            };
            Ok(requests.into_iter().map(send).collect())
        },
        |(digests, sent)| digests.answer(sent),
    )
}

fn prepare_sends(call: &Call<'_>, entries: &[Entry<'_>]) -> Results<Prepared> {
    let prepare = |entry: &Entry<'_>| {
        if entry.fields.text("MessageBody")?.is_none_or(|body| body.is_empty()) {
            return Err(WireError::missing(&format!("SendMessageBatchRequestEntry.{}.MessageBody", entry.number)));
        }
        Prepared::parse(call, &entry.fields, "SendMessageBatch")
    };
    let requests = entries.iter().map(prepare).collect::<Vec<_>>();
    // AWS (quoted by users): list values fail the whole batch, and so does what cannot be read.
    let is_whole =
        |error: &&WireError| matches!(error.kind, ErrorKind::UnsupportedOperation | ErrorKind::MalformedInput);
    if let Some(error) = requests.iter().filter_map(|request| request.as_ref().err()).find(is_whole) {
        return Err(error.clone());
    }
    check_total(entries, &requests, call.queues.limits())?;
    Ok(requests)
}

/// AWS (recorded): one entry without group or deduplication id fails the whole batch, and both by this kind of error,
/// although a single send without a group is a missing parameter.
fn check_fifo(
    engine: &mut Recorded<'_>,
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
    batch(
        call,
        (QuotaAction::Delete, "DeleteMessageBatch"),
        |entries| {
            let handles = entries.iter().map(|entry| {
                let missing = || format!("DeleteMessageBatchRequestEntry.{}.ReceiptHandle", entry.number);
                messages::parse_handle(call, &entry.fields, missing)
            });
            Ok(handles.collect::<Vec<_>>())
        },
        |engine, now, queue, handles| {
            Ok(handles.into_iter().map(|handle| messages::delete(engine, now, queue, handle)).collect())
        },
        |()| Vec::new(),
    )
}

pub(super) fn change_message_visibility_batch(call: &Call<'_>) -> Answer {
    let prefix = |number| format!("ChangeMessageVisibilityBatchRequestEntry.{number}.");
    batch(
        call,
        (QuotaAction::ChangeVisibility, "ChangeMessageVisibilityBatch"),
        |entries| {
            let changes = entries.iter().map(|entry| {
                let missing = || format!("{}ReceiptHandle", prefix(entry.number));
                (messages::parse_handle(call, &entry.fields, missing), entry.fields, prefix(entry.number))
            });
            Ok(changes.collect::<Vec<_>>())
        },
        |engine, now, queue, changes| {
            let changes = changes.into_iter().map(|(handle, fields, prefix)| {
                messages::change_visibility(engine, now, queue, handle, &fields, &prefix)
            });
            Ok(changes.collect())
        },
        |()| Vec::new(),
    )
}

struct Entry<'a> {
    /// From 1, as errors count them.
    number: usize,
    id: Cow<'a, str>,
    fields: Fields<'a>,
}

/// Carries a batch out. Everything is read by `prepare`, before the queues are locked, and answered by `members`, after; they
/// are locked for as long as `run` takes.
fn batch<'a, P, T>(
    call: &Call<'a>,
    (action, operation): (QuotaAction, &str),
    prepare: impl FnOnce(&[Entry<'a>]) -> Result<P, WireError>,
    run: impl FnOnce(&mut Recorded<'_>, Time, &QueueArn, P) -> Results<T>,
    members: impl Fn(T) -> Members,
) -> Answer {
    let queue = call.queue()?;
    let entries = parse_entries(call, operation, call.queues.limits()).map(|entries| {
        let ids = call.failed_entries.map(|failures| failures.choose(entries.iter().map(|entry| &*entry.id)));
        let is_failing = |entry: &Entry<'_>| ids.as_ref().is_some_and(|ids| ids.contains(&*entry.id));
        let (failing, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_failing);
        let prepared = prepare(&entries);
        (failing, entries, prepared)
    });
    let (failing, entries, results) = call.call(|engine, now| {
        engine.find_queue(queue.as_str())?;
        let (failing, entries, prepared) = entries?;
        engine.admit(now, queue.as_str(), action)?;
        let results = run(engine, now, &queue, prepared?)?;
        Ok::<_, WireError>((failing, entries, results))
    })?;
    let id = |entry: Entry<'_>| ("Id", Document::Text(entry.id.into_owned()));
    let failing = failing.into_iter().map(|entry| failure(id(entry), WireError::internal()));
    let (mut failed, mut successful) = (failing.collect::<Vec<_>>(), Vec::with_capacity(entries.len()));
    for (entry, result) in entries.into_iter().zip(results) {
        match result.map(&members) {
            Ok(mut members) => {
                // Before all others in the order of names.
                members.insert(0, id(entry));
                successful.push(Document::Struct(members));
            }
            Err(error) => failed.push(failure(id(entry), error.in_batch_entry())),
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
    let mut parsed: Vec<Entry<'_>> = Vec::with_capacity(count);
    for (index, fields) in entries.into_iter().enumerate() {
        // AWS (quoted by users): an id that is absent is another error than one that is empty. It is what old SDKs get who
        // send an empty list, as an entry with nothing in it.
        let missing = || WireError::missing(&format!("{operation}RequestEntry.{}.Id", index + 1));
        let id = fields.text("Id")?.ok_or_else(missing)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=limits.batch_entry_id_chars_max).contains(&id.len()) || !id.bytes().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be \
                           at most 80 letters long.";
            return Err(WireError::new(ErrorKind::InvalidBatchEntryId, message));
        }
        if parsed.iter().any(|before| before.id == id) {
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
