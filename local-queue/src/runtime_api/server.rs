//! The Runtime API of one process, over HTTP/1.1 on a port of its own: who asks is known by where it asks.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header::EXPECT};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use super::{
    answer::{self, Registration},
    session::{ErrorReport, Invoke, Reply, RequestError, Session, Transition},
};
use crate::{engine::IdSource, event_source_mapping::RESPONSE_BYTES_MAX};

/// Connections at the same time. A runtime needs one, and one for each extension; a crowd waits.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's header, roughly.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an extension's request.
const EXTENSION_BYTES_MAX: usize = 64 * 1024;
/// Bodies that are kept at the same time. A runtime has one answer to give.
const BODIES_MAX: usize = 2;

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const EXTENSION_ERROR_TYPE: &str = "lambda-extension-function-error-type";
const EXTENSION_NAME: &str = "lambda-extension-name";
const EXTENSION_IDENTIFIER: &str = "lambda-extension-identifier";

/// What an extension learns about the function.
#[derive(Clone, Debug)]
pub(super) struct FunctionIdentity {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) handler: String,
}

/// The API of one process. It answers until it is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    session: watch::Sender<Session>,
    accepting: JoinHandle<()>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        // Its connections are tasks of the accepting one, and end with it.
        self.accepting.abort();
    }
}

impl RuntimeApi {
    /// Takes a free port of this machine, which other machines cannot reach.
    pub(super) async fn start(function: FunctionIdentity) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let session = watch::Sender::new(Session::new());
        let api = ProcessApi {
            function,
            session: session.clone(),
            ids: Mutex::new(IdSource::seeded(fastrand::u64(..))),
            bodies: Semaphore::new(BODIES_MAX),
        };
        let accepting = tokio::spawn(accept(listener, Arc::new(api)));
        Ok(Self { address, session, accepting })
    }

    /// Host and port, as passed to the runtime.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has been said so far, to look at, to wait for and to change.
    pub(super) const fn session(&self) -> &watch::Sender<Session> {
        &self.session
    }
}

async fn accept(listener: TcpListener, api: Arc<ProcessApi>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&api)))),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection to the Runtime API");
                    // Out of descriptors, for one: nothing is gained by asking again at once.
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, api: Arc<ProcessApi>) {
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        // A runtime waits for hours between two requests, and is stopped in the meantime.
        .header_read_timeout(None)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| async {
                let response = api.answer(request).await;
                Ok::<_, std::convert::Infallible>(response.map(Full::new))
            }),
        );
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection to the Runtime API ended");
    }
}

/// A path of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Ping,
    Next,
    Response(&'a str),
    Error(&'a str),
    InitError,
    Register,
    EventNext,
    ExtensionError,
    Logs,
    Telemetry,
}

impl<'a> Route<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.splitn(2, '/');
        let (version, rest) = (parts.next()?, parts.next()?);
        match (version, rest) {
            ("2018-06-01", "ping") => Some(Self::Ping),
            ("2018-06-01", "runtime/invocation/next") => Some(Self::Next),
            ("2018-06-01", "runtime/init/error") => Some(Self::InitError),
            ("2018-06-01", rest) => {
                let (id, what) = rest.strip_prefix("runtime/invocation/")?.split_once('/')?;
                match what {
                    "response" => Some(Self::Response(id)),
                    "error" => Some(Self::Error(id)),
                    _ => None,
                }
            }
            ("2020-01-01", "extension/register") => Some(Self::Register),
            ("2020-01-01", "extension/event/next") => Some(Self::EventNext),
            ("2020-01-01", "extension/init/error" | "extension/exit/error") => Some(Self::ExtensionError),
            ("2020-08-15", "logs") => Some(Self::Logs),
            ("2022-07-01", "telemetry") => Some(Self::Telemetry),
            _ => None,
        }
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Ping | Self::Next | Self::EventNext => "GET",
            Self::Logs | Self::Telemetry => "PUT",
            Self::Response(_) | Self::Error(_) | Self::InitError | Self::Register | Self::ExtensionError => "POST",
        }
    }
}

/// What all connections of a process have in common.
#[derive(Debug)]
struct ProcessApi {
    function: FunctionIdentity,
    session: watch::Sender<Session>,
    ids: Mutex<IdSource>,
    bodies: Semaphore,
}

/// What came of reading a body.
enum Body {
    Whole(Bytes),
    /// It was read to its end and not kept.
    TooLarge {
        bytes: usize,
    },
    Broken,
}

