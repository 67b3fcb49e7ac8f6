//! Patterns, parsed and checked.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde_json::value::RawValue;

use super::json::{Json, Members};

/// The values of numeric rules (EventBridge user guide, "Numeric matching").
const NUMBER_MAX: f64 = 5.0e9;

/// A filter's pattern: the fields of a record and their rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) fields: FieldPatterns,
}

/// Fields that all have to match, and alternatives of which one has to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldPatterns {
    pub(super) all_of: BTreeMap<String, PatternNode>,
    /// `$or`; empty if there is none.
    pub(super) any_of: Vec<FieldPatterns>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternNode {
    Fields(FieldPatterns),
    /// At least one, of which one has to match.
    Rules(Vec<Rule>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Is(Literal),
    Text(TextRule),
    Numeric(Vec<Comparison>),
    Addresses(Addresses),
    Exists(bool),
    AnythingBut(Vec<Literal>),
    /// At least one, of which none may match.
    AnythingButText(Vec<TextRule>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    /// As it is spelt.
    Number(String),
    String(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextRule {
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    EqualsIgnoreCase(String),
    /// What stands before, between and after the stars: at least one, and one more than there are stars.
    Wildcard(Vec<String>),
}

/// A range of addresses of one kind, as CIDR blocks spell it. It begins at the address that is given, also when that is
/// not the first of its block (EventBridge's Ruler).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) operator: Operator,
    pub(super) number: f64,
}

/// The numbers of patterns are finite.
impl Eq for Comparison {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is wrong with a pattern, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternProblem {
    path: Vec<String>,
    text: String,
}

impl fmt::Display for PatternProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return write!(f, "the pattern {}", self.text);
        }
        let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        write!(f, "{} {}", path.join("."), self.text)
    }
}

impl std::error::Error for PatternProblem {}

impl PatternProblem {
    fn new(text: impl Into<String>) -> Self {
        Self { path: Vec::new(), text: text.into() }
    }

    fn expected(expected: &str, found: &Json<'_>) -> Self {
        Self::new(format!("must be {expected}, not {}", found.kind()))
    }

    /// Below this key.
    fn at(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }

    pub(super) fn too_long(chars: usize, chars_max: usize) -> Self {
        Self::new(format!("has {chars} characters, and may have {chars_max}"))
    }

    pub(super) fn missing() -> Self {
        Self::new("must be JSON in a string, and is missing or null")
    }
}

fn read(raw: &RawValue) -> Result<Json<'_>, PatternProblem> {
    Json::read(raw).map_err(|error| PatternProblem::new(format!("is not JSON: {error}")))
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternProblem> {
        match Json::parse(text).map_err(|error| PatternProblem::new(format!("is not JSON: {error}")))? {
            Json::Object(members) => Ok(Self { fields: FieldPatterns::parse(&members)? }),
            other => Err(PatternProblem::expected("an object", &other)),
        }
    }
}

impl FieldPatterns {
    fn parse(members: &Members<'_>) -> Result<Self, PatternProblem> {
        if members.is_empty() {
            return Err(PatternProblem::new("must not be an empty object"));
        }
        let mut fields = Self::default();
        for (key, raw) in members {
            let result = match (key.as_str(), read(raw)) {
                (_, Err(problem)) => Err(problem),
                ("$or", Ok(value)) => fields.read_alternatives(&value),
                (_, Ok(value)) => PatternNode::parse(&value).map(|node| {
                    fields.all_of.insert(key.clone(), node);
                }),
            };
            result.map_err(|problem| problem.at(key))?;
        }
        Ok(fields)
    }

    fn read_alternatives(&mut self, value: &Json<'_>) -> Result<(), PatternProblem> {
        let expected = "an array of two or more objects";
        let Json::Array(alternatives) = value else { return Err(PatternProblem::expected(expected, value)) };
        if alternatives.len() < 2 {
            return Err(PatternProblem::new(format!("must be {expected}, and has {}", alternatives.len())));
        }
        for (index, raw) in alternatives.iter().enumerate() {
            let alternative = match read(raw) {
                Ok(Json::Object(members)) => Self::parse(&members),
                Ok(other) => Err(PatternProblem::expected("an object", &other)),
                Err(problem) => Err(problem),
            };
            self.any_of.push(alternative.map_err(|problem| problem.at(&format!("[{index}]")))?);
        }
        Ok(())
    }
}

