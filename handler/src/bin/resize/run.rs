//! `resize run`: a queue, a mapping and the function's own batch code, all in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use handler::batch::{Backoff, Batch, BatchOptions};
use handler::budget::Deadline;
use handler::dead_letter::SqsSink;
use handler::event::body::BodyReader;
use handler::pixels::limits::Truncated;
use handler::resize::{ResizeOptions, Resizer};
use handler::storage::Storage;
use local_queue::LocalQueue;
use local_queue::clock::Clock;
use local_queue::engine::{Attribute, MessageBody, QueueArn, RedrivePolicy, SendMessage};
use local_queue::event_source_mapping::{
    EventSourceMapping, FunctionError, InProcess, Invocation, QueueSource, ScaleUp,
};
use local_queue_terminal::note;
use tokio::time::Instant;

use super::arguments::Run;
use super::dead_letters::{self, History};
use super::find;
use super::machine;
use super::plan::{self, JobPlan, Planned};
use super::progress::{Progress, Tally, beside_bar};
use super::renditions::RenditionChoice;
use super::report::Report;
use super::stop::{Interruption, Stop};
use super::table::EACH_MAX;

/// Tries before the queue gives up: what fails three times on one machine fails for a reason.
const RECEIVES_MAX: u32 = 3;
/// The function's time for a batch, the longest that Lambda has.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(15);
/// How long before its end work on a batch stops.
const DEADLINE_RESERVE: Duration = Duration::from_secs(5);
/// How long messages are kept, the longest that SQS does.
const RETENTION_PERIOD: Duration = Duration::from_hours(14 * 24);
/// Somebody is waiting, and it is their own disk that is asked again.
const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(10) };
const MIB: u64 = 1024 * 1024;

type Function = Batch<Resizer, SqsSink>;

/// Makes all outputs. Fails only before any of them is begun.
pub(crate) async fn run(arguments: &Run, stop: &Stop) -> anyhow::Result<Report> {
    let choice = RenditionChoice::new(arguments)?;
    let out = real_path(&arguments.out).with_context(|| cannot_write(&arguments.out))?;
    let mut report = Report::new(out.clone());
    let paths = arguments.paths.clone();
    let finding = tokio::task::spawn_blocking({
        let out = out.clone();
        move || find::find(&paths, &out)
    });
    let found = tokio::select! {
        found = finding => found??,
        interruption = stop.requested() => {
            report.interruption = Some(interruption);
            return Ok(report);
        }
    };
    report.left_out.clone_from(&found.left_out);
    report.passed_over.clone_from(&found.passed_over);
    let JobPlan { mut planned, refused, renamed } = plan::plan(found, &choice, &out)?;
    if arguments.allow_truncated {
        for planned in &mut planned {
            planned.job = planned.job.clone().with_truncated(Truncated::Allow);
        }
    }
    report.images = (planned.len() + refused.len()) as u64;
    report.renamed = renamed;
    report.refused = refused;
    if !planned.is_empty() {
        make_folder(&out).with_context(|| cannot_write(&arguments.out))?;
        work(arguments, planned, stop, &mut report).await?;
    }
    report.sort();
    Ok(report)
}

/// Submits the jobs and lets the mapping drive the function until the queue is empty, or until it is told to stop.
async fn work(arguments: &Run, planned: Vec<Planned>, stop: &Stop, report: &mut Report) -> anyhow::Result<()> {
    let began = Instant::now();
    let list_each = arguments.json || planned.len() <= EACH_MAX;
    let progress = Arc::new(Progress::new(planned.len() as u64, list_each, RECEIVES_MAX));
    let queues = Queues::new()?;
    for Planned { path, job } in planned {
        let body =
            serde_json::to_string(&job).with_context(|| format!("cannot write the job of {}", path.display()))?;
        queues.local.send(&queues.jobs, SendMessage::new(MessageBody::parse(body)?))?;
    }
    let client = queues.local.client();
    let dead_letter_queue_url = queue_url(&client, DEAD_LETTERS).await?;
    let sink = SqsSink::new(client.clone(), Some(dead_letter_queue_url.clone()))
        .queue_url(Some(queue_url(&client, JOBS).await?));
    let memory = arguments.memory.map_or_else(machine::memory_bytes, |mib| mib * MIB);
    // The jobs are our own, so there is nobody from whom folders would have to be kept.
    let storage = Storage::builder().all_files()?.build();
    // Files are at hand: one more than is rendered is enough for no core to wait.
    let options = ResizeOptions { source_concurrency: machine::cores() + 1, ..ResizeOptions::for_memory(memory) };
    let resizer = Resizer::new(storage, BodyReader::default(), options);
    let function: Function = Batch::with_sink(resizer, sink)
        .options(BatchOptions { backoff: BACKOFF, ..BatchOptions::default() })
        .observer(progress.clone());

    report.interruption = drive(&queues, function, stop).await?;

    let Tally { done, outputs, skipped, bytes_in, bytes_out, each, retried, odd, last_failures } = progress.finish();
    let history = History { last_failures, ..History::default() };
    report.dead_letters = dead_letters::read(&client, &dead_letter_queue_url, &history).await?;
    (report.done, report.outputs, report.skipped) = (done, outputs, skipped);
    (report.bytes_in, report.bytes_out) = (bytes_in, bytes_out);
    (report.each, report.retried, report.odd, report.elapsed) = (each, retried, odd, began.elapsed());
    Ok(())
}

