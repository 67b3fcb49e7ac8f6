//! What web pages may do.

use super::{super::document::Yaml, list_of};
use crate::apis::Cors;

/// Reads settings for web pages, whose names are as `named` makes them of those of `CloudFormation`.
pub(super) fn cors(node: &Yaml, named: impl Fn(&str) -> String) -> Cors {
    let list = |name: &str| list_of(node.get(&named(name)));
    let get = |name: &str| node.get(&named(name)).and_then(Yaml::as_text);
    Cors {
        origins: list("AllowOrigins"),
        methods: list("AllowMethods"),
        headers: list("AllowHeaders"),
        exposed: list("ExposeHeaders"),
        credentials: get("AllowCredentials") == Some("true"),
        max_age: get("MaxAge").and_then(|text| text.parse().ok()),
    }
}
