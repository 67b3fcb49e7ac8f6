//! Messages to a queue, ten at a time.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use handler::aws::REQUEST_MESSAGES_MAX;
use local_queue_terminal::{note, one_line};
use sha2::{Digest as _, Sha256};

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

/// Sends all messages. Those that SQS refuses are reported one by one. Fails if nothing could be sent.
pub(crate) async fn send(
    client: &Client,
    queue_url: &str,
    messages: impl IntoIterator<Item = anyhow::Result<Outgoing>>,
    stop: &Stop,
) -> anyhow::Result<Sent> {
    let mut sent = Sent { messages: 0, interruption: None };
    let mut batches = Batches { messages: messages.into_iter(), next: None };
    while let Some(batch) = batches.take()? {
        sent.interruption = stop.is_requested();
        if sent.interruption.is_some() {
            break;
        }
        let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let request = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
        match request.send().await {
            Ok(answer) => {
                sent.messages += answer.successful().len();
                for refused in answer.failed() {
                    let message = refused.id().parse::<usize>().ok().and_then(|index| batch.get(index));
                    let name = one_line(message.map_or("a message", |message| message.name.as_str()));
                    let reason = one_line(refused.message().unwrap_or_default());
                    note(format_args!("resize: {name} was refused: {}: {reason}", one_line(refused.code())));
                }
            }
            // The first failure of all is the command's; later ones leave the rest unsent, and the count says so.
            Err(error) if sent.messages == 0 => return Err(failed("SendMessageBatch", queue_url, &error)),
            Err(error) => {
                let error = failed("SendMessageBatch", queue_url, &error);
                note(format_args!("resize: the rest was not sent: {error:#}"));
                break;
            }
        }
    }
    Ok(sent)
}

/// Puts messages together that fit into one request.
struct Batches<I> {
    messages: I,
    next: Option<Outgoing>,
}

impl<I: Iterator<Item = anyhow::Result<Outgoing>>> Batches<I> {
    fn take(&mut self) -> anyhow::Result<Option<Vec<Outgoing>>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < REQUEST_MESSAGES_MAX {
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
        let mut batches = Batches { messages: sizes.into_iter().map(message), next: None };
        let mut lengths = Vec::new();
        while let Some(batch) = batches.take().unwrap() {
            assert!(batch.iter().map(Outgoing::bytes).sum::<usize>() <= BATCH_BYTES_MAX);
            lengths.push(batch.len());
        }
        assert_eq!(lengths, [10, 10, 4, 3]);
    }
}
