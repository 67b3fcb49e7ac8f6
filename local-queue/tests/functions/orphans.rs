//! What becomes of the processes of functions when the process that has the functions is killed.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use libtest_mimic::Trial;

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
    ]
}

/// Invokes a function, prints the lines of its log, and waits.
pub(crate) fn host(handler: &str) -> ! {
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

async fn killed(handler: &'static str) {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.env(HOST_OF, handler).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut host = host.spawn().unwrap();
    let line = BufReader::new(host.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let pid = line.split_once(' ').unwrap().1.parse().unwrap();
    assert!(process_state(pid).is_some(), "{line}");
    host.kill().unwrap();
    host.wait().unwrap();
    until(|| process_state(pid).is_none().then_some(()), || format!("the end of process {pid}")).await;
}
