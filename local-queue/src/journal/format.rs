//! What the files of a journal look like.
//!
//! A file begins with a header: `LQJOURNL`, the version of this format (4 bytes), the length of what follows (4 bytes), the
//! CRC-32C of version, length and what follows, and what a [`Header`] holds. Frames come after it: the length of the payload
//! (4 bytes), the CRC-32C of all but these first 8 bytes and of the length, a number (8 bytes), for how many before it
//! nobody knew that they were on the disk when it was written (4 bytes), and the payload. All numbers are little-endian.
//!
//! - A *segment* holds records: one frame each, numbered on from the segment before. It may end in zeros.
//! - A *snapshot* holds the state after a record, in frames that are numbered from 1; the last is empty.

use std::time::Duration;

use super::{disk::Disk, error::JournalError};
use crate::{
    engine::{
        Limits, Time,
        codec::{Decoder, Encoder, Malformed},
    },
    receipt_handle::Secret,
};

const MAGIC: &[u8; 8] = b"LQJOURNL";
/// The format that is written. A file of a later one is refused.
pub(crate) const VERSION: u32 = 1;
const HEADER_FIXED: usize = 20;
/// A header is far smaller; one that says otherwise is none.
const HEADER_MAX: usize = 64 * 1024;
/// Bytes of a frame without its payload.
pub(crate) const FRAME: usize = 20;
/// Bytes of a record at most: one request, of which SQS's own limit lets through a little over a megabyte.
pub(crate) const PAYLOAD_MAX: usize = 256 * 1024 * 1024;

const SEGMENT: &str = ".log";
const SNAPSHOT: &str = ".snapshot";
/// What is being written, and is nothing yet.
pub(crate) const UNFINISHED: &str = ".tmp";

/// The name of a segment whose first record has this number.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT}")
}

/// The name of the snapshot of the state after this record.
pub(crate) fn snapshot_name(after: u64) -> String {
    format!("{after:020}{SNAPSHOT}")
}

/// The number in the name of a segment.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    number(name, SEGMENT)
}

/// The number in the name of a snapshot.
pub(crate) fn snapshot_number(name: &str) -> Option<u64> {
    number(name, SNAPSHOT)
}

fn number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// What must be known to read the rest of a file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// The version of the program that wrote it.
    pub(crate) program: String,
    pub(crate) is_snapshot: bool,
    /// Of a segment the number of its first record, of a snapshot that of the last record in its state.
    pub(crate) number: u64,
    /// When it was begun, by the clock of the queues.
    pub(crate) begun_at: Time,
    /// Whether a process began with this segment: who waited before does not wait any more.
    pub(crate) begins_anew: bool,
    /// How many numbers and identifiers were left out then, because some may have been given and forgotten.
    pub(crate) skipped: u64,
    /// Whether answers did not wait for the disk.
    pub(crate) is_relaxed: bool,
    pub(crate) seed: u64,
    pub(crate) secret: Secret,
    /// By what the engine knows its handles, which follows from the secret.
    pub(crate) store: u64,
    /// What ARNs begin with that are written without it.
    pub(crate) prefix: String,
    pub(crate) limits: Limits,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut to = Encoder::new(&mut body, "");
        to.text(&self.program);
        to.flag(self.is_snapshot);
        to.number(self.number);
        to.time(self.begun_at);
        to.flag(self.begins_anew);
        to.number(self.skipped);
        to.flag(self.is_relaxed);
        to.number(self.seed);
        to.array(self.secret.bytes());
        to.text(&self.prefix);
        encode_limits(&self.limits, &mut to);
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let fixed = [VERSION.to_le_bytes(), len.to_le_bytes()].concat();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&fixed), &body);
        [MAGIC.as_slice(), &fixed, &crc.to_le_bytes(), &body].concat()
    }

    /// The header at the beginning of a file, and where it ends.
    pub(crate) fn decode(file: &[u8]) -> Result<(Self, usize), HeaderError> {
        let (fixed, rest) = file.split_at_checked(HEADER_FIXED).ok_or(HeaderError::Damaged)?;
        let four = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let (version, len, crc) = (four(8), four(12), four(16));
        if fixed[..8] != *MAGIC {
            return Err(HeaderError::Foreign);
        }
        if version > VERSION {
            return Err(HeaderError::Newer { version });
        }
        let len = usize::try_from(len).ok().filter(|len| *len <= HEADER_MAX).ok_or(HeaderError::Damaged)?;
        let body = rest.get(..len).ok_or(HeaderError::Damaged)?;
        if crc32c::crc32c_append(crc32c::crc32c(&fixed[8..16]), body) != crc {
            return Err(HeaderError::Damaged);
        }
        let header = Self::decode_body(body).map_err(|_| HeaderError::Damaged)?;
        Ok((header, HEADER_FIXED + len))
    }

    fn decode_body(body: &[u8]) -> Result<Self, Malformed> {
        let mut from = Decoder::new(body, "");
        let from = &mut from;
        let (program, is_snapshot, number) = (from.text()?.to_owned(), from.flag()?, from.number()?);
        let (begun_at, begins_anew, skipped) = (from.time()?, from.flag()?, from.number()?);
        let (is_relaxed, seed) = (from.flag()?, from.number()?);
        let secret = Secret::from_bytes(from.array(32)?.try_into().unwrap_or_default());
        let (store, prefix, limits) = (secret.store(), from.text()?.to_owned(), decode_limits(from)?);
        Ok(Self {
            program,
            is_snapshot,
            number,
            begun_at,
            begins_anew,
            skipped,
            is_relaxed,
            seed,
            secret,
            store,
            prefix,
            limits,
        })
    }
}

