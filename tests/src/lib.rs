//! The harness of the tests that cross crates.
//!
//! - [`stack`]: queue, dead-letter queue, event source mapping and the handler's batch, wired up in virtual time.
//! - [`jobs`]: messages to submit, and what has to become of each.
//! - [`faults`]: a storage that misbehaves as it was planned to.
//! - [`hostile`]: images that nobody means well with, and what must hold for each.
//! - [`https_client`]: a client that trusts one certificate.
//! - [`ledger`]: what happened to each message, and whether it should have.
//! - [`binaries`]: the product's own programs, as cargo has built them.
//! - [`s3_folder`]: an S3 server over a folder.
//!
//! Everything is drawn from a seed. A test that fails says which seed it was ([`SeedOnFailure`]), and `SEED=7 cargo test`
//! runs that seed alone.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

pub mod binaries;
pub mod faults;
pub mod hostile;
pub mod https_client;
pub mod jobs;
pub mod ledger;
pub mod s3_folder;
pub mod s3_recording;
pub mod stack;

/// The seeds of a test: as many as it asks for, unless the environment names one (`SEED`) or wants more (`SEEDS`).
#[must_use]
pub fn seeds(count: u64) -> Vec<u64> {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is not a whole number")))
    };
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("SEEDS").unwrap_or(count)).collect(),
    }
}

/// Says how to repeat a test that panics while this is alive.
#[derive(Debug)]
pub struct SeedOnFailure(pub u64);

impl Drop for SeedOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!("repeat with: SEED={} cargo test -p tests {test}", self.0);
        }
    }
}
