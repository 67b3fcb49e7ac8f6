//! The engine and its model, side by side: one random workload, every answer and every state compared.
//!
//! A run is a function of its seed. It ends with a drain, after which no message may be left anywhere.
//!
//! A crate of its own, so that it can be optimised in the development profile without all other tests.

mod compare;
mod fifo;
mod model;
mod workload;

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Debug, Write as _},
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
};

use local_queue_engine::{Delivery, Engine, EngineError, MoveTaskStatus, Output, QueueArn, Received, Time, WaiterId};

use crate::{
    model::{Answer, Model},
    workload::{Operation, Step, Workload},
};

/// When a run starts.
const START: Time = Time::from_millis(1_800_000_000_000);
/// Steps shown when something differs.
const STEPS_SHOWN: usize = 12;
/// Rounds of receiving and deleting after which no message may be left.
const DRAIN_ROUNDS_MAX: u32 = 400;

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps before the drain.
    pub steps: u64,
    /// Whether to hash every step and answer.
    pub traces: bool,
    /// Whether the engine checks its own invariants too.
    pub checks: bool,
}

/// What a run saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Calls of the engine, the drain included.
    pub operations: u64,
    /// Time that passed in the queues.
    pub simulated_millis: u64,
    /// Messages handed out.
    pub deliveries: u64,
    /// Messages handed out by FIFO queues, each checked for its order.
    pub fifo_deliveries: u64,
    /// Message groups of FIFO queues that messages were sent to.
    pub fifo_groups: u64,
    /// A hash of every step and every answer, if asked for.
    pub trace: u64,
}

/// Where the engine and the model differ.
#[derive(Debug)]
pub struct Difference {
    seed: u64,
    /// Calls until then.
    pub operations: u64,
    what: String,
    steps: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} differs at operation {}: {}", self.seed, self.operations, self.what)?;
        writeln!(f, "the last operations:\n{}", self.steps)?;
        write!(f, "again with: SEED={} cargo test -p simulation -- --nocapture", self.seed)
    }
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Result<Report, Box<Difference>> {
    let mut simulation = Simulation::new(seed, options);
    let outcome = catch_unwind(AssertUnwindSafe(|| simulation.run()));
    let what = match outcome {
        Ok(Ok(())) => return Ok(simulation.report()),
        Ok(Err(what)) => what,
        Err(_) => "a panic, printed above".to_owned(),
    };
    let mut steps = String::new();
    for step in &simulation.recent {
        writeln!(steps, "  {} {:?}", step.now, step.operation).expect("a string can be written to");
    }
    Err(Box::new(Difference { seed, operations: simulation.report.operations, what, steps }))
}

/// An answer to a receive that waited, and when it came.
type Seen = (Time, WaiterId, Result<Vec<Delivery>, EngineError>);

struct Simulation {
    engine: Engine,
    model: Model,
    workload: Workload,
    fifo: fifo::Checker,
    options: Options,
    /// The queue of each receive that waits.
    waiting: HashMap<WaiterId, QueueArn>,
    outputs: Vec<Seen>,
    recent: VecDeque<Step>,
    hasher: DefaultHasher,
    report: Report,
    /// The state is compared after every so many steps, because looking also brings an engine up to date.
    looks_every: u64,
}

impl Simulation {
    fn new(seed: u64, options: Options) -> Self {
        let workload = Workload::new(seed);
        let limits = workload.limits.clone();
        Self {
            engine: Engine::new(limits.clone(), seed),
            model: Model::new(limits),
            workload,
            fifo: fifo::Checker::default(),
            options,
            waiting: HashMap::new(),
            outputs: Vec::new(),
            recent: VecDeque::new(),
            hasher: DefaultHasher::new(),
            report: Report::default(),
            looks_every: [1, 1, 2, 16][(seed % 4) as usize],
        }
    }

