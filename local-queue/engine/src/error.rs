//! What can be wrong with a request, in the terms of SQS. Codes and texts of the wire are attached by whoever has a wire, to
//! every variant: so the enums are exhaustive, and a new one breaks what does not know it.

use std::time::Duration;

use crate::{AttributeName, QueueArn, RedrivePolicy};

/// Why the engine refused a request. The state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No queue has this name.
    #[error("queue {queue} does not exist")]
    QueueDoesNotExist {
        /// The ARN that was looked for.
        queue: String,
    },
    /// A queue cannot be called that.
    #[error("{name:?} is not a queue name: 1 to 80 letters, digits, hyphens or underscores")]
    QueueNameInvalid {
        /// The refused name.
        name: String,
    },
    /// A FIFO queue's name and its `FifoQueue` attribute must go together.
    #[error("queue name {name:?} and FifoQueue disagree: the name of a FIFO queue ends in .fifo, and no other's")]
    QueueTypeMismatch {
        /// The name.
        name: String,
    },
    /// The queue is there, with another value for an attribute of the request.
    #[error("queue exists with a different value for attribute {attribute}")]
    QueueNameExists {
        /// The first attribute that differs.
        attribute: AttributeName,
    },
    /// The name was in use by a queue deleted less than 60 seconds ago.
    #[error("queue {queue} was deleted recently")]
    QueueDeletedRecently {
        /// The ARN.
        queue: QueueArn,
    },
    /// A purge less than 60 seconds after the last.
    #[error("queue {queue} was purged recently")]
    PurgeQueueInProgress {
        /// The ARN.
        queue: QueueArn,
    },
    /// The attribute exists, but not for this kind of queue, or cannot be set.
    #[error("unknown attribute {attribute}")]
    AttributeUnknown {
        /// The attribute.
        attribute: AttributeName,
    },
    /// A queue attribute's value is out of its range.
    #[error("value of attribute {attribute} is out of range")]
    AttributeValueInvalid {
        /// The attribute.
        attribute: AttributeName,
    },
    /// A queue stays what it was created as.
    #[error("the type of a queue cannot be changed")]
    QueueTypeCannotChange,
    /// A KMS key and SQS's own encryption in one request.
    #[error("both kinds of server-side encryption are set")]
    TwoKindsOfEncryption,
    /// High throughput needs deduplication by group.
    #[error("perMessageGroupId needs the deduplication scope messageGroup")]
    ThroughputLimitNeedsGroupScope,
    /// `maxReceiveCount` of a redrive policy is out of its range.
    #[error("maxReceiveCount {} is out of range", policy.max_receive_count)]
    MaxReceiveCountInvalid {
        /// The policy.
        policy: RedrivePolicy,
    },
    /// The redrive policy names a queue that is not there.
    #[error("dead letter target {} does not exist", policy.dead_letter_target)]
    DeadLetterTargetDoesNotExist {
        /// The policy.
        policy: RedrivePolicy,
    },
    /// The redrive policy names a queue of the other type, standard against FIFO.
    #[error("dead letter target {} is of another type", policy.dead_letter_target)]
    DeadLetterTargetOfOtherType {
        /// The policy.
        policy: RedrivePolicy,
    },
    /// The dead-letter queue's `RedriveAllowPolicy` does not admit this source.
    #[error("dead letter target {} does not allow this source", policy.dead_letter_target)]
    DeadLetterTargetDenies {
        /// The policy.
        policy: RedrivePolicy,
    },
    /// More tags than a queue can have.
    #[error("queue {queue} would have more than {tags_max} tags")]
    TooManyTags {
        /// The ARN.
        queue: QueueArn,
        /// The limit.
        tags_max: usize,
    },
    /// A FIFO queue's action is called too often in one second.
    #[error("more than {calls_per_second} calls in one second")]
    Throttled {
        /// The quota.
        calls_per_second: u32,
    },
    /// A message has no body.
    #[error("message body is empty")]
    MessageEmpty,
    /// The body has characters that XML 1.0 has not.
    #[error("message body contains U+{character:04X}, which SQS does not accept")]
    MessageContentsInvalid {
        /// The first refused character.
        character: u32,
    },
    /// Body and attributes together are over the queue's limit.
    #[error("message has {bytes} bytes; the queue accepts {bytes_max}")]
    MessageTooLong {
        /// The message's size.
        bytes: u64,
        /// The queue's `MaximumMessageSize`.
        bytes_max: u64,
    },
    /// More attributes than a message can have.
    #[error("{count} message attributes; at most {count_max} are accepted")]
    TooManyMessageAttributes {
        /// How many were given.
        count: usize,
        /// How many are accepted.
        count_max: usize,
    },
    /// Something is wrong with one message attribute.
    #[error("message attribute {name:?}: {problem}")]
    MessageAttributeInvalid {
        /// The attribute's name.
        name: String,
        /// What is wrong with it.
        problem: MessageAttributeProblem,
    },
    /// The parameter exists for queues of the other type only.
    #[error("{parameter} {value} is not valid for this type of queue")]
    ParameterNotValidForQueueType {
        /// The parameter, by its name on the wire.
        parameter: &'static str,
        /// The value given.
        value: String,
    },
    /// A number in a request is outside its range.
    #[error("{parameter} {value} is not between {min} and {max}")]
    OutOfRange {
        /// The parameter, by its name on the wire.
        parameter: &'static str,
        /// The value given.
        value: i64,
        /// The smallest accepted value.
        min: u64,
        /// The largest accepted value.
        max: u64,
    },
    /// The group id is empty, too long, or has characters that are not accepted.
    #[error("{parameter} {value:?} is not 1 to 128 alphanumeric and punctuation characters")]
    TokenInvalid {
        /// `MessageGroupId` or `MessageDeduplicationId`.
        parameter: &'static str,
        /// The value given.
        value: String,
    },
    /// A message would be invisible for longer than 12 hours after its receive.
    #[error("visibility timeout {timeout:?} takes the total beyond {total_max:?}")]
    VisibilityTimeoutTotal {
        /// The timeout asked for.
        timeout: Duration,
        /// The limit on the total.
        total_max: Duration,
    },
    /// A FIFO queue needs a message group id.
    #[error("the message has no group id")]
    MessageGroupIdMissing,
    /// A FIFO queue needs a deduplication id, if it does not make one from the content.
    #[error("the message has no deduplication id, and content-based deduplication is off")]
    DeduplicationIdMissing,
    /// The receipt handle is not one of this queue's.
    #[error("receipt handle is not valid")]
    ReceiptHandleIsInvalid,
    /// The receipt handle's visibility timeout is over, and the queue is FIFO.
    #[error("receipt handle has expired")]
    ReceiptHandleExpired,
    /// The message of the receipt handle is gone.
    #[error("message does not exist or is not available for visibility timeout change")]
    MessageNotAvailable,
    /// Too many messages are in flight.
    #[error("{in_flight_max} messages are in flight, the limit")]
    OverLimit {
        /// The limit.
        in_flight_max: usize,
    },
    /// There is no memory for more. SQS has no such limit.
    #[error("queues and messages take {stored_bytes} bytes of memory; at most {stored_bytes_max} are allowed")]
    StorageFull {
        /// What is taken, by the engine's own count.
        stored_bytes: u64,
        /// The limit.
        stored_bytes_max: u64,
    },
    /// Whoever drives the engine takes nothing, for a reason of its own: what it keeps cannot be kept. SQS has such days too.
    #[error("service unavailable: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// As many receives as may wait for a message already do. SQS has no such limit.
    #[error("{waiting_max} receives wait already, the limit")]
    TooManyWaiting {
        /// The limit.
        waiting_max: usize,
    },
    /// Something is wrong with a message move task.
    #[error("message move task: {0}")]
    MessageMoveTask(MoveTaskProblem),
}

