//! Rows of planes woven into rows of pixels, by libjpeg's conversion, to the bit.

/// Pixels that are converted at once.
const LANES: usize = 16;

/// Bytes that a run of pixels takes when each is written as four of which the last is written over.
const RUN_BYTES: usize = LANES * 3 + 1;

/// Luma and colour differences to red, green and blue. All rows have as many samples as `pixels` has pixels.
#[inline(always)]
pub(super) fn from_ycbcr(planes: [&[u8]; 3], pixels: &mut [u8]) {
    weave(planes, pixels, rgb);
}

#[inline(always)]
fn rgb(luma: u8, blue: u8, red: u8) -> (u8, u8, u8) {
    let (luma, blue, red) = (i16::from(luma), i16::from(blue) - 128, i16::from(red) - 128);
    let [wide_blue, wide_red] = [blue, red].map(i32::from);
    // 1.402, 0.34414, 0.71414 and 1.772, each as a whole number and sixteen bits of fraction.
    (
        byte(luma + red + upper(wide_red * 26_345)),
        byte(luma - red + upper(wide_red * 18_734 - wide_blue * 22_554)),
        byte(luma + blue * 2 + upper(wide_blue * -14_942)),
    )
}

/// Inks, from none to all, of what Adobe's programs store: the light that each leaves. Files without Adobe's marker are
/// taken for such, too, as in libvips.
pub(super) fn from_cmyk(planes: [&[u8]; 3], black: &[u8], pixels: &mut [u8]) {
    weave_inks(planes, black, pixels, |cyan, magenta, yellow| (!cyan, !magenta, !yellow));
}

/// The same where three of the inks are stored as if what they leave were the inverse of red, green and blue.
pub(super) fn from_ycck(planes: [&[u8]; 3], black: &[u8], pixels: &mut [u8]) {
    weave_inks(planes, black, pixels, rgb);
}

/// Four samples as they are.
pub(super) fn stored([first, second, third, fourth]: [&[u8]; 4], pixels: &mut [u8]) {
    let samples = first.iter().zip(second).zip(third).zip(fourth);
    for (pixel, (((first, second), third), fourth)) in pixels.as_chunks_mut::<4>().0.iter_mut().zip(samples) {
        *pixel = [*first, *second, *third, *fourth];
    }
}

#[inline(always)]
fn weave_inks(planes: [&[u8]; 3], black: &[u8], pixels: &mut [u8], convert: impl Fn(u8, u8, u8) -> (u8, u8, u8)) {
    let count = pixels.len() / 4;
    let [first, second, third] = planes.map(|plane| &plane[..count]);
    let pixels = pixels.as_chunks_mut::<4>().0.iter_mut().zip(&black[..count]).enumerate();
    for (at, (pixel, black)) in pixels {
        let (cyan, magenta, yellow) = convert(first[at], second[at], third[at]);
        *pixel = [cyan, magenta, yellow, !black];
    }
}

/// Red, green and blue as they are.
#[inline(always)]
pub(super) fn from_rgb(planes: [&[u8]; 3], pixels: &mut [u8]) {
    weave(planes, pixels, |red, green, blue| (red, green, blue));
}

#[inline(always)]
fn weave(planes: [&[u8]; 3], pixels: &mut [u8], convert: impl Fn(u8, u8, u8) -> (u8, u8, u8)) {
    let count = pixels.len() / 3;
    let [first, second, third] = planes.map(|plane| &plane[..count]);
    let mut at = 0;
    while pixels.len() - at * 3 >= RUN_BYTES {
        let (Some(first), Some(second), Some(third), Some(run)) = (
            first[at..].first_chunk::<LANES>(),
            second[at..].first_chunk::<LANES>(),
            third[at..].first_chunk::<LANES>(),
            pixels[at * 3..].first_chunk_mut::<RUN_BYTES>(),
        ) else {
            break;
        };
        let mut words = [0_u32; LANES];
        for lane in 0..LANES {
            let (red, green, blue) = convert(first[lane], second[lane], third[lane]);
            words[lane] = u32::from(red) | u32::from(green) << 8 | u32::from(blue) << 16;
        }
        for (lane, word) in words.iter().enumerate() {
            run[lane * 3..lane * 3 + 4].copy_from_slice(&word.to_le_bytes());
        }
        at += LANES;
    }
    let rest = first[at..].iter().zip(&second[at..]).zip(&third[at..]);
    for (pixel, ((first, second), third)) in pixels[at * 3..].as_chunks_mut::<3>().0.iter_mut().zip(rest) {
        *pixel = convert(*first, *second, *third).into();
    }
}

/// What is left of the fraction, rounded to nearest.
#[inline(always)]
fn upper(value: i32) -> i16 {
    ((value + 0x8000) >> 16) as i16
}

#[inline(always)]
#[expect(clippy::cast_sign_loss, reason = "clamped")]
fn byte(value: i16) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libjpeg's tables are of these formulas with sixteen bits of fraction.
    #[test]
    fn every_colour_is_near_the_formula() {
        let all: Vec<u8> = (0..=255).collect();
        for luma in (0..=255).step_by(5) {
            for blue in (0..=255).step_by(3) {
                let mut pixels = vec![0; 256 * 3];
                from_ycbcr([&[luma; 256], &[blue; 256], &all], &mut pixels);
                for (red, pixel) in all.iter().zip(pixels.as_chunks::<3>().0) {
                    let (y, cb, cr) = (f64::from(luma), f64::from(blue) - 128.0, f64::from(*red) - 128.0);
                    let expected = [y + 1.402 * cr, y - 0.344_14 * cb - 0.714_14 * cr, y + 1.772 * cb];
                    for (found, expected) in pixel.iter().zip(expected) {
                        assert!((f64::from(*found) - expected.clamp(0.0, 255.0)).abs() < 0.51);
                    }
                }
            }
        }
    }

    #[test]
    fn rows_of_any_length_are_woven_whole() {
        for count in 0..70 {
            let plane = |start: u8| (start..).take(count).collect::<Vec<u8>>();
            let (red, green, blue) = (plane(0), plane(80), plane(160));
            let mut pixels = vec![0; count * 3];
            from_rgb([&red, &green, &blue], &mut pixels);
            for (index, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
                assert_eq!(*pixel, [red[index], green[index], blue[index]]);
            }
        }
    }
}
