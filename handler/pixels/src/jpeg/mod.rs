//! JPEG, decoded straight to a reduced scale.
//!
//! ```text
//! bytes - segments -> headers -+- bits -> sequential -------------+-> strips -> rows of pixels
//!                              `- bits -> progressive -> coefficients `-> planes as they are
//! ```
//!
//! - Taken is what cameras, the web and printers write: Huffman coding with eight bits, sequential or progressive, gray,
//!   YCbCr, RGB, CMYK or YCCK, any sampling, any order of scans. The rest is refused by its name.
//! - At a reduced scale the coefficients that it does not need are read over, not stored; blocks outside of the window are
//!   read over whole, and what follows the window's last row is not read at all.
//! - The samples are those of libjpeg's `djpeg -scale` with its accurate transform and smooth upsampling, to the bit.
//! - Pixels are planes brought to one size and converted. Whoever resamples anyway asks for the planes alone, each at its
//!   own scale.
//! - Memory is a strip of rows, apart from the output; for progressive files also the coefficients of a row of MCUs and a few
//!   kilobytes for each scan, all being read side by side, and for sequential ones in several scans also the reduced
//!   planes. [`Decoder::memory_bytes_max`] is the price.
//! - A file that contradicts itself or lacks data is an error; [`Truncated::Allow`] makes gray of what is missing.

#![expect(clippy::inline_always, reason = "the state of the hot loops stays in registers only when all is in one body")]

mod arena;
mod bits;
mod color;
mod decode;
mod decoder;
mod defect;
mod headers;
mod huffman;
mod layout;
mod planes;
mod price;
mod progressive;
mod scale;
mod segments;
mod sequential;
mod strips;
mod transform;
mod upsample;

pub use arena::Arena;
pub use decoder::{Decoded, Decoder};
pub use planes::ComponentPlane;
pub use scale::{Fidelity, Scale};

pub(crate) use headers::{Coding, Frame};
pub(crate) use price::{memory_bytes_max, planes_bytes_max};
pub(crate) use segments::{Segment, Segments, marker};

pub use super::area::Window;
pub use super::limits::Truncated;

use super::dispatch::{HotLoop, dispatch};

/// A row of pixels of three planes' rows: of luma and chroma, or of red, green and blue.
pub(crate) fn weave(rows: [&[u8]; 3], is_ycbcr: bool, pixels: &mut [u8]) {
    dispatch(Weave { rows, is_ycbcr, pixels });
}

struct Weave<'w> {
    rows: [&'w [u8]; 3],
    is_ycbcr: bool,
    pixels: &'w mut [u8],
}

impl HotLoop for Weave<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows, is_ycbcr, pixels } = self;
        if is_ycbcr { color::from_ycbcr(rows, pixels) } else { color::from_rgb(rows, pixels) }
    }
}

#[cfg(test)]
mod tests;
