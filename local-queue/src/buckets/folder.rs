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
mod records;
mod sys;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
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
    receive::Room,
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

/// Why a folder cannot have the buckets.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// One folder has one process.
    #[error("{0} is in use by another local-queue; each process needs a folder of its own")]
    InUse(PathBuf),
    /// The system refuses it.
    #[error("the folder {path} cannot have the buckets: {source}")]
    Io {
        /// What was being done, and with which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is there is more than all buckets may have.
    #[error("{path} has more objects than all buckets may hold together: {reason}")]
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
    _lock: File,
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
            "{} was changed by somebody else; local-queue takes it as it is when it starts again",
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

/// Opens a folder, which is made if it is not there, and reads what is in it.
pub(super) fn open(path: &Path, room: &Room) -> Result<Opened, FolderError> {
    let failed = |source| FolderError::Io { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(failed)?;
    let root = Dir::open(path).map_err(failed)?;
    let own = root.walk(&[".local-queue"], true).map_err(failed)?;
    let lock = own.open_lock().map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let incoming = own.walk(&["incoming"], true).map_err(failed)?;
    for name in incoming.names().map_err(failed)? {
        incoming.remove_file(&name).map_err(failed)?;
    }
    let tells_case = incoming.tells_case().map_err(failed)?;
    let inner = Inner { path: path.to_owned(), root, own, incoming, next: AtomicU64::new(0), tells_case, _lock: lock };
    let mut reading = Reading { inner: Arc::new(inner), room, findings: Vec::new() };
    let buckets = reading.buckets()?;
    Ok(Opened { folder: Folder(reading.inner), buckets, findings: reading.findings })
}

/// A folder that is being read.
struct Reading<'a> {
    inner: Arc<Inner>,
    room: &'a Room,
    findings: Vec<String>,
}

impl Reading<'_> {
    fn failed(&self, source: io::Error) -> FolderError {
        FolderError::Io { path: self.inner.path.clone(), source }
    }

    fn buckets(&mut self) -> Result<BTreeMap<String, Bucket>, FolderError> {
        let folder = self.inner.own.walk(&["buckets"], true).map_err(|error| self.failed(error))?;
        let mut buckets = BTreeMap::new();
        for name in folder.names().map_err(|error| self.failed(error))? {
            if !s3s::path::check_bucket_name(&name) {
                self.findings.push(format!(".local-queue/buckets/{name}: not the name of a bucket; passed over"));
                continue;
            }
            let records = self.inner.records(&name, false).map_err(|error| self.failed(error))?;
            match sys::found(records.read("bucket.json")).map_err(|error| self.failed(error))? {
                // Its deletion was cut off.
                None => {
                    let _ = records.remove_folder("objects");
                    let _ = folder.remove_folder(&name);
                }
                Some(text) => match BucketRecord::parse(&text) {
                    Ok(record) => {
                        let mut bucket = Bucket::new(record.settings());
                        self.objects(&name, &records, &mut bucket)?;
                        buckets.insert(name, bucket);
                    }
                    Err(error) => self.findings.push(format!(
                        ".local-queue/buckets/{name}/bucket.json is damaged, so that there is no bucket {name}: {error}"
                    )),
                },
            }
        }
        Ok(buckets)
    }

    fn objects(&mut self, name: &str, records: &Dir, bucket: &mut Bucket) -> Result<(), FolderError> {
        let folder = records.walk(&["objects"], true).map_err(|error| self.failed(error))?;
        let names = folder.names().map_err(|error| self.failed(error))?;
        for new in names.iter().filter(|name| name.ends_with(".new")) {
            self.settle(name, &folder, new).map_err(|error| self.failed(error))?;
        }
        let mut places = BTreeSet::new();
        for record in folder.names().map_err(|error| self.failed(error))? {
            let text = folder.read(&record).map_err(|error| self.failed(error))?;
            match ObjectRecord::parse(&text) {
                Ok(found) if names::records(&found.key)[1] == record => {
                    if let Some(object) = self.object(name, &folder, &found)? {
                        places.insert(found.file.clone());
                        bucket.objects.insert(found.key, Arc::new(object));
                    }
                }
                Ok(_) => self.damaged(name, &record, "its name is not that of its key"),
                Err(error) => self.damaged(name, &record, &error),
            }
        }
        self.strangers(name, &places);
        Ok(())
    }

    fn damaged(&mut self, bucket: &str, record: &str, error: &str) {
        self.findings.push(format!(
            ".local-queue/buckets/{bucket}/objects/{record} is damaged, and its object is not there: {error}"
        ));
    }

    /// Ends a put that was cut off: as if it had been done, if its file is in place, and else as if it had not.
    fn settle(&mut self, bucket: &str, folder: &Dir, new: &str) -> io::Result<()> {
        let text = folder.read(new)?;
        if let Ok(record) = ObjectRecord::parse(&text)
            && let Ok(place) = record.place()
            && let Ok(file) = self.file(bucket, &place)
            && Identity::of(&file)? == record.identity()
        {
            return folder.rename(new, folder, &names::records(&record.key)[1]);
        }
        folder.remove_file(new)
    }

    fn file(&self, bucket: &str, place: &Place) -> io::Result<File> {
        self.inner.bucket(bucket, false)?.walk(&place.folders(), false)?.open_file(place.name())
    }

    fn object(&mut self, bucket: &str, folder: &Dir, record: &ObjectRecord) -> Result<Option<Object>, FolderError> {
        let shown = format!("{bucket}/{}", record.file);
        let place = match record.place() {
            Ok(place) => place,
            Err(error) => {
                self.findings.push(format!("{shown}: not a place for an object: {error}"));
                return Ok(None);
            }
        };
        let file = match self.file(bucket, &place) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.findings.push(format!("{shown} is gone, and so is the object"));
                let _ = folder.remove_file(&names::records(&record.key)[1]);
                return Ok(None);
            }
            Err(error) => {
                self.findings.push(format!("{shown} cannot be read, so that the object is not there: {error}"));
                return Ok(None);
            }
        };
        let identity = Identity::of(&file).map_err(|error| self.failed(error))?;
        let mut record = record.clone();
        if identity != record.identity() {
            match self.changed(&file, &identity, &mut record) {
                Ok(true) => {}
                Ok(false) => {
                    self.findings.push(format!("{shown} was changed by somebody else; the object is what it is now"))
                }
                Err(error) => {
                    self.findings.push(format!("{shown} cannot be read, so that the object is not there: {error}"));
                    return Ok(None);
                }
            }
        }
        let share = self.room.share(identity.bytes).map_err(|error| FolderError::TooMuch {
            path: self.inner.path.clone(),
            reason: error.message().unwrap_or_default().to_owned(),
        })?;
        let placed = Placed { inner: Arc::clone(&self.inner), bucket: bucket.to_owned(), place, identity };
        let content = Content::of_file(Arc::new(placed), record.bytes);
        Ok(Some(record.object(content, Arc::new(share))))
    }

    /// Takes a file that is not the one of the record. Says whether it has the same bytes, as a copy has.
    fn changed(&self, file: &File, identity: &Identity, record: &mut ObjectRecord) -> io::Result<bool> {
        let etag = records::etag_of(file, identity.bytes, &record.parts)?;
        let is_same = etag == record.etag && identity.bytes == record.bytes;
        if !is_same {
            record.become_one(records::etag_of(file, identity.bytes, &[])?, identity);
        }
        Ok(is_same)
    }

    /// Names files that are no objects: they are not served, and nothing is put in their place.
    fn strangers(&mut self, bucket: &str, places: &BTreeSet<String>) {
        let Ok(root) = self.inner.bucket(bucket, true) else { return };
        let strangers = root.files().into_iter().filter(|file| {
            let key_of = file.strip_prefix(".escaped/").and_then(|file| Some((file, file.strip_suffix(".key")?)));
            !places.contains(file) && !key_of.is_some_and(|(_, file)| places.contains(&format!(".escaped/{file}")))
        });
        let strangers = strangers.collect::<Vec<_>>();
        if let Some(first) = strangers.first() {
            let more = if strangers.len() > 1 { format!(" and {} more", strangers.len() - 1) } else { String::new() };
            self.findings.push(format!("{bucket}/{first}{more}: not put here by S3, and not served"));
        }
    }
}

#[cfg(test)]
mod tests;
