//! APIs of API Gateway before everything else, or alone on an address.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Uri, request::Parts};

use super::{Bounds, guard::Pages};
use crate::{
    apis::{AllowedOrigin, Apis, Target},
    protocol::Answering,
};

/// The APIs that a server answers for.
#[derive(Debug)]
pub(super) struct Front {
    apis: Apis,
    /// The one to which every request is.
    alone: Option<Target>,
}

impl Front {
    pub(super) const fn beside(apis: Apis) -> Self {
        Self { apis, alone: None }
    }

    pub(super) fn alone(apis: Apis, id: &str) -> Option<Self> {
        let alone = Some(apis.alone(id)?);
        Some(Self { apis, alone })
    }

    pub(super) const fn apis(&self) -> &Apis {
        &self.apis
    }

    /// Which API a request from `peer` is for.
    pub(super) fn target(&self, uri: &Uri, headers: &HeaderMap, peer: IpAddr) -> Option<Target> {
        self.alone.or_else(|| self.apis.find(uri, headers)).map(|target| target.sent_by(peer))
    }

    /// The pages that an API is for.
    pub(super) const fn pages(&self, target: Target) -> impl Pages + '_ {
        PagesOf { apis: &self.apis, target }
    }

    pub(super) fn begin(&self, target: Target, parts: Parts, body: Bytes) -> Answering<'_> {
        self.apis.begin(target, parts, body)
    }
}

struct PagesOf<'a> {
    apis: &'a Apis,
    target: Target,
}

impl Pages for PagesOf<'_> {
    fn names(&self, origin: &HeaderValue) -> bool {
        self.apis.names_origin(self.target, origin)
    }

    fn are_all(&self) -> bool {
        self.apis.api(self.target).is_some_and(Apis::is_open)
    }
}

/// Tells an API of the page that may read its answers whatever it says.
pub(super) fn prepare(extensions: &mut Extensions, origin: Option<HeaderValue>) {
    if let Some(origin) = origin {
        extensions.insert(AllowedOrigin(origin));
    }
}

/// Bytes of a body: API Gateway takes 10 MiB where the longest request of SQS needs eight.
pub(super) const fn bytes_max(bounds: &Bounds) -> usize {
    bounds.body_bytes_max.saturating_add(bounds.body_bytes_max / 4)
}
