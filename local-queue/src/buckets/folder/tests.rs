use std::{collections::BTreeMap, fs, os::unix::fs::symlink};

use bytes::Bytes;
use http::{Request, Response};

use crate::{
    LocalQueue,
    buckets::{Buckets, Builder, FolderError},
};

use super::*;

/// What a file has, and since when.
type Saved = (Vec<u8>, std::time::SystemTime);
/// Files that are there in place of others, or are not there.
type Changes<'a> = [(&'a str, Option<&'a Saved>)];

/// A folder, and buckets in it as long as nobody has ended them.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn builder() -> Builder {
        Buckets::builder(&LocalQueue::virtual_time())
    }

    /// As after the end of the process before.
    fn open(&self) -> (Buckets, Vec<String>) {
        Self::builder().open(self.folder.path()).unwrap()
    }

    fn opened(&self) -> Buckets {
        let (buckets, findings) = self.open();
        assert_eq!(findings, Vec::<String>::new());
        buckets
    }

    /// All files, without what is the emulator's own.
    fn files(&self) -> Vec<String> {
        let files = Dir::open(self.folder.path()).unwrap().files();
        files.into_iter().filter(|file| !file.starts_with(".local-queue/")).collect()
    }

    /// Everything in the folder, to be put back later.
    fn image(&self) -> BTreeMap<String, Saved> {
        let files = Dir::open(self.folder.path()).unwrap().files().into_iter();
        let read = |file: String| {
            let path = self.path(&file);
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            (file, (fs::read(&path).unwrap(), modified))
        };
        files.map(read).collect()
    }
}

