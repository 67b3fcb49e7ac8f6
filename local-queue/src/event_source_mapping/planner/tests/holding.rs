//! Messages that were received and do not go into the batch they came for: too large, or not their group's turn.

use super::*;
use crate::event_source_mapping::event::EVENT_BYTES_MAX;

const FIFO: PlannerSettings = PlannerSettings { is_fifo: true, scaling: fixed(10), ..SETTINGS };

/// Messages with the sizes of their records.
fn sized(sizes: &[(&str, usize)]) -> Vec<Arrival> {
    let arrival = |(id, record_bytes): &(&str, usize)| Arrival {
        message: messages(&[id]).remove(0),
        record_bytes: *record_bytes,
        is_wanted: true,
    };
    sizes.iter().map(arrival).collect()
}

/// Messages that are called by their group and a number: `a1` is of group `a`.
fn grouped(ids: &[&str]) -> Vec<SourceMessage> {
    let mut messages = messages(ids);
    for message in &mut messages {
        message.system_attributes.group_id = Some(message.message_id[..1].to_owned());
    }
    messages
}

fn ids(messages: &[SourceMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.message_id.as_str()).collect()
}

fn expect_drop(planner: &mut Planner) -> (Vec<String>, DropReason) {
    match planner.poll_action() {
        Some(PlannerAction::Drop { messages, reason }) => {
            (ids(&messages).iter().map(ToString::to_string).collect(), reason)
        }
        other => panic!("expected messages to be let go, got {other:?}"),
    }
}

#[test]
fn a_batch_closes_before_its_event_is_too_large_and_the_rest_begins_the_next() {
    let mut planner = started(SETTINGS);
    let (id, _) = planner.expect_receive();
    // Exactly as large as it may be: brackets and key, two records, one comma.
    let second = EVENT_BYTES_MAX - EVENT_BYTES_EMPTY - 1_000 - 1;
    planner.received(at(0), id, sized(&[("a", 1_000), ("b", second), ("c", 10), ("d", 20)]));
    let first = planner.expect_invoke();
    assert_eq!((ids(&first.messages), first.closed_by), (vec!["a", "b"], CloseReason::PayloadSize));
    let next = planner.expect_invoke();
    assert_eq!((ids(&next.messages), next.closed_by), (vec!["c", "d"], CloseReason::BatchingWindow));
    planner.expect_nothing();

    let mut planner = started(SETTINGS);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, sized(&[("a", 1_000), ("b", second + 1), ("c", 10)]));
    assert_eq!(ids(&planner.expect_invoke().messages), ["a"]);
    assert_eq!(ids(&planner.expect_invoke().messages), ["b", "c"], "one byte more");
}

#[test]
fn a_message_alone_always_fits() {
    let mut planner = started(SETTINGS);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, sized(&[("a", EVENT_BYTES_MAX), ("b", 1)]));
    assert_eq!(ids(&planner.expect_invoke().messages), ["a"]);
    assert_eq!(ids(&planner.expect_invoke().messages), ["b"]);
}

#[test]
fn what_did_not_fit_waits_for_a_place_and_nothing_is_received_before() {
    let mut planner = started(PlannerSettings { batch_size: 100, batching_window: seconds(5), ..SETTINGS });
    let (id, _) = planner.expect_receive();
    let large = EVENT_BYTES_MAX - 100;
    planner.received(at(0), id, sized(&[("a", large), ("b", large), ("c", large)]));
    let (a, b) = (planner.expect_invoke(), planner.expect_invoke());
    assert_eq!((ids(&a.messages), ids(&b.messages)), (vec!["a"], vec!["b"]));
    planner.expect_nothing();
    planner.invoked(at(1), a.id, function_error());
    // It begins the next batch, whose window begins now.
    let (id, request) = planner.expect_receive();
    assert_eq!((request.wait_time, request.max_messages), (Some(seconds(5)), 10));
    planner.received(at(5_001), id, Vec::new());
    let c = planner.expect_invoke();
    assert_eq!((ids(&c.messages), c.closed_by), (vec!["c"], CloseReason::BatchingWindow));
}

#[test]
fn what_waited_longer_than_it_is_hidden_is_let_go() {
    let mut planner = started(PlannerSettings { scaling: fixed(1), ..SETTINGS });
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, sized(&[("a", EVENT_BYTES_MAX), ("b", 10), ("c", 10)]));
    let a = planner.expect_invoke();
    planner.expect_nothing();
    planner.invoked(at(30_000), a.id, function_error());
    assert_eq!(expect_drop(&mut planner), (vec!["b".to_owned(), "c".to_owned()], DropReason::HeldTooLong));
    planner.expect_receive();
    assert!(planner.is_idle());
}

