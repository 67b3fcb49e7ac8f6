//! What the programs of this workspace say to people: standard output and standard error that cannot panic, and text of
//! strangers that cannot command a terminal.
//!
//! - [`print()`] and [`note`] write to standard output and standard error. `println!` and `eprintln!` panic when nobody reads
//!   or the disk is full, and take down whatever called them.
//! - A closed pipe is silence: whoever closed it does not want to read on. Any other failed write is remembered, and
//!   [`exit_code`] turns it into a failure, since an output that is not whole must not look like one.
//! - Names of files, message bodies and logs of functions may hold control characters, which move a cursor, change a title
//!   or reorder a line. Everything written here is escaped, apart from line feeds and tabs; [`one_line`] escapes these too,
//!   for a name or a reason inside a line.
//! - [`LogWriter`] is the same for a log that another crate formats.

#![warn(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: write by `local_queue_terminal`

mod escape;
mod stream;

use std::fmt;
use std::io;
use std::process::ExitCode;

pub use escape::{Escaped, json, lines, one_line};

use stream::Stream;

static STDOUT: Stream = Stream::new();
static STDERR: Stream = Stream::new();

/// Writes a line to standard output, such as `print(format_args!("{count} messages"))`.
pub fn print(line: fmt::Arguments<'_>) {
    write(&STDOUT, &mut io::stdout(), &lines(&format!("{line}\n")));
}

/// Writes text to standard output as it is, apart from control characters: no line feed is added.
pub fn print_text(text: &str) {
    write(&STDOUT, &mut io::stdout(), &lines(text));
}

/// Writes a JSON document and a line feed to standard output. Control characters that JSON allows inside a string are
/// written as its escapes, so the document keeps its meaning.
pub fn print_json(document: &str) {
    write(&STDOUT, &mut io::stdout(), &format_args!("{}\n", json(document)));
}

/// Writes a line to standard error, such as `note(format_args!("resize: {error:#}"))`.
pub fn note(line: fmt::Arguments<'_>) {
    write(&STDERR, &mut io::stderr(), &lines(&format!("{line}\n")));
}

fn write(stream: &Stream, to: &mut impl io::Write, text: &dyn fmt::Display) {
    stream.write(to, text.to_string().as_bytes());
}

/// Flushes both streams. The exit code is `code`, or 1 if `code` is 0 and something that was written has not arrived.
#[must_use]
pub fn exit_code(code: u8) -> ExitCode {
    STDOUT.flush(&mut io::stdout());
    if let Some(error) = STDOUT.failure() {
        note(format_args!("failed to write to standard output: {error}"));
    }
    let failed = STDOUT.failure().is_some() || STDERR.failure().is_some();
    ExitCode::from(if code == 0 { u8::from(failed) } else { code })
}

/// Standard error for a log that another crate formats. A line comes in one piece; writing never fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(&STDERR, &mut io::stderr(), &lines(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        STDERR.flush(&mut io::stderr());
        Ok(())
    }
}
