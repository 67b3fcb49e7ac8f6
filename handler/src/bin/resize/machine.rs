//! What this machine can spare.

use std::num::NonZero;

const MIB: u64 = 1024 * 1024;
/// Where the machine does not say what it has.
const UNKNOWN: u64 = 1024 * MIB;
/// The least that holds one large photo.
const MEMORY_MIN: u64 = 512 * MIB;
/// More than this does not make it faster.
const MEMORY_MAX: u64 = 8192 * MIB;

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Half of the memory that is free, within bounds.
pub(crate) fn memory_bytes() -> u64 {
    let free = available_bytes().into_iter().chain(control_group_bytes()).min();
    (free.unwrap_or(UNKNOWN * 2) / 2).clamp(MEMORY_MIN, MEMORY_MAX)
}

fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A container's limit; the word "max" stands for none.
fn control_group_bytes() -> Option<u64> {
    std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}
