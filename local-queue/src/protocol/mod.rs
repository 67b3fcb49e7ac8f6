//! The wire: HTTP requests in, HTTP answers out, without a socket. The server and the in-process client both call
//! [`respond`].
//!
//! A request is decoded into [`fields::Fields`], an operation of the table turns them into engine calls and the results
//! into a [`document::Document`], and that is written in the protocol of the request. Errors leave by one way.

pub(crate) mod attributes;
pub(crate) mod digest;
mod document;
mod error;
mod fields;
mod operations;
mod policy;
mod query;
mod queue_url;
pub(crate) mod receipt_handle;
mod subject;
mod xml;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Map, Value};

use self::{
    document::Document,
    error::{ErrorKind, WireError},
    fields::Fields,
    operations::Call,
    query::Node,
};
#[cfg(feature = "server")]
pub(crate) use self::{
    queue_url::{Endpoint, is_plain_path},
    subject::is_read_only,
    xml::{escape as escape_xml, query_error_json},
};
use crate::{
    LocalQueue,
    engine::Scope,
    faults::{Effect, EntryFailures, ResponseLost},
};

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const PLAIN_JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
const TARGET_PREFIX: &str = "AmazonSQS.";
/// Bytes of a request that brings no message. The longest sets a queue's policy and all its tags.
const PLAIN_BODY_BYTES_MAX: usize = 256 * 1024;

/// The action of this name, if SQS has it.
pub(crate) fn action(name: &str) -> Option<&'static str> {
    operations::find(name).map(|operation| operation.name)
}

/// Answers one request, in the protocol it came in, as far as the injected faults let it. Dropping the future gives up a
/// long poll.
///
/// An answer that carries the extension [`ResponseLost`] must not reach the client.
pub async fn respond(queues: &LocalQueue, mut request: Request<Bytes>) -> Response<Bytes> {
    let action = subject::action(&request).unwrap_or("unknown");
    let verdict = queues.faults().judge(action, || subject::queue(&request));
    if !verdict.latency.is_zero() {
        queues.clock().sleep_until(queues.clock().now() + verdict.latency).await;
    }
    if let Some(failures) = verdict.failed_entries {
        request.extensions_mut().insert(failures);
    }
    let request_id = queues.next_request_id().to_string();
    let target = request.headers().get("x-amz-target");
    let mut response = match (verdict.refusal, target) {
        (Some(effect), None) => query_error(&refusal(&effect), request.headers(), &request_id),
        (Some(effect), Some(_)) => json_error(refusal(&effect)),
        (None, None) => respond_query(queues, &request, &request_id).await,
        (None, Some(target)) => respond_json(queues, &request, target).await,
    };
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("x-amzn-requestid", request_id);
    }
    if verdict.response_is_lost {
        response.extensions_mut().insert(ResponseLost);
    }
    queues.request_counts().count(action, response.status());
    response
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

async fn respond_json(queues: &LocalQueue, request: &Request<Bytes>, target: &HeaderValue) -> Response<Bytes> {
    let answer = async {
        let target = target.to_str().unwrap_or_default();
        let name = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        let operation = operations::find(name)
            .ok_or_else(|| WireError::new(ErrorKind::UnknownOperation, format!("Unknown operation {target:?}.")))?;
        check_size(operation.name, request.body())?;
        let members = parse_json(request.body())?;
        let endpoint = queue_url::endpoint(request);
        operation.run(&call(queues, request, Fields::Json(&members), "", &endpoint)).await
    };
    match answer.await {
        Ok(document) => {
            let body = document.map(|document| document.to_json()).unwrap_or_default();
            response(StatusCode::OK, JSON, body)
        }
        Err(error) => json_error(error),
    }
}

fn json_error(error: WireError) -> Response<Bytes> {
    let row = error.kind.row();
    let members = vec![("__type", Document::text(row.json_type)), ("message", Document::text(error.message))];
    let mut response = response(row.status, JSON, Document::Struct(members).to_json());
    if let Ok(code) = HeaderValue::try_from(format!("{};{}", row.code, row.fault())) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}

