//! Parameters, names, outputs, and how the template is written.

use serde_json::Value;

use crate::stack::{PLAIN, Stack, bounds, fields, intrinsic, text};
use crate::subject::{Rule, Subject, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "every parameter is checked", check: checked },
    Rule { name: "intrinsics are plain ones", check: plain },
    Rule { name: "references lead to something", check: references },
    Rule { name: "two stacks fit into one account", check: names },
    Rule { name: "outputs name what people need", check: outputs },
];

fn checked(subject: &Subject, findings: &mut Vec<String>) {
    for (name, declared) in fields(&subject.template["Parameters"]) {
        let is_listed = declared["AllowedValues"].is_array();
        let is_checked = match declared["Type"].as_str() {
            Some("Number") => {
                bounds(&subject.template, &serde_json::json!({ "Ref": name })).is_some_and(|(low, high)| {
                    declared["Default"].as_u64().is_some_and(|default| (low..=high).contains(&default))
                })
            }
            Some("String") => is_listed || declared["AllowedPattern"].is_string(),
            _ => false,
        };
        expect(findings, is_checked, || format!("{name} takes anything"));
        let is_said = is_listed || declared["ConstraintDescription"].is_string();
        expect(findings, is_said, || format!("{name} does not say what it accepts"));
        expect(findings, declared["Description"].is_string(), || format!("{name} has no description"));
    }
}

fn plain(subject: &Subject, findings: &mut Vec<String>) {
    fn walk(value: &Value, path: &str, findings: &mut Vec<String>) {
        if let Some((name, _)) = intrinsic(value) {
            expect(findings, PLAIN.contains(&name), || format!("{path} uses {name}; expected one of {PLAIN:?}"));
        }
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| walk(field, &format!("{path}/{name}"), findings));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, path, findings)),
            _ => {}
        }
    }
    walk(&subject.template, "", findings);
}

fn references(subject: &Subject, findings: &mut Vec<String>) {
    for stack in subject.stacks() {
        for missing in &stack.dangling {
            findings.push(format!("{missing} is neither a parameter nor a resource"));
        }
    }
}

fn names(subject: &Subject, findings: &mut Vec<String>) {
    let named =
        ["BucketName", "QueueName", "FunctionName", "RoleName", "LogGroupName", "AlarmName", "DashboardName", "Name"];
    let other = Stack::new(&subject.template, "other", &[]);
    for resource in &subject.default.resources {
        for property in named {
            let name = text(resource.get(property));
            // What is "<...>" refers to a resource, whose own name is looked at.
            let is_own =
                name.is_empty() || name.starts_with('<') || name != text(other.resource(&resource.id).get(property));
            expect(findings, is_own, || format!("{}: {property} is {name:?} in every stack", resource.id));
        }
    }
}

fn outputs(subject: &Subject, findings: &mut Vec<String>) {
    let everywhere =
        ["SourceBucket", "TargetBucket", "QueueUrl", "QueueArn", "DeadLetterQueueUrl", "DeadLetterQueueArn"];
    let with_function = ["JobsUrl", "FunctionName", "LogGroup", "Dashboard"];
    for name in everywhere {
        let found = subject.default.outputs.contains_key(name) && subject.bare.outputs.contains_key(name);
        expect(findings, found, || format!("there is no output {name}"));
    }
    for name in with_function {
        expect(findings, subject.default.outputs.contains_key(name), || format!("there is no output {name}"));
    }
}
