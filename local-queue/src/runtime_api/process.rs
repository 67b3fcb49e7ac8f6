//! The process of a runtime: started with an environment of its own in a group of its own, stopped and continued as a group,
//! and killed with all that it has started.

use std::{
    collections::BTreeMap,
    io,
    process::{ExitStatus, Stdio},
};

use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::bootstrap::{Bootstrap, BootstrapError};
#[cfg(unix)]
use super::{orphans::Registered, tree::Roots, watchdog::Watched};

/// A process and all that it has started. Only what has stayed in its group is stopped with it between invocations.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Until all of it is killed.
    group: Option<Group>,
    is_frozen: bool,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

impl Process {
    /// Starts the program with exactly this environment, one of whose variables ends with the mark.
    pub(super) fn start(
        bootstrap: &Bootstrap,
        environment: &BTreeMap<String, String>,
        mark: &str,
    ) -> Result<(Self, ChildStdout, ChildStderr), BootstrapError> {
        let fail = |error| BootstrapError::Failed { path: bootstrap.path.clone(), error };
        let mut command = Command::new(&bootstrap.path);
        command
            .args(&bootstrap.arguments)
            .env_clear()
            .envs(environment)
            .current_dir(&bootstrap.task_root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| fail(explain(error)))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(fail(io::Error::other("its outputs are not there")));
        };
        let group = Group::of_child(&child, mark);
        Ok((Self { child, group, is_frozen: false }, stdout, stderr))
    }

    /// Waits for the end.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// How it has ended, if it has.
    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops the group where it is.
    pub(super) fn freeze(&mut self) {
        self.is_frozen = true;
        self.signal(Signal::Stop);
    }

    /// Lets the group go on.
    pub(super) fn thaw(&mut self) {
        if std::mem::take(&mut self.is_frozen) {
            self.signal(Signal::Continue);
        }
    }

    /// Asks the runtime to end.
    pub(super) fn terminate(&mut self) {
        self.thaw();
        if let Some(group) = &self.group {
            group.signal_leader(Signal::Terminate);
        }
    }

    /// Ends all that belongs to it, and waits until its leader is gone.
    pub(super) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.kill_group();
        self.child.wait().await
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            group.kill();
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = &self.group {
            group.signal(signal);
        }
    }

    /// The most memory that the runtime had in use, in bytes, if the system tells. A process that has ended has none.
    pub(super) fn memory_peak(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.child.id()?);
        peak_of_status(&std::fs::read_to_string(path).ok()?)
    }
}

/// The line `VmHWM:    1234 kB`.
fn peak_of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kibibytes * 1024)
}

/// The file was there a moment ago: what is not found is what the file needs.
fn explain(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return io::Error::other("its dynamic loader does not exist; it may be built for another C library");
    }
    error
}

/// How a process has ended, in the words of Lambda: `exit status 3`, `signal: killed`. Nothing for a plain end.
pub(super) fn describe_end(status: ExitStatus) -> Option<String> {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Some(format!("signal: {}", signal_name(signal)));
    }
    match status.code() {
        Some(0) => None,
        Some(code) => Some(format!("exit status {code}")),
        None => Some("unknown status".to_owned()),
    }
}

/// The words of Go's library, which Lambda's messages have.
#[cfg(unix)]
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    Terminate,
    Stop,
    Continue,
}

/// A process group, by its leader, and all that came of it.
#[cfg(unix)]
#[derive(Debug)]
struct Group {
    leader: rustix::process::Pid,
    mark: String,
    _watched: Watched,
    _registered: Registered,
}

#[cfg(unix)]
impl Group {
    fn of_child(child: &Child, mark: &str) -> Option<Self> {
        let pid = i32::try_from(child.id()?).ok()?;
        let leader = rustix::process::Pid::from_raw(pid)?;
        let (watched, registered) = (Watched::new(pid, mark), Registered::new(pid, mark));
        Some(Self { leader, mark: mark.to_owned(), _watched: watched, _registered: registered })
    }

    const fn number(signal: Signal) -> rustix::process::Signal {
        match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Continue => rustix::process::Signal::CONT,
        }
    }

    /// A group that has ended is not there, which is as good.
    fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.leader, Self::number(signal));
    }

    fn signal_leader(&self, signal: Signal) {
        let _ = rustix::process::kill_process(self.leader, Self::number(signal));
    }

    fn kill(self) {
        let (leaders, marks) = ([self.leader.as_raw_pid()].into(), vec![self.mark]);
        Roots { leaders, marks, children_except: None }.kill();
    }
}

/// Where there are no groups, no process is started: [`BootstrapError::NotUnix`].
#[cfg(not(unix))]
#[derive(Debug)]
struct Group;

#[cfg(not(unix))]
impl Group {
    const fn of_child(_: &Child, _: &str) -> Option<Self> {
        None
    }

    const fn signal(&self, _: Signal) {}

    const fn signal_leader(&self, _: Signal) {}

    const fn kill(self) {}
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_end_of_a_process_is_told_in_the_words_of_lambda() {
        let end = |raw| describe_end(ExitStatus::from_raw(raw));
        assert_eq!(end(0), None);
        assert_eq!(end(3 << 8).as_deref(), Some("exit status 3"));
        assert_eq!(end(9).as_deref(), Some("signal: killed"));
        assert_eq!(end(11).as_deref(), Some("signal: segmentation fault"));
    }

    #[test]
    fn peak_memory_is_read_from_the_status_file() {
        assert_eq!(peak_of_status("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 1 kB\n"), Some(1_263_616));
        assert_eq!(peak_of_status("Name:\tx\n"), None);
    }
}
