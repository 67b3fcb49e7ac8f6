mod holding;
mod scaling;
mod throttling;

use super::*;
use crate::{engine::MessageAttributes, event_source_mapping::source::SystemAttributes};

const SETTINGS: PlannerSettings = PlannerSettings {
    batch_size: 10,
    batching_window: Duration::ZERO,
    scaling: fixed(2),
    report_batch_item_failures: true,
    visibility_timeout: None,
    hidden_for: Duration::from_secs(30),
    is_fifo: false,
};

const fn fixed(concurrency: usize) -> Scaling {
    Scaling { start: concurrency, max: concurrency, step: Duration::from_millis(200) }
}

const SUCCESS: Result<Bytes, FunctionError> = Ok(Bytes::new());

fn function_error() -> Result<Bytes, FunctionError> {
    Err(FunctionError::Crashed { message: "exit status 1".to_owned() })
}

fn at(millis: u64) -> Time {
    Time::from_millis(1_000_000 + millis)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn arrivals(messages: Vec<SourceMessage>) -> Vec<Arrival> {
    messages.into_iter().map(|message| Arrival { message, record_bytes: 500, is_wanted: true }).collect()
}

fn messages(ids: &[&str]) -> Vec<SourceMessage> {
    let message = |id: &&str| SourceMessage {
        message_id: (*id).to_owned(),
        receipt_handle: format!("handle of {id}"),
        body: "body".to_owned(),
        message_attributes: MessageAttributes::default(),
        system_attributes: SystemAttributes::default(),
    };
    ids.iter().map(message).collect()
}

fn many(count: usize) -> Vec<SourceMessage> {
    let ids: Vec<String> = (0..count).map(|i| i.to_string()).collect();
    messages(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

fn started(settings: PlannerSettings) -> Planner {
    let mut planner = Planner::new(settings);
    planner.advance(at(0));
    planner
}

impl Planner {
    fn expect_receive(&mut self) -> (BatchId, Receive) {
        match self.poll_action() {
            Some(PlannerAction::Receive { batch, request }) => (batch, request),
            other => panic!("expected a receive, got {other:?}"),
        }
    }

    fn expect_invoke(&mut self) -> Arc<Batch> {
        match self.poll_action() {
            Some(PlannerAction::Invoke(batch)) => batch,
            other => panic!("expected an invocation, got {other:?}"),
        }
    }

    fn expect_delete(&mut self) -> Vec<String> {
        match self.poll_action() {
            Some(PlannerAction::Delete { receipt_handles, .. }) => receipt_handles,
            other => panic!("expected deletes, got {other:?}"),
        }
    }

    fn expect_nothing(&mut self) {
        assert_eq!(self.poll_action(), None);
    }

    /// Takes the next batch of one message through receive, invocation and deletes; the next receive stays to be taken.
    fn work(&mut self, reply: Result<Bytes, FunctionError>) -> BatchOutcome {
        let (batch, _) = self.expect_receive();
        self.received(at(0), batch, arrivals(messages(&["a"])));
        let batch = self.expect_invoke();
        let Settled::Finished(outcome) = self.invoked(at(0), batch.id, reply) else { panic!("it was throttled") };
        if outcome.deletes(0) {
            let position = self.actions.iter().position(|action| matches!(action, PlannerAction::Delete { .. }));
            self.actions.remove(position.expect("a message that is done is deleted"));
            self.deleted(at(0), batch.id);
        }
        outcome
    }
}

#[test]
fn without_a_window_a_batch_is_what_the_first_receive_brings() {
    let mut planner = started(PlannerSettings { batch_size: 5, ..SETTINGS });
    let (batch, request) = planner.expect_receive();
    assert_eq!(
        request,
        Receive { max_messages: 5, visibility_timeout: None, wait_time: Some(LONG_POLL), attempt_id: None }
    );
    planner.expect_nothing();
    assert_eq!(planner.next_wakeup(), None);
    assert!(planner.is_idle());

    planner.received(at(20_000), batch, Vec::new());
    let (again, request) = planner.expect_receive();
    assert_eq!((again, request.wait_time), (batch, Some(LONG_POLL)));

    planner.received(at(20_001), batch, arrivals(messages(&["a", "b"])));
    let invoked = planner.expect_invoke();
    assert_eq!((&invoked.messages, invoked.closed_by), (&messages(&["a", "b"]), CloseReason::BatchingWindow));
    assert!(!planner.is_idle());
    // The next batch is collected meanwhile.
    let (next, _) = planner.expect_receive();
    assert_ne!(next, batch);
}

#[test]
fn a_full_batch_is_invoked_before_its_window_ends() {
    let mut planner = started(PlannerSettings { batch_size: 25, batching_window: seconds(5), ..SETTINGS });
    let mut asked = Vec::new();
    let mut batch = None;
    for _ in 0..2 {
        let (id, request) = planner.expect_receive();
        asked.push(request.max_messages);
        planner.received(at(0), id, arrivals(many(10)));
        batch = Some(id);
    }
    let (id, request) = planner.expect_receive();
    asked.push(request.max_messages);
    assert_eq!((asked, Some(id)), (vec![10, 10, 5], batch), "one batch, by receives of at most ten");
    planner.received(at(1), id, arrivals(many(5)));
    let invoked = planner.expect_invoke();
    assert_eq!((invoked.messages.len(), invoked.closed_by), (25, CloseReason::BatchSize));
}

#[test]
fn a_window_closes_at_its_end_and_no_receive_waits_beyond_it() {
    let mut planner = started(PlannerSettings { batch_size: 100, batching_window: seconds(30), ..SETTINGS });
    let (batch, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(LONG_POLL), "no receive waits longer than SQS allows");
    planner.received(at(15_500), batch, arrivals(messages(&["a"])));
    let (_, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(Duration::from_millis(14_500)));
    planner.received(at(29_999), batch, arrivals(messages(&["b"])));
    let (_, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(Duration::from_millis(1)));
    planner.received(at(30_000), batch, Vec::new());
    let invoked = planner.expect_invoke();
    assert_eq!((invoked.messages.len(), invoked.closed_by), (2, CloseReason::BatchingWindow));
}

#[test]
fn a_window_without_messages_is_followed_by_the_next_and_nothing_is_invoked() {
    let mut planner = started(PlannerSettings { batching_window: seconds(3), ..SETTINGS });
    let (batch, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(seconds(3)));
    planner.received(at(3_000), batch, Vec::new());
    let (_, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(seconds(3)));
    planner.received(at(5_000), batch, arrivals(messages(&["a"])));
    let (_, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(seconds(1)), "the window began at 3 s, not with the message");
}

#[test]
fn the_next_window_starts_as_soon_as_an_invocation_has_ended() {
    let mut planner = started(PlannerSettings { batching_window: seconds(3), batch_size: 1, ..SETTINGS });
    let mut invoked = Vec::new();
    for _ in 0..2 {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(messages(&["a"])));
        invoked.push(planner.expect_invoke().id);
    }
    planner.expect_nothing();
    planner.invoked(at(7_000), invoked[0], function_error());
    let (id, request) = planner.expect_receive();
    assert_eq!(request.wait_time, Some(seconds(3)));
    planner.received(at(10_000), id, Vec::new());
    planner.expect_receive();
}

#[test]
fn nothing_is_received_that_could_not_be_invoked() {
    let mut planner = started(PlannerSettings { scaling: fixed(3), ..SETTINGS });
    let mut invoked = Vec::new();
    for _ in 0..3 {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(many(10)));
        invoked.push(planner.expect_invoke());
    }
    planner.expect_nothing();
    planner.advance(at(100_000));
    planner.expect_nothing();
    planner.invoked(at(100_000), invoked[1].id, SUCCESS);
    assert_eq!(planner.expect_delete().len(), 10);
    planner.expect_nothing();
    planner.deleted(at(100_000), invoked[1].id);
    planner.expect_receive();
}

#[test]
fn without_a_setting_there_are_five_batches_at_a_time_at_first() {
    let mut planner = started(PlannerSettings { scaling: Scaling::STANDARD, ..SETTINGS });
    for _ in 0..5 {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(messages(&["a"])));
        planner.expect_invoke();
    }
    planner.expect_nothing();
}

