//! The engine as scripts in time.

mod extremes;
mod fifo;
mod image;
mod looking;
mod memory;
mod moving;
#[cfg(feature = "tracing")]
mod traced;

use std::time::Duration;

use super::*;

/// One engine, its queues, and the time: a test reads as what happens in it.
struct Scenario {
    engine: Engine,
    now: Time,
    scope: Scope,
    deliveries: Vec<Delivery>,
    answers: Vec<(WaiterId, Time, Vec<String>)>,
}

fn scenario() -> Scenario {
    let now = Time::from_millis(1_800_000_000_000);
    Scenario {
        engine: Engine::new(Limits::STRICT, 1),
        now,
        scope: Scope::default(),
        deliveries: Vec::new(),
        answers: Vec::new(),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.message.body.as_str().to_owned()).collect()
}

impl Scenario {
    fn arn(&self, queue: &str) -> String {
        self.scope.arn(queue).as_str().to_owned()
    }

    fn try_create(&mut self, queue: &str, attributes: &[Attribute]) -> Result<QueueArn, EngineError> {
        let name = QueueName::parse(queue, &Limits::STRICT)?;
        let created = self.engine.create_queue(self.now, &self.scope, &name, attributes);
        self.engine.check();
        created
    }

    fn create(mut self, queue: &str, attributes: &[Attribute]) -> Self {
        self.try_create(queue, attributes).unwrap();
        self
    }

    fn dead_letters_to(mut self, queue: &str, target: &str, max_receive_count: u32) -> Self {
        let dead_letter_target = self.scope.arn(target);
        let policy = Attribute::RedrivePolicy(Some(RedrivePolicy { dead_letter_target, max_receive_count }));
        let arn = self.arn(queue);
        self.engine.set_queue_attributes(self.now, &arn, &[policy]).unwrap();
        self
    }

    fn send(self, queue: &str, body: &str) -> Self {
        self.send_with(queue, SendMessage::new(MessageBody::parse(body).unwrap()))
    }

    fn send_delayed(self, queue: &str, body: &str, delay: Duration) -> Self {
        let body = MessageBody::parse(body).unwrap();
        self.send_with(queue, SendMessage { delay: Some(delay), ..SendMessage::new(body) })
    }

    fn send_with(mut self, queue: &str, message: SendMessage) -> Self {
        let arn = self.arn(queue);
        self.engine.send(self.now, &arn, message).unwrap();
        self.drain()
    }

    /// Receives up to ten and expects these bodies.
    fn receive(mut self, queue: &str, expected: &[&str]) -> Self {
        let arn = self.arn(queue);
        let request = Receive { max_messages: 10, ..Receive::default() };
        match self.engine.receive(self.now, &arn, request).unwrap() {
            Received::Now(deliveries) => self.deliveries = deliveries,
            Received::Waiting(_) => panic!("a short poll does not wait"),
        }
        assert_eq!(bodies(&self.deliveries), expected, "at {}", self.now);
        self.drain()
    }

    fn expect_receive_count(self, count: u32) -> Self {
        for delivery in &self.deliveries {
            assert_eq!(delivery.receive_count, count);
        }
        self
    }

    fn long_poll(mut self, queue: &str, wait: Duration, waiter: &mut Option<WaiterId>) -> Self {
        let arn = self.arn(queue);
        let request = Receive { wait_time: Some(wait), ..Receive::default() };
        match self.engine.receive(self.now, &arn, request).unwrap() {
            Received::Now(deliveries) => panic!("expected to wait, got {:?}", bodies(&deliveries)),
            Received::Waiting(id) => *waiter = Some(id),
        }
        self.drain()
    }

    fn delete(mut self, queue: &str) -> Self {
        let arn = self.arn(queue);
        for delivery in std::mem::take(&mut self.deliveries) {
            self.engine.delete(self.now, &arn, delivery.receipt_handle).unwrap();
        }
        self.drain()
    }

