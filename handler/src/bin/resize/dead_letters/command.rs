//! `resize dead-letters`: look, send back, empty.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use comfy_table::Table;
use handler::event::FIFO_SUFFIX;
use handler::job::ResizeJob;
use local_queue::clock::Clock;
use local_queue_terminal::{note, one_line, print, print_json};
use serde_json::Value;

use super::document::{self, document};
use super::look::QueueState;
use super::select::{Filter, is_named, sent_millis};
use super::{DeadLetter, History, dead_letter, delete, move_task, read_max_receive_count, redrive, system_attribute};
use crate::arguments::{DeadLetters, ListDeadLetters, Selection, SendDeadLetters, ShowDeadLetter};
use crate::queue::{arn_of, config};
use crate::send::{self, Outgoing};
use crate::stop::{Interruption, Stop};
use crate::table;

/// So much of a body that is not a job is shown in a list.
const BODY_CHARS_MAX: usize = 60;

/// Carries out the command. Returns the exit code.
pub(crate) async fn run(command: &DeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let client = Client::new(&config().await);
    match command {
        DeadLetters::List(arguments) => list(&client, arguments, stop).await,
        DeadLetters::Show(arguments) => show(&client, arguments, stop).await,
        DeadLetters::Send(arguments) => send(&client, arguments, stop).await,
        DeadLetters::Redrive(arguments) if arguments.move_task => move_task::run(&client, arguments, stop).await,
        DeadLetters::Redrive(arguments) => {
            let filter = filter(&arguments.selection)?;
            redrive::run(&client, arguments, filter, stop).await
        }
        DeadLetters::Delete(arguments) => {
            delete::selection(&client, arguments, &filter(&arguments.selection)?, stop).await
        }
        DeadLetters::Purge(arguments) => delete::all(&client, arguments, stop).await,
    }
}

fn filter(selection: &Selection) -> anyhow::Result<Filter> {
    Filter::read(selection, i64::try_from(Clock::wall_now().as_millis()).unwrap_or(i64::MAX))
}

async fn list(client: &Client, arguments: &ListDeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    let filter = filter(&arguments.selection)?;
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    let messages_max = arguments.max as usize;
    let seen = queue.look(client, messages_max, arguments.despite_redrive_policy, stop).await?;
    if let Some(interruption) = seen.interruption {
        return Ok(interrupted(interruption));
    }
    let history = history(client, &seen.messages).await;
    let letters = seen.messages.iter().map(|message| (message, dead_letter(message, &history)));
    let letters = letters.filter(|(message, letter)| filter.takes(message, letter)).collect::<Vec<_>>();
    if let Some(path) = &arguments.save {
        save(path, &letters).with_context(|| format!("cannot save to {}; the file is unchanged", path.display()))?;
        print(format_args!("{} saved to {}", table::count(letters.len() as u64, "message"), path.display()));
    } else if arguments.json {
        let list: Vec<Value> = letters.iter().map(|(message, letter)| document(message, letter)).collect();
        print_json(&format!("{:#}", Value::from(list)));
    } else if letters.is_empty() {
        print(format_args!("no messages"));
    } else if arguments.counts {
        print(format_args!("{}", counts(&letters)));
    } else {
        print(format_args!("{}", each(&letters)));
    }
    match seen.rest {
        // Beside what a program reads.
        Some(rest) if arguments.json => note(format_args!("resize: {rest}")),
        Some(rest) => print(format_args!("{rest}")),
        None => {}
    }
    Ok(0)
}

/// A row for each message.
fn each(letters: &[(&Message, DeadLetter)]) -> Table {
    let rows = letters.iter().map(|(message, letter)| {
        let blame = letter.blame.as_deref().unwrap_or("-");
        let id = message.message_id().unwrap_or_default();
        [id, &what(&letter.body), &letter.kind, blame, &letter.reason].map(|cell| one_line(cell).to_string())
    });
    let mut table = table::table(["Message", "Source", "Kind", "Blame", "Reason"]);
    table.add_rows(rows);
    table
}

