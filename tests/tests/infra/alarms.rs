//! Alarms and the dashboard.

use serde_json::{Value, json};

use crate::stack::{Resource, many, text};
use crate::subject::{Rule, Subject, TOPIC, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "an alarm goes off for a dead letter", check: dead_letters },
    Rule { name: "an alarm goes off for jobs that wait too long", check: age },
    Rule { name: "an alarm goes off for errors of the function", check: errors },
    Rule { name: "an alarm goes off for throttles of the function", check: throttles },
    Rule { name: "an alarm goes off before the function's timeout", check: duration },
    Rule { name: "alarms reach the topic, if there is one", check: actions },
    Rule { name: "the dashboard shows queues and function", check: dashboard },
];

const ALARM: [&str; 1] = ["AWS::CloudWatch::Alarm"];

/// The one alarm on a metric of one thing, that goes off above a threshold.
fn alarm(subject: &Subject, findings: &mut Vec<String>, metric: &str, of: &Value, threshold: &str) {
    let watches = |alarm: &&Resource| {
        alarm.get("MetricName") == metric
            && *alarm.get("Dimensions") == json!([of])
            && alarm.get("ComparisonOperator") == "GreaterThanThreshold"
            && text(alarm.get("Threshold")) == threshold
    };
    let count = subject.default.of(&ALARM).filter(watches).count();
    expect(findings, count == 1, || format!("{count} alarms watch {metric} of {of} over {threshold}; expected 1"));
}

fn dead_letters(subject: &Subject, findings: &mut Vec<String>) {
    let queue = json!({ "Name": "QueueName", "Value": "photos-deadletterqueue-1a2b3c" });
    alarm(subject, findings, "ApproximateNumberOfMessagesVisible", &queue, "0");
}

fn age(subject: &Subject, findings: &mut Vec<String>) {
    let queue = json!({ "Name": "QueueName", "Value": "photos-jobs" });
    alarm(subject, findings, "ApproximateAgeOfOldestMessage", &queue, "900");
}

fn function() -> Value {
    json!({ "Name": "FunctionName", "Value": "<ResizeFunction>" })
}

fn errors(subject: &Subject, findings: &mut Vec<String>) {
    alarm(subject, findings, "Errors", &function(), "0");
}

fn throttles(subject: &Subject, findings: &mut Vec<String>) {
    alarm(subject, findings, "Throttles", &function(), "0");
}

fn duration(subject: &Subject, findings: &mut Vec<String>) {
    let is_right = |alarm: &&Resource| {
        let metrics = many(alarm.get("Metrics"));
        let [percent, duration] = metrics.as_slice() else { return false };
        let metric = &duration["MetricStat"]["Metric"];
        percent["Expression"] == "duration / (10 * 60)"
            && duration["Id"] == "duration"
            && metric["MetricName"] == "Duration"
            && metric["Dimensions"] == json!([function()])
            && alarm.get("Threshold").as_u64().is_some_and(|percent| percent < 100)
    };
    let count = subject.default.of(&ALARM).filter(is_right).count();
    expect(findings, count == 1, || format!("{count} alarms watch the duration in percent of the timeout; expected 1"));
}

fn actions(subject: &Subject, findings: &mut Vec<String>) {
    for list in ["AlarmActions", "OKActions"] {
        for alarm in subject.default.of(&ALARM) {
            let actions = alarm.get(list);
            expect(findings, actions.is_null(), || format!("{}: {list} is {actions} without a topic", alarm.id));
        }
        for alarm in subject.full.of(&ALARM) {
            let actions = alarm.get(list);
            expect(findings, *actions == json!([TOPIC]), || format!("{}: {list} is {actions}", alarm.id));
        }
    }
}

fn dashboard(subject: &Subject, findings: &mut Vec<String>) {
    for dashboard in subject.default.of(&["AWS::CloudWatch::Dashboard"]) {
        let body = text(dashboard.get("DashboardBody"));
        let widgets = serde_json::from_str::<Value>(&body).map(|body| many(&body["widgets"]).len());
        expect(findings, widgets.is_ok_and(|count| count > 0), || format!("{} is no JSON with widgets", dashboard.id));
        for shown in ["photos-jobs", "photos-deadletterqueue-1a2b3c", "<ResizeFunction>", "\"DeadLettered\""] {
            expect(findings, body.contains(shown), || format!("{} does not show {shown}", dashboard.id));
        }
    }
}
