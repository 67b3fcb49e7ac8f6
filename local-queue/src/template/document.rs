//! YAML (or JSON, which is YAML too) as a tree that knows its lines, with the short forms of intrinsic functions written out.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::Diagnostic;
use crate::protocol::attributes::parse_flag;

/// Nodes nested deeper than this are refused: nobody writes them, and the stack of a thread ends.
const DEPTH_MAX: usize = 100;
/// Nodes of a whole template, those of aliases counted where they are used: a few lines could stand for billions.
pub(super) const NODES_MAX: usize = 200_000;
/// Hyphens that are read as text where the parser takes them for the beginning of an entry.
const HYPHENS_MAX: usize = 200;

/// How the placeholder of what is not known here begins.
pub(super) const UNKNOWN_BEGINS: &str = "<unknown: ";

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Yaml {
    /// From 1.
    pub(super) line: usize,
    pub(super) data: YamlData,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum YamlData {
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
    List(Vec<Yaml>),
    /// In the order of the text.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, data: YamlData::Scalar { text: text.into(), plain: false } }
    }

    /// Something that is not known here, by its name and how it could be given.
    pub(super) fn unknown(line: usize, name: &str, hint: &str) -> Self {
        let what = format!("{name}, which is not known here{hint}");
        Self { line, data: YamlData::Unknown { text: format!("{UNKNOWN_BEGINS}{name}>"), what } }
    }

    /// The entry of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let YamlData::Map(entries) = &self.data { entries } else { &[] }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let YamlData::Scalar { text, .. } = &self.data { Some(text) } else { None }
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        if let YamlData::List(list) = &self.data { Some(list) } else { None }
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        self.as_text().and_then(parse_flag)
    }

    /// The first thing in it that is not known here.
    pub(super) fn first_unknown(&self) -> Option<&str> {
        match &self.data {
            YamlData::Null | YamlData::Scalar { .. } => None,
            YamlData::Unknown { what, .. } => Some(what),
            YamlData::List(list) => list.iter().find_map(Self::first_unknown),
            YamlData::Map(entries) => entries.iter().find_map(|(_, node)| node.first_unknown()),
        }
    }

    fn height(&self) -> usize {
        match &self.data {
            YamlData::List(list) => 1 + list.iter().map(Self::height).max().unwrap_or(0),
            YamlData::Map(entries) => 1 + entries.iter().map(|(_, node)| node.height()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &str {
        match &self.data {
            YamlData::Unknown { what, .. } => what,
            YamlData::Null => "nothing",
            YamlData::Scalar { .. } => "a value",
            YamlData::List(_) => "a list",
            YamlData::Map(_) => "a mapping",
        }
    }

    /// As JSON, with numbers and truths as such.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.data {
            YamlData::Null => serde_json::Value::Null,
            YamlData::Scalar { text, plain: true } => match text.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                _ => text.parse::<i64>().map_or_else(|_| text.as_str().into(), Into::into),
            },
            YamlData::Unknown { text, .. } | YamlData::Scalar { text, .. } => text.as_str().into(),
            YamlData::List(list) => list.iter().map(Self::to_json).collect(),
            YamlData::Map(entries) => {
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

/// What a text has in it.
pub(super) struct Document {
    pub(super) root: Yaml,
    /// Whether a function has its short form, such as `!Ref`, anywhere.
    pub(super) has_short_forms: bool,
}

/// Reads the one document of a text. Its lines are counted from the first one.
pub(super) fn parse(text: &str, first_line: usize) -> Result<Document, Diagnostic> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..HYPHENS_MAX {
        match parse_once(&text, first_line) {
            Err(Failure::Syntax { diagnostic, offset }) => match quote_hyphen(&text, offset) {
                Some(quoted) => text = Cow::Owned(quoted),
                None => return Err(diagnostic),
            },
            Err(Failure::Other(diagnostic)) => return Err(diagnostic),
            Ok(document) => return Ok(document),
        }
    }
    parse_once(&text, first_line).map_err(Failure::into_diagnostic)
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

fn parse_once(text: &str, first_line: usize) -> Result<Document, Failure> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        first_line,
        line: first_line,
        nodes: 0,
        anchors: BTreeMap::new(),
        has_short_forms: false,
    };
    loop {
        match reader.next()? {
            Event::StreamEnd => return Err(reader.refuse("the template is empty; expected Resources")),
            Event::DocumentStart(_) => break,
            _ => {}
        }
    }
    let first = reader.next()?.into_static();
    let root = reader.node(first, 0)?;
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(Document { root, has_short_forms: reader.has_short_forms }),
            Event::DocumentStart(_) => return Err(reader.refuse("a second document begins; expected one")),
            _ => {}
        }
    }
}

