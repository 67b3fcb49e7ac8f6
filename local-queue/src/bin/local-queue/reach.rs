//! Where the server listens, and who of those that reach it is answered.

use std::{
    fmt,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use anyhow::Context;
use local_queue::{
    LocalQueue,
    server::{Bounds, Guard, KeyPair, Server},
};
use local_queue_terminal::note;

/// Who can reach the server, and who of them is answered.
#[derive(Debug, clap::Args)]
pub(crate) struct Reach {
    /// Address or name, and port, to listen on; repeatable. Port 0 selects a free port; localhost means both 127.0.0.1 and
    /// `[::1]`.
    #[arg(long, default_value = "127.0.0.1:9324", value_name = "ADDRESS:PORT")]
    listen: Vec<Listen>,
    /// Port to listen on at 127.0.0.1, such as LocalStack's 4566; short for --listen.
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
    /// Answer only requests signed with the environment's `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, under any host
    /// name.
    #[arg(long)]
    require_signature: bool,
    /// Allow unsigned requests on an address that other machines can reach, and answer SDKs under any host name.
    #[arg(long)]
    trust_network: bool,
    /// Also answer requests for this host name, such as the name of a container or proxy; repeatable.
    ///
    /// NAME, *.NAME or an address matches any port; with :PORT, only that port. * matches every name and so disables the
    /// protection against DNS rebinding: any web page could then read the queues.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Also answer web pages of this origin; repeatable.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Additional address for one API of the template; repeatable.
    #[arg(long, value_name = "ID=ADDRESS:PORT", value_parser = parse_api, requires = "template")]
    api: Vec<(String, Listen)>,
}

fn parse_api(raw: &str) -> Result<(String, Listen), &'static str> {
    let (id, listen) = raw.split_once('=').filter(|(id, _)| !id.is_empty()).ok_or("expected ID=ADDRESS:PORT")?;
    Ok((id.to_owned(), listen.parse()?))
}

/// Where to listen, as the option says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listen {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected ADDRESS:PORT, NAME:PORT or [IPV6-ADDRESS]:PORT";
        let (host, port) = text.rsplit_once(':').ok_or(expected)?;
        let port = port.parse().map_err(|_| "expected a port from 0 to 65535 after the last colon")?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', ' ']),
        };
        if is_host { Ok(Self { host: bracketed.unwrap_or(host).to_owned(), port }) } else { Err(expected) }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}

impl Listen {
    async fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        if self.host.eq_ignore_ascii_case("localhost") {
            // Both, whatever the resolver says: clients take the one or the other.
            let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            return Ok(both.map(|address| SocketAddr::new(address, self.port)).to_vec());
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found = found.with_context(|| format!("failed to find the address of {}", self.host))?;
        let mut addresses = found.collect::<Vec<_>>();
        addresses.dedup();
        Ok(addresses)
    }
}

impl Reach {
    /// Takes the addresses, if whoever can reach them may.
    /// They are answered to by these names too.
    pub(crate) async fn bind(&self, queues: LocalQueue, bounds: Bounds, names: &[String]) -> anyhow::Result<Server> {
        let listens = self.listens();
        self.bind_to(&listens.iter().collect::<Vec<_>>(), queues, bounds, names).await
    }

    fn listens(&self) -> Vec<Listen> {
        match self.port {
            Some(port) => vec![Listen { host: Ipv4Addr::LOCALHOST.to_string(), port }],
            None => self.listen.clone(),
        }
    }

