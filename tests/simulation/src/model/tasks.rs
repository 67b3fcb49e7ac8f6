//! Message move tasks.

use std::{rc::Rc, time::Duration};

use local_queue_engine::{EngineError, MoveTaskProblem as Problem, MoveTaskStatus, TaskId};

use super::{Answer, Message, Model, Task, messages::new_message, queue::Deduplication};

/// Tasks that a queue remembers.
const REMEMBERED: usize = 10;
/// A task without a rate moves so many messages in a millisecond.
const UNTIMED: u64 = 1_000;

fn faults<T>(problems: impl IntoIterator<Item = Problem>) -> Answer<T> {
    Err(problems.into_iter().map(EngineError::MessageMoveTask).collect())
}

impl Model {
    /// The id of the new task is to be learned from the engine's answer.
    pub(crate) fn start_task(&mut self, source: &str, destination: Option<&str>, rate: Option<i64>) -> Answer<()> {
        let Some(place) = self.find(source) else { return faults([Problem::SourceDoesNotExist]) };
        let target = destination.and_then(|arn| self.find(arn)).and_then(|at| self.places[at].as_ref());
        let target = target.map(|queue| queue.arn.clone());
        let source_policies = self.queues().filter_map(|queue| queue.settings.redrive_policy.as_ref());
        let is_dead_letter_queue = source_policies.into_iter().any(|it| it.dead_letter_target.as_str() == source);
        let rate_fits = rate.is_none_or(|rate| (1..=500).contains(&rate));
        let now = self.now;
        let queue = self.at(place);
        let problems = [
            (!is_dead_letter_queue).then_some(Problem::SourceIsNoDeadLetterQueue),
            (destination == Some(source)).then_some(Problem::SameQueue),
            (destination.is_some() && target.is_none()).then_some(Problem::DestinationDoesNotExist),
            target.as_ref().filter(|arn| arn.is_fifo() != queue.is_fifo()).map(|_| Problem::OtherType),
            (!rate_fits).then_some(Problem::RateOutOfRange),
            queue.running().map(|_| Problem::AlreadyRunning),
        ];
        if problems.iter().any(Option::is_some) {
            return faults(problems.into_iter().flatten());
        }
        let to_move = queue.attributes().messages as u64;
        queue.tasks.push(Task {
            id: None,
            destination: target,
            rate: rate.and_then(|rate| rate.try_into().ok()),
            started_at: now,
            status: MoveTaskStatus::Running,
            moved: 0,
            to_move,
            next_at: now,
        });
        if queue.tasks.len() > REMEMBERED {
            queue.tasks.remove(0);
        }
        self.move_on(place);
        Ok(())
    }

    pub(crate) fn learn_task(&mut self, source: &str, id: TaskId) {
        let place = self.find(source).expect("a task was started");
        self.at(place).tasks.last_mut().expect("a task was started").id = Some(id);
    }

    /// The newest first.
    pub(crate) fn tasks(&self, source: &str) -> Answer<Vec<Task>> {
        let Some(place) = self.find(source) else { return faults([Problem::SourceDoesNotExist]) };
        Ok(self.places[place].iter().flat_map(|queue| queue.tasks.iter().rev().cloned()).collect())
    }

    pub(crate) fn cancel_task(&mut self, source: &str, id: &str) -> Answer<u64> {
        let Some(place) = self.find(source) else { return faults([Problem::SourceDoesNotExist]) };
        match self.at(place).task(id) {
            None => faults([Problem::TaskDoesNotExist]),
            Some(task) if task.status != MoveTaskStatus::Running => faults([Problem::NotRunning]),
            Some(task) => {
                task.status = MoveTaskStatus::Cancelled;
                Ok(task.moved)
            }
        }
    }

    /// Moves what is due: with a rate one message, and the n-th message n - 1 intervals after the start; else all.
    pub(super) fn move_on(&mut self, place: usize) {
        let now = self.now;
        for _ in 0..UNTIMED {
            let Some(message) = self.at(place).next(now).first().copied() else { break };
            match self.destination(place, message) {
                Err(reason) => return self.end_task(place, MoveTaskStatus::Failed { reason }),
                Ok(to) => self.send_again(place, to, message),
            }
            if self.at(place).running().is_some_and(|task| task.rate.is_some()) {
                break;
            }
        }
        if !self.at(place).has_available() {
            return self.end_task(place, MoveTaskStatus::Completed);
        }
        let task = self.at(place).running().expect("it has not ended");
        task.next_at = match task.rate {
            Some(rate) => task.started_at + Duration::from_millis((task.moved * 1_000).div_ceil(rate.into())),
            None => now + Duration::from_millis(1),
        };
    }

    fn end_task(&mut self, place: usize, status: MoveTaskStatus) {
        self.at(place).running().expect("it runs").status = status;
        self.settle(place);
    }

    /// Where a message goes: where the task says, else where it came from.
    fn destination(&mut self, place: usize, arrival: u64) -> Result<usize, &'static str> {
        let queue = self.at(place);
        let position = queue.position(arrival).expect("it is next");
        let source = queue.messages[position].source.clone();
        let chosen = queue.running().expect("it runs").destination.clone();
        let arn = chosen.or(source).ok_or("CouldNotDetermineMessageSource")?;
        self.find(arn.as_str()).ok_or("AWS.SimpleQueueService.NonExistentQueue")
    }

    /// A moved message is a new one: new id, new time, no past. What it is known by stays.
    fn send_again(&mut self, from: usize, to: usize, arrival: u64) {
        let queue = self.at(from);
        let position = queue.position(arrival).expect("it is next");
        let old = queue.remove(position);
        queue.running().expect("it runs").moved += 1;
        let (now, id, arrival) = (self.now, self.new_id(), self.new_arrival());
        let number = self.at(to).is_fifo().then(|| self.new_number());
        let Message { sent, deduplication, .. } = old;
        let sent = Rc::unwrap_or_clone(sent);
        let mut message = new_message(arrival, id, number, sent, now);
        if !matches!(deduplication, Deduplication::None) {
            message.deduplication = deduplication;
        }
        self.at(to).arrive(message, now);
        self.settle(to);
    }
}
