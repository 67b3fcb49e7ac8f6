//! Receives that wait, as tasks see them: parked until what they wait for wakes them.

use std::{
    pin::Pin,
    sync::MutexGuard,
    task::{Context, Poll, ready},
};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

use super::{LocalQueue, State, kept::Answered};
use crate::{
    engine::{Delivery, EngineError, QueueArn, Time, WaiterId},
    faults::Shuffle,
};

/// What a receive gets that has waited.
type Received = Result<Vec<Delivery>, EngineError>;

/// How a receive that waits is reached.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) wake: oneshot::Sender<Wake>,
    /// The runtime whose timer is its.
    runtime: Option<Id>,
}

/// Why a waiting receive is woken.
#[derive(Debug)]
pub(super) enum Wake {
    Answer(Answered<Received>),
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
pub(crate) enum ReceiveStart {
    Done(Answered<Vec<Delivery>>),
    Waiting(Box<Waiting>),
}

/// A receive that waits; forgotten by the engine when it goes. It holds no more than it needs to go on: thousands may wait.
pub(crate) struct Waiting {
    queues: LocalQueue,
    waiter: WaiterId,
    /// The queue, and how the receive is called if it has a name.
    request: (QueueArn, Option<String>),
    wake: oneshot::Receiver<Wake>,
    /// What it gets, when that is on the disk.
    answered: Option<Answered<Received>>,
    /// The runtime whose timer is its.
    runtime: Option<Id>,
    /// How an injected fault brings its messages into another order.
    shuffle: Option<Shuffle>,
}

impl Waiting {
    pub(super) fn begin(
        queues: &LocalQueue,
        mut state: MutexGuard<'_, State>,
        waiter: WaiterId,
        request: (QueueArn, Option<String>),
        shuffle: Option<Shuffle>,
    ) -> Self {
        let (sender, wake) = oneshot::channel();
        state.parked.insert(waiter, Parked { wake: sender, runtime: None });
        let mut waiting =
            Self { queues: queues.clone(), waiter, request, wake, answered: None, runtime: None, shuffle };
        move_in(queues, &mut waiting.runtime, waiter, state);
        waiting
    }

    /// Ready when the answer is there, and on the disk if there is a journal.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        while self.answered.is_none() {
            let wake = ready!(Pin::new(&mut self.wake).poll(cx));
            match wake.expect("a waiting receive is answered before it is forgotten") {
                Wake::Answer(answered) => self.answered = Some(answered),
                Wake::TimerGone(next) => {
                    self.wake = next;
                    move_in(&self.queues, &mut self.runtime, self.waiter, self.queues.shared.lock());
                }
            }
        }
        let number = self.answered.as_ref().map_or(0, |answered| answered.number);
        let kept = ready!(self.queues.poll_kept(number, cx));
        let result = self.answered.take().map_or_else(|| Ok(Vec::new()), |answered| answered.value);
        Poll::Ready(kept.and_then(|()| self.end(result)))
    }

    /// Whether it has an answer, which may not be on the disk yet.
    pub(crate) const fn has_stopped(&self) -> bool {
        self.answered.is_some()
    }

    /// Waits no longer, and is ready as soon as what has been answered already is on the disk. That is not lost.
    pub(crate) fn stop(&mut self) {
        let queues = self.queues.clone();
        let now = queues.shared.clock.now();
        let answered = self.give_up(&mut queues.shared.lock(), now);
        self.answered = Some(answered.unwrap_or(Answered { value: Ok(Vec::new()), number: 0 }));
    }

    fn end(&mut self, result: Received) -> Received {
        result.map(|deliveries| self.queues.end_receive(&self.request.0, deliveries, self.shuffle.take()))
    }

    /// From here on it is not answered. Says what it was answered before, if that has not been taken.
    fn give_up(&mut self, state: &mut State, now: Time) -> Option<Answered<Received>> {
        // One that has been answered is forgotten already.
        if state.parked.remove(&self.waiter).is_some() {
            state.recorded(now).cancel(self.waiter);
        }
        if let Some(runtime) = self.runtime.take() {
            state.timers.leave(runtime);
        }
        state.drain();
        if self.answered.is_some() {
            return self.answered.take();
        }
        loop {
            match self.wake.try_recv().ok()? {
                Wake::Answer(answered) => return Some(answered),
                Wake::TimerGone(next) => self.wake = next,
            }
        }
    }
}

/// Has a waiting receive timed by the runtime that it is polled by now; before, it was timed by `before`.
fn move_in(queues: &LocalQueue, before: &mut Option<Id>, waiter: WaiterId, mut state: MutexGuard<'_, State>) {
    // Outside of a runtime there is no timer, and in one that is shutting down none that would stay: there a receive is
    // woken only by the calls of others.
    let runtime = Handle::try_current().ok().filter(|runtime| *before != Some(runtime.id()));
    *before = runtime.as_ref().map(Handle::id);
    if let Some(parked) = state.parked.get_mut(&waiter) {
        parked.runtime = *before;
    }
    let timer = runtime.and_then(|runtime| state.timers.enter(&runtime));
    state.drain();
    drop(state);
    if let Some(timer) = timer {
        timer.run(&queues.shared);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let queues = self.queues.clone();
        // A panic in the engine has been reported where it happened.
        let Ok(mut state) = queues.shared.state.lock() else { return };
        // What was on its way here when the caller went stays in its queue.
        let now = queues.shared.clock.now();
        if let Some(Answered { value: Ok(deliveries), .. }) = self.give_up(&mut state, now) {
            let (queue, attempt_id) = &self.request;
            let handles = deliveries.iter().map(|delivery| delivery.receipt_handle);
            state.recorded(now).take_back(now, queue.as_str(), handles, attempt_id.as_deref());
            state.drain();
        }
    }
}
