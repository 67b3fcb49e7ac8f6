//! Images below the given paths: by content, at any depth, each once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fs::FileType;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use handler::pixels::options::OutputFormat;
use handler::pixels::{self, InputFormat, Limits, PixelError};
use handler::storage::{NotAFile, open_regular};
use walkdir::WalkDir;

use super::report::{PassedOver, Refused};

/// Bytes that tell what a file is.
const HEAD_BYTES: usize = 4096;
/// Bytes of a file that is read whole to know whether it has transparency; larger ones are refused by the job anyway.
const WHOLE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Formats that people take for photos. Leaving them out must not go unsaid, unlike other files that are no images.
const PHOTO_FORMATS: &[&str] = &["AVIF", "a Canon raw photo", "JPEG XL", "JPEG 2000"];
/// What a phone films beside a photo, under the name of the photo.
const LIVE_PHOTO: &str = "the video of a Live Photo";

/// An image, or what will be shown to be none: a file that cannot be read is one too, so that it is not skipped.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Its real path.
    pub(crate) path: PathBuf,
    /// Where it is below the given path.
    pub(crate) relative: PathBuf,
    /// What `auto` means for it.
    pub(crate) auto: OutputFormat,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct InputImages {
    /// In the order of their paths.
    pub(crate) images: Vec<Image>,
    /// Photos in formats that are not read: how many by format.
    pub(crate) left_out: BTreeMap<Cow<'static, str>, usize>,
    /// What was named and is neither a file nor a folder.
    pub(crate) refused: Vec<Refused>,
    /// What lies in folders and is neither a file nor a folder.
    pub(crate) passed_over: Vec<PassedOver>,
    /// The real paths, so that none is taken twice or written to.
    pub(crate) paths: HashSet<PathBuf>,
}

/// What a file is.
enum Content {
    Image(OutputFormat),
    UnreadPhoto(&'static str, PixelError),
    Other(PixelError),
}

/// Finds the images; fails before anything is done if a path is missing or a folder cannot be read.
pub(crate) fn find(paths: &[PathBuf], out: &Path) -> anyhow::Result<InputImages> {
    let mut found = InputImages::default();
    let mut prefixes = HashSet::new();
    for given in paths {
        let real = given.canonicalize().with_context(|| format!("cannot read {}", given.display()))?;
        if real.is_dir() {
            if real == out {
                bail!("--out {} is one of the folders to read; name another one", given.display());
            }
            let prefix = if paths.len() == 1 { PathBuf::new() } else { free_prefix(&real, &mut prefixes) };
            found.folder(given, &real, &prefix, out)?;
        } else {
            found.file(given, real)?;
        }
    }
    Ok(found)
}

/// The folder's own name, with a number where an earlier one has the same.
fn free_prefix(folder: &Path, taken: &mut HashSet<PathBuf>) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_os_string();
    let mut prefix = PathBuf::from(&name);
    let mut number = 1;
    while !taken.insert(prefix.clone()) {
        number += 1;
        let mut numbered = name.clone();
        numbered.push(format!("-{number}"));
        prefix = numbered.into();
    }
    prefix
}

