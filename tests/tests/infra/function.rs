//! The function and its mapping.

use handler::settings::Settings;
use serde_json::{Value, json};

use crate::stack::{FUNCTION, Resource, Stack, bounds, fields, text};
use crate::subject::{Rule, Subject, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "the mapping reports the messages that failed", check: partial_responses },
    Rule { name: "the mapping is bounded", check: bounded },
    Rule { name: "the mapping counts its events", check: counted },
    Rule { name: "the function runs on Amazon Linux 2023, on the architecture it is built for", check: runtime },
    Rule { name: "the function is built by cargo-lambda", check: built },
    Rule { name: "the function reads its settings, at both ends of their ranges", check: settings },
    Rule { name: "the function logs JSON to a group of its own", check: logging },
    Rule { name: "logs are kept for a time", check: log_retention },
    Rule { name: "the function is traced", check: traced },
    Rule { name: "function and API can be left out", check: left_out },
];

const MAPPING: [&str; 1] = ["AWS::Lambda::EventSourceMapping"];
const JOBS: &str = "arn:aws:sqs:eu-central-1:123456789012:photos-jobs";

fn mappings(stack: &Stack, findings: &mut Vec<String>, check: impl Fn(&Resource, &mut Vec<String>)) {
    let mappings: Vec<_> = stack.of(&MAPPING).collect();
    let right = mappings.len() == 1 && *mappings[0].get("EventSourceArn") == JOBS;
    expect(findings, right, || format!("the queue has {} mappings; expected 1", mappings.len()));
    for mapping in mappings {
        check(mapping, findings);
    }
}

fn partial_responses(subject: &Subject, findings: &mut Vec<String>) {
    mappings(&subject.default, findings, |mapping, findings| {
        let types = mapping.get("FunctionResponseTypes");
        let reports = *types == json!(["ReportBatchItemFailures"]);
        expect(findings, reports, || format!("{}: FunctionResponseTypes is {types}", mapping.id));
    });
}

/// The mapping's properties as they are declared, in SAM's way or in CloudFormation's.
fn declared_mapping(subject: &Subject) -> &Value {
    let event = &subject.declared("ResizeFunction")["Events"]["Jobs"]["Properties"];
    if event.is_null() { subject.declared("ResizeFunctionJobs") } else { event }
}

fn bounded(subject: &Subject, findings: &mut Vec<String>) {
    let mapping = declared_mapping(subject);
    let within = |value: &Value, least: u64, most: u64| {
        bounds(&subject.template, value).is_some_and(|(low, high)| low >= least && high <= most)
    };
    let concurrency = &mapping["ScalingConfig"]["MaximumConcurrency"];
    expect(findings, within(concurrency, 2, 1000), || {
        format!("MaximumConcurrency is {concurrency}; expected 2 to 1000")
    });
    // AWS: more than ten need a window (documentation: "Using Lambda with Amazon SQS").
    expect(findings, within(&mapping["BatchSize"], 1, 10), || format!("BatchSize is {}", mapping["BatchSize"]));
}

fn counted(subject: &Subject, findings: &mut Vec<String>) {
    for mapping in subject.default.of(&MAPPING) {
        let metrics = mapping.get("MetricsConfig/Metrics");
        expect(findings, *metrics == json!(["EventCount"]), || format!("{}: Metrics is {metrics}", mapping.id));
    }
}

fn runtime(subject: &Subject, findings: &mut Vec<String>) {
    for function in subject.default.of(&FUNCTION) {
        let runtime = text(function.get("Runtime"));
        expect(findings, runtime == "provided.al2023", || format!("{} runs on {runtime:?}", function.id));
        let declared = &subject.declared(&function.id)["Architectures"];
        let is_parameter = *declared == json!([{ "Ref": "Architecture" }]);
        let allowed = &subject.template["Parameters"]["Architecture"]["AllowedValues"];
        let both = *allowed == json!(["arm64", "x86_64"]);
        expect(findings, is_parameter && both, || format!("{}: Architectures is {declared} of {allowed}", function.id));
    }
}

fn built(subject: &Subject, findings: &mut Vec<String>) {
    for function in subject.default.of(&FUNCTION) {
        let metadata = &function.body["Metadata"];
        let right = metadata["BuildMethod"] == "rust-cargolambda" && metadata["BuildProperties"]["Binary"] == "handler";
        expect(findings, right, || format!("{}: Metadata is {metadata}", function.id));
        let source = function.get("CodeUri");
        let crate_is_there = source.is_null() || *source == "../handler";
        expect(findings, crate_is_there, || format!("{}: CodeUri is {source}; expected ../handler", function.id));
    }
}

