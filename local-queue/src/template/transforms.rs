//! The macros that a template names in `Transform`.

use super::document::Yaml;

pub(super) const INCLUDE: &str = "AWS::Include";
pub(super) const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";
pub(super) const SERVERLESS: &str = "AWS::Serverless-2016-10-31";
/// Macros of AWS that change nothing of queues and functions, or that are done here.
pub(super) const KNOWN: [&str; 7] = [
    INCLUDE,
    LANGUAGE_EXTENSIONS,
    SERVERLESS,
    "AWS::CodeDeployBlueGreen",
    "AWS::SecretsManager-2020-07-23",
    "AWS::SecretsManager-2024-09-16",
    "AWS::ServiceCatalog",
];

/// The names of a template's macros, in their order.
pub(super) fn macros(root: &Yaml) -> Vec<&str> {
    let Some(transform) = root.get("Transform") else { return Vec::new() };
    let all = transform.as_list().unwrap_or(std::slice::from_ref(transform));
    all.iter().filter_map(|one| one.as_text().or_else(|| one.get("Name")?.as_text())).collect()
}

/// Whether a template has macros of which nothing is known here, so that anything may be in it after them.
pub(super) fn has_unknown_macro(root: &Yaml) -> bool {
    macros(root).iter().any(|name| !KNOWN.contains(name))
}
