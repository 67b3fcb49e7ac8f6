//! Access policies: checked, kept and answered as AWS builds them, not enforced.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::error::{ErrorKind, WireError};
use crate::engine::QueueArn;

/// Of a policy, and of each of its statements (developer guide, "Amazon SQS policy quotas").
const BYTES_MAX: usize = 8_192;
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
const UNKNOWN_ACTION: &str = "Please refer to the appropriate WSDL for a list of valid actions.";
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
///
/// AWS (quoted by users): a statement names one resource and up to seven actions, which are actions of SQS and not those
/// of batches.
pub(super) fn check(text: &str) -> Result<Option<String>, WireError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > BYTES_MAX {
        return Err(WireError::new(ErrorKind::OverLimit, "Submitted policy is over max allowed size."));
    }
    let statements = statements(text).ok_or_else(invalid)?;
    check_count(statements.len())?;
    statements.iter().try_for_each(check_statement)?;
    Ok(Some(text.to_owned()))
}

fn invalid() -> WireError {
    WireError::new(ErrorKind::InvalidAttributeValue, "Invalid value for the parameter Policy.")
}

/// The statements of a policy, if it is one.
fn statements(text: &str) -> Option<Vec<Value>> {
    let Ok(Value::Object(mut policy)) = serde_json::from_str(text) else { return None };
    Some(match policy.remove("Statement") {
        None => Vec::new(),
        Some(Value::Array(statements)) => statements,
        Some(statement) => vec![statement],
    })
}

fn check_statement(statement: &Value) -> Result<(), WireError> {
    let texts = |name: &str| texts(&statement[name]).ok_or_else(invalid);
    // A policy of a resource says for whom it is.
    let names_somebody = ["Principal", "NotPrincipal"].into_iter().any(|name| !statement[name].is_null());
    if !names_somebody || !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
        return Err(invalid());
    }
    if statement.get("NotAction").is_none() {
        let actions = texts("Action")?;
        if actions.len() > ACTIONS_MAX {
            let found = format!("{} actions were found in a statement from the submitted policy", actions.len());
            return Err(WireError::new(ErrorKind::OverLimit, format!("{found}, max allowed is {ACTIONS_MAX}")));
        }
        if let Some(unknown) = actions.iter().find(|action| !is_action(action)) {
            return Err(WireError::invalid_value(unknown, "ActionName", UNKNOWN_ACTION));
        }
    }
    if statement.get("NotResource").is_none() {
        let is_queue = |text: &str| has_wildcard(text) || QueueArn::parse(text).is_some();
        match texts("Resource")?[..] {
            [resource] if is_queue(resource) => {}
            _ => return Err(invalid()),
        }
    }
    Ok(())
}

/// A text, or a list of at least one.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) if !items.is_empty() => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether policies can name this action. Neither case counts.
fn is_action(text: &str) -> bool {
    let name = text.get(..4).filter(|service| service.eq_ignore_ascii_case("sqs:")).map(|_| &text[4..]);
    let mut known = ACTIONS.iter().chain(&OWNER_ACTIONS).chain([&SEND_MESSAGE]);
    has_wildcard(text) || name.is_some_and(|name| known.any(|known| known.eq_ignore_ascii_case(name)))
}

/// Checks that a policy of a queue gives other accounts only what can be given to them: AWS refuses `ListQueues` there
/// (quoted by users), and documents of the other actions of owners that permissions across accounts do not apply to them.
pub(super) fn check_account(text: &str, account: &str) -> Result<(), WireError> {
    let is_owners = |action: &&str| {
        let name = action.rsplit(':').next().unwrap_or_default();
        OWNER_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let gives_away = |statement: &Value| {
        let actions = texts(&statement["Action"]).unwrap_or_default();
        let principals = texts(&statement["Principal"]["AWS"]).unwrap_or_default();
        let mut accounts = principals.into_iter().filter_map(account_of);
        actions.iter().any(is_owners) && accounts.any(|other| other != account)
    };
    if statements(text).unwrap_or_default().iter().any(gives_away) {
        return Err(invalid());
    }
    Ok(())
}

/// The account of a principal: of its ARN, or it is one.
fn account_of(principal: &str) -> Option<&str> {
    let account = if principal.contains(':') { principal.split(':').nth(4)? } else { principal };
    is_account(account).then_some(account)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
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
    // AWS (quoted by users): the ARN or the id of a user is none.
    if let Some(other) = accounts.iter().find(|account| !is_account(account) && *account != "*") {
        return Err(WireError::invalid_value(format!("[{other}]"), "PrincipalId", "Unable to verify principal."));
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
            return Err(WireError::invalid_value(format!("SQS:{action}"), "ActionName", UNKNOWN_ACTION));
        }
    }
    Ok(())
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { texts.remove(0).into() } else { texts.into() }
}
