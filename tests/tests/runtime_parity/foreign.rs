//! Runtimes of AWS for other languages, on ours: a Python function on `awslambdaric` and a Node function on
//! `aws-lambda-ric`, each with its own part in C++ for the requests.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::rival::{Ours, Outcome, Rival};

const PYTHON: &str = r#"
import os


def handle(event, context):
    if event.get("fail"):
        raise ValueError("told to fail")
    return {
        "event": event,
        "request": context.aws_request_id,
        "memory": context.memory_limit_in_mb,
        "has_time": 0 < context.get_remaining_time_in_millis() <= 20_000,
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "region": os.environ["AWS_REGION"],
    }
"#;

const NODE: &str = r#"
export async function handle(event, context) {
    if (event.fail) {
        throw new TypeError("told to fail");
    }
    return {
        event,
        request: context.awsRequestId,
        memory: context.memoryLimitInMB,
        has_time: 0 < context.getRemainingTimeInMillis() && context.getRemainingTimeInMillis() <= 20_000,
        function: context.functionName,
        arn: context.invokedFunctionArn,
        region: process.env.AWS_REGION,
    };
}
"#;

/// Where the packages are, unless `CLIENTS` says otherwise.
pub(crate) fn packages() -> PathBuf {
    let beside_the_workspace = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients");
    env::var_os("CLIENTS").map_or_else(beside_the_workspace, PathBuf::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_function_runs_on_the_runtime_of_aws() {
    let module = module(&packages().join("python/lib"));
    if !super::is_there("a Python function", &module) {
        return;
    }
    // Not resolved: a virtual environment is known by the path of its link.
    let python = std::path::absolute(packages().join("python/bin/python")).unwrap();
    let command = format!("exec {} -m awslambdaric \"$_HANDLER\"", python.display());
    check(&command, "app.py", PYTHON, "ValueError").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_function_runs_on_the_runtime_of_aws() {
    let runtime = packages().join("node_modules/aws-lambda-ric/bin/index.mjs");
    if !super::is_there("a Node function", &runtime) {
        return;
    }
    let runtime = runtime.canonicalize().unwrap();
    let command = format!("exec node {} \"$_HANDLER\"", runtime.display());
    check(&command, "app.mjs", NODE, "TypeError").await;
}

/// Two invocations that are answered and one that fails, all by one process.
async fn check(command: &str, file: &str, app: &str, error_type: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = folder.path().join("bootstrap");
    fs::write(&bootstrap, format!("#!/bin/sh\n{command}\n")).unwrap();
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join(file), app).unwrap();
    let ours = Ours::with_handler(&bootstrap, "app.handle");
    for number in 0..2 {
        let event = serde_json::json!({ "Records": [number] });
        let outcome = ours.invoke(Bytes::from(event.to_string())).await.unwrap();
        let Outcome::Payload(payload) = outcome else { panic!("{outcome:?}") };
        let expected = serde_json::json!({
            "event": event,
            "request": format!("request-{number}"),
            "memory": "1024",
            "has_time": true,
            "function": "resize",
            "arn": "arn:aws:lambda:us-east-1:012345678912:function:resize",
            "region": "us-east-1",
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&payload).unwrap(), expected);
    }
    let outcome = ours.invoke(Bytes::from_static(b"{\"fail\":true}")).await.unwrap();
    let expected = Outcome::Error { error_type: error_type.to_owned(), message: "told to fail".to_owned() };
    assert_eq!(outcome, expected);
    assert_eq!(ours.cold_starts(), 1);
}

/// Where the runtime is in a virtual environment, whatever the version of its Python.
fn module(libraries: &Path) -> PathBuf {
    let versions = fs::read_dir(libraries).into_iter().flatten().filter_map(Result::ok);
    let mut found = versions.map(|version| version.path().join("site-packages/awslambdaric"));
    found.find(|path| path.exists()).unwrap_or_else(|| libraries.join("awslambdaric"))
}
