//! Hostile WebP files.

use super::bytes::{riff_chunk, webp_file};
use super::samples::{exif, icc_profile, sample, webp, webp_frame, webp_header};
use super::{Corpus, SIDES};

pub(crate) fn hostile(corpus: &mut Corpus) {
    sizes(corpus);
    containers(corpus);
    streams(corpus);
    animations(corpus);
}

/// A lossless picture of one colour: a header and codes of no bits. The file has a few bytes whatever its size is.
fn solid(width: u32, height: u32) -> Vec<u8> {
    let fields = (width - 1) & 0x3fff | ((height - 1) & 0x3fff) << 14 | 1 << 28;
    // No transform, no cache, no groups; five codes of one symbol of eight bits: 1, 0, 1, then the symbol.
    let mut bits: u128 = 0;
    let mut at = 3;
    for symbol in [0x40_u128, 0x80, 0xc0, 0xff, 0] {
        bits |= (0b101 | symbol << 3) << at;
        at += 11;
    }
    let data = bits.to_le_bytes();
    let body = [&[0x2f], fields.to_le_bytes().as_slice(), &data[..12]].concat();
    webp_file(&riff_chunk(*b"VP8L", &body))
}

/// A lossy file whose frame header claims another size.
fn lossy_claiming(width: u16, height: u16) -> Vec<u8> {
    let mut file = sample("webp-lossy");
    file[26..28].copy_from_slice(&width.to_le_bytes());
    file[28..30].copy_from_slice(&height.to_le_bytes());
    file
}

fn sizes(corpus: &mut Corpus) {
    for (width, height) in [(16_383, 16_383), (16_384, 16_384), (16_384, 8000), (8000, 8000)] {
        corpus.add_refused("webp: bombs", format!("webp-solid-{width}x{height}"), solid(width, height));
    }
    for (width, height) in [(7000, 7000), (16_383, 3050), (3050, 16_383), (1, 16_384), (16_384, 1)] {
        corpus.add("webp: bombs", format!("webp-solid-{width}x{height}"), solid(width, height));
    }
    for (width, height) in
        [(0, 0), (0, 27), (40, 0), (1, 1), (16_383, 16_383), (7000, 7000), (16_383, 1), (0xffff, 0xffff)]
    {
        let name = format!("webp-lossy-claims-{width}x{height}");
        corpus.add("webp: sizes", name, lossy_claiming(width, height));
    }
    let lossy = sample("webp-lossy");
    for side in SIDES.into_iter().chain([0x0100_0000, 16_384, 7000]) {
        for (name, width, height) in [("width", side, 27), ("height", 40, side), ("both", side, side)] {
            for (kind, picture) in [("lossy", &lossy), ("lossless", &sample("webp-lossless"))] {
                let file = webp_file(&[webp_header(0, width, height), picture[12..].to_vec()].concat());
                corpus.add("webp: sizes", format!("webp-{kind}-container-{name}-{side}"), file);
            }
        }
    }
    // The container says little and the picture much.
    for (kind, picture) in [("lossy", lossy_claiming(16_383, 16_383)), ("lossless", solid(16_383, 16_383))] {
        let padded = riff_chunk(*b"????", &vec![0; 100_000]);
        for flags in [0, 0x10] {
            let file = webp_file(&[&webp_header(flags, 40, 27), &picture[12..], &padded].concat());
            corpus.add_refused("webp: sizes", format!("webp-40x27-over-{kind}-16383x16383-flags-{flags:02x}"), file);
        }
        let animated = [webp_header(0x12, 40, 27), riff_chunk(*b"ANIM", &[0; 6]), webp_frame(0, 0, 40, 27, &picture)];
        corpus.add_refused(
            "webp: sizes",
            format!("webp-frame-of-40x27-over-{kind}-16383x16383"),
            webp_file(&animated.concat()),
        );
        let animated =
            [webp_header(0x12, 40, 27), riff_chunk(*b"ANIM", &[0; 6]), webp_frame(0, 0, 16_383, 16_383, &picture)];
        corpus.add_refused(
            "webp: sizes",
            format!("webp-40x27-over-frame-of-{kind}-16383x16383"),
            webp_file(&animated.concat()),
        );
    }
    for side in [1_u32, 2, 100, 7000, 16_384] {
        let mut file = sample("webp-lossless");
        let fields = (side - 1) | (side - 1) << 14;
        file[21..25].copy_from_slice(&fields.to_le_bytes());
        corpus.add("webp: sizes", format!("webp-lossless-claims-{side}"), file);
    }
}

