//! Packages: ZIP archives, unpacked into a folder and nowhere else.

use std::{
    fs,
    io::{Read, Write},
    path::{Component, Path},
};

use anyhow::{Context as _, bail, ensure};
use flate2::read::DeflateDecoder;

/// Lambda's limit for a package and its layers, unpacked (documented).
const UNPACKED_BYTES_MAX: u64 = 262_144_000;
/// The last record of an archive, by which the others are found, and its size without a comment.
const END: (&[u8], usize) = (b"PK\x05\x06", 22);
const ENTRY: (&[u8], usize) = (b"PK\x01\x02", 46);
const HEADER: (&[u8], usize) = (b"PK\x03\x04", 30);
/// The longest comment behind the last record.
const COMMENT_BYTES_MAX: usize = 65_535;

/// An entry of the directory at an archive's end.
struct Entry<'a> {
    name: &'a str,
    method: u16,
    packed_bytes: usize,
    offset: usize,
    /// Of Unix, if the archive was made there; nothing otherwise.
    mode: u32,
}

/// Unpacks an archive. A name that leads out of the folder is refused, as are links.
pub(crate) fn unpack(archive: &Path, into: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(archive).with_context(|| format!("failed to read {}", archive.display()))?;
    unpack_bytes(&bytes, into).with_context(|| format!("{} cannot be unpacked", archive.display()))
}

/// The same of an archive that is in memory.
pub(crate) fn unpack_bytes(bytes: &[u8], into: &Path) -> anyhow::Result<()> {
    let mut left = UNPACKED_BYTES_MAX;
    for entry in entries(bytes)? {
        let path = Path::new(entry.name);
        let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        ensure!(stays && !entry.name.contains('\\'), "{:?} is a path outside the package", entry.name);
        ensure!(entry.mode & 0o170_000 != 0o120_000, "{:?} is a symbolic link; links are not supported", entry.name);
        let to = into.join(path);
        if entry.name.ends_with('/') {
            fs::create_dir_all(&to)?;
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(into))?;
        let packed = content(bytes, &entry)?;
        let mut file = fs::File::create(&to).with_context(|| format!("failed to create {}", to.display()))?;
        let written = match entry.method {
            0 => copy(packed, &mut file, left)?,
            8 => copy(DeflateDecoder::new(packed), &mut file, left)?,
            other => bail!("{:?} uses compression method {other}; expected 0 (stored) or 8 (deflate)", entry.name),
        };
        left -= written;
        make_executable(&file, entry.mode)?;
    }
    Ok(())
}

/// Copies what is left of the limit at the most.
fn copy(from: impl Read, to: &mut impl Write, left: u64) -> anyhow::Result<u64> {
    let written = std::io::copy(&mut from.take(left + 1), to)?;
    ensure!(written <= left, "it unpacks to more than {UNPACKED_BYTES_MAX} bytes, Lambda's limit");
    Ok(written)
}

#[cfg(unix)]
fn make_executable(file: &fs::File, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if mode & 0o111 == 0 {
        return Ok(());
    }
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &fs::File, _: u32) -> std::io::Result<()> {
    Ok(())
}

fn entries(bytes: &[u8]) -> anyhow::Result<Vec<Entry<'_>>> {
    let from = bytes.len().saturating_sub(END.1 + COMMENT_BYTES_MAX);
    let tail = bytes.get(from..).unwrap_or_default();
    let end = tail.windows(END.0.len()).rposition(|window| window == END.0).context("it is not a ZIP archive")?;
    let end = record(bytes, from + end, END)?;
    let count = number16(end, 10)?;
    let mut at = number32(end, 16)?;
    // Archives of this size have another form, and Lambda takes none.
    ensure!(count != u16::MAX && at != usize::try_from(u32::MAX)?, "it is a ZIP64 archive, which is not supported");
    let mut entries = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let header = record(bytes, at, ENTRY)?;
        let [name_bytes, extra_bytes, comment_bytes] =
            [number16(header, 28)?, number16(header, 30)?, number16(header, 32)?].map(usize::from);
        let name = bytes.get(at + ENTRY.1..at + ENTRY.1 + name_bytes).context("its directory is truncated")?;
        entries.push(Entry {
            name: std::str::from_utf8(name).context("it has a name that is not UTF-8")?,
            method: number16(header, 10)?,
            packed_bytes: number32(header, 20)?,
            offset: number32(header, 42)?,
            mode: u32::from(number16(header, 40)?),
        });
        at += ENTRY.1 + name_bytes + extra_bytes + comment_bytes;
    }
    Ok(entries)
}

