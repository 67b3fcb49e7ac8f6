//! What is done with queues while their disk is watched, and the states that they were in.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use super::disk::{MemoryDisk, below};
use crate::{
    Builder, Fault, LocalQueue,
    clock::{Clock, ManualClock},
    engine::{
        Attribute, Engine, EngineError, IdSource, MessageAttribute, MessageAttributes, MessageBody, QueueArn,
        ReceiptHandle, Receive, RedrivePolicy, SendMessage, Time,
    },
    journal::{Journal, JournalError, Opened, Options, disk::Disk},
    local_queue::{ReceiveStart, Waiting},
};

pub(super) const START: Time = Time::from_millis(1_800_000_000_000);
pub(super) const PREFIX: &str = "arn:aws:sqs:us-east-1:000000000000:";

/// Small files, so that a short workload has several.
pub(super) fn options() -> Options {
    Options { segment_bytes: 6_000, step_bytes: 2_048, kept_bytes: 1_024, is_inline: true, ..Options::default() }
}

pub(super) fn builder(clock: &ManualClock) -> Builder {
    LocalQueue::builder().clock(Clock::manual(clock)).seed(7)
}

pub(super) fn open(
    disk: &MemoryDisk,
    clock: &ManualClock,
    options: Options,
) -> Result<(LocalQueue, Opened), JournalError> {
    let builder = builder(clock);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let start = Journal::open_on(&disk, &builder.owner(), options)?;
    Ok(builder.begin(start))
}

/// A number that stands for a state.
pub(super) fn state_of(engine: &Engine) -> u64 {
    let mut state = (0, 0_u64);
    engine.save(PREFIX, &mut |piece| state = (crc32c::crc32c_append(state.0, piece), state.1 + piece.len() as u64));
    u64::from(state.0) << 32 | state.1
}

/// Makes true what is due.
pub(super) fn catch_up(engine: &mut Engine, now: Time) {
    let arns = engine.queues().cloned().collect::<Vec<_>>();
    for arn in arns {
        engine.queue_attributes(now, arn.as_str()).unwrap();
    }
}

/// A seeded user of queues.
pub(super) struct Workload {
    pub(super) queues: LocalQueue,
    pub(super) clock: ManualClock,
    dice: IdSource,
    arns: Vec<QueueArn>,
    handles: Vec<(QueueArn, ReceiptHandle)>,
    waiting: Vec<Waiting>,
    /// The state after each record.
    pub(super) states: BTreeMap<u64, u64>,
    /// The last record of which somebody was answered.
    pub(super) answered: u64,
    /// When what has been answered, by how many changes of the disk there had been.
    pub(super) answers: Vec<(usize, u64)>,
    refused: u64,
}

impl Workload {
    pub(super) fn new(queues: LocalQueue, clock: ManualClock, seed: u64) -> Self {
        let mut workload = Self {
            queues,
            clock,
            dice: IdSource::seeded(IdSource::mix(seed)),
            arns: Vec::new(),
            handles: Vec::new(),
            waiting: Vec::new(),
            states: BTreeMap::new(),
            answered: 0,
            answers: Vec::new(),
            refused: 0,
        };
        workload.note_state();
        workload
    }

    fn journal(&self) -> u64 {
        self.queues.journal_figures().unwrap().0
    }

    /// Remembers the state after the last record.
    pub(super) fn note_state(&mut self) {
        loop {
            let before = self.journal();
            // Looking lets time pass, and may answer somebody, which is one more record.
            self.queues.call(|engine, now| {
                let arns = engine.queues().cloned().collect::<Vec<_>>();
                for arn in &arns {
                    engine.queue_attributes(now, arn.as_str()).unwrap();
                }
            });
            if self.journal() == before {
                let state = self.queues.call(|engine, _| state_of(engine));
                self.states.entry(before).or_insert(state);
                return;
            }
        }
    }

    /// Compares a state with what it was after a record. Faults that strike a receive make records of their own,
    /// between which and the receive's no state was noted.
    pub(super) fn compare(&self, engine: &Engine, last: u64, case: &str) {
        let Some(expected) = self.states.get(&last) else {
            let is_between = self.states.range(last.saturating_sub(3)..last + 3).count() > 1;
            return assert!(is_between, "{case}: nobody knows the state after record {last}");
        };
        assert_eq!(state_of(engine), *expected, "{case}: the state after record {last}");
    }

