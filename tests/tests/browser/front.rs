//! What stands before an emulator: it passes a browser's requests on and counts the answers, so that a test knows that an
//! attack has arrived before it looks for its effect.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How requests are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Byte for byte.
    Guarded,
    /// As if the emulator had no guard: without what the guard looks at, with what it asks for, and readable by any page.
    Unguarded,
}

/// One front with its emulator.
pub(crate) struct Front {
    pub(crate) port: u16,
    answered: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Takes what a page has to say: of which kind, and what.
pub(crate) type Report = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// What a page that has made its own name lead here has of the attacker's: itself, and a place for what it has read.
#[derive(Clone)]
pub(crate) struct Rebound {
    pub(crate) page: String,
    pub(crate) report: Report,
}

impl Front {
    pub(crate) async fn start(way: Way, emulator: SocketAddr, rebound: Option<Rebound>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let front = Self { port, answered: Arc::default(), seen: Arc::default() };
        let (answered, seen) = (Arc::clone(&front.answered), Arc::clone(&front.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection {
                    way,
                    emulator,
                    rebound: rebound.clone(),
                    answered: answered.clone(),
                    seen: seen.clone(),
                };
                tokio::spawn(async move { drop(connection.serve(stream).await) });
            }
        });
        front
    }

    /// Requests that the emulator has answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// The requests that came, as far as the guard looks at them, and how each was answered.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

struct Connection {
    way: Way,
    emulator: SocketAddr,
    rebound: Option<Rebound>,
    answered: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    async fn serve(self, mut browser: TcpStream) -> io::Result<()> {
        let mut emulator = TcpStream::connect(self.emulator).await?;
        let mut read_ahead = Vec::new();
        loop {
            let request = Message::read(&mut browser, &mut read_ahead).await?;
            if let Some(answer) = self.answer_for_attacker(&request) {
                browser.write_all(answer.as_bytes()).await?;
                continue;
            }
            let bytes = match self.way {
                Way::Guarded => request.bytes(),
                Way::Unguarded if request.head.starts_with("OPTIONS ") => {
                    browser.write_all(PREFLIGHT.as_bytes()).await?;
                    continue;
                }
                Way::Unguarded => disarm(&request, self.emulator),
            };
            emulator.write_all(&bytes).await?;
            let mut rest = Vec::new();
            let answer = Message::read(&mut emulator, &mut rest).await?;
            self.note(&request, &answer);
            let mut bytes = answer.bytes();
            if self.way == Way::Unguarded {
                bytes = String::from_utf8(bytes).unwrap().replacen("\r\n", READABLE, 1).into_bytes();
            }
            self.answered.fetch_add(1, Ordering::SeqCst);
            browser.write_all(&bytes).await?;
            if answer.value("connection").is_some_and(|value| value == "close") {
                return Ok(());
            }
        }
    }

    /// The page itself, and what it reports, if this is a name that was the attacker's a moment ago.
    fn answer_for_attacker(&self, request: &Message) -> Option<String> {
        let rebound = self.rebound.as_ref()?;
        let path = request.head.split(' ').nth(1)?;
        if path == "/attacker-page" {
            return Some(super::html(&rebound.page, ""));
        }
        let kind = path.strip_prefix("/report/")?;
        (rebound.report)(kind, &String::from_utf8_lossy(&request.body));
        Some("HTTP/1.1 204 No Content\r\n\r\n".to_owned())
    }

    fn note(&self, request: &Message, answer: &Message) {
        let line = request.head.lines().next().unwrap_or_default();
        let names = ["host", "origin", "sec-fetch-site", "authorization", "content-type"];
        let header = names.iter().filter_map(|name| Some(format!("{name}: {}", request.value(name)?)));
        let status = answer.head.split(' ').nth(1).unwrap_or_default();
        self.seen.lock().unwrap().push(format!("{line:.80} [{}] -> {status}", header.collect::<Vec<_>>().join(", ")));
    }
}

const PREFLIGHT: &str = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: *, \
                         authorization\r\nAccess-Control-Allow-Methods: *\r\nAccess-Control-Allow-Private-Network: \
                         true\r\n\r\n";
const READABLE: &str = "\r\nAccess-Control-Allow-Origin: *\r\n";

/// The request as a client that the guard has nothing against would have sent it.
fn disarm(request: &Message, emulator: SocketAddr) -> Vec<u8> {
    let mut lines = request.head.trim_end().lines();
    let mut head = format!("{}\r\nHost: {emulator}\r\n", lines.next().unwrap_or_default());
    head.push_str("Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request\r\n");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "host" | "origin" | "referer" | "authorization" | "connection" | "upgrade" => {}
            name if name.starts_with("sec-") || name.starts_with("x-forwarded-") => {}
            // A form can send JSON, but not say so.
            "content-type" if value.starts_with("text/plain") && request.head.starts_with("POST / ") => {
                head.push_str("Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n");
            }
            _ => head.extend([line, "\r\n"]),
        }
    }
    [head.as_bytes(), b"\r\n", &request.body].concat()
}

/// A request or an answer.
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) async fn read(stream: &mut TcpStream, read_ahead: &mut Vec<u8>) -> io::Result<Self> {
        let end = loop {
            if let Some(end) = read_ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            more(stream, read_ahead).await?;
        };
        let body = read_ahead.split_off(end);
        let head = String::from_utf8_lossy(&std::mem::replace(read_ahead, body)).into_owned();
        let mut message = Self { head, body: Vec::new() };
        let length = message.value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while read_ahead.len() < length {
            more(stream, read_ahead).await?;
        }
        let rest = read_ahead.split_off(length);
        message.body = std::mem::replace(read_ahead, rest);
        Ok(message)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(bytes).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
