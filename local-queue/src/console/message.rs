//! The page of one message, which may have left its queue.

use std::fmt::Write as _;

use askama::Template;

use super::{
    Shown,
    page::{self, Page, Parameters, QueueLink, Rendered, Span, When},
    pictures::{self, Pictures},
    queue::place_name,
};
use crate::{
    developer::{dead_letters, why},
    engine::{Deleted, Departure, DepartureCause, Located, MessageAttributeValue, MessageId, Peeked, Place, QueueArn},
    protocol::digest,
};

/// Bytes of a binary attribute that are shown.
const HEX_BYTES_MAX: usize = 1_024;
/// A body that is longer is shown as it is, however much of it is JSON.
const PRETTY_BYTES_MAX: usize = 256 * 1024;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    page: Page<'a>,
    queue: QueueLink,
    id: String,
    here: Option<Here>,
    gone: Option<Gone>,
}

/// A message that is in the queue.
struct Here {
    place: &'static str,
    is_in_flight: bool,
    why: String,
    until: Option<When>,
    body: String,
    /// The body as JSON that people can read, if it is JSON.
    pretty: Option<String>,
    bytes: usize,
    digest: String,
    attributes: Vec<Attribute>,
    attributes_digest: Option<String>,
    facts: Vec<(&'static str, String)>,
    life: Vec<(When, String)>,
    pictures: Vec<Pictures>,
    /// Where it is sent back to, if it is a dead letter.
    back: Option<QueueLink>,
    can_delete: bool,
}

struct Attribute {
    name: String,
    data_type: String,
    value: String,
}

struct Gone {
    why: String,
    left: When,
    receive_count: u32,
    /// The page where it is now.
    now_at: Option<(QueueLink, String)>,
    /// Its body, if that is remembered.
    body: Option<String>,
    pictures: Vec<Pictures>,
}

pub(super) fn render(mut page: Page<'_>, shown: Shown<'_>, parameters: &Parameters) -> Rendered {
    let (arn, id) = (parameters.get("arn").and_then(QueueArn::parse), parameters.get("id").and_then(MessageId::parse));
    let (Some(arn), Some(id)) = (arn, id) else {
        return page::not_found(page, "The address of a message's page has the ARN of its queue and its id.");
    };
    let located = shown.queues.call(|engine, now| {
        let located = engine.locate(now, arn.as_str(), id)?;
        let is_dead = engine.dead_letter_sources(arn.as_str()).is_some();
        let back = match &located {
            Located::Here(peeked) if is_dead => dead_letters::origin(engine, &arn, peeked),
            _ => None,
        };
        let deleted = engine.deleted().find(|deleted| deleted.message.id == id && deleted.queue == arn).cloned();
        Ok::<_, crate::engine::EngineError>((located, back, deleted))
    });
    let queue = QueueLink::new(&arn);
    let (here, gone) = match located {
        Ok((Located::Here(peeked), back, _)) => {
            let message = &peeked.message;
            let pictures = pictures::of_body(shown.buckets, message.body.as_str(), message.sent_at);
            (Some(Here { pictures, ..here(&peeked, &arn, back, &page) }), None)
        }
        Ok((Located::Gone(departure), _, deleted)) => {
            let deleted = deleted.filter(|_| departure.cause == DepartureCause::Deleted);
            (None, Some(gone(&departure, deleted, shown, &page)))
        }
        Ok((Located::Unknown, ..)) | Err(_) => {
            let sentence = "There is no such message in this queue, and it is not among those that left a queue last.";
            return page::not_found(page, sentence);
        }
    };
    page.title = format!("{id} in {}", queue.name()).into();
    Rendered::of(&MessagePage { page, queue, id: id.to_string(), here, gone })
}

fn here(peeked: &Peeked, arn: &QueueArn, back: Option<QueueArn>, page: &Page<'_>) -> Here {
    let message = &peeked.message;
    let body = message.body.as_str();
    let attributes = message.attributes();
    Here {
        place: place_name(peeked.place),
        is_in_flight: peeked.place == Place::InFlight,
        why: why::sentence(&peeked.visibility, page.now.0),
        until: peeked.visibility.until().map(|until| page.when(until)),
        pretty: pretty(body),
        bytes: body.len(),
        digest: digest::body_md5(body).to_string(),
        attributes: attributes.iter().map(|(name, it)| attribute(name, &it.data_type, &it.value)).collect(),
        attributes_digest: (!attributes.is_empty()).then(|| digest::attributes_md5(attributes.iter()).to_string()),
        facts: facts(peeked),
        life: life(peeked, page),
        // A FIFO queue lets go of what is in flight only, one by one; its move task sends all back in order.
        back: back.filter(|_| !arn.is_fifo()).map(|back| QueueLink::new(&back)),
        can_delete: !arn.is_fifo() || peeked.place == Place::InFlight,
        pictures: Vec::new(),
        body: body.to_owned(),
    }
}

/// JSON as people read it; numbers stay as they were written.
pub(super) fn pretty(body: &str) -> Option<String> {
    if body.len() > PRETTY_BYTES_MAX || !body.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<serde::de::IgnoredAny>(body).ok()?;
    let (mut pretty, mut depth, mut in_text, mut escaped) =
        (String::with_capacity(body.len() * 2), 0_usize, false, false);
    let mut all = body.chars().peekable();
    while let Some(character) = all.next() {
        if in_text {
            pretty.push(character);
            in_text = character != '"' || escaped;
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            space if space.is_whitespace() => {}
            '{' | '[' => {
                while all.next_if(|next| next.is_whitespace()).is_some() {}
                pretty.push(character);
                if let Some(end) = all.next_if(|next| matches!(next, '}' | ']')) {
                    pretty.push(end);
                } else {
                    depth += 1;
                    new_line(&mut pretty, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut pretty, depth);
                pretty.push(character);
            }
            ',' => {
                pretty.push(',');
                new_line(&mut pretty, depth);
            }
            ':' => pretty.push_str(": "),
            other => {
                in_text = other == '"';
                pretty.push(other);
            }
        }
    }
    Some(pretty)
}

/// Deeper than this nothing is moved to the right any more, so that no body grows by much.
const DEPTH_MAX: usize = 20;

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    (0..depth.min(DEPTH_MAX)).for_each(|_| text.push_str("  "));
}

fn attribute(name: &str, data_type: &str, value: &MessageAttributeValue) -> Attribute {
    let value = match value {
        MessageAttributeValue::Text(text) => text.clone(),
        MessageAttributeValue::Binary(bytes) => hex(bytes),
    };
    Attribute { name: name.to_owned(), data_type: data_type.to_owned(), value }
}

/// Sixteen bytes a line.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes[..bytes.len().min(HEX_BYTES_MAX)].chunks(16) {
        for byte in line {
            let _ = write!(text, "{byte:02x} ");
        }
        text.push('\n');
    }
    if bytes.len() > HEX_BYTES_MAX {
        let _ = write!(text, "and {} more bytes", bytes.len() - HEX_BYTES_MAX);
    }
    text
}

