//! The wire: HTTP requests in, HTTP answers out, without a socket. The server and the in-process client both call
//! [`respond`].
//!
//! A request is decoded into [`fields::Fields`], an operation of the table turns them into engine calls and the results
//! into a [`document::Document`], and that is written in the protocol of the request. Errors leave by one way.

pub(crate) mod attributes;
mod caller;
pub(crate) mod digest;
mod document;
mod error;
mod fields;
mod operations;
mod policy;
mod query;
mod queue_url;
mod subject;
mod xml;

use std::{borrow::Cow, sync::OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tokio::runtime::Handle;

pub(crate) use self::caller::{Caller, Counted};
#[cfg(feature = "server")]
pub(crate) use self::caller::{HeavyWork, LIGHT_BYTES, PATIENCE};
use self::{
    caller::Reserved,
    document::Document,
    error::{ErrorKind, WireError},
    fields::Fields,
    operations::Call,
    query::Node,
};
#[cfg(feature = "server")]
pub(crate) use self::{
    queue_url::{Endpoint, is_plain_path},
    subject::{is_read_only, shows_urls},
    xml::{escape as escape_xml, query_error_json},
};
use crate::{
    LocalQueue,
    action::Action,
    engine::{Scope, Uuid},
    faults::{Effect, EntryFailures, ResponseLost},
    json::{self, Object},
};

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const PLAIN_JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
pub(crate) static TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TARGET_PREFIX: &str = "AmazonSQS.";
/// Bytes of a request that brings no message. The longest sets a queue's policy and all its tags.
const PLAIN_BODY_BYTES_MAX: usize = 256 * 1024;

/// Answers one request, in the protocol it came in, as far as the injected faults let it. Dropping the future gives up a
/// long poll.
///
/// An answer that carries the extension [`ResponseLost`] must not reach the client.
pub async fn respond(queues: &LocalQueue, request: Request<Bytes>) -> Response<Bytes> {
    respond_to(queues, request, None).await
}

/// As [`respond`], to a client of a server.
pub(crate) async fn respond_to(
    queues: &LocalQueue,
    mut request: Request<Bytes>,
    caller: Option<&Caller>,
) -> Response<Bytes> {
    let action = subject::action(&request);
    let verdict = queues.faults().judge(action, || subject::queue(&request));
    if !verdict.latency.is_zero() {
        queues.clock().sleep_until(queues.clock().now() + verdict.latency).await;
    }
    if let Some(failures) = verdict.failed_entries {
        request.extensions_mut().insert(failures);
    }
    let request_id = queues.next_request_id();
    let mut response = match (verdict.refusal, caller.and_then(|caller| caller.beside(request.body()))) {
        (Some(effect), _) if request.headers().contains_key(&TARGET) => json_error(refusal(&effect)),
        (Some(effect), _) => query_error(&refusal(&effect), request.headers(), &request_id.to_string()),
        (None, None) => carry_out(queues, &request, caller, request_id).await,
        (None, Some((heavy, caller))) => {
            let (queues, runtime) = (queues.clone(), Handle::current());
            heavy.run(move || runtime.block_on(carry_out(&queues, &request, Some(&caller), request_id))).await
        }
    };
    if let Ok(request_id) = HeaderValue::try_from(request_id.to_string()) {
        response.headers_mut().insert(REQUEST_ID.clone(), request_id);
    }
    if verdict.response_is_lost {
        response.extensions_mut().insert(ResponseLost);
    }
    queues.request_counts().count(action.map_or("unknown", Action::name), response.status());
    response
}

async fn carry_out(
    queues: &LocalQueue,
    request: &Request<Bytes>,
    caller: Option<&Caller>,
    request_id: Uuid,
) -> Response<Bytes> {
    match request.headers().get(&TARGET) {
        None => respond_query(queues, request, caller, &request_id.to_string()).await,
        Some(target) => respond_json(queues, request, caller, target).await,
    }
}

/// The error by which a fault refuses a request.
fn refusal(effect: &Effect) -> WireError {
    match effect {
        Effect::Throttle => WireError::new(ErrorKind::RequestThrottled, error::THROTTLED),
        Effect::ThrottlingException => WireError::new(ErrorKind::Throttling, "Rate exceeded"),
        Effect::ServiceUnavailable => WireError::new(
            ErrorKind::ServiceUnavailable,
            "The request has failed due to a temporary failure of the server.",
        ),
        _ => WireError::internal(),
    }
}

async fn respond_json(
    queues: &LocalQueue,
    request: &Request<Bytes>,
    caller: Option<&Caller>,
    target: &HeaderValue,
) -> Response<Bytes> {
    let answer = async {
        let target = target.to_str().unwrap_or_default();
        let name = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        let action = Action::parse(name)
            .ok_or_else(|| WireError::new(ErrorKind::UnknownOperation, format!("Unknown operation {target:?}.")))?;
        check_size(action, request.body())?;
        let members = parse_json(request.body())?;
        let call = call(queues, request, caller, Fields::Json(&members), "");
        let document = operations::run(action, &call).await?;
        let write = |bytes| document.map(|document| document.to_json(bytes)).unwrap_or_default();
        Ok(written(JSON, call.caller, call.reserved.into_inner(), write).await)
    };
    answer.await.unwrap_or_else(json_error)
}

fn json_error(error: WireError) -> Response<Bytes> {
    let row = error.kind.row();
    let members = vec![("__type", Document::text(row.json_type)), ("message", Document::text(error.message))];
    let mut response = response(row.status, JSON, Document::Struct(members).to_json(0));
    if let Ok(code) = HeaderValue::try_from(format!("{};{}", row.code, row.fault())) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}

async fn respond_query(
    queues: &LocalQueue,
    request: &Request<Bytes>,
    caller: Option<&Caller>,
    request_id: &str,
) -> Response<Bytes> {
    let query_error = |error: &WireError, request_id: &str| query_error(error, request.headers(), request_id);
    let path = request.uri().path();
    let parameters = std::str::from_utf8(request.body())
        .map_err(|_| WireError::new(ErrorKind::MalformedInput, "The request body is not valid UTF-8."))
        .and_then(|body| Node::parse(&[request.uri().query().unwrap_or_default(), body]));
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(error) => return query_error(&error, request_id),
    };
    let Some(name) = parameters.text("Action") else {
        return response(StatusCode::NOT_FOUND, XML, "<UnknownOperationException/>".to_owned());
    };
    let is_queue_path = queue_url::is_queue_path(path);
    // AWS (validated): an action that is about no queue is as unknown on a queue's own URL as one that does not exist.
    let found = Action::parse(name)
        .filter(|action| !is_queue_path || !matches!(action, Action::CreateQueue | Action::ListQueues));
    let Some(action) = found else {
        let message = format!("The action {name} is not valid for this endpoint.");
        return query_error(&WireError::new(ErrorKind::UnknownOperation, message), request_id);
    };
    if let Err(error) = check_size(action, request.body()).and_then(|()| parameters.check_lists()) {
        return query_error(&error, request_id);
    }
    let fields = Fields::Query { node: &parameters, operation: action.name() };
    let call = call(queues, request, caller, fields, path);
    let document = match operations::run(action, &call).await {
        Ok(document) => document,
        Err(error) => return query_error(&error, request_id),
    };
    let (name, request_id, reserved) = (action.name(), request_id.to_owned(), call.reserved.into_inner());
    if accepts_only_json(request.headers()) {
        let write = move |_| xml::json_response(name, document.as_ref(), &request_id);
        return written(PLAIN_JSON, caller, reserved, write).await;
    }
    let write = move |bytes| xml::response(name, document.as_ref(), &request_id, bytes);
    written(XML, caller, reserved, write).await
}

