//! The binary `resize` as a person runs it, on copies of the photos that the README uses.

#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod kept;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own for each test.
struct Place(TempDir);

impl Place {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_photos() -> Self {
        let place = Self::empty();
        for entry in walkdir::WalkDir::new(photos()).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(photos()).unwrap().display().to_string();
                place.photo(&below, &format!("photos/{below}"));
            }
        }
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn photo(&self, from: &str, to: &str) {
        fs::create_dir_all(self.at(to).parent().unwrap()).unwrap();
        fs::copy(photos().join(from), self.at(to)).unwrap();
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resize"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn resize(&self, arguments: &str) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    fn size(&self, image: &str) -> (u32, u32) {
        image::ImageReader::open(self.at(image)).unwrap().with_guessed_format().unwrap().into_dimensions().unwrap()
    }

    /// Every file below a folder, by its path from there.
    fn files(&self, folder: &str) -> Vec<String> {
        let root = self.at(folder);
        let entries = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().is_file());
        let mut files: Vec<_> =
            files.map(|entry| entry.path().strip_prefix(&root).unwrap().display().to_string()).collect();
        files.sort();
        files
    }
}

fn photos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/photos")
}

#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The cells of the first row that has this text.
    fn row(&self, text: &str) -> Vec<String> {
        let row = self.stdout.lines().find(|line| line.contains(text));
        let row = row.unwrap_or_else(|| panic!("no row has {text:?}:\n{}", self.stdout));
        row.split(['\u{2502}', '\u{2506}']).map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    }

    /// The one line that says why nothing was begun.
    fn refusal(&self) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.strip_prefix("resize: ").unwrap().trim_end()
    }
}

#[test]
fn a_folder_becomes_a_folder_and_what_is_broken_a_dead_letter() {
    let place = Place::with_photos();
    let run = place.resize("run photos --width 64 --out thumbs");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.stderr, "", "there is no bar without a terminal");
    let outputs = [
        "landscape/hills-at-dusk.jpg",
        "landscape/lake/mountain-lake.jpg",
        "misnamed/a-jpeg-called.jpg",
        "portrait/lighthouse.jpg",
        "still-life/fruit.webp",
        "still-life/marble.png",
        "still-life/moon.png",
    ];
    assert_eq!(place.files("thumbs"), outputs);
    let size = |name: &str| place.size(&format!("thumbs/{name}"));
    assert_eq!(size("landscape/hills-at-dusk.jpg"), (64, 43));
    assert_eq!(size("portrait/lighthouse.jpg"), (64, 85), "turned upright by its EXIF orientation");
    assert_eq!(size("misnamed/a-jpeg-called.jpg"), (64, 43), "a JPEG whatever its name says");
    assert_eq!(size("still-life/fruit.webp"), (64, 48));

    let reason = "bad-image: JPEG is truncated: no end marker";
    assert_eq!(run.row("torn-in-half.jpg"), ["photos/broken/torn-in-half.jpg", "dead-lettered", reason]);
    let done = run.row("a-jpeg-called");
    assert_eq!(done[..2], ["photos/misnamed/a-jpeg-called.png", "done"]);
    assert!(done[2].starts_with("misnamed/a-jpeg-called.jpg, 64x43, "), "{done:?}");
    assert_eq!(run.row(" in 7 files")[..4], ["8", "7", "0", "1"]);
    assert!(run.stdout.ends_with("The outputs are in thumbs.\n"), "{}", run.stdout);
}

