//! What the commands that talk to a real queue share.

use std::error::Error;

use anyhow::{Context as _, anyhow};
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use handler::aws::explain;
use url::{Host, Url};

/// The region of whoever names none, which an emulator asks as little for as for credentials.
const REGION: &str = "us-east-1";
/// What says where credentials are; without any of it, the SDK asks the network for some.
const CREDENTIALS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// The usual AWS configuration. What an endpoint on this machine does not need is made up, where nobody has said it: so that
/// beside an emulator `AWS_ENDPOINT_URL` is enough.
pub(crate) async fn config() -> SdkConfig {
    let endpoint = |name| std::env::var(name).ok().filter(|endpoint| !endpoint.is_empty());
    let others = ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_S3"];
    if !endpoint("AWS_ENDPOINT_URL").is_some_and(|endpoint| is_on_this_machine(&endpoint))
        || others.into_iter().filter_map(endpoint).any(|endpoint| !is_on_this_machine(&endpoint))
    {
        return handler::aws::config().await;
    }
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(Region::new(REGION));
    let file = std::env::home_dir().map(|home| home.join(".aws/credentials"));
    let has_credentials = CREDENTIALS.iter().any(|name| std::env::var_os(name).is_some());
    handler::aws::config_with(|loader| {
        let loader = loader.region(region);
        if has_credentials || file.is_some_and(|file| file.exists()) {
            return loader;
        }
        loader.credentials_provider(Credentials::new("local", "local", None, None, "local endpoint"))
    })
    .await
}

fn is_on_this_machine(endpoint: &str) -> bool {
    match Url::parse(endpoint).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// What SQS says, or what is in the way to it.
pub(crate) fn failed<E>(call: &str, queue: &str, error: &SdkError<E, HttpResponse>) -> anyhow::Error
where
    E: ProvideErrorMetadata + Error + 'static,
{
    anyhow!("{}", explain(call, queue, error))
}

/// The queue's ARN, which also proves that it is there.
pub(crate) async fn arn_of(client: &Client, queue_url: &str) -> anyhow::Result<String> {
    let request = client.get_queue_attributes().queue_url(queue_url).attribute_names(QueueAttributeName::QueueArn);
    let answer = request.send().await.map_err(|error| failed("GetQueueAttributes", queue_url, &error))?;
    let arn = answer.attributes().and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn));
    arn.cloned().with_context(|| format!("GetQueueAttributes on {queue_url} answered without QueueArn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_on_this_machine_is_known_by_its_host() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:9324", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:9324/", true),
            ("http://localhost:4566", true),
            ("http://sqs.us-east-1.localhost:9324", true),
            ("http://localhost.example.com", false),
            ("https://sqs.us-east-1.amazonaws.com", false),
            ("http://10.0.0.1:9324", false),
            ("localhost:9324", false),
            ("", false),
        ] {
            assert_eq!(is_on_this_machine(endpoint), expected, "{endpoint}");
        }
    }
}
