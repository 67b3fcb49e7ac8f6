//! HTTPS for clients that insist on it: a certificate authority of our own, a certificate at each start, and the files by which
//! clients trust them.
//!
//! The authority's private key is kept only in a folder that was asked for; that of the certificate is never written.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use local_queue::{clock::Clock, server::Certificate};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::ready::Announcement;

const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca-key.pem";
const ENVIRONMENT: &str = "local-queue.env";
const DAY: Duration = Duration::from_secs(86_400);
/// Clients refuse certificates of servers that are valid for more than 398 days.
const CERTIFICATE_DAYS: u32 = 365;
const AUTHORITY_DAYS: u32 = 3_650;
/// Names by which a server on this machine is called, those of buckets included.
const NAMES: [&str; 5] = ["localhost", "127.0.0.1", "::1", "s3.localhost", "*.s3.localhost"];

/// Whether HTTPS is spoken, and by which certificate.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "HTTPS")]
pub(crate) struct Https {
    /// Serve HTTPS instead of HTTP, with a certificate created at start for localhost, 127.0.0.1, `[::1]`, *.s3.localhost and
    /// the name of this machine.
    ///
    /// Its certificate authority is created at start, too. The server prints the paths of the authority and of an environment file
    /// with which the AWS CLI and SDKs trust it. Functions use a plain HTTP address of this machine.
    #[arg(long)]
    tls: bool,
    /// Keep the certificate authority in this folder, created if necessary, for later starts [default: a temporary folder, removed
    /// at the end]
    #[arg(long, value_name = "DIR", requires = "tls")]
    tls_dir: Option<PathBuf>,
    /// Additional name of the certificate, also answered; repeatable. NAME, *.NAME or an address.
    #[arg(long, value_name = "NAME", requires = "tls")]
    tls_name: Vec<String>,
}

/// What a server speaks HTTPS with.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: Certificate,
    folder: PathBuf,
    /// The folder, if it is to be removed.
    _temporary: Option<TempDir>,
}

impl Https {
    /// The names that are answered to because the certificate has them.
    pub(crate) fn names(&self) -> &[String] {
        &self.tls_name
    }

