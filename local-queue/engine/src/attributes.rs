//! Queue attributes: one typed value each, set and read by name.

mod encoding;

use std::{fmt, time::Duration};

use crate::QueueArn;

/// The name of a queue attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are Amazon SQS's own and documented there")]
pub enum AttributeName {
    ApproximateNumberOfMessages,
    ApproximateNumberOfMessagesDelayed,
    ApproximateNumberOfMessagesNotVisible,
    ContentBasedDeduplication,
    CreatedTimestamp,
    DeduplicationScope,
    DelaySeconds,
    FifoQueue,
    FifoThroughputLimit,
    KmsDataKeyReusePeriodSeconds,
    KmsMasterKeyId,
    LastModifiedTimestamp,
    MaximumMessageSize,
    MessageRetentionPeriod,
    Policy,
    QueueArn,
    ReceiveMessageWaitTimeSeconds,
    RedriveAllowPolicy,
    RedrivePolicy,
    SqsManagedSseEnabled,
    VisibilityTimeout,
}

impl AttributeName {
    /// Every attribute, in the order of their names.
    pub const ALL: [Self; 21] = [
        Self::ApproximateNumberOfMessages,
        Self::ApproximateNumberOfMessagesDelayed,
        Self::ApproximateNumberOfMessagesNotVisible,
        Self::ContentBasedDeduplication,
        Self::CreatedTimestamp,
        Self::DeduplicationScope,
        Self::DelaySeconds,
        Self::FifoQueue,
        Self::FifoThroughputLimit,
        Self::KmsDataKeyReusePeriodSeconds,
        Self::KmsMasterKeyId,
        Self::LastModifiedTimestamp,
        Self::MaximumMessageSize,
        Self::MessageRetentionPeriod,
        Self::Policy,
        Self::QueueArn,
        Self::ReceiveMessageWaitTimeSeconds,
        Self::RedriveAllowPolicy,
        Self::RedrivePolicy,
        Self::SqsManagedSseEnabled,
        Self::VisibilityTimeout,
    ];

    /// The attribute of this name, if SQS has it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.as_str() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApproximateNumberOfMessages => "ApproximateNumberOfMessages",
            Self::ApproximateNumberOfMessagesDelayed => "ApproximateNumberOfMessagesDelayed",
            Self::ApproximateNumberOfMessagesNotVisible => "ApproximateNumberOfMessagesNotVisible",
            Self::ContentBasedDeduplication => "ContentBasedDeduplication",
            Self::CreatedTimestamp => "CreatedTimestamp",
            Self::DeduplicationScope => "DeduplicationScope",
            Self::DelaySeconds => "DelaySeconds",
            Self::FifoQueue => "FifoQueue",
            Self::FifoThroughputLimit => "FifoThroughputLimit",
            Self::KmsDataKeyReusePeriodSeconds => "KmsDataKeyReusePeriodSeconds",
            Self::KmsMasterKeyId => "KmsMasterKeyId",
            Self::LastModifiedTimestamp => "LastModifiedTimestamp",
            Self::MaximumMessageSize => "MaximumMessageSize",
            Self::MessageRetentionPeriod => "MessageRetentionPeriod",
            Self::Policy => "Policy",
            Self::QueueArn => "QueueArn",
            Self::ReceiveMessageWaitTimeSeconds => "ReceiveMessageWaitTimeSeconds",
            Self::RedriveAllowPolicy => "RedriveAllowPolicy",
            Self::RedrivePolicy => "RedrivePolicy",
            Self::SqsManagedSseEnabled => "SqsManagedSseEnabled",
            Self::VisibilityTimeout => "VisibilityTimeout",
        }
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When and where a message gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The dead-letter queue.
    pub dead_letter_target: QueueArn,
    /// Receives from this queue before the next one moves the message.
    pub max_receive_count: u32,
}

