//! All that a function has started, wherever it has gone: found in `/proc`, stopped, and killed.
//!
//! A process belongs to a function if it is its leader, a child of one that belongs to it, in a process group or a session of
//! one that does, or if its environment has the function's mark. So neither `setsid` nor a parent that ends hides it; only
//! one that does both and wipes its environment is known to nobody but the system, which gives it to the process that adopts
//! orphans ([`Orphans`](super::Orphans)).

use std::{collections::BTreeSet, fs};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often new members are looked for among processes of which none that is known runs any more.
const ROUNDS_MAX: usize = 10;

/// A process, by the line in `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// 0 if its leader is outside of this namespace of processes, as in a container that was entered; so is the session.
    pub(super) group: i32,
    session: i32,
    pub(super) is_zombie: bool,
}

impl Entry {
    /// `PID (NAME) STATE PARENT GROUP SESSION ...`, where the name may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let pid = stat.split_once(' ')?.0.parse().ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let is_zombie = matches!(fields.next()?, "Z" | "X");
        let mut number = || fields.next()?.parse().ok();
        Some(Self { pid, parent: number()?, group: number()?, session: number()?, is_zombie })
    }
}

/// This process, by the numbers that `/proc` has for it: the functions of the system that ask for its group and session know
/// none where the leaders of these are outside of this namespace of processes.
pub(super) fn own() -> Option<Entry> {
    Entry::parse(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// All processes of this machine; none where there is no `/proc`.
pub(super) fn all() -> Vec<Entry> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    pids.filter_map(|entry| Entry::parse(&fs::read_to_string(entry.path().join("stat")).ok()?)).collect()
}

/// Whose processes are meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    /// The leaders of process groups.
    pub(super) leaders: BTreeSet<i32>,
    /// What ends a variable of their environments, and of no others.
    pub(super) marks: Vec<String>,
    /// Children of this process too, but for these.
    pub(super) children_except: Option<BTreeSet<i32>>,
}

impl Roots {
    /// Ends all of them at once. First each is stopped, and then those that it had started until then: who is stopped
    /// starts nobody, and keeps its children its own.
    pub(super) fn kill(&self) {
        for leader in &self.leaders {
            signal_group(*leader, Signal::STOP);
        }
        let mut stopped = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let new: Vec<i32> = self.members(&all()).difference(&stopped).copied().collect();
            if new.is_empty() {
                break;
            }
            for pid in &new {
                signal(*pid, Signal::STOP);
            }
            stopped.extend(new);
        }
        for leader in &self.leaders {
            signal_group(*leader, Signal::KILL);
        }
        for pid in &stopped {
            signal(*pid, Signal::KILL);
        }
    }

    fn members(&self, all: &[Entry]) -> BTreeSet<i32> {
        let Some(own) = own() else { return BTreeSet::new() };
        let is_marked = |pid: i32| self.is_marked(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
        members(all, own, |entry| {
            let is_child = |except: &BTreeSet<i32>| entry.parent == own.pid && !except.contains(&entry.pid);
            self.leaders.contains(&entry.pid)
                || self.leaders.contains(&entry.group)
                || self.children_except.as_ref().is_some_and(is_child)
                || is_marked(entry.pid)
        })
    }

    fn is_marked(&self, environment: &[u8]) -> bool {
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| self.marks.iter().any(|mark| variable.ends_with(mark.as_bytes())))
    }
}

/// The processes that belong to those for which `is_root` says so. What has only its end left is none, nor is this process,
/// whose group and session have others in them.
fn members(all: &[Entry], own: Entry, is_root: impl Fn(&Entry) -> bool) -> BTreeSet<i32> {
    let all: Vec<_> = all.iter().filter(|entry| entry.pid != own.pid && entry.pid != 1).collect();
    let mut found: BTreeSet<i32> = all.iter().filter(|entry| is_root(entry)).map(|entry| entry.pid).collect();
    let (mut groups, mut sessions) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let before = found.len();
        for entry in &all {
            let belongs = found.contains(&entry.pid)
                || found.contains(&entry.parent)
                || groups.contains(&entry.group)
                || sessions.contains(&entry.session);
            if belongs {
                found.insert(entry.pid);
                groups.extend(Some(entry.group).filter(|group| *group != own.group && *group != 0));
                sessions.extend(Some(entry.session).filter(|session| *session != own.session && *session != 0));
            }
        }
        if found.len() == before {
            return all
                .iter()
                .filter(|entry| !entry.is_zombie && found.contains(&entry.pid))
                .map(|it| it.pid)
                .collect();
        }
    }
}

