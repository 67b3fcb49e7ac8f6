//! What the API answers, byte by byte as AWS's own Runtime Interface Emulator does.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use serde::Serialize;

use super::session::{Invoke, RequestError};
use crate::event_source_mapping::RESPONSE_BYTES_MAX;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");
const EXTENSION_IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const EVENT_IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-event-identifier");

/// The error document. Fields are in the order of AWS's emulator.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    error_message: &'a str,
    error_type: &'a str,
}

/// An answer that has no body of its own.
fn respond(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A JSON document, which ends with a line break.
fn json(status: StatusCode, document: &impl Serialize) -> Response<Bytes> {
    let mut body = serde_json::to_vec(document).expect("such documents have only text and numbers");
    body.push(b'\n');
    respond(status, JSON, body)
}

fn error(status: StatusCode, error_type: &str, error_message: &str) -> Response<Bytes> {
    json(status, &ErrorBody { error_message, error_type })
}

pub(super) fn accepted() -> Response<Bytes> {
    respond(StatusCode::ACCEPTED, JSON, &b"{\"status\":\"OK\"}\n"[..])
}

pub(super) fn pong() -> Response<Bytes> {
    respond(StatusCode::OK, TEXT, &b"pong"[..])
}

pub(super) fn not_found() -> Response<Bytes> {
    let mut response = respond(StatusCode::NOT_FOUND, TEXT, &b"404 page not found\n"[..]);
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The APIs for logs and telemetry of extensions: there, but not supported, which is no error to them.
pub(super) fn not_supported(api: &str) -> Response<Bytes> {
    error(StatusCode::ACCEPTED, &format!("{api}.NotSupported"), &format!("{api} API is not supported"))
}

pub(super) fn too_large() -> Response<Bytes> {
    let message = format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

/// A request that is not what it should be.
pub(super) fn invalid_format(message: &str) -> Response<Bytes> {
    error(StatusCode::FORBIDDEN, "InvalidRequestFormat", message)
}

/// The body ended before its end.
pub(super) fn incomplete() -> Response<Bytes> {
    error(StatusCode::BAD_REQUEST, "InvalidRequestFormat", "The body ended early or is not framed as its header says")
}

pub(super) fn refusal(refusal: &RequestError) -> Response<Bytes> {
    match refusal {
        RequestError::InvalidRequestId => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        RequestError::InvalidStateTransition { from, to } => {
            let message = format!(
                "State transition from {from:?} to {to:?} failed for runtime. Error: State transition is not allowed"
            );
            error(StatusCode::FORBIDDEN, "InvalidStateTransition", &message)
        }
        RequestError::Extension { error_type, message } => error(StatusCode::FORBIDDEN, error_type, message),
    }
}

/// The invocation, for the runtime.
pub(super) fn invocation(invoke: &Invoke) -> Response<Bytes> {
    let mut response = respond(StatusCode::OK, JSON, invoke.event.clone());
    let headers = response.headers_mut();
    insert(headers, REQUEST_ID, &invoke.request_id);
    headers.insert(DEADLINE, HeaderValue::from(invoke.deadline.as_millis()));
    insert(headers, FUNCTION_ARN, &invoke.function_arn);
    insert(headers, TRACE_ID, &invoke.trace_id);
    insert(headers, INVOCATION_ID, &invoke.invocation_id);
    response
}

/// The invocation, for an extension.
pub(super) fn event(invoke: &Invoke, event_identifier: &str) -> Response<Bytes> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        event_type: &'a str,
        deadline_ms: u64,
        request_id: &'a str,
        invoked_function_arn: &'a str,
        tracing: Tracing<'a>,
    }
    #[derive(Serialize)]
    struct Tracing<'a> {
        r#type: &'a str,
        value: &'a str,
    }
    let event = Document {
        event_type: "INVOKE",
        deadline_ms: invoke.deadline.as_millis(),
        request_id: &invoke.request_id,
        invoked_function_arn: &invoke.function_arn,
        tracing: Tracing { r#type: "X-Amzn-Trace-Id", value: &invoke.trace_id },
    };
    let mut response = json(StatusCode::OK, &event);
    insert(response.headers_mut(), EVENT_IDENTIFIER, event_identifier);
    response
}

/// The response to an extension's registration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration<'a> {
    pub(super) function_name: &'a str,
    pub(super) function_version: &'a str,
    pub(super) handler: &'a str,
}

pub(super) fn registered(registration: &Registration<'_>, identifier: &str) -> Response<Bytes> {
    let mut response = json(StatusCode::OK, registration);
    insert(response.headers_mut(), EXTENSION_IDENTIFIER, identifier);
    response
}

/// Values that a header cannot carry are left out; identifiers and ARNs that get here are checked to be ASCII.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
