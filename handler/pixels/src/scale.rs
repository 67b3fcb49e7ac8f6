//! Resampling: a box of the stored image to a size, with alpha premultiplied while colours are mixed.
//!
//! - The resampler premultiplies a copy of the whole source. Where nobody needs the source as it was, [`premultiply`] saves
//!   the memory and its pages.
//! - It is compiled anew for every type of pixels and of images, and half a megabyte each time. So there is one type of
//!   images, whose memory could be written though it is only read, and what is gray with alpha is scaled as if it had colours.

use std::fmt;

use fast_image_resize as fir;
use fir::images::TypedImage;
use fir::pixels::{U8, U8x3, U8x4};
use fir::{FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions};

use super::area::{Region, Size};
use super::error::PixelError;
use super::options::Kernel;
use super::raster::{Layout, Raster};

/// A resampler that keeps its scratch memory from one rendition to the next.
#[derive(Default)]
pub(super) struct Scaler {
    resizer: fir::Resizer,
}

/// What the colours of a source with alpha are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// As they are in a file.
    Straight,
    /// Multiplied by their alpha.
    Premultiplied,
}

/// Multiplies colours by their alpha, in place. What has no colours or no alpha stays as it is.
pub(super) fn premultiply(raster: &mut Raster) -> Result<Alpha, PixelError> {
    if raster.layout != Layout::Rgba {
        return Ok(Alpha::Straight);
    }
    MulDiv::new().multiply_alpha_inplace_typed(&mut typed::<U8x4>(raster)?).map_err(failed)?;
    Ok(Alpha::Premultiplied)
}

fn typed<P: PixelTrait>(raster: &mut Raster) -> Result<TypedImage<'_, P>, PixelError> {
    TypedImage::from_buffer(raster.size.width, raster.size.height, &mut raster.data).map_err(failed)
}

impl Scaler {
    /// Scales `region` of the source to `size`. Where the region reaches beyond the source, its edge goes on. Colours under
    /// transparent pixels do not bleed into their neighbours. The result's alpha is straight, whatever the source's is.
    pub(super) fn scale(
        &mut self,
        source: &mut Raster,
        alpha: Alpha,
        region: Region,
        size: Size,
        kernel: Kernel,
    ) -> Result<Raster, PixelError> {
        if let Some((mut wider, region)) = widened(source, region)? {
            return self.scale(&mut wider, alpha, region, size, kernel);
        }
        if source.layout == Layout::GrayAlpha {
            let mut colored = source.colored()?;
            let mixes = kernel != Kernel::Nearest
                && (region.width, region.height) != (f64::from(size.width), f64::from(size.height));
            let alpha = if mixes { premultiply(&mut colored)? } else { Alpha::Straight };
            return Ok(self.scale(&mut colored, alpha, region, size, kernel)?.uncolored());
        }
        let mut scaled = Raster::zeroed(size, source.layout)?;
        let region = within(region, source.size);
        let options = ResizeOptions::new()
            .resize_alg(algorithm(kernel))
            .crop(region.left, region.top, region.width, region.height)
            .use_alpha(alpha == Alpha::Straight && source.layout.has_alpha());
        match source.layout {
            Layout::Gray => self.convolve::<U8>(source, &mut scaled, &options),
            Layout::Rgb => self.convolve::<U8x3>(source, &mut scaled, &options),
            Layout::GrayAlpha | Layout::Rgba => self.convolve::<U8x4>(source, &mut scaled, &options),
        }?;
        if alpha == Alpha::Premultiplied {
            MulDiv::new().divide_alpha_inplace_typed(&mut typed::<U8x4>(&mut scaled)?).map_err(failed)?;
        }
        Ok(scaled)
    }

    /// Fills a raster with pixels of one type.
    fn convolve<P: PixelTrait>(
        &mut self,
        source: &mut Raster,
        scaled: &mut Raster,
        options: &ResizeOptions,
    ) -> Result<(), PixelError> {
        self.resizer.resize_typed(&typed::<P>(source)?, &mut typed::<P>(scaled)?, options).map_err(failed)
    }
}

fn failed(error: impl fmt::Display) -> PixelError {
    PixelError::Internal { stage: "scaling", reason: error.to_string() }
}

/// The source with its edges repeated as far as the region reaches, and the region in it; none if it lies within.
fn widened(source: &Raster, region: Region) -> Result<Option<(Raster, Region)>, PixelError> {
    const ROUNDING: f64 = 1e-6;

    let (width, height) = (f64::from(source.size.width), f64::from(source.size.height));
    let beyond = |by: f64| if by > ROUNDING { to_samples(by.ceil()) } else { 0 };
    let (left, right) = (beyond(-region.left), beyond(region.left + region.width - width));
    let (top, bottom) = (beyond(-region.top), beyond(region.top + region.height - height));
    if [left, right, top, bottom] == [0; 4] {
        return Ok(None);
    }
    let (channels, stride) = (source.layout.channels(), source.size.width as usize * source.layout.channels());
    let size = Size { width: left + source.size.width + right, height: top + source.size.height + bottom };
    let mut wider = Raster::zeroed(size, source.layout)?;
    let last_row = source.size.height - 1;
    for (y, row) in (0..).zip(wider.data.chunks_exact_mut(size.width as usize * channels)) {
        let from = &source.data[u32::saturating_sub(y, top).min(last_row) as usize * stride..][..stride];
        let (before, rest) = row.split_at_mut(left as usize * channels);
        let (within, after) = rest.split_at_mut(stride);
        within.copy_from_slice(from);
        before.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&from[..channels]));
        after.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&from[stride - channels..]));
    }
    Ok(Some((wider, Region { left: region.left + f64::from(left), top: region.top + f64::from(top), ..region })))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than a sample of the output")]
