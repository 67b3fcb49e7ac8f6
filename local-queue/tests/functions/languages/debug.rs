//! Functions to which a debugger connects.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    super::fixture::{Fixture, WAIT},
    NODE, PYTHON, send,
};

/// The port of Node's inspector, which it logs.
async fn inspector(fixture: &Fixture) -> u16 {
    let line = fixture.wait_for_line("Debugger listening on ws://127.0.0.1:").await;
    line.rsplit_once("127.0.0.1:").unwrap().1.split('/').next().unwrap().parse().unwrap()
}

pub(super) async fn node() {
    let text =
        "exports.handler = async () => { await new Promise((resolve) => setTimeout(resolve, 1100)); return 'late'; };";
    let Some(mut app) = NODE.app(&[("app.js", text)], "app.handler") else { return };
    // A free port.
    app.function.debug_port = Some(0);
    let fixture = Fixture::of(app.builder().timeout(Duration::from_secs(1)).debug());
    assert_eq!(send(&fixture.function, &json!({})).await.unwrap(), "late");
    inspector(&fixture).await;
}

pub(super) async fn node_version() {
    let Some(mut app) = NODE.app(&[("app.js", "exports.handler = async () => 1;")], "app.handler") else { return };
    app.function.debug_port = Some(0);
    let fixture = Fixture::of(app.builder().debug());
    assert_eq!(send(&fixture.function, &json!({})).await.unwrap(), 1);
    let port = inspector(&fixture).await;
    let request = format!("GET /json/version HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let answer = ask(port, &request, |answer| serde_json::from_str::<Value>(answer.split_once("\r\n\r\n")?.1).ok());
    assert!(answer["Browser"].as_str().unwrap().starts_with("node.js/v"), "{answer}");
}

pub(super) async fn python() {
    let text = "def handler(event, context):\n    return 'run'\n";
    let Some(mut app) = PYTHON.app(&[("app.py", text)], "app.handler") else { return };
    let clients = std::env::var_os("CLIENTS").map(Into::into);
    let clients = clients.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients"));
    app.function.interpreter = std::path::absolute(clients.join("python/bin/python")).unwrap();
    let has_debugpy = Command::new(&app.function.interpreter).args(["-c", "import debugpy"]).output();
    if !has_debugpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: .cache/clients has no debugpy; .ci/install_clients brings it");
        return;
    }
    // debugpy does not say which port it has taken, so it gets one that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    app.function.debug_port = Some(port);
    let fixture = Fixture::of(app.builder().debug());
    assert_eq!(send(&fixture.function, &json!({})).await.unwrap(), "run");
    // It is debugged between invocations too: its process is not stopped.
    let request = json!({ "seq": 1, "type": "request", "command": "initialize", "arguments": { "adapterID": "test" } });
    let body = request.to_string();
    let request = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let answer = ask(port, &request, |answer| {
        let messages = answer
            .split("\r\n\r\n")
            .skip(1)
            .filter_map(|part| serde_json::Deserializer::from_str(part).into_iter::<Value>().next()?.ok());
        messages.into_iter().find(|message| message["command"] == "initialize")
    });
    assert_eq!((&answer["type"], &answer["success"]), (&json!("response"), &json!(true)), "{answer}");
    assert_eq!(fixture.function.metrics().cold_starts, 1);
}

/// Sends something to a port of this machine, and reads until what is wanted is there.
fn ask<T>(port: u16, request: &str, find: impl Fn(&str) -> Option<T>) -> T {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut buffer).unwrap();
        answer.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&answer);
        if let Some(found) = find(&text) {
            return found;
        }
        assert!(length > 0, "the connection ended: {text}");
    }
}