#[test]
fn json_is_one_document_with_every_image() {
    let place = Place::with_photos();
    let run = place.resize("run photos --width 64 --height 64 --format webp --quality 50 --out thumbs --json");
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""));
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let totals = &document["totals"];
    for (name, expected) in [("images", 8), ("done", 7), ("retried", 0), ("dead_lettered", 1), ("outputs", 7)] {
        assert_eq!(totals[name], expected, "{name} of {totals}");
    }
    assert!(totals["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!((&document["out"], &document["interrupted"]), (&"thumbs".into(), &false.into()));
    let images = document["images"].as_array().unwrap();
    let sources: Vec<_> = images.iter().map(|image| image["source"].as_str().unwrap()).collect();
    assert!(sources.is_sorted() && sources.len() == 8, "{sources:?}");
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for image in images.iter().filter(|image| image["outcome"] == "done") {
        let made = &image["outputs"][0];
        let path = made["path"].as_str().unwrap();
        assert_eq!(place.size(path), (64, 64));
        assert_eq!((&made["width"], &made["height"]), (&64.into(), &64.into()));
        assert_eq!(made["bytes"], fs::metadata(place.at(path)).unwrap().len());
        bytes_in += fs::metadata(place.at(image["source"].as_str().unwrap())).unwrap().len();
        bytes_out += made["bytes"].as_u64().unwrap();
    }
    assert_eq!((&totals["bytes_in"], &totals["bytes_out"]), (&bytes_in.into(), &bytes_out.into()));

    let broken = &images[0];
    assert_eq!(broken["source"], "photos/broken/torn-in-half.jpg");
    assert_eq!((&broken["outcome"], &broken["kind"]), (&"dead-lettered".into(), &"bad-image".into()));
    assert_eq!((&broken["blame"], &broken["receives"]), (&"source".into(), &1.into()));
    assert_eq!(broken["reason"], "JPEG is truncated: no end marker");
    let body: Value = serde_json::from_str(broken["body"].as_str().unwrap()).unwrap();
    assert!(body["source"].as_str().unwrap().ends_with("/photos/broken/torn-in-half.jpg"), "{body}");
    assert_eq!(body["outputs"][0]["quality"], 50);
}

/// A file with a profile that is none, one of inks without any, and one that is cut.
fn odd(place: &Place, folder: &str) {
    let good = fs::read(photos().join("misnamed/a-jpeg-called.png")).unwrap();
    let profile = [&[0xff, 0xe2, 0, 19], b"ICC_PROFILE\0\x01\x01nop".as_slice()].concat();
    let mut inks = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut inks, 90);
    encoder.encode(&[40; 16 * 16 * 4], 16, 16, jpeg_encoder::ColorType::Cmyk).unwrap();
    fs::create_dir_all(place.at(folder)).unwrap();
    fs::write(place.at(&format!("{folder}/profile.jpg")), [&good[..2], &profile, &good[2..]].concat()).unwrap();
    fs::write(place.at(&format!("{folder}/inks.jpg")), inks).unwrap();
    fs::write(place.at(&format!("{folder}/cut.jpg")), &good[..good.len() / 2]).unwrap();
}

#[test]
fn what_is_odd_about_a_source_is_said_of_each() {
    let place = Place::empty();
    odd(&place, "photos");
    place.photo("misnamed/a-jpeg-called.png", "photos/well.jpg");
    let run = place.resize("run photos --width 16 --out thumbs --allow-truncated");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let notes = [
        ("cut.jpg", "note: truncated: what is missing is gray or transparent"),
        ("profile.jpg", "note: colour profile ignored: it is broken"),
        ("inks.jpg", "note: CMYK without a profile: colours by the simple formula"),
    ];
    for (name, note) in notes {
        assert_eq!(run.row(&format!("photos/{name}"))[1], "done");
        assert!(run.stdout.contains(note), "{note}: {}", run.stdout);
    }
    assert_eq!(run.stdout.matches("note: ").count(), 3, "{}", run.stdout);
    for line in [
        "1 image was truncated.",
        "1 image had a colour profile that was ignored.",
        "1 image in CMYK had no profile to use.",
    ] {
        assert!(run.stdout.lines().any(|found| found == line), "{line}: {}", run.stdout);
    }

    let run = place.resize("run photos --width 16 --out thumbs --allow-truncated --json");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let image = |name: &str| {
        let images = document["images"].as_array().unwrap();
        images.iter().find(|image| image["source"] == format!("photos/{name}")).unwrap().clone()
    };
    assert_eq!(image("cut.jpg")["truncated"], true);
    assert_eq!(image("profile.jpg")["profile_ignored"], "it is broken");
    assert_eq!(image("inks.jpg")["inks_without_profile"], true);
    for field in ["truncated", "profile_ignored", "inks_without_profile"] {
        assert!(image("well.jpg").get(field).is_none(), "{field}");
    }
    let totals = &document["totals"];
    for field in ["truncated", "profiles_ignored", "inks_without_profile"] {
        assert_eq!(totals[field], 1, "{field} of {totals}");
    }
    let cut = place.resize("run photos/cut.jpg --width 16 --out thumbs");
    assert_eq!(cut.row("cut.jpg")[1], "dead-lettered", "unless it is asked for");
}

