//! Small templates, each with what AWS makes of it: `templates/NAME.yaml` or `.json`, and beside it `NAME.expected` with the
//! queues, mappings, variables, warnings and refusals that come of it, and with what `serve --check` says.
//!
//! The first line of an expectation that begins with `$` has the options. To see what another template comes to, write it
//! with an empty expectation and run `cargo test -p tests --test templates NAME`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use libtest_mimic::{Arguments, Failed, Trial};
use local_queue::{
    engine::Limits,
    template::{self, Stack, StackDestination, StackFunction},
};
use tests::binaries;

/// So many templates there are at least: a folder that was lost would not be noticed otherwise.
const TEMPLATES_MIN: usize = 40;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut expectations = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "expected"))
        .collect::<Vec<_>>();
    expectations.sort_unstable();
    assert!(expectations.len() >= TEMPLATES_MIN, "only {} templates in {}", expectations.len(), folder.display());
    let trials = expectations.into_iter().map(|expected| {
        let name = expected.file_stem().unwrap().to_str().unwrap().to_owned();
        Trial::test(name, move || judge(&expected))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn judge(expected: &Path) -> Result<(), Failed> {
    let template = ["yaml", "json"].map(|extension| expected.with_extension(extension));
    let template = template.into_iter().find(|path| path.is_file()).ok_or("there is no template of this name")?;
    let expected = fs::read_to_string(expected).unwrap();
    let options = expected.lines().next().and_then(|line| line.strip_prefix("$ ")).unwrap_or_default();
    let arguments = options.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
    let mut found = String::new();
    if !options.is_empty() {
        writeln!(found, "$ {options}").unwrap();
    }
    found.push_str(&read(&template, &arguments));
    found.push_str(&checked(&template, &arguments));
    if found == expected {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{expected}--- found\n{found}", difference(&expected, &found)).into())
}

/// The first line that differs.
fn difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines()).enumerate();
    match lines.find(|(_, (expected, found))| expected != found) {
        Some((number, (expected, found))) => format!("line {}: {found:?}, expected {expected:?}", number + 1),
        None => format!("{} lines, expected {}", found.lines().count(), expected.lines().count()),
    }
}

fn of_option<'a>(arguments: &'a [String], option: &str) -> Vec<&'a str> {
    let pairs = arguments.windows(2).filter(|pair| pair[0] == option);
    pairs.map(|pair| pair[1].as_str()).collect()
}

