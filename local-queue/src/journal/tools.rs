//! What people do with the files of a journal: look whether they are whole, see what is in them, go on without what is
//! damaged, and take the state as a file to somewhere else.

use std::path::{Path, PathBuf};

use super::{
    disk::{Disk, Folder},
    error::{JournalError, Opened},
    format::{Frame, Header, header, segment_number},
    reader::{Frames, Tail},
    recovery::{self, Files, Record, Recovered},
    snapshot,
};
use crate::receipt_handle::Secret;

/// What a file of a journal is, and whether it is whole.
#[derive(Clone, Debug)]
pub struct CheckedFile {
    /// Its name.
    pub name: String,
    /// Bytes of it, without room that was not used.
    pub bytes: usize,
    /// Its first record and its last, or of a snapshot the record after which it was made, twice. Nothing if it has none.
    pub records: Option<(u64, u64)>,
    /// What is wrong with it, and from which byte on.
    pub problem: Option<(usize, String)>,
}

/// Looks through all files, and says what they stand for together, or why nothing. It changes nothing, and the queues may be
/// in use.
pub fn check(folder: &Path) -> Result<(Vec<CheckedFile>, Result<Opened, JournalError>), JournalError> {
    let disk = look(folder)?;
    let files = Files::list(&disk)?;
    let mut checked = Vec::new();
    for (number, name) in &files.snapshots {
        let bytes = disk.read(name).map_or(0, |file| file.len());
        let problem = snapshot::read(&disk, name).err().map(|error| place_of(&error));
        checked.push(CheckedFile { name: name.clone(), bytes, records: Some((*number, *number)), problem });
    }
    for (first, name) in &files.segments {
        checked.push(check_segment(&disk, *first, name)?);
    }
    Ok((checked, state(&disk).map(|recovered| opened(&recovered))))
}

fn opened(recovered: &Recovered) -> Opened {
    Opened { queues: recovered.engine.queues().count(), ..recovered.opened.clone() }
}

fn look(folder: &Path) -> Result<Folder, JournalError> {
    let place = folder.display().to_string();
    Folder::look(folder).map_err(JournalError::io("open", place))
}

/// What the files stand for.
fn state(disk: &dyn Disk) -> Result<Recovered, JournalError> {
    let recovered = recovery::read(disk, u64::MAX)?;
    recovered.ok_or_else(|| JournalError::Missing { place: disk.place(""), from: 1, to: 1 })
}

fn place_of(error: &JournalError) -> (usize, String) {
    match error {
        JournalError::Damaged { offset, what, .. } => (*offset, what.clone()),
        error => (0, error.to_string()),
    }
}

fn check_segment(disk: &Folder, first: u64, name: &str) -> Result<CheckedFile, JournalError> {
    let file = disk.read(name).map_err(JournalError::io("read", disk.place(name)))?;
    let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut checked = CheckedFile { name: name.to_owned(), bytes: end, records: None, problem: None };
    match header(disk, name, &file) {
        Err(error) => checked.problem = Some(place_of(&error)),
        Ok((_, at)) => {
            let mut frames = Frames::new(&file, at, first);
            if frames.by_ref().count() > 0 {
                checked.records = Some((first, frames.next_number() - 1));
            }
            checked.problem = match frames.tail() {
                Tail::Clean => None,
                Tail::Torn { bytes } => {
                    Some((frames.at(), format!("{bytes} bytes that were being written when everything ended")))
                }
                Tail::Damaged { next } => {
                    Some((frames.at(), format!("damaged; whole records again from byte {next} on")))
                }
            };
        }
    }
    Ok(checked)
}

/// Hands on a line for each record that can be read, also behind what cannot. Bodies of messages are not among it. The queues
/// may be in use.
pub fn dump(folder: &Path, mut line: impl FnMut(&str)) -> Result<(), JournalError> {
    let disk = look(folder)?;
    for (first, name) in Files::list(&disk)?.segments {
        let file = disk.read(&name).map_err(JournalError::io("read", disk.place(&name)))?;
        let (header, mut at) = match header(&disk, &name, &file) {
            Ok(header) => header,
            Err(error) => {
                line(&format!("{name}: {error}"));
                continue;
            }
        };
        line(&format!("{name}: from record {first} on, by local-queue {}", header.program));
        let mut next = first;
        loop {
            let mut frames = Frames::new(&file, at, next);
            for (offset, frame) in frames.by_ref() {
                line(&format!("{name}:{offset}: {}", describe(&frame, &header)));
            }
            (at, next) = (frames.at(), frames.next_number());
            match frames.tail() {
                Tail::Clean => break,
                Tail::Torn { bytes } => {
                    line(&format!("{name}:{at}: {bytes} bytes that were being written when everything ended"));
                    break;
                }
                Tail::Damaged { next: whole } => {
                    line(&format!("{name}:{at}: {} bytes that cannot be read", whole - at));
                    at = whole;
                    next = Frame::read(&file[whole..]).map_or(next, |frame| frame.number);
                }
            }
        }
    }
    Ok(())
}

