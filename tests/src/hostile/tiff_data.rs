//! TIFF files whose samples, colours, tiles or packed data are not what they should be.

use super::Corpus;
use super::bytes::{deflated, jpeg_segment, length32};
use super::samples::sample;
use super::tiff::{
    BITS, COMPRESSION, DATA_AT, EXTRA_SAMPLES, HEIGHT, LONG, PHOTOMETRIC, PLANAR, PREDICTOR, ROWS_PER_STRIP, SAMPLES,
    SHORT, TILE_BYTES, TILE_HEIGHT, TILE_OFFSETS, TILE_WIDTH, WIDTH,
};
use super::tiff::{STRIP_BYTES, STRIP_OFFSETS, Tiff, lzw, packbits, planes, tiled};

pub(super) fn data(corpus: &mut Corpus, rgb: &Tiff) {
    for compression in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 32_773, 32_946, 34_712, 34_925, 50_000, 50_001, 65_535] {
        for (samples, bits) in [(1, 1), (1, 8), (3, 8), (4, 16)] {
            let tiff = Tiff::of(40, 27, samples, bits);
            let name = format!("tiff-{samples}x{bits}-compression-{compression}-over-other-data");
            corpus.add("tiff: data", name, tiff.clone().with_data(compression, tiff.data.clone()).file());
        }
    }
    for photometric in [0, 1, 2, 3, 4, 5, 6, 8, 9, 32_803, 65_535] {
        for (samples, bits) in [(1, 8), (2, 8), (3, 8), (4, 8), (5, 8), (3, 16), (1, 32), (3, 64)] {
            let tiff = Tiff::of(40, 27, samples, bits).with(PHOTOMETRIC, SHORT, &[photometric]);
            corpus.add("tiff: data", format!("tiff-{samples}x{bits}-photometric-{photometric}"), tiff.file());
        }
    }
    for bits in [0, 2, 3, 4, 7, 12, 24, 63, 65, 128, 65_535] {
        let tiff = rgb.clone().with(BITS, SHORT, &[bits; 3]);
        corpus.add("tiff: data", format!("tiff-{bits}-bits"), tiff.file());
        let mixed = rgb.clone().with(BITS, SHORT, &[8, bits, 8]);
        corpus.add("tiff: data", format!("tiff-8-{bits}-8-bits"), mixed.file());
    }
    for samples in [0, 2, 4, 5, 8, 9, 255, 65_535] {
        corpus.add(
            "tiff: data",
            format!("tiff-{samples}-samples"),
            rgb.clone().with(SAMPLES, SHORT, &[samples]).file(),
        );
    }
    for predictor in [0, 2, 3, 4, 65_535] {
        let tiff = rgb.clone().with_data(8, deflated(&rgb.data)).with(PREDICTOR, SHORT, &[predictor]);
        corpus.add("tiff: data", format!("tiff-predictor-{predictor}"), tiff.file());
    }
    for kind in [0, 1, 2, 3, 65_535] {
        for (samples, bits) in [(2, 8), (4, 8), (4, 16), (5, 8), (8, 16), (64, 8)] {
            let tiff = Tiff::of(40, 27, samples, bits).with(EXTRA_SAMPLES, SHORT, &[kind]);
            corpus.add("tiff: data", format!("tiff-{samples}x{bits}-extra-{kind}"), tiff.file());
            let planes = tiff.with(PLANAR, SHORT, &[2]);
            corpus.add("tiff: data", format!("tiff-{samples}x{bits}-extra-{kind}-planes-of-one-strip"), planes.file());
        }
    }
    // JPEG within TIFF, whole and torn, with tables elsewhere or nowhere.
    let jpeg = sample("jpeg-444");
    let photo = |data: Vec<u8>| rgb.clone().with_data(7, data).with(PHOTOMETRIC, SHORT, &[6]);
    corpus.add("tiff: data", "tiff-jpeg", photo(jpeg.clone()).file());
    corpus.add("tiff: data", "tiff-jpeg-torn", photo(jpeg[..jpeg.len() / 2].to_vec()).file());
    corpus.add("tiff: data", "tiff-jpeg-without-frame", photo(jpeg_segment(0xdb, &[0; 65])).file());
    let other_size = sample("jpeg-gray");
    corpus.add("tiff: data", "tiff-jpeg-of-other-components", photo(other_size).file());
    for side in [41, 1000, 7000, 16_000, 65_500] {
        for (kind, good) in [("", &jpeg), ("-progressive", &sample("jpeg-progressive"))] {
            let bent = super::jpeg::with_size(good, side, side);
            corpus.add("tiff: data", format!("tiff-jpeg{kind}-that-claims-{side}x{side}"), photo(bent).file());
        }
    }
    corpus.add("tiff: data", "tiff-jpeg-tables-of-nothing", photo(jpeg).with_raw(347, 7, u32::MAX, 0).file());
}

