//! Runs that outlive their process: `resize run --data`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use serde_json::Value;

use super::{Place, Run};

const PHOTOS: usize = 120;
const RUN: &str = "run photos --width 64 --out thumbs --data kept";

fn place() -> Place {
    let place = Place::empty();
    place.photo("broken/torn-in-half.jpg", "photos/torn.jpg");
    for number in 0..PHOTOS {
        place.photo("landscape/hills-at-dusk.jpg", &format!("photos/{number}.jpg"));
    }
    place
}

/// The images that were made, and when.
fn made(place: &Place) -> BTreeMap<String, SystemTime> {
    let Ok(files) = fs::read_dir(place.at("thumbs")) else { return BTreeMap::new() };
    let files = files.map(Result::unwrap).map(|file| (file.file_name().into_string().unwrap(), file));
    // One that is being written is renamed at any time.
    let made = files.filter(|(name, _)| Path::new(name).extension().is_some_and(|it| it == "jpg"));
    let made = made.filter(|(name, _)| !name.starts_with('.'));
    made.filter_map(|(name, file)| Some((name, file.metadata().ok()?.modified().ok()?))).collect()
}

/// Starts a run, and returns when so many images have been made.
fn begun(place: &Place, images: usize) -> Child {
    let mut child = place.command(RUN).spawn().unwrap();
    while made(place).len() < images {
        assert!(child.try_wait().unwrap().is_none(), "it has ended before");
        std::thread::yield_now();
    }
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Images that may be under way at once, and so be made twice.
fn under_way_max() -> usize {
    2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + 2
}

/// Ends a run that was begun, and says how many images had been made before.
fn finish(place: &Place, before: &BTreeMap<String, SystemTime>) -> u64 {
    let run = place.resize(&format!("{RUN} --json"));
    assert_eq!(run.code, Some(1), "one photo is torn: {run:?}");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let total = |name: &str| document["totals"][name].as_u64().unwrap();
    assert_eq!((total("images"), total("dead_lettered")), (PHOTOS as u64 + 1, 1), "{document}");
    assert_eq!(total("done_before") + total("done"), PHOTOS as u64, "{document}");
    let after = made(place);
    assert_eq!(after.len(), PHOTOS);
    let again = before.iter().filter(|(name, at)| after[*name] != **at).count();
    assert!(again <= under_way_max(), "{again} images were made twice");
    assert!(!place.at("kept").exists(), "what was kept is gone");
    total("done_before")
}

#[test]
fn a_killed_run_goes_on_and_makes_nothing_twice_that_was_done() {
    let place = place();
    for images in [15, 45] {
        let mut child = begun(&place, images);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let before = made(&place);
    let done_before = finish(&place, &before);
    let done_before = usize::try_from(done_before).unwrap();
    assert!(done_before + under_way_max() >= before.len(), "{done_before} of {}", before.len());
}

#[test]
fn after_ctrl_c_the_same_command_goes_on_and_another_is_refused() {
    let place = place();
    let child = begun(&place, 15);
    signal(&child, "-INT");
    let stopped = Run::of(child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    let ends = "The run is kept in kept: the same command goes on with it.\n";
    assert!(stopped.stdout.ends_with(ends), "{}", stopped.stdout);

    let before = made(&place);
    for (other, expected) in [
        ("run photos --width 65 --out thumbs --data kept", "--width was 64 and is 65."),
        ("run photos --width 64 --out elsewhere --data kept", "/thumbs and is "),
        ("run photos --width 64 --out thumbs --data photos", "it holds "),
    ] {
        let refused = place.resize(other);
        let refusal = refused.refusal();
        assert!(refusal.starts_with("cannot use --data ") && refusal.contains(expected), "{refusal}");
    }
    assert_eq!(made(&place), before);
    assert!(finish(&place, &before) > 0);
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_nothing_is_lost() {
    let place = place();
    let mut child = begun(&place, 15);
    signal(&child, "-INT");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("a second signal exits immediately"));
    signal(&child, "-INT");
    // Whether the second one still finds it depends on how fast the first one was.
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let before = made(&place);
    finish(&place, &before);
}

#[test]
fn one_process_at_a_time_has_a_run() {
    let place = place();
    let mut child = begun(&place, 1);
    let refused = place.resize(RUN);
    assert!(refused.refusal().contains("is in use by another process with the id "), "{refused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_without_jobs_leaves_nothing() {
    let place = Place::empty();
    fs::create_dir(place.at("photos")).unwrap();
    let run = place.resize(RUN);
    assert_eq!((run.code, place.at("kept").exists()), (Some(0), false), "{run:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn without_room_for_the_jobs_nothing_is_begun() {
    let place = place();
    let disk = place.at("disk");
    fs::create_dir(&disk).unwrap();
    let mut mount = Command::new("mount");
    let mount = mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&disk).stderr(Stdio::null()).status();
    if !mount.is_ok_and(|status| status.success()) {
        return local_queue_terminal::note(format_args!("skipped: only root can mount a small disk"));
    }
    let run = place.resize("run photos --width 64 --out thumbs --data disk/kept");
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    assert!(run.refusal().starts_with("cannot use --data disk/kept: "), "{run:?}");
    assert!(run.stderr.contains("No space left on device"), "{run:?}");
    assert!(!place.at("thumbs").exists());
}
