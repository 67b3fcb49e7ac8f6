//! Hostile JPEG files.

use super::Corpus;
use super::bytes::jpeg_segment;
use super::samples::{icc_profile, sample};

pub(crate) fn hostile(corpus: &mut Corpus) {
    frames(corpus);
    samplings(corpus);
    scans(corpus);
    tables(corpus);
    restarts(corpus);
    segments(corpus);
}

/// Where the frame header's marker is.
fn frame_at(file: &[u8]) -> usize {
    segment_at(file, |marker| matches!(marker, 0xc0..=0xc2))
}

/// Where the first segment with such a marker is.
fn segment_at(file: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    let mut at = 2;
    while !wanted(file[at + 1]) {
        at += 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
    }
    at
}

/// The same file with another size in its frame header.
pub(crate) fn with_size(file: &[u8], width: u16, height: u16) -> Vec<u8> {
    let at = frame_at(file);
    let mut file = file.to_vec();
    file[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    file[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    file
}

/// The same file with other bytes from a place on.
fn with_bytes(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// The same file with a segment before that of the frame.
fn with_segment(file: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let at = frame_at(file);
    [&file[..at], &jpeg_segment(marker, body), &file[at..]].concat()
}

/// The segments of the first scan's header, and where its data begin and the last two bytes.
fn scan_at(file: &[u8]) -> (usize, usize) {
    let at = segment_at(file, |marker| marker == 0xda);
    (at, at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]])))
}

fn frames(corpus: &mut Corpus) {
    for name in
        ["jpeg-420", "jpeg-gray", "jpeg-progressive", "jpeg-cmyk", "jpeg-ycck-progressive", "jpeg-several-scans"]
    {
        let good = sample(name);
        for (width, height) in
            [(16_000, 16_000), (65_500, 65_500), (65_535, 65_535), (65_500, 1000), (1000, 65_500), (7000, 7200)]
        {
            corpus.add_refused(
                "jpeg: sizes",
                format!("{name}-claims-{width}x{height}"),
                with_size(&good, width, height),
            );
        }
        for (width, height) in
            [(0, 0), (0, 27), (40, 0), (1, 1), (41, 28), (48, 32), (500, 500), (7000, 7000), (65_535, 1), (1, 65_535)]
        {
            corpus.add("jpeg: sizes", format!("{name}-claims-{width}x{height}"), with_size(&good, width, height));
            // With enough data that it could be true.
            let (_, data_at) = scan_at(&good);
            let filler = vec![0x5a; 60_000];
            let padded = [&good[..data_at], &filler, &good[data_at..]].concat();
            let name = format!("{name}-claims-{width}x{height}-with-data");
            corpus.add("jpeg: sizes", name, with_size(&padded, width, height));
        }
        let at = frame_at(&good);
        for marker in 0xc0..=0xcf_u8 {
            corpus.add("jpeg: frames", format!("{name}-marker-{marker:02x}"), with_bytes(&good, at + 1, &[marker]));
        }
        for bits in [0, 1, 7, 9, 12, 16, 255] {
            corpus.add("jpeg: frames", format!("{name}-of-{bits}-bits"), with_bytes(&good, at + 4, &[bits]));
        }
        for count in [0, 1, 2, 3, 4, 5, 255] {
            corpus.add("jpeg: frames", format!("{name}-of-{count}-components"), with_bytes(&good, at + 9, &[count]));
        }
        for table in [1, 3, 4, 255] {
            corpus.add("jpeg: frames", format!("{name}-table-{table}"), with_bytes(&good, at + 12, &[table]));
        }
        let length = usize::from(u16::from_be_bytes([good[at + 2], good[at + 3]])) + 2;
        let frame = good[at..at + length].to_vec();
        corpus.add("jpeg: frames", format!("{name}-two-frames"), [&good[..at], &frame, &good[at..]].concat());
        corpus.add("jpeg: frames", format!("{name}-no-frame"), [&good[..at], &good[at + length..]].concat());
        let (scan, _) = scan_at(&good);
        let late = [&good[..at], &good[at + length..scan + 10], &frame, &good[scan + 10..]].concat();
        corpus.add("jpeg: frames", format!("{name}-frame-within-its-scan"), late);
        // The number of lines follows the first scan.
        let (_, data_at) = scan_at(&good);
        let mut lines = with_size(&good, 40, 0);
        let end = lines.split_off(lines.len() - 2);
        let lines = [lines, jpeg_segment(0xdc, &[0, 27]), end].concat();
        corpus.add("jpeg: frames", format!("{name}-height-after-the-scan"), lines);
        let early = [&good[..data_at], &jpeg_segment(0xdc, &[0xff, 0xff]), &good[data_at..]].concat();
        corpus.add("jpeg: frames", format!("{name}-height-within-the-scan"), early);
        corpus.add("jpeg: frames", format!("{name}-twice"), good.repeat(2));
        corpus.add("jpeg: frames", format!("{name}-same-ids"), {
            let mut file = good.clone();
            for component in 0..(length - 10) / 3 {
                file[at + 10 + component * 3] = 1;
            }
            file
        });
    }
}

