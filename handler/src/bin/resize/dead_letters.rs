//! Dead letters: what a message of a dead-letter queue says about itself. [`read`] takes those of `resize run` out of its
//! embedded queue; [`command`] is `resize dead-letters`, which looks into any.

pub(crate) mod command;
mod delete;
mod destination;
mod document;
mod journal;
mod look;
mod move_task;
mod redrive;
mod select;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use handler::job::ResizeJob;
use serde_json::Value;

use super::progress::path_of;

/// AWS: a receive returns at most 10 messages (documentation: "`ReceiveMessage`").
const MESSAGES_MAX: i32 = 10;

/// A job that cannot be done.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    /// The image; empty when the body is not a job.
    pub(crate) source: PathBuf,
    /// Attempts at the job; `None` for a message that was sent to this queue as it is.
    pub(crate) receives: Option<u32>,
    pub(crate) kind: String,
    pub(crate) blame: Option<String>,
    pub(crate) reason: String,
    /// The message as it was sent.
    pub(crate) body: String,
}

/// What the messages themselves do not say.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The last failures of messages that the queue itself gave up, by message id.
    pub(crate) last_failures: HashMap<String, String>,
    /// The redrive policies of the queues that messages came from, by ARN.
    pub(crate) max_receive_counts: HashMap<String, u32>,
}

/// Receives every message of the queue, and deletes it unless it is to be kept there.
pub(crate) async fn read(
    client: &Client,
    queue_url: &str,
    history: &History,
    keeps: bool,
) -> anyhow::Result<Vec<DeadLetter>> {
    let mut dead_letters = Vec::new();
    loop {
        let received = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(MESSAGES_MAX)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .context("cannot read the dead-letter queue")?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(dead_letters);
        }
        let mut delete = client.delete_message_batch().queue_url(queue_url);
        for (index, message) in messages.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .set_receipt_handle(message.receipt_handle.clone())
                .build()
                .context("cannot read the dead-letter queue")?;
            delete = delete.entries(entry);
            dead_letters.push(dead_letter(&message, history));
        }
        if !keeps {
            delete.send().await.context("cannot empty the dead-letter queue")?;
        }
    }
}

fn dead_letter(message: &Message, history: &History) -> DeadLetter {
    let body = message.body.clone().unwrap_or_default();
    let source = ResizeJob::parse(&body).map(|job| path_of(job.source())).unwrap_or_default();
    let blame = attribute(message, "FailureBlame");
    // A queue has moved it: what it says about an earlier failure, after which it was sent back, is no longer the reason.
    if let Some(moved_from) = system_attribute(message, &MessageSystemAttributeName::DeadLetterQueueSourceArn) {
        let receives = receives(message, history.max_receive_counts.get(moved_from).copied());
        let last = message.message_id.as_ref().and_then(|id| history.last_failures.get(id));
        let last = last.map_or_else(String::new, |last| format!("; the last time: {last}"));
        let reason = format!("not done after {receives} tries{last}");
        let kind = "max-receive-count".to_owned();
        return DeadLetter { source, receives: Some(receives), kind, blame: None, reason, body };
    }
    let Some(kind) = attribute(message, "FailureKind") else {
        let reason = "was sent to this queue without a reason".to_owned();
        return DeadLetter { source, receives: None, kind: "unknown".to_owned(), blame, reason, body };
    };
    let receives = attribute(message, "OriginalReceiveCount").and_then(|count| count.parse().ok());
    let reason = attribute(message, "FailureMessage").unwrap_or_default();
    DeadLetter { source, receives, kind, blame, reason, body }
}

/// How often the message was received before it was moved. Its count goes on in this queue, where the receive that has
/// shown it, and every one before, was a look.
fn receives(message: &Message, max_receive_count: Option<u32>) -> u32 {
    let count = system_attribute(message, &MessageSystemAttributeName::ApproximateReceiveCount);
    let all = count.and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
    all.saturating_sub(1).min(max_receive_count.unwrap_or(u32::MAX))
}

/// The count of a redrive policy, which AWS writes as a number and takes as text too.
fn read_max_receive_count(policy: &str) -> Option<u32> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = &policy["maxReceiveCount"];
    count.as_str().map_or_else(|| count.as_u64()?.try_into().ok(), |text| text.parse().ok())
}

/// One of the sender's attributes, if it is text.
fn attribute(message: &Message, name: &str) -> Option<String> {
    message.message_attributes.as_ref()?.get(name)?.string_value.clone()
}

fn system_attribute<'a>(message: &'a Message, name: &MessageSystemAttributeName) -> Option<&'a str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::types::MessageAttributeValue;

    #[test]
    fn tries_are_those_of_the_job_and_not_of_whoever_looks() {
        let history = History { max_receive_counts: [("jobs".to_owned(), 3)].into(), ..History::default() };
        let message = |receives: &str, moved_from: Option<&str>, original: Option<&str>| {
            let mut message =
                Message::builder().body("x").attributes(MessageSystemAttributeName::ApproximateReceiveCount, receives);
            if let Some(moved_from) = moved_from {
                message = message.attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, moved_from);
            }
            let value =
                |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap();
            if let Some(original) = original {
                message = message.message_attributes("FailureKind", value("bad-image"));
                message = message.message_attributes("OriginalReceiveCount", value(original));
            }
            let letter = dead_letter(&message.build(), &history);
            (letter.kind, letter.receives)
        };
        let moved = ("max-receive-count".to_owned(), Some(3));
        assert_eq!(message("4", Some("jobs"), None), moved);
        assert_eq!(message("40", Some("jobs"), None), moved, "36 earlier looks");
        assert_eq!(message("4", Some("unknown"), None), moved, "without the policy, this look is left out");
        assert_eq!(message("40", None, Some("2")), ("bad-image".to_owned(), Some(2)));
        assert_eq!(message("40", Some("jobs"), Some("2")), moved, "sent back once, and moved by its queue then");
        assert_eq!(message("1", None, None), ("unknown".to_owned(), None));
    }

    #[test]
    fn a_redrive_policy_is_read_with_its_count_as_number_or_text() {
        for policy in [r#"{"maxReceiveCount":3}"#, r#"{"maxReceiveCount":"3"}"#] {
            assert_eq!(read_max_receive_count(policy), Some(3));
        }
        assert_eq!(read_max_receive_count("{}"), None);
    }
}
