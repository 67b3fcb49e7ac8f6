//! Access policies: kept and answered as AWS builds them, not enforced.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::error::{ErrorKind, WireError};
use crate::engine::QueueArn;

const STATEMENTS_MAX: usize = 20;
const ACTIONS_MAX: usize = 7;

/// Actions that can be given to others.
const ACTIONS: [&str; 8] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
];
/// One more, which does not fit into the order of the list.
const SEND_MESSAGE: &str = "SendMessage";
/// Actions that only the owner of a queue can call (developer guide).
const OWNER_ACTIONS: [&str; 12] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueues",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// Checks a policy that is set as a whole; the empty text removes it.
pub(super) fn check(text: &str) -> Result<Option<String>, WireError> {
    if text.is_empty() {
        return Ok(None);
    }
    let Ok(policy @ Value::Object(_)) = serde_json::from_str::<Value>(text) else {
        return Err(WireError::new(ErrorKind::InvalidAttributeValue, "Invalid value for the parameter Policy."));
    };
    check_count(policy["Statement"].as_array().map_or(0, Vec::len))?;
    Ok(Some(text.to_owned()))
}

fn check_count(count: usize) -> Result<(), WireError> {
    if count <= STATEMENTS_MAX {
        return Ok(());
    }
    let message = format!("{count} statements were found in the submitted policy, max allowed is {STATEMENTS_MAX}");
    Err(WireError::new(ErrorKind::OverLimit, message))
}

/// A policy whose statements stay as they were written. Members are in AWS's own order (recorded).
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "one_or_many_statements")]
    statement: Vec<Box<RawValue>>,
}

/// A statement as `AddPermission` writes it (recorded).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    sid: &'a str,
    effect: &'a str,
    principal: Value,
    action: Value,
    resource: &'a str,
}

impl Policy {
    fn parse(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a policy is made of text")
    }
}

fn one_or_many_statements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    let statements = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(statements.get()).unwrap_or_else(|_| vec![statements]))
}

fn has_label(statement: &RawValue, label: &str) -> bool {
    serde_json::from_str::<Value>(statement.get()).is_ok_and(|statement| statement["Sid"] == label)
}

/// The policy with one more statement.
pub(super) fn add(
    policy: Option<&str>,
    queue: &QueueArn,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, WireError> {
    check_permission(accounts, actions)?;
    let mut policy = Policy::parse(policy).unwrap_or_else(|| Policy {
        version: to_raw_value("2008-10-17").ok(),
        id: to_raw_value(&format!("{queue}/SQSDefaultPolicy")).ok(),
        statement: Vec::new(),
    });
    if policy.statement.iter().any(|statement| has_label(statement, label)) {
        return Err(WireError::invalid_value(label, "Label", "Already exists."));
    }
    let principals = accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let statement = Statement {
        sid: label,
        effect: "Allow",
        principal: json!({ "AWS": one_or_many(principals) }),
        action: one_or_many(actions.iter().map(|action| format!("SQS:{action}")).collect()),
        resource: queue.as_str(),
    };
    policy.statement.push(to_raw_value(&statement).expect("a statement is made of text"));
    check_count(policy.statement.len())?;
    Ok(policy.to_text())
}

/// The policy without the statement of this label; nothing is left when it was the last.
pub(super) fn remove(policy: Option<&str>, label: &str) -> Result<Option<String>, WireError> {
    let Some(mut policy) = Policy::parse(policy) else {
        return Err(WireError::invalid_value(label, "Label", "can't find label."));
    };
    let before = policy.statement.len();
    policy.statement.retain(|statement| !has_label(statement, label));
    if policy.statement.len() == before {
        return Err(WireError::invalid_value(label, "Label", "can't find label on existing policy."));
    }
    Ok((!policy.statement.is_empty()).then(|| policy.to_text()))
}

fn check_permission(accounts: &[String], actions: &[String]) -> Result<(), WireError> {
    if accounts.is_empty() {
        return Err(WireError::invalid_value("[]", "PrincipalId", "Unable to verify."));
    }
    if actions.len() > ACTIONS_MAX {
        let message = format!("{} Actions were found, maximum allowed is {ACTIONS_MAX}.", actions.len());
        return Err(WireError::new(ErrorKind::OverLimit, message));
    }
    for action in actions {
        if OWNER_ACTIONS.contains(&action.as_str()) {
            let reason = "Only the queue owner is allowed to invoke this action.";
            return Err(WireError::invalid_value(format!("SQS:{action}"), "ActionName", reason));
        }
        if !ACTIONS.contains(&action.as_str()) && action != SEND_MESSAGE {
            let reason = "Please refer to the appropriate WSDL for a list of valid actions.";
            return Err(WireError::invalid_value(format!("SQS:{action}"), "ActionName", reason));
        }
    }
    Ok(())
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { texts.remove(0).into() } else { texts.into() }
}
