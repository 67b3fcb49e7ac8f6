//! Against libjpeg's own tools, where they are installed (Debian's `libjpeg-turbo-progs`).

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// Runs a tool on some bytes. None where it is not installed.
fn run(tool: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    drop(writer.join());
    assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

fn is_installed() -> bool {
    let installed = ["cjpeg", "djpeg"]
        .iter()
        .all(|tool| Command::new(tool).arg("-version").stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok());
    if !installed {
        eprintln!("skipped: djpeg and cjpeg of libjpeg-turbo are not installed");
    }
    installed
}

/// What `djpeg -scale` makes of a file.
pub(super) fn djpeg(bytes: &[u8], scale: Scale) -> Option<Decoded> {
    djpeg_with(bytes, scale, &[])
}

/// The same with more options.
pub(super) fn djpeg_with(bytes: &[u8], scale: Scale, options: &[&str]) -> Option<Decoded> {
    let scale = format!("1/{}", scale.denominator());
    let pnm = run("djpeg", &[&["-scale", &scale, "-pnm"], options].concat(), bytes)?;
    let mut fields = pnm.splitn(4, u8::is_ascii_whitespace);
    let gray = fields.next()? == b"P5";
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let size = Size { width: number()?, height: number()? };
    let data = fields.next()?.strip_prefix(b"255\n")?.to_vec();
    Some(Decoded { size, channels: if gray { 1 } else { 3 }, data })
}

pub(super) fn assert_like_libjpeg(bytes: &[u8], case: &str) {
    for scale in Scale::ALL {
        let expected = djpeg(bytes, scale).unwrap();
        let found = decoded(bytes, scale).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!((found.size, found.channels), (expected.size, expected.channels), "{case}, {scale:?}");
        let differences = found.data.iter().zip(&expected.data).map(|(found, expected)| found.abs_diff(*expected));
        let largest = differences.clone().max().unwrap_or(0);
        let count = differences.filter(|difference| *difference > 0).count();
        assert!(largest == 0, "{case}, {scale:?}: {count} of {} differ by up to {largest}", found.data.len());
    }
}

/// One file by `cjpeg`: the picture, and what it was asked for.
fn file(seed: u64) -> (Vec<u8>, String) {
    const SAMPLINGS: [&str; 20] = [
        "1x1,1x1,1x1",
        "2x1,1x1,1x1",
        "2x2,1x1,1x1",
        "1x2,1x1,1x1",
        "4x1,1x1,1x1",
        "3x1,1x1,1x1",
        "1x4,1x1,1x1",
        "1x3,1x1,1x1",
        "4x2,1x1,1x1",
        "2x4,1x1,1x1",
        "2x2,2x1,2x1",
        "2x2,1x2,1x2",
        "2x2,2x1,1x2",
        "3x2,1x1,1x1",
        "1x1,2x2,1x1",
        "2x1,2x1,2x1",
        "1x1,1x2,2x1",
        "4x1,2x1,1x1",
        "2x2,1x1,2x2",
        "1x4,1x2,1x1",
    ];
    const MULTISCAN: &str = "0;\n1;\n2;\n";
    const PAIRS: &str = "0;\n1 2;\n";
    const SPECTRAL: &str = "0 1 2: 0 0 0 1;\n2: 1 63 0 0;\n0: 1 5 0 2;\n1: 1 63 0 1;\n0: 6 63 0 2;\n0: 1 63 2 1;\n\
                            0 1 2: 0 0 1 0;\n1: 1 63 1 0;\n0: 1 63 1 0;\n";
    let mut random = fastrand::Rng::with_seed(seed);
    let (width, height) = (random.u32(1..=40), random.u32(1..=40));
    let (width, height) = if random.u8(0..8) == 0 { (width * 7, height * 5) } else { (width, height) };
    let mut input = format!("P6\n{width} {height}\n255\n").into_bytes();
    input.extend(picture(&mut random, width, height));
    let quality = [1, 10, 30, 50, 75, 85, 92, 100][random.usize(0..8)].to_string();
    let mut arguments: Vec<String> = vec!["-quality".into(), quality];
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    match random.u8(0..8) {
        0 => add(&["-grayscale"]),
        1 => add(&["-rgb"]),
        _ => add(&["-sample", SAMPLINGS[random.usize(..SAMPLINGS.len())]]),
    }
    let gray = arguments.contains(&"-grayscale".to_owned());
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    let mut script = tempfile::NamedTempFile::new().unwrap();
    let path = script.path().to_str().unwrap().to_owned();
    let mut scans = |text: &str| script.write_all(text.as_bytes()).unwrap();
    match random.u8(0..8) {
        0 | 1 => add(&["-progressive"]),
        2 => add(&["-optimize"]),
        3 if !gray => {
            scans([MULTISCAN, PAIRS][random.usize(0..2)]);
            add(&["-scans", &path]);
        }
        4 if !gray => {
            scans(SPECTRAL);
            add(&["-scans", &path]);
        }
        _ => {}
    }
    match random.u8(0..4) {
        0 => add(&["-restart", &format!("{}B", random.u8(1..20))]),
        1 => add(&["-restart", "1"]),
        _ => {}
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let bytes = run("cjpeg", &words, &input).unwrap();
    (bytes, format!("seed {seed}: {width}x{height} {words:?}"))
}

/// Some thousands with `SLOW=1`.
#[test]
fn generated_images_are_those_of_libjpeg_to_the_bit() {
    if !is_installed() {
        return;
    }
    let count = if std::env::var_os("SLOW").is_some() { 4000 } else { 250 };
    let first: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for seed in first..first + count {
        let (bytes, case) = file(seed);
        assert_like_libjpeg(&bytes, &case);
    }
}

#[test]
fn the_corpus_is_that_of_libjpeg() {
    if is_installed() {
        for (name, bytes, _) in corpus::FILES {
            assert_like_libjpeg(bytes, name);
        }
    }
}
