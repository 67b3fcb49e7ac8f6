//! What the function says about itself: logs, and one line of embedded metrics for each batch.
//!
//! No message body, credential or receipt handle is logged, and at info level no full key either: messages are known by
//! their ids.

use std::io;

use local_queue_terminal::{print_json, print_text};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::batch::{BatchReport, Observer, Outcome};
use crate::resize::{Oddities, Resized};
use crate::settings::Settings;

/// Starts logging to standard output, which Lambda collects. A second call changes nothing.
pub fn init(settings: &Settings) {
    let filter = settings.log_filter.clone();
    let is_json = settings.log_json;
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_target(false).with_ansi(false);
    let builder = builder.with_writer(move || LogLine { is_json });
    let started = if settings.log_json {
        let lines = builder.json().flatten_event(true).with_current_span(true).with_span_list(false);
        lines.finish().with(filter).try_init()
    } else {
        // Lambda puts its own time before each line.
        builder.without_time().finish().with(filter).try_init()
    };
    drop(started);
}

/// Standard output for the log, which comes a line at a time. When nobody reads it, that is no reason to fail an invocation;
/// the subscriber itself would panic.
struct LogLine {
    is_json: bool,
}

impl io::Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if self.is_json {
            print_json(text.trim_end_matches('\n'));
        } else {
            print_text(&text);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one line of embedded metrics for each batch, which `CloudWatch` turns into metrics without any request of ours.
#[derive(Clone, Debug)]
pub struct Metrics {
    namespace: String,
    function_name: String,
}

impl Metrics {
    /// Metrics of a namespace, by function.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { namespace: settings.metrics_namespace.clone(), function_name: settings.function_name.clone() }
    }

    /// The line of a batch.
    #[must_use]
    pub fn line(&self, report: &BatchReport<Resized>, now_ms: u64) -> Value {
        let counts = report.counts();
        let mut oddities = Oddities::default();
        let mut skipped = 0;
        for record in &report.records {
            if let Outcome::Done(resized) = &record.outcome {
                oddities += resized.oddities;
                skipped += resized.skipped.len();
            }
        }
        let elapsed_ms = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX);
        let metric = |name: &str, unit: &str| json!({ "Name": name, "Unit": unit });
        json!({
            "_aws": {
                "Timestamp": now_ms,
                "CloudWatchMetrics": [{
                    "Namespace": self.namespace,
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [
                        metric("Messages", "Count"), metric("Done", "Count"), metric("DeadLettered", "Count"),
                        metric("Failed", "Count"), metric("Postponed", "Count"), metric("Duplicates", "Count"),
                        metric("ProfilesIgnored", "Count"), metric("InksWithoutProfile", "Count"),
                        metric("TruncatedSources", "Count"), metric("OutputsSkipped", "Count"),
                        metric("BatchDuration", "Milliseconds"),
                    ],
                }],
            },
            "FunctionName": self.function_name,
            "Messages": report.records.len(),
            "Done": counts.done,
            "DeadLettered": counts.dead_lettered,
            "Failed": counts.failed,
            "Postponed": counts.postponed,
            "Duplicates": counts.duplicates,
            "ProfilesIgnored": oddities.profiles_ignored,
            "InksWithoutProfile": oddities.inks_without_profile,
            "TruncatedSources": oddities.truncated,
            "OutputsSkipped": skipped,
            "BatchDuration": elapsed_ms,
        })
    }
}

impl Observer<Resized> for Metrics {
    #[expect(clippy::disallowed_methods, reason = "metrics are dated by the wall clock")]
    fn finished(&self, report: &BatchReport<Resized>) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let line = self.line(report, u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        print_json(&line.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::RecordReport;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_batch_is_one_line_of_embedded_metrics() {
        let settings = Settings::read([("AWS_LAMBDA_FUNCTION_NAME".to_owned(), "resize".to_owned())]).unwrap();
        let report = BatchReport { records: Vec::new(), elapsed: Duration::from_millis(12) };
        let line = Metrics::new(&settings).line(&report, 7);
        assert_eq!(line["_aws"]["Timestamp"], 7);
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric} has no value");
        }
        assert_eq!((&line["FunctionName"], &line["BatchDuration"]), (&json!("resize"), &json!(12)));
        assert!(!line.to_string().contains('\n'));
    }

    #[test]
    fn odd_sources_are_counted_over_all_that_is_done() {
        let settings = Settings::read([]).unwrap();
        let record = |inks_without_profile, profiles_ignored| RecordReport {
            message: Arc::default(),
            outcome: Outcome::Done(Resized {
                oddities: Oddities { profiles_ignored, inks_without_profile, truncated: 1, ..Oddities::default() },
                ..Resized::default()
            }),
            elapsed: Duration::ZERO,
        };
        let records = vec![record(1, 0), record(0, 1), record(2, 1)];
        let line = Metrics::new(&settings).line(&BatchReport { records, elapsed: Duration::ZERO }, 7);
        let counts =
            ["InksWithoutProfile", "ProfilesIgnored", "TruncatedSources"].map(|name| line[name].as_u64().unwrap());
        assert_eq!(counts, [3, 2, 3]);
    }
}
