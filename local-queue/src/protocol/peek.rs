//! The messages of a queue as a receive would show them, looked at without touching them: the answers of LocalStack's
//! `/_aws/sqs/messages`, in the protocol of the request. A client of SQS can ask that path for `ReceiveMessage`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value};

use super::{
    Form, FormKind, FormNode, PLAIN_JSON, TARGET,
    document::Document,
    error::{ErrorKind, WireError},
    operations::Looked,
    parse_json, queue_url, response, scope, subject, xml,
};
use crate::{
    LocalQueue,
    action::Action,
    engine::{Peeked, Place, QueueArn, Time, Visibility},
    json::Json,
    recorded::Recorded,
};

/// Messages of one answer, and bytes of their bodies beside the first.
const MESSAGES_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Says that an answer has not all messages.
const TRUNCATED: &str = "x-local-queue-truncated";

/// Which messages are wanted beside those that the next receive could get.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    invisible: bool,
    delayed: bool,
}

/// Answers with the messages of the queue that is `named` by the path, or else by the parameter `QueueUrl`.
pub(crate) fn peek(queues: &LocalQueue, request: &Request<Bytes>, named: Option<QueueArn>) -> Response<Bytes> {
    let form = Form::wanted_by(request, queues.next_request_id());
    let (document, is_truncated) = match look(queues, request, named) {
        Ok(looked) => looked,
        Err(error) => return form.error(&error),
    };
    let mut response = if matches!(form.kind, FormKind::PlainJson) {
        let text = plain_json(&document, &form.request_id.to_string());
        response(StatusCode::OK, PLAIN_JSON, text)
    } else {
        form.document(Action::ReceiveMessage, Some(&document))
    };
    if is_truncated {
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    response
}

fn look(queues: &LocalQueue, request: &Request<Bytes>, named: Option<QueueArn>) -> Result<(Document, bool), WireError> {
    if subject::action(request).is_some_and(|action| action != Action::ReceiveMessage) {
        let message = "This endpoint answers ReceiveMessage only.";
        return Err(WireError::new(ErrorKind::UnsupportedOperation, message));
    }
    let (url, shown) = parameters(request)?;
    let queue = match named {
        Some(queue) => queue,
        None => queue_url::queue(&url.ok_or_else(WireError::queue_does_not_exist)?, &scope(queues, request)),
    };
    let (peeked, is_truncated) = queues.call(|engine, now| take(engine, now, &queue, shown))?;
    let messages = peeked.iter().map(|peeked| {
        let mut marks = Vec::new();
        if shown.delayed {
            marks.push(("IsDelayed", peeked.place == Place::Delayed));
        }
        if shown.invisible {
            marks.push(("IsVisible", !is_invisible(peeked)));
        }
        Looked { peeked, queue: &queue, marks: &marks }.render()
    });
    let messages = messages.collect::<Vec<_>>();
    let members = if messages.is_empty() { Vec::new() } else { vec![("Messages", Document::List(messages))] };
    Ok((Document::Struct(members), is_truncated))
}

/// The queue's URL, and what else is wanted. A client of SQS has its parameters in the body, as for a receive.
fn parameters(request: &Request<Bytes>) -> Result<(Option<String>, Shown), WireError> {
    let is_json = request.headers().contains_key(&TARGET);
    let body = if is_json { Cow::Borrowed("") } else { String::from_utf8_lossy(request.body()) };
    let form = FormNode::parse(&[request.uri().query().unwrap_or_default(), &body])?;
    let is_true = |name| form.text(name).is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"));
    let shown = Shown { invisible: is_true("ShowInvisible"), delayed: is_true("ShowDelayed") };
    let mut url = form.text("QueueUrl").map(str::to_owned);
    if is_json && let Some(Json::Text(text)) = parse_json(request.body())?.get("QueueUrl") {
        url = Some(text.clone().into_owned());
    }
    Ok((url.filter(|url| !url.is_empty()), shown))
}

/// Whether the next receive cannot get a message because somebody holds it, or one before it in its message group.
fn is_invisible(peeked: &Peeked) -> bool {
    peeked.place == Place::InFlight || matches!(peeked.visibility, Visibility::BehindGroup { .. })
}

/// The messages in the order of LocalStack: those in flight, those that are ready, those that are delayed. Says too whether
/// there are more than fit.
fn take(
    engine: &mut Recorded<'_>,
    now: Time,
    queue: &QueueArn,
    shown: Shown,
) -> Result<(Vec<Peeked>, bool), WireError> {
    const AT_ONCE: usize = 1_000;
    let (mut found, mut bytes, mut skip) = (Vec::new(), 0, 0);
    let is_truncated = 'all: loop {
        let batch = engine.peek(now, queue.as_str(), skip, AT_ONCE)?;
        let is_last = batch.len() < AT_ONCE;
        skip += batch.len();
        for peeked in batch {
            let is_shown = match peeked.place {
                Place::Delayed => shown.delayed,
                _ => shown.invisible || !is_invisible(&peeked),
            };
            if is_shown {
                bytes += peeked.message.body.as_str().len();
                if found.len() == MESSAGES_MAX || (bytes > BYTES_MAX && !found.is_empty()) {
                    break 'all true;
                }
                found.push(peeked);
            }
        }
        if is_last {
            break false;
        }
    };
    found.sort_by_key(|peeked| match peeked.place {
        Place::InFlight => 0,
        Place::Ready => 1,
        Place::Delayed => 2,
    });
    Ok((found, is_truncated))
}

/// The elements of the XML as members of JSON; of messages there is a list even if it has one or none.
fn plain_json(document: &Document, request_id: &str) -> String {
    let mut result = tree("ReceiveMessage", document);
    if let Value::Object(members) = &mut result {
        members.entry("Message").or_insert_with(|| Value::Array(Vec::new()));
    }
    let metadata = serde_json::json!({ "RequestId": request_id });
    serde_json::json!({
        "ReceiveMessageResponse": { "ReceiveMessageResult": result, "ResponseMetadata": metadata }
    })
    .to_string()
}

fn tree(operation: &str, document: &Document) -> Value {
    match document {
        Document::Struct(members) => {
            let members = members.iter().map(|(name, value)| match value {
                Document::List(_) => (xml::item_name(operation, name), tree(operation, value)),
                Document::Map(entries) => {
                    let (element, key) = xml::entry_names(name);
                    let entries = entries.iter().map(|(name, value)| {
                        let entry = [
                            (key.to_owned(), Value::from(name.as_str())),
                            ("Value".to_owned(), tree(operation, value)),
                        ];
                        Value::Object(entry.into_iter().collect())
                    });
                    (element.to_owned(), entries.collect())
                }
                _ => ((*name).to_owned(), tree(operation, value)),
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Document::List(items) => items.iter().map(|item| tree(operation, item)).collect(),
        other => serde_json::from_str(&other.to_json(0)).unwrap_or_default(),
    }
}