    fn change_visibility(&mut self, queue: &str, timeout: Duration) -> Result<(), EngineError> {
        let arn = self.arn(queue);
        let handle = self.deliveries[0].receipt_handle;
        let result = self.engine.change_visibility(self.now, &arn, handle, timeout);
        self.engine.check();
        result
    }

    fn hide(mut self, queue: &str, timeout: Duration) -> Self {
        self.change_visibility(queue, timeout).unwrap();
        self.drain()
    }

    /// Lets time pass as a driver would: from wake-up to wake-up.
    fn advance(mut self, by: Duration) -> Self {
        let until = self.now + by;
        while let Some(wakeup) = self.engine.next_wakeup().filter(|wakeup| *wakeup <= until) {
            assert!(wakeup > self.now, "a wake-up lies ahead");
            self.now = wakeup;
            self.engine.advance(wakeup);
            self = self.drain();
        }
        self.now = until;
        self.engine.advance(until);
        self.drain()
    }

    fn drain(mut self) -> Self {
        while let Some(Output::Answer { waiter, result }) = self.engine.poll_output() {
            let bodies = result.as_ref().map(|deliveries| bodies(deliveries)).unwrap_or_default();
            self.answers.push((waiter, self.now, bodies));
        }
        self.engine.check();
        self
    }

    fn expect_counts(mut self, queue: &str, ready: usize, delayed: usize, in_flight: usize) -> Self {
        let arn = self.arn(queue);
        let it = self.engine.queue_attributes(self.now, &arn).unwrap();
        assert_eq!((it.messages, it.messages_delayed, it.messages_not_visible), (ready, delayed, in_flight));
        self
    }
}

#[test]
fn a_message_returns_after_its_visibility_timeout_at_the_millisecond() {
    scenario()
        .create("jobs", &[])
        .send("jobs", "a")
        .receive("jobs", &["a"])
        .expect_receive_count(1)
        .expect_counts("jobs", 0, 0, 1)
        .advance(Duration::from_millis(29_999))
        .receive("jobs", &[])
        .advance(Duration::from_millis(1))
        .expect_counts("jobs", 1, 0, 0)
        .receive("jobs", &["a"])
        .expect_receive_count(2)
        .delete("jobs")
        .advance(seconds(31))
        .receive("jobs", &[])
        .expect_counts("jobs", 0, 0, 0);
}

#[test]
fn a_delay_of_the_message_goes_before_the_delay_of_the_queue() {
    scenario()
        .create("jobs", &[Attribute::Delay(seconds(5))])
        .send("jobs", "queue's")
        .send_delayed("jobs", "own", seconds(2))
        .send_delayed("jobs", "none", Duration::ZERO)
        .expect_counts("jobs", 1, 2, 0)
        .receive("jobs", &["none"])
        .advance(Duration::from_millis(1_999))
        .receive("jobs", &[])
        .advance(Duration::from_millis(1))
        .receive("jobs", &["own"])
        .advance(seconds(3))
        .receive("jobs", &["queue's"]);
}

#[test]
fn a_message_is_gone_when_its_retention_is_over_wherever_it_is() {
    scenario()
        .create("jobs", &[Attribute::RetentionPeriod(seconds(60))])
        .send("jobs", "in flight")
        .receive("jobs", &["in flight"])
        .send_delayed("jobs", "delayed", seconds(900))
        .send("jobs", "ready")
        .advance(Duration::from_millis(59_999))
        .expect_counts("jobs", 2, 1, 0)
        .advance(Duration::from_millis(1))
        .expect_counts("jobs", 0, 0, 0)
        .advance(seconds(900))
        .receive("jobs", &[]);
}

#[test]
fn a_new_retention_period_holds_for_messages_that_are_already_there() {
    let mut it = scenario().create("jobs", &[]).send("jobs", "a").advance(seconds(120));
    let arn = it.arn("jobs");
    it.engine.set_queue_attributes(it.now, &arn, &[Attribute::RetentionPeriod(seconds(60))]).unwrap();
    it.expect_counts("jobs", 0, 0, 0);
}

