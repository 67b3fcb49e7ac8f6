//! API Gateway before the queues and functions: HTTP APIs and REST APIs whose routes send to queues or invoke functions.
//!
//! ```
//! use http::Request;
//! use local_queue::{
//!     LocalQueue,
//!     apis::{Api, ApiKind, Apis, Integration, Mapping, QueueAction, Route, Stage},
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queues = LocalQueue::virtual_time();
//! let jobs = queues.create_queue("jobs", &[])?;
//! let parameters = [("QueueUrl", "http://localhost/000000000000/jobs"), ("MessageBody", "$request.body")];
//! let parameters = parameters.map(|(name, value)| Ok((name.to_owned(), Mapping::parse(value)?)));
//! let parameters = parameters.into_iter().collect::<Result<_, String>>()?;
//! let mut api = Api::new("front", ApiKind::Http);
//! api.routes.push(Route {
//!     method: Some(http::Method::POST),
//!     path: "/jobs".to_owned(),
//!     integration: Integration::Queue { action: QueueAction::SendMessage, parameters },
//!     timeout: None,
//! });
//! api.stages.push(Stage { name: "$default".to_owned(), variables: Default::default() });
//! let apis = Apis::new(&queues, vec![api]);
//! let post = Request::post("http://localhost/_local-queue/apis/front/jobs").body("do it".into())?;
//! assert_eq!(apis.respond(post).await.status(), 200);
//! assert_eq!(queues.peek(&jobs, 0, 10)?.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! - `declaration`: what an API is; `routes`: which route answers; `request` and `seen`: what integrations see.
//! - `mapping` and `queue`: parameters taken from a request, and the action of SQS that gets them.
//! - `mapped`, `rest` and `vtl`: requests of a REST API's own, made by templates.
//! - `event` and `reply`: what functions get, and what becomes of their replies.
//! - `flows`: where requests went; `cors`: CORS headers; `answers`: API Gateway's own responses.
//!
//! Not enforced are authorisation, API keys and throttling. Of what is declared and not emulated, the routes answer that.

mod answers;
mod cors;
mod declaration;
mod event;
mod flows;
mod ids;
mod json_path;
mod mapped;
mod mapping;
mod percent;
mod queue;
mod reply;
mod request;
mod rest;
mod routes;
mod seen;
#[cfg(test)]
mod tests;
mod vtl;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri,
    header::{CONTENT_SECURITY_POLICY, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};

pub use self::{
    declaration::{Api, ApiKind, Cors, Integration, Payload, QueueAction, Route, Stage},
    flows::{Flow, FlowTarget},
    mapped::{Mapped, MappedResponse, MappedTarget, Passthrough, RequestParameter, ResponseParameter},
    mapping::Mapping,
    vtl::{MappingTemplate, MappingTemplateError},
};
use self::{
    ids::{Ids, IdsSource},
    request::{Given, Request},
    routes::Place,
};
use crate::{LocalQueue, engine::Time, protocol::Answering};

pub(crate) use self::cors::AllowedOrigin;

/// What paths of APIs begin with on the port of all.
const PREFIX: &str = "/_local-queue/apis/";
/// How long integrations may take (quotas of API Gateway).
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
const REST_TIMEOUT: Duration = Duration::from_secs(29);
/// What Lambda takes for an event.
const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Kept apart from the seed of messages, so that a request changes no message's id.
const IDS: u64 = 0x4150_4900;
static APIGW_REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");
static APIGW_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// APIs. Clones are the same.
#[derive(Clone)]
pub struct Apis {
    shared: Arc<Shared>,
}

struct Shared {
    queues: LocalQueue,
    apis: Vec<Api>,
    counts: flows::Counts,
    functions: OnceLock<Arc<dyn Functions>>,
    ids: IdsSource,
}

/// The functions that APIs can invoke.
pub trait Functions: fmt::Debug + Send + Sync {
    /// Invokes a function by its name or ARN, which may have a version or an alias behind it, and waits for its reply.
    fn invoke(&self, function: &str, event: Bytes) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>>;
}

/// What comes of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What the function has replied.
    Replied(Bytes),
    /// The function has failed; its error document.
    Failed(Bytes),
    /// It runs too often already.
    Throttled,
    /// There is no such function, or none that runs; why.
    Absent(String),
}

/// An API that a request is for, and how much of the request's path leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    index: usize,
    kind: ApiKind,
    prefix_bytes: usize,
    /// Whether the API has an address of its own, where its pages harm nothing but itself.
    is_alone: bool,
    /// Who sends it.
    peer: IpAddr,
}

