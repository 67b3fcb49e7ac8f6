//! Queues as a file of ElasticMQ declares them: `queues { NAME { defaultVisibilityTimeout = 10 seconds … } }`.
//!
//! What SQS does not have is refused. The rest of such a file, which says where and how ElasticMQ listens, is skipped, and
//! the options are named that say it here.

use std::collections::BTreeMap;

use super::{
    ConfigError, ConfigProblem, Configuration, Located, Reader,
    hocon::{self, Member, Node, SyntaxError, Value},
};
use crate::{
    declaration::{QueueDeclaration, Redrive},
    engine::{Attribute, Limits, QueueName},
    protocol::attributes,
};

const KEYS: &str =
    "defaultVisibilityTimeout, delay, receiveMessageWait, deadLettersQueue, fifo, contentBasedDeduplication and tags";
const DEAD_LETTERS: &str = "deadLettersQueue { name = \"NAME\", maxReceiveCount = 3 }";
/// The file in ElasticMQ's own package, with its defaults and without queues, which its documentation begins each file with.
const DEFAULTS: &str = "classpath(\"application.conf\")";

/// Sections of such a file, and what says the same here.
const SECTIONS: [(&str, &str); 9] = [
    ("node-address", "queue URLs begin with the host of the request"),
    ("rest-sqs", "--listen or --port says where to listen, and --relaxed that limits are relaxed"),
    ("rest-stats", "statistics are at /statistics/queues of every address that --listen names"),
    ("generate-node-address", "queue URLs begin with the host of the request"),
    ("queues-storage", "--data keeps queues"),
    ("persisted-queues-storage", "--data keeps queues"),
    ("messages-storage", "--data keeps messages"),
    ("aws", "--region and --account say them"),
    ("auto-create-queues", "--auto-create says it"),
];

/// Reads and checks a file of ElasticMQ.
pub fn parse_elasticmq(text: &str, limits: &Limits) -> Result<Configuration, ConfigError> {
    let mut reader = Reader { text, limits, problems: Vec::new(), dead_letter_name: None };
    let (queues, passed_over) = match hocon::parse(text) {
        Ok(document) => {
            for (at, what) in document.includes.iter().filter(|(_, what)| what != DEFAULTS) {
                reader.refuse(*at, format!("include {what} is not read: put its queues into this file"));
            }
            reader.elasticmq(&document.members)
        }
        Err(SyntaxError { at, text }) => {
            reader.refuse(at, text);
            Default::default()
        }
    };
    reader.finish(queues).map(|queues| Configuration { queues, passed_over, ..Configuration::default() })
}