#[test]
fn what_is_reported_is_left_and_the_others_are_deleted() {
    let mut planner = started(SETTINGS);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals(messages(&["a", "b", "c"])));
    let batch = planner.expect_invoke();
    planner.expect_receive();
    let reply = Bytes::from_static(br#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#);
    let outcome = planner.invoked(at(1), batch.id, Ok(reply));
    assert_eq!(outcome, Settled::Finished(BatchOutcome::PartiallyFailed { failed: [1].into() }));
    assert_eq!(planner.expect_delete(), ["handle of a", "handle of c"]);
    assert!(!planner.is_idle(), "deletes are still work");
    planner.deleted(at(1), batch.id);
    assert!(planner.is_idle());
}

#[test]
fn function_errors_take_concurrency_away_and_successes_give_it_back() {
    let mut planner = started(PlannerSettings { scaling: fixed(4), report_batch_item_failures: false, ..SETTINGS });
    let mut limits = Vec::new();
    for _ in 0..4 {
        planner.work(function_error());
        limits.push(planner.concurrency.limit());
    }
    for _ in 0..3 {
        planner.work(SUCCESS);
        limits.push(planner.concurrency.limit());
    }
    assert_eq!(limits, [3, 2, 2, 2, 3, 4, 4]);
}

#[test]
fn with_partial_batch_responses_failures_take_no_concurrency_away() {
    let mut planner = started(PlannerSettings { scaling: fixed(4), ..SETTINGS });
    for reply in [function_error(), Ok(Bytes::from_static(b"not JSON")), function_error()] {
        assert!(matches!(planner.work(reply), BatchOutcome::Failed(_)));
        assert_eq!(planner.concurrency.limit(), 4);
    }
}

