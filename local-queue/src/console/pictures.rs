//! The pictures that messages speak of, side by side: what was there before, and what has been made of it.
//!
//! They are read from the buckets of this process, and from nowhere else. An image is answered by its own format, which its
//! bytes say; whatever else an object is, it is not answered here.

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{
    PREFIX, Shown, answer,
    page::{Page, Parameters, QueueLink, Rendered, When, encoded},
    picture::Format,
    subject::{Named, Subject, is_named_after},
};
use crate::{
    buckets::Buckets,
    engine::{MessageId, Place, QueueArn, Time},
    recorded::Recorded,
};

/// Bytes of an object that are looked at for its format and size.
const HEADER_BYTES_MAX: u64 = 256 * 1024;
/// Larger images are not shown.
const SHOWN_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Objects that are looked at for those that are named after a source, and that are shown.
const LOOKED_AT_MAX: usize = 20_000;
const FOUND_MAX: usize = 24;
/// Messages of the page, and of those in a queue that are looked at.
const MESSAGES_MAX: usize = 24;
const MESSAGES_LOOKED_AT_MAX: usize = 200;

/// A policy under which nothing of an image runs, whoever opens it.
const IMAGE_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// The pictures of one source.
pub(super) struct Pictures {
    pub(super) source: Picture,
    pub(super) renditions: Vec<Picture>,
    /// Whether the message does not say what is made of its source, so that renditions are those that are named after it.
    pub(super) is_guess: bool,
}

/// A place, and what is there.
pub(super) struct Picture {
    pub(super) name: String,
    pub(super) found: Option<Found>,
    /// Whether it is a place in a bucket of this process.
    pub(super) is_here: bool,
}

/// An object.
pub(super) struct Found {
    format: Option<Format>,
    size: Option<(u32, u32)>,
    bytes: u64,
    source_bytes: Option<u64>,
    /// When it was written, and when the message was sent.
    modified: Time,
    sent: Time,
    /// The image, if it is one that is shown.
    pub(super) href: Option<String>,
}

impl Found {
    fn of(buckets: &Buckets, (bucket, key): &(String, String), sent: Time) -> Option<Self> {
        let glance = buckets.glance(bucket, key, HEADER_BYTES_MAX)?;
        let format = Format::recognise(&glance.beginning);
        let href = || format!("{PREFIX}picture?bucket={}&key={}&etag={}", encoded(bucket), encoded(key), glance.etag);
        Some(Self {
            format,
            size: format.and_then(|format| format.size(&glance.beginning)),
            bytes: glance.bytes,
            source_bytes: None,
            modified: glance.modified,
            sent,
            href: format.filter(|_| glance.bytes <= SHOWN_BYTES_MAX).map(|_| href()),
        })
    }

    /// Its format, size, bytes, and how they compare to those of the source.
    pub(super) fn facts(&self) -> String {
        let format = self.format.map_or("no image that is shown here", Format::name);
        let size = self.size.map(|(width, height)| format!(", {width} x {height}")).unwrap_or_default();
        let of_source = self.source_bytes.filter(|source| *source > 0).map(|source| {
            let percent = self.bytes.saturating_mul(100).div_ceil(source);
            format!(", {percent} % of the source")
        });
        format!("{format}{size}, {}{}", bytes_text(self.bytes), of_source.unwrap_or_default())
    }

    /// How long after the message it was written.
    pub(super) fn after(&self) -> String {
        if self.modified < self.sent {
            return "there before the message was sent".to_owned();
        }
        format!("written {} after the message was sent", seconds_text(self.modified.since(self.sent)))
    }
}

/// Bytes as people read them, exactly below a thousand.
fn bytes_text(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let of = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", of(1e3)),
        _ => format!("{:.1} MB", of(1e6)),
    }
}

fn seconds_text(span: std::time::Duration) -> String {
    if span.as_secs() < 60 { format!("{:.2} s", span.as_secs_f64()) } else { format!("{} min", span.as_secs() / 60) }
}

/// The pictures that a body speaks of, which was sent at this time.
pub(super) fn of_body(buckets: Option<&Buckets>, body: &str, sent: Time) -> Vec<Pictures> {
    let look = |named: Named| {
        let is_here =
            named.object.as_ref().zip(buckets).is_some_and(|((bucket, _), buckets)| buckets.has_bucket(bucket));
        let found = named.object.as_ref().zip(buckets).and_then(|(object, buckets)| Found::of(buckets, object, sent));
        Picture { name: named.text, found, is_here }
    };
    let beside = |source: Named, targets: Vec<Named>, is_guess: bool| {
        let source = look(source);
        let bytes = source.found.as_ref().map(|found| found.bytes);
        let mut renditions = targets.into_iter().map(look).collect::<Vec<_>>();
        for found in renditions.iter_mut().filter_map(|rendition| rendition.found.as_mut()) {
            found.source_bytes = bytes;
        }
        Pictures { source, renditions, is_guess }
    };
    match Subject::of(body) {
        None => Vec::new(),
        Some(Subject::Job { source, targets }) => vec![beside(source, targets, false)],
        Some(Subject::Event(objects)) => {
            let of_object = |source: Named| {
                let targets = source.object.as_ref().zip(buckets).map(|(object, buckets)| named_after(buckets, object));
                beside(source, targets.unwrap_or_default(), true)
            };
            objects.into_iter().map(of_object).collect()
        }
    }
}

