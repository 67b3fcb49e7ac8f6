//! Writes the hostile files to a folder, to be looked at or to be given to something else:
//! `cargo run -p tests --example hostile_files -- DIR`. With `--seeds DIR` what the fuzz targets
//! of images start from, a folder each; those of texts start from `tests/fuzz/seeds`.

use std::fs;
use std::path::Path;

use tests::hostile::corpus;
use tests::hostile::samples::samples;

/// Longer files make a fuzzer slow.
const SEED_BYTES_MAX: usize = 8 * 1024;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, folder] if flag == "--seeds" => seeds(Path::new(folder)),
        [folder] if !folder.starts_with('-') => all(Path::new(folder)),
        _ => anyhow::bail!("expected a folder, or --seeds and a folder"),
    }
}

fn all(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for file in corpus() {
        fs::write(folder.join(&file.name), &file.bytes)?;
    }
    Ok(())
}

fn seeds(folder: &Path) -> anyhow::Result<()> {
    for target in ["probe", "resize", "jpeg_decoder", "heic"] {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        let wanted = |name: &str| match target {
            "jpeg_decoder" => name.starts_with("jpeg"),
            "heic" => name.starts_with("heic"),
            _ => true,
        };
        for sample in samples().iter().filter(|sample| wanted(sample.name)) {
            fs::write(folder.join(sample.name), &sample.bytes)?;
        }
        // A few of each kind of attack: the fuzzer makes the rest itself.
        let files = corpus();
        for file in files.iter().filter(|file| wanted(&file.name) && file.bytes.len() <= SEED_BYTES_MAX).step_by(11) {
            fs::write(folder.join(&file.name), &file.bytes)?;
        }
    }
    Ok(())
}
