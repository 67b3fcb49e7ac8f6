use async_trait::async_trait;

use super::*;
use crate::failure::Retry;

/// The behaviour every kind of place must show; `at` makes its locations.
async fn suite(storage: &Storage, at: impl Fn(&str) -> Location) {
    let here = at("folder/a b+c%20#\u{e9}.png");
    storage.check(&here).unwrap();
    let missing = storage.fetch(&here, 100).await.unwrap_err();
    assert_eq!((missing.blame, missing.retry, missing.kind), (Blame::Source, Retry::Never, "source-not-found"));

    storage.store(&here, Bytes::from_static(b"first"), "image/png").await.unwrap();
    assert_eq!(storage.fetch(&here, 5).await.unwrap(), "first");
    storage.store(&here, Bytes::from_static(b"second, longer"), "image/png").await.unwrap();
    assert_eq!(storage.fetch(&here, 100).await.unwrap(), "second, longer");
    storage.store(&here, Bytes::new(), "image/png").await.unwrap();
    assert_eq!(storage.fetch(&here, 100).await.unwrap(), "");

    let about = About::content_type("image/png");
    let once = at("folder/once.png");
    assert_eq!(storage.existing(&once).await.unwrap(), None);
    assert_eq!(storage.head(&once).await.unwrap_err().kind, "source-not-found");
    let bodies = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    let [first, second] = bodies.clone().map(|body| storage.create(&once, body, &about));
    let (first, second) = tokio::join!(first, second);
    let created = [first.unwrap(), second.unwrap()];
    assert_ne!(created[0], created[1], "of two at once, one is stored");
    let stored = &bodies[usize::from(created[1])];
    assert!(!storage.create(&once, Bytes::from_static(b"three"), &about).await.unwrap());
    assert_eq!(storage.fetch(&once, 100).await.unwrap(), *stored);
    let before = storage.existing(&once).await.unwrap().expect("it is there");
    assert_eq!(storage.head(&once).await.unwrap(), before);
    storage.store(&once, Bytes::from_static(b"four"), "image/png").await.unwrap();
    assert!(storage.existing(&once).await.unwrap().expect("it is there").may_be_newer_than(before));

    let large = at("large");
    let bytes = Bytes::from(vec![7; 300_000]);
    storage.store(&large, bytes.clone(), "image/png").await.unwrap();
    assert_eq!(storage.fetch(&large, 300_000).await.unwrap(), bytes);
    let refused = storage.fetch(&large, 299_999).await.unwrap_err();
    assert_eq!((refused.blame, refused.retry, refused.kind), (Blame::Limits, Retry::Never, "source-too-large"));
    assert!(refused.message.contains("300000 bytes; at most 299999"), "{}", refused.message);

    let not_there = storage.fetch(&at("large/below-a-file"), 100).await.unwrap_err();
    assert_eq!((not_there.blame, not_there.retry), (Blame::Source, Retry::Never), "{not_there}");
}

#[tokio::test]
async fn memory_behaves() {
    suite(&Storage::memory(), |key| Location::memory("m", key).unwrap()).await;
}

#[tokio::test]
async fn a_bucket_behaves() {
    let storage = Storage::builder().bucket("photos", Arc::new(MemoryStore::new())).build();
    suite(&storage, |key| Location::s3("photos", key).unwrap()).await;
    let elsewhere = Location::s3("others", "a").unwrap();
    assert!(storage.check(&elsewhere).is_err());
    assert_eq!(storage.fetch(&elsewhere, 1).await.unwrap_err().kind, "bad-location");
}

#[tokio::test]
async fn files_behave() {
    let root = tempfile::tempdir().unwrap();
    let storage = Storage::builder().file_root(root.path()).unwrap().build();
    suite(&storage, |key| Location::file(&root.path().join(key)).unwrap()).await;
}

