//! Hostile PNG files.

use super::bytes::{deflated, deflated_zeros, png_chunk};
use super::samples::{Png, Sample, apng, exif, icc_profile, sample, samples};
use super::{Corpus, SIDES};

pub(crate) fn hostile(corpus: &mut Corpus) {
    bombs(corpus);
    headers(corpus);
    checksums(corpus);
    metadata(corpus);
    animations(corpus);
}

/// A picture of nothing but zeros, compressed as well as can be.
fn zeros(width: u32, height: u32, depth: u8, color: u8) -> Png {
    let samples = [1, 0, 3, 1, 2, 0, 4][usize::from(color)];
    let row_bytes = (u64::from(width) * samples * u64::from(depth)).div_ceil(8) + 1;
    Png { width, height, depth, color, data: deflated_zeros(row_bytes * u64::from(height)), ..Png::of(8, 0) }
}

fn bombs(corpus: &mut Corpus) {
    for (depth, color) in [(1, 0), (8, 0), (8, 2), (8, 6), (16, 6)] {
        for (width, height) in [(50_000, 50_000), (65_535, 65_535), (8000, 8000)] {
            if u64::from(width) * u64::from(height) * u64::from(depth) > 30_000_000_000 {
                continue;
            }
            let name = format!("png-zeros-{width}x{height}-depth-{depth}-colour-{color}");
            corpus.add_refused("png: bombs", name, zeros(width, height, depth, color).file());
        }
        // Just below the limit, so that the whole of it is decoded.
        let name = format!("png-zeros-7000x7000-depth-{depth}-colour-{color}");
        corpus.add("png: bombs", name, zeros(7000, 7000, depth, color).file());
        let name = format!("png-zeros-7000x7000-interlaced-depth-{depth}-colour-{color}");
        corpus.add("png: bombs", name, Png { interlace: 1, ..zeros(7000, 7000, depth, color) }.file());
    }
    for (width, height) in [(50_000_000, 1), (1, 50_000_000), (65_535, 762), (762, 65_535), (1, 65_535), (65_535, 1)] {
        corpus.add("png: bombs", format!("png-zeros-{width}x{height}"), zeros(width, height, 8, 0).file());
    }
    let palette = png_chunk(*b"PLTE", &[0; 3]);
    let transparent = [palette, png_chunk(*b"tRNS", &[0])].concat();
    let bomb = Png { before: transparent, ..zeros(7000, 7000, 1, 3) };
    corpus.add("png: bombs", "png-zeros-7000x7000-transparent-palette", bomb.file());
    // A small picture over data that inflate to a gigabyte.
    let more = Png { data: deflated_zeros(1 << 30), ..Png::of(8, 6) };
    corpus.add("png: bombs", "png-40x27-over-a-gigabyte-of-zeros", more.file());
    for length in [0, 1, 2, 10, 100] {
        let short = Png { data: deflated_zeros(49_007_000)[..length].to_vec(), ..zeros(7000, 7000, 8, 0) };
        corpus.add_refused("png: bombs", format!("png-zeros-7000x7000-of-{length}-bytes"), short.file());
    }
    // Data in a million chunks of nothing.
    for count in [1000, 100_000] {
        let mut file = sample("png-rgb-8");
        let end = file.split_off(file.len() - 12);
        let file = [file, png_chunk(*b"IDAT", &[]).repeat(count), end].concat();
        corpus.add("png: bombs", format!("png-{count}-empty-data-chunks"), file);
    }
}

