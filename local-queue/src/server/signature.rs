//! AWS Signature Version 4, checked: requests signed in the header or in the query ("presigned"), with one key pair.
//!
//! The signature covers the method, the target, the signed headers and the body, so that only who has the secret can
//! have made this very request, within fifteen minutes of now, or as long as a presigned URL says. A replay inside that
//! time is not noticed, as at AWS. The time is that of this machine, whatever clock the queues live by: so is the client's.

mod date;

use std::{borrow::Cow, collections::BTreeMap};

use hmac::{Hmac, KeyInit, Mac};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{AUTHORIZATION, DATE},
    request::Parts,
};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use crate::engine::Time;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SKEW_MINUTES: i64 = 15;
/// A week: how long a presigned URL may be good for.
const EXPIRES_SECONDS_MAX: i64 = 7 * 86_400;
/// The parameter that makes a URL a presigned one. All others are part of what is signed.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// An access key id and its secret. Neither is shown by `Debug`.
#[derive(Clone)]
pub struct KeyPair {
    access_key_id: String,
    secret_access_key: String,
}

/// A key pair that nobody could sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyPairError {
    /// The access key id goes into a header, between slashes.
    #[error("the access key id is empty, or has other characters than letters, digits and _")]
    AccessKeyId,
    /// An empty secret is none.
    #[error("the secret access key is empty")]
    SecretAccessKey,
}

impl KeyPair {
    /// The pair that clients sign with.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Result<Self, KeyPairError> {
        let (access_key_id, secret_access_key) = (access_key_id.into(), secret_access_key.into());
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if access_key_id.is_empty() || !access_key_id.bytes().all(is_word) {
            return Err(KeyPairError::AccessKeyId);
        }
        if secret_access_key.is_empty() {
            return Err(KeyPairError::SecretAccessKey);
        }
        Ok(Self { access_key_id, secret_access_key })
    }

    pub(super) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// Checks the signature of a request for a service, such as `sqs`, that came at `now` of the wall clock. The errors are AWS's,
/// in its order.
pub(super) fn check(key_pair: &KeyPair, service: &str, now: Time, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let signature = Presigned::parse(parts)?;
    let signature = Signature::read(parts, signature.as_ref())?;
    signature.check_signed_headers(&parts.headers)?;
    if signature.access_key_id != key_pair.access_key_id {
        return Err(unknown_key());
    }
    signature.scope.check(service, &signature.signed_at)?;
    signature.check_age(i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX))?;
    let canonical = canonical_request(&parts.method, &parts.uri, &parts.headers, &signature.signed_headers, body);
    let string_to_sign = signature.scope.string_to_sign(&signature.signed_at, &canonical);
    let mac = signature.scope.mac(&key_pair.secret_access_key, &string_to_sign);
    // Takes as long for a signature that is nearly right as for any other.
    let is_right = decode_hex(signature.code).is_some_and(|signature| mac.verify_slice(&signature).is_ok());
    if is_right { Ok(()) } else { Err(wrong_signature()) }
}

/// Whether a request carries a signature, be it right or wrong.
pub(super) fn is_there(parts: &Parts) -> bool {
    parts.headers.contains_key(AUTHORIZATION)
        || query_pairs(parts.uri.query()).any(|(name, _)| decode(name) == SIGNATURE_PARAMETER.as_bytes())
}

/// A signature, and what it says of itself, wherever the request has it.
struct Signature<'a> {
    access_key_id: &'a str,
    scope: CredentialScope<'a>,
    /// In lower case and in order.
    signed_headers: Vec<&'a str>,
    /// The code itself, in hexadecimal.
    code: &'a str,
    /// When it was made, as it is signed: `20150830T123600Z`.
    signed_at: Cow<'a, str>,
    signed_at_seconds: i64,
    /// The header with that date, which must be signed, too.
    date_header: Option<&'static str>,
    /// How long it is good for, if it says that itself.
    expires_seconds: Option<i64>,
}

impl<'a> Signature<'a> {
    /// The signature of a request: that of its header, or else of its query.
    fn read(parts: &'a Parts, presigned: Option<&'a Presigned>) -> Result<Self, Refusal> {
        let mut authorizations = parts.headers.get_all(AUTHORIZATION).iter();
        match (authorizations.next(), presigned) {
            (Some(_), _) if authorizations.next().is_some() => {
                Err(incomplete("The request has more than one Authorization header."))
            }
            (Some(authorization), _) => {
                let authorization =
                    authorization.to_str().map_err(|_| incomplete("Authorization header is not ASCII."))?;
                Self::in_header(authorization, &parts.headers)
            }
            (None, Some(presigned)) => presigned.signature(),
            (None, None) => Err(access_denied()),
        }
    }