fn to_samples(value: f64) -> u32 {
    value as u32
}

/// The region without the rounding errors that would let it reach a millionth of a pixel outside the image.
fn within(region: Region, size: Size) -> Region {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let (left, top) = (region.left.clamp(0.0, width), region.top.clamp(0.0, height));
    Region { left, top, width: region.width.min(width - left), height: region.height.min(height - top) }
}

fn algorithm(kernel: Kernel) -> ResizeAlg {
    match kernel {
        Kernel::Nearest => ResizeAlg::Nearest,
        Kernel::Linear => ResizeAlg::Convolution(FilterType::Bilinear),
        Kernel::Cubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        Kernel::Mitchell => ResizeAlg::Convolution(FilterType::Mitchell),
        Kernel::Lanczos3 => ResizeAlg::Convolution(FilterType::Lanczos3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(source: &mut Raster, width: u32, height: u32, kernel: Kernel) -> Raster {
        let region =
            Region { left: 0.0, top: 0.0, width: f64::from(source.size.width), height: f64::from(source.size.height) };
        Scaler::default().scale(source, Alpha::Straight, region, Size { width, height }, kernel).unwrap()
    }

    /// An opaque red square beside transparent black: without premultiplying, the seam would turn dark.
    #[test]
    fn no_dark_fringe_at_the_edge_of_what_is_transparent() {
        for (layout, color) in [(Layout::Rgba, vec![250, 40, 10, 255]), (Layout::GrayAlpha, vec![200, 255])] {
            let mut source = Raster::zeroed(Size { width: 64, height: 16 }, layout).unwrap();
            for (index, pixel) in source.data.chunks_exact_mut(layout.channels()).enumerate() {
                if index % 64 < 31 {
                    pixel.copy_from_slice(&color);
                }
            }
            for kernel in [Kernel::Linear, Kernel::Cubic, Kernel::Mitchell, Kernel::Lanczos3] {
                let small = scaled(&mut source, 10, 5, kernel);
                let (mut partly, channels) = (0, layout.channels());
                for pixel in small.data.chunks_exact(channels) {
                    let alpha = pixel[channels - 1];
                    if alpha < 16 {
                        continue;
                    }
                    partly += usize::from(alpha < 250);
                    for (found, expected) in pixel[..channels - 1].iter().zip(&color) {
                        assert!(found.abs_diff(*expected) <= 10, "{kernel:?}: {pixel:?} should be {color:?}");
                    }
                }
                assert!(partly > 0, "{kernel:?} has a seam to look at");
            }
        }
    }

    #[test]
    fn a_source_premultiplied_in_place_gives_the_same_pixels() {
        let mut random = fastrand::Rng::with_seed(1);
        let region = Region { left: -1.0, top: 2.5, width: 50.0, height: 40.0 };
        let scaled = |source: &mut Raster, alpha, size, kernel| {
            Scaler::default().scale(source, alpha, region, size, kernel).unwrap()
        };
        for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
            let mut source = Raster::zeroed(Size { width: 61, height: 47 }, layout).unwrap();
            random.fill(&mut source.data);
            for kernel in [Kernel::Linear, Kernel::Lanczos3] {
                for (width, height) in [(20, 30), (49, 41), (50, 11)] {
                    let size = Size { width, height };
                    let expected = scaled(&mut source, Alpha::Straight, size, kernel);
                    let mut premultiplied = source.clone();
                    let alpha = premultiply(&mut premultiplied).unwrap();
                    assert_eq!(
                        scaled(&mut premultiplied, alpha, size, kernel),
                        expected,
                        "{layout:?} {kernel:?} {size:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_pixels() {
        let data: Vec<u8> = (0..=255).cycle().take(8 * 8 * 4).collect();
        for (layout, width) in [(Layout::Rgba, 8), (Layout::GrayAlpha, 16)] {
            let mut source = Raster { size: Size { width, height: 8 }, layout, data: data.clone() };
            for kernel in [Kernel::Nearest, Kernel::Lanczos3] {
                assert_eq!(scaled(&mut source, width, 8, kernel), source);
            }
        }
    }

    #[test]
    fn flat_colour_stays_flat_at_every_size_and_kernel() {
        for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
            let mut source = Raster::zeroed(Size { width: 37, height: 23 }, layout).unwrap();
            source.data.fill(255);
            for kernel in [Kernel::Nearest, Kernel::Linear, Kernel::Cubic, Kernel::Mitchell, Kernel::Lanczos3] {
                for (width, height) in [(1, 1), (5, 3), (37, 1), (90, 61)] {
                    assert!(scaled(&mut source, width, height, kernel).data.iter().all(|value| *value >= 254));
                }
            }
        }
    }
}
