//! More connections than there are places.

use std::time::Duration;

use local_queue::server::Bounds;
use tokio::{io::AsyncReadExt, time::Instant};

use super::harness::{Client, Outcome, Running, SLACK, short};

const SLOW: usize = 2_000;
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Both ends of each slow connection are in this process.
fn slow_count() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let files = line.split_whitespace().nth(3).and_then(|soft| soft.parse::<usize>().ok()).unwrap_or(1_024);
    let count = SLOW.min(files.saturating_sub(200) / 2);
    if count < SLOW {
        println!("only {count} slow connections: no more than {files} files may be open (ulimit -n)");
    }
    count
}

/// Resident memory of this process in KiB, where the system tells.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_do_not_keep_a_client_out() {
    let bounds = Bounds { header_timeout: Duration::from_secs(3), idle_timeout: IDLE_TIMEOUT, ..short() };
    let server = Running::start(bounds).await;
    let mut normal = server.connect().await;
    let resident = resident_kib();
    let mut slow = Vec::new();
    let mut took = Vec::new();
    let (mut drops, mut reconnects) = (0_usize, 0_usize);
    let began = Instant::now();
    while slow.len() < slow_count() || began.elapsed() < Duration::from_secs(2) {
        if slow.len() < slow_count() {
            let mut client = server.connect().await;
            // Some say nothing at all, most begin.
            if slow.len() % 4 != 0 {
                client.write(b"POST / HTTP/1.1\r\nHost: ").await;
            }
            slow.push(client);
        } else {
            // A byte now and then, which must buy no time.
            drops += 1;
            let client = &mut slow[(drops * 7) % SLOW.min(slow_count())];
            let _ = client.stream.try_write(b"a");
        }
        if slow.len() % 10 == 0 {
            let asked = Instant::now();
            normal.write(&server.json("ListQueues", "{}")).await;
            let mut outcome = normal.read().await;
            if outcome.status() == 0 {
                // What an SDK does when its connection has been closed between two requests.
                reconnects += 1;
                normal = server.connect().await;
                normal.write(&server.json("ListQueues", "{}")).await;
                outcome = normal.read().await;
            }
            assert_eq!(outcome.status(), 200, "{outcome:?}");
            took.push(asked.elapsed());
        }
        if slow.len() % 50 == 0 {
            // One that comes while all places are taken.
            let asked = Instant::now();
            server.assert_answers("many slow connections").await;
            took.push(asked.elapsed());
        }
    }
    let all_open = Instant::now();
    let grown = resident_kib().saturating_sub(resident);
    took.sort();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!(
        "{} slow connections: {} requests of normal clients all answered, p50 {p50:?}, p99 {p99:?}, {reconnects} \
         reconnects; memory of both ends grew by {grown} KiB",
        slow.len(),
        took.len()
    );
    for client in &mut slow {
        assert!(matches!(client.read().await, Outcome::Closed), "a slow connection was not closed");
    }
    let took = all_open.elapsed();
    println!("every slow connection was closed {took:?} after the last was opened");
    assert!(took < IDLE_TIMEOUT + SLACK, "{took:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polls_keep_their_places_and_leave_some_to_others() {
    let server = Running::start(Bounds { connections_max: 4, ..short() }).await;
    let poll = server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":3}"#);
    let mut polls = Vec::new();
    for waiting in 1..=3 {
        let mut client = server.connect().await;
        client.write(&poll).await;
        polls.push(client);
        server.until_waiting(waiting).await;
    }
    // Of four places, three are for those who wait.
    let refused = server.send(&poll).await;
    assert_eq!(refused.status(), 503, "{refused:?}");
    assert!(refused.body().contains("--waiting-max"), "{refused:?}");
    server.assert_answers("as many long polls as may wait").await;
    for client in &mut polls {
        assert_eq!(client.read().await.status(), 200);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_that_has_waited_longest_makes_room() {
    let server = Running::start(Bounds { connections_max: 3, ..short() }).await;
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect().await;
        client.write(&server.json("ListQueues", "{}")).await;
        assert_eq!(client.read().await.status(), 200);
        clients.push(client);
    }
    let mut byte = [0; 1];
    assert_eq!(clients[0].stream.read(&mut byte).await.unwrap_or(0), 0, "the first has waited longest");
    for client in &mut clients[1..] {
        client.write(&server.json("ListQueues", "{}")).await;
        assert_eq!(client.read().await.status(), 200);
    }
    drop(clients);
    server.stop().await;
}
