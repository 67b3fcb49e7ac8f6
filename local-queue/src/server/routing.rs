//! To whom a request goes: one address answers for queues, buckets, functions and the developer's API.
//!
//! What is signed says for which service. What is not signed is told apart by what only one of them has.

use http::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request::Parts,
};

use crate::{developer, drop_in, lambda_api, protocol};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// The API beside those of AWS.
    Developer,
    /// An endpoint of another emulator.
    DropIn,
    Queues,
    Buckets,
    /// Lambda's API.
    Lambda,
    /// A service that is not emulated.
    Foreign(&'a str),
}

/// A name longer than this is none.
const NAME_BYTES_MAX: usize = 40;

/// The route of a request, where there are the buckets that `has_bucket` knows, and Lambda's API or not; its host may be that
/// of a bucket.
pub(super) fn route(
    parts: &Parts,
    has_bucket: impl Fn(&str) -> bool,
    is_buckets_host: bool,
    has_lambda: bool,
) -> Route<'_> {
    let path = parts.uri.path();
    if developer::is_path(path) {
        return Route::Developer;
    }
    if drop_in::is_own_path(path) {
        return Route::DropIn;
    }
    match service_of(parts) {
        Some("s3") => return Route::Buckets,
        Some("sqs") => return Route::Queues,
        // The host says it, whatever the path is: that is a key.
        None if is_buckets_host => return Route::Buckets,
        // Its paths are its own, but a bucket can be called like a version of its API.
        _ if has_lambda && lambda_api::is_path(path) => return Route::Lambda,
        Some(service) => return Route::Foreign(service),
        None => {}
    }
    let has_target = parts.headers.contains_key(&protocol::TARGET);
    let query = parts.uri.query().unwrap_or_default();
    if has_target || query.split('&').any(|pair| pair.starts_with("Action=")) {
        return Route::Queues;
    }
    let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    if is_read && drop_in::is_shared_path(path) && !has_bucket(bucket) {
        return Route::DropIn;
    }
    // SQS has but two methods, and its forms have a media type that no upload has.
    if matches!(parts.method, Method::PUT | Method::DELETE | Method::HEAD) {
        return Route::Buckets;
    }
    let is_form = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str()
            .unwrap_or_default()
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    });
    // Of SQS's own paths the first part is an account, which could be a bucket's name but hardly is one.
    if !bucket.is_empty() && !is_form && has_bucket(bucket) { Route::Buckets } else { Route::Queues }
}

