//! Who may use the console and the developer's API, beside what the [guard](super::Guard) checks of every request.
//!
//! A page changes something only with a token, which the console's own pages have, in a header that no form can send. Nor
//! does the script of a page read anything without it, so that it does not find the token in a page of the console. So a
//! page of this server's own origin that is a stranger's - the answer of an API, say - changes nothing and learns nothing.
//! What people open in their browser they see, and no other page sees it: it is in no frame and has no opener.
//!
//! What is no browser needs no token, unless requests must be signed: then every request needs it, or a signature. Browsers
//! ask for it as for a password, because no page may keep a cookie.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use sha2::Sha256;

use super::signature;
use crate::console;

static TOKEN: HeaderName = HeaderName::from_static("x-local-queue-token");
static SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const RANDOM_BYTES: usize = 18;

/// What pages say with what they change. New at each start.
pub(super) struct Token(String);

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Admission {
    Granted,
    /// By its signature, which is checked when its body is there.
    Signed,
    Refused(Box<Response<Bytes>>),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Token").finish_non_exhaustive()
    }
}

impl Token {
    pub(super) fn random() -> Self {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is to be done with a request to the developer's API or to the console. Pages of an origin that was allowed may do
    /// what programs may; where requests `must_sign`, nobody may do anything without token or signature.
    pub(super) fn admit(&self, parts: &Parts, is_allowed_page: bool, must_sign: bool) -> Admission {
        let headers = &parts.headers;
        let has_token = headers.get(&TOKEN).is_some_and(|token| self.is(token.as_bytes()));
        let is_browser = headers.contains_key(ORIGIN) || headers.contains_key(&SITE);
        let changes = !matches!(parts.method, Method::GET | Method::HEAD);
        let by_password = || password(headers).is_some_and(|password| self.is(&password));
        if must_sign && !has_token && !by_password() {
            return if signature::is_there(parts) && !is_password(headers) { Admission::Signed } else { ask() };
        }
        // What people open is for their eyes; of the rest, a script may want to read it. The `fetch` of Node.js sends a mode
        // too, but without a site, which browsers never do.
        let is_script = headers.contains_key(&SITE)
            && headers.get(&MODE).is_some_and(|mode| mode != "navigate")
            && !console::is_public(parts.uri.path());
        if ((changes && is_browser) || is_script) && !is_allowed_page && !has_token {
            let text = "The token of this page is out of date. Reload the console.";
            return refuse(StatusCode::FORBIDDEN, text);
        }
        Admission::Granted
    }

    /// Whether these are the token, in a time that does not tell how much of them is right.
    fn is(&self, given: &[u8]) -> bool {
        let code = |bytes: &[u8]| {
            let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("a key of any length will do");
            mac.chain_update(bytes)
        };
        let given = code(given).finalize().into_bytes();
        code(self.0.as_bytes()).verify_slice(&given).is_ok()
    }
}

/// Whether a request brings a password or a bearer's token, which are no signatures.
fn is_password(headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    [&b"Basic "[..], b"Bearer "].iter().any(|scheme| value.starts_with(scheme))
}

/// The password, whoever the user says to be, or the bearer's token.
fn password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    if let Some(bearer) = value.strip_prefix(b"Bearer ") {
        return Some(bearer.to_vec());
    }
    let decoded = base64::prelude::BASE64_STANDARD.decode(value.strip_prefix(b"Basic ")?).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.get(colon + 1..)?.to_vec())
}

fn ask() -> Admission {
    let text =
        "The console and the developer API require the token printed at start as the password, with any user name.";
    let Admission::Refused(mut response) = refuse(StatusCode::UNAUTHORIZED, text) else { unreachable!("it refuses") };
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"local-queue\", charset=\"UTF-8\""));
    Admission::Refused(response)
}

