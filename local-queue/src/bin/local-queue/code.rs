//! Where the code of a function is, and what runs it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    interpreters::{Chosen, Interpreters},
    packages,
    unpack::unpack,
};
use local_queue::{
    runtime_api::{Interpreted, Language, OwnFiles, TemporaryFolder},
    template::{Code, StackFunction},
};

/// So many entries of a folder are looked at for the newest; a project with more of its own files is rare.
const ENTRIES_MAX: usize = 20_000;

/// What is run for a function.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) program: Program,
    /// Where it is, in words.
    pub(crate) from: String,
    /// What somebody who wonders later should have read.
    pub(crate) notes: Vec<String>,
    /// What was unpacked or written for it, which is there as long as this.
    pub(crate) made: Vec<TemporaryFolder>,
}

#[derive(Debug)]
pub(crate) enum Program {
    Bootstrap(PathBuf),
    Interpreted(Interpreted),
}

/// Why a function is not run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// It is of a kind that does not run here.
    Kind(String),
    /// It would run, if something were done.
    Missing(String),
}

/// What all functions of a template have in common.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    /// The folder that the template is in.
    pub(crate) folder: &'a Path,
    /// `--function`.
    pub(crate) given: &'a [(String, String)],
    /// `--runtime-packages`.
    pub(crate) packages: Option<&'a Path>,
    pub(crate) interpreters: &'a Interpreters,
}

/// A folder that may have the code.
struct Place {
    folder: PathBuf,
    from: String,
    note: Option<String>,
    made: Option<TemporaryFolder>,
    /// Whether its one file was in the template.
    is_inline: bool,
}

impl Place {
    fn new(folder: PathBuf, from: impl Into<String>) -> Self {
        Self { folder, from: from.into(), note: None, made: None, is_inline: false }
    }
}

