//! Buckets: how much they may hold, and those of the template.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use anyhow::bail;
use http::Request;
use local_queue::{
    LocalQueue,
    buckets::{self, Buckets, Destination, Notification, RuleInput, RuleTarget},
    lambda_api::{Access, LambdaApi},
    template::{self, Diagnostic, Stack, StackBucket, StackDestination, StackNotification},
};

#[cfg(unix)]
use local_queue_terminal::note;

use super::{Serve, free_memory::free_bytes, limits::parse_size, placed};

/// Default limit of all buckets, if the machine has the memory.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Maximum number of findings in a folder that are printed.
#[cfg(unix)]
const FINDINGS_MAX: usize = 20;

/// How large objects and buckets may be, and where they are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Buckets")]
pub(crate) struct Options {
    /// Maximum size of an object uploaded in one request, and of each part of a multipart upload.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "5G")]
    object_max: usize,
    /// Keep objects as files below DIR, created if necessary [default: in memory, until the process ends]
    #[arg(long, value_name = "DIR")]
    buckets: Option<PathBuf>,
    /// Maximum total size of all objects [default: in memory 1G, at most a quarter of the memory that is free at start; in a
    /// folder unlimited]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    buckets_max: Option<usize>,
}

impl Options {
    pub(crate) fn make(&self, queues: &LocalQueue) -> anyhow::Result<Buckets> {
        let builder = Buckets::builder(queues).object_bytes_max(self.object_max as u64);
        let builder = match (self.buckets_max, &self.buckets) {
            (Some(bytes), _) => builder.bytes_max(bytes as u64),
            (None, Some(_)) => builder,
            (None, None) => builder.bytes_max(free_bytes().map_or(BYTES_MAX, |free| (free / 4).min(BYTES_MAX))),
        };
        match &self.buckets {
            Some(folder) => open(builder, folder),
            None => Ok(builder.build()),
        }
    }
}

#[cfg(unix)]
fn open(builder: buckets::Builder, folder: &Path) -> anyhow::Result<Buckets> {
    let (buckets, findings) = builder.open(folder)?;
    for finding in findings.iter().take(FINDINGS_MAX) {
        note(format_args!("local-queue: in {}: {finding}", folder.display()));
    }
    if findings.len() > FINDINGS_MAX {
        note(format_args!("local-queue: in {}: {} more like these", folder.display(), findings.len() - FINDINGS_MAX));
    }
    Ok(buckets)
}

#[cfg(not(unix))]
fn open(_: buckets::Builder, _: &Path) -> anyhow::Result<Buckets> {
    bail!("--buckets needs a Unix system; without the option objects are kept in memory")
}

/// The functions of the template, as buckets reach them: as events, by Lambda's own API.
#[derive(Debug)]
pub(crate) struct Functions {
    names: BTreeSet<String>,
    /// Once there is one.
    lambda: OnceLock<LambdaApi>,
}

impl Functions {
    /// Lets buckets invoke the functions of a template.
    pub(crate) fn reached(stack: &Stack, buckets: &Buckets) -> Arc<Self> {
        let names = stack.functions.iter().map(|function| function.name.clone()).collect();
        let functions = Arc::new(Self { names, lambda: OnceLock::new() });
        buckets.invoke(Arc::clone(&functions) as Arc<dyn buckets::Functions>);
        functions
    }

    /// By whom functions are invoked, once there is one.
    pub(crate) fn lambda(&self) -> Option<LambdaApi> {
        self.lambda.get().cloned()
    }

    /// Says by whom functions are invoked from now on.
    pub(crate) fn run(&self, lambda: &LambdaApi) {
        let _ = self.lambda.set(lambda.clone());
    }
}

impl buckets::Functions for Functions {
    fn has(&self, arn: &str) -> bool {
        let name = arn.split_once(":function:").map(|(_, name)| name.split(':').next().unwrap_or_default());
        name.is_some_and(|name| self.names.contains(name))
    }

    fn invoke(&self, arn: &str, event: String) {
        let Some(lambda) = self.lambda.get().cloned() else { return };
        let arn = arn.to_owned();
        tokio::spawn(async move {
            let path = format!("/2015-03-31/functions/{arn}/invocations");
            let request = Request::post(path).header("x-amz-invocation-type", "Event").body(event.into());
            let Ok(request) = request else { return };
            let response = lambda.respond(request, Access::Read).await;
            if !response.status().is_success() {
                let reason = String::from_utf8_lossy(response.body());
                tracing::warn!(function = arn, %reason, "a function refused an event of a bucket");
            }
        });
    }
}

/// Makes the template's buckets, and lets them announce their objects. All that is wrong is said at once.
pub(crate) fn declare(buckets: &Buckets, stack: &Stack, arguments: &Serve) -> anyhow::Result<()> {
    let Some(path) = &arguments.functions.template else { return Ok(()) };
    let mut problems = Vec::new();
    for bucket in &stack.buckets {
        if let Err((line, text)) = make(buckets, bucket) {
            let logical_id = Some(bucket.logical_id.clone());
            let file = bucket.file.clone();
            problems.push(placed(&Diagnostic { file, line, logical_id, text }, path));
        }
    }
    for rule in &stack.rules {
        let targets = rule.targets.iter().map(|target| RuleTarget {
            destination: destination(&target.destination),
            input: match target.input.clone() {
                template::RuleInput::Matched => RuleInput::Matched,
                template::RuleInput::Constant(text) => RuleInput::Constant(text),
                template::RuleInput::Path(path) => RuleInput::Path(path),
            },
            group: target.group.clone(),
        });
        if let Err(error) = buckets.add_rule(&rule.name, &rule.pattern, targets.collect()) {
            let (logical_id, file) = (Some(rule.logical_id.clone()), rule.file.clone());
            problems.push(placed(&Diagnostic { file, line: rule.line, logical_id, text: error.message }, path));
        }
    }
    if !problems.is_empty() {
        bail!(problems.join("\n"));
    }
    Ok(())
}

fn make(buckets: &Buckets, bucket: &StackBucket) -> Result<(), (usize, String)> {
    buckets.create_bucket(&bucket.name).map_err(|error| (bucket.line, error.message))?;
    buckets.set_versioning(&bucket.name, bucket.is_versioned).map_err(|error| (bucket.line, error.message))?;
    if bucket.event_bridge {
        buckets.set_event_bridge(&bucket.name, true).map_err(|error| (bucket.line, error.message))?;
    }
    let Some(first) = bucket.notifications.first() else { return Ok(()) };
    let queues = bucket.notifications.iter().map(|StackNotification { event, destination, rules, .. }| Notification {
        id: None,
        destination: self::destination(destination),
        events: vec![event.clone()],
        rules: rules.clone(),
    });
    buckets.notify(&bucket.name, queues.collect()).map_err(|error| (first.line, error.message))
}

fn destination(destination: &StackDestination) -> Destination {
    match destination {
        StackDestination::Queue(queue) => Destination::Queue(queue.clone()),
        StackDestination::Function(arn) => Destination::Function(arn.clone()),
    }
}
