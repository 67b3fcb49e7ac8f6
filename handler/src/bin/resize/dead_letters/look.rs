//! Looking into a dead-letter queue, which SQS has no other way for than to receive.
//!
//! - The queue is asked for its own redrive policy first: a queue that has one moves messages on because they were received.
//! - What was received is invisible to others until it is given back, at the end and after a signal too.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName,
};
use handler::aws::REQUEST_MESSAGES_MAX;
use handler::event::FIFO_SUFFIX;
use local_queue_terminal::{note, one_line};
use serde_json::Value;
use tokio::time::Instant;

use super::{MESSAGES_MAX, read_max_receive_count};
use crate::queue::failed;
use crate::stop::{Interruption, Stop};

/// How long messages are invisible while somebody looks, in seconds, unless they are given back before.
pub(super) const INVISIBLE_SECONDS: i32 = 120;
/// When the time of messages that are held for longer is begun anew.
const RENEWAL: Duration = Duration::from_secs(60);
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
    /// Why the list is incomplete.
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
        self.check_policy(despite_redrive_policy)?;
        let mut hold = Hold::new(client, &self.url);
        let ended = self.receive(&mut hold, messages_max, stop).await;
        hold.give_back().await;
        let interruption = ended?;
        let rest = self.rest(hold.messages.len(), messages_max);
        Ok(Seen { messages: hold.messages, rest, interruption })
    }

    /// Refuses a queue that would move its messages on for being looked at.
    pub(super) fn check_policy(&self, despite_redrive_policy: bool) -> anyhow::Result<()> {
        match &self.redrive_policy {
            Some(policy) if !despite_redrive_policy => bail!("{}", refusal(&self.url, policy)),
            _ => Ok(()),
        }
    }

    /// Receives into a hold, until there is no more, it has so many messages, or the time for looking is over.
    pub(super) async fn receive(
        &self,
        hold: &mut Hold<'_>,
        messages_max: usize,
        stop: &Stop,
    ) -> anyhow::Result<Option<Interruption>> {
        let until = Instant::now() + LOOK_TIME;
        while hold.messages.len() < messages_max && Instant::now() < until {
            let left = messages_max - hold.messages.len();
            let received = tokio::select! {
                received = hold.receive(left) => received?,
                interruption = stop.requested() => return Ok(Some(interruption)),
            };
            if received.is_empty() {
                break;
            }
            for message in received {
                hold.keep(message);
            }
        }
        Ok(None)
    }

    /// What was not seen, and why.
    pub(super) fn rest(&self, seen: usize, messages_max: usize) -> Option<String> {
        if (seen as u64) >= self.depth {
            return None;
        }
        let reason = if seen >= messages_max {
            "--max shows more"
        } else if self.url.ends_with(FIFO_SUFFIX) {
            "the rest of the group is locked, because a FIFO queue delivers no more of a message group while some of its messages are in flight"
        } else {
            "the others are delayed, or in flight to another consumer"
        };
        Some(format!("{seen} of {} messages: {reason}", self.depth))
    }
}

/// Messages that were received and are kept from others, each once: a standard queue may deliver one twice.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    client: &'a Client,
    queue_url: &'a str,
    pub(super) messages: Vec<Message>,
    by_id: HashMap<String, usize>,
    /// When the first of them was received, or all of them were kept for longer.
    since: Instant,
}

impl<'a> Hold<'a> {
    pub(super) fn new(client: &'a Client, queue_url: &'a str) -> Self {
        Self { client, queue_url, messages: Vec::new(), by_id: HashMap::new(), since: Instant::now() }
    }

    /// Receives up to so many messages. Those that are held already are not among them.
    pub(super) async fn receive(&mut self, messages_max: usize) -> anyhow::Result<Vec<Message>> {
        let request = self
            .client
            .receive_message()
            .queue_url(self.queue_url)
            .max_number_of_messages(i32::try_from(messages_max).unwrap_or(MESSAGES_MAX).min(MESSAGES_MAX))
            .visibility_timeout(INVISIBLE_SECONDS)
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(|error| failed("ReceiveMessage", self.queue_url, &error))?;
        let mut received = answer.messages.unwrap_or_default();
        received.retain_mut(|message| match self.by_id.get(message.message_id().unwrap_or_default()) {
            Some(&index) => {
                // The handle of the last receive is the one that counts.
                self.messages[index].receipt_handle = message.receipt_handle.take();
                false
            }
            None => true,
        });
        Ok(received)
    }

