//! Queues that are declared together, before anybody uses them, and those that are created when they are named.

mod auto_create;

use std::collections::BTreeMap;

pub use self::auto_create::AutoCreate;
pub(crate) use self::auto_create::create_missing;
#[cfg(feature = "config")]
pub(crate) use self::auto_create::is_for_fifo;
use crate::{
    engine::{Attribute, AttributeName, Engine, EngineError, Limits, QueueArn, QueueName, RedrivePolicy, Scope, Time},
    recorded::Recorded,
};

/// A queue to be created: what [`LocalQueue::declare`](crate::LocalQueue::declare) takes. Whether it is a FIFO queue is
/// said by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDeclaration {
    /// Its name.
    pub name: QueueName,
    /// What is not left at its default. `FifoQueue` need not be said.
    pub attributes: Vec<Attribute>,
    /// When and where its messages give up.
    pub redrive: Option<Redrive>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A redrive policy by the name of its dead-letter queue, which is declared beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue.
    pub dead_letter_queue: QueueName,
    /// Receives before the next one moves the message.
    pub max_receive_count: u32,
}

impl QueueDeclaration {
    /// A queue with nothing but a name.
    pub fn named(name: &str, limits: &Limits) -> Result<Self, EngineError> {
        let name = QueueName::parse(name, limits)?;
        Ok(Self { name, attributes: Vec::new(), redrive: None, tags: BTreeMap::new() })
    }
}

/// Why declared queues were not created. Either all are created or none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// A name is in use.
    #[error("failed to create queue {queue}: it exists, or was deleted less than 60 seconds ago")]
    NameTaken {
        /// The name.
        queue: QueueName,
    },
    /// They were, and it could not be kept.
    #[error("failed to keep the queues")]
    Unkept(#[from] EngineError),
    /// A queue cannot be as it is declared.
    #[error("failed to create queue {queue}")]
    Refused {
        /// The queue's name.
        queue: QueueName,
        /// What is wrong.
        #[source]
        error: EngineError,
    },
}

/// Creates all queues or none. Each is created first and gets its redrive policy when all are there, so that their order
/// does not matter.
pub(crate) fn create(
    engine: &mut Recorded<'_>,
    now: Time,
    scope: &Scope,
    queues: &[QueueDeclaration],
) -> Result<Vec<QueueArn>, DeclarationError> {
    let mut trial = Engine::new(engine.limits().clone(), 0);
    let mut trial = Recorded::unrecorded(&mut trial);
    // A dead-letter queue may be there already.
    for redrive in queues.iter().filter_map(|queue| queue.redrive.as_ref()) {
        let name = &redrive.dead_letter_queue;
        let arn = scope.arn(name.as_str());
        if !queues.iter().any(|queue| queue.name == *name) && !engine.is_free(now, &arn) && trial.is_free(now, &arn) {
            let there =
                QueueDeclaration { name: name.clone(), attributes: Vec::new(), redrive: None, tags: BTreeMap::new() };
            create_each(&mut trial, now, scope, &[there])?;
        }
    }
    create_each(&mut trial, now, scope, queues)?;
    // In an engine of their own they are right. What can still be in the way is what is there already.
    let is_free = |queue: &&QueueDeclaration| engine.is_free(now, &scope.arn(queue.name.as_str()));
    if let Some(taken) = queues.iter().find(|queue| !is_free(queue)) {
        return Err(DeclarationError::NameTaken { queue: taken.name.clone() });
    }
    create_each(engine, now, scope, queues)
}

/// As [`create`], in an engine of which nothing is kept.
#[cfg(any(feature = "config", feature = "template"))]
pub(crate) fn try_out(
    engine: &mut Engine,
    now: Time,
    scope: &Scope,
    queues: &[QueueDeclaration],
) -> Result<Vec<QueueArn>, DeclarationError> {
    create(&mut Recorded::unrecorded(engine), now, scope, queues)
}

/// What became of queues that are declared beside those that were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// All that were declared, in their order.
    pub queues: Vec<QueueArn>,
    /// Those that were there with another value of an attribute, which is that of the declaration now.
    pub updated: Vec<(QueueArn, Vec<AttributeName>)>,
}

/// Creates the queues that are not there, and gives those that are there what their declaration says; all or none.
pub(crate) fn reconcile(
    engine: &mut Recorded<'_>,
    now: Time,
    scope: &Scope,
    queues: &[QueueDeclaration],
) -> Result<Reconciled, DeclarationError> {
    let mut trial = Engine::new(engine.limits().clone(), 0);
    create(&mut Recorded::unrecorded(&mut trial), now, scope, queues)?;
    let is_new = |queue: &&QueueDeclaration| engine.find_queue(scope.arn(queue.name.as_str()).as_str()).is_err();
    let (new, kept): (Vec<_>, Vec<_>) = queues.iter().partition(is_new);
    create(engine, now, scope, &new.into_iter().cloned().collect::<Vec<_>>())?;
    let mut updated = Vec::new();
    for queue in kept {
        let refused = |error| DeclarationError::Refused { queue: queue.name.clone(), error };
        let arn = scope.arn(queue.name.as_str());
        let redrive = queue.redrive.as_ref().map(|redrive| {
            Attribute::RedrivePolicy(Some(RedrivePolicy {
                dead_letter_target: scope.arn(redrive.dead_letter_queue.as_str()),
                max_receive_count: redrive.max_receive_count,
            }))
        });
        let settings = engine.queue_attributes(now, arn.as_str()).map_err(refused)?.settings;
        let differs = |attribute: &Attribute| !settings.has(attribute);
        let changes = queue.attributes.iter().cloned().chain(redrive).filter(differs).collect::<Vec<_>>();
        if !changes.is_empty() {
            engine.set_queue_attributes(now, arn.as_str(), &changes).map_err(refused)?;
            updated.push((arn.clone(), changes.iter().map(Attribute::name).collect()));
        }
        if queue
            .tags
            .iter()
            .any(|(key, value)| engine.tags(arn.as_str()).is_ok_and(|tags| tags.get(key) != Some(value)))
        {
            engine.tag_queue(arn.as_str(), queue.tags.clone()).map_err(refused)?;
        }
    }
    Ok(Reconciled { queues: queues.iter().map(|queue| scope.arn(queue.name.as_str())).collect(), updated })
}

