//! Filter criteria: which messages the function gets. The others are deleted, unseen.
//!
//! The language is that of EventBridge's event patterns, as far as Lambda documents it (developer guide, "Filter rule
//! syntax"): a message has to match one of the filters, and in it every field one of its rules.
//!
//! | rule | matches |
//! | --- | --- |
//! | `"x"`, `""`, `300`, `true`, `null` | this very value; numbers are compared as they are spelt, so `300` is not `300.0` |
//! | `{"prefix": "x"}`, `{"suffix": "x"}` | text that begins, ends so; `{"prefix": {"equals-ignore-case": "x"}}` in any case |
//! | `{"equals-ignore-case": "x"}` | text, in any case |
//! | `{"numeric": [">", 10, "<=", 20]}` | numbers by their value: `=`, `<`, `<=`, `>`, `>=`, or a range |
//! | `{"wildcard": "a*z"}` | text, where each `*` stands for any characters or none; `\*` is a star |
//! | `{"cidr": "10.0.0.0/24"}` | text that is an address of this block, IPv4 or IPv6 |
//! | `{"exists": true}`, `{"exists": false}` | a field with, without a value; objects are no values |
//! | `{"anything-but": ["x", "y"]}` | any value but these; a single one, or `prefix`, `suffix`, `equals-ignore-case`, `wildcard` |
//! | `"$or": [{...}, {...}]` | one of at least two alternatives, beside the other fields |
//!
//! A list in the message matches when one of its elements does. Of a key that is there twice the last counts, in patterns
//! and in messages.
//!
//! The fields are those of a record: `body`, and what Lambda adds (`attributes`, `messageAttributes`, ...). For the body
//! (developer guide, "Properly filtering Amazon SQS messages"):
//!
//! | body | pattern | |
//! | --- | --- | --- |
//! | plain text | `"body": ["text"]` | compared |
//! | JSON | `"body": {"key": [...]}` | compared, without writing the body anew |
//! | plain text | `"body": {"key": [...]}` | no match |
//! | JSON | `"body": ["text"]` | no match |
//! | either | no `body` | not looked at |
//!
//! JSON here is an object or an array: a body such as `42` counts as text (our decision; the guide does not say).

mod json;
mod matching;
mod pattern;

use serde_json::Value;

use self::pattern::Pattern;
pub use self::pattern::PatternProblem;
use super::source::SourceMessage;
use crate::engine::QueueArn;

/// Filters of one mapping (developer guide: "up to five", more on request).
pub const FILTERS_MAX: usize = 5;
/// Filters of one mapping when AWS has raised the quota (developer guide).
pub const FILTERS_MAX_RAISED: usize = 10;
/// Characters in one pattern (`Filter` in the API reference).
const PATTERN_CHARS_MAX: usize = 4_096;

/// Which messages the function gets: those that match one of the patterns; without any, all.
///
/// ```
/// use local_queue::event_source_mapping::FilterCriteria;
///
/// let criteria = FilterCriteria::parse([r#"{"body": {"kind": ["photo"], "bytes": [{"numeric": ["<", 1e6]}]}}"#])?;
/// assert!(criteria.matches_body(r#"{"kind": "photo", "bytes": 4096}"#));
/// assert!(!criteria.matches_body(r#"{"kind": "film", "bytes": 4096}"#));
/// assert!(!criteria.matches_body("photo"));
/// # Ok::<(), local_queue::event_source_mapping::FilterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterCriteria {
    patterns: Vec<Pattern>,
    /// As they were written.
    texts: Vec<String>,
}

/// Why filter criteria are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A pattern is not valid. The text is AWS's (recorded); the source of the error says what is wrong with it.
    #[error("Invalid filter pattern definition.")]
    InvalidPattern {
        /// Which filter, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        problem: PatternProblem,
    },
    /// There are more filters than a mapping may have.
    #[error("{count} filters given; at most {count_max}")]
    TooManyFilters {
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// `FilterCriteria` has not the form that the API takes.
    #[error("FilterCriteria is not of the form {{\"Filters\": [{{\"Pattern\": \"...\"}}]}}: {problem}")]
    NotFilterCriteria {
        /// Where it differs.
        problem: String,
    },
}

impl FilterCriteria {
    /// Checks up to [`FILTERS_MAX`] patterns.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterError> {
        Self::parse_up_to(FILTERS_MAX, patterns)
    }

    /// As [`FilterCriteria::parse`], where AWS has raised the quota, up to [`FILTERS_MAX_RAISED`].
    pub fn parse_up_to<'a>(count_max: usize, patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterError> {
        let patterns: Vec<&str> = patterns.into_iter().collect();
        let (count, count_max) = (patterns.len(), count_max.min(FILTERS_MAX_RAISED));
        if count > count_max {
            return Err(FilterError::TooManyFilters { count, count_max });
        }
        let parse = |(index, pattern): (usize, &str)| {
            let chars = pattern.chars().count();
            let parsed = if chars > PATTERN_CHARS_MAX {
                Err(PatternProblem::too_long(chars, PATTERN_CHARS_MAX))
            } else {
                Pattern::parse(pattern)
            };
            parsed.map_err(|problem| FilterError::InvalidPattern { index, problem })
        };
        let texts = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let patterns = patterns.into_iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { patterns, texts })
    }

    /// Reads the form of the API and of templates: `{"Filters": [{"Pattern": "{...}"}]}`.
    pub fn from_json(criteria: &Value) -> Result<Self, FilterError> {
        let wrong = |problem: &str| FilterError::NotFilterCriteria { problem: problem.to_owned() };
        let criteria = criteria.as_object().ok_or_else(|| wrong("it is not an object"))?;
        let filters = match criteria.get("Filters") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(filters) => filters.as_array().ok_or_else(|| wrong("Filters is not a list"))?,
        };
        let pattern = |(index, filter): (usize, &Value)| {
            // Recorded: a pattern that is null is refused like any other that is not one.
            match filter.as_object().ok_or_else(|| wrong("a filter is not an object"))?.get("Pattern") {
                Some(Value::String(pattern)) => Ok(pattern.clone()),
                Some(Value::Null) | None => {
                    Err(FilterError::InvalidPattern { index, problem: PatternProblem::missing() })
                }
                Some(_) => Err(wrong("a Pattern is not a string")),
            }
        };
        let patterns = filters.iter().enumerate().map(pattern).collect::<Result<Vec<_>, _>>()?;
        Self::parse(patterns.iter().map(String::as_str))
    }

    /// The patterns as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Whether there is no filter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the function gets this message of this queue.
    #[must_use]
    pub fn matches(&self, message: &SourceMessage, queue: &QueueArn) -> bool {
        self.is_empty() || matching::record(&self.patterns, &message.body, || matching::metadata(message, queue))
    }

    /// Whether the function gets a message with this body, if nothing but the body counts: to try a pattern.
    #[must_use]
    pub fn matches_body(&self, body: &str) -> bool {
        self.is_empty() || matching::record(&self.patterns, body, || "{}".to_owned())
    }
}

#[cfg(test)]
mod tests;
