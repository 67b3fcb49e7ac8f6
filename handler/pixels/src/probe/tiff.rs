//! TIFF: what its reader has found of the first directory.

use super::{Icc, Probe};
use crate::error::PixelError;
use crate::format::InputFormat;
use crate::limits::Limits;
use crate::tiff::Image;

/// Reads the first directory and checks that every strip or tile lies within the file.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let image = Image::read(bytes, limits)?;
    let layout = image.layout();
    let icc = image.icc.clone().map_or(Ok(Icc::Absent), |place| Icc::plain(place, limits))?;
    Ok(Probe {
        format: InputFormat::Tiff,
        width: image.size.width,
        height: image.size.height,
        orientation: image.orientation,
        has_alpha: layout.has_alpha(),
        animated: false,
        palette: image.has_palette(),
        truncated: false,
        icc,
        color_bytes: 0,
        channels: u8::try_from(layout.channels()).unwrap_or(4),
        is_inks: image.is_inks(),
        channel_bytes: 1,
        decoder_bytes: image.memory_bytes_max(),
        jpeg: None,
    })
}
