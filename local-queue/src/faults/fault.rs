//! One fault: what it does, and whom it strikes.

use std::{collections::BTreeSet, time::Duration};

use crate::action::Action;

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// The request is refused with `RequestThrottled` (403), and nothing is done.
    Throttle,
    /// The request is refused with `ThrottlingException` (400), and nothing is done.
    ThrottlingException,
    /// The request is refused with `InternalError` (500), and nothing is done.
    InternalError,
    /// The request is refused with `ServiceUnavailable` (503), and nothing is done.
    ServiceUnavailable,
    /// The request is carried out, and its answer is lost: the connection ends without one.
    LostResponse,
    /// Every message of the receive is delivered once more. On a standard queue even if it is deleted in the meantime; on a
    /// FIFO queue by an early end of its visibility timeout.
    DuplicateDelivery,
    /// The messages of a receive from a standard queue come in another order, later ones before earlier ones. It waits for
    /// a receive that finds two messages or more; a FIFO queue keeps its order.
    Reordering,
    /// The request begins only after this time.
    Latency(Duration),
    /// Some entries of a batch are not carried out and fail with `InternalError`, for which the sender is not to blame.
    PartialFailure(FailedEntries),
}

impl Effect {
    /// The name of the effect in the developer's API and in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::ThrottlingException => "throttling_exception",
            Self::InternalError => "internal_error",
            Self::ServiceUnavailable => "service_unavailable",
            Self::LostResponse => "lost_response",
            Self::DuplicateDelivery => "duplicate_delivery",
            Self::Reordering => "reordering",
            Self::Latency(_) => "latency",
            Self::PartialFailure(_) => "partial_failure",
        }
    }

    /// Whether it is about what a receive finds, rather than about the request.
    pub(super) const fn is_of_delivery(&self) -> bool {
        matches!(self, Self::DuplicateDelivery | Self::Reordering)
    }

    /// Whether it can strike an action.
    fn fits(&self, action: Option<Action>) -> bool {
        match self {
            Self::PartialFailure(_) => action.is_some_and(Action::is_batch),
            effect if effect.is_of_delivery() => action == Some(Action::ReceiveMessage),
            _ => true,
        }
    }
}

/// Which entries of a batch fail.
#[derive(Clone, Debug, PartialEq)]
pub enum FailedEntries {
    /// This share of them, from 0 to 1 and at least one, chosen by seeded dice.
    Share(f64),
    /// Those with these ids.
    Ids(BTreeSet<String>),
}

/// A fault, and whom it strikes. Made by the constructor of its effect, narrowed by the methods, put to work by
/// [`Faults::inject`](super::Faults::inject).
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(crate) effect: Effect,
    pub(crate) action: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) times: Option<u32>,
    pub(crate) probability: Option<f64>,
}

impl Fault {
    /// A fault of this effect that strikes every request that it can strike, until it is removed.
    #[must_use]
    pub const fn new(effect: Effect) -> Self {
        Self { effect, action: None, queue: None, account: None, times: None, probability: None }
    }

    /// See [`Effect::Throttle`].
    #[must_use]
    pub const fn throttle() -> Self {
        Self::new(Effect::Throttle)
    }

    /// See [`Effect::InternalError`].
    #[must_use]
    pub const fn internal_error() -> Self {
        Self::new(Effect::InternalError)
    }

    /// See [`Effect::ServiceUnavailable`].
    #[must_use]
    pub const fn service_unavailable() -> Self {
        Self::new(Effect::ServiceUnavailable)
    }

    /// See [`Effect::LostResponse`].
    #[must_use]
    pub const fn lost_response() -> Self {
        Self::new(Effect::LostResponse)
    }

    /// See [`Effect::DuplicateDelivery`].
    #[must_use]
    pub const fn duplicate_delivery() -> Self {
        Self::new(Effect::DuplicateDelivery)
    }

    /// See [`Effect::Reordering`].
    #[must_use]
    pub const fn reordering() -> Self {
        Self::new(Effect::Reordering)
    }

    /// See [`Effect::Latency`]. The time is that of the emulator's clock.
    #[must_use]
    pub const fn latency(latency: Duration) -> Self {
        Self::new(Effect::Latency(latency))
    }

    /// See [`Effect::PartialFailure`]: this share of the entries, from 0 to 1 and at least one.
    #[must_use]
    pub const fn partial_failure(share: f64) -> Self {
        Self::new(Effect::PartialFailure(FailedEntries::Share(share)))
    }

    /// See [`Effect::PartialFailure`]: the entries with these ids.
    #[must_use]
    pub fn failed_entries<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::new(Effect::PartialFailure(FailedEntries::Ids(ids.into_iter().map(Into::into).collect())))
    }

    /// Only requests of this action, by its name in SQS: `SendMessage`.
    #[must_use]
    pub fn on(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }

    /// Only requests about the queue of this name.
    #[must_use]
    pub fn queue(self, name: impl Into<String>) -> Self {
        Self { queue: Some(name.into()), ..self }
    }

    /// Only requests of this account, which has 12 digits; duplicate delivery and reordering strike its queues.
    #[must_use]
    pub fn account(self, account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), ..self }
    }

    /// Only so many times; then the fault is gone.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Only with this probability, from 0 to 1.
    #[must_use]
    pub fn probability(self, probability: f64) -> Self {
        Self { probability: Some(probability), ..self }
    }

    /// What it does.
    #[must_use]
    pub const fn effect(&self) -> &Effect {
        &self.effect
    }

    pub(super) fn check(&self) -> Result<(), FaultError> {
        let refuse = |field, problem: String| Err(FaultError { field, problem });
        if let Some(name) = &self.action {
            let Some(action) = Action::parse(name) else {
                return refuse("action", format!("{name:?} is not an action of SQS"));
            };
            if !self.effect.fits(Some(action)) {
                return refuse("action", format!("{} does not apply to {name}", self.effect.name()));
            }
        }
        if let Some(account) = self.account.as_ref().filter(|account| !is_account(account)) {
            return refuse("account", format!("must have 12 digits, not {account:?}"));
        }
        if self.times == Some(0) {
            return refuse("times", "must be at least 1".to_owned());
        }
        let is_share = |number: f64| (0.0..=1.0).contains(&number);
        if let Some(probability) = self.probability.filter(|probability| !is_share(*probability)) {
            return refuse("probability", format!("must be from 0 to 1, not {probability}"));
        }
        match &self.effect {
            Effect::PartialFailure(FailedEntries::Share(share)) if !is_share(*share) => {
                refuse("share", format!("must be from 0 to 1, not {share}"))
            }
            Effect::PartialFailure(FailedEntries::Ids(ids)) if ids.is_empty() => {
                refuse("entries", "must name at least one entry".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether it is meant for a request of this action and account about the queue of this name, which is asked for only
    /// if the fault names one: a request may have to be searched for it.
    pub(super) fn is_about<'a>(
        &self,
        action: Option<Action>,
        account: &str,
        queue: impl FnOnce() -> Option<&'a str>,
    ) -> bool {
        let is_action = self.action.as_deref().is_none_or(|name| action.is_some_and(|action| action.name() == name));
        let is_account = self.account.as_deref().is_none_or(|its| its == account);
        is_action
            && is_account
            && self.effect.fits(action)
            && self.queue.as_deref().is_none_or(|name| queue() == Some(name))
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a fault cannot be injected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FaultError {
    /// The field of the fault that is wrong.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}