    /// Makes the certificate, for these names of the server beside the usual ones.
    pub(crate) fn make(&self, listens: &[String]) -> anyhow::Result<Option<Tls>> {
        if !self.tls {
            return Ok(None);
        }
        let (folder, temporary) = if let Some(folder) = &self.tls_dir {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
            (folder.clone(), None)
        } else {
            let temporary = tempfile::Builder::new().prefix("local-queue-tls-").tempdir();
            let temporary = temporary.context("failed to make a folder for the certificate authority")?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let folder = folder.canonicalize().with_context(|| format!("failed to find {}", folder.display()))?;
        let authority = Authority::in_folder(&folder, temporary.is_none())?;
        let certificate = authority.certify(&self.all_names(listens))?;
        Ok(Some(Tls { certificate, folder, _temporary: temporary }))
    }

    fn all_names(&self, listens: &[String]) -> Vec<String> {
        let given = listens.iter().chain(&self.tls_name).cloned();
        let mut names = NAMES.map(str::to_owned).into_iter().chain(host_name()).chain(given).collect::<Vec<_>>();
        names.sort();
        names.dedup();
        names
    }
}

impl Tls {
    /// Writes the environment of clients, and says where everything is: what clients are to trust.
    pub(crate) fn announce(&self, said: &Announcement, endpoint_url: &str) -> anyhow::Result<PathBuf> {
        let authority = self.folder.join(AUTHORITY);
        let path = self.folder.join(ENVIRONMENT);
        let text = environment(&authority, endpoint_url);
        replace(&path, text.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
        said.say(format_args!("  certificate authority: {}", authority.display()));
        said.say(format_args!("  environment of clients: {}", path.display()));
        Ok(authority)
    }
}

/// Variables by which clients trust the authority and find the server: for a shell, and for files of such lines.
fn environment(authority: &Path, endpoint_url: &str) -> String {
    let quoted = shell_word(&authority.display().to_string());
    let mut text = String::new();
    for name in ["AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"] {
        let _ = writeln!(text, "{name}={quoted}");
    }
    let _ = writeln!(text, "AWS_ENDPOINT_URL={endpoint_url}");
    text
}

/// A word as a shell reads it. Most need no quotes, which other readers of such files would take for a part of it.
fn shell_word(word: &str) -> String {
    let is_plain = |it: char| it.is_alphanumeric() || matches!(it, '/' | '.' | '-' | '_' | '+' | '@' | ':' | ',');
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

struct Authority {
    key: KeyPair,
    /// Its own certificate.
    der: Vec<u8>,
}

impl Authority {
    /// The authority of a folder, made if there is none; its key is written if it is to be kept.
    fn in_folder(folder: &Path, is_kept: bool) -> anyhow::Result<Self> {
        let (certificate, key) = (folder.join(AUTHORITY), folder.join(AUTHORITY_KEY));
        match (certificate.exists(), key.exists()) {
            (true, true) => return Self::read(&certificate, &key),
            (false, false) => {}
            (has_certificate, _) => {
                let (there, missing) = if has_certificate { (&certificate, &key) } else { (&key, &certificate) };
                bail!("{} is there without {}: remove it to make both anew", there.display(), missing.display());
            }
        }
        let made = Self::new()?;
        if is_kept {
            create(&key, made.key.serialize_pem().as_bytes(), 0o600)?;
        }
        create(&certificate, pem(&made.der).as_bytes(), 0o644)?;
        Ok(made)
    }

    fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("failed to make a private key")?;
        let own = authority_params().self_signed(&key).context("failed to make a certificate authority")?;
        Ok(Self { key, der: own.der().to_vec() })
    }

    fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        check_mode(key)?;
        let text = |path: &Path| fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()));
        let again = "remove both files to make them anew";
        let pair = KeyPair::from_pem(&text(key)?);
        let pair = pair.with_context(|| format!("{} is no private key: {again}", key.display()))?;
        let der = CertificateDer::from_pem_slice(text(certificate)?.as_bytes());
        let der = der.with_context(|| format!("{} is no certificate: {again}", certificate.display()))?.to_vec();
        let public = pair.public_key_raw();
        ensure!(
            der.windows(public.len()).any(|bytes| bytes == public),
            "{} is not the private key of {}: {again}",
            key.display(),
            certificate.display()
        );
        Ok(Self { key: pair, der })
    }

    /// Makes a certificate for a server of these names.
    fn certify(&self, names: &[String]) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate().context("failed to make a private key")?;
        let mut params = CertificateParams::new(names.to_vec())
            .with_context(|| format!("failed to make a certificate for {}", names.join(", ")))?;
        params.distinguished_name = distinguished_name("local-queue");
        (params.not_before, params.not_after) = validity(CERTIFICATE_DAYS);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority_params(), &self.key);
        let made = params.signed_by(&key, &issuer).context("failed to make a certificate")?;
        let chain = vec![made.der().to_vec(), self.der.clone()];
        Ok(Certificate::new(chain, key.serialize_der())?)
    }
}

/// What every authority of ours has: by its name and its key clients find who has signed.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name("local-queue test certificate authority");
    (params.not_before, params.not_after) = validity(AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// From yesterday on, because clocks differ.
fn validity(days: u32) -> (OffsetDateTime, OffsetDateTime) {
    let millis = i64::try_from(Clock::system().now().as_millis()).unwrap_or(i64::MAX);
    let now = OffsetDateTime::from_unix_timestamp(millis / 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (now - DAY, now + DAY * days)
}

fn pem(der: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let encoded = BASE64_STANDARD.encode(der);
    let lines = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The name of this machine, if a certificate can have it.
fn host_name() -> Option<String> {
    #[cfg(unix)]
    {
        let name = rustix::system::uname().nodename().to_str().ok()?.to_ascii_lowercase();
        is_name(&name).then_some(name)
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").ok().map(|name| name.to_ascii_lowercase()).filter(|name| is_name(name))
    }
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// The hosts that are listened on, as far as clients could call them so.
pub(crate) fn callable(host: &str) -> Option<String> {
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => None,
        Ok(address) => Some(address.to_string()),
        Err(_) => is_name(host).then(|| host.to_ascii_lowercase()),
    }
}

/// Speaks TLS with a server of this name, which is to be trusted by a certificate authority.
pub(crate) async fn connect(stream: TcpStream, host: &str, authority: &Path) -> anyhow::Result<TlsStream<TcpStream>> {
    let failed = || format!("failed to read the certificate authority {}", authority.display());
    let mut roots = RootCertStore::empty();
    let text = fs::read(authority).with_context(failed)?;
    roots.add(CertificateDer::from_pem_slice(&text).with_context(failed)?).with_context(failed)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).with_context(|| format!("{host:?} is no name of a server"))?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// Writes a file that is not there yet, which only those whom the mode names can read.
fn create(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} was made meanwhile by another server: start again", path.display())
        }
        written => written.with_context(|| format!("failed to write {}", path.display())),
    }
}

