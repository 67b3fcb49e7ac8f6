//! Files below folders that were opened once: nothing is ever looked up from the top of the file system again.
//!
//! Every folder on the way to a file is opened from the handle of the one above it, and no symbolic link is followed. So
//! somebody who replaces folders by links, at whatever moment, leads nobody out of the root: the link is refused, or the
//! folder that was opened before is the one that is used.
//!
//! - A file is read from the handle by which it was found to be a file. It is opened without waiting, so a named pipe does
//!   not hold a thread.
//! - A file is written beside its place, under a name of its own, and renamed or linked within the folder's handle. When that
//!   fails, what was written is removed.
//! - Each operation blocks one thread of the pool, once; so does a read whose memory is granted while the file is opened.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, linkat, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Headers;
use super::store::{About, Grant, Head, Object, PutMode, Store, StoreError};

/// What is done about symbolic links below a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// None is followed.
    Refuse,
    /// They are followed, wherever they lead: for files of one's own.
    Follow,
}

/// A folder and its handle.
#[derive(Debug)]
pub(super) struct Root {
    /// As it was given, from the top.
    given: PathBuf,
    /// With its own links resolved.
    real: PathBuf,
    handle: OwnedFd,
    links: Links,
}

impl Root {
    /// Opens a folder, once and for all.
    pub(super) fn open(path: &Path, links: Links) -> std::io::Result<Self> {
        let given = std::path::absolute(path)?;
        let real = path.canonicalize()?;
        let handle = openat(rustix::fs::CWD, &real, folder_flags(links), Mode::empty())?;
        Ok(Self { given, real, handle, links })
    }

    /// What of a file's path is below this root, whose own links do not matter.
    fn below<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(&self.real).or_else(|_| path.strip_prefix(&self.given)).ok()
    }
}

/// The files below some roots. A key is a path without its leading slash.
#[derive(Clone, Debug)]
pub(super) struct Files(Arc<Vec<Root>>);

impl Files {
    pub(super) fn new(roots: Vec<Root>) -> Self {
        Self(Arc::new(roots))
    }

    /// The path of a file once the links of its root are resolved, if it is below one.
    pub(super) fn real_path(&self, key: &str) -> Option<PathBuf> {
        self.root_of(&Path::new("/").join(key)).map(|(root, below)| root.real.join(below))
    }

    /// Why a path cannot name a file, whatever the file system holds.
    pub(super) fn check(&self, key: &str) -> Result<(), String> {
        let roots: Vec<_> = self.0.iter().map(|root| root.real.display().to_string()).collect();
        match self.root_of(&Path::new("/").join(key)) {
            Some((root, below)) if below.as_os_str().is_empty() => {
                Err(format!("it is the folder {} itself", root.real.display()))
            }
            Some(_) => Ok(()),
            None if roots.is_empty() => Err("file:// is not configured here".to_owned()),
            None => Err(format!("it is outside the folder {}", roots.join(" and "))),
        }
    }

    /// The innermost root above a path.
    fn root_of<'a>(&self, path: &'a Path) -> Option<(&Root, &'a Path)> {
        let roots = self.0.iter().filter_map(|root| Some((root, root.below(path)?)));
        roots.min_by_key(|(_, below)| below.components().count())
    }

    fn open(&self, key: &str) -> Result<(File, u64), StoreError> {
        let path = Path::new("/").join(key);
        let (root, folders, name) = self.parts(&path)?;
        let folder = walk(root, &folders, Missing::Fails)?;
        let folder = folder.as_ref().map_or(root.handle.as_fd(), AsFd::as_fd);
        open_file(folder, name, root.links).map_err(|error| error.of_source(name))
    }

    fn head(&self, key: &str) -> Result<Head, StoreError> {
        let path = Path::new("/").join(key);
        let (root, folders, name) = self.parts(&path)?;
        let folder = walk(root, &folders, Missing::Fails)?;
        let folder = folder.as_ref().map_or(root.handle.as_fd(), AsFd::as_fd);
        let flags = if root.links == Links::Refuse { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
        let found = statat(folder, name, flags).map_err(of_errno)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile | FileType::Symlink => Ok(Head { modified: modified(&found) }),
            FileType::Directory => Err(is_a_folder(name)),
            other => Err(StoreError::NotAFile(what_is(other))),
        }
    }

    fn write(&self, key: &str, body: &[u8], mode: PutMode) -> Result<(), StoreError> {
        let path = Path::new("/").join(key);
        let (root, folders, name) = self.parts(&path)?;
        let folder = walk(root, &folders, Missing::IsMade)?;
        let folder = folder.as_ref().map_or(root.handle.as_fd(), AsFd::as_fd);
        let (temporary, file) = create_beside(folder)?;
        let written = write_all(file, body).and_then(|()| match mode {
            PutMode::Replace => {
                renameat(folder, temporary.as_str(), folder, name).map_err(|errno| of_rename(errno, name))
            }
            PutMode::Create => link(folder, &temporary, name),
        });
        if written.is_err() || mode == PutMode::Create {
            // The reason of the failure matters more than one of the cleaning up.
            let _ = unlinkat(folder, temporary.as_str(), AtFlags::empty());
        }
        written
    }

    fn parts<'a>(&self, path: &'a Path) -> Result<(&Root, Vec<&'a Path>, &'a Path), StoreError> {
        let key = path.strip_prefix("/").unwrap_or(path);
        self.check(&key.to_string_lossy()).map_err(StoreError::BadLocation)?;
        let (root, below) = self.root_of(path).ok_or(StoreError::NotFound)?;
        let mut names: Vec<&Path> = below.components().map(|component| Path::new(component.as_os_str())).collect();
        let name = names.pop().ok_or(StoreError::NotFound)?;
        Ok((root, names, name))
    }
}