/// Sampling factors: all of two components' combinations over the data of another sampling, and the impossible ones.
fn samplings(corpus: &mut Corpus) {
    let factors: Vec<u8> = (1..=4).flat_map(|across| (1..=4).map(move |down| across << 4 | down)).collect();
    for name in ["jpeg-444", "jpeg-progressive"] {
        let good = sample(name);
        let at = frame_at(&good) + 11;
        for first in &factors {
            for second in &factors {
                let mut file = good.clone();
                (file[at], file[at + 3], file[at + 6]) = (*first, *second, *second);
                corpus.add("jpeg: samplings", format!("{name}-sampling-{first:02x}-{second:02x}-{second:02x}"), file);
            }
            let mut file = good.clone();
            (file[at], file[at + 3], file[at + 6]) = (0x11, *first, 0x22);
            corpus.add("jpeg: samplings", format!("{name}-sampling-11-{first:02x}-22"), file);
        }
        for factor in [0x00, 0x01, 0x10, 0x15, 0x51, 0xff] {
            let file = with_bytes(&good, at, &[factor]);
            corpus.add("jpeg: samplings", format!("{name}-sampling-{factor:02x}-11-11"), file);
        }
    }
    let gray = sample("jpeg-gray");
    let at = frame_at(&gray) + 11;
    for factor in &factors {
        corpus.add("jpeg: samplings", format!("jpeg-gray-sampling-{factor:02x}"), with_bytes(&gray, at, &[*factor]));
    }
}

fn scans(corpus: &mut Corpus) {
    for name in ["jpeg-progressive", "jpeg-progressive-420", "jpeg-several-scans", "jpeg-420"] {
        let good = sample(name);
        let (scan, data_at) = scan_at(&good);
        let (header, data) = (&good[scan..data_at], &good[data_at..]);
        for count in [99, 100, 101, 5000] {
            let empty = header.repeat(count);
            let file = [&good[..scan], &empty, header, data].concat();
            corpus.add("jpeg: scans", format!("{name}-{count}-empty-scans"), file);
        }
        // Large, so that every scan costs a pass over it, and with data enough to be believed.
        let filler = vec![0; 300_000];
        for count in [1, 50, 99] {
            let huge = [&good[..scan], &header.repeat(count), header, &filler, b"\xff\xd9"].concat();
            let name = format!("{name}-{count}-empty-scans-of-36-megapixels");
            corpus.add("jpeg: scans", name, with_size(&huge, 6000, 6000));
        }
        let tail = header.len() - 3;
        for (first, last, bits) in [
            (0, 63, 0),
            (0, 0, 0x10),
            (1, 63, 0x10),
            (63, 1, 0),
            (64, 64, 0),
            (0, 255, 0),
            (1, 1, 0xdd),
            (0, 0, 0x0e),
            (0, 0, 0xff),
            (5, 5, 0x21),
            (1, 63, 0x01),
        ] {
            let mut bent = header.to_vec();
            bent[tail..].copy_from_slice(&[first, last, bits]);
            let file = [&good[..scan], &bent, data].concat();
            corpus.add("jpeg: scans", format!("{name}-first-scan-{first}-{last}-{bits:02x}"), file);
            let again = [&good[..scan], header, &data[..data.len() - 2], &bent, data].concat();
            corpus.add("jpeg: scans", format!("{name}-further-scan-{first}-{last}-{bits:02x}"), again);
        }
        for components in [0, 1, 2, 4, 5, 255] {
            let file = with_bytes(&good, scan + 4, &[components]);
            corpus.add("jpeg: scans", format!("{name}-scan-of-{components}-components"), file);
        }
        for id in [0, 9, 255] {
            corpus.add("jpeg: scans", format!("{name}-scan-of-component-{id}"), with_bytes(&good, scan + 5, &[id]));
        }
        for tables in [0x22, 0x33, 0x44, 0xff, 0x01, 0x10] {
            let file = with_bytes(&good, scan + 6, &[tables]);
            corpus.add("jpeg: scans", format!("{name}-scan-with-tables-{tables:02x}"), file);
        }
        let starts: Vec<usize> = (scan..good.len() - 1).filter(|at| good[*at..*at + 2] == [0xff, 0xda]).collect();
        for (number, start) in starts.iter().enumerate() {
            let end = starts.get(number + 1).copied().unwrap_or(good.len() - 2);
            let without = [&good[..*start], &good[end..]].concat();
            corpus.add("jpeg: scans", format!("{name}-without-scan-{number}"), without);
            let twice = [&good[..end], &good[*start..]].concat();
            corpus.add("jpeg: scans", format!("{name}-scan-{number}-twice"), twice);
            let first = [&good[..scan], &good[*start..end], &good[scan..]].concat();
            corpus.add("jpeg: scans", format!("{name}-scan-{number}-first"), first);
        }
    }
}

