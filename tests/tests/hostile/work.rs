//! What is done in a process of its own: files in an order that is always the same, of which it takes every n-th.

use std::io::Write as _;

use handler::resize::ResizeOptions;
use image_renditions::Limits;
use image_renditions::jpeg::Arena;
use image_renditions::options::{Blur, Fit, Metadata, OutputFormat, Rendition, Rotation, Sharpen, Strategy};
use tests::hostile::examine::{Outcome, SLACK_BYTES, examine, renditions};
use tests::hostile::large::INPUTS;
use tests::hostile::mutants::Mutants;
use tests::hostile::rendition::rendition;
use tests::hostile::{Expected, HostileFile, corpus};

use super::meter::Process;

/// A part of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// The files that were thought of.
    Corpus,
    /// The files that were found.
    Findings,
    /// Good files at the pixel limit: whether the price is enough.
    Prices,
    /// The files that chance makes.
    Mutants,
}

impl Work {
    pub(crate) const ALL: [Self; 4] = [Self::Corpus, Self::Findings, Self::Prices, Self::Mutants];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Corpus => "corpus",
            Self::Findings => "findings",
            Self::Prices => "prices",
            Self::Mutants => "mutants",
        }
    }
}

/// The seed of the mutants.
pub(crate) fn seed() -> u64 {
    tests::seeds(1)[0]
}

/// How many mutants there are.
fn mutants() -> u64 {
    let slow = std::env::var("SLOW").is_ok_and(|slow| slow == "1");
    std::env::var("MUTANTS").map_or(if slow { 10_000_000 } else { 30_000 }, |count| count.parse().unwrap())
}

/// Whether each input is brought to each output; otherwise to every other one, the neighbour in the table to the rest.
fn all_prices() -> bool {
    std::env::var_os("SLOW").is_some_and(|slow| slow == "1")
        || std::env::var_os("PRICES").is_some_and(|prices| prices == "all")
}

/// A worker's whole life: `work` is its name, `share` is "2/4" for the third of four, `start` the first file to look at.
pub(crate) fn run(work: &str, share: &str, start: &str) {
    let (share, shares) = share.split_once('/').unwrap();
    let (share, shares): (u64, u64) = (share.parse().unwrap(), shares.parse().unwrap());
    let mine = |index: &u64| index % shares == share && *index >= start.parse::<u64>().unwrap();
    // A panic's text goes into the outcome; its place is worth having beside it.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut bench = Bench::new();
    match Work::ALL.into_iter().find(|known| known.name() == work).unwrap() {
        Work::Corpus => bench.files(&corpus(), mine),
        Work::Findings => bench.files(&findings(), mine),
        Work::Prices => bench.prices(mine),
        Work::Mutants => bench.mutants(&Mutants::new(seed()), (0..mutants()).filter(mine)),
    }
}

/// What fuzzing found, wherever it was found; all of it is a file to this test.
fn findings() -> Vec<HostileFile> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/findings");
    let mut found = Vec::new();
    for target in ["heic", "jpeg_decoder", "probe", "resize"] {
        let mut files: Vec<_> =
            std::fs::read_dir(folder.join(target)).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        found.extend(files.iter().filter(|path| !path.ends_with(".gitkeep")).map(|path| HostileFile {
            family: "findings",
            name: format!("{target}/{}", path.file_name().unwrap().to_string_lossy()),
            expected: Expected::Either,
            bytes: std::fs::read(path).unwrap(),
        }));
    }
    found
}

struct Bench {
    limits: Limits,
    process: Process,
    arena: Arena,
}

/// What a worker keeps of an arena between images, so that used buffers are met as well as fresh ones.
const ARENA_BYTES_MAX: usize = 256 * 1024;

/// Larger mutants are refused, so that hundreds of thousands can be looked at; one in so many is not.
const MUTANT_PIXELS_MAX: u64 = 300_000;
const FULL_SIZE_EVERY: u64 = 500;

impl Bench {
    fn new() -> Self {
        Self { limits: ResizeOptions::default().limits, process: Process::new(), arena: Arena::default() }
    }

    fn files(&mut self, files: &[HostileFile], mine: impl Fn(&u64) -> bool) {
        Process::set_ceiling(self.limits.memory_bytes_max + SLACK_BYTES);
        for (file, index) in files.iter().zip(0..).filter(|(_, index)| mine(index)) {
            say(&format!("began\t{index}\t{}\t{}", file.family, file.name));
            let limits = self.limits.clone();
            let outcome = self.examine(&file.bytes, file.expected, &limits);
            tell(&outcome);
        }
    }

