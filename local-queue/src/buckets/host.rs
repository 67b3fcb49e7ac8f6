//! Buckets by the name of the host: `BUCKET.s3.localhost`, `BUCKET.s3.REGION.example.com`, and `BUCKET.localhost`.

use std::sync::Arc;

use s3s::{
    S3Result,
    host::{S3Host, VirtualHost},
};

use super::Shared;

/// Which host is a bucket.
pub(super) struct Hosts(pub(super) Arc<Shared>);

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        let has_bucket = |name: &str| self.0.store().has(name);
        Ok(match bucket_of(host, has_bucket) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

/// The bucket that a host names. With `.s3.` behind it any name is one; as a name of this machine only that of a bucket there
/// is, since other things have such names too.
pub(super) fn bucket_of(host: &str, has_bucket: impl Fn(&str) -> bool) -> Option<&str> {
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    if !port.trim_start_matches(':').bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bucket = match name.rfind(".s3.") {
        Some(end) => name.get(..end),
        None => name.strip_suffix(".localhost").filter(|name| has_bucket(name)),
    };
    bucket.filter(|bucket| s3s::path::check_bucket_name(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_bucket_before_s3_or_that_is_there() {
        for (host, expected) in [
            ("photos.s3.localhost", Some("photos")),
            ("photos.s3.localhost:9324", Some("photos")),
            ("new.s3.eu-central-1.localhost:9324", Some("new")),
            ("a.s3.b.s3.localhost", Some("a.s3.b")),
            ("my.photos.s3.example.com", Some("my.photos")),
            ("photos.localhost:9324", Some("photos")),
            ("new.localhost", None),
            ("s3.localhost", None),
            ("s3.us-east-1.localhost:9324", None),
            ("sqs.us-east-1.localhost", None),
            ("localhost:9324", None),
            ("photos.example.com", None),
            ("PHOTOS.s3.localhost", None),
            ("..s3.localhost", None),
            (".s3.localhost", None),
            ("photos.s3.localhost:x", None),
            ("127.0.0.1:9324", None),
            ("[::1]:9324", None),
            ("", None),
        ] {
            assert_eq!(bucket_of(host, |name| name == "photos"), expected, "{host}");
        }
    }
}
