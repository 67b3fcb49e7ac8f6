//! What is counted, what is refused, and what is taken back.

use std::collections::BTreeMap;

use super::*;

impl Scenario {
    fn take_back(mut self, queue: &str, attempt_id: Option<&str>) -> Self {
        let arn = self.arn(queue);
        let handles = self.deliveries.iter().map(|delivery| delivery.receipt_handle).collect::<Vec<_>>();
        self.engine.take_back(self.now, &arn, handles.into_iter(), attempt_id);
        self.drain()
    }

    fn expect_stored(self, expected: u64) -> Self {
        assert_eq!(self.engine.stored_bytes(), expected);
        self
    }
}

fn grouped(body: &str, group: &str, deduplication_id: Option<&str>) -> SendMessage {
    SendMessage {
        group_id: Some(group.to_owned()),
        deduplication_id: deduplication_id.map(str::to_owned),
        ..SendMessage::new(MessageBody::parse(body).unwrap())
    }
}

#[test]
fn what_was_taken_back_was_never_received() {
    let scenario = scenario().create("jobs", &[]).create("dead", &[]).dead_letters_to("jobs", "dead", 1);
    let scenario = scenario.send("jobs", "a").send("jobs", "b");
    // However often: it counts neither for the receiver nor for the redrive policy, and keeps its place.
    let scenario = (0..5).fold(scenario, |scenario, _| {
        scenario.receive("jobs", &["a", "b"]).expect_receive_count(1).take_back("jobs", None)
    });
    let scenario = scenario.send("jobs", "c").receive("jobs", &["a", "b", "c"]).expect_receive_count(1);
    // What was deleted in the meantime stays away, and so does what was received anew.
    scenario.delete("jobs").take_back("jobs", None).receive("jobs", &[]);
}

#[test]
fn messages_of_a_group_that_were_taken_back_are_next_in_their_order() {
    let scenario = scenario().create("jobs.fifo", &[Attribute::FifoQueue(true)]);
    let scenario = scenario
        .send_with("jobs.fifo", grouped("a1", "a", Some("1")))
        .send_with("jobs.fifo", grouped("a2", "a", Some("2")))
        .receive("jobs.fifo", &["a1", "a2"])
        .send_with("jobs.fifo", grouped("a3", "a", Some("3")))
        .receive("jobs.fifo", &[]);
    let mut held = scenario;
    let arn = held.arn("jobs.fifo");
    // The empty receive has left nothing to take back: the two are still locked.
    held = held.take_back("jobs.fifo", None).receive("jobs.fifo", &[]);
    let again = Receive { max_messages: 10, attempt_id: Some("try".to_owned()), ..Receive::default() };
    held.now = held.now + seconds(30);
    for _ in 0..2 {
        let Ok(Received::Now(deliveries)) = held.engine.receive(held.now, &arn, again.clone()) else { panic!() };
        assert_eq!(bodies(&deliveries), ["a1", "a2", "a3"]);
        assert!(deliveries.iter().all(|delivery| delivery.receive_count <= 2));
        held.deliveries = deliveries;
        // With its attempt, so that this is not repeated for what others received since.
        held = held.take_back("jobs.fifo", Some("try"));
    }
}

#[test]
fn everything_that_is_stored_is_counted_until_it_is_gone() {
    let scenario = scenario();
    let empty = scenario.engine.stored_bytes();
    assert_eq!(empty, 0);
    let scenario = scenario.create("jobs", &[]).create("jobs.fifo", &[Attribute::FifoQueue(true)]);
    let queues = scenario.engine.stored_bytes();
    assert!(queues > 0);
    let scenario = scenario.send("jobs", &"x".repeat(10_000));
    let with_one = scenario.engine.stored_bytes();
    assert!(with_one > queues + 10_000 && with_one < queues + 13_000, "{with_one}");
    let scenario = scenario
        .send_with("jobs", grouped("a", "tenant", None))
        .receive("jobs", &[&"x".repeat(10_000), "a"])
        .delete("jobs")
        .expect_stored(queues);
    // Of a FIFO queue, its deduplication ids stay for five minutes.
    let mut scenario =
        scenario.send_with("jobs.fifo", grouped("a", "g", Some("id"))).receive("jobs.fifo", &["a"]).delete("jobs.fifo");
    let with_id = scenario.engine.stored_bytes();
    assert!(with_id > queues + 100 && with_id < queues + 500, "{with_id} of {queues}");
    scenario.now = scenario.now + seconds(300);
    let mut scenario = scenario.receive("jobs.fifo", &[]).expect_stored(queues);
    let tags = BTreeMap::from([("tag".to_owned(), "x".repeat(100))]);
    let jobs = scenario.arn("jobs");
    scenario.engine.tag_queue(&jobs, tags).unwrap();
    assert!(scenario.engine.stored_bytes() > queues + 100);
    scenario.engine.untag_queue(&jobs, ["tag"]).unwrap();
    let mut scenario = scenario.expect_stored(queues);
    scenario.engine.reset(scenario.now);
    scenario.expect_stored(0);
}

#[test]
fn a_refused_message_leaves_no_trace() {
    let mut scenario = scenario().create("jobs", &[]).send("jobs", "a");
    let (stored, arn) = (scenario.engine.stored_bytes(), scenario.arn("jobs"));
    scenario.engine.bound_storage(stored + 1_000);
    let long = SendMessage::new(MessageBody::parse("x".repeat(2_000)).unwrap());
    for count in 1..=3 {
        let refused = scenario.engine.send(scenario.now, &arn, long.clone());
        assert!(matches!(refused, Err(EngineError::StorageFull { .. })), "{refused:?}");
        assert_eq!(scenario.engine.refused_for_room(), count);
    }
    let scenario = scenario.expect_stored(stored).send("jobs", "b");
    scenario.receive("jobs", &["a", "b"]);
}
