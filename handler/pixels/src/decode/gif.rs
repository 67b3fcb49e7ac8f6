//! The first frame of a GIF, row by row into the screen.
//!
//! - What the frame does not cover is transparent, and so is a number that its table has no colour for.
//! - A file without any table has black, white and black again, as in libnsgif, which libvips reads with.
//! - Of a frame with too few pixels the others are missing: an error, unless cut files are allowed.

use weezl::{BitOrder, decode::Configuration};

use crate::error::PixelError;
use crate::format::InputFormat;
use crate::limits::{Limits, Truncated};
use crate::lzw::{End, Lzw};
use crate::probe::gif::Frame;
use crate::raster::{Layout, Raster, zeroed_bytes};

const FORMAT: InputFormat = InputFormat::Gif;

/// The bits of the longest code, and so those of a table's longest number and the code that clears it.
const CODE_BITS_MAX: u8 = 11;

/// The first row of each pass over an interlaced frame, and the rows from one to the next.
const PASSES: [(u32, usize); 4] = [(0, 8), (4, 8), (2, 4), (1, 2)];

/// Decodes the first frame to a screen of RGBA.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, PixelError> {
    let frame = Frame::read(bytes, limits)?;
    let colors = colors(bytes, &frame)?;
    let mut numbers = Numbers::new(bytes, frame.data_at)?;
    let mut raster = Raster::zeroed(frame.screen, Layout::Rgba)?;
    let mut row = zeroed_bytes(frame.size.width.into())?;
    let height = frame.size.height;
    let rows: Box<dyn Iterator<Item = u32>> = if frame.is_interlaced {
        Box::new(PASSES.into_iter().flat_map(move |(first, step)| (first..height).step_by(step)))
    } else {
        Box::new(0..height)
    };
    for y in rows {
        let count = match numbers.read(&mut row) {
            Err(_) if limits.truncated == Truncated::Allow => break,
            count => count?,
        };
        let pixels = line(&mut raster, &frame, y);
        for (pixel, number) in pixels.iter_mut().zip(&row[..count]) {
            *pixel = colors[usize::from(*number)];
        }
        if count < row.len() {
            if limits.truncated == Truncated::Allow {
                break;
            }
            return Err(PixelError::truncated(FORMAT, "its first frame has too few pixels"));
        }
    }
    Ok(raster)
}

/// What is seen of a row of the frame.
fn line<'r>(raster: &'r mut Raster, frame: &Frame, y: u32) -> &'r mut [[u8; 4]] {
    let y = frame.top.saturating_add(y);
    if y >= frame.screen.height || frame.left >= frame.screen.width {
        return &mut [];
    }
    let width = frame.screen.width as usize;
    let start = y as usize * width;
    let pixels = raster.data.as_chunks_mut().0;
    pixels.get_mut(start + frame.left as usize..start + width).unwrap_or_default()
}

/// The colour of each number.
fn colors(bytes: &[u8], frame: &Frame) -> Result<[[u8; 4]; 256], PixelError> {
    let mut colors = [[0; 4]; 256];
    if let Some(table) = &frame.table {
        let table = bytes.get(table.clone());
        let table = table.ok_or_else(|| PixelError::truncated(FORMAT, "its first frame is incomplete"))?;
        for (color, [red, green, blue]) in colors.iter_mut().zip(table.as_chunks().0) {
            *color = [*red, *green, *blue, 255];
        }
    } else {
        colors = [[0, 0, 0, 255]; 256];
        colors[1] = [255; 4];
    }
    if let Some(number) = frame.transparent {
        colors[usize::from(number)][3] = 0;
    }
    Ok(colors)
}

/// The numbers of the pixels.
struct Numbers<'a> {
    bytes: &'a [u8],
    /// Where the next part of the data is.
    at: usize,
    part: &'a [u8],
    lzw: Lzw,
    has_ended: bool,
}

impl<'a> Numbers<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Result<Self, PixelError> {
        let cut = || PixelError::truncated(FORMAT, "its first frame is incomplete");
        let bits = *bytes.get(at).ok_or_else(cut)?;
        if !(1..=CODE_BITS_MAX).contains(&bits) {
            return Err(PixelError::corrupt(FORMAT, format!("its first codes have {bits} bits")));
        }
        let lzw = Lzw::new(Configuration::new(BitOrder::Lsb, bits));
        Ok(Self { bytes, at: at + 1, part: &[], lzw, has_ended: false })
    }

    /// Fills a row, and says how much of it there was.
    fn read(&mut self, row: &mut [u8]) -> Result<usize, PixelError> {
        let mut count = 0;
        while count < row.len() && !self.has_ended {
            let step = self.lzw.decode(self.part, &mut row[count..]);
            let step = step.map_err(|_| PixelError::corrupt(FORMAT, "its compressed data are broken"))?;
            self.part = &self.part[step.taken..];
            count += step.made;
            match step.end {
                Some(End::Starved) => match Frame::part(self.bytes, self.at) {
                    Some((part, next)) => (self.part, self.at) = (part, next),
                    None => self.has_ended = true,
                },
                Some(End::Whole) => self.has_ended = true,
                None => {}
            }
        }
        Ok(count)
    }
}
