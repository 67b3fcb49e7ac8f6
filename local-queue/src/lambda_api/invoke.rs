//! `Invoke`: a function runs for a client, or later for nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::watch;

use super::{
    Shared,
    error::ApiError,
    functions::FunctionSlot,
    names::{FunctionName, LATEST},
    route::Query,
};
use crate::{
    engine::Time,
    event_source_mapping::{FunctionError, Invocation},
    runtime_api::Invoked,
};

/// The largest payloads (developer guide, "Lambda quotas").
const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// How long after the first and the second failure an event is tried again (developer guide, "Error handling for
/// asynchronous invocation": one minute, two minutes, then never).
const PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// A throttled event is tried again for six hours, after a second and then ever longer up to five minutes (same page).
const THROTTLED_PAUSE_BASE: Duration = Duration::from_secs(1);
const THROTTLED_PAUSE_MAX: Duration = Duration::from_mins(5);
const EVENT_AGE_MAX: Duration = Duration::from_hours(6);
/// What waits of events at the most. Lambda keeps them in a queue without a bound.
const EVENTS_MAX: usize = 10_000;
const EVENTS_BYTES_MAX: usize = 64 * 1024 * 1024;

const TYPES: [&str; 3] = ["Event", "RequestResponse", "DryRun"];

/// What waits of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// The place of an event, given back when it is done.
struct Place {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.events.count.fetch_sub(1, Ordering::Relaxed);
        self.shared.events.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An invocation for a client, counted until it has ended.
pub(super) struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    pub(super) fn new(running: &'a watch::Sender<usize>) -> Self {
        running.send_modify(|running| *running += 1);
        Self(running)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// What to run, again and again if need be.
pub(super) struct Event {
    pub(super) slot: Arc<FunctionSlot>,
    pub(super) function_arn: Arc<str>,
    pub(super) request_id: String,
    pub(super) payload: Bytes,
}

impl Shared {
    pub(super) async fn invoke(
        self: &Arc<Self>,
        subject: &str,
        query: &Query,
        headers: &HeaderMap,
        body: &Bytes,
        request_id: &str,
    ) -> Result<Response<Bytes>, ApiError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let name = FunctionName::parse(subject, query.get("Qualifier"), self.queues.scope())?;
        let invocation_type = header("x-amz-invocation-type").unwrap_or("RequestResponse");
        if !TYPES.contains(&invocation_type) {
            return Err(ApiError::not_in("invocationType", invocation_type, &TYPES));
        }
        let bytes_max = if invocation_type == "Event" { EVENT_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
        if body.len() > bytes_max {
            return Err(ApiError::too_large(body.len(), invocation_type, bytes_max));
        }
        // No payload is an empty event.
        let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body.clone() };
        serde_json::from_slice::<IgnoredAny>(&payload).map_err(|error| ApiError::unparsable(&error.to_string()))?;
        let slot = self.slot(&name).ok_or_else(|| {
            let qualifier = Some(name.qualifier.clone().unwrap_or_else(|| LATEST.to_owned()));
            let arn = FunctionName { qualifier, ..name.clone() }.arn(self.queues.scope());
            ApiError::not_found(format!("Function not found: {arn}"))
        })?;
        let function_arn = FunctionName { name: slot.name().to_owned(), ..name }.arn(self.queues.scope()).into();
        let request_id = request_id.to_owned();
        let event = Event { slot, function_arn, request_id, payload };
        match invocation_type {
            "DryRun" => Ok(empty(204)),
            "Event" => self.accept(event),
            _ => {
                let with_log = header("x-amz-log-type").is_some_and(|wanted| wanted.eq_ignore_ascii_case("Tail"));
                let _counted = Counted::new(&self.invocations);
                let invoked = self.run(&event, with_log).await;
                answer(&event, &invoked, with_log)
            }
        }
    }

    /// Runs a function once, up to its timeout.
    pub(super) async fn run(&self, event: &Event, with_log: bool) -> Invoked {
        let Event { slot, function_arn, request_id, payload } = event;
        let (timeout, runner, clock) = (slot.configuration().timeout, slot.runner(), self.queues.clock());
        let invocation = Invocation {
            event: payload.clone(),
            request_id: request_id.clone(),
            function_arn: Arc::clone(function_arn),
            deadline: clock.now() + timeout,
        };
        let deadline = invocation.deadline;
        tokio::select! {
            // A reply at the very deadline still counts.
            biased;
            invoked = runner.run(invocation, with_log) => invoked,
            () = clock.sleep_until(deadline), if !runner.enforces_timeout() => {
                let reply = Err(FunctionError::TimedOut { timeout });
                Invoked { reply, error_document: None, log_tail: Vec::new() }
            }
        }
    }

    /// Takes an event that is run later.
    fn accept(self: &Arc<Self>, event: Event) -> Result<Response<Bytes>, ApiError> {
        let bytes = event.payload.len();
        let place = Place { shared: Arc::clone(self), bytes };
        let count = self.events.count.fetch_add(1, Ordering::Relaxed);
        let before = self.events.bytes.fetch_add(bytes, Ordering::Relaxed);
        if count >= EVENTS_MAX || before + bytes > EVENTS_BYTES_MAX {
            return Err(ApiError::throttled("CallerRateLimitExceeded"));
        }
        // The request's memory is counted until its body is dropped.
        let event = Event { payload: Bytes::copy_from_slice(&event.payload), ..event };
        self.runtime.spawn(async move { place.shared.run_event(event).await });
        Ok(empty(202))
    }

    async fn run_event(&self, event: Event) {
        let accepted_at = self.queues.clock().now();
        let (mut failures, mut throttles) = (0, 0_u32);
        loop {
            let Err(error) = self.run(&event, false).await.reply else { return };
            let now = self.queues.clock().now();
            let pause = if let FunctionError::Throttled { .. } = error {
                throttles += 1;
                Some(throttled_pause(throttles)).filter(|pause| now + *pause <= accepted_at + EVENT_AGE_MAX)
            } else {
                failures += 1;
                PAUSES.get(failures - 1).copied()
            };
            let Some(pause) = pause.filter(|_| !event.slot.is_deleted()) else {
                tell(&event, &error, "it will not be retried");
                return;
            };
            // Being throttled again and again is one line at the end.
            if failures > 0 || throttles == 1 {
                tell(&event, &error, &format!("it will be retried in {} s", pause.as_secs()));
            }
            self.sleep_until(now + pause).await;
        }
    }

    async fn sleep_until(&self, at: Time) {
        self.queues.clock().sleep_until(at).await;
    }
}

fn tell(event: &Event, error: &FunctionError, then: &str) {
    let (name, request_id, kind) = (event.slot.name(), &event.request_id, error.error_type());
    let cause = local_queue_terminal::one_line(&error.to_string()).to_string();
    tracing::warn!("{name}: an asynchronous invocation failed ({kind}, request {request_id}): {cause}; {then}");
}

fn throttled_pause(throttles: u32) -> Duration {
    THROTTLED_PAUSE_BASE.saturating_mul(1 << (throttles - 1).min(16)).min(THROTTLED_PAUSE_MAX)
}

fn empty(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn answer(event: &Event, invoked: &Invoked, with_log: bool) -> Result<Response<Bytes>, ApiError> {
    let (payload, failed) = match &invoked.reply {
        Ok(payload) => (payload.clone(), false),
        Err(FunctionError::Throttled { reason }) => {
            // Only what has a limit of its own is throttled by it.
            let is_reserved = event.slot.configuration().reserved_concurrency.is_some();
            let reason = if is_reserved { reason } else { "ConcurrentInvocationLimitExceeded" };
            return Err(ApiError::throttled(reason));
        }
        Err(error) => (error_payload(error, invoked.error_document.as_ref(), &event.request_id), true),
    };
    let mut response = Response::new(payload);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amz-executed-version", HeaderValue::from_static(LATEST));
    if failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    if with_log && let Ok(log) = HeaderValue::try_from(STANDARD.encode(&invoked.log_tail)) {
        headers.insert("x-amz-log-result", log);
    }
    Ok(response)
}

/// What a client gets to read of a failure: what the function wrote itself, or what Lambda writes for it.
fn error_payload(error: &FunctionError, document: Option<&Bytes>, request_id: &str) -> Bytes {
    let is_json = |document: &&Bytes| serde_json::from_slice::<IgnoredAny>(document).is_ok();
    if let Some(document) = document.filter(is_json) {
        return document.clone();
    }
    let message = match error {
        FunctionError::TimedOut { timeout } => {
            format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64())
        }
        FunctionError::ResponseTooLarge { .. } => {
            let text = error.to_string();
            let (first, rest) = text.split_at(text.len().min(1));
            format!("{}{rest}.", first.to_uppercase())
        }
        FunctionError::Failed { message, .. } | FunctionError::Crashed { message } => message.clone(),
        FunctionError::Throttled { reason } => reason.clone(),
    };
    json!({ "errorMessage": message, "errorType": error.error_type() }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_what_the_function_or_else_lambda_says_of_a_failure() {
        let text = |error: &FunctionError, document: Option<&'static str>| {
            let document = document.map(|text| Bytes::from_static(text.as_bytes()));
            String::from_utf8(error_payload(error, document.as_ref(), "id").to_vec()).unwrap()
        };
        let failed = FunctionError::Failed { error_type: "T".to_owned(), message: "m".to_owned() };
        assert_eq!(text(&failed, Some("{\"errorType\": \"T\"}")), "{\"errorType\": \"T\"}");
        assert_eq!(text(&failed, Some("no json")), r#"{"errorMessage":"m","errorType":"T"}"#);
        let timed_out = FunctionError::TimedOut { timeout: Duration::from_secs(3) };
        let text_of_timeout = "RequestId: id Error: Task timed out after 3.00 seconds";
        let expected = json!({ "errorMessage": text_of_timeout, "errorType": "Sandbox.Timedout" });
        assert_eq!(text(&timed_out, None), expected.to_string());
        let too_large = FunctionError::ResponseTooLarge { bytes: 7_000_000 };
        let expected = "Response payload size (7000000 bytes) exceeded maximum allowed payload size (6291556 bytes).";
        assert!(text(&too_large, None).contains(expected), "{}", text(&too_large, None));
    }

    #[test]
    fn a_throttled_event_is_tried_again_ever_later() {
        let pauses = [1, 2, 3, 9, 10, 40].map(|throttles| throttled_pause(throttles).as_secs());
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }
}
