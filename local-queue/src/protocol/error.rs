//! What goes wrong, as AWS says it: status, type, code and text. The one place where an engine error gets its code.

use std::borrow::Cow;

use http::StatusCode;

use crate::engine::{AttributeName, EngineError, MessageAttributeProblem, MoveTaskProblem, RedrivePolicy};

/// The kinds of error that the wire knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InternalError,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MalformedInput,
    MissingParameter,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    RequestThrottled,
    ResourceNotFound,
    ServiceUnavailable,
    Throttling,
    TooManyEntriesInBatchRequest,
    UnknownOperation,
    UnsupportedOperation,
}

/// How one kind of error looks on the wire.
pub(crate) struct Row {
    pub(crate) status: StatusCode,
    /// The `__type` of AWS JSON. Errors of SQS's own model and those of AWS's framework differ in their namespace.
    pub(crate) json_type: &'static str,
    /// The code of the Query protocol, which SDKs show in both.
    pub(crate) code: &'static str,
}

impl Row {
    /// Who is to blame, in AWS's words.
    pub(crate) fn fault(&self) -> &'static str {
        if self.status.is_server_error() { "Receiver" } else { "Sender" }
    }
}

impl ErrorKind {
    /// The table. Status, type and code are recorded from AWS for each row but `OverLimit` and
    /// `RequestThrottled`, which are documented, and the three that only an injected fault brings about: `InternalError`,
    /// `ServiceUnavailable` and `Throttling`, whose types are those of other AWS services.
    pub(crate) const fn row(self) -> Row {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
        let (status, json_type, code) = match self {
            Self::BatchEntryIdsNotDistinct => {
                (BAD, "com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
            }
            Self::BatchRequestTooLong => {
                (BAD, "com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
            }
            Self::EmptyBatchRequest => {
                (BAD, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
            }
            Self::InternalError => {
                (StatusCode::INTERNAL_SERVER_ERROR, "com.amazon.coral.service#InternalFailure", "InternalError")
            }
            Self::InvalidAttributeName => (BAD, "com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName"),
            Self::InvalidAttributeValue => (BAD, "com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue"),
            Self::InvalidBatchEntryId => {
                (BAD, "com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
            }
            Self::InvalidMessageContents => (BAD, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents"),
            Self::InvalidParameterValue => {
                (BAD, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue")
            }
            Self::MalformedInput => (BAD, "com.amazon.coral.service#SerializationException", "MalformedInput"),
            Self::MissingParameter => {
                (BAD, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter")
            }
            Self::OverLimit => (FORBIDDEN, "com.amazonaws.sqs#OverLimit", "OverLimit"),
            Self::PurgeQueueInProgress => {
                (FORBIDDEN, "com.amazonaws.sqs#PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress")
            }
            Self::QueueDeletedRecently => {
                (BAD, "com.amazonaws.sqs#QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently")
            }
            Self::QueueDoesNotExist => {
                (BAD, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
            }
            Self::QueueNameExists => (BAD, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists"),
            Self::ReceiptHandleIsInvalid => {
                (StatusCode::NOT_FOUND, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid")
            }
            Self::RequestThrottled => (FORBIDDEN, "com.amazonaws.sqs#RequestThrottled", "RequestThrottled"),
            Self::ResourceNotFound => {
                (StatusCode::NOT_FOUND, "com.amazonaws.sqs#ResourceNotFoundException", "ResourceNotFoundException")
            }
            Self::ServiceUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "com.amazon.coral.service#ServiceUnavailableException",
                "ServiceUnavailable",
            ),
            Self::Throttling => (BAD, "com.amazon.coral.availability#ThrottlingException", "ThrottlingException"),
            Self::TooManyEntriesInBatchRequest => (
                BAD,
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::UnknownOperation => (BAD, "com.amazon.coral.service#UnknownOperationException", "InvalidAction"),
            Self::UnsupportedOperation => {
                (BAD, "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation")
            }
        };
        Row { status, json_type, code }
    }
}

/// Characters of a garbage receipt handle that an error repeats.
const HANDLE_SHOWN_MAX: usize = 1_024;

/// An error with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: Cow<'static, str>,
    /// What it is in an entry of a batch, if AWS words it differently there.
    in_entry: Option<InEntry>,
}

/// Errors that read differently in an entry of a batch: a message that is too long (recorded), a parameter of the other
/// type of queue, and an expired handle, which has another code too (both quoted by users).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InEntry {
    MessageTooLong { bytes_max: u64 },
    OtherQueueType,
    HandleExpired,
}

impl WireError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), in_entry: None }
    }

    fn or_in_entry(self, in_entry: InEntry) -> Self {
        Self { in_entry: Some(in_entry), ..self }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(ErrorKind::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }

    pub(crate) fn invalid_value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new(ErrorKind::InvalidParameterValue, message)
    }

    pub(crate) fn unknown_attribute(name: &str) -> Self {
        Self::new(ErrorKind::InvalidAttributeName, format!("Unknown Attribute {name}."))
    }

    pub(crate) fn attribute_value(name: &str) -> Self {
        Self::new(ErrorKind::InvalidAttributeValue, format!("Invalid value for the parameter {name}."))
    }

    /// A queue to be created is there with other tags. AWS's text is not known.
    pub(crate) fn other_tags() -> Self {
        Self::new(ErrorKind::QueueNameExists, "A queue already exists with the same name and different tags")
    }

    pub(crate) fn internal() -> Self {
        Self::new(ErrorKind::InternalError, "The request could not be completed because of an internal error.")
    }

    pub(crate) fn queue_does_not_exist() -> Self {
        Self::new(ErrorKind::QueueDoesNotExist, "The specified queue does not exist.")
    }

    /// A handle that is none.
    pub(crate) fn receipt_handle(handle: &str) -> Self {
        // A handle has 412 characters; of what is much longer the beginning will do.
        let shown = handle.char_indices().nth(HANDLE_SHOWN_MAX).map_or(handle, |(end, _)| &handle[..end]);
        let message = format!("The input receipt handle \"{shown}\" is not a valid receipt handle.");
        Self::new(ErrorKind::ReceiptHandleIsInvalid, message)
    }

    /// An error about attributes, among them perhaps this redrive policy: AWS shows it as it came (quoted by users).
    pub(crate) fn from_attributes(error: EngineError, given: Option<&str>) -> Self {
        match (given, redrive_policy(&error)) {
            (Some(given), Some((_, reason))) => Self::invalid_value(given, "RedrivePolicy", &reason),
            _ => error.into(),
        }
    }

    /// An error about a message that was named by this handle, whose text AWS echoes.
    pub(crate) fn from_handle(error: EngineError, handle: &str) -> Self {
        match error {
            EngineError::ReceiptHandleIsInvalid => Self::new(
                ErrorKind::ReceiptHandleIsInvalid,
                format!("The receipt handle \"{handle}\" is not valid for this queue."),
            ),
            EngineError::MessageNotAvailable => Self::invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            ),
            EngineError::ReceiptHandleExpired => {
                Self::invalid_value(handle, "ReceiptHandle", HANDLE_EXPIRED).or_in_entry(InEntry::HandleExpired)
            }
            other => other.into(),
        }
    }

    /// As this error reads in an entry of a batch.
    pub(crate) fn in_batch_entry(self) -> Self {
        match self.in_entry {
            None => self,
            Some(InEntry::MessageTooLong { bytes_max }) => Self::new(
                self.kind,
                format!(
                    "One or more parameters cannot be validated. Reason: Message must be shorter than {bytes_max} bytes."
                ),
            ),
            Some(InEntry::OtherQueueType) => {
                Self::new(self.kind, "The request include parameter that is not valid for this queue type")
            }
            Some(InEntry::HandleExpired) => {
                Self::new(ErrorKind::ReceiptHandleIsInvalid, "The receipt handle has expired")
            }
        }
    }
}

const OTHER_QUEUE_TYPE: &str = "The request include parameter that is not valid for this queue type.";
const HANDLE_EXPIRED: &str = "The receipt handle has expired.";
const QUEUE_NAME: &str = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
const FIFO_QUEUE_NAME: &str = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
                               underscores, must end with .fifo suffix and be 1 to 80 in length.";
const QUEUE_DELETED_RECENTLY: &str =
    "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
const TWO_KINDS_OF_ENCRYPTION: &str = "You can use one type of server-side encryption (SSE) at one time. You can either \
                                       enable KMS SSE or SQS SSE.";
const THROUGHPUT_LIMIT_NEEDS_GROUP_SCOPE: &str =
    "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup";
const DEDUPLICATION_ID_MISSING: &str =
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
const TOO_MANY_IN_FLIGHT: &str = "Too many messages have been received without being deleted. Please delete your received \
                                  messages or let them timeout before receiving more.";
const ALLOWED_CHARACTERS: &str = "the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | \
                                  [#x10000-#x10FFFF].";
pub(super) const THROTTLED: &str = "Request is throttled.";

impl From<EngineError> for WireError {
    #[expect(clippy::too_many_lines, reason = "one table without a catch-all: an error without a row does not compile")]
    fn from(error: EngineError) -> Self {
        use ErrorKind as Kind;
        match error {
            EngineError::QueueDoesNotExist { .. } => Self::queue_does_not_exist(),
            EngineError::QueueNameInvalid { .. } => Self::new(Kind::InvalidParameterValue, QUEUE_NAME),
            EngineError::QueueTypeMismatch { name } => Self::invalid_value(name, "QueueName", FIFO_QUEUE_NAME),
            EngineError::QueueNameExists { attribute } => Self::new(
                Kind::QueueNameExists,
                format!("A queue already exists with the same name and a different value for attribute {attribute}"),
            ),
            EngineError::QueueDeletedRecently { .. } => Self::new(Kind::QueueDeletedRecently, QUEUE_DELETED_RECENTLY),
            EngineError::PurgeQueueInProgress { queue } => Self::new(
                Kind::PurgeQueueInProgress,
                format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", queue.name()),
            ),
            EngineError::AttributeUnknown {
                attribute: attribute @ (AttributeName::DeduplicationScope | AttributeName::FifoThroughputLimit),
            } => Self::new(
                Kind::InvalidAttributeName,
                format!("You can specify the {attribute} only when FifoQueue is set to true."),
            ),
            EngineError::AttributeUnknown { attribute } => Self::unknown_attribute(attribute.as_str()),
            EngineError::AttributeValueInvalid { attribute } => Self::attribute_value(attribute.as_str()),
            EngineError::QueueTypeCannotChange => Self::new(
                Kind::InvalidAttributeValue,
                "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
            ),
            EngineError::TwoKindsOfEncryption => Self::new(Kind::InvalidAttributeName, TWO_KINDS_OF_ENCRYPTION),
            EngineError::ThroughputLimitNeedsGroupScope => {
                Self::new(Kind::InvalidAttributeValue, THROUGHPUT_LIMIT_NEEDS_GROUP_SCOPE)
            }
            EngineError::MaxReceiveCountInvalid { .. }
            | EngineError::DeadLetterTargetDoesNotExist { .. }
            | EngineError::DeadLetterTargetOfOtherType { .. }
            | EngineError::DeadLetterTargetDenies { .. } => match redrive_policy(&error) {
                Some((RedrivePolicy { dead_letter_target: target, max_receive_count: count }, reason)) => {
                    let shown = format!("{{\"deadLetterTargetArn\":\"{target}\",\"maxReceiveCount\":{count}}}");
                    Self::invalid_value(shown, "RedrivePolicy", &reason)
                }
                None => unreachable!("{error:?} is about a redrive policy"),
            },
            EngineError::TooManyTags { queue, .. } => {
                Self::new(Kind::InvalidParameterValue, format!("Too many tags added for queue {}.", queue.name()))
            }
            EngineError::Throttled { .. } => Self::new(Kind::RequestThrottled, THROTTLED),
            EngineError::MessageMoveTask(problem) => move_task(problem),
            EngineError::MessageEmpty => Self::missing("MessageBody"),
            EngineError::MessageContentsInvalid { character } => Self::new(
                Kind::InvalidMessageContents,
                format!(
                    "Invalid binary character '#x{character:X}' was found in the message body, {ALLOWED_CHARACTERS}"
                ),
            ),
            EngineError::MessageTooLong { bytes_max, .. } => Self::new(
                Kind::InvalidParameterValue,
                format!("One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."),
            )
            .or_in_entry(InEntry::MessageTooLong { bytes_max }),
            EngineError::TooManyMessageAttributes { count, count_max } => Self::new(
                Kind::InvalidParameterValue,
                format!("Number of message attributes [{count}] exceeds the allowed maximum [{count_max}]."),
            ),
            EngineError::MessageAttributeInvalid { name, problem } => {
                Self::new(Kind::InvalidParameterValue, message_attribute(&name, &problem))
            }
            EngineError::ParameterNotValidForQueueType { parameter, value } => {
                Self::invalid_value(value, parameter, OTHER_QUEUE_TYPE).or_in_entry(InEntry::OtherQueueType)
            }
            EngineError::OutOfRange { parameter, value, min, max } => {
                Self::invalid_value(value, parameter, &range(parameter, min, max))
            }
            EngineError::TokenInvalid { parameter, value } => Self::invalid_value(
                value,
                parameter,
                &format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."),
            ),
            EngineError::VisibilityTimeoutTotal { timeout, total_max } => Self::invalid_value(
                timeout.as_secs(),
                "VisibilityTimeout",
                &format!(
                    "Total VisibilityTimeout for the message is beyond the limit [{} seconds]",
                    total_max.as_secs()
                ),
            ),
            EngineError::ReceiptHandleIsInvalid
            | EngineError::ReceiptHandleExpired
            | EngineError::MessageNotAvailable => Self::from_handle(error, ""),
            EngineError::MessageGroupIdMissing => Self::missing("MessageGroupId"),
            EngineError::DeduplicationIdMissing => Self::new(Kind::InvalidParameterValue, DEDUPLICATION_ID_MISSING),
            EngineError::StorageFull { stored_bytes, stored_bytes_max } => Self::new(
                Kind::ServiceUnavailable,
                format!(
                    "Queues and messages take {stored_bytes} bytes of memory, of at most {stored_bytes_max} (--memory-max). \
                     Receive and delete messages, or purge a queue."
                ),
            ),
            EngineError::Unavailable { reason } => Self::new(Kind::ServiceUnavailable, format!("Try again: {reason}.")),
            EngineError::TooManyWaiting { waiting_max } => Self::new(
                Kind::ServiceUnavailable,
                format!("{waiting_max} receives wait for a message already, which is the limit (--waiting-max)."),
            ),
            EngineError::OverLimit { .. } => Self::new(Kind::OverLimit, TOO_MANY_IN_FLIGHT),
        }
    }
}

/// The redrive policy that an error is about, and what is wrong with it.
fn redrive_policy(error: &EngineError) -> Option<(&RedrivePolicy, Cow<'static, str>)> {
    Some(match error {
        EngineError::MaxReceiveCountInvalid { policy } => {
            let count = policy.max_receive_count;
            let reason =
                format!("Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.");
            (policy, reason.into())
        }
        EngineError::DeadLetterTargetDoesNotExist { policy } => (policy, "Dead letter target does not exist.".into()),
        EngineError::DeadLetterTargetOfOtherType { policy } => {
            (policy, "Dead-letter queue must be same type of queue as the source.".into())
        }
        EngineError::DeadLetterTargetDenies { policy } => {
            (policy, "Queue does not have permission to use the specified dead-letter queue.".into())
        }
        _ => return None,
    })
}

fn move_task(problem: MoveTaskProblem) -> WireError {
    let (kind, message) = match problem {
        MoveTaskProblem::SourceDoesNotExist => {
            (ErrorKind::ResourceNotFound, "The resource that you specified for the SourceArn parameter doesn't exist.")
        }
        MoveTaskProblem::DestinationDoesNotExist => (
            ErrorKind::ResourceNotFound,
            "The resource that you specified for the DestinationArn parameter doesn't exist.",
        ),
        MoveTaskProblem::SourceIsNoDeadLetterQueue => {
            (ErrorKind::InvalidParameterValue, "Source queue must be configured as a Dead Letter Queue.")
        }
        MoveTaskProblem::SameQueue => {
            (ErrorKind::InvalidParameterValue, "Source queue arn and destination queue arn cannot be the same.")
        }
        MoveTaskProblem::OtherType => {
            (ErrorKind::InvalidParameterValue, "The source queue and destination queue must be of the same queue type.")
        }
        MoveTaskProblem::RateOutOfRange => (
            ErrorKind::InvalidParameterValue,
            "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's \
             between 1 and 500.",
        ),
        MoveTaskProblem::AlreadyRunning => (
            ErrorKind::InvalidParameterValue,
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ),
        MoveTaskProblem::TaskDoesNotExist => (ErrorKind::ResourceNotFound, "Task does not exist."),
        MoveTaskProblem::NotRunning => (ErrorKind::InvalidParameterValue, "Only active tasks can be cancelled."),
    };
    WireError::new(kind, message)
}

/// The texts differ by parameter (recorded for the receive's, quoted by users for the delay's).
fn range(parameter: &str, min: u64, max: u64) -> String {
    match parameter {
        "MaxNumberOfMessages" => format!("Must be between {min} and {max}, if provided."),
        "DelaySeconds" => format!("DelaySeconds must be >= {min} and <= {max}."),
        _ => format!("Must be >= {min} and <= {max}, if provided."),
    }
}

fn message_attribute(name: &str, problem: &MessageAttributeProblem) -> String {
    match problem {
        MessageAttributeProblem::Type => format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type \
             prefixes: Binary, Number, String."
        ),
        MessageAttributeProblem::ValueMissing => {
            format!("The message attribute '{name}' must contain non-empty message attribute value.")
        }
        MessageAttributeProblem::TypeMissing => {
            format!("The message attribute '{name}' must contain non-empty message attribute type.")
        }
        MessageAttributeProblem::NotANumber => {
            format!("Can't cast the value of message (user) attribute '{name}' to a number.")
        }
        MessageAttributeProblem::Empty { expected } => {
            format!("Message (user) attribute '{name}' must contain a non-empty value of type '{expected}'.")
        }
        MessageAttributeProblem::NameReserved => "You can't use message attribute names beginning with 'AWS.' or \
             'Amazon'. These strings are reserved for internal use."
            .to_owned(),
        MessageAttributeProblem::Name if name.is_empty() => {
            "The request must contain non-empty message attribute name.".to_owned()
        }
        MessageAttributeProblem::Name => format!(
            "Message (user) attribute name '{name}' is invalid: it can contain alphanumeric characters, underscores, \
             hyphens and periods, must not start or end with a period, and can be at most 256 characters long."
        ),
        MessageAttributeProblem::Contents => {
            format!("Invalid binary character was found in the message (user) attribute '{name}', {ALLOWED_CHARACTERS}")
        }
    }
}

#[cfg(test)]
mod tests;
