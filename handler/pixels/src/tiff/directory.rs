//! The first directory of a file, classic or `BigTIFF`, in either byte order, and the values of its entries.

use std::ops::Range;

use super::FORMAT;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};

/// What follows the byte order in a `BigTIFF`.
const BIG: u16 = 43;

/// Entries of a directory: as many as a classic one can have.
const ENTRIES_MAX: u64 = 65_535;

/// Values of a tag that has one, or one for each sample, with room for samples that are not read.
const VALUES_MAX: usize = 64;

/// Types of an entry.
mod kind {
    pub(super) const BYTE: u16 = 1;
    pub(super) const SHORT: u16 = 3;
    pub(super) const LONG: u16 = 4;
    pub(super) const RATIONAL: u16 = 5;
    pub(super) const SIGNED_BYTE: u16 = 6;
    pub(super) const UNDEFINED: u16 = 7;
    pub(super) const SIGNED_SHORT: u16 = 8;
    pub(super) const SIGNED_LONG: u16 = 9;
    pub(super) const DIRECTORY: u16 = 13;
    pub(super) const LONG8: u16 = 16;
    pub(super) const DIRECTORY8: u16 = 18;
}

/// The first directory of a file.
pub(super) struct Directory<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) order: ByteOrder,
    big: bool,
    entries: &'a [u8],
}

/// The values of an entry, which lie in it or elsewhere in the file.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    order: ByteOrder,
    width: usize,
    pub(super) data: &'a [u8],
}

