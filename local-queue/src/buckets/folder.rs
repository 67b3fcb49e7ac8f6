//! Buckets in a folder: each object is a file that one can look at.
//!
//! ```text
//! DIR/BUCKET/2026/cat.jpg                  the object 2026/cat.jpg of BUCKET
//! DIR/BUCKET/.escaped/a__b-1f3a…           one whose key is no name of a file, or is in another's way
//! DIR/BUCKET/.escaped/a__b-1f3a….key       its key
//! DIR/.local-queue/buckets/BUCKET/         what is said of the bucket, and of each object: bucket.json, objects/DIGEST.json
//! DIR/.local-queue/incoming/               what is not whole yet; emptied at each start
//! DIR/.local-queue/lock                    locked by the process that has the folder
//! ```
//!
//! A put takes three steps: what is said of the object is written as `DIGEST.new`, its file is renamed into place, `DIGEST.new`
//! is renamed to `DIGEST.json`. The file's rename is what decides: a start that finds a `DIGEST.new` keeps it if the file is the
//! one it is about, by length and time, and drops it if not. Uploads in parts do not outlive the process.
//!
//! No key leads out of the folder: every step on the way to a file is opened from the one before, and none may be a link.

mod names;
mod reading;
mod records;
mod sys;

pub(super) use self::reading::open;

use std::{
    any::Any,
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use self::{
    names::Place,
    records::{BucketRecord, Identity, ObjectRecord},
    sys::Dir,
};
use super::{
    content::{Content, Sink, Source},
    keep::Keep,
    object::{Object, Settings},
    store::{Bucket, hex},
};

/// A folder, open, with what is in it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) buckets: BTreeMap<String, Bucket>,
    /// What was found damaged or changed, for people.
    pub(super) findings: Vec<String>,
}

/// Why a folder cannot hold buckets.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// One folder has one process.
    #[error("{0} is in use by another local-queue; each process needs a folder of its own")]
    InUse(PathBuf),
    /// The system refuses it.
    #[error("the folder {path} cannot hold buckets: {source}")]
    Io {
        /// What was being done, and with which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is there is more than all buckets may have.
    #[error("the objects in {path} exceed the limit for all buckets: {reason}")]
    TooMuch {
        /// The folder.
        path: PathBuf,
        /// The bound.
        reason: String,
    },
}

/// The folder of all buckets. One process has it.
#[derive(Debug)]
pub(super) struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    root: Dir,
    own: Dir,
    incoming: Dir,
    next: AtomicU64,
    tells_case: bool,
    lock: File,
}

impl Drop for Inner {
    /// Gives the lock back at once. A process that is being started at this moment has the file, too, until it becomes another
    /// program, and would keep the lock so long.
    fn drop(&mut self) {
        // A lock that cannot be given back ends with the file.
        let _ = self.lock.unlock();
    }
}

/// A file that is not in its place yet, removed unless it gets there.
#[derive(Debug)]
struct Incoming {
    inner: Arc<Inner>,
    name: String,
    is_placed: AtomicBool,
}

impl Source for Incoming {
    fn open(&self) -> io::Result<File> {
        self.inner.incoming.open_file(&self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_placed.load(Ordering::Relaxed) {
            // What is left is removed by the next start.
            let _ = self.inner.incoming.remove_file(&self.name);
        }
    }
}

/// A file in its place.
#[derive(Clone, Debug)]
struct Placed {
    inner: Arc<Inner>,
    bucket: String,
    place: Place,
    identity: Identity,
}

impl Source for Placed {
    fn open(&self) -> io::Result<File> {
        let file =
            self.inner.bucket(&self.bucket, false)?.walk(&self.place.folders(), false)?.open_file(self.place.name())?;
        if Identity::of(&file)? == self.identity {
            return Ok(file);
        }
        let text = format!(
            "{} was changed by another process; local-queue will use the new content after a restart",
            self.inner.path.join(&self.bucket).join(self.place.path()).display()
        );
        Err(io::Error::other(text))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Content that comes in, into a file.
#[derive(Debug)]
struct Writing {
    file: File,
    incoming: Incoming,
    bytes: u64,
}

impl Sink for Writing {
    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.bytes += piece.len() as u64;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn finish(self: Box<Self>) -> Content {
        let Self { incoming, bytes, .. } = *self;
        Content::of_file(Arc::new(incoming), bytes)
    }
}

impl Inner {
    fn write(self: &Arc<Self>) -> io::Result<Writing> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let file = self.incoming.create_file(&name)?;
        let incoming = Incoming { inner: Arc::clone(self), name, is_placed: AtomicBool::new(false) };
        Ok(Writing { file, incoming, bytes: 0 })
    }

    /// Where a bucket's files are.
    fn bucket(&self, name: &str, creates: bool) -> io::Result<Dir> {
        self.root.walk(&[name], creates)
    }

    /// Where what is said of a bucket is.
    fn records(&self, name: &str, creates: bool) -> io::Result<Dir> {
        self.own.walk(&["buckets", name], creates)
    }

    /// The folder and the place for a new object: by its key if nothing is in the way there.
    fn choose(&self, bucket: &Dir, key: &str) -> io::Result<(Dir, Place)> {
        if let Some(place) = Place::plain(key, self.tells_case) {
            // A file where a folder has to be, a link, or a name that this system does not take.
            if let Ok(folder) = bucket.walk(&place.folders(), true)
                && !folder.has(place.name())?
            {
                return Ok((folder, place));
            }
        }
        let place = Place::escaped(key);
        Ok((bucket.walk(&place.folders(), true)?, place))
    }

    fn placed(object: &Object) -> io::Result<&Placed> {
        let placed = object.content.file().and_then(|source| source.as_any().downcast_ref());
        placed.ok_or_else(|| io::Error::other("an object without a file"))
    }

    fn write_record(&self, bucket: &str, key: &str, record: &ObjectRecord) -> io::Result<(Dir, [String; 2])> {
        let records = self.records(bucket, true)?.walk(&["objects"], true)?;
        let names = names::records(key);
        let written = records.write(&names[0], &record.to_json());
        if written.is_err() {
            // It is about nothing.
            let _ = records.remove_file(&names[0]);
        }
        written.map(|()| (records, names))
    }
}

impl Keep for Folder {
    fn gather(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(self.0.write()?))
    }

