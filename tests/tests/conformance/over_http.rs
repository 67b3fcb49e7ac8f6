//! A few rules over a real connection and through the SDK: what only a server, or only a client, can get wrong.

use std::net::SocketAddr;

use local_queue::{
    LocalQueue,
    server::{Bounds, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::rules::{
    Evidence::{Recorded, Validated},
    Section,
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    sdk(rules);
    rules.once(Recorded, "an action without output has Content-Length: 0 and no body", || {
        let answers = exchange(&[
            ("AmazonSQS.CreateQueue", "/", "{\"QueueName\":\"jobs\"}"),
            ("AmazonSQS.PurgeQueue", "/", "{\"QueueUrl\":\"jobs\"}"),
        ]);
        let (head, body) = answers[1].split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\ncontent-length: 0"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/x-amz-json-1.0"), "{head}");
        assert_eq!(body, "");
    });
    rules.once(Recorded, "an error has its status, its type and the header of the query error", || {
        let answers = exchange(&[("AmazonSQS.DeleteQueue", "/", "{\"QueueUrl\":\"jobs\"}")]);
        let (head, body) = answers[0].split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains("\r\nx-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"), "{head}");
        assert!(body.starts_with("{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","), "{body}");
    });
    rules.once(Validated, "a form on the path of a queue URL is answered in XML", || {
        let answers = exchange(&[
            ("AmazonSQS.CreateQueue", "/", "{\"QueueName\":\"jobs\"}"),
            ("", "/000000000000/jobs", "Action=SendMessage&MessageBody=hello"),
        ]);
        let (head, body) = answers[1].split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\ncontent-type: text/xml"), "{head}");
        assert!(body.contains("<MD5OfMessageBody>5d41402abc4b2a76b9719d911017c592</MD5OfMessageBody>"), "{body}");
    });
}

fn sdk(rules: &mut Section<'_>) {
    rules.once(Recorded, "an SDK knows an error by its type, and shows the code of Query", || {
        use aws_sdk_sqs::error::ProvideErrorMetadata;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = LocalQueue::builder().build().client();
        let missing = runtime.block_on(client.get_queue_url().queue_name("jobs").send()).unwrap_err();
        let error = missing.into_service_error();
        assert!(error.is_queue_does_not_exist(), "{error:?}");
        assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    });
}

/// Sends requests - target, path, body - to a server of their own, one after the other; their answers as they came.
fn exchange(requests: &[(&str, &str, &str)]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let queues = LocalQueue::builder().build();
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), queues, Bounds::default()).await.unwrap();
        let address = server.local_address().unwrap();
        tokio::spawn(server.run(std::future::pending()));
        let mut answers = Vec::new();
        for (target, path, body) in requests {
            let kind = match *target {
                "" => "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
                target => format!("X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n"),
            };
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answers.push(answer);
        }
        answers
    })
}
