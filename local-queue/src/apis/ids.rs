//! Identifiers of requests, as API Gateway gives them.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;

use crate::engine::{IdSource, Uuid};

/// The identifiers of one request: an id as HTTP requests have it, and API Gateway's own, the extended one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    id: Uuid,
    extended: [u8; 16],
}

/// Where identifiers come from: a seed, and how many there have been.
#[derive(Debug)]
pub(super) struct IdsSource(u64, AtomicU64);

impl IdsSource {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(seed, AtomicU64::new(0))
    }

    pub(super) fn next(&self) -> Ids {
        let count = self.1.fetch_add(1, Ordering::Relaxed);
        let mut ids = IdSource::seeded(IdSource::mix(self.0 ^ count));
        let bits = u128::from(ids.next_u64()) | u128::from(ids.next_u64()) << 64;
        let (mut encoded, mut extended) = ([0; 22], [b'='; 16]);
        URL_SAFE_NO_PAD.encode_slice(bits.to_le_bytes(), &mut encoded).expect("16 bytes are 22 characters");
        extended[..15].copy_from_slice(&encoded[..15]);
        Ids { id: ids.next_uuid(), extended }
    }
}

impl Ids {
    pub(super) const fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn extended(&self) -> &str {
        std::str::from_utf8(&self.extended).expect("the characters of Base64 are text")
    }

    /// The extended one, for a header.
    pub(super) fn extended_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.extended).expect("the characters of Base64 stand in headers")
    }

    /// The other one, for a header.
    pub(super) fn id_value(&self) -> HeaderValue {
        HeaderValue::try_from(self.id.to_string()).expect("digits stand in headers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_forms_of_api_gateway_and_differ() {
        let source = IdsSource::seeded(1);
        let (one, other) = (source.next(), source.next());
        assert_eq!((one.extended().len(), one.extended().find('=')), (16, Some(15)), "{one:?}");
        assert_eq!(one.extended_value(), one.extended());
        assert_eq!(one.id_value().len(), 36);
        assert!(one.id() != other.id() && one.extended() != other.extended(), "{one:?} {other:?}");
        assert_eq!(IdsSource::seeded(1).next().id(), one.id());
    }
}
