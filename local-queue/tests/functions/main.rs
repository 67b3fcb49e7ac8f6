//! Functions that are processes, and whatever a process can do wrong.
//!
//! The processes are this program: started by a function, it is a runtime ([`runtime`]); started by a test to be killed, it
//! has a function itself ([`orphans`]); else it is the tests.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod fixture;
mod languages;
mod lifecycle;
mod misbehaviour;
mod orphans;
mod runtime;

use libtest_mimic::{Arguments, Trial};

/// Makes an async function a test.
fn test<Run: Future<Output = ()>>(name: &str, run: impl Fn() -> Run + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run());
        Ok(())
    })
}

fn main() -> std::process::ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        runtime::run();
    }
    if let Some(handler) = std::env::var_os(orphans::HOST_OF) {
        orphans::host(handler.to_str().unwrap());
    }
    let tests = lifecycle::tests().into_iter().chain(misbehaviour::tests()).chain(orphans::tests());
    let tests = tests.chain(languages::tests()).collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