#[tokio::test]
async fn a_file_leaves_nothing_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let storage = Storage::builder().file_root(root.path()).unwrap().build();
    let target = Location::file(&root.path().join("deep/er/a.png")).unwrap();
    for _ in 0..3 {
        storage.store(&target, Bytes::from_static(b"image"), "image/png").await.unwrap();
    }
    // A folder where the file should go: the store fails at its last step, and cleans up.
    std::fs::create_dir(root.path().join("deep/er/b.png")).unwrap();
    let blocked = Location::file(&root.path().join("deep/er/b.png")).unwrap();
    let failure = storage.store(&blocked, Bytes::from_static(b"image"), "image/png").await.unwrap_err();
    assert_eq!((failure.blame, failure.retry), (Blame::Target, Retry::Never), "{failure}");
    let about = About::content_type("image/png");
    let refused = storage.create(&blocked, Bytes::from_static(b"image"), &about).await;
    assert!(refused.is_ok_and(|created| !created));
    assert_eq!(storage.existing(&blocked).await.unwrap_err().kind, "bad-location");
    let mut names: Vec<_> = std::fs::read_dir(root.path().join("deep/er"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.png", "b.png"]);
}

#[test]
fn what_is_not_known_to_be_older_may_be_newer() {
    let head = |seconds: Option<u64>| Head {
        modified: seconds.map(|seconds| std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)),
    };
    for (one, other, expected) in [
        (Some(1), Some(2), false),
        (Some(2), Some(1), true),
        // S3 counts in seconds: which of two within one was first is not known.
        (Some(2), Some(2), true),
        (None, Some(2), true),
        (Some(2), None, true),
    ] {
        assert_eq!(head(one).may_be_newer_than(head(other)), expected, "{one:?} and {other:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_outside_the_root_is_read_or_written() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    std::fs::create_dir_all(root.join("real")).unwrap();
    std::fs::create_dir(parent.path().join("root-twin")).unwrap();
    std::fs::write(parent.path().join("root-twin/secret"), "secret").unwrap();
    symlink(outside.path(), root.join("folder")).unwrap();
    symlink(outside.path().join("secret"), root.join("file")).unwrap();
    symlink(outside.path().join("new"), root.join("dangling")).unwrap();
    symlink("../../root-twin", root.join("real/relative")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("real", root.join("inside")).unwrap();
    let storage = Storage::builder().file_root(&root).unwrap().build();

    for path in [
        root.join("folder/secret"),
        root.join("folder/new"),
        root.join("folder/new/er"),
        root.join("dangling/new"),
        root.join("real/relative/secret"),
        root.join("loop/new"),
        root.clone(),
        parent.path().join("root-twin/secret"),
        parent.path().join("new"),
        outside.path().join("secret"),
        "/etc/passwd".into(),
        "/proc/self/environ".into(),
        "/new".into(),
    ] {
        let location = Location::file(&path).unwrap();
        if !path.starts_with(&root) {
            assert!(storage.check(&location).is_err(), "{} is accepted", path.display());
        }
        let read = storage.fetch(&location, 1000).await.unwrap_err();
        assert!(read.is_permanent() && read.blame == Blame::Source, "{}: {read:?}", path.display());
        let written = storage.store(&location, Bytes::from_static(b"x"), "image/png").await.unwrap_err();
        assert!(written.is_permanent() && written.blame == Blame::Target, "{}: {written:?}", path.display());
    }
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);

    // Where an output goes, a link is replaced, and what it leads to stays as it is.
    for name in ["file", "dangling", "loop"] {
        let location = Location::file(&root.join(name)).unwrap();
        assert_eq!(storage.fetch(&location, 1000).await.unwrap_err().kind, "bad-location", "{name}");
        storage.store(&location, Bytes::from_static(b"x"), "image/png").await.unwrap();
        assert_eq!(storage.fetch(&location, 1000).await.unwrap(), "x");
    }
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);

    // A link is not followed even when it leads to a place within the root: nothing has two names there.
    let within = Location::file(&root.join("inside/a.png")).unwrap();
    let refused = storage.store(&within, Bytes::from_static(b"x"), "image/png").await.unwrap_err();
    assert_eq!(refused.kind, "bad-location");
    assert!(refused.message.contains("inside is a symbolic link"), "{refused}");
}

#[tokio::test]
async fn every_place_is_opted_in() {
    let nothing = Storage::builder().build();
    for text in ["s3://photos/a", "file:///tmp/a", "memory://m/a"] {
        let location = Location::parse(text).unwrap();
        assert_eq!(nothing.check(&location).unwrap_err().kind(), "bad-location", "{text}");
        let read = nothing.fetch(&location, 1).await.unwrap_err();
        let written = nothing.store(&location, Bytes::new(), "image/png").await.unwrap_err();
        assert_eq!((read.kind, read.is_permanent()), ("bad-location", true), "{text}");
        assert_eq!((written.kind, written.is_permanent()), ("bad-location", true), "{text}");
    }
}

#[tokio::test]
async fn only_allowed_locations_are_read_and_written() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().canonicalize().unwrap();
    let allowed = format!("s3://photos/in/ file://{}/out/", folder.display());
    let storage = Storage::builder()
        .bucket("photos", Arc::new(MemoryStore::new()))
        .file_root(&folder)
        .unwrap()
        .allowed(Some(Allowed::parse(&allowed).unwrap()))
        .build();
    let file = |name: &str| Location::file(&folder.join(name)).unwrap();
    let object = |key: &str| Location::s3("photos", key).unwrap();
    for location in [object("in/a"), file("out/a")] {
        storage.store(&location, Bytes::from_static(b"x"), "image/png").await.unwrap();
        assert_eq!(storage.fetch(&location, 1).await.unwrap(), "x");
    }
    for location in [object("out/a"), object("in/../a"), object("in-2/a"), file("in/a"), file("out-2")] {
        let failure = storage.store(&location, Bytes::new(), "image/png").await.unwrap_err();
        assert_eq!((failure.kind, failure.is_permanent()), ("location-not-allowed", true), "{location}");
        assert!(
            failure.message.contains("is not within the allowed locations: s3://photos/in/, file:///"),
            "{failure}"
        );
        assert!(storage.fetch(&location, 1).await.is_err());
    }
}

