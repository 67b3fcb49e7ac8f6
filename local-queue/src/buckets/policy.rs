//! Whether a queue's access policy lets S3 send to it: the one decision of policies that is enforced here, because a queue
//! that nobody let S3 send to is the usual reason why nothing comes.

use serde_json::Value;

use crate::engine::QueueArn;

pub(super) const S3: &str = "s3.amazonaws.com";
const ACTION: &str = "sqs:SendMessage";

/// Who sends: a service, for a bucket or a rule of an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) service: &'a str,
    /// Of the bucket, or of the rule.
    pub(super) arn: &'a str,
    pub(super) account: &'a str,
}

/// The decision, and the conditions that were skipped because they are about what there is not here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) is_allowed: bool,
    pub(super) passed_over: Vec<String>,
}

/// Asks a policy, as IAM does: what is not allowed is denied, and a denial goes before all that allows.
pub(super) fn decide(policy: Option<&str>, queue: &QueueArn, sender: Sender<'_>) -> Decision {
    let mut decision = Decision { is_allowed: false, passed_over: Vec::new() };
    let policy: Value = policy.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => &statements[..],
        Some(statement) => std::slice::from_ref(statement),
        None => &[],
    };
    let mut is_denied = false;
    for statement in statements {
        if !applies(statement, queue, sender, &mut decision.passed_over) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Allow") => decision.is_allowed = true,
            Some("Deny") => is_denied = true,
            _ => {}
        }
    }
    decision.is_allowed &= !is_denied;
    decision
}

fn applies(statement: &Value, queue: &QueueArn, sender: Sender<'_>, passed_over: &mut Vec<String>) -> bool {
    let is_among = |name: &str, value: &str, fold: bool| {
        statement.get(name).map(|patterns| texts(patterns).any(|pattern| is_like(pattern, value, fold)))
    };
    let is_action = is_among("Action", ACTION, true).or_else(|| is_among("NotAction", ACTION, true).map(|is| !is));
    let resource = queue.as_str();
    let is_resource =
        is_among("Resource", resource, false).or_else(|| is_among("NotResource", resource, false).map(|is| !is));
    let is_sender = |principal: &Value| is_principal(principal, sender.service);
    let is_principal = statement
        .get("Principal")
        .map(is_sender)
        .or_else(|| statement.get("NotPrincipal").map(|value| !is_sender(value)));
    is_action.unwrap_or_default()
        && is_resource.unwrap_or_default()
        && is_principal.unwrap_or_default()
        && conditions_hold(&statement["Condition"], sender, passed_over)
}

fn is_principal(principal: &Value, sender: &str) -> bool {
    principal == "*"
        || texts(&principal["Service"]).any(|service| service == sender || service == "*")
        || texts(&principal["AWS"]).any(|account| account == "*")
}

fn conditions_hold(conditions: &Value, sender: Sender<'_>, passed_over: &mut Vec<String>) -> bool {
    let Value::Object(operators) = conditions else { return true };
    let mut holds = true;
    for (operator, keys) in operators {
        for (key, patterns) in keys.as_object().into_iter().flatten() {
            let value = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => sender.arn,
                "aws:sourceaccount" => sender.account,
                "aws:securetransport" => "true",
                _ => {
                    passed_over.push(format!("{operator} {key}"));
                    continue;
                }
            };
            match compare(operator, patterns, value) {
                Some(is) => holds &= is,
                None => passed_over.push(format!("{operator} {key}")),
            }
        }
    }
    holds
}

/// Whether a condition holds, if its operator is one of those that compare texts.
fn compare(operator: &str, patterns: &Value, value: &str) -> Option<bool> {
    let operator = operator.strip_suffix("IfExists").unwrap_or(operator);
    // A condition on several values asks the same of the one that there is here.
    let operator =
        operator.strip_prefix("ForAnyValue:").or_else(|| operator.strip_prefix("ForAllValues:")).unwrap_or(operator);
    let (operator, is_negated) = match operator.split_once("Not") {
        Some((kind, rest)) => (format!("{kind}{rest}"), true),
        None => (operator.to_owned(), false),
    };
    let is = match operator.as_str() {
        "ArnLike" | "ArnEquals" | "StringLike" => texts(patterns).any(|pattern| is_like(pattern, value, false)),
        "StringEquals" => texts(patterns).any(|pattern| pattern == value),
        "StringEqualsIgnoreCase" => texts(patterns).any(|pattern| pattern.eq_ignore_ascii_case(value)),
        "Bool" => {
            let flag = |pattern: &Value| pattern.as_bool().map(|flag| if flag { "true" } else { "false" });
            flag(patterns) == Some(value) || texts(patterns).any(|pattern| pattern.eq_ignore_ascii_case(value))
        }
        _ => return None,
    };
    Some(is != is_negated)
}

/// A text, or those of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let (one, many) = match value {
        Value::Array(items) => (None, &items[..]),
        other => (other.as_str(), &[][..]),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// Whether a value is like a pattern, in which `*` stands for any text and `?` for one character.
