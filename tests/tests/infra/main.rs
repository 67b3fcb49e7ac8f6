//! The rules that `infra/template.yaml` keeps, each named by a sentence, and templates that break one each, which
//! exactly that rule finds.
//!
//! Checked is the source as it is, and what AWS's own translator makes of it, where `.ci/infra` has put that into
//! `.cache/infra/template.json` (or `INFRA_TEMPLATE` names another file).

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod access;
mod alarms;
mod api;
mod broken;
mod buckets;
mod function;
mod parameters;
mod queues;
mod stack;
mod subject;
mod yaml;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use subject::{Rule, Subject};

/// Every rule, by the part of the template that it is about.
fn rules() -> Vec<(&'static str, Rule)> {
    let parts: [(&str, &[Rule]); 7] = [
        ("parameters", parameters::RULES),
        ("access", access::RULES),
        ("queues", queues::RULES),
        ("buckets", buckets::RULES),
        ("function", function::RULES),
        ("api", api::RULES),
        ("alarms", alarms::RULES),
    ];
    parts.iter().flat_map(|(part, rules)| rules.iter().map(move |rule| (*part, *rule))).collect()
}

/// What a rule finds in a template: nothing, or a line for each thing that is wrong.
fn findings(rule: Rule, subject: &Subject) -> Vec<String> {
    let mut findings = Vec::new();
    (rule.check)(subject, &mut findings);
    findings
}

fn main() -> ExitCode {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = yaml::read(&std::fs::read_to_string(beside.join("../infra/template.yaml")).unwrap());
    let mut trials = Vec::new();
    add_rules(&mut trials, "source", &source);
    for control in broken::CONTROLS {
        let mut template = source.clone();
        control.apply(&mut template);
        trials.push(Trial::test(format!("broken::{}", control.name), move || only(&template, control.rule)));
    }
    trials.push(Trial::test("broken::every rule has a template that breaks it", every_rule_is_broken));

    let readme = std::fs::read_to_string(beside.join("../infra/README.md")).unwrap();
    let declared = source["Parameters"].clone();
    trials.push(Trial::test("readme: it has every parameter with its default", move || {
        has_parameters(&readme, &declared)
    }));

    match transformed(beside) {
        Ok(template) => add_rules(&mut trials, "transformed", &template),
        Err(missing) => eprintln!("skipped: the transformed template, because {missing}; .ci/infra makes it"),
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What SAM makes of the source, if that is there and no older than the source.
fn transformed(beside: &Path) -> Result<Value, String> {
    let parse = |path: &Path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    if let Some(named) = env::var_os("INFRA_TEMPLATE") {
        return Ok(parse(Path::new(&named)));
    }
    let path = beside.join("../.cache/infra/template.json");
    let made = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified());
    match made(&path) {
        Err(_) => Err(format!("{} does not exist", path.display())),
        Ok(time) if time < made(&beside.join("../infra/template.yaml")).unwrap() => {
            Err(format!("{} is older than its source", path.display()))
        }
        Ok(_) => Ok(parse(&path)),
    }
}

fn add_rules(trials: &mut Vec<Trial>, which: &str, template: &Value) {
    for (part, rule) in rules() {
        let template = template.clone();
        trials.push(Trial::test(format!("{which}::{part}: {}", rule.name), move || {
            match findings(rule, &Subject::new(template)).as_slice() {
                [] => Ok(()),
                found => Err(Failed::from(found.join("\n"))),
            }
        }));
    }
}

/// Exactly one rule finds something.
fn only(template: &Value, expected: &str) -> Result<(), Failed> {
    let subject = Subject::new(template.clone());
    let broken: Vec<_> = rules()
        .into_iter()
        .map(|(_, rule)| (rule.name, findings(rule, &subject)))
        .filter(|(_, findings)| !findings.is_empty())
        .collect();
    match broken.as_slice() {
        [(name, _)] if *name == expected => Ok(()),
        others => Err(format!("expected is the rule {expected:?} alone; found {others:#?}").into()),
    }
}

/// The table has a row for each parameter, whose second column holds the default, unless that is nothing.
fn has_parameters(readme: &str, declared: &Value) -> Result<(), Failed> {
    let (_, table) = readme.split_once("## Parameters").ok_or("there are no parameters")?;
    for (name, parameter) in stack::fields(declared) {
        let row = table.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
        let row = row.ok_or_else(|| format!("{name} is not in the table"))?;
        let default = stack::text(&parameter["Default"]);
        let said = row.split('|').nth(2).unwrap_or_default();
        if !said.contains(&default) {
            return Err(format!("the default of {name} is {default:?}; the table says {said:?}").into());
        }
    }
    Ok(())
}

fn every_rule_is_broken() -> Result<(), Failed> {
    let unbroken: Vec<_> = rules()
        .into_iter()
        .map(|(_, rule)| rule.name)
        .filter(|name| broken::CONTROLS.iter().all(|control| control.rule != *name))
        .collect();
    if unbroken.is_empty() { Ok(()) } else { Err(format!("no template breaks {unbroken:#?}").into()) }
}
