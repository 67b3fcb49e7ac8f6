//! What the segments say: frame, tables, scans.

use super::defect::Defect;
use super::scale::Scale;
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::zigzag::place;

const FORMAT: InputFormat = InputFormat::Jpeg;

/// How a frame is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Huffman, each block in one go: baseline and extended.
    Sequential,
    /// Huffman, each block in several scans.
    Progressive,
}

/// Components of a frame.
pub(super) const COMPONENTS_MAX: usize = 4;

/// One component as the frame header has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Blocks across in an MCU, 1 to 4.
    pub(crate) across: u8,
    /// Blocks down in an MCU, 1 to 4.
    pub(crate) down: u8,
    /// The number of its quantisation table.
    pub(crate) table: u8,
}

/// A frame header of one, three or four components with eight bits a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) size: Size,
    pub(crate) coding: Coding,
    pub(crate) components: Vec<Component>,
}

impl Frame {
    /// Reads the body of a segment `SOF`. Refuses, by name, what no decoder here reads.
    pub(crate) fn read(marker: u8, body: &[u8]) -> Result<Self, PixelError> {
        let unsupported = |feature: &str| Err(PixelError::unsupported(FORMAT, feature));
        let coding = match marker {
            0xc0 | 0xc1 => Coding::Sequential,
            0xc2 => Coding::Progressive,
            0xc3 | 0xc7 => return unsupported("lossless coding"),
            0xc9..=0xcf => return unsupported("arithmetic coding"),
            _ => return unsupported("hierarchical coding"),
        };
        let cut = || PixelError::corrupt(FORMAT, "its frame header is too short");
        let &[bits, _, _, _, _, count] =
            body.get(..6).and_then(|head| <&[u8; 6]>::try_from(head).ok()).ok_or_else(cut)?;
        let height = ByteOrder::Big.u16(body, 1).ok_or_else(cut)?;
        let width = ByteOrder::Big.u16(body, 3).ok_or_else(cut)?;
        if bits != 8 {
            return unsupported(&format!("{bits} bits a sample"));
        }
        if height == 0 {
            return unsupported("a height that follows the first scan");
        }
        if !matches!(count, 1 | 3 | 4) {
            return unsupported(&format!("{count} components"));
        }
        let components = slice(body, 6, usize::from(count) * 3).ok_or_else(cut)?.as_chunks::<3>().0;
        let components: Vec<Component> = components
            .iter()
            .map(|&[id, factors, table]| Component { id, across: factors >> 4, down: factors & 15, table })
            .collect();
        if components.iter().any(|component| !(1..=4).contains(&component.across) || !(1..=4).contains(&component.down))
        {
            return Err(PixelError::corrupt(FORMAT, "a sampling factor is not between 1 and 4"));
        }
        Ok(Self { size: Size { width: width.into(), height: height.into() }, coding, components })
    }

    /// The blocks across and down that a component has in an MCU. Those of a single component mean nothing: its blocks
    /// come row by row.
    pub(super) fn factors(&self, index: usize) -> (u8, u8) {
        let component = &self.components[index];
        if self.components.len() == 1 { (1, 1) } else { (component.across, component.down) }
    }

    /// The most blocks across and down that a component has in an MCU.
    pub(crate) fn factors_max(&self) -> (u8, u8) {
        let factors = (0..self.components.len()).map(|index| self.factors(index));
        factors.fold((1, 1), |max, own| (max.0.max(own.0), max.1.max(own.1)))
    }

    /// How many pixels across and down a sample of a component stands for.
    pub(crate) fn pixels_per_sample(&self, index: usize) -> (f64, f64) {
        let ((across, down), (across_max, down_max)) = (self.factors(index), self.factors_max());
        (f64::from(across_max) / f64::from(across), f64::from(down_max) / f64::from(down))
    }

    /// How many pixels across and down a sample of a component stands for at a scale, and the size of its plane.
    pub(crate) fn plane(&self, index: usize, scale: Scale) -> ((f64, f64), Size) {
        let ((across, down), (across_max, down_max)) = (self.factors(index), self.factors_max());
        let samples =
            |side: u32, factor: u8, max: u8| (side * u32::from(factor)).div_ceil(u32::from(max) * scale.denominator());
        let size = Size {
            width: samples(self.size.width, across, across_max),
            height: samples(self.size.height, down, down_max),
        };
        let (per_across, per_down) = self.pixels_per_sample(index);
        let denominator = f64::from(scale.denominator());
        ((per_across * denominator, per_down * denominator), size)
    }

