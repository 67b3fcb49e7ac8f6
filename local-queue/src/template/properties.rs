//! The properties that functions have, so that one that is misspelt does not pass.

use super::document::Yaml;

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
const SERVERLESS: [&str; 24] = [
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
    "Connectors",
    "ImageRepositories",
    "ManagedBy",
];
/// A name as near to a known one as this is a mistake. One that is further away may be newer than this list.
const DISTANCE_MAX: usize = 2;
/// A letter more may differ for so many that a name has: short ones are near to each other.
const LETTERS_FOR_ONE: usize = 4;

/// What is wrong with a property.
pub(super) struct Wrong {
    /// Whether it can only be a mistake.
    pub(super) is_refused: bool,
    pub(super) text: String,
}

/// The properties of a function that it does not have, as far as known here.
pub(super) fn check_properties<'n>(kind: &str, properties: Option<&'n Yaml>) -> Vec<(&'n Yaml, Wrong)> {
    let is_serverless = kind == "AWS::Serverless::Function";
    let known: Vec<_> = if is_serverless {
        let common = LAMBDA.into_iter().filter(|name| !NOT_SERVERLESS.contains(name));
        common.chain(SERVERLESS).collect()
    } else {
        LAMBDA.to_vec()
    };
    let entries = properties.map_or(&[][..], Yaml::entries).iter();
    let unknown = entries.filter(|(name, _)| !known.contains(&name.as_str()) && !name.starts_with("Fn::"));
    unknown.map(|(name, node)| (node, describe(kind, name, &known))).collect()
}

fn describe(kind: &str, name: &str, known: &[&str]) -> Wrong {
    let near = known.iter().map(|known| (distance(&known.to_lowercase(), &name.to_lowercase()), known));
    match near.min().filter(|(distance, _)| *distance <= DISTANCE_MAX.min(name.len() / LETTERS_FOR_ONE)) {
        Some((_, meant)) => {
            Wrong { is_refused: true, text: format!("an {kind} has no property {name}; it has {meant}") }
        }
        None => Wrong {
            is_refused: false,
            text: format!("property {name} of an {kind} is not known here, and does nothing"),
        },
    }
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
