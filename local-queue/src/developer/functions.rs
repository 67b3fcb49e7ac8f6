//! Functions and event source mappings: what there is, how they do, what they log; an invocation by hand, and a pause.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Answer, ApiError, PREFIX, json_response, members, messages::parameters, nothing};
use crate::{
    lambda_api::{FunctionState, InvokedOnce, LambdaApi, MappingState, NotDone},
    runtime_api::{FunctionMetrics, LogSource, RECENT_LINES_MAX, RecentLine, RecentLog},
};

/// Lines of a log that one answer has if nothing else is said.
const LINES_DEFAULT: usize = 100;

/// An answer that may have to be waited for.
type Later<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

/// Answers a request for functions or mappings; `None` if it is for something else. There may be none to answer for.
pub(crate) fn respond<'a>(functions: Option<&'a LambdaApi>, request: &Request<Bytes>) -> Option<Later<'a>> {
    let path = request.uri().path().strip_prefix(PREFIX)?.trim_end_matches('/').to_owned();
    let is_ours = ["functions", "mappings"].contains(&path.split('/').next().unwrap_or_default());
    if !is_ours {
        return None;
    }
    // What waits holds the request no longer than it needs it.
    let mut small = Request::new(request.body().clone());
    (*small.method_mut(), *small.uri_mut()) = (request.method().clone(), request.uri().clone());
    Some(Box::pin(async move {
        let request = small;
        let answered = answer(functions, &request, &path).await;
        answered.unwrap_or_else(ApiError::into_response)
    }))
}

async fn answer(functions: Option<&LambdaApi>, request: &Request<Bytes>, path: &str) -> Answer {
    let parts = path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy()).collect::<Vec<_>>();
    let parts = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>();
    if !matches!(parts.as_slice(), [_, name, "log"] if !name.is_empty()) {
        check_no_parameters(request)?;
    }
    let known = |name: &str| functions.and_then(|functions| functions.function(name)).ok_or_else(|| no_function(name));
    match (parts.as_slice(), request.method()) {
        (["functions"], &Method::GET) => {
            let functions = functions.map(LambdaApi::functions).unwrap_or_default();
            let functions = functions.iter().map(function).collect::<Vec<_>>();
            Ok(json_response(StatusCode::OK, &json!({ "functions": functions })))
        }
        (["functions", name], &Method::GET) => Ok(json_response(StatusCode::OK, &function(&known(name)?))),
        (["functions", name, "log"], &Method::GET) => log(&known(name)?, request),
        (["functions", name, "invoke"], &Method::POST) => {
            let event = event(request)?;
            let invoked = match functions {
                Some(functions) => functions.invoke_once(name, event).await,
                None => None,
            };
            let invoked = invoked.ok_or_else(|| no_function(name))??;
            Ok(json_response(StatusCode::OK, &invoked_once(&invoked)))
        }
        (["mappings"], &Method::GET) => {
            let mappings = functions.map(LambdaApi::mappings).unwrap_or_default();
            let mappings = mappings.iter().map(mapping).collect::<Vec<_>>();
            Ok(json_response(StatusCode::OK, &json!({ "mappings": mappings })))
        }
        (["mappings", uuid], &Method::GET) => {
            let found = functions.and_then(|functions| functions.mapping(uuid)).ok_or_else(|| no_mapping(uuid))?;
            Ok(json_response(StatusCode::OK, &mapping(&found)))
        }
        (["mappings", uuid], &Method::PUT) => {
            let functions = functions.ok_or_else(|| no_mapping(uuid))?;
            functions.mapping(uuid).ok_or_else(|| no_mapping(uuid))?;
            functions.enable_mapping(uuid, enabled(request)?).await?;
            let changed = functions.mapping(uuid).ok_or_else(|| no_mapping(uuid))?;
            Ok(json_response(StatusCode::OK, &mapping(&changed)))
        }
        (["functions" | "mappings"] | ["functions", _] | ["functions", _, "log"], _) => {
            Err(ApiError::method(path, "GET"))
        }
        (["functions", _, "invoke"], _) => Err(ApiError::method(path, "POST")),
        (["mappings", _], _) => Err(ApiError::method(path, "GET, PUT")),
        _ => Err(nothing(path)),
    }
}

impl From<NotDone> for ApiError {
    fn from(NotDone { status, message }: NotDone) -> Self {
        Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message)
    }
}

fn no_function(name: &str) -> ApiError {
    ApiError::not_found(format!("There is no function {name:?}."))
}

fn no_mapping(uuid: &str) -> ApiError {
    ApiError::not_found(format!("There is no event source mapping {uuid:?}."))
}

