//! The developer's API: what SQS has no action for, beside it on the same port, under `/_local-queue/`.
//!
//! JSON in and out; an error is `{"error": "..."}` in a sentence. Times are in milliseconds since the Unix epoch. With a
//! server on its default port:
//!
//! ```sh
//! # Is it up?
//! curl -s localhost:9324/_local-queue/health
//! # Numbers for Prometheus: messages by queue and place, ages, requests, long polls, faults, mappings, functions.
//! curl -s localhost:9324/_local-queue/metrics
//! # The queues, and what is in them.
//! curl -s localhost:9324/_local-queue/queues
//! # Look at messages, in whatever place, without receiving them. Pages: ?skip=100&max=100, one place: ?place=in_flight,
//! # another region or account: ?region=eu-west-1&account=123456789012.
//! curl -s 'localhost:9324/_local-queue/queues/jobs/messages?max=10'
//! # Where is this message, and why is it not visible? Also how it left, if it was among the last 8,192 that left a queue.
//! curl -s localhost:9324/_local-queue/queues/jobs/messages/MESSAGE_ID
//! # Change one message, whoever holds it: delete it, or have it visible in so many seconds while it is in flight.
//! curl -s -X DELETE localhost:9324/_local-queue/queues/jobs/messages/MESSAGE_ID
//! curl -s -X PUT localhost:9324/_local-queue/queues/jobs/messages/MESSAGE_ID/visibility -d '{"seconds": 0}'
//!
//! # Dead letters: how many of each kind, and why. Send back one, mended, or up to 1,000 of a kind.
//! curl -s localhost:9324/_local-queue/queues/jobs-dead/dead-letters
//! curl -s localhost:9324/_local-queue/queues/jobs-dead/messages/MESSAGE_ID/redrive -d '{"body": "mended"}'
//! curl -s localhost:9324/_local-queue/queues/jobs-dead/redrive -d '{"kind": "bad-image", "max": 100}'
//!
//! # Any action of SQS in JSON, without a signature (over HTTP only).
//! curl -s localhost:9324/_local-queue/actions/SendMessage -d '{"QueueUrl": "jobs", "MessageBody": "hello"}'
//!
//! # Functions and event source mappings: settings, metrics, durations; the last lines of a log, after a line, of one
//! # invocation; a test invocation; pause and resume a mapping (over HTTP only).
//! curl -s localhost:9324/_local-queue/functions
//! curl -s 'localhost:9324/_local-queue/functions/resize/log?after=0&max=100&request_id=REQUEST_ID'
//! curl -s localhost:9324/_local-queue/functions/resize/invoke -d '{"event": {"Records": []}}'
//! curl -s localhost:9324/_local-queue/mappings
//! curl -s -X PUT localhost:9324/_local-queue/mappings/UUID -d '{"enabled": false}'
//!
//! # The last requests to SQS, recorded from the first query on: of one action, queue, outcome (a status, an error code, or
//! # failed) (over HTTP only).
//! curl -s 'localhost:9324/_local-queue/activity?action=SendMessage&queue=jobs&outcome=failed&max=100'
//!
//! # Delete every queue, fault and counter; queues of the configuration are created again.
//! curl -s -X POST localhost:9324/_local-queue/reset
//!
//! # What will happen next by time alone, soonest first.
//! curl -s 'localhost:9324/_local-queue/clock/next?max=20'
//! # The clock. It moves by hand only if the server was started with --clock manual.
//! curl -s localhost:9324/_local-queue/clock
//! curl -s -X POST localhost:9324/_local-queue/clock/advance -H 'content-type: application/json' -d '{"seconds": 30}'
//! curl -s -X PUT localhost:9324/_local-queue/clock -H 'content-type: application/json' -d '{"now": 1900000000000}'
//!
//! # Faults: the next two sends to jobs are throttled; one receive in ten is delivered twice.
//! curl -s localhost:9324/_local-queue/faults -H 'content-type: application/json' \
//!   -d '{"effect": "throttle", "action": "SendMessage", "queue": "jobs", "times": 2}'
//! curl -s localhost:9324/_local-queue/faults -H 'content-type: application/json' \
//!   -d '{"effect": "duplicate_delivery", "probability": 0.1}'
//! curl -s localhost:9324/_local-queue/faults
//! curl -s -X DELETE localhost:9324/_local-queue/faults/1
//! curl -s -X DELETE localhost:9324/_local-queue/faults
//! ```
//!
//! The effects of faults are those of [`Effect`](crate::faults::Effect), by their names in lower case: `throttle`,
//! `throttling_exception`, `internal_error`, `service_unavailable`, `lost_response`, `duplicate_delivery`, `reordering`,
//! `latency` (with `milliseconds`) and `partial_failure` (with `share` or `entries`).

#[cfg(feature = "server")]
mod actions;
#[cfg(feature = "server")]
pub(crate) mod activity;
mod changes;
#[cfg(feature = "server")]
pub(crate) mod curl;
pub(crate) mod dead_letters;
mod fault_json;
#[cfg(feature = "server")]
pub(crate) mod functions;
mod messages;
mod metrics;
#[cfg(test)]
mod tests;
pub(crate) mod upcoming;
pub(crate) mod why;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};