/// Of many images only those are listed of which there is something to say.
#[test]
fn odd_sources_are_listed_among_many() {
    let place = Place::empty();
    odd(&place, "photos");
    for number in 0..20 {
        place.photo("misnamed/a-jpeg-called.png", &format!("photos/{number}.jpg"));
    }
    let run = place.resize("run photos --width 16 --out thumbs --allow-truncated");
    assert_eq!(run.code, Some(0), "{run:?}");
    let note = "note: colour profile ignored: it is broken";
    assert_eq!(run.row("photos/profile.jpg"), ["photos/profile.jpg", "done", note]);
    assert!(!run.stdout.contains("photos/7.jpg"), "{}", run.stdout);
}

#[test]
fn all_made_is_exit_code_0_and_renditions_are_several_outputs_of_one_image() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/moon.gif");
    place.photo("misnamed/a-jpeg-called.png", "photos/deep/photo.png");
    let renditions = r#"[{"target":"{dir}/{stem}-{width}.{format}","width":40},
                         {"target":"square/{dir}/{stem}.webp","width":30,"height":30,"format":"webp"}]"#;
    fs::write(place.at("renditions.json"), renditions).unwrap();
    let run = place.resize("run photos --renditions renditions.json --out thumbs");
    assert_eq!(run.code, Some(0), "{run:?}");
    let outputs = ["deep/photo-40.jpeg", "moon-40.png", "square/deep/photo.webp", "square/moon.webp"];
    assert_eq!(place.files("thumbs"), outputs);
    assert_eq!((place.size("thumbs/moon-40.png"), place.size("thumbs/square/moon.webp")), ((40, 40), (30, 30)));
    assert_eq!(run.row("in 4 files")[..4], ["2", "2", "0", "0"]);
}

#[test]
fn outputs_never_meet_and_an_earlier_run_is_replaced_but_not_read_again() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/a.gif");
    place.photo("misnamed/a-jpeg-called.png", "photos/a.jpg");
    place.photo("misnamed/a-jpeg-called.png", "photos/b.jpg");
    for (width, size) in [(40, (40, 27)), (30, (30, 20))] {
        let run = place.resize(&format!("run photos --width {width} --format webp --out photos/out"));
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(place.files("photos/out"), ["a.gif.webp", "a.jpg.webp", "b.webp"]);
        assert_eq!(place.size("photos/out/b.webp"), size);
        assert!(run.stdout.contains("2 outputs got another name"), "{}", run.stdout);
    }
}

