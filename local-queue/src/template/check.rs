//! What `CloudFormation` refuses of a template before it looks at any resource: its form, names that are nowhere, circles.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Diagnostic,
    document::{Yaml, kind, refused},
    evaluate::TemplateContext,
    made_by_sam::{self, IMPLICIT_APIS, Made, needs_of_function},
    properties::unknown_globals,
    transforms::{SERVERLESS, has_unknown_macro, macros},
};

/// Sections of a template (user guide, "Template sections"), and that of SAM.
const SECTIONS: [&str; 12] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];
/// What a resource has beside its properties (template reference, "Resource attributes"), and those of SAM.
const ATTRIBUTES: [&str; 11] = [
    "Condition",
    "Connectors",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "IgnoreGlobals",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];
/// Things that every stack has.
const PSEUDO: &str = "AWS::";

/// What is wrong with the form of a template.
pub(super) fn structure(scope: &TemplateContext<'_>, warnings: &mut Vec<Diagnostic>) -> Vec<Diagnostic> {
    let root = scope.root;
    let mut diagnostics = Vec::new();
    for (section, node) in root.entries().iter().filter(|(section, _)| !SECTIONS.contains(&section.as_str())) {
        diagnostics.push(refused(node, format!("Invalid template property or properties [{section}]")));
    }
    let is_serverless = macros(root).contains(&SERVERLESS);
    if let Some(function) = root.get("Globals").and_then(|globals| globals.get("Function")).filter(|_| is_serverless) {
        diagnostics.extend(unknown_globals(function));
    }
    for (id, resource) in root.get("Resources").map_or(&[][..], Yaml::entries) {
        let mut refuse = |node: &Yaml, text: String| {
            diagnostics.push(Diagnostic { logical_id: Some(id.clone()), ..refused(node, text) });
        };
        if id == "Fn::Transform" {
            continue;
        }
        if !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            refuse(resource, format!("Resource name {{{id}}} is non alphanumeric."));
        }
        for (name, node) in resource.entries() {
            if ATTRIBUTES.contains(&name.as_str()) || name.starts_with("Fn::") || resource.get("Type").is_none() {
                continue;
            }
            let where_ = if resource.get("Properties").is_some_and(|own| own.get(name).is_none()) {
                "; below Properties it may be one"
            } else {
                ""
            };
            if is_serverless && kind(resource).starts_with("AWS::Serverless::") {
                // SAM (its source) makes resources anew of what it knows, and loses the rest.
                let (line, logical_id) = (node.line, Some(id.clone()));
                let text = format!("{name} beside Properties does nothing: SAM leaves it out{where_}");
                warnings.push(Diagnostic { line, logical_id, text, ..Diagnostic::default() });
            } else {
                refuse(node, format!("Invalid template resource property '{name}'{where_}"));
            }
        }
        if kind(resource).starts_with("AWS::Serverless::") && !is_serverless {
            let text = format!("Unrecognized resource types: [{}]; it needs Transform: {SERVERLESS}", kind(resource));
            refuse(resource, text);
        }
    }
    diagnostics
}

/// Names that are nowhere, and circles, among the resources that are created.
pub(super) fn references(scope: &TemplateContext<'_>) -> Vec<Diagnostic> {
    if has_unknown_macro(scope.root) {
        return Vec::new();
    }
    let mut diagnostics = conditions(scope);
    let mut graph = BTreeMap::new();
    for (id, resource) in scope.root.get("Resources").map_or(&[][..], Yaml::entries) {
        if id == "Fn::Transform" || !scope.exists(resource).unwrap_or(false) {
            continue;
        }
        let mut walk = Walk { scope, found: BTreeSet::new(), diagnostics: Vec::new() };
        for (name, node) in resource.entries() {
            match name.as_str() {
                "DependsOn" => walk.depends_on(node),
                "Properties" if kind(resource) == "AWS::Serverless::Function" => {
                    needs_of_function(scope, node).for_each(|node| walk.node(node));
                }
                "Properties" => walk.node(node),
                _ => {}
            }
        }
        let of_resource = |diagnostic: Diagnostic| Diagnostic { logical_id: Some(id.clone()), ..diagnostic };
        diagnostics.extend(walk.diagnostics.into_iter().map(of_resource));
        graph.insert(id.as_str(), (resource, walk.found));
    }
    for Made { resource, needs, node } in made_by_sam::edges(scope) {
        graph.entry(resource).or_insert_with(|| (node, BTreeSet::new())).1.insert(needs.to_owned());
    }
    for (name, output) in scope.root.get("Outputs").map_or(&[][..], Yaml::entries) {
        if !scope.exists(output).unwrap_or(false) {
            continue;
        }
        let mut walk = Walk { scope, found: BTreeSet::new(), diagnostics: Vec::new() };
        output.entries().iter().for_each(|(_, node)| walk.node(node));
        let of_output =
            |diagnostic: Diagnostic| Diagnostic { logical_id: Some(format!("Outputs.{name}")), ..diagnostic };
        diagnostics.extend(walk.diagnostics.into_iter().map(of_output));
    }
    diagnostics.extend(circles(&graph));
    diagnostics
}

