//! Answers to requests that never reach the protocol, in the shape of an AWS error, so that an SDK shows their text.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};

use crate::{apis, lambda_api, protocol};

/// Why a request is refused before it reaches the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The namespace of `__type` in JSON.
    namespace: &'static str,
    /// The type in JSON, after its namespace.
    json_type: &'static str,
    /// The code of the Query protocol.
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    /// One of our own, which AWS does not have.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, namespace: "local-queue", json_type: code, code, message: message.into() }
    }

    /// One that AWS gives, with its type in JSON and its code in Query.
    pub(super) fn aws(
        status: StatusCode,
        json_type: &'static str,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, namespace: "com.amazon.coral.service", json_type, code, message: message.into() }
    }

    /// The answer, in the protocol that the request's header speaks.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response<Bytes> {
        let request_id = request_id();
        let is_json = request.contains_key("x-amz-target");
        let (content_type, body) = if is_json {
            ("application/x-amz-json-1.0", self.json())
        } else if protocol::accepts_only_json(request) {
            let body = protocol::query_error_json(self.code, &self.message, "Sender", &request_id);
            ("application/json", body)
        } else {
            ("text/xml", self.xml(&request_id))
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            headers.insert("x-amzn-requestid", request_id);
        }
        if is_json && let Ok(code) = HeaderValue::try_from(format!("{};Sender", self.code)) {
            headers.insert("x-amzn-query-error", code);
        }
        response
    }

    /// The answer, in the form of the service whose path it is.
    pub(super) fn respond_to(&self, request: &Parts) -> Response<Bytes> {
        if let Some(target) = request.extensions.get::<apis::Target>() {
            return target.refuse(self.status, &self.message);
        }
        if lambda_api::is_path(request.uri.path()) {
            return lambda_api::respond_refusal(self.status, self.json_type, &self.message);
        }
        self.respond(&request.headers)
    }

    /// The answer after which the connection ends, because what follows on it is not to be trusted or was not read.
    pub(super) fn respond_and_close(&self, request: &Parts) -> Response<Bytes> {
        let mut response = self.respond_to(request);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    fn json(&self) -> String {
        let kind = format!("{}#{}", self.namespace, self.json_type);
        serde_json::json!({ "__type": kind, "message": self.message }).to_string()
    }

    fn xml(&self, request_id: &str) -> String {
        let (code, mut message) = (self.code, String::new());
        protocol::escape_xml(&self.message, &mut message);
        format!(
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message><Detail/></Error>\
             <RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    }
}

/// Not from the engine's seed: a refused request leaves no trace in it.
fn request_id() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_speaks_the_protocol_of_its_request() {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "ForeignOrigin", "not \"<you>\" & co");
        let query = refusal.respond(&HeaderMap::new());
        assert_eq!(query.headers()[CONTENT_TYPE], "text/xml");
        let body = std::str::from_utf8(query.body()).unwrap();
        assert!(body.contains("<Message>not &quot;&lt;you&gt;&quot; &amp; co</Message>"), "{body}");

        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        let query_in_json = refusal.respond(&headers);
        assert_eq!(query_in_json.headers()[CONTENT_TYPE], "application/json");
        let body: serde_json::Value = serde_json::from_slice(query_in_json.body()).unwrap();
        let error = serde_json::json!({ "Code": "ForeignOrigin", "Message": "not \"<you>\" & co", "Type": "Sender" });
        assert_eq!(body["Error"], error);
        assert_eq!(body["RequestId"], query_in_json.headers()["x-amzn-requestid"].to_str().unwrap());

        headers.insert("x-amz-target", HeaderValue::from_static("AmazonSQS.ListQueues"));
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.headers = headers;
        let json = refusal.respond_and_close(&parts);
        assert_eq!(json.status(), StatusCode::FORBIDDEN);
        assert_eq!(json.headers()["x-amzn-query-error"], "ForeignOrigin;Sender");
        assert_eq!(json.headers()[CONNECTION], "close");
        assert_eq!(json.body(), r#"{"__type":"local-queue#ForeignOrigin","message":"not \"<you>\" & co"}"#);
        assert_eq!(json.headers()["x-amzn-requestid"].len(), 36);

        parts.uri = "/2015-03-31/functions".parse().unwrap();
        let lambda = refusal.respond_and_close(&parts);
        assert_eq!(lambda.status(), StatusCode::FORBIDDEN);
        assert_eq!(lambda.headers()[CONNECTION], "close");
        assert_eq!(lambda.headers()["x-amzn-errortype"], "ForeignOrigin");
        let body: serde_json::Value = serde_json::from_slice(lambda.body()).unwrap();
        assert_eq!(body["Message"], "not \"<you>\" & co");
    }
}
