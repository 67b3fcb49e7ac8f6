use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::*;
use crate::batch::{Batch, BatchReport, Outcome, ReportOnly};
use crate::event::body::Renditions;
use crate::event::{Message, Record};
use crate::failure::{Blame, Retry};
use crate::storage::{Head, MemoryStore, Object, PutMode, Store, StoreError};

fn png(width: u32, height: u32) -> Bytes {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let [_, _, _, blue] = (x * y).to_be_bytes();
        image::Rgb([200, 90, blue])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner().into()
}

fn at(key: &str) -> Location {
    Location::memory("m", key).unwrap()
}

fn job(source: &str, target: &str, width: u32) -> String {
    let output = json!({ "target": at(target).to_string(), "width": width, "format": "png" });
    json!({ "source": at(source).to_string(), "outputs": [output] }).to_string()
}

async fn run(resizer: Resizer, bodies: &[String]) -> BatchReport<Resized> {
    let records = bodies.iter().enumerate().map(|(index, body)| {
        Record::from(Message { id: Some(format!("m{index}")), body: body.clone(), ..Message::default() })
    });
    Batch::with_sink(resizer, ReportOnly).run(records.collect(), Deadline::NEVER).await
}

fn size(output: &ResizedOutput) -> Option<(u32, u32)> {
    output.image.map(|image| (image.width, image.height))
}

async fn outcome(resizer: Resizer, body: String) -> Outcome<Resized> {
    run(resizer, &[body]).await.records.remove(0).outcome
}

async fn failure(resizer: Resizer, body: String) -> Failure {
    match outcome(resizer, body).await {
        Outcome::Reported { failure, .. } => failure,
        other => panic!("{other:?}"),
    }
}

fn resizer(storage: &Storage) -> Resizer {
    Resizer::new(storage.clone(), BodyReader::default(), ResizeOptions::default())
}

#[tokio::test]
async fn a_job_makes_all_its_outputs_from_one_source() {
    let storage = Storage::memory();
    let source = png(64, 48);
    storage.store(&at("a.png"), source.clone(), "image/png").await.unwrap();
    let output = |target: &str, width: u32, format: &str| json!({ "target": at(target).to_string(), "width": width, "format": format });
    let outputs = [output("32.png", 32, "png"), output("16.jpg", 16, "jpeg"), output("8.webp", 8, "webp")];
    let body = json!({ "source": at("a.png").to_string(), "outputs": outputs }).to_string();
    let Outcome::Done(resized) = outcome(resizer(&storage), body).await else { panic!("not done") };
    assert_eq!(resized.bytes_in, source.len() as u64);
    let sizes: Vec<_> = resized.outputs.iter().filter_map(size).collect();
    assert_eq!(sizes, [(32, 24), (16, 12), (8, 6)]);
    let mut stored = 0;
    for (target, format) in [("32.png", ImageFormat::Png), ("16.jpg", ImageFormat::Jpeg), ("8.webp", ImageFormat::WebP)]
    {
        let bytes = storage.fetch(&at(target), 100_000).await.unwrap();
        assert_eq!(image::guess_format(&bytes).unwrap(), format);
        stored += bytes.len() as u64;
    }
    assert_eq!(resized.bytes_out(), stored);
}

