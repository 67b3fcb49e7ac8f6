//! Endpoints of LocalStack and ElasticMQ, for scripts and tools that were written for these: health checks, the messages of a
//! queue, statistics. They only read. What is said of them here was read in those programs' own documentation and sources.
//!
//! ```sh
//! curl -s localhost:4566/_localstack/health
//! curl -s localhost:4566/_localstack/init/ready
//! curl -s 'localhost:4566/_aws/sqs/messages?QueueUrl=http://localhost:4566/000000000000/jobs&ShowInvisible=true'
//! curl -s localhost:4566/_aws/sqs/messages/us-east-1/000000000000/jobs -H 'accept: application/json'
//! # ElasticMQ's, on the same port as everything else.
//! curl -s localhost:9324/health
//! curl -s localhost:9324/statistics/queues
//! curl -s localhost:9324/statistics/queues/jobs
//! ```

mod health;
mod statistics;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

pub(crate) use self::health::InUse;
use crate::{LocalQueue, engine::Scope, protocol};

/// What paths of LocalStack's own begin with. No bucket and no account is called so.
const OWN: [&str; 2] = ["/_localstack/", "/_aws/"];
const MESSAGES: &str = "/_aws/sqs/messages";
const PATHS: &str = "/_localstack/health, /_localstack/init, /_localstack/init/STAGE, /_aws/sqs/messages and \
                     /_aws/sqs/messages/REGION/ACCOUNT/NAME";

/// Whether a path is one that only LocalStack has.
pub(crate) fn is_own_path(path: &str) -> bool {
    OWN.iter().any(|prefix| path.starts_with(prefix))
}

/// Whether a path could be a bucket's or a queue's too.
pub(crate) fn is_shared_path(path: &str) -> bool {
    matches!(path, "/health" | "/statistics/queues") || path.starts_with("/statistics/queues/")
}

/// Whether a path is one whose answer is also about queues that take nothing any more.
pub(crate) fn tells_of_failures(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/_localstack/health" | "/health")
}

/// Answers a request to one of these paths.
pub(crate) fn respond(queues: &LocalQueue, request: &Request<Bytes>, in_use: InUse) -> Response<Bytes> {
    let path = request.uri().path().trim_end_matches('/');
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(rest) = path.strip_prefix(MESSAGES) {
        if !is_read && *request.method() != Method::POST {
            return not_allowed(path, "GET, HEAD, POST");
        }
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            [""] => return protocol::peek(queues, request, None),
            ["", region, account, name] => {
                return protocol::peek(queues, request, Some(Scope::new(region, account).arn(name)));
            }
            _ => return nothing(path),
        }
    }
    let answer = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "_localstack", "health"] | ["", "health"] => health::health(queues, in_use),
        ["", "_localstack", "init", stage @ ..] => match health::init(stage) {
            Some(answer) => answer,
            None => return nothing(path),
        },
        ["", "statistics", "queues"] => statistics::all(queues),
        ["", "statistics", "queues", name] => match statistics::of_queue(queues, name) {
            Some(answer) => answer,
            None => return error(StatusCode::NOT_FOUND, &format!("There is no queue {name}.")),
        },
        _ => return nothing(path),
    };
    if is_read { answer } else { not_allowed(path, "GET, HEAD") }
}

fn nothing(path: &str) -> Response<Bytes> {
    error(StatusCode::NOT_FOUND, &format!("There is no {path}. Of LocalStack's endpoints there are {PATHS}."))
}

fn not_allowed(path: &str, allow: &'static str) -> Response<Bytes> {
    let mut response =
        error(StatusCode::METHOD_NOT_ALLOWED, &format!("{path} is asked with {allow}; it changes nothing."));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn error(status: StatusCode, sentence: &str) -> Response<Bytes> {
    json_response(status, &json!({ "error": sentence }))
}

fn json_response(status: StatusCode, value: &Value) -> Response<Bytes> {
    json_text(status, value.to_string())
}

fn json_text(status: StatusCode, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