/// An answer as `write` writes it, which is told how long it may be if that is long.
async fn written(
    content_type: HeaderValue,
    caller: Option<&Caller>,
    reserved: Option<Reserved>,
    write: impl FnOnce(usize) -> String + Send + 'static,
) -> Response<Bytes> {
    let bytes = reserved.as_ref().map_or(0, Reserved::bytes);
    let text = Caller::work(caller, reserved.as_ref(), move || write(bytes)).await;
    let Some(reserved) = reserved else { return response(StatusCode::OK, content_type, text) };
    let mut response = response(StatusCode::OK, content_type, String::new()).map(|_| reserved.keep_with(text));
    response.extensions_mut().insert(Counted);
    response
}

/// Whether a client of the Query protocol wants JSON instead of XML.
pub(crate) fn accepts_only_json(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().eq_ignore_ascii_case(b"application/json"))
}

fn query_error(error: &WireError, request: &HeaderMap, request_id: &str) -> Response<Bytes> {
    let message = match error.kind {
        // The two protocols word this one differently (recorded).
        ErrorKind::QueueDoesNotExist => "The specified queue does not exist for this wsdl version.",
        _ => &error.message,
    };
    let status = error.kind.row().status;
    if accepts_only_json(request) {
        return response(status, PLAIN_JSON, xml::json_error(error, message, request_id));
    }
    response(status, XML, xml::error(error, message, request_id))
}

