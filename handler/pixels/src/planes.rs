//! An image as JPEG holds it: one plane for each channel, those of the colours possibly with fewer samples.

#![expect(clippy::inline_always, reason = "the conversion is vectorised only in one body")]

use super::area::Size;
use super::dispatch::{HotLoop, dispatch};
use super::error::PixelError;
use super::raster::{Layout, Raster, zeroed_bytes};

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

    /// The planes of a gray or RGB image, by the arithmetic of libjpeg. With `half_chroma` each sample of chroma is the mean
    /// of two by two, rounded down and up in turns; those beyond an odd edge are those at the edge.
    pub(crate) fn from_raster(raster: &Raster, half_chroma: bool) -> Result<Self, PixelError> {
        let size = raster.size;
        match raster.layout {
            Layout::Gray => Ok(Self { luma: Plane { size, data: copied(&raster.data)? }, chroma: None }),
            Layout::Rgb if half_chroma => half_from_rgb(size, &raster.data),
            Layout::Rgb => full_from_rgb(size, &raster.data),
            Layout::GrayAlpha | Layout::Rgba => {
                Err(PixelError::Internal { stage: "making planes", reason: "alpha is still there".into() })
            }
        }
    }
}

/// The size of chroma with half the samples along each side, the last of which may stand for one of luma.
pub(crate) fn half(size: Size) -> Size {
    Size { width: size.width.div_ceil(2), height: size.height.div_ceil(2) }
}

impl Plane {
    fn zeroed(size: Size) -> Result<Self, PixelError> {
        Ok(Self { size, data: zeroed_bytes(size.pixels())? })
    }
}

fn copied(data: &[u8]) -> Result<Vec<u8>, PixelError> {
    let mut copy = zeroed_bytes(data.len() as u64)?;
    copy.copy_from_slice(data);
    Ok(copy)
}

fn full_from_rgb(size: Size, rgb: &[u8]) -> Result<Planes, PixelError> {
    let [mut luma, mut blue, mut red] = [Plane::zeroed(size)?, Plane::zeroed(size)?, Plane::zeroed(size)?];
    convert(rgb, &mut luma.data, &mut blue.data, &mut red.data);
    Ok(Planes { luma, chroma: Some([blue, red]) })
}

fn half_from_rgb(size: Size, rgb: &[u8]) -> Result<Planes, PixelError> {
    let (width, half) = (size.width as usize, half(size));
    let [mut luma, mut blue, mut red] = [Plane::zeroed(size)?, Plane::zeroed(half)?, Plane::zeroed(half)?];
    // Two rows of chroma at full size, of an even width.
    let half_width = half.width as usize;
    let mut rows = [(); 4].map(|()| vec![0; half_width * 2]);
    let pairs = rgb.chunks(width * 6).zip(luma.data.chunks_mut(width * 2));
    let halves = blue.data.chunks_exact_mut(half_width).zip(red.data.chunks_exact_mut(half_width));
    for ((rgb, luma), (half_blue, half_red)) in pairs.zip(halves) {
        let [blue_above, blue_below, red_above, red_below] = &mut rows;
        let (rgb_above, rgb_below) = rgb.split_at(width * 3);
        let (luma_above, luma_below) = luma.split_at_mut(width);
        convert(rgb_above, luma_above, &mut blue_above[..width], &mut red_above[..width]);
        if luma_below.is_empty() {
            blue_below.copy_from_slice(blue_above);
            red_below.copy_from_slice(red_above);
        } else {
            convert(rgb_below, luma_below, &mut blue_below[..width], &mut red_below[..width]);
        }
        for row in &mut rows {
            if width % 2 == 1 {
                row[width] = row[width - 1];
            }
        }
        let [blue_above, blue_below, red_above, red_below] = &rows;
        halve(blue_above, blue_below, half_blue);
        halve(red_above, red_below, half_red);
    }
    Ok(Planes { luma, chroma: Some([blue, red]) })
}

/// From RGB to JFIF's YCbCr: sixteen bits of fraction, luma rounded to nearest, chroma with halves rounded down.
fn convert(rgb: &[u8], luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    dispatch(Convert { rgb, luma, blue, red });
}

struct Convert<'c> {
    rgb: &'c [u8],
    luma: &'c mut [u8],
    blue: &'c mut [u8],
    red: &'c mut [u8],
}

impl HotLoop for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        converted(self.rgb, self.luma, self.blue, self.red);
    }
}