#[tokio::test]
async fn what_can_never_work_is_permanent_and_says_whose_fault() {
    let storage = Storage::memory();
    let cut = png(64, 48).slice(..200);
    storage.store(&at("cut.png"), cut, "image/png").await.unwrap();
    storage.store(&at("text"), Bytes::from_static(b"no image at all"), "text/plain").await.unwrap();
    storage.store(&at("large.png"), png(101, 100), "image/png").await.unwrap();
    let mut options = ResizeOptions::default();
    options.limits.pixels_max = 10_000;
    let resizer = Resizer::new(storage.clone(), BodyReader::default(), options);
    for (source, blame, kind) in [
        ("cut.png", Blame::Source, "bad-image"),
        ("text", Blame::Source, "bad-image"),
        ("large.png", Blame::Limits, "image-too-large"),
        ("missing.png", Blame::Source, "source-not-found"),
    ] {
        let failure = failure(resizer.clone(), job(source, "out.png", 8)).await;
        assert_eq!((failure.blame, failure.retry, failure.kind), (blame, Retry::Never, kind), "{failure}");
    }
    let elsewhere =
        json!({ "source": "s3://bucket/a", "outputs": [{ "target": "s3://bucket/c", "width": 1 }] }).to_string();
    let failure = failure(resizer, elsewhere).await;
    assert_eq!((failure.blame, failure.kind), (Blame::Job, "bad-location"));
    assert_eq!(failure.message, "source: s3:// is not configured here");
    assert!(storage.fetch(&at("out.png"), 1000).await.is_err(), "nothing was written");
}

#[tokio::test]
async fn memory_is_spent_before_it_is_used_and_given_back() {
    let storage = Storage::memory();
    storage.store(&at("a.png"), png(640, 480), "image/png").await.unwrap();
    let pixel_memory = Memory::new(64 * 1024, Duration::from_secs(1));
    let options = ResizeOptions { pixel_memory, ..ResizeOptions::default() };
    let resizer_small = Resizer::new(storage.clone(), BodyReader::default(), options);
    let failure = failure(resizer_small, job("a.png", "b.png", 32)).await;
    assert_eq!((failure.blame, failure.retry, failure.kind), (Blame::Limits, Retry::Never, "memory-too-small"));

    let resizer = resizer(&storage);
    let free = (resizer.options.pixel_memory.free_bytes(), resizer.options.source_memory.free_bytes());
    let bodies: Vec<_> = (0..20).map(|index| job("a.png", &format!("{index}.png"), 32)).collect();
    let report = run(resizer.clone(), &bodies).await;
    assert_eq!(report.counts().done, 20);
    assert_eq!((resizer.options.pixel_memory.free_bytes(), resizer.options.source_memory.free_bytes()), free);
}

/// Counts what is asked for, and what is open.
#[derive(Debug)]
struct Counted {
    inner: Arc<dyn Store>,
    asked: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Store for Counted {
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        struct Open(Arc<AtomicUsize>);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(self.open.clone());
        let Object { bytes, headers, body } = self.inner.get(key, grant).await?;
        let body = body.map(move |chunk| {
            let _ = &open;
            chunk
        });
        Ok(Object { bytes, headers, body: body.boxed() })
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        self.inner.head(key).await
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        self.inner.put(key, body, about, mode).await
    }
}

#[tokio::test]
async fn an_output_says_of_itself_what_it_is_given_or_what_the_source_says() {
    let storage = Storage::memory();
    let mut of_source = Headers::default();
    of_source.insert("cache-control", "max-age=60").unwrap();
    of_source.insert("x-amz-meta-owner", "somebody").unwrap();
    let about = About { content_type: "image/png", headers: of_source.clone() };
    storage.store_with(&at("a.png"), png(64, 48), &about).await.unwrap();
    let mut given = Headers::default();
    given.insert("content-language", "de").unwrap();
    given.insert_tag("k", "v").unwrap();
    let output = |target: &str, headers: Value| json!({ "target": at(target).to_string(), "width": 8, "format": "png", "headers": headers });
    let outputs = [
        output("none.png", Value::Null),
        output("given.png", json!({ "content-language": "de", "tags": { "k": "v" } })),
        output("copied.png", "copy".into()),
    ];
    let body = json!({ "source": at("a.png").to_string(), "outputs": outputs }).to_string();
    assert!(matches!(outcome(resizer(&storage), body).await, Outcome::Done(_)));
    for (target, expected) in [("none.png", Headers::default()), ("given.png", given), ("copied.png", of_source)] {
        let found = storage.open(&at(target), 100_000, Grant::none()).await.unwrap();
        assert_eq!(found.headers(), &expected, "{target}");
    }
}