/// Which queues may name a queue as their dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedriveAllowPolicy {
    /// Every queue of the same account and region.
    AllowAll,
    /// None.
    DenyAll,
    /// These.
    ByQueue(Vec<QueueArn>),
}

impl RedriveAllowPolicy {
    pub(crate) fn allows(&self, source: &QueueArn) -> bool {
        match self {
            Self::AllowAll => true,
            Self::DenyAll => false,
            Self::ByQueue(sources) => sources.contains(source),
        }
    }
}

/// Within what a deduplication id of a FIFO queue is unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeduplicationScope {
    /// The whole queue.
    #[default]
    Queue,
    /// Each message group.
    MessageGroup,
}

/// What the throughput quota of a FIFO queue counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FifoThroughputLimit {
    /// The whole queue.
    #[default]
    PerQueue,
    /// Each message group: high throughput.
    PerMessageGroupId,
}

/// One settable attribute with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `ContentBasedDeduplication`: a message without deduplication id gets the SHA-256 of its body.
    ContentBasedDeduplication(bool),
    /// `DeduplicationScope`.
    DeduplicationScope(DeduplicationScope),
    /// `DelaySeconds`: how long a new message is invisible.
    Delay(Duration),
    /// `FifoQueue`: decided when the queue is created.
    FifoQueue(bool),
    /// `FifoThroughputLimit`.
    FifoThroughputLimit(FifoThroughputLimit),
    /// `KmsDataKeyReusePeriodSeconds`: kept and answered; nothing here is encrypted.
    KmsDataKeyReusePeriod(Duration),
    /// `KmsMasterKeyId`: kept and answered; the empty text removes it.
    KmsMasterKeyId(String),
    /// `MaximumMessageSize`, in bytes.
    MaximumMessageSize(u64),
    /// `Policy`: kept and answered, not enforced; `None` removes it.
    Policy(Option<String>),
    /// `RedriveAllowPolicy`; `None` removes it.
    RedriveAllowPolicy(Option<RedriveAllowPolicy>),
    /// `RedrivePolicy`; `None` removes it.
    RedrivePolicy(Option<RedrivePolicy>),
    /// `MessageRetentionPeriod`: after it a message is gone, received or not.
    RetentionPeriod(Duration),
    /// `SqsManagedSseEnabled`: kept and answered; nothing here is encrypted.
    SqsManagedSse(bool),
    /// `VisibilityTimeout`: how long a received message is invisible to others.
    VisibilityTimeout(Duration),
    /// `ReceiveMessageWaitTimeSeconds`: how long a receive waits that does not say.
    WaitTime(Duration),
}

impl Attribute {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> AttributeName {
        match self {
            Self::ContentBasedDeduplication(_) => AttributeName::ContentBasedDeduplication,
            Self::DeduplicationScope(_) => AttributeName::DeduplicationScope,
            Self::Delay(_) => AttributeName::DelaySeconds,
            Self::FifoQueue(_) => AttributeName::FifoQueue,
            Self::FifoThroughputLimit(_) => AttributeName::FifoThroughputLimit,
            Self::KmsDataKeyReusePeriod(_) => AttributeName::KmsDataKeyReusePeriodSeconds,
            Self::KmsMasterKeyId(_) => AttributeName::KmsMasterKeyId,
            Self::MaximumMessageSize(_) => AttributeName::MaximumMessageSize,
            Self::Policy(_) => AttributeName::Policy,
            Self::RedriveAllowPolicy(_) => AttributeName::RedriveAllowPolicy,
            Self::RedrivePolicy(_) => AttributeName::RedrivePolicy,
            Self::RetentionPeriod(_) => AttributeName::MessageRetentionPeriod,
            Self::SqsManagedSse(_) => AttributeName::SqsManagedSseEnabled,
            Self::VisibilityTimeout(_) => AttributeName::VisibilityTimeout,
            Self::WaitTime(_) => AttributeName::ReceiveMessageWaitTimeSeconds,
        }
    }
}
