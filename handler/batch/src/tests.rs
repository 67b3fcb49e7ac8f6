//! A fake SQS behind the SDK's client, for the tests of several modules.

use std::fmt;
use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

struct Wire<A>(Arc<A>);

impl<A> fmt::Debug for Wire<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl<A, F> HttpConnector for Wire<A>
where
    A: Fn(String, Value) -> F + Send + Sync + 'static,
    F: Future<Output = (u16, Value)> + Send + 'static,
{
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = request.headers().get("x-amz-target").unwrap_or_default().replace("AmazonSQS.", "");
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("the SDK sends JSON");
        let answer = (self.0)(action, body);
        HttpConnectorFuture::new(async move {
            let (status, answer) = answer.await;
            Ok(HttpResponse::new(
                StatusCode::try_from(status).expect("a status of HTTP"),
                SdkBody::from(answer.to_string()),
            ))
        })
    }
}

/// A client that retries nothing. `answer` gets the action and the body of each request, and gives a status and a body.
pub(crate) fn client<A, F>(answer: A) -> Client
where
    A: Fn(String, Value) -> F + Send + Sync + 'static,
    F: Future<Output = (u16, Value)> + Send + 'static,
{
    let connector = SharedHttpConnector::new(Wire(Arc::new(answer)));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url("http://queues")
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    Client::from_conf(config)
}
