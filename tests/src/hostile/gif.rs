//! Hostile GIF files.

use super::bytes::{gif_blocks, gif_data};
use super::samples::{gif_file, gif_frame, sample};
use super::{Corpus, SIDES};

pub(crate) fn hostile(corpus: &mut Corpus) {
    sizes(corpus);
    bombs(corpus);
    data(corpus);
    blocks(corpus);
}

/// A frame of one pixel.
fn dot(at: (u16, u16)) -> Vec<u8> {
    gif_frame(at, (1, 1), 0, &gif_data(&[1], 2))
}

fn sizes(corpus: &mut Corpus) {
    let whole = gif_data(&[2; 40 * 27], 2);
    for side in SIDES.iter().filter_map(|side| u16::try_from(*side).ok()).chain([16_383, 50_000, 65_534]) {
        for (name, screen, frame) in [
            ("screen-width", (side, 27), (40, 27)),
            ("screen-height", (40, side), (40, 27)),
            ("screen", (side, side), (40, 27)),
            ("frame-width", (40, 27), (side, 27)),
            ("frame-height", (40, 27), (40, side)),
            ("frame", (40, 27), (side, side)),
            ("both", (side, side), (side, side)),
        ] {
            let file = gif_file(screen, &gif_frame((0, 0), frame, 0, &whole));
            corpus.add("gif: sizes", format!("gif-{name}-{side}"), file);
        }
        for at in [(side, 0), (0, side), (side, side)] {
            let file = gif_file((40, 27), &gif_frame(at, (40, 27), 0, &whole));
            corpus.add("gif: sizes", format!("gif-frame-at-{}-{}", at.0, at.1), file);
            let file = gif_file((7000, 7000), &gif_frame(at, (40, 27), 0, &whole));
            corpus.add("gif: sizes", format!("gif-frame-at-{}-{}-of-7000x7000", at.0, at.1), file);
        }
    }
    for side in [60_000_u16, 65_535] {
        let tiny = gif_file((side, side), &dot((0, 0)));
        corpus.add_refused("gif: bombs", format!("gif-of-{}-bytes-claims-{side}x{side}", tiny.len()), tiny);
    }
}

fn bombs(corpus: &mut Corpus) {
    // The canvas is as large as is accepted, whatever the frame is.
    corpus.add("gif: bombs", "gif-one-pixel-on-7000x7000", gif_file((7000, 7000), &dot((6999, 6999))));
    for (width, height) in [(7000_u16, 7000_u16), (65_535, 762), (762, 65_535)] {
        let zeros = gif_data(&vec![0; usize::from(width) * usize::from(height)], 2);
        for flags in [0, 0x40] {
            let file = gif_file((width, height), &gif_frame((0, 0), (width, height), flags, &zeros));
            let interlaced = if flags == 0 { "" } else { "-interlaced" };
            corpus.add("gif: bombs", format!("gif-zeros-{width}x{height}{interlaced}"), file);
        }
        let file = gif_file((1, 1), &gif_frame((0, 0), (width, height), 0, &zeros));
        corpus.add("gif: bombs", format!("gif-frame-of-{width}x{height}-on-one-pixel"), file);
    }
    let more = gif_data(&vec![0; 50_000_000], 2);
    corpus.add(
        "gif: bombs",
        "gif-40x27-over-50-million-pixels",
        gif_file((40, 27), &gif_frame((0, 0), (40, 27), 0, &more)),
    );
    for code_bits in 0..=13 {
        let mut zeros = gif_data(&[0; 1000], 2);
        zeros[0] = code_bits;
        let file = gif_file((40, 25), &gif_frame((0, 0), (40, 25), 0, &zeros));
        corpus.add("gif: data", format!("gif-codes-of-{code_bits}-bits"), file);
    }
}

