//! The two queues and what may be put on them.

use serde_json::{Value, json};

use crate::stack::{ACCOUNT, Resource, Stack, bounds, many, text};
use crate::subject::{Rule, Subject, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "queues are encrypted", check: encrypted },
    Rule { name: "queues refuse requests without TLS", check: only_tls },
    Rule { name: "the queue takes messages of the source bucket, of this account, and of nobody else", check: senders },
    Rule {
        name: "what fails too often goes to the dead-letter queue, after five receives at the least",
        check: redrive,
    },
    Rule { name: "the dead-letter queue is for the jobs queue alone", check: redrive_allow },
    Rule { name: "dead letters outlive jobs", check: retention },
    Rule { name: "the visibility timeout is six function timeouts and a window at the least", check: visibility },
    Rule { name: "receives wait for messages", check: long_polling },
];

const QUEUE: [&str; 1] = ["AWS::SQS::Queue"];

fn encrypted(subject: &Subject, findings: &mut Vec<String>) {
    for queue in subject.default.of(&QUEUE) {
        let encrypted = *queue.get("SqsManagedSseEnabled") == json!(true) || !queue.get("KmsMasterKeyId").is_null();
        expect(findings, encrypted, || format!("{} is not encrypted", queue.id));
    }
}

/// The statements of the policies of a queue. `Queues` name URLs, statements ARNs: both have the queue's name at their end.
fn statements<'a>(stack: &'a Stack, queue: &Resource) -> Vec<&'a Value> {
    let name = queue_name(queue);
    let is_of =
        |policy: &&Resource| many(policy.get("Queues")).iter().any(|url| text(url).ends_with(&format!("/{name}")));
    let policies = stack.of(&["AWS::SQS::QueuePolicy"]).filter(is_of);
    policies.flat_map(|policy| many(policy.get("PolicyDocument/Statement"))).collect()
}

fn queue_name(queue: &Resource) -> String {
    let given = text(queue.get("QueueName"));
    if given.is_empty() { format!("photos-{}-1a2b3c", queue.id.to_lowercase()) } else { given }
}

fn queue_arn(queue: &Resource) -> String {
    format!("arn:aws:sqs:eu-central-1:{ACCOUNT}:{}", queue_name(queue))
}

fn only_tls(subject: &Subject, findings: &mut Vec<String>) {
    for queue in subject.default.of(&QUEUE) {
        let denies_it = |statement: &&Value| {
            statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Action"] == "sqs:*"
                && text(&statement["Resource"]) == queue_arn(queue)
                && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } })
        };
        let refused = statements(&subject.default, queue).iter().any(denies_it);
        expect(findings, refused, || format!("{} has no policy that refuses requests without TLS", queue.id));
    }
}

fn senders(subject: &Subject, findings: &mut Vec<String>) {
    for (stack, bucket) in [(&subject.default, "photos-source-123456789012-eu-central-1"), (&subject.full, "my-source")]
    {
        for queue in stack.of(&QUEUE) {
            let condition = json!({
                "ArnEquals": { "aws:SourceArn": format!("arn:aws:s3:::{bucket}") },
                "StringEquals": { "aws:SourceAccount": ACCOUNT },
            });
            let allowed: Vec<_> = statements(stack, queue)
                .into_iter()
                .filter(|statement| statement["Effect"] == "Allow")
                .map(|statement| (&statement["Principal"], text(&statement["Resource"]), &statement["Condition"]))
                .collect();
            let s3 = json!({ "Service": "s3.amazonaws.com" });
            let expected = [(&s3, queue_arn(queue), &condition)];
            let expected: &[_] = if queue.get("RedrivePolicy").is_null() { &[] } else { &expected };
            expect(findings, allowed == expected, || {
                format!("{} takes messages of {allowed:?}; expected {expected:?}", queue.id)
            });
        }
    }
}

fn redrive(subject: &Subject, findings: &mut Vec<String>) {
    let jobs = subject.default.resource("JobsQueue");
    let target = text(jobs.get("RedrivePolicy/deadLetterTargetArn"));
    let expected = queue_arn(&subject.default.resource("DeadLetterQueue"));
    expect(findings, target == expected, || format!("JobsQueue gives up to {target:?}; expected {expected}"));
    let count = &subject.declared("JobsQueue")["RedrivePolicy"]["maxReceiveCount"];
    let enough = bounds(&subject.template, count).is_some_and(|(least, most)| least >= 5 && most <= 1000);
    expect(findings, enough, || format!("maxReceiveCount is {count}; expected 5 to 1000 whatever the parameters are"));
}

fn redrive_allow(subject: &Subject, findings: &mut Vec<String>) {
    for stack in subject.stacks() {
        let expected = json!({
            "redrivePermission": "byQueue", "sourceQueueArns": [queue_arn(&stack.resource("JobsQueue"))],
        });
        let letters = stack.resource("DeadLetterQueue");
        let policy = letters.get("RedriveAllowPolicy");
        expect(findings, *policy == expected, || format!("RedriveAllowPolicy is {policy}; expected {expected}"));
    }
}

fn retention(subject: &Subject, findings: &mut Vec<String>) {
    let of = |id: &str| bounds(&subject.template, &subject.declared(id)["MessageRetentionPeriod"]);
    match (of("JobsQueue"), of("DeadLetterQueue")) {
        (Some((_, jobs)), Some((letters, most))) if jobs < letters && most <= 1_209_600 => {}
        (jobs, letters) => findings.push(format!("jobs are kept {jobs:?} seconds, dead letters {letters:?}")),
    }
}

fn visibility(subject: &Subject, findings: &mut Vec<String>) {
    let bounds = |value: &Value| bounds(&subject.template, value);
    let function = subject.declared("ResizeFunction");
    let visibility = bounds(&subject.declared("JobsQueue")["VisibilityTimeout"]);
    let timeout = bounds(&function["Timeout"]);
    let mapping = &function["Events"]["Jobs"]["Properties"];
    let mapping = if mapping.is_null() { subject.declared("ResizeFunctionJobs") } else { mapping };
    let window = bounds(&mapping["MaximumBatchingWindowInSeconds"]);
    let enough = match (visibility, timeout, window) {
        (Some((visibility, most)), Some((_, timeout)), Some((_, window))) => {
            visibility >= 6 * timeout + window && most <= 43_200
        }
        _ => false,
    };
    expect(findings, enough, || {
        format!("ranges are: visibility {visibility:?}, timeout {timeout:?}, window {window:?}")
    });
}

fn long_polling(subject: &Subject, findings: &mut Vec<String>) {
    let jobs = subject.default.resource("JobsQueue");
    let wait = jobs.get("ReceiveMessageWaitTimeSeconds");
    expect(findings, *wait == json!(20), || format!("receives wait {wait} seconds; expected 20"));
}