impl Target {
    /// The same, of a request that comes from there.
    pub(crate) fn sent_by(self, peer: IpAddr) -> Self {
        Self { peer, ..self }
    }

    /// The answer to a request that is not looked at.
    pub(crate) fn refuse(self, status: StatusCode, text: &str) -> Response<Bytes> {
        let mut response = match status {
            StatusCode::PAYLOAD_TOO_LARGE => answers::too_large(self.kind),
            _ => answers::message(self.kind, status, text),
        };
        guarded(response.headers_mut());
        response
    }
}

impl Apis {
    /// These APIs, which send to `queues` and live by their clock. Routes to functions answer once they
    /// [can be invoked](Self::invoke).
    #[must_use]
    pub fn new(queues: &LocalQueue, apis: Vec<Api>) -> Self {
        let ids = IdsSource::seeded(queues.seed() ^ IDS);
        let counts = flows::Counts::new(&apis);
        Self { shared: Arc::new(Shared { queues: queues.clone(), apis, counts, functions: OnceLock::new(), ids }) }
    }

    /// Lets routes invoke these functions. What was said first holds.
    pub fn invoke(&self, functions: Arc<dyn Functions>) {
        let _ = self.shared.functions.set(functions);
    }

    /// What they are.
    #[must_use]
    pub fn all(&self) -> &[Api] {
        &self.shared.apis
    }

    /// The path of an API on the port of all, without its stages.
    #[must_use]
    pub fn path(id: &str) -> String {
        format!("{PREFIX}{id}")
    }

    /// Whether any web page may call an API, because its settings name `*`.
    #[must_use]
    pub fn is_open(api: &Api) -> bool {
        api.names_every_origin()
    }

    /// Answers one request, whose path or host says which API it is for.
    pub async fn respond(&self, request: http::Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.find(&parts.uri, &parts.headers) {
            Some(target) => match self.begin(target, parts, body) {
                Answering::Answered(response) => response,
                Answering::Later(response) => response.await,
            },
            None => answers::no_route(ApiKind::Http),
        }
    }

    /// Which API a request is for, if it is for one: by its path, or by a host such as `ID.execute-api.localhost`.
    pub(crate) fn find(&self, uri: &Uri, headers: &HeaderMap) -> Option<Target> {
        if let Some(rest) = uri.path().strip_prefix(PREFIX) {
            let id = rest.split('/').next().unwrap_or_default();
            return self.target(|known| known == id, PREFIX.len() + id.len(), false);
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok())?;
        let id = host.split_once(".execute-api.").map(|(id, _)| id)?;
        self.target(|known| known.eq_ignore_ascii_case(id), 0, false)
    }

    /// The API with an id, on an address of its own.
    pub(crate) fn alone(&self, id: &str) -> Option<Target> {
        self.target(|known| known == id, 0, true)
    }

    fn target(&self, matches: impl Fn(&str) -> bool, prefix_bytes: usize, is_alone: bool) -> Option<Target> {
        let (index, api) = self.shared.apis.iter().enumerate().find(|(_, api)| matches(&api.id))?;
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Some(Target { index, kind: api.kind, prefix_bytes, is_alone, peer })
    }

    pub(crate) fn api(&self, target: Target) -> Option<&Api> {
        self.shared.apis.get(target.index)
    }

    /// Whether the settings of an API let pages of this origin call it.
    pub(crate) fn names_origin(&self, target: Target, origin: &HeaderValue) -> bool {
        self.api(target).is_some_and(|api| api.names_origin(origin))
    }

    /// Answers a request for an API, at once if nothing is to be waited for.
    pub(crate) fn begin(&self, target: Target, parts: Parts, body: Bytes) -> Answering<'_> {
        let shared = &*self.shared;
        let Some(api) = shared.apis.get(target.index) else {
            return Answering::Answered(answers::no_route(ApiKind::Http));
        };
        let ids = shared.ids.next();
        let end = End { api, is_alone: target.is_alone, ids };
        if let Some(response) = cors::answer_preflight(api, &parts) {
            return Answering::Answered(end.finish(&parts, response));
        }
        let place = match Place::find(api, &parts, target.prefix_bytes) {
            Ok(place) => place,
            Err(nowhere) => return Answering::Answered(end.finish(&parts, nowhere.answer(api.kind))),
        };
        let (account, now) = (&*shared.queues.scope().account, shared.queues.clock().now());
        let given = Given { account, source_ip: target.peer, ids, now };
        let route = place.matched.route;
        shared.counts.count(&shared.apis, target.index, route);
        let Integration::Queue { action, parameters } = &route.integration else {
            return Answering::Later(Box::pin(async move {
                let request = Request::new(api, &place, (&parts, &body), given);
                let response = shared.in_time(api, route, now, shared.integrate(&request)).await;
                end.finish(&parts, response)
            }));
        };
        let request = Request::new(api, &place, (&parts, &body), given);
        match queue::begin(&shared.queues, *action, parameters, &request) {
            Answering::Answered(response) => Answering::Answered(end.finish(&parts, response)),
            Answering::Later(response) => Answering::Later(Box::pin(async move {
                let response = shared.in_time(api, route, now, response).await;
                end.finish(&parts, response)
            })),
        }
    }
}