/// A storage in memory of two buckets, and what was read of it so far.
struct Dated {
    bucket: Arc<MemoryStore>,
    storage: Storage,
    asked: Arc<AtomicUsize>,
}

impl Dated {
    fn new() -> Self {
        let (bucket, asked) = (Arc::new(MemoryStore::new()), Arc::<AtomicUsize>::default());
        let count = asked.clone();
        let storage = Storage::builder().bucket("photos", bucket.clone());
        let storage =
            storage.decorate(move |inner| Arc::new(Counted { inner, asked: count.clone(), open: Arc::default() }));
        Self { bucket, storage: storage.build(), asked }
    }

    fn insert(&self, key: &str, body: impl Into<Bytes>, seconds: u64) {
        let modified = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        self.bucket.insert_at(key, body, "image/png", modified);
    }

    async fn done(&self, job: &Value) -> Resized {
        match outcome(resizer(&self.storage), job.to_string()).await {
            Outcome::Done(resized) => resized,
            other => panic!("{other:?}"),
        }
    }
}

/// A job of `a.png` with one output of 8 pixels for each key and word.
fn conditional(outputs: &[(&str, &str)]) -> Value {
    let output = |(key, if_exists): &(&str, &str)| json!({ "target": format!("s3://photos/{key}"), "width": 8, "format": "png", "if_exists": if_exists });
    json!({ "source": "s3://photos/a.png", "outputs": outputs.iter().map(output).collect::<Vec<_>>() })
}

fn keys(locations: &[Location]) -> Vec<&str> {
    locations.iter().map(Location::key).collect()
}

#[tokio::test]
async fn an_output_that_is_there_is_replaced_or_stays_as_the_job_asks() {
    // The source is of second 100. What is made is no longer `old`.
    for (if_exists, target, made) in [
        ("replace", None, true),
        ("replace", Some(200), true),
        ("skip", None, true),
        ("skip", Some(50), false),
        ("skip", Some(200), false),
        ("if-newer", None, true),
        ("if-newer", Some(50), true),
        ("if-newer", Some(100), true),
        ("if-newer", Some(200), false),
    ] {
        let dated = Dated::new();
        dated.insert("a.png", png(64, 48), 100);
        if let Some(seconds) = target {
            dated.insert("b.png", "old", seconds);
        }
        let resized = dated.done(&conditional(&[("b.png", if_exists)])).await;
        let (stored, skipped) = (resized.outputs.len(), keys(&resized.skipped));
        let expected = if made { (1, vec![]) } else { (0, vec!["b.png"]) };
        assert_eq!((stored, skipped), expected, "{if_exists} with {target:?}");
        assert_eq!(dated.bucket.object("b.png").unwrap().0 != "old", made, "{if_exists} with {target:?}");
        assert_eq!(dated.asked.load(Ordering::SeqCst), usize::from(made), "what is not made is not read");
        assert_eq!(resized.bytes_in > 0, made);
    }
}

#[tokio::test]
async fn a_job_that_is_run_twice_skips_what_it_has_made_and_makes_what_is_gone() {
    let dated = Dated::new();
    dated.insert("a.png", png(64, 48), 100);
    let job = conditional(&[("b.png", "skip"), ("c.png", "if-newer"), ("d.png", "skip")]);
    let first = dated.done(&job).await;
    assert_eq!((first.outputs.len(), first.skipped.len()), (3, 0));
    let made: Vec<_> = dated.bucket.keys().iter().map(|key| dated.bucket.object(key)).collect();
    let second = dated.done(&job).await;
    assert_eq!((second.outputs.len(), keys(&second.skipped)), (0, vec!["b.png", "c.png", "d.png"]));
    assert_eq!(dated.bucket.keys().iter().map(|key| dated.bucket.object(key)).collect::<Vec<_>>(), made);
    assert_eq!(dated.asked.load(Ordering::SeqCst), 1, "the source is read once");

    // A newer source concerns the one that follows it, and what is missing is made whoever else is there.
    dated.insert("a.png", png(48, 64), u64::from(u32::MAX));
    dated.bucket.remove("d.png");
    let third = dated.done(&job).await;
    let stored: Vec<_> = third.outputs.iter().map(|output| (output.target.key(), size(output))).collect();
    assert_eq!(
        (stored, keys(&third.skipped)),
        (vec![("c.png", Some((8, 11))), ("d.png", Some((8, 11)))], vec!["b.png"])
    );
}

