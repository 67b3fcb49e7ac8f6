//! What is said to the Runtime API in the place of a runtime.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    http::{Answer, WAIT, send},
    rival::{Outcome, Rival, runtime_api},
};

/// One step of a scenario. `ID` in a path is the running invocation, `OLD` the one before it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Begins an invocation.
    Invoke,
    /// Asks for the invocation, which is there.
    Next,
    /// Asks for the next invocation, which is not there, and waits for what the running one comes to.
    Finish,
    Send(&'static str, &'static str, &'static str, &'static str),
    /// Answers with so many bytes.
    Respond(usize),
    /// Registers an extension, which is called EXT from here on, and which asks for its first event.
    Register(&'static str),
    /// What the extension was told.
    Event,
}

use Step::{Event, Finish, Invoke, Next, Register, Respond, Send};

#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    steps: &'static [Step],
}

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const RESPONSE: &str = "/2018-06-01/runtime/invocation/ID/response";
const ERROR: &str = "/2018-06-01/runtime/invocation/ID/error";
const OLD_RESPONSE: &str = "/2018-06-01/runtime/invocation/OLD/response";
const OLD_ERROR: &str = "/2018-06-01/runtime/invocation/OLD/error";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const REGISTER: &str = "/2020-01-01/extension/register";
const EVENT_NEXT: &str = "/2020-01-01/extension/event/next";
const ERROR_BODY: &str = "{\"errorType\":\"BadJob\",\"errorMessage\":\"no\"}";
const NAME: &str = "Lambda-Extension-Name: a\r\n";

pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "paths and methods",
        steps: &[
            Invoke,
            Send("GET", "/", "", ""),
            Send("GET", "/2018-06-01/nothing", "", ""),
            Send("GET", "/2018-06-01/runtime/restore/next", "", ""),
            Send("POST", "/2018-06-01/runtime/restore/error", "", "{}"),
            Send("GET", "/2020-01-01/extension/nothing", "", ""),
            Send("GET", "/2018-06-01/ping", "", ""),
            Send("POST", NEXT, "", ""),
            Send("DELETE", NEXT, "", ""),
            Send("GET", RESPONSE, "", ""),
            Send("GET", ERROR, "", ""),
            Send("GET", INIT_ERROR, "", ""),
            Send("GET", REGISTER, "", ""),
            Send("POST", EVENT_NEXT, "", ""),
            Send("PUT", "/2020-08-15/logs", "", "{}"),
            Send("PUT", "/2022-07-01/telemetry", "", "{}"),
        ],
    },
    Scenario {
        name: "two invocations with every wrong answer between",
        steps: &[
            Invoke,
            Send("POST", RESPONSE, "", "x"),
            Send("POST", ERROR, "", "x"),
            Next,
            Next,
            Send("POST", "/2018-06-01/runtime/invocation/another/response", "", "x"),
            Send("POST", "/2018-06-01/runtime/invocation/another/error", "", "x"),
            Send("POST", INIT_ERROR, "", ERROR_BODY),
            Send("POST", REGISTER, NAME, "{\"events\":[]}"),
            Send("POST", RESPONSE, "", "not json"),
            Send("POST", RESPONSE, "", "x"),
            Send("POST", ERROR, "", "x"),
            Send("POST", INIT_ERROR, "", ERROR_BODY),
            Finish,
            Send("POST", RESPONSE, "", "x"),
            Send("POST", ERROR, "", "x"),
            Send("POST", INIT_ERROR, "", ERROR_BODY),
            Invoke,
            Next,
            Send("POST", OLD_RESPONSE, "", "x"),
            Send("POST", OLD_ERROR, "", "x"),
            Send("POST", ERROR, "Lambda-Runtime-Function-Error-Type: Runtime.Bad\r\n", ERROR_BODY),
            Send("POST", ERROR, "", "x"),
            Send("POST", RESPONSE, "", "x"),
            Finish,
            Invoke,
            Next,
            Send("POST", RESPONSE, "", ""),
            Finish,
        ],
    },
    Scenario {
        name: "an initialisation that fails",
        steps: &[Invoke, Send("POST", INIT_ERROR, "Lambda-Runtime-Function-Error-Type: Runtime.Bad\r\n", ERROR_BODY)],
    },
    Scenario { name: "the largest reply", steps: &[Invoke, Next, Respond(6_291_556), Send("POST", RESPONSE, "", "x")] },
    Scenario {
        name: "a reply that is too large",
        steps: &[Invoke, Next, Respond(6_291_557), Send("POST", RESPONSE, "", "x"), Finish],
    },
    Scenario {
        name: "extensions that may not register",
        steps: &[
            Invoke,
            Send("POST", REGISTER, "", ""),
            Send("POST", REGISTER, NAME, ""),
            Send("POST", REGISTER, NAME, "{\"events\":[\"SHUTDOWN\"]}"),
            Send("POST", REGISTER, NAME, "{\"events\":[\"FOO\"]}"),
            Send("POST", REGISTER, NAME, "{}"),
            Send("POST", REGISTER, NAME, "{\"events\":[]}"),
            Send("GET", EVENT_NEXT, "", ""),
            Send("GET", EVENT_NEXT, "Lambda-Extension-Identifier: abc\r\n", ""),
            Send("GET", EVENT_NEXT, "Lambda-Extension-Identifier: 00000000-0000-0000-0000-000000000000\r\n", ""),
            Send("POST", "/2020-01-01/extension/init/error", "", "{}"),
            Send("POST", "/2020-01-01/extension/exit/error", "", "{}"),
        ],
    },
    Scenario {
        name: "an extension that hears of invocations",
        steps: &[Invoke, Register("{\"events\":[\"INVOKE\"]}"), Next, Event, Send("POST", RESPONSE, "", "{}"), Finish],
    },
    Scenario {
        name: "an extension that only waits",
        steps: &[Invoke, Register("{\"events\":[]}"), Next, Send("POST", RESPONSE, "", "{}"), Finish],
    },
];

