//! Ends the processes of functions when this process cannot do it any more, because it was killed itself.
//!
//! A runtime notices when its request for the next invocation fails; one that is at work would work on, and whatever it has
//! started. So there is a small shell in a group of its own that is told of each process group, and kills those that are left
//! as soon as its input ends - however that came about - with all that belongs to them: what `tree` finds, by the same rules.
//!
//! - It is one for all functions, started with the first process; without `/bin/sh` there is none, and nothing else changes.
//! - Telling it never waits. Should it ever not read, it is no longer told anything.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use super::tree;

/// Keeps leaders and marks between blanks. Signals that end the groups of a terminal or a session are not for it. Without
/// `/proc` it knows the groups only.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
own_group=$1 watched=
while read -r change leader mark; do
    item=$leader=$mark
    case $change in
    +) watched="$watched $item " ;;
    -) case $watched in *" $item "*) watched="${watched%%" $item "*}${watched#*" $item "}" ;; esac ;;
    esac
done
leaders=
set --
for item in $watched; do
    leaders="$leaders ${item%%=*} "
    set -- "$@" -e "${item#*=}"
done
[ -n "$leaders" ] || exit 0

has() { case $1 in *" $2 "*) ;; *) return 1 ;; esac; }

read_stat() {
    line=
    while IFS= read -r part; do line=$line$part; done <"$1" || return 1
    pid=${line%% *} fields=${line##*) }
    fields=${fields#* } parent=${fields%% *}
    fields=${fields#* } group=${fields%% *}
    fields=${fields#* } session=${fields%% *}
}

own_session=
read_stat /proc/$$/stat && own_session=$session

members() {
    found=$leaders groups=$leaders sessions= grown=yes
    for file in $(grep -lsF "$@" /proc/[0-9]*/environ); do
        pid=${file#/proc/}
        found="$found ${pid%/environ} "
    done
    while [ -n "$grown" ]; do
        grown=
        for file in /proc/[0-9]*/stat; do
            read_stat "$file" || continue
            case $pid in '' | 1 | $$ | *[!0-9]*) continue ;; esac
            has "$found" "$pid" || has "$found" "$parent" || has "$groups" "$group" || has "$sessions" "$session" ||
                continue
            has "$found" "$pid" || found="$found $pid " grown=yes
            has "$groups $own_group 0 " "$group" || groups="$groups $group " grown=yes
            has "$sessions $own_session 0 " "$session" || sessions="$sessions $session " grown=yes
        done
    done
}

for leader in $leaders; do kill -s STOP -- "-$leader"; done
stopped=
for round in 1 2 3 4 5 6 7 8 9 10; do
    members "$@"
    new=
    for pid in $found; do has "$stopped" "$pid" || { new="$new $pid " && kill -s STOP "$pid"; }; done
    [ -n "$new" ] || break
    stopped=$stopped$new
done
for leader in $leaders; do kill -s KILL -- "-$leader"; done
for pid in $stopped; do kill -s KILL "$pid"; done
"#;

static WATCHDOG: Mutex<State> = Mutex::new(State::Unborn);

enum State {
    Unborn,
    Alive { pid: i32, input: ChildStdin },
    Gone,
}

/// The watchdog's process, if there is one.
pub(super) fn pid() -> Option<i32> {
    match &*WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner) {
        State::Alive { pid, .. } => Some(*pid),
        State::Unborn | State::Gone => None,
    }
}

/// A process group that does not outlive this process, nor does what else has its mark.
#[derive(Debug)]
pub(super) struct Watched {
    leader: i32,
    mark: String,
}

impl Watched {
    pub(super) fn new(leader: i32, mark: &str) -> Self {
        tell('+', leader, mark);
        Self { leader, mark: mark.to_owned() }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        tell('-', self.leader, &self.mark);
    }
}

fn tell(change: char, leader: i32, mark: &str) {
    let mut state = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*state, State::Unborn) {
        *state = start().unwrap_or_else(|error| {
            tracing::debug!(%error, "the watchdog of function processes is not running");
            State::Gone
        });
    }
    if let State::Alive { input, .. } = &mut *state
        // Shorter than what a pipe takes whole or not at all.
        && let Err(error) = input.write_all(format!("{change} {leader} {mark}\n").as_bytes())
    {
        tracing::debug!(%error, "the watchdog of function processes stopped");
        *state = State::Gone;
    }
}

fn start() -> io::Result<State> {
    let mut command = Command::new("/bin/sh");
    let group = tree::own().map_or(0, |own| own.group).to_string();
    command.args(["-c", SCRIPT, "watchdog", &group]).current_dir("/").process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let input = child.stdin.take().ok_or_else(|| io::Error::other("it has no input"))?;
    rustix::io::ioctl_fionbio(&input, true)?;
    // Its end is this process's end: nobody waits for it.
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(State::Alive { pid, input })
}
