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
use handler::resize::{ResizeOptions, Resized, Resizer};
use handler::storage::{S3, Storage};
use handler::worker::{Worker, WorkerOptions};
use indicatif::HumanBytes;

use crate::arguments::Work;
use crate::machine;
use crate::stop::Stop;
use crate::table;

const MIB: u64 = 1024 * 1024;

/// Works until it is told to stop, or until the queue is empty. Returns the closing line.
pub(crate) async fn run(arguments: &Work) -> anyhow::Result<String> {
    let mut stop = Stop::listen()?;
    let config = handler::aws::config().await;
    let mut storage = Storage::builder().s3(S3::new(&config, std::env::var("AWS_ENDPOINT_URL_S3").ok()));
    if let Some(root) = &arguments.file_root {
        storage = storage.file_root(root).with_context(|| format!("cannot use --file-root {}", root.display()))?;
    }
    let renditions = arguments.renditions.as_deref().map(renditions).transpose()?;
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
    let told = Arc::new(Told::default());
    let worker = Worker::connect(client, &arguments.queue_url, resizer, sink, told.clone(), options).await?;
    let stopping = async {
        stop.requested().await;
        eprintln!("resize: stopping; running jobs may take {} more seconds", arguments.stop_within);
    };
    worker.run(stopping).await?;
    Ok(told.closing())
}

/// Reads a file of renditions, as the function's setting has them.
pub(crate) fn renditions(path: &Path) -> anyhow::Result<Renditions> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read --renditions {name}"))?;
    Renditions::parse(&text).map_err(|reason| anyhow::anyhow!("cannot use --renditions {name}: {reason}"))
}

/// Tells what becomes of each message, and counts.
#[derive(Default)]
struct Told(Mutex<Counts>);

impl Told {
    fn closing(&self) -> String {
        let Counts { done, dead_lettered, failed, postponed, .. } =
            *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = table::count((done + dead_lettered) as u64, "message");
        format!("{messages} ended: {done} done, {dead_lettered} dead-lettered. {} came back.\n", failed + postponed)
    }
}

impl Observer<Resized> for Told {
    fn ended(&self, message: &Message, outcome: &Outcome<Resized>) {
        let id = message.id.as_deref().unwrap_or("-");
        match outcome {
            Outcome::Done(resized) => {
                let targets: Vec<_> = resized.outputs.iter().map(|output| output.target.to_string()).collect();
                let written = HumanBytes(resized.bytes_out());
                eprintln!(
                    "{id} done: {written} to {}",
                    if targets.is_empty() { "nowhere".into() } else { targets.join(", ") }
                );
            }
            Outcome::DeadLettered(failure) => eprintln!("{id} dead-lettered: {}: {failure}", failure.kind),
            Outcome::Reported { failure, .. } => {
                eprintln!("{id} comes back (try {}): {}: {failure}", message.receive_count(), failure.kind);
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
