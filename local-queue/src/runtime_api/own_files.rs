//! The files of a function's own in the folder of its code: those that somebody edits.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that tools fill. They are large, and what fills them touches a file beside them or the folder itself.
const FILLED: [&str; 8] =
    ["node_modules", "site-packages", "__pycache__", "venv", "target", "cdk.out", "vendor", "coverage"];
/// Folders that pip makes beside each package, which has its name and version before this.
const FILLED_ENDINGS: [&str; 2] = [".dist-info", ".egg-info"];

/// What a folder has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFiles {
    /// The files, in the order of their paths.
    pub files: Vec<PathBuf>,
    /// Folders named `node_modules`, into which nobody looked.
    pub node_modules: Vec<PathBuf>,
}

impl OwnFiles {
    /// Those of a folder, or a file itself, among its first `entries_max` files and folders.
    ///
    /// Packages, virtual environments, what was built, hidden folders and links to folders are skipped.
    #[must_use]
    pub fn find(root: &Path, entries_max: usize) -> Self {
        let mut own = Self::default();
        let mut left = entries_max;
        if root.is_file() {
            own.files.push(root.to_owned());
        } else {
            own.add(root, &mut left);
        }
        own
    }

    fn add(&mut self, folder: &Path, left: &mut usize) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut entries = entries.flatten().collect::<Vec<_>>();
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if *left == 0 {
                return;
            }
            *left -= 1;
            let path = entry.path();
            // Of a link to a file, what it leads to counts. A link to a folder may lead round in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            match name.to_str() {
                _ if kind.is_file() || kind.is_symlink() && path.is_file() => self.files.push(path),
                _ if !kind.is_dir() => {}
                Some("node_modules") => self.node_modules.push(path),
                name if name.is_some_and(is_filled) => {}
                _ => self.add(&path, left),
            }
        }
    }
}

fn is_filled(name: &str) -> bool {
    name.starts_with('.') || FILLED.contains(&name) || FILLED_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_fill_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, is_own) in [
            ("app.py", true),
            (".env", true),
            ("lib/deep/er.py", true),
            ("boto3-1.34.0.dist-info/METADATA", false),
            ("app.egg-info/PKG-INFO", false),
            ("node_modules/a/index.js", false),
            (".venv/lib/a.py", false),
            ("venv/lib/a.py", false),
            ("target/lambda/a/bootstrap", false),
        ] {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            assert_eq!(OwnFiles::find(root, 100).files.contains(&file), is_own, "{path}");
        }
        assert_eq!(OwnFiles::find(root, 100).node_modules, [root.join("node_modules")]);
        assert_eq!(OwnFiles::find(&root.join("app.py"), 100).files, [root.join("app.py")]);
        assert!(OwnFiles::find(root, 1).files.len() <= 1);
    }
}
