//! Runtimes of AWS for other languages, on ours: a Python function on `awslambdaric`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::rival::{Ours, Outcome, Rival};

const APP: &str = r#"
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

#[tokio::test(flavor = "multi_thread")]
async fn a_python_function_runs_on_the_runtime_of_aws() {
    let packages = std::env::var_os("CLIENTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients"), PathBuf::from);
    let python = packages.join("python/bin/python");
    let module = module(&packages.join("python/lib")).unwrap_or_else(|| packages.join("python/lib/*/awslambdaric"));
    if !super::is_there("a Python function", &module) {
        return;
    }
    // Not resolved: a virtual environment is known by the path of its link.
    let python = std::path::absolute(python).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = folder.path().join("bootstrap");
    let script = format!("#!/bin/sh\nexec {} -m awslambdaric \"$_HANDLER\"\n", python.display());
    fs::write(&bootstrap, script).unwrap();
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("app.py"), APP).unwrap();
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
    let expected = Outcome::Error { error_type: "ValueError".to_owned(), message: "told to fail".to_owned() };
    assert_eq!(outcome, expected);
    assert_eq!(ours.cold_starts(), 1);
}

/// Where the runtime is in a virtual environment, whatever the version of its Python.
fn module(libraries: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(libraries).ok()?.filter_map(Result::ok);
    versions.map(|version| version.path().join("site-packages/awslambdaric")).find(|path| path.exists())
}