#[test]
fn a_root_that_is_not_a_folder_is_refused() {
    assert!(Storage::builder().file_root("/does/not/exist").is_err());
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Storage::builder().file_root(file.path()).is_err());
}

/// A store that misbehaves in one way on each read and write.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn Store>,
    fault: Fault,
}

#[derive(Clone, Debug)]
enum Fault {
    Error(StoreError),
    Short,
    Long,
    Broken,
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        if let Fault::Error(error) = &self.fault {
            return Err(error.clone());
        }
        let Object { bytes, .. } = self.inner.get(key, grant).await?;
        let body: Vec<Result<Bytes, StoreError>> = match self.fault {
            Fault::Short => vec![Ok(Bytes::from_static(b"bo"))],
            Fault::Long => (0..1000).map(|_| Ok(Bytes::from_static(b"body"))).collect(),
            _ => vec![Ok(Bytes::from_static(b"bo")), Err(StoreError::Unreachable("reset".to_owned()))],
        };
        Ok(Object { bytes, headers: Headers::default(), body: futures_util::stream::iter(body).boxed() })
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        match &self.fault {
            Fault::Error(error) => Err(error.clone()),
            _ => self.inner.head(key).await,
        }
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        match &self.fault {
            Fault::Error(error) => Err(error.clone()),
            _ => self.inner.put(key, body, about, mode).await,
        }
    }
}

fn faulty(fault: Fault) -> Storage {
    let wrap = move |inner| -> Arc<dyn Store> { Arc::new(Faulty { inner, fault: fault.clone() }) };
    Storage::builder().memory().decorate(wrap).build()
}

#[tokio::test]
async fn each_error_has_its_blame_and_its_advice() {
    let both = |blame| (blame, blame);
    let sides = (Blame::Source, Blame::Target);
    let environment = both(Blame::Environment);
    // A key, a code and a status in a text decide nothing: such texts are written by strangers.
    let text = || "ExpiredToken credential status code: 503 SlowDown".to_owned();
    for (error, (at_source, at_target), retry, kind) in [
        (StoreError::NotFound, sides, Retry::Never, "not-found"),
        (StoreError::Denied(text()), sides, Retry::Never, "access-denied"),
        (StoreError::NotAFile("a named pipe"), sides, Retry::Never, "not-a-file"),
        (StoreError::UnsupportedKey(text()), sides, Retry::Never, "unsupported-key"),
        (StoreError::BadLocation(text()), sides, Retry::Never, "bad-location"),
        (StoreError::Refused(text()), sides, Retry::Never, "storage-refused"),
        (StoreError::Redirected(text()), environment, Retry::Never, "redirected"),
        (StoreError::Conflict, sides, Retry::Later, "conflict"),
        (StoreError::Full(text()), environment, Retry::Later, "storage-full"),
        (StoreError::Credentials("none".to_owned()), environment, Retry::Later, "credentials"),
        (StoreError::Unreachable("none".to_owned()), environment, Retry::Later, "storage"),
    ] {
        let storage = faulty(Fault::Error(error.clone()));
        let location = Location::memory("m", "a").unwrap();
        let read = storage.fetch(&location, 100).await.unwrap_err();
        assert_eq!((read.blame, read.retry), (at_source, retry), "{error:?}: {read:?}");
        let written = storage.store(&location, Bytes::new(), "image/png").await.unwrap_err();
        assert_eq!((written.blame, written.retry), (at_target, retry), "{error:?}: {written:?}");
        let headed = storage.head(&location).await.unwrap_err();
        assert_eq!((headed.blame, headed.kind), (read.blame, read.kind), "a look fails as a read does");
        for failure in [read, written] {
            assert!(failure.kind.ends_with(kind), "{error:?}: {failure:?}");
            let readme = include_str!("../../README.md");
            assert!(readme.contains(&format!("`{}`", failure.kind)), "the README does not list {}", failure.kind);
            assert!(failure.message.contains("memory://m/a"), "{error:?}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_declared_is_never_taken() {
    for (fault, kind) in [(Fault::Short, "short-read"), (Fault::Long, "body-too-long"), (Fault::Broken, "storage")] {
        let storage = faulty(fault);
        let location = Location::memory("m", "a").unwrap();
        storage.store(&location, Bytes::from_static(b"body"), "image/png").await.unwrap();
        let failure = storage.fetch(&location, 1000).await.unwrap_err();
        assert_eq!((failure.retry, failure.kind), (Retry::Later, kind), "{failure:?}");
    }
}

/// S3 says the same of what is not there and of what may not be read to whoever may not list the bucket.
#[tokio::test]
async fn a_target_that_may_not_be_looked_at_counts_as_not_there() {
    let storage = faulty(Fault::Error(StoreError::Denied("AccessDenied".to_owned())));
    assert_eq!(storage.existing(&Location::memory("m", "a").unwrap()).await.unwrap(), None);
}
