//! The numbers of functions and mappings, as Prometheus takes them.

use local_queue::{developer::Sample, event_source_mapping::Metrics, runtime_api::FunctionMetrics};

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
pub(super) fn mapping_samples(queue: &str, function: &str, metrics: &Metrics) -> Vec<Sample> {
    let labels = vec![("function", function.to_owned()), ("queue", queue.to_owned())];
    let sample =
        |name, help, value: u64| Sample { name, kind: "counter", help, labels: labels.clone(), value: value as f64 };
    let mut samples = vec![
        sample("local_queue_mapping_polled_total", "PolledEventCount: messages received.", metrics.polled),
        sample(
            "local_queue_mapping_filtered_out_total",
            "FilteredOutEventCount: messages deleted by the filter.",
            metrics.filtered_out,
        ),
        sample(
            "local_queue_mapping_invoked_total",
            "InvokedEventCount: messages passed to the function.",
            metrics.invoked,
        ),
        sample(
            "local_queue_mapping_failed_invoke_total",
            "FailedInvokeEventCount: messages that failed and will be retried.",
            metrics.failed_invoke,
        ),
        sample(
            "local_queue_mapping_dropped_total",
            "DroppedEventCount: messages dropped without an invocation.",
            metrics.dropped,
        ),
        sample("local_queue_mapping_deleted_total", "DeletedEventCount: messages deleted as done.", metrics.deleted),
    ];
    let failed = &metrics.failed_batches;
    let reasons = [
        ("function_error", failed.function_error),
        ("crash", failed.crash),
        ("timeout", failed.timeout),
        ("response_too_large", failed.response_too_large),
        ("invalid_response", failed.invalid_response),
    ];
    samples.extend(reasons.map(|(reason, value)| {
        let mut sample = sample(
            "local_queue_mapping_failed_batches_total",
            "Batches that failed as a whole, by reason; each has a log line.",
            value,
        );
        sample.labels.push(("reason", reason.to_owned()));
        sample
    }));
    samples
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
pub(super) fn function_samples(function: &str, metrics: &FunctionMetrics) -> Vec<Sample> {
    let labels = vec![("function", function.to_owned())];
    let sample = |name, kind, help, value: f64| Sample { name, kind, help, labels: labels.clone(), value };
    let count = |name, help, value: u64| sample(name, "counter", help, value as f64);
    vec![
        count("local_queue_function_invocations_total", "Invocations that ran.", metrics.invocations),
        count("local_queue_function_errors_total", "Invocations without a reply.", metrics.errors),
        count("local_queue_function_timeouts_total", "Invocations that exceeded the timeout.", metrics.timeouts),
        count(
            "local_queue_function_throttles_total",
            "Invocations throttled because no process was free.",
            metrics.throttles,
        ),
        count("local_queue_function_cold_starts_total", "Processes started.", metrics.cold_starts),
        count(
            "local_queue_function_log_lines_dropped_total",
            "Log lines dropped because standard error was read too slowly.",
            metrics.log_lines_dropped,
        ),
        sample(
            "local_queue_function_duration_seconds_total",
            "counter",
            "Total duration of invocations.",
            metrics.duration.as_secs_f64(),
        ),
        sample(
            "local_queue_function_memory_peak_bytes",
            "gauge",
            "Peak memory of a process.",
            metrics.memory_peak_bytes as f64,
        ),
        sample(
            "local_queue_function_concurrent_executions",
            "gauge",
            "Running invocations.",
            metrics.concurrent_executions as f64,
        ),
    ]
}
