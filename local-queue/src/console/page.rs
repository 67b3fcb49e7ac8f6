//! What all pages have in common: their frame, their addresses, and how times and sizes are written.

use std::{borrow::Cow, fmt};

use askama::Template;
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    LocalQueue,
    engine::{QueueArn, Time},
};

/// What does not stand for itself in an address. The names and ids of the developer's API have none of it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A page as it is answered.
pub(super) struct Rendered {
    pub(super) status: StatusCode,
    pub(super) html: String,
}

impl Rendered {
    pub(super) fn of(template: &impl Template) -> Self {
        let html = template.render().expect("a text can be written to");
        Self { status: StatusCode::OK, html }
    }
}

/// The frame of a page.
pub(super) struct Page<'a> {
    pub(super) title: Cow<'a, str>,
    /// Which link of the navigation is the page's own.
    pub(super) part: &'static str,
    pub(super) token: &'a str,
    pub(super) now: Moment,
    /// What kind of clock there is: its time passes by itself unless it is `manual`.
    pub(super) clock: &'static str,
}

impl<'a> Page<'a> {
    pub(super) fn new(queues: &LocalQueue, token: &'a str, title: &str, part: &'static str) -> Self {
        let (now, clock) = (queues.clock().now(), queues.clock().kind());
        Self { title: Cow::Owned(title.to_owned()), part, token, now: Moment(now), clock }
    }

    /// How long ago a moment was, or how long it is until then.
    pub(super) fn when(&self, at: Time) -> When {
        When { now: self.now.0, at: Moment(at) }
    }
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound<'a> {
    page: Page<'a>,
    sentence: &'a str,
}

pub(super) fn not_found(page: Page<'_>, sentence: &str) -> Rendered {
    let html = Rendered::of(&NotFound { page, sentence }).html;
    Rendered { status: StatusCode::NOT_FOUND, html }
}

/// A moment, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Time);

impl Moment {
    pub(super) fn millis(self) -> u64 {
        self.0.as_millis()
    }

    /// Without the date, for what is of today.
    pub(super) fn time_of_day(self) -> String {
        let millis = self.0.as_millis() % 86_400_000;
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let written = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok().and_then(|at| {
            let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3] UTC");
            at.format(form).ok()
        });
        match written {
            Some(written) => f.write_str(&written),
            None => write!(f, "{millis} ms"),
        }
    }
}

/// A moment as seen from now: `3 min ago`, `in 12 s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    now: Time,
    pub(super) at: Moment,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, at) = (self.now.as_millis(), self.at.millis());
        match (now.abs_diff(at) / 1_000, at > now) {
            (0, _) => f.write_str("now"),
            (seconds, true) => write!(f, "in {}", Span(seconds)),
            (seconds, false) => write!(f, "{} ago", Span(seconds)),
        }
    }
}

/// Seconds as people say them. The module says them the same way.
pub(super) struct Span(pub(super) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            seconds @ 0..120 => (seconds, "s"),
            seconds @ 120..7_200 => (seconds / 60, "min"),
            seconds @ 7_200..172_800 => (seconds / 3_600, "h"),
            seconds => (seconds / 86_400, "d"),
        };
        write!(f, "{value} {unit}")
    }
}

/// The parameters of a page's address.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> usize {
        self.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

/// A text as it may stand in an address.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A queue as pages name it and lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueLink {
    pub(super) arn: QueueArn,
}

impl QueueLink {
    pub(super) fn new(arn: &QueueArn) -> Self {
        Self { arn: arn.clone() }
    }

    pub(super) fn name(&self) -> &str {
        self.arn.name()
    }

    pub(super) fn href(&self) -> String {
        format!("{}queue?arn={}", super::PREFIX, encoded(self.arn.as_str()))
    }

    pub(super) fn message_href(&self, id: &str) -> String {
        format!("{}message?arn={}&id={}", super::PREFIX, encoded(self.arn.as_str()), encoded(id))
    }

    /// What the developer's API has of it.
    pub(super) fn api(&self, rest: &str) -> String {
        let (region, account) = (encoded(self.arn.region()), encoded(self.arn.account()));
        let name = encoded(self.arn.name());
        format!("{}queues/{name}/{rest}?region={region}&account={account}", super::ROOT)
    }

    /// What the developer's API has of one of its messages.
    pub(super) fn message_api(&self, id: &str, rest: &str) -> String {
        self.api(&format!("messages/{}{rest}", encoded(id)))
    }

    /// An action of SQS in its region.
    pub(super) fn action(&self, action: &str) -> String {
        format!("{}actions/{action}?region={}", super::ROOT, encoded(self.arn.region()))
    }

    /// Its URL for these actions, whose host nobody looks at.
    pub(super) fn url(&self) -> String {
        format!("http://localhost/{}/{}", self.arn.account(), self.arn.name())
    }
}
