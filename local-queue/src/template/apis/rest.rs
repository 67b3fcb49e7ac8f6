//! REST APIs: `AWS::ApiGateway::*` and `AWS::Serverless::Api`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        document::{Yaml, kind, refused},
        stack::Reader,
    },
    Diagnostic, Draft,
    integration::{Form, Written},
    list_of, method, openapi, root_of, text_of, texts_of,
    v2::unenforced,
};
use crate::apis::{
    ApiKind, Integration, Mapped, MappedResponse, MappedTarget, MappingTemplate, Passthrough, ResponseParameter, Route,
};

/// Resources within resources: more is a circle.
const DEPTH_MAX: usize = 50;

impl<'a> Reader<'a> {
    pub(super) fn rest_api(&mut self, id: &str, resource: &'a Yaml) -> Draft {
        let properties = self.properties_of(id, resource);
        let mut draft = Draft::new(&self.scope, id, resource.line, ApiKind::Rest);
        draft.api().binary_media_types = media_types(properties.get("BinaryMediaTypes"));
        if let Some(body) = properties.get("Body") {
            for diagnostic in openapi::read(&mut draft, body) {
                self.refuse(id, diagnostic);
            }
        } else if properties.get("BodyS3Location").is_some() {
            self.warn(id, resource.line, "its routes are not known here: its Body is in S3".to_owned());
        }
        draft
    }

    pub(super) fn serverless_api(&mut self, id: &str, resource: &'a Yaml) -> Result<Draft, Diagnostic> {
        let own = self.properties_of(id, resource);
        let properties = self.with_globals(id, &own, "Api");
        let mut draft = Draft::new(&self.scope, id, resource.line, ApiKind::Rest);
        self.definition(id, &mut draft, &properties);
        let stage = text_of(&properties, "StageName")?;
        let stage = stage.ok_or_else(|| refused(resource, "an AWS::Serverless::Api needs StageName".to_owned()))?;
        draft.add_stage(stage, texts_of(properties.get("Variables")));
        rest_settings(&mut draft, &properties)?;
        Ok(draft)
    }

    /// Adds methods, deployments and stages to the APIs that they are of.
    pub(super) fn parts_of_rest(&mut self, drafts: &mut [Draft], resources: &[(&'a str, &'a Yaml)]) {
        let mut paths = BTreeMap::new();
        for (id, resource) in resources.iter().filter(|(_, it)| kind(it) == "AWS::ApiGateway::Resource") {
            let properties = self.properties_of(id, resource);
            let text = |name: &str| properties.get(name).and_then(Yaml::as_text).unwrap_or_default().to_owned();
            paths.insert((*id).to_owned(), (text("ParentId"), text("PathPart")));
        }
        for (id, resource) in resources {
            let properties = match kind(resource) {
                "AWS::ApiGateway::Method" | "AWS::ApiGateway::Stage" | "AWS::ApiGateway::Deployment" => {
                    self.properties_of(id, resource)
                }
                _ => continue,
            };
            self.with_draft(drafts, (id, &properties, "RestApiId"), |_, draft| match kind(resource) {
                "AWS::ApiGateway::Method" => add_method(draft, &properties, &paths),
                "AWS::ApiGateway::Stage" => {
                    let name = text_of(&properties, "StageName")?;
                    let name = name.ok_or_else(|| refused(resource, "a stage needs StageName".to_owned()))?;
                    draft.add_stage(name, texts_of(properties.get("Variables")));
                    let is_throttled = |it: &Yaml| it.get("ThrottlingRateLimit").is_some();
                    let settings = properties.get("MethodSettings").and_then(Yaml::as_list).unwrap_or_default();
                    draft.unenforced.extend(settings.iter().any(is_throttled).then_some("throttling"));
                    Ok(())
                }
                _ => {
                    if let Some(name) = text_of(&properties, "StageName")? {
                        let variables = properties.get("StageDescription").and_then(|it| it.get("Variables"));
                        draft.add_stage(name, texts_of(variables));
                    }
                    Ok(())
                }
            });
        }
    }
}

