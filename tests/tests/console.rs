//! The console in a real browser: it does what its buttons say, no text of a stranger runs, and pages of others get nothing.
//!
//! It needs Chromium, and is left out with a word where there is none.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "console/demo.rs"]
mod demo;
#[path = "console/devtools.rs"]
mod devtools;
#[path = "console/figures.rs"]
mod figures;
#[path = "console/functions.rs"]
mod functions;
#[path = "console/looks.rs"]
mod looks;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use devtools::{Browser, Page};
use local_queue::{
    LocalQueue,
    clock::{Clock, ManualClock},
    engine::{
        Attribute, Limits, MessageAttribute, MessageAttributes, MessageBody, QueueArn, Receive, RedrivePolicy,
        SendMessage, Time,
    },
    server::{Bounds, KeyPair, Server},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Says what runs that should not, and what the browser would not let run.
const WATCH: &str = "globalThis.ran = []; globalThis.violations = [];
    globalThis.own = () => ran.push(location.href);
    document.addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective))";
/// Texts that would run if they were taken for markup.
const HOSTILE: [&str; 15] = [
    "<script>own()</script>",
    "<img src=x onerror=own()>",
    "<svg onload=own()>",
    "\"><script>own()</script>",
    "' onmouseover='own()' autofocus onfocus='own()",
    "\" autofocus onfocus=\"own()",
    "</pre><script>own()</script>",
    "</textarea><script>own()</script>",
    "</title><script>own()</script>",
    "</td></table><iframe srcdoc=\"<script>parent.own()</script>\"></iframe>",
    "<a id=said href=javascript:own()>x</a>",
    "<form id=clock><input name=dataset></form>",
    "<meta http-equiv=refresh content=\"0;url=javascript:own()\">",
    "<!--><script>own()</script>-->",
    "<template><script>own()</script></template><details open ontoggle=own()>",
];

struct Emulator {
    queues: LocalQueue,
    clock: ManualClock,
    jobs: QueueArn,
    dead: QueueArn,
    address: SocketAddr,
}

impl Emulator {
    async fn start() -> Self {
        Self::start_with(|_, server| server).await
    }

    /// With what stands beside the queues.
    async fn start_with(add: impl FnOnce(&LocalQueue, Server) -> Server) -> Self {
        let clock = ManualClock::new(Time::from_millis(1_800_000_000_000));
        let queues = LocalQueue::builder().clock(Clock::manual(&clock)).seed(1).build();
        let dead = queues.create_queue("jobs-dead", &[]).unwrap();
        let policy = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 1 };
        let jobs = queues.create_queue("jobs", &[Attribute::RedrivePolicy(Some(policy))]).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), queues.clone(), Bounds::default()).await.unwrap();
        let address = server.local_address().unwrap();
        tokio::spawn(add(&queues, server).run(std::future::pending()));
        Self { queues, clock, jobs, dead, address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/_local-queue/{path}", self.address)
    }

    fn page_of(&self, queue: &QueueArn) -> String {
        self.url(&format!("console/queue?arn={queue}"))
    }

    fn send(&self, queue: &QueueArn, body: &str, attributes: &[(&str, &str)]) -> String {
        let given = attributes.iter().map(|(name, value)| ((*name).to_owned(), MessageAttribute::string(*value)));
        let attributes = MessageAttributes::parse(given.collect(), &Limits::STRICT).unwrap();
        let message = SendMessage { attributes, ..SendMessage::new(MessageBody::parse(body).unwrap()) };
        self.queues.send(queue, message).unwrap().message_id.to_string()
    }

    /// Bodies and receive counts of a queue.
    fn messages(&self, queue: &QueueArn) -> Vec<(String, u32)> {
        let peeked = self.queues.peek(queue, 0, 1_000).unwrap();
        peeked.iter().map(|it| (it.message.body.as_str().to_owned(), it.receive_count)).collect()
    }
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut files = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    files.find(|file| file.is_file())
}

/// The page is there, its module has run, and nothing else has.
async fn visit(page: &mut Page<'_>, url: &str) {
    page.visit(url).await;
    page.until("document.documentElement.dataset.ready !== undefined").await;
}

async fn assert_nothing_ran(page: &mut Page<'_>, what: &str) {
    assert_eq!(page.eval("[ran, violations]").await, json!([[], []]), "{what}");
}

/// Fills the form that asks for this path in, and sends it.
async fn submit(page: &mut Page<'_>, path: &str, values: Value) {
    let script = format!(
        "{{
             const form = [...document.querySelectorAll('form')].find(form => form.dataset.path?.includes({path:?}))
             for (const [name, value] of Object.entries({values})) {{
                 const control = name ? form.elements[name] : form.querySelector('[data-typed]')
                 control.value = value
             }}
             form.requestSubmit(form.querySelector('button'))
         }}"
    );
    page.eval(&script).await;
}

