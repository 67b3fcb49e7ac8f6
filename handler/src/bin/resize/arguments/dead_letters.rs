//! The command line of `resize dead-letters`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Inspect a dead-letter queue, redrive its messages, or delete them.
///
/// The usual AWS configuration applies: profile, region, credentials and `AWS_ENDPOINT_URL` from the environment; an
/// endpoint on this machine needs neither region nor credentials. SQS can show messages only by receiving them: while the
/// command runs, the messages are invisible to other consumers, and their receive counts increase by one. A queue with its
/// own redrive policy is refused by default, because receiving could move its messages on. In a FIFO queue at most ten
/// messages per group are visible.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List messages, one per line, with the source and the reason of the failure
    List(ListDeadLetters),
    /// Show one message: body, reason and attributes
    Show(ShowDeadLetter),
    /// Send messages from a file written by `list --save` or `list --json`
    Send(SendDeadLetters),
    /// Send messages back to their source queue for a retry
    Redrive(RedriveDeadLetters),
    /// Delete selected messages
    Delete(DeleteDeadLetters),
    /// Delete all messages
    Purge(PurgeDeadLetters),
}

/// Filters; a message has to match all of them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Selection {
    /// Kind of failure, such as `bad-image`, `max-receive-count` or `unknown`; repeatable.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,

    /// Text that the body contains.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body_contains: Option<String>,

    /// Earliest time of sending: a time such as `2026-12-01T08:00:00Z`, or an age such as `90m`, `12h` or `3d`.
    ///
    /// A message moved by a redrive policy keeps the time at which its job was sent; a message with a failure reason has the
    /// time of the failure.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,

    /// Message id, also of the original message; repeatable.
    #[arg(long, value_name = "MESSAGE-ID")]
    pub(crate) id: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListDeadLetters {
    /// URL of the dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Maximum number of messages to read.
    #[arg(long, value_name = "MESSAGES", default_value_t = 1000)]
    pub(crate) max: u32,

    /// Print a JSON list of every message instead of the table.
    ///
    /// The list is complete: bodies are strings as sent, binary attributes are in base64. `send` accepts it.
    #[arg(long, conflicts_with_all = ["counts", "save"])]
    pub(crate) json: bool,

    /// Print the number of messages per kind of failure instead of the messages.
    #[arg(long, conflicts_with = "save")]
    pub(crate) counts: bool,

    /// Write the messages to FILE, one JSON object per line, instead of printing them. `send` accepts it.
    ///
    /// FILE is replaced atomically.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// Read even if the queue has its own redrive policy, which may move messages as they are received.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowDeadLetter {
    /// URL of the dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Id of the message, or of its original.
    #[arg(value_name = "MESSAGE-ID")]
    pub(crate) message_id: String,

    /// Read even if the queue has its own redrive policy, which may move messages as they are received.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

/// Send messages from a file written by `list --save` or `list --json`.
///
/// The file may be edited. Each message is sent with the body, attributes and message group from the file, without the
/// failure attributes. All messages are validated before the first is sent. Nothing is deleted: the dead-letter queue keeps
/// its messages until they are redriven, deleted or purged.
///
/// Exit code: 0 if every message was sent, 1 if some were not, 2 if none was.
#[derive(Debug, Args)]
pub(crate) struct SendDeadLetters {
    /// URL of the destination queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// File written by `list --save`, `list --json` or `show`; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Maximum messages per second [default: unlimited]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rate: Option<u16>,

    /// Keep the failure attributes, to restore messages to a dead-letter queue.
    #[arg(long)]
    pub(crate) keep_reasons: bool,

    /// Validate the file and print what would be sent; send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Send messages back to their source queue for a retry.
///
/// Each message is sent, then deleted; its failure attributes are removed. A message moved by a redrive policy goes to its
/// source queue; a message sent here with a failure reason goes to the queue whose redrive policy names this queue, or to
/// --to. Messages that fail again during the redrive stay here.
///
/// Each sent message is recorded in a journal before it is deleted. After a kill, a crash or Ctrl-C, the same command
/// resumes: it deletes the messages that had been sent and sends the others. If a request was interrupted, whether its
/// messages arrived is unknown; they are listed and left in place unless --resend-unsure is given. To a FIFO queue they are
/// sent again within its five-minute deduplication interval.
///
/// Exit code: 0 if every selected message was sent, 1 if some were not, 2 if the redrive could not start.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct RedriveDeadLetters {
    /// URL of the dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// ARN or URL of the destination queue [default: the source queue of each message]
    #[arg(long, value_name = "QUEUE")]
    pub(crate) to: Option<String>,

    /// Maximum messages per second [default: unlimited]
    #[arg(long, alias = "max-rate", value_name = "MESSAGES", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rate: Option<u16>,

    /// Print each message and its destination; send nothing.
    #[arg(long, conflicts_with = "move_task")]
    pub(crate) dry_run: bool,

    /// Start a message move task in SQS for all messages. The task runs without this command and
    /// keeps the failure attributes.
    #[arg(long, conflicts_with_all = ["kind", "body_contains", "since", "id", "journal", "resend_unsure", "despite_redrive_policy"])]
    pub(crate) move_task: bool,

    /// Journal of sent messages [default: a file per queue below `$XDG_STATE_HOME/resize`]
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    /// Resend messages whose arrival is unknown after an interrupted redrive.
    #[arg(long)]
    pub(crate) resend_unsure: bool,

    /// Receive even if the queue has its own redrive policy, which may move messages as they are received.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

/// Delete selected messages.
///
/// At a terminal the command counts the messages and asks for confirmation; otherwise --yes is required.
///
/// Exit code: 0 if every selected message was deleted, 1 if some were not or the answer was no, 2 if the command could not
/// start.
#[derive(Debug, Args)]
pub(crate) struct DeleteDeadLetters {
    /// URL of the dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Confirm the deletion.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Print what would be deleted; delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read even if the queue has its own redrive policy, which may move messages as they are received.
    #[arg(long)]
    pub(crate) despite_redrive_policy: bool,
}

/// Delete all messages.
///
/// At a terminal the command asks for confirmation; otherwise --yes is required.
#[derive(Debug, Args)]
pub(crate) struct PurgeDeadLetters {
    /// URL of the dead-letter queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Confirm the deletion.
    #[arg(long)]
    pub(crate) yes: bool,
}