/// The objects that are named after a source.
fn named_after(buckets: &Buckets, (bucket, source): &(String, String)) -> Vec<Named> {
    let found = buckets.find(LOOKED_AT_MAX, FOUND_MAX, |other, key| {
        is_named_after(key, source) && (other, key) != (bucket.as_str(), source.as_str())
    });
    found.iter().map(|(bucket, key)| Named::object(bucket, key)).collect()
}

#[derive(Template)]
#[template(path = "pictures.html")]
struct PicturesPage<'a> {
    page: Page<'a>,
    rows: Vec<Row>,
    has_buckets: bool,
}

/// A message that speaks of pictures.
struct Row {
    queue: QueueLink,
    id: String,
    /// Where it is, or how long it took.
    state: String,
    sent: When,
    pictures: Vec<Pictures>,
}

/// A message that may be one.
struct Candidate {
    queue: QueueArn,
    id: MessageId,
    state: String,
    sent: Time,
    body: String,
}

/// The messages that speak of pictures, those that were sent last first: of what is in queues, and of what was deleted last.
pub(super) fn render(page: Page<'_>, shown: Shown<'_>) -> Rendered {
    let mut candidates = shown.queues.call(candidates);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.sent));
    candidates.truncate(MESSAGES_MAX);
    let rows = candidates.into_iter().map(|candidate| Row {
        pictures: of_body(shown.buckets, &candidate.body, candidate.sent),
        queue: QueueLink::new(&candidate.queue),
        id: candidate.id.to_string(),
        state: candidate.state,
        sent: page.when(candidate.sent),
    });
    Rendered::of(&PicturesPage { rows: rows.collect(), has_buckets: shown.buckets.is_some(), page })
}

fn candidates(engine: &mut Recorded<'_>, now: Time) -> Vec<Candidate> {
    let mut found = Vec::new();
    for deleted in engine.deleted().filter(|deleted| Subject::of(deleted.message.body.as_str()).is_some()) {
        if found.len() == MESSAGES_MAX {
            break;
        }
        found.push(Candidate {
            queue: deleted.queue.clone(),
            id: deleted.message.id,
            state: format!("done in {}", seconds_text(deleted.at.since(deleted.received_at))),
            sent: deleted.message.sent_at,
            body: deleted.message.body.as_str().to_owned(),
        });
    }
    for queue in engine.queues().cloned().collect::<Vec<_>>() {
        let is_dead = engine.dead_letter_sources(queue.as_str()).is_some();
        let Ok(peeked) = engine.peek(now, queue.as_str(), 0, MESSAGES_LOOKED_AT_MAX) else { continue };
        let jobs = peeked.into_iter().filter(|peeked| Subject::of(peeked.message.body.as_str()).is_some());
        found.extend(jobs.take(MESSAGES_MAX).map(|peeked| {
            Candidate {
                queue: queue.clone(),
                id: peeked.message.id,
                state: match peeked.place {
                    _ if is_dead => "dead letter",
                    Place::Ready => "waits",
                    Place::Delayed => "delayed",
                    Place::InFlight => "in flight",
                }
                .to_owned(),
                sent: peeked.message.sent_at,
                body: peeked.message.body.as_str().to_owned(),
            }
        }));
    }
    found
}

/// Answers with an image of a bucket, if it is one.
pub(super) fn respond(shown: Shown<'_>, parameters: &Parameters) -> Response<Bytes> {
    let refuse = |status, text: &'static str| answer(status, "text/plain; charset=utf-8", text);
    let place = parameters.get("bucket").zip(parameters.get("key")).zip(shown.buckets);
    let glance = place.and_then(|((bucket, key), buckets)| buckets.glance(bucket, key, SHOWN_BYTES_MAX));
    let Some(glance) = glance else {
        return refuse(StatusCode::NOT_FOUND, "There is no such object in a bucket of this server.\n");
    };
    let Some(format) = Format::recognise(&glance.beginning) else {
        let text = "The object is no image in JPEG, PNG, WebP or GIF, and nothing else is shown.\n";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    };
    if glance.bytes > SHOWN_BYTES_MAX {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The image is larger than 32 MiB, and is not shown.\n");
    }
    let mut response = answer(StatusCode::OK, format.media_type(), glance.beginning);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(IMAGE_POLICY));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        let found = |bytes, source_bytes, modified, sent| Found {
            format: Some(Format::WebP),
            size: Some((320, 240)),
            bytes,
            source_bytes,
            modified: Time::from_millis(modified),
            sent: Time::from_millis(sent),
            href: None,
        };
        let rendition = found(12_345, Some(1_000_000), 2_500, 1_000);
        assert_eq!(rendition.facts(), "WebP, 320 x 240, 12.3 kB, 2 % of the source");
        assert_eq!(rendition.after(), "written 1.50 s after the message was sent");
        let source = Found { format: None, size: None, ..found(999, None, 500, 1_000) };
        assert_eq!(source.facts(), "no image that is shown here, 999 bytes");
        assert_eq!(source.after(), "there before the message was sent");
        assert_eq!(found(5_000_000, Some(0), 121_000, 1_000).facts(), "WebP, 320 x 240, 5.0 MB");
        assert_eq!(found(1, None, 121_000, 1_000).after(), "written 2 min after the message was sent");
    }
}
