//! Where a message is, why a receive does not get it now, and when that may change.

use crate::{MessageId, QueueArn, Time};

/// The place of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It can be received.
    Ready,
    /// Its delay has not ended.
    Delayed,
    /// It was received, and its visibility timeout has not ended.
    InFlight,
}

/// Whether the next receive can get a message, and if not, why and until when.
///
/// A moment is the earliest at which this reason ends by time alone; another reason may follow, and what receivers do may
/// come before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The next receive can get it, after those that came before it.
    Visible,
    /// Its delay has not ended.
    Delayed {
        /// When it ends.
        until: Time,
    },
    /// It was received, and its visibility timeout has not ended.
    InFlight {
        /// When it ends.
        until: Time,
        /// Which receive from this queue holds it, from 1: the [`receive`](crate::ReceiptHandle::receive) of its handle.
        receive: u32,
        /// When that was.
        received_at: Time,
        /// The `ReceiveRequestAttemptId` of that receive, on a FIFO queue.
        attempt_id: Option<String>,
    },
    /// An earlier message of its message group is in flight or delayed.
    BehindGroup {
        /// The first such message.
        blocked_by: MessageId,
        /// Where that is: in flight or delayed.
        place: Place,
        /// When that becomes visible, unless it is deleted before.
        until: Time,
    },
    /// Fair queues: its tenant is noisy, and a message of another one has its turn.
    BehindTenants {
        /// The message that has its turn.
        next: MessageId,
        /// Messages of its tenant in flight.
        in_flight: usize,
        /// Messages of all tenants in flight.
        in_flight_total: usize,
        /// When its tenant is quiet again, unless it sends something before.
        until: Time,
    },
    /// As many messages of its queue are in flight as may be.
    InFlightFull {
        /// How many may be.
        in_flight_max: usize,
        /// When the first of them becomes visible, unless one is deleted before.
        until: Time,
    },
    /// It has used up its receives: the next receive moves it to the dead-letter queue.
    OutOfReceives {
        /// The dead-letter queue.
        dead_letter_queue: QueueArn,
        /// How often it may be received.
        max_receive_count: u32,
    },
}

impl Visibility {
    /// When the reason ends by time alone; `None` if there is none, or if the next receive ends it.
    #[must_use]
    pub const fn until(&self) -> Option<Time> {
        match self {
            Self::Visible | Self::OutOfReceives { .. } => None,
            Self::Delayed { until }
            | Self::InFlight { until, .. }
            | Self::BehindGroup { until, .. }
            | Self::BehindTenants { until, .. }
            | Self::InFlightFull { until, .. } => Some(*until),
        }
    }
}
