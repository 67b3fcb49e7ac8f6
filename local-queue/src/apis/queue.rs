//! The integration of HTTP APIs with SQS: one action, whose parameters are taken from the request. The answer is that of
//! SQS, in XML.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::{
    answers,
    declaration::{ApiKind, QueueAction},
    mapping::Mapping,
    request::Request,
    seen::Seen as _,
};
use crate::{
    LocalQueue,
    action::Action,
    protocol::{self, Answering, Parameters},
};

/// Parameters that are documents: of a list of names, or of attributes by their names.
const LISTS: [(&str, &str); 2] =
    [("AttributeNames", "AttributeName"), ("MessageAttributeNames", "MessageAttributeName")];
const ATTRIBUTES: [(&str, &str); 2] =
    [("MessageAttributes", "MessageAttribute"), ("MessageSystemAttributes", "MessageSystemAttribute")];

/// Calls the action, which is over at once unless it waits.
pub(super) fn begin<'q>(
    queues: &'q LocalQueue,
    action: QueueAction,
    mapped: &[(String, Mapping)],
    request: &Request<'_>,
) -> Answering<'q> {
    match read(mapped, request) {
        Some(parameters) => protocol::begin_action(queues, action.of_queues(), parameters),
        None => Answering::Answered(bad_request()),
    }
}

impl QueueAction {
    const fn of_queues(self) -> Action {
        match self {
            Self::SendMessage => Action::SendMessage,
            Self::ReceiveMessage => Action::ReceiveMessage,
            Self::DeleteMessage => Action::DeleteMessage,
            Self::PurgeQueue => Action::PurgeQueue,
        }
    }
}

fn bad_request() -> Response<Bytes> {
    answers::message(ApiKind::Http, StatusCode::BAD_REQUEST, "Bad Request")
}

/// The parameters that a request stands for; none if it is no text, or a document is none.
fn read<'r>(mapped: &'r [(String, Mapping)], request: &'r Request<'r>) -> Option<Parameters<'r>> {
    request.text()?;
    let mut parameters = Parameters::default();
    for (name, mapping) in mapped.iter().filter(|(name, _)| name != "Region") {
        if let Some(value) = mapping.value(request) {
            add(&mut parameters, name, value)?;
        }
    }
    Some(parameters)
}

/// Adds a parameter of an integration; nothing comes of a document that is none.
fn add<'p>(parameters: &mut Parameters<'p>, name: &'p str, value: Cow<'p, str>) -> Option<()> {
    let find = |table: [(&str, &'static str); 2]| table.into_iter().find(|(of, _)| *of == name).map(|(_, it)| it);
    if let Some(item) = find(LISTS) {
        let names = serde_json::from_str::<Vec<String>>(&value).unwrap_or_else(|_| vec![value.into_owned()]);
        for (index, name) in names.into_iter().enumerate() {
            parameters.add(format!("{item}.{}", index + 1), name);
        }
    } else if let Some(item) = find(ATTRIBUTES) {
        let attributes = serde_json::from_str::<serde_json::Map<String, Value>>(&value).ok()?;
        for (index, (name, attribute)) in attributes.into_iter().enumerate() {
            let item = format!("{item}.{}", index + 1);
            parameters.add(format!("{item}.Name"), name);
            for part in ["DataType", "StringValue", "BinaryValue"] {
                if let Some(text) = attribute.get(part).and_then(Value::as_str) {
                    parameters.add(format!("{item}.Value.{part}"), text.to_owned());
                }
            }
        }
    } else {
        parameters.add(name, value);
    }
    Some(())
}
