//! Why a message is not visible now, and where it went.

use super::*;

impl Scenario {
    fn see(&mut self, queue: &str, body: &str) -> Visibility {
        let arn = self.arn(queue);
        let seen = self.engine.peek(self.now, &arn, 0, usize::MAX).unwrap();
        seen.into_iter().find(|it| it.message.body.as_str() == body).expect("the message is there").visibility
    }

    fn id_of(&mut self, queue: &str, body: &str) -> MessageId {
        let arn = self.arn(queue);
        let seen = self.engine.peek(self.now, &arn, 0, usize::MAX).unwrap();
        seen.iter().find(|it| it.message.body.as_str() == body).expect("the message is there").message.id
    }

    fn locate(&mut self, queue: &str, message_id: MessageId) -> Located {
        let arn = self.arn(queue);
        self.engine.locate(self.now, &arn, message_id).unwrap()
    }

    fn expect_departure(&mut self, queue: &str, message_id: MessageId, receive_count: u32, cause: DepartureCause) {
        let queue_arn = self.scope.arn(queue);
        match self.locate(queue, message_id) {
            Located::Gone(departure) => {
                let expected = Departure { message_id, queue: queue_arn, at: self.now, receive_count, cause };
                assert_eq!(departure, expected);
            }
            other => panic!("{other:?}"),
        }
    }

    fn receive_max(mut self, queue: &str, max_messages: u64, attempt_id: Option<&str>) -> Self {
        let (arn, attempt_id) = (self.arn(queue), attempt_id.map(str::to_owned));
        let request = Receive { max_messages, attempt_id, ..Receive::default() };
        match self.engine.receive(self.now, &arn, request).unwrap() {
            Received::Now(deliveries) => self.deliveries = deliveries,
            Received::Waiting(_) => panic!("a short poll does not wait"),
        }
        self.drain()
    }
}

fn remembering() -> Scenario {
    let mut scenario = scenario();
    scenario.engine.remember_departures(100);
    scenario
}

fn of_group(group: &str, body: &str) -> SendMessage {
    let body = MessageBody::parse(body).unwrap();
    SendMessage { group_id: Some(group.to_owned()), ..SendMessage::new(body) }
}

fn of_fifo_group(group: &str, body: &str) -> SendMessage {
    SendMessage { deduplication_id: Some(body.to_owned()), ..of_group(group, body) }
}

const FIFO: &[Attribute] = &[Attribute::FifoQueue(true)];

/// From the beginning of a scenario.
fn after(secs: u64) -> Time {
    scenario().now + seconds(secs)
}

#[test]
fn a_message_is_delayed_until_its_delay_ends() {
    let mut scenario = scenario().create("jobs", &[]).send_delayed("jobs", "a", seconds(60)).advance(seconds(59));
    assert_eq!(scenario.see("jobs", "a"), Visibility::Delayed { until: after(60) });
    let mut scenario = scenario.advance(seconds(1));
    assert_eq!(scenario.see("jobs", "a"), Visibility::Visible);
}

#[test]
fn a_message_is_in_flight_until_its_timeout_ends_by_the_receive_that_holds_it() {
    let held = |until, receive, at| {
        let (until, received_at) = (after(until), after(at));
        Visibility::InFlight { until, receive, received_at, attempt_id: None }
    };
    let scenario = scenario().create("jobs", &[]).send("jobs", "a").advance(seconds(5));
    let mut scenario = scenario.receive("jobs", &["a"]).advance(seconds(10));
    assert_eq!(scenario.see("jobs", "a"), held(35, 1, 5));
    let mut scenario = scenario.hide("jobs", seconds(90));
    assert_eq!(scenario.see("jobs", "a"), held(105, 1, 5), "its visibility was changed");
    let mut scenario = scenario.hide("jobs", seconds(0));
    assert_eq!(scenario.see("jobs", "a"), Visibility::Visible);
    let mut scenario = scenario.receive("jobs", &["a"]);
    assert_eq!(scenario.see("jobs", "a"), held(45, 2, 15));
}

#[test]
fn a_receive_of_a_fifo_queue_is_known_by_its_attempt_id() {
    let scenario = scenario().create("jobs.fifo", FIFO).send_with("jobs.fifo", of_fifo_group("g", "a"));
    let mut scenario = scenario.receive_max("jobs.fifo", 1, Some("try-1"));
    let (until, received_at) = (after(30), after(0));
    let held = Visibility::InFlight { until, receive: 1, received_at, attempt_id: Some("try-1".to_owned()) };
    assert_eq!(scenario.see("jobs.fifo", "a"), held);
}