fn tables(corpus: &mut Corpus) {
    let tricks: [(&str, u8, Vec<u8>); 18] = [
        ("dht-empty", 0xc4, vec![]),
        ("dht-cut", 0xc4, vec![0, 1, 2, 3]),
        ("dht-no-codes", 0xc4, [vec![0x00], vec![0; 16]].concat()),
        ("dht-too-many-codes", 0xc4, [vec![0x00], vec![255; 16], vec![0; 4080]].concat()),
        ("dht-257-codes", 0xc4, [vec![0x00], vec![0; 14], vec![255, 2], vec![0; 257]].concat()),
        ("dht-256-codes-of-8-bits", 0xc4, [vec![0x10], vec![0; 7], vec![255], vec![0; 8], (0..255).collect()].concat()),
        ("dht-3-codes-of-1-bit", 0xc4, [vec![0x00, 3], vec![0; 15], vec![1, 2, 3]].concat()),
        ("dht-2-codes-of-1-bit", 0xc4, [vec![0x00, 2], vec![0; 15], vec![1, 2]].concat()),
        ("dht-overfull", 0xc4, [vec![0x10, 1, 3, 5, 9], vec![0; 12], vec![7; 18]].concat()),
        ("dht-all-symbols-ff", 0xc4, [vec![0x10], vec![0; 8], vec![200], vec![0; 7], vec![0xff; 200]].concat()),
        ("dht-dc-of-16-bits", 0xc4, [vec![0x00, 1], vec![0; 15], vec![16]].concat()),
        ("dht-ac-runs-of-15-zeros", 0xc4, [vec![0x10, 1], vec![0; 15], vec![0xf0]].concat()),
        ("dht-class-2", 0xc4, [vec![0x20], vec![0; 16]].concat()),
        ("dht-number-4", 0xc4, [vec![0x04], vec![0; 16]].concat()),
        ("dqt-empty", 0xdb, vec![]),
        ("dqt-zeros", 0xdb, vec![0; 65]),
        ("dqt-of-16-bits-all-65535", 0xdb, [vec![0x10], vec![0xff; 128]].concat()),
        ("dqt-cut", 0xdb, vec![0; 40]),
    ];
    for name in ["jpeg-420", "jpeg-progressive", "jpeg-gray"] {
        let good = sample(name);
        for (trick, marker, body) in &tricks {
            corpus.add("jpeg: tables", format!("{name}-{trick}"), with_segment(&good, *marker, body));
            // Right before the scan, so that nothing comes after it to put it right.
            let (scan, _) = scan_at(&good);
            let last = [&good[..scan], &jpeg_segment(*marker, body), &good[scan..]].concat();
            corpus.add("jpeg: tables", format!("{name}-{trick}-last"), last);
        }
        for marker in [0xc4, 0xdb] {
            let at = segment_at(&good, |found| found == marker);
            let length = usize::from(u16::from_be_bytes([good[at + 2], good[at + 3]])) + 2;
            let without = [&good[..at], &good[at + length..]].concat();
            corpus.add("jpeg: tables", format!("{name}-without-first-{marker:02x}"), without);
        }
        let table = jpeg_segment(0xdb, &[1; 65]);
        let (scan, _) = scan_at(&good);
        let many = [&good[..scan], &table.repeat(20_000), &good[scan..]].concat();
        corpus.add("jpeg: tables", format!("{name}-20000-tables"), many);
        let (_, data_at) = scan_at(&good);
        for byte in [0x00, 0x55, 0xaa, 0xfe] {
            let data = vec![byte; 5000];
            let file = [&good[..data_at], &data, b"\xff\xd9"].concat();
            corpus.add("jpeg: data", format!("{name}-data-of-{byte:02x}"), file);
        }
        corpus.add("jpeg: data", format!("{name}-data-of-stuffed-ff"), {
            [&good[..data_at], &[0xff, 0x00].repeat(3000), b"\xff\xd9"].concat()
        });
        corpus.add("jpeg: data", format!("{name}-data-of-nothing"), [&good[..data_at], b"\xff\xd9"].concat());
        let fill = [&good[..data_at], &vec![0xff; 100_000], &good[data_at..]].concat();
        corpus.add("jpeg: data", format!("{name}-data-after-100000-fill-bytes"), fill);
    }
}

