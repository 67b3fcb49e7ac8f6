//! How a mapping stops: what the function has not seen goes back to the queue at once.

use super::{BatchId, Planner, PlannerAction, Poll};
use crate::event_source_mapping::source::SourceMessage;

impl Planner {
    /// Receives and invokes nothing more. Batches that the function has are brought to their end; what it has not is given
    /// back: messages that are collected, held or throttled, and those that a receive still brings.
    pub fn stop(&mut self) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        let mut messages: Vec<_> = self.take_all_held().collect();
        while let Some((_, id)) = self.throttled.pop_first() {
            messages.extend(self.release(id).batch.messages.iter().cloned());
        }
        if let Some(mut collecting) = self.collecting.take() {
            messages.append(&mut collecting.messages);
            if matches!(collecting.poll, Poll::Waiting { .. }) {
                self.actions.push_back(PlannerAction::CancelReceive { batch: collecting.id });
                self.collecting = Some(collecting);
            }
        }
        self.give_back(messages);
    }

    /// Takes note that the invocation of a batch was ended without a reply, because the mapping stops at once.
    pub fn given_up(&mut self, batch: BatchId) {
        let messages = self.release(batch).batch.messages.clone();
        self.give_back(messages);
    }

    /// Notes that the release of messages is complete. Messages that were not released become visible again later.
    pub fn given_back(&mut self) {
        self.give_backs -= 1;
    }

    pub(super) fn give_back(&mut self, messages: impl IntoIterator<Item = SourceMessage>) {
        let receipt_handles: Vec<_> = messages.into_iter().map(|message| message.receipt_handle).collect();
        if !receipt_handles.is_empty() {
            self.give_backs += 1;
            self.actions.push_back(PlannerAction::GiveBack { receipt_handles });
        }
    }
}
