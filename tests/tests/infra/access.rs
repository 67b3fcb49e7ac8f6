//! Who may do what.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stack::{FUNCTION, Resource, Stack, many, text};
use crate::subject::{Rule, Subject, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "no allowed action has a star", check: no_star_in_actions },
    Rule { name: "allowed resources are exact, but for X-Ray", check: resources_are_exact },
    Rule { name: "no role has a policy managed elsewhere", check: no_managed_policies },
    Rule { name: "the function may do what it does and nothing else", check: function_may_only },
    Rule { name: "the API may send jobs and nothing else", check: api_may_only },
    Rule { name: "a role is for one service", check: roles_are_for_one_service },
];

/// AWS: the two have no resource types, so that policies can name "*" only (documentation: "Actions, resources, and
/// condition keys for AWS X-Ray").
const TRACING: [&str; 2] = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];

fn statements(policy: &Value) -> Vec<&Value> {
    many(&policy["Statement"])
}

/// Each statement that allows something, with the name of its resource.
fn allowed(stack: &Stack) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for resource in &stack.resources {
        let policies = many(resource.get("Policies")).into_iter().map(|policy| &policy["PolicyDocument"]);
        for policy in policies.chain([resource.get("PolicyDocument")]) {
            let allows = statements(policy).into_iter().filter(|statement| statement["Effect"] != "Deny");
            found.extend(allows.map(|statement| (resource.id.clone(), statement.clone())));
        }
    }
    found
}

fn no_star_in_actions(subject: &Subject, findings: &mut Vec<String>) {
    for (id, statement) in subject.stacks().into_iter().flat_map(allowed) {
        for action in many(&statement["Action"]) {
            expect(findings, !text(action).contains('*'), || format!("{id} allows {action}; expected a whole action"));
        }
        expect(findings, statement["NotAction"].is_null(), || format!("{id} allows all but some actions"));
    }
}

fn resources_are_exact(subject: &Subject, findings: &mut Vec<String>) {
    for (id, statement) in subject.stacks().into_iter().flat_map(allowed) {
        let tracing = many(&statement["Action"]).into_iter().all(|action| TRACING.contains(&text(action).as_str()));
        for resource in many(&statement["Resource"]).into_iter().map(text) {
            let exact = resource.trim_end_matches('*');
            let is_exact = match resource.len() - exact.len() {
                0 => true,
                // Objects below a folder of one bucket, streams of one log group.
                1 => {
                    (exact.starts_with("arn:aws:s3:::") && exact.contains('/') && exact.ends_with('/'))
                        || (exact.starts_with("arn:aws:logs:") && exact.ends_with(">:"))
                }
                _ => false,
            };
            let right = if tracing { resource == "*" } else { is_exact && !exact.contains('*') };
            expect(findings, right, || format!("{id} allows {} on {resource:?}", statement["Action"]));
        }
        expect(findings, statement["NotResource"].is_null(), || format!("{id} allows all but some resources"));
    }
}

fn no_managed_policies(subject: &Subject, findings: &mut Vec<String>) {
    for role in subject.default.of(&["AWS::IAM::Role"]) {
        let managed = role.get("ManagedPolicyArns");
        expect(findings, managed.is_null(), || format!("{} has the managed policies {managed}", role.id));
    }
    // SAM would make a role with AWSLambdaBasicExecutionRole.
    for function in subject.default.of(&FUNCTION) {
        let has_role = !function.get("Role").is_null() && function.get("Policies").is_null();
        expect(findings, has_role, || format!("{} has no role of its own", function.id));
    }
}

/// Pairs of action and resource that a role may, but those with stars that other rules are about.
fn grants(role: &Resource) -> BTreeSet<(String, String)> {
    let mut grants = BTreeSet::new();
    for policy in many(role.get("Policies")) {
        for statement in statements(&policy["PolicyDocument"]) {
            for action in many(&statement["Action"]) {
                for resource in many(&statement["Resource"]) {
                    grants.insert((text(action), text(resource)));
                }
            }
        }
    }
    grants.retain(|(action, resource)| !action.contains('*') && resource != "*");
    grants
}

fn compare(role: &Resource, expected: &[(&str, String)], findings: &mut Vec<String>) {
    let granted = grants(role);
    let expected = expected.iter().map(|(action, resource)| ((*action).to_owned(), resource.clone())).collect();
    for (action, resource) in granted.difference(&expected) {
        findings.push(format!("{} may {action} on {resource}, which it does not need", role.id));
    }
    for (action, resource) in expected.difference(&granted) {
        findings.push(format!("{} may not {action} on {resource}", role.id));
    }
}

fn function_may_only(subject: &Subject, findings: &mut Vec<String>) {
    for (stack, sources, targets) in [
        (&subject.default, "photos-source-123456789012-eu-central-1/*", "photos-target-123456789012-eu-central-1/*"),
        (&subject.full, "my-source/photos/2026/*", "my-target/out/*"),
    ] {
        let jobs = "arn:aws:sqs:eu-central-1:123456789012:photos-jobs".to_owned();
        let dead_letters = "arn:aws:sqs:eu-central-1:123456789012:photos-deadletterqueue-1a2b3c".to_owned();
        let log = "arn:aws:logs:eu-central-1:123456789012:log-group:<FunctionLogGroup>:*".to_owned();
        let expected = [
            ("sqs:ReceiveMessage", jobs.clone()),
            ("sqs:DeleteMessage", jobs.clone()),
            ("sqs:GetQueueAttributes", jobs.clone()),
            ("sqs:ChangeMessageVisibility", jobs),
            ("sqs:SendMessage", dead_letters),
            ("s3:GetObject", format!("arn:aws:s3:::{sources}")),
            ("s3:PutObject", format!("arn:aws:s3:::{targets}")),
            ("s3:PutObjectTagging", format!("arn:aws:s3:::{targets}")),
            ("s3:GetObject", format!("arn:aws:s3:::{targets}")),
            ("logs:CreateLogStream", log.clone()),
            ("logs:PutLogEvents", log),
        ];
        compare(&stack.resource("FunctionRole"), &expected, findings);
    }
}

fn api_may_only(subject: &Subject, findings: &mut Vec<String>) {
    let jobs = "arn:aws:sqs:eu-central-1:123456789012:photos-jobs".to_owned();
    compare(&subject.default.resource("ApiRole"), &[("sqs:SendMessage", jobs)], findings);
}

fn roles_are_for_one_service(subject: &Subject, findings: &mut Vec<String>) {
    for role in subject.default.of(&["AWS::IAM::Role"]) {
        let service = if role.id == "ApiRole" { "apigateway.amazonaws.com" } else { "lambda.amazonaws.com" };
        let expected = json!([{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }]);
        let trusted = role.get("AssumeRolePolicyDocument/Statement");
        expect(findings, *trusted == expected, || format!("{} trusts {trusted}; expected {expected}", role.id));
    }
}
