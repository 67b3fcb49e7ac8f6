//! The Lambda: reads its settings, makes its clients, and hands each invocation to the batch.

#![warn(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: write by `local_queue_terminal`

use std::process::ExitCode;
use std::sync::Arc;

use handler::aws;
use handler::batch::Batch;
use handler::dead_letter::SqsSink;
use handler::event::body::BodyReader;
use handler::resize::Resizer;
use handler::settings::Settings;
use handler::storage::{S3, Storage};
use handler::telemetry::{self, Metrics};
use local_queue_terminal::note;
use sqs_batch::lambda::{self, Error};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Lambda says only that the runtime exited; this line above it says why.
            note(format_args!("failed to start the function: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let settings = Settings::from_env()?;
    telemetry::init(&settings);
    let config = aws::config().await;
    let s3 = S3::new(&config, settings.s3_endpoint_url.clone())?;
    let mut storage = Storage::builder().s3(s3).allowed(settings.allowed_locations.clone());
    if let Some(root) = &settings.file_root {
        storage = storage.file_root(root).map_err(|error| format!("FILE_ROOT={root:?} cannot be used: {error}"))?;
    }
    let metrics = Arc::new(Metrics::new(&settings));
    let bodies = BodyReader::new(settings.renditions);
    let resizer = Resizer::new(storage.build(), bodies, settings.resize);
    let sink =
        SqsSink::new(aws_sdk_sqs::Client::new(&config), settings.dead_letter_queue_url).queue_url(settings.queue_url);
    let batch = Batch::with_sink(resizer, sink).options(settings.batch).observer(metrics);
    lambda::run(batch, settings.deadline_reserve).await
}
