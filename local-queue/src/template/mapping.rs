//! The properties of an event source mapping, as an event of SAM or as a resource of its own.

use std::{error::Error as _, str::FromStr, time::Duration};

use super::{
    Diagnostic, StackMapping,
    document::{Yaml, YamlData, refused},
    evaluate::TemplateContext,
};
use crate::{
    engine::QueueArn,
    event_source_mapping::{EventSourceMapping, EventSourceMappingError, FilterCriteria, ProvisionedPollers},
};

/// What both forms take for a queue (SAM specification, "SQS"; template reference, `AWS::Lambda::EventSourceMapping`).
const PROPERTIES: [&str; 10] = [
    "BatchSize",
    "Enabled",
    "FilterCriteria",
    "FunctionResponseTypes",
    "KmsKeyArn",
    "LoggingConfig",
    "MaximumBatchingWindowInSeconds",
    "MetricsConfig",
    "ProvisionedPollerConfig",
    "ScalingConfig",
];
/// What both forms have for other sources only (developer guide, "Lambda parameters for ..." of each source).
const OF_OTHER_SOURCES: [&str; 21] = [
    "AmazonManagedKafkaEventSourceConfig",
    "BisectBatchOnFunctionError",
    "ConsumerGroupId",
    "DestinationConfig",
    "DocumentDBEventSourceConfig",
    "KafkaBootstrapServers",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "Queues",
    "SchemaRegistryConfig",
    "SecretsManagerKmsKeyId",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "StartingPosition",
    "StartingPositionTimestamp",
    "Stream",
    "Topic",
    "Topics",
    "TumblingWindowInSeconds",
];

/// Whose mapping it is, and which form it has.
pub(super) struct Place<'a> {
    pub(super) logical_id: &'a str,
    /// The function's name, with its alias or version.
    pub(super) function_name: String,
    pub(super) function_timeout: Duration,
    pub(super) form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Event,
    Resource,
}

impl Form {
    const fn queue_property(self) -> &'static str {
        match self {
            Self::Event => "Queue",
            Self::Resource => "EventSourceArn",
        }
    }

    const fn others(self) -> &'static [&'static str] {
        match self {
            Self::Event => &[],
            Self::Resource => &["FunctionName", "Tags"],
        }
    }

    fn check(self, name: &str, node: &Yaml) -> Result<(), Diagnostic> {
        if name == self.queue_property() || PROPERTIES.contains(&name) || self.others().contains(&name) {
            return Ok(());
        }
        let what = match self {
            Self::Event => "an event of type SQS",
            Self::Resource => "a mapping of a queue",
        };
        let takes = format!("it takes {}, {}", self.queue_property(), PROPERTIES.join(", "));
        let wrong = if OF_OTHER_SOURCES.contains(&name) {
            format!("{name} is for other sources, and {what} does not take it; {takes}")
        } else {
            format!("{what} has no property {name}; {takes}")
        };
        Err(refused(node, wrong))
    }
}

/// The mapping, or why it is skipped.
pub(super) enum Outcome {
    Mapping(Box<StackMapping>),
    PassedOver(String),
}

/// Values of a map, each evaluated on its own, so that each is refused on its own.
pub(super) fn evaluated(scope: &TemplateContext<'_>, node: &Yaml, diagnostics: &mut Vec<Diagnostic>) -> Yaml {
    let is_function = matches!(node.entries(), [(name, _)] if name.starts_with("Fn::"));
    if is_function {
        return keep(diagnostics, scope.evaluate(node)).unwrap_or_else(|| node.clone());
    }
    let entries = node.entries().iter().filter_map(|(name, value)| {
        let value = keep(diagnostics, scope.evaluate(value))?;
        Some((name.clone(), value))
    });
    Yaml { line: node.line, data: YamlData::Map(entries.collect()) }
}

/// The value, or its default and a diagnostic more.
pub(super) fn keep<T: Default>(diagnostics: &mut Vec<Diagnostic>, result: Result<T, Diagnostic>) -> T {
    result.unwrap_or_else(|diagnostic| {
        diagnostics.push(diagnostic);
        T::default()
    })
}

/// Reads a mapping, of which `AWS` would refuse what is refused here.
pub(super) fn read(place: &Place<'_>, properties: &Yaml) -> Result<Outcome, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    for (name, node) in properties.entries() {
        keep(&mut diagnostics, place.form.check(name, node));
    }
    let property = place.form.queue_property();
    let queue = properties.get(property);
    if let Some(YamlData::Unknown { what, .. }) = queue.map(|queue| &queue.data) {
        return if diagnostics.is_empty() {
            Ok(Outcome::PassedOver(format!("its queue is {what}")))
        } else {
            Err(diagnostics)
        };
    }
    let text = queue.and_then(Yaml::as_text).unwrap_or_default();
    let arn = QueueArn::parse(text).ok_or_else(|| {
        let found = queue
            .filter(|queue| queue.as_text().is_none())
            .map_or_else(|| format!("{text:?}"), |queue| queue.kind().to_owned());
        let of = format!("{property} of event {}", place.logical_id);
        refused(queue.unwrap_or(properties), format!("{of} takes the ARN of a queue, not {found}"))
    });
    let mapping = settings(place, properties, &mut diagnostics);
    let enabled = keep(&mut diagnostics, flag(properties, "Enabled"));
    let queue = match arn {
        Ok(queue) => queue,
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            return Err(diagnostics);
        }
    };
    // Said of what was read: a value that was refused stands at its default.
    if let Err(error) = mapping.validate(&queue) {
        let line = line_of(&error, properties);
        diagnostics.push(Diagnostic { line, text: error.to_string(), ..Diagnostic::default() });
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let (logical_id, line) = (place.logical_id.to_owned(), properties.line);
    let enabled = enabled.unwrap_or(true);
    Ok(Outcome::Mapping(Box::new(StackMapping { logical_id, line, queue, mapping, enabled })))
}

