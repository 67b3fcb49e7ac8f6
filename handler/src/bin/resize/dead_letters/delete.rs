//! Deleting messages, which is asked for.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use anyhow::bail;
use aws_sdk_sqs::Client;
use local_queue_terminal::{note, one_line, print};

use super::command::{interrupted, what};
use super::look::{Hold, QueueState, delete};
use super::select::Filter;
use super::{History, dead_letter};
use crate::arguments::{DeleteDeadLetters, PurgeDeadLetters};
use crate::queue::failed;
use crate::stop::{Interruption, Stop};
use crate::table;

/// How often messages are kept for longer while somebody thinks.
const RENEWAL: Duration = Duration::from_secs(10);

/// Whether the deletion may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Interrupted(Interruption),
}

/// Carries out `delete`. Returns the exit code.
pub(super) async fn selection(
    client: &Client,
    arguments: &DeleteDeadLetters,
    filter: &Filter,
    stop: &Stop,
) -> anyhow::Result<u8> {
    if filter.is_all() {
        bail!("delete needs a selection, such as --kind or --id; `dead-letters purge` deletes all messages");
    }
    if !arguments.dry_run {
        check_askable(arguments.yes)?;
    }
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    queue.check_policy(arguments.despite_redrive_policy)?;
    let mut hold = Hold::new(client, &queue.url);
    let ended = delete_held(client, &queue, &mut hold, arguments, filter, stop).await;
    hold.give_back().await;
    ended
}

/// Deletes what is meant of what can be received. What stays is in the hold then.
async fn delete_held(
    client: &Client,
    queue: &QueueState,
    hold: &mut Hold<'_>,
    arguments: &DeleteDeadLetters,
    filter: &Filter,
    stop: &Stop,
) -> anyhow::Result<u8> {
    if let Some(interruption) = queue.receive(hold, usize::MAX, stop).await? {
        return Ok(interrupted(interruption));
    }
    let rest = queue.rest(hold.messages.len(), usize::MAX);
    // Kinds do not depend on how often a message was tried.
    let history = History::default();
    let is_meant = |message: &_| filter.takes(message, &dead_letter(message, &history));
    let meant = hold.messages.iter().filter(|message| is_meant(message)).count();
    let count = table::count(meant as u64, "message");
    if arguments.dry_run {
        for message in hold.messages.iter().filter(|message| is_meant(message)) {
            let (id, body) = (message.message_id().unwrap_or_default(), what(message.body().unwrap_or_default()));
            print(format_args!("{} {}", one_line(id), one_line(&body)));
        }
        print(format_args!("{count} would be deleted; nothing was"));
        return Ok(0);
    }
    if let Some(rest) = rest {
        note(format_args!("resize: {rest}"));
    }
    if meant == 0 {
        print(format_args!("no messages deleted"));
        return Ok(0);
    }
    if !arguments.yes {
        let question = format!("Delete {count} of {}?", queue.url);
        let mut asked = std::pin::pin!(ask(&question, stop));
        let answer = loop {
            tokio::select! {
                answer = &mut asked => break answer?,
                // Messages stay held however long somebody thinks about the question.
                () = tokio::time::sleep(RENEWAL) => hold.renew().await,
            }
        };
        match answer {
            Answer::Yes => {}
            Answer::No => {
                note(format_args!("resize: nothing was deleted"));
                return Ok(1);
            }
            Answer::Interrupted(interruption) => return Ok(interrupted(interruption)),
        }
    }
    let meant = hold.take(is_meant);
    let gone = delete(client, &queue.url, &meant).await;
    let deleted = gone.iter().filter(|gone| **gone).count();
    for (message, gone) in meant.into_iter().zip(gone) {
        if !gone {
            hold.keep(message);
        }
    }
    print(format_args!("{} deleted", table::count(deleted as u64, "message")));
    Ok(u8::from(table::count(deleted as u64, "message") != count))
}

/// Carries out `purge`. Returns the exit code.
pub(super) async fn all(client: &Client, arguments: &PurgeDeadLetters, stop: &Stop) -> anyhow::Result<u8> {
    check_askable(arguments.yes)?;
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    let count = table::count(queue.depth, "message");
    if !arguments.yes {
        match ask(&format!("Delete all of {}, which has {count}?", queue.url), stop).await? {
            Answer::Yes => {}
            Answer::No => {
                note(format_args!("resize: nothing was deleted"));
                return Ok(1);
            }
            Answer::Interrupted(interruption) => return Ok(interruption.exit_code()),
        }
    }
    let request = client.purge_queue().queue_url(&queue.url);
    request.send().await.map_err(|error| failed("PurgeQueue", &queue.url, &error))?;
    print(format_args!("{count} deleted; SQS may take up to a minute"));
    Ok(0)
}

/// Without a terminal there is nobody to ask, and a script that deletes says so.
fn check_askable(yes: bool) -> anyhow::Result<()> {
    if yes || std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    bail!("confirmation needs a terminal; --yes confirms the deletion")
}

async fn ask(question: &str, stop: &Stop) -> anyhow::Result<Answer> {
    note(format_args!("{} [y/N]", one_line(question)));
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of a terminal cannot be ended, and must not hold up the end of the process.
    std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = answer.send(read.map(|_| is_yes(&line)));
    })?;
    tokio::select! {
        read = answered => Ok(if read?? { Answer::Yes } else { Answer::No }),
        interruption = stop.requested() => Ok(Answer::Interrupted(interruption)),
    }
}

fn is_yes(line: &str) -> bool {
    ["y", "yes"].iter().any(|yes| line.trim().eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (line, expected) in
            [("y\n", true), ("Yes\r\n", true), ("", false), ("\n", false), ("n\n", false), ("yesterday\n", false)]
        {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }
}