#[test]
fn stopping_gives_back_what_did_not_fit() {
    let mut planner = started(PlannerSettings { scaling: fixed(1), ..SETTINGS });
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, sized(&[("a", EVENT_BYTES_MAX), ("b", 10)]));
    let a = planner.expect_invoke();
    planner.stop();
    let receipt_handles = vec!["handle of b".to_owned()];
    assert_eq!(planner.poll_action(), Some(PlannerAction::GiveBack { receipt_handles }));
    planner.given_back();
    planner.expect_nothing();
    assert!(!planner.is_finished(), "a is still with the function");
    planner.invoked(at(2), a.id, function_error());
    planner.expect_nothing();
    assert!(planner.is_finished());
}

#[test]
fn a_batch_of_a_fifo_queue_mixes_groups_and_others_run_beside_it() {
    let mut planner = started(FIFO);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals(grouped(&["a1", "a2", "b1"])));
    assert_eq!(ids(&planner.expect_invoke().messages), ["a1", "a2", "b1"]);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals(grouped(&["c1"])));
    assert_eq!(ids(&planner.expect_invoke().messages), ["c1"]);
    planner.expect_receive();
}

#[test]
fn of_a_group_at_most_one_batch_is_in_flight() {
    // The queue hands out more of a group although its batch still runs: the visibility timeout of that one has ended, or
    // the function has ended it.
    let mut planner = started(FIFO);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals(grouped(&["a1", "b1"])));
    let first = planner.expect_invoke();
    let (id, _) = planner.expect_receive();
    planner.received(at(1), id, arrivals(grouped(&["a1", "c1", "b2", "a2"])));
    let second = planner.expect_invoke();
    assert_eq!(ids(&second.messages), ["c1"]);
    planner.expect_nothing();
    // The end of another group's batch changes nothing for them.
    planner.invoked(at(2), second.id, SUCCESS);
    planner.expect_delete();
    planner.deleted(at(2), second.id);
    planner.expect_nothing();
    // Not before the deletes are over.
    planner.invoked(at(3), first.id, SUCCESS);
    planner.expect_delete();
    planner.expect_nothing();
    planner.deleted(at(4), first.id);
    assert_eq!(ids(&planner.expect_invoke().messages), ["a1", "b2", "a2"]);
    planner.expect_receive();
}

#[test]
fn after_a_failure_the_rest_of_its_group_is_left_in_the_queue() {
    let large = EVENT_BYTES_MAX - 1_000;
    let arrivals = || {
        let mut arrivals = arrivals(grouped(&["a1", "b1", "a2", "b2", "a3"]));
        arrivals[2].record_bytes = large;
        arrivals
    };
    let mut planner = started(FIFO);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals());
    let first = planner.expect_invoke();
    assert_eq!((ids(&first.messages), first.closed_by), (vec!["a1", "b1"], CloseReason::PayloadSize));
    planner.expect_nothing();
    let reply = Bytes::from_static(br#"{"batchItemFailures":[{"itemIdentifier":"a1"}]}"#);
    planner.invoked(at(1), first.id, Ok(reply));
    assert_eq!(expect_drop(&mut planner), (vec!["a2".to_owned(), "a3".to_owned()], DropReason::GroupLeft));
    assert_eq!(planner.expect_delete(), ["handle of b1"]);
    planner.deleted(at(1), first.id);
    assert_eq!(ids(&planner.expect_invoke().messages), ["b2"]);

    // And so when it never ran.
    let mut planner = started(FIFO);
    let (id, _) = planner.expect_receive();
    planner.received(at(0), id, arrivals());
    let first = planner.expect_invoke();
    planner.invoked(at(30_000), first.id, Err(FunctionError::Throttled { reason: String::new() }));
    assert_eq!(expect_drop(&mut planner).1, DropReason::GroupLeft);
    assert_eq!(expect_drop(&mut planner).0, ["a1", "b1"]);
}

#[test]
fn a_message_never_overtakes_one_of_its_group_that_was_let_go() {
    let mut planner = started(PlannerSettings { scaling: fixed(1), ..FIFO });
    let (id, _) = planner.expect_receive();
    let mut first = arrivals(grouped(&["a1", "b1", "b2"]));
    first[1].record_bytes = EVENT_BYTES_MAX;
    planner.received(at(0), id, first);
    let a1 = planner.expect_invoke();
    planner.invoked(at(30_000), a1.id, SUCCESS);
    planner.expect_delete();
    planner.deleted(at(30_000), a1.id);
    assert_eq!(expect_drop(&mut planner), (vec!["b1".to_owned(), "b2".to_owned()], DropReason::HeldTooLong));
    planner.expect_receive();
}
