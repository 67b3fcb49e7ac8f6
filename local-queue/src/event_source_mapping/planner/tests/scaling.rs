//! How the concurrency grows and shrinks.

use super::*;
use crate::{
    engine::Scope,
    event_source_mapping::{EventSourceMapping, ProvisionedPollers},
};

/// A function that never ends: every place that there is gets taken at once.
struct Flood {
    planner: Planner,
    invoked: Vec<BatchId>,
}

impl Flood {
    fn new(scaling: Scaling) -> Self {
        let planner = started(PlannerSettings { scaling, report_batch_item_failures: false, ..SETTINGS });
        Self { planner, invoked: Vec::new() }
    }

    /// Answers every receive in full, until every place is taken.
    fn fill(&mut self, now: Time) {
        while let Some(action) = self.planner.poll_action() {
            match action {
                PlannerAction::Receive { batch, request } => {
                    let count = usize::try_from(request.max_messages).unwrap();
                    self.planner.received(now, batch, arrivals(many(count)));
                }
                PlannerAction::Invoke(batch) => self.invoked.push(batch.id),
                PlannerAction::Delete { batch, .. } => self.planner.deleted(now, batch),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets time pass until `end`, with a backlog all the while.
    fn run(&mut self, end: Time) {
        while let Some(now) = self.planner.next_wakeup().filter(|now| *now <= end) {
            self.planner.advance(now);
            self.fill(now);
        }
    }
}

#[test]
fn a_standard_queue_begins_with_five_and_grows_by_300_a_minute_to_1250() {
    let mut flood = Flood::new(Scaling::STANDARD);
    flood.fill(at(0));
    assert_eq!(flood.invoked.len(), 5);
    flood.run(at(199));
    assert_eq!(flood.invoked.len(), 5);
    flood.run(at(1_000));
    assert_eq!(flood.invoked.len(), 10);
    flood.run(at(60_000));
    assert_eq!(flood.invoked.len(), 305);
    flood.run(at(10 * 60_000));
    assert_eq!((flood.invoked.len(), flood.planner.next_wakeup()), (1_250, None));
}

#[test]
fn a_maximum_concurrency_is_where_growth_ends_and_lower_ones_are_there_from_the_beginning() {
    let mut flood = Flood::new(Scaling::STANDARD.at_most(8));
    flood.fill(at(0));
    assert_eq!(flood.invoked.len(), 5);
    flood.run(at(60_000));
    assert_eq!(flood.invoked.len(), 8);
    let mut flood = Flood::new(Scaling::STANDARD.at_most(3));
    flood.fill(at(0));
    assert_eq!((flood.invoked.len(), flood.planner.next_wakeup()), (3, None));
    let mut flood = Flood::new(Scaling::STANDARD.at_most(100).at_once());
    flood.fill(at(0));
    assert_eq!((flood.invoked.len(), flood.planner.next_wakeup()), (100, None));
}

#[test]
fn provisioned_pollers_begin_with_ten_for_each_of_the_minimum_and_grow_by_1000_a_minute() {
    for (minimum, maximum, [first, after_a_second, after_a_minute, after_ten]) in [
        (None, None, [20, 36, 1_020, 2_000]),
        (Some(2), Some(2), [20, 20, 20, 20]),
        (Some(5), Some(6), [50, 60, 60, 60]),
        (Some(200), Some(2_000), [2_000, 2_016, 3_000, 12_000]),
    ] {
        let mapping = EventSourceMapping {
            provisioned_pollers: Some(ProvisionedPollers { minimum, maximum }),
            ..EventSourceMapping::new("resize")
        };
        let mut flood = Flood::new(mapping.scaling(&Scope::default().arn("jobs")));
        flood.fill(at(0));
        let mut found = vec![flood.invoked.len()];
        for end in [1_000, 60_000, 600_000] {
            flood.run(at(end));
            found.push(flood.invoked.len());
        }
        assert_eq!(found, [first, after_a_second, after_a_minute, after_ten], "{minimum:?} to {maximum:?}");
    }
}

#[test]
fn nothing_grows_while_receives_do_not_bring_what_they_ask_for() {
    let mut planner = started(PlannerSettings { scaling: Scaling::STANDARD, ..SETTINGS });
    for _ in 0..5 {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(many(9)));
        planner.expect_invoke();
    }
    planner.expect_nothing();
    assert_eq!(planner.next_wakeup(), None);
}

#[test]
fn nothing_grows_while_a_place_is_free() {
    let mut planner = started(PlannerSettings { scaling: Scaling::STANDARD, ..SETTINGS });
    for _ in 0..4 {
        let (id, _) = planner.expect_receive();
        planner.received(at(0), id, arrivals(many(10)));
        planner.expect_invoke();
    }
    planner.expect_receive();
    assert_eq!(planner.next_wakeup(), None);
    planner.advance(at(60_000));
    assert_eq!(planner.concurrency_limit(), 5);
}

#[test]
fn an_idle_mapping_begins_with_five_again() {
    let mut flood = Flood::new(Scaling::STANDARD);
    flood.fill(at(0));
    flood.run(at(60_000));
    assert_eq!(flood.planner.concurrency_limit(), 305);
    let mut waiting = None;
    for batch in std::mem::take(&mut flood.invoked) {
        flood.planner.invoked(at(61_000), batch, SUCCESS);
        while let Some(action) = flood.planner.poll_action() {
            match action {
                PlannerAction::Delete { batch, .. } => flood.planner.deleted(at(61_000), batch),
                PlannerAction::Receive { batch, .. } => waiting = Some(batch),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(flood.planner.concurrency_limit(), 305);
    flood.planner.received(at(81_000), waiting.unwrap(), Vec::new());
    assert_eq!(flood.planner.concurrency_limit(), 5);
}

#[test]
fn failures_stop_the_growth_until_they_are_made_up_for() {
    let mut flood = Flood::new(Scaling::STANDARD);
    flood.fill(at(0));
    flood.run(at(1_000));
    let failed = flood.invoked[0];
    flood.planner.invoked(at(1_100), failed, function_error());
    flood.fill(at(1_100));
    assert_eq!((flood.planner.concurrency_limit(), flood.planner.next_wakeup()), (9, None));
    let succeeded = flood.invoked[1];
    flood.planner.invoked(at(1_200), succeeded, SUCCESS);
    flood.fill(at(1_200));
    assert_eq!(flood.planner.concurrency_limit(), 10);
    assert!(flood.planner.next_wakeup().is_some());
}
