//! The boxes that a HEIF file is made of (ISO/IEC 14496-12), and numbers within them.

use std::ops::Range;

use super::FORMAT;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};

/// What says what a box is, and an item.
pub(super) type Kind = [u8; 4];

/// A box: what it is, and where what it holds lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) body: Range<usize>,
}

/// The boxes within a part of a file, one after the other, up to the first that is broken.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn new(bytes: &'a [u8], within: Range<usize>) -> Self {
        Self { bytes, at: within.start, end: within.end.min(bytes.len()) }
    }

    /// The length of the box at hand with its header, and that of the header. None where the header is broken.
    fn lengths(&self, length: u32) -> Option<(usize, usize)> {
        match length {
            // To the end of what is around it.
            0 => Some((self.end - self.at, 8)),
            1 => {
                let long = ByteOrder::Big.u64(self.bytes, self.at + 8)?;
                Some((usize::try_from(long).unwrap_or(usize::MAX), 16))
            }
            length => Some((usize::try_from(length).ok()?, 8)),
        }
        .filter(|(length, header)| length >= header)
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, PixelError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A few bytes that are left over are no box.
        if self.end.saturating_sub(self.at) < 8 {
            return None;
        }
        let length = ByteOrder::Big.u32(self.bytes, self.at)?;
        let kind = slice(self.bytes, self.at + 4, 4)?.try_into().ok()?;
        let Some((length, header)) = self.lengths(length) else {
            self.at = self.end;
            return Some(Err(PixelError::corrupt(FORMAT, "the length of a box is broken")));
        };
        let start = self.at + header;
        let end = self.at.saturating_add(length);
        if end > self.end {
            let is_whole_file = self.end == self.bytes.len();
            self.at = self.end;
            return Some(Err(if is_whole_file {
                PixelError::truncated(FORMAT, "it ends within a box")
            } else {
                PixelError::corrupt(FORMAT, "a box is longer than the one around it")
            }));
        }
        self.at = end;
        Some(Ok(Part { kind, body: start..end }))
    }
}

/// Numbers of a part of a file, one after the other. None where it ends: nothing here can panic.
#[derive(Clone, Debug)]
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(bytes: &'a [u8], within: Range<usize>) -> Self {
        Self { bytes: bytes.get(..within.end).unwrap_or_default(), at: within.start }
    }

    /// Where the next number lies.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn skip(&mut self, bytes: usize) -> Option<()> {
        let at = self.at.checked_add(bytes).filter(|at| *at <= self.bytes.len())?;
        self.at = at;
        Some(())
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let number = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(number)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let number = ByteOrder::Big.u16(self.bytes, self.at)?;
        self.at += 2;
        Some(number)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let number = ByteOrder::Big.u32(self.bytes, self.at)?;
        self.at += 4;
        Some(number)
    }

    pub(super) fn kind(&mut self) -> Option<Kind> {
        Some(self.u32()?.to_be_bytes())
    }

    /// The version and the flags with which many boxes begin.
    pub(super) fn version(&mut self) -> Option<(u8, u32)> {
        let number = self.u32()?;
        Some((number.to_be_bytes()[0], number & 0x00ff_ffff))
    }

    /// A number of two bytes, or of four.
    pub(super) fn short_or_long(&mut self, long: bool) -> Option<u32> {
        if long { self.u32() } else { self.u16().map(u32::from) }
    }

    /// A number of so many bytes: none, four or eight.
    pub(super) fn sized(&mut self, bytes: u8) -> Option<u64> {
        match bytes {
            0 => Some(0),
            4 => self.u32().map(u64::from),
            8 => {
                let number = ByteOrder::Big.u64(self.bytes, self.at)?;
                self.at += 8;
                Some(number)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(bytes: &[u8]) -> Vec<Result<Part, PixelError>> {
        Parts::new(bytes, 0..bytes.len()).collect()
    }

    #[test]
    fn boxes_have_short_long_and_open_lengths() {
        let bytes = [
            b"\0\0\0\x0aabcd12".as_slice(),
            b"\0\0\0\x01long\0\0\0\0\0\0\0\x11x",
            b"\0\0\0\x08none",
            b"\0\0\0\0openrest",
        ]
        .concat();
        let found = parts(&bytes).into_iter().map(|part| part.unwrap());
        let found: Vec<_> = found.map(|part| (part.kind, &bytes[part.body])).collect();
        let expected: [(Kind, &[u8]); 4] = [(*b"abcd", b"12"), (*b"long", b"x"), (*b"none", b""), (*b"open", b"rest")];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_broken_length_ends_the_walk() {
        let table: [(&[u8], Option<&str>); 6] = [
            (b"\0\0\0\x07abcd", Some("HEIC is corrupt: the length of a box is broken")),
            (b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x0f", Some("HEIC is corrupt: the length of a box is broken")),
            (b"\0\0\0\x01abcd\0\0", Some("HEIC is corrupt: the length of a box is broken")),
            (b"\0\0\0\x09abcd", Some("HEIC is truncated: it ends within a box")),
            (b"\0\0\0\x01abcd\xff\xff\xff\xff\xff\xff\xff\xff", Some("HEIC is truncated: it ends within a box")),
            (b"\0\0\0\x08abc", None),
        ];
        for (bytes, expected) in table {
            let errors: Vec<String> = parts(bytes).into_iter().map(|part| part.unwrap_err().to_string()).collect();
            assert_eq!(errors, expected.into_iter().collect::<Vec<_>>(), "{bytes:?}");
        }
        let within = Parts::new(b"\0\0\0\x09abcd and more", 0..8).map(|part| part.unwrap_err().to_string());
        assert_eq!(within.collect::<Vec<_>>(), ["HEIC is corrupt: a box is longer than the one around it"]);
    }
}
