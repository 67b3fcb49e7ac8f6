//! HEIC: what its boxes say of the primary image.

use super::{Icc, Probe};
use crate::error::PixelError;
use crate::format::InputFormat;
use crate::heif::Image;
use crate::limits::Limits;

/// Reads the boxes and checks that all data of the image lies within the file.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let image = Image::read(bytes, limits)?;
    let (size, layout) = (image.size(), image.layout());
    let icc = match (image.icc.clone(), image.primaries()) {
        (Some(place), _) => Icc::plain(place, limits)?,
        (None, Some((primaries, transfer))) => Icc::Numbers { primaries, transfer },
        (None, None) => Icc::Absent,
    };
    Ok(Probe {
        format: InputFormat::Heic,
        width: size.width,
        height: size.height,
        orientation: image.orientation(),
        has_alpha: layout.has_alpha(),
        animated: false,
        palette: false,
        truncated: false,
        icc,
        color_bytes: 0,
        channels: u8::try_from(layout.channels()).unwrap_or(4),
        is_inks: false,
        channel_bytes: 1,
        decoder_bytes: image.memory_bytes_max(),
        jpeg: None,
    })
}
