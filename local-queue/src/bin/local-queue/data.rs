//! Persistent queues: the options of `serve --data` and the commands for its files.

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
    /// Keep queues and messages in this folder, created if necessary, and load those it holds. A request is answered when its
    /// effect is on the disk [default: in memory, until the process ends]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Durability of an answered request.
    #[arg(long, value_enum, default_value_t, requires = "data")]
    durability: Kind,
    /// Approximate disk limit (at least 64M). Above it sends are answered 503; receives and deletes continue.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "data")]
    data_max: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Answer when the effect is synced to the disk.
    #[default]
    Synced,
    /// Answer immediately: a power failure may lose the last second, a crash of the process some milliseconds.
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
            note(format_args!("local-queue: queue {}: {names} updated to the declared value", queue.name()));
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
            "local-queue: {place} ended in the middle of a record: {bytes} bytes from byte {offset} on were cut; they were \
             never acknowledged"
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
    /// Verify all files and print a summary. The queues may be in use.
    Check {
        /// Folder of --data.
        dir: PathBuf,
    },
    /// Cut each damaged file at its first unreadable record. The original files are kept beside the repaired ones.
    Repair {
        /// Folder of --data; it must not be in use.
        dir: PathBuf,
    },
    /// Print every readable record, one per line, without message bodies. The queues may be in use.
    Dump {
        /// Folder of --data.
        dir: PathBuf,
    },
}

/// The state of queues as a file.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Export all queues and messages to a file. The queues may be in use. Receipt handles are not valid after a load.
    Save {
        /// The snapshot file.
        file: PathBuf,
        /// Folder of --data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Create a folder for --data from a snapshot file. Visibility timeouts, delays and retention continue by the clock.
    Load {
        /// The snapshot file.
        file: PathBuf,
        /// The folder; it must not contain queues.
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
                    print(format_args!("{}: no damage found", dir.display()));
                }
                for (name, offset) in cut {
                    print(format_args!("{name}: cut at byte {offset}; the original was kept as {name}.damaged"));
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
