//! What moves between queues - dead letters and message move tasks - and fair queues.

use super::*;

/// "jobs" with dead letters in "dead", as many as there are bodies.
fn dead_letters(bodies: &[&str]) -> Scenario {
    let mut it = scenario().create("jobs", &[]).create("dead", &[]).dead_letters_to("jobs", "dead", 1);
    for body in bodies {
        it = it.send("jobs", body).receive("jobs", &[body]);
    }
    it.advance(seconds(30)).receive("jobs", &[]).expect_counts("dead", bodies.len(), 0, 0)
}

impl Scenario {
    fn start_task(&mut self, destination: Option<&str>, rate: Option<i64>) -> Result<TaskId, EngineError> {
        let (source, destination) = (self.arn("dead"), destination.map(|name| self.arn(name)));
        let started = self.engine.start_move_task(self.now, &source, destination.as_deref(), rate);
        self.engine.check();
        started
    }

    fn expect_task(mut self, status: MoveTaskStatus, moved: u64) -> Self {
        let source = self.arn("dead");
        let task = self.engine.move_tasks(self.now, &source).unwrap().remove(0);
        assert_eq!((task.status, task.moved), (status, moved), "at {}", self.now);
        self
    }
}

#[test]
fn a_move_task_sends_every_message_back_as_a_new_one() {
    let mut it = dead_letters(&["a", "b", "c"]).receive("dead", &["a", "b", "c"]);
    let before = it.deliveries[0].message.id;
    it = it.advance(seconds(30));
    it.start_task(None, None).unwrap();
    let it = it.expect_task(MoveTaskStatus::Completed, 3).receive("jobs", &["a", "b", "c"]).expect_receive_count(1);
    assert_ne!(it.deliveries[0].message.id, before);
    assert_eq!(it.deliveries[0].message.dead_letter_source(), None);
    assert_eq!(it.deliveries[0].message.sent_at, it.now);
}

#[test]
fn a_move_task_with_a_rate_moves_one_message_after_the_other() {
    let mut it = dead_letters(&["a", "b", "c"]);
    it.start_task(Some("jobs"), Some(3)).unwrap();
    let problem = EngineError::MessageMoveTask(MoveTaskProblem::AlreadyRunning);
    assert_eq!(it.start_task(None, None), Err(problem));
    it.expect_task(MoveTaskStatus::Running, 1)
        .advance(Duration::from_millis(333))
        .expect_task(MoveTaskStatus::Running, 1)
        .advance(Duration::from_millis(1))
        .expect_task(MoveTaskStatus::Running, 2)
        .advance(Duration::from_millis(333))
        .expect_task(MoveTaskStatus::Completed, 3)
        .expect_counts("jobs", 3, 0, 0);
}

#[test]
fn a_cancelled_move_task_says_how_many_it_moved_and_moves_no_more() {
    let mut it = dead_letters(&["a", "b", "c"]);
    let id = it.start_task(None, Some(1)).unwrap().to_string();
    let mut it = it.advance(seconds(1));
    let source = it.arn("dead");
    assert_eq!(it.engine.cancel_move_task(it.now, &source, &id), Ok(2));
    let again = it.engine.cancel_move_task(it.now, &source, &id);
    assert_eq!(again, Err(EngineError::MessageMoveTask(MoveTaskProblem::NotRunning)));
    assert_eq!(it.engine.next_wakeup(), None);
    it.advance(seconds(9)).expect_task(MoveTaskStatus::Cancelled, 2).expect_counts("dead", 1, 0, 0);
}

