//! What the emulator can do: `cargo bench -p local-queue --bench scale`.
//!
//! Figures are printed, never asserted: a slow day is not a failure. Each comparison is taken side by side in one run, in
//! interleaved rounds, as the median.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first thing that goes wrong")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod engine;
mod http;

use std::time::Duration;

fn main() {
    // Before anything else, so that no memory that was freed is used again.
    println!("Memory");
    engine::memory();
    println!("\nEngine, one thread, typed calls");
    engine::operations();
    println!("\nCost of an operation, beside a queue of 1,000 messages");
    engine::scaling();
    println!("\nOver HTTP on loopback, server and clients in one process");
    http::throughput();
    println!("\nWake-up of a long poll by a send");
    http::wake_up();
    println!("\nStart");
    http::start();
}

/// The value below which a share of the values lies.
fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the slice")]
    let index = ((values.len() - 1) as f64 * share).round() as usize;
    values[index]
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Bytes of memory that this process has resident.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}
