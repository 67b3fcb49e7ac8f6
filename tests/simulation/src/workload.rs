//! A random workload: every seed switches some operations off and weights the others wildly, so that each run lingers in
//! another corner. Names, bodies and moments are few, so that they meet.

mod draw;

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use local_queue_engine::{
    Attribute, Limits, QueueArn, QueueName, QuotaAction, ReceiptHandle, Receive, Scope, SendMessage, Time, WaiterId,
};

use crate::model::Model;

/// One call of the engine.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    CreateQueue {
        name: QueueName,
        attributes: Vec<Attribute>,
    },
    DeleteQueue {
        queue: QueueArn,
    },
    SetAttributes {
        queue: QueueArn,
        attributes: Vec<Attribute>,
    },
    GetAttributes {
        queue: QueueArn,
    },
    Purge {
        queue: QueueArn,
    },
    Tag {
        queue: QueueArn,
        tags: BTreeMap<String, String>,
    },
    Untag {
        queue: QueueArn,
        keys: Vec<&'static str>,
    },
    List {
        prefix: &'static str,
        after: Option<&'static str>,
        max: usize,
    },
    Send {
        queue: QueueArn,
        message: SendMessage,
    },
    Receive {
        queue: QueueArn,
        request: Receive,
    },
    Delete {
        queue: QueueArn,
        handle: ReceiptHandle,
    },
    ChangeVisibility {
        queue: QueueArn,
        handle: ReceiptHandle,
        timeout: Duration,
    },
    Cancel {
        waiter: WaiterId,
    },
    Admit {
        queue: QueueArn,
        action: QuotaAction,
    },
    StartTask {
        queue: QueueArn,
        destination: Option<QueueArn>,
        rate: Option<i64>,
    },
    Tasks {
        queue: QueueArn,
    },
    CancelTask {
        queue: QueueArn,
        id: String,
    },
    Peek {
        queue: QueueArn,
        skip: usize,
        max: usize,
    },
    Reset,
    /// Time passes, and nobody calls.
    Wait,
}

/// The operations, as often as a run is built from them when all weights are one.
const KINDS: usize = 20;

/// A call, and when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) now: Time,
    /// Whether the engine is woken when it asks for it. Otherwise time jumps.
    pub(crate) drives: bool,
    pub(crate) operation: Operation,
}