impl InputImages {
    fn folder(&mut self, given: &Path, real: &Path, prefix: &Path, out: &Path) -> anyhow::Result<()> {
        let mut videos = Vec::new();
        // Outputs of an earlier run below the folder are no inputs. A folder below --out is another matter.
        let out = (out != real && out.starts_with(real)).then_some(out);
        let walk = WalkDir::new(real).follow_links(true).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| out != Some(entry.path())) {
            let entry = match entry {
                Ok(entry) => entry,
                // A link that leads back up, or nowhere, leads to no image.
                Err(error) if error.loop_ancestor().is_some() || error.path().is_some_and(Path::is_symlink) => continue,
                Err(error) => {
                    let path = error.path().unwrap_or(real);
                    let shown = path.strip_prefix(real).map_or(path.to_owned(), |below| given.join(below));
                    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    bail!("cannot read the folder {}: {reason}", shown.display());
                }
            };
            if !entry.file_type().is_file() {
                if let Some(what) = special(entry.file_type()) {
                    let below = entry.path().strip_prefix(real).unwrap_or(entry.path());
                    self.passed_over.push(PassedOver { path: given.join(below), what: what.into() });
                }
                continue;
            }
            let relative = prefix.join(entry.path().strip_prefix(real).unwrap_or(entry.path()));
            let path = entry.path().canonicalize().unwrap_or_else(|_| entry.into_path());
            if out.is_some_and(|out| path.starts_with(out)) {
                continue;
            }
            match content(&path) {
                Ok(Content::Image(auto)) => self.add(path, relative, auto),
                Ok(Content::UnreadPhoto(format, _)) => *self.left_out.entry(format.into()).or_default() += 1,
                Ok(Content::Other(_)) if is_video(&path) => videos.push((path, relative)),
                Ok(Content::Other(_)) => {}
                // The job will fail and say why.
                Err(_) => self.add(path, relative, OutputFormat::Jpeg),
            }
        }
        let stems: HashSet<PathBuf> = self.paths.iter().map(|path| path.with_extension("")).collect();
        let live = videos.into_iter().filter(|(path, _)| stems.contains(&path.with_extension("")));
        self.passed_over.extend(live.map(|(_, relative)| {
            let below = relative.strip_prefix(prefix).unwrap_or(&relative);
            PassedOver { path: given.join(below), what: LIVE_PHOTO.into() }
        }));
        Ok(())
    }

    /// A file that was named is meant: it is an image, or the command is wrong.
    fn file(&mut self, given: &Path, real: PathBuf) -> anyhow::Result<()> {
        let content = match content(&real) {
            Err(error) if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<NotAFile>) => {
                self.refused.push(Refused { source: real, reason: error.to_string() });
                return Ok(());
            }
            content => content.with_context(|| format!("cannot read {}", given.display()))?,
        };
        match content {
            Content::Image(auto) => {
                let relative = given.file_name().map_or_else(|| real.clone(), PathBuf::from);
                self.add(real, relative, auto);
                Ok(())
            }
            Content::UnreadPhoto(_, error) => bail!("{}: {error}", given.display()),
            Content::Other(error) => bail!("{} is not an image: {error}", given.display()),
        }
    }

    fn add(&mut self, path: PathBuf, relative: PathBuf, auto: OutputFormat) {
        if self.paths.insert(path.clone()) {
            self.images.push(Image { path, relative, auto });
        }
    }
}

fn content(path: &Path) -> std::io::Result<Content> {
    // A pipe might never begin, and a device never end: neither is waited for.
    let mut file = open_regular(path)?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
    let format = match InputFormat::recognise(&bytes) {
        Ok(format) => format,
        Err(error) => {
            return Ok(match error {
                PixelError::UnsupportedFormat { found } if PHOTO_FORMATS.contains(&found) => {
                    Content::UnreadPhoto(found, error)
                }
                PixelError::InputNotBuilt { format, .. } => Content::UnreadPhoto(format.name(), error),
                error => Content::Other(error),
            });
        }
    };
    Ok(match format {
        InputFormat::Jpeg => Content::Image(OutputFormat::Jpeg),
        InputFormat::Png | InputFormat::Gif => Content::Image(OutputFormat::Png),
        InputFormat::Webp => Content::Image(OutputFormat::Webp),
        // Two letters are no proof: texts begin with them too.
        InputFormat::Bmp if !has_bitmap_header(&bytes) => Content::Other(PixelError::Unrecognised),
        InputFormat::Tiff | InputFormat::Bmp | InputFormat::Heic => {
            file.take(WHOLE_BYTES_MAX).read_to_end(&mut bytes)?;
            let alpha = pixels::probe(&bytes, &Limits::default()).is_ok_and(|probe| probe.has_alpha);
            Content::Image(if alpha { OutputFormat::Png } else { OutputFormat::Jpeg })
        }
    })
}

/// Whether a file is a video by its name, as a phone gives it.
fn is_video(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mov"))
}

/// What something is that is neither a file nor a folder.
fn special(file_type: FileType) -> Option<&'static str> {
    if file_type.is_fifo() {
        Some("a named pipe")
    } else if file_type.is_socket() {
        Some("a socket")
    } else if file_type.is_char_device() || file_type.is_block_device() {
        Some("a device")
    } else {
        None
    }
}

