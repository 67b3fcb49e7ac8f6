//! What a function writes: read line by line with a bound, and handed on without holding anybody up.
//!
//! A function that writes faster than its reader reads loses lines, which are counted and told; it is never slowed down
//! by its reader, nor is more than [`QUEUED_BYTES_MAX`] kept for it, whoever wrote it. The last part of that is for the lines
//! of the platform, so that a flood does not take the reason of a failure with it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use local_queue_terminal::note;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::recent::{LogSource, RecentLog};
use crate::clock::Clock;

/// The longest line; what is longer comes in pieces. It is the size of one event of Amazon `CloudWatch` Logs (documented).
pub const LINE_BYTES_MAX: usize = 256 * 1024;
/// How much is kept of what the sink has not taken yet.
pub const QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How much of that is for the platform alone.
const PLATFORM_BYTES: usize = 256 * 1024;
/// The longest line of the platform: START, END and REPORT are far shorter, what a function says about its end may be longer.
const PLATFORM_LINE_BYTES_MAX: usize = 8 * 1024;
/// What one line costs beside its bytes, so that empty lines are bounded too.
const LINE_BYTES_EXTRA: usize = size_of::<LogLine>() + 32;
/// How long the end of a function waits for its log.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// How much is read at a time.
const READ_BYTES: usize = 32 * 1024;
/// Maximum length of the log tail in a reply (`LogResult` in the API reference of `Invoke`).
const TAIL_BYTES_MAX: usize = 4 * 1024;

/// One line of a function's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The function's name.
    pub function: Arc<str>,
    /// The invocation that was going on when the line was read; none outside of one.
    pub request_id: Option<Arc<str>>,
    /// Who wrote it.
    pub source: LogSource,
    /// The line without its end. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Takes the lines of functions, on a thread of its own that it may block.
pub trait LogSink: Send + 'static {
    /// Takes one line.
    fn line(&mut self, line: &LogLine);
}

impl<F: FnMut(&LogLine) + Send + 'static> LogSink for F {
    fn line(&mut self, line: &LogLine) {
        self(line);
    }
}

/// Writes `function request-id | line` to the standard error, with control characters escaped; a carriage return begins a
/// line. A pipe that nobody reads any
/// more is silence.
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrSink;

impl LogSink for StderrSink {
    fn line(&mut self, line: &LogLine) {
        let LogLine { function, request_id, text, .. } = line;
        let request_id = request_id.as_deref().unwrap_or("-");
        // The runtimes of AWS part the lines of one event so, such as those of a traceback.
        let text = text.strip_suffix('\r').unwrap_or(text);
        for part in text.split('\r') {
            // Tabs stay: the lines of Lambda have them.
            note(format_args!("{function} {request_id} | {}", part.replace('\n', "\\n")));
        }
    }
}

/// The way of lines to their sink.
#[derive(Debug)]
pub(super) struct Log {
    function: Arc<str>,
    shared: Arc<Shared>,
    /// The last lines, whether the sink has taken them or not.
    recent: Arc<RecentLog>,
    /// The ends of the logs that somebody wants to be told, by the invocation.
    tails: Mutex<BTreeMap<Arc<str>, Vec<u8>>>,
}

/// The end of an invocation's log, kept from when this is made.
#[derive(Debug)]
pub(super) struct Tail<'a> {
    log: &'a Log,
    request_id: Arc<str>,
}

impl Tail<'_> {
    /// What has been kept so far, at most the last 4 KiB.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut kept = self.log.tails().get(&self.request_id).cloned().unwrap_or_default();
        kept.drain(..kept.len().saturating_sub(TAIL_BYTES_MAX));
        kept
    }
}

impl Drop for Tail<'_> {
    fn drop(&mut self) {
        self.log.tails().remove(&self.request_id);
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    has_line: Condvar,
    /// The sink has taken all there was.
    is_empty: Notify,
    dropped_lines: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// Since the last line that was kept.
    dropped_lines: u64,
    dropped_bytes: u64,
    is_closed: bool,
    /// The sink has a line in its hands.
    is_taking: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nobody panics with the lines in hand")
    }
}

impl Queue {
    fn is_at_rest(&self) -> bool {
        self.lines.is_empty() && !self.is_taking
    }

