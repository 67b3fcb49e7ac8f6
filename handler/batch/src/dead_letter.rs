//! The [`FailureSink`] of SQS: hopeless messages go straight to the dead-letter queue with their reason, others get a
//! pause before they are retried.
//!
//! The queue's own redrive policy moves a message only after it has failed again and again, and says nothing about why.
//! Sending it at once saves those tries, and the attributes tell whoever looks: `FailureKind`, `FailureBlame`,
//! `FailureMessage`, `OriginalMessageId`, `OriginalReceiveCount`. The body is the original one, so the message can be sent
//! back as it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue};
use futures_util::StreamExt;

use crate::aws::{REQUEST_MESSAGES_MAX, explain};
use crate::batch::{FailureSink, Routed, SinkError, VisibilityChange};
use crate::event::{AttributeValue, FIFO_SUFFIX, Message, MessageAttribute};
use crate::failure::Failure;

/// AWS: body and attributes together are at most 1 MiB (documentation: "Amazon SQS message quotas").
const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// AWS: a message has at most 10 attributes (documentation: "Amazon SQS message quotas").
const ATTRIBUTES_MAX: usize = 10;
/// Visibility requests under way at once: the time for them is short.
const REQUESTS_MAX: usize = 8;

/// Sends to a dead-letter queue and changes visibility, through the SDK.
#[derive(Debug)]
pub struct SqsSink {
    client: Client,
    dead_letter_queue_url: Option<String>,
    queue_url: Option<String>,
    queue_urls: Mutex<HashMap<String, String>>,
}

impl SqsSink {
    /// Without a dead-letter queue, permanent failures are reported like any other and the queue redrives them.
    #[must_use]
    pub fn new(client: Client, dead_letter_queue_url: Option<String>) -> Self {
        Self { client, dead_letter_queue_url, queue_url: None, queue_urls: Mutex::new(HashMap::new()) }
    }

    /// Says the URL of the queue the messages come from. Without it, it is asked for by the name in their ARN.
    #[must_use]
    pub fn queue_url(mut self, queue_url: Option<String>) -> Self {
        self.queue_url = queue_url;
        self
    }

    async fn url_of(&self, arn: &str) -> Result<String, SinkError> {
        if let Some(url) = &self.queue_url {
            return Ok(url.clone());
        }
        let known = self.queue_urls.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let mut parts = arn.rsplit(':');
        let (Some(name), Some(account)) = (parts.next(), parts.next()) else {
            return Err(SinkError(format!("{arn:?} is not the ARN of a queue")));
        };
        let answer = self.client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account).send().await;
        let answer = answer.map_err(|error| SinkError(explain("GetQueueUrl", arn, &error)))?;
        let url = answer.queue_url.ok_or_else(|| SinkError("GetQueueUrl answered without a URL".to_owned()))?;
        self.queue_urls.lock().unwrap_or_else(PoisonError::into_inner).insert(arn.to_owned(), url.clone());
        Ok(url)
    }

    async fn change_some(&self, arn: &str, changes: &[&VisibilityChange]) -> Result<(), SinkError> {
        let url = self.url_of(arn).await?;
        let mut request = self.client.change_message_visibility_batch().queue_url(&url);
        for (index, change) in changes.iter().enumerate() {
            let seconds = i32::try_from(change.visible_in.as_secs()).unwrap_or(i32::MAX);
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .set_receipt_handle(change.message.receipt_handle.clone())
                .visibility_timeout(seconds)
                .build()
                .map_err(|error| SinkError(error.to_string()))?;
            request = request.entries(entry);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| SinkError(explain("ChangeMessageVisibilityBatch", &url, &error)))?;
        match answer.failed() {
            [] => Ok(()),
            failed => Err(SinkError(format!(
                "{} of {} changes were refused: {}",
                failed.len(),
                changes.len(),
                failed[0].code()
            ))),
        }
    }
}

