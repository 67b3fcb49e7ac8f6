//! What a function that does everything right sees and leaves behind.

use std::time::Duration;

use libtest_mimic::Trial;
use local_queue::{
    LocalQueue,
    engine::{MessageBody, SendMessage},
    event_source_mapping::{EventSourceMapping, FunctionError, QueueSource},
    runtime_api::{LogFormat, LogSource},
};

use super::{
    fixture::{Fixture, builder, invoke, process_state, until},
    test,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a process serves one invocation after the other", one_process_serves_all),
        test("the log has the lines of Lambda around those of the function", the_log_is_lambdas),
        test("the environment is what Lambda sets and what is declared, and nothing else", the_environment_is_lambdas),
        test("an invocation has its headers", an_invocation_has_its_headers),
        test("a process is stopped between invocations", a_process_is_stopped_between_invocations),
        test("invocations at the same time have processes of their own", each_invocation_has_a_process),
        test("an invocation beyond the limit is throttled", beyond_the_limit_is_throttled),
        test("a runtime with an extension is asked to end", a_runtime_with_an_extension_is_asked_to_end),
        test("an extension hears of invocations", an_extension_hears_of_invocations),
        test("processes end with their function", processes_end_with_their_function),
        test("a process that waits too long is ended", a_process_that_waits_too_long_is_ended),
        test("a process sees no descriptor of ours", a_process_sees_no_descriptor_of_ours),
        test("messages go through queue, mapping and process", messages_go_through),
    ]
}

async fn one_process_serves_all() {
    let fixture = Fixture::new("echo");
    let first = fixture.json("r1").await;
    assert_eq!(first["event"], serde_json::json!({ "Records": [] }));
    for request_id in ["r2", "r3"] {
        assert_eq!(fixture.json(request_id).await["pid"], first["pid"]);
    }
    let metrics = fixture.function.metrics();
    assert_eq!((metrics.invocations, metrics.cold_starts, metrics.errors), (3, 1, 0));
    assert!(metrics.duration > Duration::ZERO && metrics.init_duration > Duration::ZERO);
    assert!(metrics.memory_peak_bytes > 100_000, "{metrics:?}");
}

async fn the_log_is_lambdas() {
    let fixture = Fixture::of(builder("echo").memory_mib(1024));
    fixture.json("r1").await;
    fixture.json("r2").await;
    fixture.wait_for_line("REPORT RequestId: r2").await;
    let lines = fixture.lines();
    let of = |request_id: &str| {
        let is_its = |line: &&local_queue::runtime_api::LogLine| line.request_id.as_deref() == Some(request_id);
        lines.iter().filter(is_its).map(|line| line.text.clone()).collect::<Vec<_>>()
    };
    for (request_id, count) in [("r1", 1), ("r2", 2)] {
        let text = of(request_id);
        assert_eq!(text.len(), 5, "{text:#?}");
        assert_eq!(text[0], format!("START RequestId: {request_id} Version: $LATEST"));
        let mut own = text[1..3].to_vec();
        own.sort();
        assert_eq!(own, [format!("err {count}"), format!("out {count}")]);
        assert_eq!(text[3], format!("END RequestId: {request_id}"));
        assert!(text[4].starts_with(&format!("REPORT RequestId: {request_id}\tDuration: ")), "{}", text[4]);
        assert!(text[4].contains(" ms\tMemory Size: 1024 MB\tMax Memory Used: "), "{}", text[4]);
        assert_eq!(text[4].contains("\tInit Duration: "), request_id == "r1", "{}", text[4]);
    }
    let source = |text: &str| lines.iter().find(|line| line.text == text).unwrap().source;
    assert_eq!((source("out 1"), source("err 1")), (LogSource::Stdout, LogSource::Stderr));
}