impl PatternNode {
    fn parse(value: &Json<'_>) -> Result<Self, PatternProblem> {
        match value {
            Json::Object(members) => FieldPatterns::parse(members).map(Self::Fields),
            Json::Array(rules) if rules.is_empty() => {
                Err(PatternProblem::new("must have a rule, and is an empty array"))
            }
            Json::Array(rules) => {
                let parse = |(index, raw): (usize, &&RawValue)| {
                    let rule = read(raw).and_then(|rule| Rule::parse(&rule));
                    rule.map_err(|problem| problem.at(&format!("[{index}]")))
                };
                rules.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Self::Rules)
            }
            other => Err(PatternProblem::expected("an object or an array of rules", other)),
        }
    }
}

impl Rule {
    fn parse(rule: &Json<'_>) -> Result<Self, PatternProblem> {
        let members = match rule {
            Json::Object(members) => members,
            Json::Array(_) => return Err(PatternProblem::expected("a value or an object with one operator", rule)),
            scalar => return Ok(Self::Is(Literal::from_json(scalar).expect("neither an object nor an array"))),
        };
        let (operator, operand) = only_member(members)?;
        let result = match operator {
            "numeric" => read(operand).and_then(|operand| comparisons(&operand)).map(Self::Numeric),
            "exists" => read(operand).and_then(|operand| match operand {
                Json::Bool(exists) => Ok(Self::Exists(exists)),
                other => Err(PatternProblem::expected("true or false", &other)),
            }),
            "cidr" => read(operand).and_then(|operand| Addresses::parse(&operand).map(Self::Addresses)),
            "anything-but" => read(operand).and_then(|operand| Self::anything_but(&operand)),
            _ => TextRule::parse(operator, operand)
                .and_then(|rule| rule.ok_or_else(|| PatternProblem::new("is not an operator that Lambda documents")))
                .map(Self::Text),
        };
        result.map_err(|problem| problem.at(operator))
    }

    fn anything_but(operand: &Json<'_>) -> Result<Self, PatternProblem> {
        let expected =
            "a string, a number, an array of either, or an object with prefix, suffix, equals-ignore-case or wildcard";
        match operand {
            Json::String(_) | Json::Number(_) => {
                Ok(Self::AnythingBut(Literal::from_json(operand).into_iter().collect()))
            }
            Json::Array(values) => {
                let values: Vec<Json<'_>> = values.iter().map(|raw| read(raw)).collect::<Result<_, _>>()?;
                let strings = values.iter().filter(|value| matches!(value, Json::String(_))).count();
                let numbers = values.iter().filter(|value| matches!(value, Json::Number(_))).count();
                if values.is_empty() || values.len() != strings.max(numbers) {
                    return Err(PatternProblem::new("must be an array of strings or an array of numbers"));
                }
                Ok(Self::AnythingBut(values.iter().filter_map(Literal::from_json).collect()))
            }
            Json::Object(members) => {
                let (operator, operand) = only_member(members)?;
                let operands = match read(operand)? {
                    Json::Array(operands) => operands,
                    _ => vec![operand],
                };
                let rule = |operand| TextRule::parse(operator, operand);
                let rules: Option<Vec<TextRule>> = operands.into_iter().map(rule).collect::<Result<_, _>>()?;
                match rules {
                    Some(rules) if !rules.is_empty() && !rules.iter().any(TextRule::is_empty) => {
                        Ok(Self::AnythingButText(rules))
                    }
                    _ => Err(PatternProblem::new(format!("must be {expected}, none of them empty")).at(operator)),
                }
            }
            other => Err(PatternProblem::expected(expected, other)),
        }
    }
}

fn only_member<'m, 'a>(members: &'m Members<'a>) -> Result<(&'m str, &'a RawValue), PatternProblem> {
    match members.iter().next() {
        Some((operator, operand)) if members.len() == 1 => Ok((operator, operand)),
        _ => Err(PatternProblem::new(format!("must be an object with one operator, and has {}", members.len()))),
    }
}

impl Literal {
    pub(super) fn from_json(value: &Json<'_>) -> Option<Self> {
        match value {
            Json::Null => Some(Self::Null),
            Json::Bool(value) => Some(Self::Bool(*value)),
            Json::Number(text) => Some(Self::Number((*text).to_owned())),
            Json::String(text) => Some(Self::String(text.clone())),
            Json::Array(_) | Json::Object(_) => None,
        }
    }
}

