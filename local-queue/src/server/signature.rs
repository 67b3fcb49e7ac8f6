//! AWS Signature Version 4, checked: requests signed in the header, with one key pair.
//!
//! The signature covers the method, the target, the signed headers and the body, so that only who has the secret can
//! have made this very request, within five minutes of now. A replay inside that time is not noticed, as at AWS.
//! Signatures in the query ("presigned") are not read.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, StatusCode, Uri, header::AUTHORIZATION, request::Parts};
use sha2::{Digest, Sha256};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime};

use super::refusal::Refusal;
use crate::engine::Time;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "sqs";
const SKEW_MINUTES: i64 = 5;

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
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// Checks the signature of a request that came at `now`. The errors are AWS's, in its order.
pub(super) fn check(key_pair: &KeyPair, now: Time, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let mut authorizations = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(authorization) = authorizations.next() else { return Err(access_denied()) };
    if authorizations.next().is_some() {
        return Err(incomplete("The request has more than one Authorization header."));
    }
    let authorization = authorization.to_str().map_err(|_| incomplete("Authorization header is not ASCII."))?;
    let authorization = Authorization::parse(authorization)?;
    let signed_at = parts.headers.get("x-amz-date").and_then(|date| date.to_str().ok()).ok_or_else(|| {
        incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    })?;
    let signed_at_seconds =
        parse_date(signed_at).ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format'."))?;
    authorization.check_signed_headers(&parts.headers)?;
    if authorization.access_key_id != key_pair.access_key_id {
        return Err(unknown_key());
    }
    authorization.scope.check(signed_at)?;
    check_skew(signed_at, signed_at_seconds, i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX))?;
    let canonical = canonical_request(&parts.method, &parts.uri, &parts.headers, &authorization.signed_headers, body);
    let string_to_sign = authorization.scope.string_to_sign(signed_at, &canonical);
    let mac = authorization.scope.mac(&key_pair.secret_access_key, &string_to_sign);
    // Takes as long for a signature that is nearly right as for any other.
    let is_right = decode_hex(authorization.signature).is_some_and(|signature| mac.verify_slice(&signature).is_ok());
    if is_right { Ok(()) } else { Err(wrong_signature()) }
}

/// What the `Authorization` header says.
struct Authorization<'a> {
    access_key_id: &'a str,
    scope: Scope<'a>,
    /// In lower case and in order.
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

/// What a signing key is good for.
struct Scope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, Refusal> {
        let rest = header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
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
        let parts = credential.split('/').collect::<Vec<_>>();
        let &[access_key_id, date, region, service, "aws4_request"] = parts.as_slice() else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, the last 'aws4_request'.",
            ));
        };
        let scope = Scope { date, region, service };
        Ok(Self { access_key_id, scope, signed_headers: signed_headers.split(';').collect(), signature })
    }

    fn check_signed_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_in_order = self.signed_headers.is_sorted_by(|left, right| left < right);
        if !is_in_order || self.signed_headers.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Err(incomplete("SignedHeaders must be in lower case, in order, and each once."));
        }
        // What decides where a request goes, when it was made and what it does.
        for name in ["host", "x-amz-date", "x-amz-target"] {
            if (name == "host" || headers.contains_key(name)) && !self.signed_headers.contains(&name) {
                let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
                return Err(signature_refusal(message));
            }
        }
        Ok(())
    }
}

impl Scope<'_> {
    fn check(&self, signed_at: &str) -> Result<(), Refusal> {
        if self.service != SERVICE {
            return Err(signature_refusal("Credential should be scoped to correct service: 'sqs'."));
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

/// Decoded, encoded in the one way, and in order.
fn canonical_query(query: Option<&str>) -> String {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut pairs = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(&decode(name)), encode(&decode(value)))
        })
        .collect::<Vec<_>>();
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

/// Reads `20150830T123600Z` as seconds since 1970.
fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let is_date = bytes.len() == 16
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return None;
    }
    let month = Month::try_from(text[4..6].parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(text[..4].parse().ok()?, month, text[6..8].parse().ok()?).ok()?;
    let time = time::Time::from_hms(text[9..11].parse().ok()?, text[11..13].parse().ok()?, text[13..15].parse().ok()?);
    Some(PrimitiveDateTime::new(date, time.ok()?).assume_utc().unix_timestamp())
}

fn format_date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", date.hour(), date.minute(), date.second())
}

fn check_skew(signed_at: &str, signed_at_seconds: i64, now: i64) -> Result<(), Refusal> {
    let skew = SKEW_MINUTES * 60;
    let shown = format_date(now);
    if signed_at_seconds < now.saturating_sub(skew) {
        let earliest = format_date(now.saturating_sub(skew));
        return Err(signature_refusal(format!(
            "Signature expired: {signed_at} is now earlier than {earliest} ({shown} - {SKEW_MINUTES} min.)"
        )));
    }
    if signed_at_seconds > now.saturating_add(skew) {
        let latest = format_date(now.saturating_add(skew));
        return Err(signature_refusal(format!(
            "Signature not yet current: {signed_at} is still later than {latest} ({shown} + {SKEW_MINUTES} min.)"
        )));
    }
    Ok(())
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

fn signature_refusal(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::aws(StatusCode::FORBIDDEN, "InvalidSignatureException", "SignatureDoesNotMatch", message)
}

fn incomplete(message: &'static str) -> Refusal {
    Refusal::aws(StatusCode::BAD_REQUEST, "IncompleteSignatureException", "IncompleteSignature", message)
}

#[cfg(test)]
mod tests;
