//! The functions of a template: each one's program as a process, and a mapping for each queue it works on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use aws_config::BehaviorVersion;
use aws_sdk_sqs::{Client, config::Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use local_queue::{
    LocalQueue,
    developer::Sample,
    event_source_mapping::{
        EventSourceMapping, Handle, Metrics, ProvisionedPollers, QueueSource, SdkSource, Source, SourceError,
    },
    runtime_api::{Function, FunctionMetrics, LogFormat},
    template::{Stack, StackFunction, StackMapping},
};
use local_queue_terminal::print;
use tokio::task::JoinSet;

use super::stop::{last_line, parse_duration};

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
    /// Without it the places are tried where `cargo lambda build` and `sam build` leave it.
    #[arg(long, value_name = "LOGICAL-ID=PATH", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    function: Vec<(String, String)>,
    /// A variable for every function, such as `AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000`; can be given more than once.
    ///
    /// Functions see nothing of this process's own environment.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "template", help_heading = "Template")]
    env: Vec<(String, String)>,
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
        Ok(Self { mappings: JoinSet::new(), stops: Vec::new(), functions: Vec::new() })
    }

    /// Starts every function of a stack that works on a queue. `endpoint_url` is this server's.
    pub(crate) async fn start(
        &mut self,
        arguments: &Functions,
        stack: &Stack,
        queues: &LocalQueue,
        endpoint_url: &str,
    ) -> anyhow::Result<()> {
        let template = arguments.template.as_deref().context("there is no template")?;
        for (id, _) in &arguments.function {
            if !stack.functions.iter().any(|function| function.logical_id == *id) {
                let known: Vec<_> = stack.functions.iter().map(|function| function.logical_id.as_str()).collect();
                bail!("--function {id}: {} has no such function; it has {}", template.display(), known.join(", "));
            }
        }
        let elsewhere = match &arguments.source {
            Some(endpoint_url) => Some((endpoint_url.as_str(), client(endpoint_url, &queues.scope().region).await)),
            None => None,
        };
        for declared in stack.functions.iter().filter(|function| !function.mappings.is_empty()) {
            let place = || format!("{}:{}: {}", template.display(), declared.line, declared.logical_id);
            let program = program(arguments, declared, template).with_context(place)?;
            let function = build(arguments, declared, program, &queues.scope().region, endpoint_url);
            let function = function.with_context(place)?;
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

/// Where the function's program is.
fn program(arguments: &Functions, function: &StackFunction, template: &Path) -> anyhow::Result<PathBuf> {
    let id = &function.logical_id;
    if let Some((_, path)) = arguments.function.iter().find(|(given, _)| given == id) {
        return Ok(path.into());
    }
    let folder = template.parent().unwrap_or(Path::new("."));
    let code = folder.join(function.code_uri.as_deref().unwrap_or("."));
    let binary = function.binary.as_deref().unwrap_or(id);
    let built = std::path::absolute(&code)?;
    let mut places = vec![folder.join(".aws-sam/build").join(id)];
    places.extend(built.ancestors().take(3).map(|folder| folder.join("target/lambda").join(binary)));
    match places.iter().find(|place| place.join("bootstrap").is_file()) {
        Some(place) => Ok(place.clone()),
        None => bail!(
            "no program; name it with --function {id}=PATH, or build it with cargo lambda to {}",
            places[1].join("bootstrap").display()
        ),
    }
}

fn build(
    arguments: &Functions,
    declared: &StackFunction,
    program: PathBuf,
    region: &str,
    endpoint_url: &str,
) -> anyhow::Result<Function> {
    // What the template says goes before what this server is, and the command line before both.
    let endpoint_url = arguments.source.as_deref().unwrap_or(endpoint_url);
    let mut environment = BTreeMap::from([("AWS_ENDPOINT_URL_SQS".to_owned(), endpoint_url.to_owned())]);
    environment.extend(declared.environment.clone());
    environment.extend(arguments.env.iter().cloned());
    let log_format = match declared.logging.format.as_deref() {
        Some("JSON") => LogFormat::Json { level: declared.logging.application_level.clone() },
        _ => LogFormat::Text,
    };
    let builder = Function::builder(declared.name.clone(), program)
        .region(region)
        .handler(declared.handler.clone())
        .memory_mib(declared.memory_megabytes)
        .timeout(declared.timeout)
        .environment(environment)
        .log_format(log_format)
        .keep_warm(arguments.keep_warm);
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

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
fn mapping_samples(queue: &str, function: &str, metrics: &Metrics) -> Vec<Sample> {
    let labels = vec![("function", function.to_owned()), ("queue", queue.to_owned())];
    let sample =
        |name, help, value: u64| Sample { name, kind: "counter", help, labels: labels.clone(), value: value as f64 };
    let mut samples = vec![
        sample("local_queue_mapping_polled_total", "PolledEventCount: messages received.", metrics.polled),
        sample(
            "local_queue_mapping_filtered_out_total",
            "FilteredOutEventCount: messages deleted by the filter.",
            metrics.filtered_out,
        ),
        sample(
            "local_queue_mapping_invoked_total",
            "InvokedEventCount: messages given to the function.",
            metrics.invoked,
        ),
        sample(
            "local_queue_mapping_failed_invoke_total",
            "FailedInvokeEventCount: messages that came back.",
            metrics.failed_invoke,
        ),
        sample(
            "local_queue_mapping_dropped_total",
            "DroppedEventCount: messages let go without a run.",
            metrics.dropped,
        ),
        sample("local_queue_mapping_deleted_total", "DeletedEventCount: messages deleted as done.", metrics.deleted),
    ];
    let failed = &metrics.failed_batches;
    let reasons = [
        ("function_error", failed.function_error),
        ("crash", failed.crash),
        ("timeout", failed.timeout),
        ("response_too_large", failed.response_too_large),
        ("invalid_response", failed.invalid_response),
    ];
    samples.extend(reasons.map(|(reason, value)| {
        let mut sample = sample(
            "local_queue_mapping_failed_batches_total",
            "Batches that failed as a whole, by the reason; the log has a line for each.",
            value,
        );
        sample.labels.push(("reason", reason.to_owned()));
        sample
    }));
    samples
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
fn function_samples(function: &str, metrics: &FunctionMetrics) -> Vec<Sample> {
    let labels = vec![("function", function.to_owned())];
    let sample = |name, kind, help, value: f64| Sample { name, kind, help, labels: labels.clone(), value };
    let count = |name, help, value: u64| sample(name, "counter", help, value as f64);
    vec![
        count("local_queue_function_invocations_total", "Invocations that ran.", metrics.invocations),
        count("local_queue_function_errors_total", "Invocations without a reply.", metrics.errors),
        count("local_queue_function_timeouts_total", "Invocations that took too long.", metrics.timeouts),
        count("local_queue_function_throttles_total", "Invocations for which no process was left.", metrics.throttles),
        count("local_queue_function_cold_starts_total", "Processes started.", metrics.cold_starts),
        count(
            "local_queue_function_log_lines_dropped_total",
            "Lines of the log that came faster than they were taken.",
            metrics.log_lines_dropped,
        ),
        sample(
            "local_queue_function_duration_seconds_total",
            "counter",
            "Time in invocations.",
            metrics.duration.as_secs_f64(),
        ),
        sample(
            "local_queue_function_memory_peak_bytes",
            "gauge",
            "The most memory a process had.",
            metrics.memory_peak_bytes as f64,
        ),
        sample(
            "local_queue_function_concurrent_executions",
            "gauge",
            "Invocations that run now.",
            metrics.concurrent_executions as f64,
        ),
    ]
}