#[tokio::test]
async fn a_source_that_is_gone_matters_only_where_something_is_made_of_it() {
    let dated = Dated::new();
    dated.insert("b.png", "old", 200);
    assert_eq!(keys(&dated.done(&conditional(&[("b.png", "skip")])).await.skipped), ["b.png"]);
    for outputs in [&[("b.png", "skip"), ("c.png", "skip")][..], &[("b.png", "if-newer")], &[("b.png", "replace")]] {
        let failure = failure(resizer(&dated.storage), conditional(outputs).to_string()).await;
        assert_eq!((failure.kind, failure.retry), ("source-not-found", Retry::Never), "{outputs:?}");
    }
    assert_eq!(dated.bucket.object("b.png").unwrap().0, "old");
}

/// Lets everybody look before anybody stores.
#[derive(Debug)]
struct LookTogether {
    inner: Arc<dyn Store>,
    barrier: Arc<tokio::sync::Barrier>,
}

#[async_trait::async_trait]
impl Store for LookTogether {
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        self.inner.get(key, grant).await
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        let head = self.inner.head(key).await;
        self.barrier.wait().await;
        head
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        self.inner.put(key, body, about, mode).await
    }
}

#[tokio::test]
async fn of_two_jobs_that_find_one_place_empty_one_stores_and_the_other_skips() {
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let together = move |inner| -> Arc<dyn Store> { Arc::new(LookTogether { inner, barrier: barrier.clone() }) };
    let storage = Storage::builder().memory().decorate(together).build();
    let mut bodies = Vec::new();
    for (source, width) in [("wide.png", 32), ("narrow.png", 16)] {
        storage.store(&at(source), png(64, 48), "image/png").await.unwrap();
        let mut job: Value = serde_json::from_str(&job(source, "once.png", width)).unwrap();
        job["outputs"][0]["if_exists"] = "skip".into();
        bodies.push(job.to_string());
    }
    let report = run(resizer(&storage), &bodies).await;
    let outcome = |record: &crate::batch::RecordReport<Resized>| match &record.outcome {
        Outcome::Done(resized) => (resized.outputs.len(), resized.skipped.len(), resized.outputs.first().cloned()),
        other => panic!("{other:?}"),
    };
    let mut outcomes: Vec<_> = report.records.iter().map(outcome).collect();
    outcomes.sort_by_key(|(stored, ..)| *stored);
    let [(0, 1, None), (1, 0, Some(stored))] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    let bytes = storage.fetch(&at("once.png"), 10_000).await.unwrap();
    let image = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap();
    assert_eq!(Some(image.into_dimensions().unwrap()), size(stored), "what was stored first is what is there");
}

