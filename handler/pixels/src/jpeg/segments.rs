//! The outer structure of a file: markers and the segments that follow them.

use super::defect::Defect;
use crate::dispatch::{HotLoop, dispatch};
use crate::fields::{ByteOrder, slice};

/// Markers by their second byte.
pub(crate) mod marker {
    /// The image begins.
    const START: u8 = 0xd8;
    /// The image ends.
    pub(crate) const END: u8 = 0xd9;
    /// A scan's header, before its coded data.
    pub(crate) const SCAN: u8 = 0xda;
    /// For arithmetic coding, without a meaning here.
    const TEMPORARY: u8 = 0x01;

    /// Whether a frame's header follows, of whatever coding.
    pub(crate) fn begins_frame(marker: u8) -> bool {
        matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf)
    }

    /// Whether nothing depends on a segment: comments, what applications note, a height that is known already.
    pub(super) fn is_passed_over(marker: u8) -> bool {
        matches!(marker, 0xdc | 0xe0..=0xef | 0xfe)
    }

    /// Whether a segment follows.
    pub(super) fn has_segment(marker: u8) -> bool {
        !matches!(marker, START | END | TEMPORARY)
    }
}

/// A marker and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    /// Empty where the marker stands alone.
    pub(crate) body: &'a [u8],
    /// Where the body is in the file.
    pub(crate) body_at: usize,
}

/// A walk along the markers of a file. What is coded between them is skipped.
#[derive(Clone, Debug)]
pub(crate) struct Segments<'a> {
    bytes: &'a [u8],
    /// Where the next marker is looked for: behind the last segment, unless whoever reads what is coded there says more.
    pub(crate) at: usize,
}

impl<'a> Segments<'a> {
    /// Begins behind the marker that every file begins with.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// Bytes up to the next marker and with it, or to the end of the file.
    pub(crate) fn coded_bytes(&self) -> u64 {
        let end = next_marker(self.bytes, self.at).map_or(self.bytes.len(), |(_, after)| after);
        (end - self.at) as u64
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, Defect>;

    /// The next marker, the end's too; none where there is no other.
    fn next(&mut self) -> Option<Self::Item> {
        let (marker, at) = next_marker(self.bytes, self.at)?;
        self.at = at;
        if !marker::has_segment(marker) {
            return Some(Ok(Segment { marker, body: &[], body_at: at }));
        }
        Some(segment(self.bytes, marker, at).map(|body| {
            self.at = at + 2 + body.len();
            Segment { marker, body, body_at: at + 2 }
        }))
    }
}

/// The next marker at or after `at`, and where its segment starts. Skips coded data: stuffed zeros, restart markers and
/// fill bytes are no markers.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    dispatch(NextMarker { bytes, at })
}

struct NextMarker<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl HotLoop for NextMarker<'_> {
    type Output = Option<(u8, usize)>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        find_marker(self.bytes, self.at)
    }
}

#[inline(always)]
fn find_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
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

/// The body of the segment whose length field is at `at`. One that would be shorter than this field has none where, as in
/// libjpeg, nothing depends on it.
fn segment(bytes: &[u8], marker: u8, at: usize) -> Result<&[u8], Defect> {
    let cut = Defect::Truncated("it ends within its header");
    let length = usize::from(ByteOrder::Big.u16(bytes, at).ok_or(cut)?);
    let length = match length.checked_sub(2) {
        None if marker::is_passed_over(marker) => 0,
        length => length.ok_or(Defect::Corrupt("a segment is shorter than its length"))?,
    };
    slice(bytes, at + 2, length).ok_or(cut)
}

/// Where the first byte 0xff is. The scan walks the whole file, so it looks at 32 bytes at a time.
#[inline(always)]
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
#[inline(always)]
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

    #[test]
    fn every_marker_comes_with_its_segment() {
        let file = b"\xff\xd8\xff\x01\xff\xda\0\x03s\x77\x77\xff\0\xff\xd0\xff\xff\xd9rest\xff\xe0\0\x09cut";
        let mut segments = Segments::new(file);
        let alone = |marker, body_at| Some(Ok(Segment { marker, body: &[], body_at }));
        assert_eq!(segments.next(), alone(0x01, 4));
        assert_eq!(segments.next(), Some(Ok(Segment { marker: marker::SCAN, body: b"s", body_at: 8 })));
        assert_eq!((segments.at, segments.coded_bytes()), (9, 9));
        assert_eq!(segments.next(), alone(marker::END, 18));
        assert_eq!(segments.next(), Some(Err(Defect::Truncated("it ends within its header"))));
        assert_eq!(segments.next(), None);
    }
}