/// Why a text could not be parsed.
enum Failure {
    /// It is not YAML, at an offset in characters.
    Syntax {
        diagnostic: Diagnostic,
        offset: usize,
    },
    Other(Diagnostic),
}

impl Failure {
    fn into_diagnostic(self) -> Diagnostic {
        match self {
            Self::Syntax { diagnostic, .. } | Self::Other(diagnostic) => diagnostic,
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    first_line: usize,
    line: usize,
    nodes: usize,
    /// What an alias stands for, by the parser's number, with how many nodes that is and how deep they are nested.
    anchors: BTreeMap<usize, (Yaml, usize, usize)>,
    has_short_forms: bool,
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
        Failure::Other(Diagnostic { line: self.line, text: text.into(), ..Diagnostic::default() })
    }

    /// The number of a line that the parser counts from 1.
    fn numbered(&self, line: usize) -> usize {
        self.first_line + line.max(1) - 1
    }

    fn next(&mut self) -> Result<Event<'a>, Failure> {
        match self.parser.next_event() {
            None => Ok(Event::StreamEnd),
            Some(Ok((event, span))) => {
                self.line = self.numbered(span.start.line());
                Ok(event)
            }
            Some(Err(error)) => {
                let text = format!("it is not YAML: {}", error.info());
                let diagnostic =
                    Diagnostic { line: self.numbered(error.marker().line()), text, ..Diagnostic::default() };
                Err(Failure::Syntax { diagnostic, offset: error.marker().index() })
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

    fn node(&mut self, event: Owned, depth: usize) -> Result<Yaml, Failure> {
        let line = self.line;
        if depth > DEPTH_MAX {
            return Err(self.refuse(format!("it is nested more than {DEPTH_MAX} deep")));
        }
        let before = self.nodes;
        self.count(1)?;
        let (data, anchor, tag) = match event {
            Owned::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let data = match text.as_str() {
                    "" | "~" | "null" | "Null" | "NULL" if plain => YamlData::Null,
                    _ => YamlData::Scalar {
                        text: yaml_truth(&text).filter(|_| plain).map_or(text, ToOwned::to_owned),
                        plain,
                    },
                };
                (data, anchor, tag)
            }
            Owned::List(anchor, tag) => {
                let mut list = Vec::new();
                loop {
                    match self.next()?.into_static() {
                        Owned::End => break,
                        event => list.push(self.node(event, depth + 1)?),
                    }
                }
                (YamlData::List(list), anchor, tag)
            }
            Owned::Map(anchor, tag) => (YamlData::Map(self.map(depth)?), anchor, tag),
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
        let node = Yaml { line, data };
        let node = match tag {
            Some(tag) if tag.handle == "!" => {
                self.has_short_forms = true;
                let name = match tag.suffix.as_str() {
                    "Ref" | "Condition" => tag.suffix,
                    _ => format!("Fn::{}", tag.suffix),
                };
                Yaml { line, data: YamlData::Map(vec![(name, node)]) }
            }
            _ => node,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before, node.height()));
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Yaml)>, Failure> {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
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
            match node.data {
                YamlData::Map(more) if is_merge => merged.extend(more),
                YamlData::List(maps) if is_merge && maps.iter().all(|map| matches!(map.data, YamlData::Map(_))) => {
                    merged.extend(maps.into_iter().flat_map(|map| match map.data {
                        YamlData::Map(more) => more,
                        _ => Vec::new(),
                    }));
                }
                _ if is_merge => return Err(self.refuse("<< takes a mapping, or a list of mappings")),
                data => entries.push((key, Yaml { line: node.line, data })),
            }
        }
        // An entry of the mapping itself goes first, then those of the mappings in their order (YAML's merge type).
        merged.retain(|(key, _)| known.insert(key.clone()));
        merged.append(&mut entries);
        Ok(merged)
    }
}

/// The type of a resource.
pub(super) fn kind(resource: &Yaml) -> &str {
    resource.get("Type").and_then(Yaml::as_text).unwrap_or_default()
}

pub(super) fn refused(node: &Yaml, text: String) -> Diagnostic {
    Diagnostic { line: node.line, text, ..Diagnostic::default() }
}
