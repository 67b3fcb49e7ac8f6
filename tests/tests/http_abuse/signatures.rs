//! A server that requires signatures, and requests that have none or a bad one.

use local_queue::server::KeyPair;

use super::harness::{Running, json_headers, short};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_signed_is_refused_in_the_words_of_aws() {
    let key_pair = KeyPair::new("AKIDEXAMPLE", "a secret").unwrap();
    let server = Running::start_with(short(), |server| server.require_signature(key_pair)).await;
    let signed = |key: &str, rest: &str| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target{rest}\r\nX-Amz-Date: 20260101T000000Z\r\n"
        )
    };
    let zeros = format!(", Signature={}", "0".repeat(64));
    let cases = [
        (String::new(), 403, "AccessDeniedException", "AccessDenied"),
        (signed("AKIDOTHER", &zeros), 403, "UnrecognizedClientException", "InvalidClientTokenId"),
        (signed("AKIDEXAMPLE", &zeros), 403, "InvalidSignatureException", "SignatureDoesNotMatch"),
        (signed("AKIDEXAMPLE", ""), 400, "IncompleteSignatureException", "IncompleteSignature"),
        ("Authorization: Basic YTpi\r\n".to_owned(), 400, "IncompleteSignatureException", "IncompleteSignature"),
    ];
    for (headers, status, json_type, code) in cases {
        let json = format!("{}{headers}Content-Length: 2\r\n", json_headers("ListQueues"));
        let outcome = server.send(&server.request("POST / HTTP/1.1", &json, b"{}")).await;
        assert_eq!(outcome.status(), status, "{outcome:?}");
        let expected = format!(r#"{{"__type":"com.amazon.coral.service#{json_type}","message":""#);
        assert!(outcome.body().starts_with(&expected), "{outcome:?}");
        let expected = format!("x-amzn-query-error: {};sender", code.to_lowercase());
        assert!(outcome.header().contains(&expected), "{outcome:?}");

        let query = headers.replace(";x-amz-target", "");
        let outcome = server.send(&server.request("GET /?Action=ListQueues HTTP/1.1", &query, b"")).await;
        assert_eq!(outcome.status(), status, "{outcome:?}");
        assert!(outcome.body().contains(&format!("<Type>Sender</Type><Code>{code}</Code>")), "{outcome:?}");
    }
    server.stop_without_asking().await;
}
