//! Dead letters: what a message of a dead-letter queue says about itself. [`read`] takes those of `resize run` out of its
//! embedded queue; [`command`] is `resize dead-letters`, which looks into any.

pub(crate) mod command;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use handler::job::ResizeJob;

use super::progress::path_of;

/// AWS: a receive returns at most 10 messages (documentation: "`ReceiveMessage`").
const MESSAGES_MAX: i32 = 10;

/// A job that cannot be done.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    /// The image; empty when the body is not a job.
    pub(crate) source: PathBuf,
    pub(crate) receives: u32,
    pub(crate) kind: String,
    pub(crate) blame: Option<String>,
    pub(crate) reason: String,
    /// The message as it was sent.
    pub(crate) body: String,
}

/// Takes every message out of the queue. `last_failures` has the last words of messages that the queue itself gave up:
/// it does not know them.
pub(crate) async fn read(
    client: &Client,
    queue_url: &str,
    last_failures: &HashMap<String, String>,
) -> anyhow::Result<Vec<DeadLetter>> {
    let mut dead_letters = Vec::new();
    loop {
        let received = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(MESSAGES_MAX)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
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
            dead_letters.push(dead_letter(&message, last_failures));
        }
        delete.send().await.context("cannot empty the dead-letter queue")?;
    }
}

fn dead_letter(message: &Message, last_failures: &HashMap<String, String>) -> DeadLetter {
    let attribute = |name: &str| attribute(message, name);
    let received_here = 1;
    let all_receives = || {
        let attributes = message.attributes.as_ref();
        let count =
            attributes.and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
        count.and_then(|count| count.parse::<u32>().ok()).map(|count| count.saturating_sub(received_here))
    };
    let receives = attribute("OriginalReceiveCount").and_then(|count| count.parse().ok()).or_else(all_receives);
    let receives = receives.unwrap_or_default();
    let body = message.body.clone().unwrap_or_default();
    let (kind, reason) = if let Some(kind) = attribute("FailureKind") {
        (kind, attribute("FailureMessage").unwrap_or_default())
    } else {
        let last = message.message_id.as_ref().and_then(|id| last_failures.get(id));
        let last = last.map_or_else(String::new, |last| format!("; the last time: {last}"));
        ("max-receive-count".to_owned(), format!("not done after {receives} tries{last}"))
    };
    let source = ResizeJob::parse(&body).map(|job| path_of(job.source())).unwrap_or_default();
    DeadLetter { source, receives, kind, blame: attribute("FailureBlame"), reason, body }
}

/// One of the sender's attributes, if it is text.
fn attribute(message: &Message, name: &str) -> Option<String> {
    message.message_attributes.as_ref()?.get(name)?.string_value.clone()
}
