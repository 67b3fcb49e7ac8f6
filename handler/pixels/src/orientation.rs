//! The EXIF orientation: where it is read from, and how it turns boxes.
//!
//! An orientation is a swap of the axes and a flip along each stored axis. Everything else follows from these three.

use super::area::{Region, Size};
use super::fields::ByteOrder;

/// How a stored image is turned upright, by the numbers of EXIF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// 1: upright as stored.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    FlipHorizontal,
    /// 3: upside down.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipVertical,
    /// 5: mirrored along the falling diagonal.
    Transpose,
    /// 6: to be turned a quarter clockwise.
    Rotate90,
    /// 7: mirrored along the rising diagonal.
    Transverse,
    /// 8: to be turned a quarter counter-clockwise.
    Rotate270,
}

impl Orientation {
    /// All eight, in the order of their EXIF numbers from 1.
    pub const ALL: [Self; 8] = [
        Self::Upright,
        Self::FlipHorizontal,
        Self::Rotate180,
        Self::FlipVertical,
        Self::Transpose,
        Self::Rotate90,
        Self::Transverse,
        Self::Rotate270,
    ];

    /// The orientation of an EXIF number. None for numbers outside 1 to 8, which are ignored like everywhere else.
    #[must_use]
    pub fn from_exif(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Reads the orientation from a block of EXIF: a TIFF header with its first directory, with or without the six
    /// bytes `Exif\0\0` before it. None when there is none, or none that is valid.
    #[must_use]
    pub fn from_exif_block(block: &[u8]) -> Option<Self> {
        const ORIENTATION: u16 = 0x0112;
        /// Types by their widths; the last of each has a sign. The standard says SHORT, and programs write them all.
        const BYTES: [u16; 2] = [1, 6];
        const SHORTS: [u16; 2] = [3, 8];
        const LONGS: [u16; 2] = [4, 9];
        const ENTRY_BYTES: usize = 12;

        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        let order = match block.get(..4)? {
            b"II*\0" => ByteOrder::Little,
            b"MM\0*" => ByteOrder::Big,
            _ => return None,
        };
        let directory = usize::try_from(order.u32(block, 4)?).ok()?;
        let entries = usize::from(order.u16(block, directory)?);
        for index in 0..entries {
            let entry = directory.checked_add(2 + index * ENTRY_BYTES)?;
            if order.u16(block, entry)? != ORIENTATION {
                continue;
            }
            let number = match order.u16(block, entry + 2)? {
                kind if BYTES.contains(&kind) => (*block.get(entry + 8)?).into(),
                kind if SHORTS.contains(&kind) => order.u16(block, entry + 8)?,
                kind if LONGS.contains(&kind) => order.u32(block, entry + 8)?.try_into().ok()?,
                _ => continue,
            };
            return Self::from_exif(number);
        }
        None
    }

    /// The number that EXIF gives it.
    #[must_use]
    pub fn exif(self) -> u16 {
        self as u16 + 1
    }

    /// This one and then another one.
    pub(super) fn then(self, next: Self) -> Self {
        let (mut across, mut down) = (next.flips_stored_x(), next.flips_stored_y());
        // What the other one sees as its columns are rows as stored.
        if self.swaps_sides() {
            (across, down) = (down, across);
        }
        let swaps = self.swaps_sides() != next.swaps_sides();
        let (across, down) = (across != self.flips_stored_x(), down != self.flips_stored_y());
        let is_it =
            |one: &Self| (one.swaps_sides(), one.flips_stored_x(), one.flips_stored_y()) == (swaps, across, down);
        Self::ALL.into_iter().find(is_it).unwrap_or_default()
    }

    /// Whether width and height change places.
    #[must_use]
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// Whether walking right (without a swap) or down (with one) in the upright image walks left in the stored one.
    pub(super) fn flips_stored_x(self) -> bool {
        matches!(self, Self::FlipHorizontal | Self::Rotate180 | Self::Transverse | Self::Rotate270)
    }

    /// Whether walking down (without a swap) or right (with one) in the upright image walks up in the stored one.
    pub(super) fn flips_stored_y(self) -> bool {
        matches!(self, Self::FlipVertical | Self::Rotate180 | Self::Rotate90 | Self::Transverse)
    }

    /// The size after turning; its own inverse.
    #[must_use]
    pub fn apply(self, size: Size) -> Size {
        if self.swaps_sides() { Size { width: size.height, height: size.width } } else { size }
    }

    /// Where a box of the upright image lies in the stored image of the given size.
    pub(super) fn stored_region(self, upright: Region, stored: Size) -> Region {
        let mut region = upright;
        if self.swaps_sides() {
            region = Region { left: upright.top, top: upright.left, width: upright.height, height: upright.width };
        }
        if self.flips_stored_x() {
            region.left = f64::from(stored.width) - (region.left + region.width);
        }
        if self.flips_stored_y() {
            region.top = f64::from(stored.height) - (region.top + region.height);
        }
        region
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(order: ByteOrder, kind: u16, value: u16) -> Vec<u8> {
        let short = |v: u16| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() };
        let in_four_bytes = |kind: u16, value: u16| match kind {
            1 | 6 => [u8::try_from(value).unwrap_or(u8::MAX), 0, 0, 0],
            4 | 9 => long(value.into()),
            _ => [short(value), [0, 0]].concat().try_into().unwrap(),
        };
        let mut block = if order == ByteOrder::Big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        block.extend(long(8));
        block.extend(short(2));
        for (tag, kind, value) in [(0x0100, 3, 640), (0x0112, kind, value)] {
            block.extend(short(tag));
            block.extend(short(kind));
            block.extend(long(1));
            block.extend(in_four_bytes(kind, value));
        }
        block
    }

    #[test]
    fn a_number_counts_whatever_type_of_integer_it_has() {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            for kind in 0..=12 {
                for number in 0..=9 {
                    let is_integer = matches!(kind, 1 | 3 | 4 | 6 | 8 | 9);
                    let expected = Orientation::from_exif(number).filter(|_| is_integer);
                    assert_eq!(Orientation::from_exif_block(&block(order, kind, number)), expected, "{kind} {number}");
                }
            }
        }
    }

