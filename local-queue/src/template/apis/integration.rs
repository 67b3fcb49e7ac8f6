//! What an integration says, whichever of three ways it is written in.

use std::time::Duration;

use super::{
    super::document::{Yaml, refused},
    Diagnostic, text_of,
};
use crate::apis::{ApiKind, Integration, Mapping, Payload, QueueAction};

/// How an integration is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `AWS::ApiGatewayV2::Integration`.
    V2,
    /// `Integration` of `AWS::ApiGateway::Method`.
    Rest,
    /// `x-amazon-apigateway-integration` of `OpenAPI`.
    OpenApi,
}

/// An integration as it is written.
#[derive(Clone, Copy)]
pub(super) struct Written<'y> {
    pub(super) node: &'y Yaml,
    pub(super) form: Form,
    pub(super) kind: ApiKind,
}

impl<'y> Written<'y> {
    /// The name of a property in this form, from that in `CloudFormation`'s own.
    pub(super) fn named(&self, name: &str) -> String {
        match (self.form, name) {
            (Form::V2, "Type" | "Uri" | "Subtype") => format!("Integration{name}"),
            (Form::V2 | Form::Rest, _) => name.to_owned(),
            (Form::OpenApi, "Subtype") => "integrationSubtype".to_owned(),
            (Form::OpenApi, "IntegrationResponses") => "responses".to_owned(),
            (Form::OpenApi, _) => lower_first(name),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'y Yaml> {
        self.node.get(&self.named(name))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'y str>, Diagnostic> {
        text_of(self.node, &self.named(name))
    }

    pub(super) fn timeout(&self) -> Result<Option<Duration>, Diagnostic> {
        let Some(text) = self.text("TimeoutInMillis")? else { return Ok(None) };
        let millis = text.parse().ok().filter(|millis| (50..=30_000).contains(millis));
        let wrong = || refused(self.node, format!("TimeoutInMillis takes 50 to 30000, not {text}"));
        millis.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(wrong)
    }

    /// What it does.
    pub(super) fn read(&self) -> Result<Integration, Diagnostic> {
        let kind = self.text("Type")?.unwrap_or_default().to_ascii_uppercase();
        match (kind.as_str(), self.text("Subtype")?) {
            ("AWS_PROXY", Some(subtype)) if self.kind == ApiKind::Http => self.queue(subtype),
            ("AWS_PROXY", _) => self.function(),
            ("AWS", _) if self.kind == ApiKind::Rest => self.mapped(),
            ("MOCK", _) if self.kind == ApiKind::Rest => self.mock(),
            ("HTTP_PROXY" | "HTTP", _) => {
                let uri = self.get("Uri").and_then(|uri| uri.as_text().or_else(|| uri.first_unknown()));
                Ok(Integration::Missing(format!("requests to {}", uri.unwrap_or("somewhere"))))
            }
            ("", _) => Err(refused(self.node, format!("an integration needs {}", self.named("Type")))),
            (other, _) => Ok(Integration::Missing(format!("an integration of type {other}"))),
        }
    }

    fn queue(&self, subtype: &str) -> Result<Integration, Diagnostic> {
        let Some(action) = QueueAction::of_subtype(subtype) else {
            return Ok(Integration::Missing(format!("{subtype}, which is not of SQS")));
        };
        let written = self.get("RequestParameters");
        let (required, optional) = action.parameters();
        let mut parameters = Vec::new();
        for (name, node) in written.map_or(&[][..], Yaml::entries) {
            if !required.contains(&name.as_str()) && !optional.contains(&name.as_str()) {
                let known = [required, optional].concat().join(", ");
                return Err(refused(node, format!("{subtype} has no parameter {name}; it has {known}")));
            }
            if let Some(what) = node.first_unknown() {
                return Err(refused(node, format!("{name} needs {what}")));
            }
            // What is no text is taken for its JSON.
            let text = node.as_text().map_or_else(|| node.to_json().to_string(), ToOwned::to_owned);
            let mapping = Mapping::parse(&text).map_err(|wrong| {
                let known = "$request.body, $request.body.PATH, $request.header.NAME, $request.querystring.NAME, $request.path, \
                             $request.path.NAME, $context.NAME or $stageVariables.NAME";
                refused(node, format!("Invalid selection expression specified: {wrong}; it takes {known}"))
            })?;
            parameters.push((name.clone(), mapping));
        }
        let missing = required.iter().find(|name| !parameters.iter().any(|(known, _)| known == *name));
        if let Some(name) = missing {
            return Err(refused(written.unwrap_or(self.node), format!("{subtype} needs the parameter {name}")));
        }
        Ok(Integration::Queue { action, parameters })
    }

    fn function(&self) -> Result<Integration, Diagnostic> {
        let uri = self.get("Uri").ok_or_else(|| refused(self.node, format!("it needs {}", self.named("Uri"))))?;
        if let Some(what) = uri.first_unknown() {
            return Ok(Integration::Missing(format!("an invocation of {what}")));
        }
        let uri = uri.as_text().unwrap_or_default();
        let Some(function) = function_of(uri) else {
            return Ok(Integration::Missing(format!("a request to {uri}")));
        };
        let payload = match (self.kind, self.text("PayloadFormatVersion")?) {
            (ApiKind::Rest, _) => Payload::Rest,
            (ApiKind::Http, None | Some("1.0")) => Payload::V1,
            (ApiKind::Http, Some("2.0")) => Payload::V2,
            (ApiKind::Http, Some(other)) => {
                return Err(refused(self.node, format!("PayloadFormatVersion takes 1.0 or 2.0, not {other}")));
            }
        };
        Ok(Integration::Function { function: function.to_owned(), payload })
    }
}

/// The function that a URI names: its ARN, alone or in a path of Lambda's API.
pub(super) fn function_of(uri: &str) -> Option<&str> {
    let own = match uri.split_once("/functions/") {
        Some((_, rest)) => rest.strip_suffix("/invocations")?,
        None => uri,
    };
    (own.contains(":function:") && !own.contains("${")).then_some(own)
}

pub(super) fn lower_first(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    format!("{}{rest}", first.to_lowercase())
}
