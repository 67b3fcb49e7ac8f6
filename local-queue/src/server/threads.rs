//! Threads that do nothing but answer, each with a runtime of its own.
//!
//! A connection stays on one of them, so that a request is read, carried out and answered without anybody being woken for
//! it: on a runtime that several threads share, waking costs more than the request. It is given to the thread that has the
//! fewest, because the system alone would spread a few connections unevenly. What takes long does not belong here; it goes
//! to the blocking threads of the runtime.

use std::{io, num::NonZeroUsize, sync::Arc, thread};

use tokio::{net::TcpStream, runtime::Handle, sync::oneshot};

/// At least one thread. They end when this is dropped, with what is left of their connections.
#[derive(Debug)]
pub(super) struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// Counts the connections that are here: each has a clone.
    load: Arc<()>,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Threads {
    pub(super) fn start(count: NonZeroUsize) -> io::Result<Self> {
        (0..count.get()).map(Thread::start).collect::<Result<_, _>>().map(Self)
    }

    /// Serves a connection on the thread that has the fewest.
    pub(super) fn serve<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(thread) = self.0.iter().min_by_key(|thread| Arc::strong_count(&thread.load)) else { return };
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "failed to hand a connection to its thread"),
        };
        let here = Arc::clone(&thread.load);
        thread.runtime.spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "failed to take a connection"),
            }
            drop(here);
        });
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            let _ = runtime.block_on(ended);
            // Work that cannot be interrupted is not waited for.
            runtime.shutdown_background();
        };
        thread::Builder::new().name(format!("answers-{number}")).spawn(run)?;
        Ok(Self { runtime: handle, load: Arc::default(), _end: end })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_few_connections_are_spread_evenly_and_stay_where_they_are() {
        let threads = Threads::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (place, places) = mpsc::channel();
        let (_stay, stays) = tokio::sync::watch::channel(());
        let mut clients = Vec::new();
        for _ in 0..9 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let (place, mut stays) = (place.clone(), stays.clone());
            threads.serve(stream, move |_stream| async move {
                let before = thread::current().id();
                tokio::task::yield_now().await;
                place.send((before, thread::current().id())).unwrap();
                let _ = stays.changed().await;
            });
        }
        let mut counts = std::collections::HashMap::new();
        for (before, after) in places.iter().take(9) {
            assert_eq!(before, after);
            *counts.entry(before).or_insert(0) += 1;
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    }
}
