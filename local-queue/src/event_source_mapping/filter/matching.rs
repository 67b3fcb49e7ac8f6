//! Whether a message matches a pattern.

use std::{net::IpAddr, time::Duration};

use serde_json::value::RawValue;

use super::{
    json::{Json, Members},
    pattern::{Addresses, Comparison, FieldPatterns, Literal, Operator, Pattern, PatternNode, Rule, TextRule},
};
use crate::{
    engine::QueueArn,
    event_source_mapping::{event::record_without_body, source::SourceMessage},
};

/// How deep lists may lie in each other: each level is read anew, so a body of nothing but brackets must not be read far.
const NESTED_ARRAYS_MAX: usize = 32;

/// What a pattern can look at beside the body.
pub(super) fn metadata(message: &SourceMessage, queue: &QueueArn) -> String {
    // The window shows only in a key that is null or absent; absent is what filters take for no value either way.
    record_without_body(message, queue, Duration::ZERO)
}

/// Whether a record matches one of the patterns. The metadata is asked for only if a pattern looks at it.
pub(super) fn record(patterns: &[Pattern], body: &str, metadata: impl FnOnce() -> String) -> bool {
    let needs_metadata = patterns.iter().any(|pattern| pattern.fields.looks_beside_body());
    let text = if needs_metadata { metadata() } else { "{}".to_owned() };
    let members = match Json::parse(&text) {
        Ok(Json::Object(members)) => members,
        _ => Members::new(),
    };
    // Whether the body is JSON is found out once, and only the parts that patterns name are read further.
    let json = Json::parse(body).ok().filter(|json| matches!(json, Json::Array(_) | Json::Object(_)));
    let record = Record { members, body, json };
    patterns.iter().any(|pattern| record.matches(&pattern.fields))
}

impl FieldPatterns {
    fn looks_beside_body(&self) -> bool {
        self.all_of.keys().any(|key| key != "body") || self.any_of.iter().any(Self::looks_beside_body)
    }

    fn match_members(&self, members: &Members<'_>) -> bool {
        self.all_of.iter().all(|(key, node)| node.matches(members.get(key).copied()))
            && (self.any_of.is_empty() || self.any_of.iter().any(|fields| fields.match_members(members)))
    }

    /// What is no object has no fields; of an array one element has to match, as a whole.
    fn matches(&self, value: Option<Json<'_>>) -> bool {
        let mut objects = Vec::new();
        if let Some(value) = value {
            collect_objects(value, NESTED_ARRAYS_MAX, &mut objects);
        }
        if objects.is_empty() {
            return self.match_members(&Members::new());
        }
        objects.iter().any(|members| self.match_members(members))
    }
}

/// The top level, where the body has its own rules.
struct Record<'a> {
    members: Members<'a>,
    body: &'a str,
    json: Option<Json<'a>>,
}

impl Record<'_> {
    fn matches(&self, fields: &FieldPatterns) -> bool {
        let all = fields.all_of.iter().all(|(key, node)| match key.as_str() {
            "body" => self.body_matches(node),
            _ => node.matches(self.members.get(key).copied()),
        });
        all && (fields.any_of.is_empty() || fields.any_of.iter().any(|fields| self.matches(fields)))
    }

    fn body_matches(&self, node: &PatternNode) -> bool {
        match (node, &self.json) {
            (PatternNode::Fields(fields), Some(json)) => fields.matches(Some(json.clone())),
            (PatternNode::Rules(rules), None) => any_rule(rules, &[Literal::String(self.body.to_owned())]),
            _ => false,
        }
    }
}

impl PatternNode {
    fn matches(&self, value: Option<&RawValue>) -> bool {
        let value = value.and_then(|raw| Json::read(raw).ok());
        match self {
            Self::Fields(fields) => fields.matches(value),
            Self::Rules(rules) => {
                let mut values = Vec::new();
                if let Some(value) = value {
                    collect_values(&value, NESTED_ARRAYS_MAX, &mut values);
                }
                any_rule(rules, &values)
            }
        }
    }
}

fn collect_objects<'a>(value: Json<'a>, depth: usize, objects: &mut Vec<Members<'a>>) {
    match value {
        Json::Object(members) => objects.push(members),
        Json::Array(elements) if depth > 0 => {
            let elements = elements.into_iter().filter_map(|raw| Json::read(raw).ok());
            elements.for_each(|element| collect_objects(element, depth - 1, objects));
        }
        _ => {}
    }
}

fn collect_values(value: &Json<'_>, depth: usize, values: &mut Vec<Literal>) {
    match value {
        Json::Array(elements) if depth > 0 => {
            let elements = elements.iter().filter_map(|raw| Json::read(raw).ok());
            elements.for_each(|element| collect_values(&element, depth - 1, values));
        }
        other => values.extend(Literal::from_json(other)),
    }
}

fn any_rule(rules: &[Rule], values: &[Literal]) -> bool {
    rules.iter().any(|rule| match rule {
        Rule::Exists(exists) => *exists != values.is_empty(),
        rule => values.iter().any(|value| rule.matches(value)),
    })
}

impl Rule {
    fn matches(&self, value: &Literal) -> bool {
        match (self, value) {
            (Self::Is(literal), value) => literal == value,
            (Self::Text(rule), Literal::String(text)) => rule.matches(text),
            (Self::Numeric(comparisons), Literal::Number(text)) => {
                text.parse().is_ok_and(|number| comparisons.iter().all(|comparison| comparison.holds(number)))
            }
            (Self::Addresses(range), Literal::String(text)) => range.holds(text),
            (Self::Text(_) | Self::Numeric(_) | Self::Addresses(_), _) => false,
            (Self::Exists(exists), _) => *exists,
            (Self::AnythingBut(values), value) => !values.contains(value),
            (Self::AnythingButText(rules), Literal::String(text)) => !rules.iter().any(|rule| rule.matches(text)),
            (Self::AnythingButText(_), _) => true,
        }
    }
}

impl TextRule {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::PrefixIgnoreCase(prefix) => text.to_lowercase().starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::SuffixIgnoreCase(suffix) => text.to_lowercase().ends_with(suffix),
            Self::EqualsIgnoreCase(expected) => text.to_lowercase() == *expected,
            Self::Wildcard(parts) => wildcard(parts, text),
        }
    }
}

/// Whether the parts follow each other in the text, the first at its beginning and the last at its end.
fn wildcard(parts: &[String], text: &str) -> bool {
    let [first, between @ .., last] = parts else { return parts.first().is_some_and(|whole| whole == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
        return false;
    };
    // The earliest place for each part leaves the most to those that follow.
    for part in between {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

impl Addresses {
    fn holds(&self, text: &str) -> bool {
        let is_same_kind = |address: &IpAddr| address.is_ipv4() == self.first.is_ipv4();
        let address = text.parse().ok().filter(is_same_kind);
        address.is_some_and(|address| (self.first..=self.last).contains(&address))
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "equal is what the operator says")]
    fn holds(&self, number: f64) -> bool {
        match self.operator {
            Operator::Equal => number == self.number,
            Operator::Less => number < self.number,
            Operator::LessOrEqual => number <= self.number,
            Operator::Greater => number > self.number,
            Operator::GreaterOrEqual => number >= self.number,
        }
    }
}