fn client() -> reqwest::Client {
    // Whichever test is first has it for all.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

/// The token that a page has.
fn token_of(page: &str) -> &str {
    page.split("<meta name=\"token\" content=\"").nth(1).unwrap().split('"').next().unwrap()
}

#[tokio::test]
async fn a_page_has_the_token_with_which_it_changes_something_and_hears_of_it() {
    let emulator = Emulator::start().await;
    let client = client();
    let answer = client.get(emulator.url("")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; "));
    let page = answer.text().await.unwrap();
    let token = token_of(&page);
    let mut events = client.get(emulator.url("console/events")).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    assert_eq!(events.chunk().await.unwrap().unwrap(), "retry: 1000\n\n");
    let own = format!("http://{}", emulator.address);
    let send = |origin: &str, token: Option<&str>| {
        let request = client.post(emulator.url("actions/SendMessage")).header("origin", origin);
        let request = token.into_iter().fold(request, |request, token| request.header("x-local-queue-token", token));
        request.body(r#"{"QueueUrl": "jobs", "MessageBody": "by a page"}"#).send()
    };
    assert_eq!(send(&own, None).await.unwrap().status(), 403);
    assert_eq!(send(&own, Some("wrong")).await.unwrap().status(), 403);
    assert_eq!(send("http://attacker.example", Some(token)).await.unwrap().status(), 403);
    assert!(emulator.messages(&emulator.jobs).is_empty());
    assert_eq!(send(&own, Some(token)).await.unwrap().status(), 200);
    assert_eq!(emulator.messages(&emulator.jobs), [("by a page".to_owned(), 0)]);
    assert_eq!(events.chunk().await.unwrap().unwrap(), "event: change\ndata:\n\n");
    let health = client.get(emulator.url("health")).send().await.unwrap();
    assert_eq!(health.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn where_requests_must_be_signed_the_console_asks_for_its_token() {
    let queues = LocalQueue::builder().build();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), queues, Bounds::default()).await.unwrap();
    let server = server.require_signature(KeyPair::new("AKIDEXAMPLE", "secret").unwrap());
    let (token, address) = (server.token().to_owned(), server.local_address().unwrap());
    tokio::spawn(server.run(std::future::pending()));
    let client = client();
    let get = |path: &str| client.get(format!("http://{address}/_local-queue/{path}"));
    for path in ["", "queues", "console/events", "console/console.js"] {
        let answer = get(path).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
        assert_eq!(get(path).basic_auth("me", Some("wrong")).send().await.unwrap().status(), 401, "{path}");
        assert_eq!(get(path).basic_auth("me", Some(&token)).send().await.unwrap().status(), 200, "{path}");
    }
    let page = get("").basic_auth("me", Some(&token)).send().await.unwrap().text().await.unwrap();
    assert_eq!(token_of(&page), token);
    let create = |token: &str| {
        let request = client.post(format!("http://{address}/_local-queue/actions/CreateQueue")).bearer_auth(token);
        request.body(r#"{"QueueName": "jobs"}"#).send()
    };
    assert_eq!(create("wrong").await.unwrap().status(), 401);
    assert_eq!(create(&token).await.unwrap().status(), 200);
    // For SQS itself the token stands for nothing.
    let request =
        client.post(format!("http://{address}/")).bearer_auth(&token).header("x-amz-target", "AmazonSQS.ListQueues");
    let answer = request.header("content-type", "application/x-amz-json-1.0").body("{}").send().await.unwrap();
    assert_ne!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_does_what_its_buttons_say_and_runs_no_text_of_a_stranger() {
    let Some(chromium) = chromium() else {
        return println!("left out: Chromium is not installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut page = browser.open(WATCH).await;
    look(&mut page).await;
    change(&mut page).await;
    send_back(&mut page).await;
    move_time_and_inject(&mut page).await;
    hostile_texts(&mut page).await;
    functions::functions(&mut page).await;
    functions::hostile_functions(&mut page).await;
    functions::activity(&mut page).await;
    let errors = page.errors();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    pages_of_others(&mut page).await;
}

/// A message is shown with its place, and is not touched; a change is shown without a reload.
async fn look(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    let id = emulator.send(&emulator.jobs, r#"{"source":"a.jpg"}"#, &[("color", "red")]);
    visit(page, &emulator.url("")).await;
    page.until("document.querySelector('#overview').innerText.includes('jobs-dead')").await;
    page.eval("[...document.querySelectorAll('a')].find(it => it.textContent === 'jobs').click()").await;
    page.until("document.title.startsWith('jobs ') && document.documentElement.dataset.ready !== undefined").await;
    page.eval(&format!("[...document.querySelectorAll('a')].find(it => it.textContent === '{id}').click()")).await;
    page.until("document.querySelector('pre')?.textContent === '{\\n  \"source\": \"a.jpg\"\\n}'").await;
    page.until("document.documentElement.dataset.ready !== undefined").await;
    assert_eq!(page.eval("document.querySelector('.place').textContent").await, "ready");
    assert_eq!(emulator.messages(&emulator.jobs), [(r#"{"source":"a.jpg"}"#.to_owned(), 0)]);
    emulator.queues.receive(&emulator.jobs, Receive::default()).await.unwrap();
    page.until("document.querySelector('.place').textContent === 'in flight'").await;
    // Visible again at once, by the page.
    page.until("[...document.forms].some(form => form.dataset.path.includes('/visibility'))").await;
    submit(page, "/visibility", json!({ "seconds": "0" })).await;
    page.until("document.querySelector('.why').innerText.includes('maxReceiveCount')").await;
    submit(page, &format!("messages/{id}?"), json!({})).await;
    page.until("document.title.startsWith('jobs ')").await;
    assert!(emulator.messages(&emulator.jobs).is_empty());
    assert_nothing_ran(page, "looking").await;
}

/// A message is sent from a form that remembers; settings are changed; a queue is purged by its name alone, and deleted.
async fn change(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    visit(page, &emulator.page_of(&emulator.jobs)).await;
    let attributes = r#"{"color": {"DataType": "String", "StringValue": "red"}}"#;
    submit(page, "SendMessage", json!({ "MessageBody": "by hand", "MessageAttributes": attributes })).await;
    page.until("document.querySelector('#messages').innerText.includes('by hand')").await;
    assert_eq!(emulator.messages(&emulator.jobs), [("by hand".to_owned(), 0)]);
    let peeked = emulator.queues.peek(&emulator.jobs, 0, 1).unwrap();
    assert!(peeked[0].message.attributes().get("color").is_some());
    visit(page, &emulator.page_of(&emulator.jobs)).await;
    assert_eq!(page.eval("document.querySelector('[name=MessageBody]').value").await, "by hand", "it remembers");
    submit(page, "SetQueueAttributes", json!({ "Attributes.VisibilityTimeout": "77" })).await;
    page.until("document.querySelector('#settings').innerText.includes('77 s')").await;
    submit(page, "SetQueueAttributes", json!({ "Attributes.DelaySeconds": "-1" })).await;
    page.until("document.querySelector('#said.error')").await;
    submit(page, "PurgeQueue", json!({ "": "job" })).await;
    page.until("document.querySelector('#said').textContent === 'Type jobs to confirm.'").await;
    assert_eq!(emulator.messages(&emulator.jobs).len(), 1);
    submit(page, "PurgeQueue", json!({ "": "jobs" })).await;
    page.until("document.querySelector('#messages').innerText.includes('There are none')").await;
    assert!(emulator.messages(&emulator.jobs).is_empty());
    submit(page, "DeleteQueue", json!({ "": "jobs" })).await;
    page.until("location.pathname === '/_local-queue/' && document.documentElement.dataset.ready !== undefined").await;
    submit(page, "CreateQueue", json!({ "QueueName": "new" })).await;
    page.until("document.querySelector('#overview').innerText.includes('new')").await;
    assert_nothing_ran(page, "changing").await;
}

/// Dead letters go back one by one with a mended body, all of a kind, and all.
async fn send_back(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    let broken = emulator.send(&emulator.dead, "broken", &[("FailureKind", "bad-json"), ("FailureBlame", "job")]);
    for number in 0..150 {
        emulator.send(&emulator.dead, &format!("image {number}"), &[("FailureKind", "bad-image")]);
    }
    emulator.send(&emulator.dead, "poison", &[]);
    visit(page, &emulator.page_of(&emulator.dead)).await;
    page.until("document.querySelector('#dead').innerText.includes('bad-image')").await;
    page.eval("document.querySelector('[aria-label=\"Send back all of kind bad-image\"]').click()").await;
    page.until("document.querySelector('#said').textContent === '150 sent back'").await;
    assert_eq!((emulator.messages(&emulator.dead).len(), emulator.messages(&emulator.jobs).len()), (2, 150));
    visit(page, &emulator.url(&format!("console/message?arn={}&id={broken}", emulator.dead))).await;
    submit(page, "/redrive", json!({ "body": "mended" })).await;
    page.until("document.title.startsWith('jobs-dead ') && document.documentElement.dataset.ready !== undefined").await;
    assert_eq!(emulator.messages(&emulator.jobs).last(), Some(&("mended".to_owned(), 0)));
    assert_eq!(emulator.messages(&emulator.dead), [("poison".to_owned(), 0)]);
    // What no queue has given up has nowhere to go back to by a move task, and the page says so.
    submit(page, "StartMessageMoveTask", json!({})).await;
    page.until("document.querySelector('#dead').innerText.includes('failed')").await;
    assert_nothing_ran(page, "sending back").await;
}

/// The clock goes to the next event; a fault is injected and removed.
async fn move_time_and_inject(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    emulator.send(&emulator.jobs, "taken", &[]);
    emulator.queues.receive(&emulator.jobs, Receive::default()).await.unwrap();
    let before = emulator.clock.now();
    visit(page, &emulator.url("console/time")).await;
    submit(page, "clock/advance", json!({ "seconds": "10" })).await;
    page.until("document.querySelector('#next time').textContent === 'in 20 s'").await;
    page.eval("document.querySelector('#next button').click()").await;
    page.until("document.querySelector('#next').innerText.includes('Nothing happens')").await;
    assert_eq!(emulator.clock.now().since(before), Duration::from_secs(30));
    submit(page, "/faults", json!({ "effect": "throttle", "action": "SendMessage", "times": "2" })).await;
    page.until("document.querySelector('#fault-list').innerText.includes('throttle')").await;
    assert_eq!(emulator.queues.faults().list().len(), 1);
    page.eval("document.querySelector('#fault-list button').click()").await;
    page.until("document.querySelector('#fault-list').innerText.includes('No fault')").await;
    assert_nothing_ran(page, "time and faults").await;
}

/// Texts of strangers in every place that a page shows stay texts, also when a page is renewed.
async fn hostile_texts(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    let mut pages = vec![emulator.url(""), emulator.page_of(&emulator.dead), emulator.url("console/time")];
    for text in HOSTILE {
        let failure = [("FailureKind", text), ("FailureBlame", text), ("FailureMessage", text)];
        let id = emulator.send(&emulator.dead, text, &failure);
        pages.push(emulator.url(&format!("console/message?arn={}&id={id}", emulator.dead)));
        emulator.queues.tag_queue(&emulator.dead, [(text.to_owned(), text.to_owned())].into()).unwrap();
        emulator.queues.faults().inject(local_queue::Fault::throttle().queue(text)).unwrap();
    }
    for url in &pages {
        visit(page, url).await;
        // Renewed once, as by a change.
        emulator.clock.advance(Duration::from_secs(1));
        let millis = emulator.clock.now().as_millis();
        page.until(&format!("document.querySelector('#clock').dataset.now === '{millis}'")).await;
        assert_nothing_ran(page, url).await;
    }
    assert_eq!(emulator.messages(&emulator.dead).iter().filter(|(_, count)| *count > 0).count(), 0);
}

/// A page of another origin reads nothing of the console, changes nothing, and cannot show it in a frame.
async fn pages_of_others(page: &mut Page<'_>) {
    let emulator = Emulator::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A browser opens connections ahead of need, on which nothing comes.
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let body = "<!doctype html><title>theirs</title>";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    let console = emulator.url("");
    for host in ["attacker.example", "localhost"] {
        page.visit(&format!("http://{host}:{port}/")).await;
        let read = format!("fetch({console:?}).then(answer => answer.text()).catch(() => 'refused')");
        assert_eq!(page.eval(&read).await, "refused", "{host}");
        let change = format!(
            "fetch({:?}, {{ method: 'POST', mode: 'no-cors', body: '{{}}' }}).then(() => 'sent', () => 'refused')",
            emulator.url("reset")
        );
        page.eval(&change).await;
        let framed = format!(
            "new Promise(done => {{
                 const frame = document.createElement('iframe')
                 const look = () => {{
                     let text = 'nothing'
                     try {{ text = frame.contentDocument?.body.innerText ?? 'nothing' }} catch {{}}
                     done(text.includes('jobs') ? text : 'nothing')
                 }}
                 frame.onload = look
                 // What may not be framed does not always say that it has loaded.
                 setTimeout(look, 3000)
                 frame.src = {console:?}
                 document.body.append(frame)
             }})"
        );
        assert_eq!(page.eval(&framed).await, "nothing", "{host}");
        assert_eq!(emulator.queues.list_queues().len(), 2, "{host}");
    }
    // A page of this very server's, which is not the console's: without the token it reads and changes nothing, and a page
    // that it opens is out of its sight.
    page.visit(&format!("http://{}/nothing", emulator.address)).await;
    for path in ["", "queues", "console/time"] {
        let read = format!("fetch({:?}).then(answer => answer.status)", emulator.url(path));
        assert_eq!(page.eval(&read).await, 403, "{path}");
    }
    let change = format!("fetch({:?}, {{ method: 'POST' }}).then(answer => answer.status)", emulator.url("reset"));
    assert_eq!(page.eval(&change).await, 403);
    page.eval(&format!("globalThis.opened = window.open({console:?}); 0")).await;
    // Cut off from its opener, it seems closed.
    page.until("opened.closed").await;
    assert_eq!(emulator.queues.list_queues().len(), 2);
}
