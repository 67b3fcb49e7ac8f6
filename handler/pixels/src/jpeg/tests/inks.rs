//! Four components: each is decoded as if it were alone, and what they mean is said by Adobe's marker.

use super::*;
use jpeg_encoder::SamplingFactor::{self, F_1_1, F_2_1, F_2_2, F_4_1};
use jpeg_encoder::{ColorType, Encoder};

const SIZE: (u16, u16) = (93, 71);

/// A picture of four inks by the encoder of others: interleaved, progressive or one component after the other.
fn file(color: ColorType, sampling: SamplingFactor, way: u8) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut first, second) = (picture(&mut random, 93, 71), picture(&mut random, 93, 71));
    first.extend(second.chunks_exact(3).map(|pixel| pixel[0]));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(way == 1);
    encoder.set_optimized_huffman_tables(way == 2);
    encoder.encode(&first, SIZE.0, SIZE.1, color).unwrap();
    bytes
}

/// Of a file in scans of one component each: a file of some of these alone, which says nothing of colours.
fn alone(bytes: &[u8], wanted: &[usize]) -> Vec<u8> {
    let (mut file, mut at, mut nth) = (vec![0xff, 0xd8], 2, 0);
    loop {
        let length = 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let (marker, end) = (bytes[at + 1], at + length);
        let segment = &bytes[at..end];
        match marker {
            0xc0 => {
                let components: Vec<u8> =
                    wanted.iter().flat_map(|index| segment[10 + index * 3..][..3].to_vec()).collect();
                file.extend([0xff, 0xc0, 0, (8 + components.len()) as u8]);
                file.extend(&segment[4..9]);
                file.push(wanted.len() as u8);
                file.extend(components);
            }
            0xda => {
                let coded = bytes[end..].windows(2).position(|pair| pair[0] == 0xff && pair[1] != 0).unwrap();
                if wanted.contains(&nth) {
                    file.extend(&bytes[at..end + coded]);
                }
                nth += 1;
                at = end + coded;
                if bytes[at + 1] == 0xd9 {
                    return [file, vec![0xff, 0xd9]].concat();
                }
                continue;
            }
            0xe0..=0xef => {}
            _ => file.extend(segment),
        }
        at = end;
    }
}

#[test]
fn inks_are_what_each_component_is_alone() {
    for sampling in [F_1_1, F_2_1, F_2_2, F_4_1] {
        let bytes = file(ColorType::Cmyk, sampling, 2);
        for scale in Scale::ALL {
            let found = decoded(&bytes, scale).unwrap();
            assert_eq!(found.channels, 4);
            // The encoder has samples of black alone at full size.
            for component in if sampling == F_1_1 { 0..4 } else { 3..4 } {
                let single = decoded(&alone(&bytes, &[component]), scale).unwrap();
                let own: Vec<u8> = found.data.chunks_exact(4).map(|pixel| 255 - pixel[component]).collect();
                assert!((single.size, single.data) == (found.size, own), "{sampling:?} {scale:?} {component}");
            }
            for way in [0, 1] {
                let other = decoded(&file(ColorType::Cmyk, sampling, way), scale).unwrap();
                assert!(other == found, "{sampling:?} {scale:?} {way}");
            }
        }
    }
}

/// As libjpeg makes them: what would be red, green and blue, as inks.
#[test]
fn inks_stored_as_luma_and_chroma_are_converted() {
    for sampling in [F_1_1, F_2_2] {
        let bytes = file(ColorType::CmykAsYcck, sampling, 2);
        let (three, black) = (alone(&bytes, &[0, 1, 2]), alone(&bytes, &[3]));
        for scale in Scale::ALL {
            let (three, black) = (decoded(&three, scale).unwrap(), decoded(&black, scale).unwrap());
            let pixels = three.data.chunks_exact(3).zip(&black.data);
            let expected: Vec<u8> = pixels.flat_map(|(rgb, black)| [rgb[0], rgb[1], rgb[2], 255 - black]).collect();
            for way in 0..3 {
                let found = decoded(&file(ColorType::CmykAsYcck, sampling, way), scale).unwrap();
                assert!(found.data == expected, "{sampling:?} {scale:?} {way}");
            }
        }
    }
}

/// By the transform of Adobe's marker, as libjpeg guesses: 0 is inks, everything else luma and chroma; without a marker it is
/// inks. libvips inverts them all.
#[test]
fn the_marker_says_what_four_components_are() {
    let bytes = file(ColorType::Cmyk, F_1_1, 0);
    let at = bytes.windows(5).position(|name| name == b"Adobe").unwrap();
    let as_said = |transform: u8| {
        let mut changed = bytes.clone();
        changed[at + 11] = transform;
        decoded(&changed, Scale::Full).unwrap().data
    };
    let unmarked = [&bytes[..at - 4], &bytes[at + 12..]].concat();
    assert!(decoded(&unmarked, Scale::Full).unwrap().data == as_said(0));
    assert!(as_said(1) == as_said(2) && as_said(2) != as_said(0));
}

