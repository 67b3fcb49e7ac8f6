//! `ThumbHash` by Evan Wallace (<https://evanw.github.io/thumbhash/>): the lowest frequencies of a small picture.
//!
//! The order of every sum and product is that of its definition in JavaScript, and the cosine is that of `libm`, which is the same
//! on every machine: where a picture is even, the last bits decide what is written.

#![expect(clippy::cast_precision_loss, reason = "sides of at most 100 pixels")]

use std::f64::consts::PI;

use crate::area::Size;

/// The frequencies of one channel.
struct Channel {
    mean: f64,
    /// Each from 0 to 1, where 0.5 is none.
    waves: Vec<f64>,
    scale: f64,
}

/// The hash of a picture of at most 100 pixels a side, from five bytes on; of one without pixels, nothing.
pub(super) fn thumbhash(size: Size, pixels: &[[u8; 4]]) -> Vec<u8> {
    let (width, height) = (size.width as usize, size.height as usize);
    if pixels.is_empty() || width * height != pixels.len() {
        return Vec::new();
    }
    let (average, alphas) = average(pixels);
    let has_alpha = alphas < pixels.len() as f64;
    // Fewer of luminance where there are some of alpha.
    let [across, down] = [width, height].map(|side| {
        let most = if has_alpha { 5.0 } else { 7.0 };
        count((most * side as f64 / width.max(height) as f64).round()).max(1)
    });
    let [luminance, yellow_blue, red_green, alpha] = channels(pixels, average);
    let encode = |channel: &[f64], across, down| encoded(channel, (width, height), (across, down));
    let luminance = encode(&luminance, across.max(3), down.max(3));
    let yellow_blue = encode(&yellow_blue, 3, 3);
    let red_green = encode(&red_green, 3, 3);
    let alpha = has_alpha.then(|| encode(&alpha, 5, 5));

    let is_landscape = width > height;
    let header = rounded(63.0 * luminance.mean)
        | (rounded(31.5 + 31.5 * yellow_blue.mean) << 6)
        | (rounded(31.5 + 31.5 * red_green.mean) << 12)
        | (rounded(31.0 * luminance.scale) << 18)
        | (u32::from(has_alpha) << 23);
    let [first, second, third, _] = header.to_le_bytes();
    let shorter = if is_landscape { down } else { across };
    let header = u32::try_from(shorter).unwrap_or(7)
        | (rounded(63.0 * yellow_blue.scale) << 3)
        | (rounded(63.0 * red_green.scale) << 9)
        | (u32::from(is_landscape) << 15);
    let [fourth, fifth, ..] = header.to_le_bytes();
    let mut hash = vec![first, second, third, fourth, fifth];
    hash.extend(alpha.as_ref().map(|alpha| nibble(alpha.mean) | (nibble(alpha.scale) << 4)));

    let written = [Some(luminance), Some(yellow_blue), Some(red_green), alpha];
    let waves: Vec<u8> =
        written.into_iter().flatten().flat_map(|channel| channel.waves).map(|wave| nibble(wave) & 15).collect();
    hash.extend(waves.chunks(2).map(|pair| pair.iter().rev().fold(0, |byte, wave| (byte << 4) | wave)));
    hash
}

/// The mean colour by alpha, each channel from 0 to 1, and the sum of alphas.
fn average(pixels: &[[u8; 4]]) -> ([f64; 3], f64) {
    let (mut sums, mut alphas) = ([0.0; 3], 0.0);
    for [red, green, blue, alpha] in pixels {
        let alpha = f64::from(*alpha) / 255.0;
        for (sum, value) in sums.iter_mut().zip([red, green, blue]) {
            *sum += alpha / 255.0 * f64::from(*value);
        }
        alphas += alpha;
    }
    if alphas == 0.0 { (sums, alphas) } else { (sums.map(|sum| sum / alphas), alphas) }
}

/// Luminance, yellow to blue, red to green, and alpha, of the picture on its mean colour.
fn channels(pixels: &[[u8; 4]], average: [f64; 3]) -> [Vec<f64>; 4] {
    let mut channels = [(); 4].map(|()| Vec::with_capacity(pixels.len()));
    for [red, green, blue, alpha] in pixels {
        let alpha = f64::from(*alpha) / 255.0;
        let [average_red, average_green, average_blue] = average;
        let on = |average: f64, value: u8| average * (1.0 - alpha) + alpha / 255.0 * f64::from(value);
        let (red, green, blue) = (on(average_red, *red), on(average_green, *green), on(average_blue, *blue));
        let values = [(red + green + blue) / 3.0, f64::midpoint(red, green) - blue, red - green, alpha];
        for (channel, value) in channels.iter_mut().zip(values) {
            channel.push(value);
        }
    }
    channels
}

