//! `resize`: the people's command line.
//!
//! ```text
//! arguments    what can be said
//!   run        the whole of `resize run`: queue, mapping, batch, report
//!     find     images below the given paths, by content
//!     making   what is made of an image: flags, or a file of renditions
//!     plan     which output goes where, so that no two meet
//!     progress what happens, as it happens: the bar and the tally
//!     dead_letters   what is in the dead-letter queue afterwards
//!   report     what became of it all; `table` and `document` print it
//! ```

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use arguments::{Arguments, Command};
use report::Report;

mod arguments;
mod dead_letters;
mod document;
mod find;
mod machine;
mod making;
mod plan;
mod progress;
mod report;
mod run;
mod table;

/// For the last files to be renamed into place. Together with the report it has to stay within the second that Ctrl-C
/// may take.
const LAST_WRITES: Duration = Duration::from_millis(800);

fn main() -> ExitCode {
    let Arguments { command: Command::Run(arguments) } = Arguments::parse();
    log();
    match work(&arguments) {
        Ok(report) => {
            let text = if arguments.json { document::of(&report) } else { table::of(&report) };
            // Whoever closed the pipe does not want to read it; the exit code still says how it went.
            drop(std::io::stdout().write_all(text.as_bytes()));
            ExitCode::from(report.exit_code())
        }
        Err(error) => {
            eprintln!("resize: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: &arguments::Run) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(Box::pin(run::run(arguments)));
    // After Ctrl-C some images are still being decoded, which nothing can stop, and some files written, which must not be
    // stopped: each is written beside its place and renamed. The wait is for these; there is none when all is done.
    runtime.shutdown_timeout(LAST_WRITES);
    report
}

/// Logs are for those who ask for them with `RUST_LOG`; the report says everything else.
fn log() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}
