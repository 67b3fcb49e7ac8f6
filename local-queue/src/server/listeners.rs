//! The addresses that one server answers on.

use std::{future::poll_fn, io, net::SocketAddr, task::Poll};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the system keeps for us until we accept them; it may keep fewer (`net.core.somaxconn`). Beyond, who
/// connects tries again after a second.
const BACKLOG: u32 = 4_096;

/// At least one listening socket.
#[derive(Debug)]
pub(super) struct Listeners(Vec<Listener>);

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// It speaks plain HTTP, even where others speak HTTPS.
    is_plain: bool,
}

/// A connection that has been accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    /// It is for plain HTTP, even where others are for HTTPS.
    pub(super) is_plain: bool,
}

impl Listeners {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(vec![Listener { socket: listen(address)?, is_plain: false }]))
    }

    pub(super) fn add(&mut self, address: SocketAddr) -> io::Result<()> {
        self.0.push(Listener { socket: listen(address)?, is_plain: false });
        Ok(())
    }

    /// Takes an address that speaks plain HTTP, whatever the others do. Says which it is.
    pub(super) fn add_plain(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = listen(address)?;
        let address = socket.local_addr()?;
        self.0.push(Listener { socket, is_plain: true });
        Ok(address)
    }

    /// The next connection on any of them.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        poll_fn(|context| {
            let mut accepted = self.0.iter().map(|listener| {
                let accepted = listener.socket.poll_accept(context);
                accepted.map_ok(|(stream, _)| Accepted { stream, is_plain: listener.is_plain })
            });
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// In the order in which they were taken, without those that speak plain HTTP among others.
    pub(super) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.iter().filter(|listener| !listener.is_plain).map(|listener| listener.socket.local_addr()).collect()
    }
}

/// As [`TcpListener::bind`], with a longer line of those who wait to be accepted.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows this would let two programs have one address.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
