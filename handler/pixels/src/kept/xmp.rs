//! XMP without what says where a photo was taken: a packet is walked tag by tag, and attributes and elements go whose names have
//! `gps` in them in either case, and thumbnails. All else stays byte for byte, but that the orientation says upright.
//!
//! What is not plain XML in UTF-8 is left out whole, and so is a packet in which `gps` is still found afterwards, in a text or
//! wherever it may be: nobody is told where it was taken by mistake.

/// The property whose number is the orientation of EXIF.
const ORIENTATION: &[u8] = b"tiff:Orientation";

/// The packet without places; none where that cannot be made sure of.
pub(super) fn placeless(packet: &[u8]) -> Option<Vec<u8>> {
    if packet.contains(&0) || std::str::from_utf8(packet).is_err() {
        return None;
    }
    let mut kept = walked(packet)?;
    if holds_gps(&kept) {
        return None;
    }
    upright(&mut kept);
    Some(kept)
}

fn holds_gps(text: &[u8]) -> bool {
    text.windows(3).any(|window| window.eq_ignore_ascii_case(b"gps"))
}

/// Whether a property of this name goes.
fn goes(name: &[u8]) -> bool {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    holds_gps(name) || local == b"Thumbnails" || local == b"HasExtendedXMP"
}

/// Copies a packet without what goes.
fn walked(packet: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    kept.try_reserve_exact(packet.len()).ok()?;
    let (mut rest, mut depth) = (packet, 0_usize);
    // How deep the element lies that is left out.
    let mut left_out: Option<usize> = None;
    while !rest.is_empty() {
        let text = rest.iter().position(|byte| *byte == b'<').unwrap_or(rest.len());
        let (before, tag) = rest.split_at(text);
        if left_out.is_none() {
            kept.extend_from_slice(before);
        }
        if tag.is_empty() {
            break;
        }
        let (markup, after) = tag.split_at(markup_length(tag)?);
        rest = after;
        match markup {
            [b'<', b'?' | b'!', ..] => {
                if left_out.is_none() {
                    kept.extend_from_slice(markup);
                }
            }
            [b'<', b'/', ..] => {
                depth = depth.checked_sub(1)?;
                match left_out {
                    Some(start) if start == depth => left_out = None,
                    Some(_) => {}
                    None => kept.extend_from_slice(markup),
                }
            }
            _ => {
                let is_empty = markup.ends_with(b"/>");
                let goes = goes(name(&markup[1..])?);
                if left_out.is_none() && !goes {
                    without_attributes(markup, &mut kept)?;
                }
                if !is_empty {
                    if left_out.is_none() && goes {
                        left_out = Some(depth);
                    }
                    depth += 1;
                }
            }
        }
    }
    (depth == 0 && left_out.is_none()).then_some(kept)
}

/// How long a tag, a comment, a part of plain text or an instruction is that begins here. Declarations, which may give words
/// another meaning, are none of them.
fn markup_length(text: &[u8]) -> Option<usize> {
    let up_to = |end: &[u8]| text.windows(end.len()).position(|window| window == end).map(|at| at + end.len());
    if text.starts_with(b"<!--") {
        return up_to(b"-->");
    }
    if text.starts_with(b"<![CDATA[") {
        return up_to(b"]]>");
    }
    if text.starts_with(b"<?") {
        return up_to(b"?>");
    }
    if text.starts_with(b"<!") {
        return None;
    }
    let mut quote = None;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (None | Some(_), b'<') => return None,
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The name that begins here.
fn name(text: &[u8]) -> Option<&[u8]> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'/' | b'>' | b'"' | b'\'');
    let end = text.iter().position(ends)?;
    (end > 0).then_some(&text[..end])
}

/// Copies a start tag without the attributes that go.
fn without_attributes(tag: &[u8], kept: &mut Vec<u8>) -> Option<()> {
    let element = name(&tag[1..])?;
    let (start, mut rest) = tag.split_at(1 + element.len());
    kept.extend_from_slice(start);
    loop {
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if matches!(&rest[blanks..], b">" | b"/>") {
            kept.extend_from_slice(rest);
            return Some(());
        }
        // A name, an equals sign between blanks, and a value in quotes.
        let name = name(&rest[blanks..])?;
        let mut at = blanks + name.len();
        let skip_blanks = |at: usize| at + rest[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at = skip_blanks(at);
        if blanks == 0 || rest.get(at) != Some(&b'=') {
            return None;
        }
        at = skip_blanks(at + 1);
        let quote = rest.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
        at += 2 + rest[at + 1..].iter().position(|byte| byte == quote)?;
        let (attribute, after) = rest.split_at(at);
        if !goes(name) {
            kept.extend_from_slice(attribute);
        }
        rest = after;
    }
}

/// Puts 1 in the place of the number of an orientation, as an attribute or as an element.
fn upright(packet: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = packet[at..].windows(ORIENTATION.len()).position(|window| window == ORIENTATION) {
        at += found + ORIENTATION.len();
        let between =
            packet[at..].iter().take_while(|byte| byte.is_ascii_whitespace() || b"=>'\"".contains(byte)).count();
        if between > 0
            && let Some(number @ b'1'..=b'8') = packet.get_mut(at + between)
        {
            *number = b'1';
        }
    }
}