fn settings(subject: &Subject, findings: &mut Vec<String>) {
    let end = |most: bool| {
        let ranges = fields(&subject.template["Parameters"]).filter(|(_, declared)| declared["Type"] == "Number");
        let ends = ranges.filter_map(|(name, _)| {
            let (low, high) = bounds(&subject.template, &json!({ "Ref": name }))?;
            Some((name.as_str(), if most { high } else { low }.to_string()))
        });
        let ends: Vec<_> = ends.collect();
        let ends: Vec<_> = ends.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Stack::new(&subject.template, "photos", &ends)
    };
    for stack in [&subject.default, &subject.full, &end(false), &end(true)] {
        for function in stack.of(&FUNCTION) {
            let variables =
                fields(function.get("Environment/Variables")).map(|(name, value)| (name.clone(), text(value)));
            let memory = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), text(function.get("MemorySize")));
            match Settings::read(variables.chain([memory])) {
                Ok(settings) => check_settings(&settings, findings),
                Err(error) => findings.push(error.to_string()),
            }
        }
    }
}

fn check_settings(settings: &Settings, findings: &mut Vec<String>) {
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/photos";
    let right = settings.queue_url == Some(format!("{queue}-jobs"))
        && settings.dead_letter_queue_url == Some(format!("{queue}-deadletterqueue-1a2b3c"));
    expect(findings, right, || {
        format!("the function is told {:?} and {:?}", settings.queue_url, settings.dead_letter_queue_url)
    });
    let source = handler::storage::Location::s3("photos-source-123456789012-eu-central-1", "2026/cat.jpg").unwrap();
    let outputs = settings.renditions.as_ref().map(|renditions| renditions.outputs(&source));
    let Some(Ok(outputs)) = outputs else {
        findings.push(format!("RENDITIONS makes {outputs:?} of an upload"));
        return;
    };
    for output in outputs {
        let target = output.target.to_string();
        let writable = ["s3://photos-target-123456789012-eu-central-1/", "s3://my-target/out/"];
        let may = writable.iter().any(|start| target.starts_with(start));
        expect(findings, may, || format!("RENDITIONS writes {target}, which the function may not"));
    }
}

fn logging(subject: &Subject, findings: &mut Vec<String>) {
    for function in subject.default.of(&FUNCTION) {
        let config = function.get("LoggingConfig");
        let right = config["LogFormat"] == "JSON" && config["LogGroup"] == "<FunctionLogGroup>";
        expect(findings, right, || format!("{}: LoggingConfig is {config}", function.id));
        let level = text(&config["ApplicationLogLevel"]);
        expect(findings, level == "INFO", || format!("{}: ApplicationLogLevel is {level:?}", function.id));
        // AWS: a line without a level counts as INFO (documentation: "Log-level filtering"); metrics are such lines.
        let allowed = &subject.template["Parameters"]["LogLevel"]["AllowedValues"];
        let keeps_metrics = *allowed == json!(["TRACE", "DEBUG", "INFO"]);
        expect(findings, keeps_metrics, || format!("LogLevel can be one of {allowed}; above INFO metrics are lost"));
    }
}

fn log_retention(subject: &Subject, findings: &mut Vec<String>) {
    for group in subject.default.of(&["AWS::Logs::LogGroup"]) {
        let days = group.get("RetentionInDays");
        expect(findings, *days == "30", || format!("{} keeps logs {days} days; expected 30 by default", group.id));
    }
}

fn traced(subject: &Subject, findings: &mut Vec<String>) {
    for function in subject.default.of(&FUNCTION) {
        let mode = [function.get("Tracing"), function.get("TracingConfig/Mode")].map(text).concat();
        expect(findings, mode == "Active", || format!("{}: tracing is {mode:?}", function.id));
    }
    let may = subject.default.resource("FunctionRole").body.to_string();
    let traces = may.contains("xray:PutTraceSegments") && may.contains("xray:PutTelemetryRecords");
    expect(findings, traces, || "FunctionRole may not write traces".to_owned());
}

/// What is left where something else takes the queue: LocalStack, which runs no functions, with a worker.
fn left_out(subject: &Subject, findings: &mut Vec<String>) {
    let left = [
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::CloudWatch::Alarm",
    ];
    for resource in &subject.bare.resources {
        expect(findings, left.contains(&resource.kind.as_str()), || format!("{} is not left out", resource.id));
    }
    for missing in subject.bare.dangling.difference(&subject.default.dangling) {
        findings.push(format!("what is left refers to {missing}"));
    }
}
