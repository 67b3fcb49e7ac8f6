//! Records on their way to the disk: numbered and put behind each other under the lock of the queues, written and synced
//! together by one thread, and only then answered for.
//!
//! Room comes first. A record is let in only if there is room for it in the file already, which is taken from the disk in
//! steps. What would make the queues grow must leave a part of that room, what receives and deletes a smaller one, so that a
//! full disk refuses the former and lets the latter go on.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::{
    Durability,
    disk::Disk,
    format::{FRAME, Header, add_frame, seal_frames},
    segment::{Options, SPARE, Segment, is_full},
};
use crate::engine::{EngineError, Time};

/// Records after which it is tried once more to make room by a snapshot.
const TRIED_AGAIN_AFTER: u64 = 16;

/// What a record is for, by which it gets the last of the room or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It makes the queues grow.
    Growth,
    /// It receives, deletes, or changes.
    Work,
    /// It cannot be refused: it says what has happened.
    Fact,
}

/// The records that are not on the disk yet, and who waits for them.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: Options,
    pub(super) header: Header,
    pending: Mutex<Pending>,
    /// Rings when there is something to write.
    work: Condvar,
    /// Rings when something is on the disk.
    done: Condvar,
    durable: AtomicU64,
    has_failed: AtomicBool,
    /// Writes and syncs, for the figures.
    pub(super) syncs: AtomicU64,
}

#[derive(Debug)]
struct Pending {
    bytes: Vec<u8>,
    records: u64,
    /// The number of the last record.
    last: u64,
    segment: Segment,
    /// Bytes of all other files, the snapshot twice: the next one is written beside it.
    others_bytes: u64,
    waiting: Vec<(u64, Waker)>,
    is_idle: bool,
    is_closing: bool,
    /// Whether somebody was refused for want of room.
    wants_rotation: bool,
    /// The last record when that was last tried to be made.
    tried_at: u64,
    failure: Option<String>,
}

/// What the writer takes at once.
pub(super) struct Batch {
    bytes: Vec<u8>,
    pub(super) records: u64,
    last: u64,
    segment: Segment,
}

/// Why the journal no longer accepts records.
pub(super) fn unavailable(reason: impl Into<String>) -> EngineError {
    EngineError::Unavailable { reason: reason.into() }
}

