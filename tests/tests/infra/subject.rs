//! What rules are asked about: a template, and the stacks that it makes.

use serde_json::Value;

use crate::stack::Stack;

/// A rule, its name a sentence.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// Adds a line for each thing that is wrong.
    pub(crate) check: fn(&Subject, &mut Vec<String>),
}

/// A template with the stacks that its conditions lead to.
pub(crate) struct Subject {
    pub(crate) template: Value,
    /// Without any parameter.
    pub(crate) default: Stack,
    /// With every parameter that may be left out, so that each condition goes the other way.
    pub(crate) full: Stack,
    /// Without function and API.
    pub(crate) bare: Stack,
}

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:alarms";

impl Subject {
    pub(crate) fn new(template: Value) -> Self {
        let everything = [
            ("Renditions", r#"[{"target":"s3://my-target/out/{stem}.{format}","width":9,"format":"png"}]"#),
            ("SourceBucketName", "my-source"),
            ("SourcePrefix", "photos/2026/"),
            ("SourceExpirationDays", "30"),
            ("TargetBucketName", "my-target"),
            ("TargetPrefix", "out/"),
            ("TargetExpirationDays", "90"),
            ("AlarmTopicArn", TOPIC),
        ];
        Self {
            default: Stack::new(&template, "photos", &[]),
            full: Stack::new(&template, "photos", &everything),
            bare: Stack::new(&template, "photos", &[("DeployFunction", "false"), ("DeployApi", "false")]),
            template,
        }
    }

    /// The stacks with everything in them.
    pub(crate) fn stacks(&self) -> [&Stack; 2] {
        [&self.default, &self.full]
    }

    /// The properties of a resource as they are declared.
    pub(crate) fn declared(&self, id: &str) -> &Value {
        &self.template["Resources"][id]["Properties"]
    }
}

/// Adds a finding unless something is so.
pub(crate) fn expect(findings: &mut Vec<String>, holds: bool, finding: impl FnOnce() -> String) {
    if !holds {
        findings.push(finding());
    }
}