/// Why a file's header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It is no file of a journal.
    Foreign,
    /// A later program wrote it.
    Newer {
        version: u32,
    },
    Damaged,
}

/// Reads a file's header.
pub(crate) fn header(disk: &dyn Disk, name: &str, file: &[u8]) -> Result<(Header, usize), JournalError> {
    let place = disk.place(name);
    Header::decode(file).map_err(|error| match error {
        HeaderError::Foreign => JournalError::Foreign { place },
        HeaderError::Newer { version } => JournalError::Newer { place, version, known: VERSION },
        HeaderError::Damaged => JournalError::Damaged { place, offset: 0, what: "the header is not whole".to_owned() },
    })
}

/// Those that are bounds of one process stay away.
fn encode_limits(limits: &Limits, to: &mut Encoder<'_>) {
    let Limits {
        queue_name_chars_max,
        delay_seconds,
        visibility_timeout_seconds,
        visibility_timeout_total_max,
        retention_period_seconds,
        message_bytes,
        wait_time_seconds,
        receive_messages,
        kms_reuse_seconds,
        receive_count,
        batch_entries_max,
        batch_entry_id_chars_max,
        message_attributes_max,
        in_flight_max,
        waiting_receives_max: _,
        stored_bytes_max: _,
        list_results_max,
        tags_max,
        deduplication_interval,
        fifo_calls_per_second: _,
        move_rate,
        purge_interval,
        recreate_interval,
    } = limits;
    let ranges = [
        delay_seconds,
        visibility_timeout_seconds,
        retention_period_seconds,
        message_bytes,
        wait_time_seconds,
        receive_messages,
        kms_reuse_seconds,
        receive_count,
        move_rate,
    ];
    for range in ranges {
        to.number(*range.start());
        to.number(*range.end());
    }
    let counts = [
        queue_name_chars_max,
        batch_entries_max,
        batch_entry_id_chars_max,
        message_attributes_max,
        in_flight_max,
        list_results_max,
        tags_max,
    ];
    for count in counts {
        to.count(*count);
    }
    let durations = [visibility_timeout_total_max, deduplication_interval, purge_interval, recreate_interval];
    for duration in durations {
        to.duration(*duration);
    }
}

fn decode_limits(from: &mut Decoder<'_>) -> Result<Limits, Malformed> {
    let mut range = || Ok(from.number()?..=from.number()?);
    let limits = Limits {
        delay_seconds: range()?,
        visibility_timeout_seconds: range()?,
        retention_period_seconds: range()?,
        message_bytes: range()?,
        wait_time_seconds: range()?,
        receive_messages: range()?,
        kms_reuse_seconds: range()?,
        receive_count: range()?,
        move_rate: range()?,
        ..Limits::STRICT
    };
    let mut count = || from.number().map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let limits = Limits {
        queue_name_chars_max: count()?,
        batch_entries_max: count()?,
        batch_entry_id_chars_max: count()?,
        message_attributes_max: count()?,
        in_flight_max: count()?,
        list_results_max: count()?,
        tags_max: count()?,
        ..limits
    };
    let mut duration = || from.duration();
    let [visibility_timeout_total_max, deduplication_interval, purge_interval, recreate_interval]: [Duration; 4] =
        [duration()?, duration()?, duration()?, duration()?];
    Ok(Limits { visibility_timeout_total_max, deduplication_interval, purge_interval, recreate_interval, ..limits })
}

