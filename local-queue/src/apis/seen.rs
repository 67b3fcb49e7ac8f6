//! What integrations see of a request.

use serde_json::Value;

use super::json_path::JsonPath;

/// A request, as parameters and templates take parts of it.
pub(super) trait Seen: Send + Sync {
    /// The values of a header, with commas between them.
    fn header(&self, name: &str) -> Option<String>;

    fn header_names(&self) -> Vec<&str>;

    /// The values of a parameter of the query, with commas between them.
    fn query_parameter(&self, name: &str) -> Option<String>;

    /// Decoded.
    fn query(&self) -> &[(String, String)];

    fn path_parameter(&self, name: &str) -> Option<&str>;

    fn path_parameters(&self) -> &[(String, String)];

    /// Below the stage.
    fn path(&self) -> &str;

    /// The body as text, if it is one.
    fn text(&self) -> Option<&str>;

    /// What is in the body, which is looked at up to a bound: no message of a queue is longer.
    fn json(&self, path: &JsonPath, bytes_max: usize) -> Option<&Value>;

    /// A variable of the context, such as `identity.sourceIp`; none of what is not known here.
    fn context(&self, name: &str) -> Option<String>;

    fn stage_variable(&self, name: &str) -> Option<&str>;
}
