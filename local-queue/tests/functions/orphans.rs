//! What becomes of the processes of functions when the process that has the functions is killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use libtest_mimic::Trial;
use local_queue::runtime_api::{Orphans, kill_all_functions};

use super::{
    fixture::{Fixture, process_state, until},
    test,
};

/// Makes this program one that has a function with this handler.
pub(crate) const HOST_OF: &str = "HOST_OF";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a process at work does not outlive a kill", || killed("grandchild")),
        test("a process that is stopped does not outlive a kill", || killed("announce")),
        test("a process that has left its session does not outlive a kill", || killed("setsid")),
        test("a process without a parent does not outlive a kill", || killed("daemon")),
        test("a process that nothing gives away does not outlive an end", ended),
    ]
}

/// Invokes a function, prints the lines of its log, and waits; until its input ends, if it adopts orphans.
pub(crate) fn host(handler: &str) -> ! {
    let adopts = handler == "wiped";
    if adopts {
        Orphans::adopt().unwrap();
        std::thread::spawn(|| {
            let _ = std::io::stdin().lines().count();
            kill_all_functions();
            std::process::exit(0);
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::new(handler);
        // One process before, so that the one that stays is not the only one that the watchdog was told of.
        Fixture::new("echo").invoke("r0").await.unwrap();
        // Kept, because an invocation that is dropped ends its process.
        let mut invocation = std::pin::pin!(fixture.invoke("r1"));
        tokio::select! {
            line = fixture.wait_for_line("child ") => println!("{line}"),
            result = &mut invocation => {
                result.unwrap();
                println!("{}", fixture.wait_for_line("child ").await);
            }
        }
        std::future::pending().await
    })
}

fn start(handler: &str) -> (Child, u64) {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.env(HOST_OF, handler).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut host = host.spawn().unwrap();
    let line = BufReader::new(host.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let pid = line.split_once("child ").unwrap().1.trim().parse().unwrap();
    assert!(process_state(pid).is_some(), "{line}");
    (host, pid)
}

async fn ended() {
    let (mut host, pid) = start("wiped");
    drop(host.stdin.take());
    assert!(host.wait().unwrap().success());
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
}

async fn killed(handler: &'static str) {
    let (mut host, pid) = start(handler);
    host.kill().unwrap();
    host.wait().unwrap();
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
}