/// Replaces a file as a whole.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = tempfile::Builder::new();
    // As other files: there is no secret in it.
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    beside.permissions(mode);
    let mut file = beside.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Refuses a key that others can read.
fn check_mode(key: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = fs::metadata(key).with_context(|| format!("failed to read {}", key.display()))?;
        let mode = metadata.permissions().mode() & 0o777;
        let is_private = mode.trailing_zeros() >= 6;
        ensure!(is_private, "{0} can be read by others (mode {mode:o}): chmod 600 {0}", key.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_kept_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let first = Authority::in_folder(folder.path(), true).unwrap();
        let again = Authority::in_folder(folder.path(), true).unwrap();
        assert_eq!((again.der, again.key.serialize_der()), (first.der, first.key.serialize_der()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(AUTHORITY_KEY), 0o600);
            fs::set_permissions(path(AUTHORITY_KEY), fs::Permissions::from_mode(0o640)).unwrap();
            let error = Authority::in_folder(folder.path(), true).err().unwrap().to_string();
            assert!(error.contains("can be read by others (mode 640): chmod 600 "), "{error}");
            fs::set_permissions(path(AUTHORITY_KEY), fs::Permissions::from_mode(0o600)).unwrap();
        }
        // The key of another authority.
        let other = tempfile::tempdir().unwrap();
        Authority::in_folder(other.path(), true).unwrap();
        fs::copy(other.path().join(AUTHORITY_KEY), path(AUTHORITY_KEY)).unwrap();
        let error = Authority::in_folder(folder.path(), true).err().unwrap().to_string();
        assert!(error.contains("is not the private key of"), "{error}");
        fs::write(path(AUTHORITY_KEY), "nothing").unwrap();
        let error = Authority::in_folder(folder.path(), true).err().unwrap().to_string();
        assert!(error.contains("is no private key: remove both files"), "{error}");
        fs::remove_file(path(AUTHORITY_KEY)).unwrap();
        let error = Authority::in_folder(folder.path(), true).err().unwrap().to_string();
        assert!(error.contains("ca.pem is there without"), "{error}");
        // Without a folder of its own there is no key to steal.
        let temporary = tempfile::tempdir().unwrap();
        Authority::in_folder(temporary.path(), false).unwrap();
        assert!(temporary.path().join(AUTHORITY).exists() && !temporary.path().join(AUTHORITY_KEY).exists());
    }

    #[test]
    fn a_name_is_one_that_a_certificate_can_have() {
        let authority = Authority::new().unwrap();
        let names = ["sqs.example", "*.s3.example", "10.0.0.1", "::1"].map(str::to_owned);
        authority.certify(&names).unwrap();
        let error = authority.certify(&["n\u{f6}".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("failed to make a certificate for n\u{f6}"), "{error}");
        for (host, expected) in [
            ("0.0.0.0", None),
            ("::", None),
            ("10.0.0.1", Some("10.0.0.1")),
            ("Sqs.Example", Some("sqs.example")),
            ("a b", None),
        ] {
            assert_eq!(callable(host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn the_environment_is_read_by_a_shell() {
        let text = environment(Path::new("/a/ca.pem"), "https://127.0.0.1:9324");
        let expected = "AWS_CA_BUNDLE=/a/ca.pem\nNODE_EXTRA_CA_CERTS=/a/ca.pem\nREQUESTS_CA_BUNDLE=/a/ca.pem\n\
                        AWS_ENDPOINT_URL=https://127.0.0.1:9324\n";
        assert_eq!(text, expected);
        for (word, expected) in [("/a b", "'/a b'"), ("it's", "'it'\\''s'"), ("$(x)", "'$(x)'"), ("/\u{e4}", "/\u{e4}")]
        {
            assert_eq!(shell_word(word), expected);
        }
    }
}