impl TextRule {
    /// `None` if there is no such operator.
    fn parse(operator: &str, operand: &RawValue) -> Result<Option<Self>, PatternProblem> {
        if !matches!(operator, "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
            return Ok(None);
        }
        let (text, ignoring_case) = match read(operand)? {
            Json::Object(members) if matches!(operator, "prefix" | "suffix") => match only_member(&members)? {
                ("equals-ignore-case", text) => (read(text)?, true),
                (other, _) => return Err(PatternProblem::new("must be equals-ignore-case").at(other)),
            },
            text => (text, false),
        };
        let Json::String(text) = text else { return Err(PatternProblem::expected("a string", &text)) };
        Ok(Some(match (operator, ignoring_case) {
            ("prefix", false) => Self::Prefix(text),
            ("prefix", true) => Self::PrefixIgnoreCase(text.to_lowercase()),
            ("suffix", false) => Self::Suffix(text),
            ("suffix", true) => Self::SuffixIgnoreCase(text.to_lowercase()),
            ("equals-ignore-case", _) => Self::EqualsIgnoreCase(text.to_lowercase()),
            ("wildcard", _) => Self::Wildcard(wildcard(&text)?),
            _ => return Ok(None),
        }))
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Prefix(text) | Self::PrefixIgnoreCase(text) | Self::Suffix(text) | Self::SuffixIgnoreCase(text) => {
                text.is_empty()
            }
            Self::EqualsIgnoreCase(_) => false,
            Self::Wildcard(parts) => *parts == [""],
        }
    }
}

/// The parts around the stars; `\*` is a star and `\\` a backslash (EventBridge user guide, "Matching using wildcards").
fn wildcard(text: &str) -> Result<Vec<String>, PatternProblem> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.peek() == Some(&'*') => {
                return Err(PatternProblem::new("must not have two stars in a row"));
            }
            '*' => parts.push(String::new()),
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => parts.last_mut().expect("there is a part").push(escaped),
                _ => return Err(PatternProblem::new("must have a star or a backslash after each backslash")),
            },
            other => parts.last_mut().expect("there is a part").push(other),
        }
    }
    Ok(parts)
}

impl Addresses {
    fn parse(operand: &Json<'_>) -> Result<Self, PatternProblem> {
        let Json::String(text) = operand else { return Err(PatternProblem::expected("a string", operand)) };
        let parts = text.split_once('/').and_then(|(address, bits)| Some((address.parse().ok()?, bits.parse().ok()?)));
        let range = parts.and_then(|(address, bits): (IpAddr, u32)| {
            // Of each kind, the widest mask that leaves something open.
            Some(match address {
                IpAddr::V4(first) if bits < 32 => IpAddr::from((first.to_bits() | (u32::MAX >> bits)).to_be_bytes()),
                IpAddr::V6(first) if bits < 128 => IpAddr::from((first.to_bits() | (u128::MAX >> bits)).to_be_bytes()),
                _ => return None,
            })
            .map(|last| Self { first: address, last })
        });
        let expected = "must be an IP address, a slash and a number of bits: up to 31 for IPv4, up to 127 for IPv6";
        range.ok_or_else(|| PatternProblem::new(expected))
    }
}

/// `["=", 5]`, one bound, or a lower and an upper bound.
fn comparisons(operand: &Json<'_>) -> Result<Vec<Comparison>, PatternProblem> {
    let wrong = || PatternProblem::new("must be [\"=\", 5], [\">\", 0] or the like, or [\">=\", 0, \"<\", 5]");
    let Json::Array(parts) = operand else { return Err(PatternProblem::expected("an array", operand)) };
    if parts.is_empty() || parts.len() > 4 || parts.len() % 2 == 1 {
        return Err(wrong());
    }
    let comparisons = parts.chunks(2).map(comparison).collect::<Result<Vec<_>, _>>()?;
    let [lower, upper] = &comparisons[..] else { return Ok(comparisons) };
    let is_lower = matches!(lower.operator, Operator::Greater | Operator::GreaterOrEqual);
    let is_upper = matches!(upper.operator, Operator::Less | Operator::LessOrEqual);
    if !is_lower || !is_upper {
        return Err(wrong());
    }
    if lower.number >= upper.number {
        return Err(PatternProblem::new("must have a lower bound that is less than the upper"));
    }
    Ok(comparisons)
}

fn comparison(pair: &[&RawValue]) -> Result<Comparison, PatternProblem> {
    let operator = match read(pair[0])? {
        Json::String(operator) => match operator.as_str() {
            "=" => Operator::Equal,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            other => return Err(PatternProblem::new(format!("must have one of = < <= > >=, not {other:?}"))),
        },
        other => return Err(PatternProblem::expected("an operator such as \">\" before each number", &other)),
    };
    let number = match read(pair[1])? {
        Json::Number(text) => text.parse::<f64>().ok().filter(|number| number.abs() <= NUMBER_MAX),
        other => return Err(PatternProblem::expected("a number after each operator", &other)),
    };
    let number = number.ok_or_else(|| PatternProblem::new("must have numbers from -5.0e9 to 5.0e9"))?;
    Ok(Comparison { operator, number })
}