async fn the_environment_is_lambdas() {
    let declared = [("FILE_ROOT", "/photos"), ("TZ", "Europe/Berlin")];
    let builder = builder("environment")
        .environment(declared)
        .region("eu-central-1")
        .log_format(LogFormat::Json { level: Some("WARN".to_owned()) });
    let text = Fixture::of(builder).invoke("r1").await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let folder = std::env::current_exe().unwrap().canonicalize().unwrap().parent().unwrap().display().to_string();
    let table = [
        ("_HANDLER", "environment"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", "resize"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/resize"),
        ("AWS_LAMBDA_LOG_LEVEL", "WARN"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_SESSION_TOKEN", "test"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000"),
        ("FILE_ROOT", "/photos"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LAMBDA_TASK_ROOT", &folder),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TZ", "Europe/Berlin"),
    ];
    for (name, value) in table {
        assert_eq!(find(name), Some(value), "{name}");
    }
    assert!(find("AWS_LAMBDA_RUNTIME_API").unwrap().starts_with("127.0.0.1:"));
    assert!(find("AWS_LAMBDA_LOG_STREAM_NAME").unwrap().contains("/[$LATEST]"));
    assert!(find("LD_LIBRARY_PATH").unwrap().contains(&folder));
    assert_eq!(text.lines().count(), table.len() + 3, "{text}");
}

async fn an_invocation_has_its_headers() {
    let fixture = Fixture::of(builder("head").timeout(Duration::from_secs(15)));
    let now = || local_queue::clock::Clock::wall_now().as_millis();
    let before = now();
    let head = String::from_utf8(fixture.invoke("r1").await.unwrap().to_vec()).unwrap().to_lowercase();
    let find = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap();
    assert_eq!(find("lambda-runtime-aws-request-id"), "r1");
    let deadline = find("lambda-runtime-deadline-ms").parse::<u64>().unwrap();
    assert!((before + 14_999..=now() + 15_001).contains(&deadline), "{before} {deadline}");
    let function_arn = find("lambda-runtime-invoked-function-arn");
    assert_eq!(function_arn, "arn:aws:lambda:us-east-1:000000000000:function:resize");
    let trace_id = find("lambda-runtime-trace-id");
    let parts = trace_id.split(['=', ';', '-']).map(str::len).collect::<Vec<_>>();
    assert_eq!(
        parts,
        ["root", "1", "01234567", "0123456789abcdef01234567", "parent", "0123456789abcdef", "sampled", "0"]
            .map(str::len)
    );
    assert_eq!(find("lambda-runtime-invocation-id").len(), 36);
}

async fn a_process_is_stopped_between_invocations() {
    let fixture = Fixture::new("ticks:20");
    fixture.invoke("r1").await.unwrap();
    fixture.wait_for_line("tick 19").await;
    fixture.wait_for_line("REPORT RequestId: r1").await;
    // What was in the pipe when the process was stopped may still come; then, for a hundred ticks' time, nothing does.
    let mut count = 0;
    let mut still_since = tokio::time::Instant::now();
    let is_still = || {
        let found = fixture.log().len();
        if found != count {
            (count, still_since) = (found, tokio::time::Instant::now());
        }
        (still_since.elapsed() > Duration::from_millis(100)).then_some(())
    };
    until(is_still, || "the process to be still".to_owned()).await;
    fixture.invoke("r2").await.unwrap();
    assert_eq!(fixture.function.metrics().cold_starts, 1);
    assert!(fixture.log().iter().filter(|line| line.starts_with("tick")).count() >= 40);
}

async fn each_invocation_has_a_process() {
    let fixture = Fixture::of(builder("echo").concurrency_max(3));
    let results = tokio::join!(fixture.json("r1"), fixture.json("r2"), fixture.json("r3"));
    let mut pids = [&results.0, &results.1, &results.2].map(|result| result["pid"].as_u64().unwrap());
    pids.sort_unstable();
    assert!(pids[0] < pids[1] && pids[1] < pids[2], "{pids:?}");
    for pid in pids {
        until(|| (process_state(pid) == Some('T')).then_some(()), || format!("process {pid} to be stopped")).await;
    }
    assert!(pids.contains(&fixture.json("r4").await["pid"].as_u64().unwrap()));
}

