//! A second model of the queues: lists and scans, slow and meant to be obviously right.
//!
//! It is written from what is known of Amazon SQS, not from the engine's structures, and is compared with the engine
//! after every step of a [simulation](crate::run). It shares the engine's vocabulary - settings, attributes,
//! errors, moments - and none of its rules. Identifiers it cannot foretell: it learns each when it first sees it, and
//! insists on it from then on.
//!
//! Where Amazon leaves a choice, this is the one that both make:
//! - A standard queue hands out by arrival, whatever has become of a message meanwhile.
//! - At one moment, messages first expire, then become ready, then waiting receives are served (the longest waiting
//!   first, queue by queue), then message move tasks move, then waits end.
//! - Queues that act at one moment do so in the order of their places; a new queue takes the place freed last.
//! - Of several faults in one request, any may be answered.

mod messages;
mod queue;
mod queues;
mod tasks;

use std::collections::HashMap;

use local_queue_engine::{
    EngineError, Limits, MessageId, MoveTaskStatus, Place, QueueArn, ReceiptHandle, Receive, SequenceNumber, Time,
    WaiterId,
};

pub(crate) use self::{
    messages::{Received, Sent},
    queue::{Deduplication, Given, Handle, Message, Queue, Task},
};

/// An answer, or every fault of the request.
pub(crate) type Answer<T> = Result<T, Vec<EngineError>>;

/// A receive that waits, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// By what the engine knows it, once that is learned.
    pub(crate) id: Option<WaiterId>,
    number: u64,
    place: usize,
    request: Receive,
    deadline: Time,
}

/// The answer to a receive that waited.
#[derive(Debug)]
pub(crate) struct Woken {
    pub(crate) at: Time,
    /// What [`Received::Waiting`] said.
    pub(crate) number: u64,
    pub(crate) id: Option<WaiterId>,
    pub(crate) result: Result<Vec<Given>, EngineError>,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    /// Queues by place.
    pub(crate) places: Vec<Option<Queue>>,
    freed: Vec<usize>,
    deleted: Vec<(QueueArn, Time)>,
    pub(crate) waiters: Vec<Waiter>,
    /// Answers that nobody has taken yet.
    pub(crate) woken: Vec<Woken>,
    arrivals: u64,
    created: u64,
    waits: u64,
    ids: Vec<Option<MessageId>>,
    numbers: Vec<Option<SequenceNumber>>,
    handles: HashMap<ReceiptHandle, Handle>,
    given: HashMap<Handle, ReceiptHandle>,
}