#[test]
fn a_message_waits_behind_the_first_hidden_one_of_its_group_alone() {
    let scenario = ["a1", "a2", "a3", "b1"].into_iter().fold(scenario().create("jobs.fifo", FIFO), |it, body| {
        it.send_with("jobs.fifo", of_fifo_group(&body[..1], body))
    });
    let mut scenario = scenario.receive_max("jobs.fifo", 2, None);
    let behind = |blocked_by| Visibility::BehindGroup { blocked_by, place: Place::InFlight, until: after(30) };
    let [first, second] = ["a1", "a2"].map(|body| scenario.id_of("jobs.fifo", body));
    assert_eq!(scenario.see("jobs.fifo", "a3"), behind(first));
    assert_eq!(scenario.see("jobs.fifo", "b1"), Visibility::Visible);
    // Of the first, which came back, nothing is kept; the second still blocks the third.
    let mut scenario = scenario.hide("jobs.fifo", seconds(0));
    assert_eq!(scenario.see("jobs.fifo", "a1"), Visibility::Visible);
    assert_eq!(scenario.see("jobs.fifo", "a3"), behind(second));
    let mut scenario = scenario.advance(seconds(30));
    assert_eq!(scenario.see("jobs.fifo", "a3"), Visibility::Visible);
}

#[test]
fn a_message_waits_behind_a_delayed_one_of_its_group() {
    let scenario = scenario().create("jobs.fifo", &[FIFO, &[Attribute::Delay(seconds(9))]].concat());
    let mut scenario = scenario.send_with("jobs.fifo", of_fifo_group("g", "a"));
    let blocked_by = scenario.id_of("jobs.fifo", "a");
    let arn = scenario.arn("jobs.fifo");
    scenario.engine.set_queue_attributes(scenario.now, &arn, &[Attribute::Delay(seconds(0))]).unwrap();
    let mut scenario = scenario.send_with("jobs.fifo", of_fifo_group("g", "b"));
    assert_eq!(scenario.see("jobs.fifo", "a"), Visibility::Delayed { until: after(9) });
    let behind = Visibility::BehindGroup { blocked_by, place: Place::Delayed, until: after(9) };
    assert_eq!(scenario.see("jobs.fifo", "b"), behind);
}

#[test]
fn messages_of_a_noisy_tenant_wait_for_their_turn() {
    let scenario = (0..40)
        .fold(scenario().create("jobs", &[]), |it, at| it.send_with("jobs", of_group("loud", &format!("loud-{at}"))));
    let scenario = (0..3).fold(scenario, |it, _| it.receive_max("jobs", 10, None));
    let mut scenario = scenario.send_with("jobs", of_group("calm", "calm"));
    let until = after(300);
    let next = scenario.id_of("jobs", "calm");
    let behind = Visibility::BehindTenants { next, in_flight: 30, in_flight_total: 30, until };
    assert_eq!(scenario.see("jobs", "loud-35"), behind);
    assert_eq!(scenario.see("jobs", "calm"), Visibility::Visible);
    let mut scenario = scenario.receive_max("jobs", 1, None);
    assert_eq!(bodies(&scenario.deliveries), ["calm"]);
    assert_eq!(scenario.see("jobs", "loud-35"), Visibility::Visible, "nobody else has anything");
}

#[test]
fn a_message_waits_while_its_queue_has_as_many_in_flight_as_may_be() {
    let mut scenario = scenario();
    scenario.engine = Engine::new(Limits { in_flight_max: 1, ..Limits::STRICT }, 1);
    let scenario = scenario.create("jobs", &[]).send("jobs", "a").send("jobs", "b");
    let mut scenario = scenario.send_delayed("jobs", "c", seconds(5)).receive_max("jobs", 10, None);
    let full = Visibility::InFlightFull { in_flight_max: 1, until: after(30) };
    assert_eq!(scenario.see("jobs", "b"), full);
    assert_eq!(scenario.see("jobs", "c"), Visibility::Delayed { until: after(5) });
    let mut scenario = scenario.delete("jobs");
    assert_eq!(scenario.see("jobs", "b"), Visibility::Visible);
}

