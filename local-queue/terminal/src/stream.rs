//! One standard stream: what was written to it, and what became of that.

use std::io::{self, ErrorKind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The state of a stream. The stream itself is an argument, so that a test can put another in its place.
pub(crate) struct Stream {
    is_closed: AtomicBool,
    failure: OnceLock<io::Error>,
}

impl Stream {
    pub(crate) const fn new() -> Self {
        Self { is_closed: AtomicBool::new(false), failure: OnceLock::new() }
    }

    /// Writes all bytes, unless nobody reads any more.
    pub(crate) fn write(&self, to: &mut impl io::Write, bytes: &[u8]) {
        if !self.is_closed.load(Ordering::Relaxed) {
            self.note(to.write_all(bytes));
        }
    }

    pub(crate) fn flush(&self, to: &mut impl io::Write) {
        if !self.is_closed.load(Ordering::Relaxed) {
            self.note(to.flush());
        }
    }

    /// The first write that failed for another reason than a closed pipe.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.get()
    }

    fn note(&self, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_closed.store(true, Ordering::Relaxed),
            // Later writes are tried again: a disk may have room again, and what is whole by then is worth having.
            Err(error) => drop(self.failure.set(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every write in the same way, and counts them.
    struct Failing(ErrorKind, u32);

    impl io::Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_silence() {
        let (stream, mut pipe) = (Stream::new(), Failing(ErrorKind::BrokenPipe, 0));
        stream.write(&mut pipe, b"one");
        stream.write(&mut pipe, b"two");
        assert!(stream.failure().is_none());
        assert_eq!(pipe.1, 1, "nothing is written to a pipe that is known to be closed");
    }

    #[test]
    fn a_full_disk_is_remembered() {
        let (stream, mut disk) = (Stream::new(), Failing(ErrorKind::StorageFull, 0));
        stream.write(&mut disk, b"one");
        stream.write(&mut Vec::new(), b"two");
        assert_eq!(stream.failure().map(io::Error::kind), Some(ErrorKind::StorageFull));
    }
}