#[test]
fn a_move_task_fails_when_it_knows_no_queue_for_a_message() {
    let mut it = dead_letters(&["a"]).send("dead", "sent here");
    it.start_task(None, None).unwrap();
    let reason = "CouldNotDetermineMessageSource";
    it = it.expect_task(MoveTaskStatus::Failed { reason }, 1).expect_counts("dead", 1, 0, 0);
    it = it.create("other", &[]).dead_letters_to("other", "dead", 1);
    let other = it.arn("other");
    it.start_task(Some("other"), Some(1)).unwrap();
    let mut it = it.expect_task(MoveTaskStatus::Completed, 1).send("dead", "b").send("dead", "c");
    it.start_task(Some("other"), Some(1)).unwrap();
    it.engine.delete_queue(it.now, &other).unwrap();
    let reason = "AWS.SimpleQueueService.NonExistentQueue";
    it.advance(seconds(1)).expect_task(MoveTaskStatus::Failed { reason }, 1);
}

#[test]
fn a_receive_keeps_what_it_was_given_when_dead_letters_come_back_in_the_same_moment() {
    let [mut first, mut second] = [None; 2];
    let it = scenario()
        .create("jobs", &[])
        .create("dead", &[])
        .dead_letters_to("jobs", "dead", 1)
        .dead_letters_to("dead", "jobs", 1)
        .send("jobs", "there")
        .receive("jobs", &["there"])
        .send("dead", "back")
        .receive("dead", &["back"])
        .send_delayed("jobs", "stays", seconds(30))
        .advance(seconds(20))
        .long_poll("jobs", seconds(20), &mut first)
        .long_poll("dead", seconds(20), &mut second)
        .advance(seconds(10));
    let answer = |waiter: Option<WaiterId>, body: &str| (waiter.unwrap(), it.now, vec![body.to_owned()]);
    assert_eq!(it.answers, [answer(first, "stays"), answer(second, "there")]);
    it.expect_counts("jobs", 1, 0, 1).receive("jobs", &["back"]);
}

#[test]
fn who_waits_for_a_dead_letter_queue_is_woken_by_the_receive_that_fills_it() {
    let mut waiter = None;
    let it = scenario()
        .create("jobs", &[])
        .create("dead", &[])
        .dead_letters_to("jobs", "dead", 1)
        .send("jobs", "poison")
        .receive("jobs", &["poison"])
        .advance(seconds(25))
        .long_poll("dead", seconds(20), &mut waiter)
        .advance(seconds(5))
        .receive("jobs", &[]);
    assert_eq!(it.answers, [(waiter.unwrap(), it.now, vec!["poison".to_owned()])]);
}

#[test]
fn an_attribute_of_the_other_type_is_unknown_also_to_a_queue_that_exists() {
    let mut it = scenario().create("jobs", &[]);
    for attribute in [Attribute::FifoQueue(false), Attribute::ContentBasedDeduplication(true)] {
        let unknown = EngineError::AttributeUnknown { attribute: attribute.name() };
        assert_eq!(it.try_create("jobs", &[attribute]), Err(unknown));
    }
}

/// 30 messages of "loud" in flight, and one of each tenant ready: the loud one's came first.
fn loud_and_quiet() -> Scenario {
    let send = |it: Scenario, tenant: &str, body: &str| {
        let body = MessageBody::parse(body).unwrap();
        it.send_with("jobs", SendMessage { group_id: Some(tenant.to_owned()), ..SendMessage::new(body) })
    };
    let mut it = scenario().create("jobs", &[Attribute::VisibilityTimeout(seconds(3_600))]);
    for _ in 0..3 {
        for _ in 0..10 {
            it = send(it, "loud", "x");
        }
        it = it.receive("jobs", &["x"; 10]);
    }
    it = send(it, "loud", "loud");
    it = it.advance(Duration::from_millis(1));
    send(it, "quiet", "quiet")
}

#[test]
fn a_quiet_tenant_goes_before_one_with_thirty_messages_in_flight() {
    loud_and_quiet().receive("jobs", &["quiet", "loud"]);
}

#[test]
fn a_tenant_is_quiet_again_when_it_has_sent_nothing_for_five_minutes() {
    loud_and_quiet().advance(Duration::from_millis(299_998)).receive("jobs", &["quiet", "loud"]);
    loud_and_quiet().advance(Duration::from_millis(299_999)).receive("jobs", &["loud", "quiet"]);
}
