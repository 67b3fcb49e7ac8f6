//! The MD5 digests that travel with a message.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::engine::{MessageAttributeValue, MessageAttributes};

/// The digest of a body, in lower-case hexadecimal.
pub(super) fn body_md5(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The digest of a message's attributes, by the algorithm of the developer guide ("Calculating the MD5 message digest
/// for message attributes"): in the order of their names, each name, type and value with its length before it.
pub(super) fn message_attributes_md5(attributes: &MessageAttributes) -> String {
    let mut digest = Md5::new();
    for (name, attribute) in attributes.iter() {
        update_with_length(&mut digest, name.as_bytes());
        update_with_length(&mut digest, attribute.data_type.as_bytes());
        let (transport_type, value) = match &attribute.value {
            MessageAttributeValue::Text(text) => (1_u8, text.as_bytes()),
            MessageAttributeValue::Binary(bytes) => (2_u8, bytes.as_slice()),
        };
        digest.update([transport_type]);
        update_with_length(&mut digest, value);
    }
    hex(&digest.finalize())
}

fn update_with_length(digest: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a message is smaller than 4 GiB");
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every character");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::{Limits, MessageAttribute};

    #[test]
    fn the_md5_of_a_body_is_that_of_its_utf_8_bytes() {
        assert_eq!(body_md5("hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(body_md5(""), "d41d8cd98f00b204e9800998ecf8427e");
    }

    /// The expected digest was made by another implementation of MD5, from the bytes written out by hand:
    /// `\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01v\0\0\0\x01b\0\0\0\x06Binary\x02\0\0\0\x02\0\xff`.
    #[test]
    fn the_md5_of_attributes_is_of_sorted_names_types_and_values_each_with_its_length() {
        let binary = |bytes: &[u8]| MessageAttribute {
            data_type: "Binary".to_owned(),
            value: MessageAttributeValue::Binary(bytes.to_vec()),
        };
        let raw =
            BTreeMap::from([("b".to_owned(), binary(&[0, 255])), ("a".to_owned(), MessageAttribute::string("v"))]);
        let attributes = MessageAttributes::parse(raw, &Limits::STRICT).unwrap();
        assert_eq!(message_attributes_md5(&attributes), "fe8b03484c2f0ef9e2f501c995fc6cc3");
    }
}