/// A process that has ended is not there, which is as good.
fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

fn signal_group(leader: i32, signal: Signal) {
    if let Some(leader) = Pid::from_raw(leader) {
        let _ = kill_process_group(leader, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Entry = Entry { pid: 10, parent: 5, group: 10, session: 5, is_zombie: false };

    fn entry(pid: i32, parent: i32, group: i32, session: i32) -> Entry {
        Entry { pid, parent, group, session, is_zombie: false }
    }

    fn members_of(leader: i32, all: &[Entry]) -> Vec<i32> {
        members(all, OWN, |entry| entry.pid == leader || entry.group == leader).into_iter().collect()
    }

    #[test]
    fn a_line_is_read_whatever_the_name_is() {
        for name in ["sh", "a b", "a) R 1 1 1 (b", "x\ny"] {
            let line = format!("42 ({name}) S 7 41 40 0 -1 4194560\n");
            assert_eq!(Entry::parse(&line), Some(entry(42, 7, 41, 40)), "{name}");
        }
        assert!(Entry::parse("42 (sh) Z 7 41 40 0\n").unwrap().is_zombie);
        assert_eq!(Entry::parse("42 (sh"), None);
    }

    #[test]
    fn children_groups_and_sessions_belong_to_a_function_and_nothing_of_ours_does() {
        let all = [
            entry(1, 0, 1, 1),
            entry(10, 5, 10, 5),
            // The function, its child, and one that called setsid with a child of its own.
            entry(20, 10, 20, 5),
            entry(21, 20, 20, 5),
            entry(22, 20, 22, 22),
            entry(23, 22, 22, 22),
            // Its parent has ended: in a session of the function's; and in a group that is.
            entry(24, 1, 24, 22),
            entry(25, 1, 20, 5),
            // Another function, the shell, a child of this process in its group, and a stranger.
            entry(30, 10, 30, 5),
            entry(5, 1, 5, 5),
            entry(11, 10, 10, 5),
            entry(99, 1, 99, 99),
        ];
        assert_eq!(members_of(20, &all), [20, 21, 22, 23, 24, 25]);
        assert_eq!(members_of(30, &all), [30]);
        // The leader has ended; what it has left behind is found by its group.
        assert_eq!(members_of(20, &all[3..]), [21, 25]);
    }

    #[test]
    fn what_is_led_from_outside_of_the_namespace_is_a_group_of_nobody() {
        // A shell in a container that was entered, what it runs beside this process, a function, and what that has started.
        let own = Entry { group: 0, session: 0, ..OWN };
        let all = [entry(1, 0, 1, 1), own, entry(5, 0, 0, 0), entry(20, 10, 20, 0), entry(21, 20, 21, 21)];
        let of_function = |entry: &Entry| entry.pid == 20;
        assert_eq!(Vec::from_iter(members(&all, own, of_function)), [20, 21]);
        // This process called setsid, so that its numbers are its own.
        let all = [OWN, entry(5, 0, 0, 0), entry(20, 10, 20, 0), entry(21, 20, 0, 0)];
        assert_eq!(Vec::from_iter(members(&all, OWN, of_function)), [20, 21]);
    }

    #[test]
    fn an_end_that_nobody_has_looked_at_is_none_and_leads_to_its_children() {
        let all = [Entry { is_zombie: true, ..entry(20, 10, 20, 5) }, entry(22, 20, 22, 22)];
        assert_eq!(members_of(20, &all), [22]);
    }

    #[test]
    fn a_mark_is_the_end_of_a_variable() {
        let roots = Roots { marks: vec!["]0123abcd".to_owned()], ..Roots::default() };
        assert!(roots.is_marked(b"A=b\0STREAM=2026/[$LATEST]0123abcd\0"));
        assert!(!roots.is_marked(b"A=b\0STREAM=2026/[$LATEST]0123abcde\0"));
        assert!(!roots.is_marked(b""));
    }
}
