//! A run that outlives its process: its jobs are kept in a folder, and what they are the jobs of.
//!
//! The folder has the queues, which are opened first and whose lock keeps other processes out, and `run.json`, which is there
//! from the moment at which all jobs are. So a run either has not begun or is there as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use local_queue::LocalQueue;
use local_queue_terminal::{note, one_line};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::Run;
use super::report::{PassedOver, Refused, Report};

const QUEUES: &str = "queues";
const RUN: &str = "run.json";
const UNFINISHED: &str = "run.json.tmp";
/// Of `run.json`.
const VERSION: u32 = 1;

/// A folder with a run, or for one.
#[derive(Debug)]
pub(crate) struct KeptRun {
    folder: PathBuf,
    local: LocalQueue,
    arguments: BTreeMap<String, Value>,
    begun: Option<Begun>,
}

/// A run that has begun.
#[derive(Debug, Deserialize, Serialize)]
struct Begun {
    version: u32,
    arguments: BTreeMap<String, Value>,
    jobs: u64,
    renamed: usize,
    /// Sources and reasons.
    refused: Vec<(String, String)>,
    /// Formats, and how many files have them.
    left_out: BTreeMap<String, usize>,
    /// Paths, and what they are.
    passed_over: Vec<(String, String)>,
}

impl KeptRun {
    /// Opens a folder, which is made if need be. Fails if it has a run of other arguments, or if another process uses it.
    pub(crate) fn open(folder: &Path, arguments: &Run, out: &Path) -> anyhow::Result<Self> {
        let cannot_use = || format!("cannot use --data {}", folder.display());
        check_folder(folder).with_context(cannot_use)?;
        let arguments = comparable(arguments, out).with_context(cannot_use)?;
        let (local, _) = LocalQueue::builder().data(folder.join(QUEUES)).open().with_context(cannot_use)?;
        let begun = read(&folder.join(RUN)).with_context(cannot_use)?;
        if let Some(begun) = &begun {
            check_arguments(&begun.arguments, &arguments).with_context(cannot_use)?;
        } else {
            // Left by a run that ended before it had begun.
            local.reset();
        }
        Ok(Self { folder: folder.to_owned(), local, arguments, begun })
    }

    pub(crate) const fn queues(&self) -> &LocalQueue {
        &self.local
    }

    /// Whether there is a run.
    pub(crate) fn has_begun(&self) -> bool {
        self.folder.join(RUN).exists()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tells the report what was found when the run began, and how many jobs there were; nothing if none has begun.
    pub(crate) fn tell(&self, report: &mut Report) -> Option<u64> {
        let begun = self.begun.as_ref()?;
        let refused = begun.refused.iter().cloned();
        report.refused = refused.map(|(source, reason)| Refused { source: source.into(), reason }).collect();
        report.left_out = begun.left_out.iter().map(|(format, files)| (format.clone().into(), *files)).collect();
        let passed_over = begun.passed_over.iter().cloned();
        report.passed_over =
            passed_over.map(|(path, what)| PassedOver { path: path.into(), what: what.into() }).collect();
        report.renamed = begun.renamed;
        report.images = begun.jobs + report.refused.len() as u64;
        Some(begun.jobs)
    }

    /// Begins a run whose jobs are in the queue.
    pub(crate) fn begin(&self, report: &Report, jobs: u64) -> anyhow::Result<()> {
        let shown = |path: &Path| path.display().to_string();
        let begun = Begun {
            version: VERSION,
            arguments: self.arguments.clone(),
            jobs,
            renamed: report.renamed,
            refused: report.refused.iter().map(|it| (shown(&it.source), it.reason.clone())).collect(),
            left_out: report.left_out.iter().map(|(format, files)| (format.clone().into_owned(), *files)).collect(),
            passed_over: report.passed_over.iter().map(|it| (shown(&it.path), it.what.clone().into_owned())).collect(),
        };
        let text = serde_json::to_string_pretty(&begun)?;
        self.write(&text).with_context(|| format!("cannot write to --data {}", self.folder.display()))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let unfinished = self.folder.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(RUN))?;
        self.sync_names()
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Leaves a run to the next process. What cannot be written is there all the same, and only takes longer to read.
    pub(crate) fn leave(&self) {
        if let Err(error) = self.local.close() {
            note(format_args!("resize: {}", one_line(&error.to_string())));
        }
    }

    /// Removes a run that is over, or has not begun.
    pub(crate) fn remove(&self) {
        if let Err(error) = self.remove_files() {
            let folder = self.folder.display();
            note(format_args!("resize: the run is over, but --data {folder} cannot be removed: {error}"));
        }
    }

    fn remove_files(&self) -> io::Result<()> {
        // First what says that there is a run.
        if self.has_begun() {
            fs::remove_file(self.folder.join(RUN))?;
            self.sync_names()?;
        }
        let _ = self.local.close();
        fs::remove_dir_all(self.folder.join(QUEUES))?;
        match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => removed,
        }
    }
}

