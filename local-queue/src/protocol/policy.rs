//! Access policies: kept and answered as AWS builds them, not enforced.

use serde_json::{Value, json};

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
    check_statements(&policy)?;
    Ok(Some(text.to_owned()))
}

fn check_statements(policy: &Value) -> Result<(), WireError> {
    let count = policy["Statement"].as_array().map_or(0, Vec::len);
    if count <= STATEMENTS_MAX {
        return Ok(());
    }
    let message = format!("{count} statements were found in the submitted policy, max allowed is {STATEMENTS_MAX}");
    Err(WireError::new(ErrorKind::OverLimit, message))
}

/// The policy with one more statement, as `AddPermission` writes it (recorded).
pub(super) fn add(
    policy: Option<&str>,
    queue: &QueueArn,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, WireError> {
    check_permission(accounts, actions)?;
    let mut policy = parse(policy).unwrap_or_else(
        || json!({ "Version": "2008-10-17", "Id": format!("{queue}/SQSDefaultPolicy"), "Statement": [] }),
    );
    if statements(&mut policy).iter().any(|statement| statement["Sid"] == label) {
        return Err(WireError::invalid_value(label, "Label", "Already exists."));
    }
    let principals = accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let actions = actions.iter().map(|action| format!("SQS:{action}")).collect();
    let statement = json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_many(principals) },
        "Action": one_or_many(actions),
        "Resource": queue.as_str(),
    });
    statements(&mut policy).push(statement);
    check_statements(&policy)?;
    Ok(policy.to_string())
}

/// The policy without the statement of this label; nothing is left when it was the last.
pub(super) fn remove(policy: Option<&str>, label: &str) -> Result<Option<String>, WireError> {
    let Some(mut policy) = parse(policy) else {
        return Err(WireError::invalid_value(label, "Label", "can't find label."));
    };
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != label);
    if statements.len() == before {
        return Err(WireError::invalid_value(label, "Label", "can't find label on existing policy."));
    }
    let is_empty = statements.is_empty();
    Ok((!is_empty).then(|| policy.to_string()))
}

fn check_permission(accounts: &[String], actions: &[String]) -> Result<(), WireError> {
    if actions.is_empty() {
        return Err(WireError::missing("Actions"));
    }
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

fn parse(policy: Option<&str>) -> Option<Value> {
    serde_json::from_str(policy?).ok()
}

/// The statements of a policy, which need not be a list when a person wrote it.
fn statements(policy: &mut Value) -> &mut Vec<Value> {
    let statements = &mut policy["Statement"];
    if !statements.is_array() {
        *statements = match statements.take() {
            Value::Null => json!([]),
            one => json!([one]),
        };
    }
    statements.as_array_mut().expect("it was just made a list")
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { texts.remove(0).into() } else { texts.into() }
}
