use super::*;
use crate::area::Size;
use crate::options::Rendition;

const LAYOUTS: [Layout; 4] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba];
const SIZES: [(u32, u32); 6] = [(1, 1), (1, 9), (14, 1), (2, 2), (5, 31), (40, 23)];

fn noise(random: &mut fastrand::Rng, (width, height): (u32, u32), layout: Layout) -> Raster {
    let mut image = Raster::zeroed(Size { width, height }, layout).unwrap();
    random.fill(&mut image.data);
    image
}

/// Noise that is opaque, so that nothing is multiplied by alpha.
fn opaque_noise(random: &mut fastrand::Rng, size: (u32, u32), layout: Layout) -> Raster {
    let mut image = noise(random, size, layout);
    let channels = layout.channels();
    if layout.has_alpha() {
        image.data.iter_mut().skip(channels - 1).step_by(channels).for_each(|alpha| *alpha = 255);
    }
    image
}

/// A sample of an image whose edges go on.
fn sample(image: &Raster, x: i64, y: i64, channel: usize) -> i64 {
    let (width, height) = (i64::from(image.size.width), i64::from(image.size.height));
    let pixel = y.clamp(0, height - 1) * width + x.clamp(0, width - 1);
    image.data[usize::try_from(pixel).unwrap() * image.layout.channels() + channel].into()
}

/// Makes each sample by its place and channel.
fn by_place(image: &Raster, of: impl Fn(i64, i64, usize) -> i64) -> Raster {
    let channels = image.layout.channels();
    let mut made = image.clone();
    for (index, value) in made.data.iter_mut().enumerate() {
        let (pixel, channel) = (i64::try_from(index / channels).unwrap(), index % channels);
        let width = i64::from(image.size.width);
        *value = u8::try_from(of(pixel % width, pixel / width, channel)).unwrap();
    }
    made
}

fn blurred(image: &Raster, blur: Blur) -> Raster {
    refined(image.clone(), &Rendition { blur: Some(blur), ..Rendition::default() }).unwrap()
}

fn sharpened(image: &Raster, sharpen: Sharpen) -> Raster {
    refined(image.clone(), &Rendition { sharpen: Some(sharpen), ..Rendition::default() }).unwrap()
}

fn weights(sigma: f64, amplitude_min: f64) -> Vec<i64> {
    let height = |place: i32| (-f64::from(place * place) / (2.0 * sigma * sigma)).exp();
    let reach = (1..5000).take_while(|place| height(*place) >= amplitude_min).last().unwrap_or(0);
    #[expect(clippy::cast_possible_truncation, reason = "0 to 20")]
    let weight = |place: i32| (20.0 * height(place)).round() as i64;
    (-reach..=reach).map(weight).collect()
}

/// The whole mask, sample by sample, across and then down, each rounded to nearest.
#[test]
fn a_gaussian_blur_is_its_mask_to_the_last_bit() {
    let mut random = fastrand::Rng::with_seed(21);
    for layout in LAYOUTS {
        for size in SIZES {
            for sigma in [0.3, 0.55, 0.6, 1.0, 2.5, 7.0, 40.0, 1000.0] {
                let image = opaque_noise(&mut random, size, layout);
                let weights = weights(sigma, 0.2);
                let (reach, scale) = (i64::try_from(weights.len() / 2).unwrap(), weights.iter().sum::<i64>());
                let mean = |at: &dyn Fn(i64) -> i64| {
                    let sum: i64 = (-reach..).zip(&weights).map(|(place, weight)| at(place) * weight).sum();
                    (sum + scale / 2) / scale
                };
                let across = by_place(&image, |x, y, channel| mean(&|place| sample(&image, x + place, y, channel)));
                let down = by_place(&image, |x, y, channel| mean(&|place| sample(&across, x, y + place, channel)));
                assert_eq!(blurred(&image, Blur::Sigma(sigma)), down, "{layout:?} {size:?} {sigma}");
            }
        }
    }
}

/// Sums of the eight neighbours and the sample itself, rounded down.
#[test]
fn mild_blur_and_mild_sharpening_are_their_kernels() {
    let mut random = fastrand::Rng::with_seed(22);
    for layout in LAYOUTS {
        for size in SIZES {
            let image = opaque_noise(&mut random, size, layout);
            let sum = |kernel: [[i64; 3]; 3], x: i64, y: i64, channel: usize| -> i64 {
                let row = |(dy, row): (i64, [i64; 3])| -> i64 {
                    (-1..).zip(row).map(|(dx, weight)| weight * sample(&image, x + dx, y + dy, channel)).sum()
                };
                (-1..).zip(kernel).map(row).sum()
            };
            let mean = by_place(&image, |x, y, channel| sum([[1; 3]; 3], x, y, channel) / 9);
            assert_eq!(blurred(&image, Blur::Mild), mean, "{layout:?} {size:?}");
            let kernel = [[-1, -1, -1], [-1, 32, -1], [-1, -1, -1]];
            let sharp = by_place(&image, |x, y, channel| (sum(kernel, x, y, channel) / 24).clamp(0, 255));
            assert_eq!(sharpened(&image, Sharpen::Mild), sharp, "{layout:?} {size:?}");
        }
    }
}

