//! The functions of a template: each one's program as a process, and a mapping for each queue it works on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use aws_config::BehaviorVersion;
use aws_sdk_sqs::{Client, config::Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use clap::ValueEnum;
use local_queue::{
    LocalQueue,
    event_source_mapping::{ProvisionedPollers, QueueSource, SourceError},
    lambda_api::{FunctionConfiguration, LambdaApi, MappingError, MappingMetrics, NewMapping, Sources},
    runtime_api::{Function, LogFormat, TemporaryFolder},
    template::{StackFunction, StackMapping},
};
use local_queue_terminal::note;

use super::{
    Serve,
    code::Program,
    place,
    plan::{Plan, Planned},
    samples::{function_samples, mapping_samples},
    stop::{last_line, parse_duration},
    variables::Variables,
};

/// The options for functions.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Functions {
    /// Create the queues, buckets and APIs of a SAM or CloudFormation template, and run its functions.
    #[arg(long, value_name = "FILE", help_heading = "Template")]
    pub(crate) template: Option<PathBuf>,
    /// Parameter of the template; repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) parameter: Vec<(String, String)>,
    /// Environment of `samconfig.toml` (beside the template) that supplies `parameter_overrides`.
    ///
    /// The sections `global`, `deploy` and `local_invoke` are read. --parameter takes precedence [default: `default`, if the
    /// file exists]
    #[arg(
        long,
        value_name = "NAME",
        requires = "template",
        conflicts_with = "no_samconfig",
        help_heading = "Template"
    )]
    pub(crate) config_env: Option<String>,
    /// Ignore `samconfig.toml`.
    #[arg(long, requires = "template", help_heading = "Template")]
    pub(crate) no_samconfig: bool,
    /// Value of a Systems Manager parameter or of a secret that the template references; repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) ssm: Vec<(String, String)>,
    /// Exported value of another stack, for `Fn::ImportValue`; repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) import: Vec<(String, String)>,
    /// Name of the stack, the prefix of the names of queues and functions.
    #[arg(long, value_name = "NAME", default_value = "local", help_heading = "Template")]
    pub(crate) stack_name: String,
    /// Program of a function: its bootstrap, or the folder that contains it; repeatable.
    ///
    /// By default the code is searched for in the output of `sam build`, at the path in the template, and in the output of
    /// `cargo lambda build` and `cdk synth`. For Python and Node.js, PATH is the folder that contains the code.
    #[arg(long, value_name = "LOGICAL-ID=PATH", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) function: Vec<(String, String)>,
    /// Environment variable for every function, such as `AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000`; repeatable.
    ///
    /// Functions do not inherit the environment of this process.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) env: Vec<(String, String)>,
    /// Environment variables by function, in the JSON format of `sam local`: `{"Parameters": {...}, "LOGICAL-ID": {"NAME": "value"}}`.
    #[arg(long, value_name = "FILE", requires = "template", help_heading = "Template")]
    pub(crate) env_file: Option<PathBuf>,
    /// Pass this variable of the process's environment to functions; repeatable.
    #[arg(long, value_name = "NAME", requires = "template", help_heading = "Template")]
    pub(crate) pass_env: Vec<String>,
    /// Interpreter of Python functions.
    ///
    /// The default is the interpreter of a `.venv` or `venv` beside the code or the template, then the `python3.x` of the
    /// function's Runtime, then `python3`.
    #[arg(long, value_name = "PATH", requires = "template", help_heading = "Template")]
    pub(crate) python: Option<PathBuf>,
    /// Interpreter of Node.js functions, version 18 or later [default: node]
    #[arg(long, value_name = "PATH", requires = "template", help_heading = "Template")]
    pub(crate) node: Option<PathBuf>,
    /// Folder with the packages of AWS's runtimes, in `python` and `nodejs/node_modules`; it is searched last.
    #[arg(long, value_name = "DIR", requires = "template", help_heading = "Template")]
    pub(crate) runtime_packages: Option<PathBuf>,
    /// Do not restart processes when the code changes.
    #[arg(long, requires = "template", help_heading = "Template")]
    no_reload: bool,
    /// Debug a function: debugpy (port 5678) or Node's inspector (9229) listens for a debugger; repeatable.
    ///
    /// The function gets one process, which has no timeout and is not suspended between invocations.
    #[arg(
        long,
        value_name = "LOGICAL-ID[=PORT]",
        value_parser = parse_debug,
        requires = "template",
        help_heading = "Template"
    )]
    pub(crate) debug: Vec<(String, Option<u16>)>,
    /// Print what would run and exit; exit code 2 if the template is refused.
    #[arg(long, requires = "template", help_heading = "Template")]
    pub(crate) check: bool,
    /// Idle time after which a function's process ends: seconds, or a number with s, m or h.
    ///
    /// With 0 every invocation is a cold start.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        value_parser = parse_duration,
        requires = "template",
        help_heading = "Template"
    )]
    keep_warm: Duration,
    /// Read the template's queues from another SQS endpoint, such as `LocalStack`.
    ///
    /// The queues are looked up by name as soon as the endpoint answers. Credentials and region come from the environment.
    #[arg(
        long,
        value_name = "URL",
        value_parser = parse_endpoint_url,
        requires = "template",
        help_heading = "Template"
    )]
    pub(crate) source: Option<String>,
    /// Access to the Lambda API.
    ///
    /// `write` requires a loopback address or --require-signature.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT", help_heading = "Behaviour")]
    pub(crate) lambda_api: Clients,
}