fn headers(corpus: &mut Corpus) {
    for (depth, color) in [(1, 0), (8, 2), (16, 6)] {
        for side in SIDES {
            let name = |which: &str| format!("png-depth-{depth}-colour-{color}-{which}-{side}");
            let png = || Png::of(depth, color);
            corpus.add("png: sizes", name("width"), Png { width: side, ..png() }.file());
            corpus.add("png: sizes", name("height"), Png { height: side, ..png() }.file());
            corpus.add("png: sizes", name("both"), Png { width: side, height: side, ..png() }.file());
        }
    }
    for color in [0, 1, 2, 3, 4, 5, 6, 7, 255] {
        for depth in [0, 1, 2, 3, 4, 8, 16, 32, 255] {
            let png = Png { depth, color, ..Png::of(8, 6) };
            corpus.add("png: headers", format!("png-depth-{depth}-colour-{color}"), png.file());
        }
    }
    for interlace in [1, 2, 255] {
        let png = Png { interlace, ..Png::of(8, 6) };
        corpus.add("png: headers", format!("png-interlace-{interlace}-over-plain-rows"), png.file());
    }
    let good = sample("png-rgb-8");
    let (head, rest) = good.split_at(33);
    let twice = [head, &head[8..], rest].concat();
    corpus.add("png: headers", "png-two-headers", twice);
    corpus.add("png: headers", "png-no-header", [&head[..8], rest].concat());
    corpus.add("png: headers", "png-no-data", [head, &png_chunk(*b"IEND", &[])].concat());
    corpus.add("png: headers", "png-end-first", [&head[..8], &png_chunk(*b"IEND", &[]), &head[8..], rest].concat());
    let palettes: [(&str, Vec<u8>); 5] = [
        ("none", vec![]),
        ("empty", png_chunk(*b"PLTE", &[])),
        ("odd", png_chunk(*b"PLTE", &[1, 2, 3, 4])),
        ("of-257", png_chunk(*b"PLTE", &[9; 771])),
        ("of-one", png_chunk(*b"PLTE", &[9; 3])),
    ];
    for (name, before) in palettes {
        corpus.add("png: headers", format!("png-palette-{name}"), Png { before, ..Png::of(8, 3) }.file());
    }
    for length in [0, 1, 255, 256, 257, 60_000] {
        for color in [0, 2, 3, 6] {
            let before = [Png::of(8, 3).before, png_chunk(*b"tRNS", &vec![3; length])].concat();
            let name = format!("png-colour-{color}-transparency-of-{length}");
            corpus.add("png: headers", name, Png { before, ..Png::of(8, color) }.file());
        }
    }
}

/// Every chunk's checksum, one bit of each; and chunk lengths that lie.
fn checksums(corpus: &mut Corpus) {
    for Sample { name, bytes } in samples().iter().filter(|sample| sample.name.starts_with("png")) {
        for (at, length) in chunks(bytes) {
            let kind = String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned();
            let mut wrong = bytes.clone();
            wrong[at + 8 + length] ^= 1;
            corpus.add("png: checksums", format!("{name}-checksum-of-{kind}-at-{at}"), wrong);
            for lie in [0, 1, 0x7fff_ffff, 0xffff_ffff, 0xffff_fff4] {
                let mut lying = bytes.clone();
                lying[at..at + 4].copy_from_slice(&u32::to_be_bytes(lie));
                corpus.add("png: lengths", format!("{name}-length-{lie}-of-{kind}-at-{at}"), lying);
            }
        }
    }
    let good = Png::of(8, 2);
    for (place, name) in [(0, "method"), (1, "flags"), (2, "block"), (good.data.len() - 1, "checksum")] {
        let mut data = good.data.clone();
        data[place] ^= 0x55;
        let png = Png { data, before: Vec::new(), ..good };
        corpus.add("png: checksums", format!("png-zlib-{name}"), png.file());
    }
}