#[test]
fn with_max_receive_count_n_a_message_is_delivered_n_times_and_moves_on_the_next_receive() {
    let it = scenario()
        .create("jobs", &[])
        .create("dead", &[])
        .dead_letters_to("jobs", "dead", 2)
        .send("jobs", "poison")
        .receive("jobs", &["poison"])
        .advance(seconds(30))
        .receive("jobs", &["poison"])
        .advance(seconds(30))
        // The end of the timeout alone moves nothing.
        .expect_counts("jobs", 1, 0, 0)
        .expect_counts("dead", 0, 0, 0)
        .send("jobs", "good")
        .receive("jobs", &["good"])
        .expect_counts("dead", 1, 0, 0)
        .receive("dead", &["poison"])
        // The count goes on in the dead-letter queue.
        .expect_receive_count(3);
    let source = it.scope.arn("jobs");
    assert_eq!(it.deliveries[0].message.dead_letter_source(), Some(&source));
    assert_eq!(it.deliveries[0].message.sent_at, Time::from_millis(1_800_000_000_000));
}

#[test]
fn a_dead_letter_keeps_the_age_from_which_its_retention_counts() {
    scenario()
        .create("jobs", &[])
        .create("dead", &[])
        .dead_letters_to("jobs", "dead", 1)
        .send("jobs", "poison")
        .receive("jobs", &["poison"])
        .advance(seconds(100))
        .receive("jobs", &[])
        .expect_counts("dead", 1, 0, 0)
        .advance(seconds(345_600 - 101))
        .expect_counts("dead", 1, 0, 0)
        .advance(seconds(1))
        .expect_counts("dead", 0, 0, 0);
}

#[test]
fn a_message_stays_when_its_dead_letter_queue_has_been_deleted() {
    let mut it = scenario()
        .create("jobs", &[])
        .create("dead", &[])
        .dead_letters_to("jobs", "dead", 1)
        .send("jobs", "poison")
        .receive("jobs", &["poison"])
        .advance(seconds(30));
    let arn = it.arn("dead");
    it.engine.delete_queue(it.now, &arn).unwrap();
    it.receive("jobs", &["poison"]).expect_receive_count(2);
}

#[test]
fn a_queue_that_is_its_own_dead_letter_queue_does_not_spin() {
    let mut waiter = None;
    let it = scenario()
        .create("jobs", &[])
        .dead_letters_to("jobs", "jobs", 1)
        .send("jobs", "poison")
        .receive("jobs", &["poison"])
        .advance(seconds(20))
        .long_poll("jobs", seconds(20), &mut waiter)
        .advance(seconds(10));
    assert_eq!(it.answers, [(waiter.unwrap(), it.now, vec!["poison".to_owned()])]);
}

#[test]
fn a_long_poll_is_answered_by_whatever_comes_first() {
    let [mut by_send, mut by_delay, mut by_timeout, mut by_nothing] = [None; 4];
    let start = scenario().now;
    let it = scenario()
        .create("jobs", &[])
        .long_poll("jobs", seconds(20), &mut by_send)
        .advance(seconds(1))
        .send("jobs", "sent")
        .send_delayed("jobs", "delayed", seconds(3))
        .long_poll("jobs", seconds(20), &mut by_delay)
        .advance(seconds(4))
        .long_poll("jobs", seconds(20), &mut by_nothing)
        .advance(seconds(20))
        // "sent" was received at 1 s and comes back at 31 s, "delayed" at 34 s.
        .long_poll("jobs", seconds(20), &mut by_timeout)
        .advance(seconds(20));
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let expected = [
        (by_send.unwrap(), at(1), vec!["sent".to_owned()]),
        (by_delay.unwrap(), at(4), vec!["delayed".to_owned()]),
        (by_nothing.unwrap(), at(25), vec![]),
        (by_timeout.unwrap(), at(31), vec!["sent".to_owned()]),
    ];
    assert_eq!(it.answers, expected);
}

