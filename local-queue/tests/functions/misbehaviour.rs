//! What becomes of a function that does not do what it should.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use libtest_mimic::Trial;
use local_queue::{
    event_source_mapping::{FunctionError, RESPONSE_BYTES_MAX},
    runtime_api::{Function, LINE_BYTES_MAX, LogLine},
};
use tokio::time::Instant;

use super::{
    fixture::{Fixture, builder, invoke, process_state, until},
    test,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a process that exits is reported and replaced", a_process_that_exits_is_replaced),
        test("a process that exits after its answer has answered", an_exit_after_the_answer),
        test("a process is killed at its timeout and replaced", a_process_is_killed_at_its_timeout),
        test("an answer without a next request ends at the timeout", an_answer_without_next_times_out),
        test("an extension that never asks holds the initialisation up", an_extension_that_never_asks),
        test("a group is killed as a whole", a_group_is_killed_as_a_whole),
        test("what has left its session is killed too", what_has_left_its_session_is_killed),
        test("what a process leaves behind when it exits is killed", what_is_left_behind_is_killed),
        test("a process that stops itself is killed at its timeout", a_process_that_stops_itself),
        test("an error of the function is its answer", an_error_is_an_answer),
        test("a runtime that cannot start is started twice and reported", a_runtime_that_cannot_start),
        test("a runtime that says why it cannot start is quoted", a_runtime_that_says_why),
        test("a runtime that never asks is killed at both limits", a_runtime_that_never_asks),
        test("a process that dies at once is restarted ever more slowly", restarts_slow_down),
        test("a reply that is too large is not one", a_reply_that_is_too_large),
        test("wrong requests harm nothing", wrong_requests_harm_nothing),
        test("a log without end is read and dropped", a_log_without_end),
        test("an invocation that is given up takes its process with it", giving_up_kills),
        test("a program that is gone is named", a_program_that_is_gone_is_named),
        test("settings that Lambda refuses are refused", wrong_settings_are_refused),
    ]
}

async fn a_process_that_exits_is_replaced() {
    let table = [
        ("exit:3", "RequestId: r1 Error: Runtime exited with error: exit status 3"),
        ("exit:0", "RequestId: r1 Error: Runtime exited without providing a reason"),
        ("panic", "RequestId: r1 Error: Runtime exited with error: exit status 101"),
        ("abort", "RequestId: r1 Error: Runtime exited with error: signal: aborted"),
    ];
    for (handler, expected) in table {
        let fixture = Fixture::new(handler);
        let result = fixture.invoke("r1").await;
        assert_eq!(result, Err(FunctionError::Crashed { message: expected.to_owned() }), "{handler}");
        fixture.wait_for_line(expected).await;
        let report = fixture.wait_for_line("REPORT RequestId: r1").await;
        assert!(report.ends_with("\tStatus: error\tError Type: Runtime.ExitError"), "{report}");
        fixture.invoke("r2").await.unwrap_err();
        assert_eq!(fixture.function.metrics().cold_starts, 2);
    }
}

async fn an_exit_after_the_answer() {
    for handler in ["answer-and-exit:0", "answer-and-exit:3"] {
        let fixture = Fixture::new(handler);
        for request_id in ["r1", "r2"] {
            assert_eq!(fixture.invoke(request_id).await.unwrap(), "{}");
        }
        assert_eq!(fixture.function.metrics().cold_starts, 2);
    }
}

async fn a_process_is_killed_at_its_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark").display().to_string();
    let timeout = Duration::from_secs(2);
    let fixture = Fixture::of(builder("hang-once").timeout(timeout).environment([("MARK", mark)]));
    assert_eq!(fixture.invoke("r1").await, Err(FunctionError::TimedOut { timeout }));
    fixture.wait_for_line("r1 Task timed out after 2.00 seconds").await;
    let report = fixture.wait_for_line("REPORT RequestId: r1").await;
    assert!(report.ends_with("\tStatus: timeout") && report.contains("\tDuration: 2"), "{report}");
    fixture.invoke("r2").await.unwrap();
    assert_eq!(fixture.function.metrics().timeouts, 1);
}

async fn an_answer_without_next_times_out() {
    let timeout = Duration::from_secs(1);
    let result = Fixture::of(builder("answer-and-hang").timeout(timeout)).invoke("r1").await;
    assert_eq!(result, Err(FunctionError::TimedOut { timeout }));
}

