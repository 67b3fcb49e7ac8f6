//! What one client may ask of the server: every size and every wait, in one table.

use std::time::Duration;

/// Sizes and waits. A long poll is the one wait that is not here: it ends at its own time, or when its client goes.
///
/// Memory is bounded by them: a connection holds at most one header and little more, and all bodies and answers share
/// [`under_way_bytes_max`](Self::under_way_bytes_max).
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections at the same time, at least one. When all places are taken, a new connection gets the place of the
    /// one that has waited longest without a complete request; if all are being answered, it waits.
    pub connections_max: usize,
    /// Receives that wait for a message at the same time, so that they never take all places; of few connections, seven
    /// of eight. One more is answered 503.
    pub waiting_max: usize,
    /// Bytes of a request's line and header together.
    pub header_bytes_max: usize,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// From an answer, or from the connection's start, to the first byte of the next request.
    pub idle_timeout: Duration,
    /// Bytes of a body: a full batch of 1 MiB whose every character is escaped in JSON, with room for its envelope.
    pub body_bytes_max: usize,
    /// Bytes of all requests and answers under way, apart from small ones. A body counts three times, for what it is read
    /// into. When they are all taken, a request is answered 503 before anything is done.
    pub under_way_bytes_max: usize,
    /// From the end of the header to the end of the body.
    pub body_timeout: Duration,
    /// From the answer's first byte until the client has taken the last.
    pub answer_timeout: Duration,
}

impl Bounds {
    /// Receives that may wait: some places are always left for others.
    pub(super) fn waiting_max(&self) -> usize {
        let others = self.connections_max.div_ceil(8).max(1);
        self.waiting_max.min(self.connections_max.saturating_sub(others)).max(1)
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 12_288,
            waiting_max: 10_240,
            header_bytes_max: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_bytes_max: 8 * 1024 * 1024,
            under_way_bytes_max: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
        }
    }
}
