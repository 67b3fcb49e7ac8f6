use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::tests::client;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A queue whose every answer takes some time, and which writes down what has arrived: handles and seconds.
#[derive(Clone)]
struct SlowQueue {
    takes: Duration,
    changes: Arc<Mutex<Vec<(String, u64)>>>,
    at_once: Arc<AtomicUsize>,
}

impl SlowQueue {
    fn new(takes: Duration) -> Self {
        Self { takes, changes: Arc::default(), at_once: Arc::default() }
    }

    fn leases(&self) -> Arc<Leases> {
        let queue = self.clone();
        let client = client(move |_, body| {
            let queue = queue.clone();
            async move {
                queue.at_once.fetch_add(1, Ordering::SeqCst);
                // What the queue needs for an answer, in the paused time of its test.
                tokio::time::sleep(queue.takes).await;
                for entry in body["Entries"].as_array().unwrap() {
                    let handle = entry["ReceiptHandle"].as_str().unwrap().to_owned();
                    queue.changes.lock().unwrap().push((handle, entry["VisibilityTimeout"].as_u64().unwrap()));
                }
                (200, json!({ "Successful": [], "Failed": [] }))
            }
        });
        Arc::new(Leases::new(client, "http://queues/jobs".to_owned(), TIMEOUT))
    }

    fn changes(&self) -> Vec<(String, u64)> {
        let mut changes = self.changes.lock().unwrap().clone();
        changes.sort();
        changes
    }
}

fn kept(leases: &Arc<Leases>) -> tokio::task::JoinHandle<()> {
    let leases = leases.clone();
    tokio::spawn(async move { leases.keep().await })
}

/// Lets paused time pass, in which leases are renewed.
async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_a_lease_waits_for_its_own_extension_and_for_no_other() {
    let queue = SlowQueue::new(Duration::from_secs(5));
    let leases = queue.leases();
    let keeping = kept(&leases);
    let old = leases.lease("old");
    pass(11.0).await;
    let young = leases.lease("young");
    // Since second 10, for five seconds, the old one is being extended.
    let began = Instant::now();
    leases.end(["young"].into_iter()).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing is under way for it");
    drop(leases.lease("third"));
    assert_eq!(began.elapsed(), Duration::ZERO, "no lock is held over the request");
    leases.end(["old"].into_iter()).await;
    assert_eq!(began.elapsed(), Duration::from_secs(4), "its extension has arrived");
    assert_eq!(queue.changes()[0], ("old".to_owned(), 30));
    drop((old, young));
    pass(100.0).await;
    assert_eq!(queue.changes(), [("old".to_owned(), 30), ("third".to_owned(), 0)], "nothing is extended any more");
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_gives_its_message_back_after_its_extension() {
    let queue = SlowQueue::new(Duration::from_secs(2));
    let leases = queue.leases();
    let keeping = kept(&leases);
    let dropped = leases.lease("dropped");
    let ended = leases.lease("ended");
    pass(11.0).await;
    drop(dropped);
    ended.end();
    pass(10.0).await;
    let changes = queue.changes.lock().unwrap().clone();
    assert_eq!(changes.last(), Some(&("dropped".to_owned(), 0)), "{changes:?}");
    assert_eq!(changes.len(), 3, "both were extended, and one was given back: {changes:?}");
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_hundred_messages_are_extended_side_by_side_and_given_back() {
    let queue = SlowQueue::new(Duration::from_secs(4));
    let leases = queue.leases();
    let keeping = kept(&leases);
    let held: Vec<_> = (0..100).map(|number| leases.lease(&format!("{number:02}"))).collect();
    pass(19.0).await;
    assert_eq!(queue.changes().len(), 100, "all within two rounds of the same request");
    assert_eq!(queue.at_once.load(Ordering::SeqCst), 10);
    leases.give_back_all().await;
    assert_eq!(leases.len(), 0);
    let given_back = queue.changes().into_iter().filter(|(_, seconds)| *seconds == 0).count();
    assert_eq!(given_back, 100);
    drop(held);
    pass(100.0).await;
    assert_eq!(queue.changes().len(), 200);
    keeping.abort();
}
