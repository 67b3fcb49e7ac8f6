//! Which of the messages are meant.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

use super::{DeadLetter, attribute, system_attribute};
use crate::arguments::Selection;

/// A selection, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    kinds: Vec<String>,
    body_contains: Option<String>,
    /// In milliseconds since 1970, as SQS says when a message was sent.
    since_millis: Option<i64>,
    ids: Vec<String>,
}

impl Filter {
    pub(super) fn read(selection: &Selection, now_millis: i64) -> anyhow::Result<Self> {
        let since_millis = selection.since.as_deref().map(|when| read_when(when, now_millis)).transpose()?;
        let Selection { kind, body_contains, since: _, id } = selection.clone();
        Ok(Self { kinds: kind, body_contains, since_millis, ids: id })
    }

    /// Whether every message is meant.
    pub(super) fn is_all(&self) -> bool {
        let Self { kinds, body_contains, since_millis, ids } = self;
        kinds.is_empty() && body_contains.is_none() && since_millis.is_none() && ids.is_empty()
    }

    pub(super) fn takes(&self, message: &Message, letter: &DeadLetter) -> bool {
        let is_meant = |id: &String| is_named(message, id);
        (self.kinds.is_empty() || self.kinds.contains(&letter.kind))
            && self.body_contains.as_ref().is_none_or(|text| letter.body.contains(text))
            && self.since_millis.is_none_or(|since| sent_millis(message).is_some_and(|sent| sent >= since))
            && (self.ids.is_empty() || self.ids.iter().any(is_meant))
    }
}

/// Whether a message has this id, or is a copy of the one that had it.
pub(super) fn is_named(message: &Message, id: &str) -> bool {
    message.message_id() == Some(id) || attribute(message, "OriginalMessageId").as_deref() == Some(id)
}

/// When it was sent, by the clock of SQS.
pub(super) fn sent_millis(message: &Message) -> Option<i64> {
    system_attribute(message, &MessageSystemAttributeName::SentTimestamp)?.parse().ok()
}

fn read_when(text: &str, now_millis: i64) -> anyhow::Result<i64> {
    let expected =
        || format!("--since {text:?}: expected a time like 2026-12-01T08:00:00Z, or so long ago: 90m, 12h, 3d");
    if let Some((number, unit)) = text.char_indices().last().and_then(|(index, _)| text.split_at_checked(index)) {
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            "d" => Some(86_400),
            _ => None,
        };
        if let (Some(seconds), Ok(number)) = (seconds, number.parse::<u32>()) {
            let ago = Duration::from_secs(seconds * u64::from(number));
            return Ok(now_millis.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
        }
    }
    match DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset) {
        Ok(time) => time.to_millis().with_context(expected),
        Err(_) => bail!(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::{History, dead_letter};
    use aws_sdk_sqs::types::MessageAttributeValue;

    #[test]
    fn a_time_is_a_date_or_so_long_ago() {
        let now = 1_800_000_000_000;
        for (text, expected) in [
            ("2027-01-15T08:00:00Z", Some(now)),
            ("2027-01-15T09:00:00.5+01:00", Some(now + 500)),
            ("0s", Some(now)),
            ("90m", Some(now - 5_400_000)),
            ("12h", Some(now - 43_200_000)),
            ("3d", Some(now - 259_200_000)),
            ("", None),
            ("h", None),
            ("-3d", None),
            ("3 d", None),
            ("3\u{20ac}", None),
            ("yesterday", None),
            ("2027-01-15", None),
        ] {
            assert_eq!(read_when(text, now).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_given_holds_all_at_once() {
        let value =
            |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap();
        let message = Message::builder()
            .message_id("copy")
            .body("a cat.jpg")
            .message_attributes("FailureKind", value("bad-image"))
            .message_attributes("OriginalMessageId", value("first"))
            .attributes(MessageSystemAttributeName::SentTimestamp, "1000")
            .build();
        let letter = dead_letter(&message, &History::default());
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let all = Filter::default();
        for (filter, expected) in [
            (all.clone(), true),
            (Filter { kinds: texts(&["unknown", "bad-image"]), ..all.clone() }, true),
            (Filter { kinds: texts(&["unknown"]), ..all.clone() }, false),
            (Filter { body_contains: Some("cat".to_owned()), ..all.clone() }, true),
            (Filter { body_contains: Some("dog".to_owned()), ..all.clone() }, false),
            (Filter { since_millis: Some(1000), ..all.clone() }, true),
            (Filter { since_millis: Some(1001), ..all.clone() }, false),
            (Filter { ids: texts(&["copy"]), ..all.clone() }, true),
            (Filter { ids: texts(&["x", "first"]), ..all.clone() }, true),
            (Filter { ids: texts(&["x"]), ..all.clone() }, false),
            (Filter { kinds: texts(&["bad-image"]), ids: texts(&["x"]), ..all.clone() }, false),
        ] {
            assert_eq!(filter.takes(&message, &letter), expected, "{filter:?}");
            assert_eq!(filter.is_all(), format!("{filter:?}") == format!("{all:?}"));
        }
    }
}