async fn an_extension_that_never_asks() {
    let (timeout, init_timeout) = (Duration::from_secs(1), Duration::from_secs(1));
    let builder = builder("extension-that-never-asks").timeout(timeout).init_timeout(init_timeout);
    let fixture = Fixture::of(builder);
    assert_eq!(fixture.invoke("r1").await, Err(FunctionError::TimedOut { timeout }));
    fixture.wait_for_line("\tPhase: init\tStatus: timeout").await;
}

async fn a_group_is_killed_as_a_whole() {
    let fixture = Fixture::of(builder("grandchild").timeout(Duration::from_secs(1)));
    fixture.invoke("r1").await.unwrap_err();
    let line = fixture.wait_for_line("grandchild ").await;
    let pid = line.split_once(' ').unwrap().1.parse().unwrap();
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
}

async fn pid_of_child(fixture: &Fixture) -> u64 {
    let line = fixture.wait_for_line("child ").await;
    line.split_once("child ").unwrap().1.trim().parse().unwrap()
}

async fn is_gone(pid: u64) {
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
}

async fn what_has_left_its_session_is_killed() {
    for handler in ["setsid", "daemon"] {
        let fixture = Fixture::of(builder(handler).timeout(Duration::from_secs(1)));
        let (result, pid) = tokio::join!(fixture.invoke("r1"), pid_of_child(&fixture));
        assert!(matches!(result, Err(FunctionError::TimedOut { .. })), "{result:?}");
        is_gone(pid).await;
    }
    // It waits with the process that started it, and ends with it.
    let fixture = Fixture::new("leave-and-answer");
    let first = fixture.json("r1").await["pid"].clone();
    let pid = pid_of_child(&fixture).await;
    assert_eq!(fixture.json("r2").await["pid"], first);
    assert!(process_state(pid).is_some());
    fixture.function.shut_down().await;
    is_gone(pid).await;
}

async fn what_is_left_behind_is_killed() {
    let fixture = Fixture::new("leave-and-exit");
    let result = fixture.invoke("r1").await;
    assert!(matches!(result, Err(FunctionError::Crashed { .. })), "{result:?}");
    is_gone(pid_of_child(&fixture).await).await;
}

async fn a_process_that_stops_itself() {
    let timeout = Duration::from_secs(1);
    let fixture = Fixture::of(builder("stop-itself").timeout(timeout));
    for request_id in ["r1", "r2"] {
        assert_eq!(fixture.invoke(request_id).await, Err(FunctionError::TimedOut { timeout }));
    }
}

async fn an_error_is_an_answer() {
    let fixture = Fixture::new("error");
    for request_id in ["r1", "r2"] {
        let expected = FunctionError::Failed { error_type: "BadJob".to_owned(), message: "no such job".to_owned() };
        assert_eq!(fixture.invoke(request_id).await, Err(expected));
    }
    let metrics = fixture.function.metrics();
    assert_eq!((metrics.errors, metrics.cold_starts), (2, 1));
}

async fn a_runtime_that_cannot_start() {
    let fixture = Fixture::new("init-exit:7");
    let message = "RequestId: r1 Error: Runtime exited with error: exit status 7".to_owned();
    assert_eq!(fixture.invoke("r1").await, Err(FunctionError::Crashed { message }));
    fixture.wait_for_line("\tPhase: init\tStatus: error\tError Type: Runtime.ExitError").await;
    fixture.wait_for_line("\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError").await;
}

async fn a_runtime_that_says_why() {
    let result = Fixture::new("init-error").invoke("r1").await;
    let (error_type, message) = ("Runtime.BadSettings".to_owned(), "no settings".to_owned());
    assert_eq!(result, Err(FunctionError::Failed { error_type, message }));
}

async fn a_runtime_that_never_asks() {
    let (timeout, init_timeout) = (Duration::from_millis(300), Duration::from_millis(700));
    let fixture = Fixture::of(builder("init-hang").timeout(timeout).init_timeout(init_timeout));
    let began = Instant::now();
    assert_eq!(fixture.invoke("r1").await, Err(FunctionError::TimedOut { timeout }));
    assert!(began.elapsed() >= timeout + init_timeout);
    fixture.wait_for_line("\tPhase: init\tStatus: timeout").await;
    fixture.wait_for_line("\tPhase: invoke\tStatus: timeout").await;
    fixture.wait_for_line("r1 Task timed out after 0.30 seconds").await;
}

