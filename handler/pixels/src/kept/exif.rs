//! EXIF, written anew: a directory of the image and one of the photo, with nothing but tags of the standard whose values lie
//! within the block.
//!
//! - Left out are where the photo was taken (GPS), the thumbnail, notes of makers (which hold either, and point to places that
//!   are elsewhere afterwards), how the source's pixels are stored, what points into the picture, and all that is not known.
//! - The orientation says upright, and the pixels are counted anew.

use crate::area::Size;
use crate::fields::{ByteOrder, slice};

/// Entries of a directory that are looked at. The standard has about a hundred.
const ENTRIES_MAX: usize = 512;
/// Bytes of one value.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of all, with what surrounds them: less than a segment of a JPEG holds.
const BLOCK_BYTES_MAX: usize = 60 * 1024;

const ENTRY_BYTES: usize = 12;

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const PIXELS_ACROSS: u16 = 0xa002;
const PIXELS_DOWN: u16 = 0xa003;

/// Where a TIFF keeps its XMP.
pub(super) const XMP: u16 = 700;

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// An entry of a directory, with its value in the order of the block.
#[derive(Clone, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value: Vec<u8>,
}

/// Tags that describe a picture: what it shows, who made it and when, with what, and how large it is meant to be.
fn describes_image(tag: u16) -> bool {
    matches!(
        tag,
        0x010d..=0x0110 | ORIENTATION | 0x011a | 0x011b | 0x0128 | 0x0131 | 0x0132 | 0x013b | 0x013c | 0x013e | 0x013f
        | 0x0211 | 0x0213 | 0x0214 | 0x4746 | 0x4749 | 0x8298 | 0x9c9b..=0x9c9f
    )
}

/// Tags that describe how a photo was taken.
fn describes_photo(tag: u16) -> bool {
    matches!(
        tag,
        0x829a | 0x829d | 0x8822 | 0x8824 | 0x8827 | 0x8828 | 0x8830..=0x8835 | 0x9000 | 0x9003 | 0x9004 | 0x9010..=0x9012
        | 0x9101 | 0x9102 | 0x9201..=0x920a | 0x9286 | 0x9290..=0x9292 | 0x9400..=0x9405 | 0xa000 | 0xa001
        | PIXELS_ACROSS | PIXELS_DOWN | 0xa20b | 0xa20e..=0xa210 | 0xa215 | 0xa217 | 0xa300..=0xa302 | 0xa401..=0xa40c
        | 0xa420 | 0xa430..=0xa43c | 0xa460..=0xa462 | 0xa500
    )
}

/// A block for an upright output of this size; none if nothing of the old one is left.
pub(super) fn rebuilt(block: &[u8], size: Size) -> Option<Vec<u8>> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let (order, start) = header(block)?;
    let mut room = BLOCK_BYTES_MAX - 8 - 2 * (2 + 4 + ENTRY_BYTES);
    let mut image = read(block, order, start, &mut room, describes_image);
    let photo_at = entries(block, order, start).find(|entry| order.u16(block, *entry) == Some(EXIF_DIRECTORY));
    let photo_at = photo_at.and_then(|entry| usize::try_from(order.u32(block, entry + 8)?).ok());
    let mut photo = photo_at.map_or_else(Vec::new, |start| read(block, order, start, &mut room, describes_photo));
    for entry in image.iter_mut().chain(&mut photo) {
        match entry.tag {
            ORIENTATION => *entry = short(order, ORIENTATION, 1),
            PIXELS_ACROSS => *entry = long(order, PIXELS_ACROSS, size.width),
            PIXELS_DOWN => *entry = long(order, PIXELS_DOWN, size.height),
            _ => {}
        }
    }
    if image.is_empty() && photo.is_empty() {
        return None;
    }
    let mut rebuilt = match order {
        ByteOrder::Big => b"MM\0*\0\0\0\x08".to_vec(),
        ByteOrder::Little => b"II*\0\x08\0\0\0".to_vec(),
    };
    if !photo.is_empty() {
        let at = image.partition_point(|entry| entry.tag < EXIF_DIRECTORY);
        image.insert(at, long(order, EXIF_DIRECTORY, 0));
        let photo_at = 8 + length(&image);
        image[at] = long(order, EXIF_DIRECTORY, u32::try_from(photo_at).ok()?);
    }
    write(&mut rebuilt, order, &image)?;
    if !photo.is_empty() {
        write(&mut rebuilt, order, &photo)?;
    }
    Some(rebuilt)
}

/// The value of a tag in the first directory.
pub(super) fn value(block: &[u8], tag: u16) -> Option<&[u8]> {
    let (order, start) = header(block)?;
    let entry = entries(block, order, start).find(|entry| order.u16(block, *entry) == Some(tag))?;
    of_entry(block, order, entry).map(|(_, _, value)| value)
}

