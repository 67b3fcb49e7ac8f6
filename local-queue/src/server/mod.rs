//! The emulator over HTTP/1.1, for any SDK in any language.
//!
//! Built on hyper's connection builder, because a half-sent header must not hold a connection for ever. From the outside
//! in:
//! - [`Server`] accepts connections; `places` keeps their number and makes room when they only wait, `threads` says where
//!   each is served;
//! - `connection` follows what each is doing and how long it may, `socket` whether its client is still there;
//! - `tls` begins a connection where HTTPS is spoken;
//! - `token` says who may use the console and the developer's API;
//! - `foreign` answers requests for services that are not emulated.
//! - `exchange` takes a request through the [`Bounds`], the [`Guard`] and, if there is a [`KeyPair`], the `signature`,
//!   to the protocol, to Lambda's API, or by `front` to an API of API Gateway; what is refused on the way leaves as a `refusal`.
//!
//! Nothing of a request is logged at the level `info` and above but the code with which it was refused; at `debug`, its
//! method, path and action, escaped. Bodies, queries and headers never are.

mod bounds;
mod connection;
mod exchange;
mod foreign;
mod front;
mod guard;
mod listeners;
mod pieces;
mod places;
mod refusal;
mod routing;
mod signature;
mod socket;
mod threads;
mod tls;
mod token;

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub use self::{
    bounds::Bounds,
    guard::{Guard, GuardError},
    signature::{KeyPair, KeyPairError},
    tls::{Certificate, CertificateError},
};
use self::{
    connection::{Activity, Deadline, Summons},
    exchange::{Answer, Exchange, Readers, Service},
    front::Front,
    listeners::{Accepted, Listeners},
    places::{Place, Places},
    socket::Stream,
    threads::Threads,
};
use crate::{
    LocalQueue, apis::Apis, buckets::Buckets, developer::Sample, faults::ResponseLost, lambda_api::LambdaApi,
    memory::Memory, protocol::Caller,
};

/// How long requests that are being answered have when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: Listeners,
    service: Service,
    threads: Option<Threads>,
    certificate: Option<Certificate>,
}

impl Server {
    /// Takes the address, which fails if another program has it. An address that others can reach is the caller's
    /// decision: requests are not authenticated unless [`require_signature`](Self::require_signature) says so.
    #[expect(clippy::unused_async, reason = "to be called in a runtime, whose socket it is")]
    pub async fn bind(address: SocketAddr, queues: LocalQueue, bounds: Bounds) -> std::io::Result<Self> {
        let listener = Listeners::bind(address)?;
        queues.call(|engine, _| engine.bound_waiting(bounds.waiting_max()));
        Ok(Self { listener, service: Service::new(queues, bounds), threads: None, certificate: None })
    }

    /// Takes one more address, beside the first.
    #[expect(clippy::unused_async, reason = "to be called in a runtime, whose socket it is")]
    pub async fn also_bind(&mut self, address: SocketAddr) -> std::io::Result<()> {
        self.listener.add(address)
    }

    /// Takes one more address, which is for plain HTTP even with a [certificate](Self::certificate), and says which it is.
    #[expect(clippy::unused_async, reason = "to be called in a runtime, whose socket it is")]
    pub async fn also_bind_plain(&mut self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        self.listener.add_plain(address)
    }

