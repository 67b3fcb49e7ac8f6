//! `resize dead-letters`: look, send back, empty.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, ListMessageMoveTasksResultEntry, Message, MessageSystemAttributeName,
};
use handler::job::ResizeJob;
use serde_json::{Map, Value, json};

use super::{MESSAGES_MAX, attribute, dead_letter};
use crate::arguments::{DeadLetters, ListDeadLetters, RedriveDeadLetters};
use crate::queue::{arn_of, failed};
use crate::table;

/// How long looking may take before messages turn up a second time, in seconds; they are given back when it ends.
const LOOKING_SECONDS: i32 = 60;
/// How often a move is asked how far it is.
const MOVE_INTERVAL: Duration = Duration::from_millis(500);
/// So much of a body that is not a job is shown in a list.
const BODY_CHARS_MAX: usize = 60;

/// Carries out the command. Returns what there is to print, and whether it all went well.
pub(crate) async fn run(command: &DeadLetters) -> anyhow::Result<(String, bool)> {
    let client = Client::new(&handler::aws::config().await);
    match command {
        DeadLetters::List(arguments) => list(&client, arguments).await.map(|text| (text, true)),
        DeadLetters::Show(arguments) => {
            show(&client, &arguments.queue_url, &arguments.message_id).await.map(|text| (text, true))
        }
        DeadLetters::Redrive(arguments) => redrive(&client, arguments).await,
        DeadLetters::Purge(arguments) => {
            let request = client.purge_queue().queue_url(&arguments.queue_url);
            request.send().await.map_err(|error| failed("PurgeQueue", error))?;
            Ok(("All messages are deleted; it may take SQS a minute.\n".to_owned(), true))
        }
    }
}

async fn list(client: &Client, arguments: &ListDeadLetters) -> anyhow::Result<String> {
    let messages = look(client, &arguments.queue_url, arguments.max as usize).await?;
    if arguments.json {
        let list: Vec<Value> = messages.iter().map(document).collect();
        return Ok(format!("{:#}\n", Value::from(list)));
    }
    if messages.is_empty() {
        return Ok("no messages\n".to_owned());
    }
    let rows = messages.iter().map(|message| {
        let letter = dead_letter(message, &[].into());
        let blame = letter.blame.unwrap_or_else(|| "-".to_owned());
        [message.message_id().unwrap_or_default().to_owned(), what(&letter.body), letter.kind, blame, letter.reason]
    });
    let mut table = table::table(["Message", "Source", "Kind", "Blame", "Reason"]);
    table.add_rows(rows);
    let mut text = format!("{table}\n");
    if messages.len() >= arguments.max as usize {
        let _ = writeln!(text, "... and perhaps more; --max looks further");
    }
    Ok(text)
}

/// What a body asks for, in one line.
fn what(body: &str) -> String {
    if let Ok(job) = ResizeJob::parse(body) {
        return job.source().to_string();
    }
    let printable = body.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut shown: String = printable.clone().take(BODY_CHARS_MAX).collect();
    if printable.count() > BODY_CHARS_MAX {
        shown.push_str("...");
    }
    shown
}

async fn show(client: &Client, queue_url: &str, message_id: &str) -> anyhow::Result<String> {
    let messages = look(client, queue_url, usize::MAX).await?;
    let is_it = |message: &&Message| {
        message.message_id() == Some(message_id)
            || attribute(message, "OriginalMessageId").as_deref() == Some(message_id)
    };
    match messages.iter().find(is_it) {
        Some(message) => Ok(format!("{:#}\n", document(message))),
        None => bail!("none of the {} messages of {queue_url} has the id {message_id:?}", messages.len()),
    }
}

/// A whole message, for programs and for `show`.
fn document(message: &Message) -> Value {
    let letter = dead_letter(message, &[].into());
    let body = serde_json::from_str(&letter.body).unwrap_or_else(|_| Value::from(letter.body.as_str()));
    let attributes = message.message_attributes.iter().flatten().map(|(name, value)| {
        let text = value.string_value().map(Value::from);
        (name.clone(), text.unwrap_or_else(|| Value::from(format!("({})", value.data_type()))))
    });
    let system = message.attributes.iter().flatten();
    let system = system.map(|(name, value)| (name.as_str().to_owned(), Value::from(value.as_str())));
    json!({
        "messageId": message.message_id(),
        "kind": letter.kind,
        "blame": letter.blame,
        "reason": letter.reason,
        "receives": letter.receives,
        "body": body,
        "messageAttributes": attributes.collect::<Map<_, _>>(),
        "attributes": system.collect::<Map<_, _>>(),
    })
}

