//! What goes wrong, as AWS says it: status, type, code and text. The one place where an engine error gets its code.

use std::borrow::Cow;

use http::StatusCode;

use crate::engine::{EngineError, MessageAttributeProblem};

/// The kinds of error that the wire knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
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

impl ErrorKind {
    /// The table. Status, type and code are recorded from AWS for each row but `OverLimit`, which is documented.
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

/// An error with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: Cow<'static, str>,
}

impl WireError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into() }
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

    pub(crate) fn queue_does_not_exist() -> Self {
        Self::new(ErrorKind::QueueDoesNotExist, "The specified queue does not exist.")
    }

    pub(crate) fn receipt_handle(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new(ErrorKind::ReceiptHandleIsInvalid, message)
    }

    /// An error about a message that was named by this handle, whose text AWS echoes.
    pub(crate) fn of_handle(error: EngineError, handle: &str) -> Self {
        match error {
            EngineError::ReceiptHandleIsInvalid => Self::receipt_handle(handle),
            EngineError::MessageNotAvailable => Self::invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            ),
            other => other.into(),
        }
    }

    /// As this error reads in an entry of a batch, where AWS words one of them differently (recorded).
    pub(crate) fn in_batch_entry(mut self) -> Self {
        if let Some(rest) = self.message.strip_prefix("One or more parameters are invalid.") {
            self.message = format!("One or more parameters cannot be validated.{rest}").into();
        }
        self
    }
}

const QUEUE_NAME: &str = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
const FIFO_QUEUE_NAME: &str = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
                               underscores, must end with .fifo suffix and be 1 to 80 in length.";
const QUEUE_DELETED_RECENTLY: &str =
    "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
const ALLOWED_CHARACTERS: &str =
    "the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";

impl From<EngineError> for WireError {
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
            EngineError::AttributeUnknown { attribute } => Self::unknown_attribute(attribute.as_str()),
            EngineError::AttributeValueInvalid { attribute } => Self::attribute_value(attribute.as_str()),
            EngineError::MaxReceiveCountInvalid { .. }
            | EngineError::DeadLetterTargetDoesNotExist { .. }
            | EngineError::DeadLetterTargetOfOtherType { .. } => redrive_policy(&error),
            EngineError::MessageEmpty => Self::missing("MessageBody"),
            EngineError::MessageContentsInvalid { .. } => {
                let message = format!("Invalid binary character was found in the message body, {ALLOWED_CHARACTERS}");
                Self::new(Kind::InvalidMessageContents, message)
            }
            EngineError::MessageTooLong { bytes_max, .. } => Self::new(
                Kind::InvalidParameterValue,
                format!("One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."),
            ),
            EngineError::TooManyMessageAttributes { count, count_max } => Self::new(
                Kind::InvalidParameterValue,
                format!("Number of message attributes [{count}] exceeds the allowed maximum [{count_max}]."),
            ),
            EngineError::MessageAttributeInvalid { name, problem } => {
                Self::new(Kind::InvalidParameterValue, message_attribute(&name, &problem))
            }
            EngineError::ParameterNotValidForQueueType { parameter, value } => Self::invalid_value(
                value,
                parameter,
                "The request include parameter that is not valid for this queue type.",
            ),
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
            EngineError::ReceiptHandleIsInvalid | EngineError::MessageNotAvailable => Self::of_handle(error, ""),
            EngineError::OverLimit { in_flight_max } => Self::new(
                Kind::OverLimit,
                format!("Too many messages are in flight: the limit is {in_flight_max} for each queue."),
            ),
        }
    }
}

fn redrive_policy(error: &EngineError) -> WireError {
    let (policy, reason) = match error {
        EngineError::MaxReceiveCountInvalid { count } => (
            format!("{{\"maxReceiveCount\":{count}}}"),
            format!("Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."),
        ),
        EngineError::DeadLetterTargetDoesNotExist { target, max_receive_count } => (
            format!("{{\"deadLetterTargetArn\":\"{target}\",\"maxReceiveCount\":{max_receive_count}}}"),
            "Dead letter target does not exist.".to_owned(),
        ),
        EngineError::DeadLetterTargetOfOtherType { target, max_receive_count } => (
            format!("{{\"deadLetterTargetArn\":\"{target}\",\"maxReceiveCount\":{max_receive_count}}}"),
            "Dead-letter queue must be same type of queue as the source.".to_owned(),
        ),
        other => (String::new(), other.to_string()),
    };
    WireError::invalid_value(policy, "RedrivePolicy", &reason)
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
        MessageAttributeProblem::NotANumber => {
            format!("Can't cast the value of message (user) attribute '{name}' to a number.")
        }
        MessageAttributeProblem::Empty { expected } => {
            format!("Message (user) attribute '{name}' must contain a non-empty value of type '{expected}'.")
        }
        MessageAttributeProblem::NameReserved => "You can't use message attribute names beginning with 'AWS.' or \
             'Amazon'. These strings are reserved for internal use."
            .to_owned(),
        MessageAttributeProblem::Name => format!(
            "Message (user) attribute name '{name}' is invalid: it can contain alphanumeric characters, underscores, \
             hyphens and periods, must not start or end with a period, and can be at most 256 characters long."
        ),
        MessageAttributeProblem::Contents => {
            format!("Invalid binary character was found in the message (user) attribute '{name}', {ALLOWED_CHARACTERS}")
        }
    }
}
