//! The wire: HTTP requests in, HTTP answers out, without a socket. The server and the in-process client both call
//! [`respond`].
//!
//! A request is decoded into [`fields::Fields`], an operation of the table turns them into engine calls and the results
//! into a [`document::Document`], and that is written in the protocol of the request. Errors leave by one way.

mod attributes;
pub(crate) mod digest;
mod document;
mod error;
mod fields;
mod operations;
mod policy;
pub(crate) mod receipt_handle;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Map, Value};

use self::{
    error::{ErrorKind, WireError},
    fields::Fields,
    operations::{Answer, Call, Run},
};
use crate::{LocalQueue, engine::Scope};

const JSON_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const TARGET_PREFIX: &str = "AmazonSQS.";

/// Answers one request of AWS JSON 1.0. Dropping the future gives up a long poll.
pub async fn respond(queues: &LocalQueue, request: Request<Bytes>) -> Response<Bytes> {
    let answer = run(queues, &request).await;
    let request_id = queues.call(|engine, _| engine.next_request_id());
    let mut response = match answer {
        Ok(document) => Response::new(document.map(|document| document.to_json()).unwrap_or_default().into()),
        Err(error) => error_response(&error),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON_CONTENT_TYPE);
    if let Ok(request_id) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert("x-amzn-requestid", request_id);
    }
    response
}

async fn run(queues: &LocalQueue, request: &Request<Bytes>) -> Answer {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let name = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
    let operation = operations::find(name)
        .ok_or_else(|| WireError::new(ErrorKind::UnknownOperation, format!("Unknown operation {target:?}.")))?;
    let members = parse_body(request.body())?;
    let call = Call {
        queues,
        scope: scope(queues, request.headers()),
        endpoint: &endpoint(request),
        fields: Fields::json(&members),
        trace_header: request.headers().get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok()),
    };
    match operation.run {
        Run::Now(run) => run(&call),
        Run::Waiting(run) => run(&call).await,
    }
}

fn parse_body(body: &[u8]) -> Result<Map<String, Value>, WireError> {
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
fn scope(queues: &LocalQueue, headers: &HeaderMap) -> Scope {
    let default = queues.scope();
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let credential = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    let mut parts = credential.split([',', ' ']).next().unwrap_or_default().split('/');
    let (key, _date, region) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    let region = region.filter(|region| !region.is_empty()).unwrap_or(&default.region);
    Scope::new(region, if is_account { key } else { &default.account })
}

/// What queue URLs begin with: the host by which the client reached us.
fn endpoint(request: &Request<Bytes>) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    format!("http://{}", host.unwrap_or("localhost"))
}

fn error_response(error: &WireError) -> Response<Bytes> {
    let row = error.kind.row();
    let document = document::Document::Struct(vec![
        ("__type", document::Document::text(row.json_type)),
        ("message", document::Document::text(error.message.clone())),
    ]);
    let mut response = Response::new(Bytes::from(document.to_json()));
    *response.status_mut() = row.status;
    let fault = if row.status == StatusCode::INTERNAL_SERVER_ERROR { "Receiver" } else { "Sender" };
    if let Ok(code) = HeaderValue::try_from(format!("{};{fault}", row.code)) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}
