//! `aws_sdk_sqs::Client` in this process: the real SDK, whose HTTP client is the engine.
//!
//! Requests are serialised, signed, retried and parsed by the SDK as always; only the socket is missing. The SDK's own
//! time (signing, retries, timeouts) follows the emulator's clock.

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_async::{rt::sleep::TokioSleep, time::TimeSource};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use crate::{LocalQueue, clock::Clock, faults::ResponseLost, protocol};

impl LocalQueue {
    /// A client of the AWS SDK that talks to this emulator without a socket.
    #[must_use]
    pub fn client(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::from_conf(self.client_config().build())
    }

    /// The configuration of [`LocalQueue::client`], to be changed before it is built: retries, timeouts, interceptors.
    #[must_use]
    pub fn client_config(&self) -> Builder {
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.scope().region.to_string()))
            .endpoint_url("http://local-queue.localhost")
            .credentials_provider(Credentials::new("local", "local", None, None, "local-queue"))
            .http_client(InProcess { queues: self.clone() })
            .sleep_impl(TokioSleep::new())
            .time_source(SdkTime(self.clock().clone()))
    }
}

#[derive(Clone, Debug)]
struct SdkTime(Clock);

impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.now().as_millis())
    }
}

#[derive(Clone, Debug)]
struct InProcess {
    queues: LocalQueue,
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let queues = self.queues.clone();
        HttpConnectorFuture::new(async move {
            let other = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::other(error, None);
            let (parts, body) = request.try_into_http1x().map_err(|error| other(error.into()))?.into_parts();
            // The SDK's stalled-stream protection ends every call of more than five seconds whose request body has not
            // been read to its end: a long poll, for one.
            let body = body.collect().await.map_err(other)?.to_bytes();
            let response = protocol::respond(&queues, http::Request::from_parts(parts, body)).await;
            if let Some(lost) = response.extensions().get::<ResponseLost>() {
                return Err(ConnectorError::io((*lost).into()));
            }
            HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| other(error.into()))
        })
    }
}
