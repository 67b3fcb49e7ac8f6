//! The pages of functions, of runners that say of themselves what a test wants.

use std::{pin::Pin, sync::Arc, time::Duration};

use super::*;
use crate::{
    event_source_mapping::{EventSourceMapping, Invocation},
    lambda_api::{FunctionConfiguration, NewMapping, Runner},
    runtime_api::{FunctionMetrics, Invoked, LogSource, RecentLog},
};

struct Told {
    metrics: FunctionMetrics,
    log: Arc<RecentLog>,
}

impl Runner for Told {
    fn run(&self, invocation: Invocation, _: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>> {
        let reply = Ok(invocation.event);
        Box::pin(std::future::ready(Invoked { reply, error_document: None, log_tail: Vec::new() }))
    }

    fn metrics(&self) -> Option<FunctionMetrics> {
        Some(self.metrics)
    }

    fn recent_log(&self) -> Option<Arc<RecentLog>> {
        Some(Arc::clone(&self.log))
    }
}

/// A function of this name with a mapping from `jobs`, seven invocations, and a log of these lines.
async fn function(name: &str, lines: &[(&str, &str)]) -> (LocalQueue, LambdaApi) {
    let (queues, _) = queues();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let lambda = LambdaApi::builder(queues.clone()).build();
    let mut metrics = FunctionMetrics { invocations: 7, errors: 2, throttles: 1, ..FunctionMetrics::default() };
    metrics.duration = Duration::from_millis(70);
    for millis in [3, 4, 4, 40, 70, 70, 70] {
        metrics.durations.add(Duration::from_millis(millis));
    }
    let log = Arc::new(RecentLog::default());
    for (request_id, text) in lines {
        log.push(Time::from_millis(1_800_000_000_123), LogSource::Stdout, Some(Arc::from(*request_id)), text);
    }
    let mut configuration = FunctionConfiguration::new(name);
    configuration.runtime = Some(name.to_owned());
    configuration.handler = name.to_owned();
    lambda.add_function(configuration, Told { metrics, log });
    let mapping = EventSourceMapping { batch_size: 4, ..EventSourceMapping::new(name) };
    // What has no name of Lambda's has no mapping.
    let _ = lambda.add_mapping(NewMapping { queue: jobs, mapping, enabled: true }).await;
    (queues, lambda)
}

fn html(queues: &LocalQueue, lambda: Option<&LambdaApi>, path: &str) -> String {
    let request = Request::get(format!("{PREFIX}{path}")).body(Bytes::new()).unwrap();
    let live = Live::default();
    let response = respond(Shown { lambda, ..shown(queues, &live) }, &request, TOKEN).unwrap();
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// The texts of a page without its tags, as one line.
fn text(html: &str) -> String {
    let texts = html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_function_is_shown_with_its_numbers_durations_mappings_and_log() {
    let (queues, lambda) = function("resize", &[("one-is-this", "a line"), ("two-is-this", "another")]).await;
    let all = text(&html(&queues, Some(&lambda), "functions"));
    for expected in ["resize resize 0 7 2 1 10.0 ms", "jobs resize Enabled 0 4 0 s 0 0 0 0 0 Pause"] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
    let page = html(&queues, Some(&lambda), "function?name=resize");
    let one = text(&page);
    for expected in [
        "running 0 invocations 7 errors 2 throttles 1",
        "2.5 ms to 5 ms 3 5 ms to 10 ms 0 10 ms to 25 ms 0 25 ms to 50 ms 1 50 ms to 100 ms 3",
        "08:00:00.123 one-is-t stdout a line",
        "another",
        "&#34;eventSourceARN&#34;: &#34;arn:aws:sqs:us-east-1:000000000000:jobs&#34;",
    ] {
        assert!(one.contains(expected), "{expected}: {one}");
    }
    assert!(page.contains("<rect width=\"100\"") && page.contains("<rect width=\"34\""), "{page}");
    let filtered = text(&html(&queues, Some(&lambda), "function?name=resize&request=one-is-this"));
    assert!(filtered.contains("a line") && !filtered.contains("another"), "{filtered}");
    let filtered = text(&html(&queues, Some(&lambda), "function?name=resize&request=none"));
    assert!(filtered.contains("There are no lines of the request none."), "{filtered}");
}

#[tokio::test(start_paused = true)]
async fn where_there_are_no_functions_the_pages_say_so() {
    let (queues, _) = queues();
    assert!(text(&html(&queues, None, "functions")).contains("There are no functions."));
    assert!(text(&html(&queues, None, "function?name=resize")).contains("There is no such function."));
}

#[tokio::test(start_paused = true)]
async fn no_text_of_a_function_becomes_markup() {
    for hostile in HOSTILE {
        let (queues, lambda) = function(hostile, &[(hostile, hostile)]).await;
        let encoded = percent_encoding::utf8_percent_encode(hostile, percent_encoding::NON_ALPHANUMERIC);
        for path in ["functions".to_owned(), format!("function?name={encoded}&request={encoded}")] {
            let shown = html(&queues, Some(&lambda), &path);
            assert!(shown.contains("own"), "it is there: {shown}");
            for tag in shown.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
                let outside = tag.split('"').step_by(2).collect::<String>();
                assert!(!outside.contains("own("), "<{tag}> on {path}");
                assert!(!tag.contains("href=\"javascript:"), "<{tag}> on {path}");
                let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
                assert!(!["iframe", "img", "base", "object", "embed"].contains(&name), "<{tag}> on {path}");
            }
            assert_eq!((shown.matches("<script").count(), shown.matches("<meta").count()), (1, 4), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_page_hears_of_lines_and_of_mappings() {
    use http_body_util::BodyExt;

    let (queues, lambda) = function("resize", &[]).await;
    let log = lambda.function("resize").unwrap().log.unwrap();
    let uuid = lambda.mappings()[0].uuid.clone();
    let live = Live::default();
    let mut events = live.events(Shown { lambda: Some(&lambda), ..shown(&queues, &live) });
    let mut next = async || events.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(next().await, "retry: 1000\n\n");
    // The mapping's first receive has begun to wait.
    tokio::time::sleep(Duration::from_secs(1)).await;
    while next().await != ":\n\n" {}
    log.push(Time::from_millis(7), LogSource::Stdout, None, "a line");
    assert_eq!(next().await, "event: change\ndata:\n\n");
    lambda.enable_mapping(&uuid, false).await.unwrap();
    assert_eq!(next().await, "event: change\ndata:\n\n");
}
