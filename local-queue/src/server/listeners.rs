//! The addresses that one server answers on.

use std::{future::poll_fn, io, net::SocketAddr, task::Poll};

use tokio::net::{TcpListener, TcpStream};

/// At least one listening socket.
#[derive(Debug)]
pub(super) struct Listeners(Vec<TcpListener>);

impl Listeners {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(vec![TcpListener::bind(address).await?]))
    }

    pub(super) async fn add(&mut self, address: SocketAddr) -> io::Result<()> {
        self.0.push(TcpListener::bind(address).await?);
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
