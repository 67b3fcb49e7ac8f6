//! Integrations of REST APIs that are mapped: a request of their own to SQS or a function, or none, and an answer made of
//! what comes back (developer guide, "Data mappings for REST APIs").

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HOST},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    Reply, Shared, answers,
    declaration::ApiKind,
    mapped::{Mapped, MappedResponse, MappedTarget, Passthrough, Place},
    request::Request,
    seen::Seen as _,
    vtl::{self, MappingTemplate, Override, Source},
};
use crate::protocol;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The integration's reply.
struct Returned {
    /// What patterns are matched with: a status or an error message; none of a function that has not failed.
    judged: Option<String>,
    content_type: String,
    headers: http::HeaderMap,
    body: Bytes,
}

/// Why API Gateway answers by itself.
enum Failure {
    UnsupportedMediaType,
    /// A template or a parameter could not be applied.
    Internal(String),
    /// What got the request is not there, or says nothing usable.
    Gateway(String),
}

impl Mapped {
    pub(super) async fn call(&self, shared: &Shared, request: &Request<'_>) -> Response<Bytes> {
        let answered = match self.request_body(request) {
            Ok(body) => match self.send(shared, request, body).await {
                Ok(returned) => self.answer(request, &returned),
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        let kind = ApiKind::Rest;
        answered.unwrap_or_else(|failure| match failure {
            Failure::UnsupportedMediaType => {
                answers::message(kind, StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")
            }
            Failure::Internal(why) => {
                tracing::warn!(route = request.route_key(), "{why}");
                answers::internal(kind)
            }
            Failure::Gateway(why) => {
                tracing::warn!(route = request.route_key(), "{why}");
                answers::bad_gateway(kind)
            }
        })
    }

    /// The body of the integration's request.
    fn request_body(&self, request: &Request<'_>) -> Result<String, Failure> {
        let body = request.text().ok_or_else(|| Failure::Internal("the body is not UTF-8".to_owned()))?;
        let kind = request.header(CONTENT_TYPE.as_str()).unwrap_or_else(|| JSON.to_owned());
        if let Some(template) = template_for(&self.templates, &kind) {
            let (text, _) = vtl::run(template, &Source { request, body }).map_err(Failure::Internal)?;
            return Ok(text);
        }
        let passes = match self.passthrough {
            Passthrough::WhenNoMatch => true,
            Passthrough::WhenNoTemplates => self.templates.is_empty(),
            Passthrough::Never => false,
        };
        if passes { Ok(body.to_owned()) } else { Err(Failure::UnsupportedMediaType) }
    }

    async fn send(&self, shared: &Shared, request: &Request<'_>, body: String) -> Result<Returned, Failure> {
        match &self.target {
            MappedTarget::Mock => {
                let value = serde_json::from_str::<Value>(&body).unwrap_or_default();
                let status = value.get("statusCode").map(super::json_path::text);
                let status =
                    status.ok_or_else(|| Failure::Internal("the mock's template gives no statusCode".to_owned()))?;
                let (content_type, headers) = (JSON.to_owned(), http::HeaderMap::new());
                Ok(Returned { judged: Some(status), content_type, headers, body: Bytes::new() })
            }
            MappedTarget::Function(function) => {
                let event = if body.is_empty() { "{}".to_owned() } else { body };
                let (judged, body) = match shared.reply(function, event.into()).await {
                    Reply::Replied(body) => (None, body),
                    Reply::Failed(body) => {
                        let document = serde_json::from_slice::<Value>(&body).unwrap_or_default();
                        let message = document.get("errorMessage").map(super::json_path::text);
                        (Some(message.unwrap_or_default()), body)
                    }
                    Reply::Throttled => return Err(Failure::Internal("the function is throttled".to_owned())),
                    Reply::Absent(why) => return Err(Failure::Internal(why)),
                };
                Ok(Returned { judged, content_type: JSON.to_owned(), headers: http::HeaderMap::new(), body })
            }
            MappedTarget::Queues { path, action } => {
                let made = self.queue_request(path, action.as_deref(), request, body)?;
                let (parts, body) = protocol::respond(&shared.queues, made).await.into_parts();
                let content_type = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                let content_type = content_type.unwrap_or(JSON).to_owned();
                Ok(Returned {
                    judged: Some(parts.status.as_u16().to_string()),
                    content_type,
                    headers: parts.headers,
                    body,
                })
            }
        }
    }

    /// A request to SQS.
    fn queue_request(
        &self,
        path: &str,
        action: Option<&str>,
        request: &Request<'_>,
        body: String,
    ) -> Result<http::Request<Bytes>, Failure> {
        let mut path = format!("/{}", path.trim_start_matches('/'));
        let mut query = action.map(|action| format!("Action={action}")).into_iter().collect::<Vec<_>>();
        let mut made = http::Request::new(());
        let headers = made.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        for parameter in &self.parameters {
            let Some(value) = parameter.value(request) else { continue };
            let encoded = utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string();
            match parameter.place() {
                Place::Path(name) => path = path.replace(&format!("{{{name}}}"), &encoded),
                Place::Query(name) => query.push(format!("{name}={encoded}")),
                Place::Header(name) => {
                    let header = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value).ok());
                    let (name, value) =
                        header.ok_or_else(|| Failure::Internal(format!("header {name} is not valid")))?;
                    headers.insert(name, value);
                }
            }
        }
        if let Ok(host) = HeaderValue::try_from(request.host()) {
            headers.insert(HOST, host);
        }
        // SQS reads a body only of the types that it knows.
        let kind =
            headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        let is_read = kind.starts_with(FORM) || headers.contains_key("x-amz-target");
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        *made.uri_mut() = target.parse().map_err(|_| Failure::Internal(format!("{target} is not a path")))?;
        *made.method_mut() = Method::POST;
        Ok(made.map(|()| if is_read { Bytes::from(body) } else { Bytes::new() }))
    }

    fn answer(&self, request: &Request<'_>, returned: &Returned) -> Result<Response<Bytes>, Failure> {
        let matched = |response: &&MappedResponse| {
            let pattern = response.pattern.as_ref().zip(returned.judged.as_ref());
            pattern.is_some_and(|(pattern, judged)| {
                let whole = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
                whole.is_ok_and(|whole| whole.is_match(judged))
            })
        };
        let default = || self.responses.iter().find(|response| response.pattern.is_none());
        let response = self.responses.iter().find(matched).or_else(default);
        let response = response.ok_or_else(|| match &self.target {
            MappedTarget::Mock => Failure::Internal("no integration response matches".to_owned()),
            _ => Failure::Gateway("no integration response matches the integration's reply".to_owned()),
        })?;
        let body = std::str::from_utf8(&returned.body)
            .map_err(|_| Failure::Internal("the integration's reply is not UTF-8".to_owned()))?;
        let (text, said) = match template_for(&response.templates, &returned.content_type) {
            Some(template) => {
                let (text, said) = vtl::run(template, &Source { request, body }).map_err(Failure::Internal)?;
                (Bytes::from(text), said)
            }
            None => (returned.body.clone(), Override::default()),
        };
        let mut answer = Response::new(text);
        let status = said.status.unwrap_or(response.status);
        *answer.status_mut() =
            StatusCode::from_u16(status).map_err(|_| Failure::Internal("the status is not valid".to_owned()))?;
        let headers = answer.headers_mut();
        let content_type = returned.content_type.split(';').next().unwrap_or(JSON);
        if let Ok(kind) = HeaderValue::try_from(content_type) {
            headers.insert(CONTENT_TYPE, kind);
        }
        let own = response
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.value(request, &returned.headers, body)?)));
        for (name, value) in own.chain(said.headers) {
            if let Some((name, value)) = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        Ok(answer)
    }
}

/// The template for a content type.
fn template_for<'t>(templates: &'t [(String, MappingTemplate)], kind: &str) -> Option<&'t MappingTemplate> {
    let plain = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = plain(kind);
    templates.iter().find(|(own, _)| plain(own) == kind).map(|(_, template)| template)
}
