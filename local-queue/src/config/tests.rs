use super::*;
use crate::LocalQueue;

fn text_of(problems: &[(usize, &str)]) -> String {
    problems.iter().map(|(line, text)| format!("line {line}: {text}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_configuration_creates_its_queues_with_attributes_redrive_and_tags_whatever_their_order() {
    let text = r#"
        [queues.jobs]
        attributes = { VisibilityTimeout = 90, DelaySeconds = "5", SqsManagedSseEnabled = false }
        redrive = { dead_letter_queue = "jobs-dlq", max_receive_count = 3 }
        tags = { team = "photos" }

        [queues.jobs-dlq.attributes]
        MessageRetentionPeriod = 1_209_600
        RedriveAllowPolicy = '{"redrivePermission":"allowAll"}'

        [queues."orders.fifo"]
        attributes = { ContentBasedDeduplication = "True", FifoQueue = "True" }
    "#;
    let queues = LocalQueue::builder().scope(Scope::new("eu-west-1", "123456789012")).build();
    queues.declare(&parse(text, &Limits::STRICT).unwrap().queues).unwrap();
    let names = queues.list_queues().iter().map(|queue| queue.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names, ["jobs", "jobs-dlq", "orders.fifo"]);
    let jobs = &queues.list_queues()[0];
    let settings = queues.queue_attributes(jobs).unwrap().settings;
    assert_eq!((settings.visibility_timeout.as_secs(), settings.delay.as_secs()), (90, 5));
    assert!(!settings.sqs_managed_sse);
    let policy = settings.redrive_policy.unwrap();
    assert_eq!(policy.dead_letter_target.as_str(), "arn:aws:sqs:eu-west-1:123456789012:jobs-dlq");
    assert_eq!(policy.max_receive_count, 3);
    assert_eq!(queues.tags(jobs).unwrap()["team"], "photos");
    assert_eq!(
        queues.queue_attributes(&queues.list_queues()[1]).unwrap().settings.retention_period.as_secs(),
        1_209_600
    );
    let fifo = queues.queue_attributes(&queues.list_queues()[2]).unwrap().settings.fifo.unwrap();
    assert!(fifo.content_based_deduplication);
}

#[test]
fn an_empty_configuration_declares_nothing() {
    assert_eq!(parse("# nothing yet\n", &Limits::STRICT), Ok(Configuration::default()));
    assert_eq!(parse("[queues]\n", &Limits::STRICT), Ok(Configuration::default()));
}

const SETTABLE_TEXT: &str = "those that can be set are ContentBasedDeduplication, DeduplicationScope, DelaySeconds, \
                             FifoThroughputLimit, KmsDataKeyReusePeriodSeconds, KmsMasterKeyId, MaximumMessageSize, \
                             MessageRetentionPeriod, Policy, ReceiveMessageWaitTimeSeconds, RedriveAllowPolicy, \
                             SqsManagedSseEnabled, VisibilityTimeout";

const REDRIVE_TEXT: &str = "redrive = { dead_letter_queue = \"NAME\", max_receive_count = 3 }";

type Table<'a> = &'a [(&'a str, &'a [(usize, &'a str)])];

fn check(table: Table<'_>) {
    for (text, problems) in table {
        let error = parse(text, &Limits::STRICT).expect_err(text);
        assert_eq!(error.to_string(), text_of(problems), "{text}");
    }
}

#[test]
fn a_wrong_table_or_key_is_said_with_its_line_and_what_would_be_accepted() {
    check(&[
        ("[queue.jobs]", &[(1, "unknown key \"queue\": there are [queues.NAME] and [auto_create.\"PATTERN\"]")]),
        ("queues = 5", &[(1, "queues expects a table, not 5")]),
        ("\n[queues]\njobs = true", &[(3, "queue jobs expects a table, not true")]),
        ("[queues.'a b']", &[(1, "\"a b\" is not a queue name: 1 to 80 letters, digits, hyphens or underscores")]),
        ("[queues.jobs]\nname = 'jobs'", &[(2, "unknown key \"name\": a queue has attributes, redrive and tags")]),
        ("[queues.jobs]\nattributes = []", &[(2, "attributes expects a table, not a list")]),
        ("[queues.jobs]\ntags = { team = 5 }", &[(2, "a tag expects a quoted string, not 5")]),
        (
            "[queues.jobs.tags]\n'aws:x' = 'y'\n'' = 'z'",
            &[
                (2, "Tag keys beginning with 'aws:' are reserved for AWS use."),
                (3, "Tag keys must be between 1 and 128 characters in length."),
            ],
        ),
        ("[queues.jobs]\n[queues.jobs]", &[(2, "duplicate key")]),
        ("[queues.jobs]\nattributes = {", &[(2, "unclosed inline table, expected `}`")]),
        (
            "[queues.jobs.attributes]\nDelaySeconds = 901\nVisibilityTimeout = 99999\n[queues.work]\nnothing = 1\n",
            &[
                (2, "DelaySeconds takes a number of seconds from 0 to 900, not 901"),
                (3, "VisibilityTimeout takes a number of seconds from 0 to 43200, not 99999"),
                (5, "unknown key \"nothing\": a queue has attributes, redrive and tags"),
            ],
        ),
    ]);
}

#[test]
fn a_wrong_attribute_is_said_with_its_line_and_what_would_be_accepted() {
    let unknown = format!("unknown attribute VisibilityTimout: {SETTABLE_TEXT}");
    let read_only = format!("unknown attribute QueueArn: {SETTABLE_TEXT}");
    let by_name = format!("RedrivePolicy is written by the name of the dead-letter queue: {REDRIVE_TEXT}");
    check(&[
        ("[queues.jobs.attributes]\nVisibilityTimout = 5", &[(2, &unknown)]),
        ("[queues.jobs.attributes]\nQueueArn = 'x'", &[(2, &read_only)]),
        ("[queues.jobs.attributes]\nRedrivePolicy = '{}'", &[(2, &by_name)]),
        (
            "[queues.jobs.attributes]\n# twelve hours and a second\nVisibilityTimeout = 43201",
            &[(3, "VisibilityTimeout takes a number of seconds from 0 to 43200, not 43201")],
        ),
        (
            "[queues.jobs.attributes]\nDelaySeconds = -1",
            &[(2, "DelaySeconds takes a number of seconds from 0 to 900, not -1")],
        ),
        (
            "[queues.jobs.attributes]\nMaximumMessageSize = 'big'",
            &[(2, "MaximumMessageSize takes a number of bytes from 1024 to 1048576, not \"big\"")],
        ),
        (
            "[queues.jobs.attributes]\nReceiveMessageWaitTimeSeconds = 0.5",
            &[(2, "ReceiveMessageWaitTimeSeconds takes a number of seconds from 0 to 20, not 0.5")],
        ),
        (
            "[queues.jobs.attributes]\nSqsManagedSseEnabled = 1",
            &[(2, "SqsManagedSseEnabled takes true or false, not 1")],
        ),
        (
            "[queues.'a.fifo'.attributes]\nDeduplicationScope = 'group'",
            &[(2, "DeduplicationScope takes \"queue\" or \"messageGroup\", not \"group\"")],
        ),
        (
            "[queues.jobs.attributes]\nContentBasedDeduplication = true",
            &[(2, "ContentBasedDeduplication is for FIFO queues, whose names end in .fifo")],
        ),
        (
            "[queues.'a.fifo'.attributes]\nFifoThroughputLimit = 'perMessageGroupId'",
            &[(2, "perMessageGroupId needs the deduplication scope messageGroup")],
        ),
    ]);
}

#[test]
fn a_wrong_redrive_is_said_with_its_line_and_what_would_be_accepted() {
    let both = format!("redrive needs both of its keys: {REDRIVE_TEXT}");
    let other_key = format!("unknown key \"count\": write {REDRIVE_TEXT}");
    check(&[
        ("[queues.jobs]\nredrive = { max_receive_count = 3 }", &[(2, &both)]),
        ("[queues.jobs]\nredrive = { count = 3, dead_letter_queue = 'd' }", &[(2, &other_key), (2, &both)]),
        (
            "[queues.d]\n[queues.jobs.redrive]\ndead_letter_queue = 'd'\nmax_receive_count = 1001",
            &[(4, "max_receive_count takes a number from 1 to 1000, not 1001")],
        ),
        (
            "[queues.jobs.redrive]\ndead_letter_queue = 7\nmax_receive_count = 1",
            &[(2, "dead_letter_queue takes a queue's name, not 7")],
        ),
        (
            "[queues.jobs]\n\nredrive = { dead_letter_queue = 'dead', max_receive_count = 3 }",
            &[(3, "queue dead is not declared here: add [queues.dead]")],
        ),
        (
            "[queues.'dead.fifo']\n[queues.jobs]\nredrive = { dead_letter_queue = 'dead.fifo', max_receive_count = 3 }",
            &[(
                3,
                "the dead-letter queue of a FIFO queue is a FIFO queue, and that of a standard queue a standard queue",
            )],
        ),
        (
            "[queues.dead.attributes]\nRedriveAllowPolicy = '{\"redrivePermission\":\"denyAll\"}'\n[queues.jobs]\n\
             redrive = { dead_letter_queue = 'dead', max_receive_count = 3 }",
            &[(4, "the RedriveAllowPolicy of the dead-letter queue does not allow this queue")],
        ),
    ]);
}

#[test]
fn queues_are_declared_all_or_none() {
    let queues = LocalQueue::builder().build();
    queues.create_queue("work", &[]).unwrap();
    let declared = parse("[queues.jobs]\n[queues.work]", &Limits::STRICT).unwrap();
    let error = queues.declare(&declared.queues).unwrap_err();
    assert_eq!(error.to_string(), "failed to create queue work: it exists, or was deleted less than 60 seconds ago");
    assert_eq!(queues.list_queues().len(), 1);
}

#[test]
fn rules_for_queues_that_are_named_are_checked_like_queues() {
    let text = r#"
        [auto_create."*"]
        tags = { by = "hand" }
        [auto_create."jobs-*"]
        attributes = { VisibilityTimeout = 90, ContentBasedDeduplication = true }
        redrive = { dead_letter_queue = "*-dlq", max_receive_count = 3 }
        [auto_create.'*.fifo'.attributes]
        ContentBasedDeduplication = true
    "#;
    let read = parse(text, &Limits::STRICT).unwrap();
    assert_eq!(read.queues, []);
    let mut patterns = read.auto_create.iter().map(AutoCreate::pattern).collect::<Vec<_>>();
    patterns.sort_unstable();
    assert_eq!(patterns, ["*", "*.fifo", "jobs-*"]);
    let pattern = "is no pattern: letters, digits, hyphens, underscores, * for any of them, and .fifo at the end";
    check(&[
        ("[auto_create.'a b']", &[(1, &format!("\"a b\" {pattern}"))]),
        (
            "[auto_create.'*']\nattributes = { DelaySeconds = 901 }\nnothing = 1",
            &[
                (2, "DelaySeconds takes a number of seconds from 0 to 900, not 901"),
                (3, "unknown key \"nothing\": a queue has attributes, redrive and tags"),
            ],
        ),
        (
            "[auto_create.jobs.attributes]\nContentBasedDeduplication = true",
            &[(2, "ContentBasedDeduplication is for FIFO queues, whose names end in .fifo")],
        ),
        (
            "[auto_create.'*']\nredrive = { dead_letter_queue = '*-*', max_receive_count = 3 }",
            &[(2, "dead_letter_queue takes a queue's name, not \"*-*\"")],
        ),
        // Of queues the name stands for itself.
        (
            "[queues.jobs]\nredrive = { dead_letter_queue = '*-dlq', max_receive_count = 3 }",
            &[(2, "dead_letter_queue takes a queue's name, not \"*-dlq\"")],
        ),
    ]);
}

#[test]
fn a_rule_of_the_command_line_is_a_pattern_with_attributes() {
    let parse = |text| parse_auto_create(text, &Limits::STRICT);
    assert_eq!(parse("*"), Ok(AutoCreate::named("*").unwrap()));
    let rule = parse("jobs-*:VisibilityTimeout=90,ContentBasedDeduplication=true").unwrap();
    // In the order of their names.
    let visibility = Attribute::VisibilityTimeout(std::time::Duration::from_secs(90));
    let attributes = vec![Attribute::ContentBasedDeduplication(true), visibility];
    assert_eq!(rule, AutoCreate::named("jobs-*").unwrap().attributes(attributes));
    for (text, expected) in [
        ("", "\"\" is no pattern"),
        ("a b", "\"a b\" is no pattern"),
        ("*:DelaySeconds", "expected PATTERN:NAME=VALUE,NAME=VALUE, not \"DelaySeconds\""),
        ("*:DelaySeconds=901", "DelaySeconds takes a number of seconds from 0 to 900, not 901"),
        ("*:Nothing=1", "unknown attribute Nothing"),
        ("*:a\"\n\u{7f}=1", "unknown attribute a\"\n\u{7f}"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}
