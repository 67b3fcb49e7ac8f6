//! The places for connections. When all are taken, one that only waits makes room for one that may want something, so
//! that connections held open for nothing cannot keep a client out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use super::connection::Activity;

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Places {
    count_max: usize,
    state: Mutex<State>,
    /// A new connection waits for a place.
    is_wanted: AtomicBool,
    /// Rings when a place may have become free, or a connection could give its place up.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    taken: BTreeMap<u64, Arc<Activity>>,
    last: u64,
}

impl Places {
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            count_max: count_max.max(1),
            state: Mutex::default(),
            is_wanted: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Takes a place, if need be that of the connection that has waited longest without a complete request. Waits while
    /// every connection is being answered.
    pub(super) async fn take(self: &Arc<Self>, activity: &Arc<Activity>) -> Place {
        loop {
            if let Some(place) = self.try_take(activity) {
                self.is_wanted.store(false, Ordering::SeqCst);
                return place;
            }
            // Before the search: who begins to wait after it has been skipped will see this.
            self.is_wanted.store(true, Ordering::SeqCst);
            self.ask_longest_waiting_to_end();
            self.changed.notified().await;
        }
    }

    fn try_take(self: &Arc<Self>, activity: &Arc<Activity>) -> Option<Place> {
        let mut state = self.lock();
        if state.taken.len() >= self.count_max {
            return None;
        }
        state.last += 1;
        let id = state.last;
        state.taken.insert(id, Arc::clone(activity));
        Some(Place { places: Arc::clone(self), id })
    }

    /// Looks at every connection, but only when all places are taken; one goes at a time.
    pub(super) fn ask_longest_waiting_to_end(&self) {
        let state = self.lock();
        if state.taken.values().any(|activity| activity.is_asked_to_end()) {
            return;
        }
        let waiting = state.taken.values().filter_map(|activity| Some((activity.waits_since()?, activity)));
        if let Some((_, activity)) = waiting.min_by_key(|(since, _)| *since) {
            activity.ask_to_end();
        }
    }

    /// Connections, and how many there may be.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.lock().taken.len(), self.count_max)
    }

    /// Tells every connection to end when it has answered.
    pub(super) fn finish_all(&self) {
        self.lock().taken.values().for_each(|activity| activity.finish());
    }

    /// Tells every connection to end.
    pub(super) fn order_all_to_end(&self) {
        self.lock().taken.values().for_each(|activity| activity.order_to_end());
    }

    /// Waits until there are no connections.
    pub(super) async fn emptied(&self) {
        while !self.lock().taken.is_empty() {
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with the places in hand")
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
}

impl Place {
    /// Offers the place if it is wanted and the connection waits; to be called after each change.
    pub(super) fn offer(&self, activity: &Activity) {
        if self.places.is_wanted.load(Ordering::SeqCst) && activity.waits_since().is_some() {
            self.places.changed.notify_one();
        }
    }

    /// The connection stays although it was asked to end.
    pub(super) fn keep(&self) {
        self.places.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().taken.remove(&self.id);
        self.places.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use super::*;
    use crate::server::connection::Summons;

    fn summons(activity: &Activity) -> Summons {
        activity.summons(&Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_waited_longest_makes_room() {
        let places = Arc::new(Places::new(2));
        let (answering, idle, new) = (Arc::new(Activity::new()), Arc::new(Activity::new()), Arc::new(Activity::new()));
        let first = places.take(&answering).await;
        answering.begin_answer();
        let second = places.take(&idle).await;

        let taker = tokio::spawn({
            let (places, new) = (Arc::clone(&places), Arc::clone(&new));
            async move { places.take(&new).await }
        });
        let summoned = poll_fn(|cx| match idle.summons(cx) {
            Summons::Nothing => Poll::Pending,
            summons => Poll::Ready(summons),
        });
        assert_eq!(summoned.await, Summons::End);
        assert!(!answering.is_asked_to_end());
        drop(second);
        let third = taker.await.unwrap();
        drop((first, third));
        places.emptied().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_request_has_come_keeps_its_place_and_a_new_one_waits() {
        let places = Arc::new(Places::new(1));
        let (busy, new) = (Arc::new(Activity::new()), Arc::new(Activity::new()));
        let place = places.take(&busy).await;
        let mut taking = Box::pin(places.take(&new));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut taking).await.is_err());
        busy.begin_answer();
        assert_eq!(summons(&busy), Summons::Stay);
        place.keep();
        assert!(tokio::time::timeout(Duration::from_secs(20), &mut taking).await.is_err());

        // As soon as it waits again, it is asked again.
        busy.begin_writing();
        place.offer(&busy);
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut taking).await.is_err());
        assert_eq!(summons(&busy), Summons::End);
        drop(place);
        taking.await;
    }
}
