//! The binary `local-queue` as a person runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod process;

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Command, Stdio},
};

use self::process::{Running, address, ask, post};

fn local_queue(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-queue"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn serve_says_where_it_listens_creates_queues_and_answers_aws_json() {
    let child = local_queue(&["serve", "--listen", "127.0.0.1:0", "--create", "jobs"]).spawn().unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap());
    let address = address(&mut lines);
    assert_eq!(lines.lines().next().unwrap().unwrap().trim(), format!("http://{address}/000000000000/jobs"));

    let answer = post(&address, "GetQueueUrl", r#"{"QueueName":"jobs"}"#);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("{{\"QueueUrl\":\"http://{address}/000000000000/jobs\"}}")), "{answer}");

    let answer = post(&address, "PurgeQueue", r#"{"QueueUrl":"jobs"}"#);
    assert!(answer.to_lowercase().contains("content-length: 0\r\n"), "{answer}");

    let answer = post(&address, "GetQueueUrl", r#"{"QueueName":"nothing"}"#);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n"), "{answer}");
    let body = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#;
    assert!(answer.ends_with(body), "{answer}");
}

#[test]
fn a_receipt_handle_of_before_a_restart_deletes_nothing() {
    let start = || {
        let mut running =
            Running(local_queue(&["serve", "--listen", "127.0.0.1:0", "--create", "jobs"]).spawn().unwrap());
        let address = address(&mut BufReader::new(running.0.stdout.take().unwrap()));
        post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"precious"}"#);
        let received = post(&address, "ReceiveMessage", r#"{"QueueUrl":"jobs","VisibilityTimeout":600}"#);
        let handle = received.split(r#""ReceiptHandle":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        (running, address, handle)
    };
    let delete = |address: &str, handle: &str| {
        post(address, "DeleteMessage", &format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{handle}"}}"#))
    };
    let (before, _, old) = start();
    drop(before);
    let (_after, address, new) = start();
    let answer = delete(&address, &old);
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("ReceiptHandleIsInvalid"), "{answer}");
    let attributes = post(&address, "GetQueueAttributes", r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#);
    assert!(attributes.contains(r#""ApproximateNumberOfMessagesNotVisible":"1""#), "{attributes}");
    assert!(delete(&address, &new).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_server_whose_output_nobody_reads_any_more_goes_on() {
    // More lines than a pipe holds, so that some are left to be written when it is closed.
    let names: Vec<String> = (0..2000).map(|number| format!("{number:0>70}")).collect();
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
    arguments.extend(names.iter().flat_map(|name| ["--create", name]));
    let mut running = Running(local_queue(&arguments).spawn().unwrap());
    let mut output = BufReader::new(running.0.stdout.take().unwrap());
    let address = address(&mut output);
    drop(output);
    let answer = post(&address, "GetQueueUrl", &format!(r#"{{"QueueName":"{}"}}"#, names[0]));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn a_port_in_use_is_said_in_one_line_and_ends_the_program() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = local_queue(&["serve", "--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(&format!("local-queue: failed to listen on {address}: ")), "{stderr}");
    assert!(stderr.contains("in use"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn only_loopback_is_listened_on_unless_requests_are_signed_or_the_network_is_trusted() {
    let output = local_queue(&["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("local-queue: 0.0.0.0 is not a loopback address"), "{stderr}");
    assert!(stderr.contains("--require-signature") && stderr.contains("--trust-network"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_trusted_network_is_warned_of_once() {
    let child = local_queue(&["serve", "--listen", "0.0.0.0:0", "--trust-network"]).spawn().unwrap();
    let mut running = Running(child);
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("http://0.0.0.0:"), "{first}");
    let port = first.split("http://0.0.0.0:").nth(1).unwrap().split(' ').next().unwrap();
    assert!(post(&format!("127.0.0.1:{port}"), "ListQueues", "{}").starts_with("HTTP/1.1 200 OK\r\n"));
    running.0.kill().unwrap();
    let mut stderr = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.starts_with("local-queue: warning: any client that can reach 0.0.0.0"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_required_signature_needs_a_key_pair_in_the_environment() {
    let mut command = local_queue(&["serve", "--listen", "127.0.0.1:0", "--require-signature"]);
    let output = command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("local-queue: --require-signature needs AWS_ACCESS_KEY_ID"), "{stderr}");
}

#[test]
fn names_and_origins_that_would_be_anybody_are_refused() {
    for arguments in
        [["--allow-host", "*."], ["--allow-host", "a b"], ["--allow-origin", "*"], ["--allow-origin", "null"]]
    {
        let output = local_queue(&["serve", "--listen", "127.0.0.1:0"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(arguments[1]), "{stderr}");
    }
}

#[test]
fn what_answering_to_every_host_gives_up_is_said_at_start() {
    let child = local_queue(&["serve", "--listen", "127.0.0.1:0", "--allow-host", "*"]).spawn().unwrap();
    let mut running = Running(child);
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    running.0.kill().unwrap();
    let mut stderr = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.starts_with("local-queue: warning: --allow-host '*' accepts every host name"), "{stderr}");
    assert!(stderr.contains("DNS rebinding"), "{stderr}");
}

#[test]
fn several_addresses_are_listened_on_and_each_is_said() {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    let mut running = Running(local_queue(&arguments).spawn().unwrap());
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let addresses = first.split("http://").skip(1).map(|rest| rest.split(' ').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(addresses.len(), 2, "{first}");
    post(addresses[0], "CreateQueue", r#"{"QueueName":"jobs"}"#);
    for address in addresses {
        let answer = post(address, "GetQueueUrl", r#"{"QueueName":"jobs"}"#);
        assert!(answer.ends_with(&format!("{{\"QueueUrl\":\"http://{address}/000000000000/jobs\"}}")), "{answer}");
    }
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    for arguments in [&["serve", "--listen", "nowhere"][..], &["serve", "--create", "a b"], &["srve"], &[]] {
        let output = local_queue(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

/// Starts a server and reads its first line: the address, and the lines that name its queues.
fn serve(arguments: &[&str], queues: usize) -> (Running, String, Vec<String>) {
    let arguments = ["serve", "--listen", "127.0.0.1:0"].iter().chain(arguments).copied().collect::<Vec<_>>();
    let mut running = Running(local_queue(&arguments).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap());
    let address = address(&mut lines);
    let urls = lines.lines().take(queues).map(|line| line.unwrap().trim().to_owned()).collect();
    (running, address, urls)
}

#[test]
fn create_makes_a_fifo_queue_of_a_name_that_ends_so_in_the_region_and_account_that_were_asked_for() {
    let arguments = ["--create", "jobs", "--create", "jobs.fifo", "--region", "eu-west-1", "--account", "123456789012"];
    let (_running, address, urls) = serve(&arguments, 2);
    let url = |name: &str| format!("http://{address}/123456789012/{name}");
    assert_eq!(urls, [url("jobs"), url("jobs.fifo")]);
    let answer = post(&address, "GetQueueAttributes", r#"{"QueueUrl":"jobs.fifo","AttributeNames":["All"]}"#);
    assert!(answer.contains(r#""FifoQueue":"true""#), "{answer}");
    assert!(answer.contains("arn:aws:sqs:eu-west-1:123456789012:jobs.fifo"), "{answer}");
}

#[test]
fn a_configuration_declares_queues_and_a_wrong_one_is_said_line_by_line_and_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("local-queue.toml");
    let file = path.to_str().unwrap();
    std::fs::write(
        &path,
        "[queues.jobs]\nredrive = { dead_letter_queue = 'dead', max_receive_count = 2 }\n[queues.dead]\n",
    )
    .unwrap();
    let (_running, address, urls) = serve(&["--config", file], 2);
    assert_eq!(urls, ["dead", "jobs"].map(|name| format!("http://{address}/000000000000/{name}")));
    let answer = post(&address, "ListDeadLetterSourceQueues", r#"{"QueueUrl":"dead"}"#);
    assert!(answer.ends_with(&format!("{{\"queueUrls\":[\"http://{address}/000000000000/jobs\"]}}")), "{answer}");

    std::fs::write(&path, "[queues.jobs]\nattributes = { DelaySeconds = 901 }\ntag = {}\n").unwrap();
    let output = local_queue(&["serve", "--config", file]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "local-queue: {file}:2: DelaySeconds takes a number of seconds from 0 to 900, not 901\n\
         {file}:3: unknown key \"tag\": a queue has attributes, redrive and tags\n"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);

    let output = local_queue(&["serve", "--config", "/no/such/file"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("local-queue: failed to read /no/such/file: "));
}

#[test]
fn the_manual_clock_is_moved_by_the_developers_api_and_ends_the_60_seconds() {
    let (_running, address, _) = serve(&["--create", "jobs", "--clock", "manual"], 1);
    let purge = || post(&address, "PurgeQueue", r#"{"QueueUrl":"jobs"}"#);
    assert!(purge().starts_with("HTTP/1.1 200"));
    assert!(purge().starts_with("HTTP/1.1 403"));
    let answer = ask(&address, "POST", "clock/advance", r#"{"seconds": 60}"#);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(purge().starts_with("HTTP/1.1 200"));
}

#[test]
fn the_developers_api_says_why_a_message_is_not_there() {
    let (_running, address, _) = serve(&["--create", "jobs", "--clock", "manual"], 1);
    let sent = post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a"}"#);
    let id = sent.split("\"MessageId\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("queues/jobs/messages/{id}");
    let received = post(&address, "ReceiveMessage", r#"{"QueueUrl":"jobs"}"#);
    assert!(ask(&address, "POST", "clock/advance", r#"{"seconds": 10}"#).starts_with("HTTP/1.1 200"));
    let answer = ask(&address, "GET", &path, "");
    let text = "Receive 1 of it, 10 s ago, holds it for another 20 s unless it is deleted.";
    assert!(answer.contains(r#""reason":"in_flight""#) && answer.contains(text), "{answer}");
    let handle = received.split("\"ReceiptHandle\":\"").nth(1).unwrap().split('"').next().unwrap();
    post(&address, "DeleteMessage", &format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{handle}"}}"#));
    let answer = ask(&address, "GET", &path, "");
    assert!(answer.contains(r#""place":"gone""#) && answer.contains("A receiver deleted it 0 s ago."), "{answer}");
}

#[test]
fn relaxed_turns_the_60_seconds_off() {
    let (_running, address, _) = serve(&["--create", "jobs", "--relaxed"], 1);
    for _ in 0..2 {
        assert!(post(&address, "PurgeQueue", r#"{"QueueUrl":"jobs"}"#).starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn a_seed_makes_identifiers_the_same_and_a_quota_throttles_fifo_queues() {
    let arguments = ["--create", "a.fifo", "--seed", "7", "--fifo-quota=2", "--clock", "manual"];
    let send = |address: &str| {
        let body = r#"{"QueueUrl":"a.fifo","MessageBody":"a","MessageGroupId":"g","MessageDeduplicationId":"1"}"#;
        post(address, "SendMessage", body)
    };
    let id = |answer: &str| answer.split("\"MessageId\":\"").nth(1).map(|rest| rest[..36].to_owned()).unwrap();
    let (_first, address, _) = serve(&arguments, 1);
    let (_second, other, _) = serve(&arguments, 1);
    assert_eq!(id(&send(&address)), id(&send(&other)));
    send(&address);
    let answer = send(&address);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("RequestThrottled"), "{answer}");
}

#[test]
fn a_lost_response_over_http_is_a_connection_that_ends_without_an_answer() {
    let (_running, address, _) = serve(&["--create", "jobs"], 1);
    let answer = ask(&address, "POST", "faults", r#"{"effect": "lost_response", "times": 1}"#);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a"}"#), "");
    let answer = ask(&address, "GET", "queues", "");
    assert!(answer.contains("\"ready\":1"), "{answer}");
    assert!(ask(&address, "GET", "health", "").contains("\"status\":\"ok\""));
}

#[test]
fn a_region_or_account_that_aws_could_not_have_is_a_usage_error() {
    for arguments in [["--region", "EU West"], ["--account", "12"], ["--fifo-quota=0", "--relaxed"], ["--clock", "sun"]]
    {
        let output = local_queue(&["serve", arguments[0], arguments[1]]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
