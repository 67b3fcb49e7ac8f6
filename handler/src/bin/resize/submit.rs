//! `resize submit`: jobs to a queue, ten at a time, all of them checked first.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use handler::event::FIFO_SUFFIX;
use handler::event::body::Renditions;
use handler::failure::Failure;
use handler::job::{self, ResizeJob};
use handler::storage::{Location, Role, S3};
use local_queue_terminal::{note, one_line, print};
use serde_json::Value;

use crate::arguments::Submit;
use crate::queue::arn_of;
use crate::send::{self, Outgoing};
use crate::stop::Stop;
use crate::table;
use crate::work;

/// Maximum number of objects without a valid job that are listed; the closing line counts all of them.
const UNSENT_NAMED_MAX: usize = 20;
/// Names of images below a prefix; what else is there is skipped.
const EXTENSIONS: &[&str] = &["jpg", "jpeg", "jpe", "png", "webp", "gif", "tif", "tiff", "bmp"];
/// Those of phones, where this build reads them.
const HEIC_EXTENSIONS: &[&str] = if cfg!(feature = "heic") { &["heic", "heif"] } else { &[] };

/// What will be sent, and how many listed objects there is no job for.
#[derive(Debug, Default)]
struct Jobs {
    jobs: Vec<ResizeJob>,
    unsent: usize,
}

/// Sends the jobs and says how many. Returns the exit code.
pub(crate) async fn run(arguments: &Submit, stop: &Stop) -> anyhow::Result<u8> {
    let config = crate::queue::config().await;
    let client = Client::new(&config);
    let preparing = async {
        let jobs = jobs(arguments, &config).await?;
        // Before anything is sent: a wrong URL is the likeliest mistake.
        arn_of(&client, &arguments.queue_url).await?;
        anyhow::Ok(jobs)
    };
    let Jobs { jobs, unsent } = tokio::select! {
        jobs = preparing => jobs?,
        interruption = stop.requested() => {
            note(format_args!("resize: stopped by {}; nothing was sent", interruption.name()));
            return Ok(interruption.exit_code());
        }
    };
    let all = jobs.len();
    let fifo = arguments.queue_url.ends_with(FIFO_SUFFIX);
    let sent =
        send::send(&client, &arguments.queue_url, jobs.into_iter().map(|job| outgoing(&job, fifo)), None, stop).await?;
    print(format_args!("{} sent to {}", table::count(sent.messages as u64, "job"), arguments.queue_url));
    if unsent > 0 {
        print(format_args!("{} not sent: no valid job is possible for them", table::count(unsent as u64, "object")));
    }
    if let Some(interruption) = sent.interruption {
        note(format_args!("resize: stopped by {}; {} of {all} jobs were sent", interruption.name(), sent.messages));
        return Ok(interruption.exit_code());
    }
    Ok(u8::from(sent.messages != all || unsent > 0))
}

/// All jobs, checked.
async fn jobs(arguments: &Submit, config: &SdkConfig) -> anyhow::Result<Jobs> {
    if let Some(path) = arguments.jobs.clone() {
        // A pipe may stay open for as long as it likes; a signal must not wait for it.
        let jobs = tokio::task::spawn_blocking(move || read_jobs(&path)).await??;
        return Ok(Jobs { jobs, unsent: 0 });
    }
    let renditions = renditions(arguments)?;
    let s3 = S3::new(config, std::env::var("AWS_ENDPOINT_URL_S3").ok())?;
    let mut jobs = Jobs::default();
    for source in &arguments.sources {
        jobs.add(&s3, source, &renditions).await?;
    }
    if jobs.jobs.is_empty() && jobs.unsent == 0 {
        bail!("no images below {}", arguments.sources.join(", "));
    }
    Ok(jobs)
}

fn outgoing(job: &ResizeJob, fifo: bool) -> anyhow::Result<Outgoing> {
    let (name, body) = (job.source().to_string(), serde_json::to_string(job)?);
    // Jobs of one source keep their order; the same job twice within five minutes is one.
    let [group, deduplication_id] = [&name, &body].map(|text| fifo.then(|| send::digest(text)));
    Ok(Outgoing { name, body, group, deduplication_id, ..Outgoing::default() })
}

