//! What a script has to know of a server that has started: a line of JSON, on standard output or in a file.

use std::{
    fmt, fs,
    io::{ErrorKind, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, ensure};
use local_queue_terminal::{note, print, print_json};
use serde_json::{Map, Value, json};

/// The URL for clients, by which a ready file is known too.
pub(crate) const ENDPOINT_URL: &str = "endpoint_url";
/// What the console and the developer's API are asked with where requests must be signed; null elsewhere.
pub(crate) const TOKEN: &str = "token";
/// The file of the certificate authority that clients of an HTTPS endpoint trust; null where HTTP is spoken.
pub(crate) const CERTIFICATE_AUTHORITY: &str = "certificate_authority";
/// Any key is taken where requests need no signature. An access key id of 12 digits would be an account.
const MADE_UP_KEY: &str = "test";

/// More than the names of the most queues come to.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How scripts learn that the server is ready.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Scripts")]
pub(crate) struct Announcement {
    /// Write one line of JSON to this file when the server is ready: process id, host, port, URLs, region, account, dummy
    /// credentials, queues and APIs.
    ///
    /// The file is written atomically and removed when the server stops. A file left by an earlier server is removed at start;
    /// any other file is refused.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    ready_file: Option<PathBuf>,
    /// Print that line to standard output; other output goes to standard error.
    #[arg(long, conflicts_with = "check")]
    print_json: bool,
}

/// A server that has started.
#[derive(Debug)]
pub(crate) struct Started<'a> {
    /// Those listened on, in the order of the options.
    pub(crate) addresses: &'a [SocketAddr],
    /// Where HTTPS is spoken: what clients trust.
    pub(crate) certificate_authority: Option<&'a Path>,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    /// Where requests must be signed: the real keys are known to those who may send some.
    pub(crate) token: Option<&'a str>,
    pub(crate) queues: Vec<&'a str>,
    /// Ids of APIs, and their URLs.
    pub(crate) apis: Vec<(&'a str, String)>,
}

impl Started<'_> {
    fn line(&self) -> Value {
        let scheme = if self.certificate_authority.is_some() { "https" } else { "http" };
        let url = |address: &SocketAddr| format!("{scheme}://{}", reached(*address));
        let urls = self.addresses.iter().map(url).collect::<Vec<_>>();
        let first = reached(self.addresses[0]);
        let credentials = json!({ "access_key_id": MADE_UP_KEY, "secret_access_key": MADE_UP_KEY });
        let queue = |name: &&str| ((*name).to_owned(), json!(format!("{}/{}/{name}", urls[0], self.account)));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "host": first.ip().to_string(),
            "port": first.port(),
            ENDPOINT_URL: urls[0],
            "endpoint_urls": urls,
            CERTIFICATE_AUTHORITY: self.certificate_authority,
            "console_url": format!("{}/_local-queue/", urls[0]),
            "region": self.region,
            "account": self.account,
            "credentials": if self.token.is_none() { credentials } else { Value::Null },
            TOKEN: self.token,
            "queues": self.queues.iter().map(queue).collect::<Map<_, _>>(),
            "apis": self.apis.iter().map(|(id, url)| ((*id).to_owned(), json!(url))).collect::<Map<_, _>>(),
        })
    }
}

/// What listens on every address is reached by the loopback one.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The file that says that this process is ready, and what is in it.
static WRITTEN: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);

impl Announcement {
    /// Writes a line for people.
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        if self.print_json { note(line) } else { print(line) }
    }

    /// Removes what an earlier server has left, so that nobody takes it for this one.
    pub(crate) fn prepare(&self) -> anyhow::Result<()> {
        let Some(path) = &self.ready_file else { return Ok(()) };
        let failed = || format!("failed to prepare the ready file {}", path.display());
        let bytes = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => anyhow::bail!("{}: it is not a regular file", failed()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(failed),
        };
        let left = if bytes > FILE_BYTES_MAX { b"x".to_vec() } else { fs::read(path).with_context(failed)? };
        // `mktemp` leaves an empty file.
        let is_ours =
            left.is_empty() || serde_json::from_slice::<Value>(&left).is_ok_and(|it| it[ENDPOINT_URL].is_string());
        ensure!(is_ours, "{}: a file that is no ready file is there; name another one", failed());
        fs::remove_file(path).with_context(failed)
    }

    /// Says that requests are answered.
    pub(crate) fn publish(&self, started: &Started<'_>) -> anyhow::Result<()> {
        let line = started.line().to_string();
        if let Some(path) = &self.ready_file {
            // Absolute, because it is removed at the very end.
            let path = std::path::absolute(path).context("failed to find the current folder")?;
            let text = format!("{line}\n");
            let is_secret = started.token.is_some();
            write(&path, &text, is_secret)
                .with_context(|| format!("failed to write the ready file {}", path.display()))?;
            *WRITTEN.lock().unwrap_or_else(PoisonError::into_inner) = Some((path, text));
        }
        if self.print_json {
            print_json(&line);
        }
        Ok(())
    }
}

