//! The functions of a template: each one's program as a process, and a mapping for each queue it works on.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use aws_config::BehaviorVersion;
use aws_sdk_sqs::{Client, config::Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use local_queue::{
    LocalQueue,
    event_source_mapping::{
        EventSourceMapping, Handle, ProvisionedPollers, QueueSource, SdkSource, Source, SourceError,
    },
    runtime_api::{Function, LogFormat},
    template::{StackFunction, StackMapping},
};
use local_queue_terminal::print;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{
    code::Program,
    plan::{Plan, Planned},
    samples::{function_samples, mapping_samples},
    stop::{last_line, parse_duration},
    variables::Variables,
};

/// What is said on the command line about functions.
#[derive(Debug, clap::Args)]
pub(crate) struct Functions {
    /// Create the queues of a SAM or CloudFormation template, and run its functions on them.
    #[arg(long, value_name = "FILE", help_heading = "Template")]
    pub(crate) template: Option<PathBuf>,
    /// A parameter of the template; can be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) parameter: Vec<(String, String)>,
    /// The value of a parameter of Systems Manager or of a secret that the template reads; can be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) ssm: Vec<(String, String)>,
    /// A value that another stack exports, for `Fn::ImportValue`; can be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) import: Vec<(String, String)>,
    /// The stack's name, with which the names of queues and functions begin.
    #[arg(long, value_name = "NAME", default_value = "local", help_heading = "Template")]
    pub(crate) stack_name: String,
    /// The program of a function: its bootstrap, or the folder that has it; can be given more than once.
    ///
    /// Otherwise code is looked for where `sam build` leaves it, where the template says, where `cargo lambda build` leaves it
    /// and where `cdk synth` does. For Python and Node.js, PATH is the folder with the code.
    #[arg(long, value_name = "LOGICAL-ID=PATH", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) function: Vec<(String, String)>,
    /// A variable for every function, such as `AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000`; can be given more than once.
    ///
    /// Functions see nothing of this process's own environment.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    pub(crate) env: Vec<(String, String)>,
    /// Variables by function, in the JSON form of `sam local`: `{"Parameters": {...}, "LOGICAL-ID": {"NAME": "value"}}`.
    #[arg(long, value_name = "FILE", requires = "template", help_heading = "Template")]
    pub(crate) env_file: Option<PathBuf>,
    /// Let functions see this variable of this process's environment; can be given more than once.
    #[arg(long, value_name = "NAME", requires = "template", help_heading = "Template")]
    pub(crate) pass_env: Vec<String>,
    /// The interpreter of Python functions.
    ///
    /// Otherwise it is that of a `.venv` or `venv` beside the code or the template, else `python3.x` as the function's
    /// Runtime names it, else `python3`.
    #[arg(long, value_name = "PATH", requires = "template", help_heading = "Template")]
    pub(crate) python: Option<PathBuf>,
    /// The interpreter of Node.js functions, 18 or later; otherwise `node`.
    #[arg(long, value_name = "PATH", requires = "template", help_heading = "Template")]
    pub(crate) node: Option<PathBuf>,
    /// A folder with packages that AWS's runtimes bring, in `python` and `nodejs/node_modules`; they are looked for last.
    #[arg(long, value_name = "DIR", requires = "template", help_heading = "Template")]
    pub(crate) runtime_packages: Option<PathBuf>,
    /// Keep processes when the code changes; otherwise each is replaced after its invocation.
    #[arg(long, requires = "template", help_heading = "Template")]
    no_reload: bool,
    /// Debug a function: debugpy (port 5678) or Node's inspector (9229) listens for a debugger; can be given more than once.
    ///
    /// The function has one process, which is not stopped between invocations and has no timeout.
    #[arg(
        long,
        value_name = "LOGICAL-ID[=PORT]",
        value_parser = parse_debug,
        requires = "template",
        help_heading = "Template"
    )]
    pub(crate) debug: Vec<(String, Option<u16>)>,
    /// Say what would run and what would not, and end: with exit code 2 if the template is refused.
    #[arg(long, requires = "template", help_heading = "Template")]
    pub(crate) check: bool,
    /// How long a function's process waits for its next invocation before it ends: seconds, or a number with s, m or h.
    ///
    /// With 0 each invocation starts a process of its own, as it does in Lambda after a pause.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        value_parser = parse_duration,
        requires = "template",
        help_heading = "Template"
    )]
    keep_warm: Duration,
    /// Take messages from the template's queues at another SQS endpoint, such as `LocalStack`, instead of from here.
    ///
    /// The queues are looked up there by name, as soon as somebody answers; credentials and region come from the
    /// environment.
    #[arg(
        long,
        value_name = "URL",
        value_parser = parse_endpoint_url,
        requires = "template",
        help_heading = "Template"
    )]
    pub(crate) source: Option<String>,
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

/// Functions that run, until they are shut down.
pub(crate) struct Running {
    mappings: JoinSet<()>,
    stops: Vec<Stops>,
    functions: Vec<Function>,
    /// What was unpacked for them.
    made: Vec<TempDir>,
}

/// What stops a mapping: after its running invocations, and at once.
struct Stops {
    gently: Box<dyn Fn() + Send + Sync>,
    at_once: Box<dyn Fn() + Send + Sync>,
}