impl Search<'_> {
    /// Finds what runs a function.
    pub(crate) fn find(&self, function: &StackFunction) -> Result<Found, NotFound> {
        let id = &function.logical_id;
        let runtime = function.runtime.as_deref().unwrap_or("provided.al2023");
        let language = Language::of_runtime(runtime);
        if let Some((_, path)) = self.given.iter().find(|(given, _)| given == id) {
            let path = PathBuf::from(path);
            let place = Place::new(path.clone(), format!("{} (--function)", path.display()));
            return match language.filter(|_| path.is_dir() && !path.join("bootstrap").is_file()) {
                Some(language) => self.interpreted(function, language, runtime, place),
                None => Ok(bootstrap(place)),
            };
        }
        if function.code == Code::Image {
            return Err(NotFound::Kind(format!(
                "it is an image; --function {id}=PATH names a bootstrap to run instead"
            )));
        }
        if language.is_none() && !runtime.starts_with("provided") {
            let text = format!("{runtime} does not run here; --function {id}=PATH names a bootstrap to run instead");
            return Err(NotFound::Kind(text));
        }
        let mut reasons = Vec::new();
        for place in self.places(function, language) {
            let mut place = match place {
                Ok(place) => place,
                Err(reason) => {
                    reasons.push(reason);
                    continue;
                }
            };
            let mut has_code = has_code(&place.folder, language, &function.handler);
            if place.is_inline && has_code.is_err() {
                // Lambda takes the function, and each invocation fails.
                let Place { from, .. } = &place;
                place.note =
                    Some(format!("Handler {} was not found in {from}: every invocation will fail", function.handler));
                has_code = Ok(());
            }
            match has_code {
                Ok(()) => {
                    return match language {
                        Some(language) => self.interpreted(function, language, runtime, place),
                        None => Ok(bootstrap(place)),
                    };
                }
                Err(reason) => reasons.push(reason),
            }
        }
        // AWS has it, as it has an image.
        let is_elsewhere = matches!(function.code, Code::Bucket(_)) && function.asset_path.is_none();
        let missing = if is_elsewhere { NotFound::Kind } else { NotFound::Missing };
        let Some(language) = language else {
            if is_elsewhere {
                return Err(missing(format!("its code is in S3; name a program with --function {id}=PATH")));
            }
            let built = self.cargo_lambda(function).remove(0).join("bootstrap");
            return Err(NotFound::Missing(format!(
                "no program; name it with --function {id}=PATH, or build it with cargo lambda to {}",
                built.display()
            )));
        };
        let tool = if language == Language::Node { "sam build or npm run build" } else { "sam build" };
        let looked_at = reasons.join(", and ");
        Err(missing(format!("{looked_at}; run {tool}, or name it with --function {id}=FOLDER")))
    }

    /// Where code may be, the best place first.
    fn places(&self, function: &StackFunction, language: Option<Language>) -> Vec<Result<Place, String>> {
        let mut places = Vec::new();
        let (source, source_name) = match &function.code {
            Code::Path(path) => (self.folder.join(path), format!("{path} (CodeUri)")),
            _ => (self.folder.to_owned(), "the template's folder".to_owned()),
        };
        let built = self.folder.join(".aws-sam/build").join(&function.logical_id);
        let mut stale = None;
        if built.is_dir() {
            let place = Place::new(built.clone(), format!(".aws-sam/build/{}", function.logical_id));
            if newest(&source) <= built_at(&built) {
                places.push(Ok(place));
            } else {
                let note = "it is older than its source; run sam build".to_owned();
                stale = Some(Place { note: Some(note), ..place });
            }
        }
        match &function.code {
            Code::Path(_) => places.push(package(&source, &source_name)),
            Code::Inline(text) => places.push(inline(text, language)),
            Code::Bucket(key) => {
                if let Some(path) =
                    key.as_deref().filter(|_| function.asset_path.is_none()).and_then(|key| self.beside(key))
                {
                    places.push(package(&path, &path.display().to_string()));
                } else if function.asset_path.is_none() {
                    places.push(Err("its code is in S3".to_owned()));
                }
            }
            Code::Unknown | Code::Image => places.push(Ok(Place::new(source.clone(), source_name))),
        }
        if language.is_none() {
            let built = self.cargo_lambda(function).into_iter();
            places.extend(built.map(|folder| Ok(Place::new(folder.clone(), folder.display().to_string()))));
        }
        if let Some(asset) = &function.asset_path {
            places.push(package(&self.folder.join(asset), &format!("{asset} (aws:asset:path)")));
        }
        places.extend(stale.map(Ok));
        places
    }

    /// What will be in S3 by this key: `sls package` leaves the package beside its template, and `cdk synth` an asset, of
    /// which the metadata may have been left out.
    fn beside(&self, key: &str) -> Option<PathBuf> {
        let name = key.rsplit('/').next().filter(|name| is_zip(Path::new(name)))?;
        let asset = format!("asset.{name}");
        let folder = asset.strip_suffix(".zip").unwrap_or(&asset);
        [name, folder, &asset].iter().map(|name| self.folder.join(name)).find(|path| path.exists())
    }

    /// Where `cargo lambda build` leaves a program: beside the code, or in the workspace above it.
    fn cargo_lambda(&self, function: &StackFunction) -> Vec<PathBuf> {
        let code = if let Code::Path(path) = &function.code { path } else { "." };
        let code = std::path::absolute(self.folder.join(code)).unwrap_or_else(|_| self.folder.to_owned());
        let binary = function.binary.as_deref().unwrap_or(&function.logical_id);
        code.ancestors().take(3).map(|folder| folder.join("target/lambda").join(binary)).collect()
    }

    fn interpreted(
        &self,
        function: &StackFunction,
        language: Language,
        runtime: &str,
        place: Place,
    ) -> Result<Found, NotFound> {
        let Place { folder, from, note, made, .. } = place;
        let chosen = self.interpreters.choose(language, runtime, &self.project(function, &folder));
        let Chosen { interpreter, note: of_version } = chosen.map_err(NotFound::Missing)?;
        let (mut notes, mut made) = (Vec::from_iter(note), Vec::from_iter(made));
        notes.extend(of_version);
        let mut layers = Vec::new();
        for layer in &function.layers {
            let path = layer.path.as_ref().map(|path| self.folder.join(path));
            match path.map(|path| package(&path, &layer.name)) {
                Some(Ok(place)) => {
                    layers.push(place.folder);
                    made.extend(place.made);
                }
                Some(Err(reason)) => notes.push(format!("without layer {}: {reason}", layer.name)),
                None => notes.push(format!("without layer {}, which was not found", layer.name)),
            }
        }
        let name = match language {
            Language::Python => "Python",
            Language::Node => "Node.js",
        };
        let from = format!("{from}, by {name} {}", interpreter.version);
        let program = Interpreted::new(runtime, interpreter.path, folder);
        let mut program = program.ok_or_else(|| NotFound::Kind(format!("{runtime} does not run here")))?;
        program.layers = layers;
        program.packages.extend(self.packages.map(|packages| packages::folder(packages, language)));
        notes.extend(packages::missing(&program, self.packages));
        Ok(Found { program: Program::Interpreted(program), from, notes, made })
    }

    /// The folders in which a virtual environment may be: those of the code and all above it, up to the template's.
    fn project(&self, function: &StackFunction, found: &Path) -> Vec<PathBuf> {
        let mut folders = vec![found.to_owned()];
        if let Code::Path(path) = &function.code {
            let code = self.folder.join(path);
            folders.extend(code.ancestors().take_while(|folder| *folder != self.folder).map(Path::to_path_buf));
        }
        folders.push(self.folder.to_owned());
        folders
    }
}

