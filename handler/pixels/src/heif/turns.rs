//! What of an image is shown, and how it is turned: crops (`clap`), turns (`irot`) and mirrors (`imir`), in the order in which
//! a file names them.

use super::FORMAT;
use super::boxes::{Kind, Numbers};
use crate::area::{Region, Size};
use crate::error::PixelError;
use crate::orientation::Orientation;

/// A part of the stored image, and how it is turned then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) size: Size,
    pub(super) orientation: Orientation,
}

impl Shown {
    /// All of it, as stored.
    pub(super) fn whole(size: Size) -> Self {
        Self { left: 0, top: 0, size, orientation: Orientation::Upright }
    }

    /// Whether nothing of an image of this size is cut off.
    pub(super) fn is_whole(&self, size: Size) -> bool {
        self.size == size
    }

    /// Applies a property; most change nothing here.
    pub(super) fn apply(&mut self, kind: Kind, mut numbers: Numbers<'_>) -> Result<(), PixelError> {
        let short = || PixelError::corrupt(FORMAT, "a turn or a crop is broken");
        match &kind {
            b"irot" => {
                // Quarters counter-clockwise.
                let quarters = numbers.u8().ok_or_else(short)? & 3;
                let turn =
                    [Orientation::Upright, Orientation::Rotate270, Orientation::Rotate180, Orientation::Rotate90];
                self.orientation = self.orientation.then(turn[usize::from(quarters)]);
            }
            b"imir" => {
                let mirrored = if numbers.u8().ok_or_else(short)? & 1 == 0 {
                    Orientation::FlipVertical
                } else {
                    Orientation::FlipHorizontal
                };
                self.orientation = self.orientation.then(mirrored);
            }
            b"clap" => self.crop(clap(numbers).ok_or_else(short)?)?,
            _ => {}
        }
        Ok(())
    }

    fn crop(&mut self, [width, height, right, down]: [f64; 4]) -> Result<(), PixelError> {
        let upright = self.orientation.apply(self.size);
        // The middle of the crop lies so far from that of the image; as in libheif its edges are rounded to whole pixels.
        let range = |side: u32, length: f64, offset: f64| {
            let side = f64::from(side);
            let middle = (side - 1.0) / 2.0 + offset;
            let start = (middle - (length - 1.0) / 2.0).floor().clamp(0.0, side);
            let end = ((middle + (length - 1.0) / 2.0).round() + 1.0).clamp(start, side);
            (start, end - start)
        };
        let (left, width) = range(upright.width, width, right);
        let (top, height) = range(upright.height, height, down);
        let stored = self.orientation.stored_region(Region { left, top, width, height }, self.size);
        let size = Size { width: whole(stored.width), height: whole(stored.height) };
        if size.width == 0 || size.height == 0 {
            return Err(PixelError::corrupt(FORMAT, "its crop leaves nothing"));
        }
        self.left += whole(stored.left);
        self.top += whole(stored.top);
        self.size = size;
        Ok(())
    }
}

/// Width, height and the offset of the middle, each a fraction.
fn clap(mut numbers: Numbers<'_>) -> Option<[f64; 4]> {
    let mut fraction = |is_signed: bool| {
        let (numerator, denominator) = (numbers.u32()?, numbers.u32()?);
        let numerator = if is_signed { f64::from(numerator.cast_signed()) } else { f64::from(numerator) };
        (denominator != 0).then_some(numerator / f64::from(denominator))
    };
    Some([fraction(false)?, fraction(false)?, fraction(true)?, fraction(true)?])
}

/// A number that is whole and not negative, as a part of an image has them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, positive; the cast saturates")]
fn whole(value: f64) -> u32 {
    value as u32
}
