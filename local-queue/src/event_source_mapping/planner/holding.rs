//! Messages that were received and are in no batch yet.

use std::collections::{BTreeSet, VecDeque};

use super::{Arrival, DropReason, Planner, PlannerAction};
use crate::{
    engine::Time,
    event_source_mapping::{event::EVENT_BYTES_MAX, source::SourceMessage},
};

#[derive(Debug)]
pub(super) struct HeldMessage {
    message: SourceMessage,
    record_bytes: usize,
    hidden_until: Time,
}

impl HeldMessage {
    pub(super) fn new(arrival: Arrival, hidden_until: Time) -> Self {
        let Arrival { message, record_bytes, is_wanted: _ } = arrival;
        Self { message, record_bytes, hidden_until }
    }
}

/// The message's group, if it is one with an order.
fn group(message: &SourceMessage) -> &str {
    message.system_attributes.group_id.as_deref().unwrap_or_default()
}

impl Planner {
    /// Moves what is held into the batch that is collected, until one does not fit. Messages whose group is worked on stay
    /// held, and those that are visible again are dropped.
    pub(super) fn take_held(&mut self, now: Time) {
        let Some(collecting) = &mut self.collecting else { return };
        let is_fifo = self.settings.is_fifo;
        let mut kept = VecDeque::new();
        let mut late = Vec::new();
        // Groups of which an earlier message was not taken.
        let (mut waiting, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for held in std::mem::take(&mut self.held) {
            let group = group(&held.message);
            if held.hidden_until <= now || (is_fifo && gone.contains(group)) {
                gone.insert(group.to_owned());
                late.push(held.message);
                continue;
            }
            let fits = collecting.event_bytes + usize::from(!collecting.messages.is_empty()) + held.record_bytes;
            let has_room = collecting.messages.len() < self.settings.batch_size && !collecting.is_cut;
            let must_wait = is_fifo && (self.busy_groups.contains(group) || waiting.contains(group));
            if must_wait || !has_room {
                waiting.insert(group.to_owned());
                kept.push_back(held);
            } else if fits > EVENT_BYTES_MAX && !collecting.messages.is_empty() {
                collecting.is_cut = true;
                waiting.insert(group.to_owned());
                kept.push_back(held);
            } else {
                collecting.event_bytes = fits;
                let hidden_until = collecting.hidden_until.map_or(held.hidden_until, |at| at.min(held.hidden_until));
                collecting.hidden_until = Some(hidden_until);
                collecting.messages.push(held.message);
            }
        }
        self.held = kept;
        self.let_go(late, DropReason::HeldTooLong);
    }

    /// Lets go what is held of the message groups of messages that stay in the queue: these are next.
    pub(super) fn drop_held_of_groups<'a>(&mut self, left: impl Iterator<Item = &'a SourceMessage>) {
        if !self.settings.is_fifo || self.held.is_empty() {
            return;
        }
        let groups: BTreeSet<&str> = left.map(group).collect();
        let held = std::mem::take(&mut self.held);
        let (gone, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| groups.contains(group(&held.message)));
        self.held = kept.into();
        self.let_go(gone.into_iter().map(|held| held.message).collect(), DropReason::GroupLeft);
    }

    /// Everything that is held.
    pub(super) fn take_all_held(&mut self) -> impl Iterator<Item = SourceMessage> + use<> {
        std::mem::take(&mut self.held).into_iter().map(|held| held.message)
    }

    fn let_go(&mut self, messages: Vec<SourceMessage>, reason: DropReason) {
        if !messages.is_empty() {
            self.actions.push_back(PlannerAction::Drop { messages, reason });
        }
    }
}
