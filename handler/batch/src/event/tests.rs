use super::*;
use crate::failure::Retry;
use serde_json::json;

#[test]
fn a_record_as_aws_sends_it_is_read_whole() {
    let event = json!({ "Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "AQEB", "body": "hello",
        "attributes": { "ApproximateReceiveCount": "3", "SentTimestamp": "1545082649183", "MessageGroupId": "g" },
        "messageAttributes": {
            "n": { "stringValue": "6", "stringListValues": [], "binaryListValues": [], "dataType": "Number" },
            "b": { "binaryValue": "AQID", "dataType": "Binary" }
        },
        "md5OfMessageAttributes": null, "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:q.fifo", "awsRegion": "us-east-2"
    }] });
    let records = parse(&event.to_string()).unwrap();
    let message = &records[0].message;
    assert_eq!(records[0].problem, None);
    assert_eq!((message.receive_count(), message.is_fifo(), message.group()), (3, true, Some("g")));
    assert_eq!(message.message_attributes["n"].value, AttributeValue::Text("6".to_owned()));
    assert_eq!(message.message_attributes["b"].value, AttributeValue::Binary(vec![1, 2, 3]));
}

#[test]
fn what_is_not_an_sqs_event_is_named() {
    for (event, expected) in [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("7", "found a number"),
        ("[]", "found a list"),
        ("null", "found null"),
        ("{}", "the keys []"),
        (r#"{"source":"aws.events","detail":{}}"#, r#"the keys ["detail", "source"]"#),
        (r#"{"Records":{}}"#, "\"Records\" that is an object"),
        (r#"{"Records":null}"#, "\"Records\" that is null"),
        (r#"{"Records":[{"eventSource":"aws:s3"}]}"#, "records are of \"aws:s3\""),
        (r#"{"Records":[{"EventSource":"aws:sns"}]}"#, "records are of \"aws:sns\""),
    ] {
        let error = parse(event).unwrap_err().to_string();
        assert!(error.contains(expected), "{event}: {error}");
    }
    assert_eq!(parse(r#"{"Records":[]}"#).unwrap(), []);
}

/// Each row is a record that makes typed envelopes fail as a whole. Here it costs itself at most.
#[test]
fn a_bad_record_is_still_a_record() {
    let table: Vec<(&str, Option<&str>)> = vec![
        (r#"{"messageId":"m","body":"x","attributes":{"ApproximateReceiveCount":3}}"#, None),
        (r#"{"messageId":"m","body":"x","attributes":{"ApproximateReceiveCount":null}}"#, None),
        (r#"{"messageId":"m","body":"x","attributes":null}"#, None),
        (r#"{"messageId":"m","body":"x","attributes":[]}"#, None),
        (r#"{"messageId":"m","body":"x","md5OfMessageAttributes":null}"#, None),
        (r#"{"messageId":"m","body":"x","messageAttributes":{"a":{"stringListValues":null}}}"#, None),
        (r#"{"messageId":"m","body":"x","messageAttributes":{"a":{"binaryValue":"!","dataType":"Binary"}}}"#, None),
        (r#"{"messageId":"m","body":"x","messageAttributes":{"a":{"dataType":"String"}}}"#, None),
        (r#"{"messageId":"m","body":"x","messageAttributes":{"a":7}}"#, None),
        (r#"{"messageId":"m","body":"x","messageId":"m"}"#, None),
        (r#"{"messageId":"m","body":7}"#, Some("body is a number")),
        (r#"{"messageId":"m","body":{"source":"s"}}"#, Some("body is an object")),
        (r#"{"messageId":"m","body":null}"#, Some("body is null")),
        (r#"{"messageId":"m","body":""}"#, Some("body is a string; expected")),
        (r#"{"messageId":"m","body":"\ud800"}"#, Some("body is a string; expected")),
        (r#"{"messageId":"m"}"#, Some("no body")),
        (r#"{"messageId":"m","body":"x","eventSource":"aws:s3"}"#, Some("of \"aws:s3\"")),
    ];
    for (record, expected) in table {
        let event = format!(r#"{{"Records":[{{"messageId":"good","body":"x"}},{record}]}}"#);
        let records = parse(&event).unwrap();
        assert_eq!(records[0].problem, None, "the neighbour of {record}");
        assert_eq!(records[1].message.id.as_deref(), Some("m"), "{record}");
        let problem = records[1].problem.as_ref();
        assert_eq!(problem.is_some(), expected.is_some(), "{record}: {problem:?}");
        if let (Some(problem), Some(expected)) = (problem, expected) {
            assert!(problem.message.contains(expected), "{record}: {}", problem.message);
            assert_eq!((problem.retry, problem.kind), (Retry::Never, "bad-record"));
        }
    }
}

#[test]
fn a_record_without_an_id_is_not_given_one() {
    for record in [r#"{"body":"x"}"#, r#"{"messageId":"","body":"x"}"#, r#"{"messageId":7,"body":"x"}"#, "7", "null"] {
        let records = parse(&format!(r#"{{"Records":[{record}]}}"#)).unwrap();
        assert_eq!(records[0].message.id, None, "{record}");
    }
}

#[test]
fn a_body_nested_without_end_is_only_text() {
    let body = "[".repeat(100_000);
    let event = json!({ "Records": [{ "messageId": "m", "body": body }] }).to_string();
    assert_eq!(parse(&event).unwrap()[0].message.body.len(), 100_000);
    let deep = format!(
        r#"{{"Records":[{{"messageId":"m","body":"x","deep":{}{}}}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(parse(&deep).is_ok());
}
