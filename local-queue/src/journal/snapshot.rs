//! Snapshots: the state after a record, in one file.

use std::io;

use super::{
    disk::Disk,
    error::JournalError,
    format::{self, Frame, Header, UNFINISHED, add_frame, seal_frames, snapshot_name},
};
use crate::engine::Engine;

/// Writes a snapshot, which is there as a whole or not at all, and says how long it is.
pub(crate) fn write(disk: &dyn Disk, header: &Header, engine: &Engine) -> io::Result<u64> {
    write_as(disk, &snapshot_name(header.number), header, engine)
}

/// As [`write`], under another name.
pub(crate) fn write_as(disk: &dyn Disk, name: &str, header: &Header, engine: &Engine) -> io::Result<u64> {
    let unfinished = format!("{name}{UNFINISHED}");
    let written = write_file(disk, &unfinished, header, engine);
    if written.is_err() {
        // Its room is given back at once. That it cannot be removed is no second error.
        let _ = disk.remove(&unfinished);
    }
    let len = written?;
    disk.rename(&unfinished, name)?;
    disk.sync_names()?;
    Ok(len)
}

fn write_file(disk: &dyn Disk, name: &str, header: &Header, engine: &Engine) -> io::Result<u64> {
    let file = disk.create(name)?;
    let mut bytes = header.encode();
    file.write_at(&bytes, 0)?;
    let (mut end, mut number, mut failure) = (bytes.len() as u64, 0, None);
    let mut add = |piece: &[u8]| {
        if failure.is_some() {
            return;
        }
        number += 1;
        bytes.clear();
        add_frame(&mut bytes, number, |payload| payload.extend_from_slice(piece));
        seal_frames(&mut bytes, number);
        failure = file.write_at(&bytes, end).err();
        end += bytes.len() as u64;
    };
    engine.save(&header.prefix, &mut add);
    add(&[]);
    match failure {
        Some(error) => Err(error),
        None => file.sync().map(|()| end),
    }
}

/// Reads a snapshot.
pub(crate) fn read(disk: &dyn Disk, name: &str) -> Result<(Header, Engine), JournalError> {
    let place = || disk.place(name);
    let file = disk.read(name).map_err(JournalError::io("read", place()))?;
    let (header, mut at) = format::header(disk, name, &file)?;
    let damaged = |offset, what: &str| JournalError::Damaged { place: place(), offset, what: what.to_owned() };
    let (mut bytes, mut number) = (Vec::with_capacity(file.len()), 0);
    let end = loop {
        number += 1;
        let frame = Frame::read(&file[at..]).filter(|frame| frame.number == number);
        let frame = frame.ok_or_else(|| damaged(at, "a part of the snapshot is not what was written"))?;
        at += frame.len();
        if frame.payload.is_empty() {
            break at;
        }
        bytes.extend_from_slice(frame.payload);
    };
    if end != file.len() || !header.is_snapshot || format::snapshot_number(name).is_some_and(|it| it != header.number) {
        return Err(damaged(end, "the snapshot is longer than it says, or not the one of its name"));
    }
    let engine = Engine::load(header.limits.clone(), header.store, &bytes, &header.prefix);
    engine.map(|engine| (header, engine)).map_err(|error| damaged(0, &error.to_string()))
}
