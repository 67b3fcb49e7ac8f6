//! The environment variables of a process: what Lambda sets, and what the function declares.

use std::{collections::BTreeMap, net::SocketAddr};

use super::configuration::{Configuration, LogFormat, Program};

/// What a function cannot declare, because Lambda sets it (documented as reserved).
const RESERVED: [&str; 20] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_LOG_FORMAT",
    "AWS_LAMBDA_LOG_LEVEL",
];

/// Where Lambda's own runtimes are; here as there, a custom runtime finds nothing in it.
const RUNTIME_DIR: &str = "/var/runtime";

/// Those of the declared variables that are reserved, in their order.
pub(super) fn reserved<'a>(declared: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    declared.into_iter().filter(|name| RESERVED.contains(&name.as_str())).cloned().collect()
}

/// Whether a process can be given this variable at all.
pub(super) fn is_possible(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

/// All variables of a process whose Runtime API is at this address.
pub(super) fn environment(
    configuration: &Configuration,
    task_root: &str,
    runtime_api: SocketAddr,
    log_stream: &str,
) -> BTreeMap<String, String> {
    let Configuration { name, region, credentials, .. } = configuration;
    let memory_mib = configuration.memory_mib.to_string();
    let log_group = format!("/aws/lambda/{name}");
    let libraries = format!("/lib64:/usr/lib64:{RUNTIME_DIR}:{RUNTIME_DIR}/lib:{task_root}:{task_root}/lib:/opt/lib");
    let runtime_api = runtime_api.to_string();
    let (log_format, log_level) = match &configuration.log_format {
        LogFormat::Text => ("Text", None),
        LogFormat::Json { level } => ("JSON", level.as_deref()),
    };
    let mut set = BTreeMap::from([
        ("_HANDLER", configuration.handler.as_str()),
        ("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory_mib),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", super::configuration::VERSION),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", log_format),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream),
        ("AWS_LAMBDA_RUNTIME_API", &runtime_api),
        ("AWS_REGION", region),
        ("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        // Nobody listens there: the requests are not sampled, and segments that come all the same are lost.
        ("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000"),
        ("LAMBDA_RUNTIME_DIR", RUNTIME_DIR),
        ("LAMBDA_TASK_ROOT", task_root),
        ("LANG", "en_US.UTF-8"),
        ("LD_LIBRARY_PATH", &libraries),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TZ", ":UTC"),
    ]);
    if let Some(token) = &credentials.session_token {
        set.insert("AWS_SESSION_TOKEN", token);
    }
    if let Some(level) = log_level {
        set.insert("AWS_LAMBDA_LOG_LEVEL", level);
    }
    let mut environment =
        set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>();
    if let Program::Interpreted(function, Some(client)) = &configuration.program {
        environment.extend(function.environment(client, task_root));
    }
    environment.extend(configuration.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment
}
