//! The reins of a running mapping.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    metrics::{Counters, Metrics},
    source::{Source, SourceError},
};
use crate::clock::Clock;

/// How often a queue is asked for its depth while somebody waits for it to be empty and the mapping has nothing to do.
/// Messages may leave it unseen: another client deletes them, or the queue moves them to its dead-letter queue.
const DEPTH_INTERVAL: Duration = Duration::from_secs(1);

/// Whether a mapping holds messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    Busy,
}

/// How much of its work a mapping that stops still does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    No,
    /// Running invocations end by themselves.
    AfterInvocations,
    /// Running invocations are given up.
    AtOnce,
}

/// Stops a mapping, or waits for it. Clones are the same mapping's; dropping them changes nothing.
#[derive(Debug)]
pub struct Handle<S> {
    pub(super) source: Arc<S>,
    pub(super) clock: Clock,
    pub(super) stop: Arc<watch::Sender<Stop>>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) counters: Counters,
    /// Each invocation that runs has one, and so has the driver.
    pub(super) running: Weak<()>,
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            clock: self.clock.clone(),
            stop: Arc::clone(&self.stop),
            status: self.status.clone(),
            counters: self.counters.clone(),
            running: Weak::clone(&self.running),
        }
    }
}

/// Why waiting for an empty queue failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The mapping has stopped.
    #[error("the mapping stopped before its queue was drained")]
    Stopped,
    /// The queue could not be asked for its depth.
    #[error("queue cannot be read: {0}")]
    Source(#[from] SourceError),
}

impl<S: Source> Handle<S> {
    /// Tells the mapping to receive and invoke nothing more, to let running invocations end, and to delete what they have
    /// done. Messages that the function has not seen are given back at once.
    pub fn stop(&self) {
        self.stop_at_least(Stop::AfterInvocations);
    }

    /// Tells the mapping to stop without waiting for running invocations: they are dropped, which kills their processes,
    /// and their messages are given back.
    pub fn stop_at_once(&self) {
        self.stop_at_least(Stop::AtOnce);
    }

    fn stop_at_least(&self, wanted: Stop) {
        self.stop.send_if_modified(|stop| {
            let is_more = *stop < wanted;
            *stop = wanted.max(*stop);
            is_more
        });
    }

    /// What the mapping has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.counters.get()
    }

    /// How many invocations run at this moment.
    #[must_use]
    pub fn concurrent_invocations(&self) -> usize {
        self.running.strong_count().saturating_sub(1)
    }

    /// Waits until the mapping has stopped, or was dropped.
    pub async fn stopped(&self) {
        let mut status = self.status.clone();
        while status.changed().await.is_ok() {}
    }

    /// Waits until the queue is drained: no message in it is ready, delayed or in flight, and the mapping has none.
    ///
    /// The mapping's own work ends the wait at once. A message that leaves the queue in another way, such as to a
    /// dead-letter queue, is noticed within a second.
    pub async fn drained(&self) -> Result<(), DrainError> {
        let mut status = self.status.clone();
        loop {
            let idle = *status.borrow_and_update() == Status::Idle;
            if idle && self.source.depth().await?.is_empty() {
                return Ok(());
            }
            let look_again_at = self.clock.now() + DEPTH_INTERVAL;
            tokio::select! {
                changed = status.changed() => changed.map_err(|_| DrainError::Stopped)?,
                () = self.clock.sleep_until(look_again_at), if idle => {}
            }
        }
    }
}