/// Conditions that need a resource: they are judged before there is one.
fn conditions(scope: &TemplateContext<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (name, condition) in scope.root.get("Conditions").map_or(&[][..], Yaml::entries) {
        let mut walk = Walk { scope, found: BTreeSet::new(), diagnostics: Vec::new() };
        walk.node(condition);
        for id in walk.found {
            let text = format!(
                "condition {name}: Unresolved dependencies [{id}]. Cannot reference resources in the Conditions block of the \
                 template"
            );
            diagnostics.push(refused(condition, text));
        }
        diagnostics.extend(
            walk.diagnostics
                .into_iter()
                .map(|diagnostic| Diagnostic { text: format!("condition {name}: {}", diagnostic.text), ..diagnostic }),
        );
    }
    diagnostics
}

struct Walk<'a> {
    scope: &'a TemplateContext<'a>,
    /// Resources that are named.
    found: BTreeSet<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Yaml) {
        if let Some(list) = node.as_list() {
            return list.iter().for_each(|node| self.node(node));
        }
        let [(name, argument)] = node.entries() else {
            return node.entries().iter().for_each(|(_, node)| self.node(node));
        };
        match (name.as_str(), argument.as_text(), argument.as_list()) {
            ("Ref", Some(target), _) => self.named(node, target),
            ("Fn::GetAtt", Some(dotted), _) => self.named(node, dotted.split('.').next().unwrap_or(dotted)),
            ("Fn::GetAtt", _, Some([id, attribute])) => {
                match id.as_text() {
                    Some(id) => self.named(node, id),
                    None => self.node(id),
                }
                self.node(attribute);
            }
            ("Fn::Sub", Some(text), _) => self.within(node, text, &[]),
            ("Fn::Sub", _, Some([text, own])) => {
                self.within(node, text.as_text().unwrap_or_default(), own.entries());
                self.node(own);
            }
            // Only what is chosen: the other one may name what is not created.
            ("Fn::If", _, Some([condition, yes, no])) => {
                if let Ok(chosen) = self.scope.condition(condition) {
                    self.node(if chosen { yes } else { no });
                }
            }
            ("Fn::Transform", ..) => {}
            _ => self.node(argument),
        }
    }

    fn within(&mut self, node: &Yaml, text: &str, own: &[(String, Yaml)]) {
        let names = text.split("${").skip(1).filter_map(|part| Some(part.split_once('}')?.0.trim()));
        for name in names.filter(|name| !name.starts_with('!') && own.iter().all(|(own, _)| own != name)) {
            self.named(node, name.split('.').next().unwrap_or(name));
        }
    }

    fn named(&mut self, node: &Yaml, name: &str) {
        if name.starts_with(PSEUDO) || self.scope.parameters.contains_key(name) {
            return;
        }
        if self.scope.resource(name).is_none() && self.scope.is_made_by_sam(name) {
            // Their stages and deployments begin with the names of the APIs that they need.
            self.found.extend(IMPLICIT_APIS.iter().filter(|api| name.starts_with(**api)).map(|api| (*api).to_owned()));
            // `Function.Alias`: what SAM makes of a function needs the function.
            let (function, _) = name.split_once('.').unwrap_or((name, ""));
            self.found.extend(self.scope.resource(function).map(|_| function.to_owned()));
            return;
        }
        match self.scope.existing(node, name) {
            Ok(_) => {
                self.found.insert(name.to_owned());
            }
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }

    fn depends_on(&mut self, node: &Yaml) {
        for one in node.as_list().unwrap_or(std::slice::from_ref(node)) {
            let Some(name) = one.as_text() else { continue };
            if self.scope.resource(name).is_some() {
                self.found.insert(name.to_owned());
            } else if !self.scope.is_made_by_sam(name) {
                self.diagnostics.push(refused(one, format!("DependsOn names {name}, which does not exist")));
            }
        }
    }
}

type Graph<'a> = BTreeMap<&'a str, (&'a Yaml, BTreeSet<String>)>;

/// Resources that need each other, each circle once.
fn circles(graph: &Graph<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut done = BTreeSet::new();
    for (id, (resource, _)) in graph {
        let reached = reached(graph, id);
        if !reached.contains(*id) || done.contains(*id) {
            continue;
        }
        let circle: Vec<_> =
            reached.iter().filter(|other| self::reached(graph, other).contains(*id)).cloned().collect();
        done.extend(circle.iter().cloned());
        let text = format!("Circular dependency between resources: [{}]", circle.join(", "));
        diagnostics.push(Diagnostic { logical_id: Some((*id).to_owned()), ..refused(resource, text) });
    }
    diagnostics
}

/// All that a resource needs, by whatever way.
fn reached(graph: &Graph<'_>, id: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut left = vec![id.to_owned()];
    while let Some(id) = left.pop() {
        for next in graph.get(id.as_str()).map(|(_, names)| names).into_iter().flatten() {
            if reached.insert(next.clone()) {
                left.push(next.clone());
            }
        }
    }
    reached
}
