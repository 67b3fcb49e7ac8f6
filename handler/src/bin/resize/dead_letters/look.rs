//! Looking into a dead-letter queue, which SQS has no other way for than to receive.
//!
//! - The queue is asked for its own redrive policy first: a queue that has one moves messages on because they were received.
//! - What was received is invisible to others until it is given back, at the end and after a signal too.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use handler::aws::REQUEST_MESSAGES_MAX;
use handler::event::FIFO_SUFFIX;
use local_queue_terminal::note;
use serde_json::Value;
use tokio::time::Instant;

use super::{MESSAGES_MAX, read_max_receive_count};
use crate::queue::failed;
use crate::stop::{Interruption, Stop};

/// How long messages are invisible while somebody looks, in seconds, unless they are given back before.
const INVISIBLE_SECONDS: i32 = 120;
/// Looking stops before the first messages are visible again and would be received twice.
const LOOK_TIME: Duration = Duration::from_secs(100);

/// A queue, as it is before anything is done to it.
#[derive(Clone, Debug)]
pub(super) struct QueueState {
    pub(super) url: String,
    pub(super) arn: String,
    /// Visible, in flight and delayed; on AWS approximate.
    pub(super) depth: u64,
    redrive_policy: Option<String>,
}

/// What was seen of a queue.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) messages: Vec<Message>,
    /// Why these are not all.
    pub(super) rest: Option<String>,
    pub(super) interruption: Option<Interruption>,
}

impl QueueState {
    pub(super) async fn ask(client: &Client, queue_url: &str) -> anyhow::Result<Self> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = client.get_queue_attributes().queue_url(queue_url).attribute_names(QueueAttributeName::All);
        let answer = request.send().await.map_err(|error| failed("GetQueueAttributes", queue_url, &error))?;
        let attribute = |name: &QueueAttributeName| answer.attributes().and_then(|all| all.get(name)).cloned();
        let arn = attribute(&QueueAttributeName::QueueArn)
            .with_context(|| format!("GetQueueAttributes on {queue_url} answered without QueueArn"))?;
        let count = |name: &QueueAttributeName| attribute(name).and_then(|count| count.parse::<u64>().ok());
        let redrive_policy = attribute(&QueueAttributeName::RedrivePolicy).filter(|policy| !policy.is_empty());
        let depth = counts.iter().filter_map(count).sum();
        Ok(Self { url: queue_url.to_owned(), arn, depth, redrive_policy })
    }

    /// Receives up to so many messages, and gives them back.
    pub(super) async fn look(
        &self,
        client: &Client,
        messages_max: usize,
        despite_redrive_policy: bool,
        stop: &Stop,
    ) -> anyhow::Result<Seen> {
        if let (Some(policy), false) = (&self.redrive_policy, despite_redrive_policy) {
            bail!("{}", refusal(&self.url, policy));
        }
        let mut looked = Looked::default();
        let ended = self.receive(client, messages_max, &mut looked, stop).await;
        self.give_back(client, &looked.messages).await;
        let interruption = ended?;
        let rest = self.rest(looked.messages.len(), messages_max);
        Ok(Seen { messages: looked.messages, rest, interruption })
    }

    async fn receive(
        &self,
        client: &Client,
        messages_max: usize,
        looked: &mut Looked,
        stop: &Stop,
    ) -> anyhow::Result<Option<Interruption>> {
        let until = Instant::now() + LOOK_TIME;
        while looked.messages.len() < messages_max && Instant::now() < until {
            let left = i32::try_from(messages_max - looked.messages.len()).unwrap_or(MESSAGES_MAX);
            let request = client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(left.min(MESSAGES_MAX))
                .visibility_timeout(INVISIBLE_SECONDS)
                .wait_time_seconds(1)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All);
            let answer = tokio::select! {
                answer = request.send() => answer,
                interruption = stop.requested() => return Ok(Some(interruption)),
            };
            let answer = answer.map_err(|error| failed("ReceiveMessage", &self.url, &error))?;
            if !looked.take(answer.messages.unwrap_or_default()) {
                break;
            }
        }
        Ok(None)
    }

    async fn give_back(&self, client: &Client, messages: &[Message]) {
        let (mut left, mut reason) = (0, String::new());
        for messages in messages.chunks(REQUEST_MESSAGES_MAX) {
            let entry = |(index, message): (usize, &Message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.visibility_timeout(0).set_receipt_handle(message.receipt_handle.clone());
                entry.build().expect("id and receipt handle are given")
            };
            let entries = messages.iter().enumerate().map(entry).collect();
            let request = client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
            match request.send().await {
                Ok(answer) => {
                    left += answer.failed().len();
                    reason = answer.failed().first().map_or(reason, |refused| refused.code().to_owned());
                }
                Err(error) => {
                    left += messages.len();
                    reason = failed("ChangeMessageVisibilityBatch", &self.url, &error).to_string();
                }
            }
        }
        if left > 0 {
            note(format_args!(
                "resize: {left} messages could not be given back and stay invisible for up to {INVISIBLE_SECONDS} s: {reason}"
            ));
        }
    }

    /// What was not seen, and why.
    fn rest(&self, seen: usize, messages_max: usize) -> Option<String> {
        if (seen as u64) >= self.depth {
            return None;
        }
        let reason = if seen >= messages_max {
            "--max shows more"
        } else if self.url.ends_with(FIFO_SUFFIX) {
            "the rest of the group is locked, since a FIFO queue hands out no more of a message group while some are in flight"
        } else {
            "the others are delayed, or in flight to somebody else"
        };
        Some(format!("{seen} of {} messages: {reason}", self.depth))
    }
}

/// Messages so far, each once: a standard queue may deliver one twice.
#[derive(Default)]
struct Looked {
    messages: Vec<Message>,
    by_id: HashMap<String, usize>,
}

impl Looked {
    /// Whether any of them is new.
    fn take(&mut self, received: Vec<Message>) -> bool {
        let known = self.messages.len();
        for message in received {
            let id = message.message_id().unwrap_or_default().to_owned();
            if let Some(&index) = self.by_id.get(&id) {
                // The handle of the last receive is the one that counts.
                self.messages[index].receipt_handle = message.receipt_handle;
            } else {
                self.by_id.insert(id, self.messages.len());
                self.messages.push(message);
            }
        }
        self.messages.len() > known
    }
}

fn refusal(queue_url: &str, policy: &str) -> String {
    let value = serde_json::from_str::<Value>(policy).unwrap_or_default();
    let target = value["deadLetterTargetArn"].as_str().unwrap_or("its dead-letter queue");
    let count = read_max_receive_count(policy).map_or_else(|| "some".to_owned(), |count| count.to_string());
    format!(
        "{queue_url} has a redrive policy of its own (maxReceiveCount {count}): looking receives the messages, and those that \
         were received more often are moved to {target}; --despite-redrive-policy looks all the same"
    )
}
