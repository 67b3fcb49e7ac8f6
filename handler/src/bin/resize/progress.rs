//! What happens, as it happens: a bar on a terminal, and the tally for the report.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use handler::batch::{Observer, Outcome};
use handler::event::Message;
use handler::job::ResizeJob;
use handler::resize::{Oddities, Resized};
use handler::storage::Location;
use indicatif::{ProgressBar, ProgressStyle};

use super::report::{Done, Odd, OutputFile, RetriedImage};

/// How often the bar moves although nothing has happened, so that its time goes on.
const TICK: Duration = Duration::from_millis(200);

/// The bar of this process, if it has one.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Writes to standard error while the bar is out of the way.
pub(crate) fn beside_bar<T>(write: impl FnOnce() -> T) -> T {
    match BAR.get() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Watches the batches.
pub(crate) struct Progress {
    bar: ProgressBar,
    receives_max: u32,
    tally: Mutex<Tally>,
}

/// What has been done so far. It grows with what went wrong, and with every image only if every one is to be listed.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) outputs: u64,
    pub(crate) skipped: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) each: Option<Vec<Done>>,
    pub(crate) retried: Vec<RetriedImage>,
    pub(crate) odd: Vec<Odd>,
    /// The last failures of messages that are retried, by message id.
    pub(crate) last_failures: HashMap<String, String>,
}

impl Progress {
    /// For so many images, of which each is listed or not; a message is received at most so many times.
    pub(crate) fn new(images: u64, list_each: bool, receives_max: u32) -> Self {
        // Without a terminal on standard error it draws nothing.
        let bar = ProgressBar::new(images);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {elapsed_precise}  {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        drop(BAR.set(bar.clone()));
        let tally = Tally { each: list_each.then(Vec::new), ..Tally::default() };
        Self { bar, receives_max, tally: Mutex::new(tally) }
    }

    /// Takes the bar away and the tally out.
    pub(crate) fn finish(&self) -> Tally {
        self.bar.finish_and_clear();
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer<Resized> for Progress {
    fn ended(&self, message: &Message, outcome: &Outcome<Resized>) {
        let mut tally = self.lock();
        match outcome {
            Outcome::Done(resized) => tally.done(message, resized),
            Outcome::Reported { failure, .. } => {
                let id = message.id.clone().unwrap_or_default();
                tally.last_failures.insert(id, format!("{}: {failure}", failure.kind));
                self.bar.set_message(format!("{} to retry", tally.last_failures.len()));
                // The queue moves it to the dead-letter queue without asking anyone.
                if message.receive_count() < self.receives_max {
                    return;
                }
            }
            Outcome::DeadLettered(_) | Outcome::Duplicate { .. } => {}
        }
        drop(tally);
        self.bar.inc(1);
    }
}

impl Tally {
    fn done(&mut self, message: &Message, resized: &Resized) {
        self.done += 1;
        self.outputs += resized.outputs.len() as u64;
        self.skipped += resized.skipped.len() as u64;
        self.bytes_in += resized.bytes_in;
        self.bytes_out += resized.bytes_out();
        let receives = message.receive_count();
        if receives > 1 {
            let last = message.id.as_ref().and_then(|id| self.last_failures.remove(id));
            // What is dropped at the end of the function's time has no last words.
            let reason = last.unwrap_or_else(|| "the function ended before it".to_owned());
            self.retried.push(RetriedImage { source: source_of(message), receives, reason });
        }
        let oddities = resized.oddities;
        if oddities != Oddities::default() {
            self.odd.push(Odd { source: source_of(message), oddities });
        }
        if let Some(each) = &mut self.each {
            let outputs = resized.outputs.iter().map(|output| OutputFile {
                path: path_of(&output.target),
                bytes: output.bytes,
                image: output.image,
            });
            let outputs = outputs.collect();
            let skipped = resized.skipped.iter().map(path_of).collect();
            let (source, bytes_in) = (source_of(message), resized.bytes_in);
            each.push(Done { source, receives, bytes_in, outputs, skipped, oddities });
        }
    }
}

fn source_of(message: &Message) -> PathBuf {
    ResizeJob::parse(&message.body).map(|job| path_of(job.source())).unwrap_or_default()
}

/// The path of a `file://` location.
pub(crate) fn path_of(location: &Location) -> PathBuf {
    PathBuf::from(format!("/{}", location.key()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use handler::failure::{Blame, Failure};

    fn message(id: &str, receives: u32) -> Message {
        let body = r#"{"source":"file:///a.jpg","outputs":[{"target":"file:///b.jpg","width":1}]}"#;
        let attributes = [("ApproximateReceiveCount".to_owned(), receives.to_string())].into();
        Message { id: Some(id.to_owned()), body: body.to_owned(), attributes, ..Message::default() }
    }

    #[test]
    fn an_image_that_was_made_at_the_second_try_is_retried_and_done() {
        let progress = Progress::new(2, false, 3);
        let failure = Failure::transient(Blame::Environment, "storage-full", "no room");
        let outcome = Outcome::Reported { failure, visible_in: None };
        progress.ended(&message("1", 1), &outcome);
        progress.ended(&message("2", 3), &outcome);
        progress.ended(&message("1", 2), &Outcome::Done(Resized::default()));
        assert_eq!(progress.bar.position(), 2, "the second is given up and the first is done");
        let tally = progress.finish();
        assert_eq!(tally.done, 1);
        assert_eq!(tally.retried.len(), 1);
        let RetriedImage { source, receives, reason } = &tally.retried[0];
        assert_eq!((source.to_str(), *receives, reason.as_str()), (Some("/a.jpg"), 2, "storage-full: no room"));
        assert_eq!(tally.last_failures.into_iter().collect::<Vec<_>>(), [("2".into(), "storage-full: no room".into())]);
    }
}
