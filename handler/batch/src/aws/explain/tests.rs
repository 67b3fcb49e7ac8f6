use std::io;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, ProvideCredentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::*;
use crate::aws::NamesEndpoint;

/// How the wire ends every request.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Refused,
    Silent,
    Answers(u16, &'static str),
}

impl HttpConnector for Wire {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(match *self {
            Self::Refused => Err(ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionRefused).into())),
            Self::Silent => Err(ConnectorError::timeout(io::Error::from(io::ErrorKind::TimedOut).into())),
            Self::Answers(status, body) => {
                Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body)))
            }
        })
    }
}

fn key_pair() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"))
}

async fn explained(wire: Wire, credentials: impl ProvideCredentials + 'static, region: Option<&'static str>) -> String {
    let http_client =
        http_client_fn(move |_, _| SharedHttpConnector::new(NamesEndpoint(SharedHttpConnector::new(wire))));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(http_client);
    let config = match region {
        Some(region) => config.region(Region::new(region)).endpoint_url("http://queues:9324/path"),
        None => config,
    };
    let error = Client::from_conf(config.build()).purge_queue().queue_url("URL").send().await.unwrap_err();
    explain("PurgeQueue", "URL", &error)
}

#[tokio::test(start_paused = true)]
async fn an_error_says_in_a_line_what_happened_where_and_what_to_check() {
    let code = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"It does not\nexist."}"#;
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
    let token = r#"{"__type":"UnrecognizedClientException","message":"who"}"#;
    let throttled = r#"{"__type":"RequestThrottled","message":"slower"}"#;
    for (wire, expected) in [
        (
            Wire::Refused,
            "no connection to http://queues:9324: connection refused; check the endpoint (AWS_ENDPOINT_URL_SQS, \
             AWS_ENDPOINT_URL), the region (AWS_REGION) and the network",
        ),
        (Wire::Silent, "timed out waiting for http://queues:9324; check the endpoint "),
        (Wire::Answers(400, code), "QueueDoesNotExist: It does not\\nexist.; check the queue's URL, "),
        (Wire::Answers(403, denied), "AccessDeniedException: no; the credentials are known but not allowed "),
        (Wire::Answers(403, token), "UnrecognizedClientException: who; check the credentials "),
        (Wire::Answers(400, throttled), "RequestThrottled: slower"),
        (Wire::Answers(404, "<html>"), "HTTP status 404 without an error code of SQS"),
        (Wire::Answers(502, ""), "HTTP status 502 without an error code of SQS"),
    ] {
        let line = explained(wire, key_pair(), Some("eu-central-1")).await;
        let expected = format!("PurgeQueue on URL failed: {expected}");
        assert!(line.starts_with(&expected), "{wire:?}: {line:?} does not start with {expected:?}");
        assert!(line.len() < 320 && !line.contains('\n'), "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn missing_credentials_and_regions_are_named() {
    #[derive(Debug)]
    struct Without;
    impl ProvideCredentials for Without {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let error = CredentialsError::not_loaded("nothing set");
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
        }
    }
    let line = explained(Wire::Refused, Without, Some("eu-central-1")).await;
    assert!(line.contains("no credentials were found; check the credentials (AWS_ACCESS_KEY_ID "), "{line}");
    let line = explained(Wire::Refused, key_pair(), None).await;
    assert!(line.contains("egion") && line.len() < 320, "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_long_text_of_a_server_is_cut() {
    let long = Box::leak(format!(r#"{{"__type":"Odd","message":"{}"}}"#, "x".repeat(5000)).into_boxed_str());
    let line = explained(Wire::Answers(400, long), key_pair(), Some("eu-central-1")).await;
    assert!(line.len() < 400 && line.ends_with("..."), "{line}");
}
