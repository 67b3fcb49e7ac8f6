//! Hostile pages in a real browser: whatever a page tries, the emulator's queues stay as they are and nothing of them is
//! read. Each attack is also shown to succeed where there is no guard, so that none is stopped by something else.
//!
//! It needs Chromium, and is left out with a word where there is none. All attacks are pages of one browser, each with an
//! emulator of its own, whose state is looked at from inside.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "browser/attacks.rs"]
mod attacks;
#[path = "browser/front.rs"]
mod front;

use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use attacks::{AFTER_REBINDING, Attack, Opened, from_another_site};
use bytes::Bytes;
use front::{Front, Message, Rebound, Way};
use http::Request;
use local_queue::{
    LocalQueue, developer,
    engine::{MessageBody, SendMessage},
    server::{Bounds, Guard, Server},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// The host by which an emulator is called that has a name in a network.
const NAMED: &str = "sqs.internal.example";
/// Names of the attacker's server: one of another site, and one of a site of ours.
const ATTACKERS: [&str; 2] = ["attacker.example", "localhost"];
/// What a page must not get to see.
const SECRET: &str = "SECRET-CANARY";
const SEND: &str = "Action=SendMessage&QueueUrl=victim&MessageBody=pwned";
/// After this a test that has not come to its end counts as hung.
const PATIENCE: Duration = Duration::from_secs(240);

/// What pages have reported: by the number of their case, kind and text.
type Reports = Arc<Mutex<HashMap<(usize, String), String>>>;

/// One attack on one emulator.
struct Case {
    attack: Attack,
    way: Way,
    /// How the emulator is called, and what it is told to allow.
    setting: &'static str,
    queues: LocalQueue,
    before: String,
    front: Front,
    /// Where the page is, and the page unless somebody else has it.
    url: String,
    page: Option<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_reads_or_changes_a_queue_and_without_the_guard_each_does() {
    let Some(chromium) = chromium() else {
        return println!("left out: Chromium is not installed");
    };
    let attacker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = attacker.local_addr().unwrap().port();
    let reports = Reports::default();
    let cases = Arc::new(cases(port, &reports).await);
    tokio::spawn(serve_attacker(attacker, Arc::clone(&cases), Arc::clone(&reports)));

    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(&chromium, profile.path(), &format!("http://attacker.example:{port}/run"));
    let began = Instant::now();
    while began.elapsed() < PATIENCE && !(0..cases.len()).all(|number| is_over(&cases[number], number, &reports)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(browser);
    judge(&cases, &reports);
    let guarded = cases.iter().filter(|case| case.way == Way::Guarded).count();
    println!(
        "{guarded} attacks, none came through; all did without the guard ({:.1} s)",
        began.elapsed().as_secs_f64()
    );
}

/// Every attack by every name, guarded and not.
async fn cases(attacker_port: u16, reports: &Reports) -> Vec<Case> {
    let mut cases = Vec::new();
    for way in [Way::Guarded, Way::Unguarded] {
        for (setting, host, attacker) in [
            ("127.0.0.1", "127.0.0.1", ATTACKERS[0]),
            ("localhost, from a page of another port", "localhost", ATTACKERS[1]),
            ("--allow-host", NAMED, ATTACKERS[0]),
        ] {
            for (attack, markup) in from_another_site() {
                let case = Case::start(attack, way, setting, None).await;
                let own = format!("http://{attacker}:{attacker_port}");
                cases.push(case.with_page(cases.len(), &own, host, &markup));
            }
        }
        for setting in ["rebinding", "rebinding, --allow-host", "rebinding, --trust-network"] {
            for attack in AFTER_REBINDING {
                let (number, reports) = (cases.len(), Arc::clone(reports));
                let report = move |kind: &str, text: &str| {
                    reports.lock().unwrap().insert((number, kind.to_owned()), text.to_owned());
                };
                let page = page(attack.markup, attack.script, "/report/");
                let page = page.replace("{SEND}", SEND);
                let rebound = Rebound { page, report: Arc::new(report) };
                cases.push(Case::start(attack, way, setting, Some(rebound)).await);
            }
        }
    }
    cases
}

impl Case {
    async fn start(attack: Attack, way: Way, setting: &'static str, rebound: Option<Rebound>) -> Self {
        let queues = LocalQueue::builder().build();
        let victim = queues.create_queue("victim", &[]).unwrap();
        queues.send(&victim, SendMessage::new(MessageBody::parse(SECRET).unwrap())).unwrap();
        let mut guard = Guard::default();
        if setting.contains("--allow-host") {
            guard = guard.allow_host(NAMED).unwrap();
        }
        if setting.contains("--trust-network") {
            guard = guard.trust_network();
        }
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), queues.clone(), Bounds::default()).await.unwrap();
        let address = server.local_address().unwrap();
        tokio::spawn(server.guard(guard).run(std::future::pending()));
        let before = state(&queues);
        let front = Front::start(way, address, rebound).await;
        let url = format!("http://evil.example:{}/attacker-page", front.port);
        Self { attack, way, setting, queues, before, front, url, page: None }
    }

    /// Has the attacker's own server show the page.
    fn with_page(mut self, number: usize, own: &str, host: &str, markup: &str) -> Self {
        let host = format!("{host}:{}", self.front.port);
        let fill = |text: &str| {
            let text = text.replace("{T}", &format!("http://{host}")).replace("{HOST}", &host).replace("{OWN}", own);
            text.replace("{SEND}", SEND).replace("{SEND_IN_URL}", SEND)
        };
        self.url = format!("{own}/page/{number}");
        let page = fill(&page(markup, self.attack.script, &format!("/report/{number}/")));
        self.page = Some(html(&page, &fill(self.attack.header)));
        self
    }
}

/// What there is to change: queues, their messages, and faults. The page of this state is read by nobody else.
fn state(queues: &LocalQueue) -> String {
    let ask = |path: &str| {
        let request = Request::get(format!("/_local-queue/{path}")).body(Bytes::new()).unwrap();
        String::from_utf8(developer::respond(queues, &request).unwrap().into_body().to_vec()).unwrap()
    };
    ["queues", "queues/victim/messages", "faults"].map(ask).concat()
}

fn page(markup: &str, script: &str, reports: &str) -> String {
    format!(
        "<!doctype html><html><body>{markup}<script>
         const report = (kind, text) => fetch('{reports}' + kind, {{ method: 'POST', body: String(text) }}).catch(() => 0);
         (async () => {{
             // Fonts and backgrounds are fetched when they are needed, which a frame that nobody sees puts off.
             document.body.getBoundingClientRect()
             try {{ {script} }} catch (error) {{ await report('error', error) }}
             await report('done', '')
         }})()</script></body></html>"
    )
}

/// The answer with a page.
fn html(page: &str, header: &str) -> String {
    let length = page.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{header}Content-Length: {length}\r\n\r\n{page}"
    )
}