/// What becomes of an invocation whose runtime ends by these commands in the midst of it, or when it has answered.
pub(crate) async fn end(rival: &impl Rival, commands: &str, answers: bool) -> Outcome {
    let invoking = rival.invoke(Bytes::from_static(b"{}"));
    let answer = send(runtime_api(rival).await, "GET", NEXT, "", b"").await.unwrap();
    assert_eq!(answer.status, 200);
    if answers {
        let path = RESPONSE.replace("ID", answer.header("lambda-runtime-aws-request-id").unwrap());
        let answer = send(runtime_api(rival).await, "POST", &path, "", b"{}").await.unwrap();
        assert_eq!(answer.status, 202);
    }
    rival.end_puppet(commands);
    timeout(WAIT, invoking).await.unwrap().unwrap()
}

/// A scenario on its way.
struct Run {
    api: Option<SocketAddr>,
    invoking: Option<JoinHandle<Outcome>>,
    waiting: Option<JoinHandle<std::io::Result<Answer>>>,
    event: Option<JoinHandle<std::io::Result<Answer>>>,
    extension: String,
    request_id: String,
    old_request_id: String,
    found: Vec<String>,
}

impl Scenario {
    /// Every answer, and what each invocation came to.
    pub(crate) async fn run(&self, rival: &mut impl Rival) -> Vec<String> {
        let mut run = Run {
            api: None,
            invoking: None,
            waiting: None,
            event: None,
            extension: String::new(),
            request_id: String::new(),
            old_request_id: String::new(),
            found: Vec::new(),
        };
        for step in self.steps {
            let step = timeout(WAIT, run.step(*step, rival));
            step.await.unwrap_or_else(|_| panic!("{} waits for ever after {:#?}", self.name, run.found));
        }
        run.found
    }
}

