//! Functions that an interpreter of this machine runs, as AWS's own runtimes do: Python and Node.js.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    bootstrap::{Bootstrap, BootstrapError},
    temporary::TemporaryFolder,
};

/// A language whose functions an interpreter of this machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// `python3.x`.
    Python,
    /// `nodejs20.x` and its like, for Node.js 18 and later.
    Node,
}

impl Language {
    /// The language of a `Runtime`, such as `python3.12`; nothing if no interpreter here runs it.
    #[must_use]
    pub fn of_runtime(runtime: &str) -> Option<Self> {
        match runtime {
            runtime if runtime.starts_with("python3.") => Some(Self::Python),
            runtime if runtime.starts_with("nodejs") => Some(Self::Node),
            _ => None,
        }
    }

    /// The client of the Runtime API in this language, and its file's name.
    const fn client(self) -> (&'static str, &'static str) {
        match self {
            Self::Python => ("bootstrap.py", include_str!("clients/bootstrap.py")),
            Self::Node => ("bootstrap.cjs", include_str!("clients/bootstrap.cjs")),
        }
    }
}

/// A function of which an interpreter runs the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreted {
    /// Its language.
    pub language: Language,
    /// The interpreter itself. A shim that needs variables of its own does not find them.
    pub interpreter: PathBuf,
    /// `Runtime`, of which `AWS_EXECUTION_ENV` is made.
    pub runtime: String,
    /// The folder with the code.
    pub code: PathBuf,
    /// The folders of its layers, each as it would be unpacked under `/opt`.
    pub layers: Vec<PathBuf>,
    /// Folders in which packages are looked for last: what AWS's runtimes bring, such as boto3.
    pub packages: Vec<PathBuf>,
    /// Where a debugger can connect: debugpy, or Node's inspector.
    pub debug_port: Option<u16>,
}

impl Interpreted {
    /// A function of this `Runtime` with its code in a folder, without layers. Nothing if no interpreter runs it.
    #[must_use]
    pub fn new(runtime: &str, interpreter: impl Into<PathBuf>, code: impl Into<PathBuf>) -> Option<Self> {
        Some(Self {
            language: Language::of_runtime(runtime)?,
            interpreter: interpreter.into(),
            runtime: runtime.to_owned(),
            code: code.into(),
            layers: Vec::new(),
            packages: Vec::new(),
            debug_port: None,
        })
    }

    /// What is run for it, with the client that was written.
    pub(super) fn find(&self, client: &Client, handler: &str) -> Result<Bootstrap, BootstrapError> {
        if cfg!(not(unix)) {
            return Err(BootstrapError::NotUnix);
        }
        if !self.interpreter.is_file() {
            return Err(BootstrapError::NoInterpreter { path: self.interpreter.clone() });
        }
        let task_root = self.code.canonicalize().ok().filter(|code| code.is_dir());
        let task_root = task_root.ok_or_else(|| BootstrapError::NoFolder { path: self.code.clone() })?;
        // Not resolved: a virtual environment is known by the path of its link.
        let path = std::path::absolute(&self.interpreter)
            .map_err(|error| BootstrapError::Failed { path: self.interpreter.clone(), error })?;
        Ok(Bootstrap { path, arguments: self.arguments(client, handler), task_root })
    }

    fn arguments(&self, client: &Client, handler: &str) -> Vec<OsString> {
        let mut arguments = Vec::<OsString>::new();
        match (self.language, self.debug_port) {
            (_, None) => {}
            (Language::Python, Some(port)) => {
                arguments.extend(["-m", "debugpy", "--listen"].map(OsString::from));
                arguments.push(format!("127.0.0.1:{port}").into());
            }
            (Language::Node, Some(port)) => arguments.push(format!("--inspect=127.0.0.1:{port}").into()),
        }
        arguments.push(client.file.clone().into());
        arguments.push(handler.into());
        if self.language == Language::Python {
            arguments.extend(self.packages.iter().map(OsString::from));
        }
        arguments
    }