#[cfg(feature = "server")]
pub(crate) use self::actions::to_sqs;
pub use crate::metrics::Sample;
use crate::{LocalQueue, clock::ManualClock, engine::Time, faults::FaultId, json};

/// What paths of this API begin with. No account is called so, and so no queue has such a URL.
const PREFIX: &str = "/_local-queue/";
const PATHS: &str = "health, metrics, activity, apis/ID, queues, queues/NAME/messages, queues/NAME/messages/ID, \
                     queues/NAME/messages/ID/visibility, queues/NAME/messages/ID/redrive, queues/NAME/dead-letters, \
                     queues/NAME/redrive, actions/ACTION, functions, functions/NAME, functions/NAME/log, \
                     functions/NAME/invoke, mappings, mappings/UUID, reset, clock, clock/next, clock/advance, faults and \
                     faults/ID";

/// Whether a path is one of this API.
#[cfg(feature = "server")]
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a request to this API; `None` if it is one to SQS.
#[must_use]
pub fn respond(queues: &LocalQueue, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let path = request.uri().path().strip_prefix(PREFIX)?;
    Some(answer(queues, request, path).unwrap_or_else(ApiError::into_response))
}

/// Whether a request is one to forget everything: what else is beside the queues has to forget too.
#[cfg(feature = "server")]
pub(crate) fn is_reset(request: &Request<Bytes>) -> bool {
    request.method() == Method::POST && request.uri().path().strip_prefix(PREFIX) == Some("reset")
}

/// Whether a path is one whose answer is also about queues that take nothing any more.
#[cfg(feature = "server")]
pub(crate) fn tells_of_failures(path: &str) -> bool {
    matches!(path.strip_prefix(PREFIX), Some("health" | "metrics"))
}

/// What a request has seen or done cannot be kept.
#[cfg(feature = "server")]
pub(crate) fn unavailable(sentence: &str) -> Response<Bytes> {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}

/// Something of a request that was let in could not be done.
#[cfg(feature = "server")]
pub(crate) fn failed(sentence: &str) -> Response<Bytes> {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
}

