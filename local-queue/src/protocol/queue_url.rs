//! Queue URLs: what they begin with in an answer, and which queue one names in a request.
//!
//! A queue's URL is `ENDPOINT/ACCOUNT/NAME`. The endpoint is where the client has found us, so that it finds us there
//! again: the server says it ([`Endpoint`]), else it is the request's host. A proxy that answers under a path of its own may
//! leave that path in front; then it is part of the endpoint.

use bytes::Bytes;
use http::{Request, header::HOST, uri::Authority};

use crate::engine::{QueueArn, Scope};

/// What the queue URLs of an answer begin with, such as `https://sqs.example/queues`. The server puts it into a request's
/// extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    #[cfg(feature = "server")]
    pub(crate) const fn new(url: String) -> Self {
        Self(url)
    }

    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What queue URLs begin with in the answer to this request.
pub(super) fn endpoint(request: &Request<Bytes>) -> String {
    let prefix = prefix(request.uri().path());
    if let Some(Endpoint(url)) = request.extensions().get() {
        return format!("{url}{prefix}");
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str)).unwrap_or("localhost");
    format!("http://{host}{prefix}")
}

/// The queue that a URL, a path or a bare name is for. The URL's host is not looked at, and a bare name will do (both
/// validated against AWS); neither is what a proxy has left before the account.
///
/// URLs of other emulators are read as these read them: `queue` in the account's place is the account that asks, and the
/// region is that of `queue/REGION/ACCOUNT/NAME`, or of the host where that is not one of AWS's.
pub(super) fn queue(url: &str, scope: &Scope) -> QueueArn {
    let (host, path) = url.split_once("://").map_or(("", url), |(_, rest)| rest.split_once('/').unwrap_or((rest, "")));
    let path = path.trim_matches('/');
    let Some((before, name)) = path.rsplit_once('/') else { return scope.arn(path) };
    let mut parts = before.rsplit('/');
    let account = parts.next().filter(|account| *account != "queue").unwrap_or(&scope.account);
    let region = match (parts.next(), parts.next()) {
        (Some(region), Some("queue")) => Some(region),
        _ => region_of_host(host),
    };
    let region = region.filter(|region| is_region(region)).unwrap_or(&scope.region);
    if *region == *scope.region && *account == *scope.account {
        return scope.arn(name);
    }
    Scope::new(region, account).arn(name)
}

/// The region in a host of LocalStack's, `sqs.REGION.HOST` or `REGION.queue.HOST`.
fn region_of_host(host: &str) -> Option<&str> {
    let (first, rest) = host.split_once('.')?;
    let (second, domain) = rest.split_once('.')?;
    let (("sqs", region) | (region, "queue")) = (first, second) else { return None };
    (!domain.contains("amazonaws.com")).then_some(region)
}

/// Whether a text could be a region's name, such as us-east-1.
fn is_region(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    text.rsplit_once('-').is_some_and(|(words, number)| {
        number.len() == 1
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && words.contains('-')
            && words.split('-').all(is_word)
    })
}

/// Whether a request's path is that of a queue, and not only of the place under which a proxy answers.
pub(super) fn is_queue_path(path: &str) -> bool {
    split_queue(path).is_some()
}

/// The path before the account, and the rest, if it is a queue's.
fn split_queue(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (before, _name) = path.rsplit_once('/')?;
    let (before, account) = before.rsplit_once('/')?;
    let is_account = account == "queue" || (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    is_account.then(|| path.split_at(before.len()))
}

/// What a proxy has left before the queue, or before nothing.
fn prefix(path: &str) -> &str {
    let prefix = split_queue(path).map_or(path, |(prefix, _)| prefix).trim_end_matches('/');
    if is_plain_path(prefix) { prefix } else { "" }
}

/// Whether a path stands in a URL for itself: segments of unreserved characters, none of them dots alone.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    path.is_empty()
        || path.strip_prefix('/').is_some_and(|path| {
            path.split('/').all(|segment| {
                !segment.is_empty() && segment.bytes().all(is_plain) && !segment.bytes().all(|byte| byte == b'.')
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_found_behind_any_endpoint_and_prefix() {
        let scope = Scope::default();
        let arn = |url| queue(url, &scope).as_str().to_owned();
        for url in [
            "jobs",
            "/jobs",
            "000000000000/jobs",
            "http://localhost:9324/000000000000/jobs",
            "https://sqs.example/000000000000/jobs/",
            "https://sqs.example/api/sqs/000000000000/jobs",
            "/queue/jobs",
            "http://localhost:9324/queue/jobs",
            "http://localhost:4566/queue/us-east-1/000000000000/jobs",
        ] {
            assert_eq!(arn(url), "arn:aws:sqs:us-east-1:000000000000:jobs", "{url}");
        }
        assert_eq!(arn("http://localhost:9324/111122223333/jobs"), "arn:aws:sqs:us-east-1:111122223333:jobs");
    }

    #[test]
    fn the_region_in_a_url_of_another_emulator_counts() {
        let scope = Scope::default();
        for (url, region) in [
            // LocalStack's strategies: standard, domain, path, off.
            ("http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/jobs", "eu-west-1"),
            ("http://eu-west-1.queue.localhost.localstack.cloud:4566/000000000000/jobs", "eu-west-1"),
            ("http://queue.localhost.localstack.cloud:4566/000000000000/jobs", "us-east-1"),
            ("http://localhost:4566/queue/eu-west-1/000000000000/jobs", "eu-west-1"),
            ("/queue/ap-southeast-2/000000000000/jobs", "ap-southeast-2"),
            ("http://localhost:4566/000000000000/jobs", "us-east-1"),
            // ElasticMQ's.
            ("http://localhost:9324/queue/jobs", "us-east-1"),
            ("http://localhost:9324/jobs", "us-east-1"),
            // The hosts of AWS are not looked at, nor is what is no region.
            ("https://sqs.eu-west-1.amazonaws.com/000000000000/jobs", "us-east-1"),
            ("https://eu-west-1.queue.amazonaws.com/000000000000/jobs", "us-east-1"),
            ("https://sqs.example.com/000000000000/jobs", "us-east-1"),
            ("https://sqs.eu-west-1/000000000000/jobs", "us-east-1"),
            ("http://localhost:9324/queue/api/000000000000/jobs", "us-east-1"),
        ] {
            assert_eq!(queue(url, &scope).as_str(), format!("arn:aws:sqs:{region}:000000000000:jobs"), "{url}");
        }
    }

    #[test]
    fn an_endpoint_ends_with_what_a_proxy_has_left_of_its_path() {
        for (path, expected) in [
            ("/", ""),
            ("/000000000000/jobs", ""),
            ("/queue/jobs", ""),
            ("/sqs", "/sqs"),
            ("/sqs/", "/sqs"),
            ("/sqs/000000000000/jobs", "/sqs"),
            ("/api/v1/sqs/", "/api/v1/sqs"),
            ("/api/v1/000000000000/jobs/", "/api/v1"),
            ("/sqs/queue/jobs", "/sqs"),
            ("/a/../b", ""),
            ("//evil.example", ""),
            ("/a%2fb/", ""),
            ("/a:b@c/", ""),
        ] {
            let mut request = Request::post(path).header(HOST, "localhost:9324").body(Bytes::new()).unwrap();
            assert_eq!(endpoint(&request), format!("http://localhost:9324{expected}"), "{path}");
            request.extensions_mut().insert(Endpoint("https://sqs.example/x".to_owned()));
            assert_eq!(endpoint(&request), format!("https://sqs.example/x{expected}"), "{path}");
        }
    }
}