impl Jobs {
    /// The job of a source, or of all images below one that ends with a slash.
    async fn add(&mut self, s3: &S3, source: &str, renditions: &Renditions) -> anyhow::Result<()> {
        let Some(below) = source.strip_prefix("s3://").filter(|rest| rest.ends_with('/')) else {
            // What was named is meant: that there can be no job for it is the mistake of the command.
            let location = Location::parse(source).with_context(|| format!("SOURCE {source:?} cannot be used"))?;
            let job = job_of(&location, renditions).map_err(|failure| anyhow!("{location}: {}", failure.message))?;
            self.jobs.push(job);
            return Ok(());
        };
        let (bucket, prefix) = below.split_once('/').unwrap_or((below, ""));
        Location::s3(bucket, "any").with_context(|| format!("SOURCE {source:?} cannot be used"))?;
        let mut keys = s3.list(bucket, prefix).await.map_err(|error| anyhow!("cannot list {source}: it {error}"))?;
        let objects = keys.len();
        keys.retain(|key| is_image(key));
        let passed_over = objects - keys.len();
        if passed_over > 0 {
            let objects = table::count(passed_over as u64, "object");
            note(format_args!("resize: {objects} below {} skipped: not an image by name", one_line(source)));
        }
        keys.sort_unstable();
        for key in keys {
            let made = Location::s3(bucket, &key).map_err(|error| error.failure(Role::Source, "source"));
            match made.and_then(|location| job_of(&location, renditions)) {
                Ok(job) => self.jobs.push(job),
                Err(failure) => {
                    self.unsent += 1;
                    if self.unsent <= UNSENT_NAMED_MAX {
                        let (key, kind) = (one_line(&key), failure.kind);
                        note(format_args!("resize: s3://{bucket}/{key} not sent: {kind}: {failure}"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn job_of(source: &Location, renditions: &Renditions) -> Result<ResizeJob, Failure> {
    ResizeJob::new(source.clone(), renditions.outputs(source)?)
}

/// By the extension of its key; a folder that was made as such has none.
fn is_image(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| [EXTENSIONS, HEIC_EXTENSIONS].concat().contains(&extension.as_str()))
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
        bail!("the file has no job; expected one JSON object per line");
    }
    Ok(jobs)
}

/// What is made of each source: by flags, or by a file.
fn renditions(arguments: &Submit) -> anyhow::Result<Renditions> {
    if let Some(path) = &arguments.renditions {
        return work::renditions(path, arguments.if_exists.map(Into::into));
    }
    let mut fields = arguments.output.fields();
    if let Some(target) = arguments.target.as_deref() {
        fields.insert("target".to_owned(), target.into());
    }
    if let Some(if_exists) = arguments.if_exists {
        fields.insert("if_exists".to_owned(), job::IfExists::from(if_exists).word().into());
    }
    let list = Value::from(vec![Value::from(fields)]);
    let flagged = |reason: String| anyhow!("{}", reason.replace("[0].", "--"));
    Renditions::parse(&list.to_string()).map_err(flagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_the_extension_of_their_keys() {
        for image in ["a.jpg", "x//y.JPEG", "dir/../x.png", "a b+c%.webp", ".jpg"] {
            assert!(is_image(image), "{image}");
        }
        for photo in ["IMG_1.HEIC", "a/b.heif"] {
            assert_eq!(is_image(photo), cfg!(feature = "heic"), "{photo}");
        }
        for other in ["a.txt", "IMG_1.MOV", "folder.jpg/", "jpg", "a.jpg/b", ""] {
            assert!(!is_image(other), "{other}");
        }
    }

    #[test]
    fn a_wrong_line_is_named_and_an_empty_file_is_none() {
        let job = r#"{"source":"s3://album/b.jpg","outputs":[{"target":"s3://other/b.jpg","width":1}]}"#;
        assert_eq!(parse_jobs(&format!("{job}\n\n{job}\n")).unwrap().len(), 2);
        let wrong = parse_jobs(&format!("{job}\n{{}}\n")).unwrap_err().to_string();
        assert!(wrong.starts_with("line 2: source is missing"), "{wrong}");
        assert!(parse_jobs("\n").is_err());
    }
}
