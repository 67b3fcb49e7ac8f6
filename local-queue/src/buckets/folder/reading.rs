//! Reading what a folder has, and naming what is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use super::{
    super::{content::Content, object::Object, receive::Room, store::Bucket},
    Folder, FolderError, Inner, Opened, Placed,
    names::{self, Place},
    records::{self, BucketRecord, Identity, ObjectRecord},
    sys::{self, Dir},
};

/// Opens a folder, which is made if it is not there, and reads what is in it.
pub(in crate::buckets) fn open(path: &Path, room: &Room) -> Result<Opened, FolderError> {
    let failed = |source| FolderError::Io { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(failed)?;
    let top = Dir::open(path).map_err(failed)?;
    let own = top.walk(&[".local-queue"], true).map_err(failed)?;
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
    let inner = Inner { path: path.to_owned(), root: top, own, incoming, next: AtomicU64::new(0), tells_case, lock };
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
                self.findings.push(format!(".local-queue/buckets/{name}: not the name of a bucket; skipped"));
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
                        ".local-queue/buckets/{name}/bucket.json is damaged; bucket {name} is not served: {error}"
                    )),
                },
            }
        }
        Ok(buckets)
    }

    fn objects(&mut self, name: &str, records: &Dir, bucket: &mut Bucket) -> Result<(), FolderError> {
        let folder = records.walk(&["objects"], true).map_err(|error| self.failed(error))?;
        let names = folder.names().map_err(|error| self.failed(error))?;
        for new in names.iter().filter(|name| names::is_new(name)) {
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
            ".local-queue/buckets/{bucket}/objects/{record} is damaged; its object is not served: {error}"
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
                self.findings.push(format!("{shown} cannot be read; the object is not served: {error}"));
                return Ok(None);
            }
        };
        let identity = Identity::of(&file).map_err(|error| self.failed(error))?;
        let mut record = record.clone();
        if identity != record.identity() {
            match changed(&file, &identity, &mut record) {
                Ok(true) => {}
                Ok(false) => {
                    self.findings
                        .push(format!("{shown} was changed by another process; the object has the new content"));
                }
                Err(error) => {
                    self.findings.push(format!("{shown} cannot be read; the object is not served: {error}"));
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

/// Takes a file that is not the one of the record. Says whether it has the same bytes, as a copy has.
fn changed(file: &File, identity: &Identity, record: &mut ObjectRecord) -> io::Result<bool> {
    let etag = records::etag_of(file, identity.bytes, &record.parts)?;
    let is_same = etag == record.etag && identity.bytes == record.bytes;
    if !is_same {
        record.become_one(records::etag_of(file, identity.bytes, &[])?, identity);
    }
    Ok(is_same)
}
