//! Bytes in, bytes out: probe, decode, scale, orient, encode. No async, no input or output.

pub mod options;
