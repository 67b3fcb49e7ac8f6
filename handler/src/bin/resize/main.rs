//! `resize`: the people's command line.
//!
//! ```text
//! arguments    what can be said
//!   run        the whole of `resize run`: queue, mapping, batch, report
//!     find     images below the given paths, by content
//!     renditions  what is made of an image: flags, or a file of renditions
//!     plan     which output goes where, so that no two meet
//!     progress what happens, as it happens: the bar and the tally
//!     kept     the jobs in a folder, from which the same command goes on
//!     report   what became of it all; `table` and `document` print it
//!   submit     `resize submit`: jobs to any queue
//!   work       `resize work`: the pull worker on any queue
//!   manual     `resize completions`, and the manual pages
//!   dead_letters   what dead letters say; `dead_letters::command` is `resize dead-letters`
//!   queue, send, machine, stop   queues, batches of messages to them, this machine, signals
//! ```

#![warn(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: write by `local_queue_terminal`

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use local_queue_terminal::{LogWriter, exit_code, lines, note, one_line, print_json, print_text};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use arguments::{Arguments, Command};
use stop::Stop;

mod arguments;
mod dead_letters;
mod document;
mod find;
mod kept;
mod machine;
mod manual;
mod plan;
mod progress;
mod queue;
mod renditions;
mod report;
mod run;
mod send;
mod stop;
mod submit;
mod table;
mod work;

/// For the last files to be renamed into place. Together with the report it has to stay within the second that Ctrl-C
/// may take.
const LAST_WRITES: Duration = Duration::from_millis(800);
/// Threads of `resize run` that read and write files while the others render.
const FILE_THREADS: usize = 2;
/// What is logged unless `RUST_LOG` says otherwise. Failed jobs are left out: the commands report each of them themselves.
const LOG_DEFAULT: &str = "warn,sqs_batch::batch::drive=error";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
    };
    match log().and_then(|()| carry_out(&arguments.command)) {
        Ok(code) => exit_code(code),
        Err(error) => {
            note(format_args!("resize: {}", one_line(&format!("{error:#}"))));
            exit_code(2)
        }
    }
}

/// Prints the help, the version, or what is wrong with the arguments.
fn answer(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let plain = error.render().to_string();
    // Arguments may be names of files, which the shell has put in the place of a pattern.
    if lines(&plain).to_string() != plain {
        note(format_args!("{}", plain.trim_end()));
        return exit_code(code);
    }
    // clap styles its text for a terminal, and does not panic.
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(error) if code == 0 && error.kind() != io::ErrorKind::BrokenPipe => {
            note(format_args!("resize: failed to write to standard output: {error}"));
            exit_code(1)
        }
        _ => exit_code(code),
    }
}

fn carry_out(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Completions { shell } => return manual::print_completions(*shell).map(|()| 0),
        Command::Man { dir } => return manual::write_pages(dir).map(|()| 0),
        _ => {}
    }
    let stop = Stop::listen()?;
    let runtime = match command {
        // One thread gives out the work and the others do it: as many as render, and some for files beside them.
        Command::Run(_) => tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(machine::cores() + FILE_THREADS)
            .enable_all()
            .build()?,
        _ => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
    };
    let code = match command {
        Command::Run(arguments) => runtime.block_on(Box::pin(run::run(arguments, &stop))).map(|report| {
            if arguments.json {
                print_json(&document::render(&report));
            } else {
                print_text(&table::render(&report));
            }
            report.exit_code()
        }),
        Command::Submit(arguments) => runtime.block_on(Box::pin(submit::run(arguments, &stop))),
        Command::Work(arguments) => runtime.block_on(Box::pin(work::run(arguments, &stop))),
        Command::DeadLetters(command) => runtime.block_on(Box::pin(dead_letters::command::run(command, &stop))),
        Command::Completions { .. } | Command::Man { .. } => Ok(0),
    };
    // After Ctrl-C some images are still being decoded, which nothing can stop, and some files written, which must not be
    // stopped: each is written beside its place and renamed. The wait is for these; there is none when all is done.
    runtime.shutdown_timeout(LAST_WRITES);
    code
}

/// Standard error, above the bar if there is one.
struct Log;

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        progress::beside_bar(|| LogWriter.write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        LogWriter.flush()
    }
}

/// Warnings go to standard error, or what `RUST_LOG` asks for.
fn log() -> anyhow::Result<()> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let expected = || format!("RUST_LOG={filter:?}: expected a level, or a list like warn,handler=debug");
    let filter: Targets = filter.parse().with_context(expected)?;
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(|| Log);
    builder.with_ansi(false).finish().with(filter).init();
    Ok(())
}
