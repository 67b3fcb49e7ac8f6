//! An image as JPEG holds it: one plane for each channel, those of the colours possibly with fewer samples.

use super::geometry::Size;

/// The samples of one channel, rows from the top without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    /// Samples along each side.
    pub size: Size,
    /// `size.pixels()` bytes.
    pub data: Vec<u8>,
}

/// Luma and two planes of chroma, by JFIF's equations (BT.601 over the full range of a byte), or luma alone.
///
/// Each plane covers the same picture, whatever its size: a chroma plane of half the width has samples twice as wide,
/// centred between those of luma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Y', which has the size of the image.
    pub luma: Plane,
    /// Cb and Cr, of the same size as one another; none for a gray image.
    pub chroma: Option<[Plane; 2]>,
}

impl Planes {
    /// Pixels along each side.
    #[must_use]
    pub fn size(&self) -> Size {
        self.luma.size
    }
}
