//! A function of the tests' own runtime, and what it has logged.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use local_queue::{
    engine::Time,
    event_source_mapping::{FunctionError, Invocation, Invoker},
    runtime_api::{Builder, Function, LogLine, LogSink},
};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

/// Long enough for a busy machine.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

pub(crate) struct Fixture {
    pub(crate) function: Function,
    lines: Arc<Mutex<Vec<LogLine>>>,
}

/// A function whose runtime behaves as this handler's name says, with a timeout that it does not reach.
pub(crate) fn builder(handler: &str) -> Builder {
    let program = std::env::current_exe().unwrap();
    Function::builder("resize", program).handler(handler).timeout(Duration::from_secs(20))
}

impl Fixture {
    pub(crate) fn new(handler: &str) -> Self {
        Self::of(builder(handler))
    }

    pub(crate) fn of<L: LogSink>(builder: Builder<L>) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let function = builder.logs(move |line: &LogLine| sink.lock().unwrap().push(line.clone())).build().unwrap();
        Self { function, lines }
    }

    pub(crate) async fn invoke(&self, request_id: &str) -> Result<Bytes, FunctionError> {
        invoke(&self.function, request_id).await
    }

    pub(crate) async fn json(&self, request_id: &str) -> Value {
        serde_json::from_slice(&self.invoke(request_id).await.unwrap()).unwrap()
    }

    /// The text of all lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|line| line.text.clone()).collect()
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line, which has its way through a thread.
    pub(crate) async fn wait_for_line(&self, part: &str) -> String {
        until(|| self.log().into_iter().find(|line| line.contains(part)), || format!("{part:?} in {:#?}", self.log()))
            .await
    }
}

/// Asks again and again, because what is asked for happens in another process.
pub(crate) async fn until<T>(mut find: impl FnMut() -> Option<T>, what: impl Fn() -> String) -> T {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {}", what());
        sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) async fn invoke(function: &Function, request_id: &str) -> Result<Bytes, FunctionError> {
    let invocation = Invocation {
        event: Bytes::from_static(b"{\"Records\":[]}"),
        request_id: request_id.to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:resize".into(),
        deadline: Time::EPOCH,
    };
    timeout(WAIT, function.invoke(invocation)).await.unwrap()
}

/// The state of a process in one letter, `T` if it is stopped; nothing if it is not there or only its end is.
pub(crate) fn process_state(pid: u64) -> Option<char> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let state = stat.rsplit_once(')')?.1.trim().chars().next()?;
    (state != 'Z').then_some(state)
}
