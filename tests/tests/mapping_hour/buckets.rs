//! One hour of uploads and jobs: photos come into a bucket, which announces them to the queue, and jobs come by requests to an
//! API; the handler's own batch works on both, behind functions that crash, fail, hang and are throttled. At the end all that was
//! taken is done - its renditions are in the other bucket - or is in the dead-letter queue.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Cursor,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use fastrand::Rng;
use handler::{
    batch::{Batch, BatchOptions},
    budget::Deadline,
    dead_letter::SqsSink,
    event::body::{BodyReader, Renditions},
    resize::{ResizeOptions, Resizer},
    storage::{About, Grant, Head, Object, PutMode, Storage, Store, StoreError},
};
use http::{Request, StatusCode};
use image::{ImageFormat, Rgb, RgbImage};
use local_queue::{
    LocalQueue,
    apis::{Api, ApiKind, Apis, Integration, Mapping, QueueAction, Route, Stage},
    buckets::{Buckets, Destination, Notification},
    clock::Clock,
    engine::{Attribute, QueueArn, Receive, RedrivePolicy},
    event_source_mapping::{EventSourceMapping, FunctionError, InProcess, Invocation, QueueSource},
};
use serde_json::{Value, json};
use tests::{SeedOnFailure, seeds};

use super::{DRAINED_MAX, HOUR, START};

const UPLOADS: usize = 120;
const JOBS: usize = 80;
const RENDITIONS: &str = r#"[
    { "target": "s3://thumbs/{key}/8.png", "width": 8, "format": "png" },
    { "target": "s3://thumbs/{key}/4.png", "width": 4, "format": "png" }
]"#;

/// A bucket as the handler sees it, by S3's protocol, which answers that it cannot now and then.
#[derive(Debug)]
struct Bucket {
    buckets: Buckets,
    name: &'static str,
    random: Arc<Mutex<Rng>>,
}

impl Bucket {
    async fn ask(
        &self,
        method: &str,
        key: &str,
        body: Bytes,
        about: Option<&About>,
    ) -> Result<(u64, Bytes), StoreError> {
        let (pause, fails) = {
            let mut random = self.random.lock().unwrap();
            (random.u64(1..=800), random.u8(..100) < 3)
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if fails {
            return Err(StoreError::Unreachable("503 SlowDown".to_owned()));
        }
        let request = Request::builder().method(method).uri(format!("http://localhost/{}/{key}", self.name));
        let request =
            about.into_iter().fold(request, |request, about| request.header("content-type", about.content_type));
        let response = self.buckets.respond(request.body(body).unwrap()).await;
        match response.status() {
            StatusCode::OK => Ok((response.body().len() as u64, response.into_body())),
            StatusCode::NOT_FOUND => Err(StoreError::NotFound),
            status => Err(StoreError::Refused(status.to_string())),
        }
    }
}

#[async_trait]
impl Store for Bucket {
    async fn get(&self, key: &str, _: Grant) -> Result<Object, StoreError> {
        Ok(Object::whole(self.ask("GET", key, Bytes::new(), None).await?.1))
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        self.ask("HEAD", key, Bytes::new(), None).await?;
        Ok(Head { modified: None })
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, _: PutMode) -> Result<(), StoreError> {
        self.ask("PUT", key, body, Some(about)).await.map(|_| ())
    }
}

/// An API whose `POST /jobs` sends to the queue of jobs.
fn api() -> Api {
    let parameters = [("QueueUrl", "http://localhost/000000000000/jobs"), ("MessageBody", "$request.body")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), Mapping::parse(value).unwrap()));
    let integration = Integration::Queue { action: QueueAction::SendMessage, parameters: parameters.to_vec() };
    let mut api = Api::new("front", ApiKind::Http);
    api.routes.push(Route { method: Some(http::Method::POST), path: "/jobs".to_owned(), integration, timeout: None });
    api.stages.push(Stage { name: "$default".to_owned(), variables: BTreeMap::new() });
    api
}