impl<'a> Directory<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, PixelError> {
        let cut = || PixelError::truncated(FORMAT, "its directory lies beyond its end");
        let order = if bytes.starts_with(b"II") { ByteOrder::Little } else { ByteOrder::Big };
        let big = order.u16(bytes, 2) == Some(BIG);
        if big && (order.u16(bytes, 4), order.u16(bytes, 6)) != (Some(8), Some(0)) {
            return Err(PixelError::corrupt(FORMAT, "the header of the BigTIFF is malformed"));
        }
        let at = if big { order.u64(bytes, 8) } else { order.u32(bytes, 4).map(u64::from) };
        let at = at.and_then(|at| usize::try_from(at).ok()).ok_or_else(cut)?;
        let count = if big { order.u64(bytes, at) } else { order.u16(bytes, at).map(u64::from) };
        let count = count.ok_or_else(cut)?;
        if count > ENTRIES_MAX {
            let reason = format!("its directory has {count} entries; at most {ENTRIES_MAX} are read");
            return Err(PixelError::corrupt(FORMAT, reason));
        }
        let (head, entry, next) = if big { (8, 20, 8) } else { (2, 12, 4) };
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(entry)).ok_or_else(cut)?;
        // Where the next directory is follows; a file that ends before it is cut.
        let entries =
            at.checked_add(head).and_then(|at| slice(bytes, at, length.checked_add(next)?)).ok_or_else(cut)?;
        let entries = entries.get(..length).ok_or_else(cut)?;
        Ok(Self { bytes, order, big, entries })
    }

    fn entry(&self, tag: u16) -> Option<&'a [u8]> {
        let entry_bytes = if self.big { 20 } else { 12 };
        self.entries.chunks_exact(entry_bytes).find(|entry| self.order.u16(entry, 0) == Some(tag))
    }

    /// An offset, a length or a count of an entry.
    fn word(&self, entry: &[u8], at: usize) -> Option<usize> {
        let word = if self.big { self.order.u64(entry, at)? } else { self.order.u32(entry, at)?.into() };
        usize::try_from(word).ok()
    }

    /// The bytes of an entry with values of so many bytes, unless they lie beyond the end of the file.
    fn data(&self, entry: &'a [u8], width: usize) -> Option<&'a [u8]> {
        let (field_at, field_bytes) = if self.big { (12, 8) } else { (8, 4) };
        let length = self.word(entry, 4)?.checked_mul(width)?;
        if length <= field_bytes {
            slice(entry, field_at, length)
        } else {
            slice(self.bytes, self.word(entry, field_at)?, length)
        }
    }

    /// The whole numbers of a tag, if it is there.
    pub(super) fn values(&self, tag: u16) -> Result<Option<Values<'a>>, PixelError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let width = match self.order.u16(entry, 2) {
            Some(kind::BYTE | kind::UNDEFINED | kind::SIGNED_BYTE) => 1,
            Some(kind::SHORT | kind::SIGNED_SHORT) => 2,
            Some(kind::LONG | kind::SIGNED_LONG | kind::DIRECTORY) => 4,
            Some(kind::LONG8 | kind::DIRECTORY8) => 8,
            kind => return Err(PixelError::corrupt(FORMAT, format!("tag {tag} is of type {}", kind.unwrap_or(0)))),
        };
        let cut = || PixelError::truncated(FORMAT, "a table lies beyond its end");
        Ok(Some(Values { order: self.order, width, data: self.data(entry, width).ok_or_else(cut)? }))
    }

    /// The whole numbers of a tag that has few.
    pub(super) fn few(&self, tag: u16) -> Result<Option<Values<'a>>, PixelError> {
        let values = self.values(tag)?;
        let count = values.map_or(0, |values| values.len());
        if count > VALUES_MAX {
            let reason = format!("tag {tag} has {count} values; at most {VALUES_MAX} make sense");
            return Err(PixelError::corrupt(FORMAT, reason));
        }
        Ok(values)
    }

    /// The first whole number of a tag, if it is there.
    pub(super) fn value(&self, tag: u16) -> Result<Option<u64>, PixelError> {
        Ok(self.few(tag)?.and_then(|values| values.get(0)))
    }

    pub(super) fn required(&self, tag: u16) -> Result<u64, PixelError> {
        self.value(tag)?.ok_or_else(|| PixelError::corrupt(FORMAT, format!("tag {tag} is missing")))
    }

    /// So many fractions of a tag, if they are there and none has a divisor of zero.
    pub(super) fn fractions<const N: usize>(&self, tag: u16) -> Option<[f32; N]> {
        let entry = self.entry(tag).filter(|entry| self.order.u16(entry, 2) == Some(kind::RATIONAL))?;
        let data = self.data(entry, 8)?;
        let mut fractions = [0.0; N];
        for (fraction, field) in fractions.iter_mut().zip(data.get(..N * 8)?.as_chunks::<8>().0) {
            let (over, under) = (self.order.u32(field, 0)?, self.order.u32(field, 4).filter(|under| *under > 0)?);
            *fraction = ratio(over, under);
        }
        Some(fractions)
    }

    /// Where the bytes of a tag are, unless they are in the entry itself or beyond the end of the file.
    pub(super) fn place(&self, tag: u16) -> Option<Range<usize>> {
        let entry = self.entry(tag)?;
        if !matches!(self.order.u16(entry, 2), Some(kind::BYTE | kind::UNDEFINED)) {
            return None;
        }
        let (field_at, field_bytes) = if self.big { (12, 8) } else { (8, 4) };
        let length = self.word(entry, 4).filter(|length| *length > field_bytes)?;
        let at = self.word(entry, field_at)?;
        slice(self.bytes, at, length).map(|_| at..at + length)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "factors of colours, of which a few digits matter")]
fn ratio(over: u32, under: u32) -> f32 {
    (f64::from(over) / f64::from(under)) as f32
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        self.data.len() / self.width
    }

    pub(super) fn get(&self, index: usize) -> Option<u64> {
        let at = index.checked_mul(self.width)?;
        match self.width {
            1 => self.data.get(at).copied().map(u64::from),
            2 => self.order.u16(self.data, at).map(u64::from),
            4 => self.order.u32(self.data, at).map(u64::from),
            _ => self.order.u64(self.data, at),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
