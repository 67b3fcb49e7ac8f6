//! A request as a command that asks the same again, without a signature.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};

use crate::{LocalQueue, protocol};

/// The longest body that is kept.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// The longest name of a queue, or path, that is kept as it was asked.
const TEXT_BYTES_MAX: usize = 1_024;
/// Where this server is if a request does not say.
const HOST: &str = "127.0.0.1:9324";

/// What was asked, as it can be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// `X-Amz-Target`, of the JSON protocol.
    pub(crate) target: Option<String>,
    /// Region and account, if they are not the server's own.
    pub(crate) scope: Option<(String, String)>,
    /// None if it is too long to be kept.
    pub(crate) body: Option<Bytes>,
    pub(crate) body_bytes: usize,
}

impl Asked {
    pub(super) fn of(queues: &LocalQueue, request: &Request<Bytes>) -> Self {
        let scope = protocol::scope(queues, request);
        let is_other = *scope != *queues.scope();
        let body_bytes = request.body().len();
        let query = without_signature(request.uri().query().unwrap_or_default());
        let path = request.uri().path();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let target = request.headers().get(&protocol::TARGET).map(|target| String::from_utf8_lossy(target.as_bytes()));
        Self {
            method: request.method().clone(),
            path: cut(&path),
            scope: is_other.then(|| (cut(&scope.region), cut(&scope.account))),
            // A copy: the request's own bytes are counted, and a part of more. What is cut elsewhere cannot be asked again.
            body: (body_bytes <= BODY_BYTES_MAX && path.len() <= TEXT_BYTES_MAX).then(|| match &target {
                Some(_) => Bytes::copy_from_slice(request.body()),
                None => without_signature(&String::from_utf8_lossy(request.body())).into(),
            }),
            target: target.map(|target| cut(&target)),
            body_bytes,
        }
    }
}

/// The beginning of a text that may be long.
pub(super) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

/// The address by which a request has found this server.
pub(crate) fn host(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or(HOST).to_owned()
}

/// The parameters of a query or of a form but those of a signature: keys, tokens, dates and the signature itself.
pub(super) fn without_signature(form: &str) -> String {
    let is_signature = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let names =
            ["awsaccesskeyid", "signature", "signaturemethod", "signatureversion", "securitytoken", "timestamp"];
        name.starts_with("x-amz-") || names.contains(&name.as_str())
    };
    form.split('&').filter(|pair| !is_signature(pair)).collect::<Vec<_>>().join("&")
}

/// The command; none if the body was not kept or is nothing that a shell can pass on.
pub(crate) fn command(asked: &Asked, host: &str) -> Option<String> {
    let body = std::str::from_utf8(asked.body.as_deref()?).ok().filter(|body| !body.contains('\0'))?;
    // Brackets and braces in an address are what they are.
    let mut command = format!("curl -sg {}", quoted(&format!("http://{host}{}", asked.path)));
    let mut header = |name: &str, value: &str| {
        write!(command, " -H {}", quoted(&format!("{name}: {value}"))).expect("a string can be written to");
    };
    if let Some(target) = &asked.target {
        header("x-amz-target", target);
        header("content-type", "application/x-amz-json-1.0");
    }
    if let Some((region, account)) = &asked.scope {
        // It says for which region and account, and signs nothing.
        header("authorization", &format!("AWS4-HMAC-SHA256 Credential={account}/-/{region}/sqs/aws4_request"));
    }
    if asked.method == Method::POST {
        write!(command, " --data-raw {}", quoted(body)).expect("a string can be written to");
    }
    Some(command)
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
