//! Which message of a standard queue is next: fair between tenants.
//!
//! A message's group id names its tenant. AWS (developer guide, "How fair queues work"): a tenant with more than a tenth
//! of the messages in flight, and at least 30 of them, is *noisy*. Quiet tenants' messages go first; among noisy tenants
//! the one with the fewest in flight. A tenant is quiet again when its backlog is gone or when it has sent nothing for
//! five minutes. Messages without a group id are tenants of their own, and so always quiet. Otherwise the message is next
//! that was sent first, also if it was received before and has come back.
//!
//! Only the first ready message of a tenant, its head, is compared with the heads of others, so that a tenant that turns
//! noisy moves one entry, not its backlog. Messages without a group id share one entry here, which is never noisy.

mod image;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{Time, footprint, order::Arrival, ordered_set::OrderedSet, slab::Slab};

const NOISY_IN_FLIGHT_MIN: usize = 30;
const NOISY_SHARE_MIN: usize = 10;
const NOISY_SILENCE_MAX: Duration = Duration::from_secs(300);

/// Where messages without a group id are.
const COMMON: u32 = 0;

#[derive(Debug, Default)]
struct Tenant {
    name: String,
    ready: OrderedSet<Arrival>,
    /// Messages in whatever place; the tenant goes when there are none.
    messages: usize,
    in_flight: usize,
    noisy: bool,
    last_sent_at: Time,
}

/// The ready messages of a standard queue.
#[derive(Debug)]
pub(crate) struct Tenants {
    by_key: Slab<Tenant>,
    by_name: HashMap<String, u32>,
    /// The heads of quiet tenants.
    quiet: BTreeSet<(Arrival, u32)>,
    /// Noisy tenants with something ready, by messages in flight.
    noisy: BTreeSet<(usize, Arrival, u32)>,
    /// All noisy tenants, by when they last sent.
    noisy_by_silence: BTreeSet<(Time, u32)>,
    name_bytes: u64,
}

impl Tenants {
    pub(crate) fn new() -> Self {
        let mut by_key = Slab::default();
        by_key.insert(Tenant::default());
        Self {
            by_key,
            by_name: HashMap::new(),
            quiet: BTreeSet::new(),
            noisy: BTreeSet::new(),
            noisy_by_silence: BTreeSet::new(),
            name_bytes: 0,
        }
    }

    /// Counts a message towards its tenant, and says which that is.
    pub(crate) fn enter(&mut self, group: Option<&str>, now: Time) -> u32 {
        let Some(group) = group else { return COMMON };
        let key = self.by_name.get(group).copied().unwrap_or_else(|| {
            let key = self.by_key.insert(Tenant { name: group.to_owned(), ..Tenant::default() });
            self.by_name.insert(group.to_owned(), key);
            self.name_bytes += footprint::of_group(group);
            key
        });
        self.update(key, |tenant| {
            tenant.messages += 1;
            tenant.noisy &= tenant.last_sent_at + NOISY_SILENCE_MAX > now;
            tenant.last_sent_at = now;
        });
        key
    }

    /// Takes a message from the count of its tenant.
    pub(crate) fn leave(&mut self, key: u32) {
        if key == COMMON {
            return;
        }
        self.update(key, |tenant| tenant.messages -= 1);
        if self.by_key[key].messages == 0 {
            self.update(key, |tenant| tenant.noisy = false);
            let tenant = self.by_key.remove(key).expect("the tenant is in use");
            self.by_name.remove(&tenant.name);
            self.name_bytes -= footprint::of_group(&tenant.name);
        }
    }

    pub(crate) fn insert_ready(&mut self, key: u32, rank: Arrival) {
        self.update(key, |tenant| tenant.ready.insert(rank));
    }

    pub(crate) fn remove_ready(&mut self, key: u32, rank: Arrival) {
        self.update(key, |tenant| {
            tenant.ready.remove(&rank);
            if tenant.ready.is_empty() {
                tenant.noisy = false;
            }
        });
    }

    pub(crate) fn enter_flight(&mut self, key: u32) {
        if key != COMMON {
            self.update(key, |tenant| tenant.in_flight += 1);
        }
    }

    pub(crate) fn leave_flight(&mut self, key: u32) {
        if key != COMMON {
            self.update(key, |tenant| tenant.in_flight -= 1);
        }
    }

