//! HTTP APIs: `AWS::ApiGatewayV2::*`.

use std::collections::BTreeMap;

use super::{
    super::{
        document::{Yaml, kind, refused},
        stack::Reader,
    },
    Diagnostic, Draft,
    cors::cors,
    integration::{Form, Written},
    method, openapi, text_of, texts_of,
};
use crate::apis::{ApiKind, Integration, Payload, Route};

impl<'a> Reader<'a> {
    pub(super) fn http_api(&mut self, id: &str, resource: &'a Yaml) -> Result<Option<Draft>, Diagnostic> {
        let properties = self.properties_of(id, resource);
        if text_of(&properties, "ProtocolType")? == Some("WEBSOCKET") {
            self.warn(id, resource.line, "skipped: WebSocket APIs are not emulated".to_owned());
            return Ok(None);
        }
        let mut draft = Draft::new(&self.scope, id, resource.line, ApiKind::Http);
        draft.api().cors = properties.get("CorsConfiguration").map(|node| cors(node, ToOwned::to_owned));
        if let Some(body) = properties.get("Body") {
            for diagnostic in openapi::read(&mut draft, body) {
                self.refuse(id, diagnostic);
            }
        } else if properties.get("BodyS3Location").is_some() {
            self.warn(id, resource.line, "its routes are not known here: its Body is in S3".to_owned());
        }
        // "Quick create": one route, and the stage $default.
        if let Some(target) = properties.get("Target") {
            let text = target.as_text().or_else(|| target.first_unknown()).unwrap_or_default();
            let integration = match super::integration::function_of(text) {
                Some(function) => Integration::Function { function: function.to_owned(), payload: Payload::V2 },
                None => Integration::Missing(format!("requests to {text}")),
            };
            let key = text_of(&properties, "RouteKey")?.unwrap_or("$default");
            let (method, path) = route_key(target, key)?;
            draft.add_route(Route { method, path, integration, timeout: None });
            draft.add_stage("$default", BTreeMap::new());
        }
        Ok(Some(draft))
    }

    /// Adds integrations, routes and stages to the APIs that they are of.
    pub(super) fn parts_of_v2(&mut self, drafts: &mut [Draft], resources: &[(&'a str, &'a Yaml)]) {
        let mut integrations = BTreeMap::new();
        for (id, resource) in resources.iter().filter(|(_, it)| kind(it) == "AWS::ApiGatewayV2::Integration") {
            integrations.insert(*id, (self.properties_of(id, resource), resource.line));
        }
        for (id, resource) in resources {
            match kind(resource) {
                "AWS::ApiGatewayV2::Route" => {
                    let properties = self.properties_of(id, resource);
                    self.with_draft(drafts, (id, &properties, "ApiId"), |_, draft| {
                        let route = route(&properties, &integrations)?;
                        let enforced = text_of(&properties, "AuthorizationType")?.unwrap_or("NONE");
                        draft.unenforced.extend(unenforced(enforced));
                        draft.add_route(route);
                        Ok(())
                    });
                }
                "AWS::ApiGatewayV2::Stage" => {
                    let properties = self.properties_of(id, resource);
                    self.with_draft(drafts, (id, &properties, "ApiId"), |_, draft| {
                        let name = text_of(&properties, "StageName")?;
                        let name = name.ok_or_else(|| refused(resource, "a stage needs StageName".to_owned()))?;
                        draft.add_stage(name, texts_of(properties.get("StageVariables")));
                        let settings = properties.get("DefaultRouteSettings");
                        let is_throttled = settings.is_some_and(|it| {
                            it.get("ThrottlingRateLimit").or_else(|| it.get("ThrottlingBurstLimit")).is_some()
                        });
                        draft.unenforced.extend(is_throttled.then_some("throttling"));
                        Ok(())
                    });
                }
                _ => {}
            }
        }
    }
}

fn route(properties: &Yaml, integrations: &BTreeMap<&str, (Yaml, usize)>) -> Result<Route, Diagnostic> {
    let key = text_of(properties, "RouteKey")?;
    let key = key.ok_or_else(|| refused(properties, "a route needs RouteKey".to_owned()))?;
    let (method, path) = route_key(properties, key)?;
    let target = text_of(properties, "Target")?;
    let Some(target) = target else {
        let integration = Integration::Missing("nothing, because it has no Target".to_owned());
        return Ok(Route { method, path, integration, timeout: None });
    };
    let named = target.strip_prefix("integrations/").and_then(|id| integrations.get(id));
    let (node, _) = named.ok_or_else(|| {
        refused(properties, format!("Target takes integrations/ and an integration of the template, not {target}"))
    })?;
    let written = Written { node, form: Form::V2, kind: ApiKind::Http };
    Ok(Route { method, path, integration: written.read()?, timeout: written.timeout()? })
}

/// The method and the path of a key such as `POST /jobs`.
pub(super) fn route_key(node: &Yaml, key: &str) -> Result<(Option<http::Method>, String), Diagnostic> {
    if key == "$default" {
        return Ok((None, key.to_owned()));
    }
    let parts = key.split_once(' ').filter(|(_, path)| path.starts_with('/'));
    let wrong = || refused(node, format!("The provided route key is not formatted properly for HTTP protocol: {key}"));
    let (name, path) = parts.ok_or_else(wrong)?;
    Ok((method(node, name)?, path.to_owned()))
}

/// What is not enforced of a type of authorisation.
pub(super) fn unenforced(authorization: &str) -> Option<&'static str> {
    match authorization {
        "NONE" => None,
        "AWS_IAM" => Some("IAM authorisation"),
        "JWT" => Some("JWT authorisers"),
        _ => Some("authorisers"),
    }
}