/// Why a request was refused.
#[derive(Debug)]
struct ApiError {
    status: StatusCode,
    sentence: String,
    /// The methods that the path has, if the request's is not one of them.
    allow: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), allow: None }
    }

    fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    fn method(path: &str, allow: &'static str) -> Self {
        let sentence = format!("{PREFIX}{path} is asked with {allow}.");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, sentence) }
    }

    fn into_response(self) -> Response<Bytes> {
        let mut response = json_response(self.status, &json!({ "error": self.sentence }));
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

type Answer = Result<Response<Bytes>, ApiError>;

fn answer(queues: &LocalQueue, request: &Request<Bytes>, path: &str) -> Answer {
    let parts = path.trim_end_matches('/').split('/').collect::<Vec<_>>();
    if let ["queues", ..] = parts.as_slice() {
        return answer_of_queues(queues, request, path, &parts);
    }
    match (parts.as_slice(), request.method()) {
        (["health"], &Method::GET) => Ok(health(queues)),
        (["metrics"], &Method::GET) => Ok(metrics::respond(queues)),
        (["reset"], &Method::POST) => {
            queues.reset();
            Ok(no_content())
        }
        (["clock"], &Method::GET) => Ok(clock(queues)),
        (["clock"], &Method::PUT) => set_clock(queues, request),
        (["clock"], _) => Err(ApiError::method(path, "GET, PUT")),
        (["clock", "next"], &Method::GET) => upcoming::respond(queues, request),
        (["health" | "metrics"] | ["clock", "next"], _) => Err(ApiError::method(path, "GET")),
        (["clock", "advance"], &Method::POST) => advance_clock(queues, request),
        (["reset"] | ["clock", "advance"], _) => Err(ApiError::method(path, "POST")),
        (["faults"], &Method::GET) => Ok(fault_json::list(queues)),
        (["faults"], &Method::POST) => fault_json::inject(queues, &members(request)?),
        (["faults"], &Method::DELETE) => {
            queues.faults().clear();
            Ok(no_content())
        }
        (["faults"], _) => Err(ApiError::method(path, "GET, POST, DELETE")),
        (["faults", id], &Method::DELETE) => remove_fault(queues, id),
        (["faults", _], _) => Err(ApiError::method(path, "DELETE")),
        _ => Err(nothing(path)),
    }
}

/// Answers what is asked of queues and of their messages.
fn answer_of_queues(queues: &LocalQueue, request: &Request<Bytes>, path: &str, parts: &[&str]) -> Answer {
    let target = |name| messages::queue_of(queues, request, name);
    match (parts, request.method()) {
        (["queues"], &Method::GET) => Ok(messages::list_queues(queues)),
        (["queues", name, "messages"], &Method::GET) => messages::peek(queues, request, name),
        (["queues", name, "dead-letters"], &Method::GET) => dead_letters::respond(queues, &target(name)?),
        (["queues"] | ["queues", _, "messages" | "dead-letters"], _) => Err(ApiError::method(path, "GET")),
        (["queues", name, "messages", id], &Method::GET) => messages::locate(queues, &target(name)?, id),
        (["queues", name, "messages", id], &Method::DELETE) => changes::delete(queues, &target(name)?, id),
        (["queues", _, "messages", _], _) => Err(ApiError::method(path, "GET, DELETE")),
        (["queues", name, "messages", id, "visibility"], &Method::PUT) => {
            changes::set_visibility(queues, &target(name)?, id, &members(request)?)
        }
        (["queues", _, "messages", _, "visibility"], _) => Err(ApiError::method(path, "PUT")),
        (["queues", name, "messages", id, "redrive"], &Method::POST) => {
            changes::redrive(queues, &target(name)?, id, &members(request)?)
        }
        (["queues", name, "redrive"], &Method::POST) => {
            changes::redrive_kind(queues, &target(name)?, &members(request)?)
        }
        (["queues", _, "messages", _, "redrive"] | ["queues", _, "redrive"], _) => Err(ApiError::method(path, "POST")),
        _ => Err(nothing(path)),
    }
}

fn nothing(path: &str) -> ApiError {
    ApiError::not_found(format!("There is no {PREFIX}{path}. Under {PREFIX} there are {PATHS}."))
}

fn health(queues: &LocalQueue) -> Response<Bytes> {
    let count = queues.call(|engine, _| engine.queues().count());
    let version = env!("CARGO_PKG_VERSION");
    if let Some(failure) = queues.failure() {
        let health = json!({ "status": "failed", "reason": failure, "version": version, "queues": count });
        return json_response(StatusCode::SERVICE_UNAVAILABLE, &health);
    }
    json_response(StatusCode::OK, &json!({ "status": "ok", "version": version, "queues": count }))
}

fn clock(queues: &LocalQueue) -> Response<Bytes> {
    let clock = queues.clock();
    json_response(StatusCode::OK, &json!({ "kind": clock.kind(), "now": clock.now().as_millis() }))
}

fn set_clock(queues: &LocalQueue, request: &Request<Bytes>) -> Answer {
    let clock = manual(queues)?;
    let members = members(request)?;
    let now = match number(&members, &["now"])? {
        [Some(now)] => Time::from_millis(now),
        [None] => return Err(ApiError::bad("now: is missing. It takes milliseconds since the Unix epoch.")),
    };
    if now < clock.now() {
        let sentence = format!("now: the clock is already at {} and cannot go back.", clock.now().as_millis());
        return Err(ApiError::bad(sentence));
    }
    clock.set(now);
    Ok(moved(queues))
}

fn advance_clock(queues: &LocalQueue, request: &Request<Bytes>) -> Answer {
    let clock = manual(queues)?;
    let members = members(request)?;
    let by = match number(&members, &["seconds", "milliseconds"])? {
        [None, None] => return Err(ApiError::bad("seconds: is missing, and so is milliseconds. Give one of them.")),
        [seconds, millis] => {
            Duration::from_secs(seconds.unwrap_or(0)).saturating_add(Duration::from_millis(millis.unwrap_or(0)))
        }
    };
    clock.advance(by);
    Ok(moved(queues))
}

/// What becomes true by the new time has become true when the answer goes out.
fn moved(queues: &LocalQueue) -> Response<Bytes> {
    queues.call(|engine, now| {
        engine.advance(now);
    });
    clock(queues)
}

fn manual(queues: &LocalQueue) -> Result<&ManualClock, ApiError> {
    let clock = queues.clock();
    clock.as_manual().ok_or_else(|| {
        let kind = clock.kind();
        let sentence = format!("The {kind} clock cannot be moved. Start with --clock manual.");
        ApiError::new(StatusCode::CONFLICT, sentence)
    })
}

fn remove_fault(queues: &LocalQueue, id: &str) -> Answer {
    let removed = id.parse().is_ok_and(|id| queues.faults().remove(FaultId(id)));
    if removed { Ok(no_content()) } else { Err(ApiError::not_found(format!("There is no fault {id}."))) }
}

/// The members of a request's JSON object.
fn members(request: &Request<Bytes>) -> Result<Map<String, Value>, ApiError> {
    json::parse_object(request.body()).map(Map::from).map_err(|error| ApiError::bad(format!("The body {error}.")))
}

/// The whole numbers of these names, which are all that may be there.
fn number<const N: usize>(members: &Map<String, Value>, names: &[&str; N]) -> Result<[Option<u64>; N], ApiError> {
    if let Some(unknown) = members.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(ApiError::bad(format!("{unknown}: is unknown. There is {}.", names.join(" and "))));
    }
    let mut numbers = [None; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        if let Some(value) = members.get(*name) {
            let whole =
                value.as_u64().ok_or_else(|| ApiError::bad(format!("{name}: must be a whole number, not {value}.")))?;
            *number = Some(whole);
        }
    }
    Ok(numbers)
}

fn json_response(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut body = value.to_string();
    body.push('\n');
    response(status, HeaderValue::from_static("application/json"), body)
}

fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn response(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