    /// What the tenants take of memory.
    pub(crate) const fn name_bytes(&self) -> u64 {
        self.name_bytes
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.quiet.is_empty() || !self.noisy.is_empty()
    }

    /// The slot of the message to hand out next.
    pub(crate) fn next(&mut self, now: Time, in_flight_total: usize) -> Option<u32> {
        while let Some(&(last_sent_at, key)) = self.noisy_by_silence.first()
            && last_sent_at + NOISY_SILENCE_MAX <= now
            && !canary!(NoisyForever)
        {
            self.update(key, |tenant| tenant.noisy = false);
        }
        // A tenant is judged when it comes first, so that nobody else's traffic makes work for it.
        while let Some(&(head, key)) = self.quiet.first() {
            if !self.is_noisy(key, now, in_flight_total) {
                return Some(head.slot());
            }
            self.update(key, |tenant| tenant.noisy = true);
        }
        self.noisy.first().map(|(_, head, _)| head.slot())
    }

    fn is_noisy(&self, key: u32, now: Time, in_flight_total: usize) -> bool {
        let tenant = &self.by_key[key];
        let has_many_in_flight = !canary!(NobodyIsNoisy)
            && tenant.in_flight >= NOISY_IN_FLIGHT_MIN
            && tenant.in_flight * NOISY_SHARE_MIN > in_flight_total;
        key != COMMON && (tenant.noisy || has_many_in_flight) && tenant.last_sent_at + NOISY_SILENCE_MAX > now
    }

    /// What [`next`](Self::next) would hand out, without judging anybody.
    pub(crate) fn upcoming(&self, now: Time, in_flight_total: usize) -> Option<u32> {
        let is_noisy = |key| self.is_noisy(key, now, in_flight_total);
        // At most ten tenants have more than a tenth in flight each, so this looks at a few.
        let quiet = self.quiet.iter().copied().find(|(_, key)| !is_noisy(*key));
        let silent = self.noisy_by_silence.iter().map(|(_, key)| *key).take_while(|key| !is_noisy(*key));
        let silent = silent.filter_map(|key| Some((*self.by_key[key].ready.first()?, key)));
        if let Some((head, _)) = quiet.into_iter().chain(silent).min() {
            return Some(head.slot());
        }
        let about_to_be = self.quiet.iter().map(|(head, key)| (self.by_key[*key].in_flight, *head, *key));
        about_to_be.chain(self.noisy.first().copied()).min().map(|(_, head, _)| head.slot())
    }

    /// Of a noisy tenant its messages in flight, and when it is quiet if it sends nothing more.
    pub(crate) fn noise(&self, key: u32, now: Time, in_flight_total: usize) -> Option<(usize, Time)> {
        let tenant = &self.by_key[key];
        let noise = (tenant.in_flight, tenant.last_sent_at + NOISY_SILENCE_MAX);
        self.is_noisy(key, now, in_flight_total).then_some(noise)
    }

    /// Changes a tenant and keeps the indexes true.
    fn update(&mut self, key: u32, change: impl FnOnce(&mut Tenant)) {
        let tenant = &mut self.by_key[key];
        let before = Indexed::from(&*tenant);
        change(tenant);
        let after = Indexed::from(&*tenant);
        if before == after {
            return;
        }
        if let Some(head) = before.head {
            if before.noisy {
                self.noisy.remove(&(before.in_flight, head, key));
            } else {
                self.quiet.remove(&(head, key));
            }
        }
        if before.noisy {
            self.noisy_by_silence.remove(&(before.last_sent_at, key));
        }
        if let Some(head) = after.head {
            if after.noisy {
                self.noisy.insert((after.in_flight, head, key));
            } else {
                self.quiet.insert((head, key));
            }
        }
        if after.noisy {
            self.noisy_by_silence.insert((after.last_sent_at, key));
        }
    }
}

/// What the indexes know of a tenant. What they do not need to know of a quiet one is left at zero.
#[derive(PartialEq, Eq)]
struct Indexed {
    head: Option<Arrival>,
    noisy: bool,
    in_flight: usize,
    last_sent_at: Time,
}

impl From<&Tenant> for Indexed {
    fn from(tenant: &Tenant) -> Self {
        let (in_flight, last_sent_at) =
            if tenant.noisy { (tenant.in_flight, tenant.last_sent_at) } else { (0, Time::EPOCH) };
        Self { head: tenant.ready.first().copied(), noisy: tenant.noisy, in_flight, last_sent_at }
    }
}
