//! One connection: what it is doing, and how long it may go on.
//!
//! hyper bounds only the time to the end of a header, counted from the moment it begins to wait for one. Here each phase
//! has a bound of its own, so the phases are followed: bytes that come in on an idle connection begin a header, the call
//! of the service ends it, and an answer that is flushed makes the connection idle again.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, Sleep},
};

use super::Bounds;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come of the next request.
    Idle,
    /// A header has begun.
    Header,
    /// A body is being read. The reader has its own clock, because it can still answer.
    Body,
    /// The request is complete. A long poll stays here.
    Answering,
    /// The answer is on its way.
    Writing,
}

/// What a connection is doing, as its socket, its service and the accept loop see it.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    dismissal: Notify,
    /// Whether a receive of this client is to wait no longer: it has ended its side, and perhaps has gone, or it has sent
    /// so much that this could not be seen.
    is_hasty: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// When the last answer was given, or the connection made.
    waits_since: Instant,
    /// Requests whose header has come.
    requests: u64,
    /// Bytes of a next request came before the answer.
    has_read_ahead: bool,
    dismissal: Dismissal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dismissal {
    None,
    /// To end, unless its request has come in the meantime.
    Asked,
    Ordered,
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let state = State {
            phase: Phase::Idle,
            since: now,
            waits_since: now,
            requests: 0,
            has_read_ahead: false,
            dismissal: Dismissal::None,
        };
        Self { state: Mutex::new(state), dismissal: Notify::new(), is_hasty: watch::Sender::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with a connection's state in hand")
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// A header is complete.
    pub(super) fn begin_body(&self) {
        let mut state = self.lock();
        (state.phase, state.since, state.has_read_ahead) = (Phase::Body, Instant::now(), false);
        state.requests += 1;
    }

    /// A request is complete.
    pub(super) fn begin_answer(&self) {
        self.enter(Phase::Answering);
    }

    /// An answer is given to hyper.
    pub(super) fn begin_writing(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        (state.phase, state.since, state.waits_since) = (Phase::Writing, now, now);
    }

    /// Bytes have come. Says how many requests came before if they are of a header.
    pub(super) fn on_read(&self) -> Option<u64> {
        let mut state = self.lock();
        match state.phase {
            Phase::Idle => (state.phase, state.since) = (Phase::Header, Instant::now()),
            Phase::Answering | Phase::Writing => state.has_read_ahead = true,
            Phase::Header | Phase::Body => {}
        }
        (state.phase == Phase::Header).then_some(state.requests)
    }

    /// Says whether a receive of this client may go on waiting.
    pub(super) fn set_hasty(&self, is_hasty: bool) {
        self.is_hasty.send_if_modified(|before| std::mem::replace(before, is_hasty) != is_hasty);
    }

    /// Tells when a receive of this client is to wait no longer.
    pub(super) fn hasty(&self) -> watch::Receiver<bool> {
        self.is_hasty.subscribe()
    }

    /// All that was written has left.
    pub(super) fn on_flushed(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Writing {
            let now = Instant::now();
            let next = if state.has_read_ahead { Phase::Header } else { Phase::Idle };
            (state.phase, state.since, state.waits_since) = (next, now, now);
        }
    }

    pub(super) fn is_answering(&self) -> bool {
        self.lock().phase == Phase::Answering
    }

    /// Until when the present phase may last, if this is not for others to end.
    fn deadline(&self, bounds: &Bounds) -> Option<Instant> {
        let state = self.lock();
        let timeout = match state.phase {
            Phase::Idle => bounds.idle_timeout,
            Phase::Header => bounds.header_timeout,
            Phase::Writing => bounds.answer_timeout,
            Phase::Body | Phase::Answering => return None,
        };
        Some(state.since + timeout)
    }

    /// Since when there has been no complete request, unless there is one now.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.phase != Phase::Answering).then_some(state.waits_since)
    }

    /// Asks the connection to end if it still waits when it has read what has come.
    pub(super) fn ask_to_end(&self) {
        let mut state = self.lock();
        if state.dismissal == Dismissal::None {
            state.dismissal = Dismissal::Asked;
            self.dismissal.notify_one();
        }
    }

    /// Tells the connection to end, whatever it does.
    pub(super) fn order_to_end(&self) {
        self.lock().dismissal = Dismissal::Ordered;
        self.dismissal.notify_one();
    }

    pub(super) fn is_asked_to_end(&self) -> bool {
        self.lock().dismissal != Dismissal::None
    }

    /// Waits to be asked or told.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }

    /// Whether the connection has to go after all; if not, it may be asked again.
    pub(super) fn must_end(&self) -> bool {
        let mut state = self.lock();
        match state.dismissal {
            Dismissal::Ordered => true,
            Dismissal::Asked if state.phase != Phase::Answering => true,
            _ => {
                state.dismissal = Dismissal::None;
                false
            }
        }
    }
}

/// The end of the present phase's time. It is looked at after each poll of the connection, which is what changes phases.
#[derive(Debug)]
pub(super) struct Deadline {
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(bounds.idle_timeout)) }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, activity: &Activity, bounds: &Bounds) -> Poll<()> {
        // Far enough to never come; when a phase with a deadline follows, the connection is polled.
        let far = Duration::from_secs(86_400);
        loop {
            let deadline = activity.deadline(bounds).unwrap_or_else(|| Instant::now() + far);
            // A sleep that ends too early is looked at again; so a busy connection hardly ever touches the timer.
            if deadline < self.sleep.deadline() {
                self.sleep.as_mut().reset(deadline);
            }
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            match activity.deadline(bounds) {
                Some(deadline) if deadline <= now => return Poll::Ready(()),
                Some(deadline) => self.sleep.as_mut().reset(deadline),
                None => self.sleep.as_mut().reset(now + far),
            }
        }
    }
}
