//! APIs of the template: their addresses, the functions behind them, and the lines printed at start.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use local_queue::{
    LocalQueue,
    apis::{Api, Apis, Functions as ApiFunctions, Integration, MappedTarget, Reply},
    lambda_api::Access,
    server::Server,
    template::{Stack, StackApi},
};

use super::{Serve, buckets::Functions};

/// Where the server and the APIs with addresses of their own are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Urls {
    pub(crate) endpoint: String,
    /// The endpoint as functions are given it, which speaks plain HTTP.
    pub(crate) of_functions: String,
    /// By the ids of APIs.
    pub(crate) apis: BTreeMap<String, String>,
}

impl ApiFunctions for Functions {
    fn invoke(&self, function: &str, event: Bytes) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        Box::pin(async move {
            let Some(lambda) = self.lambda() else { return Reply::Absent("functions are not running yet".to_owned()) };
            let Ok(request) = Request::post(path).body(event) else {
                return Reply::Absent("its name is not valid".to_owned());
            };
            let response = lambda.respond(request, Access::Read).await;
            let failed = response.headers().contains_key("x-amz-function-error");
            let (status, body) = (response.status(), response.into_body());
            match status {
                StatusCode::OK if failed => Reply::Failed(body),
                StatusCode::OK => Reply::Replied(body),
                StatusCode::TOO_MANY_REQUESTS => Reply::Throttled,
                _ => Reply::Absent(String::from_utf8_lossy(&body).into_owned()),
            }
        })
    }
}

/// The APIs of a template, which invoke its functions.
pub(crate) fn make(stack: &Stack, queues: &LocalQueue, functions: &Arc<Functions>, arguments: &Serve) -> Apis {
    let is_elsewhere = arguments.functions.source.is_some();
    let apis = stack.apis.iter().map(|declared| {
        let mut api = declared.api.clone();
        for route in api.routes.iter_mut().filter(|_| is_elsewhere) {
            if is_of_queues(&route.integration) {
                route.integration = Integration::Missing(ELSEWHERE.to_owned());
            }
        }
        api
    });
    let apis = Apis::new(queues, apis.collect());
    apis.invoke(Arc::clone(functions) as Arc<dyn ApiFunctions>);
    apis
}

/// Whether a route calls SQS, of an HTTP API or of a REST API.
fn is_of_queues(integration: &Integration) -> bool {
    match integration {
        Integration::Queue { .. } => true,
        Integration::Mapped(mapped) => matches!(mapped.target, MappedTarget::Queues { .. }),
        _ => false,
    }
}

const ELSEWHERE: &str = "a queue of another endpoint (--source)";

/// Lets each of these servers answer for one API.
pub(crate) fn alone(servers: Vec<(String, Server)>, apis: &Apis) -> anyhow::Result<Vec<Server>> {
    let known = || apis.all().iter().map(|api| api.id.as_str()).collect::<Vec<_>>().join(", ");
    let alone = servers.into_iter().map(|(id, server)| {
        let server = server.only_api(apis.clone(), &id);
        server.with_context(|| format!("--api {id}: the template has no such API; it has {}", known()))
    });
    alone.collect()
}

/// A line printed at start: its name, and how it runs, or why it does not.
pub(crate) type Line = (String, &'static str, Result<String, String>);

/// Where an API is.
pub(crate) fn url(declared: &StackApi, urls: &Urls) -> String {
    let id = &declared.api.id;
    let beside = || format!("{}{}", urls.endpoint.trim_end_matches('/'), Apis::path(id));
    urls.apis.get(id).cloned().unwrap_or_else(beside)
}

/// The lines about an API: its URL and its routes.
pub(crate) fn lines(declared: &StackApi, urls: &Urls, is_elsewhere: bool) -> Vec<Line> {
    let StackApi { logical_id, api, unenforced, .. } = declared;
    let url = url(declared, urls);
    let mut said = url.clone();
    if Apis::is_open(api) {
        said.push_str("; any web page may call it");
    }
    if !unenforced.is_empty() {
        said.extend(["; not enforced: ", &unenforced.join(", ")]);
    }
    let state = if api.stages.is_empty() { Err("it has no stage".to_owned()) } else { Ok(said) };
    let mut lines = vec![(logical_id.clone(), "API", state)];
    for stage in &api.stages {
        for route in api.sorted_routes() {
            let is_default = route.path.starts_with('$');
            let path = if is_default { "/" } else { &route.path };
            let method = route.method.as_ref().map_or("ANY", http::Method::as_str);
            let at = format!("{method} {url}{}{path}", Api::stage_path(&stage.name));
            let rest = if is_default { " and all requests without another route" } else { "" };
            let does = match &route.integration {
                queues if is_elsewhere && is_of_queues(queues) => Err(format!("{at} is for {ELSEWHERE}")),
                Integration::Missing(what) => Err(format!("{at} is for {what}")),
                other => Ok(format!("{at}{rest}, {other}")),
            };
            lines.push((format!("  {}", route.key()), "route", does));
        }
    }
    lines
}