impl Running {
    /// None yet. What functions leave behind from now on is ended with this process.
    pub(crate) fn new() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            let orphans =
                local_queue::runtime_api::Orphans::adopt().context("failed to adopt what functions leave behind")?;
            tokio::spawn(reap(orphans));
        }
        Ok(Self { mappings: JoinSet::new(), stops: Vec::new(), functions: Vec::new(), made: Vec::new() })
    }

    /// Starts every function of a plan. `endpoint_url` is this server's.
    pub(crate) async fn start(
        &mut self,
        arguments: &Functions,
        plan: Plan<'_>,
        queues: &LocalQueue,
        endpoint_url: &str,
    ) -> anyhow::Result<()> {
        let template = arguments.template.as_deref().context("there is no template")?;
        let elsewhere = match &arguments.source {
            Some(endpoint_url) => Some((endpoint_url.as_str(), client(endpoint_url, &queues.scope().region).await)),
            None => None,
        };
        for planned in plan.functions {
            let declared = planned.declared;
            let place = || format!("{}:{}: {}", template.display(), declared.line, declared.logical_id);
            let function = build(arguments, &planned, &queues.scope().region, endpoint_url, &plan.variables);
            let function = function.with_context(place)?;
            self.made.extend(planned.found.made);
            let measured = function.clone();
            queues.add_metrics(move || function_samples(measured.name(), &measured.metrics()));
            self.functions.push(function.clone());
            for mapping in declared.mappings.iter().filter(|mapping| mapping.enabled) {
                let place = || format!("{}:{}: {}", template.display(), mapping.line, declared.logical_id);
                connect(self, elsewhere.as_ref(), mapping, &function, queues).await.with_context(place)?;
                let at = elsewhere.as_ref().map(|(endpoint_url, _)| format!(" at {endpoint_url}")).unwrap_or_default();
                print(format_args!("  {} works on {}{at}", function.name(), mapping.queue.name()));
            }
        }
        Ok(())
    }

    /// Lets running invocations end, and ends the processes. What still runs shortly before `within` is over is killed, and
    /// its messages are given back.
    pub(crate) async fn shut_down(mut self, within: Duration) {
        for stop in &self.stops {
            (stop.gently)();
        }
        if let Some(what) = self.what_runs() {
            let seconds = within.as_secs();
            last_line(format!("stopping: waiting up to {seconds} s for {what}; a second signal stops at once"));
        }
        let gently = within.saturating_sub(GIVE_BACK_TIME.min(within / 2));
        if tokio::time::timeout(gently, all_ended(&mut self.mappings)).await.is_err() {
            if let Some(what) = self.what_runs() {
                last_line(format!("stopping: killed {what}; the messages are given back"));
            }
            for stop in &self.stops {
                (stop.at_once)();
            }
            all_ended(&mut self.mappings).await;
        }
        let ending: JoinSet<()> =
            self.functions.into_iter().map(|function| async move { function.shut_down().await }).collect();
        ending.join_all().await;
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
        let all = self.functions.iter().filter_map(of).collect::<Vec<_>>();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

async fn all_ended(mappings: &mut JoinSet<()>) {
    while let Some(ended) = mappings.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a mapping ended early; its messages come back at the end of their visibility timeout");
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

fn build(
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

async fn connect(
    running: &mut Running,
    elsewhere: Option<&(&str, Client)>,
    declared: &StackMapping,
    function: &Function,
    queues: &LocalQueue,
) -> anyhow::Result<()> {
    let clock = queues.clock().clone();
    let mapping = EventSourceMapping { function_timeout: function.timeout(), ..declared.mapping.clone() };
    match elsewhere {
        None => {
            let source = QueueSource::new(queues.clone(), declared.queue.clone());
            let connected = mapping.connect(source, function.clone(), clock).await;
            let (driver, handle) = connected.with_context(|| format!("queue {}", declared.queue.name()))?;
            running.mappings.spawn(driver.run());
            watch(running, queues, declared, function, handle);
        }
        Some((endpoint_url, client)) => {
            let source = match SdkSource::find(client.clone(), endpoint_url, &declared.queue, clock.clone()).await {
                Err(SourceError::QueueDoesNotExist { queue }) => {
                    bail!("queue {} does not exist at {endpoint_url}; create it there first", queue.name());
                }
                found => found.with_context(|| format!("queue {} at {endpoint_url}", declared.queue.name()))?,
            };
            let (driver, handle) = mapping.connect(source, function.clone(), clock).await?;
            running.mappings.spawn(driver.run());
            watch(running, queues, declared, function, handle);
        }
    }
    Ok(())
}

/// Shows the mapping's numbers, and keeps what stops it.
fn watch<S: Source>(
    running: &mut Running,
    queues: &LocalQueue,
    declared: &StackMapping,
    function: &Function,
    handle: Handle<S>,
) {
    let (queue, function) = (declared.queue.name().to_owned(), function.name().to_owned());
    let (gently, at_once) = (handle.clone(), handle.clone());
    running
        .stops
        .push(Stops { gently: Box::new(move || gently.stop()), at_once: Box::new(move || at_once.stop_at_once()) });
    queues.add_metrics(move || mapping_samples(&queue, &function, &handle.metrics()));
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
