//! The two buckets and the announcements of uploads.

use serde_json::{Value, json};

use crate::stack::{Resource, many, text};
use crate::subject::{Rule, Subject, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "buckets are private", check: private },
    Rule { name: "buckets are encrypted", check: encrypted },
    Rule { name: "buckets refuse requests without TLS", check: only_tls },
    Rule { name: "buckets clean up after uploads that never end", check: clean_up },
    Rule { name: "images are deleted when a parameter says so, and only then", check: expiration },
    Rule { name: "buckets outlive the stack", check: retained },
    Rule { name: "originals that are overwritten can be had back for a while", check: versions },
    Rule { name: "uploads are announced to the queue, once it takes announcements", check: announced },
    Rule { name: "outputs are not announced", check: no_loop },
];

const BUCKET: [&str; 1] = ["AWS::S3::Bucket"];

fn private(subject: &Subject, findings: &mut Vec<String>) {
    for bucket in subject.default.of(&BUCKET) {
        for switch in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            let on = *bucket.get(&format!("PublicAccessBlockConfiguration/{switch}")) == json!(true);
            expect(findings, on, || format!("{}: {switch} is not on", bucket.id));
        }
        let ownership = bucket.get("OwnershipControls/Rules/0/ObjectOwnership");
        let enforced = *ownership == "BucketOwnerEnforced";
        expect(findings, enforced, || format!("{}: ObjectOwnership is {ownership}", bucket.id));
    }
}

fn encrypted(subject: &Subject, findings: &mut Vec<String>) {
    for bucket in subject.default.of(&BUCKET) {
        let path = "BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/SSEAlgorithm";
        let algorithm = text(bucket.get(path));
        let known = ["AES256", "aws:kms"].contains(&algorithm.as_str());
        expect(findings, known, || format!("{} is encrypted by {algorithm:?}", bucket.id));
    }
}

fn only_tls(subject: &Subject, findings: &mut Vec<String>) {
    for stack in subject.stacks() {
        for bucket in stack.of(&BUCKET) {
            let name = text(bucket.get("BucketName"));
            let arn = format!("arn:aws:s3:::{name}");
            let denies_it = |statement: &&Value| {
                statement["Effect"] == "Deny"
                    && statement["Principal"] == "*"
                    && statement["Action"] == "s3:*"
                    && statement["Resource"] == json!([arn, format!("{arn}/*")])
                    && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } })
            };
            let is_of = |policy: &&Resource| text(policy.get("Bucket")) == name;
            let policies = stack.of(&["AWS::S3::BucketPolicy"]).filter(is_of);
            let refused =
                policies.flat_map(|policy| many(policy.get("PolicyDocument/Statement"))).any(|one| denies_it(&one));
            expect(findings, refused, || format!("{} has no policy that refuses requests without TLS", bucket.id));
        }
    }
}

fn lifecycle(bucket: &Resource) -> Vec<&Value> {
    let rules = many(bucket.get("LifecycleConfiguration/Rules"));
    rules.into_iter().filter(|rule| rule["Status"] == "Enabled").collect()
}

fn clean_up(subject: &Subject, findings: &mut Vec<String>) {
    for bucket in subject.default.of(&BUCKET) {
        let days = lifecycle(bucket)
            .iter()
            .find_map(|rule| rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"].as_u64());
        expect(findings, days.is_some_and(|days| days <= 7), || format!("{} keeps parts for {days:?} days", bucket.id));
    }
}

fn expiration(subject: &Subject, findings: &mut Vec<String>) {
    for (stack, source, target) in [(&subject.default, "", ""), (&subject.full, "30", "90")] {
        for (id, expected) in [("SourceBucket", source), ("TargetBucket", target)] {
            let bucket = stack.resource(id);
            let days: String = lifecycle(&bucket).iter().map(|rule| text(&rule["ExpirationInDays"])).collect();
            expect(findings, days == expected, || format!("{id} deletes after {days:?} days; expected {expected:?}"));
        }
    }
}

fn retained(subject: &Subject, findings: &mut Vec<String>) {
    for bucket in subject.default.of(&BUCKET) {
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            let kept = text(&bucket.body[policy]).starts_with("Retain");
            expect(findings, kept, || format!("{}: {policy} is {}", bucket.id, bucket.body[policy]));
        }
    }
}

fn versions(subject: &Subject, findings: &mut Vec<String>) {
    let bucket = subject.default.resource("SourceBucket");
    expect(findings, *bucket.get("VersioningConfiguration/Status") == "Enabled", || {
        "SourceBucket has no versions".to_owned()
    });
    let bounded = lifecycle(&bucket).iter().any(|rule| rule["NoncurrentVersionExpiration"]["NoncurrentDays"].is_u64());
    expect(findings, bounded, || "SourceBucket keeps old versions for ever".to_owned());
}

fn announced(subject: &Subject, findings: &mut Vec<String>) {
    for (stack, prefix) in [(&subject.default, ""), (&subject.full, "photos/2026/")] {
        let mut expected = json!({
            "Event": "s3:ObjectCreated:*", "Queue": "arn:aws:sqs:eu-central-1:123456789012:photos-jobs",
        });
        if !prefix.is_empty() {
            expected["Filter"] = json!({ "S3Key": { "Rules": [{ "Name": "prefix", "Value": prefix }] } });
        }
        let bucket = stack.resource("SourceBucket");
        let announcements = bucket.get("NotificationConfiguration/QueueConfigurations");
        let right = *announcements == json!([expected]);
        expect(findings, right, || format!("announcements are {announcements}; expected {expected} alone"));
        // S3 asks the queue when a notification is configured, and is refused before the policy is there.
        let waits = many(&bucket.body["DependsOn"]).iter().any(|id| **id == "JobsQueuePolicy");
        expect(findings, waits, || "SourceBucket does not wait for JobsQueuePolicy".to_owned());
    }
}

fn no_loop(subject: &Subject, findings: &mut Vec<String>) {
    let bucket = subject.default.resource("TargetBucket");
    let announcements = bucket.get("NotificationConfiguration");
    expect(findings, announcements.is_null(), || format!("TargetBucket announces outputs: {announcements}"));
}
