//! An image on its way from the decoder to the encoder: pixels, or the planes of a JPEG, and which part of the stored image
//! they show.

use super::area::{Region, Size};
use super::error::PixelError;
use super::jpeg;
use super::orientation::Orientation;
use super::planes::{Plane, Planes};
use super::raster::{Layout, Raster};
use super::resampling::{Resampling, premultiplies};
use super::scale::{Alpha, Scaler, premultiply};

/// What the layers of a picture mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    /// One layer of pixels.
    Pixels,
    /// One layer of pixels whose colours are multiplied by their alpha.
    Premultiplied,
    /// Three planes: luma and chroma.
    YCbCr,
    /// Three planes: red, green and blue.
    Rgb,
}

/// Samples, and where they lie in the stored image.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) raster: Raster,
    /// Where the first sample begins, in pixels of the stored image.
    pub(super) left: f64,
    pub(super) top: f64,
    /// Pixels of the stored image for which a sample stands, across and down.
    pub(super) per_sample: (f64, f64),
}

impl Layer {
    /// Where a box of the stored image is among the samples.
    fn region(&self, stored: Region) -> Region {
        Region { left: stored.left - self.left, top: stored.top - self.top, ..stored }.divided(self.per_sample)
    }
}

/// One layer of pixels, or three of planes.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) layers: Vec<Layer>,
    pub(super) colors: Colors,
}

impl Picture {
    /// All pixels of the stored image, made ready for what is made of it.
    pub(super) fn whole(mut raster: Raster, resamplings: &[Resampling]) -> Result<Self, PixelError> {
        let alpha = if premultiplies(resamplings) { premultiply(&mut raster)? } else { Alpha::Straight };
        let colors = if alpha == Alpha::Premultiplied { Colors::Premultiplied } else { Colors::Pixels };
        Ok(Self { layers: vec![Layer { raster, left: 0.0, top: 0.0, per_sample: (1.0, 1.0) }], colors })
    }

    /// Planes of the whole stored image, and the pixels for which a sample of chroma stands, across and down.
    #[cfg(feature = "heic")]
    pub(super) fn of_planes(planes: Planes, per_sample: (u32, u32)) -> Self {
        let layer = |plane: Plane, per_sample| {
            let raster = Raster { size: plane.size, layout: Layout::Gray, data: plane.data };
            Layer { raster, left: 0.0, top: 0.0, per_sample }
        };
        let chroma_sample = (f64::from(per_sample.0), f64::from(per_sample.1));
        let colors = if planes.chroma.is_some() { Colors::YCbCr } else { Colors::Pixels };
        let chroma = planes.chroma.into_iter().flatten().map(|plane| layer(plane, chroma_sample));
        let layers = std::iter::once(layer(planes.luma, (1.0, 1.0))).chain(chroma).collect();
        Self { layers, colors }
    }

    /// Makes what a rendition wants, each plane straight from its own size to the one it is wanted at.
    /// The picture stays as it is.
    pub(super) fn scaled(&mut self, resampling: &Resampling, scaler: &mut Scaler) -> Result<Self, PixelError> {
        let (alpha, colors) = match self.colors {
            Colors::Premultiplied => (Alpha::Premultiplied, Colors::Pixels),
            colors => (Alpha::Straight, colors),
        };
        let layer = |(component, layer): (usize, &mut Layer)| {
            // Red, green and blue are all like luma.
            let wanted = resampling.scaled_box(if colors == Colors::YCbCr { component } else { 0 });
            let region = layer.region(wanted.region);
            let raster = scaler.scale(&mut layer.raster, alpha, region, wanted.scaled, resampling.kernel)?;
            let Region { left, top, .. } = wanted.region;
            Ok(Layer { raster, left, top, per_sample: wanted.shrink() })
        };
        let layers = self.layers.iter_mut().enumerate().map(layer).collect::<Result<_, PixelError>>()?;
        Ok(Self { layers, colors })
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.layers[0].raster.layout.has_alpha()
    }

    /// Whether it can be written as a JPEG without becoming pixels.
    pub(super) fn is_planes(&self) -> bool {
        match self.colors {
            Colors::YCbCr => true,
            Colors::Rgb | Colors::Premultiplied => false,
            Colors::Pixels => self.layers[0].raster.layout == Layout::Gray,
        }
    }

    /// The planes, turned upright. Only for what [`Picture::is_planes`].
    pub(super) fn into_planes(self, orientation: Orientation) -> Result<Planes, PixelError> {
        let mut planes = self.layers.into_iter().map(|layer| {
            let Raster { size, data, .. } = layer.raster.upright(orientation)?;
            Ok(Plane { size, data })
        });
        let none = || PixelError::Internal { stage: "encoding", reason: "a plane is missing".to_owned() };
        let luma = planes.next().unwrap_or_else(|| Err(none()))?;
        let chroma = match (planes.next(), planes.next()) {
            (Some(blue), Some(red)) => Some([blue?, red?]),
            _ => None,
        };
        Ok(Planes { luma, chroma })
    }

    /// The pixels, turned upright, of a picture that was scaled.
    pub(super) fn into_raster(mut self, orientation: Orientation) -> Result<Raster, PixelError> {
        let raster = match self.colors {
            Colors::Pixels | Colors::Premultiplied => self.layers.swap_remove(0).raster,
            Colors::YCbCr | Colors::Rgb => woven(self.layers.iter().map(|layer| &layer.raster), self.colors)?,
        };
        raster.upright(orientation)
    }
}

/// Pixels of planes that all have the same size.
fn woven<'r>(planes: impl Iterator<Item = &'r Raster>, colors: Colors) -> Result<Raster, PixelError> {
    let planes: Vec<&Raster> = planes.collect();
    let [first, second, third] = planes[..] else {
        return Err(PixelError::Internal { stage: "converting colours", reason: "expected three planes".to_owned() });
    };
    let Size { width, .. } = first.size;
    let mut pixels = Raster::zeroed(first.size, Layout::Rgb)?;
    let row = |plane: &'r Raster, y: usize| {
        let width = plane.size.width as usize;
        &plane.data[y * width..(y + 1) * width]
    };
    for (y, pixels) in pixels.data.chunks_exact_mut(width as usize * 3).enumerate() {
        let rows = [row(first, y), row(second, y), row(third, y)];
        jpeg::weave(rows, colors == Colors::YCbCr, pixels);
    }
    Ok(pixels)
}