    /// The hosts that are listened on.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = String> {
        let apis = self.api.iter().map(|(_, listen)| listen.host.clone());
        self.listens().into_iter().map(|listen| listen.host).chain(apis.collect::<Vec<_>>())
    }

    /// Takes the addresses of APIs that have their own; each with its id.
    pub(crate) async fn bind_apis(
        &self,
        queues: &LocalQueue,
        bounds: &Bounds,
        names: &[String],
    ) -> anyhow::Result<Vec<(String, Server)>> {
        let mut servers = Vec::new();
        for (id, listen) in &self.api {
            servers.push((id.clone(), self.bind_to(&[listen], queues.clone(), bounds.clone(), names).await?));
        }
        Ok(servers)
    }

    async fn bind_to(
        &self,
        listens: &[&Listen],
        queues: LocalQueue,
        bounds: Bounds,
        names: &[String],
    ) -> anyhow::Result<Server> {
        let mut addresses = Vec::new();
        for listen in listens {
            addresses.push((*listen, listen.addresses().await?));
        }
        let mut open = addresses.iter().flat_map(|(_, addresses)| addresses).filter(|it| !it.ip().is_loopback());
        let open = open.next().copied();
        if let Some(open) = open {
            anyhow::ensure!(
                self.require_signature || self.trust_network,
                "{} is not a loopback address: other machines could send requests. Add --require-signature so that they \
                 must be signed, or --trust-network to answer anybody",
                open.ip()
            );
        }
        let guard = names.iter().try_fold(self.guard()?, |guard, name| guard.allow_host(name))?;
        let key_pair = self.require_signature.then(key_pair_of_environment).transpose()?;
        let mut server: Option<Server> = None;
        for (listen, addresses) in &addresses {
            take(&mut server, listen, addresses, (&queues, &bounds)).await?;
        }
        let server = server.context("--listen names no address")?.guard(guard);
        if let Some(key_pair) = key_pair {
            return Ok(server.require_signature(key_pair));
        }
        self.warn(open);
        Ok(server)
    }

    /// The password of the console, for the first lines.
    pub(crate) fn password(&self, server: &Server) -> String {
        self.token(server).map(|token| format!(" (any user, password {token})")).unwrap_or_default()
    }

    /// What the console and the developer's API are asked with, where requests must be signed.
    pub(crate) fn token(&self, server: &Server) -> Option<String> {
        self.require_signature.then(|| server.token().to_owned())
    }

    fn guard(&self) -> anyhow::Result<Guard> {
        let guard = self.allow_host.iter().try_fold(Guard::default(), |guard, host| guard.allow_host(host))?;
        let guard = self.allow_origin.iter().try_fold(guard, |guard, origin| guard.allow_origin(origin))?;
        Ok(if self.trust_network { guard.trust_network() } else { guard })
    }

    /// Says what is given up where no signature is needed.
    fn warn(&self, open: Option<SocketAddr>) {
        if let Some(open) = open {
            note(format_args!("local-queue: warning: any client that can reach {open} can read and change all queues"));
        }
        if self.allow_host.iter().any(|host| host == "*") {
            note(format_args!(
                "local-queue: warning: --allow-host '*' accepts every host name; any web page can read and change all queues \
                 by DNS rebinding; name the hosts instead"
            ));
        }
    }
}

/// Takes the addresses of one option. A machine without IPv6, or without IPv4, has one address of a name less.
async fn take(
    server: &mut Option<Server>,
    listen: &Listen,
    addresses: &[SocketAddr],
    (queues, bounds): (&LocalQueue, &Bounds),
) -> anyhow::Result<()> {
    let (mut port, mut is_taken) = (listen.port, false);
    for address in addresses {
        // Where the system chooses a port, it is the same for all addresses of a name.
        let address = SocketAddr::new(address.ip(), port);
        let taken = if let Some(server) = server {
            server.also_bind(address).await.map(|()| server.local_addresses())
        } else {
            let first = Server::bind(address, queues.clone(), bounds.clone()).await;
            first.map(|first| server.insert(first).local_addresses())
        };
        match taken {
            Ok(taken) => {
                port = taken?.last().map_or(port, SocketAddr::port);
                is_taken = true;
            }
            Err(error) if addresses.len() == 1 || is_refused(&error) => {
                return Err(error).with_context(|| format!("failed to listen on {address}"));
            }
            Err(error) => tracing::info!(%address, %error, "an address of a host name is not available"),
        }
    }
    anyhow::ensure!(is_taken, "failed to listen on {listen}: no address of this name belongs to this machine");
    Ok(())
}

/// Whether the address is there, and not for us.
fn is_refused(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

/// From the environment, because a command line can be read by every user of the machine.
fn key_pair_of_environment() -> anyhow::Result<KeyPair> {
    let variable = |name| std::env::var(name).with_context(|| format!("--require-signature needs {name}"));
    Ok(KeyPair::new(variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_listen_on_is_an_address_or_a_name_with_a_port() {
        for text in ["127.0.0.1:9324", "localhost:0", "[::1]:9324", "0.0.0.0:65535", "sqs.internal.example:80"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "9324",
            "localhost",
            ":9324",
            "::1:9324",
            "[::1]",
            "[x]:1",
            "localhost:x",
            "localhost:65536",
            "http://localhost:9324",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn localhost_is_both_loopback_addresses() {
        let addresses = "localhost:9324".parse::<Listen>().unwrap().addresses().await.unwrap();
        assert_eq!(addresses, ["127.0.0.1:9324".parse().unwrap(), "[::1]:9324".parse().unwrap()]);
    }
}