    /// The blocks of all components that the file must code.
    pub(crate) fn blocks(&self) -> u64 {
        let (across_max, down_max) = self.factors_max();
        let blocks = |side: u32, factor: u8, max: u8| (side * u32::from(factor)).div_ceil(u32::from(max)).div_ceil(8);
        (0..self.components.len())
            .map(|index| self.factors(index))
            .map(|(across, down)| {
                u64::from(blocks(self.size.width, across, across_max))
                    * u64::from(blocks(self.size.height, down, down_max))
            })
            .sum()
    }
}

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    Gray,
    YCbCr,
    Rgb,
    /// Four inks.
    Cmyk,
    /// Four inks, three of which are stored as luma and chroma.
    Ycck,
    /// Four samples that are not converted.
    Stored,
}

impl Colors {
    /// Bytes of a pixel.
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::YCbCr | Self::Rgb => 3,
            Self::Cmyk | Self::Ycck | Self::Stored => 4,
        }
    }
}

/// The markers that say what three or four components mean, as libjpeg weighs them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ColorHints {
    pub(super) jfif: bool,
    pub(super) adobe_transform: Option<u8>,
}

impl ColorHints {
    /// Notes an application segment.
    pub(super) fn note(&mut self, marker: u8, body: &[u8]) {
        match marker {
            0xe0 if body.starts_with(b"JFIF\0") && body.len() >= 14 => self.jfif = true,
            0xee if body.starts_with(b"Adobe") && body.len() >= 12 => self.adobe_transform = Some(body[11]),
            _ => {}
        }
    }

    /// The meaning of a frame's components.
    pub(super) fn colors(self, frame: &Frame) -> Colors {
        match frame.components.as_slice() {
            [_] => Colors::Gray,
            [red, green, blue] => {
                let is_rgb = match self.adobe_transform {
                    Some(transform) => transform == 0,
                    None => [red.id, green.id, blue.id] == *b"RGB",
                };
                if is_rgb && !self.jfif { Colors::Rgb } else { Colors::YCbCr }
            }
            _ if matches!(self.adobe_transform, None | Some(0)) => Colors::Cmyk,
            _ => Colors::Ycck,
        }
    }
}

/// A Huffman table as the file has it: how many codes of each length, and their symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HuffmanSpec {
    pub(super) counts: [u8; 16],
    pub(super) symbols: [u8; 256],
}

impl HuffmanSpec {
    /// A table of ISO 10918-1, Annex K.3.3. Frames of motion JPEG have none of their own, and mean these.
    fn standard(counts: [u8; 16], listed: &[u8]) -> Self {
        let mut symbols = [0; 256];
        symbols[..listed.len()].copy_from_slice(listed);
        Self { counts, symbols }
    }

