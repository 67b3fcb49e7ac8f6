//! The socket of a connection: it tells what passes through it, and is read also while an answer is under way.
//!
//! hyper does not read between the end of a request and its answer if bytes of the next request are there, and so would
//! not see that the client of a long poll has gone. What is read ahead is little, and kept for hyper.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_rustls::server::TlsStream;

use super::{connection::Activity, pieces::FREE_BYTES};
use crate::memory::{Memory, Share};

/// Bytes of later requests that are read before their turn. All waiting connections together can hold this many each.
const AHEAD_BYTES_MAX: usize = 4 * 1024;

/// What a client is connected by.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn into_split(self) -> (Reader, Writer) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.into_split();
                (Reader::Plain(read), Writer::Plain(write))
            }
            Self::Tls(stream) => {
                let (read, write) = tokio::io::split(stream);
                (Reader::Tls(read), Writer::Tls(write))
            }
        }
    }
}

#[derive(Debug)]
enum Reader {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<Box<TlsStream<TcpStream>>>),
}

impl Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(read) => Pin::new(read).poll_read(cx, buffer),
            Self::Tls(read) => Pin::new(read).poll_read(cx, buffer),
        }
    }
}

#[derive(Debug)]
enum Writer {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<Box<TlsStream<TcpStream>>>),
}

/// A connected stream, as hyper and the one who listens to it share it.
/// Long headers count in `memory`.
pub(super) fn split(stream: Stream, activity: &Arc<Activity>, memory: &Memory) -> (Socket, Listening) {
    let (read, write) = stream.into_split();
    let incoming = Incoming { read, ahead: Vec::new(), has_ended: false };
    let incoming = Arc::new(Mutex::new(incoming));
    let header = HeaderMemory { memory: memory.clone(), share: Share::default(), request: 0, bytes: 0 };
    let socket = Socket { incoming: Arc::clone(&incoming), write, activity: Arc::clone(activity), header };
    (socket, Listening { incoming, activity: Arc::clone(activity) })
}

#[derive(Debug)]
struct Incoming {
    read: Reader,
    ahead: Vec<u8>,
    /// The client has ended its side.
    has_ended: bool,
}

impl Incoming {
    /// Reads ahead what fits. Pending while the client is there; ready when it has ended its side or has sent more, an error
    /// when it has gone.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead.len() < AHEAD_BYTES_MAX && !self.has_ended {
            let mut bytes = [0; AHEAD_BYTES_MAX];
            let room = AHEAD_BYTES_MAX - self.ahead.len();
            let mut buffer = ReadBuf::new(&mut bytes[..room]);
            ready!(self.read.poll_read(cx, &mut buffer))?;
            self.has_ended = buffer.filled().is_empty();
            self.ahead.extend_from_slice(buffer.filled());
        }
        Poll::Ready(Ok(()))
    }
}

fn lock(incoming: &Mutex<Incoming>) -> MutexGuard<'_, Incoming> {
    incoming.lock().expect("nothing panics with a socket in hand")
}

/// What notices that the client of an answer under way has gone.
#[derive(Debug)]
pub(super) struct Listening {
    incoming: Arc<Mutex<Incoming>>,
    activity: Arc<Activity>,
}

impl Listening {
    /// Reads ahead while an answer is under way. An error when the client disconnected. That it has ended its side, which it may
    /// do and still read, is told to the connection's [`Activity`], and so is that it has sent so much that its end would not
    /// be seen: ready when that is new, and the answer is to be polled.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.activity.is_answering() {
            return Poll::Pending;
        }
        let mut incoming = lock(&self.incoming);
        let before = incoming.ahead.len();
        let polled = incoming.poll_ahead(cx);
        if incoming.ahead.len() > before {
            self.activity.on_read();
        }
        match polled {
            Poll::Ready(Ok(())) if !self.activity.set_hasty(true) => Poll::Pending,
            polled => polled,
        }
    }
}

/// What hyper reads and writes.
#[derive(Debug)]
pub(super) struct Socket {
    incoming: Arc<Mutex<Incoming>>,
    write: Writer,
    activity: Arc<Activity>,
    header: HeaderMemory,
}

/// The memory of a header, which lasts as long as its request.
#[derive(Debug)]
struct HeaderMemory {
    memory: Memory,
    share: Share,
    /// Whose header it is: how many requests came before.
    request: u64,
    bytes: usize,
}

impl HeaderMemory {
    /// Counts bytes of a header, those of a long one in the memory for what is under way.
    fn count(&mut self, request: u64, bytes: usize) -> io::Result<()> {
        if self.request != request {
            (self.request, self.bytes, self.share) = (request, 0, Share::default());
        }
        self.bytes += bytes;
        let fits = self.bytes <= FREE_BYTES || self.memory.grow(&mut self.share, self.bytes);
        if fits { Ok(()) } else { Err(io::Error::new(io::ErrorKind::OutOfMemory, "no memory for a long header")) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let mut incoming = lock(&this.incoming);
        if incoming.ahead.is_empty() {
            if incoming.has_ended {
                return Poll::Ready(Ok(()));
            }
            ready!(incoming.read.poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                incoming.has_ended = true;
                return Poll::Ready(Ok(()));
            }
        } else {
            let count = buffer.remaining().min(incoming.ahead.len());
            buffer.put_slice(&incoming.ahead[..count]);
            incoming.ahead.drain(..count);
            if incoming.ahead.is_empty() {
                incoming.ahead = Vec::new();
                this.activity.set_hasty(incoming.has_ended);
            }
        }
        drop(incoming);
        match this.activity.on_read() {
            Some(request) => Poll::Ready(this.header.count(request, buffer.filled().len() - before)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.write {
            Writer::Plain(write) => Pin::new(write).poll_write(cx, bytes),
            Writer::Tls(write) => Pin::new(write).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes the socket when it has written all that it had.
        ready!(match &mut self.write {
            Writer::Plain(write) => Pin::new(write).poll_flush(cx),
            Writer::Tls(write) => Pin::new(write).poll_flush(cx),
        })?;
        self.activity.on_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.write {
            Writer::Plain(write) => Pin::new(write).poll_shutdown(cx),
            Writer::Tls(write) => Pin::new(write).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.write {
            Writer::Plain(write) => Pin::new(write).poll_write_vectored(cx, slices),
            Writer::Tls(write) => Pin::new(write).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.write {
            Writer::Plain(write) => write.is_write_vectored(),
            Writer::Tls(write) => write.is_write_vectored(),
        }
    }
}
