//! The framing `aws-chunked`, in which SDKs send bodies whose checksum or signature comes behind them.
//!
//! A signature is checked by `s3s`, which takes the frames off too. Where none is asked for, they are taken off here.
//! See "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" of the S3 API.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;
use s3s::{
    Body, StdError,
    stream::{ByteStream, RemainingLength},
};

/// A line of a frame: its length and a signature.
const LINE_BYTES_MAX: usize = 1024;
/// All headers behind a body.
const TRAILERS_MAX: usize = 16;

/// The headers behind a body, once it has been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let headers = self.0.lock().expect("nothing panics with the trailers in hand");
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }
}

/// A body without its frames.
pub(super) struct Unframed {
    body: Body,
    /// What has come and is not understood yet.
    buffer: BytesMut,
    state: State,
    trailers: Trailers,
    /// Bytes that are still to come, as `x-amz-decoded-content-length` said.
    left: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The line that says how long the next piece is.
    Line,
    /// So many bytes of a piece are left.
    Piece(u64),
    /// The end of a piece's last line.
    PieceEnd,
    /// The headers behind the last piece.
    Trailers,
    Over,
}

/// Why the chunks could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingError {
    #[error("a chunk does not begin with its length in hexadecimal digits")]
    Length,
    #[error("a line of the chunks is longer than {LINE_BYTES_MAX} bytes")]
    Line,
    #[error("a chunk is longer than its first line says")]
    PieceEnd,
    #[error("a trailing header is malformed")]
    Trailer,
    #[error("the body ends within a chunk")]
    Short,
    #[error("the chunks do not hold as many bytes as x-amz-decoded-content-length says")]
    DecodedLength,
}

impl Unframed {
    pub(super) fn new(body: Body, decoded_bytes: Option<u64>) -> (Self, Trailers) {
        let trailers = Trailers::default();
        let state = State::Line;
        (Self { body, buffer: BytesMut::new(), state, trailers: trailers.clone(), left: decoded_bytes }, trailers)
    }

    /// The next line, without its end, if it is all there.
    fn line(&mut self) -> Result<Option<BytesMut>, FramingError> {
        let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") else {
            return if self.buffer.len() > LINE_BYTES_MAX { Err(FramingError::Line) } else { Ok(None) };
        };
        if end > LINE_BYTES_MAX {
            return Err(FramingError::Line);
        }
        let line = self.buffer.split_to(end);
        self.buffer.advance(2);
        Ok(Some(line))
    }

    /// Goes on with what has come. Says a piece, or that more has to come.
    fn step(&mut self) -> Result<Option<Bytes>, FramingError> {
        loop {
            match self.state {
                State::Line => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    let length = line.as_ref().split(|byte| *byte == b';').next().unwrap_or_default();
                    let length = std::str::from_utf8(length).ok().filter(|text| !text.starts_with('+'));
                    let length = length.and_then(|text| u64::from_str_radix(text, 16).ok());
                    self.state = match length.ok_or(FramingError::Length)? {
                        0 => State::Trailers,
                        bytes => State::Piece(bytes),
                    };
                }
                State::Piece(bytes) => {
                    let there = self.buffer.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
                    if there == 0 {
                        return Ok(None);
                    }
                    let left = bytes - there as u64;
                    self.state = if left == 0 { State::PieceEnd } else { State::Piece(left) };
                    if let Some(promised) = &mut self.left {
                        *promised = promised.checked_sub(there as u64).ok_or(FramingError::DecodedLength)?;
                    }
                    return Ok(Some(self.buffer.split_to(there).freeze()));
                }
                State::PieceEnd => {
                    if self.buffer.len() < 2 {
                        return Ok(None);
                    }
                    if !self.buffer.starts_with(b"\r\n") {
                        return Err(FramingError::PieceEnd);
                    }
                    self.buffer.advance(2);
                    self.state = State::Line;
                }
                State::Trailers => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    if line.is_empty() {
                        self.state = State::Over;
                    } else {
                        self.add_trailer(&line)?;
                    }
                }
                State::Over => return Ok(None),
            }
        }
    }

    fn add_trailer(&self, line: &[u8]) -> Result<(), FramingError> {
        let mut trailers = self.trailers.0.lock().expect("nothing panics with the trailers in hand");
        let colon = line.iter().position(|byte| *byte == b':').ok_or(FramingError::Trailer)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| FramingError::Trailer)?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| FramingError::Trailer)?;
        if trailers.len() == TRAILERS_MAX {
            return Err(FramingError::Trailer);
        }
        trailers.insert(name, value);
        Ok(())
    }

    /// The body has ended. Some clients leave the last empty line out.
    fn check_end(&self) -> Result<(), FramingError> {
        match (self.state, self.left) {
            (State::Over | State::Trailers, None | Some(0)) if self.buffer.is_empty() => Ok(()),
            (State::Over | State::Trailers, _) if self.buffer.is_empty() => Err(FramingError::DecodedLength),
            _ => Err(FramingError::Short),
        }
    }
}

