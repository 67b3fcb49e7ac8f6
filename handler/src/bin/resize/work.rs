//! `resize work`: the pull worker on any queue.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use handler::batch::{BatchReport, Counts, Observer, Outcome};
use handler::dead_letter::SqsSink;
use handler::event::Message;
use handler::event::body::{BodyReader, Renditions};
use handler::job::IfExists;
use handler::resize::{ResizeOptions, Resized, Resizer};
use handler::storage::{Allowed, S3, Storage};
use handler::worker::{Worker, WorkerOptions};
use indicatif::HumanBytes;
use local_queue_terminal::{note, one_line, print};
use serde_json::Value;

use crate::arguments::Work;
use crate::machine;
use crate::renditions::set_if_exists;
use crate::stop::Stop;
use crate::table;

const MIB: u64 = 1024 * 1024;

/// Runs until a stop is requested or the queue is empty. Returns the exit code.
pub(crate) async fn run(arguments: &Work, stop: &Stop) -> anyhow::Result<u8> {
    let counter = Arc::new(Counter::default());
    let connecting = connect(arguments, counter.clone());
    let worker = tokio::select! {
        worker = Box::pin(connecting) => worker?,
        interruption = stop.requested() => {
            note(format_args!("resize: stopped by {} before the queue answered", interruption.name()));
            return Ok(interruption.exit_code());
        }
    };
    let stopping = async {
        let interruption = stop.requested().await;
        let (name, seconds) = (interruption.name(), arguments.stop_within);
        note(format_args!(
            "resize: {name}: waiting up to {seconds} s for running jobs; a second signal exits immediately"
        ));
    };
    let report = worker.run(stopping).await?;
    print(format_args!("{}", counter.closing()));
    if report.panics > 0 {
        let attempts = table::count(report.panics as u64, "attempt");
        note(format_args!("resize: {attempts} failed through a defect of this program; their messages were released"));
    }
    Ok(u8::from(report.panics > 0))
}

async fn connect(arguments: &Work, counter: Arc<Counter>) -> anyhow::Result<Worker<Resizer, SqsSink>> {
    let config = crate::queue::config().await;
    let s3 = S3::new(&config, std::env::var("AWS_ENDPOINT_URL_S3").ok())?;
    let mut storage = Storage::builder().s3(s3).allowed(allowed(&arguments.allow)?);
    if let Some(root) = &arguments.file_root {
        storage = storage.file_root(root).with_context(|| format!("cannot use --file-root {}", root.display()))?;
    }
    let renditions = arguments.renditions.as_deref().map(|path| renditions(path, None)).transpose()?;
    let memory = arguments.memory.map_or_else(machine::memory_bytes, |mib| mib * MIB);
    let resizer = Resizer::new(storage.build(), BodyReader::new(renditions), ResizeOptions::for_memory(memory));
    let client = Client::new(&config);
    let sink = SqsSink::new(client.clone(), arguments.dead_letter_queue_url.clone())
        .queue_url(Some(arguments.queue_url.clone()));
    let options = WorkerOptions {
        concurrency_max: arguments.concurrency.map_or_else(|| machine::cores() * 2, usize::from),
        stop_within: Duration::from_secs(arguments.stop_within.into()),
        drain: arguments.drain,
    };
    Ok(Worker::connect(client, &arguments.queue_url, resizer, sink, counter, options).await?)
}

/// What `--allow` names, one by one.
fn allowed(prefixes: &[String]) -> anyhow::Result<Option<Allowed>> {
    if prefixes.is_empty() {
        return Ok(None);
    }
    let allowed = Allowed::of(prefixes.iter().map(String::as_str));
    allowed.map(Some).map_err(|reason| anyhow::anyhow!("cannot use --allow: {reason}"))
}

/// Reads a file of renditions, as the function's setting has them; `if_exists` is for those that do not say it.
pub(crate) fn renditions(path: &Path, if_exists: Option<IfExists>) -> anyhow::Result<Renditions> {
    let name = path.display();
    let mut text = std::fs::read_to_string(path).with_context(|| format!("cannot read --renditions {name}"))?;
    if if_exists.is_some() {
        let value = serde_json::from_str(&text);
        let mut value: Value = value.with_context(|| format!("cannot use --renditions {name}: is not JSON"))?;
        set_if_exists(&mut value, if_exists);
        text = value.to_string();
    }
    Renditions::parse(&text).map_err(|reason| anyhow::anyhow!("cannot use --renditions {name}: {reason}"))
}

/// Reports what becomes of each message, and counts.
#[derive(Default)]
struct Counter(Mutex<Counts>);

impl Counter {
    fn closing(&self) -> String {
        let Counts { done, dead_lettered, failed, postponed, .. } =
            *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = table::count((done + dead_lettered) as u64, "message");
        let retries = match failed + postponed {
            1 => "1 retry".to_owned(),
            retries => format!("{retries} retries"),
        };
        format!("{messages} ended: {done} done, {dead_lettered} dead-lettered; {retries}")
    }
}

/// What was made of a message.
fn made(resized: &Resized) -> String {
    let targets: Vec<_> = resized.outputs.iter().map(|output| output.target.to_string()).collect();
    let stored = match targets.as_slice() {
        [] if resized.skipped.is_empty() => "0 B to nowhere".to_owned(),
        [] => "nothing".to_owned(),
        targets => format!("{} to {}", HumanBytes(resized.bytes_out()), targets.join(", ")),
    };
    match resized.skipped.len() {
        0 => stored,
        skipped => format!("{stored}; {} there already", table::count(skipped as u64, "output")),
    }
}

impl Observer<Resized> for Counter {
    fn ended(&self, message: &Message, outcome: &Outcome<Resized>) {
        let id = one_line(message.id.as_deref().unwrap_or("-"));
        match outcome {
            Outcome::Done(resized) => {
                note(format_args!("{id} done: {}", one_line(&made(resized))));
            }
            Outcome::DeadLettered(failure) => {
                note(format_args!("{id} dead-lettered: {}: {}", failure.kind, one_line(&failure.message)));
            }
            Outcome::Reported { failure, .. } => {
                let (attempt, reason) = (message.receive_count(), one_line(&failure.message));
                note(format_args!("{id} failed (attempt {attempt}) and will be retried: {}: {reason}", failure.kind));
            }
            Outcome::Duplicate { .. } => {}
        }
    }

    fn finished(&self, report: &BatchReport<Resized>) {
        let counts = report.counts();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.done += counts.done;
        all.dead_lettered += counts.dead_lettered;
        all.failed += counts.failed;
        all.postponed += counts.postponed;
    }
}
