//! What became of a run: everything that is printed, and nothing that only ran.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handler::resize::{MadeImage, Oddities};

use super::dead_letters::DeadLetter;
use super::stop::Interruption;

/// One image that was made.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) source: PathBuf,
    pub(crate) receives: u32,
    pub(crate) bytes_in: u64,
    pub(crate) outputs: Vec<OutputFile>,
    /// Outputs that were there and stay as they were.
    pub(crate) skipped: Vec<PathBuf>,
    pub(crate) oddities: Oddities,
}

/// One output.
#[derive(Debug)]
pub(crate) struct OutputFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) image: Option<MadeImage>,
}

/// An image that was made, but not at the first try.
#[derive(Debug)]
pub(crate) struct RetriedImage {
    pub(crate) source: PathBuf,
    pub(crate) receives: u32,
    /// Why the previous attempt failed.
    pub(crate) reason: String,
}

/// An image that was made although something about its source was odd.
#[derive(Debug)]
pub(crate) struct Odd {
    pub(crate) source: PathBuf,
    pub(crate) oddities: Oddities,
}

/// What is odd about a source, for people; nothing where it is as it should be.
pub(crate) fn remarks(oddities: &Oddities) -> Vec<String> {
    let mut remarks = Vec::new();
    if oddities.truncated > 0 {
        remarks.push("truncated: what is missing is gray or transparent".to_owned());
    }
    if let Some(reason) = oddities.profile_ignored_because {
        remarks.push(format!("colour profile ignored: {reason}"));
    } else if oddities.inks_without_profile > 0 {
        remarks.push("CMYK without a profile: colours by the simple formula".to_owned());
    }
    remarks
}

/// An image for which there can be no job.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) source: PathBuf,
    pub(crate) reason: String,
}

/// Something in a folder that is neither a file nor a folder, and so no image whatever its name.
#[derive(Clone, Debug)]
pub(crate) struct PassedOver {
    pub(crate) path: PathBuf,
    /// What it is.
    pub(crate) what: Cow<'static, str>,
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) display: PathDisplay,
    pub(crate) out: PathBuf,
    pub(crate) interruption: Option<Interruption>,
    /// Why it could not go on, if its jobs could not be kept any more.
    pub(crate) failure: Option<String>,
    /// Where what is left of it is kept.
    pub(crate) kept_in: Option<PathBuf>,
    /// Images that were made before this process began, if it goes on with what another one has left.
    pub(crate) done_before: Option<u64>,
    pub(crate) elapsed: Duration,
    /// Images that were found.
    pub(crate) images: u64,
    pub(crate) done: u64,
    pub(crate) outputs: u64,
    /// Outputs that were there and stay as they were.
    pub(crate) skipped: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Every image that was made, if every one is to be listed.
    pub(crate) each: Option<Vec<Done>>,
    pub(crate) retried: Vec<RetriedImage>,
    pub(crate) odd: Vec<Odd>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) refused: Vec<Refused>,
    /// Photos in formats that are not read.
    pub(crate) left_out: BTreeMap<Cow<'static, str>, usize>,
    pub(crate) passed_over: Vec<PassedOver>,
    /// Outputs that got longer names.
    pub(crate) renamed: usize,
}

impl Report {
    /// Of a run that has not begun.
    pub(crate) fn new(out: PathBuf) -> Self {
        Self {
            display: PathDisplay::here(),
            out,
            interruption: None,
            failure: None,
            kept_in: None,
            done_before: None,
            elapsed: Duration::ZERO,
            images: 0,
            done: 0,
            outputs: 0,
            skipped: 0,
            bytes_in: 0,
            bytes_out: 0,
            each: None,
            retried: Vec::new(),
            odd: Vec::new(),
            dead_letters: Vec::new(),
            refused: Vec::new(),
            left_out: BTreeMap::new(),
            passed_over: Vec::new(),
            renamed: 0,
        }
    }

    /// As in the help.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.interruption {
            Some(interruption) => interruption.exit_code(),
            None if self.failure.is_none() && self.dead_letters.is_empty() && self.refused.is_empty() => 0,
            None => 1,
        }
    }

    /// Images that are neither made nor given up.
    pub(crate) fn left(&self) -> u64 {
        let ended = self.done + (self.dead_letters.len() + self.refused.len()) as u64;
        self.images.saturating_sub(ended + self.done_before.unwrap_or_default())
    }

    /// Brings every list into the order of its paths: work side by side ends in any order.
    pub(crate) fn sort(&mut self) {
        self.each.iter_mut().for_each(|each| each.sort_by(|a, b| a.source.cmp(&b.source)));
        self.retried.sort_by(|a, b| a.source.cmp(&b.source));
        self.odd.sort_by(|a, b| a.source.cmp(&b.source));
        self.dead_letters.sort_by(|a, b| a.source.cmp(&b.source));
        self.refused.sort_by(|a, b| a.source.cmp(&b.source));
    }
}

/// Paths as they are shown: from the current folder where they are below it.
#[derive(Debug)]
pub(crate) struct PathDisplay {
    current: Option<PathBuf>,
}

impl PathDisplay {
    pub(crate) fn here() -> Self {
        Self { current: std::env::current_dir().and_then(|current| current.canonicalize()).ok() }
    }

    pub(crate) fn path(&self, path: &Path) -> String {
        let below = self.current.as_ref().and_then(|current| path.strip_prefix(current).ok());
        match below {
            Some(below) if below.as_os_str().is_empty() => ".".to_owned(),
            Some(below) => below.display().to_string(),
            None => path.display().to_string(),
        }
    }
}