#[test]
fn receives_that_fail_are_tried_again_ever_more_slowly() {
    let mut planner = started(SETTINGS);
    let mut now = 0;
    let mut delays = Vec::new();
    for _ in 0..40 {
        let (id, _) = planner.expect_receive();
        let retry_at = planner.receive_failed(at(now), id);
        planner.advance(retry_at - Duration::from_millis(1));
        planner.expect_nothing();
        assert_eq!(planner.next_wakeup(), Some(retry_at));
        delays.push(retry_at.since(at(now)).as_millis());
        now += u64::try_from(retry_at.since(at(now)).as_millis()).unwrap();
        planner.advance(retry_at);
    }
    let bounds = [1_000, 2_000, 4_000, 8_000, 16_000].into_iter().chain(std::iter::repeat(30_000));
    assert!(delays.iter().zip(bounds).all(|(delay, bound)| (1..=bound).contains(delay)), "{delays:?}");
    assert!(delays[5..].iter().sum::<u128>() > 35 * 10_000, "{delays:?}");
    let (id, _) = planner.expect_receive();
    planner.received(at(now), id, Vec::new());
    let (id, _) = planner.expect_receive();
    assert!(planner.receive_failed(at(now), id) <= at(now) + seconds(1), "a success begins anew");
}

#[test]
fn a_window_ends_on_time_although_receives_fail() {
    let mut planner = started(PlannerSettings { batching_window: seconds(3), ..SETTINGS });
    let (id, _) = planner.expect_receive();
    planner.received(at(2_500), id, arrivals(messages(&["a"])));
    let (id, _) = planner.expect_receive();
    // Its own time may come before the window's end, or after it.
    for retries in 0.. {
        let retry_at = planner.receive_failed(at(2_600), id);
        assert_eq!(planner.next_wakeup(), Some(retry_at.min(at(3_000))));
        if retry_at > at(3_000) {
            break;
        }
        assert!(retries < 10, "the bound of the wait doubles");
        planner.advance(retry_at);
        planner.expect_receive();
    }
    planner.advance(at(3_000));
    assert_eq!(planner.expect_invoke().closed_by, CloseReason::BatchingWindow);
}

