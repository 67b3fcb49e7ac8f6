//! Carries out what the planner decides, in real or virtual time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::watch, task::JoinSet};

use super::{
    event::event_json,
    handle::{Handle, Status},
    invoker::{FunctionError, Invocation, Invoker, invoke_caught},
    planner::{Action, Batch, BatchId, CloseReason, Planner, PlannerSettings},
    response::BatchOutcome,
    source::{ENTRIES_MAX, Source, SourceError, SourceMessage},
};
use crate::{
    clock::Clock,
    engine::{IdSource, Receive, Time},
};

/// What a mapping connects.
#[derive(Debug)]
pub(super) struct Connection<S, I> {
    pub(super) source: S,
    pub(super) invoker: I,
    pub(super) clock: Clock,
    pub(super) function_arn: String,
    pub(super) function_timeout: Duration,
}

/// A mapping ready to run. Made by [`EventSourceMapping::connect`](super::EventSourceMapping::connect).
pub struct Driver<S, I> {
    source: Arc<S>,
    invoker: Arc<I>,
    clock: Clock,
    function_arn: Arc<str>,
    function_timeout: Duration,
    batching_window: Duration,
    planner: Planner,
    request_ids: IdSource,
    observer: Box<dyn FnMut(&Observation<'_>) + Send>,
    tasks: JoinSet<Done>,
    /// Kept, so that the mapping goes on when every [`Handle`] is gone.
    stop: Arc<watch::Sender<bool>>,
    cancel_receive: watch::Sender<bool>,
    status: watch::Sender<Status>,
}

impl<S, I> std::fmt::Debug for Driver<S, I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("function_arn", &self.function_arn)
            .field("planner", &self.planner)
            .finish_non_exhaustive()
    }
}

/// Something that happened in a mapping, told to its observer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// Messages were received.
    Polled {
        /// How many.
        count: usize,
    },
    /// No messages could be received.
    ReceiveFailed {
        /// Why.
        error: &'a SourceError,
        /// When it is tried again.
        retry_at: Time,
    },
    /// A batch was given to the function.
    Invoked {
        /// The invocation.
        request_id: &'a str,
        /// The batch.
        messages: &'a [SourceMessage],
        /// Why it was given now.
        closed_by: CloseReason,
    },
    /// The function has ended.
    Finished {
        /// The invocation.
        request_id: &'a str,
        /// The batch.
        messages: &'a [SourceMessage],
        /// What came of it.
        outcome: &'a BatchOutcome,
        /// How long the function took.
        duration: Duration,
    },
    /// Messages were deleted.
    Deleted {
        /// How many.
        count: usize,
    },
    /// Messages are done but could not be deleted: the function will get them again.
    DeleteFailed {
        /// How many.
        count: usize,
        /// Why; of several reasons the first.
        error: &'a SourceError,
    },
}

/// What a task of the driver comes back with.
enum Done {
    Received { batch: BatchId, result: Result<Vec<SourceMessage>, SourceError> },
    Invoked { batch: Arc<Batch>, request_id: String, duration: Duration, reply: Result<Bytes, FunctionError> },
    Deleted { batch: BatchId, deleted: usize, failed: usize, first_error: Option<SourceError> },
}

impl<S: Source, I: Invoker> Driver<S, I> {
    pub(super) fn new(connection: Connection<S, I>, settings: PlannerSettings) -> (Self, Handle<S>) {
        let Connection { source, invoker, clock, function_arn, function_timeout } = connection;
        let (source, stop) = (Arc::new(source), Arc::new(watch::Sender::new(false)));
        let status = watch::Sender::new(Status::Idle);
        let handle = Handle {
            source: Arc::clone(&source),
            clock: clock.clone(),
            stop: Arc::clone(&stop),
            status: status.subscribe(),
        };
        let driver = Self {
            source,
            invoker: Arc::new(invoker),
            clock,
            function_arn: function_arn.into(),
            function_timeout,
            batching_window: settings.batching_window,
            planner: Planner::new(settings),
            request_ids: IdSource::seeded(fastrand::u64(..)),
            observer: Box::new(|_| {}),
            tasks: JoinSet::new(),
            stop,
            cancel_receive: watch::Sender::new(false),
            status,
        };
        (driver, handle)
    }