/// What is wrong with a message attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageAttributeProblem {
    /// The name is empty, too long, starts or ends with a dot, or has other punctuation.
    #[error("the name may have letters, digits, '_', '-' and '.', not at its ends, and 1 to 256 of them")]
    Name,
    /// The name starts with `AWS.` or `Amazon.`.
    #[error("names starting with AWS. or Amazon. are reserved")]
    NameReserved,
    /// There is neither type nor value.
    #[error("the value is missing")]
    ValueMissing,
    /// There is no type.
    #[error("the type is missing")]
    TypeMissing,
    /// The type is not `String`, `Number` or `Binary`, alone or with a custom suffix.
    #[error("the type must be String, Number or Binary, alone or followed by a dot and a label")]
    Type,
    /// The value's member does not go with the type, or is empty.
    #[error("the value must be non-empty and of type {expected}")]
    Empty {
        /// The type that a value is missing for.
        expected: &'static str,
    },
    /// A `Number` that is none, or not one that SQS takes: of up to 38 digits, from 10^-128 to 10^126.
    #[error("the value is not a number of up to 38 digits from 10^-128 to 10^126")]
    NotANumber,
    /// The value has characters that SQS does not accept.
    #[error("the value contains characters that SQS does not accept")]
    Contents,
}

/// What is wrong with a request about a message move task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveTaskProblem {
    /// No queue has the source's ARN.
    #[error("the source does not exist")]
    SourceDoesNotExist,
    /// No queue has the destination's ARN.
    #[error("the destination does not exist")]
    DestinationDoesNotExist,
    /// No queue names the source as its dead-letter queue.
    #[error("the source is not a dead-letter queue")]
    SourceIsNoDeadLetterQueue,
    /// Source and destination are one queue.
    #[error("source and destination are the same")]
    SameQueue,
    /// One of them is FIFO and the other is not.
    #[error("source and destination are of different types")]
    OtherType,
    /// The rate is out of its range.
    #[error("the rate is out of range")]
    RateOutOfRange,
    /// A task of this source is running.
    #[error("a task of this source is running")]
    AlreadyRunning,
    /// The source has no task of this id.
    #[error("the task does not exist")]
    TaskDoesNotExist,
    /// The task has ended.
    #[error("the task is not running")]
    NotRunning,
}
