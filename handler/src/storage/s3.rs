//! S3 through `object_store`, configured and authenticated as the AWS SDK is.
//!
//! There is no local branch: another endpoint is configuration (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`). TLS is rustls
//! with ring, which a C compiler builds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::{BackoffConfig, ClientOptions, CredentialProvider, ObjectStore, RetryConfig};
use tokio::sync::Mutex;

/// Credentials are fetched anew this long before they end: longer than the longest request.
const CREDENTIALS_MARGIN: Duration = Duration::from_mins(5);

/// How S3 buckets are reached. One of these opens any number of buckets.
#[derive(Clone, Debug)]
pub struct S3 {
    region: String,
    endpoint_url: Option<String>,
    credentials: Arc<Credentialed>,
}

impl S3 {
    /// Takes region, endpoint and credentials from the SDK's configuration; `endpoint_url` (`AWS_ENDPOINT_URL_S3`) goes
    /// before the configuration's own.
    #[must_use]
    pub fn new(config: &SdkConfig, endpoint_url: Option<String>) -> Self {
        install_crypto_provider();
        Self {
            region: config.region().map_or_else(|| "us-east-1".to_owned(), ToString::to_string),
            endpoint_url: endpoint_url.or_else(|| config.endpoint_url().map(ToOwned::to_owned)),
            credentials: Arc::new(Credentialed { provider: config.credentials_provider(), cached: Mutex::new(None) }),
        }
    }

    /// Opens one bucket. Nothing is sent yet.
    pub fn bucket(&self, name: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
        // The queue is the outer retry, with its own backoff: within one invocation a request is repeated only briefly.
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: Duration::from_secs(10),
        };
        let allow_http = self.endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(allow_http)
            .with_connect_timeout(Duration::from_secs(3))
            .with_timeout(Duration::from_mins(1));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(&self.region)
            .with_credentials(self.credentials.clone())
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint_url) = &self.endpoint_url {
            builder = builder.with_endpoint(endpoint_url);
        }
        Ok(Arc::new(builder.build()?))
    }
}

/// Makes ring the process's crypto provider. Calling it again, or after somebody else chose one, changes nothing.
pub fn install_crypto_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Lets `object_store` sign with the credentials that aws-config finds. They are kept until shortly before they end,
/// because a provider outside a client keeps nothing.
#[derive(Debug)]
struct Credentialed {
    provider: Option<SharedCredentialsProvider>,
    cached: Mutex<Option<(Credentials, Arc<AwsCredential>)>>,
}

#[async_trait]
impl CredentialProvider for Credentialed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let Some(provider) = &self.provider else {
            return Err(credentials_error(CredentialsMissing));
        };
        let mut cached = self.cached.lock().await;
        if let Some((credentials, signing)) = &*cached
            && is_fresh(credentials)
        {
            return Ok(signing.clone());
        }
        let credentials = provider.provide_credentials().await.map_err(credentials_error)?;
        let signing = Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(ToOwned::to_owned),
        });
        *cached = Some((credentials, signing.clone()));
        Ok(signing)
    }
}

#[expect(clippy::disallowed_methods, reason = "credentials end by the wall clock of whoever issued them")]
fn is_fresh(credentials: &Credentials) -> bool {
    let now = std::time::SystemTime::now();
    credentials.expiry().is_none_or(|expiry| expiry > now + CREDENTIALS_MARGIN)
}

/// The configuration names no credentials at all.
#[derive(Debug, thiserror::Error)]
#[error("no AWS credentials are configured")]
struct CredentialsMissing;

/// Marks a failure to get credentials, so that it is not taken for a failure of the object.
#[derive(Debug, thiserror::Error)]
#[error("could not get AWS credentials: {0}")]
pub(super) struct CredentialsFailed(#[source] Box<dyn std::error::Error + Send + Sync>);

fn credentials_error(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(CredentialsFailed(Box::new(error))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdk_config() -> SdkConfig {
        SdkConfig::builder()
            .region(aws_config::Region::new("eu-central-1"))
            .endpoint_url("http://127.0.0.1:9000")
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")))
            .build()
    }

    #[tokio::test]
    async fn a_bucket_opens_with_the_sdk_configuration() {
        let s3 = S3::new(&sdk_config(), None);
        assert_eq!(s3.endpoint_url.as_deref(), Some("http://127.0.0.1:9000"));
        assert!(s3.bucket("photos").unwrap().to_string().contains("photos"));
        assert_eq!(s3.credentials.get_credential().await.unwrap().key_id, "id");
    }

    #[test]
    fn the_service_endpoint_goes_before_the_general_one() {
        let s3 = S3::new(&sdk_config(), Some("http://s3.test".to_owned()));
        assert_eq!(s3.endpoint_url.as_deref(), Some("http://s3.test"));
    }

    #[tokio::test]
    async fn missing_credentials_are_said() {
        let s3 = S3::new(&SdkConfig::builder().build(), None);
        let error = s3.credentials.get_credential().await.unwrap_err();
        assert!(error.to_string().contains("no AWS credentials"), "{error}");
    }
}
