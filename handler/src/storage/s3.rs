//! S3 as the AWS SDK finds it: the same region, endpoint, credentials, HTTP client and signatures, and every key that S3 has.
//!
//! Libraries that see a key as a path, or a request as a URL, refuse or rewrite keys with empty, `.` and `..` segments. So
//! the few requests that are needed are written here, signed by the SDK's own signer, and sent by its HTTP client, neither
//! of which touches the path.
//!
//! - There is no local branch: another endpoint is configuration (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`).
//! - The bucket stands in the path, which works for every name and every endpoint.
//! - No redirect is followed: a signature is for one host, and so is what is sent with it.
//! - What becomes of an error is decided by its status and by the code in S3's answer, never by a text that may have a key
//!   in it.

mod answer;
mod list;
mod object;
mod request;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use http::Uri;
use tokio::sync::Mutex;

use super::store::{Store, StoreError};
use object::Bucket;

/// Credentials are fetched anew this long before they end: longer than the longest request.
const CREDENTIALS_MARGIN: Duration = Duration::from_mins(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// How S3 buckets are reached. One of these opens any number of buckets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct S3(Arc<Client>);

/// Why S3 cannot be reached with this configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum S3Error {
    /// The endpoint is no URL of a server.
    #[error("the S3 endpoint {0:?} is not accepted; expected a URL such as http://127.0.0.1:9000")]
    Endpoint(String),
}

/// What all buckets share.
#[derive(Debug)]
struct Client {
    region: String,
    /// The endpoint without a slash at its end.
    endpoint: String,
    credentials: Credentialed,
    /// Made at the first request: reading the certificates of the machine takes a while.
    connector: OnceLock<SharedHttpConnector>,
}

impl S3 {
    /// Takes region, endpoint and credentials from the SDK's configuration; `endpoint_url` (`AWS_ENDPOINT_URL_S3`) goes
    /// before the configuration's own.
    pub fn new(config: &SdkConfig, endpoint_url: Option<String>) -> Result<Self, S3Error> {
        let region = config.region().map_or_else(|| "us-east-1".to_owned(), ToString::to_string);
        let endpoint_url = endpoint_url.or_else(|| config.endpoint_url().map(ToOwned::to_owned));
        let endpoint = match endpoint_url {
            Some(url) => checked(&url).ok_or(S3Error::Endpoint(url))?,
            // AWS: the regions of China have a domain of their own (documentation: "Amazon S3 endpoints and quotas").
            None if region.starts_with("cn-") => format!("https://s3.{region}.amazonaws.com.cn"),
            None => format!("https://s3.{region}.amazonaws.com"),
        };
        let credentials = Credentialed { provider: config.credentials_provider(), cached: Mutex::new(None) };
        Ok(Self(Arc::new(Client { region, endpoint, credentials, connector: OnceLock::new() })))
    }

    /// One bucket. Nothing is sent for it.
    #[must_use]
    pub fn bucket(&self, name: &str) -> impl Store + use<> {
        Bucket { client: self.0.clone(), name: name.to_owned() }
    }

    /// The keys in a bucket that begin with a prefix, in S3's order.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        list::keys(&self.0, bucket, prefix).await
    }
}

/// An endpoint without the slash at its end, if it is one.
fn checked(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none();
    known.then(|| url.trim_end_matches('/').to_owned())
}

impl Client {
    fn connector(&self) -> &SharedHttpConnector {
        self.connector.get_or_init(|| {
            let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_WITHIN).build();
            let connector = Connector::builder()
                .proxy_config(ProxyConfig::from_env())
                .connector_settings(settings)
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build();
            SharedHttpConnector::new(connector)
        })
    }
}

/// The credentials that aws-config finds. They are kept until shortly before they end, because a provider outside a client
/// keeps nothing.
#[derive(Debug)]
struct Credentialed {
    provider: Option<SharedCredentialsProvider>,
    cached: Mutex<Option<Credentials>>,
}

impl Credentialed {
    async fn get(&self) -> Result<Credentials, StoreError> {
        let Some(provider) = &self.provider else {
            return Err(StoreError::Credentials("no AWS credentials are configured".to_owned()));
        };
        // Held while they are fetched, so that many requests at once fetch them once.
        let mut cached = self.cached.lock().await;
        if let Some(credentials) = &*cached
            && is_fresh(credentials)
        {
            return Ok(credentials.clone());
        }
        let fetched = provider.provide_credentials().await;
        let credentials = fetched.map_err(|error| {
            StoreError::Credentials(format!("failed to load AWS credentials: {}", request::deepest(&error)))
        })?;
        *cached = Some(credentials.clone());
        Ok(credentials)
    }

    /// S3 says that these have ended, whatever their own date says.
    async fn forget(&self) {
        *self.cached.lock().await = None;
    }
}

#[expect(clippy::disallowed_methods, reason = "credentials end by the wall clock of whoever issued them")]
fn is_fresh(credentials: &Credentials) -> bool {
    let now = std::time::SystemTime::now();
    credentials.expiry().is_none_or(|expiry| expiry > now + CREDENTIALS_MARGIN)
}

#[cfg(test)]
mod tests;