struct World {
    queues: LocalQueue,
    apis: Apis,
    buckets: Buckets,
    jobs: QueueArn,
    dead: QueueArn,
    random: Arc<Mutex<Rng>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let queues = LocalQueue::builder().clock(Clock::tokio(START)).seed(seed).build();
        let buckets = Buckets::new(&queues);
        let dead = queues.create_queue("dead-letters", &[]).unwrap();
        let redrive = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 5 };
        let policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" }, "Action": "sqs:SendMessage", "Resource": "*",
        } });
        let attributes = [
            Attribute::VisibilityTimeout(Duration::from_secs(180)),
            Attribute::RedrivePolicy(Some(redrive)),
            Attribute::Policy(Some(policy.to_string())),
        ];
        let jobs = queues.create_queue("jobs", &attributes).unwrap();
        for name in ["photos", "thumbs"] {
            buckets.create_bucket(name).unwrap();
        }
        let notification = Notification {
            id: None,
            destination: Destination::Queue(jobs.clone()),
            events: vec!["s3:ObjectCreated:*".to_owned()],
            rules: vec![("prefix".to_owned(), "in/".to_owned())],
        };
        buckets.notify("photos", vec![notification]).unwrap();
        let apis = Apis::new(&queues, vec![api()]);
        Self { queues, apis, buckets, jobs, dead, random: Arc::new(Mutex::new(Rng::with_seed(seed))) }
    }

    fn draw(&self, percent: u8) -> bool {
        self.random.lock().unwrap().u8(..100) < percent
    }

    /// The handler's batch, behind what befalls an invocation.
    async fn function(&self, seed: u64) -> impl Fn(Invocation) -> tests::stack::Reply + Send + Sync + 'static {
        let client = self.queues.client();
        let url = async |name| client.get_queue_url().queue_name(name).send().await.unwrap().queue_url;
        let sink = SqsSink::new(client.clone(), url("dead-letters").await).queue_url(url("jobs").await);
        let bucket = |name| {
            Arc::new(Bucket { buckets: self.buckets.clone(), name, random: Arc::clone(&self.random) }) as Arc<dyn Store>
        };
        let storage = Storage::builder().bucket("photos", bucket("photos")).bucket("thumbs", bucket("thumbs")).build();
        let reader = BodyReader::new(Some(Renditions::parse(RENDITIONS).unwrap()));
        let resizer = Resizer::new(storage, reader, ResizeOptions::default());
        let options = BatchOptions { seed: Some(seed), ..BatchOptions::default() };
        let batch = Arc::new(Batch::with_sink(resizer, sink).options(options));
        let (clock, random) = (self.queues.clock().clone(), Arc::clone(&self.random));
        move |invocation: Invocation| -> tests::stack::Reply {
            let (batch, clock) = (Arc::clone(&batch), clock.clone());
            let (befalls, after) = {
                let mut random = random.lock().unwrap();
                (random.u8(..100), Duration::from_millis(random.u64(..4000)))
            };
            Box::pin(async move {
                let work = async {
                    let deadline = Deadline::after(invocation.deadline.since(clock.now()), Duration::from_secs(1));
                    let event = std::str::from_utf8(&invocation.event).unwrap();
                    let answer = batch.handle(event, deadline).await.map_err(|error| FunctionError::Failed {
                        error_type: error.error_type().to_owned(),
                        message: error.to_string(),
                    })?;
                    Ok(serde_json::to_vec(&answer).unwrap().into())
                };
                match befalls {
                    0..6 => Err(FunctionError::Throttled { reason: "on purpose".to_owned() }),
                    // In the middle of its work, of which some is done by then.
                    6..12 => match tokio::time::timeout(after, work).await {
                        Ok(done) => done,
                        Err(_) => Err(FunctionError::Crashed { message: "on purpose".to_owned() }),
                    },
                    // All is done, and nobody gets to know.
                    12..15 => {
                        let done: Result<Bytes, FunctionError> = work.await;
                        done.and(Err(FunctionError::Crashed { message: "after its work".to_owned() }))
                    }
                    15..17 => std::future::pending().await,
                    _ => work.await,
                }
            })
        }
    }

    /// Uploads and jobs, over an hour; says of what the renditions are to be, and how many must be dead.
    async fn traffic(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut good, mut poison) = (BTreeSet::new(), BTreeSet::new());
        let pause = HOUR / u32::try_from(UPLOADS + JOBS).unwrap();
        for number in 0..UPLOADS + JOBS {
            let is_job = number % 5 < 2;
            let key = if is_job { format!("jobs/{number:03}.png") } else { format!("in/{number:03}.png") };
            let is_poison = self.draw(8);
            let photo = if is_poison { Bytes::from_static(b"no picture") } else { photo(number) };
            let put = Request::put(format!("http://localhost/photos/{key}")).body(photo).unwrap();
            assert_eq!(self.buckets.respond(put).await.status(), 200);
            if is_job {
                let output = |width: u32| json!({ "target": format!("s3://thumbs/{key}/{width}.png"), "width": width, "format": "png" });
                let job = json!({ "source": format!("s3://photos/{key}"), "outputs": [output(8), output(4)] });
                let post = Request::post("http://localhost/_local-queue/apis/front/jobs");
                let posted = self.apis.respond(post.body(job.to_string().into()).unwrap()).await;
                assert_eq!(posted.status(), 200);
            }
            if is_poison {
                poison.insert(key)
            } else {
                good.insert(key)
            };
            // Some at once, and then a while nothing.
            if !self.draw(30) {
                tokio::time::sleep(pause + pause / 3).await;
            }
        }
        (good, poison)
    }

    /// Keys of the photos that dead letters are about.
    async fn dead_letters(&self) -> Vec<String> {
        let mut keys = Vec::new();
        loop {
            let request = Receive { max_messages: 10, ..Receive::default() };
            let received = self.queues.receive(&self.dead, request).await.unwrap();
            if received.is_empty() {
                return keys;
            }
            for delivery in received {
                let body: Value = serde_json::from_str(delivery.message.body.as_str()).unwrap();
                let key = match body["source"].as_str() {
                    Some(source) => source.trim_start_matches("s3://photos/"),
                    None => body["Records"][0]["s3"]["object"]["key"].as_str().unwrap(),
                };
                keys.push(key.to_owned());
                self.queues.delete(&self.dead, delivery.receipt_handle).unwrap();
            }
        }
    }
}