fn check_no_parameters(request: &Request<Bytes>) -> Result<(), ApiError> {
    match parameters(request).next() {
        Some((name, _)) => Err(ApiError::bad(format!("{name}: is unknown. There are no parameters."))),
        None => Ok(()),
    }
}

/// The event of an invocation by hand: an empty object if none is given.
fn event(request: &Request<Bytes>) -> Result<Bytes, ApiError> {
    let mut members = if request.body().is_empty() { Map::new() } else { members(request)? };
    let event = members.remove("event").unwrap_or_else(|| json!({}));
    match members.keys().next() {
        Some(unknown) => Err(ApiError::bad(format!("{unknown}: is unknown. There is event."))),
        None => Ok(event.to_string().into()),
    }
}

fn enabled(request: &Request<Bytes>) -> Result<bool, ApiError> {
    let members = members(request)?;
    if let Some(unknown) = members.keys().find(|name| *name != "enabled") {
        return Err(ApiError::bad(format!("{unknown}: is unknown. There is enabled.")));
    }
    match members.get("enabled") {
        Some(Value::Bool(enabled)) => Ok(*enabled),
        Some(other) => Err(ApiError::bad(format!("enabled: must be true or false, not {other}."))),
        None => Err(ApiError::bad("enabled: is missing. It takes true or false.")),
    }
}

fn function(state: &FunctionState) -> Value {
    let configuration = &state.configuration;
    json!({
        "name": configuration.name,
        "logical_id": configuration.logical_id,
        "runtime": configuration.runtime,
        "handler": configuration.handler,
        "timeout_seconds": configuration.timeout.as_secs(),
        "memory_mib": configuration.memory_mib,
        "reserved_concurrency": configuration.reserved_concurrency,
        "metrics": state.metrics.as_ref().map(metrics),
        "last_log_line": state.log.as_deref().map(RecentLog::last),
    })
}

fn metrics(metrics: &FunctionMetrics) -> Value {
    let durations = metrics.durations.steps().map(|(bound, count)| {
        let bound = bound.as_ref().map(Duration::as_secs_f64);
        json!({ "up_to_seconds": bound, "count": count })
    });
    json!({
        "invocations": metrics.invocations,
        "errors": metrics.errors,
        "timeouts": metrics.timeouts,
        "throttles": metrics.throttles,
        "cold_starts": metrics.cold_starts,
        "concurrent_executions": metrics.concurrent_executions,
        "duration_seconds": metrics.duration.as_secs_f64(),
        "init_duration_seconds": metrics.init_duration.as_secs_f64(),
        "memory_peak_bytes": metrics.memory_peak_bytes,
        "log_lines_dropped": metrics.log_lines_dropped,
        "durations": durations.collect::<Vec<_>>(),
    })
}

fn mapping(state: &MappingState) -> Value {
    let settings = &state.settings;
    json!({
        "uuid": state.uuid,
        "queue": state.queue.as_str(),
        "function": state.function,
        "function_arn": settings.function_name,
        "state": state.state,
        "batch_size": settings.batch_size,
        "batching_window_seconds": settings.maximum_batching_window.as_secs(),
        "maximum_concurrency": settings.maximum_concurrency,
        "concurrent_invocations": state.concurrent_invocations,
        "metrics": state.metrics,
    })
}

fn invoked_once(told: &InvokedOnce) -> Value {
    let InvokedOnce { request_id, duration, invoked } = told;
    let (payload, error) = match &invoked.reply {
        Ok(payload) => (Some(payload), None),
        Err(error) => {
            let told = json!({ "type": error.error_type(), "message": error.to_string() });
            (invoked.error_document.as_ref(), Some(told))
        }
    };
    // What is no JSON is shown as the text that it is.
    let payload = payload.map(|payload| {
        serde_json::from_slice(payload).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()))
    });
    json!({
        "request_id": request_id,
        "duration_seconds": duration.as_secs_f64(),
        "error": error,
        "payload": payload,
        "log": String::from_utf8_lossy(&invoked.log_tail),
    })
}

