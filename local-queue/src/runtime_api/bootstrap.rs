//! The program of a function: where it is, and whether this machine can run it, said before the system would say it in
//! fewer words.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The file that Lambda runs of a package.
const FILE_NAME: &str = "bootstrap";

/// Why a function's program cannot be run here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// There is no such file or folder.
    #[error("{} does not exist; build the function first, or name its bootstrap or the folder that contains it", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// The folder has no bootstrap in it.
    #[error("{} does not contain a file {FILE_NAME}", folder.display())]
    NoBootstrap {
        /// The folder.
        folder: PathBuf,
    },
    /// It is neither a file nor a folder.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What was looked at.
        path: PathBuf,
    },
    /// Nobody may execute it.
    #[error("{} is not executable; run chmod +x; Lambda requires it too", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// It is a program for another kind of machine.
    #[error("{} is for {found}; this machine is {machine}", path.display())]
    WrongArchitecture {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: String,
        /// What this is.
        machine: &'static str,
    },
    /// It begins neither like a program nor like a script.
    #[error("{} is neither a program (ELF) nor a script that begins with #!", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
    },
    /// It is a script for an interpreter that is not there.
    #[error("{} is a script for {}, which does not exist", path.display(), interpreter.display())]
    InterpreterMissing {
        /// The file.
        path: PathBuf,
        /// What it begins with.
        interpreter: PathBuf,
    },
    /// The interpreter of the function's language is not there.
    #[error("interpreter {} does not exist", path.display())]
    NoInterpreter {
        /// What was looked for.
        path: PathBuf,
    },
    /// The code that an interpreter is to run is not there.
    #[error("{} is not a folder with code", path.display())]
    NoFolder {
        /// What was looked for.
        path: PathBuf,
    },
    /// It cannot be read or started.
    #[error("{} cannot be started: {error}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Processes cannot be stopped and continued here as Lambda does.
    #[error("functions run on Unix systems only; this is {}", std::env::consts::OS)]
    NotUnix,
}

/// A program that could be run when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bootstrap {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// The folder that it is in, or that its code is in.
    pub(super) task_root: PathBuf,
}

impl Bootstrap {
    /// Finds the program at `path` or in the folder there, and looks whether it can be run.
    pub(super) fn find(path: &Path) -> Result<Self, BootstrapError> {
        if cfg!(not(unix)) {
            return Err(BootstrapError::NotUnix);
        }
        let missing = || BootstrapError::Missing { path: path.to_owned() };
        // The process has another working directory than this one.
        let found = path.canonicalize().map_err(|_| missing())?;
        let file = if found.is_dir() { found.join(FILE_NAME) } else { found };
        let fail = |error| BootstrapError::Failed { path: file.clone(), error };
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BootstrapError::NoBootstrap { folder: path.to_owned() });
            }
            Err(error) => return Err(fail(error)),
        };
        if !metadata.is_file() {
            return Err(BootstrapError::NotAFile { path: file });
        }
        if !is_executable(&metadata) {
            return Err(BootstrapError::NotExecutable { path: file });
        }
        let mut start = Vec::with_capacity(START_BYTES);
        let limit = u64::try_from(START_BYTES).unwrap_or(u64::MAX);
        match File::open(&file).and_then(|file| file.take(limit).read_to_end(&mut start)) {
            Ok(_) => check_start(&file, &start)?,
            // A program need not be readable to be run.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(fail(error)),
        }
        let task_root = file.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { path: file, arguments: Vec::new(), task_root })
    }
}

/// Enough for the fields of an ELF header that are looked at, and for the first line of a script (Linux reads 256).
const START_BYTES: usize = 256;

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
const fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

fn check_start(path: &Path, start: &[u8]) -> Result<(), BootstrapError> {
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        let interpreter = PathBuf::from(text.split_whitespace().next().unwrap_or_default());
        if interpreter.exists() {
            return Ok(());
        }
        return Err(BootstrapError::InterpreterMissing { path: path.to_owned(), interpreter });
    }
    // Elsewhere programs have another form, which the system judges.
    if cfg!(not(target_os = "linux")) {
        return Ok(());
    }
    let Some(found) = machine_of(start) else {
        return Err(BootstrapError::NotAProgram { path: path.to_owned() });
    };
    let machine = std::env::consts::ARCH;
    if found == machine {
        return Ok(());
    }
    Err(BootstrapError::WrongArchitecture { path: path.to_owned(), found, machine })
}

/// The machine that an ELF header names, in Rust's words where it has one.
fn machine_of(start: &[u8]) -> Option<String> {
    if !start.starts_with(b"\x7fELF") {
        return None;
    }
    let [low, high] = start.get(18..20)?.try_into().ok()?;
    let is_big_endian = *start.get(5)? == 2;
    let number = if is_big_endian { u16::from_be_bytes([low, high]) } else { u16::from_le_bytes([low, high]) };
    let name = match number {
        3 => "x86",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        other => return Some(format!("machine {other} of the ELF table")),
    };
    Some(name.to_owned())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn refusal(name: &str, content: &[u8], mode: u32) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Bootstrap::find(&path).unwrap_err().to_string();
        error.replace(&folder.path().canonicalize().unwrap().display().to_string(), "")
    }

    #[test]
    fn a_program_is_found_by_its_name_and_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("bootstrap");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let task_root = path.parent().unwrap().to_owned();
        let expected = Bootstrap { task_root, path: path.clone(), arguments: Vec::new() };
        assert_eq!(Bootstrap::find(&path).unwrap(), expected);
        assert_eq!(Bootstrap::find(folder.path()).unwrap(), expected);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = Bootstrap::find(folder.path()).unwrap_err().to_string();
        assert_eq!(text, format!("{} does not contain a file bootstrap", folder.path().display()));
        let path = folder.path().join("nothing");
        let text = Bootstrap::find(&path).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{} does not exist", path.display())), "{text}");
    }

    #[test]
    fn what_cannot_be_run_is_named_with_the_reason() {
        let text = refusal("bootstrap", b"#!/bin/sh\n", 0o644);
        assert_eq!(text, "/bootstrap is not executable; run chmod +x; Lambda requires it too");
        let text = refusal("bootstrap", b"#! /opt/no/such/python3 -u\nprint(1)\n", 0o755);
        assert_eq!(text, "/bootstrap is a script for /opt/no/such/python3, which does not exist");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_for_another_machine_is_named_with_both_machines() {
        let machine = std::env::consts::ARCH;
        let (number, name) = if machine == "aarch64" { (62, "x86_64") } else { (183, "aarch64") };
        let mut header = [0_u8; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[18] = number;
        let text = refusal("bootstrap", &header, 0o755);
        assert_eq!(text, format!("/bootstrap is for {name}; this machine is {machine}"));
        for content in [&b""[..], b"PK\x03\x04", b"\x7fELF"] {
            let text = refusal("bootstrap", content, 0o755);
            assert_eq!(text, "/bootstrap is neither a program (ELF) nor a script that begins with #!");
        }
    }
}
