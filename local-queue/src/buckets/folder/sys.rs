//! Files below a handle of their folder. No step follows a link, and none goes up.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
};

/// Where nobody has written `..` or a link below it.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Folders within folders that are looked through.
const DEPTH_MAX: usize = 600;

/// An open folder.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

/// What there is, or that there is nothing.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Dir {
    /// By its path, as somebody has given it: that may go through links.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).open(path)?.into()))
    }

    /// The folder that these names lead to, each a folder and no link.
    pub(super) fn walk(&self, names: &[&str], creates: bool) -> io::Result<Self> {
        let mut folder = Self(self.0.try_clone()?);
        for name in names {
            folder = match openat(&folder.0, *name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) if creates => {
                    match mkdirat(&folder.0, *name, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                    Self(openat(&folder.0, *name, FOLDER, Mode::empty())?)
                }
                other => Self(other?),
            };
        }
        Ok(folder)
    }

    /// A file to read, which must be one: no folder, pipe or device.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(openat(&self.0, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::other(format!("{name} is not a file")))
    }

    /// A new file.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?.into())
    }

    pub(super) fn open_lock(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.0, "lock", flags, Mode::from_raw_mode(0o666))?.into())
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes a file anew.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?).write_all(bytes)
    }

    pub(super) fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(renameat(&self.0, name, &to.0, new)?)
    }

    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub(super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Whether there is anything of this name.
    pub(super) fn has(&self, name: &str) -> io::Result<bool> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes these folders, from the last one on, as far as nothing is in them.
    pub(super) fn prune(&self, names: &[&str]) {
        for count in (0..names.len()).rev() {
            let removed = self.walk(&names[..count], false).and_then(|folder| folder.remove_folder(names[count]));
            if removed.is_err() {
                return;
            }
        }
    }

    /// What is in it, in order; names that are not text are skipped.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.entries()?.into_iter().map(|(name, _)| name).collect())
    }

    fn entries(&self) -> io::Result<Vec<(String, FileType)>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                entries.push((name.to_owned(), entry.file_type()));
            }
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(entries)
    }

    /// All files below it, by their paths from here.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut waiting = vec![Vec::<String>::new()];
        while let Some(names) = waiting.pop() {
            let path = names.iter().map(String::as_str).collect::<Vec<_>>();
            let Ok(entries) = self.walk(&path, false).and_then(|folder| folder.entries()) else { continue };
            for (name, kind) in entries {
                let mut below = names.clone();
                below.push(name);
                if kind != FileType::Directory {
                    files.push(below.join("/"));
                } else if below.len() < DEPTH_MAX {
                    waiting.push(below);
                }
            }
        }
        files
    }

    /// Whether two names that differ by case are two files here.
    pub(super) fn tells_case(&self) -> io::Result<bool> {
        self.write("Case", b"")?;
        let tells = !self.has("cASE")?;
        self.remove_file("Case")?;
        Ok(tells)
    }
}
