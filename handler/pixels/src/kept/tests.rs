use super::*;

fn entry(tag: u16, kind: u16, count: u32, value: [u8; 4]) -> Vec<u8> {
    [tag.to_be_bytes().as_slice(), &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
}

/// A block in big-endian order: an image, a photo and a place, each with an entry that is kept and one that is not, and a
/// thumbnail behind.
fn block() -> Vec<u8> {
    let directory = |entries: &[Vec<u8>], next: u32| {
        let count = u16::try_from(entries.len()).unwrap().to_be_bytes();
        [count.as_slice(), &entries.concat(), &next.to_be_bytes()].concat()
    };
    // Directories of 6, 5 and 1 entries, then the texts.
    let (image_at, photo_at, place_at, thumbnail_at, texts_at) = (8, 86, 152, 170, 188);
    let at = |offset: u32| (texts_at + offset).to_be_bytes();
    let image = directory(
        &[
            entry(0x010f, 2, 6, at(0)),
            entry(0x0111, 4, 1, [0, 0, 0, 9]),
            entry(0x0112, 3, 1, [0, 6, 0, 0]),
            entry(0x8298, 2, 10, at(6)),
            entry(0x8769, 4, 1, u32::to_be_bytes(photo_at)),
            entry(0x8825, 4, 1, u32::to_be_bytes(place_at)),
        ],
        thumbnail_at,
    );
    let photo = directory(
        &[
            entry(0x829a, 5, 1, at(16)),
            entry(0x927c, 7, 10, at(24)),
            entry(0xa002, 4, 1, [0, 0, 15, 160]),
            entry(0xa003, 3, 1, [11, 184, 0, 0]),
            entry(0xfde8, 2, 3, *b"why\0"),
        ],
        0,
    );
    let place = directory(&[entry(0x001d, 2, 11, at(24))], 0);
    let thumbnail = directory(&[entry(0x0201, 4, 1, [0, 0, 0, 9])], 0);
    let texts = b"Maker\0(c) Me 26\0\0\0\0\x01\0\0\0\x7dSECRET-GPS\0";
    let head = [b"MM\0*".as_slice(), &u32::to_be_bytes(image_at)].concat();
    let block = [head, image, photo, place, thumbnail, texts.to_vec()].concat();
    assert_eq!(usize::try_from(texts_at).unwrap() + texts.len(), block.len());
    block
}

/// Entries of a directory as they are in a block: tag, type and value.
fn read(block: &[u8], order: ByteOrder, start: usize) -> Vec<(u16, u16, Vec<u8>)> {
    let count = usize::from(order.u16(block, start).unwrap());
    let one = |index: usize| {
        let at = start + 2 + index * 12;
        let (kind, count) = (order.u16(block, at + 2).unwrap(), order.u32(block, at + 4).unwrap() as usize);
        let length = count
            * match kind {
                1 | 2 | 7 => 1,
                3 => 2,
                4 => 4,
                5 => 8,
                other => panic!("type {other}"),
            };
        let place = if length <= 4 { at + 8 } else { order.u32(block, at + 8).unwrap() as usize };
        (order.u16(block, at).unwrap(), kind, block[place..place + length].to_vec())
    };
    assert_eq!(order.u32(block, start + 2 + count * 12), Some(0), "no thumbnail follows");
    (0..count).map(one).collect()
}

const SIZE: Size = Size { width: 320, height: 240 };

#[test]
fn exif_keeps_what_describes_the_photo_and_not_where_it_was_taken() {
    for block in [block(), [b"Exif\0\0".to_vec(), block()].concat()] {
        let rebuilt = exif::rebuilt(&block, SIZE).unwrap();
        let image = read(&rebuilt, ByteOrder::Big, 8);
        let photo_at = ByteOrder::Big.u32(&image[3].2, 0).unwrap();
        assert_eq!(
            image,
            [
                (0x010f, 2, b"Maker\0".to_vec()),
                (0x0112, 3, vec![0, 1]),
                (0x8298, 2, b"(c) Me 26\0".to_vec()),
                (0x8769, 4, photo_at.to_be_bytes().to_vec()),
            ]
        );
        assert_eq!(
            read(&rebuilt, ByteOrder::Big, photo_at as usize),
            [
                (0x829a, 5, vec![0, 0, 0, 1, 0, 0, 0, 125]),
                (0xa002, 4, vec![0, 0, 1, 64]),
                (0xa003, 4, vec![0, 0, 0, 240]),
            ]
        );
        assert!(!rebuilt.windows(6).any(|window| window == b"SECRET"));
        // What was made is understood, and made again the same.
        assert_eq!(exif::rebuilt(&rebuilt, SIZE).as_ref(), Some(&rebuilt));
    }
}

#[test]
fn exif_in_the_other_byte_order_stays_in_it() {
    let little = b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x04\0\0\0Abc\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0";
    let rebuilt = exif::rebuilt(little, SIZE).unwrap();
    assert_eq!(read(&rebuilt, ByteOrder::Little, 8), [(0x010f, 2, b"Abc\0".to_vec()), (0x0112, 3, vec![1, 0])]);
}

/// Whatever is wrong in it, what comes out is a block that is understood, or none.
#[test]
fn hostile_exif_is_dropped_or_made_whole() {
    let good = block();
    let mut blocks: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    let mut random = fastrand::Rng::with_seed(51);
    for _ in 0..20_000 {
        let mut block = good.clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..block.len());
            block[at] = if random.bool() { random.u8(..) } else { [0, 0xff, 0x7f, 1][random.usize(0..4)] };
        }
        blocks.push(block);
    }
    // Directories that are one another, and a directory in the header.
    for (at, to) in [(8 + 2 + 4 * 12 + 8, 8_u32), (8 + 2 + 4 * 12 + 8, 0), (4, 0), (4, 1), (4, u32::MAX)] {
        let mut block = good.clone();
        block[at..at + 4].copy_from_slice(&to.to_be_bytes());
        blocks.push(block);
    }
    // A thousand entries, each with the same long text.
    let many = |count: u16, length: u32| {
        let entries = (0..count).flat_map(|tag| entry(0x9c9b + tag % 5, 2, length, u32::to_be_bytes(8)));
        [b"MM\0*\0\0\0\x08".to_vec(), count.to_be_bytes().to_vec(), entries.collect(), vec![7; 70_000]].concat()
    };
    blocks.extend([many(1000, 16_000), many(65_535, 5), many(5, 60_000), many(5, u32::MAX), many(5, 16_384)]);
    for block in blocks {
        if let Some(rebuilt) = exif::rebuilt(&block, SIZE) {
            assert!(rebuilt.len() <= 60 * 1024, "{} bytes", rebuilt.len());
            assert_eq!(exif::rebuilt(&rebuilt, SIZE).as_ref(), Some(&rebuilt));
        }
    }
    for tag in [exif::XMP, 0x010f] {
        for length in 0..good.len() {
            let _ = exif::value(&good[..length], tag);
        }
    }
    assert_eq!(exif::value(&good, 0x010f), Some(b"Maker\0".as_slice()));
}