#[async_trait]
impl Store for Files {
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        let (files, key) = (self.clone(), key.to_owned());
        let found = blocking(move || {
            let (file, bytes) = files.open(&key)?;
            let body = if grant.ask(bytes) { Body::Read(read(&file, bytes)?) } else { Body::Unread(file) };
            Ok((bytes, body))
        });
        let (bytes, body) = found.await?;
        let body = match body {
            Body::Read(body) => futures_util::stream::iter([Ok(body)]).boxed(),
            Body::Unread(file) => futures_util::stream::once(blocking(move || read(&file, bytes))).boxed(),
        };
        Ok(Object { bytes, headers: Headers::default(), body })
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        let (files, key) = (self.clone(), key.to_owned());
        blocking(move || files.head(&key)).await
    }

    async fn put(&self, key: &str, body: Bytes, _: &About, mode: PutMode) -> Result<(), StoreError> {
        let (files, key) = (self.clone(), key.to_owned());
        blocking(move || files.write(&key, &body, mode)).await
    }
}

/// What of a file is there when it is found.
enum Body {
    Read(Bytes),
    Unread(File),
}

/// What is done about a folder that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fails,
    IsMade,
}

/// Opens a file of this machine by its path, links followed, without ever waiting for it. Anything else than a file is an
/// error that says what it is.
pub fn open_regular(path: &Path) -> std::io::Result<File> {
    match open_file(rustix::fs::CWD, path, Links::Follow) {
        Ok((file, _)) => Ok(file),
        Err(OpenError::Errno(errno)) => Err(errno.into()),
        Err(OpenError::Is(what)) => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, NotAFile(what))),
    }
}

/// Something else than a file, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}; expected a file")]
pub struct NotAFile(pub &'static str);

/// Why a file was not opened.
enum OpenError {
    Errno(Errno),
    Is(&'static str),
}

impl OpenError {
    fn of_source(self, name: &Path) -> StoreError {
        match self {
            // A link in the place of the file; whether it leads to one is not looked at.
            Self::Errno(Errno::LOOP) => StoreError::BadLocation(is_a_link(name)),
            Self::Errno(errno) => of_errno(errno),
            Self::Is(what) => StoreError::NotAFile(what),
        }
    }
}

/// Opens and looks at what was opened, which nobody can exchange any more.
fn open_file(folder: BorrowedFd<'_>, name: &Path, links: Links) -> Result<(File, u64), OpenError> {
    // Without waiting, because the open of a named pipe waits for somebody to write to it.
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let handle = openat(folder, name, flags, Mode::empty()).map_err(|errno| match errno {
        // What has no open at all.
        Errno::NXIO => OpenError::Is("a socket, or a device that does not exist"),
        errno => OpenError::Errno(errno),
    })?;
    let found = fstat(&handle).map_err(OpenError::Errno)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Ok((File::from(handle), u64::try_from(found.st_size).unwrap_or(0))),
        other => Err(OpenError::Is(what_is(other))),
    }
}

/// Something else than a file, for people.
fn what_is(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Directory => "a folder",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else than a file",
    }
}

/// When something was written, as exactly as the file system keeps it; none before 1970.
#[allow(clippy::unnecessary_fallible_conversions, reason = "the types of these fields are another system's own")]
fn modified(found: &Stat) -> Option<SystemTime> {
    let (seconds, nanoseconds) = (u64::try_from(found.st_mtime).ok()?, u32::try_from(found.st_mtime_nsec).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}

/// Gives a file that was written beside its place its name there, unless something has that name.
fn link(folder: BorrowedFd<'_>, temporary: &str, name: &Path) -> Result<(), StoreError> {
    match linkat(folder, temporary, folder, name, AtFlags::empty()) {
        Err(Errno::EXIST) => Err(StoreError::AlreadyExists),
        // A file system without links (documentation: link(2)) has no such step; two who meet here replace one another.
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(StoreError::AlreadyExists),
            Err(_) => renameat(folder, temporary, folder, name).map_err(|errno| of_rename(errno, name)),
        },
        linked => linked.map_err(of_made),
    }
}

