//! FIFO queues: order, locks, deduplication, repeated receives.

use super::*;

fn fifo(attributes: &[Attribute]) -> Scenario {
    scenario().create("jobs.fifo", &[&[Attribute::FifoQueue(true)], attributes].concat())
}

fn by_content() -> Scenario {
    fifo(&[Attribute::ContentBasedDeduplication(true)])
}

impl Scenario {
    /// Sends a message, which is its own deduplication id, to a group.
    fn send_to(self, group: &str, body: &str) -> Self {
        self.send_again(group, body, body).0
    }

    fn send_again(mut self, group: &str, body: &str, id: &str) -> (Self, Sent) {
        let body = MessageBody::parse(body).unwrap();
        let (group_id, deduplication_id) = (Some(group.to_owned()), Some(id.to_owned()));
        let message = SendMessage { group_id, deduplication_id, ..SendMessage::new(body) };
        let arn = self.arn("jobs.fifo");
        let sent = self.engine.send(self.now, &arn, message).unwrap();
        (self.drain(), sent)
    }

    fn receive_some(mut self, max_messages: u64, expected: &[&str]) -> Self {
        let request = Receive { max_messages, ..Receive::default() };
        self.deliveries = self.try_receive(request).unwrap();
        assert_eq!(bodies(&self.deliveries), expected, "at {}", self.now);
        self
    }

    fn try_receive(&mut self, request: Receive) -> Result<Vec<Delivery>, EngineError> {
        let arn = self.arn("jobs.fifo");
        match self.engine.receive(self.now, &arn, request)? {
            Received::Now(deliveries) => Ok(deliveries),
            Received::Waiting(_) => panic!("a short poll does not wait"),
        }
    }

    fn delete_one(mut self, index: usize) -> Self {
        let (arn, handle) = (self.arn("jobs.fifo"), self.deliveries[index].receipt_handle);
        self.engine.delete(self.now, &arn, handle).unwrap();
        self.drain()
    }

    fn hide_one(mut self, index: usize, timeout: Duration) -> Self {
        let (arn, handle) = (self.arn("jobs.fifo"), self.deliveries[index].receipt_handle);
        self.engine.change_visibility(self.now, &arn, handle, timeout).unwrap();
        self.drain()
    }
}

#[test]
fn a_receive_takes_what_it_can_of_the_first_group_then_of_the_next() {
    by_content()
        .send_to("g1", "g1-m1")
        .send_to("g2", "g2-m1")
        .send_to("g1", "g1-m2")
        .send_to("g2", "g2-m2")
        .send_to("g1", "g1-m3")
        .receive_some(4, &["g1-m1", "g1-m2", "g1-m3", "g2-m1"])
        // Messages behind a lock still count as visible (validated).
        .expect_counts("jobs.fifo", 1, 0, 4);
}

#[test]
fn a_group_is_locked_while_any_of_its_messages_is_in_flight() {
    by_content()
        .send_to("g", "a")
        .send_to("g", "b")
        .receive_some(2, &["a", "b"])
        .delete_one(0)
        .send_to("g", "c")
        .receive_some(10, &[])
        .advance(seconds(30))
        .receive_some(10, &["b", "c"]);
}

#[test]
fn a_message_whose_timeout_was_extended_holds_back_only_what_is_behind_it() {
    for (extended, expected) in [(0, &[] as &[&str]), (1, &["foo"]), (2, &["foo", "bar"])] {
        by_content()
            .send_to("g", "foo")
            .send_to("g", "bar")
            .send_to("g", "baz")
            .receive_some(3, &["foo", "bar", "baz"])
            .hide_one(extended, seconds(60))
            .advance(seconds(30))
            .receive_some(10, expected);
    }
}

#[test]
fn a_group_that_becomes_available_goes_to_the_end_of_the_line() {
    by_content()
        .send_to("g1", "g1-m1")
        .send_to("g1", "g1-m2")
        .send_to("g2", "g2-m1")
        .receive_some(2, &["g1-m1", "g1-m2"])
        .hide_one(0, Duration::ZERO)
        .receive_some(3, &["g2-m1", "g1-m1"]);
}

#[test]
fn a_delayed_message_does_not_lock_earlier_ones_of_its_group() {
    let mut it = by_content().send_to("g", "a");
    let arn = it.arn("jobs.fifo");
    it.engine.set_queue_attributes(it.now, &arn, &[Attribute::Delay(seconds(5))]).unwrap();
    it.send_to("g", "b")
        .receive_some(10, &["a"])
        .delete_one(0)
        .receive_some(10, &[])
        .advance(seconds(5))
        .receive_some(10, &["b"]);
}

#[test]
fn a_receive_with_a_timeout_of_zero_leaves_the_message_visible_and_keeps_the_order() {
    let mut it = by_content().send_to("g", "a").send_to("g", "b");
    for _ in 0..2 {
        let request = Receive { max_messages: 2, visibility_timeout: Some(Duration::ZERO), ..Receive::default() };
        assert_eq!(bodies(&it.try_receive(request).unwrap()), ["a", "b"]);
    }
}

#[test]
fn a_duplicate_within_five_minutes_is_answered_like_the_first_also_after_a_delete() {
    let (it, first) = by_content().send_again("g", "a", "id");
    let it = it.receive_some(1, &["a"]).delete_one(0).advance(Duration::from_millis(299_999));
    let (it, again) = it.send_again("other", "b", "id");
    assert_eq!(again, first, "the scope is the queue");
    let (it, new) = it.receive_some(1, &[]).advance(Duration::from_millis(1)).send_again("g", "b", "id");
    assert!(new.sequence_number > first.sequence_number);
    it.receive_some(1, &["b"]);
}

