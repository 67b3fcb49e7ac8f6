//! APIs: their resources, those that SAM makes of events, and what integrations say, brought together.

mod cors;
mod integration;
mod mapped;
mod openapi;
mod rest;
mod sam;
mod v2;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Diagnostic, Options, StackApi, StackOutput,
    api_parts::Found,
    document::{Yaml, YamlData, kind, refused},
    evaluate::{TemplateContext, Text},
    mapping::{evaluated, keep},
    stack::Reader,
};
use crate::apis::{Api, ApiKind, Apis, Route, Stage};

/// The APIs that SAM makes where no event names one, with their stages.
const IMPLICIT: [(&str, ApiKind, &str); 2] =
    [("ServerlessRestApi", ApiKind::Rest, "Prod"), ("ServerlessHttpApi", ApiKind::Http, "$default")];

/// An API that is being put together.
struct Draft {
    stack_api: StackApi,
    unenforced: BTreeSet<&'static str>,
    /// Of SAM: what it adds to every path that lets pages ask.
    preflight: Option<crate::apis::Integration>,
}

impl Draft {
    fn new(scope: &TemplateContext<'_>, logical_id: &str, line: usize, kind: ApiKind) -> Self {
        let api = Api::new(scope.api_id(logical_id), kind);
        let stack_api = StackApi { logical_id: logical_id.to_owned(), file: None, line, api, unenforced: Vec::new() };
        Self { stack_api, unenforced: BTreeSet::new(), preflight: None }
    }

    const fn api(&mut self) -> &mut Api {
        &mut self.stack_api.api
    }

    fn add_stage(&mut self, name: &str, variables: BTreeMap<String, String>) {
        if !self.api().stages.iter().any(|stage| stage.name == name) {
            self.api().stages.push(Stage { name: name.to_owned(), variables });
        }
    }

    /// Adds a route; a second one of the same method and path, where a template has it, is the first one's.
    fn add_route(&mut self, route: Route) {
        let is_same = |known: &Route| known.method == route.method && known.path == route.path;
        if !self.api().routes.iter().any(is_same) {
            self.api().routes.push(route);
        }
    }

    fn finish(mut self) -> StackApi {
        if let Some(preflight) = self.preflight.take() {
            let paths = self.api().routes.iter().map(|route| route.path.clone()).collect::<BTreeSet<_>>();
            for path in paths {
                let method = Some(http::Method::OPTIONS);
                self.add_route(Route { method, path, integration: preflight.clone(), timeout: None });
            }
        }
        if self.api().kind == ApiKind::Rest {
            let origins = rest::origins(&self.api().routes);
            self.api().origins = origins;
        }
        self.stack_api.unenforced = self.unenforced.into_iter().map(ToOwned::to_owned).collect();
        self.stack_api
    }
}