    /// Makes the request ids the same in every run.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { request_ids: IdSource::seeded(seed), ..self }
    }

    /// Tells `observer` everything that happens, in order, as it happens.
    #[must_use]
    pub fn observe(self, observer: impl FnMut(&Observation<'_>) + Send + 'static) -> Self {
        Self { observer: Box::new(observer), ..self }
    }

    /// Runs until the [`Handle`] says stop, and then until nothing is left to do.
    ///
    /// Dropping the future drops the running invocations too; their messages come back at the end of their visibility
    /// timeout.
    pub async fn run(mut self) {
        let mut stop = self.stop.subscribe();
        let mut stopping = false;
        self.planner.advance(self.clock.now());
        loop {
            while let Some(action) = self.planner.poll_action() {
                self.carry_out(action);
            }
            self.publish_status();
            if self.planner.is_finished() {
                return;
            }
            let wakeup = self.planner.next_wakeup();
            tokio::select! {
                // However much there is to take in, a stop and a retry are not put off by it.
                biased;
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    self.planner.stop(self.clock.now());
                }
                () = sleep_until(&self.clock, wakeup) => self.planner.advance(self.clock.now()),
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.take_in(done),
                    // Panics of the function are caught: this one is of the source, a bug that must not be hidden.
                    // Without a panic it is the runtime that ends.
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => return,
                    },
                },
            }
        }
    }

    fn publish_status(&self) {
        let status = if self.planner.is_idle() { Status::Idle } else { Status::Busy };
        self.status.send_if_modified(|current| std::mem::replace(current, status) != status);
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Receive { batch, request } => {
                let receive = receive(Arc::clone(&self.source), batch, request, self.cancel_receive.subscribe());
                self.tasks.spawn(receive);
            }
            Action::CancelReceive { .. } => {
                self.cancel_receive.send_replace(true);
            }
            Action::Invoke(batch) => self.invoke(batch),
            Action::Delete { batch, receipt_handles } => {
                self.tasks.spawn(delete(Arc::clone(&self.source), batch, receipt_handles));
            }
        }
    }

    fn invoke(&mut self, batch: Arc<Batch>) {
        let request_id = self.request_ids.next_uuid().to_string();
        let (messages, closed_by) = (&batch.messages, batch.closed_by);
        (self.observer)(&Observation::Invoked { request_id: &request_id, messages, closed_by });
        let (started_at, timeout, window) = (self.clock.now(), self.function_timeout, self.batching_window);
        let deadline = started_at + timeout;
        let function_arn = Arc::clone(&self.function_arn);
        let (source, invoker) = (Arc::clone(&self.source), Arc::clone(&self.invoker));
        let clock = self.clock.clone();
        self.tasks.spawn(async move {
            let event = event_json(&batch.messages, source.queue_arn(), window).into();
            let invocation = Invocation { event, request_id: request_id.clone(), function_arn, deadline };
            let reply = tokio::select! {
                // A reply at the very deadline still counts.
                biased;
                reply = invoke_caught(&*invoker, invocation) => reply,
                () = clock.sleep_until(deadline) => Err(FunctionError::TimedOut { timeout }),
            };
            Done::Invoked { batch, request_id, duration: clock.now().since(started_at), reply }
        });
    }

    fn take_in(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Received { batch, result: Ok(messages) } => {
                if !messages.is_empty() {
                    (self.observer)(&Observation::Polled { count: messages.len() });
                }
                self.planner.received(now, batch, messages);
            }
            Done::Received { batch, result: Err(error) } => {
                let retry_at = self.planner.receive_failed(now, batch);
                (self.observer)(&Observation::ReceiveFailed { error: &error, retry_at });
            }
            Done::Invoked { batch, request_id, duration, reply } => {
                let outcome = self.planner.invoked(now, batch.id, reply);
                let (messages, request_id) = (&batch.messages, &request_id);
                (self.observer)(&Observation::Finished { request_id, messages, outcome: &outcome, duration });
            }
            Done::Deleted { batch, deleted, failed, first_error } => {
                if deleted > 0 {
                    (self.observer)(&Observation::Deleted { count: deleted });
                }
                if let Some(error) = &first_error {
                    (self.observer)(&Observation::DeleteFailed { count: failed, error });
                }
                self.planner.deleted(now, batch);
            }
        }
    }
}

async fn sleep_until(clock: &Clock, at: Option<Time>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => match std::future::pending::<Infallible>().await {},
    }
}

async fn receive<S: Source>(
    source: Arc<S>,
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
    Done::Received { batch, result }
}

async fn delete<S: Source>(source: Arc<S>, batch: BatchId, receipt_handles: Vec<String>) -> Done {
    let (mut deleted, mut failed, mut first_error) = (0, 0, None);
    for handles in receipt_handles.chunks(ENTRIES_MAX) {
        let (failures, error) = match source.delete(handles.to_vec()).await {
            Ok(failures) => (failures.len(), failures.into_iter().next().map(|failure| failure.error)),
            Err(error) => (handles.len(), Some(error)),
        };
        deleted += handles.len() - failures;
        failed += failures;
        first_error = first_error.or(error);
    }
    Done::Deleted { batch, deleted, failed, first_error }
}

#[cfg(test)]
mod tests;
