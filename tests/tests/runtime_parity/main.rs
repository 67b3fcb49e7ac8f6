//! The Runtime API beside AWS's own Runtime Interface Emulator: the same requests to both, and the same answers.
//!
//! That emulator is a program inside the Python package `aws-sam-cli`, which `.ci/run` installs into `.cache/clients`.
//! Without it each test says what it skips.
//!
//! Two differences are known and evened out: it tells extensions no handler, and it does not trace.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod clients;
mod foreign;
mod http;
mod ministack;
mod rival;
mod scenarios;
mod shipped;

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

use self::rival::{Ours, Outcome, Theirs};

/// Where the emulator is, unless `RUNTIME_INTERFACE_EMULATOR` says otherwise; nothing if it is not installed.
fn emulator(test: &str) -> Option<PathBuf> {
    let beside_the_workspace = || {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients");
        packages.join("aws-sam-cli/samcli/local/rapid/aws-lambda-rie-x86_64")
    };
    let path = env::var_os("RUNTIME_INTERFACE_EMULATOR").map_or_else(beside_the_workspace, PathBuf::from);
    is_there(test, &path).then(|| path.canonicalize().unwrap())
}

/// Whether something is there; else says that a test does not run.
fn is_there(test: &str, path: &Path) -> bool {
    let is_there = path.exists();
    if !is_there {
        say(&format!("skipped: {test}, because {} is not there; .ci/run installs it", path.display()));
    }
    is_there
}

/// Writes a line past the test runner, which shows what a passed test prints to nobody.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered_as_by_the_emulator_of_aws() {
    let Some(emulator) = emulator("the Runtime API beside AWS's emulator") else { return };
    let mut requests = 0;
    for scenario in scenarios::ALL {
        let theirs = scenario.run(&mut Theirs::puppet(&emulator)).await;
        let ours = scenario.run(&mut Ours::puppet()).await;
        assert_eq!(ours, theirs, "{}", scenario.name);
        requests += ours.len();
    }
    println!("{} scenarios with {requests} answers are the same", scenarios::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_end_in_the_words_of_the_emulator_of_aws() {
    let Some(emulator) = emulator("ends of processes beside AWS's emulator") else { return };
    let table = [
        ("exit 3", false),
        ("exit 0", false),
        ("kill -9 $$", false),
        ("kill -6 $$", false),
        ("exit 0", true),
        ("exit 3", true),
    ];
    for (script, answers) in table {
        let theirs = scenarios::end(&Theirs::puppet(&emulator), script, answers).await;
        let ours = scenarios::end(&Ours::puppet(), script, answers).await;
        assert_eq!(ours, theirs, "{script}, answers: {answers}");
        assert_eq!(matches!(ours, Outcome::Payload(_)), answers, "{ours:?}");
    }
}
