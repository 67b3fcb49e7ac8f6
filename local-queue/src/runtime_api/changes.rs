//! Whether the code of a function has changed: its files are looked at before an invocation, and nothing is watched or asked
//! in the meantime.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use super::own_files::OwnFiles;

/// Under load the files are not looked at more often than this. A change is seen by whatever is invoked this much later.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// So many files and folders are looked at, which takes some milliseconds; of what is beyond them, changes are not seen.
const ENTRIES_MAX: usize = 4_000;

/// The code of a function as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Code {
    root: PathBuf,
    fingerprint: u64,
    looked_at: Instant,
    generation: u64,
}

impl Code {
    /// The code in a folder, or a program that is a file.
    pub(super) fn new(root: PathBuf, now: Instant) -> Self {
        let fingerprint = fingerprint(&root);
        Self { root, fingerprint, looked_at: now, generation: 0 }
    }

    /// How often it has changed. What was started with another number is old.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Where to look now; nothing if that was done a moment ago.
    pub(super) fn begin_look(&mut self, now: Instant) -> Option<PathBuf> {
        if now.saturating_duration_since(self.looked_at) < LOOK_INTERVAL {
            return None;
        }
        self.looked_at = now;
        Some(self.root.clone())
    }

    /// Takes note of what was found; whether that is a change.
    pub(super) const fn saw(&mut self, fingerprint: u64) -> bool {
        let has_changed = self.fingerprint != fingerprint;
        if has_changed {
            self.fingerprint = fingerprint;
            self.generation += 1;
        }
        has_changed
    }
}

/// A number that is another one when a file has come, gone, or been written.
pub(super) fn fingerprint(root: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let OwnFiles { files, node_modules } = OwnFiles::find(root, ENTRIES_MAX);
    // npm writes this file with every change.
    let locks = node_modules.iter().map(|folder| folder.join(".package-lock.json"));
    for path in files.into_iter().chain(locks).chain(node_modules.iter().cloned()) {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        path.hash(&mut hasher);
        (metadata.modified().ok(), metadata.is_file().then_some(metadata.len())).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_edited_changes_the_fingerprint_and_what_tools_make_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, is_seen) in [
            ("app.py", true),
            ("lib/deep/er.py", true),
            ("settings.json", true),
            ("node_modules/.package-lock.json", true),
            ("node_modules/a/index.js", false),
            ("__pycache__/app.cpython-311.pyc", false),
            (".venv/lib/python3.11/site-packages/a.py", false),
            (".git/HEAD", false),
            ("boto3-1.34.0.dist-info/METADATA", false),
            ("target/lambda/a/bootstrap", false),
        ] {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "1").unwrap();
            let before = fingerprint(root);
            assert_eq!(fingerprint(root), before, "{path}: nothing was done");
            let opened = fs::File::options().write(true).open(&file).unwrap();
            let later = opened.metadata().unwrap().modified().unwrap() + Duration::from_secs(5);
            opened.set_modified(later).unwrap();
            assert_eq!(fingerprint(root) != before, is_seen, "{path}");
        }
        let before = fingerprint(root);
        fs::remove_file(root.join("app.py")).unwrap();
        assert_ne!(fingerprint(root), before, "a file has gone");
    }

    #[test]
    fn files_are_looked_at_ten_times_a_second_at_the_most() {
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut code = Code::new(folder.path().to_owned(), start);
        assert_eq!(code.begin_look(start + Duration::from_millis(99)), None);
        assert_eq!(code.begin_look(start + LOOK_INTERVAL).as_deref(), Some(folder.path()));
        assert_eq!(code.begin_look(start + LOOK_INTERVAL + Duration::from_millis(99)), None);
        let same = fingerprint(folder.path());
        assert!(!code.saw(same));
        assert!(code.saw(same.wrapping_add(1)));
        assert_eq!(code.generation(), 1);
    }

    #[test]
    fn a_circle_of_links_ends() {
        #[cfg(unix)]
        {
            let folder = tempfile::tempdir().unwrap();
            std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
            assert_eq!(fingerprint(folder.path()), fingerprint(folder.path()));
        }
    }
}
