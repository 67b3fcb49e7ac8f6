//! Files of four inks, and profiles for them that are not what they should be.

use super::Corpus;
use super::bytes::{jpeg_segment, length32};
use super::samples::{inks_profile, sample};
use super::tiff::Tiff;

pub(crate) fn hostile(corpus: &mut Corpus) {
    samplings(corpus);
    scans(corpus);
    profiles(corpus);
}

/// Every component with every other sampling, most of which the data are too short for.
fn samplings(corpus: &mut Corpus) {
    const FACTORS: [u8; 6] = [0x11, 0x21, 0x12, 0x22, 0x41, 0x33];
    for name in ["jpeg-cmyk", "jpeg-ycck-progressive"] {
        let good = sample(name);
        let at = good.windows(2).position(|pair| matches!(pair, [0xff, 0xc0 | 0xc2])).expect("it has a frame");
        for first in FACTORS {
            for others in FACTORS {
                for black in FACTORS {
                    let mut file = good.clone();
                    for (component, factors) in [first, others, others, black].into_iter().enumerate() {
                        file[at + 11 + component * 3] = factors;
                    }
                    corpus.add("jpeg: inks", format!("{name}-sampled-{first:x}-{others:x}-{black:x}"), file);
                }
            }
        }
    }
}

/// Scans that name a component twice, in another order, or not at all.
fn scans(corpus: &mut Corpus) {
    for name in ["jpeg-cmyk", "jpeg-ycck-progressive", "jpeg-cmyk-several-scans"] {
        let good = sample(name);
        let at = good.windows(2).position(|pair| pair == [0xff, 0xda]).expect("it has a scan");
        for place in 0..4 {
            for id in [0, 1, 2, 3, 4, 5, 255] {
                let mut file = good.clone();
                file[at + 5 + place * 2] = id;
                corpus.add("jpeg: inks", format!("{name}-scan-{place}-of-component-{id}"), file);
            }
        }
    }
}

/// With a profile, in a JPEG and in a TIFF.
fn with_profile(profile: &[u8]) -> [(&'static str, Vec<u8>); 2] {
    let jpeg = sample("jpeg-cmyk");
    let parts = profile.chunks(60_000).zip(1..).map(|(part, number)| {
        let count = u8::try_from(profile.len().div_ceil(60_000)).expect("it is not that long");
        jpeg_segment(0xe2, &[b"ICC_PROFILE\0", [number, count].as_slice(), part].concat())
    });
    let parts: Vec<u8> = parts.flatten().collect();
    [("jpeg", [&jpeg[..2], &parts, &jpeg[2..]].concat()), ("tiff", tiff(profile))]
}

pub(super) fn tiff(profile: &[u8]) -> Vec<u8> {
    let mut inks = Tiff::of(40, 27, 4, 8).with(super::tiff::PHOTOMETRIC, super::tiff::SHORT, &[5]);
    inks.remove(super::tiff::EXTRA_SAMPLES);
    let at = super::tiff::DATA_AT + length32(inks.data.len());
    inks.data.extend(profile);
    inks.with_raw(super::tiff::ICC, 7, length32(profile.len()), at).file()
}

fn profiles(corpus: &mut Corpus) {
    let good = inks_profile();
    let table = good.windows(4).rposition(|kind| kind == b"mft2").expect("it has a table");
    let mut add = |name: String, profile: &[u8]| {
        for (format, file) in with_profile(profile) {
            corpus.add("profiles of inks", format!("{format}-{name}"), file);
        }
    };
    let with = |changes: &[(usize, u8)]| {
        let mut profile = good.clone();
        for (at, value) in changes {
            profile[*at] = *value;
        }
        profile
    };
    for inputs in [0, 1, 3, 4, 5, 15, 16, 255] {
        for outputs in [0, 1, 3, 4, 255] {
            for nodes in [0, 1, 2, 17, 255] {
                let name = format!("table-of-{inputs}-inputs-{outputs}-outputs-{nodes}-nodes");
                add(name, &with(&[(table + 8, inputs), (table + 9, outputs), (table + 10, nodes)]));
            }
        }
    }
    for (place, what) in [(48, "input"), (50, "output")] {
        for count in [0_u16, 1, 3, 4096, 65_535] {
            let [high, low] = count.to_be_bytes();
            add(format!("{what}-curves-of-{count}"), &with(&[(table + place, high), (table + place + 1, low)]));
        }
    }
    for (place, names) in [
        (16, [b"CMYK", b"RGB ", b"GRAY", b"4CLR", b"nope"]),
        (20, [b"Lab ", b"XYZ ", b"CMYK", b"RGB ", b"nope"]),
        (12, [b"prtr", b"link", b"abst", b"nmcl", b"nope"]),
        (table, [b"mft1", b"mft2", b"mAB ", b"mBA ", b"nope"]),
    ] {
        for name in names {
            let mut profile = good.clone();
            profile[place..place + 4].copy_from_slice(name);
            add(format!("{}-at-{place}", String::from_utf8_lossy(name).trim()), &profile);
        }
    }
    for part in 0..16 {
        add(format!("first-{part}-of-16"), &good[..good.len() * part / 16]);
    }
    add("of-3-mb".to_owned(), &[good.as_slice(), &vec![0; 3 << 20]].concat());
    // As many nodes as four bytes of samples for each fit into what a profile may have.
    let nodes: u8 = 26;
    let mut large = with(&[(table + 10, nodes)]);
    large.truncate(table + 52 + 4 * 2 * 2);
    large.resize(large.len() + usize::from(nodes).pow(4) * 3 * 2 + 3 * 2 * 2, 0x5a);
    let length = length32(large.len() - table).to_be_bytes();
    let entry = good.windows(4).position(|name| name == b"A2B0").expect("it has a table");
    large[entry + 8..entry + 12].copy_from_slice(&length);
    let whole = length32(large.len()).to_be_bytes();
    large[..4].copy_from_slice(&whole);
    add(format!("of-{nodes}-nodes"), &large);
}