async fn restarts_slow_down() {
    let fixture = Fixture::new("init-exit:1");
    let began = Instant::now();
    for _ in 0..5 {
        fixture.invoke("r1").await.unwrap_err();
    }
    // After the second death 100 ms, then 200 and 400.
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

async fn a_reply_that_is_too_large() {
    let bytes = RESPONSE_BYTES_MAX + 1;
    let fixture = Fixture::new(&format!("huge:{bytes}"));
    assert_eq!(fixture.invoke("r1").await, Err(FunctionError::ResponseTooLarge { bytes }));
    fixture.wait_for_line("413 {\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\"").await;
    fixture.wait_for_line("r1 Error: Response payload size (6291557 bytes) exceeded maximum allowed").await;
    fixture.wait_for_line("\tStatus: error\tError Type: Function.ResponseSizeTooLarge").await;
    let fixture = Fixture::new(&format!("huge:{RESPONSE_BYTES_MAX}"));
    assert_eq!(fixture.invoke("r1").await.unwrap().len(), RESPONSE_BYTES_MAX);
}

async fn wrong_requests_harm_nothing() {
    let fixture = Fixture::new("twice");
    assert_eq!(fixture.invoke("r1").await.unwrap(), "\"first\"");
    fixture.wait_for_line("403 {\"errorMessage\":\"State transition from RuntimeResponseSentState").await;
    let fixture = Fixture::new("wrong-id");
    assert_eq!(fixture.invoke("r1").await.unwrap(), "{}");
    fixture.wait_for_line("400 {\"errorMessage\":\"Invalid request ID\"").await;
    assert_eq!(Fixture::new("not-json").invoke("r1").await.unwrap(), "not json");
}

async fn a_log_without_end() {
    // A sink that takes nothing while 64 MiB are written.
    let (taking, wait) = std::sync::mpsc::channel::<()>();
    let (sender, lines) = std::sync::mpsc::channel::<String>();
    let sink = move |line: &LogLine| {
        let _ = wait.recv();
        let _ = sender.send(line.text.clone());
    };
    let function = builder("spam:65536").logs(sink).build().unwrap();
    assert_eq!(invoke(&function, "r1").await.unwrap(), "{}");
    let dropped = function.metrics().log_lines_dropped;
    assert!(dropped > 50_000, "{dropped}");
    drop((taking, function));
    let lines = lines.iter().collect::<Vec<_>>();
    assert!(lines.iter().any(|line| line.starts_with(&format!("{dropped} lines ("))), "{:?}", lines.last());
    assert!(lines.iter().any(|line| line.starts_with("REPORT RequestId: r1")));
    assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
}

async fn giving_up_kills() {
    let fixture = Fixture::new("grandchild");
    {
        let invocation = fixture.invoke("r1");
        let started = fixture.wait_for_line("grandchild ");
        tokio::select! {
            result = invocation => panic!("the invocation ended: {result:?}"),
            _ = started => {}
        }
    }
    let line = fixture.wait_for_line("grandchild ").await;
    let pid = line.split_once(' ').unwrap().1.parse().unwrap();
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
    fixture.wait_for_line("RequestId: r1 was given up; its process is killed").await;
}

async fn a_program_that_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bootstrap");
    fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let function = Function::builder("resize", &path).logs(|_: &LogLine| {}).build().unwrap();
    fs::remove_file(&path).unwrap();
    let text = invoke(&function, "r1").await.unwrap_err().to_string();
    let path = path.display();
    assert!(
        text.starts_with(&format!("function failed with Runtime.InvalidEntrypoint: RequestId: r1 Error: {path}")),
        "{text}"
    );
    let error = Function::builder("resize", folder.path()).build().unwrap_err().to_string();
    assert_eq!(error, format!("function resize: {} does not contain a file bootstrap", folder.path().display()));
}

async fn wrong_settings_are_refused() {
    let refusal = |builder: local_queue::runtime_api::Builder| builder.build().unwrap_err().to_string();
    let program = std::env::current_exe().unwrap();
    let text = refusal(Function::builder("a b", &program));
    assert_eq!(text, "function name \"a b\" is not 1 to 64 letters, digits, hyphens and underscores");
    let text = refusal(builder("echo").environment([("AWS_REGION", "x"), ("FINE", "y")]));
    assert!(text.ends_with("Reserved keys used in this request: AWS_REGION (function resize)"), "{text}");
    let text = refusal(builder("echo").environment([("BIG", "x".repeat(4094))]));
    assert!(text.contains("exceeded the 4KB limit: they have 4097 bytes"), "{text}");
    let text = refusal(builder("echo").environment([("A=B", "x")]));
    assert!(text.starts_with("environment variable \"A=B\" of function resize"), "{text}");
    let text = refusal(builder("echo").timeout(Duration::from_secs(901)));
    assert_eq!(text, "Timeout 901s of function resize is not between 1 and 900 seconds");
    let text = refusal(builder("echo").memory_mib(64));
    assert_eq!(text, "MemorySize 64 of function resize is not between 128 and 10240");
}