    fn report(&self) -> Report {
        Report {
            simulated_millis: self.model.now.as_millis() - START.as_millis(),
            fifo_deliveries: self.fifo.deliveries,
            fifo_groups: self.fifo.groups.len() as u64,
            trace: self.hasher.finish(),
            ..self.report
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.model.advance(START);
        self.engine.advance(START);
        while self.report.operations < self.options.steps {
            let step = self.workload.next(&self.model);
            self.step(step)?;
        }
        for round in 0..DRAIN_ROUNDS_MAX {
            for step in self.workload.drain(&self.model, round) {
                self.step(step)?;
            }
            if self.model.queues().all(|queue| queue.messages.is_empty()) {
                return self.compare_state();
            }
        }
        Err("messages are left after the drain".to_owned())
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        if self.recent.len() == STEPS_SHOWN {
            self.recent.pop_front();
        }
        self.recent.push_back(step.clone());
        self.report.operations += 1;
        self.trace(&step);
        let Step { now, drives, operation } = step;
        self.model.advance(now);
        let drives = drives || !takes_time(&operation);
        if drives {
            self.drive(now)?;
        }
        self.apply(now, operation)?;
        self.collect(now, drives)?;
        self.compare_outputs(drives)?;
        if self.report.operations.is_multiple_of(self.looks_every) {
            self.compare_state()?;
        }
        Ok(())
    }

    fn trace(&mut self, what: &impl Debug) {
        if self.options.traces {
            format!("{what:?}").hash(&mut self.hasher);
        }
    }

    /// Wakes the engine when it wants to be woken, as a driver with a clock would.
    fn drive(&mut self, until: Time) -> Result<(), String> {
        while let Some(at) = self.engine.next_wakeup().filter(|at| *at <= until) {
            if at <= self.engine.now() {
                return Err(format!("a wake-up at {at} does not lie ahead"));
            }
            self.engine.advance(at);
            self.collect(at, true)?;
        }
        self.engine.advance(until);
        self.collect(until, true)
    }

    fn collect(&mut self, at: Time, is_exact: bool) -> Result<(), String> {
        while let Some(Output::Answer { waiter, result }) = self.engine.poll_output() {
            self.trace(&(waiter, &result));
            let queue = self.waiting.remove(&waiter).ok_or_else(|| format!("{waiter:?} is answered but unknown"))?;
            if let Ok(deliveries) = &result {
                self.saw(&queue, deliveries);
                if is_exact {
                    self.fifo.check_order(&mut self.engine, at, &queue, deliveries)?;
                }
            }
            self.outputs.push((at, waiter, result));
        }
        Ok(())
    }

    fn saw(&mut self, queue: &QueueArn, deliveries: &[Delivery]) {
        self.report.deliveries += deliveries.len() as u64;
        for delivery in deliveries {
            self.workload.saw_handle(queue, delivery.receipt_handle);
        }
    }

    /// The same receives are answered, each at the same millisecond and in the same way.
    fn compare_outputs(&mut self, is_exact: bool) -> Result<(), String> {
        let mut seen = std::mem::take(&mut self.outputs);
        let mut expected = std::mem::take(&mut self.model.woken);
        if !is_exact {
            for seen in &mut seen {
                seen.0 = Time::EPOCH;
            }
            for woken in &mut expected {
                woken.at = Time::EPOCH;
            }
        }
        seen.sort_by_key(|seen| (seen.0, seen.1));
        expected.sort_by_key(|woken| (woken.at, woken.id));
        let who: Vec<_> = seen.iter().map(|seen| (seen.0, Some(seen.1))).collect();
        let who_expected: Vec<_> = expected.iter().map(|woken| (woken.at, woken.id)).collect();
        if who != who_expected {
            return Err(format!("answered were {who:?}, expected {who_expected:?}"));
        }
        for ((_, waiter, result), woken) in seen.into_iter().zip(expected) {
            let expected = woken.result.map_err(|fault| vec![fault]);
            let given = compare::agree(result, expected).map_err(|what| format!("{waiter:?}: {what}"))?;
            if let Some((deliveries, given)) = given {
                compare::deliveries(&mut self.model, &given, &deliveries)?;
            }
        }
        let is_awake = self.model.waiters.is_empty() && self.model.queues().all(|queue| !has_running_task(queue));
        match self.engine.next_wakeup() {
            Some(at) if is_awake => Err(format!("a wake-up at {at}, and nobody waits")),
            _ => Ok(()),
        }
    }

    fn compare_state(&mut self) -> Result<(), String> {
        if self.options.checks {
            self.engine.check();
        }
        let (now, queues) = (self.model.now, self.model.list("", None, usize::MAX));
        compare::same(&self.engine.queues().cloned().collect::<Vec<_>>(), &queues)?;
        for queue in queues {
            let seen = self.engine.queue_attributes(now, queue.as_str());
            compare::equal(seen, self.model.attributes(queue.as_str()))?;
            let seen = self.engine.peek(now, queue.as_str(), 0, usize::MAX);
            let peeked = compare::agree(seen, self.model.peek(queue.as_str(), 0, usize::MAX))?;
            let (seen, expected) = peeked.ok_or("the queue is not there")?;
            compare::peeked(&mut self.model, &expected, &seen).map_err(|what| format!("in {queue}: {what}"))?;
        }
        // Looking lets nothing happen.
        self.engine.poll_output().map_or(Ok(()), |output| Err(format!("{output:?} after a look")))
    }

    fn apply(&mut self, now: Time, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::Send { queue, message } => {
                let seen = self.engine.send(now, queue.as_str(), message.clone());
                self.trace(&seen);
                self.fifo.check_copies(&mut self.engine, now, &queue, &message, seen.as_ref().ok())?;
                let expected = self.model.send(queue.as_str(), message);
                let Some((seen, expected)) = compare::agree(seen, expected)? else { return Ok(()) };
                compare::sent(&mut self.model, &expected, &seen)
            }
            Operation::Receive { queue, request } => {
                let seen = self.engine.receive(now, queue.as_str(), request.clone());
                self.trace(&seen);
                let expected = self.model.receive(queue.as_str(), &request);
                self.received(now, &queue, seen, expected)
            }
            Operation::Delete { queue, handle } => {
                let seen = self.engine.delete(now, queue.as_str(), handle);
                self.trace(&seen);
                compare::equal(seen, self.model.delete(queue.as_str(), handle))
            }
            Operation::ChangeVisibility { queue, handle, timeout } => {
                let seen = self.engine.change_visibility(now, queue.as_str(), handle, timeout);
                self.trace(&seen);
                compare::equal(seen, self.model.change_visibility(queue.as_str(), handle, timeout))
            }
            Operation::Cancel { waiter } => {
                self.engine.cancel(waiter);
                self.waiting.remove(&waiter);
                self.model.cancel(waiter);
                Ok(())
            }
            Operation::Admit { queue, action } => {
                let seen = self.engine.admit(now, queue.as_str(), action);
                self.trace(&seen);
                compare::equal(seen, self.model.admit(queue.as_str(), action))
            }
            Operation::Peek { queue, skip, max } => {
                let seen = self.engine.peek(now, queue.as_str(), skip, max);
                let peeked = compare::agree(seen, self.model.peek(queue.as_str(), skip, max))?;
                peeked.map_or(Ok(()), |(seen, expected)| compare::peeked(&mut self.model, &expected, &seen))
            }
            Operation::StartTask { .. } | Operation::Tasks { .. } | Operation::CancelTask { .. } => {
                self.apply_to_tasks(now, operation)
            }
            operation => self.apply_to_queues(now, operation),
        }
    }

