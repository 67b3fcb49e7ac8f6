//! The bounds of the server on the command line, and what of them the machine has.

use std::{num::NonZeroUsize, time::Duration};

use local_queue::{engine, server::Bounds};

use crate::free_memory::free_bytes;

/// Descriptors that are not for connections: files, functions and their logs, what the runtime needs.
#[cfg(unix)]
const DESCRIPTORS_KEPT: u64 = 256;

/// The least memory for everything, and of it for requests and answers under way: enough for one of the longest.
const MEMORY_BYTES_MIN: usize = 64 * 1024 * 1024;
const UNDER_WAY_BYTES_MIN: usize = 32 * 1024 * 1024;
/// Assumed free memory if the system does not report it.
const UNKNOWN_BYTES: u64 = 1024 * 1024 * 1024;

/// Limits of one client and of all together.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Memory limit for queues, messages, and requests and responses in progress: a SIZE such as 256M or 2G, or off. Above it
    /// sends are answered 503 [default: half of the memory that is free at start]
    #[arg(long, value_name = "SIZE", value_parser = MemoryMax::parse)]
    memory_max: Option<MemoryMax>,
    /// Maximum number of connections. Above it a new connection replaces the one that has been idle longest. The limit is lower
    /// if the system allows fewer descriptors (ulimit -Hn).
    #[arg(long, value_name = "NUMBER", default_value_t = of_default(|it| it.connections_max))]
    connections_max: NonZeroUsize,
    /// Maximum number of waiting receives, at most seven eighths of the connections. Above it receives are answered 503.
    #[arg(long, value_name = "NUMBER", default_value_t = of_default(|it| it.waiting_max))]
    waiting_max: NonZeroUsize,
    /// Maximum size of a request line with its headers.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "32K")]
    header_max: usize,
    /// Maximum size of a request body.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "8M")]
    body_max: usize,
    /// Time limit from the first byte of a request to the end of its headers.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    header_timeout: u32,
    /// Time limit from a response to the first byte of the next request.
    #[arg(long, value_name = "SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u32).range(1..))]
    idle_timeout: u32,
    /// Time limit from the end of the headers to the end of the body.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    body_timeout: u32,
    /// Time limit for the client to read a response.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    answer_timeout: u32,
}

fn of_default(bound: impl FnOnce(&Bounds) -> usize) -> NonZeroUsize {
    NonZeroUsize::new(bound(&Bounds::default())).unwrap_or(NonZeroUsize::MIN)
}

impl Limits {
    /// The bounds, as far as the system has the descriptors.
    pub(crate) fn bounds(&self) -> Bounds {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let connections_max = self.connections_max.get().min(raise_descriptors());
        Bounds {
            connections_max,
            waiting_max: self.waiting_max.get(),
            header_bytes_max: self.header_max,
            header_timeout: seconds(self.header_timeout),
            idle_timeout: seconds(self.idle_timeout),
            body_bytes_max: self.body_max,
            body_timeout: seconds(self.body_timeout),
            answer_timeout: seconds(self.answer_timeout),
            under_way_bytes_max: self.memory().1,
        }
    }
}

impl Limits {
    /// The memory for queues and messages, and that for requests and answers under way.
    fn memory(&self) -> (u64, usize) {
        let bytes_max = match self.memory_max {
            Some(MemoryMax::Off) => return (u64::MAX, Bounds::default().under_way_bytes_max),
            Some(MemoryMax::Bytes(bytes)) => bytes as u64,
            None => free_bytes().map_or(UNKNOWN_BYTES, |free| free / 2).max(MEMORY_BYTES_MIN as u64),
        };
        let under_way = usize::try_from(bytes_max / 4).unwrap_or(usize::MAX);
        let under_way = under_way.clamp(UNDER_WAY_BYTES_MIN, Bounds::default().under_way_bytes_max);
        (bytes_max - under_way as u64, under_way)
    }

    /// The limits of the queues, with the memory that there is for them.
    pub(crate) fn bound(&self, limits: engine::Limits) -> engine::Limits {
        engine::Limits { stored_bytes_max: self.memory().0, ..limits }
    }
}

/// How much memory may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MemoryMax {
    Off,
    Bytes(usize),
}

impl MemoryMax {
    fn parse(raw: &str) -> Result<Self, String> {
        if raw == "off" {
            return Ok(Self::Off);
        }
        match parse_size(raw) {
            Ok(bytes) if bytes >= MEMORY_BYTES_MIN => Ok(Self::Bytes(bytes)),
            Ok(_) => Err("expected at least 64M, or off".to_owned()),
            Err(expected) => Err(format!("{expected}, or off")),
        }
    }
}

/// Asks for as many descriptors as this process may have, and says for how many connections they will do.
#[cfg(unix)]
fn raise_descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let descriptors = if raised { maximum } else { current }.unwrap_or(u64::MAX);
    // Of very few, most are for connections all the same.
    let kept = DESCRIPTORS_KEPT.min(descriptors / 4);
    usize::try_from(descriptors - kept).unwrap_or(usize::MAX).max(1)
}

#[cfg(not(unix))]
const fn raise_descriptors() -> usize {
    usize::MAX
}

/// Reads a number of bytes: `500000`, `64K`, `256M`, `2G`, each of 1,024 of the one before.
pub(crate) fn parse_size(raw: &str) -> Result<usize, String> {
    let upper = raw.to_ascii_uppercase();
    let (number, unit) = [("K", 10), ("M", 20), ("G", 30)]
        .into_iter()
        .find_map(|(suffix, bits)| Some((upper.strip_suffix(suffix)?, bits)))
        .unwrap_or((&upper, 0));
    let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << unit));
    let accepted = || "expected bytes like 500000, 64K, 256M or 2G".to_owned();
    bytes.filter(|bytes| *bytes > 0).ok_or_else(accepted)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_have_units_of_1024_and_nothing_else_passes() {
        let sizes = ["1", "64K", "64k", "3M", "2G"].map(|raw| parse_size(raw).unwrap());
        assert_eq!(sizes, [1, 65_536, 65_536, 3 << 20, 2 << 30]);
        for bad in ["", "0", "0K", "K", "-1", "1.5G", "1 M", "1KB", "99999999999999999999", "99999999999G"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }
}
