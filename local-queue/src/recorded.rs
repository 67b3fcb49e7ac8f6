//! The engine as it is called: what changes its state is written down on the way, if there is a journal.
//!
//! Everything that only looks is the engine's own. What changes something is here, and nothing else can: there is no way from
//! here to the engine but by a shared reference.

#[cfg(not(feature = "journal"))]
mod unkept;

use std::{borrow::Cow, collections::BTreeMap, ops::Deref, sync::Arc, time::Duration};

#[cfg(not(feature = "journal"))]
pub(crate) use self::unkept::{Journal, Need};
#[cfg(feature = "journal")]
pub(crate) use crate::journal::{Journal, Need};

use crate::engine::{
    Attribute, Command, Engine, EngineError, Fingerprint, Located, MessageId, MoveTask, Output, Peeked, QueueArn,
    QueueAttributes, QueueName, QuotaAction, ReceiptHandle, Receive, Received, Scope, SendMessage, Sent, TaskId, Time,
    WaiterId, codec::Encoder,
};

/// The record that is being written: what one holder of the lock asks of the engine.
#[derive(Debug)]
pub(crate) struct Tape {
    journal: Arc<Journal>,
    now: Time,
    commands: Vec<u8>,
    outcome: Fingerprint,
    /// Whether a command was written that lets time pass.
    advances: bool,
}

/// The engine, and the tape if there is a journal.
#[derive(Debug)]
pub(crate) struct Recorded<'a> {
    engine: &'a mut Engine,
    tape: Option<&'a mut Tape>,
}

impl Tape {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let (commands, outcome) = (Vec::new(), Fingerprint::default());
        Self { journal, now: Time::EPOCH, commands, outcome, advances: false }
    }

    /// Writes a command, if there is room for it, and says where it begins.
    fn write(&mut self, need: Need, command: &Command<'_>) -> Result<usize, EngineError> {
        let mark = self.commands.len();
        command.encode(&mut Encoder::new(&mut self.commands, self.journal.prefix()));
        match self.journal.admit(self.commands.len(), need) {
            Ok(()) => Ok(mark),
            Err(error) => {
                self.commands.truncate(mark);
                Err(error)
            }
        }
    }

    /// Writes down what has happened.
    fn note(&mut self, command: &Command<'_>) {
        // What has happened is never refused; a journal that takes nothing any more says so to who asks for an answer.
        let _ = self.write(Need::Fact, command);
        self.advances |= matches!(command, Command::Advance);
    }

    /// Ends the record, and says the number of the last one.
    pub(crate) fn end(&mut self, engine: &Engine, outputs: &[Output]) -> u64 {
        if !outputs.is_empty() && !self.advances {
            self.note(&Command::Advance);
        }
        if self.commands.is_empty() {
            return self.journal.last();
        }
        for output in outputs {
            self.outcome.add_output(output);
        }
        self.outcome.add_counters(engine);
        let number = self.journal.append(self.now, self.outcome.short(), &self.commands);
        self.commands.clear();
        self.commands.shrink_to(64 * 1024);
        self.outcome = Fingerprint::default();
        self.advances = false;
        number
    }
}

impl Deref for Recorded<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.engine
    }
}

impl<'a> Recorded<'a> {
    /// To be given up before time passes.
    pub(crate) fn new(engine: &'a mut Engine, mut tape: Option<&'a mut Tape>, now: Time) -> Self {
        if let Some(tape) = &mut tape {
            tape.now = now;
        }
        Self { engine, tape }
    }

    /// An engine of which nothing is kept.
    pub(crate) const fn unrecorded(engine: &'a mut Engine) -> Self {
        Self { engine, tape: None }
    }

    /// Calls what only looks, but lets time pass on the way. Only if somebody hears of that it is written down.
    fn look<T>(&mut self, call: impl FnOnce(&mut Engine) -> T) -> T {
        let result = call(self.engine);
        if let Some(tape) = &mut self.tape
            && self.engine.has_output()
            && !tape.advances
        {
            tape.note(&Command::Advance);
        }
        result
    }

