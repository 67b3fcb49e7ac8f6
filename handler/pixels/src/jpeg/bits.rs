//! The bits of one entropy-coded segment: what lies between two markers, without the stuffed zeros.
//!
//! - The bytes are unstuffed a chunk at a time, so that the hot loops read eight at once and never look for 0xff.
//! - A block may be read without any check: [`Bits::ensure`] sees to it that the longest possible one lies in the chunk,
//!   followed by zeros where the segment ends. Reading into these zeros is found out by the next `ensure`.

use super::defect::Defect;
use super::segments::holds_ff;
use crate::dispatch::{HotLoop, dispatch};

/// Bytes of a chunk; a power of two, so that a masked place needs no bounds check.
const CHUNK: usize = 8 * 1024;

/// More than any block takes: 64 codes of at most 31 bits with their values, and what the cursor reads ahead.
const BLOCK_BYTES_MAX: usize = 288;

/// What may be read beyond the end of the segment.
const SLACK: usize = 2 * BLOCK_BYTES_MAX;

/// The unstuffed bytes.
pub(super) type Chunk = [u8; CHUNK + 8];

/// A zeroed chunk on the heap.
pub(super) fn new_chunk() -> Box<Chunk> {
    Box::new([0; CHUNK + 8])
}

/// A place in the chunk and the bits that were taken from there. Small, to live in registers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// The next bits, from the top.
    pub(super) bits: u64,
    /// How many of them count.
    pub(super) count: u32,
    at: usize,
}

impl Cursor {
    /// Tops up to at least 56 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self, chunk: &Chunk) {
        let at = self.at & (CHUNK - 1);
        let Some(next) = chunk[at..at + 8].first_chunk::<8>() else { return };
        self.bits |= u64::from_be_bytes(*next) >> self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 0x38;
    }

    /// Tops up so that two of the longest codes with their values can be read.
    #[inline(always)]
    pub(super) fn refill_below(&mut self, count: u32, chunk: &Chunk) {
        if self.count < count {
            self.refill(chunk);
        }
    }

    /// Drops bits that were looked at, at most as many as there are.
    #[inline(always)]
    pub(super) fn drop(&mut self, count: u32) {
        self.bits = self.bits.wrapping_shl(count);
        self.count = self.count.wrapping_sub(count);
    }

    /// Takes up to 16 bits that are known to be there.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits are left")]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = (self.bits >> 1 >> (63 - count)) as u32;
        self.drop(count);
        value
    }
}

/// The reader of one segment after the other.
pub(super) struct Bits<'a> {
    pub(super) cursor: Cursor,
    pub(super) chunk: &'a mut Chunk,
    /// The bytes of the chunk that belong to the segment.
    end: usize,
    file: &'a [u8],
    /// The next byte of the file to be unstuffed; at the marker once `ended`.
    file_at: usize,
    ended: bool,
}

impl<'a> Bits<'a> {
    /// Starts with the segment at `file_at`.
    pub(super) fn new(file: &'a [u8], file_at: usize, chunk: &'a mut Chunk) -> Self {
        Self { cursor: Cursor::default(), chunk, end: 0, file, file_at, ended: false }
    }

    /// Makes sure that a block can be read, and that what was read so far was there.
    #[inline(always)]
    pub(super) fn ensure(&mut self) -> Result<(), Defect> {
        if self.cursor.at + BLOCK_BYTES_MAX > self.end { self.more() } else { Ok(()) }
    }

    #[cold]
    #[inline(never)]
    fn more(&mut self) -> Result<(), Defect> {
        if self.ended {
            return self.check_overrun();
        }
        let from = self.cursor.at.min(self.end);
        self.chunk.copy_within(from..self.end, 0);
        self.end -= from;
        self.cursor.at -= from;
        self.unstuff();
        self.check_overrun()
    }

    /// Whether more bits were read than the segment has.
    fn check_overrun(&self) -> Result<(), Defect> {
        let ahead_bits = self.cursor.count as usize;
        if self.cursor.at * 8 > self.end * 8 + ahead_bits { Err(Defect::Truncated("coded data")) } else { Ok(()) }
    }

    /// Fills the chunk up to the next marker, or until only the slack is left.
    fn unstuff(&mut self) {
        dispatch(Unstuff { bits: self });
    }