#[test]
fn stopping_gives_up_the_receive_and_ends_what_has_begun() {
    let mut planner = started(SETTINGS);
    let (first, _) = planner.expect_receive();
    planner.received(at(0), first, arrivals(messages(&["a"])));
    let running = planner.expect_invoke();
    let (waiting, _) = planner.expect_receive();
    planner.stop();
    assert_eq!(planner.poll_action(), Some(PlannerAction::CancelReceive { batch: waiting }));
    planner.received(at(5), waiting, Vec::new());
    planner.expect_nothing();
    assert!(!planner.is_finished());
    planner.invoked(at(9), running.id, SUCCESS);
    assert_eq!(planner.expect_delete(), ["handle of a"]);
    planner.deleted(at(9), running.id);
    planner.expect_nothing();
    assert!(planner.is_finished());
}

#[test]
fn stopping_gives_back_what_the_function_has_not_seen() {
    let give_back = |names: &[&str]| {
        let receipt_handles = names.iter().map(|name| format!("handle of {name}")).collect();
        Some(PlannerAction::GiveBack { receipt_handles })
    };
    for fails in [false, true] {
        let mut planner = started(PlannerSettings { batching_window: seconds(60), ..SETTINGS });
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(messages(&["a"])));
        planner.expect_receive();
        if fails {
            planner.receive_failed(at(1), id);
        }
        planner.stop();
        if !fails {
            assert_eq!(planner.poll_action(), Some(PlannerAction::CancelReceive { batch: id }));
        }
        assert_eq!(planner.poll_action(), give_back(&["a"]));
        if !fails {
            planner.received(at(2), id, arrivals(messages(&["b"])));
            assert_eq!(planner.poll_action(), give_back(&["b"]));
            planner.given_back();
            assert!(!planner.is_finished(), "a is not given back yet");
        }
        planner.expect_nothing();
        planner.given_back();
        assert!(planner.is_finished());
        assert_eq!(planner.next_wakeup(), None);
    }
}

#[test]
fn stopping_gives_back_a_batch_that_is_throttled_or_given_up() {
    let throttled = || Err(FunctionError::Throttled { reason: "busy".to_owned() });
    for when in ["before", "after", "given up"] {
        let mut planner = started(SETTINGS);
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(messages(&["a"])));
        let batch = planner.expect_invoke();
        let (waiting, _) = planner.expect_receive();
        if when == "before" {
            planner.invoked(at(1), batch.id, throttled());
        }
        planner.stop();
        assert_eq!(planner.poll_action(), Some(PlannerAction::CancelReceive { batch: waiting }));
        planner.received(at(2), waiting, Vec::new());
        match when {
            "after" => {
                let settled = planner.invoked(at(3), batch.id, throttled());
                assert_eq!(settled, Settled::Throttled { reason: "busy".to_owned(), retry_at: None });
            }
            "given up" => planner.given_up(batch.id),
            _ => {}
        }
        let receipt_handles = vec!["handle of a".to_owned()];
        assert_eq!(planner.poll_action(), Some(PlannerAction::GiveBack { receipt_handles }), "{when}");
        planner.given_back();
        planner.expect_nothing();
        assert!(planner.is_finished(), "{when}");
    }
}

#[test]
fn a_receive_that_fails_while_stopping_is_not_repeated() {
    let mut planner = started(SETTINGS);
    let (id, _) = planner.expect_receive();
    planner.stop();
    assert_eq!(planner.poll_action(), Some(PlannerAction::CancelReceive { batch: id }));
    planner.receive_failed(at(1), id);
    planner.expect_nothing();
    assert!(planner.is_finished());
    assert_eq!(planner.next_wakeup(), None);
}