impl Stream for Unframed {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.step() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && self.state != State::Over
                    {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.check_end().err().map(|error| Err(error.into()))),
            }
        }
    }
}

impl ByteStream for Unframed {
    fn remaining_length(&self) -> RemainingLength {
        match self.left {
            Some(left) => RemainingLength::new_exact(usize::try_from(left).unwrap_or(usize::MAX)),
            None => RemainingLength::unknown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    async fn unframe(framed: &[u8], pieces: usize, decoded: Option<u64>) -> Result<(Vec<u8>, Trailers), String> {
        let body = framed.chunks(pieces).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
        let body = Body::from(s3s::dto::StreamingBlob::wrap(futures_util::stream::iter(body.collect::<Vec<_>>())));
        let (mut unframed, trailers) = Unframed::new(body, decoded);
        let mut bytes = Vec::new();
        while let Some(piece) = unframed.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        }
        Ok((bytes, trailers))
    }

    #[tokio::test]
    async fn bodies_come_out_of_their_frames_in_whatever_pieces_they_come() {
        let plain = &b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"[..];
        let signed =
            &b"5;chunk-signature=00\r\nhello\r\n7;chunk-signature=11\r\n, world\r\n0;chunk-signature=22\r\n\r\n"[..];
        let trailed = &b"c\r\nhello, world\r\n0\r\nx-amz-checksum-crc32:abcd==\r\nx-amz-other: b \r\n\r\n"[..];
        let cut = &b"C\r\nhello, world\r\n0\r\nx-amz-checksum-crc32:abcd==\r\n"[..];
        for framed in [plain, signed, trailed, cut] {
            for pieces in [1, 2, 3, 7, framed.len()] {
                for decoded in [None, Some(12)] {
                    let (bytes, trailers) = unframe(framed, pieces, decoded).await.unwrap();
                    assert_eq!(bytes, b"hello, world", "{} in {pieces}", framed.escape_ascii());
                    let has_checksum = framed == trailed || framed == cut;
                    assert_eq!(trailers.get("x-amz-checksum-crc32").is_some(), has_checksum);
                }
            }
        }
        assert_eq!(unframe(b"0\r\n\r\n", 5, Some(0)).await.unwrap().0, b"");
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error_and_never_an_object() {
        for (framed, decoded, expected) in [
            (&b"hello"[..], None, FramingError::Short),
            (b"hello\r\n", None, FramingError::Length),
            (b"+5\r\nhello\r\n0\r\n\r\n", None, FramingError::Length),
            (b"ffffffffffffffffff\r\n", None, FramingError::Length),
            (b"5\r\nhel", None, FramingError::Short),
            (b"5\r\nhello, world\r\n0\r\n\r\n", None, FramingError::PieceEnd),
            (b"5\r\nhello\r\n", None, FramingError::Short),
            (b"5\r\nhello\r\n0\r\n\r\n", Some(4), FramingError::DecodedLength),
            (b"5\r\nhello\r\n0\r\n\r\n", Some(6), FramingError::DecodedLength),
            (b"0\r\nno header\r\n\r\n", None, FramingError::Trailer),
            (&[b'0'; 2_000], None, FramingError::Line),
        ] {
            let error = unframe(framed, 4, decoded).await.map(|(bytes, _)| bytes).unwrap_err();
            assert_eq!(error, expected.to_string(), "{}", framed.escape_ascii());
        }
    }
}