impl Reader<'_> {
    fn elasticmq(&mut self, root: &[Member]) -> (Vec<Located>, Vec<ConfigProblem>) {
        let (mut queues, mut passed_over) = (Vec::new(), Vec::new());
        for Member { key, at, node } in root {
            if key != "queues" {
                let instead = SECTIONS.iter().find(|(section, _)| section == key).map(|(_, instead)| *instead);
                let instead = instead.unwrap_or("of such a file only queues are read");
                passed_over.push(ConfigProblem { line: self.line(*at), text: format!("{key} is skipped: {instead}") });
                continue;
            }
            match node.as_object() {
                Some(members) => queues.extend(members.iter().filter_map(|member| self.elasticmq_queue(member))),
                None => self.refuse(node.at, format!("queues takes an object, not {}", node.shown())),
            }
        }
        self.resolve_dead_letters(&mut queues);
        (queues, passed_over)
    }

    fn elasticmq_queue(&mut self, Member { key, at, node }: &Member) -> Option<Located> {
        let Some(members) = node.as_object() else {
            self.refuse(node.at, format!("queue {key} takes an object, not {}", node.shown()));
            return None;
        };
        let member = |name: &str| members.iter().find(|member| member.key == name).map(|member| &member.node);
        let fifo = match member("fifo") {
            // A name with a dot and without quotes is an object in an object.
            Some(node) if node.as_object().is_some() => {
                self.refuse(*at, format!("a name with a dot needs quotes: \"{key}.fifo\""));
                return None;
            }
            Some(node) => self.flag("fifo", node),
            None => None,
        };
        let is_named_so = key.strip_suffix(".fifo").is_some();
        if is_named_so && fifo == Some(false) {
            self.refuse(*at, format!("queue {key} is a FIFO queue by its name, and fifo says that it is none"));
        }
        // As ElasticMQ does.
        let name = if fifo == Some(true) && !is_named_so { format!("{key}.fifo") } else { key.clone() };
        let declaration = match QueueDeclaration::named(&name, self.limits) {
            Ok(declaration) => declaration,
            Err(error) => {
                self.refuse(*at, error.to_string());
                return None;
            }
        };
        let mut queue = Located { declaration, at: *at, attributes_at: BTreeMap::new(), redrive_at: *at };
        for member in members {
            self.elasticmq_member(&mut queue, member);
        }
        self.check_alone(&queue);
        Some(queue)
    }

    fn elasticmq_member(&mut self, queue: &mut Located, Member { key, at, node }: &Member) {
        let attribute = match key.as_str() {
            "defaultVisibilityTimeout" => self.seconds(key, node).map(Attribute::VisibilityTimeout),
            "delay" => self.seconds(key, node).map(Attribute::Delay),
            "receiveMessageWait" => self.seconds(key, node).map(Attribute::WaitTime),
            // On a standard queue false says nothing.
            "contentBasedDeduplication" => self
                .flag(key, node)
                .filter(|flag| *flag || queue.declaration.name.is_fifo())
                .map(Attribute::ContentBasedDeduplication),
            "deadLettersQueue" => {
                queue.redrive_at = node.at;
                queue.declaration.redrive = self.dead_letters(node);
                None
            }
            "tags" => {
                self.elasticmq_tags(queue, node);
                None
            }
            // Read before, and what ElasticMQ writes into files of its own.
            "fifo" | "created" | "lastModified" => None,
            "copyTo" | "moveTo" => {
                self.refuse(*at, format!("{key} has no equivalent: queues of SQS do not send messages to others"));
                None
            }
            other => {
                self.refuse(*at, format!("unknown key {other:?}: a queue has {KEYS}"));
                None
            }
        };
        if let Some(attribute) = attribute {
            queue.attributes_at.insert(attribute.name(), *at);
            queue.declaration.attributes.push(attribute);
        }
    }

    fn dead_letters(&mut self, node: &Node) -> Option<Redrive> {
        let Some(members) = node.as_object() else {
            self.refuse(node.at, format!("write {DEAD_LETTERS}, not {}", node.shown()));
            return None;
        };
        let (mut target, mut count) = (None, None);
        for Member { key, at, node } in members {
            match key.as_str() {
                "name" => target = Some(node),
                "maxReceiveCount" => count = Some(node),
                other => self.refuse(*at, format!("unknown key {other:?}: write {DEAD_LETTERS}")),
            }
        }
        let (Some(target), Some(count)) = (target, count) else {
            self.refuse(node.at, format!("deadLettersQueue needs both of its keys: {DEAD_LETTERS}"));
            return None;
        };
        let name = text(target).and_then(|name| QueueName::parse(name, self.limits).ok());
        if name.is_none() {
            self.refuse(target.at, format!("name takes a queue's name, not {}", target.shown()));
        }
        let range = self.limits.receive_count.clone();
        let number = text(count).and_then(|text| text.parse::<u64>().ok()).filter(|number| range.contains(number));
        if number.is_none() {
            let (min, max) = (range.start(), range.end());
            let text = format!("maxReceiveCount takes a number from {min} to {max}, not {}", count.shown());
            self.refuse(count.at, text);
        }
        let number = number.and_then(|number| u32::try_from(number).ok());
        name.zip(number).map(|(dead_letter_queue, max_receive_count)| Redrive { dead_letter_queue, max_receive_count })
    }

    /// Finds the dead-letter queues, whose names may lack the `.fifo` that `fifo = true` has added.
    fn resolve_dead_letters(&mut self, queues: &mut [Located]) {
        let names = queues.iter().map(|queue| queue.declaration.name.clone()).collect::<Vec<_>>();
        for (index, queue) in queues.iter_mut().enumerate() {
            if names[..index].contains(&queue.declaration.name) {
                self.refuse(queue.at, format!("queue {} is declared twice", queue.declaration.name));
            }
            let Some(redrive) = &mut queue.declaration.redrive else { continue };
            let target = &redrive.dead_letter_queue;
            let with_suffix = format!("{target}.fifo");
            if let Some(name) =
                names.iter().find(|name| name.as_str() == with_suffix).filter(|_| !names.contains(target))
            {
                redrive.dead_letter_queue = name.clone();
            } else if !names.contains(target) {
                self.refuse(queue.redrive_at, format!("queue {target} is not declared here: add {target} {{ }}"));
            }
        }
    }

    fn elasticmq_tags(&mut self, queue: &mut Located, node: &Node) {
        let Some(members) = node.as_object() else {
            return self.refuse(node.at, format!("tags takes an object, not {}", node.shown()));
        };
        for Member { key, at, node } in members {
            match text(node).map(|text| (text, attributes::check_tag(key, text))) {
                Some((text, Ok(()))) => drop(queue.declaration.tags.insert(key.clone(), text.to_owned())),
                Some((_, Err(problem))) => self.refuse(*at, problem.to_owned()),
                None => self.refuse(node.at, format!("a tag takes text, not {}", node.shown())),
            }
        }
    }

    fn flag(&mut self, key: &str, node: &Node) -> Option<bool> {
        let flag = text(node).and_then(|text| match text {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        });
        if flag.is_none() {
            self.refuse(node.at, format!("{key} takes true or false, not {}", node.shown()));
        }
        flag
    }

    /// A duration in whole seconds.
    fn seconds(&mut self, key: &str, node: &Node) -> Option<std::time::Duration> {
        let seconds = text(node).and_then(whole_seconds);
        if seconds.is_none() {
            let text = format!(
                "{key} takes a duration of whole seconds, such as 10 seconds or 5 minutes, not {}",
                node.shown()
            );
            self.refuse(node.at, text);
        }
        seconds.map(std::time::Duration::from_secs)
    }
}

const fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    }
}

/// Reads a duration as HOCON spells it, in which a number without a unit has milliseconds.
fn whole_seconds(text: &str) -> Option<u64> {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<u64>().ok()?, text[end..].trim());
    let (factor, divisor) = match unit {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => (1, 1_000_000_000),
        "us" | "micro" | "micros" | "microsecond" | "microseconds" => (1, 1_000_000),
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => (1, 1_000),
        "s" | "second" | "seconds" => (1, 1),
        "m" | "minute" | "minutes" => (60, 1),
        "h" | "hour" | "hours" => (3_600, 1),
        "d" | "day" | "days" => (86_400, 1),
        _ => return None,
    };
    number.is_multiple_of(divisor).then(|| (number / divisor).checked_mul(factor)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LocalQueue, engine::QueueArn};

    /// As ElasticMQ's documentation has it, without what has no equivalent.
    const SAMPLE: &str = r#"
        include classpath("application.conf")
        node-address { protocol = http, host = "*", port = 9324, context-path = "" }
        rest-sqs {
            enabled = true
            bind-port = ${SQS_PORT}
            // Possible values: relaxed, strict
            sqs-limits = strict
        }
        queues {
            queue1 {
                defaultVisibilityTimeout = 10 seconds
                delay = 5 seconds
                receiveMessageWait = 0 seconds
                deadLettersQueue {
                    name = "queue1-dead-letters"
                    maxReceiveCount = 3 // from 1 to 1000
                }
                fifo = false
                contentBasedDeduplication = false
                tags {
                    tag1 = "tagged1"
                    tag2 = "tagged2"
                }
            }
            queue1-dead-letters { }
            orders {
                fifo = true
                contentBasedDeduplication = true
                deadLettersQueue { name = "lost-orders", maxReceiveCount = 5 }
            }
            "lost-orders.fifo" { fifo = true }
        }
        queues.later.delay = 1 minute
    "#;

    #[test]
    fn the_queues_of_a_file_are_those_that_elasticmq_makes() {
        let read = parse_elasticmq(SAMPLE, &Limits::STRICT).unwrap();
        let queues = LocalQueue::builder().build();
        let created = queues.declare(&read.queues).unwrap();
        let names = created.iter().map(QueueArn::name).collect::<Vec<_>>();
        assert_eq!(names, ["queue1", "queue1-dead-letters", "orders.fifo", "lost-orders.fifo", "later"]);
        let settings = created.iter().map(|queue| queues.queue_attributes(queue).unwrap().settings).collect::<Vec<_>>();
        assert_eq!((settings[0].visibility_timeout.as_secs(), settings[0].delay.as_secs()), (10, 5));
        let redrive = |index: usize| {
            let policy = settings[index].redrive_policy.as_ref().unwrap();
            (policy.dead_letter_target.name(), policy.max_receive_count)
        };
        assert_eq!((redrive(0), redrive(2)), (("queue1-dead-letters", 3), ("lost-orders.fifo", 5)));
        assert!(settings[2].fifo.as_ref().unwrap().content_based_deduplication);
        assert_eq!(settings[4].delay.as_secs(), 60);
        assert_eq!(queues.tags(&created[0]).unwrap()["tag2"], "tagged2");
        let passed_over = read.passed_over.iter().map(|it| (it.line, it.text.split(" is ").next().unwrap()));
        assert_eq!(passed_over.collect::<Vec<_>>(), [(3, "node-address"), (4, "rest-sqs")]);
    }

    fn check(table: &[(&str, &[(usize, &str)])]) {
        for (text, expected) in table {
            let error = parse_elasticmq(text, &Limits::STRICT).expect_err(text);
            let problems = error.problems.iter().map(|it| (it.line, it.text.as_str())).collect::<Vec<_>>();
            assert_eq!(problems, *expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        let many = "queues {\n a { copyTo = \"b\"\n moveTo = \"c\"\n visibilityTimeout = 1 s\n delay = 901 s }\n}";
        check(&[
            ("queues = 1", &[(1, "queues takes an object, not \"1\"")]),
            ("queues {\n jobs = 1\n}", &[(2, "queue jobs takes an object, not \"1\"")]),
            ("queues {\n", &[(2, "expected a key or }, not the end of the file")]),
            (
                "include file(\"/etc/queues.conf\")",
                &[(1, "include file(\"/etc/queues.conf\") is not read: put its queues into this file")],
            ),
            (
                many,
                &[
                    (2, "copyTo has no equivalent: queues of SQS do not send messages to others"),
                    (3, "moveTo has no equivalent: queues of SQS do not send messages to others"),
                    (4, &format!("unknown key \"visibilityTimeout\": a queue has {KEYS}")),
                    (5, "DelaySeconds takes a number of seconds from 0 to 900, not 901"),
                ],
            ),
            (
                "queues { a { delay = 1500 ms\n receiveMessageWait = soon\n defaultVisibilityTimeout = ${T}\n fifo = maybe } }",
                &[
                    (1, "delay takes a duration of whole seconds, such as 10 seconds or 5 minutes, not \"1500 ms\""),
                    (
                        2,
                        "receiveMessageWait takes a duration of whole seconds, such as 10 seconds or 5 minutes, not \"soon\"",
                    ),
                    (
                        3,
                        "defaultVisibilityTimeout takes a duration of whole seconds, such as 10 seconds or 5 minutes, not \
                         \"${T}\", because substitutions are not read",
                    ),
                    (4, "fifo takes true or false, not \"maybe\""),
                ],
            ),
        ]);
    }

    #[test]
    fn queues_that_do_not_go_together_are_refused() {
        check(&[
            ("queues { orders.fifo { fifo = true } }", &[(1, "a name with a dot needs quotes: \"orders.fifo\"")]),
            (
                "queues { \"a.fifo\" { fifo = false } }",
                &[(1, "queue a.fifo is a FIFO queue by its name, and fifo says that it is none")],
            ),
            ("queues { a { fifo = true }\n \"a.fifo\" { } }", &[(2, "queue a.fifo is declared twice")]),
            (
                "queues { a { deadLettersQueue { name = b, maxReceiveCount = 3 } } }",
                &[(1, "queue b is not declared here: add b { }")],
            ),
            (
                "queues { a { deadLettersQueue { name = \"b c\"\n maxReceiveCount = 0 } } }",
                &[
                    (1, "name takes a queue's name, not \"b c\""),
                    (2, "maxReceiveCount takes a number from 1 to 1000, not \"0\""),
                ],
            ),
            (
                "queues { a { deadLettersQueue { name = b } } }",
                &[(
                    1,
                    "deadLettersQueue needs both of its keys: deadLettersQueue { name = \"NAME\", maxReceiveCount = 3 }",
                )],
            ),
            (
                "queues { \"a.fifo\" { deadLettersQueue { name = b, maxReceiveCount = 3 } }\n b { } }",
                &[(
                    1,
                    "the dead-letter queue of a FIFO queue is a FIFO queue, and that of a standard queue a standard queue",
                )],
            ),
            (
                "queues { a { contentBasedDeduplication = true } }",
                &[(1, "ContentBasedDeduplication is for FIFO queues, whose names end in .fifo")],
            ),
            (
                "queues { a { tags { \"aws:x\" = y } } }",
                &[(1, "Tag keys beginning with 'aws:' are reserved for AWS use.")],
            ),
        ]);
    }

    #[test]
    fn durations_have_the_units_of_hocon() {
        for (text, seconds) in [
            ("10 seconds", Some(10)),
            ("10s", Some(10)),
            ("2 minutes", Some(120)),
            ("1h", Some(3_600)),
            ("1 day", Some(86_400)),
            ("0", Some(0)),
            ("30000", Some(30)),
            ("5000 ms", Some(5)),
            ("10", None),
            ("1.5 s", None),
            ("-1 s", None),
            ("seconds", None),
            ("10 fortnights", None),
            ("18446744073709551615 days", None),
            ("99999999999999999999 s", None),
        ] {
            assert_eq!(whole_seconds(text), seconds, "{text}");
        }
    }
}
