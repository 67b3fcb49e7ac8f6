//! What is said in the log about something that goes wrong again and again: one line a minute, not one for each attempt.

use std::time::Duration;

use super::source::SourceError;
use crate::engine::Time;

/// The time between two lines of one outage.
const INTERVAL: Duration = Duration::from_mins(1);

/// Attempts that failed since the last that worked.
#[derive(Debug)]
pub(super) struct Outage {
    /// What cannot be done with the messages.
    verb: &'static str,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    since: Time,
    said_at: Time,
    failures: u64,
}

impl Outage {
    pub(super) const fn of_receives() -> Self {
        Self { verb: "received", running: None }
    }

    pub(super) const fn of_deletes() -> Self {
        Self { verb: "deleted", running: None }
    }

    /// Takes note of a failure; what is to be said about it, if anything.
    pub(super) fn failed(&mut self, now: Time, queue: &str, error: &SourceError) -> Option<String> {
        let verb = self.verb;
        let Some(running) = &mut self.running else {
            self.running = Some(Running { since: now, said_at: now, failures: 1 });
            return Some(format!("messages of {queue} cannot be {verb}, trying again: {error}"));
        };
        running.failures += 1;
        if now.since(running.said_at) < INTERVAL {
            return None;
        }
        running.said_at = now;
        let (failures, seconds) = (running.failures, now.since(running.since).as_secs());
        Some(format!(
            "messages of {queue} cannot be {verb} for {seconds} s, after {failures} attempts, trying again: {error}"
        ))
    }

    /// Takes note of a success; what is to be said about it, if anything.
    pub(super) fn ended(&mut self, now: Time, queue: &str) -> Option<String> {
        let (verb, running) = (self.verb, self.running.take()?);
        let (failures, seconds) = (running.failures, now.since(running.since).as_secs());
        Some(format!("messages of {queue} can be {verb} again after {seconds} s and {failures} failed attempts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_line_a_minute_and_one_at_its_end() {
        let mut outage = Outage::of_receives();
        let error = SourceError::Other("connection refused".into());
        let at = |seconds: u64| Time::from_millis(seconds * 1_000);
        assert_eq!(outage.ended(at(0), "jobs"), None, "there is none");
        let lines: Vec<_> = (0..=150).filter_map(|second| outage.failed(at(second), "jobs", &error)).collect();
        assert_eq!(
            lines,
            [
                "messages of jobs cannot be received, trying again: connection refused",
                "messages of jobs cannot be received for 60 s, after 61 attempts, trying again: connection refused",
                "messages of jobs cannot be received for 120 s, after 121 attempts, trying again: connection refused",
            ]
        );
        let ended = "messages of jobs can be received again after 155 s and 151 failed attempts";
        assert_eq!(outage.ended(at(155), "jobs").as_deref(), Some(ended));
        assert!(outage.failed(at(156), "jobs", &error).is_some(), "the next outage begins with a line");
    }
}