#[test]
fn outputs_that_are_there_are_made_anew_or_skipped_as_asked() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/moon.gif");
    place.photo("misnamed/a-jpeg-called.png", "photos/photo.jpg");
    let run = |more: &str| place.resize(&format!("run photos --width 40 --format webp --out out {more}"));
    let at = |file: &str, seconds| {
        let file = fs::File::options().append(true).open(place.at(file)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    };
    let both = || ["out/moon.webp", "out/photo.webp"].map(|name| fs::read(place.at(name)).unwrap());
    assert_eq!(run("--if-exists skip").code, Some(0));
    let made = both();
    for name in ["out/moon.webp", "out/photo.webp"] {
        fs::write(place.at(name), "old").unwrap();
        at(name, 2000);
    }
    let skipped = run("--if-exists skip");
    assert_eq!((skipped.code, both()), (Some(0), [b"old".to_vec(), b"old".to_vec()]));
    assert_eq!(skipped.row("moon.gif"), ["photos/moon.gif", "done", "moon.webp, skipped: is there"]);
    assert_eq!(skipped.row("in 0 files")[..2], ["2", "2"]);
    assert!(skipped.stdout.contains("2 outputs were there already and skipped."), "{}", skipped.stdout);

    at("photos/moon.gif", 1000);
    at("photos/photo.jpg", 3000);
    let newer = run("--if-exists if-newer --json");
    assert_eq!((newer.code, both()), (Some(0), [b"old".to_vec(), made[1].clone()]), "{newer:?}");
    let document: Value = serde_json::from_str(&newer.stdout).unwrap();
    assert_eq!((&document["totals"]["skipped"], &document["totals"]["outputs"]), (&1.into(), &1.into()));
    let images = &document["images"];
    assert_eq!(images[0]["skipped"], serde_json::json!(["out/moon.webp"]), "{images}");
    assert_eq!((images[0]["bytes_in"].as_u64(), images[1].get("skipped")), (Some(0), None), "{images}");

    // In a file of renditions the flag is for those that do not say it themselves.
    let renditions = r#"[{"target":"{stem}.webp","width":40,"format":"webp"},
                         {"target":"too/{stem}.webp","width":40,"format":"webp","if_exists":"skip"}]"#;
    fs::write(place.at("renditions.json"), renditions).unwrap();
    for (flag, files) in [("", 4), ("--if-exists skip", 0), ("", 2), ("--if-exists replace", 2)] {
        let run = place.resize(&format!("run photos --renditions renditions.json --out out {flag}"));
        assert_eq!(run.row(&format!("in {files} files"))[..2], ["2", "2"], "{flag}");
    }
    assert_eq!(both(), made);
}

#[test]
fn photos_in_formats_that_are_not_read_are_said_and_a_folder_without_images_too() {
    let place = Place::empty();
    fs::create_dir(place.at("photos")).unwrap();
    fs::write(place.at("photos/phone.avif"), b"\0\0\0\x18ftypavif\0\0\0\0").unwrap();
    fs::write(place.at("photos/notes.txt"), b"nothing").unwrap();
    let run = place.resize("run photos --width 9 --out thumbs");
    let expected = "no images found\nSkipped, because the format is not supported: 1 AVIF.\n";
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), expected));
    assert!(!place.at("thumbs").exists());
}

#[test]
#[cfg(feature = "heic")]
fn a_phones_photos_are_made_and_the_video_of_a_live_photo_is_passed_over() {
    let place = Place::empty();
    fs::create_dir(place.at("phone")).unwrap();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/heic");
    for (file, name) in [("grid-irot-90", "IMG_1.HEIC"), ("mif1", "IMG_2.heif"), ("alpha", "IMG_3.heic")] {
        fs::copy(files.join(file).with_extension("heic"), place.at("phone").join(name)).unwrap();
    }
    fs::write(place.at("phone/IMG_1.MOV"), b"\0\0\0\x14ftypqt  \0\0\0\0qt  ").unwrap();
    let run = place.resize("run phone --width 40 --out thumbs");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(place.files("thumbs"), ["IMG_1.jpg", "IMG_2.jpg", "IMG_3.png"]);
    assert!(run.stdout.contains("Skipped: phone/IMG_1.MOV (the video of a Live Photo).\n"), "{run:?}");
}

