//! A file that ends before its image does, where that is allowed. The decoders of PNG and BMP write row by row into the
//! buffer, so that what they wrote before their error is what the file has.

use image::ColorType;

use crate::format::InputFormat;
use crate::probe::Probe;

/// Whether what is in the buffer after an error is the part of the image that the file has.
pub(super) fn is_readable(probe: &Probe) -> bool {
    probe.truncated && matches!(probe.format, InputFormat::Png | InputFormat::Bmp)
}

/// Makes what will be missing gray, or transparent where that can be.
pub(super) fn prepare(data: &mut [u8], color: ColorType) {
    if !color.has_alpha() {
        data.fill(0x80);
    }
}

/// Finishes what the decoder could not: the samples of sixteen bits are still as PNG stores them.
pub(super) fn finish(data: &mut [u8], color: ColorType) {
    let bytes_per_sample = color.bytes_per_pixel() / color.channel_count();
    if bytes_per_sample == 2 {
        for sample in data.as_chunks_mut::<2>().0 {
            *sample = u16::from_be_bytes(*sample).to_ne_bytes();
        }
    }
}
