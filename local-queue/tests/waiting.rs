//! Receives that wait: each is woken when it should be, whatever becomes of the others and of their runtimes.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    pin::pin,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use local_queue::{
    LocalQueue,
    clock::{Clock, ManualClock},
    engine::{Attribute, Delivery, EngineError, MessageBody, QueueArn, Receive, RedrivePolicy, SendMessage, Time},
};
use tokio::{runtime::Runtime, time::Instant};

/// Far more than anything here takes: whoever has no answer by then hangs.
const HANG: Duration = Duration::from_secs(20);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn waiting() -> Receive {
    Receive { wait_time: Some(seconds(20)), ..Receive::default() }
}

fn message(body: &str, delay: Duration) -> SendMessage {
    SendMessage { delay: Some(delay), ..SendMessage::new(MessageBody::parse(body).unwrap()) }
}

fn bodies(received: &Result<Vec<Delivery>, EngineError>) -> Vec<String> {
    received.as_ref().unwrap().iter().map(|delivery| delivery.message.body.as_str().to_owned()).collect()
}

/// Queues whose clock is moved by hand, whatever runtime looks at it.
struct ByHand {
    clock: ManualClock,
    queues: LocalQueue,
    jobs: QueueArn,
}

impl ByHand {
    fn new() -> Self {
        let clock = ManualClock::new(Time::from_millis(1_800_000_000_000));
        let queues = LocalQueue::builder().clock(Clock::manual(&clock)).build();
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        Self { clock, queues, jobs }
    }

    /// Begins to wait in a runtime; what it gets comes through the channel. Returns once it waits.
    fn wait_in(&self, runtime: &Runtime) -> mpsc::Receiver<Vec<String>> {
        let before = self.waiting();
        let (answer, answers) = mpsc::channel();
        let (queues, jobs) = (self.queues.clone(), self.jobs.clone());
        runtime.spawn(async move { answer.send(bodies(&queues.receive(&jobs, waiting()).await)) });
        while self.waiting() == before {
            thread::yield_now();
        }
        answers
    }

