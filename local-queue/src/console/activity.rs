//! The page of the last requests.

use askama::Template;
use http::HeaderMap;

use super::{
    PREFIX, Shown,
    page::{Moment, Page, Parameters, Rendered, encoded},
};
use crate::{
    action::Action,
    developer::{
        activity::{Filter, PastRequest, REQUESTS_MAX, Wanted},
        curl,
    },
};

/// Requests of one page.
const PAGE_MAX: usize = 100;

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage<'a> {
    page: Page<'a>,
    rows: Vec<Row>,
    since: Option<Moment>,
    action: &'a str,
    queue: &'a str,
    outcome: &'a str,
    actions: Vec<&'static str>,
    previous: Option<String>,
    next: Option<String>,
}

struct Row {
    number: u64,
    at: Moment,
    action: String,
    queue: String,
    outcome: String,
    is_failure: bool,
    duration: String,
    /// None if its body was not kept.
    curl: Option<String>,
}

impl Row {
    fn new(request: &PastRequest, host: &str) -> Self {
        Self {
            number: request.number,
            at: Moment(request.at),
            action: request.action.clone(),
            queue: request.queue.clone(),
            outcome: request.outcome.words(),
            is_failure: request.outcome.is_failure(),
            duration: format!("{:.2} ms", request.duration.as_secs_f64() * 1_000.0),
            curl: curl::command(&request.asked, host),
        }
    }
}

pub(super) fn render(page: Page<'_>, shown: Shown<'_>, headers: &HeaderMap, parameters: &Parameters) -> Rendered {
    let text = |name| parameters.get(name).unwrap_or_default();
    let (action, queue, outcome) = (text("action"), text("queue"), text("outcome"));
    let skip = parameters.number("skip").min(REQUESTS_MAX);
    let filter = Filter { action: action.to_owned(), queue: queue.to_owned(), outcome: Wanted::parse(outcome) };
    let (requests, since, has_more) = shown.activity.look(&filter, skip, PAGE_MAX);
    let host = curl::host(headers);
    let href = |skip: usize| {
        let (action, queue, outcome) = (encoded(action), encoded(queue), encoded(outcome));
        format!("{PREFIX}activity?action={action}&queue={queue}&outcome={outcome}&skip={skip}")
    };
    Rendered::of(&ActivityPage {
        page,
        rows: requests.iter().map(|request| Row::new(request, &host)).collect(),
        since: since.map(Moment),
        action,
        queue,
        outcome,
        actions: Action::ALL.iter().map(|action| action.name()).collect(),
        previous: (skip > 0).then(|| href(skip.saturating_sub(PAGE_MAX))),
        next: has_more.then(|| href(skip + PAGE_MAX)),
    })
}