#[test]
fn a_message_that_has_used_up_its_receives_goes_with_the_next() {
    let scenario = remembering().create("dead", &[]).create("jobs", &[]).dead_letters_to("jobs", "dead", 1);
    let mut scenario = scenario.send("jobs", "a").receive("jobs", &["a"]).advance(seconds(30));
    let dead = scenario.scope.arn("dead");
    let id = scenario.id_of("jobs", "a");
    let spent = Visibility::OutOfReceives { dead_letter_queue: dead.clone(), max_receive_count: 1 };
    assert_eq!(scenario.see("jobs", "a"), spent);
    let mut scenario = scenario.receive("jobs", &[]);
    scenario.expect_departure("jobs", id, 1, DepartureCause::DeadLettered { to: dead });
    assert!(matches!(scenario.locate("dead", id), Located::Here(it) if it.visibility == Visibility::Visible));
    // Without the target, the policy moves nothing.
    let mut scenario = scenario.send("jobs", "b").receive("jobs", &["b"]).advance(seconds(30));
    let dead = scenario.arn("dead");
    scenario.engine.delete_queue(scenario.now, &dead).unwrap();
    assert_eq!(scenario.see("jobs", "b"), Visibility::Visible);
}

#[test]
fn what_a_task_moved_is_found_by_its_new_id() {
    let scenario = remembering().create("dead", &[]).create("jobs", &[]).dead_letters_to("jobs", "dead", 1);
    let scenario = scenario.send("jobs", "a").receive("jobs", &["a"]).advance(seconds(30)).receive("jobs", &[]);
    let mut scenario = scenario.advance(seconds(60));
    let (old, dead, to) = (scenario.id_of("dead", "a"), scenario.arn("dead"), scenario.scope.arn("jobs"));
    scenario.engine.start_move_task(scenario.now, &dead, None, None).unwrap();
    let message_id = scenario.id_of("jobs", "a");
    assert_ne!(message_id, old);
    scenario.expect_departure("dead", old, 1, DepartureCause::Moved { to, message_id });
}

#[test]
fn what_is_gone_is_known_by_how_it_went() {
    type Leave = fn(Scenario) -> Scenario;
    let leave: [(u32, DepartureCause, Leave); 4] = [
        (1, DepartureCause::Deleted, |it| it.receive("jobs", &["a"]).delete("jobs")),
        (0, DepartureCause::Expired, |it| it.advance(seconds(4 * 24 * 3600))),
        (1, DepartureCause::Purged, |it| {
            let mut it = it.receive("jobs", &["a"]);
            let arn = it.arn("jobs");
            it.engine.purge_queue(it.now, &arn).unwrap();
            it
        }),
        (0, DepartureCause::QueueDeleted, |mut it| {
            let arn = it.arn("jobs");
            it.engine.delete_queue(it.now, &arn).unwrap();
            it
        }),
    ];
    for (receive_count, cause, leave) in leave {
        for remembers in [true, false] {
            let mut scenario = if remembers { remembering() } else { scenario() };
            scenario = scenario.create("jobs", &[]).send("jobs", "a");
            let id = scenario.id_of("jobs", "a");
            assert!(matches!(scenario.locate("jobs", id), Located::Here(it) if it.message.id == id));
            scenario = leave(scenario);
            if remembers {
                scenario.expect_departure("jobs", id, receive_count, cause.clone());
            }
            scenario.engine.reset(scenario.now);
            let mut scenario = scenario.create("jobs", &[]);
            assert!(matches!(scenario.locate("jobs", id), Located::Unknown), "{cause:?}");
        }
    }
    let mut scenario = remembering();
    let (arn, unknown) = (scenario.arn("none"), IdSource::seeded(1).next_uuid());
    let missing = scenario.engine.locate(scenario.now, &arn, unknown);
    assert!(matches!(missing, Err(EngineError::QueueDoesNotExist { .. })), "{missing:?}");
}

