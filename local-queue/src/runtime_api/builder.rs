//! What a function is to be, and what Lambda refuses of it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    bootstrap::BootstrapError,
    configuration::{Configuration, Credentials, LogFormat, Program},
    environment,
    function::Function,
    interpreted::{Client, Interpreted},
    logs::{Log, LogSink, StderrSink},
};

/// How long an initialisation may take before it is tried again within the invocation (documented).
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest timeout of a function (documented).
const TIMEOUT_MAX: Duration = Duration::from_secs(900);
/// The memory that a function can have, in MiB (documented).
const MEMORY_MIB: std::ops::RangeInclusive<u32> = 128..=10_240;
/// How much a function may declare of names and values together (documented).
const ENVIRONMENT_BYTES_MAX: usize = 4 * 1024;
/// As many processes as a new account may have at the same time on AWS.
const CONCURRENCY_DEFAULT: u32 = 10;
/// Lambda keeps an environment that waits for minutes, and does not say for how many.
const KEEP_WARM_DEFAULT: Duration = Duration::from_mins(5);

/// Why a function could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionBuildError {
    /// The name is not one.
    #[error("function name {name:?} is not 1 to 64 letters, digits, hyphens and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// The timeout is zero or too long.
    #[error("Timeout {timeout:?} of function {name} is not between 1 and 900 seconds")]
    Timeout {
        /// The function.
        name: String,
        /// Its timeout.
        timeout: Duration,
    },
    /// The memory size is not one.
    #[error("MemorySize {memory_mib} of function {name} is not between 128 and 10240")]
    Memory {
        /// The function.
        name: String,
        /// Its memory in MiB.
        memory_mib: u32,
    },
    /// Variables are declared that Lambda sets.
    #[error(
        "Lambda was unable to configure your environment variables because the environment variables you have provided \
         contains reserved keys that are currently not supported for modification. Reserved keys used in this request: \
         {} (function {name})",
        variables.join(", ")
    )]
    ReservedVariables {
        /// The function.
        name: String,
        /// The variables.
        variables: Vec<String>,
    },
    /// A variable cannot be given to a process.
    #[error("environment variable {variable:?} of function {name} has a name or value that no process can be given")]
    ImpossibleVariable {
        /// The function.
        name: String,
        /// The variable.
        variable: String,
    },
    /// More variables are declared than fit.
    #[error(
        "Lambda was unable to configure your environment variables because the environment variables you have provided \
         exceeded the 4KB limit: they have {bytes} bytes (function {name})"
    )]
    EnvironmentTooLarge {
        /// The function.
        name: String,
        /// What names and values have together.
        bytes: usize,
    },
    /// The program cannot be run.
    #[error("function {name}: {error}")]
    Bootstrap {
        /// The function.
        name: String,
        /// Why.
        error: BootstrapError,
    },
    /// The file that an interpreter runs cannot be written.
    #[error("function {name}: failed to write the client of the Runtime API to a temporary folder: {error}")]
    Client {
        /// The function.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// The thread for the log cannot be started.
    #[error("function {name}: failed to start the thread of its log: {error}")]
    Log {
        /// The function.
        name: String,
        /// Why.
        error: std::io::Error,
    },
}

/// How a function is to be. Made by [`Function::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder<L = StderrSink> {
    configuration: Configuration,
    sink: L,
}

impl Function {
    /// A function of this name whose program is `bootstrap`: the file, or the folder with a file of that name.
    pub fn builder(name: impl Into<String>, bootstrap: impl Into<PathBuf>) -> Builder {
        Builder::new(name.into(), Program::Bootstrap(bootstrap.into()))
    }

    /// A function of this name whose handler an interpreter runs; the [`handler`](Builder::handler) must be named.
    pub fn interpreted(name: impl Into<String>, function: Interpreted) -> Builder {
        Builder::new(name.into(), Program::Interpreted(Box::new(function), None))
    }
}

impl Builder {
    fn new(name: String, program: Program) -> Self {
        let configuration = Configuration {
            name,
            program,
            handler: "bootstrap".to_owned(),
            memory_mib: 128,
            timeout: Duration::from_secs(3),
            init_timeout: INIT_TIMEOUT,
            region: "us-east-1".to_owned(),
            credentials: Credentials::default(),
            environment: BTreeMap::new(),
            log_format: LogFormat::Text,
            concurrency_max: CONCURRENCY_DEFAULT,
            keep_warm: KEEP_WARM_DEFAULT,
            reload: false,
            debug: false,
        };
        Self { configuration, sink: StderrSink }
    }
}

