//! Rules of EventBridge about buckets: `AWS::Events::Rule`, and the events of functions that SAM makes such rules of.

use super::{
    Diagnostic, RuleInput, StackDestination, StackRule, StackRuleTarget,
    document::{Yaml, YamlData},
    evaluate::TemplateContext,
};
use crate::engine::QueueArn;

/// A rule, or why it is skipped, and what is skipped of it.
pub(super) struct Read {
    pub(super) rule: Result<StackRule, String>,
    pub(super) notes: Vec<(usize, String)>,
}

/// Reads `AWS::Events::Rule`.
pub(super) fn rule(scope: &TemplateContext<'_>, id: &str, resource: &Yaml) -> Result<Read, Diagnostic> {
    let properties = resource.get("Properties");
    let property = |name: &str| {
        properties.and_then(|properties| properties.get(name)).map_or(Ok(None), |node| scope.evaluate(node))
    };
    let mut notes = Vec::new();
    let passed_over = |why: &str| Ok(Read { rule: Err(why.to_owned()), notes: Vec::new() });
    if property("State")?.as_ref().and_then(Yaml::as_text) == Some("DISABLED") {
        return passed_over("its State is DISABLED");
    }
    if property("EventBusName")?.as_ref().and_then(Yaml::as_text).is_some_and(|bus| bus != "default") {
        return passed_over("only the default bus has events here, those of buckets");
    }
    let Some(pattern) = property("EventPattern")? else {
        return passed_over("schedules are not emulated");
    };
    let pattern = match pattern_of(&pattern) {
        Ok(pattern) => pattern,
        Err(why) => return passed_over(&why),
    };
    let mut targets = Vec::new();
    for target in property("Targets")?.as_ref().and_then(Yaml::as_list).unwrap_or_default() {
        match self::target(target) {
            Ok(target) => targets.push(target),
            Err(why) => notes.push((target.line, format!("a target is skipped: {why}"))),
        }
    }
    let name = scope.physical_name(id, resource)?;
    let rule = StackRule { logical_id: id.to_owned(), file: None, line: resource.line, name, pattern, targets };
    Ok(Read { rule: Ok(rule), notes })
}

/// Reads an event of type `EventBridgeRule` or `CloudWatchEvent` of a function with this ARN.
pub(super) fn event(event: &Yaml, logical_id: &str, function_arn: &str) -> Result<StackRule, String> {
    let pattern = event.get("Pattern").ok_or_else(|| "it has no Pattern".to_owned())?;
    if event.get("State").and_then(Yaml::as_text) == Some("DISABLED") {
        return Err("its State is DISABLED".to_owned());
    }
    if event.get("EventBusName").and_then(Yaml::as_text).is_some_and(|bus| bus != "default") {
        return Err("only the default bus has events here, those of buckets".to_owned());
    }
    let destination = StackDestination::Function(function_arn.to_owned());
    let targets = vec![StackRuleTarget { destination, input: input(event)?, group: None }];
    let (name, pattern) = (logical_id.to_owned(), pattern_of(pattern)?);
    Ok(StackRule { logical_id: logical_id.to_owned(), file: None, line: event.line, name, pattern, targets })
}

/// A pattern as JSON, if it can be about buckets.
fn pattern_of(pattern: &Yaml) -> Result<String, String> {
    if let Some(what) = pattern.first_unknown() {
        return Err(format!("its pattern needs {what}"));
    }
    let pattern = match &pattern.data {
        YamlData::Scalar { text, .. } => text.clone(),
        _ => pattern.to_json().to_string(),
    };
    let json: serde_json::Value = serde_json::from_str(&pattern).unwrap_or_default();
    let sources = json.get("source").and_then(serde_json::Value::as_array);
    let is_bucket = |source: &serde_json::Value| source.as_str().is_none_or(|source| source == "aws.s3");
    if sources.is_some_and(|sources| !sources.iter().any(is_bucket)) {
        return Err("only events of buckets come here, whose source is aws.s3".to_owned());
    }
    Ok(pattern)
}

fn target(target: &Yaml) -> Result<StackRuleTarget, String> {
    let arn = target.get("Arn").ok_or_else(|| "it has no Arn".to_owned())?;
    if let Some(what) = arn.first_unknown() {
        return Err(format!("its Arn needs {what}"));
    }
    let text = arn.as_text().unwrap_or_default();
    let destination = match (QueueArn::parse(text), text.split(':').nth(2)) {
        (Some(queue), _) => StackDestination::Queue(queue),
        (None, Some("lambda")) => StackDestination::Function(text.to_owned()),
        (None, service) => return Err(format!("{} is not emulated", service.unwrap_or("what it names"))),
    };
    let group = target.get("SqsParameters").and_then(|parameters| parameters.get("MessageGroupId"));
    let group = group.and_then(Yaml::as_text).map(ToOwned::to_owned);
    Ok(StackRuleTarget { destination, input: input(target)?, group })
}

/// What a target gets of an event.
fn input(of: &Yaml) -> Result<RuleInput, String> {
    if of.get("InputTransformer").is_some() {
        return Err("InputTransformer is not emulated".to_owned());
    }
    let text = |name: &str| of.get(name).and_then(Yaml::as_text).map(ToOwned::to_owned);
    Ok(match (text("Input"), text("InputPath")) {
        (Some(input), _) => RuleInput::Constant(input),
        (None, Some(path)) => RuleInput::Path(path),
        (None, None) => RuleInput::Matched,
    })
}
