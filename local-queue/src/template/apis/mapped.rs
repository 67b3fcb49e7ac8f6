//! Mapped integrations of REST APIs: their targets, templates and responses.

use super::{
    super::document::{Yaml, YamlData, refused},
    Diagnostic,
    integration::{Form, Written, function_of, lower_first},
    text_of,
};
use crate::apis::{
    Integration, Mapped, MappedResponse, MappedTarget, MappingTemplate, Passthrough, RequestParameter,
    ResponseParameter,
};

impl Written<'_> {
    /// An integration of type `AWS`: of SQS or a function.
    pub(super) fn mapped(&self) -> Result<Integration, Diagnostic> {
        let uri = self.get("Uri").ok_or_else(|| refused(self.node, format!("it needs {}", self.named("Uri"))))?;
        if let Some(what) = uri.first_unknown() {
            return Ok(Integration::Missing(format!("a request to {what}")));
        }
        let uri = uri.as_text().unwrap_or_default();
        if let Some(function) = function_of(uri) {
            return self.with_target(MappedTarget::Function(function.to_owned()));
        }
        // arn:aws:apigateway:REGION:SERVICE:path/PATH or :action/NAME
        let mut parts = uri.splitn(6, ':').skip(4);
        let target = match (parts.next(), parts.next().and_then(|rest| rest.split_once('/'))) {
            (Some("sqs"), Some(("path", path))) => MappedTarget::Queues { path: path.to_owned(), action: None },
            (Some("sqs"), Some(("action", action))) => {
                let action = action.trim_start_matches('&').trim_start_matches("Action=").to_owned();
                MappedTarget::Queues { path: String::new(), action: Some(action) }
            }
            (Some(service), Some(_)) => return Ok(Integration::Missing(format!("a request to {service}"))),
            _ => return Err(refused(self.node, format!("{uri} is not an integration URI"))),
        };
        self.with_target(target)
    }

    pub(super) fn mock(&self) -> Result<Integration, Diagnostic> {
        self.with_target(MappedTarget::Mock)
    }

    fn with_target(&self, target: MappedTarget) -> Result<Integration, Diagnostic> {
        let mut parameters = Vec::new();
        for (name, node) in self.get("RequestParameters").map_or(&[][..], Yaml::entries) {
            let value = text_of_node(name, node)?;
            let parameter = RequestParameter::parse(name, value);
            parameters.push(parameter.ok_or_else(|| invalid(node, name, value))?);
        }
        let passthrough = match self.text("PassthroughBehavior")?.map(str::to_ascii_uppercase).as_deref() {
            None | Some("WHEN_NO_MATCH") => Passthrough::WhenNoMatch,
            Some("WHEN_NO_TEMPLATES") => Passthrough::WhenNoTemplates,
            Some("NEVER") => Passthrough::Never,
            Some(other) => {
                let known = "WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER";
                return Err(refused(self.node, format!("PassthroughBehavior takes {known}, not {other}")));
            }
        };
        let templates = templates(self.get("RequestTemplates"))?;
        Ok(Integration::Mapped(Box::new(Mapped {
            target,
            parameters,
            templates,
            passthrough,
            responses: self.responses()?,
        })))
    }

    fn responses(&self) -> Result<Vec<MappedResponse>, Diagnostic> {
        let Some(node) = self.get("IntegrationResponses") else { return Ok(Vec::new()) };
        if self.form != Form::OpenApi {
            return node.as_list().unwrap_or_default().iter().map(|node| Self::response(None, node)).collect();
        }
        // By what they are for.
        node.entries().iter().map(|(pattern, node)| Self::response(Some(pattern), node)).collect()
    }

    fn response(key: Option<&str>, node: &Yaml) -> Result<MappedResponse, Diagnostic> {
        let named = |name: &str| if key.is_some() { lower_first(name) } else { name.to_owned() };
        let pattern = match key {
            Some(key) => Some(key).filter(|key| *key != "default"),
            None => text_of(node, "SelectionPattern")?,
        };
        let pattern = pattern.filter(|pattern| !pattern.is_empty()).map(ToOwned::to_owned);
        if let Some(pattern) = &pattern
            && regex_lite::Regex::new(pattern).is_err()
        {
            return Err(refused(node, format!("pattern {pattern} is not supported")));
        }
        let status = text_of(node, &named("StatusCode"))?;
        let status = status.and_then(|text| text.parse().ok()).filter(|status| (100..=599).contains(status));
        let mut headers = Vec::new();
        for (name, own) in node.get(&named("ResponseParameters")).map_or(&[][..], Yaml::entries) {
            let value = text_of_node(name, own)?;
            headers.push(ResponseParameter::parse(name, value).ok_or_else(|| invalid(own, name, value))?);
        }
        Ok(MappedResponse {
            pattern,
            status: status.ok_or_else(|| refused(node, "an integration response needs StatusCode".to_owned()))?,
            headers,
            templates: templates(node.get(&named("ResponseTemplates")))?,
        })
    }
}

fn invalid(node: &Yaml, name: &str, value: &str) -> Diagnostic {
    refused(node, format!("Invalid mapping expression specified: {name} is {value}"))
}

fn text_of_node<'y>(name: &str, node: &'y Yaml) -> Result<&'y str, Diagnostic> {
    if let Some(what) = node.first_unknown() {
        return Err(refused(node, format!("{name} needs {what}")));
    }
    node.as_text().ok_or_else(|| refused(node, format!("{name} expects a string, not {}", node.kind())))
}

/// Templates by content type. One that is nothing is none.
fn templates(node: Option<&Yaml>) -> Result<Vec<(String, MappingTemplate)>, Diagnostic> {
    let mut templates = Vec::new();
    for (kind, node) in node.map_or(&[][..], Yaml::entries) {
        if node.data == YamlData::Null {
            continue;
        }
        let text = text_of_node(kind, node)?;
        let template = MappingTemplate::parse(text).map_err(|error| {
            // A text of one line is where its key is; of several, it begins in the line behind.
            let line = if text.contains('\n') { node.line + error.line } else { node.line };
            Diagnostic { line, text: format!("the template for {kind}: {}", error.text), ..Diagnostic::default() }
        });
        templates.push((kind.clone(), template?));
    }
    Ok(templates)
}
