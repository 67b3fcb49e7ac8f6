//! Sizes, crops and places: pure arithmetic on upright images, by sharp's rules.
//!
//! - Sizes come from the full upright size by exact rounding, half up, and are never zero: 6028x3391 to width 200 is
//!   200x113.
//! - A crop is cut from the scaled image at whole pixels, then expressed as a box of the source, so that only what is
//!   kept is ever computed.

use super::jpeg::Window;
use super::options::{Fit, Kernel, Position, Rendition};
use super::orientation::Orientation;

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
    /// The same box of an image that is so many times smaller.
    pub(super) fn divided(self, by: f64) -> Self {
        Self { left: self.left / by, top: self.top / by, width: self.width / by, height: self.height / by }
    }
}

/// How many pixels a kernel reaches beyond a box at a scale of one.
pub(super) const KERNEL_REACH: f64 = 3.0;

/// A box of the stored image and what it is scaled to, before it is turned upright.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScaledBox {
    pub(super) region: Region,
    pub(super) scaled: Size,
    /// Whether every pixel of the box may become a pixel, so that none may be averaged before.
    pub(super) exact: bool,
}

impl ScaledBox {
    /// The same for an image that is so many times smaller.
    pub(super) fn divided(self, by: f64) -> Self {
        Self { region: self.region.divided(by), ..self }
    }

    /// The pixels, of an image of this size, that a kernel looks at.
    pub(super) fn needed(self, size: Size) -> Window {
        let range = |start: f64, length: f64, scaled: u32, whole: u32| {
            let reach = KERNEL_REACH * (length / f64::from(scaled)).max(1.0) + 2.0;
            let (start, end) = (to_pixels((start - reach).max(0.0)), to_pixels((start + length + reach).ceil()));
            start.min(whole - 1)..end.clamp(1, whole)
        };
        let Region { left, top, width, height } = self.region;
        Window {
            columns: range(left, width, self.scaled.width, size.width),
            rows: range(top, height, self.scaled.height, size.height),
        }
    }
}

/// How one output is made: `source` is scaled to `scaled`, which is placed at `left`, `top` of `canvas`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) source: Region,
    pub(super) scaled: Size,
    pub(super) canvas: Size,
    pub(super) left: u32,
    pub(super) top: u32,
}

impl Plan {
    /// Plans a rendition of an upright image of the given size.
    pub(super) fn new(source: Size, rendition: &Rendition) -> Self {
        let whole = scaled_size(source, rendition);
        match (rendition.fit, rendition.width, rendition.height) {
            (Fit::Cover, Some(width), Some(height)) => {
                let kept = Size { width: width.min(whole.width), height: height.min(whole.height) };
                Self::crop(source, whole, kept, rendition.position)
            }
            (Fit::Contain, Some(width), Some(height)) => {
                let canvas = Size { width: width.max(whole.width), height: height.max(whole.height) };
                Self::embed(source, whole, canvas, rendition.position)
            }
            _ => Self::embed(source, whole, whole, rendition.position),
        }
    }

    /// What of the stored image is scaled, and to what.
    pub(super) fn stored_box(&self, orientation: Orientation, stored: Size, kernel: Kernel) -> ScaledBox {
        ScaledBox {
            region: orientation.stored_region(self.source, stored),
            scaled: orientation.apply(self.scaled),
            exact: kernel == Kernel::Nearest,
        }
    }

    fn crop(source: Size, whole: Size, kept: Size, position: Position) -> Self {
        let left = crop_offset(whole.width, kept.width, position.x, position.focal);
        let top = crop_offset(whole.height, kept.height, position.y, position.focal);
        let per_x = f64::from(source.width) / f64::from(whole.width);
        let per_y = f64::from(source.height) / f64::from(whole.height);
        let region = Region {
            left: f64::from(left) * per_x,
            top: f64::from(top) * per_y,
            width: f64::from(kept.width) * per_x,
            height: f64::from(kept.height) * per_y,
        };
        Self { source: region, scaled: kept, canvas: kept, left: 0, top: 0 }
    }

    fn embed(source: Size, whole: Size, canvas: Size, position: Position) -> Self {
        // A focal point says what must not be cropped. Nothing is, so the image stays in the middle.
        let (x, y) = if position.focal { (0.5, 0.5) } else { (position.x, position.y) };
        Self {
            source: Region { left: 0.0, top: 0.0, width: f64::from(source.width), height: f64::from(source.height) },
            scaled: whole,
            canvas,
            // Sharp rounds the place of an embedded image down and that of a crop up.
            left: to_pixels(f64::from(canvas.width - whole.width) * x.clamp(0.0, 1.0)),
            top: to_pixels(f64::from(canvas.height - whole.height) * y.clamp(0.0, 1.0)),
        }
    }
}

/// The size of the whole image after scaling, before any crop or border.
fn scaled_size(source: Size, rendition: &Rendition) -> Size {
    let wanted = (rendition.width.filter(|side| *side > 0), rendition.height.filter(|side| *side > 0));
    let size = match (rendition.fit, wanted) {
        (_, (None, None)) => source,
        // `fill` ignores the proportions, so a side that is not given stays what it is, as in sharp.
        (Fit::Fill, (width, height)) => {
            let (width, height) = (width.unwrap_or(source.width), height.unwrap_or(source.height));
            return if rendition.enlarge {
                Size { width, height }
            } else {
                Size { width: width.min(source.width), height: height.min(source.height) }
            };
        }
        (_, (Some(width), None)) => by_width(source, width),
        (_, (None, Some(height))) => by_height(source, height),
        (fit, (Some(width), Some(height))) => {
            let width_scales_more =
                u64::from(width) * u64::from(source.height) >= u64::from(height) * u64::from(source.width);
            let covering = matches!(fit, Fit::Cover | Fit::Outside);
            if width_scales_more == covering { by_width(source, width) } else { by_height(source, height) }
        }
    };
    let larger = size.width > source.width || size.height > source.height;
    if larger && !rendition.enlarge { source } else { size }
}

fn by_width(source: Size, width: u32) -> Size {
    Size { width, height: proportion(source.height, width, source.width) }
}

fn by_height(source: Size, height: u32) -> Size {
    Size { width: proportion(source.width, height, source.height), height }
}

/// `side * wanted / of`, rounded half up, at least one pixel.
fn proportion(side: u32, wanted: u32, of: u32) -> u32 {
    let of = u128::from(of.max(1));
    let doubled = u128::from(side) * u128::from(wanted) * 2 + of;
    u32::try_from(doubled / (of * 2)).unwrap_or(u32::MAX).max(1)
}

/// Where a crop starts along one axis. A gravity divides what hangs over; a focal point is brought to the middle of the
/// crop as far as the image reaches.
fn crop_offset(whole: u32, kept: u32, position: f64, focal: bool) -> u32 {
    let over = f64::from(whole - kept);
    let position = position.clamp(0.0, 1.0);
    let offset = if focal { position * f64::from(whole) - f64::from(kept) / 2.0 } else { position * over };
    to_pixels((offset + 0.5).clamp(0.0, over))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the callers' values lie between zero and a u32; the cast saturates in any case"
)]
fn to_pixels(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests;
