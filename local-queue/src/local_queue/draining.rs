//! The effects of calls, carried out.

use super::{Answered, State, waiting::Wake};
use crate::{
    engine::{Output, Time},
    recorded::Recorded,
};

impl State {
    /// The engine, as it is called.
    pub(super) fn recorded(&mut self, now: Time) -> Recorded<'_> {
        Recorded::new(&mut self.engine, self.tape.as_mut(), now)
    }

    /// Answers those whose wait is over, and sees to it that timers look in time; says up to which record this was.
    pub(super) fn drain(&mut self) -> u64 {
        let number = if self.tape.is_some() {
            self.drain_recorded()
        } else {
            while let Some(output) = self.engine.poll_output() {
                self.wake(output, 0);
            }
            0
        };
        self.timers.keep(self.engine.next_wakeup());
        number
    }

    /// The record says whom it answers, before anybody is.
    fn drain_recorded(&mut self) -> u64 {
        let mut outputs = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            outputs.push(output);
        }
        let number = self.tape.as_mut().map_or(0, |tape| tape.end(&self.engine, &outputs));
        for output in outputs {
            self.wake(output, number);
        }
        number
    }

    fn wake(&mut self, Output::Answer { waiter, result }: Output, number: u64) {
        // Who is no longer there has been cancelled before.
        if let Some(parked) = self.parked.remove(&waiter) {
            let _ = parked.wake.send(Wake::Answer(Answered { value: result, number }));
        }
    }
}
