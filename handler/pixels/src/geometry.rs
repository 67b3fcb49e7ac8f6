//! Sizes, crops and places: pure arithmetic on upright images, by sharp's rules.
//!
//! - Sizes come from the full upright size by exact rounding, half up, and are never zero: 6028x3391 to width 200 is
//!   200x113.
//! - A crop is cut from the scaled image at whole pixels, then expressed as a box of the source, so that only what is
//!   kept is ever computed.

use std::ops::Range;

use super::area::{Region, Size, Window};
use super::options::{Fit, Kernel, Position, Rendition, Strategy};
use super::orientation::Orientation;

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
    /// The pixels of the stored image, of this size, that a kernel looks at in a plane of which a sample stands for so
    /// many pixels across and down.
    pub(super) fn needed_pixels(self, size: Size, per_sample: (f64, f64)) -> Window {
        let samples = |side: u32, per_sample: f64| to_pixels((f64::from(side) / per_sample).ceil()).max(1);
        let plane = Size { width: samples(size.width, per_sample.0), height: samples(size.height, per_sample.1) };
        let samples = self.divided(per_sample).needed(plane);
        let pixels = |range: Range<u32>, per_sample: f64, side: u32| {
            let pixel = |sample: u32| to_pixels(f64::from(sample) * per_sample).min(side);
            pixel(range.start).min(side - 1)..pixel(range.end)
        };
        Window {
            columns: pixels(samples.columns, per_sample.0, size.width),
            rows: pixels(samples.rows, per_sample.1, size.height),
        }
    }

    /// The same for an image that is so many times smaller, across and down.
    pub(super) fn divided(self, by: (f64, f64)) -> Self {
        Self { region: self.region.divided(by), ..self }
    }

    /// The box of the samples that each stand for two by two of the scaled pixels. Where their number is odd, the last
    /// samples of the upright image reach beyond the box.
    pub(super) fn halved(self, orientation: Orientation) -> Self {
        let axis = |start: f64, length: f64, scaled: u32, flipped: bool| {
            let half = scaled.div_ceil(2);
            // A single sample has no neighbour that would lead up to what lies beyond, so it shows its pixel alone.
            let odd = if scaled == 1 { 0 } else { scaled % 2 };
            let beyond = length / f64::from(scaled) * f64::from(odd);
            (if flipped { start - beyond } else { start }, length + beyond, half)
        };
        let Region { left, top, width, height } = self.region;
        let (left, width, across) = axis(left, width, self.scaled.width, orientation.flips_stored_x());
        let (top, height, down) = axis(top, height, self.scaled.height, orientation.flips_stored_y());
        Self {
            region: Region { left, top, width, height },
            scaled: Size { width: across, height: down },
            exact: self.exact,
        }
    }

    /// Pixels of the stored image that become one, across and down.
    pub(super) fn shrink(self) -> (f64, f64) {
        (self.region.width / f64::from(self.scaled.width), self.region.height / f64::from(self.scaled.height))
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

/// How one output is made: `source` is scaled to `scaled`, which is placed at `left`, `top` of `canvas`. Where there is a
/// strategy, a part of the size of `canvas` is kept that is still to be [`found`](Plan::found).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) source: Region,
    pub(super) scaled: Size,
    pub(super) canvas: Size,
    pub(super) left: u32,
    pub(super) top: u32,
    /// How the part is found that is kept.
    pub(super) strategy: Option<Strategy>,
}

impl Plan {
    /// Plans a rendition of an upright image of the given size.
    pub(super) fn new(source: Size, rendition: &Rendition) -> Self {
        let whole = scaled_size(source, rendition);
        match (rendition.fit, rendition.width, rendition.height) {
            (Fit::Cover, Some(width), Some(height)) => {
                let kept = Size { width: width.min(whole.width), height: height.min(whole.height) };
                if kept != whole && rendition.strategy.is_some() {
                    let all = Self::embed(source, whole, whole, Position::CENTER);
                    return Self { canvas: kept, strategy: rendition.strategy, ..all };
                }
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

    /// The same plan where the part that is kept begins here in the scaled image.
    pub(super) fn found(self, left: u32, top: u32) -> Self {
        let source = Size { width: to_pixels(self.source.width), height: to_pixels(self.source.height) };
        Self::part(source, self.scaled, self.canvas, (left, top))
    }

    fn crop(source: Size, whole: Size, kept: Size, position: Position) -> Self {
        let left = crop_offset(whole.width, kept.width, position.x, position.focal);
        let top = crop_offset(whole.height, kept.height, position.y, position.focal);
        Self::part(source, whole, kept, (left, top))
    }

    fn part(source: Size, whole: Size, kept: Size, (left, top): (u32, u32)) -> Self {
        let per_x = f64::from(source.width) / f64::from(whole.width);
        let per_y = f64::from(source.height) / f64::from(whole.height);
        let region = Region {
            left: f64::from(left) * per_x,
            top: f64::from(top) * per_y,
            width: f64::from(kept.width) * per_x,
            height: f64::from(kept.height) * per_y,
        };
        Self { source: region, scaled: kept, canvas: kept, left: 0, top: 0, strategy: None }
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
            strategy: None,
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
