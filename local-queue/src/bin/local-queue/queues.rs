//! Queues created at start, and queues created on first use.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use local_queue::{
    LocalQueue,
    config::{self, ConfigError, ConfigProblem, Configuration},
    declaration::{AutoCreate, QueueDeclaration},
    engine::Limits,
};
use local_queue_terminal::note;

/// The options for queues.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Queues")]
pub(crate) struct Queues {
    /// Create a queue at start; repeatable. A name that ends in .fifo creates a FIFO queue.
    #[arg(long, value_name = "NAME")]
    create: Vec<String>,
    /// Create the queues declared in a file, with their attributes, dead-letter queues and tags: TOML, or the format of ElasticMQ if
    /// the file's name ends in .conf.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Create a queue when a request names it and it does not exist; repeatable.
    ///
    /// PATTERN is a name in which * matches any characters [default: *]. ATTRIBUTES are attributes of SQS, as
    /// NAME=VALUE,NAME=VALUE. If several patterns match, the longest applies. A name that ends in .fifo creates a FIFO queue.
    /// Sends, receives, purges, and requests that read or set attributes or tags create a queue; deletions do not.
    #[arg(
        long,
        value_name = "PATTERN[:ATTRIBUTES]",
        num_args = 0..=1,
        default_missing_value = "*",
        value_parser = parse_auto_create
    )]
    auto_create: Vec<AutoCreate>,
}

fn parse_auto_create(raw: &str) -> Result<AutoCreate, String> {
    config::parse_auto_create(raw, &Limits::STRICT).map_err(|error| {
        let texts = error.problems.into_iter().map(|problem| problem.text);
        texts.collect::<Vec<_>>().join("; ")
    })
}

impl Queues {
    /// What is declared, by all options.
    pub(crate) fn read(&self, limits: &Limits) -> anyhow::Result<Configuration> {
        let named = self.create.iter().map(|name| {
            QueueDeclaration::named(name, limits).with_context(|| format!("failed to create queue {name:?}"))
        });
        let queues = named.collect::<Result<Vec<_>, _>>()?;
        let mut all = Configuration { queues, auto_create: self.auto_create.clone(), ..Configuration::default() };
        if let Some(path) = &self.config {
            let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
            let parse = if path.extension().is_some_and(|extension| extension == "conf") {
                config::parse_elasticmq
            } else {
                config::parse
            };
            let read = parse(&text, limits).map_err(|error| placed(path, &error))?;
            for ConfigProblem { line, text } in &read.passed_over {
                note(format_args!("local-queue: warning: {}:{line}: {text}", path.display()));
            }
            all.queues.extend(read.queues);
            all.auto_create.extend(read.auto_create);
        }
        Ok(all)
    }
}

/// What is wrong in a file, each with its line.
fn placed(path: &Path, error: &ConfigError) -> anyhow::Error {
    let problems = error.problems.iter().map(|it| format!("{}:{}: {}", path.display(), it.line, it.text));
    anyhow::anyhow!(problems.collect::<Vec<_>>().join("\n"))
}

/// Which queues are created when they are named.
pub(crate) fn auto_create_patterns(queues: &LocalQueue) -> Option<String> {
    let patterns = queues.auto_create().iter().map(AutoCreate::pattern).collect::<Vec<_>>();
    (!patterns.is_empty()).then(|| patterns.join(", "))
}
