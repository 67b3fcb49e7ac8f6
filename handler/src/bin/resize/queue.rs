//! What the commands that talk to a real queue share.

use std::error::Error;

use anyhow::{Context as _, anyhow};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use handler::aws::explain;

/// What SQS says, or what is in the way to it.
pub(crate) fn failed<E>(call: &str, queue: &str, error: &SdkError<E, HttpResponse>) -> anyhow::Error
where
    E: ProvideErrorMetadata + Error + 'static,
{
    anyhow!("{}", explain(call, queue, error))
}

/// The queue's ARN, which also proves that it is there.
pub(crate) async fn arn_of(client: &Client, queue_url: &str) -> anyhow::Result<String> {
    let request = client.get_queue_attributes().queue_url(queue_url).attribute_names(QueueAttributeName::QueueArn);
    let answer = request.send().await.map_err(|error| failed("GetQueueAttributes", queue_url, &error))?;
    let arn = answer.attributes().and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn));
    arn.cloned().with_context(|| format!("GetQueueAttributes on {queue_url} answered without QueueArn"))
}