impl Run {
    async fn step(&mut self, step: Step, rival: &impl Rival) {
        match step {
            Invoke => {
                self.invoking = Some(rival.invoke(Bytes::from_static(b"{\"a\":1}")));
                self.api = Some(runtime_api(rival).await);
            }
            Next => {
                let answer = match self.waiting.take() {
                    Some(waiting) => waiting.await.unwrap().unwrap(),
                    None => send(self.api.unwrap(), "GET", NEXT, "", b"").await.unwrap(),
                };
                let request_id = answer.header("lambda-runtime-aws-request-id").unwrap().to_owned();
                if request_id != self.request_id {
                    self.old_request_id = std::mem::replace(&mut self.request_id, request_id);
                }
                assert!(answer.header("lambda-runtime-deadline-ms").unwrap().parse::<u64>().unwrap() > 0);
                assert!(answer.header("lambda-runtime-invoked-function-arn").unwrap().ends_with(":resize"));
                self.note("next", &answer);
            }
            Finish => {
                self.wait_for_next().await;
                if !self.extension.is_empty() {
                    self.ask_for_event();
                }
                let outcome = self.invoking.take().unwrap().await.unwrap();
                self.found.push(format!("{outcome:?}"));
            }
            Send(method, path, headers, body) => {
                let path = path.replace("ID", self.id()).replace("OLD", &self.old_request_id);
                let answer = send(self.api.unwrap(), method, &path, headers, body.as_bytes()).await;
                let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}, after {:#?}", self.found));
                self.note(&format!("{method} {path} {headers}{body}"), &answer);
            }
            Respond(bytes) => {
                let path = RESPONSE.replace("ID", self.id());
                let answer = send(self.api.unwrap(), "POST", &path, "", &vec![b'x'; bytes]).await.unwrap();
                self.note(&format!("response of {bytes} bytes"), &answer);
            }
            Register(body) => {
                let answer = send(self.api.unwrap(), "POST", REGISTER, NAME, body.as_bytes()).await.unwrap();
                answer.header("lambda-extension-identifier").unwrap().clone_into(&mut self.extension);
                self.note("register", &answer);
                self.ask_for_event();
            }
            Event => {
                let answer = self.event.take().unwrap().await.unwrap().unwrap();
                self.note("event", &answer);
            }
        }
    }

    /// Before the runtime has asked, an invocation has an id that it does not know.
    fn id(&self) -> &str {
        if self.request_id.is_empty() { "unknown" } else { &self.request_id }
    }

    async fn wait_for_next(&mut self) {
        let api = self.api.unwrap();
        self.waiting = Some(tokio::spawn(async move { send(api, "GET", NEXT, "", b"").await }));
        // Nothing tells from outside that a request waits.
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            assert!(!self.waiting.as_ref().unwrap().is_finished(), "there is nothing to be answered");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn ask_for_event(&mut self) {
        let (api, header) = (self.api.unwrap(), format!("Lambda-Extension-Identifier: {}\r\n", self.extension));
        self.event = Some(tokio::spawn(async move { send(api, "GET", EVENT_NEXT, &header, b"").await }));
    }

    /// Takes down what is the same for all emulators.
    fn note(&mut self, request: &str, answer: &Answer) {
        let request =
            if self.request_id.is_empty() { request.to_owned() } else { request.replace(&self.request_id, "ID") };
        let request =
            if self.old_request_id.is_empty() { request } else { request.replace(&self.old_request_id, "OLD") };
        let headers = ["content-type", "allow"].map(|name| answer.header(name).unwrap_or("-").to_owned());
        self.found.push(format!("{request} => {} {headers:?} {}", answer.status, even_out(&answer.body)));
    }
}

/// Writes what differs by nature, or is known to differ, the same way.
fn even_out(body: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<serde_json::Value>(body) else {
        return body.to_owned();
    };
    let Some(fields) = document
        .as_object_mut()
        .filter(|fields| ["handler", "eventType"].iter().any(|name| fields.contains_key(*name)))
    else {
        return body.to_owned();
    };
    fields.remove("handler");
    fields.remove("tracing");
    for name in ["deadlineMs", "requestId"] {
        if let Some(value) = fields.get_mut(name) {
            *value = name.into();
        }
    }
    document.to_string()
}
