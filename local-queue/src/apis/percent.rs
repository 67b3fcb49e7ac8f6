//! Text that is encoded by percent signs, as paths and queries are.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A part of a query.
pub(super) fn decode_form(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A part of a path.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}
