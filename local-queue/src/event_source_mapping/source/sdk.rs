//! Any queue that the AWS SDK reaches: of AWS, LocalStack, `ElasticMQ`, or an emulator of this crate.

use std::{collections::HashMap, error::Error, fmt, str::FromStr, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
        MessageAttributeValue as SdkAttribute, MessageSystemAttributeName, QueueAttributeName,
    },
};

use super::{DeleteFailure, Depth, ENTRIES_MAX, Source, SourceError, SourceMessage, SystemAttributes};
use crate::{
    clock::Clock,
    engine::{Limits, MessageAttribute, MessageAttributeValue, MessageAttributes, QueueArn, Receive, Scope, Time},
    event_source_mapping::{outage::Outage, planner::backoff::Backoff},
};

/// After an empty answer that came before its time, the wait before the next receive, so that a server that does not know
/// long polls is not asked without end.
const EARLY_ANSWER_DELAY: Duration = Duration::from_secs(1);

/// A queue behind a client of the AWS SDK.
///
/// It needs the permissions that Lambda needs: `sqs:ReceiveMessage`, `sqs:DeleteMessage` and `sqs:GetQueueAttributes`.
/// Retries of single requests are the client's; what fails for longer the mapping tries again ever more slowly, up to
/// half a minute, and says so in the log once a minute.
#[derive(Clone)]
pub struct SdkSource {
    client: Client,
    queue_url: String,
    queue: QueueArn,
    clock: Clock,
}

