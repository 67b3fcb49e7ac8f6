//! The addresses that one server answers on.

use std::{future::poll_fn, io, net::SocketAddr, task::Poll};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the system keeps for us until we accept them; it may keep fewer (`net.core.somaxconn`). Beyond, who
/// connects tries again after a second.
const BACKLOG: u32 = 4_096;

/// At least one listening socket.
#[derive(Debug)]
pub(super) struct Listeners(Vec<TcpListener>);

impl Listeners {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(vec![listen(address)?]))
    }

    pub(super) fn add(&mut self, address: SocketAddr) -> io::Result<()> {
        self.0.push(listen(address)?);
        Ok(())
    }

    /// The next connection on any of them.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let mut accepted = self.0.iter().map(|listener| listener.poll_accept(context));
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// In the order in which they were taken.
    pub(super) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.iter().map(TcpListener::local_addr).collect()
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
