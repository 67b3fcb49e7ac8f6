//! The disk, as small as a journal needs it: so that a test can have one that tears, forgets and refuses.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A folder of files. Names have no folders.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// The names of all files, in order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// What is in a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Makes a file, empty if it was there.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in place of a file that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when the names of files are on the disk.
    fn sync_names(&self) -> io::Result<()>;
    /// Where it is, for people.
    fn place(&self, name: &str) -> String;
    /// Leaves the folder to others.
    fn release(&self) {}
}

/// A file that is written from the beginning to the end.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when what was written is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Takes room for so many bytes behind `from`, which are zeros until they are written.
    fn allocate(&self, from: u64, len: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// A folder of this machine, which no other process uses until this is released or gone.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Holds the lock, if it has it.
    lock: Option<File>,
}

/// The file whose lock a process has that uses the folder.
pub(crate) const LOCK: &str = "lock";

impl Folder {
    /// A folder that is there, which others may be using.
    pub(crate) fn look(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        Ok(Self { path: path.to_owned(), lock: None })
    }

    /// Takes a folder, which is made if need be.
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock_path = path.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let mut lock = options.open(lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = lock.read_to_string(&mut pid);
                let by = if pid.is_empty() { String::new() } else { format!(" with the id {}", pid.trim()) };
                let text = format!("{} is in use by another process{by}: one process at a time", path.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // For people who look who has it. The lock goes with the process, also with one that is killed.
        lock.set_len(0)?;
        lock.rewind()?;
        write!(lock, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), lock: Some(lock) })
    }
}

/// Files hold messages, and the secret of receipt handles: they are for nobody else.
#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
const fn private(_options: &mut OpenOptions) {}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        private(&mut options);
        Ok(Arc::new(OnDisk(options.open(self.path.join(name))?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OnDisk(OpenOptions::new().write(true).open(self.path.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    #[cfg(unix)]
    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Other systems have no such thing.
    #[cfg(not(unix))]
    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn place(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn release(&self) {
        if let Some(Err(error)) = self.lock.as_ref().map(File::unlock) {
            tracing::warn!("the lock of {} is kept until the process ends: {error}", self.path.display());
        }
    }
}

impl Drop for Folder {
    /// A process that is being started at this moment has the file, too, until it becomes another program: it would keep the
    /// lock so long.
    fn drop(&mut self) {
        self.release();
    }
}

#[derive(Debug)]
struct OnDisk(File);

impl DiskFile for OnDisk {
    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    #[cfg(not(unix))]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut file = &self.0;
        file.seek(io::SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn allocate(&self, from: u64, len: u64) -> io::Result<()> {
        use rustix::{
            fs::{FallocateFlags, fallocate},
            io::Errno,
        };
        match fallocate(&self.0, FallocateFlags::empty(), from, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.write_zeros(from, len),
            allocated => Ok(allocated?),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn allocate(&self, from: u64, len: u64) -> io::Result<()> {
        self.write_zeros(from, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl OnDisk {
    fn write_zeros(&self, from: u64, len: u64) -> io::Result<()> {
        const ZEROS: &[u8] = &[0; 64 * 1024];
        let mut done = 0;
        while done < len {
            let next = (ZEROS.len() as u64).min(len - done);
            self.write_at(&ZEROS[..usize::try_from(next).unwrap_or(ZEROS.len())], from + done)?;
            done += next;
        }
        Ok(())
    }
}
