//! What the faults decide about one request, and the seeded dice that they decide with.

use std::{collections::BTreeSet, time::Duration};

use super::fault::{Effect, FailedEntries};
use crate::engine::IdSource;

/// Whether the next fault is asked too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Ask,
    Stop,
}

/// What happens to one request: decided before it is read, once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RequestFaults {
    /// How long it waits before anything else.
    pub(crate) latency: Duration,
    /// What it is refused with: one of the four effects that refuse.
    pub(crate) refusal: Option<Effect>,
    /// Whether its answer is lost.
    pub(crate) response_is_lost: bool,
    /// Which entries fail, if it is a batch.
    pub(crate) failed_entries: Option<EntryFailures>,
}

impl RequestFaults {
    pub(super) fn apply(&mut self, effect: &Effect, dice: &mut IdSource) -> Next {
        match effect {
            Effect::Latency(latency) => self.latency += *latency,
            Effect::LostResponse => self.response_is_lost = true,
            Effect::PartialFailure(entries) => {
                self.failed_entries = Some(EntryFailures { entries: entries.clone(), seed: dice.next_u64() });
            }
            // What is refused meets no further fault.
            effect => {
                self.refusal = Some(effect.clone());
                return Next::Stop;
            }
        }
        Next::Ask
    }
}

/// Which entries of one batch fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntryFailures {
    entries: FailedEntries,
    seed: u64,
}

impl EntryFailures {
    /// The ids, of these, whose entries fail.
    pub(crate) fn choose<'a>(&self, ids: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        match &self.entries {
            FailedEntries::Ids(failed) => ids.filter(|id| failed.contains(*id)).map(str::to_owned).collect(),
            FailedEntries::Share(share) => {
                let mut ids = ids.map(str::to_owned).collect::<Vec<_>>();
                Shuffle(IdSource::seeded(self.seed)).shuffle(&mut ids);
                #[expect(clippy::cast_precision_loss, reason = "a batch has ten entries")]
                let count = (ids.len() as f64 * share).round();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a batch")]
                ids.truncate((count as usize).max(1));
                ids.into_iter().collect()
            }
        }
    }
}

/// Seeded dice that bring things into another order.
#[derive(Debug)]
pub(crate) struct Shuffle(pub(super) IdSource);

impl Shuffle {
    /// Fisher and Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = below(&mut self.0, last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

/// A number from 0 to below `end`, which is not 0. The bias of the remainder is far below what a test can see.
pub(super) fn below(dice: &mut IdSource, end: u64) -> u64 {
    dice.next_u64() % end
}

/// A number from 0 to below 1.
pub(super) fn unit(dice: &mut IdSource) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    let bits = (dice.next_u64() >> 11) as f64;
    bits * (f64::EPSILON / 2.0)
}
