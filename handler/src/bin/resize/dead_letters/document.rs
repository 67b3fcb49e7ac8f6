//! A message as JSON that loses nothing: what is printed can be edited and sent.
//!
//! The words are those of a message in a Lambda event (`body`, `attributes`, `messageAttributes` with `dataType` and
//! `stringValue` or, in base64, `binaryValue`); beside them stands what is known of its failure.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, bail};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::DeadLetter;
use crate::send::{Outgoing, digest};

/// A whole message, for programs and for `show`.
pub(super) fn document(message: &Message, letter: &DeadLetter) -> Value {
    let attributes = message.message_attributes.iter().flatten().map(|(name, value)| {
        let mut attribute = json!({ "dataType": value.data_type() });
        if let Some(text) = value.string_value() {
            attribute["stringValue"] = text.into();
        }
        if let Some(binary) = value.binary_value() {
            attribute["binaryValue"] = BASE64_STANDARD.encode(binary).into();
        }
        (name.clone(), attribute)
    });
    let system = message.attributes.iter().flatten();
    let system = system.map(|(name, value)| (name.as_str().to_owned(), Value::from(value.as_str())));
    json!({
        "messageId": message.message_id(),
        "kind": letter.kind,
        "blame": letter.blame,
        "reason": letter.reason,
        "receives": letter.receives,
        "body": letter.body,
        "messageAttributes": attributes.collect::<Map<_, _>>(),
        "attributes": system.collect::<Map<_, _>>(),
    })
}

/// A document that was read back. Every field is known, so that a misspelt one does not lose what it holds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Edited {
    message_id: Option<String>,
    body: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, EditedAttribute>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(rename = "kind")]
    _kind: Option<IgnoredAny>,
    #[serde(rename = "blame")]
    _blame: Option<IgnoredAny>,
    #[serde(rename = "reason")]
    _reason: Option<IgnoredAny>,
    #[serde(rename = "receives")]
    _receives: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EditedAttribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// Attributes that say why a message is here, which [`handler::dead_letter`] gives it.
const REASON: &[&str] = &[
    "FailureKind",
    "FailureBlame",
    "FailureMessage",
    "OriginalMessageId",
    "OriginalReceiveCount",
    "OriginalMessageGroupId",
];

/// The attributes of a message without those that say why it is here, so that a second failure has room for its own. What
/// bears such a name without being one of them is the sender's, and stays.
pub(super) fn without_reason(
    mut attributes: HashMap<String, MessageAttributeValue>,
) -> HashMap<String, MessageAttributeValue> {
    if attributes.contains_key("FailureKind") {
        attributes.retain(|name, _| !REASON.contains(&name.as_str()));
    }
    attributes
}

/// Reads documents: a list, or one after the other as in a file of lines. All are checked before the first is returned.
pub(super) fn read(text: &str, is_fifo: bool, keeps_reasons: bool) -> anyhow::Result<Vec<Outgoing>> {
    let expected = "expected what `dead-letters list --save`, `list --json` or `show` writes";
    let list: Vec<Edited> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).context(expected)?
    } else {
        serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().context(expected)?
    };
    if list.is_empty() {
        bail!("the file has no message; {expected}");
    }
    let numbered = list.into_iter().enumerate();
    numbered.map(|(index, edited)| edited.outgoing(index + 1, is_fifo, keeps_reasons)).collect()
}

