//! Receives that wait, as tasks see them: parked until what they wait for wakes them.

use std::{
    pin::pin,
    sync::{Arc, MutexGuard},
};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

use super::{Shared, State};
use crate::engine::{Delivery, EngineError, WaiterId};

/// How a receive that waits is reached.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) wake: oneshot::Sender<Wake>,
    /// The runtime whose timer is its.
    runtime: Option<Id>,
}

/// Why a receive that waits is woken.
#[derive(Debug)]
pub(super) enum Wake {
    Answer(Result<Vec<Delivery>, EngineError>),
    /// The runtime ended in which it began to wait, and it lives on: it will be woken anew, and needs another timer.
    TimerGone(oneshot::Receiver<Self>),
}

impl State {
    /// Tells the receives that were timed by a runtime's timer that it has gone.
    pub(super) fn move_out(&mut self, runtime: Id) {
        for parked in self.parked.values_mut().filter(|parked| parked.runtime == Some(runtime)) {
            let (wake, next) = oneshot::channel();
            parked.runtime = None;
            // Who ends with the runtime is not there to hear it.
            let _ = std::mem::replace(&mut parked.wake, wake).send(Wake::TimerGone(next));
        }
    }
}

/// How a receive begins.
pub(super) enum Begun<'a> {
    Done(Vec<Delivery>),
    Waiting(Waiting<'a>),
}

/// A receive that waits; forgotten by the engine when it goes.
pub(super) struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    waiter: WaiterId,
    /// The queue, and how the receive is called if it has a name.
    request: (&'a str, Option<String>),
    wake: oneshot::Receiver<Wake>,
    /// The runtime whose timer is its.
    runtime: Option<Id>,
}

impl<'a> Waiting<'a> {
    pub(super) fn begin(
        shared: &'a Arc<Shared>,
        mut state: MutexGuard<'_, State>,
        waiter: WaiterId,
        request: (&'a str, Option<String>),
    ) -> Self {
        let (sender, wake) = oneshot::channel();
        state.parked.insert(waiter, Parked { wake: sender, runtime: None });
        let mut waiting = Self { shared, waiter, request, wake, runtime: None };
        waiting.move_in(state);
        waiting
    }

    /// Waits for the answer, but no longer than until `end`.
    pub(super) async fn answer(mut self, end: impl Future<Output = ()>) -> Result<Vec<Delivery>, EngineError> {
        let mut end = pin!(end);
        loop {
            let wake = tokio::select! {
                biased;
                wake = &mut self.wake => wake.expect("a waiting receive is answered before it is forgotten"),
                () = &mut end => {
                    let mut state = self.shared.lock();
                    return self.give_up(&mut state).unwrap_or_else(|| Ok(Vec::new()));
                }
            };
            match wake {
                Wake::Answer(result) => return result,
                Wake::TimerGone(next) => {
                    self.wake = next;
                    self.move_in(self.shared.lock());
                }
            }
        }
    }

    /// Waits no longer; from here on it is not answered. Says what it was answered before, if that has not been taken.
    fn give_up(&mut self, state: &mut State) -> Option<Result<Vec<Delivery>, EngineError>> {
        state.engine.cancel(self.waiter);
        state.parked.remove(&self.waiter);
        if let Some(runtime) = self.runtime.take() {
            state.timers.leave(runtime);
        }
        state.drain();
        loop {
            match self.wake.try_recv().ok()? {
                Wake::Answer(result) => return Some(result),
                Wake::TimerGone(next) => self.wake = next,
            }
        }
    }

    /// Has itself timed by the runtime that it is polled by now.
    fn move_in(&mut self, mut state: MutexGuard<'_, State>) {
        // Outside of a runtime there is no timer, and in one that is shutting down none that would stay: there a receive is
        // woken only by the calls of others.
        let runtime = Handle::try_current().ok().filter(|runtime| self.runtime != Some(runtime.id()));
        self.runtime = runtime.as_ref().map(Handle::id);
        if let Some(parked) = state.parked.get_mut(&self.waiter) {
            parked.runtime = self.runtime;
        }
        let timer = runtime.and_then(|runtime| state.timers.enter(&runtime));
        state.drain();
        drop(state);
        if let Some(timer) = timer {
            timer.run(self.shared);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // A panic in the engine has been reported where it happened.
        let Ok(mut state) = self.shared.state.lock() else { return };
        // What was on its way here when the caller went stays in its queue.
        if let Some(Ok(deliveries)) = self.give_up(&mut state) {
            let (arn, attempt_id) = &self.request;
            let handles = deliveries.iter().map(|delivery| delivery.receipt_handle);
            let now = self.shared.clock.now();
            state.engine.take_back(now, arn, handles, attempt_id.as_deref());
            state.drain();
        }
    }
}