/// Runs the mapping. Says what interrupted it, if anything did.
async fn drive(queues: &Queues, function: Function, stop: &Stop) -> anyhow::Result<Option<Interruption>> {
    // AWS allows no less than two, and each batch works on ten images: enough for any machine to be busy.
    let mapping = EventSourceMapping {
        report_batch_item_failures: true,
        maximum_concurrency: u32::try_from(machine::cores().clamp(2, 100)).ok(),
        scale_up: ScaleUp::AtOnce,
        function_timeout: FUNCTION_TIMEOUT,
        ..EventSourceMapping::new("resize")
    };
    let clock = queues.local.clock().clone();
    let function = Arc::new(function);
    let invoked = InProcess::new({
        let clock = clock.clone();
        move |invocation| invoke(function.clone(), clock.clone(), invocation)
    });
    let source = QueueSource::new(queues.local.clone(), queues.jobs.clone());
    let (driver, handle) = mapping.connect(source, invoked, clock).await?;
    let running = tokio::spawn(driver.run());
    let interruption = tokio::select! {
        drained = handle.drained() => {
            drained?;
            None
        }
        interruption = stop.requested() => Some(interruption),
    };
    if interruption.is_some() {
        let waits = "resize: stopping; files that are being written are finished, a second signal ends at once";
        beside_bar(|| note(format_args!("{waits}")));
        // A batch would take its time to end. What it has stored is whole, and nothing new is stored from here on.
        running.abort();
    } else {
        handle.stop();
    }
    match running.await {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Ok(interruption),
    }
}

/// One invocation, as the Lambda has it.
async fn invoke(function: Arc<Function>, clock: Clock, invocation: Invocation) -> Result<Bytes, FunctionError> {
    let failed =
        |error_type: &str, message: String| FunctionError::Failed { error_type: error_type.to_owned(), message };
    let event = std::str::from_utf8(&invocation.event).map_err(|error| failed("Runtime.NotUtf8", error.to_string()))?;
    let deadline = Deadline::after(invocation.deadline.since(clock.now()), DEADLINE_RESERVE);
    let response =
        function.handle(event, deadline).await.map_err(|error| failed(error.error_type(), error.to_string()))?;
    let response = serde_json::to_vec(&response).map_err(|error| failed("Runtime.NotJson", error.to_string()))?;
    Ok(response.into())
}

const JOBS: &str = "jobs";
const DEAD_LETTERS: &str = "dead-letters";

/// The queue of the jobs and its dead-letter queue.
struct Queues {
    local: LocalQueue,
    jobs: QueueArn,
}

impl Queues {
    fn new() -> anyhow::Result<Self> {
        let local = LocalQueue::builder().build();
        let retention_period = Attribute::RetentionPeriod(RETENTION_PERIOD);
        let dead_letters = local.create_queue(DEAD_LETTERS, std::slice::from_ref(&retention_period))?;
        let redrive_policy = RedrivePolicy { dead_letter_target: dead_letters, max_receive_count: RECEIVES_MAX };
        let attributes = [
            retention_period,
            // As Lambda advises, so that what waits for a place is not received twice.
            Attribute::VisibilityTimeout(FUNCTION_TIMEOUT * 6),
            Attribute::RedrivePolicy(Some(redrive_policy)),
        ];
        let jobs = local.create_queue(JOBS, &attributes)?;
        Ok(Self { local, jobs })
    }
}

async fn queue_url(client: &aws_sdk_sqs::Client, name: &str) -> anyhow::Result<String> {
    let answer = client.get_queue_url().queue_name(name).send().await?;
    answer.queue_url.with_context(|| format!("queue {name} has no URL"))
}

fn cannot_write(out: &Path) -> String {
    format!("cannot write to --out {}", out.display())
}

/// The path with every link followed, of which the last parts need not exist yet.
fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut existing = path.as_path();
    loop {
        match existing.canonicalize() {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else { return Err(error) };
                missing.push(name);
                existing = parent;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes the folder and a file in it, which is the only way to know that files can be made there.
fn make_folder(out: &Path) -> std::io::Result<()> {
    if out.exists() && !out.is_dir() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotADirectory, "not a folder"));
    }
    std::fs::create_dir_all(out)?;
    let probe = out.join(format!(".resize-{}", std::process::id()));
    std::fs::write(&probe, "this folder can be written to")?;
    std::fs::remove_file(&probe)
}