impl FailureSink for SqsSink {
    async fn dead_letter(&self, message: &Message, failure: &Failure) -> Result<Routed, SinkError> {
        let Some(url) = &self.dead_letter_queue_url else {
            return Ok(Routed::NotTaken);
        };
        let fifo = url.ends_with(FIFO_SUFFIX);
        let Some(attributes) = attributes(message, failure, fifo) else {
            return Err(SinkError("the message leaves no room for its reason".to_owned()));
        };
        let mut request = self.client.send_message().queue_url(url).message_body(&message.body);
        for (name, attribute) in attributes {
            request = request.message_attributes(name, sdk_attribute(attribute)?);
        }
        if fifo {
            let unnamed = || format!("unnamed-{:016x}", fastrand::u64(..));
            request = request
                .message_group_id(message.group().unwrap_or("dead-letters"))
                .message_deduplication_id(message.id.clone().unwrap_or_else(unnamed));
        }
        match request.send().await {
            Ok(_) => Ok(Routed::DeadLettered),
            Err(error) => Err(SinkError(explain("SendMessage", url, &error))),
        }
    }

    async fn change_visibility(&self, changes: &[VisibilityChange]) -> Result<(), SinkError> {
        let mut by_queue: BTreeMap<&str, Vec<&VisibilityChange>> = BTreeMap::new();
        for change in changes {
            if let (Some(arn), Some(_)) = (&change.message.queue_arn, &change.message.receipt_handle) {
                by_queue.entry(arn).or_default().push(change);
            }
        }
        let requests: Vec<_> = by_queue
            .iter()
            .flat_map(|(arn, changes)| {
                changes.chunks(REQUEST_MESSAGES_MAX).map(move |some| self.change_some(arn, some))
            })
            .collect();
        // Every request is made even when one fails; the first failure is the one that is reported.
        let results: Vec<_> = futures_util::stream::iter(requests).buffered(REQUESTS_MAX).collect().await;
        results.into_iter().collect()
    }
}

/// The attributes of the copy: ours first, then as many of the sender's as the two limits allow. `None` when not even ours
/// fit beside the body.
fn attributes(message: &Message, failure: &Failure, fifo: bool) -> Option<BTreeMap<String, MessageAttribute>> {
    let typed = |data_type: &str, value: &str| MessageAttribute {
        data_type: data_type.to_owned(),
        value: AttributeValue::Text(value.to_owned()),
    };
    let text = |value: &str| typed("String", value);
    let mut ours = vec![
        ("FailureKind", text(failure.kind)),
        ("FailureBlame", text(failure.blame.as_str())),
        ("OriginalReceiveCount", typed("Number", &message.receive_count().to_string())),
    ];
    if !failure.message.trim().is_empty() {
        ours.push(("FailureMessage", text(&failure.message)));
    }
    if let Some(id) = &message.id {
        ours.push(("OriginalMessageId", text(id)));
    }
    // A FIFO queue has the group as such.
    if let (Some(group), false) = (message.group(), fifo) {
        ours.push(("OriginalMessageGroupId", text(group)));
    }
    let mut room = MESSAGE_BYTES_MAX.checked_sub(message.body.len())?;
    let mut kept = BTreeMap::new();
    for (name, attribute) in ours {
        room = room.checked_sub(attribute_bytes(name, &attribute))?;
        kept.insert(name.to_owned(), attribute);
    }
    for (name, attribute) in &message.message_attributes {
        let bytes = attribute_bytes(name, attribute);
        // A message that was dead-lettered before and sent back still has our attributes of then.
        if kept.len() < ATTRIBUTES_MAX && bytes <= room && !kept.contains_key(name) && !is_empty(attribute) {
            room -= bytes;
            kept.insert(name.clone(), attribute.clone());
        }
    }
    Some(kept)
}

/// AWS: name, data type and value all count towards the size (documentation: "Amazon SQS message metadata").
fn attribute_bytes(name: &str, attribute: &MessageAttribute) -> usize {
    let value = match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Binary(bytes) => bytes.len(),
    };
    name.len() + attribute.data_type.len() + value
}

fn is_empty(attribute: &MessageAttribute) -> bool {
    match &attribute.value {
        AttributeValue::Text(text) => text.is_empty(),
        AttributeValue::Binary(bytes) => bytes.is_empty(),
    }
}

fn sdk_attribute(attribute: MessageAttribute) -> Result<MessageAttributeValue, SinkError> {
    let builder = MessageAttributeValue::builder().data_type(attribute.data_type);
    let builder = match attribute.value {
        AttributeValue::Text(text) => builder.string_value(text),
        AttributeValue::Binary(bytes) => builder.binary_value(Blob::new(bytes)),
    };
    builder.build().map_err(|error| SinkError(error.to_string()))
}

#[cfg(test)]
mod tests;
