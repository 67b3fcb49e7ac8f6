//! `resize submit`: jobs to a queue, ten at a time, all of them checked first.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::TryStreamExt as _;
use handler::event::FIFO_SUFFIX;
use handler::event::body::Renditions;
use handler::job::ResizeJob;
use handler::storage::{Location, S3};
use object_store::path::Path as StorePath;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::arguments::Submit;
use crate::queue::{arn_of, failed};
use crate::table;
use crate::work;

/// AWS: a batch has at most 10 entries and 1 MiB (documentation: "Amazon SQS message quotas").
const ENTRIES_MAX: usize = 10;
const BATCH_BYTES_MAX: usize = 1_048_576;
/// Names of images below a prefix; what else is there is passed over.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "jpe", "png", "webp", "gif", "tif", "tiff", "bmp"];

/// Sends the jobs. Returns the closing line, and whether all were sent.
pub(crate) async fn run(arguments: &Submit) -> anyhow::Result<(String, bool)> {
    let config = handler::aws::config().await;
    let jobs = if let Some(path) = &arguments.jobs {
        read_jobs(path)?
    } else {
        let renditions = renditions(arguments)?;
        let s3 = S3::new(&config, std::env::var("AWS_ENDPOINT_URL_S3").ok());
        let sources = sources(&s3, &arguments.sources).await?;
        let job = |source: &Location| {
            let outputs = renditions.outputs(source).map_err(|failure| anyhow!("{source}: {}", failure.message))?;
            ResizeJob::new(source.clone(), outputs).map_err(|failure| anyhow!("{source}: {}", failure.message))
        };
        sources.iter().map(job).collect::<anyhow::Result<Vec<_>>>()?
    };
    let client = Client::new(&config);
    // Before anything is sent: a wrong URL is the likeliest mistake.
    arn_of(&client, &arguments.queue_url).await?;
    let all = jobs.len();
    let sent = send(&client, &arguments.queue_url, jobs).await?;
    let closing = format!("{} sent to {}\n", table::count(sent as u64, "job"), arguments.queue_url);
    Ok((closing, sent == all))
}

/// Jobs of a file, one a line.
fn read_jobs(path: &Path) -> anyhow::Result<Vec<ResizeJob>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("cannot read --jobs {}", path.display()))?;
    }
    parse_jobs(&text).with_context(|| format!("cannot use --jobs {}; nothing was sent", path.display()))
}

fn parse_jobs(text: &str) -> anyhow::Result<Vec<ResizeJob>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let job = |(index, line): (usize, &str)| {
        ResizeJob::parse(line).map_err(|failure| anyhow!("line {}: {}", index + 1, failure.message))
    };
    let jobs = lines.map(job).collect::<anyhow::Result<Vec<_>>>()?;
    if jobs.is_empty() {
        bail!("there is no job in it; expected one JSON object a line");
    }
    Ok(jobs)
}

/// What is made of each source: by flags, or by a file.
fn renditions(arguments: &Submit) -> anyhow::Result<Renditions> {
    if let Some(path) = &arguments.renditions {
        return work::renditions(path);
    }
    let output = &arguments.output;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("target", arguments.target.as_deref().map(Value::from));
    put("width", output.width.map(Value::from));
    put("height", output.height.map(Value::from));
    put("fit", Some(output.fit.word().into()));
    put("format", Some(output.format.word().into()));
    put("quality", output.quality.map(Value::from));
    put("enlarge", Some(output.enlarge.into()));
    let list = Value::from(vec![Value::from(fields)]);
    let flagged = |reason: String| anyhow!("{}", reason.replace("[0].", "--"));
    Renditions::parse(&list.to_string()).map_err(flagged)
}

