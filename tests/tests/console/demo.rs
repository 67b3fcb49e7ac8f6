//! A whole stack: an API and a bucket before a queue, a function that makes thumbnails, and a dead-letter queue.

use std::{collections::BTreeMap, io::Cursor, net::SocketAddr, path::Path, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use local_queue::{
    LocalQueue,
    apis::{Api, ApiKind, Apis, Functions, Integration, Mapping, Payload, QueueAction, Reply, Route, Stage},
    buckets::{Buckets, Destination, Notification},
    clock::{Clock, ManualClock},
    engine::{Attribute, MessageBody, MessageId, QueueArn, RedrivePolicy, SendMessage, Time},
    event_source_mapping::{EventSourceMapping, FunctionError, InProcess, Invocation},
    lambda_api::{FunctionConfiguration, LambdaApi, NewMapping},
    server::{Bounds, Server},
};
use serde_json::{Value, json};

const POLICY: &str = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}"#;
/// How wide thumbnails are.
const WIDTH: u32 = 320;
/// A page that does what it can to get something of the console.
pub(crate) const HOSTILE_PAGE: &str = r#"<!doctype html><title>quiet</title><script>
document.title = 'ran'
const change = token => fetch('/_local-queue/actions/SendMessage', {
    method: 'POST',
    headers: { 'x-local-queue-token': token, 'content-type': 'application/json' },
    body: '{"QueueUrl": "stolen", "MessageBody": "by a page"}',
})
fetch('/_local-queue/').then(answer => answer.text()).then(text => change(/name="token" content="([^"]+)/.exec(text)[1]))
change('')
fetch('/_local-queue/reset', { method: 'POST', mode: 'no-cors' })
open('/_local-queue/')
</script><iframe src="/_local-queue/" onload="try { change(this.contentDocument.querySelector('meta[name=token]').content) } catch {}">
</iframe>"#;

pub(crate) struct Demo {
    pub(crate) queues: LocalQueue,
    pub(crate) clock: ManualClock,
    pub(crate) buckets: Buckets,
    pub(crate) jobs: QueueArn,
    pub(crate) dead: QueueArn,
    /// Where a message that somebody steals a token for would come to be.
    pub(crate) stolen: QueueArn,
    pub(crate) address: SocketAddr,
}

/// A function that answers requests with a page.
#[derive(Debug)]
struct AnswersWithPage;

impl Functions for AnswersWithPage {
    fn invoke(&self, _: &str, _: Bytes) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        let headers = json!({ "content-type": "text/html" });
        let reply = json!({ "statusCode": 200, "headers": headers, "body": HOSTILE_PAGE }).to_string();
        Box::pin(std::future::ready(Reply::Replied(reply.into())))
    }
}