    /// Calls what changes something, after writing it down; what was refused is taken back.
    fn change<'c, T>(
        &mut self,
        need: Need,
        command: impl FnOnce() -> Command<'c>,
        call: impl FnOnce(&mut Engine) -> Result<T, EngineError>,
        outcome: impl FnOnce(&mut Fingerprint, &Engine, &T),
    ) -> Result<T, EngineError> {
        let Some(tape) = &mut self.tape else { return call(self.engine) };
        let mark = tape.write(need, &command())?;
        self.after(mark, call, outcome)
    }

    fn after<T>(
        &mut self,
        mark: usize,
        call: impl FnOnce(&mut Engine) -> Result<T, EngineError>,
        outcome: impl FnOnce(&mut Fingerprint, &Engine, &T),
    ) -> Result<T, EngineError> {
        let result = call(self.engine);
        if let Some(tape) = &mut self.tape {
            match &result {
                Ok(value) => {
                    tape.advances = true;
                    outcome(&mut tape.outcome, self.engine, value);
                }
                Err(_) => tape.commands.truncate(mark),
            }
        }
        self.look(|_| ());
        result
    }

    pub(crate) fn advance(&mut self, now: Time) {
        self.look(|engine| engine.advance(now));
    }

    pub(crate) fn admit(&mut self, now: Time, arn: &str, action: QuotaAction) -> Result<(), EngineError> {
        self.look(|engine| engine.admit(now, arn, action))
    }

    pub(crate) fn queue_attributes(&mut self, now: Time, arn: &str) -> Result<QueueAttributes, EngineError> {
        self.look(|engine| engine.queue_attributes(now, arn))
    }

    pub(crate) fn peek(&mut self, now: Time, arn: &str, skip: usize, max: usize) -> Result<Vec<Peeked>, EngineError> {
        self.look(|engine| engine.peek(now, arn, skip, max))
    }

    pub(crate) fn locate(&mut self, now: Time, arn: &str, message_id: MessageId) -> Result<Located, EngineError> {
        self.look(|engine| engine.locate(now, arn, message_id))
    }

    pub(crate) fn move_tasks(&mut self, now: Time, source: &str) -> Result<Vec<MoveTask>, EngineError> {
        self.look(|engine| engine.move_tasks(now, source))
    }

    /// A bound of this process, which is not kept.
    #[cfg(feature = "server")]
    pub(crate) fn bound_waiting(&mut self, waiting_max: usize) {
        self.engine.bound_waiting(waiting_max);
    }

    pub(crate) fn create_queue(
        &mut self,
        now: Time,
        scope: &Scope,
        name: &QueueName,
        attributes: &[Attribute],
    ) -> Result<QueueArn, EngineError> {
        let command = || Command::CreateQueue {
            scope: Cow::Borrowed(scope),
            name: name.as_str().into(),
            attributes: attributes.into(),
        };
        let call = |engine: &mut Engine| engine.create_queue(now, scope, name, attributes);
        // A queue that is there already is not looked at.
        self.change(Need::Growth, command, call, |_, _, _| ())
    }

    pub(crate) fn delete_queue(&mut self, now: Time, arn: &str) -> Result<(), EngineError> {
        let command = || Command::DeleteQueue { queue: arn.into() };
        self.change(Need::Work, command, |engine| engine.delete_queue(now, arn), |_, _, ()| ())
    }

    pub(crate) fn set_queue_attributes(
        &mut self,
        now: Time,
        arn: &str,
        attributes: &[Attribute],
    ) -> Result<(), EngineError> {
        let command = || Command::SetQueueAttributes { queue: arn.into(), attributes: attributes.into() };
        let call = |engine: &mut Engine| engine.set_queue_attributes(now, arn, attributes);
        self.change(Need::Growth, command, call, |seen, engine, ()| seen.add_queue(engine, arn))
    }

    pub(crate) fn purge_queue(&mut self, now: Time, arn: &str) -> Result<(), EngineError> {
        let command = || Command::PurgeQueue { queue: arn.into() };
        let call = |engine: &mut Engine| engine.purge_queue(now, arn);
        self.change(Need::Work, command, call, |seen, engine, ()| seen.add_queue(engine, arn))
    }

    /// Tags let no time pass.
    pub(crate) fn tag_queue(&mut self, arn: &str, tags: BTreeMap<String, String>) -> Result<(), EngineError> {
        let Some(tape) = &mut self.tape else { return self.engine.tag_queue(arn, tags) };
        let mark = tape.write(Need::Growth, &Command::TagQueue { queue: arn.into(), tags: Cow::Borrowed(&tags) })?;
        let tagged = self.engine.tag_queue(arn, tags);
        if tagged.is_err() {
            tape.commands.truncate(mark);
        }
        tagged
    }

    pub(crate) fn untag_queue<'k>(
        &mut self,
        arn: &str,
        keys: impl Iterator<Item = &'k str> + Clone,
    ) -> Result<(), EngineError> {
        let Some(tape) = &mut self.tape else { return self.engine.untag_queue(arn, keys) };
        let command = Command::UntagQueue { queue: arn.into(), keys: keys.clone().map(Cow::Borrowed).collect() };
        let mark = tape.write(Need::Work, &command)?;
        let untagged = self.engine.untag_queue(arn, keys);
        if untagged.is_err() {
            tape.commands.truncate(mark);
        }
        untagged
    }

    pub(crate) fn send(&mut self, now: Time, arn: &str, message: SendMessage) -> Result<Sent, EngineError> {
        let Some(tape) = &mut self.tape else { return self.engine.send(now, arn, message) };
        let mark = tape.write(Need::Growth, &Command::Send { queue: arn.into(), message: Cow::Borrowed(&message) })?;
        self.after(mark, |engine| engine.send(now, arn, message), |seen, engine, _| seen.add_queue(engine, arn))
    }

    /// A receive that finds nothing and moves nothing is not written down, unless it waits.
    pub(crate) fn receive(&mut self, now: Time, arn: &str, request: Receive) -> Result<Received, EngineError> {
        let Some(tape) = &mut self.tape else { return self.engine.receive(now, arn, request) };
        let command = |request: &Receive| Command::Receive { queue: arn.into(), request: Cow::Owned(request.clone()) };
        let (before, asked) = (self.engine.last_sequence(), request.clone());
        let mark = tape.write(Need::Work, &command(&request))?;
        let received = self.engine.receive(now, arn, request);
        let has_moved = self.engine.last_sequence() != before || self.engine.has_output();
        match &received {
            Ok(Received::Now(deliveries)) if deliveries.is_empty() && !has_moved => tape.commands.truncate(mark),
            Ok(Received::Now(deliveries)) => {
                tape.advances = true;
                tape.outcome.add_deliveries(deliveries);
            }
            Ok(Received::Waiting(_)) => tape.advances = true,
            Err(_) => {
                tape.commands.truncate(mark);
                // It may not wait, but on the way to that has given messages up.
                if has_moved {
                    tape.note(&command(&Receive { wait_time: Some(Duration::ZERO), ..asked }));
                    tape.advances = true;
                }
            }
        }
        self.look(|_| ());
        received
    }

    /// Lets no time pass.
    pub(crate) fn cancel(&mut self, waiter: WaiterId) {
        if let Some(tape) = &mut self.tape {
            tape.note(&Command::Cancel { waiter });
        }
        self.engine.cancel(waiter);
    }

    pub(crate) fn take_back(
        &mut self,
        now: Time,
        arn: &str,
        handles: impl Iterator<Item = ReceiptHandle>,
        attempt_id: Option<&str>,
    ) {
        let Some(tape) = &mut self.tape else { return self.engine.take_back(now, arn, handles, attempt_id) };
        let handles = handles.collect::<Vec<_>>();
        let command = Command::TakeBack {
            queue: arn.into(),
            handles: handles.clone(),
            attempt_id: attempt_id.map(Cow::Borrowed),
        };
        tape.note(&command);
        tape.advances = true;
        self.engine.take_back(now, arn, handles.into_iter(), attempt_id);
        tape.outcome.add_queue(self.engine, arn);
    }

    pub(crate) fn delete(&mut self, now: Time, arn: &str, handle: ReceiptHandle) -> Result<(), EngineError> {
        let command = || Command::Delete { queue: arn.into(), handle };
        let call = |engine: &mut Engine| engine.delete(now, arn, handle);
        self.change(Need::Work, command, call, |seen, engine, ()| seen.add_queue(engine, arn))
    }

    pub(crate) fn change_visibility(
        &mut self,
        now: Time,
        arn: &str,
        handle: ReceiptHandle,
        timeout: Duration,
    ) -> Result<(), EngineError> {
        let command = || Command::ChangeVisibility { queue: arn.into(), handle, timeout };
        let call = |engine: &mut Engine| engine.change_visibility(now, arn, handle, timeout);
        self.change(Need::Work, command, call, |seen, engine, ()| seen.add_queue(engine, arn))
    }

    pub(crate) fn start_move_task(
        &mut self,
        now: Time,
        source: &str,
        destination: Option<&str>,
        messages_per_second: Option<i64>,
    ) -> Result<TaskId, EngineError> {
        let command = || Command::StartMoveTask {
            source: source.into(),
            destination: destination.map(Cow::Borrowed),
            // One that does not fit is refused.
            messages_per_second: messages_per_second.and_then(|rate| u32::try_from(rate).ok()),
        };
        let call = |engine: &mut Engine| engine.start_move_task(now, source, destination, messages_per_second);
        self.change(Need::Work, command, call, |seen, engine, _| seen.add_queue(engine, source))
    }

    pub(crate) fn cancel_move_task(&mut self, now: Time, source: &str, id: &str) -> Result<u64, EngineError> {
        let command = || Command::CancelMoveTask { source: source.into(), id: id.into() };
        let call = |engine: &mut Engine| engine.cancel_move_task(now, source, id);
        self.change(Need::Work, command, call, |seen, _, moved| seen.add(*moved))
    }

    pub(crate) fn duplicate(&mut self, now: Time, arn: &str, handle: ReceiptHandle) -> Result<(), EngineError> {
        let command = || Command::Duplicate { queue: arn.into(), handle };
        let call = |engine: &mut Engine| engine.duplicate(now, arn, handle);
        self.change(Need::Growth, command, call, |seen, engine, ()| seen.add_queue(engine, arn))
    }

    pub(crate) fn postpone(&mut self, now: Time, arn: &str, count: usize) -> Result<(), EngineError> {
        let command = || Command::Postpone { queue: arn.into(), count };
        self.change(Need::Work, command, |engine| engine.postpone(now, arn, count), |_, _, ()| ())
    }

    pub(crate) fn reset(&mut self, now: Time) {
        if let Some(tape) = &mut self.tape {
            tape.note(&Command::Reset);
            tape.advances = true;
        }
        self.engine.reset(now);
    }
}
