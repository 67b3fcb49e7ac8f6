//! What the program itself logs, on standard error: through a queue of bounded size and a thread, so that a terminal that
//! takes no output holds up nobody who has something to log.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use local_queue_terminal::{LogWriter, note};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How many lines wait to be written.
const LINES_MAX: usize = 4_096;
/// The longest line; what is longer is cut.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// How long the end of the program waits for its last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way of lines to standard error.
#[derive(Clone)]
pub(crate) struct Log {
    sender: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// Logs from now on what `RUST_LOG` asks for; without it, what somebody who watches has to know.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let filter = match std::env::var("RUST_LOG") {
            Ok(filter) => {
                let expected =
                    || format!("RUST_LOG={filter:?}: expected a level, or a list like warn,local_queue=debug");
                filter.parse::<Targets>().with_context(expected)?
            }
            Err(_) => Targets::new()
                .with_default(LevelFilter::WARN)
                .with_target("local_queue::event_source_mapping", LevelFilter::INFO)
                // It logs every refusal as an error of its own.
                .with_target("s3s", LevelFilter::OFF),
        };
        let (sender, entries) = sync_channel(LINES_MAX);
        let log = Self { sender, dropped: Arc::default() };
        let dropped = Arc::clone(&log.dropped);
        let writing = move || write(&entries, &dropped);
        thread::Builder::new().name("log".to_owned()).spawn(writing).context("failed to start a thread")?;
        let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(log.clone());
        lines.finish().with(filter).init();
        Ok(log)
    }

    /// Waits until all lines are written; says whether they were before the time for that was over.
    pub(crate) fn flush(&self) -> bool {
        let (written, is_written) = sync_channel(1);
        self.sender.try_send(Entry::Flush(written)).is_ok() && is_written.recv_timeout(FLUSH_TIMEOUT).is_ok()
    }
}

fn write(entries: &Receiver<Entry>, dropped: &AtomicU64) {
    for entry in entries {
        match entry {
            // It never fails: what cannot be written is the exit code's matter.
            Entry::Line(line) => drop(LogWriter.write_all(&line)),
            Entry::Flush(written) => drop(written.send(())),
        }
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            note(format_args!("local-queue: {count} log lines were dropped: standard error was read too slowly"));
        }
    }
}

/// One line, as it is formatted.
pub(crate) struct Line<'a>(&'a Log);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = bytes[..bytes.len().min(LINE_BYTES_MAX)].to_vec();
        if bytes.len() > LINE_BYTES_MAX {
            line.extend_from_slice(b"...\n");
        }
        if self.0.sender.try_send(Entry::Line(line)).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}
