//! Numbers at the ends of their types, which the simulation does not reach: whatever is called with them, at whatever time,
//! there is an answer, no panic, and every invariant holds.

use super::*;

const MOMENTS: [u64; 9] = [
    0,
    1,
    999,
    1_800_000_000_000,
    i64::MAX as u64,
    u64::MAX - 1_209_600_000,
    u64::MAX - 300_000,
    u64::MAX - 1,
    u64::MAX,
];

const DURATIONS: [Duration; 9] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_secs(1),
    Duration::from_secs(43_200),
    Duration::from_secs(1_209_600),
    Duration::from_millis(u64::MAX),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

/// Limits that let every number through, but none of which nothing could ever be received.
fn unlimited() -> Limits {
    Limits {
        delay_seconds: 0..=u64::MAX,
        visibility_timeout_seconds: 0..=u64::MAX,
        visibility_timeout_total_max: Duration::MAX,
        retention_period_seconds: 0..=u64::MAX,
        message_bytes: 0..=u64::MAX,
        wait_time_seconds: 0..=u64::MAX,
        receive_messages: 1..=u64::MAX,
        receive_count: 1..=u64::MAX,
        in_flight_max: usize::MAX,
        deduplication_interval: Duration::MAX,
        fifo_calls_per_second: Some(u32::MAX),
        move_rate: 0..=u64::MAX,
        purge_interval: Duration::MAX,
        recreate_interval: Duration::MAX,
        ..Limits::STRICT
    }
}

struct Extremes {
    engine: Engine,
    ids: IdSource,
    /// Which of the moments it is, and which are still to come.
    moment: usize,
    queues: Vec<String>,
    handles: Vec<ReceiptHandle>,
    waiters: Vec<WaiterId>,
    answers: usize,
}

impl Extremes {
    fn new(seed: u64, limits: Limits) -> Self {
        let mut it = Self {
            engine: Engine::new(limits, seed),
            ids: IdSource::seeded(seed),
            moment: 0,
            queues: Vec::new(),
            handles: Vec::new(),
            waiters: Vec::new(),
            answers: 0,
        };
        for name in ["dead", "jobs", "dead.fifo", "jobs.fifo"] {
            let name = QueueName::parse(name, it.engine.limits()).unwrap();
            let fifo = [Attribute::FifoQueue(true), Attribute::ContentBasedDeduplication(true)];
            let attributes = if name.is_fifo() { fifo.as_slice() } else { &[] };
            let arn = it.engine.create_queue(Time::EPOCH, &Scope::default(), &name, attributes).unwrap();
            it.queues.push(arn.as_str().to_owned());
        }
        it
    }

    fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        let index = self.ids.next_u64() % among.len() as u64;
        among[usize::try_from(index).unwrap()].clone()
    }

    fn duration(&mut self) -> Option<Duration> {
        let some = self.pick(&DURATIONS);
        self.pick(&[None, Some(some)])
    }

    fn step(&mut self) {
        if self.moment + 1 < MOMENTS.len() && self.ids.next_u64().is_multiple_of(40) {
            self.moment += 1;
        }
        let (now, queue) = (Time::from_millis(MOMENTS[self.moment]), self.pick(&self.queues.clone()));
        match self.ids.next_u64() % 10 {
            0..3 => self.send(now, &queue),
            3..6 => self.receive(now, &queue),
            6 => self.use_handle(now, &queue),
            7 => self.set(now, &queue),
            8 => self.move_messages(now, &queue),
            _ => {
                let (skip, max) = (self.pick(&[0, 1, usize::MAX]), self.pick(&[0, 1, usize::MAX]));
                let _ = self.engine.peek(now, &queue, skip, max);
                let _ = self.engine.postpone(now, &queue, max);
                let _ = self.engine.admit(now, &queue, QuotaAction::Send);
                if self.ids.next_u64().is_multiple_of(8) {
                    let _ = self.engine.purge_queue(now, &queue);
                }
            }
        }
        while let Some(Output::Answer { result, .. }) = self.engine.poll_output() {
            self.handles.extend(result.into_iter().flatten().map(|delivery| delivery.receipt_handle));
            self.answers += 1;
        }
        self.engine.check();
    }

    fn send(&mut self, now: Time, queue: &str) {
        let body = MessageBody::parse(self.ids.next_u64().to_string()).unwrap();
        let delay = self.duration().filter(|_| !queue.contains("fifo"));
        let group_id = self.pick(&[None, Some("g".to_owned()), Some("h".to_owned())]);
        let _ = self.engine.send(now, queue, SendMessage { delay, group_id, ..SendMessage::new(body) });
    }

    fn receive(&mut self, now: Time, queue: &str) {
        let request = Receive {
            max_messages: self.pick(&[0, 1, 10, u64::from(u32::MAX), u64::MAX]),
            visibility_timeout: self.duration(),
            wait_time: self.duration(),
            attempt_id: self.pick(&[None, Some("again".to_owned())]),
        };
        match self.engine.receive(now, queue, request) {
            Ok(Received::Now(deliveries)) => {
                self.handles.extend(deliveries.iter().map(|delivery| delivery.receipt_handle));
                self.answers += deliveries.len();
            }
            Ok(Received::Waiting(waiter)) => self.waiters.push(waiter),
            Err(_) => {}
        }
    }

    fn use_handle(&mut self, now: Time, queue: &str) {
        let Some(last) = self.handles.pop() else { return };
        let strange = ReceiptHandle { slot: u32::MAX, sequence: u64::MAX, receive: u32::MAX, ..last };
        let (handle, timeout) = (self.pick(&[last, last, strange]), self.pick(&DURATIONS));
        let _ = self.engine.change_visibility(now, queue, handle, timeout);
        let _ = self.engine.duplicate(now, queue, handle);
        if self.ids.next_u64().is_multiple_of(2) {
            let _ = self.engine.delete(now, queue, handle);
        }
        if let Some(waiter) = self.waiters.pop() {
            self.engine.cancel(waiter);
        }
    }

    fn set(&mut self, now: Time, queue: &str) {
        let duration = self.pick(&DURATIONS);
        let dead_letter_target = Scope::default().arn(if queue.contains("fifo") { "dead.fifo" } else { "dead" });
        let max_receive_count = self.pick(&[0, 1, u32::MAX]);
        let attribute = self.pick(&[
            Attribute::Delay(duration),
            Attribute::VisibilityTimeout(duration),
            Attribute::RetentionPeriod(duration),
            Attribute::WaitTime(duration),
            Attribute::RedrivePolicy(Some(RedrivePolicy { dead_letter_target, max_receive_count })),
        ]);
        let _ = self.engine.set_queue_attributes(now, queue, &[attribute]);
    }

    fn move_messages(&mut self, now: Time, queue: &str) {
        let rate = self.pick(&[None, Some(i64::MIN), Some(-1), Some(0), Some(1), Some(500), Some(i64::MAX)]);
        let destination = self.pick(&[None, Some(self.queues[1].clone()), Some(self.queues[3].clone())]);
        if let Ok(task) = self.engine.start_move_task(now, queue, destination.as_deref(), rate)
            && self.ids.next_u64().is_multiple_of(2)
        {
            let _ = self.engine.cancel_move_task(now, queue, &task.to_string());
        }
    }
}

#[test]
fn numbers_at_the_ends_of_their_types_are_answered() {
    let mut answers = 0;
    for seed in 0..50 {
        for limits in [Limits::STRICT, unlimited()] {
            let mut it = Extremes::new(seed, limits);
            (0..400).for_each(|_| it.step());
            answers += it.answers;
        }
    }
    assert!(answers > 1_000, "{answers} messages and ends of waits");
}
