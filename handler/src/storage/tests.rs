use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutPayload, PutResult, Result as StoreResult,
};

use super::*;

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
    let storage = Storage::builder().bucket("photos", Arc::new(InMemory::new())).build();
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
    let mut names: Vec<_> = std::fs::read_dir(root.path().join("deep/er"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.png", "b.png"]);
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
        root.join("file"),
        root.join("dangling"),
        root.join("dangling/new"),
        root.join("real/relative/secret"),
        root.join("loop"),
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
        if path != root {
            assert!(storage.check(&location).is_err(), "{} is accepted", path.display());
        }
        let read = storage.fetch(&location, 1000).await.unwrap_err();
        assert!(read.is_permanent() && read.blame == Blame::Source, "{}: {read:?}", path.display());
        let written = storage.store(&location, Bytes::from_static(b"x"), "image/png").await.unwrap_err();
        assert!(written.is_permanent() && written.blame == Blame::Target, "{}: {written:?}", path.display());
    }
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);

    let within = Location::file(&root.join("inside/a.png")).unwrap();
    storage.store(&within, Bytes::from_static(b"x"), "image/png").await.unwrap();
    assert_eq!(std::fs::read_to_string(root.join("real/a.png")).unwrap(), "x");
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
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    calls: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Text(&'static str),
    Denied(&'static str),
    Io(std::io::ErrorKind),
    Short,
    Long,
    Reset,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

impl Faulty {
    fn fail(&self) -> Option<object_store::Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let source: Box<dyn std::error::Error + Send + Sync> = match self.fault {
            Fault::Text(text) => text.into(),
            Fault::Io(kind) => Box::new(std::io::Error::from(kind)),
            Fault::Denied(text) => {
                return Some(object_store::Error::PermissionDenied { path: "p".to_owned(), source: text.into() });
            }
            Fault::Short | Fault::Long | Fault::Reset => return None,
        };
        Some(object_store::Error::Generic { store: "S3", source })
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &StorePath, body: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        match self.fail() {
            Some(error) => Err(error),
            None => self.inner.put_opts(path, body, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &StorePath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &StorePath, options: GetOptions) -> StoreResult<GetResult> {
        if let Some(error) = self.fail() {
            return Err(error);
        }
        let mut result = self.inner.get_opts(path, options).await?;
        let reset = || {
            let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Err(object_store::Error::Generic { store: "S3", source: Box::new(reset) })
        };
        let body: Vec<StoreResult<Bytes>> = match self.fault {
            Fault::Short => vec![Ok(Bytes::from_static(b"bo"))],
            Fault::Long => (0..1000).map(|_| Ok(Bytes::from_static(b"body"))).collect(),
            _ => vec![Ok(Bytes::from_static(b"bo")), reset()],
        };
        result.payload = GetResultPayload::Stream(futures_util::stream::iter(body).boxed());
        Ok(result)
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<StorePath>>,
    ) -> BoxStream<'static, StoreResult<StorePath>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &StorePath, to: &StorePath, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn faulty(fault: Fault) -> Storage {
    Storage::builder().decorate(move |inner| Arc::new(Faulty { inner, fault, calls: AtomicUsize::new(0) })).build()
}

#[tokio::test]
async fn each_fault_has_its_blame_and_its_advice() {
    use std::io::ErrorKind as K;
    let both = |blame| (blame, blame);
    let sides = (Blame::Source, Blame::Target);
    let environment = both(Blame::Environment);
    let status = |code| {
        Fault::Text(match code {
            500 => "Server returned non-2xx status code: 500 Internal Server Error: ",
            503 => "Server returned non-2xx status code: 503 Service Unavailable: SlowDown",
            429 => "Server returned non-2xx status code: 429 Too Many Requests: ",
            301 => "Server returned non-2xx status code: 301 Moved Permanently: ",
            _ => "Server returned non-2xx status code: 400 Bad Request: ",
        })
    };
    for (fault, (at_source, at_target), retry, kind) in [
        (status(500), environment, Retry::Later, "storage"),
        (status(503), environment, Retry::Later, "storage"),
        (status(429), environment, Retry::Later, "storage"),
        (status(400), sides, Retry::Never, "storage-refused"),
        (status(301), sides, Retry::Never, "storage-refused"),
        (Fault::Text("operation timed out"), environment, Retry::Later, "storage"),
        (
            Fault::Text("status code: 400 Bad Request: <Code>ExpiredToken</Code>"),
            environment,
            Retry::Later,
            "credentials",
        ),
        (Fault::Denied("<Code>RequestTimeTooSkewed</Code>"), environment, Retry::Later, "credentials"),
        (Fault::Denied("<Code>AccessDenied</Code>"), sides, Retry::Never, "access-denied"),
        (Fault::Io(K::PermissionDenied), sides, Retry::Never, "access-denied"),
        (Fault::Io(K::ConnectionRefused), environment, Retry::Later, "storage"),
        (Fault::Io(K::StorageFull), environment, Retry::Later, "storage-full"),
        (Fault::Io(K::NotADirectory), sides, Retry::Never, "bad-location"),
    ] {
        let storage = faulty(fault);
        let location = Location::memory("m", "a").unwrap();
        let read = storage.fetch(&location, 100).await.unwrap_err();
        assert_eq!((read.blame, read.retry), (at_source, retry), "{fault:?}: {read:?}");
        let written = storage.store(&location, Bytes::new(), "image/png").await.unwrap_err();
        assert_eq!((written.blame, written.retry), (at_target, retry), "{fault:?}: {written:?}");
        for failure in [read, written] {
            assert!(failure.kind.ends_with(kind), "{fault:?}: {failure:?}");
            assert!(failure.message.contains("memory://m/a"), "{fault:?}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_declared_is_never_taken() {
    for (fault, kind) in [(Fault::Short, "short-read"), (Fault::Long, "body-too-long"), (Fault::Reset, "storage")] {
        let storage = faulty(fault);
        let location = Location::memory("m", "a").unwrap();
        storage.store(&location, Bytes::from_static(b"body"), "image/png").await.unwrap();
        let failure = storage.fetch(&location, 1000).await.unwrap_err();
        assert_eq!((failure.retry, failure.kind), (Retry::Later, kind), "{failure:?}");
    }
}
