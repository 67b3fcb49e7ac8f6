//! Blocks of EXIF that no camera writes.

use super::samples::exif;

/// Name and block.
pub(crate) fn blocks() -> Vec<(String, Vec<u8>)> {
    let mut blocks = Vec::new();
    let mut add = |name: &str, block: Vec<u8>| blocks.push((name.to_owned(), block));
    add("empty", Vec::new());
    add("one-byte", vec![b'M']);
    add("no-order", b"XX\0*\0\0\0\x08".to_vec());
    add("wrong-mark", b"MM\0+\0\0\0\x08\0\0".to_vec());
    add("header-only", b"MM\0*\0\0\0\x08".to_vec());
    for at in [0_u32, 1, 4, 7, 0x7fff_ffff, 0xffff_fffe, u32::MAX] {
        let mut block = exif(6);
        block[4..8].copy_from_slice(&at.to_be_bytes());
        add(&format!("directory-at-{at}"), block);
    }
    for count in [0_u16, 2, 1000, u16::MAX] {
        let mut block = exif(6);
        block[8..10].copy_from_slice(&count.to_be_bytes());
        add(&format!("{count}-entries"), block);
    }
    for orientation in [0, 9, 255, u16::MAX] {
        add(&format!("orientation-{orientation}"), exif(orientation));
    }
    for kind in [0_u16, 1, 2, 4, 5, 12, 13, 99, u16::MAX] {
        let mut block = exif(6);
        block[12..14].copy_from_slice(&kind.to_be_bytes());
        add(&format!("orientation-of-type-{kind}"), block);
    }
    for count in [0_u32, 2, 0x1000_0000, 0x7fff_ffff, u32::MAX] {
        let mut block = exif(6);
        block[14..18].copy_from_slice(&count.to_be_bytes());
        add(&format!("orientation-{count}-times"), block);
    }
    // The next directory is this one.
    let mut endless = exif(6);
    endless[22..26].copy_from_slice(&8_u32.to_be_bytes());
    add("directory-follows-itself", endless);
    for (tag, name) in [(0x8769_u16, "exif"), (0x8825, "gps"), (0xa005, "interoperability"), (0x014a, "children")] {
        let mut block = exif(6);
        block[10..12].copy_from_slice(&tag.to_be_bytes());
        block[12..14].copy_from_slice(&4_u16.to_be_bytes());
        block[18..22].copy_from_slice(&8_u32.to_be_bytes());
        add(&format!("{name}-directory-is-itself"), block);
    }
    add("orientation-6000-times", [&exif(6)[..8], &6000_u16.to_be_bytes(), &exif(6)[10..22].repeat(6000)].concat());
    blocks
}
