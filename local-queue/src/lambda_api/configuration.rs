//! What is known of a function, whoever has made it.

use std::{collections::BTreeMap, time::Duration};

/// What Lambda says of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionConfiguration {
    /// `FunctionName`.
    pub name: String,
    /// Another name by which it is found, if no function has it: its logical id in the template.
    pub logical_id: Option<String>,
    /// `Description`.
    pub description: String,
    /// `Runtime`.
    pub runtime: Option<String>,
    /// `Handler`.
    pub handler: String,
    /// `Role`, which nothing here depends on.
    pub role: Option<String>,
    /// `Timeout`.
    pub timeout: Duration,
    /// `MemorySize`, in MiB.
    pub memory_mib: u32,
    /// `ReservedConcurrentExecutions`.
    pub reserved_concurrency: Option<u32>,
    /// `Environment.Variables`, as they were declared.
    pub environment: BTreeMap<String, String>,
    /// `Architectures`.
    pub architecture: String,
    /// The aliases by which it can be called.
    pub aliases: Vec<String>,
}

impl FunctionConfiguration {
    /// With Lambda's defaults.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            logical_id: None,
            description: String::new(),
            runtime: None,
            handler: String::new(),
            role: None,
            timeout: Duration::from_secs(3),
            memory_mib: 128,
            reserved_concurrency: None,
            environment: BTreeMap::new(),
            architecture: "x86_64".to_owned(),
            aliases: Vec::new(),
        }
    }
}
