//! HTTPS: what dawdles or speaks something else in a handshake goes, and others are answered meanwhile.

use std::time::Duration;

use local_queue::server::{Bounds, Certificate};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use tests::https_client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::harness::{Running, SLACK, short};

/// A server for HTTPS, and what its clients trust.
async fn start(bounds: Bounds) -> (Running, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = Certificate::new(vec![cert.der().to_vec()], signing_key.serialize_der()).unwrap();
    (Running::start_with(bounds, |server| server.certificate(certificate)).await, cert.der().clone())
}

/// Asks for the health with these protocols offered. Says what was agreed upon, and the status.
fn ask(server: &Running, trusted: &CertificateDer<'static>, alpn: &[&str]) -> Result<(Option<String>, String), String> {
    let request = "GET /_local-queue/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = https_client::send(server.address, ("localhost", trusted), alpn, request)?;
    Ok((answer.protocol, answer.text.split("\r\n").next().unwrap_or_default().to_owned()))
}

/// How long the server lets a client go on that sends these bytes, one every so often, and what it answers.
async fn let_go(server: &Running, bytes: &[u8], pause: Duration) -> (Duration, String) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(10), async {
        for byte in bytes {
            if stream.write_all(&[*byte]).await.is_err() || timeout(pause, stream.read_buf(&mut answer)).await.is_ok() {
                break;
            }
        }
        let _ = stream.read_to_end(&mut answer).await;
    });
    ended.await.expect("the connection ends");
    (begun.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_1_is_spoken_over_tls_and_nothing_else_is_agreed_upon() {
    let (server, trusted) = start(short()).await;
    let ok = "HTTP/1.1 200 OK".to_owned();
    assert_eq!(ask(&server, &trusted, &[]), Ok((None, ok.clone())));
    let agreed = Some("http/1.1".to_owned());
    assert_eq!(ask(&server, &trusted, &["h2", "http/1.1"]), Ok((agreed, ok)));
    let error = ask(&server, &trusted, &["h2"]).unwrap_err();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
    server.stop_without_asking().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_is_told_so_and_other_noise_is_let_go() {
    let (server, trusted) = start(short()).await;
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody";
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(
        answer.contains("The plain HTTP request was sent to the HTTPS port: begin the endpoint with https://"),
        "{answer}"
    );
    for noise in [&[22, 3, 1, 0xff, 0xff][..], &[22; 600], &[22, 3, 1, 0, 5, 1, 2, 3, 4, 5]] {
        let (time, _) = let_go(&server, noise, Duration::ZERO).await;
        assert!(time < short().header_timeout + SLACK, "{noise:?} took {time:?}");
    }
    assert!(ask(&server, &trusted, &[]).is_ok());
    server.stop_without_asking().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_has_the_time_of_a_header() {
    let (server, trusted) = start(short()).await;
    // The header of a long record, a byte at a time.
    let slow = [&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0; 500]].concat();
    for (bytes, what) in [(&[][..], "silence"), (&[22], "one byte"), (&slow, "a byte at a time")] {
        let (time, _) = let_go(&server, bytes, Duration::from_millis(20)).await;
        let least = short().header_timeout;
        assert!((least..least + SLACK).contains(&time), "{what} took {time:?}");
    }
    assert!(ask(&server, &trusted, &[]).is_ok());
    server.stop_without_asking().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_dawdle_make_room_for_a_client() {
    let bounds = Bounds { connections_max: 8, header_timeout: Duration::from_secs(60), ..short() };
    let (server, trusted) = start(bounds).await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    for _ in 0..4 {
        assert!(ask(&server, &trusted, &[]).is_ok());
    }
    // Nor do they hold up the end.
    server.stop_without_asking().await;
}