/// Whether the length of the second header is one of those that bitmaps have.
fn has_bitmap_header(bytes: &[u8]) -> bool {
    bytes.get(14..18).is_some_and(|length| matches!(length, [12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0 and so on";

    fn found(paths: &[PathBuf], out: &Path) -> Vec<String> {
        let found = find(paths, out).unwrap();
        found.images.into_iter().map(|image| image.relative.display().to_string()).collect()
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn content_decides_at_any_depth_and_photos_left_out_are_counted() {
        let folder = folder(&[
            ("b/c/d/deep", JPEG),
            ("a.txt", JPEG),
            ("notes.jpg", b"no image"),
            ("empty.png", b""),
            ("bmw.txt", b"BMW is a maker of cars and not a bitmap"),
            ("phone.avif", b"\0\0\0\x18ftypavif\0"),
            ("film.jpg", b"\0\0\0\x18ftypisom\0"),
        ]);
        let found = find(&[folder.path().to_owned()], Path::new("/nowhere")).unwrap();
        let names: Vec<_> = found.images.iter().map(|image| image.relative.display().to_string()).collect();
        assert_eq!(names, ["a.txt", "b/c/d/deep"]);
        assert_eq!(found.left_out, BTreeMap::from([("AVIF".into(), 1)]));
    }

    #[test]
    fn photos_of_a_phone_are_found_and_the_videos_beside_them_passed_over_by_name() {
        const PHOTO: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        const VIDEO: &[u8] = b"\0\0\0\x14ftypqt  \0\0\0\0qt  ";
        let folder = folder(&[
            ("IMG_1.HEIC", PHOTO),
            ("IMG_1.MOV", VIDEO),
            ("a/IMG_2.mov", VIDEO),
            ("a/IMG_2.jpg", JPEG),
            ("a/film.mov", VIDEO),
            ("b/IMG_2.mov", VIDEO),
        ]);
        let found = find(&[folder.path().to_owned()], Path::new("/nowhere")).unwrap();
        let names: Vec<_> = found.images.iter().map(|image| image.relative.display().to_string()).collect();
        let heic: &[&str] = if cfg!(feature = "heic") { &["IMG_1.HEIC"] } else { &[] };
        assert_eq!(names, [heic, &["a/IMG_2.jpg"]].concat());
        assert_eq!(found.left_out.get("HEIC"), (!cfg!(feature = "heic")).then_some(&1));
        let passed_over = found.passed_over.iter().map(|passed| (passed.path.clone(), &*passed.what));
        let expected = ["IMG_1.MOV", "a/IMG_2.mov"].map(|name| (folder.path().join(name), LIVE_PHOTO));
        let expected = expected.into_iter().filter(|(path, _)| cfg!(feature = "heic") || path.ends_with("a/IMG_2.mov"));
        assert_eq!(passed_over.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    #[test]
    fn several_folders_keep_their_names_and_no_image_is_taken_twice() {
        let folder = folder(&[("one/p/a.jpg", JPEG), ("two/p/a.jpg", JPEG)]);
        let at = |name: &str| folder.path().join(name);
        let out = Path::new("/nowhere");
        assert_eq!(found(&[at("one/p"), at("two/p")], out), ["p/a.jpg", "p-2/a.jpg"]);
        assert_eq!(found(&[at("one"), at("one/p"), at("one/p/a.jpg")], out), ["one/p/a.jpg"]);
        assert_eq!(found(&[at("two/p/a.jpg"), at("one")], out), ["a.jpg", "one/p/a.jpg"]);
    }

    #[test]
    fn outputs_below_the_folder_are_no_inputs_and_a_folder_below_the_outputs_is() {
        let folder = folder(&[("a.jpg", JPEG), ("out/b.jpg", JPEG)]);
        let real = folder.path().canonicalize().unwrap();
        assert_eq!(found(std::slice::from_ref(&real), &real.join("out")), ["a.jpg"]);
        assert_eq!(found(&[real.join("out")], &real), ["b.jpg"]);
        let error = find(std::slice::from_ref(&real), &real).unwrap_err().to_string();
        assert!(error.contains("is one of the folders to read"), "{error}");
    }

    #[test]
    fn what_is_no_file_is_passed_over_by_name_and_not_waited_for() {
        let folder = folder(&[("photos/a.jpg", JPEG)]);
        let at = |name: &str| folder.path().join(name);
        for name in ["pipe.jpg", "photos/pipe.jpg"] {
            assert!(std::process::Command::new("mkfifo").arg(at(name)).status().unwrap().success());
        }
        let _socket = std::os::unix::net::UnixListener::bind(at("photos/socket.jpg")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("photos/zero.jpg")).unwrap();
        let found = find(&[at("photos"), at("pipe.jpg"), "/dev/zero".into()], Path::new("/nowhere")).unwrap();
        assert_eq!(found.images.len(), 1);
        let passed_over: Vec<_> = found.passed_over.iter().map(|passed| (passed.path.clone(), &*passed.what)).collect();
        let [pipe, socket, zero] = ["photos/pipe.jpg", "photos/socket.jpg", "photos/zero.jpg"].map(at);
        assert_eq!(passed_over, [(pipe, "a named pipe"), (socket, "a socket"), (zero, "a device")]);
        let refused: Vec<_> = found.refused.iter().map(|refused| refused.reason.as_str()).collect();
        assert_eq!(refused, ["it is a named pipe; expected a file", "it is a device; expected a file"]);
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = folder(&[("photos/a.jpg", JPEG), ("elsewhere/b.jpg", JPEG)]);
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(at("elsewhere"), at("photos/link")).unwrap();
        std::os::unix::fs::symlink(at("photos"), at("photos/circle")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("photos/dangling")).unwrap();
        assert_eq!(found(&[at("photos")], Path::new("/nowhere")), ["a.jpg", "link/b.jpg"]);
    }
}