fn containers(corpus: &mut Corpus) {
    let lossy = sample("webp-lossy");
    for length in [0, 1, 4, 11, 12, 0x7fff_ffff, 0xffff_fff6, u32::MAX] {
        for (place, what) in [(4, "container"), (16, "chunk")] {
            let mut file = lossy.clone();
            file[place..place + 4].copy_from_slice(&length.to_le_bytes());
            corpus.add("webp: containers", format!("webp-{what}-length-{length}"), file);
        }
    }
    let picture = &lossy[12..];
    let header = |flags: u8| webp_header(flags, 40, 27);
    let mut add = |name: String, chunks: Vec<u8>| corpus.add("webp: containers", name, webp_file(&chunks));
    for flags in 0..=255_u8 {
        if flags.is_multiple_of(3) {
            add(format!("webp-flags-{flags:02x}"), [&header(flags), picture].concat());
        }
    }
    add("webp-no-chunk".to_owned(), Vec::new());
    add("webp-header-only".to_owned(), header(0));
    add("webp-two-headers".to_owned(), [&header(0), &webp_header(0, 7000, 7000), picture].concat());
    add("webp-two-pictures".to_owned(), [picture, &sample("webp-lossless")[12..]].concat());
    add("webp-header-after-picture".to_owned(), [picture, &header(0x10)].concat());
    add(
        "webp-100000-unknown-chunks".to_owned(),
        [&header(0), &riff_chunk(*b"????", &[]).repeat(100_000), picture].concat(),
    );
    add(
        "webp-unknown-chunk-of-20-mb".to_owned(),
        [&header(0), &riff_chunk(*b"????", &vec![0; 20 << 20]), picture].concat(),
    );
    for megabytes in [1, 8, 32] {
        let body = [icc_profile(), vec![0; megabytes << 20]].concat();
        let profile = riff_chunk(*b"ICCP", &body);
        add(format!("webp-profile-of-{megabytes}-mb"), [&header(0x20), &profile, picture].concat());
        let block = riff_chunk(*b"EXIF", &[exif(6), vec![0; megabytes << 20]].concat());
        add(format!("webp-exif-of-{megabytes}-mb"), [&header(0x08), picture, &block].concat());
        let text = riff_chunk(*b"XMP ", &vec![b' '; megabytes << 20]);
        add(format!("webp-xmp-of-{megabytes}-mb"), [&header(0x04), picture, &text].concat());
    }
    for (name, block) in super::exif::blocks() {
        add(format!("webp-exif-{name}"), [&header(0x08), picture, &riff_chunk(*b"EXIF", &block)].concat());
    }
    for first in 0..=255_u8 {
        if first.is_multiple_of(7) {
            for body in [vec![first], vec![first; 1080], [vec![first], vec![0; 4000]].concat()] {
                let name = format!("webp-alpha-of-kind-{first:02x}-{}-bytes", body.len());
                add(name, [&header(0x10), &riff_chunk(*b"ALPH", &body), picture].concat());
            }
        }
    }
}

