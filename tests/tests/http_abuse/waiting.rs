//! Clients that are slow, that leave, or that do not stop.

use std::time::Duration;

use local_queue::{
    Fault,
    engine::{MessageBody, Receive, SendMessage},
    server::Bounds,
};
use tokio::io::AsyncWriteExt;

use super::harness::{Outcome, Running, SLACK, json_headers, short};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_finish_is_closed_within_a_second_of_the_limit() {
    let server = Running::start(short()).await;
    let half_headers =
        ["", "P", "POST / HTTP/1.1", "POST / HTTP/1.1\r\nHost: a", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n"];
    for half in half_headers {
        let limit = if half.is_empty() { short().idle_timeout } else { short().header_timeout };
        let mut client = server.connect().await;
        client.write(half.as_bytes()).await;
        let began = tokio::time::Instant::now();
        assert!(matches!(client.read().await, Outcome::Closed), "{half:?}");
        let took = began.elapsed();
        assert!(took > limit / 2 && took < limit + SLACK, "{half:?} was closed after {took:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_or_body_in_drops_is_cut_off_and_bytes_do_not_buy_time() {
    let server = Running::start(short()).await;
    let header = server.json("ListQueues", "{}");
    let body =
        server.request("POST / HTTP/1.1", &format!("{}Content-Length: 1000\r\n", json_headers("ListQueues")), b"");
    for (first, drops, expected) in [(&b""[..], &header[..], 0), (&body[..], &[b' '; 1000][..], 408)] {
        let mut client = server.connect().await;
        client.write(first).await;
        let began = tokio::time::Instant::now();
        for drop in drops.chunks(1) {
            if client.stream.write_all(drop).await.is_err() || began.elapsed() > short().header_timeout * 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let outcome = client.read().await;
        assert!([expected, 0].contains(&outcome.status()), "{outcome:?}");
        assert!(began.elapsed() < short().header_timeout * 2 + SLACK, "{:?}", began.elapsed());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_its_connection_pays_nothing_for_it() {
    let server = Running::start(Bounds { idle_timeout: Duration::from_secs(75), ..short() }).await;
    let mut client = server.connect().await;
    for _ in 0..1_000 {
        client.write(&server.json("ListQueues", "{}")).await;
        assert_eq!(client.read().await.status(), 200);
    }
    // A pause longer than a header may take is no header.
    tokio::time::sleep(short().header_timeout * 2).await;
    client.write(&server.json("ListQueues", "{}")).await;
    assert_eq!(client.read().await.status(), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let server = Running::start(short()).await;
    let mut client = server.connect().await;
    let mut requests = Vec::new();
    for index in 0..20 {
        let body = format!(r#"{{"QueueName":"pipelined-{index}"}}"#);
        requests.extend(server.json("CreateQueue", body));
    }
    // And the beginning of one more, which then has a header's time.
    requests.extend_from_slice(b"POST / HT");
    client.write(&requests).await;
    for index in 0..20 {
        let outcome = client.read().await;
        assert!(outcome.body().contains(&format!("/pipelined-{index}\"")), "{outcome:?}");
    }
    assert_eq!(client.read().await.status(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_expects_to_be_asked_for_the_body_is_asked_or_refused() {
    let server = Running::start(short()).await;
    let expecting = |length: usize, more: &str| {
        let headers =
            format!("{}Expect: 100-continue\r\nContent-Length: {length}\r\n{more}", json_headers("ListQueues"));
        server.request("POST / HTTP/1.1", &headers, b"")
    };
    let mut client = server.connect().await;
    client.write(&expecting(2, "")).await;
    assert_eq!(client.read().await.status(), 100);
    client.write(b"{}").await;
    assert_eq!(client.read().await.status(), 200);
    for (request, status) in
        [(expecting(100_000_000, ""), 413), (expecting(2, "Origin: null\r\n"), 403), (expecting(2, ""), 100)]
    {
        assert_eq!(server.send(&request).await.status(), status);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_long_poll_gets_no_message_any_more() {
    let server = Running::start(short()).await;
    let jobs = server.queues.create_queue("jobs", &[]).unwrap();
    let poll = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":20}"#);
    for reset in [false, true] {
        let mut client = server.connect().await;
        client.write(&poll).await;
        // Longer than every bound: a long poll is not cut off, and is now surely waiting.
        tokio::time::sleep(short().idle_timeout * 2).await;
        if reset {
            client.stream.set_zero_linger().unwrap();
        }
        drop(client);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let body = MessageBody::parse("for somebody").unwrap();
        server.queues.send(&jobs, SendMessage::new(body)).unwrap();
        let received = server.queues.receive(&jobs, Receive::default()).await.unwrap();
        assert_eq!(received.len(), 1, "the message went to a client that had left (reset: {reset})");
        assert_eq!(received[0].receive_count, 1, "reset: {reset}");
        server.queues.delete(&jobs, received[0].receipt_handle).unwrap();
    }
    // One that stays gets it.
    let mut client = server.connect().await;
    client.write(&poll).await;
    tokio::time::sleep(short().idle_timeout * 2).await;
    server.queues.send(&jobs, SendMessage::new(MessageBody::parse("for you").unwrap())).unwrap();
    assert!(client.read().await.body().contains("for you"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_more_behind_a_long_poll_and_leaves_gets_no_message_any_more() {
    let server = Running::start(short()).await;
    let jobs = server.queues.create_queue("jobs", &[]).unwrap();
    let poll = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":20}"#);
    // What fits into what is read ahead, and what does not.
    for behind in [1, 20, 2_000] {
        for reset in [false, true] {
            let mut client = server.connect().await;
            client.write(&poll).await;
            let requests = poll.repeat(behind);
            let _ = client.stream.try_write(&requests);
            server.until_waiting(1).await;
            if reset {
                client.stream.set_zero_linger().unwrap();
            }
            drop(client);
            server.until_waiting(0).await;
            for _ in 0..3 {
                let body = MessageBody::parse("for somebody").unwrap();
                server.queues.send(&jobs, SendMessage::new(body)).unwrap();
            }
            let ready = server.queues.queue_attributes(&jobs).unwrap().messages;
            assert_eq!(ready, 3, "messages went to a client that had left ({behind} behind, reset: {reset})");
            let all = Receive { max_messages: 10, ..Receive::default() };
            for delivery in server.queues.receive(&jobs, all).await.unwrap() {
                server.queues.delete(&jobs, delivery.receipt_handle).unwrap();
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_ends_its_side_and_reads_on_is_answered() {
    let server = Running::start(short()).await;
    let jobs = server.queues.create_queue("jobs", &[]).unwrap();
    let send = |body: &str| server.json("SendMessage", format!(r#"{{"QueueUrl":"jobs","MessageBody":"{body}"}}"#));
    let receive = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs"}"#);
    let poll = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":20}"#);

    let mut client = server.connect().await;
    client.write(&[send("first"), send("second"), receive.clone(), poll.clone(), poll.clone()].concat()).await;
    client.stream.shutdown().await.unwrap();
    for _ in 0..2 {
        assert_eq!(client.read().await.status(), 200);
    }
    assert!(client.read().await.body().contains("first"));
    assert!(client.read().await.body().contains("second"));
    // It may have gone, so nothing is waited for; an answer without a message is one, too.
    assert_eq!(client.read().await.body(), "{}");
    assert_eq!(client.read().await.status(), 0);

    // Also one whose answer takes its time.
    let latency = Fault::latency(Duration::from_millis(700)).on("GetQueueUrl").times(1);
    server.queues.faults().inject(latency).unwrap();
    let mut client = server.connect().await;
    client.write(&server.json("GetQueueUrl", r#"{"QueueName":"jobs"}"#)).await;
    client.stream.shutdown().await.unwrap();
    assert!(client.read().await.body().contains("/jobs\""));
    assert_eq!(server.queues.queue_attributes(&jobs).unwrap().messages, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_in_the_middle_of_anything_harms_nobody() {
    let server = Running::start(short()).await;
    let jobs = server.queues.create_queue("jobs", &[]).unwrap();
    let body = MessageBody::parse("x".repeat(1_000_000)).unwrap();
    server.queues.send(&jobs, SendMessage::new(body)).unwrap();
    let receive = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","VisibilityTimeout":0}"#);
    for cut in (0..receive.len()).step_by(7).chain([receive.len()]) {
        let mut client = server.connect().await;
        client.write(&receive[..cut]).await;
        if cut % 2 == 0 {
            client.stream.set_zero_linger().unwrap();
        }
    }
    // The answer is longer than the sockets' buffers and is not read.
    for _ in 0..20 {
        let mut client = server.connect().await;
        client.write(&receive).await;
        let mut first = [0; 1];
        let _ = client.stream.readable().await;
        let _ = client.stream.try_read(&mut first);
    }
    server.assert_answers("clients that left").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_taken_is_given_up() {
    let server = Running::start(short()).await;
    let jobs = server.queues.create_queue("jobs", &[]).unwrap();
    for _ in 0..4 {
        let body = MessageBody::parse("x".repeat(1_000_000)).unwrap();
        server.queues.send(&jobs, SendMessage::new(body)).unwrap();
    }
    let receive = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","VisibilityTimeout":0}"#);
    let mut client = server.connect().await;
    // Answers enough to fill any buffer on the way; then the rest of the time without reading.
    for _ in 0..32 {
        client.write(&receive).await;
    }
    tokio::time::sleep(short().answer_timeout + SLACK).await;
    let mut answers = 0;
    while client.read().await.status() == 200 {
        answers += 1;
    }
    assert!(answers < 32, "all {answers} answers were kept for a client that read none");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_share_a_bounded_memory() {
    let bounds = Bounds { under_way_bytes_max: 3 * 1024 * 1024, body_timeout: Duration::from_secs(5), ..short() };
    let server = Running::start(bounds).await;
    let half = |bytes: usize| {
        let headers = format!("{}Content-Length: {}\r\n", json_headers("ListQueues"), bytes + 1);
        server.request("POST / HTTP/1.1", &headers, &vec![b' '; bytes])
    };
    let mut holder = server.connect().await;
    holder.write(&half(900_000)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.send(&half(500_000)).await.status(), 503);
    server.assert_answers("memory was short").await;
    drop(holder);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let message = br#"{"MessageBody":"a","QueueUrl":"jobs"}"#;
    let padded = [message.to_vec(), vec![b' '; 900_000]].concat();
    assert_eq!(server.send(&server.json("SendMessage", padded)).await.status(), 200);
    server.stop().await;
}
