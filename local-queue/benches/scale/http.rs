//! The emulator over HTTP, and how fast it wakes and starts.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use local_queue::{
    LocalQueue,
    engine::{MessageBody, Receive, SendMessage},
    server::{Bounds, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{median, percentile};

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 2_000;
const ROUNDS: usize = 7;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// `SendMessage` beside two constants: what the same server says of an action that it does not know, and what bare hyper
/// answers.
pub(super) fn throughput() {
    let runtime = runtime();
    let queues = LocalQueue::builder().build();
    queues.create_queue("jobs", &[]).unwrap();
    let (emulator, constant) = runtime.block_on(async {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(address, queues.clone(), Bounds::default()).await.unwrap();
        let emulator = server.local_address().unwrap();
        tokio::spawn(server.run(std::future::pending()));
        let listener = TcpListener::bind(address).await.unwrap();
        let constant = listener.local_addr().unwrap();
        tokio::spawn(answer_constant(listener));
        (emulator, constant)
    });
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rates[0].push(runtime.block_on(load(emulator, "SendMessage")));
        rates[1].push(runtime.block_on(load(emulator, "Constant")));
        rates[2].push(runtime.block_on(load(constant, "SendMessage")));
        queues.purge_queue(&queues.scope().arn("jobs")).ok();
    }
    let [send, same, bare] = rates.map(|mut rates| median(&mut rates));
    println!("  SendMessage:                {send:.0} requests/s on {CONNECTIONS} connections");
    println!("  a constant, same server:    {same:.0} requests/s (ratio {:.2})", send / same);
    println!("  a constant, bare hyper:     {bare:.0} requests/s (ratio {:.2})", send / bare);
}

async fn answer_constant(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = service_fn(|request: Request<Incoming>| async {
            drop(request.into_body().collect().await);
            let mut response = Response::new(Full::new(Bytes::from_static(&[b'x'; 114])));
            let headers = response.headers_mut();
            headers.insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
            headers.insert("x-amzn-requestid", "f4cd29f3-ca52-4b46-944d-599b8fcf9fe7".parse().unwrap());
            Ok::<_, Infallible>(response)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(75))
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// Requests a second over all connections.
async fn load(address: SocketAddr, action: &str) -> f64 {
    let body = r#"{"MessageBody":"0123456789abcdef0123456789abcdef","QueueUrl":"http://localhost/000000000000/jobs"}"#;
    let request = request(address, action, body);
    let start = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for _ in 0..REQUESTS {
                exchange(&mut stream, &request).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    (CONNECTIONS * REQUESTS) as f64 / start.elapsed().as_secs_f64()
}

fn request(address: SocketAddr, action: &str, body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.{action}\r\nContent-Type: \
         application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends a request and reads the whole answer.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::with_capacity(1_024);
    loop {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the server has closed the connection");
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") || head.contains("InvalidAction"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
        if answer.len() >= end + 4 + length.parse::<usize>().unwrap() {
            return answer;
        }
    }
}

/// From the call of a send to the moment when the waiting receiver has its message.
pub(super) fn wake_up() {
    let queues = LocalQueue::builder().build();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let mut waits = runtime().block_on(async {
        let mut waits = Vec::new();
        for _ in 0..2_000 {
            let receiver = tokio::spawn({
                let (queues, jobs) = (queues.clone(), jobs.clone());
                let request = Receive { wait_time: Some(Duration::from_secs(20)), ..Receive::default() };
                async move {
                    let received = queues.receive(&jobs, request).await.unwrap();
                    (Instant::now(), received)
                }
            });
            // Lets the receiver begin its wait, which is what is measured.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let sent_at = Instant::now();
            queues.send(&jobs, SendMessage::new(MessageBody::parse("x").unwrap())).unwrap();
            let (woken_at, deliveries) = receiver.await.unwrap();
            queues.delete(&jobs, deliveries[0].receipt_handle).unwrap();
            waits.push(woken_at.saturating_duration_since(sent_at));
        }
        waits
    });
    println!("  p50 {:?}, p99 {:?}", percentile(&mut waits, 0.5), percentile(&mut waits, 0.99));
}

/// From starting the process to the first answer.
pub(super) fn start() {
    let mut times = (0..15).map(|_| {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_local-queue"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        runtime().block_on(async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            exchange(&mut stream, &request(address, "ListQueues", "{}")).await;
        });
        let elapsed = start.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();
        elapsed
    });
    let mut times = times.by_ref().collect::<Vec<_>>();
    println!("  ready to serve after {:?} (median of {})", percentile(&mut times, 0.5), times.len());
}
