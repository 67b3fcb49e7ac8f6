//! Policies that are set as a whole: what of them is checked.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Sqs},
    errors::{INVALID_ATTRIBUTE_VALUE, INVALID_PARAMETER_VALUE, OVER_LIMIT},
    rules::{
        Evidence::{Documented, Quoted, Unverified},
        Section,
    },
};

const INVALID: &str = "Invalid value for the parameter Policy.";

/// Sets a policy of one statement, which has these members or not, if they are null.
fn set(sqs: &Sqs, members: &Value) -> Answer {
    let mut statement = json!({
        "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage",
        "Resource": "arn:aws:sqs:us-east-1:000000000000:jobs",
    });
    let statement_members = statement.as_object_mut().unwrap();
    statement_members.extend(members.as_object().unwrap().clone());
    statement_members.retain(|_, value| !value.is_null());
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    sqs.set("jobs", &json!({ "Policy": policy }))
}

pub(crate) fn rules(rules: &mut Section<'_>) {
    principals_and_effects(rules);
    resources(rules);
    actions(rules);
    accounts(rules);
    limits(rules);
}

fn principals_and_effects(rules: &mut Section<'_>) {
    rules.both(Unverified, "a statement says whom it allows or denies something", |sqs| {
        sqs.jobs();
        set(sqs, &json!({ "Principal": null, "NotPrincipal": { "AWS": "111122223333" }, "Effect": "Deny" })).ok();
        for missing in [json!({ "Principal": null }), json!({ "Effect": null }), json!({ "Effect": "Permit" })] {
            set(sqs, &missing).refused(INVALID_ATTRIBUTE_VALUE, INVALID);
        }
    });
}

fn resources(rules: &mut Section<'_>) {
    // aws-cdk#1675, stacker_blueprints#71.
    rules.both(Quoted, "a statement names one resource", |sqs| {
        sqs.jobs();
        let queue = "arn:aws:sqs:us-east-1:000000000000:jobs";
        for resource in [json!(queue), json!([queue]), json!("*"), json!("arn:aws:sqs:*:*:*")] {
            set(sqs, &json!({ "Resource": resource })).ok();
        }
        for resource in [Value::Null, json!([]), json!([queue, "arn:aws:sqs:us-east-1:000000000000:other"])] {
            set(sqs, &json!({ "Resource": resource })).refused(INVALID_ATTRIBUTE_VALUE, INVALID);
        }
    });
    rules.both(Unverified, "a resource that is no queue is a bad attribute value", |sqs| {
        sqs.jobs();
        for resource in [json!("arn:aws:s3:::photos"), json!("jobs"), json!("http://localhost:9324/0/jobs"), json!(5)] {
            set(sqs, &json!({ "Resource": resource })).refused(INVALID_ATTRIBUTE_VALUE, INVALID);
        }
    });
}

fn actions(rules: &mut Section<'_>) {
    // aws-cdk#2381.
    rules.both(Quoted, "an action of batches, or one that there is not, is shown", |sqs| {
        sqs.jobs();
        for action in ["sqs:ChangeMessageVisibilityBatch", "SQS:SendMessageBatch", "sqs:Dance", "s3:GetObject"] {
            let text = format!(
                "Value {action} for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a \
                 list of valid actions."
            );
            for actions in [json!(action), json!(["sqs:SendMessage", action])] {
                set(sqs, &json!({ "Action": actions })).refused(INVALID_PARAMETER_VALUE, &text);
            }
        }
        for action in ["sqs:SendMessage", "SQS:sendmessage", "sqs:*", "*", "sqs:Get*", "sqs:ListQueues"] {
            set(sqs, &json!({ "Action": action })).ok();
        }
        set(sqs, &json!({ "Action": null, "NotAction": "sqs:SendMessage" })).ok();
    });
    rules.both(Unverified, "a statement without an action is a bad attribute value", |sqs| {
        sqs.jobs();
        for action in [Value::Null, json!([]), json!(5), json!([5])] {
            set(sqs, &json!({ "Action": action })).refused(INVALID_ATTRIBUTE_VALUE, INVALID);
        }
    });
}

fn accounts(rules: &mut Section<'_>) {
    fn give(sqs: &Sqs, action: &str, principal: &str) -> Answer {
        set(sqs, &json!({ "Action": ["sqs:SendMessage", action], "Principal": { "AWS": principal } }))
    }
    // aws-cdk#15602, terraform-provider-aws#42209.
    rules.both(Quoted, "ListQueues cannot be given to another account", |sqs| {
        sqs.jobs();
        for principal in ["111122223333", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/worker"] {
            give(sqs, "sqs:ListQueues", principal).refused(INVALID_ATTRIBUTE_VALUE, INVALID);
            give(sqs, "sqs:ReceiveMessage", principal).ok();
        }
        give(sqs, "sqs:ListQueues", "arn:aws:iam::000000000000:role/worker").ok();
        let policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "AWS": ["111122223333"] }, "Action": "sqs:ListQueues", "Resource": "*",
        }});
        let parameters = json!({ "QueueName": "other", "Attributes": { "Policy": policy.to_string() } });
        sqs.call("CreateQueue", &parameters).refused(INVALID_ATTRIBUTE_VALUE, INVALID);
    });
    rules.both(Unverified, "nor can the other actions to which permissions across accounts do not apply", |sqs| {
        sqs.jobs();
        for action in ["sqs:SetQueueAttributes", "sqs:DeleteQueue", "SQS:TagQueue", "sqs:StartMessageMoveTask"] {
            give(sqs, action, "111122223333").refused(INVALID_ATTRIBUTE_VALUE, INVALID);
            give(sqs, action, "000000000000").ok();
        }
    });
}

fn limits(rules: &mut Section<'_>) {
    // cloud-platform-environments#9082.
    rules.both(Quoted, "a statement has at most seven actions", |sqs| {
        sqs.jobs();
        set(sqs, &json!({ "Action": vec!["sqs:SendMessage"; 7] })).ok();
        let text = "10 actions were found in a statement from the submitted policy, max allowed is 7";
        set(sqs, &json!({ "Action": vec!["sqs:SendMessage"; 10] })).refused(OVER_LIMIT, text);
    });
    // JustSaying#211, NServiceBus.AmazonSQS#830.
    rules.both(Quoted, "a policy that is too long is over the limit", |sqs| {
        sqs.jobs();
        let answer = set(sqs, &json!({ "Sid": "x".repeat(9_000) }));
        answer.refused(OVER_LIMIT, "Submitted policy is over max allowed size.");
    });
    rules.both(Documented, "a policy may have 8,192 bytes", |sqs| {
        sqs.jobs();
        let policy = |length: usize| format!("{{\"Id\":\"{}\"}}", "x".repeat(length - 9));
        sqs.set("jobs", &json!({ "Policy": policy(8_192) })).ok();
        sqs.set("jobs", &json!({ "Policy": policy(8_193) })).refused_somehow(OVER_LIMIT);
    });
}
