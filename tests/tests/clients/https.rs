//! A server as `local-queue serve --tls` starts it, and the environment by which clients trust it.

use std::process::Stdio;

use tempfile::TempDir;
use tests::binaries;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(crate) struct Secure {
    _process: Child,
    folder: TempDir,
    /// What it has written for clients.
    pub(crate) environment: Vec<(String, String)>,
}

impl Secure {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(binaries::local_queue());
        command.args(["serve", "--listen", "127.0.0.1:0", "--tls", "--tls-dir"]).arg(folder.path());
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("environment of clients:") {
                break;
            }
        }
        let text = std::fs::read_to_string(folder.path().join("local-queue.env")).unwrap();
        let variables = text.lines().map(|line| line.split_once('=').unwrap());
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { _process: process, folder, environment }
    }

    pub(crate) fn endpoint_url(&self) -> &str {
        let (_, url) = self.environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap();
        url
    }

    /// The certificate of its authority, as PEM.
    pub(crate) fn authority(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("ca.pem")).unwrap()
    }
}
