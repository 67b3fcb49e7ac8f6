//! The server with its addresses, and where it is reached.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    thread,
};

use anyhow::Context as _;
use local_queue::{LocalQueue, server::Server};

use super::{
    Serve,
    apis::Urls,
    runs_functions,
    tls::{self, Tls},
};

/// More threads would hardly do more than wait for each other, because all queues are under one lock.
const ANSWERING_THREADS_MAX: NonZeroUsize = NonZeroUsize::new(8).expect("eight are some");

/// A server that has its addresses and does not answer yet.
pub(crate) struct Listening {
    pub(crate) server: Server,
    pub(crate) addresses: Vec<SocketAddr>,
    /// In the order of the addresses.
    pub(crate) endpoint_urls: Vec<String>,
    /// APIs that have addresses of their own, by their ids.
    pub(crate) fronts: Vec<(String, Server)>,
    pub(crate) urls: Urls,
    pub(crate) tls: Option<Tls>,
}

impl Listening {
    pub(crate) async fn begin(arguments: &Serve, queues: &LocalQueue) -> anyhow::Result<Self> {
        let (reach, bounds, names) = (&arguments.reach, arguments.bounds.bounds(), arguments.tls.names());
        let tls = arguments.tls.make(&reach.hosts().filter_map(|host| tls::callable(&host)).collect::<Vec<_>>())?;
        let server = certified(reach.bind(queues.clone(), bounds.clone(), names).await?, tls.as_ref());
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(ANSWERING_THREADS_MAX);
        let mut server = server.threads(threads).context("failed to start the server threads")?;
        let addresses = server.local_addresses().context("failed to read the listening address")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint_urls = addresses.iter().map(|address| format!("{scheme}://{address}")).collect::<Vec<_>>();
        let mut urls = Urls { endpoint: endpoint_urls[0].clone(), ..Urls::default() };
        urls.of_functions = if tls.is_some() && runs_functions(arguments) {
            // They know nothing of the certificate, so that they have an address of this machine that speaks plain HTTP.
            let plain = server.also_bind_plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
            format!("http://{}", plain.context("failed to listen for functions")?)
        } else {
            urls.endpoint.clone()
        };
        let mut fronts = Vec::new();
        for (id, front) in reach.bind_apis(queues, &bounds, names).await? {
            let address = front.local_address().context("failed to read an address")?;
            urls.apis.insert(id.clone(), format!("{scheme}://{address}"));
            fronts.push((id, certified(front, tls.as_ref())));
        }
        Ok(Self { server, addresses, endpoint_urls, fronts, urls, tls })
    }
}

/// Lets a server speak HTTPS, if it is to.
fn certified(server: Server, tls: Option<&Tls>) -> Server {
    match tls {
        Some(tls) => server.certificate(tls.certificate.clone()),
        None => server,
    }
}
