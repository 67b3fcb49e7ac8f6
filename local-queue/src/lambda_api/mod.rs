//! Lambda's own API for the functions that run here and their event source mappings, on the port of SQS: `Invoke`, and what
//! lists, creates, changes and deletes them.
//!
//! - [`LambdaApi`] knows the functions and mappings, whoever has added them: a template at the start, or a client later on.
//!   A mapping is run by the same code either way.
//! - [`Runner`] is what runs a function: a [`Function`](crate::runtime_api::Function), or a closure in a test. [`Workshop`]
//!   makes one of a package that a client has sent.
//! - `route` finds out what is asked for, `names` which function is meant; `invoke`, `functions` and `mappings` do it.
//! - [`FunctionConfiguration`] is what is known of a function; `sources` says where queues are.
//! - `inventory` is what the developer's API and the console show of them.
//! - `error` has the refusals, in the form and with the texts of Lambda.
//!
//! Rules that hold everywhere:
//! - A request that changes something, or starts a program that a client has sent, needs an [`Access`] that allows it.
//! - What a request has begun goes on when its client leaves.
//! - A mapping is stopped as a whole before it goes on with other settings: running invocations end as they began, and what
//!   the function has not seen is given back to its queue.

mod configuration;
mod error;
mod functions;
mod inventory;
mod invoke;
mod mappings;
mod names;
mod route;
mod runner;
mod sources;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use serde_json::Value;
use tokio::{runtime::Handle, sync::watch};

pub use self::{
    configuration::FunctionConfiguration,
    mappings::{MappingError, MappingMetrics, NewMapping},
    runner::{Runner, Workshop},
    sources::Sources,
};
use self::{
    error::ApiError,
    functions::FunctionSlot,
    invoke::Events,
    mappings::Mapping,
    route::{Call, Operation},
};
use crate::{LocalQueue, engine::IdSource, json};

pub(crate) use self::{
    error::{NotDone, respond_refusal},
    inventory::{FunctionState, InvokedOnce, MappingState},
    route::is_path,
};

/// What a request may do, as far as that depends on how it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Write,
    /// What changes nothing, and invocations: nobody has said that clients may change functions and mappings.
    Read,
    /// The same, because other machines could have sent it, and it is not signed.
    ReadUnsigned,
}

/// The functions and mappings of a server. Clones are the same.
#[derive(Clone, Debug)]
pub struct LambdaApi {
    shared: Arc<Shared>,
}

/// How a [`LambdaApi`] is to be. Made by [`LambdaApi::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    queues: LocalQueue,
    sources: Option<Sources>,
    workshop: Option<Arc<dyn Workshop>>,
}

#[derive(Debug)]
struct Shared {
    queues: LocalQueue,
    sources: Sources,
    workshop: Option<Arc<dyn Workshop>>,
    /// Where functions and mappings run, whichever thread a request comes from.
    runtime: Handle,
    state: Mutex<State>,
    events: Events,
    /// Invocations by requests that have not ended.
    invocations: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    functions: BTreeMap<String, Arc<FunctionSlot>>,
    /// In the order in which they were made.
    mappings: Vec<Arc<Mapping>>,
    ids: IdSource,
    /// Nothing is started any more.
    is_stopping: bool,
}

impl Builder {
    /// Where the mappings find their queues, if not here.
    pub fn sources(mut self, sources: Sources) -> Self {
        self.sources = Some(sources);
        self
    }

    /// What makes functions of packages; without one no client can send any.
    pub fn workshop(mut self, workshop: impl Workshop) -> Self {
        self.workshop = Some(Arc::new(workshop));
        self
    }

    /// Without functions and mappings yet. What it runs, it runs in the runtime in which this is called.
    #[must_use]
    pub fn build(self) -> LambdaApi {
        let Self { queues, sources, workshop } = self;
        let ids = IdSource::seeded(fastrand::u64(..));
        let state = State { functions: BTreeMap::new(), mappings: Vec::new(), ids, is_stopping: false };
        let shared = Shared {
            sources: sources.unwrap_or_else(|| Sources::Here(queues.clone())),
            queues,
            workshop,
            runtime: Handle::current(),
            state: Mutex::new(state),
            events: Events::default(),
            invocations: watch::Sender::new(0),
        };
        LambdaApi { shared: Arc::new(shared) }
    }
}

impl LambdaApi {
    /// The functions that work on these queues.
    pub const fn builder(queues: LocalQueue) -> Builder {
        Builder { queues, sources: None, workshop: None }
    }

