//! What a source says of itself, in the outputs that keep it.

use std::io::Cursor;

use image::ImageDecoder;

use super::*;
use crate::options::{Blur, Metadata, Rotation};

const PACKET: &str = "<x:xmpmeta><a dc:rights='(c) Me' tiff:Orientation=\"6\" exif:GPSLatitude='SECRET'/></x:xmpmeta>";
const KEPT_PACKET: &str = "<x:xmpmeta><a dc:rights='(c) Me' tiff:Orientation=\"1\"/></x:xmpmeta>";

/// A block with an orientation, a copyright and a place, in big-endian order.
fn exif_block() -> Vec<u8> {
    let mut block = b"MM\0*\0\0\0\x08\0\x03".to_vec();
    block.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    block.extend(b"\x82\x98\0\x02\0\0\0\x0a\0\0\0\x32");
    block.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x3c");
    block.extend(b"\0\0\0\0(c) Me 26\0");
    block.extend(b"\0\x01\0\x1d\0\x02\0\0\0\x07\0\0\0\x4e\0\0\0\0SECRET\0");
    block
}

/// What is left of it: an orientation that says upright and the copyright.
fn kept_exif() -> Vec<u8> {
    let mut block = b"MM\0*\0\0\0\x08\0\x02".to_vec();
    block.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x01\0\0");
    block.extend(b"\x82\x98\0\x02\0\0\0\x0a\0\0\0\x26");
    block.extend(b"\0\0\0\0(c) Me 26\0");
    block
}

/// Files that say all of it, lying on their side.
fn sources() -> Vec<(InputFormat, Vec<u8>)> {
    let picture = samples::stored(&slopes(60, 40), 6);
    let jpeg = samples::file(&picture, InputFormat::Jpeg);
    let jpeg =
        samples::with_jpeg_segment(&jpeg, 0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", PACKET.as_bytes()].concat());
    let jpeg = samples::with_jpeg_segment(&jpeg, 0xe1, &[b"Exif\0\0", exif_block().as_slice()].concat());
    let png = samples::file(&picture, InputFormat::Png);
    let png = samples::with_png_chunk(&png, *b"eXIf", &exif_block());
    let text = |head: &[u8], text: &[u8]| [b"XML:com.adobe.xmp\0", head, b"\0\0", text].concat();
    let deflated = {
        use std::io::Write as _;
        let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        deflated.write_all(PACKET.as_bytes()).unwrap();
        deflated.finish().unwrap()
    };
    let plain = samples::with_png_chunk(&png, *b"iTXt", &text(&[0, 0], PACKET.as_bytes()));
    let packed = samples::with_png_chunk(&png, *b"iTXt", &text(&[1, 0], &deflated));
    let simple = samples::lossy_webp(&picture);
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    let header = [vec![0x0c, 0, 0, 0], side(picture.width()), side(picture.height())].concat();
    let webp = samples::riff(
        &[
            samples::webp_chunk(*b"VP8X", &header),
            simple[12..].to_vec(),
            samples::webp_chunk(*b"EXIF", &exif_block()),
            samples::webp_chunk(*b"XMP ", PACKET.as_bytes()),
        ]
        .concat(),
    );
    vec![(InputFormat::Jpeg, jpeg), (InputFormat::Png, plain), (InputFormat::Png, packed), (InputFormat::Webp, webp)]
}

/// EXIF and XMP of an output, as `image` reads them.
fn carried(output: &Encoded) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let bytes = Cursor::new(output.bytes.as_slice());
    let mut decoder: Box<dyn ImageDecoder> = match output.format {
        EncodedFormat::Jpeg => Box::new(image::codecs::jpeg::JpegDecoder::new(bytes).unwrap()),
        EncodedFormat::Png => Box::new(image::codecs::png::PngDecoder::new(bytes).unwrap()),
        EncodedFormat::Webp => Box::new(image::codecs::webp::WebPDecoder::new(bytes).unwrap()),
        EncodedFormat::Avif => unreachable!("no output here is AVIF"),
    };
    (decoder.exif_metadata().unwrap(), decoder.xmp_metadata().unwrap())
}

