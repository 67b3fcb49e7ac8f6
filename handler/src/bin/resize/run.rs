//! `resize run`: a queue, a mapping and the function's own batch code, all in this process.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
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
use local_queue::engine::{Attribute, QueueArn, RedrivePolicy};
use local_queue::event_source_mapping::{
    EventSourceMapping, FunctionError, InProcess, Invocation, QueueSource, ScaleUp,
};
use local_queue_terminal::note;
use tokio::time::Instant;

use super::arguments::Run;
use super::dead_letters::{self, History};
use super::find;
use super::kept::KeptRun;
use super::machine;
use super::plan::{self, JobPlan, Planned};
use super::progress::{Progress, Tally, beside_bar};
use super::renditions::RenditionChoice;
use super::report::Report;
use super::send::{self, Outgoing};
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
    let kept = match &arguments.data {
        Some(folder) => Some(KeptRun::open(folder, arguments, &out)?),
        None => None,
    };
    let mut report = Report::new(out.clone());
    let queues =
        Queues::new(kept.as_ref().map_or_else(|| LocalQueue::builder().build(), |kept| kept.queues().clone()))?;
    let jobs = match kept.as_ref().and_then(|kept| kept.tell(&mut report)) {
        Some(jobs) => {
            make_folder(&out).with_context(|| cannot_write(&arguments.out))?;
            let left = queues.take_back()?;
            report.done_before = Some(jobs.saturating_sub(left.images));
            left.jobs
        }
        None => begin(arguments, &choice, (&queues, kept.as_ref()), stop, &mut report).await?,
    };
    if report.interruption.is_none() && (jobs > 0 || report.done_before.is_some()) {
        work(arguments, &queues, jobs, stop, &mut report).await?;
    }
    if let Some(kept) = &kept {
        // One that was stopped before it had begun has nothing that could be gone on with.
        let is_left = (report.interruption.is_some() || report.failure.is_some()) && kept.has_begun();
        if is_left {
            kept.leave();
            report.kept_in = Some(kept.folder().to_owned());
        } else {
            kept.remove();
        }
    }
    report.sort();
    // A process that was killed between the two may have left a job beside its dead letter, which became one once more.
    report.dead_letters.dedup_by(|one, other| one.body == other.body);
    Ok(report)
}

/// Finds the images and submits their jobs. Says how many there are.
async fn begin(
    arguments: &Run,
    choice: &RenditionChoice,
    (queues, kept): (&Queues, Option<&KeptRun>),
    stop: &Stop,
    report: &mut Report,
) -> anyhow::Result<u64> {
    let out = report.out.clone();
    let finding = tokio::task::spawn_blocking({
        let (paths, out) = (arguments.paths.clone(), out.clone());
        move || find::find(&paths, &out)
    });
    let found = tokio::select! {
        found = finding => found??,
        interruption = stop.requested() => {
            report.interruption = Some(interruption);
            return Ok(0);
        }
    };
    report.left_out.clone_from(&found.left_out);
    report.passed_over.clone_from(&found.passed_over);
    let JobPlan { mut planned, refused, renamed } = plan::plan(found, choice, &out)?;
    if arguments.allow_truncated {
        for planned in &mut planned {
            planned.job = planned.job.clone().with_truncated(Truncated::Allow);
        }
    }
    let jobs = planned.len() as u64;
    report.images = jobs + refused.len() as u64;
    report.renamed = renamed;
    report.refused = refused;
    if jobs == 0 {
        return Ok(0);
    }
    make_folder(&out).with_context(|| cannot_write(&arguments.out))?;
    let messages = planned.iter().map(outgoing);
    let sent = send::send(&queues.client, &queues.jobs_url().await?, messages, None, stop).await?;
    report.interruption = sent.interruption;
    if report.interruption.is_none() {
        anyhow::ensure!(sent.messages as u64 == jobs, "only {} of {jobs} jobs could be queued", sent.messages);
        if let Some(kept) = kept {
            kept.begin(report, jobs)?;
        }
    }
    Ok(jobs)
}

fn outgoing(Planned { path, job }: &Planned) -> anyhow::Result<Outgoing> {
    let name = path.display().to_string();
    let body = serde_json::to_string(job).with_context(|| format!("cannot write the job of {name}"))?;
    Ok(Outgoing { name, body, ..Outgoing::default() })
}