/// Whatever state a queue is in: a receive gets what was visible, and what waited for a turn waited for what it gets.
#[test]
fn what_a_receive_gets_was_visible_before() {
    let mut ids = IdSource::seeded(11);
    let mut random = |below: u64| ids.next_u64() % below;
    let (mut waited, mut blocked, mut received) = (0, 0, 0);
    for queue in ["jobs", "jobs.fifo"] {
        let attributes = if queue == "jobs" { &[] } else { FIFO };
        let mut scenario = scenario().create("dead.fifo", FIFO).create("dead", &[]).create(queue, attributes);
        scenario = scenario.dead_letters_to(queue, if queue == "jobs" { "dead" } else { "dead.fifo" }, 3);
        for step in 0..3_000_u64 {
            let group = ["loud", "loud", "loud", "calm", "other"][usize::try_from(random(5)).unwrap()];
            match random(10) {
                0..4 if queue == "jobs" => scenario = scenario.send_with(queue, of_group(group, &step.to_string())),
                0..4 => scenario = scenario.send_with(queue, of_fifo_group(group, &step.to_string())),
                4..8 => {
                    let arn = scenario.arn(queue);
                    let seen = scenario.engine.peek(scenario.now, &arn, 0, usize::MAX).unwrap();
                    let is_spent = |it: &Peeked| matches!(it.visibility, Visibility::OutOfReceives { .. });
                    let any_spent = seen.iter().any(is_spent);
                    scenario = scenario.receive_max(queue, if queue == "jobs" { 1 } else { 1 + random(5) }, None);
                    received += scenario.deliveries.len();
                    for delivery in scenario.deliveries.iter().filter(|_| !any_spent) {
                        let before = seen.iter().find(|it| it.message.id == delivery.message.id).unwrap();
                        assert_eq!(before.visibility, Visibility::Visible, "{queue}, step {step}");
                    }
                    for it in seen.iter().filter(|_| !any_spent) {
                        match it.visibility {
                            Visibility::BehindTenants { next, .. } => {
                                assert_eq!(scenario.deliveries[0].message.id, next, "step {step}");
                                waited += 1;
                            }
                            Visibility::BehindGroup { .. } => blocked += 1,
                            _ => {}
                        }
                    }
                    let any_visible = seen.iter().any(|it| it.visibility == Visibility::Visible);
                    assert!(any_spent || any_visible != scenario.deliveries.is_empty(), "{queue}, step {step}");
                }
                8 if step % 3 == 0 => scenario = scenario.delete(queue),
                _ => scenario = scenario.advance(Duration::from_millis(random(2_000))),
            }
        }
    }
    assert!(
        waited > 100 && blocked > 100 && received > 1_000,
        "{waited} waited, {blocked} blocked, {received} received"
    );
}

#[test]
fn what_was_deleted_last_is_remembered_whole_within_a_bound() {
    let mut scenario = remembering().create("jobs", &[]).send("jobs", "a").advance(seconds(5));
    scenario = scenario.receive("jobs", &["a"]).advance(seconds(2)).delete("jobs");
    let deleted = scenario.engine.deleted().next().expect("it is remembered");
    assert_eq!((deleted.message.body.as_str(), deleted.queue.name()), ("a", "jobs"));
    assert_eq!((deleted.received_at, deleted.at), (after(5), after(7)));
    for number in 0..300 {
        let body = format!("{number} {}", "x".repeat(10_000));
        scenario = scenario.send("jobs", &body).receive("jobs", &[&body]).delete("jobs");
    }
    let long = "x".repeat(100_000);
    scenario = scenario.send("jobs", &long).receive("jobs", &[&long]).delete("jobs");
    let bodies = scenario.engine.deleted().map(|deleted| deleted.message.body.as_str().len()).collect::<Vec<_>>();
    assert!(bodies.iter().sum::<usize>() <= 2 * 1024 * 1024 && bodies.len() > 100, "{} messages", bodies.len());
    assert!(
        scenario.engine.deleted().next().unwrap().message.body.as_str().starts_with("299 "),
        "the newest comes first"
    );
    scenario.engine.reset(scenario.now);
    assert_eq!(scenario.engine.deleted().count(), 0);
}

#[test]
fn what_comes_and_goes_is_counted() {
    let scenario = remembering().create("dead", &[]).create("jobs", &[]).dead_letters_to("jobs", "dead", 1);
    let scenario = scenario.send("jobs", "a").receive("jobs", &["a"]).delete("jobs");
    let scenario = scenario.send("jobs", "b").receive("jobs", &["b"]).hide("jobs", seconds(0));
    let scenario = scenario.send("jobs", "c").receive("jobs", &["c"]);
    let traffic = |queue: &str| scenario.engine.traffic(scenario.scope.arn(queue).as_str()).unwrap();
    assert_eq!(traffic("jobs"), Traffic { entered: 3, left: 2, dead_lettered: 1 });
    assert_eq!(traffic("dead"), Traffic { entered: 1, left: 0, dead_lettered: 0 });
    assert_eq!(scenario.engine.traffic("none"), None);
}
