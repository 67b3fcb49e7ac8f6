//! Where mappings find their queues: here, or at another endpoint.

use std::{fmt, time::Duration};

use aws_sdk_sqs::Client;

use crate::{
    LocalQueue,
    clock::Clock,
    engine::{QueueArn, Receive},
    event_source_mapping::{DeleteFailure, Depth, QueueSource, SdkSource, Source, SourceError, SourceMessage},
};

/// Where the queues of mappings are.
#[derive(Clone)]
pub enum Sources {
    /// In this emulator.
    Here(LocalQueue),
    /// Behind a client of the AWS SDK.
    There {
        /// The client.
        client: Client,
        /// Where it sends its requests.
        endpoint_url: String,
    },
}

impl fmt::Debug for Sources {
    /// Without the client, whose settings fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::There { endpoint_url, .. } => f.debug_struct("There").field("endpoint_url", endpoint_url).finish(),
        }
    }
}

impl Sources {
    pub(super) const fn are_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// The queue of this name; at another endpoint, as soon as somebody answers there.
    pub(super) async fn find(&self, queue: &QueueArn, clock: &Clock) -> Result<AnySource, SourceError> {
        match self {
            Self::Here(queues) => Ok(AnySource::Here(QueueSource::new(queues.clone(), queue.clone()))),
            Self::There { client, endpoint_url } => {
                let found = SdkSource::find(client.clone(), endpoint_url, queue, clock.clone()).await?;
                Ok(AnySource::There(Box::new(found)))
            }
        }
    }
}

/// A queue, wherever it is.
#[derive(Debug)]
pub(super) enum AnySource {
    Here(QueueSource),
    There(Box<SdkSource>),
}

impl Source for AnySource {
    fn queue_arn(&self) -> &QueueArn {
        match self {
            Self::Here(source) => source.queue_arn(),
            Self::There(source) => source.queue_arn(),
        }
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        match self {
            Self::Here(source) => source.visibility_timeout().await,
            Self::There(source) => source.visibility_timeout().await,
        }
    }

    async fn max_receive_count(&self) -> Option<u32> {
        match self {
            Self::Here(source) => source.max_receive_count().await,
            Self::There(source) => source.max_receive_count().await,
        }
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        match self {
            Self::Here(source) => source.receive(request).await,
            Self::There(source) => source.receive(request).await,
        }
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        match self {
            Self::Here(source) => source.delete(receipt_handles).await,
            Self::There(source) => source.delete(receipt_handles).await,
        }
    }

    async fn give_back(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        match self {
            Self::Here(source) => source.give_back(receipt_handles).await,
            Self::There(source) => source.give_back(receipt_handles).await,
        }
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        match self {
            Self::Here(source) => source.depth().await,
            Self::There(source) => source.depth().await,
        }
    }
}
