//! Receives that wait for a message: long polls.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Receive, Time};

/// A receive that waits. Ids grow, so that their order is the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub(crate) u64);

#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) queue: u32,
    pub(crate) request: Receive,
    deadline: Time,
}

/// All waiting receives, by id and by deadline.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_id: BTreeMap<WaiterId, Waiter>,
    deadlines: BTreeSet<(Time, WaiterId)>,
    last: u64,
}

impl Waiters {
    pub(crate) fn park(&mut self, queue: u32, request: Receive, deadline: Time) -> WaiterId {
        self.last += 1;
        let id = WaiterId(self.last);
        self.by_id.insert(id, Waiter { queue, request, deadline });
        self.deadlines.insert((deadline, id));
        id
    }

    /// All that wait, the one that came first first, with until when.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (WaiterId, &Waiter, Time)> {
        self.by_id.iter().map(|(id, waiter)| (*id, waiter, waiter.deadline))
    }

    /// How many there have been.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// Goes on after so many.
    pub(crate) const fn go_on_after(&mut self, last: u64) {
        self.last = last;
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: WaiterId) -> &Waiter {
        &self.by_id[&id]
    }

    pub(crate) fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.by_id.remove(&id)?;
        self.deadlines.remove(&(waiter.deadline, id));
        Some(waiter)
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|deadline| deadline.0)
    }

    /// The next waiter whose time is over.
    pub(crate) fn overdue(&self, now: Time) -> Option<WaiterId> {
        self.deadlines.first().filter(|deadline| deadline.0 <= now).map(|deadline| deadline.1)
    }
}