    /// Speaks HTTPS with this certificate instead of plain HTTP.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Answers to other names or pages than it does by itself.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.service.guard = guard;
        self
    }

    /// Answers only requests that are signed with this key pair (Signature Version 4, in the header or in the query).
    #[must_use]
    pub fn require_signature(mut self, key_pair: KeyPair) -> Self {
        self.service.key_pair = Some(key_pair);
        self
    }

    /// What the console and the developer's API are asked with, as a password or in the header `x-local-queue-token`, where
    /// requests must be signed; new at each start.
    #[must_use]
    pub fn token(&self) -> &str {
        self.service.token.as_str()
    }

    /// Answers for these buckets too, by S3's protocol.
    #[must_use]
    pub fn buckets(mut self, buckets: Buckets) -> Self {
        self.service.buckets = Some(buckets);
        self
    }

    /// Answers Lambda's API, too. Clients may change functions and mappings only if they `may_write`, and on an address that
    /// other machines reach only if requests must be signed.
    #[must_use]
    pub fn lambda_api(mut self, lambda: LambdaApi, may_write: bool) -> Self {
        self.service.functions = Some(lambda.clone());
        self.service.lambda = Some((lambda, may_write));
        self
    }

    /// Shows these functions and their mappings in the console and the developer's API, without answering Lambda's API for
    /// them.
    #[must_use]
    pub fn functions(mut self, functions: LambdaApi) -> Self {
        self.service.functions = Some(functions);
        self
    }

    /// Answers for these APIs too, each at its [path](Apis::path).
    #[must_use]
    pub fn apis(mut self, apis: Apis) -> Self {
        self.service.front = Some(Front::beside(apis));
        self
    }

    /// Answers for one of these APIs, by its id, and for nothing else; none if there is no such API.
    #[must_use]
    pub fn only_api(mut self, apis: Apis, id: &str) -> Option<Self> {
        self.service.front = Some(Front::alone(apis, id)?);
        Some(self)
    }

    /// Answers on so many threads of its own, which begin here, instead of in the runtime that it runs in. A connection stays
    /// on its thread, so that no thread is woken for the work of another: that is worth half of a request's time.
    pub fn threads(mut self, count: NonZeroUsize) -> std::io::Result<Self> {
        self.threads = Some(Threads::start(count)?);
        Ok(self)
    }

    /// The first address, with the port that the system chose if none was asked for.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        Ok(self.local_addresses()?[0])
    }

    /// All addresses, the first one first, without those of [`also_bind_plain`](Self::also_bind_plain).
    pub fn local_addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.listener.addresses()
    }

    /// Answers requests until `stop` ends; then lets those end that are being answered, except long polls.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Places::new(self.service.bounds.connections_max));
        let mut service = self.service;
        if let Some((key_pair, buckets)) = service.key_pair.as_ref().zip(service.buckets.as_mut()) {
            *buckets = buckets.require_signature(key_pair.access_key_id(), key_pair.secret_access_key());
        }
        service.secure_guard = service.guard.clone().over_https();
        let service = Arc::new(service);
        let sampled = (Arc::clone(&places), service.memory.clone());
        service.queues.add_metrics(move || samples(&sampled.0, &sampled.1));
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let accepted = self.listener.accept().await?;
                let activity = Arc::new(Activity::new());
                let place = places.take(&activity).await;
                Ok::<_, std::io::Error>((accepted, activity, place))
            };
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((Accepted { stream, is_plain }, activity, place)) => {
                    let certificate = self.certificate.clone().filter(|_| !is_plain);
                    let connection = Connection { activity, place, service: Arc::clone(&service), certificate };
                    match &self.threads {
                        None => drop(tokio::spawn(connection.serve(stream))),
                        Some(threads) => threads.serve(stream, |stream| connection.serve(stream)),
                    }
                }
                // Out of descriptors, for one: one that waits may give its own back.
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    places.ask_longest_waiting_to_end();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        drop(self.listener);
        places.finish_all();
        if tokio::time::timeout(STOP_TIMEOUT, places.emptied()).await.is_err() {
            places.order_all_to_end();
            let _ = tokio::time::timeout(STOP_TIMEOUT, places.emptied()).await;
        }
    }
}

