//! A function that does not run because it may not run as often at the same time; and what a filter refuses.

use super::*;

fn throttled() -> Result<Bytes, FunctionError> {
    Err(FunctionError::Throttled { reason: "limit".to_owned() })
}

fn dropped(ids: &[&str]) -> PlannerAction {
    let reason = DropReason::Throttled { reason: "limit".to_owned() };
    PlannerAction::Drop { messages: messages(ids), reason }
}

/// A planner whose first batch, received at 0, is being invoked, and whose next is being received.
fn invoking(settings: PlannerSettings, ids: &[&str]) -> (Planner, Arc<Batch>) {
    let mut planner = started(settings);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals(messages(ids)));
    let batch = planner.expect_invoke();
    planner.expect_receive();
    (planner, batch)
}

#[test]
fn a_throttled_batch_is_tried_again_until_its_visibility_timeout_and_then_dropped() {
    for seed in 0..50 {
        let (planner, batch) = invoking(SETTINGS, &["a", "b"]);
        let mut planner = planner.seed(seed);
        let (mut now, mut waits) = (at(0), Vec::new());
        while let Settled::Throttled { reason, retry_at: Some(retry_at) } = planner.invoked(now, batch.id, throttled())
        {
            assert_eq!((reason.as_str(), planner.next_wakeup()), ("limit", Some(retry_at)));
            assert!(retry_at < at(30_000), "the messages are no longer hidden");
            planner.advance(retry_at - Duration::from_millis(1));
            planner.expect_nothing();
            planner.advance(retry_at);
            assert_eq!(planner.expect_invoke(), batch);
            waits.push(retry_at.since(now).as_millis());
            now = retry_at;
        }
        assert!(waits.len() >= 3, "{waits:?}");
        assert!(waits.iter().zip(0..).all(|(wait, doublings)| *wait <= 1_000 << doublings), "{waits:?}");
        assert!(!planner.is_idle(), "the batch keeps its place");
        assert_eq!(planner.next_wakeup(), Some(at(30_000)));
        planner.advance(at(30_000));
        assert_eq!(planner.poll_action(), Some(dropped(&["a", "b"])));
        assert!(planner.is_idle());
    }
}

#[test]
fn a_batch_that_runs_after_being_throttled_is_deleted_as_ever() {
    let (mut planner, batch) = invoking(SETTINGS, &["a"]);
    let Settled::Throttled { retry_at: Some(retry_at), .. } = planner.invoked(at(0), batch.id, throttled()) else {
        panic!("it is tried again")
    };
    planner.advance(retry_at);
    assert_eq!(planner.expect_invoke(), batch);
    assert_eq!(planner.invoked(retry_at, batch.id, SUCCESS), Settled::Finished(BatchOutcome::Succeeded));
    assert_eq!(planner.expect_delete(), ["handle of a"]);
    planner.deleted(retry_at, batch.id);
    assert_eq!((planner.is_idle(), planner.next_wakeup()), (true, None));
}

#[test]
fn the_time_to_try_begins_with_the_first_message_that_was_received() {
    let window = PlannerSettings { batching_window: seconds(10), hidden_for: seconds(50), ..SETTINGS };
    let mut planner = started(window);
    let (id, _) = planner.expect_receive();
    planner.received(at(1_000), id, arrivals(messages(&["a"])));
    planner.expect_receive();
    planner.received(at(9_000), id, arrivals(messages(&["b"])));
    planner.expect_receive();
    planner.received(at(10_000), id, Vec::new());
    let batch = planner.expect_invoke();
    let settled = planner.invoked(at(51_000), batch.id, throttled());
    assert_eq!(settled, Settled::Throttled { reason: "limit".to_owned(), retry_at: None });
    planner.expect_receive();
    assert_eq!(planner.poll_action(), Some(dropped(&["a", "b"])));
}

#[test]
fn being_throttled_takes_concurrency_away_also_with_partial_batch_responses() {
    let mut planner = started(PlannerSettings { scaling: fixed(5), ..SETTINGS });
    let mut batches = Vec::new();
    for _ in 0..5 {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(messages(&["a"])));
        batches.push(planner.expect_invoke().id);
    }
    let mut limits = Vec::new();
    for batch in &batches[..4] {
        planner.invoked(at(1), *batch, throttled());
        limits.push(planner.concurrency_limit());
    }
    assert_eq!(limits, [4, 3, 2, 2]);
    planner.invoked(at(2), batches[4], SUCCESS);
    assert_eq!(planner.expect_delete(), ["handle of a"]);
    planner.deleted(at(2), batches[4]);
    assert_eq!(planner.concurrency_limit(), 3);
    planner.expect_nothing();
}

fn refused(messages: Vec<SourceMessage>) -> Vec<Arrival> {
    messages.into_iter().map(|message| Arrival { message, record_bytes: 0, is_wanted: false }).collect()
}

#[test]
fn what_the_filter_refuses_takes_no_place_in_the_batch_and_is_deleted() {
    let mut planner = started(PlannerSettings { batch_size: 3, batching_window: seconds(5), ..SETTINGS });
    let (id, _) = planner.expect_receive();
    let mixed = [arrivals(messages(&["a"])), refused(messages(&["x", "y"]))].concat();
    planner.received(at(0), id, mixed);
    let receipt_handles = vec!["handle of x".to_owned(), "handle of y".to_owned()];
    assert_eq!(planner.poll_action(), Some(PlannerAction::DeleteFiltered { receipt_handles }));
    let (_, request) = planner.expect_receive();
    assert_eq!(request.max_messages, 2);
    planner.received(at(1), id, arrivals(messages(&["b", "c"])));
    assert_eq!(planner.expect_invoke().messages, messages(&["a", "b", "c"]));
    planner.expect_receive();
    planner.filtered_deleted(at(2));
    planner.expect_nothing();
}

#[test]
fn receives_wait_when_too_many_refused_messages_are_still_to_be_deleted() {
    let mut planner = started(PlannerSettings { batching_window: seconds(5), ..SETTINGS });
    for _ in 0..FILTER_DELETES_MAX {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, refused(messages(&["x"])));
        assert!(matches!(planner.poll_action(), Some(PlannerAction::DeleteFiltered { .. })));
    }
    planner.expect_nothing();
    assert!(!planner.is_idle(), "deletes are still work");
    assert_eq!(planner.next_wakeup(), None);
    planner.filtered_deleted(at(1));
    planner.expect_receive();
    for _ in 1..FILTER_DELETES_MAX {
        planner.filtered_deleted(at(2));
    }
    planner.expect_nothing();
    assert!(planner.is_idle());
}

#[test]
fn a_window_ends_on_time_although_deletes_are_slow() {
    let mut planner = started(PlannerSettings { batching_window: seconds(5), ..SETTINGS });
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals(messages(&["a"])));
    for _ in 0..FILTER_DELETES_MAX {
        planner.expect_receive();
        planner.received(at(1_000), id, refused(messages(&["x"])));
        assert!(matches!(planner.poll_action(), Some(PlannerAction::DeleteFiltered { .. })));
    }
    planner.expect_nothing();
    assert_eq!(planner.next_wakeup(), Some(at(5_000)));
    planner.advance(at(5_000));
    assert_eq!(planner.expect_invoke().messages, messages(&["a"]));
    planner.expect_nothing();
    planner.stop();
    assert!(!planner.is_finished());
}
