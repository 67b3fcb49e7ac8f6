//! YAML (or JSON, which is YAML too) as a tree that knows its lines, with the short forms of intrinsic functions written out.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::Problem;

/// Nodes nested deeper than this are refused: nobody writes them, and the stack of a thread ends.
const DEPTH_MAX: usize = 100;

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    /// Text, and whether it stood without quotes, so that `5` and `true` are a number and a truth.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In the order of the text.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, value: Value::Scalar { text: text.into(), plain: false } }
    }

    /// The entry of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Value::Scalar { text, .. } = &self.value { Some(text) } else { None }
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        if let Value::List(list) = &self.value { Some(list) } else { None }
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// As JSON, with numbers and truths as such.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => true.into(),
                "false" | "False" | "FALSE" => false.into(),
                _ => text.parse::<i64>().map_or_else(|_| text.as_str().into(), Into::into),
            },
            Value::Scalar { text, .. } => text.as_str().into(),
            Value::List(list) => list.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(name, node)| (name.clone(), node.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }
}

/// Reads the one document of a text.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { parser: Parser::new_from_str(text), line: 1 };
    loop {
        match reader.next()? {
            Event::StreamEnd => return Err(reader.refuse("there is nothing in it; expected Resources".to_owned())),
            Event::DocumentStart(_) => break,
            _ => {}
        }
    }
    let first = reader.next()?.into_static();
    let root = reader.node(first, 0)?;
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(root),
            Event::DocumentStart(_) => return Err(reader.refuse("a second document begins; expected one".to_owned())),
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    line: usize,
}

/// An event without the lifetime of the text.
enum Owned {
    Scalar(String, ScalarStyle, Option<Tag>),
    List(Option<Tag>),
    Map(Option<Tag>),
    End,
    Alias,
    Other,
}

trait IntoStatic {
    fn into_static(self) -> Owned;
}

impl IntoStatic for Event<'_> {
    fn into_static(self) -> Owned {
        match self {
            Event::Scalar(text, style, _, tag) => Owned::Scalar(text.into_owned(), style, tag.map(Cow::into_owned)),
            Event::SequenceStart(_, tag) => Owned::List(tag.map(Cow::into_owned)),
            Event::MappingStart(_, tag) => Owned::Map(tag.map(Cow::into_owned)),
            Event::SequenceEnd | Event::MappingEnd => Owned::End,
            Event::Alias(_) => Owned::Alias,
            _ => Owned::Other,
        }
    }
}

impl<'a> Reader<'a> {
    fn refuse(&self, text: String) -> Problem {
        Problem { line: self.line, logical_id: None, text }
    }

    fn next(&mut self) -> Result<Event<'a>, Problem> {
        match self.parser.next_event() {
            None => Ok(Event::StreamEnd),
            Some(Ok((event, span))) => {
                self.line = span.start.line().max(1);
                Ok(event)
            }
            Some(Err(error)) => {
                let text = format!("it is not YAML: {}", error.info());
                Err(Problem { line: error.marker().line().max(1), logical_id: None, text })
            }
        }
    }

    fn node(&mut self, event: Owned, depth: usize) -> Result<Node, Problem> {
        let line = self.line;
        if depth > DEPTH_MAX {
            return Err(self.refuse(format!("it is nested more than {DEPTH_MAX} deep")));
        }
        let (value, tag) = match event {
            Owned::Scalar(text, style, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let null = plain && matches!(text.as_str(), "" | "~" | "null");
                (if null { Value::Null } else { Value::Scalar { text, plain } }, tag)
            }
            Owned::List(tag) => {
                let mut list = Vec::new();
                loop {
                    match self.next()?.into_static() {
                        Owned::End => break,
                        event => list.push(self.node(event, depth + 1)?),
                    }
                }
                (Value::List(list), tag)
            }
            Owned::Map(tag) => {
                let mut entries: Vec<(String, Node)> = Vec::new();
                loop {
                    let key = match self.next()?.into_static() {
                        Owned::End => break,
                        Owned::Scalar(key, ..) => key,
                        _ => return Err(self.refuse("a key is not text".to_owned())),
                    };
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(self.refuse(format!("{key} is there twice")));
                    }
                    let event = self.next()?.into_static();
                    entries.push((key, self.node(event, depth + 1)?));
                }
                (Value::Map(entries), tag)
            }
            Owned::Alias => {
                return Err(self.refuse("aliases (*NAME) are not supported; CloudFormation has none".to_owned()));
            }
            Owned::End | Owned::Other => return Err(self.refuse("it ends too early".to_owned())),
        };
        let node = Node { line, value };
        Ok(match tag {
            Some(tag) if tag.handle == "!" => {
                let name = match tag.suffix.as_str() {
                    "Ref" | "Condition" => tag.suffix,
                    _ => format!("Fn::{}", tag.suffix),
                };
                Node { line, value: Value::Map(vec![(name, node)]) }
            }
            _ => node,
        })
    }
}
