//! A disk in memory that knows what is synced, and can lose the rest in many ways.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    engine::IdSource,
    journal::disk::{Disk, DiskFile},
};

/// What a disk loses or keeps as a whole.
const SECTOR: usize = 512;

/// One change, as it was asked for.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(usize, String),
    Rename(String, String),
    Remove(String),
    SyncNames,
    Write(usize, u64, Vec<u8>),
    SetLen(usize, u64),
    Sync(usize),
}

#[derive(Clone, Debug, Default)]
struct Contents {
    /// As a process sees it, and as it is for sure.
    seen: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

/// All that a disk holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Sectors {
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    unsynced_names: Vec<Change>,
    files: Vec<Contents>,
}

/// How a disk fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// At which call, counted from 0.
    pub(super) at: u64,
    pub(super) kind: ErrorKind,
    /// Whether every later call fails too that is of the same kind of thing.
    pub(super) lasts: bool,
}

#[derive(Debug, Default)]
struct State {
    sectors: Sectors,
    changes: Vec<Change>,
    calls: u64,
    failure: Option<Failure>,
    only_room: bool,
}

/// A disk.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk(Arc<Mutex<State>>);

/// What is left after the power was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Everything that was not synced.
    Unsynced,
    /// Nothing.
    Nothing,
    /// The last write, from some sector on.
    Torn,
    /// Some sectors of what was not synced, in whatever order they were written.
    Some,
}

impl Loss {
    pub(super) const ALL: [Self; 4] = [Self::Unsynced, Self::Nothing, Self::Torn, Self::Some];
}

impl MemoryDisk {
    pub(super) fn holding(sectors: Sectors) -> Self {
        Self(Arc::new(Mutex::new(State { sectors, ..State::default() })))
    }

