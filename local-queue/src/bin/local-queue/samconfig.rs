//! `samconfig.toml` beside the template: the values of parameters that a project gives to `sam deploy` and `sam local invoke`.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

const FILE: &str = "samconfig.toml";
/// The environment that is taken where none is named.
const DEFAULT_ENVIRONMENT: &str = "default";
/// The commands of SAM whose parameters count, the weakest first: what is said of a local invocation is nearest to this.
const COMMANDS: [&str; 3] = ["global", "deploy", "local_invoke"];
const EXPECTED: &str = "expected \"NAME=VALUE NAME=VALUE\", or a list of NAME=VALUE";

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct SamConfig {
    pub(crate) parameters: BTreeMap<String, String>,
    /// The file, if there is one.
    pub(crate) path: Option<PathBuf>,
}

impl SamConfig {
    /// Reads the file of a folder, if it is there. An environment that is named must be in it.
    pub(crate) fn read(folder: &Path, environment: Option<&str>) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let name = environment.unwrap_or_default();
                ensure!(environment.is_none(), "--config-env {name}: there is no {}", path.display());
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        let parameters = parse(&text, environment).map_err(|wrong| match wrong.line {
            Some(line) => anyhow::anyhow!("{}:{line}: {}", path.display(), wrong.text),
            None => anyhow::anyhow!("{}: {}", path.display(), wrong.text),
        })?;
        Ok(Self { parameters, path: Some(path) })
    }
}

/// What is wrong, and where if it is somewhere.
#[derive(Debug)]
struct Wrong {
    line: Option<usize>,
    text: String,
}

fn parse(text: &str, environment: Option<&str>) -> Result<BTreeMap<String, String>, Wrong> {
    let line_at = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let wrong = |at: usize, text: String| Wrong { line: Some(line_at(at)), text };
    let root = DeTable::parse(text).map_err(|error| {
        wrong(error.span().map_or(0, |span| span.start), format!("it is not TOML: {}", error.message()))
    })?;
    let name = environment.unwrap_or(DEFAULT_ENVIRONMENT);
    let Some(found) = root.get_ref().get(name) else {
        if environment.is_none() {
            return Ok(BTreeMap::new());
        }
        let known = root.get_ref().keys().map(|key| key.get_ref().as_ref()).filter(|key| *key != "version");
        let text = format!("it has no environment {name}; it has {}", known.collect::<Vec<_>>().join(", "));
        return Err(Wrong { line: None, text });
    };
    let mut parameters = BTreeMap::new();
    for command in COMMANDS {
        let Some(of_command) = get(found, command) else { continue };
        let Some(overrides) = get(of_command, "parameters").and_then(|it| get(it, "parameter_overrides")) else {
            continue;
        };
        let place = format!("[{name}.{command}.parameters] parameter_overrides");
        for (at, text) in
            texts(overrides).ok_or_else(|| wrong(overrides.span().start, format!("{place}: {EXPECTED}")))?
        {
            let pairs = pairs(text).map_err(|part| wrong(at, format!("{place} has {part:?}; {EXPECTED}")))?;
            parameters.extend(pairs);
        }
    }
    Ok(parameters)
}

type Value<'a> = Spanned<DeValue<'a>>;

fn get<'a, 'b>(value: &'b Value<'a>, key: &str) -> Option<&'b Value<'a>> {
    value.get_ref().get(key)
}

/// The texts of a value, which is one or a list of them, each with its place.
fn texts<'b>(value: &'b Value<'_>) -> Option<Vec<(usize, &'b str)>> {
    let one = |value: &'b Value<'_>| match value.get_ref() {
        DeValue::String(text) => Some((value.span().start, text.as_ref())),
        _ => None,
    };
    match value.get_ref() {
        DeValue::Array(list) => list.iter().map(one).collect(),
        _ => Some(vec![one(value)?]),
    }
}

/// `A=b C="d e"`, or with each pair as `ParameterKey=A,ParameterValue=b`; else the part that is neither.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for word in words(text) {
        let long = word.strip_prefix("ParameterKey=").and_then(|rest| rest.split_once(",ParameterValue="));
        let pair = long.or_else(|| word.split_once('=')).filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or_else(|| word.clone())?;
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

/// The words of a text, as a shell would part them: quotes keep spaces, a backslash keeps what follows it.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let add = |word: &mut Option<String>, letter| word.get_or_insert_default().push(letter);
        match letter {
            '\\' => add(&mut word, letters.next().unwrap_or('\\')),
            '"' | '\'' if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && quote.is_none() => words.extend(word.take()),
            _ => add(&mut word, letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_every_form_and_the_nearest_command_wins() {
        let text = r#"
version = 0.1
[default.global.parameters]
parameter_overrides = "Stage=global Only=global"
[default.deploy.parameters]
stack_name = "app"
parameter_overrides = ["Stage=\"deployed here\"", "ParameterKey=Long,ParameterValue=a=b", 'Quoted="x y"']
[default.local_invoke.parameters]
parameter_overrides = 'Local=1 Empty="" Escaped=a\ b'
[prod.deploy.parameters]
parameter_overrides = "Stage=prod"
"#;
        let of = |environment| {
            let pairs = parse(text, environment).unwrap();
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|")
        };
        assert_eq!(of(None), "Empty=|Escaped=a b|Local=1|Long=a=b|Only=global|Quoted=x y|Stage=deployed here");
        assert_eq!(of(Some("prod")), "Stage=prod");
        assert!(parse("version = 0.1", None).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, environment, line, expected) in [
            ("[default", None, Some(1), "it is not TOML: "),
            (
                "\n[default.deploy.parameters]\nparameter_overrides = 5",
                None,
                Some(3),
                "[default.deploy.parameters] parameter_overrides: expected \"NAME=VALUE",
            ),
            (
                "[default.global.parameters]\nparameter_overrides = [\n  'A=1',\n  'B']",
                None,
                Some(4),
                "[default.global.parameters] parameter_overrides has \"B\"; expected",
            ),
            (
                "[default.deploy.parameters]\n[dev.x]",
                Some("prod"),
                None,
                "it has no environment prod; it has default, dev",
            ),
        ] {
            let wrong = parse(text, environment).unwrap_err();
            assert_eq!(wrong.line, line, "{text}");
            assert!(wrong.text.starts_with(expected), "{text}: {}", wrong.text);
        }
    }
}
