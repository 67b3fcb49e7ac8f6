//! Planes against the pixels that are made of them, which are those of libjpeg.

use jpeg_encoder::SamplingFactor::{self, F_1_1, F_1_2, F_2_1, F_2_2, F_4_1};

use super::*;

fn file(seed: u64, sampling: SamplingFactor, way: u32) -> Vec<u8> {
    encoded(seed, (93, 71), sampling, |encoder| match way {
        0 => encoder.set_restart_interval(3),
        1 => encoder.set_progressive(true),
        2 => encoder.set_optimized_huffman_tables(true),
        _ => {}
    })
}

fn whole(decoder: &Decoder<'_>, scales: [Scale; 3]) -> Vec<ComponentPlane> {
    decoder.decode_planes(scales, &Window::whole(decoder.size()), &mut Arena::default()).unwrap()
}

fn woven(planes: &[ComponentPlane]) -> Vec<u8> {
    let width = planes[0].plane.size.width as usize;
    let mut pixels = vec![0; planes[0].plane.data.len() * 3];
    for (y, pixels) in pixels.chunks_exact_mut(width * 3).enumerate() {
        let row = |index: usize| &planes[index].plane.data[y * width..(y + 1) * width];
        weave([row(0), row(1), row(2)], true, pixels);
    }
    pixels
}

/// Where libjpeg takes each plane at the scale of the output, planes are its pixels before their colours are converted.
#[test]
fn planes_are_what_pixels_are_made_of() {
    use Scale::{Eighth, Full, Half, Quarter};
    for (sampling, scales) in [
        (F_1_1, [[Full; 3], [Half; 3], [Quarter; 3], [Eighth; 3]].as_slice()),
        (F_2_2, &[[Half, Full, Full], [Quarter, Half, Half], [Eighth, Quarter, Quarter]]),
    ] {
        for way in 0..4 {
            let bytes = file(7, sampling, way);
            for scales in scales {
                let planes = whole(&open(&bytes), *scales);
                let pixels = decoded(&bytes, scales[0]).unwrap();
                assert_eq!(planes[0].plane.size, pixels.size);
                assert!(woven(&planes) == pixels.data, "{sampling:?} {way} {scales:?}");
            }
        }
    }
}

#[test]
fn luma_is_that_of_libjpeg_in_gray() {
    for (seed, sampling) in [F_1_1, F_2_1, F_1_2, F_2_2, F_4_1].into_iter().enumerate() {
        for way in 0..4 {
            let bytes = file(seed as u64, sampling, way);
            for scale in Scale::ALL {
                let Some(expected) = reference::djpeg_with(&bytes, scale, &["-grayscale"]) else { return };
                let planes = whole(&open(&bytes), [scale; 3]);
                assert_eq!(planes[0].plane.size, expected.size);
                assert!(planes[0].plane.data == expected.data, "{sampling:?} {way} {scale:?}");
            }
        }
    }
}

/// Every component has its own scale, and a window is a part of the whole.
#[test]
fn windows_of_planes_are_parts_of_them() {
    let mut arena = Arena::default();
    for (seed, sampling) in [F_1_1, F_2_1, F_1_2, F_2_2, F_4_1].into_iter().enumerate() {
        for way in 0..4 {
            let bytes = file(seed as u64, sampling, way);
            let (decoder, mut random) = (open(&bytes), fastrand::Rng::with_seed(seed as u64));
            let size = decoder.size();
            for _ in 0..20 {
                let scales = std::array::from_fn(|_| Scale::ALL[random.usize(..4)]);
                let (left, top) = (random.u32(0..size.width), random.u32(0..size.height));
                let window = Window {
                    columns: left..random.u32(left + 1..=size.width),
                    rows: top..random.u32(top + 1..=size.height),
                };
                let parts = decoder.decode_planes(scales, &window, &mut arena).unwrap();
                let per_samples = decoder.pixels_per_sample();
                for (((part, whole), per_sample), scale) in
                    parts.iter().zip(whole(&decoder, scales)).zip(per_samples).zip(scales)
                {
                    let Size { width, height } = part.plane.size;
                    let within = Window { columns: part.left..part.left + width, rows: part.top..part.top + height };
                    let whole = Decoded { size: whole.plane.size, channels: 1, data: whole.plane.data };
                    assert!(part.plane.data == cut(&whole, &within), "{sampling:?} {way} {scales:?} {window:?}");
                    let pixels = |sample: u32, per: f64| f64::from(sample * scale.denominator()) * per;
                    assert!(pixels(within.columns.start, per_sample.0) <= f64::from(window.columns.start));
                    assert!(pixels(within.columns.end, per_sample.0) >= f64::from(window.columns.end));
                    assert!(pixels(within.rows.start, per_sample.1) <= f64::from(window.rows.start));
                    assert!(pixels(within.rows.end, per_sample.1) >= f64::from(window.rows.end));
                }
                for part in parts {
                    arena.recycle(part.plane.data);
                }
            }
        }
    }
}

/// What is missing is gray in every plane, and what came before is there.
#[test]
fn a_cut_file_has_gray_planes_where_that_is_allowed() {
    for way in 0..4 {
        let bytes = file(3, F_2_2, way);
        let cut = &bytes[..bytes.len() * 2 / 3];
        let decoder = open(cut).with_truncated(Truncated::Allow);
        let mut arena = Arena::default();
        arena.recycle(vec![7; 100_000]);
        let planes = decoder.decode_planes([Scale::Full; 3], &Window::whole(decoder.size()), &mut arena).unwrap();
        assert!(open(cut).decode_planes([Scale::Full; 3], &Window::whole(decoder.size()), &mut arena).is_err());
        let expected = whole(&open(&bytes), [Scale::Full; 3]);
        if way == 3 {
            let last_row = &planes[0].plane.data[70 * 93..];
            assert!(last_row.iter().all(|sample| *sample == 128));
            assert_eq!(planes[0].plane.data[..93 * 16], expected[0].plane.data[..93 * 16]);
        }
        assert_ne!(planes, expected);
    }
}
