//! The interpreters of this machine, and which of them runs a function.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use local_queue::runtime_api::Language;

/// What an interpreter is asked: its own path, whatever shim stands before it, and its version.
const PYTHON: &str = "import sys; print(sys.executable); print('.'.join(map(str, sys.version_info[:3])))";
const NODE: &str = "console.log(process.execPath); console.log(process.versions.node)";
/// The oldest versions that our clients run on.
const OLDEST: [(Language, [u32; 2]); 2] = [(Language::Python, [3, 8]), (Language::Node, [18, 0])];

/// An interpreter that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

/// What runs a function, and what there is to say about that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) interpreter: Interpreter,
    pub(crate) note: Option<String>,
}

/// Finds interpreters, and asks each of them once.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    /// `--python` and `--node`.
    given: BTreeMap<Language, PathBuf>,
    asked: RefCell<BTreeMap<PathBuf, Result<Interpreter, String>>>,
}

impl Interpreters {
    pub(crate) fn new(python: Option<PathBuf>, node: Option<PathBuf>) -> Self {
        let given = [(Language::Python, python), (Language::Node, node)];
        let given = given.into_iter().filter_map(|(language, path)| Some((language, path?))).collect();
        Self { given, asked: RefCell::default() }
    }

    /// The interpreter for a `Runtime`. A virtual environment in one of the folders goes before what the PATH has.
    pub(crate) fn choose(&self, language: Language, runtime: &str, folders: &[PathBuf]) -> Result<Chosen, String> {
        if let Some(path) = self.given.get(&language) {
            let path =
                if path.components().count() == 1 { on_path(path).unwrap_or(path.clone()) } else { path.clone() };
            let interpreter = self.ask(language, &path)?;
            let note = note(language, runtime, &interpreter, "because it was named");
            return Ok(Chosen { interpreter, note });
        }
        if language == Language::Python {
            let environments = folders.iter().flat_map(|folder| [".venv", "venv"].map(|name| folder.join(name)));
            let mut found = environments.map(|folder| folder.join("bin/python")).filter(|python| python.is_file());
            if let Some(python) = found.next() {
                let interpreter = self.ask(language, &python)?;
                let note = note(language, runtime, &interpreter, "because of the virtual environment");
                return Ok(Chosen { interpreter, note });
            }
        }
        let names = match language {
            Language::Python => vec![runtime, "python3"],
            Language::Node => vec!["node"],
        };
        let mut reasons = Vec::new();
        for path in names.iter().filter_map(|name| on_path(Path::new(name))) {
            match self.ask(language, &path) {
                Ok(interpreter) => {
                    let reason = match language {
                        Language::Python => format!("because no {runtime} is on the PATH"),
                        Language::Node => "because it is the node on the PATH".to_owned(),
                    };
                    let note = note(language, runtime, &interpreter, &reason);
                    return Ok(Chosen { interpreter, note });
                }
                Err(reason) => reasons.push(reason),
            }
        }
        let option = if language == Language::Python { "--python" } else { "--node" };
        reasons.push(format!("there is no {} on the PATH; {option} PATH names one", names.join(" and no ")));
        Err(reasons.swap_remove(0))
    }

    fn ask(&self, language: Language, path: &Path) -> Result<Interpreter, String> {
        let mut asked = self.asked.borrow_mut();
        asked.entry(path.to_owned()).or_insert_with(|| ask(language, path)).clone()
    }
}

/// What is to be said if a function does not run on the version that it names.
fn note(language: Language, runtime: &str, interpreter: &Interpreter, reason: &str) -> Option<String> {
    let version = &interpreter.version;
    let is_the_one = match language {
        Language::Python => version.starts_with(&format!("{}.", runtime.trim_start_matches("python"))),
        Language::Node => version.split('.').next() == runtime.trim_start_matches("nodejs").split('.').next(),
    };
    (!is_the_one).then(|| format!("Runtime is {runtime}; {version} runs it, {reason}"))
}

fn ask(language: Language, path: &Path) -> Result<Interpreter, String> {
    let (option, question) = match language {
        Language::Python => ("-c", PYTHON),
        Language::Node => ("-e", NODE),
    };
    let answer = Command::new(path).arg(option).arg(question).stdin(Stdio::null()).output();
    let answer = answer.map_err(|error| format!("{} cannot be started: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let [own, version] = text.lines().collect::<Vec<_>>()[..] else {
        let said = String::from_utf8_lossy(&answer.stderr);
        let said = said.lines().next().unwrap_or("nothing");
        return Err(format!("{} does not report its version; it printed {said}", path.display()));
    };
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let found = [numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()];
    if let Some((_, [major, minor])) = OLDEST.iter().find(|(of, oldest)| *of == language && found < *oldest) {
        return Err(format!("{} is {version}; the oldest that runs functions is {major}.{minor}", path.display()));
    }
    Ok(Interpreter { path: PathBuf::from(own), version: version.to_owned() })
}

/// A program by its name alone.
fn on_path(name: &Path) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// An interpreter that gives this answer to whatever it is asked.
    fn fake(path: &Path, version: &str) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\necho /real/python\necho {version}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_owned()
    }

    #[test]
    fn what_is_named_goes_before_a_virtual_environment_and_is_what_it_says_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        fake(&folder.path().join("venv/bin/python"), "3.12.1");
        let found = Interpreters::default().choose(Language::Python, "python3.12", &folders).unwrap();
        let interpreter = Interpreter { path: "/real/python".into(), version: "3.12.1".to_owned() };
        assert_eq!(found, Chosen { interpreter, note: None });
        let named = fake(&folder.path().join("named"), "3.11.7");
        let interpreters = Interpreters::new(Some(named), None);
        let found = interpreters.choose(Language::Python, "python3.12", &folders).unwrap();
        assert_eq!(found.note.unwrap(), "Runtime is python3.12; 3.11.7 runs it, because it was named");
    }

    #[test]
    fn what_cannot_run_functions_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let old = fake(&folder.path().join("old"), "16.20.2");
        let refusal = |node: &Path| {
            let error = Interpreters::new(None, Some(node.to_owned())).choose(Language::Node, "nodejs20.x", &[]);
            error.unwrap_err().replace(folder.path().to_str().unwrap(), "")
        };
        assert_eq!(refusal(&old), "/old is 16.20.2; the oldest that runs functions is 18.0");
        let missing = folder.path().join("missing");
        assert!(refusal(&missing).starts_with("/missing cannot be started: "), "{}", refusal(&missing));
    }
}