fn response(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn call<'a>(
    queues: &'a LocalQueue,
    request: &'a Request<Bytes>,
    caller: Option<&'a Caller>,
    fields: Fields<'a>,
    path: &'a str,
) -> Call<'a> {
    let trace_header = request.headers().get(&TRACE_ID).and_then(|trace| trace.to_str().ok());
    let failed_entries = request.extensions().get::<EntryFailures>();
    let (scope, reserved) = (scope(queues, request), OnceLock::new());
    Call { queues, request, caller, reserved, scope, fields, path, trace_header, failed_entries }
}

/// Only messages make a request long. Of any other action a long body is refused before it is taken apart: its parts
/// would take many times its size, for as long as a long poll lasts.
fn check_size(action: Action, body: &[u8]) -> Result<(), WireError> {
    if body.len() <= PLAIN_BODY_BYTES_MAX || matches!(action, Action::SendMessage | Action::SendMessageBatch) {
        return Ok(());
    }
    let message = format!("The body of {} is longer than {PLAIN_BODY_BYTES_MAX} bytes.", action.name());
    Err(WireError::new(ErrorKind::MalformedInput, message))
}

fn parse_json(body: &[u8]) -> Result<Object<'_>, WireError> {
    if body.is_empty() {
        return Ok(Object::default());
    }
    json::parse_object(body)
        .map_err(|error| WireError::new(ErrorKind::MalformedInput, format!("The request body {error}.")))
}

/// The region of the signature's credential scope, and the account if the access key id is one of 12 digits.
/// A signature is a header, or parameters of the URL's query.
fn scope<'a>(queues: &'a LocalQueue, request: &Request<Bytes>) -> Cow<'a, Scope> {
    let default = queues.scope();
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let signature = authorization.or_else(|| request.uri().query()).unwrap_or_default();
    let credential = signature.split_once("Credential=").map_or("", |(_, rest)| rest);
    let credential = credential.split([',', ' ', '&']).next().unwrap_or_default();
    let decoded;
    let credential = if credential.contains('%') {
        decoded = credential.replace("%2F", "/");
        &*decoded
    } else {
        credential
    };
    let mut parts = credential.split('/');
    let (key, _date, region) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    let region = region.filter(|region| !region.is_empty()).unwrap_or(&default.region);
    let account = if is_account { key } else { &default.account };
    if *region == *default.region && *account == *default.account {
        return Cow::Borrowed(default);
    }
    Cow::Owned(Scope::new(region, account))
}
