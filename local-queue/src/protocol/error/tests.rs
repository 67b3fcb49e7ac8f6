//! Every error has a row, and every row a conformance rule.

use super::*;

/// Names the conformance rule that gets each error, for every variant: one that is not here does not compile.
macro_rules! rules {
    ($name:ident of $type:ident: $($variant:ident => $rule:literal,)*) => {
        fn $name() -> Vec<(&'static str, &'static str)> {
            let _is_exhaustive = |error: &$type| match error {
                $($type::$variant { .. } => {})*
            };
            vec![$((stringify!($variant), $rule)),*]
        }
    };
}

rules! { kinds of ErrorKind:
    BatchEntryIdsNotDistinct => "the first repeated id is named",
    BatchRequestTooLong => "a batch may be 1 MiB in all",
    EmptyBatchRequest => "an empty batch is refused",
    InternalError => "injected faults are 500 InternalError, 503 ServiceUnavailable and 400 ThrottlingException",
    InvalidAttributeName => "an unknown attribute name is 400 InvalidAttributeName",
    InvalidAttributeValue => "a bad attribute value is 400 InvalidAttributeValue",
    InvalidBatchEntryId => "an id is 1 to 80 letters, digits, hyphens or underscores, in all three actions",
    InvalidMessageContents => "a bad character in a body is 400 InvalidMessageContents",
    InvalidParameterValue => "a bad parameter is 400 InvalidParameterValue",
    MalformedInput => "malformed JSON, or JSON that is no object, is 400 SerializationException",
    MissingParameter => "a missing parameter is 400 MissingParameter",
    OverLimit => "more than a limit is 403 OverLimit",
    PurgeQueueInProgress => "a second purge too early is 403 PurgeQueueInProgress",
    QueueDeletedRecently => "a queue created again too early is 400 QueueDeletedRecently",
    QueueDoesNotExist => "a missing queue is 400 NonExistentQueue, also when the QueueUrl itself is missing",
    QueueNameExists => "a queue with other attributes is 400 QueueAlreadyExists",
    ReceiptHandleIsInvalid => "a garbage receipt handle is 404 ReceiptHandleIsInvalid",
    RequestThrottled => "over the quota, if it is switched on, a FIFO queue's action is 403 RequestThrottled",
    ResourceNotFound => "a missing resource of a move task is 404 ResourceNotFoundException",
    ServiceUnavailable => "injected faults are 500 InternalError, 503 ServiceUnavailable and 400 ThrottlingException",
    Throttling => "injected faults are 500 InternalError, 503 ServiceUnavailable and 400 ThrottlingException",
    TooManyEntriesInBatchRequest => "a batch has at most ten entries",
    UnknownOperation => "an unknown operation is 400 UnknownOperationException with the code InvalidAction",
    UnsupportedOperation => "list values of a message attribute are 400 UnsupportedOperation",
}

