//! Integrations of REST APIs that build a request from a template, and a response from the integration's reply.

mod parameters;

pub(super) use self::parameters::Place;
pub use self::parameters::{RequestParameter, ResponseParameter};
use super::vtl::MappingTemplate;

/// A mapped integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// What gets the request.
    pub target: MappedTarget,
    /// What of it is taken from the request of the client.
    pub parameters: Vec<RequestParameter>,
    /// Templates of its body, by content type.
    pub templates: Vec<(String, MappingTemplate)>,
    /// What becomes of a body of another content type.
    pub passthrough: Passthrough,
    /// What the answer is made of.
    pub responses: Vec<MappedResponse>,
}

/// What gets the request of a mapped integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedTarget {
    /// SQS, at a path such as `000000000000/jobs`.
    Queues {
        /// The path, which may have parameters such as `{queue}`.
        path: String,
        /// The action, if the URI names one instead of a path.
        action: Option<String>,
    },
    /// A function, by its name or ARN.
    Function(String),
    /// Nothing: `MOCK`.
    Mock,
}

/// `PassthroughBehavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are API Gateway's")]
pub enum Passthrough {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

/// An integration response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedResponse {
    /// What the status, or the error message of a function, must match; none of the default.
    pub pattern: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, ResponseParameter)>,
    /// Templates of its body, by content type.
    pub templates: Vec<(String, MappingTemplate)>,
}