async fn beyond_the_limit_is_throttled() {
    let fixture = Fixture::of(builder("hang").concurrency_max(1).timeout(Duration::from_millis(1500)));
    let (first, second) = tokio::join!(fixture.invoke("r1"), fixture.invoke("r2"));
    assert!(matches!(first, Err(FunctionError::TimedOut { .. })), "{first:?}");
    let text = second.unwrap_err().to_string();
    assert_eq!(text, "function was throttled: ReservedFunctionConcurrentInvocationLimitExceeded");
    let metrics = fixture.function.metrics();
    assert_eq!((metrics.invocations, metrics.throttles, metrics.timeouts), (1, 1, 1));
    let none = Fixture::of(builder("echo").concurrency_max(0));
    assert!(matches!(none.invoke("r1").await, Err(FunctionError::Throttled { .. })));
}

async fn a_runtime_with_an_extension_is_asked_to_end() {
    // The runtime dies of SIGTERM, which only a process that goes on can do.
    let fixture = Fixture::new("extension");
    let pid = fixture.invoke("r1").await.unwrap();
    let pid = serde_json::from_slice::<serde_json::Value>(&pid).unwrap()["pid"].as_u64().unwrap();
    fixture.function.shut_down().await;
    assert_eq!(process_state(pid), None);
    assert!(matches!(fixture.invoke("r2").await, Err(FunctionError::Throttled { .. })));
}

async fn an_extension_hears_of_invocations() {
    let fixture = Fixture::new("extension-of-invocations");
    fixture.invoke("r1").await.unwrap();
    fixture.invoke("r2").await.unwrap();
    let line = fixture.wait_for_line("\"requestId\":\"r2\"").await;
    assert!(line.starts_with("extension: {\"eventType\":\"INVOKE\",\"deadlineMs\":"), "{line}");
    assert_eq!(fixture.function.metrics().cold_starts, 1);
}

async fn processes_end_with_their_function() {
    let function = builder("echo").logs(|_: &local_queue::runtime_api::LogLine| {}).build().unwrap();
    let reply = invoke(&function, "r1").await.unwrap();
    let pid = serde_json::from_slice::<serde_json::Value>(&reply).unwrap()["pid"].as_u64().unwrap();
    assert!(process_state(pid).is_some());
    drop(function);
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
}

async fn a_process_that_waits_too_long_is_ended() {
    for keep_warm in [Duration::from_millis(100), Duration::ZERO] {
        let fixture = Fixture::of(builder("echo").keep_warm(keep_warm));
        let results = tokio::join!(fixture.json("r1"), fixture.json("r2"));
        for result in [&results.0, &results.1] {
            let pid = result["pid"].as_u64().unwrap();
            until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
        }
        let cold_starts = fixture.function.metrics().cold_starts;
        fixture.json("r3").await;
        assert_eq!(fixture.function.metrics().cold_starts, cold_starts + 1, "{keep_warm:?}");
    }
}

async fn a_process_sees_no_descriptor_of_ours() {
    let fixture = Fixture::of(builder("descriptors").concurrency_max(2));
    let (first, second) = tokio::join!(fixture.invoke("r1"), fixture.invoke("r2"));
    for links in [first.unwrap(), second.unwrap()] {
        let links = String::from_utf8(links.to_vec()).unwrap();
        assert!(links.contains("pipe:") && links.contains("/dev/null"), "{links}");
        assert!(!links.contains("socket:") && !links.contains("anon_inode:"), "{links}");
    }
}

async fn messages_go_through() {
    let queues = LocalQueue::builder().build();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    for number in 0..25 {
        queues.send(&jobs, SendMessage::new(MessageBody::parse(number.to_string()).unwrap())).unwrap();
    }
    let fixture = Fixture::new("echo");
    let mapping =
        EventSourceMapping { function_timeout: fixture.function.timeout(), ..EventSourceMapping::new("resize") };
    let source = QueueSource::new(queues.clone(), jobs);
    let function = fixture.function.clone();
    let (driver, handle) = mapping.connect(source, function, queues.clock().clone()).await.unwrap();
    let running = tokio::spawn(driver.run());
    tokio::time::timeout(super::fixture::WAIT, handle.drained()).await.unwrap().unwrap();
    handle.stop();
    running.await.unwrap();
    let metrics = fixture.function.metrics();
    assert!(metrics.invocations >= 3 && metrics.errors == 0, "{metrics:?}");
}
