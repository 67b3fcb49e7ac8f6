//! Being told to stop: once is a request, twice is the end.

use std::io;

use local_queue_terminal::note;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What ended a command before its work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Interruption {
    /// The exit code that a shell gives to a program which this signal has ended.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Ctrl-C and SIGTERM, heard from the beginning. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Option<Interruption>>);

impl Stop {
    /// From now on. The first signal is a request to whoever waits for it; the second ends the process at once, whatever
    /// the process does, which is why a thread of its own listens.
    pub(crate) fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        let (request, requested) = watch::channel(None);
        let listening = async move {
            loop {
                let interruption = tokio::select! {
                    _ = interrupt.recv() => Interruption::Interrupt,
                    _ = terminate.recv() => Interruption::Terminate,
                };
                if request.borrow().is_some() {
                    note(format_args!("resize: exited on a second {}", interruption.name()));
                    std::process::exit(interruption.exit_code().into());
                }
                request.send_replace(Some(interruption));
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(listening))?;
        Ok(Self(requested))
    }

    /// Waits for the first.
    pub(crate) async fn requested(&self) -> Interruption {
        let mut requested = self.0.clone();
        match requested.wait_for(Option::is_some).await.ok().and_then(|interruption| *interruption) {
            Some(interruption) => interruption,
            None => std::future::pending().await,
        }
    }

    /// One that a test asks for.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (watch::Sender<Option<Interruption>>, Self) {
        let (request, requested) = watch::channel(None);
        (request, Self(requested))
    }
}
