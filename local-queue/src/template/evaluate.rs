//! Parameters, conditions and intrinsic functions.

use std::{cell::RefCell, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Diagnostic, Options,
    document::{Yaml, YamlData, refused},
    dynamic,
    input::Input,
    parameters,
    parts::NestedStacks,
    transforms::{LANGUAGE_EXTENSIONS, macros},
};
use crate::protocol::attributes::parse_flag;

/// Evaluations within evaluations: more is a circle.
const DEPTH_MAX: usize = 50;
/// Those that are evaluated, for refusals.
const SUPPORTED: &str = "Ref, Fn::GetAtt, Fn::Sub, Fn::If, Fn::Equals, Fn::Not, Fn::And, Fn::Or, Fn::Join, Fn::Select, \
                         Fn::Split, Fn::FindInMap, Fn::Base64, Fn::ToJsonString, Fn::Length, Fn::GetAZs, \
                         Fn::ImportValue and Condition";
/// Those whose values only `CloudFormation` has.
const UNKNOWN: [&str; 3] = ["Fn::Cidr", "Fn::Transform", "Fn::GetStackOutput"];

/// A text that may contain what is not known here.
#[derive(Default)]
pub(super) struct Text {
    pub(super) text: String,
    /// The first thing in it that is not known.
    pub(super) unknown: Option<String>,
}

impl Text {
    pub(super) fn of(node: &Yaml) -> Option<Self> {
        match &node.data {
            YamlData::Scalar { text, .. } => Some(Self { text: text.clone(), unknown: None }),
            YamlData::Unknown { text, what } => Some(Self { text: text.clone(), unknown: Some(what.clone()) }),
            _ => None,
        }
    }

    fn push(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.unknown = self.unknown.take().or(other.unknown);
    }

    pub(super) fn into_node(self, line: usize) -> Yaml {
        match self.unknown {
            None => Yaml::text(line, self.text),
            Some(what) => Yaml { line, data: YamlData::Unknown { text: self.text, what } },
        }
    }

    fn join(parts: impl Iterator<Item = Self>, separator: &str) -> Self {
        let mut whole = Self::default();
        for (index, part) in parts.enumerate() {
            if index > 0 {
                whole.text.push_str(separator);
            }
            whole.push(part);
        }
        whole
    }
}

/// A template with everything that its functions may name.
pub(super) struct TemplateContext<'a> {
    pub(super) root: &'a Yaml,
    pub(super) options: &'a Options,
    pub(super) input: &'a Input<'a>,
    pub(super) parameters: BTreeMap<&'a str, Yaml>,
    pub(super) nested: NestedStacks,
    has_language_extensions: bool,
    depth: RefCell<usize>,
}