    /// What AWS sets for its own runtimes beside what it sets for every one. A function can declare most of it anew.
    pub(super) fn environment(&self, client: &Client, task_root: &str) -> BTreeMap<String, String> {
        let of_layers = |folders: &[&str]| {
            let layers = self.layers.iter().flat_map(|layer| folders.iter().map(|folder| layer.join(folder)));
            layers.filter(|folder| folder.is_dir()).collect::<Vec<_>>()
        };
        let interpreter = self.interpreter.parent().map(Path::to_path_buf);
        let programs = interpreter.into_iter().chain(of_layers(&["bin"]));
        let programs = programs.chain(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        let libraries = [task_root.into(), Path::new(task_root).join("lib")].into_iter().chain(of_layers(&["lib"]));
        let mut set = vec![
            ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", self.runtime)),
            ("LAMBDA_RUNTIME_DIR", client.folder().display().to_string()),
            ("LD_LIBRARY_PATH", joined(libraries)),
            ("PATH", joined(programs)),
        ];
        match self.language {
            Language::Python => {
                let site_packages = format!("python/lib/{}/site-packages", self.runtime);
                set.push(("PYTHONPATH", joined(of_layers(&[&site_packages, "python"]))));
                // In Lambda the folder of the code cannot be written. Two changes within a second would not be told apart,
                // either.
                set.push(("PYTHONDONTWRITEBYTECODE", "1".to_owned()));
            }
            Language::Node => {
                let version = self.runtime.trim_start_matches("nodejs").trim_end_matches(".x");
                let of_version = format!("nodejs/node{version}/node_modules");
                let packages = self.packages.iter().map(|folder| folder.join("node_modules"));
                let packages = of_layers(&[&of_version, "nodejs/node_modules"]).into_iter().chain(packages);
                set.push(("NODE_PATH", joined(packages.chain([task_root.into()]))));
            }
        }
        set.retain(|(_, value)| !value.is_empty());
        set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn joined(folders: impl IntoIterator<Item = PathBuf>) -> String {
    folders.into_iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":")
}

/// The client of the Runtime API in a file, which is there as long as somebody has this. A file, because tracebacks show its
/// lines.
#[derive(Clone, Debug)]
pub(super) struct Client {
    file: PathBuf,
    folder: Arc<TemporaryFolder>,
}

impl Client {
    /// Writes the client into a folder that only this user can read.
    pub(super) fn write(language: Language) -> io::Result<Self> {
        let folder = TemporaryFolder::new()?;
        let (name, text) = language.client();
        let file = folder.path().join(name);
        fs::write(&file, text)?;
        Ok(Self { file, folder: Arc::new(folder) })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the file, after which nothing is started with it any more.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(self.folder()) {
            tracing::debug!(%error, "failed to remove the client of the Runtime API");
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn only_runtimes_of_an_interpreter_have_a_language() {
        for (runtime, language) in [
            ("python3.8", Some(Language::Python)),
            ("python3.13", Some(Language::Python)),
            ("nodejs18.x", Some(Language::Node)),
            ("nodejs22.x", Some(Language::Node)),
            ("python2.7", None),
            ("provided.al2023", None),
            ("java21", None),
            ("ruby3.3", None),
        ] {
            assert_eq!(Language::of_runtime(runtime), language, "{runtime}");
        }
    }

    #[test]
    fn layers_and_packages_are_where_each_language_looks() {
        let folder = tempfile::tempdir().unwrap();
        let layer = folder.path().join("layer");
        for part in ["python/lib/python3.12/site-packages", "nodejs/node_modules", "bin", "lib"] {
            fs::create_dir_all(layer.join(part)).unwrap();
        }
        let of = |runtime: &str| {
            let function = Interpreted::new(runtime, "/opt/x/bin/interpreter", "/code").unwrap();
            let function = Interpreted { layers: vec![layer.clone()], packages: vec!["/packages".into()], ..function };
            let client = Client::write(function.language).unwrap();
            let environment = function.environment(&client, "/code");
            let of = |name: &str| environment.get(name).cloned().unwrap_or_default();
            let paths = ["PYTHONPATH", "NODE_PATH", "PATH", "LD_LIBRARY_PATH", "AWS_EXECUTION_ENV"].map(of);
            let arguments = function.arguments(&client, "app.handler");
            let last = arguments.last().unwrap().to_str().unwrap().to_owned();
            (paths.map(|path| path.replace(layer.to_str().unwrap(), "LAYER")), last)
        };
        let path = "/opt/x/bin:LAYER/bin:/usr/local/bin:/usr/bin:/bin";
        let libraries = "/code:/code/lib:LAYER/lib";
        let expected =
            ["LAYER/python/lib/python3.12/site-packages:LAYER/python", "", path, libraries, "AWS_Lambda_python3.12"];
        assert_eq!(of("python3.12"), (expected.map(String::from), "/packages".to_owned()));
        let expected =
            ["", "LAYER/nodejs/node_modules:/packages/node_modules:/code", path, libraries, "AWS_Lambda_nodejs20.x"];
        assert_eq!(of("nodejs20.x"), (expected.map(String::from), "app.handler".to_owned()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |interpreter: &str, code: &Path| {
            let function = Interpreted::new("python3.12", interpreter, code).unwrap();
            let client = Client::write(function.language).unwrap();
            function.find(&client, "app.handler").unwrap_err().to_string()
        };
        assert_eq!(refusal("/no/python", folder.path()), "interpreter /no/python does not exist");
        let code = folder.path().join("src");
        assert_eq!(refusal("/bin/sh", &code), format!("{} is not a folder with code", code.display()));
    }
}