/// What is done with every answer of an API.
#[derive(Clone, Copy)]
struct End<'a> {
    api: &'a Api,
    is_alone: bool,
    ids: Ids,
}

impl End<'_> {
    fn finish(self, parts: &Parts, mut response: Response<Bytes>) -> Response<Bytes> {
        let answer = response.headers_mut();
        // They matter only to pages.
        if parts.headers.contains_key(ORIGIN) {
            if let Some(cors) = &self.api.cors
                && !cors::is_preflight(&parts.method, &parts.headers)
            {
                cors::add(cors, &parts.headers, answer);
            }
            if let Some(allowed) = parts.extensions.get::<AllowedOrigin>() {
                cors::add_allowed(allowed, &parts.headers, answer);
            }
        }
        match self.api.kind {
            ApiKind::Http => _ = answer.insert(APIGW_REQUEST_ID.clone(), self.ids.extended_value()),
            ApiKind::Rest => {
                answer.insert(REQUEST_ID.clone(), self.ids.id_value());
                answer.insert(APIGW_ID.clone(), self.ids.extended_value());
            }
        }
        if !self.is_alone {
            guarded(answer);
        }
        response
    }
}

impl fmt::Debug for Apis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apis").field("apis", &self.shared.apis).finish_non_exhaustive()
    }
}

/// A page that an API answers must not act as one of the server's own.
fn guarded(headers: &mut HeaderMap) {
    headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

impl Shared {
    /// The response of an integration, if it comes in time.
    async fn in_time(
        &self,
        api: &Api,
        route: &Route,
        began: Time,
        response: impl Future<Output = Response<Bytes>>,
    ) -> Response<Bytes> {
        let longest = if api.kind == ApiKind::Http { HTTP_TIMEOUT } else { REST_TIMEOUT };
        let timeout = route.timeout.map_or(longest, |own| own.min(longest));
        tokio::select! {
            biased;
            response = response => response,
            () = self.queues.clock().sleep_until(began + timeout) => answers::timed_out(api.kind),
        }
    }

    /// What a route does that waits.
    async fn integrate(&self, request: &Request<'_>) -> Response<Bytes> {
        match &request.route.integration {
            Integration::Queue { action, parameters } => {
                match queue::begin(&self.queues, *action, parameters, request) {
                    Answering::Answered(response) => response,
                    Answering::Later(response) => response.await,
                }
            }
            Integration::Function { function, payload } => self.proxy(function, *payload, request).await,
            Integration::Mapped(mapped) => mapped.call(self, request).await,
            Integration::Missing(what) => {
                let text = format!("local-queue does not emulate this integration: {what}");
                answers::message(request.api.kind, StatusCode::NOT_IMPLEMENTED, &text)
            }
        }
    }

    /// Gives the request to a function, and its reply to the client.
    async fn proxy(&self, function: &str, payload: Payload, request: &Request<'_>) -> Response<Bytes> {
        let kind = request.api.kind;
        if request.body.len() > EVENT_BYTES_MAX {
            return answers::too_large(kind);
        }
        let event = event::event(request, payload).to_string();
        if event.len() > EVENT_BYTES_MAX {
            return answers::too_large(kind);
        }
        match self.reply(function, event.into()).await {
            Reply::Replied(reply) => reply::answer(&reply, request, payload).unwrap_or_else(|why| {
                tracing::warn!(route = request.route_key(), "{why}");
                answers::bad_gateway(kind)
            }),
            Reply::Failed(_) => answers::bad_gateway(kind),
            Reply::Throttled if kind == ApiKind::Http => answers::timed_out(kind),
            Reply::Throttled => answers::internal(kind),
            Reply::Absent(why) => {
                tracing::warn!(route = request.route_key(), "{why}");
                answers::internal(kind)
            }
        }
    }

    async fn reply(&self, function: &str, event: Bytes) -> Reply {
        match self.functions.get() {
            Some(functions) => functions.invoke(function, event).await,
            None => Reply::Absent("functions are not running yet".to_owned()),
        }
    }
}