fn describe(frame: &Frame<'_>, header: &Header) -> String {
    let mut text = format!("record {}", frame.number);
    let mut add = |part: String| text.push_str(&part);
    match Record::read(frame, header) {
        Err(error) => add(format!(": {error}")),
        Ok(mut record) => {
            add(format!(" at {}", record.now));
            loop {
                match record.next() {
                    Ok(Some(command)) => add(format!("; {command:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        add(format!("; {error}"));
                        break;
                    }
                }
            }
        }
    }
    text
}

/// Goes on without what cannot be read: the first record that cannot, and everything behind it. The files are kept as they
/// were, under names that end in `.damaged`. Says what was cut off, from where on; nothing if nothing was wrong.
pub fn repair(folder: &Path) -> Result<Vec<(String, usize)>, JournalError> {
    let disk = Folder::take(folder).map_err(JournalError::io("open", folder.display().to_string()))?;
    let mut cut = Vec::new();
    loop {
        let Err(error) = recovery::read(&disk, u64::MAX) else { return Ok(cut) };
        let (name, offset) = match &error {
            JournalError::Damaged { place, offset, .. } | JournalError::Diverged { place, offset, .. } => {
                (name_of(place), *offset)
            }
            JournalError::Missing { to, .. } => (super::format::segment_name(to + 1), 0),
            _ => return Err(error),
        };
        // Without its snapshot nothing that came later means anything.
        let Some(first) = segment_number(&name).filter(|_| disk.read(&name).is_ok()) else { return Err(error) };
        cut_off(&disk, &name, first, offset).map_err(JournalError::io("repair", disk.place(&name)))?;
        cut.push((name, offset));
    }
}

fn name_of(place: &str) -> String {
    Path::new(place).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn cut_off(disk: &Folder, name: &str, first: u64, offset: usize) -> std::io::Result<()> {
    let files = Files::list(disk).map_err(std::io::Error::other)?;
    for (_, later) in files.segments.iter().rev().filter(|(number, _)| *number > first) {
        disk.rename(later, &format!("{later}.damaged"))?;
    }
    let file = disk.read(name)?;
    disk.rename(name, &format!("{name}.damaged"))?;
    // A header alone stands for nothing that was not there before it.
    if offset > 0 {
        let unfinished = format!("{name}{}", super::format::UNFINISHED);
        let kept = disk.create(&unfinished)?;
        kept.write_at(&file[..offset.min(file.len())], 0)?;
        kept.sync()?;
        disk.rename(&unfinished, name)?;
    }
    disk.sync_names()
}

/// Writes the state of queues into a file, for another place. The queues may be in use: what is answered by now is in it.
/// Receipt handles of them mean nothing there.
pub fn save(folder: &Path, file: &Path) -> Result<Opened, JournalError> {
    let disk = look(folder)?;
    let mut read = state(&disk);
    // A snapshot may have been made meanwhile, and the files be removed that were being read.
    for _ in 0..3 {
        if read.is_ok() {
            break;
        }
        read = state(&disk);
    }
    let recovered = read?;
    let (parent, name) = split(file);
    let target = Folder::look(&parent).map_err(JournalError::io("open", parent.display().to_string()))?;
    let header = shared(&recovered.header, recovered.last, recovered.opened.last_at);
    snapshot::write_as(&target, &name, &header, &recovered.engine)
        .map_err(JournalError::io("write", file.display().to_string()))?;
    Ok(opened(&recovered))
}

/// Makes queues in an empty folder of a state that was [saved](save). Their time goes on by the clock.
pub fn load(file: &Path, folder: &Path) -> Result<Opened, JournalError> {
    let (parent, name) = split(file);
    let source = Folder::look(&parent).map_err(JournalError::io("open", parent.display().to_string()))?;
    let (header, engine) = snapshot::read(&source, &name)?;
    let disk = Folder::take(folder).map_err(JournalError::io("open", folder.display().to_string()))?;
    if !Files::list(&disk)?.is_empty() {
        let error = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "there are queues in it");
        return Err(JournalError::io("use", folder.display().to_string())(error));
    }
    let header = shared(&header, header.number, header.begun_at);
    snapshot::write(&disk, &header, &engine).map_err(JournalError::io("write to", folder.display().to_string()))?;
    Ok(Opened {
        queues: engine.queues().count(),
        snapshot: Some(header.number),
        last_at: header.begun_at,
        ..Opened::default()
    })
}

/// The header of a state that leaves its place: with a secret of its own.
fn shared(header: &Header, number: u64, begun_at: crate::engine::Time) -> Header {
    let secret = Secret::random();
    let store = secret.store();
    Header { is_snapshot: true, number, begun_at, secret, store, begins_anew: false, skipped: 0, ..header.clone() }
}

fn split(file: &Path) -> (PathBuf, String) {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (parent.to_owned(), file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
}
