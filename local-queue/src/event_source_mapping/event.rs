//! The event that the function gets: one record per message, as Lambda writes it.

use std::{borrow::Cow, collections::BTreeMap, io, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Serialize, Serializer};

use super::source::{SourceMessage, SystemAttributes};
use crate::{
    engine::{MessageAttribute, MessageAttributeValue, QueueArn},
    protocol::digest,
};

/// The largest event: 6 MB for a synchronous invocation, "metadata included" (developer guide, "Quotas" and "Batching
/// behavior"). That this many bytes are meant and still accepted is inferred from the error text of the Invoke API, which
/// names the number.
pub const EVENT_BYTES_MAX: usize = 6_291_456;

/// What an event without records has: `{"Records":[]}`. Each further record but the first costs a comma.
pub(super) const EVENT_BYTES_EMPTY: usize = 14;

/// The event of a batch, as JSON.
///
/// The mapping's `batching_window` is asked for because the records of mappings with one look different: what a message has
/// not is null there.
#[must_use]
pub fn event_json(messages: &[SourceMessage], queue: &QueueArn, batching_window: Duration) -> Vec<u8> {
    let records = messages.iter().map(|message| Record::new(message, queue, batching_window)).collect();
    serde_json::to_vec(&Event { records }).expect("strings, maps and lists can be written as JSON")
}

/// How many bytes the record of a message has in [`event_json`].
#[must_use]
pub fn record_bytes(message: &SourceMessage, queue: &QueueArn, batching_window: Duration) -> usize {
    // Digests all have one length, so they need not be computed.
    const DIGEST: &str = "00000000000000000000000000000000";
    let attributes = (!message.message_attributes.is_empty()).then(|| DIGEST.into());
    let mut counter = ByteCounter(0);
    let record = Record::with_digests(message, queue, batching_window, DIGEST.into(), attributes);
    serde_json::to_writer(&mut counter, &record).expect("strings, maps and lists can be written as JSON");
    counter.0
}

/// The record of a message as JSON, but with an empty body: what a filter may look at beside the body.
#[must_use]
pub(super) fn record_without_body(message: &SourceMessage, queue: &QueueArn, batching_window: Duration) -> String {
    let record = Record { body: "", ..Record::new(message, queue, batching_window) };
    serde_json::to_string(&record).expect("strings, maps and lists can be written as JSON")
}

struct ByteCounter(usize);

impl io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record<'a>>,
}

/// The keys are in the order in which nearly all recorded events have them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: RecordAttributes<'a>,
    message_attributes: BTreeMap<&'a str, RecordMessageAttribute<'a>>,
    #[serde(skip_serializing_if = "Member::is_absent")]
    md5_of_message_attributes: Member<String>,
    md5_of_body: Cow<'static, str>,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

/// Every value is a string (recorded).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RecordAttributes<'a> {
    approximate_receive_count: String,
    #[serde(rename = "AWSTraceHeader", skip_serializing_if = "Option::is_none")]
    aws_trace_header: Option<&'a str>,
    sent_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    sender_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
    approximate_first_receive_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_queue_source_arn: Option<&'a str>,
}

/// A member that may be null, or not there at all.
enum Member<T> {
    Value(T),
    Null,
    Absent,
}

impl<T: Serialize> Serialize for Member<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Null | Self::Absent => serializer.serialize_none(),
        }
    }
}

impl<T> Member<T> {
    /// AWS (recorded of the digest of attributes; quoted by users of `binaryValue`): what a message has not is missing when
    /// the mapping has no batching window, and null when it has one.
    fn new(value: Option<T>, batching_window: Duration) -> Self {
        match value {
            Some(value) => Self::Value(value),
            None if batching_window.is_zero() => Self::Absent,
            None => Self::Null,
        }
    }