fn refuse(status: StatusCode, text: &str) -> Admission {
    let mut response = Response::new(Bytes::from(format!("{}\n", serde_json::json!({ "error": text }))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Admission::Refused(Box::new(response))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// Method, headers, whether requests must be signed, and the status if it is refused.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], bool, Option<u16>);

    #[test]
    fn a_page_changes_something_only_with_the_token() {
        let token = Token::random();
        let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("me:{}", token.0)));
        let wrong = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode("me:wrong"));
        let bearer = format!("Bearer {}", token.0);
        let own = ("origin", "http://127.0.0.1:9324");
        let site = ("sec-fetch-site", "same-origin");
        let right = ("x-local-queue-token", token.as_str());
        let signed = ("authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request");
        let (script, person) = (("sec-fetch-mode", "cors"), ("sec-fetch-mode", "navigate"));
        let cases: [Case<'_>; 25] = [
            // A program may do anything, a page may read.
            ("POST", &[], false, None),
            ("GET", &[], false, None),
            ("GET", &[site], false, None),
            ("HEAD", &[own], false, None),
            ("GET", &[site, person], false, None),
            // The fetch of Node.js is a program's.
            ("GET", &[script], false, None),
            ("POST", &[script], false, None),
            // The script of a page does not read, and neither do its images.
            ("GET", &[site, script], false, Some(403)),
            ("GET", &[site, ("sec-fetch-mode", "no-cors")], false, Some(403)),
            ("GET", &[site, script, right], false, None),
            ("POST", &[own, site, person], false, Some(403)),
            // What it changes it changes with the token.
            ("POST", &[own], false, Some(403)),
            ("POST", &[site], false, Some(403)),
            ("DELETE", &[own, site], false, Some(403)),
            ("PUT", &[own, ("x-local-queue-token", "")], false, Some(403)),
            ("PUT", &[own, ("x-local-queue-token", "wrong")], false, Some(403)),
            ("POST", &[own, ("authorization", &basic)], false, Some(403)),
            ("POST", &[own, site, right], false, None),
            // Where requests must be signed, all do.
            ("GET", &[], true, Some(401)),
            ("GET", &[site, ("authorization", &wrong)], true, Some(401)),
            ("GET", &[site, ("authorization", &basic)], true, None),
            ("POST", &[site, ("authorization", &basic)], true, Some(403)),
            ("POST", &[site, ("authorization", &basic), right], true, None),
            ("POST", &[("authorization", &bearer)], true, None),
            ("POST", &[right], true, None),
        ];
        for (method, headers, must_sign, expected) in cases {
            let mut request = Request::builder().method(method).uri("/_local-queue/reset");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            let refused = match token.admit(&parts, false, must_sign) {
                Admission::Granted => None,
                Admission::Refused(response) => Some(response.status().as_u16()),
                Admission::Signed => panic!("{headers:?} are no signature"),
            };
            assert_eq!(refused, expected, "{method} {headers:?}");
        }
        let request = Request::post("/_local-queue/reset").header(signed.0, signed.1).body(()).unwrap();
        assert!(matches!(token.admit(&request.into_parts().0, false, true), Admission::Signed));
        for (path, is_refused) in
            [("console/console.js", false), ("console/events", false), ("console/time", true), ("", true)]
        {
            let request =
                Request::get(format!("/_local-queue/{path}")).header(site.0, site.1).header(script.0, script.1);
            let request = request.body(()).unwrap();
            let admission = token.admit(&request.into_parts().0, false, false);
            assert_eq!(matches!(admission, Admission::Refused(_)), is_refused, "{path}");
        }
    }

    #[test]
    fn a_page_of_an_allowed_origin_is_as_good_as_a_program() {
        let request = Request::post("/_local-queue/reset").header("origin", "http://shop.example").body(()).unwrap();
        let parts = request.into_parts().0;
        assert!(matches!(Token::random().admit(&parts, true, false), Admission::Granted));
        assert!(matches!(Token::random().admit(&parts, true, true), Admission::Refused(_)));
    }

    #[test]
    fn each_start_has_a_token_of_its_own() {
        assert_ne!(Token::random().0, Token::random().0);
        assert_eq!(Token::random().0.len(), 24);
    }
}