impl Demo {
    pub(crate) async fn start() -> Self {
        let clock = ManualClock::new(Time::from_millis(1_800_000_000_000));
        let queues = LocalQueue::builder().clock(Clock::manual(&clock)).seed(1).build();
        let dead = queues.create_queue("thumbnails-dead", &[]).unwrap();
        let redrive = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 2 };
        let attributes = [
            Attribute::RedrivePolicy(Some(redrive)),
            Attribute::Policy(Some(POLICY.to_owned())),
            Attribute::VisibilityTimeout(Duration::from_secs(60)),
        ];
        let jobs = queues.create_queue("thumbnails", &attributes).unwrap();
        let stolen = queues.create_queue("stolen", &[]).unwrap();
        let buckets = Buckets::new(&queues);
        for bucket in ["photos", "thumbs"] {
            buckets.create_bucket(bucket).unwrap();
        }
        let (destination, events) = (Destination::Queue(jobs.clone()), vec!["s3:ObjectCreated:*".to_owned()]);
        let rules = vec![("prefix".to_owned(), "in/".to_owned())];
        buckets.notify("photos", vec![Notification { id: None, destination, events, rules }]).unwrap();
        // The test event is no job.
        queues.purge_queue(&jobs).unwrap();
        let apis = Apis::new(&queues, vec![api()]);
        apis.invoke(std::sync::Arc::new(AnswersWithPage));
        let lambda = LambdaApi::builder(queues.clone()).build();
        let own = buckets.clone();
        let function = InProcess::new(move |invocation| make_thumbnails(own.clone(), invocation));
        lambda.add_function(FunctionConfiguration::new("make-thumbnails"), function);
        let mapping = EventSourceMapping { batch_size: 1, ..EventSourceMapping::new("make-thumbnails") };
        lambda.add_mapping(NewMapping { queue: jobs.clone(), mapping, enabled: true }).await.unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), queues.clone(), Bounds::default()).await.unwrap();
        let address = server.local_address().unwrap();
        let server = server.buckets(buckets.clone()).apis(apis).lambda_api(lambda, false);
        tokio::spawn(server.run(std::future::pending()));
        Self { queues, clock, buckets, jobs, dead, stolen, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/_local-queue/{path}", self.address)
    }

    pub(crate) fn page_of(&self, queue: &QueueArn) -> String {
        self.url(&format!("console/queue?arn={queue}"))
    }

    pub(crate) fn page_of_message(&self, queue: &QueueArn, id: MessageId) -> String {
        self.url(&format!("console/message?arn={queue}&id={id}"))
    }

    pub(crate) fn send(&self, body: &str) -> MessageId {
        self.queues.send(&self.jobs, SendMessage::new(MessageBody::parse(body).unwrap())).unwrap().message_id
    }

    pub(crate) async fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        put(&self.buckets, bucket, key, body.into()).await;
    }

    /// Puts a photo of the tests into the bucket, by a name of its own.
    pub(crate) async fn put_photo(&self, photo: &str, key: &str) {
        let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
        self.put("photos", key, std::fs::read(photos.join(photo)).unwrap()).await;
    }

    /// Waits until nothing is ready and nothing is being worked on.
    pub(crate) async fn settle(&self) {
        for _ in 0..5_000 {
            let attributes = self.queues.queue_attributes(&self.jobs).unwrap();
            // What has failed stays in flight until its visibility timeout ends.
            let working = self.queues.peek(&self.jobs, 0, 1_000).unwrap();
            let is_failed = |body: &str| body.contains(r#""fails": true"#) || body.starts_with("no JSON");
            let is_quiet = working.iter().all(|peeked| is_failed(peeked.message.body.as_str()));
            if attributes.messages == 0 && is_quiet {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the mapping does not come to its end");
    }
}

async fn put(buckets: &Buckets, bucket: &str, key: &str, body: Bytes) {
    let request = Request::put(format!("http://localhost/{bucket}/{key}")).header("content-type", "text/html");
    let status = buckets.respond(request.body(body).unwrap()).await.status();
    assert_eq!(status, 200, "{bucket}/{key}");
}

/// One route sends to the queue, another answers with a page.
fn api() -> Api {
    let parameters = [("QueueUrl", "http://localhost/000000000000/thumbnails"), ("MessageBody", "$request.body")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), Mapping::parse(value).unwrap())).into();
    let send = Integration::Queue { action: QueueAction::SendMessage, parameters };
    let page = Integration::Function { function: "pages".to_owned(), payload: Payload::V2 };
    let mut api = Api::new("front", ApiKind::Http);
    for (method, path, integration) in [(Method::POST, "/jobs", send), (Method::GET, "/page", page)] {
        api.routes.push(Route { method: Some(method), path: path.to_owned(), integration, timeout: None });
    }
    api.stages.push(Stage { name: "$default".to_owned(), variables: BTreeMap::new() });
    api
}

/// Makes thumbnails of what a message names: an object of an event, or the source of a job.
async fn make_thumbnails(buckets: Buckets, invocation: Invocation) -> Result<Bytes, FunctionError> {
    let failed = |message: String| FunctionError::Failed { error_type: "BadImage".to_owned(), message };
    let event: Value = serde_json::from_slice(&invocation.event).unwrap();
    let body = event["Records"][0]["body"].as_str().unwrap();
    let Ok(body) = serde_json::from_str::<Value>(body) else { return Err(failed("the body is no job".to_owned())) };
    if body["outputs"].is_array() {
        let source = body["source"].as_str().unwrap_or_default();
        for output in body["outputs"].as_array().unwrap() {
            let width = u32::try_from(output["width"].as_u64().unwrap()).unwrap();
            make(&buckets, source, output["target"].as_str().unwrap(), width).await.map_err(failed)?;
        }
    } else if let Some(record) = body["Records"].get(0) {
        let (bucket, key) = (&record["s3"]["bucket"]["name"], record["s3"]["object"]["key"].as_str().unwrap());
        let name = key.rsplit('/').next().unwrap().split('.').next().unwrap();
        let source = format!("s3://{}/{key}", bucket.as_str().unwrap());
        make(&buckets, &source, &format!("s3://thumbs/{name}-{WIDTH}.webp"), WIDTH).await.map_err(failed)?;
    } else if body["fails"] == true {
        return Err(failed("it fails on purpose".to_owned()));
    }
    Ok(Bytes::from_static(b"null"))
}

async fn make(buckets: &Buckets, source: &str, target: &str, width: u32) -> Result<(), String> {
    let place = |url: &str| {
        let (bucket, key) = url.strip_prefix("s3://").unwrap().split_once('/').unwrap();
        (bucket.to_owned(), key.to_owned())
    };
    let (bucket, key) = place(source);
    let bytes = buckets.object(&bucket, &key).ok_or("there is no source")?;
    let reader =
        image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let image = reader.decode().map_err(|error| error.to_string())?;
    let thumbnail = image.thumbnail(width, width).to_rgb8();
    let encoder = webp::Encoder::from_rgb(&thumbnail, thumbnail.width(), thumbnail.height());
    let made = Bytes::copy_from_slice(&encoder.encode(75.0));
    let (bucket, key) = place(target);
    put(buckets, &bucket, &key, made).await;
    Ok(())
}
