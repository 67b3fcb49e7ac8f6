//! The first page: every queue, and what is in it.

use std::collections::BTreeMap;

use askama::Template;

use super::{
    Shown,
    drawing::{Drawing, PARTS_MAX},
    page::{Page, Parameters, QueueLink, Rendered, Span, When},
    rates::Rates,
    stack::Stack,
};
use crate::{
    engine::{QueueArn, QueueAttributes, Time},
    recorded::Recorded,
};

/// Queues of one page.
const QUEUES_MAX: usize = 500;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    page: Page<'a>,
    rows: Vec<Row>,
    queues: usize,
    shown: usize,
    previous: Option<usize>,
    next: Option<usize>,
    waiting: usize,
    requests: u64,
    failed: u64,
    faults: usize,
    /// How far back rates are known.
    measured: Option<Span>,
    /// What runs, unless that is more than can be drawn.
    drawing: Option<Drawing>,
    is_too_large: bool,
}

struct Row {
    queue: QueueLink,
    attributes: QueueAttributes,
    oldest: Option<When>,
    dead_letter_queue: Option<QueueLink>,
    is_dead_letter_queue: bool,
    rates: Option<Rates>,
}

impl Row {
    fn has_dead_letters(&self) -> bool {
        let QueueAttributes { messages, messages_delayed, messages_not_visible, .. } = self.attributes;
        self.is_dead_letter_queue && messages + messages_delayed + messages_not_visible > 0
    }
}

pub(super) fn render(page: Page<'_>, shown: Shown<'_>, parameters: &Parameters) -> Rendered {
    let queues = shown.queues;
    let skip = parameters.number("skip");
    let (mut rows, count, waiting) = queues.call(|engine, now| {
        let arns = engine.queues().cloned().collect::<Vec<_>>();
        let shown = arns.iter().skip(skip).take(QUEUES_MAX);
        let rows = shown.filter_map(|arn| row(engine, now, arn, &page)).collect::<Vec<_>>();
        (rows, arns.len(), engine.waiting_receives())
    });
    let history = shown.live.history();
    for row in &mut rows {
        row.rates = history.rates(&row.queue.arn);
    }
    let measured = history.span().map(|span| Span(span.as_secs()));
    drop(history);
    let stack = Stack::read(shown, PARTS_MAX);
    let counts = queues.request_counts().all();
    let sum = |counted: &BTreeMap<(&str, u16), u64>, failed: bool| {
        counted.iter().filter(|((_, status), _)| !failed || *status >= 400).map(|(_, count)| count).sum()
    };
    Rendered::of(&Overview {
        shown: rows.len(),
        queues: count,
        previous: (skip > 0).then(|| skip.saturating_sub(QUEUES_MAX)),
        next: (skip + rows.len() < count).then(|| skip + rows.len()),
        rows,
        waiting,
        requests: sum(&counts, false),
        failed: sum(&counts, true),
        faults: queues.faults().list().len(),
        measured,
        is_too_large: stack.is_none(),
        drawing: stack.as_ref().and_then(Drawing::of),
        page,
    })
}

fn row(engine: &mut Recorded<'_>, now: Time, arn: &QueueArn, page: &Page<'_>) -> Option<Row> {
    let attributes = engine.queue_attributes(now, arn.as_str()).ok()?;
    let oldest = engine.peek(now, arn.as_str(), 0, 1).ok()?;
    let target = attributes.settings.redrive_policy.as_ref().map(|policy| &policy.dead_letter_target);
    Some(Row {
        queue: QueueLink::new(arn),
        oldest: oldest.first().map(|oldest| page.when(oldest.message.sent_at)),
        dead_letter_queue: target.map(QueueLink::new),
        rates: None,
        is_dead_letter_queue: engine.dead_letter_sources(arn.as_str()).is_some(),
        attributes,
    })
}
