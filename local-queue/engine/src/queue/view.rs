//! A queue as somebody sees it who only looks: which messages a receive would get, and what keeps it from the others.

use super::{Line, Place, Queue};
use crate::{Limits, Time, Visibility};

/// What is the same for all messages of a queue at one moment.
pub(crate) struct View<'a> {
    queue: &'a Queue,
    now: Time,
    /// The message of a standard queue whose turn it is.
    upcoming: Option<u32>,
    /// Why no message at all can be received.
    full: Option<Visibility>,
    /// Whether messages that have used up their receives go somewhere.
    redrives: bool,
}

impl Queue {
    /// `redrives` says whether the dead-letter queue exists.
    pub(crate) fn view(&self, now: Time, limits: &Limits, redrives: bool) -> View<'_> {
        let upcoming = match &self.line {
            Line::Standard(tenants) => tenants.upcoming(now, self.in_flight()),
            Line::Fifo(_) => None,
        };
        let in_flight_max = limits.in_flight_max;
        let full = (self.in_flight() >= in_flight_max).then(|| {
            let mut hidden = self.hidden.iter();
            let first = hidden.find(|order| self.messages[order.slot()].place == Place::InFlight);
            Visibility::InFlightFull { in_flight_max, until: first.map_or(now, |order| order.time) }
        });
        View { queue: self, now, upcoming, full, redrives }
    }
}

impl View<'_> {
    pub(crate) fn visibility(&self, slot: u32) -> Visibility {
        let entry = &self.queue.messages[slot];
        let until = entry.visible_at;
        match entry.place {
            Place::Delayed => Visibility::Delayed { until },
            Place::InFlight => {
                let (receive, received_at) = (entry.receive_count_here, entry.received_at);
                let attempt_id = self.queue.attempts.id_of((slot, entry.sequence, receive)).map(str::to_owned);
                Visibility::InFlight { until, receive, received_at, attempt_id }
            }
            Place::Ready => self.behind_group(slot).or_else(|| self.full.clone()).unwrap_or_else(|| self.turn(slot)),
        }
    }

    fn behind_group(&self, slot: u32) -> Option<Visibility> {
        let Line::Fifo(groups) = &self.queue.line else { return None };
        let entry = &self.queue.messages[slot];
        let blocker = &self.queue.messages[groups.first_hidden(entry.group)?];
        let (blocked_by, place, until) = (blocker.message.id, blocker.place, blocker.visible_at);
        (blocker.sequence < entry.sequence).then_some(Visibility::BehindGroup { blocked_by, place, until })
    }

    /// What a ready message waits for that nothing else holds back.
    fn turn(&self, slot: u32) -> Visibility {
        let entry = &self.queue.messages[slot];
        if let Some(policy) = self.queue.settings.redrive_policy.as_ref().filter(|_| self.redrives)
            && self.queue.is_spent(slot)
        {
            let (dead_letter_queue, max_receive_count) = (policy.dead_letter_target.clone(), policy.max_receive_count);
            return Visibility::OutOfReceives { dead_letter_queue, max_receive_count };
        }
        let Line::Standard(tenants) = &self.queue.line else { return Visibility::Visible };
        let in_flight_total = self.queue.in_flight();
        let noise = tenants.noise(entry.group, self.now, in_flight_total);
        match (noise, self.upcoming.map(|upcoming| &self.queue.messages[upcoming])) {
            (Some((in_flight, until)), Some(next)) if next.group != entry.group => {
                Visibility::BehindTenants { next: next.message.id, in_flight, in_flight_total, until }
            }
            _ => Visibility::Visible,
        }
    }
}
