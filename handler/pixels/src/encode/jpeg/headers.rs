//! The segments around the scans.

use super::Component;
use super::huffman::HuffmanTable;
use crate::area::Size;
use crate::zigzag::ZIGZAG;

/// How the coefficients are coded, by the marker of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Baseline = 0xc0,
    Progressive = 0xc2,
}

/// What a table is for, by the upper half of its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Dc = 0x00,
    Ac = 0x10,
}

/// Which coefficients a scan has: the first and last in zigzag order, and the bits of before and of now that are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) high: u8,
    pub(super) low: u8,
}

impl Selection {
    /// All of them.
    pub(super) const ALL: Self = Self { first: 0, last: 63, high: 0, low: 0 };
}

/// An ICC profile is split to segments of this many bytes.
const ICC_CHUNK_BYTES: usize = 65_519;
const ICC_SIGNATURE: &[u8] = b"ICC_PROFILE\0";

/// A segment cannot be longer, nor can there be more than 255 of a profile.
pub(super) const ICC_BYTES_MAX: usize = ICC_CHUNK_BYTES * 255;

/// From the first byte to the frame.
pub(super) fn start(bytes: &mut Vec<u8>, icc: Option<&[u8]>, steps: &[[u8; 64]]) {
    bytes.extend([0xff, 0xd8]);
    // JFIF 1.01; pixels are square, of no known size; no thumbnail.
    segment(bytes, 0xe0, &[b"JFIF\0", [1, 1, 0, 0, 1, 0, 1, 0, 0].as_slice()]);
    let chunks = icc.unwrap_or_default().chunks(ICC_CHUNK_BYTES);
    let total = u8::try_from(chunks.len()).unwrap_or(u8::MAX);
    for (number, chunk) in (1..=u8::MAX).zip(chunks) {
        segment(bytes, 0xe2, &[ICC_SIGNATURE, &[number, total], chunk]);
    }
    for (number, steps) in (0..).zip(steps) {
        segment(bytes, 0xdb, &[&[number], ZIGZAG.map(|index| steps[usize::from(index)]).as_slice()]);
    }
}

/// The frame. Sides fit into sixteen bits.
pub(super) fn frame(bytes: &mut Vec<u8>, frame: Frame, size: Size, components: &[Component]) {
    let sixteen = |value: u32| u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes();
    let mut fields = vec![8];
    fields.extend(sixteen(size.height));
    fields.extend(sixteen(size.width));
    fields.push(count(components));
    for (number, component) in (1..).zip(components) {
        let sampling = if component.sampling == 2 { 0x22 } else { 0x11 };
        fields.extend([number, sampling, small(component.tables)]);
    }
    segment(bytes, frame as u8, &[&fields]);
}

/// A Huffman table.
pub(super) fn huffman(bytes: &mut Vec<u8>, class: Class, number: usize, table: &HuffmanTable) {
    segment(bytes, 0xc4, &[&[class as u8 | small(number)], &table.counts, &table.symbols]);
}

/// The header of a scan of some components, by their numbers from zero.
pub(super) fn scan(bytes: &mut Vec<u8>, components: &[Component], numbers: &[usize], selection: Selection) {
    let mut fields = vec![small(numbers.len())];
    for &number in numbers {
        let tables = small(components[number].tables);
        let dc = if selection.first == 0 && selection.high == 0 { tables << 4 } else { 0 };
        let ac = if selection.last > 0 { tables } else { 0 };
        fields.extend([small(number) + 1, dc | ac]);
    }
    fields.extend([selection.first, selection.last, selection.high << 4 | selection.low]);
    segment(bytes, 0xda, &[&fields]);
}

/// The last two bytes.
pub(super) fn end(bytes: &mut Vec<u8>) {
    bytes.extend([0xff, 0xd9]);
}

fn segment(bytes: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length: usize = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    bytes.extend([0xff, marker]);
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
}

fn count(components: &[Component]) -> u8 {
    small(components.len())
}

/// Numbers of components and tables.
fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
