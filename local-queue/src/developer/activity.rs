//! The last requests to SQS: what was asked, of which queue, what came of it and how long it took.
//!
//! While nobody looks, nothing is recorded, and a request costs a look at one number. It begins when somebody asks for the
//! requests, and ends a minute after nobody has asked any more and no page of the console is open.
//!
//! What is kept of a request has a bound: of a long body nothing. Signatures, keys and session tokens are not kept.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Answer, ApiError, PREFIX,
    curl::{self, Asked, cut},
    json_response,
    messages::parameters,
};
use crate::{LocalQueue, clock::Clock, engine::Time, faults::ResponseLost, protocol};

/// Requests that are kept.
pub(crate) const REQUESTS_MAX: usize = 1_000;
/// Requests that one answer has if nothing else is said.
const REQUESTS_DEFAULT: usize = 100;
/// How long requests are recorded for somebody who has looked.
const WATCH: Duration = Duration::from_secs(60);

/// The last requests of a server. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    /// Until when requests are recorded, in milliseconds from the origin; 0 if nobody looks.
    watched_until: AtomicU64,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    requests: VecDeque<Arc<PastRequest>>,
    last: u64,
    /// Since when requests are recorded without a gap.
    since: Option<Time>,
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastRequest {
    /// One more than that of the one that was answered before it.
    pub(crate) number: u64,
    /// When it had come, by the clock of this machine.
    pub(crate) at: Time,
    /// What was asked for, in the client's words if SQS has no such action.
    pub(crate) action: String,
    /// The name of its queue; empty if it names none.
    pub(crate) queue: String,
    pub(crate) outcome: Outcome,
    pub(crate) duration: Duration,
    pub(crate) asked: Asked,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The status, and the code of the error if it is one.
    Answered(StatusCode, Option<String>),
    /// The client had gone before, as it may from a long poll.
    Left,
    /// An injected fault has let no answer out.
    Lost,
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Noted {
    activity: Activity,
    began: Instant,
    recorded: Option<PastRequest>,
}

/// Which requests are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) action: String,
    /// A part of the queue's name.
    pub(crate) queue: String,
    pub(crate) outcome: Wanted,
}

/// Which outcomes are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    #[default]
    All,
    /// All but successes.
    Failures,
    /// Those with this code.
    Code(String),
}

impl Default for Activity {
    fn default() -> Self {
        let (origin, watched_until) = (Instant::now(), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { origin, watched_until, ring: Mutex::default() }) }
    }
}

impl Outcome {
    /// The status and the code, or what there is instead of an answer.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Answered(status, Some(code)) => format!("{} {code}", status.as_u16()),
            Self::Answered(status, None) => status.as_u16().to_string(),
            Self::Left => "client left".to_owned(),
            Self::Lost => "answer lost".to_owned(),
        }
    }

    /// Whether it is anything but a success.
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self, Self::Answered(status, _) if status.is_success())
    }
}

impl Wanted {
    /// As it stands in a query.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "" => Self::All,
            "failed" => Self::Failures,
            code => Self::Code(code.to_owned()),
        }
    }
}

impl Filter {
    fn takes(&self, request: &PastRequest) -> bool {
        let outcome = match &self.outcome {
            Wanted::All => true,
            Wanted::Failures => request.outcome.is_failure(),
            Wanted::Code(code) => request.outcome.words().split(' ').any(|part| part == code),
        };
        outcome && (self.action.is_empty() || request.action == self.action) && request.queue.contains(&self.queue)
    }
}

