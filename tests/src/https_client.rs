//! A client of HTTPS that trusts one certificate, for the tests of `serve --tls`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::CertificateDer};

/// An answer, and the protocol that was agreed upon before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As it came.
    pub text: String,
    /// By ALPN.
    pub protocol: Option<String>,
}

/// Sends a request, which must ask for the end of the connection, to a server by this name, offering these protocols. An error
/// says why there is no answer.
pub fn send(
    address: SocketAddr,
    (name, trusted): (&str, &CertificateDer<'static>),
    protocols: &[&str],
    request: &str,
) -> Result<Answer, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = name.to_owned().try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    let protocol = stream.conn.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned());
    if text.is_empty() {
        return Err(format!("no answer: {read:?}"));
    }
    Ok(Answer { text: String::from_utf8_lossy(&text).into_owned(), protocol })
}
