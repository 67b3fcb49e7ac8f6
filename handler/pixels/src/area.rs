//! Sizes and parts of images: whole pixels, and fractions of them.

use std::ops::Range;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Size {
    /// The number of pixels; never overflows.
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A box of the source image in fractional pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Region {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Region {
    /// The same box of an image that is so many times smaller, across and down.
    pub(super) fn divided(self, by: (f64, f64)) -> Self {
        Self { left: self.left / by.0, top: self.top / by.1, width: self.width / by.0, height: self.height / by.1 }
    }

    /// Whether another box lies within this one, but for rounding.
    pub(super) fn contains(self, other: Self) -> bool {
        const ROUNDING: f64 = 1e-6;

        let axis = |start: f64, length: f64, other_start: f64, other_length: f64| {
            start <= other_start + ROUNDING && start + length + ROUNDING >= other_start + other_length
        };
        axis(self.left, self.width, other.left, other.width) && axis(self.top, self.height, other.top, other.height)
    }
}

/// A part of an image in whole pixels, at whatever scale the image has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// From the left.
    pub columns: Range<u32>,
    /// From the top.
    pub rows: Range<u32>,
}

impl Window {
    /// All of an image.
    #[must_use]
    pub fn whole(size: Size) -> Self {
        Self { columns: 0..size.width, rows: 0..size.height }
    }

    /// Its size; empty when an end lies before its start.
    #[must_use]
    pub fn size(&self) -> Size {
        let length = |range: &Range<u32>| range.end.saturating_sub(range.start);
        Size { width: length(&self.columns), height: length(&self.rows) }
    }

    /// What covers both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = |one: &Range<u32>, other: &Range<u32>| one.start.min(other.start)..one.end.max(other.end);
        Self { columns: both(&self.columns, &other.columns), rows: both(&self.rows, &other.rows) }
    }

    /// Whether there is something of it, and all of that in an image of this size.
    pub(super) fn is_within(&self, size: Size) -> bool {
        let own = self.size();
        own.width > 0 && own.height > 0 && self.columns.end <= size.width && self.rows.end <= size.height
    }
}
