//! What an API is: its routes, what each does, its stages, and which web pages may call it.

use std::{collections::BTreeMap, fmt};

use super::{
    mapped::{Mapped, MappedTarget},
    mapping::Mapping,
};

/// An API of API Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its id, which is in its URLs.
    pub id: String,
    /// Which of the two kinds it is.
    pub kind: ApiKind,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its stages: without one it answers nothing.
    pub stages: Vec<Stage>,
    /// What it answers to web pages by itself; of HTTP APIs.
    pub cors: Option<Cors>,
    /// Origins of web pages that its own answers name, such as `https://example.com`, or `*`; of REST APIs.
    pub origins: Vec<String>,
    /// Content types whose bodies functions get in Base64; of REST APIs.
    pub binary_media_types: Vec<String>,
}

impl Api {
    /// An API without routes.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: ApiKind) -> Self {
        Self {
            id: id.into(),
            kind,
            routes: Vec::new(),
            stages: Vec::new(),
            cors: None,
            origins: Vec::new(),
            binary_media_types: Vec::new(),
        }
    }

    /// The path at which a stage of it is reached on its own address: nothing for the stage `$default`.
    #[must_use]
    pub fn stage_path(stage: &str) -> String {
        if stage == DEFAULT { String::new() } else { format!("/{stage}") }
    }
}

impl Api {
    /// Its routes, the default one at the end.
    pub fn sorted_routes(&self) -> impl Iterator<Item = &Route> {
        let of = |is_default: bool| self.routes.iter().filter(move |route| (route.path == DEFAULT) == is_default);
        of(false).chain(of(true))
    }
}

impl Route {
    /// Such as `POST /jobs` or `$default`.
    #[must_use]
    pub fn key(&self) -> String {
        if self.path.starts_with('$') {
            return self.path.clone();
        }
        format!("{} {}", self.method.as_ref().map_or("ANY", http::Method::as_str), self.path)
    }
}

impl Integration {
    /// The function that it invokes, if it invokes one.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Function { function, .. } => Some(function),
            Self::Mapped(mapped) => match &mapped.target {
                MappedTarget::Function(function) => Some(function),
                MappedTarget::Queues { .. } | MappedTarget::Mock => None,
            },
            Self::Queue { .. } | Self::Missing(_) => None,
        }
    }
}

impl fmt::Display for Integration {
    /// Says what it does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { action, parameters } => {
                let url = parameters.iter().find(|(name, _)| name == "QueueUrl").and_then(|(_, url)| url.literal());
                let url = url.unwrap_or("a queue that the request names");
                write!(f, "{} of {}", action.name(), url.rsplit('/').next().unwrap_or(url))
            }
            Self::Function { function, .. } => {
                let name = function.split_once(":function:").map_or(function.as_str(), |(_, name)| name);
                write!(f, "invokes {name}")
            }
            Self::Mapped(mapped) => match &mapped.target {
                MappedTarget::Queues { action: Some(action), .. } => write!(f, "{action} of SQS, by a template"),
                MappedTarget::Queues { path, action: None } => {
                    write!(f, "sends to {}, by a template", path.rsplit('/').next().unwrap_or(path))
                }
                MappedTarget::Function(function) => {
                    let name = function.split_once(":function:").map_or(function.as_str(), |(_, name)| name);
                    write!(f, "invokes {name}, by a template")
                }
                MappedTarget::Mock => f.write_str("answers by itself"),
            },
            Self::Missing(what) => f.write_str(what),
        }
    }
}

/// The stage, and the route, that answers what no other does.
pub(super) const DEFAULT: &str = "$default";

/// The two kinds of APIs that are emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKind {
    /// `AWS::ApiGatewayV2::Api`, `AWS::Serverless::HttpApi`.
    Http,
    /// `AWS::ApiGateway::RestApi`, `AWS::Serverless::Api`.
    Rest,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name, such as `prod` or `$default`.
    pub name: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its method; none for `ANY`.
    pub method: Option<http::Method>,
    /// Its path, such as `/jobs/{id}`, `/{proxy+}` or `$default`.
    pub path: String,
    /// What it does.
    pub integration: Integration,
    /// How long that may take, if not as long as it can.
    pub timeout: Option<std::time::Duration>,
}

/// What a route does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integration {
    /// Calls SQS, by a subtype of `AWS_PROXY` such as `SQS-SendMessage`.
    Queue {
        /// What is called.
        action: QueueAction,
        /// Its parameters.
        parameters: Vec<(String, Mapping)>,
    },
    /// Invokes a function, which gets the whole request and makes the whole answer.
    Function {
        /// Its name, or its ARN.
        function: String,
        /// What it gets.
        payload: Payload,
    },
    /// REST APIs: builds a request from a template, and a response from the integration's reply.
    Mapped(Box<Mapped>),
    /// Something that is not emulated; what.
    Missing(String),
}

/// Actions of SQS that an HTTP API can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are SQS's")]
pub enum QueueAction {
    SendMessage,
    ReceiveMessage,
    DeleteMessage,
    PurgeQueue,
}

impl QueueAction {
    /// The action of a subtype, such as `SQS-SendMessage`.
    #[must_use]
    pub fn of_subtype(subtype: &str) -> Option<Self> {
        let all = [Self::SendMessage, Self::ReceiveMessage, Self::DeleteMessage, Self::PurgeQueue];
        let name = subtype.strip_prefix("SQS-")?;
        all.into_iter().find(|action| action.name() == name)
    }

    /// As SQS calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendMessage => "SendMessage",
            Self::ReceiveMessage => "ReceiveMessage",
            Self::DeleteMessage => "DeleteMessage",
            Self::PurgeQueue => "PurgeQueue",
        }
    }

    /// Parameters that an integration must have, and those that it may have (developer guide, "Integration subtype
    /// reference").
    #[must_use]
    pub const fn parameters(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::SendMessage => (
                &["QueueUrl", "MessageBody"],
                &[
                    "DelaySeconds",
                    "MessageAttributes",
                    "MessageDeduplicationId",
                    "MessageGroupId",
                    "MessageSystemAttributes",
                    "Region",
                ],
            ),
            Self::ReceiveMessage => (
                &["QueueUrl"],
                &[
                    "AttributeNames",
                    "MaxNumberOfMessages",
                    "MessageAttributeNames",
                    "ReceiveRequestAttemptId",
                    "VisibilityTimeout",
                    "WaitTimeSeconds",
                    "Region",
                ],
            ),
            Self::DeleteMessage => (&["QueueUrl", "ReceiptHandle"], &["Region"]),
            Self::PurgeQueue => (&["QueueUrl"], &["Region"]),
        }
    }
}

/// The form of the event that a function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `PayloadFormatVersion` 1.0 of an HTTP API.
    V1,
    /// `PayloadFormatVersion` 2.0 of an HTTP API.
    V2,
    /// That of a REST API.
    Rest,
}

/// `CorsConfiguration` of an HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// `AllowOrigins`.
    pub origins: Vec<String>,
    /// `AllowMethods`.
    pub methods: Vec<String>,
    /// `AllowHeaders`.
    pub headers: Vec<String>,
    /// `ExposeHeaders`.
    pub exposed: Vec<String>,
    /// `AllowCredentials`.
    pub credentials: bool,
    /// `MaxAge`, in seconds.
    pub max_age: Option<u32>,
}