impl fmt::Debug for SdkSource {
    /// Without the client, whose settings fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkSource")
            .field("queue_url", &self.queue_url)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl SdkSource {
    /// Looks the queue up by its URL, which fails if nobody answers there, the queue does not exist, or there are no
    /// credentials. `clock` measures long polls: the system's, but in tests.
    pub async fn connect(client: Client, queue_url: impl Into<String>, clock: Clock) -> Result<Self, SourceError> {
        let queue_url = queue_url.into();
        let queue = arn_of_url(&client, &queue_url);
        let source = Self { client, queue_url, queue, clock };
        let attributes = source.attributes([QueueAttributeName::QueueArn]).await?;
        let queue = attributes.get(&QueueAttributeName::QueueArn).and_then(|raw| QueueArn::parse(raw));
        let queue = queue.ok_or_else(|| SourceError::Other(format!("{} has no ARN", source.queue_url).into()))?;
        Ok(Self { queue, ..source })
    }

    /// Looks the queue up by its name, as [`SdkSource::connect`] does by its URL. While nobody answers at `endpoint_url`,
    /// which is the client's, it tries again ever more slowly, and says so in the log once a minute.
    pub async fn find(client: Client, endpoint_url: &str, queue: &QueueArn, clock: Clock) -> Result<Self, SourceError> {
        let (mut outage, mut backoff) = (Outage::of_receives(), Backoff::RECEIVES);
        let mut random = fastrand::Rng::new();
        let asked = Self { client, queue_url: endpoint_url.to_owned(), queue: queue.clone(), clock };
        loop {
            let found = asked.look_up().await;
            let now = asked.clock.now();
            let error = match found {
                Err(error @ SourceError::Unreachable { .. }) => error,
                other => {
                    if let Some(line) = outage.ended(now, queue.as_str()) {
                        tracing::info!("{line}");
                    }
                    return other;
                }
            };
            if let Some(line) = outage.failed(now, queue.as_str(), &error) {
                tracing::warn!("{line}");
            }
            asked.clock.sleep_until(now + backoff.next(&mut random)).await;
        }
    }

    async fn look_up(&self) -> Result<Self, SourceError> {
        let answer = self.client.get_queue_url().queue_name(self.queue.name()).send().await;
        let queue_url = answer.map_err(|error| self.error("GetQueueUrl", &error))?.queue_url;
        let queue_url = queue_url.ok_or_else(|| SourceError::Other(format!("{} has no URL", self.queue).into()))?;
        Self::connect(self.client.clone(), queue_url, self.clock.clone()).await
    }

    /// The queue's redrive policy, as JSON, if it has one.
    pub async fn redrive_policy(&self) -> Result<Option<String>, SourceError> {
        let mut attributes = self.attributes([QueueAttributeName::RedrivePolicy]).await?;
        Ok(attributes.remove(&QueueAttributeName::RedrivePolicy))
    }

    async fn attributes(
        &self,
        names: impl IntoIterator<Item = QueueAttributeName>,
    ) -> Result<HashMap<QueueAttributeName, String>, SourceError> {
        let names = names.into_iter().collect();
        let request = self.client.get_queue_attributes().queue_url(&self.queue_url).set_attribute_names(Some(names));
        let answer = request.send().await.map_err(|error| self.error("GetQueueAttributes", &error))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    async fn receive_once(&self, request: &Receive, wait: Duration) -> Result<Vec<SourceMessage>, SourceError> {
        let visibility_timeout = request.visibility_timeout.map(|timeout| whole_number(timeout.as_secs()));
        let sdk = self.client.receive_message().queue_url(&self.queue_url);
        // Older servers know only the older name of this parameter; newer ones take both.
        #[expect(deprecated, reason = "servers that follow the API of before 2024 know no other")]
        let sdk = sdk.attribute_names(QueueAttributeName::All);
        let sdk = sdk
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .max_number_of_messages(whole_number(request.max_messages))
            .wait_time_seconds(whole_number(wait.as_secs()))
            .set_visibility_timeout(visibility_timeout)
            .set_receive_request_attempt_id(request.attempt_id.clone());
        let answer = sdk.send().await.map_err(|error| self.error("ReceiveMessage", &error))?;
        // A server that sends more than it was asked for must not overfill a batch: the rest comes back by itself.
        let asked = usize::try_from(request.max_messages).unwrap_or(ENTRIES_MAX);
        let messages = answer.messages.unwrap_or_default().into_iter().take(asked);
        messages.map(message).collect()
    }

    /// What has become of a call, by the types of its error; texts may hold anything.
    fn error<E>(&self, call: &'static str, error: &SdkError<E>) -> SourceError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let Some(error) = chain(error).find_map(<dyn Error>::downcast_ref::<CredentialsError>) {
            // What each provider of a chain says follows in lines of their own.
            let reason = reasons(error).lines().next().unwrap_or_default().trim_end_matches(" Attempted:").to_owned();
            return SourceError::CredentialsMissing { call, reason };
        }
        let (queue_url, reason) = (self.queue_url.clone(), last_reason(error));
        match error {
            SdkError::ServiceError(answer) => match answer.err().code() {
                Some(code) => self.refused(call, code, answer.err().message().unwrap_or_default()),
                None => SourceError::NotSqs { call, queue_url, status: answer.raw().status().as_u16() },
            },
            SdkError::ResponseError(answer) => {
                SourceError::NotSqs { call, queue_url, status: answer.raw().status().as_u16() }
            }
            SdkError::TimeoutError(_) => SourceError::Unreachable { call, queue_url, reason },
            SdkError::DispatchFailure(failure) if !failure.is_other() || failure.as_other().is_some() => {
                SourceError::Unreachable { call, queue_url, reason }
            }
            _ => SourceError::NotAnswered { call, queue_url, reason },
        }
    }

    fn failure(&self, call: &'static str, entry: &BatchResultErrorEntry) -> DeleteFailure {
        DeleteFailure {
            index: entry.id.parse().unwrap_or_default(),
            error: self.refused(call, &entry.code, entry.message.as_deref().unwrap_or_default()),
        }
    }

    fn refused(&self, call: &'static str, code: &str, message: &str) -> SourceError {
        match code {
            "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" => {
                SourceError::QueueDoesNotExist { queue: self.queue.clone() }
            }
            "ReceiptHandleIsInvalid" => SourceError::ReceiptHandleIsInvalid,
            _ => SourceError::Refused {
                call,
                queue_url: self.queue_url.clone(),
                code: code.to_owned(),
                message: message.to_owned(),
            },
        }
    }
}

impl Source for SdkSource {
    fn queue_arn(&self) -> &QueueArn {
        &self.queue
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        let attributes = self.attributes([QueueAttributeName::VisibilityTimeout]).await?;
        let seconds = number(&attributes, &QueueAttributeName::VisibilityTimeout);
        seconds
            .map(Duration::from_secs)
            .ok_or_else(|| SourceError::Other(format!("{} does not say its visibility timeout", self.queue_url).into()))
    }

    /// SQS waits whole seconds; what is left of the wait ends with one more look. When the wait is given up, messages that
    /// were on their way come back at the end of their visibility timeout.
    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        let ends_at = self.clock.now() + request.wait_time.unwrap_or_default();
        loop {
            let asked_at = self.clock.now();
            let wait = Duration::from_secs(ends_at.since(asked_at).as_secs());
            let messages = self.receive_once(&request, wait).await?;
            let now = self.clock.now();
            let left = ends_at.since(now);
            if !messages.is_empty() || left.is_zero() {
                return Ok(messages);
            }
            if now.since(asked_at) < wait || wait.is_zero() {
                self.clock.sleep_until(now + left.min(EARLY_ANSWER_DELAY)).await;
            } else if left < Duration::from_secs(1) {
                self.clock.sleep_until(ends_at).await;
            }
        }
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        let entries = receipt_handles.into_iter().enumerate().map(|(index, handle)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(handle);
            entry.build().map_err(|error| SourceError::Other(error.into()))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let request = self.client.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| self.error("DeleteMessageBatch", &error))?;
        Ok(answer.failed.iter().map(|entry| self.failure("DeleteMessageBatch", entry)).collect())
    }

