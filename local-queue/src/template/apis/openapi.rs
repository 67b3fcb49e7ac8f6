//! `OpenAPI` documents, as far as they say what API Gateway does.

use super::{
    super::document::{Yaml, refused},
    Diagnostic, Draft,
    cors::cors,
    integration::{Form, Written, lower_first},
    list_of, method,
};
use crate::apis::{ApiKind, Route};

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY: &str = "x-amazon-apigateway-any-method";
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", ANY];

/// Adds what a document says to an API. What is wrong with each operation is said on its own.
pub(super) fn read(draft: &mut Draft, document: &Yaml) -> Vec<Diagnostic> {
    let kind = draft.api().kind;
    let mut wrong = Vec::new();
    if let Some(node) = document.get("x-amazon-apigateway-cors").filter(|_| kind == ApiKind::Http) {
        draft.api().cors = Some(cors(node, lower_first));
    }
    draft.api().binary_media_types.extend(list_of(document.get("x-amazon-apigateway-binary-media-types")));
    for (path, item) in document.get("paths").map_or(&[][..], Yaml::entries) {
        let shared = item.get(INTEGRATION);
        for (name, operation) in item.entries() {
            if !METHODS.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            if operation.get("security").and_then(Yaml::as_list).is_some_and(|list| !list.is_empty()) {
                draft.unenforced.insert("authorisers");
            }
            let own = operation.get(INTEGRATION).or(shared).map(|own| referred(document, own));
            let Some(own) = own else {
                // Such an operation is part of the document only.
                continue;
            };
            match route(kind, path, name, own) {
                Ok(route) => draft.add_route(route),
                Err(diagnostic) => wrong.push(diagnostic),
            }
        }
    }
    wrong
}

fn route(kind: ApiKind, path: &str, name: &str, own: &Yaml) -> Result<Route, Diagnostic> {
    let written = Written { node: own, form: Form::OpenApi, kind };
    let (integration, timeout) = (written.read()?, written.timeout()?);
    let method = method(own, name)?;
    let path = match path.strip_prefix('/') {
        Some("$default") => "$default".to_owned(),
        Some(_) => path.to_owned(),
        None => return Err(refused(own, format!("path {path} does not begin with /"))),
    };
    Ok(Route { method, path, integration, timeout })
}

/// What stands for a reference into the document itself.
fn referred<'y>(document: &'y Yaml, node: &'y Yaml) -> &'y Yaml {
    let path = node.get("$ref").and_then(Yaml::as_text).and_then(|path| path.strip_prefix("#/"));
    let found = path.and_then(|path| path.split('/').try_fold(document, |node, name| node.get(name)));
    found.unwrap_or(node)
}