#[tokio::test]
async fn no_connection_is_open_while_a_job_waits_for_memory() {
    let (asked, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let storage = Storage::builder().memory().decorate({
        let (asked, open) = (asked.clone(), open.clone());
        move |inner| Arc::new(Counted { inner, asked: asked.clone(), open: open.clone() })
    });
    let storage = storage.build();
    let mut source = png(64, 48).to_vec();
    source.resize(600 * 1024, 0);
    storage.store(&at("a.png"), source.into(), "image/png").await.unwrap();
    let kib = |kib: u64| kib * 1024;
    let source_memory = Memory::new(kib(1024), Duration::from_mins(1));
    let options = ResizeOptions { source_memory: source_memory.clone(), ..ResizeOptions::default() };
    let resizer = Resizer::new(storage, BodyReader::default(), options);

    let all = source_memory.spend(kib(1024), &Deadline::NEVER).await.unwrap();
    let mut running = tokio::spawn(outcome(resizer, job("a.png", "b.png", 8)));
    let settled = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    settled().await;
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nothing is asked for before there is memory to hold any of it");

    // Enough to open the source, and not enough to read it.
    drop(all);
    let most = source_memory.spend(kib(512), &Deadline::NEVER);
    let most = futures_util::FutureExt::now_or_never(most).unwrap().unwrap();
    settled().await;
    assert_eq!((asked.load(Ordering::SeqCst), open.load(Ordering::SeqCst)), (1, 0), "asked, and closed again");
    assert!(!running.is_finished());

    drop(most);
    let done = (&mut running).await.unwrap();
    assert!(matches!(done, Outcome::Done(_)), "{done:?}");
    assert_eq!((asked.load(Ordering::SeqCst), open.load(Ordering::SeqCst)), (2, 0));
    assert_eq!(source_memory.free_bytes(), kib(1024));
}

#[tokio::test]
async fn no_more_sources_are_held_than_may_be() {
    let (asked, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let storage = Storage::builder().memory().decorate({
        let (asked, open) = (asked.clone(), open.clone());
        move |inner| Arc::new(Counted { inner, asked: asked.clone(), open: open.clone() })
    });
    let storage = storage.build();
    let pixel_memory = Memory::new(64 * 1024 * 1024, Duration::from_mins(1));
    let options =
        ResizeOptions { source_concurrency: 2, pixel_memory: pixel_memory.clone(), ..ResizeOptions::default() };
    let resizer = Resizer::new(storage.clone(), BodyReader::default(), options);
    let all = pixel_memory.spend(64 * 1024 * 1024, &Deadline::NEVER).await.unwrap();
    let mut running = Vec::new();
    for number in 0..5 {
        let source = format!("{number}.png");
        storage.store(&at(&source), png(64, 48), "image/png").await.unwrap();
        running.push(tokio::spawn(outcome(resizer.clone(), job(&source, &format!("{number}-small.png"), 8))));
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the others wait until one of these is rendered");
    drop(all);
    for done in running {
        let done = done.await.unwrap();
        assert!(matches!(done, Outcome::Done(_)), "{done:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_notification_of_several_objects_makes_what_it_can() {
    let bucket = || Arc::new(MemoryStore::new());
    let storage = Storage::builder().bucket("photos", bucket()).bucket("thumbs", bucket()).build();
    let object = |key: &str| Location::s3("photos", key).unwrap();
    storage.store(&object("a b.png"), png(64, 48), "image/png").await.unwrap();
    storage.store(&object("broken.png"), Bytes::from_static(b"broken"), "image/png").await.unwrap();
    let renditions = r#"[{"target":"s3://thumbs/{stem}-{width}.{format}","width":16,"format":"webp"}]"#;
    let bodies = BodyReader::new(Some(Renditions::parse(renditions).unwrap()));
    let resizer = Resizer::new(storage.clone(), bodies, ResizeOptions::default());
    let record = |key: &str| {
        let s3 = json!({ "bucket": { "name": "photos" }, "object": { "key": key } });
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3 })
    };
    let body = |records: Vec<Value>| json!({ "Records": records }).to_string();
    let failure = failure(resizer.clone(), body(vec![record("broken.png"), record("a+b.png")])).await;
    assert_eq!(failure.kind, "bad-image");
    let thumb = Location::s3("thumbs", "a b-16.webp").unwrap();
    assert!(storage.fetch(&thumb, 10_000).await.is_ok(), "the good object of the message was made");
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos" }).to_string();
    assert_eq!(outcome(resizer, test).await, Outcome::Done(Resized::default()));
}

#[tokio::test]
async fn a_written_job_can_be_run() {
    let storage = Storage::memory();
    storage.store(&at("a.png"), png(8, 8), "image/png").await.unwrap();
    let job = ResizeJob::parse(&job("a.png", "b.png", 4)).unwrap();
    let done = outcome(resizer(&storage), serde_json::to_string(&job).unwrap()).await;
    assert!(matches!(done, Outcome::Done(_)), "{done:?}");
}

#[tokio::test]
async fn an_output_has_the_best_quality_that_fits_or_says_how_far_it_is_from_fitting() {
    let storage = Storage::memory();
    storage.store(&at("a.png"), png(400, 300), "image/png").await.unwrap();
    let body = |format: &str, max_bytes: Option<u64>| {
        let output = json!({ "target": at("out").to_string(), "width": 200, "format": format, "max_bytes": max_bytes });
        json!({ "source": at("a.png").to_string(), "outputs": [output] }).to_string()
    };
    let done = async |format: &str, max_bytes| match outcome(resizer(&storage), body(format, max_bytes)).await {
        Outcome::Done(resized) => (resized.outputs[0].bytes, resized.outputs[0].image.unwrap().quality),
        other => panic!("{other:?}"),
    };
    for format in ["jpeg", "webp"] {
        let (whole, quality) = done(format, None).await;
        assert_eq!(quality, Some(80));
        assert_eq!(done(format, Some(whole)).await, (whole, Some(80)), "what fits is what it is without a limit");
        let (bytes, quality) = done(format, Some(whole * 3 / 4)).await;
        assert!(bytes <= whole * 3 / 4 && quality.is_some_and(|quality| (10..80).contains(&quality)), "{quality:?}");
        assert_eq!(storage.fetch(&at("out"), whole).await.unwrap().len() as u64, bytes);
    }
    let (whole, quality) = done("png", None).await;
    assert_eq!((done("png", Some(whole)).await, quality), ((whole, None), None));

    for (format, says) in [("jpeg", "at quality 10, the lowest"), ("webp", "at quality 10"), ("png", "no quality")] {
        let failure = failure(resizer(&storage), body(format, Some(50))).await;
        assert_eq!((failure.blame, failure.retry, failure.kind), (Blame::Job, Retry::Never, "over-max-bytes"));
        assert!(failure.message.contains(says) && failure.message.ends_with("max_bytes is 50"), "{failure}");
        assert!(include_str!("../../README.md").contains(failure.kind));
    }
}

/// A job of `a.png` with a document and images of the given widths.
fn described(widths: &[u32]) -> Value {
    let image =
        |width: &u32| json!({ "target": format!("s3://photos/{width}.webp"), "width": width, "format": "webp" });
    let document = json!({ "target": "s3://photos/a.json", "format": "json" });
    let outputs: Vec<Value> = std::iter::once(document).chain(widths.iter().map(image)).collect();
    json!({ "source": "s3://photos/a.png", "outputs": outputs })
}

fn document(bucket: &MemoryStore) -> Value {
    let (bytes, content_type) = bucket.object("a.json").unwrap();
    assert_eq!(content_type, "application/json");
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_document_says_what_the_source_is_and_what_was_made_of_it() {
    let dated = Dated::new();
    let source = {
        let image = image::RgbaImage::from_pixel(64, 48, image::Rgba([9, 99, 199, 255]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    dated.insert("a.png", source.clone(), 100);
    let mut job = described(&[32, 16]);
    job["outputs"].as_array_mut().unwrap().push(json!({ "target": "s3://photos/b.png", "width": 8, "format": "png" }));
    let resized = dated.done(&job).await;
    let stored: Vec<_> = resized.outputs.iter().map(|output| (output.target.key(), size(output))).collect();
    let expected =
        [("a.json", None), ("32.webp", Some((32, 24))), ("16.webp", Some((16, 12))), ("b.png", Some((8, 6)))];
    assert_eq!(stored, expected);
    let bytes = |key: &str| dated.bucket.object(key).unwrap().0.len();
    let mut found = document(&dated.bucket);
    let thumbhash = found["thumbhash"].take();
    assert_eq!(
        found,
        json!({
            "width": 64, "height": 48, "format": "png", "bytes": source.len(), "alpha": true,
            "dominant_color": "#0963c7", "thumbhash": null,
            "renditions": [
                { "target": "s3://photos/32.webp", "width": 32, "height": 24, "format": "webp", "bytes": bytes("32.webp"), "quality": 80 },
                { "target": "s3://photos/16.webp", "width": 16, "height": 12, "format": "webp", "bytes": bytes("16.webp"), "quality": 80 },
                { "target": "s3://photos/b.png", "width": 8, "height": 6, "format": "png", "bytes": bytes("b.png") },
            ],
        })
    );
    let hash = aws_smithy_types::base64::decode(thumbhash.as_str().unwrap()).unwrap();
    // Even blue: mean luminance 63 * (9 + 99 + 199) / 765, and nothing that varies.
    assert_eq!((hash[0] & 63, hash.len()), (25, 21), "{hash:02x?}");
}

#[tokio::test]
async fn a_document_alone_is_made_and_the_same_job_gives_the_same_bytes() {
    for widths in [&[][..], &[32], &[300, 200, 32]] {
        let dated = Dated::new();
        dated.insert("a.png", png(640, 480), 100);
        let first = dated.done(&described(widths)).await;
        assert_eq!((first.outputs.len(), first.skipped.len()), (widths.len() + 1, 0));
        assert_eq!(first.oddities, Oddities::default());
        assert_eq!(document(&dated.bucket)["renditions"].as_array().unwrap().len(), widths.len());
        let made: Vec<_> = dated.bucket.keys().iter().map(|key| dated.bucket.object(key)).collect();
        dated.done(&described(widths)).await;
        assert_eq!(dated.bucket.keys().iter().map(|key| dated.bucket.object(key)).collect::<Vec<_>>(), made);
    }
}

#[tokio::test]
async fn a_document_that_is_missing_is_the_same_whatever_stays() {
    let dated = Dated::new();
    dated.insert("a.png", png(640, 480), 100);
    let mut job = described(&[300, 32]);
    for output in job["outputs"].as_array_mut().unwrap() {
        output["if_exists"] = "skip".into();
    }
    dated.done(&job).await;
    let made = dated.bucket.object("a.json");
    dated.bucket.remove("a.json");
    dated.insert("32.webp", "stays", 1);
    let again = dated.done(&job).await;
    let stored: Vec<_> = again.outputs.iter().map(|output| output.target.key()).collect();
    assert_eq!((stored, keys(&again.skipped)), (vec!["a.json"], vec!["300.webp", "32.webp"]));
    assert_eq!((dated.bucket.object("a.json"), dated.bucket.object("32.webp").unwrap().0), (made, "stays".into()));
    // And one that is there is no reason to look at the source.
    dated.bucket.remove("a.png");
    assert_eq!(keys(&dated.done(&job).await.skipped), ["a.json", "300.webp", "32.webp"]);
}

/// Does not let a key be written.
#[derive(Debug)]
struct Forbidding(Arc<dyn Store>, &'static str);

#[async_trait::async_trait]
impl Store for Forbidding {
    async fn get(&self, key: &str, grant: Grant) -> Result<Object, StoreError> {
        self.0.get(key, grant).await
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        self.0.head(key).await
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        if key == self.1 { Err(StoreError::Denied("no".to_owned())) } else { self.0.put(key, body, about, mode).await }
    }
}

#[tokio::test]
async fn no_document_tells_of_an_image_that_is_not_there() {
    for (forbidden, is_written) in [("16.webp", false), ("a.json", false), ("other", true)] {
        let bucket = Arc::new(MemoryStore::new());
        bucket.insert("a.png", png(64, 48), "image/png");
        let storage = Storage::builder().bucket("photos", bucket.clone());
        let storage = storage.decorate(move |inner| Arc::new(Forbidding(inner, forbidden))).build();
        let outcome = outcome(resizer(&storage), described(&[32, 16]).to_string()).await;
        assert_eq!(matches!(outcome, Outcome::Done(_)), is_written, "{outcome:?}");
        assert_eq!(bucket.object("a.json").is_some(), is_written, "{forbidden}");
    }
}
