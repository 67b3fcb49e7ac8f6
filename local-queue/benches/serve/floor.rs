//! A bare hyper server: it reads each request as a whole and answers what a server of SQS would, without being one.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Makes this program the floor.
pub(super) const ARGUMENT: &str = "floor";

const DIGEST: &str = "2b9d4fa85c8e82132bde46b143040142";
const ID: &str = "0d0a7a2c-5a0a-4f8d-9d63-4c1c1c5c8b0e";

/// The answers, as long as ours.
struct Answers {
    create: Bytes,
    send: Bytes,
    receive: Bytes,
    delete: Bytes,
}

impl Answers {
    fn new() -> Self {
        let (handle, body) = ("AQEB".repeat(103), "0123456789abcdef".repeat(16));
        let message =
            |_| format!(r#"{{"Body":"{body}","MD5OfBody":"{DIGEST}","MessageId":"{ID}","ReceiptHandle":"{handle}"}}"#);
        let deleted = |number| format!(r#"{{"Id":"{number}"}}"#);
        let list = |item: &dyn Fn(usize) -> String| (0..10).map(item).collect::<Vec<_>>().join(",");
        Self {
            create: r#"{"QueueUrl":"http://127.0.0.1:9324/000000000000/jobs"}"#.into(),
            send: format!(r#"{{"MD5OfMessageBody":"{DIGEST}","MessageId":"{ID}"}}"#).into(),
            receive: format!(r#"{{"Messages":[{}]}}"#, list(&message)).into(),
            delete: format!(r#"{{"Successful":[{}]}}"#, list(&deleted)).into(),
        }
    }
}

/// Answers until the process is killed.
pub(super) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listens on http://{} (constants)", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service_fn(move |request| answer(request, answers));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

async fn answer(request: Request<Incoming>, answers: &Answers) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = match request.headers().get("x-amz-target").map(HeaderValue::as_bytes) {
        Some(b"AmazonSQS.CreateQueue") => &answers.create,
        Some(b"AmazonSQS.ReceiveMessage") => &answers.receive,
        Some(b"AmazonSQS.DeleteMessageBatch") => &answers.delete,
        _ => &answers.send,
    };
    drop(request.into_body().collect().await);
    let mut response = Response::new(Full::new(answer.clone()));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.insert("x-amzn-requestid", HeaderValue::from_static(ID));
    Ok(response)
}
