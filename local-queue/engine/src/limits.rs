//! The limits of SQS, as data.

use std::{ops::RangeInclusive, time::Duration};

/// Every limit that SQS sets on a request or a queue. [`Limits::STRICT`] is AWS; tests may take others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters in a queue's name, `.fifo` included.
    pub queue_name_chars_max: usize,
    /// `DelaySeconds` of queues and messages, in seconds.
    pub delay_seconds: RangeInclusive<u64>,
    /// `VisibilityTimeout`, in seconds.
    pub visibility_timeout_seconds: RangeInclusive<u64>,
    /// From a receive, the time over which a message can be kept invisible by extending it.
    pub visibility_timeout_total_max: Duration,
    /// `MessageRetentionPeriod`, in seconds.
    pub retention_period_seconds: RangeInclusive<u64>,
    /// `MaximumMessageSize` of a queue, in bytes; the upper end also bounds a whole batch.
    pub message_bytes: RangeInclusive<u64>,
    /// `ReceiveMessageWaitTimeSeconds` and `WaitTimeSeconds`, in seconds.
    pub wait_time_seconds: RangeInclusive<u64>,
    /// `MaxNumberOfMessages` of a receive.
    pub receive_messages: RangeInclusive<u64>,
    /// `KmsDataKeyReusePeriodSeconds`, in seconds.
    pub kms_reuse_seconds: RangeInclusive<u64>,
    /// `maxReceiveCount` of a redrive policy.
    pub receive_count: RangeInclusive<u64>,
    /// Entries in one batch request.
    pub batch_entries_max: usize,
    /// Characters in the id of a batch entry.
    pub batch_entry_id_chars_max: usize,
    /// Attributes of one message.
    pub message_attributes_max: usize,
    /// Messages in flight in one queue.
    pub in_flight_max: usize,
    /// Receives that wait for a message, of all queues together. SQS has no such limit.
    pub waiting_receives_max: usize,
    /// Bytes that queues and messages may take, as [`Engine::stored_bytes`](crate::Engine::stored_bytes) counts them. SQS
    /// has no such limit.
    pub stored_bytes_max: u64,
    /// Queues named by one page of `ListQueues`.
    pub list_results_max: usize,
    /// Tags of one queue.
    pub tags_max: usize,
    /// How long a message of a FIFO queue keeps later ones with its deduplication id away, and how long a receive can be
    /// repeated by its attempt id.
    pub deduplication_interval: Duration,
    /// Calls a second of each action on a FIFO queue without high throughput; not limited when absent.
    pub fifo_calls_per_second: Option<u32>,
    /// `MaxNumberOfMessagesPerSecond` of a message move task.
    pub move_rate: RangeInclusive<u64>,
    /// Time between two purges of a queue.
    pub purge_interval: Duration,
    /// Time after deleting a queue before its name can be used again.
    pub recreate_interval: Duration,
}

impl Limits {
    /// What Amazon SQS enforces (its developer guide's "quotas", and recorded answers).
    pub const STRICT: Self = Self {
        queue_name_chars_max: 80,
        delay_seconds: 0..=900,
        visibility_timeout_seconds: 0..=43_200,
        visibility_timeout_total_max: Duration::from_secs(43_200),
        retention_period_seconds: 60..=1_209_600,
        message_bytes: 1_024..=1_048_576,
        wait_time_seconds: 0..=20,
        receive_messages: 1..=10,
        kms_reuse_seconds: 60..=86_400,
        receive_count: 1..=1_000,
        batch_entries_max: 10,
        batch_entry_id_chars_max: 80,
        message_attributes_max: 10,
        in_flight_max: 120_000,
        waiting_receives_max: usize::MAX,
        stored_bytes_max: u64::MAX,
        list_results_max: 1_000,
        tags_max: 50,
        deduplication_interval: Duration::from_secs(300),
        fifo_calls_per_second: None,
        move_rate: 1..=500,
        purge_interval: Duration::from_secs(60),
        recreate_interval: Duration::from_secs(60),
    };

    /// As [`Limits::STRICT`], without the two waits of 60 seconds.
    pub const RELAXED: Self =
        Self { purge_interval: Duration::ZERO, recreate_interval: Duration::ZERO, ..Self::STRICT };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STRICT
    }
}
