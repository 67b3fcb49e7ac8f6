//! What is done to files of every format: torn, mixed with others, followed by others, misnamed.

use super::Corpus;
use super::bytes::{crc32, jpeg_segment, length16, length32, png_chunk};
use super::samples::{sample, samples};

/// One good file of each kind of coding.
const TORN: [&str; 27] = [
    "jpeg-420",
    "jpeg-progressive-420",
    "jpeg-several-scans",
    "jpeg-cmyk",
    "jpeg-cmyk-icc",
    "jpeg-ycck-progressive",
    "png-rgba-8",
    "png-interlaced",
    "png-palette-4",
    "webp-lossy",
    "webp-lossy-alpha",
    "webp-lossless-alpha",
    "webp-animated",
    "gif-animated",
    "gif-interlaced",
    "tiff-rgb",
    "tiff-tiles",
    "tiff-tiles-of-planes",
    "tiff-cmyk-icc",
    "tiff-palette",
    "tiff-fax",
    "tiff-lzw",
    "bmp-24",
    "bmp-rle8",
    "heic-plain",
    "heic-grid-irot-90",
    "heic-alpha",
];

pub(crate) fn hostile(corpus: &mut Corpus) {
    torn(corpus);
    polyglots(corpus);
    other_formats(corpus);
}

fn torn(corpus: &mut Corpus) {
    for name in TORN {
        let good = sample(name);
        for part in 0..64 {
            let end = good.len() * part / 64;
            corpus.add("torn", format!("{name}-first-{part}-of-64"), good[..end].to_vec());
        }
        for missing in [1, 2, 3, 8] {
            corpus.add("torn", format!("{name}-without-its-last-{missing}"), good[..good.len() - missing].to_vec());
        }
        let mut zeros = good.clone();
        zeros[good.len() / 2..].fill(0);
        corpus.add("torn", format!("{name}-second-half-zeros"), zeros);
        let gap = [&good[..good.len() / 3], &good[good.len() / 2..]].concat();
        corpus.add("torn", format!("{name}-with-a-gap"), gap);
        let doubled = [&good[..good.len() / 2], good.as_slice()].concat();
        corpus.add("torn", format!("{name}-first-half-twice"), doubled);
    }
}

/// A ZIP archive of one empty file.
fn zip() -> Vec<u8> {
    let name = b"a.txt";
    let fixed = [0x14, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    let sums = [crc32(b"").to_le_bytes(), [0; 4], [0; 4]].concat();
    let length = length16(name.len()).to_le_bytes();
    let local = [b"PK\x03\x04".as_slice(), &fixed, &sums, &length, &[0, 0], name].concat();
    let central = [b"PK\x01\x02".as_slice(), &[0x14, 0], &fixed, &sums, &length, &[0; 16], name].concat();
    let sizes = [length32(central.len()).to_le_bytes(), length32(local.len()).to_le_bytes()].concat();
    let end = [b"PK\x05\x06".as_slice(), &[0, 0, 0, 0, 1, 0, 1, 0], &sizes, &[0, 0]].concat();
    [local, central, end].concat()
}

fn polyglots(corpus: &mut Corpus) {
    let tails: [(&str, Vec<u8>); 5] = [
        ("zip", zip()),
        ("script", b"\n*/=1;fetch('//localhost/');//".to_vec()),
        ("html", b"<html><script>alert(1)</script>".to_vec()),
        ("pdf", b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF".to_vec()),
        ("elf", [b"\x7fELF".as_slice(), &[0; 100]].concat()),
    ];
    for sample in samples() {
        for (tail, bytes) in &tails {
            corpus.add("polyglots", format!("{}-then-{tail}", sample.name), [sample.bytes.as_slice(), bytes].concat());
        }
    }
    for first in ["jpeg-420", "png-rgb-8", "webp-lossy", "gif-still", "tiff-rgb", "bmp-24", "heic-plain"] {
        for second in ["jpeg-420", "png-rgb-8", "webp-lossy", "gif-still", "tiff-rgb", "bmp-24", "heic-plain"] {
            let both = [sample(first), sample(second)].concat();
            corpus.add("polyglots", format!("{first}-then-{second}"), both);
            let mut swapped = sample(second);
            let head = &sample(first)[..12];
            swapped[..12].copy_from_slice(head);
            corpus.add("polyglots", format!("{second}-that-begins-as-{first}"), swapped);
        }
    }
    // GIF and script in one: the size of the screen opens a comment.
    let mut script = sample("gif-still");
    script[6..10].copy_from_slice(b"/*\0\0");
    corpus.add("polyglots", "gif-and-script", [script, b"*/=1;alert(1)".to_vec()].concat());
    let png = sample("png-rgb-8");
    let jpeg = sample("jpeg-420");
    let png_inside = [&jpeg[..2], &jpeg_segment(0xfe, &png), &jpeg[2..]].concat();
    corpus.add("polyglots", "png-within-jpeg", png_inside);
    let jpeg_inside = [&png[..33], &png_chunk(*b"jpEg", &jpeg), &png[33..]].concat();
    corpus.add("polyglots", "jpeg-within-png", jpeg_inside);
    let archive_inside = [&png[..33], &png_chunk(*b"zIPx", &zip()), &png[33..]].concat();
    corpus.add("polyglots", "zip-within-png", archive_inside);
    for sample in samples() {
        for before in [1, 4, 1000] {
            let name = format!("{}-after-{before}-zeros", sample.name);
            corpus.add_refused("polyglots", name, [vec![0; before], sample.bytes.clone()].concat());
        }
    }
}

fn other_formats(corpus: &mut Corpus) {
    let heads: [(&str, &[u8]); 14] = [
        ("nothing", b""),
        ("one-byte", b"\xff"),
        ("avif", b"\0\0\0\x1cftypavif\0\0\0\0"),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
        ("xml-entities", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'cc'>]><a>&b;</a>"),
        ("postscript", b"%!PS-Adobe-3.0\n(%pipe%id) (r) file"),
        ("imagemagick-script", b"push graphic-context\nviewbox 0 0 1 1\nfill 'url(https://localhost/)'"),
        ("exr", b"v/1\x01\x02\0\0\0"),
        ("icon", b"\0\0\x01\0\x01\0"),
        ("big-tiff", b"II+\0\x08\0\0\0"),
        ("jpeg-2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("text", b"hello"),
        ("wave", b"RIFF\x24\0\0\0WAVEfmt "),
    ];
    for (name, head) in heads {
        corpus.add_refused("other formats", name, head.to_vec());
        corpus.add_refused("other formats", format!("{name}-and-a-megabyte"), [head, &vec![0; 1 << 20]].concat());
    }
}