/// One connection, with all that it needs.
struct Connection {
    activity: Arc<Activity>,
    place: Place,
    service: Arc<Service>,
    /// With which it speaks HTTPS.
    certificate: Option<Certificate>,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let (Ok(reached), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
        let bounds = &self.service.bounds;
        let caller = self.service.caller(&self.activity);
        let stream = match &self.certificate {
            None => Stream::Plain(stream),
            Some(certificate) => {
                let accepted = Box::pin(certificate.accept(stream, bounds, (&self.activity, &self.place))).await;
                let Some(stream) = accepted else { return };
                stream
            }
        };
        let reached = Reached { address: reached, is_secure: self.certificate.is_some() };
        let client = Client { connection: &self, caller: &caller, peer: peer.ip(), reached };
        let (socket, listening) = socket::split(stream, &self.activity, &self.service.memory);
        let connection = http1::Builder::new()
            // A client that has ended its side may still read; `listening` tells it from one that has gone.
            .half_close(true)
            // The phases have their own times; hyper's would begin while the connection is idle.
            .header_read_timeout(None)
            .max_buf_size(bounds.header_bytes_max.saturating_mul(2).max(8 * 1024))
            .serve_connection(TokioIo::new(socket), service_fn(|request| client.answer(request)));
        tokio::pin!(connection);
        let mut deadline = Deadline::new(bounds);
        poll_fn(|cx| {
            loop {
                // First reads what has come, then looks whether the connection must go.
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    log_end(ended);
                    return Poll::Ready(());
                }
                match listening.poll(cx) {
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "the client disconnected");
                        return Poll::Ready(());
                    }
                    Poll::Pending => {}
                }
                self.place.offer(&self.activity);
                match self.activity.summons(cx) {
                    Summons::Nothing => {}
                    Summons::End => {
                        tracing::debug!("closed an idle connection for a new one");
                        return Poll::Ready(());
                    }
                    Summons::Stay => {
                        self.place.keep();
                        continue;
                    }
                    Summons::Finish => {
                        connection.as_mut().graceful_shutdown();
                        continue;
                    }
                }
                ready!(deadline.poll(cx, &self.activity, bounds));
                if !self.activity.end_body() {
                    tracing::debug!("closed a connection: timeout");
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

/// Who sends the requests of a connection.
struct Client<'a> {
    connection: &'a Connection,
    caller: &'a Caller,
    peer: IpAddr,
    reached: Reached,
}

/// What a client has reached.
#[derive(Clone, Copy, Debug)]
struct Reached {
    address: SocketAddr,
    /// By HTTPS.
    is_secure: bool,
}

impl<'a> Client<'a> {
    fn answer(&'a self, request: Request<Incoming>) -> Answering<'a> {
        self.connection.activity.begin_body();
        let seen = tracing::enabled!(tracing::Level::DEBUG).then(|| Box::new(describe(&request)));
        let (exchange, readers) = self.connection.service.begin(request, (self.peer, self.reached));
        if matches!(exchange, Exchange::Streaming(_)) {
            self.connection.activity.begin_streaming();
        }
        Answering { client: self, exchange, readers, seen }
    }
}

/// One request on its way to its answer. hyper keeps room for one for as long as the connection lasts, so it is small, and
/// what waits is elsewhere.
struct Answering<'a> {
    client: &'a Client<'a>,
    exchange: Exchange<'a>,
    readers: Option<Readers>,
    /// What is logged of it, if that is.
    seen: Option<Box<(http::Method, String, String)>>,
}

impl Future for Answering<'_> {
    type Output = Result<Answer, ResponseLost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { client, exchange, readers, seen } = &mut *self;
        let Connection { activity, service, .. } = client.connection;
        let mut response = ready!(service.poll(exchange, activity, client.caller, cx));
        if let Some((origin, is_preflight)) = readers.take().map(|readers| *readers) {
            guard::add_cors(response.headers_mut(), origin, is_preflight);
        }
        if let Some((method, path, action)) = seen.take().map(|seen| *seen) {
            tracing::debug!(%method, path, action, status = response.status().as_u16(), "answered");
        }
        activity.begin_writing();
        Poll::Ready(match response.extensions().get::<ResponseLost>() {
            // hyper closes the connection without an answer.
            Some(lost) => Err(*lost),
            None => Ok(response),
        })
    }
}

/// What there is of connections and of requests and answers under way.
fn samples(places: &Places, memory: &Memory) -> Vec<Sample> {
    let (connections, connections_max) = places.count();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let gauge =
        |name, help, value: usize| Sample { name, kind: "gauge", help, labels: Vec::new(), value: value as f64 };
    vec![
        gauge("local_queue_connections", "Connections of clients.", connections),
        gauge("local_queue_connections_max", "Maximum number of connections.", connections_max),
        gauge("local_queue_under_way_bytes", "Memory of requests and responses in progress.", memory.used_bytes()),
        gauge(
            "local_queue_under_way_bytes_max",
            "Memory limit of requests and responses in progress.",
            memory.bytes_max(),
        ),
    ]
}

/// What may be logged of a request, escaped and cut.
fn describe(request: &Request<Incoming>) -> (http::Method, String, String) {
    let escape = |bytes: &[u8]| bytes[..bytes.len().min(200)].escape_ascii().to_string();
    let action = request.headers().get("x-amz-target").map(|target| escape(target.as_bytes()));
    (request.method().clone(), escape(request.uri().path().as_bytes()), action.unwrap_or_default())
}

fn log_end(ended: hyper::Result<()>) {
    match ended {
        Ok(()) => tracing::debug!("connection ended"),
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}
