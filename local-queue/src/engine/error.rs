//! What can be wrong with a request, in the terms of SQS. The codes and texts of the wire are attached in `protocol`.

use std::time::Duration;

use super::{AttributeName, QueueArn};

/// Why the engine refused a request. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
    /// `maxReceiveCount` of a redrive policy is out of its range.
    #[error("maxReceiveCount {count} is out of range")]
    MaxReceiveCountInvalid {
        /// The value given.
        count: i64,
    },
    /// The redrive policy names a queue that is not there.
    #[error("dead letter target {target} does not exist")]
    DeadLetterTargetDoesNotExist {
        /// The ARN in the policy.
        target: QueueArn,
        /// The policy's `maxReceiveCount`, for the wire's echo.
        max_receive_count: u32,
    },
    /// The redrive policy names a queue of the other type, standard against FIFO.
    #[error("dead letter target {target} is of another type")]
    DeadLetterTargetOfOtherType {
        /// The ARN in the policy.
        target: QueueArn,
        /// The policy's `maxReceiveCount`, for the wire's echo.
        max_receive_count: u32,
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
    /// The receipt handle is not one of this queue's.
    #[error("receipt handle is not valid")]
    ReceiptHandleIsInvalid,
    /// The message of the receipt handle is gone.
    #[error("message does not exist or is not available for visibility timeout change")]
    MessageNotAvailable,
    /// Too many messages are in flight.
    #[error("{in_flight_max} messages are in flight, the limit")]
    OverLimit {
        /// The limit.
        in_flight_max: usize,
    },
}

/// What is wrong with a message attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageAttributeProblem {
    /// The name is empty, too long, starts or ends with a dot, or has other punctuation.
    #[error("the name may have letters, digits, '_', '-' and '.', not at its ends, and 1 to 256 of them")]
    Name,
    /// The name starts with `AWS.` or `Amazon.`.
    #[error("names starting with AWS. or Amazon. are reserved")]
    NameReserved,
    /// The type is not `String`, `Number` or `Binary`, alone or with a custom suffix.
    #[error("the type must be String, Number or Binary, alone or followed by a dot and a label")]
    Type,
    /// The value's member does not go with the type, or is empty.
    #[error("the value must be non-empty and of type {expected}")]
    Empty {
        /// The type that a value is missing for.
        expected: &'static str,
    },
    /// A `Number` that is none.
    #[error("the value is not a number")]
    NotANumber,
    /// The value has characters that SQS does not accept.
    #[error("the value contains characters that SQS does not accept")]
    Contents,
}