impl<'a> TemplateContext<'a> {
    /// Reads the parameters.
    pub(super) fn new(root: &'a Yaml, input: &'a Input<'a>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self {
            root,
            options: input.options,
            input,
            parameters: parameters::read(root, input)?,
            nested: NestedStacks::default(),
            has_language_extensions: macros(root).contains(&LANGUAGE_EXTENSIONS),
            depth: RefCell::new(0),
        })
    }

    /// Refuses what only a template with language extensions can have.
    fn needs_language_extensions(&self, node: &Yaml, what: &str) -> Result<(), Diagnostic> {
        if self.has_language_extensions {
            return Ok(());
        }
        Err(refused(node, format!("{what} needs Transform: {LANGUAGE_EXTENSIONS}")))
    }

    /// The resource with a logical id.
    pub(super) fn resource(&self, logical_id: &str) -> Option<&'a Yaml> {
        self.root.get("Resources")?.get(logical_id)
    }

    /// Whether a resource is created.
    pub(super) fn exists(&self, resource: &Yaml) -> Result<bool, Diagnostic> {
        match resource.get("Condition") {
            Some(name) => self.condition(name),
            None => Ok(true),
        }
    }

    /// A node without functions; none for `AWS::NoValue`. What is not known here is in it as such.
    pub(super) fn evaluate(&self, node: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        Ok(self.evaluate_functions(node)?.map(|node| dynamic::resolve(node, self.options)))
    }

    fn evaluate_functions(&self, node: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        *self.depth.borrow_mut() += 1;
        let result = if *self.depth.borrow() > DEPTH_MAX {
            Err(refused(node, "circular reference, or nested too deep".to_owned()))
        } else {
            self.evaluate_at_depth(node)
        };
        *self.depth.borrow_mut() -= 1;
        result
    }

    fn evaluate_at_depth(&self, node: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        let data = match &node.data {
            YamlData::Null | YamlData::Scalar { .. } | YamlData::Unknown { .. } => return Ok(Some(node.clone())),
            YamlData::List(list) => {
                let list = list.iter().filter_map(|node| self.evaluate_functions(node).transpose());
                YamlData::List(list.collect::<Result<_, _>>()?)
            }
            YamlData::Map(entries) => {
                if let [(name, argument)] = entries.as_slice()
                    && (name == "Ref"
                        || name == "Condition" && argument.as_text().is_some()
                        || name.starts_with("Fn::"))
                {
                    return self.function(node, name, argument);
                }
                let entry =
                    |(name, node): &(String, Yaml)| Ok(self.evaluate_functions(node)?.map(|node| (name.clone(), node)));
                YamlData::Map(entries.iter().map(entry).filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
        };
        Ok(Some(Yaml { line: node.line, data }))
    }

    fn function(&self, node: &Yaml, name: &str, argument: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        let text = |text: String| Yaml::text(node.line, text);
        let truth = |truth: bool| Ok(text(truth.to_string()));
        let found = match name {
            "Ref" => match argument.as_text() {
                Some("AWS::NoValue") => return Ok(None),
                Some(target) => self.reference(node, target),
                None if self.has_language_extensions => self.reference(node, &self.text(argument)?),
                None => Err(refused(node, "Ref takes a name".to_owned())),
            },
            "Condition" => truth(self.condition(argument)?),
            "Fn::GetAtt" => self.get_attribute(node, argument),
            "Fn::Sub" => self.substitute(node, argument).map(|text| text.into_node(node.line)),
            "Fn::If" => {
                let [condition, yes, no] = arguments(node, name, argument)?;
                return self.evaluate_functions(if self.condition(condition)? { yes } else { no });
            }
            "Fn::Equals" => {
                let [one, other] = arguments(node, name, argument)?;
                truth(self.text(one)? == self.text(other)?)
            }
            "Fn::Not" => {
                let [one] = arguments(node, name, argument)?;
                truth(!self.truth(one)?)
            }
            "Fn::And" | "Fn::Or" => {
                let list = argument.as_list().ok_or_else(|| refused(node, format!("{name} expects a list")))?;
                let truths = list.iter().map(|node| self.truth(node)).collect::<Result<Vec<_>, _>>()?;
                truth(if name == "Fn::And" { truths.iter().all(|it| *it) } else { truths.contains(&true) })
            }
            "Fn::Base64" => {
                let Text { text: whole, unknown } = self.part(argument)?;
                Ok(Text { text: STANDARD.encode(whole), unknown }.into_node(node.line))
            }
            "Fn::ToJsonString" => {
                self.needs_language_extensions(node, name)?;
                let value = self.required(argument)?;
                let unknown = value.first_unknown().map(ToOwned::to_owned);
                Ok(Text { text: value.to_json().to_string(), unknown }.into_node(node.line))
            }
            "Fn::GetAZs" => {
                let region = self.text(argument)?;
                let region = if region.is_empty() { &self.options.region } else { &region };
                let zones = ["a", "b", "c"].map(|zone| text(format!("{region}{zone}")));
                Ok(Yaml { line: node.line, data: YamlData::List(zones.into()) })
            }
            "Fn::ImportValue" => {
                let export = self.text(argument)?;
                let unknown = || {
                    let hint = format!(" (give it with --import {export}=VALUE)");
                    Yaml::unknown(node.line, &format!("Fn::ImportValue {export}"), &hint)
                };
                Ok(self.options.imports.get(&export).map_or_else(unknown, |value| text(value.clone())))
            }
            "Fn::Join" | "Fn::Split" | "Fn::Select" | "Fn::Length" => self.list_function(node, name, argument),
            "Fn::FindInMap" => self.find_in_map(node, argument),
            other if UNKNOWN.contains(&other) => Ok(Yaml::unknown(node.line, other, "")),
            other => Err(refused(node, format!("{other} is not supported; supported are {SUPPORTED}"))),
        };
        found.map(Some)
    }

    fn list_function(&self, node: &Yaml, name: &str, argument: &Yaml) -> Result<Yaml, Diagnostic> {
        if name == "Fn::Length" {
            self.needs_language_extensions(node, name)?;
        }
        if name == "Fn::Split" {
            let [separator, whole] = arguments(node, name, argument)?;
            let (separator, whole) = (self.text(separator)?, self.required(whole)?);
            if let YamlData::Unknown { .. } = whole.data {
                return Ok(whole);
            }
            let parts = self.text(&whole)?;
            let parts = parts.split(separator.as_str()).map(|part| Yaml::text(node.line, part));
            return Ok(Yaml { line: node.line, data: YamlData::List(parts.collect()) });
        }
        let (first, list) = if name == "Fn::Length" {
            (String::new(), argument)
        } else {
            let [first, list] = arguments(node, name, argument)?;
            (self.text(first)?, list)
        };
        let whole = self.required(list)?;
        if let YamlData::Unknown { .. } = whole.data {
            return Ok(whole);
        }
        let list =
            whole.as_list().ok_or_else(|| refused(node, format!("{name} expects a list, not {}", whole.kind())))?;
        match name {
            "Fn::Length" => Ok(Yaml::text(node.line, list.len().to_string())),
            "Fn::Join" => {
                let parts = list.iter().map(|node| self.part(node)).collect::<Result<Vec<_>, _>>()?;
                Ok(Text::join(parts.into_iter(), &first).into_node(node.line))
            }
            _ => {
                let picked = first.parse::<usize>().ok().and_then(|index| list.get(index));
                picked.cloned().ok_or_else(|| refused(node, format!("Fn::Select finds nothing at {first}")))
            }
        }
    }

    /// A value of a map; a fourth argument may have a default.
    fn find_in_map(&self, node: &Yaml, argument: &Yaml) -> Result<Yaml, Diagnostic> {
        let takes = || refused(node, "Fn::FindInMap expects a list of 3, and a mapping with DefaultValue".to_owned());
        let (keys, default) = match argument.as_list() {
            Some([map, first, second]) => ([map, first, second], None),
            Some([map, first, second, more]) => {
                self.needs_language_extensions(node, "DefaultValue of Fn::FindInMap")?;
                ([map, first, second], Some(more.get("DefaultValue").ok_or_else(takes)?))
            }
            _ => return Err(takes()),
        };
        let keys = keys.map(|key| self.text(key));
        let [map, first, second] = keys;
        let (map, first, second) = (map?, first?, second?);
        let found = self.root.get("Mappings").and_then(|all| all.get(&map)?.get(&first)?.get(&second));
        let missing = || refused(node, format!("Mappings has no {map}.{first}.{second}"));
        self.required(found.or(default).ok_or_else(missing)?)
    }

    /// The name of a condition, or a condition itself.
    pub(super) fn condition(&self, node: &Yaml) -> Result<bool, Diagnostic> {
        let Some(name) = node.as_text() else { return self.truth(node) };
        let declared = self.root.get("Conditions").and_then(|conditions| conditions.get(name));
        self.truth(declared.ok_or_else(|| refused(node, format!("there is no condition {name}")))?)
    }

    pub(super) fn truth(&self, node: &Yaml) -> Result<bool, Diagnostic> {
        let text = self.text(node)?;
        parse_flag(&text).ok_or_else(|| refused(node, format!("expected true or false, found {text:?}")))
    }

    fn required(&self, node: &Yaml) -> Result<Yaml, Diagnostic> {
        let value = self.evaluate_functions(node)?;
        value.ok_or_else(|| refused(node, "AWS::NoValue stands where a value is needed".to_owned()))
    }

    /// The text of a node that must be one value, known or not.
    pub(super) fn part(&self, node: &Yaml) -> Result<Text, Diagnostic> {
        let evaluated = self.required(node)?;
        Text::of(&evaluated).ok_or_else(|| refused(node, format!("expected one value, found {}", evaluated.kind())))
    }

    /// The text of a node that must be one known value.
    pub(super) fn text(&self, node: &Yaml) -> Result<String, Diagnostic> {
        match self.part(node)? {
            Text { text, unknown: None } => Ok(text),
            Text { unknown: Some(what), .. } => Err(refused(node, format!("expected one value, found {what}"))),
        }
    }

    fn substitute(&self, node: &Yaml, argument: &Yaml) -> Result<Text, Diagnostic> {
        let (pattern, own) = match argument.as_list() {
            Some([pattern, own]) => (pattern, own.entries()),
            _ => (argument, &[][..]),
        };
        let takes = || refused(node, "Fn::Sub expects a string, or a list of a string and a mapping".to_owned());
        let mut rest = pattern.as_text().ok_or_else(takes)?;
        let mut whole = Text::default();
        while let Some((before, after)) = rest.split_once("${") {
            let unclosed = || refused(node, "Fn::Sub has a ${ without }".to_owned());
            let (name, after) = after.split_once('}').ok_or_else(unclosed)?;
            whole.text.push_str(before);
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                whole.text.extend(["${", literal, "}"]);
                continue;
            }
            let name = name.trim();
            let value = match (own.iter().find(|(own, _)| own == name), name.split_once('.')) {
                (Some((_, value)), _) => self.part(value)?,
                (None, attribute) => {
                    let value = match attribute {
                        Some((id, attribute)) => self.attribute(node, id, attribute)?,
                        None => self.reference(node, name)?,
                    };
                    let one = || refused(node, format!("Fn::Sub takes one value for {name}, not {}", value.kind()));
                    Text::of(&value).ok_or_else(one)?
                }
            };
            whole.push(value);
        }
        whole.text.push_str(rest);
        Ok(whole)
    }
}

fn arguments<'n, const N: usize>(node: &Yaml, name: &str, argument: &'n Yaml) -> Result<&'n [Yaml; N], Diagnostic> {
    let list = argument.as_list().and_then(|list| list.try_into().ok());
    list.ok_or_else(|| refused(node, format!("{name} expects a list of {N}")))
}
