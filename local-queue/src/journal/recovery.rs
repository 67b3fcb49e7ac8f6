//! From the files of a journal to the state that they stand for: the newest whole snapshot, then each record again.

use super::{
    disk::Disk,
    error::{JournalError, Opened},
    format::{self, Frame, Header, header, segment_number, snapshot_number},
    reader::{Frames, Tail},
    snapshot,
};
use crate::engine::{
    Command, Engine, Fingerprint,
    codec::{Decoder, Malformed},
};

/// The state that a journal stands for.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) engine: Engine,
    /// Of the last file: whose the journal is.
    pub(crate) header: Header,
    /// The number of the last record.
    pub(crate) last: u64,
    /// The last segment, and where its whole records end.
    pub(crate) end: Option<(String, usize)>,
    pub(crate) opened: Opened,
}

/// A file with the number in its name.
pub(crate) type Numbered = (u64, String);

/// The files of a journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// By the number of the first record.
    pub(crate) segments: Vec<Numbered>,
    /// By the number of the last record.
    pub(crate) snapshots: Vec<Numbered>,
    pub(crate) unfinished: Vec<String>,
}

impl Files {
    pub(crate) fn list(disk: &dyn Disk) -> Result<Self, JournalError> {
        let names = disk.list().map_err(JournalError::io("look into", disk.place("")))?;
        let mut files = Self::default();
        for name in names {
            if let Some(first) = segment_number(&name) {
                files.segments.push((first, name));
            } else if let Some(last) = snapshot_number(&name) {
                files.snapshots.push((last, name));
            } else if name.ends_with(format::UNFINISHED) {
                files.unfinished.push(name);
            }
        }
        Ok(files)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.snapshots.is_empty()
    }

    /// The files that are not needed any more when there is a snapshot of this record.
    pub(crate) fn behind(&self, snapshot: u64) -> Vec<&str> {
        let mut behind = Vec::new();
        for (at, (_, name)) in self.segments.iter().enumerate() {
            // All its records are in the snapshot if the next segment begins with one that is, or with the one after.
            if self.segments.get(at + 1).is_some_and(|(next, _)| *next <= snapshot + 1) {
                behind.push(name.as_str());
            }
        }
        behind.extend(self.snapshots.iter().filter(|(last, _)| *last < snapshot).map(|(_, name)| name.as_str()));
        behind
    }
}

/// Reads what a journal stands for, up to a record, or to its end; nothing if it is empty.
pub(crate) fn read(disk: &dyn Disk, up_to: u64) -> Result<Option<Recovered>, JournalError> {
    let files = Files::list(disk)?;
    if files.is_empty() {
        return Ok(None);
    }
    let (mut reading, segments) = begin(disk, &files)?;
    for (at, (first, name)) in segments.iter().enumerate() {
        if *first > up_to {
            break;
        }
        let next = segments.get(at + 1).map(|(next, _)| *next);
        reading.segment(*first, name, next, up_to)?;
    }
    Ok(reading.recovered)
}

/// The newest snapshot that is whole and behind which no segment is missing, or nothing if there never was one; and the
/// segments that come behind it.
fn begin<'a>(disk: &'a dyn Disk, files: &'a Files) -> Result<(Reading<'a>, &'a [Numbered]), JournalError> {
    let mut reading = Reading { disk, recovered: None };
    let mut failure = None;
    for (last, name) in files.snapshots.iter().rev() {
        match snapshot::read(disk, name) {
            Ok((header, mut engine)) => {
                engine.unbounded(header.limits.clone());
                let opened = Opened { snapshot: Some(*last), last_at: header.begun_at, ..Opened::default() };
                reading.recovered = Some(Recovered { engine, header, last: *last, end: None, opened });
                break;
            }
            // An older one will do, if everything since is there.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let last = reading.recovered.as_ref().map_or(0, |recovered| recovered.last);
    // The segment of the next record is the last that does not begin behind it.
    let behind = files.segments.partition_point(|(first, _)| *first <= last + 1);
    let segments = &files.segments[behind.saturating_sub(1)..];
    let is_whole = segments.first().map_or(reading.recovered.is_some(), |(first, _)| *first <= last + 1);
    match failure {
        Some(error) if !is_whole || segments.is_empty() => Err(error),
        _ if is_whole => Ok((reading, segments)),
        _ => {
            let to = segments.first().map_or(last + 1, |(first, _)| first - 1);
            Err(JournalError::Missing { place: disk.place(""), from: last + 1, to })
        }
    }
}

struct Reading<'a> {
    disk: &'a dyn Disk,
    recovered: Option<Recovered>,
}

