//! Who looks at the engine when something comes due that nobody calls about.
//!
//! Each runtime in which a receive waits has a timer of its own, a task of that runtime, which ends with the last receive
//! that waits there. So nobody hangs on a runtime of others, which may end, or be one that nobody drives any more; and a
//! receive that is not polled for a while, because its owner does something else, holds up none but itself. A timer sleeps
//! until the next moment at which anything comes due, however many wait, and whom that concerns is woken alone.
//!
//! A message move task goes on with every call and every look of a timer. One is started for it where none runs.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
};

use super::Shared;
use crate::engine::{Engine, Time};

/// The timers of one emulator, by runtime.
#[derive(Debug, Default)]
pub(super) struct Timers(HashMap<Id, Timer>);

#[derive(Debug)]
struct Timer {
    /// Receives that began to wait in this runtime.
    waiting: usize,
    /// When it will look next; nothing if it is about to.
    looks_at: Option<Time>,
    /// Rings when it has to look earlier.
    bell: Arc<Notify>,
}

/// A timer that is to be started, once the state is no longer locked: a runtime that is shutting down drops a new task on
/// the spot, which locks the state.
#[must_use]
pub(super) struct Start {
    runtime: Handle,
    bell: Arc<Notify>,
}

impl Timers {
    /// Counts in a receive that begins to wait.
    pub(super) fn enter(&mut self, runtime: &Handle) -> Option<Start> {
        let start = self.start(runtime);
        if let Some(timer) = self.0.get_mut(&runtime.id()) {
            timer.waiting += 1;
        }
        start
    }

    fn start(&mut self, runtime: &Handle) -> Option<Start> {
        if self.0.contains_key(&runtime.id()) {
            return None;
        }
        let bell = Arc::new(Notify::new());
        self.0.insert(runtime.id(), Timer { waiting: 0, looks_at: None, bell: Arc::clone(&bell) });
        Some(Start { runtime: runtime.clone(), bell })
    }

    /// Counts out a receive that waits no longer.
    pub(super) fn leave(&mut self, runtime: Id) {
        if let Some(timer) = self.0.get_mut(&runtime) {
            timer.waiting = timer.waiting.saturating_sub(1);
            if timer.waiting == 0 {
                timer.ring();
            }
        }
    }

    /// Wakes the timers that would look too late. One that looks too early does no harm.
    pub(super) fn keep(&mut self, wakeup: Option<Time>) {
        let Some(wakeup) = wakeup else { return };
        for timer in self.0.values_mut().filter(|timer| timer.looks_at.is_some_and(|at| wakeup < at)) {
            timer.ring();
        }
    }

    /// A timer for a message move task that nobody waits for. Outside of a runtime the next call makes true what is due by
    /// then.
    pub(super) fn start_for_moves(&mut self, engine: &Engine) -> Option<Start> {
        if !self.0.is_empty() || !engine.is_moving() {
            return None;
        }
        self.start(&Handle::try_current().ok()?)
    }

    /// Until when a timer sleeps now; nothing if it is not needed any more, and is forgotten.
    fn look(&mut self, runtime: Id, engine: &Engine) -> Option<Time> {
        let timer = self.0.get_mut(&runtime)?;
        timer.looks_at = engine.next_wakeup().filter(|_| timer.waiting > 0 || engine.is_moving());
        if timer.looks_at.is_none() {
            self.0.remove(&runtime);
        }
        self.0.get(&runtime)?.looks_at
    }
}

impl Timer {
    fn ring(&mut self) {
        self.looks_at = None;
        self.bell.notify_one();
    }
}

impl Start {
    pub(super) fn run(self, shared: &Arc<Shared>) {
        let watch = Watch { shared: Arc::downgrade(shared), runtime: self.runtime.id() };
        self.runtime.spawn(run(watch, self.bell));
    }
}

/// Says that the timer of a runtime has gone, also when the runtime goes.
struct Watch {
    shared: Weak<Shared>,
    runtime: Id,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        // A panic in the engine has been reported where it happened.
        let Ok(mut state) = shared.state.lock() else { return };
        if state.timers.0.remove(&self.runtime).is_some() {
            state.move_out(self.runtime);
        }
    }
}

async fn run(mut watch: Watch, bell: Arc<Notify>) {
    loop {
        let Some(shared) = watch.shared.upgrade() else { return };
        let wakeup = {
            let mut state = shared.lock();
            let now = shared.clock.now();
            state.recorded(now).advance(now);
            state.drain();
            let state = &mut *state;
            state.timers.look(watch.runtime, &state.engine)
        };
        let Some(wakeup) = wakeup else {
            // Another timer may have started here since the lock was let go: its place is not to be cleared.
            watch.shared = Weak::new();
            return;
        };
        let clock = shared.clock.clone();
        drop(shared);
        tokio::select! {
            () = clock.sleep_until(wakeup) => {}
            () = bell.notified() => {}
        }
    }
}
