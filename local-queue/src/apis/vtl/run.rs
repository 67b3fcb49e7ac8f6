//! From a tree and a request to text.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Expression, MappingTemplate, Node, Operator, Reference, Step, values};
use crate::apis::{json_path::JsonPath, seen::Seen};

/// Steps of one run: a template that wants more runs for ever.
const STEPS_MAX: usize = 200_000;
/// What comes out of it; no body is longer.
const BYTES_MAX: usize = 10 * 1024 * 1024;
/// Of longer bodies, nothing is found in JSON: no message of a queue is longer.
const JSON_BYTES_MAX: usize = 1024 * 1024;

/// What a template is about.
pub(crate) struct Source<'a> {
    pub(crate) request: &'a dyn Seen,
    /// The body: that of the request, or what came back.
    pub(crate) body: &'a str,
}

/// What a template says of the answer beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Override {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
}

/// Runs a template; why there is nothing to come of it.
pub(crate) fn run(template: &MappingTemplate, source: &Source<'_>) -> Result<(String, Override), String> {
    let mut running = Running {
        source,
        json: None,
        variables: BTreeMap::new(),
        said: Override::default(),
        text: String::new(),
        steps: 0,
    };
    running.nodes(&template.0)?;
    Ok((running.text, running.said))
}

struct Running<'a> {
    source: &'a Source<'a>,
    /// The body, once somebody has asked for something in it.
    json: Option<Value>,
    variables: BTreeMap<String, Value>,
    said: Override,
    text: String,
    steps: usize,
}

