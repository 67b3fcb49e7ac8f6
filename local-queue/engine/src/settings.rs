//! What the attributes of a queue come to: checked one by one and together, and kept.

use std::time::Duration;

use crate::{
    Attribute, DeduplicationScope, EngineError, FifoThroughputLimit, Limits, QueueArn, RedriveAllowPolicy,
    RedrivePolicy, Time,
};

impl Attribute {
    /// Whether only FIFO queues have it.
    const fn is_fifo_only(&self) -> bool {
        matches!(
            self,
            Self::ContentBasedDeduplication(_)
                | Self::DeduplicationScope(_)
                | Self::FifoQueue(_)
                | Self::FifoThroughputLimit(_)
        )
    }

    /// Checks the value against its range, and that this kind of queue has the attribute at all.
    pub(crate) fn check(&self, limits: &Limits, queue_is_fifo: bool) -> Result<(), EngineError> {
        let attribute = self.name();
        if self.is_fifo_only() && !queue_is_fifo {
            return Err(EngineError::AttributeUnknown { attribute });
        }
        let in_range = match self {
            Self::Delay(delay) => limits.delay_seconds.contains(&delay.as_secs()),
            Self::MaximumMessageSize(bytes) => limits.message_bytes.contains(bytes),
            Self::RetentionPeriod(period) => limits.retention_period_seconds.contains(&period.as_secs()),
            Self::WaitTime(wait) => limits.wait_time_seconds.contains(&wait.as_secs()),
            Self::VisibilityTimeout(timeout) => limits.visibility_timeout_seconds.contains(&timeout.as_secs()),
            Self::KmsDataKeyReusePeriod(period) => limits.kms_reuse_seconds.contains(&period.as_secs()),
            Self::FifoQueue(false) => return Err(EngineError::QueueTypeCannotChange),
            Self::RedrivePolicy(Some(policy)) => {
                let count = policy.max_receive_count;
                if !limits.receive_count.contains(&count.into()) {
                    return Err(EngineError::MaxReceiveCountInvalid { policy: policy.clone() });
                }
                true
            }
            _ => true,
        };
        if in_range { Ok(()) } else { Err(EngineError::AttributeValueInvalid { attribute }) }
    }
}

/// The settings that only a FIFO queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FifoSettings {
    /// Whether a message without deduplication id gets the SHA-256 of its body.
    pub content_based_deduplication: bool,
    /// Within what a deduplication id is unique.
    pub deduplication_scope: DeduplicationScope,
    /// What the throughput quota counts for.
    pub throughput_limit: FifoThroughputLimit,
}

/// The settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a new message is invisible.
    pub delay: Duration,
    /// What a FIFO queue has beside; `None` for a standard queue.
    pub fifo: Option<FifoSettings>,
    /// The key of server-side encryption; nothing here is encrypted.
    pub kms_master_key_id: Option<String>,
    /// How long a data key would be used again.
    pub kms_data_key_reuse_period: Duration,
    /// The largest message, in bytes.
    pub maximum_message_size: u64,
    /// The access policy, as it was given; not enforced.
    pub policy: Option<String>,
    /// Who may use this queue as a dead-letter queue; everybody when absent.
    pub redrive_allow_policy: Option<RedriveAllowPolicy>,
    /// When and where messages give up.
    pub redrive_policy: Option<RedrivePolicy>,
    /// How long a message is kept.
    pub retention_period: Duration,
    /// Answered as it was set; nothing here is encrypted.
    pub sqs_managed_sse: bool,
    /// How long a received message is invisible to others.
    pub visibility_timeout: Duration,
    /// How long a receive waits that does not say.
    pub wait_time: Duration,
}

impl QueueSettings {
    /// The defaults of a new queue (recorded).
    #[must_use]
    pub fn new(fifo: bool) -> Self {
        Self {
            delay: Duration::ZERO,
            fifo: fifo.then(FifoSettings::default),
            kms_master_key_id: None,
            kms_data_key_reuse_period: Duration::from_secs(300),
            maximum_message_size: 1_048_576,
            policy: None,
            redrive_allow_policy: None,
            redrive_policy: None,
            retention_period: Duration::from_secs(345_600),
            sqs_managed_sse: true,
            visibility_timeout: Duration::from_secs(30),
            wait_time: Duration::ZERO,
        }
    }

    pub(crate) fn set(&mut self, attribute: Attribute) {
        match attribute {
            Attribute::Delay(delay) => self.delay = delay,
            Attribute::KmsDataKeyReusePeriod(period) => self.kms_data_key_reuse_period = period,
            Attribute::KmsMasterKeyId(key) => self.set_kms_master_key(key),
            Attribute::MaximumMessageSize(bytes) => self.maximum_message_size = bytes,
            Attribute::Policy(policy) => self.policy = policy,
            Attribute::RedriveAllowPolicy(policy) => self.redrive_allow_policy = policy,
            Attribute::RedrivePolicy(policy) => self.redrive_policy = policy,
            Attribute::RetentionPeriod(period) => self.retention_period = period,
            Attribute::SqsManagedSse(enabled) => self.sqs_managed_sse = enabled,
            Attribute::VisibilityTimeout(timeout) => self.visibility_timeout = timeout,
            Attribute::WaitTime(wait) => self.wait_time = wait,
            Attribute::ContentBasedDeduplication(_)
            | Attribute::DeduplicationScope(_)
            | Attribute::FifoQueue(_)
            | Attribute::FifoThroughputLimit(_) => self.set_fifo(&attribute),
        }
    }

    fn set_fifo(&mut self, attribute: &Attribute) {
        let Some(fifo) = &mut self.fifo else { return };
        match attribute {
            Attribute::ContentBasedDeduplication(enabled) => fifo.content_based_deduplication = *enabled,
            Attribute::DeduplicationScope(scope) => fifo.deduplication_scope = *scope,
            Attribute::FifoThroughputLimit(limit) => fifo.throughput_limit = *limit,
            _ => {}
        }
    }

    /// AWS (recorded): a key turns SQS's own encryption off, and removing the key does not turn it on again.
    fn set_kms_master_key(&mut self, key: String) {
        if key.is_empty() {
            self.kms_master_key_id = None;
        } else {
            self.kms_master_key_id = Some(key);
            self.sqs_managed_sse = false;
        }
    }

    /// Whether setting `attribute` would change nothing.
    #[must_use]
    pub fn has(&self, attribute: &Attribute) -> bool {
        let mut changed = self.clone();
        changed.set(attribute.clone());
        changed == *self
    }

    /// Checks what no attribute alone can show.
    pub(crate) fn check_together(&self, changes: &[Attribute]) -> Result<(), EngineError> {
        let has_key = changes.iter().any(|it| matches!(it, Attribute::KmsMasterKeyId(key) if !key.is_empty()));
        if has_key && changes.contains(&Attribute::SqsManagedSse(true)) {
            return Err(EngineError::TwoKindsOfEncryption);
        }
        match self.fifo {
            Some(fifo)
                if fifo.throughput_limit == FifoThroughputLimit::PerMessageGroupId
                    && fifo.deduplication_scope == DeduplicationScope::Queue =>
            {
                Err(EngineError::ThroughputLimitNeedsGroupScope)
            }
            _ => Ok(()),
        }
    }
}

/// Everything that can be asked about a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAttributes {
    /// Its full name.
    pub arn: QueueArn,
    /// What was set, or is the default.
    pub settings: QueueSettings,
    /// Messages that can be received now. On a FIFO queue those behind a locked group count too (validated).
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