fn create_each(
    engine: &mut Recorded<'_>,
    now: Time,
    scope: &Scope,
    queues: &[QueueDeclaration],
) -> Result<Vec<QueueArn>, DeclarationError> {
    let mut created = Vec::with_capacity(queues.len());
    for queue in queues {
        let failed = |error| DeclarationError::Refused { queue: queue.name.clone(), error };
        let fifo = queue.name.is_fifo().then_some(Attribute::FifoQueue(true));
        let attributes = queue.attributes.iter().cloned().chain(fifo).collect::<Vec<_>>();
        let arn = engine.create_queue(now, scope, &queue.name, &attributes).map_err(failed)?;
        engine.tag_queue(arn.as_str(), queue.tags.clone()).map_err(failed)?;
        created.push(arn);
    }
    for (queue, arn) in queues.iter().zip(&created) {
        let Some(redrive) = &queue.redrive else { continue };
        let policy = RedrivePolicy {
            dead_letter_target: scope.arn(redrive.dead_letter_queue.as_str()),
            max_receive_count: redrive.max_receive_count,
        };
        let set = engine.set_queue_attributes(now, arn.as_str(), &[Attribute::RedrivePolicy(Some(policy))]);
        set.map_err(|error| DeclarationError::Refused { queue: queue.name.clone(), error })?;
    }
    Ok(created)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_queue_that_is_there_already_can_be_named() {
        let scope = Scope::new("us-east-1", "000000000000");
        let named = |name| QueueDeclaration::named(name, &Limits::STRICT).unwrap();
        let redrive = Redrive { dead_letter_queue: named("dead").name, max_receive_count: 3 };
        let jobs = QueueDeclaration { redrive: Some(redrive), ..named("jobs") };
        let mut engine = Engine::new(Limits::STRICT, 0);
        let mut engine = Recorded::unrecorded(&mut engine);
        let refused = create(&mut engine, Time::EPOCH, &scope, std::slice::from_ref(&jobs)).unwrap_err();
        assert!(matches!(refused, DeclarationError::Refused { queue, .. } if queue == jobs.name));
        create(&mut engine, Time::EPOCH, &scope, &[named("dead")]).unwrap();
        let created = create(&mut engine, Time::EPOCH, &scope, &[jobs]).unwrap();
        assert_eq!(created, [scope.arn("jobs")]);
    }

    #[test]
    fn queues_that_are_there_get_what_their_declaration_says_and_others_are_made() {
        use std::time::Duration;

        let scope = Scope::new("us-east-1", "000000000000");
        let named = |name| QueueDeclaration::named(name, &Limits::STRICT).unwrap();
        let mut engine = Engine::new(Limits::STRICT, 0);
        let mut engine = Recorded::unrecorded(&mut engine);
        create(&mut engine, Time::EPOCH, &scope, &[named("jobs")]).unwrap();
        let attributes = vec![Attribute::VisibilityTimeout(Duration::from_secs(60)), Attribute::Delay(Duration::ZERO)];
        let redrive = Some(Redrive { dead_letter_queue: named("dead").name, max_receive_count: 3 });
        let tags = BTreeMap::from([("stage".to_owned(), "test".to_owned())]);
        let jobs = QueueDeclaration { attributes, redrive, tags: tags.clone(), ..named("jobs") };
        let queues = [jobs, named("dead")];
        let reconciled = reconcile(&mut engine, Time::EPOCH, &scope, &queues).unwrap();
        let arn = scope.arn("jobs");
        let changed = vec![AttributeName::VisibilityTimeout, AttributeName::RedrivePolicy];
        assert_eq!(reconciled.queues, [arn.clone(), scope.arn("dead")]);
        assert_eq!(reconciled.updated, [(arn.clone(), changed)]);
        assert_eq!(engine.tags(arn.as_str()).unwrap(), &tags);
        let again = reconcile(&mut engine, Time::EPOCH, &scope, &queues).unwrap();
        assert_eq!(again.updated, []);
        // One that cannot be as it is declared changes nothing.
        let bad = QueueDeclaration { attributes: vec![Attribute::Delay(Duration::from_secs(901))], ..named("new") };
        reconcile(&mut engine, Time::EPOCH, &scope, &[named("other"), bad]).unwrap_err();
        assert_eq!(engine.queues().count(), 2);
    }
}
