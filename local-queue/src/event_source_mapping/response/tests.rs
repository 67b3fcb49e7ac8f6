use super::*;
use crate::{
    engine::MessageAttributes,
    event_source_mapping::{invoker::RESPONSE_BYTES_MAX, source::SystemAttributes},
};

fn batch(ids: &[&str]) -> Vec<SourceMessage> {
    let message = |id: &&str| SourceMessage {
        message_id: (*id).to_owned(),
        receipt_handle: format!("handle of {id}"),
        body: "body".to_owned(),
        message_attributes: MessageAttributes::default(),
        system_attributes: SystemAttributes::default(),
    };
    ids.iter().map(message).collect()
}

fn outcome(reply: &str, report: bool) -> BatchOutcome {
    BatchOutcome::from_reply(Ok(Bytes::copy_from_slice(reply.as_bytes())), &batch(&["a", "b", "c"]), report)
}

/// Replies to a batch of `a`, `b` and `c`, and which of them are deleted.
const REPLIES: &[(&str, &str, &str)] = &[
    ("no failures", r#"{"batchItemFailures":[]}"#, "abc"),
    ("null failures", r#"{"batchItemFailures":null}"#, "abc"),
    ("an empty object", "{}", "abc"),
    ("null", "null", "abc"),
    ("nothing at all", "", "abc"),
    ("an HTTP response", r#"{"statusCode":200,"body":"ok"}"#, "abc"),
    ("the key in other letters", r#"{"BatchItemFailures":[{"itemIdentifier":"a"}]}"#, "abc"),
    ("one id", r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, "ac"),
    ("one id among other keys", r#"{"x":1,"batchItemFailures":[{"itemIdentifier":"b","reason":"r"}]}"#, "ac"),
    ("two ids", r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}"#, "b"),
    ("all ids", r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}"#, ""),
    ("an id twice", r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"a"}]}"#, "bc"),
];

#[test]
fn a_reply_that_reports_items_leaves_exactly_those() {
    for (name, reply, deleted) in REPLIES {
        let outcome = outcome(reply, true);
        let found: String =
            ["a", "b", "c"].into_iter().enumerate().filter(|(i, _)| outcome.deletes(*i)).map(|(_, id)| id).collect();
        assert_eq!(&found, deleted, "{name}: {reply}");
        assert_eq!(matches!(outcome, BatchOutcome::Succeeded), *deleted == "abc", "{name}: {outcome:?}");
        assert!(!matches!(outcome, BatchOutcome::Failed(_)), "{name}: {outcome:?}");
    }
}

/// Replies to the same batch that fail it whole, and what is said about them.
const MALFORMED: &[(&str, &str, &str)] = &[
    (
        "an empty id",
        r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
        "itemIdentifier of batchItemFailures[0] is empty",
    ),
    (
        "a null id",
        r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":null}]}"#,
        "itemIdentifier of batchItemFailures[1] is null, not a string",
    ),
    (
        "a wrong key",
        r#"{"batchItemFailures":[{"foo":"x"}]}"#,
        "batchItemFailures[0] has no itemIdentifier, only [\"foo\"]",
    ),
    (
        "the key in other letters",
        r#"{"batchItemFailures":[{"ItemIdentifier":"a"}]}"#,
        "batchItemFailures[0] has no itemIdentifier, only [\"ItemIdentifier\"]",
    ),
    ("an empty item", r#"{"batchItemFailures":[{}]}"#, "batchItemFailures[0] has no itemIdentifier, only []"),
    (
        "an unknown id among known ones",
        r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"zz"}]}"#,
        "itemIdentifier \"zz\" of batchItemFailures[1] is not in the batch",
    ),
    ("not JSON", "done", "reply is not JSON: expected value at line 1 column 1"),
    ("only white space", " ", "reply is not JSON: EOF while parsing a value at line 1 column 1"),
    ("JSON with a tail", "{} {}", "reply is not JSON: trailing characters at line 1 column 4"),
    ("failures as an object", r#"{"batchItemFailures":{}}"#, "batchItemFailures is an object, not an array"),
    ("failures as text", r#"{"batchItemFailures":"a"}"#, "batchItemFailures is a string, not an array"),
    ("failures as a boolean", r#"{"batchItemFailures":false}"#, "batchItemFailures is a boolean, not an array"),
    ("an item as text", r#"{"batchItemFailures":["a"]}"#, "batchItemFailures[0] is a string, not an object"),
    ("an item as null", r#"{"batchItemFailures":[null]}"#, "batchItemFailures[0] is null, not an object"),
    (
        "an id as a number",
        r#"{"batchItemFailures":[{"itemIdentifier":5}]}"#,
        "itemIdentifier of batchItemFailures[0] is a number, not a string",
    ),
    (
        "an id as a list",
        r#"{"batchItemFailures":[{"itemIdentifier":["a"]}]}"#,
        "itemIdentifier of batchItemFailures[0] is an array, not a string",
    ),
    ("an array", "[]", "reply is an array, not an object"),
    ("a string", r#""ok""#, "reply is a string, not an object"),
    ("a number", "0", "reply is a number, not an object"),
    ("a boolean", "true", "reply is a boolean, not an object"),
];

#[test]
fn a_malformed_reply_fails_the_whole_batch_and_says_why() {
    for (name, reply, reason) in MALFORMED {
        let outcome = outcome(reply, true);
        let BatchOutcome::Failed(failure) = &outcome else { panic!("{name}: {outcome:?}") };
        assert_eq!(failure.to_string(), *reason, "{name}");
        assert!((0..3).all(|index| !outcome.deletes(index)), "{name}");
    }
    let bytes = Bytes::from_static(b"{\"batchItemFailures\":[\"\xff\"]}");
    let outcome = BatchOutcome::from_reply(Ok(bytes), &batch(&["a"]), true);
    assert!(matches!(outcome, BatchOutcome::Failed(BatchFailure::NotJson { .. })), "{outcome:?}");
}

#[test]
fn without_report_batch_item_failures_any_reply_is_a_success() {
    for (name, reply, _) in REPLIES.iter().chain(MALFORMED) {
        assert_eq!(outcome(reply, false), BatchOutcome::Succeeded, "{name}");
    }
}

#[test]
fn a_function_error_fails_the_whole_batch_whatever_was_to_be_reported() {
    let errors = [
        FunctionError::Failed { error_type: "Oops".to_owned(), message: "no".to_owned() },
        FunctionError::Crashed { message: "exit status 3".to_owned() },
        FunctionError::TimedOut { timeout: std::time::Duration::from_secs(3) },
        FunctionError::ResponseTooLarge { bytes: RESPONSE_BYTES_MAX + 1 },
    ];
    for (error, report) in errors.iter().flat_map(|error| [(error, true), (error, false)]) {
        let outcome = BatchOutcome::from_reply(Err(error.clone()), &batch(&["a", "b"]), report);
        assert_eq!(outcome, BatchOutcome::Failed(BatchFailure::Function(error.clone())));
        assert!(!outcome.deletes(0) && !outcome.deletes(1));
    }
}

#[test]
fn a_message_that_is_twice_in_a_batch_fails_at_both_places() {
    let reply = Bytes::from_static(br#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
    let outcome = BatchOutcome::from_reply(Ok(reply), &batch(&["a", "b", "a"]), true);
    assert_eq!(outcome, BatchOutcome::PartiallyFailed { failed: BTreeSet::from([0, 2]) });
}

#[test]
fn an_endless_identifier_is_shortened_in_the_reason() {
    let reply = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{}"}}]}}"#, "\u{e4}".repeat(1_000));
    let BatchOutcome::Failed(failure) = outcome(&reply, true) else { panic!("the identifier is unknown") };
    assert!(failure.to_string().chars().count() < 200, "{failure}");
}

#[test]
fn the_line_of_a_failed_batch_says_whose_it_is_and_why_and_cannot_command_a_terminal() {
    let line = |failure: BatchFailure| failure.line("resize", "jobs", 10, "r1");
    let table = [
        (
            FunctionError::ResponseTooLarge { bytes: 7_340_034 }.into(),
            "response payload size (7340034 bytes) exceeded maximum allowed payload size (6291556 bytes) \
             (Function.ResponseSizeTooLarge, request r1)",
        ),
        (
            FunctionError::TimedOut { timeout: std::time::Duration::from_secs(3) }.into(),
            "function timed out after 3.00 seconds (Sandbox.Timedout, request r1)",
        ),
        (
            FunctionError::Crashed { message: "signal: killed".to_owned() }.into(),
            "function crashed: signal: killed (Runtime.ExitError, request r1)",
        ),
        (
            FunctionError::Failed { error_type: "BadJob".to_owned(), message: "a\nb\u{1b}[2J\u{202e}".to_owned() }
                .into(),
            "function failed with BadJob: a\\nb\\u{1b}[2J\\u{202e} (BadJob, request r1)",
        ),
        (
            BatchFailure::IdentifierUnknown { index: 2, identifier: "x".to_owned() },
            "itemIdentifier \"x\" of batchItemFailures[2] is not in the batch (invalid batch response, request r1)",
        ),
        (
            BatchFailure::IdentifierMissing { index: 0, keys: vec!["foo".to_owned()] },
            "batchItemFailures[0] has no itemIdentifier, only [\"foo\"] (invalid batch response, request r1)",
        ),
    ];
    for (failure, expected) in table {
        assert_eq!(line(failure), format!("resize: a batch of 10 messages of jobs failed: {expected}"));
    }
    let long = FunctionError::Crashed { message: "\u{e9}".repeat(1_000_000) };
    assert!(line(long.into()).chars().count() < 1_200);
}
