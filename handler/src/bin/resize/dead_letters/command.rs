//! `resize dead-letters`: look, send back, empty.

use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ListMessageMoveTasksResultEntry, Message, MessageSystemAttributeName, QueueAttributeName};
use handler::event::FIFO_SUFFIX;
use handler::job::ResizeJob;
use local_queue_terminal::{note, one_line, print, print_json};
use serde_json::Value;

use super::document::{self, document};
use super::look::QueueState;
use super::{History, attribute, dead_letter, read_max_receive_count, system_attribute};
use crate::arguments::{DeadLetters, ListDeadLetters, RedriveDeadLetters, SendDeadLetters, ShowDeadLetter};
use crate::queue::{arn_of, failed};
use crate::send;
use crate::stop::{Interruption, Stop};
use crate::table;

/// How often a move is asked how far it is.
const MOVE_INTERVAL: Duration = Duration::from_millis(500);
/// So much of a body that is not a job is shown in a list.
const BODY_CHARS_MAX: usize = 60;

/// Carries out the command. Returns the exit code.
pub(crate) async fn run(command: &DeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let client = Client::new(&handler::aws::config().await);
    match command {
        DeadLetters::List(arguments) => list(&client, arguments, stop).await,
        DeadLetters::Show(arguments) => show(&client, arguments, stop).await,
        DeadLetters::Send(arguments) => send(&client, arguments, stop).await,
        DeadLetters::Redrive(arguments) => redrive(&client, arguments, stop).await,
        DeadLetters::Purge(arguments) => {
            let queue = QueueState::ask(&client, &arguments.queue_url).await?;
            let request = client.purge_queue().queue_url(&queue.url);
            request.send().await.map_err(|error| failed("PurgeQueue", &queue.url, &error))?;
            print(format_args!("{} deleted; it may take SQS a minute", table::count(queue.depth, "message")));
            Ok(0)
        }
    }
}

async fn list(client: &Client, arguments: &ListDeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    let messages_max = arguments.max as usize;
    let seen = queue.look(client, messages_max, arguments.despite_redrive_policy, stop).await?;
    if let Some(interruption) = seen.interruption {
        return Ok(interrupted(interruption));
    }
    let history = history(client, &seen.messages).await;
    let letters = seen.messages.iter().map(|message| (message, dead_letter(message, &history)));
    if arguments.json {
        let list: Vec<Value> = letters.map(|(message, letter)| document(message, &letter)).collect();
        print_json(&format!("{:#}", Value::from(list)));
        if let Some(rest) = seen.rest {
            note(format_args!("resize: {rest}"));
        }
        return Ok(0);
    }
    if !seen.messages.is_empty() {
        let rows = letters.map(|(message, letter)| {
            let blame = letter.blame.as_deref().unwrap_or("-");
            let id = message.message_id().unwrap_or_default();
            [id, &what(&letter.body), &letter.kind, blame, &letter.reason].map(|cell| one_line(cell).to_string())
        });
        let mut table = table::table(["Message", "Source", "Kind", "Blame", "Reason"]);
        table.add_rows(rows);
        print(format_args!("{table}"));
    }
    match seen.rest {
        Some(rest) => print(format_args!("{rest}")),
        None if seen.messages.is_empty() => print(format_args!("no messages")),
        None => {}
    }
    Ok(0)
}

fn interrupted(interruption: Interruption) -> u8 {
    note(format_args!("resize: stopped by {}; the messages were given back", interruption.name()));
    interruption.exit_code()
}

/// What a body asks for, in one line.
fn what(body: &str) -> String {
    if let Ok(job) = ResizeJob::parse(body) {
        return job.source().to_string();
    }
    let mut shown: String = body.chars().take(BODY_CHARS_MAX).collect();
    if shown.len() < body.len() {
        shown.push_str("...");
    }
    shown
}

async fn show(client: &Client, arguments: &ShowDeadLetter, stop: &Stop) -> anyhow::Result<u8> {
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    let seen = queue.look(client, usize::MAX, arguments.despite_redrive_policy, stop).await?;
    if let Some(interruption) = seen.interruption {
        return Ok(interrupted(interruption));
    }
    let id = arguments.message_id.as_str();
    let is_it = |message: &&Message| {
        message.message_id() == Some(id) || attribute(message, "OriginalMessageId").as_deref() == Some(id)
    };
    let Some(message) = seen.messages.iter().find(is_it) else {
        let rest = seen.rest.map_or_else(String::new, |rest| format!(" ({rest})"));
        bail!("none of the {} messages of {} has the id {id:?}{rest}", seen.messages.len(), queue.url);
    };
    let history = history(client, std::slice::from_ref(message)).await;
    print_json(&format!("{:#}", document(message, &dead_letter(message, &history))));
    Ok(0)
}

