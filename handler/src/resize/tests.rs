use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::*;
use crate::batch::{Batch, BatchReport, Outcome, ReportOnly};
use crate::event::body::Renditions;
use crate::event::{Message, Record};
use crate::failure::{Blame, Retry};

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
    let sizes: Vec<_> = resized.outputs.iter().map(|output| (output.width, output.height)).collect();
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
    let elsewhere = json!({ "source": "s3://b/a", "outputs": [{ "target": "s3://b/c", "width": 1 }] }).to_string();
    let failure = failure(resizer, elsewhere).await;
    assert_eq!((failure.blame, failure.message.as_str()), (Blame::Job, "source: s3:// is not configured here"));
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

#[tokio::test]
async fn a_notification_of_several_objects_makes_what_it_can() {
    let photos = Arc::new(InMemory::new());
    let storage = Storage::builder().bucket("photos", photos).bucket("thumbs", Arc::new(InMemory::new())).build();
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
