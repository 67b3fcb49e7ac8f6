//! Functions, mappings and activity in the browser: numbers and logs that are followed, a pause, an invocation, a command.

use std::{pin::Pin, process::Command, sync::Arc, time::Duration};

use local_queue::{
    engine::Time,
    event_source_mapping::{EventSourceMapping, Invocation},
    lambda_api::{FunctionConfiguration, LambdaApi, NewMapping, Runner},
    runtime_api::{FunctionMetrics, Invoked, LogSource, RecentLog},
};
use serde_json::json;

use super::{Emulator, HOSTILE, Page, assert_nothing_ran, client, submit, visit};

/// A function that answers with its event, and has the numbers and the log that a test gives it.
struct Told(Arc<RecentLog>);

impl Runner for Told {
    fn run(&self, invocation: Invocation, _: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>> {
        self.0.push(Time::from_millis(0), LogSource::Stdout, Some(invocation.request_id.into()), "it was invoked");
        let reply = Ok(invocation.event);
        Box::pin(std::future::ready(Invoked { reply, error_document: None, log_tail: b"<b>END</b>\n".to_vec() }))
    }

    fn metrics(&self) -> Option<FunctionMetrics> {
        let mut metrics = FunctionMetrics::default();
        (metrics.invocations, metrics.errors) = (7, 2);
        metrics.durations.add(Duration::from_millis(40));
        Some(metrics)
    }

    fn recent_log(&self) -> Option<Arc<RecentLog>> {
        Some(Arc::clone(&self.0))
    }
}

fn say(log: &RecentLog, request_id: &str, text: &str) {
    log.push(Time::from_millis(1_800_000_000_123), LogSource::Stderr, Some(request_id.into()), text);
}

/// An emulator with a function of each name, all with one log, and a mapping of `jobs` to the first.
async fn emulator(names: &[&str]) -> (Emulator, Arc<RecentLog>) {
    let (log, mut made) = (Arc::new(RecentLog::default()), None);
    let emulator = Emulator::start_with(|queues, server| {
        let lambda = LambdaApi::builder(queues.clone()).build();
        for name in names {
            lambda.add_function(FunctionConfiguration::new(*name), Told(Arc::clone(&log)));
        }
        made = Some(lambda.clone());
        server.functions(lambda)
    });
    let emulator = emulator.await;
    let mapping = EventSourceMapping::new(names[0]);
    let new = NewMapping { queue: emulator.jobs.clone(), mapping, enabled: true };
    // What has no name of Lambda's has no mapping.
    let _ = made.unwrap().add_mapping(new).await;
    (emulator, log)
}

/// An emulator with a function that has run and one request on record, and the addresses of the pages that show them.
pub(super) async fn pages() -> (Emulator, Vec<(&'static str, String)>) {
    let (emulator, log) = emulator(&["resize"]).await;
    say(&log, "request", "a line");
    let recorded = client().get(emulator.url("activity")).send().await.unwrap().status();
    let sent = client().post(emulator.url("actions/ListQueues")).body("{}").send().await.unwrap().status();
    assert!(recorded.is_success() && sent.is_success(), "{recorded}, {sent}");
    let pages = vec![
        ("functions", emulator.url("console/functions")),
        ("function", emulator.url("console/function?name=resize")),
        ("activity", emulator.url("console/activity")),
    ];
    (emulator, pages)
}

/// A log is followed and filtered, a mapping paused and resumed, a function invoked.
pub(super) async fn functions(page: &mut Page<'_>) {
    let (emulator, log) = emulator(&["resize"]).await;
    visit(page, &emulator.url("console/functions")).await;
    page.until("document.querySelector('#mappings .place').textContent === 'Enabled'").await;
    page.eval("document.querySelector('[aria-label=\"Pause the mapping of jobs to resize\"]').click()").await;
    page.until("document.querySelector('#mappings .place').textContent === 'Disabled'").await;
    emulator.send(&emulator.jobs, "waits", &[]);
    page.until("document.querySelector('[aria-label=\"Resume the mapping of jobs to resize\"]')").await;
    assert_eq!(emulator.messages(&emulator.jobs), [("waits".to_owned(), 0)]);
    page.eval("document.querySelector('[aria-label=\"Resume the mapping of jobs to resize\"]').click()").await;
    page.until("document.querySelector('#mappings .place').textContent === 'Enabled'").await;
    // The last number is that of messages deleted.
    page.until("document.querySelector('#mappings tbody tr').cells[10].textContent === '1'").await;
    assert!(emulator.messages(&emulator.jobs).is_empty());
    page.eval("[...document.querySelectorAll('a')].find(it => it.textContent === 'resize').click()").await;
    page.until("document.title.startsWith('resize ') && document.documentElement.dataset.ready !== undefined").await;
    page.until("document.querySelector('#durations').innerText.includes('25 ms to 50 ms')").await;
    say(&log, "one", "a line of one");
    page.until("document.querySelector('#log').innerText.includes('a line of one')").await;
    say(&log, "two", "a line of two");
    page.until("document.querySelector('#log').innerText.includes('a line of two')").await;
    // The end of a long log is in sight, also when more of it comes.
    for number in 0..300 {
        say(&log, "two", &format!("line {number}"));
    }
    page.until("document.querySelector('#log').innerText.includes('line 299')").await;
    let at_end = "(it => it.scrollTop > 0 && it.scrollTop + it.clientHeight >= it.scrollHeight - 2)(document.querySelector('.log'))";
    page.until(at_end).await;
    page.eval(
        "document.querySelector('[name=request]').value = 'one'; document.querySelector('.filter').requestSubmit()",
    )
    .await;
    page.until("location.search.includes('request=one') && document.documentElement.dataset.ready !== undefined").await;
    assert_eq!(page.eval("document.querySelectorAll('.log tbody tr').length").await, 1);
    submit(page, "/invoke", json!({ "event": r#"{"a": [1]}"# })).await;
    page.until("document.querySelector('#answer').textContent.includes('\"a\": [')").await;
    page.until("document.querySelector('#answer').textContent.includes('log: <b>END</b>')").await;
    submit(page, "/invoke", json!({ "event": "{" })).await;
    page.until("document.querySelector('#said.error')").await;
    assert_nothing_ran(page, "functions").await;
}

/// Names of functions and lines of logs are texts, also when a page is renewed.
pub(super) async fn hostile_functions(page: &mut Page<'_>) {
    let (emulator, log) = emulator(&HOSTILE).await;
    for text in HOSTILE {
        say(&log, text, text);
    }
    visit(page, &emulator.url("console/functions")).await;
    assert_eq!(page.eval("document.querySelectorAll('#functions tbody tr').length").await, HOSTILE.len());
    assert_nothing_ran(page, "names of functions").await;
    let link = "document.querySelectorAll('#functions tbody a')";
    for (index, text) in HOSTILE.into_iter().enumerate() {
        visit(page, &emulator.url("console/functions")).await;
        page.eval(&format!("{link}[{index}].click()")).await;
        page.until("document.querySelector('.log') && document.documentElement.dataset.ready !== undefined").await;
        let lines = 15 + index;
        page.until(&format!("document.querySelectorAll('.log tbody tr').length === {lines}")).await;
        say(&log, text, text);
        page.until(&format!("document.querySelectorAll('.log tbody tr').length === {}", lines + 1)).await;
        page.eval("document.querySelector('.log tbody a').click()").await;
        page.until("location.search.includes('request=') && document.documentElement.dataset.ready !== undefined")
            .await;
        assert_nothing_ran(page, text).await;
    }
}

/// Requests come in as they are answered, are filtered, and can be asked again by a command.
pub(super) async fn activity(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    let client = client();
    let ask = async |action: &str, body: &serde_json::Value| {
        let request = client.post(format!("http://{}/", emulator.address)).body(body.to_string());
        let request = request.header("x-amz-target", format!("AmazonSQS.{action}"));
        request.header("content-type", "application/x-amz-json-1.0").send().await.unwrap().status().as_u16()
    };
    ask("ListQueues", &json!({})).await;
    visit(page, &emulator.url("console/activity")).await;
    assert_eq!(page.eval("document.querySelectorAll('.activity tbody tr').length").await, 0, "nobody looked before");
    let hello = json!({ "QueueUrl": "jobs", "MessageBody": "it's $HOME\n<b>" });
    assert_eq!(ask("SendMessage", &hello).await, 200);
    page.until("document.querySelectorAll('.activity tbody tr').length === 1").await;
    assert_eq!(ask("SendMessage", &json!({ "QueueUrl": "none", "MessageBody": "x" })).await, 400);
    for text in HOSTILE {
        assert_ne!(ask(text, &json!({ "QueueUrl": text })).await, 200);
    }
    page.until("document.querySelectorAll('.activity tbody tr').length === 17").await;
    assert_nothing_ran(page, "activity").await;
    let filter = |name: &str, value: &str| {
        format!(
            "document.querySelector('[name={name}]').value = {value:?}; document.querySelector('.filter').requestSubmit()"
        )
    };
    page.eval(&filter("outcome", "AWS.SimpleQueueService.NonExistentQueue")).await;
    page.until("location.search.includes('outcome=AWS') && document.documentElement.dataset.ready !== undefined").await;
    page.until("document.querySelector('.activity tbody tr').innerText.includes('none')").await;
    page.eval(&filter("outcome", "200")).await;
    page.until("location.search.includes('outcome=200') && document.documentElement.dataset.ready !== undefined").await;
    let rows = page.eval("document.querySelectorAll('.activity tbody tr').length").await;
    assert_eq!(rows, 1, "of the successes the one that was sent");
    page.eval("navigator.clipboard.writeText = text => Promise.resolve(globalThis.copied = text); 0").await;
    page.eval("document.querySelector('.activity summary').click()").await;
    page.eval("document.querySelector('[data-copy]').click()").await;
    page.until("document.querySelector('#said').textContent === 'Copied.'").await;
    let command = page.eval("copied").await.as_str().unwrap().to_owned();
    assert!(command.contains("x-amz-target: AmazonSQS.SendMessage") && !command.contains("uthorization"), "{command}");
    if Command::new("curl").arg("--version").output().is_ok() {
        let asked = tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &command]).output()).await;
        let answer = String::from_utf8(asked.unwrap().unwrap().stdout).unwrap();
        assert!(answer.contains("MessageId"), "{answer}");
        let bodies = emulator.messages(&emulator.jobs);
        assert_eq!(bodies, vec![(hello["MessageBody"].as_str().unwrap().to_owned(), 0); 2]);
    }
}
