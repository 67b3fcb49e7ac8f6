//! JPEG, with integer arithmetic only: the same planes give the same bytes on every machine.
//!
//! ```text
//! planes - transform - quantise -> blocks -+- symbols: counted -> huffman -+
//!                                          `- symbols: written <-----------'-> bits
//! ```
//!
//! - The coefficients are those of libjpeg with its accurate transform, and so is a baseline file, to the byte, where all
//!   sides are of whole MCUs (`cjpeg -optimize`).
//! - Between the passes only what is not zero is held: 8 bytes for a block and 2 for each coefficient. That is well
//!   below a byte a pixel for a photo of 4:2:0 at quality 80, and for noise at most 2.13 bytes a sample.

#![expect(clippy::inline_always, reason = "the hot loops are vectorised, or kept in registers, only in one body")]

mod bits;
mod blocks;
mod headers;
mod huffman;
mod progressive;
mod quantise;
mod sequential;
mod symbols;
#[cfg(test)]
mod tests;
mod transform;
mod trellis;

use crate::error::PixelError;
use crate::format::EncodedFormat;
use crate::planes::{Plane, Planes, half};
use bits::BitWriter;
use blocks::{BlockRow, Quantise};
use headers::{Class, Frame, ICC_BYTES_MAX, Selection};
use huffman::HuffmanTable;
use progressive::Scan;
use quantise::Quantiser;
use symbols::{Counts, Written};
use trellis::Trellis;

/// From here on a file has chosen coefficients, and more scans unless told otherwise: about 4 % fewer bytes at equal quality,
/// for several times the time.
const TRELLIS_EFFORT_MIN: u8 = 7;

/// How a file is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// 1 to 100, by the scale of libjpeg.
    pub(crate) quality: u8,
    /// 0 to 9: how hard to try for fewer bytes. Up to 6, with tables made for the file; from 7 on, with chosen coefficients.
    pub(crate) effort: u8,
    /// Whether the file is progressive; without it, it is from effort 7 on.
    pub(crate) progressive: Option<bool>,
    /// A profile to embed. None means that the colours are sRGB.
    pub(crate) icc: Option<&'a [u8]>,
}

/// The coefficients of a plane, and how they are written.
struct Component {
    rows: Vec<BlockRow>,
    width: usize,
    /// Blocks along each side of an MCU: 2 for luma above chroma of half the size.
    sampling: usize,
    /// Which of the quantisation and Huffman tables: 0 for luma, 1 for chroma.
    tables: usize,
}

impl Component {
    fn blocks_wide(&self) -> usize {
        self.width.div_ceil(8)
    }
}

/// Encodes planes: luma alone, or chroma of the same size or of half of it, rounded up. Others are an error of ours.
pub(crate) fn encode(planes: &Planes, settings: &Settings<'_>) -> Result<Vec<u8>, PixelError> {
    let sampling = checked_sampling(planes, settings)?;
    let steps = [false, true].map(|chroma| quantise::steps(chroma, settings.quality));
    let steps = &steps[..if planes.chroma.is_none() { 1 } else { 2 }];
    let mut components = quantised(planes, sampling, &mut steps.iter().map(Quantiser::new).collect::<Vec<_>>())?;
    let tries_hard = settings.effort >= TRELLIS_EFFORT_MIN;
    if tries_hard {
        // A second round, by what the choice of the first one made the codes, gains nothing.
        let codes = ac_tables(&components);
        let mut trellises: Vec<Trellis> =
            steps.iter().zip(&codes).map(|(steps, codes)| Trellis::new(steps, codes)).collect();
        drop(components);
        components = quantised(planes, sampling, &mut trellises)?;
    }
    let mut bytes = Vec::new();
    headers::start(&mut bytes, settings.icc, steps);
    if settings.progressive.unwrap_or(tries_hard) {
        progressive(&mut bytes, planes, &components)?;
    } else {
        baseline(&mut bytes, planes, &components)?;
    }
    headers::end(&mut bytes);
    Ok(bytes)
}

/// The coefficients of all planes, with a quantiser for luma and one for chroma.
fn quantised(planes: &Planes, sampling: usize, quantisers: &mut [impl Quantise]) -> Result<Vec<Component>, PixelError> {
    let mut components = Vec::new();
    for (number, plane) in std::iter::once(&planes.luma).chain(planes.chroma.iter().flatten()).enumerate() {
        let tables = number.min(1);
        let rows = blocks::quantised(plane, &mut quantisers[tables])?;
        let sampling = if number == 0 { sampling } else { 1 };
        components.push(Component { rows, width: plane.size.width as usize, sampling, tables });
    }
    Ok(components)
}