impl ProcessApi {
    async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let Some(route) = Route::parse(parts.uri.path()) else {
            return answer::not_found();
        };
        if parts.method != Method::from_bytes(route.method().as_bytes()).unwrap_or_default() {
            return answer::method_not_allowed(route.method());
        }
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let result = match route {
            Route::Ping => Ok(answer::pong()),
            Route::Logs => Ok(answer::not_supported("Logs")),
            Route::Telemetry => Ok(answer::not_supported("Telemetry")),
            Route::Next => self.next().await,
            Route::Response(id) => {
                let expects = parts.headers.contains_key(EXPECT);
                self.reply(id, Transition::InvocationResponse, body, expects, Reply::Response).await
            }
            Route::Error(id) => {
                let expects = parts.headers.contains_key(EXPECT);
                let read = |body: Bytes| Reply::Error(ErrorReport::read(header(ERROR_TYPE), &body));
                self.reply(id, Transition::InvocationErrorResponse, body, expects, read).await
            }
            Route::InitError => match collect(body, RESPONSE_BYTES_MAX).await {
                Body::Whole(body) => {
                    let report = ErrorReport::read(header(ERROR_TYPE), &body);
                    self.change(|session| session.init_error(report)).map(|()| answer::accepted())
                }
                Body::TooLarge { .. } => Ok(answer::too_large()),
                Body::Broken => Ok(answer::incomplete()),
            },
            Route::Register => self.register(header(EXTENSION_NAME).unwrap_or_default(), body).await,
            Route::EventNext => self.event_next(header(EXTENSION_IDENTIFIER)).await,
            Route::ExtensionError => match collect(body, EXTENSION_BYTES_MAX).await {
                Body::Whole(body) => {
                    let report = ErrorReport::read(header(EXTENSION_ERROR_TYPE), &body);
                    let identifier = header(EXTENSION_IDENTIFIER);
                    self.change(|session| session.extension_error(identifier, report)).map(|()| answer::accepted())
                }
                Body::TooLarge { .. } => Ok(answer::too_large()),
                Body::Broken => Ok(answer::incomplete()),
            },
        };
        result.unwrap_or_else(|refusal| answer::refusal(&refusal))
    }

    /// Changes the session, and wakes those who wait for a change if it was not refused.
    fn change(&self, change: impl FnOnce(&mut Session) -> Result<(), RequestError>) -> Result<(), RequestError> {
        let mut result = Ok(());
        self.session.send_if_modified(|session| {
            result = change(session);
            result.is_ok()
        });
        result
    }

    /// Waits until the session has something, and takes it in the same step.
    async fn wait_for(
        &self,
        find: impl Fn(&Session) -> Option<Arc<Invoke>>,
        taken: impl Fn(&mut Session),
    ) -> Option<Arc<Invoke>> {
        let mut changes = self.session.subscribe();
        loop {
            drop(changes.wait_for(|session| find(session).is_some()).await.ok()?);
            let mut found = None;
            self.session.send_if_modified(|session| {
                found = find(session);
                if found.is_some() {
                    taken(session);
                }
                found.is_some()
            });
            if found.is_some() {
                return found;
            }
        }
    }

    async fn next(&self) -> Result<Response<Bytes>, RequestError> {
        self.change(Session::next)?;
        let invoke = self.wait_for(|session| session.deliverable().cloned(), Session::delivered).await;
        Ok(invoke.map_or_else(answer::not_found, |invoke| answer::invocation(&invoke)))
    }

    async fn reply(
        &self,
        request_id: &str,
        to: Transition,
        body: Incoming,
        expects: bool,
        read: impl FnOnce(Bytes) -> Reply,
    ) -> Result<Response<Bytes>, RequestError> {
        let possible = self.session.borrow().check_reply(request_id, to);
        if let Err(refusal) = possible {
            // A client that writes before it reads loses an answer that comes before the end of its request.
            if !expects {
                drop(collect(body, 0).await);
            }
            return Err(refusal);
        }
        let _permit = self.bodies.acquire().await;
        let (reply, response) = match collect(body, RESPONSE_BYTES_MAX).await {
            Body::Whole(body) => (read(body), answer::accepted()),
            Body::TooLarge { bytes } => (Reply::TooLarge { bytes }, answer::too_large()),
            Body::Broken => return Ok(answer::incomplete()),
        };
        self.change(|session| session.reply(request_id, to, reply)).map(|()| response)
    }

    async fn register(&self, name: &str, body: Incoming) -> Result<Response<Bytes>, RequestError> {
        #[derive(serde::Deserialize)]
        struct Request {
            #[serde(default)]
            events: Vec<String>,
        }
        let body = match collect(body, EXTENSION_BYTES_MAX).await {
            Body::Whole(body) => body,
            Body::TooLarge { .. } => return Ok(answer::too_large()),
            Body::Broken => return Ok(answer::incomplete()),
        };
        let request = match serde_json::from_slice::<Request>(&body) {
            Ok(request) => request,
            // A missing name is told before a body that is no JSON.
            Err(_) if name.is_empty() => Request { events: Vec::new() },
            // The words of AWS's emulator, which are those of its JSON library.
            Err(error) if error.is_eof() => return Ok(answer::invalid_format("unexpected end of JSON input")),
            Err(error) => return Ok(answer::invalid_format(&error.to_string())),
        };
        let identifier = self.next_uuid();
        self.change(|session| session.register(name, identifier.clone(), &request.events))?;
        let FunctionIdentity { name, version, handler } = &self.function;
        let registration = Registration { function_name: name, function_version: version, handler };
        Ok(answer::registered(&registration, &identifier))
    }

    async fn event_next(&self, identifier: Option<&str>) -> Result<Response<Bytes>, RequestError> {
        self.change(|session| session.event_next(identifier))?;
        let identifier = identifier.unwrap_or_default();
        let find = |session: &Session| session.event(identifier).cloned();
        let invoke = self.wait_for(find, |session| session.event_delivered(identifier)).await;
        let event_identifier = self.next_uuid();
        Ok(invoke.map_or_else(answer::not_found, |invoke| answer::event(&invoke, &event_identifier)))
    }

    fn next_uuid(&self) -> String {
        self.ids.lock().expect("nobody panics with the identifiers in hand").next_uuid().to_string()
    }
}

/// Reads a body to its end and keeps it if it is not too long. How long that may take is the invocation's deadline.
async fn collect(mut body: Incoming, bytes_max: usize) -> Body {
    let (mut whole, mut first, mut bytes) = (BytesMut::new(), Bytes::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Body::Broken };
        let Ok(data) = frame.into_data() else { continue };
        bytes = bytes.saturating_add(data.len());
        if bytes > bytes_max {
            (whole, first) = (BytesMut::new(), Bytes::new());
        } else if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            // Most bodies come in one piece and are not copied.
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    if bytes > bytes_max {
        return Body::TooLarge { bytes };
    }
    Body::Whole(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests;