fn facts(peeked: &Peeked) -> Vec<(&'static str, String)> {
    let message = &peeked.message;
    let facts = [
        ("Receive count", Some(peeked.receive_count.to_string())),
        ("Message group", message.group_id().map(str::to_owned)),
        ("Deduplication id", message.deduplication_id().map(str::to_owned)),
        ("Sequence number", message.sequence_number().map(|number| number.to_string())),
        ("Came from", message.dead_letter_source().map(ToString::to_string)),
        ("Trace", message.trace_header().map(str::to_owned)),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What is known of the way that the message has come, and what comes next.
fn life(peeked: &Peeked, page: &Page<'_>) -> Vec<(When, String)> {
    let mut life = vec![(page.when(peeked.message.sent_at), "sent".to_owned())];
    if let Some(first) = peeked.first_received_at {
        life.push((page.when(first), "received for the first time".to_owned()));
    }
    if let crate::engine::Visibility::InFlight { until, receive, received_at, .. } = &peeked.visibility {
        if peeked.first_received_at != Some(*received_at) {
            life.push((page.when(*received_at), format!("receive {receive} from this queue")));
        }
        let held = Span(until.since(*received_at).as_secs());
        life.push((page.when(*until), format!("visible again, {held} after its receive, unless it is deleted")));
    } else if peeked.visible_at > page.now.0 {
        life.push((page.when(peeked.visible_at), "its delay ends".to_owned()));
    }
    life
}

fn gone(departure: &Departure, deleted: Option<Deleted>, shown: Shown<'_>, page: &Page<'_>) -> Gone {
    let now_at = match &departure.cause {
        DepartureCause::DeadLettered { to } => Some((to, departure.message_id)),
        DepartureCause::Moved { to, message_id } => Some((to, *message_id)),
        _ => None,
    };
    Gone {
        why: why::departure_sentence(departure, page.now.0),
        left: page.when(departure.at),
        receive_count: departure.receive_count,
        now_at: now_at.map(|(to, id)| (QueueLink::new(to), id.to_string())),
        pictures: deleted.as_ref().map_or_else(Vec::new, |deleted| {
            pictures::of_body(shown.buckets, deleted.message.body.as_str(), deleted.message.sent_at)
        }),
        body: deleted.map(|deleted| {
            let body = deleted.message.body.as_str();
            pretty(body).unwrap_or_else(|| body.to_owned())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_shown_line_by_line_and_stays_what_it_was() {
        for (body, expected) in [
            (r#"{"a":1,"b":[]}"#, Some("{\n  \"a\": 1,\n  \"b\": []\n}")),
            (r#"[ 1.50 , "a, {b}: \"c\" \\" ]"#, Some("[\n  1.50,\n  \"a, {b}: \\\"c\\\" \\\\\"\n]")),
            ("{ }", Some("{}")),
            ("text", None),
            ("{broken", None),
            ("12", None),
        ] {
            assert_eq!(pretty(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn bytes_are_shown_in_hex_up_to_a_bound() {
        assert_eq!(hex(&[0, 255]), "00 ff \n");
        assert!(hex(&[7; HEX_BYTES_MAX + 3]).ends_with("07 \nand 3 more bytes"));
    }
}
