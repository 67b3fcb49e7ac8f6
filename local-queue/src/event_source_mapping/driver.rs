//! Carries out what the planner decides, in real or virtual time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::watch, task::JoinSet};

use super::{
    event::{event_json, record_bytes},
    filter::FilterCriteria,
    handle::{Handle, Status},
    invoker::{FunctionError, Invocation, Invoker, invoke_caught},
    metrics::Counters,
    outage::Outage,
    planner::{Action, Arrival, Batch, BatchId, CloseReason, DropReason, Planner, PlannerSettings, Settled},
    response::BatchOutcome,
    source::{ENTRIES_MAX, Source, SourceError, SourceMessage},
};
use crate::{
    clock::Clock,
    engine::{IdSource, QueueArn, Receive, Time},
};

/// What a mapping connects.
#[derive(Debug)]
pub(super) struct Connection<S, I> {
    pub(super) source: S,
    pub(super) invoker: I,
    pub(super) clock: Clock,
    pub(super) function_arn: String,
    pub(super) function_timeout: Duration,
    pub(super) filter_criteria: FilterCriteria,
}

/// A mapping ready to run. Made by [`EventSourceMapping::connect`](super::EventSourceMapping::connect).
pub struct Driver<S, I> {
    source: Arc<S>,
    invoker: Arc<I>,
    clock: Clock,
    function_arn: Arc<str>,
    function_timeout: Duration,
    batching_window: Duration,
    filter_criteria: Arc<FilterCriteria>,
    planner: Planner,
    counters: Counters,
    outage: Outage,
    delete_outage: Outage,
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
    /// The filter refused some of the messages that were received; they are deleted.
    FilteredOut {
        /// How many.
        count: usize,
    },
    /// No messages could be received. The log says so too, once a minute.
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
    /// The function did not run: it may not run as often at the same time.
    Throttled {
        /// The attempt.
        request_id: &'a str,
        /// The batch.
        messages: &'a [SourceMessage],
        /// What was said about it.
        reason: &'a str,
        /// When the batch is given to it again, with another request id; `None` if it is not.
        retry_at: Option<Time>,
    },
    /// Messages were received in vain; they come back by themselves.
    Dropped {
        /// Which.
        messages: &'a [SourceMessage],
        /// Why.
        reason: &'a DropReason,
    },
    /// Messages that the function has done were deleted.
    Deleted {
        /// How many.
        count: usize,
    },
    /// Messages are done, or refused by the filter, but could not be deleted: they will be received again.
    DeleteFailed {
        /// How many.
        count: usize,
        /// Why; of several reasons the first.
        error: &'a SourceError,
    },
}

/// What a task of the driver comes back with.
enum Done {
    Received { batch: BatchId, result: Result<Vec<Arrival>, SourceError> },
    Invoked { batch: Arc<Batch>, request_id: String, duration: Duration, reply: Result<Bytes, FunctionError> },
    Deleted { batch: BatchId, deletes: Deletes },
    FilteredDeleted { deletes: Deletes },
}

/// What came of deleting some messages.
#[derive(Default)]
struct Deletes {
    deleted: usize,
    failed: usize,
    first_error: Option<SourceError>,
}

/// What a message needs to be looked at when it comes.
#[derive(Clone)]
struct Intake {
    filter_criteria: Arc<FilterCriteria>,
    batching_window: Duration,
}

impl Intake {
    fn arrival(&self, message: SourceMessage, queue: &QueueArn) -> Arrival {
        let is_wanted = self.filter_criteria.matches(&message, queue);
        let record_bytes = if is_wanted { record_bytes(&message, queue, self.batching_window) } else { 0 };
        Arrival { message, record_bytes, is_wanted }
    }
}

impl<S: Source, I: Invoker> Driver<S, I> {
    pub(super) fn new(connection: Connection<S, I>, settings: PlannerSettings) -> (Self, Handle<S>) {
        let Connection { source, invoker, clock, function_arn, function_timeout, filter_criteria } = connection;
        let (source, stop) = (Arc::new(source), Arc::new(watch::Sender::new(false)));
        let status = watch::Sender::new(Status::Idle);
        let (counters, seed) = (Counters::default(), fastrand::u64(..));
        let handle = Handle {
            counters: counters.clone(),
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
            filter_criteria: Arc::new(filter_criteria),
            planner: Planner::new(settings).seed(seed),
            counters,
            outage: Outage::of_receives(),
            delete_outage: Outage::of_deletes(),
            request_ids: IdSource::seeded(seed),
            observer: Box::new(|_| {}),
            tasks: JoinSet::new(),
            stop,
            cancel_receive: watch::Sender::new(false),
            status,
        };
        (driver, handle)
    }