    #[inline(always)]
    fn fill(&mut self) {
        // The slow way may add 33 bytes at once.
        const END_MAX: usize = CHUNK - SLACK - 64;
        while self.end < END_MAX {
            let rest = self.file.get(self.file_at..).unwrap_or_default();
            if let (Some(from), true) = (rest.first_chunk::<32>(), self.end + 32 <= END_MAX)
                && !holds_ff(from)
            {
                self.chunk[self.end..self.end + 32].copy_from_slice(from);
                self.end += 32;
                self.file_at += 32;
                continue;
            }
            if !self.unstuff_slowly(rest) {
                break;
            }
        }
        if self.ended {
            self.chunk[self.end..self.end + SLACK].fill(0);
        }
    }

    /// Copies up to the next 0xff and what it means. Says whether the segment goes on.
    #[inline(always)]
    fn unstuff_slowly(&mut self, rest: &[u8]) -> bool {
        let room = 32.min(rest.len());
        let plain = rest[..room].iter().position(|byte| *byte == 0xff).unwrap_or(room);
        self.chunk[self.end..self.end + plain].copy_from_slice(&rest[..plain]);
        self.end += plain;
        self.file_at += plain;
        match rest[plain..] {
            [0xff, 0, ..] => {
                self.chunk[self.end] = 0xff;
                self.end += 1;
                self.file_at += 2;
            }
            // Fill bytes may come before a marker.
            [0xff, 0xff, ..] => self.file_at += 1,
            [0xff, ..] | [] => self.ended = true,
            _ => {}
        }
        !self.ended
    }

    /// Ends the segment, which must have had all bits that were read, and starts the one after the restart marker of
    /// this number.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Defect> {
        self.finish()?;
        match self.file.get(self.file_at..self.file_at + 2) {
            Some(&[0xff, marker]) if marker == 0xd0 | (number & 7) => {}
            Some(_) => return Err(Defect::Corrupt("a restart marker is missing")),
            None => return Err(Defect::Truncated("coded data")),
        }
        self.file_at += 2;
        self.cursor = Cursor::default();
        self.end = 0;
        self.ended = false;
        Ok(())
    }

    /// Ends the segment, which must have had all bits that were read. Bytes that nobody asked for are skipped, as
    /// some cameras write them. Returns where its marker is.
    pub(super) fn finish(&mut self) -> Result<usize, Defect> {
        self.check_overrun()?;
        while !self.ended {
            self.end = 0;
            self.cursor.at = 0;
            self.cursor.count = 0;
            self.unstuff();
        }
        Ok(self.file_at)
    }
}

/// Bytes to be unstuffed.
struct Unstuff<'b, 'a> {
    bits: &'b mut Bits<'a>,
}

impl HotLoop for Unstuff<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.bits.fill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of all lengths around those of a chunk, with few and with many stuffed zeros.
    #[test]
    fn every_byte_is_read_and_none_after_the_last() {
        let mut chunk = new_chunk();
        let mut random = fastrand::Rng::with_seed(5);
        for length in (0..40).chain(CHUNK - 1500..CHUNK + 100).chain([3 * CHUNK, 5 * CHUNK + 7]) {
            let stuffed_percent = random.u8(0..60);
            let mut random_byte = || if random.u8(0..100) < stuffed_percent { 0xff } else { random.u8(0..255) };
            let plain: Vec<u8> = (0..length).map(|_| random_byte()).collect();
            let mut file: Vec<u8> =
                plain.iter().flat_map(|byte| [*byte, 0].into_iter().take(if *byte == 0xff { 2 } else { 1 })).collect();
            let marker_at = file.len();
            file.extend([0xff, 0xd9, 1, 2, 3]);
            let mut bits = Bits::new(&file, 0, &mut chunk);
            for byte in &plain {
                bits.ensure().unwrap();
                bits.cursor.refill_below(8, bits.chunk);
                assert_eq!(bits.cursor.take(8), u32::from(*byte), "{length}");
            }
            assert_eq!(bits.finish(), Ok(marker_at));
            bits.cursor.refill_below(1, bits.chunk);
            bits.cursor.take(1);
            assert_eq!(bits.ensure(), Err(Defect::Truncated("coded data")), "{length}");
        }
    }
}