    pub(super) fn keep(&mut self, message: Message) {
        if self.messages.is_empty() {
            self.since = Instant::now();
        }
        self.by_id.insert(message.message_id().unwrap_or_default().to_owned(), self.messages.len());
        self.messages.push(message);
    }

    /// Those that are meant, which are not held any more.
    pub(super) fn take(&mut self, is_meant: impl Fn(&Message) -> bool) -> Vec<Message> {
        let (taken, kept) = std::mem::take(&mut self.messages).into_iter().partition(is_meant);
        self.by_id.clear();
        let since = self.since;
        let kept: Vec<Message> = kept;
        for message in kept {
            self.keep(message);
        }
        self.since = since;
        taken
    }

    /// Keeps all of them for longer, once half of their time is over.
    pub(super) async fn renew(&mut self) {
        if self.messages.is_empty() || self.since.elapsed() < RENEWAL {
            return;
        }
        self.since = Instant::now();
        let (left, reason) = self.change_visibility(INVISIBLE_SECONDS).await;
        if left > 0 {
            note(format_args!(
                "resize: failed to extend the visibility timeout of {left} messages, which other consumers may receive: {reason}"
            ));
        }
    }

    pub(super) async fn give_back(&self) {
        let (left, reason) = self.change_visibility(0).await;
        if left > 0 {
            note(format_args!(
                "resize: failed to release {left} messages, which stay invisible for up to {INVISIBLE_SECONDS} s: {reason}"
            ));
        }
    }

    /// How many were refused, and why the last one was.
    async fn change_visibility(&self, seconds: i32) -> (usize, String) {
        let (mut left, mut reason) = (0, String::new());
        for messages in self.messages.chunks(REQUEST_MESSAGES_MAX) {
            let entry = |(index, message): (usize, &Message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.visibility_timeout(seconds).set_receipt_handle(message.receipt_handle.clone());
                entry.build().expect("id and receipt handle are given")
            };
            let entries = messages.iter().enumerate().map(entry).collect();
            let request =
                self.client.change_message_visibility_batch().queue_url(self.queue_url).set_entries(Some(entries));
            match request.send().await {
                Ok(answer) => {
                    left += answer.failed().len();
                    reason = answer.failed().first().map_or(reason, |refused| refused.code().to_owned());
                }
                Err(error) => {
                    left += messages.len();
                    reason = failed("ChangeMessageVisibilityBatch", self.queue_url, &error).to_string();
                }
            }
        }
        (left, reason)
    }
}

/// Deletes messages; says for each whether it is gone.
pub(super) async fn delete(client: &Client, queue_url: &str, messages: &[Message]) -> Vec<bool> {
    let mut gone = Vec::new();
    for messages in messages.chunks(REQUEST_MESSAGES_MAX) {
        let entry = |(index, message): (usize, &Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.set_receipt_handle(message.receipt_handle.clone()).build().expect("id and receipt handle are given")
        };
        let entries = messages.iter().enumerate().map(entry).collect();
        let answer = client.delete_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await;
        match answer {
            Ok(answer) => {
                for refused in answer.failed() {
                    let reason = one_line(refused.message().unwrap_or_default());
                    note(format_args!("resize: a message was not deleted: {}: {reason}", one_line(refused.code())));
                }
                let is_gone = |index: usize| answer.successful().iter().any(|entry| entry.id() == index.to_string());
                gone.extend((0..messages.len()).map(is_gone));
            }
            Err(error) => {
                note(format_args!("resize: {:#}", failed("DeleteMessageBatch", queue_url, &error)));
                gone.extend(messages.iter().map(|_| false));
            }
        }
    }
    gone
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