rules! { engine_errors of EngineError:
    QueueDoesNotExist => "a missing queue is worded differently in each protocol",
    QueueNameInvalid => "the text about a bad queue name",
    QueueTypeMismatch => "the suffix .fifo and FifoQueue=true need each other",
    QueueNameExists => "the first attribute that differs is named, without a full stop",
    QueueDeletedRecently => "a name can be used again 60 seconds after the queue was deleted",
    PurgeQueueInProgress => "a queue can be purged once in 60 seconds, and the error has its name",
    AttributeUnknown => "ContentBasedDeduplication is an unknown attribute of a standard queue",
    AttributeValueInvalid => "a number out of its range is a bad attribute value, which is named",
    QueueTypeCannotChange => "the type of a FIFO queue can be set to what it is, and not changed",
    TwoKindsOfEncryption => "both kinds of encryption in one request are refused",
    ThroughputLimitNeedsGroupScope =>
        "perMessageGroupId without the scope messageGroup is a bad attribute value",
    MaxReceiveCountInvalid => "the text about a maxReceiveCount outside of 1 to 1000",
    DeadLetterTargetDoesNotExist => "a dead-letter target must be there",
    DeadLetterTargetOfOtherType => "a dead-letter target must be of the same type",
    DeadLetterTargetDenies =>
        "a target is asked whether it admits a source when the source is set, and never again",
    TooManyTags => "the texts about tags: none, too many, a key that is empty or too long",
    Throttled => "over the quota, if it is switched on, a FIFO queue's action is 403 RequestThrottled",
    MessageEmpty => "an empty or absent body is a missing parameter",
    MessageContentsInvalid => "the text about a bad character names it and lists the good ones",
    MessageTooLong => "a message may be as long as the queue's limit, which the error shows",
    TooManyMessageAttributes => "a message has at most ten attributes",
    MessageAttributeInvalid => "bad names are refused",
    ParameterNotValidForQueueType =>
        "a delay of a message is refused unless it is zero, and then the queue's holds",
    OutOfRange => "a delay outside of 0 to 900 seconds is shown",
    TokenInvalid => "a bad group id is shown, also on a standard queue and when it is empty",
    VisibilityTimeoutTotal =>
        "a message is hidden for at most 43,200 seconds from its receive, and nothing is shortened",
    MessageGroupIdMissing => "a message without a group is a missing parameter",
    DeduplicationIdMissing => "a message needs a deduplication id unless the queue makes it from the content",
    ReceiptHandleIsInvalid => "a handle of another queue is shown",
    ReceiptHandleExpired => "on a FIFO queue an expired handle is refused, and shown",
    MessageNotAvailable => "a deleted message's visibility cannot be changed, and the handle is shown",
    StorageFull => "what would take more memory than there may be is 503 ServiceUnavailable",
    Unavailable => "what cannot be kept, because the disk takes nothing, is 503 ServiceUnavailable",
    TooManyWaiting => "a receive that would wait beside as many as may wait is 503 ServiceUnavailable",
    OverLimit => "at the limit in flight a short poll of a standard queue is over the limit",
    MessageMoveTask => "only a dead-letter queue can be a source",
}

rules! { attribute_problems of MessageAttributeProblem:
    Name => "bad names are refused",
    NameReserved => "the text about reserved names",
    ValueMissing => "an attribute without anything lacks a value",
    TypeMissing => "a type that lacks is named",
    Type => "a type begins with Binary, Number or String, in this spelling",
    Empty => "an empty value is refused",
    NotANumber => "a number that is none is refused",
    Contents => "bad characters in the value of an attribute are a bad parameter, not bad contents",
}

rules! { move_task_problems of MoveTaskProblem:
    SourceDoesNotExist => "a source or a destination that is not there is named",
    DestinationDoesNotExist => "a source or a destination that is not there is named",
    SourceIsNoDeadLetterQueue => "only a dead-letter queue can be a source",
    SameQueue => "the texts about one queue twice, another type, and a rate outside of 1 to 500",
    OtherType => "the texts about one queue twice, another type, and a rate outside of 1 to 500",
    RateOutOfRange => "the texts about one queue twice, another type, and a rate outside of 1 to 500",
    AlreadyRunning => "a source has one task at a time",
    TaskDoesNotExist => "a handle of garbage, of no task, or of no queue is told apart",
    NotRunning => "a task that has ended cannot be cancelled",
}

#[test]
fn every_error_has_a_conformance_rule() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/conformance");
    let Ok(files) = std::fs::read_dir(directory) else {
        local_queue_terminal::note(format_args!("skipped: the conformance rules are not beside this crate"));
        return;
    };
    let sources = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect::<String>();
    for (error, rule) in [kinds(), engine_errors(), attribute_problems(), move_task_problems()].concat() {
        assert!(sources.contains(&format!("\"{rule}\"")), "{error} has no rule {rule:?}");
    }
}
