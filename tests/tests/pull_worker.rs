//! The pull worker against the emulator through the real SDK's client, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    types::{QueueAttributeName, SendMessageBatchRequestEntry},
};
use handler::{
    batch::{BatchReport, Counts, JobContext, Observer, Outcome, Runner},
    dead_letter::SqsSink,
    event::Message,
    failure::{Blame, Failure},
    worker::{Worker, WorkerError, WorkerOptions, WorkerReport},
};
use local_queue::{LocalQueue, clock::Clock, engine::Time};
use tokio::{sync::oneshot, time::Instant};

/// A job that says how long it takes and how it ends: `SECONDS done`, `SECONDS later N` (fails N times), `SECONDS never`.
#[derive(Clone, Default)]
struct Timed {
    began: Arc<Mutex<BTreeMap<String, Vec<Instant>>>>,
    at_once: Arc<AtomicUsize>,
    at_once_max: Arc<AtomicUsize>,
}

impl Runner for Timed {
    type Job = String;
    type Output = ();

    fn parse(&self, body: &str) -> Result<String, Failure> {
        Ok(body.to_owned())
    }

    async fn run(&self, job: String, context: &JobContext) -> Result<(), Failure> {
        self.began.lock().unwrap().entry(job.clone()).or_default().push(Instant::now());
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
        let mut words = job.split(' ');
        tokio::time::sleep(Duration::from_secs(words.next().unwrap().parse().unwrap())).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        match (words.next().unwrap(), words.next().and_then(|count| count.parse::<u32>().ok())) {
            ("later", Some(times)) if context.message.receive_count() <= times => {
                Err(Failure::transient(Blame::Environment, "busy", "ask again"))
            }
            ("never", _) => Err(Failure::permanent(Blame::Job, "hopeless", "it will never be")),
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Tally(Mutex<Counts>);

impl Observer<()> for Tally {
    fn finished(&self, report: &BatchReport<()>) {
        let (mut all, counts) = (self.0.lock().unwrap(), report.counts());
        all.done += counts.done;
        all.dead_lettered += counts.dead_lettered;
        all.failed += counts.failed;
    }
}

struct Place {
    client: Client,
    fifo: bool,
    jobs: String,
    dead_letters: String,
    timed: Timed,
    tally: Arc<Tally>,
}

impl Place {
    async fn new() -> Self {
        Self::with_queues("").await
    }

    async fn with_queues(suffix: &str) -> Self {
        let queues = LocalQueue::builder().clock(Clock::tokio(Time::from_millis(1_800_000_000_000))).seed(1).build();
        let client = queues.client();
        let create = |name: &str| {
            let request = client.create_queue().queue_name(format!("{name}{suffix}"));
            let fifo = (!suffix.is_empty()).then(|| [(QueueAttributeName::FifoQueue, "true".to_owned())].into());
            request.set_attributes(fifo)
        };
        let jobs = create("jobs").send().await.unwrap().queue_url.unwrap();
        let dead_letters = create("dead-letters").send().await.unwrap().queue_url.unwrap();
        Self { client, fifo: !suffix.is_empty(), jobs, dead_letters, timed: Timed::default(), tally: Arc::default() }
    }

    async fn send(&self, bodies: &[String]) {
        for bodies in bodies.chunks(10) {
            let entry = |(index, body): (usize, &String)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
                let group = body.rsplit(' ').next().unwrap();
                let entry = if self.fifo {
                    entry.message_group_id(group).message_deduplication_id(body.replace(' ', "-"))
                } else {
                    entry
                };
                entry.build().unwrap()
            };
            let entries = bodies.iter().enumerate().map(entry).collect();
            let request = self.client.send_message_batch().queue_url(&self.jobs).set_entries(Some(entries));
            assert!(request.send().await.unwrap().failed.is_empty());
        }
    }

    async fn worker(&self, options: WorkerOptions) -> Worker<Timed, SqsSink> {
        let sink =
            SqsSink::new(self.client.clone(), Some(self.dead_letters.clone())).queue_url(Some(self.jobs.clone()));
        let (client, tally) = (self.client.clone(), self.tally.clone());
        Worker::connect(client, &self.jobs, self.timed.clone(), sink, tally, options).await.unwrap()
    }

    /// Visible, in flight and delayed messages of a queue.
    async fn depth(&self, url: &str) -> [usize; 3] {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let attributes = request.send().await.unwrap().attributes.unwrap();
        names.map(|name| attributes[&name].parse().unwrap())
    }

    fn counts(&self) -> Counts {
        *self.tally.0.lock().unwrap()
    }

    /// How often each job began.
    fn tries(&self) -> BTreeMap<String, usize> {
        self.timed.began.lock().unwrap().iter().map(|(job, began)| (job.clone(), began.len())).collect()
    }
}

/// An output that takes its task down when it is dropped: a defect outside of any job.
struct Grenade(bool);

impl Drop for Grenade {
    fn drop(&mut self) {
        assert!(!self.0, "asked to");
    }
}

/// Its first attempt at a message leaves a grenade.
#[derive(Clone, Default)]
struct Defective(Arc<Mutex<Vec<Instant>>>);

impl Runner for Defective {
    type Job = String;
    type Output = Grenade;

    fn parse(&self, body: &str) -> Result<String, Failure> {
        Ok(body.to_owned())
    }

    async fn run(&self, _: String, context: &JobContext) -> Result<Grenade, Failure> {
        self.0.lock().unwrap().push(Instant::now());
        Ok(Grenade(context.message.receive_count() == 1))
    }
}

/// Sees nothing, or panics at what it sees.
struct Panics;

impl<T> Observer<T> for Panics {
    fn ended(&self, _: &Message, _: &Outcome<T>) {
        panic!("asked to");
    }
}

struct Blind;

impl<T> Observer<T> for Blind {}

const DRAIN: WorkerOptions = WorkerOptions { concurrency_max: 10, stop_within: Duration::from_secs(30), drain: true };

#[tokio::test(start_paused = true)]
async fn a_queue_is_drained_with_every_message_deleted_or_dead_lettered() {
    let place = Place::new().await;
    let jobs = (0..200).map(|number| match number % 10 {
        0 => format!("2 never {number}"),
        1 => format!("1 later 2 {number}"),
        _ => format!("3 done {number}"),
    });
    place.send(&jobs.collect::<Vec<_>>()).await;
    place.worker(DRAIN).await.run(pending()).await.unwrap();
    assert_eq!(place.counts(), Counts { done: 180, dead_lettered: 20, failed: 40, ..Counts::default() });
    assert_eq!(place.depth(&place.jobs).await, [0, 0, 0]);
    assert_eq!(place.depth(&place.dead_letters).await, [20, 0, 0]);
    let (tries, expected) = (place.tries(), |job: &str| if job.contains("later") { 3 } else { 1 });
    assert!(tries.iter().all(|(job, tries)| *tries == expected(job)), "{tries:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_messages_are_worked_on_at_once_than_allowed_and_as_many_as_allowed() {
    let place = Place::new().await;
    place.send(&(0..50).map(|number| format!("{} done {number}", 1 + number % 7)).collect::<Vec<_>>()).await;
    place.worker(WorkerOptions { concurrency_max: 13, ..DRAIN }).await.run(pending()).await.unwrap();
    assert_eq!((place.timed.at_once_max.load(Ordering::SeqCst), place.counts().done), (13, 50));
}

#[tokio::test(start_paused = true)]
async fn a_job_of_twenty_minutes_is_done_once() {
    let place = Place::new().await;
    place.send(&["1200 done".to_owned(), "1 done".to_owned()]).await;
    // Two workers: what the first loses the second takes.
    let (first, second) = (place.worker(DRAIN).await, place.worker(DRAIN).await);
    let (first, second) = tokio::join!(first.run(pending()), second.run(pending()));
    first.unwrap();
    second.unwrap();
    assert!(place.tries().values().all(|tries| *tries == 1), "{:?}", place.tries());
    assert_eq!(place.depth(&place.jobs).await, [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_runs_when_the_worker_is_told_to_stop_ends_and_the_rest_is_given_back_at_once() {
    let place = Place::new().await;
    place.send(&["20 done a".to_owned(), "20 done b".to_owned(), "9000 done c".to_owned()]).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = place.worker(WorkerOptions { drain: false, ..DRAIN }).await;
    let running = tokio::spawn(worker.run(async move { drop(stopped.await) }));
    tokio::time::sleep(Duration::from_secs(10)).await;
    place.send(&["1 done d".to_owned()]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    place.send(&["1 done e".to_owned()]).await;
    stop.send(()).unwrap();
    let told = Instant::now();
    running.await.unwrap().unwrap();
    assert!(told.elapsed() <= Duration::from_secs(26), "{:?}", told.elapsed());
    assert_eq!(place.counts().done, 3);
    assert_eq!(place.depth(&place.jobs).await, [2, 0, 0], "one that was not done in time, one that was not begun");
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_no_longer_than_it_may_whatever_runs_and_gives_back_at_once() {
    for (stop_within, jobs_end) in [(50, 45), (10, 8), (1, 0)] {
        let place = Place::new().await;
        place.send(&["9000 done a".to_owned(), "9000 done b".to_owned()]).await;
        let options = WorkerOptions { drain: false, stop_within: Duration::from_secs(stop_within), ..DRAIN };
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(place.worker(options).await.run(async move { drop(stopped.await) }));
        tokio::time::sleep(Duration::from_secs(10)).await;
        stop.send(()).unwrap();
        let told = Instant::now();
        running.await.unwrap().unwrap();
        assert_eq!(
            told.elapsed().as_secs(),
            jobs_end,
            "the last fifth is left for giving back, which takes no time here"
        );
        assert_eq!(place.depth(&place.jobs).await, [2, 0, 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ends_by_a_panic_gives_its_message_back_and_is_reported() {
    let place = Place::new().await;
    place.send(&["a".to_owned(), "b".to_owned()]).await;
    let runner = Defective::default();
    let (client, sink) = (place.client.clone(), SqsSink::new(place.client.clone(), None));
    let worker = Worker::connect(client, &place.jobs, runner.clone(), sink, Arc::new(Blind), DRAIN).await.unwrap();
    let began = Instant::now();
    assert_eq!(worker.run(pending()).await.unwrap(), WorkerReport { panics: 2 });
    assert_eq!(runner.0.lock().unwrap().len(), 4, "each once more");
    assert!(began.elapsed() < Duration::from_secs(10), "not after their visibility timeout: {:?}", began.elapsed());
    assert_eq!(place.depth(&place.jobs).await, [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_keeps_no_message_from_being_deleted() {
    let place = Place::new().await;
    place.send(&["1 done a".to_owned(), "1 never b".to_owned()]).await;
    let sink = SqsSink::new(place.client.clone(), Some(place.dead_letters.clone())).queue_url(Some(place.jobs.clone()));
    let client = place.client.clone();
    let worker =
        Worker::connect(client, &place.jobs, place.timed.clone(), sink, Arc::new(Panics), DRAIN).await.unwrap();
    assert_eq!(worker.run(pending()).await.unwrap(), WorkerReport { panics: 0 });
    assert_eq!((place.depth(&place.jobs).await, place.depth(&place.dead_letters).await), ([0, 0, 0], [1, 0, 0]));
    assert!(place.tries().values().all(|tries| *tries == 1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_killed_loses_nothing() {
    let place = Place::new().await;
    place.send(&["100 done a".to_owned(), "1 done b".to_owned()]).await;
    let killed = tokio::spawn(place.worker(DRAIN).await.run(pending()));
    tokio::time::sleep(Duration::from_secs(50)).await;
    killed.abort();
    place.worker(DRAIN).await.run(pending()).await.unwrap();
    assert_eq!(place.tries(), [("100 done a".to_owned(), 2), ("1 done b".to_owned(), 1)].into());
    assert_eq!(place.depth(&place.jobs).await, [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_fifo_queue_keep_their_order() {
    let place = Place::with_queues(".fifo").await;
    let jobs: Vec<_> =
        (0..40).map(|number| format!("{} later {} {}", 1 + number % 3, number % 2, number % 4)).collect();
    let jobs: Vec<_> =
        jobs.iter().enumerate().map(|(number, job)| format!("{job}-{number:02} {}", number % 4)).collect();
    place.send(&jobs).await;
    place.worker(DRAIN).await.run(pending()).await.unwrap();
    let began = place.timed.began.lock().unwrap();
    for group in 0..4 {
        let of_group = jobs.iter().filter(|job| job.ends_with(&format!(" {group}")));
        let last: Vec<_> = of_group.map(|job| *began[job].last().unwrap()).collect();
        assert!(last.is_sorted() && last.len() == 10, "group {group}: {last:?}");
    }
    assert_eq!(place.counts().done, 40);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_not_there_is_named() {
    let place = Place::new().await;
    let missing = format!("{}-missing", place.jobs);
    let sink = SqsSink::new(place.client.clone(), None);
    let (client, tally) = (place.client.clone(), place.tally.clone());
    let refused = Worker::connect(client, &missing, place.timed.clone(), sink, tally, DRAIN).await.err().unwrap();
    assert!(refused.to_string().contains(&missing), "{refused}");

    let running = tokio::spawn(place.worker(WorkerOptions { drain: false, ..DRAIN }).await.run(pending()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    place.client.delete_queue().queue_url(&place.jobs).send().await.unwrap();
    let ended = running.await.unwrap();
    assert!(matches!(&ended, Err(WorkerError::QueueGone { queue_url }) if *queue_url == place.jobs), "{ended:?}");
}
