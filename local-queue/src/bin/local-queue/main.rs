//! The emulator on the command line: `local-queue serve`.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod apis;
mod buckets;
mod changes;
mod code;
mod data;
mod free_memory;
mod functions;
mod health;
#[cfg(test)]
mod help;
mod interpreters;
mod limits;
mod listening;
mod log;
mod manual;
mod packages;
mod plan;
mod queues;
mod reach;
mod ready;
mod samconfig;
mod samples;
mod stop;
mod tls;
mod unpack;
mod variables;
mod workshop;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use local_queue::{
    LocalQueue,
    buckets::Buckets,
    clock::{Clock, ManualClock},
    engine::{Limits, QueueArn, Scope},
    lambda_api::LambdaApi,
    server::Server,
    template::{self, Stack},
};
use local_queue_terminal::{exit_code, note};
use tokio::{sync::watch::Receiver, task::JoinHandle};

use self::{
    apis::Urls,
    changes::Watched,
    functions::{Clients, Known},
    listening::Listening,
    log::Log,
    plan::Plan,
    ready::{Announcement, Started},
    samconfig::SamConfig,
    stop::Stop,
    variables::Variables,
    workshop::Packages,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An Amazon SQS emulator.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the SQS, S3 and Lambda APIs over HTTP until Ctrl-C. Queues and objects are kept in memory; --data and --buckets keep
    /// them on disk.
    ///
    /// On Ctrl-C or SIGTERM running functions may finish within --stop-within; a second signal exits immediately. Functions that
    /// do not finish are killed with all their child processes, and their messages are released.
    ///
    /// Point any AWS SDK at it with `AWS_ENDPOINT_URL=http://localhost:9324` and any credentials. Endpoints that AWS lacks -
    /// metrics, looking at messages, the clock, faults - are under /_local-queue/ on the same port.
    Serve(Box<Serve>),
    /// Check whether a running server is healthy. Exit code: 0 if it is, 1 if it is not or does not answer.
    Health(health::Health),
    /// Inspect and repair the files of `serve --data`.
    #[command(subcommand)]
    Journal(data::Journal),
    /// Export and import the state of all queues.
    #[command(subcommand)]
    Snapshot(data::Snapshot),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages to a folder, for packages.
    #[command(hide = true)]
    Man {
        /// Folder, created if necessary.
        dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    reach: reach::Reach,
    #[command(flatten)]
    tls: tls::Https,
    #[command(flatten)]
    queues: queues::Queues,
    #[command(flatten)]
    data: data::Keeping,
    #[command(flatten)]
    buckets: buckets::Options,
    #[command(flatten)]
    functions: functions::Functions,
    #[command(flatten)]
    bounds: limits::Limits,
    #[command(flatten)]
    announcement: Announcement,
    /// Region of queues created at start and of unsigned requests.
    #[arg(long, default_value = "us-east-1", value_parser = parse_region, help_heading = "Queues")]
    region: String,
    /// Account id (12 digits) of queues created at start and of requests whose access key id is not an account id.
    #[arg(long, default_value = "000000000000", value_parser = parse_account, help_heading = "Queues")]
    account: String,
    /// Lift AWS's 60-second waits before a queue can be purged again or a deleted name reused.
    #[arg(long, help_heading = "Behaviour")]
    relaxed: bool,
    /// Throttle FIFO queues without high throughput to CALLS per second and action; without a number 300, as in AWS.
    #[arg(
        long,
        value_name = "CALLS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "300",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Behaviour"
    )]
    fifo_quota: Option<u32>,
    /// Clock of the emulator.
    #[arg(long, value_enum, default_value_t, help_heading = "Behaviour")]
    clock: ClockKind,
    #[command(flatten)]
    ending: stop::Ending,
    /// Seed of identifiers and of faults with a probability, for identical runs. Receipt handles of earlier runs become valid.
    #[arg(long, value_name = "NUMBER", help_heading = "Behaviour")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ClockKind {
    /// The system clock.
    #[default]
    System,
    /// A clock that stands still until /_local-queue/clock/advance moves it.
    Manual,
}

fn parse_region(raw: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=32).contains(&raw.len()) && raw.bytes().all(allowed);
    if fits { Ok(raw.to_owned()) } else { Err("a region has lower-case letters, digits and hyphens") }
}