/// The order of the bytes, and where the first directory is.
fn header(block: &[u8]) -> Option<(ByteOrder, usize)> {
    let order = match block.get(..4)? {
        b"II*\0" => ByteOrder::Little,
        b"MM\0*" => ByteOrder::Big,
        _ => return None,
    };
    Some((order, usize::try_from(order.u32(block, 4)?).ok()?))
}

/// Where the entries of a directory are that lie within the block.
fn entries(block: &[u8], order: ByteOrder, start: usize) -> impl Iterator<Item = usize> {
    let count = usize::from(order.u16(block, start).unwrap_or(0)).min(ENTRIES_MAX);
    let length = block.len();
    let place = move |index: usize| start.checked_add(2 + index * ENTRY_BYTES);
    (0..count).map_while(place).take_while(move |entry| entry.checked_add(ENTRY_BYTES).is_some_and(|end| end <= length))
}

/// The type, the count and the value of an entry.
fn of_entry(block: &[u8], order: ByteOrder, entry: usize) -> Option<(u16, u32, &[u8])> {
    let (kind, count) = (order.u16(block, entry + 2)?, order.u32(block, entry + 4)?);
    let bytes = match kind {
        1 | 2 | 6 | 7 => 1,
        SHORT | 8 => 2,
        LONG | 9 | 11 => 4,
        5 | 10 | 12 => 8,
        _ => return None,
    };
    let length = usize::try_from(count).ok()?.checked_mul(bytes)?;
    let at = if length <= 4 { entry + 8 } else { usize::try_from(order.u32(block, entry + 8)?).ok()? };
    Some((kind, count, slice(block, at, length)?))
}

/// The wanted entries of a directory, in the order of their tags, each tag once, as long as there is room for them.
fn read(block: &[u8], order: ByteOrder, start: usize, room: &mut usize, wanted: fn(u16) -> bool) -> Vec<Entry> {
    let mut read: Vec<Entry> = Vec::new();
    for at in entries(block, order, start) {
        let Some(tag) = order.u16(block, at).filter(|tag| wanted(*tag)) else { continue };
        let Some((kind, count, value)) = of_entry(block, order, at) else { continue };
        let bytes = ENTRY_BYTES + value.len() + value.len() % 2;
        let is_new = read.iter().all(|entry| entry.tag != tag);
        if count > 0 && value.len() <= VALUE_BYTES_MAX && is_new && bytes <= *room {
            *room -= bytes;
            read.push(Entry { tag, kind, count, value: value.to_vec() });
        }
    }
    read.sort_by_key(|entry| entry.tag);
    read
}

fn short(order: ByteOrder, tag: u16, value: u16) -> Entry {
    Entry { tag, kind: SHORT, count: 1, value: two(order, value).to_vec() }
}

fn long(order: ByteOrder, tag: u16, value: u32) -> Entry {
    Entry { tag, kind: LONG, count: 1, value: four(order, value).to_vec() }
}

fn two(order: ByteOrder, value: u16) -> [u8; 2] {
    if order == ByteOrder::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn four(order: ByteOrder, value: u32) -> [u8; 4] {
    if order == ByteOrder::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// Bytes of a value that does not fit into its entry.
fn beside(entry: &Entry) -> usize {
    if entry.value.len() > 4 { entry.value.len().next_multiple_of(2) } else { 0 }
}

/// Bytes of a directory with its values.
fn length(directory: &[Entry]) -> usize {
    2 + directory.len() * ENTRY_BYTES + 4 + directory.iter().map(beside).sum::<usize>()
}

/// Writes a directory, and its values behind it. None follows it.
fn write(block: &mut Vec<u8>, order: ByteOrder, directory: &[Entry]) -> Option<()> {
    let mut at = block.len() + 2 + directory.len() * ENTRY_BYTES + 4;
    block.extend(two(order, u16::try_from(directory.len()).ok()?));
    for entry in directory {
        block.extend(two(order, entry.tag));
        block.extend(two(order, entry.kind));
        block.extend(four(order, entry.count));
        if entry.value.len() > 4 {
            block.extend(four(order, u32::try_from(at).ok()?));
            at += beside(entry);
        } else {
            block.extend(&entry.value);
            block.resize(block.len() + 4 - entry.value.len(), 0);
        }
    }
    block.extend([0; 4]);
    for entry in directory.iter().filter(|entry| entry.value.len() > 4) {
        block.extend(&entry.value);
        block.resize(block.len() + beside(entry) - entry.value.len(), 0);
    }
    Some(())
}