/// Adds a frame that is to be [sealed](seal_frames) before it is written.
pub(crate) fn add_frame(to: &mut Vec<u8>, number: u64, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend_from_slice(&[0; FRAME]);
    payload(to);
    let len = u32::try_from(to.len() - start - FRAME).unwrap_or(u32::MAX);
    to[start..start + 4].copy_from_slice(&len.to_le_bytes());
    to[start + 8..start + 16].copy_from_slice(&number.to_le_bytes());
}

/// Completes frames that are written together, when everything up to `durable` is on the disk.
pub(crate) fn seal_frames(mut frames: &mut [u8], durable: u64) {
    while let Some((fixed, rest)) = frames.split_at_mut_checked(FRAME) {
        let len = u32::from_le_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]) as usize;
        let (payload, next) = rest.split_at_mut(len.min(rest.len()));
        let number = u64::from_le_bytes(fixed[8..16].try_into().unwrap_or_default());
        let unknown = u32::try_from(number.saturating_sub(durable)).unwrap_or(u32::MAX);
        fixed[16..20].copy_from_slice(&unknown.to_le_bytes());
        let crc = crc_of(fixed, payload);
        fixed[4..8].copy_from_slice(&crc.to_le_bytes());
        frames = next;
    }
}

fn crc_of(fixed: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&fixed[..4]), &fixed[8..FRAME]);
    crc32c::crc32c_append(crc, payload)
}

/// A whole frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) number: u64,
    /// The last number of which its writer knew that it was on the disk.
    pub(crate) durable: u64,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`, if it is whole.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FRAME)?;
        let len = u32::from_le_bytes(fixed[..4].try_into().ok()?) as usize;
        let payload = rest.get(..len).filter(|_| len <= PAYLOAD_MAX)?;
        let number = u64::from_le_bytes(fixed[8..16].try_into().ok()?);
        let unknown = u32::from_le_bytes(fixed[16..20].try_into().ok()?);
        let is_whole = number > 0 && crc_of(fixed, payload).to_le_bytes() == fixed[4..8];
        is_whole.then(|| Self { number, durable: number.saturating_sub(unknown.into()), payload })
    }

    /// Bytes that it takes.
    pub(crate) const fn len(&self) -> usize {
        FRAME + self.payload.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            program: "0.1.0".to_owned(),
            is_snapshot: false,
            number: 7,
            begun_at: Time::from_millis(1_800_000_000_000),
            begins_anew: true,
            skipped: 5,
            is_relaxed: true,
            seed: 3,
            secret: Secret::seeded(9),
            store: Secret::seeded(9).store(),
            prefix: "arn:aws:sqs:us-east-1:000000000000:".to_owned(),
            limits: Limits::RELAXED,
        }
    }

    #[test]
    fn a_header_comes_back_and_no_changed_byte_passes() {
        let bytes = header().encode();
        let (read, end) = Header::decode(&bytes).unwrap();
        assert_eq!((read.number, read.limits, read.prefix, end), (7, Limits::RELAXED, header().prefix, bytes.len()));
        assert_eq!(read.secret.bytes(), header().secret.bytes());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(Header::decode(&changed).is_err(), "byte {at}");
            assert!(Header::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_later_format_is_known_as_such() {
        let mut bytes = header().encode();
        bytes[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
        assert_eq!(Header::decode(&bytes).unwrap_err(), HeaderError::Newer { version: VERSION + 1 });
        assert_eq!(Header::decode(b"not a journal, but long enough").unwrap_err(), HeaderError::Foreign);
    }

    #[test]
    fn names_have_their_numbers() {
        assert_eq!(segment_number(&segment_name(42)), Some(42));
        assert_eq!(snapshot_number(&snapshot_name(u64::MAX)), Some(u64::MAX));
        for name in ["lock", "1.log", "0000000000000000000x.log", "00000000000000000042.log.tmp"] {
            assert_eq!((segment_number(name), snapshot_number(name)), (None, None), "{name}");
        }
    }
}
