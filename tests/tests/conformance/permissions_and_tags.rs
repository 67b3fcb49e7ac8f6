//! `AddPermission`, `RemovePermission`, `TagQueue`, `UntagQueue`, `ListQueueTags`.

use serde_json::{Map, Value, json};

use crate::{
    client::{Answer, Protocol, Sqs},
    errors::{INVALID_PARAMETER_VALUE, MISSING_PARAMETER, OVER_LIMIT},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    policies(rules);
    labels(rules);
    actions(rules);
    tags(rules);
    bad_tags(rules);
}

fn add(sqs: &Sqs, label: &str, accounts: &[&str], actions: &[&str]) -> Answer {
    let parameters = json!({ "QueueUrl": "jobs", "Label": label, "AWSAccountIds": accounts, "Actions": actions });
    sqs.call("AddPermission", &parameters)
}

fn remove(sqs: &Sqs, label: &str) -> Answer {
    sqs.call("RemovePermission", &json!({ "QueueUrl": "jobs", "Label": label }))
}

fn policies(rules: &mut Section<'_>) {
    rules.both(Recorded, "a permission becomes a statement; one principal or action is text, more are a list", |sqs| {
        sqs.jobs();
        let policy = |statements: &str| {
            format!(
                "{{\"Version\":\"2008-10-17\",\"Id\":\"arn:aws:sqs:us-east-1:000000000000:jobs/SQSDefaultPolicy\",\
                 \"Statement\":[{statements}]}}"
            )
        };
        let one = "{\"Sid\":\"one\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:root\"},\
                   \"Action\":\"SQS:ReceiveMessage\",\"Resource\":\"arn:aws:sqs:us-east-1:000000000000:jobs\"}";
        let two = "{\"Sid\":\"two\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"arn:aws:iam::111122223333:root\",\
                   \"arn:aws:iam::444455556666:root\"]},\"Action\":[\"SQS:SendMessage\",\"SQS:DeleteMessage\"],\
                   \"Resource\":\"arn:aws:sqs:us-east-1:000000000000:jobs\"}";
        add(sqs, "one", &["111122223333"], &["ReceiveMessage"]).ok();
        assert_eq!(sqs.attributes("jobs")["Policy"], policy(one));
        add(sqs, "two", &["111122223333", "444455556666"], &["SendMessage", "DeleteMessage"]).ok();
        assert_eq!(sqs.attributes("jobs")["Policy"], policy(&format!("{one},{two}")));
        remove(sqs, "one").ok();
        assert_eq!(sqs.attributes("jobs")["Policy"], policy(two));
    });
    rules.both(Recorded, "when the last statement goes, the policy goes", |sqs| {
        sqs.jobs();
        add(sqs, "one", &["111122223333"], &["*"]).ok();
        remove(sqs, "one").ok();
        assert!(sqs.attributes("jobs").get("Policy").is_none());
    });
    rules.both(Unverified, "statements of a policy that was set as a whole are kept as they are", |sqs| {
        let own = "{\"Sid\":\"own\",\"Resource\":\"*\",\"Effect\":\"Deny\",\"Action\":\"*\",\"Principal\":\"*\"}";
        sqs.create("jobs", &json!({ "Policy": format!("{{\"Version\":\"2012-10-17\",\"Statement\":{own}}}") }));
        add(sqs, "one", &["111122223333"], &["*"]).ok();
        remove(sqs, "one").ok();
        let expected = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{own}]}}");
        assert_eq!(sqs.attributes("jobs")["Policy"], expected);
    });
}

fn labels(rules: &mut Section<'_>) {
    rules.both(Recorded, "a label can be used once", |sqs| {
        sqs.jobs();
        add(sqs, "one", &["111122223333"], &["*"]).ok();
        let text = "Value one for parameter Label is invalid. Reason: Already exists.";
        add(sqs, "one", &["444455556666"], &["*"]).refused(INVALID_PARAMETER_VALUE, text);
    });
    rules.both(Recorded, "a label that is not there cannot be removed from a queue without a policy", |sqs| {
        sqs.jobs();
        let text = "Value one for parameter Label is invalid. Reason: can't find label.";
        remove(sqs, "one").refused(INVALID_PARAMETER_VALUE, text);
    });
    rules.both(Unverified, "nor from one with a policy, which is worded differently", |sqs| {
        sqs.jobs();
        add(sqs, "one", &["111122223333"], &["*"]).ok();
        let text = "Value two for parameter Label is invalid. Reason: can't find label on existing policy.";
        remove(sqs, "two").refused(INVALID_PARAMETER_VALUE, text);
    });
}

