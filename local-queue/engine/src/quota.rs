//! The throughput quota of FIFO queues: calls of each action in one second.

use crate::{EngineError, Time};

/// What a quota is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaAction {
    /// `SendMessage` and its batch, which counts once.
    Send,
    /// `ReceiveMessage`.
    Receive,
    /// `DeleteMessage` and its batch.
    Delete,
    /// `ChangeMessageVisibility` and its batch.
    ChangeVisibility,
}

/// Calls in the present second.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    second: u64,
    calls: [u32; 4],
}

impl Quota {
    pub(crate) fn spend(&mut self, now: Time, action: QuotaAction, calls_per_second: u32) -> Result<(), EngineError> {
        if self.second != now.as_secs() {
            *self = Self { second: now.as_secs(), calls: [0; 4] };
        }
        let calls = &mut self.calls[if canary!(QuotaOfAllActions) { 0 } else { action as usize }];
        if *calls >= calls_per_second {
            return Err(EngineError::Throttled { calls_per_second });
        }
        *calls += 1;
        Ok(())
    }
}
