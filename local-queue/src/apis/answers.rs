//! Answers that API Gateway gives by itself, with the texts that it has for them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use super::declaration::ApiKind;

/// An answer of one sentence.
pub(super) fn message(kind: ApiKind, status: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(json!({ "message": text }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if kind == ApiKind::Rest {
        let name = match status {
            StatusCode::FORBIDDEN if text == "Forbidden" => "ForbiddenException",
            StatusCode::FORBIDDEN => "MissingAuthenticationTokenException",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "BadRequestException",
            StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLargeException",
            _ => "InternalServerErrorException",
        };
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(name));
    }
    response
}

/// There is no such route.
pub(super) fn no_route(kind: ApiKind) -> Response<Bytes> {
    match kind {
        ApiKind::Http => message(kind, StatusCode::NOT_FOUND, "Not Found"),
        ApiKind::Rest => message(kind, StatusCode::FORBIDDEN, "Missing Authentication Token"),
    }
}

/// There is no such stage.
pub(super) fn no_stage(kind: ApiKind) -> Response<Bytes> {
    match kind {
        ApiKind::Http => message(kind, StatusCode::NOT_FOUND, "Not Found"),
        ApiKind::Rest => message(kind, StatusCode::FORBIDDEN, "Forbidden"),
    }
}

/// What answers has failed, or its answer is none.
pub(super) fn bad_gateway(kind: ApiKind) -> Response<Bytes> {
    match kind {
        ApiKind::Http => message(kind, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        ApiKind::Rest => message(kind, StatusCode::BAD_GATEWAY, "Internal server error"),
    }
}

/// The API itself cannot answer.
pub(super) fn internal(kind: ApiKind) -> Response<Bytes> {
    match kind {
        ApiKind::Http => message(kind, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        ApiKind::Rest => message(kind, StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    }
}

/// What answers has not done so in time.
pub(super) fn timed_out(kind: ApiKind) -> Response<Bytes> {
    match kind {
        ApiKind::Http => message(kind, StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        ApiKind::Rest => message(kind, StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
    }
}

/// The request is longer than any may be, or than what answers takes.
pub(super) fn too_large(kind: ApiKind) -> Response<Bytes> {
    match kind {
        ApiKind::Http => message(kind, StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        ApiKind::Rest => message(kind, StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"),
    }
}