/// The sources themselves, and the images below those that end with a slash.
async fn sources(s3: &S3, given: &[String]) -> anyhow::Result<Vec<Location>> {
    let mut sources = Vec::new();
    for text in given {
        let below = text.strip_prefix("s3://").and_then(|rest| rest.strip_suffix('/'));
        let Some(below) = below else {
            sources.push(Location::parse(text).with_context(|| format!("SOURCE {text:?} cannot be used"))?);
            continue;
        };
        let (bucket, prefix) = below.split_once('/').unwrap_or((below, ""));
        let store = s3.bucket(bucket).with_context(|| format!("SOURCE {text:?} cannot be used"))?;
        let prefix = (!prefix.is_empty()).then(|| StorePath::from(prefix));
        let objects: Vec<_> =
            store.list(prefix.as_ref()).try_collect().await.with_context(|| format!("cannot list {text}"))?;
        let (mut images, objects_len) = (Vec::new(), objects.len());
        for object in objects {
            let location = Location::s3(bucket, object.location.as_ref())?;
            if EXTENSIONS.contains(&location.extension().to_ascii_lowercase().as_str()) {
                images.push(location);
            }
        }
        let passed_over = objects_len - images.len();
        if passed_over > 0 {
            eprintln!(
                "resize: {} below {text} passed over: no image by name",
                table::count(passed_over as u64, "object")
            );
        }
        images.sort();
        sources.append(&mut images);
    }
    if sources.is_empty() {
        bail!("there is no image below {}", given.join(", "));
    }
    Ok(sources)
}

/// Sends all jobs, and says how many SQS took. What it refuses is told line by line.
async fn send(client: &Client, queue_url: &str, jobs: Vec<ResizeJob>) -> anyhow::Result<usize> {
    let fifo = queue_url.ends_with(FIFO_SUFFIX);
    let mut sent = 0;
    let mut jobs = jobs.into_iter().peekable();
    let mut next: Option<(Location, String)> = None;
    let mut take = || -> anyhow::Result<Option<(Location, String)>> {
        let Some(job) = jobs.next() else { return Ok(None) };
        Ok(Some((job.source().clone(), serde_json::to_string(&job)?)))
    };
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < ENTRIES_MAX {
            let Some(job) = next.take().map_or_else(&mut take, |job| Ok(Some(job)))? else { break };
            if !batch.is_empty() && bytes + job.1.len() > BATCH_BYTES_MAX {
                next = Some(job);
                break;
            }
            bytes += job.1.len();
            batch.push(job);
        }
        if batch.is_empty() {
            return Ok(sent);
        }
        let entry = |(index, (source, body)): (usize, &(Location, String))| {
            let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
            if fifo {
                // Jobs of one source keep their order; the same job twice within five minutes is one.
                let name = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text));
                entry = entry.message_group_id(name(&source.to_string())).message_deduplication_id(name(body));
            }
            entry.build()
        };
        let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let request = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
        match request.send().await {
            Ok(answer) => {
                sent += answer.successful().len();
                for refused in answer.failed() {
                    let source = refused.id().parse::<usize>().ok().and_then(|index| Some(&batch.get(index)?.0));
                    let source = source.map_or_else(|| "a job".to_owned(), ToString::to_string);
                    eprintln!(
                        "resize: {source} was refused: {}: {}",
                        refused.code(),
                        refused.message().unwrap_or_default()
                    );
                }
            }
            // The first failure of all is the command's; later ones leave the rest unsent, and the count says so.
            Err(error) if sent == 0 => return Err(failed("SendMessageBatch", error)),
            Err(error) => {
                eprintln!("resize: the rest was not sent: {:#}", failed("SendMessageBatch", error));
                return Ok(sent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_named_and_an_empty_file_is_none() {
        let job = r#"{"source":"s3://a/b.jpg","outputs":[{"target":"s3://c/b.jpg","width":1}]}"#;
        assert_eq!(parse_jobs(&format!("{job}\n\n{job}\n")).unwrap().len(), 2);
        let wrong = parse_jobs(&format!("{job}\n{{}}\n")).unwrap_err().to_string();
        assert!(wrong.starts_with("line 2: source is missing"), "{wrong}");
        assert!(parse_jobs("\n").is_err());
    }
}
