//! What a request is about, before it is decoded: for faults, which strike also what cannot be decoded, and for counts.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use http::Request;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::{TARGET, TARGET_PREFIX, query};
use crate::action::Action;

/// The action, if SQS has it.
pub(crate) fn action(request: &Request<Bytes>) -> Option<Action> {
    let name = if let Some(target) = request.headers().get(&TARGET) {
        target.to_str().ok()?.strip_prefix(TARGET_PREFIX)?
    } else {
        // The names of actions need no decoding, so that a form needs no reading up to here.
        let forms = [request.uri().query().unwrap_or_default().as_bytes(), request.body().as_ref()];
        let mut pairs = forms.into_iter().flat_map(|form| form.split(|byte| *byte == b'&'));
        std::str::from_utf8(pairs.find_map(|pair| pair.strip_prefix(b"Action="))?).ok()?
    };
    Action::parse(name)
}

/// Actions that leave every queue and message as it was. A receive does not: what it takes is in flight.
#[cfg(feature = "server")]
const READ_ONLY: [Action; 6] = [
    Action::GetQueueAttributes,
    Action::GetQueueUrl,
    Action::ListDeadLetterSourceQueues,
    Action::ListMessageMoveTasks,
    Action::ListQueueTags,
    Action::ListQueues,
];

/// Whether a GET of this target only reads: each action that its query could be taken to name does, or it names none.
#[cfg(feature = "server")]
pub(crate) fn is_read_only(target: &http::Uri) -> bool {
    let pairs = target.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    // What cannot be decoded is refused as a whole later on.
    let mut actions = pairs.filter(|(name, _)| query::decode(name).is_ok_and(|name| name == "Action"));
    actions.all(|(_, name)| {
        let action = query::decode(name).ok().and_then(|name| Action::parse(&name));
        action.is_some_and(|action| READ_ONLY.contains(&action))
    })
}

/// Whether queue URLs may be in the answer to a request with this header: in those to calls about messages there are none.
#[cfg(feature = "server")]
pub(crate) fn shows_urls(headers: &http::HeaderMap) -> bool {
    let action = headers.get(&TARGET).and_then(|target| target.as_bytes().strip_prefix(TARGET_PREFIX.as_bytes()));
    !action.is_some_and(|action| {
        action.starts_with(b"SendMessage")
            || matches!(action, b"ReceiveMessage" | b"DeleteMessage" | b"DeleteMessageBatch")
    })
}

/// The name of the queue, if the request names one. The body is read as far as that name and no further: it is read as a
/// whole later, by what carries the request out.
pub(crate) fn queue(request: &Request<Bytes>) -> Option<String> {
    let named = if request.headers().contains_key(&TARGET) {
        named_in_json(request.body())
    } else {
        let body = std::str::from_utf8(request.body()).ok()?;
        let forms = [request.uri().query().unwrap_or_default(), body];
        let mut pairs = forms.into_iter().flat_map(|form| form.split('&')).filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| NAMES.contains(name))
            .and_then(|(_, value)| query::decode(value).ok())
            .map(Cow::into_owned)
    };
    name_of(&named.unwrap_or_else(|| request.uri().path().to_owned()))
}

/// The name of the queue that a URL, a path or an ARN is of.
pub(super) fn name_of(named: &str) -> Option<String> {
    let name = named.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Where requests name their queue: by URL, by name, or as the source of a message move task. None has two of them.
const NAMES: [&str; 3] = ["QueueUrl", "QueueName", "SourceArn"];

/// The first member of an object of JSON that names a queue.
fn named_in_json(body: &[u8]) -> Option<String> {
    let mut named = None;
    // What is behind the name makes the reading fail, which nobody is told.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(UpToName(&mut named));
    named
}

/// Reads members until one names a queue.
struct UpToName<'a>(&'a mut Option<String>);

impl<'de> Visitor<'de> for UpToName<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parameters of an action")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if NAMES.contains(&&*name) {
                *self.0 = members.next_value()?;
                if self.0.is_some() {
                    break;
                }
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(target: &str, body: &'static str) -> Request<Bytes> {
        Request::post("/").header("x-amz-target", target).body(Bytes::from(body)).unwrap()
    }

    fn form(path: &str, body: &'static str) -> Request<Bytes> {
        Request::post(path).body(Bytes::from(body)).unwrap()
    }

    #[test]
    fn action_and_queue_are_found_in_both_protocols_however_the_queue_is_named() {
        for (request, expected) in [
            (
                json("AmazonSQS.SendMessage", r#"{"QueueUrl":"http://h/000000000000/jobs"}"#),
                (Some("SendMessage"), "jobs"),
            ),
            (json("AmazonSQS.SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a"}"#), (Some("SendMessage"), "jobs")),
            (json("AmazonSQS.CreateQueue", r#"{"QueueName":"jobs.fifo"}"#), (Some("CreateQueue"), "jobs.fifo")),
            (
                json("AmazonSQS.StartMessageMoveTask", r#"{"SourceArn":"arn:aws:sqs:a:b:dead"}"#),
                (Some("StartMessageMoveTask"), "dead"),
            ),
            (json("AmazonSQS.Nothing", r#"{"QueueUrl":"jobs"}"#), (None, "jobs")),
            (form("/000000000000/jobs", "Action=ReceiveMessage&Version=1"), (Some("ReceiveMessage"), "jobs")),
            (form("/", "QueueUrl=http%3A%2F%2Fh%2F0%2Fjobs&Action=DeleteQueue"), (Some("DeleteQueue"), "jobs")),
            (form("/000000000000/jobs?Action=PurgeQueue", ""), (Some("PurgeQueue"), "jobs")),
            // What is behind the name is of no concern to faults, and what is before it is skipped.
            (json("AmazonSQS.SendMessage", r#"{"QueueUrl":"jobs","MessageBody": torn"#), (Some("SendMessage"), "jobs")),
            (
                json("AmazonSQS.SendMessage", r#"{"A":{"QueueUrl":"other"},"QueueName":null,"\u0051ueueUrl":"jobs"}"#),
                (Some("SendMessage"), "jobs"),
            ),
        ] {
            assert_eq!(
                (action(&request).map(Action::name), queue(&request).as_deref()),
                (expected.0, Some(expected.1)),
                "{request:?}"
            );
        }
        for request in [json("AmazonSQS.ListQueues", "{}"), json("AmazonSQS.ListQueues", "no JSON"), form("/", "")] {
            assert_eq!(queue(&request), None, "{request:?}");
        }
    }
}
