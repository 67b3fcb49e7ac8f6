//! The properties that resources have of which something is made here, so that one that is misspelt does not pass.

use super::{
    Diagnostic,
    document::{Yaml, kind, refused},
};

/// Of `AWS::Lambda::Function` (template reference).
const LAMBDA: [&str; 31] = [
    "Architectures",
    "CapacityProviderConfig",
    "Code",
    "CodeSigningConfigArn",
    "DeadLetterConfig",
    "Description",
    "DurableConfig",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionName",
    "FunctionScalingConfig",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "PublishToLatestPublished",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "Tags",
    "TenancyConfig",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
];
/// Those that `AWS::Serverless::Function` does not take, and calls otherwise (SAM specification).
const NOT_SERVERLESS: [&str; 3] = ["Code", "DeadLetterConfig", "TracingConfig"];
/// Those that only `AWS::Serverless::Function` has.
const SERVERLESS: [&str; 21] = [
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "AutoPublishCodeSha256",
    "CodeUri",
    "DeadLetterQueue",
    "DeploymentPreference",
    "EventInvokeConfig",
    "Events",
    "FunctionUrlConfig",
    "ImageUri",
    "InlineCode",
    "PermissionsBoundary",
    "Policies",
    "PropagateTags",
    "ProvisionedConcurrencyConfig",
    "RolePath",
    "SourceKMSKeyArn",
    "Tracing",
    "VersionDeletionPolicy",
    "VersionDescription",
];
/// What `Globals` does not have of these (SAM specification, "Globals section").
const NOT_GLOBAL: [&str; 10] = [
    "AutoPublishCodeSha256",
    "Events",
    "FunctionName",
    "ImageConfig",
    "ImageUri",
    "InlineCode",
    "PackageType",
    "Policies",
    "Role",
    "VersionDescription",
];
/// Of `AWS::SQS::Queue` (template reference).
const QUEUE: [&str; 16] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "QueueName",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "Tags",
    "VisibilityTimeout",
];
/// Of `AWS::SQS::QueuePolicy`.
const QUEUE_POLICY: [&str; 2] = ["PolicyDocument", "Queues"];
/// Of `AWS::S3::Bucket`.
const BUCKET: [&str; 25] = [
    "AbacStatus",
    "AccelerateConfiguration",
    "AccessControl",
    "AnalyticsConfigurations",
    "BucketEncryption",
    "BucketName",
    "BucketNamePrefix",
    "BucketNamespace",
    "CorsConfiguration",
    "IntelligentTieringConfigurations",
    "InventoryConfigurations",
    "LifecycleConfiguration",
    "LoggingConfiguration",
    "MetadataConfiguration",
    "MetadataTableConfiguration",
    "MetricsConfigurations",
    "NotificationConfiguration",
    "ObjectLockConfiguration",
    "ObjectLockEnabled",
    "OwnershipControls",
    "PublicAccessBlockConfiguration",
    "ReplicationConfiguration",
    "Tags",
    "VersioningConfiguration",
    "WebsiteConfiguration",
];
/// What is read of a function's properties, with what each of them has.
const WITHIN: [(&str, &[&str]); 3] = [
    (
        "Code",
        &["ImageUri", "S3Bucket", "S3Key", "S3ObjectStorageMode", "S3ObjectVersion", "SourceKMSKeyArn", "ZipFile"],
    ),
    ("Environment", &["Variables"]),
    ("LoggingConfig", &["ApplicationLogLevel", "LogFormat", "LogGroup", "SystemLogLevel"]),
];
/// A name as near to a known one as this was meant for it.
const DISTANCE_MAX: usize = 2;
/// A letter more may differ for so many that a name has: short ones are near to each other.
const LETTERS_FOR_ONE: usize = 4;

/// The properties of a type that is read.
fn of_type(kind: &str) -> Option<Vec<&'static str>> {
    Some(match kind {
        "AWS::Lambda::Function" => LAMBDA.to_vec(),
        "AWS::Serverless::Function" => {
            let common = LAMBDA.into_iter().filter(|name| !NOT_SERVERLESS.contains(name));
            common.chain(SERVERLESS).collect()
        }
        "AWS::SQS::Queue" => QUEUE.to_vec(),
        "AWS::SQS::QueuePolicy" => QUEUE_POLICY.to_vec(),
        "AWS::S3::Bucket" => BUCKET.to_vec(),
        _ => return None,
    })
}

/// Properties that a resource does not have, which `CloudFormation` or SAM refuses.
pub(super) fn unknown_properties(resource: &Yaml) -> Vec<Diagnostic> {
    let kind = kind(resource);
    let (Some(known), Some(properties)) = (of_type(kind), resource.get("Properties")) else { return Vec::new() };
    let mut wrong: Vec<_> = unknown(properties, &known)
        .map(|(name, node)| match kind {
            "AWS::Serverless::Function" => {
                refused(node, format!("property {name} not defined for resource of type {kind}{}", meant(name, &known)))
            }
            _ => refused(node, format!("Encountered unsupported property {name}{}", meant(name, &known))),
        })
        .collect();
    if kind.ends_with("::Function") {
        for (of, known) in WITHIN {
            let Some(node) = properties.get(of).filter(|_| of != "Code" || kind == "AWS::Lambda::Function") else {
                continue;
            };
            let within = unknown(node, known);
            wrong.extend(within.map(|(name, node)| {
                refused(node, format!("Encountered unsupported property {name} of {of}{}", meant(name, known)))
            }));
        }
    }
    wrong
}

/// What `Globals` has for functions that SAM does not take there.
pub(super) fn unknown_globals(function: &Yaml) -> Vec<Diagnostic> {
    let known = of_type("AWS::Serverless::Function").unwrap_or_default();
    let known: Vec<_> = known.into_iter().filter(|name| !NOT_GLOBAL.contains(name)).collect();
    let wrong = unknown(function, &known);
    wrong
        .map(|(name, node)| {
            let text = format!("'Globals' section is invalid. '{name}' is not a supported property of 'Function'");
            refused(node, text + &meant(name, &known))
        })
        .collect()
}

fn unknown<'n>(node: &'n Yaml, known: &[&str]) -> impl Iterator<Item = (&'n str, &'n Yaml)> {
    let entries = node.entries().iter().map(|(name, node)| (name.as_str(), node));
    entries.filter(|(name, _)| !known.contains(name) && !name.starts_with("Fn::") && *name != "Ref")
}

/// Which known one a name was probably meant for.
fn meant(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (distance(&known.to_lowercase(), &name.to_lowercase()), known));
    let near = near.min().filter(|(distance, _)| *distance <= DISTANCE_MAX.min(name.len() / LETTERS_FOR_ONE));
    near.map(|(_, meant)| format!("; there is {meant}")).unwrap_or_default()
}

/// How many letters must be changed, added or left out to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut before = number;
        let mut next = vec![number + 1];
        for (at, known) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *known);
            before = row.get(at + 1).copied().unwrap_or(usize::MAX - 1);
            let left_out = next.last().copied().unwrap_or(usize::MAX - 1) + 1;
            next.push(changed.min(before + 1).min(left_out));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn the_distance_is_the_number_of_letters_that_differ() {
        for (one, other, expected) in
            [("", "", 0), ("timeout", "timeout", 0), ("timout", "timeout", 1), ("timeuot", "timeout", 2), ("ab", "", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
