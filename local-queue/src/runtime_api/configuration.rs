//! What is known of a function before it runs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// What a version of a function is called that has not been published.
pub(super) const VERSION: &str = "$LATEST";

/// The form in which a function is asked to write its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As it likes.
    #[default]
    Text,
    /// JSON documents.
    Json {
        /// `AWS_LAMBDA_LOG_LEVEL`, such as `INFO`.
        level: Option<String>,
    },
}

/// Whom a function's requests to AWS come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl Default for Credentials {
    /// Not real: `test`, three times. Emulators accept them, AWS does not.
    fn default() -> Self {
        let test = || "test".to_owned();
        Self { access_key_id: test(), secret_access_key: test(), session_token: Some(test()) }
    }
}

/// What is known of a function before it runs.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    pub(super) name: String,
    pub(super) bootstrap: PathBuf,
    pub(super) handler: String,
    pub(super) memory_mib: u32,
    pub(super) timeout: Duration,
    pub(super) init_timeout: Duration,
    pub(super) region: String,
    pub(super) credentials: Credentials,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log_format: LogFormat,
    pub(super) concurrency_max: u32,
    pub(super) keep_warm: Duration,
}