#[test]
fn exif_and_xmp_go_along_without_the_place() {
    for (from, bytes) in sources() {
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
            for edits in [
                Rendition::default(),
                Rendition { lossless: true, ..Rendition::default() },
                Rendition {
                    blur: Some(Blur::Mild),
                    rotate: Rotation::Quarter,
                    grayscale: true,
                    ..Rendition::default()
                },
                Rendition { height: Some(9), progressive: Some(true), ..Rendition::default() },
            ] {
                let asked = Rendition { metadata: Metadata::Keep, width: Some(20), format, ..edits };
                let output = one(&bytes, asked.clone());
                let (exif, xmp) = carried(&output);
                assert_eq!(exif, Some(kept_exif()), "{from:?} {asked:?}");
                assert_eq!(xmp.as_deref(), Some(KEPT_PACKET.as_bytes()), "{from:?} {asked:?}");
                assert!(!output.bytes.windows(6).any(|window| window == b"SECRET"), "{from:?} {asked:?}");
                // Its pixels are those of an output that keeps nothing, and it lies as that does.
                let plain = one(&bytes, Rendition { metadata: Metadata::Strip, ..asked.clone() });
                assert_eq!(picture(&output), picture(&plain), "{from:?} {asked:?}");
                let probed = probe(&output.bytes, &Limits::default()).unwrap();
                assert_eq!(
                    (probed.orientation, probed.size()),
                    (Orientation::Upright, Size { width: plain.width, height: plain.height })
                );
                // And it can be made from again.
                let again = one(&output.bytes, Rendition { rotate: Rotation::None, ..asked.clone() });
                assert_eq!(carried(&again), (exif, xmp), "{from:?} {asked:?}");
            }
        }
    }
}

#[test]
fn the_profile_goes_along_too() {
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    for from in [InputFormat::Jpeg, InputFormat::Png, InputFormat::Webp] {
        let bytes = samples::profiled(&slopes(40, 30), from, &icc);
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
            let of = |metadata, grayscale| one(&bytes, Rendition { grayscale, metadata, ..to_width(20, format) });
            assert_eq!(
                of(Metadata::Keep, false),
                of(Metadata::KeepIcc, false),
                "{from:?} {format:?}: there is nothing else"
            );
            assert_eq!(of(Metadata::Keep, false).profile, ProfileUse::Kept);
            // No profile of colours describes grays.
            assert_eq!(of(Metadata::Keep, true), of(Metadata::Strip, true), "{from:?} {format:?}");
            assert_eq!(of(Metadata::Keep, true).profile, ProfileUse::Converted);
        }
    }
}

/// A TIFF is a directory itself.
#[test]
fn a_tiff_says_what_its_directory_says() {
    let bytes = samples::oriented(&slopes(30, 20), InputFormat::Tiff, 6);
    let output = one(&bytes, Rendition { metadata: Metadata::Keep, ..to_width(10, OutputFormat::Jpeg) });
    let expected = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
    assert_eq!(carried(&output), (Some(expected), None));
}

/// What is too long, broken or not there is left out, and is never an error.
#[test]
fn what_cannot_be_kept_is_left_out() {
    let plain = samples::file(&slopes(60, 40), InputFormat::Png);
    let text = |packet: &[u8]| [b"XML:com.adobe.xmp\0\0\0\0\0", packet].concat();
    let packet_of = |length: usize| [b"<a>".as_slice(), &vec![b'x'; length - 7], b"</a>"].concat();
    let fits = samples::with_png_chunk(&plain, *b"iTXt", &text(&packet_of(65_502)));
    let files = [
        ("nothing", plain.clone(), false),
        ("all there is room for", fits, true),
        ("too long", samples::with_png_chunk(&plain, *b"iTXt", &text(&packet_of(65_503))), false),
        ("no XML", samples::with_png_chunk(&plain, *b"iTXt", &text(b"<a")), false),
        ("a bomb", samples::with_png_chunk(&plain, *b"iTXt", &bomb()), false),
        ("cut", samples::with_png_chunk(&plain, *b"iTXt", b"XML:com.adobe.xmp\0\0"), false),
        ("no EXIF", samples::with_png_chunk(&plain, *b"eXIf", b"MM\0*\0\0\0\x08\xff\xff"), false),
        ("empty EXIF", samples::with_png_chunk(&plain, *b"eXIf", b""), false),
    ];
    for (case, bytes, is_kept) in files {
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
            let output = one(&bytes, Rendition { metadata: Metadata::Keep, ..to_width(20, format) });
            assert_eq!(carried(&output).1.is_some(), is_kept, "{case} {format:?}");
            if !is_kept {
                assert_eq!(output, one(&plain, to_width(20, format)), "{case} {format:?}");
            }
        }
    }
}

/// A packet of 64 MiB in 64 KiB.
fn bomb() -> Vec<u8> {
    use std::io::Write as _;
    let mut deflated =
        flate2::write::ZlibEncoder::new(b"XML:com.adobe.xmp\0\x01\0\0\0".to_vec(), flate2::Compression::best());
    for _ in 0..64 {
        deflated.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    deflated.finish().unwrap()
}

/// Only those that ask for it get it.
#[test]
fn each_rendition_keeps_what_it_asks_for() {
    let (_, bytes) = sources().remove(0);
    let of = |metadata, width| Rendition { metadata, ..to_width(width, OutputFormat::Jpeg) };
    let outputs = resize(
        &bytes,
        &[of(Metadata::Keep, 20), of(Metadata::Strip, 10), of(Metadata::KeepIcc, 8)],
        &Limits::default(),
    );
    let found: Vec<bool> = outputs.unwrap().iter().map(|output| carried(output) != (None, None)).collect();
    assert_eq!(found, [true, false, false]);
}