impl Reading<'_> {
    /// Does the records of a segment again that were not done yet. `next` is where the segment behind it begins.
    fn segment(&mut self, first: u64, name: &str, next: Option<u64>, up_to: u64) -> Result<(), JournalError> {
        let place = self.disk.place(name);
        let file = self.disk.read(name).map_err(JournalError::io("read", place.clone()))?;
        let (header, at) = header(self.disk, name, &file)?;
        if header.is_snapshot || header.number != first {
            let what = "it is not the segment of its name".to_owned();
            return Err(JournalError::Damaged { place, offset: 0, what });
        }
        let recovered = self.recovered.get_or_insert_with(|| begin_with(&header));
        if first == recovered.last + 1 {
            if header.begins_anew {
                recovered.engine.begin_anew(header.limits.clone(), header.skipped);
            }
            recovered.engine.unbounded(header.limits.clone());
        }
        let mut frames = Frames::new(&file, at, first);
        for (offset, frame) in frames.by_ref() {
            if frame.number <= recovered.last || frame.number > up_to {
                continue;
            }
            recovered.again(&frame, &header, &place, offset)?;
        }
        recovered.header = header;
        if recovered.last >= up_to {
            // What comes behind may be being written.
            return Ok(());
        }
        let (offset, reached) = (frames.at(), frames.next_number());
        recovered.end = Some((name.to_owned(), offset));
        match (frames.tail(), next) {
            // The next segment was begun when this one had got so far.
            (Tail::Clean | Tail::Torn { .. }, Some(next)) if next == reached => {}
            (Tail::Clean, None) => {}
            (Tail::Torn { bytes }, None) => recovered.opened.torn = Some((place, offset, bytes)),
            (Tail::Damaged { next }, _) => {
                let what = format!("a record cannot be read, and whole ones come behind it, from byte {next} on");
                return Err(JournalError::Damaged { place, offset, what });
            }
            (_, Some(next)) => {
                let what = format!("records {reached} to {} cannot be read", next.saturating_sub(1));
                return Err(JournalError::Damaged { place, offset, what });
            }
        }
        Ok(())
    }
}

/// The state before the first record of all.
fn begin_with(header: &Header) -> Recovered {
    let engine = Engine::new(header.limits.clone(), header.seed).with_store(header.store);
    let opened = Opened { last_at: header.begun_at, ..Opened::default() };
    Recovered { engine, header: header.clone(), last: 0, end: None, opened }
}

impl Recovered {
    fn again(&mut self, frame: &Frame<'_>, header: &Header, place: &str, offset: usize) -> Result<(), JournalError> {
        let diverged = || JournalError::Diverged {
            place: place.to_owned(),
            offset,
            number: frame.number,
            program: header.program.clone(),
        };
        let damaged =
            |error: Malformed| JournalError::Damaged { place: place.to_owned(), offset, what: error.to_string() };
        let (mut record, mut seen) = (Record::read(frame, header).map_err(damaged)?, Fingerprint::default());
        while let Some(command) = record.next().map_err(damaged)? {
            self.engine.carry_out(record.now, command, &mut seen).map_err(|_| diverged())?;
        }
        while let Some(output) = self.engine.poll_output() {
            seen.add_output(&output);
        }
        seen.add_counters(&self.engine);
        if seen.short() != record.outcome {
            return Err(diverged());
        }
        self.last = frame.number;
        self.opened.replayed += 1;
        self.opened.last_at = self.opened.last_at.max(record.now);
        Ok(())
    }
}

/// What one request asked, all of it or nothing.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) now: crate::engine::Time,
    pub(crate) outcome: u32,
    commands: Decoder<'a>,
    store: u64,
}

impl<'a> Record<'a> {
    pub(crate) fn read(frame: &Frame<'a>, header: &'a Header) -> Result<Self, Malformed> {
        let mut commands = Decoder::new(frame.payload, &header.prefix);
        let now = commands.time()?;
        let outcome = commands.array(4)?.try_into().map_or(0, u32::from_le_bytes);
        Ok(Self { now, outcome, commands, store: header.store })
    }

    /// The next command, if there is one more.
    pub(crate) fn next(&mut self) -> Result<Option<Command<'a>>, Malformed> {
        if self.commands.is_empty() { Ok(None) } else { Command::decode(&mut self.commands, self.store).map(Some) }
    }
}
