//! Taking an uploaded body in: bounded, hashed as it comes, compared with what the client said of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use s3s::{
    S3Error, S3ErrorCode, S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    crypto::Checksum as _,
    dto::{Checksum, StreamingBlob},
    s3_error,
};

use super::{
    chunked::Trailers,
    content::{Content, Sink},
};

/// How long a client may pause within a body.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// What all objects may have together.
#[derive(Clone, Debug)]
pub(super) struct Room {
    used: Arc<AtomicU64>,
    bytes_max: u64,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    bytes: u64,
}

impl Room {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { used: Arc::default(), bytes_max }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn empty_share(&self) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }

    /// A share of this size, if there is so much.
    pub(super) fn share(&self, bytes: u64) -> S3Result<Share> {
        let mut share = self.empty_share();
        share.grow(bytes)?;
        Ok(share)
    }
}

impl Share {
    fn grow(&mut self, more: u64) -> S3Result<()> {
        let bytes_max = self.room.bytes_max;
        let grown = |used: u64| used.checked_add(more).filter(|used| *used <= bytes_max);
        self.room.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).map_err(|_| {
            // No code of S3's says this. With this one no SDK tries again at once, which would not help.
            let text = format!("All buckets together may hold {bytes_max} bytes, which this object would exceed.");
            S3Error::with_message(S3ErrorCode::EntityTooLarge, text)
        })?;
        self.bytes += more;
        Ok(())
    }

    /// Takes the other's part over.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a client says of the body that it sends.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// `Content-MD5`, in base64.
    pub(super) md5: Option<String>,
    /// Checksums that were sent before the body.
    pub(super) checksum: Checksum,
    /// The algorithm that is named, if not by a checksum.
    pub(super) algorithm: Option<String>,
    /// The headers behind the body, of which `x-amz-trailer` names one.
    pub(super) trailer: Option<(String, Behind)>,
}

/// Where the headers behind a body are.
#[derive(Debug)]
pub(super) enum Behind {
    Unframed(Trailers),
    Verified(TrailingHeaders),
}

impl Behind {
    fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::Unframed(trailers) => trailers.get(name),
            Self::Verified(trailers) => {
                trailers.read(|headers| Some(headers.get(name)?.to_str().ok()?.to_owned())).flatten()
            }
        }
    }
}

/// A body that has come, with what it is.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) content: Content,
    pub(super) share: Share,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Checksum,
}

/// Takes a body in, to where its bytes are to be. `refused` says what a client hears if they cannot be there.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    expected: Expected,
    mut gathering: Box<dyn Sink>,
    refused: impl Fn(&std::io::Error) -> S3Error,
    room: &Room,
    object_bytes_max: u64,
) -> S3Result<Received> {
    let mut hasher = hasher(&expected)?;
    let (mut md5, mut share) = (Md5::new(), room.empty_share());
    let mut body = body;
    while let Some(stream) = &mut body {
        let piece = tokio::time::timeout(PIECE_TIMEOUT, stream.next()).await;
        let piece = piece.map_err(|_| {
            let text =
                "Your socket connection to the server was not read from or written to within the timeout period.";
            S3Error::with_message(S3ErrorCode::RequestTimeout, text)
        })?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|error| S3Error::with_message(S3ErrorCode::IncompleteBody, error.to_string()))?;
        if gathering.bytes() + piece.len() as u64 > object_bytes_max {
            let text = format!("Your proposed upload exceeds the maximum allowed size of {object_bytes_max} bytes.");
            return Err(S3Error::with_message(S3ErrorCode::EntityTooLarge, text));
        }
        share.grow(piece.len() as u64)?;
        md5.update(&piece);
        hasher.update(&piece);
        gathering.push(&piece).map_err(|error| refused(&error))?;
    }
    let md5: [u8; 16] = md5.finalize().into();
    if let Some(sent) = &expected.md5 {
        let sent = BASE64_STANDARD.decode(sent).ok().filter(|sent| sent.len() == md5.len());
        let sent = sent.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?;
        if sent != md5 {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
    }
    let checksum = hasher.finalize();
    check(&checksum, &expected)?;
    Ok(Received { content: gathering.finish(), share, md5, checksum })
}

/// A checksum, as S3 has five of them.
pub(super) const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

/// The value of one algorithm.
pub(super) fn value<'a>(checksum: &'a Checksum, algorithm: &str) -> Option<&'a str> {
    match algorithm {
        "CRC32" => checksum.checksum_crc32.as_deref(),
        "CRC32C" => checksum.checksum_crc32c.as_deref(),
        "CRC64NVME" => checksum.checksum_crc64nvme.as_deref(),
        "SHA1" => checksum.checksum_sha1.as_deref(),
        "SHA256" => checksum.checksum_sha256.as_deref(),
        _ => None,
    }
}

/// What computes one algorithm, which must be one of [`ALGORITHMS`].
pub(super) fn hasher_of(algorithm: &str) -> S3Result<ChecksumHasher> {
    let mut hasher = ChecksumHasher::default();
    add(&mut hasher, algorithm)?;
    Ok(hasher)
}

fn add(hasher: &mut ChecksumHasher, algorithm: &str) -> S3Result<()> {
    use s3s::crypto::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};

    match algorithm {
        "CRC32" => hasher.crc32 = Some(Crc32::new()),
        "CRC32C" => hasher.crc32c = Some(Crc32c::new()),
        "CRC64NVME" => hasher.crc64nvme = Some(Crc64Nvme::new()),
        "SHA1" => hasher.sha1 = Some(Sha1::new()),
        "SHA256" => hasher.sha256 = Some(Sha256::new()),
        _ => {
            return Err(s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                 [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
            ));
        }
    }
    Ok(())
}

/// The algorithm whose header this is.
fn algorithm_of(header: &str) -> Option<&'static str> {
    let name = header.get(.."x-amz-checksum-".len())?.eq_ignore_ascii_case("x-amz-checksum-").then_some(header)?;
    let name = &name["x-amz-checksum-".len()..];
    ALGORITHMS.into_iter().find(|algorithm| algorithm.eq_ignore_ascii_case(name))
}

fn hasher(expected: &Expected) -> S3Result<ChecksumHasher> {
    let mut hasher = ChecksumHasher::default();
    let sent = ALGORITHMS.into_iter().filter(|algorithm| value(&expected.checksum, algorithm).is_some());
    let behind = expected.trailer.as_ref().and_then(|(name, _)| algorithm_of(name));
    let named = expected.algorithm.as_deref();
    for algorithm in sent.chain(behind).chain(named) {
        add(&mut hasher, algorithm)?;
    }
    Ok(hasher)
}

fn check(computed: &Checksum, expected: &Expected) -> S3Result<()> {
    for algorithm in ALGORITHMS {
        let behind = expected.trailer.as_ref().filter(|(name, _)| algorithm_of(name) == Some(algorithm));
        let behind = match behind {
            Some((name, trailers)) => Some(trailers.get(name).ok_or_else(|| {
                s3_error!(InvalidRequest, "The request contained trailing data that was not well-formed.")
            })?),
            None => None,
        };
        let sent = value(&expected.checksum, algorithm).map(str::to_owned);
        for sent in sent.into_iter().chain(behind) {
            if value(computed, algorithm) != Some(&*sent) {
                let text = format!("The {algorithm} you specified did not match the calculated checksum.");
                return Err(S3Error::with_message(S3ErrorCode::BadDigest, text));
            }
        }
    }
    Ok(())
}
