//! The integration of HTTP APIs with SQS: one action, whose parameters are taken from the request. The answer is that of
//! SQS, in XML.

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HOST},
};
use serde_json::Value;

use super::{
    answers,
    declaration::{ApiKind, QueueAction},
    mapping::Mapping,
    request::Request,
    seen::Seen as _,
};
use crate::{LocalQueue, protocol};

/// Parameters that are documents: of a list of names, or of attributes by their names.
const LISTS: [(&str, &str); 2] =
    [("AttributeNames", "AttributeName"), ("MessageAttributeNames", "MessageAttributeName")];
const ATTRIBUTES: [(&str, &str); 2] =
    [("MessageAttributes", "MessageAttribute"), ("MessageSystemAttributes", "MessageSystemAttribute")];

pub(super) async fn call(
    queues: &LocalQueue,
    action: QueueAction,
    parameters: &[(String, Mapping)],
    request: &Request<'_>,
) -> Response<Bytes> {
    if request.text().is_none() {
        return answers::message(ApiKind::Http, StatusCode::BAD_REQUEST, "Bad Request");
    }
    let mut form = Form(format!("Action={}", action.name()));
    for (name, mapping) in parameters.iter().filter(|(name, _)| name != "Region") {
        let Some(value) = mapping.value(request) else { continue };
        if form.parameter(name, &value).is_none() {
            return answers::message(ApiKind::Http, StatusCode::BAD_REQUEST, "Bad Request");
        }
    }
    let made = http::Request::post("/").header(HOST, request.host());
    let Ok(made) = made.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Bytes::from(form.0)) else {
        return answers::message(ApiKind::Http, StatusCode::BAD_REQUEST, "Bad Request");
    };
    let (mut parts, body) = protocol::respond(queues, made).await.into_parts();
    let content_type = parts.headers.remove(CONTENT_TYPE);
    parts.headers.clear();
    parts.headers.extend(content_type.map(|kind| (CONTENT_TYPE, kind)));
    Response::from_parts(parts, body)
}

/// A form of the Query protocol.
struct Form(String);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        self.0.extend(["&", name, "="]);
        // Nothing else means something within a form's value, and most bodies are long and have hardly any of these.
        for piece in value.split_inclusive(['%', '&', '+']) {
            let encoded = match piece.chars().next_back() {
                Some('%') => Some("%25"),
                Some('&') => Some("%26"),
                Some('+') => Some("%2B"),
                _ => None,
            };
            let plain = encoded.map_or(piece, |_| piece.get(..piece.len() - 1).unwrap_or_default());
            self.0.extend([plain, encoded.unwrap_or_default()]);
        }
    }

    /// Adds a parameter of an integration; nothing comes of a document that is none.
    fn parameter(&mut self, name: &str, value: &str) -> Option<()> {
        let find = |table: [(&str, &'static str); 2]| table.into_iter().find(|(of, _)| *of == name).map(|(_, it)| it);
        if let Some(item) = find(LISTS) {
            let names = serde_json::from_str::<Vec<String>>(value).unwrap_or_else(|_| vec![value.to_owned()]);
            for (index, name) in names.iter().enumerate() {
                self.add(&format!("{item}.{}", index + 1), name);
            }
        } else if let Some(item) = find(ATTRIBUTES) {
            let attributes = serde_json::from_str::<serde_json::Map<String, Value>>(value).ok()?;
            for (index, (name, attribute)) in attributes.iter().enumerate() {
                let item = format!("{item}.{}", index + 1);
                self.add(&format!("{item}.Name"), name);
                for part in ["DataType", "StringValue", "BinaryValue"] {
                    if let Some(text) = attribute.get(part).and_then(Value::as_str) {
                        self.add(&format!("{item}.Value.{part}"), text);
                    }
                }
            }
        } else {
            self.add(name, value);
        }
        Some(())
    }
}