    /// Reads the `Authorization` header, and the date in a header of its own.
    fn in_header(authorization: &'a str, headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let rest = authorization.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
        let rest = rest.ok_or_else(|| incomplete("Authorization header must begin with 'AWS4-HMAC-SHA256 '."))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in rest.split(',').map(str::trim) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(incomplete("Authorization header has a parameter that is not known.")),
            };
            if value.is_empty() || place.replace(value).is_some() {
                return Err(incomplete("Authorization header has a parameter that is empty or given twice."));
            }
        }
        let credential =
            credential.ok_or_else(|| incomplete("Authorization header requires 'Credential' parameter."))?;
        let signed_headers =
            signed_headers.ok_or_else(|| incomplete("Authorization header requires 'SignedHeaders' parameter."))?;
        let signature = signature.ok_or_else(|| incomplete("Authorization header requires 'Signature' parameter."))?;
        let (access_key_id, scope) = parse_credential(credential)?;
        let (date_header, signed_at, signed_at_seconds) = date_of_headers(headers)?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers: signed_headers.split(';').collect(),
            code: signature,
            signed_at,
            signed_at_seconds,
            date_header: Some(date_header),
            expires_seconds: None,
        })
    }

    fn check_signed_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_in_order = self.signed_headers.is_sorted_by(|left, right| left < right);
        if !is_in_order || self.signed_headers.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Err(incomplete("SignedHeaders must be in lower case, in order, and each once."));
        }
        // What decides where a request goes, when it was made and what it does.
        let required = ["host"].into_iter().chain(self.date_header);
        for name in required.chain(headers.contains_key("x-amz-target").then_some("x-amz-target")) {
            if !self.signed_headers.contains(&name) {
                let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
                return Err(signature_refusal(message));
            }
        }
        Ok(())
    }

    fn check_age(&self, now: i64) -> Result<(), Refusal> {
        let (signed_at, skew, shown) = (&self.signed_at, SKEW_MINUTES * 60, date::format(now));
        let (good_for, said) = match self.expires_seconds {
            None => (skew, format!("{SKEW_MINUTES} min.")),
            Some(seconds) => (seconds, format!("{seconds} s.")),
        };
        if self.signed_at_seconds < now.saturating_sub(good_for) {
            let earliest = date::format(now.saturating_sub(good_for));
            return Err(signature_refusal(format!(
                "Signature expired: {signed_at} is now earlier than {earliest} ({shown} - {said})"
            )));
        }
        if self.signed_at_seconds > now.saturating_add(skew) {
            let latest = date::format(now.saturating_add(skew));
            return Err(signature_refusal(format!(
                "Signature not yet current: {signed_at} is still later than {latest} ({shown} + {SKEW_MINUTES} min.)"
            )));
        }
        Ok(())
    }
}

/// The header that says when a request was signed, with its date as it is signed and in seconds.
fn date_of_headers(headers: &HeaderMap) -> Result<(&'static str, Cow<'_, str>, i64), Refusal> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if let Some(date) = text("x-amz-date") {
        let seconds = date::parse(date).ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format'."))?;
        return Ok(("x-amz-date", Cow::Borrowed(date), seconds));
    }
    let date = text(DATE.as_str()).ok_or_else(|| {
        incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    })?;
    let seconds = date::parse(date).or_else(|| date::parse_http(date));
    let seconds = seconds.ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format' or as HTTP has it."))?;
    Ok(("date", Cow::Owned(date::format(seconds)), seconds))
}

/// The parameters of a presigned URL, decoded.
struct Presigned(BTreeMap<&'static str, String>);

impl Presigned {
    const REQUIRED: [&str; 6] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        SIGNATURE_PARAMETER,
    ];

    /// Reads the signature in the query of a request that has none in its header, if there is one.
    fn parse(parts: &Parts) -> Result<Option<Self>, Refusal> {
        if parts.headers.contains_key(AUTHORIZATION) || !is_there(parts) {
            return Ok(None);
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in query_pairs(parts.uri.query()) {
            let name = decode(name);
            let Some(name) = Self::REQUIRED.into_iter().find(|required| required.as_bytes() == name) else { continue };
            let value = String::from_utf8(decode(value)).unwrap_or_default();
            if value.is_empty() || parameters.insert(name, value).is_some() {
                return Err(incomplete(format!("AWS query-string parameter '{name}' is empty or given twice.")));
            }
        }
        match Self::REQUIRED.into_iter().find(|name| !parameters.contains_key(name)) {
            None => Ok(Some(Self(parameters))),
            Some(missing) => {
                let rest = "Re-examine the query-string parameters.";
                Err(incomplete(format!("AWS query-string parameters must include '{missing}'. {rest}")))
            }
        }
    }

    fn signature(&self) -> Result<Signature<'_>, Refusal> {
        let [algorithm, credential, signed_at, expires, signed_headers, signature] =
            Self::REQUIRED.map(|name| self.0[name].as_str());
        if algorithm != ALGORITHM {
            return Err(incomplete("X-Amz-Algorithm must be 'AWS4-HMAC-SHA256'."));
        }
        let (access_key_id, scope) = parse_credential(credential)?;
        let signed_at_seconds =
            date::parse(signed_at).ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format'."))?;
        let expires = expires.parse().ok().filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds));
        let expires =
            expires.ok_or_else(|| incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800."))?;
        Ok(Signature {
            access_key_id,
            scope,
            signed_headers: signed_headers.split(';').collect(),
            code: signature,
            signed_at: Cow::Borrowed(signed_at),
            signed_at_seconds,
            date_header: None,
            expires_seconds: Some(expires),
        })
    }
}

