//! How `serve` ends: asked once it lets end what is under way, for a while; asked again it ends at once.
//!
//! Signals are heard on a thread of their own, so that nothing can keep them waiting: neither a function nor a terminal that
//! takes no output. So is standard input, if its end is to end the program.

use std::{
    future::pending,
    io::{self, ErrorKind, Read},
    num::ParseIntError,
    process,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use local_queue_terminal::note;
use tokio::sync::{oneshot, watch};

/// How long a line may take to be written by a program that is about to exit.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(200);
/// How often a standard input is read that somebody has set not to block.
const STDIN_INTERVAL: Duration = Duration::from_millis(100);

/// Reads a duration as people write it: `90`, `90s`, `5m` or `1h`.
pub(crate) fn parse_duration(raw: &str) -> Result<Duration, String> {
    let expected = |_: ParseIntError| format!("expected seconds, or a number with s, m or h, such as 90s, not {raw:?}");
    let (number, unit) = match raw.char_indices().next_back() {
        Some((at, 's')) => (&raw[..at], 1),
        Some((at, 'm')) => (&raw[..at], 60),
        Some((at, 'h')) => (&raw[..at], 3_600),
        _ => (raw, 1),
    };
    let number = number.parse::<u32>().map_err(expected)?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

/// When the server ends, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Behaviour")]
pub(crate) struct Ending {
    /// Time limit for stopping after Ctrl-C or SIGTERM: seconds, or a number with s, m or h.
    ///
    /// Functions that still run are then killed. The default stays below the 10 seconds after which Docker kills a container.
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = parse_duration)]
    pub(crate) stop_within: Duration,
    /// Stop when standard input closes, as on SIGTERM.
    ///
    /// For programs that start the server and hold the other end of a pipe: the system closes it when the program ends, even
    /// if it is killed, so that no server is left behind. Input is ignored.
    #[arg(long)]
    until_stdin_closes: bool,
}

/// The program exits where it stands.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Whether the program is to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on. From the first signal on, or from the end of standard input if that counts, everything has
    /// some time to end; then, or with another signal, the functions' processes are killed and the program exits where it
    /// stands.
    pub(crate) fn listen(ending: &Ending) -> anyhow::Result<Self> {
        let within = ending.stop_within;
        let (sender, receiver) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("failed to start listening to signals")?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen().context("failed to start listening to signals")?
        };
        let stdin = ending.until_stdin_closes.then(end_of_stdin).transpose()?;
        let watching = move || {
            runtime.block_on(async {
                let stdin_closes = async {
                    match stdin {
                        // The thread that reads ends only with standard input.
                        Some(closed) => drop(closed.await),
                        None => pending().await,
                    }
                };
                tokio::select! {
                    _ = signals.next() => {}
                    () = stdin_closes => {}
                }
                let _ = sender.send(true);
                tokio::select! {
                    number = signals.next() => end(128 + number, "stopped at once"),
                    () = tokio::time::sleep(within) => {
                        end(1, &format!("stopping took longer than {} s; aborted", within.as_secs()))
                    }
                }
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(watching).context("failed to start a thread")?;
        Ok(Self(receiver))
    }

    /// Waits for the first signal.
    pub(crate) async fn requested(&self) {
        // The thread ends only with the program.
        let _ = self.0.clone().wait_for(|is_requested| *is_requested).await;
    }
}

/// Tells when standard input ends.
fn end_of_stdin() -> anyhow::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    let reading = move || {
        read_to_end(&mut io::stdin().lock());
        let _ = sender.send(());
    };
    thread::Builder::new().name("stdin".to_owned()).spawn(reading).context("failed to start a thread")?;
    Ok(receiver)
}

/// Reads until there is nothing more to come. What cannot be read has nobody at its other end either.
fn read_to_end(input: &mut impl Read) {
    let mut ignored = [0; 1024];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(STDIN_INTERVAL),
            Err(_) => return,
        }
    }
}

/// Says a line without waiting for a reader that does not come.
pub(crate) fn last_line(line: String) {
    let (written, is_written) = mpsc::channel();
    let write = move || {
        note(format_args!("local-queue: {line}"));
        let _ = written.send(());
    };
    if thread::Builder::new().spawn(write).is_ok() {
        let _ = is_written.recv_timeout(LAST_LINE_TIMEOUT);
    }
}

/// Waits for the exit that has begun, if one has: what is killed for it ends the rest of the program too, with another code.
pub(crate) fn give_way() {
    while IS_ENDING.load(Ordering::SeqCst) {
        thread::park();
    }
}

fn end(code: i32, why: &str) -> ! {
    IS_ENDING.store(true, Ordering::SeqCst);
    #[cfg(unix)]
    local_queue::runtime_api::kill_all_functions();
    local_queue::runtime_api::remove_temporary_folders();
    super::ready::withdraw();
    last_line(why.to_owned());
    process::exit(code)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        let _ = tokio::signal::ctrl_c().await;
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it is told to, call by call, and then panics.
    struct Scripted(Vec<io::Result<usize>>);

    impl Read for Scripted {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "it is read after its end");
            self.0.remove(0)
        }
    }

    #[test]
    fn input_is_read_until_it_ends_or_fails_and_not_given_up_where_it_has_nothing_yet() {
        let error = |kind: ErrorKind| Err(io::Error::from(kind));
        for last in [Ok(0), error(ErrorKind::Other)] {
            let mut input = Scripted(vec![Ok(7), error(ErrorKind::WouldBlock), error(ErrorKind::Interrupted), last]);
            read_to_end(&mut input);
            assert!(input.0.is_empty());
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (raw, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("2h", 7_200)] {
            assert_eq!(parse_duration(raw), Ok(Duration::from_secs(seconds)), "{raw}");
        }
        for raw in ["", "s", "-1", "1.5", "5 m", "5d", "\u{e9}"] {
            let error = parse_duration(raw).unwrap_err();
            assert!(error.starts_with("expected seconds"), "{raw}: {error}");
        }
    }
}
