//! One connection: what it is doing, and how long it may go on.
//!
//! hyper bounds only the time to the end of a header, counted from the moment it begins to wait for one. Here each phase
//! has a bound of its own, so the phases are followed: bytes that come in on an idle connection begin a header, the call
//! of the service ends it, and an answer that is flushed makes the connection idle again.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    task::coop::has_budget_remaining,
    time::{Instant, Sleep},
};

use super::Bounds;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing has come of the next request.
    Idle,
    /// A header has begun.
    Header,
    /// A body is being read. At the end of its time the reader is told, because it can still answer.
    Body,
    /// The request is complete. A long poll stays here.
    Answering,
    /// A body is being read by what answers, which sees itself to its time and its bounds.
    Streaming,
    /// The answer is on its way.
    Writing,
}

impl Phase {
    /// Whether the client waits for us and not we for the client.
    const fn is_at_work(self) -> bool {
        matches!(self, Self::Answering | Self::Streaming)
    }
}

/// What a connection is doing, as its socket, its service and the accept loop see it.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// The phase once more, for the connection itself, which alone changes it: most of what it asks needs no lock.
    phase: AtomicU8,
    /// Whether a receive of this client is to wait no longer: it has ended its side, and perhaps has gone, or it has sent
    /// so much that this could not be seen.
    is_hasty: Arc<AtomicBool>,
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
    /// The body has had its time.
    is_body_over: bool,
    dismissal: Dismissal,
    /// The server stops, which the connection has not been told yet.
    is_stopping: bool,
    /// Wakes the connection when it is summoned.
    waker: Option<Waker>,
    /// When the connection was polled. A poll takes no time that a bound would notice, so one look at the clock will do.
    polled_at: Option<Instant>,
}

impl State {
    fn now(&mut self) -> Instant {
        *self.polled_at.get_or_insert_with(Instant::now)
    }

    fn enter(&mut self, phase: Phase, shown: &AtomicU8) {
        (self.phase, self.since) = (phase, self.now());
        shown.store(phase as u8, Ordering::Relaxed);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dismissal {
    None,
    /// To end, unless its request has come in the meantime.
    Asked,
    Ordered,
}

/// What others want of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Summons {
    Nothing,
    /// It has to end now.
    End,
    /// It was asked to end and need not: its request has come. It may be asked again.
    Stay,
    /// The server stops: it is to end when it has answered. This is said once.
    Finish,
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
            is_body_over: false,
            dismissal: Dismissal::None,
            is_stopping: false,
            waker: None,
            polled_at: None,
        };
        Self { state: Mutex::new(state), phase: AtomicU8::new(Phase::Idle as u8), is_hasty: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with a connection's state in hand")
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// A header is complete.
    pub(super) fn begin_body(&self) {
        let mut state = self.lock();
        state.enter(Phase::Body, &self.phase);
        (state.has_read_ahead, state.is_body_over) = (false, false);
        state.requests += 1;
    }

    /// Ends the time of a body, if one is being read; who reads it is to be polled then.
    pub(super) fn end_body(&self) -> bool {
        let mut state = self.lock();
        let is_body = state.phase == Phase::Body;
        state.is_body_over |= is_body;
        is_body
    }

    /// Whether the body has had its time.
    pub(super) fn is_body_over(&self) -> bool {
        self.lock().is_body_over
    }

    /// A request is complete.
    pub(super) fn begin_answer(&self) {
        self.lock().phase = Phase::Answering;
        self.phase.store(Phase::Answering as u8, Ordering::Relaxed);
    }

    /// A body is about to be read by what answers.
    pub(super) fn begin_streaming(&self) {
        self.lock().phase = Phase::Streaming;
        self.phase.store(Phase::Streaming as u8, Ordering::Relaxed);
    }

    /// An answer is given to hyper.
    pub(super) fn begin_writing(&self) {
        let mut state = self.lock();
        state.enter(Phase::Writing, &self.phase);
        state.waits_since = state.since;
    }

    /// Bytes have come. Says how many requests came before if they are of a header.
    pub(super) fn on_read(&self) -> Option<u64> {
        if self.is_in(Phase::Body) || self.is_in(Phase::Streaming) {
            return None;
        }
        let mut state = self.lock();
        match state.phase {
            Phase::Idle => state.enter(Phase::Header, &self.phase),
            Phase::Answering | Phase::Writing => state.has_read_ahead = true,
            Phase::Header | Phase::Body | Phase::Streaming => {}
        }
        (state.phase == Phase::Header).then_some(state.requests)
    }

    /// Says whether a receive of this client may go on waiting. Says whether that is new; then the connection is to be
    /// polled, which polls the receive.
    pub(super) fn set_hasty(&self, is_hasty: bool) -> bool {
        self.is_hasty.swap(is_hasty, Ordering::Relaxed) != is_hasty
    }

    /// What tells whether a receive of this client is to wait no longer.
    pub(super) fn hasty(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_hasty)
    }

