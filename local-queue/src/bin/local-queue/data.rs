//! Queues that outlive the process: where they are kept and how, and what people do with the files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use local_queue::{
    Builder, LocalQueue,
    declaration::QueueDeclaration,
    engine::QueueArn,
    journal::{Durability, Opened, tools},
};
use local_queue_terminal::{note, print};

use super::limits::parse_size;

/// Where queues are kept.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct Keeping {
    /// Keep queues and messages in this folder, which is made if need be, and go on with those that are there: what is answered
    /// is on the disk. Without it they live in memory and end with the process.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// When a request is answered.
    #[arg(long, value_enum, default_value_t, requires = "data")]
    durability: Kind,
    /// Bytes of disk, about, above which sends are answered 503; receives and deletes go on. At least 64M.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "data")]
    data_max: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// When what it is about is on the disk.
    #[default]
    Synced,
    /// At once: a power failure may take back the last second, a crash of this process some milliseconds.
    Relaxed,
}

impl Keeping {
    /// The queues, as they were left if they are kept.
    pub(crate) fn open(&self, builder: Builder) -> anyhow::Result<LocalQueue> {
        let Some(folder) = &self.data else { return Ok(builder.build()) };
        let durability = match self.durability {
            Kind::Synced => Durability::Synced,
            Kind::Relaxed => Durability::Relaxed,
        };
        let durable = builder.data(folder).durability(durability);
        let durable = match self.data_max {
            Some(bytes) => durable.data_max(bytes as u64),
            None => durable,
        };
        let (queues, opened) = durable.open()?;
        tell(folder, &opened);
        Ok(queues)
    }

    /// Creates queues. Those that were kept get what is declared, which is said.
    pub(crate) fn declare(&self, queues: &LocalQueue, declared: &[QueueDeclaration]) -> anyhow::Result<Vec<QueueArn>> {
        if self.data.is_none() {
            return Ok(queues.declare(declared)?);
        }
        let reconciled = queues.reconcile(declared)?;
        for (queue, attributes) in &reconciled.updated {
            let names = attributes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            note(format_args!("local-queue: queue {}: {names} changed to what is declared", queue.name()));
        }
        Ok(reconciled.queues)
    }

    /// What becomes of messages, for the first line.
    pub(crate) fn describe(&self) -> String {
        match (&self.data, self.durability) {
            (None, _) => "in memory: messages end with the process".to_owned(),
            (Some(folder), Kind::Synced) => format!("kept in {}: what is answered is on the disk", folder.display()),
            (Some(folder), Kind::Relaxed) => format!(
                "kept in {}, relaxed: a power failure may take back the last second, a crash some milliseconds",
                folder.display()
            ),
        }
    }
}

fn tell(folder: &Path, opened: &Opened) {
    if let Some((place, offset, bytes)) = &opened.torn {
        note(format_args!(
            "local-queue: {place} ended in the middle of a record: {bytes} bytes from byte {offset} on were cut, of which \
             nobody had been told"
        ));
    }
    if opened.snapshot.is_some() || opened.replayed > 0 {
        let Opened { queues, replayed, .. } = opened;
        note(format_args!("local-queue: {queues} queues in {}, after {replayed} records", folder.display()));
    }
}

/// Ends the queues, whatever became of the server, and says if they have ended before.
pub(crate) fn close(queues: &LocalQueue, served: anyhow::Result<()>) -> anyhow::Result<()> {
    if let Some(failure) = queues.failure() {
        bail!("{failure}");
    }
    let closed = queues.close().context("failed to close the queues");
    served.and(closed)
}

/// What can be done with the files of a journal.
#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Look through all files, and say whether they are whole and what they come to. The queues may be in use.
    Check {
        /// The folder of --data.
        dir: PathBuf,
    },
    /// Go on without the first record that cannot be read and everything behind it. The files are kept beside, as they were.
    Repair {
        /// The folder of --data, which must not be in use.
        dir: PathBuf,
    },
    /// Show every record that can be read, one on a line, without the bodies of messages. The queues may be in use.
    Dump {
        /// The folder of --data.
        dir: PathBuf,
    },
}

/// The state of queues as a file.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Write all queues and messages into a file. The queues may be in use; receipt handles of theirs mean nothing elsewhere.
    Save {
        /// The file.
        file: PathBuf,
        /// The folder of --data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Make a folder for --data of such a file. Visibility timeouts, delays and retention go on by the clock.
    Load {
        /// The file.
        file: PathBuf,
        /// The folder, which has no queues yet.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

impl Journal {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Check { dir } => check(dir),
            Self::Repair { dir } => {
                let cut = tools::repair(dir)?;
                if cut.is_empty() {
                    print(format_args!("{}: nothing is wrong", dir.display()));
                }
                for (name, offset) in cut {
                    print(format_args!("{name}: cut at byte {offset}; it was kept as {name}.damaged"));
                }
                Ok(())
            }
            Self::Dump { dir } => Ok(tools::dump(dir, |line| print(format_args!("{line}")))?),
        }
    }
}

fn check(dir: &Path) -> anyhow::Result<()> {
    let (files, state) = tools::check(dir)?;
    for file in files {
        let records = match file.records {
            None => "no records".to_owned(),
            Some((first, last)) if first == last => format!("record {last}"),
            Some((first, last)) => format!("records {first} to {last}"),
        };
        let problem = file.problem.map(|(offset, what)| format!("; from byte {offset}: {what}")).unwrap_or_default();
        print(format_args!("{}: {} bytes, {records}{problem}", file.name, file.bytes));
    }
    let opened = state?;
    print(format_args!("{}: {} queues, after {} records", dir.display(), opened.queues, opened.replayed));
    Ok(())
}

impl Snapshot {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (opened, from, to) = match self {
            Self::Save { file, data } => (tools::save(data, file)?, data, file),
            Self::Load { file, data } => (tools::load(file, data)?, file, data),
        };
        print(format_args!("{} queues from {} are in {}", opened.queues, from.display(), to.display()));
        Ok(())
    }
}
