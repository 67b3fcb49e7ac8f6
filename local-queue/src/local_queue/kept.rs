//! What is answered, and when it may be: at once, or when it is on the disk.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::LocalQueue;
use crate::{
    engine::{EngineError, Time},
    recorded::Recorded,
};

/// What a call came to, and the record after which it may be answered; 0 if there is no journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<T> {
    pub(crate) value: T,
    pub(crate) number: u64,
}

impl LocalQueue {
    /// Calls the engine, and returns when what it came to is on the disk.
    pub(super) fn commit<T>(
        &self,
        call: impl FnOnce(&mut Recorded<'_>, Time) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let Answered { value, number } = self.begin_call(call);
        self.wait(number)?;
        value
    }

    /// Blocks until a record is on the disk.
    pub(crate) fn wait(&self, number: u64) -> Result<(), EngineError> {
        match &self.shared.journal {
            None => Ok(()),
            Some(journal) => journal.wait(number),
        }
    }

    /// Whether it is at once that may be answered for this record.
    pub(crate) fn is_kept(&self, number: u64) -> bool {
        self.shared.journal.as_ref().is_none_or(|journal| journal.is_kept(number))
    }

    pub(super) fn poll_kept(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), EngineError>> {
        match &self.shared.journal {
            None => Poll::Ready(Ok(())),
            Some(journal) => journal.poll_kept(number, cx),
        }
    }

    /// Why requests are no longer accepted: the disk failed or the queues are closed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.journal.as_ref()?.failure()
    }

    /// Waits until everything is on the disk that has been called for.
    pub(crate) async fn kept_so_far(&self) -> Result<(), EngineError> {
        self.kept(self.last_number()).await
    }

    /// The number of the last record, which everything that was seen so far follows from.
    pub(crate) fn last_number(&self) -> u64 {
        self.shared.journal.as_ref().map_or(0, |journal| journal.last())
    }

    /// Waits until a record is on the disk.
    pub(crate) async fn kept(&self, number: u64) -> Result<(), EngineError> {
        poll_fn(|cx| self.poll_kept(number, cx)).await
    }
}
