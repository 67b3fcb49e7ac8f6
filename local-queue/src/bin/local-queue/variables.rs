//! Variables of functions that the command line gives: `--env-file`, `--env` and `--pass-env`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use anyhow::{Context as _, bail, ensure};
use local_queue::{runtime_api::Credentials, template::StackFunction};
use serde_json::Value;

use super::functions::Functions;

/// For every function of a file: `sam local` calls them so.
const FOR_ALL: &str = "Parameters";
/// Those that no function may declare, and that make its credentials.
const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// What the command line gives to functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    by_function: BTreeMap<String, BTreeMap<String, String>>,
    for_all: BTreeMap<String, String>,
    passed: BTreeMap<String, String>,
}

impl Variables {
    /// Reads the file, and the variables of this process that may be passed on.
    pub(crate) fn read(arguments: &Functions) -> anyhow::Result<Self> {
        let mut by_function = BTreeMap::new();
        if let Some(path) = &arguments.env_file {
            let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
            by_function = parse(&text).with_context(|| path.display().to_string())?;
        }
        let mut passed = BTreeMap::new();
        for name in &arguments.pass_env {
            let value = env::var(name).map_err(|error| anyhow::anyhow!("--pass-env {name}: {error}"))?;
            passed.insert(name.clone(), value);
        }
        let has_key = passed.contains_key(CREDENTIALS[0]) && passed.contains_key(CREDENTIALS[1]);
        let has_part = CREDENTIALS.iter().any(|name| passed.contains_key(*name));
        ensure!(
            has_key || !has_part,
            "credentials need both --pass-env {} and --pass-env {}",
            CREDENTIALS[0],
            CREDENTIALS[1]
        );
        Ok(Self { by_function, for_all: arguments.env.iter().cloned().collect(), passed })
    }

    /// Those of one function: what is said of it alone goes before what the file says of all, and `--env` before both.
    pub(crate) fn for_function(&self, function: &StackFunction) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for name in [FOR_ALL, &function.name, &function.logical_id] {
            variables.extend(
                self.by_function.get(name).into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        let passed = self.passed.iter().filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()));
        variables.extend(passed.chain(&self.for_all).map(|(name, value)| (name.clone(), value.clone())));
        variables
    }

    /// The names of those of every function, and of those of one: what a template says of them does not matter.
    pub(crate) fn names(&self) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
        let names = |variables: &BTreeMap<String, String>| variables.keys().cloned().collect::<BTreeSet<_>>();
        let all = [Some(&self.for_all), Some(&self.passed), self.by_function.get(FOR_ALL)];
        let all = all.into_iter().flatten().flat_map(|variables| variables.keys().cloned());
        (all.collect(), self.by_function.iter().map(|(id, variables)| (id.clone(), names(variables))).collect())
    }

    /// Those of this process, if they are passed on; functions have made-up ones otherwise.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let passed = |name: &str| self.passed.get(name).cloned();
        let [access_key_id, secret_access_key, session_token] = CREDENTIALS.map(passed);
        Some(Credentials { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
    }

    /// What the file names and the template does not have.
    pub(crate) fn unknown(&self, functions: &[StackFunction]) -> Vec<&str> {
        let is_known = |name: &str| {
            let mut functions = functions.iter();
            name == FOR_ALL || functions.any(|function| function.logical_id == name || function.name == name)
        };
        self.by_function.keys().map(String::as_str).filter(|name| !is_known(name)).collect()
    }
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, BTreeMap<String, String>>> {
    let document = serde_json::from_str::<BTreeMap<String, BTreeMap<String, Value>>>(text);
    let document = document.context("expected {\"LOGICAL-ID\": {\"NAME\": \"value\"}}")?;
    let mut by_function = BTreeMap::new();
    for (function, variables) in document {
        let mut texts = BTreeMap::new();
        for (name, value) in variables {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                other => bail!("{name} of {function} is {other}; expected a string, a number or a boolean"),
            };
            texts.insert(name, text);
        }
        by_function.insert(function, texts);
    }
    Ok(by_function)
}

#[cfg(test)]
mod tests {
    use local_queue::{engine::Limits, template};

    use super::*;

    #[test]
    fn what_is_said_of_one_function_goes_before_what_is_said_of_all() {
        let template = "Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: python3.12, Handler: app.handler } }
Resources: { Work: { Type: 'AWS::Serverless::Function' }, Rest: { Type: 'AWS::Serverless::Function' } }";
        let functions = template::read(template, &template::Options::default(), &Limits::STRICT).unwrap().functions;
        let file = r#"{"Parameters": {"A": "all", "B": 1, "C": true}, "Work": {"A": "work"}, "local-Rest": {"B": "rest"},
                       "Wrok": {"A": "?"}}"#;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = Variables {
            by_function: parse(file).unwrap(),
            for_all: [pair("C", "line")].into(),
            passed: [pair("D", "here"), pair("AWS_ACCESS_KEY_ID", "id"), pair("AWS_SECRET_ACCESS_KEY", "key")].into(),
        };
        let of = |function: &StackFunction| {
            let pairs = variables.for_function(function).into_iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&functions[0]), "A=work B=1 C=line D=here");
        assert_eq!(of(&functions[1]), "A=all B=rest C=line D=here");
        assert_eq!(variables.unknown(&functions), ["Wrok"]);
        let credentials = variables.credentials().unwrap();
        assert_eq!((credentials.access_key_id.as_str(), credentials.session_token), ("id", None));
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        for (text, expected) in [
            ("[]", "expected {\"LOGICAL-ID\""),
            ("{\"A\": \"text\"}", "expected {\"LOGICAL-ID\""),
            ("{\"Work\": {\"A\": null}}", "A of Work is null; expected a string, a number or a boolean"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
