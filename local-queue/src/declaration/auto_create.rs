//! Queues that are created when a request names them.

use std::collections::BTreeMap;

use super::{DeclarationError, QueueDeclaration, Redrive, create};
use crate::{
    engine::{Attribute, AttributeName, EngineError, Limits, QueueArn, QueueName, Scope, Time},
    recorded::Recorded,
};

const FIFO: &str = ".fifo";

/// What becomes of a name that a request has and no queue: a queue, if the name matches a pattern.
///
/// Of several rules that match, that with the longest pattern counts. A name that ends in `.fifo` makes a FIFO queue; attributes
/// that only FIFO queues have are left out of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoCreate {
    pattern: String,
    attributes: Vec<Attribute>,
    redrive: Option<AutoRedrive>,
    tags: BTreeMap<String, String>,
}

/// A dead-letter queue by a name in which `*` stands for the queue's own, and after how many receives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AutoRedrive {
    dead_letter_queue: String,
    max_receive_count: u32,
}

impl AutoCreate {
    /// Queues of these names, with attributes as they are by default; `None` if no queue can be called so. A `*` stands for any
    /// characters.
    #[must_use]
    pub fn named(pattern: &str) -> Option<Self> {
        let stem = pattern.strip_suffix(FIFO).unwrap_or(pattern);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*');
        let is_pattern = !stem.is_empty() && stem.bytes().all(allowed);
        let tags = BTreeMap::new();
        is_pattern.then(|| Self { pattern: pattern.to_owned(), attributes: Vec::new(), redrive: None, tags })
    }

    /// What is not left at its default.
    #[must_use]
    pub fn attributes(self, attributes: Vec<Attribute>) -> Self {
        Self { attributes, ..self }
    }

    /// When and where messages give up. In the name of the dead-letter queue, which is created too, a `*` stands for that of the
    /// queue; one that no queue can have is refused when a queue is to be created.
    #[must_use]
    pub fn redrive(self, dead_letter_queue: &str, max_receive_count: u32) -> Self {
        let dead_letter_queue = dead_letter_queue.to_owned();
        Self { redrive: Some(AutoRedrive { dead_letter_queue, max_receive_count }), ..self }
    }

    /// The tags of its queues.
    #[must_use]
    pub fn tags(self, tags: BTreeMap<String, String>) -> Self {
        Self { tags, ..self }
    }

    /// The names that it is for.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The queue of this name, without its dead-letter queue.
    fn plain(&self, name: &QueueName) -> QueueDeclaration {
        let applies = |attribute: &&Attribute| name.is_fifo() || !is_for_fifo(attribute.name());
        let attributes = self.attributes.iter().filter(applies).cloned().collect();
        QueueDeclaration { name: name.clone(), attributes, redrive: None, tags: self.tags.clone() }
    }
}

impl AutoRedrive {
    /// The dead-letter queue of a queue; none if that is one by its own name.
    fn target(&self, name: &QueueName) -> Option<String> {
        let stem = name.as_str().strip_suffix(FIFO).unwrap_or(name.as_str());
        let template = self.dead_letter_queue.strip_suffix(FIFO).unwrap_or(&self.dead_letter_queue);
        if matches(template, stem) {
            return None;
        }
        let target = template.replacen('*', stem, 1);
        Some(if name.is_fifo() { target + FIFO } else { target })
    }
}

pub(crate) fn is_for_fifo(attribute: AttributeName) -> bool {
    matches!(
        attribute,
        AttributeName::ContentBasedDeduplication
            | AttributeName::DeduplicationScope
            | AttributeName::FifoQueue
            | AttributeName::FifoThroughputLimit
    )
}

/// The rule for a name.
fn rule<'a>(rules: &'a [AutoCreate], name: &str) -> Option<&'a AutoCreate> {
    // Of the longest the first.
    rules.iter().rev().filter(|rule| matches(&rule.pattern, name)).max_by_key(|rule| rule.pattern.len())
}

/// Whether a name matches a pattern, in which each `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    true
}

/// Creates the queue if it is not there and a rule is for it, with its dead-letter queue; all or none. Says whether it did.
pub(crate) fn create_missing(
    engine: &mut Recorded<'_>,
    now: Time,
    rules: &[AutoCreate],
    arn: &QueueArn,
) -> Result<bool, EngineError> {
    if engine.find_queue(arn.as_str()).is_ok() {
        return Ok(false);
    }
    let limits = engine.limits().clone();
    // What is no name is for the action to refuse, and so is what is no account.
    let is_account = arn.account().len() == 12 && arn.account().bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = is_account && QueueArn::parse(arn.as_str()).is_some();
    let Some(name) = QueueName::parse(arn.name(), &limits).ok().filter(|_| is_whole) else { return Ok(false) };
    let Some(rule) = rule(rules, arn.name()) else { return Ok(false) };
    let scope = Scope::new(arn.region(), arn.account());
    let declared = declarations(rules, rule, &name, &limits)?;
    let is_missing = |queue: &QueueDeclaration| engine.find_queue(scope.arn(queue.name.as_str()).as_str()).is_err();
    let missing = declared.into_iter().filter(is_missing).collect::<Vec<_>>();
    match create(engine, now, &scope, &missing) {
        Ok(_) => Ok(true),
        Err(DeclarationError::NameTaken { queue }) => {
            Err(EngineError::QueueDeletedRecently { queue: scope.arn(queue.as_str()) })
        }
        Err(DeclarationError::Unkept(error) | DeclarationError::Refused { error, .. }) => Err(error),
    }
}