impl Edited {
    fn outgoing(self, number: usize, is_fifo: bool, keeps_reasons: bool) -> anyhow::Result<Outgoing> {
        let id = self.message_id.unwrap_or_default();
        let name = if id.is_empty() { format!("message {number}") } else { format!("message {id}") };
        if self.body.is_empty() {
            bail!("{name} has an empty body; expected at least one character");
        }
        let original_group =
            self.message_attributes.get("OriginalMessageGroupId").and_then(|group| group.string_value.clone());
        let mut attributes = HashMap::new();
        for (attribute_name, attribute) in self.message_attributes {
            let value = attribute.value().with_context(|| format!("{name}, messageAttributes.{attribute_name}"))?;
            attributes.insert(attribute_name, value);
        }
        if !keeps_reasons {
            attributes = without_reason(attributes);
        }
        let mut system = self.attributes;
        let group = system.remove("MessageGroupId").or(original_group.filter(|_| is_fifo || !keeps_reasons));
        if is_fifo && group.is_none() {
            bail!("{name} has no attributes.MessageGroupId, which a FIFO queue needs");
        }
        // The same message twice within five minutes is one, and an edited one is another.
        let deduplication_id = is_fifo.then(|| digest(&format!("{id} {}", self.body)));
        let trace_header = system.remove("AWSTraceHeader");
        Ok(Outgoing { name, body: self.body, group, deduplication_id, attributes, trace_header })
    }
}

impl EditedAttribute {
    fn value(self) -> anyhow::Result<MessageAttributeValue> {
        let builder = MessageAttributeValue::builder().data_type(self.data_type);
        let builder = match (self.string_value, self.binary_value) {
            (Some(text), None) => builder.string_value(text),
            (None, Some(base64)) => {
                let bytes = BASE64_STANDARD.decode(base64).context("binaryValue is not base64")?;
                builder.binary_value(Blob::new(bytes))
            }
            _ => bail!("expected either stringValue or binaryValue"),
        };
        Ok(builder.build()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::types::MessageSystemAttributeName;

    #[test]
    fn what_is_printed_is_sent_again_byte_for_byte() {
        let text = MessageAttributeValue::builder().data_type("Number.cents").string_value("007").build().unwrap();
        let bytes: Vec<u8> = (0..=255).collect();
        let binary = MessageAttributeValue::builder().data_type("Binary.png").binary_value(Blob::new(bytes));
        let body = "{\"b\":1,  \"a\":\u{1F600}}\t\r\n\u{e9}\u{202e}";
        let message = Message::builder()
            .message_id("m1")
            .body(body)
            .message_attributes("price", text.clone())
            .message_attributes("picture", binary.clone().build().unwrap())
            .attributes(MessageSystemAttributeName::MessageGroupId, "g")
            .attributes(MessageSystemAttributeName::AwsTraceHeader, "Root=1")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1")
            .build();
        let letter = super::super::dead_letter(&message, &super::super::History::default());
        let printed = format!("{:#}", Value::from(vec![document(&message, &letter)]));
        let sent = read(&printed, false, false).unwrap().remove(0);
        assert_eq!((sent.body.as_str(), sent.group.as_deref()), (body, Some("g")));
        assert_eq!((sent.trace_header.as_deref(), sent.deduplication_id), (Some("Root=1"), None));
        assert_eq!(
            sent.attributes,
            [("price".to_owned(), text), ("picture".to_owned(), binary.build().unwrap())].into()
        );
        assert!(read(&printed, true, false).unwrap()[0].deduplication_id.is_some());
    }

    #[test]
    fn a_wrong_document_is_named_before_anything_is_sent() {
        for (text, expected) in [
            ("nothing", "expected what `dead-letters list --save`"),
            ("[]", "the file has no message"),
            ("", "the file has no message"),
            ("{\"body\":\"x\"}\n{\"body\":\n", "expected what `dead-letters list --save`"),
            (r#"[{"messageId":"a"}]"#, "missing field `body`"),
            (r#"[{"body":""}]"#, "message 1 has an empty body"),
            (r#"[{"body":"x","messageAttribute":{}}]"#, "unknown field `messageAttribute`"),
            (r#"{"body":"x","messageAttributes":{"a":{"dataType":"Binary","binaryValue":"?"}}}"#, "not base64"),
            (r#"{"body":"x","messageAttributes":{"a":{"dataType":"String"}}}"#, "expected either stringValue"),
        ] {
            let error = format!("{:#}", read(text, false, false).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = read(r#"[{"messageId":"m1","body":"x"}]"#, true, false).unwrap_err().to_string();
        assert!(error.contains("message m1 has no attributes.MessageGroupId"), "{error}");
    }
}
