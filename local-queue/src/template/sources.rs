//! The files that a template is made of: itself, those it includes and those of its nested stacks.
//!
//! Lines are counted through all of them, as compilers count positions: a line is a number that says the file too.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use super::{Diagnostic, document, document::Yaml};

/// A template and what it includes may have so many files: one that includes itself would have no end of them.
const FILES_MAX: usize = 100;

/// The files read so far.
#[derive(Default)]
pub(super) struct Sources {
    files: RefCell<Vec<Source>>,
}

struct Source {
    /// Relative to the template; none of the template itself.
    path: Option<String>,
    /// The number of its first line.
    first_line: usize,
    lines: usize,
    text: String,
}

impl Sources {
    /// Takes the text of a file, and reads it.
    pub(super) fn parse(&self, path: Option<&str>, text: &str) -> Result<document::Document, Diagnostic> {
        let mut files = self.files.borrow_mut();
        let first_line = files.last().map_or(1, |last| last.first_line + last.lines);
        // What is missing at the end of a text is missing in the line after its last one.
        let (path, lines) = (path.map(ToOwned::to_owned), text.lines().count() + 1);
        files.push(Source { path, first_line, lines, text: text.to_owned() });
        drop(files);
        document::parse(text, first_line)
    }

    /// Reads a file that the template names; else why it cannot be read.
    pub(super) fn read(&self, folder: &Path, path: &str) -> Result<String, String> {
        if self.files.borrow().len() >= FILES_MAX {
            return Err(format!("{path} would be one file more than {FILES_MAX}"));
        }
        fs::read_to_string(folder.join(path)).map_err(|error| format!("{path} cannot be read: {error}"))
    }

    /// Whether a file is the template itself, whose own path is not known here: it has the same text.
    pub(super) fn is_template(&self, file: &Path) -> bool {
        let files = self.files.borrow();
        files.first().is_some_and(|template| fs::read_to_string(file).is_ok_and(|text| text == template.text))
    }

    /// The file and the line there.
    pub(super) fn locate(&self, line: usize) -> (Option<String>, usize) {
        let files = self.files.borrow();
        let source = files.iter().rev().find(|source| source.first_line <= line);
        source.map_or((None, line), |source| (source.path.clone(), line - source.first_line + 1))
    }

    /// A line, for texts.
    pub(super) fn describe(&self, line: usize) -> String {
        match self.locate(line) {
            (None, line) => format!("line {line}"),
            (Some(path), line) => format!("line {line} of {path}"),
        }
    }

    /// All files but the template itself, each once.
    pub(super) fn others(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            self.files.borrow().iter().filter_map(|source| source.path.as_ref().map(PathBuf::from)).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// A diagnostic with its file and its line there.
    pub(super) fn place(&self, diagnostic: Diagnostic) -> Diagnostic {
        let (file, line) = self.locate(diagnostic.line);
        Diagnostic { file, line, ..diagnostic }
    }
}

/// The path of a file that a file names, relative to the folder of the template.
pub(super) fn relative(folder: &str, path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    if folder.is_empty() || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    format!("{folder}/{path}")
}

/// The folder of a file, with nothing for that of the template.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a location is on this machine.
pub(super) fn is_local(location: &str) -> bool {
    !location.contains("://")
}

/// How many nodes a tree has.
pub(super) fn size(node: &Yaml) -> usize {
    1 + node.as_list().unwrap_or_default().iter().map(size).sum::<usize>()
        + node.entries().iter().map(|(_, node)| size(node)).sum::<usize>()
}