impl Model {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Time::EPOCH,
            places: Vec::new(),
            freed: Vec::new(),
            deleted: Vec::new(),
            waiters: Vec::new(),
            woken: Vec::new(),
            arrivals: 0,
            created: 0,
            waits: 0,
            ids: Vec::new(),
            numbers: Vec::new(),
            handles: HashMap::new(),
            given: HashMap::new(),
        }
    }

    // Queues.

    pub(crate) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.places.iter().flatten()
    }

    pub(crate) fn find(&self, arn: &str) -> Option<usize> {
        self.places.iter().position(|queue| queue.as_ref().is_some_and(|queue| queue.arn.as_str() == arn))
    }

    fn place(&self, arn: &str) -> Answer<usize> {
        self.find(arn).ok_or_else(|| vec![EngineError::QueueDoesNotExist { queue: arn.to_owned() }])
    }

    fn at(&mut self, place: usize) -> &mut Queue {
        self.places[place].as_mut().expect("the place is taken")
    }

    // Time.

    /// The next moment at which something happens by itself.
    pub(crate) fn next_event(&self) -> Option<Time> {
        let changes = self.queues().filter_map(Queue::next_change);
        let tasks = self.queues().flat_map(|queue| &queue.tasks);
        let moves = tasks.filter(|task| task.status == MoveTaskStatus::Running).map(|task| task.next_at);
        changes.chain(moves).chain(self.waiters.iter().map(|waiter| waiter.deadline)).min()
    }

    /// Lets time pass, from one moment at which something happens to the next.
    pub(crate) fn advance(&mut self, to: Time) {
        while let Some(at) = self.next_event().filter(|at| *at <= to) {
            self.now = self.now.max(at);
            let now = self.now;
            for queue in self.places.iter_mut().flatten() {
                queue.pass(now);
            }
            for place in 0..self.places.len() {
                self.settle(place);
            }
            for place in 0..self.places.len() {
                let task = self.places[place].as_mut().and_then(Queue::running);
                if task.is_some_and(|task| task.next_at <= now) {
                    self.move_on(place);
                }
            }
            while let Some(index) = self.first_overdue() {
                self.wake(index, Ok(Vec::new()));
            }
        }
        self.now = to;
    }

    fn first_overdue(&self) -> Option<usize> {
        let overdue = self.waiters.iter().enumerate().filter(|(_, waiter)| waiter.deadline <= self.now);
        overdue.min_by_key(|(_, waiter)| (waiter.deadline, waiter.number)).map(|(index, _)| index)
    }

    fn wake(&mut self, index: usize, result: Result<Vec<Given>, EngineError>) {
        let waiter = self.waiters.remove(index);
        self.woken.push(Woken { at: self.now, number: waiter.number, id: waiter.id, result });
    }

    /// Serves the receives that wait for a queue. If that sends messages to a dead-letter queue, those who wait there
    /// come next.
    fn settle(&mut self, place: usize) {
        if self.places[place].is_none() {
            return;
        }
        let (now, in_flight_max) = (self.now, self.limits.in_flight_max);
        let mut buried_in = None;
        loop {
            self.at(place).pass(now);
            let queue = self.at(place);
            let serves = queue.has_available() && queue.count(Place::InFlight) < in_flight_max;
            let waiter = self.waiters.iter().position(|waiter| waiter.place == place);
            let Some(waiter) = waiter.filter(|_| serves) else { break };
            let request = self.waiters[waiter].request.clone();
            let (given, dead_letter_place) = self.take(place, &request);
            buried_in = buried_in.or(dead_letter_place);
            if !given.is_empty() {
                self.wake(waiter, Ok(given));
            }
        }
        if let Some(dead_letter_place) = buried_in {
            self.settle(dead_letter_place);
        }
    }

    // What only the engine can say.

    fn new_id(&mut self) -> usize {
        self.ids.push(None);
        self.ids.len() - 1
    }

    fn new_number(&mut self) -> usize {
        self.numbers.push(None);
        self.numbers.len() - 1
    }

    fn new_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// Learns a message's id, or says that it is another than before, or that of another message.
    pub(crate) fn learn_id(&mut self, index: usize, id: MessageId) -> Result<(), String> {
        match self.ids[index] {
            Some(known) if known != id => Err(format!("message id {id}, expected {known}")),
            Some(_) => Ok(()),
            None if self.ids.contains(&Some(id)) => Err(format!("message id {id} is another message's")),
            None => {
                self.ids[index] = Some(id);
                Ok(())
            }
        }
    }

    pub(crate) fn id(&self, index: usize) -> Option<MessageId> {
        self.ids[index]
    }

    /// Learns a sequence number, which grows from message to message.
    pub(crate) fn learn_number(&mut self, index: usize, number: SequenceNumber) -> Result<(), String> {
        match self.numbers[index] {
            Some(known) if known != number => return Err(format!("sequence number {number}, expected {known}")),
            Some(_) => return Ok(()),
            None => {}
        }
        let before = self.numbers[..index].iter().rev().flatten().next();
        let after = self.numbers[index..].iter().flatten().next();
        if before.is_some_and(|before| *before >= number) || after.is_some_and(|after| *after <= number) {
            return Err(format!("sequence number {number} does not grow"));
        }
        self.numbers[index] = Some(number);
        Ok(())
    }

    /// Learns a receipt handle: new for every receive, and the same when a receive is repeated.
    pub(crate) fn learn_handle(&mut self, handle: Handle, text: ReceiptHandle) -> Result<(), String> {
        match (self.given.get(&handle), self.handles.get(&text)) {
            (None, None) => {
                self.given.insert(handle, text);
                self.handles.insert(text, handle);
                Ok(())
            }
            (Some(known), Some(_)) if *known == text => Ok(()),
            (known, other) => Err(format!("{text:?} for {handle:?}; known are {known:?} and {other:?}")),
        }
    }

    /// Learns by what the engine calls the receive that began to wait last.
    pub(crate) fn learn_waiter(&mut self, number: u64, id: WaiterId) {
        let waiting = self.waiters.iter_mut().filter(|waiter| waiter.number == number).map(|waiter| &mut waiter.id);
        let woken = self.woken.iter_mut().filter(|woken| woken.number == number).map(|woken| &mut woken.id);
        for known in waiting.chain(woken) {
            *known = Some(id);
        }
    }
}