fn declarations(
    rules: &[AutoCreate],
    rule_of_name: &AutoCreate,
    name: &QueueName,
    limits: &Limits,
) -> Result<Vec<QueueDeclaration>, EngineError> {
    let mut queue = rule_of_name.plain(name);
    let Some((target, redrive)) =
        rule_of_name.redrive.as_ref().and_then(|redrive| Some((redrive.target(name)?, redrive)))
    else {
        return Ok(vec![queue]);
    };
    let target = QueueName::parse(&target, limits)?;
    let max_receive_count = redrive.max_receive_count;
    queue.redrive = Some(Redrive { dead_letter_queue: target.clone(), max_receive_count });
    let dead = match rule(rules, target.as_str()) {
        Some(rule) => rule.plain(&target),
        None => QueueDeclaration::named(target.as_str(), limits)?,
    };
    Ok(vec![queue, dead])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Engine;

    fn auto(pattern: &str) -> AutoCreate {
        AutoCreate::named(pattern).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, names, others) in [
            ("*", &["", "jobs", "a.fifo"][..], &[][..]),
            ("jobs", &["jobs"], &["jobs2", "job", ""]),
            ("jobs-*", &["jobs-", "jobs-a", "jobs-a.fifo"], &["jobs", "my-jobs-a"]),
            ("*-dlq", &["-dlq", "a-dlq", "a-dlq-dlq"], &["a-dlq-2", "dlq"]),
            ("*.fifo", &["a.fifo"], &["a", "afifo"]),
            ("a*b*c", &["abc", "axxbyyc", "abbcc"], &["ab", "acb", "xabc"]),
            ("aa*aa", &["aaaa", "aaxaa"], &["aaa", "aa"]),
            ("**", &["", "a"], &[]),
        ] {
            for name in names {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in others {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
        for bad in ["", ".fifo", "a b", "a.b", "jobs/*", "j\u{f6}bs", "*.fifo.fifo"] {
            assert_eq!(AutoCreate::named(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_longest_pattern_counts_and_of_equals_the_first() {
        let first = auto("jobs-*").tags(BTreeMap::from([("n".to_owned(), "1".to_owned())]));
        let rules = [auto("*"), first.clone(), auto("jobs-*"), auto("jobs-a*")];
        assert_eq!(rule(&rules, "other"), Some(&rules[0]));
        assert_eq!(rule(&rules, "jobs-b"), Some(&first));
        assert_eq!(rule(&rules, "jobs-a1"), Some(&rules[3]));
        assert_eq!(rule(&rules[1..], "other"), None);
    }

    #[test]
    fn a_queue_is_created_with_what_its_rule_says_and_its_dead_letter_queue() {
        let scope = Scope::new("us-east-1", "000000000000");
        let attributes =
            vec![Attribute::VisibilityTimeout(Duration::from_secs(90)), Attribute::ContentBasedDeduplication(true)];
        let dead = auto("*-dlq*").attributes(vec![Attribute::Delay(Duration::from_secs(5))]);
        let rules = [auto("*").attributes(attributes).redrive("*-dlq", 3), dead];
        let mut engine = Engine::new(Limits::STRICT, 0);
        let mut engine = Recorded::unrecorded(&mut engine);
        let mut create = |name: &str| create_missing(&mut engine, Time::EPOCH, &rules, &scope.arn(name)).unwrap();
        assert!(create("jobs") && !create("jobs") && create("orders.fifo"));
        // Its dead-letter queue, which is there by now, has none.
        assert!(!create("jobs-dlq") && create("lost-dlq"));
        // No queue is called so.
        assert!(!create("a b") && !create("a:b") && !create(""));
        let names = engine.queues().map(|queue| queue.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names, ["jobs", "jobs-dlq", "lost-dlq", "orders-dlq.fifo", "orders.fifo"]);
        let settings = |engine: &mut Recorded<'_>, name: &str| {
            engine.queue_attributes(Time::EPOCH, scope.arn(name).as_str()).unwrap().settings
        };
        let jobs = settings(&mut engine, "jobs");
        assert_eq!((jobs.visibility_timeout.as_secs(), jobs.fifo.is_none()), (90, true));
        assert_eq!(jobs.redrive_policy.unwrap().dead_letter_target, scope.arn("jobs-dlq"));
        assert!(settings(&mut engine, "orders.fifo").fifo.unwrap().content_based_deduplication);
        for name in ["jobs-dlq", "lost-dlq"] {
            let dead = settings(&mut engine, name);
            assert_eq!((dead.delay.as_secs(), dead.redrive_policy), (5, None), "{name}");
        }
        engine.delete_queue(Time::EPOCH, scope.arn("jobs").as_str()).unwrap();
        let again = create_missing(&mut engine, Time::EPOCH, &rules, &scope.arn("jobs"));
        assert!(matches!(again, Err(EngineError::QueueDeletedRecently { .. })), "{again:?}");
    }
}