/// A folder with files of others is none for a run.
fn check_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut foreign = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if [QUEUES, RUN, UNFINISHED].iter().all(|known| name != *known) {
            foreign = Some(name);
        } else {
            return Ok(());
        }
    }
    match foreign {
        Some(name) => {
            bail!("it holds {} and no run; expected a new folder, an empty one, or one with a run", name.display())
        }
        None => Ok(()),
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Begun>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let wrong = || format!("{} is not what this version of resize writes", path.display());
    let begun = serde_json::from_str::<Begun>(&text).with_context(wrong)?;
    if begun.version != VERSION {
        bail!("{} has version {}; expected {VERSION}", path.display(), begun.version);
    }
    Ok(Some(begun))
}

/// The arguments by which runs differ, by their names.
fn comparable(arguments: &Run, out: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    let mut add = |name: &str, value: Value| _ = all.insert(name.to_owned(), value);
    let paths = arguments.paths.iter().map(|path| std::path::absolute(path).map(|path| text(&path)));
    add("PATH", paths.collect::<io::Result<Vec<_>>>()?.into());
    add("--out", text(out).into());
    if let Some(renditions) = &arguments.renditions {
        let read = fs::read_to_string(renditions);
        add("--renditions", read.with_context(|| format!("cannot read {}", renditions.display()))?.into());
    } else {
        for (name, value) in arguments.output.fields() {
            add(&format!("--{}", name.replace('_', "-")), value);
        }
    }
    if let Some(if_exists) = arguments.if_exists {
        add("--if-exists", handler::job::IfExists::from(if_exists).word().into());
    }
    add("--allow-truncated", arguments.allow_truncated.into());
    Ok(all)
}

/// A path as text that no other path has.
fn text(path: &Path) -> String {
    path.to_str().map_or_else(|| path.as_os_str().as_encoded_bytes().escape_ascii().to_string(), ToOwned::to_owned)
}

fn check_arguments(kept: &BTreeMap<String, Value>, given: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    let names = kept.keys().chain(given.keys().filter(|name| !kept.contains_key(*name)));
    let value = |all: &BTreeMap<String, Value>, name: &str| match all.get(name) {
        None => "not given".to_owned(),
        Some(Value::String(text)) if text.len() <= 200 => one_line(text).to_string(),
        Some(Value::String(_)) => "another file".to_owned(),
        Some(Value::Array(paths)) => {
            let paths = paths.iter().map(|path| path.as_str().unwrap_or_default());
            one_line(&paths.collect::<Vec<_>>().join(" ")).to_string()
        }
        Some(other) => other.to_string(),
    };
    let differ = names.filter(|name| kept.get(*name) != given.get(*name));
    let differ = differ.map(|name| format!("{name} was {} and is {}", value(kept, name), value(given, name)));
    let differ = differ.collect::<Vec<_>>();
    if differ.is_empty() {
        return Ok(());
    }
    bail!(
        "it keeps a run that was begun with other arguments: {}. Give the same arguments to go on with it, or another folder",
        differ.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn given(line: &str) -> BTreeMap<String, Value> {
        let arguments = Arguments::try_parse_from(format!("resize run {line}").split_whitespace()).unwrap();
        let Command::Run(run) = arguments.command else { panic!("{line}") };
        comparable(&run, Path::new("/out")).unwrap()
    }

    #[test]
    fn arguments_that_make_other_outputs_are_named_and_others_may_differ() {
        let first = given("/a --out /out --width 9");
        for same in ["/a --out /out --width 9 --json", "/a --out /out --width 9 --memory 500 --data d"] {
            check_arguments(&first, &given(same)).unwrap();
        }
        for (other, expected) in [
            ("/b --out /out --width 9", "PATH was /a and is /b."),
            ("/a --out /out --width 8", "--width was 9 and is 8."),
            ("/a --out /out --height 9", "--width was 9 and is not given; --height was not given and is 9."),
            ("/a --out /out --width 9 --if-exists skip", "--if-exists was not given and is skip."),
            ("/a --out /out --width 9 --allow-truncated", "--allow-truncated was false and is true."),
        ] {
            let error = check_arguments(&first, &given(other)).unwrap_err().to_string();
            assert!(error.contains(&format!("other arguments: {expected}")), "{error}");
        }
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new/data");
        check_folder(&data).unwrap();
        fs::write(data.join("photo.jpg"), "").unwrap();
        let error = check_folder(&data).unwrap_err().to_string();
        assert!(error.starts_with("it holds photo.jpg and no run"), "{error}");
        fs::write(data.join(RUN), r#"{"version":2}"#).unwrap();
        check_folder(&data).unwrap();
        assert!(read(&data.join(RUN)).is_err());
    }
}
