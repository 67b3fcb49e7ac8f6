//! Temporary folders that are gone with this process, however it ends.
//!
//! All of them are in one folder of the process, whose lock the process holds as long as it lives. What a process leaves
//! behind that was killed is removed by the next one: the system has released the lock. A process's number would not do: it
//! may be another one's by then, and means nothing in another container that shares the folder.

use std::{
    env,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tempfile::TempDir;

const PREFIX: &str = "local-queue-";
const LOCK: &str = "lock";
/// A folder can be taken for one that was left behind between its making and its locking; hardly ever twice.
const ATTEMPTS_MAX: usize = 10;

/// A folder that only this user can read. It is removed when this is dropped, when the process ends by
/// [`remove_temporary_folders`], or else when the next process makes its first one.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    _own: Arc<Own>,
}

/// What has the folders of this process in it.
#[derive(Debug)]
struct Own {
    folder: TempDir,
    /// Held, not read.
    _lock: File,
}

static OWN: Mutex<Weak<Own>> = Mutex::new(Weak::new());

impl TemporaryFolder {
    /// Makes a folder.
    pub fn new() -> io::Result<Self> {
        let own = Own::of_this_process()?;
        Ok(Self { folder: TempDir::new_in(own.folder.path())?, _own: own })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Own {
    fn of_this_process() -> io::Result<Arc<Self>> {
        let mut known = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = known.upgrade().filter(|own| own.folder.path().is_dir()) {
            return Ok(own);
        }
        let place = env::temp_dir();
        remove_abandoned(&place);
        let own = Arc::new(Self::new(&place)?);
        *known = Arc::downgrade(&own);
        Ok(own)
    }

    fn new(place: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS_MAX {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
            let path = folder.path().join(LOCK);
            let Ok(lock) = File::create_new(&path) else { continue };
            // Where nothing can be locked, nothing is removed either.
            let is_taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            if !is_taken && path.exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other(format!("folders in {} are removed as soon as they are made", place.display())))
    }
}

/// Removes the temporary folders of this process, for one that is about to exit where it stands.
pub fn remove_temporary_folders() {
    let own = OWN.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    if let Some(own) = own {
        let _ = fs::remove_dir_all(own.folder.path());
    }
}

/// Removes what processes have left behind that live no more.
fn remove_abandoned(place: &Path) {
    for folder in fs::read_dir(place).into_iter().flatten().flatten() {
        if folder.file_name().to_string_lossy().starts_with(PREFIX)
            && let Some(lock) = abandoned(&folder.path())
        {
            if let Err(error) = fs::remove_dir_all(folder.path()) {
                tracing::debug!(%error, "failed to remove a temporary folder that was left behind");
            }
            drop(lock);
        }
    }
}

/// The lock of a folder that nobody holds.
fn abandoned(folder: &Path) -> Option<File> {
    let path: PathBuf = folder.join(LOCK);
    if !is_of_this_user(folder) || !path.is_file() {
        return None;
    }
    let lock = File::open(path).ok()?;
    lock.try_lock().is_ok().then_some(lock)
}

/// Others can make folders of such a name, with whatever in them.
#[cfg(unix)]
fn is_of_this_user(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = folder.symlink_metadata();
    metadata.is_ok_and(|it| it.is_dir() && it.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn is_of_this_user(folder: &Path) -> bool {
    folder.symlink_metadata().is_ok_and(|it| it.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(place: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(place).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_folders_whose_owner_is_gone_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let living = Own::new(place.path()).unwrap();
        let name = living.folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        // A killed process removes nothing; its lock is gone with it.
        let killed = Own::new(place.path()).unwrap();
        let Own { folder, _lock: lock } = killed;
        fs::write(folder.path().join("bootstrap.py"), "pass").unwrap();
        let left_behind = folder.keep();
        remove_abandoned(place.path());
        assert!(left_behind.exists(), "its lock is held");
        drop(lock);
        // Neither of ours, nor of the form of ours.
        fs::create_dir(at("local-queue-without-a-lock")).unwrap();
        fs::create_dir(at("other")).unwrap();
        fs::write(at("other").join(LOCK), "").unwrap();
        fs::write(at("local-queue-file"), "").unwrap();
        remove_abandoned(place.path());
        let mut expected = vec![name, "local-queue-file".to_owned(), "local-queue-without-a-lock".to_owned()];
        expected.push("other".to_owned());
        expected.sort();
        assert_eq!(names(place.path()), expected);
    }

    #[test]
    fn folders_of_a_process_are_beside_each_other_and_go_one_by_one() {
        let (one, other) = (TemporaryFolder::new().unwrap(), TemporaryFolder::new().unwrap());
        assert_eq!(one.path().parent(), other.path().parent());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && other.path().exists());
    }
}
