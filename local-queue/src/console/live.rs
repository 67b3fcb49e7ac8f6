//! Tells pages that are open when something has changed.
//!
//! A page that hears of a change asks for itself anew, so that there is one place where pages are made. What there is is
//! looked at only while a page is open, at most four times a second, and once for all pages.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{Shown, functions, rates::History};
use crate::{LocalQueue, developer::activity::Activity, lambda_api::LambdaApi};

/// How often what there is is looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// After so much silence a word is sent, by which a client that has gone is noticed.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The first event: how soon a browser reconnects.
const GREETING: &[u8] = b"retry: 1000\n\n";

/// What all open pages have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    seen: Arc<Mutex<Option<(Instant, u64)>>>,
    history: Arc<Mutex<History>>,
}

impl Live {
    /// The events of one page.
    pub(crate) fn events(&self, shown: Shown<'_>) -> EventStream {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (live, queues, lambda) = (self.clone(), shown.queues.clone(), shown.lambda.cloned());
        let activity = shown.activity.clone();
        EventStream { live, queues, lambda, activity, ticks, told: None, spoke_at: Instant::now() }
    }

    /// How fast messages have come and gone while pages were open.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().expect("nothing panics while it counts")
    }

    /// What stands for all that pages show, and changes with it.
    fn look(&self, queues: &LocalQueue, lambda: Option<&LambdaApi>) -> u64 {
        let mut seen = self.seen.lock().expect("nothing panics while it looks");
        let now = Instant::now();
        match *seen {
            Some((at, mark)) if now.duration_since(at) < INTERVAL => mark,
            _ => {
                let mut history = self.history();
                history.sample(queues);
                seen.insert((now, mark(queues, lambda, history.version()))).1
            }
        }
    }
}

fn mark(queues: &LocalQueue, lambda: Option<&LambdaApi>, rates: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    rates.hash(&mut hasher);
    queues.call(|engine, now| {
        let arns = engine.queues().cloned().collect::<Vec<_>>();
        for arn in arns {
            let Ok(attributes) = engine.queue_attributes(now, arn.as_str()) else { continue };
            arn.as_str().hash(&mut hasher);
            let counts = [attributes.messages, attributes.messages_delayed, attributes.messages_not_visible];
            (counts, attributes.modified_at.as_millis()).hash(&mut hasher);
            for task in engine.move_tasks(now, arn.as_str()).unwrap_or_default() {
                (task.moved, std::mem::discriminant(&task.status)).hash(&mut hasher);
            }
        }
        engine.waiting_receives().hash(&mut hasher);
    });
    // Of a message that took another's place no count tells, but the request that brought it does.
    queues.request_counts().all().hash(&mut hasher);
    for injected in queues.faults().list() {
        (injected.id.0, injected.struck).hash(&mut hasher);
    }
    if let Some(clock) = queues.clock().as_manual() {
        clock.now().as_millis().hash(&mut hasher);
    }
    if let Some(lambda) = lambda {
        functions::mark(lambda, &mut hasher);
    }
    hasher.finish()
}

/// Server-sent events: one `change` for each time that something has changed.
#[derive(Debug)]
pub(crate) struct EventStream {
    live: Live,
    queues: LocalQueue,
    lambda: Option<LambdaApi>,
    activity: Activity,
    ticks: Interval,
    told: Option<u64>,
    spoke_at: Instant,
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let now = ready!(self.ticks.poll_tick(cx));
            let Self { queues, lambda, activity, .. } = &*self;
            activity.keep_watched();
            let mark = self.live.look(queues, lambda.as_ref());
            let words: &'static [u8] = match self.told.replace(mark) {
                None => GREETING,
                Some(told) if told != mark => b"event: change\ndata:\n\n",
                Some(_) if now.duration_since(self.spoke_at) >= SILENCE_MAX => b":\n\n",
                Some(_) => continue,
            };
            self.spoke_at = now;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(words)))));
        }
    }
}
