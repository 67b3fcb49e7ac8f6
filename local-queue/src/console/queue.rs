//! The page of a queue: its messages, its settings, and what can be done with it.

use askama::Template;

use super::{
    dead_letters::DeadLetters,
    page::{self, Page, Parameters, QueueLink, Rendered, When, encoded},
    settings::{Setting, settings},
};
use crate::{
    LocalQueue,
    developer::{dead_letters::text, why},
    engine::{EngineError, Peeked, Place, QueueArn, QueueAttributes, Time},
    protocol,
    recorded::Recorded,
};

/// Messages of one page.
const MESSAGES_MAX: usize = 100;
/// Messages that are looked at at once.
const BATCH: usize = 1_000;
/// Characters of a body that a list shows.
const PREVIEW_CHARS: usize = 160;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage<'a> {
    page: Page<'a>,
    queue: QueueLink,
    attributes: QueueAttributes,
    dead_letter_queue: Option<(QueueLink, u32)>,
    dead_letters: Option<DeadLetters>,
    settings: Vec<Setting>,
    tags: Vec<(String, String)>,
    rows: Vec<Row>,
    place: Option<Place>,
    kind: Option<String>,
    skip: usize,
    next: Option<String>,
    first: Option<String>,
}

/// A message of the list.
struct Row {
    id: String,
    href: String,
    place: &'static str,
    why: String,
    until: Option<When>,
    sent: When,
    receive_count: u32,
    group: String,
    bytes: usize,
    preview: String,
    is_cut: bool,
}

/// What is to be listed.
struct Wanted {
    place: Option<Place>,
    /// The kind of dead letters; an empty one stands for those that say none.
    kind: Option<String>,
    skip: usize,
}

impl Wanted {
    fn includes(&self, peeked: &Peeked) -> bool {
        self.place.is_none_or(|place| place == peeked.place)
            && self.kind.as_deref().is_none_or(|kind| text(peeked, "FailureKind").unwrap_or("") == kind)
    }

    /// The messages of a page, and how many to skip for the next one if there is one.
    fn take(
        &self,
        engine: &mut Recorded<'_>,
        now: Time,
        queue: &QueueArn,
    ) -> Result<(Vec<Peeked>, Option<usize>), EngineError> {
        let (mut found, mut skip) = (Vec::new(), self.skip);
        loop {
            let batch = engine.peek(now, queue.as_str(), skip, BATCH)?;
            let is_last = batch.len() < BATCH;
            for peeked in batch {
                if self.includes(&peeked) {
                    if found.len() == MESSAGES_MAX {
                        return Ok((found, Some(skip)));
                    }
                    found.push(peeked);
                }
                skip += 1;
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }
}

pub(super) fn render(mut page: Page<'_>, queues: &LocalQueue, parameters: &Parameters) -> Rendered {
    let Some(arn) = parameters.get("arn").and_then(QueueArn::parse) else {
        return page::not_found(page, "The address of a queue's page has its ARN.");
    };
    let place = match parameters.get("place") {
        Some("ready") => Some(Place::Ready),
        Some("delayed") => Some(Place::Delayed),
        Some("in_flight") => Some(Place::InFlight),
        _ => None,
    };
    let wanted = Wanted { place, kind: parameters.get("kind").map(str::to_owned), skip: parameters.number("skip") };
    let read = queues.call(|engine, now| {
        let attributes = engine.queue_attributes(now, arn.as_str())?;
        let (messages, next) = wanted.take(engine, now, &arn)?;
        let handle = |task: &_| protocol::move_task_handle(task, &arn);
        let dead_letters = DeadLetters::read(engine, now, &arn, &page, handle)?;
        let tags = engine.tags(arn.as_str())?.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok::<_, EngineError>((attributes, messages, next, dead_letters, tags))
    });
    let Ok((attributes, messages, next, dead_letters, tags)) = read else {
        return page::not_found(page, "There is no such queue. It may have been deleted.");
    };
    let queue = QueueLink::new(&arn);
    let place_name = parameters.get("place").filter(|_| place.is_some());
    let base =
        [("place", place_name), ("kind", wanted.kind.as_deref())].iter().fold(queue.href(), |href, (name, value)| {
            value.map_or(href.clone(), |value| format!("{href}&{name}={}", encoded(value)))
        });
    page.title = queue.name().to_owned().into();
    let policy = attributes.settings.redrive_policy.as_ref();
    Rendered::of(&QueuePage {
        rows: messages.iter().map(|peeked| row(peeked, &queue, &page)).collect(),
        dead_letter_queue: policy.map(|it| (QueueLink::new(&it.dead_letter_target), it.max_receive_count)),
        settings: settings(&attributes.settings),
        next: next.map(|skip| format!("{base}&skip={skip}")),
        first: (wanted.skip > 0).then_some(base),
        skip: wanted.skip,
        kind: wanted.kind,
        place,
        dead_letters,
        tags,
        attributes,
        queue,
        page,
    })
}

fn row(peeked: &Peeked, queue: &QueueLink, page: &Page<'_>) -> Row {
    let body = peeked.message.body.as_str();
    let cut = body.char_indices().nth(PREVIEW_CHARS).map(|(at, _)| at);
    let id = peeked.message.id.to_string();
    Row {
        href: queue.message_href(&id),
        id,
        place: place_name(peeked.place),
        why: why::sentence(&peeked.visibility, page.now.0),
        until: peeked.visibility.until().map(|until| page.when(until)),
        sent: page.when(peeked.message.sent_at),
        receive_count: peeked.receive_count,
        group: peeked.message.group_id().unwrap_or_default().to_owned(),
        bytes: body.len(),
        preview: body[..cut.unwrap_or(body.len())].to_owned(),
        is_cut: cut.is_some(),
    }
}

pub(super) const fn place_name(place: Place) -> &'static str {
    match place {
        Place::Ready => "ready",
        Place::Delayed => "delayed",
        Place::InFlight => "in flight",
    }
}
