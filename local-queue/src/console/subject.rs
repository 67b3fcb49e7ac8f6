//! What pictures a message speaks of: it is a resize job, or an event of a bucket. Everything else is text.
//!
//! A job is known by its shape alone: a text `source`, and `outputs` each with a text `target`. Events are those that S3
//! writes, also within a notification of SNS or in the form of EventBridge. Nothing that a message names is ever fetched:
//! places are looked up among the buckets of this process.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Bodies longer than this are text.
const BYTES_MAX: usize = 256 * 1024;
/// Targets of a job, and records of an event, that are shown.
const ITEMS_MAX: usize = 64;

/// What a message speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Job {
        source: Named,
        targets: Vec<Named>,
    },
    /// Objects that something happened to.
    Event(Vec<Named>),
}

/// A place as a message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// In the words of the message.
    pub(super) text: String,
    /// Bucket and key, if it is a place in a bucket.
    pub(super) object: Option<(String, String)>,
}

impl Named {
    /// Of a job: `s3://BUCKET/KEY`, or anything else, which is text.
    fn place(text: String) -> Self {
        let object = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let object = object.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
        let object = object.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
        Self { text, object }
    }

    pub(super) fn object(bucket: &str, key: &str) -> Self {
        let object = (bucket.to_owned(), key.to_owned());
        Self { text: format!("s3://{bucket}/{key}"), object: Some(object) }
    }
}

#[derive(Deserialize)]
struct Job {
    source: String,
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    target: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    s3: Object,
}

#[derive(Deserialize)]
struct Object {
    bucket: Bucket,
    object: Key,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

/// An event in the form of EventBridge.
#[derive(Deserialize)]
struct Bridged {
    source: String,
    detail: Object,
}

/// A notification of SNS.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrapped {
    message: String,
}

impl Subject {
    pub(super) fn of(body: &str) -> Option<Self> {
        if body.len() > BYTES_MAX || !body.trim_ascii_start().starts_with('{') {
            return None;
        }
        let wrapped = serde_json::from_str::<Wrapped>(body).ok();
        wrapped.map_or_else(|| Self::unwrapped(body), |wrapped| Self::unwrapped(&wrapped.message))
    }

    fn unwrapped(body: &str) -> Option<Self> {
        if let Ok(Job { source, outputs }) = serde_json::from_str(body) {
            let targets = outputs.into_iter().take(ITEMS_MAX).map(|output| Named::place(output.target)).collect();
            return Some(Self::Job { source: Named::place(source), targets });
        }
        if let Ok(Notification { records }) = serde_json::from_str(body) {
            // A key is as in a form there (documentation: "Event message structure").
            let decoded = |key: &str| percent_decode_str(&key.replace('+', " ")).decode_utf8().ok().map(Into::into);
            let objects = records.into_iter().take(ITEMS_MAX).filter_map(|Record { s3 }| {
                let key: String = decoded(&s3.object.key)?;
                Some(Named::object(&s3.bucket.name, &key))
            });
            return Some(Self::Event(objects.collect())).filter(|event| *event != Self::Event(Vec::new()));
        }
        let Bridged { source, detail } = serde_json::from_str(body).ok()?;
        (source == "aws.s3").then(|| Self::Event(vec![Named::object(&detail.bucket.name, &detail.object.key)]))
    }
}

/// Whether an object is named after another: its name begins with that one's without the extension, and goes on with
/// something that is no part of a word.
pub(super) fn is_named_after(key: &str, source: &str) -> bool {
    let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let source = name(source);
    let stem = source.rsplit_once('.').map_or(&*source, |(stem, _)| stem);
    let key = name(key);
    let rest = key.strip_prefix(stem).filter(|_| !stem.is_empty());
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(subject: Option<Subject>) -> Option<Vec<String>> {
        let show = |named: Named| named.object.map_or(named.text, |(bucket, key)| format!("{bucket} {key}"));
        Some(match subject? {
            Subject::Job { source, targets } => std::iter::once(source).chain(targets).map(show).collect(),
            Subject::Event(objects) => objects.into_iter().map(show).collect(),
        })
    }

    #[test]
    fn jobs_and_events_are_known_by_their_shape_and_everything_else_is_text() {
        let record = |bucket: &str, key: &str| {
            format!(r#"{{"s3":{{"bucket":{{"name":"{bucket}"}},"object":{{"key":"{key}"}}}}}}"#)
        };
        let event =
            format!(r#"{{"Records":[{},{}]}}"#, record("photos", "a+b%2F%C3%A4.jpg"), record("photos", "c.jpg"));
        let wrapped = format!(r#"{{"Type":"Notification","Message":{}}}"#, serde_json::Value::from(event.as_str()));
        let bridged = r#"{"source":"aws.s3","detail":{"bucket":{"name":"photos"},"object":{"key":"a+b.jpg"}}}"#;
        let job = r#" {"source":"s3://photos/2026/cat.jpg","outputs":[{"target":"s3://thumbs/cat.webp","width":1}]}"#;
        let elsewhere = r#"{"source":"https://example.com/cat.jpg","outputs":[{"target":"file:///etc/passwd"}]}"#;
        for (body, expected) in [
            (job, Some(vec!["photos 2026/cat.jpg", "thumbs cat.webp"])),
            (elsewhere, Some(vec!["https://example.com/cat.jpg", "file:///etc/passwd"])),
            (r#"{"source":"s3://photos","outputs":[]}"#, Some(vec!["s3://photos"])),
            (&event, Some(vec!["photos a b/\u{e4}.jpg", "photos c.jpg"])),
            (&wrapped, Some(vec!["photos a b/\u{e4}.jpg", "photos c.jpg"])),
            (bridged, Some(vec!["photos a+b.jpg"])),
            (r#"{"source":"aws.ec2","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}"#, None),
            (r#"{"Records":[]}"#, None),
            (r#"{"Records":[{"eventSource":"aws:sqs"}]}"#, None),
            (r#"{"source":"s3://photos/a.jpg"}"#, None),
            (r#"{"source":1,"outputs":[]}"#, None),
            (r#"{"source":"s3://photos/a.jpg","outputs":[{}]}"#, None),
            (r#"["source","outputs"]"#, None),
            ("s3://photos/a.jpg", None),
            ("", None),
        ] {
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(named(Subject::of(body)), expected, "{body}");
        }
        let long = format!(r#"{{"source":"{}","outputs":[]}}"#, "x".repeat(BYTES_MAX));
        assert_eq!(Subject::of(&long), None);
    }

    #[test]
    fn a_rendition_is_named_after_its_source() {
        for (key, source, expected) in [
            ("2026/cat-320.webp", "2026/cat.jpg", true),
            ("cat.webp", "in/cat.jpg", true),
            ("cat_small", "cat", true),
            ("cats.webp", "cat.jpg", false),
            ("cat1.webp", "cat.jpg", false),
            ("dog-320.webp", "cat.jpg", false),
            ("x", ".jpg", false),
        ] {
            assert_eq!(is_named_after(key, source), expected, "{key} of {source}");
        }
    }
}
