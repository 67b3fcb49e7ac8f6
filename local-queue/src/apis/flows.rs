//! Where the requests of APIs go, and how many have gone there.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Api, Apis, Integration, QueueAction, Route, mapped::MappedTarget};

/// What the routes of an API lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The API, by its id.
    pub api: String,
    /// Where.
    pub to: FlowTarget,
    /// How many requests.
    pub requests: u64,
}

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowTarget {
    /// A queue, by its name, to which it sends.
    Queue(String),
    /// A function, by its name.
    Function(String),
}

/// How many requests each route of each API has answered.
#[derive(Debug)]
pub(super) struct Counts(Vec<Vec<AtomicU64>>);

impl Counts {
    pub(super) fn new(apis: &[Api]) -> Self {
        Self(apis.iter().map(|api| api.routes.iter().map(|_| AtomicU64::new(0)).collect()).collect())
    }

    pub(super) fn count(&self, apis: &[Api], api: usize, route: &Route) {
        let routes = apis.get(api).map(|api| api.routes.as_slice()).unwrap_or_default();
        let index = routes.iter().position(|other| std::ptr::eq(other, route));
        if let Some(count) = self.0.get(api).zip(index).and_then(|(counts, index)| counts.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Route {
    /// What it leads to, if that is known without a request.
    fn leads_to(&self) -> Option<FlowTarget> {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(function) = self.integration.function() {
            let name = function.split_once("function:").map_or(function, |(_, name)| name);
            return Some(FlowTarget::Function(name.split(':').next().unwrap_or_default().to_owned()));
        }
        let queue = match &self.integration {
            Integration::Queue { action: QueueAction::SendMessage, parameters } => {
                let (_, url) = parameters.iter().find(|(name, _)| name == "QueueUrl")?;
                last(url.literal()?)
            }
            Integration::Mapped(mapped) => match &mapped.target {
                MappedTarget::Queues { path, action: None } => last(path),
                _ => return None,
            },
            _ => return None,
        };
        Some(queue).filter(|name| !name.is_empty() && !name.contains(['{', '$'])).map(FlowTarget::Queue)
    }
}

impl Apis {
    /// Where the routes of each API lead, as far as it is the same for all requests, and how many requests have gone there.
    #[must_use]
    pub fn flows(&self) -> Vec<Flow> {
        let mut flows = Vec::<Flow>::new();
        for (api, counts) in self.shared.apis.iter().zip(&self.shared.counts.0) {
            for (route, count) in api.routes.iter().zip(counts) {
                let Some(to) = route.leads_to() else { continue };
                let count = count.load(Ordering::Relaxed);
                match flows.iter_mut().find(|flow| flow.api == api.id && flow.to == to) {
                    Some(flow) => flow.requests += count,
                    None => flows.push(Flow { api: api.id.clone(), to, requests: count }),
                }
            }
        }
        flows
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{
        LocalQueue,
        apis::{ApiKind, Mapping, Payload, Stage},
    };

    #[tokio::test]
    async fn requests_are_counted_by_what_their_routes_lead_to() {
        let queues = LocalQueue::builder().build();
        queues.create_queue("jobs", &[]).unwrap();
        let send = |url: &str| {
            let parameters = [("QueueUrl", url), ("MessageBody", "$request.body")];
            let parameters = parameters.map(|(name, value)| (name.to_owned(), Mapping::parse(value).unwrap()));
            Integration::Queue { action: QueueAction::SendMessage, parameters: parameters.into() }
        };
        let jobs = "http://localhost/000000000000/jobs";
        let function = "arn:aws:lambda:us-east-1:000000000000:function:resize:live".to_owned();
        let routes = [
            ("/a", send(jobs)),
            ("/b", send(jobs)),
            ("/c", send("$request.body.url")),
            ("/d", Integration::Function { function, payload: Payload::V2 }),
            ("/e", Integration::Missing(String::new())),
        ];
        let mut api = Api::new("front", ApiKind::Http);
        api.routes = routes
            .into_iter()
            .map(|(path, integration)| Route { method: None, path: path.to_owned(), integration, timeout: None })
            .collect();
        api.stages.push(Stage { name: "$default".to_owned(), variables: std::collections::BTreeMap::default() });
        let apis = Apis::new(&queues, vec![api]);
        for path in ["a", "b", "b", "none"] {
            let post = Request::post(format!("http://localhost/_local-queue/apis/front/{path}"));
            apis.respond(post.body("do it".into()).unwrap()).await;
        }
        let flow = |to, requests| Flow { api: "front".to_owned(), to, requests };
        let queue = flow(FlowTarget::Queue("jobs".to_owned()), 3);
        assert_eq!(apis.flows(), [queue, flow(FlowTarget::Function("resize".to_owned()), 0)]);
    }
}