/// The streams themselves: every byte of the first hundred set to extremes.
fn streams(corpus: &mut Corpus) {
    for (name, from) in
        [("webp-lossy", 20), ("webp-lossless", 20), ("webp-lossless-alpha", 20), ("webp-lossy-alpha", 30)]
    {
        let good = sample(name);
        for place in from..(from + 64).min(good.len()) {
            for value in [0, 0xff] {
                let mut file = good.clone();
                file[place] = value;
                corpus.add("webp: streams", format!("{name}-byte-{place}-is-{value}"), file);
            }
        }
    }
    // Lossless data of which every bit says the same.
    for byte in [0x00, 0xff, 0x55, 0xaa] {
        for side in [40_u32, 4000] {
            let fields = (side - 1) | (side - 1) << 14;
            let body = [&[0x2f], fields.to_le_bytes().as_slice(), &[byte; 3000]].concat();
            corpus.add(
                "webp: streams",
                format!("webp-lossless-{side}-of-{byte:02x}"),
                webp_file(&riff_chunk(*b"VP8L", &body)),
            );
        }
    }
}

fn animations(corpus: &mut Corpus) {
    let dot = webp(2, 2, 4, true);
    let still = sample("webp-lossy");
    let anim = riff_chunk(*b"ANIM", &[0, 0, 0, 0, 0, 0]);
    let mut add = |name: String, chunks: Vec<u8>| corpus.add("animations", name, webp_file(&chunks));
    for frames in [0, 1, 1000, 20_000] {
        for (width, height) in [(40, 27), (7000, 7000), (16_384, 16_384)] {
            let all = webp_frame(0, 0, 2, 2, &dot).repeat(frames);
            let name = format!("webp-animated-{frames}-frames-on-{width}x{height}");
            add(name, [webp_header(0x12, width, height), anim.clone(), all].concat());
        }
    }
    for (left, top, width, height) in [
        (100, 0, 40, 27),
        (0, 100, 40, 27),
        (0xff_fffe, 0xff_fffe, 40, 27),
        (0, 0, 0x0100_0000, 0x0100_0000),
        (0, 0, 1, 1),
        (0, 0, 41, 28),
        (2, 2, 40, 27),
        (0, 0, 7000, 7000),
    ] {
        let frame = webp_frame(left, top, width, height, &still);
        let name = format!("webp-frame-{width}x{height}-at-{left}-{top}");
        add(name, [webp_header(0x02, 40, 27), anim.clone(), frame].concat());
    }
    let huge = solid(7000, 7000);
    let frame = webp_frame(0, 0, 7000, 7000, &huge);
    add(
        "webp-animated-solid-7000x7000".to_owned(),
        [webp_header(0x12, 7000, 7000), anim.clone(), frame.clone()].concat(),
    );
    // What is dear comes after what is cheap.
    let before =
        [webp_header(0x12, 7000, 7000), lossy_claiming(7000, 7000)[12..].to_vec(), anim.clone(), frame.clone()];
    add("webp-animated-with-a-picture-before".to_owned(), before.concat());
    // The frame is larger than the canvas that the price is made from.
    add("webp-frame-of-7000x7000-on-40x27".to_owned(), [webp_header(0x12, 40, 27), anim.clone(), frame].concat());
    let hidden = webp_frame(0, 0, 40, 27, &solid(16_383, 16_383));
    add(
        "webp-frame-whose-picture-is-16383x16383".to_owned(),
        [webp_header(0x12, 40, 27), anim.clone(), hidden].concat(),
    );
    add(
        "webp-animated-without-anim".to_owned(),
        [webp_header(0x02, 40, 27), webp_frame(0, 0, 40, 27, &still)].concat(),
    );
    add(
        "webp-frames-without-flag".to_owned(),
        [webp_header(0, 40, 27), anim.clone(), webp_frame(0, 0, 40, 27, &still)].concat(),
    );
    add(
        "webp-frame-of-nothing".to_owned(),
        [webp_header(0x02, 40, 27), anim.clone(), riff_chunk(*b"ANMF", &[0; 16])].concat(),
    );
    add("webp-frame-cut".to_owned(), [webp_header(0x02, 40, 27), anim, riff_chunk(*b"ANMF", &[0; 7])].concat());
}
