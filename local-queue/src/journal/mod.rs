//! Queues that outlive their process: what was answered is on the disk.
//!
//! The engine is a state machine whose time and identifiers are arguments. So what is kept is what it was asked: one *record*
//! for each request, with its time, and a digest of what came of it. Asked again, it comes to the same state; should it not,
//! because another version thinks otherwise, the digest tells, and nothing starts.
//!
//! - [`format`]: headers, frames, names of files. `reader`: the frames of a file, and what is behind the last whole one.
//! - `log`: records on their way to the disk, group by group, and who waits for them. `segment`: the file they go to.
//! - `snapshot`: the state in one file. It is made from the files, beside the queues, which do not stop for it.
//! - `recovery`: from the files to the state. [`tools`]: what people do with the files.
//! - `disk`: a folder of files, as small as this needs it, so that a test can have one that fails.
//!
//! What it must hold:
//! - A record is on the disk before anything that follows from it is answered, also to who only looked.
//! - What is at the end of the last file and was never known to be on the disk is cut, and said. Whatever else cannot be read
//!   stops the start.
//! - A sync that failed ends it: nothing is accepted or answered after it.

mod disk;
mod error;
mod format;
mod log;
mod reader;
mod recovery;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod tools;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use self::error::{JournalError, Opened};
use self::{
    disk::{Disk, Folder},
    format::Header,
    log::Log,
    recovery::{Files, Recovered},
};
pub(crate) use self::{log::Need, segment::Options};
use crate::{
    engine::{Engine, EngineError, Limits, Scope, Time},
    receipt_handle::Secret,
};

/// When an answer is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When what it is about is on the disk: neither SIGKILL nor a power failure takes it back.
    #[default]
    Synced,
    /// At once. What the last second brought may be lost in a power failure, and in a crash of this process what it had not
    /// handed to the system, which is a few milliseconds; never something in between what is kept.
    Relaxed,
}

/// How long written records may stay unsynced when nobody waits for them.
const RELAXED_SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How long a sync waits at most for those who waited for the one before, who are about to ask again.
const GATHER_MAX: Duration = Duration::from_millis(1);
/// Numbers left out after a run that may have given some away that were forgotten.
const SKIPPED: u64 = 1 << 20;

/// A journal at work.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Arc<Log>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Bytes of the last snapshot.
    snapshot_bytes: Arc<AtomicU64>,
    is_closed: AtomicBool,
}

/// Whose queues are opened.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) limits: Limits,
    pub(crate) scope: Scope,
    pub(crate) seed: Option<u64>,
    pub(crate) now: Time,
}

/// Queues as they were left, and the journal that goes on with them.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) engine: Engine,
    pub(crate) secret: Secret,
    pub(crate) journal: Journal,
    pub(crate) opened: Opened,
}

impl Journal {
    /// Opens the queues of a folder of this machine.
    pub(crate) fn open(path: &Path, owner: &Owner, options: Options) -> Result<Start, JournalError> {
        let folder = Folder::take(path).map_err(JournalError::io("open", path.display().to_string()))?;
        let disk: Arc<dyn Disk> = Arc::new(folder);
        Self::open_on(&disk, owner, options)
    }

    /// Opens the queues that are on a disk.
    pub(crate) fn open_on(disk: &Arc<dyn Disk>, owner: &Owner, options: Options) -> Result<Start, JournalError> {
        let recovered = recovery::read(&**disk, u64::MAX)?;
        remove_unfinished(&**disk).map_err(JournalError::io("remove unfinished files from", disk.place("")))?;
        let Recovered { mut engine, header, last, end, mut opened } = match recovered {
            Some(recovered) => recovered,
            None => first(owner),
        };
        if let Some(given) = owner.seed.filter(|given| *given != header.seed) {
            return Err(JournalError::OtherSeed { place: disk.place(""), stored: header.seed, given });
        }
        if let Some((name, end)) = end {
            // What is torn, and room that was not used, may be needed on a disk that is full. Elsewhere it does no harm.
            let _ = disk.open(&name).and_then(|file| file.set_len(end as u64));
        }
        let snapshot_bytes = AtomicU64::new(0);
        let header = Header { program: env!("CARGO_PKG_VERSION").to_owned(), ..header };
        let begun_at = owner.now.max(opened.last_at);
        // Kept as it was found, before anything changes: what was done again need not be done once more. Without room for it
        // the files stay as they are.
        if opened.replayed > 0 {
            let header = Header { is_snapshot: true, number: last, begun_at: opened.last_at, ..header.clone() };
            match snapshot::write(&**disk, &header, &engine) {
                Ok(bytes) => snapshot_bytes.store(bytes, Ordering::Relaxed),
                Err(error) if segment::is_full(&error) => tracing::warn!("no room for a snapshot: {error}"),
                Err(error) => return Err(JournalError::io("write a snapshot to", disk.place(""))(error)),
            }
        }
        let skipped = if header.is_relaxed { SKIPPED } else { 0 };
        engine.begin_anew(owner.limits.clone(), skipped);
        opened.queues = engine.queues().count();
        let header = Header {
            is_snapshot: false,
            number: last + 1,
            begun_at,
            begins_anew: true,
            skipped,
            is_relaxed: options.durability == Durability::Relaxed,
            limits: owner.limits.clone(),
            ..header
        };
        let secret = header.secret.clone();
        let log = Log::begin(Arc::clone(disk), options, header, last, 0);
        let log = log.map_err(JournalError::io("begin a segment in", disk.place("")))?;
        remove_behind(&**disk, last).map_err(JournalError::io("remove old files from", disk.place("")))?;
        let journal = Self {
            log: Arc::new(log),
            threads: Mutex::default(),
            snapshot_bytes: Arc::new(snapshot_bytes),
            is_closed: AtomicBool::new(false),
        };
        journal.log.keep_spare();
        journal.count_bytes();
        if !journal.log.options.is_inline {
            journal.start().map_err(JournalError::io("start the thread for", disk.place("")))?;
        }
        Ok(Start { engine, secret, journal, opened })
    }