async fn respond_query(queues: &LocalQueue, request: &Request<Bytes>, request_id: &str) -> Response<Bytes> {
    let query_error = |error: &WireError, request_id: &str| query_error(error, request.headers(), request_id);
    let path = request.uri().path();
    let parameters = std::str::from_utf8(request.body())
        .map_err(|_| WireError::new(ErrorKind::MalformedInput, "The request body is not valid UTF-8."))
        .and_then(|body| Node::parse(&[request.uri().query().unwrap_or_default(), body]));
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(error) => return query_error(&error, request_id),
    };
    let Some(action) = parameters.text("Action") else {
        return response(StatusCode::NOT_FOUND, XML, "<UnknownOperationException/>".to_owned());
    };
    let is_queue_path = queue_url::is_queue_path(path);
    // AWS (validated): an action that is about no queue is as unknown on a queue's own URL as one that does not exist.
    let found = operations::find(action)
        .filter(|operation| !is_queue_path || !matches!(operation.name, "CreateQueue" | "ListQueues"));
    let Some(operation) = found else {
        let message = format!("The action {action} is not valid for this endpoint.");
        return query_error(&WireError::new(ErrorKind::UnknownOperation, message), request_id);
    };
    if let Err(error) = check_size(operation.name, request.body()).and_then(|()| parameters.check_lists()) {
        return query_error(&error, request_id);
    }
    let fields = Fields::Query { node: &parameters, operation: operation.name };
    let endpoint = queue_url::endpoint(request);
    match operation.run(&call(queues, request, fields, path, &endpoint)).await {
        Err(error) => query_error(&error, request_id),
        Ok(document) if accepts_only_json(request.headers()) => {
            response(StatusCode::OK, PLAIN_JSON, xml::json_response(operation.name, document.as_ref(), request_id))
        }
        Ok(document) => response(StatusCode::OK, XML, xml::response(operation.name, document.as_ref(), request_id)),
    }
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
    fields: Fields<'a>,
    path: &'a str,
    endpoint: &'a str,
) -> Call<'a> {
    let trace_header = request.headers().get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
    let failed_entries = request.extensions().get::<EntryFailures>();
    Call { queues, scope: scope(queues, request), endpoint, fields, path, trace_header, failed_entries }
}

/// Only messages make a request long. Of any other action a long body is refused before it is taken apart: its parts
/// would take many times its size, for as long as a long poll lasts.
fn check_size(action: &str, body: &[u8]) -> Result<(), WireError> {
    if body.len() <= PLAIN_BODY_BYTES_MAX || matches!(action, "SendMessage" | "SendMessageBatch") {
        return Ok(());
    }
    let message = format!("The body of {action} is longer than {PLAIN_BODY_BYTES_MAX} bytes.");
    Err(WireError::new(ErrorKind::MalformedInput, message))
}

fn parse_json(body: &[u8]) -> Result<Map<String, Value>, WireError> {
    let malformed = |message| WireError::new(ErrorKind::MalformedInput, message);
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(malformed("The request body is not a JSON object.".to_owned())),
        Err(error) => Err(malformed(format!("The request body is not valid JSON: {error}."))),
    }
}

/// The region of the signature's credential scope, and the account if the access key id is one of 12 digits.
/// A signature is a header, or parameters of the URL's query.
fn scope(queues: &LocalQueue, request: &Request<Bytes>) -> Scope {
    let default = queues.scope();
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let signature = authorization.or_else(|| request.uri().query()).unwrap_or_default();
    let credential = signature.split_once("Credential=").map_or("", |(_, rest)| rest);
    let credential = credential.split([',', ' ', '&']).next().unwrap_or_default().replace("%2F", "/");
    let mut parts = credential.split('/');
    let (key, _date, region) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    let region = region.filter(|region| !region.is_empty()).unwrap_or(&default.region);
    Scope::new(region, if is_account { key } else { &default.account })
}
