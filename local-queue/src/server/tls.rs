//! HTTPS: a certificate, and the handshake that each connection begins with.
//!
//! A handshake has the time of a header, and its connection a place like every other: one that dawdles makes room when all are
//! taken. Who speaks plain HTTP to a port for HTTPS is told so in plain HTTP.

use std::{fmt, future::poll_fn, io, pin::pin, sync::Arc, task::Poll};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::{
    Bounds,
    connection::{Activity, Summons},
    places::Place,
    socket::Stream,
};

/// What a record of a handshake begins with, and no request of HTTP.
const HANDSHAKE: u8 = 22;
const HTTP_1_1: &[u8] = b"http/1.1";
const PLAIN: &str = "The plain HTTP request was sent to the HTTPS port: begin the endpoint with https://, and let the client trust \
                     the certificate authority that local-queue printed at its start.\n";
/// Bytes of a plain request that are read so that its client gets to see the answer.
const PLAIN_BYTES_MAX: usize = 64 * 1024;

/// The certificate of a server, with its private key.
#[derive(Clone)]
pub struct Certificate(TlsAcceptor);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate and its private key cannot be used: {0}")]
pub struct CertificateError(#[source] rustls::Error);

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// A chain of certificates in DER, the server's own first, and the private key of that in PKCS #8.
    pub fn new(chain: Vec<Vec<u8>>, private_key: Vec<u8>) -> Result<Self, CertificateError> {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(private_key));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private_key));
        let mut config = config.map_err(CertificateError)?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Begins a connection; `None` if it ended before its first request could come.
    pub(super) async fn accept(
        &self,
        mut stream: TcpStream,
        bounds: &Bounds,
        (activity, place): (&Activity, &Place),
    ) -> Option<Stream> {
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await? {
                0 => Ok(None),
                _ if first[0] == HANDSHAKE => {
                    let accepted = self.0.accept(stream).await?;
                    Ok::<_, io::Error>(Some(Stream::Tls(Box::new(accepted))))
                }
                _ => refuse_plain(&mut stream).await.map(|()| None),
            }
        };
        let handshake = timeout(bounds.header_timeout, handshake);
        let mut handshake = pin!(handshake);
        let ended = poll_fn(|cx| {
            loop {
                if let Poll::Ready(ended) = handshake.as_mut().poll(cx) {
                    return Poll::Ready(Some(ended));
                }
                place.offer(activity);
                match activity.summons(cx) {
                    Summons::Nothing => return Poll::Pending,
                    Summons::Stay => place.keep(),
                    Summons::End | Summons::Finish => return Poll::Ready(None),
                }
            }
        })
        .await;
        match ended {
            Some(Ok(Ok(stream))) => stream,
            Some(Ok(Err(error))) => {
                tracing::debug!(%error, "a handshake failed");
                None
            }
            Some(Err(_)) => {
                tracing::debug!("connection ended: the time of its handshake is over");
                None
            }
            None => {
                tracing::debug!("connection ended in its handshake");
                None
            }
        }
    }
}

/// Answers who does not speak TLS.
async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    let length = PLAIN.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{PLAIN}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Ended without this, the connection is reset, and a client that still writes loses the answer.
    let (mut buffer, mut left) = ([0; 4096], PLAIN_BYTES_MAX);
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            bytes => left = left.saturating_sub(bytes),
        }
    }
    Ok(())
}
