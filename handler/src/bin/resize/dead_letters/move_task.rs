//! Sending messages back by SQS's own means, which moves all of them and goes on by itself.

use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry;
use local_queue_terminal::{note, one_line, print};

use super::destination::only_source_queue;
use super::look::QueueState;
use crate::arguments::RedriveDeadLetters;
use crate::queue::{arn_of, failed};
use crate::stop::Stop;
use crate::table;

/// How often a move is asked how far it is.
const MOVE_INTERVAL: Duration = Duration::from_millis(500);

/// Carries out `redrive --move-task`. Returns the exit code.
pub(super) async fn run(client: &Client, arguments: &RedriveDeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    let destination = match &arguments.to {
        Some(url) if !url.starts_with("arn:") => arn_of(client, url).await?,
        Some(arn) => arn.clone(),
        None => only_source_queue(client, &queue.url).await?.arn,
    };
    let request = client.start_message_move_task().source_arn(&queue.arn).destination_arn(&destination);
    let request = request.set_max_number_of_messages_per_second(arguments.rate.map(i32::from));
    request.send().await.map_err(|error| failed("StartMessageMoveTask", &queue.arn, &error))?;
    loop {
        let answer = client.list_message_move_tasks().source_arn(&queue.arn).max_results(1).send().await;
        let answer = answer.map_err(|error| failed("ListMessageMoveTasks", &queue.arn, &error))?;
        let task =
            answer.results().first().context("ListMessageMoveTasks does not list the task that was just started")?;
        match task.status() {
            Some("RUNNING" | "CANCELLING") => {}
            Some("COMPLETED") => {
                print(format_args!("{} sent to {destination}", moved(task)));
                return Ok(0);
            }
            other => {
                let (status, reason) =
                    (other.unwrap_or("unknown"), task.failure_reason().unwrap_or("SQS says no more"));
                note(format_args!("resize: the move task is {status} after {}: {}", moved(task), one_line(reason)));
                return Ok(1);
            }
        }
        tokio::select! {
            // SQS moves the messages by itself, and has no call that waits for the end.
            () = tokio::time::sleep(MOVE_INTERVAL) => {}
            interruption = stop.requested() => {
                note(format_args!("resize: {} sent so far; the move task continues in SQS", moved(task)));
                return Ok(interruption.exit_code());
            }
        }
    }
}

fn moved(task: &ListMessageMoveTasksResultEntry) -> String {
    table::count(u64::try_from(task.approximate_number_of_messages_moved()).unwrap_or_default(), "message")
}
