//! What Lambda's API refuses, in its form: a JSON document, whose type is in a header.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::X_CONTENT_TYPE_OPTIONS};
use serde_json::json;

use super::json_response;
use crate::event_source_mapping::EventSourceMappingError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    status: u16,
    code: &'static str,
    message: String,
    /// `Reason` of a throttled request.
    reason: Option<String>,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), reason: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameterValueException", message)
    }

    /// A value that is none of those that there are. The text is AWS's form for all its services.
    pub(super) fn not_in(name: &str, value: &str, set: &[&str]) -> Self {
        let text = format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must satisfy \
             enum value set: [{}]",
            set.join(", ")
        );
        Self::new(400, "ValidationException", text)
    }

    pub(super) fn unparsable(problem: &str) -> Self {
        let text = format!("Could not parse request body into json: {problem}");
        Self::new(400, "InvalidRequestContentException", text)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "ResourceNotFoundException", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "ResourceConflictException", message)
    }

    /// Of a mapping that is being changed.
    pub(super) fn in_use(message: impl Into<String>) -> Self {
        Self::new(400, "ResourceInUseException", message)
    }

    pub(super) fn too_large(bytes: usize, kind: &str, bytes_max: usize) -> Self {
        let text =
            format!("{bytes} byte payload is too large for the {kind} invocation type (limit {bytes_max} bytes)");
        Self::new(413, "RequestTooLargeException", text)
    }

    pub(super) fn throttled(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(429, "TooManyRequestsException", "Rate Exceeded.") }
    }

    pub(super) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDeniedException", message)
    }

    pub(super) fn service(message: impl Into<String>) -> Self {
        Self::new(500, "ServiceException", message)
    }

    /// What Lambda has and this server does not.
    pub(super) fn not_here(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }

    pub(super) fn respond(&self) -> Response<Bytes> {
        let Self { status, code, message, reason } = self;
        let kind = if *status < 500 { "User" } else { "Service" };
        // Most refusals of Lambda have the one name, some the other; clients take both.
        let mut document = json!({ "Type": kind, "Message": message, "message": message });
        if let Some(reason) = reason {
            document["Reason"] = reason.as_str().into();
        }
        let mut response = json_response(*status, &document);
        let headers = response.headers_mut();
        headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// A refusal of the server itself, before the request has got here, in the form that clients of Lambda read.
pub(crate) fn respond_refusal(status: StatusCode, code: &'static str, message: &str) -> Response<Bytes> {
    ApiError::new(status.as_u16(), code, message).respond()
}

/// A refusal, for those who have words of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotDone {
    /// That of Lambda's answer.
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl From<ApiError> for NotDone {
    fn from(ApiError { status, message, .. }: ApiError) -> Self {
        Self { status, message }
    }
}

impl From<EventSourceMappingError> for ApiError {
    fn from(error: EventSourceMappingError) -> Self {
        Self::invalid(error.to_string())
    }
}
