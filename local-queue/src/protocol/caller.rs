//! Who asks, as far as a server knows, and what the server gives to a request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::memory::{Memory, Share};

/// How long an answer waits for memory. What it was to hold is invisible to others meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// Bodies from here on are worked on beside others.
const HEAVY_BODY_BYTES: usize = 64 * 1024;
/// Answers from here on, too.
const HEAVY_ANSWER_BYTES: usize = 256 * 1024;
/// Answers up to here are not counted: the system takes them at once.
pub(crate) const LIGHT_BYTES: usize = 16 * 1024;

/// What a server knows of the client of a request, and gives to it.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Whether a receive is to wait no longer, because the client may have gone. Who sets it has the request polled anew.
    is_hasty: Arc<AtomicBool>,
    /// Where the memory for answers comes from.
    memory: Memory,
    /// Where long work is done; nowhere else for what is there already, which must not wait either.
    heavy: Option<HeavyWork>,
}

/// An answer has its share of the memory already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted;

/// Memory for an answer, and how long the answer may be.
#[derive(Debug)]
pub(super) struct Reserved {
    share: Share,
    bytes: usize,
}

#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "only a server has clients"))]
impl Caller {
    pub(crate) const fn new(is_hasty: Arc<AtomicBool>, memory: Memory, heavy: HeavyWork) -> Self {
        Self { is_hasty, memory, heavy: Some(heavy) }
    }
}

impl Caller {
    /// For a request with a long body, which is carried out beside others: where that is done, and who asks there, where
    /// nothing waits.
    pub(super) fn beside(&self, body: &[u8]) -> Option<(HeavyWork, Self)> {
        let heavy = self.heavy.as_ref().filter(|_| body.len() >= HEAVY_BODY_BYTES)?.clone();
        let is_hasty = Arc::new(AtomicBool::new(true));
        Some((heavy, Self { is_hasty, memory: self.memory.clone(), heavy: None }))
    }

    /// Whether a receive is to wait no longer.
    pub(super) fn is_hasty(&self) -> bool {
        self.is_hasty.load(Ordering::Relaxed)
    }

    /// Takes the memory for an answer of so many bytes; an error if there is none in time.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<Option<Reserved>, OutOfMemory> {
        if bytes <= LIGHT_BYTES {
            return Ok(None);
        }
        let patience = if self.heavy.is_some() { PATIENCE } else { Duration::ZERO };
        let share = self.memory.take(bytes, patience).await.ok_or(OutOfMemory)?;
        Ok(Some(Reserved { share, bytes }))
    }

    /// Does work on an answer, beside others if it is long.
    pub(super) async fn work<T: Send + 'static>(
        caller: Option<&Self>,
        reserved: Option<&Reserved>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match caller.and_then(|caller| caller.heavy.as_ref()) {
            Some(heavy) if reserved.is_some_and(|reserved| reserved.bytes >= HEAVY_ANSWER_BYTES) => {
                heavy.run(work).await
            }
            _ => work(),
        }
    }
}

/// There was no memory for an answer in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfMemory;

impl Reserved {
    /// How long the answer is at the most.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer as bytes that count until they are gone.
    pub(super) fn keep_with(self, answer: String) -> Bytes {
        self.share.keep_with(answer)
    }
}

/// Runs what takes long beside the threads on which all requests are answered: few at a time, so that these get their
/// share of the processors.
#[derive(Clone, Debug)]
pub(crate) struct HeavyWork(Arc<Semaphore>);

impl Default for HeavyWork {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(processors.div_ceil(2))))
    }
}

impl HeavyWork {
    /// Runs `work` when its turn has come.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let turn = Arc::clone(&self.0).acquire_owned().await.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match done.await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
