//! The outer structure of a file: markers and the segments that follow them.

use super::Defect;
use crate::fields::{ByteOrder, slice};

/// The next marker at or after `at`, and where its segment starts. Skips coded data: stuffed zeros, restart markers and
/// fill bytes are no markers.
pub(crate) fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += find_ff(bytes.get(at..)?)?;
        match *bytes.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            // A run of fill bytes, of which the last may begin a marker.
            0xff => at += fill_bytes(&bytes[at + 1..]),
            marker => return Some((marker, at + 2)),
        }
    }
}

/// The body of the segment whose length field is at `at`.
pub(crate) fn segment(bytes: &[u8], at: usize) -> Result<&[u8], Defect> {
    let cut = Defect::Truncated("it ends within its header");
    let length = usize::from(ByteOrder::Big.u16(bytes, at).ok_or(cut)?);
    let length = length.checked_sub(2).ok_or(Defect::Corrupt("a segment is shorter than its length"))?;
    slice(bytes, at + 2, length).ok_or(cut)
}

/// Where the first byte 0xff is. The scan walks the whole file, so it looks at 32 bytes at a time.
fn find_ff(bytes: &[u8]) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    for (index, chunk) in chunks.iter().enumerate() {
        if holds_ff(chunk) {
            return chunk.iter().position(|byte| *byte == 0xff).map(|at| index * 32 + at);
        }
    }
    rest.iter().position(|byte| *byte == 0xff).map(|at| chunks.len() * 32 + at)
}

fn fill_bytes(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte != 0xff).unwrap_or(bytes.len())
}

/// Whether one of the bytes is 0xff, without a branch for each.
#[inline]
pub(super) fn holds_ff(bytes: &[u8; 32]) -> bool {
    bytes.iter().fold(0_u8, |found, byte| found | u8::from(*byte == 0xff)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coded_data_holds_no_marker() {
        let mut bytes = vec![7; 100];
        bytes[40..42].copy_from_slice(&[0xff, 0]);
        bytes[63..65].copy_from_slice(&[0xff, 0xd3]);
        bytes[70..74].copy_from_slice(&[0xff, 0xff, 0xff, 0xd9]);
        assert_eq!(next_marker(&bytes, 0), Some((0xd9, 74)));
        assert_eq!(next_marker(&bytes, 74), None);
        bytes[90..].fill(0xff);
        assert_eq!(next_marker(&bytes, 80), None);
    }
}
