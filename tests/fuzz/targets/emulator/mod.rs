//! Requests to a fresh emulator with one queue and a message, in time that jumps over every wait.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, request};
use local_queue::{LocalQueue, protocol};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output needs nothing of the system");
}

/// The parts before and after the first line feed.
#[allow(dead_code, reason = "not every target splits its input")]
pub(crate) fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

/// The beginning of a request of AWS JSON. Not every name is a header's value; the others make no request.
pub(crate) fn json(action: &[u8]) -> request::Builder {
    let target = [b"AmazonSQS.", action].concat();
    Request::post(Uri::from_static("/")).header("host", "localhost").header("x-amz-target", target)
}

/// Sends requests one after the other and gives their answers.
pub(crate) fn answers(requests: impl IntoIterator<Item = (request::Builder, Vec<u8>)>) -> Vec<Response<Bytes>> {
    let first = (json(b"SendMessage"), br#"{"QueueUrl":"jobs","MessageBody":"hello"}"#.to_vec());
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let queues = LocalQueue::virtual_time();
            queues.create_queue("jobs", &[]).expect("the name is a good one");
            let mut answers = Vec::new();
            for (request, body) in std::iter::once(first).chain(requests) {
                let Ok(request) = request.body(Bytes::from(body)) else { continue };
                answers.push(protocol::respond(&queues, request).await);
            }
            answers.remove(0);
            answers
        })
    })
}

/// Whatever is asked, the answer is one that a client expects: never a fault of the server's own.
#[allow(dead_code, reason = "not every target asks only once")]
pub(crate) fn check(request: request::Builder, body: &[u8]) {
    for answer in answers([(request, body.to_vec())]) {
        assert_ne!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{:?}", answer.body());
        assert!(answer.status().is_success() || !answer.body().is_empty());
    }
}