    fn mutants(&mut self, mutants: &Mutants, mine: impl Iterator<Item = u64>) {
        let small = Limits { pixels_max: MUTANT_PIXELS_MAX, ..self.limits.clone() };
        Process::set_ceiling(self.limits.memory_bytes_max + SLACK_BYTES);
        for index in mine {
            let mutant = mutants.mutant(index);
            let format = mutant.sample.split('-').next().unwrap();
            say(&format!("began\t{index}\t{format}\tmutant {index} of {}", mutant.sample));
            let limits = if index % FULL_SIZE_EVERY == 0 { self.limits.clone() } else { small.clone() };
            let outcome = self.examine(&mutant.bytes, Expected::Either, &limits);
            tell(&outcome);
        }
    }

    /// Every way of coding at a pixel limit, to every format, small and not so small: a function with as much memory for
    /// each pixel of its limit as the default one has.
    fn prices(&mut self, mine: impl Fn(&u64) -> bool) {
        let options = ResizeOptions::for_memory(PRICE_MEMORY_BYTES);
        let limits = Limits { pixels_max: u64::from(PRICE_WIDTH * PRICE_HEIGHT), ..options.limits };
        for ((input, make), index) in INPUTS.into_iter().zip(0..).filter(|(_, index)| mine(index)) {
            let bytes = make(PRICE_WIDTH, PRICE_HEIGHT);
            // Two inputs that stand side by side are in different shares.
            let chosen = |place: usize| all_prices() || place % 2 == usize::try_from(index / 2 % 2).unwrap();
            for (_, (to, rendition)) in (0..).zip(price_renditions()).filter(|(place, _)| chosen(*place)) {
                say(&format!("began\t{index}\tprices\t{input} to {to}"));
                let outcome = examine(
                    &bytes,
                    Expected::Either,
                    std::slice::from_ref(&rendition),
                    &limits,
                    &mut Arena::default(),
                    &self.process,
                );
                let (price, peak) = (outcome.price_bytes, outcome.peak_bytes);
                if peak > price {
                    say(&format!("problem\tit held {peak} bytes, which is more than its price of {price}"));
                }
                if outcome.images.is_some() && price > PRICE_MEMORY_BYTES / 100 * 75 {
                    say(&format!("problem\tits price of {price} bytes is more than 75 % of {PRICE_MEMORY_BYTES}"));
                }
                if let Some(text) = &outcome.refusal
                    && price <= limits.memory_bytes_max
                {
                    say(&format!("problem\tit was refused: {text}"));
                }
                say(&format!("price\t{input}\t{to}\t{price}\t{peak}\t{}", u8::from(outcome.images.is_some())));
                tell(&outcome);
            }
        }
    }

    fn examine(&mut self, bytes: &[u8], expected: Expected, limits: &Limits) -> Outcome {
        let outcome = examine(bytes, expected, &renditions(), limits, &mut self.arena, &self.process);
        self.arena.shrink_to(ARENA_BYTES_MAX);
        outcome
    }
}

/// The pixel limit of the prices, and as much memory for each pixel of it as the default function has: 1 GiB for 50 MP.
pub(crate) const PRICE_WIDTH: u32 = 4000;
pub(crate) const PRICE_HEIGHT: u32 = 3000;
pub(crate) const PRICE_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

fn price_renditions() -> Vec<(String, Rendition)> {
    let formats = [(OutputFormat::Jpeg, "JPEG"), (OutputFormat::Png, "PNG"), (OutputFormat::Webp, "WebP")];
    let pairs = formats.into_iter().flat_map(|(format, name)| [200, 1600].map(|side| (side, format, name)));
    let plain = pairs.map(|(side, format, name)| (format!("{name} {side}"), rendition(side, Fit::Inside, format)));
    // All that takes memory of its own, one after the other.
    let edited = |strategy, rotate| Rendition {
        strategy: Some(strategy),
        rotate,
        blur: Some(Blur::Sigma(9.0)),
        sharpen: Some(Sharpen::Sigma(2.0)),
        metadata: Metadata::Keep,
        ..rendition(900, Fit::Cover, OutputFormat::Png)
    };
    let attention = edited(Strategy::Attention, Rotation::Quarter);
    let entropy = Rendition { grayscale: true, ..edited(Strategy::Entropy, Rotation::Half) };
    plain.chain([("edited PNG 900".to_owned(), attention), ("gray PNG 900".to_owned(), entropy)]).collect()
}

/// Writes a line that is there even if the process ends right after it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn tell(outcome: &Outcome) {
    for problem in &outcome.problems {
        say(&format!("problem\t{}", problem.replace(['\n', '\t'], " ")));
    }
    let verdict = match (&outcome.images, outcome.probed) {
        (Some(_), _) => "made",
        (None, true) => "refused later",
        (None, false) => "refused",
    };
    let (cpu, peak) = (outcome.cpu.as_micros(), outcome.peak_bytes);
    say(&format!("done\t{verdict}\t{cpu}\t{peak}\t{}", outcome.probe_cpu.as_micros()));
}