/// What clients may do with Lambda's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clients {
    /// Invoke functions; get and list functions and mappings.
    #[default]
    Read,
    /// Also create, update and delete functions and mappings.
    Write,
    /// Disabled.
    Off,
}

fn parse_pair(raw: &str) -> Result<(String, String), &'static str> {
    let pair = raw.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("expected NAME=VALUE")
}

fn parse_debug(raw: &str) -> Result<(String, Option<u16>), &'static str> {
    match raw.split_once('=') {
        None => Ok((raw.to_owned(), None)),
        Some((id, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0).ok_or("expected LOGICAL-ID or LOGICAL-ID=PORT")?;
            Ok((id.to_owned(), Some(port)))
        }
    }
}

impl Functions {
    /// Whether somebody debugs a function.
    pub(crate) fn debugs(&self, function: &StackFunction) -> bool {
        self.debug.iter().any(|(id, _)| *id == function.logical_id)
    }
}

fn parse_endpoint_url(raw: &str) -> Result<String, String> {
    let expected = || format!("expected a URL such as http://localhost:4566, not {raw:?}");
    let url = raw.parse::<http::Uri>().map_err(|_| expected())?;
    let is_one = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty());
    if is_one { Ok(raw.to_owned()) } else { Err(expected()) }
}

/// The functions by their names, whoever has made them, for their numbers.
pub(crate) type Known = Arc<Mutex<BTreeMap<String, Function>>>;

/// Functions that run, until they are shut down.
pub(crate) struct Running {
    lambda: LambdaApi,
    known: Known,
    /// What was unpacked for them.
    made: Vec<TemporaryFolder>,
}