/// By the words of `vips_sharpen`, in floats of 64 bits.
#[test]
fn sharpening_adds_what_a_blur_takes_away_from_the_lightness() {
    let lightness = |pixel: &[u8]| -> f64 {
        let light = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let y = 0.2126 * light(pixel[0]) + 0.7152 * light(pixel[1]) + 0.0722 * light(pixel[2]);
        if y > 216.0 / 24_389.0 { 116.0 * y.cbrt() - 16.0 } else { y * 24_389.0 / 27.0 }
    };
    let mut random = fastrand::Rng::with_seed(23);
    for sigma in [0.000_001, 0.3, 0.5, 1.0, 3.0, 10.0] {
        // Gray, so that no colour leaves the gamut: what is made is told by the lightness alone.
        let mut image = opaque_noise(&mut random, (31, 17), Layout::Rgb);
        // Soft, so that some of it is flat and some is not.
        image = blurred(&image, Blur::Sigma(0.8));
        image.data.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = [pixel[0]; 3]);
        let (width, height) = (31_i64, 17_i64);
        let before: Vec<f64> = image.data.chunks_exact(3).map(lightness).collect();
        let weights = weights(sigma, 0.1);
        let reach = i64::try_from(weights.len() / 2).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let mean = |at: &dyn Fn(i64) -> f64| {
            let sum: f64 = (-reach..).zip(&weights).map(|(place, weight)| at(place) * *weight as f64).sum();
            sum / weights.iter().sum::<i64>() as f64
        };
        let at = |map: &[f64], x: i64, y: i64| {
            map[usize::try_from(y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).unwrap()]
        };
        let places = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let across: Vec<f64> = places().map(|(x, y)| mean(&|place| at(&before, x + place, y))).collect();
        let around: Vec<f64> = places().map(|(x, y)| mean(&|place| at(&across, x, y + place))).collect();
        let found = sharpened(&image, Sharpen::Sigma(sigma));
        let mut moved = 0;
        for ((before, around), pixel) in before.iter().zip(around).zip(found.data.chunks_exact(3)) {
            let difference = before - around;
            let more = match difference {
                _ if difference < -2.0 => (difference + 2.0) * 2.0 - 2.0,
                _ if difference < 2.0 => difference,
                _ => (difference - 2.0) * 2.0 + 2.0,
            };
            let expected = (before + more.clamp(-20.0, 10.0)).clamp(0.0, 100.0);
            moved += usize::from((expected - before).abs() > 1.0);
            // A step of a byte is up to half a step of lightness.
            assert!((lightness(pixel) - expected).abs() < 0.6, "{sigma}: {} and {expected}", lightness(pixel));
        }
        assert_eq!(moved > 50, sigma >= 0.5, "{sigma}: {moved} pixels moved");
        let gray = Raster { layout: Layout::Gray, data: image.data.iter().copied().step_by(3).collect(), ..image };
        let gray = sharpened(&gray, Sharpen::Sigma(sigma));
        let greens: Vec<u8> = found.data.into_iter().skip(1).step_by(3).collect();
        assert!(gray.data == greens, "{sigma}: gray is sharpened like a colour that is gray");
    }
}

#[test]
fn sharpening_keeps_the_hue() {
    let image = Raster {
        size: Size { width: 12, height: 4 },
        layout: Layout::Rgb,
        data: (0..48).flat_map(|at| if at % 12 < 6 { [120, 80, 60] } else { [150, 100, 75] }).collect(),
    };
    let found = sharpened(&image, Sharpen::Sigma(1.0));
    assert_ne!(found, image);
    for pixel in found.data.as_chunks::<3>().0 {
        assert!(pixel[0] > pixel[1] && pixel[1] > pixel[2], "{pixel:?} is brown");
    }
    // The edge is steeper than it was: darker on the dark side of it and brighter on the other.
    assert!(found.data[5 * 3] < 118 && found.data[6 * 3] > 152, "{:?}", &found.data[..36]);
}