fn data(corpus: &mut Corpus) {
    let tricks: [(&str, Vec<u8>); 9] = [
        ("nothing", vec![2, 0]),
        ("no-blocks-end", vec![2, 5, 1, 2, 3]),
        ("clears-only", [vec![2], gif_blocks(&[0x24, 0x49, 0x92].repeat(20_000))].concat()),
        ("ends-only", [vec![2], gif_blocks(&[0x6d, 0xdb, 0xb6].repeat(20_000))].concat()),
        ("no-clear-first", [vec![2], gif_blocks(&[0; 100])].concat()),
        ("codes-not-yet-known", [vec![2], gif_blocks(&[0xff; 1000])].concat()),
        ("end-too-early", [vec![2], gif_blocks(&[0x2c])].concat()),
        ("blocks-of-one-byte", {
            let whole = gif_data(&[1; 40 * 27], 2);
            let data: Vec<u8> = whole[2..].iter().flat_map(|byte| [1, *byte]).collect();
            [vec![2], data, vec![0]].concat()
        }),
        ("indices-beyond-the-palette", gif_data(&[255; 40 * 27], 8)),
    ];
    for (name, data) in tricks {
        corpus.add("gif: data", format!("gif-data-{name}"), gif_file((40, 27), &gif_frame((0, 0), (40, 27), 0, &data)));
        let huge = gif_file((7000, 7000), &gif_frame((0, 0), (7000, 7000), 0, &data));
        corpus.add("gif: data", format!("gif-data-{name}-of-7000x7000"), huge);
    }
    for flags in 0..=255_u8 {
        if flags.is_multiple_of(5) {
            let file = gif_file((40, 27), &gif_frame((0, 0), (40, 27), flags, &gif_data(&[1; 40 * 27], 2)));
            corpus.add("gif: headers", format!("gif-frame-flags-{flags:02x}"), file);
            let mut file = sample("gif-interlaced");
            file[10] = flags;
            corpus.add("gif: headers", format!("gif-screen-flags-{flags:02x}"), file);
        }
    }
}

fn blocks(corpus: &mut Corpus) {
    let extension = |label: u8, body: &[u8]| [&[0x21, label], gif_blocks(body).as_slice()].concat();
    let mut add = |name: String, blocks: Vec<u8>| corpus.add("gif: blocks", name, gif_file((40, 27), &blocks));
    let frame = gif_frame((0, 0), (40, 27), 0, &gif_data(&[1; 40 * 27], 2));
    add("gif-no-frame".to_owned(), Vec::new());
    add("gif-unknown-block".to_owned(), vec![0x77]);
    add("gif-comment-of-10-mb".to_owned(), [extension(0xfe, &vec![b'x'; 10 << 20]), frame.clone()].concat());
    add("gif-50000-comments".to_owned(), [extension(0xfe, b"x").repeat(50_000), frame.clone()].concat());
    add("gif-xmp".to_owned(), [extension(0xff, b"XMP DataXMP<x/>"), frame.clone()].concat());
    add("gif-profile-of-10-mb".to_owned(), {
        let body = [b"ICCRGBG1012".as_slice(), &vec![0; 10 << 20]].concat();
        [extension(0xff, &body), frame.clone()].concat()
    });
    for length in [0, 1, 3, 5, 255] {
        let control = [&[0x21, 0xf9, length], vec![0xff; length.into()].as_slice(), &[0]].concat();
        add(format!("gif-control-of-{length}-bytes"), [control, frame.clone()].concat());
    }
    for frames in [2, 100, 20_000] {
        let control = extension(0xf9, &[0x0d, 0, 0, 3]);
        let all = [control, dot((5, 5))].concat().repeat(frames);
        corpus.add("animations", format!("gif-{frames}-frames"), gif_file((40, 27), &all));
        corpus.add("animations", format!("gif-{frames}-frames-on-7000x7000"), gif_file((7000, 7000), &all));
    }
    let second = [frame.clone(), gif_frame((0, 0), (65_535, 65_535), 0, &gif_data(&[1], 2))].concat();
    corpus.add("animations", "gif-second-frame-of-65535x65535", gif_file((40, 27), &second));
}