fn bootstrap(place: Place) -> Found {
    let Place { folder, from, note, made, .. } = place;
    Found { program: Program::Bootstrap(folder), from, notes: Vec::from_iter(note), made: Vec::from_iter(made) }
}

/// A folder, or a package that is unpacked to one.
fn package(path: &Path, name: &str) -> Result<Place, String> {
    if path.is_dir() {
        return Ok(Place::new(path.to_owned(), name));
    }
    if !path.exists() {
        return Err(format!("{} does not exist", path.display()));
    }
    if !is_zip(path) {
        return Err(format!("{} is neither a folder nor a .zip", path.display()));
    }
    let made = temporary()?;
    unpack(path, made.path()).map_err(|error| format!("{error:#}"))?;
    let folder = made.path().to_owned();
    Ok(Place { made: Some(made), ..Place::new(folder, name) })
}

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// The one file of a function whose code is in the template, as CloudFormation names it.
fn inline(text: &str, language: Option<Language>) -> Result<Place, String> {
    let name = match language {
        Some(Language::Python) => "index.py",
        Some(Language::Node) => "index.js",
        None => return Err("the code in the template is for Python or Node.js".to_owned()),
    };
    let made = temporary()?;
    fs::write(made.path().join(name), text).map_err(|error| format!("failed to write {name}: {error}"))?;
    let folder = made.path().to_owned();
    let from = format!("{name} of the template");
    Ok(Place { made: Some(made), is_inline: true, ..Place::new(folder, from) })
}

fn temporary() -> Result<TemporaryFolder, String> {
    TemporaryFolder::new().map_err(|error| format!("failed to create a temporary folder: {error}"))
}

/// Whether a folder has what the handler names; else why not.
fn has_code(folder: &Path, language: Option<Language>, handler: &str) -> Result<(), String> {
    let files = match language {
        None => vec!["bootstrap".to_owned()],
        Some(Language::Python) => {
            let module = handler.rsplit_once('.').map_or(handler, |(module, _)| module).replace('.', "/");
            vec![format!("{module}.py"), format!("{module}/__init__.py")]
        }
        Some(Language::Node) => {
            let at = handler.rfind('/').map_or(0, |slash| slash + 1);
            let end = handler[at..].find('.').map_or(handler.len(), |dot| at + dot);
            let module = &handler[..end];
            ["js", "mjs", "cjs"].iter().map(|extension| format!("{module}.{extension}")).collect()
        }
    };
    if files.iter().any(|file| folder.join(file).is_file()) {
        return Ok(());
    }
    let source = files[0].strip_suffix(".js").map(|module| format!("{module}.ts"));
    if let Some(source) = source.filter(|source| folder.join(source).is_file()) {
        return Err(format!("{} is not built", folder.join(source).display()));
    }
    Err(format!("{} has no {}", folder.display(), files.join(" or ")))
}

/// When `sam build` made a function. Files have the times of their sources.
fn built_at(folder: &Path) -> Option<SystemTime> {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    modified(folder).max(folder.parent().and_then(|build| modified(&build.join("template.yaml"))))
}