/// What the template is, as the library reads it.
fn read(path: &Path, arguments: &[String]) -> String {
    let pairs = |option: &str| {
        let pairs = of_option(arguments, option).into_iter().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let variables: std::collections::BTreeMap<String, String> = pairs("--env");
    let options = template::Options {
        parameters: pairs("--parameter"),
        ssm: pairs("--ssm"),
        imports: pairs("--import"),
        existing_queues: of_option(arguments, "--create").into_iter().map(ToOwned::to_owned).collect(),
        given_variables: variables.into_keys().collect(),
        folder: Some(path.parent().unwrap().to_owned()),
        ..template::Options::default()
    };
    match template::read(&fs::read_to_string(path).unwrap(), &options, &Limits::STRICT) {
        Ok(stack) => describe(&stack),
        Err(error) => {
            let mut text = String::new();
            for diagnostic in &error.diagnostics {
                writeln!(text, "refused {diagnostic}").unwrap();
            }
            text
        }
    }
}

fn describe(stack: &Stack) -> String {
    let mut text = String::new();
    for queue in &stack.queues {
        write!(text, "queue {}", queue.name).unwrap();
        for attribute in &queue.attributes {
            write!(text, " {attribute:?}").unwrap();
        }
        if let Some(redrive) = &queue.redrive {
            write!(text, " to {} after {}", redrive.dead_letter_queue, redrive.max_receive_count).unwrap();
        }
        for (key, value) in &queue.tags {
            write!(text, " {key}:{value}").unwrap();
        }
        text.push('\n');
    }
    for declared in &stack.apis {
        let api = &declared.api;
        write!(text, "api {} {:?} {}", declared.logical_id, api.kind, api.id).unwrap();
        for stage in &api.stages {
            write!(text, " stage {} {:?}", stage.name, stage.variables).unwrap();
        }
        if let Some(cors) = &api.cors {
            write!(text, " {cors:?}").unwrap();
        }
        for (what, names) in [("pages of", &api.origins), ("binary", &api.binary_media_types)] {
            if !names.is_empty() {
                write!(text, " {what} {}", names.join(" ")).unwrap();
            }
        }
        text.push('\n');
        for route in &api.routes {
            let timeout = route.timeout.map(|timeout| format!(" within {timeout:?}")).unwrap_or_default();
            writeln!(text, "  route {}{timeout}: {}", route.key(), route.integration).unwrap();
        }
    }
    for bucket in &stack.buckets {
        write!(text, "bucket {} {}", bucket.logical_id, bucket.name).unwrap();
        for notification in &bucket.notifications {
            let to = match &notification.destination {
                StackDestination::Queue(queue) => queue.name(),
                StackDestination::Function(arn) => arn,
            };
            write!(text, " {} to {to}", notification.event).unwrap();
        }
        if bucket.event_bridge {
            text.push_str(" to EventBridge");
        }
        text.push('\n');
    }
    for rule in &stack.rules {
        writeln!(text, "rule {} {} {} {:?}", rule.logical_id, rule.name, rule.pattern, rule.targets).unwrap();
    }
    for function in &stack.functions {
        text.push_str(&describe_function(function));
    }
    for warning in &stack.warnings {
        writeln!(text, "warning {warning}").unwrap();
    }
    text
}

fn describe_function(function: &StackFunction) -> String {
    let StackFunction { logical_id, name, timeout, memory_megabytes, code, layers, .. } = function;
    let mut text = String::new();
    let seconds = timeout.as_secs();
    writeln!(text, "function {logical_id} {name} {seconds} s {memory_megabytes} MB {code:?}").unwrap();
    for layer in layers {
        writeln!(text, "  layer {} {:?}", layer.name, layer.path).unwrap();
    }
    for (variable, value) in &function.environment {
        writeln!(text, "  {variable}={value}").unwrap();
    }
    for declared in &function.mappings {
        let mapping = &declared.mapping;
        let mut settings = format!("batch {}", mapping.batch_size);
        if !mapping.maximum_batching_window.is_zero() {
            write!(settings, " window {} s", mapping.maximum_batching_window.as_secs()).unwrap();
        }
        if mapping.report_batch_item_failures {
            settings.push_str(" ReportBatchItemFailures");
        }
        if let Some(concurrency) = mapping.maximum_concurrency {
            write!(settings, " concurrency {concurrency}").unwrap();
        }
        if !mapping.filter_criteria.is_empty() {
            settings.push_str(" filtered");
        }
        if !declared.enabled {
            settings.push_str(" disabled");
        }
        let (id, queue) = (&declared.logical_id, declared.queue.name());
        writeln!(text, "  mapping {id} {queue} to {} {settings}", mapping.function_name).unwrap();
    }
    text
}

/// What `serve --check` says of it, with interpreters that every machine has.
fn checked(template: &Path, arguments: &[String]) -> String {
    let interpreters = tempfile::tempdir().unwrap();
    let interpreter = |name: &str, version: &str| -> PathBuf {
        let path = interpreters.path().join(name);
        fs::write(&path, format!("#!/bin/sh\necho {}\necho {version}\n", path.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let (python, node) = (interpreter("python", "3.12.1"), interpreter("node", "20.1.0"));
    let output = Command::new(binaries::local_queue())
        .args(["serve", "--check", "--template"])
        .arg(template.file_name().unwrap())
        .arg("--python")
        .arg(python)
        .arg("--node")
        .arg(node)
        .args(arguments)
        .current_dir(template.parent().unwrap())
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut text = format!("check ends with {}\n", output.status.code().unwrap());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(text, "  {words}").unwrap();
    }
    // The lines of warnings and refusals are those above.
    let said = String::from_utf8(output.stderr).unwrap();
    let said = said.lines().filter(|line| !line.contains(": warning: ")).count();
    if output.status.code() == Some(2) {
        writeln!(text, "  {said} refused").unwrap();
    }
    text
}
