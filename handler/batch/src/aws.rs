//! The AWS configuration chain over an HTTP client whose TLS a C compiler can build, and what a failed call means to people.

mod explain;

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;

pub use explain::explain;

/// A host that is up accepts a connection far sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest receive of SQS waits 20 seconds; a server that is silent for longer is gone, whatever its socket says.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages that one request receives, sends or names at most (documentation: "Amazon SQS message quotas").
pub const REQUEST_MESSAGES_MAX: usize = 10;

pub use aws_config::{ConfigLoader, SdkConfig};

/// Region, credentials and endpoints as every AWS tool finds them: environment, profile, role.
pub async fn config() -> SdkConfig {
    config_with(|loader| loader).await
}

/// As [`config`], with something said before it is looked for.
pub async fn config_with(say: impl FnOnce(ConfigLoader) -> ConfigLoader) -> SdkConfig {
    let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let http_client = http_client_fn(move |settings, components| {
        SharedHttpConnector::new(NamesEndpoint(https.http_connector(settings, components)))
    });
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).timeout_config(timeouts);
    say(loader).load().await
}

/// A connector whose errors name the endpoint. The SDK finds it in the environment, a profile or a table of its own and
/// keeps it to itself, and it is the first thing to look at when no answer comes.
#[derive(Debug)]
struct NamesEndpoint(SharedHttpConnector);

/// No answer came from this endpoint.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {endpoint}")]
struct NoAnswer {
    endpoint: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl HttpConnector for NamesEndpoint {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let endpoint = endpoint_of(request.uri());
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move { answer.await.map_err(|error| named(endpoint, error)) })
    }
}

/// Scheme, host and port.
fn endpoint_of(uri: &str) -> String {
    url::Url::parse(uri).map_or_else(|_| uri.to_owned(), |url| url.origin().ascii_serialization())
}

/// The same error to the SDK, which retries by its kind.
fn named(endpoint: String, error: ConnectorError) -> ConnectorError {
    let (is_timeout, is_io, is_user, other) = (error.is_timeout(), error.is_io(), error.is_user(), error.as_other());
    let connection = error.connection_metadata().cloned();
    let source = Box::new(NoAnswer { endpoint, source: error.into_source() });
    let error = match (is_timeout, is_io, is_user) {
        (true, ..) => ConnectorError::timeout(source),
        (_, true, _) => ConnectorError::io(source),
        (.., true) => ConnectorError::user(source),
        _ => ConnectorError::other(source, other),
    };
    match connection {
        Some(connection) => error.with_connection(connection),
        None => error,
    }
}