#[test]
fn flags_of_the_pixels_do_what_the_fields_of_a_job_do() {
    let place = Place::empty();
    place.photo("portrait/lighthouse.jpg", "photo.jpg");
    let fields = r#"[{"target":"{stem}.{ext}","width":50,"height":40,"rotate":90,"grayscale":true,"position":"entropy",
        "metadata":"keep","progressive":true}]"#;
    fs::write(place.at("renditions.json"), fields).unwrap();
    let run = place.resize("run photo.jpg --renditions renditions.json --out fields");
    assert_eq!(run.code, Some(0), "{run:?}");
    let flags = "--width 50 --height 40 --rotate 90 --grayscale --position entropy --metadata keep --progressive";
    let run = place.resize(&format!("run photo.jpg {flags} --out flags"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let [fields, flags] = ["fields/photo.jpg", "flags/photo.jpg"].map(|file| fs::read(place.at(file)).unwrap());
    assert!(fields == flags, "the same file");
    assert_eq!(place.size("flags/photo.jpg"), (50, 40));
    for (flag, said) in [
        ("--rotate 45", "expected 0, 90, 180 or 270"),
        ("--position middle", "expected a side, a corner, center, attention or entropy"),
        ("--metadata all", "possible values: strip, keep-icc, keep"),
    ] {
        let run = place.resize(&format!("run photo.jpg --width 9 --out out {flag}"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(said), "{flag}: {run:?}");
    }
}

#[test]
fn what_cannot_be_begun_is_one_line_and_exit_code_2() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/moon.gif");
    fs::write(place.at("notes.txt"), "not an image").unwrap();
    fs::write(place.at("phone.avif"), b"\0\0\0\x18ftypavif\0\0\0\0").unwrap();
    fs::write(place.at("renditions.json"), r#"[{"target":"{stem}","widht":3}]"#).unwrap();
    fs::write(place.at("headers.json"), r#"[{"target":"{stem}","width":3,"headers":"copy"}]"#).unwrap();
    std::os::unix::fs::symlink("loop", place.at("loop")).unwrap();
    for (arguments, said) in [
        ("run nowhere --width 9 --out out", "cannot read nowhere: No such file"),
        ("run photos nowhere --width 9 --out out", "cannot read nowhere: No such file"),
        ("run loop --width 9 --out out", "cannot read loop: "),
        ("run notes.txt --width 9 --out out", "notes.txt is not an image: "),
        ("run phone.avif --width 9 --out out", "phone.avif: file is AVIF, which is not supported"),
        ("run photos --width 9 --out notes.txt", "cannot write to --out notes.txt: not a folder"),
        ("run photos --width 9 --out notes.txt/out", "cannot write to --out notes.txt/out: Not a directory"),
        ("run photos --width 9 --out /proc/out", "cannot write to --out /proc/out: "),
        ("run photos --width 9 --out photos", "--out photos is one of the folders to read"),
        ("run photos --renditions renditions.json --out out", "[0].widht is not a known field"),
        ("run photos --renditions nowhere.json --out out", "cannot read --renditions nowhere.json"),
        ("run photos --renditions headers.json --out out", "[0].headers apply to s3:// targets only"),
        ("run photos/moon.gif --width 9 --out photos/moon.gif", "cannot write to --out photos/moon.gif"),
    ] {
        let run = place.resize(arguments);
        assert!(run.refusal().contains(said), "{arguments}: {run:?}");
    }
    place.photo("misnamed/a-jpeg-called.png", "photo.jpg");
    let run = place.resize("run photo.jpg --width 9 --out .");
    assert!(run.refusal().contains("would overwrite the photo"), "{run:?}");
    assert_eq!(
        place.files("."),
        ["headers.json", "notes.txt", "phone.avif", "photo.jpg", "photos/moon.gif", "renditions.json"]
    );
}

#[test]
fn pipes_and_devices_are_passed_over_by_name_and_nobody_waits_for_them() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/moon.gif");
    for pipe in ["pipe.jpg", "photos/pipe.jpg"] {
        assert!(Command::new("mkfifo").arg(place.at(pipe)).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", place.at("photos/zero.jpg")).unwrap();
    let run = place.resize("run photos pipe.jpg /dev/zero --width 9 --out out");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(place.files("out"), ["photos/moon.png"]);
    assert!(run.stdout.contains("Skipped: photos/pipe.jpg (a named pipe), photos/zero.jpg (a device).\n"), "{run:?}");
    assert_eq!(run.row("pipe.jpg")[1..], ["refused", "it is a named pipe; expected a file"]);
    assert_eq!(run.row("/dev/zero")[1..], ["refused", "it is a device; expected a file"]);
    let run = place.resize("run photos --width 9 --out out --json");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &document["passed_over"][0]["is"]), (Some(0), &"a named pipe".into()), "{run:?}");
}

#[test]
fn names_are_what_the_file_system_takes_and_links_lead_where_they_lead() {
    let place = Place::empty();
    let names =
        ["new\nline.jpg", "back\\slash.jpg", "%2e%2e%2f.jpg", "caf\u{e9}.jpg", &format!("{}.jpg", "a".repeat(251))];
    for name in names {
        place.photo("misnamed/a-jpeg-called.png", &format!("album/{name}"));
    }
    place.photo("misnamed/a-jpeg-called.png", "elsewhere/b.jpg");
    for folder in ["out", "made"] {
        fs::create_dir(place.at(folder)).unwrap();
    }
    for (to, link) in [
        ("album", "linked"),
        ("../elsewhere/b.jpg", "album/link.jpg"),
        ("../made", "out/album"),
        ("../elsewhere/b.jpg", "made/link.jpg"),
    ] {
        std::os::unix::fs::symlink(to, place.at(link)).unwrap();
    }
    let photo = fs::read(place.at("elsewhere/b.jpg")).unwrap();
    let run = place.resize("run linked elsewhere --width 9 --out out");
    assert_eq!(run.code, Some(0), "{run:?}");
    for name in names {
        assert_eq!(place.size(&format!("out/album/{name}")), (9, 6), "{name:?}");
    }
    assert_eq!(place.size("out/album/link.jpg"), (9, 6));
    assert_eq!(fs::read(place.at("elsewhere/b.jpg")).unwrap(), photo, "a link to a photo was replaced, not the photo");
}

#[test]
fn wrong_arguments_are_exit_code_2_and_help_is_0() {
    let place = Place::with_photos();
    for arguments in [
        "",
        "nonsense",
        "run --width 9 --out out",
        "run photos --width 9",
        "run photos --out out",
        "run photos --width 0 --out out",
        "run photos --width 99999 --out out",
        "run photos --width 9 --quality 0 --out out",
        "run photos --width 9 --fit round --out out",
        "run photos --width 9 --renditions r.json --out out",
    ] {
        let run = place.resize(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments}: {run:?}");
        assert!(!run.stderr.is_empty(), "{arguments}");
    }
    assert_eq!(place.resize("run --help").code, Some(0));
    assert!(!place.at("out").exists());
}

/// The broken photo is the first job: its line in the log says that work goes on, with hundreds of others to come.
#[test]
fn ctrl_c_leaves_whole_outputs_and_says_what_was_done() {
    let place = Place::empty();
    place.photo("broken/torn-in-half.jpg", "photos/0.jpg");
    for number in 1000..1400 {
        place.photo("landscape/lake/mountain-lake.jpg", &format!("photos/{number}.jpg"));
    }
    let mut command = place.command("run photos --width 8 --height 8 --out thumbs");
    let mut child = command.env("RUST_LOG", "sqs_batch=warn").spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(line.contains("the job failed"), "{line}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let run = Run::of(child.wait_with_output().unwrap());

    assert_eq!(run.code, Some(130), "{run:?} {rest}");
    assert!(run.stdout.contains("Stopped by Ctrl-C with "), "{}", run.stdout);
    assert_eq!(run.row("photos/0.jpg")[1], "dead-lettered");
    let outputs = place.files("thumbs");
    assert!(outputs.len() < 400, "nothing was left to interrupt");
    for output in outputs {
        let path = place.at("thumbs").join(&output);
        assert!(path.extension().is_some_and(|extension| extension == "jpg"), "{output} is no output");
        let image = image::ImageReader::open(path).unwrap().decode().unwrap();
        assert_eq!((image.width(), image.height()), (8, 8), "{output}");
    }
}

/// A pipe that nobody reads.
fn closed_pipe() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn a_reader_that_goes_away_is_silence_and_no_failure() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/moon.gif");
    for arguments in ["run photos --width 9 --out out", "run photos --width 9 --out out --json", "--help", "--version"]
    {
        let mut command = place.command(arguments);
        let status = command.stdout(closed_pipe()).stderr(closed_pipe()).env("RUST_LOG", "trace").status().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments}");
    }
    let status = place.command("run nowhere --width 9 --out out").stderr(closed_pipe()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn output_that_cannot_be_written_is_exit_code_1() {
    let place = Place::empty();
    place.photo("still-life/moon.gif", "photos/moon.gif");
    for arguments in
        ["run photos --width 9 --out out", "run photos --width 9 --out out --json", "--help", "run --help", "--version"]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let run = Run::of(place.command(arguments).stdout(full).output().unwrap());
        assert_eq!(run.code, Some(1), "{arguments}: {run:?}");
        assert!(run.stderr.contains("failed to write to standard output: No space left"), "{arguments}: {run:?}");
    }
}

#[test]
fn names_of_files_cannot_command_the_terminal_or_forge_a_line() {
    let place = Place::empty();
    let names =
        ["esc\u{1b}]0;title\u{7}.jpg", "c1\u{9b}31m.jpg", "rtl\u{202e}gpj.jpg", "new\nline forged.jpg", "tab\t.jpg"];
    for name in names {
        place.photo("misnamed/a-jpeg-called.png", &format!("photos/{name}"));
        // What cannot be read is a dead letter, whose reason may name the file too.
        place.photo("broken/torn-in-half.jpg", &format!("photos/broken {name}"));
    }
    let commands =
        |char: char| char.is_control() && !matches!(char, '\n' | '\t') || ('\u{202a}'..='\u{202e}').contains(&char);
    for (arguments, is_json) in
        [("run photos --width 9 --out out", false), ("run photos --width 9 --out out --json", true)]
    {
        let run = Run::of(place.command(arguments).env("RUST_LOG", "trace").output().unwrap());
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(commands), "{arguments}: {}", text.escape_debug());
        }
        if is_json {
            let document: Value = serde_json::from_str(&run.stdout).unwrap();
            let sources: Vec<_> = document["images"].as_array().unwrap().iter().map(|image| &image["source"]).collect();
            for name in names {
                assert!(sources.contains(&&Value::from(format!("photos/{name}"))), "{name:?} is not in {sources:?}");
            }
        } else {
            assert!(!run.stdout.lines().any(|line| line.starts_with("line forged")), "{}", run.stdout);
            assert!(run.stdout.contains("new\\nline forged.jpg"), "{}", run.stdout);
        }
    }
    let run =
        Run::of(place.command("run").arg("photos/\u{1b}[31m").args(["--out", "out", "--width", "9"]).output().unwrap());
    assert!(!run.refusal().contains(commands), "{run:?}");
    let run = Run::of(place.command("run").arg("--\u{9b}31m").output().unwrap());
    assert!(run.code == Some(2) && !run.stderr.contains(commands), "{run:?}");
}