fn actions(rules: &mut Section<'_>) {
    rules.both(Unverified, "the texts about actions and accounts that cannot be named", |sqs| {
        sqs.jobs();
        let text = "Value SQS:RemovePermission for parameter ActionName is invalid. Reason: Only the queue owner is \
                    allowed to invoke this action.";
        add(sqs, "one", &["111122223333"], &["RemovePermission"]).refused(INVALID_PARAMETER_VALUE, text);
        for action in ["SendMessageBatch", "Dance"] {
            let text = format!(
                "Value SQS:{action} for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL \
                 for a list of valid actions."
            );
            add(sqs, "one", &["111122223333"], &[action]).refused(INVALID_PARAMETER_VALUE, &text);
        }
        let text = "Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.";
        add(sqs, "one", &[], &["*"]).refused(INVALID_PARAMETER_VALUE, text);
        let text = "8 Actions were found, maximum allowed is 7.";
        add(sqs, "one", &["111122223333"], &["*"; 8]).refused(OVER_LIMIT, text);
    });
    // aws-cli#7416.
    rules.both(Quoted, "an account is a number, and not the ARN or the id of a user", |sqs| {
        sqs.jobs();
        for principal in ["arn:aws:iam::111122223333:user/jared", "AIDAQUHRFMYWSR2PNVTVZ", "12345", ""] {
            let text = format!(
                "Value [{principal}] for parameter PrincipalId is invalid. Reason: Unable to verify principal."
            );
            let answer = add(sqs, "one", &["111122223333", principal], &["SendMessage"]);
            answer.refused(INVALID_PARAMETER_VALUE, &text);
        }
    });
    rules.both(Unverified, "a list that lacks is called as the protocol calls it", |sqs| {
        sqs.jobs();
        let (actions, keys) = match sqs.protocol {
            Protocol::Json => ("Actions", "TagKeys"),
            Protocol::Query => ("ActionName", "TagKey"),
        };
        let text = |name: &str| format!("The request must contain the parameter {name}.");
        add(sqs, "one", &["111122223333"], &[]).refused(MISSING_PARAMETER, &text(actions));
        sqs.call("UntagQueue", &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, &text(keys));
        sqs.call("RemovePermission", &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, &text("Label"));
    });
}

fn tags(rules: &mut Section<'_>) {
    rules.both(Recorded, "a queue without tags has no Tags member", |sqs| {
        sqs.jobs();
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({}));
    });
    rules.both(Recorded, "the value of a tag may be empty", |sqs| {
        sqs.jobs();
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": { "a": "" } }));
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({ "Tags": { "a": "" } }));
    });
    rules.both(Documented, "a tag that is there gets the new value, and one that is not is not missed", |sqs| {
        sqs.jobs();
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": { "a": "1", "b": "2" } }));
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": { "a": "3" } }));
        sqs.ok("UntagQueue", &json!({ "QueueUrl": "jobs", "TagKeys": ["b", "c"] }));
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({ "Tags": { "a": "3" } }));
    });
}

fn bad_tags(rules: &mut Section<'_>) {
    rules.both(Documented, "keys of tags that begin with aws: are reserved", |sqs| {
        sqs.jobs();
        for key in ["aws:", "aws:team", "AWS:team"] {
            let parameters = json!({ "QueueUrl": "jobs", "Tags": { key: "v" } });
            sqs.call("TagQueue", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
            let parameters = json!({ "QueueName": "other", "tags": { key: "v" } });
            sqs.call("CreateQueue", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
        }
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": { "awsome": "v", "a:aws:": "aws:" } }));
    });
    rules.both(Unverified, "the texts about tags: none, too many, a key that is empty or too long", |sqs| {
        sqs.jobs();
        let tag = |tags: Value| sqs.call("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": tags }));
        let text = "The request must contain the parameter Tags.";
        tag(json!({})).refused(MISSING_PARAMETER, text);
        sqs.call("TagQueue", &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, text);
        let many =
            |count: usize| Value::Object((0..count).map(|n| (format!("t{n}"), json!("v"))).collect::<Map<_, _>>());
        tag(many(51)).refused(INVALID_PARAMETER_VALUE, "Too many tags added for queue jobs.");
        tag(many(50)).ok();
        tag(json!({ "one more": "v" })).refused(INVALID_PARAMETER_VALUE, "Too many tags added for queue jobs.");
        tag(json!({ "t1": "again" })).ok();
        let text = "Tag keys must be between 1 and 128 characters in length.";
        tag(json!({ "": "v" })).refused(INVALID_PARAMETER_VALUE, text);
        tag(json!({ ("k".repeat(129)): "v" })).refused(INVALID_PARAMETER_VALUE, text);
    });
}