    fn start(&self) -> std::io::Result<()> {
        let (log, snapshot_bytes) = (Arc::clone(&self.log), Arc::clone(&self.snapshot_bytes));
        let thread =
            thread::Builder::new().name("journal".to_owned()).spawn(move || Writer { log, snapshot_bytes }.run());
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread?);
        Ok(())
    }

    pub(crate) fn admit(&self, bytes: usize, need: Need) -> Result<(), EngineError> {
        self.log.admit(bytes, need)
    }

    /// Adds a record: at this time these commands, which came to this outcome.
    pub(crate) fn append(&self, now: Time, outcome: u32, commands: &[u8]) -> u64 {
        self.log.append(|payload| {
            crate::engine::codec::Encoder::new(payload, "").time(now);
            payload.extend_from_slice(&outcome.to_le_bytes());
            payload.extend_from_slice(commands);
        })
    }

    pub(crate) fn last(&self) -> u64 {
        self.log.last()
    }

    pub(crate) fn is_kept(&self, number: u64) -> bool {
        self.log.is_kept(number)
    }

    pub(crate) fn poll_kept(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), EngineError>> {
        self.log.poll_kept(number, cx)
    }

    pub(crate) fn wait(&self, number: u64) -> Result<(), EngineError> {
        let waited = self.log.wait(number);
        if self.log.options.is_inline {
            Writer { log: Arc::clone(&self.log), snapshot_bytes: Arc::clone(&self.snapshot_bytes) }.tidy();
        }
        waited
    }

    /// Ready when nothing is taken any more.
    pub(crate) fn poll_failed(&self, cx: &Context<'_>) -> Poll<()> {
        self.log.poll_failed(cx)
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.log.failure()
    }

    /// Records and syncs so far.
    pub(crate) fn figures(&self) -> (u64, u64) {
        (self.log.last(), self.log.syncs.load(Ordering::Relaxed))
    }

    /// The prefix that ARNs are written without.
    pub(crate) fn prefix(&self) -> &str {
        &self.log.header.prefix
    }

    fn count_bytes(&self) {
        count_bytes(&self.log, &self.snapshot_bytes);
    }

    /// Ends: everything is written, and the state of the engine, whose effects have all been taken, is kept in a snapshot.
    /// From then on the files are those of whoever opens them next, also while clones of these queues are about.
    pub(crate) fn close(&self, engine: &Engine) -> Result<(), JournalError> {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let kept = self.finish(engine);
        self.log.disk.release();
        kept
    }

    fn finish(&self, engine: &Engine) -> Result<(), JournalError> {
        self.log.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
        if self.log.failure().is_some() {
            return Ok(());
        }
        self.log.write_all();
        if self.log.failure().is_some() {
            return Ok(());
        }
        self.log.end();
        let disk = &*self.log.disk;
        let header = Header {
            is_snapshot: true,
            number: self.log.last(),
            begun_at: engine.now(),
            begins_anew: false,
            skipped: 0,
            ..self.log.header.clone()
        };
        let kept = snapshot::write(disk, &header, engine).and_then(|_| {
            let files = Files::list(disk).map_err(std::io::Error::other)?;
            for (_, name) in
                files.segments.iter().chain(files.snapshots.iter().filter(|(last, _)| *last < header.number))
            {
                disk.remove(name)?;
            }
            for name in &files.unfinished {
                disk.remove(name)?;
            }
            disk.sync_names()
        });
        // Without a snapshot the records are there, and will be done again.
        kept.map_err(JournalError::io("write a snapshot to", disk.place("")))
    }
}

/// What there is before the first record.
fn first(owner: &Owner) -> Recovered {
    let seed = owner.seed.unwrap_or_else(|| fastrand::u64(..));
    let secret = owner.seed.map_or_else(Secret::random, Secret::seeded);
    let header = Header {
        program: String::new(),
        is_snapshot: false,
        number: 1,
        begun_at: owner.now,
        begins_anew: true,
        skipped: 0,
        is_relaxed: false,
        seed,
        store: secret.store(),
        secret,
        prefix: owner.scope.arn("").as_str().to_owned(),
        limits: owner.limits.clone(),
    };
    let engine = Engine::new(owner.limits.clone(), seed).with_store(header.store);
    Recovered { engine, header, last: 0, end: None, opened: Opened::default() }
}