    /// Answers a request of Lambda's API. It goes on when the future is dropped.
    pub async fn respond(&self, request: Request<Bytes>, access: Access) -> Response<Bytes> {
        let shared = Arc::clone(&self.shared);
        let request_id = shared.next_id();
        let given = request_id.clone();
        let answering = self.shared.runtime.spawn(async move { shared.answer(request, access, &given).await });
        let answer = answering.await.unwrap_or_else(|_| Err(ApiError::service("The server is stopping.")));
        let mut response = answer.unwrap_or_else(|error| error.respond());
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            response.headers_mut().insert("x-amzn-requestid", request_id);
        }
        response
    }

    /// Whether there is a function or a mapping.
    pub(crate) fn is_in_use(&self) -> bool {
        let state = self.shared.state();
        !state.functions.is_empty() || !state.mappings.is_empty()
    }

    /// Tells all mappings to receive nothing more, and lets running invocations end. Nothing is started any more.
    pub fn stop(&self) {
        let mappings = {
            let mut state = self.shared.state();
            state.is_stopping = true;
            state.mappings.clone()
        };
        for mapping in mappings {
            mapping.stop(false);
        }
    }

    /// Gives up the running invocations of all mappings, and gives their messages back.
    pub fn stop_at_once(&self) {
        self.stop();
        let mappings = self.shared.state().mappings.clone();
        for mapping in mappings {
            mapping.stop(true);
        }
    }

    /// Waits until every mapping has stopped that was told to. With `invocations` also until those have ended that requests
    /// have begun.
    pub async fn stopped(&self, invocations: bool) {
        let mappings = self.shared.state().mappings.clone();
        for mapping in mappings {
            mapping.stopped().await;
        }
        if invocations {
            // The sender is here.
            let _ = self.shared.invocations.subscribe().wait_for(|running| *running == 0).await;
        }
    }

    /// Ends the processes of all functions.
    pub async fn shut_down(&self) {
        let slots = self.shared.state().functions.values().cloned().collect::<Vec<_>>();
        let ending = slots.into_iter().map(|slot| {
            self.shared.runtime.spawn(async move {
                let runner = slot.runner();
                runner.shut_down().await;
            })
        });
        for ended in ending.collect::<Vec<_>>() {
            let _ = ended.await;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> String {
        self.state().ids.next_uuid().to_string()
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Bytes>,
        access: Access,
        request_id: &str,
    ) -> Result<Response<Bytes>, ApiError> {
        let (parts, body) = request.into_parts();
        let Call { operation, subject, query } = Call::parse(&parts)?;
        if operation.changes() {
            access.check(operation.name())?;
        }
        if operation == Operation::Invoke {
            return self.invoke(&subject, &query, &parts.headers, &body, request_id).await;
        }
        let mut asked = serde_json::Map::new();
        if operation.has_body() && !body.is_empty() {
            let members = json::parse_object(&body);
            asked = members.map_err(|error| ApiError::unparsable(&format!("the body {error}")))?.into();
        }
        let asked = Value::Object(asked);
        let (status, answer) = match operation {
            Operation::ListFunctions => (200, self.list_functions(&query)?),
            Operation::GetFunction => (200, self.get_function(&subject, &query)?),
            Operation::GetFunctionConfiguration => (200, self.get_function_configuration(&subject, &query)?),
            Operation::CreateFunction => (201, self.create_function(&asked).await?),
            Operation::UpdateFunctionCode => (200, self.update_function_code(&subject, &asked).await?),
            Operation::UpdateFunctionConfiguration => {
                (200, self.update_function_configuration(&subject, &asked).await?)
            }
            Operation::DeleteFunction => (204, self.delete_function(&subject)?),
            Operation::ListEventSourceMappings => (200, self.list_mappings(&query)?),
            Operation::GetEventSourceMapping => (200, self.get_mapping(&subject)?),
            Operation::CreateEventSourceMapping => (202, self.create_mapping(&asked).await?),
            Operation::UpdateEventSourceMapping => (202, self.update_mapping(&subject, &asked).await?),
            Operation::DeleteEventSourceMapping => (202, self.delete_mapping(&subject)?),
            // It has been dealt with.
            Operation::Invoke => return Err(ApiError::service("Invoke has no document.")),
        };
        Ok(json_response(status, &answer))
    }
}

impl Access {
    fn check(self, operation: &str) -> Result<(), ApiError> {
        let how = match self {
            Self::Write => return Ok(()),
            Self::Read => "start local-queue with --lambda-api write",
            Self::ReadUnsigned => {
                "on an address that other machines reach that needs a signed request: start local-queue with \
                 --require-signature"
            }
        };
        Err(ApiError::access_denied(format!(
            "{operation} changes functions or mappings. If clients may do that, {how}."
        )))
    }
}

/// A document, or nothing with the status that means nothing.
fn json_response(status: u16, document: &Value) -> Response<Bytes> {
    let body = if document.is_null() { Bytes::new() } else { document.to_string().into() };
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
