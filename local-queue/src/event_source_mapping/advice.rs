//! What somebody should know of a mapping that works as it was told to, and probably not as it was meant to: each said once.

use std::time::Duration;

use serde_json::Value;

use super::source::SourceMessage;

/// Lambda's advice (developer guide, "Configuring a queue"): the visibility timeout is at least six times the function's.
const TIMEOUTS_MIN: u32 = 6;
/// The member of a reply that names the failed messages.
const KEY: &str = "batchItemFailures";

/// What has been said of a mapping.
#[derive(Debug, Default)]
pub(super) struct Advice {
    is_reply_told: bool,
}

impl Advice {
    /// Whether a reply, after which every message is deleted, says that some of them failed, in a way that Lambda does not
    /// read. Asked until there is something to say.
    pub(super) fn of_reply(
        &mut self,
        (function, queue): (&str, &str),
        reply: &[u8],
        messages: &[SourceMessage],
        report_batch_item_failures: bool,
    ) -> Option<String> {
        if self.is_reply_told || !mentions(reply) {
            return None;
        }
        let line = of_reply(function, queue, reply, messages, report_batch_item_failures)?;
        self.is_reply_told = true;
        Some(line)
    }
}

/// Whether the key is anywhere in the reply, in whatever capitals: most replies are not read twice.
fn mentions(reply: &[u8]) -> bool {
    reply.windows(KEY.len()).any(|window| window.eq_ignore_ascii_case(KEY.as_bytes()))
}

fn of_reply(
    function: &str,
    queue: &str,
    reply: &[u8],
    messages: &[SourceMessage],
    report_batch_item_failures: bool,
) -> Option<String> {
    let Ok(Value::Object(members)) = serde_json::from_slice(reply) else { return None };
    let (key, items) = members.iter().find_map(|(key, value)| {
        let items = value.as_array().filter(|items| !items.is_empty())?;
        key.eq_ignore_ascii_case(KEY).then_some((key, items))
    })?;
    let is_read = key == KEY && report_batch_item_failures;
    if is_read {
        return None;
    }
    let why = if report_batch_item_failures {
        format!("Lambda reads only {KEY}, spelt so")
    } else {
        "the mapping has no FunctionResponseTypes: [ReportBatchItemFailures], so Lambda does not read replies"
            .to_owned()
    };
    Some(format!(
        "{function}: a reply names {} of {} messages of {queue} in {key}, and all of them are deleted: {why}",
        items.len(),
        messages.len()
    ))
}

/// What a queue's settings make of a function's.
pub(super) fn of_queue(
    (function, queue): (&str, &str),
    function_timeout: Duration,
    batching_window: Duration,
    visibility_timeout: Duration,
    max_receive_count: Option<u32>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let advised = function_timeout * TIMEOUTS_MIN + batching_window;
    if visibility_timeout < advised {
        lines.push(format!(
            "{function}: the visibility timeout of {queue}, {} s, is less than the {} s that Lambda advises (6 times the \
             function's timeout, and the batching window): while the function is throttled, messages may come back before \
             they are done",
            visibility_timeout.as_secs(),
            advised.as_secs()
        ));
    }
    if max_receive_count == Some(1) {
        lines.push(format!(
            "{function}: maxReceiveCount of {queue} is 1, so a message that is received and not given to the function, such \
             as when that is throttled, goes to the dead-letter queue unseen; Lambda advises at least 5"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: (&str, &str) = ("resize", "jobs");

    #[test]
    fn a_reply_that_is_read_otherwise_than_it_was_meant_is_told_once() {
        let unread = "the mapping has no FunctionResponseTypes";
        for (reply, reports, expected) in [
            (r#"{"batchItemFailures": [{"itemIdentifier": "a"}]}"#, true, None),
            (r#"{"batchItemFailures": [{"itemIdentifier": "a"}]}"#, false, Some(unread)),
            (r#"{"BatchItemFailures": [{"itemIdentifier": "a"}]}"#, false, Some(unread)),
            (r#"{"BatchItemFailures": [{"itemIdentifier": "a"}]}"#, true, Some("Lambda reads only batchItemFailures")),
            (r#"{"batchitemfailures": ["a"]}"#, true, Some("in batchitemfailures, and all of them are deleted")),
            (r#"{"BatchItemFailures": []}"#, true, None),
            (r#"{"batchItemFailures": []}"#, false, None),
            (r#"{"batchItemFailures": null}"#, false, None),
            (r#"{"note": "batchItemFailures"}"#, false, None),
            (r#"["batchItemFailures"]"#, false, None),
            ("batchItemFailures", false, None),
            ("", false, None),
        ] {
            let mut advice = Advice::default();
            let line = advice.of_reply(OF, reply.as_bytes(), &[], reports);
            let is_right = match (&line, expected) {
                (Some(line), Some(expected)) => line.starts_with("resize: ") && line.contains(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(is_right, "{reply}, {reports}: {line:?}");
            assert_eq!(advice.of_reply(OF, reply.as_bytes(), &[], reports), None, "once");
        }
    }

    #[test]
    fn a_queue_that_is_too_hasty_for_its_function_is_told() {
        let seconds = Duration::from_secs;
        for (timeout, window, visibility_timeout, receives, expected) in [
            (5, 0, 30, None, &[][..]),
            (5, 0, 29, Some(2), &["29 s, is less than the 30 s"]),
            (5, 10, 39, Some(5), &["39 s, is less than the 40 s"]),
            (5, 10, 40, Some(1), &["maxReceiveCount of jobs is 1"]),
            (30, 0, 30, Some(1), &["30 s, is less than the 180 s", "maxReceiveCount of jobs is 1"]),
        ] {
            let lines = of_queue(OF, seconds(timeout), seconds(window), seconds(visibility_timeout), receives);
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            assert!(lines.iter().zip(expected).all(|(line, part)| line.contains(part)), "{lines:?}");
        }
    }
}