    /// Does something, and now and then waits until it is on the disk. Says whether it could.
    pub(super) fn step(&mut self, disk: &MemoryDisk) -> Result<(), EngineError> {
        let done = self.act();
        self.note_state();
        let waits = below(&mut self.dice, 3) > 0;
        let kept = if waits { self.wait() } else { Ok(()) };
        if waits && kept.is_ok() {
            self.answered = self.journal();
            self.answers.push((disk.changes(), self.answered));
        }
        if matches!(done, Err(EngineError::Unavailable { .. })) {
            self.refused += 1;
        }
        kept
    }

    fn wait(&self) -> Result<(), EngineError> {
        self.queues.wait(self.journal())
    }

    fn below(&mut self, end: usize) -> usize {
        below(&mut self.dice, end)
    }

    fn queue(&mut self) -> QueueArn {
        let at = self.below(self.arns.len());
        self.arns[at].clone()
    }

    fn act(&mut self) -> Result<(), EngineError> {
        if self.arns.len() < 4 {
            return self.create();
        }
        match self.below(24) {
            0..=5 => self.send(),
            6 => self.send_several(),
            7..=11 => self.receive(),
            12 | 13 => self.wait_for_messages(),
            14..=16 => self.delete(),
            17 => self.change_visibility(),
            18 => self.set_attributes(),
            19 => self.move_back(),
            20 => {
                self.go_away();
                Ok(())
            }
            21 => self.duplicate(),
            22 => {
                self.pass();
                Ok(())
            }
            _ => self.rarely(),
        }
    }

    fn create(&mut self) -> Result<(), EngineError> {
        let (name, attributes) = match self.arns.len() {
            0 => ("dead", Vec::new()),
            1 => {
                let policy = RedrivePolicy { dead_letter_target: self.arns[0].clone(), max_receive_count: 2 };
                ("jobs", vec![Attribute::RedrivePolicy(Some(policy)), Attribute::WaitTime(Duration::from_secs(5))])
            }
            2 => ("plain", vec![Attribute::VisibilityTimeout(Duration::from_secs(3))]),
            _ => ("line.fifo", vec![Attribute::FifoQueue(true), Attribute::ContentBasedDeduplication(true)]),
        };
        let created = self.call(|queues| queues.create_queue(name, &attributes))?;
        self.arns.push(created);
        Ok(())
    }

    /// A typed call waits for the disk; what it answers counts at once.
    fn call<T>(&mut self, call: impl FnOnce(&LocalQueue) -> Result<T, EngineError>) -> Result<T, EngineError> {
        call(&self.queues)
    }

    fn message(&mut self, queue: &QueueArn) -> SendMessage {
        let number = self.below(50);
        let body = MessageBody::parse(format!("{number}-{}", "x".repeat(self.below(300)))).unwrap();
        let mut message = SendMessage::new(body);
        if queue.is_fifo() || self.below(4) == 0 {
            message.group_id = Some(format!("group-{}", self.below(3)));
        }
        if self.below(4) == 0 {
            let attributes = BTreeMap::from([("color".to_owned(), MessageAttribute::string("red"))]);
            message.attributes = MessageAttributes::parse(attributes, &crate::engine::Limits::STRICT).unwrap();
        }
        if !queue.is_fifo() && self.below(5) == 0 {
            message.delay = Some(Duration::from_secs(self.below(10) as u64));
        }
        message
    }

    fn send(&mut self) -> Result<(), EngineError> {
        let queue = self.queue();
        let message = self.message(&queue);
        self.queues.call(|engine, now| engine.send(now, queue.as_str(), message)).map(drop)
    }

    fn send_several(&mut self) -> Result<(), EngineError> {
        let queue = self.queue();
        let messages = (0..4).map(|_| self.message(&queue)).collect::<Vec<_>>();
        self.queues.call(|engine, now| {
            messages.into_iter().try_for_each(|message| engine.send(now, queue.as_str(), message).map(drop))
        })
    }

