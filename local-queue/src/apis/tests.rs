//! APIs without a socket, in virtual time.

mod proxies;
mod templates;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;

use super::{
    AllowedOrigin, Api, ApiKind, Apis, Cors, Functions, Integration, Mapping, Payload, QueueAction, Reply, Route, Stage,
};
use crate::{LocalQueue, clock::Clock, engine::QueueArn, faults::Fault};

/// A function that gives each event to its closure, after a time.
struct Fake {
    reply: Box<dyn Fn(&Value) -> Reply + Send + Sync>,
    takes: Duration,
    clock: Clock,
    seen: Mutex<Vec<(String, Value)>>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Functions for Fake {
    fn invoke(&self, function: &str, event: Bytes) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        let event = serde_json::from_slice::<Value>(&event).unwrap();
        self.seen.lock().unwrap().push((function.to_owned(), event.clone()));
        Box::pin(async move {
            self.clock.sleep_until(self.clock.now() + self.takes).await;
            (self.reply)(&event)
        })
    }
}

/// APIs over one queue, and the function behind them.
struct World {
    queues: LocalQueue,
    jobs: QueueArn,
    apis: Apis,
    function: Arc<Fake>,
}

impl World {
    fn new(apis: Vec<Api>, takes: Duration, reply: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        let queues = LocalQueue::virtual_time();
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        let apis = Apis::new(&queues, apis);
        let (clock, seen) = (queues.clock().clone(), Mutex::default());
        let function = Arc::new(Fake { reply: Box::new(reply), takes, clock, seen });
        apis.invoke(Arc::clone(&function) as Arc<dyn Functions>);
        Self { queues, jobs, apis, function }
    }

    fn of_queue(api: Api) -> Self {
        Self::new(vec![api], Duration::ZERO, |_| Reply::Throttled)
    }

    async fn ask(&self, request: http::request::Builder, body: &str) -> Response<Bytes> {
        self.apis.respond(request.body(body.to_owned().into()).unwrap()).await
    }

    /// Bodies of the queue's messages.
    fn bodies(&self) -> Vec<String> {
        let found = self.queues.peek(&self.jobs, 0, 100).unwrap();
        found.iter().map(|found| found.message.body.as_str().to_owned()).collect()
    }
}

