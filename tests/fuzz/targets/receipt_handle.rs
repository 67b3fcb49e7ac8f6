//! A receipt handle: none but the one that was given out may delete the message.

#![no_main]

use http::{StatusCode, request};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

mod emulator;

fuzz_target!(|handle: &[u8]| {
    let Ok(handle) = std::str::from_utf8(handle) else { return };
    let requests = [
        ask("ReceiveMessage", &json!({ "QueueUrl": "jobs", "VisibilityTimeout": 0 })),
        ask("DeleteMessage", &json!({ "QueueUrl": "jobs", "ReceiptHandle": handle })),
        ask("ReceiveMessage", &json!({ "QueueUrl": "jobs" })),
    ];
    let answers = emulator::answers(requests);
    let message = |index: usize| serde_json::from_slice::<Value>(answers[index].body()).expect("answers are JSON");
    let given_out = message(0)["Messages"][0]["ReceiptHandle"].clone();
    assert!(given_out.is_string(), "the message is there");
    assert_ne!(answers[1].status(), StatusCode::INTERNAL_SERVER_ERROR);
    if given_out != handle {
        assert!(message(2)["Messages"][0].is_object(), "a handle that was never given out deleted the message");
    }
});

fn ask(action: &str, body: &Value) -> (request::Builder, Vec<u8>) {
    (emulator::json(action.as_bytes()), body.to_string().into_bytes())
}
