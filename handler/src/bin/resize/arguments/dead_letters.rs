//! What can be said to `resize dead-letters`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Look into a dead-letter queue, send its messages back, or delete them.
///
/// The queue is reached by the usual AWS configuration: region, credentials, profile and `AWS_ENDPOINT_URL` from the
/// environment; an endpoint on this machine needs neither region nor credentials. Looking takes nothing out, but SQS has no
/// other way to look than to receive: for the time of the command the messages are invisible to others, and their receive
/// counts go up by one. A queue with a redrive policy of its own is not looked into unless it is asked for, since it would
/// move the messages on; of a FIFO queue, no more than ten messages of each group can be seen.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// One line for each message: what it was to resize, and why that failed
    List(ListDeadLetters),
    /// A whole message: body, reason and attributes
    Show(ShowDeadLetter),
    /// Send messages as `list --save` and `list --json` write them, edited or not
    Send(SendDeadLetters),
    /// Send messages back to the queue they came from, to be tried again
    Redrive(RedriveDeadLetters),
    /// Delete a selection of messages
    Delete(DeleteDeadLetters),
    /// Delete all messages
    Purge(PurgeDeadLetters),
}

/// Which messages are meant: those for which all that is given holds.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Selection {
    /// Messages that failed in this way, such as `bad-image`, `max-receive-count` or `unknown`; may be given several times.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,

    /// Messages whose body has this text in it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body_contains: Option<String>,

    /// Messages that were sent at this time or later: `2026-12-01T08:00:00Z`, or so long ago, such as `90m`, `12h` or `3d`.
    ///
    /// A message that was given up by its queue was sent when its job was, one with a reason when the job had failed.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,

    /// The message with this id, or that is a copy of it; may be given several times.
    #[arg(long, value_name = "MESSAGE-ID")]
    pub(crate) id: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListDeadLetters {
    /// The dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Look at no more than so many messages.
    #[arg(long, value_name = "MESSAGES", default_value_t = 1000)]
    pub(crate) max: u32,

    /// Print a JSON list with every message instead of the table.
    ///
    /// It loses nothing: bodies are strings as they were sent, binary attributes are in base64. `send` takes it back.
    #[arg(long, conflicts_with_all = ["counts", "save"])]
    pub(crate) json: bool,

    /// Print how many messages failed in which way instead of each of them.
    #[arg(long, conflicts_with = "save")]
    pub(crate) counts: bool,

    /// Write the messages to FILE, one JSON object a line, instead of printing them. `send` takes it back.
    ///
    /// It is written beside FILE and renamed, so that FILE is whole or what it was.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// Look even if the queue has a redrive policy of its own, by which looking may move messages.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowDeadLetter {
    /// The dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// The message's id, or that of the message it is a copy of.
    #[arg(value_name = "MESSAGE-ID")]
    pub(crate) message_id: String,

    /// Look even if the queue has a redrive policy of its own, by which looking may move messages.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

/// Send messages as `list --save` and `list --json` write them, edited or not.
///
/// Body, attributes and message group of each are sent as they stand in the file, apart from the attributes that say why it
/// failed; all are checked before the first is sent. Nothing is deleted: the dead-letter queue keeps its messages until they
/// are redriven, deleted or purged.
///
/// Exit code: 0 when every message was sent, 1 when some were not, 2 when none was.
#[derive(Debug, Args)]
pub(crate) struct SendDeadLetters {
    /// The queue to send to.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Messages as `list --save` writes or `list --json` prints them, or one as `show` does; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Messages a second; as fast as SQS likes unless given.
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rate: Option<u16>,

    /// Send the attributes that say why a message failed, too: to put messages back into a dead-letter queue.
    #[arg(long)]
    pub(crate) keep_reasons: bool,

    /// Check the file and say what would be sent, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Send messages back to the queue they came from, to be tried again.
///
/// Each message is sent first and deleted then, without the attributes that say why it failed. A message goes to the queue
/// that gave it up; one that was sent here with its reason goes to the one queue whose redrive policy names this one, or to
/// --to. Messages that come back while this goes on are left.
///
/// What was sent is written to a journal before it is deleted. After a kill, a crash or Ctrl-C the same command goes on: it
/// deletes what had been sent, and sends what had not. Only of the messages of the one request that was under way nobody can
/// know; they are named and left, unless --resend-unsure says otherwise. A FIFO queue knows for five minutes, and is asked.
///
/// Exit code: 0 when all that were meant were sent, 1 when some were not, 2 when nothing was begun.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct RedriveDeadLetters {
    /// The dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// The ARN or URL of the queue to send to; unless given, the queue that each message came from.
    #[arg(long, value_name = "QUEUE")]
    pub(crate) to: Option<String>,

    /// Messages a second; as fast as SQS likes unless given.
    #[arg(long, alias = "max-rate", value_name = "MESSAGES", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rate: Option<u16>,

    /// Say what would be sent where, and send nothing.
    #[arg(long, conflicts_with = "move_task")]
    pub(crate) dry_run: bool,

    /// Let SQS move all messages by itself (StartMessageMoveTask): it goes on without this command, chooses none, and leaves
    /// the attributes that say why a message failed.
    #[arg(long, conflicts_with_all = ["kind", "body_contains", "since", "id", "journal", "resend_unsure", "despite_redrive_policy"])]
    pub(crate) move_task: bool,

    /// Where it is written down what was sent; unless given, a file of this queue's below `$XDG_STATE_HOME/resize`.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    /// Send messages again of which an interrupted redrive does not know whether they arrived.
    #[arg(long)]
    pub(crate) resend_unsure: bool,

    /// Receive even if the queue has a redrive policy of its own, by which receiving may move messages.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

/// Delete a selection of messages.
///
/// At a terminal the messages are counted and it is asked; elsewhere --yes has to say it.
///
/// Exit code: 0 when all that were meant were deleted, 1 when some were not or the answer was no, 2 when nothing was begun.
#[derive(Debug, Args)]
pub(crate) struct DeleteDeadLetters {
    /// The dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Delete without being asked.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Look even if the queue has a redrive policy of its own, by which looking may move messages.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

/// Delete all messages.
///
/// At a terminal it is asked; elsewhere --yes has to say it.
#[derive(Debug, Args)]
pub(crate) struct PurgeDeadLetters {
    /// The dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Delete without being asked.
    #[arg(long)]
    pub(crate) yes: bool,
}
