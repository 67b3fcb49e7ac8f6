//! Another emulator that runs functions without Docker, beside ours: what becomes of malformed partial batch responses, and
//! what a function sees of the machine. `.ci/compare install mapping` installs it; without it nothing runs.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use tests::binaries;

use super::{is_there, say};

#[test]
fn malformed_replies_shell_variables_and_threads_are_as_in_lambda_beside_ministack() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !is_there("the mapping beside ministack", &root.join(".cache/compare/python/bin/ministack")) {
        return;
    }
    let compared = Command::new(root.join(".ci/compare"))
        .arg("mapping")
        .env("LOCAL_QUEUE", binaries::local_queue())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success(), "{table}\n{}", String::from_utf8_lossy(&compared.stderr));
    say(&table);
    let rows = table.lines().skip(2).map(|row| row.split(" | ").collect::<Vec<_>>()).collect::<Vec<_>>();
    assert_eq!(rows.len(), 5, "{table}");
    for row in rows {
        assert_eq!(row[1], row[2], "local-queue is not as AWS documents: {row:?}");
    }
}