impl Log {
    /// Begins a segment behind the record `last`.
    pub(super) fn begin(
        disk: Arc<dyn Disk>,
        options: Options,
        header: Header,
        last: u64,
        others_bytes: u64,
    ) -> io::Result<Self> {
        let segment = match Segment::create(&*disk, &options, &header) {
            Err(error) if is_full(&error) => Segment::create_small(&*disk, &options, &header),
            created => created,
        };
        let segment = segment?;
        let pending = Pending {
            bytes: Vec::new(),
            records: 0,
            last,
            segment,
            others_bytes,
            waiting: Vec::new(),
            is_idle: false,
            is_closing: false,
            wants_rotation: false,
            tried_at: last,
            failure: None,
        };
        Ok(Self {
            disk,
            options,
            header,
            pending: Mutex::new(pending),
            work: Condvar::new(),
            done: Condvar::new(),
            durable: AtomicU64::new(last),
            has_failed: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // What is behind it is changed by assignments alone, between which nothing panics.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a record of so many bytes, or refuses it.
    pub(super) fn admit(&self, bytes: usize, need: Need) -> Result<(), EngineError> {
        let mut pending = self.lock();
        if let Some(failure) = &pending.failure {
            return Err(unavailable(failure.clone()));
        }
        let kept = match need {
            Need::Growth => self.options.kept_bytes,
            Need::Work => self.options.kept_bytes / 4,
            Need::Fact => 0,
        };
        let needed = pending.segment.end + (bytes + FRAME + 16) as u64 + kept;
        if needed <= pending.segment.allocated {
            return Ok(());
        }
        let len = (needed - pending.segment.allocated).next_multiple_of(self.options.step_bytes.max(1));
        let taken = pending.others_bytes.saturating_add(pending.segment.allocated + len);
        if need == Need::Growth && taken > self.options.bytes_max {
            pending.wants_rotation = true;
            self.work.notify_one();
            let max = self.options.bytes_max;
            return Err(unavailable(format!(
                "the journal would take more than {max} bytes of disk (--data-max): delete messages, or purge a queue"
            )));
        }
        match pending.segment.allocate(len) {
            Ok(()) => Ok(()),
            // Where there is none, room for these few bytes may still be found when they are written.
            Err(_) if need == Need::Fact => Ok(()),
            Err(error) if is_full(&error) => {
                // A snapshot may make room.
                pending.wants_rotation = true;
                self.work.notify_one();
                Err(unavailable(format!("the disk of the journal is full ({error}): messages can still be deleted")))
            }
            Err(error) => Err(self.fail(pending, &error)),
        }
    }

    /// Adds a record, and says its number.
    pub(super) fn append(&self, payload: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let mut pending = self.lock();
        if pending.failure.is_some() {
            return pending.last + 1;
        }
        pending.last += 1;
        pending.records += 1;
        let (number, before) = (pending.last, pending.bytes.len());
        add_frame(&mut pending.bytes, number, payload);
        pending.segment.end += (pending.bytes.len() - before) as u64;
        if pending.is_idle {
            self.work.notify_one();
        }
        number
    }

    /// The number of the last record.
    pub(super) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Whether a record may be answered for.
    pub(super) fn is_kept(&self, number: u64) -> bool {
        let is_kept = self.options.durability == Durability::Relaxed || number <= self.durable.load(Ordering::Acquire);
        is_kept && !self.has_failed.load(Ordering::Acquire)
    }

    /// Ready when a record may be answered for.
    pub(super) fn poll_kept(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), EngineError>> {
        if self.is_kept(number) {
            return Poll::Ready(Ok(()));
        }
        if self.options.is_inline {
            return Poll::Ready(self.wait(number));
        }
        let mut pending = self.lock();
        if let Some(failure) = &pending.failure {
            return Poll::Ready(Err(unavailable(failure.clone())));
        }
        if self.is_kept(number) {
            return Poll::Ready(Ok(()));
        }
        pending.waiting.push((number, cx.waker().clone()));
        Poll::Pending
    }

    /// Returns when a record may be answered for.
    pub(super) fn wait(&self, number: u64) -> Result<(), EngineError> {
        while self.options.is_inline && !self.is_kept(number) && self.failure().is_none() {
            self.write_all();
        }
        let mut pending = self.lock();
        loop {
            if let Some(failure) = &pending.failure {
                return Err(unavailable(failure.clone()));
            }
            if self.is_kept(number) {
                return Ok(());
            }
            pending = self.done.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ready when nothing is taken any more.
    pub(super) fn poll_failed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut pending = self.lock();
        if pending.failure.is_some() {
            return Poll::Ready(());
        }
        // As who waits for a record that never comes.
        if !pending.waiting.iter().any(|(number, waker)| *number == u64::MAX && waker.will_wake(cx.waker())) {
            pending.waiting.push((u64::MAX, cx.waker().clone()));
        }
        Poll::Pending
    }

    /// Why the journal no longer accepts records, if it failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Takes no more, after what the disk has said. A sync that failed is never tried again: what it was to write may be gone
    /// from the memory of the system, so that the next one would succeed without it.
    fn fail(&self, mut pending: MutexGuard<'_, Pending>, error: &io::Error) -> EngineError {
        let reason = format!("writing the journal failed ({error}); no further requests are accepted");
        if pending.failure.is_none() {
            tracing::error!("{reason}");
            pending.failure = Some(reason.clone());
        }
        self.has_failed.store(true, Ordering::Release);
        self.tell(&mut pending);
        unavailable(reason)
    }

    fn tell(&self, pending: &mut Pending) {
        let (durable, has_failed) = (self.durable.load(Ordering::Acquire), pending.failure.is_some());
        for (_, waker) in pending.waiting.extract_if(.., |(number, _)| has_failed || *number <= durable) {
            waker.wake();
        }
        self.done.notify_all();
        self.work.notify_all();
    }

    // What the writer does.

    /// Waits for something to write; nothing when the journal is closed and everything is written.
    pub(super) fn take(&self, waits: impl Fn() -> Option<std::time::Duration>) -> Option<Batch> {
        let mut pending = self.lock();
        while pending.records == 0 && !pending.wants_rotation {
            if pending.is_closing || pending.failure.is_some() {
                return None;
            }
            pending.is_idle = true;
            pending = match waits() {
                None => self.work.wait(pending).unwrap_or_else(PoisonError::into_inner),
                Some(within) => {
                    let waited = self.work.wait_timeout(pending, within).unwrap_or_else(PoisonError::into_inner);
                    if waited.1.timed_out() {
                        pending = waited.0;
                        break;
                    }
                    waited.0
                }
            };
        }
        pending.is_idle = false;
        Some(pending.take())
    }

    /// Waits until there are so many records to write, but no longer than `within`.
    pub(super) fn gather(&self, records: u64, within: std::time::Duration) {
        let pending = self.lock();
        if pending.records > 0 && pending.records < records && !pending.is_closing {
            let mut pending = pending;
            pending.is_idle = true;
            let is_few = |pending: &mut Pending| pending.records < records && !pending.is_closing;
            let waited = self.work.wait_timeout_while(pending, within, is_few);
            waited.unwrap_or_else(PoisonError::into_inner).0.is_idle = false;
        }
    }

    /// Writes what was taken, and syncs it if `syncs`. Says whether it could.
    pub(super) fn write(&self, mut batch: Batch, syncs: bool) -> bool {
        seal_frames(&mut batch.bytes, self.durable.load(Ordering::Acquire));
        let offset = batch.segment.end - batch.bytes.len() as u64;
        let written = if batch.bytes.is_empty() { Ok(()) } else { batch.segment.file.write_at(&batch.bytes, offset) };
        let synced = written.and_then(|()| if syncs { batch.segment.file.sync() } else { Ok(()) });
        let mut pending = self.lock();
        if let Err(error) = synced {
            self.fail(pending, &error);
            return false;
        }
        if syncs {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            self.durable.store(batch.last, Ordering::Release);
        }
        if pending.bytes.is_empty() {
            batch.bytes.clear();
            pending.bytes = batch.bytes;
        }
        self.tell(&mut pending);
        true
    }

    /// Writes everything that there is.
    pub(super) fn write_all(&self) {
        loop {
            let batch = self.lock().take();
            if batch.records == 0 && self.durable.load(Ordering::Acquire) >= batch.last {
                return;
            }
            if !self.write(batch, true) {
                return;
            }
        }
    }

    /// Whether the segment has got so long that another one is to be begun, and a snapshot made of those before; or whether
    /// somebody was refused for want of room, which a snapshot may make.
    pub(super) fn is_to_rotate(&self, snapshot_bytes: u64) -> bool {
        let mut pending = self.lock();
        let wants = std::mem::take(&mut pending.wants_rotation);
        let len = pending.segment.end;
        // A snapshot is not made for fewer bytes of records than it has itself.
        let is_long = len >= self.options.segment_bytes.max(snapshot_bytes);
        let may_help = wants
            && len + pending.others_bytes >= 2 * self.options.step_bytes
            && pending.last >= pending.tried_at + TRIED_AGAIN_AFTER;
        let is_to_rotate = pending.failure.is_none() && (is_long || may_help);
        if is_to_rotate {
            pending.tried_at = pending.last;
        }
        is_to_rotate
    }

    /// Begins another segment, when everything up to its beginning is on the disk, and says up to which record that is.
    /// Where there is no room for one, the present one goes on, and the snapshot is made of a part of it.
    pub(super) fn rotate(&self, begun_at: Time) -> io::Result<u64> {
        let last = self.durable.load(Ordering::Acquire);
        let header = Header { number: last + 1, begun_at, begins_anew: false, skipped: 0, ..self.header.clone() };
        let mut segment = match self.create_segment(&header) {
            Err(error) if is_full(&error) => return Ok(last),
            created => created?,
        };
        let mut pending = self.lock();
        // Those that came meanwhile go into the new one.
        let room = pending.bytes.len() as u64 + self.options.kept_bytes / 4;
        if room > segment.allocated - segment.end && segment.allocate(room).is_err() {
            drop(pending);
            return self.disk.remove(&segment.name).map(|()| last);
        }
        segment.end += pending.bytes.len() as u64;
        let before = std::mem::replace(&mut pending.segment, segment);
        let len = before.end - pending.bytes.len() as u64;
        pending.others_bytes += len;
        drop(pending);
        // What it does not need is given back. That this may fail costs room, and nothing else.
        let _ = before.file.set_len(len);
        Ok(last)
    }

    /// Makes a segment, on a disk that is full with the room that was kept for it.
    fn create_segment(&self, header: &Header) -> io::Result<Segment> {
        match Segment::create(&*self.disk, &self.options, header) {
            Err(error) if is_full(&error) && self.disk.remove(SPARE).is_ok() => {
                Segment::create_small(&*self.disk, &self.options, header)
            }
            created => created,
        }
    }

    /// Keeps room for a segment and a small snapshot, which make room on a disk that has become full. Where there is none now,
    /// there may be some later.
    pub(super) fn keep_spare(&self) {
        let is_there = self.disk.list().is_ok_and(|names| names.iter().any(|name| name == SPARE));
        if !is_there {
            let spare = self.disk.create(SPARE).and_then(|spare| spare.allocate(0, self.options.step_bytes));
            if spare.is_err() {
                let _ = self.disk.remove(SPARE);
            }
        }
    }

    /// Says how many bytes all other files take.
    pub(super) fn set_others_bytes(&self, bytes: u64) {
        self.lock().others_bytes = bytes;
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        let mut pending = self.lock();
        pending.is_closing = true;
        self.work.notify_all();
        drop(pending);
    }

    /// Refuses everything from here on.
    pub(super) fn end(&self) {
        let mut pending = self.lock();
        pending.failure.get_or_insert_with(|| "the queues are closed".to_owned());
        self.has_failed.store(true, Ordering::Release);
        self.tell(&mut pending);
    }
}

impl Pending {
    fn take(&mut self) -> Batch {
        Batch {
            bytes: std::mem::take(&mut self.bytes),
            records: std::mem::take(&mut self.records),
            last: self.last,
            segment: self.segment.clone(),
        }
    }
}
