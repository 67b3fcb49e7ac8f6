//! The segment that is written to, and how it gets its room.

use std::{io, sync::Arc};

use super::{
    Durability,
    disk::{Disk, DiskFile},
    format::{Header, UNFINISHED, segment_name},
};

/// Room that is kept for the day when there is none. It goes with whatever was never finished.
pub(super) const SPARE: &str = "spare.tmp";

/// How a journal is written.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) durability: Durability,
    /// Bytes of all files, above which nothing grows.
    pub(crate) bytes_max: u64,
    /// Bytes of a segment after which another one is begun.
    pub(crate) segment_bytes: u64,
    /// Bytes that are taken from the disk at once.
    pub(crate) step_bytes: u64,
    /// Room that what grows leaves to others.
    pub(crate) kept_bytes: u64,
    /// Whether who waits for a record writes it, instead of a thread: for a test that must know when.
    pub(crate) is_inline: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Synced,
            bytes_max: u64::MAX,
            segment_bytes: 64 * 1024 * 1024,
            step_bytes: 4 * 1024 * 1024,
            kept_bytes: 1024 * 1024,
            is_inline: false,
        }
    }
}

impl Options {
    /// The room of a new segment.
    fn room(&self) -> u64 {
        self.step_bytes.max(2 * self.kept_bytes)
    }
}

/// The segment that is written to.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
    /// Where the records end, those included that are not written yet.
    pub(super) end: u64,
    /// Where the room ends that was taken from the disk.
    pub(super) allocated: u64,
}

impl Segment {
    pub(super) fn create(disk: &dyn Disk, options: &Options, header: &Header) -> io::Result<Self> {
        Self::with_room(disk, header, options.room())
    }

    /// As [`create`](Self::create), on a disk that has no room: with what is kept from what grows, or half of that.
    pub(super) fn create_small(disk: &dyn Disk, options: &Options, header: &Header) -> io::Result<Self> {
        match Self::with_room(disk, header, options.kept_bytes) {
            Err(error) if is_full(&error) => Self::with_room(disk, header, options.kept_bytes / 2),
            created => created,
        }
    }

    fn with_room(disk: &dyn Disk, header: &Header, room: u64) -> io::Result<Self> {
        let name = segment_name(header.number);
        let unfinished = format!("{name}{UNFINISHED}");
        let created = Self::create_file(disk, header, &unfinished, room);
        if created.is_err() {
            let _ = disk.remove(&unfinished);
        }
        let (file, end, allocated) = created?;
        disk.rename(&unfinished, &name)?;
        disk.sync_names()?;
        Ok(Self { name, file, end, allocated })
    }

    fn create_file(
        disk: &dyn Disk,
        header: &Header,
        name: &str,
        room: u64,
    ) -> io::Result<(Arc<dyn DiskFile>, u64, u64)> {
        let (file, header) = (disk.create(name)?, header.encode());
        let end = header.len() as u64;
        file.write_at(&header, 0)?;
        file.allocate(end, room)?;
        file.sync()?;
        Ok((file, end, end + room))
    }

    pub(super) fn allocate(&mut self, len: u64) -> io::Result<()> {
        self.file.allocate(self.allocated, len)?;
        self.allocated += len;
        Ok(())
    }
}

/// Whether room is all that lacks.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