fn log(state: &FunctionState, request: &Request<Bytes>) -> Answer {
    let (mut after, mut max, mut request_id) = (0, LINES_DEFAULT, None);
    for (parameter, value) in parameters(request) {
        let whole = || value.parse::<u64>().ok();
        match parameter {
            "after" => {
                after = whole().ok_or_else(|| ApiError::bad("after: must be the number of a line, or 0."))?;
            }
            "max" => {
                let given = whole().and_then(|max| usize::try_from(max).ok());
                let given = given.filter(|max| (1..=RECENT_LINES_MAX).contains(max));
                let takes = || ApiError::bad(format!("max: must be a whole number from 1 to {RECENT_LINES_MAX}."));
                max = given.ok_or_else(takes)?;
            }
            "request_id" => request_id = Some(percent_decode_str(value).decode_utf8_lossy()),
            other => return Err(ApiError::bad(format!("{other}: is unknown. There are after, max and request_id."))),
        }
    }
    let Some(log) = &state.log else {
        let name = state.name();
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            format!("The function {name:?} has no log: it is no process."),
        ));
    };
    let lines = log.lines(after, request_id.as_deref(), max);
    let lines = lines.iter().map(line).collect::<Vec<_>>();
    Ok(json_response(StatusCode::OK, &json!({ "lines": lines, "last": log.last() })))
}

fn line(line: &RecentLine) -> Value {
    json!({
        "number": line.number,
        "at": line.at.as_millis(),
        "request_id": line.request_id.as_deref(),
        "source": source(line.source),
        "text": line.text,
        "is_cut": line.is_cut,
    })
}

