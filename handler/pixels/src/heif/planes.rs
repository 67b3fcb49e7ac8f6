//! Samples of eight bits in planes, put together from the tiles of a layer.

use super::FORMAT;
use super::hevc::{self, Decoded};
use super::image::{Layer, Nclx};
use crate::area::Size;
use crate::error::PixelError;
use crate::planes::Plane;
use crate::raster::zeroed_bytes;

/// How samples become red, green and blue, by the numbers of H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) matrix: u16,
    pub(super) full_range: bool,
}

/// A plane of samples for luma, and two for chroma unless the image is gray.
pub(super) struct Samples {
    pub(super) luma: Plane,
    pub(super) chroma: Option<[Plane; 2]>,
    /// Over the full range already.
    pub(super) matrix: u16,
}

/// Decodes all tiles of a layer.
pub(super) fn samples(bytes: &[u8], layer: &Layer) -> Result<Samples, PixelError> {
    // Made when there is something for them: one picture that is all of the image needs the memory while it is decoded.
    let mut planes: Option<(Plane, Option<[Plane; 2]>)> = None;
    let per_sample = layer.chroma_pixels().map_or((1, 1), |(across, down)| (across as usize, down as usize));
    let mut coding = None;
    for (tile, coded) in (0_u32..).zip(&layer.tiles) {
        let decoded = hevc::decode(bytes, layer, coded)?;
        let own = coding_of(layer.nclx, &decoded);
        if *coding.get_or_insert(own) != own {
            return Err(PixelError::corrupt(FORMAT, "its tiles differ in their size or their colours"));
        }
        let (luma, chroma) = match &mut planes {
            Some(planes) => planes,
            none => none.insert(zeroed(layer)?),
        };
        let (left, top) = (tile % layer.columns * layer.tile.width, tile / layer.columns * layer.tile.height);
        let (left, top) = (left as usize, top as usize);
        let (width, height) = (layer.tile.width as usize, layer.tile.height as usize);
        Tile { decoded: &decoded, plane: 0, per_sample: (1, 1), size: (width, height), full_range: own.full_range }
            .copy_to(luma, left, top)?;
        for (plane, samples) in (1..).zip(chroma.iter_mut().flatten()) {
            let (across, down) = per_sample;
            // A tile may begin within a sample only where it has an odd side, which cannot be put together.
            if !left.is_multiple_of(across) || !top.is_multiple_of(down) {
                return Err(PixelError::unsupported(FORMAT, "tiles of an odd size"));
            }
            let size = (width.div_ceil(across), height.div_ceil(down));
            Tile { decoded: &decoded, plane, per_sample, size, full_range: own.full_range }.copy_to(
                samples,
                left / across,
                top / down,
            )?;
        }
    }
    let matrix = coding.map_or(2, |coding| coding.matrix);
    let (luma, chroma) = planes.map_or_else(|| zeroed(layer), Ok)?;
    Ok(Samples { luma, chroma, matrix })
}

/// The planes of a layer: luma and, unless it is gray, chroma.
fn zeroed(layer: &Layer) -> Result<(Plane, Option<[Plane; 2]>), PixelError> {
    let plane = |size: Size| Ok::<_, PixelError>(Plane { size, data: zeroed_bytes(size.pixels())? });
    let chroma = layer.chroma_size().map(|size| Ok::<_, PixelError>([plane(size)?, plane(size)?])).transpose()?;
    Ok((plane(layer.size)?, chroma))
}

/// The boxes decide, and where they say nothing the coded picture itself.
fn coding_of(nclx: Option<Nclx>, decoded: &Decoded) -> Coding {
    match nclx {
        Some(Nclx { matrix, full_range, .. }) => Coding { matrix, full_range },
        None => Coding { matrix: decoded.frame.matrix_coeffs.into(), full_range: decoded.frame.full_range },
    }
}

/// One plane of a decoded tile.
struct Tile<'d> {
    decoded: &'d Decoded,
    plane: usize,
    /// Pixels for which a sample stands.
    per_sample: (usize, usize),
    /// Samples that count.
    size: (usize, usize),
    full_range: bool,
}

impl Tile<'_> {
    /// Writes what of it lies within a plane, as bytes over the full range.
    fn copy_to(&self, to: &mut Plane, left: usize, top: usize) -> Result<(), PixelError> {
        let Decoded { frame, left: skipped, top: above } = self.decoded;
        let stride = frame.widths.get(self.plane).map_or(0, |width| *width as usize);
        let samples = frame.planes.get(self.plane).map_or(&[][..], Vec::as_slice);
        let bytes = Bytes::new(frame.bit_depth[usize::from(self.plane > 0)], self.full_range, self.plane > 0);
        let (from_left, from_top) = (skipped / self.per_sample.0, above / self.per_sample.1);
        let to_stride = to.size.width as usize;
        let width = self.size.0.min(to_stride.saturating_sub(left));
        let rows = to.data.chunks_exact_mut(to_stride.max(1)).skip(top).take(self.size.1);
        for (y, row) in rows.enumerate() {
            let start = (from_top + y) * stride + from_left;
            let (Some(from), Some(to)) = (samples.get(start..start + width), row.get_mut(left..left + width)) else {
                return Err(PixelError::corrupt(FORMAT, "a coded picture is smaller than its header says"));
            };
            bytes.convert(from, to);
        }
        Ok(())
    }
}

/// From samples of so many bits to bytes.
struct Bytes {
    /// What each sample becomes, where there are few enough of them to look that up.
    table: Vec<u8>,
    is_same: bool,
}

impl Bytes {
    fn new(bits: u8, full_range: bool, is_chroma: bool) -> Self {
        let bits = u32::from(bits.clamp(8, 16));
        let greatest = f64::from((1_u32 << bits) - 1);
        let unit = f64::from(1_u32 << (bits - 8));
        let value = |sample: u32| {
            let sample = f64::from(sample);
            match (full_range, is_chroma) {
                (true, false) => sample / greatest * 255.0,
                // Zero is in the middle, where a sample of more bits has it at another part of the whole.
                (true, true) => (sample - 128.0 * unit) / greatest * 255.0 + 128.0,
                (false, false) => (sample / unit - 16.0) / 219.0 * 255.0,
                (false, true) => (sample / unit - 128.0) / 224.0 * 255.0 + 128.0,
            }
        };
        let is_same = bits == 8 && full_range;
        let count = if is_same { 0 } else { 1_u32 << bits };
        Self { table: (0..count).map(|sample| byte(value(sample))).collect(), is_same }
    }

    fn convert(&self, from: &[u16], to: &mut [u8]) {
        for (sample, byte) in from.iter().zip(to) {
            *byte = if self.is_same {
                u8::try_from(*sample).unwrap_or(u8::MAX)
            } else {
                self.table.get(usize::from(*sample)).copied().unwrap_or(u8::MAX)
            };
        }
    }
}

/// A value as the nearest byte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded; the cast saturates")]
fn byte(value: f64) -> u8 {
    value.round() as u8
}