    fn waiting(&self) -> usize {
        self.queues.waiting_receives()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_receive_is_woken_although_the_runtime_of_the_one_before_it_has_ended() {
    let it = ByHand::new();
    let (first, second) = (runtime(), runtime());
    let gone = it.wait_in(&first);
    let stays = it.wait_in(&second);
    it.queues.send(&it.jobs, message("a", seconds(5))).unwrap();
    first.shutdown_timeout(HANG);
    assert!(gone.recv().is_err(), "it ended with its runtime");
    assert_eq!(it.waiting(), 1, "and waits no longer");
    it.clock.advance(seconds(5));
    assert_eq!(stays.recv_timeout(HANG).unwrap(), ["a"]);
    let last = it.wait_in(&second);
    it.clock.advance(seconds(20));
    assert!(last.recv_timeout(HANG).unwrap().is_empty(), "its wait is over");
}

#[test]
fn a_receive_is_woken_although_the_runtime_of_the_one_before_it_stands_still() {
    let it = ByHand::new();
    // What is spawned here runs only while somebody blocks on this runtime.
    let idle = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (queues, jobs) = (it.queues.clone(), it.jobs.clone());
    idle.spawn(async move { queues.receive(&jobs, waiting()).await });
    idle.block_on(tokio::task::yield_now());
    assert_eq!(it.waiting(), 1);
    let running = runtime();
    let stays = it.wait_in(&running);
    it.queues.send(&it.jobs, message("for the one that stands still", seconds(5))).unwrap();
    it.queues.send(&it.jobs, message("a", seconds(6))).unwrap();
    it.clock.advance(seconds(6));
    assert_eq!(stays.recv_timeout(HANG).unwrap(), ["a"]);
}

#[test]
fn a_receive_that_outlives_the_runtime_where_it_began_is_woken_in_the_next() {
    let it = ByHand::new();
    let mut receive = Box::pin(it.queues.receive(&it.jobs, waiting()));
    let first = runtime();
    let began = first.block_on(async { poll_once(&mut receive).await });
    assert!(began.is_none());
    first.shutdown_timeout(HANG);
    it.queues.send(&it.jobs, message("a", seconds(5))).unwrap();
    let (answer, answers) = mpsc::channel();
    let clock = it.clock.clone();
    thread::scope(|scope| {
        scope.spawn(move || answer.send(bodies(&runtime().block_on(receive))));
        clock.advance(seconds(5));
        assert_eq!(answers.recv_timeout(HANG).unwrap(), ["a"]);
    });
}

/// Polls once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

static SHARED: LazyLock<LocalQueue> = LazyLock::new(|| LocalQueue::builder().build());

async fn use_the_shared_queues(name: &str) {
    let queue = SHARED.create_queue(name, &[]).unwrap();
    for body in ["a", "b", "c"] {
        let (received, ()) = tokio::join!(SHARED.receive(&queue, waiting()), async {
            tokio::task::yield_now().await;
            SHARED.send(&queue, message(body, seconds(0))).unwrap();
        });
        assert_eq!(bodies(&received), [body]);
    }
    let one = Receive { wait_time: Some(seconds(1)), ..Receive::default() };
    let nothing = tokio::time::timeout(HANG, SHARED.receive(&queue, one)).await.expect("nobody hangs");
    assert!(bodies(&nothing).is_empty());
}

// Each in a runtime of its own, which ends with the test.

#[tokio::test]
async fn a_static_emulator_serves_one_test() {
    use_the_shared_queues("one").await;
}

#[tokio::test]
async fn a_static_emulator_serves_another_test() {
    use_the_shared_queues("another").await;
}

#[tokio::test(start_paused = true)]
async fn a_receive_is_on_time_although_the_first_of_them_is_dropped_or_not_polled() {
    let queues = LocalQueue::virtual_time();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let others = queues.create_queue("others", &[]).unwrap();
    let start = Instant::now();
    let dropped = Box::pin(queues.receive(&others, waiting()));
    let mut forgotten = Box::pin(queues.receive(&others, waiting()));
    assert!(poll_once(&mut forgotten).await.is_none());
    {
        let mut dropped = dropped;
        assert!(poll_once(&mut dropped).await.is_none());
    }
    queues.send(&jobs, message("a", seconds(7))).unwrap();
    assert_eq!(bodies(&queues.receive(&jobs, waiting()).await), ["a"]);
    assert_eq!(start.elapsed(), seconds(7));
    assert!(bodies(&queues.receive(&jobs, waiting()).await).is_empty());
    assert_eq!(start.elapsed(), seconds(27));
    assert!(bodies(&forgotten.await).is_empty(), "its time was over long ago");
    assert_eq!(start.elapsed(), seconds(27));
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_that_wait_one_is_woken_by_a_message_and_all_at_the_end() {
    const COUNT: usize = 10_000;
    static POLLS: AtomicUsize = AtomicUsize::new(0);
    let queues = LocalQueue::virtual_time();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let receivers = (0..COUNT).map(|_| {
        let (queues, jobs) = (queues.clone(), jobs.clone());
        tokio::spawn(async move {
            let mut receive = Box::pin(queues.receive(&jobs, waiting()));
            std::future::poll_fn(|context| {
                POLLS.fetch_add(1, Ordering::Relaxed);
                receive.as_mut().poll(context)
            })
            .await
        })
    });
    let receivers = receivers.collect::<Vec<_>>();
    let start = Instant::now();
    let settled = async || {
        tokio::time::sleep(Duration::from_millis(1)).await;
        POLLS.swap(0, Ordering::Relaxed)
    };
    assert_eq!(settled().await, COUNT);
    queues.send(&jobs, message("a", seconds(0))).unwrap();
    assert_eq!(settled().await, 1, "polls after a message");
    queues.send(&jobs, message("b", seconds(5))).unwrap();
    assert_eq!(settled().await, 0, "polls after a message that is delayed");
    tokio::time::sleep_until(start + Duration::from_millis(5_002)).await;
    assert_eq!(settled().await, 1, "polls after its delay");
    tokio::time::sleep_until(start + Duration::from_millis(19_990)).await;
    assert_eq!(settled().await, 0, "polls before the end");
    let mut woken = 0;
    for receiver in receivers {
        woken += bodies(&receiver.await.unwrap()).len();
    }
    assert_eq!((woken, start.elapsed()), (2, seconds(20)));
    assert_eq!(settled().await, COUNT - 2);
}

#[tokio::test(start_paused = true)]
async fn messages_move_while_somebody_waits_and_when_somebody_calls() {
    let queues = LocalQueue::virtual_time();
    let dead = queues.create_queue("dead", &[]).unwrap();
    let policy = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 1 };
    let jobs = queues.create_queue("jobs", &[Attribute::RedrivePolicy(Some(policy))]).unwrap();
    for body in ["a", "b", "c", "d"] {
        queues.send(&dead, message(body, seconds(0))).unwrap();
    }
    let start = Instant::now();
    let client = queues.client();
    let request = client.start_message_move_task().source_arn(dead.as_str()).destination_arn(jobs.as_str());
    request.max_number_of_messages_per_second(1).send().await.unwrap();
    for (body, at) in [("a", 0), ("b", 1)] {
        assert_eq!(bodies(&queues.receive(&jobs, waiting()).await), [body]);
        assert_eq!(start.elapsed().as_secs(), at);
    }
    tokio::time::advance(seconds(60)).await;
    assert_eq!(queues.queue_attributes(&jobs).unwrap().messages, 4, "two have come back, and two have moved");
    assert_eq!(queues.queue_attributes(&dead).unwrap().messages, 0);
}
