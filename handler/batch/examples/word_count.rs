//! Another kind of job for the same batch code: counts words. Runs offline, on a batch with one bad message.
//!
//! `cargo run -p sqs-batch --example word_count`

use sqs_batch::batch::{Batch, JobContext, Runner};
use sqs_batch::deadline::Deadline;
use sqs_batch::failure::Failure;

struct WordCount;

impl Runner for WordCount {
    type Job = String;
    type Output = usize;

    fn parse(&self, body: &str) -> Result<String, Failure> {
        serde_json::from_str(body).map_err(|error| Failure::bad_job(format!("the body is not a JSON string: {error}")))
    }

    async fn run(&self, text: String, context: &JobContext) -> Result<usize, Failure> {
        let words = text.split_whitespace().count();
        println!("message {}: {words} words", context.message.id.as_deref().unwrap_or("without id"));
        Ok(words)
    }
}

const EVENT: &str = r#"{"Records":[
    {"messageId":"a","body":"\"to be or not to be\"","eventSource":"aws:sqs"},
    {"messageId":"b","body":"not JSON","eventSource":"aws:sqs"},
    {"messageId":"c","body":"\"that is the question\"","eventSource":"aws:sqs"}]}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let response = Batch::new(WordCount).handle(EVENT, Deadline::NEVER).await?;
    println!("{}", serde_json::to_string(&response)?);
    Ok(())
}