/// The newest change below a folder, or of a file. What tools fill is skipped, and what is hidden.
fn newest(path: &Path) -> Option<SystemTime> {
    let files = OwnFiles::find(path, ENTRIES_MAX).files.into_iter();
    let files = files.filter(|file| file.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    files.filter_map(|file| file.symlink_metadata().ok()?.modified().ok()).max()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use local_queue::{engine::Limits, template};
    use tempfile::TempDir;

    use super::*;

    /// A folder with these files, an interpreter for each language, and what is found in it for the template's one function.
    struct Project(TempDir);

    impl Project {
        fn new(files: &[&str]) -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            for file in files {
                project.write(file, "");
            }
            for (name, version) in [("python", "3.12.1"), ("node", "20.1.0")] {
                project.write(&format!("bin/{name}"), &format!("#!/bin/sh\necho /real/{name}\necho {version}\n"));
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(project.0.path().join("bin").join(name), mode).unwrap();
            }
            project
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn find(&self, kind: &str, properties: &str, more: &str) -> Result<Found, NotFound> {
            let text = format!("Resources: {{ Work: {{ Type: '{kind}', Properties: {{ {properties} }}, {more} }} }}");
            self.find_in(&text, &[])
        }

        fn find_in(&self, text: &str, given: &[(String, String)]) -> Result<Found, NotFound> {
            let text = format!("Transform: AWS::Serverless-2016-10-31\n{text}");
            let stack = template::read(&text, &template::Options::default(), &Limits::STRICT).unwrap();
            let [python, node] = ["python", "node"].map(|name| Some(self.0.path().join("bin").join(name)));
            let interpreters = Interpreters::new(python, node);
            let (folder, packages) = (self.0.path(), None);
            Search { folder, given, packages, interpreters: &interpreters }.find(&stack.functions[0])
        }

        fn says(&self, found: Result<Found, NotFound>) -> String {
            let text = match found {
                Ok(found) if found.notes.is_empty() => found.from,
                Ok(Found { from, notes, .. }) => format!("{from} ({})", notes.join("; ")),
                Err(NotFound::Kind(reason)) => format!("skipped: {reason}"),
                Err(NotFound::Missing(reason)) => format!("missing: {reason}"),
            };
            text.replace(self.0.path().to_str().unwrap(), "PROJECT")
        }
    }

    const SAM: &str = "AWS::Serverless::Function";
    const LAMBDA: &str = "AWS::Lambda::Function";

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn code_is_found_where_templates_say() {
        let files = [
            "src/app.py",
            "src/pkg/jobs/__init__.py",
            "src/handlers/work.mjs",
            "typed/app.ts",
            "rust/bootstrap",
            "target/lambda/Work/bootstrap",
            "asset.0a/index.js",
            "app.jar",
        ];
        let project = Project::new(&files);
        let python = "Runtime: python3.12, Handler";
        let node = "Runtime: nodejs20.x, Handler";
        for (kind, properties, more, expected) in [
            (SAM, format!("{python}: app.handler, CodeUri: src"), "", "src (CodeUri), by Python 3.12.1"),
            (SAM, format!("{python}: pkg.jobs.handler, CodeUri: src/"), "", "src/ (CodeUri), by Python 3.12.1"),
            (SAM, format!("{python}: src/app.handler"), "", "the template's folder, by Python 3.12.1"),
            (SAM, format!("{node}: handlers/work.a.b, CodeUri: ./src"), "", "./src (CodeUri), by Node.js 20.1.0"),
            (LAMBDA, format!("{python}: app.handler, Code: src"), "", "src (CodeUri), by Python 3.12.1"),
            (
                LAMBDA,
                format!("{node}: index.handler, Code: {{ S3Bucket: !Sub 'cdk-${{AWS::Region}}', S3Key: 0a.zip }}"),
                "Metadata: { 'aws:asset:path': asset.0a }",
                "asset.0a (aws:asset:path), by Node.js 20.1.0",
            ),
            (
                LAMBDA,
                format!("{node}: index.handler, Code: {{ S3Bucket: b, S3Key: 0a.zip }}"),
                "",
                "PROJECT/asset.0a, by Node.js 20.1.0",
            ),
            (
                SAM,
                format!("{python}: index.handler, InlineCode: 'x = 1'"),
                "",
                "index.py of the template, by Python 3.12.1",
            ),
            (
                LAMBDA,
                format!("{node}: index.handler, Code: {{ ZipFile: 'exports.handler' }}"),
                "",
                "index.js of the template, by Node.js 20.1.0",
            ),
            (
                SAM,
                format!("{python}: main.handler, InlineCode: 'x = 1'"),
                "",
                "index.py of the template, by Python 3.12.1 (Handler main.handler was not found in index.py of the template: every \
                 invocation will fail)",
            ),
            (SAM, "Runtime: provided.al2, Handler: bootstrap, CodeUri: rust".to_owned(), "", "rust (CodeUri)"),
            (
                SAM,
                "Runtime: provided.al2, Handler: bootstrap, CodeUri: src".to_owned(),
                "",
                "PROJECT/target/lambda/Work",
            ),
            (
                SAM,
                format!("{python}: main.handler, CodeUri: src"),
                "",
                "missing: PROJECT/src has no main.py or main/__init__.py; run sam build, or name it with --function \
                 Work=FOLDER",
            ),
            (
                SAM,
                format!("{node}: app.handler, CodeUri: typed"),
                "",
                "missing: PROJECT/typed/app.ts is not built; run sam build or npm run build, or name it with --function \
                 Work=FOLDER",
            ),
            (
                LAMBDA,
                format!("{python}: app.handler, Code: {{ S3Bucket: b, S3Key: k }}"),
                "",
                "skipped: its code is in S3; run sam build, or name it with --function Work=FOLDER",
            ),
            (
                SAM,
                "Runtime: java21, Handler: a.B, CodeUri: app.jar".to_owned(),
                "",
                "skipped: java21 does not run here; --function Work=PATH names a bootstrap to run instead",
            ),
            (
                SAM,
                "PackageType: Image".to_owned(),
                "",
                "skipped: it is an image; --function Work=PATH names a bootstrap to run instead",
            ),
        ] {
            let role = if kind == LAMBDA { ", Role: r" } else { "" };
            let found = project.find(kind, &format!("{properties}{role}"), more);
            assert_eq!(project.says(found), expected, "{properties}");
        }
    }

    #[test]
    fn what_sam_has_built_runs_unless_its_source_is_newer() {
        let project = Project::new(&["src/app.py", ".aws-sam/build/Work/app.py"]);
        let find = || project.find(SAM, "Runtime: python3.12, Handler: app.handler, CodeUri: src", "").unwrap();
        let start = project.0.path().metadata().unwrap().modified().unwrap();
        let at = |file: &str, seconds: u64| {
            let file = fs::File::open(project.0.path().join(file)).unwrap();
            file.set_modified(start + Duration::from_secs(seconds)).unwrap();
        };
        at(".aws-sam/build/Work", 10);
        assert_eq!(find().from, ".aws-sam/build/Work, by Python 3.12.1");
        at("src/app.py", 20);
        assert_eq!(find().from, "src (CodeUri), by Python 3.12.1");
        // What is only in the build is better old than not at all.
        fs::rename(project.0.path().join("src/app.py"), project.0.path().join("src/other.py")).unwrap();
        assert_eq!(find().from, ".aws-sam/build/Work, by Python 3.12.1");
        assert_eq!(find().notes, ["it is older than its source; run sam build"]);
    }

    #[test]
    fn what_is_named_goes_before_all_else() {
        let project = Project::new(&["src/app.py", "other/app.py", "program/bootstrap"]);
        let text = format!(
            "Resources: {{ Work: {{ Type: '{SAM}', Properties: {{ Runtime: python3.12, Handler: app.handler, CodeUri: src \
             }} }} }}"
        );
        for (given, expected) in [
            ("other", "PROJECT/other (--function), by Python 3.12.1"),
            ("program", "PROJECT/program (--function)"),
            ("program/bootstrap", "PROJECT/program/bootstrap (--function)"),
        ] {
            let given = project.0.path().join(given).display().to_string();
            let found = project.find_in(&text, &[("Work".to_owned(), given)]);
            assert_eq!(project.says(found), expected);
        }
    }

    #[test]
    fn layers_of_the_template_are_found_and_those_of_others_are_told() {
        let project = Project::new(&["src/app.py", "shared/python/common.py"]);
        let text = format!(
            "Resources:\n  Work: {{ Type: '{SAM}', Properties: {{ Runtime: python3.12, Handler: app.handler, CodeUri: src, \
             Layers: [!Ref Shared, 'arn:aws:lambda:us-east-1:1:layer:far:3'] }} }}\n  \
             Shared: {{ Type: 'AWS::Serverless::LayerVersion', Properties: {{ ContentUri: shared }} }}\n"
        );
        let found = project.find_in(&text, &[]).unwrap();
        let Program::Interpreted(program) = found.program else { panic!("{:?}", found.program) };
        assert_eq!(program.layers, [project.0.path().join("shared")]);
        assert_eq!(found.notes, ["without layer arn:aws:lambda:us-east-1:1:layer:far:3, which was not found"]);
    }
}