impl<L: LogSink> Builder<L> {
    /// `_HANDLER`, which a program of its own runtime need not look at; `bootstrap` if nothing else is said.
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.configuration.handler = handler.into();
        self
    }

    /// Memory size that the function sees and reports, in MiB. It is not enforced. 128, as in AWS, if nothing
    /// else is said.
    pub const fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.configuration.memory_mib = memory_mib;
        self
    }

    /// How long an invocation may take; three seconds, as in AWS, if nothing else is said.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.configuration.timeout = timeout;
        self
    }

    /// How long a process may take to ask for its first invocation before it is started again; ten seconds in Lambda.
    pub const fn init_timeout(mut self, init_timeout: Duration) -> Self {
        self.configuration.init_timeout = init_timeout;
        self
    }

    /// `AWS_REGION`; `us-east-1` if nothing else is said.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.configuration.region = region.into();
        self
    }

    /// Whom requests to AWS come from.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.configuration.credentials = credentials;
        self
    }

    /// Declares environment variables, as a template does. Nothing of this process's environment is inherited.
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.configuration.environment.extend(variables);
        self
    }

    /// The form of the log.
    pub fn log_format(mut self, log_format: LogFormat) -> Self {
        self.configuration.log_format = log_format;
        self
    }

    /// How many invocations may run at the same time, each in a process of its own (`ReservedConcurrentExecutions`);
    /// ten if nothing else is said. With zero, each is throttled, as in Lambda.
    pub const fn concurrency_max(mut self, concurrency_max: u32) -> Self {
        self.configuration.concurrency_max = concurrency_max;
        self
    }

    /// How long a process waits for its next invocation before it is ended; five minutes if nothing else is said. With zero,
    /// each ends after its invocation, and each invocation starts one.
    pub const fn keep_warm(mut self, keep_warm: Duration) -> Self {
        self.configuration.keep_warm = keep_warm;
        self
    }

    /// Whether a change of its code replaces its processes, each after its invocation. Otherwise code is read when a process
    /// starts.
    pub const fn reload(mut self, reload: bool) -> Self {
        self.configuration.reload = reload;
        self
    }

    /// Lets somebody debug it: there is one process at the most, which is not stopped between invocations and takes all the
    /// time it wants.
    pub const fn debug(mut self) -> Self {
        self.configuration.debug = true;
        self.configuration.concurrency_max = 1;
        self.configuration.keep_warm = Duration::MAX;
        self
    }

    /// Who takes the lines of the log; the standard error if nothing else is said.
    pub fn logs<N: LogSink>(self, sink: N) -> Builder<N> {
        Builder { configuration: self.configuration, sink }
    }

    /// Checks the settings and that the program can be run. No process is started.
    pub fn build(self) -> Result<Function, FunctionBuildError> {
        let Self { mut configuration, sink } = self;
        check(&configuration)?;
        if let Program::Interpreted(function, client) = &mut configuration.program {
            let written = Client::write(function.language);
            let failed = |error| FunctionBuildError::Client { name: configuration.name.clone(), error };
            *client = Some(written.map_err(failed)?);
        }
        let name = || configuration.name.clone();
        configuration.find().map_err(|error| FunctionBuildError::Bootstrap { name: name(), error })?;
        let log = Log::start(configuration.name.as_str().into(), sink)
            .map_err(|error| FunctionBuildError::Log { name: name(), error })?;
        Ok(Function::new(configuration, log))
    }
}

fn check(configuration: &Configuration) -> Result<(), FunctionBuildError> {
    let Configuration { name, timeout, memory_mib, environment: declared, .. } = configuration;
    let (name, is_word) = (name.clone(), |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_word) {
        return Err(FunctionBuildError::Name { name });
    }
    if timeout.is_zero() || *timeout > TIMEOUT_MAX {
        return Err(FunctionBuildError::Timeout { name, timeout: *timeout });
    }
    if !MEMORY_MIB.contains(memory_mib) {
        return Err(FunctionBuildError::Memory { name, memory_mib: *memory_mib });
    }
    let variables = environment::reserved(declared.keys());
    if !variables.is_empty() {
        return Err(FunctionBuildError::ReservedVariables { name, variables });
    }
    if let Some((variable, _)) = declared.iter().find(|(name, value)| !environment::is_possible(name, value)) {
        return Err(FunctionBuildError::ImpossibleVariable { name, variable: variable.clone() });
    }
    let bytes = declared.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        return Err(FunctionBuildError::EnvironmentTooLarge { name, bytes });
    }
    Ok(())
}