async fn send(buckets: &Buckets, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(format!("http://localhost{target}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    buckets.respond(request.body(Bytes::from(body.to_owned())).unwrap()).await
}

async fn put(buckets: &Buckets, key: &str, body: &str) {
    let target = format!("/photos/{}", percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC));
    let response = send(buckets, "PUT", &target, &[], body).await;
    assert_eq!(response.status(), 200, "{key:?}: {response:?}");
}

async fn put_in_parts(buckets: &Buckets, key: &str, parts: &[String]) {
    use std::fmt::Write as _;

    let body = send(buckets, "POST", &format!("/photos/{key}?uploads"), &[], "").await.into_body();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let id = text.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let mut list = String::new();
    for (index, part) in parts.iter().enumerate() {
        let target = format!("/photos/{key}?uploadId={id}&partNumber={}", index + 1);
        let response = send(buckets, "PUT", &target, &[], part).await;
        let etag = response.headers()["etag"].to_str().unwrap();
        write!(list, "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1).unwrap();
    }
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let done = send(buckets, "POST", &format!("/photos/{key}?uploadId={id}"), &[], &list).await;
    assert_eq!(done.status(), 200, "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn every_key_is_a_file_below_the_folder_and_is_there_after_a_restart() {
    let disk = Disk::new();
    let keys = [
        "cat.jpg",
        "2026/a b+c/\u{e4}.jpg",
        "a",
        "a/b",
        "a//b",
        "a/",
        "/",
        "../up",
        "x/../../y",
        "..",
        ".",
        "Cat.jpg",
        "CAT.JPG",
        "tab\there",
        "back\\slash",
        ".escaped/x",
        ".local-queue/lock",
        "cat.jpg/below",
    ];
    let long = "l".repeat(1024);
    let all = || keys.into_iter().chain([&*long]);
    {
        let buckets = disk.opened();
        buckets.create_bucket("photos").unwrap();
        for key in all() {
            put(&buckets, key, key).await;
        }
    }
    assert_eq!(fs::read(disk.path("photos/2026/a b+c/\u{e4}.jpg")).unwrap(), "2026/a b+c/\u{e4}.jpg".as_bytes());
    let files = disk.files();
    assert!(files.iter().all(|file| file.starts_with("photos/")), "{files:?}");
    for (file, of) in files.iter().filter_map(|file| Some((file, file.strip_suffix(".key")?))) {
        let key = fs::read(disk.path(file)).unwrap();
        assert_eq!(fs::read(disk.path(of)).unwrap(), key, "the key is beside it");
    }
    let buckets = disk.opened();
    let mut expected = all().map(str::to_owned).collect::<Vec<_>>();
    expected.sort();
    assert_eq!(buckets.keys("photos"), expected);
    for key in all() {
        assert_eq!(buckets.object("photos", key).as_deref(), Some(key.as_bytes()), "{key:?}");
        let target = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        assert_eq!(send(&buckets, "DELETE", &format!("/photos/{target}"), &[], "").await.status(), 204);
    }
    assert_eq!(disk.files(), Vec::<String>::new());
    assert_eq!(send(&buckets, "DELETE", "/photos", &[], "").await.status(), 204);
    assert!(!disk.path("photos").exists() && !disk.path(".local-queue/buckets/photos").exists());
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_objects_and_buckets_outlives_the_process() {
    let disk = Disk::new();
    let headers = [
        ("content-type", "image/jpeg"),
        ("cache-control", "max-age=60"),
        ("content-disposition", "inline"),
        ("content-language", "de"),
        ("content-encoding", "gzip"),
        ("expires", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("x-amz-meta-name", "tom"),
        ("x-amz-tagging", "a=1&b=%C3%A4"),
        ("x-amz-checksum-crc32", "jLkWDA=="),
    ];
    let shown = async |buckets: &Buckets| {
        let mut all = Vec::new();
        for (method, target, headers) in [
            ("HEAD", "/photos/cat", &[("x-amz-checksum-mode", "ENABLED")][..]),
            ("GET", "/photos/cat?tagging", &[]),
            ("GET", "/photos/many", &[]),
            ("HEAD", "/photos/many?partNumber=1", &[]),
            ("GET", "/photos?tagging", &[]),
            ("GET", "/photos?versioning", &[]),
            ("GET", "/photos?notification", &[]),
            ("GET", "/photos", &[]),
            ("GET", "/", &[]),
        ] {
            let response = send(buckets, method, target, headers, "").await;
            assert!(response.status().is_success(), "{target}: {response:?}");
            let (mut parts, body) = response.into_parts();
            parts.headers.remove("x-amz-request-id");
            parts.headers.remove("x-amz-id-2");
            all.push((target, format!("{:?} {body:?}", parts.headers)));
        }
        all
    };
    let before = {
        let buckets = disk.opened();
        buckets.create_bucket("photos").unwrap();
        buckets.set_versioning("photos", true).unwrap();
        let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>x</Value></Tag></TagSet></Tagging>";
        assert_eq!(send(&buckets, "PUT", "/photos?tagging", &[], tags).await.status(), 200);
        let configuration = "<NotificationConfiguration><QueueConfiguration><Id>i</Id>\
            <Queue>arn:aws:sqs:us-east-1:000000000000:jobs</Queue><Event>s3:ObjectCreated:*</Event>\
            <Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule></S3Key></Filter>\
            </QueueConfiguration></NotificationConfiguration>";
        let skips = [("x-amz-skip-destination-validation", "true")];
        assert_eq!(send(&buckets, "PUT", "/photos?notification", &skips, configuration).await.status(), 200);
        let put = send(&buckets, "PUT", "/photos/cat", &headers, "meow").await;
        assert_eq!(put.status(), 400, "a checksum that is another's leaves nothing: {put:?}");
        assert_eq!(disk.files(), Vec::<String>::new());
        let put = send(&buckets, "PUT", "/photos/cat", &headers[..8], "meow").await;
        assert_eq!(put.status(), 200, "{put:?}");
        put_in_parts(&buckets, "many", &["x".repeat(5 * 1024 * 1024), "end".to_owned()]).await;
        assert_eq!(fs::metadata(disk.path("photos/many")).unwrap().len(), 5 * 1024 * 1024 + 3);
        send(&buckets, "POST", "/photos/begun?uploads", &[], "").await;
        shown(&buckets).await
    };
    assert_eq!(Dir::open(&disk.path(".local-queue/incoming")).unwrap().names().unwrap(), Vec::<String>::new());
    let buckets = disk.opened();
    assert_eq!(shown(&buckets).await, before);
    assert_eq!(buckets.used_bytes(), 4 + 5 * 1024 * 1024 + 3);
}

/// Every prefix of the steps of a put, a change of tags and a removal, as a kill leaves it behind.
#[tokio::test(start_paused = true)]
async fn a_kill_between_any_two_steps_leaves_the_old_object_or_the_new_one() {
    let disk = Disk::new();
    let record = |key: &str| names::records(key).map(|name| format!(".local-queue/buckets/photos/objects/{name}"));
    let [new, current] = record("cat");
    let buckets = disk.opened();
    buckets.create_bucket("photos").unwrap();
    put(&buckets, "cat", "old").await;
    let old = disk.image();
    put(&buckets, "cat", "newer").await;
    let put_done = disk.image();
    drop(buckets);
    let restored = |changes: &Changes<'_>| {
        let other = Disk::new();
        let mut files = old.clone();
        for (name, file) in changes {
            match file {
                Some(file) => files.insert((*name).to_owned(), (*file).clone()),
                None => files.remove(*name),
            };
        }
        for (name, (bytes, modified)) in files {
            let path = other.path(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
        other
    };
    let torn = (put_done[&current].0[..40].to_vec(), put_done[&current].1);
    let cases: &[(&Changes<'_>, Option<&str>)] = &[
        (&[(".local-queue/incoming/7", Some(&put_done["photos/cat"]))], Some("old")),
        (&[(&new, Some(&torn))], Some("old")),
        (&[(&new, Some(&put_done[&current]))], Some("old")),
        (&[(&new, Some(&put_done[&current])), ("photos/cat", Some(&put_done["photos/cat"]))], Some("newer")),
        (&[(&current, Some(&put_done[&current])), ("photos/cat", Some(&put_done["photos/cat"]))], Some("newer")),
    ];
    for (changes, expected) in cases {
        let disk = restored(changes);
        let buckets = disk.opened();
        let found = buckets.object("photos", "cat");
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{:?}", changes.iter().map(|(name, _)| name));
        let etag = send(&buckets, "HEAD", "/photos/cat", &[], "").await.headers()["etag"].to_str().unwrap().to_owned();
        let md5 = records::etag_of(&File::open(disk.path("photos/cat")).unwrap(), expected.unwrap().len() as u64, &[]);
        assert_eq!(etag, format!("\"{}\"", md5.unwrap()));
        assert!(!disk.path(&new).exists());
        assert_eq!(fs::read_dir(disk.path(".local-queue/incoming")).unwrap().count(), 0);
    }
    // A removal takes the file first.
    let disk = restored(&[("photos/cat", None)]);
    let (buckets, findings) = disk.open();
    assert_eq!(
        (buckets.keys("photos").len(), findings),
        (0, vec!["photos/cat is gone, and so is the object".to_owned()])
    );
    drop(buckets);
    disk.opened();
}

#[tokio::test(start_paused = true)]
async fn what_is_found_damaged_or_changed_is_named() {
    let disk = Disk::new();
    {
        let buckets = disk.opened();
        for bucket in ["photos", "thumbs"] {
            buckets.create_bucket(bucket).unwrap();
        }
        for key in ["changed", "copied", "linked", "torn", "piped"] {
            put(&buckets, key, key).await;
        }
        fs::write(disk.path("photos/changed"), "by hand").unwrap();
        let refused = send(&buckets, "GET", "/photos/changed", &[], "").await;
        assert_eq!(refused.status(), 500);
        let text = String::from_utf8(refused.into_body().to_vec()).unwrap();
        assert!(text.contains("was changed by another process"), "{text}");
    }
    fs::remove_file(disk.path("photos/copied")).unwrap();
    fs::write(disk.path("photos/copied"), "copied").unwrap();
    fs::remove_file(disk.path("photos/linked")).unwrap();
    symlink("/etc/hostname", disk.path("photos/linked")).unwrap();
    let [_, torn] = names::records("torn");
    fs::write(disk.path(&format!(".local-queue/buckets/photos/objects/{torn}")), "{").unwrap();
    fs::write(disk.path("photos/stranger"), "x").unwrap();
    fs::write(disk.path(".local-queue/buckets/thumbs/bucket.json"), "no").unwrap();
    fs::create_dir(disk.path(".local-queue/buckets/NO")).unwrap();
    let (buckets, findings) = disk.open();
    let expected = [
        ".local-queue/buckets/NO: not the name of a bucket",
        "photos/linked cannot be read",
        &format!(".local-queue/buckets/photos/objects/{torn} is damaged"),
        "photos/changed was changed by another process; the object has the new content",
        "photos/linked and 2 more: not put here by S3",
        ".local-queue/buckets/thumbs/bucket.json is damaged",
    ];
    for expected in expected {
        assert!(findings.iter().any(|finding| finding.starts_with(expected)), "{expected}: {findings:#?}");
    }
    assert_eq!(findings.len(), expected.len(), "{findings:#?}");
    assert_eq!(buckets.buckets(), ["photos"]);
    assert_eq!(buckets.keys("photos"), ["changed", "copied", "piped"]);
    assert_eq!(buckets.object("photos", "changed").as_deref(), Some(&b"by hand"[..]));
    let head = send(&buckets, "HEAD", "/photos/changed", &[], "").await;
    assert_eq!(head.headers()["etag"], "\"7d909037a76176adb749eda313187060\"");
}

#[tokio::test(start_paused = true)]
async fn no_link_leads_out_and_no_strangers_file_is_replaced() {
    let (disk, outside) = (Disk::new(), tempfile::tempdir().unwrap());
    let buckets = disk.opened();
    buckets.create_bucket("photos").unwrap();
    symlink(outside.path(), disk.path("photos/out")).unwrap();
    symlink(outside.path().join("target"), disk.path("photos/leaf")).unwrap();
    fs::write(disk.path("photos/mine"), "mine").unwrap();
    for key in ["out/file", "leaf", "mine", "mine/below"] {
        put(&buckets, key, "theirs").await;
        assert_eq!(buckets.object("photos", key).as_deref(), Some(&b"theirs"[..]));
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(fs::read(disk.path("photos/mine")).unwrap(), b"mine");
    // A folder that became a link behind an object's back.
    put(&buckets, "deep/file", "x").await;
    fs::rename(disk.path("photos/deep"), disk.path("photos/moved")).unwrap();
    symlink(outside.path(), disk.path("photos/deep")).unwrap();
    for (method, status) in [("GET", 500), ("PUT", 500), ("DELETE", 500)] {
        assert_eq!(send(&buckets, method, "/photos/deep/file", &[], "y").await.status(), status, "{method}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // Nor may the folder of a bucket be one.
    symlink(outside.path(), disk.path("linked")).unwrap();
    assert!(buckets.create_bucket("linked").is_err());
    assert!(!buckets.has_bucket("linked"));
}

#[tokio::test(start_paused = true)]
async fn one_process_has_the_folder_and_its_bounds_hold() {
    let disk = Disk::new();
    let buckets = disk.opened();
    let refused = Disk::builder().open(disk.folder.path()).unwrap_err();
    assert!(matches!(refused, FolderError::InUse(_)), "{refused}");
    assert!(refused.to_string().contains("is in use by another local-queue"), "{refused}");
    buckets.create_bucket("photos").unwrap();
    put(&buckets, "a", "0123456789").await;
    drop(buckets);
    let refused = Disk::builder().bytes_max(9).open(disk.folder.path()).unwrap_err();
    assert!(matches!(refused, FolderError::TooMuch { .. }), "{refused}");
    let (buckets, _) = Disk::builder().bytes_max(15).object_bytes_max(12).open(disk.folder.path()).unwrap();
    for body in ["0123456789abc", "012345"] {
        let refused = send(&buckets, "PUT", "/photos/b", &[], body).await;
        assert_eq!(refused.status(), 400, "{refused:?}");
        assert!(String::from_utf8_lossy(refused.body()).contains("EntityTooLarge"));
    }
    assert_eq!(disk.files(), ["photos/a"]);
    assert_eq!(fs::read_dir(disk.path(".local-queue/incoming")).unwrap().count(), 0);
    let file = disk.path("file");
    fs::write(&file, "x").unwrap();
    let refused = Disk::builder().open(&file).unwrap_err();
    assert!(matches!(refused, FolderError::Io { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_reset_leaves_the_declared_buckets_empty_and_a_download_under_way_whole() {
    let disk = Disk::new();
    let buckets = disk.opened();
    buckets.create_bucket("photos").unwrap();
    assert_eq!(send(&buckets, "PUT", "/other", &[], "").await.status(), 200);
    put(&buckets, "a", "0123456789").await;
    let (_, content) = buckets.shared.store().read("photos", "a").unwrap();
    put(&buckets, "a", "new").await;
    buckets.reset().unwrap();
    assert_eq!(content.to_bytes().unwrap(), "0123456789");
    assert_eq!((buckets.buckets(), disk.files().len()), (vec!["photos".to_owned()], 0));
    drop((buckets, content));
    assert_eq!(disk.opened().buckets(), ["photos"]);
}

/// A disk of two pages, as long as it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mount =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&path).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_a_put_and_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("disk")) else {
        local_queue_terminal::note(format_args!("skipped: only root can mount a small disk"));
        return;
    };
    let (buckets, _) = Disk::builder().open(&disk.0).unwrap();
    buckets.create_bucket("photos").unwrap();
    put(&buckets, "a", "old").await;
    let files = || Dir::open(&disk.0).unwrap().files();
    let before = files();
    let large = "x".repeat(100_000);
    for (method, target, headers) in
        [("PUT", "/photos/a", &[][..]), ("PUT", "/photos/b", &[]), ("POST", "/photos/c?uploads", &[])]
    {
        let refused = if method == "POST" {
            let begun = send(&buckets, method, target, headers, "").await.into_body();
            let text = String::from_utf8(begun.to_vec()).unwrap();
            let id = text.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap();
            send(&buckets, "PUT", &format!("/photos/c?uploadId={id}&partNumber=1"), &[], &large).await
        } else {
            send(&buckets, method, target, headers, &large).await
        };
        assert_eq!(refused.status(), 500, "{target}");
        let text = String::from_utf8_lossy(refused.body()).into_owned();
        assert!(
            text.contains("<Code>InternalError</Code><Message>The disk of the folder with the buckets is full"),
            "{text}"
        );
        assert_eq!(files(), before, "{target}");
    }
    assert_eq!(buckets.object("photos", "a").as_deref(), Some(&b"old"[..]));
    put(&buckets, "a", "new").await;
    // When there is room for the bytes, but none for what is said of them, there is no object either.
    let filler = 64 * 1024 - 6 * 4096;
    fs::write(disk.0.join("filler"), vec![0; filler]).unwrap();
    for number in 0..20 {
        let response = send(&buckets, "PUT", &format!("/photos/small-{number}"), &[], "x").await;
        assert_eq!(response.status() == 200, buckets.object("photos", &format!("small-{number}")).is_some());
    }
    assert!(buckets.keys("photos").len() < 20, "the disk was full once");
    let keys = buckets.keys("photos");
    drop(buckets);
    fs::remove_file(disk.0.join("filler")).unwrap();
    let (buckets, findings) = Disk::builder().open(&disk.0).unwrap();
    assert_eq!((buckets.keys("photos"), findings), (keys, Vec::<String>::new()));
}