    const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The two lists are always there and always empty (recorded): SQS reserves them. That a binary attribute's `stringValue`
/// is as the others' `binaryValue` is inferred.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordMessageAttribute<'a> {
    #[serde(skip_serializing_if = "Member::is_absent")]
    string_value: Member<&'a str>,
    #[serde(skip_serializing_if = "Member::is_absent")]
    binary_value: Member<String>,
    string_list_values: [&'a str; 0],
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

impl<'a> Record<'a> {
    fn new(message: &'a SourceMessage, queue: &'a QueueArn, batching_window: Duration) -> Self {
        let attributes = &message.message_attributes;
        let attributes = (!attributes.is_empty()).then(|| digest::attributes_md5(attributes.iter()).to_string());
        Self::with_digests(
            message,
            queue,
            batching_window,
            digest::body_md5(&message.body).to_string().into(),
            attributes,
        )
    }

    fn with_digests(
        message: &'a SourceMessage,
        queue: &'a QueueArn,
        batching_window: Duration,
        body_md5: Cow<'static, str>,
        attributes_md5: Option<String>,
    ) -> Self {
        let message_attributes = message.message_attributes.iter();
        Self {
            message_id: &message.message_id,
            receipt_handle: &message.receipt_handle,
            body: &message.body,
            attributes: RecordAttributes::new(&message.system_attributes),
            message_attributes: message_attributes
                .map(|(name, attribute)| (name, RecordMessageAttribute::new(attribute, batching_window)))
                .collect(),
            md5_of_message_attributes: Member::new(attributes_md5, batching_window),
            md5_of_body: body_md5,
            event_source: "aws:sqs",
            event_source_arn: queue.as_str(),
            aws_region: queue.region(),
        }
    }
}

impl<'a> RecordAttributes<'a> {
    fn new(attributes: &'a SystemAttributes) -> Self {
        Self {
            approximate_receive_count: attributes.receive_count.to_string(),
            aws_trace_header: attributes.trace_header.as_deref(),
            sent_timestamp: attributes.sent_at.as_millis().to_string(),
            sequence_number: attributes.sequence_number.as_deref(),
            message_group_id: attributes.group_id.as_deref(),
            sender_id: &attributes.sender_id,
            message_deduplication_id: attributes.deduplication_id.as_deref(),
            approximate_first_receive_timestamp: attributes.first_received_at.as_millis().to_string(),
            dead_letter_queue_source_arn: attributes.dead_letter_source.as_deref(),
        }
    }
}

impl<'a> RecordMessageAttribute<'a> {
    fn new(attribute: &'a MessageAttribute, batching_window: Duration) -> Self {
        let (string_value, binary_value) = match &attribute.value {
            MessageAttributeValue::Text(text) => (Some(text.as_str()), None),
            MessageAttributeValue::Binary(bytes) => (None, Some(BASE64.encode(bytes))),
        };
        Self {
            string_value: Member::new(string_value, batching_window),
            binary_value: Member::new(binary_value, batching_window),
            string_list_values: [],
            binary_list_values: [],
            data_type: &attribute.data_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::engine::{Limits, MessageAttributes, Scope, Time};

    const NO_WINDOW: Duration = Duration::ZERO;
    const WINDOW: Duration = Duration::from_secs(1);

    fn message() -> SourceMessage {
        SourceMessage {
            message_id: "059f36b4-87a3-44ab-83d2-661975830a7d".to_owned(),
            receipt_handle: "AQEB".to_owned(),
            body: "{\"a\": \"\u{e4}\"}".to_owned(),
            message_attributes: MessageAttributes::default(),
            system_attributes: SystemAttributes {
                receive_count: 2,
                sent_at: Time::from_millis(1_545_082_649_183),
                sender_id: "000000000000".to_owned(),
                first_received_at: Time::from_millis(1_545_082_649_185),
                ..SystemAttributes::default()
            },
        }
    }

    fn event(messages: &[SourceMessage], window: Duration) -> String {
        let queue = Scope::new("eu-west-1", "123456789012").arn("jobs");
        String::from_utf8(event_json(messages, &queue, window)).unwrap()
    }

    #[test]
    fn a_record_has_the_keys_of_lambda_in_their_order_and_attributes_are_strings() {
        let expected = concat!(
            r#"{"Records":[{"messageId":"059f36b4-87a3-44ab-83d2-661975830a7d","receiptHandle":"AQEB","#,
            r#""body":"{\"a\": \""#,
            "\u{e4}",
            r#"\"}","attributes":{"ApproximateReceiveCount":"2","SentTimestamp":"1545082649183","#,
            r#""SenderId":"000000000000","ApproximateFirstReceiveTimestamp":"1545082649185"},"#,
            r#""messageAttributes":{},"md5OfBody":"3aaa8ac1d0d5add0331e0bf820f77342","eventSource":"aws:sqs","#,
            r#""eventSourceARN":"arn:aws:sqs:eu-west-1:123456789012:jobs","awsRegion":"eu-west-1"}]}"#
        );
        assert_eq!(event(&[message()], NO_WINDOW), expected);
    }

    #[test]
    fn without_message_attributes_their_digest_is_absent_without_a_window_and_null_with_one() {
        let without: Value = serde_json::from_str(&event(&[message()], NO_WINDOW)).unwrap();
        assert_eq!(without["Records"][0].get("md5OfMessageAttributes"), None);
        let with = event(&[message()], WINDOW);
        assert!(with.contains(r#""messageAttributes":{},"md5OfMessageAttributes":null,"md5OfBody""#), "{with}");
    }

    #[test]
    fn message_attributes_have_empty_lists_and_the_other_value_is_null_with_a_window() {
        let text = |data_type: &str, value: &str| MessageAttribute {
            data_type: data_type.to_owned(),
            value: MessageAttributeValue::Text(value.to_owned()),
        };
        let blob =
            MessageAttribute { data_type: "Binary".to_owned(), value: MessageAttributeValue::Binary(vec![0, 255, 1]) };
        let raw = BTreeMap::from([("n".to_owned(), text("Number", "6")), ("b".to_owned(), blob)]);
        let message_attributes = MessageAttributes::parse(raw, &Limits::STRICT).unwrap();
        let digest = digest::attributes_md5(message_attributes.iter());
        let lists = r#""stringListValues":[],"binaryListValues":[]"#;
        for (window, no_string, no_binary) in
            [(NO_WINDOW, "", ""), (WINDOW, r#""stringValue":null,"#, r#","binaryValue":null"#)]
        {
            let expected = [
                format!(r#""b":{{{no_string}"binaryValue":"AP8B",{lists},"dataType":"Binary"}},"#),
                format!(r#""n":{{"stringValue":"6"{no_binary},{lists},"dataType":"Number"}}}},"#),
                format!(r#""md5OfMessageAttributes":"{digest}","md5OfBody""#),
            ]
            .concat();
            let event = event(&[SourceMessage { message_attributes: message_attributes.clone(), ..message() }], window);
            assert!(event.contains(&expected), "{event}");
        }
    }

    #[test]
    fn the_bytes_of_records_add_up_to_those_of_the_event() {
        let queue = Scope::default().arn("jobs.fifo");
        let string = MessageAttribute::string("v\"\n");
        let attributes = MessageAttributes::parse(BTreeMap::from([("n".to_owned(), string)]), &Limits::STRICT).unwrap();
        let mut messages = vec![message()];
        for body in ["", "\t\"\\\r\n", "\u{e4}\u{1f600}\u{2028}", &"x".repeat(100_000)] {
            let (body, message_attributes) = (body.to_owned(), attributes.clone());
            messages.push(SourceMessage { body, message_attributes, ..message() });
        }
        for window in [NO_WINDOW, WINDOW] {
            assert_eq!(event_json(&[], &queue, window).len(), EVENT_BYTES_EMPTY);
            for count in 1..=messages.len() {
                let records: usize = messages[..count].iter().map(|it| record_bytes(it, &queue, window)).sum();
                let event = event_json(&messages[..count], &queue, window);
                assert_eq!(event.len(), EVENT_BYTES_EMPTY + records + count - 1);
            }
        }
    }

    #[test]
    fn rare_system_attributes_are_there_when_the_message_has_them() {
        let system_attributes = SystemAttributes {
            trace_header: Some("Root=1-5f-1".to_owned()),
            sequence_number: Some("18849496460467696128".to_owned()),
            group_id: Some("g".to_owned()),
            deduplication_id: Some("d".to_owned()),
            dead_letter_source: Some("arn:aws:sqs:eu-west-1:123456789012:first".to_owned()),
            ..message().system_attributes
        };
        let event = event(&[SourceMessage { system_attributes, ..message() }], NO_WINDOW);
        let attributes = serde_json::from_str::<Value>(&event).unwrap()["Records"][0]["attributes"].clone();
        let expected = serde_json::json!({
            "ApproximateReceiveCount": "2", "AWSTraceHeader": "Root=1-5f-1", "SentTimestamp": "1545082649183",
            "SequenceNumber": "18849496460467696128", "MessageGroupId": "g", "SenderId": "000000000000",
            "MessageDeduplicationId": "d", "ApproximateFirstReceiveTimestamp": "1545082649185",
            "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:123456789012:first",
        });
        assert_eq!(attributes, expected);
    }
}
