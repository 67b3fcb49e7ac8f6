//! `local-queue health`: whether a server that runs elsewhere answers, as an exit code.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use local_queue_terminal::{exit_code, note, print};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{ready, stop::parse_duration, tls};

/// More than any server of ours says of its health.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PATH: &str = "/_local-queue/health";

/// Which server is asked, and how long it has.
#[derive(Debug, clap::Args)]
pub(crate) struct Health {
    /// Address of the server: ADDRESS:PORT, or its URL; that of a server with --tls needs --certificate-authority.
    #[arg(long, default_value = "127.0.0.1:9324", value_name = "ADDRESS")]
    address: Address,
    /// Ask the server that wrote this file (`serve --ready-file`), with its token.
    #[arg(long, value_name = "FILE", conflicts_with = "address")]
    ready_file: Option<PathBuf>,
    /// The certificate authority of a server with --tls, which it says at its start.
    #[arg(long, value_name = "FILE", conflicts_with = "ready_file")]
    certificate_authority: Option<PathBuf>,
    /// Time for the server to answer: seconds, or a number with s, m or h.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    timeout: Duration,
}

/// Where a server listens, as a URL has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    /// It speaks HTTPS.
    is_secure: bool,
}

impl Address {
    fn url(&self) -> String {
        format!("{}://{self}", if self.is_secure { "https" } else { "http" })
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let expected = || format!("expected ADDRESS:PORT, http://ADDRESS:PORT or https://ADDRESS:PORT, not {raw:?}");
        let url = if raw.contains("://") { raw.to_owned() } else { format!("http://{raw}") };
        let url = url.parse::<http::Uri>().map_err(|_| expected())?;
        let has_path = !matches!(url.path(), "" | "/") || url.query().is_some();
        let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
        let host = url.host().filter(|host| !host.is_empty()).ok_or_else(expected)?;
        let is_secure = url.scheme_str() == Some("https");
        if !(is_secure || url.scheme_str() == Some("http")) || has_path || has_user {
            return Err(expected());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = match (url.port_u16(), raw.contains("://")) {
            (Some(port), _) => port,
            (None, true) => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            (None, false) => return Err(expected()),
        };
        // What listens on every address is reached by the loopback one.
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Ok(IpAddr::V6(address)) if address.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
            _ => host.to_owned(),
        };
        Ok(Self { host, port, is_secure })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}

impl Health {
    /// Says what the server says. The exit code is 0 if it is healthy, and 1 if it is not or does not answer, as Docker's
    /// `HEALTHCHECK` has them.
    pub(crate) fn run(&self) -> ExitCode {
        match self.ask() {
            Ok(healthy) => {
                print(format_args!("{healthy}"));
                exit_code(0)
            }
            Err(error) => {
                note(format_args!("local-queue: {error:#}"));
                exit_code(1)
            }
        }
    }

    fn ask(&self) -> anyhow::Result<String> {
        let asked = if let Some(path) = &self.ready_file {
            read(path).with_context(|| format!("failed to read the ready file {}", path.display()))?
        } else {
            let certificate_authority = self.certificate_authority.clone();
            Asked { address: self.address.clone(), token: None, certificate_authority }
        };
        let address = &asked.address;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("failed to start the runtime")?;
        let answered = runtime.block_on(async { tokio::time::timeout(self.timeout, get(&asked)).await });
        // A look-up of a name may still be under way, which nothing can end.
        runtime.shutdown_background();
        let (status, answer) = match answered {
            Ok(answered) => answered?,
            Err(_) => bail!("{} did not answer within {} s", address.url(), self.timeout.as_secs()),
        };
        judge(address, status, &answer)
    }
}

/// A server, and what is needed to ask it.
struct Asked {
    address: Address,
    token: Option<String>,
    certificate_authority: Option<PathBuf>,
}

/// The server of a ready file.
fn read(path: &Path) -> anyhow::Result<Asked> {
    let text = fs::read(path)?;
    let line = serde_json::from_slice::<Value>(&text).context("it is not JSON")?;
    let url = line[ready::ENDPOINT_URL].as_str().with_context(|| format!("it has no {}", ready::ENDPOINT_URL))?;
    let address = url.parse::<Address>().map_err(anyhow::Error::msg)?;
    let text = |name: &str| line[name].as_str().map(ToOwned::to_owned);
    let certificate_authority = text(ready::CERTIFICATE_AUTHORITY).map(PathBuf::from);
    Ok(Asked { address, token: text(ready::TOKEN), certificate_authority })
}

async fn get(asked: &Asked) -> anyhow::Result<(StatusCode, Bytes)> {
    let Asked { address, token, certificate_authority } = asked;
    let failed = || format!("failed to connect to {}", address.url());
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.with_context(failed)?;
    if !address.is_secure {
        return get_over(stream, address, token.as_deref()).await;
    }
    let authority = certificate_authority.as_ref().with_context(|| {
        format!("{} is trusted only by its certificate authority: --certificate-authority FILE", address.url())
    })?;
    let stream = tls::connect(stream, &address.host, authority).await.with_context(failed)?;
    get_over(stream, address, token.as_deref()).await
}

async fn get_over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    address: &Address,
    token: Option<&str>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let failed = || format!("{} did not answer", address.url());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(failed)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(PATH).header(HOST, address.to_string());
    if let Some(token) = token {
        request = request.header("x-local-queue-token", token);
    }
    let request = request.body(Empty::<Bytes>::new()).context("the token is not the value of a header")?;
    let response = sender.send_request(request).await.with_context(failed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed).with_context(failed)?.to_bytes();
    drop(sender);
    connection.abort();
    Ok((status, body))
}

