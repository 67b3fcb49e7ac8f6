//! The engine alone.

use std::time::{Duration, Instant};

use local_queue::engine::{
    Attribute, Engine, Limits, MessageBody, QueueName, ReceiptHandle, Receive, Received, Scope, SendMessage, Time,
};

use super::{median, resident_bytes};

const ROUNDS: usize = 9;
const OPERATIONS: usize = 20_000;
const BODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An engine with one queue and a time that moves a little with every call.
struct Bench {
    engine: Engine,
    queue: String,
    now: u64,
    fifo: bool,
    groups: u64,
    sent: u64,
}

impl Bench {
    fn new(name: &str) -> Self {
        let limits = Limits { in_flight_max: usize::MAX, ..Limits::STRICT };
        let mut bench = Self {
            engine: Engine::new(limits, 1),
            queue: String::new(),
            now: 1_800_000_000_000,
            fifo: QueueName::parse(name, &Limits::STRICT).unwrap().is_fifo(),
            groups: 1,
            sent: 0,
        };
        bench.queue = bench.create(name);
        bench
    }

    fn create(&mut self, name: &str) -> String {
        let name = QueueName::parse(name, &Limits::STRICT).unwrap();
        let fifo = [Attribute::FifoQueue(true)];
        let attributes: &[Attribute] = if name.is_fifo() { &fifo } else { &[] };
        let arn = self.engine.create_queue(self.now(), &Scope::default(), &name, attributes).unwrap();
        arn.as_str().to_owned()
    }

    fn now(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn send(&mut self) {
        self.sent += 1;
        let mut message = SendMessage::new(MessageBody::parse(BODY).unwrap());
        if self.fifo {
            message.group_id = Some((self.sent % self.groups).to_string());
            message.deduplication_id = Some(self.sent.to_string());
        }
        self.engine.send(self.now(), &self.queue, message).unwrap();
    }

    fn receive(&mut self) -> ReceiptHandle {
        match self.engine.receive(self.now(), &self.queue, Receive::default()).unwrap() {
            Received::Now(deliveries) => deliveries[0].receipt_handle,
            Received::Waiting(_) => unreachable!("a short poll does not wait"),
        }
    }

    fn change(&mut self, handle: ReceiptHandle) {
        self.engine.change_visibility(self.now(), &self.queue, handle, Duration::from_secs(600)).unwrap();
    }

    fn delete(&mut self, handle: ReceiptHandle) {
        self.engine.delete(self.now(), &self.queue, handle).unwrap();
    }

    /// Nanoseconds of each operation, on messages that come and go.
    fn round(&mut self) -> [f64; 4] {
        let mut handles = Vec::with_capacity(OPERATIONS);
        let timed = |bench: &mut Self, run: &mut dyn FnMut(&mut Self)| {
            let start = Instant::now();
            run(bench);
            start.elapsed().as_nanos() as f64 / OPERATIONS as f64
        };
        let send = timed(self, &mut |bench| (0..OPERATIONS).for_each(|_| bench.send()));
        let receive = timed(self, &mut |bench| handles.extend((0..OPERATIONS).map(|_| bench.receive())));
        let change = timed(self, &mut |bench| handles.iter().for_each(|handle| bench.change(*handle)));
        let delete = timed(self, &mut |bench| handles.iter().for_each(|handle| bench.delete(*handle)));
        [send, receive, change, delete]
    }
}

pub(super) fn operations() {
    let mut bench = Bench::new("jobs");
    let rounds = (0..ROUNDS).map(|_| bench.round()).collect::<Vec<_>>();
    let total = medians(&rounds).iter().sum::<f64>();
    println!("  {:.2} M operations/s (send, receive, change visibility, delete in turn)", 4_000.0 / total);
}

fn medians(rounds: &[[f64; 4]]) -> [f64; 4] {
    [0, 1, 2, 3].map(|index| median(&mut rounds.iter().map(|round| round[index]).collect::<Vec<_>>()))
}

/// Each case beside a small queue of the same kind, in interleaved rounds.
pub(super) fn scaling() {
    println!("  {:<44} {:>12} {:>12} {:>12} {:>12}", "ns (ratio)", "send", "receive", "change", "delete");
    compare("1,000,000 messages in the queue", small("jobs"), {
        let mut bench = Bench::new("jobs");
        (0..1_000_000).for_each(|_| bench.send());
        bench
    });
    compare("100,000 messages in flight", small("jobs"), {
        let mut bench = small("jobs");
        for _ in 0..100_000 {
            bench.send();
            bench.receive();
        }
        bench
    });
    compare("10,000 queues", small("jobs"), {
        let mut bench = small("jobs");
        for number in 0..10_000 {
            bench.create(&format!("queue-{number}"));
        }
        bench
    });
    compare("1,000 waiting receivers", small("jobs"), {
        let mut bench = small("jobs");
        let other = bench.create("other");
        let request = Receive { wait_time: Some(Duration::from_secs(20)), ..Receive::default() };
        for _ in 0..1_000 {
            bench.engine.receive(bench.now(), &other, request.clone()).unwrap();
        }
        bench
    });
    let groups = |groups: u64| {
        let mut bench = Bench { groups, ..Bench::new("jobs.fifo") };
        (0..100_000).for_each(|_| bench.send());
        bench
    };
    compare("100,000 FIFO groups (beside 40,000)", groups(40_000), groups(100_000));
}

fn small(name: &str) -> Bench {
    let mut bench = Bench::new(name);
    (0..1_000).for_each(|_| bench.send());
    bench
}

fn compare(name: &str, mut small: Bench, mut large: Bench) {
    let (mut beside, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        beside.push(small.round());
        rounds.push(large.round());
    }
    let (beside, medians) = (medians(&beside), medians(&rounds));
    let cells = [0, 1, 2, 3].map(|index| format!("{:.0} ({:.2})", medians[index], medians[index] / beside[index]));
    println!("  {name:<44} {:>12} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2], cells[3]);
}

pub(super) fn memory() {
    const MESSAGES: u64 = 1_000_000;
    let mut bench = Bench::new("jobs");
    let before = resident_bytes();
    (0..MESSAGES).for_each(|_| bench.send());
    let bytes = (resident_bytes() - before) / MESSAGES;
    println!("  {bytes} bytes for each queued message of {} bytes, of {MESSAGES}", BODY.len());
}
