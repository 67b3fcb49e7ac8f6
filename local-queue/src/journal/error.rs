//! Why a journal cannot be opened, or not be written.

use std::io;

use crate::engine::Time;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("failed to {what} {place}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With which file or folder.
        place: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A file is not one of a journal.
    #[error("{place} is not a file of local-queue")]
    Foreign {
        /// The file.
        place: String,
    },
    /// A later program wrote a file.
    #[error(
        "{place} has format {version}, and this program knows {known} at most: use the local-queue that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        place: String,
        /// Its format.
        version: u32,
        /// The latest format that is known.
        known: u32,
    },
    /// Bytes that were on the disk are not what they were.
    #[error(
        "{place} is damaged at byte {offset}: {what}. Nothing was changed. `local-queue journal check DIR` looks through all \
         files, `dump` shows what can be read, `repair` goes on without what comes from there on"
    )]
    Damaged {
        /// The file.
        place: String,
        /// Where in the file.
        offset: usize,
        /// What is wrong there.
        what: String,
    },
    /// A file is not there that must have been.
    #[error(
        "records {from} to {to} are missing from {place}: a file was removed. `local-queue journal check DIR` looks through all files"
    )]
    Missing {
        /// The folder.
        place: String,
        /// The first that is missing.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A record does not have the outcome that it had.
    #[error(
        "record {number} at byte {offset} of {place} comes to something else than it did, by local-queue {program}. Start that \
         version once and end it by Ctrl-C, which leaves a snapshot that every later version reads"
    )]
    Diverged {
        /// The file.
        place: String,
        /// Where in the file.
        offset: usize,
        /// Which record.
        number: u64,
        /// The version that wrote it.
        program: String,
    },
    /// Another seed than that of the queues that are there.
    #[error("the queues of {place} have the seed {stored}; it cannot be changed to {given}")]
    OtherSeed {
        /// The folder.
        place: String,
        /// Its seed.
        stored: u64,
        /// The seed that was asked for.
        given: u64,
    },
}

impl JournalError {
    pub(crate) fn io(what: &'static str, place: String) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { what, place, error }
    }
}

/// What was found when queues were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Queues that were there.
    pub queues: usize,
    /// The record up to which a snapshot was read.
    pub snapshot: Option<u64>,
    /// Records that were done again.
    pub replayed: u64,
    /// Unacknowledged bytes at the end of the last file, and where.
    pub torn: Option<(String, usize, usize)>,
    /// The time of the last record: no earlier time will come.
    pub last_at: Time,
}