/// Whatever is done to a plain picture, it stays plain.
#[test]
fn a_flat_picture_stays_as_it_is() {
    for layout in LAYOUTS {
        for size in SIZES {
            for value in [0, 1, 77, 128, 254, 255] {
                let mut image = opaque_noise(&mut fastrand::Rng::with_seed(1), size, layout);
                let channels = layout.channels();
                for pixel in image.data.chunks_exact_mut(channels) {
                    pixel[..channels - usize::from(layout.has_alpha())].fill(value);
                }
                for blur in [Blur::Mild, Blur::Sigma(0.3), Blur::Sigma(3.0), Blur::Sigma(1000.0)] {
                    assert_eq!(blurred(&image, blur), image, "{layout:?} {size:?} {blur:?}");
                }
                for sharpen in [Sharpen::Mild, Sharpen::Sigma(0.000_001), Sharpen::Sigma(1.0), Sharpen::Sigma(10.0)] {
                    assert_eq!(sharpened(&image, sharpen), image, "{layout:?} {size:?} {sharpen:?}");
                }
            }
        }
    }
}

/// Values that no job can have are no worse than none.
#[test]
fn impossible_sigmas_do_not_panic() {
    let image = noise(&mut fastrand::Rng::with_seed(2), (9, 7), Layout::Rgba);
    for sigma in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300, f64::MIN_POSITIVE] {
        assert_eq!(blurred(&image, Blur::Sigma(sigma)).data.len(), image.data.len());
        assert_eq!(sharpened(&image, Sharpen::Sigma(sigma)).data.len(), image.data.len());
    }
}

/// What is transparent has no colour that could be mixed into its neighbours.
#[test]
fn colours_under_transparency_do_not_bleed() {
    for (layout, seen, hidden) in [
        (Layout::Rgba, [200, 40, 10, 255].as_slice(), [0, 255, 0, 0].as_slice()),
        (Layout::GrayAlpha, &[200, 255], &[9, 0]),
    ] {
        let data = (0..240).flat_map(|at| if at % 20 < 10 { seen } else { hidden }).copied().collect();
        let image = Raster { size: Size { width: 20, height: 12 }, layout, data };
        let channels = layout.channels();
        for made in [blurred(&image, Blur::Mild), blurred(&image, Blur::Sigma(2.0))] {
            let mut partly = 0;
            for pixel in made.data.chunks_exact(channels) {
                let alpha = pixel[channels - 1];
                partly += usize::from(alpha > 0 && alpha < 255);
                let near = |(one, other): (&u8, &u8)| one.abs_diff(*other) <= 255 / (alpha / 2).max(1) + 2;
                assert!(alpha == 0 || pixel[..channels - 1].iter().zip(seen).all(near), "{pixel:?} should be {seen:?}");
            }
            assert!(partly > 0, "there is a soft edge");
        }
        // An edge is made brighter, also one to nothing, but of nothing there is no green.
        for made in [sharpened(&image, Sharpen::Mild), sharpened(&image, Sharpen::Sigma(1.0))] {
            for pixel in made.data.chunks_exact(channels) {
                assert!(channels == 2 || pixel[1] <= pixel[0] / 2, "{pixel:?} should be red");
            }
        }
    }
}

/// 0.2126, 0.7152 and 0.0722 of the light of red, green and blue, by the curve of sRGB in floats of 64 bits.
#[test]
fn grays_have_the_light_of_their_colours() {
    let mut random = fastrand::Rng::with_seed(24);
    for layout in LAYOUTS {
        let image = noise(&mut random, (50, 40), layout);
        let gray = grayed(image.clone());
        assert_eq!(gray.layout, if layout.has_alpha() { Layout::GrayAlpha } else { Layout::Gray });
        if matches!(layout, Layout::Gray | Layout::GrayAlpha) {
            assert_eq!(gray, image);
            continue;
        }
        for (pixel, found) in
            image.data.chunks_exact(layout.channels()).zip(gray.data.chunks_exact(gray.layout.channels()))
        {
            let light = |value: u8| {
                let value = f64::from(value) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            let light = 0.2126 * light(pixel[0]) + 0.7152 * light(pixel[1]) + 0.0722 * light(pixel[2]);
            let expected =
                255.0 * if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
            assert!((f64::from(found[0]) - expected).abs() < 0.51, "{pixel:?} became {found:?}, not {expected}");
            assert_eq!(pixel.get(3), found.get(1));
        }
    }
    let red = gray_color(Color { rgba: [255, 0, 0, 9] });
    assert_eq!(red.rgba, [127, 127, 127, 9]);
}
