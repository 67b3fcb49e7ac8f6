//! Answers of the Query protocol: XML, or JSON of the same shape for those who ask for it.

use std::collections::BTreeMap;

use super::{document::Document, error::WireError};
use crate::engine::Uuid;

/// Room for an answer that is not long.
const SHORT_BYTES: usize = 512;
const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// The XML of an answer, for which room for so many bytes is made at once.
pub(super) fn response(operation: &str, document: Option<&Document>, request_id: Uuid, bytes: usize) -> String {
    let mut xml = Xml::new();
    xml.0.reserve_exact(bytes.max(SHORT_BYTES));
    xml.push(&["<", operation, "Response xmlns=\"", NAMESPACE, "\">"]);
    if let Some(Document::Struct(members)) = document {
        if members.is_empty() {
            xml.push(&["<", operation, "Result/>"]);
        } else {
            xml.push(&["<", operation, "Result>"]);
            xml.members(operation, members);
            xml.push(&["</", operation, "Result>"]);
        }
    }
    xml.element("ResponseMetadata", |xml| xml.element("RequestId", |xml| request_id.write_to(&mut xml.0)));
    xml.push(&["</", operation, "Response>"]);
    xml.0
}

/// The XML of an error.
pub(super) fn error(error: &WireError, message: &str, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.push(&["<ErrorResponse xmlns=\"", NAMESPACE, "\">"]);
    xml.element("Error", |xml| {
        xml.text("Type", error.kind.row().fault());
        xml.text("Code", error.kind.row().code);
        xml.text("Message", message);
        xml.push(&["<Detail/>"]);
    });
    xml.text("RequestId", request_id);
    xml.push(&["</ErrorResponse>"]);
    xml.0
}

/// The error as JSON, for who accepts only that (validated).
pub(super) fn json_error(error: &WireError, message: &str, request_id: &str) -> String {
    let row = error.kind.row();
    query_error_json(row.code, message, row.fault(), request_id)
}

/// An error of the Query protocol in JSON.
pub(crate) fn query_error_json(code: &str, message: &str, fault: &str, request_id: &str) -> String {
    let members =
        vec![("Code", Document::text(code)), ("Message", Document::text(message)), ("Type", Document::text(fault))];
    let document = vec![("Error", Document::Struct(members)), ("RequestId", Document::text(request_id))];
    Document::Struct(document).to_json(0)
}

/// XML as it is written.
struct Xml(String);

impl Xml {
    fn new() -> Self {
        Self("<?xml version=\"1.0\"?>".to_owned())
    }

    fn push(&mut self, parts: &[&str]) {
        self.0.extend(parts.iter().copied());
    }

    fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.push(&["<", name, ">"]);
        content(self);
        self.push(&["</", name, ">"]);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.element(name, |xml| escape(text, &mut xml.0));
    }

    fn members(&mut self, operation: &str, members: &[(&'static str, Document)]) {
        for (name, value) in members {
            self.member(operation, name, value);
        }
    }

    /// Writes one member. Lists and maps are flat: their element is repeated, with nothing around it.
    fn member(&mut self, operation: &str, name: &str, value: &Document) {
        match value {
            Document::List(items) => {
                let element = item_name(operation, name);
                for item in items {
                    self.member(operation, &element, item);
                }
            }
            Document::Map(entries) => {
                let (element, key_name) = entry_names(name);
                for (key, value) in entries {
                    self.element(element, |xml| {
                        xml.text(key_name, key);
                        xml.member(operation, "Value", value);
                    });
                }
            }
            Document::Struct(members) => self.element(name, |xml| xml.members(operation, members)),
            Document::Null => {}
            Document::Text(text) | Document::Plain(text) => self.text(name, text),
            Document::Body(body) => self.text(name, body.as_str()),
            Document::Digest(digest) => self.element(name, |xml| digest.write_to(&mut xml.0)),
            Document::Id(id) => self.element(name, |xml| id.write_to(&mut xml.0)),
            Document::Integer(number) => self.text(name, &number.to_string()),
            Document::Boolean(flag) => self.text(name, &flag.to_string()),
        }
    }
}

/// What one item of a list is called.
pub(super) fn item_name(operation: &str, list: &str) -> String {
    match list {
        "QueueUrls" | "queueUrls" => "QueueUrl".to_owned(),
        "Messages" => "Message".to_owned(),
        "Successful" | "Results" => format!("{operation}ResultEntry"),
        "Failed" => "BatchResultErrorEntry".to_owned(),
        other => other.to_owned(),
    }
}

/// What one entry of a map and its key are called.
pub(super) fn entry_names(map: &str) -> (&'static str, &'static str) {
    match map {
        "Tags" => ("Tag", "Key"),
        "MessageAttributes" => ("MessageAttribute", "Name"),
        _ => ("Attribute", "Name"),
    }
}

/// Whether XML 1.0 has this character, be it as it is or as a reference. What a request brings may have others, which an
/// error then repeats.
pub(super) const fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Escapes what XML cannot hold as it is, and replaces what it cannot hold at all: an answer that no reader of XML takes
/// is lost as a whole. A carriage return would be read as a line feed; AWS writes it in hexadecimal (quoted by users), and
/// there are clients that know no other spelling of it.
pub(crate) fn escape(text: &str, xml: &mut String) {
    // Most texts are plain; without an end in between, many bytes are looked at in one step.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'&' | b'<' | b'>' | b'"');
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return xml.push_str(text);
    }
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#xD;"),
            other if is_xml(other) => xml.push(other),
            _ => xml.push(char::REPLACEMENT_CHARACTER),
        }
    }
}

/// JSON in the shape of the XML, which AWS answers to a Query request that accepts only JSON (validated).
pub(super) fn json_response(operation: &'static str, document: Option<&Document>, request_id: &str) -> String {
    let metadata = Document::Struct(vec![("RequestId", Document::text(request_id))]).to_json(0);
    let mut members = vec![("ResponseMetadata".to_owned(), metadata)];
    if let Some(document) = document {
        let members_max = match operation {
            "ListQueues" => LIST_MEMBERS,
            "SendMessage" => SENT_MEMBERS,
            "ReceiveMessage" => RECEIVED_MEMBERS,
            _ => &[],
        };
        members.push((format!("{operation}Result"), json_shape(document, members_max).to_json(0)));
    }
    members.sort();
    let members = members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect::<Vec<_>>();
    format!("{{\"{operation}Response\":{{{}}}}}", members.join(","))
}

// In this JSON a member without a value is null (answers of the real service quoted by its users).
const LIST_MEMBERS: &[&str] = &["NextToken", "queueUrls"];
const SENT_MEMBERS: &[&str] =
    &["MD5OfMessageAttributes", "MD5OfMessageBody", "MD5OfMessageSystemAttributes", "MessageId", "SequenceNumber"];
const RECEIVED_MEMBERS: &[&str] = &["messages"];
const MESSAGE_MEMBERS: &[&str] =
    &["Attributes", "Body", "MD5OfBody", "MD5OfMessageAttributes", "MessageAttributes", "MessageId", "ReceiptHandle"];

/// Maps become lists of names and values, and the members that are always there are null if they are not.
fn json_shape(document: &Document, always: &[&'static str]) -> Document {
    match document {
        Document::Struct(members) => {
            let members = members.iter().map(|(name, value)| match *name {
                "QueueUrls" => ("queueUrls", json_shape(value, &[])),
                "Messages" => ("messages", json_shape(value, MESSAGE_MEMBERS)),
                name => (name, json_shape(value, &[])),
            });
            let mut members = members.collect::<BTreeMap<_, _>>();
            for name in always {
                members.entry(name).or_insert(Document::Null);
            }
            Document::Struct(members.into_iter().collect())
        }
        Document::List(items) => Document::List(items.iter().map(|item| json_shape(item, always)).collect()),
        Document::Map(entries) => {
            let entry = |(name, value): &(String, Document)| {
                Document::Struct(vec![("Name", Document::text(name)), ("Value", json_shape(value, &[]))])
            };
            Document::List(entries.iter().map(entry).collect())
        }
        plain => plain.clone(),
    }
}