/// Reads a file that had so many bytes when it was opened, and more if there are more: as much as the system gives at once,
/// into memory that nobody has to clear before.
fn read(file: &File, bytes: u64) -> Result<Bytes, StoreError> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // One more than there should be, so that the end is met without growing.
    let mut body = Vec::new();
    let wanted = bytes.saturating_add(1);
    if body.try_reserve_exact(wanted).is_err() {
        return Err(StoreError::Unreachable(format!("out of memory for its {bytes} bytes")));
    }
    while body.len() < wanted {
        match rustix::io::read(file, spare_capacity(&mut body)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(of_errno(errno)),
        }
    }
    Ok(body.into())
}

/// Opens the folder at the end of some names, one from the other; `None` when there are no names.
fn walk(root: &Root, folders: &[&Path], missing: Missing) -> Result<Option<OwnedFd>, StoreError> {
    let mut reached: Option<OwnedFd> = None;
    for name in folders {
        let above = reached.as_ref().map_or(root.handle.as_fd(), AsFd::as_fd);
        let open = || openat(above, *name, folder_flags(root.links), Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if missing == Missing::IsMade => {
                match mkdirat(above, *name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => open(),
                    Err(errno) => return Err(of_made(errno)),
                }
            }
            opened => opened,
        };
        let opened = opened.map_err(|errno| match (errno, kind_of(above, name)) {
            (Errno::NOTDIR | Errno::LOOP, Some(FileType::Symlink)) if root.links == Links::Refuse => {
                StoreError::BadLocation(is_a_link(name))
            }
            (Errno::NOENT | Errno::LOOP, Some(FileType::Symlink)) => {
                StoreError::BadLocation(format!("the symbolic link {} leads nowhere", name.display()))
            }
            (Errno::NOTDIR, _) => StoreError::BadLocation(format!("{} is not a folder", name.display())),
            (errno, _) if missing == Missing::IsMade => of_made(errno),
            (errno, _) => of_errno(errno),
        })?;
        reached = Some(opened);
    }
    Ok(reached)
}

/// A handle by which only names below the folder are looked up: that needs no right to list it.
fn folder_flags(links: Links) -> OFlags {
    #[cfg(target_os = "linux")]
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match links {
        Links::Refuse => flags | OFlags::NOFOLLOW,
        Links::Follow => flags,
    }
}

/// A new file under a name that is short enough whatever the name of the file that it is to become.
fn create_beside(folder: BorrowedFd<'_>) -> Result<(String, File), StoreError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let name = format!(".resize-{:016x}", fastrand::u64(..));
        match openat(folder, name.as_str(), flags, Mode::from_raw_mode(0o666)) {
            Ok(handle) => return Ok((name, File::from(handle))),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(of_made(errno)),
        }
    }
}

fn write_all(mut file: File, body: &[u8]) -> Result<(), StoreError> {
    file.write_all(body).map_err(|error| of_io(&error))
}

/// What something is, a link itself and not what it leads to. Only for the text of an error.
fn kind_of(folder: BorrowedFd<'_>, name: &Path) -> Option<FileType> {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(found.st_mode))
}

fn is_a_folder(name: &Path) -> StoreError {
    StoreError::BadLocation(format!("{} is a folder", name.display()))
}

fn is_a_link(name: &Path) -> String {
    format!("{} is a symbolic link, and links below the root are not followed", name.display())
}

fn of_io(error: &std::io::Error) -> StoreError {
    Errno::from_io_error(error).map_or_else(|| StoreError::Unreachable(error.to_string()), of_errno)
}

/// Of a write: what was there a moment ago and is not now was removed by somebody else.
fn of_made(errno: Errno) -> StoreError {
    if errno == Errno::NOENT { StoreError::Conflict } else { of_errno(errno) }
}

fn of_rename(errno: Errno, name: &Path) -> StoreError {
    match errno {
        Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY => is_a_folder(name),
        errno => of_made(errno),
    }
}

fn of_errno(errno: Errno) -> StoreError {
    let text = || std::io::Error::from(errno).to_string();
    match errno {
        Errno::NOENT => StoreError::NotFound,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => StoreError::Denied(text()),
        Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::INVAL => StoreError::BadLocation(text()),
        Errno::NAMETOOLONG | Errno::ILSEQ => StoreError::UnsupportedKey(text()),
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => StoreError::Full(text()),
        _ => StoreError::Unreachable(text()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(StoreError::Unreachable("the process is stopping".to_owned())),
    })
}

#[cfg(test)]
mod tests;