/// Receives up to so many messages, and gives them back.
async fn look(client: &Client, queue_url: &str, messages_max: usize) -> anyhow::Result<Vec<Message>> {
    let (mut messages, mut seen): (Vec<Message>, HashSet<String>) = Default::default();
    let mut result = Ok(());
    while messages.len() < messages_max {
        let answer = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(MESSAGES_MAX)
            .visibility_timeout(LOOKING_SECONDS)
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let received = answer.messages.unwrap_or_default();
                let known = messages.len();
                let new = |message: &Message| seen.insert(message.message_id().unwrap_or_default().to_owned());
                messages.extend(received.into_iter().filter(new));
                if messages.len() == known {
                    break;
                }
            }
            Err(error) => {
                result = Err(failed("ReceiveMessage", error));
                break;
            }
        }
    }
    for messages in messages.chunks(10) {
        let entry = |(index, message): (usize, &Message)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string()).visibility_timeout(0);
            entry.set_receipt_handle(message.receipt_handle.clone()).build()
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let request = client.change_message_visibility_batch().queue_url(queue_url).set_entries(Some(entries));
        if let Err(error) = request.send().await {
            eprintln!(
                "resize: messages stay invisible for {LOOKING_SECONDS} seconds: {:#}",
                failed("ChangeMessageVisibilityBatch", error)
            );
        }
    }
    messages.truncate(messages_max);
    result.map(|()| messages)
}

async fn redrive(client: &Client, arguments: &RedriveDeadLetters) -> anyhow::Result<(String, bool)> {
    let source = arn_of(client, &arguments.queue_url).await?;
    let destination = match &arguments.to {
        Some(arn) => arn.clone(),
        None => only_source_queue(client, &arguments.queue_url).await?,
    };
    let request = client.start_message_move_task().source_arn(&source).destination_arn(&destination);
    let request = request.set_max_number_of_messages_per_second(arguments.max_rate.map(i32::from));
    request.send().await.map_err(|error| failed("StartMessageMoveTask", error))?;
    loop {
        let answer = client.list_message_move_tasks().source_arn(&source).max_results(1).send().await;
        let answer = answer.map_err(|error| failed("ListMessageMoveTasks", error))?;
        let task = answer.results().first().context("SQS does not know the move it has just begun")?;
        match task.status() {
            // SQS moves the messages by itself, and has no call that waits for the end.
            Some("RUNNING" | "CANCELLING") => tokio::time::sleep(MOVE_INTERVAL).await,
            Some("COMPLETED") => return Ok((format!("{} sent to {destination}\n", moved(task)), true)),
            other => {
                let reason = task.failure_reason().unwrap_or("SQS says no more");
                eprintln!("resize: the move is {} after {}: {reason}", other.unwrap_or("unknown"), moved(task));
                return Ok((String::new(), false));
            }
        }
    }
}

fn moved(task: &ListMessageMoveTasksResultEntry) -> String {
    table::count(u64::try_from(task.approximate_number_of_messages_moved()).unwrap_or_default(), "message")
}

/// The queue whose redrive policy names this dead-letter queue.
///
/// SQS itself sends only those messages back without being told where that it has dead-lettered itself. Those that came
/// here with their reason were sent by the function, and of them it does not know the queue.
async fn only_source_queue(client: &Client, queue_url: &str) -> anyhow::Result<String> {
    let answer = client.list_dead_letter_source_queues().queue_url(queue_url).send().await;
    let answer = answer.map_err(|error| failed("ListDeadLetterSourceQueues", error))?;
    match answer.queue_urls() {
        [one] => arn_of(client, one).await,
        [] => bail!("no queue has {queue_url} as its dead-letter queue; say where the messages go with --to ARN"),
        several => bail!(
            "{} queues have {queue_url} as their dead-letter queue; choose one with --to ARN: {}",
            several.len(),
            several.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_source_of_a_job_and_the_beginning_of_anything_else() {
        let job = r#"{"source":"s3://photos/cat.jpg","outputs":[{"target":"s3://thumbs/cat.jpg","width":1}]}"#;
        assert_eq!(what(job), "s3://photos/cat.jpg");
        assert_eq!(what("no\njob"), "no job");
        assert_eq!(what(&"x".repeat(61)), format!("{}...", "x".repeat(60)));
    }
}
