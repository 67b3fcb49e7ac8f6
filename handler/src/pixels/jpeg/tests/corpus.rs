//! A few small files, and what libjpeg makes of them.

use super::*;

/// Name, file, and the hashes of its pixels at all scales as `djpeg -scale` of libjpeg-turbo makes them.
pub(super) const FILES: &[(&str, &[u8], [u64; 4])] = &[];
