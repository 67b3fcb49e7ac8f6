//! What is known of a function before it runs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    bootstrap::{Bootstrap, BootstrapError},
    interpreted::{Client, Interpreted},
};

/// How long an invocation may take of a function that is debugged: nobody steps through code for longer.
const DEBUG_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

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

/// What is run for a function.
#[derive(Clone, Debug)]
pub(super) enum Program {
    /// The file, or the folder that has it.
    Bootstrap(PathBuf),
    /// An interpreter, by a client that was written for it.
    Interpreted(Box<Interpreted>, Option<Client>),
}

/// What is known of a function before it runs.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    pub(super) name: String,
    pub(super) program: Program,
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
    /// A change of the code replaces processes.
    pub(super) reload: bool,
    /// Somebody debugs it: it is not stopped between invocations, and has all the time it wants.
    pub(super) debug: bool,
}

impl Configuration {
    /// Finds what is run, and looks whether it can be.
    pub(super) fn find(&self) -> Result<Bootstrap, BootstrapError> {
        match &self.program {
            Program::Bootstrap(path) => Bootstrap::find(path),
            Program::Interpreted(function, Some(client)) => function.find(client, &self.handler),
            Program::Interpreted(function, None) => {
                Err(BootstrapError::NoInterpreter { path: function.interpreter.clone() })
            }
        }
    }

    /// Where its code is, if changes there matter: a folder, or a program that is a file.
    pub(super) fn code(&self) -> Option<PathBuf> {
        if !self.reload {
            return None;
        }
        match &self.program {
            Program::Bootstrap(_) => self.find().ok().map(|bootstrap| bootstrap.path),
            Program::Interpreted(function, _) => Some(function.code.clone()),
        }
    }

    /// Removes what was written for it. Who still has a clone of the function, such as its metrics, need not have dropped it.
    pub(super) fn clean_up(&self) {
        if let Program::Interpreted(_, Some(client)) = &self.program {
            client.remove();
        }
    }

    /// How long an invocation may take.
    pub(super) const fn time_to_run(&self) -> Duration {
        if self.debug { DEBUG_TIMEOUT } else { self.timeout }
    }

    /// How long an initialisation may take.
    pub(super) const fn time_to_start(&self) -> Duration {
        if self.debug { DEBUG_TIMEOUT } else { self.init_timeout }
    }
}