#[test]
fn the_longest_waiting_receive_is_served_first_and_a_cancelled_one_never() {
    let [mut first, mut second, mut third] = [None; 3];
    let mut it = scenario()
        .create("jobs", &[])
        .long_poll("jobs", seconds(20), &mut first)
        .long_poll("jobs", seconds(20), &mut second)
        .long_poll("jobs", seconds(20), &mut third);
    it.engine.cancel(first.unwrap());
    let it = it.send("jobs", "a").send("jobs", "b").send("jobs", "c");
    let served = it.answers.iter().map(|(waiter, _, bodies)| (*waiter, bodies[0].as_str())).collect::<Vec<_>>();
    assert_eq!(served, [(second.unwrap(), "a"), (third.unwrap(), "b")]);
    assert_eq!(it.engine.next_wakeup(), None, "nobody waits, so nothing wakes");
    it.receive("jobs", &["c"]);
}

#[test]
fn a_dead_letter_wakes_who_waits_for_the_dead_letter_queue() {
    let mut waiter = None;
    let it = scenario()
        .create("jobs", &[])
        .create("dead", &[])
        .dead_letters_to("jobs", "dead", 1)
        .send("jobs", "poison")
        .receive("jobs", &["poison"])
        .advance(seconds(30))
        .long_poll("dead", seconds(20), &mut waiter)
        .receive("jobs", &[]);
    assert_eq!(it.answers, [(waiter.unwrap(), it.now, vec!["poison".to_owned()])]);
}

#[test]
fn deleting_a_queue_ends_the_receives_that_wait_for_it() {
    let mut waiter = None;
    let mut it = scenario().create("jobs", &[]).long_poll("jobs", seconds(20), &mut waiter);
    let arn = it.arn("jobs");
    it.engine.delete_queue(it.now, &arn).unwrap();
    let Some(Output::Answer { waiter: answered, result }) = it.engine.poll_output() else { panic!("no answer") };
    assert_eq!(Some(answered), waiter);
    assert_eq!(result.unwrap_err(), EngineError::QueueDoesNotExist { queue: arn });
    assert_eq!(it.engine.next_wakeup(), None);
}

#[test]
fn a_visibility_change_counts_from_the_call_and_works_after_the_timeout_too() {
    scenario()
        .create("jobs", &[])
        .send("jobs", "a")
        .receive("jobs", &["a"])
        .advance(seconds(29))
        .hide("jobs", seconds(30))
        .advance(seconds(29))
        .expect_counts("jobs", 0, 0, 1)
        .advance(seconds(1))
        .expect_counts("jobs", 1, 0, 0)
        // AWS (recorded): not MessageNotInflight, the message is hidden again.
        .hide("jobs", seconds(10))
        .expect_counts("jobs", 0, 0, 1)
        .hide("jobs", Duration::ZERO)
        .receive("jobs", &["a"])
        .expect_receive_count(2);
}

#[test]
fn a_message_stays_invisible_for_at_most_twelve_hours_after_its_receive() {
    let mut it = scenario().create("jobs", &[]).send("jobs", "a").receive("jobs", &["a"]);
    it.change_visibility("jobs", seconds(43_200)).unwrap();
    let mut it = it.advance(seconds(1));
    let total_max = seconds(43_200);
    let refused = EngineError::VisibilityTimeoutTotal { timeout: seconds(43_200), total_max };
    assert_eq!(it.change_visibility("jobs", seconds(43_200)), Err(refused));
    it.change_visibility("jobs", seconds(43_199)).unwrap();
    it.advance(seconds(43_199)).expect_counts("jobs", 1, 0, 0);
}