    fn settle(&self, content: Content) -> io::Result<Content> {
        if content.file().is_some_and(|source| source.as_any().is::<Incoming>()) {
            return Ok(content);
        }
        let mut writing = Box::new(self.0.write()?);
        content.read(|piece| writing.push(piece))?;
        Ok(writing.finish())
    }

    fn put(&self, bucket: &str, key: &str, object: &Object, before: Option<&Object>) -> io::Result<Content> {
        let inner = &self.0;
        let source = object.content.file().and_then(|source| source.as_any().downcast_ref::<Incoming>());
        let incoming = source.ok_or_else(|| io::Error::other("content that was not settled"))?;
        let folder = inner.bucket(bucket, true)?;
        let (folder, place) = match before {
            Some(before) => {
                let place = Inner::placed(before)?.place.clone();
                (folder.walk(&place.folders(), true)?, place)
            }
            None => inner.choose(&folder, key)?,
        };
        let identity = Identity::of(&incoming.open()?)?;
        if place.is_escaped() {
            folder.write(&place.key_name(), key.as_bytes())?;
        }
        let (records, [new, current]) =
            inner.write_record(bucket, key, &ObjectRecord::new(key, &place, &identity, object))?;
        if let Err(error) = inner.incoming.rename(&incoming.name, &folder, place.name()) {
            let _ = records.remove_file(&new);
            return Err(error);
        }
        incoming.is_placed.store(true, Ordering::Relaxed);
        records.rename(&new, &records, &current)?;
        let placed = Placed { inner: Arc::clone(inner), bucket: bucket.to_owned(), place, identity };
        Ok(Content::of_file(Arc::new(placed), object.content.bytes()))
    }

    fn describe(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()> {
        let Placed { place, identity, .. } = Inner::placed(object)?;
        let record = ObjectRecord::new(key, place, identity, object);
        let (records, [new, current]) = self.0.write_record(bucket, key, &record)?;
        records.rename(&new, &records, &current)
    }

    fn remove(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()> {
        let place = &Inner::placed(object)?.place;
        let root = self.0.bucket(bucket, false)?;
        // Whoever has removed it by hand has done the same.
        if let Some(folder) = sys::found(root.walk(&place.folders(), false))? {
            sys::found(folder.remove_file(place.name()))?;
            if place.is_escaped() {
                sys::found(folder.remove_file(&place.key_name()))?;
            }
        }
        let records = self.0.records(bucket, false)?.walk(&["objects"], false)?;
        sys::found(records.remove_file(&names::records(key)[1]))?;
        root.prune(&place.folders());
        Ok(())
    }

    fn put_bucket(&self, name: &str, settings: &Settings) -> io::Result<()> {
        self.0.bucket(name, true)?;
        let records = self.0.records(name, true)?;
        records.walk(&["objects"], true)?;
        records.write("bucket.new", &BucketRecord::new(settings).to_json())?;
        records.rename("bucket.new", &records, "bucket.json")
    }

    fn remove_bucket(&self, name: &str) -> io::Result<()> {
        let records = self.0.records(name, false)?;
        // What decides: without it there is no bucket.
        sys::found(records.remove_file("bucket.json"))?;
        let buckets = self.0.own.walk(&["buckets"], false)?;
        // The rest is swept as far as it is empty: files that are no objects stay.
        for (folder, below) in [(&records, "objects"), (&buckets, name), (&self.0.root, name)] {
            let _ = folder.remove_folder(below);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
