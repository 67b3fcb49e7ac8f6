//! Open pages of the console, as its module is one: it listens to the events, and asks for itself anew when something has
//! changed, at most twice a second.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::Instant,
};

/// How long a page waits before it asks for itself again.
const PAUSE: Duration = Duration::from_millis(500);

/// Pages that are open until this is dropped.
pub(super) struct Pages(Vec<JoinHandle<()>>);

impl Pages {
    /// Opens so many pages, in the runtime that this is called in.
    pub(super) fn open(address: SocketAddr, count: usize) -> Self {
        Self((0..count).map(|_| tokio::spawn(look(address))).collect())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn look(address: SocketAddr) {
    let mut events = ask(address, "console/events").await;
    let mut page = TcpStream::connect(address).await.unwrap();
    let mut read = Vec::with_capacity(64 * 1024);
    let mut asked = Instant::now();
    loop {
        read.clear();
        // The server ends a connection now and then.
        if events.read_buf(&mut read).await.unwrap_or(0) == 0 {
            events = ask(address, "console/events").await;
        }
        if !read.windows(13).any(|window| window == b"event: change") || asked.elapsed() < PAUSE {
            continue;
        }
        asked = Instant::now();
        write(&mut page, address, "").await;
        read.clear();
        while !read.ends_with(b"</html>") && !read.ends_with(b"</html>\n") {
            assert!(page.read_buf(&mut read).await.unwrap() > 0, "the page ends");
        }
    }
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    write(&mut stream, address, path).await;
    stream
}

async fn write(stream: &mut TcpStream, address: SocketAddr, path: &str) {
    let request = format!("GET /_local-queue/{path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}