fn restarts(corpus: &mut Corpus) {
    for name in ["jpeg-restarts", "jpeg-420", "jpeg-progressive-420"] {
        let good = sample(name);
        for interval in [0_u16, 1, 2, 3, 5, 6, 7, 100, u16::MAX] {
            let file = match good.windows(4).position(|window| window == [0xff, 0xdd, 0, 4]) {
                Some(at) => with_bytes(&good, at + 4, &interval.to_be_bytes()),
                None => with_segment(&good, 0xdd, &interval.to_be_bytes()),
            };
            corpus.add("jpeg: restarts", format!("{name}-interval-{interval}"), file);
        }
        for length in [0, 1, 3] {
            let file = with_segment(&good, 0xdd, &vec![0; length]);
            corpus.add("jpeg: restarts", format!("{name}-interval-of-{length}-bytes"), file);
        }
        let (_, data_at) = scan_at(&good);
        for marker in 0xd0..=0xd7 {
            let early = [&good[..data_at], &[0xff, marker], &good[data_at..]].concat();
            corpus.add("jpeg: restarts", format!("{name}-marker-{marker:02x}-first"), early);
        }
        let flood = [&good[..data_at], &[0xff, 0xd0].repeat(50_000), &good[data_at..]].concat();
        corpus.add("jpeg: restarts", format!("{name}-50000-markers"), flood);
        let swapped: Vec<u8> = good.iter().map(|byte| if *byte == 0xd0 { 0xd5 } else { *byte }).collect();
        corpus.add("jpeg: restarts", format!("{name}-out-of-order"), swapped);
    }
}

fn segments(corpus: &mut Corpus) {
    let good = sample("jpeg-420");
    let mut add = |name: &str, file: Vec<u8>| corpus.add("jpeg: segments", format!("jpeg-{name}"), file);
    for (name, block) in super::exif::blocks() {
        add(
            &format!("exif-{name}"),
            with_segment(&good, 0xe1, &[b"Exif\0\0".as_slice(), &block[..block.len().min(60_000)]].concat()),
        );
    }
    let profile = |number: u8, count: u8, body: &[u8]| {
        jpeg_segment(0xe2, &[b"ICC_PROFILE\0", [number, count].as_slice(), body].concat())
    };
    let full = vec![0xab; 65_500];
    let parts: Vec<u8> = (1..=255).flat_map(|number| profile(number, 255, &full)).collect();
    add("profile-of-16-mb", [&good[..2], &parts, &good[2..]].concat());
    for (number, count) in [(0, 0), (0, 1), (1, 0), (2, 1), (255, 255), (1, 255)] {
        let part = profile(number, count, &icc_profile());
        add(&format!("profile-part-{number}-of-{count}"), [&good[..2], &part, &good[2..]].concat());
        add(&format!("profile-part-{number}-of-{count}-twice"), [&good[..2], &part, &part, &good[2..]].concat());
    }
    for marker in 0..=255_u8 {
        if !(0xc0..=0xcf).contains(&marker) && marker.is_multiple_of(4) {
            add(&format!("segment-{marker:02x}"), with_segment(&good, marker, b"some text"));
        }
    }
    for length in [0_u16, 1, 2, 7, 100, u16::MAX] {
        for marker in [0xe0, 0xdb, 0xc4, 0xda, 0xc0] {
            let at = segment_at(&good, |found| found == marker);
            add(&format!("length-{length}-of-{marker:02x}"), with_bytes(&good, at + 2, &length.to_be_bytes()));
        }
    }
    add("comments-of-30-mb", [&good[..2], &jpeg_segment(0xfe, &vec![b'x'; 65_000]).repeat(460), &good[2..]].concat());
    add("500000-comments", [&good[..2], &jpeg_segment(0xfe, &[]).repeat(500_000), &good[2..]].concat());
    for transform in [0, 1, 2, 3, 255] {
        let body = [b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
        add(&format!("adobe-transform-{transform}"), with_segment(&good, 0xee, &body));
        add(&format!("cmyk-adobe-transform-{transform}"), with_segment(&sample("jpeg-cmyk"), 0xee, &body));
    }
    add("start-only", b"\xff\xd8\xff".to_vec());
    add("start-and-end", b"\xff\xd8\xff\xd9".to_vec());
    add("start-20000-times", [&[0xff, 0xd8].repeat(20_000), good.as_slice()].concat());
    add("no-end", good[..good.len() - 2].to_vec());
    add("end-20000-times", [good.as_slice(), &[0xff, 0xd9].repeat(20_000)].concat());
    add("20-mb-after-its-end", [good.as_slice(), &vec![0; 20 << 20]].concat());
    add("ff-2-mb", [b"\xff\xd8".as_slice(), &vec![0xff; 2 << 20]].concat());
    add("thumbnail-within", with_segment(&good, 0xe1, &[b"Exif\0\0".as_slice(), &good].concat()));
}
