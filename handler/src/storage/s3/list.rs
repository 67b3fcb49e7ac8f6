//! The keys of a bucket, page by page.

use std::borrow::Cow;

use aws_smithy_xml::decode::{Document, XmlDecodeError, try_data};
use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;

use super::Client;
use super::request::{Request, some_of};
use crate::storage::StoreError;

/// Bytes of one page: a thousand keys of 1,024 bytes each, three times as long when encoded, and what stands around them.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    keys: Vec<String>,
    encoded: bool,
    next: Option<String>,
}

pub(super) async fn keys(client: &Client, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    let mut next: Option<String> = None;
    loop {
        // Encoded, because XML has no way to write some characters that keys have.
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)];
        if let Some(token) = &next {
            query.push(("continuation-token", token));
        }
        let request = Request {
            method: Method::GET,
            bucket,
            key: None,
            query: &query,
            headers: Vec::new(),
            body: Bytes::new(),
            needs: "s3:ListBucket",
        };
        let mut answer = client.send(&request).await?;
        let text = some_of(&mut answer.body, PAGE_BYTES_MAX, answer.until).await.map_err(StoreError::Unreachable)?;
        let unread = |reason: String| {
            StoreError::Unreachable(format!("{} did not answer with a list of objects: {reason}", client.endpoint))
        };
        let text = std::str::from_utf8(&text).map_err(|error| unread(error.to_string()))?;
        let mut page = read(text).map_err(|error| unread(error.to_string()))?;
        keys.append(&mut page.keys);
        match page.next {
            Some(token) if next.as_ref() != Some(&token) => next = Some(token),
            _ => return Ok(keys),
        }
    }
}

fn read(text: &str) -> Result<Page, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    if !root.start_el().matches("ListBucketResult") {
        return Err(XmlDecodeError::custom(format!("it is a {}", root.start_el().local())));
    }
    let mut page = Page::default();
    let mut is_truncated = false;
    while let Some(mut element) = root.next_tag() {
        match element.start_el().local() {
            "EncodingType" => page.encoded = try_data(&mut element)? == "url",
            "IsTruncated" => is_truncated = try_data(&mut element)? == "true",
            "NextContinuationToken" => page.next = Some(try_data(&mut element)?.into_owned()),
            "Contents" => {
                while let Some(mut field) = element.next_tag() {
                    if field.start_el().local() == "Key" {
                        page.keys.push(try_data(&mut field)?.into_owned());
                    }
                }
            }
            _ => {}
        }
    }
    if !is_truncated {
        page.next = None;
    }
    if page.encoded {
        // As a form is encoded: a plus is a blank.
        let decode = |key: &String| percent_decode_str(&key.replace('+', " ")).decode_utf8().map(Cow::into_owned);
        page.keys = page.keys.iter().map(decode).collect::<Result<_, _>>().map_err(XmlDecodeError::unhandled)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whether_keys_are_encoded_or_not() {
        let page = |inner: &str| {
            read(&format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"s3\">{inner}</ListBucketResult>"))
        };
        let encoded = page(
            "<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>a%2Fb+c%2B%0A</Key>\
             <Owner><Key>no</Key></Owner></Contents><NextContinuationToken>t</NextContinuationToken>",
        );
        let keys = vec!["a/b c+\n".to_owned()];
        assert_eq!(encoded.unwrap(), Page { keys, encoded: true, next: Some("t".to_owned()) });
        let plain = page("<IsTruncated>false</IsTruncated><Contents><Key>a+b%20 &amp;</Key></Contents>");
        assert_eq!(plain.unwrap(), Page { keys: vec!["a+b%20 &".to_owned()], encoded: false, next: None });
        assert!(read("<html></html>").is_err());
        assert!(read("").is_err());
    }
}