    /// Makes the request ids and the jitter of retries the same in every run.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { request_ids: IdSource::seeded(seed), planner: self.planner.seed(seed), ..self }
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
                let intake = Intake {
                    filter_criteria: Arc::clone(&self.filter_criteria),
                    batching_window: self.batching_window,
                };
                let cancel = self.cancel_receive.subscribe();
                self.tasks.spawn(receive(Arc::clone(&self.source), intake, batch, request, cancel));
            }
            Action::CancelReceive { .. } => {
                self.cancel_receive.send_replace(true);
            }
            Action::Invoke(batch) => self.invoke(batch),
            Action::Delete { batch, receipt_handles } => {
                let source = Arc::clone(&self.source);
                self.tasks
                    .spawn(async move { Done::Deleted { batch, deletes: delete(source, receipt_handles).await } });
            }
            Action::DeleteFiltered { receipt_handles } => {
                let source = Arc::clone(&self.source);
                self.tasks
                    .spawn(async move { Done::FilteredDeleted { deletes: delete(source, receipt_handles).await } });
            }
            Action::Drop { messages, reason } => {
                self.counters.count(|metrics| &mut metrics.dropped, messages.len());
                (self.observer)(&Observation::Dropped { messages: &messages, reason: &reason });
            }
        }
    }

    fn invoke(&mut self, batch: Arc<Batch>) {
        let request_id = self.request_ids.next_uuid().to_string();
        let (messages, closed_by) = (&batch.messages, batch.closed_by);
        self.counters.count(|metrics| &mut metrics.invoked, messages.len());
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
                () = clock.sleep_until(deadline), if !invoker.enforces_timeout() => Err(FunctionError::TimedOut { timeout }),
            };
            Done::Invoked { batch, request_id, duration: clock.now().since(started_at), reply }
        });
    }

    fn take_in(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Received { batch, result: Ok(arrivals) } => self.take_in_arrivals(now, batch, arrivals),
            Done::Received { batch, result: Err(error) } => {
                let retry_at = self.planner.receive_failed(now, batch);
                if let Some(line) = self.outage.failed(now, self.source.queue_arn().as_str(), &error) {
                    tracing::warn!("{line}");
                }
                (self.observer)(&Observation::ReceiveFailed { error: &error, retry_at });
            }
            Done::Invoked { batch, request_id, duration, reply } => {
                let settled = self.planner.invoked(now, batch.id, reply);
                self.tell_settled(&batch.messages, &request_id, duration, &settled);
            }
            Done::Deleted { batch, deletes } => {
                self.counters.count(|metrics| &mut metrics.deleted, deletes.deleted);
                if deletes.deleted > 0 {
                    (self.observer)(&Observation::Deleted { count: deletes.deleted });
                }
                self.tell_failed_deletes(&deletes);
                self.planner.deleted(now, batch);
            }
            Done::FilteredDeleted { deletes } => {
                self.tell_failed_deletes(&deletes);
                self.planner.filtered_deleted(now);
            }
        }
    }

    fn take_in_arrivals(&mut self, now: Time, batch: BatchId, arrivals: Vec<Arrival>) {
        // What a receive brings that was given up says nothing about the queue.
        let was_given_up = *self.cancel_receive.borrow();
        if !was_given_up && let Some(line) = self.outage.ended(now, self.source.queue_arn().as_str()) {
            tracing::info!("{line}");
        }
        let count = arrivals.len();
        if count > 0 {
            self.counters.count(|metrics| &mut metrics.polled, count);
            (self.observer)(&Observation::Polled { count });
        }
        let count = arrivals.iter().filter(|arrival| !arrival.is_wanted).count();
        if count > 0 {
            self.counters.count(|metrics| &mut metrics.filtered_out, count);
            (self.observer)(&Observation::FilteredOut { count });
        }
        self.planner.received(now, batch, arrivals);
    }

    fn tell_settled(&mut self, messages: &[SourceMessage], request_id: &str, duration: Duration, settled: &Settled) {
        match settled {
            Settled::Finished(outcome) => {
                let failed = (0..messages.len()).filter(|index| !outcome.deletes(*index)).count();
                self.counters.count(|metrics| &mut metrics.failed_invoke, failed);
                (self.observer)(&Observation::Finished { request_id, messages, outcome, duration });
            }
            Settled::Throttled { reason, retry_at } => {
                let retry_at = *retry_at;
                (self.observer)(&Observation::Throttled { request_id, messages, reason, retry_at });
            }
        }
    }

    fn tell_failed_deletes(&mut self, deletes: &Deletes) {
        let (now, queue) = (self.clock.now(), self.source.queue_arn().as_str());
        let line = match &deletes.first_error {
            // Messages that are done and come back are worked on once more, which nobody would see.
            Some(error) => self.delete_outage.failed(now, queue, error),
            None => self.delete_outage.ended(now, queue),
        };
        if let Some(line) = line {
            tracing::warn!("{line}");
        }
        if let Some(error) = &deletes.first_error {
            (self.observer)(&Observation::DeleteFailed { count: deletes.failed, error });
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

async fn delete<S: Source>(source: Arc<S>, receipt_handles: Vec<String>) -> Deletes {
    let mut deletes = Deletes::default();
    for handles in receipt_handles.chunks(ENTRIES_MAX) {
        let (failures, error) = match source.delete(handles.to_vec()).await {
            Ok(failures) => (failures.len(), failures.into_iter().next().map(|failure| failure.error)),
            Err(error) => (handles.len(), Some(error)),
        };
        deletes.deleted += handles.len() - failures;
        deletes.failed += failures;
        deletes.first_error = deletes.first_error.or(error);
    }
    deletes
}

#[cfg(test)]
mod tests;
