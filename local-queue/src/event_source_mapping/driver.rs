//! Carries out what the planner decides, in real or virtual time.

mod observation;
mod tasks;

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
};

pub use self::observation::Observation;
use self::tasks::{Done, Entries, Intake, Job, delete, give_back, receive};
use super::{
    advice::Advice,
    event::event_json,
    filter::FilterCriteria,
    handle::{Handle, Status, Stop},
    invoker::{FunctionError, Invocation, Invoker, invoke_caught},
    metrics::Counters,
    outage::Outage,
    planner::{Arrival, Batch, BatchId, DropReason, Planner, PlannerAction, PlannerSettings, Settled},
    response::{BatchOutcome, count_of},
    source::{Source, SourceMessage},
};
use crate::{
    clock::Clock,
    engine::{IdSource, Time},
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
    reports_failures: bool,
    filter_criteria: Arc<FilterCriteria>,
    advice: Advice,
    planner: Planner,
    counters: Counters,
    outage: Outage,
    delete_outage: Outage,
    request_ids: IdSource,
    observer: Box<dyn FnMut(&Observation<'_>) + Send>,
    tasks: JoinSet<Done>,
    jobs: HashMap<Id, Job>,
    /// Kept, so that the mapping goes on when every [`Handle`] is gone.
    stop: Arc<watch::Sender<Stop>>,
    cancel_receive: watch::Sender<bool>,
    status: watch::Sender<Status>,
    /// What each invocation holds while it runs, to be counted.
    running: Arc<()>,
}

impl<S, I> std::fmt::Debug for Driver<S, I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("function_arn", &self.function_arn)
            .field("planner", &self.planner)
            .finish_non_exhaustive()
    }
}