fn text(response: &Response<Bytes>) -> (u16, String) {
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn stage(name: &str, variables: &[(&str, &str)]) -> Stage {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Stage { name: name.to_owned(), variables: variables.collect::<BTreeMap<_, _>>() }
}

fn route(method: &str, path: &str, integration: Integration) -> Route {
    let method = (method != "ANY").then(|| method.parse::<Method>().unwrap());
    Route { method, path: path.to_owned(), integration, timeout: None }
}

fn queue(action: QueueAction, parameters: &[(&str, &str)]) -> Integration {
    let url = ("QueueUrl", "http://localhost/000000000000/jobs");
    let parameters =
        [&url].into_iter().chain(parameters).map(|(name, value)| ((*name).to_owned(), Mapping::parse(value).unwrap()));
    Integration::Queue { action, parameters: parameters.collect() }
}

/// An HTTP API of these routes, with the stage `$default` and another one.
fn http_api(routes: Vec<Route>) -> Api {
    let mut api = Api::new("front", ApiKind::Http);
    api.routes = routes;
    api.stages = vec![stage("$default", &[]), stage("dev", &[("place", "here")])];
    api
}

const FRONT: &str = "http://localhost/_local-queue/apis/front";

#[tokio::test(start_paused = true)]
async fn a_post_becomes_a_message_and_its_answer_is_that_of_sqs() {
    let world = World::of_queue(http_api(vec![route(
        "POST",
        "/jobs",
        queue(QueueAction::SendMessage, &[("MessageBody", "$request.body")]),
    )]));
    let response = world.ask(Request::post(format!("{FRONT}/jobs")), "{\"a\": \"é&=+%2B% \n#\"}").await;
    let (status, body) = text(&response);
    assert_eq!(status, 200);
    assert!(body.starts_with("<?xml version=\"1.0\"?><SendMessageResponse"), "{body}");
    assert_eq!(world.bodies(), ["{\"a\": \"é&=+%2B% \n#\"}"]);
    assert_eq!(header(&response, "content-type"), Some("text/xml"));
    assert_eq!(header(&response, "content-security-policy"), Some("sandbox"));
    assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"));
    assert!(header(&response, "apigw-requestid").is_some());

    // By its host, and by a stage.
    let by_host = world.ask(Request::post("/jobs").header("host", "FRONT.execute-api.localhost:9324"), "2").await;
    assert_eq!(by_host.status(), 200);
    assert_eq!(world.ask(Request::post(format!("{FRONT}/dev/jobs")), "3").await.status(), 200);
    assert_eq!(world.bodies().len(), 3);

    // What SQS refuses comes back as it is; what no route is for, the API answers itself.
    let (status, body) = text(&world.ask(Request::post(format!("{FRONT}/jobs")), "").await);
    assert!(status == 400 && body.contains("MissingParameter"), "{status} {body}");
    for (method, path) in [("GET", "/jobs"), ("POST", "/job"), ("POST", "/jobs/1"), ("POST", "/prod/jobs")] {
        let request = Request::builder().method(method).uri(format!("{FRONT}{path}"));
        assert_eq!(text(&world.ask(request, "4").await), (404, "{\"message\":\"Not Found\"}".to_owned()), "{path}");
    }
    let unknown = world.ask(Request::post("http://localhost/_local-queue/apis/back/jobs"), "5").await;
    assert_eq!(unknown.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn parameters_are_taken_from_everywhere_in_a_request() {
    let cases = [
        ("$request.body.a.b[1]", "x"),
        ("$request.body.a", "{\"b\":[1,\"x\"]}"),
        ("$request.header.X-One", "1,2"),
        ("$request.querystring.q", "a b,c"),
        ("$request.path", "/jobs/7 8"),
        ("$request.path.id", "7 8"),
        ("$context.httpMethod", "POST"),
        ("$context.routeKey", "POST /jobs/{id}"),
        ("$context.stage", "dev"),
        ("$context.identity.sourceIp", "127.0.0.1"),
        ("$stageVariables.place", "here"),
        ("a ${request.path.id} b ${request.body.nope}${stageVariables.place}", "a 7 8 b here"),
        ("plain $5", "plain $5"),
    ];
    for (mapping, expected) in cases {
        let integration = queue(QueueAction::SendMessage, &[("MessageBody", mapping)]);
        let world = World::of_queue(http_api(vec![route("POST", "/jobs/{id}", integration)]));
        let request =
            Request::post(format!("{FRONT}/dev/jobs/7%208?q=a+b&q=c&r")).header("x-one", "1").header("x-one", "2");
        let response = world.ask(request, "{\"a\": {\"b\": [1, \"x\"]}}").await;
        assert_eq!(response.status(), 200, "{mapping}");
        let expected = if mapping == "$request.path" { "/jobs/7%208" } else { expected };
        assert_eq!(world.bodies(), [expected], "{mapping}");
    }
    for wrong in [
        "$request",
        "$request.boddy",
        "$body",
        "${request.header}",
        "${context.}",
        "$request.body..a",
        "${request.body",
    ] {
        assert!(Mapping::parse(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_actions_and_attributes_reach_the_queue() {
    let attributes = "{\"kind\": {\"DataType\": \"String\", \"StringValue\": \"${request.querystring.kind}\"}}";
    let send = [
        ("MessageBody", "$request.body"),
        ("MessageAttributes", attributes),
        ("DelaySeconds", "$request.querystring.delay"),
    ];
    let world = World::of_queue(http_api(vec![
        route("POST", "/", queue(QueueAction::SendMessage, &send)),
        route(
            "GET",
            "/",
            queue(QueueAction::ReceiveMessage, &[("WaitTimeSeconds", "5"), ("MessageAttributeNames", "[\"All\"]")]),
        ),
        route("DELETE", "/{handle+}", queue(QueueAction::DeleteMessage, &[("ReceiptHandle", "$request.path.handle")])),
        route("DELETE", "/", queue(QueueAction::PurgeQueue, &[])),
    ]));
    assert_eq!(world.ask(Request::post(format!("{FRONT}?kind=a%26b&delay=3")), "m").await.status(), 200);
    let (status, body) = text(&world.ask(Request::get(FRONT), "").await);
    assert!(status == 200 && body.contains("<StringValue>a&amp;b</StringValue>"), "{body}");
    let handle = body.split_once("<ReceiptHandle>").unwrap().1.split_once('<').unwrap().0.to_owned();
    let delete = Request::delete(format!("{FRONT}/{}", handle.replace('+', "%2B")));
    assert_eq!(world.ask(delete, "").await.status(), 200);
    assert!(world.bodies().is_empty());
    assert_eq!(world.ask(Request::post(format!("{FRONT}?kind=k")), "n").await.status(), 200);
    assert_eq!(world.ask(Request::delete(FRONT), "").await.status(), 200);
    assert!(world.bodies().is_empty());
    // A document that is none, and a body that is no text.
    assert_eq!(world.ask(Request::post(format!("{FRONT}?kind=%22")), "o").await.status(), 400);
    let binary = Request::post(FRONT).body(Bytes::from_static(b"\xff")).unwrap();
    assert_eq!(world.apis.respond(binary).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_queue_are_answered_and_an_integration_has_its_time() {
    let mut api =
        http_api(vec![route("POST", "/", queue(QueueAction::SendMessage, &[("MessageBody", "$request.body")]))]);
    api.routes[0].timeout = Some(Duration::from_secs(2));
    let world = World::of_queue(api);
    world.queues.faults().inject(Fault::internal_error().on("SendMessage").times(1)).unwrap();
    assert_eq!(world.ask(Request::post(FRONT), "1").await.status(), 500);
    world.queues.faults().inject(Fault::latency(Duration::from_secs(3)).on("SendMessage")).unwrap();
    let begun = world.queues.clock().now();
    let late = world.ask(Request::post(FRONT), "2").await;
    assert_eq!(text(&late), (503, "{\"message\":\"Service Unavailable\"}".to_owned()));
    assert_eq!(world.queues.clock().now().since(begun), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn pages_may_do_what_the_settings_say_and_what_integrations_say_of_that_does_not_count() {
    let cors = |origins: &[&str]| Cors {
        origins: origins.iter().map(ToString::to_string).collect(),
        methods: vec!["POST".to_owned(), "GET".to_owned()],
        headers: vec!["content-type".to_owned()],
        exposed: vec!["date".to_owned()],
        credentials: false,
        max_age: Some(300),
    };
    let (a, b) = ("https://a.example", "http://b.example:3000");
    for (settings, origin, allowed) in [
        (Some(cors(&[a])), a, Some(a)),
        (Some(cors(&[a])), b, None),
        (Some(cors(&["*"])), b, Some("*")),
        (Some(cors(&["https://*"])), a, Some(a)),
        (Some(cors(&["https://*"])), b, None),
        (None, a, None),
    ] {
        let function = Integration::Function { function: "f".to_owned(), payload: Payload::V2 };
        let mut api = http_api(vec![route("POST", "/", function)]);
        api.cors.clone_from(&settings);
        let world = World::new(vec![api], Duration::ZERO, |_| {
            Reply::Replied(Bytes::from_static(
                b"{\"statusCode\": 200, \"headers\": {\"Access-Control-Allow-Origin\": \"https://own.example\"}}",
            ))
        });
        let ask = Request::options(FRONT).header("origin", origin).header("access-control-request-method", "POST");
        let preflight = world.ask(ask, "").await;
        assert_eq!(header(&preflight, "access-control-allow-origin"), allowed, "{settings:?}");
        if settings.is_some() {
            assert_eq!(preflight.status(), 204);
            assert_eq!(header(&preflight, "access-control-allow-methods"), allowed.map(|_| "POST,GET"));
            assert_eq!(header(&preflight, "access-control-max-age"), allowed.map(|_| "300"));
        } else {
            assert_eq!(preflight.status(), 404);
        }
        let answer = world.ask(Request::post(FRONT).header("origin", origin), "").await;
        let expected = if settings.is_some() { allowed } else { Some("https://own.example") };
        assert_eq!(header(&answer, "access-control-allow-origin"), expected, "{settings:?}");
        assert_eq!(header(&answer, "access-control-expose-headers"), settings.and(allowed).map(|_| "date"));
        // A page that the server allows may read what says nothing of pages.
        let mut request = Request::options(FRONT).header("origin", "https://dev.example").body(Bytes::new()).unwrap();
        request.headers_mut().insert("access-control-request-method", "POST".parse().unwrap());
        request.headers_mut().insert("access-control-request-headers", "x-own".parse().unwrap());
        request.extensions_mut().insert(AllowedOrigin("https://dev.example".parse().unwrap()));
        let asked = world.apis.respond(request).await;
        if header(&asked, "access-control-allow-origin") != Some("*") {
            assert_eq!(header(&asked, "access-control-allow-origin"), Some("https://dev.example"));
        }
    }
}