fn settings(place: &Place<'_>, properties: &Yaml, diagnostics: &mut Vec<Diagnostic>) -> EventSourceMapping {
    let own = |name: &str| properties.get(name).cloned();
    let defaults = EventSourceMapping::new(place.function_name.clone());
    let batch_size = keep(diagnostics, number(own("BatchSize"), "BatchSize"));
    let window = keep(diagnostics, number(own("MaximumBatchingWindowInSeconds"), "MaximumBatchingWindowInSeconds"));
    let scaling = properties.get("ScalingConfig").map_or(Ok(None), |node| {
        check_keys("ScalingConfig", node, &["MaximumConcurrency"])?;
        number(node.get("MaximumConcurrency").cloned(), "MaximumConcurrency")
    });
    let pollers = properties.get("ProvisionedPollerConfig").map(provisioned_pollers).transpose();
    let filters = properties.get("FilterCriteria").map_or(Ok(FilterCriteria::default()), filter_criteria);
    let response_types = properties.get("FunctionResponseTypes").map_or(Ok(false), reports_failures);
    EventSourceMapping {
        batch_size: batch_size.unwrap_or(defaults.batch_size),
        maximum_batching_window: window.map_or(defaults.maximum_batching_window, Duration::from_secs),
        maximum_concurrency: keep(diagnostics, scaling),
        provisioned_pollers: keep(diagnostics, pollers),
        report_batch_item_failures: keep(diagnostics, response_types),
        function_timeout: place.function_timeout,
        filter_criteria: keep(diagnostics, filters),
        ..defaults
    }
}

fn filter_criteria(node: &Yaml) -> Result<FilterCriteria, Diagnostic> {
    if let Some(what) = node.first_unknown() {
        return Err(refused(node, format!("FilterCriteria needs {what}")));
    }
    FilterCriteria::from_json(&node.to_json()).map_err(|error| {
        let why = error.source().map(|source| format!(" {source}")).unwrap_or_default();
        refused(node, format!("{error}{why}"))
    })
}

/// What `FunctionResponseTypes` says. A reply is taken for success as a whole without it, so that nothing else passes.
fn reports_failures(node: &Yaml) -> Result<bool, Diagnostic> {
    let takes = |found: &str| {
        refused(node, format!("FunctionResponseTypes expects a list, [ReportBatchItemFailures] or [], not {found}"))
    };
    let list = node.as_list().ok_or_else(|| takes(node.as_text().unwrap_or(node.kind())))?;
    match list {
        [] => Ok(false),
        [only] if only.as_text() == Some("ReportBatchItemFailures") => Ok(true),
        _ => {
            let found: Vec<_> = list.iter().map(|it| it.as_text().unwrap_or(it.kind())).collect();
            Err(takes(&format!("[{}]", found.join(", "))))
        }
    }
}

fn provisioned_pollers(node: &Yaml) -> Result<ProvisionedPollers, Diagnostic> {
    check_keys("ProvisionedPollerConfig", node, &["MinimumPollers", "MaximumPollers", "PollerGroupName"])?;
    let own = |name| number(node.get(name).cloned(), name);
    Ok(ProvisionedPollers { minimum: own("MinimumPollers")?, maximum: own("MaximumPollers")? })
}

fn check_keys(property: &str, node: &Yaml, keys: &[&str]) -> Result<(), Diagnostic> {
    match node.entries().iter().find(|(name, _)| !keys.contains(&name.as_str())) {
        Some((name, value)) => Err(refused(value, format!("{property} has no {name}; it has {}", keys.join(", ")))),
        None => Ok(()),
    }
}

fn line_of(error: &EventSourceMappingError, properties: &Yaml) -> usize {
    let setting = match error {
        EventSourceMappingError::OutOfRange { setting, .. } => setting,
        EventSourceMappingError::BatchSizeWithoutWindow => "BatchSize",
        EventSourceMappingError::WindowOnFifoQueue { .. } => "MaximumBatchingWindowInSeconds",
        EventSourceMappingError::MaximumConcurrencyWithProvisionedPollers
        | EventSourceMappingError::PollersReversed { .. } => "ProvisionedPollerConfig",
        _ => "",
    };
    let within = properties.entries().iter().find_map(|(_, node)| node.get(setting));
    properties.get(setting).or(within).unwrap_or(properties).line
}

fn flag(properties: &Yaml, name: &str) -> Result<Option<bool>, Diagnostic> {
    let Some(node) = properties.get(name) else { return Ok(None) };
    let found = || node.as_text().map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"));
    Ok(Some(node.as_flag().ok_or_else(|| refused(node, format!("{name} takes true or false, not {}", found())))?))
}

pub(super) fn number<T: FromStr>(node: Option<Yaml>, name: &str) -> Result<Option<T>, Diagnostic> {
    let Some(node) = node else { return Ok(None) };
    let number = node.as_text().and_then(|text| text.parse().ok());
    let found = || node.as_text().map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"));
    Ok(Some(number.ok_or_else(|| refused(&node, format!("{name} takes a whole number, not {}", found())))?))
}