/// A page of the attacker's that opens its others, after one that opens such a page for each of the attacker's names: a
/// frame of another site than its window's is drawn, and so loaded in full, when the browser finds the time.
fn opener(cases: &[Case], host: &str) -> String {
    let own = format!("http://{host}/page/");
    let opened = cases.iter().filter(|case| case.url.starts_with(&own)).map(|case| {
        let url = &case.url;
        match case.attack.opened {
            // All in view: what is not seen loads later, if at all.
            Opened::Frame => format!("<iframe src='{url}' style='position: absolute; top: 0; left: 0'></iframe>"),
            Opened::Window => format!("<script>window.open('{url}')</script>"),
        }
    });
    format!("<!doctype html><html><body>{}</body></html>", opened.collect::<Vec<_>>().concat())
}

/// The page that opens all others.
fn first_page(cases: &[Case], port: u16) -> String {
    let openers = ATTACKERS.map(|name| format!("<script>window.open('http://{name}:{port}/open')</script>"));
    let rebound = cases.iter().filter(|case| case.page.is_none());
    let frames = rebound.map(|case| format!("<iframe src='{}'></iframe>", case.url)).collect::<Vec<_>>().concat();
    format!("<!doctype html><html><body>{}{frames}</body></html>", openers.concat())
}

async fn serve_attacker(listener: TcpListener, cases: Arc<Vec<Case>>, reports: Reports) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (cases, reports) = (Arc::clone(&cases), Arc::clone(&reports));
        tokio::spawn(async move {
            let mut read_ahead = Vec::new();
            while let Ok(request) = Message::read(&mut stream, &mut read_ahead).await {
                let answer = answer_of_attacker(&request, &cases, &reports);
                if write(&mut stream, &answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn write(stream: &mut TcpStream, answer: &str) -> std::io::Result<()> {
    stream.write_all(answer.as_bytes()).await
}

fn answer_of_attacker(request: &Message, cases: &[Case], reports: &Reports) -> String {
    let path = request.head.split(' ').nth(1).unwrap_or_default();
    let host = request.value("host").unwrap_or_default();
    let mut parts = path.splitn(4, '/').skip(1);
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let number = second.and_then(|number| number.parse::<usize>().ok());
    match (first, number, third) {
        ("run", _, _) => {
            let port = host.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
            html(&first_page(cases, port), "")
        }
        ("open", _, _) => html(&opener(cases, host), ""),
        ("page", Some(number), _) => cases[number].page.clone().unwrap(),
        ("report", Some(number), Some(kind)) => {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            reports.lock().unwrap().insert((number, kind.to_owned()), text);
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        }
        ("redirect", Some(status), Some(target)) => {
            let target = target.replace("%3A", ":").replace("%2F", "/").replace("%3F", "?");
            let target = target.replace("%3D", "=").replace("%26", "&");
            format!(
                "HTTP/1.1 {status} Elsewhere\r\nLocation: {target}\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: \
                 0\r\n\r\n"
            )
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
}

/// Whether the emulator has answered what the page sent, and the page has said all that it has to say.
fn is_over(case: &Case, number: usize, reports: &Reports) -> bool {
    let is_done = case.attack.leaves || reports.lock().unwrap().contains_key(&(number, "done".to_owned()));
    is_done && case.front.answered() > 0
}

fn judge(cases: &[Case], reports: &Reports) {
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let after = state(&case.queues);
        let said = |kind: &str| reports.lock().unwrap().get(&(number, kind.to_owned())).cloned();
        let has_read = said("read").is_some_and(|text| text.contains(SECRET));
        let came_through = after != case.before || has_read;
        let problem = match case.way {
            _ if !is_over(case, number, reports) => "did not arrive",
            Way::Guarded if came_through => "came through",
            Way::Unguarded if !came_through => "did nothing, although nothing stops it",
            _ => continue,
        };
        let (setting, name, way) = (case.setting, case.attack.name, case.way);
        let (seen, error) = (case.front.seen().join("; "), said("error").unwrap_or_default());
        wrong.push(format!("{setting}, {way:?}: {name} {problem}\n    {seen} {error}"));
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut files = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    files.find(|file| file.is_file())
}

/// A browser that ends with the test.
struct Browser(Child);

impl Browser {
    fn start(program: &PathBuf, profile: &std::path::Path, url: &str) -> Self {
        let rules = ["example", NAMED].map(|name| format!("MAP {name} 127.0.0.1, MAP *.{name} 127.0.0.1")).join(", ");
        let mut command = Command::new(program);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-popup-blocking"]);
        // Windows in the background are as quick as the one in front.
        command.args(["--disable-background-timer-throttling", "--disable-renderer-backgrounding"]);
        command.args([
            "--disable-backgrounding-occluded-windows",
            "--disable-dev-shm-usage",
            "--remote-debugging-port=0",
        ]);
        command.arg(format!("--host-resolver-rules={rules}")).arg(format!("--user-data-dir={}", profile.display()));
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
