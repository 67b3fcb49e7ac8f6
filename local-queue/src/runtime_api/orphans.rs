//! The processes of all functions of this process, to be ended together, and what they leave behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    tree::{self, Roots},
    watchdog,
};

/// The leaders of functions that are not over, each with its mark.
static LEADERS: Mutex<BTreeMap<i32, String>> = Mutex::new(BTreeMap::new());

fn leaders() -> MutexGuard<'static, BTreeMap<i32, String>> {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A leader that counts as one until this is dropped.
#[derive(Debug)]
pub(super) struct Registered(i32);

impl Registered {
    pub(super) fn new(leader: i32, mark: &str) -> Self {
        leaders().insert(leader, mark.to_owned());
        Self(leader)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        leaders().remove(&self.0);
    }
}

/// Ends the processes of all functions of this process at once, and all that they have started, without waiting for
/// anything. For a program that is about to exit.
pub fn kill_all_functions() {
    let leaders = leaders().clone();
    let (leaders, marks) = leaders.into_iter().unzip();
    let mut roots = Roots { leaders, marks, children_except: None };
    if is_adopting() {
        roots.children_except = Some(watchdog::pid().into_iter().collect());
    }
    if !roots.leaders.is_empty() || roots.children_except.is_some() {
        roots.kill();
    }
}

#[cfg(target_os = "linux")]
fn is_adopting() -> bool {
    rustix::process::child_subreaper().is_ok_and(|pid| pid.is_some())
}

#[cfg(not(target_os = "linux"))]
fn is_adopting() -> bool {
    false
}

/// What functions leave behind: processes whose parents have ended.
///
/// The system gives such a process to the next of its ancestors that adopts orphans, or else to the first process of all,
/// where nobody could tell whose it was. A program whose children are functions adopts them, so that none of them outlives
/// it, and then has to take note of their ends.
#[derive(Debug, Default)]
pub struct Orphans {
    /// Ends that had not been taken note of when it was looked last.
    seen: BTreeSet<i32>,
}

impl Orphans {
    /// Makes this process the one that adopts. It does that for all that it starts, so it is not for a library to decide.
    pub fn adopt() -> std::io::Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self::default())
    }

    /// Takes note of the ends of children for which nobody else waits: those that were there when this was called last. Says
    /// whether there are others, for which it should be called again in a second.
    pub fn reap(&mut self) -> bool {
        let me = rustix::process::getpid().as_raw_pid();
        let mut ended: BTreeSet<i32> =
            tree::all().iter().filter(|it| it.is_zombie && it.parent == me).map(|it| it.pid).collect();
        let leaders = leaders();
        ended.retain(|pid| !leaders.contains_key(pid) && watchdog::pid() != Some(*pid));
        drop(leaders);
        for pid in ended.intersection(&self.seen).filter_map(|pid| rustix::process::Pid::from_raw(*pid)) {
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
        }
        self.seen = ended.difference(&self.seen).copied().collect();
        !self.seen.is_empty()
    }
}