impl Running {
    /// None yet. What functions leave behind from now on is ended with this process.
    pub(crate) fn new(lambda: LambdaApi, known: Known, queues: &LocalQueue) -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            let orphans = local_queue::runtime_api::Orphans::adopt()
                .context("failed to become the parent of processes that functions leave behind")?;
            tokio::spawn(reap(orphans));
        }
        let (measured, mapped) = (Arc::clone(&known), lambda.clone());
        queues.add_metrics(move || {
            let of_function = |function: &Function| function_samples(function.name(), &function.metrics());
            let of_mapping = |it: &MappingMetrics| mapping_samples(&it.queue, &it.function, &it.metrics);
            let functions = lock(&measured).values().flat_map(of_function).collect::<Vec<_>>();
            functions.into_iter().chain(mapped.mapping_metrics().iter().flat_map(of_mapping)).collect()
        });
        Ok(Self { lambda, known, made: Vec::new() })
    }

    /// Starts every function, and the mappings that are enabled.
    pub(crate) async fn start(&mut self, serve: &Serve, prepared: Vec<Prepared<'_>>) -> anyhow::Result<()> {
        let Serve { functions: arguments, announcement, .. } = serve;
        for Prepared { declared, function, made } in prepared {
            self.made.extend(made);
            lock(&self.known).insert(declared.name.clone(), function.clone());
            self.lambda.add_function(configuration(declared), function);
            for mapping in &declared.mappings {
                let at = || {
                    let template = arguments.template.as_deref().unwrap_or(Path::new(""));
                    format!("{}: {}", place(template, declared.file.as_deref(), mapping.line), declared.logical_id)
                };
                self.add(arguments, mapping).await.with_context(at)?;
                if mapping.enabled {
                    let at = arguments.source.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
                    announcement.say(format_args!("  {} works on {}{at}", declared.name, mapping.queue.name()));
                }
            }
        }
        Ok(())
    }

    async fn add(&self, arguments: &Functions, declared: &StackMapping) -> anyhow::Result<()> {
        let StackMapping { queue, mapping, enabled, .. } = declared;
        let new = NewMapping { queue: queue.clone(), mapping: mapping.clone(), enabled: *enabled };
        let added = self.lambda.add_mapping(new).await;
        match (added, &arguments.source) {
            (Ok(_), _) => Ok(()),
            (Err(MappingError::Source(SourceError::QueueDoesNotExist { queue })), Some(endpoint_url)) => {
                bail!("queue {} does not exist at {endpoint_url}; create it there first", queue.name())
            }
            (Err(error), Some(endpoint_url)) => {
                Err(error).with_context(|| format!("queue {} at {endpoint_url}", queue.name()))
            }
            (Err(error), None) => Err(error).with_context(|| format!("queue {}", queue.name())),
        }
    }

    /// Lets running invocations end, and ends the processes. What still runs shortly before `within` is over is killed, and
    /// its messages are given back.
    pub(crate) async fn shut_down(self, within: Duration) {
        self.lambda.stop();
        if let Some(what) = self.what_runs() {
            let seconds = within.as_secs();
            last_line(format!("stopping: waiting up to {seconds} s for {what}; a second signal exits immediately"));
        }
        let gently = within.saturating_sub(GIVE_BACK_TIME.min(within / 2));
        if tokio::time::timeout(gently, self.lambda.stopped(true)).await.is_err() {
            if let Some(what) = self.what_runs() {
                last_line(format!("stopping: killed {what}; the messages are released"));
            }
            self.lambda.stop_at_once();
            self.lambda.stopped(false).await;
        }
        self.lambda.shut_down().await;
        // Also what functions have left behind.
        #[cfg(unix)]
        local_queue::runtime_api::kill_all_functions();
    }

    /// The invocations that run, such as `2 invocations of resize (12 s)`; nothing if there is none.
    fn what_runs(&self) -> Option<String> {
        let of = |function: &Function| {
            let seconds = function.longest_running()?.as_secs();
            let (count, name) = (function.metrics().concurrent_executions, function.name());
            Some(format!("{count} invocation{} of {name} ({seconds} s)", if count == 1 { "" } else { "s" }))
        };
        let all = lock(&self.known).values().filter_map(of).collect::<Vec<_>>();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

pub(crate) fn lock(known: &Known) -> MutexGuard<'_, BTreeMap<String, Function>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What Lambda's API says of a function of the template: of its variables those that the template declares.
fn configuration(declared: &StackFunction) -> FunctionConfiguration {
    let mut configuration = FunctionConfiguration::new(declared.name.clone());
    configuration.logical_id = Some(declared.logical_id.clone());
    configuration.runtime.clone_from(&declared.runtime);
    configuration.handler.clone_from(&declared.handler);
    configuration.timeout = declared.timeout;
    configuration.memory_mib = declared.memory_megabytes;
    configuration.reserved_concurrency = declared.reserved_concurrency;
    configuration.environment.clone_from(&declared.environment);
    configuration.architecture.clone_from(&declared.architecture);
    let aliases = declared.mappings.iter().filter_map(|it| it.mapping.function_name.split_once(':'));
    configuration.aliases = aliases.map(|(_, alias)| alias.to_owned()).collect();
    configuration
}

/// Where the mappings find their queues.
pub(crate) async fn sources(arguments: &Functions, queues: &LocalQueue) -> Sources {
    match &arguments.source {
        None => Sources::Here(queues.clone()),
        Some(endpoint_url) => {
            let client = client(endpoint_url, &queues.scope().region).await;
            Sources::There { client, endpoint_url: endpoint_url.clone() }
        }
    }
}

/// How much of the time to stop is for giving messages back and the ends of processes.
const GIVE_BACK_TIME: Duration = Duration::from_secs(2);

/// Takes note of the ends of processes that functions have left behind.
#[cfg(unix)]
async fn reap(mut orphans: local_queue::runtime_api::Orphans) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut ends) = signal(SignalKind::child()) else { return };
    while ends.recv().await.is_some() {
        while orphans.reap() {
            // Time for those who wait for their own children.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A function that can be started, with mappings that nothing refuses.
pub(crate) struct Prepared<'a> {
    declared: &'a StackFunction,
    function: Function,
    /// What was unpacked for it.
    made: Vec<TemporaryFolder>,
}

/// Asks all that could refuse a function or a mapping, whether they are to be started or only looked at; everything that is
/// wrong at once. Only what is elsewhere is not asked before somebody answers there.
pub(crate) async fn prepare<'a>(
    arguments: &Functions,
    plan: Plan<'a>,
    queues: &LocalQueue,
    endpoint_url: &str,
) -> anyhow::Result<Vec<Prepared<'a>>> {
    let Some(template) = arguments.template.as_deref() else { return Ok(Vec::new()) };
    let (mut prepared, mut problems) = (Vec::new(), Vec::new());
    for planned in plan.functions {
        let declared = planned.declared;
        let at = |line| format!("{}: {}", place(template, declared.file.as_deref(), line), declared.logical_id);
        let function = match build(arguments, &planned, &queues.scope().region, endpoint_url, &plan.variables) {
            Ok(function) => function,
            // It is here only for those who might invoke it.
            Err(error) if declared.mappings.is_empty() => {
                note(format_args!("local-queue: warning: {} does not run: {error:#}", at(declared.line)));
                continue;
            }
            Err(error) => {
                problems.push(format!("{}: {error:#}", at(declared.line)));
                continue;
            }
        };
        if arguments.source.is_none() {
            for StackMapping { queue, mapping, line, .. } in &declared.mappings {
                let source = QueueSource::new(queues.clone(), queue.clone());
                if let Err(error) = mapping.check(&source).await {
                    problems.push(format!("{}: queue {}: {error}", at(*line), queue.name()));
                }
            }
        }
        prepared.push(Prepared { declared, function, made: planned.found.made });
    }
    ensure!(problems.is_empty(), problems.join("\n"));
    Ok(prepared)
}

