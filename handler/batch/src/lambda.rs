//! A batch as the function of AWS Lambda.

use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::batch::{Batch, BatchError, FailureSink, Runner};
use crate::deadline::Deadline;

pub use lambda_runtime::Error;

/// Handles one invocation after the other until Lambda ends the process. Work stops `reserve` before an invocation's
/// deadline, so that the answer is out in time.
pub async fn run<R: Runner, S: FailureSink>(batch: Batch<R, S>, reserve: Duration) -> Result<(), Error> {
    let batch = &batch;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline(), reserve);
        batch.handle(event.payload.get(), deadline).await.map_err(|error| diagnostic(&error))
    }))
    .await
}

/// The error type that Lambda shows would otherwise be the name of a Rust type.
fn diagnostic(error: &BatchError) -> Diagnostic {
    Diagnostic { error_type: error.error_type().to_owned(), error_message: error.to_string() }
}