    pub(super) fn failing(failure: Failure) -> Self {
        Self(Arc::new(Mutex::new(State { failure: Some(failure), ..State::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn changes(&self) -> usize {
        self.lock().changes.len()
    }

    pub(super) fn history(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }

    pub(super) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// What is on it: as a process leaves it that is killed.
    pub(super) fn sectors(&self) -> Sectors {
        self.lock().sectors.clone()
    }

    pub(super) fn fail(&self, failure: Failure) {
        self.lock().failure = Some(failure);
    }

    /// From here on only what takes room fails, as on a disk that is full.
    pub(super) fn only_room_fails(&self) {
        self.lock().only_room = true;
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> usize {
        let state = self.lock();
        state.sectors.names.values().map(|file| state.sectors.files[*file].seen.len()).sum()
    }

    pub(super) fn get_well(&self) {
        self.lock().failure = None;
    }

    /// Changes a file behind everybody's back.
    pub(super) fn meddle(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let file = state.sectors.names[name];
        change(&mut state.sectors.files[file].seen);
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.failure {
            Some(failure) if call == failure.at || (failure.lasts && call > failure.at) => Err(failure.kind.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        let takes_room = match &change {
            Change::Create(..) => true,
            Change::Write(file, offset, bytes) => {
                *offset + bytes.len() as u64 > self.sectors.files[*file].seen.len() as u64
            }
            Change::SetLen(file, len) => *len > self.sectors.files[*file].seen.len() as u64,
            _ => false,
        };
        match self.call() {
            Err(_) if self.only_room && !takes_room => {}
            called => called?,
        }
        self.sectors.change(&change);
        self.changes.push(change);
        Ok(())
    }
}

impl Sectors {
    pub(super) fn change(&mut self, change: &Change) {
        match change {
            Change::Create(file, name) => {
                assert_eq!(*file, self.files.len());
                self.files.push(Contents::default());
                self.names.insert(name.clone(), *file);
                self.unsynced_names.push(change.clone());
            }
            Change::Rename(..) | Change::Remove(_) => {
                rename(&mut self.names, change);
                self.unsynced_names.push(change.clone());
            }
            Change::SyncNames => {
                self.synced_names = self.names.clone();
                self.unsynced_names.clear();
            }
            Change::Write(file, ..) | Change::SetLen(file, _) => {
                apply(&mut self.files[*file].seen, change);
                self.files[*file].unsynced.push(change.clone());
            }
            Change::Sync(file) => {
                let contents = &mut self.files[*file];
                contents.synced.clone_from(&contents.seen);
                contents.unsynced.clear();
            }
        }
    }

    /// What a process finds after a loss of power.
    pub(super) fn after(&self, loss: Loss, dice: &mut IdSource) -> Self {
        let mut names = self.synced_names.clone();
        let kept = match loss {
            Loss::Unsynced => 0,
            Loss::Nothing | Loss::Torn => self.unsynced_names.len(),
            // A file system keeps the order of names.
            Loss::Some => below(dice, self.unsynced_names.len() + 1),
        };
        for change in &self.unsynced_names[..kept] {
            rename(&mut names, change);
        }
        let files = self.files.iter().map(|file| {
            let mut seen = file.synced.clone();
            let mut unsynced = file.unsynced.clone();
            match loss {
                Loss::Unsynced => unsynced.clear(),
                Loss::Nothing => {}
                Loss::Torn => {
                    if let Some(Change::Write(_, _, bytes)) = unsynced.last_mut() {
                        bytes.truncate(below(dice, bytes.len() / SECTOR + 1) * SECTOR);
                    }
                }
                Loss::Some => unsynced = some_of(&unsynced, dice),
            }
            for change in &unsynced {
                apply(&mut seen, change);
            }
            Contents { synced: seen.clone(), seen, unsynced: Vec::new() }
        });
        Self { synced_names: names.clone(), names, unsynced_names: Vec::new(), files: files.collect() }
    }
}

/// Each sector on its own, and some of them never.
fn some_of(changes: &[Change], dice: &mut IdSource) -> Vec<Change> {
    let mut kept = Vec::new();
    for change in changes {
        match change {
            Change::Write(file, offset, bytes) => {
                let mut from = 0;
                while from < bytes.len() {
                    let at = usize::try_from(*offset).unwrap() + from;
                    let to = bytes.len().min(from + SECTOR - at % SECTOR);
                    if below(dice, 2) == 0 {
                        kept.push(Change::Write(*file, at as u64, bytes[from..to].to_vec()));
                    }
                    from = to;
                }
            }
            other if below(dice, 2) == 0 => kept.push(other.clone()),
            _ => {}
        }
    }
    kept
}

pub(super) fn below(dice: &mut IdSource, end: usize) -> usize {
    usize::try_from(dice.next_u64() % (end as u64)).unwrap()
}

fn rename(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Create(file, name) => drop(names.insert(name.clone(), *file)),
        Change::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Change::Remove(name) => drop(names.remove(name)),
        _ => {}
    }
}

fn apply(contents: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(_, offset, bytes) => {
            let from = usize::try_from(*offset).unwrap();
            contents.resize(contents.len().max(from + bytes.len()), 0);
            contents[from..from + bytes.len()].copy_from_slice(bytes);
        }
        Change::SetLen(_, len) => contents.resize(usize::try_from(*len).unwrap(), 0),
        _ => {}
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().sectors.names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let file = state.sectors.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(state.sectors.files[*file].seen.clone())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        let file = state.sectors.files.len();
        state.change(Change::Create(file, name.to_owned()))?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = *self.lock().sectors.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.lock().change(Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.lock().change(Change::Remove(name.to_owned()))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.lock().change(Change::SyncNames)
    }

    fn place(&self, name: &str) -> String {
        format!("/memory/{name}")
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    file: usize,
}

impl DiskFile for MemoryFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.lock().change(Change::Write(self.file, offset, bytes.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.lock().change(Change::Sync(self.file))
    }

    fn allocate(&self, from: u64, len: u64) -> io::Result<()> {
        self.disk.lock().change(Change::SetLen(self.file, from + len))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.lock().change(Change::SetLen(self.file, len))
    }
}