    fn request(&mut self, wait: u64) -> Receive {
        let attempt_id = (self.below(4) == 0).then(|| format!("attempt-{}", self.below(3)));
        let max_messages = 1 + self.below(4) as u64;
        Receive { max_messages, wait_time: Some(Duration::from_secs(wait)), attempt_id, visibility_timeout: None }
    }

    fn receive(&mut self) -> Result<(), EngineError> {
        let (queue, request) = (self.queue(), self.request(0));
        if let ReceiveStart::Done(answered) = self.queues.begin_receive(&queue, request)? {
            let handles = answered.value.into_iter().map(|delivery| (queue.clone(), delivery.receipt_handle));
            self.handles.extend(handles);
        }
        Ok(())
    }

    fn wait_for_messages(&mut self) -> Result<(), EngineError> {
        let (queue, request) = (self.queue(), self.request(20));
        if let ReceiveStart::Waiting(waiting) = self.queues.begin_receive(&queue, request)? {
            self.waiting.push(*waiting);
        }
        Ok(())
    }

    /// Somebody who waits goes, or takes what it was answered.
    fn go_away(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let at = self.below(self.waiting.len());
        let mut waiting = self.waiting.swap_remove(at);
        if self.below(2) == 0 {
            let _ = waiting.poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn handle(&mut self) -> Option<(QueueArn, ReceiptHandle)> {
        if self.handles.is_empty() {
            return None;
        }
        let at = self.below(self.handles.len());
        Some(self.handles.swap_remove(at))
    }

    fn delete(&mut self) -> Result<(), EngineError> {
        let Some((queue, handle)) = self.handle() else { return Ok(()) };
        self.queues.call(|engine, now| engine.delete(now, queue.as_str(), handle))
    }

    fn change_visibility(&mut self) -> Result<(), EngineError> {
        let Some((queue, handle)) = self.handle() else { return Ok(()) };
        let timeout = Duration::from_secs(self.below(60) as u64);
        self.queues.call(|engine, now| engine.change_visibility(now, queue.as_str(), handle, timeout))
    }

    fn set_attributes(&mut self) -> Result<(), EngineError> {
        let (queue, seconds) = (self.queue(), 60 + self.below(100) as u64);
        let attributes = [Attribute::RetentionPeriod(Duration::from_secs(seconds))];
        self.queues.call(|engine, now| {
            engine.tag_queue(queue.as_str(), BTreeMap::from([("seconds".to_owned(), seconds.to_string())]))?;
            engine.set_queue_attributes(now, queue.as_str(), &attributes)
        })
    }

    fn move_back(&mut self) -> Result<(), EngineError> {
        let (dead, rate) = (self.arns[0].clone(), [None, Some(1), Some(500)][self.below(3)]);
        self.queues.call(|engine, now| engine.start_move_task(now, dead.as_str(), None, rate)).map(drop)
    }

    fn duplicate(&mut self) -> Result<(), EngineError> {
        let fault = if self.below(2) == 0 { Fault::duplicate_delivery() } else { Fault::reordering() };
        self.queues.faults().inject(fault.times(1)).unwrap();
        self.receive()
    }

    fn pass(&mut self) {
        let millis = 1 + self.below(8_000) as u64;
        self.clock.advance(Duration::from_millis(millis));
        self.queues.call(|engine, now| {
            engine.advance(now);
        });
    }

    fn rarely(&mut self) -> Result<(), EngineError> {
        let queue = self.queue();
        match self.below(4) {
            0 => self.queues.call(|engine, now| engine.purge_queue(now, queue.as_str())),
            1 => {
                let tags = ["seconds"];
                self.queues.call(|engine, _| engine.untag_queue(queue.as_str(), tags.into_iter()))
            }
            2 => {
                let limits = self.queues.limits().clone();
                let name = crate::engine::QueueName::parse(&format!("extra-{}", self.below(9)), &limits)?;
                let scope = self.queues.scope().clone();
                self.queues.call(|engine, now| engine.create_queue(now, &scope, &name, &[])).map(drop)
            }
            _ => {
                let extra = format!("{PREFIX}extra-{}", self.below(9));
                self.queues.call(|engine, now| engine.delete_queue(now, &extra))
            }
        }
    }
}