fn is_like(pattern: &str, value: &str, fold: bool) -> bool {
    let (pattern, value) = (pattern.as_bytes(), value.as_bytes());
    let is_same = |a: u8, b: u8| a == b || a == b'?' || (fold && a.eq_ignore_ascii_case(&b));
    let (mut at, mut value_at) = (0, 0);
    // Where the last star was, and up to where it has been taken to stand for.
    let mut star = None;
    while value_at < value.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, value_at));
                at += 1;
            }
            Some(byte) if is_same(*byte, value[value_at]) => {
                at += 1;
                value_at += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, value_at) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:jobs";

    fn decide_on(statements: &Value) -> Decision {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let sender = Sender { service: S3, arn: "arn:aws:s3:::photos", account: "000000000000" };
        decide(Some(&policy), &QueueArn::parse(QUEUE).unwrap(), sender)
    }

    fn allow(changes: &Value) -> Value {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                statement.as_object_mut().unwrap().remove(name);
            } else {
                statement[name] = value.clone();
            }
        }
        statement
    }

    #[test]
    fn s3_may_send_where_a_statement_says_so() {
        for changes in [
            json!({}),
            json!({ "Principal": "*" }),
            json!({ "Principal": { "AWS": "*" } }),
            json!({ "Principal": { "Service": ["sns.amazonaws.com", "s3.amazonaws.com"] } }),
            json!({ "Action": ["SQS:sendmessage", "sqs:ReceiveMessage"] }),
            json!({ "Action": "sqs:*" }),
            json!({ "Action": null, "NotAction": "sqs:ReceiveMessage" }),
            json!({ "Resource": "*" }),
            json!({ "Resource": "arn:aws:sqs:*:*:j?bs" }),
            json!({ "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:s3:*:*:photos" } } }),
            json!({ "Condition": { "ArnEquals": { "AWS:SourceArn": ["arn:aws:s3:::other", "arn:aws:s3:::photos"] } } }),
            json!({ "Condition": { "StringEquals": { "aws:SourceAccount": "000000000000" } } }),
            json!({ "Condition": { "Bool": { "aws:SecureTransport": true } } }),
            json!({ "Condition": { "StringNotEquals": { "aws:SourceAccount": "1" } } }),
        ] {
            assert_eq!(
                decide_on(&json!([allow(&changes)])),
                Decision { is_allowed: true, passed_over: Vec::new() },
                "{changes}"
            );
        }
        assert!(decide_on(&allow(&json!({}))).is_allowed, "one statement, without a list");
    }

    #[test]
    fn s3_may_not_send_where_no_statement_says_so_or_one_denies_it() {
        for changes in [
            json!({ "Effect": "Deny" }),
            json!({ "Principal": { "Service": "sns.amazonaws.com" } }),
            json!({ "Principal": { "AWS": "000000000000" } }),
            json!({ "Principal": null }),
            json!({ "Action": "sqs:ReceiveMessage" }),
            json!({ "Resource": "arn:aws:sqs:us-east-1:000000000000:other" }),
            json!({ "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:s3:::photo" } } }),
            json!({ "Condition": { "StringEquals": { "aws:SourceAccount": "111111111111" } } }),
            json!({ "Condition": { "Bool": { "aws:SecureTransport": "false" } } }),
            json!({ "Condition": {
                "ArnLike": { "aws:SourceArn": "arn:aws:s3:::photos" },
                "StringEquals": { "aws:SourceAccount": "111111111111" },
            } }),
        ] {
            assert!(!decide_on(&json!([allow(&changes)])).is_allowed, "{changes}");
        }
        let denied = json!({ "Effect": "Deny", "Condition": { "Bool": { "aws:SecureTransport": "false" } } });
        assert!(decide_on(&json!([allow(&denied), allow(&json!({}))])).is_allowed, "that denial is of plain HTTP");
        assert!(!decide_on(&json!([allow(&json!({})), allow(&json!({ "Effect": "Deny" }))])).is_allowed);
        let sender = Sender { service: S3, arn: "arn:aws:s3:::photos", account: "000000000000" };
        assert!(!decide(None, &QueueArn::parse(QUEUE).unwrap(), sender).is_allowed);
    }

    #[test]
    fn conditions_on_what_is_not_here_are_passed_over_and_named() {
        let statement = allow(&json!({ "Condition": { "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } } }));
        let decision = decide_on(&json!([statement]));
        assert_eq!(decision, Decision { is_allowed: true, passed_over: vec!["IpAddress aws:SourceIp".to_owned()] });
    }

    #[test]
    fn patterns_match_as_iam_says() {
        for (pattern, value, expected) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*b*c", "aXbYbc", true),
            ("a*c", "acd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("**", "a", true),
        ] {
            assert_eq!(is_like(pattern, value, false), expected, "{pattern} {value}");
        }
    }
}
