//! The pages of functions and of the mappings that feed them.

use std::{
    hash::{DefaultHasher, Hash},
    time::Duration,
};

use askama::Template;

use super::{
    PREFIX, ROOT, Shown, message,
    page::{self, Moment, Page, Parameters, QueueLink, Rendered, encoded},
};
use crate::{
    developer::functions::source,
    engine::MessageAttributes,
    event_source_mapping::{SourceMessage, SystemAttributes, event_json},
    lambda_api::{FunctionState, LambdaApi, MappingState},
    runtime_api::{Durations, FunctionMetrics, RecentLine},
};

/// Lines of a log that a page shows.
const LINES_MAX: usize = 500;
/// Characters of a request id that are enough to tell it from others.
const ID_CHARS: usize = 8;

#[derive(Template)]
#[template(path = "functions.html")]
struct FunctionsPage<'a> {
    page: Page<'a>,
    functions: Vec<FunctionRow>,
    mappings: Vec<MappingRow>,
}

#[derive(Template)]
#[template(path = "function.html")]
struct FunctionPage<'a> {
    page: Page<'a>,
    name: &'a str,
    facts: Vec<(&'static str, String)>,
    metrics: Option<FunctionMetrics>,
    steps: Vec<Step>,
    mappings: Vec<MappingRow>,
    /// None if it has no log.
    lines: Option<Vec<LineRow>>,
    request: &'a str,
    sample: String,
}

struct FunctionRow {
    name: String,
    runtime: String,
    metrics: Option<FunctionMetrics>,
}

struct MappingRow {
    state: MappingState,
    queue: QueueLink,
}

/// A step of the histogram of durations.
struct Step {
    bound: String,
    count: u64,
    /// Of the longest bar, in percent.
    percent: u64,
}

struct LineRow {
    at: Moment,
    request_id: String,
    href: String,
    source: &'static str,
    text: String,
    is_cut: bool,
}

/// Where the page of a function is.
fn href(name: &str) -> String {
    format!("{PREFIX}function?name={}", encoded(name))
}

/// What the developer's API has of a function.
fn api(name: &str, rest: &str) -> String {
    format!("{ROOT}functions/{}/{rest}", encoded(name))
}

impl FunctionRow {
    fn new(state: &FunctionState) -> Self {
        let runtime = state.configuration.runtime.clone().unwrap_or_default();
        Self { name: state.name().to_owned(), runtime, metrics: state.metrics }
    }

    fn href(&self) -> String {
        href(&self.name)
    }
}

impl MappingRow {
    fn new(state: MappingState) -> Self {
        Self { queue: QueueLink::new(&state.queue), state }
    }

    fn function_href(&self) -> String {
        href(&self.state.function)
    }

    fn api(&self) -> String {
        format!("{ROOT}mappings/{}", encoded(&self.state.uuid))
    }

    fn window(&self) -> String {
        format!("{} s", self.state.settings.maximum_batching_window.as_secs())
    }

    fn concurrency_max(&self) -> String {
        self.state.settings.maximum_concurrency.map(|max| format!(" of {max}")).unwrap_or_default()
    }
}

impl LineRow {
    fn new(line: RecentLine, function: &str) -> Self {
        let id = line.request_id.as_deref().unwrap_or_default();
        Self {
            at: Moment(line.at),
            href: format!("{}&request={}", href(function), encoded(id)),
            request_id: id.to_owned(),
            source: source(line.source),
            text: line.text,
            is_cut: line.is_cut,
        }
    }

    /// What is enough to tell it from others.
    fn short_id(&self) -> String {
        self.request_id.chars().take(ID_CHARS).collect()
    }
}

pub(super) fn render_all(page: Page<'_>, shown: Shown<'_>) -> Rendered {
    let functions = shown.lambda.map(LambdaApi::functions).unwrap_or_default();
    let mappings = shown.lambda.map(LambdaApi::mappings).unwrap_or_default();
    Rendered::of(&FunctionsPage {
        page,
        functions: functions.iter().map(FunctionRow::new).collect(),
        mappings: mappings.into_iter().map(MappingRow::new).collect(),
    })
}

pub(super) fn render(page: Page<'_>, shown: Shown<'_>, parameters: &Parameters) -> Rendered {
    let (name, request) = (parameters.get("name").unwrap_or_default(), parameters.get("request").unwrap_or_default());
    let found = shown.lambda.and_then(|functions| Some((functions, functions.function(name)?)));
    let Some((functions, state)) = found else {
        return page::not_found(page, "There is no such function.");
    };
    let name = state.name();
    let page = Page { title: name.to_owned().into(), ..page };
    let mappings = functions.mappings().into_iter().filter(|mapping| mapping.function == name);
    let mappings = mappings.map(MappingRow::new).collect::<Vec<_>>();
    let wanted = Some(request).filter(|request| !request.is_empty());
    let lines = state.log.as_ref().map(|log| log.lines(0, wanted, LINES_MAX));
    let lines = lines.map(|lines| lines.into_iter().map(|line| LineRow::new(line, name)).collect());
    Rendered::of(&FunctionPage {
        page,
        name,
        facts: facts(&state),
        steps: state.metrics.map(|metrics| steps(&metrics.durations)).unwrap_or_default(),
        metrics: state.metrics,
        sample: sample(&mappings),
        mappings,
        lines,
        request,
    })
}