fn parse_account(raw: &str) -> Result<String, &'static str> {
    let fits = raw.len() == 12 && raw.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(raw.to_owned()) } else { Err("an account has 12 digits") }
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    if let Command::Health(health) = &command {
        return health.run();
    }
    let log = match Log::start() {
        Ok(log) => log,
        Err(error) => {
            note(format_args!("local-queue: {error:#}"));
            return exit_code(2);
        }
    };
    let ran = match &command {
        Command::Serve(arguments) => run(arguments),
        Command::Health(_) => Ok(()),
        Command::Completions { shell } => manual::print_completions(*shell),
        Command::Man { dir } => manual::write_pages(dir),
        Command::Journal(journal) => journal.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
    };
    let code = match ran {
        Ok(()) => 0,
        Err(error) => {
            note(format_args!("local-queue: {error:#}"));
            2
        }
    };
    stop::give_way();
    ready::withdraw();
    if !log.flush() {
        // Standard error takes nothing, and would hold up its own last flush.
        std::process::exit(if code == 0 { 1 } else { i32::from(code) });
    }
    exit_code(code)
}

fn run(arguments: &Serve) -> anyhow::Result<()> {
    // Requests are answered on threads of their own. Beside functions nothing here takes long.
    let mut runtime = if runs_functions(arguments) {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = runtime.enable_all().build().context("failed to start the runtime")?;
    let result =
        if arguments.functions.check { runtime.block_on(check(arguments)) } else { runtime.block_on(serve(arguments)) };
    // What is left are calls that nothing can end, such as a look-up of a name that nobody answers.
    runtime.shutdown_background();
    // Such a call may still have a function.
    local_queue::runtime_api::remove_temporary_folders();
    result
}

/// Whether functions can run: those of a template, or those that clients send.
fn runs_functions(arguments: &Serve) -> bool {
    arguments.functions.template.is_some() || arguments.functions.lambda_api == Clients::Write
}

/// Lambda's API of this server, without functions yet, and those that it will have.
async fn lambda_api(arguments: &Serve, queues: &LocalQueue, endpoint_url: &str) -> anyhow::Result<(LambdaApi, Known)> {
    let (functions, known) = (&arguments.functions, Known::default());
    let workshop = Packages {
        arguments: functions.clone(),
        variables: Variables::read(functions)?,
        region: arguments.region.clone(),
        endpoint_url: endpoint_url.to_owned(),
        known: Arc::clone(&known),
    };
    let sources = functions::sources(functions, queues).await;
    Ok((LambdaApi::builder(queues.clone()).sources(sources).workshop(workshop).build(), known))
}

/// Says what would run, without listening.
async fn check(arguments: &Serve) -> anyhow::Result<()> {
    let endpoint = template::Options::default().queue_url_base;
    let urls = Urls { endpoint: endpoint.clone(), of_functions: endpoint, ..Urls::default() };
    let (queues, created) = start(arguments)?;
    let variables = Variables::read(&arguments.functions)?;
    let (stack, _) = read_template(arguments, &urls, &created, &variables)?;
    if arguments.functions.source.is_none() {
        queues.declare(&stack.queues)?;
        let buckets = Buckets::new(&queues);
        buckets::Functions::reached(&stack, &buckets);
        buckets::declare(&buckets, &stack, arguments)?;
    }
    let plan = Plan::make(&arguments.functions, &stack, &urls, &queue_urls(arguments, &urls.endpoint), variables)?;
    print_plan(&plan, &stack, arguments);
    functions::prepare(&arguments.functions, plan, &queues, &urls.of_functions).await?;
    Ok(())
}

/// What stands before the names of queues in their URLs.
fn queue_urls(arguments: &Serve, endpoint_url: &str) -> String {
    let base = arguments.functions.source.as_deref().unwrap_or(endpoint_url);
    format!("{}/{}", base.trim_end_matches('/'), arguments.account)
}

async fn serve(arguments: &Serve) -> anyhow::Result<()> {
    let stop = Stop::listen(&arguments.ending)?;
    let (queues, created) = start(arguments)?;
    let served = answer(arguments, &stop, &queues, &created).await;
    data::close(&queues, served)
}

/// Ends when the program is asked to stop, or when the disk takes nothing any more.
async fn is_over(stop: &Stop, queues: &LocalQueue) {
    tokio::select! {
        () = stop.requested() => {}
        () = queues.failed() => {}
    }
}

/// Answers requests until that is over.
async fn answer(arguments: &Serve, stop: &Stop, queues: &LocalQueue, created: &[QueueArn]) -> anyhow::Result<()> {
    let is_over = || is_over(stop, queues);
    arguments.announcement.prepare()?;
    let buckets = arguments.buckets.make(queues)?;
    let Listening { server, addresses, endpoint_urls, fronts, urls, tls } = Listening::begin(arguments, queues).await?;
    let server = server.buckets(buckets.clone());
    let variables = Variables::read(&arguments.functions)?;
    let (stack, samconfig) = read_template(arguments, &urls, created, &variables)?;
    let reached = buckets::Functions::reached(&stack, &buckets);
    if arguments.functions.source.is_none() {
        arguments.data.declare(queues, &stack.queues)?;
        buckets::declare(&buckets, &stack, arguments)?;
    }
    let apis = apis::make(&stack, queues, &reached, arguments);
    let fronts = apis::alone(fronts, &apis)?;
    let server = server.apis(apis);
    let queue_urls = queue_urls(arguments, &urls.endpoint);
    let plan = Plan::make(&arguments.functions, &stack, &urls, &queue_urls, variables.clone())?;
    print_start(arguments, &endpoint_urls, (queues, created), &arguments.reach.password(&server));
    let authority = tls.as_ref().map(|tls| tls.announce(&arguments.announcement, &urls.endpoint)).transpose()?;
    print_plan(&plan, &stack, arguments);
    let token = arguments.reach.token(&server);
    let ready = started(arguments, (&addresses, authority.as_deref()), token.as_deref(), created, (&stack, &urls));
    let template = arguments.functions.template.as_ref();
    let watched = template.map(|template| Watched::new(template, stack.clone(), samconfig.path));
    let prepared = functions::prepare(&arguments.functions, plan, queues, &urls.of_functions).await?;
    let (lambda, known) = tokio::select! {
        made = lambda_api(arguments, queues, &urls.of_functions) => made?,
        () = is_over() => return Ok(()),
    };
    reached.run(&lambda);
    let server = match arguments.functions.lambda_api {
        Clients::Off => server.functions(lambda.clone()),
        clients => server.lambda_api(lambda.clone(), clients == Clients::Write),
    };
    if !runs_functions(arguments) {
        arguments.announcement.publish(&ready)?;
        server.run(is_over()).await;
        return Ok(());
    }
    let mut running = functions::Running::new(lambda, known, queues)?;
    // Requests are answered until the functions have ended, which may send some; and also while functions wait for a queue
    // that is elsewhere.
    let (functions_ended, ended) = tokio::sync::watch::channel(());
    let answering =
        fronts.into_iter().chain([server]).map(|server| answer_until(server, ended.clone())).collect::<Vec<_>>();
    let started = tokio::select! {
        started = running.start(arguments, prepared) => started.and_then(|()| arguments.announcement.publish(&ready)),
        () = is_over() => Ok(()),
    };
    if started.is_ok() {
        let read = || read_template(arguments, &urls, created, &variables);
        let read = || read().map(|(stack, _)| stack).map_err(|error| format!("{error:#}"));
        match watched {
            Some(watched) => tokio::select! {
                () = is_over() => {}
                never = watched.tell(read) => match never {},
            },
            None => is_over().await,
        }
    }
    running.shut_down(arguments.ending.stop_within).await;
    drop(functions_ended);
    for answering in answering {
        answering.await?;
    }
    started
}

/// Runs a server until `ended` is closed.
fn answer_until(server: Server, mut ended: Receiver<()>) -> JoinHandle<()> {
    tokio::spawn(server.run(async move { drop(ended.changed().await) }))
}

fn print_start(
    arguments: &Serve,
    endpoint_urls: &[String],
    (queues, created): (&LocalQueue, &[QueueArn]),
    password: &str,
) {
    let (said, first) = (&arguments.announcement, &endpoint_urls[0]);
    said.say(format_args!("local-queue listens on {} ({})", endpoint_urls.join(" and "), arguments.data.describe()));
    for queue in created {
        said.say(format_args!("  {first}/{}/{}", queue.account(), queue.name()));
    }
    if let Some(patterns) = queues::auto_create_patterns(queues) {
        said.say(format_args!("  auto-create: queues that requests name: {patterns}"));
    }
    said.say(format_args!("  console: {first}/_local-queue/{password}"));
}

/// What scripts are told of the server. The queues of the template are elsewhere if the mappings take messages there.
fn started<'a>(
    arguments: &'a Serve,
    (addresses, certificate_authority): (&'a [SocketAddr], Option<&'a Path>),
    token: Option<&'a str>,
    created: &'a [QueueArn],
    (stack, urls): (&'a Stack, &Urls),
) -> Started<'a> {
    let declared = stack.queues.iter().filter(|_| arguments.functions.source.is_none());
    let declared = declared.map(|queue| queue.name.as_str());
    Started {
        addresses,
        certificate_authority,
        region: &arguments.region,
        account: &arguments.account,
        token,
        queues: created.iter().map(QueueArn::name).chain(declared).collect(),
        apis: stack.apis.iter().map(|api| (api.logical_id.as_str(), apis::url(api, urls))).collect(),
    }
}

