//! What looks at the eight neighbours of each sample: sharp's mild blur and mild sharpening. Beyond the edge the edge goes on.

use crate::error::PixelError;
use crate::raster::{Raster, zeroed_bytes};

/// The mean of nine samples, of which this is the sum. Rounded down, as sharp leaves it.
pub(super) fn mean(_: u8, sum: u16) -> u8 {
    u8::try_from(sum / 9).unwrap_or(u8::MAX)
}

/// 32 times the sample less its neighbours, by 24, rounded down within a byte.
pub(super) fn sharper(sample: u8, sum: u16) -> u8 {
    let difference = 33 * i32::from(sample) - i32::from(sum);
    u8::try_from((difference / 24).clamp(0, 255)).unwrap_or(u8::MAX)
}

/// Replaces each sample by what a function makes of it and of the sum of it and its eight neighbours.
pub(super) fn convolve(image: &mut Raster, of: impl Fn(u8, u16) -> u8) -> Result<(), PixelError> {
    let channels = image.layout.channels();
    let stride = image.size.width as usize * channels;
    if stride == 0 {
        return Ok(());
    }
    // Rows as they were before they were replaced.
    let mut above = zeroed_bytes(stride as u64)?;
    let mut own = zeroed_bytes(stride as u64)?;
    // Sums of three samples, with one pixel more at either end.
    let mut columns = vec![0_u16; stride + 2 * channels];
    let rows = image.data.len() / stride;
    for y in 0..rows {
        own.copy_from_slice(&image.data[y * stride..][..stride]);
        if y == 0 {
            above.copy_from_slice(&own);
        }
        let below = &image.data[(y + 1).min(rows - 1) * stride..][..stride];
        let sums = columns[channels..].iter_mut().zip(&above).zip(&own).zip(below);
        for (((sum, above), own), below) in sums {
            *sum = u16::from(*above) + u16::from(*own) + u16::from(*below);
        }
        columns.copy_within(channels..2 * channels, 0);
        columns.copy_within(stride..stride + channels, stride + channels);
        let (left, middle, right) = (&columns, &columns[channels..], &columns[2 * channels..]);
        let row = &mut image.data[y * stride..][..stride];
        for ((sample, own), ((left, middle), right)) in row.iter_mut().zip(&own).zip(left.iter().zip(middle).zip(right))
        {
            *sample = of(*own, left + middle + right);
        }
        std::mem::swap(&mut above, &mut own);
    }
    Ok(())
}