/// Lets the mapping drive the function until the queue is empty or a stop is requested.
async fn work(arguments: &Run, queues: &Queues, jobs: u64, stop: &Stop, report: &mut Report) -> anyhow::Result<()> {
    let began = Instant::now();
    let list_each = arguments.json || jobs <= EACH_MAX as u64;
    let progress = Arc::new(Progress::new(jobs, list_each, RECEIVES_MAX));
    let client = &queues.client;
    let dead_letter_queue_url = queue_url(client, DEAD_LETTERS).await?;
    let sink =
        SqsSink::new(client.clone(), Some(dead_letter_queue_url.clone())).queue_url(Some(queues.jobs_url().await?));
    let memory = arguments.memory.map_or_else(machine::memory_bytes, |mib| mib * MIB);
    // The jobs are our own, so there is nobody from whom folders would have to be kept.
    let storage = Storage::builder().all_files()?.build();
    // Files are at hand: one more than is rendered is enough for no core to wait.
    let options = ResizeOptions { source_concurrency: machine::cores() + 1, ..ResizeOptions::for_memory(memory) };
    let resizer = Resizer::new(storage, BodyReader::default(), options);
    let function: Function = Batch::with_sink(resizer, sink)
        .options(BatchOptions { backoff: BACKOFF, ..BatchOptions::default() })
        .observer(progress.clone());

    match drive(queues, function, arguments.data.is_some(), stop).await? {
        Ended::Drained => {}
        Ended::Interrupted(interruption) => report.interruption = Some(interruption),
        Ended::Failed(failure) => report.failure = Some(failure),
    }

    let Tally { done, outputs, skipped, bytes_in, bytes_out, each, retried, odd, last_failures } = progress.finish();
    let history = History { last_failures, ..History::default() };
    if report.failure.is_none() {
        // What is gone on with shows them once more, at its end.
        let keeps = arguments.data.is_some() && report.interruption.is_some();
        report.dead_letters = dead_letters::read(client, &dead_letter_queue_url, &history, keeps).await?;
    }
    (report.done, report.outputs, report.skipped) = (done, outputs, skipped);
    (report.bytes_in, report.bytes_out) = (bytes_in, bytes_out);
    (report.each, report.retried, report.odd, report.elapsed) = (each, retried, odd, began.elapsed());
    Ok(())
}

/// How the mapping came to its end.
enum Ended {
    Drained,
    Interrupted(Interruption),
    /// The disk of the queues has failed.
    Failed(String),
}

/// Runs the mapping.
async fn drive(queues: &Queues, function: Function, is_kept: bool, stop: &Stop) -> anyhow::Result<Ended> {
    let mut mapping = EventSourceMapping {
        report_batch_item_failures: true,
        // AWS allows no less than two, and each batch works on ten images: enough for any machine to be busy.
        maximum_concurrency: u32::try_from(machine::cores().clamp(2, 100)).ok(),
        scale_up: ScaleUp::AtOnce,
        function_timeout: FUNCTION_TIMEOUT,
        ..EventSourceMapping::new("resize")
    };
    if is_kept {
        // What is done leaves the queue with its batch. One image each, so that hardly any is made twice, and some that wait
        // for their turn while others wait for the disk.
        mapping.batch_size = 1;
        mapping.maximum_concurrency = u32::try_from((2 * machine::cores() + 2).clamp(2, 100)).ok();
    }
    let clock = queues.local.clock().clone();
    let function = Arc::new(function);
    let invoked = InProcess::new({
        let clock = clock.clone();
        move |invocation| invoke(function.clone(), clock.clone(), invocation)
    });
    let source = QueueSource::new(queues.local.clone(), queues.jobs.clone());
    let (driver, handle) = mapping.connect(source, invoked, clock).await?;
    let running = tokio::spawn(driver.run());
    let ended = tokio::select! {
        biased;
        () = queues.local.failed() => Ended::Failed(queues.local.failure().unwrap_or_default()),
        drained = handle.drained() => {
            drained?;
            Ended::Drained
        }
        interruption = stop.requested() => Ended::Interrupted(interruption),
    };
    match &ended {
        Ended::Drained => handle.stop(),
        Ended::Interrupted(_) | Ended::Failed(_) => {
            let waits = "resize: stopping after the files being written; a second signal exits immediately";
            beside_bar(|| note(format_args!("{waits}")));
            // A batch would take its time to end. What it has stored is whole, and nothing new is stored from here on.
            running.abort();
        }
    }
    match running.await {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Ok(ended),
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
    client: Client,
    jobs: QueueArn,
    dead_letters: QueueArn,
}

/// What another process has left.
struct Left {
    jobs: u64,
    /// Images with a job or a dead letter.
    images: u64,
}

impl Queues {
    fn new(local: LocalQueue) -> anyhow::Result<Self> {
        let retention_period = Attribute::RetentionPeriod(RETENTION_PERIOD);
        let dead_letters = local.create_queue(DEAD_LETTERS, std::slice::from_ref(&retention_period))?;
        let redrive_policy =
            RedrivePolicy { dead_letter_target: dead_letters.clone(), max_receive_count: RECEIVES_MAX };
        let attributes = [
            retention_period,
            // As Lambda advises, so that what waits for a place is not received twice.
            Attribute::VisibilityTimeout(FUNCTION_TIMEOUT * 6),
            Attribute::RedrivePolicy(Some(redrive_policy)),
        ];
        let jobs = local.create_queue(JOBS, &attributes)?;
        let client = local.client();
        Ok(Self { local, client, jobs, dead_letters })
    }

    async fn jobs_url(&self) -> anyhow::Result<String> {
        queue_url(&self.client, JOBS).await
    }

    /// What another process has left. It is all there at once: that process works on nothing any more.
    fn take_back(&self) -> anyhow::Result<Left> {
        let all = |queue| {
            self.local.take_back_all(queue)?;
            self.local.peek(queue, 0, usize::MAX)
        };
        let (jobs, dead_letters) = (all(&self.jobs)?, all(&self.dead_letters)?);
        let bodies = jobs.iter().chain(&dead_letters).map(|message| message.message.body.as_str());
        let images = bodies.collect::<HashSet<_>>().len();
        Ok(Left { jobs: jobs.len() as u64, images: images as u64 })
    }
}

async fn queue_url(client: &Client, name: &str) -> anyhow::Result<String> {
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