fn parse_credential(credential: &str) -> Result<(&str, CredentialScope<'_>), Refusal> {
    let parts = credential.split('/').collect::<Vec<_>>();
    let &[access_key_id, date, region, service, "aws4_request"] = parts.as_slice() else {
        return Err(incomplete("Credential must have exactly 5 slash-delimited elements, the last 'aws4_request'."));
    };
    Ok((access_key_id, CredentialScope { date, region, service }))
}

/// What a signing key is good for.
struct CredentialScope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl CredentialScope<'_> {
    fn check(&self, service: &str, signed_at: &str) -> Result<(), Refusal> {
        if self.service != service {
            let message = format!("Credential should be scoped to correct service: '{service}'.");
            return Err(signature_refusal(message));
        }
        if Some(self.date) != signed_at.get(..8) {
            return Err(signature_refusal(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of \
                                          date from HTTP.",
            ));
        }
        Ok(())
    }

    fn string_to_sign(&self, signed_at: &str, canonical_request: &str) -> String {
        let Self { date, region, service } = self;
        let digest = encode_hex(&Sha256::digest(canonical_request.as_bytes()));
        format!("{ALGORITHM}\n{signed_at}\n{date}/{region}/{service}/aws4_request\n{digest}")
    }

    /// The code of `string_to_sign` under the key that is derived from the secret for this scope.
    fn mac(&self, secret: &str, string_to_sign: &str) -> Hmac<Sha256> {
        let secret = format!("AWS4{secret}");
        let mut mac = keyed(secret.as_bytes());
        for part in [self.date, self.region, self.service, "aws4_request"] {
            mac.update(part.as_bytes());
            mac = keyed(&mac.finalize().into_bytes());
        }
        mac.update(string_to_sign.as_bytes());
        mac
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length is good for HMAC")
}

fn canonical_request(method: &Method, uri: &Uri, headers: &HeaderMap, signed_headers: &[&str], body: &[u8]) -> String {
    let mut canonical = format!("{method}\n{}\n{}\n", canonical_path(uri.path()), canonical_query(uri.query()));
    for name in signed_headers {
        let values = headers.get_all(*name).iter();
        let values = values.map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            value.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        });
        let values = values.collect::<Vec<_>>().join(",");
        canonical.extend([name, ":", &values, "\n"]);
    }
    canonical.extend(["\n", &signed_headers.join(";"), "\n", &encode_hex(&Sha256::digest(body))]);
    canonical
}

/// Without dots and doubled slashes, and encoded once more: so it is for every service but S3.
fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(encode(segment.as_bytes())),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// Names and values as they stand.
fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decoded, encoded in the one way, and in order. A presigned URL's own signature is not part of what is signed.
fn canonical_query(query: Option<&str>) -> String {
    let pairs = query_pairs(query).map(|(name, value)| (encode(&decode(name)), encode(&decode(value))));
    let mut pairs = pairs.filter(|(name, _)| name != SIGNATURE_PARAMETER).collect::<Vec<_>>();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(*byte)),
            byte => {
                let code = encode_hex(&[*byte]).to_ascii_uppercase();
                encoded.extend(["%", &code]);
            }
        }
    }
    encoded
}

fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some([code]) = code.and_then(decode_hex).as_deref() {
            decoded.push(*code);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    decoded
}

fn encode_hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(high)? * 16 + digit(low)?) } else { None }).collect()
}

// The status, type and code of the four are recorded from AWS.

fn access_denied() -> Refusal {
    let message = "Access to the resource is denied: the request is not signed.";
    Refusal::aws(StatusCode::FORBIDDEN, "AccessDeniedException", "AccessDenied", message)
}

fn unknown_key() -> Refusal {
    let message = "The security token included in the request is invalid.";
    Refusal::aws(StatusCode::FORBIDDEN, "UnrecognizedClientException", "InvalidClientTokenId", message)
}

fn wrong_signature() -> Refusal {
    signature_refusal(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details.",
    )
}

fn signature_refusal(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::aws(StatusCode::FORBIDDEN, "InvalidSignatureException", "SignatureDoesNotMatch", message)
}

fn incomplete(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::aws(StatusCode::BAD_REQUEST, "IncompleteSignatureException", "IncompleteSignature", message)
}

#[cfg(test)]
mod tests;
