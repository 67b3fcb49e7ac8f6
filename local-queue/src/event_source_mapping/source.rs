//! The queue as the mapping sees it: the few actions that a client could do too.

#[cfg(feature = "sdk")]
mod sdk;

use std::{error::Error, future::Future, time::Duration};

use crate::{
    engine::{Delivery, EngineError, MessageAttributes, QueueArn, ReceiptHandle, Receive, Time},
    local_queue::LocalQueue,
};

#[cfg(feature = "sdk")]
pub use self::sdk::SdkSource;

/// The most messages that one receive returns and one batch delete takes (`ReceiveMessage` and `DeleteMessageBatch` in
/// the API reference).
pub const ENTRIES_MAX: usize = 10;

/// A queue from which a mapping takes messages.
///
/// AWS's own mapping needs only the permissions for `ReceiveMessage`, `DeleteMessage` and `GetQueueAttributes`
/// (developer guide), so while a mapping runs it needs nothing else here: above all, it never changes a message's
/// visibility. Only a mapping that stops gives back what the function has not seen to the end.
pub trait Source: Send + Sync + 'static {
    /// The queue's full name.
    fn queue_arn(&self) -> &QueueArn;

    /// The queue's own visibility timeout.
    fn visibility_timeout(&self) -> impl Future<Output = Result<Duration, SourceError>> + Send;

    /// `maxReceiveCount`, if the queue has a dead-letter queue and that is known without asking somebody else.
    fn max_receive_count(&self) -> impl Future<Output = Option<u32>> + Send {
        async { None }
    }

    /// Receives 1 to `max_messages` messages. Without any, the empty answer comes when `wait_time` is over: neither
    /// before, or the mapping would spin, nor after, or a batching window would close late. Dropping the future gives
    /// up the wait.
    fn receive(&self, request: Receive) -> impl Future<Output = Result<Vec<SourceMessage>, SourceError>> + Send;

    /// Deletes up to [`ENTRIES_MAX`] messages by their receipt handles, and says which could not be deleted.
    fn delete(
        &self,
        receipt_handles: Vec<String>,
    ) -> impl Future<Output = Result<Vec<DeleteFailure>, SourceError>> + Send;

    /// Makes up to [`ENTRIES_MAX`] messages visible again, by their receipt handles, and says of which that failed. A queue
    /// that cannot do that need not: they are visible again at the end of their visibility timeout.
    fn give_back(
        &self,
        receipt_handles: Vec<String>,
    ) -> impl Future<Output = Result<Vec<DeleteFailure>, SourceError>> + Send {
        drop(receipt_handles);
        async { Ok(Vec::new()) }
    }

    /// How many messages are in the queue.
    fn depth(&self) -> impl Future<Output = Result<Depth, SourceError>> + Send;
}

/// A received message, with everything that an event says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMessage {
    /// Its id: the `itemIdentifier` by which the function reports it.
    pub message_id: String,
    /// The right to delete it.
    pub receipt_handle: String,
    /// Its body.
    pub body: String,
    /// The attributes that its sender gave it.
    pub message_attributes: MessageAttributes,
    /// The attributes that SQS gave it.
    pub system_attributes: SystemAttributes,
}

/// What SQS says about a message. Absent ones are left out of the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemAttributes {
    /// `ApproximateReceiveCount`, this receive included.
    pub receive_count: u32,
    /// `SentTimestamp`.
    pub sent_at: Time,
    /// `SenderId`.
    pub sender_id: String,
    /// `ApproximateFirstReceiveTimestamp`.
    pub first_received_at: Time,
    /// `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// `SequenceNumber`, on FIFO queues.
    pub sequence_number: Option<String>,
    /// `MessageGroupId`.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`, on FIFO queues.
    pub deduplication_id: Option<String>,
    /// `DeadLetterQueueSourceArn`, in dead-letter queues.
    pub dead_letter_source: Option<String>,
}

/// Where the messages of a queue are. On AWS the numbers are approximate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that can be received now.
    pub ready: u64,
    /// Messages whose delay has not ended.
    pub delayed: u64,
    /// Messages that were received and neither deleted nor returned.
    pub in_flight: u64,
}

impl Depth {
    /// Whether there is no message at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ready == 0 && self.delayed == 0 && self.in_flight == 0
    }
}

/// A message of a batch that could not be deleted, or not be given back.
#[derive(Debug)]
pub struct DeleteFailure {
    /// Which of the handles that were given, from 0.
    pub index: usize,
    /// Why.
    pub error: SourceError,
}

