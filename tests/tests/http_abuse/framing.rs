//! Messages that are not HTTP, or not the HTTP that an SDK speaks.

use super::harness::{BODY_BYTES_MAX, Running, chunked, json_headers, short};

type Case = (&'static str, Vec<u8>, &'static [u16]);

/// One JSON request whose header is completed by `headers`.
fn with(server: &Running, headers: &str, body: &[u8]) -> Vec<u8> {
    server.request("POST / HTTP/1.1", &format!("{}{headers}", json_headers("ListQueues")), body)
}

fn with_chunks(server: &Running, body: &[u8]) -> Vec<u8> {
    with(server, "Transfer-Encoding: chunked\r\n", body)
}

fn headers(server: &Running) -> Vec<Case> {
    let many = |count: usize| "X-Many: 1\r\n".repeat(count);
    let long = |bytes: usize| format!("X-Long: {}\r\nContent-Length: 2\r\n", "a".repeat(bytes));
    let good = "Content-Length: 2\r\n";
    let host = server.address;
    let line = |line: &str| server.request(line, &format!("{}{good}", json_headers("ListQueues")), b"{}");
    let raw = |text: String| text.into_bytes();
    vec![
        ("90 headers", with(server, &format!("{}{good}", many(90)), b"{}"), &[200]),
        ("101 headers", with(server, &format!("{}{good}", many(101)), b"{}"), &[431]),
        ("20,000 headers", with(server, &many(20_000), b""), &[431]),
        ("a header of 30 KB", with(server, &long(30_000), b"{}"), &[200]),
        ("a header of 33 KB", with(server, &long(33_000), b"{}"), &[431]),
        ("a header of 100 KB", with(server, &long(100_000), b"{}"), &[431]),
        ("a header of 10 MB", with(server, &long(10_000_000), b"{}"), &[431]),
        ("a name of 40 KB", with(server, &format!("{}: 1\r\n", "n".repeat(40_000)), b""), &[431]),
        ("a target of 40 KB", line(&format!("POST /{} HTTP/1.1", "a".repeat(40_000))), &[431]),
        ("a target of 100 KB", line(&format!("POST /{} HTTP/1.1", "a".repeat(100_000))), &[414]),
        ("bare LF", raw(format!("GET /?Action=ListQueues HTTP/1.1\nHost: {host}\n\n")), &[200]),
        ("bare CR", raw(format!("GET / HTTP/1.1\rHost: {host}\r\r")), &[400]),
        ("obs-fold", with(server, &format!("X-Folded: a\r\n b\r\n{good}"), b"{}"), &[400]),
        ("a space before the colon", with(server, &format!("X-Space : a\r\n{good}"), b"{}"), &[400]),
        ("a space before the first header", raw(format!("GET / HTTP/1.1\r\n Host: {host}\r\n\r\n")), &[400]),
        ("no colon", with(server, &format!("X-Nothing\r\n{good}"), b"{}"), &[400]),
        ("no name", with(server, &format!(": a\r\n{good}"), b"{}"), &[400]),
        ("NUL in a value", with(server, &format!("X-Nul: a\0b\r\n{good}"), b"{}"), &[400]),
        ("NUL in a name", with(server, &format!("X-\0: a\r\n{good}"), b"{}"), &[400]),
        ("NUL in the target", line("POST /\0 HTTP/1.1"), &[400]),
        ("DEL in a value", with(server, &format!("X-Del: a\x7fb\r\n{good}"), b"{}"), &[400]),
        ("a space in the target", line("POST /a b HTTP/1.1"), &[400]),
        ("no target", line("POST HTTP/1.1"), &[400]),
        ("an empty line first", [b"\r\n".to_vec(), line("POST / HTTP/1.1")].concat(), &[200]),
        ("a method of its own", line("PURGE / HTTP/1.1"), &[405]),
        ("a method in lower case", line("post / HTTP/1.1"), &[405]),
        ("OPTIONS *", line("OPTIONS * HTTP/1.1"), &[405]),
        ("CONNECT", line("CONNECT localhost:80 HTTP/1.1"), &[405]),
        ("absolute form, ours", line(&format!("POST http://{host}/ HTTP/1.1")), &[200]),
        ("absolute form, foreign", line("POST http://attacker.example/ HTTP/1.1"), &[421]),
        ("HTTP/1.0", line("POST / HTTP/1.0"), &[200]),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec(), &[400]),
        ("HTTP/3.0", line("POST / HTTP/3.0"), &[400]),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[0]),
        ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        ("no Host", b"GET /?Action=ListQueues HTTP/1.1\r\n\r\n".to_vec(), &[421]),
        ("HTTP/1.0 without Host", b"GET /?Action=ListQueues HTTP/1.0\r\n\r\n".to_vec(), &[421]),
        ("two Hosts", with(server, &format!("Host: {host}\r\n{good}"), b"{}"), &[421]),
        ("a foreign Host", raw("GET /?Action=ListQueues HTTP/1.1\r\nHost: attacker.example\r\n\r\n".into()), &[421]),
        ("a foreign Origin", with(server, &format!("Origin: https://a.example\r\n{good}"), b"{}"), &[403]),
        ("a null Origin", with(server, &format!("Origin: null\r\n{good}"), b"{}"), &[403]),
        (
            "an image tag",
            server.request("GET /?Action=DeleteQueue HTTP/1.1", "Sec-Fetch-Site: cross-site\r\n", b""),
            &[403],
        ),
        (
            "Upgrade to WebSocket",
            with(server, &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{good}"), b"{}"),
            &[200],
        ),
        ("Upgrade to h2c", with(server, &format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{good}"), b"{}"), &[200]),
    ]
}

fn bodies(server: &Running) -> Vec<Case> {
    let zeros = |count: usize| "0".repeat(count);
    let over = BODY_BYTES_MAX + 1;
    let padded = |json: &str, count: usize| [json.as_bytes(), &vec![b' '; count - json.len()]].concat();
    let spaces = |count: usize| padded("{}", count);
    let message = r#"{"MessageBody":"a","QueueUrl":"jobs"}"#;
    let chunk = |text: &str| with_chunks(server, text.as_bytes());
    vec![
        ("no length, no body", with(server, "", b""), &[200]),
        ("half a body", with(server, "Content-Length: 20\r\n", b"{\"QueueName"), &[408]),
        ("a length without a body", with(server, "Content-Length: 20\r\n", b""), &[408]),
        ("two lengths that differ", with(server, "Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "), &[400]),
        ("two lengths that agree", with(server, "Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), &[200]),
        ("a list of lengths", with(server, "Content-Length: 2, 2\r\n", b"{}"), &[400]),
        ("a length with a sign", with(server, "Content-Length: +2\r\n", b"{}"), &[400]),
        ("a negative length", with(server, "Content-Length: -2\r\n", b"{}"), &[400]),
        ("a length in hex", with(server, "Content-Length: 0x2\r\n", b"{}"), &[400]),
        ("a length of 2^64", with(server, "Content-Length: 18446744073709551616\r\n", b"{}"), &[400]),
        ("a length of 2^63", with(server, "Content-Length: 9223372036854775808\r\n", b"{}"), &[413]),
        (
            "length and chunks",
            with(server, "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
            &[200],
        ),
        ("an unknown coding", with(server, "Transfer-Encoding: gzip\r\n", b"{}"), &[400]),
        (
            "chunked, then another",
            with(server, "Transfer-Encoding: chunked, gzip\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
            &[400],
        ),
        (
            "chunks in HTTP/1.0",
            server.request(
                "POST / HTTP/1.0",
                &format!("{}Transfer-Encoding: chunked\r\n", json_headers("ListQueues")),
                b"2\r\n{}\r\n0\r\n\r\n",
            ),
            &[400],
        ),
        ("chunks", with_chunks(server, &chunked(b"{}  ", 1)), &[200]),
        ("a chunk size that is no number", chunk("zz\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("an empty chunk size", chunk("\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a chunk size of 2^64", chunk(&format!("1{}\r\n{{}}", zeros(16))), &[400]),
        ("a negative chunk size", chunk("-1\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a chunk that is longer than its size", chunk("1\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("chunks without an end", chunk("2\r\n{}\r\n"), &[408]),
        ("a chunk extension", chunk("2;name=value\r\n{}\r\n0\r\n\r\n"), &[200]),
        ("a chunk extension of 1 MB", chunk(&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(1_000_000))), &[400]),
        ("trailers", chunk("2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"), &[200]),
        ("trailers of 1 MB", chunk(&format!("2\r\n{{}}\r\n0\r\nX-Trailer: {}\r\n\r\n", "a".repeat(1_000_000))), &[400]),
        ("as long as allowed", server.json("SendMessage", padded(message, BODY_BYTES_MAX)), &[200]),
        ("as long as allowed, of an action without messages", server.json("ListQueues", spaces(256 * 1024)), &[200]),
        ("too long for an action without messages", server.json("ListQueues", spaces(256 * 1024 + 1)), &[400]),
        ("a byte too long, declared", server.json("ListQueues", spaces(over)), &[413]),
        ("a byte too long, in chunks", with_chunks(server, &chunked(&spaces(over), 60_000)), &[413]),
        ("much too long, in chunks", with_chunks(server, &chunked(&spaces(3 * over), 60_000)), &[413]),
        ("much too long, and half of it", with(server, "Content-Length: 100000000\r\n", &spaces(over)), &[413]),
        ("compressed", with(server, "Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"\x1f\x8b"), &[415]),
        (
            "foreign, with a long body",
            with(server, &format!("Origin: null\r\nContent-Length: {over}\r\n"), &spaces(over)),
            &[403],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_http_is_refused_or_closed() {
    let server = Running::start(short()).await;
    let count = server.check(headers(&server)).await + server.check(bodies(&server)).await;
    println!("{count} cases of framing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_above_ascii_in_a_header_are_carried_or_refused() {
    let server = Running::start(short()).await;
    for byte in 0x80..=0xff_u8 {
        let mut request = with(&server, "Content-Length: 2\r\nX-Byte: ?\r\n", b"{}");
        let place = request.iter().position(|byte| *byte == b'?').unwrap();
        request[place] = byte;
        let outcome = server.send(&request).await;
        assert!([200, 400].contains(&outcome.status()), "{byte:#x} in a value: {outcome:?}");
        for name in ["Host", "Content-Type", "X-Amz-Target", "Origin"] {
            let request = format!("POST / HTTP/1.1\r\nHost: {}\r\n{name}: ?\r\n\r\n", server.address);
            let request = request.bytes().map(|own| if own == b'?' { byte } else { own }).collect::<Vec<_>>();
            let outcome = server.send(&request).await;
            assert!((400..500).contains(&outcome.status()), "{byte:#x} in {name}: {outcome:?}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_lets_another_page_read_it() {
    let server = Running::start(short()).await;
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: x-amz-target\r\n";
    for (line, headers) in [
        ("OPTIONS / HTTP/1.1", preflight),
        ("GET /?Action=ListQueues HTTP/1.1", "Origin: https://a.example\r\n"),
        ("GET /?Action=ListQueues HTTP/1.1", ""),
    ] {
        let outcome = server.send(&server.request(line, headers, b"")).await;
        assert!(!outcome.header().contains("access-control"), "{outcome:?}");
        assert_eq!(outcome.status(), if headers.is_empty() { 200 } else { 403 }, "{outcome:?}");
    }
    server.stop().await;
}
