//! Bytes and time of this process.

use std::time::Duration;

use cap::Cap;
use cpu_time::ThreadTime;
use peak_alloc::PeakAlloc;
use tests::hostile::examine::Meter;

// Two crates, because an allocator takes `unsafe` code and each does one half. `peak_alloc` counts, and its peak can be set
// back, which that of `cap` and of `stats_alloc` cannot. It counts the old and the new buffer when one grows, as if nothing
// could ever grow in place, so it never says too little. `cap` refuses what exceeds the ceiling, and then either the code
// under test says that it has no memory or the process ends.
#[global_allocator]
static ALLOCATOR: Cap<PeakAlloc> = Cap::new(PeakAlloc, usize::MAX);

/// This process.
pub(crate) struct Process {
    held_bytes: std::cell::Cell<u64>,
    origin: ThreadTime,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self { held_bytes: std::cell::Cell::new(0), origin: ThreadTime::now() }
    }

    /// Sets the ceiling this many bytes above what is held now.
    pub(crate) fn set_ceiling(bytes: u64) {
        let limit = ALLOCATOR.allocated() + usize::try_from(bytes).unwrap();
        ALLOCATOR.set_limit(limit).unwrap();
    }
}

impl Meter for Process {
    fn mark(&self) {
        PeakAlloc.reset_peak_usage();
        self.held_bytes.set(PeakAlloc.peak_usage() as u64);
    }

    fn peak_bytes(&self) -> u64 {
        (PeakAlloc.peak_usage() as u64).saturating_sub(self.held_bytes.get())
    }

    fn cpu(&self) -> Duration {
        self.origin.elapsed()
    }
}