/// The redrive policies of the queues that messages were moved from. Whoever may not ask them sees the count of SQS.
async fn history(client: &Client, messages: &[Message]) -> History {
    let name = MessageSystemAttributeName::DeadLetterQueueSourceArn;
    let arns: BTreeSet<&str> = messages.iter().filter_map(|message| system_attribute(message, &name)).collect();
    let mut max_receive_counts = HashMap::new();
    for arn in arns {
        if let Some(count) = max_receive_count_of(client, arn).await {
            max_receive_counts.insert(arn.to_owned(), count);
        }
    }
    History { max_receive_counts, ..History::default() }
}

async fn max_receive_count_of(client: &Client, arn: &str) -> Option<u32> {
    let mut parts = arn.rsplit(':');
    let (name, account) = (parts.next()?, parts.next()?);
    let url =
        client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account).send().await.ok()?.queue_url?;
    let request = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::RedrivePolicy);
    read_max_receive_count(request.send().await.ok()?.attributes?.get(&QueueAttributeName::RedrivePolicy)?)
}

/// Sends messages of a file.
async fn send(client: &Client, arguments: &SendDeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let (queue_url, path) = (&arguments.queue_url, arguments.file.clone());
    let text = tokio::select! {
        // A pipe may stay open for as long as it likes; a signal must not wait for it.
        text = tokio::task::spawn_blocking(move || read_text(&path)) => text??,
        interruption = stop.requested() => return Ok(interruption.exit_code()),
    };
    let messages = document::read(&text, queue_url.ends_with(FIFO_SUFFIX))
        .with_context(|| format!("cannot use --file {}; nothing was sent", arguments.file.display()))?;
    arn_of(client, queue_url).await?;
    let all = messages.len();
    let sent = send::send(client, queue_url, messages.into_iter().map(Ok), stop).await?;
    print(format_args!("{} sent to {queue_url}", table::count(sent.messages as u64, "message")));
    Ok(sent.interruption.map_or(u8::from(sent.messages != all), Interruption::exit_code))
}

fn read_text(path: &PathBuf) -> anyhow::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read --file {}", path.display()))
}

async fn redrive(client: &Client, arguments: &RedriveDeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    let destination = match &arguments.to {
        Some(arn) => arn.clone(),
        None => only_source_queue(client, &queue.url).await?,
    };
    let request = client.start_message_move_task().source_arn(&queue.arn).destination_arn(&destination);
    let request = request.set_max_number_of_messages_per_second(arguments.max_rate.map(i32::from));
    request.send().await.map_err(|error| failed("StartMessageMoveTask", &queue.arn, &error))?;
    loop {
        let answer = client.list_message_move_tasks().source_arn(&queue.arn).max_results(1).send().await;
        let answer = answer.map_err(|error| failed("ListMessageMoveTasks", &queue.arn, &error))?;
        let task = answer.results().first().context("SQS does not know the move it has just begun")?;
        match task.status() {
            Some("RUNNING" | "CANCELLING") => {}
            Some("COMPLETED") => {
                print(format_args!("{} sent to {destination}", moved(task)));
                return Ok(0);
            }
            other => {
                let (status, reason) =
                    (other.unwrap_or("unknown"), task.failure_reason().unwrap_or("SQS says no more"));
                note(format_args!("resize: the move is {status} after {}: {}", moved(task), one_line(reason)));
                return Ok(1);
            }
        }
        tokio::select! {
            // SQS moves the messages by itself, and has no call that waits for the end.
            () = tokio::time::sleep(MOVE_INTERVAL) => {}
            interruption = stop.requested() => {
                note(format_args!("resize: {} sent so far; SQS goes on without this command", moved(task)));
                return Ok(interruption.exit_code());
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
    let answer = answer.map_err(|error| failed("ListDeadLetterSourceQueues", queue_url, &error))?;
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
        assert_eq!(what("no job"), "no job");
        assert_eq!(what(&"x".repeat(61)), format!("{}...", "x".repeat(60)));
    }
}
