//! Tasks that a driver runs beside its loop. Each returns its result, and is identified by its job while it runs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinError},
};

use crate::{
    engine::{QueueArn, Receive, Time},
    event_source_mapping::{
        event::record_bytes,
        filter::FilterCriteria,
        invoker::{FunctionError, panic_message},
        planner::{Arrival, Batch, BatchId},
        source::{DeleteFailure, ENTRIES_MAX, Source, SourceError, SourceMessage},
    },
};

/// The result of a task.
pub(super) enum Done {
    Received { batch: BatchId, result: Result<Vec<Arrival>, SourceError> },
    Invoked { batch: Arc<Batch>, request_id: String, duration: Duration, reply: Result<Bytes, FunctionError> },
    GivenUp { batch: Arc<Batch>, request_id: String, duration: Duration },
    Deleted { batch: BatchId, entries: Entries },
    FilteredDeleted { entries: Entries },
    GivenBack { entries: Entries },
}

/// A running task.
pub(super) enum Job {
    Receive { batch: BatchId },
    Invoke { batch: Arc<Batch>, request_id: String, started_at: Time, abort: AbortHandle },
    Delete { batch: BatchId, count: usize },
    DeleteFiltered { count: usize },
    GiveBack { count: usize },
}

impl Job {
    /// What has become of it if its task ended without a word: by a panic, or because it was told to.
    pub(super) fn ended(self, now: Time, error: JoinError) -> Done {
        let is_given_up = error.is_cancelled();
        let panic = error.try_into_panic().map_or_else(|_| String::new(), |panic| panic_message(panic.as_ref()));
        let broken = || SourceError::Other(format!("the source panicked: {panic}").into());
        match self {
            Self::Receive { batch } => Done::Received { batch, result: Err(broken()) },
            Self::Invoke { batch, request_id, started_at, .. } => {
                let duration = now.since(started_at);
                if is_given_up {
                    return Done::GivenUp { batch, request_id, duration };
                }
                Done::Invoked { batch, request_id, duration, reply: Err(FunctionError::Crashed { message: panic }) }
            }
            Self::Delete { batch, count } => Done::Deleted { batch, entries: Entries::failed(count, broken()) },
            Self::DeleteFiltered { count } => Done::FilteredDeleted { entries: Entries::failed(count, broken()) },
            Self::GiveBack { count } => Done::GivenBack { entries: Entries::failed(count, broken()) },
        }
    }
}

/// What came of an action on some messages.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) first_error: Option<SourceError>,
}

impl Entries {
    fn failed(count: usize, error: SourceError) -> Self {
        Self { done: 0, failed: count, first_error: Some(error) }
    }

    fn add(&mut self, count: usize, result: Result<Vec<DeleteFailure>, SourceError>) {
        let (failed, error) = match result {
            Ok(failures) => (failures.len(), failures.into_iter().next().map(|failure| failure.error)),
            Err(error) => (count, Some(error)),
        };
        self.done += count.saturating_sub(failed);
        self.failed += failed;
        self.first_error = self.first_error.take().or(error);
    }
}

/// What a message needs to be looked at when it comes.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) filter_criteria: Arc<FilterCriteria>,
    pub(super) batching_window: Duration,
}

impl Intake {
    fn arrival(&self, message: SourceMessage, queue: &QueueArn) -> Arrival {
        let is_wanted = self.filter_criteria.matches(&message, queue);
        let record_bytes = if is_wanted { record_bytes(&message, queue, self.batching_window) } else { 0 };
        Arrival { message, record_bytes, is_wanted }
    }
}

pub(super) async fn receive<S: Source>(
    source: Arc<S>,
    intake: Intake,
    batch: BatchId,
    request: Receive,
    mut cancel: watch::Receiver<bool>,
) -> Done {
    let result = tokio::select! {
        // Messages that are already there are not left behind.
        biased;
        result = source.receive(request) => result,
        _ = cancel.wait_for(|cancel| *cancel) => Ok(Vec::new()),
    };
    let queue = source.queue_arn();
    let arrivals = |messages: Vec<_>| messages.into_iter().map(|message| intake.arrival(message, queue)).collect();
    Done::Received { batch, result: result.map(arrivals) }
}

pub(super) async fn delete<S: Source>(source: Arc<S>, receipt_handles: Vec<String>) -> Entries {
    let mut entries = Entries::default();
    for handles in receipt_handles.chunks(ENTRIES_MAX) {
        entries.add(handles.len(), source.delete(handles.to_vec()).await);
    }
    entries
}

pub(super) async fn give_back<S: Source>(source: Arc<S>, receipt_handles: Vec<String>) -> Entries {
    let mut entries = Entries::default();
    for handles in receipt_handles.chunks(ENTRIES_MAX) {
        entries.add(handles.len(), source.give_back(handles.to_vec()).await);
    }
    entries
}
