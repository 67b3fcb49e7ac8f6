//! The product's own programs, as cargo has built them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::SystemTime,
};

/// The Lambda's program, `bootstrap` when it is deployed.
#[must_use]
pub fn handler() -> PathBuf {
    built("handler", "handler", &["handler/src", "handler/batch/src", "handler/pixels/src"])
}

/// The people's command line.
#[must_use]
pub fn resize() -> PathBuf {
    built("handler", "resize", &["handler/src", "handler/batch/src", "handler/pixels/src", "local-queue/src"])
}

/// The emulator.
#[must_use]
pub fn local_queue() -> PathBuf {
    built("local-queue", "local-queue", &["local-queue/src"])
}

/// A program beside this test, built anew if it is older than its sources.
///
/// `cargo test --workspace` has built all of them before any test runs; this is for whoever runs one test alone.
fn built(package: &str, name: &str, sources: &[&str]) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());

    let test = env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap();
    let program = folder.join(name);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let newest = sources.iter().map(|source| newest_change(&workspace.join(source))).max().unwrap();
    let _one_at_a_time = BUILDING.lock().unwrap();
    let fresh = program.metadata().is_ok_and(|metadata| metadata.modified().unwrap() >= newest);
    if !fresh {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--package", package, "--bin", name]).current_dir(workspace);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        build.env("CARGO_TARGET_DIR", folder.parent().unwrap());
        assert!(build.status().unwrap().success(), "{name} was not built");
    }
    program
}

fn newest_change(folder: &Path) -> SystemTime {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let changes = entries
        .map(|path| if path.is_dir() { newest_change(&path) } else { path.metadata().unwrap().modified().unwrap() });
    changes.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
