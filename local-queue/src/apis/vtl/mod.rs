//! Mapping templates: the part of Velocity's language that they are written in, as far as samples use it. What else there is
//! is refused when a template is read.

mod expressions;
mod parse;
mod run;
mod values;

use serde_json::Value;

pub(super) use self::run::{Override, Source, run};

/// A mapping template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingTemplate(Vec<Node>);

/// Why a string is not a valid mapping template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the template: {text}")]
pub struct MappingTemplateError {
    /// From 1.
    pub line: usize,
    /// What is wrong, or not emulated.
    pub text: String,
}

impl MappingTemplate {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, MappingTemplateError> {
        parse::parse(text).map(Self)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    Reference {
        reference: Reference,
        /// As it is written, which stays where it stands for nothing.
        source: String,
        is_silent: bool,
    },
    Set(Reference, Expression),
    If(Vec<(Option<Expression>, Vec<Node>)>),
    ForEach(String, Expression, Vec<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Literal(Value),
    /// A text in double quotes.
    Text(Vec<Node>),
    Reference(Reference),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Remainder,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference {
    root: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Call(String, Vec<Expression>),
    Item(Box<Expression>),
}

/// The functions of `$input` and `$util` (developer guide, "Mapping template reference").
const OF_INPUT: [&str; 4] = ["body", "json", "params", "path"];
const OF_UTIL: [&str; 6] = ["base64Decode", "base64Encode", "escapeJavaScript", "parseJson", "urlDecode", "urlEncode"];
