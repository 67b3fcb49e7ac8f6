//! What the resources that SAM makes of a function and its events need, as far as it can close a circle.

use super::{
    document::{Yaml, kind},
    evaluate::TemplateContext,
};

/// APIs that SAM makes where no event names one.
pub(super) const IMPLICIT_APIS: [&str; 3] = ["ServerlessRestApi", "ServerlessHttpApi", "ServerlessWebSocketApi"];
/// Properties of which resources beside the function are made that the function does not need: its events and URL, what
/// happens to its versions and aliases.
const NOT_NEEDED: [&str; 4] = ["DeploymentPreference", "Events", "FunctionUrlConfig", "ProvisionedConcurrencyConfig"];

/// A resource that needs another one because of an event.
pub(super) struct Made<'a> {
    pub(super) resource: &'a str,
    pub(super) needs: &'a str,
    /// Where that is said.
    pub(super) node: &'a Yaml,
}

/// The properties whose resources a function needs, its own and those of `Globals`.
pub(super) fn needs_of_function<'a>(
    scope: &TemplateContext<'a>,
    properties: &'a Yaml,
) -> impl Iterator<Item = &'a Yaml> {
    let globals = scope.root.get("Globals").and_then(|globals| globals.get("Function")).map_or(&[][..], Yaml::entries);
    // What is a text or a list replaces that of `Globals`, and what is a mapping is added to it.
    let replaces = |name: &str| properties.get(name).is_some_and(|own| own.entries().is_empty());
    let globals = globals.iter().filter(move |(name, _)| !replaces(name));
    // Policies are for the role that SAM makes if there is none.
    let has_role = properties.get("Role").is_some();
    let all = properties.entries().iter().chain(globals);
    let needed = all.filter(move |(name, _)| !NOT_NEEDED.contains(&name.as_str()) && (name != "Policies" || !has_role));
    needed.map(|(_, node)| node)
}

/// Buckets, user pools and APIs that need a function, because SAM writes it into them for an event.
pub(super) fn edges<'a>(scope: &TemplateContext<'a>) -> Vec<Made<'a>> {
    let mut made = Vec::new();
    for (id, function) in scope.root.get("Resources").map_or(&[][..], Yaml::entries) {
        if kind(function) != "AWS::Serverless::Function" || !scope.exists(function).unwrap_or(false) {
            continue;
        }
        let events = function.get("Properties").and_then(|own| own.get("Events"));
        for (_, event) in events.map_or(&[][..], Yaml::entries) {
            if let Some(resource) = resource_of(scope, event) {
                made.push(Made { resource, needs: id, node: event });
            }
        }
    }
    made
}

/// The resource into which SAM writes the function of an event.
fn resource_of<'a>(scope: &TemplateContext<'a>, event: &'a Yaml) -> Option<&'a str> {
    let properties = event.get("Properties");
    let named = |name: &str| properties.and_then(|own| own.get(name)?.get("Ref")?.as_text());
    let of_kind =
        |id: &'a str, wanted: &str| scope.resource(id).is_some_and(|resource| kind(resource) == wanted).then_some(id);
    let api = |property: &str, implicit: &'a str, wanted: &str| {
        if properties.is_none_or(|own| own.get(property).is_none()) {
            return Some(implicit);
        }
        // What has a definition of its own is left as it is.
        let id = of_kind(named(property)?, wanted)?;
        let own = scope.resource(id)?.get("Properties");
        let is_defined =
            ["DefinitionBody", "DefinitionUri"].iter().any(|name| own.is_some_and(|own| own.get(name).is_some()));
        (!is_defined).then_some(id)
    };
    match event.get("Type")?.as_text()? {
        "S3" => of_kind(named("Bucket")?, "AWS::S3::Bucket"),
        "Cognito" => of_kind(named("UserPool")?, "AWS::Cognito::UserPool"),
        "Api" => api("RestApiId", "ServerlessRestApi", "AWS::Serverless::Api"),
        "HttpApi" => api("ApiId", "ServerlessHttpApi", "AWS::Serverless::HttpApi"),
        _ => None,
    }
}
