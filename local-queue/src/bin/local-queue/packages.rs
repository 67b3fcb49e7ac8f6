//! What AWS's runtimes bring beside the language, and the packages of a function are written against: boto3, `@aws-sdk/*`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use local_queue::runtime_api::{Interpreted, Language, OwnFiles};

/// So many entries of a folder are looked at for sources.
const ENTRIES_MAX: usize = 20_000;
/// So many sources of a function are read for what they import.
const SOURCES_MAX: usize = 300;
/// Of each this much, where imports stand.
const SOURCE_BYTES_MAX: usize = 64 * 1024;

/// Where packages of a language are in the folder that `--runtime-packages` names.
pub(crate) fn folder(packages: &Path, language: Language) -> PathBuf {
    match language {
        Language::Python => packages.join("python"),
        Language::Node => packages.join("nodejs"),
    }
}

/// What a function imports that AWS's runtime would have and nothing here has, with the command that brings it.
pub(crate) fn missing(function: &Interpreted, packages: Option<&Path>) -> Option<String> {
    let (names, command) = match function.language {
        Language::Python => (missing_python(function)?, "pip install --target"),
        Language::Node => (missing_node(function)?, "npm install --prefix"),
    };
    let to = packages.map_or_else(|| PathBuf::from("DIR"), Path::to_path_buf);
    let option = if packages.is_none() { " and give --runtime-packages DIR" } else { "" };
    let (to, names) = (folder(&to, function.language), names.join(" "));
    Some(format!("it imports {names}, which AWS's runtime provides; {command} {} {names}{option}", to.display()))
}

fn missing_python(function: &Interpreted) -> Option<Vec<String>> {
    let imports = |line: &str| {
        let module = line.trim_start().strip_prefix("import ").or_else(|| line.trim_start().strip_prefix("from "))?;
        let module = module.split([' ', '.', ',', ';']).next()?;
        matches!(module, "boto3" | "botocore").then(|| "boto3".to_owned())
    };
    let names = imported(&function.code, &["py"], |text| text.lines().filter_map(imports).collect());
    if names.is_empty() {
        return None;
    }
    let question =
        "import importlib.util as u, sys; sys.path[:0] = sys.argv[1:]; print(u.find_spec('boto3') is not None)";
    let places = function.packages.iter().chain(&function.layers).cloned();
    let layers = function.layers.iter().map(|layer| layer.join("python"));
    let mut command = Command::new(&function.interpreter);
    command.args(["-c", question]).arg(&function.code).args(places.chain(layers)).stdin(Stdio::null());
    let answer = command.output().ok()?;
    (answer.stdout.trim_ascii() == b"False").then(|| names.into_iter().collect())
}

fn missing_node(function: &Interpreted) -> Option<Vec<String>> {
    // The runtimes before 18 have version 2 of the SDK, which is one package.
    let version = function.runtime.trim_start_matches("nodejs").split('.').next().unwrap_or_default();
    let has_version_2 = version.parse::<u32>().is_ok_and(|version| version < 18);
    let imports = |text: &str| {
        let parts = text.split(['"', '\'', '`']).filter(|part| part.len() < 100);
        let name_of = |part: &str| match part.strip_prefix("@aws-sdk/") {
            Some(rest) => Some(format!("@aws-sdk/{}", rest.split('/').next().unwrap_or_default())),
            None if part == "aws-sdk" || part.starts_with("aws-sdk/") => has_version_2.then(|| "aws-sdk".to_owned()),
            None => None,
        };
        parts.filter_map(name_of).collect()
    };
    let names = imported(&function.code, &["js", "mjs", "cjs"], imports);
    let code = std::path::absolute(&function.code).ok()?;
    let own = code.ancestors().map(|folder| folder.join("node_modules"));
    let layers = function.layers.iter().map(|layer| layer.join("nodejs/node_modules"));
    let packages = function.packages.iter().map(|folder| folder.join("node_modules"));
    let places = own.chain(layers).chain(packages).collect::<Vec<_>>();
    let names = names.into_iter().filter(|name| !places.iter().any(|place| place.join(name).is_dir()));
    let names = names.collect::<Vec<_>>();
    (!names.is_empty()).then_some(names)
}

/// What the sources of a folder import, of its own and not of its packages.
fn imported(folder: &Path, extensions: &[&str], of: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    // Packages that were installed beside the code are not its own either.
    let is_package = |file: &Path| {
        let mut parts = file.strip_prefix(folder).unwrap_or(file).components();
        parts.any(|part| ["boto3", "botocore"].iter().any(|name| part.as_os_str() == *name))
    };
    let is_source =
        |file: &Path| file.extension().is_some_and(|it| extensions.iter().any(|extension| it == *extension));
    let files = OwnFiles::find(folder, ENTRIES_MAX).files.into_iter();
    let sources = files.filter(|file| is_source(file) && !is_package(file)).take(SOURCES_MAX);
    let read = |file: PathBuf| {
        let mut bytes = fs::read(file).unwrap_or_default();
        bytes.truncate(SOURCE_BYTES_MAX);
        of(&String::from_utf8_lossy(&bytes))
    };
    sources.flat_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_sdk_that_are_nowhere_are_told_with_the_command_that_brings_them() {
        let project = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = project.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "src/index.mjs",
            "import { S3 } from '@aws-sdk/client-s3';\nimport a from \"@aws-sdk/lib-dynamodb/dist\";",
        );
        write("src/node_modules/other/index.js", "require('@aws-sdk/client-sns')");
        let said = |packages: Option<&Path>| {
            let mut function = Interpreted::new("nodejs20.x", "node", project.path().join("src")).unwrap();
            function.packages.extend(packages.map(|packages| folder(packages, Language::Node)));
            missing(&function, packages)
        };
        let brings = "which AWS's runtime provides; npm install --prefix";
        let both = "@aws-sdk/client-s3 @aws-sdk/lib-dynamodb";
        let expected = format!("it imports {both}, {brings} DIR/nodejs {both} and give --runtime-packages DIR");
        assert_eq!(said(None).unwrap(), expected);
        // One is in the project, and one where it is said.
        write("node_modules/@aws-sdk/client-s3/package.json", "{}");
        let one = "@aws-sdk/lib-dynamodb";
        let packages = project.path().join("packages");
        let to = packages.join("nodejs");
        assert_eq!(said(Some(&packages)).unwrap(), format!("it imports {one}, {brings} {} {one}", to.display()));
        write("packages/nodejs/node_modules/@aws-sdk/lib-dynamodb/package.json", "{}");
        assert_eq!(said(Some(&packages)), None);

        // Version 2 is of the older runtimes only: elsewhere it is missing in AWS, too.
        write("old/index.js", "const SQS = require('aws-sdk/clients/sqs');");
        for (runtime, expected) in [("nodejs16.x", true), ("nodejs20.x", false)] {
            let function = Interpreted::new(runtime, "node", project.path().join("old")).unwrap();
            let found = missing(&function, None);
            assert_eq!(found.is_some_and(|it| it.starts_with("it imports aws-sdk, which")), expected, "{runtime}");
        }
    }
}