/// A small picture that no other number has.
fn photo(number: usize) -> Bytes {
    let [low, high, ..] = number.to_le_bytes();
    let mut png = Cursor::new(Vec::new());
    RgbImage::from_pixel(16, 16, Rgb([low, high, 7])).write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner().into()
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_uploads_and_jobs_ends_in_renditions_or_dead_letters() {
    for seed in seeds(1) {
        let _seed = SeedOnFailure(seed);
        let world = World::new(seed);
        let mapping = EventSourceMapping {
            batch_size: 10,
            maximum_concurrency: Some(3),
            report_batch_item_failures: true,
            function_timeout: Duration::from_secs(30),
            ..EventSourceMapping::new("resize")
        };
        let source = QueueSource::new(world.queues.clone(), world.jobs.clone());
        let function = InProcess::new(world.function(seed).await);
        let clock = world.queues.clock().clone();
        let (driver, handle) = mapping.connect(source, function, clock).await.unwrap();
        let driving = tokio::spawn(driver.seed(seed).run());
        let (good, poison) = world.traffic().await;
        tokio::time::timeout(DRAINED_MAX, handle.drained()).await.expect("the queue is empty in the end").unwrap();
        handle.stop();
        driving.await.unwrap();

        let dead = world.dead_letters().await.into_iter().collect::<BTreeSet<_>>();
        assert!(dead.is_superset(&poison), "poison that is nowhere: {:?}", poison.difference(&dead));
        let made = world.buckets.keys("thumbs").into_iter().collect::<BTreeSet<_>>();
        let is_made = |key: &str| ["8.png", "4.png"].iter().all(|size| made.contains(&format!("{key}/{size}")));
        let lost = good.iter().filter(|key| !is_made(key) && !dead.contains(*key)).collect::<Vec<_>>();
        assert!(lost.is_empty(), "accepted, and neither done nor dead: {lost:?}");
        assert!(poison.iter().all(|key| !is_made(key)), "made of what is no picture");
        // Most of what is good is done: a dead letter takes five attempts that failed.
        let done = good.iter().filter(|key| is_made(key)).count();
        assert!(done * 10 >= good.len() * 9, "{done} of {} done", good.len());
        for key in good.iter().filter(|key| is_made(key)) {
            let number = key[key.len() - 7..key.len() - 4].parse().unwrap();
            let made = world.buckets.object("thumbs", &format!("{key}/8.png")).unwrap();
            let pixel =
                *image::load_from_memory_with_format(&made, ImageFormat::Png).unwrap().to_rgb8().get_pixel(3, 3);
            let source = image::load_from_memory_with_format(&photo(number), ImageFormat::Png).unwrap().to_rgb8();
            assert_eq!((pixel, *source.get_pixel(3, 3)), (pixel, pixel), "{key} is made of another photo");
        }
        println!("seed {seed}: {} good, {} poison, {done} done, {} dead", good.len(), poison.len(), dead.len());
    }
}
