//! Ends the processes of functions when this process cannot do it any more, because it was killed itself.
//!
//! A runtime notices when its request for the next invocation fails; one that is at work would work on, and whatever it has
//! started. So there is a small shell in a group of its own that is told of each process group, and kills those that are left
//! as soon as its input ends - however that came about.
//!
//! - It is one for all functions, started with the first process; without `/bin/sh` there is none, and nothing else changes.
//! - Telling it never waits. Should it ever not read, it is no longer told anything.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Keeps the groups between blanks. Signals that end the groups of a terminal or a session are not for it.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=
while read -r change; do
    group=${change#?}
    case $change in
    +*) groups="$groups $group " ;;
    -*) case $groups in *" $group "*) groups="${groups%%" $group "*}${groups#*" $group "}" ;; esac ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
"#;

static WATCHDOG: Mutex<State> = Mutex::new(State::Unborn);

enum State {
    Unborn,
    Alive(ChildStdin),
    Gone,
}

/// A process group that does not outlive this process.
#[derive(Debug)]
pub(super) struct Watched(u32);

impl Watched {
    pub(super) fn new(group: u32) -> Self {
        tell('+', group);
        Self(group)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(change: char, group: u32) {
    let mut state = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*state, State::Unborn) {
        *state = start().unwrap_or_else(|error| {
            tracing::debug!(%error, "nobody watches over the processes of functions");
            State::Gone
        });
    }
    if let State::Alive(input) = &mut *state
        // Shorter than what a pipe takes whole or not at all.
        && let Err(error) = input.write_all(format!("{change}{group}\n").as_bytes())
    {
        tracing::debug!(%error, "the processes of functions are no longer watched over");
        *state = State::Gone;
    }
}

fn start() -> io::Result<State> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).current_dir("/").process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let input = child.stdin.take().ok_or_else(|| io::Error::other("it has no input"))?;
    rustix::io::ioctl_fionbio(&input, true)?;
    // Its end is this process's end: nobody waits for it.
    Ok(State::Alive(input))
}
