//! `resize submit`: jobs to a queue, ten at a time, all of them checked first.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use futures_util::TryStreamExt as _;
use handler::event::FIFO_SUFFIX;
use handler::event::body::Renditions;
use handler::job::ResizeJob;
use handler::storage::{Location, S3};
use local_queue_terminal::{note, one_line, print};
use object_store::path::Path as StorePath;
use serde_json::{Map, Value};

use crate::arguments::Submit;
use crate::queue::arn_of;
use crate::send::{self, Outgoing};
use crate::stop::Stop;
use crate::table;
use crate::work;

/// Names of images below a prefix; what else is there is passed over.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "jpe", "png", "webp", "gif", "tif", "tiff", "bmp"];

/// Sends the jobs and says how many. Returns the exit code.
pub(crate) async fn run(arguments: &Submit, stop: &Stop) -> anyhow::Result<u8> {
    let config = handler::aws::config().await;
    let client = Client::new(&config);
    let preparing = async {
        let jobs = jobs(arguments, &config).await?;
        // Before anything is sent: a wrong URL is the likeliest mistake.
        arn_of(&client, &arguments.queue_url).await?;
        anyhow::Ok(jobs)
    };
    let jobs = tokio::select! {
        jobs = preparing => jobs?,
        interruption = stop.requested() => {
            note(format_args!("resize: stopped by {}; nothing was sent", interruption.name()));
            return Ok(interruption.exit_code());
        }
    };
    let all = jobs.len();
    let fifo = arguments.queue_url.ends_with(FIFO_SUFFIX);
    let sent =
        send::send(&client, &arguments.queue_url, jobs.into_iter().map(|job| outgoing(&job, fifo)), stop).await?;
    print(format_args!("{} sent to {}", table::count(sent.messages as u64, "job"), arguments.queue_url));
    if let Some(interruption) = sent.interruption {
        note(format_args!("resize: stopped by {}; {} of {all} jobs were sent", interruption.name(), sent.messages));
        return Ok(interruption.exit_code());
    }
    Ok(u8::from(sent.messages != all))
}

/// All jobs, checked.
async fn jobs(arguments: &Submit, config: &SdkConfig) -> anyhow::Result<Vec<ResizeJob>> {
    if let Some(path) = arguments.jobs.clone() {
        // A pipe may stay open for as long as it likes; a signal must not wait for it.
        return tokio::task::spawn_blocking(move || read_jobs(&path)).await?;
    }
    let renditions = renditions(arguments)?;
    let s3 = S3::new(config, std::env::var("AWS_ENDPOINT_URL_S3").ok());
    let sources = sources(&s3, &arguments.sources).await?;
    let job = |source: &Location| {
        let outputs = renditions.outputs(source).map_err(|failure| anyhow!("{source}: {}", failure.message))?;
        ResizeJob::new(source.clone(), outputs).map_err(|failure| anyhow!("{source}: {}", failure.message))
    };
    sources.iter().map(job).collect()
}

fn outgoing(job: &ResizeJob, fifo: bool) -> anyhow::Result<Outgoing> {
    let (name, body) = (job.source().to_string(), serde_json::to_string(job)?);
    // Jobs of one source keep their order; the same job twice within five minutes is one.
    let [group, deduplication_id] = [&name, &body].map(|text| fifo.then(|| send::digest(text)));
    Ok(Outgoing { name, body, group, deduplication_id, ..Outgoing::default() })
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
            let objects = table::count(passed_over as u64, "object");
            note(format_args!("resize: {objects} below {} passed over: no image by name", one_line(text)));
        }
        images.sort();
        sources.append(&mut images);
    }
    if sources.is_empty() {
        bail!("there is no image below {}", given.join(", "));
    }
    Ok(sources)
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