impl<S: Source, I: Invoker> Driver<S, I> {
    pub(super) fn new(connection: Connection<S, I>, settings: PlannerSettings) -> (Self, Handle<S>) {
        let Connection { source, invoker, clock, function_arn, function_timeout, filter_criteria } = connection;
        let (source, stop) = (Arc::new(source), Arc::new(watch::Sender::new(Stop::No)));
        let status = watch::Sender::new(Status::Idle);
        let (counters, seed, running) = (Counters::default(), fastrand::u64(..), Arc::new(()));
        let handle = Handle {
            counters: counters.clone(),
            source: Arc::clone(&source),
            clock: clock.clone(),
            stop: Arc::clone(&stop),
            status: status.subscribe(),
            running: Arc::downgrade(&running),
        };
        let driver = Self {
            source,
            invoker: Arc::new(invoker),
            clock,
            function_arn: function_arn.into(),
            function_timeout,
            batching_window: settings.batching_window,
            reports_failures: settings.report_batch_item_failures,
            filter_criteria: Arc::new(filter_criteria),
            advice: Advice::default(),
            planner: Planner::new(settings).seed(seed),
            counters,
            outage: Outage::of_receives(),
            delete_outage: Outage::of_deletes(),
            request_ids: IdSource::seeded(seed),
            observer: Box::new(|_| {}),
            tasks: JoinSet::new(),
            jobs: HashMap::new(),
            stop,
            cancel_receive: watch::Sender::new(false),
            status,
            running,
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
        let mut stopping = Stop::No;
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
                Ok(wanted) = async { stop.wait_for(|stop| *stop > stopping).await.map(|stop| *stop) } => {
                    stopping = wanted;
                    self.stop(stopping);
                }
                () = sleep_until(&self.clock, wakeup) => self.planner.advance(self.clock.now()),
                Some(joined) = self.tasks.join_next_with_id() => match self.done(joined, stopping) {
                    Some(done) => self.take_in(done),
                    None => return,
                },
            }
        }
    }

    fn stop(&mut self, stop: Stop) {
        self.planner.stop();
        if stop == Stop::AtOnce {
            for job in self.jobs.values() {
                if let Job::Invoke { abort, .. } = job {
                    abort.abort();
                }
            }
        }
    }

    /// What a task came back with, or what has become of it if it panicked or was given up. Nothing if it was cancelled by
    /// nobody here: the runtime ends.
    fn done(&mut self, joined: Result<(Id, Done), JoinError>, stopping: Stop) -> Option<Done> {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let job = self.jobs.remove(&id);
        match joined {
            Ok((_, done)) => Some(done),
            Err(error) if error.is_cancelled() && stopping != Stop::AtOnce => None,
            Err(error) => Some(job?.ended(self.clock.now(), error)),
        }
    }

    fn spawn(&mut self, job: Job, task: impl Future<Output = Done> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.jobs.insert(id, job);
    }

    fn publish_status(&self) {
        let status = if self.planner.is_idle() { Status::Idle } else { Status::Busy };
        self.status.send_if_modified(|current| std::mem::replace(current, status) != status);
    }

    fn carry_out(&mut self, action: PlannerAction) {
        match action {
            PlannerAction::Receive { batch, request } => {
                let intake = Intake {
                    filter_criteria: Arc::clone(&self.filter_criteria),
                    batching_window: self.batching_window,
                };
                let task = receive(Arc::clone(&self.source), intake, batch, request, self.cancel_receive.subscribe());
                self.spawn(Job::Receive { batch }, task);
            }
            PlannerAction::CancelReceive { .. } => {
                self.cancel_receive.send_replace(true);
            }
            PlannerAction::Invoke(batch) => self.invoke(batch),
            PlannerAction::Delete { batch, receipt_handles } => {
                let (source, count) = (Arc::clone(&self.source), receipt_handles.len());
                let task = async move { Done::Deleted { batch, entries: delete(source, receipt_handles).await } };
                self.spawn(Job::Delete { batch, count }, task);
            }
            PlannerAction::DeleteFiltered { receipt_handles } => {
                let (source, count) = (Arc::clone(&self.source), receipt_handles.len());
                let task = async move { Done::FilteredDeleted { entries: delete(source, receipt_handles).await } };
                self.spawn(Job::DeleteFiltered { count }, task);
            }
            PlannerAction::GiveBack { receipt_handles } => {
                let (source, count) = (Arc::clone(&self.source), receipt_handles.len());
                let task = async move { Done::GivenBack { entries: give_back(source, receipt_handles).await } };
                self.spawn(Job::GiveBack { count }, task);
            }
            PlannerAction::Drop { messages, reason } => {
                self.counters.count(|metrics| &mut metrics.dropped, messages.len());
                let (function, queue) = (self.function(), self.source.queue_arn().name());
                // What they have cost is seen in no other place.
                let cost = if matches!(reason, DropReason::Throttled { .. }) {
                    "; each receive counts towards maxReceiveCount, although the function did not see the messages"
                } else {
                    ""
                };
                tracing::warn!("{function}: dropped {} of {queue}: {reason}{cost}", count_of(messages.len()));
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
        let (given, id, running) = (Arc::clone(&batch), request_id.clone(), Arc::clone(&self.running));
        let task = self.tasks.spawn(async move {
            let event = event_json(&batch.messages, source.queue_arn(), window).into();
            let invocation = Invocation { event, request_id: request_id.clone(), function_arn, deadline };
            let reply = tokio::select! {
                // A reply at the very deadline still counts.
                biased;
                reply = invoke_caught(&*invoker, invocation) => reply,
                () = clock.sleep_until(deadline), if !invoker.enforces_timeout() => Err(FunctionError::TimedOut { timeout }),
            };
            drop(running);
            Done::Invoked { batch, request_id, duration: clock.now().since(started_at), reply }
        });
        self.jobs.insert(task.id(), Job::Invoke { batch: given, request_id: id, started_at, abort: task });
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
                self.tell_advice(&batch.messages, &reply);
                let settled = self.planner.invoked(now, batch.id, reply);
                self.tell_settled(&batch.messages, &request_id, duration, &settled);
            }
            Done::GivenUp { batch, request_id, duration } => {
                let (function, messages) = (self.function(), &batch.messages);
                let seconds = duration.as_secs_f64();
                tracing::warn!(
                    "{function}: an invocation with {} was ended after {seconds:.2} s because the mapping stops (request \
                     {request_id})",
                    count_of(messages.len())
                );
                self.counters.count(|metrics| &mut metrics.failed_invoke, messages.len());
                self.planner.given_up(batch.id);
            }
            Done::Deleted { batch, entries } => {
                self.counters.count(|metrics| &mut metrics.deleted, entries.done);
                if entries.done > 0 {
                    (self.observer)(&Observation::Deleted { count: entries.done });
                }
                self.tell_failed_deletes(&entries);
                self.planner.deleted(now, batch);
            }
            Done::FilteredDeleted { entries } => {
                self.tell_failed_deletes(&entries);
                self.planner.filtered_deleted(now);
            }
            Done::GivenBack { entries } => {
                self.tell_given_back(&entries);
                self.planner.given_back();
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

    fn tell_advice(&mut self, messages: &[SourceMessage], reply: &Result<Bytes, FunctionError>) {
        let Ok(reply) = reply else { return };
        let of = (function_of(&self.function_arn), self.source.queue_arn().name());
        if let Some(line) = self.advice.of_reply(of, reply, messages, self.reports_failures) {
            tracing::warn!("{line}");
        }
    }

    fn tell_settled(&mut self, messages: &[SourceMessage], request_id: &str, duration: Duration, settled: &Settled) {
        match settled {
            Settled::Finished(outcome) => {
                if let BatchOutcome::Failed(failure) = outcome {
                    self.counters.count_failed_batch(failure);
                    let (function, queue) = (self.function(), self.source.queue_arn().name());
                    tracing::warn!("{}", failure.line(function, queue, messages.len(), request_id));
                }
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

    fn tell_failed_deletes(&mut self, deletes: &Entries) {
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

    fn tell_given_back(&mut self, entries: &Entries) {
        self.counters.count(|metrics| &mut metrics.given_back, entries.done);
        if entries.done > 0 {
            (self.observer)(&Observation::GivenBack { count: entries.done });
        }
        if let Some(error) = &entries.first_error {
            let (count, queue) = (entries.failed, self.source.queue_arn().name());
            tracing::warn!(
                "failed to release {} of {queue}; they stay invisible until their visibility timeout ends: {error}",
                count_of(count)
            );
            (self.observer)(&Observation::GiveBackFailed { count, error });
        }
    }

    /// The function's name, with its alias if it has one, without the rest of its ARN.
    fn function(&self) -> &str {
        function_of(&self.function_arn)
    }
}

/// What is behind `function:` in an ARN.
pub(super) fn function_of(arn: &str) -> &str {
    arn.rsplit(":function:").next().unwrap_or_default()
}

async fn sleep_until(clock: &Clock, at: Option<Time>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => match std::future::pending::<Infallible>().await {},
    }
}

#[cfg(test)]
mod tests;
