//! Queue attributes: one typed value each, set and read by name.

use std::{fmt, time::Duration};

use super::{EngineError, Limits, QueueArn, Time};

/// The name of a queue attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are Amazon SQS's own and documented there")]
pub enum AttributeName {
    ApproximateNumberOfMessages,
    ApproximateNumberOfMessagesDelayed,
    ApproximateNumberOfMessagesNotVisible,
    CreatedTimestamp,
    DelaySeconds,
    LastModifiedTimestamp,
    MaximumMessageSize,
    MessageRetentionPeriod,
    QueueArn,
    ReceiveMessageWaitTimeSeconds,
    RedrivePolicy,
    SqsManagedSseEnabled,
    VisibilityTimeout,
}

impl AttributeName {
    /// Every attribute, in the order of their names.
    pub const ALL: [Self; 13] = [
        Self::ApproximateNumberOfMessages,
        Self::ApproximateNumberOfMessagesDelayed,
        Self::ApproximateNumberOfMessagesNotVisible,
        Self::CreatedTimestamp,
        Self::DelaySeconds,
        Self::LastModifiedTimestamp,
        Self::MaximumMessageSize,
        Self::MessageRetentionPeriod,
        Self::QueueArn,
        Self::ReceiveMessageWaitTimeSeconds,
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
            Self::CreatedTimestamp => "CreatedTimestamp",
            Self::DelaySeconds => "DelaySeconds",
            Self::LastModifiedTimestamp => "LastModifiedTimestamp",
            Self::MaximumMessageSize => "MaximumMessageSize",
            Self::MessageRetentionPeriod => "MessageRetentionPeriod",
            Self::QueueArn => "QueueArn",
            Self::ReceiveMessageWaitTimeSeconds => "ReceiveMessageWaitTimeSeconds",
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

/// One settable attribute with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `DelaySeconds`: how long a new message is invisible.
    Delay(Duration),
    /// `MaximumMessageSize`, in bytes.
    MaximumMessageSize(u64),
    /// `MessageRetentionPeriod`: after it a message is gone, received or not.
    RetentionPeriod(Duration),
    /// `ReceiveMessageWaitTimeSeconds`: how long a receive waits that does not say.
    WaitTime(Duration),
    /// `RedrivePolicy`; `None` removes it.
    RedrivePolicy(Option<RedrivePolicy>),
    /// `SqsManagedSseEnabled`: kept and answered; nothing here is encrypted.
    SqsManagedSse(bool),
    /// `VisibilityTimeout`: how long a received message is invisible to others.
    VisibilityTimeout(Duration),
}

impl Attribute {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> AttributeName {
        match self {
            Self::Delay(_) => AttributeName::DelaySeconds,
            Self::MaximumMessageSize(_) => AttributeName::MaximumMessageSize,
            Self::RetentionPeriod(_) => AttributeName::MessageRetentionPeriod,
            Self::WaitTime(_) => AttributeName::ReceiveMessageWaitTimeSeconds,
            Self::RedrivePolicy(_) => AttributeName::RedrivePolicy,
            Self::SqsManagedSse(_) => AttributeName::SqsManagedSseEnabled,
            Self::VisibilityTimeout(_) => AttributeName::VisibilityTimeout,
        }
    }

    /// Checks the value against its range.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), EngineError> {
        let in_range = match self {
            Self::Delay(delay) => limits.delay_seconds.contains(&delay.as_secs()),
            Self::MaximumMessageSize(bytes) => limits.message_bytes.contains(bytes),
            Self::RetentionPeriod(period) => limits.retention_period_seconds.contains(&period.as_secs()),
            Self::WaitTime(wait) => limits.wait_time_seconds.contains(&wait.as_secs()),
            Self::VisibilityTimeout(timeout) => limits.visibility_timeout_seconds.contains(&timeout.as_secs()),
            Self::SqsManagedSse(_) | Self::RedrivePolicy(None) => true,
            Self::RedrivePolicy(Some(policy)) => {
                let count = policy.max_receive_count;
                if !limits.receive_count.contains(&count.into()) {
                    return Err(EngineError::MaxReceiveCountInvalid { count: count.into() });
                }
                true
            }
        };
        if in_range { Ok(()) } else { Err(EngineError::AttributeValueInvalid { attribute: self.name() }) }
    }
}

/// The settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a new message is invisible.
    pub delay: Duration,
    /// The largest message, in bytes.
    pub maximum_message_size: u64,
    /// How long a message is kept.
    pub retention_period: Duration,
    /// How long a receive waits that does not say.
    pub wait_time: Duration,
    /// When and where messages give up.
    pub redrive_policy: Option<RedrivePolicy>,
    /// Answered as it was set; nothing here is encrypted.
    pub sqs_managed_sse: bool,
    /// How long a received message is invisible to others.
    pub visibility_timeout: Duration,
}

impl Default for QueueSettings {
    /// The defaults of a new standard queue (recorded).
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            maximum_message_size: 1_048_576,
            retention_period: Duration::from_secs(345_600),
            wait_time: Duration::ZERO,
            redrive_policy: None,
            sqs_managed_sse: true,
            visibility_timeout: Duration::from_secs(30),
        }
    }
}

impl QueueSettings {
    pub(super) fn set(&mut self, attribute: Attribute) {
        match attribute {
            Attribute::Delay(delay) => self.delay = delay,
            Attribute::MaximumMessageSize(bytes) => self.maximum_message_size = bytes,
            Attribute::RetentionPeriod(period) => self.retention_period = period,
            Attribute::WaitTime(wait) => self.wait_time = wait,
            Attribute::RedrivePolicy(policy) => self.redrive_policy = policy,
            Attribute::SqsManagedSse(enabled) => self.sqs_managed_sse = enabled,
            Attribute::VisibilityTimeout(timeout) => self.visibility_timeout = timeout,
        }
    }

    /// Whether setting `attribute` would change nothing.
    pub(super) fn has(&self, attribute: &Attribute) -> bool {
        let mut changed = self.clone();
        changed.set(attribute.clone());
        changed == *self
    }
}

/// Everything that can be asked about a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAttributes {
    /// Its full name.
    pub arn: QueueArn,
    /// What was set, or is the default.
    pub settings: QueueSettings,
    /// Messages that can be received now.
    pub messages: usize,
    /// Messages whose delay has not ended.
    pub messages_delayed: usize,
    /// Messages that were received and neither deleted nor returned.
    pub messages_not_visible: usize,
    /// When the queue was created.
    pub created_at: Time,
    /// When its settings were last changed.
    pub modified_at: Time,
}
