//! Message move tasks: sending dead letters back.

use super::Engine;
use crate::{
    EngineError, MoveTask, MoveTaskProblem as Problem, MoveTaskStatus, SequenceNumber, TaskId, Time,
    history::Transition,
};

/// Messages that a task without a rate moves at once, before others get their turn.
const UNTIMED_MESSAGES: usize = 1_000;
/// Tasks that a queue remembers, the running one included (`ListMessageMoveTasks` answers at most ten).
const TASKS_MAX: usize = 10;

impl Engine {
    /// Starts to move the messages of a dead-letter queue to `destination`, or each to where it came from.
    pub fn start_move_task(
        &mut self,
        now: Time,
        source: &str,
        destination: Option<&str>,
        messages_per_second: Option<i64>,
    ) -> Result<TaskId, EngineError> {
        let slot = self.enter(now, source).map_err(|_| problem(Problem::SourceDoesNotExist))?;
        if destination == Some(source) {
            return Err(problem(Problem::SameQueue));
        }
        let destination = match destination {
            Some(arn) => Some(self.find_queue(arn).map_err(|_| problem(Problem::DestinationDoesNotExist))?),
            None => None,
        };
        if destination.as_ref().is_some_and(|arn| arn.is_fifo() != self.queues[slot].is_fifo()) {
            return Err(problem(Problem::OtherType));
        }
        if !self.sources_by_target.contains_key(source) {
            return Err(problem(Problem::SourceIsNoDeadLetterQueue));
        }
        let range = &self.limits.move_rate;
        let rate = messages_per_second.map(|rate| match u64::try_from(rate) {
            // No limits make a rate of zero mean anything.
            Ok(value) if value > 0 && range.contains(&value) => Ok(u32::try_from(value).unwrap_or(u32::MAX)),
            _ => Err(problem(Problem::RateOutOfRange)),
        });
        let messages_per_second = rate.transpose()?;
        let queue = &mut self.queues[slot];
        if queue.move_tasks.last().is_some_and(|task| task.status == MoveTaskStatus::Running) {
            return Err(problem(Problem::AlreadyRunning));
        }
        if queue.move_tasks.len() == TASKS_MAX {
            queue.move_tasks.remove(0);
        }
        let id = self.ids.next_uuid();
        queue.move_tasks.push(MoveTask {
            id,
            destination,
            messages_per_second,
            started_at: self.now,
            status: MoveTaskStatus::Running,
            moved: 0,
            to_move: queue.ready() as u64,
            next_at: None,
        });
        self.move_next(slot);
        Ok(id)
    }

    /// The tasks of a queue, the newest first.
    pub fn move_tasks(&mut self, now: Time, source: &str) -> Result<Vec<MoveTask>, EngineError> {
        let slot = self.enter(now, source).map_err(|_| problem(Problem::SourceDoesNotExist))?;
        Ok(self.queues[slot].move_tasks.iter().rev().cloned().collect())
    }

    /// Ends a task, and says how many messages it has moved. They stay where they are.
    pub fn cancel_move_task(&mut self, now: Time, source: &str, id: &str) -> Result<u64, EngineError> {
        let slot = self.enter(now, source).map_err(|_| problem(Problem::SourceDoesNotExist))?;
        let mut tasks = self.queues[slot].move_tasks.iter_mut();
        let task = tasks.find(|task| task.id.to_string() == id).ok_or(problem(Problem::TaskDoesNotExist))?;
        if task.status != MoveTaskStatus::Running {
            return Err(problem(Problem::NotRunning));
        }
        task.status = MoveTaskStatus::Cancelled;
        let moved = task.moved;
        if let Some(next_at) = task.next_at.take() {
            self.moving.remove(&(next_at, slot));
        }
        Ok(moved)
    }

    /// Moves what the running task of a queue has to move now, and says when it goes on.
    pub(super) fn move_next(&mut self, slot: u32) {
        self.queues[slot].advance(self.now, &self.limits, &mut self.history);
        let rate = self.running_task(slot).messages_per_second;
        let count = if rate.is_some() { 1 } else { UNTIMED_MESSAGES };
        for _ in 0..count {
            match self.move_one(slot) {
                Some(MoveTaskStatus::Running) => {}
                Some(failed) => return self.end_task(slot, failed),
                None => break,
            }
        }
        if !self.queues[slot].has_available() {
            return self.end_task(slot, MoveTaskStatus::Completed);
        }
        let now = self.now;
        let task = self.running_task(slot);
        let millis = match rate {
            Some(rate) if canary!(MoveRateRoundedDown) => task.moved * 1_000 / u64::from(rate) + 1,
            Some(rate) => (task.moved * 1_000).div_ceil(rate.into()),
            None => now.since(task.started_at).as_millis().try_into().unwrap_or(u64::MAX - 1) + 1,
        };
        let next_at = task.started_at + std::time::Duration::from_millis(millis);
        task.next_at = Some(next_at);
        self.moving.insert((next_at, slot));
        self.weigh(slot);
    }

    fn running_task(&mut self, slot: u32) -> &mut MoveTask {
        self.queues[slot].move_tasks.last_mut().expect("the task was just found running")
    }

    fn end_task(&mut self, slot: u32, status: MoveTaskStatus) {
        let task = self.running_task(slot);
        task.status = status;
        task.next_at = None;
        self.settle(slot);
    }

    /// Moves one message: `Running` if it moved, a failure if it could not, nothing if there is none.
    fn move_one(&mut self, slot: u32) -> Option<MoveTaskStatus> {
        let mut next = Vec::new();
        let now = self.now;
        self.queues[slot].next(1, now, &mut next);
        let message = *next.first()?;
        let source = self.queues[slot].entry(message).message.dead_letter_source().cloned();
        let Some(destination) = self.running_task(slot).destination.clone().or(source) else {
            return Some(MoveTaskStatus::Failed { reason: "CouldNotDetermineMessageSource" });
        };
        let Some(&destination) = self.by_arn.get(&destination) else {
            return Some(MoveTaskStatus::Failed { reason: "AWS.SimpleQueueService.NonExistentQueue" });
        };
        let entry = self.queues[slot].remove(message);
        self.sequence += 1;
        let sequence_number = self.queues[destination].is_fifo().then_some(SequenceNumber(self.sequence));
        let message_id = self.ids.next_uuid();
        let message = entry.message.redriven(message_id, now, sequence_number);
        let (from, to) = (&self.queues[slot].arn, &self.queues[destination].arn);
        let moved = Transition::Moved { to, message_id };
        self.history.note(now, from, entry.message.id, entry.receive_count, moved);
        // What became ready there before comes before.
        self.queues[destination].advance(now, &self.limits, &mut self.history);
        let queue = &mut self.queues[destination];
        queue.insert(message, self.sequence, now, std::time::Duration::ZERO);
        self.history.note(now, &queue.arn, message_id, 0, Transition::Sent { visible_at: now });
        self.settle(destination);
        self.running_task(slot).moved += 1;
        Some(MoveTaskStatus::Running)
    }
}

const fn problem(problem: Problem) -> EngineError {
    EngineError::MessageMoveTask(problem)
}