fn add_method(
    draft: &mut Draft,
    properties: &Yaml,
    paths: &BTreeMap<String, (String, String)>,
) -> Result<(), Diagnostic> {
    let name = text_of(properties, "HttpMethod")?;
    let name = name.ok_or_else(|| refused(properties, "a method needs HttpMethod".to_owned()))?;
    let resource = text_of(properties, "ResourceId")?.unwrap_or_default();
    let root = root_of(&draft.api().id);
    let path = path_of(resource, &root, paths)
        .ok_or_else(|| refused(properties, format!("ResourceId {resource} is not a resource of this API")))?;
    draft.unenforced.extend(unenforced(text_of(properties, "AuthorizationType")?.unwrap_or("NONE")));
    draft
        .unenforced
        .extend(properties.get("ApiKeyRequired").filter(|it| it.as_flag() == Some(true)).map(|_| "API keys"));
    let Some(node) = properties.get("Integration") else {
        return Err(refused(properties, "No integration defined for method".to_owned()));
    };
    let written = Written { node, form: Form::Rest, kind: ApiKind::Rest };
    let (integration, timeout) = (written.read()?, written.timeout()?);
    draft.add_route(Route { method: method(properties, name)?, path, integration, timeout });
    Ok(())
}

/// The path of a resource, from the root on.
fn path_of(resource: &str, root: &str, paths: &BTreeMap<String, (String, String)>) -> Option<String> {
    let (mut parts, mut at) = (Vec::new(), resource);
    while at != root {
        let (parent, part) = paths.get(at)?;
        parts.push(part.as_str());
        if parts.len() > DEPTH_MAX {
            return None;
        }
        at = parent;
    }
    parts.reverse();
    Some(format!("/{}", parts.join("/")))
}

/// What SAM lets an API have: types, what pages may do, and what is not enforced.
pub(super) fn rest_settings(draft: &mut Draft, properties: &Yaml) -> Result<(), Diagnostic> {
    draft.api().binary_media_types.extend(media_types(properties.get("BinaryMediaTypes")));
    draft.unenforced.extend(properties.get("Auth").map(|_| "authorisers"));
    let throttles = properties.get("MethodSettings").and_then(Yaml::as_list).unwrap_or_default();
    let is_throttled = throttles.iter().any(|it| it.get("ThrottlingRateLimit").is_some());
    draft.unenforced.extend(is_throttled.then_some("throttling"));
    if let Some(node) = properties.get("Cors") {
        draft.preflight = Some(preflight(node)?);
    }
    Ok(())
}

/// SAM writes the type `image/png` as `image~1png`.
fn media_types(node: Option<&Yaml>) -> Vec<String> {
    list_of(node).into_iter().map(|kind| kind.replace("~1", "/")).collect()
}

/// What SAM adds to every path for `Cors`.
fn preflight(node: &Yaml) -> Result<Integration, Diagnostic> {
    let quoted = |name: &str| node.get(name).and_then(Yaml::as_text);
    // One value stands for the origin.
    let origin = node.as_text().or_else(|| quoted("AllowOrigin"));
    let values = [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", quoted("AllowMethods").or(Some("'DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT'"))),
        ("Access-Control-Allow-Headers", quoted("AllowHeaders")),
        ("Access-Control-Max-Age", quoted("MaxAge")),
        ("Access-Control-Allow-Credentials", quoted("AllowCredentials").filter(|it| *it == "true").map(|_| "'true'")),
    ];
    let mut headers = Vec::new();
    for (name, value) in values {
        let Some(value) = value else { continue };
        let parameter = ResponseParameter::parse(&format!("method.response.header.{name}"), value);
        let wrong = || refused(node, format!("{name} needs single quotes within the text, as in \"'*'\", not {value}"));
        headers.push(parameter.ok_or_else(wrong)?);
    }
    let template = |text: &str| MappingTemplate::parse(text).map_err(|error| refused(node, error.to_string()));
    Ok(Integration::Mapped(Box::new(Mapped {
        target: MappedTarget::Mock,
        parameters: Vec::new(),
        templates: vec![("application/json".to_owned(), template("{\"statusCode\": 200}")?)],
        passthrough: Passthrough::WhenNoMatch,
        responses: vec![MappedResponse {
            pattern: None,
            status: 200,
            headers,
            templates: vec![("application/json".to_owned(), template("{}\n")?)],
        }],
    })))
}

/// Origins that the API's own answers to `OPTIONS` name.
pub(super) fn origins(routes: &[Route]) -> Vec<String> {
    let asked = routes.iter().filter(|route| route.method == Some(http::Method::OPTIONS));
    let mapped = asked.filter_map(|route| match &route.integration {
        Integration::Mapped(mapped) => Some(mapped),
        _ => None,
    });
    let headers = mapped.flat_map(|mapped| mapped.responses.iter().flat_map(|response| &response.headers));
    let origins = headers.filter(|(name, _)| name.eq_ignore_ascii_case("Access-Control-Allow-Origin"));
    let origins = origins.filter_map(|(_, value)| value.literal().map(ToOwned::to_owned));
    origins.collect::<BTreeSet<_>>().into_iter().collect()
}
