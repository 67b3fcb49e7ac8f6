//! The emulator over HTTP/1.1, for any SDK in any language.
//!
//! Built on hyper's connection builder with a timer, because a half-sent header must not hold a connection for ever. Every
//! size and every wait has a bound in [`Bounds`]; a long poll is the one wait that may last, and ends when its client
//! goes.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use crate::{LocalQueue, protocol};

/// What one client can ask of the server.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections at the same time; the next one waits to be accepted.
    pub connections_max: usize,
    /// From the first byte of a request to the end of its header, and between two requests.
    pub header_timeout: Duration,
    /// From the end of the header to the end of the body.
    pub body_timeout: Duration,
    /// Bytes of a body: a full batch of 1 MiB whose every character is escaped in JSON, with room for its envelope.
    pub body_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            header_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            body_bytes_max: 8 * 1024 * 1024,
        }
    }
}

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    queues: LocalQueue,
    bounds: Bounds,
}

impl Server {
    /// Takes the address, which fails if another program has it.
    pub async fn bind(address: SocketAddr, queues: LocalQueue, bounds: Bounds) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, queues, bounds })
    }

    /// The address, with the port that the system chose if none was asked for.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` ends; then lets those end that are being answered, except long polls.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.bounds.connections_max));
        let (stopping, stopped) = watch::channel(false);
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
                (self.listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                () = &mut stop => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (queues, bounds) = (self.queues.clone(), self.bounds.clone());
                    tokio::spawn(serve(stream, place, queues, bounds, stopped.clone()));
                }
                // Out of descriptors, for one: give the connections that hold them time to end.
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        let _ = stopping.send(true);
        let connections_max = u32::try_from(self.bounds.connections_max).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(Duration::from_secs(1), places.acquire_many(connections_max)).await;
    }
}

async fn serve(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    queues: LocalQueue,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(&queues, &bounds, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answer(
    queues: &LocalQueue,
    bounds: &Bounds,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(bounds.body_timeout, Limited::new(body, bounds.body_bytes_max).collect()).await;
    let response = match body {
        Ok(Ok(body)) => protocol::respond(queues, Request::from_parts(parts, body.to_bytes())).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => refuse(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST),
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT),
    };
    Ok(response.map(Full::new))
}

fn refuse(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
