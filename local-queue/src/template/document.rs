//! YAML (or JSON, which is YAML too) as a tree that knows its lines, with the short forms of intrinsic functions written out.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::Problem;
use crate::protocol::attributes::parse_flag;

/// Nodes nested deeper than this are refused: nobody writes them, and the stack of a thread ends.
const DEPTH_MAX: usize = 100;
/// Nodes of a whole template, those of aliases counted where they are used: a few lines could stand for billions.
const NODES_MAX: usize = 200_000;
/// Hyphens that are read as text where the parser takes them for the beginning of an entry.
const HYPHENS_MAX: usize = 200;

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
    /// Text, and whether it stood without quotes, so that `5` and `true` are a number and a truth. A plain truth is spelt
    /// `true` or `false` here, however it was in the template.
    Scalar {
        text: String,
        plain: bool,
    },
    /// What only AWS knows, or what contains it: a text with a visible placeholder, and a clause that names what is missing.
    Unknown {
        text: String,
        what: String,
    },
    List(Vec<Node>),
    /// In the order of the text.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, value: Value::Scalar { text: text.into(), plain: false } }
    }

    /// Something that is not known here, by its name and how it could be given.
    pub(super) fn unknown(line: usize, name: &str, hint: &str) -> Self {
        let what = format!("{name}, which is not known here{hint}");
        Self { line, value: Value::Unknown { text: format!("<unknown: {name}>"), what } }
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

    pub(super) fn as_flag(&self) -> Option<bool> {
        self.as_text().and_then(parse_flag)
    }

    /// The first thing in it that is not known here.
    pub(super) fn first_unknown(&self) -> Option<&str> {
        match &self.value {
            Value::Null | Value::Scalar { .. } => None,
            Value::Unknown { what, .. } => Some(what),
            Value::List(list) => list.iter().find_map(Self::first_unknown),
            Value::Map(entries) => entries.iter().find_map(|(_, node)| node.first_unknown()),
        }
    }

    fn height(&self) -> usize {
        match &self.value {
            Value::List(list) => 1 + list.iter().map(Self::height).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.height()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &str {
        match &self.value {
            Value::Unknown { what, .. } => what,
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
                "true" => true.into(),
                "false" => false.into(),
                _ => text.parse::<i64>().map_or_else(|_| text.as_str().into(), Into::into),
            },
            Value::Unknown { text, .. } | Value::Scalar { text, .. } => text.as_str().into(),
            Value::List(list) => list.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(name, node)| (name.clone(), node.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }
}

/// The truth that a plain text is (YAML 1.1 as `PyYAML` and `SnakeYAML` resolve it; neither takes `y` and `n` for one).
fn yaml_truth(text: &str) -> Option<&'static str> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some("true"),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some("false"),
        _ => None,
    }
}

/// Reads the one document of a text.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..HYPHENS_MAX {
        match parse_once(&text) {
            Err(Failure::Syntax { problem, offset }) => match quote_hyphen(&text, offset) {
                Some(quoted) => text = Cow::Owned(quoted),
                None => return Err(problem),
            },
            Err(Failure::Other(problem)) => return Err(problem),
            Ok(root) => return Ok(root),
        }
    }
    parse_once(&text).map_err(Failure::into_problem)
}

/// A text with quotes around the hyphen at the offset of a syntax error, counted in characters, if it is an entry of its own
/// in a list in brackets: `PyYAML` reads `[-, a]` as a list that begins with a hyphen, this parser as an entry within.
fn quote_hyphen(text: &str, offset: usize) -> Option<String> {
    let at = text.char_indices().nth(offset).map_or(text.len(), |(at, _)| at);
    let (before, after) = text.split_at_checked(at)?;
    let (before, after) = match after.strip_prefix('-') {
        Some(after) => (before, after),
        None => (before.strip_suffix('-')?, after),
    };
    let opens = before.trim_end().ends_with(['[', ',']);
    let closes = after.trim_start_matches([' ', '\t']).starts_with([',', ']']);
    (opens && closes).then(|| format!("{before}'-'{after}"))
}

fn parse_once(text: &str) -> Result<Node, Failure> {
    let mut reader = Reader { parser: Parser::new_from_str(text), line: 1, nodes: 0, anchors: BTreeMap::new() };
    loop {
        match reader.next()? {
            Event::StreamEnd => return Err(reader.refuse("there is nothing in it; expected Resources")),
            Event::DocumentStart(_) => break,
            _ => {}
        }
    }
    let first = reader.next()?.into_static();
    let root = reader.node(first, 0)?;
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(root),
            Event::DocumentStart(_) => return Err(reader.refuse("a second document begins; expected one")),
            _ => {}
        }
    }
}

/// Why a text cannot be read.
enum Failure {
    /// It is not YAML, at an offset in characters.
    Syntax {
        problem: Problem,
        offset: usize,
    },
    Other(Problem),
}

