//! LZW as GIF and TIFF have it, into buffers of any size.
//!
//! The decoder of `weezl` takes codes ahead. So a call may take no byte and make none although the data have not ended: it has
//! read the code that clears the table, whose bits were taken by an earlier call.

use weezl::decode::{Configuration, Decoder};
use weezl::{LzwError, LzwStatus};

/// What became of a part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes taken from the data.
    pub(super) taken: usize,
    /// Bytes made of them.
    pub(super) made: usize,
    /// Nothing is made any more: the code of the end has come, or more data are needed.
    pub(super) end: Option<End>,
}

/// Why decoding failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The code that ends the data has come.
    Whole,
    /// The data so far are used up.
    Starved,
}

/// A stream of codes.
pub(super) struct Lzw(Decoder);

impl Lzw {
    pub(super) fn new(configuration: Configuration) -> Self {
        Self(configuration.with_yield_on_full_buffer(true).build())
    }

    /// Goes on with `data` into `out`, which has room, until a byte is taken or made or the end is reached.
    pub(super) fn decode(&mut self, data: &[u8], out: &mut [u8]) -> Result<Step, LzwError> {
        // What a call says of its progress may be of its beginning, before it cleared the table. The second time it is true.
        let mut stalls = 0;
        loop {
            let result = self.0.decode_bytes(data, out);
            let (taken, made) = (result.consumed_in, result.consumed_out);
            let status = result.status?;
            let end = match status {
                LzwStatus::Done => Some(End::Whole),
                _ if taken > 0 || made > 0 => None,
                LzwStatus::NoProgress if stalls == 1 => Some(End::Starved),
                LzwStatus::NoProgress => {
                    stalls += 1;
                    continue;
                }
                LzwStatus::Ok => {
                    stalls = 0;
                    continue;
                }
            };
            return Ok(Step { taken, made, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use weezl::BitOrder;

    use super::*;

    /// Pixels as codes that stand for themselves, with `every` so many the code that clears the table. Without it the codes
    /// would grow.
    fn encode(pixels: &[u8], bits: u8, every: usize) -> Vec<u8> {
        let (clear, end) = (1_u32 << bits, (1_u32 << bits) + 1);
        let mut codes = Vec::new();
        for some in pixels.chunks(every) {
            codes.push(clear);
            codes.extend(some.iter().map(|pixel| u32::from(*pixel)));
        }
        codes.push(end);
        let (mut bytes, mut ahead, mut count) = (Vec::new(), 0_u32, 0);
        for code in codes {
            ahead |= code << count;
            count += u32::from(bits) + 1;
            while count >= 8 {
                bytes.push(ahead.to_le_bytes()[0]);
                (ahead, count) = (ahead >> 8, count - 8);
            }
        }
        bytes.push(ahead.to_le_bytes()[0]);
        bytes
    }

    /// Rows of `width` out of data that come in parts.
    fn decode(data: &[u8], bits: u8, width: usize, part: usize) -> Result<(Vec<u8>, End), LzwError> {
        let mut lzw = Lzw::new(Configuration::new(BitOrder::Lsb, bits));
        let (mut parts, mut now) = (data.chunks(part), &[][..]);
        let mut pixels = Vec::new();
        let mut row = vec![0; width];
        let mut filled = 0;
        loop {
            let step = lzw.decode(now, &mut row[filled..])?;
            now = &now[step.taken..];
            pixels.extend_from_slice(&row[filled..filled + step.made]);
            filled = (filled + step.made) % width;
            match step.end {
                Some(End::Whole) => return Ok((pixels, End::Whole)),
                Some(End::Starved) if now.is_empty() => match parts.next() {
                    Some(part) => now = part,
                    None => return Ok((pixels, End::Starved)),
                },
                _ => {}
            }
        }
    }

    #[test]
    fn rows_and_parts_of_any_length_give_what_was_coded() {
        for bits in [2, 4, 8] {
            let pixels = (0..3_000_u32).map(|at| ((at * at / 7) % (1 << bits)).to_le_bytes()[0]).collect::<Vec<_>>();
            let codes_until_longer = (1 << bits) - 2;
            for every in [1, 2, codes_until_longer] {
                let data = encode(&pixels, bits, every);
                for width in [1, 2, 3, 8, 13, 64, 1_000] {
                    for part in [1, 2, 3, 17, 255, data.len()] {
                        let (made, end) = decode(&data, bits, width, part).unwrap();
                        assert_eq!(
                            end,
                            End::Whole,
                            "{bits} bits, cleared after {every}, rows of {width}, parts of {part}"
                        );
                        assert_eq!(
                            made, pixels,
                            "{bits} bits, cleared after {every}, rows of {width}, parts of {part}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_encoders_data_are_read_in_rows_of_any_length() {
        // Flat, striped, and as good as random, so that codes are long, middling and short.
        let pictures: [fn(u32) -> u32; 3] = [|_| 7, |at| at % 5, |at| at.wrapping_mul(2_654_435_761) >> 24];
        for picture in pictures {
            let pixels = (0..40_000).map(|at| picture(at).to_le_bytes()[0]).collect::<Vec<_>>();
            let data = weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(&pixels).unwrap();
            for width in [1, 3, 12, 100, 6_000] {
                assert_eq!(decode(&data, 8, width, 255).unwrap(), (pixels.clone(), End::Whole), "rows of {width}");
            }
        }
    }

    #[test]
    fn cut_data_give_their_pixels_and_then_starve() {
        let pixels = (0..200_u8).map(|at| at % 4).collect::<Vec<_>>();
        let data = encode(&pixels, 2, 2);
        // Of the last byte only bits of the end are missing.
        for cut in 0..data.len() - 2 {
            let (made, end) = decode(&data[..cut], 2, 5, 3).unwrap();
            assert_eq!(end, End::Starved, "{cut} bytes");
            assert!(pixels.starts_with(&made), "{cut} bytes");
        }
    }
}