/// A row for each kind, the commonest first.
fn counts(letters: &[(&Message, DeadLetter)]) -> Table {
    let mut kinds: BTreeMap<&str, (usize, Option<i64>, Option<i64>)> = BTreeMap::new();
    for (message, letter) in letters {
        let sent = sent_millis(message);
        let (count, first, last) = kinds.entry(&letter.kind).or_insert((0, sent, sent));
        *count += 1;
        *first = (*first).min(sent);
        *last = (*last).max(sent);
    }
    let mut kinds = kinds.into_iter().collect::<Vec<_>>();
    kinds.sort_by_key(|(_, (count, ..))| Reverse(*count));
    let shown = |millis: Option<i64>| {
        let time = millis.map(DateTime::from_millis);
        time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok()).unwrap_or_else(|| "-".to_owned())
    };
    let mut table = table::table(["Kind", "Messages", "First sent", "Last sent"]);
    table.add_rows(kinds.into_iter().map(|(kind, (count, first, last))| {
        [one_line(kind).to_string(), count.to_string(), shown(first), shown(last)]
    }));
    table
}

/// Writes a line for each message, beside the file and renamed.
fn save(path: &Path, letters: &[(&Message, DeadLetter)]) -> anyhow::Result<()> {
    let name = path.file_name().context("expected the name of a file")?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = write_lines(&beside, letters).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // The error is told; what it left behind is of no use.
        let _ = std::fs::remove_file(&beside);
    }
    Ok(written?)
}

fn write_lines(path: &Path, letters: &[(&Message, DeadLetter)]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    for (message, letter) in letters {
        writeln!(file, "{}", document(message, letter))?;
    }
    file.into_inner()?.sync_all()
}

pub(super) fn interrupted(interruption: Interruption) -> u8 {
    note(format_args!("resize: stopped by {}; the messages were released", interruption.name()));
    interruption.exit_code()
}

/// What a body asks for, in one line.
pub(super) fn what(body: &str) -> String {
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
    let Some(message) = seen.messages.iter().find(|message| is_named(message, id)) else {
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
    let is_fifo = queue_url.ends_with(FIFO_SUFFIX);
    let messages = document::read(&text, is_fifo, arguments.keep_reasons)
        .with_context(|| format!("cannot use --file {}; nothing was sent", arguments.file.display()))?;
    arn_of(client, queue_url).await?;
    let all = messages.len();
    warn_of_duplicates(&messages);
    if arguments.dry_run {
        for message in &messages {
            print(format_args!("{}: {}", one_line(&message.name), one_line(&what(&message.body))));
        }
        print(format_args!("{} would be sent to {queue_url}; nothing was", table::count(all as u64, "message")));
        return Ok(0);
    }
    let sent = send::send(client, queue_url, messages.into_iter().map(Ok), arguments.rate, stop).await?;
    print(format_args!("{} sent to {queue_url}", table::count(sent.messages as u64, "message")));
    Ok(sent.interruption.map_or(u8::from(sent.messages != all), Interruption::exit_code))
}

/// Messages that a FIFO queue takes for one.
fn warn_of_duplicates(messages: &[Outgoing]) {
    let mut seen = BTreeSet::new();
    let twice = messages.iter().filter(|message| message.deduplication_id.as_ref().is_some_and(|id| !seen.insert(id)));
    let twice = twice.map(|message| one_line(&message.name).to_string()).collect::<BTreeSet<_>>();
    if !twice.is_empty() {
        let names = twice.into_iter().collect::<Vec<_>>().join(", ");
        note(format_args!(
            "resize: duplicates in the file, of which a FIFO queue keeps one (same id and body within five minutes): {names}"
        ));
    }
}

fn read_text(path: &PathBuf) -> anyhow::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read --file {}", path.display()))
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