impl Failure {
    fn into_problem(self) -> Problem {
        match self {
            Self::Syntax { problem, .. } | Self::Other(problem) => problem,
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    line: usize,
    nodes: usize,
    /// What an alias stands for, by the parser's number, with how many nodes that is and how deep they are nested.
    anchors: BTreeMap<usize, (Node, usize, usize)>,
}

/// An event without the lifetime of the text. The number is the anchor's, 0 without one.
enum Owned {
    Scalar(String, ScalarStyle, usize, Option<Tag>),
    List(usize, Option<Tag>),
    Map(usize, Option<Tag>),
    End,
    Alias(usize),
    Other,
}

trait IntoStatic {
    fn into_static(self) -> Owned;
}

impl IntoStatic for Event<'_> {
    fn into_static(self) -> Owned {
        match self {
            Event::Scalar(text, style, anchor, tag) => {
                Owned::Scalar(text.into_owned(), style, anchor, tag.map(Cow::into_owned))
            }
            Event::SequenceStart(anchor, tag) => Owned::List(anchor, tag.map(Cow::into_owned)),
            Event::MappingStart(anchor, tag) => Owned::Map(anchor, tag.map(Cow::into_owned)),
            Event::SequenceEnd | Event::MappingEnd => Owned::End,
            Event::Alias(anchor) => Owned::Alias(anchor),
            _ => Owned::Other,
        }
    }
}

impl<'a> Reader<'a> {
    fn refuse(&self, text: impl Into<String>) -> Failure {
        Failure::Other(Problem { line: self.line, logical_id: None, text: text.into() })
    }

    fn next(&mut self) -> Result<Event<'a>, Failure> {
        match self.parser.next_event() {
            None => Ok(Event::StreamEnd),
            Some(Ok((event, span))) => {
                self.line = span.start.line().max(1);
                Ok(event)
            }
            Some(Err(error)) => {
                let text = format!("it is not YAML: {}", error.info());
                let problem = Problem { line: error.marker().line().max(1), logical_id: None, text };
                Err(Failure::Syntax { problem, offset: error.marker().index() })
            }
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), Failure> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        Err(self.refuse(format!("it has more than {NODES_MAX} values, aliases counted where they are used")))
    }

    fn node(&mut self, event: Owned, depth: usize) -> Result<Node, Failure> {
        let line = self.line;
        if depth > DEPTH_MAX {
            return Err(self.refuse(format!("it is nested more than {DEPTH_MAX} deep")));
        }
        let before = self.nodes;
        self.count(1)?;
        let (value, anchor, tag) = match event {
            Owned::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = match text.as_str() {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
                    _ => Value::Scalar {
                        text: yaml_truth(&text).filter(|_| plain).map_or(text, ToOwned::to_owned),
                        plain,
                    },
                };
                (value, anchor, tag)
            }
            Owned::List(anchor, tag) => {
                let mut list = Vec::new();
                loop {
                    match self.next()?.into_static() {
                        Owned::End => break,
                        event => list.push(self.node(event, depth + 1)?),
                    }
                }
                (Value::List(list), anchor, tag)
            }
            Owned::Map(anchor, tag) => (Value::Map(self.map(depth)?), anchor, tag),
            Owned::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                // The parser knows the name, so that it can only be that of the value which is being read.
                let (node, nodes, height) = found.ok_or_else(|| self.refuse("an alias stands within what it names"))?;
                if depth + height > DEPTH_MAX {
                    return Err(self.refuse(format!("it is nested more than {DEPTH_MAX} deep")));
                }
                self.count(nodes)?;
                return Ok(node);
            }
            Owned::End | Owned::Other => return Err(self.refuse("it ends too early")),
        };
        let node = Node { line, value };
        let node = match tag {
            Some(tag) if tag.handle == "!" => {
                let name = match tag.suffix.as_str() {
                    "Ref" | "Condition" => tag.suffix,
                    _ => format!("Fn::{}", tag.suffix),
                };
                Node { line, value: Value::Map(vec![(name, node)]) }
            }
            _ => node,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before, node.height()));
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Node)>, Failure> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut known = BTreeSet::new();
        let mut merged = Vec::new();
        loop {
            let (key, plain) = match self.next()?.into_static() {
                Owned::End => break,
                Owned::Scalar(key, style, ..) => (key, style == ScalarStyle::Plain),
                Owned::Alias(anchor) => {
                    let key = self.anchors.get(&anchor).and_then(|(node, ..)| node.as_text());
                    (key.ok_or_else(|| self.refuse("a key is not text"))?.to_owned(), false)
                }
                _ => return Err(self.refuse("a key is not text")),
            };
            let is_merge = plain && key == "<<";
            if !is_merge && !known.insert(key.clone()) {
                return Err(self.refuse(format!("{key} is there twice")));
            }
            let event = self.next()?.into_static();
            let node = self.node(event, depth + 1)?;
            match node.value {
                Value::Map(more) if is_merge => merged.extend(more),
                Value::List(maps) if is_merge && maps.iter().all(|map| matches!(map.value, Value::Map(_))) => {
                    merged.extend(maps.into_iter().flat_map(|map| match map.value {
                        Value::Map(more) => more,
                        _ => Vec::new(),
                    }));
                }
                _ if is_merge => return Err(self.refuse("<< takes a mapping, or a list of mappings")),
                value => entries.push((key, Node { line: node.line, value })),
            }
        }
        // An entry of the mapping itself goes first, then those of the mappings in their order (YAML's merge type).
        merged.retain(|(key, _)| known.insert(key.clone()));
        merged.append(&mut entries);
        Ok(merged)
    }
}