/// Removes what was never finished.
fn remove_unfinished(disk: &dyn Disk) -> std::io::Result<()> {
    let files = Files::list(disk).map_err(std::io::Error::other)?;
    files.unfinished.iter().try_for_each(|name| disk.remove(name))
}

/// Removes what the newest snapshot makes superfluous, if it is that of this record or of one before.
fn remove_behind(disk: &dyn Disk, last: u64) -> std::io::Result<()> {
    let files = Files::list(disk).map_err(std::io::Error::other)?;
    let newest = files.snapshots.iter().rev().map(|(number, _)| *number).find(|number| *number <= last);
    let behind = newest.map(|newest| files.behind(newest)).unwrap_or_default();
    behind.into_iter().try_for_each(|name| disk.remove(name))
}

fn count_bytes(log: &Log, snapshot_bytes: &AtomicU64) {
    // The segment that is written to counts its own.
    let sealed = Files::list(&*log.disk).map_or(0, |files| files.segments.len().saturating_sub(1) as u64);
    let sealed = sealed * log.options.segment_bytes;
    log.set_others_bytes(sealed + 2 * snapshot_bytes.load(Ordering::Relaxed));
}

/// The thread that writes.
struct Writer {
    log: Arc<Log>,
    snapshot_bytes: Arc<AtomicU64>,
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a sync of the disk takes has nothing to do with the time of queues"
    )]
    fn run(self) {
        let is_relaxed = self.log.options.durability == Durability::Relaxed;
        let (mut synced_at, mut is_synced) = (Instant::now(), true);
        let mut snapshot = None::<JoinHandle<()>>;
        let waits = |is_synced: bool, synced_at: Instant| {
            (is_relaxed && !is_synced).then(|| RELAXED_SYNC_INTERVAL.saturating_sub(synced_at.elapsed()))
        };
        while let Some(batch) = self.log.take(|| waits(is_synced, synced_at)) {
            let (records, began) = (batch.records, Instant::now());
            let syncs = !is_relaxed || synced_at.elapsed() >= RELAXED_SYNC_INTERVAL;
            if !self.log.write(batch, syncs) {
                break;
            }
            is_synced = syncs;
            if syncs {
                synced_at = Instant::now();
            }
            if snapshot.as_ref().is_none_or(JoinHandle::is_finished)
                && self.log.is_to_rotate(self.snapshot_bytes.load(Ordering::Relaxed))
            {
                if !is_synced {
                    self.log.write_all();
                }
                snapshot = self.rotate().and_then(|up_to| self.snapshot_beside(up_to));
            }
            if !is_relaxed {
                // Those who are answered now are about to ask again, and had better be synced together.
                self.log.gather(records, began.elapsed().min(GATHER_MAX));
            }
        }
        self.log.write_all();
        if let Some(snapshot) = snapshot {
            let _ = snapshot.join();
        }
    }

    /// Begins another segment if it is time, and makes a snapshot of those before.
    fn tidy(&self) {
        if self.log.is_to_rotate(self.snapshot_bytes.load(Ordering::Relaxed))
            && let Some(up_to) = self.rotate()
        {
            self.snapshot(up_to);
        }
    }

    fn rotate(&self) -> Option<u64> {
        match self.log.rotate(self.log.header.begun_at) {
            Ok(up_to) => Some(up_to),
            Err(error) => {
                tracing::warn!("failed to start a journal segment: {error}");
                None
            }
        }
    }

    fn snapshot_beside(&self, up_to: u64) -> Option<JoinHandle<()>> {
        let writer = Self { log: Arc::clone(&self.log), snapshot_bytes: Arc::clone(&self.snapshot_bytes) };
        thread::Builder::new().name("snapshot".to_owned()).spawn(move || writer.snapshot(up_to)).ok()
    }

    /// Makes a snapshot from the files, and removes those that it makes superfluous.
    fn snapshot(&self, up_to: u64) {
        let disk = &*self.log.disk;
        let made = recovery::read(disk, up_to).and_then(|recovered| {
            let Some(Recovered { engine, header, last, opened, .. }) = recovered else { return Ok(()) };
            let header = Header { is_snapshot: true, number: last, begun_at: opened.last_at, ..header };
            let bytes = snapshot::write(disk, &header, &engine)
                .map_err(JournalError::io("write a snapshot to", disk.place("")))?;
            self.snapshot_bytes.store(bytes, Ordering::Relaxed);
            remove_behind(disk, last).map_err(JournalError::io("remove old files from", disk.place("")))
        });
        if let Err(error) = made {
            // Nothing is lost by it: the records are there. The next one may succeed.
            tracing::warn!("failed to write a snapshot: {error}");
        }
        self.log.keep_spare();
        count_bytes(&self.log, &self.snapshot_bytes);
    }
}