/// What is said of a healthy server, or why another is none.
fn judge(address: &Address, status: StatusCode, answer: &[u8]) -> anyhow::Result<String> {
    let url = address.url();
    let answer = serde_json::from_slice::<Value>(answer).unwrap_or_default();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && answer["error"].is_string() {
        bail!("{url} needs its token: start it with --ready-file FILE and ask with --ready-file FILE");
    }
    ensure!(
        answer["status"].is_string() && answer["version"].is_string(),
        "{url} is not local-queue: it answers GET {PATH} with status {}",
        status.as_u16()
    );
    let reason = answer["reason"].as_str().unwrap_or("it gives no reason");
    ensure!(status.is_success() && answer["status"] == "ok", "{url} failed: {reason}");
    let (version, queues) = (answer["version"].as_str().unwrap_or_default(), answer["queues"].as_u64().unwrap_or(0));
    let plural = if queues == 1 { "" } else { "s" };
    Ok(format!("local-queue {version} at {url} is healthy: {queues} queue{plural}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_or_a_url() {
        for (raw, expected) in [
            ("127.0.0.1:9324", "127.0.0.1:9324"),
            ("http://127.0.0.1:9324", "127.0.0.1:9324"),
            ("http://localhost:1/", "localhost:1"),
            ("http://sqs.example", "sqs.example:80"),
            ("[::1]:9324", "[::1]:9324"),
            ("0.0.0.0:9324", "127.0.0.1:9324"),
            ("http://[::]:9324", "[::1]:9324"),
            ("https://sqs.example", "sqs.example:443"),
        ] {
            assert_eq!(raw.parse::<Address>().map(|it| it.to_string()), Ok(expected.to_owned()), "{raw}");
        }
        for raw in
            ["", "localhost", ":9324", "ftp://localhost:1", "http://a:1/b", "http://a:1?b", "http://u@a:1", "a b:1"]
        {
            let error = raw.parse::<Address>().unwrap_err();
            assert!(error.starts_with("expected ADDRESS:PORT"), "{raw}: {error}");
        }
    }

    #[test]
    fn only_a_server_of_ours_that_says_ok_is_healthy() {
        let address = "127.0.0.1:9324".parse::<Address>().unwrap();
        let judge = |status: u16, answer: &str| {
            judge(&address, StatusCode::from_u16(status).unwrap(), answer.as_bytes()).map_err(|error| error.to_string())
        };
        let healthy = judge(200, r#"{"status":"ok","version":"1.2.3","queues":1}"#);
        assert_eq!(healthy.unwrap(), "local-queue 1.2.3 at http://127.0.0.1:9324 is healthy: 1 queue");
        for (status, answer, expected) in [
            (503, r#"{"status":"failed","reason":"the disk","version":"1","queues":1}"#, "failed: the disk"),
            (200, r#"{"status":"failed","version":"1","queues":1}"#, "failed: it gives no reason"),
            (401, r#"{"error":"The console needs the token"}"#, "needs its token"),
            (404, "<html>", "is not local-queue: it answers GET /_local-queue/health with status 404"),
            (200, "ok", "is not local-queue"),
        ] {
            let error = judge(status, answer).unwrap_err();
            assert!(error.contains(expected), "{status} {answer}: {error}");
        }
    }
}
