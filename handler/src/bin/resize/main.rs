//! `resize`: the people's command line.
//!
//! ```text
//! arguments    what can be said
//!   run        the whole of `resize run`: queue, mapping, batch, report
//!     find     images below the given paths, by content
//!     making   what is made of an image: flags, or a file of renditions
//!     plan     which output goes where, so that no two meet
//!     progress what happens, as it happens: the bar and the tally
//!     report   what became of it all; `table` and `document` print it
//!   submit     `resize submit`: jobs to any queue
//!   work       `resize work`: the pull worker on any queue
//!   dead_letters   what dead letters say; `dead_letters::command` is `resize dead-letters`
//!   queue, machine, stop   queues, this machine, signals
//! ```

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use arguments::{Arguments, Command};

mod arguments;
mod dead_letters;
mod document;
mod find;
mod machine;
mod making;
mod plan;
mod progress;
mod queue;
mod report;
mod run;
mod stop;
mod submit;
mod table;
mod work;

/// For the last files to be renamed into place. Together with the report it has to stay within the second that Ctrl-C
/// may take.
const LAST_WRITES: Duration = Duration::from_millis(800);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match log().and_then(|()| carry_out(&arguments.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("resize: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(command: &Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = |good: bool| ExitCode::from(u8::from(!good));
    let result = match command {
        Command::Run(arguments) => runtime.block_on(Box::pin(run::run(arguments))).map(|report| {
            print(&if arguments.json { document::of(&report) } else { table::of(&report) });
            ExitCode::from(report.exit_code())
        }),
        Command::Submit(arguments) => runtime.block_on(Box::pin(submit::run(arguments))).map(|(closing, all_sent)| {
            print(&closing);
            code(all_sent)
        }),
        Command::Work(arguments) => runtime.block_on(Box::pin(work::run(arguments))).map(|closing| {
            print(&closing);
            ExitCode::SUCCESS
        }),
        Command::DeadLetters(command) => {
            runtime.block_on(Box::pin(dead_letters::command::run(command))).map(|(text, good)| {
                print(&text);
                code(good)
            })
        }
    };
    // After Ctrl-C some images are still being decoded, which nothing can stop, and some files written, which must not be
    // stopped: each is written beside its place and renamed. The wait is for these; there is none when all is done.
    runtime.shutdown_timeout(LAST_WRITES);
    result
}

/// Whoever closed the pipe does not want to read it; the exit code still says how it went.
fn print(text: &str) {
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Logs are for those who ask for them with `RUST_LOG`; the report says everything else.
fn log() -> anyhow::Result<()> {
    let Ok(filter) = std::env::var("RUST_LOG") else { return Ok(()) };
    let expected = || format!("RUST_LOG={filter:?}: expected a level, or a list like warn,handler=debug");
    let filter: Targets = filter.parse().with_context(expected)?;
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
    lines.finish().with(filter).init();
    Ok(())
}
