//! Queues in the words of ElasticMQ's statistics, for its user interfaces. There it has a port of its own.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::json_response;
use crate::{
    LocalQueue,
    engine::{AttributeName, QueueArn, QueueAttributes},
    protocol::attributes,
};

/// All queues, of whatever region, and how many messages each has.
pub(super) fn all(queues: &LocalQueue) -> Response<Bytes> {
    let all = attributes_of(queues, |_| true).into_iter().map(|queue| {
        json!({
            "name": queue.arn.name(),
            "statistics": {
                "approximateNumberOfVisibleMessages": queue.messages,
                "approximateNumberOfInvisibleMessages": queue.messages_not_visible,
                "approximateNumberOfMessagesDelayed": queue.messages_delayed,
            },
        })
    });
    json_response(StatusCode::OK, &all.collect())
}

/// The attributes of a queue. Of several in different regions or accounts, the server's own comes first.
pub(super) fn of_queue(queues: &LocalQueue, name: &str) -> Option<Response<Bytes>> {
    let own = queues.scope().arn(name);
    let mut named = attributes_of(queues, |arn| arn.name() == name);
    named.sort_by_key(|queue| queue.arn != own);
    let queue = named.into_iter().next()?;
    let rendered = AttributeName::ALL.into_iter().filter_map(|attribute| {
        Some((attribute.as_str().to_owned(), Value::String(attributes::render(attribute, &queue)?)))
    });
    let answer = json!({ "name": name, "attributes": rendered.collect::<Map<_, _>>() });
    Some(json_response(StatusCode::OK, &answer))
}

fn attributes_of(queues: &LocalQueue, wanted: impl Fn(&QueueArn) -> bool) -> Vec<QueueAttributes> {
    queues.call(|engine, now| {
        let arns = engine.queues().filter(|arn| wanted(arn)).cloned().collect::<Vec<_>>();
        arns.iter().filter_map(|arn| engine.queue_attributes(now, arn.as_str()).ok()).collect()
    })
}