/// The emulator with its first queues, which are all created or none.
fn start(arguments: &Serve) -> anyhow::Result<(LocalQueue, Vec<QueueArn>)> {
    let base = if arguments.relaxed { Limits::RELAXED } else { Limits::STRICT };
    let limits = arguments.bounds.bound(Limits { fifo_calls_per_second: arguments.fifo_quota, ..base });
    let declared = arguments.queues.read(&limits)?;
    let system = Clock::system();
    let clock = match arguments.clock {
        ClockKind::System => system,
        ClockKind::Manual => Clock::manual(&ManualClock::new(system.now())),
    };
    let builder = LocalQueue::builder().clock(clock).limits(limits).auto_create(declared.auto_create);
    let builder = builder.scope(Scope::new(&arguments.region, &arguments.account));
    let builder = match arguments.seed {
        Some(seed) => builder.seed(seed),
        None => builder,
    };
    // A check looks at what would run, not at what is there.
    let queues = if arguments.functions.check { builder.build() } else { arguments.data.open(builder)? };
    let created = arguments.data.declare(&queues, &declared.queues)?;
    Ok((queues, created))
}

/// The template, with queues that have their URLs here or, with `--source`, there.
fn read_template(
    arguments: &Serve,
    urls: &Urls,
    created: &[QueueArn],
    variables: &Variables,
) -> anyhow::Result<(Stack, SamConfig)> {
    let functions = &arguments.functions;
    let Some(path) = &functions.template else { return Ok((Stack::default(), SamConfig::default())) };
    // Queues elsewhere have a time of their own, which nobody here can move.
    anyhow::ensure!(
        arguments.clock == ClockKind::System || functions.source.is_none(),
        "--clock manual cannot be combined with --source: those queues have their own clock"
    );
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let samconfig = if functions.no_samconfig {
        SamConfig::default()
    } else {
        SamConfig::read(folder, functions.config_env.as_deref())?
    };
    let (given_variables, given_variables_of) = variables.names();
    let options = template::Options {
        stack_name: functions.stack_name.clone(),
        region: arguments.region.clone(),
        account: arguments.account.clone(),
        queue_url_base: functions.source.as_deref().unwrap_or(&urls.of_functions).to_owned(),
        api_url_base: urls.of_functions.clone(),
        api_urls: urls.apis.clone(),
        parameters: functions.parameter.iter().cloned().collect(),
        default_parameters: samconfig.parameters.clone(),
        ssm: functions.ssm.iter().cloned().collect(),
        imports: functions.import.iter().cloned().collect(),
        existing_queues: created.iter().map(|queue| queue.name().to_owned()).collect(),
        given_variables,
        given_variables_of,
        folder: Some(folder.to_owned()),
        ..template::Options::default()
    };
    let stack = template::read(&text, &options, &Limits::STRICT).map_err(|error| {
        let diagnostics = error.diagnostics.iter().map(|diagnostic| placed(diagnostic, path));
        anyhow::anyhow!(diagnostics.collect::<Vec<_>>().join("\n"))
    })?;
    Ok((stack, samconfig))
}

/// What is wrong in a template or skipped, and where.
fn placed(diagnostic: &template::Diagnostic, path: &Path) -> String {
    let of = diagnostic.logical_id.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
    format!("{}: {of}{}", place(path, diagnostic.file.as_deref(), diagnostic.line), diagnostic.text)
}

/// A line of a template, or of a file beside it.
pub(crate) fn place(template: &Path, file: Option<&str>, line: usize) -> String {
    let path = file.map_or_else(|| template.to_owned(), |file| template.with_file_name("").join(file));
    format!("{}:{line}", path.display())
}

/// Says what runs, and what of the template does not or stands for something unknown.
fn print_plan(plan: &Plan<'_>, stack: &Stack, arguments: &Serve) {
    plan.print(&arguments.announcement);
    let Some(path) = &arguments.functions.template else { return };
    for warning in &stack.warnings {
        note(format_args!("local-queue: warning: {}", placed(warning, path)));
    }
}
