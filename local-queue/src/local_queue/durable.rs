//! Queues that are kept in a folder.

use std::{path::PathBuf, sync::Arc};

use super::{Builder, LocalQueue, Shared};
use crate::{
    engine::{EngineError, QueueArn, Visibility},
    journal::{Durability, Journal, JournalError, Opened, Options, Owner, Start},
};

/// How to open queues that are kept in a folder.
///
/// ```
/// use local_queue::{LocalQueue, engine::{MessageBody, Receive, SendMessage}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let (queues, _) = LocalQueue::builder().data(folder.path()).open()?;
/// let jobs = queues.create_queue("jobs", &[])?;
/// queues.send(&jobs, SendMessage::new(MessageBody::parse("hello")?))?;
/// queues.close()?;
///
/// let (queues, opened) = LocalQueue::builder().data(folder.path()).open()?;
/// assert_eq!(opened.queues, 1);
/// let received = queues.receive(&jobs, Receive::default()).await?;
/// assert_eq!(received[0].message.body.as_str(), "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Durable {
    builder: Builder,
    folder: PathBuf,
    options: Options,
}

impl Builder {
    /// Keeps queues and messages in a folder, which is made if need be, and goes on with those that are there.
    ///
    /// What is answered is on the disk: a typed call returns when it is, and blocks its thread for that long.
    #[must_use]
    pub fn data(self, folder: impl Into<PathBuf>) -> Durable {
        Durable { builder: self, folder: folder.into(), options: Options::default() }
    }
}

impl Durable {
    /// Whether answers wait for the disk; they do if this is not called.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Bytes of disk that the files may take, about: what would make the queues grow is refused above. At least 64 MiB.
    #[must_use]
    pub fn data_max(mut self, bytes_max: u64) -> Self {
        self.options.bytes_max = bytes_max.max(64 * 1024 * 1024);
        self.options.segment_bytes = self.options.segment_bytes.min(self.options.bytes_max / 8);
        self
    }

    /// Opens the queues, and says what was there. Their time goes on by the clock; one that is behind theirs goes on from
    /// theirs.
    pub fn open(self) -> Result<(LocalQueue, Opened), JournalError> {
        let owner = self.owner();
        let start = Journal::open(&self.folder, &owner, self.options.clone())?;
        Ok(self.builder.begin(start))
    }

    fn owner(&self) -> Owner {
        self.builder.owner()
    }
}

impl Builder {
    pub(crate) fn owner(&self) -> Owner {
        let (limits, scope) = (self.limits.clone(), self.scope.clone());
        Owner { limits, scope, seed: self.seed, now: self.clock.now() }
    }

    /// Goes on with queues that were opened.
    pub(crate) fn begin(mut self, start: Start) -> (LocalQueue, Opened) {
        let Start { engine, secret, journal, opened } = start;
        self.clock = self.clock.not_before(opened.last_at);
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        (self.build_around(engine, seed, &secret, Some(Arc::new(journal))), opened)
    }
}

impl LocalQueue {
    /// Ends queues that are kept: everything is written, with a snapshot from which the next start is quick. Every call is
    /// refused from here on. Dropping the last clone does the same, and can only log what goes wrong.
    pub fn close(&self) -> Result<(), JournalError> {
        self.shared.close()
    }

    /// Takes every message of a queue back that is in flight, as if it had not been received, and says how many they were. It
    /// is for who alone receives from a queue that was kept, and works on none of its messages yet.
    pub fn take_back_all(&self, queue: &QueueArn) -> Result<usize, EngineError> {
        self.commit(|engine, now| {
            let messages = engine.peek(now, queue.as_str(), 0, usize::MAX)?;
            let in_flight = messages.iter().filter(|it| matches!(it.visibility, Visibility::InFlight { .. }));
            let handles = in_flight.map(|message| message.receipt_handle).collect::<Vec<_>>();
            let count = handles.len();
            engine.take_back(now, queue.as_str(), handles.into_iter(), None);
            Ok(count)
        })
    }

    /// Ready when nothing is accepted any more: the disk has failed, or the queues are closed.
    pub async fn failed(&self) {
        match &self.shared.journal {
            None => std::future::pending().await,
            Some(journal) => std::future::poll_fn(|cx| journal.poll_failed(cx)).await,
        }
    }

    /// Records written so far, and how often they were synced.
    #[must_use]
    pub fn journal_figures(&self) -> Option<(u64, u64)> {
        self.shared.journal.as_ref().map(|journal| journal.figures())
    }
}

impl Shared {
    pub(crate) fn close(&self) -> Result<(), JournalError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        // After a panic the state is nothing to keep; the records are.
        let Ok(state) = self.state.lock() else { return Ok(()) };
        journal.close(&state.engine)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!("{error}");
        }
    }
}