impl TemplateContext<'_> {
    /// The id of an API: its logical id, because AWS makes up ids of its own.
    pub(super) fn api_id(&self, logical_id: &str) -> String {
        format!("{}{logical_id}", self.input.prefix).replace('/', "-")
    }

    /// Where an API is reached here.
    pub(super) fn api_url(&self, logical_id: &str) -> String {
        let id = self.api_id(logical_id);
        let Options { api_urls, api_url_base, .. } = self.options;
        let beside = || format!("{}{}", api_url_base.trim_end_matches('/'), Apis::path(&id));
        api_urls.get(&id).cloned().unwrap_or_else(beside)
    }

    /// What `Ref` gives of a part of an API, of which AWS has ids of its own making.
    pub(super) fn api_reference(&self, node: &Yaml, id: &str, resource: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        let property = |name: &str| resource.get("Properties").and_then(|properties| properties.get(name));
        Ok(Some(match kind(resource) {
            "AWS::ApiGatewayV2::Api"
            | "AWS::Serverless::HttpApi"
            | "AWS::Serverless::Api"
            | "AWS::ApiGateway::RestApi" => Yaml::text(node.line, self.api_id(id)),
            "AWS::ApiGatewayV2::Integration"
            | "AWS::ApiGatewayV2::Route"
            | "AWS::ApiGatewayV2::Deployment"
            | "AWS::ApiGatewayV2::Authorizer"
            | "AWS::ApiGateway::Resource"
            | "AWS::ApiGateway::Authorizer"
            | "AWS::ApiGateway::Deployment" => Yaml::text(node.line, id),
            "AWS::ApiGatewayV2::Stage" | "AWS::ApiGateway::Stage" => match property("StageName") {
                Some(name) => self.part(name)?.into_node(node.line),
                None => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    /// What `Fn::GetAtt` gives of a part of an API.
    pub(super) fn api_attribute(&self, node: &Yaml, id: &str, kind: &str, attribute: &str) -> Option<Yaml> {
        let text = match (kind, attribute) {
            ("AWS::ApiGatewayV2::Api" | "AWS::Serverless::HttpApi", "ApiEndpoint") => self.api_url(id),
            ("AWS::ApiGatewayV2::Api", "ApiId") | ("AWS::ApiGateway::RestApi", "RestApiId") => self.api_id(id),
            ("AWS::ApiGateway::RestApi" | "AWS::Serverless::Api", "RootResourceId") => root_of(&self.api_id(id)),
            ("AWS::ApiGateway::Resource", "ResourceId") => id.to_owned(),
            _ => return None,
        };
        Some(Yaml::text(node.line, text))
    }

    /// What a name refers to that SAM makes for APIs.
    pub(super) fn made_of_api(&self, node: &Yaml, target: &str) -> Result<Option<Yaml>, Diagnostic> {
        if IMPLICIT.iter().any(|(id, ..)| *id == target) {
            return Ok(Some(Yaml::text(node.line, self.api_id(target))));
        }
        match target {
            "ServerlessRestApi.RootResourceId" => {
                return Ok(Some(Yaml::text(node.line, root_of(&self.api_id("ServerlessRestApi")))));
            }
            "ServerlessHttpApi.ApiEndpoint" => {
                return Ok(Some(Yaml::text(node.line, self.api_url("ServerlessHttpApi"))));
            }
            "ServerlessRestApi.Stage" | "ServerlessRestApiProdStage" => return Ok(Some(Yaml::text(node.line, "Prod"))),
            "ServerlessHttpApi.Stage" | "ServerlessHttpApiApiGatewayDefaultStage" => {
                return Ok(Some(Yaml::text(node.line, "$default")));
            }
            _ => {}
        }
        let all = self.root.get("Resources").map_or(&[][..], Yaml::entries);
        for (id, resource) in all {
            let default = match kind(resource) {
                "AWS::Serverless::Api" => None,
                "AWS::Serverless::HttpApi" => Some("$default"),
                _ => continue,
            };
            let Some(rest) = target.strip_prefix(id.as_str()) else { continue };
            let own = resource.get("Properties").and_then(|properties| properties.get("StageName"));
            let stage = match (own, default) {
                (Some(own), _) => self.part(own)?,
                (None, Some(default)) => Text { text: default.to_owned(), unknown: None },
                (None, None) => continue,
            };
            let is_default = rest == "ApiGatewayDefaultStage" && stage.text == "$default";
            if rest == ".Stage" || is_default || rest.strip_suffix("Stage") == Some(&stage.text) {
                return Ok(Some(stage.into_node(node.line)));
            }
        }
        Ok(None)
    }
}

/// The id of the resource at the root of a REST API.
fn root_of(api_id: &str) -> String {
    format!("{api_id}-root")
}

impl<'a> Reader<'a> {
    /// The outputs that are URLs of APIs. What else there is wrong with outputs is not looked at here.
    pub(super) fn api_outputs(&mut self) {
        let urls = self.parts.stack.apis.iter().map(|it| (it.api.id.clone(), self.scope.api_url(&it.logical_id)));
        let urls = urls.collect::<Vec<_>>();
        for (name, output) in self.scope.root.get("Outputs").map_or(&[][..], Yaml::entries) {
            let value = output.get("Value").filter(|_| self.scope.exists(output).unwrap_or_default());
            let Some(Ok(Some(value))) = value.map(|value| self.scope.evaluate(value)) else { continue };
            let Some(value) = value.as_text() else { continue };
            let found = urls.iter().find_map(|(id, url)| here(value, id, url));
            if let Some(here) = found {
                let here = Some(here).filter(|here| here != value);
                let (name, value) = (name.clone(), value.to_owned());
                self.parts.stack.api_outputs.push(StackOutput { name, value, here });
            }
        }
    }

    /// Brings the parts of APIs together, now that all are there.
    pub(super) fn apis(&mut self) {
        let Found { resources, events } = std::mem::take(&mut self.found);
        let mut drafts = Vec::new();
        for (id, resource) in &resources {
            match self.draft(id, resource) {
                Ok(draft) => drafts.extend(draft),
                Err(diagnostic) => self.refuse(id, diagnostic),
            }
        }
        self.parts_of_v2(&mut drafts, &resources);
        self.parts_of_rest(&mut drafts, &resources);
        self.api_events(&mut drafts, events);
        self.parts.stack.apis.extend(drafts.into_iter().map(Draft::finish));
    }

    /// What a resource begins, if it is an API itself.
    fn draft(&mut self, id: &str, resource: &'a Yaml) -> Result<Option<Draft>, Diagnostic> {
        match kind(resource) {
            "AWS::ApiGatewayV2::Api" => self.http_api(id, resource),
            "AWS::Serverless::HttpApi" => self.serverless_http_api(id, resource).map(Some),
            "AWS::ApiGateway::RestApi" => Ok(Some(self.rest_api(id, resource))),
            "AWS::Serverless::Api" => self.serverless_api(id, resource).map(Some),
            _ => Ok(None),
        }
    }

    /// The properties of a resource without functions; what is wrong with each is said.
    fn properties_of(&mut self, id: &str, resource: &Yaml) -> Yaml {
        let mut diagnostics = Vec::new();
        let empty = Yaml { line: resource.line, data: YamlData::Map(Vec::new()) };
        let properties = resource.get("Properties").unwrap_or(&empty);
        let properties = evaluated(&self.scope, properties, &mut diagnostics);
        for diagnostic in diagnostics {
            self.refuse(id, diagnostic);
        }
        properties
    }

    /// Does something for one of the drafts, or says that the API is none of the template's.
    fn with_draft(
        &mut self,
        drafts: &mut [Draft],
        (id, properties, name): (&str, &Yaml, &str),
        act: impl FnOnce(&mut Self, &mut Draft) -> Result<(), Diagnostic>,
    ) {
        let api = properties.get(name);
        let text = api.and_then(Yaml::as_text);
        if let Some(draft) = drafts.iter_mut().find(|draft| Some(draft.stack_api.api.id.as_str()) == text) {
            if let Err(diagnostic) = act(self, draft) {
                self.refuse(id, diagnostic);
            }
            return;
        }
        let what = api.map_or("nothing", |api| api.first_unknown().or(text).unwrap_or_else(|| api.kind()));
        self.warn(id, properties.line, format!("skipped: {name} is {what}, not an API of the template"));
    }
}

/// What the URL of an API is here; none if it is no URL of that API.
fn here(value: &str, id: &str, url: &str) -> Option<String> {
    if value.starts_with(url) {
        return Some(value.to_owned());
    }
    let rest = value.strip_prefix("https://")?.strip_prefix(id)?.strip_prefix(".execute-api.")?;
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    Some(format!("{url}{path}"))
}

/// A text of a mapping, if it is there and known.
fn text_of<'y>(node: &'y Yaml, name: &str) -> Result<Option<&'y str>, Diagnostic> {
    let Some(own) = node.get(name) else { return Ok(None) };
    if let Some(what) = own.first_unknown() {
        return Err(refused(own, format!("{name} needs {what}")));
    }
    own.as_text().map(Some).ok_or_else(|| refused(own, format!("{name} expects a string, not {}", own.kind())))
}

/// Texts of a mapping; those that are not known here are said by placeholders.
fn texts_of(node: Option<&Yaml>) -> BTreeMap<String, String> {
    let entries = node.map_or(&[][..], Yaml::entries).iter();
    entries.filter_map(|(name, value)| Some((name.clone(), Text::of(value)?.text))).collect()
}

/// A list of texts, or one.
fn list_of(node: Option<&Yaml>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let texts = node.as_list().unwrap_or(std::slice::from_ref(node)).iter();
    texts.filter_map(|it| it.as_text().map(ToOwned::to_owned)).collect()
}

/// The method of a route; none for `ANY`.
fn method(node: &Yaml, text: &str) -> Result<Option<http::Method>, Diagnostic> {
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "ANY" | "X-AMAZON-APIGATEWAY-ANY-METHOD" | "*") {
        return Ok(None);
    }
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].contains(&upper.as_str());
    let method = upper.parse().ok().filter(|_| known);
    method.map(Some).ok_or_else(|| {
        refused(node, format!("{text} is not a method; expected ANY, GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS"))
    })
}

/// Keeps what is read, or says what is wrong with it.
fn kept<T: Default>(reader: &mut Reader<'_>, id: &str, read: Result<T, Diagnostic>) -> T {
    let mut diagnostics = Vec::new();
    let value = keep(&mut diagnostics, read);
    for diagnostic in diagnostics {
        reader.refuse(id, diagnostic);
    }
    value
}