    fn received(
        &mut self,
        now: Time,
        queue: &QueueArn,
        seen: Result<Received, EngineError>,
        expected: Answer<model::Received>,
    ) -> Result<(), String> {
        let Some(both) = compare::agree(seen, expected)? else { return Ok(()) };
        match both {
            (Received::Now(deliveries), model::Received::Now(given)) => {
                self.saw(queue, &deliveries);
                self.fifo.check_order(&mut self.engine, now, queue, &deliveries)?;
                compare::deliveries(&mut self.model, &given, &deliveries)
            }
            (Received::Waiting(id), model::Received::Waiting(number)) => {
                self.waiting.insert(id, queue.clone());
                self.model.learn_waiter(number, id);
                Ok(())
            }
            (seen, expected) => Err(format!("received {seen:?}, expected {expected:?}")),
        }
    }

    fn apply_to_tasks(&mut self, now: Time, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::StartTask { queue, destination, rate } => {
                let destination = destination.as_ref().map(QueueArn::as_str);
                let seen = self.engine.start_move_task(now, queue.as_str(), destination, rate);
                self.trace(&seen);
                let expected = self.model.start_task(queue.as_str(), destination, rate);
                if let Some((id, ())) = compare::agree(seen, expected)? {
                    self.model.learn_task(queue.as_str(), id);
                    self.workload.saw_task(&queue, id.to_string());
                }
                Ok(())
            }
            Operation::Tasks { queue } => {
                let seen = self.engine.move_tasks(now, queue.as_str());
                self.trace(&seen);
                let tasks = compare::agree(seen, self.model.tasks(queue.as_str()))?;
                tasks.map_or(Ok(()), |(seen, expected)| compare::tasks(&seen, &expected))
            }
            Operation::CancelTask { queue, id } => {
                let seen = self.engine.cancel_move_task(now, queue.as_str(), &id);
                self.trace(&seen);
                compare::equal(seen, self.model.cancel_task(queue.as_str(), &id))
            }
            other => unreachable!("{other:?} is not about tasks"),
        }
    }

    fn apply_to_queues(&mut self, now: Time, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::CreateQueue { name, attributes } => {
                let seen = self.engine.create_queue(now, &Workload::scope(), &name, &attributes);
                self.trace(&seen);
                compare::equal(seen, self.model.create_queue(&name, &attributes))
            }
            Operation::DeleteQueue { queue } => {
                self.fifo.forget(&queue);
                compare::equal(self.engine.delete_queue(now, queue.as_str()), self.model.delete_queue(queue.as_str()))
            }
            Operation::SetAttributes { queue, attributes } => {
                let seen = self.engine.set_queue_attributes(now, queue.as_str(), &attributes);
                self.trace(&seen);
                compare::equal(seen, self.model.set_attributes(queue.as_str(), &attributes))
            }
            Operation::GetAttributes { queue } => {
                let seen = self.engine.queue_attributes(now, queue.as_str());
                self.trace(&seen);
                compare::equal(seen, self.model.attributes(queue.as_str()))?;
                let sources = self.engine.dead_letter_sources(queue.as_str()).cloned().unwrap_or_default();
                compare::same(&sources.into_iter().collect::<Vec<_>>(), &self.model.sources(queue.as_str()))
            }
            Operation::Purge { queue } => {
                let seen = self.engine.purge_queue(now, queue.as_str());
                if seen.is_ok() {
                    self.fifo.forget(&queue);
                }
                compare::equal(seen, self.model.purge(queue.as_str()))
            }
            Operation::Tag { queue, tags } => {
                let seen = self.engine.tag_queue(queue.as_str(), tags.clone());
                compare::equal(seen, self.model.tag(queue.as_str(), tags))?;
                compare::equal(self.engine.tags(queue.as_str()).cloned(), self.model.tags(queue.as_str()))
            }
            Operation::Untag { queue, keys } => {
                let seen = self.engine.untag_queue(queue.as_str(), keys.iter().copied());
                compare::equal(seen, self.model.untag(queue.as_str(), &keys))?;
                compare::equal(self.engine.tags(queue.as_str()).cloned(), self.model.tags(queue.as_str()))
            }
            Operation::List { prefix, after, max } => {
                let seen = self.engine.list_queues(&Workload::scope(), prefix, after, max);
                compare::same(&seen, &self.model.list(prefix, after, max))
            }
            Operation::Reset => {
                self.fifo.forget_all();
                self.engine.reset(now);
                self.model.reset();
                Ok(())
            }
            Operation::Wait => {
                self.engine.advance(now);
                Ok(())
            }
            other => unreachable!("{other:?} is not about queues"),
        }
    }
}

fn has_running_task(queue: &model::Queue) -> bool {
    queue.tasks.iter().any(|task| task.status == MoveTaskStatus::Running)
}

/// Whether the call tells the engine the time.
const fn takes_time(operation: &Operation) -> bool {
    !matches!(
        operation,
        Operation::Cancel { .. }
            | Operation::Admit { .. }
            | Operation::Tag { .. }
            | Operation::Untag { .. }
            | Operation::List { .. }
    )
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("recent", &self.recent).finish_non_exhaustive()
    }
}
