//! Operations on message move tasks.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{Answer, Call};
use crate::{
    engine::{EngineError, MoveTask, MoveTaskProblem, MoveTaskStatus, QueueArn},
    protocol::{
        document::{Document, members},
        error::{ErrorKind, WireError},
    },
};

const RESULTS_MAX: i64 = 10;

pub(super) fn start_message_move_task(call: &Call<'_>) -> Answer {
    let source = arn(call, "SourceArn")?.ok_or_else(|| WireError::missing("SourceArn"))?;
    let destination = arn(call, "DestinationArn")?;
    let rate = call.fields.integer("MaxNumberOfMessagesPerSecond")?;
    let task = call.call(|engine, now| {
        engine.start_move_task(now, source.as_str(), destination.as_ref().map(QueueArn::as_str), rate)
    })?;
    let handle = encode_handle(&task.to_string(), &source);
    Ok(Some(Document::Struct(vec![("TaskHandle", Document::Text(handle))])))
}

pub(super) fn cancel_message_move_task(call: &Call<'_>) -> Answer {
    let handle = call.fields.required_text("TaskHandle")?;
    let invalid = || WireError::new(ErrorKind::InvalidParameterValue, "Value for parameter TaskHandle is invalid.");
    let (task, source) = decode_handle(&handle).ok_or_else(invalid)?;
    let moved = call.call(|engine, now| engine.cancel_move_task(now, &source, &task))?;
    Ok(Some(Document::Struct(vec![("ApproximateNumberOfMessagesMoved", Document::Integer(moved))])))
}

pub(super) fn list_message_move_tasks(call: &Call<'_>) -> Answer {
    let source = arn(call, "SourceArn")?.ok_or_else(|| WireError::missing("SourceArn"))?;
    let max = call.fields.integer("MaxResults")?.unwrap_or(1);
    let max = usize::try_from(max).ok().filter(|_| (1..=RESULTS_MAX).contains(&max)).ok_or_else(|| {
        let message =
            "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and 10.";
        WireError::new(ErrorKind::InvalidParameterValue, message)
    })?;
    let tasks = call.call(|engine, now| {
        let tasks = engine.move_tasks(now, source.as_str())?;
        let is_dead_letter_queue = engine.dead_letter_sources(source.as_str()).is_some();
        if tasks.is_empty() && !is_dead_letter_queue {
            return Err(EngineError::MessageMoveTask(MoveTaskProblem::SourceIsNoDeadLetterQueue));
        }
        Ok(tasks)
    })?;
    let results = tasks.iter().take(max).map(|task| render(task, &source)).collect::<Vec<_>>();
    let results = (!results.is_empty()).then_some(Document::List(results));
    Ok(Some(Document::Struct(members! { "Results": results })))
}

fn render(task: &MoveTask, source: &QueueArn) -> Document {
    let (status, reason) = match task.status {
        MoveTaskStatus::Running => ("RUNNING", None),
        MoveTaskStatus::Completed => ("COMPLETED", None),
        MoveTaskStatus::Cancelled => ("CANCELLED", None),
        MoveTaskStatus::Failed { reason } => ("FAILED", Some(Document::text(reason))),
    };
    // Only a running task shows its handle (recorded).
    let is_running = task.status == MoveTaskStatus::Running;
    let handle = is_running.then(|| Document::Text(handle(task, source)));
    let rate = task.messages_per_second.map(|rate| Document::Integer(rate.into()));
    Document::Struct(members! {
        "ApproximateNumberOfMessagesMoved": Some(Document::Integer(task.moved)),
        "ApproximateNumberOfMessagesToMove": Some(Document::Integer(task.to_move)),
        "DestinationArn": task.destination.as_ref().map(|destination| Document::text(destination.as_str())),
        "FailureReason": reason,
        "MaxNumberOfMessagesPerSecond": rate,
        "SourceArn": Some(Document::text(source.as_str())),
        "StartedTimestamp": Some(Document::Integer(task.started_at.as_millis())),
        "Status": Some(Document::text(status)),
        "TaskHandle": handle,
    })
}

fn arn(call: &Call<'_>, parameter: &str) -> Result<Option<QueueArn>, WireError> {
    let Some(text) = call.fields.text(parameter)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    QueueArn::parse(&text).map(Some).ok_or_else(|| {
        let message = format!(
            "You must use this format to specify the {parameter}: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        );
        WireError::new(ErrorKind::InvalidParameterValue, message)
    })
}

/// The handle by which a task can be cancelled.
pub(crate) fn handle(task: &MoveTask, source: &QueueArn) -> String {
    encode_handle(&task.id.to_string(), source)
}

/// A task's handle says which task and whose: base64 of a JSON object, in this order (recorded).
fn encode_handle(task: &str, source: &QueueArn) -> String {
    BASE64_STANDARD.encode(format!("{{\"taskId\":\"{task}\",\"sourceArn\":\"{source}\"}}"))
}

fn decode_handle(handle: &str) -> Option<(String, String)> {
    let json: Value = serde_json::from_slice(&BASE64_STANDARD.decode(handle).ok()?).ok()?;
    let source = QueueArn::parse(json["sourceArn"].as_str()?)?;
    Some((json["taskId"].as_str()?.to_owned(), source.as_str().to_owned()))
}