/// Tiles over the edge, of any side, with samples together and in planes.
pub(super) fn tiles(corpus: &mut Corpus) {
    for planar in [false, true] {
        let good = if planar { planes(&tiled(40, 27), 40, 27) } else { tiled(40, 27) };
        for (width, height) in [(16, 16), (1, 1), (17, 16), (48, 32), (16, 65_535), (65_535, 16), (u32::MAX, 16)] {
            for compression in [1, 5, 8, 32_773] {
                let tiff = good.clone().with(TILE_WIDTH, LONG, &[width]).with(TILE_HEIGHT, LONG, &[height]);
                let name = format!("tiff-tiles-{width}x{height}-planar-{planar}-compression-{compression}");
                corpus.add("tiff: tiles", name, tiff.with(COMPRESSION, SHORT, &[compression]).file());
            }
        }
        // Much to unpack beside a picture of one column.
        let zeros = super::bytes::deflated_zeros(1 << 24);
        let wide = good.with(WIDTH, LONG, &[1]).with(HEIGHT, LONG, &[65_535]);
        let wide = wide.with(TILE_WIDTH, LONG, &[65_520]).with(TILE_HEIGHT, LONG, &[65_535]);
        let length = length32(zeros.len());
        let wide = wide.with(TILE_OFFSETS, LONG, &[DATA_AT; 3]).with(TILE_BYTES, LONG, &[length; 3]);
        let mut wide = wide.with(COMPRESSION, SHORT, &[8]);
        wide.data = zeros;
        corpus.add("tiff: bombs", format!("tiff-wide-tiles-planar-{planar}"), wide.file());
    }
    whole_tiles(corpus);
    // Samples that nobody looks at.
    let many = Tiff::of(40, 27, 64, 32).with(WIDTH, LONG, &[7000]).with(HEIGHT, LONG, &[7000]);
    let many = many.with(ROWS_PER_STRIP, LONG, &[7000]).with(EXTRA_SAMPLES, SHORT, &[0]);
    let many = many.with_data(8, super::bytes::deflated_zeros(1 << 24));
    corpus.add("tiff: bombs", "tiff-49-megapixels-of-64-samples", many.file());
}

/// Tiles of every kind of sample and packing, the last of which reach beyond the image.
fn whole_tiles(corpus: &mut Corpus) {
    const IMAGE: (u32, u32) = (40, 27);
    for (samples, bits) in
        [1, 2, 3, 4, 5].into_iter().flat_map(|samples| [1, 2, 4, 8, 16, 32].map(|bits| (samples, bits)))
    {
        for planar in [false, true] {
            for (width, height) in [(16, 16), (32, 16), (16, 48)] {
                let tiles = IMAGE.0.div_ceil(width) * IMAGE.1.div_ceil(height) * if planar { samples } else { 1 };
                let row_bytes = (width * bits * if planar { 1 } else { samples }).div_ceil(8);
                let tile = super::samples::pixels(row_bytes, height, 1);
                let packings: [(u32, Vec<u8>, u32); 6] = [
                    (1, tile.clone(), 1),
                    (5, lzw(&tile), 1),
                    (5, lzw(&tile), 2),
                    (8, deflated(&tile), 1),
                    (8, deflated(&tile), 2),
                    (32_773, packbits(&tile), 1),
                ];
                for (compression, packed, predictor) in packings {
                    let length = length32(packed.len());
                    let mut tiff = Tiff::of(IMAGE.0, IMAGE.1, samples, bits);
                    for tag in [STRIP_OFFSETS, STRIP_BYTES, ROWS_PER_STRIP] {
                        tiff.remove(tag);
                    }
                    tiff.data = packed.repeat(tiles as usize);
                    let offsets: Vec<u32> = (0..tiles).map(|tile| DATA_AT + tile * length).collect();
                    let tiff = tiff
                        .with(TILE_WIDTH, LONG, &[width])
                        .with(TILE_HEIGHT, LONG, &[height])
                        .with(TILE_OFFSETS, LONG, &offsets)
                        .with(TILE_BYTES, LONG, &vec![length; offsets.len()])
                        .with(COMPRESSION, SHORT, &[compression])
                        .with(PREDICTOR, SHORT, &[predictor])
                        .with(PLANAR, SHORT, &[if planar { 2 } else { 1 }]);
                    let name = format!(
                        "tiff-tiles-{width}x{height}-of-{samples}x{bits}-planar-{planar}-{compression}-predictor-{predictor}"
                    );
                    corpus.add("tiff: tiles", name, tiff.file());
                }
            }
        }
    }
}

/// Rows of fax of every kind over codes that mean little.
pub(super) fn fax(corpus: &mut Corpus) {
    let (width, height) = (7000, 7000);
    let page = Tiff::of(40, 27, 1, 1).with(WIDTH, LONG, &[width]).with(HEIGHT, LONG, &[height]);
    let page = page.with(ROWS_PER_STRIP, LONG, &[height]);
    for compression in [2, 3, 4] {
        for options in [0, 1, 2, 4, 7] {
            for byte in [0, 0x01, 0x08, 0x35, 0x55, 0x80, 0xaa, 0xff] {
                let tiff = page.clone().with(292, LONG, &[options]).with_data(compression, vec![byte; 1 << 16]);
                let name = format!("tiff-fax-{compression}-options-{options}-of-{byte:02x}");
                corpus.add("tiff: fax", name, tiff.file());
            }
        }
    }
}
