//! What a request is about, before it is decoded: for faults, which strike also what cannot be decoded, and for counts.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use super::{TARGET, TARGET_PREFIX, query::FormNode};
use crate::action::Action;

/// The action, if SQS has it.
pub(super) fn action(request: &Request<Bytes>) -> Option<Action> {
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
    let mut actions = pairs.filter(|(name, _)| super::query::decode(name).is_ok_and(|name| name == "Action"));
    actions.all(|(_, name)| {
        let action = super::query::decode(name).ok().and_then(|name| Action::parse(&name));
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

/// The name of the queue, if the request names one.
pub(super) fn queue(request: &Request<Bytes>) -> Option<String> {
    let named = if request.headers().contains_key(&TARGET) {
        let names: Names = serde_json::from_slice(request.body()).ok()?;
        names.queue_url.or(names.queue_name).or(names.source_arn)
    } else {
        let body = std::str::from_utf8(request.body()).ok()?;
        let form = FormNode::parse(&[request.uri().query().unwrap_or_default(), body]).ok()?;
        let names = ["QueueUrl", "QueueName", "SourceArn"];
        names.into_iter().find_map(|name| form.text(name).map(str::to_owned))
    };
    let named = named.unwrap_or_else(|| request.uri().path().to_owned());
    let name = named.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Where requests name their queue: by URL, by name, or as the source of a message move task.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    queue_url: Option<String>,
    queue_name: Option<String>,
    source_arn: Option<String>,
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
