//! What a dead-letter queue's page has beside that of any other.

use super::page::{Page, QueueLink, When, encoded};
use crate::{
    developer::dead_letters::{Group, Groups, LOOKED_AT_MAX, groups},
    engine::{EngineError, MoveTask, MoveTaskStatus, QueueArn, Time},
    recorded::Recorded,
};

pub(super) struct DeadLetters {
    pub(super) sources: Vec<QueueLink>,
    pub(super) groups: Vec<Row>,
    /// How many were looked at, if those are not all.
    pub(super) looked_at: Option<usize>,
    pub(super) tasks: Vec<Task>,
}

/// Dead letters of one kind.
pub(super) struct Row {
    group: Group,
    /// The page with these alone.
    pub(super) href: String,
}

impl Row {
    pub(super) fn name(&self) -> &str {
        self.group.kind.as_deref().unwrap_or("receives used up")
    }

    /// The kind as the developer's API takes it.
    pub(super) fn json(&self) -> String {
        serde_json::Value::from(self.group.kind.clone()).to_string()
    }

    pub(super) fn blame(&self) -> &str {
        self.group.blame.as_deref().unwrap_or("")
    }

    pub(super) fn reason(&self) -> &str {
        self.group.reason.as_deref().unwrap_or("")
    }

    pub(super) fn count(&self) -> usize {
        self.group.count
    }
}

/// A task that sends all messages back.
pub(super) struct Task {
    told: MoveTask,
    pub(super) started: When,
    /// By which it can be cancelled while it runs.
    pub(super) handle: Option<String>,
}

impl Task {
    pub(super) fn status(&self) -> String {
        match self.told.status {
            MoveTaskStatus::Running => "running".to_owned(),
            MoveTaskStatus::Completed => "completed".to_owned(),
            MoveTaskStatus::Cancelled => "cancelled".to_owned(),
            MoveTaskStatus::Failed { reason } => format!("failed: {reason}"),
        }
    }

    pub(super) fn moved(&self) -> u64 {
        self.told.moved
    }

    pub(super) fn to_move(&self) -> u64 {
        self.told.to_move.max(self.told.moved)
    }
}

impl DeadLetters {
    /// `None` if no queue has this one for its dead letters.
    pub(super) fn read(
        engine: &mut Recorded<'_>,
        now: Time,
        queue: &QueueArn,
        page: &Page<'_>,
        handle: impl Fn(&MoveTask) -> String,
    ) -> Result<Option<Self>, EngineError> {
        let Some(sources) = engine.dead_letter_sources(queue.as_str()) else { return Ok(None) };
        let sources = sources.iter().map(QueueLink::new).collect();
        let Groups { groups, is_all } = groups(engine, now, queue)?;
        let link = QueueLink::new(queue);
        let rows = groups.into_iter().map(|group| {
            let kind = encoded(group.kind.as_deref().unwrap_or(""));
            Row { href: format!("{}&kind={kind}", link.href()), group }
        });
        let tasks = engine.move_tasks(now, queue.as_str())?.into_iter().map(|task| Task {
            started: page.when(task.started_at),
            handle: (task.status == MoveTaskStatus::Running).then(|| handle(&task)),
            told: task,
        });
        let looked_at = (!is_all).then_some(LOOKED_AT_MAX);
        Ok(Some(Self { sources, groups: rows.collect(), looked_at, tasks: tasks.collect() }))
    }
}
