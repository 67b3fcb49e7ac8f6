//! A real browser, driven by its own protocol over two pipes: no WebSocket and no Node.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe::{OpenOptions, Receiver, Sender},
    time::Instant,
};

/// After this an answer counts as never coming.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this something counts as never becoming true.
const UNTIL_MAX: Duration = Duration::from_secs(20);

/// A browser that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Browser {
    commands: Sender,
    answers: Receiver,
    read: Vec<u8>,
    next_id: u64,
    /// What the browser has said by itself.
    events: Vec<Value>,
    _process: Process,
}

impl Browser {
    pub(crate) fn start(program: &Path, folder: &Path) -> Self {
        let [commands, answers] = ["commands", "answers"].map(|name| folder.join(name));
        assert!(Command::new("mkfifo").args([&commands, &answers]).status().unwrap().success());
        // Open for both, so that neither side waits for the other to open it.
        let sender = OpenOptions::new().read_write(true).open_sender(&commands).unwrap();
        let receiver = OpenOptions::new().read_write(true).open_receiver(&answers).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "commands=$1 answers=$2; shift 2; exec \"$@\" 3<\"$commands\" 4>\"$answers\"", "sh"]);
        command.args([&commands, &answers]).arg(program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-sync", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-dev-shm-usage", "--remote-debugging-pipe", "--disable-popup-blocking"]);
        command.arg("--host-resolver-rules=MAP attacker.example 127.0.0.1");
        command.arg(format!("--user-data-dir={}", folder.join("profile").display())).arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().unwrap());
        Self {
            commands: sender,
            answers: receiver,
            read: Vec::new(),
            next_id: 0,
            events: Vec::new(),
            _process: process,
        }
    }

    /// Opens a page of its own, in which this script runs before any of the pages' own.
    pub(crate) async fn open(&mut self, before: &str) -> Page<'_> {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let mut page = Page { browser: self, session };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            page.call(domain, json!({})).await;
        }
        page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": before })).await;
        page
    }

    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        let answer = self.ask(session, method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).await.unwrap();
        loop {
            let said = self.next().await;
            if said["id"] == json!(id) {
                return said;
            }
            self.events.push(said);
        }
    }

    /// The next thing that the browser says.
    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let said = self.read.drain(..=end).collect::<Vec<_>>();
                return serde_json::from_slice(&said[..end]).unwrap();
            }
            let read = tokio::time::timeout(PATIENCE, self.answers.read_buf(&mut self.read)).await;
            assert!(read.expect("the browser answers").unwrap() > 0, "the browser has ended");
        }
    }
}

/// One page of a browser.
pub(crate) struct Page<'a> {
    browser: &'a mut Browser,
    session: String,
}

impl Page<'_> {
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.clone();
        self.browser.call(Some(&session), method, params).await
    }

    /// Goes to an address, and waits until all that belongs to the page has loaded.
    pub(crate) async fn visit(&mut self, url: &str) {
        self.browser.events.retain(|event| event["method"] != "Page.loadEventFired");
        let navigated = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(navigated.get("errorText").is_none(), "{url}: {navigated}");
        self.wait_for_event("Page.loadEventFired").await;
    }

    async fn wait_for_event(&mut self, method: &str) {
        while !self.browser.events.iter().any(|event| event["method"] == method) {
            let said = self.browser.next().await;
            self.browser.events.push(said);
        }
    }

    /// The value of an expression, awaited.
    pub(crate) async fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", params).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Makes the window so large, in pixels.
    pub(crate) async fn size(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// The title of the page, which nothing of the page is asked for.
    pub(crate) async fn title(&mut self) -> String {
        let info = self.call("Target.getTargetInfo", json!({})).await;
        info["targetInfo"]["title"].as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true, on this page or on one that it leads to.
    pub(crate) async fn until(&mut self, expression: &str) {
        let began = Instant::now();
        loop {
            let params = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
            let session = self.session.clone();
            // A page that is being left answers with an error, and one that comes has not all that is asked for.
            let answer = self.browser.ask(Some(&session), "Runtime.evaluate", params).await;
            if answer["result"]["result"]["value"] == true {
                return;
            }
            if began.elapsed() > UNTIL_MAX {
                let text = self.eval("location.href + ' ' + document.documentElement.textContent").await;
                panic!("{expression}: {answer}\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the browser has logged as an error, but for answers that refuse: violations of a policy, uncaught exceptions.
    pub(crate) fn errors(&self) -> Vec<String> {
        let is_error = |event: &&Value| {
            let entry = &event["params"]["entry"];
            event["method"] == "Runtime.exceptionThrown"
                || (event["method"] == "Log.entryAdded" && entry["level"] == "error" && entry["source"] != "network")
        };
        self.browser.events.iter().filter(is_error).map(Value::to_string).collect()
    }
}
