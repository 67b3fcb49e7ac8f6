//! The two emulators, behind one trait: what invokes a function, and where its Runtime API is.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use local_queue::{
    engine::Time,
    event_source_mapping::{FunctionError, Invocation, Invoker},
    runtime_api::{Function, LogLine},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::http::{WAIT, send};

/// Long enough for every scenario, and short enough to wait for.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What an invocation came to, with its request id written as ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Payload(String),
    Error { error_type: String, message: String },
}

pub(crate) trait Rival {
    /// Tells the puppet to run these commands instead of going on.
    fn end_puppet(&self, commands: &str) {
        fs::write(self.folder().join("told"), commands).unwrap();
        fs::rename(self.folder().join("told"), self.folder().join("end")).unwrap();
    }

    /// Begins an invocation. Both start a process only then.
    fn invoke(&self, event: Bytes) -> tokio::task::JoinHandle<Outcome>;
    /// Where the puppet writes the address of its API.
    fn folder(&self) -> &Path;
}

/// Waits for the address that the puppet has written.
pub(crate) async fn runtime_api(rival: &impl Rival) -> SocketAddr {
    let path = rival.folder().join("address");
    let deadline = Instant::now() + WAIT;
    loop {
        if let Ok(text) = fs::read_to_string(&path) {
            return text.trim().parse().unwrap();
        }
        assert!(Instant::now() < deadline, "the puppet has not told its address");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A runtime that does nothing but tell where its API is, and end as it is told; the test speaks in its place.
const PUPPET: &str = "echo \"$AWS_LAMBDA_RUNTIME_API\" >\"$FOLDER/new\" && mv \"$FOLDER/new\" \"$FOLDER/address\"\n\
                      while [ ! -e \"$FOLDER/end\" ]; do /bin/sleep 0.01; done\n\
                      . \"$FOLDER/end\"";

fn write_puppet(folder: &Path) -> PathBuf {
    let path = folder.join("bootstrap");
    fs::write(&path, format!("#!/bin/sh\n{PUPPET}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Ours.
pub(crate) struct Ours {
    function: Function,
    folder: TempDir,
}

impl Ours {
    pub(crate) fn puppet() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write_puppet(folder.path());
        let declared = folder.path().to_str().unwrap().to_owned();
        Self::new(folder, &path, &[("FOLDER", &declared)])
    }

    pub(crate) fn program(program: &Path, environment: &[(&str, &str)]) -> Self {
        Self::new(tempfile::tempdir().unwrap(), program, environment)
    }

    pub(crate) fn with_handler(program: &Path, handler: &str) -> Self {
        let builder = Function::builder("resize", program).handler(handler).timeout(TIMEOUT).memory_mib(1024);
        let function = builder.logs(|_: &LogLine| {}).build().unwrap();
        Self { function, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn cold_starts(&self) -> u64 {
        self.function.metrics().cold_starts
    }

    fn new(folder: TempDir, program: &Path, environment: &[(&str, &str)]) -> Self {
        let builder = Function::builder("resize", program).timeout(TIMEOUT).memory_mib(1024);
        let function = builder.environment(environment.iter().copied()).logs(|_: &LogLine| {}).build().unwrap();
        Self { function, folder }
    }
}

impl Rival for Ours {
    fn invoke(&self, event: Bytes) -> tokio::task::JoinHandle<Outcome> {
        let function = self.function.clone();
        let request_id = format!("request-{}", self.function.metrics().invocations);
        tokio::spawn(async move {
            let invocation = Invocation {
                event,
                request_id,
                function_arn: "arn:aws:lambda:us-east-1:012345678912:function:resize".into(),
                deadline: Time::EPOCH,
            };
            let error = |error_type: &str, message| Outcome::Error { error_type: error_type.to_owned(), message };
            match function.invoke(invocation).await {
                Ok(payload) => Outcome::Payload(String::from_utf8_lossy(&payload).into_owned()),
                Err(FunctionError::Crashed { message }) => error("Runtime.ExitError", without_id(&message)),
                Err(FunctionError::Failed { error_type, message }) => error(&error_type, message),
                Err(FunctionError::ResponseTooLarge { .. }) => {
                    let message = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
                    error("Function.ResponseSizeTooLarge", message.to_owned())
                }
                Err(other) => error("", other.to_string()),
            }
        })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// AWS's.
pub(crate) struct Theirs {
    process: Child,
    front: SocketAddr,
    folder: TempDir,
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // It takes the processes of its functions with it when it is asked to end.
        let id = self.process.id().to_string();
        let _ = Command::new("/bin/kill").args(["-TERM", "--", &format!("-{id}")]).status();
        let _ = Command::new("/bin/kill").args(["-KILL", "--", &format!("-{id}")]).status();
        let _ = self.process.wait();
    }
}

/// Two addresses that nobody has at the moment.
fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

impl Theirs {
    pub(crate) fn puppet(emulator: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write_puppet(folder.path());
        Self::new(folder, emulator, &path, &[])
    }

    pub(crate) fn program(emulator: &Path, program: &Path, environment: &[(&str, &str)]) -> Self {
        Self::new(tempfile::tempdir().unwrap(), emulator, program, environment)
    }

    fn new(folder: TempDir, emulator: &Path, program: &Path, environment: &[(&str, &str)]) -> Self {
        let [front, api] = free_addresses();
        let process = Command::new(emulator)
            .args(["--runtime-interface-emulator-address", &front.to_string()])
            .args(["--runtime-api-address", &api.to_string()])
            .arg(program)
            // It gives its functions its own environment.
            .env_clear()
            .envs(environment.iter().copied())
            .env("AWS_LAMBDA_FUNCTION_NAME", "resize")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", TIMEOUT.as_secs().to_string())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("FOLDER", folder.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { process, front, folder }
    }
}

/// What every invocation is sent to.
const PATH: &str = "/2015-03-31/functions/function/invocations";

impl Rival for Theirs {
    fn invoke(&self, event: Bytes) -> tokio::task::JoinHandle<Outcome> {
        let front = self.front;
        tokio::spawn(async move {
            match send(front, "POST", PATH, "", &event).await {
                Ok(answer) => outcome(&answer.body),
                // A scenario may end before its invocation, and the emulator with it.
                Err(error) => Outcome::Error { error_type: String::new(), message: error.to_string() },
            }
        })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Errors come like payloads, and are known by their fields.
fn outcome(body: &str) -> Outcome {
    let error = serde_json::from_str::<serde_json::Value>(body).ok();
    let field = |name: &str| Some(error.as_ref()?.get(name)?.as_str()?.to_owned());
    match (field("errorType"), field("errorMessage")) {
        (Some(error_type), Some(message)) => Outcome::Error { error_type, message: without_id(&message) },
        _ => Outcome::Payload(body.to_owned()),
    }
}

/// `RequestId: 01234567-... Error: x` as `RequestId: ID Error: x`.
fn without_id(message: &str) -> String {
    match message.strip_prefix("RequestId: ").and_then(|rest| rest.split_once(' ')) {
        Some((_, rest)) => format!("RequestId: ID {rest}"),
        None => message.to_owned(),
    }
}