    /// The standard table of differences by number: luma's or chroma's.
    pub(super) fn standard_dc(number: usize) -> Option<Self> {
        let listed = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        match number {
            0 => Some(Self::standard([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &listed)),
            1 => Some(Self::standard([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &listed)),
            _ => None,
        }
    }

    /// The standard table of the other coefficients by number: luma's or chroma's.
    pub(super) fn standard_ac(number: usize) -> Option<Self> {
        match number {
            0 => Some(Self::standard([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], &STANDARD_AC[0])),
            1 => Some(Self::standard([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], &STANDARD_AC[1])),
            _ => None,
        }
    }
}

/// Tables K.5 and K.6: luma's and chroma's.
#[rustfmt::skip]
const STANDARD_AC: [[u8; 162]; 2] = [
    [
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
        0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
        0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
        0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
    [
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
        0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
        0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
        0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
];

/// What the table segments have said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// In natural order.
    pub(super) quantisation: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Box<HuffmanSpec>>; 4],
    pub(super) ac: [Option<Box<HuffmanSpec>>; 4],
    /// MCUs between restart markers; 0 for none.
    pub(super) restart_interval: u32,
}

impl Tables {
    /// Reads a segment if it defines tables.
    pub(super) fn note(&mut self, marker: u8, body: &[u8]) -> Result<(), Defect> {
        match marker {
            0xdb => self.quantisation(body),
            0xc4 => self.huffman(body),
            0xdd => {
                let interval = ByteOrder::Big.u16(body, 0).ok_or(Defect::Corrupt("a restart interval is cut"))?;
                self.restart_interval = interval.into();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn quantisation(&mut self, mut body: &[u8]) -> Result<(), Defect> {
        let cut = Defect::Corrupt("a quantisation table is cut");
        while let Some((&head, rest)) = body.split_first() {
            let (wide, number) = (head >> 4, usize::from(head & 15));
            if wide > 1 || number > 3 {
                return Err(Defect::Corrupt("a quantisation table has an unknown kind or number"));
            }
            let length = if wide == 1 { 128 } else { 64 };
            let values = rest.get(..length).ok_or(cut)?;
            let mut table = [0; 64];
            for index in 0..64 {
                let value = match wide {
                    1 => ByteOrder::Big.u16(values, index * 2).ok_or(cut)?,
                    _ => values[index].into(),
                };
                table[place(index)] = value;
            }
            self.quantisation[number] = Some(table);
            body = &rest[length..];
        }
        Ok(())
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), Defect> {
        let cut = Defect::Corrupt("a Huffman table is cut");
        while let Some((&head, rest)) = body.split_first() {
            let (class, number) = (head >> 4, usize::from(head & 15));
            if class > 1 || number > 3 {
                return Err(Defect::Corrupt("a Huffman table has an unknown class or number"));
            }
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(cut)?;
            let total: usize = counts.iter().copied().map(usize::from).sum();
            if total > 256 {
                return Err(Defect::Corrupt("a Huffman table has more than 256 codes"));
            }
            let mut symbols = [0; 256];
            symbols[..total].copy_from_slice(rest.get(..total).ok_or(cut)?);
            let table = Some(Box::new(HuffmanSpec { counts: *counts, symbols }));
            if class == 0 {
                self.dc[number] = table;
            } else {
                self.ac[number] = table;
            }
            body = &rest[total..];
        }
        Ok(())
    }
}

/// One component of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanComponent {
    /// Its place in the frame.
    pub(super) index: usize,
    /// Numbers of its Huffman tables.
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// A scan header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// The first and the last coefficient, in the order of the file.
    pub(super) band: (usize, usize),
    /// The bit position before this scan and after it; the first is 0 when nothing was known before.
    pub(super) bits: (u8, u8),
}

impl Scan {
    /// Reads the body of a segment `SOS`.
    pub(super) fn read(body: &[u8], frame: &Frame) -> Result<Self, Defect> {
        let cut = Defect::Corrupt("a scan header is cut");
        let (&count, rest) = body.split_first().ok_or(cut)?;
        let count = usize::from(count);
        let pairs = rest.get(..count * 2).ok_or(cut)?.as_chunks::<2>().0;
        let &[first, last, bits] = rest.get(count * 2..).and_then(<[u8]>::first_chunk).ok_or(cut)?;
        let mut components: Vec<ScanComponent> = Vec::with_capacity(frame.components.len());
        for &[id, tables] in pairs {
            // Several may have the same name. As in libjpeg each is the next one then.
            let next = components.last().map_or(0, |last| last.index + 1);
            let mut named = frame.components.iter().enumerate().filter(|(_, component)| component.id == id).peekable();
            if named.peek().is_none() {
                return Err(Defect::Corrupt("a scan names an unknown component"));
            }
            let index = named.map(|(index, _)| index).find(|index| *index >= next);
            let index = index.ok_or(Defect::Corrupt("the components of a scan are not in order"))?;
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            if dc > 3 || ac > 3 {
                return Err(Defect::Corrupt("a scan names an unknown Huffman table"));
            }
            components.push(ScanComponent { index, dc, ac });
        }
        if components.is_empty() {
            return Err(Defect::Corrupt("a scan has no component"));
        }
        let scan = Self { components, band: (usize::from(first), usize::from(last)), bits: (bits >> 4, bits & 15) };
        if frame.coding == Coding::Progressive {
            scan.check_progressive()?;
        }
        Ok(scan)
    }

    fn check_progressive(&self) -> Result<(), Defect> {
        let (first, last) = self.band;
        let (before, after) = self.bits;
        let band_ok = if first == 0 { last == 0 } else { first <= last && last < 64 && self.components.len() == 1 };
        let bits_ok = after <= 13 && (before == 0 || before == after + 1);
        if band_ok && bits_ok { Ok(()) } else { Err(Defect::Corrupt("a scan has impossible parameters")) }
    }
}