    /// Keeps a line if there is room for it.
    fn push(&mut self, bytes: usize, line: impl FnOnce() -> LogLine, bytes_max: usize) -> bool {
        if self.bytes + bytes + LINE_BYTES_EXTRA > bytes_max {
            self.dropped_lines += 1;
            self.dropped_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
            return false;
        }
        let line = line();
        self.bytes += cost(&line);
        self.lines.push_back(line);
        true
    }
}

const fn cost(line: &LogLine) -> usize {
    line.text.len() + LINE_BYTES_EXTRA
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.has_line.notify_one();
    }
}

impl Log {
    /// Starts the thread on which `sink` takes lines. It ends when the log is dropped and all lines are taken.
    pub(super) fn start(function: Arc<str>, mut sink: impl LogSink) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let taker = Arc::clone(&shared);
        let name = format!("log of {function}");
        thread::Builder::new().name(name).spawn(move || {
            while let Some(line) = next_line(&taker) {
                sink.line(&line);
            }
        })?;
        Ok(Self { function, shared, recent: Arc::default(), tails: Mutex::default() })
    }

    /// A line of the platform's own, cut if what it quotes is long.
    pub(super) fn platform(&self, request_id: Option<&Arc<str>>, mut text: String) {
        if text.len() > PLATFORM_LINE_BYTES_MAX {
            text.truncate(text.floor_char_boundary(PLATFORM_LINE_BYTES_MAX));
            text.push_str("...");
        }
        self.keep_tail(request_id, text.as_bytes());
        self.recent.push(Clock::wall_now(), LogSource::Platform, request_id.cloned(), &text);
        let line = |text| self.line(LogSource::Platform, request_id.cloned(), text);
        self.push(text.len(), || line(text), QUEUED_BYTES_MAX);
    }

    /// Waits until the sink has taken all lines, but not for one that takes none.
    pub(super) async fn flush(&self) {
        let emptied = async {
            loop {
                let notified = self.shared.is_empty.notified();
                if self.shared.lock().is_at_rest() {
                    return;
                }
                notified.await;
            }
        };
        let _ = timeout(FLUSH_TIMEOUT, emptied).await;
    }

    /// The last lines.
    pub(super) const fn recent(&self) -> &Arc<RecentLog> {
        &self.recent
    }

    /// How many lines nobody has seen.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.shared.dropped_lines.load(Ordering::Relaxed)
    }

    fn line(&self, source: LogSource, request_id: Option<Arc<str>>, text: String) -> LogLine {
        LogLine { function: Arc::clone(&self.function), request_id, source, text }
    }

    /// Keeps the end of the log of an invocation, as long as the result lives.
    pub(super) fn tail(&self, request_id: &Arc<str>) -> Tail<'_> {
        self.tails().insert(Arc::clone(request_id), Vec::new());
        Tail { log: self, request_id: Arc::clone(request_id) }
    }

    fn tails(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Vec<u8>>> {
        self.tails.lock().expect("nobody panics with the ends in hand")
    }

    fn keep_tail(&self, request_id: Option<&Arc<str>>, line: &[u8]) {
        let mut tails = self.tails();
        let Some(tail) = request_id.and_then(|request_id| tails.get_mut(request_id)) else { return };
        let last = &line[line.len().saturating_sub(TAIL_BYTES_MAX)..];
        // The runtimes of AWS part the lines of one event so, such as those of a traceback.
        tail.extend(last.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }));
        tail.push(b'\n');
        if tail.len() > 4 * TAIL_BYTES_MAX {
            tail.drain(..tail.len() - TAIL_BYTES_MAX);
        }
    }

    fn function_line(&self, source: LogSource, request_id: Option<Arc<str>>, bytes: &[u8]) {
        self.keep_tail(request_id.as_ref(), bytes);
        let text = String::from_utf8_lossy(bytes);
        self.recent.push(Clock::wall_now(), source, request_id.clone(), &text);
        let line = || self.line(source, request_id, text.into_owned());
        self.push(bytes.len(), line, QUEUED_BYTES_MAX - PLATFORM_BYTES);
    }

    fn push(&self, bytes: usize, line: impl FnOnce() -> LogLine, bytes_max: usize) {
        if self.shared.lock().push(bytes, line, bytes_max) {
            self.shared.has_line.notify_one();
        } else {
            self.shared.dropped_lines.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits for a line. Dropped lines are reported after the kept ones.
fn next_line(shared: &Shared) -> Option<LogLine> {
    let mut queue = shared.lock();
    queue.is_taking = false;
    loop {
        if let Some(line) = queue.lines.pop_front() {
            queue.is_taking = true;
            queue.bytes -= cost(&line);
            if queue.lines.is_empty() && queue.dropped_lines > 0 {
                let (lines, bytes) = (queue.dropped_lines, queue.dropped_bytes);
                (queue.dropped_lines, queue.dropped_bytes) = (0, 0);
                let text = format!("{lines} lines ({bytes} bytes) were dropped: they came faster than they were taken");
                let function = Arc::clone(&line.function);
                let request_id = line.request_id.clone();
                let dropped = || LogLine { function, request_id, source: LogSource::Platform, text };
                queue.push(0, dropped, QUEUED_BYTES_MAX);
            }
            return Some(line);
        }
        shared.is_empty.notify_waiters();
        if queue.is_closed {
            return None;
        }
        queue = shared.has_line.wait(queue).expect("nobody panics with the lines in hand");
    }
}

/// Reads what a process writes on one of its outputs.
#[derive(Debug)]
pub(super) struct LineReader {
    task: JoinHandle<()>,
    flush: mpsc::Sender<oneshot::Sender<()>>,
}

impl Drop for LineReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl LineReader {
    pub(super) fn start(
        output: impl AsyncRead + Unpin + Send + 'static,
        source: LogSource,
        log: Arc<Log>,
        request_id: watch::Receiver<Option<Arc<str>>>,
    ) -> Self {
        let (flush, flushes) = mpsc::channel(1);
        Self { task: tokio::spawn(read(output, Lines { source, log, request_id, rest: Vec::new() }, flushes)), flush }
    }

    /// Waits until all that had been written when this was called is handed on, or the output is closed.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.flush.send(done).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

async fn read(mut output: impl AsyncRead + Unpin, mut lines: Lines, mut flushes: mpsc::Receiver<oneshot::Sender<()>>) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        tokio::select! {
            // First all that there is to read.
            biased;
            read = output.read(&mut buffer) => match read {
                Ok(count) if count > 0 => lines.take(&buffer[..count]),
                _ => break,
            },
            Some(done) = flushes.recv() => {
                lines.end_line();
                let _ = done.send(());
            }
        }
    }
    lines.end_line();
}

/// Cuts what is read into lines.
struct Lines {
    source: LogSource,
    log: Arc<Log>,
    request_id: watch::Receiver<Option<Arc<str>>>,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX - self.rest.len();
            let end = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
            match end {
                Some(end) => {
                    self.rest.extend_from_slice(&bytes[..end]);
                    self.hand_on();
                    bytes = &bytes[end + 1..];
                }
                None if bytes.len() <= room => {
                    self.rest.extend_from_slice(bytes);
                    return;
                }
                None => {
                    self.rest.extend_from_slice(&bytes[..room]);
                    self.hand_on();
                    bytes = &bytes[room..];
                }
            }
        }
    }

    /// A line that is not ended is one all the same when its invocation or its process ends.
    fn end_line(&mut self) {
        if !self.rest.is_empty() {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        let line = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
        let request_id = self.request_id.borrow().clone();
        self.log.function_line(self.source, request_id, line);
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use super::*;

    /// The lines of `text`, written in pieces of `size` bytes.
    async fn lines_of(text: &[u8], size: usize) -> Vec<String> {
        let (sender, receiver) = std_mpsc::channel();
        let log = Log::start("resize".into(), move |line: &LogLine| sender.send(line.text.clone()).unwrap()).unwrap();
        let (_request, request_id) = watch::channel(None);
        let lines = Lines { source: LogSource::Stdout, log: Arc::new(log), request_id, rest: Vec::new() };
        let (mut input, output) = tokio::io::duplex(size);
        let (_flush, flushes) = mpsc::channel(1);
        let reading = tokio::spawn(read(output, lines, flushes));
        tokio::io::AsyncWriteExt::write_all(&mut input, text).await.unwrap();
        drop(input);
        reading.await.unwrap();
        receiver.iter().collect()
    }

    #[tokio::test]
    async fn lines_are_cut_at_their_ends_however_they_come() {
        for size in [1, 2, 7, 100] {
            let lines = lines_of(b"one\ntwo\r\n\nthree \xff\nno end", size).await;
            assert_eq!(lines, ["one", "two", "", "three \u{fffd}", "no end"], "{size}");
        }
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_comes_in_pieces() {
        let text = [&b"x".repeat(LINE_BYTES_MAX)[..], b"\n", &b"y".repeat(2 * LINE_BYTES_MAX + 3), b"\nz\n"].concat();
        let lines = lines_of(&text, 64 * 1024).await;
        let lengths = lines.iter().map(String::len).collect::<Vec<_>>();
        assert_eq!(lengths, [LINE_BYTES_MAX, LINE_BYTES_MAX, LINE_BYTES_MAX, 3, 1]);
    }

    #[test]
    fn the_end_of_an_invocations_log_is_kept_for_who_wants_it() {
        let log = Log::start("resize".into(), |_: &LogLine| {}).unwrap();
        let [wanted, other] = ["wanted", "other"].map(Arc::<str>::from);
        log.platform(Some(&wanted), "before".to_owned());
        let tail = log.tail(&wanted);
        log.platform(Some(&wanted), "START".to_owned());
        log.function_line(LogSource::Stdout, Some(Arc::clone(&wanted)), b"one\rtwo");
        log.function_line(LogSource::Stdout, Some(other), b"other");
        log.platform(None, "nobody's".to_owned());
        assert_eq!(tail.bytes(), b"START\none\ntwo\n");
        for _ in 0..100 {
            log.function_line(LogSource::Stderr, Some(Arc::clone(&wanted)), &[b'x'; 999]);
        }
        log.function_line(LogSource::Stderr, Some(Arc::clone(&wanted)), b"last");
        let bytes = tail.bytes();
        assert!(bytes.len() == TAIL_BYTES_MAX && bytes.ends_with(b"x\nlast\n"));
        drop(tail);
        assert!(log.tails().is_empty());
    }

    /// A log whose sink takes its first line only when the first of these is dropped, and what it takes.
    fn blocked() -> (Log, std_mpsc::Sender<()>, std_mpsc::Receiver<String>) {
        let (started, start) = std_mpsc::channel::<()>();
        let (sender, receiver) = std_mpsc::channel();
        let sink = move |line: &LogLine| {
            let _ = start.recv();
            sender.send(line.text.clone()).unwrap();
        };
        (Log::start("resize".into(), sink).unwrap(), started, receiver)
    }

    #[test]
    fn what_comes_faster_than_it_is_taken_is_dropped_and_counted() {
        let (log, started, receiver) = blocked();
        let line = vec![b'x'; 1024 - LINE_BYTES_EXTRA];
        // One is with the sink or is not yet; the others fill the queue.
        let kept_max = (QUEUED_BYTES_MAX - PLATFORM_BYTES) / 1024 + 1;
        for _ in 0..kept_max + 9 {
            log.function_line(LogSource::Stdout, None, &line);
        }
        log.platform(None, "END".to_owned());
        let dropped = log.dropped_lines();
        assert!((9..=10).contains(&dropped), "{dropped}");
        drop((started, log));
        let mut lines = receiver.iter().collect::<Vec<_>>();
        let last = lines.pop().unwrap();
        assert!(last.starts_with(&format!("{dropped} lines (")), "{last}");
        assert_eq!(lines.pop().unwrap(), "END");
        assert_eq!(lines.len() as u64 + dropped, kept_max as u64 + 9);
    }

    #[test]
    fn lines_of_the_platform_have_the_same_bound() {
        let (log, started, receiver) = blocked();
        let text = "x".repeat(PLATFORM_LINE_BYTES_MAX * 2);
        for _ in 0..2 * QUEUED_BYTES_MAX / PLATFORM_LINE_BYTES_MAX {
            log.platform(None, text.clone());
        }
        let dropped = log.dropped_lines();
        drop((started, log));
        let lines = receiver.iter().collect::<Vec<_>>();
        let bytes = lines.iter().map(String::len).sum::<usize>();
        assert!(bytes <= QUEUED_BYTES_MAX + PLATFORM_LINE_BYTES_MAX + 3, "{bytes} bytes were kept");
        assert!(dropped > 0 && lines.last().unwrap().starts_with(&format!("{dropped} lines (")), "{dropped}");
    }

    #[test]
    fn a_line_of_the_platform_that_quotes_too_much_is_cut() {
        let (log, started, receiver) = blocked();
        log.platform(None, "\u{e9}".repeat(PLATFORM_LINE_BYTES_MAX));
        drop((started, log));
        let line = receiver.recv().unwrap();
        assert!(line.len() <= PLATFORM_LINE_BYTES_MAX + 3 && line.ends_with("\u{e9}..."), "{}", line.len());
    }
}