pub(crate) fn build(
    arguments: &Functions,
    planned: &Planned<'_>,
    region: &str,
    endpoint_url: &str,
    variables: &Variables,
) -> anyhow::Result<Function> {
    let declared = planned.declared;
    // What the template says goes before what this server is, and the command line before both.
    let queues_url = arguments.source.as_deref().unwrap_or(endpoint_url);
    let own = [("AWS_ENDPOINT_URL", endpoint_url), ("AWS_ENDPOINT_URL_SQS", queues_url)];
    let mut environment = BTreeMap::from(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    environment.extend(declared.environment.clone());
    environment.extend(variables.for_function(declared));
    let log_format = match declared.logging.format.as_deref() {
        Some("JSON") => LogFormat::Json { level: declared.logging.application_level.clone() },
        _ => LogFormat::Text,
    };
    let builder = match &planned.found.program {
        Program::Bootstrap(path) => Function::builder(declared.name.clone(), path),
        Program::Interpreted(function) => Function::interpreted(declared.name.clone(), function.clone()),
    };
    let builder = builder
        .region(region)
        .handler(declared.handler.clone())
        .memory_mib(declared.memory_megabytes)
        .timeout(declared.timeout)
        .environment(environment)
        .log_format(log_format)
        .keep_warm(arguments.keep_warm)
        .reload(!arguments.no_reload);
    let builder = match variables.credentials() {
        Some(credentials) => builder.credentials(credentials),
        None => builder,
    };
    if arguments.debugs(declared) {
        return Ok(builder.debug().build()?);
    }
    // Without a limit of its own a function runs as often as its mappings want; of pollers that is as many as are always
    // there, or a backlog would start thousands of processes.
    let wanted = |mapping: &StackMapping| {
        let pollers = mapping.mapping.provisioned_pollers.map(ProvisionedPollers::invocations_min);
        mapping.mapping.maximum_concurrency.or(pollers)
    };
    let wanted = declared.mappings.iter().filter_map(wanted).max();
    Ok(match declared.reserved_concurrency.or(wanted) {
        Some(concurrency) => builder.concurrency_max(concurrency).build()?,
        None => builder.build()?,
    })
}

/// A client for another endpoint: credentials and region come from the environment, or else the region from here, since
/// emulators do not care.
async fn client(endpoint_url: &str, region: &str) -> Client {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let http_client = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client);
    let config = config.endpoint_url(endpoint_url).load().await;
    let region = config.region().cloned().unwrap_or_else(|| Region::new(region.to_owned()));
    Client::from_conf(aws_sdk_sqs::config::Builder::from(&config).region(region).build())
}