#[test]
fn a_handle_outlives_its_timeout_but_not_its_message() {
    let mut it = scenario()
        .create("jobs", &[])
        .send("jobs", "a")
        .receive("jobs", &["a"])
        .advance(seconds(31))
        // AWS (recorded): deleting with an expired handle removes the message.
        .delete("jobs")
        .expect_counts("jobs", 0, 0, 0)
        .send("jobs", "b")
        .receive("jobs", &["b"])
        .delete("jobs");
    // "c" takes the slot that "b" had.
    let arn = it.arn("jobs");
    let queue = QueueNumber { store: IdSource::mix(1), number: 1 };
    let gone = ReceiptHandle { queue, slot: 0, sequence: 2, receive: 1 };
    it = it.send("jobs", "c");
    it.engine.delete(it.now, &arn, gone).unwrap();
    assert_eq!(it.engine.change_visibility(it.now, &arn, gone, seconds(1)), Err(EngineError::MessageNotAvailable));
    for queue in [QueueNumber { number: 9, ..queue }, QueueNumber { store: 9, ..queue }] {
        let foreign = ReceiptHandle { queue, ..gone };
        assert_eq!(it.engine.delete(it.now, &arn, foreign), Err(EngineError::ReceiptHandleIsInvalid));
        let changed = it.engine.change_visibility(it.now, &arn, foreign, seconds(1));
        assert_eq!(changed, Err(EngineError::ReceiptHandleIsInvalid));
    }
    it.receive("jobs", &["c"]);
}

#[test]
fn a_queue_is_found_again_with_the_same_attributes_and_refused_with_others() {
    let mut it = scenario().create("jobs", &[Attribute::Delay(seconds(1))]);
    assert!(it.try_create("jobs", &[]).is_ok());
    assert!(it.try_create("jobs", &[Attribute::Delay(seconds(1))]).is_ok());
    let differs = EngineError::QueueNameExists { attribute: AttributeName::DelaySeconds };
    assert_eq!(it.try_create("jobs", &[Attribute::Delay(seconds(2))]), Err(differs));
    // AWS (validated): compared with the present value, not with that of the creation.
    let arn = it.arn("jobs");
    it.engine.set_queue_attributes(it.now, &arn, &[Attribute::Delay(seconds(2))]).unwrap();
    assert!(it.try_create("jobs", &[Attribute::Delay(seconds(2))]).is_ok());
}

#[test]
fn a_name_can_be_used_again_60_seconds_after_its_queue_was_deleted() {
    let mut it = scenario().create("jobs", &[]);
    let arn = it.arn("jobs");
    it.engine.delete_queue(it.now, &arn).unwrap();
    assert_eq!(it.engine.delete_queue(it.now, &arn), Err(EngineError::QueueDoesNotExist { queue: arn }));
    let mut it = it.advance(Duration::from_millis(59_999));
    assert!(matches!(it.try_create("jobs", &[]), Err(EngineError::QueueDeletedRecently { .. })));
    let mut it = it.advance(Duration::from_millis(1));
    assert!(it.try_create("jobs", &[]).is_ok());
}

#[test]
fn a_purge_removes_everything_once_in_60_seconds() {
    let mut it = scenario()
        .create("jobs", &[])
        .send("jobs", "in flight")
        .receive("jobs", &["in flight"])
        .send("jobs", "ready")
        .send_delayed("jobs", "delayed", seconds(9));
    let arn = it.arn("jobs");
    it.engine.purge_queue(it.now, &arn).unwrap();
    let mut it = it.expect_counts("jobs", 0, 0, 0).advance(Duration::from_millis(59_999));
    assert!(matches!(it.engine.purge_queue(it.now, &arn), Err(EngineError::PurgeQueueInProgress { .. })));
    let mut it = it.advance(Duration::from_millis(1));
    it.engine.purge_queue(it.now, &arn).unwrap();
}

#[test]
fn settings_are_changed_all_or_none_and_each_has_its_range() {
    type Ranges = [(fn(u64) -> Attribute, u64, u64); 5];
    let mut it = scenario().create("jobs", &[]);
    let arn = it.arn("jobs");
    let ranges: Ranges = [
        (|n| Attribute::Delay(Duration::from_secs(n)), 0, 900),
        (|n| Attribute::VisibilityTimeout(Duration::from_secs(n)), 0, 43_200),
        (|n| Attribute::RetentionPeriod(Duration::from_secs(n)), 60, 1_209_600),
        (|n| Attribute::WaitTime(Duration::from_secs(n)), 0, 20),
        (Attribute::MaximumMessageSize, 1_024, 1_048_576),
    ];
    for (attribute, min, max) in ranges {
        for value in [min, max] {
            it.engine.set_queue_attributes(it.now, &arn, &[attribute(value)]).unwrap();
        }
        let before = it.engine.queue_attributes(it.now, &arn).unwrap();
        for value in [min.checked_sub(1), Some(max + 1)].into_iter().flatten() {
            let refused = EngineError::AttributeValueInvalid { attribute: attribute(value).name() };
            let both = [Attribute::SqsManagedSse(false), attribute(value)];
            assert_eq!(it.engine.set_queue_attributes(it.now, &arn, &both), Err(refused));
        }
        assert_eq!(it.engine.queue_attributes(it.now, &arn).unwrap(), before);
    }
}