    /// Needs the permission `sqs:ChangeMessageVisibility`, which nothing else here needs.
    async fn give_back(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        let entries = receipt_handles.into_iter().enumerate().map(|(index, handle)| {
            let entry =
                ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string()).receipt_handle(handle);
            entry.visibility_timeout(0).build().map_err(|error| SourceError::Other(error.into()))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let request = self.client.change_message_visibility_batch().queue_url(&self.queue_url);
        let answer = request
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| self.error("ChangeMessageVisibilityBatch", &error))?;
        Ok(answer.failed.iter().map(|entry| self.failure("ChangeMessageVisibilityBatch", entry)).collect())
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        const READY: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessages;
        const DELAYED: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
        const IN_FLIGHT: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let attributes = self.attributes([READY, DELAYED, IN_FLIGHT]).await?;
        let count = |name| number(&attributes, &name).unwrap_or_default();
        Ok(Depth { ready: count(READY), delayed: count(DELAYED), in_flight: count(IN_FLIGHT) })
    }
}

/// The numbers of requests are small: 20 seconds, ten messages, twelve hours.
fn whole_number(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn number(attributes: &HashMap<QueueAttributeName, String>, name: &QueueAttributeName) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}

/// What the queue is called until it has said so itself: URLs end in account and name.
fn arn_of_url(client: &Client, queue_url: &str) -> QueueArn {
    let mut segments = queue_url.rsplit('/');
    let name = segments.next().unwrap_or_default();
    let account = segments.next().filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    let region = client.config().region().map_or("us-east-1", AsRef::as_ref);
    Scope::new(region, account.unwrap_or("000000000000")).arn(name)
}

/// An error and all that is behind it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An error with all that is behind it, each said once.
fn reasons(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for reason in chain(error).map(ToString::to_string) {
        if !text.contains(&reason) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&reason);
        }
    }
    text
}

/// What is behind all else: `Connection refused`, not the layers that pass it on.
fn last_reason(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn message(message: Message) -> Result<SourceMessage, SourceError> {
    let incomplete = |what: &str| SourceError::Other(format!("the service sent a message without {what}").into());
    let attributes = message.attributes.unwrap_or_default();
    Ok(SourceMessage {
        message_id: message.message_id.ok_or_else(|| incomplete("MessageId"))?,
        receipt_handle: message.receipt_handle.ok_or_else(|| incomplete("ReceiptHandle"))?,
        body: message.body.unwrap_or_default(),
        message_attributes: message_attributes(message.message_attributes.unwrap_or_default()),
        system_attributes: system_attributes(attributes),
    })
}

fn system_attributes(mut attributes: HashMap<MessageSystemAttributeName, String>) -> SystemAttributes {
    use MessageSystemAttributeName as Name;
    fn parsed<T: FromStr + Default>(text: Option<String>) -> T {
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    }
    let mut take = |name| attributes.remove(&name);
    SystemAttributes {
        receive_count: parsed(take(Name::ApproximateReceiveCount)),
        sent_at: Time::from_millis(parsed(take(Name::SentTimestamp))),
        sender_id: take(Name::SenderId).unwrap_or_default(),
        first_received_at: Time::from_millis(parsed(take(Name::ApproximateFirstReceiveTimestamp))),
        trace_header: take(Name::AwsTraceHeader),
        sequence_number: take(Name::SequenceNumber),
        group_id: take(Name::MessageGroupId),
        deduplication_id: take(Name::MessageDeduplicationId),
        dead_letter_source: take(Name::from("DeadLetterQueueSourceArn")),
    }
}

/// The attributes of a message. One that breaks SQS's own rules, which no SQS has accepted, is left out.
fn message_attributes(attributes: HashMap<String, SdkAttribute>) -> MessageAttributes {
    let limits = Limits { message_attributes_max: usize::MAX, ..Limits::STRICT };
    let valid = attributes.into_iter().filter_map(|(name, attribute)| {
        let value = match (attribute.string_value, attribute.binary_value) {
            (Some(text), _) => MessageAttributeValue::Text(text),
            (None, Some(blob)) => MessageAttributeValue::Binary(blob.into_inner()),
            (None, None) => return None,
        };
        let attribute = MessageAttribute { data_type: attribute.data_type, value };
        MessageAttributes::parse([(name.clone(), attribute.clone())].into(), &limits).ok()?;
        Some((name, attribute))
    });
    MessageAttributes::parse(valid.collect(), &limits).unwrap_or_default()
}

#[cfg(test)]
mod tests;
