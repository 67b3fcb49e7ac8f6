//! Why a job did not succeed, whose fault that is, and whether another try can help.
//!
//! Everything that can go wrong with a message ends as one [`Failure`], so that one `match` on [`Retry`] decides what
//! happens to it. Invariants:
//! - the decision is made by the type of the error where it arises, never by reading a text later;
//! - a failure's kind is a short stable word, fit for a message attribute, a metric or an alarm;
//! - a failure's message is one line for people and holds no credentials and no message body.

use std::any::Any;
use std::fmt;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The message: not a job, or a job that asks for the impossible.
    Job,
    /// What the job reads: missing, forbidden, broken.
    Source,
    /// Where the job writes: missing, forbidden.
    Target,
    /// Our own limits: too much is asked for, or no time or memory is left.
    Limits,
    /// The surroundings: network, credentials, a service that is down or throttles.
    Environment,
    /// A defect of ours.
    Ours,
}

impl Blame {
    /// The stable word for attributes and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Source => "source",
            Self::Target => "target",
            Self::Limits => "limits",
            Self::Environment => "environment",
            Self::Ours => "ours",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether another try can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same message fails the same way for ever: it belongs in the dead-letter queue.
    Never,
    /// It may work after a pause.
    Later,
    /// This attempt had no time or memory for it, which is not the job's fault: another invocation takes it after a short
    /// pause.
    NextAttempt,
}

/// One failed job: the decision and the text for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Whose fault it is.
    pub blame: Blame,
    /// Whether another try can help.
    pub retry: Retry,
    /// A short stable word, such as `bad-job` or `source-not-found`.
    pub kind: &'static str,
    /// One line for people; control characters are replaced and its length is bounded.
    pub message: String,
}

/// Bytes of a failure's message: long enough for a path and a reason, short enough for a message attribute.
const MESSAGE_BYTES_MAX: usize = 1024;

impl Failure {
    /// A failure of any kind; the named constructors below are the usual way.
    #[must_use]
    pub fn new(blame: Blame, retry: Retry, kind: &'static str, message: impl Into<String>) -> Self {
        Self { blame, retry, kind, message: one_line(&message.into()) }
    }

    /// The job itself is wrong, so no retry helps.
    #[must_use]
    pub fn bad_job(message: impl Into<String>) -> Self {
        Self::new(Blame::Job, Retry::Never, "bad-job", message)
    }

    /// Permanent, with its own kind.
    #[must_use]
    pub fn permanent(blame: Blame, kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(blame, Retry::Never, kind, message)
    }

    /// May work after a pause.
    #[must_use]
    pub fn transient(blame: Blame, kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(blame, Retry::Later, kind, message)
    }

    /// The invocation's time was spent before the job was done.
    #[must_use]
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(Blame::Limits, Retry::NextAttempt, "deadline", message)
    }

    /// The job panicked. A defect may depend on the moment, so it is tried again; the queue's redrive policy ends it.
    #[must_use]
    pub fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Self::new(Blame::Ours, Retry::Later, "panic", format!("the job panicked: {text}"))
    }

    /// Whether the message belongs in the dead-letter queue.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.retry == Retry::Never
    }

    /// The same failure with a prefix that says where it arose.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.message = one_line(&format!("{place}: {}", self.message));
        self
    }

    /// Of two failures of one message, the one that decides: a message is given up only when all of it is hopeless.
    #[must_use]
    pub fn or_more_hopeful(self, other: Self) -> Self {
        let hope = |retry| match retry {
            Retry::Never => 0,
            Retry::Later => 1,
            Retry::NextAttempt => 2,
        };
        if hope(other.retry) > hope(self.retry) { other } else { self }
    }
}

/// Makes a text safe for one log line and one message attribute: SQS takes only the characters that XML 1.0 allows.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MESSAGE_BYTES_MAX));
    for character in text.chars() {
        let character = match character {
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            control if control.is_control() => ' ',
            other => other,
        };
        if line.len() + character.len_utf8() > MESSAGE_BYTES_MAX - 3 {
            line.push_str("...");
            break;
        }
        line.push(character);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_bounded_line() {
        let failure = Failure::bad_job(format!("a\nb\u{0}c\u{ffff}{}", "\u{fc}".repeat(5000)));
        assert!(failure.message.starts_with("a b c\u{fffd}"));
        assert!(failure.message.ends_with("..."));
        assert!(failure.message.len() <= MESSAGE_BYTES_MAX);
    }

    #[test]
    fn a_panic_is_ours_and_says_its_text() {
        let by_str = Failure::panic(&"boom");
        let by_string = Failure::panic(&"bang".to_owned());
        let by_other = Failure::panic(&7_u8);
        assert_eq!((by_str.blame, by_str.retry, by_str.kind), (Blame::Ours, Retry::Later, "panic"));
        assert_eq!(by_str.message, "the job panicked: boom");
        assert_eq!(by_string.message, "the job panicked: bang");
        assert_eq!(by_other.message, "the job panicked: no message");
    }

    #[test]
    fn a_message_is_given_up_only_when_all_of_it_is_hopeless() {
        let never = Failure::bad_job("never");
        let later = Failure::transient(Blame::Environment, "timeout", "later");
        let next_attempt = Failure::deadline("no time left");
        assert_eq!(never.clone().or_more_hopeful(later.clone()).kind, "timeout");
        assert_eq!(later.clone().or_more_hopeful(never.clone()).kind, "timeout");
        assert_eq!(later.or_more_hopeful(next_attempt).kind, "deadline");
        assert_eq!(never.clone().or_more_hopeful(Failure::bad_job("second")).message, "never");
    }
}
