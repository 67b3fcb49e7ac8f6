//! The queues that dead letters go back to.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use handler::event::FIFO_SUFFIX;

use super::system_attribute;
use crate::queue::{arn_of, failed};

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) arn: String,
    pub(super) url: String,
}

impl Destination {
    pub(super) fn is_fifo(&self) -> bool {
        self.arn.ends_with(FIFO_SUFFIX)
    }

    /// By what people call it: an ARN or a URL.
    async fn named(client: &Client, name: &str) -> anyhow::Result<Self> {
        if !name.starts_with("arn:") {
            return Ok(Self { arn: arn_of(client, name).await?, url: name.to_owned() });
        }
        let mut parts = name.rsplit(':');
        let (Some(queue), Some(account)) = (parts.next(), parts.next()) else {
            bail!("--to {name:?}: expected the ARN or the URL of a queue");
        };
        let request = client.get_queue_url().queue_name(queue).queue_owner_aws_account_id(account);
        let answer = request.send().await.map_err(|error| failed("GetQueueUrl", name, &error))?;
        let url = answer.queue_url.context("GetQueueUrl answered without a URL")?;
        Ok(Self { arn: name.to_owned(), url })
    }
}

/// The queues that messages can go back to.
#[derive(Debug)]
pub(super) struct Destinations<'a> {
    client: &'a Client,
    queue_url: &'a str,
    to: Option<Destination>,
    /// By the ARN that messages name; the queue of those that name none has no name.
    known: BTreeMap<String, Result<Destination, String>>,
}

impl<'a> Destinations<'a> {
    pub(super) async fn new(client: &'a Client, queue_url: &'a str, to: Option<&str>) -> anyhow::Result<Self> {
        let to = match to {
            Some(name) => Some(Destination::named(client, name).await?),
            None => None,
        };
        Ok(Self { client, queue_url, to, known: BTreeMap::new() })
    }

    /// The queue that a message goes to, or why it has none.
    pub(super) async fn of(&mut self, message: &Message) -> Result<Destination, String> {
        if let Some(to) = &self.to {
            return Ok(to.clone());
        }
        let source = system_attribute(message, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let source = source.unwrap_or_default();
        if let Some(known) = self.known.get(source) {
            return known.clone();
        }
        let found = if source.is_empty() {
            only_source_queue(self.client, self.queue_url).await
        } else {
            Destination::named(self.client, source).await
        };
        let found = found.map_err(|error| format!("{error:#}"));
        self.known.insert(source.to_owned(), found.clone());
        found
    }
}

/// The queue whose redrive policy names this dead-letter queue.
///
/// SQS itself sends only those messages back without being told where that it has dead-lettered itself. Those that came
/// here with their reason were sent by the function, and of them it does not know the queue.
pub(super) async fn only_source_queue(client: &Client, queue_url: &str) -> anyhow::Result<Destination> {
    let answer = client.list_dead_letter_source_queues().queue_url(queue_url).send().await;
    let answer = answer.map_err(|error| failed("ListDeadLetterSourceQueues", queue_url, &error))?;
    match answer.queue_urls() {
        [one] => Ok(Destination { arn: arn_of(client, one).await?, url: one.clone() }),
        [] => bail!("no queue has {queue_url} as its dead-letter queue; name the destination with --to ARN"),
        several => bail!(
            "{} queues have {queue_url} as their dead-letter queue; choose one with --to ARN: {}",
            several.len(),
            several.join(", ")
        ),
    }
}