#[test]
fn windows_and_bands_of_inks_are_parts_of_the_whole() {
    let mut arena = Arena::default();
    for way in 0..3 {
        let bytes = file(ColorType::CmykAsYcck, F_2_2, way);
        let decoder = open(&bytes);
        for scale in Scale::ALL {
            let size = scale.apply(decoder.size());
            let whole = decoded(&bytes, scale).unwrap();
            let mut random = fastrand::Rng::with_seed(way.into());
            for _ in 0..10 {
                let (left, top) = (random.u32(0..size.width), random.u32(0..size.height));
                let window = Window {
                    columns: left..random.u32(left + 1..=size.width),
                    rows: top..random.u32(top + 1..=size.height),
                };
                let mut bands = Vec::new();
                let take = |first: u32, band: &[u8]| {
                    assert_eq!(first as usize * window.columns.len() * 4, bands.len());
                    bands.extend_from_slice(band);
                };
                decoder.decode_bands(scale, &window, &mut arena, take).unwrap();
                assert!(bands == cut(&whole, &window), "{way} {scale:?} {window:?}");
            }
        }
        let planes = decoder.decode_planes([Scale::Full; 3], &Window::whole(decoder.size()), &mut arena);
        assert_eq!(planes.unwrap_err().fault(), crate::error::Fault::Ours);
    }
}

/// Bands of inks are counted, too.
#[test]
fn memory_for_inks_stays_within_the_price() {
    for way in 0..3 {
        let bytes = file(ColorType::Cmyk, F_2_2, way);
        let decoder = open(&bytes);
        for scale in Scale::ALL {
            let mut arena = Arena::default();
            decoder.decode_bands(scale, &Window::whole(scale.apply(decoder.size())), &mut arena, |_, _| {}).unwrap();
            let price = decoder.memory_bytes_max(scale);
            assert!(arena.bytes() as u64 <= price, "{way} {scale:?}: {} of {price}", arena.bytes());
        }
    }
}

/// What no whole number of pixels is wide, libjpeg refuses. Here a pixel has the sample that lies at its edge.
#[test]
fn samples_of_a_pixel_and_a_half_are_spread() {
    let bytes = file(ColorType::Ycck, F_1_1, 2);
    let three = alone(&bytes, &[0, 1, 2]);
    let frame = three.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    // The image is half as large again in both directions as chroma, which keeps the blocks it has.
    let (width, height) = (SIZE.0 * 3 / 2, SIZE.1 * 3 / 2);
    let chroma = |component: usize| decoded(&alone(&bytes, &[component]), Scale::Full).unwrap();
    let mut stretched = three.clone();
    stretched[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    stretched[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    for (component, factors) in [0x33, 0x22, 0x22].into_iter().enumerate() {
        stretched[frame + 11 + component * 3] = factors;
    }
    // Luma is replaced by a plane of that size, without anything in it.
    let mut luma = Vec::new();
    let gray = vec![128; usize::from(width) * usize::from(height)];
    Encoder::new(&mut luma, 85).encode(&gray, width, height, ColorType::Luma).unwrap();
    let scan = |bytes: &[u8], nth: usize| {
        let starts: Vec<usize> =
            bytes.windows(2).enumerate().filter(|(_, pair)| *pair == [0xff, 0xda]).map(|(at, _)| at).collect();
        let end = starts.get(nth + 1).copied().unwrap_or(bytes.len() - 2);
        (starts[nth], end)
    };
    let tables = |bytes: &[u8], marker: u8| {
        let at = bytes.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
        bytes[at..at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]))].to_vec()
    };
    let (luma_at, luma_end) = scan(&luma, 0);
    let (first, after) = scan(&stretched, 0);
    let mut luma_scan = luma[luma_at..luma_end].to_vec();
    luma_scan[5] = stretched[frame + 10];
    // Its tables take the numbers that chroma does not use.
    luma_scan[6] = 0x22;
    let mut huffman = Vec::new();
    for table in 0..2 {
        let own = luma.windows(4).enumerate().filter(|(_, four)| four[..2] == [0xff, 0xc4]).nth(table).unwrap().0;
        let length = 2 + usize::from(u16::from_be_bytes([luma[own + 2], luma[own + 3]]));
        let mut segment = luma[own..own + length].to_vec();
        segment[4] |= 2;
        huffman.extend(segment);
    }
    assert_eq!(tables(&luma, 0xc4)[4] >> 4, 0);
    let stretched = [&stretched[..first], &huffman, &luma_scan, &stretched[after..]].concat();
    let found = decoded(&stretched, Scale::Full).unwrap();
    assert_eq!((found.size.width, found.size.height), (width.into(), height.into()));
    let [blue, red] = [chroma(1), chroma(2)];
    for y in 0..usize::from(height) {
        for x in 0..usize::from(width) {
            let at = y * 2 / 3 * usize::from(SIZE.0) + x * 2 / 3;
            let mut expected = [0; 3];
            weave([&[128], &[blue.data[at]], &[red.data[at]]], true, &mut expected);
            assert_eq!(found.data[(y * usize::from(width) + x) * 3..][..3], expected, "{x} {y}");
        }
    }
}