#[inline(always)]
fn converted(rgb: &[u8], luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    const LANES: usize = 16;

    let whole = luma.len() / LANES * LANES;
    let (rgb, rgb_rest) = rgb.split_at(whole * 3);
    let (luma, luma_rest) = luma.split_at_mut(whole);
    let (blue, blue_rest) = blue.split_at_mut(whole);
    let (red, red_rest) = red.split_at_mut(whole);
    lanes::<LANES>(rgb.as_chunks().0, luma, blue, red);
    lanes::<1>(rgb_rest.as_chunks().0, luma_rest, blue_rest, red_rest);
}

#[inline(always)]
fn lanes<const N: usize>(rgb: &[[u8; 3]], luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    let planes =
        luma.as_chunks_mut::<N>().0.iter_mut().zip(blue.as_chunks_mut::<N>().0).zip(red.as_chunks_mut::<N>().0);
    for (rgb, ((luma, blue), red)) in rgb.as_chunks::<N>().0.iter().zip(planes) {
        let [mut reds, mut greens, mut blues] = [[0_u16; N]; 3];
        for (lane, [r, g, b]) in rgb.iter().enumerate() {
            (reds[lane], greens[lane], blues[lane]) = (u16::from(*r), u16::from(*g), u16::from(*b));
        }
        for lane in 0..N {
            let (r, g, b) = (u32::from(reds[lane]), u32::from(greens[lane]), u32::from(blues[lane]));
            luma[lane] = byte(r * 19_595 + g * 38_470 + b * 7471 + (1 << 15));
            blue[lane] = byte(b * (1 << 15) + ((128 << 16) + (1 << 15) - 1) - r * 11_059 - g * 21_709);
            red[lane] = byte(r * (1 << 15) + ((128 << 16) + (1 << 15) - 1) - g * 27_439 - b * 5329);
        }
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the factors of a sum add up to at most one")]
fn byte(sum: u32) -> u8 {
    (sum >> 16) as u8
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte")]
fn halve(above: &[u8], below: &[u8], half: &mut [u8]) {
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for (nth, (half, (above, below))) in half.iter_mut().zip(pairs).enumerate() {
        let sum = u16::from(above[0]) + u16::from(above[1]) + u16::from(below[0]) + u16::from(below[1]);
        *half = ((sum + 1 + (nth as u16 & 1)) >> 2) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(width: u32, height: u32, data: Vec<u8>) -> Raster {
        Raster { size: Size { width, height }, layout: Layout::Rgb, data }
    }

    /// JFIF 1.02, page 3, rounded; a half may go either way.
    #[test]
    fn conversion_is_that_of_jfif() {
        let mut random = fastrand::Rng::with_seed(6);
        let mut data = vec![0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255];
        data.extend(std::iter::repeat_with(|| random.u8(..)).take(3 * 95));
        let planes = Planes::from_raster(&rgb(10, 10, data.clone()), false).unwrap();
        let [blue, red] = planes.chroma.unwrap();
        for (nth, pixel) in data.as_chunks::<3>().0.iter().enumerate() {
            let [r, g, b] = pixel.map(f64::from);
            let luma = 0.299 * r + 0.587 * g + 0.114 * b;
            let expected = [luma, (b - luma) / 1.772 + 128.0, (r - luma) / 1.402 + 128.0];
            for (found, expected) in [&planes.luma, &blue, &red].map(|plane| plane.data[nth]).into_iter().zip(expected)
            {
                let distance = (f64::from(found) - expected.min(255.0)).abs();
                assert!(distance <= 0.501, "{found} for {expected} of {pixel:?}");
            }
        }
    }

    #[test]
    fn halves_are_means_rounded_in_turns_and_edges_repeat() {
        // Sums of 2 in 4, whose mean is a half.
        let mut half = [0; 4];
        halve(&[1, 0, 1, 0, 1, 0, 1, 0], &[0, 1, 0, 1, 0, 1, 0, 1], &mut half);
        assert_eq!(half, [0, 1, 0, 1]);

        let data: Vec<u8> = [[255, 0, 0], [255, 0, 0], [0, 0, 255], [255, 0, 0], [255, 0, 0], [0, 0, 255]].concat();
        for (width, height) in [(3, 2), (2, 3)] {
            let planes = Planes::from_raster(&rgb(width, height, data.clone()), true).unwrap();
            let [blue, red] = planes.chroma.unwrap();
            assert_eq!((blue.size, red.size), (half_of(width, height), half_of(width, height)));
            if width == 3 {
                assert_eq!((blue.data, red.data), (vec![85, 255], vec![255, 107]));
            }
        }
        let planes = Planes::from_raster(&rgb(1, 1, vec![255, 0, 0]), true).unwrap();
        assert_eq!(planes.chroma.unwrap().map(|plane| plane.data), [vec![85], vec![255]]);
    }

    fn half_of(width: u32, height: u32) -> Size {
        half(Size { width, height })
    }
}
