//! Names of queues: parsed once, then known to be valid.

use std::{fmt, sync::Arc};

use crate::{EngineError, Limits};

/// The name of a queue: letters, digits, hyphens and underscores, and `.fifo` at the end of a FIFO queue's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Checks a name against SQS's rule.
    pub fn parse(raw: &str, limits: &Limits) -> Result<Self, EngineError> {
        let stem = raw.strip_suffix(".fifo").unwrap_or(raw);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if raw.len() > limits.queue_name_chars_max || stem.is_empty() || !stem.bytes().all(allowed) {
            return Err(EngineError::QueueNameInvalid { name: raw.to_owned() });
        }
        Ok(Self(raw.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is that of a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_has_1_to_80_letters_digits_hyphens_underscores_and_may_end_in_fifo() {
        let longest = "q".repeat(80);
        let longest_fifo = format!("{}.fifo", "q".repeat(75));
        for name in ["a", "jobs-dlq", "Jobs_2", "a.fifo", &longest, &longest_fifo] {
            assert!(QueueName::parse(name, &Limits::STRICT).is_ok(), "{name}");
        }
        let too_long = "q".repeat(81);
        for name in ["", ".fifo", "a.b", "a.fifo.fifo", "a b", "\u{fc}", "a/b", &too_long] {
            assert!(QueueName::parse(name, &Limits::STRICT).is_err(), "{name}");
        }
    }
}