#[test]
fn at_the_limit_in_flight_a_short_poll_is_refused_and_a_long_poll_waits_for_a_place() {
    let mut it = scenario();
    it.engine = Engine::new(Limits { in_flight_max: 1, ..Limits::STRICT }, 1);
    let mut waiter = None;
    let mut it = it.create("jobs", &[]).send("jobs", "a").send("jobs", "b").receive("jobs", &["a"]);
    let arn = it.arn("jobs");
    let refused = it.engine.receive(it.now, &arn, Receive::default()).unwrap_err();
    assert_eq!(refused, EngineError::OverLimit { in_flight_max: 1 });
    let it = it.long_poll("jobs", seconds(20), &mut waiter).advance(seconds(5)).delete("jobs");
    assert_eq!(it.answers, [(waiter.unwrap(), it.now, vec!["b".to_owned()])]);
}

#[test]
fn requests_out_of_range_change_nothing() {
    let mut it = scenario().create("jobs", &[Attribute::MaximumMessageSize(1_024)]);
    let arn = it.arn("jobs");
    let body = |bytes: usize| SendMessage::new(MessageBody::parse("x".repeat(bytes)).unwrap());
    it.engine.send(it.now, &arn, body(1_024)).unwrap();
    let too_long = EngineError::MessageTooLong { bytes: 1_025, bytes_max: 1_024 };
    assert_eq!(it.engine.send(it.now, &arn, body(1_025)), Err(too_long));
    let delayed = SendMessage { delay: Some(seconds(901)), ..body(1) };
    assert!(matches!(it.engine.send(it.now, &arn, delayed), Err(EngineError::OutOfRange { value: 901, .. })));
    let grouped = SendMessage { group_id: Some("a b".to_owned()), ..body(1) };
    assert!(matches!(it.engine.send(it.now, &arn, grouped), Err(EngineError::TokenInvalid { .. })));
    let bad = [
        Receive { max_messages: 0, ..Receive::default() },
        Receive { max_messages: 11, ..Receive::default() },
        Receive { wait_time: Some(seconds(21)), ..Receive::default() },
        Receive { visibility_timeout: Some(seconds(43_201)), ..Receive::default() },
    ];
    for request in bad {
        assert!(matches!(it.engine.receive(it.now, &arn, request), Err(EngineError::OutOfRange { .. })));
    }
    it.expect_counts("jobs", 1, 0, 0);
}

#[test]
fn queues_are_listed_by_prefix_and_page_in_their_own_region_and_account() {
    let mut it = scenario().create("b-2", &[]).create("a", &[]).create("b-1", &[]).create("b-3", &[]);
    let elsewhere = Scope::new("eu-west-1", "000000000000");
    let name = QueueName::parse("b-4", &Limits::STRICT).unwrap();
    it.engine.create_queue(it.now, &elsewhere, &name, &[]).unwrap();
    let list = |prefix, after, max| {
        let found = it.engine.list_queues(&it.scope, prefix, after, max);
        found.iter().map(|arn| arn.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("", None, 10), ["a", "b-1", "b-2", "b-3"]);
    assert_eq!(list("b", None, 2), ["b-1", "b-2"]);
    assert_eq!(list("b", Some("b-2"), 2), ["b-3"]);
    assert!(list("c", None, 2).is_empty());
}
