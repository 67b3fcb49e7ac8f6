//! Messages to a queue, ten at a time.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use handler::aws::REQUEST_MESSAGES_MAX;
use local_queue_terminal::{note, one_line};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::queue::failed;
use crate::stop::{Interruption, Stop};

/// AWS: a batch has at most 1 MiB (documentation: "Amazon SQS message quotas").
const BATCH_BYTES_MAX: usize = 1_048_576;

/// A message to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    /// What it is called when it is refused.
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) attributes: HashMap<String, MessageAttributeValue>,
    /// The one system attribute that a sender may set.
    pub(crate) trace_header: Option<String>,
}

/// What became of the messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// How many SQS has taken.
    pub(crate) messages: usize,
    /// Whether all others were left because of a signal.
    pub(crate) interruption: Option<Interruption>,
}

/// An id of a FIFO queue that says the same for the same text: its digest, since ids have 128 characters of few kinds.
pub(crate) fn digest(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// Sends all messages, so many a second at most. Those that SQS refuses are reported one by one. Fails if nothing could be
/// sent.
pub(crate) async fn send(
    client: &Client,
    queue_url: &str,
    messages: impl IntoIterator<Item = anyhow::Result<Outgoing>>,
    rate: Option<u16>,
    stop: &Stop,
) -> anyhow::Result<Sent> {
    let mut sent = Sent { messages: 0, interruption: None };
    let mut pace = Pace::new(rate);
    let mut batches = Batches::new(messages.into_iter(), pace.batch());
    while let Some(batch) = batches.take()? {
        sent.interruption = tokio::select! {
            biased;
            interruption = stop.requested() => Some(interruption),
            () = pace.turn(batch.len()) => None,
        };
        if sent.interruption.is_some() {
            break;
        }
        match send_batch(client, queue_url, &batch).await {
            Ok(ids) => sent.messages += ids.iter().flatten().count(),
            // The first failure of all is the command's; later ones leave the rest unsent, and the count says so.
            Err(error) if sent.messages == 0 => return Err(error.error),
            Err(error) => {
                note(format_args!("resize: the rest was not sent: {:#}", error.error));
                break;
            }
        }
    }
    Ok(sent)
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct SendError {
    pub(crate) error: anyhow::Error,
    /// Whether SQS has said so itself; if not, it may have been carried out all the same.
    pub(crate) is_answered: bool,
}

/// Sends what fits into one request. Says the new id of each message, or reports why SQS refused it.
pub(crate) async fn send_batch(
    client: &Client,
    queue_url: &str,
    batch: &[Outgoing],
) -> Result<Vec<Option<String>>, SendError> {
    let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
    let entries = entries.map_err(|error| SendError { error, is_answered: true })?;
    let request = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    let answer = request.send().await.map_err(|error| SendError {
        is_answered: matches!(&error, SdkError::ServiceError(refused) if refused.raw().status().is_client_error())
            || matches!(error, SdkError::ConstructionFailure(_)),
        error: failed("SendMessageBatch", queue_url, &error),
    })?;
    for refused in answer.failed() {
        let message = refused.id().parse::<usize>().ok().and_then(|index| batch.get(index));
        let name = one_line(message.map_or("a message", |message| message.name.as_str()));
        let reason = one_line(refused.message().unwrap_or_default());
        note(format_args!("resize: {name} was refused: {}: {reason}", one_line(refused.code())));
    }
    let id_of = |index: usize| {
        let sent = answer.successful().iter().find(|entry| entry.id() == index.to_string());
        sent.map(|entry| entry.message_id().to_owned())
    };
    Ok((0..batch.len()).map(id_of).collect())
}

/// So many messages a second, evenly.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Option<u16>,
    next: Instant,
}

impl Pace {
    pub(crate) fn new(rate: Option<u16>) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// How many messages a request has at most: those of a second, if they are fewer than a request can have.
    pub(crate) fn batch(&self) -> usize {
        self.rate.map_or(REQUEST_MESSAGES_MAX, |rate| usize::from(rate).clamp(1, REQUEST_MESSAGES_MAX))
    }

    /// Waits until so many messages may be sent.
    pub(crate) async fn turn(&mut self, messages: usize) {
        let Some(rate) = self.rate else { return };
        tokio::time::sleep_until(self.next).await;
        let share = Duration::from_secs(1) * u32::try_from(messages).unwrap_or(u32::MAX) / u32::from(rate.max(1));
        self.next = Instant::now() + share;
    }
}

/// Puts messages together that fit into one request.
pub(crate) struct Batches<I> {
    messages: I,
    next: Option<Outgoing>,
    messages_max: usize,
}

impl<I: Iterator<Item = anyhow::Result<Outgoing>>> Batches<I> {
    pub(crate) fn new(messages: I, messages_max: usize) -> Self {
        Self { messages, next: None, messages_max }
    }

    pub(crate) fn take(&mut self) -> anyhow::Result<Option<Vec<Outgoing>>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < self.messages_max {
            let next = self.next.take().map(Ok).or_else(|| self.messages.next());
            let Some(message) = next.transpose()? else { break };
            if !batch.is_empty() && bytes + message.bytes() > BATCH_BYTES_MAX {
                self.next = Some(message);
                break;
            }
            bytes += message.bytes();
            batch.push(message);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl Outgoing {
    /// AWS: attributes count with name, type and value (documentation: "Amazon SQS message metadata").
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| {
            let text = value.string_value().map_or(0, str::len);
            let binary = value.binary_value().map_or(0, |blob| blob.as_ref().len());
            name.len() + value.data_type().len() + text + binary
        });
        self.body.len() + attributes.sum::<usize>()
    }
}

fn entry((index, message): (usize, &Outgoing)) -> anyhow::Result<SendMessageBatchRequestEntry> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .set_message_group_id(message.group.clone())
        .set_message_deduplication_id(message.deduplication_id.clone());
    if !message.attributes.is_empty() {
        entry = entry.set_message_attributes(Some(message.attributes.clone()));
    }
    if let Some(trace_header) = &message.trace_header {
        let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace_header).build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    Ok(entry.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_ten_messages_or_a_mebibyte() {
        let message = |bytes: usize| Ok(Outgoing { body: "x".repeat(bytes), ..Outgoing::default() });
        let sizes = [vec![1; 23], vec![600_000, 600_000, 100_000, 1]].concat();
        let mut batches = Batches::new(sizes.into_iter().map(message), REQUEST_MESSAGES_MAX);
        let mut lengths = Vec::new();
        while let Some(batch) = batches.take().unwrap() {
            assert!(batch.iter().map(Outgoing::bytes).sum::<usize>() <= BATCH_BYTES_MAX);
            lengths.push(batch.len());
        }
        assert_eq!(lengths, [10, 10, 4, 3]);
    }
}