#[test]
fn with_the_group_as_scope_each_group_has_its_own_deduplication() {
    let it = fifo(&[Attribute::DeduplicationScope(DeduplicationScope::MessageGroup)]);
    let (it, first) = it.send_again("g1", "a", "id");
    let (it, other) = it.send_again("g2", "b", "id");
    let (it, again) = it.send_again("g1", "c", "id");
    assert_eq!(again, first);
    assert_ne!(other, first);
    it.receive_some(10, &["a", "b"]);
}

#[test]
fn an_explicit_id_equal_to_the_hash_of_the_body_is_a_duplicate_of_the_content() {
    let mut it = by_content();
    let arn = it.arn("jobs.fifo");
    let message =
        SendMessage { group_id: Some("g".to_owned()), ..SendMessage::new(MessageBody::parse("same").unwrap()) };
    let first = it.engine.send(it.now, &arn, message).unwrap();
    let it = it.receive_some(1, &["same"]);
    let id = it.deliveries[0].message.deduplication_id().unwrap().to_owned();
    assert_eq!((&id[..8], &id[58..]), ("0967115f", "55b5d5"), "recorded");
    assert_eq!(it.send_again("g", "other", &id).1, first);
}

#[test]
fn a_repeated_attempt_gets_the_same_messages_and_handles_with_a_new_timeout() {
    let mut it = by_content().send_to("g", "a").send_to("g", "b");
    let attempt = || Receive { max_messages: 2, attempt_id: Some("r".to_owned()), ..Receive::default() };
    let handles = |deliveries: &[Delivery]| deliveries.iter().map(|it| it.receipt_handle).collect::<Vec<_>>();
    it.deliveries = it.try_receive(attempt()).unwrap();
    let mut it = it.advance(seconds(29));
    let again = it.try_receive(attempt()).unwrap();
    assert_eq!(handles(&again), handles(&it.deliveries));
    assert_eq!(again[0].receive_count, 1);
    let mut it = it.advance(seconds(29)).hide_one(1, seconds(30));
    assert!(it.try_receive(attempt()).unwrap().is_empty(), "one of them was changed");
}

#[test]
fn a_handle_of_a_fifo_queue_expires_with_its_timeout_unless_it_is_extended() {
    let mut it = by_content().send_to("g", "a").receive_some(1, &["a"]).hide_one(0, seconds(60)).advance(seconds(59));
    it = it.hide_one(0, seconds(10)).advance(seconds(10));
    let (arn, handle) = (it.arn("jobs.fifo"), it.deliveries[0].receipt_handle);
    assert_eq!(it.engine.delete(it.now, &arn, handle), Err(EngineError::ReceiptHandleExpired));
    let mut it = it.receive_some(1, &["a"]);
    assert_eq!(it.engine.delete(it.now, &arn, handle), Err(EngineError::ReceiptHandleExpired), "an older receive's");
    it.delete_one(0).expect_counts("jobs.fifo", 0, 0, 0);
}

#[test]
fn a_group_goes_on_when_its_first_messages_move_to_the_dead_letter_queue() {
    by_content()
        .create("dead.fifo", &[Attribute::FifoQueue(true)])
        .dead_letters_to("jobs.fifo", "dead.fifo", 1)
        .send_to("g1", "spent")
        .receive_some(1, &["spent"])
        .send_to("g1", "a")
        .send_to("g1", "b")
        .send_to("g2", "c")
        .advance(seconds(30))
        // "spent" takes no place in the batch: g2 was first in line, then comes as much of g1 as fits.
        .receive_some(3, &["c", "a", "b"])
        .expect_counts("dead.fifo", 1, 0, 0)
        // A FIFO dead-letter queue counts the retention anew.
        .advance(seconds(345_600 - 1))
        .expect_counts("dead.fifo", 1, 0, 0)
        .advance(seconds(1))
        .expect_counts("dead.fifo", 0, 0, 0);
}

#[test]
fn a_spent_message_takes_no_place_from_its_group_in_the_batch() {
    by_content()
        .create("dead.fifo", &[Attribute::FifoQueue(true)])
        .dead_letters_to("jobs.fifo", "dead.fifo", 1)
        .send_to("g1", "spent")
        .receive_some(1, &["spent"])
        .send_to("g1", "a")
        .send_to("g1", "b")
        .advance(seconds(30))
        .send_to("g2", "c")
        .receive_some(2, &["a", "b"]);
}

#[test]
fn the_end_of_a_retention_wakes_who_waits_for_the_group_behind_it() {
    let mut waiter = None;
    let it = fifo(&[Attribute::RetentionPeriod(seconds(60)), Attribute::VisibilityTimeout(seconds(300))])
        .send_to("g", "a")
        .receive_some(1, &["a"])
        .advance(seconds(50))
        .send_to("g", "b")
        .long_poll("jobs.fifo", seconds(20), &mut waiter)
        .advance(seconds(10));
    assert_eq!(it.answers, [(waiter.unwrap(), it.now, vec!["b".to_owned()])]);
}

#[test]
fn groups_take_turns_by_when_they_became_available_also_in_a_queue_that_nobody_looked_at() {
    fifo(&[Attribute::RetentionPeriod(seconds(60))])
        .send_to("g1", "g1-m1")
        .receive_some(1, &["g1-m1"])
        .hide_one(0, seconds(300))
        .advance(seconds(20))
        .send_to("g2", "g2-m1")
        .receive_some(1, &["g2-m1"])
        .hide_one(0, seconds(35))
        .send_to("g1", "g1-m2")
        // At 55 s g2 returns, and at 60 s the message expires that locks g1.
        .advance(seconds(45))
        .receive_some(10, &["g2-m1", "g1-m2"]);
}