/// Why a call of the mapping to its queue failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The queue is not there.
    #[error("queue {queue} does not exist")]
    QueueDoesNotExist {
        /// The queue that was looked for.
        queue: QueueArn,
    },
    /// The receipt handle is none of this queue's.
    #[error("receipt handle is not valid")]
    ReceiptHandleIsInvalid,
    /// Nobody answers there.
    #[error("{queue_url} cannot be reached ({call}): {reason}; check the address, and that a server runs there")]
    Unreachable {
        /// What was asked, such as `ReceiveMessage`.
        call: &'static str,
        /// The queue's URL, or its endpoint's as long as no more is known.
        queue_url: String,
        /// What the client says about it.
        reason: String,
    },
    /// The client has nothing to sign requests with.
    #[error(
        "no AWS credentials ({call}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile; LocalStack and \
         ElasticMQ take any ({reason})"
    )]
    CredentialsMissing {
        /// What was asked.
        call: &'static str,
        /// What the client says about it.
        reason: String,
    },
    /// The request was not sent, or what came back is no answer.
    #[error(
        "{call} to {queue_url} failed: {reason}; check that it is an SQS endpoint, the credentials (AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or a profile) and the region (AWS_REGION)"
    )]
    NotAnswered {
        /// What was asked.
        call: &'static str,
        /// The queue's URL, or its endpoint's.
        queue_url: String,
        /// What the client says about it.
        reason: String,
    },
    /// Somebody answers there who does not speak like SQS.
    #[error("{queue_url} answers {call} with status {status} and no error of SQS; check that it is an SQS endpoint")]
    NotSqs {
        /// What was asked.
        call: &'static str,
        /// The queue's URL, or its endpoint's.
        queue_url: String,
        /// Of the answer.
        status: u16,
    },
    /// The service refused the request.
    #[error("{queue_url} refuses {call}: {code}: {message}{}", advice(code))]
    Refused {
        /// What was asked.
        call: &'static str,
        /// The queue's URL, or its endpoint's.
        queue_url: String,
        /// Its code, such as `AccessDenied`.
        code: String,
        /// Its words.
        message: String,
    },
    /// Anything else.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

/// What to look at after a refusal that is about who asks.
fn advice(code: &str) -> &'static str {
    match code {
        "AccessDenied" | "AccessDeniedException" | "AWS.SimpleQueueService.AccessDenied" | "KmsAccessDenied" => {
            "; check the permissions of the credentials, and the region (AWS_REGION)"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => "; the credentials have expired: renew them",
        "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => "; check the credentials, the region (AWS_REGION) and the clock",
        _ => "",
    }
}

/// A queue of a [`LocalQueue`].
#[derive(Clone, Debug)]
pub struct QueueSource {
    queues: LocalQueue,
    queue: QueueArn,
}

impl QueueSource {
    /// The queue of this name.
    #[must_use]
    pub const fn new(queues: LocalQueue, queue: QueueArn) -> Self {
        Self { queues, queue }
    }

    fn message(&self, delivery: Delivery) -> SourceMessage {
        let Delivery { message, receipt_handle, receive_count, first_received_at } = delivery;
        SourceMessage {
            message_id: message.id.to_string(),
            receipt_handle: self.queues.seal().encode(receipt_handle),
            body: message.body.as_str().to_owned(),
            message_attributes: message.attributes().clone(),
            system_attributes: SystemAttributes {
                receive_count,
                sent_at: message.sent_at,
                sender_id: self.queue.account().to_owned(),
                first_received_at,
                trace_header: message.trace_header().map(str::to_owned),
                sequence_number: message.sequence_number().map(|number| number.to_string()),
                group_id: message.group_id().map(str::to_owned),
                deduplication_id: message.deduplication_id().map(str::to_owned),
                dead_letter_source: message.dead_letter_source().map(|source| source.as_str().to_owned()),
            },
        }
    }

    /// Does something with each message, by its receipt handle.
    fn each(
        &self,
        receipt_handles: &[String],
        action: impl Fn(ReceiptHandle) -> Result<(), EngineError>,
    ) -> Vec<DeleteFailure> {
        let one = |handle: &String| {
            let handle = self.queues.seal().decode(handle).ok_or(SourceError::ReceiptHandleIsInvalid)?;
            action(handle).map_err(|error| self.error(error))
        };
        let failed = receipt_handles.iter().map(one).enumerate();
        failed.filter_map(|(index, result)| Some(DeleteFailure { index, error: result.err()? })).collect()
    }

    fn error(&self, error: EngineError) -> SourceError {
        match error {
            EngineError::QueueDoesNotExist { .. } => SourceError::QueueDoesNotExist { queue: self.queue.clone() },
            EngineError::ReceiptHandleIsInvalid => SourceError::ReceiptHandleIsInvalid,
            other => SourceError::Other(Box::new(other)),
        }
    }
}

impl Source for QueueSource {
    fn queue_arn(&self) -> &QueueArn {
        &self.queue
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        let attributes = self.queues.queue_attributes(&self.queue).map_err(|error| self.error(error))?;
        Ok(attributes.settings.visibility_timeout)
    }

    async fn max_receive_count(&self) -> Option<u32> {
        let attributes = self.queues.queue_attributes(&self.queue).ok()?;
        attributes.settings.redrive_policy.map(|policy| policy.max_receive_count)
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        let deliveries = self.queues.receive(&self.queue, request).await.map_err(|error| self.error(error))?;
        Ok(deliveries.into_iter().map(|delivery| self.message(delivery)).collect())
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        let queue = self.queue.as_str();
        let delete = |handle| self.queues.call(|engine, now| engine.delete(now, queue, handle));
        let failures = self.each(&receipt_handles, delete);
        self.queues.kept_so_far().await.map_err(|error| self.error(error))?;
        Ok(failures)
    }

    async fn give_back(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        let queue = self.queue.as_str();
        let give_back = |handle| {
            let changed = self.queues.call(|engine, now| engine.change_visibility(now, queue, handle, Duration::ZERO));
            match changed {
                // The function has deleted it itself.
                Err(EngineError::MessageNotAvailable) => Ok(()),
                result => result,
            }
        };
        let failures = self.each(&receipt_handles, give_back);
        self.queues.kept_so_far().await.map_err(|error| self.error(error))?;
        Ok(failures)
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        let attributes = self.queues.queue_attributes(&self.queue).map_err(|error| self.error(error))?;
        Ok(Depth {
            ready: attributes.messages as u64,
            delayed: attributes.messages_delayed as u64,
            in_flight: attributes.messages_not_visible as u64,
        })
    }
}
