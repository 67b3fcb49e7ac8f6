//! Images made beside sharp: processor time, quality and bytes of each workload, the time of `resize run` as a whole program,
//! and the memory of a process.
//!
//! ```text
//! cargo build --release -p handler     # for `-- "whole program"`
//! cargo bench -p handler --no-default-features --bench sharp [-- PART OF A WORKLOAD'S NAME]
//! ```
//!
//! What it prints is the section "Beside sharp" of the README. It needs Linux, node, and sharp, which `.ci/install_sharp`
//! installs into `.cache/sharp`.
//!
//! - Both work on bytes in memory, and make bytes. Rounds are interleaved, so that whatever else the machine does hits
//!   both alike; the medians are compared. `ROUNDS` is how many there are.
//! - Sharp runs in one node that lasts, warmed up, with one thread to a pipeline. Its time is that of all its threads.
//! - Pictures are made up, as large and as rich in detail as photos are. `PHOTOS` names a folder with files of your own,
//!   for more rows.
//! - Quality is SSIMULACRA2 beside a resampler in floats, which decodes in full.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use handler::pixels::Encoded;
use handler::pixels::jpeg::Arena;
use handler::pixels::options::Rendition;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

#[path = "../../../tests/tests/sharp/child.rs"]
mod child;
mod heic;
mod memory;
#[path = "../../../tests/tests/sharp/ours.rs"]
mod ours;
#[path = "../../../tests/tests/sharp/photo.rs"]
mod photo;
mod pictures;
mod program;
#[path = "../../../tests/tests/sharp/quality.rs"]
mod quality;
mod table;
mod workloads;

use child::{Answer, Sharp};
use quality::{Gamut, Picture};
use workloads::Workload;

/// Rounds, unless `ROUNDS` says otherwise; odd, so that there is one in the middle.
const ROUNDS: usize = 11;

/// A workload, and what was measured.
struct Row {
    workload: Workload,
    bytes: Vec<u8>,
    renditions: Vec<Rendition>,
    arena: Arena,
    ours: Side,
    sharp: Side,
}

/// One of the two.
#[derive(Default)]
struct Side {
    times: Vec<Duration>,
    /// Of the outputs, the mean; none where the reference cannot be computed.
    score: Option<f64>,
    /// Of all outputs.
    bytes: usize,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, file, width] = &arguments[..]
        && flag == memory::FLAG
    {
        return memory::be_one_process(Path::new(file), width);
    }
    let packages = match Sharp::packages() {
        Ok(packages) => packages,
        Err(missing) => {
            eprintln!("{missing}");
            std::process::exit(2);
        }
    };
    let wanted = |name: &str| arguments.iter().all(|part| name.contains(part.as_str()));
    let mut sharp = Sharp::start(&packages);
    let folder = pictures::make(&mut sharp);
    let photos = env::var_os("PHOTOS").map(PathBuf::from);
    let photos = photos.map(|folder| workloads::of_photos(&folder)).unwrap_or_default();

    table::print_machine(&packages);
    for workloads in [workloads::all(&folder), photos] {
        let mut rows: Vec<Row> =
            workloads.into_iter().filter(|workload| wanted(&workload.name)).map(Row::new).collect();
        for row in &mut rows {
            row.compare_outputs(&mut sharp);
        }
        for _ in 0..rounds() {
            for row in &mut rows {
                row.measure(&mut sharp);
            }
        }
        table::print(&rows);
    }
    if wanted("HEIC") {
        heic::print(&folder);
    }
    if wanted("whole program") {
        program::print(&packages, &folder);
    }
    if wanted("memory") {
        memory::print(&packages, &folder);
    }
}

fn rounds() -> usize {
    env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("ROUNDS is a number"))
}

impl Row {
    fn new(workload: Workload) -> Self {
        let bytes = fs::read(&workload.input).expect("it was made");
        let renditions = ours::renditions(&workload.outputs);
        let (ours, sharp) = Default::default();
        Self { workload, bytes, renditions, arena: Arena::default(), ours, sharp }
    }

    fn make_ours(&mut self) -> Vec<Encoded> {
        ours::resize(&self.bytes, &self.renditions, &mut self.arena).expect("it is sound")
    }

    fn make_sharp(&self, sharp: &mut Sharp, outputs: &[Value]) -> Answer {
        sharp.resize(&self.workload.input, outputs).expect("it is sound")
    }

    /// Makes the outputs once, which warms both up, and says how good they are.
    fn compare_outputs(&mut self, sharp: &mut Sharp) {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let files: Vec<PathBuf> =
            (0..self.renditions.len()).map(|index| folder.path().join(index.to_string())).collect();
        let outputs = self.workload.outputs.iter().zip(&files).map(|(output, file)| {
            let mut output = output.clone();
            output["to"] = file.to_str().expect("it is text").into();
            output
        });
        let answer = self.make_sharp(sharp, &outputs.collect::<Vec<_>>());
        let theirs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("sharp wrote it")).collect();
        let ours = self.make_ours();
        for (ours, &(width, height, _)) in ours.iter().zip(&answer.outputs) {
            let same = ours.width.abs_diff(width) <= 1 && ours.height.abs_diff(height) <= 1;
            assert!(same, "{}: {}x{} beside {width}x{height}", self.workload.name, ours.width, ours.height);
        }
        let ours: Vec<Vec<u8>> = ours.into_iter().map(|output| output.bytes).collect();
        self.ours.bytes = ours.iter().map(Vec::len).sum();
        self.sharp.bytes = theirs.iter().map(Vec::len).sum();
        if let Some(gamut) = self.workload.gamut {
            let source = Picture::decode(&self.bytes, gamut);
            self.ours.score = Some(score(&source, &ours));
            self.sharp.score = Some(score(&source, &theirs));
        }
    }

    fn measure(&mut self, sharp: &mut Sharp) {
        let before = processor_time();
        let made = self.make_ours();
        self.ours.times.push(processor_time().saturating_sub(before));
        drop(made);
        let theirs = self.make_sharp(sharp, &self.workload.outputs);
        self.sharp.times.push(Duration::from_micros(theirs.cpu_microseconds));
    }
}

impl Side {
    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

/// The mean score of files beside what their source should have become.
fn score(source: &Picture, files: &[Vec<u8>]) -> f64 {
    let score = |file: &Vec<u8>| {
        let made = Picture::decode(file, Gamut::Srgb);
        source.lanczos(made.width, made.height).score(&made)
    };
    let count = u32::try_from(files.len()).expect("they are few");
    files.iter().map(score).sum::<f64>() / f64::from(count)
}

/// What all threads of this process have worked so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |part: i64| u64::try_from(part).expect("time only grows");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}