/// What is packed of an entry, which is behind a header of its own.
fn content<'a>(bytes: &'a [u8], entry: &Entry<'_>) -> anyhow::Result<&'a [u8]> {
    let header = record(bytes, entry.offset, HEADER)?;
    let start = entry.offset + HEADER.1 + usize::from(number16(header, 26)?) + usize::from(number16(header, 28)?);
    bytes.get(start..start + entry.packed_bytes).with_context(|| format!("it is truncated in {:?}", entry.name))
}

/// A record that begins as it must.
fn record<'a>(bytes: &'a [u8], at: usize, (mark, length): (&[u8], usize)) -> anyhow::Result<&'a [u8]> {
    let record = bytes.get(at..at.saturating_add(length)).filter(|record| record.starts_with(mark));
    record.context("it is not a ZIP archive, or it is truncated")
}

fn number16(record: &[u8], at: usize) -> anyhow::Result<u16> {
    let bytes = record.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    Ok(u16::from_le_bytes(bytes.context("a record is truncated")?))
}

fn number32(record: &[u8], at: usize) -> anyhow::Result<usize> {
    let bytes = record.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    Ok(usize::try_from(u32::from_le_bytes(bytes.context("a record is truncated")?))?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    /// An archive of these files: name, content, mode, whether it is deflated.
    fn archive(files: &[(&str, &[u8], u16, bool)]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, content, mode, is_deflated) in files {
            let packed = if *is_deflated {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            } else {
                content.to_vec()
            };
            let offset = u32::try_from(bytes.len()).unwrap();
            let [packed_bytes, content_bytes] =
                [packed.len(), content.len()].map(|it| u32::try_from(it).unwrap().to_le_bytes());
            let name_bytes = u16::try_from(name.len()).unwrap().to_le_bytes();
            let method = if *is_deflated { [8, 0] } else { [0, 0] };
            let common = |version: &[u8]| {
                [version, &[0, 0], &method, &[0; 8], &packed_bytes, &content_bytes, &name_bytes, &[0, 0]].concat()
            };
            bytes.extend([HEADER.0, &common(&[20, 0]), name.as_bytes(), &packed].concat());
            let external = [[0, 0], mode.to_le_bytes()].concat();
            directory.extend([ENTRY.0, &common(&[20, 3, 20, 0]), &[0; 6], &external].concat());
            directory.extend([&offset.to_le_bytes(), name.as_bytes()].concat());
        }
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        let [size, start] = [directory.len(), bytes.len()].map(|it| u32::try_from(it).unwrap().to_le_bytes());
        bytes.extend(directory);
        bytes.extend([END.0, &[0; 4], &count, &count, &size, &start, &[0, 0]].concat());
        bytes
    }

    #[test]
    fn files_are_unpacked_with_their_folders_and_modes() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"print('hello')\n".repeat(100);
        let files: &[(&str, &[u8], u16, bool)] = &[
            ("app.py", &text, 0o100_644, true),
            ("lib/", b"", 0o040_755, false),
            ("lib/deep/data.bin", b"\0\x01", 0o100_644, false),
            ("bootstrap", b"#!/bin/sh\n", 0o100_755, true),
        ];
        unpack_bytes(&archive(files), folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join("app.py")).unwrap(), text);
        assert_eq!(fs::read(folder.path().join("lib/deep/data.bin")).unwrap(), b"\0\x01");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o111;
            assert_eq!((mode("bootstrap"), mode("app.py")), (0o111, 0));
        }
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("inside");
        for (name, mode) in [
            ("../escaped", 0o100_644),
            ("a/../../escaped", 0o100_644),
            ("/tmp/escaped-from-a-package", 0o100_644),
            ("..\\escaped", 0o100_644),
            ("link", 0o120_777),
        ] {
            fs::create_dir_all(&folder).unwrap();
            let error = unpack_bytes(&archive(&[(name, b"x", mode, false)]), &folder).unwrap_err().to_string();
            assert!(
                error.contains("is a path outside the package") || error.contains("is a symbolic link"),
                "{name}: {error}"
            );
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{name}");
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{name}");
        }
        assert!(!Path::new("/tmp/escaped-from-a-package").exists());
    }

    #[test]
    fn an_archive_that_is_cut_anywhere_is_refused() {
        let whole = archive(&[("app.py", b"print('hello')", 0o100_644, true), ("b.py", b"x", 0, false)]);
        for length in 0..whole.len() {
            let folder = tempfile::tempdir().unwrap();
            assert!(unpack_bytes(&whole[..length], folder.path()).is_err(), "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn more_than_lambda_takes_is_not_unpacked() {
        let bytes = archive(&[("bomb", &vec![0; 3_000], 0o100_644, true)]);
        let packed = entries(&bytes).unwrap();
        let packed = content(&bytes, &packed[0]).unwrap();
        let error = copy(DeflateDecoder::new(packed), &mut Vec::new(), 2_999).unwrap_err().to_string();
        assert!(error.contains("Lambda's limit"), "{error}");
    }
}