impl Activity {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        // From one on: 0 is never.
        u64::try_from(self.shared.origin.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Whether requests are recorded.
    fn is_watched(&self) -> bool {
        let until = self.shared.watched_until.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let is_watched = self.now() <= until;
        if !is_watched {
            self.shared.watched_until.store(0, Ordering::Relaxed);
        }
        is_watched
    }

    /// Somebody looks: requests are recorded from now on, and for a while.
    fn watch(&self) {
        if !self.is_watched() {
            self.ring().since = Some(Clock::wall_now());
        }
        let until = self.now() + u64::try_from(WATCH.as_millis()).unwrap_or(u64::MAX);
        self.shared.watched_until.store(until, Ordering::Relaxed);
    }

    /// A page is open: if requests are recorded, they are for another while.
    pub(crate) fn keep_watched(&self) {
        if self.is_watched() {
            self.watch();
        }
    }

    /// Begins to record a request, if somebody looks.
    pub(crate) fn begin(&self, queues: &LocalQueue, request: &Request<Bytes>) -> Option<Noted> {
        if self.shared.watched_until.load(Ordering::Relaxed) == 0 || !self.is_watched() {
            return None;
        }
        let recorded = PastRequest {
            number: 0,
            at: Clock::wall_now(),
            action: action(request),
            queue: cut(&protocol::queue_of(request).unwrap_or_default()),
            outcome: Outcome::Left,
            duration: Duration::ZERO,
            asked: Asked::of(queues, request),
        };
        Some(Noted { activity: self.clone(), began: Instant::now(), recorded: Some(recorded) })
    }

    /// The last requests that a filter takes, the newest first, after leaving some out; since when all are there; and whether
    /// there are more. Who looks lets the next ones be recorded.
    pub(crate) fn look(&self, filter: &Filter, skip: usize, max: usize) -> (Vec<Arc<PastRequest>>, Option<Time>, bool) {
        self.watch();
        let ring = self.ring();
        let mut wanted = ring.requests.iter().rev().filter(|request| filter.takes(request)).skip(skip);
        let requests = wanted.by_ref().take(max).cloned().collect();
        (requests, ring.since, wanted.next().is_some())
    }

    fn push(&self, recorded: PastRequest) {
        let mut ring = self.ring();
        ring.last += 1;
        let number = ring.last;
        ring.requests.push_back(Arc::new(PastRequest { number, ..recorded }));
        if ring.requests.len() > REQUESTS_MAX {
            ring.requests.pop_front();
        }
    }
}

impl Noted {
    /// The request is answered.
    pub(crate) fn end(mut self, response: &Response<Bytes>) {
        let Some(recorded) = &mut self.recorded else { return };
        recorded.outcome = if response.extensions().get::<ResponseLost>().is_some() {
            Outcome::Lost
        } else {
            let status = response.status();
            let code = if status.is_success() { None } else { code(response.headers(), response.body()) };
            Outcome::Answered(status, code)
        };
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(recorded) = self.recorded.take() {
            self.activity.push(PastRequest { duration: self.began.elapsed(), ..recorded });
        }
    }
}

/// What is asked for, whether there is such an action or not.
fn action(request: &Request<Bytes>) -> String {
    if let Some(action) = protocol::action_of(request) {
        return action.name().to_owned();
    }
    let target = request.headers().get(&protocol::TARGET).map(|target| String::from_utf8_lossy(target.as_bytes()));
    target.map_or_else(|| "none".to_owned(), |target| cut(&target))
}

/// The code of an error, in whatever form it is answered.
fn code(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if let Some(error) = headers.get("x-amzn-query-error") {
        let error = String::from_utf8_lossy(error.as_bytes());
        return Some(error.split(';').next().unwrap_or_default().to_owned());
    }
    let body = std::str::from_utf8(body).ok()?;
    let between = |start: &str, end: &str| Some(body.split_once(start)?.1.split_once(end)?.0.to_owned());
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    let code = if is_json { between("\"Code\":\"", "\"") } else { between("<Code>", "</Code>") };
    code.map(|code| cut(&code))
}

/// Answers a request for the last requests; `None` if it is for something else.
pub(crate) fn respond(activity: &Activity, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let path = request.uri().path().strip_prefix(PREFIX)?.trim_end_matches('/');
    if path != "activity" {
        return None;
    }
    let answer =
        if *request.method() == Method::GET { list(activity, request) } else { Err(ApiError::method(path, "GET")) };
    Some(answer.unwrap_or_else(ApiError::into_response))
}

fn list(activity: &Activity, request: &Request<Bytes>) -> Answer {
    let (mut filter, mut max) = (Filter::default(), REQUESTS_DEFAULT);
    for (parameter, value) in parameters(request) {
        let value = percent_decode_str(value).decode_utf8_lossy();
        match parameter {
            "action" => filter.action = value.into_owned(),
            "queue" => filter.queue = value.into_owned(),
            "outcome" => filter.outcome = Wanted::parse(&value),
            "max" => {
                let given = value.parse().ok().filter(|max| (1..=REQUESTS_MAX).contains(max));
                let takes = || ApiError::bad(format!("max: must be a whole number from 1 to {REQUESTS_MAX}."));
                max = given.ok_or_else(takes)?;
            }
            other => {
                let there = "There are action, queue, outcome and max.";
                return Err(ApiError::bad(format!("{other}: is unknown. {there}")));
            }
        }
    }
    let host = curl::host(request.headers());
    let (requests, since, _) = activity.look(&filter, 0, max);
    let requests = requests.iter().map(|request| render(request, &host)).collect::<Vec<_>>();
    Ok(json_response(StatusCode::OK, &json!({ "since": since.map(Time::as_millis), "requests": requests })))
}

fn render(request: &PastRequest, host: &str) -> Value {
    let (status, code) = match &request.outcome {
        Outcome::Answered(status, code) => (Some(status.as_u16()), code.as_deref()),
        Outcome::Left | Outcome::Lost => (None, None),
    };
    json!({
        "number": request.number,
        "at": request.at.as_millis(),
        "action": request.action,
        "queue": request.queue,
        "outcome": request.outcome.words(),
        "status": status,
        "code": code,
        "duration_seconds": request.duration.as_secs_f64(),
        "body_bytes": request.asked.body_bytes,
        "curl": curl::command(&request.asked, host),
    })
}

#[cfg(test)]
mod tests;