/// Writes beside the place, and renames. What is secret only this user can read.
fn write(path: &Path, text: &str, is_secret: bool) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut beside = tempfile::Builder::new();
    beside.prefix(".ready-");
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(if is_secret { 0o600 } else { 0o666 });
    #[cfg(unix)]
    beside.permissions(mode);
    #[cfg(not(unix))]
    let _ = is_secret;
    let mut file = beside.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// Removes the file, unless somebody else has written another one there.
pub(crate) fn withdraw() {
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((path, text)) = written
        && fs::read_to_string(&path).is_ok_and(|now| now == text)
        && let Err(error) = fs::remove_file(&path)
    {
        tracing::warn!(%error, path = %path.display(), "failed to remove the ready file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started<'a>(addresses: &'a [SocketAddr], token: Option<&'a str>) -> Started<'a> {
        let apis = vec![("Api", "http://127.0.0.1:1/api".to_owned())];
        let certificate_authority = None;
        Started {
            addresses,
            certificate_authority,
            region: "eu-west-1",
            account: "123456789012",
            token,
            queues: vec!["jobs", "b.fifo"],
            apis,
        }
    }

    #[test]
    fn the_line_has_what_a_client_needs() {
        let addresses = ["0.0.0.0:4566".parse().unwrap(), "[::1]:9324".parse().unwrap()];
        let mut line = started(&addresses, None).line();
        line["pid"] = json!(1);
        line["version"] = json!("1.2.3");
        let expected = json!({
            "version": "1.2.3",
            "pid": 1,
            "host": "127.0.0.1",
            "port": 4566,
            "endpoint_url": "http://127.0.0.1:4566",
            "endpoint_urls": ["http://127.0.0.1:4566", "http://[::1]:9324"],
            "certificate_authority": null,
            "console_url": "http://127.0.0.1:4566/_local-queue/",
            "region": "eu-west-1",
            "account": "123456789012",
            "credentials": { "access_key_id": "test", "secret_access_key": "test" },
            "token": null,
            "queues": {
                "jobs": "http://127.0.0.1:4566/123456789012/jobs",
                "b.fifo": "http://127.0.0.1:4566/123456789012/b.fifo",
            },
            "apis": { "Api": "http://127.0.0.1:1/api" },
        });
        assert_eq!(line, expected);
        let signed = started(&addresses, Some("t")).line();
        assert_eq!((&signed["credentials"], &signed["token"]), (&Value::Null, &json!("t")));
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Announcement { ready_file: Some(folder.path().join(name)), print_json: false };
        for (name, text) in [("empty", ""), ("ours", "{\"endpoint_url\":\"http://127.0.0.1:1\"}\n")] {
            fs::write(folder.path().join(name), text).unwrap();
            at(name).prepare().unwrap();
            assert!(!folder.path().join(name).exists(), "{name}");
        }
        fs::write(folder.path().join("theirs"), "precious").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        for (name, expected) in
            [("theirs", "a file that is no ready file is there"), ("folder", "is not a regular file")]
        {
            let error = format!("{:#}", at(name).prepare().unwrap_err());
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
        assert_eq!(fs::read_to_string(folder.path().join("theirs")).unwrap(), "precious");
        let nowhere = at("no/such/folder");
        nowhere.prepare().unwrap();
        let error = format!("{:#}", nowhere.publish(&started(&["127.0.0.1:1".parse().unwrap()], None)).unwrap_err());
        assert!(error.starts_with("failed to write the ready file") && error.contains("no/such/folder"), "{error}");
    }
}