/// The cosine transform of a channel, of the frequencies above the diagonal.
fn encoded(channel: &[f64], (width, height): (usize, usize), (across, down): (usize, usize)) -> Channel {
    let (mut mean, mut waves, mut scale) = (0.0, Vec::new(), 0.0_f64);
    for wave_y in 0..down {
        for wave_x in (0..across).take_while(|wave_x| wave_x * down < across * (down - wave_y)) {
            let cosine =
                |side: usize, wave: usize, at: usize| libm::cos(PI / side as f64 * wave as f64 * (at as f64 + 0.5));
            let row_factors: Vec<f64> = (0..width).map(|x| cosine(width, wave_x, x)).collect();
            let mut sum = 0.0;
            for (y, row) in channel.chunks_exact(width).enumerate() {
                let column_factor = cosine(height, wave_y, y);
                for (value, row_factor) in row.iter().zip(&row_factors) {
                    sum += value * row_factor * column_factor;
                }
            }
            sum /= (width * height) as f64;
            if wave_x > 0 || wave_y > 0 {
                waves.push(sum);
                scale = scale.max(sum.abs());
            } else {
                mean = sum;
            }
        }
    }
    if scale != 0.0 {
        for wave in &mut waves {
            *wave = 0.5 + 0.5 / scale * *wave;
        }
    }
    Channel { mean, waves, scale }
}

/// As four bits.
fn nibble(value: f64) -> u8 {
    u8::try_from(rounded(15.0 * value)).unwrap_or(u8::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 63; the cast saturates")]
fn rounded(value: f64) -> u32 {
    value.round() as u32
}

fn count(value: f64) -> usize {
    rounded(value) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is special about a picture.
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Opaque,
        Alpha,
        Clear,
        OneColor,
        AlmostOpaque,
    }

    fn picture(size: Size, kind: Kind) -> Vec<[u8; 4]> {
        let pixel = |x: u32, y: u32| {
            let [red, green, blue, alpha] =
                [x * 7 + y * 3, x * y + 40, x * 5 + 200, x * 11 + y * 13].map(|value| value.to_le_bytes()[0]);
            match kind {
                Kind::Opaque => [red, green, blue, 255],
                Kind::Alpha => [red, green, blue, alpha],
                Kind::Clear => [red, green, blue, 0],
                Kind::OneColor => [255, 128, 0, 255],
                Kind::AlmostOpaque => [red, green, blue, if x == 0 && y == 0 { 254 } else { 255 }],
            }
        };
        (0..size.height).flat_map(|y| (0..size.width).map(move |x| pixel(x, y))).collect()
    }

    /// Recorded from `rgbaToThumbHash` of the npm package `thumbhash` 0.1.1 under node 20, for the same pictures.
    #[test]
    fn hashes_are_those_of_the_definition() {
        let table = [
            (1, 1, Kind::Opaque, "54b229671508f708888788708f7088f80888707ff8f7870f"),
            (2, 1, Kind::Opaque, "54b2296c9377088888888780788788877f78f8"),
            (1, 7, Kind::Alpha, "95c2a9590f220887887888f787787f8808f7848b887888"),
            (4, 3, Kind::Opaque, "56c201058270777886887887888887878c90086887"),
            (3, 4, Kind::Opaque, "55c201050270788488787878888788778a90084876"),
            (16, 16, Kind::Opaque, "5cd5098706077aa592887887877788777877076c78882f08"),
            (16, 16, Kind::Alpha, "1ce5853d0218098aa397969877d07958fba357670688937a79"),
            (100, 67, Kind::Opaque, "df070a0d8278f8687767477777767777b045c4cf42"),
            (67, 100, Kind::Opaque, "a007063502d48f7878747562677767770a7887fa98"),
            (100, 100, Kind::Opaque, "df070a0f0278f88778787877777778787777078956998f07"),
            (100, 67, Kind::Alpha, "df078603800778f8777776b034e2ff3328188787a27208"),
            (31, 100, Kind::Alpha, "1e0886320207df78756278307777f9aa5788960376656a"),
            (100, 1, Kind::Opaque, "98963261a67787878888088876877f8608"),
            (5, 5, Kind::Clear, "00088205000000000000000000000000000000000000000000"),
            (8, 6, Kind::OneColor, "e0fd02058059893f8988778788d888724b7ff6a067"),
            (100, 100, Kind::OneColor, "e0fd02070087878887877788887888f887872aaf97f78c07"),
            (7, 9, Kind::AlmostOpaque, "99d2850c020f80478888888778088980380821031002111102"),
        ];
        for (width, height, kind, expected) in table {
            let size = Size { width, height };
            let hash: Vec<String> =
                thumbhash(size, &picture(size, kind)).iter().map(|byte| format!("{byte:02x}")).collect();
            let hash = hash.concat();
            // In one colour nothing varies but the last bits of sums, at a scale of nothing: what is seen is in the header.
            let seen = if matches!(kind, Kind::OneColor) { 10 } else { hash.len() };
            assert_eq!((&hash[..seen], hash.len()), (&expected[..seen], expected.len()), "{width}x{height} {kind:?}");
        }
    }

    #[test]
    fn a_picture_that_is_none_has_no_hash() {
        assert_eq!(thumbhash(Size { width: 0, height: 0 }, &[]), Vec::<u8>::new());
        assert_eq!(thumbhash(Size { width: 2, height: 2 }, &[[0; 4]]), Vec::<u8>::new());
    }
}