#[test]
fn an_endpoint_that_is_down_is_one_line_that_says_what_to_check() {
    let place = Place::empty();
    for arguments in [
        "work --queue-url http://127.0.0.1:1/000000000000/jobs",
        "dead-letters list --queue-url http://127.0.0.1:1/000000000000/jobs",
        "submit --queue-url http://127.0.0.1:1/000000000000/jobs --target s3://bucket/{key} --width 9 s3://album/b.jpg",
    ] {
        let mut command = place.command(arguments);
        command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_MAX_ATTEMPTS", "1");
        command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret");
        let run = Run::of(command.output().unwrap());
        let refusal = run.refusal();
        let begins =
            "GetQueueAttributes on http://127.0.0.1:1/000000000000/jobs failed: no connection to http://127.0.0.1:1: ";
        assert!(refusal.starts_with(begins) && refusal.len() < 350, "{arguments}: {run:?}");
        assert!(refusal.contains("AWS_ENDPOINT_URL") && refusal.contains("AWS_REGION"), "{run:?}");
    }
}

#[test]
fn a_signal_ends_a_command_that_waits_for_its_input() {
    let place = Place::empty();
    for arguments in [
        "submit --queue-url http://127.0.0.1:1/q --jobs -",
        "dead-letters send --queue-url http://127.0.0.1:1/q --file -",
    ] {
        for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
            let mut command = place.command(arguments);
            let mut child =
                command.stdin(Stdio::piped()).env("RUST_LOG", "trace").env("AWS_REGION", "us-east-1").spawn().unwrap();
            // It listens for signals before it logs anything.
            let mut log = BufReader::new(child.stderr.take().unwrap());
            log.read_line(&mut String::new()).unwrap();
            assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
            std::io::copy(&mut log, &mut std::io::sink()).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments}");
        }
    }
}
