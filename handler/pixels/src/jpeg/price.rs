//! What decoding costs in memory, known from the header.

use super::arena::Arena;
use super::headers::{COMPONENTS_MAX, Coding, Frame};
use super::layout::{BAND_ROWS, Layout};
use super::progressive::scans_bytes;
use super::scale::Scale;

/// Tables, and the chunk of bytes that are read at once.
const TABLES_BYTES: u64 = 96 * 1024;

/// The most memory, in bytes, that decoding the planes of a frame in at most so many scans takes, with the planes and
/// without the file.
pub(crate) fn planes_bytes_max(frame: &Frame, scans: u32, scales: [Scale; 3]) -> u64 {
    let layout = Layout::of_planes(frame, scales);
    let scans = if frame.coding == Coding::Progressive { scans_bytes(&layout, scans) } else { 0 };
    TABLES_BYTES + Arena::planes_bytes(&layout) + scans
}

/// The most memory, in bytes, that decoding a frame in at most so many scans takes, without the file and the output.
pub(crate) fn memory_bytes_max(frame: &Frame, interleaved: bool, scans: u32, scale: Scale) -> u64 {
    let layout = Layout::new(frame, scale);
    let (mcu_rows, scans) = match frame.coding {
        Coding::Progressive => (1, scans_bytes(&layout, scans)),
        Coding::Sequential if interleaved => (1, 0),
        Coding::Sequential => (layout.mcus.1, 0),
    };
    // Inks are handed over a few rows at a time, to become colours.
    let is_inks = frame.components.len() == COMPONENTS_MAX;
    let band = if is_inks { u64::from(layout.size.width) * (COMPONENTS_MAX * BAND_ROWS) as u64 } else { 0 };
    TABLES_BYTES + Arena::strip_bytes(&layout, mcu_rows) + scans + band
}
