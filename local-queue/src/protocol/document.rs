//! Answers, before they are written in one protocol or the other.

use std::{fmt::Write as _, sync::Arc};

use super::digest::Digest;
use crate::engine::{Message, Uuid};

/// The body of a message, which is not copied for an answer.
#[derive(Clone, Debug)]
pub(crate) struct Body(pub(crate) Arc<Message>);

impl Body {
    pub(super) fn as_str(&self) -> &str {
        self.0.body.as_str()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Body {}

/// A value of an answer. Members are in alphabetical order, as AWS writes them (recorded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Null,
    Text(String),
    /// A text in which neither protocol escapes anything.
    Plain(String),
    Body(Body),
    Digest(Digest),
    Id(Uuid),
    Integer(u64),
    Boolean(bool),
    List(Vec<Document>),
    Map(Vec<(String, Document)>),
    Struct(Vec<(&'static str, Document)>),
}

impl Document {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Compact JSON, for which room for so many bytes is made at once, or for a short answer.
    pub(crate) fn to_json(&self, bytes: usize) -> String {
        let mut json = String::with_capacity(if bytes == 0 { self.plain_bytes() - 1 } else { bytes });
        self.write_json(&mut json);
        json
    }

    /// How long its JSON is with a comma behind it if nothing is escaped, or about that.
    fn plain_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Boolean(_) => 8,
            Self::Text(text) | Self::Plain(text) => text.len() + 3,
            Self::Body(body) => body.as_str().len() + 3,
            Self::Digest(_) => 35,
            Self::Id(_) => 39,
            Self::List(items) => 2 + items.iter().map(Self::plain_bytes).sum::<usize>(),
            Self::Map(entries) => 2 + entries.iter().map(|(name, it)| name.len() + 3 + it.plain_bytes()).sum::<usize>(),
            Self::Struct(members) => {
                2 + members.iter().map(|(name, it)| name.len() + 3 + it.plain_bytes()).sum::<usize>()
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Text(text) => write_json_string(text, out),
            Self::Plain(text) => out.extend(["\"", text, "\""]),
            Self::Body(body) => write_json_string(body.as_str(), out),
            Self::Digest(digest) => {
                out.push('"');
                digest.write_to(out);
                out.push('"');
            }
            Self::Id(id) => {
                out.push('"');
                id.write_to(out);
                out.push('"');
            }
            Self::Integer(number) => write!(out, "{number}").expect("a string can be written to"),
            Self::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(name, value)| (name.as_str(), value));
                write_members(entries, out, write_json_string);
            }
            // Names of AWS's have nothing to escape.
            Self::Struct(members) => {
                let members = members.iter().map(|(name, value)| (*name, value));
                write_members(members, out, |name, out| out.extend(["\"", name, "\""]));
            }
        }
    }
}

fn write_members<'a>(
    members: impl Iterator<Item = (&'a str, &'a Document)>,
    out: &mut String,
    write_name: impl Fn(&str, &mut String),
) {
    out.push('{');
    let mut last = None;
    for (name, value) in members {
        debug_assert!(last.is_none_or(|last| last < name), "{name} is out of order");
        if last.is_some() {
            out.push(',');
        }
        last = Some(name);
        write_name(name, out);
        out.push(':');
        value.write_json(out);
    }
    out.push('}');
}

fn write_json_string(text: &str, out: &mut String) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    out.push('"');
    // Most texts are plain; without an end in between, many bytes are looked at in one step.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        out.push_str(text);
        return out.push('"');
    }
    let mut written = 0;
    for (index, byte) in text.bytes().enumerate() {
        if is_plain(byte) {
            continue;
        }
        out.push_str(&text[written..index]);
        written = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => write!(out, "\\u{byte:04x}").expect("a string can be written to"),
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// Puts together the members that are there.
macro_rules! members {
    ($($name:literal: $value:expr),* $(,)?) => {
        [$(($name, $value)),*].into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>()
    };
}
pub(crate) use members;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compact_and_any_text_survives_it() {
        let text = "a\"b\\c\n\r\t\u{1}\u{e4}\u{1f600}</script>";
        let document = Document::Struct(vec![
            ("A", Document::List(vec![Document::Boolean(false), Document::Boolean(true)])),
            ("B", Document::Map(vec![(text.to_owned(), Document::text(text))])),
        ]);
        let json = document.to_json(0);
        assert!(json.starts_with("{\"A\":[false,true],\"B\":{"), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["B"][text], text);
    }
}
