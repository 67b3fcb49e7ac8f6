//! Whether the server is ready, in LocalStack's words.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::json_text;
use crate::LocalQueue;

/// The services beside SQS that have something: LocalStack calls such a service running, and the others available.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InUse {
    pub(crate) s3: bool,
    pub(crate) lambda: bool,
}

/// The stages of LocalStack's scripts for its start, and whether they are behind us as soon as requests are answered.
const STAGES: [(&str, bool); 4] = [("BOOT", true), ("START", true), ("READY", true), ("SHUTDOWN", false)];

/// The state of each service. It is written with spaces, because scripts look for `"sqs": "running"` as text.
pub(super) fn health(queues: &LocalQueue, in_use: InUse) -> Response<Bytes> {
    let state = |is_in_use| if is_in_use { "running" } else { "available" };
    let is_sqs_in_use =
        !queues.request_counts().all().is_empty() || queues.call(|engine, _| engine.queues().count()) > 0;
    let (status, sqs) = match queues.failure() {
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "error"),
        None => (StatusCode::OK, state(is_sqs_in_use)),
    };
    let (lambda, s3, version) = (state(in_use.lambda), state(in_use.s3), env!("CARGO_PKG_VERSION"));
    let text = format!(
        "{{\"services\": {{\"lambda\": \"{lambda}\", \"s3\": \"{s3}\", \"sqs\": \"{sqs}\"}}, \"edition\": \"local-queue\", \
         \"version\": \"{version}\"}}"
    );
    json_text(status, text)
}

/// How far the scripts of a start are, of which there are none: all stages, or the one that is named.
pub(super) fn init(stage: &[&str]) -> Option<Response<Bytes>> {
    let text = match stage {
        [] => {
            let completed = STAGES.map(|(name, completed)| format!("\"{name}\": {completed}")).join(", ");
            format!("{{\"completed\": {{{completed}}}, \"scripts\": []}}")
        }
        [stage] => {
            let (_, completed) = STAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(stage))?;
            format!("{{\"completed\": {completed}, \"scripts\": []}}")
        }
        _ => return None,
    };
    Some(json_text(StatusCode::OK, text))
}