impl Running<'_> {
    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.text.len() > BYTES_MAX {
            return Err("the template exceeds the step limit".to_owned());
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<(), String> {
        for node in nodes {
            self.step()?;
            match node {
                Node::Text(text) => self.text.push_str(text),
                Node::Reference { reference, source, is_silent } => {
                    let value = self.reference(reference)?;
                    let is_own = matches!(reference.root.as_str(), "input" | "util" | "context" | "stageVariables");
                    if value.is_null() && !is_silent && !is_own {
                        self.text.push_str(source);
                    } else {
                        self.text.push_str(&values::shown(&value));
                    }
                }
                Node::Set(target, expression) => {
                    let value = self.expression(expression)?;
                    self.set(target, value);
                }
                Node::If(branches) => {
                    for (condition, body) in branches {
                        let is_chosen = match condition {
                            Some(condition) => values::is_true(&self.expression(condition)?),
                            None => true,
                        };
                        if is_chosen {
                            self.nodes(body)?;
                            break;
                        }
                    }
                }
                Node::ForEach(name, over, body) => self.for_each(name, over, body)?,
            }
        }
        Ok(())
    }

    fn set(&mut self, target: &Reference, value: Value) {
        if target.root != "context" {
            self.variables.insert(target.root.clone(), value);
            return;
        }
        match target.steps.as_slice() {
            [_, Step::Member(name)] if name == "status" => {
                self.said.status = values::shown(&value).parse().ok();
            }
            [_, _, Step::Member(name)] => self.said.headers.push((name.clone(), values::shown(&value))),
            _ => {}
        }
    }

    fn for_each(&mut self, name: &str, over: &Expression, body: &[Node]) -> Result<(), String> {
        let items = match self.expression(over)? {
            Value::Array(items) => items,
            Value::Object(members) => members.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        let outer = [name, "foreach", "velocityCount"].map(|name| (name, self.variables.get(name).cloned()));
        let count = items.len();
        for (index, item) in items.into_iter().enumerate() {
            self.step()?;
            self.variables.insert(name.to_owned(), item);
            let state = json!({ "index": index, "count": index + 1, "hasNext": index + 1 < count });
            self.variables.insert("foreach".to_owned(), state);
            self.variables.insert("velocityCount".to_owned(), (index + 1).into());
            self.nodes(body)?;
        }
        for (name, value) in outer {
            match value {
                Some(value) => self.variables.insert(name.to_owned(), value),
                None => self.variables.remove(name),
            };
        }
        Ok(())
    }

    fn expression(&mut self, expression: &Expression) -> Result<Value, String> {
        self.step()?;
        Ok(match expression {
            Expression::Literal(value) => value.clone(),
            Expression::Text(nodes) => {
                let outer = std::mem::take(&mut self.text);
                let made = self.nodes(nodes);
                let text = std::mem::replace(&mut self.text, outer);
                made?;
                text.into()
            }
            Expression::Reference(reference) => self.reference(reference)?,
            Expression::List(list) => self.all(list)?.into(),
            Expression::Map(entries) => {
                let mut members = serde_json::Map::new();
                for (key, value) in entries {
                    let key = values::shown(&self.expression(key)?);
                    members.insert(key, self.expression(value)?);
                }
                members.into()
            }
            Expression::Not(operand) => (!values::is_true(&self.expression(operand)?)).into(),
            Expression::Binary(operator, left, right) => {
                let left = self.expression(left)?;
                match operator {
                    Operator::And if !values::is_true(&left) => false.into(),
                    Operator::Or if values::is_true(&left) => true.into(),
                    operator => values::operate(*operator, &left, &self.expression(right)?),
                }
            }
        })
    }

    fn all(&mut self, expressions: &[Expression]) -> Result<Vec<Value>, String> {
        expressions.iter().map(|expression| self.expression(expression)).collect()
    }

    fn reference(&mut self, reference: &Reference) -> Result<Value, String> {
        let Reference { root, steps } = reference;
        let (mut value, rest) = match (root.as_str(), steps.as_slice()) {
            ("input", [Step::Member(name), rest @ ..]) if name == "body" => (self.source.body.into(), rest),
            ("input", [Step::Call(name, arguments), rest @ ..]) => {
                let arguments = self.all(arguments)?;
                (self.input(name, &arguments)?, rest)
            }
            ("util", [Step::Call(name, arguments), rest @ ..]) => {
                let arguments = self.all(arguments)?;
                (values::util(name, arguments.first().unwrap_or(&Value::Null)), rest)
            }
            ("context", steps) => (self.context(steps), &[][..]),
            ("stageVariables", [step, rest @ ..]) => {
                let name = match step {
                    Step::Member(name) => name.clone(),
                    Step::Item(key) => values::shown(&self.expression(key)?),
                    Step::Call(_, arguments) => self.all(arguments)?.first().map(values::shown).unwrap_or_default(),
                };
                (self.source.request.stage_variable(&name).map_or(Value::Null, Into::into), rest)
            }
            (name, [Step::Call(method, arguments)]) if matches!(method.as_str(), "put" | "add") => {
                let arguments = self.all(arguments)?;
                let variable = self.variables.get_mut(name);
                return Ok(variable.map_or(Value::Null, |it| values::change(it, method, &arguments)));
            }
            (name, rest) => (self.variables.get(name).cloned().unwrap_or_default(), rest),
        };
        for step in rest {
            self.step()?;
            value = match step {
                Step::Member(name) => values::member(&value, name),
                Step::Item(key) => values::item(&value, &self.expression(key)?),
                // Nothing can be asked of nothing.
                Step::Call(..) if value.is_null() => Value::Null,
                Step::Call(name, arguments) => values::ask(&value, name, &self.all(arguments)?),
            };
        }
        Ok(value)
    }

    fn context(&self, steps: &[Step]) -> Value {
        let names = steps.iter().map_while(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            _ => None,
        });
        let name = names.collect::<Vec<_>>().join(".");
        self.source.request.context(&name).map_or(Value::Null, Into::into)
    }

    fn input(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        if name == "params" {
            return Ok(params(self.source.request, arguments.first()));
        }
        let path = arguments.first().map(values::shown).unwrap_or_default();
        let parsed = JsonPath::parse(&path).ok_or_else(|| format!("$input.{name} does not accept {path}"))?;
        if self.json.is_none() {
            let body = self.source.body.get(..JSON_BYTES_MAX.min(self.source.body.len())).unwrap_or_default();
            self.json = Some(serde_json::from_str(body).unwrap_or_else(|_| body.into()));
        }
        let Some(found) = self.json.as_ref().and_then(|root| parsed.find(root)) else {
            return Ok(if name == "json" { "\"\"".into() } else { "".into() });
        };
        Ok(match name {
            // Members stay in the order in which they came.
            "json" if parsed.is_root() && !found.is_string() => compact(self.source.body).into(),
            "json" => found.to_string().into(),
            _ => found.clone(),
        })
    }
}

/// All parameters, or one: of the path, else of the query, else a header.
fn params(request: &dyn Seen, name: Option<&Value>) -> Value {
    let pairs =
        |pairs: &[(String, String)]| values::map(pairs.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let headers = || {
        let names = request.header_names().into_iter();
        values::map(names.map(|name| (name, request.header(name).unwrap_or_default())))
    };
    match name.map(values::shown).as_deref() {
        None => json!({
            "path": pairs(request.path_parameters()),
            "querystring": pairs(request.query()),
            "header": headers(),
        }),
        Some("path") => pairs(request.path_parameters()),
        Some("querystring") => pairs(request.query()),
        Some("header") => headers(),
        Some(name) => {
            let of_path = request.path_parameter(name).map(ToOwned::to_owned);
            let of_query = || request.query().iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone());
            of_path.or_else(of_query).or_else(|| request.header(name)).unwrap_or_default().into()
        }
    }
}

/// JSON without the space between its parts.
fn compact(text: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let keep = |c: &char| {
        match (*c, is_text) {
            ('"', _) if !is_escaped => is_text = !is_text,
            (c, false) => return !c.is_ascii_whitespace(),
            _ => {}
        }
        is_escaped = is_text && *c == '\\' && !is_escaped;
        true
    };
    text.chars().filter(keep).collect()
}