/// What makes one run differ from another.
#[derive(Debug)]
pub(crate) struct Workload {
    rng: Rng,
    pub(crate) limits: Limits,
    weights: [u32; KINDS],
    time_weights: [u32; 9],
    names: Vec<QueueName>,
    groups: u32,
    deduplication_ids: u32,
    bodies: u32,
    /// One of so many messages goes without a group.
    ungrouped: u32,
    /// Above so many messages a queue gets no more.
    messages_max: usize,
    /// One of so many values lies beside its range.
    fault_every: u32,
    receives_most: bool,
    jumps: bool,
    /// Receipt handles given lately.
    handles: Vec<(QueueArn, ReceiptHandle)>,
    task_ids: Vec<(QueueArn, String)>,
    /// Queues are created before anything else.
    unborn: Vec<QueueName>,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut weights = [0; KINDS];
        for weight in &mut weights {
            *weight = if rng.u32(..10) < 3 { 0 } else { 1 << rng.u32(..7) };
        }
        // Without messages there is nothing to see; without restraint queues are gone before there is.
        weights[0] = 128 << rng.u32(..3);
        weights[1] = 128 << rng.u32(..3);
        for rare in [4, 7, 8, 9, 18] {
            weights[rare] /= 8 << rng.u32(..4);
        }
        weights[17] = weights[17].min(1) * rng.u32(..2);
        let mut time_weights = [0; 9];
        for weight in &mut time_weights {
            *weight = if rng.u32(..10) < 3 { 0 } else { 1 << rng.u32(..6) };
        }
        time_weights[0] = 16 << rng.u32(..5);
        // After hours and days little is left.
        time_weights[6] = time_weights[6].min(4);
        time_weights[7] = time_weights[7].min(2);
        time_weights[8] = u32::from(rng.u32(..4) == 0);
        let names: &[&str] = match rng.u32(..5) {
            0 => &["a", "b"],
            1 => &["a", "b", "c"],
            2 => &["a.fifo", "b.fifo"],
            3 => &["a.fifo", "b.fifo", "c.fifo"],
            _ => &["a", "b", "a.fifo", "b.fifo"],
        };
        let names: Vec<QueueName> =
            names.iter().map(|name| QueueName::parse(name, &Limits::STRICT).expect("the name is valid")).collect();
        let is_crowded = rng.u32(..6) == 0;
        Self {
            limits: limits(&mut rng),
            weights,
            time_weights,
            groups: if rng.bool() { 1 + rng.u32(..3) } else { 1 + rng.u32(..12) },
            deduplication_ids: [2, 5, 12, 40, 1_000_000, 1_000_000][rng.usize(..6)],
            bodies: 1 + rng.u32(..4),
            ungrouped: 2 + rng.u32(..40),
            messages_max: if is_crowded { 120 } else { 4 + rng.usize(..28) },
            fault_every: 8 << rng.u32(..5),
            receives_most: rng.bool() || is_crowded,
            jumps: rng.u32(..8) == 0,
            handles: Vec::new(),
            task_ids: Vec::new(),
            unborn: names.clone(),
            names,
            rng,
        }
    }

    /// Remembers a receipt handle, to use it and to misuse it.
    pub(crate) fn saw_handle(&mut self, queue: &QueueArn, handle: ReceiptHandle) {
        if self.handles.len() == 48 {
            self.handles.remove(0);
        }
        self.handles.push((queue.clone(), handle));
    }

    pub(crate) fn saw_task(&mut self, queue: &QueueArn, id: String) {
        self.task_ids.push((queue.clone(), id));
    }

    /// The next step. The model is asked only for what is worth trying now.
    pub(crate) fn next(&mut self, model: &Model) -> Step {
        let now = self.next_time(model);
        let drives = !self.jumps || self.rng.u32(..4) == 0;
        let operation = match self.unborn.pop() {
            Some(name) => self.create(name),
            None => self.next_operation(model),
        };
        Step { now, drives, operation }
    }

    fn next_operation(&mut self, model: &Model) -> Operation {
        let queue = self.queue();
        // What is not there is mostly created again.
        if model.find(queue.as_str()).is_none() && self.rng.bool() {
            let name = self.name();
            return self.create(name);
        }
        match self.pick() {
            0 => self.send_or_receive(queue, model),
            1 => Operation::Receive { request: self.receive(), queue },
            2 => self.with_handle(queue, |queue, handle, _| Operation::Delete { queue, handle }),
            3 => self.with_handle(queue, |queue, handle, workload| {
                let timeout = workload.visibility_timeout();
                Operation::ChangeVisibility { queue, handle, timeout }
            }),
            4 => Operation::Purge { queue },
            5 => Operation::SetAttributes { attributes: self.attributes(&queue), queue },
            6 => Operation::GetAttributes { queue },
            7 => {
                let name = self.name();
                self.create(name)
            }
            8 => Operation::DeleteQueue { queue },
            9 => Operation::Wait,
            10 => Operation::Tag { queue, tags: self.tags() },
            11 => Operation::Untag { queue, keys: vec![["x", "y", "z"][self.rng.usize(..3)]] },
            12 => self.list(),
            13 => match self.rng.choice(&model.waiters).and_then(|waiter| waiter.id) {
                Some(waiter) => Operation::Cancel { waiter },
                None => Operation::Wait,
            },
            14 => Operation::Admit { queue, action: self.action() },
            15 => self.start_task(queue),
            16 => Operation::Tasks { queue },
            17 => Operation::Reset,
            18 => self.cancel_task(queue),
            _ => Operation::Peek { queue, skip: self.rng.usize(..4), max: self.rng.usize(..6) },
        }
    }

    fn send_or_receive(&mut self, queue: QueueArn, model: &Model) -> Operation {
        let messages = model.queues().find(|it| it.arn == queue).map_or(0, |queue| queue.messages.len());
        if messages < self.messages_max {
            return Operation::Send { message: self.message(queue.is_fifo()), queue };
        }
        // A full queue is emptied again, somehow.
        match self.rng.u32(..8) {
            0 => Operation::Purge { queue },
            1 | 2 => Operation::Receive { request: Receive { max_messages: 10, ..Receive::default() }, queue },
            _ => self.with_handle(queue, |queue, handle, _| Operation::Delete { queue, handle }),
        }
    }

    /// An index into the weights, drawn by them.
    fn pick(&mut self) -> usize {
        weighted(&mut self.rng, &self.weights)
    }

    fn next_time(&mut self, model: &Model) -> Time {
        let now = model.now;
        let millis = Duration::from_millis;
        let event = model.next_event().unwrap_or(now).max(now);
        let next = match weighted(&mut self.rng, &self.time_weights) {
            0 => now,
            1 => now + millis(1),
            2 => event,
            3 => event + millis(1),
            4 => (event - millis(1)).max(now),
            5 => now + millis(self.rng.u64(..30_000)),
            6 => now + millis(60_000 * (1 + self.rng.u64(..5)) + self.rng.u64(..3) - 1),
            7 => now + Duration::from_secs(3_600 * (1 + self.rng.u64(..12))),
            _ => now + Duration::from_secs(86_400 * (1 + self.rng.u64(..5))),
        };
        // Two tasks that move messages to and fro would make much work of a long time.
        let tasks = model.queues().flat_map(|queue| &queue.tasks);
        let running = tasks.filter(|task| task.status == local_queue_engine::MoveTaskStatus::Running);
        let moves_per_second = running.map(|task| u64::from(task.rate.unwrap_or(1_000))).sum::<u64>();
        200_000_u64.checked_div(moves_per_second).map_or(next, |most| next.min(now + millis(most)))
    }

    /// The last steps: no task runs, and whatever is there is received and deleted, until nothing is left.
    pub(crate) fn drain(&mut self, model: &Model, round: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut push = |now, operation| steps.push(Step { now, drives: true, operation });
        for queue in model.queues() {
            let queue_arn = || queue.arn.clone();
            for task in queue.tasks.iter().filter_map(|task| task.id) {
                push(model.now, Operation::CancelTask { queue: queue_arn(), id: task.to_string() });
            }
            push(model.now, Operation::Receive { queue: queue_arn(), request: draw::all() });
        }
        for (queue, handle) in self.handles.drain(..) {
            push(model.now, Operation::Delete { queue, handle });
        }
        if round % 4 == 3 {
            push(model.now + Duration::from_secs(43_200), Operation::Wait);
        }
        steps
    }

    pub(crate) fn scope() -> Scope {
        Scope::default()
    }
}

fn limits(rng: &mut Rng) -> Limits {
    let strict = Limits::STRICT;
    Limits {
        in_flight_max: [1, 3, 8, 40, 120_000, 120_000, 120_000, 120_000][rng.usize(..8)],
        fifo_calls_per_second: (rng.u32(..3) == 0).then(|| 1 + rng.u32(..3)),
        tags_max: if rng.bool() { 2 } else { strict.tags_max },
        purge_interval: if rng.u32(..4) == 0 { Duration::ZERO } else { strict.purge_interval },
        recreate_interval: if rng.bool() { Duration::ZERO } else { strict.recreate_interval },
        ..strict
    }
}

fn weighted(rng: &mut Rng, weights: &[u32]) -> usize {
    let mut left = rng.u32(..weights.iter().sum::<u32>());
    for (index, weight) in weights.iter().enumerate() {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return index,
        }
    }
    unreachable!("the draw is below the sum")
}