    /// All that was written has left.
    pub(super) fn on_flushed(&self) {
        if self.is_in(Phase::Writing) {
            let mut state = self.lock();
            let next = if state.has_read_ahead { Phase::Header } else { Phase::Idle };
            state.enter(next, &self.phase);
            state.waits_since = state.since;
        }
    }

    pub(super) fn is_answering(&self) -> bool {
        self.is_in(Phase::Answering)
    }

    /// Until when the present phase may last, if this is not for others to end.
    fn deadline(&self, bounds: &Bounds) -> Option<Instant> {
        let state = self.lock();
        let timeout = match state.phase {
            Phase::Idle => bounds.idle_timeout,
            Phase::Header => bounds.header_timeout,
            Phase::Writing => bounds.answer_timeout,
            Phase::Body if !state.is_body_over => bounds.body_timeout,
            Phase::Body | Phase::Answering | Phase::Streaming => return None,
        };
        Some(state.since + timeout)
    }

    /// Since when there has been no complete request, unless there is one now.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let state = self.lock();
        (!state.phase.is_at_work()).then_some(state.waits_since)
    }

    /// Asks the connection to end if it still waits when it has read what has come.
    pub(super) fn ask_to_end(&self) {
        let mut state = self.lock();
        if state.dismissal == Dismissal::None {
            state.dismissal = Dismissal::Asked;
            state.wake();
        }
    }

    /// Tells the connection to end, whatever it does.
    pub(super) fn order_to_end(&self) {
        let mut state = self.lock();
        state.dismissal = Dismissal::Ordered;
        state.wake();
    }

    /// Tells the connection to end when it has answered.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.is_stopping = true;
        state.wake();
    }

    pub(super) fn is_asked_to_end(&self) -> bool {
        self.lock().dismissal != Dismissal::None
    }

    /// What is wanted of the connection, to be asked at the end of each poll: whoever polls is woken when there is more.
    pub(super) fn summons(&self, cx: &Context<'_>) -> Summons {
        let mut state = self.lock();
        let state = &mut *state;
        state.polled_at = None;
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        match state.dismissal {
            Dismissal::Ordered => Summons::End,
            Dismissal::Asked if !state.phase.is_at_work() => Summons::End,
            Dismissal::Asked => {
                state.dismissal = Dismissal::None;
                Summons::Stay
            }
            Dismissal::None if std::mem::take(&mut state.is_stopping) => Summons::Finish,
            Dismissal::None => Summons::Nothing,
        }
    }
}

/// The end of the present phase's time. It is looked at after each poll of the connection, which is what changes phases.
#[derive(Debug)]
pub(super) struct Deadline {
    sleep: Pin<Box<Sleep>>,
    /// Whom the sleep wakes.
    waker: Option<Waker>,
}

impl Deadline {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(bounds.idle_timeout)), waker: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, activity: &Activity, bounds: &Bounds) -> Poll<()> {
        // Far enough to never come; when a phase with a deadline follows, the connection is polled.
        let far = Duration::from_secs(86_400);
        loop {
            // A sleep that ends too early is looked at again; so a busy connection hardly ever touches the timer.
            if let Some(deadline) = activity.deadline(bounds)
                && deadline < self.sleep.deadline()
            {
                self.sleep.as_mut().reset(deadline);
                self.waker = None;
            }
            // It has been told whom to wake.
            let is_asleep = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if is_asleep && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            // A task that has used its turn up is polled anew, before which the sleep does not look at it.
            self.waker = has_budget_remaining().then(|| cx.waker().clone());
            ready!(self.sleep.as_mut().poll(cx));
            self.waker = None;
            let now = Instant::now();
            match activity.deadline(bounds) {
                Some(deadline) if deadline <= now => return Poll::Ready(()),
                Some(deadline) => self.sleep.as_mut().reset(deadline),
                None => self.sleep.as_mut().reset(now + far),
            }
        }
    }
}