    #[test]
    fn all_eight_are_read_in_both_byte_orders_with_and_without_prefix() {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            for number in 1..=8 {
                let plain = block(order, 3, number);
                let prefixed = [b"Exif\0\0", plain.as_slice()].concat();
                for bytes in [plain, prefixed] {
                    assert_eq!(Orientation::from_exif_block(&bytes).unwrap().exif(), number);
                }
            }
        }
    }

    /// A quarter and a mirror make all others; those of EXIF from 5 are named after the diagonals.
    #[test]
    fn one_after_the_other() {
        use Orientation::{
            FlipHorizontal, FlipVertical, Rotate90, Rotate180, Rotate270, Transpose, Transverse, Upright,
        };
        let table = [
            (Rotate90, Rotate90, Rotate180),
            (Rotate90, Rotate270, Upright),
            (Rotate180, Rotate90, Rotate270),
            (FlipHorizontal, FlipVertical, Rotate180),
            (FlipHorizontal, Rotate90, Transverse),
            (Rotate90, FlipHorizontal, Transpose),
            (FlipVertical, Rotate90, Transpose),
            (Rotate90, FlipVertical, Transverse),
            (Transpose, Transpose, Upright),
            (Transverse, Transverse, Upright),
        ];
        for (one, next, both) in table {
            assert_eq!(one.then(next), both, "{one:?} and then {next:?}");
        }
    }

    #[test]
    fn invalid_values_are_ignored() {
        for number in [0, 9, 256, u16::MAX] {
            assert_eq!(Orientation::from_exif_block(&block(ByteOrder::Little, 3, number)), None);
        }
        assert_eq!(Orientation::from_exif_block(&block(ByteOrder::Little, 2, 6)), None, "not an integer");
        assert_eq!(Orientation::from_exif_block(b""), None);
        let whole = block(ByteOrder::Big, 3, 6);
        for length in 0..whole.len() - 2 {
            assert_eq!(Orientation::from_exif_block(&whole[..length]), None, "cut at {length}");
        }
        let mut far = whole;
        far[4..8].fill(0xff);
        assert_eq!(Orientation::from_exif_block(&far), None, "directory far outside");
    }
}