fn facts(state: &FunctionState) -> Vec<(&'static str, String)> {
    let configuration = &state.configuration;
    let mut facts = Vec::new();
    let mut say = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    say("Logical id", configuration.logical_id.clone());
    say("Runtime", configuration.runtime.clone());
    say("Handler", Some(configuration.handler.clone()).filter(|handler| !handler.is_empty()));
    say("Timeout", Some(format!("{} s", configuration.timeout.as_secs())));
    say("Memory", Some(format!("{} MiB", configuration.memory_mib)));
    say("Reserved concurrency", configuration.reserved_concurrency.map(|count| count.to_string()));
    if let Some(metrics) = &state.metrics {
        say("Timeouts", Some(metrics.timeouts.to_string()));
        say("Processes started", Some(metrics.cold_starts.to_string()));
        let mebibytes = metrics.memory_peak_bytes.div_ceil(1024 * 1024);
        say("Most memory in use", Some(format!("{mebibytes} MiB")).filter(|_| mebibytes > 0));
        let dropped = Some(metrics.log_lines_dropped).filter(|count| *count > 0);
        say("Lines of the log that came too fast to be printed", dropped.map(|count| count.to_string()));
    }
    facts
}

/// The steps from the shortest invocation to the longest.
fn steps(durations: &Durations) -> Vec<Step> {
    let all = durations.steps().collect::<Vec<_>>();
    let is_empty = |step: &&(Option<Duration>, u64)| step.1 == 0;
    let (before, after) = (all.iter().take_while(is_empty).count(), all.iter().rev().take_while(is_empty).count());
    let most = all.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let between = all.iter().enumerate().skip(before).take(all.len().saturating_sub(before + after));
    let step = |(index, (bound, count)): (usize, &(Option<Duration>, u64))| {
        let shortest = index.checked_sub(1).and_then(|before| Durations::BOUNDS.get(before));
        let bound = match (shortest, bound) {
            (None, Some(bound)) => format!("up to {}", words(*bound)),
            (Some(shortest), Some(bound)) => format!("{} to {}", words(*shortest), words(*bound)),
            (shortest, None) => format!("over {}", words(shortest.copied().unwrap_or_default())),
        };
        Step { bound, count: *count, percent: count.saturating_mul(100).div_ceil(most) }
    };
    between.map(step).collect()
}

/// A duration as people say it.
fn words(duration: Duration) -> String {
    if duration >= Duration::from_secs(60) {
        format!("{} min", duration.as_secs() / 60)
    } else if duration >= Duration::from_secs(1) {
        format!("{} s", duration.as_secs_f64())
    } else {
        format!("{} ms", duration.as_secs_f64() * 1_000.0)
    }
}

/// How long an invocation took on average.
fn average(metrics: &FunctionMetrics) -> String {
    let count = u32::try_from(metrics.durations.count()).unwrap_or(u32::MAX);
    let Some(average) = metrics.duration.checked_div(count) else { return String::new() };
    if average >= Duration::from_secs(1) {
        format!("{:.1} s", average.as_secs_f64())
    } else {
        format!("{:.1} ms", average.as_secs_f64() * 1_000.0)
    }
}

/// An event to begin with: what a mapping of the function gives it.
fn sample(mappings: &[MappingRow]) -> String {
    let Some(mapping) = mappings.first() else { return "{}".to_owned() };
    let message = SourceMessage {
        message_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        receipt_handle: "none".to_owned(),
        body: "{}".to_owned(),
        message_attributes: MessageAttributes::default(),
        system_attributes: SystemAttributes { receive_count: 1, ..SystemAttributes::default() },
    };
    let window = mapping.state.settings.maximum_batching_window;
    let event = String::from_utf8(event_json(&[message], &mapping.state.queue, window)).unwrap_or_default();
    message::pretty(&event).unwrap_or(event)
}

/// What stands for all that pages show of functions and mappings, and changes with it.
pub(super) fn mark(functions: &LambdaApi, hasher: &mut DefaultHasher) {
    for state in functions.functions() {
        state.name().hash(hasher);
        if let Some(metrics) = &state.metrics {
            let counts = [metrics.invocations, metrics.errors, metrics.throttles, metrics.concurrent_executions];
            (counts, metrics.durations.count()).hash(hasher);
        }
        state.log.map(|log| log.last()).hash(hasher);
    }
    for MappingState { uuid, state, metrics, concurrent_invocations, .. } in functions.mappings() {
        (uuid, state, concurrent_invocations).hash(hasher);
        (metrics.polled, metrics.invoked, metrics.failed_invoke, metrics.dropped, metrics.deleted).hash(hasher);
    }
}
