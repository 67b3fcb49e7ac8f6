//! `RedrivePolicy` and `RedriveAllowPolicy`: what they may say.

use serde_json::json;

use crate::{
    client::{Answer, Sqs},
    errors::{INVALID_ATTRIBUTE_VALUE, INVALID_PARAMETER_VALUE},
    rules::{
        Evidence::{Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

pub(crate) fn rules(rules: &mut Section<'_>) {
    texts(rules);
    targets(rules);
    answers(rules);
    allow_policies(rules);
    allowed_sources(rules);
}

/// Creates a queue with this redrive policy.
fn create(sqs: &Sqs, policy: &str) -> Answer {
    let parameters = json!({ "QueueName": "jobs", "Attributes": { "RedrivePolicy": policy } });
    sqs.call("CreateQueue", &parameters)
}

/// Checks that the policy is refused for this reason, by an error that shows it as it was given.
fn refused(sqs: &Sqs, policy: &str, reason: &str) {
    let text = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
    create(sqs, policy).refused(INVALID_PARAMETER_VALUE, &text);
    sqs.create("other", &json!({}));
    sqs.set("other", &json!({ "RedrivePolicy": policy })).refused(INVALID_PARAMETER_VALUE, &text);
}

fn texts(rules: &mut Section<'_>) {
    rules.both(Quoted, "a redrive policy that is no JSON map is a bad attribute value", |sqs| {
        let text = "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.";
        for policy in ["x", "[]", "{", "\"a\""] {
            create(sqs, policy).refused(INVALID_ATTRIBUTE_VALUE, text);
        }
    });
    rules.both(Quoted, "a field that lacks is named, maxReceiveCount first, and the input is shown", |sqs| {
        let count = "Redrive policy does not contain mandatory attribute: maxReceiveCount.";
        refused(sqs, "{}", count);
        refused(sqs, &format!("{{ \"deadLetterTargetArn\": \"{DEAD}\" }}"), count);
        let target = "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.";
        refused(sqs, "{\"maxReceiveCount\":1}", target);
    });
    rules.both(Unverified, "the text about a maxReceiveCount outside of 1 to 1000", |sqs| {
        sqs.create("dead", &json!({}));
        for count in ["0", "1001", "-1"] {
            let policy = format!("{{\"maxReceiveCount\": {count}, \"deadLetterTargetArn\": \"{DEAD}\"}}");
            let reason =
                format!("Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.");
            refused(sqs, &policy, &reason);
        }
    });
    rules.both(Recorded, "maxReceiveCount is 1 to 1000", |sqs| {
        sqs.create("dead", &json!({}));
        sqs.jobs();
        for count in [1, 1000] {
            let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": count }).to_string();
            sqs.set("jobs", &json!({ "RedrivePolicy": policy })).ok();
        }
        let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": 1001 }).to_string();
        sqs.set("jobs", &json!({ "RedrivePolicy": policy })).refused_somehow(INVALID_PARAMETER_VALUE);
    });
    rules.both(Validated, "a maxReceiveCount that is no number is a bad parameter", |sqs| {
        sqs.create("dead", &json!({}));
        for count in ["\"ten\"", "true", "[]", "1.5", "{}"] {
            let policy = format!("{{\"maxReceiveCount\":{count},\"deadLetterTargetArn\":\"{DEAD}\"}}");
            create(sqs, &policy).refused_somehow(INVALID_PARAMETER_VALUE);
        }
    });
    rules.both(Unverified, "a third field is refused", |sqs| {
        sqs.create("dead", &json!({}));
        let policy = format!("{{\"maxReceiveCount\":1,\"deadLetterTargetArn\":\"{DEAD}\",\"more\":1}}");
        refused(sqs, &policy, "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].");
    });
}

fn targets(rules: &mut Section<'_>) {
    // serverless#5215.
    rules.both(Quoted, "a dead-letter target must be there", |sqs| {
        let policy = format!("{{\"maxReceiveCount\": \"3\", \"deadLetterTargetArn\": \"{DEAD}\"}}");
        refused(sqs, &policy, "Dead letter target does not exist.");
    });
    rules.both(Unverified, "the text about a dead-letter target that is no ARN", |sqs| {
        for target in ["dead", "http://localhost:9324/000000000000/dead", ""] {
            let policy = json!({ "deadLetterTargetArn": target, "maxReceiveCount": 1 }).to_string();
            refused(sqs, &policy, "Dead-letter target ARN should be fully qualified ARN.");
        }
    });
    rules.both(Recorded, "a dead-letter target must be of the same type", |sqs| {
        sqs.create("dead", &json!({}));
        sqs.create("dead.fifo", &json!({ "FifoQueue": "true" }));
        let policy = json!({ "deadLetterTargetArn": format!("{DEAD}.fifo"), "maxReceiveCount": 1 }).to_string();
        create(sqs, &policy).refused_somehow(INVALID_PARAMETER_VALUE);
        sqs.jobs_fifo();
        let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": 1 }).to_string();
        sqs.set("jobs.fifo", &json!({ "RedrivePolicy": policy })).refused_somehow(INVALID_PARAMETER_VALUE);
    });
    rules.both(Recorded, "a queue may be its own dead-letter queue", |sqs| {
        sqs.create("dead", &json!({}));
        let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": 1 }).to_string();
        sqs.set("dead", &json!({ "RedrivePolicy": policy })).ok();
        assert_eq!(sqs.attributes("dead")["RedrivePolicy"], policy);
    });
}

fn answers(rules: &mut Section<'_>) {
    rules.both(Recorded, "maxReceiveCount may be text, and is answered as a number in an order of its own", |sqs| {
        sqs.create("dead", &json!({}));
        let expected = format!("{{\"deadLetterTargetArn\":\"{DEAD}\",\"maxReceiveCount\":7}}");
        for count in ["7", "\"7\""] {
            let policy = format!("{{ \"maxReceiveCount\" : {count}, \"deadLetterTargetArn\" : \"{DEAD}\" }}");
            assert_eq!(create(sqs, &policy).status, 200);
            assert_eq!(sqs.attributes("jobs")["RedrivePolicy"], expected);
        }
    });
}

fn allow_policies(rules: &mut Section<'_>) {
    fn set(sqs: &Sqs, policy: &str) -> Answer {
        sqs.set("dead", &json!({ "RedriveAllowPolicy": policy }))
    }
    rules.both(Recorded, "byQueue without sources, or allowAll with sources, is a bad parameter", |sqs| {
        sqs.create("dead", &json!({}));
        set(sqs, "{\"redrivePermission\":\"byQueue\"}").refused_somehow(INVALID_PARAMETER_VALUE);
        let policy = format!("{{\"redrivePermission\":\"allowAll\",\"sourceQueueArns\":[\"{DEAD}\"]}}");
        set(sqs, &policy).refused_somehow(INVALID_PARAMETER_VALUE);
    });
    rules.both(Unverified, "the texts about redrive allow policies", |sqs| {
        sqs.create("dead", &json!({}));
        let refused = |policy: &str, reason: &str| {
            let text = format!("Value {policy} for parameter RedriveAllowPolicy is invalid. Reason: {reason}");
            set(sqs, policy).refused(INVALID_PARAMETER_VALUE, &text);
        };
        refused(
            "{\"redrivePermission\":\"byQueue\"}",
            "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.",
        );
        refused(
            &format!("{{\"redrivePermission\":\"denyAll\",\"sourceQueueArns\":[\"{DEAD}\"]}}"),
            "To specify one or more source queue ARNs, you must set redrivePermission to byQueue.",
        );
        let eleven = vec![DEAD; 11];
        let policy = json!({ "redrivePermission": "byQueue", "sourceQueueArns": eleven }).to_string();
        set(sqs, &policy).refused_somehow(INVALID_PARAMETER_VALUE);
        for policy in ["x", "{}", "{\"redrivePermission\":\"some\"}", "{\"redrivePermission\":\"allowAll\",\"x\":1}"] {
            set(sqs, policy).refused_somehow(INVALID_PARAMETER_VALUE);
        }
    });
    rules.both(Unverified, "a redrive allow policy is answered, names up to ten sources, and can be removed", |sqs| {
        sqs.create("dead", &json!({}));
        let ten = (0..10).map(|n| format!("arn:aws:sqs:us-east-1:000000000000:q{n}")).collect::<Vec<_>>();
        let by_queue = json!({ "redrivePermission": "byQueue", "sourceQueueArns": ten }).to_string();
        for policy in ["{\"redrivePermission\":\"allowAll\"}", "{\"redrivePermission\":\"denyAll\"}", &by_queue] {
            set(sqs, policy).ok();
            assert_eq!(sqs.attributes("dead")["RedriveAllowPolicy"], policy);
        }
        set(sqs, "").ok();
        assert!(sqs.attributes("dead").get("RedriveAllowPolicy").is_none());
    });
}

fn allowed_sources(rules: &mut Section<'_>) {
    const WORDS: &str = "a target is asked whether it admits a source when the source is set, and never again";
    rules.both(Recorded, WORDS, |sqs| {
        let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": 1 }).to_string();
        sqs.create("dead", &json!({ "RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}" }));
        create(sqs, &policy).refused_somehow(INVALID_PARAMETER_VALUE);
        let jobs = "arn:aws:sqs:us-east-1:000000000000:jobs";
        let by_queue = json!({ "redrivePermission": "byQueue", "sourceQueueArns": [jobs] }).to_string();
        sqs.set("dead", &json!({ "RedriveAllowPolicy": by_queue })).ok();
        create(sqs, &policy).ok();
        let parameters = json!({ "QueueName": "other", "Attributes": { "RedrivePolicy": policy } });
        sqs.call("CreateQueue", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
        sqs.set("dead", &json!({ "RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}" })).ok();
        sqs.send("jobs", "a");
        sqs.receive("jobs");
        sqs.pass(30);
        assert_eq!((sqs.receive("jobs").len(), sqs.receive("dead").len()), (0, 1));
    });
}
