//! The values of a template's parameters, within the constraints that it gives them.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::{
    Diagnostic, Options,
    document::{Yaml, YamlData, refused},
    input::Input,
};

/// Reads the parameters; those that were given must be declared, and those without a default be given.
pub(super) fn read<'a>(root: &'a Yaml, input: &Input<'_>) -> Result<BTreeMap<&'a str, Yaml>, Vec<Diagnostic>> {
    let options = input.options;
    let mut diagnostics = Vec::new();
    let mut parameters = BTreeMap::new();
    let declared = root.get("Parameters").map_or(&[][..], Yaml::entries);
    for (name, declaration) in declared {
        let at = |text: String| refused(declaration, text);
        let given = input.parameters.get(name).map(|given| Yaml { line: declaration.line, ..given.clone() });
        let of_project = || options.default_parameters.get(name).map(|text| Yaml::text(declaration.line, text));
        let Some(value) = given.or_else(of_project).or_else(|| declaration.get("Default").cloned()) else {
            let give = match &input.path {
                None => format!("give it with --parameter {name}=VALUE"),
                Some(_) => format!("the stack around gives it in Parameters, as {name}: VALUE"),
            };
            diagnostics.push(at(format!("parameter {name} has no default; {give}")));
            continue;
        };
        match of_type(name, declaration, value, options) {
            Ok(value) => {
                diagnostics.extend(check(name, declaration, &value).into_iter().map(at));
                parameters.insert(name.as_str(), value);
            }
            Err(text) => diagnostics.push(at(text)),
        }
    }
    for name in input.parameters.keys() {
        if declared.iter().any(|(known, _)| known == name) {
            continue;
        }
        let known: Vec<_> = declared.iter().map(|(name, _)| name.as_str()).collect();
        let there_are =
            if known.is_empty() { "it has none".to_owned() } else { format!("there are {}", known.join(", ")) };
        let text = format!("there is no parameter {name}; {there_are}");
        diagnostics.push(refused(root.get("Parameters").unwrap_or(root), text));
    }
    if diagnostics.is_empty() { Ok(parameters) } else { Err(diagnostics) }
}

/// The value of a parameter as its type has it: a list, or what a parameter of Systems Manager holds.
fn of_type(name: &str, declaration: &Yaml, value: Yaml, options: &Options) -> Result<Yaml, String> {
    let kind = declaration.get("Type").and_then(Yaml::as_text);
    let kind = kind.ok_or_else(|| format!("parameter {name} has no Type"))?;
    let line = value.line;
    let text = match &value.data {
        YamlData::Scalar { text, .. } => text.as_str(),
        YamlData::Null => "",
        YamlData::Unknown { .. } => return Ok(value),
        _ => return Err(format!("the default of parameter {name} expects a string, not {}", value.kind())),
    };
    let inner = kind.strip_prefix("AWS::SSM::Parameter::Value<").and_then(|kind| kind.strip_suffix('>'));
    let held = match inner {
        Some(_) => {
            let Some(held) = options.ssm.get(text) else {
                let hint = format!(" (give it with --ssm {text}=VALUE)");
                return Ok(Yaml::unknown(line, &format!("SSM parameter {text}"), &hint));
            };
            held
        }
        None => text,
    };
    let kind = inner.unwrap_or(kind);
    if kind != "CommaDelimitedList" && !kind.starts_with("List<") {
        return Ok(if inner.is_some() { Yaml::text(line, held) } else { value });
    }
    // CloudFormation (template reference, "Parameters"): spaces around the members are left out.
    let members = held.split(',').filter(|_| !held.is_empty()).map(|member| Yaml::text(line, member.trim()));
    Ok(Yaml { line, data: YamlData::List(members.collect()) })
}

/// What is wrong with a value (template reference, "Parameters"). Of a list each member must be right.
fn check(name: &str, declaration: &Yaml, value: &Yaml) -> Option<String> {
    let kind = declaration.get("Type").and_then(Yaml::as_text).unwrap_or_default();
    // The constraints are about the name of an SSM parameter then, which is not a value here.
    if kind.starts_with("AWS::SSM::Parameter::Value<") || value.first_unknown().is_some() {
        return None;
    }
    let members = value.as_list().unwrap_or(std::slice::from_ref(value));
    let is_number = matches!(kind, "Number" | "List<Number>");
    let is_secret = declaration.get("NoEcho").and_then(Yaml::as_flag) == Some(true);
    members.iter().find_map(|member| {
        let text = member.as_text().unwrap_or_default();
        let wrong = check_member(declaration, text, is_number)?;
        let shown = match text {
            _ if is_secret => "not as it must be".to_owned(),
            number if is_number && number.parse::<f64>().is_ok() => number.to_owned(),
            text => format!("{text:?}"),
        };
        let described = declaration.get("ConstraintDescription").and_then(Yaml::as_text);
        let described = described.map(|text| format!(" ({text})")).unwrap_or_default();
        Some(format!("parameter {name} is {shown}; {wrong}{described}"))
    })
}

fn check_member(declaration: &Yaml, text: &str, is_number: bool) -> Option<String> {
    let own = |key: &str| declaration.get(key).and_then(Yaml::as_text);
    if let Some(allowed) = declaration.get("AllowedValues").and_then(Yaml::as_list) {
        let allowed: Vec<_> = allowed.iter().map(|node| node.as_text().unwrap_or_default()).collect();
        if !allowed.contains(&text) {
            return Some(format!("allowed are {}", allowed.join(", ")));
        }
    }
    let (measured, least, most, of) = if is_number {
        let Ok(number) = text.parse::<f64>() else { return Some("expected a number".to_owned()) };
        (number, "MinValue", "MaxValue", "")
    } else {
        #[expect(clippy::cast_precision_loss, reason = "parameters have up to 4,096 characters")]
        let length = text.chars().count() as f64;
        (length, "MinLength", "MaxLength", " characters")
    };
    let bound = |key| own(key).and_then(|text| text.parse::<f64>().ok());
    let (min, max) = (bound(least), bound(most));
    if min.is_some_and(|min| measured < min) || max.is_some_and(|max| measured > max) {
        let bound = |bound: Option<f64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
        return Some(format!("expected {} to {}{of}", bound(min), bound(max)));
    }
    let pattern = own("AllowedPattern")?;
    // A pattern that only Java understands, with a look-ahead, is not held against the value.
    let anchored = Regex::new(&format!("^(?:{pattern})$")).ok()?;
    (!anchored.is_match(text)).then(|| format!("expected what matches {pattern}"))
}