/// The service in the scope of the credentials, whether they are in the header or in the address.
fn service_of(parts: &Parts) -> Option<&str> {
    let in_header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (_, rest) = value.split_once("Credential=")?;
        rest.split('/').nth(3)
    });
    let in_query = || {
        let mut pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, credential) = pairs.find(|(name, _)| *name == "X-Amz-Credential")?;
        credential.split("%2F").flat_map(|part| part.split('/')).nth(3)
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    in_header.or_else(in_query).filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_name))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    const UPLOAD: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");
    const TARGET: (&str, &str) = ("x-amz-target", "AmazonSQS.SendMessage");

    fn signed(service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, Signature=0")
    }

    #[test]
    fn every_request_has_one_who_answers() {
        let presigned = |service: &str| {
            format!("/photos/cat?X-Amz-Credential=test%2F20260101%2Fus-east-1%2F{service}%2Faws4_request")
        };
        let [s3, sqs, dynamodb, lambda] = ["s3", "sqs", "dynamodb", "lambda"].map(signed);
        let cases = [
            ("GET", "/_local-queue/health", None, Route::Developer),
            ("PUT", "/_local-queue/clock", None, Route::Developer),
            // What is signed says itself for whom it is.
            ("POST", "/", Some(("authorization", &*sqs)), Route::Queues),
            ("PUT", "/photos/cat", Some(("authorization", &*sqs)), Route::Queues),
            ("GET", "/", Some(("authorization", &*s3)), Route::Buckets),
            ("POST", "/photos?delete", Some(("authorization", &*s3)), Route::Buckets),
            ("GET", "/000000000000/jobs", Some(("authorization", &*s3)), Route::Buckets),
            ("POST", "/", Some(("authorization", &*dynamodb)), Route::Foreign("dynamodb")),
            ("GET", "/2015-03-31/functions/", Some(("authorization", &*lambda)), Route::Lambda),
            ("GET", "/2015-03-31/functions/", None, Route::Lambda),
            ("PUT", "/2015-03-31/functions/f/code", None, Route::Lambda),
            ("PUT", "/2015-03-31/functions/f/code", Some(("authorization", &*s3)), Route::Buckets),
            ("GET", &presigned("s3"), None, Route::Buckets),
            ("GET", &presigned("sqs"), None, Route::Queues),
            ("GET", &presigned("sns"), None, Route::Foreign("sns")),
            // What is not signed has a target, an action, a method or a bucket.
            ("POST", "/", Some(TARGET), Route::Queues),
            ("POST", "/photos", Some(TARGET), Route::Queues),
            ("POST", "/", Some(FORM), Route::Queues),
            ("POST", "/photos", Some(FORM), Route::Queues),
            ("POST", "/000000000000/jobs", Some(FORM), Route::Queues),
            ("GET", "/?Action=ListQueues", None, Route::Queues),
            ("GET", "/photos?Action=ListQueues", None, Route::Queues),
            ("GET", "/000000000000/jobs?Action=ReceiveMessage", None, Route::Queues),
            ("PUT", "/new", None, Route::Buckets),
            ("HEAD", "/new/cat", None, Route::Buckets),
            ("DELETE", "/new/cat", None, Route::Buckets),
            ("GET", "/photos", None, Route::Buckets),
            ("GET", "/photos/cat", None, Route::Buckets),
            ("POST", "/photos", Some(UPLOAD), Route::Buckets),
            ("POST", "/photos/cat?uploads", None, Route::Buckets),
            ("GET", "/", None, Route::Queues),
            // What others' tools ask for, unless a bucket is called so or SQS is meant.
            ("GET", "/_localstack/health", None, Route::DropIn),
            ("HEAD", "/_localstack/health", None, Route::DropIn),
            ("GET", "/_localstack/health", Some(("authorization", &*s3)), Route::DropIn),
            ("GET", "/_aws/sqs/messages?QueueUrl=jobs", None, Route::DropIn),
            ("POST", "/_aws/sqs/messages", Some(TARGET), Route::DropIn),
            ("POST", "/_aws/sqs/messages", Some(("authorization", &*sqs)), Route::DropIn),
            ("GET", "/_awsome/cat", None, Route::Queues),
            ("GET", "/health", None, Route::DropIn),
            ("HEAD", "/health", None, Route::DropIn),
            ("POST", "/health", Some(FORM), Route::Queues),
            ("GET", "/health?Action=ReceiveMessage", None, Route::Queues),
            ("GET", "/health", Some(("authorization", &*s3)), Route::Buckets),
            ("PUT", "/health", None, Route::Buckets),
            ("GET", "/statistics/queues", None, Route::DropIn),
            ("GET", "/statistics/queues/jobs", None, Route::DropIn),
            ("GET", "/statistics/queuesjobs", None, Route::Queues),
            ("GET", "/queue/jobs?Action=ReceiveMessage", None, Route::Queues),
            ("POST", "/queue/us-east-1/000000000000/jobs", Some(FORM), Route::Queues),
            ("GET", "/unknown/cat", None, Route::Queues),
            ("POST", "/unknown", Some(UPLOAD), Route::Queues),
            ("PATCH", "/", None, Route::Queues),
        ];
        for (method, target, header, expected) in cases {
            let mut request = Request::builder().method(method).uri(target);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(
                route(&parts, |bucket| bucket == "photos", false, true),
                expected,
                "{method} {target} {header:?}"
            );
        }
    }

    #[test]
    fn the_host_of_a_bucket_leaves_the_rest_to_the_bucket() {
        let [s3, sqs] = ["s3", "sqs"].map(signed);
        for (method, target, header, expected) in [
            ("GET", "/cat", None, Route::Buckets),
            ("GET", "/", None, Route::Buckets),
            ("POST", "/", Some(FORM), Route::Buckets),
            ("GET", "/2015-03-31/functions/", None, Route::Buckets),
            ("GET", "/cat?Action=ListQueues", None, Route::Buckets),
            ("GET", "/cat", Some(("authorization", &*s3)), Route::Buckets),
            ("POST", "/", Some(("authorization", &*sqs)), Route::Queues),
            ("GET", "/_local-queue/health", None, Route::Developer),
            ("GET", "/_localstack/health", None, Route::DropIn),
            ("GET", "/health", None, Route::Buckets),
            ("GET", "/statistics/queues", None, Route::Buckets),
        ] {
            let mut request = Request::builder().method(method).uri(target);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(route(&parts, |_| false, true, true), expected, "{method} {target} {header:?}");
        }
    }

    #[test]
    fn without_lambda_its_requests_are_those_of_a_service_that_is_not_there() {
        let request =
            Request::get("/2015-03-31/functions/").header("authorization", signed("lambda")).body(()).unwrap();
        assert_eq!(route(&request.into_parts().0, |_| false, false, false), Route::Foreign("lambda"));
    }

    #[test]
    fn a_bucket_comes_before_an_endpoint_of_the_same_name() {
        let request = |path: &str| Request::get(path).body(()).unwrap().into_parts().0;
        for (bucket, path) in [("health", "/health"), ("statistics", "/statistics/queues")] {
            assert_eq!(route(&request(path), |name| name == bucket, false, false), Route::Buckets, "{path}");
        }
        assert_eq!(route(&request("/_aws/sqs/messages"), |_| true, false, false), Route::DropIn);
    }

    #[test]
    fn a_service_is_a_name() {
        for (service, expected) in [
            ("sqs", Some("sqs")),
            ("execute-api", Some("execute-api")),
            ("", None),
            ("<b>", None),
            ("UPPER", None),
            (&"a".repeat(NAME_BYTES_MAX + 1), None),
        ] {
            let request = Request::post("/").header("authorization", signed(service)).body(()).unwrap();
            assert_eq!(super::service_of(&request.into_parts().0), expected, "{service:?}");
        }
    }
}
