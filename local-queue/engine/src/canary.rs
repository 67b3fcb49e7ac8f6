//! Planted bugs: a test that compares the engine with something else is worth what it finds.
//!
//! With the feature `canaries` - never on by default, and no part of the crate without it - one of these bugs can be
//! planted in the calling thread. Its place in the engine asks `canary!(Name)`.

use std::cell::Cell;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// A `RedriveAllowPolicy` keeps no source away.
    AllowPolicyIgnored,
    /// A receive can be repeated by its attempt id after five minutes.
    AttemptNeverForgotten,
    /// A receive can be repeated although a visibility was changed.
    AttemptSurvivesChange,
    /// A receive can be repeated although its messages came back.
    AttemptSurvivesReturn,
    /// Who has gone is still waiting.
    CancelledWaiterServed,
    /// A FIFO dead letter keeps its age, a standard one does not.
    DeadLetterAgeSwapped,
    /// The receive count starts anew in the dead-letter queue.
    DeadLetterCountStartsAnew,
    /// A message is received once more than allowed.
    DeadLetterOneReceiveLate,
    /// Dead letters arrive before what was ready in their queue.
    DeadLettersJumpTheLine,
    /// Who waits for the dead-letter queue is not woken by a receive.
    DeadLettersWakeNobody,
    /// A delete ends deduplication.
    DeduplicationForgottenOnDelete,
    /// Deduplication lasts a millisecond longer.
    DeduplicationOffByOne,
    /// A purge does not end deduplication.
    DeduplicationOutlivesPurge,
    /// Who waits is not woken by the end of a delay.
    DelayWakesNobody,
    /// Purged messages still count as delayed.
    DelayedCountedAfterPurge,
    /// A FIFO queue accepts a handle after its timeout.
    ExpiredHandleAccepted,
    /// The delay of a FIFO queue does not hold.
    FifoDelayIgnored,
    /// A message can be deleted by a handle of another queue, without effect.
    ForeignHandleAccepted,
    /// Deduplication by group is deduplication by queue.
    GroupScopeIgnored,
    /// One delete unlocks its group.
    GroupUnlockedByDelete,
    /// A group is handed out past its first hidden message.
    HiddenMessagesHandedOut,
    /// One more message than the limit can be in flight.
    InFlightOneTooMany,
    /// A long poll is refused at the limit in flight.
    LongPollOverLimit,
    /// A move task drifts from its rate by a millisecond.
    MoveRateRoundedDown,
    /// A moved message still names the queue that gave it up.
    MovedMessageKeepsSource,
    /// The group that became available last has the first turn.
    NewestGroupFirst,
    /// Who came last is served first.
    NewestWaiterFirst,
    /// Fair queues are not fair.
    NobodyIsNoisy,
    /// A silent tenant stays noisy.
    NoisyForever,
    /// A FIFO queue accepts the handle of an earlier receive.
    OldHandleAccepted,
    /// A queue can be purged again after 30 seconds.
    PurgeTooEarly,
    /// The queue's delay goes before the message's.
    QueueDelayWins,
    /// The queue's wait time does not hold.
    QueueWaitIgnored,
    /// All actions spend one quota.
    QuotaOfAllActions,
    /// A name can be used again after 30 seconds.
    RecreateTooEarly,
    /// A repeated receive does not set its own timeout.
    RepeatKeepsTimeout,
    /// A message lives a millisecond longer.
    RetentionOffByOne,
    /// On a standard queue a message that comes back stands behind those that were sent after it.
    ReturnedStandsLast,
    /// The twelve hours are a millisecond short.
    TotalOffByOne,
    /// A message is hidden a millisecond longer.
    VisibilityOffByOne,
}

impl Canary {
    /// Every planted bug.
    pub const ALL: [Self; 40] = [
        Self::AllowPolicyIgnored,
        Self::AttemptNeverForgotten,
        Self::AttemptSurvivesChange,
        Self::AttemptSurvivesReturn,
        Self::CancelledWaiterServed,
        Self::DeadLetterAgeSwapped,
        Self::DeadLetterCountStartsAnew,
        Self::DeadLetterOneReceiveLate,
        Self::DeadLettersJumpTheLine,
        Self::DeadLettersWakeNobody,
        Self::DeduplicationForgottenOnDelete,
        Self::DeduplicationOffByOne,
        Self::DeduplicationOutlivesPurge,
        Self::DelayWakesNobody,
        Self::DelayedCountedAfterPurge,
        Self::ExpiredHandleAccepted,
        Self::FifoDelayIgnored,
        Self::ForeignHandleAccepted,
        Self::GroupScopeIgnored,
        Self::GroupUnlockedByDelete,
        Self::HiddenMessagesHandedOut,
        Self::InFlightOneTooMany,
        Self::LongPollOverLimit,
        Self::MoveRateRoundedDown,
        Self::MovedMessageKeepsSource,
        Self::NewestGroupFirst,
        Self::NewestWaiterFirst,
        Self::NobodyIsNoisy,
        Self::NoisyForever,
        Self::OldHandleAccepted,
        Self::PurgeTooEarly,
        Self::QueueDelayWins,
        Self::QueueWaitIgnored,
        Self::QuotaOfAllActions,
        Self::RecreateTooEarly,
        Self::RepeatKeepsTimeout,
        Self::RetentionOffByOne,
        Self::ReturnedStandsLast,
        Self::TotalOffByOne,
        Self::VisibilityOffByOne,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Canary>> = const { Cell::new(None) };
}

/// Plants a bug in every engine of this thread, or takes it away.
pub fn plant(canary: Option<Canary>) {
    PLANTED.set(canary);
}

pub(crate) fn is_planted(canary: Canary) -> bool {
    PLANTED.get() == Some(canary)
}