/// The AC tables that a baseline file would have.
fn ac_tables(components: &[Component]) -> [HuffmanTable; 2] {
    let mut counts = Counts::<{ sequential::TABLES }>::default();
    sequential::scan(components, &mut counts);
    let [_, _, luma, chroma] = counts.tables();
    [luma, chroma]
}

/// How many blocks of luma an MCU has along each side.
fn checked_sampling(planes: &Planes, settings: &Settings<'_>) -> Result<usize, PixelError> {
    let refused = |reason: String| PixelError::Internal { stage: "encoding JPEG", reason };
    let size = planes.size();
    let side_max = EncodedFormat::Jpeg.side_max();
    if size.width.max(size.height) > side_max {
        return Err(PixelError::SideNotEncodable { format: EncodedFormat::Jpeg, size, side_max });
    }
    let whole = |plane: &Plane| plane.data.len() as u64 == plane.size.pixels() && !plane.data.is_empty();
    if !std::iter::once(&planes.luma).chain(planes.chroma.iter().flatten()).all(whole) {
        return Err(refused("a plane has not the samples of its size".into()));
    }
    if settings.icc.is_some_and(|icc| icc.len() > ICC_BYTES_MAX) {
        return Err(refused(format!("an ICC profile ends at {ICC_BYTES_MAX} bytes")));
    }
    match &planes.chroma {
        None => Ok(1),
        Some([blue, red]) if blue.size == red.size && blue.size == size => Ok(1),
        Some([blue, red]) if blue.size == red.size && blue.size == half(size) => Ok(2),
        Some([blue, red]) => Err(refused(format!(
            "planes of {}x{}, {}x{} and {}x{} are neither 4:4:4 nor 4:2:0",
            size.width, size.height, blue.size.width, blue.size.height, red.size.width, red.size.height
        ))),
    }
}

fn baseline(bytes: &mut Vec<u8>, planes: &Planes, components: &[Component]) -> Result<(), PixelError> {
    let mut counts = Counts::<{ sequential::TABLES }>::default();
    sequential::scan(components, &mut counts);
    let tables = counts.tables();
    headers::frame(bytes, Frame::Baseline, planes.size(), components);
    for number in 0..components.len().min(2) {
        headers::huffman(bytes, Class::Dc, number, &tables[number]);
        headers::huffman(bytes, Class::Ac, number, &tables[number + 2]);
    }
    let numbers: Vec<usize> = (0..components.len()).collect();
    headers::scan(bytes, components, &numbers, Selection::ALL);
    reserve(bytes, counts.total_bits(&tables))?;
    let mut written = Written { tables: &tables, writer: BitWriter::new(bytes) };
    sequential::scan(components, &mut written);
    written.writer.finish();
    Ok(())
}

/// The scans of a progressive file.
fn progressive(bytes: &mut Vec<u8>, planes: &Planes, components: &[Component]) -> Result<(), PixelError> {
    headers::frame(bytes, Frame::Progressive, planes.size(), components);
    for scan in progressive::script(components) {
        progressive_scan(bytes, components, scan)?;
    }
    Ok(())
}

/// The tables of a scan, its header and its bits.
fn progressive_scan(bytes: &mut Vec<u8>, components: &[Component], scan: Scan) -> Result<(), PixelError> {
    let mut counts = Counts::<{ progressive::TABLES }>::default();
    scan.symbols(components, &mut counts);
    let tables = counts.tables();
    match scan.component {
        // The refinement of the DC has plain bits only.
        None if scan.selection.high > 0 => {}
        None => {
            for (number, table) in tables.iter().enumerate().take(components.len()) {
                headers::huffman(bytes, Class::Dc, number, table);
            }
        }
        Some(component) => headers::huffman(bytes, Class::Ac, components[component].tables, &tables[0]),
    }
    headers::scan(bytes, components, &scan.components(components.len()), scan.selection);
    reserve(bytes, counts.total_bits(&tables))?;
    let mut written = Written { tables: &tables, writer: BitWriter::new(bytes) };
    scan.symbols(components, &mut written);
    written.writer.finish();
    Ok(())
}

/// Room for a scan of so many bits. Stuffing, of which good codes need little, may yet make it grow.
fn reserve(bytes: &mut Vec<u8>, bits: u64) -> Result<(), PixelError> {
    let length = bits / 8 + bits / 512 + 64;
    let refused = PixelError::OutOfMemory { bytes: length };
    let Ok(length) = usize::try_from(length) else { return Err(refused) };
    bytes.try_reserve_exact(length).map_err(|_| refused)
}
