//! The worker's view of its queue.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use super::{WorkerError, seconds};
use crate::aws::explain;
use crate::event::{AttributeValue, FIFO_SUFFIX, Message, MessageAttribute};

/// How long a message stays invisible without being extended. Shorter, and a slow network loses it to another worker;
/// longer, and what a killed worker held is late.
const LEASE: std::ops::RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_mins(5);

/// What the worker needs to know of its queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) url: String,
    arn: String,
    /// The visibility timeout that messages are received with and extended by.
    pub(super) lease: Duration,
}

/// Why nothing was received.
pub(super) enum ReceiveError {
    QueueGone,
    Other(String),
}

impl Queue {
    pub(super) async fn ask(client: &Client, queue_url: &str) -> Result<Self, WorkerError> {
        let unusable = |reason: String| WorkerError::Queue { queue_url: queue_url.to_owned(), reason };
        let answer = client
            .get_queue_attributes()
            .queue_url(queue_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .send()
            .await
            .map_err(|error| WorkerError::Call(explain("GetQueueAttributes", queue_url, &error)))?;
        let attribute = |name: &QueueAttributeName| answer.attributes().and_then(|attributes| attributes.get(name));
        let arn = attribute(&QueueAttributeName::QueueArn)
            .ok_or_else(|| unusable("GetQueueAttributes answered without QueueArn".to_owned()))?;
        let visibility_timeout = attribute(&QueueAttributeName::VisibilityTimeout)
            .and_then(|seconds| seconds.parse().ok())
            .ok_or_else(|| unusable("GetQueueAttributes answered without VisibilityTimeout".to_owned()))?;
        let lease = Duration::from_secs(visibility_timeout).clamp(*LEASE.start(), *LEASE.end());
        Ok(Self { url: queue_url.to_owned(), arn: arn.clone(), lease })
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.url.ends_with(FIFO_SUFFIX)
    }

    pub(super) async fn receive(
        &self,
        client: &Client,
        messages_max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, ReceiveError> {
        let answer = client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(messages_max).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(self.lease))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                // A server that sends more than it was asked for: there is no room for the rest, whose timeout ends by itself.
                let messages = answer.messages.unwrap_or_default().into_iter().take(messages_max);
                Ok(messages.map(|message| of_sdk(message, &self.arn)).collect())
            }
            Err(error) => match error.as_service_error() {
                Some(ReceiveMessageError::QueueDoesNotExist(_)) => Err(ReceiveError::QueueGone),
                _ => Err(ReceiveError::Other(explain("ReceiveMessage", &self.url, &error))),
            },
        }
    }

    /// Whether nothing is in the queue.
    pub(super) async fn is_empty(&self, client: &Client) -> Option<bool> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(counts.to_vec()));
        let attributes = request.send().await.ok()?.attributes?;
        Some(counts.iter().all(|name| attributes.get(name).is_some_and(|count| count == "0")))
    }
}

/// A message as the SDK has it, in the words of an event.
fn of_sdk(message: aws_sdk_sqs::types::Message, queue_arn: &str) -> Message {
    let attributes = message.attributes.unwrap_or_default().into_iter();
    let message_attributes = message.message_attributes.unwrap_or_default().into_iter();
    Message {
        id: message.message_id.filter(|id| !id.is_empty()),
        receipt_handle: message.receipt_handle,
        body: message.body.unwrap_or_default(),
        attributes: attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
        message_attributes: message_attributes
            .filter_map(|(name, attribute)| {
                let value = match (attribute.string_value, attribute.binary_value) {
                    (Some(text), _) => AttributeValue::Text(text),
                    (None, Some(blob)) => AttributeValue::Binary(blob.into_inner()),
                    (None, None) => return None,
                };
                Some((name, MessageAttribute { data_type: attribute.data_type, value }))
            })
            .collect(),
        queue_arn: Some(queue_arn.to_owned()),
    }
}
