//! The guides' scripts, each below its heading run by a shell, on ports that are free here.

use std::{
    env, fs,
    net::TcpListener,
    process::{Command, Stdio},
};

use local_queue::{config, engine::Limits};
use tests::binaries;

use super::documents::named;

const GUIDES: &str = "local-queue/GUIDES.md";

/// Runs what stands in blocks of shell below a heading, and returns what it has printed.
fn run(heading: &str) -> String {
    let scripts = named(GUIDES).blocks(Some(heading)).into_iter().filter(|block| block.language == "sh");
    let mut script = format!("set -eu\n{}", scripts.map(|block| block.text).collect::<String>());
    for port in ["9324", "4566"] {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let listens = format!("local-queue serve --listen 127.0.0.1:{free}");
        if port == "9324" && script.contains(port) {
            script = script.replace("local-queue serve", &listens);
        }
        script = script.replace(port, &free);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("guide.sh"), &script).unwrap();
    let programs = binaries::local_queue().parent().unwrap().to_owned();
    let path = env::var("PATH").unwrap_or_default();
    let ran = Command::new("bash")
        .arg("guide.sh")
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{heading}: {}\n{said}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    said
}

#[test]
fn in_ci_a_message_is_sent_once_the_server_answers() {
    let said = run("Run it in CI");
    assert!(said.contains("MessageId"), "{said}");
}

#[test]
fn from_localstack_the_port_is_kept() {
    let said = run("Coming from LocalStack or ElasticMQ");
    assert!(said.contains("/000000000000/jobs"), "{said}");
}

#[test]
fn queues_of_a_file_are_declared() {
    let blocks = named(GUIDES).blocks(Some("Coming from LocalStack or ElasticMQ"));
    let file = blocks.into_iter().find(|block| block.language == "toml").unwrap();
    let declared = config::parse(&file.text, &Limits::STRICT).unwrap();
    assert_eq!(declared.queues.len(), 2);
}