/// Where each chunk is, and how long its body.
fn chunks(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut at = 8;
    let mut found = Vec::new();
    while at + 12 <= bytes.len() {
        let length = bytes[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        found.push((at, length));
        at += 12 + length;
    }
    found
}

fn metadata(corpus: &mut Corpus) {
    let mut add = |name: String, before: Vec<u8>| {
        corpus.add("png: metadata", name, Png { before, ..Png::of(8, 2) }.file());
    };
    for megabytes in [1, 5, 16, 64, 256] {
        let zeros = deflated_zeros(megabytes << 20);
        add(format!("png-profile-of-{megabytes}-mb"), png_chunk(*b"iCCP", &[b"p\0\0", zeros.as_slice()].concat()));
        add(format!("png-ztxt-of-{megabytes}-mb"), png_chunk(*b"zTXt", &[b"Comment\0\0", zeros.as_slice()].concat()));
        let text = [b"Comment\0\x01\0\0\0", zeros.as_slice()].concat();
        add(format!("png-itxt-of-{megabytes}-mb"), png_chunk(*b"iTXt", &text));
    }
    let text = [b"Comment\0\0", deflated_zeros(1 << 20).as_slice()].concat();
    add("png-200-ztxt-of-1-mb".to_owned(), png_chunk(*b"zTXt", &text).repeat(200));
    add("png-20000-texts".to_owned(), png_chunk(*b"tEXt", b"a\0b").repeat(20_000));
    add("png-text-of-20-mb".to_owned(), png_chunk(*b"tEXt", &[b"a\0".as_slice(), &vec![b'x'; 20 << 20]].concat()));
    add("png-unknown-chunk-of-20-mb".to_owned(), png_chunk(*b"zzZz", &vec![0; 20 << 20]));
    add("png-unknown-critical-chunk".to_owned(), png_chunk(*b"ZZZZ", &[0; 20]));
    let profile = [b"p\0\0", deflated(&icc_profile()).as_slice()].concat();
    add("png-1000-profiles".to_owned(), png_chunk(*b"iCCP", &profile).repeat(1000));
    add("png-profile-without-name".to_owned(), png_chunk(*b"iCCP", &deflated(&icc_profile())));
    add("png-profile-of-unknown-method".to_owned(), png_chunk(*b"iCCP", b"p\0\x07abc"));
    add("png-profile-and-srgb".to_owned(), [png_chunk(*b"iCCP", &profile), png_chunk(*b"sRGB", &[9])].concat());
    for (name, block) in super::exif::blocks() {
        add(format!("png-exif-{name}"), png_chunk(*b"eXIf", &block));
    }
    add("png-exif-of-10-mb".to_owned(), png_chunk(*b"eXIf", &[exif(6), vec![0; 10 << 20]].concat()));
    for kind in [b"gAMA", b"cHRM", b"pHYs", b"bKGD", b"tIME", b"sBIT", b"hIST", b"sPLT", b"cICP", b"mDCV", b"cLLI"] {
        for length in [0, 1, 1000] {
            let name = format!("png-{}-of-{length}-bytes", String::from_utf8_lossy(kind));
            add(name, png_chunk(*kind, &vec![0xff; length]));
        }
    }
}

fn animations(corpus: &mut Corpus) {
    let still = Png::of(8, 6);
    for frames in [0, 1, 2, 100, 5000] {
        corpus.add("animations", format!("png-animated-{frames}-frames"), apng(&still, frames));
    }
    let good = apng(&still, 3);
    for (place, name) in [(45, "frames"), (49, "plays")] {
        for number in [0, 0x7fff_ffff, u32::MAX] {
            let mut file = good[..good.len()].to_vec();
            file[place - 4..place].copy_from_slice(&u32::to_be_bytes(number));
            let body = file[37..49].to_vec();
            let checksum = super::bytes::crc32(&body).to_be_bytes();
            file[49..53].copy_from_slice(&checksum);
            corpus.add("animations", format!("png-animated-{name}-{number}"), file);
        }
    }
    // Frame controls outside of the canvas.
    for side in SIDES {
        let numbers = [0, side, side, side, side].map(u32::to_be_bytes).concat();
        let control = [numbers, vec![0, 1, 0, 10, 9, 9]].concat();
        let actl = png_chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
        let before = [actl, png_chunk(*b"fcTL", &control)].concat();
        corpus.add("animations", format!("png-frame-of-{side}"), Png { before, ..Png::of(8, 6) }.file());
    }
    let canvas = Png { before: Vec::new(), ..zeros(7000, 7000, 8, 6) };
    corpus.add("animations", "png-animated-7000x7000-20-frames", apng(&canvas, 20));
}