#[test]
fn xmp_stays_as_it_is_but_for_places_and_thumbnails() {
    let table = [
        ("<a/>", "<a/>"),
        ("<?xpacket begin=''?><x:a b=\"1\"><c>text &lt; 1</c></x:a>  <?xpacket end='w'?>", ""),
        ("<a exif:GPSLatitude=\"50,6N\" b='1'/>", "<a b='1'/>"),
        ("<a b='1'\n  exif:GPSLatitude = '50,6N'\n  c=\"2\">x</a>", "<a b='1'\n  c=\"2\">x</a>"),
        ("<a><exif:GPSLatitude>50,6N</exif:GPSLatitude>\n<b/></a>", "<a>\n<b/></a>"),
        ("<a><drone:GpsX/><b>1</b></a>", "<a><b>1</b></a>"),
        ("<a><exif:GPSx><b><exif:GPSx/><!-- > --></b></exif:GPSx>c</a>", "<a>c</a>"),
        ("<a><xmp:Thumbnails><rdf:Alt>AAAA</rdf:Alt></xmp:Thumbnails></a>", "<a></a>"),
        ("<a xmpNote:HasExtendedXMP='99' b=''/>", "<a b=''/>"),
        ("<a tiff:Orientation=\"6\"/>", "<a tiff:Orientation=\"1\"/>"),
        ("<a><tiff:Orientation>8</tiff:Orientation></a>", "<a><tiff:Orientation>1</tiff:Orientation></a>"),
        ("<a tiff:Orientation='1' b='3'/>", "<a tiff:Orientation='1' b='3'/>"),
        ("<a><![CDATA[<b>]]></a>", "<a><![CDATA[<b>]]></a>"),
        ("<a b='>' c=\"'\"/>", "<a b='>' c=\"'\"/>"),
    ];
    for (packet, expected) in table {
        let expected = if expected.is_empty() { packet } else { expected };
        let kept = xmp::placeless(packet.as_bytes()).map(|kept| String::from_utf8(kept).unwrap());
        assert_eq!(kept.as_deref(), Some(expected), "{packet}");
    }
}

#[test]
fn xmp_that_is_not_sure_to_be_without_a_place_is_dropped() {
    for packet in [
        "<a>GPS</a>",
        "<a b='gps'/>",
        "<!-- GPS --><a/>",
        "<a xmlns:g='http://gps'/>",
        "<!DOCTYPE a [<!ENTITY g 'x'>]><a/>",
        "<a>",
        "</a>",
        "<a/></a>",
        "<a><exif:GPSx></a>",
        "<a b=1/>",
        "<a b/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a b='1",
        "< a/>",
        "<",
        "<!-- ",
        "<a\0/>",
    ] {
        assert_eq!(xmp::placeless(packet.as_bytes()), None, "{packet}");
    }
    let wide: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(xmp::placeless(&wide), None);
    assert_eq!(xmp::placeless(b"<a>\xff</a>"), None);
}

/// No packet, however torn, is kept with a place in it.
#[test]
fn seeded_packets_never_panic_and_never_tell() {
    let good = b"<?xpacket begin='x'?><x:xmpmeta><rdf:RDF a='1' exif:GPSLatitude='1'><exif:GPSLongitude>2\
        </exif:GPSLongitude><tiff:Orientation>6</tiff:Orientation><b c=\"d\"/></rdf:RDF></x:xmpmeta>";
    let mut random = fastrand::Rng::with_seed(52);
    let mut kept = 0;
    for _ in 0..50_000 {
        let mut packet = good.to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..packet.len());
            match random.u8(0..4) {
                0 => packet[at] = b"<>/='\" !-?a:"[random.usize(..12)],
                1 if packet.len() > 1 => drop(packet.remove(at)),
                2 => packet.truncate(at.max(1)),
                _ => packet.insert(at, b"<>/='\"G"[random.usize(..7)]),
            }
        }
        if let Some(packet) = xmp::placeless(&packet) {
            kept += 1;
            assert!(!packet.windows(3).any(|window| window.eq_ignore_ascii_case(b"gps")));
        }
    }
    assert!((100..50_000).contains(&kept), "{kept} were kept");
}
