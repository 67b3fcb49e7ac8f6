//! What S3 says when it does not do what was asked.

use aws_smithy_xml::decode::{Document, try_data};
use http::HeaderMap;

use super::Client;
use crate::storage::StoreError;

/// Maximum length of a text from S3 in an error message.
const TEXT_CHARS_MAX: usize = 200;

/// AWS answers 400 or 403 to a signature made with credentials that ended or by a clock that is off (documentation: "Error
/// responses", Amazon S3 API Reference). Nothing is wrong with the object then.
const ABOUT_CREDENTIALS: [&str; 3] = ["ExpiredToken", "RequestTimeTooSkewed", "TokenRefreshRequired"];
/// What passes, with a status that would not say so (same place).
const TRANSIENT: [&str; 3] = ["RequestTimeout", "SlowDown", "TemporaryRedirect"];

/// An answer that is an error, by its status and by the fields of S3's error document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorAnswer {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// Where S3 says that the bucket is.
    pub(super) region: Option<String>,
}

impl ErrorAnswer {
    pub(super) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut refusal = Self { status, ..Self::default() };
        // A body that is no document of S3's, such as a page of a proxy, says nothing that could be relied on.
        if let Ok(text) = std::str::from_utf8(body) {
            let _ = refusal.read_document(text);
        }
        let header = headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        refusal.region = header.map(shortened).or(refusal.region);
        refusal
    }

    fn read_document(&mut self, text: &str) -> Option<()> {
        let mut document = Document::new(text);
        let mut root = document.root_element().ok()?;
        if !root.start_el().matches("Error") {
            return None;
        }
        while let Some(mut element) = root.next_tag() {
            let field = match element.start_el().local() {
                "Code" => &mut self.code,
                "Message" => &mut self.message,
                "Region" => &mut self.region,
                _ => continue,
            };
            *field = Some(shortened(&try_data(&mut element).ok()?));
        }
        Some(())
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    pub(super) fn is_about_credentials(&self) -> bool {
        matches!(self.status, 400 | 401 | 403) && self.is_one_of(&ABOUT_CREDENTIALS)
    }

    pub(super) fn is_transient(&self) -> bool {
        // What a server does not have, such as puts with a condition, it will not have later.
        matches!(self.status, 408 | 425 | 429 | 500 | 502..) || self.status != 404 && self.is_one_of(&TRANSIENT)
    }

    /// What it means for the object that was asked for, by a request that needs these permissions.
    pub(super) fn into_error(self, client: &Client, bucket: &str, needs: &str) -> StoreError {
        let elsewhere = self.region.as_deref().filter(|region| *region != client.region);
        match self.status {
            _ if self.is_about_credentials() => StoreError::Credentials(self.text()),
            _ if self.is_transient() => StoreError::Unreachable(format!("{} ({})", self.text(), client.endpoint)),
            304 | 409 | 412 => StoreError::Conflict,
            300..=399 => StoreError::Redirected(self.redirected(client, bucket)),
            // A signature for another region than the bucket's (code AuthorizationHeaderMalformed).
            400 if elsewhere.is_some() => StoreError::Redirected(self.redirected(client, bucket)),
            // Other codes of these are about keys and signatures.
            401 | 403 if self.code.as_deref().is_none_or(|code| code == "AccessDenied") => {
                StoreError::Denied(format!("{}; it takes {needs}", self.text()))
            }
            401 | 403 => StoreError::Denied(self.text()),
            404 | 410 => StoreError::NotFound,
            _ => StoreError::Refused(self.text()),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("status {}", self.status);
        for part in [&self.code, &self.message].into_iter().flatten() {
            text.push_str(", ");
            text.push_str(part);
        }
        text
    }

    fn redirected(&self, client: &Client, bucket: &str) -> String {
        let Client { region, endpoint, .. } = client;
        match &self.region {
            Some(actual) => format!(
                "the bucket {bucket} is in the region {actual}, and was asked for in {region} at {endpoint} ({}); set \
                 AWS_REGION or AWS_ENDPOINT_URL_S3 to where it is",
                self.text()
            ),
            None => format!(
                "{endpoint} (region {region}) answers for the bucket {bucket} that it is elsewhere ({}), which is not \
                 followed; check AWS_REGION and AWS_ENDPOINT_URL_S3",
                self.text()
            ),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ErrorAnswer {
        ErrorAnswer::read(status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn only_the_code_of_an_error_document_counts() {
        let document = |code: &str, key: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Code>{code}</Code>\
                 <Message>about {key}</Message><Key>{key}</Key><Region>eu-west-1</Region></Error>"
            )
        };
        let missing = read(404, &document("NoSuchKey", "ExpiredToken SlowDown &lt;Code&gt;503"));
        assert!(!missing.is_about_credentials() && !missing.is_transient());
        assert_eq!((missing.code.as_deref(), missing.region.as_deref()), (Some("NoSuchKey"), Some("eu-west-1")));
        assert_eq!(missing.message.as_deref(), Some("about ExpiredToken SlowDown <Code>503"));
        assert!(!read(404, &document("SlowDown", "a")).is_transient());
        assert!(read(400, &document("ExpiredToken", "a")).is_about_credentials());
        assert!(read(403, &document("RequestTimeTooSkewed", "a")).is_about_credentials());
        assert!(!read(403, &document("AccessDenied", "ExpiredToken")).is_about_credentials());
        for other in
            ["ExpiredToken", "<html><Code>ExpiredToken</Code></html>", "<Error><Message>ExpiredToken", "\0", ""]
        {
            assert!(!read(403, other).is_about_credentials(), "{other:?}");
        }
    }

    #[test]
    fn a_status_without_a_document_decides_alone() {
        for status in [408, 425, 429, 500, 502, 503, 504, 507] {
            assert!(read(status, "").is_transient(), "{status}");
        }
        for status in [301, 302, 304, 307, 400, 403, 404, 409, 412, 416, 501] {
            assert!(!read(status, "").is_transient(), "{status}");
        }
    }
}
