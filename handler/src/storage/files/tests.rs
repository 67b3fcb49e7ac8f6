use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{RenameFlags, renameat_with};

use super::*;

fn files(root: &Path, links: Links) -> Files {
    Files::new(vec![Root::open(root, links).unwrap()])
}

fn key(path: &Path) -> String {
    path.to_str().unwrap().trim_start_matches('/').to_owned()
}

async fn get(files: &Files, path: &Path) -> Result<Bytes, StoreError> {
    let mut object = files.get(&key(path), Grant::none()).await?;
    object.body.next().await.unwrap()
}

async fn put(files: &Files, path: &Path, body: &'static str) -> Result<(), StoreError> {
    files
        .put(&key(path), Bytes::from_static(body.as_bytes()), &About::content_type("image/png"), PutMode::Replace)
        .await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn names_of_every_length_that_a_file_system_takes_are_written() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path(), Links::Refuse);
    for length in [1, 251, 252, 253, 254, 255] {
        let path = root.path().join("a".repeat(length));
        put(&files, &path, "image").await.unwrap();
        assert_eq!(get(&files, &path).await.unwrap(), "image", "{length} bytes");
    }
    assert_eq!(names(root.path()).len(), 6, "nothing is left beside them");
}

#[tokio::test]
async fn a_file_comes_along_only_if_there_is_memory_for_all_of_it() {
    let root = tempfile::tempdir().unwrap();
    let (files, path) = (files(root.path(), Links::Refuse), root.path().join("a"));
    for length in [0, 1, 4096, 1_000_000] {
        let before: String = "abcdefghijklmnopqrstuvw".chars().cycle().take(length).collect();
        std::fs::write(&path, &before).unwrap();
        for is_granted in [true, false] {
            let mut object =
                files.get(&key(&path), Grant::new(move |asked| asked == length as u64 && is_granted)).await.unwrap();
            assert_eq!(object.bytes, length as u64);
            std::fs::write(&path, "later").unwrap();
            let body = object.body.next().await.unwrap().unwrap();
            assert_eq!(body == before, is_granted || length == 5, "{length} bytes, granted: {is_granted}");
            std::fs::write(&path, &before).unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_that_grew_is_not_taken_for_whole() {
    let root = tempfile::tempdir().unwrap();
    let (files, path) = (files(root.path(), Links::Refuse), root.path().join("a"));
    std::fs::write(&path, "short").unwrap();
    let object = files.get(&key(&path), Grant::none()).await.unwrap();
    std::fs::write(&path, "longer by far").unwrap();
    let body = object.body.collect::<Vec<_>>().await.remove(0).unwrap();
    assert_eq!((object.bytes, body.len()), (5, 6), "one byte more than was promised is enough to be told apart");
}

#[tokio::test]
async fn what_is_no_file_is_said_and_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    for (name, links, expected) in [
        ("pipe", Links::Refuse, "a named pipe"),
        ("socket", Links::Refuse, "a socket, or a device that does not exist"),
        ("folder", Links::Refuse, "a folder"),
        ("pipe", Links::Follow, "a named pipe"),
    ] {
        let error = get(&files(root.path(), links), &at(name)).await.unwrap_err();
        assert_eq!(error, StoreError::NotAFile(expected));
    }
    let device = get(&files(Path::new("/"), Links::Follow), Path::new("/dev/zero")).await.unwrap_err();
    assert_eq!(device, StoreError::NotAFile("a device"));
}

/// Whoever may write below the root swaps a folder and a link to another place, as fast as the system lets them.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_swapped_for_a_link_leads_nobody_out() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| root.path().join(name);
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::fs::create_dir(at("d")).unwrap();
    symlink(outside.path(), at("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let (stop, root) = (stop.clone(), std::fs::File::open(root.path()).unwrap());
        move || {
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                renameat_with(&root, "d", &root, "link", RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let files = files(root.path(), Links::Refuse);
    let (mut written, mut refused) = (0, 0);
    let rounds = if std::env::var_os("SLOW").is_some() { 100_000 } else { 3000 };
    for round in 0..rounds {
        match put(&files, &at(&format!("d/{}", round % 50)), "image").await {
            Ok(()) => written += 1,
            Err(StoreError::BadLocation(_)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        assert!(get(&files, &at("d/secret")).await.is_err(), "a file outside the root was read");
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swapping.join().unwrap();
    assert_eq!(names(outside.path()), ["secret"], "after {swaps} swaps, {written} written and {refused} refused");
    assert!(
        written > 0 && refused > 0 && swaps > 0,
        "{swaps} swaps, {written} written, {refused} refused: no race at all"
    );
}

#[tokio::test]
async fn a_root_is_opened_once_whatever_becomes_of_its_name() {
    let (parent, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| parent.path().join(name);
    std::fs::create_dir(at("real")).unwrap();
    symlink("real", at("root")).unwrap();
    let files = files(&at("root"), Links::Refuse);
    // A root may be a link itself, and goes by both names.
    put(&files, &at("root/a"), "a").await.unwrap();
    assert_eq!(get(&files, &at("real/a")).await.unwrap(), "a");
    assert_eq!(files.real_path(&key(&at("root/a"))), files.real_path(&key(&at("real/a"))));

    std::fs::remove_file(at("root")).unwrap();
    symlink(outside.path(), at("root")).unwrap();
    std::fs::rename(at("real"), at("moved")).unwrap();
    symlink(outside.path(), at("real")).unwrap();
    put(&files, &at("root/b"), "b").await.unwrap();
    assert_eq!((names(&at("moved")), names(outside.path())), (vec!["a".to_owned(), "b".to_owned()], vec![]));
}

#[tokio::test]
async fn links_of_ones_own_are_followed_but_an_output_replaces_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("album")).unwrap();
    std::fs::write(at("photo"), "photo").unwrap();
    symlink("album", at("linked")).unwrap();
    symlink(at("photo"), at("album/photo")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let files = files(Path::new("/"), Links::Follow);
    assert_eq!(get(&files, &at("linked/photo")).await.unwrap(), "photo");
    put(&files, &at("linked/deep/er/a"), "a").await.unwrap();
    assert_eq!(std::fs::read_to_string(at("album/deep/er/a")).unwrap(), "a");
    put(&files, &at("linked/photo"), "output").await.unwrap();
    assert_eq!(std::fs::read_to_string(at("photo")).unwrap(), "photo", "the photo behind the link is as it was");
    assert_eq!(std::fs::read_to_string(at("album/photo")).unwrap(), "output");
    let error = put(&files, &at("dangling/a"), "a").await.unwrap_err();
    assert!(matches!(&error, StoreError::BadLocation(reason) if reason.contains("leads nowhere")), "{error:?}");
}

/// `/dev/full` is a disk that is always full.
#[test]
fn a_full_disk_is_said_and_passes() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = write_all(full, b"image").unwrap_err();
    assert!(matches!(&error, StoreError::Full(text) if text.contains("No space left")), "{error:?}");
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path(), Links::Refuse);
    std::fs::create_dir_all(root.path().join("deep/folder")).unwrap();
    let error = put(&files, &root.path().join("deep/folder"), "image").await.unwrap_err();
    assert_eq!(error, StoreError::BadLocation("folder is a folder".to_owned()));
    assert_eq!(names(&root.path().join("deep")), ["folder"]);
}
