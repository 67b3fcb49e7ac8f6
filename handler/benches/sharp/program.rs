//! `resize run` as it ships, on a folder of photos, beside a node that makes the same with sharp: all processor time of both
//! processes, from their start to their end.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{Side, pictures, rounds, table};

/// Copies of one photo, so that what they cost is known.
const PHOTOS: u32 = 20;
/// Widths, and ours by sharp's: what it must not exceed, and what it should not.
const BARS: [(u32, f64, f64); 3] = [(200, 0.48, 0.40), (800, 0.66, 0.60), (1600, 0.58, 0.50)];
/// Of those in which the kernel counts for others, whatever its own are.
const TICKS_PER_SECOND: f64 = 100.0;

/// Prints the table, if the program is there.
pub(crate) fn print(packages: &Path, folder: &Path) {
    let Some(resize) = shipped() else {
        println!("\nThe whole program is left out: cargo build --release -p handler makes it.");
        return;
    };
    let photos = folder.join("photos");
    fs::create_dir_all(&photos).expect("the folder can be made");
    for number in 0..PHOTOS {
        let copy = photos.join(format!("{number:02}.jpg"));
        if !copy.exists() {
            fs::copy(folder.join(pictures::JPEG_12), copy).expect("the photo was made");
        }
    }
    println!("\n| {PHOTOS} JPEGs of 12 MP, whole programs | time by sharp's | must | aim | ms a photo, sharp's |");
    println!("| --- | --- | --- | --- | --- |");
    for (width, must, aim) in BARS {
        let (mut ours, mut sharp) = <(Side, Side)>::default();
        for _ in 0..rounds() {
            ours.times.push(run(|out| {
                let mut command = Command::new(&resize);
                command.arg("run").arg(&photos).args(["--width", &width.to_string(), "--out"]).arg(out);
                command
            }));
            sharp.times.push(run(|out| {
                let mut command = Command::new("node");
                command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sharp/folder.mjs"));
                command.env("SHARP", packages).arg(&photos).arg(out).arg(width.to_string());
                command
            }));
        }
        let (ours, sharp) = (ours.median().as_secs_f64(), sharp.median().as_secs_f64());
        let ratio = ours / sharp;
        let ratio = table::beside_bars(&format!("{ratio:.2}"), ratio, must, aim);
        let each = |seconds: f64| seconds * 1e3 / f64::from(PHOTOS);
        println!("| -> {width} | {ratio} | {must:.2} | {aim:.2} | {:.0}, {:.0} |", each(ours), each(sharp));
    }
}

/// The release build that lies beside this program.
fn shipped() -> Option<PathBuf> {
    let beside = env::current_exe().ok()?.parent()?.parent()?.join("resize");
    beside.exists().then_some(beside)
}

/// Runs a command to its end, and says what it took of processors.
pub(crate) fn run(command: impl FnOnce(&Path) -> Command) -> Duration {
    let out = tempfile::tempdir().expect("a folder can be made");
    let mut command = command(out.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("it is a process");
    // Until it is waited for, what it has taken can be read.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("it is a child");
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("Linux has it");
    let status = child.wait().expect("it has ended");
    assert!(status.success(), "{command:?}: {status}");
    // Behind the name, which may have blanks: state, parent and so on; the 12th and 13th are times.
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("it has a name").1.split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().expect("it is a number")).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}
