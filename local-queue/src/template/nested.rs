//! Nested stacks: templates of their own, in files, that get parameters and give outputs.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    Diagnostic, Options,
    document::{Yaml, kind, refused},
    evaluate::TemplateContext,
    input::Input,
    parts::Nested,
    sources::is_local,
};

/// Stacks within stacks: more is a mistake.
const DEPTH_MAX: usize = 10;

pub(super) fn is_nested(resource: &Yaml) -> bool {
    matches!(kind(resource), "AWS::Serverless::Application" | "AWS::CloudFormation::Stack")
}

impl TemplateContext<'_> {
    /// The nested stack with a logical id, read once.
    pub(super) fn nested(&self, id: &str, resource: &Yaml) -> Result<Rc<Nested>, Diagnostic> {
        if let Some(known) = self.nested.borrow().get(id) {
            return known.clone().ok_or_else(|| refused(resource, "its parameters need its own outputs".to_owned()));
        }
        self.nested.borrow_mut().insert(id.to_owned(), None);
        let of_stack = |diagnostic: Diagnostic| Diagnostic {
            logical_id: diagnostic.logical_id.or_else(|| Some(id.to_owned())),
            ..diagnostic
        };
        let found = self.read_nested(id, resource).map_err(of_stack);
        match &found {
            Ok(nested) => self.nested.borrow_mut().insert(id.to_owned(), Some(Rc::clone(nested))),
            Err(_) => self.nested.borrow_mut().remove(id),
        };
        found
    }

    fn read_nested(&self, id: &str, resource: &Yaml) -> Result<Rc<Nested>, Diagnostic> {
        let passed_over = |why: String| Ok(Rc::new(Nested::PassedOver(why)));
        let own = |name: &str| resource.get("Properties").and_then(|properties| properties.get(name));
        let property = if kind(resource) == "AWS::Serverless::Application" { "Location" } else { "TemplateURL" };
        let location = own(property).ok_or_else(|| refused(resource, format!("it has no {property}")))?;
        let evaluated = self.evaluate(location)?.unwrap_or_else(|| location.clone());
        if let Some(what) = evaluated.first_unknown() {
            return passed_over(format!("its {property} is {what}"));
        }
        let Some(text) = evaluated.as_text() else {
            let application = evaluated.get("ApplicationId").and_then(Yaml::as_text).unwrap_or("a mapping");
            return passed_over(format!("its {property} is {application}, not a file"));
        };
        if !is_local(text) {
            return passed_over(format!("its {property} is {text}, not a file"));
        }
        let Some(folder) = &self.input.options.folder else {
            return passed_over(format!("its {property} is a file, {text}, and files are not read here"));
        };
        let path = self.input.path_of(text.strip_prefix("./").unwrap_or(text));
        let file = canonical(folder, &path);
        if self.input.within.contains(&file) || self.input.sources.is_template(&file) {
            return Err(refused(location, format!("{path} is a stack within itself")));
        }
        if self.input.within.len() >= DEPTH_MAX {
            return Err(refused(location, format!("{path} is nested more than {DEPTH_MAX} deep")));
        }
        let text = self.input.sources.read(folder, &path).map_err(|text| refused(location, text))?;
        let parameters = self.nested_parameters(own("Parameters"))?;
        let notification_arns = own("NotificationARNs").map(|arns| self.evaluate(arns)).transpose()?.flatten();
        let notification_arns = notification_arns.as_ref().and_then(Yaml::as_list).unwrap_or_default();
        let options = Options {
            stack_name: format!("{}-{id}", self.input.options.stack_name),
            parameters: BTreeMap::new(),
            default_parameters: BTreeMap::new(),
            notification_arns: notification_arns
                .iter()
                .filter_map(|arn| arn.as_text().map(ToOwned::to_owned))
                .collect(),
            ..self.input.options.clone()
        };
        let mut within = self.input.within.clone();
        within.push(file);
        let input = Input {
            options: &options,
            limits: self.input.limits,
            sources: self.input.sources,
            parameters,
            path: Some(path),
            prefix: format!("{}{id}/", self.input.prefix),
            within,
            read: self.input.read,
        };
        let mut parts = (input.read)(&input, &text);
        let outputs = std::mem::take(&mut parts.outputs);
        Ok(Rc::new(Nested::Read { outputs, parts: RefCell::new(Some(Box::new(parts))) }))
    }

    fn nested_parameters(&self, node: Option<&Yaml>) -> Result<BTreeMap<String, Yaml>, Diagnostic> {
        let mut parameters = BTreeMap::new();
        for (name, node) in node.map_or(&[][..], Yaml::entries) {
            let Some(value) = self.evaluate(node)? else { continue };
            if value.as_text().is_none() && value.first_unknown().is_none() {
                let text =
                    format!("parameter {name} expects a string, not {}; Fn::Join makes one of a list", value.kind());
                return Err(refused(node, text));
            }
            parameters.insert(name.clone(), value);
        }
        Ok(parameters)
    }

    /// What `Fn::GetAtt` gives of a nested stack's output.
    pub(super) fn output(&self, node: &Yaml, id: &str, resource: &Yaml, name: &str) -> Result<Yaml, Diagnostic> {
        match &*self.nested(id, resource)? {
            Nested::PassedOver(_) => {
                let hint = format!(" ({id} is a stack that is not read)");
                Ok(Yaml::unknown(node.line, &format!("{id}.Outputs.{name}"), &hint))
            }
            Nested::Read { outputs, .. } => {
                let there_are = || outputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let missing = || refused(node, format!("{id} has no output {name}; it has {}", there_are()));
                outputs.get(name).map(|output| Yaml { line: node.line, ..output.clone() }).ok_or_else(missing)
            }
        }
    }
}

fn canonical(folder: &Path, path: &str) -> PathBuf {
    let path = folder.join(path);
    path.canonicalize().unwrap_or(path)
}