/// Who wrote a line.
pub(crate) const fn source(source: LogSource) -> &'static str {
    match source {
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Platform => "platform",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        LocalQueue,
        engine::{MessageBody, QueueArn, SendMessage, Time},
        event_source_mapping::{EventSourceMapping, FunctionError, InProcess, Invocation},
        lambda_api::{FunctionConfiguration, NewMapping, Runner},
        runtime_api::Invoked,
    };

    /// A runner that has numbers and a log.
    struct Told(Arc<RecentLog>);

    impl Runner for Told {
        fn run(&self, invocation: Invocation, _: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>> {
            Box::pin(async move {
                let reply = Ok(invocation.event);
                Invoked { reply, error_document: None, log_tail: b"END\n".to_vec() }
            })
        }

        fn metrics(&self) -> Option<FunctionMetrics> {
            let mut metrics = FunctionMetrics { invocations: 3, errors: 1, ..FunctionMetrics::default() };
            metrics.durations.add(Duration::from_millis(7));
            Some(metrics)
        }

        fn recent_log(&self) -> Option<Arc<RecentLog>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// Functions `resize`, which fails, and `told/<b>`, which has a log of three lines; a mapping to the first.
    async fn functions() -> (LocalQueue, QueueArn, LambdaApi, String) {
        let queues = LocalQueue::virtual_time();
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        let lambda = LambdaApi::builder(queues.clone()).build();
        let fails = |_: Invocation| async {
            Err(FunctionError::Failed { error_type: "Bad".to_owned(), message: "not today".to_owned() })
        };
        lambda.add_function(FunctionConfiguration::new("resize"), InProcess::new(fails));
        let log = Arc::new(RecentLog::default());
        for (request_id, text) in [(Some("one"), "<b>"), (None, "two"), (Some("one"), "three")] {
            log.push(Time::from_millis(7), LogSource::Stderr, request_id.map(Arc::from), text);
        }
        lambda.add_function(FunctionConfiguration::new("told/<b>"), Told(log));
        let mapping = EventSourceMapping { batch_size: 3, ..EventSourceMapping::new("resize") };
        let new = NewMapping { queue: jobs.clone(), mapping, enabled: true };
        let uuid = lambda.add_mapping(new).await.unwrap();
        (queues, jobs, lambda, uuid)
    }

    async fn ask(functions: Option<&LambdaApi>, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("/_local-queue/{path}"));
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let response = respond(functions, &request).expect("the path is one of functions").await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn functions_and_mappings_are_told_with_their_numbers() {
        let (_, jobs, lambda, uuid) = functions().await;
        let (status, told) = ask(Some(&lambda), "GET", "functions", "").await;
        assert_eq!((status, told["functions"].as_array().unwrap().len()), (200, 2));
        assert_eq!(told["functions"][0]["metrics"], Value::Null, "a closure does not count");
        let (status, told) = ask(Some(&lambda), "GET", "functions/told%2F%3Cb%3E", "").await;
        assert_eq!((status, &told["metrics"]["errors"], &told["last_log_line"]), (200, &json!(1), &json!(3)));
        let steps = told["metrics"]["durations"].as_array().unwrap();
        let counted = steps.iter().find(|step| step["count"] == 1).unwrap();
        assert_eq!((steps.len(), &counted["up_to_seconds"]), (19, &json!(0.01)));
        let (status, told) = ask(Some(&lambda), "GET", &format!("mappings/{uuid}"), "").await;
        assert_eq!((status, &told["queue"], &told["state"]), (200, &json!(jobs.as_str()), &json!("Enabled")));
        assert_eq!((&told["batch_size"], &told["metrics"]["PolledEventCount"]), (&json!(3), &json!(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_is_told_by_line_and_by_invocation() {
        let (_, _, lambda, _) = functions().await;
        let texts = async |query: &str| {
            let (status, told) = ask(Some(&lambda), "GET", &format!("functions/told%2F%3Cb%3E/log{query}"), "").await;
            let lines = told["lines"].as_array().cloned().unwrap_or_default();
            (status, lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
        };
        let all = ["<b>", "two", "three"].map(str::to_owned);
        assert_eq!(texts("").await, (200, all.to_vec()));
        assert_eq!(texts("?after=2").await, (200, all[2..].to_vec()));
        assert_eq!(texts("?max=2").await, (200, all[1..].to_vec()));
        assert_eq!(texts("?request_id=one").await, (200, vec![all[0].clone(), all[2].clone()]));
        for wrong in ["?after=x", "?max=0", "?max=2001", "?lines=3"] {
            assert_eq!(texts(wrong).await, (400, Vec::new()), "{wrong}");
        }
        assert_eq!(ask(Some(&lambda), "GET", "functions/resize/log", "").await.0, 409, "it is no process");
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_is_invoked_once_with_the_event_that_is_given() {
        let (_, _, lambda, _) = functions().await;
        let invoke =
            async |name: &str, body: &str| ask(Some(&lambda), "POST", &format!("functions/{name}/invoke"), body).await;
        let (status, told) = invoke("told%2F%3Cb%3E", r#"{"event": {"a": [1]}}"#).await;
        let expected = (200, &json!({ "a": [1] }), &json!("END\n"), &Value::Null);
        assert_eq!((status, &told["payload"], &told["log"], &told["error"]), expected);
        assert_eq!(invoke("told%2F%3Cb%3E", "").await.1["payload"], json!({}));
        let (status, told) = invoke("resize", "{}").await;
        assert_eq!((status, &told["error"]["type"], &told["payload"]), (200, &json!("Bad"), &Value::Null));
        assert!(told["error"]["message"].as_str().unwrap().contains("not today"), "{told}");
        assert_eq!(invoke("none", "{}").await.0, 404);
        assert_eq!(invoke("resize", "[]").await.0, 400);
        assert_eq!(invoke("resize", r#"{"events": 1}"#).await.0, 400);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mapping_that_is_paused_takes_nothing_until_it_goes_on() {
        let (queues, jobs, lambda, uuid) = functions().await;
        let path = format!("mappings/{uuid}");
        let set = async |body: &str| ask(Some(&lambda), "PUT", &path, body).await;
        let state = async || ask(Some(&lambda), "GET", &path, "").await.1;
        assert_eq!(set(r#"{"enabled": false}"#).await.0, 200);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(state().await["state"], "Disabled");
        queues.send(&jobs, SendMessage::new(MessageBody::parse("one").unwrap())).unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(state().await["metrics"]["PolledEventCount"], 0);
        assert_eq!(set(r#"{"enabled": true}"#).await.0, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = state().await;
        assert_eq!((&after["state"], &after["metrics"]["FailedInvokeEventCount"]), (&json!("Enabled"), &json!(1)));
        for (wrong, status) in [("{}", 400), (r#"{"enabled": 1}"#, 400), (r#"{"on": true}"#, 400)] {
            assert_eq!(set(wrong).await.0, status, "{wrong}");
        }
        assert_eq!(ask(Some(&lambda), "PUT", "mappings/none", r#"{"enabled": true}"#).await.0, 404);
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_are_no_functions_there_is_nothing_to_tell() {
        assert_eq!(ask(None, "GET", "functions", "").await, (200, json!({ "functions": [] })));
        assert_eq!(ask(None, "GET", "mappings", "").await, (200, json!({ "mappings": [] })));
        for (method, path, status) in [
            ("GET", "functions/none", 404),
            ("GET", "mappings/none", 404),
            ("POST", "functions/none/invoke", 404),
            ("PUT", "mappings/none", 404),
            ("GET", "functions/none/other", 404),
            ("POST", "functions", 405),
            ("DELETE", "mappings/none", 405),
            ("GET", "functions/none/invoke", 405),
            ("GET", "functions?max=3", 400),
        ] {
            assert_eq!(ask(None, method, path, "").await.0, status, "{method} {path}");
        }
        let other = Request::get("/_local-queue/queues").body(Bytes::new()).unwrap();
        assert!(respond(None, &other).is_none());
    }
}
